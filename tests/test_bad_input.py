"""Bad input and bad stores: what happened, to what, what to do next; and nothing else is disturbed."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.exceptions import CellSyntaxError, OptionError, UnknownTaskError
from nbflow.retries import Retries, parse_delays, parse_duration
from nbflow.store import blobs
from nbflow.store.disk import DiskStore, open_store
from nbflow.store.index import Index
from nbflow.store.memory import MemoryStore
from nbflow.testing import Notebook, executed
from nbflow.types import Cause
from tests.cells import causes, change, opened, root_cause, values, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestNames:
    """Names that nobody knows."""

    def test_an_unknown_task(self) -> None:
        """The message lists the tasks there are, and nothing has run."""
        notebook, _ = opened("k = 1", "a = k", "b = a", plain=(0,))
        with pytest.raises(UnknownTaskError, match=r"no task 'fatures'.*cell_2, cell_3") as caught:
            notebook.flow("fatures")
        assert "cell_1" not in str(caught.value)
        assert notebook.log == []

    def test_an_unknown_task_of_an_empty_notebook(self) -> None:
        """Says that there are none."""
        with pytest.raises(UnknownTaskError, match="none yet"):
            Notebook().flow("features")

    def test_one_unknown_among_known_ones(self) -> None:
        """Runs none of them."""
        notebook, cells = opened("a = 1", "b = a")
        notebook.edit(cells[0], "a = 2")
        with pytest.raises(UnknownTaskError):
            notebook.flow("cell_1", "nobody")
        assert notebook.log == []


class TestSyntax:
    """Cells that are not Python."""

    @pytest.mark.parametrize("source", ["a = = 2", "def f(:", "x = (", "return 1 2", "\x00", "if True:"])
    def test_the_old_body_stays(self, source: str) -> None:
        """And the notebook goes on with it."""
        notebook, cells = opened("a = 1", "b = a")
        with pytest.raises(CellSyntaxError, match="not Python"):
            notebook.edit(cells[0], source)
        assert notebook.step(cells[0]).body.source == "a = 1"
        assert notebook.flow().executed == []
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_no_step_is_made_of_it(self) -> None:
        """The book has no ghost."""
        notebook, cells = opened("a = 1")
        with pytest.raises(CellSyntaxError, match="line 2"):
            notebook.add("b = 1\nc = (")
        assert notebook.book.order == tuple(cells)

    @pytest.mark.parametrize("source", ["", "   ", "# only a comment", "\n\n"])
    def test_an_empty_cell_is_fine(self, source: str) -> None:
        """It reads nothing and writes nothing."""
        notebook, cells = opened("a = 1", source, "b = a")
        assert verdicts(notebook) == ["fresh"] * 3
        assert change(notebook, cells[1], source + "\n#").executed == []


class TestUnbound:
    """Names without a value."""

    def test_a_name_that_nobody_defines(self) -> None:
        """The reader fails with Python's own error, its readers wait for it, the rest goes on."""
        notebook, cells = opened("y = nothing + 1", "z = 1", "w = y")
        assert verdicts(notebook) == ["stale", "fresh", "stale"]
        text = "NameError: name 'nothing' is not defined"
        assert notebook.judgement(cells[0]).causes == (Cause("failed", cells[0], after=text),)
        assert root_cause(notebook, cells[2]).after == text
        assert isinstance(notebook.flow().errors[cells[0]], NameError)
        assert values(notebook, "z") == [1]

    def test_it_is_defined_later_in_the_session(self) -> None:
        """By a cell put above it."""
        notebook, cells = opened("y = nothing + 1")
        notebook.add("nothing = 1", at=0)
        notebook.run("cell_2")
        assert notebook.flow().executed == cells
        assert notebook.names["y"] == 2

    def test_a_name_defined_only_below(self) -> None:
        """The reader waits, and the cause says where."""
        notebook, cells = opened("b = a + 1", "a = 1")
        assert verdicts(notebook) == ["waits", "fresh"]
        assert causes(notebook, cells[0])[0] == ("order", "a")
        assert "b" not in notebook.names

    def test_two_cells_that_need_each_other(self) -> None:
        """Both wait, and nothing hangs."""
        notebook, cells = opened("a = b + 1", "b = a + 1")
        assert verdicts(notebook) == ["waits", "waits"]
        assert causes(notebook, cells[0])[0] == ("order", "b")
        assert root_cause(notebook, cells[1]).category == "order"
        assert len(notebook.flow().executed) <= 1
        notebook.add("b = 0", at=0)
        notebook.run("cell_3")
        assert notebook.flow().executed == cells
        assert values(notebook, "a", "b") == [1, 2]

    def test_a_cell_that_reads_its_own_output(self) -> None:
        """Without a writer before it there is nothing to start from; with its leftovers neither."""
        notebook, cells = opened("a = a + 1")
        assert verdicts(notebook) == ["stale"]
        notebook.names["a"] = 5
        notebook.flow()
        assert verdicts(notebook) == ["stale"]
        assert notebook.step(cells[0]).failure.startswith("NameError")


