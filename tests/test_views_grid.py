"""Tables as text and as HTML."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbflow.views.grid import Cell, Column, Grid, Row, width
from tests.views_cards import Reader

any_texts = st.text(max_size=12)


def grid_of(rows: list[list[str]], *columns: Column) -> Grid:
    """A table of plain texts."""
    return Grid(columns, tuple(Row(tuple(map(Cell, row))) for row in rows))


class TestText:
    """Plain text stands in columns."""

    @given(st.lists(st.tuples(any_texts, any_texts, any_texts), min_size=1, max_size=6))
    def test_columns_are_aligned(self, rows: list[tuple[str, str, str]]) -> None:
        """Also with wide and combining characters: the last column begins at one place."""
        marked = [[*row[:2], f"|{row[2]}"] for row in rows]
        grid = grid_of(marked, Column("task"), Column("took", is_number=True), Column("|"))
        lines = grid.as_text().split("\n")
        assert len(lines) == len(rows) + 1
        # A text may hold a bar of its own, but not before its column's.
        starts = {width(line[: line.index("|")]) for line in lines if line.count("|") == 1}
        assert len(starts) <= 1

    def test_numbers_are_flush_right(self) -> None:
        """So that sizes can be compared at a glance."""
        text = grid_of(
            [["a", "1.2 s"], ["b", "12 s"]], Column("task"), Column("took", is_number=True)
        ).as_text()
        assert [line[-1] for line in text.splitlines()] == ["k", "s", "s"]
        assert len({len(line) for line in text.splitlines()}) == 1

    def test_columns_that_say_nothing_are_left_out(self) -> None:
        """A heading over nothing takes room from the others."""
        grid = grid_of([["a", "", "x"], ["b", "", ""]], Column("task"), Column("size"), Column("why"))
        assert grid.as_text().splitlines()[0] == "task  why"
        assert "size" not in grid.as_html()

    def test_long_texts_are_cut(self) -> None:
        """A row is one line."""
        text = grid_of([["a" * 99]], Column("task", limit=10)).as_text()
        assert text.splitlines()[1] == "a" * 9 + "…"


class TestHtml:
    """The same as a table of a page."""

    @given(st.lists(st.tuples(any_texts, any_texts), min_size=1, max_size=4))
    def test_it_is_well_formed(self, rows: list[tuple[str, str]]) -> None:
        """Whatever the cells hold."""
        reader = Reader(
            grid_of([["x", *row] for row in rows], Column("a"), Column("b"), Column("c")).as_html()
        )
        assert reader.tags.count("tr") == len(rows) + 1
        assert reader.is_safe()
