"""Values that are nowhere; more of them in `test_storing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.preview import preview
from nbflow.store.disk import DiskStore
from nbflow.store.protocol import EVICTED
from nbflow.testing import Notebook
from nbflow.types import Hold
from tests.cells import change

if TYPE_CHECKING:
    from pathlib import Path


class TestAbsent:
    """Values that are not there."""

    def test_a_file_that_somebody_removed(self, tmp_path: Path) -> None:
        """Its value is computed again when its cell is run."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path / "s", namespace=names, key=bytes(32)))
        cell = notebook.add("x = list(range(100_000))")
        notebook.run(cell)
        for path in tmp_path.glob("s/blobs/*/*"):
            path.unlink()
        notebook.restart()
        assert notebook.run(cell).executed == [cell]
        assert len(notebook.names["x"]) == 100_000  # type: ignore[arg-type]
        assert [action.executed for action in notebook.run_all()] == [[]]

    def test_a_plan_says_so(self, tmp_path: Path) -> None:
        """And why."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path / "s", namespace=names, key=bytes(32)))
        cell = notebook.add("x = list(range(100_000))")
        notebook.run(cell)
        change(notebook, cell, "x = list(range(100_001))")
        notebook.edit(cell, "x = list(range(100_000))")
        notebook.work.adopt_source(notebook.step(cell))
        (line,) = preview(notebook.work)
        assert line.does == "reuses"
        notebook.workspace.store.upkeep().evict(0, grace=0.0)  # type: ignore[attr-defined]
        (line,) = preview(notebook.work)
        assert (line.does, [cause.category for cause in line.causes]) == ("runs", ["evicted"])
        assert notebook.flow().executed == [cell]

    def test_a_run_whose_value_was_evicted_and_is_made_again(self, tmp_path: Path) -> None:
        """Has it again: whoever computes the same gives it back to every run that made it."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path / "s", namespace=names, key=bytes(32)))
        cell = notebook.add("x = list(range(100_000))", name="x")
        notebook.run(cell)
        first = notebook.step(cell).trace
        assert first is not None
        store = notebook.workspace.store
        store.upkeep().evict(0, grace=0.0)  # type: ignore[attr-defined]
        change(notebook, cell, "x = list(range(100_001))")
        unit = first.outputs[0].unit
        assert store.absence(unit) == EVICTED
        change(notebook, cell, "x = [*range(100_000)]")
        assert store.absence(unit) == ""
        change(notebook, cell, "x = list(range(100_001))")
        notebook.pin(cell, Hold(first, "restore"))
        notebook.work.stand()
        notebook.run(notebook.add("n = len(x)", plain=True))
        assert notebook.names["n"] == 100_000
