"""Which object stood under each name, to see which names stand for another one since.

Compared by identity, at the speed of the interpreter's own loops: this happens around every cell, for
every name, because code can bind names in ways that no analysis sees.
"""

from __future__ import annotations

from itertools import compress, islice, repeat
from operator import is_not
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


class StandingOf:
    """The objects under some names at one moment; what stands under others is not looked at.

    Args:
        names: The namespace.
        keys: The names, be they there or not.

    Example:
        >>> names = {"a": 1, "b": 2}
        >>> then = StandingOf(names, ["a", "c"])
        >>> names.update(b=3, c=4)
        >>> then.changed(names), then.of("a")
        (['c'], 1)
    """

    __slots__ = ("_keys", "_objects")

    def __init__(self, names: Mapping[str, object], keys: Iterable[str]) -> None:
        self._keys = list(keys)
        self._objects = list(map(names.get, self._keys, repeat(ABSENT)))

    def changed(self, names: Mapping[str, object]) -> list[str]:
        """Those under which another object stands now, or none, or one where there was none."""
        now = map(names.get, self._keys, repeat(ABSENT))
        return list(compress(self._keys, map(is_not, self._objects, now)))

    def of(self, key: str) -> object:
        """The object that stood under one of them; `ABSENT` where none did."""
        try:
            return self._objects[self._keys.index(key)]
        except ValueError:
            return ABSENT
