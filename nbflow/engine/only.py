"""Runs of `--only`: a step on the latest results above it, whatever those are worth.

What comes out is a result like any other, with what it really saw. It is no proof of anything as long as
something above it is not up to date, and so the step is held there: by hand, until its cell is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.slots import slot_of
from nbflow.exceptions import SessionError
from nbflow.types import ONLY, Hold, Standing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.bind import Bound, View
    from nbflow.engine.book import Book, Step
    from nbflow.engine.plan import Work
    from nbflow.types import Slot, Trace


def check_only(step: Step, view: View, book: Book) -> None:
    """Do nothing for a step that can be run from what is there.

    Raises:
        SessionError: If it has not run in this kernel, or reads what has no result.
    """
    if step.ran is None or step.standing is not Standing.HERE:
        raise SessionError(f"{step.name} has not run in this kernel; run its cell")
    for slot in (slot_of(name) for name in sorted(step.ran.analysis.reads)):
        bound = view.bound(slot)
        if bound.version is None and (bound.written or bound.doubts):
            raise SessionError(
                f"{step.name} was not run: {slot.locator} has no result{_whose(slot, bound, view, book)}"
            )


def _whose(slot: Slot, bound: Bound, view: View, book: Book) -> str:
    place = view.giver(slot)
    ids = [doubt.step for doubt in bound.doubts] or ([book.at(place).id] if place is not None else [])
    return f"; run {book.steps[ids[-1]].name} first" if ids else ""


def only_hold(trace: Trace, stale: Iterable[Step], work: Work) -> Hold:
    """The hold at a result that was made from what these steps, which are not up to date, gave last."""
    told = ", ".join(_latest(step, work) for step in stale)
    return Hold(trace, ONLY, "until its cell is run", work.runs.now(), told=told)


def _latest(step: Step, work: Work) -> str:
    trace, verdict = step.bound_trace, work.sweep.judgement(step).verdict
    run = work.runs.history.run(trace.run) if trace is not None and trace.run else None
    made = f" of run {run.number}" if run is not None and run.number else ""
    return f"{step.name}{made} ({verdict.value})"
