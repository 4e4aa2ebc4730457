"""Durations, ages, sizes and causes in words."""

from __future__ import annotations

import ast
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbflow
from nbflow.types import Cause
from nbflow.views.words import (
    age,
    cause_detail,
    cause_words,
    duration,
    listed,
    moment,
    one_line,
    short_cause,
    size,
)

NOON = datetime(2025, 11, 7, 12, 0).timestamp()
DAY = 86400.0


class TestNumbers:
    """Numbers in words."""

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0, "0 ms"),
            (0.0996, "0.1 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.6, "1 min"),
            (3599.7, "1 h"),
            (90_000, "1 d 1 h"),
            (None, ""),
            (float("nan"), ""),
            (-1, "0 ms"),
        ],
    )
    def test_durations(self, seconds: float | None, words: str) -> None:
        """Rounding never gives 60 of a unit."""
        assert duration(seconds) == words

    @given(st.floats(0, 1e9))
    def test_durations_are_short(self, seconds: float) -> None:
        """Two units at most, and never nothing."""
        assert 3 <= len(duration(seconds)) < 16

    @pytest.mark.parametrize(
        ("passed", "words"),
        [
            (0, "just now"),
            (-5, "just now"),
            (59, "59 s ago"),
            (70 * DAY, "2 months ago"),
            (800 * DAY, "2 y ago"),
        ],
    )
    def test_ages(self, passed: float, words: str) -> None:
        """One unit; a clock that went back makes nothing younger than now."""
        assert age(NOON, NOON + passed) == words

    def test_an_age_needs_both_times(self) -> None:
        """Without one of them there is nothing to say."""
        assert (age(None, NOON), age(NOON, 0.0)) == ("", "")

    def test_moments(self) -> None:
        """As short as it can be told apart from now."""
        assert moment(NOON, NOON + 6 * DAY) == "Fri 12:00"
        assert moment(NOON, NOON + 7 * DAY) == "7 Nov 2025 12:00"
        assert moment(NOON, NOON - DAY) == "7 Nov 2025 12:00"
        assert moment(1e30) == ""

    @pytest.mark.parametrize(
        ("count", "words"),
        [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_600, "1.0 MB"), (5e15, "5000 TB"), (None, "")],
    )
    def test_sizes(self, count: int | None, words: str) -> None:
        """In powers of a thousand."""
        assert size(count) == words


class TestTexts:
    """Texts of users on one line."""

    @given(st.text(max_size=300))
    def test_one_line_is_one_printable_line(self, text: str) -> None:
        """Whatever it holds, it can be written to any terminal and file."""
        line = one_line(text, 50)
        assert len(line) <= 50
        assert line.isprintable()
        line.encode()

    def test_terminal_colours_go(self) -> None:
        """Tracebacks of IPython are full of them."""
        assert one_line("\x1b[0;31mValueError\x1b[0m: no") == "ValueError: no"

    def test_long_lists_end_in_a_number(self) -> None:
        """So that nothing is dropped without a word."""
        assert listed("abcdef", most=2) == "a, b, +4"


def categories_of_the_engine() -> set[str]:
    """Every category that the judge writes down as a constant."""
    path = Path(nbflow.__file__).parent / "engine" / "verify.py"
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    causes = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Cause"]
    texts = [node for cause in causes for node in ast.walk(cause) if isinstance(node, ast.Constant)]
    return {str(text.value) for text in texts if text.value} | {"order"}


