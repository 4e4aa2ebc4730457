"""Displays of ours, sent without waiting for streams in which nothing waits.

A kernel flushes its streams before each display, by two round trips with the thread that sends: what was
written before is to be seen before. That thread sends all in order, so that where nothing is buffered there
is nothing to wait for.
"""

from __future__ import annotations

import sys
from typing import Any, Final

_MAKERS: Final = "ipykernel.zmqshell"
_STREAMS: Final = "ipykernel.iostream"


class _Prompt:
    """A kernel's publisher, but that it flushes the streams only where something may wait in them.

    Args:
        publisher: The publisher.
    """

    def __init__(self, publisher: Any) -> None:
        vars(self)["_publisher"] = publisher

    @property
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - nobody sets it
        """The publisher's, for whatever its methods ask of themselves, `super()` for one."""
        return self._publisher.__class__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._publisher, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._publisher, name, value)

    def publish(self, *args: Any, **more: Any) -> None:
        """Display something, as the publisher itself does."""
        self._publisher.__class__.publish(self, *args, **more)

    def _flush_streams(self) -> None:
        if _may_hold(sys.stdout) or _may_hold(sys.stderr):
            self._publisher._flush_streams()


def prompt(publisher: Any) -> Any:
    """A publisher that waits for no empty stream, where it is a kernel's own; else it as it is.

    Only for what is shown where nothing but our own code has run: what a program writes comes by a pipe,
    and may be on its way still.
    """
    kind = publisher.__class__
    ways = (kind, kind.publish, getattr(kind, "_flush_streams", None))
    is_kernels = all(getattr(way, "__module__", "") == _MAKERS for way in ways)
    return _Prompt(publisher) if is_kernels else publisher


def _may_hold(stream: Any) -> bool:
    """Whether something was written to a stream that is not on its way yet, as far as can be told."""
    return type(stream).__module__ != _STREAMS or getattr(stream, "_flush_pending", True)
