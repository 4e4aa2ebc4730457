"""Paths that a cell only has at hand."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from nbflow.analysis.idle import running
from nbflow.engine.book import read_body
from nbflow.engine.declared import Declared, declared_body
from nbflow.testing import Notebook

CONFIGURE = [
    "OUT = 'o.csv'",
    "import os\nos.makedirs('out', exist_ok=True)\nOUT = 'out/o.csv'",
    "from pathlib import Path\nOUT = Path('out') / 'o.csv'\nOUT.parent.mkdir(exist_ok=True)",
    "import os\nOUT: str = os.path.join(os.getcwd(), 'o.csv')",
    "FILES = {'out': 'o.csv'}\nOUT = FILES['out']",
    "def where():\n    return 'o.csv'\nOUT = 'o.csv'",
    "class Files:\n    out = 'o.csv'\n    def all(self):\n        return ['o.csv']\nOUT = Files.out",
]


class TestText:
    """What in a cell could open a file."""

    @pytest.mark.parametrize(
        ("source", "paths"),
        [
            ("OUT = 'a.csv'", set()),
            ("OUT = 'a.csv'\nread(OUT)", {"a.csv"}),
            ("OUT = 'a.csv'\npd.read_csv('b.csv')", {"b.csv"}),
            ("OUT = 'a.csv'\nread('b.csv')", {"a.csv", "b.csv"}),
            ("IN = 'a.csv'\np = os.path.abspath(IN)\npl.read_csv(p)", {"a.csv"}),
            ("IN = 'a*.csv'\nfor f in glob.glob(IN):\n    pl.read_csv(f)", {"a*.csv"}),
            ("class C:\n    name = 'a.csv'\npl.read_csv(C.name)", {"a.csv"}),
            ("IN = 'a.csv'\ny = load()['x']", {"a.csv"}),
            ("IN = 'a.csv'\ny = model.fit()", {"a.csv"}),
            ("IN = 'a.csv'\ny = stat(IN)", {"a.csv"}),
            ("def f(df=pl.read_csv('a.csv')):\n    return df", {"a.csv"}),
            ("class A(B):\n    path = 'a.csv'", {"a.csv"}),
            ("OUT = 'a.csv'\nos.makedirs(os.path.dirname(OUT), exist_ok=True)", set()),
            ("OUT = 'a.csv'\ndf.write_csv(os.path.abspath(OUT))", {"a.csv"}),
            ("A = 'a.csv'\nB = [A]\nread(B)", {"a.csv"}),
            ("def f():\n    return read('a.csv')", set()),
            ("def f():\n    return read('a.csv')\nf()", {"a.csv"}),
            ("def f():\n    return read('a.csv')\ndef g():\n    return f()\ng()", {"a.csv"}),
            ("@run_at_once\ndef f():\n    return read('a.csv')", {"a.csv"}),
            ("@task(retries=2)\ndef f():\n    return read('a.csv')", set()),
            ("class A:\n    x = read('a.csv')", {"a.csv"}),
            ("OUT = read('a.csv')", {"a.csv"}),
            ("OUT = 'a.csv' if there() else 'b.csv'", {"a.csv", "b.csv"}),
            ("if x:\n    OUT = 'a.csv'", {"a.csv"}),
            ("OUT = 'a.csv'\nOUT2 = OUT + '.b.csv'\nprint(OUT2)", set()),
        ],
    )
    def test_paths(self, source: str, paths: set[str]) -> None:
        """Those of what runs, and of what that uses."""
        assert read_body(source).paths == paths

    def test_order(self) -> None:
        """What runs stays in order."""
        cell = ast.parse("A = 'a.csv'\nread(B)\nB = 'b.csv'\nread(A)").body
        assert running(cell) == cell


@pytest.mark.usefixtures("outside")
class TestNotebook:
    """A file that a task writes is named above it."""

    @pytest.mark.parametrize("source", CONFIGURE)
    def test_its_name_is_no_input(self, source: str) -> None:
        """Nothing is stale after a run, whether the file is new or was there before."""
        notebook = Notebook()
        cells = [
            notebook.add("import pandas as pd", plain=True),
            notebook.add(source, plain=True),
            notebook.add("a = pd.DataFrame({'x': [1]})"),
            notebook.add("a.to_csv(OUT)\nwritten = len(a)"),
        ]
        notebook.run_all()
        assert [notebook.verdict(cell).value for cell in cells] == ["fresh"] * 4
        notebook.edit(cells[2], "a = pd.DataFrame({'x': [1, 2]})")
        notebook.run_all()
        assert [notebook.verdict(cell).value for cell in cells] == ["fresh"] * 4
        assert notebook.names["written"] == 2

    @pytest.mark.parametrize(
        ("at_hand", "reads"),
        [
            ("IN = 'i.parquet'", "y = int(pl.read_parquet(IN)['x'].sum())"),
            ("IN = {'in': 'i.parquet'}", "y = int(pl.read_parquet(IN['in'])['x'].sum())"),
            ("class Files:\n    IN = 'i.parquet'", "y = int(pl.read_parquet(Files.IN)['x'].sum())"),
            ("def load():\n    return pl.read_parquet('i.parquet')", "y = int(load()['x'].sum())"),
            ("def load(path='i.parquet'):\n    return pl.read_parquet(path)", "y = int(load()['x'].sum())"),
        ],
    )
    def test_who_is_handed_it(self, at_hand: str, reads: str) -> None:
        """The file counts for who has a library open it that nobody sees."""
        polars = pytest.importorskip("polars")
        polars.DataFrame({"x": [1]}).write_parquet("i.parquet")
        notebook = Notebook()
        notebook.add("import polars as pl", plain=True)
        cell = notebook.add(at_hand, plain=True)
        task = notebook.add(reads)
        notebook.run_all()
        polars.DataFrame({"x": [7]}).write_parquet("i.parquet")
        assert [notebook.verdict(each).value for each in (cell, task)] == ["fresh", "stale"]

    def test_a_program_that_writes_what_is_declared(self) -> None:
        """Declared as written it is an output, and no input though the command names it."""
        Path("in.txt").write_text("1")
        notebook = Notebook(clock=time.time)
        source = "import subprocess\nsubprocess.run(['cp', 'in.txt', 'out.txt'], check=True)\nw = 1"
        task = notebook.add(source)
        notebook.step(task).body = declared_body(read_body(source), Declared(writes=("out.txt",)))
        for text in ("1", "2", "3"):
            Path("in.txt").write_text(text)
            notebook.run(task)
            assert Path("out.txt").read_text() == text
            assert not any("writes itself" in cause.subject for cause in notebook.why(task))


@pytest.mark.usefixtures("outside")
class TestLazily:
    """What has yet to be read names its files."""

    @pytest.mark.parametrize(
        ("made", "read"),
        [
            ("lf = pl.scan_parquet('i*.parquet')", "y = lf.collect()['x'].to_list()"),
            (
                "lf = pl.scan_parquet(['i.parquet']).filter(pl.col('x') > 0)",
                "y = lf.collect()['x'].to_list()",
            ),
            ("lf = pl.scan_parquet('i.parquet')", "y = pl.collect_all([lf])[0]['x'].to_list()"),
            ("lf = ds.dataset('.', format='parquet')", "y = lf.to_table()['x'].to_pylist()"),
        ],
    )
    def test_who_collects_it(self, made: str, read: str) -> None:
        """The files count for who collects it, whoever has made it."""
        polars = pytest.importorskip("polars")
        polars.DataFrame({"x": [1]}).write_parquet("i.parquet")
        notebook = Notebook()
        notebook.add(f"import polars as pl\nimport pyarrow.dataset as ds\n{made}", plain=True)
        task = notebook.add(read)
        notebook.run_all()
        notebook.run_all()
        assert notebook.log.count(task) == 1
        polars.DataFrame({"x": [7]}).write_parquet("i.parquet")
        assert notebook.verdict(task).value == "stale"
        notebook.run_all()
        assert notebook.names["y"] == [7]

    def test_a_new_file(self) -> None:
        """One that a pattern matches counts."""
        polars = pytest.importorskip("polars")
        polars.DataFrame({"x": [1]}).write_parquet("i1.parquet")
        notebook = Notebook()
        notebook.add("import polars as pl\nlf = pl.scan_parquet('i*.parquet')", plain=True)
        task = notebook.add("y = lf.collect()['x'].to_list()")
        notebook.run_all()
        polars.DataFrame({"x": [2]}).write_parquet("i2.parquet")
        assert notebook.verdict(task).value == "stale"

    def test_one_over_what_is_at_hand(self) -> None:
        """It reads no file."""
        notebook = Notebook()
        notebook.add("import polars as pl", plain=True)
        notebook.add("lf = pl.DataFrame({'x': [1, 2]}).lazy()")
        task = notebook.add("y = lf.collect()['x'].to_list()")
        notebook.run_all()
        assert notebook.verdict(task).value == "fresh"


@pytest.mark.usefixtures("outside")
class TestLeftOpen:
    """A file that a cell leaves open for writing."""

    def test_a_log(self) -> None:
        """It does not spoil the cell, and nobody is called fresh who reads the file."""
        notebook = Notebook()
        cell = notebook.add(
            "import logging\nlogging.getLogger('t').addHandler(logging.FileHandler('run.log'))",
            plain=True,
        )
        task = notebook.add("a = 1\nlogging.getLogger('t').warning('x')")
        reader = notebook.add("from pathlib import Path\ntext = Path('run.log').read_text()")
        notebook.run_all()
        try:
            assert [notebook.verdict(each).value for each in (cell, task, reader)] == [
                "fresh",
                "fresh",
                "as of",
            ]
            assert notebook.names["text"] == "x\n"
        finally:
            notebook.names["logging"].getLogger("t").handlers[0].close()

    def test_it_is_taken_away(self) -> None:
        """Who has left it open is told that it is missing."""
        notebook = Notebook()
        task = notebook.add("f = open('out.txt', 'w')\nq = 1")
        notebook.run(task)
        notebook.names["f"].close()  # type: ignore[attr-defined]
        assert notebook.verdict(task).value == "fresh"
        Path("out.txt").unlink()
        assert notebook.verdict(task).value == "stale"


@pytest.mark.usefixtures("outside")
class TestRemoved:
    """A file that one task writes, another reads, and a third takes away."""

    @pytest.mark.parametrize(
        ("takes", "verdict"),
        [
            ("os.remove('t.csv')", "fresh"),
            ("os.rename('t.csv', 'u.csv')", "as of"),
            ("__import__('shutil').move('t.csv', 'u.csv')", "as of"),
        ],
    )
    def test_nothing_is_stale(self, takes: str, verdict: str) -> None:
        """Its writer is not told that it is missing: a later task has the last word."""
        notebook = Notebook()
        cells = [
            notebook.add("import os", plain=True),
            notebook.add("from pathlib import Path\nPath('t.csv').write_text('1')\nw = 1"),
            notebook.add("a = Path('t.csv').read_text()"),
            notebook.add(f"{takes}\nr = 1"),
            notebook.add("there = os.path.exists('t.csv')"),
        ]
        for cell in cells:
            notebook.run(cell)
        assert [notebook.verdict(cell).value for cell in cells] == ["fresh"] * 3 + [verdict] * 2
        assert notebook.names["there"] is False
        assert [notebook.log.count(cell) for cell in cells] == [1] * 5
        notebook.edit(cells[1], "from pathlib import Path\nPath('t.csv').write_text('2')\nw = 1")
        notebook.run_all()
        assert (notebook.names["a"], notebook.names["there"]) == ("2", False)
        assert [notebook.verdict(cell).value for cell in cells] == ["fresh"] * 3 + [verdict] * 2
