"""Whether values in tables were replaced."""

from __future__ import annotations

from collections import UserDict
from typing import Any, Final

import numpy as np
import pytest

from nbflow.engine.changes import Tables


class Own(dict[str, Any]):
    """A table of a class of its own, whose values are not to be had by its methods."""

    def values(self) -> Any:
        """Refuse."""
        raise AssertionError("only the table itself may be read")


CHANGES: Final = [
    lambda table: table.update(a=2),
    lambda table: table.update(a=True),
    lambda table: table.pop("a"),
    lambda table: table.setdefault("new", 1),
    lambda table: table.clear(),
]


class TestTables:
    """Every change is told, and nothing else is."""

    @pytest.mark.parametrize("kind", [dict, Own])
    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change(self, change: Any, kind: type[dict[str, Any]]) -> None:
        """Looking is none; an equal value of another type is one."""
        table, other = kind(a=1, b=2), kind(a=1)
        tables = Tables([other, table])
        before = tables.mark()
        assert "a" in table
        assert sorted(UserDict(table).items()) == [("a", 1), ("b", 2)]
        assert tables.mark() == before
        change(table)
        assert tables.mark() != before

    def test_values_that_are_compared_by_element(self) -> None:
        """An equal array is another value."""
        table: dict[str, Any] = {"color": np.arange(3)}
        tables = Tables([table])
        before = tables.mark()
        assert tables.mark() == before
        table["color"] = np.arange(3)
        assert tables.mark() != before
