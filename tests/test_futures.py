"""Futures: submitting, mapping, waiting, and results to come as arguments."""

from __future__ import annotations

import asyncio
import threading
from collections import namedtuple
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydantic
import pytest

from nbflow import allow_failure, flow, quote, task, unmapped
from nbflow.exceptions import DefinitionError, RunError
from nbflow.futures import TaskFuture, TaskFutureList, as_completed, wait
from nbflow.running.records import records_in, using
from nbflow.states import Completed
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO = ValueError("no")
RUNNERS = [InlineTaskRunner, ThreadPoolTaskRunner(max_workers=1), ThreadPoolTaskRunner]


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


@dataclass(frozen=True)
class Pair:
    """A dataclass."""

    one: Any
    two: Any


class Model(pydantic.BaseModel):
    """A model."""

    held: Any


Point = namedtuple("Point", "x y")


@task
def double(x):
    """Make it twice as much."""
    return 2 * x


@task
def echo(*values, **named):
    """Return what it is given."""
    return (*values, *named.values())


@task
def fail(*_):
    """Raise an error."""
    raise NO


def flowing(body: Callable[[], Any], **options: Any) -> Any:
    """What a flow with this body returns."""

    def flowing():
        return body()

    return flow(**options)(flowing)()


class TestSubmit:
    """A submitted run has a future."""

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_it_gives_the_result(self, runner: Any) -> None:
        """And all that is known of the run."""

        def body():
            future = double.submit(4)
            return future.result(), future.done(), repr(future), future

        result, is_done, text, future = flowing(body, task_runner=runner)
        assert (result, is_done, text) == (8, True, "<TaskFuture 'double': Completed>")
        assert (future.name, future.state, future.task_run_id) == (
            "double",
            Completed(result=8),
            future.run.id,
        )
        assert [state.name for state in future.run.states] == ["Pending", "Running", "Completed"]

    def test_outside_of_a_flow_it_is_an_error(self) -> None:
        """Which says where it works."""
        with pytest.raises(RunError, match=r"double.submit\(\) needs a running flow"):
            double.submit(1)
        with pytest.raises(RunError, match=r"double.map\(\) needs a running flow"):
            double.map([1])

    def test_wrong_arguments_raise_at_once(self) -> None:
        """There is no run for them."""

        @flow
        def wrong():
            double.submit(1, 2, 3)

        with pytest.raises(TypeError, match="takes 1 positional argument but 3 were given"):
            wrong()
        assert wrong.runs()[0].children() == ()

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_a_failure_is_raised_or_returned(self, runner: Any) -> None:
        """As asked."""

        def body():
            future = fail.submit()
            with pytest.raises(ValueError, match="no") as caught:
                future.result()
            return caught.value, future.result(raise_on_failure=False), fail.submit(return_state=True).name

        assert flowing(body, task_runner=runner) == (NO, NO, "Failed")

    def test_a_time_limit_of_waiting_leaves_the_run_alone(self) -> None:
        """It goes on."""
        go = threading.Event()

        @task
        def waits():
            return go.wait(10)

        def body():
            future = waits.submit()
            with pytest.raises(TimeoutError):
                future.result(timeout=0)
            assert future.wait(timeout=0) is None
            done, not_done = wait([future, double.submit(1)], timeout=0)
            assert future in not_done
            assert future not in done
            with pytest.raises(TimeoutError):
                list(as_completed([future], timeout=0))
            go.set()
            return future.result()

        assert flowing(body) is True

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_all_can_be_waited_for(self, runner: Any) -> None:
        """Together, or one after the other as they end."""

        def body():
            futures = [double.submit(each) for each in range(5)]
            done, not_done = wait(futures)
            ended = sorted(each.result() for each in as_completed(futures))
            return done == set(futures), not_done, ended

        assert flowing(body, task_runner=runner) == (True, set(), [0, 2, 4, 6, 8])

    def test_they_come_as_they_end(self) -> None:
        """Not as they were started."""
        gate = [threading.Event() for _ in range(3)]

        @task
        def waits(place):
            gate[place].wait(10)
            return place

        def body():
            order = []
            futures = [waits.submit(place) for place in range(3)]
            gate[2].set()
            for future in as_completed(futures):
                order.append(future.result())
                for each in [gate[0]] if len(order) == 1 else gate:
                    each.set()
            return order

        assert flowing(body) == [2, 0, 1]

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_callbacks_are_called_once_it_is_done(self, runner: Any) -> None:
        """Also those that are added afterwards."""
        told: list[Any] = []

        def body():
            future = double.submit(4)
            future.add_done_callback(lambda done: told.append(done.result()))
            future.wait()
            future.add_done_callback(lambda done: told.append(done is future))

        flowing(body, task_runner=runner)
        assert told == [8, True]

    def test_it_can_be_awaited(self) -> None:
        """In an asynchronous flow."""

        @flow
        async def awaits():
            one, two = await asyncio.gather(double.submit(1), double.submit(2))
            with pytest.raises(ValueError, match="no"):
                await fail.submit()
            return one, two

        assert asyncio.run(awaits()) == (2, 4)

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_submitted_runs_submit(self, runner: Any) -> None:
        """A pool of one is enough: who waits gives its place to others."""

        @task
        def count_down(n):
            return 0 if n == 0 else 1 + count_down.submit(n - 1).result()

        @task
        def fans_out():
            return sum(double.map(range(4)).result()) + count_down(3)

        assert (
            flowing(lambda: fans_out.submit().result() + count_down.submit(20).result(), task_runner=runner)
            == 35
        )

    def test_what_nobody_waits_for_ends_before_the_flow(self) -> None:
        """The flow waits."""
        ended: list[str] = []

        @task(on_completion=[lambda task, run, state: ended.append(run.name)])
        def left_alone():
            return 1

        @flow(on_completion=[lambda flow, run, state: ended.append(run.name)])
        def leaves():
            for _ in range(3):
                left_alone.submit()

        leaves()
        assert ended == ["left_alone", "left_alone", "left_alone", "leaves"]


