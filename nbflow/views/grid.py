"""Tables: one description, shown as HTML and as aligned plain text."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.views.markup import escaped
from nbflow.views.words import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        title: What stands above it.
        css: Classes of its cells.
        is_number: Whether it is set flush right.
        limit: How wide it may become in plain text, in characters.
    """

    title: str
    css: str = ""
    is_number: bool = False
    limit: int = 60


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: a plain text, and HTML where that is more than the escaped text."""

    text: str
    markup: str = ""

    def as_html(self) -> str:
        """The cell's content as HTML."""
        return self.markup or escaped(self.text, 400)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of cells, and the class of the whole row."""

    cells: tuple[Cell, ...]
    css: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table.

    Columns in which no row says anything are left out.

    Args:
        columns: Its columns.
        rows: Its rows, a cell for each column.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def as_html(self) -> str:
        """The table as HTML."""
        kept = self._kept()
        heads = "".join(_head(self.columns[index]) for index in kept)
        rows = "".join(self._row(row, kept) for row in self.rows)
        return f'<table class="nbf-t"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'

    def as_text(self) -> str:
        """The table as lines of aligned text.

        Example:
            >>> cells = [(Cell("raw"), Cell("1.2 s")), (Cell("clean"), Cell("12 s"))]
            >>> columns = (Column("task"), Column("took", is_number=True))
            >>> grid = Grid(columns, tuple(Row(row) for row in cells))
            >>> print(grid.as_text())
            task    took
            raw    1.2 s
            clean   12 s
        """
        kept = self._kept()
        columns = [self.columns[index] for index in kept]
        lines = [[column.title for column in columns]]
        lines += [
            [one_line(row.cells[index].text, self.columns[index].limit) for index in kept]
            for row in self.rows
        ]
        widths = [max(width(line[place]) for line in lines) for place in range(len(kept))]
        return "\n".join(_aligned(line, widths, columns) for line in lines)

    def _kept(self) -> list[int]:
        every = range(len(self.columns))
        return [index for index in every if index == 0 or any(row.cells[index].text for row in self.rows)]

    def _row(self, row: Row, kept: Sequence[int]) -> str:
        cells = "".join(_cell(row.cells[index], self.columns[index]) for index in kept)
        return f'<tr class="{row.css}">{cells}</tr>' if row.css else f"<tr>{cells}</tr>"


def _head(column: Column) -> str:
    # Who hears a table is told nothing of a head that is empty.
    tag, css = "th" if column.title else "td", ' class="nbf-n"' if column.is_number else ""
    return f"<{tag}{css}>{escaped(column.title)}</{tag}>"


def _cell(cell: Cell, column: Column) -> str:
    css = "nbf-n" if column.is_number else column.css
    return f'<td class="{css}">{cell.as_html()}</td>' if css else f"<td>{cell.as_html()}</td>"


def _aligned(line: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    places = zip(line, widths, columns, strict=True)
    texts = [padded(text, wide, at_left=column.is_number) for text, wide, column in places]
    return "  ".join(texts).rstrip()


def padded(text: str, columns: int, *, at_left: bool = False) -> str:
    """Return a text filled up with spaces to a number of columns of a terminal.

    Example:
        >>> padded("ab", 4), padded("ab", 4, at_left=True), padded("表", 4)
        ('ab  ', '  ab', '表  ')
    """
    space = " " * (columns - width(text))
    return space + text if at_left else text + space


def width(text: str) -> int:
    r"""Return how many columns of a terminal a text takes.

    Example:
        >>> width("raw"), width("表"), width("e\u0301")
        (3, 2, 1)
    """
    if text.isascii():
        return len(text)
    return sum(_columns(char) for char in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
