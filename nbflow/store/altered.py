"""Local modules that were changed in place since they were loaded: importing them again undoes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from nbflow.analysis.reach import attributes_of
from nbflow.store.modules import loaded_modules

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import ModuleType

_ALTERED: Final[WeakSet[ModuleType]] = WeakSet()


def note_altered(value: object, memory: Collection[int]) -> None:
    """Note that a value was changed in place, and with it the local modules that are it or hold parts of it.

    Args:
        value: The value.
        memory: Identities of the objects in it that can be changed.
    """
    held = {id(value), *memory}
    for module in loaded_modules():
        if module is value or not held.isdisjoint(map(id, attributes_of(module).values())):
            _ALTERED.add(module)


def altered_among(modules: Collection[int]) -> set[int]:
    """Those of these modules, given by identity, that were changed in place since they were loaded."""
    return {id(module) for module in _ALTERED}.intersection(modules)
