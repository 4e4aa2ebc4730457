"""The fence around diskcache: short texts to bytes, shared by kernels, never a pickle.

diskcache unpickles what it finds in its folder, which is why it must not be given the choice: the
`Disk` here knows rows of bytes under texts and turns away all else, stored by whomever. Values
never become files of diskcache's, because overwriting those in a transaction may lose them.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

import diskcache  # pyright: ignore[reportMissingTypeStubs] - it has none; `_Cache` says what is used

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

FAULTS: Final[tuple[type[Exception], ...]] = (
    OSError,
    sqlite3.Error,
    cast("type[Exception]", cast("Any", diskcache).Timeout),
)
"""What a store's files and databases raise when they cannot do their work."""

_RAW: Final = 1
_SETTINGS: Final[dict[str, Any]] = {
    "eviction_policy": "none",
    "cull_limit": 0,
    "size_limit": 2**62,
    "statistics": 0,
    "tag_index": 1,
    "disk_min_file_size": 2**40,
}


_ASKED_AT_ONCE: Final = 500
_ADD: Final = (
    "INSERT INTO Cache (key, raw, store_time, access_time, tag, mode, value) VALUES (?, 1, ?, ?, ?, ?, ?)"
)
_CHANGE: Final = "UPDATE Cache SET mode = ?, filename = NULL, value = ? WHERE raw = 1 AND key = ?"
_TAG: Final = "UPDATE Cache SET tag = ?, store_time = ? WHERE raw = 1 AND key = ?"
_REMOVE: Final = "DELETE FROM Cache WHERE raw = 1 AND key = ?"
_PRESENT: Final = "SELECT key FROM Cache WHERE raw = 1 AND key IN ({})"
_TAGGED: Final = (
    "SELECT tag, key, mode, filename, value FROM Cache WHERE raw = 1 AND tag IN ({})"
    " ORDER BY store_time DESC, rowid DESC"
)
_ROWS_FROM: Final = (
    "SELECT rowid, key, mode, filename, value FROM Cache WHERE raw = 1 AND rowid > ? ORDER BY rowid LIMIT ?"
)
_HOLDING: Final = "SELECT key FROM Cache WHERE raw = 1 AND substr(key, 1, ?) = ? AND instr(value, ?)"
_TAGS: Final = "SELECT DISTINCT tag FROM Cache WHERE tag IS NOT NULL"
_KEEP_TAGS: Final = (
    "UPDATE Cache SET tag = NULL WHERE tag = ? AND rowid NOT IN"
    " (SELECT rowid FROM Cache WHERE tag = ? ORDER BY store_time DESC, rowid DESC LIMIT ?)"
)


class RefusedError(OSError):
    """Something that is neither a text nor bytes; an `OSError`, which diskcache takes for a miss."""