class TestArguments:
    """Results to come are waited for wherever they are in the arguments."""

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_futures_and_states(self, runner: Any) -> None:
        """By position, by name, in a call as in a submission."""

        def body():
            future, state = double.submit(1), double(2, return_state=True)
            direct = echo(future, state, key=future)
            return direct, echo.submit(future, state, key=state).result()

        assert flowing(body, task_runner=runner) == ((2, 4, 2), (2, 4, 4))

    def test_in_containers(self) -> None:
        """However deep; the container given is not changed."""

        def body():
            two = double.submit(1)
            given = [two, (two, {two}), {"a": [two]}, Pair(two, 1), Model(held=[two]), Point(two, 0)]
            assert given[0] is two
            return echo(given)[0]

        assert flowing(body) == [2, (2, {2}), {"a": [2]}, Pair(2, 1), Model(held=[2]), Point(2, 0)]

    def test_a_container_without_any_is_passed_as_it_is(self) -> None:
        """The very object."""

        class Rows(list[int]):
            pass

        given = [[1, 2], {"a": 1}, Rows([1]), {1}, (1, [2])]
        found = flowing(lambda: echo.submit(*given).result())
        assert all(mine is theirs for mine, theirs in zip(found, given, strict=True))

    def test_the_futures_of_a_map_are_a_list(self) -> None:
        """As one argument."""
        assert flowing(lambda: echo(double.map([1, 2]))) == ([2, 4],)

    def test_what_is_quoted_is_passed_as_it_is(self) -> None:
        """Nothing in it is waited for."""

        def body():
            future = double.submit(1)
            (kept,) = echo(quote([future]))
            (beside, result) = echo(quote(future), future)
            return kept == [future], beside is future, result

        assert flowing(body) == (True, True, 2)

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_below_a_failure_nothing_runs(self, runner: Any) -> None:
        """The trigger says which one failed."""

        def body():
            failed = fail.submit()
            return echo(failed, return_state=True), echo.submit(failed, return_state=True)

        @flow(task_runner=runner)
        def below():
            return [(state.name, state.message) for state in body()]

        called, submitted = below()
        assert called == submitted
        assert called[0] == "TriggerFailed"
        assert "fail" in called[1]

    def test_an_allowed_failure_is_passed(self) -> None:
        """As the exception that it raised, also from within a list."""

        def body():
            return echo(allow_failure(fail.submit()), allow_failure([double.submit(1), fail.submit()]))

        assert flowing(body) == (NO, [2, NO])

    def test_order_without_data(self) -> None:
        """`wait_for` takes futures, states, lists of them, and such that may fail; nothing else counts."""
        order: list[str] = []

        @task
        def note(word, gate=None):
            if gate is not None:
                gate.wait(10)
            order.append(word)

        def body():
            gate = threading.Event()
            first = note.submit("first", gate)
            second = note.submit("second", wait_for=[first, 7])
            third = note.submit("third", wait_for=second)
            gate.set()
            note("fourth", wait_for=[[third], allow_failure(fail.submit())])
            return note("never", wait_for=[fail.submit()], return_state=True).name

        assert flowing(body) == "TriggerFailed"
        assert order == ["first", "second", "third", "fourth"]


