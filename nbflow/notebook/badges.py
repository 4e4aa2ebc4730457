"""Badges on the screen: those of tasks that run elsewhere than in their own cell say so while it goes on.

A thread of its own looks a few times a second at what was noted. Whoever notes waits for nobody, and a
task that is done before anybody could read of it is not told.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from nbflow.states import StateType
from nbflow.views import Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.drive import Entered
    from nbflow.notebook.places import Cell
    from nbflow.notebook.session import Session

_EVERY: Final = 0.25
"""Seconds between two looks, and after which a run is worth being told."""

_MOST: Final = 10
"""How many badges are changed at one look."""

_QUIET: Final = frozenset({StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED})
"""What begins with these states, or rests there, is not told before it has run."""


class Now(NamedTuple):
    """How a run stands.

    Attributes:
        state: Name of its state.
        attempt: Which attempt.
        message: What a state says in which it failed.
        at: When it was entered.
        since: When its body began, of this attempt.
        is_final: Whether no state follows.
        is_quiet: Whether nothing is computed in it.
    """

    state: str
    attempt: int
    message: str
    at: float
    since: float
    is_final: bool
    is_quiet: bool


class Badges:
    """Shows badges, and keeps those of tasks that run at the states of their runs where somebody sees it.

    Args:
        session: The session.
        clock: Seconds, monotonic.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session, self._clock = session, clock
        self._lock = threading.Lock()
        self._now: dict[str, Now] = {}
        self._told: dict[str, tuple[str, int]] = {}
        self._awake, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def note(self, id: str, entered: Entered) -> None:
        """A run of a step entered a state; next to free, in any thread."""
        cell = self._session.places.cells.get(id)
        if cell is None or not cell.badge or self._session.is_own(cell.step):
            return
        now = self._now[id] = self._next(id, entered)
        if not self._awake.is_set() and not now.is_final and self._session.around.link.is_open:
            self._begin()

    def _next(self, id: str, entered: Entered) -> Now:
        state, at, before = entered.state, self._clock(), self._now.get(id)
        since = at if before is None or before.is_final or before.is_quiet else before.since
        message = state.message if state.is_failed() or state.is_crashed() else ""
        is_quiet = state.type in _QUIET
        return Now(state.name, entered.transition.attempt, message, at, since, state.is_final(), is_quiet)

    def show(self, cell: Cell, *, updates: bool = False, only_ours: bool = False) -> None:
        """Show the badge of a cell's task as it stands, which is more than how its run stands.

        Args:
            cell: The cell.
            updates: Whether it has a badge.
            only_ours: Whether no body has run in this cell.
        """
        id, screen = cell.step.id, self._session.around.screen
        with self._lock:
            self._told.pop(id, None)
            now = self._now.get(id)
            if now is not None and now.is_final:
                del self._now[id]
            shown = self._session.report.badge(cell)
            if updates:
                screen.update_beside(shown, cell.badge)
            else:
                screen.show(shown, cell.badge, only_ours=only_ours)

    def cells(self) -> list[Cell]:
        """The cells with a badge; once there are to be none, those on the screen are taken away."""
        around = self._session.around
        badged = [cell for cell in self._session.places.cells.values() if cell.badge]
        if around.settings.settings.badge != "off":
            return badged
        for cell in badged:
            if around.screen.can_update:
                around.screen.update_beside(Shown("", ""), cell.badge)
            cell.badge = ""
        return []

    def close(self) -> None:
        """Nothing is told any more."""
        self._over.set()
        self._awake.set()

    def look(self) -> bool:
        """Bring badges to what was noted, as many as one look may; return whether nothing goes on."""
        due = [*self._due()]
        for id in due[:_MOST]:
            with self._lock:
                self._tell(id)
        return not due and self._is_at_rest

    @property
    def _is_at_rest(self) -> bool:
        return all(now.is_quiet or now.is_final for now in list(self._now.values()))

    def _due(self) -> Iterator[str]:
        """The steps whose badge says something else than is so; those that rest are looked at no more."""
        for id, now in list(self._now.items()):
            if now.is_final and id not in self._told:
                self._now.pop(id, None)
            elif self._told.get(id) != now[:2] and (id in self._told or self._is_worth_telling(now)):
                yield id

    def _is_worth_telling(self, now: Now) -> bool:
        return not now.is_quiet and self._clock() - now.at >= _EVERY

    def _tell(self, id: str) -> None:
        """Show how a run stands, unless that was settled meanwhile."""
        now, cell = self._now.get(id), self._session.places.cells.get(id)
        if now is None or cell is None or not cell.badge or (now.is_final and id not in self._told):
            return
        self._told[id] = now[:2]
        seconds = now.at - now.since if now.is_final else None
        shown = self._session.report.badge_under_way(cell, now.state, now.attempt, seconds, now.message)
        if shown is not None:
            self._session.around.screen.update_beside(shown, cell.badge)

    # --- the thread ----------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._follow, name="nbflow-badges", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # there can be no more threads; badges change when the cell has ended
                return
            self._thread = thread
        self._awake.set()

    def _follow(self) -> None:
        while self._awake.wait() and not self._over.wait(_EVERY):
            may_rest = False
            with suppress(Exception):  # whatever is wrong with the screen, the runs go on
                may_rest = self.look()
            if may_rest:
                self._awake.clear()
                if not self._is_at_rest:
                    self._awake.set()  # a run has begun between the two lines above
