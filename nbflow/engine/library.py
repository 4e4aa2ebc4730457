"""One library whose settings are followed: how they are looked at and set."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.exceptions import CacheError, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Changed = tuple[tuple[str, object], ...]
"""The settings that are not as their library starts, by name, sorted."""

AS_IT_STARTS: Final[Changed] = ()


@dataclass(frozen=True, slots=True)
class Library:
    """How to get and set a group of settings of one library.

    Args:
        module: The module that keeps them.
        now: Gives all of them.
        start: Gives them as the library starts.
        put: Sets one of them.
        spoken: What a source looks like that sets them, as a regular expression.
        shown: Whether they only decide how values look.
        of_thread: Whether each thread has its own.
        in_context: Whether they are kept in context variables.
        leave_out: Settings that hosts, or other libraries as they are imported, change by themselves.
    """

    module: str
    now: Callable[[Any], Mapping[str, object]]
    start: Callable[[Any], Mapping[str, object]]
    put: Callable[[Any, str, object], object]
    spoken: str
    shown: bool = False
    of_thread: bool = False
    in_context: bool = False
    leave_out: frozenset[str] = frozenset()

    def get(self, module: Any) -> Changed:
        """What is set otherwise than at the start, as an immutable value."""
        start = self.start(module)
        now = ((name, frozen(value)) for name, value in self.now(module).items())
        changed = (item for item in now if not _is_same(item[1], frozen(start.get(item[0]))))
        return tuple(sorted((item for item in changed if item[0] not in self.leave_out), key=itemgetter(0)))

    def set(self, module: Any, state: Changed) -> None:
        """Let all settings be as `get` gave them.

        Raises:
            CacheError: If the library does not take one of them any more.
        """
        now, start = self.get(module), self.start(module)
        wanted = {name: start.get(name) for name, _ in now} | dict(state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # who set them has been told already that they will go
            for name in sorted(wanted):
                if (name, wanted[name]) not in now:
                    self._put(module, name, wanted[name])

    def _put(self, module: Any, name: str, value: object) -> None:
        try:
            self.put(module, name, value)
        except Exception as error:
            raise CacheError(f"{self.module} refuses its setting {name}: {text_of(error)}") from error


def _is_same(one: object, other: object) -> bool:
    try:
        return one is other or bool(one == other)
    except (TypeError, ValueError):
        return False


def frozen(value: object) -> object:
    """A setting as a value that nobody can change in place, and that compares as plain values do."""
    kind = type(value)
    if kind.__name__ == "Cycler":
        return frozen(sorted(cast("Any", value).by_key().items()))
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return frozen(cast("Any", value).tolist())
    return tuple(map(frozen, cast("list[object]", value))) if isinstance(value, (list, tuple)) else value
