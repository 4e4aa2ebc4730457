"""Where runs of explicit flows are kept: a store with its history, and the journal that writes it.

A session gives its own. Without one, the store is opened in the settings' home, or in `.nbflow` below the
working directory, when a flow first runs; calls of single tasks outside of a flow leave no record.
"""

from __future__ import annotations

import atexit
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.drive import Journal
from nbflow.engine.timers import TIMERS, Timers
from nbflow.running.hooks import follow
from nbflow.settings import read_settings
from nbflow.store.disk import open_store

if TYPE_CHECKING:
    from collections.abc import Generator

    from nbflow.states import Transition
    from nbflow.store.protocol import History, RunRecord, Store


@dataclass(frozen=True, slots=True)
class Records:
    """Where runs are kept, and by whose clock.

    Args:
        history: Where runs and their transitions are kept.
        journal: Where states are appended; it writes to that history.
        store: Where results are kept; None: nowhere.
        timers: The time, and waiting for it.
        notebook: Identifier of the notebook.
        looped: Name of a task to whether a run of it has kept a LOOP, as far as that was asked.
    """

    history: History
    journal: Journal
    store: Store | None = None
    timers: Timers = TIMERS
    notebook: str = ""
    looped: dict[str, bool] = field(default_factory=dict[str, bool])

    def begin(self, record: RunRecord) -> None:
        """Note a run before its first state."""
        self.history.begin(record)


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
    return Records(store.history, _journal(store.history, timers), store, timers, notebook)


def unrecorded(timers: Timers = TIMERS) -> Records:
    """Records that keep nothing."""
    history: Any = _NoHistory()
    return Records(history, _journal(history, timers), None, timers)


def _journal(history: History, timers: Timers) -> Journal:
    journal = Journal(history, timers.now)
    journal.subscribe(follow)
    return journal


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
        home = read_settings(folder).settings.home
        store = open_store(Path(home).expanduser() if home else folder / ".nbflow")
        atexit.register(store.close)
        _GIVEN.opened[folder] = records_in(store)
    return _GIVEN.opened[folder]


def are_given() -> bool:
    """Whether a session, or a test, has given records."""
    return bool(_GIVEN.stack)
