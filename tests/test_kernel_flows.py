"""Explicit flows in the cells of a real kernel: graphs, functions, what awaits, threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "imports": "import asyncio, threading\nfrom nbflow import task, flow, Flow",
    "one": "@task\ndef one():\n    print('one runs')\n    return 1",
    "double": "@task\ndef double(x):\n    print(f'double {x}\\n', end='')\n    return 2 * x",
    "graph": "with Flow('graph') as graph:\n    node = double(one())\ngraph.run().result[node].result",
    "total": "@flow\ndef total(n):\n    futures = [double.submit(x) for x in range(n)]\n"
    "    return sum(future.result() for future in futures) + one()",
    "call": "total(3)",
    "waits": "@flow\nasync def waits():\n    await asyncio.sleep(0)\n    print('awaited')\n    return one()",
    "await": "await waits()",
    "cell": "#@task kept\nkept = total(2)",
    "awaiting": "#@task late\nlate = await waits()",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, not run."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        yield kernel


class TestFlowsInCells:
    """A notebook, run from top to bottom, then asked."""

    def test_run_all(self, kernel: Kernel) -> None:
        """Each flow runs its tasks now; what they print belongs to the cell that called the flow."""
        shown = dict(zip(CELLS, kernel.run_all(), strict=True))
        assert [each.error for each in shown.values()] == [""] * len(CELLS)
        assert shown["graph"].stdout == "one runs\ndouble 1\n"
        assert shown["graph"].texts[-1] == "2"
        assert sorted(shown["call"].stdout.splitlines()) == ["double 0", "double 1", "double 2", "one runs"]
        assert shown["call"].texts[-1] == "7"
        assert shown["await"].stdout == "awaited\none runs\n"
        assert (kernel.value("kept"), kernel.value("late")) == ("3", "1")

    def test_task_cells_that_call_flows_are_reused_with_what_was_printed(self, kernel: Kernel) -> None:
        """Prints of other threads were captured as well."""
        kernel.run_all()
        shown = kernel.run("cell")
        assert sorted(shown.stdout.splitlines()) == ["double 0", "double 1", "one runs"]
        assert "reused" in shown.text
        assert "awaited" in kernel.run("awaiting").stdout

    def test_an_edit_of_a_task_makes_them_stale(self, kernel: Kernel) -> None:
        """What a flow calls is an input of the cell that calls the flow."""
        kernel.run_all()
        kernel.run("double", CELLS["double"].replace("2 * x", "20 * x"))
        assert "code of double changed" in kernel.execute("%flow why kept").text
        kernel.execute("%flow run")
        assert kernel.value("kept") == "21"

    def test_history_has_the_runs_of_flows(self, kernel: Kernel) -> None:
        """By the flow's name with all that it called; the tasks of the session have their own."""
        kernel.run_all()
        whole = kernel.execute("%flow history").text
        assert " graph " in whole
        assert " waits " in whole
        total = kernel.execute("%flow history total").text
        assert " double " in total
        assert " graph " not in total
        assert "there is no task 'nothing'" in kernel.execute("%flow history nothing").error

    def test_the_status_knows_session_tasks_only(self, kernel: Kernel) -> None:
        """A run of a flow of its own says nothing of a task of the session."""
        kernel.run_all()
        table = kernel.execute("%flow status").text
        assert "graph" not in table
        assert "registered" in next(line for line in table.splitlines() if line.startswith("one "))

    def test_what_fails_is_told_of_below_the_cell_that_called(self, kernel: Kernel) -> None:
        """From threads as well; `log_level` is heard at once, and nothing else is shown."""
        kernel.run("load")
        kernel.run("imports")
        fails = "@task\ndef fails(x):\n    raise ValueError(f'no {x}')"
        calls = "@flow\ndef calls():\n    fails.map([1, 2], return_state=True)"
        kernel.execute(f"{fails}\n{calls}")
        shown = kernel.execute("calls()")
        assert sorted(shown.text.splitlines()) == [
            f"Task run 'fails[{place}]' failed: ValueError: no {place + 1}" for place in (0, 1)
        ]
        kernel.execute("%config NBFlow.log_level = 'critical'")
        assert kernel.execute("calls()").text == ""
        assert "unknown log_level 'loud'" in kernel.execute("%config NBFlow.log_level = 'loud'").text
