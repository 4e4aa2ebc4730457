"""Explicit flows inside a notebook: what they call runs now, and what they reach is an input all the same."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from nbflow.engine.texts import asks_of
from nbflow.states import Role
from tests.cells import causes, change, opened

if TYPE_CHECKING:
    from nbflow.testing import Notebook

IMPORTS = "from nbflow import task, flow, Flow"
FACTOR = "FACTOR = 2"
DOUBLE = "@task\ndef double(x):\n    return FACTOR * x"
ONE = "@task\ndef one():\n    seen.append(1)\n    return 1"
TOTAL = "@flow\ndef total(n):\n    return sum(double(x) for x in range(n))"
GRAPH = "with Flow('graph') as graph:\n    node = double(5)"


def notebook_with(*cells: str, tasks: tuple[str, ...] = ()) -> tuple[Notebook, list[str]]:
    """A notebook with plain cells and then task cells, all run."""
    return opened(*cells, *tasks, plain=range(len(cells)))


class TestFunctionFlows:
    """A task cell that calls a function under `@flow`."""

    def test_its_tasks_run_now_with_their_arguments(self) -> None:
        """They are not read: a task without a value for its parameters is no obstacle."""
        notebook, (*_, cell) = notebook_with(IMPORTS, FACTOR, DOUBLE, TOTAL, tasks=("t = total(4)",))
        assert notebook.names["t"] == 12
        assert notebook.verdict(cell).value == "fresh"
        assert "double()" not in notebook.names

    def test_a_change_of_what_its_tasks_read_makes_the_cell_stale(self) -> None:
        """Also of a constant that only a task of the flow reads."""
        notebook, cells = notebook_with(IMPORTS, FACTOR, DOUBLE, TOTAL, tasks=("t = total(4)",))
        change(notebook, cells[1], "FACTOR = 3")
        assert causes(notebook, cells[4]) == [("input", "FACTOR")]
        assert notebook.flow().executed == [cells[4]]
        assert notebook.names["t"] == 18

    def test_an_edit_of_a_task_that_it_calls_makes_the_cell_stale(self) -> None:
        """The code counts, through the flow and through a helper of it."""
        helper = "def each(n):\n    return [double(x) for x in range(n)]"
        total = "@flow\ndef total(n):\n    return sum(each(n))"
        notebook, cells = notebook_with(IMPORTS, FACTOR, DOUBLE, helper, total, tasks=("t = total(4)",))
        change(notebook, cells[2], DOUBLE.replace("FACTOR * x", "FACTOR * x + 1"))
        assert notebook.verdict(cells[5]).value == "stale"
        assert notebook.flow().executed == [cells[5]]
        assert notebook.names["t"] == 16

    def test_a_call_without_arguments_runs_each_time(self) -> None:
        """In a flow's body it is a run, in the cell itself a read."""
        etl = "@flow\ndef etl():\n    return one() + one()"
        notebook, _ = notebook_with(IMPORTS, "seen = []", ONE, etl, "a = etl()")
        assert notebook.names["seen"] == [1, 1]
        assert notebook.names["a"] == 2
        assert "one()" not in notebook.names

    def test_what_is_read_as_well_is_brought_up_to_date(self) -> None:
        """The cell itself reads a task that a flow of it calls, too."""
        etl = "@flow\ndef etl():\n    return one()"
        notebook, (*_, cell) = notebook_with(IMPORTS, "seen = []", ONE, etl, tasks=("b = etl() + one()",))
        assert notebook.names["b"] == 2
        assert notebook.verdict(cell).value == "fresh"
        assert "one()" in notebook.names

    def test_its_runs_are_in_the_history_of_the_notebook(self) -> None:
        """The flow's, with a number of its own, and those of its tasks."""
        notebook, _ = notebook_with(IMPORTS, FACTOR, DOUBLE, TOTAL, tasks=("t = total(2)",))
        runs = notebook.work.runs.history.runs()
        flow = next(run for run in runs if run.role == Role.FLOW.value)
        assert (flow.name, flow.number) == ("total", 1)
        assert [run.name for run in runs if run.parent == flow.id] == ["double", "double"]


class TestGraphFlows:
    """A graph that is built in one cell and run in another."""

    def test_it_is_an_input_by_what_it_is_made_of(self) -> None:
        """An edit of a task of it is a change of the cell that builds it, and of the one that runs it."""
        run = "u = graph.run().result['double'].result"
        notebook, cells = notebook_with(IMPORTS, FACTOR, DOUBLE, GRAPH, tasks=(run,))
        assert notebook.names["u"] == 10
        assert notebook.verdict(cells[4]).value == "fresh"
        change(notebook, cells[1], "FACTOR = 3")
        assert notebook.verdict(cells[4]).value == "stale"
        notebook.flow()
        assert notebook.names["u"] == 15

    def test_building_it_runs_nothing(self) -> None:
        """A call without arguments adds a task to the graph."""
        notebook, _ = notebook_with(
            IMPORTS, "seen = []", ONE, "with Flow('graph') as graph:\n    node = one()"
        )
        assert notebook.names["seen"] == []


class TestAsks:
    """What the text tells: a call in a flow is no read."""

    def test_calls_under_flow_and_with_flow_are_none(self) -> None:
        """The text alone shows it."""
        assert asked("@flow\ndef f():\n    a()\nb()") == {"b"}
        assert asked("with nbflow.Flow('x') as f:\n    a()\nb()") == {"b"}
        assert asked("with open('low') as f:\n    a()") == {"a"}


def asked(source: str) -> frozenset[str]:
    """The names at the roots of what a source calls without arguments."""
    return asks_of(source, list(ast.walk(ast.parse(source))))[0]
