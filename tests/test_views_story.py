"""Why and history."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbflow.states import Transition
from nbflow.types import Cause, Verdict
from nbflow.views import HistoryCard, RunLine, TaskCard, WhyCard
from nbflow.views.story import difference, history_grid, history_text, why_html, why_text
from tests.views_cards import LATE, NOW, Reader

BEFORE = "def band(h):\n    return h // 6\n"
AFTER = "def band(h):\n    return h // 4\n"
STALE = TaskCard("features", Verdict.STALE, "Completed", notes=("placed after clean",))
FILE = Cause("file", "a.csv", "", "63 MB, changed 2025-11-04 14:02:11")
FAILED = (
    Transition("r", 1, 1, NOW, "PENDING", "Pending"),
    Transition("r", 1, 1, NOW + 0.4, "SCHEDULED", "AwaitingRetry", "KeyError: 'x'"),
    Transition("r", 2, 1, NOW + 3, "FAILED", "Failed", "KeyError: 'x'"),
)


class TestWhy:
    """Causes, root first, with before and after."""

    def test_text(self) -> None:
        """Labels at the left, one cause a line, source as a difference."""
        why = WhyCard(STALE, (LATE, FILE), "result of run 12", (("band", BEFORE, AFTER),))
        assert why_text(why).splitlines() == [
            "features: stale",
            "  why     LATE changed: 15 → 18 (cell 2)",
            "          file a.csv changed (now 63 MB, changed 2025-11-04 14:02:11)",
            "  result  result of run 12",
            "  notes   placed after clean",
            "",
            "  band:",
            "   def band(h):",
            "  -    return h // 6",
            "  +    return h // 4",
        ]

    def test_html_says_the_same(self) -> None:
        """In the same order."""
        words = Reader(
            why_html(WhyCard(STALE, (LATE, FILE), "result of run 12", (("band", BEFORE, AFTER),)))
        ).text
        parts = [
            "features",
            "stale",
            "LATE changed: 15 → 18",
            "file a.csv",
            "run 12",
            "placed",
            "band",
            "- return",
            "+ return",
        ]
        places = [words.index(part) for part in parts]
        assert places == sorted(places)

    def test_a_reused_result_says_so(self) -> None:
        """Nothing is wrong, and still there is a reason."""
        card = TaskCard("clean", Verdict.FRESH, "Cached", saved=1.4, run=12)
        assert why_text(WhyCard(card, reuse="compared: 3 inputs")).splitlines() == [
            "clean: fresh · reused from run 12, saved 1.4 s",
            "  result  compared: 3 inputs",
        ]


class TestDifference:
    """What changed in code."""

    @given(st.text("ab\n", max_size=30), st.text("ab\n", max_size=30))
    def test_it_holds_what_went_and_what_came(self, before: str, after: str) -> None:
        """Nothing of it is lost, and equal texts differ in nothing."""
        lines = difference(before, after)
        removed = [line[1:] for line in lines if line.startswith("-")]
        added = [line[1:] for line in lines if line.startswith("+")]
        assert set(before.splitlines()) - set(after.splitlines()) <= set(removed)
        assert set(after.splitlines()) - set(before.splitlines()) <= set(added)
        assert bool(lines) == (before.splitlines() != after.splitlines())

    def test_a_long_one_ends(self) -> None:
        """A whole new file is not to fill the notebook."""
        lines = difference("", "\n".join(map(str, range(1000))))
        assert len(lines) == 201
        assert lines[-1] == "  … more"

    def test_parts_far_from_each_other_are_set_apart(self) -> None:
        """Without line numbers, which mean nothing inside a cell."""
        before = [str(place) for place in range(40)]
        after = ["x", *before[1:39], "y"]
        assert difference("\n".join(before), "\n".join(after)).count("  ⋯") == 1


class TestHistory:
    """Runs, newest first."""

    LINES = (
        RunLine(14, "features", "Running", "cell", NOW - 60, None, 1, (LATE,)),
        RunLine(13, "model", "Failed", "named", NOW - 90_000, 3.0, 2, (), FAILED),
        RunLine(0, "model", "Cached", "audit"),
    )

    def test_text(self) -> None:
        """One line a run, its states beneath where they are given."""
        lines = history_text(HistoryCard(self.LINES, now=NOW)).splitlines()
        assert len(lines) == 5
        assert lines[1].startswith("#14")
        assert (
            lines[3].strip()
            == "Pending → AwaitingRetry +0.4 s (KeyError: 'x') → Failed +3.0 s (KeyError: 'x')"
        )
        assert "2" in lines[2].split()
        assert lines[4].split() == ["·", "model", "Cached", "audit"]

    def test_html_opens_to_the_states(self) -> None:
        """Behind their number."""
        reader = Reader(history_grid(HistoryCard(self.LINES, now=NOW)).as_html())
        assert reader.tags.count("details") == 1
        assert "3 states" in reader.text
        assert "AwaitingRetry +0.4 s (KeyError: 'x')" in reader.text
