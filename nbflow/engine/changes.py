"""Whether values in tables were replaced, told without looking at the values."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


class Tables:
    """Some tables of which is asked again and again whether something in them was replaced.

    Where Python counts the changes of a table in the table's own memory, that count is read; elsewhere
    it is asked of all values whether they are the same objects, since equal ones may not even be compared.
    What is changed in place inside a value is not told.

    Args:
        tables: The tables.

    Example:
        >>> table = {"size": 1}
        >>> tables = Tables([table])
        >>> before = tables.mark()
        >>> tables.mark() == before
        True
        >>> table["size"] = 2
        >>> tables.mark() == before
        False
    """

    def __init__(self, tables: list[dict[str, Any]]) -> None:
        self.tables = tables  # their memory is read as long as they are held here
        self._counts = [_count_of(table) for table in tables] if _is_counted() else []

    def mark(self) -> object:
        """What is equal only where nothing was replaced."""
        if self._counts:
            return [count.value for count in self._counts]
        values = [list(dict[str, Any].values(table)) for table in self.tables]
        return [tuple(map(id, each)) for each in values], values


def _count_of(table: dict[str, Any]) -> ctypes.c_uint64:
    """The count of changes: it follows the head of the object and the number of its items."""
    return ctypes.c_uint64.from_address(id(table) + object.__basicsize__ + ctypes.sizeof(ctypes.c_ssize_t))


class _Table(dict[str, Any]):
    """A table of a class of its own, as matplotlib has one."""


@cache
def _is_counted() -> bool:
    """Whether this Python counts so: each change moves the count, and looking does not."""
    large = dict.fromkeys(map(str, range(400)), 1)
    tables = {"a": 1, "b": 2}, _Table(a=1, b=2), {"a": 1, **large}, _Table(a=1, **large)
    return sys.implementation.name == "cpython" and all(map(_moves, tables))


def _moves(table: dict[str, Any]) -> bool:
    count = _count_of(table)
    seen = [count.value]
    for value in (3, 3.5, "text", [1]):
        table["a"] = value
        seen.append(count.value)
    at_rest = count.value == seen[-1] and table["a"] == [1] and count.value == seen[-1]
    return at_rest and len(set(seen)) == len(seen)
