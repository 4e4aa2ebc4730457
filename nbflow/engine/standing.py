"""Which object stood under each name, to see which names stand for another one since.

Compared by identity, at the speed of the interpreter's own loops: this happens around every cell, for
every name, because code can bind names in ways that no analysis sees.
"""

from __future__ import annotations

from itertools import compress, islice
from operator import is_not
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ABSENT: Final = object()
"""What a name stands for that is not there."""


class Standing:
    """The objects of a namespace at one moment.

    Args:
        names: The namespace.

    Example:
        >>> names = {"a": 1, "b": 2, "c": 3}
        >>> then = Standing(names)
        >>> names["a"], names["d"] = 10, 4
        >>> del names["b"]
        >>> sorted(then.changed(names)), then.of("b"), then.of("d") is ABSENT
        (['a', 'b', 'd'], 2, True)
    """

    __slots__ = ("_keys", "_objects")

    def __init__(self, names: Mapping[str, object]) -> None:
        self._keys = list(names)
        self._objects = list(names.values())

    def changed(self, names: Mapping[str, object]) -> list[str]:
        """The names that stand for another object now, or for none, or that are new."""
        now, known = list(names), len(self._keys)
        if now[:known] == self._keys:
            differ = map(is_not, self._objects, islice(names.values(), known))
            return [*compress(self._keys, differ), *now[known:]]
        before = dict(zip(self._keys, self._objects, strict=True))
        every = before.keys() | names.keys()
        return [key for key in every if before.get(key, ABSENT) is not names.get(key, ABSENT)]

    def of(self, key: str) -> object:
        """The object that stood under a name; `ABSENT` where none did."""
        try:
            return self._objects[self._keys.index(key)]
        except ValueError:
            return ABSENT
