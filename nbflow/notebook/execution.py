"""Executing bodies for the engine: in this thread, awaiting or elsewhere; captured, under their limits."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nbflow.engine.drive import calls_user_code
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.ongoing import Later, moments
from nbflow.engine.requests import Execution, Waiting
from nbflow.engine.wiring import run_wired
from nbflow.exceptions import SessionError
from nbflow.notebook.cells import LimitReachedError, Where, does_wait, run_code
from nbflow.notebook.outputs import encode, printed
from nbflow.notebook.within import prints_in, shown_in
from nbflow.running.stopping import TURNS, stop_is_heard
from nbflow.running.tags import untagged
from nbflow.store.watching import watched_here
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.inline import InlineTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from concurrent.futures import Future

    from nbflow.engine.book import Step
    from nbflow.engine.reading import Reading
    from nbflow.engine.requests import Request
    from nbflow.engine.shown import FlowKind
    from nbflow.engine.trunk import Overrides
    from nbflow.notebook.capturing import Capture, Routes
    from nbflow.notebook.cells import Bodies
    from nbflow.notebook.outputs import Screen
    from nbflow.notebook.places import Cell
    from nbflow.task_runners.base import Runner, TaskReport

calls_user_code(run_code)


@dataclass
class Executor:
    """Answers the requests of work: runs bodies, or has them run, and waits for those.

    Args:
        bodies: Runs their code.
        screen: Where what they show goes.
        routes: What they show passes there.
        parameters: Values given from outside.
        flow: What bodies are shown of their flow.
        cells: The cells of the steps.
        reading: Answers reads of task functions.
        heard: Told what a run has said, a line each.
        runner: Gives the runner of a step whose body runs elsewhere.
        own: The step whose own cell the user runs.
        is_beside: Whether bodies run beside the notebook, and no cell that runs has to do with them.
        running: The step whose body runs now.
        can_wait: Whether a body that awaits something can be awaited.
        at_work: How much work goes on, one within the other.
    """

    bodies: Bodies
    screen: Screen
    routes: Routes
    parameters: Overrides
    flow: FlowKind
    cells: Mapping[str, Cell]
    reading: Reading
    heard: Callable[[str, Iterable[str]], object]
    runner: Callable[[Step], Runner]
    own: Step | None = None
    is_beside: bool = False
    running: Step | None = None
    can_wait: bool = False
    at_work: int = 0

    def answer(self, request: Request) -> object:
        """Run a body and say how it ended; a future of that where it runs elsewhere."""
        if isinstance(request, Waiting):
            with self.screen.interruptible():
                request.here()
        if not isinstance(request, Execution):
            return None
        return self._here(request) if request.context is None else self._elsewhere(request)

    def _here(self, execution: Execution) -> Outcome:
        step, call = execution.step, execution.call
        with self._captured(step) as capture, self.screen.interruptible():
            body = TaskCall(call.attempt, step.name, partial(self._run, execution), call.timeout)
            outcome = InlineTaskRunner().run(body).outcome()
        return self._ended(execution, replace(outcome, captured=encode(capture.recorder.items)))

    async def answer_waiting(self, request: Request) -> object:
        """The same where a body may await something."""
        if isinstance(request, Waiting):
            return await _wait_for(request)
        if not isinstance(request, Execution) or request.context is not None:
            return self.answer(request)
        if not does_wait(request.body.source):
            return self.answer(request)
        return await self._awaited(request)

    async def _awaited(self, execution: Execution) -> Outcome:
        step, call = execution.step, execution.call
        with self._captured(step) as capture, stop_is_heard():
            try:
                await self._run_waiting(execution, call.timeout)
                outcome = Outcome(call.attempt, Ended.RETURNED)
            except LimitReachedError:
                outcome = Outcome(call.attempt, Ended.TIMED_OUT, enforced="firm")
            except asyncio.CancelledError as error:
                is_users = is_stopped() or await _is_about_to_be_stopped()
                outcome = Outcome(call.attempt, Ended.RAISED, KeyboardInterrupt() if is_users else error)
            except BaseException as error:  # noqa: BLE001 - whatever a body raises is its outcome
                outcome = Outcome(call.attempt, Ended.RAISED, error)
        return self._ended(execution, replace(outcome, captured=encode(capture.recorder.items)))

    def _ended(self, execution: Execution, outcome: Outcome) -> Outcome:
        """What a body has printed is kept by its result; of one that made none, by its run."""
        if outcome.ended is not Ended.RETURNED and (lines := printed(outcome.captured)):
            self.heard(execution.call.spec.id, lines)
        return outcome

    def _elsewhere(self, execution: Execution) -> Future[Outcome] | Outcome:
        """Have a body run by its step's runner; what it shows after its report is nobody's."""
        step, call, runner = execution.step, execution.call, self.runner(execution.step)
        around = execution.context or copy_context()
        if not runner.promises.shares_namespace:
            return around.run(self._afar, execution, runner)
        captures: list[Capture] = []
        waits = does_wait(execution.body.source)
        body = partial(self._run_there_waiting if waits else self._run_there, execution, captures)
        task = TaskCall(call.attempt, step.name, body, call.timeout, awaits=waits)
        future = around.run(runner.submit, task)
        return Later(future, lambda report: self._ended(execution, _outcome(captures, report)))

    def _afar(self, execution: Execution, runner: Runner) -> Future[Outcome] | Outcome:
        """Have a body run in another process; it is refused where it cannot be sent there."""
        # What they need takes a while to be loaded.
        from nbflow.engine.afar import refused
        from nbflow.notebook.sending import outcome_there, send

        step, source = execution.step, execution.body.source
        try:
            code = self.bodies.codes(source, self._where(step))
            awaits, shows = does_wait(source), self._shows(step)
            with shown_in(execution, self.flow):
                task = send(execution, code, self.screen, awaits=awaits, shows=shows)
        except SessionError as error:
            return refused(execution.call.attempt, str(error))
        return Later(runner.submit(task), lambda report: self._ended(execution, outcome_there(report)))

    def _run_there(self, execution: Execution, captures: list[Capture]) -> None:
        watched_here()
        with self.routes.captured(shows=self._shows(execution.step), is_here=False) as capture:
            captures.append(capture)
            self._run(execution)

    async def _run_there_waiting(self, execution: Execution, captures: list[Capture]) -> None:
        watched_here()
        with self.routes.captured(shows=self._shows(execution.step), is_here=False) as capture:
            captures.append(capture)
            await self._run_waiting(execution)

    def _shows(self, step: Step) -> bool:
        """Whether the cell that runs shows what a body shows: its own, or one that it calls.

        Another task's cell has a place of its own for that, a task function has none.
        """
        return step is self.own or (step.body.wiring is not None and not self.is_beside)

    @contextmanager
    def waiting(self, *, can_wait: bool) -> Generator[None]:
        """Say for a block whether bodies can be awaited in it."""
        before, self.can_wait = self.can_wait, can_wait
        self.at_work += 1
        try:
            yield
        finally:
            self.can_wait = before
            self.at_work -= 1

    @contextmanager
    def _captured(self, step: Step) -> Generator[Capture]:
        """Note what the step's body shows, and that it runs."""
        before, self.running = self.running, step
        try:
            with self.routes.captured(shows=self._shows(step)) as capture:
                yield capture
                self.screen.flush_figures()
        finally:
            self.running = before

    def _run(self, execution: Execution) -> None:
        __tracebackhide__ = True
        step, source, names = execution.step, execution.body.source, execution.workspace.names
        if does_wait(source):
            raise SessionError(f"{step.name} awaits at its top level: run its own cell")
        with self._within(execution):
            if execution.body.wiring is not None:
                run_wired(execution.body.wiring, names)
            else:
                self.bodies.run(source, self._where(step), names)
        self._override(step, names)

    async def _run_waiting(self, execution: Execution, timeout: float | None = None) -> None:
        step, names = execution.step, execution.workspace.names
        with self._within(execution):
            await self.bodies.run_within(execution.body.source, self._where(step), names, timeout)
        self._override(step, names)

    @contextmanager
    def _within(self, execution: Execution) -> Generator[None]:
        """What surrounds the code of a body; nothing where that can ask for nothing."""
        if execution.only_computes:
            yield
            return
        reads = self.reading.within(execution.step, execution.workspace)
        with reads, untagged(), shown_in(execution, self.flow), prints_in(execution.call):
            yield

    def _where(self, step: Step) -> Where:
        cell = self.cells[step.id]
        return Where(cell.text, cell.lines, cell.number or 0)

    def _override(self, step: Step, names: dict[str, Any]) -> None:
        for name in step.parameters & self.parameters.values.keys():
            names[name] = self.parameters.values[name]


def _outcome(captures: list[Capture], report: TaskReport) -> Outcome:
    outcome = report.outcome()
    if not captures:
        return outcome
    captures[0].shows = False
    return replace(outcome, captured=encode(captures[0].recorder.items))


async def _wait_for(waiting: Waiting) -> None:
    """Wait until one of these is done.

    Raises:
        KeyboardInterrupt: If the user pressed Stop.
    """
    futures = [*map(asyncio.wrap_future, waiting.futures)]
    try:
        for moment in moments():
            if (await asyncio.wait(futures, timeout=moment, return_when=asyncio.FIRST_COMPLETED))[0]:
                return
    except asyncio.CancelledError:
        if is_stopped():
            raise KeyboardInterrupt from None
        raise


async def _is_about_to_be_stopped() -> bool:
    """The same where Stop has ended the body itself, and the loop is still to cancel the cell."""
    with suppress(asyncio.CancelledError):
        for _ in range(TURNS):
            await asyncio.sleep(0)
    return is_stopped()


def is_stopped() -> bool:
    """Whether Stop cancels the cell, as kernels do to one that awaits; that is over then."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        return False
    task.uncancel()
    return True
