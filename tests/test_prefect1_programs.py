"""Programs as users of Prefect 1 write them, with nothing but the imports changed."""

# a program may name a task for its own sake

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest

import nbflow as prefect
from nbflow import Flow, Parameter, Task, case, flatten, merge, task, unmapped
from nbflow.engine import signals
from nbflow.engine.signals import LOOP
from nbflow.engine.state import Failed, Mapped, Paused, Resume, Retrying, Running, Skipped, Success
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers
from nbflow.triggers import all_failed, all_successful, always_run, manual_only
from tests.graphs import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


class TestTriggers:
    """One task follows a success, another one a failure."""

    @pytest.mark.parametrize(
        ("draw", "b", "c", "whole"),
        [(0.2, "Completed", "TriggerFailed", "Completed"), (0.9, "TriggerFailed", "Completed", "Failed")],
    )
    def test_either_way(self, draw: float, b: str, c: str, whole: str) -> None:
        """Task B, as the reference task, decides about the flow alone."""

        @task(name="Task A")
        def task_a():
            if draw > 0.5:
                raise ValueError("by chance")

        @task(name="Task B", trigger=all_successful)
        def task_b():
            return "B"

        @task(name="Task C", trigger=all_failed)
        def task_c():
            return "C"

        with Flow("Trigger example") as flow:
            success = task_b(upstream_tasks=[task_a])
            fail = task_c(upstream_tasks=[task_a])
        assert isinstance(flow.run(), Failed)
        flow.set_reference_tasks([success])
        state = flow.run()
        assert (state.result[success].name, state.result[fail].name, state.name) == (b, c, whole)
        assert state.result["Task B"] is state.result[success]

    def test_a_clean_up_that_always_runs(self) -> None:
        """Decides about the flow, unless somebody says otherwise."""

        @task
        def work():
            raise RuntimeError

        @task(trigger=always_run)
        def clean_up():
            return "tidy"

        with Flow("clean up") as flow:
            worked = work()
            clean_up(upstream_tasks=[worked])
        assert flow.run().is_successful()
        flow.set_reference_tasks([worked])
        assert flow.run().is_failed()


class TestSignals:
    """States that a body asks for."""

    def test_retry_if_negative(self) -> None:
        """Until it is not."""
        readings = iter([-2, -1, 7])

        @task
        def retry_if_negative():
            x = next(readings)
            if x < 0:
                raise signals.RETRY()
            return x

        with Flow("readings") as flow:
            x = retry_if_negative()
        assert flow.run().result[x].result == 7

    def test_through_a_library_that_catches(self) -> None:
        """A signal bubbles up."""

        def library(function):
            try:
                return function()
            except Exception:
                return "hidden"

        @task
        def skips():
            return library(lambda: (_ for _ in ()).throw(signals.SKIP("nothing new")))

        with Flow("library") as flow:
            node = skips()
        state = flow.run().result[node]
        assert isinstance(state, Skipped)
        assert state.message == "nothing new"

    def test_loop_to_a_hundred(self) -> None:
        """By fives."""

        @task
        def accumulate(x: int) -> int:
            current = prefect.context.get("task_loop_result", x)
            if current < 100:
                raise LOOP(result=current + 5)
            return current

        with Flow("Looper") as flow:
            output = accumulate(5)
        assert flow.run().result[output].result == 100

    def test_a_loop_over_pages(self) -> None:
        """With a payload as its result, and a look at the count."""

        @task
        def pages():
            payload = prefect.context.get("task_loop_result", {"rows": [], "page": 1})
            rows = payload["rows"] + [payload["page"]] * 2
            if payload["page"] == 4:
                return rows, prefect.context.get("task_loop_count", 1)
            raise LOOP(message=f"page {payload['page']}", result={"rows": rows, "page": payload["page"] + 1})

        with Flow("pages") as flow:
            node = pages()
        assert flow.run().result[node].result == ([1, 1, 2, 2, 3, 3, 4, 4], 4)


