"""Calls become runs: now, submitted, or once for each item."""

from __future__ import annotations

import asyncio
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.effects import RunSpec
from nbflow.engine.ongoing import Mailbox, Ongoing, go_on_here
from nbflow.engine.record import new_id
from nbflow.engine.run import run_task
from nbflow.exceptions import RunError
from nbflow.running.futures import TaskFuture, TaskFutureList
from nbflow.running.inputs import Inputs, flatten, gather, unmapped
from nbflow.running.mapping import split
from nbflow.running.performer import Performer
from nbflow.running.runs import Run
from nbflow.running.scope import INLINE, Lane, Scope, present_scope
from nbflow.states import Origin, Role, State
from nbflow.store.protocol import RunRecord
from nbflow.task_runners.awaiting import LoopTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.running.runs import Runnable

_chance: Final = Random()


def is_source(value: object) -> bool:
    """Whether an argument stands for the result of a run."""
    return isinstance(value, (TaskFuture, State))


def _itself(source: Any) -> Any:
    return source


def begin(
    of: Runnable,
    inputs: Inputs,
    scope: Scope,
    lane: Lane,
    *,
    source: Callable[[Any], TaskFuture | State] = _itself,
    run: Run | None = None,
    **how: Any,
) -> tuple[TaskFuture, Ongoing]:
    """Make a run of a task or a flow; it is started by its `Ongoing`.

    Args:
        of: The task or the flow.
        inputs: Its arguments.
        scope: Within what it is called.
        lane: Where it goes on.
        source: Gives, for the upstream task of an edge, the future or the state of its run.
        run: The run, where somebody has made it already.
        how: Further fields of its `RunSpec`.
    """
    run = run or run_of(of, scope)
    future = TaskFuture(run)
    performer = Performer(run, inputs, source, scope, lane)
    ongoing = Ongoing(run_task(_spec(run, inputs, how)), performer, scope.records.journal, lane.resume)
    future.drive(ongoing)
    scope.records.begin(_record(run, scope))
    return future, ongoing


def run_of(of: Runnable, scope: Scope, role: Role = Role.TASK, index: int | None = None) -> Run:
    """A new run of a task in a scope."""
    name = of.name if index is None else f"{of.name}[{index}]"
    return Run(
        new_id(scope.records.timers.now()),
        name,
        of,
        role,
        scope.flow,
        scope.run,
        index,
        frozenset(of.options.tags),
        scope.flow.number if scope.flow else 0,
    )


def _spec(run: Run, inputs: Inputs, how: Mapping[str, Any]) -> RunSpec:
    options = run.of.options
    fields: dict[str, Any] = {
        "upstream": inputs.edges,
        "inputs": inputs.template,
        "bind": inputs.fill if inputs.edges else None,
        "trigger": options.trigger,
        "skip_on_upstream_skip": options.skip_on_upstream_skip,
        "retries": options.attempts,
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


def _record(run: Run, scope: Scope) -> RunRecord:
    return RunRecord(
        run.id,
        run.number,
        scope.records.notebook,
        run.parent.id if run.parent else "",
        run.role.value,
        f"{run.of.name}()",  # no cell has such an identifier
        run.name,
        -1 if run.index is None else run.index,
        Origin.NAMED.value,
    )


# --- now -------------------------------------------------------------------------------------------


def call(scope: Scope, of: Any, args: tuple[Any, ...], kwargs: dict[str, Any], run: Run | None = None) -> Any:
    """Run a task or a flow now and return what it made; of an asynchronous one, an awaitable of it.

    Raises:
        Exception: What ended the run, unless `return_state=True` asks for its state.
    """
    returns_state = bool(kwargs.pop("return_state", False))
    inputs = _inputs(of, args, kwargs)
    if of.is_async:
        return _awaited(scope, of, inputs, returns_state, run)
    state = run_here(scope, of, inputs, run=run)
    return state if returns_state else state.value()


def _inputs(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Inputs:
    order = _listed(kwargs.pop("wait_for", None))
    return gather(of.arguments(args, kwargs), is_source, order)


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple, set)) else (value,)  # pyright: ignore[reportUnknownVariableType]


def run_here(scope: Scope, of: Runnable, inputs: Inputs, **how: Any) -> State:
    """Run it in this thread, which waits for whatever has to be waited for."""
    mailbox = Mailbox()
    future, ongoing = begin(of, inputs, scope, Lane(INLINE, mailbox.post), **how)
    try:
        ongoing.start()
        mailbox.work_until(future.ended)
    except BaseException as stop:
        ongoing.cancel(str(stop) or type(stop).__name__)
        mailbox.work_off()
        raise
    return future.state


async def _awaited(scope: Scope, of: Runnable, inputs: Inputs, returns_state: bool, run: Run | None) -> Any:
    loop = asyncio.get_running_loop()
    lane = Lane(LoopTaskRunner(loop), loop.call_soon_threadsafe)
    future, ongoing = begin(of, inputs, scope, lane, run=run)
    try:
        ongoing.start()
        await asyncio.wrap_future(future.ended)
    except BaseException as stop:
        ongoing.cancel(str(stop) or type(stop).__name__)
        raise
    return future.state if returns_state else future.state.value()


# --- later -----------------------------------------------------------------------------------------


def submit(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskFuture:
    """Start a run of a task and return the future of its result.

    Raises:
        RunError: If no flow runs here.
    """
    scope, runner = _runner_for(of, "submit")
    returns_state = bool(kwargs.pop("return_state", False))
    future = _submitted(scope, of, _inputs(of, args, kwargs), runner)
    if returns_state:
        future.wait()
        return future.state  # type: ignore[return-value]
    return future


def _runner_for(of: Any, method: str) -> tuple[Scope, Any]:
    scope = present_scope()
    runner = of.options.runner or scope.runner
    if runner is None:
        raise RunError(f"{of.name}.{method}() needs a running flow; call it in a function under @flow")
    return scope, runner


def _submitted(scope: Scope, of: Runnable, inputs: Inputs, runner: Any) -> TaskFuture:
    if not runner.promises.concurrent:
        run = run_of(of, scope)
        future = TaskFuture(run)
        run_here(scope, of, inputs, run=run)
        future.end()
        return future
    future, ongoing = begin(of, inputs, scope, Lane(runner, go_on_here))
    scope.note_open(future)
    go_on_here(ongoing.start)
    return future


def map_items(of: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> TaskFutureList:
    """Submit one run for each item, and return their futures by position.

    Futures and states among the arguments are waited for here: how many items there are is in them.

    Raises:
        RunError: If no flow runs here.
        DefinitionError: If nothing can be mapped over, or lengths differ.
    """
    scope, runner = _runner_for(of, "map")
    order = list(_listed(kwargs.pop("wait_for", None)))
    rows = split(resolved(of.arguments(args, kwargs)), of.name)
    runs = (gather(row, is_source, order) for row in rows)
    return TaskFutureList(_submitted(scope, of, inputs, runner) for inputs in runs)


def resolved(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Wait for all results to come among arguments, and return the arguments with them.

    What is in a list of results stays to come: its items are waited for one by one.
    """
    return {name: _value_of(value) for name, value in arguments.items()}


def _value_of(value: Any) -> Any:
    if isinstance(value, (unmapped, flatten)):
        return type(value)(_value_of(value.value))
    if isinstance(value, TaskFuture):
        return value.result()
    return value.value() if isinstance(value, State) else value
