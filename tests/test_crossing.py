"""Tasks of flows in worker processes: results, states, context, log and limits are those of any other run."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, State, Task, context, flow, task, unmapped
from nbflow.engine.signals import LOOP, SKIP
from nbflow.exceptions import WorkerError
from nbflow.logging import get_run_logger
from nbflow.task_runners import ProcessPoolTaskRunner
from nbflow.testing import Notebook
from tests.crossed import inner, place, times
from tests.graphs import in_memory
from tests.pools import POOL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbflow.running.records import Records

pytestmark = pytest.mark.process

HERE = os.getpid()


@pytest.fixture(autouse=True)
def records() -> Iterator[Records]:
    """Records of its own."""
    with in_memory() as made:
        yield made


def in_flow(body: Any) -> Any:
    """What a flow makes whose tasks run in processes."""
    return flow(body, task_runner=POOL)()


def ended(body: Any, *arguments: Any, **options: Any) -> State:
    """How a task ends that a flow submits to a process."""
    body.__name__ = options.get("name", "body")  # a task needs one that can be written
    found: list[State] = []
    in_flow(lambda: found.append(task(body, **options).submit(*arguments, return_state=True)))
    return found[0]


class TestWhere:
    """What is submitted runs in a process; what is called runs where it is called."""

    def test_submitted(self) -> None:
        """And mapped; results come back as they are."""
        assert in_flow(lambda: place.submit().result()) != HERE
        assert in_flow(lambda: times.map([1, 2], by=unmapped(5)).result()) == [5, 10]
        assert in_flow(place) == HERE

    def test_a_graph(self) -> None:
        """Of Prefect 1: the word of a run counts."""
        with Flow("graph") as graph:
            where, product = place(), times(times(2))
        state = graph.run(executor=POOL)
        assert state.result[where].result != HERE
        assert state.result[product].result == 18

    def test_by_its_name(self) -> None:
        """As a setting of the flow, or of one task."""
        named = flow(lambda: place.submit().result(), task_runner="process")
        own = flow(lambda: place.with_options(runner=POOL).submit().result())
        assert HERE not in (named(), own())

    def test_bodies_of_all_sorts(self) -> None:
        """Classes, functions that await, and generators."""

        class Add(Task):
            def run(self, x: int, y: int = 1) -> int:
                return x + y

        async def awaits(x: int) -> int:
            return x + 1

        def yields() -> Iterator[int]:
            yield 1
            yield 2

        def body() -> Any:
            made = Add(name="plus").submit(3), task(awaits).submit(1), task(yields).submit()
            return [each.result() for each in made]

        assert in_flow(body) == [4, 2, [1, 2]]


class TestStates:
    """They are decided here."""

    def test_retries(self, records: Records) -> None:
        """Count across workers; a body knows which attempt it is."""

        def unsteady() -> int:
            if context.task_run_count < 3:
                raise OSError("not yet")
            return context.task_run_count

        state = ended(unsteady, retries=2)
        assert state.result == 3

    def test_signals(self) -> None:
        """Skip, and LOOP with what the iteration before left."""

        def skips() -> None:
            raise SKIP("nothing to do")

        def loops() -> int:
            number = context.get("task_loop_result", 1)
            if number < 8:
                raise LOOP(result=number * 2)
            return number

        assert ended(skips).name == "Skipped"
        assert ended(loops).result == 8

    def test_a_limit(self) -> None:
        """Is hard."""
        state = ended(lambda: threading.Event().wait(60), name="slow", timeout_seconds=0.05)
        assert (state.name, state.details["enforced"]) == ("TimedOut", "hard")

    def test_a_worker_that_dies(self) -> None:
        """Is tried again once, with a new one; then the run has crashed."""
        state = ended(lambda: os._exit(4), name="dies")
        assert state.name == "Crashed"
        assert "its process ended with exit code 4 before the body did" in state.message

    def test_an_argument_that_cannot_be_sent(self) -> None:
        """Fails, by its name, with what to do."""
        state = ended(lambda lock: None, threading.Lock(), name="waits")
        assert isinstance(state.result, WorkerError)
        said = str(state.result)
        assert said.startswith("the argument 'lock' of 'waits' cannot be sent to a worker (TypeError")
        assert said.endswith("make it in the body, or use the runner thread")

    def test_code_that_cannot_be_sent(self) -> None:
        """Says so as well."""
        lock = threading.Lock()
        state = ended(lambda: lock, name="holds")
        assert str(state.result).startswith("the code of 'holds' cannot be sent to a worker")

    def test_hooks_and_what_they_hold_stay_here(self) -> None:
        """Options concern the kernel alone."""
        seen: list[str] = []
        lock = threading.Lock()

        def note(run: Any, state: State) -> None:
            with lock:
                seen.append(state.name)

        ended(lambda: 1, on_completion=[lambda task, run, state: note(run, state)])
        assert seen == ["Completed"]


class TestContext:
    """A body sees `nbflow.context`."""

    def test_its_run_and_its_flow(self) -> None:
        """And what was added around."""

        def look() -> Any:
            return context.task_name, context.flow_name, context.parameters["year"], context.key

        def body(year: int = 2013) -> Any:
            with context(key="abc"):
                return task(look).submit().result()

        assert flow(body, name="report", task_runner=POOL)() == ("look", "report", 2013, "abc")

    def test_what_cannot_be_sent_is_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        """And named in the log."""

        def look() -> Any:
            return "lock" in context, context.key

        def body(lock: Any) -> Any:
            with context(key="abc", lock=lock):
                return task(look).submit().result()

        assert flow(body, task_runner=POOL, validate_parameters=False)(threading.Lock()) == (False, "abc")
        assert "workers do not see 'lock' of nbflow.context" in caplog.text


class TestLog:
    """What a body says belongs to its run."""

    def test_prints_and_messages(self, caplog: pytest.LogCaptureFixture) -> None:
        """With its name, as if it ran here."""
        caplog.set_level("INFO", "nbflow.task_runs")

        def talk() -> None:
            print("printed")
            get_run_logger().info("logged %s", 7)

        ended(talk, name="talk", log_prints=True)
        told = [(record.getMessage(), vars(record)["run_name"]) for record in caplog.records]
        assert told == [("printed", "talk"), ("logged 7", "talk")]

    def test_prints_as_ever(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Go to the stream."""
        ended(lambda: print("as ever"), name="prints")
        assert capsys.readouterr().out == "as ever\n"