class TestContext:
    """What tasks know without arguments."""

    def test_a_key_from_outside(self) -> None:
        """Without it the run fails, with it it succeeds."""

        @task
        def try_unlock():
            if prefect.context.key == "abc":
                return True
            raise signals.FAIL()

        with Flow("Using Context") as flow:
            try_unlock()
        assert flow.run().is_failed()
        with prefect.context(key="wrong"):
            assert flow.run().is_failed()
        with prefect.context(key="abc"):
            assert flow.run().is_successful()
        assert flow.run(context={"key": "abc"}).is_successful()

    def test_dates_and_names(self) -> None:
        """Are there in each run."""

        @task
        def file_name():
            return f"{prefect.context.flow_name}-{prefect.context['today_nodash']}.csv"

        with Flow("report") as flow:
            name = file_name()
        made = flow.run().result[name].result
        assert made.startswith("report-")
        assert made[7:-4].isdecimal()


class TestClasses:
    """Tasks as classes, and the imperative way to connect them."""

    def test_an_etl(self) -> None:
        """Extract, transform, load."""

        class Extract(Task):
            def run(self, n):
                return list(range(n))

        class Transform(Task):
            def __init__(self, factor: int, **kwargs: object) -> None:
                self.factor = factor
                super().__init__(**kwargs)

            def run(self, data):
                return [self.factor * each for each in data]

        stored: list[int] = []

        class Load(Task):
            def run(self, data):
                stored.extend(data)

        flow = Flow("ETL")
        n = Parameter("n", default=3)
        e, t, load = Extract(), Transform(10, name="times ten"), Load()
        flow.set_dependencies(e, keyword_tasks={"n": n})
        t.set_upstream(e, key="data", flow=flow)
        load.bind(data=t, flow=flow)
        assert flow.run(parameters={"n": 4}).is_successful()
        assert stored == [0, 10, 20, 30]
        assert [each.name for each in flow.tasks] == ["n", "Extract", "times ten", "Load"]

    def test_the_same_by_decorators(self) -> None:
        """With two results unpacked."""

        @task(nout=2)
        def split(xs):
            return xs[:2], xs[2:]

        @task
        def total(xs, start=0):
            return sum(xs, start)

        with Flow("unpacked") as flow:
            first, rest = split([1, 2, 3, 4])
            result = total(rest, start=total(first))
        assert flow.run().result[result].result == 10


class TestMapping:
    """One run for each item."""

    def test_map_and_reduce(self) -> None:
        """With constants, and lists that come of lists."""

        @task
        def numbers(n):
            return list(range(n))

        @task
        def plus(x, y):
            return x + y

        with Flow("map") as flow:
            lists = numbers.map([2, 3])
            added = plus.map(flatten(lists), y=unmapped(10))
            total = task(sum)(added)
        state = flow.run()
        assert state.result[total].result == 54
        assert isinstance(state.result[added], Mapped)
        assert [each.result for each in state.result[added].map_states] == [10, 11, 10, 11, 12]

    def test_only_the_item_that_failed_is_tried_again(self) -> None:
        """With a delay that nobody sleeps through."""
        tries: list[int] = []

        @task(max_retries=3, retry_delay=datetime.timedelta(minutes=10))
        def flaky(x):
            tries.append(x)
            if x == 2 and tries.count(2) < 3:
                raise OSError
            return x

        with Flow("flaky") as flow:
            node = flaky.map([1, 2, 3])
        assert flow.run().result[node].result == [1, 2, 3]
        assert sorted(tries) == [1, 2, 2, 2, 3]


