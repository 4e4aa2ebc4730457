"""Reactive mode: what runs by itself after each cell, and what is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.influence import reached
from nbflow.engine.preview import preview
from nbflow.states import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.engine.plan import Working
    from nbflow.engine.preview import Planned
    from nbflow.notebook.session import Session


class Automatic:
    """Runs short tasks of a session after each cell.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tried: dict[str, object] = {}

    def run(self) -> Working[None]:
        """Bring the tasks up to date that are expected to take little time."""
        session = self._session
        below = session.around.settings.settings.auto_below
        planned = preview(session.work)
        due = [line.step for line in planned if line.does in ("runs", "reuses", "may run")]
        left = self._left_alone(planned)
        due = [step for step in due if not step.plain and step.id not in left]
        short = [step for step in due if (step.trace.seconds if step.trace else 0.0) < below]
        if short:
            work = session.work.run_flow(short, origin=Origin.AUTO)
            yield from session.working(None, work)
            session.refresh_badges()

    def note(self, action: Action) -> None:
        """Remember on what the steps looked that an action left without a result."""
        steps = self._session.book.steps
        self._tried |= {id: self._looks_at(steps[id]) for id in (*action.errors, *action.refused)}

    def _left_alone(self, planned: Sequence[Planned]) -> set[str]:
        """The steps that came to nothing on what they would look at now, and all below."""
        session = self._session
        left: set[str] = set()
        for step in (line.step for line in planned):
            above = {each.id for each in session.work.stale_above(step)}
            # What runs above it may give it something else to look at.
            has_news = bool(above - left)
            if (
                (not has_news and self._came_to_nothing(step))
                or session.cannot_wait(step)
                or not above.isdisjoint(left)
            ):
                left.add(step.id)
        return left

    def _came_to_nothing(self, step: Step) -> bool:
        """Whether its last run had no result, on what it would look at now."""
        has_none = bool(step.failure) or step.ended is not None
        return has_none and self._tried.get(step.id) == self._looks_at(step)

    def _looks_at(self, step: Step) -> object:
        """What a step's body finds at its place, as far as its code tells."""
        view, body = self._session.trunk.sweep.view(step), step.body
        return body.static_key, {slot: view.bound(slot).version for slot in reached(body, view)}