class TestMap:
    """One run for each item."""

    @pytest.mark.parametrize("runner", RUNNERS)
    def test_it_gives_futures_by_position(self, runner: Any) -> None:
        """A list with methods of its own."""

        def body():
            futures = double.map(range(4))
            futures.wait()
            return type(futures), futures.result(), [each.name for each in futures]

        kind, results, names = flowing(body, task_runner=runner)
        assert (kind, results) == (TaskFutureList, [0, 2, 4, 6])
        assert names == ["double[0]", "double[1]", "double[2]", "double[3]"]

    @pytest.mark.parametrize(
        ("args", "kwargs", "expected"),
        [
            (([1, 2], 3), {}, [(1, 3), (2, 3)]),
            (([1, 2], "ab"), {}, [(1, "ab"), (2, "ab")]),
            (([1, 2], unmapped([3, 4])), {}, [(1, [3, 4]), (2, [3, 4])]),
            (([1, 2], (3, 4)), {}, [(1, 3), (2, 4)]),
            ((iter([1, 2]),), {"z": iter("ab")}, [(1, "a"), (2, "b")]),
            (([],), {}, []),
        ],
    )
    def test_what_can_be_iterated_is_split(self, args: Any, kwargs: Any, expected: list[Any]) -> None:
        """Texts, single things and `unmapped` are the same for all items."""

        @task
        def pair(x, y=None, z=None):
            return tuple(each for each in (x, y, z) if each is not None)

        assert flowing(lambda: [each.result() for each in pair.map(*args, **kwargs)]) == expected

    def test_results_to_come_are_split(self) -> None:
        """A future of a list, a list of futures, and one that is the same for all."""

        @task
        def numbers():
            return [1, 2, 3]

        @task
        def add(x, y):
            return x + y

        def body():
            doubled = double.map(numbers.submit())
            return add.map(doubled, unmapped(double.submit(50))).result()

        assert flowing(body) == [102, 104, 106]

    def test_what_a_task_takes_by_any_name_is_mapped_by_that_name(self) -> None:
        """Its items get what a call would give them."""

        @task
        def shows(x, /, *, y=0, **more):
            return x, y, more

        def body():
            first = shows.map([1, 2], z=[3, 4], w=unmapped([5]))
            return first.result(), shows.map([1], y=[2], y2="ab").result()

        assert flowing(body) == (
            [(1, 0, {"z": 3, "w": [5]}), (2, 0, {"z": 4, "w": [5]})],
            [(1, 2, {"y2": "ab"})],
        )

    def test_one_failure_does_not_stop_the_others(self) -> None:
        """Results raise the first one, or have it in its place."""

        @task
        def invert(x):
            return 1 / x

        def body():
            futures = invert.map([1, 0, 2])
            with pytest.raises(ZeroDivisionError):
                futures.result()
            states = invert.map([0, 4], return_state=True)
            return futures.result(raise_on_failure=False), [each.name for each in states]

        results, names = flowing(body)
        assert (results[0], type(results[1]), results[2]) == (1.0, ZeroDivisionError, 0.5)
        assert names == ["Failed", "Completed"]

    def test_what_is_said_of_a_list_is_said_of_its_items(self) -> None:
        """A failure among them may be allowed, and a future among them meant itself."""

        @task
        def invert(x):
            return 1 / x

        @task
        def kind(x):
            return type(x).__name__

        def body():
            failing = invert.map([0, 1])
            return [kind.map(meant(failing)).result() for meant in (allow_failure, quote)]

        assert flowing(body) == [["ZeroDivisionError", "float"], ["TaskFuture", "TaskFuture"]]

    @pytest.mark.parametrize(
        ("args", "message"),
        [
            (([1, 2], [1]), r"pair is mapped over unequal lengths: x has 2, y has 1; use unmapped\(…\)"),
            ((1, 2), "pair is mapped over nothing; give at least one list"),
            (({"a": 1}, 2), "pair cannot be mapped over the dictionary x"),
        ],
    )
    def test_what_cannot_be_split_is_refused(self, args: Any, message: str) -> None:
        """In one line, before anything runs."""

        @task
        def pair(x, y):
            return x, y

        with pytest.raises(DefinitionError, match=message):
            flowing(lambda: pair.map(*args))

    def test_items_know_their_place(self) -> None:
        """In the context, and in their names."""
        from nbflow import context

        @task(task_run_name="item {x}")
        def place(x):
            return context.map_index, context.task_run_name

        found = flowing(lambda: place.map(["a", "b"]).result())
        assert found == [(0, "item a"), (1, "item b")]

    def test_an_order_counts_for_all_items(self) -> None:
        """None of them runs below a failure."""
        names = flowing(
            lambda: [each.name for each in double.map([1, 2], wait_for=fail.submit(), return_state=True)]
        )
        assert names == ["TriggerFailed", "TriggerFailed"]


class TestPublicNames:
    """What Prefect's users import."""

    def test_modules_and_names(self) -> None:
        """From the places that they know."""
        import nbflow

        assert nbflow.wait is wait
        assert nbflow.as_completed is as_completed
        assert TaskFuture.__module__ == "nbflow.running.futures"
