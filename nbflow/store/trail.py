"""What was seen of a running body, as it was seen.

A trail only collects, while the body runs: the stat of each file before it was opened, the
names in each folder when it was listed, and short texts about everything else. What these
add up to is decided after the body, in `settlement.py`.
"""

from __future__ import annotations

import os
import sys
from glob import has_magic
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Final, Protocol

from nbflow.store.around import files_around
from nbflow.store.asked import ANSWERS
from nbflow.store.paths import absolute, given_path, given_paths, pattern_base, working_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.store.around import Around
    from nbflow.store.paths import FileStat, Known

YOUNG_NS: Final = 2_000_000_000
MATCHES_LOOKED_AT: Final = 1_000

Names = frozenset[str] | None
"""What a listing lists; `None` for a folder that is not there."""


_data: dict[str, tuple[Mapping[str, object], dict[str, str]]] = {}
"""Local module to its namespace, and the files that it read while it was imported.

One for the process, as `sys.modules` is: a module is imported once, whoever watches.
"""


class Contents(Protocol):
    """What a watch asks of the session's files."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """Files and folders that are nobody's inputs, besides those of Python and the system."""
        ...

    def stat(self, path: str) -> FileStat | None:
        """The stat of a path now, `None` where nothing is."""
        ...

    def known(self, path: str) -> Known:
        """The content of a path now."""
        ...

    def names(self, locator: str) -> Names:
        """The names that a folder or a pattern lists now, `None` for a missing folder."""
        ...

    def is_wide(self, pattern: str) -> bool:
        """Whether too many entries would have to be looked at to follow a pattern."""
        ...

    def listing(self, names: Names) -> str:
        """The digest of a listing."""
        ...

    def ignores(self, path: str) -> bool:
        """Whether the path is nobody's input."""
        ...

    def is_in_package(self, path: str) -> bool:
        """Whether the path is an input where the user's own code names it."""
        ...

    def variable(self, name: str, value: str | None) -> str:
        """Keyed digest of a value of an environment variable, `UNBOUND` for None."""
        ...

    def now_ns(self) -> int:
        """The time, nanoseconds since the epoch."""
        ...


def data_of_module(module: str) -> Mapping[str, str]:
    """The files that a local module read while a watch saw it imported, with their digests then."""
    known = _data.get(module)
    return known[1] if known is not None and not _is_another(sys.modules.get(module), known[0]) else {}


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


def forget_data(module: str) -> None:
    """Forget what a module read, because it will be imported anew."""
    _data.pop(module, None)


