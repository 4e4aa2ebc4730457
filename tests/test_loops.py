"""LOOP that survives: interrupted runs, later kernels, a hundred thousand iterations."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import context, flow, task
from nbflow.engine.signals import LOOP, PAUSE
from nbflow.running.calls import run_here
from nbflow.running.inputs import Inputs
from nbflow.running.kept import kept_of
from nbflow.running.loops import last_loop
from nbflow.running.records import Records, records_in, using
from nbflow.running.runs import Run
from nbflow.running.scope import present_scope
from nbflow.states import state_of
from nbflow.store.disk import DiskStore
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = bytes(range(32))


class Script:
    """What the iterations of a loop do; to a digest it is always the same."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, Any]] = []
        self.at: dict[int, BaseException] = {}

    def __nbflow_digest__(self) -> str:
        return "script"

    def note(self, count: int, result: Any) -> None:
        """Note what an iteration started from; raise what is planned for it, once."""
        self.seen.append((count, result))
        if count in self.at:
            raise self.at.pop(count)

    def iterations(self) -> list[int]:
        """The iterations that began since this was last asked."""
        seen, self.seen = self.seen, []
        return [count for count, _ in seen]


def looping(script: Script, to: int = 4, **options: Any) -> Any:
    """A task that appends to a list until it is long enough."""

    @task(**options)
    def grow(start: int) -> list[int]:
        rows = context.get("task_loop_result", [start])
        script.note(context.get("task_loop_count", 1), list(rows))
        rows.append(len(rows))
        if len(rows) < to:
            raise LOOP(result=rows)
        return rows

    return grow


def in_flow(called: Callable[..., Any], *args: Any) -> Any:
    """The name of the state in which a call ends, in a flow of its own."""

    @flow
    def around() -> Any:
        return called(*args)

    return around(return_state=True).name


@pytest.fixture
def script() -> Script:
    """Nothing planned."""
    return Script()


@pytest.fixture
def records() -> Any:
    """Records in memory."""
    with using(records_in(MemoryStore(), FakeTimers())) as records:
        yield records


class TestInterrupted:
    """A run that was stopped, and the next one of the same."""

    def test_it_goes_on_at_the_last_iteration(self, records: Records, script: Script) -> None:
        """With what that one started from, not with what it had made of it; then all is over."""
        grow = looping(script)
        script.at[3] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            in_flow(grow, 0)
        assert script.seen[-1] == (3, [0, 1, 2])
        script.iterations()
        assert (in_flow(grow, 0), script.seen) == ("Completed", [(3, [0, 1, 2])])
        script.iterations()
        assert (in_flow(grow, 0), script.iterations()) == ("Completed", [1, 2, 3])

    def test_it_may_be_interrupted_again(self, records: Records, script: Script) -> None:
        """Each run goes on where the last one stood."""
        grow = looping(script, to=7)
        seen = []
        for stop in (3, 5, 6):
            script.at[stop] = KeyboardInterrupt()
            with pytest.raises(KeyboardInterrupt):
                in_flow(grow, 0)
            seen.append(script.iterations())
        assert seen == [[1, 2, 3], [3, 4, 5], [5, 6]]
        assert (in_flow(grow, 0), script.iterations()) == ("Completed", [6])

    def test_other_inputs_begin_anew(self, records: Records, script: Script) -> None:
        """And so does other code."""
        script.at[3] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            in_flow(looping(script), 0)
        script.iterations()
        assert (in_flow(looping(script), 1), script.iterations()) == ("Completed", [1, 2, 3])
        assert (in_flow(looping(script, to=5), 0), script.iterations()) == ("Completed", [1, 2, 3, 4])
        assert (in_flow(looping(script), 0), script.iterations()) == ("Completed", [3])

    def test_a_store_that_lost_it(self, records: Records, script: Script) -> None:
        """Whether the mark, or what it leads to: then it begins anew."""
        assert records.store is not None
        for lost in range(4):
            script.at[3] = KeyboardInterrupt()
            with pytest.raises(KeyboardInterrupt):
                in_flow(looping(script), lost)
            script.iterations()
            units = [unit for unit, _ in records.store.sizes()]
            for unit in units[lost:]:
                records.store.discard(unit)
            assert in_flow(looping(script), lost) == "Completed"
            assert script.iterations() in ([1, 2, 3], [2, 3], [3])

    def test_a_failure_begins_anew(self, records: Records, script: Script) -> None:
        """It was no interruption; a retry goes on at its iteration."""
        script.at[3] = ValueError("no")
        assert (in_flow(looping(script), 0), script.iterations()) == ("Failed", [1, 2, 3])
        assert (in_flow(looping(script), 0), script.iterations()) == ("Completed", [1, 2, 3])
        script.at[3] = ValueError("no")
        assert (in_flow(looping(script, retries=1), 0), script.iterations()) == ("Completed", [1, 2, 3, 3])

    def test_nothing_is_left_of_a_completed_run(self, records: Records, script: Script) -> None:
        """But that the task has looped."""
        in_flow(looping(script), 0)
        assert len(list(records.store.sizes())) == 1  # type: ignore[union-attr]

    def test_a_task_that_never_loops_costs_nothing(self, records: Records) -> None:
        """Nothing is stored of it."""
        in_flow(task(double), 3)
        assert list(records.store.sizes()) == []  # type: ignore[union-attr]


