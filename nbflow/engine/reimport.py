"""Local modules that were changed in place: loaded anew for all their names, or imported as they are."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.engine.labels import Label, is_local_module, next_copy
from nbflow.engine.slots import slot_of
from nbflow.exceptions import CacheError
from nbflow.store.altered import altered_among, note_altered
from nbflow.store.digests import digest_without
from nbflow.store.modules import loaded_behind, purge_changed_modules, purge_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.baggage import Define
    from nbflow.engine.bind import Version, View
    from nbflow.store.files import Files
    from nbflow.types import Entry, Slot

ALTERED: Final = "altered"
"""How the effect begins of a body that imports a module as somebody has changed it since it was loaded."""


def are_modules(versions: Mapping[str, Version], names: Mapping[str, object]) -> bool:
    """Whether a unit is nothing but local modules, and its names hold modules still."""
    return all(
        is_local_module(version.output) and isinstance(names.get(key), ModuleType)
        for key, version in versions.items()
    )


def load_anew(versions: Mapping[str, Version], workspace: Workspace, files: Files, define: Define) -> bool:
    """Load the modules of a unit anew, for all of its names; whether that gave the very versions."""
    held = {key: workspace.names[key] for key in versions}
    modules = {key: module for key, module in held.items() if isinstance(module, ModuleType)}
    for key in modules:
        workspace.leave(key)
    purge_changed_modules(files)
    for module in modules.values():
        purge_module(module, files)
    imports = (f"import {module.__name__} as {key}" for key, module in modules.items())
    define("\n".join(imports), workspace.names)
    copy = next_copy()
    for key in modules:
        now, version = workspace.look(key), versions[key]
        same = now.digest == version.output.digest
        workspace.label(key, Label(now.digest, now.memory, version if same else None, now.classes, copy))
        workspace.made(key, version.step)
    return all(workspace.holds(key, version) for key, version in versions.items())


class Imports(msgspec.Struct, frozen=True):
    """What a body imports of the user's own modules.

    Args:
        names: The names above it that hold one of these modules: what was done to it there, it sees.
            So it does what functions read that were put there.
        altered: The modules that somebody else has changed since they were loaded, as effects.
    """

    names: tuple[Slot, ...] = ()
    altered: frozenset[str] = frozenset()


NO_IMPORTS: Final = Imports()


def imports_of(asked: Iterable[Entry], view: View, workspace: Workspace, files: Files) -> Imports:
    """What a body at the view's place imports, given what it looks at outside."""
    imported = [entry.looked.slot.locator for entry in asked if entry.looked.slot.kind == "module"]
    if not imported:
        return NO_IMPORTS
    modules = {name: set(map(id, loaded_behind(name, files))) for name in imported}
    wanted = set[int]().union(*modules.values())
    held = {key: id(value) for key, value in workspace.names.items() if id(value) in wanted}
    seen = {key: names for key in held if (names := _seen_through(key, view, workspace))}
    altered = altered_among(wanted) - {held[key] for key in seen}
    effects = (f"{ALTERED}: {name}" for name, behind in modules.items() if behind & altered)
    return Imports(tuple(map(slot_of, sorted(set[str]().union(*seen.values())))), frozenset(effects))


def note_change(key: str, workspace: Workspace, loaded: int) -> None:
    """Note that a body has changed what a key holds in place, if it did more than import submodules of it.

    Args:
        key: The key.
        workspace: The names, with the labels from before the body.
        loaded: How many modules were loaded when the body started.
    """
    value, label = workspace.get(key), workspace.labels[key]
    if not _has_only_grown(value, label.digest, workspace, loaded):
        note_altered(value, label.memory)


def _has_only_grown(value: object, before: str, workspace: Workspace, loaded: int) -> bool:
    added = tuple(sys.modules.values())[loaded:]  # in the order in which they were loaded
    if not added or not isinstance(value, ModuleType):
        return False
    try:
        return digest_without(value, added, workspace.names) == before
    except CacheError:
        return False


def with_imports(slots: Iterable[Slot], imports: Imports) -> tuple[Slot, ...]:
    """The slots that a body reaches, and the names of modules that it imports."""
    return tuple(dict.fromkeys((*slots, *imports.names)))


def _seen_through(key: str, view: View, workspace: Workspace) -> list[str]:
    """The name of a module and all that code in it reads; none if not all of them hold what is bound here."""
    names = [key] if view.bound(slot_of(key)).version is not None else []
    for name in names:  # it grows meanwhile
        version = view.bound(slot_of(name)).version
        if name in workspace if version is None else not workspace.holds(name, version):
            return []
        names += version.output.reach.reads.difference(names) if version is not None else ()
    return names
