"""Bodies that run elsewhere: which they are, how they start, and which of them came too early.

Nobody sees all that a body looks for in folders. So what stands below a body that is known to write files
waits for it; and what ran beside one that was found to do so, below it, came too early: it runs once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.abreast import MOST, Abreast
from nbflow.engine.outward import has_changed_outside, is_known_to_write
from nbflow.engine.private import Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from nbflow.engine.action import Action
    from nbflow.engine.book import Book, Step
    from nbflow.engine.enact import Finished
    from nbflow.engine.perform import Performer
    from nbflow.engine.requests import Working
    from nbflow.engine.sites import Site
    from nbflow.engine.sweep import Sweep
    from nbflow.states import Origin

_TOO_EARLY = "files that it looks at were written at the same time"


class Elsewhere:
    """Has bodies run on names of their own, at the same time.

    Args:
        book: The steps.
        sweep: Their verdicts.
        performer: Runs bodies on the user's names.
        errors: Gives what the steps have raised in the present action.
    """

    def __init__(
        self, book: Book, sweep: Sweep, performer: Performer, errors: Callable[[], dict[str, BaseException]]
    ) -> None:
        self.says: Callable[[Step], bool] | None = None
        """Whether the body of a step is to run elsewhere; None: none is."""
        self.refuses: Callable[[Step], str] = lambda step: ""
        """Why who runs bodies elsewhere does not take that of a step; empty: it does."""
        self.is_apart: Callable[[Step], bool] = lambda step: False
        """Whether the body of a step runs in another process, where nothing is shared with others."""
        self.room: Callable[[Step], tuple[Hashable, int]] = lambda step: ("", MOST)
        """Who has places for the body of a step, and how many."""
        self.abreast = Abreast(performer.workspace.seeded, errors, lambda step: self.room(step))
        self._book = book
        self._sweep = sweep
        self._performer = performer
        self._here: dict[str, str] = {}

    @property
    def is_aside(self) -> bool:
        """Whether a body that cannot run on names of its own does not run at all."""
        return self._performer.is_aside

    def begin(self) -> None:
        """Start an action."""
        self._here.clear()
        self.abreast.beside.clear()

    def is_for(self, step: Step) -> bool:
        """Whether the body of a step is to run elsewhere."""
        return not step.plain and self.says is not None and self.says(step)

    def start(
        self, site: Site, origin: Origin, action: Action, end: Callable[[Finished], bool]
    ) -> Working[str]:
        """Let a body run on names of its own.

        Args:
            site: The body at its place.
            origin: Who wants it.
            action: Where it is noted why a body cannot run there.
            end: Called with how it finished; says whether its step is up to date by it.

        Returns:
            The identifier of the step to wait for: itself, or another that has to end before it. Empty
            where it has to run on the user's names.
        """
        step = site.step
        other = self.abreast.twin(step) or self._waits_for_files(step)
        if other is not None:
            return other.id
        beside = Beside(self._performer, site, is_apart=self.is_apart(step))
        why = self._here.get(step.id, "") or self.refuses(step) or beside.hindrance()
        if why:
            action.inline[step.id] = why
            return ""

        def finish(finished: Finished) -> bool:
            if beside.why_inline:
                action.inline[step.id] = beside.why_inline
            return end(finished)

        yield from self.abreast.start(step, beside.execute(beside.site, origin), finish)
        return step.id

    def too_early(self) -> list[Step]:
        """The steps that have to run once more, in flow order; they run on the user's names."""
        beside, self.abreast.beside = self.abreast.beside, {}
        steps = [self._book.steps[id] for id, others in beside.items() if self._came_before(id, others)]
        if not self.is_aside:
            self._here |= {step.id: _TOO_EARLY for step in steps}
        return sorted(steps, key=lambda step: self._book.place(step.id) or 0)

    def _came_before(self, id: str, others: Iterable[str]) -> bool:
        """Whether one above a step, beside which it ran, has changed what is outside."""
        ran = self._book.steps[id].ran
        if ran is None or ran.only_computes:
            return False
        steps = (self._book.steps[other] for other in others)
        return any(self._is_above(each, id) and has_changed_outside(each) for each in steps)

    def _waits_for_files(self, step: Step) -> Step | None:
        """One above that goes on, where either of the two is known to write files."""
        above = (each for each in self.abreast if self._is_above(each, step.id))
        return next((each for each in above if is_known_to_write(each) or is_known_to_write(step)), None)

    def _is_above(self, step: Step, other: str) -> bool:
        place, below = self._book.place(step.id), self._book.place(other)
        return place is not None and below is not None and place < below
