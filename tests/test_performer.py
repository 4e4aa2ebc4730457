"""Runs whose bodies execute elsewhere: nested, cancelled, limited, with their context."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, context, flow, task
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.testing import FakeTimers
from nbflow.triggers import all_finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.running.records import Records
    from nbflow.states import State

SOON = 0.01
LONG = 60.0
LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE", default="none")


@pytest.fixture
def records() -> Iterator[Records]:
    """Records in memory, by a clock that waits for nobody."""
    with using(records_in(MemoryStore(), FakeTimers())) as made:
        yield made


@pytest.fixture(params=[1, 2, 8])
def pool(request: pytest.FixtureRequest) -> ThreadPoolTaskRunner:
    """A pool of threads of any size, of one as well."""
    return ThreadPoolTaskRunner(max_workers=request.param)


def path(records: Records, name: str) -> list[str]:
    """The states of the only run of that name."""
    (run,) = [run for run in records.history.runs(limit=10**6) if run.name == name]
    return [transition.name for transition in records.history.transitions(run.id)]


def ends(records: Records) -> dict[str, str]:
    """Name of each run to the last state of it."""
    runs = records.history.runs(limit=10**6)
    return {run.name: records.history.transitions(run.id)[-1].name for run in runs}


@task
def one(x: int = 1) -> int:
    """Return what it is given."""
    return x


@task
def add(*numbers: int) -> int:
    """Add."""
    return sum(numbers)


@pytest.mark.usefixtures("records")
class TestNested:
    """Bodies that start runs of their own and wait for them, in a pool of any size."""

    def test_submitted_and_waited_for(self, pool: ThreadPoolTaskRunner) -> None:
        """As deep as it goes."""

        @task
        def tree(depth: int) -> int:
            if depth == 0:
                return 1
            return sum(tree.submit(depth - 1).result() for _ in range(2))

        @flow(task_runner=pool)
        def count() -> int:
            return tree.submit(4).result()

        assert count() == 16

    def test_all_at_once_and_then_waited_for(self, pool: ThreadPoolTaskRunner) -> None:
        """More than there are places."""

        @task
        def fan(width: int) -> int:
            futures = [one.submit(n) for n in range(width)]
            return sum(future.result() for future in futures)

        @flow(task_runner=pool)
        def count() -> int:
            return sum(future.result() for future in [fan.submit(n) for n in range(10)])

        assert count() == sum(sum(range(n)) for n in range(10))

    def test_a_direct_call_that_waits_for_a_submitted_one(self, pool: ThreadPoolTaskRunner) -> None:
        """It is not the body itself that waits."""

        @task
        def outer() -> int:
            return add(one.submit(1), one.submit(2))

        @flow(task_runner=pool)
        def count() -> int:
            return outer.submit().result()

        assert count() == 3

    def test_a_task_that_yields(self, pool: ThreadPoolTaskRunner) -> None:
        """It waits for its argument as any other."""

        @task
        def upto(n: int) -> Any:
            yield from range(n)

        @task
        def outer() -> list[int]:
            return list(upto(one.submit(3)))

        @flow(task_runner=pool)
        def count() -> list[int]:
            return outer.submit().result()

        assert count() == [0, 1, 2]

    def test_a_map_in_a_body(self, pool: ThreadPoolTaskRunner) -> None:
        """Its items take the place of the body."""

        @task
        def outer() -> int:
            return sum(one.map([1, 2, 3]).result())

        @flow(task_runner=pool)
        def count() -> int:
            return outer.submit().result()

        assert count() == 6

    def test_a_graph_in_a_body(self, pool: ThreadPoolTaskRunner) -> None:
        """A flow that runs in the same pool."""
        with Flow("inner", task_runner=pool) as inner:
            total = add(one(1), one(2))

        @task
        def outer() -> int:
            return inner.run().result[total].result

        @flow(task_runner=pool)
        def count() -> int:
            return outer.submit().result()

        assert count() == 3

    def test_a_flow_in_a_body(self, pool: ThreadPoolTaskRunner) -> None:
        """It waits for what it has submitted."""

        @flow(task_runner=pool)
        def inner() -> int:
            return sum(future.result() for future in [one.submit(n) for n in range(5)])

        @task
        def outer() -> int:
            return inner()

        @flow(task_runner=pool)
        def count() -> int:
            return outer.submit().result()

        assert count() == 10

    def test_bodies_that_await(self, pool: ThreadPoolTaskRunner) -> None:
        """Several things at a time, one of them through a call."""

        @task
        async def awaiting(x: int) -> int:
            return x

        async def value(future: Any) -> int:
            return await future

        @task
        async def outer() -> int:
            first, second = await asyncio.gather(value(one.submit(1)), value(one.submit(2)))
            return first + second + await awaiting(one.submit(3))

        @flow(task_runner=pool)
        def count() -> int:
            return outer.submit().result()

        assert count() == 6

    def test_a_runner_serves_many_flows(self, pool: ThreadPoolTaskRunner) -> None:
        """One after the other."""

        @flow(task_runner=pool)
        def count(n: int) -> int:
            return sum(one.map(range(n)).result())

        assert [count(n) for n in (3, 4)] == [3, 6]


class TestContext:
    """Bodies see the context variables of whoever called."""

    @pytest.mark.usefixtures("records")
    def test_in_threads(self, pool: ThreadPoolTaskRunner) -> None:
        """Those of nbflow and the user's, in tasks that await as well, and again when tried again."""
        tries: list[str] = []

        @task(retries=1)
        def plain() -> tuple[str, str]:
            tries.append(LANGUAGE.get())
            if len(tries) == 1:
                raise ValueError
            return LANGUAGE.get(), context.flow_name

        @task
        async def awaiting() -> tuple[str, str]:
            return LANGUAGE.get(), context.flow_name

        @flow(task_runner=pool, name="speaking")
        def speaking() -> list[Any]:
            LANGUAGE.set("German")
            futures = [plain.submit(), awaiting.submit()]
            LANGUAGE.set("French")
            return [future.result() for future in futures]

        assert speaking() == [("German", "speaking")] * 2
        assert tries == ["German", "German"]

    @pytest.mark.usefixtures("records")
    def test_in_an_event_loop(self) -> None:
        """Also in another attempt, which somebody else brings about."""
        seen: list[str] = []

        @task(retries=1, retry_delay=0.001)
        async def awaiting() -> str:
            seen.append(LANGUAGE.get())
            if len(seen) == 1:
                raise ValueError
            return LANGUAGE.get()

        @flow
        async def speaking() -> str:
            LANGUAGE.set("German")
            return await awaiting()

        with using(records_in(MemoryStore())):
            assert asyncio.run(speaking()) == "German"
        assert seen == ["German", "German"]


