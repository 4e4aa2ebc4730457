"""Tasks and flows that are generators: their values come one by one, or all together from a future."""

from __future__ import annotations

import asyncio
import gc
import inspect
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, context, flow, get_run_logger, task
from nbflow.engine import signals
from nbflow.exceptions import TaskFailedError, TaskTimeoutError
from nbflow.running.records import records_in, using
from nbflow.running.scope import SETTING
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


@task
def count(n):
    """Yield the first numbers; return how many."""
    yield from range(n)
    return n


@task
async def count_async(n) -> AsyncIterator[int]:
    """Do the same, awaiting."""
    for each in range(n):
        await asyncio.sleep(0)
        yield each


def last_run(of: Any) -> list[str]:
    """The names of the states of the first task run in the last run of a flow."""
    (run,) = of.runs(limit=1)
    return [state.name for state in run.children()[0].states]


class TestSteps:
    """A call gives a generator; the run goes on as its values are asked for."""

    def test_it_gives_its_values(self) -> None:
        """Outside of a flow as well."""
        assert inspect.isgenerator(count(1))
        assert list(count(3)) == [0, 1, 2]

    def test_it_begins_with_the_first_value(self) -> None:
        """And completes when there is none left; what it returns is the value of `yield from`."""
        seen: list[Any] = []

        @task(
            on_running=[lambda *_: seen.append("began")], on_completion=[lambda *_: seen.append("completed")]
        )
        def two():
            yield 1
            yield 2
            return 3

        @flow
        def steps():
            numbers = two()
            seen.append("called")
            seen.extend(numbers)

            def whole():
                seen.append((yield from two()))

            list(whole())

        steps()
        assert seen == ["called", "began", 1, 2, "completed", "began", "completed", 3]
        assert last_run(steps) == ["Pending", "Running", "Completed"]

    def test_arguments_are_taken_at_once(self) -> None:
        """Those that do not fit raise in the call; results to come are waited for at the first value."""
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            count()

        @task
        def three():
            return 3

        @flow
        def steps():
            return list(count(three.submit()))

        assert steps() == [0, 1, 2]

    def test_what_is_sent_arrives(self) -> None:
        """And what is thrown can be caught."""

        @task
        def talks():
            heard = []
            while len(heard) < 3:
                try:
                    heard.append((yield len(heard)))
                except KeyError:
                    heard.append("caught")
            yield heard

        @flow
        def steps():
            talk = talks()
            return next(talk), talk.send("a"), talk.throw(KeyError("k")), talk.send("b")

        assert steps() == (0, 1, 2, ["a", "caught", "b"])

    @pytest.mark.parametrize("close", [lambda steps: steps.close(), lambda steps: gc.collect()])
    def test_closed_early_it_completes(self, close: Any) -> None:
        """Its body is closed, as that of any generator."""
        closed: list[str] = []

        @task
        def endless():
            try:
                while True:
                    yield 1
            finally:
                closed.append("closed")

        @flow
        def steps():
            numbers = endless()
            next(numbers)
            close(numbers)
            del numbers

        steps()
        assert closed == ["closed"]
        assert last_run(steps) == ["Pending", "Running", "Completed"]

    def test_what_outlives_its_flow_is_cancelled(self) -> None:
        """Before the flow ends, which does not wait for a last value."""

        @task
        def endless():
            while True:
                yield 1

        @flow
        def leaves():
            numbers = endless()
            next(numbers)
            return {"numbers": numbers}

        numbers = leaves()["numbers"]
        assert last_run(leaves) == ["Pending", "Running", "Cancelling", "Cancelled"]
        with pytest.raises(TaskFailedError, match="nobody has asked for its last value"):
            next(numbers)

    def test_a_failure_is_raised_where_it_happens(self) -> None:
        """After the values before it."""

        @task
        def breaks():
            yield 1
            raise ValueError("no")

        @flow
        def steps():
            numbers = breaks()
            first = next(numbers)
            with pytest.raises(ValueError, match="no"):
                next(numbers)
            return first, list(numbers)

        assert steps() == (1, [])
        assert last_run(steps) == ["Pending", "Running", "Failed"]

    def test_a_retry_yields_from_the_start(self) -> None:
        """After its delay."""
        attempts: list[int] = []

        @task(retries=1, retry_delay_seconds=30)
        def flaky():
            attempts.append(1)
            yield "first"
            if len(attempts) == 1:
                raise OSError("away")
            yield "last"

        @flow
        def steps():
            return list(flaky())

        assert steps() == ["first", "first", "last"]
        assert last_run(steps) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]

    def test_a_signal_is_obeyed(self) -> None:
        """From within a step."""

        @task
        def skips():
            yield 1
            raise signals.SKIP("enough")

        @flow
        def steps():
            return list(skips())

        assert steps() == [1]
        assert last_run(steps)[-1] == "Skipped"

    def test_an_interrupt_cancels_it(self) -> None:
        """Within a step, and it is raised again."""

        @task
        def stopped():
            yield 1
            raise KeyboardInterrupt

        @flow
        def steps():
            return list(stopped())

        with pytest.raises(KeyboardInterrupt):
            steps()
        assert last_run(steps) == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_stopped_between_two_values_it_goes_no_further(self) -> None:
        """Its body is closed, and whoever asks for the next value is told."""
        closed: list[str] = []

        @task
        def endless():
            try:
                while True:
                    yield 1
            finally:
                closed.append("closed")

        @flow
        def steps():
            numbers = endless()
            next(numbers)
            for future in list(SETTING.get().open):  # pyright: ignore
                future.cancel("enough")
            with pytest.raises(TaskFailedError, match="the run ended Cancelled: enough"):
                next(numbers)

        steps()
        assert closed == ["closed"]
        assert last_run(steps) == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_the_limit_counts_its_own_time(self) -> None:
        """What the caller does between two values is not its time."""

        @task(timeout_seconds=0.05)
        def spins():
            yield 1
            while True:
                pass

        @flow
        def steps():
            numbers = spins()
            next(numbers)
            with pytest.raises(TaskTimeoutError):
                next(numbers)

        steps()
        assert last_run(steps)[-1] == "TimedOut"

    def test_the_body_has_its_own_context(self) -> None:
        """In each step; its caller keeps his."""

        @task(task_run_name="from {n}")
        def seen(n):
            while True:
                get_run_logger()
                yield context.task_run_name, context.get("here")

        @flow
        def steps():
            one, two = seen(1), seen(2)
            with context(here=True):
                return next(one), next(two), next(one), context.get("task_run_name")

        assert steps() == (("from 1", True), ("from 2", True), ("from 1", True), None)

    def test_tasks_run_in_it(self) -> None:
        """Called, or submitted and awaited before it ends."""

        @task
        def outer(n):
            yield sum(count(n))
            yield count.submit(n).result()

        @flow
        def steps():
            return list(outer(4))

        assert steps() == [6, [0, 1, 2, 3]]
        (run,) = steps.runs()
        assert len(run.children()[0].children()) == 2


