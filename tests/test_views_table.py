"""Status, order and plan."""

from __future__ import annotations

from nbflow.types import Cause, Verdict
from nbflow.views import ActionCard, ActionLine, FlowCard, PlanCard, PlanLine, TaskCard
from nbflow.views.table import (
    action_grid,
    action_summary,
    counts,
    flow_head_text,
    not_listed,
    order_grid,
    plan_grid,
    plan_summary,
    status_grid,
    tasks_summary,
)
from tests.views_cards import LATE, NOW, flow_of

CELL = TaskCard("cell 7", Verdict.FRESH, "Completed", writes=("LATE",), is_plain=True)
CLEAN = TaskCard(
    "clean", Verdict.FRESH, "Cached", seconds=1.4, saved=1.4, run=12, made=NOW - 7300, size=61_000_000
)
MODEL = TaskCard("model", Verdict.STALE, "Failed", (LATE,), attempt=3, error="ValueError: no")


class TestStatus:
    """One line a task."""

    def test_a_row_says_verdict_state_age_duration_size_and_why(self) -> None:
        """What the contract asks for."""
        lines = status_grid(FlowCard((CLEAN, MODEL), now=NOW)).as_text().splitlines()
        assert lines[0].split() == ["task", "verdict", "last", "run", "made", "took", "size", "why"]
        assert lines[1].split(maxsplit=3)[:3] == ["clean", "fresh", "Cached"]
        assert all(
            part in lines[1] for part in ("2 h ago", "1.4 s", "61 MB", "reused from run 12, saved 1.4 s")
        )
        assert lines[2].endswith("ValueError: no")
        assert "Failed, attempt 3" in lines[2]

    def test_without_a_clock_it_tells_the_moment(self) -> None:
        """An age needs a now."""
        assert "2025" in status_grid(FlowCard((CLEAN,))).as_text()

    def test_plain_cells_appear_only_when_there_is_something_to_say(self) -> None:
        """They are no tasks."""
        stale = TaskCard("cell 8", Verdict.WAITS, "Completed", is_plain=True)
        text = status_grid(FlowCard((CELL, stale, CLEAN))).as_text()
        assert "cell 8" in text
        assert "cell 7" not in text

    def test_of_very_many_tasks_those_that_are_fresh_go_first(self) -> None:
        """What needs attention is always listed, in flow order, and the rest is announced."""
        flow = flow_of(100)
        text = status_grid(flow, most=80).as_text()
        needy = [task.name for task in flow.tasks if task.verdict is not Verdict.FRESH]
        shown = [line.split()[0] for line in text.splitlines()[1:]]
        assert len(shown) == 80
        assert [name for name in shown if name in needy] == needy
        assert not_listed(flow, 80) == ("20 tasks not listed; those that are not fresh come first",)
        assert not_listed(flow, 100) == ()


class TestHead:
    """Title and counts."""

    def test_what_needs_attention_comes_first(self) -> None:
        """And plain cells are not counted."""
        found = [(look.word, count) for look, count in counts([CELL, CLEAN, CLEAN, MODEL])]
        assert found == [("failed", 1), ("fresh", 2)]

    def test_it_tells_what_reuse_saved(self) -> None:
        """The reason to have all this."""
        assert flow_head_text(FlowCard((CLEAN,), title="flights")) == "flights · 1 fresh · reuse saved 1.4 s"
        assert tasks_summary(FlowCard((CELL, CLEAN))) == "1 task, 1 plain cell"


class TestOrder:
    """The flow order."""

    def test_it_lists_plain_cells_too(self) -> None:
        """With what they read and write, numbered."""
        lines = order_grid(FlowCard((CELL, CLEAN))).as_text().splitlines()
        assert lines[1].split() == ["1", "cell", "7", "plain", "cell", "LATE"]
        assert lines[2].split() == ["2", "clean", "task"]


class TestPlan:
    """What a run would do."""

    def test_a_row_says_what_for_how_long_and_why(self) -> None:
        """In the order of work."""
        lines = (PlanLine("features", "runs", (LATE,), 12.0), PlanLine("model", "may run"))
        text = plan_grid(PlanCard(lines)).as_text().splitlines()
        assert text[1].split(maxsplit=4)[:4] == ["1", "features", "runs", "12"]
        assert text[1].endswith("LATE changed: 15 → 18 (cell 2)")
        assert text[2].split() == ["2", "model", "may", "run"]

    def test_the_summary_counts_in_words(self) -> None:
        """One and many."""
        lines = tuple(
            PlanLine(f"t{place}", action) for place, action in enumerate(["reuses", "waits", "waits"])
        )
        assert plan_summary(PlanCard(lines)) == "1 step is reused, 2 wait"
        assert plan_summary(PlanCard(lines[:1], seconds=3.0)) == "1 step is reused, about 3.0 s"

    def test_many_causes_end_in_a_number(self) -> None:
        """A row stays a row."""
        causes = tuple(Cause("unknown", f"x{place}") for place in range(5))
        text = plan_grid(PlanCard((PlanLine("model", "runs", causes),))).as_text()
        assert text.endswith("x0 cannot be compared · x1 cannot be compared · x2 cannot be compared · 2 more")


class TestAction:
    """What a run did."""

    LINES = (
        ActionLine("params", "ran", (), 0.001, is_plain=True),
        ActionLine("features", "ran", (LATE,), 12.0),
        ActionLine("model", "reused", (), note="result of run 9", saved=41.0),
        ActionLine("report", "failed", (LATE,), None, "KeyError: 'x'"),
        ActionLine("mail", "waits", (Cause("manual", "mail", after="run mail"),)),
    )

    def test_a_row_says_what_how_long_and_why(self) -> None:
        """What ran took time, what was reused saved some; an error and a note are reasons of their own."""
        head, *rows = action_grid(ActionCard(self.LINES)).as_text().splitlines()
        assert head.split() == ["step", "did", "took", "saved", "why"]
        assert rows[1].split(maxsplit=4) == ["features", "ran", "12", "s", "LATE changed: 15 → 18 (cell 2)"]
        assert rows[2].split(maxsplit=4) == ["model", "reused", "41", "s", "result of run 9"]
        assert rows[3].split(maxsplit=2) == ["report", "failed", "KeyError: 'x'"]
        assert rows[4].split(maxsplit=2) == ["mail", "waits", "only you start it: run mail"]
        assert rows[1].index("12 s") < rows[2].index("41 s")

    def test_the_summary_counts_tasks(self) -> None:
        """Plain cells are no tasks."""
        summary = "run 3 · 1 task ran, 12 s · 1 reused, 41 s saved · 1 failed · 1 waits"
        assert action_summary(ActionCard(self.LINES, 3)) == summary
        assert action_summary(ActionCard(self.LINES[:1], 3)) == "run 3"
