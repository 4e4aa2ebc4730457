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
from nbflow.task_runners.inline import is_called_by_us, may_interrupt

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Generator
    from types import FrameType

_NOT_NOW: Final = 0.01
"""Seconds until Stop is tried again where it may not interrupt."""
_PATIENCE: Final = 1.0
"""Seconds after which it interrupts anything: a hook or a trigger may hang."""
TURNS: Final = 10
"""How often a loop goes round, at most, before what Stop has asked of it is done."""


class _Pressed:
    """Stop that has been pressed, and comes again until it may interrupt or is dropped."""

    def __init__(self) -> None:
        self.since: float | None = None
        self._comes_again = False
        self._lock = threading.Lock()

    def is_stray(self) -> bool:
        """Whether what comes now was sent for a Stop that is over."""
        comes_again, self._comes_again = self._comes_again, False
        return comes_again and self.since is None

    def come_again(self) -> None:
        """Let it come again in a moment."""
        TIMERS.after(_NOT_NOW).add_done_callback(self._send)

    def _send(self, _: object) -> None:
        main = threading.main_thread().ident
        with self._lock:
            if self.since is not None and main is not None:
                self._comes_again = True
                signal.pthread_kill(main, signal.SIGINT)

    def drop(self) -> bool:
        """Let it come no more, so that it meets nobody else; whether it was still to come."""
        with self._lock:
            was_pressed, self.since = self.since is not None, None
        return was_pressed


class _Stop:
    """Python's own answer to Stop, at the right moment."""

    def __init__(self) -> None:
        self.pressed = _Pressed()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.pressed.is_stray():
            return
        now = time.monotonic()
        since = self.pressed.since if self.pressed.since is not None else now
        if may_interrupt(frame) or now - since > _PATIENCE:
            self.pressed.since = None
            signal.default_int_handler(number, frame)
        self.pressed.since = since
        self.pressed.come_again()


_STOP: Final = _Stop()


@contextmanager
def stop_in_order() -> Generator[None]:
    """Let Stop wait for the right moment, and be shown below the user's lines; else do nothing.

    Raises:
        KeyboardInterrupt: At the end, if there was no such moment.

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
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            is_due = _STOP.pressed.drop()
        if is_due:
            raise KeyboardInterrupt
    except KeyboardInterrupt as stop:
        stop._render_traceback_ = partial(lines_of_stop, stop)  # type: ignore[attr-defined]
        raise


class _Waking:
    """Another's answer to Stop, heard at once.

    Where it may not interrupt what blocks the loop, it tries again until the loop goes round.

    Args:
        answer: That answer.
        loop: The loop by which it cancels what runs.
        task: What runs.
    """

    users = 0

    def __init__(
        self,
        answer: Callable[[int, FrameType | None], object],
        loop: AbstractEventLoop,
        task: asyncio.Task[Any] | None,
    ) -> None:
        self.answer = answer
        self.pressed = _Pressed()
        self._loop = loop
        self._task = task

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.pressed.is_stray():
            return
        if self.pressed.since is None:
            self.answer(number, frame)
            self.pressed.since = time.monotonic()
            self._loop.call_soon_threadsafe(self._go_round, TURNS)  # wakes it
        is_late = time.monotonic() - self.pressed.since > _PATIENCE
        if may_interrupt(frame) or (is_late and is_called_by_us(frame)):
            self.pressed.since = None
            # As what is awaited ends. An interrupt would end the loop itself, and a kernel with it.
            raise asyncio.CancelledError
        self.pressed.come_again()

    def _go_round(self, left: int) -> None:
        if not left or (self._task is not None and self._task.cancelling()):
            self.pressed.drop()
        elif self.pressed.since is not None:
            self._loop.call_soon(self._go_round, left - 1)


@contextmanager
def stop_is_heard() -> Generator[None]:
    """Let whoever answers Stop in the running event loop be heard while that waits, or a body blocks it."""
    answer: Any = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not _is_others(answer):
        yield
        return
    waking = answer if isinstance(answer, _Waking) else _waking(answer)
    waking.users += 1
    signal.signal(signal.SIGINT, waking)
    try:
        yield
    finally:
        waking.users -= 1
        if not waking.users and signal.getsignal(signal.SIGINT) is waking:
            signal.signal(signal.SIGINT, waking.answer)
        if not waking.users:
            waking.pressed.drop()


def _waking(answer: Callable[[int, FrameType | None], object]) -> _Waking:
    return _Waking(answer, asyncio.get_running_loop(), asyncio.current_task())


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
