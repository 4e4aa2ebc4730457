"""The Stop button while a flow runs: it interrupts the user's code and waiting, and nothing else.

An interrupt is raised wherever the main thread happens to be. Raised in the middle of moving a run on, it
would leave that run without an end. So while runs are under way, Stop is raised only where the innermost
code of nbflow is one that calls the user's or waits (`calls_user_code`), and a moment later elsewhere.

In an event loop it is another's to decide what Stop does: a kernel has the loop cancel the cell. But a loop
that has nothing to do looks at that when something wakes it, and one in which a body blocks never does.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.timers import TIMERS
from nbflow.exceptions import lines_of_stop
from nbflow.task_runners.inline import may_interrupt

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Generator
    from types import FrameType

_NOT_NOW: Final = 0.01
"""Seconds until Stop is tried again where it may not interrupt."""
_PATIENCE: Final = 1.0
"""Seconds after which it interrupts anything: a hook or a trigger may hang."""


class _Stop:
    """Python's own answer to Stop, at the right moment."""

    pressed: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        since = self.pressed if self.pressed is not None else now
        if may_interrupt(frame) or now - since > _PATIENCE:
            self.pressed = None
            signal.default_int_handler(number, frame)
        self.pressed = since
        main = threading.main_thread().ident
        again = TIMERS.after(_NOT_NOW)
        again.add_done_callback(lambda _: main and signal.pthread_kill(main, signal.SIGINT))


_STOP: Final = _Stop()


@contextmanager
def stop_in_order() -> Generator[None]:
    """Let Stop wait for the right moment, and be shown below the user's lines; else do nothing.

    Example:
        >>> with stop_in_order():
        ...     signal.getsignal(signal.SIGINT) is signal.default_int_handler
        False
    """
    if not _can_handle():
        yield
        return
    signal.signal(signal.SIGINT, _STOP)
    try:
        yield
    except KeyboardInterrupt as stop:
        stop._render_traceback_ = partial(lines_of_stop, stop)  # type: ignore[attr-defined]
        raise
    finally:
        _STOP.pressed = None
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Waking:
    """Another's answer to Stop, heard at once.

    Args:
        answer: That answer.
        loop: The loop by which it cancels what runs.
    """

    users = 0

    def __init__(self, answer: Callable[[int, FrameType | None], object], loop: AbstractEventLoop) -> None:
        self.answer = answer
        self._loop = loop

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(lambda: None)  # wakes it
        self.answer(number, frame)
        if may_interrupt(frame):
            # As what is awaited ends. An interrupt would end the loop itself, and a kernel with it.
            raise asyncio.CancelledError


@contextmanager
def stop_is_heard() -> Generator[None]:
    """Let whoever answers Stop in the running event loop be heard while that waits, or a body blocks it."""
    answer: Any = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not _is_others(answer):
        yield
        return
    waking = answer if isinstance(answer, _Waking) else _Waking(answer, asyncio.get_running_loop())
    waking.users += 1
    signal.signal(signal.SIGINT, waking)
    try:
        yield
    finally:
        waking.users -= 1
        if not waking.users and signal.getsignal(signal.SIGINT) is waking:
            signal.signal(signal.SIGINT, waking.answer)


def _is_others(answer: object) -> bool:
    """Whether Stop is answered by code of somebody else."""
    return callable(answer) and answer is not signal.default_int_handler and answer is not _STOP


def _can_handle() -> bool:
    """Whether Stop is answered by Python's own handler, in this thread."""
    return (
        hasattr(signal, "pthread_kill")
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
