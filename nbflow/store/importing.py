"""What local modules asked the outside while they were imported, as a watch saw it.

A module is imported once, and then asks no more: what it saw then counts for each body that imports it.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Final

from nbflow.store.asked import ANSWERS
from nbflow.store.paths import absolute
from nbflow.types import FILE, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

    from nbflow.store.trail import Contents

IMPORTERS: Final = (
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "importlib.metadata",
    "importlib_metadata",  # which looks for all packages once some library has imported it
)
"""Modules that open and list what the import system, or who looks for packages, wants."""

LISTING: Final = "listing"
WORLD: Final = "world"
"""The kind of what a module read of the world that no digest covers; the locator says it for people."""

_MOST: Final = 1_000
_said: dict[str, tuple[Mapping[str, object], dict[Slot, str]]] = {}
"""Local module to its namespace, and what it was told while it was imported.

One for the process, as `sys.modules` is: a module is imported once, whoever watches.
"""


def module_of(frame: FrameType | None) -> str:
    """The name of the module whose code a frame runs; empty where there is none."""
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name if isinstance(name, str) else ""


def note_read(contents: Contents, path: str, caller: FrameType) -> None:
    """Keep a file for all local modules that are being imported: what they hold may come from it."""
    if not contents.ignores(path):
        for _, said in _of_importing(contents, caller):
            said[Slot(FILE, path)] = contents.known(path).digest


def note_question(contents: Contents, kind: str, path: str, caller: FrameType) -> None:
    """Keep what the system says of a path to local modules that are being imported."""
    if not contents.ignores(path):
        for module, said in _of_importing(contents, caller):
            if Slot(FILE, path) not in said:
                _add(module, said, Slot(kind, path), ANSWERS[kind](path))


def note_listing(contents: Contents, locator: str, caller: FrameType) -> None:
    """Keep what a folder or pattern lists to local modules that are being imported."""
    if contents.ignores(locator):
        return
    for module, said in _of_importing(contents, caller):
        if not contents.is_wide(locator):
            _add(module, said, Slot(LISTING, locator), contents.listing(contents.names(locator)))
        else:
            _note_unknown(module, f"pattern too wide: {locator}", said)


def note_world(contents: Contents, text: str, caller: FrameType) -> None:
    """Keep that local modules which are being imported read something that no digest covers."""
    for module, said in _of_importing(contents, caller):
        _note_unknown(module, text, said)


def note_made(contents: Contents, path: str, caller: FrameType) -> None:
    """Forget what was said of a path that modules which are being imported make or change themselves."""
    for _, said in _of_importing(contents, caller):
        for kind in ANSWERS:
            said.pop(Slot(kind, path), None)


def _add(module: str, said: dict[Slot, str], slot: Slot, answer: str) -> None:
    """Keep an answer; the first one counts."""
    if len(said) < _MOST:
        said.setdefault(slot, answer)
    else:
        _note_unknown(module, f"only {_MOST:,} of the files that it asks about were followed", said)


def _note_unknown(module: str, text: str, said: dict[Slot, str]) -> None:
    said[Slot(WORLD, f"{module}: {text}")] = ""


def _of_importing(contents: Contents, caller: FrameType) -> Iterator[tuple[str, dict[Slot, str]]]:
    """Each local module that is being imported, and what was said to it so far."""
    frame: FrameType | None = caller
    while frame is not None:
        if frame.f_code.co_name == "<module>" and module_of(frame.f_back) in IMPORTERS:
            source = frame.f_globals.get("__file__")
            if isinstance(source, str) and not contents.ignores(absolute(source)):
                yield module_of(frame), _of(module_of(frame), frame.f_globals)
        frame = frame.f_back


def _of(module: str, namespace: Mapping[str, object]) -> dict[Slot, str]:
    known = _said.get(module)
    if known is None or known[0] is not namespace:
        known = _said[module] = (namespace, {})
    return known[1]


def said_to(module: str) -> Mapping[Slot, str]:
    """What a local module was told while a watch saw it imported."""
    known = _said.get(module)
    return known[1] if known is not None and not _is_another(sys.modules.get(module), known[0]) else {}


def is_still_said(slot: Slot, answer: str, contents: Contents) -> bool:
    """Whether a module that asks again now is told the same; of the world nobody can tell."""
    if slot.kind == WORLD:
        return True
    if slot.kind == LISTING:
        return contents.listing(contents.names(slot.locator)) == answer
    if slot.kind == FILE:
        return contents.known(slot.locator).digest == answer
    return ANSWERS[slot.kind](slot.locator) == answer


def _is_another(loaded: object, namespace: Mapping[str, object]) -> bool:
    """Whether a module was imported once more since: somebody had taken it out of `sys.modules`.

    One that has put something else in its own place there counts as itself.
    """
    if not isinstance(loaded, ModuleType):
        return False
    # Asking a lazy module in the usual way would load it.
    names: Mapping[str, object] = ModuleType.__getattribute__(loaded, "__dict__")
    spec = names.get("__spec__")
    return spec is not None and spec is not namespace.get("__spec__")


def forget_said(module: str) -> None:
    """Forget what a module was told, because it will be imported anew."""
    _said.pop(module, None)
