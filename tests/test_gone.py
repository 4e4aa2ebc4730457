"""What nothing can store, in a new kernel."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nbflow.store.disk import DiskStore
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from pathlib import Path


def kept_in(folder: Path) -> Notebook:
    """A notebook with a store; kernels follow each other in time."""
    return Notebook(store=lambda names: DiskStore(folder, namespace=names), clock=time.time)


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
        notebook = kept_in(tmp_path)
        cell = notebook.add(body)
        notebook.run_all()
        notebook.restart()
        notebook.add(reads, plain=True)
        notebook.run_all()
        assert notebook.names["found"] == [0, 1, 2]
        assert notebook.log.count(cell) == 2

    @pytest.mark.parametrize(
        ("first", "second", "reads", "found"),
        [
            ("w = [1]", "w.append(2)\ng = (i for i in w)", "w", [1, 2]),
            ("d = {'n': 0}", "d['n'] += 1\nimport threading\nd['lock'] = threading.Lock()", "d['n']", 1),
            ("c = C()", "a = c.items\na.append(5)", "c.items", [1, 5]),
            ("c = C()\na = c.items", "a.append(5)", "c.items", [1, 5]),
            ("a = C.items", "a.append(5)", "C.items", [1, 5]),
        ],
    )
    def test_an_earlier_value_is_none(
        self, tmp_path: Path, first: str, second: str, reads: str, found: object
    ) -> None:
        """Where the last change of a value is gone, a plain cell does not get the value before it."""
        notebook = kept_in(tmp_path)
        notebook.add("class C:\n    items = [1]", plain=True)
        notebook.add(first)
        notebook.add(second)
        notebook.run_all()
        notebook.restart()
        notebook.add(f"found = {reads}", plain=True)
        notebook.run_all()
        assert notebook.names["found"] == found

    def test_what_was_used_up_here(self, tmp_path: Path) -> None:
        """A cell that runs once more finds what it has left, as in any notebook."""
        notebook = kept_in(tmp_path)
        cell = notebook.add("g = (n for n in range(3))")
        reader = notebook.add("found = list(g)", plain=True)
        notebook.run_all()
        notebook.run(reader)
        assert (notebook.names["found"], notebook.log.count(cell)) == ([], 1)

    def test_what_the_user_has_bound(self, tmp_path: Path) -> None:
        """It stays, though the cell stands behind another value of that name."""
        notebook = kept_in(tmp_path)
        notebook.add("g = (n for n in range(3))\nk = 1")
        notebook.run_all()
        notebook.restart()
        reader = notebook.add("found = k, list(g)", plain=True)
        below = notebook.add("k = 7", plain=True)
        notebook.run_all()
        notebook.run(below)
        notebook.run(reader)
        assert notebook.names["found"] == (7, [])

    def test_nobody_reads_it(self, tmp_path: Path) -> None:
        """Then it does not run."""
        notebook = kept_in(tmp_path)
        cell = notebook.add("g = (n for n in range(3))\nz = 1")
        notebook.run_all()
        notebook.restart()
        notebook.add("found = z", plain=True)
        notebook.run_all()
        assert (notebook.names["found"], notebook.log.count(cell)) == (1, 1)

    def test_an_effect(self, tmp_path: Path) -> None:
        """What happens outside never does so once more for a value."""
        notebook = kept_in(tmp_path)
        cell = notebook.add("g = (n for n in range(3))")
        notebook.let(cell, effect="once")
        notebook.run_all()
        notebook.restart()
        reader = notebook.add("found = list(g)", plain=True)
        notebook.run_all()
        assert notebook.log.count(cell) == 1
        assert "found" not in notebook.names
        assert notebook.log.count(reader) == 1
