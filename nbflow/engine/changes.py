"""Whether values in tables were replaced, told without comparing the values."""

from __future__ import annotations

from itertools import chain
from operator import is_
from typing import Any


class Tables:
    """Some tables of which is asked again and again whether something in them was replaced.

    Compared is by identity, at the speed of the interpreter's own loops: values may be of any type, and
    may refuse to be compared. What is changed in place inside a value is not told.

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
        self.tables = tables
        self._seen: list[object] = []
        self._mark = 0

    def mark(self) -> int:
        """A number that is another one whenever something was replaced."""
        # A table of a class of its own may do more than give its values.
        now = list(chain.from_iterable(map(dict[str, object].values, self.tables)))
        if len(now) != len(self._seen) or not all(map(is_, now, self._seen)):
            self._seen = now
            self._mark += 1
        return self._mark