class TestWithin:
    """Tasks that a body calls or submits run in its worker; their states are kept here."""

    def test_they_never_wait_for_a_worker(self, records: Records) -> None:
        """In a pool of one."""

        def outer() -> Any:
            futures = [inner.submit(x) for x in range(2)]
            return [future.result() for future in futures], inner(7), os.getpid() != HERE

        with ProcessPoolTaskRunner(max_workers=1) as runner:
            nested = flow(lambda: task(outer).submit().result(), task_runner=runner)
            assert nested() == ([0, 1], 7, True)
        runs = [run for run in records.history.runs() if run.name == "inner"]
        (parent,) = (run.id for run in records.history.runs() if run.name == "outer")
        assert [run.parent for run in runs] == [parent] * 3
        for run in runs:
            states = [each.name for each in records.history.transitions(run.id)]
            assert states == ["Pending", "Running", "Completed"]

    def test_one_that_fails(self, records: Records, caplog: pytest.LogCaptureFixture) -> None:
        """Is kept and told of as well."""

        def outer() -> Any:
            return inner.submit(2, return_state=True).name

        assert ended(outer).result == "Failed"
        (run,) = (run for run in records.history.runs() if run.name == "inner")
        assert [each.name for each in records.history.transitions(run.id)][-1] == "Failed"
        assert "Task run 'inner' failed: ValueError: two" in caplog.text


class TestNeverStale:
    """What a worker reads, nobody in the kernel sees."""

    def test_a_cell_that_calls_such_a_flow_is_never_called_fresh(self, tmp_path: Path) -> None:
        """It is as of what its tasks have read, and says so."""
        path = tmp_path / "rows.txt"
        path.write_text("3")
        notebook = Notebook()
        notebook.add("from tests.crossed import reading\nfrom tests.pools import POOL", plain=True)
        notebook.add(f"path = {str(path)!r}", plain=True)
        there = notebook.add("rows = reading.with_options(task_runner=POOL)(path)")
        here = notebook.add("same = reading.with_options(task_runner='inline')(path)")
        notebook.run_all()
        assert (notebook.names["rows"], notebook.names["same"]) == ("3", "3")
        assert notebook.verdict(there).value == "as of"
        assert (notebook.verdict(here).value, notebook.why(here)) == ("fresh", ())
        trace = notebook.book.steps[there].trace
        assert trace is not None
        assert trace.unknowns == ("runs in a worker, where nobody sees which files it reads",)