class TestCauses:
    """One cause is one phrase."""

    @pytest.mark.parametrize(
        ("cause", "words"),
        [
            (Cause("input", "LATE", "15", "18", "cell 2"), "LATE changed: 15 → 18 (cell 2)"),
            (Cause("input", "raw", "DataFrame", "DataFrame", "raw"), "raw was made anew"),
            (Cause("input", "x", "not read", "read"), "now reads x"),
            (
                Cause("settings", "numpy", "divide: warn", "divide: raise", "cell 2", "divide"),
                "numpy's setting divide is another: divide: warn → divide: raise (cell 2)",
            ),
            (
                Cause("settings", "pandas display", "f: <lambda>", "f: <lambda>", "cell 2"),
                "code in pandas display's settings is another (cell 2)",
            ),
            (Cause("input", "x", "3", ""), "x has no value now, was 3"),
            (Cause("input", "x", "", "4", "x"), "x is now 4"),
            (
                Cause("code", "hourband", "function", "function", "cell 2"),
                "code of hourband changed (cell 2)",
            ),
            (Cause("file", "a.csv", "", "1 kB, changed 2025-01-01 10:00:00"), "file a.csv changed"),
            (Cause("file", "a.csv", "", "not there"), "file a.csv is gone"),
            (Cause("absent", "b.csv", "", "there"), "file b.csv appeared"),
            (Cause("listing", "data/*.csv", "", "3 names"), "the files of data/*.csv changed"),
            (Cause("output file", "o.csv", "as written", "missing"), "written file o.csv is missing"),
            (Cause("package", "pandas", "2.1", "2.2"), "package pandas changed: 2.1 → 2.2"),
            (Cause("environment", "TOKEN", "", "•••"), "environment variable TOKEN changed"),
            (Cause("upstream", "df", "", "waits", "clean"), "upstream clean waits"),
            (Cause("never ran", "this step"), "never ran"),
            (Cause("failed", "model", after="ValueError: no"), "last run failed: ValueError: no"),
            (Cause("outside", "network: requests.get"), "reads the network (requests.get)"),
            (Cause("outside", "reads a.csv, which it writes itself"), "reads a.csv, which it writes itself"),
            (Cause("unknown", "lock"), "lock cannot be compared"),
            (
                Cause("unknown", "a.txt", after="left open", origin="cell [3]"),
                "a.txt was still open when cell [3] had run: close it, and run that again",
            ),
            (Cause("held", "model", after="pin"), "pinned"),
            (Cause("manual", "mail", after="run mail"), "only you start it: run mail"),
            (
                Cause("unverified", "cell 9", after="not run in this kernel: run its cell"),
                "run its cell: not run in this kernel",
            ),
            (
                Cause("unverified", "raw", after="not run in this kernel: run its cell", origin="raw"),
                "run raw first: not run in this kernel",
            ),
            (Cause("order", "LATE", after="defined below, in cell 9"), "LATE is defined below, in cell 9"),
            (Cause("spell", "frog", "prince", "frog"), "spell frog: prince → frog"),
        ],
        ids=lambda value: value.category if isinstance(value, Cause) else "",
    )
    def test_phrases(self, cause: Cause, words: str) -> None:
        """Each category has its own; an unknown one is spelled out."""
        assert cause_words(cause) == words

    def test_every_category_of_the_engine_has_a_phrase(self) -> None:
        """A new category must not fall back to the spelling of unknown ones."""
        spelled = {
            name for name in categories_of_the_engine() if cause_words(Cause(name, "x")) == f"{name} x"
        }
        assert spelled == set()

    @given(st.builds(Cause, *[st.text(max_size=80)] * 5))
    def test_any_cause_has_words(self, cause: Cause) -> None:
        """What a user's data hold breaks nothing."""
        assert all(
            "\n" not in words for words in (cause_words(cause), cause_detail(cause), short_cause(cause))
        )

    def test_times_of_files_are_details(self) -> None:
        """A phrase goes into saved notebooks, a detail does not."""
        cause = Cause("file", "a.csv", "", "1 kB, changed 2025-01-01 10:00:00")
        assert cause_detail(cause) == "now 1 kB, changed 2025-01-01 10:00:00"
        assert cause_detail(Cause("input", "LATE", "15", "18")) == ""


class TestHolds:
    """What was chosen by hand, and what was found out later."""

    def test_from_what_a_result_was_made(self) -> None:
        """Of `--only` the runs are named."""
        told = cause_words(Cause("held", "total", before="raw of run 12 (stale)", after="only"))
        assert told == "from raw of run 12 (stale)"
        assert cause_words(Cause("held", "total", after="only")) == "ran with --only"

    def test_audits_and_effects(self) -> None:
        """In a phrase, and in very few words."""
        assert cause_words(Cause("audit", "deep", after="deep")) == "an audit got another result: deep"
        assert cause_words(Cause("audited", "deep", after="same")) == "audited: same"
        unsure = Cause("unsure", "send", after="nobody knows whether it has happened; `%flow run send` …")
        assert cause_words(unsure) == unsure.after
        assert short_cause(unsure) == "may have happened"
        assert (
            short_cause(Cause("effect", "send", after="`%flow run send` runs it"))
            == "`%flow run send` runs it"
        )
