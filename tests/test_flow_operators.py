"""Operators of tasks in a flow that is built."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, case
from nbflow.exceptions import DefinitionError
from tests.graphs import in_memory, ok

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


OPERATORS = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.and_, operator.or_, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip


class TestOperators:
    """Each adds a task."""

    @pytest.mark.parametrize("apply", OPERATORS)
    def test_results(self, apply: Callable[[Any, Any], Any]) -> None:
        """Of two tasks, and of a task and a constant on either side, what Python gives."""
        with Flow("operators") as flow:
            nodes = [apply(*sides) for sides in ((ok(7), ok(3)), (ok(7), 3), (7, ok(3)))]
        states = flow.run().result
        assert [states[node].value() for node in nodes] == [apply(7, 3)] * 3
        assert len(flow.tasks) == 7

    def test_a_comparison_as_a_condition(self) -> None:
        """Named by its sign."""
        with Flow("condition") as flow, case(Parameter("x") > 3, True):
            node = ok()
        assert flow.run(x=4).result[node].name == "Completed"
        assert flow.run(x=3).result[node].name == "Skipped"
        assert flow.get_tasks(name=">")

    def test_elsewhere_tasks_have_none(self) -> None:
        """In Python's words; equality tells tasks apart."""
        with pytest.raises(TypeError, match="unsupported operand"):
            _ = ok + 1
        with pytest.raises(TypeError, match="not supported between"):
            _ = ok > 1
        with Flow("equal"):
            assert (ok == ok.copy(), {ok: 1}[ok]) == (False, 1)


class TestTruth:
    """What a task makes is not known while its flow is built."""

    def test_if_is_refused_for_tasks_of_the_flow(self) -> None:
        """It would always be true; the message says what to write."""
        with Flow("condition") as flow:
            node = ok(7)
            with pytest.raises(DefinitionError, match=r"task '>' makes.*`with case\(task, value\):`"):
                assert node > 1
            with pytest.raises(DefinitionError, match="task 'ok' makes"):
                _ = node or ok()
        assert [task.name for task in flow.tasks] == ["ok", ">"]

    def test_everywhere_else_a_task_is_true(self) -> None:
        """So that code may ask whether there is one."""
        with Flow("cleanup") as flow:
            node = ok(7)
            assert ok
        assert all((ok, node, *flow.tasks, any([node])))