class TestCaching:
    """Results that outlive a run."""

    def test_for_an_hour(self) -> None:
        """Whatever the inputs are, as `cache_for` alone says; then it is made anew."""

        @task(cache_for=datetime.timedelta(hours=1))
        def slow(x):
            return x

        with Flow("hour") as flow:
            node = slow(Parameter("x"))
        timers = FakeTimers()
        with using(records_in(MemoryStore(), timers)):
            assert [flow.run(x=x).result[node].result for x in (1, 1, 2)] == [1, 1, 1]
            timers.clock.advance(3601)
            assert flow.run(x=2).result[node].result == 2

    def test_under_the_same_parameters(self) -> None:
        """By the validator of that name."""

        @task(
            cache_for=datetime.timedelta(hours=1),
            cache_validator=prefect.engine.cache_validators.all_parameters,
        )
        def slow():
            return prefect.context.parameters["p"]

        with Flow("parameters") as flow:
            node = slow()
            flow.add_task(Parameter("p", default=1))
        states = [flow.run(p=p).result[node] for p in (1, 1, 2, 1)]
        assert [state.result for state in states] == [1, 1, 2, 1]
        assert [state.is_cached() for state in states] == [False, True, False, True]

    def test_a_task_without_a_body(self) -> None:
        """Says the same in its constructor."""
        task_1 = prefect.Task(cache_for=datetime.timedelta(hours=1))
        with Flow("plain") as flow:
            node = task_1()
        assert [flow.run().result[node].is_cached() for _ in range(2)] == [False, True]

    def test_of_a_list_only_what_is_new_is_made(self) -> None:
        """Item by item, whatever their places."""

        @task(
            cache_for=datetime.timedelta(days=1), cache_validator=prefect.engine.cache_validators.all_inputs
        )
        def tenfold(x):
            return 10 * x

        with Flow("list") as flow:
            node = tenfold.map(Parameter("xs"))
        assert flow.run(xs=[1, 2, 3]).result[node].result == [10, 20, 30]
        state = flow.run(xs=[3, 4, 1])
        assert state.result[node].result == [30, 40, 10]
        assert [item.name for item in state.result[node].map_states] == ["Cached", "Completed", "Cached"]


class TestControl:
    """Branches, pauses, handlers."""

    @pytest.mark.parametrize(("weekend", "expected"), [(True, "rest"), (False, "work")])
    def test_branches(self, weekend: bool, expected: str) -> None:
        """What is not chosen is skipped, and the branches come together again."""

        @task
        def is_weekend():
            return weekend

        @task
        def say(text):
            return text

        with Flow("branches") as flow:
            free = is_weekend()
            with case(free, True):
                rest = say("rest")
            with case(free, False):
                work = say("work")
            did = merge(rest, work)
        assert flow.run().result[did].result == expected

    def test_a_persons_approval(self) -> None:
        """The run waits as long as nobody says go."""

        @task
        def build():
            return "built"

        @task(trigger=manual_only)
        def deploy(what):
            return f"{what} and deployed"

        with Flow("deploy") as flow:
            deployed = deploy(build())
        state = flow.run()
        assert isinstance(state, Running)
        assert isinstance(state.result[deployed], Paused)
        state = flow.run(task_states={**state.result, deployed: Resume("go")}, start_tasks=[deployed])
        assert state.result[deployed].result == "built and deployed"

    def test_handlers(self) -> None:
        """They see each change, and may make another one of it."""
        posted: list[str] = []

        def post_to_chat(obj, old_state, new_state):
            if isinstance(new_state, Retrying):
                posted.append(f"{obj.name} will try again")
            if isinstance(new_state, Failed):
                posted.append(f"{obj.name} failed")
                return Success("never mind", result="default")
            return new_state

        @task(max_retries=1, retry_delay=datetime.timedelta(seconds=1), state_handlers=[post_to_chat])
        def fetch():
            raise OSError("no route")

        with Flow("handled") as flow:
            node = fetch()
        assert flow.run().result[node].result == "default"
        assert posted == ["fetch will try again", "fetch failed"]

    def test_a_single_function_on_failure(self) -> None:
        """It is told of the task and of its state."""
        told: list[tuple[str, str]] = []

        @task(on_failure=lambda obj, state: told.append((obj.name, str(state.result))))
        def breaks():
            raise ValueError("broken")

        with Flow("told") as flow:
            breaks()
        flow.run()
        assert told == [("breaks", "broken")]
