"""Which of the slots that a step looks at decide whether its result is up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.docstrings import DOCSTRING, name_behind
from nbflow.engine.influence import is_code
from nbflow.engine.keeping import ALL, name_in
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, is_kept_in_memory, parts_of
from nbflow.store.at_import import AT_IMPORT
from nbflow.types import FILE, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.bind import View
    from nbflow.engine.book import Book, Step
    from nbflow.engine.keeping import Compared
    from nbflow.types import Trace

_OF_FILES: Final = ("absent", "listing", "presence", "stat", "target")
_OUTSIDE: Final = frozenset({FILE, RANDOM, SETTINGS, *_OF_FILES, "environment", AT_IMPORT, "context"})


def loose_slots(step: Step, slots: Iterable[Slot], view: View, book: Book) -> frozenset[Slot]:
    """Those of these slots that do not count for a step."""
    compared = step.keeping.compared
    if compared is ALL or compared == ALL:
        return frozenset()
    return frozenset(slot for slot in slots if not _counts(slot, compared, view, book))


def loose_in(trace: Trace, step: Step, view: View, book: Book) -> frozenset[Slot]:
    """Those of what a trace of a step looked at that do not count."""
    return loose_slots(step, (entry.looked.slot for entry in trace.entries), view, book)


def unmade(trace: Trace, view: View) -> frozenset[Slot]:
    """What a trace looked at and a step above is to make that has no result: nobody knows it yet."""
    return frozenset(entry.looked.slot for entry in trace.entries if _is_unmade(entry.looked.slot, view))


def _is_unmade(slot: Slot, view: View) -> bool:
    if slot.kind == DOCSTRING:
        return _is_unmade(name_behind(slot), view)
    if not is_kept_in_memory(slot):
        return False
    bound = view.bound(Slot(slot.kind, parts_of(slot)[0]))
    return bound.version is None and bool(bound.doubts)


def _counts(slot: Slot, compared: Compared, view: View, book: Book) -> bool:
    if slot.kind in _OUTSIDE:
        return compared.outside
    name = name_in(slot)
    if not name:
        return True
    if name in compared.without:
        return False
    bound = view.bound(Slot(NAME, name))
    if is_code(bound):
        return True
    if compared.only is not None and name not in compared.only:
        return False
    version = bound.version
    return not compared.of_parameters or (version is not None and name in book.steps[version.step].parameters)
