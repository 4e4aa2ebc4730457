"""What a trail adds up to after the body: its inputs, its outputs, and what spoils the trace."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbflow.analysis.environment import WHOLE
from nbflow.store.around import changed_around
from nbflow.store.asked import ANSWERS
from nbflow.store.paths import FileStat, folder_locator, real, working_folder
from nbflow.types import OPEN

if TYPE_CHECKING:
    from nbflow.store.trail import Contents, Names, Trail

Stats = Mapping[str, FileStat | None]


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outside of the kernel as one body saw it and left it.

    Args:
        read: Path to the digest of the content that the body was given.
        written: Path to the digest of the content that it left, `UNBOUND` for a removed file, `OPEN` for one
            of those `still_open`.
        absent: Paths that it looked for and did not find.
        listings: Folder (ends with a separator) or pattern to the digest of the names found.
        asked: A kind and a path to what the system said of it.
        variables: Environment variables that it asked for, with their values; None: not set.
        voided: Paths that somebody else changed while the body ran: the trace is void.
        still_open: Paths that it opened for writing and did not close; their content is not settled.
        own: Paths, or listings, that it both read and changed: never plainly fresh.
        imported: Source files of local modules that were first imported by the body.
        noise: Why the body was not quiet, short texts.
        process_state: Those of them that tell of a changed process: working folder, environment
            variables, module search path.
        outside: What it read that no digest covers, short texts.
    """

    read: Mapping[str, str] = field(default_factory=dict[str, str])
    written: Mapping[str, str] = field(default_factory=dict[str, str])
    absent: frozenset[str] = frozenset()
    listings: Mapping[str, str] = field(default_factory=dict[str, str])
    asked: Mapping[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    variables: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    voided: tuple[str, ...] = ()
    still_open: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    imported: frozenset[str] = frozenset()
    noise: tuple[str, ...] = ()
    process_state: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


NOTHING: Final = Settlement()
"""Of a body that touched nothing outside."""


def joined(one: Settlement, other: Settlement) -> Settlement:
    """What two bodies that ran one after the other, as one, saw and left of the outside.

    Of what both read, the first look counts; where they saw different things, somebody changed it
    in between, if not one of them.

    Example:
        >>> first, second = Settlement(read={"/a": "1"}), Settlement(read={"/a": "2", "/b": "3"})
        >>> joined(first, second).voided
        ('/a',)
        >>> joined(first, Settlement(written={"/a": "2"})).own
        frozenset({'/a'})
    """
    written = {**one.written, **other.written}
    changed = {path for path in one.read.keys() & other.read.keys() if one.read[path] != other.read[path]}
    listed = one.listings.keys() & other.listings.keys()
    moved = {path for path in listed if one.listings[path] != other.listings[path]}
    mixed = (one.read.keys() & other.written.keys()) | (one.written.keys() & other.read.keys())
    read = {path: found for path, found in {**other.read, **one.read}.items() if path not in one.written}
    return Settlement(
        read=read,
        written=written,
        absent=one.absent | other.absent,
        listings={**other.listings, **one.listings},
        asked={
            place: said for place, said in {**other.asked, **one.asked}.items() if place[1] not in written
        },
        variables={**other.variables, **one.variables},
        voided=(*one.voided, *other.voided, *sorted(changed - written.keys())),
        still_open=(*one.still_open, *other.still_open),
        own=one.own | other.own | mixed | moved,
        imported=one.imported | other.imported,
        noise=(*one.noise, *other.noise),
        process_state=(*one.process_state, *other.process_state),
        outside=(*one.outside, *other.outside),
    )


@dataclass(frozen=True, slots=True)
class Before:
    """What was known before the body ran.

    Args:
        given: Paths among constants and inputs, which a native reader may open unseen.
        sought: The given ones that look like paths, so that their absence counts.
        writers: Paths that the body is known to write, if it changes them.
        outputs: Paths that it is declared to write, and not to read: that they are named is no reading.
        search_path: `sys.path`.
    """

    given: Stats = field(default_factory=dict[str, FileStat | None])
    sought: frozenset[str] = frozenset()
    writers: Stats = field(default_factory=dict[str, FileStat | None])
    outputs: frozenset[str] = frozenset()
    search_path: tuple[str, ...] = ()


UNKNOWN: Final = Before()
"""Before a body is looked at."""


def settle(trail: Trail, before: Before, writers: Collection[str]) -> Settlement:
    """Decide what a body read, wrote, missed and spoiled.

    Args:
        trail: What was seen while it ran.
        before: What was known before.
        writers: Paths that it is known to write, as they are now (patterns expanded anew).

    Returns:
        The settlement; every digest in it belongs to a content with an unchanged stat.
    """
    untouched = trail.is_empty and not (before.given or before.writers or writers)
    if untouched and tuple(sys.path) == before.search_path:
        return NOTHING
    return _Settling(trail, before).settle(writers)


class _Settling:
    """The parts of one settlement while it is made."""

    def __init__(self, trail: Trail, before: Before) -> None:
        self.trail = trail
        self.before = before
        self.contents: Contents = trail.contents
        self.after: dict[str, FileStat | None] = {}
        self.read: dict[str, str] = {}
        self.written: dict[str, str] = {}
        self.absent: set[str] = set()
        self.voided: dict[str, None] = {}
        self.own: set[str] = set()
        self.made: set[str] = set()

    def settle(self, writers: Collection[str]) -> Settlement:
        passing = self._passing()
        self._find_written(self.trail.writes.keys() - passing, writers)
        handed = {path: stat for path, stat in self.trail.handed.items() if path not in self.before.outputs}
        for path, stat in {**self.before.given, **handed, **self.trail.reads}.items():
            if path not in self.written and path not in passing:
                self._settle_read(path, stat)
        passed = {*filter(self._is_passing_folder, map(folder_locator, self.trail.folders))}
        kept = (locator for locator in self.trail.listings if locator not in passed)
        listings = {locator: self._settle_listing(locator) for locator in kept}
        asked = self._settle_asked(self.trail.writes.keys() | self.written.keys())
        still_open = _open_for_writing(path for path in self.trail.writes if path in self.written)
        process_state = self._process_state()
        return Settlement(
            read=self.read,
            listings=listings,
            asked=asked,
            variables=self._variables(),
            written=self.written | dict.fromkeys(still_open, OPEN),
            absent=frozenset(self.absent),
            voided=tuple(self.voided),
            still_open=still_open,
            own=frozenset(self.own),
            imported=frozenset(self.trail.imported),
            noise=(*self._noise(), *process_state),
            process_state=process_state,
            outside=self._outside(),
        )

    def now(self, path: str) -> FileStat | None:
        if path not in self.after:
            self.after[path] = self.contents.stat(path)
        return self.after[path]

    def _passing(self) -> set[str]:
        """Temporary files: made and removed by the body, they leave nothing and depend on nothing."""
        return {path for path, stat in self.trail.writes.items() if stat is None and self.now(path) is None}

    def _is_passing_folder(self, locator: str) -> bool:
        """The same of a folder that the body made."""
        return self.contents.names(locator) is None

    def _find_written(self, opened: Iterable[str], writers: Collection[str]) -> None:
        for path in opened:
            self._add_written(path)
        for path in {*self.before.writers, *writers}:
            if self.now(path) != self.before.writers.get(path):
                self._add_written(path)
        for path, stat in self.trail.handed.items():
            if self.now(path) != stat:
                self._add_handed(path, stat)
        for path, stat in self._changed_around().items():
            self._add_handed(path, stat)
        self.own |= self.written.keys() & (self.trail.reads.keys() | self.trail.grown.keys())

    def _changed_around(self) -> dict[str, FileStat | None]:
        """What a program has written, or removed, where it ran: who else should have done it?"""
        changed: dict[str, FileStat | None] = {}
        for folder, before in self.trail.around.items():
            after = self.trail.files_around(folder) if before is not None else None
            if before is not None and after is not None:
                changed.update(changed_around(before, after))
        return {path: stat for path, stat in changed.items() if path not in self.written}

    def _add_handed(self, path: str, stat: FileStat | None) -> None:
        """A path named to a subprocess or database that changed: who else should have done it?"""
        if path not in self.trail.journals:
            self._add_written(path)
            if stat is not None and path not in self.before.outputs:
                self.own.add(path)
        elif self._is_journal_changed(path):
            self.own.add(self.trail.journals[path])

    def _is_journal_changed(self, path: str) -> bool:
        """Whether a log holds something else than before; an empty one is as good as none."""
        stat, before = self.now(path), self.trail.early[path]
        if before.stat is None and (stat is None or stat.size == 0):
            return False
        return self.contents.known(path).digest != before.digest

    def _add_written(self, path: str) -> None:
        self.made.add(path)
        if not self._is_folder(path):
            self.written[path] = self.contents.known(path).digest

    def _is_folder(self, path: str) -> bool:
        stat = self.now(path)
        return stat is not None and not stat.regular

    def _settle_read(self, path: str, stat: FileStat | None) -> None:
        if stat is None:
            self._settle_absent(path)
            return
        if path in self.trail.journals:
            if not self._is_journal_changed(path):
                self.read[path] = self.trail.early[path].digest
            return
        known = self.contents.known(path)
        # Within one tick of its clock a file may change twice, which no stat tells: where that could be, its
        # content was taken when it was opened.
        early = self.trail.early.get(path, known)
        if known.stat == stat and early.digest == known.digest:
            self.read[path] = known.digest
        elif self._is_another_name_of_written(path):
            self.own.add(path)
        else:
            self.voided[path] = None

    def _settle_absent(self, path: str) -> None:
        if self._is_folder(path):
            return
        if self.now(path) is None:
            if path in self.trail.reads or path in self.before.sought or path in self.trail.journals:
                self.absent.add(path)
        elif path not in self.trail.journals:
            self.voided[path] = None

    def _is_another_name_of_written(self, path: str) -> bool:
        return real(path) in {real(each) for each in self.written}

    def _settle_listing(self, locator: str) -> str:
        """The listing as first seen, or as it is now where only the body itself changed it."""
        seen, now = self.trail.listings[locator], self.contents.names(locator)
        if seen != now and all(map(self._is_own_doing, self._changed_names(locator, seen, now))):
            if locator not in self.trail.guessed:
                self.own.add(locator)
            return self.contents.listing(now)
        return self.contents.listing(seen)

    def _is_own_doing(self, path: str) -> bool:
        """Whether the body made, moved or removed what is at a path, or wrote below it."""
        if path in self.trail.writes or path in self.trail.folders or path in self.made:
            return True
        below = os.path.join(path, "")
        changed = (*self.written, *self.trail.writes, *self.trail.folders)
        return any(each.startswith(below) for each in changed)

    def _settle_asked(self, own: Collection[str]) -> dict[tuple[str, str], str]:
        """What was said first of what the body did not write; of its own folders, what is said now."""
        asked = {place: said for place, said in self.trail.asked.items() if place[1] not in own}
        for kind, path in asked:
            if self._is_folder(path) and self._is_own_doing(path):
                asked[kind, path] = ANSWERS[kind](path)
        return asked

    def _variables(self) -> dict[str, str | None]:
        """The environment variables that it asked for and did not set."""
        names = self.trail.variables.keys() - self.trail.environment.keys() - self.trail.touched - {WHOLE}
        return {name: os.environ.get(name) for name in sorted(names)}

    def _outside(self) -> tuple[str, ...]:
        """What no digest covers; a copy of all variables is what a program is started with."""
        asks_all = WHOLE in self.trail.variables and not any(map(_tells_of_program, self.trail.noise))
        return (*self.trail.outside, WHOLE) if asks_all else tuple(self.trail.outside)

    def _changed_names(self, locator: str, seen: Names, now: Names) -> set[str]:
        names = (seen or frozenset()) ^ (now or frozenset())
        return {os.path.join(locator, name) if locator.endswith(os.sep) else name for name in names}

    def _noise(self) -> tuple[str, ...]:
        return (*(f"file written: {path}" for path in self.written), *self.trail.noise)

    def _process_state(self) -> tuple[str, ...]:
        state: list[str] = []
        if self.trail.folder is not None and self.trail.folder != working_folder():
            state.append("working folder changed")
        if tuple(sys.path) != self.before.search_path:
            state.append("module search path changed")
        changed = (name for name, value in self.trail.environment.items() if os.environ.get(name) != value)
        return (*state, *(f"environment changed: {name}" for name in changed))


def _tells_of_program(noise: str) -> bool:
    """Whether a program was started, and not only a child of Python's own."""
    return noise.startswith("subprocess: ") and noise != "subprocess: fork"


def _open_for_writing(paths: Iterable[str]) -> tuple[str, ...]:
    """Which paths this process still holds open for writing; more may come out of a buffer."""
    files = {path: mark for path in paths if (mark := _mark(path)) is not None}
    if not files:
        return ()
    handles = {mark for handle in _handles() if (mark := _mark(handle)) in files.values() and _writes(handle)}
    return tuple(path for path, mark in files.items() if mark in handles)


def _handles() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except (OSError, ValueError):
        return []


def _mark(file: str | int) -> tuple[int, int] | None:
    """Which file a path or a descriptor means, under whatever name."""
    try:
        found = os.stat(file)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _writes(handle: int) -> bool:
    from fcntl import F_GETFL, fcntl  # only where handles can be listed; not there on each system

    try:
        return fcntl(handle, F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:
        return False