class TestOptions:
    """Settings that make no sense are refused when they are made."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Retries(limit=-1),
            lambda: Retries(jitter=-0.5),
            lambda: Retries(crashes=-2),
            lambda: Retries(retry_on=("OSError",)),  # type: ignore[arg-type]
            lambda: Retries(retry_on=(int,)),  # type: ignore[arg-type]
            lambda: parse_duration("soon"),
            lambda: parse_duration(-1),
            lambda: parse_delays("1,later", 2),
        ],
    )
    def test_retries_that_make_no_sense(self, make: Callable[[], object]) -> None:
        """The message shows what was given."""
        with pytest.raises(OptionError):
            make()

    @pytest.mark.parametrize("what", ["trigger", "cache policy"])
    def test_an_unknown_rule(self, what: str) -> None:
        """The message names what is known."""
        error = OptionError.unknown(what, "all_sucessful", ["all_successful", "all_failed"])
        assert isinstance(error, ValueError)
        assert "all_sucessful" in str(error)
        assert "all_successful" in str(error)


class TestBodies:
    """Bodies that do what no body should."""

    @pytest.mark.parametrize(
        "error",
        ["SystemExit(3)", "GeneratorExit()", "RecursionError('deep')", "MemoryError()", "BaseException('x')"],
    )
    def test_whatever_it_raises_is_its_own_failure(self, error: str) -> None:
        """The notebook lives on."""
        notebook, cells = opened("a = 1", f"b = a\nraise {error}", "c = a")
        assert verdicts(notebook) == ["fresh", "stale", "fresh"]
        assert notebook.step(cells[1]).trace is None
        assert change(notebook, cells[1], "b = a").executed == [cells[1]]

    def test_a_value_whose_methods_raise(self) -> None:
        """Nothing of the user's code is called to show, compare or digest it."""
        angry = (
            "class Angry:\n    def __getattr__(self, name): raise ValueError(name)\n"
            "    __eq__ = __hash__ = __repr__ = __len__ = __bool__ = lambda *a: 1 / 0"
        )
        notebook, cells = opened(angry, "a = Angry()", "b = [a]", "c = 1", plain=(0,))
        assert notebook.flow().errors == {}
        assert change(notebook, cells[3], "c = 2").executed == [cells[3]]

    def test_a_body_that_deletes_everything(self) -> None:
        """Its own names come back where they are needed."""
        notebook, cells = opened("a = 1", "b = a", "for name in list(globals()):\n    del globals()[name]")
        assert change(notebook, cells[1], "b = a + 1").executed == [cells[1]]
        assert notebook.names["b"] == 2


