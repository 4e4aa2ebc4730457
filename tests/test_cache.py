"""`%flow cache` and `nbflow cache`: what is asked, and the answer in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nbflow.cache import Asked, perform, read_words, trust
from nbflow.cli import main
from nbflow.exceptions import OptionError, StoreError
from nbflow.store.disk import DiskStore
from nbflow.store.memory import MemoryStore
from nbflow.store.protocol import RunRecord
from nbflow.types import Output, Slot, Trace

if TYPE_CHECKING:
    from pathlib import Path

UNIT, OTHER = "ab" * 16, "cd" * 16


def fill(home: Path) -> None:
    """A store with results of two tasks, in two notebooks; one of them large."""
    store = DiskStore(home, namespace={"__name__": "__main__"})
    for unit, task, notebook, values in (
        (UNIT, "features", "a.ipynb", (np.arange(50_000),)),
        (OTHER, "names", "b.ipynb", ("small",)),
    ):
        output = Output(Slot("name", "y"), unit, unit, ("y",))
        trace = Trace(unit[:4], task, (), (output,), step="cell", notebook=notebook, seconds=12.0)
        store.history.begin(RunRecord(unit, notebook=notebook, step="cell", name=task, trace=trace.id))
        store.commit(unit, trace, {unit: values})
    store.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two notebooks and their store, in the hands of a user with a key."""
    monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "state"))
    made = tmp_path / "notebooks"
    made.mkdir()
    for name in ("a.ipynb", "b.ipynb"):
        (made / name).write_text("{}")
    fill(made / ".nbflow")
    return made


