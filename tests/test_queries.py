"""Files that stand in the text of a query, and files that hold a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nbflow
from nbflow.analysis.queries import files_in
from tests.cells import change, opened, values, verdicts

if TYPE_CHECKING:
    from pathlib import Path

READ = "with open('out.csv') as file:\n    r = file.read()"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("select * from 'a.csv'", ({"a.csv"}, False)),
        ("from read_csv('d/*.csv') where kind = 'late'", ({"d/*.csv"}, False)),
        ("COPY (select 1) TO 'out.parquet' (format parquet)", ({"out.parquet"}, True)),
        ("create table t as select 1;\ncopy t to 'o.csv'", ({"o.csv"}, True)),
        ("copy t from 'a.csv'", ({"a.csv"}, False)),
        ("export database 'd/all'", ({"d/all"}, True)),
        ("attach 'a.duckdb' as a", ({"a.duckdb"}, False)),
        ("-- to 'b.csv'\nselect 'it''s late'", (set[str](), False)),
        ("we copy this to 'a.csv'", (set[str](), False)),
        ("select * from 's3://b/a.csv'", (set[str](), False)),
    ],
)
def test_what_a_text_names(text: str, files: tuple[set[str], bool]) -> None:
    """Quoted texts that may be paths, and whether the query writes one."""
    assert files_in(text) == files


class TestText:
    """What the analysis tells of calls that are given queries."""

    def test_a_reader(self) -> None:
        """The file is among the paths of the cell."""
        assert "d/a.csv" in nbflow.analyze("df = con.sql('''\n  select * from 'd/a.csv'\n''')").paths

    def test_a_writer(self) -> None:
        """Also where a part of the query is filled in, and where a helper is given it."""
        for call in "con.execute(f\"copy (select {K}) to 'out_{K}.csv'\")", "run(\"copy t to 'out_1.csv'\")":
            found = nbflow.analyze(call)
            assert "written: COPY" in found.effects
            assert found.paths & {"out_*.csv", "out_1.csv"}

    def test_a_text_at_hand(self) -> None:
        """Who only writes it down writes no file."""
        assert nbflow.analyze("QUERY = \"copy t to 'out.csv'\"").effects == frozenset()


class TestFiles:
    """Tasks with queries that read and write files."""

    def test_who_reads_what_a_query_writes(self) -> None:
        """Is stale with it, and one run of the flow brings both up to date."""
        write = "duckdb.sql(f\"copy (select {K} as k) to 'out.csv'\")"
        notebook, cells = opened("import duckdb", "K = 2", write, READ, plain=(0, 1))
        assert values(notebook, "r") == ["k\n2\n"]
        change(notebook, cells[1], "K = 3")
        assert verdicts(notebook)[3] == "stale"
        notebook.flow()
        assert values(notebook, "r") == ["k\n3\n"]
        assert verdicts(notebook)[3] != "stale"

    def test_a_file_that_a_query_reads(self, tmp_path: Path) -> None:
        """It counts as one that Python opens."""
        (tmp_path / "a.csv").write_text("x\n1\n")
        query = "select sum(x) from read_csv('a.csv', header = true)"
        notebook, _ = opened("import duckdb", f'q = duckdb.sql("{query}").fetchall()', plain=(0,))
        (tmp_path / "a.csv").write_text("x\n100\n")
        assert verdicts(notebook)[1] == "stale"
        notebook.flow()
        assert values(notebook, "q") == [[(100,)]]

    def test_a_database_that_a_task_makes(self) -> None:
        """It runs once, and is not void for what it has written itself."""
        write = (
            "with duckdb.connect('a.duckdb') as con:\n"
            "    con.execute(f'create or replace table t as select {K} as k')\nw = K"
        )
        read = "with duckdb.connect('a.duckdb') as con:\n    r = con.execute('from t').fetchall()"
        notebook, cells = opened("import duckdb", "K = 2", write, read, plain=(0, 1))
        assert verdicts(notebook)[2:] == ["as of", "as of"]
        change(notebook, cells[1], "K = 3")
        notebook.flow()
        assert values(notebook, "w", "r") == [3, [(3,)]]
        assert verdicts(notebook)[2:] == ["as of", "as of"]
