"""Mapping in graph flows: what each item gets, how it is judged, and what the whole becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Task, allow_failure, context, flatten, task, unmapped
from nbflow.engine.signals import FAIL, PAUSE, SKIP
from nbflow.engine.state import Mapped, Pending, Success
from nbflow.exceptions import DefinitionError
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.triggers import all_failed, all_finished, any_failed, any_successful, manual_only
from tests.graphs import add, fails, in_memory, inc, names, odd, ok, skips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow import State
    from nbflow.running.records import Records


@pytest.fixture(name="records", autouse=True)
def _records() -> Iterator[Records]:
    with in_memory() as records:
        yield records


def run(build: Callable[[], Task]) -> tuple[State, State]:
    """The state of a task of a flow, and of the flow."""
    with Flow("mapped") as flow:
        node = build()
    state = flow.run()
    return state.result[node], state


def items(state: State) -> str:
    """The states of the items, a letter each."""
    letters = {"Completed": "R", "TriggerFailed": "T", "Failed": "F", "Skipped": "K", "Paused": "P"}
    return "".join(letters[item.name] for item in state.map_states)


class TestValues:
    """What each item gets."""

    def test_elements_by_position(self) -> None:
        """Of constants and of results; `unmapped` values are the same for all."""
        assert run(lambda: inc.map([1, 2, 3]))[0].value() == [2, 3, 4]
        assert run(lambda: add.map(ok([1, 2]), [10, 20]))[0].value() == [11, 22]
        assert run(lambda: add.map([1, 2], unmapped(ok(5))))[0].value() == [6, 7]
        assert run(lambda: ok.map([[1], [2]]))[0].value() == [[1], [2]]

    def test_texts_are_no_lists(self) -> None:
        """They are the same for all items."""
        assert run(lambda: add.map(["a", "b"], "-"))[0].value() == ["a-", "b-"]

    def test_defaults_count(self) -> None:
        """What was not given keeps its default."""
        scaled = task(_scaled)
        assert run(lambda: scaled.map(x=[1, 2]))[0].value() == [10, 20]

    def test_mapped_over_mapped(self) -> None:
        """Items pair by position."""
        assert run(lambda: add.map(inc.map([1, 2]), inc.map([10, 20])))[0].value() == [13, 24]

    def test_reduced(self) -> None:
        """A task that is not mapped gets all results, by position."""
        assert run(lambda: task(sum)(inc.map([1, 2, 3])))[0].value() == 9

    def test_flattened(self) -> None:
        """The elements of the elements; also of what mapped items made."""
        assert run(lambda: inc.map(flatten(ok([[1, 2], [], [3]]))))[0].value() == [2, 3, 4]
        assert run(lambda: inc.map(flatten([[1], [2]])))[0].value() == [2, 3]
        assert run(lambda: inc.map(flatten(task(_twice).map([1, 5]))))[0].value() == [2, 2, 6, 6]

    @pytest.mark.parametrize("empty", [[], (), range(0)])
    def test_nothing(self, empty: object) -> None:
        """No items, all of which completed; so are those that are mapped over them."""
        state, flow = run(lambda: inc.map(inc.map(empty)))
        assert (state.name, state.value(), flow.name) == ("Mapped", [], "Completed")

    def test_what_can_be_iterated_once(self) -> None:
        """Is there in each run of the flow."""
        with Flow("twice") as flow:
            node = inc.map(x for x in (1, 2))
        assert [flow.run().result[node].value() for _ in range(2)] == [[2, 3], [2, 3]]

    def test_by_other_words(self) -> None:
        """`mapped=True` in calls, `bind` and `set_upstream`."""
        assert run(lambda: inc(ok([1, 2]), mapped=True))[0].value() == [2, 3]
        assert run(lambda: inc.copy().bind(x=ok([1, 2]), mapped=True))[0].value() == [2, 3]
        assert run(lambda: inc.copy().set_upstream(ok([1, 2]), key="x", mapped=True))[0].value() == [2, 3]

    def test_the_context_knows_the_position(self) -> None:
        """And the run its name."""

        @task
        def where(x):
            return context.map_index, context.task_run_name

        assert run(lambda: where.map("x" for _ in range(2)))[0].value() == [(0, "where[0]"), (1, "where[1]")]


def _scaled(x, by=10):
    return x * by


def _twice(x):
    return [x, x]


class TestErrors:
    """What cannot be mapped over."""

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: inc.map(3), "x, which is of type int"),
            (lambda: inc.map({"a": 1}), "the dictionary x; give list"),
            (lambda: add.map([1, 2], [1]), "unequal lengths: x has 2, y has 1"),
            (lambda: add.map(unmapped(1), "a"), "mapped over nothing"),
            (lambda: inc.map(ok(1), z=3), "unexpected keyword argument 'z'"),
        ],
    )
    def test_is_told_of_when_the_flow_is_built(self, build: Callable[[], Task], message: str) -> None:
        """With what to do."""
        with Flow("wrong"), pytest.raises((DefinitionError, TypeError), match=message):
            build()

    def test_what_a_task_takes_by_any_name_is_mapped_by_that_name(self) -> None:
        """Lists and tasks; its items get what a call would give them."""

        @task
        def shows(**more):
            return more

        state, _ = run(lambda: shows.map(x=ok([1, 2]), y=[3, 4], z=unmapped(5)))
        assert state.result == [{"x": 1, "y": 3, "z": 5}, {"x": 2, "y": 4, "z": 5}]

    @pytest.mark.parametrize(
        ("build", "message"),
        [
            (lambda: inc.map(ok(3)), "x, which is of type int; give a list, or unmapped"),
            (lambda: inc.map(ok({"a": 1})), "the dictionary x; give list"),
            (lambda: add.map(ok([1, 2]), [1]), "unequal lengths: x has 2, y has 1"),
            (lambda: inc.map(flatten(ok([1]))), "cannot flatten x: one of its elements is of type int"),
            (lambda: inc.map(ok("text")), "mapped over nothing"),
            (lambda: ok.map([1, 2], upstream_tasks=[ok.map([1])]), "unequal lengths"),
        ],
    )
    def test_or_fails_the_task_where_only_the_run_shows_it(
        self, build: Callable[[], Task], message: str
    ) -> None:
        """The flow goes on to its end."""
        state, flow = run(build)
        assert (state.name, flow.name) == ("Failed", "Failed")
        assert message in state.message


class TestJudgement:
    """A trigger applies to each item, with the item that it pairs with."""

    def test_only_what_pairs_with_a_failed_item_is_stopped(self) -> None:
        """All others go on."""
        state, flow = run(lambda: inc.map(odd.map([1, 2, 3])))
        assert (items(state), state.name, flow.name) == ("RTR", "Failed", "Failed")
        assert state.map_states[1].message == "trigger all_successful: 'odd' is Failed"
        assert [state.result[0], state.result[2]] == [2, 4]

    @pytest.mark.parametrize(
        ("trigger", "expected"),
        [(all_failed, "TRT"), (any_failed, "TRT"), (any_successful, "RTR"), (all_finished, "RRR")],
    )
    def test_by_the_trigger(self, trigger: Callable[..., Any], expected: str) -> None:
        """The exception stands in the place of a value."""
        state, _ = run(lambda: task(trigger=trigger)(_kind).map(odd.map([1, 2, 3])))
        assert items(state) == expected
        assert state.result[1] == "TaskFailedError" or expected[1] == "T"

    def test_order_pairs_as_well(self) -> None:
        """Unless it is unmapped: then each item needs all."""
        state, _ = run(lambda: ok.map([1, 2], upstream_tasks=[odd.map([2, 3])]))
        assert items(state) == "TR"
        state, _ = run(lambda: ok.map([1, 2], upstream_tasks=[unmapped(odd.map([2, 3]))]))
        assert items(state) == "TT"
        state, _ = run(lambda: Task("none").map(upstream_tasks=[odd.map([2, 3, 5])]))
        assert items(state) == "TRR"

    def test_an_unmapped_failure_stops_each_item(self) -> None:
        """How many there are is known all the same."""
        state, flow = run(lambda: add.map([1, 2], unmapped(fails())))
        assert (items(state), state.name, flow.name) == ("TT", "Failed", "Failed")

    @pytest.mark.parametrize(("source", "name"), [(fails, "TriggerFailed"), (skips, "Skipped")])
    def test_without_a_list_there_are_no_items(self, source: Task, name: str) -> None:
        """The whole is judged then."""
        state, _ = run(lambda: inc.map(source()))
        assert (state.name, state.map_states) == (name, ())

    def test_a_failed_list_cannot_be_mapped_over(self) -> None:
        """Whatever the trigger says."""
        state, _ = run(lambda: inc.with_options(trigger=all_finished).map(fails()))
        assert (state.name, state.map_states) == ("Failed", ())
        assert "of type ValueError" in state.message

    def test_a_skipped_item_skips_what_pairs_with_it(self) -> None:
        """And nothing else."""

        @task
        def positive(x):
            if x < 0:
                raise SKIP
            return x

        state, flow = run(lambda: inc.map(positive.map([1, -1, 2])))
        assert (items(state), state.value(), flow.name) == ("RKR", [2, None, 3], "Completed")

    def test_failures_that_are_allowed(self) -> None:
        """The exceptions are values."""
        state, _ = run(lambda: ok.map(allow_failure(odd.map([1, 2]))))
        assert (items(state), state.value()[0], type(state.value()[1]).__name__) == (
            "RR",
            1,
            "TaskFailedError",
        )
        state, _ = run(lambda: ok(allow_failure(odd.map([1, 2]))))
        assert len(state.value()) == 2

    def test_flattened_items_pair_with_their_source(self) -> None:
        """A failed one stands for itself."""

        @task
        def twice(x):
            if x == 2:
                raise FAIL
            return [x, x]

        state, _ = run(lambda: inc.map(flatten(twice.map([1, 2, 3]))))
        assert items(state) == "RRTRR"

    def test_a_reduced_failure(self) -> None:
        """Is judged by the items; the list has the exception in its place."""
        state, flow = run(lambda: task(len)(odd.map([1, 2, 3])))
        assert (state.name, flow.name) == ("TriggerFailed", "Failed")
        assert state.message == "trigger all_successful: 'odd[1]' is Failed"
        state, flow = run(lambda: task(trigger=any_successful)(_length)(odd.map([1, 2, 3])))
        assert (state.value(), flow.name) == (3, "Completed")

    def test_of_a_persons_own(self) -> None:
        """A trigger is asked once for each item."""
        asked: list[int] = []

        def own(upstream: Any) -> bool:
            asked.append(len(upstream))
            return True

        run(lambda: add.with_options(trigger=own).map(inc.map([1, 2, 3]), unmapped(ok())))
        assert asked == [2, 2, 2]

    def test_manual_only_is_one_question(self, records: Records) -> None:
        """One person lets all items run."""
        with Flow("manual") as flow:
            node = inc.with_options(trigger=manual_only).map([1, 2])
        assert flow.run().result[node].name == "Paused"
        assert flow.resume().result[node].value() == [2, 3]
        assert names(records, "inc") == ["Pending", "Paused", "Resuming", "Pending", "Running", "Mapped"]


def _kind(x):
    return type(x).__name__


def _length(x):
    return len(x)


class TestRuns:
    """Each item is a run of its own."""

    def test_retries(self, records: Records) -> None:
        """Only the item that failed is tried again."""
        counts: list[tuple[int, int]] = []

        @task(retries=1)
        def second_fails(x):
            counts.append((context.map_index, context.task_run_count))
            if x == 2 and context.task_run_count == 1:
                raise ValueError
            return x

        state, _ = run(lambda: second_fails.map([1, 2, 3]))
        assert (state.value(), counts) == ([1, 2, 3], [(0, 1), (1, 1), (1, 2), (2, 1)])
        assert names(records, "second_fails[1]") == ["Pending", "Running", "Retrying", "Completed"]
        assert names(records, "second_fails") == ["Pending", "Running", "Mapped"]

    def test_the_history_has_all_of_them(self, records: Records) -> None:
        """Under the run of the whole, with their positions."""
        run(lambda: inc.map([1, 2]))
        by_name = {each.name: each for each in records.history.runs()}
        whole = by_name["inc"]
        found = [by_name[f"inc[{place}]"] for place in range(2)]
        assert [(each.parent, each.role, each.index) for each in found] == [
            (whole.id, "item", 0), (whole.id, "item", 1),
        ]  # fmt: skip

    def test_names_of_their_own(self, records: Records) -> None:
        """By the arguments of each item; the whole is called as its task."""
        run(lambda: inc.with_options(task_run_name="inc-{x}").map([1, 2]))
        assert [each.name for each in reversed(records.history.runs())][1:] == ["inc", "inc-1", "inc-2"]

    def test_one_that_waits_lets_the_others_go_on(self) -> None:
        """Resumed, only that one runs; what is below comes after."""
        calls: list[int] = []

        @task
        def third_asks(x):
            calls.append(x)
            if x == 3 and not context.get("resume"):
                raise PAUSE
            return x * 10

        with Flow("asks") as flow:
            node = third_asks.map([1, 3, 5])
            last = inc.map(node)
        state = flow.run()
        assert (items(state.result[node]), state.result[node].name) == ("RPR", "Paused")
        assert (state.name, state.result[last].name) == ("Running", "Pending")
        state = flow.resume()
        assert (state.result[last].value(), calls) == ([11, 31, 51], [1, 3, 5, 3])

    def test_a_given_state_fixes_items(self) -> None:
        """Those that have ended are not run."""
        with Flow("given") as flow:
            node = inc.map([10, 20])
        given = Mapped(map_states=[Success(result=100), Pending()])
        assert flow.run(task_states={node: given}).result[node].value() == [100, 21]
        given = Mapped(map_states=[Success(result=1), Success(result=2)])
        assert flow.run(task_states={node: given}).result[node].value() == [1, 2]

    def test_in_threads(self) -> None:
        """The same results."""
        with Flow("threads") as flow:
            node = task(sum)(inc.map(inc.map(list(range(50)))))
        assert flow.run(task_runner=ThreadPoolTaskRunner(4)).result[node].value() == sum(range(50)) + 100

    def test_ten_thousand(self) -> None:
        """Need neither a deep stack nor much time."""
        state, _ = run(lambda: inc.map(list(range(10_000))))
        assert state.value() == list(range(1, 10_001))
