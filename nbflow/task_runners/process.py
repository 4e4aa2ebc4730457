"""The runner `process`: bodies run in processes of their own, which are killed at their limit.

A worker is a new Python that was started for this, never a copy of the kernel, whose threads and locks a
copy would break. It runs one body at a time: whatever a body does to its process, it costs that body alone.
Workers are used again, and are ended with the runner, or with the kernel.
"""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.daemons import DAEMONS
from nbflow.engine.effects import Ended
from nbflow.engine.timers import TIMERS
from nbflow.exceptions import OptionError
from nbflow.task_runners.base import Attempt, Enforced, Promises, TaskCall, TaskReport
from nbflow.task_runners.going import Going
from nbflow.task_runners.packets import Incoming
from nbflow.task_runners.parcels import opened, parcel_of
from nbflow.task_runners.places import Place, Places
from nbflow.task_runners.telling import retell
from nbflow.task_runners.wire import send
from nbflow.task_runners.worker import BEGUN, ENDED, OUTDATED, Surroundings

if TYPE_CHECKING:
    from concurrent.futures import Future
    from io import RawIOBase

    from nbflow.task_runners.parcels import Parcel

_START: Final = """
import sys, json
sys.path[:] = json.loads(sys.argv.pop())
from nbflow.task_runners.worker import work
work()
"""
_LOOK: Final = 1000
"""Milliseconds after which it is asked whether a silent worker lives: another process may hold its pipe."""
_WIDTH: Final = 2**20
"""Bytes that a pipe takes before who writes has to wait for who reads."""
_TRIES: Final = 3
"""How many workers are tried where they are gone, or outdated, before a body begins."""


