"""Threads: used again and again, ended when idle, and never waited for when Python ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

Job = Callable[[], object]

_IDLE: Final = 10.0
"""Seconds after which a thread without work ends."""


class Daemons:
    """Threads for whoever needs one for a while; there are as many as jobs run at a time.

    Example:
        >>> from concurrent.futures import Future
        >>> done = Future()
        >>> Daemons().run(lambda: done.set_result(7))
        >>> done.result()
        7
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a process does that was forked off: it has none of the threads."""
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        # How many threads wait for a job and are not yet promised to one.
        self._idle = threading.Semaphore(0)

    def run(self, job: Job) -> None:
        """Do a job in a thread of its own, at once.

        Args:
            job: What to do; it raises nothing.

        Raises:
            RuntimeError: If the system gives no more threads.
        """
        if not self._idle.acquire(blocking=False):
            threading.Thread(target=self._work, args=(job,), name="nbflow", daemon=True).start()
            return
        self._jobs.put(job)

    def _work(self, job: Job) -> None:
        jobs, idle = self._jobs, self._idle
        while True:
            job()
            del job  # else it would live as long as the thread is idle
            idle.release()
            try:
                job = jobs.get(timeout=_IDLE)
            except Empty:
                if idle.acquire(blocking=False):
                    return
                job = jobs.get()  # it was promised one at the last moment


DAEMONS: Final = Daemons()
"""The ones that all share."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=DAEMONS.forget)
