"""Messages of many writers over one pipe, in packets.

The system writes a packet whole or not at all, and never within another. So nobody who shares the pipe can
tear a message of somebody else: no thread, no process that a body forks off, and no finalizer or handler of a
signal that prints just while a message is sent. One that is given up half-way is lost, and no other with it.
"""

from __future__ import annotations

import os
import select
import struct
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import SupportsWrite

_HEAD: Final = struct.Struct(">QQ?H")
"""The process that writes, its number of the message, whether that ends here, and how many bytes follow."""
_ROOM: Final = select.PIPE_BUF - _HEAD.size
_NUMBERS: Final = count()


def send(pipe: SupportsWrite[bytes], message: bytes) -> None:
    """Write a message to a pipe that others may write to meanwhile.

    Raises:
        OSError: If nobody reads any more.
    """
    writer, number, left = os.getpid(), next(_NUMBERS), memoryview(message)
    is_last = False
    while not is_last:
        part, left = left[:_ROOM], left[_ROOM:]
        is_last = not left
        pipe.write(_HEAD.pack(writer, number, is_last, len(part)) + part)


class Incoming:
    """Messages as they come, whole.

    Example:
        >>> from io import BytesIO
        >>> pipe, incoming = BytesIO(), Incoming()
        >>> send(pipe, b"seven")
        >>> list(incoming.whole(pipe.getvalue()))
        [b'seven']
    """

    def __init__(self) -> None:
        self._read = bytearray()
        self._begun: defaultdict[tuple[int, int], bytearray] = defaultdict(bytearray)

    def whole(self, read: bytes) -> Iterator[bytes]:
        """The messages that are whole with what was read now, which may end anywhere."""
        self._read += read
        at = 0
        while (start := at + _HEAD.size) <= len(self._read):
            writer, number, is_last, size = _HEAD.unpack_from(self._read, at)
            if len(self._read) < start + size:
                break
            at = start + size
            self._begun[writer, number] += self._read[start:at]
            if is_last:
                yield bytes(self._begun.pop((writer, number)))
        del self._read[:at]
