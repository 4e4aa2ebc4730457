"""Public fakes: a simulated notebook, a clock that moves when told, a recorder of transitions.

The simulated notebook runs the real book, engine and store over one dict of names. Its cells
are strings; whatever can be done to a notebook can be done to it, a kernel restart included.
What it does not have is a kernel: no magics, no outputs, no display.
"""

from __future__ import annotations

from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import count
from typing import TYPE_CHECKING, Any

from nbflow.context import of_body
from nbflow.engine.abreast import MOST
from nbflow.engine.afar import refused
from nbflow.engine.audit import Audit
from nbflow.engine.book import Body, Book, Step, mapped_body, read_body
from nbflow.engine.drive import answered, calls_user_code
from nbflow.engine.ongoing import Later
from nbflow.engine.reading import Reading
from nbflow.engine.requests import answering
from nbflow.engine.slots import Kind, slot_of
from nbflow.engine.stateful import unset_all
from nbflow.engine.trunk import Overrides, World, trunk_over
from nbflow.engine.wiring import follow, makers_in, rewire, run_wired
from nbflow.exceptions import SessionError
from nbflow.flows.function import flow
from nbflow.notebook.auditing import perform_apart
from nbflow.running.records import records_over, using
from nbflow.running.tags import untagged
from nbflow.states import Origin
from nbflow.store.memory import MemoryStore
from nbflow.store.watching import watched_here
from nbflow.task_runners.base import TaskCall, TaskReport
from nbflow.task_runners.errands import outcome_of, received, sent
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.tasks import Task, attach_reader, task
from nbflow.types import Cause, Hold, Licence, Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from types import CodeType

    from nbflow.engine.action import Action
    from nbflow.engine.audit import Finding
    from nbflow.engine.effects import Outcome
    from nbflow.engine.requests import Execution, Working
    from nbflow.engine.verify import Judgement
    from nbflow.store.protocol import Store
    from nbflow.task_runners.base import Runner


