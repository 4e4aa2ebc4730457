"""`Flow`: a graph of tasks that is built first and run as a whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.arguments import as_runner
from nbflow.context import context as shown
from nbflow.engine.graph import descendants
from nbflow.engine.mapped import ended_by_items
from nbflow.engine.signals import ENDRUN
from nbflow.exceptions import DefinitionError, MissingParameterError, OptionError, RunError
from nbflow.flows.base import BaseFlow
from nbflow.flows.ending import ended_by_tasks, outcome_of
from nbflow.flows.picture import card_of
from nbflow.flows.progress import DETAIL, PARAMETERS, Progress, keep, read_back, without_secrets, write_down
from nbflow.flows.starting import kept_inputs
from nbflow.flows.structure import Structure
from nbflow.flows.walk import Plan, Walk
from nbflow.running.calls import run_here
from nbflow.running.inputs import Inputs
from nbflow.running.parked import Parked, parked_flow_run
from nbflow.running.scope import INLINE, SETTING, Scope, present_scope
from nbflow.states import Paused, Running, State
from nbflow.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextvars import Token

    from nbflow.engine.effects import Call
    from nbflow.running.records import Records
    from nbflow.running.runs import Run
    from nbflow.store.protocol import RunRecord
    from nbflow.task_runners.base import Runner


_NOTHING: Final[Mapping[str, Any]] = {}

EndHandler = Callable[["Flow", State, set[State]], "State | None"]
"""What decides how a run of a flow ends."""


class TaskStates(dict[Task, Any]):
    """Task to the state of its run; a task is also found by its name.

    Args:
        states: The states.
        flow: The flow whose tasks these are; None where that is not known.

    Example:
        >>> from nbflow.states import Completed
        >>> states = TaskStates({Task("one"): Completed(result=1)})
        >>> states["one"].result
        1
    """

    def __init__(self, states: Mapping[Task, State], flow: Flow | None = None) -> None:
        super().__init__(states)
        self.flow = flow

    def __missing__(self, key: object) -> Any:
        found = [state for task, state in self.items() if task.name == key]
        if not found:
            raise KeyError(f"no task of this flow is {key!r}; give a name, or what the call of the task gave")
        if len(found) > 1:
            raise KeyError(f"{key!r} is the name of {len(found)} tasks of this flow; use the task itself")
        return found[0]


class Flow(Structure, BaseFlow):
    """A graph of tasks.

    Args:
        name: What people call it.
        terminal_state_handler: Called with the flow, the state that its reference tasks decide, and the set
            of their states; the state that it returns, if any, is how the run ends.
        given: What is said of it beside its tasks.

    Attributes:
        latest: Tasks and the identifiers of their runs in the last run of the flow in this process.

    Example:
        >>> from nbflow import task
        >>> @task
        ... def one():
        ...     return 1
        >>> @task
        ... def plus(x, y):
        ...     return x + y
        >>> with Flow("sum") as f:
        ...     total = plus(one(), 2)
        >>> f.run().result[total].result
        3
    """

    def __init__(self, name: str, *, terminal_state_handler: EndHandler | None = None, **given: Any) -> None:
        if not name:
            raise DefinitionError("a Flow needs a name: Flow('etl')")
        Structure.__init__(self)
        BaseFlow.__init__(self, name, **given)
        self._end_handler = terminal_state_handler
        self._tokens: list[Token[Any]] = []
        self._references: tuple[Task, ...] = ()
        self._plans: dict[str, Plan] = {}
        self._at_hand: dict[str, Progress] = {}
        self.latest: Mapping[Task, str] = {}

    def __enter__(self) -> Flow:
        self._tokens.append(SETTING.set(self))
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        SETTING.reset(self._tokens.pop())
        if kind is None:
            # Tasks that wait for each other are told of here, where they were made to.
            _ = self.tasks

    def set_reference_tasks(self, tasks: Iterable[Task]) -> None:
        """Let these tasks decide how a run of the flow ends; by default the terminal ones do.

        Raises:
            UnknownTaskError: If one is not in the flow.
        """
        self._references = tuple(self.task(each) for each in tasks)

    def reference_tasks(self) -> tuple[Task, ...]:
        """The tasks that decide how a run of the flow ends."""
        return self._references or self.terminal_tasks()

    # --- running -------------------------------------------------------------------------------

    def run(
        self,
        parameters: Mapping[str, Any] | None = None,
        *,
        context: Mapping[str, Any] | None = None,
        start_tasks: Iterable[Task | str] | Task | str = (),
        task_states: Mapping[Any, State] | None = None,
        task_runner: Runner | type[Runner] | None = None,
        executor: Runner | type[Runner] | None = None,
        **more: Any,
    ) -> State:
        """Run the tasks, each as soon as it can.

        Args:
            parameters: Values of the flow's parameters, by name.
            context: What `nbflow.context` shows beside what it shows of every run.
            start_tasks: Tasks, or names of tasks, that run whatever is before them; only they, what is below
                them, and what these lack, belong to the run. One that waits for a person in the flow's
                last run goes on there; one that failed there starts from the inputs that it had, if they
                were kept and no parameter is needed or given: what was before it does not run again.
            task_states: Tasks and the states that stand for their runs; one with the state `Resume` runs
                whatever is before it.
            task_runner: Where tasks execute; None: where the flow says.
            executor: Prefect 1's name for the same.
            more: Further values of parameters.

        Returns:
            The state of the flow's run; its `result` maps tasks to states. It is Running as long as one of
            the reference tasks has not ended; `resume` goes on then.

        Raises:
            CycleError: If tasks wait for each other.
            UnknownTaskError: If a task is not in the flow.
            OptionError: If the flow has no such parameter, or `task_runner` is no runner.
            MissingParameterError: If a parameter without default was not given.
        """
        self._check_built()
        given = {self.task(each): _summed_up(state) for each, state in (task_states or {}).items()}
        named = [start_tasks] if isinstance(start_tasks, (Task, str)) else start_tasks
        only = [self.task(each) for each in named]
        starts = only + [
            each for each, state in given.items() if state.name == "Resuming" and each not in only
        ]
        scope = present_scope(recorded=True)
        where = task_runner if task_runner is not None else executor
        runner = as_runner(where) if where is not None else None
        values = {**(parameters or {}), **more}
        with shown(context) if context else nullcontext():
            if starts and not values:
                waiting = self._waiting(scope)
                if waiting is not None and set(starts) <= waiting[2].parked.keys():
                    return self._go_on(scope, waiting, starts, given, runner)
            plan = self._plan(starts, given, bool(only), runner)
            if only and not values:
                plan = self._from_kept(plan, given, scope)
            return self._run(scope, self.new_run(scope), plan, self._complete(values))

    def resume(self, *tasks: Task | str, **parameters: Any) -> State:
        """Go on with the last run of the flow, where it waits for a person; also one of another kernel.

        Args:
            tasks: Which of the waiting tasks may run; none: all of them.
            parameters: Values of parameters that are not kept, such as secrets.

        Returns:
            The state of the flow's run, as `run` does.

        Raises:
            RunError: If no run of the flow, or of these tasks, waits.
            MissingParameterError: If the value of a parameter was not kept.
        """
        self._check_built()
        scope = present_scope(recorded=True)
        waiting = self._waiting(scope)
        if waiting is None:
            raise RunError(f"no run of flow {self.name!r} waits for a person; start one with run()")
        wanted = [self.task(each) for each in tasks] or list(waiting[2].parked)
        for each in wanted:
            if each not in waiting[2].parked:
                raise RunError(f"task {each.name!r} does not wait for a person; run(start_tasks=[…]) runs it")
        return self._go_on(scope, waiting, wanted, parameters=parameters)

    def waiting_tasks(self) -> tuple[Task, ...]:
        """The tasks that wait for a person in the last run of the flow, also of another kernel."""
        waiting = self._waiting(present_scope(recorded=True))
        return tuple(waiting[2].parked) if waiting is not None else ()

    def _check_built(self) -> None:
        if self._tokens:
            raise DefinitionError(f"flow {self.name!r} is being built; run it after the with block")
        _ = self.tasks

    def _complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all parameters."""
        known = {each.name: each for each in self.parameters()}
        for name in values:
            if name not in known:
                raise OptionError.unknown("parameter", name, known)
        missing = [each.name for each in known.values() if each.is_required and each.name not in values]
        if missing:
            raise MissingParameterError.named(*missing, flow=self.name)
        return {**{name: each.default for name, each in known.items()}, **values}

    def _plan(
        self, starts: list[Task], given: Mapping[Task, State], only_these: bool, runner: Runner | None
    ) -> Plan:
        """The plan of a new run.

        Args:
            starts: The tasks that run whatever is before them.
            given: The states that stand for runs.
            only_these: Whether only they and what is below them belong to the run.
            runner: Where tasks execute.
        """
        plan = Plan(
            self._known(given, starts),
            dict.fromkeys(starts, Parked.NEW),
            {each: state for each, state in given.items() if not _is_settled(state)},
            {each: tuple(state.map_states) for each, state in given.items()},
            runner=runner,
        )
        return replace(plan, wanted=self._lacking(plan)) if only_these else plan

    def _from_kept(self, plan: Plan, given: Mapping[Task, State], scope: Scope) -> Plan:
        """The plan in which tasks that failed in the last run start from the inputs that they had."""
        kept = kept_inputs(self, self.name, plan.starts, given, scope.records)
        fewer = replace(plan, kept=kept)
        wanted = self._lacking(fewer)
        # Values of parameters belong to one run: those of the earlier one and new ones are not mixed.
        return plan if not kept or wanted.intersection(self.parameters()) else replace(fewer, wanted=wanted)

    def _known(self, given: Mapping[Task, State], starts: Iterable[Task]) -> dict[Task, State]:
        """The tasks that are not run; what is below one that starts is run anew."""
        below = {*starts, *descendants(self.upstream(), starts)} if starts else ()
        return {each: state for each, state in given.items() if _is_settled(state) and each not in below}

    def _lacking(self, plan: Plan) -> frozenset[Task]:
        """The tasks that are to start, what is below them, and what these lack."""
        starts = set(plan.starts)
        wanted = starts | descendants(self.upstream(), starts)
        open_tasks = list(wanted)
        while open_tasks:
            for each in plan.needs(self, open_tasks.pop()):
                if each not in wanted and each not in plan.known:
                    wanted.add(each)
                    open_tasks.append(each)
        return frozenset(wanted)

    # --- going on ------------------------------------------------------------------------------

    def _waiting(self, scope: Scope) -> tuple[RunRecord, Parked, Progress] | None:
        """The last run of the flow, where it waits, and how far it had come."""
        found = parked_flow_run(scope.records, self.name)
        if found is None or found[1].state is None:
            return None
        at_hand = self._at_hand.get(found[0].id, Progress())
        return *found, read_back(self, found[1].state.details, scope.records, at_hand)

    def _go_on(
        self,
        scope: Scope,
        waiting: tuple[RunRecord, Parked, Progress],
        starts: list[Task],
        given: Mapping[Task, State] | None = None,
        runner: Runner | None = None,
        parameters: Mapping[str, Any] = _NOTHING,
    ) -> State:
        record, where, progress = waiting
        values = self._complete({**progress.parameters, **parameters})
        stay = {
            task: Paused("waits for a person", map_states=progress.items[task]) for task in progress.parked
        }
        plan = Plan(
            self._known({**progress.known, **stay, **(given or {})}, starts),
            {each: progress.parked[each] for each in starts},
            items=progress.items,
            staying={each: where.run for each, where in progress.parked.items()},
            runner=runner,
        )
        run = self.new_run(scope)
        run.id, run.number = record.id, record.number
        return self._run(scope, run, plan, values, **where.how())

    def _run(self, scope: Scope, run: Run, plan: Plan, parameters: Mapping[str, Any], **how: Any) -> State:
        self._plans[run.id] = plan
        try:
            state = run_here(scope, self, Inputs(parameters), run=run, **how)
        finally:
            del self._plans[run.id]
        self._at_hand.pop(run.id, None)
        if not state.is_paused():
            scope.records.history.flush_soon()
            return state
        scope.records.history.flush()
        self._at_hand[run.id] = Progress(state.result, parameters=parameters)
        return Running(state.message, state.result)

    def runner(self, around: Scope) -> Runner:
        """Where its tasks execute: this thread, if nothing else was said."""
        given = self.settings.task_runner
        made = given() if isinstance(given, type) else given
        return made or INLINE

    def execute(self, scope: Scope, call: Call) -> Any:
        """Run the tasks, each as soon as it can."""
        plan = self._plans.get(call.spec.id, Plan())
        walk = Walk(self, scope, plan)
        goes_on = not set(plan.staying.values()).isdisjoint(self.latest.values())
        self.latest = walk.runs = {**(self.latest if goes_on else {}), **walk.runs}
        states = TaskStates(walk.states(), self)
        slugs = self.slugs()
        deciding = {slugs[each]: states[each] for each in self._deciding(plan)}
        state = ended_by_tasks(deciding, states)
        if state.is_running():
            raise ENDRUN(self._paused(state, walk, scope.records, call.inputs))
        return outcome_of(self._handled(state, deciding.values()), cast("Run", scope.run))

    def _handled(self, state: State, references: Iterable[State]) -> State:
        """How a run ends, as the user's handler has it.

        Raises:
            DefinitionError: If it returns something else than a final state, or None.
        """
        if self._end_handler is None:
            return state
        wanted = cast("object", self._end_handler(self, state, set(references)))
        if wanted is None:
            return state
        if not isinstance(wanted, State) or not wanted.is_final():
            raise DefinitionError(f"terminal_state_handler returned {wanted!r}; return a final state or None")
        return wanted.with_result(state.result)

    def _deciding(self, plan: Plan) -> Iterable[Task]:
        """The reference tasks of a run; where none belongs to it, its own terminal tasks."""
        wanted = plan.wanted
        if wanted is None:
            return self.reference_tasks()
        needed = {each for task in wanted for each in self.upstream_tasks(task)}
        return [each for each in self.reference_tasks() if each in wanted] or list(wanted - needed)

    def _paused(self, state: State, walk: Walk, records: Records, parameters: Mapping[str, Any]) -> State:
        """The state of a run that waits, with what it goes on from."""
        waiting = [task.name for task, each in state.result.items() if each.is_paused()]
        who = f"{', '.join(map(repr, waiting))} {'waits' if len(waiting) == 1 else 'wait'}"
        message = f"{state.message}; {who} for a person: resume()"
        reached = write_down(self, state.result, walk.runs, records)
        kept = {DETAIL: reached, PARAMETERS: keep(without_secrets(parameters), records.store)}
        return Paused(message, state.result).with_details(**kept)

    # --- showing -------------------------------------------------------------------------------

    def visualize(self, state: State | None = None) -> Any:
        """The graph as a `graphviz.Digraph`.

        Args:
            state: The state of one of its runs, whose tasks are drawn in the colours of theirs.

        Raises:
            NbflowError: If the package graphviz is not installed.
        """
        dot = import_module("nbflow.views.dot")
        return dot.to_dot(card_of(self, self.name, state.result if state is not None else {}))

    def __repr__(self) -> str:
        return f"<Flow {self.name!r}: {len(self.inputs)} tasks>"


def _summed_up(state: State) -> State:
    """A given state of a mapped task, as its items make it."""
    items = tuple(state.map_states)
    has_ended = items and state.result is None and _is_settled(state)
    return ended_by_items(items) if has_ended else state


def _is_settled(state: State) -> bool:
    """Whether nothing has to be run where this state was given."""
    return state.is_paused() or (state.is_final() and all(item.is_final() for item in state.map_states))
