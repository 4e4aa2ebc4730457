"""What others change while a body runs: what it may have seen of that is no result of what was before."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import chdir
from typing import TYPE_CHECKING

import pytest

from nbflow.testing import Notebook
from tests.cells import values, verdicts
from tests.test_branch import beside, gate, notebook_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["gate"]

VARIABLE = "NBFLOW_MEANWHILE"
OPENS = "import pathlib\nstay()\na = pathlib.Path('a.txt').read_text()"
READS = f"a = stay() and os.environ.get('{VARIABLE}', 'none')"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which a module lies, and one below it."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "changing", raising=False)
    (tmp_path / "below").mkdir()
    for path, text in {"changing.py": "K = 1\n", "a.txt": "here", "below/a.txt": "there"}.items():
        (tmp_path / path).write_text(text)
    return tmp_path


def ran_beside(task: str, change: Callable[[], object]) -> Notebook:
    """A notebook in which a task has run beside a cell that changed something while it ran."""
    notebook, _ = notebook_of(task, plain="import os")

    def meanwhile() -> None:
        threading.begun.acquire()  # type: ignore[attr-defined]
        change()
        threading.gate.set()  # type: ignore[attr-defined]

    branch, action = beside(notebook, meanwhile)
    assert branch.take_over(action.executed) == []
    return notebook


class TestBesideACell:
    """Nothing that a task has made of something else is ever a hit."""

    def test_a_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that a cell sets, and that is taken back."""
        notebook = ran_beside(READS, lambda: monkeypatch.setenv(VARIABLE, "set"))
        monkeypatch.delenv(VARIABLE)
        notebook.flow()
        assert values(notebook, "a") == ["none"]

    def test_a_variable_that_is_back_before_the_body_ends(self) -> None:
        """What was read in between nobody knows."""

        def change() -> None:
            os.environ[VARIABLE] = "set"
            del os.environ[VARIABLE]

        notebook = ran_beside(READS, change)
        assert verdicts(notebook)[2:] == ["stale"]

    def test_the_working_folder(self, folder: Path) -> None:
        """A relative path means another file elsewhere."""
        notebook = ran_beside(OPENS, lambda: os.chdir("below"))
        os.chdir(folder)
        notebook.flow()
        assert values(notebook, "a") == ["here"]

    def test_a_folder_that_is_back_before_the_body_ends(self) -> None:
        """As within a `with` statement."""

        def change() -> None:
            with chdir("below"):
                pass

        assert verdicts(ran_beside(OPENS, change))[2:] == ["stale"]

    def test_a_module_that_is_edited(self, folder: Path) -> None:
        """One that the body imports after that."""
        task = "stay()\nimport changing\na = changing.K"
        notebook = ran_beside(task, lambda: (folder / "changing.py").write_text("K = 2222\n"))
        (folder / "changing.py").write_text("K = 1\n")
        notebook.flow()
        assert values(notebook, "a") == [1]

    def test_what_it_does_not_look_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Does not keep a result from being taken over."""
        notebook, cells = notebook_of("a = stay() and LATE")

        def meanwhile() -> None:
            threading.begun.acquire()  # type: ignore[attr-defined]
            monkeypatch.setenv(VARIABLE, "set")
            threading.gate.set()  # type: ignore[attr-defined]

        branch, action = beside(notebook, meanwhile)
        assert [step.id for step in branch.take_over(action.executed)] == cells


@pytest.mark.usefixtures("outside")
class TestItsOwnModule:
    """A body that sets where modules are looked for, and imports one from there, saw what is there."""

    def test_a_plain_cell(self, folder: Path) -> None:
        """It is as of the state that it changed, and waits only once the module's file is another."""
        (folder / "below" / "nbflow_own.py").write_text("K = 1\n")
        notebook = Notebook()
        path = f"import sys\nsys.path.append({str(folder / 'below')!r})\nimport nbflow_own"
        cells = [notebook.add(path, plain=True), notebook.add("a = nbflow_own.K")]
        notebook.run_all()
        assert [notebook.verdict(cell).value for cell in cells] == ["as of", "fresh"]
        (folder / "below" / "nbflow_own.py").write_text("K = 2\n")
        assert [notebook.verdict(cell).value for cell in cells] == ["waits", "waits"]
        for cell in cells:
            notebook.run(cell)
        assert (notebook.names["a"], notebook.verdict(cells[1]).value) == (2, "fresh")


class TestItsOwn:
    """What a body sets itself is its doing."""

    def test_a_variable(self) -> None:
        """It runs as ever, and says that it changes the process."""
        notebook, cells = notebook_of(
            f"import os\nos.environ['{VARIABLE}'] = '2'\na = os.environ['{VARIABLE}']"
        )
        notebook.flow()
        assert notebook.step(cells[0]).failure == ""
        assert values(notebook, "a") == ["2"]
        del os.environ[VARIABLE]