class _Cache(Protocol):
    def get(self, key: str) -> object: ...
    def set(self, key: str, value: bytes) -> bool: ...
    def iterkeys(self) -> Iterator[str]: ...
    def transact(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class PickleFreeDisk(cast("type[Any]", diskcache.Disk)):
    """Rows of bytes under texts; everything else is refused before it could be unpickled."""

    def hash(self, key: object) -> int:
        """Refuse: only a sharded cache asks."""
        raise RefusedError("an index has no shards")

    def put(self, key: object) -> tuple[str, bool]:
        """Return a key as diskcache wants it."""
        return _key(key), True

    def get(self, key: object, raw: object) -> str:
        """Return a key as it was put; empty if it was put by something else."""
        return key if raw and isinstance(key, str) else ""

    def store(self, value: object, read: object, key: object = None) -> tuple[int, int, None, sqlite3.Binary]:
        """Return a value's columns."""
        if read:
            raise RefusedError("a value is bytes, not a file")
        return 0, _RAW, None, _value(value)

    def fetch(self, mode: object, filename: object, value: object, read: object) -> bytes:
        """Return a value from its columns."""
        if read:
            raise RefusedError("an index has no files")
        return _fetched(mode, filename, value)

    def filename(self, key: object = None, value: object = None) -> tuple[str, str]:
        """Refuse: values are rows."""
        raise RefusedError("an index has no files")

    def remove(self, file_path: object) -> None:
        """Do nothing: a file name in the database is not ours, nor is the file."""


class Row(NamedTuple):
    """A row to be added.

    Attributes:
        key: Where it is found.
        value: Its bytes.
        tag: Under what it is found together with others; None for no such thing.
    """

    key: str
    value: bytes
    tag: str | None = None


class Index:
    """A durable mapping of texts to bytes that several kernels share.

    Many rows are read or written by one statement: diskcache takes one row a call, and needs three
    statements for it.

    Args:
        folder: Where the database is; made where missing.
        timeout: Seconds to wait for another kernel's write.
    """

    def __init__(self, folder: Path, timeout: float = 10.0) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make = cast("Any", diskcache).Cache
        with _as_damage():
            made = make(str(folder), timeout=timeout, disk=PickleFreeDisk, **_SETTINGS)
        self._cache = cast("_Cache", made)
        self._log = str(folder / "cache.db-wal")

    def get(self, key: str) -> bytes | None:
        """Return the bytes under a key, or None."""
        return cast("bytes | None", self._cache.get(key))

    def tagged(self, tags: Iterable[str]) -> dict[str, list[Row]]:
        """Return the rows that bear one of these tags, by tag, the newest first."""
        found: dict[str, list[Row]] = {}
        for tag, key, mode, filename, value in self._select(_TAGGED, tags):
            with suppress(RefusedError):
                found.setdefault(tag, []).append(Row(key, _fetched(mode, filename, value), tag))
        return found

    def present(self, keys: Iterable[str]) -> set[str]:
        """Return those of these keys that have a row."""
        return {key for (key,) in self._select(_PRESENT, keys)}

    def add(self, rows: Collection[Row]) -> None:
        """Put rows under keys that have none; see `present`."""
        now = time.time()
        columns = [(_key(row.key), now, now, row.tag, _RAW, _value(row.value)) for row in rows]
        with self.transact():
            self._connection.executemany(_ADD, columns)

    def set(self, key: str, value: bytes) -> None:
        """Put bytes under a key; one that has a row keeps its tag."""
        with self.transact():
            if not self._connection.execute(_CHANGE, (_RAW, _value(value), _key(key))).rowcount:
                self.add([Row(key, value)])

    def remove(self, key: str) -> None:
        """Remove a row, if there is one."""
        with self.transact():
            self._connection.execute(_REMOVE, (key,))

    def tag(self, key: str, tag: str) -> None:
        """Give a row a tag; it is the newest that bears it."""
        with self.transact():
            self._connection.execute(_TAG, (tag, time.time(), key))

    def keep_tags(self, tag: str, most: int) -> None:
        """Take the tag from all but the newest rows that bear it."""
        with self.transact():
            self._connection.execute(_KEEP_TAGS, (tag, tag, most))

    def rows(self) -> Iterator[str]:
        """Yield the keys, sorted."""
        return (key for key in self._cache.iterkeys() if key)

    def items(self) -> Iterator[tuple[str, bytes]]:
        """Yield every key and its bytes, oldest first; what is written meanwhile may be among them."""
        # In portions: a query that stays open would keep the log from being emptied.
        last = 0
        while found := self._connection.execute(_ROWS_FROM, (last, _ASKED_AT_ONCE)).fetchall():
            for last, key, mode, filename, value in found:  # noqa: B007 - where the next portion begins
                with suppress(RefusedError):
                    yield key, _fetched(mode, filename, value)

    def tags(self) -> list[str]:
        """Return the tags that rows bear."""
        return [str(tag) for (tag,) in self._connection.execute(_TAGS)]

    def holding(self, prefix: str, text: str) -> list[str]:
        """Return the keys that begin so whose bytes hold a text; the database is read as a whole for it."""
        asked = (len(prefix), prefix, _value(text.encode()))
        return [str(key) for (key,) in self._connection.execute(_HOLDING, asked)]

    def transact(self) -> AbstractContextManager[None]:
        """Keep other writers out, who wait for it: for what takes a second at the most."""
        return self._cache.transact()

    def version(self) -> tuple[int, int] | None:
        """Return something that differs once anybody has written since."""
        try:
            # Each commit appends to the log, or begins it anew.
            status = os.stat(self._log)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def close(self) -> None:
        """Let go of the database."""
        self._cache.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        # This thread's and this process's own, which its transactions are on; there is no public way to it.
        with _as_damage():
            return cast("sqlite3.Connection", cast("Any", self._cache)._con)

    def _select(self, query: str, texts: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query that asks for many texts, in portions."""
        left = iter(texts)
        while asked := list(islice(left, _ASKED_AT_ONCE)):
            yield from self._connection.execute(query.format(", ".join("?" * len(asked))), asked)


def _key(key: object) -> str:
    if type(key) is not str:
        raise RefusedError(f"a key is a text, not {type(key).__name__}")
    return key


def _value(value: object) -> memoryview:
    if type(value) is not bytes:
        raise RefusedError(f"a value is bytes, not {type(value).__name__}")
    return sqlite3.Binary(value)


def _fetched(mode: object, filename: object, value: object) -> bytes:
    if mode != _RAW or filename is not None or not isinstance(value, bytes):
        raise RefusedError("a row that this index did not write")
    return value


@contextmanager
def _as_damage() -> Generator[None]:
    """Diskcache reads its settings from the database and takes them for what it has written."""
    try:
        yield
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise sqlite3.DatabaseError(f"malformed settings: {error}") from error


def is_damage(error: Exception) -> bool:
    """Whether a fault means that a database is broken, and not just busy, full or read-only."""
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    # A table or a column that is not there was once: its description rotted.
    return any(words in str(error) for words in ("malformed", "not a database", "no such"))