class TestLimit:
    """A limit in threads."""

    def test_the_run_is_timed_out_and_the_flow_goes_on(self, records: Records) -> None:
        """The state says how firmly, and what was started in the body is stopped."""
        gate, begun = threading.Event(), threading.Event()
        late: list[State] = []

        @task
        def child() -> None:
            begun.set()
            gate.wait(LONG)

        @task(timeout=SOON)
        def slow() -> None:
            waiting = child.submit()
            begun.wait(LONG)
            gate.wait(LONG)
            late.append(waiting.state)
            late.append(one(5, return_state=True))
            gate.clear()
            done.set()

        done = threading.Event()

        @flow(task_runner=ThreadPoolTaskRunner())
        def limited() -> str:
            future = slow.submit()
            future.wait()
            return future.state

        state = limited(return_state=True)
        assert (state.name, state.details["enforced"]) == ("TimedOut", "abandoned")
        assert ends(records) == {"limited": "TimedOut", "slow": "TimedOut", "child": "Cancelled"}
        gate.set()
        assert done.wait(LONG)
        assert [each.name for each in late] == ["Cancelled", "Cancelled"]
        assert path(records, "one") == ["Pending", "Cancelled"]

    def test_a_pool_of_one_tries_again(self, records: Records) -> None:
        """Though the first attempt still has its thread."""
        gate = threading.Event()
        tries: list[int] = []

        @task(timeout=SOON, retries=1)
        def slow() -> int:
            tries.append(1)
            if len(tries) == 1:
                gate.wait(LONG)
            return len(tries)

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
        def limited() -> int:
            return slow.submit().result()

        assert limited() == 2
        gate.set()
        assert path(records, "slow") == ["Pending", "Running", "Retrying", "Completed"]

    @pytest.mark.parametrize("build", ["graph", "function"])
    @pytest.mark.usefixtures("records")
    def test_a_flow_that_waits_for_threads(self, build: str) -> None:
        """Is interrupted at its limit, and so is what it waits for."""
        gate = threading.Event()

        @task
        def slow() -> None:
            gate.wait(LONG)

        @flow(timeout=SOON, task_runner=ThreadPoolTaskRunner())
        def function() -> None:
            slow.submit().result()

        with Flow("graph", timeout=SOON, task_runner=ThreadPoolTaskRunner()) as graph:
            slow()

        state = graph.run() if build == "graph" else function(return_state=True)
        gate.set()
        assert (state.name, state.details["enforced"]) == ("TimedOut", "firm")

    def test_what_is_not_firm_is_said_once(self, records: Records, caplog: pytest.LogCaptureFixture) -> None:
        """When the task first starts, with the runner that could."""

        @task(timeout=LONG)
        def quick() -> int:
            return 7

        @flow(task_runner=ThreadPoolTaskRunner())
        def twice() -> list[int]:
            return [quick.submit().result(), quick.submit().result(), quick()]

        with caplog.at_level(logging.WARNING, "nbflow"):
            assert twice() == [7, 7, 7]
        assert [record.getMessage() for record in caplog.records] == [
            "runner 'thread' can only softly enforce the limit of 60 s of task 'quick' here; "
            "runner='process' can"
        ]


