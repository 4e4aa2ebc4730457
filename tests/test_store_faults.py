"""Disks that are full, folders that are read-only, files that are broken, keys that are lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from nbflow.exceptions import StoreError
from nbflow.store import blobs, traces
from nbflow.store.disk import DiskStore, open_store
from nbflow.store.index import Index
from nbflow.store.memory import MemoryStore
from nbflow.store.protocol import EVICTED, Missing
from nbflow.store.signing import OTHER_KEY
from nbflow.types import Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from pathlib import Path

UNIT, SMALL = "ab" * 16, "cd" * 16
LARGE = (np.arange(50_000),)


def trace_of(name: str = "t", *units: str) -> Trace:
    """A trace with these outputs."""
    outputs = tuple(Output(Slot("name", f"y{unit[:2]}"), unit, unit) for unit in units)
    return Trace(name, "static", (Entry(Looked(Slot("name", "raw")), "d"),), outputs)


class Kernels:
    """Opens stores over one folder, with the user's key, and closes them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.opened: list[Any] = []

    def open(self, **options: Any) -> Any:
        """A kernel's store, however it may turn out."""
        self.opened.append(open_store(self.home, namespace={"__name__": "__main__"}, **options))
        return self.opened[-1]

    def strict(self) -> DiskStore:
        """A kernel's store, on disk or an error."""
        self.opened.append(DiskStore(self.home, namespace={"__name__": "__main__"}))
        return self.opened[-1]


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A user with a state folder and a place for a store."""
    monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "state"))
    made = Kernels(tmp_path / "nb" / ".nbflow")
    yield made
    for store in made.opened:
        store.close()


def no_space(*args: object, **options: object) -> Any:
    """What a full disk says."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_database(*args: object, **options: object) -> Any:
    """What SQLite says on a full disk."""
    raise sqlite3.OperationalError("database or disk is full")


