"""Which distribution installs which top-level module, and where a module lies, without importing anything."""

from __future__ import annotations

import pkgutil
from importlib import metadata
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def owners_of_modules() -> Mapping[str, list[metadata.Distribution]]:
    """Every installed top-level module, and the distributions that install something of it."""
    found: dict[str, list[metadata.Distribution]] = {}
    for distribution in metadata.distributions():
        for module in modules_of(distribution):
            found.setdefault(module, []).append(distribution)
    return found


def modules_of(distribution: metadata.Distribution) -> set[str]:
    """The top-level modules that a distribution installs.

    Read from its record as text: `importlib.metadata` makes an object of each of its files, which takes
    ten times as long.
    """
    listed = distribution.read_text("top_level.txt")
    if listed is not None:
        return set(listed.split())
    record = distribution.read_text("RECORD") or ""
    tops = {line.partition(",")[0].partition("/")[0] for line in record.splitlines()}
    return {top.partition(".")[0] for top in tops if not top.endswith(".dist-info")}


def spec_within(name: str, folders: Iterable[str]) -> ModuleSpec | None:
    """What would be imported under a dotted name from the folders of its package; None: nothing.

    `PathFinder` knows no folder without an `__init__.py` in a package that is not loaded yet.
    """
    portions: list[str] = []
    for folder in folders:
        finder = pkgutil.get_importer(folder)
        spec = finder.find_spec(name, None) if finder is not None else None
        if spec is not None and spec.loader is not None:
            return spec
        portions += (spec.submodule_search_locations or ()) if spec is not None else ()
    if not portions:
        return None
    found = ModuleSpec(name, None, is_package=True)
    found.submodule_search_locations = portions
    return found
