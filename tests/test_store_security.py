"""Stores that somebody else has prepared: nothing in them runs, is shown, or is believed."""

from __future__ import annotations

import os
import pickle
import sqlite3
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.states import Transition
from nbflow.store.disk import DiskStore
from nbflow.store.protocol import RunRecord
from nbflow.testing import Notebook
from nbflow.types import Snapshot
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

THEIRS, OURS = bytes([1]) * 32, bytes(32)
CELLS = (
    "small = [1, 2, 3]",
    "import numpy as np\nlarge = np.arange(100_000)",
    "text = 'x' * 100_000",
    "total = sum(small) + int(large[-1]) + len(text)",
)


class _Plant:
    """What pickling calls; a method would tell the store that the class says itself how it is made."""

    def __call__(self) -> tuple[object, ...]:
        """The code."""
        return exec, ("import tests.test_store_security as t; t.Planted.ran.append('here')",)


class Planted:
    """Runs code when it is unpickled."""

    ran: list[str] = []  # noqa: RUF012 - what the code leaves
    __reduce__: Any = _Plant()


@pytest.fixture(autouse=True)
def nothing_ran() -> Any:
    """No test here lets planted code run."""
    Planted.ran.clear()
    yield
    assert Planted.ran == []


def over(home: Path, key: bytes, prepare: Callable[[DiskStore], object] = lambda store: None) -> Notebook:
    """A notebook of the cells above over a store in a folder."""

    def opened(names: dict[str, object]) -> DiskStore:
        store = DiskStore(home, namespace=names, key=key)
        prepare(store)
        return store

    notebook = Notebook(store=opened)
    for source in CELLS:
        notebook.add(source)
    return notebook


def plant(store: DiskStore) -> None:
    """Let a store write planted code in the place of each value."""
    encode = store._formats.encode

    def planted(values: tuple[object, ...]) -> Any:
        return encode((Planted(), bytes(sys.getsizeof(values[0]))))

    store._formats.encode = planted  # type: ignore[method-assign]
    store._formats.over = lambda names: store._formats  # type: ignore[method-assign]


def right(notebook: Notebook) -> bool:
    """Whether the names hold what the cells make."""
    names: Any = notebook.names
    expected = ([1, 2, 3], 100_000, 100_000, 200_005)
    return (names["small"], len(names["large"]), len(names["text"]), names["total"]) == expected


def run(notebook: Notebook) -> list[str]:
    """Run all; which cells were executed."""
    return [cell for action in notebook.run_all() for cell in action.executed]


