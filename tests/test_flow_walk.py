"""The walk through a graph: its order, in this thread and in others, and how it is stopped."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Task, task
from nbflow.engine.signals import PAUSE, RETRY
from nbflow.exceptions import OptionError
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.triggers import always_run
from tests.graphs import in_memory, inc, names, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.running.records import Records

RUNNERS = [None, ThreadPoolTaskRunner(1), ThreadPoolTaskRunner(3)]


@pytest.fixture(name="records", autouse=True)
def _records() -> Iterator[Records]:
    with in_memory() as records:
        yield records


class TestOrder:
    """A task begins when what it needs has ended."""

    def test_as_written(self) -> None:
        """Where nothing else is said, in this thread."""
        order: list[str] = []

        @task
        def notes(name, *before):
            order.append(name)

        with Flow("written") as flow:
            one = notes("one")
            two = notes("two")
            notes("three", one)
            notes("four", two)
        flow.run()
        assert order == ["one", "two", "three", "four"]

    @pytest.mark.parametrize("runner", RUNNERS, ids=["inline", "one", "three"])
    def test_nothing_begins_before_what_it_needs_has_ended(self, runner: Any) -> None:
        """In a lattice of 200."""
        ended: set[int] = set()
        early: list[int] = []

        @task
        def step(number, *needs):
            early.extend(each for each in needs if each not in ended)
            ended.add(number)
            return number

        with Flow("lattice") as flow:
            made: list[Task] = []
            for number in range(200):
                made.append(step(number, *[made[number - back] for back in (1, 7, 30) if number >= back]))
        state = flow.run(task_runner=runner)
        assert (state.name, early, len(ended)) == ("Completed", [], 200)
        assert [state.result[each].value() for each in made] == list(range(200))

    @pytest.mark.parametrize("runner", RUNNERS, ids=["inline", "one", "three"])
    def test_a_long_chain_needs_no_deep_stack(self, runner: Any) -> None:
        """Thousands of tasks, each below the one before."""
        with Flow("chain") as flow:
            node = ok(0)
            for _ in range(2_000):
                node = inc(node)
        assert flow.run(task_runner=runner).result[node].value() == 2_000

    def test_what_can_go_on_goes_on(self) -> None:
        """While one waits for a time, others run; who needs it comes later."""
        order: list[str] = []

        @task
        def later():
            order.append("later")
            if order.count("later") == 1:
                raise RETRY(start_time=2e9)
            return 1

        with Flow("waits") as flow:
            node = inc(later())
            ok()
        assert flow.run(task_runner=ThreadPoolTaskRunner(2)).result[node].value() == 2

    def test_what_is_below_one_that_waits_does_not_begin(self, records: Records) -> None:
        """However far below; it has no run yet."""

        @task
        def asks():
            raise PAUSE

        with Flow("below") as flow:
            node = inc(inc(asks()))
            last = ok.with_options(trigger=always_run)(upstream_tasks=[node])
        state = flow.run()
        assert (state.result[last].name, state.result[last].message) == (
            "Pending", "waits for 'inc', which is Pending",
        )  # fmt: skip
        assert {run.name for run in records.history.runs()} == {"below", "asks"}

    def test_a_runner_of_the_flow(self) -> None:
        """Where its tasks execute."""

        @task
        def where():
            return threading.current_thread() is threading.main_thread()

        with Flow("where", task_runner=ThreadPoolTaskRunner(1)) as flow:
            node = where()
        assert flow.run().result[node].value() is False
        with Flow("here") as flow:
            node = where()
        assert flow.run().result[node].value() is True
        assert flow.run(task_runner=ThreadPoolTaskRunner).result[node].value() is False
        assert flow.run(task_runner="thread").result[node].value() is False
        with pytest.raises(OptionError, match="unknown runner 'threads'"):
            flow.run(task_runner="threads")


class TestBodies:
    """What tasks may be, wherever they execute."""

    @pytest.mark.parametrize("runner", RUNNERS, ids=["inline", "one", "three"])
    def test_asynchronous_ones_and_generators(self, runner: Any) -> None:
        """They pass on what they make."""

        @task
        async def later(x):
            await asyncio.sleep(0)
            return x + 1

        @task
        def counts(n):
            yield from range(n)

        with Flow("bodies") as flow:
            node = counts(later(later(1)))
            items = later.map(node)
        states = flow.run(task_runner=runner).result
        assert (states[node].value(), states[items].value()) == ([0, 1, 2], [1, 2, 3])

    def test_a_flow_within_a_task_on_the_same_workers(self) -> None:
        """Who waits gives its place up."""
        pool = ThreadPoolTaskRunner(1)

        @task
        def inner():
            with Flow("inner", task_runner=pool) as flow:
                node = inc(ok(1))
            return flow.run().result[node].value()

        with Flow("outer", task_runner=pool) as flow:
            nodes = [inner(), inner()]
        states = flow.run().result
        assert [states[node].value() for node in nodes] == [2, 2]


class TestStop:
    """An interrupt of the user's."""

    def test_nothing_new_begins(self, records: Records) -> None:
        """Not even what always runs; every run ends in a legal state, and the interrupt goes on."""
        ran: list[str] = []

        @task
        def pressed():
            raise KeyboardInterrupt

        with Flow("stopped") as flow:
            task(trigger=always_run)(ran.append)("cleans", upstream_tasks=[pressed()])
        with pytest.raises(KeyboardInterrupt):
            flow.run()
        assert ran == []
        assert (names(records, "stopped")[-1], names(records, "pressed")[-1]) == ("Cancelled", "Cancelled")

    def test_while_tasks_run_in_threads(self, records: Records) -> None:
        """They are cancelled; what would have come after them does not begin."""
        ran: list[str] = []
        stopped = threading.Event()

        @task(on_cancellation=[lambda *_: stopped.set()])
        def presses():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            stopped.wait(20)

        with Flow("stopped") as flow:
            task(trigger=always_run)(ran.append)("cleans", upstream_tasks=[presses()])
        with pytest.raises(KeyboardInterrupt):
            flow.run(task_runner=ThreadPoolTaskRunner(2))
        assert (stopped.is_set(), ran) == (True, [])
        assert (names(records, "stopped")[-1], names(records, "presses")[-1]) == ("Cancelled", "Cancelled")

    def test_of_a_mapped_item(self, records: Records) -> None:
        """The items after it do not begin."""
        ran: list[int] = []

        @task
        def second(x):
            ran.append(x)
            if x == 2:
                raise KeyboardInterrupt

        with Flow("items") as flow:
            second.map([1, 2, 3])
        with pytest.raises(KeyboardInterrupt):
            flow.run()
        assert ran == [1, 2]
        assert [names(records, name)[-1] for name in ("second[0]", "second[1]", "second")] == [
            "Completed", "Cancelled", "Cancelled",
        ]  # fmt: skip
