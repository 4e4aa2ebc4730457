"""Variables that stand in texts."""

from __future__ import annotations

import pytest

from nbflow.analysis import analyze
from nbflow.analysis.formulas import names_for
from nbflow.testing import Notebook

FRAME = "import pandas as pd\ndf = pd.DataFrame({'a': [1, 2, 3]})"


class TestTexts:
    """What a call looks up by its text."""

    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("df.query('a > @K')", {"df", "K"}),
            ("df.query(expr='a > @K.x and b < @ L')", {"df", "K", "L"}),
            ("df.query(f'{column} > @K')", {"df", "column", "K"}),
            ("df.eval('b = a * @K', inplace=False)", {"df", "K"}),
            ("df.query('name == \"me@K\" and `a @b` > 1')", {"df"}),
            ("import pandas\npandas.eval('df.a + K')", {"df", "K"}),
            ("import numexpr as n\nn.evaluate('x * y')", {"x", "y"}),
            ("smf.ols('late ~ bs(delay) + np.log(x)', data=df)", {"smf", "df", "bs", "np"}),
            ("ols(formula=f'late ~ {what} + cut(delay)', data=df)", {"ols", "df", "what", "cut"}),
            ("open('~/late.csv')", set[str]()),
        ],
    )
    def test_variables_are_read(self, source: str, names: set[str]) -> None:
        """Those that stand behind `@`, in expressions, and as functions in formulas; columns are none."""
        found = analyze(source)
        assert found.reads | found.maybe_reads == names
        assert not found.effects

    @pytest.mark.parametrize(
        ("statement", "names"),
        [
            ("select sum(a) from df", {"df"}),
            (
                'SELECT * FROM df AS d, "other" JOIN third USING (k) -- from nobody',
                {"df", "d", "other", "third"},
            ),
            ("with q as (select 1 from df) select * from q", {"df", "q"}),
            ("from df select a where b > 'from c'", {"df"}),
            ("select * from 'f.csv' where extract(year from day) > 1", {"day"}),
            ("select * from main.df", {"main"}),
            ("-- all of it\n(select * from df)", {"df"}),
            ("rows from df", set[str]()),
        ],
    )
    def test_tables_of_sql(self, statement: str, names: set[str]) -> None:
        """What stands where SQL names tables may be a variable of the notebook."""
        for call in ("con.sql", "con.query", "con.execute"):
            found = analyze(f"{call}({statement!r})")
            assert found.reads | found.maybe_reads == {"con"} | names
        assert set(names_for(statement, ("duckdb", "sql"))) == names

    def test_functions_that_take_sql(self) -> None:
        """Imported by themselves, too; other functions of that name take none."""
        found = analyze("from duckdb import sql as ask\nask('select * from df')")
        assert found.maybe_reads == {"df"}
        assert not analyze("from other import sql\nsql('select * from df')").maybe_reads

    def test_a_context_of_all_frames(self) -> None:
        """Nobody knows which names it is asked for later."""
        assert analyze("import polars as pl\nc = pl.SQLContext(register_globals=True)").effects
        assert not analyze("import polars as pl\nc = pl.SQLContext(df=df)").effects

    @pytest.mark.parametrize("source", ["df.query(text)", "df.eval('a > {}'.format(x))", "pd.eval(text)"])
    def test_computed_texts_may_name_anything(self, source: str) -> None:
        """No analysis tells which names they hold."""
        assert [effect.partition(": ")[0] for effect in analyze(source).effects] == ["names"]

    @pytest.mark.parametrize("source", ["model.eval()", "tree.query(points, k=2)", "column.list.eval(f(1))"])
    def test_others_of_that_name_look_up_nothing(self, source: str) -> None:
        """Models are set to evaluation, trees are asked for neighbours."""
        assert not analyze(source).effects

    def test_texts_of_compiled_code(self) -> None:
        """Whether a text names variables is told by what the code around it uses."""
        assert names_for("a > @K", ("query",)) == ["K"]
        assert names_for("K + 1", ("pd", "eval")) == ["K"]
        assert names_for("a@K.org", ("send",)) == []


class TestInANotebook:
    """What reads a variable by a text depends on it."""

    @pytest.mark.parametrize(
        ("helper", "reader"),
        [
            ("pass", "n = len(df.query('a > @K'))"),
            ("pass", "n = df.pipe(lambda d: len(d.query('a > @K')))"),
            ("def count(d): return len(d.query('a > @K'))", "n = count(df)"),
            ("class C:\n def count(self, d): return len(d.query('a > @K'))\nc = C()", "n = c.count(df)"),
            ("pass", "n = int(pd.eval('K + 1'))"),
        ],
    )
    def test_a_changed_variable_makes_its_reader_stale(self, helper: str, reader: str) -> None:
        """Be the text in the cell, in a function or in a method; unchanged it stays fresh."""
        notebook = Notebook()
        notebook.add(FRAME, plain=True)
        limit = notebook.add("K = 2", plain=True)
        notebook.add(helper, plain=True)
        task = notebook.add(reader)
        notebook.run_all()
        before = notebook.names["n"]
        notebook.run_all()
        assert (notebook.verdict(task).value, notebook.log.count(task)) == ("fresh", 1)
        notebook.edit(limit, "K = 1")
        notebook.run(limit)
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["n"] != before
        assert notebook.verdict(task).value == "fresh"

    @pytest.mark.parametrize(
        "reader",
        [
            "text = 'a > @K'; n = len(df.query(text))",
            "n = 'K' in dir()",
            "import sys; n = sys._getframe().f_globals['K']",
            "n = count.__globals__['K']",
        ],
    )
    def test_names_that_nobody_sees_are_as_of(self, reader: str) -> None:
        """The result is reused knowingly, never fresh."""
        notebook = Notebook()
        notebook.add(FRAME, plain=True)
        notebook.add("K = 2", plain=True)
        notebook.add("def count(): return 1", plain=True)
        task = notebook.add(reader)
        notebook.run_all()
        assert notebook.verdict(task).value == "as of"

    @pytest.mark.parametrize(
        "reader",
        [
            "n = pl.sql('select sum(a) from df').collect().item()",
            "n = pl.SQLContext(register_globals=True).execute('select sum(a) from df').collect().item()",
        ],
    )
    def test_tables_that_sql_names(self, reader: str) -> None:
        """Who asks them is as of, as files may be asked the same way, and runs again when one has changed."""
        notebook = Notebook()
        notebook.add("import polars as pl", plain=True)
        frame = notebook.add("df = pl.DataFrame({'a': [1, 2]})")
        task = notebook.add(reader)
        notebook.run_all()
        assert (notebook.names["n"], notebook.verdict(task).value) == (3, "as of")
        notebook.edit(frame, "df = pl.DataFrame({'a': [1, 30]})")
        notebook.run(frame)
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert (notebook.names["n"], notebook.verdict(task).value) == (31, "as of")
