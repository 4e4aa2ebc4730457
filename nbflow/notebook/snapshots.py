"""Snapshots: what is bound to what after each run, and with it the choices by hand that outlive a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.notebook.holds import PIN, RESTORE
from nbflow.types import ACCEPT, ONLY, Chosen, Hold, Snapshot, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session

_SECONDS: Final = 10.0
"""How much time the snapshots of single cells keep between each other."""

_LASTING: Final = {
    PIN: "was pinned to",
    ACCEPT: "was accepted with",
    RESTORE: "was restored to",
    ONLY: "was run from older results and stood at",
}
"""Why holds were made that a later kernel has as well, and how that is said."""


class Snapshots:
    """Keeps the snapshots of a session in its history.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._number = 0
        self._is_due, self._at = False, 0.0
        self._noted: Mapping[str, Chosen] = {}
        self._earlier: dict[str, str] | None = None

    def note_run(self, number: int, at: float, *, at_once: bool = True) -> None:
        """Note what is bound to what after a flow run that did something.

        After single cells that happens now and then, as it names every step, and where a hold has ended.
        """
        self._number, self._is_due = number, True
        if at_once or at - self._at >= _SECONDS or self._are_holds_new():
            self._take(number, at)

    def note_holds(self) -> None:
        """Note it after a choice by hand, if that is one for later kernels, or ends one."""
        if self._are_holds_new():
            self._take(0, self._session.around.clock())

    def close(self) -> None:
        """Note what has not been noted yet."""
        if self._is_due:
            self._take(self._number, self._session.around.clock())

    def _are_holds_new(self) -> bool:
        holds = self._holds()
        return self._chosen(holds) != self._noted

    def _take(self, number: int, at: float) -> None:
        session, holds = self._session, self._holds()
        is_new, self._noted = self._are_holds_new(), self._chosen(holds)
        if number:
            self._is_due, self._at = False, at
        traces = {step.id: step.bound_trace.id for step in session.book if step.bound_trace is not None}
        parameters = {name: session.parameters.now(name) for name in session.parameters.values}
        snapshot = Snapshot(number, session.book.order, parameters, holds, traces, at, self._noted)
        session.around.store.history.snapshot(snapshot, session.around.notebook)
        if is_new:
            session.around.store.history.flush()  # a kernel that is killed must not bring an ended hold back

    # --- holds ---------------------------------------------------------------------------------

    def _holds(self) -> dict[str, str]:
        """What each step is held at; those of earlier kernels among them whose cells have not come up yet."""
        steps = self._session.book.steps
        here = {id: step.hold.trace.id for id, step in steps.items() if step.hold is not None}
        return self._waiting() | here

    def _chosen(self, holds: Mapping[str, str]) -> dict[str, Chosen]:
        """How those of them were made that a later kernel is to have as well."""
        steps, waiting = self._session.book.steps, self._waiting()
        chosen = {id: self._noted[id] if id in waiting else _chosen_of(steps[id]) for id in holds}
        return {id: how for id, how in chosen.items() if how is not None}

    def _waiting(self) -> dict[str, str]:
        """The holds of earlier kernels that nobody has taken up."""
        if self._earlier is None:
            around = self._session.around
            last = around.store.history.last_snapshot(around.notebook)
            self._noted = last.chosen if last is not None else {}
            self._earlier = {id: last.holds[id] for id in self._noted} if last is not None else {}
        steps = self._session.book.steps
        ended = [id for id in self._earlier if id in steps and steps[id].standing is Standing.HERE]
        for id in ended:  # by the run of its own cell
            del self._earlier[id]
        return self._earlier

    def end_waiting(self) -> None:
        """End the holds of earlier kernels that nobody has taken up, but pins."""
        waiting = self._waiting()
        for id in [id for id in waiting if self._noted[id].reason != PIN]:
            del waiting[id]

    def take_up_holds(self) -> None:
        """Hold the steps that are remembered as earlier kernels held them, and say what cannot be held."""
        steps, waiting = self._session.book.steps, self._waiting()
        for id in [id for id in waiting if id in steps]:
            trace, step = waiting.pop(id), steps[id]
            if step.standing is Standing.REMEMBERED:
                self._take_up(step, trace, self._noted[id])

    def _take_up(self, step: Step, id: str, how: Chosen) -> None:
        session = self._session
        trace = session.around.store.trace(id)
        if trace is not None and session.holds.has_values(step, trace):
            session.work.hold(step, Hold(trace, how.reason, how.until, how.at, how.entries, how.told))
            return
        text = (
            f"{step.name} {_LASTING[how.reason]} a result that is not stored any more: it is held no longer"
        )
        session.notices.append(text)
        session.around.screen.say(text)


def _chosen_of(step: Step) -> Chosen | None:
    hold = step.hold
    if hold is None or hold.reason not in _LASTING:
        return None
    return Chosen(hold.reason, hold.until, hold.at, hold.entries, hold.told)
