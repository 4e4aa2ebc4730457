"""Messages over a pipe: a length, then so many bytes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from io import RawIOBase

_LENGTH: Final = struct.Struct(">Q")


def send(pipe: RawIOBase, message: bytes) -> None:
    """Write a message.

    Raises:
        OSError: If nobody reads any more.

    Example:
        >>> from io import BytesIO
        >>> pipe = BytesIO()
        >>> send(pipe, b"seven")
        >>> _ = pipe.seek(0)
        >>> receive(pipe)
        b'seven'
    """
    for part in (_LENGTH.pack(len(message)), message):
        left = memoryview(part)
        while left:
            left = left[pipe.write(left) or 0 :]


def receive(pipe: RawIOBase) -> bytes:
    """Read a message, which may have to come first.

    Raises:
        EOFError: If nobody writes any more.
    """
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    return bytes(_exactly(pipe, length))


def _exactly(pipe: RawIOBase, length: int) -> bytearray:
    read = bytearray(length)
    left = memoryview(read)
    while left:
        count = pipe.readinto(left)
        if not count:
            raise EOFError("the pipe was closed")
        left = left[count:]
    return read
