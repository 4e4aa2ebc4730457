"""Previews: a value in a short text for people."""

from __future__ import annotations

from typing import Final, cast

_ATOMS: Final = (int, float, str, bool, type(None))


def preview(value: object, limit: int = 60) -> str:
    """A short text for people; it calls no code of the user's.

    Example:
        >>> preview([1, 2]), preview(object())
        ('[1, 2]', 'object')
    """
    if type(value) is int and value.bit_length() > 1000:
        text = "int"
    elif type(value) in _ATOMS:
        text = repr(value[:limit] if isinstance(value, str) else value)
    elif type(value) in (list, tuple) and len(cast("list[object]", value)) <= 8 and _is_flat(value):
        text = repr(value)
    else:
        text = type(value).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _is_flat(value: object) -> bool:
    return all(type(item) in _ATOMS and _is_short(item) for item in cast("list[object]", value))


def _is_short(item: object) -> bool:
    return item.bit_length() < 64 if isinstance(item, int) else len(str(item)) < 20
