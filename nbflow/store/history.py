"""The history of runs in SQLite: added to, in batches, and never changed; old texts of runs go.

What is added waits in a `Batch` until enough has ended, or until `flush`. A run that a dead kernel left
Pending, Running or Cancelling becomes Crashed when its history is next opened. A database that
cannot be used is replaced, broken ones by a new one, all others by memory, with a notice.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.secrets import KNOWN
from nbflow.states import StateType, Transition
from nbflow.store import owners
from nbflow.store.batches import FULL, Batch, path_of, path_row, run_of
from nbflow.store.escapes import decoded, encoded
from nbflow.store.index import is_damage
from nbflow.store.memory import MemoryHistory
from nbflow.store.owners import is_gone
from nbflow.store.protocol import MOST_TEXTS
from nbflow.store.rotten import Rotten, rotten_rows, sealed_rows, sign, snapshot_name, source_name
from nbflow.store.signing import Signer, UnverifiedError
from nbflow.store.soon import Soon
from nbflow.types import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator
    from pathlib import Path

    from nbflow.store.protocol import RunRecord

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS paths (seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, transitions TEXT);
CREATE INDEX IF NOT EXISTS paths_of_run ON paths (run);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, number INTEGER, notebook TEXT, parent TEXT, role TEXT, step TEXT, name TEXT,
    position INTEGER, origin TEXT, key TEXT, trace TEXT, owner TEXT, causes TEXT, state TEXT DEFAULT '',
    source TEXT DEFAULT '', inputs TEXT DEFAULT '{}');
CREATE INDEX IF NOT EXISTS runs_of_step ON runs (notebook, step);
CREATE INDEX IF NOT EXISTS runs_unfinished ON runs (state)
    WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING');
CREATE TABLE IF NOT EXISTS snapshots (notebook TEXT, number INTEGER, sealed BLOB);
CREATE INDEX IF NOT EXISTS snapshots_of_notebook ON snapshots (notebook);
CREATE TABLE IF NOT EXISTS sources (digest TEXT PRIMARY KEY, text BLOB);
CREATE TABLE IF NOT EXISTS texts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, kind TEXT, text TEXT, UNIQUE (run, kind));
CREATE TABLE IF NOT EXISTS filed (trace TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID;
"""
_ADD_RUN: Final = """
INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET
    name = iif(excluded.name = '', name, excluded.name), key = iif(excluded.key = '', key, excluded.key),
    trace = iif(excluded.trace = '', trace, excluded.trace),
    causes = iif(excluded.causes = '[]', causes, excluded.causes), owner = excluded.owner,
    state = iif(excluded.state = '', state, excluded.state),
    source = iif(excluded.source = '', source, excluded.source),
    inputs = iif(excluded.inputs = '{}', inputs, excluded.inputs)
"""
_NEW_STATE: Final = "UPDATE runs SET state = ? WHERE id = ?"
_ADD_PATH: Final = "INSERT INTO paths (run, transitions) VALUES (?, ?)"
_PATHS: Final = "SELECT seq, transitions FROM paths WHERE run = ? ORDER BY seq"
_ADD_SNAPSHOT: Final = "INSERT INTO snapshots VALUES (?, ?, ?)"
_ADD_SOURCE: Final = """
INSERT INTO sources VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET text = excluded.text
    WHERE typeof(text) = 'text'
"""
_ADD_TEXT: Final = "INSERT OR REPLACE INTO texts (run, kind, text) VALUES (?, ?, ?)"
_DROP_TEXTS: Final = "DELETE FROM texts WHERE seq <= (SELECT max(seq) FROM texts) - ?"
_ADD_KEY: Final = "INSERT OR REPLACE INTO filed VALUES (?, ?)"
_RUN_COLUMNS: Final = (
    "id, number, notebook, parent, role, step, name, position, origin, key, trace, owner, causes, "
    "source, inputs"
)
_LATER_COLUMNS: Final = {"source": "TEXT DEFAULT ''", "inputs": "TEXT DEFAULT '{}'"}
"""Columns of runs that databases of an earlier nbflow lack."""
_UNFINISHED: Final = (
    "SELECT id, owner FROM runs WHERE state IN ('PENDING', 'RUNNING', 'CANCELLING') ORDER BY rowid"
)

