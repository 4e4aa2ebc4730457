"""Tests of local modules that cells change in place: what imports of them see, and are said to be."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIB = "items = [1]\n\ndef total():\n    return sum(items)\n"
ABOVE = "import lib_in_place\n\ndef total():\n    return lib_in_place.total()\n"


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two local modules, one of which imports the other."""
    for name, text in (("lib_in_place", LIB), ("above_lib_in_place", ABOVE)):
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("lib_in_place", "above_lib_in_place"):
        sys.modules.pop(name, None)


def changed(imports: list[str], read: str, later: str = "") -> tuple[Notebook, str]:
    """A notebook whose change of the module was edited and run again; and the cell that reads it."""
    notebook = Notebook()
    for source in imports:
        notebook.add(source, plain=True)
    change = notebook.add("lib_in_place.items.append(5)")
    if later:
        notebook.add(later, plain=True)
    reader = notebook.add(read)
    notebook.run_all()
    notebook.edit(change, "lib_in_place.items.append(7)")
    notebook.run(change)
    notebook.flow()
    return notebook, reader


class TestSeveralNames:
    """A unit of several names of local modules starts anew together."""

    @pytest.mark.parametrize(
        "imports",
        [
            ["import lib_in_place\nimport lib_in_place as m"],
            ["import lib_in_place", "import lib_in_place as m"],
            ["import lib_in_place\nimport above_lib_in_place as m"],
            ["import above_lib_in_place as m", "import lib_in_place"],
        ],
    )
    def test_a_change_run_again(self, imports: list[str]) -> None:
        """It starts from the module as its file has it, under all names."""
        notebook, reader = changed(imports, "r = m.total()")
        assert notebook.names["r"] == 8
        assert notebook.verdict(reader).value == "fresh"

    @pytest.mark.parametrize("name", ["m", "lib_in_place"])
    def test_an_import_below_the_change(self, name: str) -> None:
        """It gives what the change has made of the module, and runs again with it."""
        later = f"import lib_in_place as {name}"
        notebook, reader = changed(["import lib_in_place"], f"r = {name}.total()", later)
        assert notebook.names["r"] == 8
        assert notebook.verdict(reader).value == "fresh"

    def test_an_import_in_the_body(self) -> None:
        """A task that imports the module itself hangs on what was done to it above."""
        notebook, reader = changed(["import lib_in_place"], "import lib_in_place as q\nr = q.total()")
        assert notebook.names["r"] == 8
        assert notebook.verdict(reader).value == "fresh"


class TestChangedBelow:
    """An import undoes nothing that cells further down have done."""

    @pytest.mark.parametrize(
        ("first", "change"),
        [
            ("import lib_in_place", "lib_in_place.items.append(5)"),
            ("from lib_in_place import items", "items.append(5)"),
        ],
    )
    def test_run_all_twice(self, first: str, change: str) -> None:
        """What hangs on the import is not called up to date, and the cause names the module."""
        notebook = Notebook()
        notebook.add(first, plain=True)
        task = notebook.add(change)
        notebook.run_all()
        notebook.run_all()
        assert notebook.verdict(task).value == "as of"
        assert "altered: lib_in_place" in [cause.subject for cause in notebook.why(task)]

    def test_a_module_that_nobody_changed(self) -> None:
        """Importing it again is a run like any other."""
        notebook = Notebook()
        notebook.add("import lib_in_place", plain=True)
        task = notebook.add("r = lib_in_place.total()")
        notebook.run_all()
        notebook.run_all()
        assert notebook.verdict(task).value == "fresh"


PACKAGE = {
    "grown_lib/__init__.py": "items = [1]\n",
    "grown_lib/one.py": "A = 1\nseen = [1]\n",
    "grown_lib/below/__init__.py": "",
    "grown_lib/below/two.py": "B = 2\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """A local package, none of whose submodules is loaded."""
    for name, text in PACKAGE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        os.utime(path, (1e9, 1e9))
    yield tmp_path / "grown_lib"
    for name in [name for name in sys.modules if name.partition(".")[0] == "grown_lib"]:
        del sys.modules[name]


@pytest.mark.usefixtures("package")
class TestSubmodules:
    """A package to which importing has added submodules is the one that it was."""

    @pytest.mark.parametrize(
        ("first", "body"),
        [
            ("import grown_lib", "from grown_lib.one import A as r"),
            ("import grown_lib.one", "from grown_lib.below.two import B\nr = B + grown_lib.one.A"),
            ("import grown_lib.below", "from grown_lib.below.two import B as r"),
            ("import grown_lib.below as m", "import grown_lib.below.two\nr = m.two.B"),
        ],
    )
    def test_loaded_by_a_task(self, first: str, body: str) -> None:
        """The task is up to date, also when all has run again."""
        notebook = Notebook()
        notebook.add(first, plain=True)
        task = notebook.add(body)
        for _ in range(2):
            notebook.run_all()
            assert (notebook.verdict(task).value, notebook.why(task)) == ("fresh", ())

    @pytest.mark.parametrize(
        "change",
        [
            "grown_lib.items.append(2)",
            "grown_lib.new = 3",
            "grown_lib.one.seen.append(2)",
            "del grown_lib.items",
        ],
    )
    def test_loaded_and_changed(self, change: str) -> None:
        """A change beside the import is one all the same."""
        notebook = Notebook()
        notebook.add("import grown_lib.one", plain=True)
        task = notebook.add(f"from grown_lib.below.two import B\n{change}")
        notebook.run_all()
        notebook.run_all()
        assert any(cause.subject.startswith("altered: grown_lib") for cause in notebook.why(task))

    def test_an_edit_of_a_submodule(self, package: Path) -> None:
        """What hangs on the whole package runs again once one of its loaded submodules has another file."""
        notebook = Notebook()
        notebook.add("import grown_lib\nimport grown_lib.one", plain=True)
        task = notebook.add("r = [getattr(grown_lib, name) for name in ['one']][0].A")
        notebook.run_all()
        assert notebook.names["r"] == 1
        (package / "one.py").write_text("A = 7\nseen = [1]\n")
        notebook.run_all()
        assert (notebook.names["r"], notebook.verdict(task).value) == (7, "fresh")
