"""Waiting for a time without a thread for each who waits."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from typing import Final, Protocol


class Timers(Protocol):
    """Who knows the time and when it will have come."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def at(self, when: float) -> Future[bool]:
        """A future that is done, with True, when that time has come; it can be cancelled."""
        ...


class SystemTimers:
    """The real time; one thread waits for all.

    Example:
        >>> SystemTimers().at(0.0).result()
        True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def at(self, when: float) -> Future[bool]:
        """A future that is done when that time has come."""
        delay = when - time.time()
        if delay <= 0:
            done: Future[bool] = Future()
            done.set_result(True)
            return done
        return asyncio.run_coroutine_threadsafe(asyncio.sleep(delay, True), self._running_loop())

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="nbflow timers", daemon=True).start()
            return self._loop


TIMERS: Final = SystemTimers()
"""The ones that all runs share."""
