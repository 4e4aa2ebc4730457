"""What stands in the way of tasks that wait: which step above may not start, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from nbflow.engine.explain import UPSTREAM, as_said_below
from nbflow.engine.remaking import LACK
from nbflow.types import Verdict
from nbflow.views.words import cause_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbflow.engine.book import Step
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Cause

_NEVER_RAN = "never ran"
_MOST_STEPS = 3


class _Way(NamedTuple):
    """How to get past it: the steps to run by hand, in order, or else what is the matter."""

    steps: tuple[str, ...] = ()
    matter: str = ""

    @property
    def words(self) -> str:
        """It as a phrase."""
        rest = len(self.steps) - _MOST_STEPS
        named = [*self.steps[:_MOST_STEPS], *([f"{rest} more"] if rest > 0 else [])]
        return self.matter or f"run {', then '.join(named)}"


class Obstacles:
    """Tells of who waits for a step above what that one waits for, root first.

    Args:
        sweep: The verdicts.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._ways: dict[str, _Way] = {}
        self._judged = -1

    def named(self, causes: Iterable[Cause]) -> tuple[Cause, ...]:
        """Causes of one step; that one above waits is told with what to do about it."""
        return tuple(self._with_way(cause) if _is_waiting(cause) else cause for cause in causes)

    def of(self, step: Step) -> tuple[Cause, ...]:
        """Why a step is not up to date."""
        return self.named(self._sweep.judgement(step).causes)

    def words(self, causes: Sequence[Cause], spent: Step | None = None) -> str:
        """What a step that cannot run waits for, in one line; `spent`: who has to make its inputs again."""
        if spent is not None and not any(cause.category == LACK for cause in causes):
            return f"its inputs may have changed since they were made; run {spent.name} again first"
        told = [cause for cause in causes if cause.category != _NEVER_RAN] or causes
        words = dict.fromkeys(map(cause_words, self.named(told[:3])))
        return "; ".join(filter(None, words)) or "it waits"

    def _with_way(self, cause: Cause) -> Cause:
        self._follow()
        way = self._ways.get(cause.origin)
        return cause if way is None else replace(cause, part=way.words)

    def _follow(self) -> None:
        """Go once through all that waits, in flow order, whenever something was judged anew."""
        pending = self._sweep.pending()
        if self._judged == self._sweep.judged:
            return
        self._judged = self._sweep.judged
        self._ways.clear()
        for step in pending:
            if self._sweep.judgement(step).verdict is Verdict.WAITS:
                self._ways[step.name] = self._way(step)

    def _way(self, step: Step) -> _Way:
        """What is in the way of those below a step: what is in its own way, or else what it is itself."""
        causes = self._sweep.judgement(step).causes
        above = next((self._ways[each.origin] for each in causes if each.origin in self._ways), None)
        own = next(iter(causes[:1]), None)
        if own is None or own.category == UPSTREAM:
            return above or _Way(matter=f"{step.name} waits")
        if own.category != "plain cell":
            return above or _Way(matter=_matter(own, step))
        if above is not None and not above.steps:
            return above
        # Its user runs a plain cell on the values as they are, so that these come first.
        stale = [each.origin for each in causes if each.category == UPSTREAM and each.after == "stale"]
        before = above.steps if above is not None else tuple(stale[-1:])
        return _Way((*before, step.name))


def _is_waiting(cause: Cause) -> bool:
    return cause.category == UPSTREAM and cause.after == Verdict.WAITS.value


def _matter(cause: Cause, step: Step) -> str:
    """Why a step may not start, said to those below; of one that only a person starts, how."""
    if cause.category in ("manual", "effect", "paused"):
        return cause.after.removesuffix(" runs it")
    return cause_words(as_said_below(cause, step))
