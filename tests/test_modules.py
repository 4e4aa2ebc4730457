"""Local modules: their files, and forgetting those whose code has changed."""

from __future__ import annotations

import importlib
import py_compile
import sys
import time
from importlib.util import spec_from_file_location
from typing import TYPE_CHECKING

import pytest

from nbflow.store.at_import import at_import
from nbflow.store.files import Files
from nbflow.store.modules import (
    ModuleKind,
    module_digest,
    module_file,
    note_loaded,
    purge_changed_modules,
)
from nbflow.testing import Notebook
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def files() -> Files:
    """A session's files, with a clock by which every file is old."""
    return Files(clock=lambda: time.time() + 10)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files) -> Iterator[Path]:
    """A folder of local modules, forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    note_loaded(files)
    purge_changed_modules(files)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, source: str) -> None:
    """Write a module until its stat shows it: two changes may fall into one tick of the clock."""
    path.parent.mkdir(exist_ok=True)
    before = path.stat().st_ctime_ns if path.exists() else 0
    while not path.exists() or path.stat().st_ctime_ns == before:
        path.write_text(source)
    importlib.invalidate_caches()


def value(name: str) -> object:
    """`VALUE` of a module, imported anew if it was forgotten."""
    return importlib.import_module(name).VALUE


class TestModuleFile:
    """Which file a module is."""

    def test_is_found_without_importing(self, here: Path, files: Files) -> None:
        """Neither the module nor its package runs."""
        write(here / "nbm_pkg/__init__.py", "raise RuntimeError")
        write(here / "nbm_pkg/sub.py", "raise RuntimeError")
        assert module_file("nbm_pkg.sub", files) == str(here / "nbm_pkg/sub.py")
        assert module_file("nbm_pkg", files) == str(here / "nbm_pkg/__init__.py")
        assert not {"nbm_pkg", "nbm_pkg.sub"} & sys.modules.keys()

    def test_a_loaded_module_tells_itself(self, here: Path, files: Files) -> None:
        """Also if it would not be found any more."""
        write(here / "nbm_a.py", "VALUE = 1")
        importlib.import_module("nbm_a")
        sys.path.remove(str(here))
        assert module_file("nbm_a", files) == str(here / "nbm_a.py")

    def test_installed_builtin_and_missing_modules_have_none(self, files: Files) -> None:
        """Only local modules have a file here."""
        names = ("os", "sys", "pandas", "sklearn.svm", "no_such_module", "os.none", "__main__", "")
        assert [module_file(name, files) for name in names] == [None] * len(names)

    def test_the_digest_is_that_of_the_file(self, here: Path, files: Files) -> None:
        """It follows the content, and is unbound for what is not local."""
        write(here / "nbm_a.py", "VALUE = 1")
        kind, first = ModuleKind(files), module_digest("nbm_a", files)
        assert first == files.digest(str(here / "nbm_a.py")) == kind.now("nbm_a")
        write(here / "nbm_a.py", "VALUE = 2")
        assert module_digest("nbm_a", files) != first
        assert module_digest("os", files) == UNBOUND
        assert [kind.show("nbm_a"), kind.show("os")] == [str(here / "nbm_a.py"), "not a local module"]


class TestPurge:
    """Forgetting changed modules."""

    def test_an_unchanged_module_stays(self, here: Path, files: Files) -> None:
        """The same module object, so that classes stay the same."""
        write(here / "nbm_a.py", "VALUE = 1")
        note_loaded(files)
        module = importlib.import_module("nbm_a")
        note_loaded(files)
        assert purge_changed_modules(files) == []
        assert importlib.import_module("nbm_a") is module

    def test_a_changed_module_is_imported_anew(self, here: Path, files: Files) -> None:
        """Even if size and second of the change are the same, when compiled files are taken as valid."""
        write(here / "nbm_a.py", "VALUE = 1")
        note_loaded(files)
        py_compile.compile(str(here / "nbm_a.py"))
        assert value("nbm_a") == 1
        note_loaded(files)
        for number in range(2, 5):
            write(here / "nbm_a.py", f"VALUE = {number}")
            assert purge_changed_modules(files) == ["nbm_a"]
            assert value("nbm_a") == number
            note_loaded(files)

    def test_a_change_before_the_note_counts(self, here: Path, files: Files) -> None:
        """A module edited in the cell that imported it holds the older code."""
        write(here / "nbm_a.py", "VALUE = 1")
        note_loaded(files)
        importlib.import_module("nbm_a")
        write(here / "nbm_a.py", "VALUE = 2")
        note_loaded(files)
        assert purge_changed_modules(files) == ["nbm_a"]
        assert value("nbm_a") == 2

    def test_a_removed_file_counts(self, here: Path, files: Files) -> None:
        """The next import then fails, as a fresh kernel's would."""
        write(here / "nbm_a.py", "VALUE = 1")
        note_loaded(files)
        importlib.import_module("nbm_a")
        note_loaded(files)
        (here / "nbm_a.py").unlink()
        assert purge_changed_modules(files) == ["nbm_a"]

    @pytest.mark.parametrize(
        "source",
        [
            "import nbm_a\nVALUE = nbm_a.VALUE",
            "from nbm_a import VALUE",
            "from nbm_a import f\nVALUE = f()",
            "def late():\n    import nbm_a\nVALUE = 1",
            "import importlib\nm = importlib.import_module('nbm_a')\nVALUE = m.VALUE",
            "import importlib\nthing = importlib.import_module('nbm_a').C()\nVALUE = thing.v",
            "import importlib, functools\n"
            "p = functools.partial(importlib.import_module('nbm_a').f)\nVALUE = p()",
        ],
    )
    def test_who_builds_on_it_goes_too(self, here: Path, files: Files, source: str) -> None:
        """Constants, functions, instances and modules taken from it are old as well."""
        text = "VALUE = {0}\ndef f(): return {0}\nclass C: v = {0}\n"
        write(here / "nbm_a.py", text.format(1))
        write(here / "nbm_b.py", source)
        write(here / "nbm_c.py", "from nbm_b import *")
        write(here / "nbm_free.py", "VALUE = 1")
        note_loaded(files)
        for name in ("nbm_c", "nbm_free", "nbm_a"):
            importlib.import_module(name)
        note_loaded(files)
        write(here / "nbm_a.py", text.format(2))
        assert purge_changed_modules(files) == ["nbm_a", "nbm_b", "nbm_c"]
        assert "nbm_free" in sys.modules

    def test_packages_go_as_a_whole(self, here: Path, files: Files) -> None:
        """A package and its parts refer to one another, by relative imports, too."""
        write(here / "nbm_pkg/__init__.py", "from . import one, two\nVALUE = two.VALUE")
        write(here / "nbm_pkg/one.py", "VALUE = 1")
        write(here / "nbm_pkg/two.py", "from .one import VALUE")
        note_loaded(files)
        assert value("nbm_pkg") == 1
        note_loaded(files)
        write(here / "nbm_pkg/one.py", "VALUE = 2")
        assert purge_changed_modules(files) == ["nbm_pkg", "nbm_pkg.one", "nbm_pkg.two"]
        assert value("nbm_pkg") == 2

    def test_strange_entries_are_left_alone(
        self, here: Path, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`sys.modules` may hold anything."""
        monkeypatch.setitem(sys.modules, "nbm_none", None)
        monkeypatch.setitem(sys.modules, "nbm_object", object())
        note_loaded(files)
        assert purge_changed_modules(files) == []

    def test_our_own_modules_stay(self, files: Files) -> None:
        """Nbflow never forgets itself, wherever it lies."""
        note_loaded(files)
        assert "nbflow.types" in sys.modules
        assert not [name for name in purge_changed_modules(files) if name.startswith("nbflow")]


class TestData:
    """Files that a module reads while it is imported."""

    READER = (
        "import json, pathlib\nVALUE = json.loads((pathlib.Path(__file__).parent / 'nbm.json').read_text())"
    )

    @pytest.fixture
    def data(self, here: Path, files: Files) -> Path:
        """A data file, read by `nbm_a`, on which `nbm_b` is built; both are loaded."""
        write(here / "nbm.json", "1")
        write(here / "nbm_a.py", self.READER)
        write(here / "nbm_b.py", "import importlib\nVALUE = importlib.import_module('nbm_a').VALUE")
        write(here / "nbm_free.py", "VALUE = 1")
        note_loaded(files)
        with files.watch():
            importlib.import_module("nbm_b")
            importlib.import_module("nbm_free")
            (here / "nbm_a.py").read_text()
        note_loaded(files)
        return here / "nbm.json"

    @pytest.mark.usefixtures("data")
    def test_belong_to_each_module_being_imported(self, here: Path, files: Files) -> None:
        """Also to one that names the reader in no import statement; what the body reads does not."""
        path = str(here / "nbm.json")
        assert (
            at_import(["nbm_a"], files).files
            == at_import(["nbm_b"], files).files
            == {path: files.digest(path)}
        )
        assert at_import(["nbm_free"], files).files == {}

    def test_a_change_purges_the_module(self, data: Path, files: Files) -> None:
        """And whoever is built on it; the next import reads the new content."""
        assert purge_changed_modules(files) == []
        write(data, "2")
        assert purge_changed_modules(files) == ["nbm_a", "nbm_b"]
        assert value("nbm_b") == 2
        assert at_import(["nbm_b"], files).files == {}

    def test_the_digest_is_the_same_before_and_after_the_import(self, data: Path, files: Files) -> None:
        """A later session knows a module by its source, long before it imports it."""
        loaded = module_digest("nbm_a", files)
        write(data, "2")
        assert "nbm_a" in purge_changed_modules(files)
        assert module_digest("nbm_a", files) == loaded

    def test_another_module_of_the_name_has_read_nothing(self, data: Path, files: Files) -> None:
        """Somebody took the reader away and imported another: what the first one read no longer counts."""
        del sys.modules["nbm_a"]
        write(data.parent / "nbm_a.py", "VALUE = 3")
        assert value("nbm_a") == 3
        note_loaded(files)
        assert at_import(["nbm_a"], files).files == {}

    def test_a_missed_file_counts_when_it_appears(self, here: Path, files: Files) -> None:
        """A module that falls back to a default would not do so again."""
        write(
            here / "nbm_a.py",
            "try:\n    VALUE = open(__file__ + '.txt').read()\nexcept OSError:\n    VALUE = ''",
        )
        note_loaded(files)
        with files.watch():
            importlib.import_module("nbm_a")
        note_loaded(files)
        assert at_import(["nbm_a"], files).files == {str(here / "nbm_a.py.txt"): UNBOUND}
        write(here / "nbm_a.py.txt", "1")
        assert purge_changed_modules(files) == ["nbm_a"]


class TestEditableInstalls:
    """Packages that are installed by a reference to the folder of their sources."""

    @pytest.mark.parametrize("by", ["path", "finder"])
    def test_an_edit_counts(self, here: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
        """Although their metadata lie among the installed packages, with a version that stays the same."""
        info = here / "site-packages" / "nbm_e-1.0.dist-info"
        source = here / "src" / "nbm_e" / "__init__.py"
        for path, text in (
            (info / "METADATA", "Metadata-Version: 2.1\nName: nbm_e\nVersion: 1.0\n"),
            (info / "top_level.txt", "nbm_e\n"),
            (source, "def f(): return 1\n"),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.syspath_prepend(str(info.parent))
        if by == "path":
            monkeypatch.syspath_prepend(str(source.parent.parent))
        else:

            class Finder:
                """As build tools install one."""

                @staticmethod
                def find_spec(name: str, path: object = None, target: object = None) -> object:
                    """Lead the name to the folder of its sources."""
                    at = spec_from_file_location(
                        name, source, submodule_search_locations=[str(source.parent)]
                    )
                    return at if name == "nbm_e" else None

            monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
        notebook = Notebook()
        task = notebook.add("import nbm_e\ny = nbm_e.f()")
        notebook.run(task)
        source.write_text("def f(): return 22\n")
        notebook.sweep.look_outside()
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["y"] == 22
