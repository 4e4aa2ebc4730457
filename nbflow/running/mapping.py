"""Mapping: one call for each item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from nbflow.exceptions import DefinitionError
from nbflow.running.inputs import flatten, unmapped

_WHOLE: Final = (str, bytes, bytearray)


def split(arguments: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The arguments of each item.

    Whatever can be iterated has one element for each item; texts, `unmapped(x)` and what cannot be
    iterated are the same for all.

    Args:
        arguments: Parameter to argument, all of them there already.
        name: What people call the task, for messages.

    Raises:
        DefinitionError: If nothing can be iterated, lengths differ, or a dictionary is to be mapped.

    Example:
        >>> split({"x": [1, 2], "y": unmapped([0])}, "plus")
        [{'x': 1, 'y': [0]}, {'x': 2, 'y': [0]}]
    """
    columns = {key: _elements(key, value, name) for key, value in arguments.items()}
    lengths = {key: len(column) for key, column in columns.items() if column is not None}
    if not lengths:
        raise DefinitionError(f"{name} is mapped over nothing; give at least one list")
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise DefinitionError(f"{name} is mapped over unequal lengths: {told}; use unmapped(…) for constants")
    rows = range(next(iter(lengths.values())))
    return [
        {key: _constant(arguments[key]) if column is None else column[row] for key, column in columns.items()}
        for row in rows
    ]


def _elements(key: str, value: Any, name: str) -> list[Any] | None:
    """The elements of an argument; None where it is the same for all items."""
    if isinstance(value, (unmapped, _WHOLE)):
        return None
    if isinstance(value, flatten):
        return value.elements()
    if isinstance(value, Mapping):
        raise DefinitionError(
            f"{name} cannot be mapped over the dictionary {key}; give list({key}.items()), or unmapped({key})"
        )
    return list(cast("Iterable[Any]", value)) if isinstance(value, Iterable) else None


def _constant(value: Any) -> Any:
    return value.unwrap() if isinstance(value, unmapped) else value
