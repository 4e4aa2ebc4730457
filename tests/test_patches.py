"""Attributes of modules and classes of others, as the notebook changes them."""

from __future__ import annotations

import json
import sys
import time
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from nbflow.analysis.patches import patched_in
from nbflow.engine.patches import Watch, patch_of
from nbflow.engine.stateful import unset_all
from nbflow.store.disk import DiskStore
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME = "df = pd.DataFrame({'a': [1, 2, 3]})"
CLEAN = "pd.DataFrame.clean = lambda df: df + 1"
USES = "y = int(df.clean().a.sum())"


@pytest.fixture(autouse=True)
def as_they_were() -> Iterator[None]:
    """What a test changes of the libraries is not changed in the next."""
    yield
    unset_all()


@pytest.fixture
def notebook() -> Notebook:
    """One that has imported what is changed."""
    opened = Notebook()
    opened.run(opened.add("import json, math, time\nimport numpy as np\nimport pandas as pd", plain=True))
    return opened


def changed(notebook: Notebook, cell: str, source: str) -> None:
    """Edit a cell and run it."""
    notebook.edit(cell, source)
    notebook.run(cell)


class TestText:
    """What a source may change, by its text."""

    @pytest.mark.parametrize(
        ("source", "attribute"),
        [
            ("import pandas as pd\npd.DataFrame.clean = f", ((":pandas", "DataFrame"), "clean")),
            ("from pandas import DataFrame as D\nD.clean = f", ((":pandas", "DataFrame"), "clean")),
            ("import os.path\nos.path.join = f", ((":os", "path"), "join")),
            ("pd.DataFrame.clean = f", (("pd", "DataFrame"), "clean")),
            ("del pd.DataFrame.head", (("pd", "DataFrame"), "head")),
            ("pd.DataFrame.n += 1", (("pd", "DataFrame"), "n")),
            ("def f():\n    time.sleep = print", (("time",), "sleep")),
            ("@register_dataframe_accessor('geo')\nclass G: pass", ((":pandas", "DataFrame"), "geo")),
            ("with patch('json.dumps', f):\n    pass", ((":json",), "dumps")),
        ],
    )
    def test_it_says_whose(self, source: str, attribute: object) -> None:
        """The owner, by what the source imports or by the name that it uses, and the attribute."""
        assert attribute in patched_in(source).attributes

    @pytest.mark.parametrize(
        ("source", "name"),
        [
            ("for cls in (pd.DataFrame, pd.Series):\n    cls.twice = f", "twice"),
            ("setattr(pd.DataFrame, 'twice', f)", "twice"),
            ("cls = pd.DataFrame\ncls.twice = f", "twice"),
            ("def give(cls):\n    cls.twice = f\ngive(pd.DataFrame)", "twice"),
            ("vars(pd)['twice'] = f", "twice"),
            ("for name, f in dict(twice=g).items():\n    setattr(pd.DataFrame, name, f)", "twice"),
        ],
    )
    def test_it_does_not_say_whose(self, source: str, name: str) -> None:
        """Then each module and class may be meant that it names."""
        found = patched_in(source)
        assert name in found.names
        assert found.owners & {("pd",), ("pd", "DataFrame")}

    @pytest.mark.parametrize(
        "source",
        [
            "class A:\n    def __init__(self):\n        self.x = 1",
            "y = df.clean()",
            "x = 1",
            "def broken(:",
            "",
        ],
    )
    def test_it_changes_nothing(self, source: str) -> None:
        """What methods set of their own object is nobody else's."""
        assert not patched_in(source)


