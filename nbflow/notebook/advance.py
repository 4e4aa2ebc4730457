"""The progress of a long run, told in the cell that started it, or in the terminal."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from nbflow.engine.preview import preview
from nbflow.states import StateType
from nbflow.views.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from nbflow.engine.book import Step
    from nbflow.engine.drive import Entered
    from nbflow.notebook.session import Session

_SOON: Final = 1.0
"""Seconds after which a run is worth a line."""

_EVERY: Final = 0.5


class Advance:
    """Tells how far the runs of a session have come.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    @contextmanager
    def told(self, targets: Sequence[Step] | None, again: Sequence[Step]) -> Generator[None]:
        """Tell of the run that goes on in the block, if it takes long.

        Args:
            targets: The steps asked for; None: all tasks.
            again: Those that run although a result fits.
        """
        session = self._session
        line = session.around.screen.line() if self._may_take_long(again) else None
        if line is None:
            yield
            return
        planned = preview(session.work, targets, again)
        expected = {each.step.name: each.seconds for each in planned if each.does in ("runs", "may run")}
        teller = _Teller(Progress(expected, session.around.clock()), line, session.around.clock)
        unsubscribe = session.trunk.runs.journal.subscribe(teller.note)
        try:
            yield
        finally:
            unsubscribe()
            teller.end()

    def _may_take_long(self, again: Sequence[Step]) -> bool:
        """Whether what is not up to date took long, or nobody knows."""
        session = self._session
        if session.around.is_headless:
            return False
        due = {step.id: step for step in (*session.trunk.sweep.pending(), *again) if not step.plain}
        seconds = [step.trace.seconds if step.trace is not None else _SOON for step in due.values()]
        return sum(seconds) >= _SOON


class _Teller:
    """A thread that says now and then how far a run has come.

    Args:
        progress: How far.
        line: Shows a text in the place of the one before; an empty one takes it away.
        clock: Seconds since the epoch.
    """

    def __init__(self, progress: Progress, line: Callable[[str], object], clock: Callable[[], float]) -> None:
        self._progress, self._line, self._clock = progress, line, clock
        self._lock, self._over = threading.Lock(), threading.Event()
        self._is_shown = False
        self._thread = threading.Thread(target=self._tell, name="nbflow-progress", daemon=True)
        self._thread.start()

    def note(self, entered: Entered) -> None:
        """A run entered a state."""
        spec, state = entered.spec, entered.state
        if spec.parent or spec.index is not None:
            return
        with self._lock:
            if state.type is StateType.RUNNING:
                self._progress.begins(spec.name, entered.transition.at)
            elif state.is_final():
                self._progress.ends(spec.name, is_bad=state.is_failed() or state.is_crashed())

    def end(self) -> None:
        """The run is over: its result says the rest."""
        self._over.set()
        self._thread.join()
        if self._is_shown:
            self._show("")

    def _tell(self) -> None:
        wait = _SOON
        while not self._over.wait(wait):
            wait, self._is_shown = _EVERY, True
            with self._lock:
                words = self._progress.words(self._clock())
            self._show(words)

    def _show(self, text: str) -> None:
        with suppress(Exception):  # whatever is wrong with the screen, the run goes on
            self._line(text)