class TestStopped:
    """A run that is stopped takes along what it has started, and nothing new starts."""

    def test_children_are_stopped_with_their_parent(self, records: Records) -> None:
        """However deep, running or waiting for a place, and they end before it."""
        gate, begun, submitted = threading.Event(), threading.Event(), threading.Event()

        @task
        def leaf() -> None:
            begun.set()
            gate.wait(LONG)

        @task
        def middle() -> None:
            leaf()

        @task
        def root() -> None:
            futures = [middle.submit(), one.submit(2)]
            submitted.set()
            for future in futures:
                future.wait()

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
        def stopped() -> str:
            future = root.submit()
            begun.wait(LONG)
            submitted.wait(LONG)
            future.cancel("enough")
            assert future.done()
            return future.state.name

        assert stopped() == "Cancelled"
        assert ends(records) == {
            "stopped": "Completed",
            "root": "Cancelled",
            "middle": "Cancelled",
            "leaf": "Cancelled",
            "one": "Cancelled",
        }
        order = [t for run in records.history.runs() for t in records.history.transitions(run.id)]
        last = [t.run for t in sorted(order, key=lambda t: t.seq) if t.name == "Cancelled"]
        names = {run.id: run.name for run in records.history.runs()}
        assert [names[run] for run in last][-1] == "root"
        gate.set()

    def test_nothing_begins_below_a_stopped_one(self, records: Records) -> None:
        """Whatever its trigger says: the stop of one run lets no other begin."""
        gate, begun, submitted = threading.Event(), threading.Event(), threading.Event()

        @task
        def first() -> None:
            begun.set()
            gate.wait(LONG)

        @task(trigger=all_finished)
        def cleanup() -> None:
            pytest.fail("it must not begin")

        @task
        def outer() -> None:
            future = first.submit()
            cleanup.submit(wait_for=[future])
            cleanup.with_options(name="again").submit(wait_for=[future])
            submitted.set()

        @flow(task_runner=ThreadPoolTaskRunner())
        def stopped() -> None:
            future = outer.submit()
            begun.wait(LONG)
            submitted.wait(LONG)
            future.cancel("enough")

        stopped()
        gate.set()
        assert path(records, "cleanup") == path(records, "again") == ["Pending", "Cancelled"]

    def test_a_graph_is_stopped_as_a_whole(self, records: Records) -> None:
        """From within another flow; what has not begun by then has no run."""
        gate, begun = threading.Event(), threading.Event()

        @task
        def first() -> None:
            begun.set()
            gate.wait(LONG)

        @task(trigger=all_finished)
        def cleanup(x: object) -> None:
            pytest.fail("it must not begin")

        with Flow("inner", task_runner=ThreadPoolTaskRunner()) as inner:
            cleanup(cleanup.with_options(name="again")(first()))

        @task
        def outer() -> None:
            inner.run()

        @flow(task_runner=ThreadPoolTaskRunner())
        def stopped() -> None:
            future = outer.submit()
            begun.wait(LONG)
            future.cancel("enough")

        stopped()
        gate.set()
        expected = dict.fromkeys(("first", "inner", "outer"), "Cancelled")
        assert ends(records) == {**expected, "stopped": "Completed"}

    def test_a_flow_that_fails_stops_what_it_has_submitted(self, records: Records) -> None:
        """And ends after it."""
        gate, begun = threading.Event(), threading.Event()

        @task
        def slow() -> None:
            begun.set()
            gate.wait(LONG)

        @flow(task_runner=ThreadPoolTaskRunner())
        def failing() -> None:
            slow.submit()
            begun.wait(LONG)
            raise ValueError("no file")

        with pytest.raises(ValueError, match="no file"):
            failing()
        gate.set()
        assert ends(records) == {"failing": "Failed", "slow": "Cancelled"}

    def test_an_asynchronous_flow(self, records: Records) -> None:
        """Whoever cancels it waits until all have cleaned up."""
        log: list[str] = []

        @task
        async def inner() -> None:
            try:
                await asyncio.sleep(LONG)
            finally:
                await asyncio.sleep(0)
                log.append("cleaned")

        @flow
        async def outer() -> None:
            await asyncio.gather(inner(), inner.with_options(name="other")())

        async def main() -> None:
            running = asyncio.ensure_future(outer())
            while len(records.history.runs()) < 3:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            log.append("over")

        asyncio.run(main())
        assert log == ["cleaned", "cleaned", "over"]
        assert ends(records) == dict.fromkeys(("outer", "inner", "other"), "Cancelled")

    def test_who_awaits_a_future_and_is_cancelled(self, records: Records) -> None:
        """Does not cancel the run."""
        gate = threading.Event()

        @task
        def slow() -> int:
            gate.wait(LONG)
            return 7

        @flow(task_runner=ThreadPoolTaskRunner())
        async def waiting() -> int:
            future = slow.submit()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(future, SOON)
            gate.set()
            return await future

        assert asyncio.run(waiting()) == 7
        assert ends(records) == {"waiting": "Completed", "slow": "Completed"}


