"""Which distribution installs which top-level module, read from the records of what is installed."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


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
