"""Looking up earlier results that fit what is bound at a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.keeping import Keeping
from nbflow.engine.marks import REFUTED
from nbflow.types import Effect
from tests.cells import change, opened

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.testing import Notebook


def two() -> tuple[Notebook, list[str]]:
    """A constant and its reader."""
    return opened("a = 1", "b = a + 1")


class TestFound:
    """The newest result whose inputs are as they are now."""

    def test_an_earlier_one(self) -> None:
        """After going back."""
        notebook, (a, b) = two()
        first = notebook.step(b).trace
        change(notebook, a, "a = 2")
        notebook.flow()
        change(notebook, a, "a = 1")
        assert notebook.work.find(notebook.step(b)) == first

    def test_none(self) -> None:
        """Where an input is another."""
        notebook, (a, b) = two()
        change(notebook, a, "a = 2")
        assert notebook.work.find(notebook.step(b)) is None

    def test_one_that_an_audit_has_refuted(self) -> None:
        """It fits, and does not count."""
        notebook, (_, b) = two()
        trace = notebook.step(b).trace
        assert trace is not None
        notebook.workspace.marks.set(REFUTED, trace.id, "b differs")
        notebook.sweep.look_outside()
        assert notebook.work.find(notebook.step(b)) is None

    def test_one_that_is_kept_for_nobody_else(self) -> None:
        """Its step runs each time."""
        notebook, (_, b) = two()
        notebook.let(b, keeping=Keeping(reuses=False))
        assert notebook.work.find(notebook.step(b)) is None


class TestEffects:
    """What has happened has happened, whatever became of what it left."""

    def test_its_file_is_gone(self, tmp_path: Path) -> None:
        """A task runs again for it; an effect is not repeated."""
        path = tmp_path / "sent.txt"
        notebook, (cell,) = opened(f"with open({str(path)!r}, 'w') as file: _ = file.write('x')")
        path.unlink()
        notebook.sweep.look_outside()
        assert notebook.work.find(notebook.step(cell)) is None
        notebook.let(cell, effect=Effect.ONCE)
        assert notebook.work.find(notebook.step(cell)) == notebook.step(cell).trace
