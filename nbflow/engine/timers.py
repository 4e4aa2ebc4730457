"""Waiting for a time without a thread for each who waits."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, NamedTuple, Protocol

from nbflow.engine.daemons import DAEMONS

_LOOK_AGAIN: Final = 60.0
"""Seconds after which the clock on the wall is asked again: it may be set, and a computer may sleep."""
_IDLE: Final = 5.0
"""Seconds after which the thread ends if nobody waits."""
_MANY: Final = 64


class Timers(Protocol):
    """Who knows the time and when it will have come."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def at(self, when: float) -> Future[bool]:
        """A future that is done, with True, when that time has come; it can be cancelled."""
        ...


class _Entry(NamedTuple):
    """One who waits: until when the thread sleeps for it, and what it waits for."""

    due: float
    number: int
    come: Future[bool]
    when: float | None


class SystemTimers:
    """The real time; one thread waits for all, as long as somebody waits.

    Example:
        >>> SystemTimers().at(0.0).result()
        True
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a process does that was forked off: it has no thread, and nobody in it waits."""
        self._changed = threading.Condition()
        self._entries: list[_Entry] = []
        self._numbers = count()
        self._cancelled = 0
        self._has_thread = False

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def at(self, when: float) -> Future[bool]:
        """A future that is done when that time has come."""
        return self._wait(when - time.time(), when)

    def after(self, seconds: float) -> Future[bool]:
        """A future that is done when so much time has passed, whatever the clock on the wall says."""
        return self._wait(seconds, None)

    def _wait(self, seconds: float, when: float | None) -> Future[bool]:
        come: Future[bool] = Future()
        if seconds <= 0:
            come.set_result(True)
            return come
        come.add_done_callback(self._note_cancelled)
        with self._changed:
            self._add(seconds, come, when)
        return come

    def _add(self, seconds: float, come: Future[bool], when: float | None) -> None:
        sleeps = seconds if when is None else min(seconds, _LOOK_AGAIN)
        entry = _Entry(time.monotonic() + sleeps, next(self._numbers), come, when)
        heappush(self._entries, entry)
        if not self._has_thread:
            self._has_thread = True
            threading.Thread(target=self._watch, name="nbflow timers", daemon=True).start()
        elif self._entries[0] is entry:
            self._changed.notify()

    def _note_cancelled(self, come: Future[bool]) -> None:
        """Those who do not wait any more are thrown out when they are many."""
        if not come.cancelled():
            return
        with self._changed:
            self._cancelled += 1
            if self._cancelled > max(_MANY, len(self._entries) // 2):
                self._entries = [entry for entry in self._entries if not entry.come.cancelled()]
                heapify(self._entries)
                self._cancelled = 0

    def _watch(self) -> None:
        while True:
            with self._changed:
                entry = self._next()
            if entry is None:
                return
            if entry.come.set_running_or_notify_cancel():
                # Whoever waits may go on in there for long, and others wait, too.
                DAEMONS.run(partial(entry.come.set_result, True))

    def _next(self) -> _Entry | None:
        """Sleep until somebody's time has come; None when nobody waits for a while."""
        while True:
            if not self._entries:
                if not self._changed.wait(_IDLE) and not self._entries:
                    self._has_thread = False
                    return None
                continue
            left = self._entries[0].due - time.monotonic()
            if left > 0:
                self._changed.wait(left)
                continue
            entry = heappop(self._entries)
            early = 0.0 if entry.when is None else entry.when - time.time()
            if early <= 0:
                return entry
            self._add(early, entry.come, entry.when)


TIMERS: Final = SystemTimers()
"""The ones that all share."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TIMERS.forget)
