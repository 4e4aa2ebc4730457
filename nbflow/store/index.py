"""The fence around diskcache: short texts to bytes, shared by kernels, never a pickle.

diskcache unpickles what it finds in its folder, which is why it must not be given the choice: the
`Disk` here knows rows of bytes under texts and turns away all else, stored by whomever. Values
never become files of diskcache's, because overwriting those in a transaction may lose them.
"""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import diskcache  # pyright: ignore[reportMissingTypeStubs] - it has none; `_Cache` says what is used

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    "tag_index": 0,
    "disk_min_file_size": 2**40,
}


class RefusedError(OSError):
    """Something that is neither a text nor bytes; an `OSError`, which diskcache takes for a miss."""


class _Cache(Protocol):
    def get(self, key: str) -> object: ...
    def add(self, key: str, value: bytes) -> bool: ...
    def set(self, key: str, value: bytes) -> bool: ...
    def delete(self, key: str) -> bool: ...
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
        if type(key) is not str:
            raise RefusedError(f"a key is a text, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        """Return a key as it was put; empty if it was put by something else."""
        return key if raw and isinstance(key, str) else ""

    def store(self, value: object, read: object, key: object = None) -> tuple[int, int, None, sqlite3.Binary]:
        """Return a value's columns."""
        if type(value) is not bytes or read:
            raise RefusedError(f"a value is bytes, not {type(value).__name__}")
        return 0, _RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: object, filename: object, value: object, read: object) -> bytes:
        """Return a value from its columns."""
        if mode != _RAW or filename is not None or read or not isinstance(value, bytes):
            raise RefusedError("a row that this index did not write")
        return value

    def filename(self, key: object = None, value: object = None) -> tuple[str, str]:
        """Refuse: values are rows."""
        raise RefusedError("an index has no files")

    def remove(self, file_path: object) -> None:
        """Do nothing: a file name in the database is not ours, nor is the file."""


class Index:
    """A durable mapping of texts to bytes that several kernels share.

    Args:
        folder: Where the database is; made where missing.
        timeout: Seconds to wait for another kernel's write.
    """

    def __init__(self, folder: Path, timeout: float = 10.0) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make = cast("Any", diskcache).Cache
        self._cache = cast("_Cache", make(str(folder), timeout=timeout, disk=PickleFreeDisk, **_SETTINGS))
        self._log = str(folder / "cache.db-wal")

    def get(self, key: str) -> bytes | None:
        """Return the bytes under a key, or None."""
        return cast("bytes | None", self._cache.get(key))

    def add(self, key: str, value: bytes) -> bool:
        """Put bytes under a key unless it has some; return whether they were put."""
        return self._cache.add(key, value)

    def set(self, key: str, value: bytes) -> None:
        """Put bytes under a key."""
        self._cache.set(key, value)

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._cache.delete(key)

    def rows(self) -> Iterator[str]:
        """Yield the keys, sorted."""
        return (key for key in self._cache.iterkeys() if key)

    def transact(self) -> AbstractContextManager[None]:
        """Keep other writers out; for a few small reads and writes only."""
        return self._cache.transact()

    def version(self) -> tuple[int, int] | None:
        """Return something that differs once anybody has written since."""
        try:
            status = os.stat(self._log)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def close(self) -> None:
        """Let go of the database."""
        self._cache.close()


def is_damage(error: Exception) -> bool:
    """Whether a fault means that a database is broken, and not just busy, full or read-only."""
    if isinstance(error, sqlite3.OperationalError) or not isinstance(error, sqlite3.DatabaseError):
        return isinstance(error, TypeError | ValueError | KeyError)
    return "malformed" in str(error) or "not a database" in str(error)
