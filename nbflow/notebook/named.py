"""What a header calls by a name of the notebook: triggers, hooks and the like."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from nbflow.exceptions import OptionError
from nbflow.options import Named

if TYPE_CHECKING:
    from collections.abc import Mapping


class ByName:
    """Calls what a name of the notebook stands for now, so that an edit of it counts at once.

    Args:
        named: The name.
        names: The user's namespace.

    Example:
        >>> names = {"ready": lambda upstream: True}
        >>> trigger = ByName(Named("ready"), names)
        >>> trigger({}), trigger.__name__
        (True, 'ready')
    """

    def __init__(self, named: Named, names: Mapping[str, Any]) -> None:
        self._named = named
        self._names = names
        self.__name__ = named.name

    def __call__(self, *args: Any) -> Any:
        """Call it."""
        return self.found()(*args)

    def found(self) -> Any:
        """What the name stands for.

        Raises:
            OptionError: If there is nothing of that name, or it cannot be called.
        """
        first, *others = self._named.name.split(".")
        try:
            value = reduce(getattr, others, self._names[first])
        except (KeyError, AttributeError):
            if self._named.otherwise:
                raise OptionError.unknown("trigger", self._named.name, self._named.otherwise) from None
            raise OptionError(
                f"there is no {self._named.name!r} here; run the cell that defines it first"
            ) from None
        if not callable(value):
            raise OptionError(f"{self._named.name!r} is {value!r} here, which cannot be called")
        return value


def resolved(rules: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """The rules of a header with the functions of the notebook in them; none is looked up yet."""
    return {name: _resolved(value, names) for name, value in rules.items()}


def _resolved(value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_resolved(each, names) for each in value)  # pyright: ignore[reportUnknownVariableType]
    return ByName(value, names) if isinstance(value, Named) else value


def check(rules: Mapping[str, Any]) -> None:
    """Look up what resolved rules call by name.

    Raises:
        OptionError: If the notebook has no such function.
    """
    for value in rules.values():
        for each in value if isinstance(value, tuple) else (value,):  # pyright: ignore[reportUnknownVariableType]
            if isinstance(each, ByName):
                each.found()
