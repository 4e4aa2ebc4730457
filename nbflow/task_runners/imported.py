"""The user's modules that a worker has imported: whether their files are still what they were."""

from __future__ import annotations

import os
import sys
import sysconfig
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbflow.store.paths import PACKAGE_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import ModuleType

_FRESH: Final = 2.0
"""Seconds within which a file may have been written again after it was read, without a trace."""
_INSTALLED: Final = (
    *(sysconfig.get_path(each) for each in ("stdlib", "platstdlib", "purelib", "platlib")),
    str(Path(__file__).parents[1]),
)
"""Where modules are that nobody edits while a notebook is open; a package may be installed, though."""


def _package_folders() -> tuple[str, ...]:
    return tuple(entry for entry in sys.path if entry.endswith(PACKAGE_FOLDERS))


@dataclass(slots=True)
class Modules:
    """The modules that bodies have imported in this process.

    Args:
        packages: The folders of installed packages, which change where one is installed or removed.

    Example:
        >>> modules = Modules()
        >>> modules.are_as_imported()  # none was noted yet
        True
        >>> with modules.noted():
        ...     import json
    """

    packages: tuple[str, ...] = field(default_factory=_package_folders)
    _files: dict[str, tuple[int, int] | None] = field(default_factory=dict[str, "tuple[int, int] | None"])
    _seen: int = 0
    _installed: tuple[tuple[int, int] | None, ...] = ()

    def __post_init__(self) -> None:
        self._installed = tuple(map(_stat, self.packages))

    @contextmanager
    def noted(self) -> Generator[None]:
        """Note, after a block, the modules that were imported in it."""
        since = time.time()
        try:
            yield
        finally:
            self._note(since)

    def _note(self, since: float) -> None:
        """Note those that were imported since a time; of a file that may have changed meanwhile, nothing."""
        if len(sys.modules) == self._seen:
            return
        self._seen = len(sys.modules)
        for path in {_file_of(module) for module in list(sys.modules.values())}.difference(self._files, {""}):
            stat = _stat(path)
            is_settled = stat is not None and stat[0] < (since - _FRESH) * 1e9
            self._files[path] = stat if is_settled else None

    def are_as_imported(self) -> bool:
        """Whether all of their files are what they were, and so is what is installed."""
        same = self._installed == tuple(map(_stat, self.packages))
        return same and all(stat is not None and stat == _stat(path) for path, stat in self._files.items())


def _file_of(module: ModuleType) -> str:
    path = getattr(module, "__file__", None) or ""
    return "" if not path.endswith(".py") or path.startswith(_INSTALLED) else path


def _stat(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
