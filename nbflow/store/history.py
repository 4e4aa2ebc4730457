"""The history of runs in SQLite: added to, in batches, and never changed.

What is added waits in memory until enough has ended, or until `flush`. A run that a dead kernel left
Pending, Running or Cancelling becomes Crashed when its history is next opened. A database that
cannot be used is replaced, broken ones by a new one, all others by memory, with a notice.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.states import StateType, Transition
from nbflow.store.index import is_damage
from nbflow.store.memory import MemoryHistory
from nbflow.store.owners import is_gone, this_owner
from nbflow.store.protocol import RunRecord
from nbflow.store.signing import Signer, UnverifiedError
from nbflow.types import Cause, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS transitions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, attempt INTEGER, loop INTEGER, at REAL,
    type TEXT, name TEXT, message TEXT, details TEXT);
CREATE INDEX IF NOT EXISTS transitions_of_run ON transitions (run);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, number INTEGER, notebook TEXT, parent TEXT, role TEXT, step TEXT, name TEXT,
    position INTEGER, origin TEXT, key TEXT, trace TEXT, owner TEXT, causes TEXT, state TEXT DEFAULT '');
CREATE INDEX IF NOT EXISTS runs_of_step ON runs (notebook, step);
CREATE INDEX IF NOT EXISTS runs_unfinished ON runs (state)
    WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING');
CREATE TABLE IF NOT EXISTS snapshots (notebook TEXT, number INTEGER, sealed BLOB);
CREATE INDEX IF NOT EXISTS snapshots_of_notebook ON snapshots (notebook);
CREATE TABLE IF NOT EXISTS sources (digest TEXT PRIMARY KEY, text TEXT);
CREATE TABLE IF NOT EXISTS filed (trace TEXT PRIMARY KEY, key TEXT);
"""
_ADD_RUN: Final = """
INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '') ON CONFLICT (id) DO UPDATE SET
    name = iif(excluded.name = '', name, excluded.name), key = iif(excluded.key = '', key, excluded.key),
    trace = iif(excluded.trace = '', trace, excluded.trace),
    causes = iif(excluded.causes = '[]', causes, excluded.causes)
"""
_ADD_TRANSITION: Final = (
    "INSERT INTO transitions (run, attempt, loop, at, type, name, message, details)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_RUN_COLUMNS: Final = (
    "id, number, notebook, parent, role, step, name, position, origin, key, trace, owner, causes"
)
_UNFINISHED: Final = (
    "SELECT id, owner FROM runs WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING') ORDER BY rowid"
)
_LAST: Final = "SELECT attempt, loop FROM transitions WHERE run = ? ORDER BY seq DESC LIMIT 1"

_FULL_BUFFER: Final = 1024
_ENDED_AT_ONCE: Final = 128
_MOST_WAITING: Final = 100_000
_ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_CAUSES: Final = msgspec.json.Decoder(tuple[Cause, ...])
_DETAILS: Final = msgspec.json.Decoder(dict[str, str])
_SNAPSHOT: Final = msgspec.msgpack.Decoder(Snapshot)


@dataclass(frozen=True, slots=True)
class _Added:
    statement: str
    values: tuple[object, ...]
    again: Callable[[MemoryHistory], None]


