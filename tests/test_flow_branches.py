"""`case`, `switch`, `ifelse` and `merge`: what runs, what is skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, Task, case, ifelse, merge, switch, task
from nbflow.exceptions import DefinitionError
from tests.graphs import fails, in_memory, inc, ok, skips

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


class TestCase:
    """A block that runs where a task has made a value."""

    def build(self) -> tuple[Flow, dict[str, Task]]:
        """A flow with two cases."""
        with Flow("case") as flow:
            kind = Parameter("kind", default="a")
            with case(kind, "a"):
                first = ok(1)
                second = inc(first)
            with case(kind, "b"):
                other = ok(5)
            both = merge(second, other)
        return flow, {"first": first, "second": second, "other": other, "both": both}

    @pytest.mark.parametrize(
        ("kind", "names", "result"),
        [
            ("a", ("Completed", "Completed", "Skipped", "Completed"), 2),
            ("b", ("Skipped", "Skipped", "Completed", "Completed"), 5),
            ("c", ("Skipped", "Skipped", "Skipped", "Skipped"), None),
        ],
    )
    def test_what_runs(self, kind: str, names: tuple[str, ...], result: Any) -> None:
        """The rest is skipped, and the flow completes."""
        flow, tasks = self.build()
        state = flow.run(kind=kind)
        assert tuple(state.result[each].name for each in tasks.values()) == names
        assert (state.result[tasks["both"]].result, state.name) == (result, "Completed")

    def test_only_the_first_of_a_block_needs_the_comparison(self) -> None:
        """What follows it is skipped with it."""
        flow, tasks = self.build()
        assert [each.name for each in flow.upstream_tasks(tasks["first"])] == ["case('a')"]
        assert flow.upstream_tasks(tasks["second"]) == (tasks["first"],)

    def test_a_skip_says_why(self) -> None:
        """With the value that was there and the one that was wanted."""
        flow, _ = self.build()
        assert flow.run(kind="z").result["case('a')"].message == "'z' is not 'a'"

    def test_within_each_other(self) -> None:
        """The inner block runs only where the outer one does."""
        with Flow("nested") as flow:
            one, two = Parameter("one"), Parameter("two")
            with case(one, True), case(two, True):
                node = ok(1)
        assert flow.run(one=True, two=True).result[node].name == "Completed"
        assert flow.run(one=False, two=True).result[node].name == "Skipped"
        assert flow.run(one=True, two=False).result[node].name == "Skipped"

    def test_a_failed_condition_fails(self) -> None:
        """It is no reason to skip."""
        with Flow("failed") as flow, case(fails(), 1):
            node = ok(1)
        assert flow.run().result[node].name == "TriggerFailed"

    def test_mapped_tasks(self) -> None:
        """Each item is skipped."""
        with Flow("mapped") as flow, case(ok(1), 2):
            node = inc.map([1, 2])
        state = flow.run().result[node]
        assert [item.name for item in state.map_states] == ["Skipped", "Skipped"]

    def test_outside_of_a_flow(self) -> None:
        """There is nothing to add to."""
        with pytest.raises(DefinitionError, match="with Flow"), case(ok, 1):
            pass


class TestSwitch:
    """One task for each value."""

    def build(self) -> tuple[Flow, list[Task]]:
        """A flow with a switch of two."""
        with Flow("switch") as flow:
            one, two = ok(1), ok(2)
            switch(Parameter("which"), {"one": one, "two": two})
            both = merge(one, two)
        return flow, [one, two, both]

    @pytest.mark.parametrize(("which", "result"), [("one", 1), ("two", 2), ("three", None)])
    def test_the_task_of_the_value_runs(self, which: str, result: int | None) -> None:
        """The others are skipped."""
        flow, tasks = self.build()
        states = [flow.run(which=which).result[each] for each in tasks]
        assert states[2].result == result
        assert sum(state.is_skipped() for state in states[:2]) == (2 if result is None else 1)

    @pytest.mark.parametrize(
        ("value", "names"), [([1], ["Completed", "Skipped"]), ("", ["Skipped", "Completed"])]
    )
    def test_ifelse(self, value: object, names: list[str]) -> None:
        """By whether the value is true."""
        with Flow("ifelse") as flow:
            yes, no = ok(1), ok(2)
            ifelse(Parameter("value"), yes, no)
            ifelse(Parameter("other", default=0), Task("never"))
        states = flow.run(value=value).result
        assert [states[yes].name, states[no].name, states["never"].name] == [*names, "Skipped"]


class TestMerge:
    """Bringing branches together."""

    def test_the_first_that_is_there(self) -> None:
        """What is false is there; None is not."""
        with Flow("first") as flow:
            node = merge(ok(None), ok(0), ok(1))
        assert flow.run().result[node].value() == 0

    def test_a_skip_with_a_result_is_a_skip(self) -> None:
        """The next branch counts."""
        with Flow("skip") as flow:
            node = merge(skips(), ok(2))
        assert flow.run().result[node].value() == 2

    def test_a_failed_branch_fails(self) -> None:
        """Although another one has a result."""
        with Flow("fail") as flow:
            node = merge(ok(1), fails())
        assert flow.run().result[node].name == "TriggerFailed"

    def test_it_is_one_task_of_many_arguments(self) -> None:
        """Called twice there are two."""

        @task
        def many():
            return 3

        with Flow("two") as flow:
            nodes = [merge(*(many() for _ in range(12))) for _ in range(2)]
        states = flow.run().result
        assert [states[each].value() for each in nodes] == [3, 3]
