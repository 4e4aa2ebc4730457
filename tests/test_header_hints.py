"""Cells that seem to be meant to have a header."""

from __future__ import annotations

import pytest

from nbflow.notebook.cells import as_call, missed_header


class TestMissedHeader:
    """A line says what is wrong with it."""

    @pytest.mark.parametrize(
        ("cell", "said"),
        [
            ("#  @task a\na = 1", "`#  @task` makes no task; write `# @task`"),
            ("\n\n# @tasks a\na = 1", "`# @tasks` makes no task; write `# @task`"),
            ("#@ Task a\na = 1", "`#@ Task` makes no task; write `# @task`"),
            ("# @Param\na = 1", "`# @Param` makes no parameters; write `# @params`"),
            ("x = 1\n# @task a\na = 1", "line 2: `# @task` is heard as the first line of a cell only"),
            ("# about it\n#@params\na = 1", "line 2: `#@params` is heard as the first line of a cell only"),
        ],
    )
    def test_what_is_wrong(self, cell: str, said: str) -> None:
        """With how it is written, or where it stands."""
        assert missed_header(cell) == said

    @pytest.mark.parametrize(
        "cell",
        [
            "# @task a\na = 1",
            "%%task a\n# @task b\na = 1",
            "text = '''\n# @task a\n'''",
            "def f(x):\n    # @param x: a number\n    return x",
            "# @task(retries=2) is how functions are decorated\nx = 1",
            "#@title Load\nx = 1  #@param",
            "x = 1  # @task",
            "@task\ndef f():\n    pass",
        ],
    )
    def test_what_is_meant_otherwise_is_left_alone(self, cell: str) -> None:
        """Headers that are right, decorators, texts, other people's comments."""
        assert missed_header(cell) == ""


class TestHelp:
    """A question mark behind a command asks for help with it."""

    @pytest.mark.parametrize("line", ["%flow run?", "%flow run ?", "%flow run?\n"])
    def test_it_becomes_a_command(self, line: str) -> None:
        """IPython would take the word before it for a name of the notebook."""
        assert [each.rstrip() for each in as_call([line], lambda _: False)] == ["%flow help run"]

    @pytest.mark.parametrize("line", ["%flow?", "x = flow?", "%flow status"])
    def test_other_lines_stay(self, line: str) -> None:
        """They are IPython's matter."""
        assert as_call([line], lambda _: False) == [line]
