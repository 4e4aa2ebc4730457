"""Files that a body has closed: the names that `with open(…)` leaves behind, of which nothing can be read."""

from __future__ import annotations

import os
from io import BufferedRandom, BufferedReader, BufferedWriter, TextIOWrapper
from typing import Any, cast

import msgspec


class Closed(msgspec.Struct, frozen=True):
    """What is known of a closed file.

    Args:
        name: Its path, as it was given.
        mode: How it was opened.
        encoding: Of what text; None for bytes.
    """

    name: str
    mode: str
    encoding: str | None = None


def closed_of(value: object) -> Closed | None:
    """What is known of a value that is a closed file; None where it is something else.

    Example:
        >>> with open(os.devnull) as stream:
        ...     pass
        >>> closed_of(stream).mode, closed_of(3)
        ('r', None)
    """
    if type(value) not in (TextIOWrapper, BufferedReader, BufferedWriter, BufferedRandom):
        return None
    stream = cast("Any", value)
    if not stream.closed or not isinstance(stream.name, str) or not hasattr(stream, "mode"):
        return None
    return Closed(stream.name, stream.mode, getattr(stream, "encoding", None))


def closed_file(known: Closed) -> object:
    """A closed file of which the same is known.

    Example:
        >>> again = closed_file(Closed("a.txt", "w", "utf-8"))
        >>> again.closed, again.name, again.mode
        (True, 'a.txt', 'w')
    """
    with open(os.devnull, known.mode.replace("x", "w"), encoding=known.encoding) as opened:
        stream: Any = opened
        getattr(stream, "buffer", stream).raw.name = known.name
        if known.encoding is not None:
            stream.mode = known.mode
    return stream
