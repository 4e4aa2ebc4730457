"""The elements that a mapped step is run for."""

from __future__ import annotations

import pytest

from nbflow.engine.rows import rows_of
from nbflow.exceptions import DefinitionError


class TestRows:
    """One row for each item, one element for each name."""

    def test_zipped(self) -> None:
        """Two names of equal lengths."""
        assert rows_of((("x", "xs"), ("y", "ys")), {"xs": [1, 2], "ys": (3, 4)}, "t") == [(1, 3), (2, 4)]

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ({"a": 1}, "dictionary"),
            ({1}, "set"),
            ("ab", "type str"),
            (7, "type int"),
            (iter([1]), "iterator"),
        ],
    )
    def test_what_cannot_be_mapped_over(self, value: object, told: str) -> None:
        """The message says what it is."""
        with pytest.raises(DefinitionError, match=told):
            rows_of((("x", "xs"),), {"xs": value}, "t")

    def test_what_is_not_there(self) -> None:
        """The message says what to do."""
        with pytest.raises(DefinitionError, match="run the cell that makes it"):
            rows_of((("x", "xs"),), {}, "t")