class TestCallbacks:
    """What is called when a future is done."""

    @pytest.mark.usefixtures("records")
    def test_one_that_raises(self, caplog: pytest.LogCaptureFixture) -> None:
        """Is logged; the others are called, and those below begin."""
        called: list[str] = []

        @flow(task_runner=ThreadPoolTaskRunner())
        def calling() -> int:
            future = one.submit(1)
            future.add_done_callback(lambda _: {}["missing"])
            future.add_done_callback(lambda done: called.append(done.name))
            return add.submit(future, 1).result()

        assert calling() == 2
        assert called == ["one"]
        assert "a callback of one raised" in caplog.text


class TestInterrupted:
    """A body that raises what Stop raises."""

    def test_inline_it_ends_the_flow(self, records: Records) -> None:
        """As the Stop button does: what comes after it does not begin."""

        @task
        def pressed() -> None:
            raise KeyboardInterrupt

        with Flow("graph", task_runner=InlineTaskRunner()) as graph:
            add(one(pressed()))
        with pytest.raises(KeyboardInterrupt):
            graph.run()
        assert ends(records) == dict.fromkeys(("graph", "pressed"), "Cancelled")

    def test_in_a_thread_it_ends_that_run(self, records: Records) -> None:
        """Stop is no matter of threads; the flow goes on."""

        @task
        def pressed() -> None:
            raise KeyboardInterrupt

        @flow(task_runner=ThreadPoolTaskRunner())
        def going_on() -> list[str]:
            futures = [pressed.submit(), one.submit(1)]
            for future in futures:
                future.wait()
            return [future.state.name for future in futures]

        assert going_on() == ["Cancelled", "Completed"]
