"""What a body prints and logs in a worker is told to the kernel, and shown there as if it ran there.

In a worker the streams, and a handler of the root logger, look up whom to tell. In the kernel what was told
is written and logged again, in the context variables of whoever submitted the body.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from logging.handlers import QueueHandler
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

Teller = Callable[[str, Any], object]

STREAMS: Final = ("stdout", "stderr")
_LISTENERS: Final[dict[str, Callable[[Any], object]]] = {}
LOG: Final = "log"
"""The kind of what is told of a record of the log; streams are told by their names."""

_TELLER: Final[ContextVar[Teller | None]] = ContextVar("nbflow_teller", default=None)


@dataclass(slots=True)
class _Otherwise:
    teller: Teller | None = None
    is_installed: bool = False


_OTHERWISE: Final = _Otherwise()


def _teller() -> Teller | None:
    return _TELLER.get() or _OTHERWISE.teller


def tell(kind: str, what: Any) -> None:
    """Tell the kernel something of one's own kind, which has to `hear` it; in the kernel, do nothing.

    Args:
        kind: What it is.
        what: Plain data.
    """
    teller = _teller()
    if teller is not None:
        teller(kind, what)


def hear(kind: str, listener: Callable[[Any], object]) -> Callable[[], None]:
    """In the kernel, have `listener` called with what workers tell of a kind; returned is what ends that."""
    _LISTENERS[kind] = listener

    def end() -> None:
        if _LISTENERS.get(kind) is listener:
            del _LISTENERS[kind]

    return end


@contextmanager
def told_to(teller: Teller, *, streams: bool = True) -> Generator[None]:
    """Tell somebody what is printed and logged in a block, and in what copies its context variables.

    Args:
        teller: Called with a kind, which is the name of a stream or `LOG`, and what is to be told.
        streams: Whether what is printed and logged is told; else only what `tell` is given.
    """
    if streams:
        _install()
    token = _TELLER.set(teller)
    try:
        yield
    finally:
        _TELLER.reset(token)


def tell_always(teller: Teller) -> None:
    """Tell somebody whatever this process prints and logs, in any thread."""
    _install()
    _OTHERWISE.teller = teller


def handles_logs() -> bool:
    """Whether somebody has asked to handle what is logged; else Python prints what is a warning or worse."""
    ours = (name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "nbflow")
    handlers = (each for name in ("", *ours) for each in logging.getLogger(name).handlers)
    return any(not type(each).__module__.startswith("nbflow.") for each in handlers)


@contextmanager
def logging_here() -> Generator[None]:
    """For a block, let what is logged be handled in this process rather than told."""
    root = logging.getLogger()
    ours = [each for each in root.handlers if isinstance(each, _Handler)]
    for each in ours:
        root.removeHandler(each)
    try:
        yield
    finally:
        for each in ours:
            root.addHandler(each)


def _install() -> None:
    if _OTHERWISE.is_installed:
        return
    _OTHERWISE.is_installed = True
    for name in STREAMS:
        setattr(sys, name, _Stream(name, getattr(sys, name)))
    logging.getLogger().addHandler(_Handler())


class _Stream(io.TextIOBase):
    """An output stream that tells what is written; where there is nobody to tell, it writes.

    Args:
        name: Which it is.
        original: The one in whose place it stands.
    """

    encoding = "utf-8"

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    def write(self, text: str) -> int:
        """Tell a text, or write it."""
        teller = _teller()
        if teller is None:
            return self._original.write(text)
        if text:
            teller(self._name, text)
        return len(text)

    def flush(self) -> None:
        """What is told waits for nobody."""
        self._original.flush()

    def fileno(self) -> int:
        """The descriptor that programs may write to which a body starts."""
        return self._original.fileno()

    def writable(self) -> bool:
        """It is."""
        return True


class _Handler(logging.Handler):
    """Tells each record that is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one."""
        teller = _teller()
        if teller is not None:
            teller(LOG, _as_plain_data(record))


def _as_plain_data(record: logging.LogRecord) -> dict[str, Any]:
    """A record with its text; of what else it bears, what is a text or a number."""
    queue: SimpleQueue[Any] = SimpleQueue()
    ready: logging.LogRecord = QueueHandler(queue).prepare(record)
    return {
        name: value
        for name, value in vars(ready).items()
        if value is None or isinstance(value, (str, int, float))
    }


def retell(kind: str, what: Any) -> None:
    r"""Write, or log, in this process what was told in another; in a worker, tell on what is for the kernel.

    Example:
        >>> retell("stdout", "seven\n")
        seven
    """
    if kind in STREAMS:
        getattr(sys, kind).write(what)
    elif kind != LOG and (teller := _teller()) is not None:
        teller(kind, what)
    elif kind in _LISTENERS:
        _LISTENERS[kind](what)


def _log_again(what: dict[str, Any]) -> None:
    record = logging.makeLogRecord(what)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


hear(LOG, _log_again)


def levels() -> dict[str, int]:
    """The loggers that have a level of their own; the root's is under the empty name."""
    known: dict[str, Any] = {**logging.root.manager.loggerDict}
    own = {name: each.level for name, each in known.items() if isinstance(each, logging.Logger)}
    return {"": logging.root.level, **{name: level for name, level in own.items() if level}}


def set_levels(of: Mapping[str, int]) -> None:
    """Log here from the levels on that hold in the kernel."""
    for name, level in of.items():
        logger = logging.getLogger(name or None)
        if logger.level != level:
            logger.setLevel(level)