_MOST_WAITING: Final = 100_000
SOON: Final = 0.05
"""Seconds within which `flush_soon` writes."""
LONG: Final = 1.0
"""Seconds after which `flush_if_open` writes."""
_SNAPSHOT: Final = msgspec.msgpack.Decoder(Snapshot)


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
        self._batch = Batch()
        self._soon, self._later = self._made_later()
        self._spare: MemoryHistory | None = None
        self._pid = os.getpid()
        self._database: sqlite3.Connection | None = None
        # Never closed, as that would act on the parent's file.
        self._inherited: list[sqlite3.Connection | None] = []
        with self._guarded():
            self._bury()

    def begin(self, record: RunRecord) -> None:
        """Add a run, or complete what is known of it."""
        with self._lock:
            self._taker().begin(record)

    def append(self, transition: Transition) -> None:
        """Add a transition of a run that has begun; its `seq` is given here."""
        with self._lock:
            self._taker().append(transition)
            if self._batch.is_due:
                self.flush()

    def transitions(self, run: str) -> tuple[Transition, ...]:
        """Return the transitions of a run, oldest first."""
        rows = self._rows(_PATHS, run)
        spare = self._spare.transitions(run) if self._spare else ()
        return (*(transition for seq, path in rows for transition in path_of(run, seq, path)), *spare)

    def run(self, id: str) -> RunRecord | None:
        """Return one run, or None."""
        if id in self._batch:
            self.flush()
        rows = self._stored(f"SELECT {_RUN_COLUMNS} FROM runs WHERE id = ?", id)
        spare = self._spare.run(id) if self._spare else None
        return spare or next((run_of(row) for row in rows), None)

    def runs(
        self,
        notebook: str | None = None,
        step: str | None = None,
        limit: int = 100,
        number: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """Return runs, newest first, of one notebook, one step and one flow run where these are given."""
        asked = {"notebook": notebook, "step": step, "number": number}
        given = {column: value for column, value in asked.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "1"
        query = f"SELECT {_RUN_COLUMNS} FROM runs WHERE {where} ORDER BY rowid DESC LIMIT ?"
        stored = (run_of(row) for row in self._rows(query, *given.values(), limit))
        spare = self._spare.runs(notebook, step, limit, number) if self._spare else ()
        newer = {record.id for record in spare}
        return (*spare, *(record for record in stored if record.id not in newer))[:limit]

    def next_number(self, notebook: str) -> int:
        """Return the number that the notebook's next flow run bears."""
        rows = self._rows("SELECT max(number) FROM runs WHERE notebook = ?", notebook)
        stored = next((row[0] for row in rows), None) or 0
        return max(stored + 1, self._spare.next_number(notebook) if self._spare else 1)

    def snapshot(self, snapshot: Snapshot, notebook: str) -> None:
        """Add what was bound to what at the end of a flow run."""
        with self._lock:
            self._taker().snapshot(snapshot, notebook)

    def snapshots(self, notebook: str) -> tuple[Snapshot, ...]:
        """Return the snapshots of a notebook, oldest first; those not signed by this user are left out."""
        rows = self._rows("SELECT sealed FROM snapshots WHERE notebook = ? ORDER BY rowid", notebook)
        spare = self._spare.snapshots(notebook) if self._spare else ()
        return (*self._opened(notebook, (row[0] for row in rows)), *spare)

    def last_snapshot(self, notebook: str) -> Snapshot | None:
        """Return the newest snapshot of a notebook that is signed by this user, or None."""
        spare = self._spare.last_snapshot(notebook) if self._spare else None
        query = "SELECT sealed FROM snapshots WHERE notebook = ? ORDER BY rowid DESC LIMIT 1"
        return spare or next(self._opened(notebook, (row[0] for row in self._rows(query, notebook))), None)

    def save_source(self, digest: str, text: str) -> None:
        """Keep a source text under its digest."""
        KNOWN.meet_source(text)  # it may be on disk before it has run
        with self._lock:
            self._taker().save_source(digest, text)

    def source(self, digest: str) -> str | None:
        """Return the source text with that digest, or None; what an earlier nbflow wrote is not signed."""
        spare = self._spare.source(digest) if self._spare else None
        for (sealed,) in self._rows("SELECT text FROM sources WHERE digest = ?", digest):
            with suppress(UnverifiedError, UnicodeDecodeError, TypeError):
                return self._signer.open(source_name(digest), sealed).decode()
        return spare

    def keep_text(self, run: str, kind: str, lines: Collection[str]) -> None:
        """Keep a text of a run: the lines that are there when it is written."""
        with self._lock:
            self._taker().keep_text(run, kind, lines)

    def text(self, run: str, kind: str) -> str:
        """Return the text of a run that is kept as that, or an empty string."""
        rows = self._rows("SELECT text FROM texts WHERE run = ? AND kind = ?", run, kind)
        spare = self._spare.text(run, kind) if self._spare else ""
        return spare or next((row[0] for row in rows), "")

    def file_trace(self, trace: str, key: str) -> None:
        """Note the action key that a trace is kept under."""
        with self._lock:
            self._taker().file_trace(trace, key)

    def key_of(self, trace: str) -> str:
        """Return the action key that a trace is kept under, or an empty string."""
        rows = self._rows("SELECT key FROM filed WHERE trace = ?", trace)
        spare = self._spare.key_of(trace) if self._spare else ""
        return next((row[0] for row in rows), spare)

    def flush(self) -> None:
        """Make everything added so far durable; costs nothing if nothing was."""
        if self._batch.size and self._spare is None:
            with self._lock, self._guarded():
                self._write(self._connect())

    def flush_soon(self) -> None:
        """Make it durable in a moment, from another thread, unless that happens before."""
        if self._pid != owners.process:
            self._notice_fork()
        self._soon.ask()

    def flush_if_open(self) -> None:
        """Make it durable in a while, from another thread, if a run goes on then."""
        if self._pid != os.getpid():
            self._notice_fork()
        self._later.ask()

    def trust(self) -> None:
        """Sign every snapshot and every source that is not damaged, whoever signed it."""
        self.flush()
        with self._lock, self._guarded():
            for row in list(sealed_rows(self._connect())):
                if isinstance(row.sealed, bytes):
                    with suppress(UnverifiedError):
                        sign(self._connect(), row, self._signer.trust(row.name, row.sealed))

    def verify(self) -> tuple[int, list[Rotten]]:
        """Read every row, and compare what is signed with its signature; what is damaged is taken out.

        Returns:
            How many runs and snapshots there are, and what is not as it was written.
        """
        found: list[Rotten] = []
        with self._lock, self._guarded(), _transaction(self._connect()):
            found = rotten_rows(self._connect(), self._refusal)
        counts = [self._rows(f"SELECT count(*) FROM {table}") for table in ("runs", "snapshots")]
        return sum(rows[0][0] for rows in counts if rows), found

    def _refusal(self, name: str, sealed: bytes) -> str:
        """Why what is signed as that is not used; empty if it is."""
        try:
            self._signer.open(name, sealed)
        except UnverifiedError as error:
            return error.reason
        return ""

    def close(self) -> None:
        """Flush and close the database."""
        if self._pid == os.getpid():
            self._soon.close()
            self._later.close()
        self.flush()
        with self._lock:
            if self._database is not None and self._pid == os.getpid():
                self._database.close()
            self._database = None

    def _made_later(self) -> tuple[Soon, Soon]:
        return Soon(self.flush, SOON), Soon(self._flush_open, LONG)

    def _flush_open(self) -> None:
        with self._lock:
            if self._batch.has_open:
                self.flush()

    def _taker(self) -> Batch | MemoryHistory:
        """Who takes what is added now."""
        if self._pid != owners.process:
            self._notice_fork()
        if self._batch.size >= FULL:
            self.flush()
        return self._spare or self._batch

    def _write(self, database: sqlite3.Connection) -> None:
        """Write the batch in one transaction; it is emptied only after that."""
        batch = self._batch
        KNOWN.meet_environment()
        with _transaction(database):
            database.executemany(_ADD_RUN, batch.run_rows())
            database.executemany(_NEW_STATE, batch.new_states())
            database.executemany(_ADD_PATH, batch.path_rows())
            database.executemany(_ADD_SNAPSHOT, map(self._snapshot_row, batch.snapshots))
            database.executemany(_ADD_SOURCE, map(self._source_row, batch.masked_sources()))
            database.executemany(_ADD_KEY, batch.keys.items())
            if batch.texts:
                database.executemany(_ADD_TEXT, batch.text_rows())
                database.execute(_DROP_TEXTS, (MOST_TEXTS,))
        self._batch = Batch()

    def _snapshot_row(self, taken: tuple[str, Snapshot]) -> tuple[object, ...]:
        notebook, snapshot = taken
        sealed = self._signer.seal(snapshot_name(notebook), encoded(snapshot))
        return notebook, snapshot.number, sealed

    def _source_row(self, source: tuple[str, str]) -> tuple[str, bytes]:
        digest, text = source
        return digest, self._signer.seal(source_name(digest), text.encode(errors="replace"))

    def _rows(self, query: str, *values: object) -> list[Any]:
        """What a query finds, with all that was added so far."""
        self.flush()
        return self._stored(query, *values)

    def _stored(self, query: str, *values: object) -> list[Any]:
        """What a query finds in the database as it is."""
        if self._spare is not None and self._database is None:
            return []
        with self._lock, self._guarded():
            return self._connect().execute(query, values).fetchall()
        return []

    def _opened(self, notebook: str, sealed: Iterable[bytes]) -> Iterator[Snapshot]:
        for one in sealed:
            with suppress(UnverifiedError, msgspec.MsgspecError):
                yield decoded(self._signer.open(snapshot_name(notebook), one), _SNAPSHOT)

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
            self._batch = Batch()
            self._soon, self._later = self._made_later()

    def _connect(self) -> sqlite3.Connection:
        self._notice_fork()
        if self._database is None:
            self._database = _open(self._path, self._tell)
        return self._database

    def _degrade(self, error: Exception) -> None:
        # What waits stays in the batch, until there is too much of it.
        if "locked" in str(error) and self._batch.size < _MOST_WAITING:
            self._tell("the history is locked by another kernel; it is written when it is free again")
            return
        self._tell(f"the history of runs is kept in memory only, because it cannot be written ({error})")
        if self._spare is None:
            self._spare = MemoryHistory()
        self._batch.tell(self._spare)
        self._batch = Batch()

    def _bury(self) -> None:
        """Make Crashed what dead kernels left unfinished."""
        database = self._connect()
        if not _left_by_the_dead(database):
            return
        with _transaction(database):
            # Asked again, now that no other kernel can be doing the same.
            for run in _left_by_the_dead(database):
                path = [
                    step for seq, row in database.execute(_PATHS, (run,)) for step in path_of(run, seq, row)
                ]
                crashed = _crashed(run, path, self._clock())
                database.execute(_ADD_PATH, path_row(run, [crashed]))
                database.execute(_NEW_STATE, (crashed.type, run))


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
        # With a log a crash of the machine may cost the last batch, and damages nothing.
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
        _add_later_columns(database)
    except BaseException:
        database.close()
        raise
    return database


def _add_later_columns(database: sqlite3.Connection) -> None:
    """Bring a database of an earlier nbflow up to date; nothing of it is changed otherwise."""
    there = {row[1] for row in database.execute("PRAGMA table_info(runs)")}
    if there.issuperset(_LATER_COLUMNS):
        return
    with _transaction(database):
        there = {row[1] for row in database.execute("PRAGMA table_info(runs)")}
        for name in [name for name in _LATER_COLUMNS if name not in there]:
            database.execute(f"ALTER TABLE runs ADD COLUMN {name} {_LATER_COLUMNS[name]}")


@contextmanager
def _transaction(database: sqlite3.Connection) -> Generator[None]:
    # A lock that is asked for only at the first write may be refused without waiting.
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _left_by_the_dead(database: sqlite3.Connection) -> list[str]:
    return [run for run, owner in database.execute(_UNFINISHED).fetchall() if is_gone(owner)]


def _crashed(run: str, path: list[Transition], at: float) -> Transition:
    attempt, loop = (path[-1].attempt, path[-1].loop) if path else (1, 1)
    message = "the kernel that ran this has ended"
    return Transition(run, attempt, loop, at, StateType.CRASHED.value, "Crashed", message)
