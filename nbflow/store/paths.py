"""What a path is to nbflow: its stat, its content as once seen, and which words mean one.

Nothing here opens a file or knows who reads it.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from datetime import datetime
from glob import has_magic
from itertools import islice
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PRESENT: Final = "present"
ABSENT: Final = "absent"
UNREADABLE: Final = "unreadable"
"""The digest of a file that is there and cannot be read by this user."""

PACKAGE_FOLDERS: Final = ("site-packages", "dist-packages")
MEMBERS_LOOKED_AT: Final = 10_000
LONGEST_WORD: Final = 4096

_ZIPPED_PYTHON: Final = "python{}{}.zip".format(*sys.version_info)
_SUFFIX = re.compile(r"\.(?=\w*[A-Za-z])\w{1,12}$")
_NOT_IN_PATHS = re.compile(r"[\x00-\x1f]|://")


@dataclass(frozen=True, slots=True)
class FileStat:
    """What one `os.stat` says of the content of a file.

    Args:
        size: Bytes.
        mtime_ns: Last change of the content, nanoseconds since the epoch; anybody may set it.
        ctime_ns: Last change of the file at all; nobody can set it.
        inode: Which file it is, whatever its name.
        regular: Whether it is a plain file: no folder, pipe or device.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    regular: bool = True

    @property
    def changed_ns(self) -> int:
        """The latest moment that a change left in the stat."""
        return max(self.mtime_ns, self.ctime_ns)


@dataclass(frozen=True, slots=True)
class Known:
    """The content of a path as it was once seen.

    Args:
        stat: The stat that the content belongs to, `None` for a path that was not there.
        digest: Digest of the content, or `nbflow.types.UNBOUND`.
        firm: Whether an equal stat later proves an equal content. It does not for a file that
            had been changed within two seconds before it was hashed: a further change may
            fall into the same tick of the file system's clock.
    """

    stat: FileStat | None
    digest: str
    firm: bool = True


def absolute(path: str) -> str:
    """The path from the root, without `..`, symbolic links left as they are.

    Example:
        >>> absolute("/data/../data/a.csv")
        '/data/a.csv'

    A relative path stays as it is while the working folder does not exist any more.
    """
    try:
        return os.path.abspath(path)
    except OSError:
        return path


def real(path: str) -> str:
    """The absolute path without symbolic links; as it is where the working folder is missing."""
    try:
        return os.path.realpath(path)
    except OSError:
        return path


def working_folder() -> str:
    """The working folder, an empty string for one that was removed."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def folder_locator(path: str) -> str:
    """The locator of a folder's listing: it ends with a separator, a pattern never does."""
    return os.path.join(absolute(path), "")


def looks_like_path(text: str) -> bool:
    """Whether a text has a separator or a suffix, so that it may well be meant as a path.

    Example:
        >>> [looks_like_path(text) for text in ("data/a", "a.csv", "a", "1.5", "https://x.org/a.csv")]
        [True, True, False, False, False]
    """
    if len(text) > LONGEST_WORD or _NOT_IN_PATHS.search(text):
        return False
    return "/" in text or os.sep in text or _SUFFIX.search(text) is not None


def pattern_base(pattern: str) -> str:
    """The folder above the first wildcard of a pattern.

    Example:
        >>> pattern_base("/data/2024/*/a.csv")
        '/data/2024'
    """
    base = pattern
    while has_magic(base):
        base = os.path.dirname(base)
    return base


def given_path(value: object) -> str | None:
    """The text of a value that is a string or a path and may name a file, else `None`."""
    kind = type(value)  # a value may raise when it is asked what it is
    if issubclass(kind, str):
        text = cast("str", value)
    elif hasattr(kind, "__fspath__"):
        text = _text_of(cast("os.PathLike[str]", value))
    else:
        return None
    text = text.removeprefix("file://")
    if not text or len(text) > LONGEST_WORD or _NOT_IN_PATHS.search(text):
        return None
    return os.path.expanduser(text) if text[0] == "~" else text


def _text_of(path: os.PathLike[str]) -> str:
    try:
        return os.fsdecode(path)
    except Exception:  # noqa: BLE001 - a user's own path class may raise anything
        return ""


