"""All parts of a parsed text at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nbflow.analysis.nodes import nodes_of

SOURCES = sorted(Path(__file__).parent.glob("test_an*.py"))


class TestNodes:
    """What is found."""

    @pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
    def test_it_is_what_the_standard_library_finds(self, source: Path) -> None:
        """In the same order: who reads a text may hang on it."""
        tree = ast.parse(source.read_text())
        assert all(one is other for one, other in zip(ast.walk(tree), nodes_of(tree), strict=True))