PATCHES = [
    (
        f"def clean(df):\n    return df + LATE\n{CLEAN.replace('lambda df: df + 1', 'clean')}",
        "LATE",
        "2",
        USES,
    ),
    (CLEAN, "+ 1", "+ 2", USES),
    ("setattr(pd.DataFrame, 'clean', lambda df: df + 1)", "+ 1", "+ 2", USES),
    ("for cls in (pd.DataFrame, pd.Series):\n    cls.clean = lambda x: x + 1", "+ 1", "+ 2", USES),
    ("pd.DataFrame.total = property(lambda df: df.a.sum() + 1)", "+ 1", "+ 2", "y = int(df.total)"),
    (
        "@pd.api.extensions.register_dataframe_accessor('geo')\nclass Geo:\n"
        "    def __init__(self, df):\n        self.df = df\n"
        "    def total(self):\n        return int(self.df.a.sum()) + 1",
        "+ 1",
        "+ 2",
        "y = df.geo.total()",
    ),
    ("math.pi = 3.0", "3.0", "4.0", "y = math.pi"),
    ("old = json.dumps\njson.dumps = lambda o: old(o) + '1'", "'1'", "'2'", "y = json.dumps({})"),
    ("def fake():\n    return 1\nnp.bool8 = fake", "1", "2", "y = np.bool8()"),
    ("import builtins\nbuiltins.helper = lambda: 1", ": 1", ": 2", "y = helper()"),
    ("import builtins\nbuiltins.sum = lambda x: 1", ": 1", ": 2", "y = sum([3])"),
    (
        "from unittest.mock import patch\npatch('json.dumps', lambda o: 'a').start()",
        "'a'",
        "'b'",
        "y = json.dumps({})",
    ),
    ("np.SIZES = (1, 2)", "(1, 2)", "(1, 3)", "y = np.SIZES[1]"),
    ("class Config:\n    size = 1\nnp.Config = Config", "size = 1", "size = 2", "y = np.Config.size"),
]


