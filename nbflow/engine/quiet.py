"""Quiet plain cells: those that catch-up may start although only their user starts plain cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.engine.again import UNDECIDED
from nbflow.types import Standing

if TYPE_CHECKING:
    from nbflow.engine.book import Book, Step

QUIET: Final = "quiet"
"""The flag of a trace whose body changed nothing outside and was short, see design 2.3."""


def may_start_plain(step: Step, book: Book) -> bool:
    """Whether catch-up may start a plain cell: last run here, unedited, fully seen, and quiet."""
    return (
        step.plain
        and book.starts_plain
        and step.standing is Standing.HERE
        and step.ran is not None
        and step.body is step.ran
        and step.ran.analysis.complete
        and step.trace is not None
        and QUIET in step.trace.flags
    )


def would_decide(step: Step, book: Book) -> bool:
    """Whether catch-up can find out which names a plain cell binds, which IPython's run of it left open."""
    return may_start_plain(step, book) and step.trace is not None and UNDECIDED in step.trace.flags
