"""What an edit of a cell leaves alone."""

from __future__ import annotations

import pytest

from nbflow.analysis.untouched import only_names, rewritten, untouched

CELL = (
    "import math\nLIMIT = 3\ndef low(x):\n    return x < LIMIT\ndef up(x):\n    return math.ceil(x)\nxs = [1]"
)


class TestUntouched:
    """Names whose code is the same, with all that it refers to."""

    @pytest.mark.parametrize(
        ("before", "after", "touched"),
        [
            ("LIMIT = 3", "LIMIT = 3  # days", set[str]()),
            ("LIMIT = 3", "LIMIT = 4", {"LIMIT", "low"}),
            ("x < LIMIT", "x <= LIMIT", {"low"}),
            ("import math\n", "", {"math", "up"}),
            ("xs = [1]", "xs = [1]\nxs.append(2)", {"xs"}),
            ("xs = [1]", "xs = [1]\nfrom os import *", {"LIMIT", "low", "math", "up", "xs"}),
        ],
    )
    def test_after_an_edit(self, before: str, after: str, touched: set[str]) -> None:
        """All others are left alone."""
        names = {"LIMIT", "low", "math", "up", "xs"}
        assert names - untouched(CELL, CELL.replace(before, after)) == touched


class TestRewritten:
    """What is certainly something else."""

    def test_values_and_definitions(self) -> None:
        """Unless something else in the cell has a say."""
        before = "A = 1\nB = 1\nB += 1\nC = f(1)\ndef g(): return 1\nclass D: x = 1"
        assert rewritten(before, before.replace("1", "2")) == {"A": "2", "g": "", "D": ""}

    def test_formatting(self) -> None:
        """Is none."""
        assert rewritten("A = 1\ndef g(): return 1", "A = 1  # one\ndef g():\n    return 1") == {}


class TestOnlyNames:
    """Edits that cannot change anything but names."""

    def test_definitions_and_values(self) -> None:
        """Nothing is called."""
        assert only_names("seed(1)\nA = 1", "import os\nseed(1)\nA = [2]\ndef f(): ...")

    def test_calls(self) -> None:
        """Anything may happen in them."""
        assert not only_names("seed(1)\nA = 1", "seed(2)\nA = 1")
        assert not only_names("A = 1", "A = load()")
