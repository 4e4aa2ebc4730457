"""The notebook's file, read again whenever it was saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from nbflow.notebook.saved import SavedNotebook, find_notebook

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def save(path: Path, *sources: str) -> None:
    """Write a notebook with these code cells, called after their sources."""
    cells = [{"cell_type": "code", "id": source, "source": [source]} for source in sources]
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": "text"}, *cells]}))


class TestSaved:
    """Which cells the file has now."""

    def test_code_cells_in_order(self, tmp_path: Path) -> None:
        """With their identifiers; text cells are none."""
        save(tmp_path / "nb.ipynb", "a", "b")
        assert SavedNotebook(tmp_path / "nb.ipynb").cells() == (("a", "a"), ("b", "b"))

    def test_a_save_is_seen_by_whoever_asks(self, tmp_path: Path) -> None:
        """That it was noticed once does not hide it from the next."""
        path = tmp_path / "nb.ipynb"
        save(path, "a")
        saved = SavedNotebook(path)
        assert saved.readings() == 1
        assert [cell.id for cell in saved.cells()] == ["a"]
        save(path, "a", "bcd")
        assert saved.readings() == 2
        assert [cell.id for cell in saved.cells()] == ["a", "bcd"]
        assert saved.readings() == 2

    def test_a_file_that_cannot_be_read_now(self, tmp_path: Path) -> None:
        """What it was before still counts."""
        path = tmp_path / "nb.ipynb"
        save(path, "a")
        saved = SavedNotebook(path)
        saved.cells()
        path.write_text("half a not")
        assert [cell.id for cell in saved.cells()] == ["a"]
        path.unlink()
        assert [cell.id for cell in saved.cells()] == ["a"]


class TestFinding:
    """Which file a kernel belongs to."""

    def test_what_the_host_tells(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the environment, or by a name that it leaves among the user's."""
        save(tmp_path / "nb.ipynb", "a")
        monkeypatch.delenv("NBFLOW_NOTEBOOK", raising=False)
        monkeypatch.setenv("JPY_SESSION_NAME", "no file")
        assert find_notebook({}) is None
        assert find_notebook({"__vsc_ipynb_file__": str(tmp_path / "nb.ipynb")}) == tmp_path / "nb.ipynb"
        monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "nb.ipynb"))
        assert find_notebook({}) == tmp_path / "nb.ipynb"
