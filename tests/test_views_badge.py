"""The badge under a task cell."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.states import TYPES
from nbflow.types import Cause, Verdict
from nbflow.views.badge import badge_html, badge_text
from nbflow.views.cards import RunLine, TaskCard

LATE = Cause("input", "LATE", "15", "18", "cell 2")
FILE = Cause("file", "a.csv", "", "63 MB, changed 2025-11-04 14:02:11")
CARD = TaskCard(
    "features",
    Verdict.STALE,
    "Completed",
    (LATE, FILE),
    seconds=12.0,
    attempt=2,
    run=12,
    made=1.7e9,
    size=63_000_000,
    reads=("clean", "LATE"),
    writes=("X", "y"),
    notes=("output above is from run 12", "also ran cell 7, 0.2 s", "placed after clean"),
)


class TestText:
    """The line says what matters most."""

    @pytest.mark.parametrize(
        ("card", "line"),
        [
            (TaskCard("a", Verdict.FRESH, "Completed", seconds=0.4), "a: fresh · ran in 0.4 s"),
            (
                TaskCard("a", Verdict.FRESH, "Cached", (LATE,), saved=1.4, run=12),
                "a: fresh · reused from run 12, saved 1.4 s",
            ),
            (
                TaskCard("a", Verdict.STALE, "Cached", (LATE,), saved=1.4),
                "a: stale · LATE changed: 15 → 18 (cell 2)",
            ),
            (
                TaskCard("a", Verdict.STALE, "Failed", error="KeyError: 'x'", attempt=3),
                "a: failed · KeyError: 'x' · attempt 3",
            ),
            (TaskCard("a", Verdict.STALE, "Retrying", attempt=2), "a: retrying · attempt 2"),
            (
                TaskCard("a", Verdict.AS_OF, "Completed", (Cause("held", "a", after="pin"),)),
                "a: as of · pinned",
            ),
            (TaskCard("a", None), "a: not run"),
            (
                TaskCard("a", Verdict.STALE, "", (LATE,) * 4),
                "a: stale" + " · LATE changed: 15 → 18 (cell 2)" * 2 + " · 2 more",
            ),
        ],
    )
    def test_lines(self, card: TaskCard, line: str) -> None:
        """Word, then reason or result."""
        assert badge_text(card) == line


def text_of(html: str) -> str:
    """What is left of a badge where a host drops rules and tags."""
    return re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", html))


class TestOutput:
    """The screen is never stale."""

    def test_old_output_is_said_first(self) -> None:
        """A long line is cut at its end."""
        assert badge_text(CARD).startswith("features: stale · output above is from run 12 · LATE changed")


class TestStatic:
    """What a saved notebook holds does not change by running it again."""

    def test_it_holds_no_times_and_no_run_numbers(self) -> None:
        """Neither in the line nor in what opens."""
        for said in (badge_text(CARD, static=True), text_of(badge_html(CARD, static=True))):
            assert not re.search(r"run 1|\d s\b|2025|14:02|MB|attempt|2023", said)
            assert "LATE changed: 15 → 18" in said
            assert "placed after clean" in said

    @given(
        st.sampled_from([Verdict.FRESH]),
        st.sampled_from(["Completed", "Cached"]),
        st.floats(0, 1e6),
        st.integers(0, 99),
        st.integers(1, 9),
    )
    def test_a_fresh_result_always_looks_the_same(
        self, verdict: Verdict, state: str, seconds: float, run: int, attempt: int
    ) -> None:
        """Computed or reused, fast or slow, now or then, for this cause or that."""
        plain = TaskCard("clean", verdict, "Completed", reads=("raw",))
        other = replace(
            plain,
            state=state,
            seconds=seconds,
            saved=seconds,
            run=run,
            attempt=attempt,
            made=seconds,
            causes=(LATE,),
            size=run,
        )
        assert badge_html(other, static=True) == badge_html(plain, static=True)
        assert badge_text(other, static=True) == badge_text(plain, static=True)

    def test_addresses_in_memory_are_left_out(self) -> None:
        """They differ in every kernel."""
        card = TaskCard("a", Verdict.STALE, "Failed", error="no <f at 0x7f00deadbeef>")
        assert "deadbeef" not in badge_text(card, static=True) + badge_html(card, static=True)


class TestHtml:
    """The badge in a notebook."""

    @pytest.mark.parametrize("state", ["", *TYPES])
    @pytest.mark.parametrize("verdict", [None, *Verdict])
    def test_it_is_small(self, verdict: Verdict | None, state: str) -> None:
        """Every task cell of a saved notebook holds one."""
        html = badge_html(replace(CARD, verdict=verdict, state=state))
        assert len(html.encode()) < 3000

    def test_it_opens_to_causes_reads_and_writes(self) -> None:
        """Behind the line is the rest."""
        html = badge_html(CARD)
        assert html.count("<details") == 1
        assert all(
            text in html for text in ("file a.csv changed", "clean, LATE", "X, y", "63 MB", "also ran cell 7")
        )

    def test_it_says_an_error_once(self) -> None:
        """A cause tells it whole, or a row of its own does."""
        causes = (Cause("failed", "a", after="ValueError: boom"),)
        card = replace(CARD, verdict=Verdict.STALE, state="Failed", error="ValueError: boom", causes=causes)
        opened = badge_html(card).partition("</summary>")[2]
        assert opened.count("ValueError: boom") == 1
        long = f"ValueError: {'x' * 200}!"
        card = replace(card, error=long, causes=(Cause("failed", "a", after=long),))
        assert f"<dt>error</dt><dd>{long}</dd>" in badge_html(card)

    def test_it_opens_to_earlier_runs(self) -> None:
        """The newest first; one alone is the result, and a badge that shall stay as it is tells of none."""
        failed = RunLine(4, "features", "Failed", started=1.7e9, seconds=0.2, attempts=3)
        card = replace(CARD, runs=(RunLine(12, "features", "Cached", saved=8.0), failed))
        told = badge_html(card)
        assert told.index("#12 cached") < told.index("#4 failed")
        assert "saved 8.0 s" in told
        assert "0.2 s · 3 attempts" in told
        assert "#12" not in badge_html(replace(CARD, runs=card.runs[:1]))
        assert "#12" not in badge_html(card, static=True)

    def test_without_more_to_say_it_does_not_open(self) -> None:
        """A line that opens to nothing would disappoint."""
        assert "<details" not in badge_html(TaskCard("a", Verdict.STALE))
