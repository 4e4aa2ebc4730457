"""Disks that are full, folders that are read-only, files that are broken, keys that are lost."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from nbflow.exceptions import StoreError
from nbflow.states import Transition
from nbflow.store import blobs, traces
from nbflow.store.disk import DiskStore, open_store
from nbflow.store.index import FAULTS, Index
from nbflow.store.memory import MemoryStore
from nbflow.store.protocol import EVICTED, Missing, RunRecord
from nbflow.store.signing import OTHER_KEY
from nbflow.testing import FakeClock
from nbflow.types import Entry, Looked, Output, Slot, Snapshot, Trace

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
        for name in ("lists", "find", "value", "sought"):
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
        assert store.find("key") == ()
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


def flip(content: bytes, at: int) -> bytes:
    """One byte is another one."""
    return content[:at] + bytes([content[at] ^ 0x5A]) + content[at + 1 :]


def cut(content: bytes, at: int) -> bytes:
    """Nothing is behind it."""
    return content[:at]


def blank(content: bytes, at: int) -> bytes:
    """A sector was never written."""
    return content[:at] + bytes(min(512, len(content) - at)) + content[at + 512 :]


def places_in(size: int) -> list[int]:
    """Where to do harm in a file of so many bytes: its head, its end, and all along its pages."""
    along = range(0, size, max(size // 10, 1)) if size > 10_000 else range(0, size, max(size // 4, 1))
    return sorted({*(at for at in (0, 20, 100) if at < size), *along, size - 1})


EVERY_FILE = (
    "killed/state/key",
    "killed/nb/.nbflow/format",
    "killed/nb/.nbflow/.gitignore",
    "killed/nb/.nbflow/index/cache.db-wal",
    "killed/nb/.nbflow/index/cache.db-shm",
    "killed/nb/.nbflow/history.db-wal",
    "killed/nb/.nbflow/history.db-shm",
    "killed/nb/.nbflow/tmp/*/owner",
    "killed/nb/.nbflow/tmp/*/*.units",
    "closed/nb/.nbflow/blobs/*/*",
    "closed/nb/.nbflow/index/cache.db",
    "closed/nb/.nbflow/history.db",
)


def leave_a_store(place: Path) -> None:
    """In a child: fill a store in every kind of file; close it, or die without that."""
    os.environ["NBFLOW_STATE"] = str(place / "state")
    store = DiskStore(place / "nb" / ".nbflow", namespace={"__name__": "__main__"})
    for number in range(40):
        small = f"{number:032x}"
        trace = replace(trace_of(f"t{number}", UNIT, small), captured=small)
        store.commit(f"key{number}", trace, {UNIT: LARGE, small: (number,)})
        store.history.begin(RunRecord(f"r{number}", notebook="nb", number=number, step="s", name="s"))
        store.history.append(Transition(f"r{number}", 1, 1, 1.0, "COMPLETED", "Completed"))
        store.history.snapshot(Snapshot(number, ("s",), {}, {}, {}), "nb")
    store.put("ef" * 16, LARGE)
    if place.name == "closed":
        store.close()
    store.history.flush()
    with store._scratch.announced(frozenset({UNIT})):
        os._exit(0)


def in_child(function: str, place: Path) -> None:
    """Run a function of this file in a process of its own."""
    code = f"import pathlib, tests.test_store_faults as t\nt.{function}(pathlib.Path({str(place)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, check=True)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two kernels left, each with the user's state: one was killed, one has ended."""
    place = tmp_path_factory.mktemp("left")
    for end in ("killed", "closed"):
        in_child("leave_a_store", place / end)
    return place


@pytest.mark.process
class TestEveryFile:
    """Any byte of any file may rot, and any file may end early."""

    @pytest.mark.parametrize("harm", [flip, cut, blank])
    @pytest.mark.parametrize("name", EVERY_FILE)
    def test_nothing_is_wrong_and_nobody_is_disturbed(
        self, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, harm: Any
    ) -> None:
        """What is found is right, all else is computed again and stored again, each fault is told once."""
        end = left / name.partition("/")[0]
        path = sorted(path for path in left.glob(name) if path.is_file())[0].relative_to(end)
        content = (end / path).read_bytes()
        for at in places_in(len(content)):
            place = tmp_path / str(at)
            shutil.copytree(end, place)
            (place / path).chmod(0o600)
            (place / path).write_bytes(harm(content, at))
            monkeypatch.setenv("NBFLOW_STATE", str(place / "state"))
            self.use(place / "nb" / ".nbflow", f"{harm.__name__} {path} at {at}")
            shutil.rmtree(place)

    def use(self, home: Path, what: str) -> None:
        """Read and write as a kernel does."""
        store = open_store(home, namespace={"__name__": "__main__"})
        for number in range(40):
            small = f"{number:032x}"
            found = store.find(f"key{number}")
            assert [trace.id for trace in found] in ([], [f"t{number}"]), what
            for unit, values in ((small, number), (UNIT, LARGE[0])):
                with suppress(Missing):
                    assert np.array_equal(np.asarray(store.load(unit)[0]), values), what
        assert len(store.lists("static")) in (0, 1), what
        assert len(store.history.runs("nb")) <= 40, what
        for number in range(40):
            store.history.transitions(f"r{number}")  # texts of the past: nothing is computed from them
        assert len(store.history.snapshots("nb")) <= 40, what
        commit = store.commit("new", trace_of("new", UNIT, SMALL), {UNIT: LARGE, SMALL: ("new",)})
        assert commit.stored == {UNIT, SMALL}, what
        assert store.find("new")[0].id == "new", what
        assert store.load(SMALL) == ("new",), what
        assert store.verify(UNIT) == "", what
        assert np.array_equal(np.asarray(store.load(UNIT)[0]), LARGE[0]), what
        if isinstance(store, DiskStore):
            with suppress(*FAULTS):
                store.upkeep().verify()
                store.upkeep().collect(grace=0.0)
        assert len(store.notices) == len(set(store.notices)) <= 3, (what, store.notices)
        store.close()