class Trail:
    """What one body was seen to do outside the kernel.

    Args:
        contents: The session's files.

    Attributes:
        reads: Path to its stat before the body first opened it for reading.
        early: Path to its content when first opened, for logs and files that had just been changed.
        writes: Path to its stat before the body first opened it for writing.
        grown: Paths that were changed without being emptied first, so that what they held counts.
        handed: Path to its stat before it was named to a subprocess or a database.
        around: Folder to what was in it before a program was started there; None where that is too much.
        journals: Write-ahead log among `handed` to its database.
        listings: Locator to the names first seen.
        guessed: Patterns among them that it names, and may list or not.
        folders: Those that it made, moved or removed.
        asked: What was asked for, a kind and a path, to what was said first.
        imported: Source files of local modules that the import system opened.
        noise: Why the body was not quiet, in the order seen.
        outside: What it read that no digest covers.
        environment: Variable to its value before the first change.
        variables: Environment variables that its own code asked for before it set them.
        folder: The working folder before the first change, `None` before there is one.
        named: Files and folders of packages that the body's inputs name: they are data.
        touched: Environment variables, and `FOLDER`, that it set itself, be it by an import.
        shaken: Those that somebody else set while it ran.
    """

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        self.reads: dict[str, FileStat | None] = {}
        self.early: dict[str, Known] = {}
        self.writes: dict[str, FileStat | None] = {}
        self.grown: dict[str, None] = {}
        self.handed: dict[str, FileStat | None] = {}
        self.around: dict[str, Around | None] = {}
        self.journals: dict[str, str] = {}
        self.listings: dict[str, Names] = {}
        self.guessed = set[str]()
        self.folders: dict[str, None] = {}
        self.asked: dict[tuple[str, str], str] = {}
        self.imported: set[str] = set()
        self.noise: dict[str, None] = {}
        self.outside: dict[str, None] = {}
        self.environment: dict[str, str | None] = {}
        self.variables: dict[str, None] = {}
        self.folder: str | None = None
        self.named: tuple[str, ...] = ()
        self.touched, self.shaken = set[str](), set[str]()

    @property
    def is_empty(self) -> bool:
        """Whether nothing was seen."""
        files = self.reads or self.writes or self.handed or self.listings or self.imported
        rest = self.noise or self.outside or self.environment or self.asked or self.variables
        return not files and not rest and self.folder is None

    def name(self, paths: Iterable[str]) -> None:
        """Note which paths the body's inputs name: what lies below them in a package is its data."""
        self.named = tuple(path for path in map(absolute, paths) if self.contents.is_in_package(path))

    def ignores(self, path: str) -> bool:
        """Whether a path is no input of this body."""
        if not self.contents.ignores(path):
            return False
        return not any(path == each or path.startswith(os.path.join(each, "")) for each in self.named)

    def read(self, path: str) -> None:
        """Note that a path is about to be opened for reading."""
        if path in self.reads or self.ignores(path):
            return
        stat = self.contents.stat(path)
        if stat is not None and not stat.regular:
            if not os.path.isdir(path):
                self.outside[f"reads {path}, which is not a regular file"] = None
            return
        self.reads[path] = stat
        if stat is not None and path not in self.writes and self._is_young(stat):
            self.early[path] = self.contents.known(path)

    def read_by_module(self, module: str, namespace: Mapping[str, object], path: str) -> None:
        """Note that a local module, which is being imported, is about to read a file."""
        if self.contents.ignores(path):
            return
        known = _data.get(module)
        if known is None or known[0] is not namespace:
            known = _data[module] = (namespace, {})
        known[1][path] = self.contents.known(path).digest

    def ask_variable(self, name: str) -> None:
        """Note that a variable of the environment is about to be asked for, if the body has not set it."""
        if name not in self.environment and name not in self.touched:
            self.variables[name] = None

    def _is_young(self, stat: FileStat) -> bool:
        return self.contents.now_ns() - stat.changed_ns < YOUNG_NS

    def write(self, path: str, *, grows: bool = False) -> None:
        """Note that a path is about to be changed, made or removed."""
        if self.ignores(path):
            return
        stat = self.contents.stat(path)
        if stat is not None and not stat.regular:
            return
        if grows and stat is not None and path not in self.writes:
            self.grown[path] = None
        self.writes.setdefault(path, stat)

    def hand(self, path: str) -> None:
        """Note that a path or pattern was named to something that may read or change it unseen."""
        if path in self.handed or self.ignores(path):
            return
        stat = self.contents.stat(path)
        if stat is None or stat.regular:
            self.handed[path] = stat
        if has_magic(path):
            for match in self.matches(path):
                self.hand(match)

    def hand_journal(self, path: str, database: str) -> None:
        """Note a database's log, by content: merely opening it may change its stat."""
        if path not in self.handed and not self.ignores(path):
            self.journals[path] = database
            self.handed[path] = self.contents.stat(path)
            self.early[path] = self.contents.known(path)

    def change_folder(self, path: str, what: str) -> None:
        """Note that a folder is about to be made, moved or removed, and in which words to say so."""
        if not self.contents.ignores(path):
            self.folders[path] = None
            self.noise[f"folder {what}: {path}"] = None

    def look_in(self, locator: str) -> None:
        """Note that a folder or pattern is about to be listed; who does so in sight did not before."""
        if locator in self.guessed or (locator not in self.listings and not self.ignores(locator)):
            self.guessed.discard(locator)
            self.listings[locator] = self.contents.names(locator)

    def ask(self, kind: str, path: str) -> None:
        """Note that it is about to be asked what is at a path."""
        if (kind, path) in self.asked or path in self.reads or self.ignores(path):
            return
        if len(self.asked) < MATCHES_LOOKED_AT:
            self.asked[kind, path] = ANSWERS[kind](path)
        else:
            self.outside[f"only {MATCHES_LOOKED_AT:,} of the files that it asks about were followed"] = None

    def matches(self, pattern: str, *, declared: bool = False) -> tuple[str, ...]:
        """Note a pattern that a native reader may follow, and return what it matches, capped.

        One that is declared to be followed counts even where its folder is not there yet.
        """
        if not (declared or os.path.isdir(pattern_base(pattern))) or self._is_wide(pattern):
            return ()
        self.look_in(pattern)
        names = self.listings.get(pattern) or frozenset()
        if len(names) > MATCHES_LOOKED_AT:
            self.outside[f"only {MATCHES_LOOKED_AT:,} of the files that {pattern} matches were followed"] = (
                None
            )
        return tuple(islice(sorted(names), MATCHES_LOOKED_AT))

    def expand(self, pattern: str) -> frozenset[str]:
        """What a pattern matches now, which is no input; nothing for one that is too wide."""
        return frozenset() if self._is_wide(pattern) else self.contents.names(pattern) or frozenset()

    def _is_wide(self, pattern: str) -> bool:
        wide = self.contents.is_wide(pattern)
        if wide:
            self.outside[f"pattern too wide: {pattern}"] = None
        return wide

    def start_program(self, program: str, words: Iterable[object], folder: object = None) -> None:
        """Note a subprocess; the words of its command may name files, and it may write some around it."""
        self.noise[f"subprocess: {program}"] = None
        base = given_path(folder) or ""
        self.look_around(working_folder())
        self.look_around(absolute(base))
        for word in words:
            for path in given_paths([word]):
                self.hand(absolute(os.path.join(base, path)))

    def look_around(self, folder: str) -> None:
        """Note what is in a folder in which something is about to write that nobody sees."""
        if folder not in self.around:
            self.around[folder] = self.files_around(folder)

    def files_around(self, folder: str) -> Around | None:
        """The files in a folder now, as far as they may be the body's."""
        return files_around(folder, self.contents.stat, self.ignores)
