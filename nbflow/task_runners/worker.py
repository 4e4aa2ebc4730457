"""A worker process: takes calls from its standard input, one at a time, and answers on its standard output.

Bodies see neither of the two pipes: they read nothing, and what they print is told. Stop presses do not reach
a worker, which has a group of its own; when the kernel has ended, or nobody needs it, the group ends with it.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from dataclasses import dataclass
from io import FileIO
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from nbflow.task_runners.imported import Modules
from nbflow.task_runners.packets import send
from nbflow.task_runners.parcels import performed
from nbflow.task_runners.telling import STREAMS, levels, set_levels, tell_always
from nbflow.task_runners.wire import receive

if TYPE_CHECKING:
    from nbflow.task_runners.parcels import Parcel

BEGUN: Final = "begun"
"""Told before a body runs."""
OUTDATED: Final = "outdated"
"""Told instead of running a body, where a module that was imported here has changed since."""
ENDED: Final = "ended"
"""Told with the report."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of the kernel's process bodies look at.

    Args:
        folder: Its working directory.
        path: Where modules are found.
        environment: Its environment variables.
        levels: From which levels on its loggers log.
    """

    folder: str
    path: tuple[str, ...]
    environment: dict[str, str]
    levels: dict[str, int]

    @classmethod
    def present(cls) -> Surroundings:
        """Those of this process."""
        return cls(os.getcwd(), tuple(sys.path), dict(os.environ), levels())

    def enter(self) -> None:
        """Let them be those of this process."""
        os.chdir(self.folder)
        sys.path[:] = self.path
        for name in os.environ.keys() - self.environment.keys():
            del os.environ[name]
        os.environ.update(self.environment)
        if hasattr(time, "tzset"):
            time.tzset()
        set_levels(self.levels)


class Answers:
    """What this worker says; prints are gathered to lines.

    Args:
        pipe: Where it says it.
    """

    def __init__(self, pipe: FileIO) -> None:
        self._pipe = pipe
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a process does that a body has forked off: the half line is not its own."""
        self._lock = threading.RLock()
        self._line: list[str] = []
        self._stream = ""

    def tell(self, kind: str, what: Any = None) -> None:
        """Say something."""
        for message in self._ready(kind, what):
            self._send(*message)

    def _ready(self, kind: str, what: Any) -> list[tuple[str, Any]]:
        """What is to be said now; sending may take long, and nobody has to wait for that to print."""
        with self._lock:
            if kind not in STREAMS:
                return [*self._ended_line(), (kind, what)]
            before = self._ended_line() if kind != self._stream else []
            self._stream = kind
            self._line.append(what)
            return [*before, *self._ended_line()] if what.endswith(("\n", "\r")) else before

    def _ended_line(self) -> list[tuple[str, Any]]:
        line, self._line = self._line, []
        return [(self._stream, "".join(line))] if line else []

    def _send(self, kind: str, what: Any) -> None:
        try:
            send(self._pipe, pickle.dumps((kind, what)))
        except BrokenPipeError:  # no other error of the system: the handler of an alarm may raise one
            _end()


def work() -> None:
    """Be a worker until nobody needs it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls, answers = _private_pipes()
    jobs: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(calls, jobs), name="nbflow calls", daemon=True).start()
    told = Answers(answers)
    tell_always(told.tell)
    os.register_at_fork(after_in_child=told.forget)
    modules = Modules()
    while True:
        _answer(jobs.get(), told, modules)


def _private_pipes() -> tuple[FileIO, FileIO]:
    """The pipes to the kernel, in the place of which bodies find an empty input and the error stream."""
    calls, answers = FileIO(os.dup(0), "r"), FileIO(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return calls, answers


def _listen(pipe: FileIO, jobs: SimpleQueue[bytes]) -> None:
    """Take calls, until none can come any more."""
    try:
        while True:
            jobs.put(receive(pipe))
    except (EOFError, OSError):
        _end()


def _end() -> None:
    """End at once, with all that bodies have started: nobody listens any more."""
    os.killpg(0, signal.SIGKILL)


def _answer(job: bytes, told: Answers, modules: Modules) -> None:
    surroundings, parcel = _read(job)
    if not modules.are_as_imported():
        told.tell(OUTDATED)
        return
    parcel.body.load()
    told.tell(BEGUN)
    if surroundings is not None:
        surroundings.enter()
    with modules.noted():
        report = performed(parcel)
    told.tell(ENDED, report)


def _read(job: bytes) -> tuple[Surroundings | None, Parcel]:
    return pickle.loads(job)
