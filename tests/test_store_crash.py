"""Kernels that are killed in the middle of a commit, and kernels that commit at the same time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from msgspec.structs import replace

from nbflow.states import Transition
from nbflow.store.disk import DiskStore
from nbflow.store.owners import is_gone
from nbflow.store.protocol import EVICTED, RunRecord
from nbflow.types import Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from collections.abc import Callable

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


def unit_of(number: int) -> str:
    """The digest of the large value of a result."""
    return f"{number:032x}"


def commit_numbers(home: Path, first: int, pipe: int) -> None:
    """In a child: commit results, tidy now and then, and tell the number of each result that is kept."""
    store = open_at(home)
    for number in range(first, first + 100_000):
        values = (np.full(5_000, number),) if number % 2 else (number,)
        unit = unit_of(number)
        trace = replace(trace_of(f"t{number}", unit), seconds=float(number % 7))
        kept = store.commit(f"key{number}", trace, {unit: values}).stored
        if number % 5 == 0:
            store.put(unit_of(10**9 + number), (np.full(5_000, number),))
        if number % 11 == 0:
            store.upkeep().collect(grace=0.0)
        if number % 13 == 0:
            store.upkeep().evict(200_000, grace=0.0)
        os.write(pipe, f"{number if unit in kept else -1}\n".encode())


def wrong_with(home: Path, numbers: list[int]) -> list[str]:
    """In a child: what a later kernel sees that it must not see."""
    store = open_at(home)
    wrong = list(store.notices)
    for number in numbers:
        if [trace.id for trace in store.find(f"key{number}")] != [f"t{number}"]:
            wrong.append(f"result {number} is lost")
        reason = store.absence(unit_of(number))
        if reason and (reason != EVICTED or number % 2 == 0):
            wrong.append(f"value {number}: {reason}")
        if not reason and not np.all(np.asarray(store.load(unit_of(number))[0]) == number):
            wrong.append(f"value {number} is wrong")
    wrong += [f"{unit}: {why}" for unit, _ in store.sizes() if (why := store.verify(unit))]
    loose = store.upkeep().collect(grace=0.0).values
    wrong += [f"{loose} values take space for nothing"] if loose else []
    owners = [path.read_text() for path in home.glob("tmp/*/owner")]
    wrong += [f"left behind by {owner}" for owner in owners if is_gone(owner)]
    store.close()
    return wrong


def forked(function: Callable[[], object]) -> int:
    """Run a function in a child that shares nothing but files."""
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def kill_many(home: Path, times: int, seed: int) -> None:
    """In a process of its own: kill kernel after kernel while they write, and look at what they left.

    Raises:
        SystemExit: If a kernel saw something wrong.
    """
    chance, numbers = Random(seed), list[int]()
    for turn in range(times):
        reading, writing = os.pipe()
        child = forked(partial(commit_numbers, home, (turn + 1) * 10_000, writing))
        os.close(writing)
        time.sleep(chance.uniform(0.0, 0.08))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading) as told:
            fresh = [int(line) for line in told if line.endswith("\n")]
        numbers = numbers[-50:] + fresh
        looked = forked(partial(look_at, home, numbers))
        if os.waitpid(looked, 0)[1]:
            raise SystemExit(f"after kill {turn}")
    print(numbers[-1])


def look_at(home: Path, numbers: list[int]) -> None:
    """In a child: fail where something is wrong."""
    wrong = wrong_with(home, numbers)
    if wrong:
        raise SystemExit("\n".join(wrong))


class TestKilledAnywhere:
    """Kernels that are killed at random while they commit, keep inputs, tidy and evict."""

    def test_a_hundred_kills(self, tmp_path: Path) -> None:
        """No committed result is lost, no value is wrong, nothing is left behind, nobody is disturbed."""
        home = tmp_path / "s"
        bystander = start("commit_many", home, "by", 400)
        killer = start("kill_many", home, 100, 7)
        assert killer.wait() == 0
        assert bystander.wait() == 0
        store = open_at(home)
        for number in range(400):
            assert f"by{number}" in {trace.id for trace in store.find(f"key{number}")}
        store.close()
