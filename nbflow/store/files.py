"""The slot kinds of the file system: content, absence and listings, behind one cache of stats."""

from __future__ import annotations

import os
import stat as modes
import time
from fnmatch import fnmatch
from glob import glob, has_magic
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

import xxhash

from nbflow.store.asked import ANSWERS, AskedKind
from nbflow.store.children import Reporter, Spool
from nbflow.store.given import NOT_NATIVE, Native
from nbflow.store.paths import (
    ABSENT,
    PRESENT,
    UNREADABLE,
    FileStat,
    Ignored,
    Known,
    pattern_base,
    shown_names,
    shown_stat,
)
from nbflow.store.trail import YOUNG_NS
from nbflow.store.variables import variable_digest
from nbflow.store.watching import Watch, begin_reports, unwatched
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nbflow.store.trail import Names

CHUNK_BYTES: Final = 1 << 20
TRIES: Final = 3
ENTRIES_LOOKED_AT: Final = 20_000
"""How many entries of folders a pattern may lead through, before it is not followed."""


class Kind(Protocol):
    """A kind of slot: how its content is found now and shown to people."""

    @property
    def name(self) -> str:
        """The kind's name in `nbflow.types.Slot`."""
        ...

    def now(self, locator: str) -> str:
        """Digest of the present content, or the kind's marker for nothing."""
        ...

    def show(self, locator: str) -> str:
        """A short text about the present content."""
        ...


