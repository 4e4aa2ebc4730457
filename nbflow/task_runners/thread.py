"""The runner `thread`: bodies run in threads of this process, on live objects."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from nbflow.exceptions import OptionError
from nbflow.task_runners.base import Enforced, Promises, TaskCall, TaskReport
from nbflow.task_runners.inline import InlineTaskRunner

_INLINE: Final = InlineTaskRunner()
_MOST: Final = 2**20


class ThreadPoolTaskRunner:
    """Runs bodies in threads, at most `max_workers` at a time.

    A body that waits for another run gives its place to others meanwhile, so that nested calls cannot
    block each other, not even with one worker.

    Args:
        max_workers: How many bodies run at a time; None: as many as are submitted.

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
        self._slots = _Slots(max_workers or _MOST)
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Start an attempt as soon as there is a worker for it."""
        report: Future[TaskReport] = Future()
        self._slots.take(lambda: self._threads().submit(self._work, call, report))
        return report

    def cancel(self, attempt: str) -> bool:
        """Do nothing: a thread cannot be interrupted; who cancels the future of a waiting one drops it."""
        return False

    def close(self) -> None:
        """End the threads when what they run has ended."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    def duplicate(self) -> ThreadPoolTaskRunner:
        """One like it, with threads of its own."""
        return ThreadPoolTaskRunner(self.max_workers)

    def __enter__(self) -> ThreadPoolTaskRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None:
                # The slots bound how many run; a thread that waits for a run keeps none.
                self._executor = ThreadPoolExecutor(_MOST, thread_name_prefix="nbflow")
            return self._executor

    def _work(self, call: TaskCall, report: Future[TaskReport]) -> None:
        if not report.set_running_or_notify_cancel():
            self._slots.give()
            return
        _WORKER.slots = self._slots
        try:
            found = _INLINE.run(call)
        finally:
            _WORKER.slots = None
            self._slots.give()
        report.set_result(found)


@dataclass
class _Slots:
    """How many bodies may run; who finds no place waits in line."""

    free: int
    _line: deque[Callable[[], object]] = field(default_factory=deque[Callable[[], object]])

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def take(self, begin: Callable[[], object]) -> None:
        """Call `begin` now, or as soon as there is a place."""
        with self._lock:
            if self.free == 0:
                self._line.append(begin)
                return
            self.free -= 1
        begin()

    def give(self) -> None:
        """Give a place back: to who has waited longest, if somebody has."""
        with self._lock:
            if not self._line:
                self.free += 1
                return
            begin = self._line.popleft()
        begin()


class _Worker(threading.local):
    slots: _Slots | None = None


_WORKER: Final = _Worker()


@contextmanager
def place_given_up() -> Generator[None]:
    """While a body waits for another run, others may use its place; it takes one again afterwards."""
    slots = _WORKER.slots
    if slots is None:
        yield
        return
    _WORKER.slots = None
    slots.give()
    try:
        yield
    finally:
        back = threading.Event()
        slots.take(back.set)
        back.wait()
        _WORKER.slots = slots