class FakeClock:
    """A clock that stands still until it is told to move.

    Example:
        >>> clock = FakeClock(start=100.0)
        >>> clock.advance(2.5)
        >>> clock()
        102.5
    """

    def __init__(self, start: float = 1_000_000_000.0) -> None:
        self.now = start

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class FakeTimers:
    """Time that passes as soon as somebody waits for it; for `nbflow.running.records.records_in`.

    Example:
        >>> timers = FakeTimers(FakeClock(100.0))
        >>> timers.at(130.0).result(), timers.now()
        (True, 130.0)
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock or FakeClock()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.clock()

    def at(self, when: float) -> Future[bool]:
        """A future that is done: the time has come."""
        self.clock.now = max(self.clock.now, when)
        come: Future[bool] = Future()
        come.set_result(True)
        return come


@lru_cache(maxsize=20_000)
def code_of(source: str, name: str) -> CodeType:
    """The code of a cell; compiled once, as that of a module is.

    Raises:
        SyntaxError: If it cannot be compiled.
    """
    return compile(source, f"<{name}>", "exec", dont_inherit=True)


@calls_user_code
def _execute(code: CodeType, names: dict[str, object]) -> None:
    exec(code, names)


def _define(source: str, names: dict[str, Any]) -> None:
    _execute(compile(source, "<definition>", "exec", dont_inherit=True), names)


@dataclass
class Notebook:
    """Cells over one dict, on the real book, engine and store.

    Args:
        store: Makes the store for a namespace; called again at each restart.
        clock: Seconds since the epoch.
        kinds: Further kinds of slots outside, by name.
        is_shared: Whether `names` is also bound by others between two actions, as in a kernel.
        runner: Where the bodies of tasks run; None: in this thread, on `names`.

    Example:
        >>> notebook = Notebook()
        >>> late = notebook.add("LATE = 15", plain=True)
        >>> flag = notebook.add("flag = LATE > 10")
        >>> _ = notebook.run_all()
        >>> notebook.verdict(flag).value
        'fresh'
        >>> notebook.edit(late, "LATE = 5")
        >>> _ = notebook.run(late)
        >>> notebook.verdict(flag).value
        'stale'
        >>> notebook.flow().executed == [flag], notebook.names["flag"]
        (True, False)
    """

    store: Callable[[dict[str, object]], Store] = MemoryStore
    clock: Callable[[], float] = field(default_factory=FakeClock)
    kinds: Mapping[str, Kind] = field(default_factory=dict[str, Kind])
    is_shared: bool = False
    runner: Runner | None = None

    def __post_init__(self) -> None:
        self.book = Book()
        self.parameters = Overrides()
        self.log: list[str] = []
        self._ids = count(1)
        self._own: Step | None = None
        self._open()

    def _open(self) -> None:
        self.names: dict[str, object] = {"__name__": "__main__"}
        world = World(
            self.names,
            self.store(self.names),
            self.clock,
            _define,
            self.parameters,
            self.kinds,
            is_shared=self.is_shared,
        )
        self._trunk = trunk = trunk_over(world, self.book)
        self.files, self.sweep, self.workspace, self.work = (
            trunk.files,
            trunk.sweep,
            trunk.workspace,
            trunk.work,
        )
        self.explainer = trunk.explainer
        self.records = records_over(trunk.runs.journal, self.workspace.store, self._timers())
        self.work.elsewhere.says = (lambda step: True) if self.runner is not None else None
        is_apart = self.runner is not None and not self.runner.promises.shares_namespace
        self.work.elsewhere.is_apart = lambda step: is_apart
        most = getattr(self.runner, "max_workers", None) or MOST
        self.work.elsewhere.room = lambda step: ("", most)
        self.reading = Reading(self.work, self._bring, lambda step: self.verdict(step.id).value)

    def _timers(self) -> FakeTimers:
        return FakeTimers(self.clock if isinstance(self.clock, FakeClock) else None)

    def _execute(self, step: Step, body: Body, names: dict[str, Any]) -> None:
        self.log.append(step.id)
        if body.wiring is not None:
            run_wired(body.wiring, names)
            return
        _execute(code_of(body.source, step.name), names)
        for name in step.parameters & self.parameters.values.keys():
            names[name] = self.parameters.values[name]

    def _perform(self, execution: Execution) -> Outcome | Future[Outcome]:
        """Run a body under its limit, in this thread or elsewhere."""
        call = execution.call
        body = partial(self._execute_read, execution)
        task = TaskCall(call.attempt, call.spec.name, body, call.timeout)
        if execution.context is not None and self.runner is not None:
            if not self.runner.promises.shares_namespace:
                return execution.context.run(self._send, self.runner, execution)
            return Later(execution.context.run(self.runner.submit, task), TaskReport.outcome)
        return InlineTaskRunner().run(task).outcome()

    def _send(self, runner: Runner, execution: Execution) -> Outcome | Future[Outcome]:
        """Have a body run in another process."""
        name = execution.step.name
        try:
            with of_body(self._trunk.flow.shown(execution)):
                task = sent(execution, f"{__name__}:{perform_sent.__name__}", name)
        except SessionError as error:
            return refused(execution.call.attempt, str(error))
        return Later(runner.submit(task), partial(self._sent_back, execution))

    def _sent_back(self, execution: Execution, report: TaskReport) -> Outcome:
        self.log.append(execution.step.id)
        return outcome_of(report)

    def _execute_read(self, execution: Execution) -> None:
        """Execute a body whose reads of task functions are answered."""
        step, workspace = execution.step, execution.workspace
        if execution.only_computes:
            self._execute(step, execution.body, workspace.names)
            return
        if execution.context is not None:
            watched_here()
        within = nullcontext() if step is self._own else self.reading.within(step, workspace)
        with untagged(), of_body(self._trunk.flow.shown(execution)), within:
            self._execute(step, execution.body, workspace.names)

    def _driven(self, work: Working[Action]) -> Action:
        """Drive work in this thread, as the session of the task functions that bodies read."""
        detach = attach_reader(self.reading)
        try:
            with using(self.records):
                return answered(work, answering(self._perform))
        finally:
            detach()

    def _bring(self, steps: Sequence[Step], force: bool) -> Mapping[str, BaseException]:
        return answered(
            self.work.run_flow(steps, force=force, origin=Origin.CATCH_UP), answering(self._perform)
        ).errors

    def add(
        self, source: str, *, plain: bool = False, name: str = "", at: int | None = None, **mapped: str
    ) -> str:
        """Put a cell into the notebook without running it; return its identifier.

        Args:
            source: Its text.
            plain: Whether it is a plain cell.
            name: What people call it.
            at: Its place; None: behind all others.
            **mapped: Names that are bound to one element after the other, each with the name of the elements.
        """
        step = f"cell_{next(self._ids)}"
        licence = Licence.USER if plain else Licence.FLOW
        place = len(self.book) if at is None else at
        self.book.insert(
            Step(step, name or step, mapped_body(read_body(source), tuple(mapped.items())), licence, plain),
            place,
        )
        return step

    def let(self, cell: str, **rules: Any) -> str:
        """Set options of a cell's step: `trigger`, `after`, `keeping` and more."""
        self.book.let(cell, **rules)
        self.sweep.touch(self.step(cell))
        return cell

    def add_parameters(self, source: str) -> str:
        """Put a cell of simple assignments whose values can be overridden by `set`."""
        step = self.step(self.add(source, plain=True))
        step.parameters = step.body.analysis.writes
        return step.id

    def set(self, **values: object) -> None:
        """Give parameters values; they count when the flow next looks."""
        self.parameters.values.update(values)

    def reset(self) -> None:
        """Take all parameter values back."""
        self.parameters.values.clear()

    def step(self, cell: str) -> Step:
        """The step of a cell."""
        return self.book.steps[cell]

    def edit(self, cell: str, source: str) -> None:
        """Change a cell's text without running it."""
        self.step(cell).body = mapped_body(read_body(source), self.step(cell).body.mapped)
        self.sweep.touch(self.step(cell))

    def move(self, cell: str, place: int) -> None:
        """Give a cell another place."""
        self.book.move(cell, place)

    def delete(self, cell: str) -> None:
        """Delete a cell."""
        self.book.remove(cell)

    def rename(self, cell: str, name: str) -> None:
        """Give a cell's step another name."""
        self.book.rename(cell, name)

    def run(self, cell: str) -> Action:
        """Run a cell as its user would: a plain one at once, a task incrementally."""
        step = self.step(cell)
        if not step.plain:
            return self._driven(self.work.run_cell(step))
        step.body = self._read_body(step.body.source)
        self.reading.begin_plain(step)
        self._own = step
        try:
            action = self._driven(self.work.run_cell(step))
        finally:
            self._own = None
            self.reading.end_plain()
        self._follow(step)
        return action

    def _read_body(self, source: str) -> Body:
        return read_body(
            source,
            makers_in(source, lambda name: any(self.names.get(name) is maker for maker in (task, flow))),
        )

    def _follow(self, step: Step) -> None:
        """Make steps of the task functions that a plain cell has defined."""
        steps, gone = follow(self.book, self.sweep, step)
        for each in gone:
            self.book.remove(each.id)
            del self.book.steps[each.id]
        if steps or gone:
            rewire(self.book, self.sweep)
        for each in steps:
            held = self.names.get(each.name)
            if isinstance(held, Task):
                self.let(each.id, **held.options.rules)

    def run_all(self) -> list[Action]:
        """Run every cell in order, as Run All does."""
        cells = [cell for cell in self.book.order if self.step(cell).body.wiring is None]
        return [self.run(cell) for cell in cells]

    def flow(self, *names: str) -> Action:
        """Bring all tasks, or those named, up to date, as `%flow run` does."""
        targets = [self.book.named(name) for name in names] if names else None
        return self._driven(self.work.run_flow(targets))

    def only(self, *names: str, force: bool = False) -> Action:
        """Run these tasks from the latest results above them, as `%flow run TASK… --only` does."""
        targets = [self.book.named(name) for name in names]
        return self._driven(self.work.run_only(targets, force=force))

    def audit(self, *names: str) -> list[Finding]:
        """Run these tasks, or all, once more apart from the notebook, as `%flow audit` does."""
        steps = [self.book.named(name) for name in names] or [step for step in self.book if not step.plain]
        self.sweep.look()
        audit = Audit(self._trunk)
        return answered(audit.run(steps), answering(partial(perform_apart, audit.apart)))

    def resume(self, cell: str) -> Action:
        """Run a task that waits for a person, as `%flow resume` does."""
        return self._driven(self.work.resume(self.step(cell)))

    def pin(self, cell: str, hold: Hold | None) -> None:
        """Hold a step at a trace, or end the hold."""
        self.step(cell).hold = hold
        self.sweep.touch(self.step(cell))

    def restart(self) -> Action:
        """Restart the kernel: names and settings are gone, the store and the saved notebook remain."""
        self.work.write_down()
        self.workspace.store.close()
        unset_all()
        for step in self.book.steps.values():
            step.trace = step.left = None
            step.standing = Standing.REMEMBERED if step.standing is Standing.HERE else step.standing
        self._open()
        return self.work.remember()

    def judgement(self, cell: str) -> Judgement:
        """What is to be said of a cell now."""
        self.sweep.look()
        return self.sweep.judgement(self.step(cell))

    def verdict(self, cell: str) -> Verdict:
        """Whether a cell's step is up to date."""
        return self.judgement(cell).verdict

    def why(self, cell: str) -> tuple[Cause, ...]:
        """Why a cell is not up to date: root cause first, through all that stands above it."""
        self.sweep.look()
        return self.explainer.causes(self.step(cell))

    def is_current(self, name: str) -> bool:
        """Whether a name holds, without doubt, the version that the flow ends with."""
        bound = self.sweep.end().bound(slot_of(name))
        fresh = bound.version is not None and not bound.doubts
        return fresh and bound.version is not None and self.workspace.holds(name, bound.version)


def perform_sent(payload: bytes) -> Outcome:
    """Run, in a worker, the body of a cell that was sent there."""
    errand = received(payload)
    job = errand.job

    def run(names: dict[str, Any]) -> Outcome:
        body = partial(_execute, code_of(job.body.source, errand.code), names)
        return InlineTaskRunner().run(TaskCall(job.attempt, job.step, body)).outcome()

    return errand.done({}, _define, run)


def executed(actions: Iterable[Action]) -> list[str]:
    """The steps whose bodies ran in these actions, in order."""
    return [step for action in actions for step in action.executed]