class Files:
    """The files of one session, as far as tasks look at them.

    A content is hashed once and then trusted as long as size, both times and inode of its stat
    stay as they were; unless the file had been changed within two seconds before it was hashed.
    May be used from several threads; never adds to what a watch sees.

    Args:
        ignore: Files and folders that are nobody's inputs, besides those of Python and the
            system: the store, the notebook.
        clock: Seconds since the epoch, as the file system counts them.

    Attributes:
        key: Secret key of the digests of environment variables.

    Example:
        >>> import tempfile
        >>> files = Files()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "a.csv")
        ...     before = files.digest(path)
        ...     with files.watch() as watch, open(path, "w") as stream:
        ...         _ = stream.write("x")
        ...     before, watch.written[path] == files.digest(path)
        ('unbound', True)
    """

    def __init__(self, ignore: Iterable[str] = (), clock: Callable[[], float] = time.time) -> None:
        self._ignore = tuple(ignore)
        self._ignored = Ignored(self._ignore)
        self._clock = clock
        self.key = b""
        self._memory: dict[str, Known] = {}

    @property
    def ignored(self) -> tuple[str, ...]:
        """Files and folders that are nobody's inputs, besides those of Python and the system."""
        return self._ignore

    def digest(self, path: str) -> str:
        """Digest of a file's content.

        Args:
            path: An absolute path.

        Returns:
            32 hexadecimal characters; `UNBOUND` for what does not exist or is no regular file,
            folders included; `UNREADABLE` for a file that may not be read.
        """
        return self.known(path).digest

    def stat(self, path: str) -> FileStat | None:
        """The stat of what a path leads to; `None` where nothing is or can be reached."""
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return None
        return FileStat(
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
            found.st_ino,
            modes.S_ISREG(found.st_mode),
        )

    def known(self, path: str) -> Known:
        """The content of a path now, hashed only where its stat does not prove it known."""
        known, stat = self._memory.get(path), self.stat(path)
        if known is None or not known.firm or known.stat != stat:
            known = self._memory[path] = self._look(path, stat)
        return known

    def learn(self, path: str, known: Known) -> None:
        """Take over what an earlier session knew of a path; ignored where it is not firm."""
        if known.firm:
            self._memory.setdefault(path, known)

    def changed(self, paths: Iterable[str]) -> frozenset[str]:
        """Which paths may have another content than when last hashed, by one stat each.

        Paths never hashed are among them, and those whose stat proves nothing yet.
        """
        return frozenset(path for path in paths if self._may_differ(path))

    def names(self, locator: str) -> Names:
        """The names in a folder (locator with a final separator), or what a pattern matches.

        `**` matches any depth, hidden names count.

        Returns:
            Names in the folder, absolute paths for a pattern; `None` for a missing folder.
        """
        with unwatched():
            if not locator.endswith(os.sep):
                return frozenset(glob(locator, recursive=True, include_hidden=True))
            try:
                return frozenset(os.listdir(locator))
            except OSError:
                return None

    def is_wide(self, pattern: str) -> bool:
        """Whether following a pattern would visit more than `ENTRIES_LOOKED_AT` entries.

        One with `**` directly below the root of the file system is wide without a look.
        """
        base = pattern_base(pattern)
        parts = [part for part in pattern[len(base) :].split(os.sep) if part]
        if os.path.dirname(base) == base and "**" in parts[:1]:
            return True
        with unwatched():
            return next(islice(_visited(base, parts), ENTRIES_LOOKED_AT, None), None) is not None

    def listing(self, names: Names) -> str:
        """Digest of a listing, `UNBOUND` for that of a missing folder."""
        if names is None:
            return UNBOUND
        hasher = xxhash.xxh3_128()
        for name in sorted(map(os.fsencode, names)):
            hasher.update(len(name).to_bytes(8, "little") + name)
        return hasher.hexdigest()

    def ignores(self, path: str) -> bool:
        """Whether an absolute path is nobody's input."""
        return self._ignored.covers(path)

    def is_in_package(self, path: str) -> bool:
        """Whether an absolute path is an input where the user's own code names it."""
        return self._ignored.is_in_package(path)

    def variable(self, name: str, value: str | None) -> str:
        """Keyed digest of a value of an environment variable, `UNBOUND` for None."""
        return variable_digest(name, value, self.key)

    def now_ns(self) -> int:
        """The time by this session's clock, nanoseconds since the epoch."""
        return int(self._clock() * 1e9)

    def now(self, kind: str, locator: str) -> str:
        """The present digest of a slot of kind `file`, `absent` or `listing`.

        Raises:
            KeyError: If the kind is none of these.
        """
        return {each.name: each for each in self.kinds()}[kind].now(locator)

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of the file system: `file`, `absent`, `listing`, `presence`, `stat`, `target`."""
        return FileKind(self), AbsentKind(self), ListingKind(self), *map(AskedKind, ANSWERS)

    def watch(
        self,
        constants: Iterable[str] = (),
        inputs: Iterable[object] = (),
        *,
        writes: Iterable[str] = (),
        reads: Iterable[str] = (),
        apart: bool = False,
        native: Native = NOT_NATIVE,
    ) -> Watch:
        """Observe a body; see `nbflow.store.watching.Watch` for what is seen.

        Args:
            constants: Strings in the body; those with a separator or a suffix count as paths.
            inputs: Values given to it; strings and paths among them count as paths.
            writes: Paths or patterns that it is declared or known to write.
            reads: Paths, patterns or folders that it is declared or known to read.
            apart: Whether watches around this one learn nothing of what it sees.
            native: Whether the body reads or writes files in a way that Python does not see.
        """
        watch = Watch(self, constants, inputs, writes, reads, apart=apart)
        watch.native = native
        return watch

    def _may_differ(self, path: str) -> bool:
        known = self._memory.get(path)
        if known is None or not known.firm:
            return True
        if known.stat is None:
            return self.stat(path) is not None
        try:
            return not _fits(known.stat, os.stat(path))
        except (OSError, ValueError):
            return True

    def _look(self, path: str, stat: FileStat | None) -> Known:
        """Hash until the stat is the same before and after; a restless file is never firm."""
        digest = UNBOUND
        for _ in range(TRIES):
            if stat is None or not stat.regular:
                return Known(stat, UNBOUND)
            started = self.now_ns()
            digest, before, stat = _hash(path), stat, self.stat(path)
            if stat == before:
                return Known(stat, digest, firm=started - before.changed_ns >= YOUNG_NS)
        return Known(stat, digest, firm=False)


class FileKind:
    """The content of a file."""

    name = "file"

    def __init__(self, files: Files) -> None:
        self._files = files

    def now(self, locator: str) -> str:
        """Digest of the content, `UNBOUND` where there is no file."""
        return self._files.digest(locator)

    def show(self, locator: str) -> str:
        """Size and time of the last change."""
        return shown_stat(self._files.stat(locator))


class AbsentKind:
    """That nothing is at a path."""

    name = "absent"

    def __init__(self, files: Files) -> None:
        self._files = files

    def now(self, locator: str) -> str:
        """`absent` or `present`."""
        return ABSENT if self._files.stat(locator) is None else PRESENT

    def show(self, locator: str) -> str:
        """The same in words."""
        return "not there" if self._files.stat(locator) is None else "there"


class ListingKind:
    """The names in a folder, or those that a pattern matches."""

    name = "listing"

    def __init__(self, files: Files) -> None:
        self._files = files

    def now(self, locator: str) -> str:
        """Digest of the names, `UNBOUND` for a missing folder."""
        return self._files.listing(self._files.names(locator))

    def show(self, locator: str) -> str:
        """The names, where there are few."""
        return shown_names(self._files.names(locator))


def _fits(stat: FileStat, found: os.stat_result) -> bool:
    """Whether a stat is unchanged; compared in place because thousands of paths are polled."""
    return (
        stat.size == found.st_size
        and stat.mtime_ns == found.st_mtime_ns
        and stat.ctime_ns == found.st_ctime_ns
        and stat.inode == found.st_ino
    )


def _visited(folder: str, parts: list[str]) -> Iterator[str]:
    """The entries that have to be looked at to match the parts of a pattern below a folder."""
    if not parts:
        return
    deep = parts[0] == "**"
    if not has_magic(parts[0]):
        yield from _visited(os.path.join(folder, parts[0]), parts[1:])
        return
    if deep:
        yield from _visited(folder, parts[1:])
    for name, is_folder in _entries(folder):
        yield name
        if is_folder and (deep or fnmatch(name, parts[0])):
            yield from _visited(os.path.join(folder, name), parts if deep else parts[1:])


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Names in a folder and which are folders; no descriptor stays open while they are used."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir()) for entry in islice(entries, ENTRIES_LOOKED_AT + 1)]
    except OSError:
        return []


def _hash(path: str) -> str:
    hasher = xxhash.xxh3_128()
    buffer = bytearray(CHUNK_BYTES)
    try:
        # What we read ourselves is no input of the body that is running.
        with unwatched(), open(path, "rb", buffering=0) as stream:
            while count := stream.readinto(buffer):
                hasher.update(memoryview(buffer)[:count])
    except FileNotFoundError:
        return UNBOUND
    except OSError:
        return UNREADABLE
    return hasher.hexdigest()


def report_to(spool: str, ignored: tuple[str, ...], named: tuple[str, ...], watches: tuple[int, ...]) -> None:
    """Have what this process does from now on told to the one that has started it.

    Args:
        spool: The file to tell it in.
        ignored: What is nobody's input there.
        named: What the inputs of its bodies name in packages.
        watches: The watches that this process works for, by number.
    """
    begin_reports(Reporter(Spool(spool), Files(ignored), named, watches))
