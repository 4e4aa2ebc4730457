"""Looking up earlier results that fit what is bound at a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.engine.keeping import Compared, Keeping
from nbflow.engine.marks import REFUTED
from nbflow.store.memory import MemoryStore
from nbflow.testing import Notebook
from nbflow.types import Effect
from tests.cells import change, opened

if TYPE_CHECKING:
    from pathlib import Path


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


class TestNotCompared:
    """What does not count does not count for a later kernel either."""

    @pytest.mark.parametrize(
        "compared",
        [
            Compared(without=frozenset({"k"})),
            Compared(only=frozenset({"a"})),
            Compared(only=frozenset(), outside=False),
            Compared(of_parameters=True),
        ],
    )
    def test_after_a_restart(self, compared: Compared) -> None:
        """The result is found, and is as of what it was made from."""
        store = MemoryStore()
        notebook = Notebook(store=lambda names: store)
        notebook.add("a = 1", plain=True)
        k = notebook.add("k = 10", plain=True)
        b = notebook.let(notebook.add("b = a + k"), keeping=Keeping(compared=compared))
        notebook.run_all()
        notebook.restart()
        notebook.edit(k, "k = 20")
        notebook.run_all()
        assert notebook.names["b"] == 11
        assert notebook.verdict(b).value == "as of"

    def test_what_counts(self) -> None:
        """It is run again where one of those inputs is another, and code always counts."""
        notebook = Notebook()
        a = notebook.add("a = 1", plain=True)
        f = notebook.add("def f(): return 10", plain=True)
        b = notebook.let(
            notebook.add("b = a + f()"), keeping=Keeping(compared=Compared(only=frozenset({"a"})))
        )
        notebook.run_all()
        change(notebook, f, "def f(): return 20")
        assert notebook.work.find(notebook.step(b)) is None
        change(notebook, f, "def f(): return 10")
        assert notebook.work.find(notebook.step(b)) is not None
        change(notebook, a, "a = 2")
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
