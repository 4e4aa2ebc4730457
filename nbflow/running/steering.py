"""Steering flow runs from outside: holding back what would begin next, going on, and stopping."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.ongoing import when_all
from nbflow.engine.timers import TIMERS
from nbflow.running.claims import once_done
from nbflow.states import Role

if TYPE_CHECKING:
    from nbflow.running.futures import TaskFuture
    from nbflow.running.runs import Run

_SOON: Final = 0.001


class Steering:
    """The flow runs that are under way, and those in which nothing new begins for now.

    Example:
        >>> steering = Steering()
        >>> steering.hold("a1")
        >>> steering.is_held("a1"), steering.go_on("a1"), steering.is_held("a1")
        (True, None, False)
    """

    def __init__(self) -> None:
        self._open: dict[str, TaskFuture] = {}
        self._held: dict[str, Future[None]] = {}

    def note(self, run: Run, future: TaskFuture) -> None:
        """A run begins; that of a flow can be steered until it has ended."""
        if run.role is Role.FLOW:
            self._open[run.id] = future
            future.ended.add_done_callback(partial(self._forget, run.id))

    def _forget(self, run: str, _: Future[Any]) -> None:
        self._open.pop(run, None)
        self.go_on(run)

    def stop(self, run: str, reason: str) -> None:
        """Stop a flow run, wherever it executes."""
        future = self._open.get(run)
        if future is not None:
            future.cancel(reason)

    def hold(self, run: str) -> None:
        """Let nothing new begin within a flow run; what runs goes on."""
        self._held.setdefault(run, Future())

    def is_held(self, run: str) -> bool:
        """Whether nothing new begins within a flow run."""
        return run in self._held

    def go_on(self, run: str) -> None:
        """Let begin what waits within a flow run, and all after it."""
        held = self._held.pop(run, None)
        if held is not None:
            # Whoever says so is no thread for the work that begins then.
            TIMERS.after(_SOON).add_done_callback(lambda _: held.set_result(None))

    def holds(self, run: Run | None) -> Future[None] | None:
        """What a run has to wait for before it may go on; None if nobody holds it back."""
        while self._held and run is not None:
            if run.id in self._held:
                return self._held[run.id]
            run = run.parent
        return None

    def once_free(self, run: Run, waited: Future[Any]) -> Future[Any]:
        """What is done when `waited` is and nobody holds the run back."""
        return once_done(waited, partial(self.holds, run))

    def once_let_in(self, run: Run) -> Future[Any]:
        """What is done when nobody holds the run back."""
        return self.once_free(run, when_all(()))


STEERING: Final = Steering()
"""That of this process."""
