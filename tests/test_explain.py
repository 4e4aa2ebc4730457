"""Explanations: root causes through all that stands above, and what changed in code."""

from __future__ import annotations

from nbflow.testing import Notebook
from nbflow.types import Cause
from tests.cells import change, kept, opened


class TestCauses:
    """Root cause first."""

    def test_the_step_that_stands_first_is_told_first(self) -> None:
        """Whatever is to blame in between comes last."""
        notebook, cells = opened("a = 1", "b = a", "c = b", "d = c")
        change(notebook, cells[0], "a = 2")
        assert [each.category for each in notebook.why(cells[3])] == ["input", "upstream", "upstream"]
        assert notebook.why(cells[3])[0] == Cause("input", "a", "1", "2", cells[0])

    def test_a_cause_that_two_ways_lead_to_is_told_once(self) -> None:
        """As often as there are reasons, not ways."""
        notebook, cells = opened("a = 1", "b = a", "c = a", "d = b + c")
        change(notebook, cells[0], "a = 2")
        assert [(each.category, each.subject) for each in notebook.why(cells[3])] == [
            ("input", "a"),
            ("upstream", "b"),
            ("upstream", "c"),
        ]

    def test_a_step_to_blame_is_told_once(self) -> None:
        """By whichever of its names it was met."""
        notebook, cells = opened("a = 1", "b = a; c = a + 1", "d = b", "e = c + d")
        change(notebook, cells[0], "a = 2")
        told = [(each.category, each.origin) for each in notebook.why(cells[3])]
        assert told == [("input", cells[0]), ("upstream", cells[1]), ("upstream", cells[2])]

    def test_what_is_up_to_date_has_none(self) -> None:
        """Nor anything that changed in code."""
        notebook, cells = opened("a = 1", "b = a")
        assert notebook.why(cells[1]) == ()


class TestDiffs:
    """What changed in code."""

    def test_helpers_of_the_steps_above_count(self) -> None:
        """Each text once."""
        notebook, cells = opened("def f(): return 1", "a = f()", "b = a", plain=(0,))
        change(notebook, cells[0], "def f(): return 2")
        step = notebook.step(cells[2])
        assert notebook.explainer.diffs(step) == (("f", "def f(): return 1", "def f(): return 2"),)

    def test_after_a_restart_the_text_of_the_last_run_is_known(self) -> None:
        """From the history, where every run has its source."""
        notebook = Notebook(store=kept())
        cell = notebook.add("x = 1", name="x")
        notebook.run_all()
        change(notebook, cell, "x = 2/0")
        assert notebook.explainer.diffs(notebook.step(cell)) == ()
        change(notebook, cell, "x = 3")
        assert notebook.explainer.diffs(notebook.step(cell)) == (("x", "x = 2/0", "x = 3"),)
