"""Whether the user's modules are still what a worker has imported."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.task_runners.imported import Modules

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user's, written long ago."""
    path = tmp_path / "imported_by_a_worker.py"
    path.write_text("RATE = 1\n")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    return path


class TestModules:
    """The files behind them."""

    def test_unchanged(self, module: Path) -> None:
        """As imported."""
        modules = Modules()
        with modules.noted():
            importlib.import_module(module.stem)
        assert modules.are_as_imported()

    @pytest.mark.parametrize("how", ["written", "removed"])
    def test_changed(self, module: Path, how: str) -> None:
        """Not as imported any more."""
        modules = Modules()
        with modules.noted():
            importlib.import_module(module.stem)
        _ = module.write_text("RATE = 2\n") if how == "written" else module.unlink()
        assert not modules.are_as_imported()

    def test_written_just_before(self, module: Path) -> None:
        """What was written so late may have been written again: nobody could tell."""
        module.write_text("RATE = 2\n")
        modules = Modules()
        with modules.noted():
            importlib.import_module(module.stem)
        assert not modules.are_as_imported()

    @pytest.mark.parametrize("before", [True, False])
    def test_an_installation(self, tmp_path: Path, *, before: bool) -> None:
        """Packages that were there are what they were; one that comes may replace what is loaded."""
        if before:
            (tmp_path / "package").mkdir()
        modules = Modules((str(tmp_path),))
        if not before:
            (tmp_path / "package").mkdir()
            os.utime(tmp_path, (1_000_000_000, 1_000_000_000))
        assert modules.are_as_imported() is before
