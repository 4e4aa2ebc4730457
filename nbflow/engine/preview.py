"""What a run would do, in order, without doing any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.rehearsal import Planned, rehearsed
from nbflow.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.book import Step
    from nbflow.engine.plan import Work


def preview(work: Work, targets: Iterable[Step] | None = None, forced: Iterable[Step] = ()) -> list[Planned]:
    """Say what bringing all tasks, or these with their upstream, up to date would do, in its order.

    Args:
        work: The work.
        targets: The steps asked for; None: all tasks.
        forced: Those whose body runs although what they have is up to date.
    """
    work.sweep.look()
    named = () if targets is None else tuple(targets)
    with rehearsed(work, forced, named) as rehearsal:
        if targets is None:
            rehearsal.bring_all()
        else:
            for step in work.in_flow_order(named):
                rehearsal.bring(step)
    return [line for line in rehearsal.lines.values() if _counts(line)]


def preview_above(work: Work, step: Step) -> list[Planned]:
    """Say what bringing a step up to date would do with others."""
    work.sweep.look()
    # What is up to date needs none of them; who hangs on how they ended has to be asked.
    if not step.asks_states and work.sweep.judgement(step).verdict in (Verdict.FRESH, Verdict.AS_OF):
        return []
    return [line for line in preview(work, [step]) if line.step is not step]


def expected_seconds(planned: Iterable[Planned]) -> float:
    """How long the bodies that run are expected to take in all; what never ran counts nothing."""
    return sum(line.seconds or 0.0 for line in planned if line.does in ("runs", "may run"))


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


def _counts(line: Planned) -> bool:
    """A plain cell that only the user starts is no part of a run: its readers wait and name it."""
    return bool(line.does) and not (line.step.plain and line.does == "waits")
