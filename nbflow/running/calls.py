"""Calls become runs: now, submitted, or once for each item."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.effects import RunSpec
from nbflow.engine.led import steps_of
from nbflow.engine.ongoing import Mailbox, Ongoing, go_on_here, go_on_in
from nbflow.engine.record import new_id
from nbflow.engine.signals import Signal
from nbflow.exceptions import RunError
from nbflow.running.futures import TaskFuture, TaskFutureList
from nbflow.running.hooks import answer_of
from nbflow.running.inputs import Inputs, allow_failure, flatten, gather, unmapped
from nbflow.running.mapping import split, spread
from nbflow.running.performer import Performer
from nbflow.running.preparing import has_to_prepare, prepared
from nbflow.running.runs import Run
from nbflow.running.scope import INLINE, Lane, Scope, present_scope
from nbflow.running.steering import STEERING
from nbflow.running.stepping import stepped, stepped_async
from nbflow.running.stopping import stop_in_order, stop_is_heard
from nbflow.running.tags import with_present
from nbflow.states import Origin, Role, State
from nbflow.store.protocol import RunRecord
from nbflow.task_runners.awaiting import LoopTaskRunner
from nbflow.task_runners.places import place_given_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.retries import Retries
    from nbflow.running.runs import Runnable

RESERVED: Final = frozenset({"return_state", "wait_for"})
"""What says how to call a task or a flow, and is no argument."""

_chance: Final = Random()


def is_source(value: object) -> bool:
    """Whether an argument stands for the result of a run."""
    return isinstance(value, (TaskFuture, State))


def begin(
    of: Runnable,
    inputs: Inputs,
    scope: Scope,
    lane: Lane,
    *,
    run: Run | None = None,
    performer: Callable[..., Performer] = Performer,
    **how: Any,
) -> tuple[TaskFuture, Ongoing]:
    """Make a run of a task or a flow; it is started by its `Ongoing`.

    Args:
        of: The task or the flow.
        inputs: Its arguments.
        scope: Within what it is called.
        lane: Where it goes on.
        run: The run, where somebody has made it already.
        performer: Makes what performs its effects.
        how: Further fields of its `RunSpec`.
    """
    run = run or run_of(of, scope)
    future = TaskFuture(run)
    if has_to_prepare(of):
        how = {"bind": partial(prepared, run, inputs, scope), **how}
    handler = performer(run, inputs, scope, lane)
    ongoing = Ongoing(
        steps_of(_spec(run, inputs, {**handler.fields(how), **how})),
        handler,
        scope.records.journal,
        lane.resume,
    )
    handler.follow(ongoing.future)
    future.drive(ongoing)
    STEERING.note(run, future)
    scope.records.begin(_record(run, scope))
    return future, ongoing


def run_of(of: Runnable, scope: Scope, role: Role | None = None, index: int | None = None) -> Run:
    """A new run of a task or a flow in a scope."""
    records, flow = scope.records, scope.flow
    run = Run(
        new_id(records.timers.now()),
        of.name if index is None else f"{of.name}[{index}]",
        of,
        role or of.role,
        flow,
        scope.run,
        index,
        with_present(of.options.tags),
        flow.number if flow else 0,
        history=records.history,
    )
    if run.role is Role.FLOW and flow is None:
        run.number = records.numbers.take()
    return run


def _spec(run: Run, inputs: Inputs, how: Mapping[str, Any]) -> RunSpec:
    options = run.of.options
    fields: dict[str, Any] = {
        "upstream": inputs.edges,
        "inputs": inputs.template,
        "bind": inputs.fill if inputs.edges or how.get("upstream") else None,
        "trigger": options.trigger,
        "skip_on_upstream_skip": options.skip_on_upstream_skip,
        "retries": _retries(run),
        "timeout": options.timeout,
        "state_handlers": tuple(partial(handler, run.of) for handler in options.state_handlers),
        "draw": _chance.random,
        "flow_run": run.number,
        "parent": run.parent.id if run.parent else "",
        "index": run.index,
        "role": run.role,
        "origin": Origin.NAMED,
    }
    return RunSpec(run.id, run.name, run, **{**fields, **how})


def _retries(run: Run) -> Retries:
    rules, condition = run.of.options.attempts, run.of.options.retry_condition
    return rules if condition is None else replace(rules, condition=partial(_asked, condition, run))


def _asked(condition: Callable[..., object], run: Run, failure: State) -> object:
    # A signal is how the body said it, and nothing that a condition could catch.
    shown = failure.with_result(None) if isinstance(failure.result, Signal) else failure
    return answer_of(condition, run, shown)


def _record(run: Run, scope: Scope) -> RunRecord:
    return RunRecord(
        run.id,
        run.number,
        scope.records.notebook,
        run.parent.id if run.parent else "",
        run.role._value_,
        f"{run.slug or run.of.name}()",  # no cell has such an identifier
        run.name,
        -1 if run.index is None else run.index,
        Origin.NAMED._value_,
    )


# --- now -------------------------------------------------------------------------------------------


def call(scope: Scope, of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a task or a flow now and return what it made; of an asynchronous one, an awaitable of it.

    One whose body is a generator gives a generator, and runs as its values are asked for.

    Raises:
        Exception: What ended the run, unless `return_state=True` asks for its state.
    """
    __tracebackhide__ = True
    returns_state = bool(kwargs.pop("return_state", False))
    inputs = _inputs(of, args, kwargs)
    if of.yields and not returns_state:
        start = partial(_begin_steps, of, inputs, scope)
        return stepped_async(start) if of.is_async else stepped(start)
    if of.is_async:
        return _awaited(scope, of, inputs, returns_state)
    state = run_here(scope, of, inputs)
    return state if returns_state else state.value()