class TestReaders:
    """Who finds an attribute hangs on who has changed it."""

    @pytest.mark.parametrize(("source", "old", "new", "uses"), PATCHES)
    def test_an_edit(self, notebook: Notebook, source: str, old: str, new: str, uses: str) -> None:
        """An unchanged run is a hit, however often; an edit is stale, with its cause; going back is a hit."""
        notebook.add("LATE = 1", plain=True)
        cell = notebook.add(source, plain=True)
        notebook.add(FRAME)
        task = notebook.add(uses)
        notebook.run_all()
        first = notebook.names["y"]
        notebook.run_all()
        notebook.run_all()
        assert notebook.log.count(task) == 1
        changed(notebook, cell, source.replace(old, new))
        assert notebook.verdict(task).value == "stale"
        cause = notebook.why(task)[0]
        assert cause.category in ("settings", "code")
        assert cause.origin == cell
        notebook.flow()
        assert notebook.names["y"] != first
        changed(notebook, cell, source)
        assert notebook.flow().executed == []
        assert notebook.names["y"] == first

    def test_what_a_method_reads(self, notebook: Notebook) -> None:
        """Its globals are read by who finds it."""
        late = notebook.add("LATE = 1", plain=True)
        notebook.add(CLEAN.replace("1", "LATE"), plain=True)
        notebook.add(FRAME)
        task = notebook.add(USES)
        notebook.run_all()
        changed(notebook, late, "LATE = 5")
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["y"] == 21

    def test_who_does_not_name_it(self, notebook: Notebook) -> None:
        """What was not there before is found by those alone who name it, or call code that does."""
        cell = notebook.add(CLEAN, plain=True)
        notebook.add("def helper(df):\n    return df.clean()", plain=True)
        notebook.add(FRAME)
        other = notebook.add("z = df.sum()")
        through = notebook.add("y = int(helper(df).a.sum())")
        notebook.run_all()
        changed(notebook, cell, CLEAN.replace("1", "2"))
        assert [notebook.verdict(each).value for each in (other, through)] == ["fresh", "stale"]

    def test_the_first_one(self, notebook: Notebook) -> None:
        """Whoever found the library's own before finds another one now."""
        notebook.add(FRAME)
        cell = notebook.add("n = 1", plain=True)
        task = notebook.add("y = len(df.head(2))")
        notebook.run_all()
        changed(notebook, cell, "pd.DataFrame.head = lambda df, n: df")
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["y"] == 3

    def test_the_place_counts(self, notebook: Notebook) -> None:
        """What stands above does not find it, and it is still there for plain cells afterwards."""
        above = notebook.add("n = hasattr(pd.DataFrame, 'clean')")
        notebook.add(CLEAN, plain=True)
        live = notebook.add("live = hasattr(pd.DataFrame, 'clean')", plain=True)
        notebook.run_all()
        notebook.edit(above, "n = [hasattr(pd.DataFrame, 'clean')]")
        notebook.run(above)
        notebook.run(live)
        assert (notebook.names["n"], notebook.names["live"]) == ([False], True)

    def test_it_is_taken_away(self, notebook: Notebook) -> None:
        """A cell that says it no more leaves nothing of it to tasks."""
        cell = notebook.add(CLEAN, plain=True)
        task = notebook.add("y = hasattr(pd.DataFrame, 'clean')")
        notebook.run_all()
        changed(notebook, cell, "pass")
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["y"] is False

    @pytest.mark.parametrize(
        "source",
        [
            CLEAN,
            "def clean(df):\n    return df + 1\npd.DataFrame.clean = clean",
            "pd.DataFrame.head = lambda df, n=1: df",
            "pd.DataFrame.total = property(lambda df: 1)",
            "if not hasattr(pd, 'nbt'):\n    pd.nbt = 5",
        ],
    )
    def test_its_cell_runs_again(self, notebook: Notebook, source: str) -> None:
        """Nothing is stale."""
        notebook.add("made = []", plain=True)
        cell = notebook.add(source, plain=True)
        notebook.add(FRAME)
        task = notebook.add(
            "y = (hasattr(pd, 'nbt'), len(df.head()), hasattr(df, 'clean'), hasattr(df, 'total'))"
        )
        notebook.run_all()
        for _ in range(3):
            notebook.run(cell)
            assert [notebook.verdict(each).value for each in (cell, task)] == ["fresh", "fresh"]
        assert notebook.log.count(task) == 1

    @pytest.mark.parametrize("edited", [f"# {CLEAN}", f"if False:\n    {CLEAN}", "'clean'"])
    def test_a_line_that_says_it_and_does_not_run(self, notebook: Notebook, edited: str) -> None:
        """What the cell does not do any more is not done, whatever its text names."""
        cell = notebook.add(CLEAN, plain=True)
        task = notebook.add("y = hasattr(pd.DataFrame, 'clean')")
        notebook.run_all()
        changed(notebook, cell, edited)
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["y"] is False

    def test_a_cell_that_adds_to_what_was_there(self, notebook: Notebook) -> None:
        """It starts from what stands above it, however often it runs."""
        cell = notebook.add("old = json.dumps\njson.dumps = lambda o: old(o) + '!'", plain=True)
        look = notebook.add("text = json.dumps([])", plain=True)
        for _ in range(3):
            notebook.run(cell)
        notebook.run(look)
        assert notebook.names["text"] == "[]!"

    def test_a_task_that_changes_them(self, notebook: Notebook, tmp_path: Path) -> None:
        """What it has changed is so where its result is reused, in a new kernel as well."""
        kept = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names), clock=time.time)
        kept.add("import pandas as pd", plain=True)
        maker = kept.add(f"def clean(df):\n    return df + 1\n{CLEAN.replace('lambda df: df + 1', 'clean')}")
        kept.add(FRAME)
        task = kept.add(USES)
        kept.run_all()
        kept.restart()
        kept.run_all()
        assert (kept.log.count(maker), kept.log.count(task)) == (1, 1)
        changed(kept, task, f"{USES} + 100")
        assert kept.names["y"] == 109

    def test_a_new_kernel(self, tmp_path: Path) -> None:
        """Run All reuses what was found; so does one cell alone, which may not start the plain one."""
        kept = Notebook(store=lambda names: DiskStore(tmp_path, namespace=names), clock=time.time)
        kept.add("import pandas as pd", plain=True)
        kept.add(CLEAN, plain=True)
        kept.add(FRAME)
        task = kept.add(USES)
        kept.run_all()
        kept.restart()
        kept.run_all()
        assert (kept.log.count(task), kept.verdict(task).value) == (1, "fresh")
        kept.restart()
        kept.run(task)
        assert (kept.log.count(task), kept.names["y"]) == (1, 9)


