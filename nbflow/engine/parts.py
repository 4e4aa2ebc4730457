"""Parts: where in a value two contents of it differ, as code would name the place.

Only values of known types are looked into, a few levels deep; no code of the user's is called for it.
"""

from __future__ import annotations

import math
import re
from functools import reduce
from itertools import islice, product
from operator import getitem
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from nbflow.engine.map_result import MapResult
from nbflow.engine.previews import preview
from nbflow.exceptions import CacheError
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.store.digests import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_DEEPEST: Final = 4
_MOST_PARTS: Final = 5
_MOST_LOOKED_AT: Final = 100_000
_MISSING: Final = object()
_NAMES: Final = re.compile(r"\w+")
_WHOLE: Final = (int, bool, str)
NOT_THERE: Final = "not there"


class Part(NamedTuple):
    """One place where two contents differ.

    Attributes:
        place: What leads to it from the whole: `['lr']`, `[3]`, `.alpha`, `['delay'][17]`.
        before: What was there, for people.
        after: What is there now.
    """

    place: str
    before: str
    after: str


def parts(before: object, after: object, names: Mapping[str, Any] | None = None) -> list[Part]:
    """The first places where two contents differ, at most five; none where it is the whole.

    Args:
        before: The earlier value.
        after: The later one.
        names: The user's namespace, for the digests of what is compared as a whole.

    Example:
        >>> parts({"lr": 0.1, "depth": 3}, {"lr": 0.2, "depth": 3})
        [Part(place="['lr']", before='0.1', after='0.2')]
        >>> parts([1, [2, 3]], [1, [2, 4], 5])
        [Part(place='[1][1]', before='3', after='4'), Part(place='[2]', before='not there', after='5')]
    """
    found = _Search(names if names is not None else {}).parts("", before, after, 0)
    return [part for part in islice(found, _MOST_PARTS) if part.place]


class _Search:
    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names

    def parts(self, place: str, before: Any, after: Any, depth: int) -> Iterator[Part]:
        if self._is_same(before, after):
            return
        hidden = any(map(looks_secret, _NAMES.findall(place)))
        is_open = depth < _DEEPEST and type(before) is type(after) and not hidden
        inner = self._inner(before, after) if is_open else None
        if inner is None:
            yield Part(place, *(HIDDEN if hidden else _shown(each) for each in (before, after)))
            return
        for step, then, now in inner:
            yield from self.parts(place + step, then, now, depth + 1)

    def _is_same(self, before: object, after: object) -> bool:
        if (
            type(before) is _Word
            or before is _MISSING
            or after is _MISSING
            or type(before) is not type(after)
        ):
            return False
        if type(before) in _WHOLE:
            return before == after
        try:
            return fingerprint(before, self._names).digest == fingerprint(after, self._names).digest
        except CacheError:
            return before is after

    def _inner(self, before: Any, after: Any) -> Iterable[tuple[str, Any, Any]] | None:
        """What two values of one type consist of; None for what is compared as a whole."""
        kind = cast("type[Any]", type(before))
        if kind is dict:
            return _of_mapping(before, after)
        if kind in (list, tuple):
            return _of_sequence(before, after)
        if kind is MapResult:
            items = before.shown, after.shown
            return (
                _of_sequence(*items)
                if not self._is_same(*items)
                else [(".elements", before.elements, after.elements)]
            )
        if kind is str:
            return _of_text(before, after) if preview(before) == preview(after) else None
        root = kind.__module__.partition(".")[0]
        if root in ("pandas", "polars") and kind.__name__ == "DataFrame":
            return _of_frame(before, after)
        if root in ("pandas", "polars", "numpy") and kind.__name__ in ("Series", "ndarray"):
            return _of_column(before, after)
        held, holds = _attributes(before), _attributes(after)
        if held is None or holds is None:
            return None
        return ((f".{name[2:-2]}", then, now) for name, then, now in _of_mapping(held, holds))


class _Word(str):
    """A text that is shown without quotes."""

    __slots__ = ()


def _shown(value: object) -> str:
    if type(value) is _Word:
        return str(value)
    return NOT_THERE if value is _MISSING else preview(value)


def _of_mapping(before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Iterator[tuple[str, Any, Any]]:
    for key in islice({**before, **after}, _MOST_LOOKED_AT):
        yield f"[{preview(key)}]", before.get(key, _MISSING), after.get(key, _MISSING)


def _of_sequence(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    for place in range(min(max(len(before), len(after)), _MOST_LOOKED_AT)):
        then, now = (each[place] if place < len(each) else _MISSING for each in (before, after))
        if then is not now:
            yield f"[{place}]", then, now


def _of_frame(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    """Columns by name, where each is there once."""
    then, now = list(before.columns), list(after.columns)
    if len(set(then)) < len(then) or len(set(now)) < len(now):
        return
    for name in dict.fromkeys((*then, *now)):
        was, has = name in then, name in now
        yield f"[{preview(name)}]", before[name] if was else _MISSING, after[name] if has else _MISSING


def _of_column(before: Any, after: Any) -> Iterator[tuple[str, Any, Any]] | None:
    """Elements of two columns or arrays of one type and shape, or the types where those differ."""
    if before.dtype != after.dtype and before.shape == after.shape:
        return iter([(".dtype", _Word(before.dtype), _Word(after.dtype))])
    if before.shape != after.shape or math.prod(before.shape) > _MOST_LOOKED_AT:
        return None
    then, now = (each.tolist() if hasattr(each, "tolist") else each.to_list() for each in (before, after))
    return _of_sequence(then, now) if len(before.shape) == 1 else _of_array(then, now, before.shape)


def _of_array(before: Any, after: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, Any, Any]]:
    """Elements of arrays of several dimensions, as their nested lists have them."""
    for place in product(*map(range, shape)):
        then, now = (reduce(getitem, place, each) for each in (before, after))
        if then is not now:
            yield f"[{', '.join(map(str, place))}]", then, now


def _of_text(before: str, after: str) -> Iterator[tuple[str, str, str]]:
    """Where two long texts begin to differ."""
    pairs = enumerate(zip(before, after, strict=False))
    place = next((at for at, (then, now) in pairs if then != now), min(len(before), len(after)))
    yield f"[{place}:]", before[place:], after[place:]


def _attributes(value: object) -> dict[str, Any] | None:
    """The attributes of a plain object; None where it has none of its own, or is code."""
    if isinstance(value, type) or callable(value):
        return None
    try:
        held: Any = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return cast("dict[str, Any]", held) if type(held) is dict else None
