"""What may stand at the end of a header or a command."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nbflow.notebook.completion import words_for


def session() -> Any:
    """One with two tasks."""
    cells = [SimpleNamespace(step=SimpleNamespace(name=name)) for name in ("raw", "clean")]
    return SimpleNamespace(places=SimpleNamespace(tasks=lambda: iter(cells)))


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
        switches = ["--only", "--force", "--plain", "--runner"]
        assert words_for("%flow run ra", session) == [*switches, "raw", "clean"]
        assert words_for("%flow why ", session) == ["raw", "clean"]

    @pytest.mark.parametrize("line", ["x = ra", "%time raw", "%%task", "%flow nonsense ra", "flows = ra"])
    def test_other_lines_are_none_of_ours(self, line: str) -> None:
        """IPython completes them."""
        assert words_for(line, session) == []
