"""Looking after a store: what it holds, what is damaged, what may go, while others write."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from nbflow.store.blobs import Blobs
from nbflow.store.disk import DiskStore
from nbflow.store.protocol import EVICTED, MOST_LISTS, Missing, RunRecord
from nbflow.testing import FakeClock
from nbflow.types import Entry, Looked, Output, Slot, Snapshot, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = bytes(32)
DAY = 86400.0


def unit_of(number: int) -> str:
    """A digest."""
    return f"{number:032x}"


def large(number: int, count: int = 6_000) -> tuple[object, ...]:
    """The members of a unit that has a file of its own: 48 kB by default."""
    return (np.full(count, number),)


def trace_of(number: int, step: str = "task", saw: int = 0, **more: Any) -> Trace:
    """A trace that made one unit from another one."""
    output = Output(Slot("name", "y"), unit_of(number), unit_of(number), ("y",))
    entry = Entry(Looked(Slot("name", "x")), unit_of(saw))
    return Trace(f"t{number}", f"code of {step}", (entry,), (output,), step=step, notebook="nb", **more)


def open_at(home: Path, clock: Any = None, key: bytes = KEY) -> DiskStore:
    """A kernel's store."""
    return DiskStore(home, namespace={"__name__": "__main__"}, key=key, clock=clock or FakeClock())


def commit(store: DiskStore, number: int, step: str = "task", **more: Any) -> Trace:
    """Keep a result with one large value."""
    trace = trace_of(number, step, **more)
    store.commit(f"key{number}", trace, {unit_of(number): large(number)})
    return trace


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskStore]:
    """A new store."""
    made = open_at(tmp_path / "s")
    yield made
    made.close()


def units(store: DiskStore) -> set[str]:
    """The units that have a file."""
    return {unit for unit, _ in store.sizes()}


class TestShelves:
    """What each task takes."""

    def test_names_sizes_and_times(self, store: DiskStore) -> None:
        """The largest first; a task is called as it was when it last ran."""
        clock = FakeClock()
        commit(store, 1, "a", started=clock() - 60.0, seconds=10.0)
        commit(store, 2, "a", started=clock() - 30.0, seconds=12.0)
        store.commit("small", replace(trace_of(3, "b"), started=clock()), {unit_of(3): ("text",)})
        for name in ("old", "new"):
            store.history.begin(RunRecord(f"{name} run", notebook="nb", step="a", name=name))
        store.history.begin(RunRecord("run b", notebook="nb", step="b", name="b"))
        first, second = store.upkeep().shelves()
        assert (first.notebook, first.task, first.runs) == ("nb", "new", 2)
        assert (first.made, first.seconds) == (clock() - 18.0, 12.0)
        assert 96_000 < first.size < 120_000
        assert (second.task, second.runs) == ("b", 1)
        assert 0 < second.size < 2_000

    def test_a_value_of_two_results_counts_once_for_a_task(self, store: DiskStore) -> None:
        """It lies there once."""
        commit(store, 1, "a")
        store.commit("again", replace(trace_of(1, "a"), id="other"), {unit_of(1): large(1)})
        store.history.begin(RunRecord("r", notebook="nb", step="a", name="a"))
        (shelf,) = store.upkeep().shelves()
        assert shelf.runs == 2
        assert shelf.size < 60_000


