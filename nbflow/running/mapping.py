"""Mapping: one call for each item."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sized
from typing import Any, Final, cast

from nbflow.exceptions import DefinitionError
from nbflow.running.inputs import Annotation, allow_failure, flatten, quote, unmapped

_WHOLE: Final = (str, bytes, bytearray)


def split(arguments: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The arguments of each item.

    Whatever can be iterated has one element for each item; texts, `unmapped(x)` and what cannot be
    iterated are the same for all. What `allow_failure` and `quote` say of a list they say of its elements.

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
        raise _over_nothing(name)
    check_lengths(lengths, name)
    rows = range(next(iter(lengths.values())))
    return [
        {key: _constant(arguments[key]) if column is None else column[row] for key, column in columns.items()}
        for row in rows
    ]


def spread(arguments: Mapping[str, Any], rest: str) -> Mapping[str, Any]:
    """The arguments with those that a parameter `**rest` takes among the others, each by its own name.

    Args:
        arguments: Parameter to argument.
        rest: Name of that parameter; empty: there is none.

    Example:
        >>> spread({"x": [1, 2], "more": {"y": [3, 4]}}, "more")
        {'x': [1, 2], 'y': [3, 4]}
    """
    own = {key: value for key, value in arguments.items() if key != rest}
    # What is called as a parameter that takes no name cannot stand beside that.
    if rest not in arguments or not own.keys().isdisjoint(arguments[rest]):
        return arguments
    return {**own, **arguments[rest]}


def collected(row: Mapping[str, Any], rest: str, names: Collection[str]) -> dict[str, Any]:
    """The opposite of `spread`: what is none of these names belongs to `**rest`.

    Example:
        >>> collected({"x": 1, "y": 3}, "more", {"x", "more"})
        {'x': 1, 'more': {'y': 3}}
    """
    more = {key: value for key, value in row.items() if key not in names} if rest else {}
    if not more:
        return dict(row)
    return {**{key: value for key, value in row.items() if key in names}, rest: more}


def _elements(key: str, value: Any, name: str) -> list[Any] | None:
    """The elements of an argument; None where it is the same for all items."""
    if isinstance(value, (unmapped, _WHOLE)):
        return None
    if isinstance(value, flatten):
        return value.elements()
    if isinstance(value, (allow_failure, quote)):
        parts = _elements(key, value.value, name)
        return None if parts is None else [type(value)(part) for part in parts]
    if not isinstance(value, Iterable):
        return None
    check_items(key, value, name)
    return list(cast("Iterable[Any]", value))


def _constant(value: Any) -> Any:
    return value.unwrap() if isinstance(value, unmapped) else value


def mapped_over(
    arguments: Mapping[str, Any], name: str, is_source: Callable[[object], bool], *, may_be_none: bool = False
) -> tuple[dict[str, Any], frozenset[str | None]]:
    """The arguments of a map that is run later, and which of them have one value for each item.

    Results to come count as lists. What can be iterated only once becomes a list now.

    Args:
        arguments: Parameter to argument.
        name: What people call the task, for messages.
        is_source: Whether an object stands for a result to come.
        may_be_none: Whether there may be none of them.

    Raises:
        DefinitionError: If an argument has no items, or not as many as another one.

    Example:
        >>> mapped_over({"x": range(2), "y": unmapped(3)}, "plus", lambda value: False)[1]
        frozenset({'x'})
    """
    given = {key: _kept(key, value, name, is_source) for key, value in arguments.items()}
    mapped = [key for key, value in given.items() if not isinstance(value, (unmapped, *_WHOLE))]
    lengths = {key: len(given[key]) for key in mapped if isinstance(given[key], Sized)}
    check_lengths(lengths, name)
    if not mapped and not may_be_none:
        raise _over_nothing(name)
    return given, frozenset(mapped)


def _kept(key: str, value: Any, name: str, is_source: Callable[[object], bool]) -> Any:
    if is_source(value) or isinstance(value, (Annotation, *_WHOLE)):
        return value
    check_items(key, value, name)
    return value if isinstance(value, Sized) else list(value)


def check_items(key: str, value: Any, name: str) -> None:
    """Do nothing where an argument has items to map over.

    Raises:
        DefinitionError: If it is a dictionary, or cannot be iterated.
    """
    if isinstance(value, Mapping):
        raise DefinitionError(
            f"{name} cannot be mapped over the dictionary {key}; give list({key}.items()), or unmapped({key})"
        )
    if not isinstance(value, Iterable):
        kind = type(value).__name__
        raise DefinitionError(
            f"{name} cannot be mapped over {key}, which is of type {kind}; give a list, or unmapped({key})"
        )


def check_lengths(lengths: Mapping[str, int], name: str) -> None:
    """Do nothing where all arguments have the same number of items.

    Raises:
        DefinitionError: If they have not.
    """
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise DefinitionError(f"{name} is mapped over unequal lengths: {told}; use unmapped(…) for constants")


def _over_nothing(name: str) -> DefinitionError:
    return DefinitionError(f"{name} is mapped over nothing; give at least one list")
