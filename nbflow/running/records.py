"""Where runs of explicit flows are kept: a store with its history, and the journal that writes it.

A session gives its own. Without one, the store is opened in the settings' home, or in `.nbflow` below the
working directory, when a flow first runs; calls of single tasks outside of a flow leave no record.
"""

from __future__ import annotations

import atexit
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.drive import Journal
from nbflow.engine.timers import TIMERS, Timers
from nbflow.running.hooks import follow
from nbflow.running.logs import log_as_set
from nbflow.settings import read_settings, read_size
from nbflow.store.disk import open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nbflow.states import Transition
    from nbflow.store.protocol import History, RunRecord, Store


_MOMENT: Final = 0.05
"""Seconds; writing down takes about a millisecond."""


class Numbers:
    """Gives the flow runs of a notebook their numbers, one after the other.

    Args:
        first: Gives the first of them; asked when it is needed.

    Example:
        >>> numbers = Numbers(lambda: 7)
        >>> numbers.take(), numbers.take()
        (7, 8)
        >>> numbers.give_back(8)
        >>> numbers.take()
        8
    """

    def __init__(self, first: Callable[[], int]) -> None:
        self._first = first
        self._last: int | None = None
        self._lock = threading.Lock()

    def take(self) -> int:
        """The number of a new flow run."""
        with self._lock:
            self._last = self._first() if self._last is None else self._last + 1
            return self._last

    def give_back(self, number: int) -> None:
        """Take back the number of a run that did nothing; not if another one was given since."""
        with self._lock:
            if number == self._last:
                self._last = number - 1


@dataclass(frozen=True, slots=True)
class Records:
    """Where runs are kept, and by whose clock.

    Args:
        history: Where runs and their transitions are kept.
        journal: Where states are appended; it writes to that history.
        numbers: Gives each flow run its number.
        store: Where results are kept; None: nowhere.
        timers: The time, and waiting for it.
        notebook: Identifier of the notebook.
        looped: Name of a task to whether a run of it has kept a LOOP, as far as that was asked.
        written: When a run was last written down as it began.
    """

    history: History
    journal: Journal
    numbers: Numbers
    store: Store | None = None
    timers: Timers = TIMERS
    notebook: str = ""
    looped: dict[str, bool] = field(default_factory=dict[str, bool])
    written: list[float] = field(default_factory=lambda: [0.0])

    def begin(self, record: RunRecord) -> None:
        """Note a run before its first state."""
        self.history.begin(record)

    def make_known(self, *, is_asked_for: bool) -> None:
        """Have a run written down before its body begins, so that it is known to have died with its process.

        Args:
            is_asked_for: Whether somebody has called it, rather than another run. It is written at once,
                unless one was a moment ago; what runs call, which may be much, within a moment, together.
        """
        now = self.timers.now()
        if is_asked_for and now - self.written[0] > _MOMENT:
            self.history.flush()
            self.written[0] = now
        else:
            self.history.flush_soon()


class _NoHistory:
    """Keeps nothing."""

    def begin(self, record: RunRecord) -> None:
        """Do nothing."""

    def append(self, transition: object) -> None:
        """Do nothing."""

    def transitions(self, run: str) -> tuple[Transition, ...]:
        """None."""
        return ()

    def flush(self) -> None:
        """Do nothing."""

    def flush_soon(self) -> None:
        """Do nothing."""


def records_in(store: Store, timers: Timers = TIMERS, notebook: str = "") -> Records:
    """Records in a store.

    Example:
        >>> from nbflow.store.memory import MemoryStore
        >>> records_in(MemoryStore()).history.runs()
        ()
    """
    return records_over(Journal(store.history, timers.now), store, timers, notebook)


def records_over(journal: Journal, store: Store, timers: Timers = TIMERS, notebook: str = "") -> Records:
    """Records in a store whose history others write to through the same journal."""
    journal.subscribe(follow, straight=())
    numbers = Numbers(lambda: store.history.next_number(notebook))
    return Records(store.history, journal, numbers, store, timers, notebook)


def unrecorded(timers: Timers = TIMERS) -> Records:
    """Records that keep nothing."""
    history: Any = _NoHistory()
    journal = Journal(history, timers.now)
    journal.subscribe(follow)
    return Records(history, journal, Numbers(lambda: 0), None, timers)


@dataclass(slots=True)
class _Given:
    stack: list[Records] = field(default_factory=list[Records])
    opened: dict[Path, Records] = field(default_factory=dict[Path, Records])


_GIVEN: Final = _Given()


@contextmanager
def using(records: Records) -> Generator[Records]:
    """Keep runs in these records for a while.

    Example:
        >>> from nbflow.store.memory import MemoryStore
        >>> with using(records_in(MemoryStore())) as records:
        ...     present_records() is records
        True
    """
    _GIVEN.stack.append(records)
    try:
        yield records
    finally:
        _GIVEN.stack.remove(records)


def present_records() -> Records:
    """The records that were given last, else those of the working directory, opened where needed."""
    if _GIVEN.stack:
        return _GIVEN.stack[-1]
    folder = Path.cwd()
    if folder not in _GIVEN.opened:
        settings = read_settings(folder)
        log_as_set(settings)
        home, limit = settings.settings.store_in(folder), read_size(settings.settings.size_limit)
        store = open_store(home, size_limit=limit)
        atexit.register(store.close)
        _GIVEN.opened[folder] = records_in(store)
    return _GIVEN.opened[folder]


def records_at_hand() -> Records | None:
    """The records that runs are kept in now, if there are any yet: nothing is opened."""
    return _GIVEN.stack[-1] if _GIVEN.stack else _GIVEN.opened.get(Path.cwd())


def are_given() -> bool:
    """Whether a session, or a test, has given records."""
    return bool(_GIVEN.stack)
