"""Texts for terminals."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from nbflow.states import Failed
from nbflow.views import show_flow, show_status
from nbflow.views.terminal import coloured, fitted, for_terminal
from tests.views_cards import flow_of


class Tty(io.StringIO):
    """A terminal that somebody looks at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def enter_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the test runs in a terminal of 70 columns."""
    monkeypatch.setattr(sys, "stdout", Tty())
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


class TestColours:
    """How something stands."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("clean: fresh", "clean: \x1b[32mfresh\x1b[0m"),
            ("clean: trigger failed · no", "clean: \x1b[31mtrigger failed\x1b[0m · no"),
            ("run 3 · 2 failed", "run 3 · 2 \x1b[31mfailed\x1b[0m"),
            ("a  waits  Failed  b is stale", "a  \x1b[35mwaits\x1b[0m  \x1b[31mFailed\x1b[0m  b is stale"),
            ("stale: what a task is called", "stale: what a task is called"),
            ("a  fresh  Completed", "a  \x1b[32mfresh\x1b[0m  Completed"),
        ],
    )
    def test_words_that_stand_alone(self, text: str, expected: str) -> None:
        """Not those within a sentence, and no names."""
        assert coloured(text) == expected


class TestWidth:
    """Long lines."""

    def test_they_go_on_below_their_last_column(self) -> None:
        """No word is lost, and no line is longer."""
        text = str(show_status(flow_of(9)))
        lines = fitted(text, 76).splitlines()
        assert max(map(len, lines)) <= 76
        assert " ".join(" ".join(lines).split()) == " ".join(text.split())
        (column,) = (line.index("why") for line in lines if line.startswith("task "))
        broken = [line for line in lines if line.startswith("      ")]
        assert broken
        assert all(line[:column].isspace() and line[column] != " " for line in broken)

    def test_what_fits_stays(self) -> None:
        """Spaces and empty lines included."""
        assert fitted("  a\n\n    b", 40) == "  a\n\n    b"


class TestWhereItStands:
    """Who gets which text."""

    def test_in_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As wide as that is, and in colours."""
        enter_terminal(monkeypatch)
        told = show_flow(flow_of(7))._repr_mimebundle_()["text/plain"]
        assert "\x1b[33mstale\x1b[0m" in told
        assert f"LATE changed: 15 →\n{' ' * 52}18 (cell 2)" in told

    @pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
    def test_without_colours(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        """Where somebody wants none, or the terminal has none."""
        enter_terminal(monkeypatch)
        monkeypatch.setenv(name, value)
        assert for_terminal("clean: fresh") == "clean: fresh"

    def test_anywhere_else(self) -> None:
        """As it is: a file, a notebook, a pipe."""
        shown = show_flow(flow_of(7))
        assert shown._repr_mimebundle_()["text/plain"] == shown.text

    def test_by_rich(self) -> None:
        """In its console, as wide as that is; so are states, tasks and flows."""
        console = Console(file=io.StringIO(), width=60, force_terminal=True, color_system="standard")
        console.print(show_status(flow_of(9)), Failed("no file"))
        told = console.file.getvalue()
        assert "\x1b[33mstale" in told
        assert "Failed('no file')" in told
