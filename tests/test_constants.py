"""Constants of a cell: what its text alone tells."""

from __future__ import annotations

import pytest

from nbflow.analysis import analyze
from nbflow.testing import Notebook
from tests.cells import causes, change, opened, verdicts

CLOCK = "import time\nnow = time.time()\n"


class TestConstants:
    """Which names are constants."""

    @pytest.mark.parametrize(
        "source",
        [
            "k = 1",
            "k = -1",
            "k: int = 1",
            "k = j = ('a', (1, None))",
            "import a.b as k",
            "from a import b as k",
            "def k(a, *, b=3): return a + z",
            "async def k(): pass",
            "class k:\n    '''Text.'''\n    unit = 1\n    def f(self): return z\n    pass",
        ],
    )
    def test_what_stands_there(self, source: str) -> None:
        """Numbers, texts, tuples of them, imports and plain definitions."""
        assert "k" in analyze(source).constants

    @pytest.mark.parametrize(
        "source",
        [
            "k = z",
            "k = [1]",
            "k = 1\nk += 1",
            "k = 1\nk = z",
            "k = 1\ndel k",
            "if z: k = 1",
            "for k in z: pass",
            "for _ in z: k = 1",
            "k = 1\ndef f():\n    global k\n    k = z",
            "k = 1\ntry: z()\nexcept OSError as k: pass",
            "k = 1\nmatch z:\n    case {**k}: pass",
            "k = 1\nmatch z:\n    case [*k]: pass",
            "k = 1\nmatch z:\n    case k: pass",
            "k = 1\n(k := z)",
            "k = 1\nfrom z import *",
            "k = 1\nexec(z)",
            "def k(a=z): pass",
            "@z\ndef k(): pass",
            "class k(z): pass",
            "class k:\n    unit = z",
            "class k:\n    def f(self, a=z): pass",
            "def k(): pass\nk.seen = z",
            "import k\nk.seen = z",
            "def k(): pass\nz(k)",
        ],
    )
    def test_what_something_else_has_a_part_in(self, source: str) -> None:
        """Is none."""
        assert "k" not in analyze(source).constants


class TestBelowTheOutsideWorld:
    """Readers of a cell that is *as of* what it read outside."""

    @pytest.mark.parametrize("outside", [CLOCK, "import sqlite3\nconn = sqlite3.connect(':memory:')\n"])
    def test_its_constants_are_constants(self, outside: str) -> None:
        """Who reads only these is up to date, and stale once they are edited."""
        notebook, (cell, reader) = opened(outside + "K = 3\ndef f(x): return x + 1", "a = f(K)", plain=(0,))
        assert verdicts(notebook) == ["as of", "fresh"]
        change(notebook, cell, outside + "K = 4\ndef f(x): return x + 1")
        assert causes(notebook, reader) == [("input", "K")]

    def test_what_the_world_has_a_part_in(self) -> None:
        """Is *as of* that."""
        notebook, _ = opened(CLOCK + "K = 3", "a = now + K", plain=(0,))
        assert verdicts(notebook) == ["as of", "as of"]

    def test_a_parameter_beside_it(self) -> None:
        """Is what it is set to."""
        notebook = Notebook()
        cell = notebook.add_parameters(CLOCK + "K = 3")
        reader = notebook.add("a = K")
        notebook.run_all()
        assert [notebook.verdict(each).value for each in (cell, reader)] == ["as of", "as of"]

    def test_a_cell_that_is_held(self) -> None:
        """Gives what it is held at, not what stands there."""
        notebook, (cell, reader) = opened(CLOCK + "K = 3", "a = K")
        notebook.only("cell_2")
        assert notebook.verdict(cell).value == "as of"
        assert notebook.verdict(reader).value in ("as of", "fresh")
