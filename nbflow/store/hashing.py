"""Digests of large memory: blocks of it are hashed side by side, as hashing is slower than reading."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pickle import PickleBuffer
from typing import TYPE_CHECKING, Any, Final

from xxhash import xxh3_128, xxh3_128_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

BLOCK: Final = 1 << 23
"""Bytes of a block; what is no longer is hashed as it is."""

_THREADS: Final = 4
_OF_BLOCKS: Final = 1
"""The seed for the digests of blocks, so that they are told from memory which holds just these."""


def buffers_digest(parts: Iterable[Any], block: int = BLOCK) -> bytes:
    """The digest of contiguous buffers one after another; where they are cut does not count.

    Args:
        parts: Anything that gives its memory: bytes, arrays, memory views.
        block: Bytes of a block; who compares digests makes them with the same.

    Returns:
        16 bytes.

    Raises:
        BufferError: If a part is not contiguous.

    Example:
        >>> buffers_digest([b"ab", b"c"]) == buffers_digest([b"abc"])
        True
    """
    blocks = _Blocks(block)
    try:
        for part in parts:
            blocks.add(part)
        return blocks.digest()
    finally:
        blocks.close()


class _Blocks:
    """Memory that comes piece by piece, and what is hashed of it."""

    def __init__(self, block: int) -> None:
        self._ended: list[bytes | Future[bytes]] = []
        self._hasher = xxh3_128()
        self._block = self._room = block
        self._threads: ThreadPoolExecutor | None = None

    def add(self, part: Any) -> None:
        rest = PickleBuffer(part).raw()
        while rest.nbytes > self._room:
            self._end_block(rest[: self._room])
            rest = rest[self._room :]
            self._room = self._block
        self._hasher.update(rest)
        self._room -= rest.nbytes

    def digest(self) -> bytes:
        last = self._hasher.digest()
        if not self._ended:
            return last
        ended = (each if isinstance(each, bytes) else each.result() for each in self._ended)
        return xxh3_128_digest(b"".join((*ended, last)), seed=_OF_BLOCKS)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def _end_block(self, end: memoryview) -> None:
        if self._room == self._block:
            self._ended.append(self._begun(end))
            return
        self._hasher.update(end)
        self._ended.append(self._hasher.digest())
        self._hasher = xxh3_128()

    def _begun(self, block: memoryview) -> bytes | Future[bytes]:
        """A whole block's digest, made in another thread where Python still starts one."""
        try:
            self._threads = self._threads or ThreadPoolExecutor(_processors(), "nbflow digests")
            return self._threads.submit(xxh3_128_digest, block)
        except RuntimeError:
            return xxh3_128_digest(block)


def _processors() -> int:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_THREADS, usable)
