"""Kernels that are killed in the middle of a commit, and kernels that commit at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from nbflow.states import Transition
from nbflow.store.disk import DiskStore
from nbflow.store.protocol import RunRecord
from nbflow.types import Entry, Looked, Output, Slot, Trace

pytestmark = pytest.mark.process

KEY = bytes(32)
POINTS = ("blob written", "blob named", "blobs", "record", "list", "history")
UNIT, SMALL = "ab" * 16, "cd" * 16


def trace_of(name: str, *units: str) -> Trace:
    """A trace with these outputs."""
    outputs = tuple(Output(Slot("name", f"y{unit[:2]}"), unit, unit) for unit in units)
    return Trace(name, "static", (Entry(Looked(Slot("name", "raw")), "d"),), outputs)


def open_at(home: Path) -> DiskStore:
    """A later kernel."""
    return DiskStore(home, namespace={"__name__": "__main__"}, key=KEY)


def commit_and_die(home: Path, point: str) -> None:
    """In a child: begin a run, commit, and be killed at a point."""

    def checkpoint(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    store = DiskStore(home, namespace={"__name__": "__main__"}, key=KEY, checkpoint=checkpoint)
    store.history.begin(RunRecord("r", notebook="nb", number=1))
    store.history.append(Transition("r", 1, 1, 1.0, "RUNNING", "Running"))
    store.history.flush()
    store.commit("key", trace_of("t", UNIT, SMALL), {UNIT: (np.arange(50_000),), SMALL: ("small",)})
    store.close()


def put_and_die(home: Path, point: str) -> None:
    """In a child: keep a plain input, and be killed at a point."""

    def checkpoint(name: str) -> None:
        if name == point:
            os.kill(os.getpid(), signal.SIGKILL)

    store = DiskStore(home, namespace={"__name__": "__main__"}, key=KEY, checkpoint=checkpoint)
    store.put(UNIT, (np.arange(50_000),))


def commit_many(home: Path, name: str, count: int) -> None:
    """In a child: commit results, half of them under keys that another child uses, too."""
    store = DiskStore(home, namespace={"__name__": "__main__"}, key=KEY)
    for number in range(count):
        unit = f"{number:032x}"
        values = (np.full(6_000, number),) if number % 2 else (number,)
        store.commit(f"key{number}", trace_of(f"{name}{number}", unit), {unit: values})
        store.history.append(Transition(f"{name}{number}", 1, 1, 1.0, "COMPLETED", "Completed"))
    store.close()
    if store.notices:
        raise SystemExit(store.notices[0])


def start(*call: object) -> subprocess.Popen[bytes]:
    """Run a function of this file in a child process."""
    function, home, *rest = call
    code = (
        "from pathlib import Path\nimport tests.test_store_crash as t\n"
        f"t.{function}(Path({str(home)!r}), *{tuple(rest)!r})"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent.parent)


class TestKilled:
    """A commit ends anywhere."""

    @pytest.mark.parametrize("point", POINTS)
    def test_a_later_kernel_sees_all_or_nothing(self, tmp_path: Path, point: str) -> None:
        """Never a wrong value, never an error, and what cannot be found takes no space."""
        home = tmp_path / "s"
        child = start("commit_and_die", home, point)
        assert child.wait() == -signal.SIGKILL
        store = open_at(home)
        found = store.find("key")
        if found:
            (large,) = store.load(UNIT)
            assert np.array_equal(large, np.arange(50_000))  # type: ignore[arg-type]
            assert store.load(SMALL) == ("small",)
        else:
            assert not store.has(UNIT)
            assert list(store.sizes()) == []
            assert store.lists("static") == ()
        assert bool(found) == (POINTS.index(point) >= POINTS.index("list"))
        assert {path.name for path in (home / "tmp").rglob("*") if path.is_file()} <= {"owner"}
        assert store.notices == []
        store.close()

    @pytest.mark.parametrize("point", POINTS)
    def test_committing_again_completes_it(self, tmp_path: Path, point: str) -> None:
        """The next run of the task leaves nothing half done."""
        home = tmp_path / "s"
        start("commit_and_die", home, point).wait()
        store = open_at(home)
        values = {UNIT: (np.arange(50_000),), SMALL: ("small",)}
        commit = store.commit("key", trace_of("t2", UNIT, SMALL), values)
        assert commit.stored == {UNIT, SMALL}
        assert store.find("key")[0].id == "t2"
        assert len(store.lists("static")) == 1
        assert store.load(SMALL) == ("small",)
        assert store.verify(UNIT) == ""
        store.close()

    @pytest.mark.parametrize("point", ["blob written", "blob named", "input"])
    def test_an_input_half_kept_takes_no_space(self, tmp_path: Path, point: str) -> None:
        """As no record tells of it."""
        start("put_and_die", tmp_path / "s", point).wait()
        store = open_at(tmp_path / "s")
        assert list(store.sizes()) == []
        assert store.put(UNIT, (np.arange(50_000),)) == ""
        store.close()
        again = open_at(tmp_path / "s")
        assert again.verify(UNIT) == ""
        again.close()

    def test_its_run_is_crashed(self, tmp_path: Path) -> None:
        """Nobody will end it otherwise."""
        start("commit_and_die", tmp_path / "s", "blobs").wait()
        store = open_at(tmp_path / "s")
        assert [found.name for found in store.history.transitions("r")] == ["Running", "Crashed"]
        store.close()

    def test_the_work_of_the_living_is_left_alone(self, tmp_path: Path) -> None:
        """A kernel that opens the store while another commits takes nothing from it."""
        home = tmp_path / "s"
        opened: list[DiskStore] = []

        def look(point: str) -> None:
            if point in ("blob named", "blobs"):
                opened.append(open_at(home))

        store = DiskStore(home, namespace={"__name__": "__main__"}, key=KEY, checkpoint=look)
        store.commit("key", trace_of("t", UNIT), {UNIT: (np.arange(50_000),)})
        assert store.verify(UNIT) == ""
        assert len(opened) == 2
        for one in (store, *opened):
            one.close()


class TestTogether:
    """Two kernels over one store."""

    def test_both_commit_the_same_keys(self, tmp_path: Path) -> None:
        """Each trace of each is found, each value is right, nobody is disturbed."""
        home, count = tmp_path / "s", 60
        children = [start("commit_many", home, name, count) for name in "ab"]
        assert [child.wait() for child in children] == [0, 0]
        store = open_at(home)
        for number in range(count):
            assert {trace.id for trace in store.find(f"key{number}")} == {f"a{number}", f"b{number}"}
            (value,) = store.load(f"{number:032x}")
            assert np.all(np.asarray(value) == number)
            assert store.verify(f"{number:032x}") == ""
            assert len(store.history.transitions(f"a{number}")) == 1
        assert len(store.lists("static")) == 1
        store.close()


class TestPatience:
    """Results that took little time wait to be written together."""

    def test_what_waits_is_found_at_once_and_durable_after_a_flush(self, tmp_path: Path) -> None:
        """Others see it from then on."""
        store = DiskStore(tmp_path / "s", key=KEY, namespace={"__name__": "__main__"}, patience=1.0)
        store.commit("key", trace_of("t", SMALL), {SMALL: ("small",)})
        assert (store.find("key")[0].id, store.load(SMALL)) == ("t", ("small",))
        store.flush()
        other = open_at(tmp_path / "s")
        assert (other.find("key")[0].id, other.load(SMALL)) == ("t", ("small",))
        store.close()
        other.close()

    def test_a_result_that_took_longer_is_durable_at_once(self, tmp_path: Path) -> None:
        """And everything that waited with it."""
        store = DiskStore(tmp_path / "s", key=KEY, namespace={"__name__": "__main__"}, patience=1.0)
        store.commit("quick", trace_of("t1", SMALL), {SMALL: ("small",)})
        store.commit("slow", replace(trace_of("t2", SMALL), seconds=2.0), {SMALL: ("small",)})
        other = open_at(tmp_path / "s")
        assert [other.find(key)[0].id for key in ("quick", "slow")] == ["t1", "t2"]
        store.close()
        other.close()