class Asking:
    """Runs `nbflow cache` and keeps what it says."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.code = -1

    def __call__(self, *words: object) -> str:
        """What it says, wherever it says it."""
        self.code = main(["cache", *map(str, words)])
        said = self._capsys.readouterr()
        return said.out + said.err


@pytest.fixture
def nbflow(capsys: pytest.CaptureFixture[str]) -> Asking:
    """The command line."""
    return Asking(capsys)


class TestWords:
    """What may stand behind it."""

    def test_in_any_order(self) -> None:
        """A task and an age."""
        expected = Asked("clear", "features", 3600.0, "nb")
        assert read_words(["clear", "features", "1h"], "nb") == expected
        assert read_words(["clear", "1h", "features"], "nb") == expected
        assert read_words([]) == Asked("size")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["sise"], "did you mean 'size'"),
            (["ls", "a", "b"], "one task"),
            (["clear", "1h", "2h"], "one age"),
            (["clear", "--older"], "--older needs an age"),
            (["clear", "--older", "1x"], "--older needs an age"),
            (["ls", "--older", "7d"], "only `cache clear` takes an age"),
        ],
    )
    def test_nonsense(self, words: list[str], said: str) -> None:
        """Is refused in a line."""
        with pytest.raises(OptionError, match=said.replace("one age", "one task and one age")):
            read_words(words)


class TestAnswers:
    """What is said."""

    def test_size(self, folder: Path, nbflow: Asking) -> None:
        """How much there is, how much there may be, and where."""
        said = nbflow("size", folder)
        assert re.fullmatch(r"1 large value, 4\d\d kB of at most [\d.]+ GB in \S+\.nbflow\n", said)
        assert nbflow("size", folder / ".nbflow") == nbflow("size", folder / "a.ipynb") == said

    def test_nothing_asked(self, folder: Path, nbflow: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is the same question, of the folder where one is."""
        monkeypatch.chdir(folder)
        assert nbflow() == nbflow("size", folder)

    def test_a_limit_that_was_set(
        self, folder: Path, nbflow: Asking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In the project, the environment, or by `%config`."""
        monkeypatch.setenv("NBFLOW_SIZE_LIMIT", "50 MB")
        assert "of at most 50 MB" in nbflow("size", folder)

    def test_ls(self, folder: Path, nbflow: Asking) -> None:
        """Each task with what it takes; of a notebook, or of all."""
        _, head, first, second = nbflow("ls", folder).splitlines()
        assert head.split() == ["task", "size", "results", "newest", "takes"]
        assert first.startswith("a.ipynb: features  40")
        assert first.endswith("12 s")
        assert second.startswith("b.ipynb: names")
        assert nbflow("ls", folder / "b.ipynb").splitlines()[2].startswith("names ")
        assert len(nbflow("ls", folder, "features").splitlines()) == 3

    def test_verify(self, folder: Path, nbflow: Asking) -> None:
        """What is damaged is named, and where it is now."""
        assert nbflow("verify", folder) == "1 large value and 4 records compared: none is damaged\n"
        (path,) = folder.glob(".nbflow/blobs/*/*")
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1])
        said = nbflow("verify", folder)
        assert f"1 damaged\n  value {UNIT}: truncated\nput aside in" in said
        assert "none is damaged" in nbflow("verify", folder)

    def test_gc(self, folder: Path, nbflow: Asking) -> None:
        """Nothing that a result refers to goes."""
        assert nbflow("gc", folder).startswith("0 large values that nothing refers to removed, 0 B freed")

    def test_clear(self, folder: Path, nbflow: Asking) -> None:
        """By task, by notebook, by age."""
        assert "0 results removed" in nbflow("clear", folder, "--older", "7d")
        assert "--older needs an age" in nbflow("clear", folder, "--older", "")
        assert nbflow("clear", folder, "features").startswith("1 result removed; 1 large value removed, 40")
        assert "1 result removed" in nbflow("clear", folder / "b.ipynb")
        assert nbflow("ls", folder).count("\n") == 1
        assert nbflow.code == 0

    def test_a_task_of_which_nothing_is_stored(self, folder: Path, nbflow: Asking) -> None:
        """Is no success."""
        assert "nothing is stored of a task 'feature'" in nbflow("clear", folder, "feature")
        assert nbflow.code == 2

    @pytest.mark.parametrize("place", ["nowhere", "nowhere.ipynb", "."])
    def test_a_place_without_a_store(self, tmp_path: Path, nbflow: Asking, place: str) -> None:
        """Is named, and no store is made there."""
        assert "nothing is stored for" in nbflow("ls", tmp_path / place)
        assert (nbflow.code, list(tmp_path.iterdir())) == (2, [])

    def test_a_store_in_memory(self) -> None:
        """Says why it is."""
        with pytest.raises(StoreError, match="in memory only; the disk"):
            perform(MemoryStore({}, notices=("the disk is full",)), Asked())


class TestTrust:
    """Signing what another key has signed."""

    def lose_key(self, folder: Path) -> None:
        """As after a move to another machine."""
        (folder.parent / "state" / "key").unlink()

    def test_after_asking(self, folder: Path) -> None:
        """Everything is used again, and nothing is left to ask about."""
        self.lose_key(folder)
        said: list[str] = []
        assert trust(folder, said.append, lambda question: "yes") == 0
        assert "3 entries" in said[0]
        assert "may run code" in said[1]
        store = DiskStore(folder / ".nbflow", namespace={"__name__": "__main__"})
        assert len(store.find(UNIT)) == 1
        assert np.array_equal(np.asarray(store.load(UNIT)[0]), np.arange(50_000))
        store.close()
        assert trust(folder, said.append, lambda question: "") == 0
        assert "signed with your key already" in said[-1]

    @pytest.mark.parametrize("answer", ["", "no", "y"])
    def test_not_without_a_yes(self, folder: Path, answer: str) -> None:
        """Nothing is signed, and the exit code says so."""
        self.lose_key(folder)
        said: list[str] = []
        assert trust(folder, said.append, lambda question: answer) == 1
        assert said[-1] == "nothing was signed"

    def test_where_nobody_can_be_asked(self, folder: Path, nbflow: Asking) -> None:
        """Only `--yes` does."""
        self.lose_key(folder)
        assert "nothing was signed" in nbflow("trust", folder)
        assert nbflow.code == 1
        assert "signed with your key now" in nbflow("trust", folder, "--yes")
        assert nbflow.code == 0

    def test_what_is_damaged_is_not_trusted(self, folder: Path, nbflow: Asking) -> None:
        """Nothing makes that trustworthy."""
        self.lose_key(folder)
        (path,) = folder.glob(".nbflow/blobs/*/*")
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        nbflow("trust", folder, "--yes")
        store = DiskStore(folder / ".nbflow", namespace={"__name__": "__main__"})
        assert not store.has(UNIT)
        assert len(store.find(UNIT)) == 1
        store.close()