class ProcessPoolTaskRunner:
    """Runs bodies in worker processes, at most `max_workers` at a time.

    Arguments and results are copied to the worker and back. What a body prints and logs is shown as if it ran
    here. Tasks that it calls or submits run in its worker.

    Args:
        max_workers: How many bodies run at a time; None: as many as the computer has processors.

    Raises:
        OptionError: If `max_workers` is no positive number, or the system has no such processes.

    Example:
        >>> from nbflow.task_runners.shipping import shipped
        >>> with ProcessPoolTaskRunner(max_workers=1) as runner:
        ...     runner.submit(TaskCall("a#1/1.1", "a", shipped(lambda: 7))).result().value
        7
    """

    name: str = "process"
    promises: Promises = Promises(limit=Enforced.HARD, concurrent=True, survives_crash=True, observes=True)

    def __init__(self, max_workers: int | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise OptionError(f"max_workers={max_workers!r} is no number of workers; give 1 or more")
        if not hasattr(os, "killpg"):
            raise OptionError("processes as runners need Linux or macOS; use the runner thread")
        self.max_workers = max_workers
        self._places = Places(max_workers or os.cpu_count() or 1)
        self._going: Going[_InProcess] = Going()
        self._pool = _Pool()
        weakref.finalize(self, self._pool.close)

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Start an attempt as soon as there is a place for it."""
        attempt, is_new = self._going.take(call.attempt, lambda: _InProcess(call, self._places, self._pool))
        if is_new:
            self._places.queue(attempt.place)
        return attempt

    def cancel(self, attempt: str) -> bool:
        """Drop an attempt that has not begun, and kill the process of one that runs; whether it is there."""
        return self._going.cancel(attempt)

    def close(self) -> None:
        """Stop what runs and end the workers; whoever submits again gets new ones."""
        self._going.cancel_all()
        self._pool.close()

    def duplicate(self) -> ProcessPoolTaskRunner:
        """One like it, with workers of its own."""
        return ProcessPoolTaskRunner(self.max_workers)

    def __reduce__(self) -> Any:
        return ProcessPoolTaskRunner, (self.max_workers,)

    def __enter__(self) -> ProcessPoolTaskRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ProcessPoolTaskRunner max_workers={self.max_workers or os.cpu_count() or 1}>"


class _Worker:
    """A worker process, seen from the kernel.

    Args:
        closed_before: How often its pool had been closed when it was started.
    """

    def __init__(self, closed_before: int) -> None:
        self.closed_before = closed_before
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._calls = cast("RawIOBase", self._process.stdin)
        self._answers = cast("RawIOBase", self._process.stdout)
        for pipe in (self._calls, self._answers):
            _widen(pipe)
        self._poll = select.poll()
        self._poll.register(self._answers.fileno(), select.POLLIN)
        self._incoming, self._said = Incoming(), deque[bytes]()
        self._surroundings: Surroundings | None = None

    @property
    def lives(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def send(self, parcel: Parcel) -> None:
        """Send a call, and what has changed around it.

        Raises:
            OSError: If the worker is gone.
        """
        now = Surroundings.present()
        changed = None if now == self._surroundings else now
        send(self._calls, pickle.dumps((changed, parcel)))
        self._surroundings = now

    def receive(self) -> tuple[str, Any]:
        """The next that the worker says.

        Raises:
            EOFError: If it is gone.
        """
        while not self._said:
            self._said.extend(self._incoming.whole(self._read()))
        return pickle.loads(self._said.popleft())

    def _read(self) -> bytes:
        """Some of what it writes, as soon as there is some."""
        while not self._poll.poll(_LOOK):
            if not self.lives:
                raise EOFError("the worker has ended")
        if not (read := self._answers.read(_WIDTH)):
            raise EOFError("the pipe was closed")
        return read

    def end(self) -> int:
        """Kill it, with all that it has started; return the exit code that it ends or has ended with."""
        # First asked: a process that has ended by itself tells of what it died.
        code = self._process.poll()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait() if code is None else code

    def close(self) -> None:
        """End it, and forget the pipes."""
        self.end()
        self._calls.close()
        self._answers.close()


def _widen(pipe: RawIOBase) -> None:
    """Let a pipe take much at a time, where the system has such."""
    with suppress(ImportError, OSError):
        from fcntl import F_SETPIPE_SZ, fcntl

        fcntl(pipe.fileno(), F_SETPIPE_SZ, _WIDTH)


class _Pool:
    """The workers that wait for a call."""

    def __init__(self) -> None:
        self._idle: list[_Worker] = []
        self._owner = os.getpid()
        self._closed = 0

    def take(self) -> _Worker:
        """One that waits, or a new one.

        Raises:
            OSError: If none can be started.
        """
        if os.getpid() != self._owner:  # forked off: the workers are somebody else's
            self._idle, self._owner = [], os.getpid()
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return _Worker(self._closed)
            if worker.lives:
                return worker
            worker.close()

    def give(self, worker: _Worker) -> None:
        """Take one back that has done its work; one from before the pool was closed ends."""
        self._idle.append(worker)
        if worker.closed_before != self._closed:
            self._end_idle()

    def close(self) -> None:
        """End all that wait, and the others once they have done their work."""
        self._closed += 1
        self._end_idle()

    def _end_idle(self) -> None:
        with suppress(IndexError):
            while os.getpid() == self._owner:
                self._idle.pop().close()


class _InProcess(Attempt):
    """An attempt in a worker.

    Args:
        call: The attempt.
        places: Where it needs a place.
        pool: Where it finds a worker.
    """

    def __init__(self, call: TaskCall, places: Places, pool: _Pool) -> None:
        super().__init__(call)
        self.place = Place(places, self._begin)
        self._pool = pool
        self._context = copy_context()
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._is_stopped = False

    def cancel(self) -> bool:
        """Drop it, or kill its process."""
        return self._stop(Ended.CANCELLED, "it was stopped; its process was ended")

    def _stop(self, ended: Ended, value: str | None = None, **more: Any) -> bool:
        """Kill the process of the body, if it has one yet, and report in its place."""
        with self._lock:
            if self.done():
                return False
            self._is_stopped = True
            if self._worker is None:
                ended, value = Ended.CANCELLED, "it was stopped before it began"
            else:
                self._worker.end()
        self.place.leave()
        return self.tell(ended, value, **more)

    def _begin(self) -> None:
        try:
            DAEMONS.run(self._work)
        except RuntimeError as error:
            self._give_up(f"no thread could be started: {error}")

    def _give_up(self, why: str) -> None:
        self.place.leave()
        self.tell(Ended.CRASHED, why)

    def _work(self) -> None:
        """Let a worker run the body, and listen to it in this thread."""
        try:
            self._send_off()
        except Exception as error:  # noqa: BLE001 - whoever waits has to be told
            self._give_up(f"no worker could be started: {error}")

    def _send_off(self) -> None:
        parcel = parcel_of(self.call)
        for _ in range(_TRIES):
            worker = None if self._is_stopped else self._taken()
            if worker is None:
                return
            try:
                worker.send(parcel)
                kind = self._first_word(worker)
            except (EOFError, OSError):
                kind = OUTDATED
            if kind != OUTDATED:
                self._listen(worker)
                return
            self._forsake(worker)
        self._give_up("its workers ended before it began; the error stream of the kernel tells why")

    def _first_word(self, worker: _Worker) -> str:
        """What it says to the call; before that, threads of an earlier body may print."""
        while True:
            kind, what = worker.receive()
            if kind in (BEGUN, OUTDATED):
                return kind
            self._show(kind, what)

    def _taken(self) -> _Worker | None:
        """A worker for it; None where it was dropped meanwhile."""
        worker = self._pool.take()
        with self._lock:
            if not self._is_stopped:
                self._worker = worker
                return worker
        worker.close()
        return None

    def _forsake(self, worker: _Worker) -> None:
        with self._lock:
            self._worker = None
        worker.close()

    def _listen(self, worker: _Worker) -> None:
        limit = self._watch()
        kind, what = "", b""
        try:
            while kind != ENDED:
                kind, what = worker.receive()
                if kind != ENDED and not self._is_stopped:
                    self._show(kind, what)
            report = opened(what, self.call)
        except (EOFError, OSError):
            report = TaskReport(self.call.attempt, Ended.CRASHED, _words_of(worker.end()))
        if limit is not None:
            limit.cancel()
        self._let_go(worker, report)

    def _show(self, kind: str, what: Any) -> None:
        with suppress(Exception):  # a stream that cannot be written to costs no result
            self._context.run(retell, kind, what)

    def _let_go(self, worker: _Worker, report: TaskReport) -> None:
        with self._lock:
            is_usable = not self._is_stopped and report.ended is not Ended.CRASHED
            self._worker = None
        if is_usable:
            self._pool.give(worker)
        else:
            worker.close()
        self.place.leave()
        self.report(report)

    def _watch(self) -> Future[bool] | None:
        """Kill the process at the limit of the body."""
        timeout, started = self.call.timeout, time.monotonic()
        if timeout is None:
            return None

        def end(come: Future[bool]) -> None:
            if not come.cancelled():
                seconds = time.monotonic() - started
                self._stop(Ended.TIMED_OUT, enforced=Enforced.HARD, seconds=seconds)

        come = TIMERS.after(timeout)
        come.add_done_callback(end)
        return come


def _words_of(code: int) -> str:
    """How a process has ended, for people."""
    if code >= 0:
        return f"its process ended with exit code {code} before the body did"
    name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
    hint = "; it may have needed more memory than there is" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
