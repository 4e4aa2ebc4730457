"""What may stand at the end of a header or a command."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nbflow.notebook.completion import words_for


def session() -> Any:
    """One with two tasks and a parameter."""
    cells = [SimpleNamespace(step=SimpleNamespace(name=name)) for name in ("raw", "clean")]
    book = [SimpleNamespace(parameters=frozenset({"LATE"}))]
    return SimpleNamespace(places=SimpleNamespace(tasks=lambda: iter(cells)), book=book)


class TestWords:
    """By what the line is."""

    @pytest.mark.parametrize("line", ["%%task clean --re", "#@task --re", "# @task clean --retries 2 --"])
    def test_a_header_has_options(self, line: str) -> None:
        """All of them, as a header spells them."""
        assert {"--retries", "--retry-delay", "--no-cache", "--refresh", "--persist"} <= set(
            words_for(line, session)
        )

    def test_flow_has_commands(self) -> None:
        """Before one is written out."""
        assert {"run", "why", "restore"} <= set(words_for("%flow r", session))

    def test_a_command_has_switches_and_tasks(self) -> None:
        """Its own switches, and every task."""
        switches = ["--only", "--force", "--plain", "--background", "--runner", "-p"]
        assert words_for("%flow run ra", session) == [*switches, "raw", "clean"]
        assert words_for("%flow why ", session) == ["raw", "clean"]

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("# @task a --persist ", ["auto", "yes", "no"]),
            ("# @task a --after r", ["raw", "clean"]),
            ("# @task a --runner t", ["inline", "thread", "process", "dask"]),
            ("# @task a --retries ", []),
            ("%flow auto ", ["--below", "on", "off"]),
            ("%flow params L", ["--reset", "LATE="]),
            ("%flow run -p ", ["--only", "--force", "--plain", "--background", "LATE="]),
            ("%flow cache ", ["--older", "ls", "size", "verify", "gc", "clear", "raw", "clean"]),
            ("%flow restore l", ["latest", "raw", "clean"]),
            ("%flow config ", []),
            ("%flow export ", ["--force"]),
        ],
    )
    def test_what_can_stand_there(self, line: str, words: list[str]) -> None:
        """Where the option before, or the command, says what."""
        assert words_for(line, session) == words

    def test_triggers_and_policies(self) -> None:
        """By the names that a header knows, and with all options where the word may be left out."""
        assert "all_failed" in words_for("# @task a --trigger all", session)
        assert "TASK_SOURCE" in words_for("# @task a --cache-policy ", session)
        assert {"once", "always", "--retries"} <= set(words_for("# @task a --effect ", session))

    def test_help_has_every_command(self) -> None:
        """Before and behind it."""
        assert words_for("%flow help ", session) == words_for("%flow r", session)

    @pytest.mark.parametrize("line", ["x = ra", "%time raw", "%%task", "%flow nonsense ra", "flows = ra"])
    def test_other_lines_are_none_of_ours(self, line: str) -> None:
        """IPython completes them."""
        assert words_for(line, session) == []
