"""Signals in graph flows: each of them, from wherever it is raised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, context, task
from nbflow.engine.signals import (
    ENDRUN,
    FAIL,
    LOOP,
    PAUSE,
    RETRY,
    SKIP,
    SUCCESS,
    TRIGGERFAIL,
    VALIDATIONFAIL,
)
from nbflow.states import Cancelled, Crashed, Failed
from tests.graphs import in_memory, names, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow import State
    from nbflow.running.records import Records


@pytest.fixture(name="records", autouse=True)
def _records() -> Iterator[Records]:
    with in_memory() as records:
        yield records


SIGNALS: tuple[tuple[Callable[[], BaseException], str, str, int], ...] = (
    (lambda: FAIL("m", result=7), "Failed", "Failed", 3),
    (lambda: TRIGGERFAIL("m", result=7), "TriggerFailed", "Failed", 3),
    (lambda: VALIDATIONFAIL("m", result=7), "ValidationFailed", "Failed", 3),
    (lambda: SUCCESS("m", result=7), "Completed", "Completed", 1),
    (lambda: SKIP("m", result=7), "Skipped", "Completed", 1),
    (lambda: PAUSE("m", result=7), "Paused", "Running", 1),
    (lambda: ENDRUN(Failed("m", 7)), "Failed", "Failed", 1),
    (lambda: ENDRUN(Cancelled("m", 7)), "Cancelled", "Cancelled", 1),
    (lambda: ENDRUN(Crashed("m", 7)), "Crashed", "Failed", 1),
)
"""What is raised; the states of task and flow; how often a task with two retries raises it."""

END = pytest.mark.parametrize(("make", "name", "flow", "attempts"), SIGNALS, ids=[s[1] for s in SIGNALS])


class Raised:
    """A task that raises a signal, and counts how often.

    Args:
        make: Makes the signal.
        options: Those of the task.
    """

    def __init__(self, make: Callable[[], BaseException], **options: Any) -> None:
        self.times = 0
        self.make = make
        self.task = task(**options)(self.body())

    def body(self):
        """A function that raises it."""

        def raises(value=None):
            self.times += 1
            raise self.make()

        return raises

    def run(self) -> tuple[State, State]:
        """The states of the task and of its flow."""
        with Flow("signal") as flow:
            node = self.task()
        state = flow.run()
        return state.result[node], state


class TestBody:
    """A signal raised by the body."""

    @END
    def test_it_says_how_the_run_ends(
        self, make: Callable[[], BaseException], name: str, flow: str, attempts: int
    ) -> None:
        """With its message and its result."""
        raised = Raised(make)
        state, whole = raised.run()
        assert (state.name, whole.name, raised.times) == (name, flow, 1)
        assert (state.message, state.result) == ("m", 7)

    @END
    def test_with_retries(
        self, make: Callable[[], BaseException], name: str, flow: str, attempts: int
    ) -> None:
        """Failures are tried again, other ends are not, nor is ENDRUN."""
        raised = Raised(make, retries=2, retry_delay=5)
        state, whole = raised.run()
        assert (state.name, whole.name, raised.times) == (name, flow, attempts)

    @END
    def test_no_except_exception_stops_it(
        self, make: Callable[[], BaseException], name: str, flow: str, attempts: int
    ) -> None:
        """However deep within the user's code or a library it is raised."""

        def library() -> None:
            try:
                raise make()
            except Exception:
                return

        @task
        def careful():
            try:
                library()
            except Exception:
                return "swallowed"

        with Flow("nested") as built:
            node = careful()
        whole = built.run()
        assert (whole.result[node].name, whole.name) == (name, flow)

    @END
    def test_of_one_mapped_item(
        self, make: Callable[[], BaseException], name: str, flow: str, attempts: int
    ) -> None:
        """The others go on; the whole is as bad as its worst item."""

        @task
        def third(x):
            if x == 3:
                raise make()
            return x

        with Flow("mapped") as built:
            node = third.map([1, 3, 5])
        whole = built.run()
        items = [item.name for item in whole.result[node].map_states]
        assert (items, whole.name) == (["Completed", name, "Completed"], flow)

    @END
    def test_returned_it_is_a_value(
        self, make: Callable[[], BaseException], name: str, flow: str, attempts: int
    ) -> None:
        """Only raising means something."""
        signal = make()
        with Flow("returned") as built:
            node = ok(signal)
        assert built.run().result[node].value() is signal

    def test_without_result_it_has_none(self) -> None:
        """Not the signal itself."""
        assert [Raised(make).run()[0].result for make in (SUCCESS, SKIP, FAIL, PAUSE)] == [None] * 4

    def test_what_is_below_fails_skips_or_waits(self) -> None:
        """By the state that the signal asked for."""
        with Flow("below") as flow:
            nodes = {make: ok(Raised(make).task()) for make in (FAIL, SKIP, PAUSE, SUCCESS)}
        states = flow.run().result
        assert [states[node].name for node in nodes.values()] == [
            "TriggerFailed", "Skipped", "Pending", "Completed",
        ]  # fmt: skip