class TestVerify:
    """Everything compared with what it should be."""

    def test_a_whole_store(self, store: DiskStore) -> None:
        """Nothing is said."""
        commit(store, 1)
        found = store.upkeep().verify()
        assert (found.values, found.records, found.damaged, found.others) == (1, 1, (), 0)

    def test_what_rots_after_it_was_read_is_found(self, store: DiskStore) -> None:
        """Although this kernel has compared it before."""
        commit(store, 1)
        assert store.verify(unit_of(1)) == ""
        (path,) = store.home.glob("blobs/*/*")
        status = path.stat()
        path.chmod(0o600)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        (damaged,) = store.upkeep().verify().damaged
        assert damaged == f"value {unit_of(1)}: damaged"
        assert not path.exists()
        assert (store.home / "quarantine" / path.name).exists()
        assert store.upkeep().verify().damaged == ()

    def test_a_damaged_record_is_put_aside(self, store: DiskStore) -> None:
        """And is a miss from then on."""
        commit(store, 1)
        index = store._index
        sealed = bytearray(index.get("t:key1") or b"")
        sealed[-1] ^= 1
        index.set("t:key1", bytes(sealed))
        assert store.upkeep().verify().damaged == ("record t:key1: damaged",)
        assert store.find("key1") == ()
        assert (store.home / "quarantine" / "record-t-key1").read_bytes() == bytes(sealed)

    def test_a_history_that_rotted(self, store: DiskStore) -> None:
        """What nobody can read is named, put aside and gone; all else stays."""
        for number in (1, 2):
            store.history.begin(RunRecord(f"run{number}", number, "nb"))
            store.history.snapshot(Snapshot(number, (), {}, {}, {}), "nb")
            store.history.save_source(f"d{number}", "x = 1")
        store.history.flush()
        with sqlite3.connect(store.home / "history.db") as database:
            ((text,),) = database.execute("SELECT text FROM sources WHERE digest = 'd2'")
            database.execute("UPDATE sources SET text = ? WHERE digest = 'd2'", (text[:-1] + b"7",))
            database.execute("UPDATE runs SET causes = '[{' WHERE id = 'run1'")
            database.execute("INSERT INTO paths (run, transitions) VALUES ('run2', 'no list')")
            database.execute("UPDATE snapshots SET sealed = substr(sealed, 2) WHERE number = 2")
        database.close()
        assert [store.history.source(f"d{number}") for number in (1, 2)] == ["x = 1", None]
        found = store.upkeep().verify()
        assert found.damaged == (
            "history: causes of run run1: damaged",
            "history: states of run run2: damaged",
            "history: snapshot 2: damaged",
            "history: source d2: damaged",
        )
        assert len(list((store.home / "quarantine").glob("history-*"))) == 4
        assert [each.number for each in store.history.snapshots("nb")] == [1]
        assert store.upkeep().verify().damaged == ()
        assert {run.id for run in store.history.runs()} == {"run1", "run2"}

    def test_a_row_whose_name_rotted(self, store: DiskStore) -> None:
        """It leads to no path and breaks no line."""
        store.history.begin(RunRecord("../../\0run\n", 1, "nb"))
        store.history.flush()
        with sqlite3.connect(store.home / "history.db") as database:
            database.execute("UPDATE runs SET causes = x'00ff', inputs = NULL")
        database.close()
        told = store.upkeep().verify().damaged
        assert told == (
            "history: causes of run ../../?run?: damaged",
            "history: inputs of run ../../?run?: damaged",
        )
        assert len(list((store.home / "quarantine").iterdir())) == 2

    def test_a_snapshot_that_somebody_else_signed(self, store: DiskStore) -> None:
        """It is counted and stays."""
        store.history.snapshot(Snapshot(1, (), {}, {}, {}), "nb")
        store.history.flush()
        other = open_at(store.home, key=bytes([1]) * 32)
        found = other.upkeep().verify()
        assert (found.records, found.damaged, found.others) == (1, (), 1)
        other.close()
        assert [each.number for each in store.history.snapshots("nb")] == [1]

    def test_what_others_signed_is_counted_and_stays(self, store: DiskStore) -> None:
        """It may be trusted yet."""
        commit(store, 1)
        other = open_at(store.home, key=bytes([1]) * 32)
        found = other.upkeep().verify()
        assert (found.damaged, found.others) == ((), 2)
        assert other.upkeep().collect(grace=0.0).values == 0
        assert units(store) == {unit_of(1)}
        other.close()


