"""Connections to databases: who only asks does not use them up, and what they answer is never up to date."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from nbflow.store.connections import is_connection, state_of
from tests.cells import change, opened, values, verdicts
from tests.kernel_job import Job
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbflow.testing import Notebook

SQLITE = "import sqlite3\ncon = sqlite3.connect('t.db')"
CREATE = "con.execute('create table t as select 1 as a')"
IN_MEMORY = f"import sqlite3\ncon = sqlite3.connect(':memory:')\n{CREATE}"
DUCKDB = f"import duckdb\ncon = duckdb.connect()\n{CREATE}"
ASKS = "{} = con.execute('select a + {} from t').fetchone()[0]"


@pytest.fixture(autouse=True)
def _database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("t.db") as made:
        made.execute("create table t as select 1 as a")
    made.close()


def asked(connect: str) -> tuple[Notebook, list[str]]:
    """A plain cell that connects, and two queries."""
    return opened(connect, ASKS.format("q", 1), ASKS.format("r", 2), plain=(0,))


class TestQueries:
    """Tasks that ask one connection of a plain cell that only the user starts."""

    @pytest.mark.parametrize("connect", [SQLITE, IN_MEMORY, DUCKDB])
    def test_an_edited_one_runs(self, connect: str) -> None:
        """Again and again, and the other stays as it is."""
        notebook, cells = asked(connect)
        for number in 5, 6:
            change(notebook, cells[1], ASKS.format("q", number))
            assert values(notebook, "q", "r") == [1 + number, 3]
        change(notebook, cells[2], ASKS.format("r", 7))
        assert values(notebook, "q", "r") == [7, 8]
        assert notebook.log == [cells[1], cells[1], cells[2]]
        assert verdicts(notebook) == ["as of"] * 3

    def test_they_hang_on_whoever_connects(self) -> None:
        """Another connection makes them stale."""
        notebook, cells = asked(SQLITE)
        notebook.run(cells[0])
        assert verdicts(notebook) == ["as of", "stale", "stale"]
        notebook.flow()
        assert notebook.log[1:] == cells[1:]

    def test_a_cursor_of_its_own(self) -> None:
        """What a query leaves under a name is no part of the connection."""
        cursor = "cur = con.cursor()\nq = cur.execute('select a + {} from t').fetchone()[0]"
        notebook, cells = opened(SQLITE, cursor.format(1), ASKS.format("r", 2), plain=(0,))
        change(notebook, cells[1], cursor.format(4))
        assert values(notebook, "q") == [5]
        assert verdicts(notebook) == ["as of"] * 3

    def test_through_a_helper(self) -> None:
        """That reads it as a global."""
        helper = "def ask(text):\n    return con.execute(text).fetchone()[0]"
        ask = "q = ask('select a + {} from t')"
        notebook, cells = opened(SQLITE, helper, ask.format(1), ASKS.format("r", 2), plain=(0, 1))
        change(notebook, cells[2], ask.format(4))
        assert values(notebook, "q") == [5]
        assert verdicts(notebook)[2:] == ["as of"] * 2

    def test_where_nobody_saw_that_it_connects(self) -> None:
        """They are as of then, for what they hold is a connection."""
        unseen = "connect = getattr(__import__('sqlite3'), 'con' + 'nect')\ncon = connect('t.db')"
        notebook, cells = asked(unseen)
        causes = notebook.judgement(cells[1]).causes
        assert ("outside", "database: con") in [(cause.category, cause.subject) for cause in causes]


class TestWriters:
    """Tasks that change what others find through a connection."""

    WRITES = (
        "con.execute('insert into t values (7)')",
        "con.execute('create table u as select 2 as b')",
        "con.execute('update t set a = 3')",
        "con.execute('pragma user_version = 3')",
        "con.row_factory = lambda cursor, row: row",
        "con.create_function('twice', 1, lambda x: 2 * x)",
    )

    @pytest.mark.parametrize("write", WRITES)
    @pytest.mark.parametrize("connect", [SQLITE, IN_MEMORY])
    def test_readers_hang_on_them(self, connect: str, write: str) -> None:
        """Who reads the connection below is not as of what it answered before they are edited."""
        notebook, cells = opened(connect, f"{write}\nn = 1", ASKS.format("r", 2), plain=(0,))
        change(notebook, cells[1], f"{write}\nn = 2")
        assert verdicts(notebook)[2] in ("stale", "waits")  # whose file it is has changed, too

    @pytest.mark.parametrize(
        "write",
        [
            "con.register('v', frame)",
            "con.execute('update t set a = 3')",
            "con.execute('create temp table u as select 2 as b')",
            "add(con)",
        ],
    )
    def test_of_duckdb(self, write: str) -> None:
        """By what they say, or by what is in its tables then."""
        start = f"{DUCKDB}\nimport pandas as pd\nframe = pd.DataFrame(dict(b=[1]))"
        helper = "def add(con):\n    con.execute('insert into t values (7)')"
        sources = start, helper, f"{write}\nn = 1", ASKS.format("r", 2)
        notebook, cells = opened(*sources, plain=(0, 1))
        change(notebook, cells[2], f"{write}\nn = 2")
        assert verdicts(notebook)[3] in ("stale", "waits")

    def test_one_that_closes_it(self) -> None:
        """Nobody can ask it any more, so that is a change."""
        notebook, cells = opened(SQLITE, ASKS.format("q", 1), "con.close()\nz = 1", plain=(0,))
        change(notebook, cells[1], ASKS.format("q", 2))
        assert verdicts(notebook)[1:] == ["waits", "waits"]


Own = type("Own", (), dict.fromkeys(("cursor", "commit", "rollback", "close"), lambda _: None))


class TestState:
    """What tells that somebody wrote through a connection."""

    @pytest.mark.parametrize("connect", [sqlite3.connect, duckdb.connect])
    def test_of_a_connection(self, connect: Callable[[str], Any]) -> None:
        """Asking changes nothing; of a closed one nobody can tell."""
        made = connect(":memory:")
        made.execute("create table t as select 1 as a")
        assert is_connection(made)
        before = state_of(made)
        made.execute("select * from t").fetchall()
        assert state_of(made) == before
        made.execute("insert into t values (2)")
        assert state_of(made) not in (before, None)
        made.close()
        assert state_of(made) is None

    def test_what_waits_to_be_fetched(self) -> None:
        """Looking takes nothing away from the user."""
        made = duckdb.connect()
        made.execute("select 5")
        state_of(made)
        assert made.fetchall() == [(5,)]

    def test_what_is_none(self) -> None:
        """Cursors, and what is the user's own, may be used up."""
        with sqlite3.connect(":memory:") as made:
            others = made.cursor(), Own(), 1, sqlite3.Connection, iter(())
            assert not any(map(is_connection, others))
        made.close()


@pytest.mark.process
def test_queries_in_a_kernel(tmp_path: Path) -> None:
    """Each edited query runs by its cell or with the flow, without the cell that connects."""
    with Kernel(tmp_path) as kernel:
        cells = {"ext": "%load_ext nbflow", "con": f"import pandas as pd\n{SQLITE}", "k": "K = 1"}
        task = "#@task q\nq = int(pd.read_sql(f'select a + {K} as s from t', con).s[0])"
        job = Job(kernel, tmp_path, {**cells, "q": task, "r": f"#@task r\n{ASKS.format('r', 2)}"})
        job.run_all()
        job.run(q=task.replace("+", "-"))
        assert not job.shown.error
        assert kernel.value("(q, r)") == "(0, 3)"
        job.run(k="K = 2")
        assert job.flow() == ["q"]
        assert kernel.value("(q, r)") == "(-1, 3)"
