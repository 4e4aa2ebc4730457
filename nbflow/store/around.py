"""The files around a body that starts programs: what these write nobody sees, but that it was written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.store.paths import FileStat

MOST_ENTRIES: Final = 1_000

Around = dict[str, "FileStat"]
"""Path to the stat of each file in a folder and below."""


def files_around(
    folder: str, stat: Callable[[str], FileStat | None], ignores: Callable[[str], bool]
) -> Around | None:
    """The files in a folder and below; hidden ones, compiled Python and notebooks are left out.

    Args:
        folder: An absolute path.
        stat: The stat of a path now.
        ignores: Whether a path is nobody's input.

    Returns:
        None where more than `MOST_ENTRIES` would have to be looked at.
    """
    found, entries = Around(), 0
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _stands_aside(name)]
        entries += len(folders) + len(names)
        if entries > MOST_ENTRIES:
            return None
        for path in (os.path.join(place, name) for name in names if not _stands_aside(name)):
            now = None if ignores(path) else stat(path)
            if now is not None and now.regular:
                found[path] = now
    return found


def changed_around(before: Around, after: Around) -> Mapping[str, FileStat | None]:
    """The paths that hold another file than before, or one more or less, with the stat before.

    Example:
        >>> changed_around({}, {})
        {}
    """
    return {path: before.get(path) for path in before | after if before.get(path) != after.get(path)}


def _stands_aside(name: str) -> bool:
    return name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", ".ipynb"))