def given_paths(values: Iterable[object]) -> Iterator[str]:
    """The paths among values and among the members of their shallow containers.

    Lists, tuples, sets and the keys and values of dicts are looked into, two levels deep and
    at most `MEMBERS_LOOKED_AT` members each.

    Example:
        >>> list(given_paths(["a.csv", 3, {"train": ["b.csv", "c.csv"]}]))
        ['a.csv', 'train', 'b.csv', 'c.csv']
    """
    for value in values:
        yield from _paths_in(value, levels=2)


def _paths_in(value: object, levels: int) -> Iterator[str]:
    path = given_path(value)
    if path is not None:
        yield path
    elif levels:
        for member in islice(members_of(value), MEMBERS_LOOKED_AT):
            yield from _paths_in(member, levels - 1)


def members_of(value: object) -> Iterator[object]:
    """The members of a plain container; nothing for every other value.

    Only exact builtin types: a user's own container may compute while it is iterated.
    """
    if type(value) is dict:
        mapping = cast("Mapping[object, object]", value)
        yield from mapping
        yield from mapping.values()
    elif type(value) in (list, tuple, set, frozenset):
        yield from cast("Iterable[object]", value)


def is_cut(values: Iterable[object]) -> bool:
    """Whether a container among the values holds more members than are looked at, and paths."""
    return any(
        next(islice(members_of(value), MEMBERS_LOOKED_AT, None), None) is not None
        and next(_paths_in(value, levels=1), None) is not None
        for value in values
    )


class Ignored:
    """The places whose files are nobody's inputs: Python, installed packages, the system's own.

    Args:
        more: Further files and folders, such as the store and the notebook.

    Example:
        >>> places = Ignored(["/home/ann/.nbflow"])
        >>> [places.covers(p) for p in ("/home/ann/.nbflow/index/cache.db", "/home/ann/a.csv", "/proc/stat")]
        [True, False, True]
    """

    def __init__(self, more: Iterable[str] = ()) -> None:
        packages = _python_places()
        packages |= {real(place) for place in packages}
        places = {*packages, "/proc", "/sys", "/dev", *map(absolute, more)}
        places |= {real(place) for place in places}
        self._packages = tuple(os.path.join(place, "") for place in packages)
        self._exact = frozenset(places)
        self._below = tuple(os.path.join(place, "") for place in places)

    def covers(self, path: str) -> bool:
        """Whether an absolute path lies in such a place."""
        return (
            path.startswith(self._below)
            or path in self._exact
            or path.endswith(".pyc")
            or f"{os.sep}__pycache__{os.sep}" in path
        )

    def is_in_package(self, path: str) -> bool:
        """Whether an absolute path lies where packages keep their files: it is data once it is named."""
        return path.startswith(self._packages) and path not in self._exact


def _python_places() -> set[str]:
    """Where Python and its packages live; never the prefix itself, which may be the project."""
    places = set(sysconfig.get_paths().values()) - {sys.prefix, sys.base_prefix, sysconfig.get_path("data")}
    places |= {os.path.dirname(os.__file__), sys.executable, os.path.join(sys.prefix, "pyvenv.cfg")}
    places |= {entry for entry in sys.path if entry.endswith((*PACKAGE_FOLDERS, _ZIPPED_PYTHON))}
    return {absolute(place) for place in places if place}


_MOST_NAMES: Final = 100


def shown_stat(stat: FileStat | None) -> str:
    """Size and time of the last change, for people."""
    if stat is None:
        return "not there"
    changed = datetime.fromtimestamp(stat.mtime_ns / 1e9)
    return f"{_size(stat.size)}, changed {changed:%Y-%m-%d %H:%M:%S}"


def shown_names(names: frozenset[str] | None) -> str:
    """The names of a listing, for people: each where they are few, else how many.

    Example:
        >>> shown_names(frozenset(("/data/b.csv", "/data/a.csv"))), shown_names(frozenset())
        ('a.csv, b.csv', '0 names')
    """
    if names is None:
        return "not there"
    text = ", ".join(sorted(os.path.basename(name) for name in names))
    return text if names and len(text) <= _MOST_NAMES else f"{len(names):,} name{'s' * (len(names) != 1)}"


def _size(size: int) -> str:
    """A size for people.

    Example:
        >>> _size(1_500_000)
        '1.5 MB'
    """
    amount, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