class TestImports:
    """What modules change when they are imported."""

    @pytest.fixture
    def module(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """One of the user's own."""
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        path = tmp_path / "nbflow_own_patches.py"
        path.write_text(f"import pandas as pd\n{CLEAN}\n")
        yield path
        sys.modules.pop(path.stem, None)

    @pytest.mark.parametrize("plain", [True, False])
    def test_it_is_imported_again(self, notebook: Notebook, module: Path, plain: bool) -> None:
        """An import that does nothing leaves what the first one has changed."""
        cell = notebook.add(f"import {module.stem}\nn = 1", plain=plain)
        notebook.add(FRAME)
        task = notebook.add(USES)
        notebook.run_all()
        notebook.run_all()
        assert (notebook.log.count(task), notebook.names["y"]) == (1, 9)
        changed(notebook, cell, f"import {module.stem}\nn = 2")
        changed(notebook, task, f"{USES} + 100")
        assert notebook.names["y"] == 109

    def test_its_file_changes(self, notebook: Notebook, module: Path) -> None:
        """Then it is loaded anew, and who finds what it has changed runs again."""
        notebook.add(f"import {module.stem}", plain=True)
        notebook.add(FRAME)
        task = notebook.add(USES)
        notebook.run_all()
        module.write_text(f"import pandas as pd\n{CLEAN.replace('1', '2')}\n")
        assert notebook.verdict(task).value != "fresh"
        notebook.run_all()
        assert (notebook.names["y"], notebook.verdict(task).value) == (12, "fresh")

    def test_one_cell_imports_and_changes(self) -> None:
        """What stood there before is known though the module was not loaded when the cell began."""
        name = "colorsys"
        known = sys.modules.pop(name, None)
        finders = list(sys.meta_path)
        try:
            notebook = Notebook()
            cell = notebook.add(f"import {name}\n{name}.ONE_THIRD = 5", plain=True)
            task = notebook.add(f"import {name}\ny = {name}.ONE_THIRD")
            notebook.run_all()
            changed(notebook, cell, f"import {name}\n{name}.ONE_THIRD = 6")
            assert notebook.verdict(task).value == "stale"
            changed(notebook, cell, f"import {name}")
            notebook.flow()
            assert notebook.names["y"] == pytest.approx(1 / 3)
            assert sys.meta_path == finders
            assert "exec_module" not in vars(sys.modules[name].__loader__)
        finally:
            unset_all()
            sys.modules.pop(name, None)
            if known is not None:
                sys.modules[name] = known

    def test_one_that_does_not_say_its_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The cell runs as it would by itself."""
        odd = ModuleType("nbflow_own_odd")
        odd.__dict__["__name__"] = None
        monkeypatch.setitem(sys.modules, "nbflow_own_odd", odd)
        notebook = Notebook()
        cell = notebook.add("import nbflow_own_odd\nodd = nbflow_own_odd\nodd.x = 1\nn = 1", plain=True)
        action = notebook.run(cell)
        assert (action.errors, action.refused) == ({}, {})

    def test_one_that_cannot_be_imported(self) -> None:
        """The cell fails as it would by itself."""
        notebook = Notebook()
        cell = notebook.add("import no_such_nbflow_module\nno_such_nbflow_module.x = 1", plain=True)
        assert isinstance(notebook.run(cell).errors[cell], ModuleNotFoundError)


class TestWatch:
    """What is looked at before a body runs."""

    def test_what_is_not_followed(self) -> None:
        """Streams of consoles, submodules, the notebook's own classes, objects, and what loads when asked."""

        class Late:
            @property
            def __class__(self) -> Any:
                raise RuntimeError("loaded")

        own = type("Own", (), {"__module__": "__main__"})
        names = {"sys": sys, "Own": own, "o": own(), "late": Late(), "json": json}
        source = "sys.stdout = 1\nOwn.x = 1\no.x = 1\nlate.x = 1\nlate.y.z = 1\njson.no.way = 1"
        watch = Watch(patched_in(source), names)
        own.x = 1
        assert list(watch.changed()) == []

    def test_its_key(self) -> None:
        """A key tells another kernel what is meant, and whether all find it."""
        watch = Watch(patched_in("pd.DataFrame.n = 1\npd.DataFrame.head = 1"), {"pd": pd})
        head = pd.DataFrame.head
        try:
            pd.DataFrame.n = pd.DataFrame.head = 1  # type: ignore[method-assign]
            found = {patch.attribute: patch for patch in watch.changed()}
        finally:
            pd.DataFrame.head = head  # type: ignore[method-assign]
            del pd.DataFrame.n
        assert {name: patch.is_new for name, patch in found.items()} == {"n": True, "head": False}
        again = patch_of("pandas.DataFrame.n (new)")
        assert again is not None
        assert again.key == found["n"].key
