"""What a task is, for its results: its identity, the code that it reaches, its arguments by name."""

from __future__ import annotations

import sys
from functools import cached_property
from inspect import Parameter
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.exceptions import CacheError, DigestError
from nbflow.store.digests import digest, key_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_PART: Final = frozenset({"options"})


def identity_of(task: Any, notebook: str = "") -> str:
    """What tells a task from all others, whatever its code is at present.

    Functions that one function has made differ by what they hold of it, methods by their objects.

    Args:
        task: The task.
        notebook: Identifier of the notebook, which tells its `__main__` from those of others.

    Raises:
        CacheError: If what it holds cannot be compared.

    Example:
        >>> from nbflow.tasks import task
        >>> identity_of(task(len)) == identity_of(task(len)), identity_of(task(len)) == identity_of(task(max))
        (True, False)
    """
    body = task.body
    module, name = str(getattr(body, "__module__", "")), str(getattr(body, "__qualname__", body.__class__))
    held = [cell.cell_contents for cell in getattr(body, "__closure__", None) or () if _is_full(cell)]
    if "fn" not in vars(task):
        held.append(_attributes(task))
    elif isinstance(body, MethodType):
        held.append(body.__self__)
    return key_digest(
        "task", module, _program(module, notebook), name, task.name, _digest(task, held) if held else ""
    )


def _program(module: str, notebook: str) -> str:
    """Which program a main module is of; other modules have names of their own."""
    return notebook or str(getattr(sys.modules[module], "__file__", "")) if module == "__main__" else ""


def code_digest(task: Any) -> str:
    """The digest of all code that a task reaches: helpers, closures, classes, and globals by value.

    Raises:
        CacheError: If a part of it cannot be compared.
    """
    return _digest(task, code_of(task))


def code_of(task: Any) -> object:
    """What all code of a task is reached from."""
    return task.fn if "fn" in vars(task) else [task.__class__, _attributes(task)]


def named_arguments(task: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name: defaults included, further keyword arguments under their own names.

    Where one of those has the name of a parameter (`f(1, a=2)` of `f(*a, **more)`), they stay together.

    Example:
        >>> from nbflow.tasks import task
        >>> def load(year, *, fast=True, **more): ...
        >>> named_arguments(task(load), {"year": 2014, "more": {"origin": "JFK"}})
        {'year': 2014, 'fast': True, 'origin': 'JFK'}
    """
    if task.signature is None:
        return dict(given)
    named: dict[str, Any] = {}
    for name, parameter in task.signature.parameters.items():
        if parameter.kind is Parameter.VAR_KEYWORD:
            more = given.get(name, {})
            named |= more if more.keys().isdisjoint(task.signature.parameters) else {name: more}
        elif name in given:
            named[name] = given[name]
        elif parameter.default is not Parameter.empty:
            named[name] = parameter.default
    return named


def takes(task: Any, name: str) -> bool:
    """Whether a call can have an argument of that name.

    Example:
        >>> from nbflow.tasks import task
        >>> def load(year, *days): ...
        >>> takes(task(load), "days"), takes(task(load), "yaer")
        (True, False)
    """
    known = task.signature.parameters if task.signature is not None else None
    if known is None or name in known:
        return True
    return any(each.kind is Parameter.VAR_KEYWORD for each in known.values())


def _attributes(task: Any) -> dict[str, Any]:
    """What was set on a task of a class of one's own; what is derived does not count."""
    held = cast("dict[str, Any]", vars(task))
    return {
        name: value
        for name, value in held.items()
        if name not in _NO_PART and not isinstance(getattr(task.__class__, name, None), cached_property)
    }


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _digest(task: Any, value: object) -> str:
    try:
        return digest(value)
    except DigestError as error:
        name = getattr(task.body, "__qualname__", "")
        path = error.path.removeprefix("value").lstrip(".")
        part = path.removeprefix(name).lstrip(".") or "its code"
        raise CacheError(
            f"{task.name!r} reaches {part}, which has no digest; pass it as an argument that does not count, "
            "or say with nbflow.register_digest what it is made of"
        ) from error