class TestCollect:
    """Removing what nothing refers to."""

    def test_what_is_referred_to_stays(self, store: DiskStore) -> None:
        """Results, older results of a key, shown outputs, and inputs kept for their own sake."""
        commit(store, 1)
        for number in (2, 3):
            store.commit("one key", trace_of(number), {unit_of(number): large(number)})
        shown = replace(trace_of(4), captured=unit_of(5))
        store.commit("key4", shown, {unit_of(4): large(4), unit_of(5): large(5)})
        store.put(unit_of(6), large(6))
        assert store.upkeep().collect(grace=0.0).values == 0
        assert units(store) == set(map(unit_of, range(1, 7)))

    def test_a_file_without_a_record_goes(self, store: DiskStore) -> None:
        """Once it is old enough that no commit can be about to tell of it."""
        store._blobs.write(unit_of(1), store._formats.encode(large(1)))
        upkeep = store.upkeep()
        upkeep.clock = lambda: next(iter(upkeep.blobs.files())).written + 300.0
        assert upkeep.collect().values == 0
        upkeep.clock = lambda: next(iter(upkeep.blobs.files())).written + 900.0
        freed = upkeep.collect()
        assert (freed.values, units(store)) == (1, set())
        assert freed.size > 48_000

    def test_what_a_commit_announces_is_put_back(self, store: DiskStore) -> None:
        """Whoever announced it before the file was taken away finds it again."""
        store._blobs.write(unit_of(1), store._formats.encode(large(1)))
        other = open_at(store.home)
        with other._scratch.announced(frozenset({unit_of(1)})):
            assert store.upkeep().collect(grace=0.0).values == 0
            assert other.verify(unit_of(1)) == ""
        assert store.upkeep().collect(grace=0.0).values == 1
        other.close()

    def test_a_commit_writes_what_was_taken_away_meanwhile(self, store: DiskStore) -> None:
        """It asks for the file a second time once it has announced it."""
        store._blobs.write(unit_of(1), store._formats.encode(large(1)))
        announced, blobs = store._scratch.announced, store._blobs

        def announce(units: frozenset[str]) -> Any:
            blobs.remove(unit_of(1))
            return announced(units)

        store._scratch.announced = announce  # type: ignore[method-assign]
        commit(store, 1)
        assert store.verify(unit_of(1)) == ""

    def test_input_lists_beyond_the_newest(self, store: DiskStore) -> None:
        """Are not looked at any more; their results stay."""
        for number in range(MOST_LISTS + 4):
            entry = Entry(Looked(Slot("name", f"x{number}")), "d")
            store.commit(f"key{number}", replace(trace_of(number), entries=(entry,)), {})
        store.upkeep().collect()
        assert len(store.lists("code of task")) == MOST_LISTS
        assert store.find("key0") != ()

    def test_old_things_in_quarantine_go(self, tmp_path: Path) -> None:
        """After a month in which nobody wanted to look at them."""
        clock = FakeClock()
        store = open_at(tmp_path / "s", clock)
        aside = store.home / "quarantine"
        (aside / "index-1").mkdir(parents=True)
        (aside / "value").write_bytes(b"x")
        clock.now = (aside / "value").stat().st_mtime + 29 * DAY
        store.upkeep().collect()
        assert len(list(aside.iterdir())) == 2
        clock.advance(2 * DAY)
        store.upkeep().collect()
        assert list(aside.iterdir()) == []
        store.close()


