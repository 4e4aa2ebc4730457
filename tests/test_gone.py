"""What nothing can store, in a new kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.store.disk import DiskStore
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from pathlib import Path


class TestPlainCells:
    """It is made again for a plain cell that reads it."""

    @pytest.mark.parametrize(
        ("body", "reads"),
        [
            ("g = (n for n in range(3))\nz = 1", "found = list(g)"),
            ("import threading\ng = threading.Lock()", "found = [] if g.locked() else [0, 1, 2]"),
            ("g = (n for n in range(3))", "def look():\n    return list(g)\nfound = look()"),
        ],
    )
    def test_a_new_kernel(self, tmp_path: Path, body: str, reads: str) -> None:
        """The task that made it runs once more, before the cell."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names))
        cell = notebook.add(body)
        notebook.run_all()
        notebook.restart()
        notebook.add(reads, plain=True)
        notebook.run_all()
        assert notebook.names["found"] == [0, 1, 2]
        assert notebook.log.count(cell) == 2

    def test_nobody_reads_it(self, tmp_path: Path) -> None:
        """Then it does not run."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names))
        cell = notebook.add("g = (n for n in range(3))\nz = 1")
        notebook.run_all()
        notebook.restart()
        notebook.add("found = z", plain=True)
        notebook.run_all()
        assert (notebook.names["found"], notebook.log.count(cell)) == (1, 1)

    def test_an_effect(self, tmp_path: Path) -> None:
        """What happens outside never does so once more for a value."""
        notebook = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names))
        cell = notebook.add("g = (n for n in range(3))")
        notebook.let(cell, effect="once")
        notebook.run_all()
        notebook.restart()
        reader = notebook.add("found = list(g)", plain=True)
        notebook.run_all()
        assert notebook.log.count(cell) == 1
        assert "found" not in notebook.names
        assert notebook.log.count(reader) == 1
