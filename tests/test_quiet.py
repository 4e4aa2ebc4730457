"""Quiet plain cells: those that the flow may start."""

from __future__ import annotations

from nbflow.engine.quiet import may_start_plain
from nbflow.testing import Notebook
from tests.cells import kept, opened


class TestQuietCells:
    """Which plain cells catch-up may start."""

    def test_all_conditions(self) -> None:
        """Run here, unedited, fully seen, quiet; a task is none."""
        sources = ("a = 1", "exec('b = 1')", "c = 1", "d = 1")
        notebook, cells = opened(*sources, plain=(0, 1, 2), notebook=Notebook(store=kept()))
        notebook.edit(cells[2], "c = 2")
        quiet = [cell for cell in cells if may_start_plain(notebook.step(cell), notebook.book)]
        assert quiet == cells[:1]
        notebook.restart()
        assert not may_start_plain(notebook.step(cells[0]), notebook.book)
