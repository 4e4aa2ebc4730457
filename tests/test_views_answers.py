"""What a live page is answered."""

from __future__ import annotations

import json

from nbflow.states import Transition
from nbflow.types import Cause, Verdict
from nbflow.views import HistoryCard, RunLine, TaskCard, WhyCard
from nbflow.views.answers import details_answer, history_answer, page_answer
from nbflow.views.cards import DetailsCard, ValueCard
from nbflow.views.values import ValuePage
from tests.views_cards import ABOVE, LATE, NOW

NEVER = Cause("never ran", "raw")


def run(number: int, task: str, state: str = "Completed", causes: tuple[Cause, ...] = ()) -> RunLine:
    """A run of a task."""
    states = (
        Transition("r", 1, 1, NOW, "RUNNING", "Running"),
        Transition("r", 1, 1, NOW + 2, "COMPLETED", state),
    )
    is_reuse = state == "Cached"
    times = (None, 34.0) if is_reuse else (2.0, None)
    return RunLine(number, task, state, "named", NOW, times[0], 1, causes, states, times[1])


class TestHistory:
    """Runs of the whole flow and of a task."""

    def test_runs_of_one_number_stand_together(self) -> None:
        """A flow run says what ran, what was reused, how long it took and what it saved."""
        newest_first = (
            run(8, "model", causes=(LATE,)),
            run(8, "raw", "Cached"),
            run(7, "raw", causes=(NEVER,)),
        )
        answer = history_answer(HistoryCard(newest_first, now=NOW))
        first, second = answer["runs"]
        assert (first["number"], first["ran"], first["reused"]) == (8, ["model"], ["raw"])
        assert (first["took"], first["saved"]) == ("2.0 s", "34 s")
        assert first["why"] == "LATE changed: 15 → 18 (cell 2)"
        assert second["why"] == "first run"

    def test_in_the_order_of_work(self) -> None:
        """Within a run, what came first stands first."""
        answer = history_answer(HistoryCard((run(8, "b"), run(8, "a"))))
        assert [line["task"] for line in answer["runs"][0]["lines"]] == ["a", "b"]

    def test_each_state_with_the_time_since_the_first(self) -> None:
        """How a run went."""
        answer = history_answer(HistoryCard((run(8, "b"),)))
        states = [(state["name"], state["since"]) for state in answer["runs"][0]["lines"][0]["states"]]
        assert states == [("Running", ""), ("Completed", "2.0 s")]

    def test_an_upstream_is_named_where_there_is_nothing_else(self) -> None:
        """The root cause first, but no silence."""
        assert "features" in history_answer(HistoryCard((run(8, "b", causes=(ABOVE,)),)))["runs"][0]["why"]


class TestDetails:
    """All about a task."""

    def test_it_can_be_sent(self) -> None:
        """Everything in it is plain, and all of it is there."""
        why = WhyCard(
            TaskCard("late", Verdict.STALE), (LATE,), "result of run 3", (("late", "x = 1", "x = 2"),)
        )
        value = ValueCard("late", "name", "[1]", "list, 1 item", 2048, "late", True)
        card = DetailsCard(
            "late", why, (value,), (value,), "x = 2", HistoryCard((run(3, "late"),)), (("text/plain", "a"),)
        )
        answer = details_answer(card)
        assert json.loads(json.dumps(answer)) == answer
        assert answer["causes"] == [["LATE changed: 15 → 18 (cell 2)", ""]]
        assert answer["diffs"] == [["late", ["-x = 1", "+x = 2"]]]
        assert answer["outputs"][0] == {
            "name": "late",
            "kind": "name",
            "preview": "[1]",
            "shape": "list, 1 item",
            "size": "2.0 kB",
            "maker": "late",
            "paged": True,
        }

    def test_a_page_of_a_value(self) -> None:
        """Rows as they are."""
        page = ValuePage("list, 1 item", ("", "value"), (("0", "1"),), 0, 1)
        assert page_answer(page)["rows"] == [["0", "1"]]
