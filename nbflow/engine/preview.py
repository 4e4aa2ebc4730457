"""What a run would do, in order, without doing any of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.engine.keeping import forced_cause
from nbflow.engine.quiet import may_start_plain
from nbflow.types import Cause, Licence, Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.book import Book, Step
    from nbflow.engine.plan import Work


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do with one step.

    Args:
        step: The step.
        does: `runs`, `reuses` an earlier result, `may run` (unless what is above comes out
            equal), or `waits`.
        causes: Why, root cause first.
        seconds: How long it is expected to take, from its last run; None where it never ran.
    """

    step: Step
    does: str
    causes: tuple[Cause, ...]
    seconds: float | None


def preview(work: Work, targets: Iterable[Step] | None = None, forced: Iterable[Step] = ()) -> list[Planned]:
    """Say what bringing all tasks, or these with their upstream, up to date would do, in flow order.

    Args:
        work: The work.
        targets: The steps asked for; None: all tasks.
        forced: Those whose body runs although what they have is up to date.
    """
    work.sweep.look_outside()
    again = {step.id for step in forced}
    pending = work.sweep.pending()
    if again:
        pending = [step for step in work.book if step.id in again or step in pending]
    due = [step for step in pending if not step.plain and not step.idle] if targets is None else list(targets)
    wanted = with_upstream(work, due)
    named = {step.id for step in due} if targets is not None else set[str]()
    return [
        _planned(work, step, again=step.id in again, is_named=step.id in named)
        for step in pending
        if step.id in wanted and _counts(step, work.book)
    ]


def expected_seconds(planned: Iterable[Planned]) -> float:
    """How long the bodies that run are expected to take in all; what never ran counts nothing."""
    return sum(line.seconds or 0.0 for line in planned if line.does in ("runs", "may run"))


def _counts(step: Step, book: Book) -> bool:
    """A plain cell that only the user starts is no part of a run: its readers wait and name it."""
    return step.ran is not None and (not step.plain or may_start_plain(step, book))


def with_upstream(work: Work, due: Iterable[Step]) -> set[str]:
    """The identifiers of these steps, and of all above them that are not up to date."""
    found: set[str] = set()
    todo = list(due)
    while todo:
        step = todo.pop()
        if step.id not in found:
            found.add(step.id)
            todo += work.stale_above(step)
    return found


def _planned(work: Work, step: Step, *, again: bool, is_named: bool) -> Planned:
    judgement = work.sweep.judgement(step)
    trace = None if step.plain or again else work.find(step)
    seconds = step.trace.seconds if step.trace is not None else None
    was_done = step.licence is Licence.NAME and trace is not None and not work.stale_above(step)
    # Whoever names an effect starts it, and then it does not wait for that.
    causes = judgement.causes
    starts = is_named and any(cause.category == "effect" for cause in causes[:1])
    if judgement.verdict is Verdict.WAITS and not (was_done or starts):
        return Planned(step, "waits", causes, None)
    causes = causes[1:] if starts else causes
    if work.stale_above(step):
        own = [cause for cause in causes if cause.category != "upstream"]
        return Planned(step, "runs" if own else "may run", causes, seconds)
    absence = work.absences.note(step, step.bound_trace if again else trace, is_asked=again)
    may_run = step.standing is Standing.HERE and step.licence is Licence.FLOW
    if trace is not None and not (absence and may_run):
        return Planned(step, "reuses", causes, trace.seconds)
    causes = (absence,) if absence else causes or ((forced_cause(step),) if again else ())
    return Planned(step, "runs", causes, trace.seconds if trace is not None else seconds)