class TestFolder:
    """The folder itself."""

    def test_it_is_private_and_ignores_itself(self, kernels: Kernels) -> None:
        """Nothing of it gets into the user's repository."""
        kernels.open()
        assert kernels.home.stat().st_mode & 0o777 == 0o700
        assert (kernels.home / "index").stat().st_mode & 0o777 == 0o700
        assert (kernels.home / ".gitignore").read_text() == "*\n"

    def test_a_folder_with_other_things_is_refused(self, kernels: Kernels) -> None:
        """Nothing is written into the user's data."""
        kernels.home.mkdir(parents=True)
        (kernels.home / "data.csv").write_text("a,b")
        store = kernels.open()
        assert isinstance(store, MemoryStore)
        assert "data.csv" in store.notices[0]
        assert [path.name for path in kernels.home.iterdir()] == ["data.csv"]

    def test_a_newer_format_is_left_alone(self, kernels: Kernels) -> None:
        """An older nbflow does not touch what it does not know."""
        kernels.open().close()
        (kernels.home / "format").write_text("nbflow store 2\n")
        with pytest.raises(StoreError) as error:
            kernels.strict()
        assert error.value.reason == "newer"
        (notice,) = kernels.open().notices
        assert "update nbflow" in notice

    def test_a_strange_marker_is_left_alone(self, kernels: Kernels) -> None:
        """It is not ours."""
        kernels.open().close()
        (kernels.home / "format").write_bytes(b"\xff\xfe")
        assert isinstance(kernels.open(), MemoryStore)

    def test_a_place_that_cannot_be_a_folder(self, kernels: Kernels) -> None:
        """One notice, and results are kept in memory."""
        kernels.home.parent.mkdir()
        kernels.home.write_text("a file")
        store = kernels.open()
        assert store.commit("key", trace_of("t", UNIT), {UNIT: LARGE}).stored == {UNIT}
        assert len(store.notices) == 1
        assert np.array_equal(store.load(UNIT)[0], LARGE[0])

    @pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
    def test_a_read_only_place(self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        """One notice, and results are kept in memory."""

        def refuse(*args: object, **options: object) -> Any:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.mkdir", refuse)
            store = kernels.open(key=bytes(32))
        assert isinstance(store, MemoryStore)
        assert "read-only" in store.notices[0]


class TestFull:
    """A disk without space."""

    def test_a_large_value_that_cannot_be_written_is_named(
        self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The trace and the small values are stored, no half file remains, the user is told once."""
        store = kernels.open()
        with monkeypatch.context() as patch:
            patch.setattr(blobs, "_write_regions", no_space)
            for name in ("t1", "t2"):
                commit = store.commit(name, trace_of(name, UNIT), {UNIT: LARGE, SMALL: (1,)})
                assert commit.unstored == {UNIT: "the disk is full"}
        assert len(store.notices) == 1
        assert store.load(SMALL) == (1,)
        assert list(store.sizes()) == []
        assert [path.name for path in (kernels.home / "tmp").rglob("*") if path.is_file()] == ["owner"]

    def test_it_is_written_when_there_is_space_again(
        self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A fault is not for ever."""
        store = kernels.open()
        with monkeypatch.context() as patch:
            patch.setattr(blobs, "_write_regions", no_space)
            store.commit("key", trace_of("t", UNIT), {UNIT: LARGE})
        assert store.put(UNIT, LARGE) == ""
        assert kernels.open().verify(UNIT) == ""

    @pytest.mark.parametrize("fault", [full_database, no_space])
    def test_a_record_that_cannot_be_written_is_kept_in_memory(
        self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch, fault: Any
    ) -> None:
        """For this kernel the result is there; the next one computes it again."""
        store = kernels.open()
        with monkeypatch.context() as patch:
            patch.setattr(Index, "add", fault)
            commit = store.commit("key", trace_of("t", SMALL), {SMALL: (1,)})
        assert commit.stored == {SMALL}
        assert "the disk is full" in commit.notices[0]
        assert store.find("key") == (trace_of("t", SMALL),)
        assert store.lists("static") != ()
        assert store.trace("t") is not None
        assert store.load(SMALL) == (1,)
        assert kernels.open().find("key") == ()

    def test_a_plain_input_that_cannot_be_written(
        self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is kept in memory, too."""
        store = kernels.open()
        monkeypatch.setattr(traces.Traces, "keep", full_database)
        assert store.put(SMALL, (1,)) == ""
        assert store.load(SMALL) == (1,)
        assert store.verify(SMALL) == ""

    def test_reading_goes_on(self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
        """An index that cannot be read is an index without entries."""
        store = kernels.open()
        store.commit("key", trace_of("t", SMALL), {SMALL: (1,)})
        for name in ("lists", "find", "value"):
            monkeypatch.setattr(traces.Traces, name, no_space)
        assert (store.find("key"), store.lists("static")) == ((), ())
        with pytest.raises(Missing):
            store.load(SMALL)


class TestDamage:
    """Broken files."""

    def test_a_broken_index_is_put_aside(self, kernels: Kernels) -> None:
        """The store starts anew and says where the old index is; the history remains."""
        first = kernels.open()
        first.history.save_source("d", "text")
        first.commit("key", trace_of(), {})
        first.close()
        for log in kernels.home.glob("index/cache.db-*"):
            log.unlink()
        (kernels.home / "index" / "cache.db").write_bytes(b"no database" * 1000)
        store = kernels.open()
        assert isinstance(store, DiskStore)
        assert "starts anew" in store.notices[0]
        assert store.find("key") == ()
        assert store.history.source("d") == "text"
        (aside,) = (kernels.home / "quarantine").glob("index-*")
        assert (aside / "cache.db").read_bytes().startswith(b"no database")

    def test_an_index_that_breaks_in_use_is_replaced(
        self, kernels: Kernels, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """This kernel goes on storing."""

        def malformed(*args: object) -> Any:
            raise sqlite3.DatabaseError("database disk image is malformed")

        store = kernels.open()
        with monkeypatch.context() as patch:
            patch.setattr(traces.Traces, "find", malformed)
            assert store.find("key") == ()
        store.commit("key", trace_of(), {})
        assert kernels.open().find("key") == (trace_of(),)

    def test_a_broken_value_is_missing_and_the_user_is_told(self, kernels: Kernels) -> None:
        """It is put aside and can be stored again."""
        store = kernels.open()
        store.commit("key", trace_of("t", UNIT), {UNIT: LARGE})
        (path,) = kernels.home.glob("blobs/*/*")
        path.chmod(0o600)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        later = kernels.open()
        with pytest.raises(Missing, match="damaged"):
            later.load(UNIT)
        assert "computed again" in later.notices[0]
        assert later.commit("key", trace_of("t", UNIT), {UNIT: LARGE}).stored == {UNIT}
        assert later.verify(UNIT) == ""

    def test_leftovers_of_a_dead_kernel_are_swept(self, kernels: Kernels) -> None:
        """Those of one that cannot be judged stay a week."""
        kernels.open().close()
        for name, owner in (("1-dead", "x"), ("2-unknown", "elsewhere|b|1|2")):
            folder = kernels.home / "tmp" / name
            folder.mkdir(parents=True)
            (folder / "owner").write_text(owner)
            (folder / "half").write_bytes(bytes(100))
        os.utime(kernels.home / "tmp" / "1-dead", (1.0, 1.0))
        kernels.open()
        assert [folder.name for folder in (kernels.home / "tmp").iterdir()] == ["2-unknown"]


class TestKeys:
    """The user's key, lost or another."""

    def stored(self, kernels: Kernels) -> None:
        """Store a small and a large value, a list, a snapshot."""
        store = kernels.open()
        store.commit("key", trace_of("t", UNIT, SMALL), {UNIT: LARGE, SMALL: (1,)})
        store.put("ef" * 16, ("plain",))
        store.close()

    def test_another_key_is_a_miss_with_a_reason(self, kernels: Kernels) -> None:
        """And a line that says what to do."""
        self.stored(kernels)
        store = kernels.open(key=bytes(32))
        assert store.find("key") == ()
        assert store.reason("key") == OTHER_KEY
        assert store.lists("static") == ()
        assert not store.has(UNIT)
        with pytest.raises(Missing, match="another key"):
            store.load(UNIT)
        assert ["cache trust" in notice for notice in store.notices] == [True]

    def test_a_deleted_key_is_another_key(self, kernels: Kernels, tmp_path: Path) -> None:
        """A new one is made, what the old one signed is not used, and results are stored again."""
        self.stored(kernels)
        (tmp_path / "state" / "key").unlink()
        store = kernels.open()
        assert store.reason("key") == OTHER_KEY
        commit = store.commit("key", trace_of("t2", UNIT, SMALL), {UNIT: LARGE, SMALL: (1,)})
        assert commit.stored == {UNIT, SMALL}
        assert [trace.id for trace in kernels.open().find("key")] == ["t2"]

    def test_trust_makes_it_usable(self, kernels: Kernels) -> None:
        """Everything, values included."""
        self.stored(kernels)
        store = kernels.open(key=bytes(32))
        assert store.trust() == 3
        assert store.find("key") == (trace_of("t", UNIT, SMALL),)
        assert np.array_equal(store.load(UNIT)[0], LARGE[0])
        assert store.load(SMALL) == (1,)
        assert store.load("ef" * 16) == ("plain",)

    def test_without_a_key_nothing_is_stored(
        self, kernels: Kernels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One notice says which variable to set."""
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "file" / "state"))
        store = kernels.open()
        assert isinstance(store, MemoryStore)
        assert "NBFLOW_STATE" in store.notices[0]

    def test_the_key_is_not_in_the_store(self, kernels: Kernels, tmp_path: Path) -> None:
        """Whoever copies the store cannot sign in the user's name."""
        self.stored(kernels)
        key = (tmp_path / "state" / "key").read_bytes()
        files = [path for path in kernels.home.rglob("*") if path.is_file()]
        assert not any(key in path.read_bytes() for path in files)


class TestEviction:
    """Values that were removed to save space."""

    def test_traces_outlive_values(self, kernels: Kernels) -> None:
        """The result is known, its value is not stored."""
        store = kernels.open()
        store.commit("key", trace_of("t", UNIT), {UNIT: LARGE})
        assert store.upkeep().evict(0, grace=0.0).values == 1
        assert store.find("key") != ()
        assert not store.has(UNIT)
        assert store.absence(UNIT) == EVICTED
        with pytest.raises(Missing, match=EVICTED):
            store.load(UNIT)

    def test_a_small_memory_has_an_end(self) -> None:
        """What does not fit is named."""
        store = MemoryStore({}, budget=1000)
        commit = store.commit("key", trace_of("t", UNIT), {UNIT: LARGE, SMALL: (1,)})
        assert commit.unstored == {UNIT: "it is too large to be kept in memory"}
        assert commit.stored == {SMALL}
