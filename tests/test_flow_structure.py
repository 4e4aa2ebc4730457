"""Building a graph flow: the functional and the imperative way, and what is wrong before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, Task, task
from nbflow.exceptions import CycleError, DefinitionError, DuplicateTaskError, OptionError, UnknownTaskError
from tests.graphs import add, fails, in_memory, inc, ok

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


def value(flow: Flow, node: Task) -> Any:
    """What a task makes in a run of the flow."""
    return flow.run().result[node].value()


class TestCalls:
    """Calling a task adds a copy of it."""

    def test_results_pass_along(self) -> None:
        """By position and by name, with constants beside them."""
        with Flow("calls") as flow:
            node = add(inc(ok(1)), y=inc(x=5))
        assert value(flow, node) == 8

    def test_each_call_is_a_task_of_its_own(self) -> None:
        """The task that is called is none of them."""
        with Flow("copies") as flow:
            one, two = ok(1), ok(2)
        assert (one is not two, ok in flow.inputs, len(flow.tasks)) == (True, False, 2)
        states = flow.run().result
        assert (states[one].value(), states[two].value()) == (1, 2)

    def test_tasks_are_found_in_collections(self) -> None:
        """However deep; what is no task stays as it is."""
        with Flow("deep") as flow:
            one, two = ok(1), ok(2)
            node = ok({"list": [one, 7], "tuple": (two, {"set": {one}}), "text": "as it is"})
        assert value(flow, node) == {"list": [1, 7], "tuple": (2, {"set": {1}}), "text": "as it is"}

    def test_upstream_tasks_pass_nothing(self) -> None:
        """They are only over before; a task that was not called is added itself."""
        order: list[str] = []

        @task
        def first():
            order.append("first")

        @task
        def second(x=0):
            order.append("second")
            return x

        with Flow("order") as flow:
            node = second(upstream_tasks=[first])
        assert (value(flow, node), order) == (0, ["first", "second"])
        assert first in flow.inputs

    def test_a_wrong_call_is_told_of_at_once(self) -> None:
        """In Python's words."""
        with Flow("wrong"), pytest.raises(TypeError, match="missing 1 required positional argument: 'y'"):
            add(1)

    def test_arguments_may_have_the_words_of_flows(self) -> None:
        """Then they are the task's."""

        @task
        def own(mapped, flow, upstream_tasks):
            return mapped, flow, upstream_tasks

        with Flow("words") as flow:
            node = own(mapped=1, flow=2, upstream_tasks=3)
        assert value(flow, node) == (1, 2, 3)

    def test_a_call_may_name_its_copy_and_its_flow(self) -> None:
        """By `task_args` and `flow`."""
        flow = Flow("other")
        with Flow("here") as here:
            node = ok(4, flow=flow, task_args={"name": "four"})
        assert (here.tasks, node.name, value(flow, node)) == ((), "four", 4)

    def test_items_and_unpacking(self) -> None:
        """`task[key]`, and as many values as the options or the annotation say."""

        @task(nout=2)
        def two():
            return 10, 20

        @task
        def three() -> tuple[int, int, int]:
            return 1, 2, 3

        with Flow("items") as flow:
            one, other = two()
            *_, last = three()
            node = add(one, ok({"k": last})["k"])
            whole = add(other, node)
        assert value(flow, whole) == 33

    def test_how_many_values_has_to_be_known(self) -> None:
        """Else unpacking says what to do; outside of a flow a task has no items."""
        with Flow("unknown"), pytest.raises(TypeError, match=r"say it: @task\(nout=2\)"):
            _, _ = ok(1)
        with pytest.raises(TypeError, match="call it first"):
            ok[0]

    def test_classes_with_run(self) -> None:
        """Their instances are tasks, with options and fields."""

        class Times(Task):
            def __init__(self, by: int, **options: Any) -> None:
                self.by = by
                super().__init__(**options)

            def run(self, x):
                return self.by * x

        with Flow("classes") as flow:
            node = Times(3, name="thrice", max_retries=1)(ok(4))
        assert (value(flow, node), node.name, node.retries) == (12, "thrice", 1)

    def test_a_plain_task_does_nothing(self) -> None:
        """It is a place in the order."""
        with Flow("plain") as flow:
            node = Task("nothing")()
        assert value(flow, node) is None

    def test_a_flow_can_be_added_to_later(self) -> None:
        """By another `with` of the same flow."""
        with Flow("later") as flow:
            one = ok(1)
        with flow:
            node = inc(one)
        assert value(flow, node) == 2


class TestImperative:
    """Adding tasks and dependencies by name."""

    def test_set_upstream_and_downstream(self) -> None:
        """With a key the result is passed, without it only waited for."""
        one, two, three = ok.copy(), inc.copy(), inc.copy()
        flow = Flow("keys")
        two.set_upstream(one, flow=flow, key="x")
        two.set_downstream(three, flow=flow, key="x")
        three.set_upstream(fails.copy(), flow=flow)
        assert [each.name for each in flow.tasks] == ["ok", "inc", "fails", "inc"]
        assert flow.run().result[three].name == "TriggerFailed"

    def test_set_dependencies(self) -> None:
        """Of a task and of the flow."""
        total, first, last = add.copy(), ok.copy(), ok.copy()
        flow = Flow("all")
        flow.set_dependencies(
            total, upstream_tasks=[first], downstream_tasks=[last], keyword_tasks={"x": first, "y": 4}
        )
        assert value(flow, total) == 5
        assert flow.upstream_tasks(last) == (total,)
        other = Flow("task")
        total.set_dependencies(flow=other, keyword_tasks={"x": 1, "y": [first]})
        assert other.upstream_tasks(total) == (first,)

    def test_bind(self) -> None:
        """The task itself, not a copy; a second time replaces."""
        total, one, two = add.copy(), ok.copy(), ok.copy()
        with Flow("bind") as flow:
            total.bind(one, 2)
            total.bind(x=two, y=5)
        assert flow.upstream_tasks(total) == (two,)
        assert value(flow, total) == 6

    def test_chain_and_edges(self) -> None:
        """One after the other."""
        flow = Flow("chain")
        tasks = [Task(name) for name in "cab"]
        flow.chain(*tasks)
        flow.add_edge(flow.add_task(ok.copy()), tasks[0])
        assert [each.name for each in flow.tasks] == ["ok", "c", "a", "b"]

    def test_without_a_flow(self) -> None:
        """It is said what is missing."""
        with pytest.raises(DefinitionError, match="with Flow"):
            ok.copy().set_upstream(inc.copy())
        with pytest.raises(DefinitionError, match="with Flow"):
            add.copy().bind(1, 2)

    def test_no_such_argument(self) -> None:
        """It is said which there are."""
        with Flow("no"), pytest.raises(DefinitionError, match="no argument 'z'; it has x, y"):
            add.copy().set_upstream(ok(1), key="z")