class TestStores:
    """Stores that fail: the flow runs, its results are right, the user is told once."""

    SOURCES = ("a = list(range(20_000))", "b = [x + 1 for x in a]", "c = sum(b)")
    RIGHT = sum(range(1, 20_001))

    @pytest.fixture(autouse=True)
    def user(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A user with a state folder, where the key is."""
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "state"))

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        """A place for a store."""
        return tmp_path / "nb" / ".nbflow"

    def notebook(self, home: Path) -> Notebook:
        """A notebook on the store of a folder, whatever state that is in."""
        return Notebook(store=lambda names: open_store(home, namespace=names))

    def filled(self, home: Path) -> None:
        """Leave a store with the results of the notebook."""
        notebook, _ = opened(*self.SOURCES, notebook=self.notebook(home))
        assert notebook.workspace.store.notices == []
        notebook.workspace.store.close()

    def check(self, notebook: Notebook, words: str) -> None:
        """Run the flow on a store that fails: right, incremental, and told once."""
        _, cells = opened(*self.SOURCES, notebook=notebook)
        assert verdicts(notebook) == ["fresh"] * 3
        assert notebook.names["c"] == self.RIGHT
        assert change(notebook, cells[2], "c = sum(b) + 0").executed == [cells[2]]
        assert change(notebook, cells[2], "c = sum(b)").executed == []
        assert change(notebook, cells[0], "a = list(range(10))").executed == [cells[0]]
        assert notebook.flow().executed == cells[1:]
        assert notebook.names["c"] == sum(range(1, 11))
        (notice,) = notebook.workspace.store.notices
        assert words in notice
        notebook.workspace.store.close()

    def test_a_disk_that_is_full(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Results stay in memory."""
        notebook = self.notebook(home)

        def no_space(*arguments: object, **options: object) -> Any:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def full(*arguments: object, **options: object) -> Any:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(blobs.Blobs, "write", no_space)
        monkeypatch.setattr(Index, "transact", full)
        self.check(notebook, "full")

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        """A file stands where the store would be."""
        (tmp_path / "file").write_text("")
        self.check(self.notebook(tmp_path / "file" / ".nbflow"), "results are kept in memory only")

    def test_a_store_that_cannot_be_written(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was stored before is used; what is new stays in memory."""
        self.filled(home)

        def refuse(*arguments: object, **options: object) -> Any:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        def readonly(*arguments: object, **options: object) -> Any:
            raise sqlite3.OperationalError("attempt to write a readonly database")

        notebook = self.notebook(home)
        monkeypatch.setattr(blobs.Blobs, "write", refuse)
        monkeypatch.setattr(Index, "transact", readonly)
        self.check(notebook, "read-only")
        assert notebook.log[:1] == ["cell_3"]

    def test_an_index_that_is_damaged(self, home: Path) -> None:
        """It starts anew, and the old one is kept aside."""
        self.filled(home)
        for path in (home / "index").iterdir():
            path.write_bytes(b"not a database " * 100)
        self.check(self.notebook(home), "damaged")
        assert list((home / "quarantine").iterdir()) != []

    def test_an_index_that_is_damaged_while_it_is_open(self, home: Path) -> None:
        """Nothing that was computed is lost for this kernel."""
        notebook, cells = opened(*self.SOURCES, notebook=self.notebook(home))
        for path in (home / "index").iterdir():
            path.write_bytes(b"not a database " * 100)
        assert notebook.flow().executed == []
        assert change(notebook, cells[2], "c = -sum(b)").executed == [cells[2]]
        assert notebook.names["c"] == -self.RIGHT
        assert verdicts(notebook) == ["fresh"] * 3
        notebook.workspace.store.close()

    def test_values_that_are_damaged(self, home: Path) -> None:
        """They are computed again, never used."""
        self.filled(home)
        for path in (home / "blobs").rglob("*"):
            if path.is_file():
                path.chmod(0o600)
                path.write_bytes(path.read_bytes()[:-50] + b"x" * 50)
        notebook = self.notebook(home)
        _, cells = opened(*self.SOURCES, notebook=notebook)
        change(notebook, cells[2], "c = sum(b) - 1")
        assert notebook.names["c"] == self.RIGHT - 1
        assert [len(values(notebook, name)[0]) for name in "ab"] == [20_000, 20_000]
        notebook.workspace.store.close()

    def test_a_store_of_a_newer_nbflow(self, home: Path) -> None:
        """It is left as it is."""
        self.filled(home)
        (home / "format").write_text("nbflow store 99\n")
        before = sorted(path.name for path in home.rglob("*"))
        notebook = self.notebook(home)
        assert isinstance(notebook.workspace.store, MemoryStore)
        self.check(notebook, "newer")
        assert sorted(path.name for path in home.rglob("*")) == before

    def test_a_store_of_somebody_else(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without its key nothing of it is used: everything runs, and the way to trust it is told."""
        self.filled(home)
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "another user"))
        notebook = self.notebook(home)
        opened(*self.SOURCES, notebook=notebook)
        assert notebook.names["c"] == self.RIGHT
        assert verdicts(notebook) == ["fresh"] * 3
        (notice,) = notebook.workspace.store.notices
        assert "nbflow cache trust" in notice
        notebook.workspace.store.close()
        again = self.notebook(home)
        assert executed([again.run(again.add(source)) for source in self.SOURCES]) == []
        again.workspace.store.close()

    def test_a_folder_with_other_things(self, home: Path) -> None:
        """Nothing in it is touched."""
        home.mkdir(parents=True)
        (home / "thesis.tex").write_text("x")
        self.check(self.notebook(home), "holds other things")
        assert [path.name for path in home.iterdir()] == ["thesis.tex"]

    def test_a_history_that_is_damaged(self, home: Path) -> None:
        """Results are reused all the same."""
        self.filled(home)
        for path in home.glob("history.db*"):
            path.write_bytes(b"not a database " * 100)
        notebook = self.notebook(home)
        opened(*self.SOURCES, notebook=notebook)
        assert notebook.names["c"] == self.RIGHT
        assert verdicts(notebook) == ["fresh"] * 3
        assert isinstance(notebook.workspace.store, DiskStore)
        assert len(notebook.workspace.store.notices) == 1
        notebook.workspace.store.close()
