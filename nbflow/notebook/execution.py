"""Executing bodies for the engine: in this thread or awaiting, captured, under their limits."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nbflow.context import context
from nbflow.engine.drive import calls_user_code
from nbflow.engine.effects import Ended, Outcome
from nbflow.engine.loops import shown
from nbflow.engine.wiring import run_wired
from nbflow.exceptions import SessionError
from nbflow.notebook.cells import LimitReachedError, Where, does_wait, run_code
from nbflow.notebook.outputs import encode
from nbflow.running.logs import prints_of
from nbflow.running.runs import Run
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.inline import InlineTaskRunner

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractContextManager

    from nbflow.engine.book import Step
    from nbflow.engine.effects import Call
    from nbflow.engine.observe import Execution
    from nbflow.engine.reading import Reading
    from nbflow.engine.trunk import Overrides
    from nbflow.notebook.cells import Bodies
    from nbflow.notebook.outputs import Recorder, Screen
    from nbflow.notebook.places import Cell

calls_user_code(run_code)


@dataclass
class Executor:
    """Answers requests to run a body.

    Args:
        bodies: Runs their code.
        screen: Where what they show goes.
        names: The user's namespace.
        parameters: Values given from outside.
        cells: The cells of the steps.
        reading: Answers reads of task functions.
        own: The step whose own cell the user runs: only that one shows what it does.
        running: The step whose body runs now.
        can_wait: Whether a body that awaits something can be awaited.
    """

    bodies: Bodies
    screen: Screen
    names: dict[str, Any]
    parameters: Overrides
    cells: Mapping[str, Cell]
    reading: Reading
    own: Step | None = None
    running: Step | None = None
    can_wait: bool = False

    def answer(self, execution: Execution) -> Outcome:
        """Run a body in this thread and say how it ended."""
        step, call = execution.step, execution.call
        with self._captured(step) as recorder, self.screen.interruptible():
            body = TaskCall(call.attempt, step.name, lambda: self._run(execution), call.timeout)
            outcome = InlineTaskRunner().run(body).outcome()
        return replace(outcome, captured=encode(recorder.items))

    async def answer_waiting(self, execution: Execution) -> Outcome:
        """Run a body that may await something and say how it ended."""
        step, source, call = execution.step, execution.body.source, execution.call
        if not does_wait(source):
            return self.answer(execution)
        with self._captured(step) as recorder:
            try:
                with self.reading.within(step), context(shown(call)), _prints_of(call):
                    await self.bodies.run_within(source, self._where(step), call.timeout)
                self._override(step)
                outcome = Outcome(call.attempt, Ended.RETURNED)
            except LimitReachedError:
                outcome = Outcome(call.attempt, Ended.TIMED_OUT, enforced="firm")
            except asyncio.CancelledError as error:
                outcome = Outcome(call.attempt, Ended.RAISED, KeyboardInterrupt() if _is_stopped() else error)
            except BaseException as error:  # noqa: BLE001 - whatever a body raises is its outcome
                outcome = Outcome(call.attempt, Ended.RAISED, error)
        return replace(outcome, captured=encode(recorder.items))

    @contextmanager
    def waiting(self, *, can_wait: bool) -> Generator[None]:
        """Say for a block whether bodies can be awaited in it."""
        before, self.can_wait = self.can_wait, can_wait
        try:
            yield
        finally:
            self.can_wait = before

    @contextmanager
    def _captured(self, step: Step) -> Generator[Recorder]:
        """Note what the step's body shows, and that it runs."""
        before, self.running = self.running, step
        try:
            with self.screen.captured(shows=step is self.own) as recorder:
                yield recorder
        finally:
            self.running = before

    def _run(self, execution: Execution) -> None:
        step, source = execution.step, execution.body.source
        if does_wait(source):
            raise SessionError(f"{step.name} awaits at its top level: run its own cell")
        with self.reading.within(step), context(shown(execution.call)), _prints_of(execution.call):
            if execution.body.wiring is not None:
                run_wired(execution.body.wiring, self.names)
            else:
                self.bodies.run(source, self._where(step))
        self._override(step)

    def _where(self, step: Step) -> Where:
        cell = self.cells[step.id]
        return Where(cell.text, cell.lines, cell.number or 0)

    def _override(self, step: Step) -> None:
        for name in step.parameters & self.parameters.values.keys():
            self.names[name] = self.parameters.values[name]


def _prints_of(call: Call) -> AbstractContextManager[None]:
    """Where the prints of a body go: to the log of its run, if its task says so."""
    run = call.spec.body
    return prints_of(run) if isinstance(run, Run) else nullcontext()


def _is_stopped() -> bool:
    """Whether Stop cancels the cell, as kernels do to one that awaits; that is over then."""
    task = asyncio.current_task()
    if task is None or not task.cancelling():
        return False
    task.uncancel()
    return True
