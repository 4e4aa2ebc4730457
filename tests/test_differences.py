"""Differences: entries that do not fit as causes."""

from __future__ import annotations

from nbflow.engine.differences import Differences, lost_file, with_sharers
from nbflow.types import UNBOUND, Cause, Output, Slot
from tests.cells import change, opened


class TestDifferences:
    """What a reader saw against what is bound at its place."""

    def test_a_difference_names_who_made_it(self) -> None:
        """By the names of steps, not by their identifiers."""
        notebook, (maker, reader) = opened("a = 1", "b = a")
        trace = notebook.step(reader).trace
        assert trace is not None
        change(notebook, maker, "a = 2")
        notebook.rename(maker, "first")
        told = Differences(notebook.book, notebook.sweep.view(notebook.step(reader)), notebook.sweep.outside)
        assert told.of(trace.entries[0]) == Cause("input", "a", "1", "2", "first")

    def test_a_plain_cell_that_ran_on_what_it_had_left(self) -> None:
        """Says so where that looks as what is bound now: there it shares no memory."""
        notebook, (_, maker, cell) = opened("c = [3]", "a = [1]", "a = [2, c]", plain=(0, 1, 2))
        notebook.run(maker)
        notebook.run(cell)
        assert notebook.why(cell) == (Cause("input", "c", "[3] as it had left it", "[3]", "cell_1"),)

    def test_a_name_that_is_read_for_the_first_time(self) -> None:
        """Says so, and who made it."""
        notebook, (maker, reader) = opened("a = 1", "b = 2")
        told = Differences(notebook.book, notebook.sweep.view(notebook.step(reader)), notebook.sweep.outside)
        assert list(told.other_inputs([Slot("name", "a")])) == [
            Cause("input", "a", "not read", "read", maker)
        ]

    def test_a_file_that_is_not_as_written(self) -> None:
        """Missing, or changed."""
        output = Output(Slot("file", "/a"), "d")
        assert [lost_file(output, now).after for now in (UNBOUND, "e")] == ["missing", "changed"]

    def test_sharing_is_part_of_what_was_seen(self) -> None:
        """The other names in a fixed order."""
        assert with_sharers("[1]", "b", ["c", "b", "a"]) == "[1], shared with a, c"