class TestQuestions:
    """What is asked of a flow."""

    def test_order(self) -> None:
        """Roots, terminal tasks, neighbours, and what is below some."""
        with Flow("order") as flow:
            one = ok(1)
            two, three = inc(one), inc(one)
            last = add(two, three)
        assert (flow.root_tasks(), flow.terminal_tasks()) == ((one,), (last,))
        assert flow.downstream_tasks(one) == (two, three)
        assert flow.sorted_tasks() == (one, two, three, last)
        assert flow.sorted_tasks([three]) == (three, last)

    def test_get_tasks(self) -> None:
        """By name and by tags."""
        with Flow("get") as flow:
            one, two = ok.with_options(tags=["a", "b"])(1), inc.with_options(tags=["b"])(1)
        assert flow.get_tasks(name="ok") == (one,)
        assert flow.get_tasks(tags=["b"]) == (one, two)
        assert flow.get_tasks(tags=["a", "b"]) == (one,)
        assert flow.get_tasks() == (one, two)

    def test_names_become_slugs(self) -> None:
        """Numbered where a name is there already, and one's own where it was given."""
        with Flow("slugs") as flow:
            for _ in range(3):
                ok()
            Task("x", slug="mine")()
            Task("ok-2")()
        assert list(flow.slugs().values()) == ["ok", "ok-2", "ok-3", "mine", "ok-2-2"]
        assert flow.task("ok-3").name == "ok"

    def test_two_of_one_slug(self) -> None:
        """Are an error."""
        with Flow("twice") as flow:
            for _ in range(2):
                Task("x", slug="mine")()
        with pytest.raises(DuplicateTaskError, match="'mine' is the slug of 2 tasks"):
            flow.slugs()

    def test_no_such_task(self) -> None:
        """The nearest is named; a name of several asks which."""
        with Flow("which") as flow:
            inc(ok(1)), ok(2)
        with pytest.raises(UnknownTaskError, match="did you mean 'inc'"):
            flow.task("icn")
        with pytest.raises(UnknownTaskError, match="say which: 'ok', 'ok-2'"):
            flow.task("ok")
        with pytest.raises(UnknownTaskError, match="no task 'add'"):
            flow.task(add)
        with pytest.raises(UnknownTaskError, match="this 'inc' is not the one in the flow"):
            flow.task(inc)


class TestErrors:
    """What is wrong before anything runs."""

    def test_a_cycle(self) -> None:
        """Is told of when the block ends, and when a flow that was built by hand runs."""
        one, two, three = Task("one"), Task("two"), Task("three")
        with pytest.raises(CycleError, match="one -> two -> three -> one"), Flow("cycle") as flow:
            flow.chain(one, two, three, one)
        with pytest.raises(CycleError, match="remove one of these"):
            flow.run()

    def test_a_cycle_tells_copies_of_one_task_apart(self) -> None:
        """By their slugs, which other messages use as well."""
        flow = Flow("cycle")
        with flow:
            two = ok(one := ok())
        flow.set_dependencies(one, upstream_tasks=[two])
        with pytest.raises(CycleError, match="ok -> ok-2 -> ok;"):
            flow.run()

    def test_a_task_that_needs_itself(self) -> None:
        """Is told of at once."""
        one = Task("one")
        with Flow("self") as flow, pytest.raises(CycleError, match="one -> one"):
            flow.chain(one, one)

    def test_an_error_within_the_block_is_the_one_that_is_seen(self) -> None:
        """Not what it left unfinished."""
        one, other = Task("one"), Task("other")

        def build() -> None:
            with Flow("broken") as flow:
                flow.chain(one, other, one)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            build()

    def test_two_parameters_of_one_name(self) -> None:
        """Nobody could say which is meant."""
        with Flow("two"), pytest.raises(DuplicateTaskError, match="a parameter 'p' already"):
            add(Parameter("p"), Parameter("p"))

    def test_a_parameter_needs_nothing(self) -> None:
        """It is given from outside."""
        with Flow("needs"), pytest.raises(DefinitionError, match=r"run\(p=…\)"):
            Parameter("p").set_upstream(ok(1))

    def test_a_flow_without_name(self) -> None:
        """Is none."""
        with pytest.raises(DefinitionError, match="needs a name"):
            Flow("")

    def test_an_unknown_setting(self) -> None:
        """The nearest is named."""
        with pytest.raises(OptionError, match="state_handlers"):
            Flow("x", state_handler=[])

    def test_running_what_is_being_built(self) -> None:
        """Is refused."""
        with Flow("early") as flow, pytest.raises(DefinitionError, match="after the with block"):
            flow.run()
