"""What names and store tell of the steps that are not up to date."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from nbflow.types import Hold
from tests.cells import causes, change, opened, values, verdicts

if TYPE_CHECKING:
    import pytest


class TestPlainCellsRunOnOtherThings:
    """Run once more, or out of order, one stands at the result that fits its place, if it left the same."""

    def test_one_that_finds_what_it_had_left(self) -> None:
        """Sorting twice is no other than sorting once, until there is something else to sort."""
        notebook, cells = opened("xs = [2, 1]", "xs = sorted(xs)", "x = xs[0]", plain=(0, 1))
        notebook.run(cells[1])
        assert verdicts(notebook) == ["fresh"] * 3
        assert notebook.is_current("xs")
        change(notebook, cells[0], "xs = [4, 3]")
        assert causes(notebook, cells[1]) == [("input", "xs")]
        assert notebook.flow().executed == cells[1:]
        assert values(notebook, "xs", "x") == [[3, 4], 3]

    def test_one_that_leaves_something_else(self) -> None:
        """Is stale."""
        notebook, cells = opened("n = 0", "n = n + 1", "m = n", plain=(0, 1))
        notebook.run(cells[1])
        assert verdicts(notebook) == ["fresh", "stale", "stale"]

    def test_one_whose_inputs_are_in_doubt(self) -> None:
        """Waits for these: nobody knows yet what it would see."""
        notebook, cells = opened("k = 5", "a = k", "b = min(a, 3)", "c = b", "a = 4", plain=(0, 2, 4))
        change(notebook, cells[0], "k = 1")
        notebook.run(cells[2])
        assert verdicts(notebook)[1:4] == ["stale"] * 3
        notebook.flow()
        assert verdicts(notebook) == ["fresh"] * 5
        assert notebook.names["c"] == 1

    def test_one_that_is_held(self) -> None:
        """Stands where somebody has put it."""
        notebook, cells = opened("a = 1", "b = min(a, 0)", "a = 2", "c = b", plain=(0, 1, 2))
        notebook.run(cells[1])
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        notebook.pin(cells[1], Hold(trace, "pin"))
        assert verdicts(notebook)[1] == "as of"
        assert notebook.step(cells[1]).trace is trace

    def test_one_that_has_changed_the_process(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No output tells what it left there: it has to run on what is bound at its place."""
        monkeypatch.setenv("NBFLOW_REMAKING", "0")
        setting = "import os\nos.environ['NBFLOW_REMAKING'] = str(n)"
        notebook, cells = opened("n = 1", setting, "n = 2", "m = n", plain=(0, 1, 2))
        notebook.run(cells[1])
        assert os.environ["NBFLOW_REMAKING"] == "2"
        assert verdicts(notebook) == ["fresh", "waits", "fresh", "fresh"]
