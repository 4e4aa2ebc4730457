"""One walk through the tasks of a graph: each begins as soon as what it needs has ended."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.ongoing import Mailbox, go_on_here, when_all
from nbflow.engine.run import passed_on
from nbflow.flows.items import BeforeItems, ItemsPerformer, start
from nbflow.retries import NO_RETRIES
from nbflow.running.calls import begin, run_of
from nbflow.running.inputs import Inputs
from nbflow.running.parked import Parked
from nbflow.running.performer import Performer
from nbflow.running.scope import INLINE, Lane, Scope
from nbflow.states import Pending, State
from nbflow.task_runners.places import place_given_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.flows.structure import Structure
    from nbflow.running.futures import TaskFuture
    from nbflow.task_runners.base import Runner
    from nbflow.tasks import Task

_NOT_WANTED: Final = Pending("not asked for in this run")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of a flow shall do beside running every task.

    Args:
        known: Tasks that are not run, and the states that stand for their runs.
        starts: Tasks that a person has named, and where their runs stood; they run as roots.
        begun: Tasks to whose runs a state was given from which they begin.
        items: Mapped tasks and the states that their items have already.
        staying: Tasks that wait for a person, go on doing so, and their runs.
        kept: Tasks among those named that start from what was kept of an earlier run, and their arguments.
        wanted: The tasks that belong to the run; None: all.
        runner: Where tasks execute; None: where the flow says.
    """

    known: Mapping[Task, State] = field(default_factory=dict["Task", State])
    starts: Mapping[Task, Parked] = field(default_factory=dict["Task", Parked])
    begun: Mapping[Task, State] = field(default_factory=dict["Task", State])
    items: Mapping[Task, tuple[State, ...]] = field(default_factory=dict["Task", tuple[State, ...]])
    staying: Mapping[Task, str] = field(default_factory=dict["Task", str])
    kept: Mapping[Task, Mapping[str, Any]] = field(default_factory=dict["Task", "Mapping[str, Any]"])
    wanted: frozenset[Task] | None = None
    runner: Runner | None = None

    def needs(self, structure: Structure, task: Task) -> Iterable[Task]:
        """The tasks that have to end before one begins; one that was named needs data, no order."""
        edges = structure.inputs[task].edges
        if task in self.kept:
            return ()
        if task in self.starts:
            edges = tuple(edge for edge in edges if edge.key is not None)
        return (edge.upstream_task for edge in edges)


class Walk:
    """A walk.

    Args:
        structure: The tasks.
        scope: That of the flow's run.
        plan: What the run shall do.

    Attributes:
        runs: Tasks and the identifiers of their runs.
    """

    def __init__(self, structure: Structure, scope: Scope, plan: Plan) -> None:
        self.runs = dict(plan.staying)
        self._structure = structure
        self._slugs = structure.slugs()
        self._scope = scope
        self._plan = plan
        self._mailbox = Mailbox(place_given_up)
        self._states: dict[Task, State] = {}
        self._over: dict[Task, Future[State]] = {}
        runner = plan.runner or scope.runner or INLINE
        self._lane = Lane(runner, go_on_here if runner.promises.concurrent else self._mailbox.post)

    def states(self) -> dict[Task, State]:
        """Run the tasks, and return how each has ended, or that it waits."""
        try:
            for task in self._structure.tasks:
                self._reach(task)
            self._mailbox.work_until(when_all(self._over.values()))
        except BaseException as stop:
            self._scope.stop(str(stop) or type(stop).__name__)
            raise
        return {task: self._state(task) for task in self._structure.inputs}

    def _reach(self, task: Task) -> None:
        """Begin a task now, or when what it needs has ended."""
        known = self._plan.known.get(task)
        if known is None and self._plan.wanted is not None and task not in self._plan.wanted:
            known = _NOT_WANTED
        if known is not None:
            self._states[task] = known
            return
        needed = [self._over[each] for each in self._plan.needs(self._structure, task) if each in self._over]
        if all(each.done() for each in needed):
            self._start(task)
            return
        self._over[task] = Future()
        waited = when_all(needed)
        waited.add_done_callback(lambda _: self._lane.resume(partial(self._start_late, task)))

    def _state(self, task: Task) -> State:
        return self._states[task] if task in self._states else self._over[task].result()

    def _start(self, task: Task) -> None:
        waits = self._waits(task)
        if waits is not None:
            self._states[task] = waits
            return
        ended = self._begin(task).ended
        if ended.done():
            # Nothing else of the run is kept: of a long chain the states alone would be held.
            self._states[task] = ended.result()
        else:
            self._over[task] = ended

    def _start_late(self, task: Task) -> None:
        over = self._over[task]
        waits = self._waits(task)
        if waits is not None:
            over.set_result(waits)
            return
        self._begin(task).ended.add_done_callback(lambda ended: over.set_result(ended.result()))

    def _waits(self, task: Task) -> State | None:
        """The state of a task that cannot begin in this walk."""
        if self._scope.why_stopped() is not None:
            return Pending("the flow was stopped")
        for each in self._plan.needs(self._structure, task):
            if not self._state(each).is_final():
                return Pending(f"waits for {each.name!r}, which is {self._state(each).name}")
        return None

    def _begin(self, task: Task) -> TaskFuture:
        inputs, where = self._structure.inputs[task], self._plan.starts.get(task)
        if where is not None:
            inputs = self._filled(task, inputs)
        performer, how = self._manner(task, inputs)
        run = run_of(task, self._scope)
        run.slug = self._slugs[task]
        if where is not None:
            run.id = where.run or run.id
            how = {**how, "started_by_name": True, **where.how()}
        elif task in self._plan.begun:
            how = {**how, "start_time": self._plan.begun[task].start_time}
        self.runs[task] = run.id
        future, ongoing = begin(task, inputs, self._scope, self._lane, run=run, performer=performer, **how)
        self._scope.note_open(future)
        start(ongoing, self._lane)
        return future

    def _manner(self, task: Task, inputs: Inputs) -> tuple[Callable[..., Performer], Mapping[str, Any]]:
        """Who performs a run, and how it differs from a plain one."""
        if not inputs.mapped:
            return partial(Performer, source=self._state), _PLAIN
        items = self._plan.items.get(task, ())
        return partial(ItemsPerformer, items, self._state), _as_whole(task, inputs)

    def _filled(self, task: Task, inputs: Inputs) -> Inputs:
        """The inputs of a task that runs as a root: the results are in their places already."""
        if task in self._plan.kept:
            return Inputs(self._plan.kept[task])
        results = {
            edge: passed_on(self._state(edge.upstream_task)) for edge in inputs.edges if edge.key is not None
        }
        return Inputs(inputs.fill(results), mapped=inputs.mapped)


_PLAIN: Final[Mapping[str, Any]] = {}


def _as_whole(task: Task, inputs: Inputs) -> dict[str, Any]:
    """How the run of a mapped task differs: retries, limits and names are those of its items."""
    return {
        "mapped": True,
        "key": None,
        "bind": inputs.fill,
        "trigger": BeforeItems(task.options, inputs.mapped),
        "skip_on_upstream_skip": False,
        "retries": NO_RETRIES,
        "timeout": None,
    }
