"""Origins: which step made the classes inside a value.

Two cells may define one class with equal code, and no digest of an instance tells which of the two
it is from; `isinstance` does. So a trace names the classes inside what it made, and those that the
body made itself. The others came with what the body saw: their steps follow from what that is bound
to, as everything does that is not written down (invariant I3). A value whose classes are not the
ones that their names stand for where it is read is seen as another value there.
"""

from __future__ import annotations

import weakref
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.bind import Version
from nbflow.engine.slots import NAME, slot_of
from nbflow.store.codes import found_by_name
from nbflow.store.digests import key_digest
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.types import Output, Slot, Trace

Classes = tuple[tuple[str, str], ...]
"""Qualified names of the notebook's classes inside a unit, each with the step that made it."""

NONE: Final[Classes] = ()
_REPLACED: Final = "<"


def version_of(
    step: str, trace: Trace, output: Output, classes_of: Callable[[Slot], Classes]
) -> Version | None:
    """The version that an output is; None where it ends unbound.

    Args:
        step: The step that is bound to the trace.
        trace: The trace.
        output: One of its outputs in memory.
        classes_of: The classes inside what its body saw in a name.
    """
    if output.digest == UNBOUND:
        return None
    return Version(step, output, _classes(step, trace, output, classes_of) if output.classes else NONE)


def _classes(step: str, trace: Trace, output: Output, classes_of: Callable[[Slot], Classes]) -> Classes:
    made: dict[str, set[str]] = {name: set() for name, _ in output.classes}
    seen = tuple(chain.from_iterable(classes_of(slot) for slot in _names(trace)))
    for name, is_own in output.classes:
        made[name] |= {step} if is_own else {maker for known, maker in seen if known == name}
    for name, makers in made.items():
        if len(makers) != 1 or name.startswith(_REPLACED):
            makers.add(trace.id)  # which is which only a run of the body could tell
    return tuple((name, maker) for name in sorted(made) for maker in sorted(made[name]))


def _names(trace: Trace) -> Iterable[Slot]:
    return (entry.looked.slot for entry in trace.entries if entry.looked.slot.kind == NAME)


def seen_as(digest: str, classes: Classes, classes_of: Callable[[Slot], Classes]) -> str:
    """The digest that a body sees of a value: that of its content, if its classes are what their names say.

    Args:
        digest: The digest of the content.
        classes: The classes inside it.
        classes_of: The classes inside what a name stands for where the body runs.
    """
    return key_digest("classes", digest, *chain(*classes)) if _others(classes, classes_of) else digest


def shown_as(preview: str, classes: Classes, classes_of: Callable[[Slot], Classes]) -> str:
    """A value in a short text for people, with the classes that are not what their names say."""
    others = _others(classes, classes_of)
    return f"{preview} of another {' and '.join(others)}" if others else preview


def _others(classes: Classes, classes_of: Callable[[Slot], Classes]) -> list[str]:
    names = dict.fromkeys([name for name, _ in classes])
    return [name for name in names if not is_same_class(name, classes, classes_of(slot_of(name_of(name))))]


def is_same_class(name: str, classes: Classes, others: Classes) -> bool:
    """Whether a qualified name means one class, and the same one, among both."""
    mine = [maker for known, maker in classes if known == name]
    return len(mine) == 1 and mine == [maker for known, maker in others if known == name]


def name_of(name: str) -> str:
    """The name of the namespace that leads to a class of that qualified name.

    Example:
        >>> name_of("Model.Layer")
        'Model'
    """
    return name.partition(".")[0]


class Known:
    """The notebook's classes met so far in this kernel, by what a trace calls them.

    Args:
        names: The user's namespace.
    """

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._classes: dict[int, tuple[weakref.ref[type], str]] = {}

    def describe(self, classes: Mapping[int, type]) -> tuple[tuple[str, bool], ...]:
        """What a trace calls the notebook's own among these classes, and whether they are new."""
        own = (cls for cls in classes.values() if self.is_own(cls))
        return tuple(sorted({(self._name(cls), not self._is_known(cls)) for cls in own}))

    def meet(self, classes: Mapping[int, type]) -> None:
        """Remember classes: from now on they are not new."""
        for key, cls in classes.items():
            if self.is_own(cls) and not self._is_known(cls):
                gone = partial(self._forget, key)
                self._classes[key] = weakref.ref(cls, gone), self._name(cls)

    def of_nobody(self, classes: Mapping[int, type]) -> Classes:
        """The notebook's own among these classes, of which nobody can tell who made them."""
        return tuple((self._name(cls), "") for cls in classes.values() if self.is_own(cls))

    def _forget(self, key: int, _: object) -> None:
        self._classes.pop(key, None)

    def is_own(self, cls: type) -> bool:
        """Whether it is a class of the notebook, not of one of the user's modules."""
        return cls.__module__ == self._names.get("__name__", "__main__")

    def _is_known(self, cls: type) -> bool:
        return id(cls) in self._classes and self._classes[id(cls)][0]() is cls

    def _name(self, cls: type) -> str:
        if self._is_known(cls):
            return self._classes[id(cls)][1]
        # What its own cell has defined once more since, nobody finds by its name.
        found = found_by_name(cls, self._names) is cls
        return cls.__qualname__ if found else f"{_REPLACED}{cls.__qualname__}>"