def _begin_steps(of: Runnable, inputs: Inputs, scope: Scope, lane: Lane) -> tuple[TaskFuture, Ongoing]:
    future, ongoing = begin(of, inputs, scope, lane)
    future.is_stepped = True
    scope.note_open(future)
    return future, ongoing


def _inputs(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inputs:
    __tracebackhide__ = True
    order = _listed(kwargs.pop("wait_for", None))
    return gather(of.arguments(args, kwargs), is_source, order)


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple, set)) else (value,)  # pyright: ignore[reportUnknownVariableType]


def run_here(scope: Scope, of: Runnable, inputs: Inputs, **how: Any) -> State:
    """Run it in this thread, which waits for whatever has to be waited for."""
    if scope.run is not None:
        return _run_in_thread(scope, of, inputs, how)
    with stop_in_order():
        return _run_in_thread(scope, of, inputs, how)


def _run_in_thread(scope: Scope, of: Runnable, inputs: Inputs, how: Mapping[str, Any]) -> State:
    mailbox = Mailbox(place_given_up)
    future, ongoing = begin(of, inputs, scope, Lane(INLINE, mailbox.post), **how)
    scope.note_open(future)
    try:
        ongoing.start()
        mailbox.work_until(future.ended)
    except BaseException as stop:
        ongoing.cancel(str(stop) or type(stop).__name__)
        raise
    return future.state


async def _awaited(scope: Scope, of: Runnable, inputs: Inputs, returns_state: bool) -> Any:
    if scope.run is not None:
        return await _awaited_in_loop(scope, of, inputs, returns_state)
    with stop_is_heard():
        return await _awaited_in_loop(scope, of, inputs, returns_state)


async def _awaited_in_loop(scope: Scope, of: Runnable, inputs: Inputs, returns_state: bool) -> Any:
    loop = asyncio.get_running_loop()
    future, ongoing = begin(of, inputs, scope, Lane(LoopTaskRunner(loop), go_on_in(loop)))
    scope.note_open(future)
    try:
        ongoing.start()
        for edge in inputs.edges:
            if isinstance(edge.upstream_task, TaskFuture):
                await edge.upstream_task.settled()
        await asyncio.wrap_future(future.ended)
    except BaseException as stop:
        ongoing.cancel(str(stop) or type(stop).__name__)
        if isinstance(stop, asyncio.CancelledError):
            # What it awaited cleans up before whoever called it goes on.
            await asyncio.wrap_future(future.ended)
        raise
    return future.state if returns_state else future.state.value()


# --- later -----------------------------------------------------------------------------------------


def submit(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Start a run of a task and return the future of its result, or its state if that is asked for.

    Raises:
        RunError: If no flow runs here.
    """
    __tracebackhide__ = True
    scope, runner = _runner_for(of, "submit")
    returns_state = bool(kwargs.pop("return_state", False))
    future = _submitted(scope, of, _inputs(of, args, kwargs), runner)
    if returns_state:
        future.wait()
        return future.state
    return future


def _runner_for(of: Any, method: str) -> tuple[Scope, Any]:
    scope = present_scope()
    runner = of.options.runner or scope.runner
    if runner is None:
        raise RunError(f"{of.name}.{method}() needs a running flow; call it in a function under @flow")
    return scope, runner


def _submitted(
    scope: Scope, of: Runnable, inputs: Inputs, runner: Any, index: int | None = None
) -> TaskFuture:
    run = run_of(of, scope, index=index)
    if not runner.promises.concurrent:
        future = TaskFuture(run)
        run_here(scope, of, inputs, run=run)
        future.end()
        return future
    future, ongoing = begin(of, inputs, scope, Lane(runner, go_on_here), run=run)
    scope.note_open(future)
    go_on_here(ongoing.start)
    return future


def map_items(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Submit one run for each item, and return their futures by position, or their states if asked for.

    Futures and states among the arguments are waited for here: how many items there are is in them.

    Raises:
        RunError: If no flow runs here.
        DefinitionError: If nothing can be mapped over, or lengths differ.
    """
    __tracebackhide__ = True
    scope, runner = _runner_for(of, "map")
    returns_state = bool(kwargs.pop("return_state", False))
    order = list(_listed(kwargs.pop("wait_for", None)))
    rows = split(resolved(spread(of.arguments(args, kwargs), of.rest)), of.name)
    made = TaskFutureList(
        _submitted(scope, of, gather(of.collected(row), is_source, order), runner, index)
        for index, row in enumerate(rows)
    )
    if not returns_state:
        return made
    made.wait()
    return [future.state for future in made]


def resolved(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for all results to come among arguments, and return the arguments with them.

    What is in a list of results stays to come: its items are waited for one by one.
    """
    return {name: _value_of(value) for name, value in arguments.items()}


def _value_of(value: Any) -> Any:
    if isinstance(value, (unmapped, flatten, allow_failure)):
        return type(value)(_value_of(value.value))
    if isinstance(value, TaskFuture):
        return value.result()
    return value.value() if isinstance(value, State) else value