class TestRetry:
    """RETRY: another attempt, whatever the retries say."""

    def test_it_tries_again(self, records: Records) -> None:
        """At once, with another count."""
        counts: list[int] = []

        @task
        def third_time():
            counts.append(context.task_run_count)
            if len(counts) < 3:
                raise RETRY

        with Flow("again") as flow:
            third_time()
        assert (flow.run().name, counts) == ("Completed", [1, 2, 3])
        assert names(records, "third_time") == ["Pending", "Running", "Retrying", "Retrying", "Completed"]

    def test_at_its_time(self, records: Records) -> None:
        """The run waits for it."""
        times: list[float] = []

        @task
        def later():
            times.append(records.timers.now())
            if len(times) == 1:
                raise RETRY(start_time=times[0] + 60)

        with Flow("later") as flow:
            later()
        assert flow.run().is_completed()
        assert (times[1] - times[0], names(records, "later")[2]) == (60, "AwaitingRetry")

    def test_upstream_tasks_do_not_run_again(self) -> None:
        """What they made is kept for the attempts."""
        calls: list[int] = []

        @task
        def counted():
            calls.append(1)
            return len(calls)

        @task
        def needs(x):
            if context.task_run_count < 3:
                raise RETRY
            return x

        with Flow("kept") as flow:
            node = needs(counted())
        assert (flow.run().result[node].value(), len(calls)) == (1, 1)

    def test_a_hundred_times_at_most(self) -> None:
        """Then it fails and says so."""
        raised = Raised(RETRY)
        state, _ = raised.run()
        assert (state.name, raised.times) == ("Failed", 101)
        assert "a run may ask 100 times" in state.message


class TestLoop:
    """LOOP: the task runs again, from what it has reached."""

    def test_it_goes_on_from_its_result(self) -> None:
        """Which the context shows, with the count."""
        seen: list[tuple[int | None, int | None]] = []

        @task
        def sums(x):
            seen.append((context.get("task_loop_count"), context.get("task_loop_result")))
            total = context.get("task_loop_result", 0) + x
            if total < 6:
                raise LOOP(result=total)
            return total

        with Flow("sum") as flow:
            node = sums(2)
        assert flow.run().result[node].value() == 6
        assert seen == [(None, None), (2, 2), (3, 4)]

    def test_each_iteration_has_its_own_retries(self) -> None:
        """A failure in the third goes on with the third."""
        seen: list[tuple[int, int]] = []

        @task(retries=1)
        def shaky():
            loop = context.get("task_loop_count", 1)
            seen.append((loop, context.task_run_count))
            if context.task_run_count == 1:
                raise ValueError
            if loop < 3:
                raise LOOP(result=loop)
            return loop

        with Flow("shaky") as flow:
            node = shaky()
        assert flow.run().result[node].value() == 3
        assert seen == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]

    def test_each_item_has_its_own_loop(self) -> None:
        """None disturbs another."""

        @task
        def counts_to(n):
            done = context.get("task_loop_result", 0)
            if done < n:
                raise LOOP(result=done + 1)
            return done

        with Flow("items") as flow:
            node = counts_to.map([0, 3, 1])
        assert flow.run().result[node].value() == [0, 3, 1]

    def test_thousands_need_no_stack(self) -> None:
        """An iteration returns before the next begins."""

        @task
        def many():
            done = context.get("task_loop_result", 0)
            if done < 5_000:
                raise LOOP(result=done + 1)
            return done

        with Flow("many") as flow:
            node = many()
        assert flow.run().result[node].value() == 5_000

    @pytest.mark.parametrize(("signal", "name"), [(SKIP, "Skipped"), (FAIL, "Failed")])
    def test_the_last_iteration_decides(self, signal: type[BaseException], name: str) -> None:
        """Whatever the others were."""

        @task
        def ends():
            if context.get("task_loop_count", 1) < 3:
                raise LOOP(result=1)
            raise signal()

        with Flow("ends") as flow:
            node = ends()
        assert flow.run().result[node].name == name
