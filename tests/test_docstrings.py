"""What documents functions, as an input of who looks at it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.engine.docstrings import DOCSTRING
from tests.cells import change, opened, root_cause, verdicts

if TYPE_CHECKING:
    from pathlib import Path

ONE, OTHER = "def f():\n 'one'\n return 1", "def f():\n 'other'\n return 1"


class TestReaders:
    """Who depends on a docstring."""

    @pytest.mark.parametrize(
        "reader", ["y = f.__doc__", "y = getattr(f, '__doc__')", "help(f)", "y = [f]", "y = f"]
    )
    def test_who_looks_or_holds(self, reader: str) -> None:
        """An edited docstring makes it stale, and the cause names the function and its cell."""
        notebook, cells = opened(ONE, reader, plain=(0,))
        assert verdicts(notebook) == ["fresh", "fresh"]
        change(notebook, cells[0], OTHER)
        cause = root_cause(notebook, cells[1])
        assert (cause.category, cause.subject, cause.origin) == ("code", "f", cells[0])
        assert notebook.flow().executed == [cells[1]]
        assert verdicts(notebook) == ["fresh", "fresh"]

    @pytest.mark.parametrize(
        "reader", ["y = f()", "y = list(map(lambda v: f(), [1]))", "y = max([1], key=lambda v: f())"]
    )
    def test_who_only_calls(self, reader: str) -> None:
        """It is not its input, and there is no such entry."""
        notebook, cells = opened(ONE, reader, plain=(0,))
        change(notebook, cells[0], OTHER)
        assert verdicts(notebook) == ["fresh", "fresh"]
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        assert not any(entry.looked.slot.kind == DOCSTRING for entry in trace.entries)

    def test_through_a_helper(self) -> None:
        """A helper that looks makes it an input of who calls the helper."""
        notebook, cells = opened(ONE, "def show(g): return g.__doc__", "y = show(f)", plain=(0, 1))
        change(notebook, cells[0], OTHER)
        assert notebook.flow().executed == [cells[2]]
        assert notebook.names["y"] == "other"

    def test_going_back_is_a_hit(self) -> None:
        """The docstring of before has its result of before."""
        notebook, cells = opened(ONE, "y = f.__doc__", plain=(0,))
        change(notebook, cells[0], OTHER)
        notebook.flow()
        change(notebook, cells[0], ONE)
        assert notebook.flow().executed == []
        assert notebook.names["y"] == "one"

    def test_a_function_of_a_task(self) -> None:
        """A docstring is no part of a task's code, so who looks at it is not called up to date."""
        notebook, _ = opened(ONE, "y = f.__doc__", "z = f()")
        assert verdicts(notebook) == ["fresh", "as of", "fresh"]


class TestModules:
    """Functions of the user's own modules."""

    SOURCE = "def f():\n '{}'\n return 1\ndef g():\n '{}'\n return 2\n"

    def test_by_the_attributes_used(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who holds one function of a module does not depend on what documents another."""
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        file = tmp_path / "documented_lib.py"
        file.write_text(self.SOURCE.format("one", "two"))
        notebook, cells = opened("import documented_lib as lib", "y = [lib.f]", "z = [lib.g]", "w = lib.f()")
        file.write_text(self.SOURCE.format("other", "two"))
        assert notebook.flow().executed == cells[:2]
        assert verdicts(notebook) == ["fresh"] * 4
        del sys.modules["documented_lib"]

    def test_a_table_has_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who looks at what a task has put into a table is up to date; who holds its function is not."""
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        (tmp_path / "documented_lib.py").write_text("CACHE = {}\nSCALE = 2\ndef f(): return 1\n")
        notebook, cells = opened(
            "import documented_lib as lib",
            "lib.CACHE['a'] = 1",
            "y = sorted(lib.CACHE) * lib.SCALE",
            "z = [lib.f]",
            plain=(0,),
        )
        assert notebook.names["y"] == ["a", "a"]
        assert verdicts(notebook) == ["fresh", "fresh", "fresh", "as of"]
        change(notebook, cells[1], "lib.CACHE['b'] = 1")
        assert notebook.flow().executed == [cells[2]]
        assert notebook.names["y"] == ["b", "b"]
        del sys.modules["documented_lib"]