class SqliteHistory:
    """A history in a file that several kernels share; see `nbflow.store.protocol.History`.

    Every method may be called from any thread. A fault never raises: it is told once, and from
    then on the history is kept in memory.

    Args:
        path: The database; made where missing.
        signer: Seals the snapshots.
        tell: Called with a line for the user.
        clock: Gives the time, in seconds since the epoch.
    """

    def __init__(
        self,
        path: Path,
        signer: Signer,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._signer = signer
        self._tell = tell
        self._clock = clock
        self._lock = threading.RLock()
        self._added: list[_Added] = []
        self._states: dict[str, str] = {}
        self._ended = 0
        self._spare: MemoryHistory | None = None
        self._pid = os.getpid()
        self._database: sqlite3.Connection | None = None
        # Never closed, as that would act on the parent's file.
        self._inherited: list[sqlite3.Connection | None] = []
        with self._guarded():
            self._bury()

    def begin(self, record: RunRecord) -> None:
        """Add a run, or complete what is known of it."""
        self._add(_ADD_RUN, _run_row(record), partial(MemoryHistory.begin, record=record))

    def append(self, transition: Transition) -> None:
        """Add a transition of a run that has begun; its `seq` is given here."""
        again = partial(MemoryHistory.append, transition=transition)
        with self._lock:
            self._notice_fork()
            self._states[transition.run] = transition.type
            self._ended += transition.type in _ENDED
            self._add(_ADD_TRANSITION, _transition_row(transition), again)
            if self._ended >= _ENDED_AT_ONCE:
                self.flush()

    def transitions(self, run: str) -> tuple[Transition, ...]:
        """Return the transitions of a run, oldest first."""
        rows = self._rows("SELECT * FROM transitions WHERE run = ? ORDER BY seq", run)
        spare = self._spare.transitions(run) if self._spare else ()
        return (*(_transition(row) for row in rows), *spare)

    def run(self, id: str) -> RunRecord | None:
        """Return one run, or None."""
        rows = self._rows(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", id)
        spare = self._spare.run(id) if self._spare else None
        return spare or next((_run(row) for row in rows), None)

    def runs(
        self, notebook: str | None = None, step: str | None = None, limit: int = 100
    ) -> tuple[RunRecord, ...]:
        """Return runs, newest first, of one notebook and one step where these are given."""
        asked = {"notebook": notebook, "step": step}
        given = {column: value for column, value in asked.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "1"
        query = f"SELECT {_RUN_COLUMNS} FROM runs WHERE {where} ORDER BY rowid DESC LIMIT ?"
        stored = (_run(row) for row in self._rows(query, *given.values(), limit))
        spare = self._spare.runs(notebook, step, limit) if self._spare else ()
        newer = {record.id for record in spare}
        return (*spare, *(record for record in stored if record.id not in newer))[:limit]

    def next_number(self, notebook: str) -> int:
        """Return the number that the notebook's next flow run bears."""
        rows = self._rows("SELECT max(number) FROM runs WHERE notebook = ?", notebook)
        stored = next((row[0] for row in rows), None) or 0
        return max(stored + 1, self._spare.next_number(notebook) if self._spare else 1)

    def snapshot(self, snapshot: Snapshot, notebook: str) -> None:
        """Add what was bound to what at the end of a flow run."""
        sealed = self._signer.seal(_bound(notebook), msgspec.msgpack.encode(snapshot))
        again = partial(MemoryHistory.snapshot, snapshot=snapshot, notebook=notebook)
        self._add("INSERT INTO snapshots VALUES (?, ?, ?)", (notebook, snapshot.number, sealed), again)

    def snapshots(self, notebook: str) -> tuple[Snapshot, ...]:
        """Return the snapshots of a notebook, oldest first; those not signed by this user are left out."""
        rows = self._rows("SELECT sealed FROM snapshots WHERE notebook = ? ORDER BY rowid", notebook)
        spare = self._spare.snapshots(notebook) if self._spare else ()
        return (*self._opened(notebook, (row[0] for row in rows)), *spare)

    def save_source(self, digest: str, text: str) -> None:
        """Keep a source text under its digest."""
        again = partial(MemoryHistory.save_source, digest=digest, text=text)
        self._add("INSERT OR IGNORE INTO sources VALUES (?, ?)", (digest, text), again)

    def source(self, digest: str) -> str | None:
        """Return the source text with that digest, or None."""
        rows = self._rows("SELECT text FROM sources WHERE digest = ?", digest)
        spare = self._spare.source(digest) if self._spare else None
        return next((row[0] for row in rows), spare)

    def file_trace(self, trace: str, key: str) -> None:
        """Note the action key that a trace is kept under."""
        again = partial(MemoryHistory.file_trace, trace=trace, key=key)
        self._add("INSERT OR REPLACE INTO filed VALUES (?, ?)", (trace, key), again)

    def key_of(self, trace: str) -> str:
        """Return the action key that a trace is kept under, or an empty string."""
        rows = self._rows("SELECT key FROM filed WHERE trace = ?", trace)
        spare = self._spare.key_of(trace) if self._spare else ""
        return next((row[0] for row in rows), spare)

    def flush(self) -> None:
        """Make everything added so far durable; costs nothing if nothing was."""
        if self._added and self._spare is None:
            with self._lock, self._guarded():
                self._write(self._connect())

    def trust(self) -> None:
        """Sign every snapshot that is not damaged, whoever signed it."""
        self.flush()
        with self._lock, self._guarded():
            database = self._connect()
            rows = database.execute("SELECT rowid, notebook, sealed FROM snapshots").fetchall()
            for row, notebook, sealed in rows:
                with suppress(UnverifiedError):
                    signed = self._signer.trust(_bound(notebook), sealed)
                    database.execute("UPDATE snapshots SET sealed = ? WHERE rowid = ?", (signed, row))

    def close(self) -> None:
        """Flush and close the database."""
        self.flush()
        with self._lock:
            if self._database is not None and self._pid == os.getpid():
                self._database.close()
            self._database = None

    def _add(
        self, statement: str, values: tuple[object, ...], again: Callable[[MemoryHistory], None]
    ) -> None:
        with self._lock:
            self._notice_fork()
            if self._spare is not None:
                again(self._spare)
                return
            self._added.append(_Added(statement, values, again))
            if len(self._added) >= _FULL_BUFFER:
                self.flush()

    def _write(self, database: sqlite3.Connection) -> None:
        """Write the buffer in one transaction; it is emptied only after that."""
        with _transaction(database):
            for statement, rows in _batches(self._added):
                database.executemany(statement, rows)
            states = [(state, run) for run, state in self._states.items()]
            database.executemany("UPDATE runs SET state = ? WHERE id = ?", states)
        self._added.clear()
        self._states.clear()
        self._ended = 0

    def _rows(self, query: str, *values: object) -> list[Any]:
        self.flush()
        if self._spare is not None and self._database is None:
            return []
        with self._lock, self._guarded():
            return self._connect().execute(query, values).fetchall()
        return []

    def _opened(self, notebook: str, sealed: Iterable[bytes]) -> Iterator[Snapshot]:
        for one in sealed:
            with suppress(UnverifiedError, msgspec.MsgspecError):
                yield _SNAPSHOT.decode(self._signer.open(_bound(notebook), one))

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """Let no fault of the database out."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._degrade(error)

    def _notice_fork(self) -> None:
        """Neither use the parent's connection in a forked child nor write what the parent will write."""
        if self._pid != os.getpid():
            self._inherited.append(self._database)
            self._pid, self._database = os.getpid(), None
            self._added, self._states, self._ended = [], {}, 0

    def _connect(self) -> sqlite3.Connection:
        self._notice_fork()
        if self._database is None:
            self._database = _open(self._path, self._tell)
        return self._database

    def _degrade(self, error: Exception) -> None:
        if "locked" in str(error) and len(self._added) < _MOST_WAITING:
            self._tell("the history is locked by another kernel; it is written when it is free again")
            return
        self._tell(f"the history of runs is kept in memory only, because it cannot be written ({error})")
        if self._spare is None:
            self._spare = MemoryHistory()
        for added in self._added:
            added.again(self._spare)
        self._added.clear()

    def _bury(self) -> None:
        """Make Crashed what dead kernels left unfinished."""
        database = self._connect()
        if not _left_by_the_dead(database):
            return
        with _transaction(database):
            # Asked again, now that no other kernel can be doing the same.
            for run in _left_by_the_dead(database):
                crashed = _crashed(run, database.execute(_LAST, (run,)).fetchone(), self._clock())
                database.execute(_ADD_TRANSITION, _transition_row(crashed))
                database.execute("UPDATE runs SET state = ? WHERE id = ?", (crashed.type, run))


def _open(path: Path, tell: Callable[[str], None]) -> sqlite3.Connection:
    try:
        return _prepared(path)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        os.replace(path, aside)
        for log in ("-wal", "-shm"):
            with suppress(OSError):
                os.replace(f"{path}{log}", f"{aside}{log}")
        tell(f"the history of runs was damaged and starts anew; the old one is kept as {aside.name}")
        return _prepared(path)


def _prepared(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def _transaction(database: sqlite3.Connection) -> Generator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _batches(added: list[_Added]) -> Iterable[tuple[str, list[tuple[object, ...]]]]:
    """Group what was added by statement: each has its own table, so the order between does not matter."""
    rows: dict[str, list[tuple[object, ...]]] = {}
    for one in added:
        rows.setdefault(one.statement, []).append(one.values)
    return rows.items()


def _left_by_the_dead(database: sqlite3.Connection) -> list[str]:
    return [run for run, owner in database.execute(_UNFINISHED).fetchall() if is_gone(owner)]


def _crashed(run: str, last: tuple[int, int] | None, at: float) -> Transition:
    attempt, loop = last or (1, 1)
    message = "the kernel that ran this has ended"
    return Transition(run, attempt, loop, at, StateType.CRASHED.value, "Crashed", message)


def _bound(notebook: str) -> str:
    return f"snapshot:{notebook}"


def _run_row(record: RunRecord) -> tuple[object, ...]:
    causes = msgspec.json.encode(record.causes).decode()
    one = (record.id, record.number, record.notebook, record.parent, record.role, record.step, record.name)
    owner = record.owner or this_owner()
    return (*one, record.index, record.origin, record.key, record.trace, owner, causes)


def _run(row: tuple[Any, ...]) -> RunRecord:
    return RunRecord(*row[:-1], causes=_CAUSES.decode(row[-1]))


def _transition_row(transition: Transition) -> tuple[object, ...]:
    details = msgspec.json.encode(dict(transition.details)).decode() if transition.details else ""
    where = (transition.run, transition.attempt, transition.loop, transition.at)
    return (*where, transition.type, transition.name, transition.message, details)


def _transition(row: tuple[Any, ...]) -> Transition:
    seq, run, attempt, loop, at, type_, name, message, details = row
    read = _DETAILS.decode(details) if details else _NOTHING
    return Transition(run, attempt, loop, at, type_, name, message, read, seq)
