"""The runner `thread`: bodies run in threads of this process, on live objects.

A thread cannot be interrupted. At its limit, or when its run is stopped, a body is *abandoned*: its
report says so at once, what it says later is dropped, and its place is given to others. Until it ends by
itself it counts as leaked.
"""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nbflow.engine.daemons import DAEMONS
from nbflow.engine.effects import Ended
from nbflow.engine.timers import TIMERS
from nbflow.exceptions import OptionError
from nbflow.task_runners.awaiting import InOwnLoop
from nbflow.task_runners.base import Attempt, Enforced, Promises, TaskCall, TaskReport
from nbflow.task_runners.going import Going
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.task_runners.places import Place, Places, holding

if TYPE_CHECKING:
    from concurrent.futures import Future
_INLINE: Final = InlineTaskRunner()
_USUAL: Final = 64
"""How many bodies run at a time where nothing is said: many, since bodies in threads mostly wait."""
_GRACE: Final = 1.0
"""Seconds that a body that awaits has beyond its limit to end by itself."""


class ThreadPoolTaskRunner:
    """Runs bodies in threads, at most `max_workers` at a time.

    A body that waits for another run gives its place to others meanwhile, so that nested calls cannot
    block each other, not even with one worker.

    Args:
        max_workers: How many bodies run at a time; None: 64.

    Raises:
        OptionError: If `max_workers` is no positive number.

    Example:
        >>> with ThreadPoolTaskRunner(max_workers=2) as runner:
        ...     runner.submit(TaskCall("a#1/1.1", "a", lambda: 7)).result().value
        7
    """

    name: str = "thread"
    promises: Promises = Promises(limit=Enforced.ABANDONED, shares_namespace=True, concurrent=True)

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise OptionError(f"max_workers={max_workers!r} is no number of workers; give 1 or more")
        self.max_workers = max_workers
        self._places = Places(max_workers or _USUAL)
        self._going: Going[_InThread] = Going()
        self._leaked: set[_InThread] = set()

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Start an attempt as soon as there is a place for it."""
        attempt, is_new = self._going.take(call.attempt, lambda: _InThread(call, self._places, self._leaked))
        if is_new:
            self._places.queue(attempt.place)
        return attempt

    def cancel(self, attempt: str) -> bool:
        """Drop an attempt that has not begun, and abandon one that runs; whether it is there."""
        return self._going.cancel(attempt)

    def close(self) -> None:
        """Do nothing: threads without work end by themselves, and what runs is not interrupted."""

    @property
    def leaked(self) -> int:
        """How many bodies were abandoned and still run, each in a thread beyond `max_workers`."""
        return len(self._leaked)

    def duplicate(self) -> ThreadPoolTaskRunner:
        """One like it, with places of its own."""
        return ThreadPoolTaskRunner(self.max_workers)

    def __enter__(self) -> ThreadPoolTaskRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        leaked = f", {self.leaked} abandoned bodies still run" if self.leaked else ""
        return f"<ThreadPoolTaskRunner max_workers={self.max_workers or _USUAL}{leaked}>"


class _InThread(Attempt):
    """An attempt in a thread.

    Args:
        call: The attempt.
        places: Where it needs a place.
        leaked: Where it is noted while it runs though it was abandoned.
    """

    def __init__(self, call: TaskCall, places: Places, leaked: set[_InThread]) -> None:
        super().__init__(call)
        self.place = Place(places, self._begin)
        self._leaked = leaked
        self._context = copy_context()
        self._lock = threading.Lock()
        self._runs = self._is_dropped = self._is_abandoned = False
        self._started = 0.0
        self._own_loop: InOwnLoop | None = None

    def cancel(self) -> bool:
        """Drop it, or abandon its body."""
        with self._lock:
            self._is_dropped = not self._runs
        if self._is_dropped:
            self.place.leave()
            return super().cancel()
        if self._own_loop is not None:
            return self._own_loop.cancel()
        return self._abandon(Ended.CANCELLED, "it was stopped; its thread goes on until its body ends")

    def _begin(self) -> None:
        try:
            DAEMONS.run(self._work)
        except RuntimeError as error:
            self.place.leave()
            self.tell(Ended.CRASHED, f"no thread could be started: {error}")

    def _work(self) -> None:
        """Run the body in this thread, unless it was dropped meanwhile."""
        with self._lock:
            self._runs = not self._is_dropped
        self._started = time.monotonic()
        if not self._runs:
            return
        limit = self._watch()
        with holding(self.place):
            report = self._context.run(self._run_body)
        if limit is not None:
            limit.cancel()
        self.place.leave()
        if not self.report(report):
            self._leaked.discard(self)

    def _run_body(self) -> TaskReport:
        if not self.call.awaits:
            return _INLINE.run(replace(self.call, timeout=None))
        # It ends at its limit, and when it is stopped, by itself.
        self._own_loop = InOwnLoop(self.call)
        self._own_loop.run()
        return self._own_loop.result()

    def _watch(self) -> Future[bool] | None:
        """Abandon the body at its limit; one that awaits a moment later, if it does not end."""
        timeout = self.call.timeout
        if timeout is None:
            return None
        come = TIMERS.after(timeout + _GRACE * self.call.awaits)
        come.add_done_callback(
            lambda come: come.cancelled() or self._abandon(Ended.TIMED_OUT, enforced=Enforced.ABANDONED)
        )
        return come

    def _abandon(self, ended: Ended, value: str | None = None, enforced: Enforced | None = None) -> bool:
        """Report in the place of the body, which goes on, unless it has reported already."""
        with self._lock:
            if self._is_abandoned or self.done():
                return False
            self._is_abandoned = True
        self._leaked.add(self)
        self.place.leave()
        note = "its thread goes on until the body ends by itself"
        seconds = time.monotonic() - self._started
        told = self.tell(ended, value, enforced=enforced, seconds=seconds, note=note)
        if not told:
            self._leaked.discard(self)
        return told
