"""Pausing and going on: in all three ways, in this kernel and in another one."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, Task, context, task, unmapped
from nbflow.engine.signals import LOOP, PAUSE
from nbflow.engine.state import Resume, Success
from nbflow.exceptions import MissingParameterError, RunError
from nbflow.running.records import records_in, using
from nbflow.store.disk import open_store
from nbflow.testing import FakeClock, FakeTimers
from nbflow.triggers import manual_only
from tests.graphs import add, fails, inc, names, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbflow import State

calls: list[str] = []


@task
def raw(year: int):
    """What is expensive."""
    calls.append("raw")
    return [year, year + 1]


@task
def clean(rows: Any, by: int = 1):
    """What is expensive as well."""
    calls.append("clean")
    return [row * by for row in rows]


@task(trigger=manual_only)
def approve(rows: Any):
    """What a person decides."""
    calls.append("approve")
    return rows


@task
def publish(rows: Any, first: Any):
    """What comes after."""
    calls.append("publish")
    return rows, first, context.parameters["year"]


def build() -> Flow:
    """A flow that waits for approval; built anew in each kernel."""
    with Flow("etl") as flow:
        first = raw(Parameter("year"))
        approved = approve(clean(first))
        publish(approved, first)
        ok("beside")
    return flow


class Kernel:
    """A kernel over a store on disk, with a flow that is built anew in each.

    Args:
        folder: Where the store is.
        make: Builds the flow.
    """

    def __init__(self, folder: Path, make: Callable[[], Flow]) -> None:
        self.folder = folder
        self.make = make
        self.timers = FakeTimers(FakeClock())

    def start(self) -> Flow:
        """The flow in a new kernel."""
        self.store = open_store(self.folder)
        self.records = records_in(self.store, self.timers)
        self._using = using(self.records)
        self._using.__enter__()
        return self.make()

    def end(self) -> None:
        """What a kernel leaves is what it has written."""
        self._using.__exit__(None, None, None)
        self.store.close()

    def restart(self) -> Flow:
        """The flow in the next kernel."""
        self.end()
        return self.start()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Callable[[Callable[[], Flow]], Kernel]]:
    """Makes kernels; the last one is ended."""
    made: list[Kernel] = []
    calls.clear()

    def make(of: Callable[[], Flow]) -> Kernel:
        made.append(Kernel(tmp_path / "store", of))
        return made[-1]

    yield make
    made[-1].end()


def outcome(state: State) -> dict[str, Any]:
    """What each task has made."""
    return {each.name: found.result for each, found in state.result.items()}


DONE = {
    "year": 5,
    "raw": [5, 6],
    "clean": [5, 6],
    "approve": [5, 6],
    "publish": ([5, 6], [5, 6], 5),
    "ok": "beside",
}

WAYS: dict[str, Callable[[Flow], State]] = {
    "resume": lambda flow: flow.resume(),
    "resume a task": lambda flow: flow.resume("approve"),
    "start_tasks": lambda flow: flow.run(start_tasks=["approve"]),
    "Resume": lambda flow: flow.run(task_states={"approve": Resume()}),
}


class TestGoingOn:
    """A paused run goes on, in each way the same."""

    @pytest.mark.parametrize("way", WAYS)
    def test_in_the_same_kernel(self, way: str, kernel: Callable[..., Kernel]) -> None:
        """What has ended is not run again; what is below follows."""
        here = kernel(build)
        flow = here.start()
        state = flow.run(year=5)
        assert (state.name, calls) == ("Running", ["raw", "clean"])
        calls.clear()
        state = WAYS[way](flow)
        assert (state.name, calls) == ("Completed", ["approve", "publish"])
        assert outcome(state) == DONE

    @pytest.mark.parametrize("way", WAYS)
    def test_in_another_kernel(self, way: str, kernel: Callable[..., Kernel]) -> None:
        """The results that are needed come from the store, and so do the parameters."""
        here = kernel(build)
        here.start().run(year=5)
        calls.clear()
        state = WAYS[way](here.restart())
        assert (state.name, calls) == ("Completed", ["approve", "publish"])
        assert outcome(state) == {**DONE, "clean": [5, 6], "year": None, "ok": None}

    def test_the_runs_are_the_same(self, kernel: Callable[..., Kernel]) -> None:
        """Flow and task go on under their identifiers, in legal steps, owned by who runs them."""
        here = kernel(build)
        here.start().run(year=5)
        here.restart().resume()
        assert names(here.records, "etl") == [
            "Pending", "Running", "Paused", "Resuming", "Pending", "Running", "Completed",
        ]  # fmt: skip
        assert names(here.records, "approve") == [
            "Pending", "Paused", "Resuming", "Pending", "Running", "Completed",
        ]  # fmt: skip
        assert len([run for run in here.records.history.runs() if run.role == "flow"]) == 1

    def test_twice(self, kernel: Callable[..., Kernel]) -> None:
        """One decision after the other, each in a kernel of its own."""

        def two() -> Flow:
            with Flow("two") as flow:
                one = approve(ok([1]))
                clean(approve.with_options(name="second")(one), by=unneeded(one))
            return flow

        here = kernel(two)
        here.start().run()
        state = here.restart().resume()
        assert (state.name, calls) == ("Running", ["approve", "unneeded"])
        state = here.restart().resume()
        assert (state.name, calls) == ("Completed", ["approve", "unneeded", "approve", "clean"])
        assert outcome(state)["clean"] == [2]

    def test_one_of_two(self, kernel: Callable[..., Kernel]) -> None:
        """The other goes on waiting, and can go on later."""

        def both() -> Flow:
            with Flow("both") as flow:
                add(approve(ok(1)), approve.with_options(name="second")(ok(2)))
            return flow

        here = kernel(both)
        here.start().run()
        flow = here.restart()
        assert [each.name for each in flow.waiting_tasks()] == ["approve", "second"]
        state = flow.resume("approve")
        assert [each.name for each in flow.waiting_tasks()] == ["second"]
        assert [state.result[name].name for name in ("approve", "second", "add")] == [
            "Completed", "Paused", "Pending",
        ]  # fmt: skip
        state = here.restart().resume()
        assert (state.name, state.result["add"].value(), calls) == ("Completed", 3, ["approve", "approve"])
        assert flow.waiting_tasks() == ()

    def test_a_failure_beside_is_not_forgotten(self, kernel: Callable[..., Kernel]) -> None:
        """The flow fails in the end."""

        def beside() -> Flow:
            with Flow("beside") as flow:
                approve([]), fails()
            return flow

        here = kernel(beside)
        here.start().run()
        assert here.restart().resume().name == "Failed"

    def test_mapped_items(self, kernel: Callable[..., Kernel]) -> None:
        """Only the one that waits runs; what pairs with the others finds their results."""

        @task
        def third_asks(x):
            calls.append(f"asks {x}")
            if x == 3 and not context.get("resume"):
                raise PAUSE
            return x * 10

        def mapped() -> Flow:
            with Flow("mapped") as flow:
                before = inc.map([0, 2, 4])
                node = add.map(third_asks.map(before), before)
                task(sum)(node)
            return flow

        here = kernel(mapped)
        here.start().run()
        state = here.restart().resume()
        assert calls == ["asks 1", "asks 3", "asks 5", "asks 3"]
        assert state.result["sum"].value() == 11 + 33 + 55

    def test_what_cannot_be_stored_is_made_again(self, kernel: Callable[..., Kernel]) -> None:
        """With all that it needs itself."""

        @task
        def lock(rows):
            calls.append("lock")
            return threading.Lock(), rows

        @task
        def use(approved, made):
            return made[1]

        def odd_one() -> Flow:
            with Flow("odd") as flow:
                use(approve([0]), lock(clean([1])))
            return flow

        here = kernel(odd_one)
        here.start().run()
        calls.clear()
        state = here.restart().resume()
        assert (state.result["use"].value(), sorted(calls)) == ([1], ["approve", "clean", "lock"])

    def test_a_flow_that_has_changed(self, kernel: Callable[..., Kernel]) -> None:
        """New tasks run, those that are gone are forgotten."""
        grown: list[bool] = []

        def grows() -> Flow:
            with Flow("grows") as flow:
                node = approve(raw(1))
                if grown:
                    clean(node)
                else:
                    Task("gone").set_upstream(node)
            return flow

        here = kernel(grows)
        here.start().run()
        grown.append(True)
        state = here.restart().resume()
        assert (state.name, calls) == ("Completed", ["raw", "approve", "clean"])

    def test_a_secret_is_not_kept(self, kernel: Callable[..., Kernel]) -> None:
        """In another kernel it has to be given again; what was made of it is there."""

        @task(trigger=manual_only)
        def sends(rows, key):
            return len(rows), key

        def secret() -> Flow:
            with Flow("secret") as flow:
                sends(raw(Parameter("year")), Parameter("api_key"))
            return flow

        here = kernel(secret)
        here.start().run(year=5, api_key="s3cret")
        flow = here.restart()
        with pytest.raises(MissingParameterError, match="needs the parameter 'api_key'"):
            flow.resume()
        state = flow.resume(api_key="s3cret")
        assert (state.result["sends"].value(), calls) == ((2, "s3cret"), ["raw"])
        assert all(b"s3cret" not in path.read_bytes() for path in here.folder.rglob("*") if path.is_file())

    def test_nothing_waits(self, kernel: Callable[..., Kernel]) -> None:
        """It is said what to do instead."""
        here = kernel(build)
        flow = here.start()
        with pytest.raises(RunError, match="no run of flow 'etl' waits for a person; start one with run"):
            flow.resume()
        flow.run(year=5)
        with pytest.raises(RunError, match="task 'raw' does not wait"):
            flow.resume("raw")
        flow.resume()
        with pytest.raises(RunError, match="no run of flow 'etl' waits"):
            flow.resume()

    def test_a_new_run_does_not_touch_what_waits(self, kernel: Callable[..., Kernel]) -> None:
        """It is a run of its own, and the last one counts."""
        here = kernel(build)
        flow = here.start()
        flow.run(year=1)
        flow.run(year=5)
        assert outcome(flow.resume()) == DONE

    def test_what_does_not_wait_is_started_in_a_new_run(self, kernel: Callable[..., Kernel]) -> None:
        """The run that waits is left alone."""
        here = kernel(build)
        flow = here.start()
        flow.run(year=5)
        calls.clear()
        given = {"raw": Success(result=[1]), "approve": Success(result=[2])}
        state = flow.run(start_tasks=["clean"], task_states=given, year=7)
        assert (state.name, calls) == ("Running", ["clean"])

    @pytest.mark.process
    def test_after_a_kernel_that_died(self, tmp_path: Path) -> None:
        """A process runs up to the pause and is gone; another one goes on."""
        code = (
            "import os, sys\n"
            "from nbflow import Flow, Parameter, task\n"
            "from nbflow.triggers import manual_only\n"
            "@task\n"
            "def load(n):\n    print('load'); return list(range(n))\n"
            "@task(trigger=manual_only)\n"
            "def total(xs):\n    return sum(xs)\n"
            "with Flow('died') as f:\n    node = total(load(Parameter('n', default=4)))\n"
            "state = f.run(n=5) if sys.argv[1] == 'run' else f.resume()\n"
            "print(state.name, state.result[node].result, flush=True)\n"
            "os._exit(0)\n"
        )
        said = [
            subprocess.run(
                [sys.executable, "-c", code, word], cwd=tmp_path, capture_output=True, text=True, check=True
            ).stdout.split()
            for word in ("run", "resume")
        ]
        assert said == [["load", "Running", "None"], ["Completed", "10"]]


@task
def unneeded(x: Any):
    """Made once."""
    calls.append("unneeded")
    return 2


class TestPause:
    """PAUSE raised by a body."""

    def test_the_body_runs_again(self, kernel: Callable[..., Kernel]) -> None:
        """With its inputs, and a context that says so."""

        @task
        def asks(rows):
            calls.append("asks")
            if not context.get("resume"):
                raise PAUSE("look at it")
            return rows, context.task_run_count

        def flow() -> Flow:
            with Flow("asks") as built:
                asks(raw(3))
            return built

        here = kernel(flow)
        state = here.start().run()
        assert (state.result["asks"].message, calls) == ("look at it", ["raw", "asks"])
        state = here.restart().resume()
        assert (state.result["asks"].value(), calls) == (([3, 4], 1), ["raw", "asks", "asks"])

    def test_in_an_item_with_constants(self, kernel: Callable[..., Kernel]) -> None:
        """Each item asks for itself."""

        @task
        def asks(x, by):
            if not context.get("resume"):
                raise PAUSE
            return x * by

        def flow() -> Flow:
            with Flow("items") as built:
                asks.map([1, 2], unmapped(ok(10)))
            return built

        here = kernel(flow)
        assert [item.name for item in here.start().run().result["asks"].map_states] == ["Paused", "Paused"]
        assert here.restart().resume().result["asks"].value() == [10, 20]

    def test_in_a_loop(self, kernel: Callable[..., Kernel]) -> None:
        """The iteration that paused is the one that goes on, from what the one before has left."""

        @task
        def loops():
            count = context.get("task_loop_count", 1)
            calls.append(str(count))
            if count < 3:
                raise LOOP(result=count)
            if not context.get("resume"):
                raise PAUSE
            return count, context.task_loop_result

        def flow() -> Flow:
            with Flow("loop") as built:
                loops()
            return built

        here = kernel(flow)
        assert here.start().run().name == "Running"
        assert here.restart().resume().result["loops"].value() == (3, 2)
        assert calls == ["1", "2", "3", "3"]
