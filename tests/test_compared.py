"""What results are made of, in words."""

from __future__ import annotations

from nbflow.notebook.compared import compared_names, compared_words, reads_of, writes_of
from tests.cells import opened


class TestWords:
    """How many are counted, and some are named."""

    def test_of_a_result(self) -> None:
        """Names are counted apart from the rest; a result that is not there has none."""
        notebook, cells = opened("x = 1", "y = x", "z = x + y")
        trace = notebook.step(cells[-1]).trace
        assert trace is not None
        assert compared_words(trace) == "its code, 2 names"
        assert compared_names(trace) == " (x, y)"
        assert (list(reads_of(trace)), list(writes_of(trace))) == (["x", "y"], ["z"])
        assert (compared_names(None), list(reads_of(None)), list(writes_of(None))) == ("", [], [])
