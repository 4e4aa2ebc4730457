"""Connections to databases: what they answer lies outside, so that nobody uses one up by asking."""

from __future__ import annotations

import re
from functools import lru_cache
from sqlite3 import Connection
from typing import Any, Final

from nbflow.analysis.reach import Home, place_of

_PARTS: Final = ("cursor", "commit", "rollback", "close")
"""What every connection of Python's database interface has (PEP 249), and no cursor."""

_CONTENT: Final = """
select database_name, schema_name, table_name, sql, estimated_size from duckdb_tables()
union all
select database_name, schema_name, view_name, sql, 0 from duckdb_views() where not internal
order by all
"""

_WRITES: Final = re.compile(
    r"\b(?:insert\s+(?:or\s+\w+\s+)?into|replace\s+into|merge\s+into|delete\s+from|update\s+\S+\s+set"
    r"|(?:create|drop|alter)\s+(?:or\s+replace\s+)?\w+\s+\S|truncate\s|attach\s|detach\s|copy\s+\w+\s+from"
    r"|pragma\s+[\w.]+\s*=|(?:set|reset)\s+(?:global|session|local)\s|call\s+\w+\s*\(|begin\b|commit\b|rollback\b)"
    r"|\.(?:commit|rollback|begin|register|unregister|executemany|executescript|backup|deserialize|append"
    r"|create_\w+|set_\w+|enable_\w+|load_\w+|install_\w+|to_sql|write_database)\s*\("
    r"|\.(?:row_factory|text_factory|isolation_level|autocommit)\s*=[^=]",
    re.IGNORECASE,
)


def is_connection(value: object) -> bool:
    """Whether a value is an open way to a database that a library has made.

    Example:
        >>> import sqlite3
        >>> made = sqlite3.connect(":memory:")
        >>> is_connection(made), is_connection(made.cursor())
        (True, False)
        >>> made.close()
    """
    return _is_kind(type(value))


@lru_cache(maxsize=4096)
def _is_kind(kind: type) -> bool:
    is_one = all(callable(getattr(kind, part, None)) for part in _PARTS)
    return is_one and place_of(str(kind.__module__)).home is not Home.LOCAL


def state_of(value: Any) -> object:
    """What tells that something was written through a connection, or that it was set otherwise.

    It is the less the less a library tells. None where it cannot be asked any more, or not from here.

    Example:
        >>> import sqlite3
        >>> made = sqlite3.connect(":memory:")
        >>> before = state_of(made)
        >>> made.execute("select 1").fetchall(), state_of(made) == before
        ([(1,)], True)
        >>> made.close()
        >>> state_of(made) is None
        True
    """
    try:
        if isinstance(value, Connection):
            settings = value.row_factory, value.text_factory, value.isolation_level
            return (value.total_changes, value.in_transaction, *settings)
        if type(value).__qualname__ == "DuckDBPyConnection":
            # What was asked on the connection itself, and waits to be fetched, would be lost.
            with value.cursor() as beside:
                return beside.execute(_CONTENT).fetchall()
    except Exception:  # noqa: BLE001 - whatever a library raises that is closed, or asked in another thread
        return None
    return getattr(value, "closed", False), getattr(value, "open", True)


def may_write(source: str) -> bool:
    """Whether the text of a body says that it writes to a database, or sets a connection otherwise.

    Example:
        >>> may_write("con.execute('select a from t')"), may_write("con.execute('insert into t values (1)')")
        (False, True)
    """
    return _WRITES.search(source) is not None
