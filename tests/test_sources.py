"""Source texts of helpers, and the first line that differs."""

from __future__ import annotations

from nbflow.engine.parts import Part
from nbflow.engine.sources import first_change
from tests.cells import change, opened


class TestFirstChange:
    """Which line of a text was edited."""

    def test_lines(self) -> None:
        """Edited, added, removed; equal texts have none."""
        assert first_change("a\nb", "a\nc") == Part("line 2", "b", "c")
        assert first_change("a", "a\nb") == Part("line 2", "not there", "b")
        assert first_change("a\nb", "b") == Part("line 1", "a", "not there")
        assert first_change("a", "a") is None


class TestKept:
    """What the history knows of code."""

    def test_the_text_of_a_helper_is_kept_for_who_used_it(self) -> None:
        """Under the digest that the trace has of it, also when it has been edited since."""
        notebook, (helper, task) = opened("def f(): return 1", "x = f()", plain=(0,))
        trace = notebook.step(task).trace
        assert trace is not None
        change(notebook, helper, "def f(): return 2")
        (digest,) = (entry.digest for entry in trace.entries if entry.looked.slot.locator == "f")
        assert notebook.work.runs.history.source(digest) == "def f(): return 1"

    def test_values_have_no_text(self) -> None:
        """Only code is kept."""
        notebook, (_, task) = opened("K = 1", "x = K", plain=(0,))
        trace = notebook.step(task).trace
        assert trace is not None
        assert [notebook.work.runs.history.source(entry.digest) for entry in trace.entries] == [None]
