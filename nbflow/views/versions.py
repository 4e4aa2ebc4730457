"""The versions of a name: who bound or changed it, to what, and where that is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.views.grid import Cell, Column, Grid, Row
from nbflow.views.markup import heading, muted, page
from nbflow.views.shown import Shown
from nbflow.views.table import name_cell
from nbflow.views.words import counted, one_line, size

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One version of a name.

    Args:
        step: The task or cell that it is of.
        does: `binds`, `changes` or `deletes`.
        preview: The value in a few characters.
        place: Where it is: `the name holds it`, `in memory`, `stored`, `not kept`.
        size: How much of the store it takes; None: nothing.
        is_plain: Whether the step is a plain cell.
    """

    step: str
    does: str
    preview: str
    place: str
    size: int | None = None
    is_plain: bool = False


def show_versions(name: str, lines: Sequence[VersionLine]) -> Shown:
    """Return the versions of a name, in flow order.

    Example:
        >>> print(show_versions("df", [VersionLine("raw", "binds", "[3, 1]", "stored")]).text)
        df · 1 version
        step  does   value   is
        raw   binds  [3, 1]  stored
    """
    columns = (
        *(Column("step"), Column("does"), Column("value", "nbf-c")),
        *(Column("size", is_number=True), Column("is", "nbf-c")),
    )
    rows = tuple(Row(_cells(line), "nbf-p" if line.is_plain else "") for line in lines)
    grid, count = Grid(columns, rows), counted(len(lines), "version")
    html = page(heading(name, muted(count)), grid.as_html())
    return Shown(html, f"{one_line(name, 80)} · {count}\n{grid.as_text()}")


def _cells(line: VersionLine) -> tuple[Cell, ...]:
    made = name_cell(line.step, is_plain=line.is_plain), Cell(line.does), Cell(line.preview)
    return (*made, Cell(size(line.size)), Cell(line.place))
