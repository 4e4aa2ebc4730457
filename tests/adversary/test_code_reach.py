"""Code that a task reaches in every way that Python knows: an edit of it is never overlooked."""

from __future__ import annotations

import importlib
import site
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.testing import Notebook
from tests.adversary.code_cases import IN_CELLS, IN_MODULES, MODULES, Case, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

IN_PLACE = {
    "mod import",
    "mod in fn",
    "mod from in body",
    "mod from package",
    "mod from nested namespace",
    "mod relative",
    "mod pkg attr",
    "mod init",
    "mod class",
}
"""The cases that are enough where only the way to a module differs."""

TOPS = {name.partition("/")[0].removesuffix(".py") for name in MODULES}


def in_a_new_kernel(cells: Iterable[str]) -> object:
    """What `y` is after these cells in a namespace of their own."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        exec(compile(cell, "<cell>", "exec", dont_inherit=True), names)
    return names["y"]


def is_same(one: object, other: object) -> bool:
    """Whether two results look alike, type included."""
    return (type(one).__name__, repr(one)) == (type(other).__name__, repr(other))


class Played:
    """A case played in a simulated notebook: all cells run, then the edit is made.

    Args:
        case: The case.
        plain: Whether all cells but the last are plain ones.
    """

    def __init__(self, case: Case, *, plain: bool) -> None:
        self.plain = plain
        self.cells = list(case.cells)
        self.notebook = Notebook()
        last = len(self.cells) - 1
        self.ids = [self.notebook.add(cell, plain=plain and at < last) for at, cell in enumerate(self.cells)]
        self.notebook.run_all()
        self.before = self.notebook.names["y"]

    @property
    def reader(self) -> str:
        """The last cell."""
        return self.ids[-1]

    @property
    def result(self) -> object:
        """What `y` is."""
        return self.notebook.names["y"]

    def edit(self, case: Case) -> None:
        """Make the edit in the first cell that has the text, and run that cell."""
        at = next(at for at, cell in enumerate(self.cells) if case.edit.old in cell)
        self.cells[at] = self.cells[at].replace(case.edit.old, case.edit.new, 1)
        self.notebook.edit(self.ids[at], self.cells[at])
        self.notebook.run(self.ids[at])

    def is_fresh(self) -> bool:
        """Whether the reader is called up to date."""
        return self.notebook.verdict(self.reader).value == "fresh"

    def bring(self) -> list[str]:
        """Bring all up to date; which cells ran for that."""
        self.notebook.log.clear()
        if self.plain:
            self.notebook.run_all()
        else:
            self.notebook.flow()
        return self.notebook.log


def check(played: Played, case: Case, expected: object) -> None:
    """Compare what is said of the reader, and what it gives then, with a run in a new kernel."""
    if case.edit.counts:
        assert not played.is_fresh()
        if not is_same(played.before, expected):
            played.bring()
            assert is_same(played.result, expected) or not played.is_fresh()
    else:
        assert played.reader not in played.bring()
        assert played.is_fresh()
        assert is_same(played.result, expected)


@pytest.mark.parametrize("plain", [False, True], ids=["task", "plain"])
class TestCells:
    """What other cells define."""

    @pytest.mark.parametrize("case", parsed(IN_CELLS), ids=str)
    def test_an_edit(self, case: Case, plain: bool) -> None:
        """The reader is out of date if the edit may matter to it, and stays as it is if it cannot."""
        played = Played(case, plain=plain)
        played.edit(case)
        check(played, case, in_a_new_kernel(played.cells))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with modules of the user's own, forgotten afterwards."""
    for name, source in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    forget()
    yield tmp_path
    forget()


def forget() -> dict[str, Any]:
    """Take the user's modules out of what is loaded; give them back."""
    importlib.invalidate_caches()
    loaded = [name for name in sys.modules if name.partition(".")[0] in TOPS]
    return {name: sys.modules.pop(name) for name in loaded}


