"""Rows of the history that the disk has changed: found, named, and taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nbflow.store.batches import is_readable
from nbflow.store.signing import DAMAGED, OTHER_KEY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

_NOTHING: Final = {"causes": "[]", "inputs": "{}"}
"""What stands for a text of a run that nobody can read."""


class Rotten(NamedTuple):
    """A row, or a part of one, that is not as it was written.

    Attributes:
        what: It, in words.
        why: Why it is not used.
        content: What stands there.
    """

    what: str
    why: str
    content: bytes


class Sealed(NamedTuple):
    """A row that is signed.

    Attributes:
        table: Where it stands.
        number: Of the row.
        what: It, in words.
        name: What it is signed as.
        sealed: Signature and content; anything else where the disk has changed it.
    """

    table: str
    number: int
    what: str
    name: str
    sealed: object


def snapshot_name(notebook: str) -> str:
    """What the snapshots of a notebook are signed as."""
    return f"snapshot:{notebook}"


def source_name(digest: str) -> str:
    """What the source text with that digest is signed as."""
    return f"source:{digest}"


def sealed_rows(database: sqlite3.Connection) -> Iterator[Sealed]:
    """Yield the rows that are signed; source texts of an earlier nbflow are not."""
    query = "SELECT rowid, notebook, number, sealed FROM snapshots"
    for row, notebook, number, sealed in database.execute(query):
        yield Sealed("snapshots", row, f"snapshot {_named(number)}", snapshot_name(notebook), sealed)
    query = "SELECT rowid, digest, text FROM sources WHERE typeof(text) != 'text'"
    for row, digest, sealed in database.execute(query):
        yield Sealed("sources", row, f"source {_named(digest)[:8]}", source_name(digest), sealed)


def sign(database: sqlite3.Connection, row: Sealed, sealed: bytes) -> None:
    """Put what is signed anew into its row."""
    column = "sealed" if row.table == "snapshots" else "text"
    database.execute(f"UPDATE {row.table} SET {column} = ? WHERE rowid = ?", (sealed, row.number))


def rotten_rows(database: sqlite3.Connection, refusal: Callable[[str, bytes], str]) -> list[Rotten]:
    """Find every row that is not as it was written, and take what is damaged out.

    Args:
        database: The history's.
        refusal: Why what is signed as that is not used; empty if it is.
    """
    return [*_runs(database), *_paths(database), *_signed(database, refusal)]


def _runs(database: sqlite3.Connection) -> Iterator[Rotten]:
    for id, *texts in database.execute("SELECT id, causes, inputs FROM runs").fetchall():
        for column, text in zip(_NOTHING, texts, strict=True):
            if not is_readable(column, text):
                database.execute(f"UPDATE runs SET {column} = ? WHERE id = ?", (_NOTHING[column], id))
                yield Rotten(f"{column} of run {_named(id)}", DAMAGED, _bytes(text))


def _paths(database: sqlite3.Connection) -> Iterator[Rotten]:
    for seq, run, text in database.execute("SELECT seq, run, transitions FROM paths").fetchall():
        if not is_readable("transitions", text):
            database.execute("DELETE FROM paths WHERE seq = ?", (seq,))
            yield Rotten(f"states of run {_named(run)}", DAMAGED, _bytes(text))


def _signed(database: sqlite3.Connection, refusal: Callable[[str, bytes], str]) -> Iterator[Rotten]:
    for row in list(sealed_rows(database)):
        why = refusal(row.name, row.sealed) if isinstance(row.sealed, bytes) else DAMAGED
        if why and why != OTHER_KEY:
            database.execute(f"DELETE FROM {row.table} WHERE rowid = ?", (row.number,))
        if why:
            yield Rotten(row.what, why, _bytes(row.sealed))


def _named(told: object) -> str:
    """What stands there for a name, on a line: it may be anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(told)[:40])


def _bytes(content: object) -> bytes:
    return content if isinstance(content, bytes) else str(content).encode(errors="surrogatepass")