class TestClear:
    """Removing results."""

    def named(self, store: DiskStore, **names: str) -> None:
        """Say what steps are called."""
        for step, name in names.items():
            store.history.begin(RunRecord(f"run of {step}", notebook="nb", step=step, name=name))

    def test_all(self, store: DiskStore) -> None:
        """Nothing is found any more, and no value is left."""
        commit(store, 1)
        store.put(unit_of(2), large(2))
        store.history.save_source("d", "text")
        freed = store.upkeep().clear()
        assert (freed.results, freed.values) == (1, 1)
        assert (store.find("key1"), store.lists("code of task")) == ((), ())
        assert units(store) == {unit_of(2)}
        assert store.history.source("d") == "text"

    def test_one_task(self, store: DiskStore) -> None:
        """What another one has made, too, stays."""
        for number, step in ((1, "a"), (2, "a"), (3, "b")):
            commit(store, number, step)
        store.commit("shared", replace(trace_of(2, "b"), id="other"), {unit_of(2): large(2)})
        self.named(store, a="first", b="second")
        assert store.upkeep().clear("first").results == 2
        assert (store.find("key1"), store.find("key2")) == ((), ())
        assert store.find("shared") != ()
        assert units(store) == {unit_of(2), unit_of(3)}

    def test_small_values_go_with_their_record(self, store: DiskStore) -> None:
        """Also for a kernel that has read them."""
        store.commit("key", trace_of(1), {unit_of(1): ("small",)})
        assert store.load(unit_of(1)) == ("small",)
        store.upkeep().clear()
        assert not store.has(unit_of(1))
        with pytest.raises(Missing):
            store.load(unit_of(1))

    def test_what_was_not_used_for_long(self, tmp_path: Path) -> None:
        """Neither made nor reused; other results of the same code are found as before."""
        clock = FakeClock()
        store = open_at(tmp_path / "s", clock)
        for number, days in ((1, 10), (2, 9), (3, 1)):
            commit(store, number, started=clock() - days * DAY)
        used = f"{int((clock() - 2 * DAY) * 1e6):016x}rest"
        store.history.begin(RunRecord(used, notebook="nb", step="task", name="task", trace="t2"))
        assert store.upkeep().clear(older=7 * DAY).results == 1
        assert [bool(store.find(f"key{number}")) for number in (1, 2, 3)] == [False, True, True]
        assert len(store.lists("code of task")) == 1
        store.close()

    def test_an_older_result_of_a_key_goes_alone(self, tmp_path: Path) -> None:
        """The newest, by which it was found, stays."""
        clock = FakeClock()
        store = open_at(tmp_path / "s", clock)
        for number, days in ((1, 10), (2, 1)):
            trace = trace_of(number, started=clock() - days * DAY)
            store.commit("key", trace, {unit_of(number): large(number)})
        store.upkeep().clear(older=7 * DAY)
        assert [trace.id for trace in store.find("key")] == ["t2"]
        assert units(store) == {unit_of(2)}
        store.close()