def fill_under_a_limit(place: Path) -> None:
    """In a child whose files may not grow beyond 300 kB: commit values of up to 800 kB, and load them."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    store = open_store(place, namespace={"__name__": "__main__"}, key=bytes(32))
    for number in range(60):
        unit = f"{number:032x}"
        values = (np.full(number % 5 * 20_000 + 1, number), "x" * (20_000 * (number % 3)))
        commit = store.commit(f"key{number}", trace_of(f"t{number}", unit), {unit: values})
        store.history.begin(RunRecord(f"r{number}", notebook="nb", number=number, name="s" * 2_000))
        store.history.flush()
        assert [trace.id for trace in store.find(f"key{number}")] == [f"t{number}"]
        assert unit in commit.stored or commit.unstored[unit], commit
        if unit in commit.stored:
            assert np.array_equal(np.asarray(store.load(unit)[0]), np.asarray(values[0]))
    assert 1 <= len(store.notices) <= 4, store.notices
    assert len(store.history.runs("nb")) == 60
    store.close()


@pytest.mark.process
class TestFullForReal:
    """Files that cannot grow, as on a full disk."""

    def test_every_result_reaches_its_user(self, tmp_path: Path) -> None:
        """What was stored is right for the next kernel, half files take no space."""
        home = tmp_path / "s"
        in_child("fill_under_a_limit", home)
        store = open_store(home, namespace={"__name__": "__main__"}, key=bytes(32))
        assert isinstance(store, DiskStore)
        assert store.notices == []
        kept = 0
        for number in range(60):
            if store.find(f"key{number}") and store.has(f"{number:032x}"):
                kept += 1
                assert np.all(np.asarray(store.load(f"{number:032x}")[0]) == number)
        assert kept >= 5
        assert store.upkeep().verify().damaged == ()
        assert [path.name for path in (home / "tmp").rglob("*") if path.is_file()] in ([], ["owner"])
        store.close()


class TestClock:
    """A clock that jumps."""

    @pytest.mark.parametrize("jump", [-400 * 86400.0, 400 * 86400.0])
    def test_results_and_the_work_of_the_living_stay(self, kernels: Kernels, jump: float) -> None:
        """Whatever the time, what another kernel is about to keep is left alone."""
        clock = FakeClock()
        first = DiskStore(kernels.home, namespace={"__name__": "__main__"}, clock=clock)
        first.commit("key", replace(trace_of("t", UNIT), started=clock(), seconds=1.0), {UNIT: LARGE})
        with first._scratch.announced(frozenset({SMALL})):
            clock.advance(jump)
            second = DiskStore(kernels.home, namespace={"__name__": "__main__"}, clock=clock)
            assert second.upkeep().collect().values == 0
            assert second.find("key")[0].id == "t"
            assert np.array_equal(second.load(UNIT)[0], LARGE[0])
            assert len(second.upkeep().shelves()) == 1
            assert SMALL in second._scratch.announced_by_all()
        for store in (first, second):
            store.close()


class TestOlder:
    """What an earlier nbflow has written."""

    def test_records_without_what_was_added_since(self, kernels: Kernels) -> None:
        """Are read as if that were empty."""
        store = kernels.strict()
        content = msgspec.msgpack.encode([msgspec.to_builtins(trace_of("t", UNIT)), 0, False])
        store._index.set("t:key", store._signer.seal("t:key", content))
        assert store.find("key") == (trace_of("t", UNIT),)

    def test_records_that_mean_something_else(self, kernels: Kernels) -> None:
        """Are misses, although their signature is right."""
        store = kernels.strict()
        for content in (b"", b"\xc1", msgspec.msgpack.encode({"a": 1}), msgspec.msgpack.encode([1, 2])):
            store._index.set("t:key", store._signer.seal("t:key", content))
            assert store.find("key") == ()
            assert store.reason("key") == "not a record of this version of nbflow"

    def test_files_that_mean_something_else(self, kernels: Kernels) -> None:
        """Are misses, and stay for whoever can read them."""
        store = kernels.strict()
        store.commit("key", trace_of("t", UNIT), {UNIT: LARGE})
        (path,) = kernels.home.glob("blobs/*/*")
        path.chmod(0o600)
        path.write_bytes(b"nbflow9\n" + path.read_bytes()[8:])
        with pytest.raises(Missing, match="not a file of this version"):
            kernels.strict().load(UNIT)
        assert path.exists()
