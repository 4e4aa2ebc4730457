"""The elements that a mapped step is run for, and what cannot be mapped over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, cast

from nbflow.exceptions import DefinitionError


def rows_of(mapped: Iterable[tuple[str, str]], names: Mapping[str, Any], task: str) -> list[tuple[Any, ...]]:
    """The elements of each item, one for each name that is mapped.

    Args:
        mapped: Each name that is bound to one element after the other, with the name of the elements.
        names: What names hold.
        task: What people call the task, for messages.

    Raises:
        DefinitionError: If something cannot be mapped over, or lengths differ.

    Example:
        >>> rows_of((("x", "xs"), ("y", "ys")), {"xs": [1, 2], "ys": "ab".split()}, "both")
        Traceback (most recent call last):
        nbflow.exceptions.DefinitionError: both is mapped over unequal lengths: xs has 2, ys has 1
    """
    columns = {of: _elements(of, names, task) for _, of in mapped}
    if len({len(column) for column in columns.values()}) > 1:
        told = ", ".join(f"{name} has {len(column)}" for name, column in columns.items())
        raise DefinitionError(f"{task} is mapped over unequal lengths: {told}")
    return list(zip(*(columns[of] for _, of in mapped), strict=True))


def _elements(name: str, names: Mapping[str, Any], task: str) -> list[Any]:
    if name not in names:
        raise DefinitionError(
            f"{task} is mapped over {name}, which is not defined; run the cell that makes it"
        )
    value = names[name]
    if isinstance(value, Mapping):
        raise DefinitionError(
            f"{task} cannot be mapped over the dictionary {name}; map over a list of its items"
        )
    if isinstance(value, Set):
        raise DefinitionError(f"{task} cannot be mapped over the set {name}, which has no order; sort it")
    if isinstance(value, (str, bytes, Iterator)) or not isinstance(value, Iterable):
        kind = type(cast("object", value)).__name__
        raise DefinitionError(f"{task} cannot be mapped over {name}, which is of type {kind}; give a list")
    return list(cast("Iterable[Any]", value))