class TestWhole:
    """Where nobody takes values one by one, the result is a list of them."""

    def test_submitted_and_mapped(self) -> None:
        """As the result of the future."""

        @flow
        def whole():
            return count.submit(3).result(), count.map([1, 2]).result(), count_async.submit(2).result()

        assert whole() == ([0, 1, 2], [[0], [0, 1]], [0, 1])

    def test_its_state(self) -> None:
        """That has it, too."""
        assert count(2, return_state=True).value() == [0, 1]

    def test_in_a_graph(self) -> None:
        """Those below it get a list."""
        total = task(sum, name="total")
        with Flow("graph") as graph:
            added = total(count(4))
        assert graph.run().result[added].result == 6


class TestFlows:
    """A flow may yield as well."""

    def test_its_values_come_one_by_one(self) -> None:
        """Its tasks are its own, whenever they run."""

        @flow
        def squares(n: int):
            for each in count(n):
                yield count.submit(each).result()

        numbers = squares("3")
        assert next(numbers) == []
        assert list(numbers) == [[0], [0, 1]]
        assert squares(2, return_state=True).value() == [[], [0]]
        assert [len(run.children()) for run in squares.runs()] == [3, 4]

    def test_an_asynchronous_one(self) -> None:
        """Awaited value by value."""

        @flow
        async def numbers():
            async for each in count_async(2):
                yield each + 1

        async def main():
            return [each async for each in numbers()]

        assert asyncio.run(main()) == [1, 2]
        assert [state.name for state in numbers.runs()[0].states] == ["Pending", "Running", "Completed"]


class TestAsynchronous:
    """Asynchronous generators do the same, awaiting."""

    def test_values_retries_and_failures(self) -> None:
        """In one flow."""
        attempts: list[int] = []

        @task(retries=1, retry_delay_seconds=30)
        async def flaky():
            attempts.append(1)
            yield len(attempts)
            if len(attempts) < 2:
                raise OSError("away")

        @task
        async def breaks():
            yield 1
            raise ValueError("no")

        @flow
        async def steps():
            got = [each async for each in count_async(3)] + [each async for each in flaky()]
            numbers = breaks()
            got.append(await anext(numbers))
            with pytest.raises(ValueError, match="no"):
                await anext(numbers)
            return got

        assert asyncio.run(steps()) == [0, 1, 2, 1, 2, 1]
        names = [child.state.name for child in steps.runs()[0].children()]
        assert names == ["Completed", "Completed", "Failed"]

    def test_closed_early_it_completes(self) -> None:
        """Its body is closed."""
        closed: list[str] = []

        @task
        async def endless():
            try:
                while True:
                    yield 1
            finally:
                closed.append("closed")

        @flow
        async def steps():
            numbers = endless()
            await anext(numbers)
            await numbers.aclose()

        asyncio.run(steps())
        assert closed == ["closed"]
        assert last_run(steps) == ["Pending", "Running", "Completed"]

    def test_it_is_cancelled_with_whoever_awaits_it(self) -> None:
        """By the limit of its flow, after it has cleaned up."""
        cleaned: list[str] = []

        @task
        async def endless():
            try:
                while True:
                    await asyncio.sleep(0)
                    yield 1
            finally:
                cleaned.append("cleaned")

        @flow(timeout_seconds=0.05)
        async def steps():
            async for _ in endless():
                pass

        assert asyncio.run(steps(return_state=True)).name == "TimedOut"
        assert cleaned == ["cleaned"]
        (run,) = steps.runs()
        assert [state.name for state in run.children()[0].states] == [
            "Pending",
            "Running",
            "Cancelling",
            "Cancelled",
        ]

    def test_what_is_sent_arrives(self) -> None:
        """And what is thrown can be caught."""

        @task
        async def talks():
            heard = yield 0
            try:
                yield heard
            except KeyError:
                yield "caught"

        @flow
        async def steps():
            talk = talks()
            return await anext(talk), await talk.asend("a"), await talk.athrow(KeyError("k"))

        assert asyncio.run(steps()) == (0, "a", "caught")