class TestStrangersStore:
    """A whole store of another user, with planted code in each of its places."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """The folder."""
        home = tmp_path / "s"
        notebook = over(home, THEIRS, plant)
        notebook.run_all()
        store: Any = notebook.workspace.store
        store.put("ef" * 16, ("an input",))
        store.history.snapshot(Snapshot(1, ("cell_1",), {}, {"cell_1": "trace"}, {"cell_1": "trace"}), "")
        store.history.begin(RunRecord("r", notebook="", number=1, step="cell_1", name="<script>x</script>"))
        store.history.append(Transition("r", 1, 1, 1.0, "RUNNING", "<script>x</script>"))
        store.close()
        with sqlite3.connect(home / "index" / "cache.db") as database:
            for raw, mode in ((0, 4), (1, 4), (1, 1)):
                key = pickle.dumps(Planted()) if raw == 0 else f"l:{mode}"
                columns = "INSERT INTO Cache (key, raw, mode, value, tag) VALUES (?, ?, ?, ?, 'tag')"
                database.execute(columns, (key, raw, mode, pickle.dumps(Planted())))
            database.execute("UPDATE Settings SET value = 0 WHERE key = 'disk_pickle_protocol'")
        database.close()
        for place in ("quarantine/value", "tmp/1-dead/half", "tmp/1-dead/a.units", "tmp/1-dead/owner"):
            (home / place).parent.mkdir(exist_ok=True)
            (home / place).write_bytes(pickle.dumps(Planted()))
        return home

    def test_everything_is_computed(self, home: Path) -> None:
        """Whoever uses such a store gets what a store that is empty would give, and a line that says why."""
        notebook = over(home, OURS)
        assert len(run(notebook)) == len(CELLS)
        assert right(notebook)
        (notice,) = notebook.workspace.store.notices
        assert "another key" in notice
        notebook.restart()
        assert run(notebook) == []
        assert right(notebook)

    def test_looking_after_it_runs_nothing(self, home: Path) -> None:
        """Listing, comparing, tidying, evicting and clearing."""
        store = DiskStore(home, namespace={"__name__": "__main__"}, key=OURS)
        upkeep = store.upkeep()
        assert upkeep.shelves() == []
        assert upkeep.verify().others > 5
        upkeep.collect(grace=0.0)
        upkeep.evict(0, grace=0.0)
        upkeep.clear()
        assert store.history.snapshots("") == ()
        store.close()

    def test_signing_it_by_trust_is_what_lets_it_run(self, home: Path) -> None:
        """Which is why that asks first; this shows that what is planted here would run."""
        store = DiskStore(home, namespace={"__name__": "__main__"}, key=OURS)
        unit = next(iter(store.sizes()))[0]
        assert not store.has(unit)
        store.trust()
        store.load(unit)
        assert Planted.ran == ["here"]
        Planted.ran.clear()
        store.close()


class TestOwnStore:
    """Our own store, in whose folder somebody else can move and replace things."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """The folder, filled by us."""
        notebook = over(tmp_path / "s", OURS)
        notebook.run_all()
        notebook.workspace.store.close()
        return tmp_path / "s"

    def again(self, home: Path) -> Notebook:
        """A later kernel's notebook, in which all cells have run."""
        notebook = over(home, OURS)
        for step in notebook.book:
            step.ran = step.body
        notebook.restart()
        run(notebook)
        return notebook

    def test_swapped_values(self, home: Path) -> None:
        """A value counts only under the name that it was signed for."""
        first, second = sorted(home.glob("blobs/*/*"))[:2]
        one, other = first.read_bytes(), second.read_bytes()
        for path, content in ((first, other), (second, one)):
            path.chmod(0o600)
            path.write_bytes(content)
        assert right(self.again(home))

    def test_swapped_records(self, home: Path) -> None:
        """A record counts only in the row that it was signed for."""
        with sqlite3.connect(home / "index" / "cache.db") as database:
            rows = database.execute("SELECT rowid, value FROM Cache ORDER BY rowid").fetchall()
            values = [value for _, value in rows]
            for (row, _), value in zip(rows, values[1:] + values[:1], strict=True):
                database.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (value, row))
        database.close()
        assert right(self.again(home))

    def test_a_value_with_the_head_of_another_key(self, home: Path) -> None:
        """Whatever of a file is ours, all of it is checked or nothing is used."""
        stranger = over(home.parent / "theirs", THEIRS, plant)
        stranger.run_all()
        stranger.workspace.store.close()
        for path in home.glob("blobs/*/*"):
            planted = (home.parent / "theirs" / path.relative_to(home)).read_bytes()
            good = path.read_bytes()
            path.chmod(0o600)
            for cut in (8, 56, 88, 200):
                path.write_bytes(good[:cut] + planted[cut:])
                notebook = self.again(home)
                assert right(notebook)
                notebook.workspace.store.close()
                path.chmod(0o600)

    def test_folders_of_others_are_left_alone(self, home: Path) -> None:
        """Links in the place of the store's folders lead nobody to remove what they point at."""
        outside = home.parent / "documents"
        outside.mkdir()
        (outside / "abcdefgh12").write_text("mine")
        (outside / "letter.txt").write_text("mine")
        os.symlink(outside, home / "blobs" / "ab")
        os.symlink(outside, home / "tmp" / "1-dead")
        (home / "quarantine").mkdir()
        os.symlink(outside, home / "quarantine" / "old")
        store = DiskStore(home, namespace={"__name__": "__main__"}, key=OURS, clock=lambda: 4e9)
        upkeep = store.upkeep()
        upkeep.verify(), upkeep.collect(grace=0.0), upkeep.evict(0, grace=0.0), upkeep.clear()
        store.close()
        assert sorted(path.name for path in outside.iterdir()) == ["abcdefgh12", "letter.txt"]


@pytest.mark.process
class TestScreen:
    """What is shown again was shown by us."""

    SHOW = (
        "#@task shown\nfrom IPython.display import HTML, display\nimport os\n"
        "display(HTML(f'<b>{os.getpid()}</b>'))\nn = 1"
    )

    def test_outputs_in_a_store_of_another_user(self, tmp_path: Path) -> None:
        """Are not shown: the cell runs and shows its own."""
        with Kernel(tmp_path) as kernel:
            kernel.set(load="%load_ext nbflow", shown=self.SHOW)
            kernel.run_all()
            theirs = kernel.value("str(__import__('os').getpid())")
            os.replace(tmp_path / "state" / "key", tmp_path / "state" / "lost")
            kernel.restart()
            kernel.run("load")
            shown = kernel.run("shown")
            pages = " ".join(str(bundle.get("data", bundle).get("text/html", "")) for bundle in shown.bundles)
        assert f"<b>{theirs.strip(chr(39))}</b>" not in pages
        assert "<b>" in pages
        assert "reused" not in shown.text
