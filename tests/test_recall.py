"""What a live view is told from the history, in a real kernel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

CELLS = {
    "ext": "%load_ext nbflow",
    "raw": "#@task raw\nraw = [0, 1, 2]",
    "inverse": "#@task inverse --map x=raw\ninverse = 1 / x",
    "flow": "from nbflow import flow, task\n@task\ndef inc(x): return x + 1\n"
    "@flow\ndef etl(): return [inc(1), inc(2)]\nmade = etl()",
}
RECALL = "__import__('nbflow').session().live._own._subject.recall"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel in which a mapped task has failed for one item, and a cell has called a flow."""
    with Kernel(tmp_path_factory.mktemp("recall")) as kernel:
        kernel.set(**CELLS)
        for cell in CELLS:
            kernel.run(cell)
        yield kernel


def answer(kernel: Kernel, **asked: Any) -> Any:
    """What a question is answered."""
    return json.loads(kernel.ask(f"__import__('json').dumps({RECALL}.answer({asked!r}))"))


class TestHistory:
    """Runs of the flow."""

    def test_what_others_have_started_is_no_line_of_its_own(self, ran: Kernel) -> None:
        """A mapped task and a flow are a line each, with a word on what is within."""
        runs = answer(ran, ask="history")["runs"]
        assert [(line["task"], line["group"]) for run in runs for line in run["lines"]] == [
            ("etl", "its runs"), ("inverse", "1 of 3 items failed"), ("raw", "")
        ]  # fmt: skip
        assert [run["ran"] for run in runs] == [["etl"], ["inverse"], ["raw"]]
        assert all(run["took"] for run in runs)

    def test_what_is_within(self, ran: Kernel) -> None:
        """Items, the failed one first, and what a flow has called."""
        lines = [line for run in answer(ran, ask="history")["runs"] for line in run["lines"]]
        flow, mapped = (answer(ran, ask="family", run=line["id"]) for line in lines[:2])
        assert [(run["task"], run["state"]) for run in flow["runs"]] == [("inc", "Completed")] * 2
        assert [run["task"] for run in mapped["runs"]] == ["inverse[0]", "inverse[1]", "inverse[2]"]
        assert mapped["runs"][0]["message"].startswith("ZeroDivisionError")

    def test_an_unknown_run(self, ran: Kernel) -> None:
        """Is refused in one line."""
        asked = "{'ask': 'family', 'run': 'nobody'}"
        shown = ran.execute(f"import nbflow; nbflow.session().live._own._subject.recall.answer({asked})")
        assert shown.error == "SessionError: there is no such run any more"


class TestEvents:
    """What runs went through."""

    def test_items(self, ran: Kernel) -> None:
        """As the page is told them of what runs now: task, state, …, run, parent, role, index, message."""
        events = answer(ran, ask="items", task="inverse")["events"]
        ends = {event[0]: event[1] for event in events}
        assert ends == {
            "inverse": "Failed",
            "inverse[0]": "Failed",
            "inverse[1]": "Completed",
            "inverse[2]": "Completed",
        }
        (parent,) = {event[6] for event in events if event[8] == "step"}
        assert {event[7] for event in events if event[8] == "item"} == {parent}
        assert {event[9] for event in events} == {None, 0, 1, 2}

    def test_the_last_events_are_whole_groups(self, ran: Kernel) -> None:
        """In the order in which they happened."""
        found = f"[(e.of.task, e.of.role) for e in {RECALL}.last_events() if e.state != 'Pending']"
        told = ran.ask(found)
        assert told.index(("raw", "step")) < told.index(("inverse[0]", "item"))
        assert ("etl", "flow") in told
        assert ("inc", "task") in told