@pytest.mark.parametrize("plain", [False, True], ids=["task", "plain"])
class TestModules:
    """What modules beside the notebook define."""

    @pytest.mark.parametrize("case", parsed(IN_MODULES), ids=str)
    def test_an_edit(self, case: Case, plain: bool, folder: Path) -> None:
        """The reader is out of date if the edit of the file may matter to it."""
        played = Played(case, plain=plain)
        path = folder / case.edit.file
        path.write_text(path.read_text().replace(case.edit.old, case.edit.new))
        loaded = forget()
        expected = in_a_new_kernel(played.cells)
        forget()
        sys.modules.update(loaded)
        check(played, case, expected)

    def test_a_module_loaded_anew_by_hand(self, plain: bool, folder: Path) -> None:
        """`importlib.reload` gives the module's readers its new code."""
        notebook = Notebook()
        cells = [
            notebook.add(source, plain=plain and source != "y = lone.f()")
            for source in ("import importlib, lone", "importlib.reload(lone)", "y = lone.f()")
        ]
        notebook.run_all()
        (folder / "lone.py").write_text("def f(): return 2\n")
        notebook.run(cells[1])
        assert notebook.verdict(cells[2]).value != "fresh"
        notebook.run_all()
        assert notebook.names["y"] == 2


class Finder:
    """What an editable install puts on `sys.meta_path` where a line in a `.pth` file would not do."""

    def __init__(self, source: Path) -> None:
        self.source = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Whatever is a top module of the project."""
        return PathFinder.find_spec(name, [str(self.source)]) if name in TOPS else None


@pytest.fixture(params=["pth", "finder"])
def project(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The source folder of a project that `pip install -e` has installed."""
    source, packages = tmp_path / "project/src", tmp_path / "lib/site-packages"
    known = packages / "mine-1.0.dist-info"
    known.mkdir(parents=True)
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (known / "top_level.txt").write_text("\n".join(sorted(TOPS)))
    for name, text in MODULES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    if request.param == "finder":
        sys.meta_path.append(Finder(source))
    else:
        (packages / "mine.pth").write_text(f"{source}\n")
    site.addsitedir(str(packages))
    forget()
    yield source
    forget()


class TestEditableInstalls:
    """Modules of a project that is installed in place: they are the user's own, not a package."""

    @pytest.mark.parametrize("case", [each for each in parsed(IN_MODULES) if each.label in IN_PLACE], ids=str)
    def test_an_edit(self, case: Case, project: Path) -> None:
        """It counts as that of a module beside the notebook does; the version stays the same."""
        played = Played(case, plain=True)
        path = project / case.edit.file
        path.write_text(path.read_text().replace(case.edit.old, case.edit.new))
        loaded = forget()
        expected = in_a_new_kernel(played.cells)
        forget()
        sys.modules.update(loaded)
        check(played, case, expected)


class TestForeignNames:
    """Functions over a dict that is no namespace of the notebook."""

    @pytest.mark.parametrize(
        "made",
        [
            "import types\ndef g(): return k\nf = types.FunctionType(g.__code__, d)",
            "exec('def h(): return k\\ndef f(): return h()', d)\nf = d['f']",
        ],
    )
    def test_a_change_of_the_dict(self, made: str) -> None:
        """It is a change of the function, made anew or in place."""
        notebook = Notebook()
        cells = [notebook.add(source, plain=True) for source in (f"d = {{'k': 1}}\n{made}", "d['k'] = 1")]
        task = notebook.add("y = f()")
        notebook.run_all()
        for cell, source, expected in ((1, "d['k'] = 5", 5), (0, f"d = {{'k': 2}}\n{made}", 2)):
            notebook.edit(cells[cell], source)
            if not cell:
                notebook.edit(cells[1], "d['k'] = d['k']")
            for each in cells:
                notebook.run(each)
            assert notebook.verdict(task).value == "stale", source
            notebook.flow()
            assert notebook.names["y"] == expected
