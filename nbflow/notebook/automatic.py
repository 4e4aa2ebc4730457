"""Reactive mode: what runs by itself after each cell, and what is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.outward import is_effect
from nbflow.engine.preview import preview
from nbflow.engine.verify import begun_slot
from nbflow.states import Origin
from nbflow.types import Verdict
from nbflow.views.words import cause_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.engine.preview import Planned
    from nbflow.engine.requests import Working
    from nbflow.notebook.session import Session

_UPSTREAM = "upstream"


class Automatic:
    """Runs short tasks of a session after each cell.

    Each of them runs at most once for a cell, and never again on what it came to nothing on. Effects,
    what only a person starts, and what is stale again right after its run are left alone, and so is
    whatever needs one of these first.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._below: float | None = None
        self._came_to_nothing: dict[str, set[str]] = {}
        self._restless: dict[str, str] = {}

    @property
    def below(self) -> float:
        """Under how many expected seconds a task runs."""
        return self._session.around.settings.settings.auto_below if self._below is None else self._below

    def begin(self, below: float | None = None) -> None:
        """Start anew: nothing is left alone for what it did before.

        Args:
            below: Under how many expected seconds a task runs; None: as the settings say.
        """
        self._below = below
        self._restless.clear()

    def run(self) -> Working[None]:
        """Bring the tasks up to date that are expected to take little time."""
        session = self._session
        planned = preview(session.work)
        left = self._left_alone(planned)
        lines = (line for line in planned if line.does in ("runs", "reuses", "may run"))
        due = [line.step for line in lines if not line.step.plain and line.step.id not in left]
        if due:
            action = yield from session.working(None, session.work.run_flow(due, origin=Origin.AUTO))
            self._leave_out_restless(action)
            session.refresh_badges()

    def note(self, action: Action) -> None:
        """Remember on what the steps looked that an action left without a result, or with one."""
        for id in {*action.executed, *action.refused}:
            step = self._session.book.steps[id]
            key = self._looks_at(step)
            if step.trace is None or step.ended is not None:
                self._came_to_nothing.setdefault(id, set()).add(key)
            else:
                self._came_to_nothing.get(id, set[str]()).discard(key)

    # --- what is left alone ----------------------------------------------------------------------

    def _left_alone(self, planned: Sequence[Planned]) -> set[str]:
        """The steps that do not run by themselves, and all below them."""
        left: set[str] = set()
        for line in planned:
            above = {each.id for each in self._session.work.stale_above(line.step)}
            if not above.isdisjoint(left) or self._is_left(line, has_news=bool(above)):
                left.add(line.step.id)
        return left

    def _is_left(self, line: Planned, *, has_news: bool) -> bool:
        step, session = line.step, self._session
        if line.does == "waits":
            return True
        if line.does == "reuses":
            return False
        # What runs above it may give it something else to look at.
        is_tried = not has_news and self._looks_at(step) in self._came_to_nothing.get(step.id, ())
        return (
            is_tried
            or self._restless.get(step.id) == step.body.static_key
            or _expected_seconds(line) >= self.below
            or session.cannot_wait(step)
            or is_effect(step, session.trunk.sweep.view(step), session.book)
        )

    def _looks_at(self, step: Step) -> str:
        """What a step's body finds at its place, as far as its code tells."""
        sweep = self._session.trunk.sweep
        return begun_slot(step, step.ran or step.body, sweep.view(step), sweep.outside, sweep.book).locator

    def _leave_out_restless(self, action: Action) -> None:
        """Say which tasks are stale again although they have just run: their cells alone run them now."""
        sweep = self._session.trunk.sweep
        for step in (self._session.book.steps[id] for id in dict.fromkeys(action.executed)):
            judgement = sweep.judgement(step)
            own = [cause for cause in judgement.causes if cause.category != _UPSTREAM]
            if step.trace is None or step.plain or not own or judgement.verdict is not Verdict.STALE:
                continue
            self._restless[step.id] = step.body.static_key
            why = f"it is stale again right after its run ({cause_words(own[0])})"
            self._session.around.screen.say(f"auto leaves {step.name} out: {why}")


def _expected_seconds(line: Planned) -> float:
    """How long a step is expected to take; of what has no result yet nobody knows, and it is tried."""
    earlier = line.step.earlier.seconds if line.step.earlier is not None else 0.0
    return line.seconds if line.seconds is not None else earlier
