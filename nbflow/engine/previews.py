"""Previews: a value in a short text for people; no code of the user's is called for it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.secrets import HIDDEN, KNOWN, looks_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

_ATOMS: Final = (int, float, str, bool, type(None))
_LISTS: Final = (list, tuple)
_SETS: Final = (set, frozenset)
_MOST_ITEMS: Final = 8
_SIZED: Final = ("ndarray", "Series", "DataFrame")
_MOST_OF_A_CONTROL: Final = 40
_LIBRARIES: Final = ("numpy", "pandas", "polars")


def preview(value: object, limit: int = 60) -> str:
    """A short text for people; it calls no code of the user's.

    Example:
        >>> preview([1, 2]), preview({"lr": 0.1, "password": "x"}), preview(object())
        ('[1, 2]', "{'lr': 0.1, 'password': •••}", 'object')
        >>> preview(list(range(50))), preview("a" * 100)[-4:]
        ('list of 50', 'aaa…')
    """
    text = KNOWN.masked(_text(value, limit))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(value: Any, limit: int) -> str:
    kind = cast("type[Any]", type(value))
    if kind is int and value.bit_length() > 1000:
        return "int"
    if kind in _ATOMS:
        return repr(value[:limit] if kind is str else value)
    if kind in _LISTS or kind in _SETS or kind is dict:
        return _container(kind, value, limit)
    return _described(kind, value)


def _container(kind: type, value: Any, limit: int) -> str:
    """What a container holds, where that is little; else how much."""
    parts: Iterable[Any] = chain(value, value.values()) if kind is dict else value
    if len(value) <= _MOST_ITEMS and all(type(item) in _ATOMS and _is_short(item) for item in parts):
        text = _mapping(value) if kind is dict else _members(value) if kind in _SETS else repr(value)
        if len(text) <= limit:
            return text
    return f"{kind.__name__} of {len(value):,}"


def _members(value: Iterable[Any]) -> str:
    """The members of a set, in an order that does not hang on how it was made."""
    return "{" + ", ".join(sorted(map(repr, value))) + "}"


def _mapping(value: dict[Any, Any]) -> str:
    hidden = {key for key in value if isinstance(key, str) and looks_secret(key)}
    items = (f"{key!r}: {HIDDEN if key in hidden else repr(item)}" for key, item in value.items())
    return "{" + ", ".join(items) + "}"


def _described(kind: type, value: Any) -> str:
    """A value of another type: arrays and frames with their size, everything else by its type alone."""
    if kind.__module__.startswith("ipywidgets.") and kind.__name__ != "Password":
        set_to = getattr(value, "value", None)
        return kind.__name__ if set_to is None else f"{kind.__name__}({_text(set_to, _MOST_OF_A_CONTROL)})"
    if kind.__name__ not in _SIZED or kind.__module__.partition(".")[0] not in _LIBRARIES:
        return kind.__name__
    try:
        shape = " × ".join(f"{length:,}" for length in value.shape)
        return f"{kind.__name__}, {shape}" if shape else kind.__name__
    except Exception:  # noqa: BLE001 - a preview must never become the error of a task
        return kind.__name__


def _is_short(item: object) -> bool:
    return item.bit_length() < 64 if isinstance(item, int) else len(str(item)) < 20