def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


class TestResumed:
    """A run that waited for a person in the middle of its LOOP."""

    def test_it_goes_on_where_it_stood(self, records: Records, script: Script) -> None:
        """With the result that its iteration started from; then nothing is left of it."""
        grow = looping(script)
        script.at[2] = PAUSE()
        in_flow(grow, 0)
        waiting = next(run for run in records.history.runs() if run.role == "task")
        last = records.history.transitions(waiting.id)[-1]
        assert (last.name, last.loop, script.iterations()) == ("Paused", 2, [1, 2])
        run = Run(waiting.id, "grow", grow)
        how = {"resumed": state_of(last), "attempt": last.attempt, "loop": last.loop}
        state = run_here(present_scope(recorded=True), grow, Inputs({"start": 0}), run=run, **how)
        assert (state.value(), script.seen) == ([0, 1, 2, 3], [(2, [0, 1]), (3, [0, 1, 2])])
        assert records.store is not None
        assert last_loop(records.store, waiting.id) is None


KILLED = """
import os, sys
from pathlib import Path
from nbflow import context, flow, task
from nbflow.engine.signals import LOOP
from nbflow.running.records import records_in, using
from nbflow.store.disk import open_store

@task
def grow(start):
    rows = context.get("task_loop_result", [start])
    count = context.get("task_loop_count", 1)
    print(count, flush=True)
    if str(count) == os.environ["KILLED_AT"]:
        os._exit(9)
    if count < 5:
        raise LOOP(result=[*rows, count])
    return rows

@flow
def around():
    return grow(0)

with using(records_in(open_store(Path(sys.argv[1])))):
    print(around())
"""


class TestKernels:
    """A kernel that dies in the middle."""

    @pytest.mark.process
    def test_another_one_goes_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """At the iteration that killed the first, then the second."""
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "state"))
        program = tmp_path / "looping.py"
        program.write_text(KILLED)
        printed = []
        for killed_at in ("3", "4", ""):
            monkeypatch.setenv("KILLED_AT", killed_at)
            done = subprocess.run(
                [sys.executable, str(program), str(tmp_path / "store")], capture_output=True, text=True
            )
            assert done.returncode == (9 if killed_at else 0), done.stderr
            printed.append(done.stdout.split("\n")[:-1])
        assert printed == [["1", "2", "3"], ["3", "4"], ["4", "5", "[0, 1, 2, 3, 4]"]]


class TestWithin:
    """What is called by a body that loops."""

    def test_it_has_loops_of_its_own(self, records: Records) -> None:
        """It sees nothing of the loop, nor of the map, around it."""

        @task
        def inner() -> tuple[object, ...]:
            return tuple(context.get(key) for key in ("task_loop_count", "task_loop_result", "map_index"))

        @task
        def outer(x: int) -> list[object]:
            if context.get("task_loop_count", 1) < 3:
                raise LOOP(result=x)
            return [context.task_loop_count, context.map_index, inner(), inner.submit().result()]

        @flow
        def mapped() -> list[object]:
            return outer.map([7]).result()

        assert mapped() == [[3, 0, (None, None, None), (None, None, None)]]

    def test_a_flow_that_loops(self, records: Records) -> None:
        """Is told of it as a task is."""

        @flow
        def total() -> int:
            done = context.get("task_loop_result", 0)
            if context.get("task_loop_count", 1) < 4:
                raise LOOP(result=done + 2)
            return done

        assert total() == 6


class TestManyIterations:
    """A loop of very short iterations."""

    def test_only_the_last_results_are_kept(self, tmp_path: Path) -> None:
        """However many there were; one that is stopped goes on at the very last."""

        @task
        def count(to: int) -> int:
            done = context.get("task_loop_result", 0)
            if done == to:
                raise KeyboardInterrupt
            raise LOOP(result=done + 1)

        store = DiskStore(tmp_path / "store", namespace={"__name__": "__main__"}, key=KEY)
        with using(records_in(store, FakeTimers())) as records:
            with pytest.raises(KeyboardInterrupt):
                in_flow(count, 3000)
            (run, _) = records.history.runs()
            kept = kept_of(run.id, records)
        assert (kept.loop, kept.loop_result, kept.state.name) == (3001, 3000, "Cancelled")
        store.close()