class TestEvict:
    """Removing values to save space."""

    def test_the_cheapest_for_its_size_goes_first(self, store: DiskStore) -> None:
        """Its result stays and says why it has no value."""
        for number, seconds in ((1, 5.0), (2, 500.0), (3, 50.0)):
            commit(store, number, seconds=seconds)
        assert store.upkeep().evict(130_000, grace=0.0).values == 1
        assert units(store) == {unit_of(2), unit_of(3)}
        assert store.find("key1") != ()
        assert (store.absence(unit_of(1)), store.absence(unit_of(2))) == (EVICTED, "")

    def test_what_a_result_was_computed_from_stays_longer(self, store: DiskStore) -> None:
        """Of two that cost the same."""
        commit(store, 1, seconds=5.0)
        commit(store, 2, seconds=5.0)
        store.commit("reader", trace_of(9, saw=1), {})
        store.upkeep().evict(60_000, grace=0.0)
        assert units(store) == {unit_of(1)}

    def test_what_was_used_lately_stays_longer(self, tmp_path: Path) -> None:
        """By the history of runs."""
        clock = FakeClock()
        store = open_at(tmp_path / "s", clock)
        for number in (1, 2):
            commit(store, number, started=clock() - 30 * DAY, seconds=5.0)
        store.history.begin(RunRecord(f"{int(clock() * 1e6):016x}", notebook="nb", step="task", trace="t1"))
        store.upkeep().evict(60_000, grace=0.0)
        assert units(store) == {unit_of(1)}
        store.close()

    def test_what_is_needed_stays(self, store: DiskStore) -> None:
        """Kept inputs, what any kernel needs, what tasks are held at, and what is new."""
        commit(store, 1)
        held = commit(store, 2)
        store.history.snapshot(Snapshot(1, (), {}, {"task": held.id}, {}), "nb")
        store.history.begin(RunRecord("r", notebook="nb", step="task", name="task"))
        store.put(unit_of(3), large(3))
        other = open_at(store.home)
        other._scratch.declare(frozenset({unit_of(4)}))
        for number in (4, 5, 6):
            commit(store, number)
        store.put(unit_of(6), large(6))  # what a result has is a kept input as well
        store.upkeep().evict(0, frozenset({unit_of(5)}), grace=0.0)
        assert units(store) == set(map(unit_of, (2, 3, 4, 5, 6)))
        commit(store, 1)
        upkeep = store.upkeep()
        upkeep.clock = lambda: next(iter(upkeep.blobs.files())).written
        assert upkeep.evict(0).values == 0
        other.close()

    def test_what_was_loaded_before_stays_valid(self, store: DiskStore) -> None:
        """Its memory is the file's, which the system keeps as long as it is mapped."""
        commit(store, 1)
        (loaded,) = store.load(unit_of(1))
        store.upkeep().evict(0, grace=0.0)
        assert np.all(np.asarray(loaded) == 1)

    def test_it_can_be_stored_again(self, store: DiskStore) -> None:
        """Then it is there as any other value is."""
        commit(store, 1)
        store.upkeep().evict(0, grace=0.0)
        commit(store, 1)
        assert store.absence(unit_of(1)) == ""
        assert np.all(np.asarray(store.load(unit_of(1))[0]) == 1)

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(
        results=st.lists(
            st.tuples(st.integers(1, 30), st.integers(5_000, 20_000), st.floats(0, 1e4)),
            min_size=1,
            max_size=20,
        ),
        limit=st.integers(0, 1_000_000),
    )
    def test_the_total_ends_below_the_limit_and_no_value_is_wrong(
        self, results: list[tuple[int, int, float]], limit: int, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """Whatever was stored; what is gone is known to be gone."""
        store = open_at(tmp_path_factory.mktemp("store") / "s")
        sizes: dict[int, int] = {}
        for number, count, seconds in results:
            sizes.setdefault(number, count)
            trace = trace_of(number, seconds=seconds)
            store.commit(f"key{number}", trace, {unit_of(number): large(number, sizes[number])})
        store.upkeep().evict(limit, grace=0.0)
        assert sum(size for _, size in store.sizes()) <= limit
        for number, count in sizes.items():
            assert store.find(f"key{number}") != ()
            if store.has(unit_of(number)):
                assert np.array_equal(np.asarray(store.load(unit_of(number))[0]), np.full(count, number))
            else:
                assert store.absence(unit_of(number)) == EVICTED
        store.close()


def commit_over_and_over(home: Path, rounds: int) -> None:
    """In a child: commit the same few values again and again, each at once loaded and compared."""
    store = open_at(home)
    for round in range(rounds):
        number = round % 5
        trace = replace(trace_of(number), id=f"round {round}")
        result = store.commit(f"key{round}", trace, {unit_of(number): large(number)})
        if result.stored != {unit_of(number)} or store.notices:
            raise SystemExit(f"not stored: {result}")
        if not np.all(np.asarray(store.load(unit_of(number))[0]) == number):
            raise SystemExit("a wrong value")
    store.close()


@pytest.mark.process
class TestTogether:
    """One kernel tidies while another one writes."""

    def test_no_committed_value_is_lost(self, tmp_path: Path) -> None:
        """Every file that appears without a record is collected at once, as if it were old."""
        home = tmp_path / "s"
        store = open_at(home)
        code = (
            "from pathlib import Path\nimport tests.test_upkeep as t\n"
            f"t.commit_over_and_over(Path({str(home)!r}), 150)"
        )
        child = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent)
        loose = store._formats.encode(large(7))
        collected = 0
        while child.poll() is None:
            Blobs(home, store._signer, store._scratch, lambda name: None).write(unit_of(7), loose)
            collected += store.upkeep().collect(grace=0.0).values
        assert child.wait() == 0
        assert collected > 5
        assert units(store) - {unit_of(7)} == set(map(unit_of, range(5)))
        assert all(store.verify(unit) == "" for unit in units(store))
        store.close()
