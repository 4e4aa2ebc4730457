"""Names that a body reads and that no cell makes any more: the cell of their maker is gone, or edited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.analysis.names import BUILTINS
from nbflow.engine.slots import NAME, parts_of
from nbflow.types import UNBOUND, Cause

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.bind import View
    from nbflow.engine.book import Book, Step
    from nbflow.types import Slot

UNMADE: Final = "unbound"
"""The category of the cause that no cell makes a name any more."""


def unmade_cause(step: Step, slots: Iterable[Slot], view: View, book: Book) -> Cause | None:
    """The first name that a step would read in vain, although it, or a cell that is gone, knew a value of it.

    Args:
        step: The step, which has a body.
        slots: What the body reaches.
        view: The bindings at its place.
        book: All steps.
    """
    maybe = step.body.analysis.maybe_reads if step.ran is None else step.ran.analysis.maybe_reads
    for slot in slots:
        if slot.kind != NAME or slot.locator in BUILTINS or slot.locator in maybe:
            continue
        bound = view.bound(slot)
        is_nobodys = bound.version is None and not bound.written and not bound.doubts
        if (
            is_nobodys
            and (_has_seen(step, slot) or _was_made(slot, book))
            and not _may_come(slot, view, book)
        ):
            return Cause(
                UNMADE, slot.locator, after=f"put back the cell that made it, or edit that of {step.name}"
            )
    return None


def _has_seen(step: Step, slot: Slot) -> bool:
    """Whether the body saw a value of it when it ran last."""
    trace = step.trace or step.earlier
    entries = trace.entries if trace is not None else ()
    return any(
        entry.looked.slot.kind == NAME
        and entry.digest != UNBOUND
        and parts_of(entry.looked.slot)[0] == slot.locator
        for entry in entries
    )


def _was_made(slot: Slot, book: Book) -> bool:
    """Whether a step made it whose cell is gone."""
    gone = (book.steps[id].trace for id in book.unplaced())
    return any(output.slot == slot for trace in gone if trace is not None for output in trace.outputs)


def _may_come(slot: Slot, view: View, book: Book) -> bool:
    """Whether a cell above has it in a branch that it did not take: then nothing is missing but a value."""
    above = (book.at(place).ran for place in range(min(view.place, len(book))))
    return any(ran is not None and slot.locator in ran.analysis.maybe_writes for ran in above)
