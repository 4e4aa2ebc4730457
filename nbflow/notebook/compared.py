"""What a result was made of and what it made, in words: what is compared before it is reused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from nbflow.engine.slots import NAME, RANDOM, SETTINGS
from nbflow.types import FILE, TASK_CODE, TASK_VALUE, Trace
from nbflow.views.words import counted, listed, short_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARED: Final = {NAME: "name", FILE: "file", "parameter": "parameter", "package": "package"}


def compared_words(trace: Trace) -> str:
    """What is compared before a result is reused: how many names, files and more.

    Example:
        >>> compared_words(Trace("t", "k", (), ()))
        'its code'
    """
    kinds = Counter(_COMPARED.get(entry.looked.slot.kind, "") for entry in trace.entries)
    found = [counted(kinds[kind], kind) for kind in _COMPARED.values() if kinds[kind]]
    rest = [f"{kinds['']:,} more"] if kinds[""] else []
    return ", ".join(["its code", *found, *rest])


def compared_names(trace: Trace | None) -> str:
    """The names, files and more that are compared, a few of many.

    Example:
        >>> from nbflow.types import Entry, Looked, Slot
        >>> compared_names(Trace("t", "k", (Entry(Looked(Slot("name", "raw")), "d"),), ()))
        ' (raw)'
    """
    names = [short_path(name) for name in reads_of(trace)]
    return f" ({listed(names, 6)})" if names else ""


def reads_of(trace: Trace | None) -> Iterator[str]:
    """What a result was made of, in words: names, files, parameters, environment variables."""
    for entry in trace.entries if trace is not None else ():
        slot = entry.looked.slot
        of_task = slot.kind == NAME and slot.locator.partition(".")[2] in (TASK_CODE, TASK_VALUE)
        if slot.kind in (NAME, "file", "parameter", "environment") and not of_task:
            yield slot.locator


def writes_of(trace: Trace | None) -> Iterator[str]:
    """What was made, in words: names and files; random states and settings are none."""
    for output in trace.outputs if trace is not None else ():
        if output.slot.kind not in (RANDOM, SETTINGS):
            yield output.slot.locator
