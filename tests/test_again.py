"""What a plain cell bound, where a name holds the very object that it held before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.context import context
from nbflow.testing import Notebook
from nbflow.types import Verdict

if TYPE_CHECKING:
    from pathlib import Path

READS = "d = int(__import__('pathlib').Path({path!r}).read_text())\nif d % 2: c = 4"


def outputs(notebook: Notebook, cell: str) -> set[str]:
    """The names that a cell made, by its trace."""
    trace = notebook.step(cell).trace
    return {output.slot.locator for output in trace.outputs} if trace else set()


class TestBoundAgain:
    """A small number is one object wherever it comes from, so that no look tells who bound it."""

    def test_the_same_inputs(self) -> None:
        """What the cell bound when it last saw the same, it binds."""
        notebook = Notebook()
        cell = notebook.add("d = 3\nif d % 2: c = 4", plain=True)
        notebook.run(cell)
        notebook.run(cell)
        assert (outputs(notebook, cell), notebook.verdict(cell)) == ({"c", "d"}, Verdict.FRESH)

    def test_another_file(self, tmp_path: Path) -> None:
        """A cell that read something else need not have bound what it bound then."""
        path = tmp_path / "F.txt"
        path.write_text("1")
        notebook = Notebook()
        cell = notebook.add(READS.format(path=str(path)), plain=True)
        notebook.run(cell)
        assert outputs(notebook, cell) == {"c", "d"}
        path.write_text("2")
        notebook.run(notebook.add("c = 2 + 2", at=0))
        notebook.run(cell)
        assert outputs(notebook, cell) == {"d"}
        assert notebook.verdict(cell) is Verdict.STALE

    def test_another_condition(self) -> None:
        """Before a reader runs the flow runs the cell once more, with the name taken away: that tells."""
        notebook = Notebook()
        limit = notebook.add("a = 4", plain=True)
        cell = notebook.add("if a > 3: c = 5\nelse: d = 3", plain=True)
        reader = notebook.add("e = c * 2")
        notebook.run_all()
        notebook.edit(limit, "a = 6")
        for each in (limit, cell):
            notebook.run(each)
        assert outputs(notebook, cell) == {"c"}
        assert notebook.verdict(cell) is Verdict.STALE
        action = notebook.run(reader)
        assert (action.executed, action.errors, notebook.names["e"]) == ([cell], {}, 10)
        assert notebook.verdict(reader) is Verdict.FRESH
        notebook.edit(limit, "a = 2")
        for each in (limit, cell):
            notebook.run(each)
        assert "'c' is not defined" in str(notebook.run(reader).errors[reader])
        assert outputs(notebook, cell) == {"d"}

    def test_another_condition_of_a_cell_that_only_its_user_runs(self, tmp_path: Path) -> None:
        """What it made before stands there: its reader has it, and nobody says that this is proven."""
        notebook = Notebook()
        limit = notebook.add("a = 4", plain=True)
        path = str(tmp_path / "F.txt")
        cell = notebook.add(f"if a > 3: c = 5\nopen({path!r}, 'w').close()", plain=True)
        reader = notebook.add("e = c * 2")
        notebook.run_all()
        notebook.edit(limit, "a = 6")
        for each in (limit, cell, reader):
            assert notebook.run(each).errors == {}
        assert notebook.names["e"] == 10
        assert [notebook.verdict(each) for each in (cell, reader)] == [Verdict.AS_OF] * 2

    def test_the_same_file(self, tmp_path: Path) -> None:
        """A file that did not change leaves it decided."""
        path = tmp_path / "F.txt"
        path.write_text("1")
        notebook = Notebook()
        cell = notebook.add(READS.format(path=str(path)), plain=True)
        notebook.run(cell)
        notebook.run(cell)
        assert (outputs(notebook, cell), notebook.verdict(cell)) == ({"c", "d"}, Verdict.FRESH)

    def test_another_context(self) -> None:
        """So does what it reads from the context."""
        notebook = Notebook()
        notebook.add("from nbflow import context", plain=True)
        cell = notebook.add("if context.get('mode') == 'odd': c = 4", plain=True)
        with context(mode="odd"):
            notebook.run_all()
        assert "c" in outputs(notebook, cell)
        with context(mode="even"):
            notebook.run_all()
            assert notebook.verdict(cell) is not Verdict.FRESH


class TestEdited:
    """A cell whose text does not tell what it binds is edited, and binds the rest as before."""

    def test_a_star_import(self) -> None:
        """It binds what the module holds; names that the text no longer mentions are no longer made."""
        notebook = Notebook()
        cell = notebook.add("from math import *\nextra = 1\nmore = 2", plain=True)
        reader = notebook.add("a = floor(tau) + extra")
        notebook.run_all()
        notebook.edit(cell, "from math import *\nextra = 2")
        notebook.run(cell)
        assert {"floor", "tau", "extra"} <= outputs(notebook, cell)
        assert "more" not in outputs(notebook, cell)
        assert notebook.verdict(cell) is Verdict.FRESH
        assert notebook.run(reader).errors == {}
        assert (notebook.names["a"], notebook.verdict(reader)) == (8, Verdict.FRESH)

    def test_a_star_import_of_what_was_changed_since(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its reader runs on what the cell binds; it had been told that only the cell below makes that."""
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "starred_lib.py").write_text("ROWS = [1]\n")
        notebook = Notebook()
        cell = notebook.add("from starred_lib import *\nextra = 1", plain=True)
        reader = notebook.add("a = [*ROWS, extra]")
        change = notebook.add("ROWS.append(5)", plain=True)
        notebook.run_all()
        notebook.edit(cell, "from starred_lib import *\nextra = 2")
        notebook.run(cell)
        assert "ROWS" in outputs(notebook, cell)
        assert notebook.run(reader).errors == {}
        assert notebook.names["a"] == [1, 5, 2]
        assert notebook.verdict(reader) is Verdict.AS_OF  # a new kernel loads the module anew
        assert notebook.run(change).errors == {}
        del sys.modules["starred_lib"]

    def test_a_star_import_that_is_not_reached(self) -> None:
        """Nobody says of what stands there still that the cell makes it."""
        notebook = Notebook()
        cell = notebook.add("if 1 > 0: from math import *", plain=True)
        reader = notebook.add("a = floor(tau)")
        notebook.run_all()
        assert notebook.verdict(reader) is Verdict.FRESH
        notebook.edit(cell, "if 1 > 2: from math import *")
        notebook.run(cell)
        assert notebook.verdict(reader) is not Verdict.FRESH

    @pytest.mark.parametrize("plain", [True, False])
    def test_names_in_texts(self, plain: bool) -> None:
        """What the cell made stands there, and nobody can tell who made it."""
        notebook = Notebook()
        cell = notebook.add("exec('k = 3')\nextra = 1", plain=plain)
        reader = notebook.add("a = k + extra")
        notebook.run_all()
        notebook.edit(cell, "exec('k = 3')\nextra = 2")
        notebook.run(cell)
        assert notebook.run(reader).errors == {}
        assert (notebook.names["a"], notebook.verdict(reader)) == (5, Verdict.AS_OF)
