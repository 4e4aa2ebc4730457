"""Causes against the adversary: for each edit of a long list the exact cause, root cause first."""

# ruff: noqa: E501 - a cell of a table stays one line

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from nbflow.engine.keeping import Keeping
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeClock, Notebook
from nbflow.triggers import all_failed, manual_only
from nbflow.types import Cause, Hold
from nbflow.views.words import cause_words
from tests.cells import kept

if TYPE_CHECKING:
    from collections.abc import Callable

Told = tuple[Notebook, str]
"""A notebook after an edit, and the cell that is asked why."""

STAT = re.compile(r"\d+ B, changed [\d: -]{19}")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's folder, on the module search path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NBFLOW_CASE", "one")
    for name in [name for name in sys.modules if name.startswith("case_")]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return tmp_path


def run(*sources: str, store: Any = None) -> tuple[Notebook, list[str]]:
    """A notebook run once: cells that begin with `!` are plain and bear `cell N`, the others are tasks `tN`."""
    notebook = Notebook(store=store or kept(), clock=FakeClock())
    cells: list[str] = []
    for place, text in enumerate(sources):
        name = f"cell {place}" if text.startswith("!") else f"t{place}"
        cells.append(notebook.add(text.removeprefix("!"), plain=text.startswith("!"), name=name))
    notebook.run_all()
    return notebook, cells


def edited(*sources: str, place: int = 0, to: str) -> Told:
    """Such a notebook, one cell edited and run; the last cell is asked."""
    notebook, cells = run(*sources)
    notebook.edit(cells[place], to.removeprefix("!"))
    notebook.run(cells[place])
    return notebook, cells[-1]


def cause(
    category: str, subject: str, before: str = "", after: str = "", origin: str = "", part: str = ""
) -> Cause:
    """A cause, in the order in which people read it."""
    return Cause(category, subject, before, after, origin, part)


DECORATED = "!def dec(f):\n    def g(*a): return f(*a) + 1\n    return g\n@dec\ndef h(x): return x"

EDITS: dict[str, tuple[tuple[str, ...], int, str, list[Cause]]] = {
    # name: cells, which one is edited, its new text, the causes of the last cell
    "constant": (("!LATE = 15", "x = LATE"), 0, "!LATE = 18", [cause("input", "LATE", "15", "18", "cell 0")]),
    "text": (
        ("!PLACE = 'JFK'", "x = PLACE"),
        0,
        "!PLACE = 'EWR'",
        [cause("input", "PLACE", "'JFK'", "'EWR'", "cell 0")],
    ),
    "another type": (("!N = 1", "x = N"), 0, "!N = 1.0", [cause("input", "N", "1", "1.0", "cell 0")]),
    "key of a dict": (
        ("!P = {'lr': 0.1, 'depth': 3}", "x = P['lr']"),
        0,
        "!P = {'lr': 0.2, 'depth': 3}",
        [cause("input", "P", "0.1", "0.2", "cell 0", "['lr']")],
    ),
    "new key": (
        ("!P = {'lr': 0.1}", "x = len(P)"),
        0,
        "!P = {'lr': 0.1, 'n': 2}",
        [cause("input", "P", "not there", "2", "cell 0", "['n']")],
    ),
    "key that is gone": (
        ("!P = {'lr': 0.1, 'n': 2}", "x = len(P)"),
        0,
        "!P = {'lr': 0.1}",
        [cause("input", "P", "2", "not there", "cell 0", "['n']")],
    ),
    "nested key": (
        ("!P = {'model': {'lr': 0.1}, 'n': 2}", "x = str(P)"),
        0,
        "!P = {'model': {'lr': 0.2}, 'n': 2}",
        [cause("input", "P", "0.1", "0.2", "cell 0", "['model']['lr']")],
    ),
    "two keys": (
        ("!P = {'a': 1, 'b': 2}", "x = str(P)"),
        0,
        "!P = {'a': 3, 'b': 4}",
        [cause("input", "P", "1", "3", "cell 0", "['a']"), cause("input", "P", "2", "4", "cell 0", "['b']")],
    ),
    "secret key": (
        ("!P = {'password': 'abc', 'n': 1}", "x = len(str(P))"),
        0,
        "!P = {'password': 'abd', 'n': 1}",
        [cause("input", "P", "•••", "•••", "cell 0", "['password']")],
    ),
    "element of a list": (
        ("!P = [1, 2, 3]", "x = sum(P)"),
        0,
        "!P = [1, 9, 3]",
        [cause("input", "P", "2", "9", "cell 0", "[1]")],
    ),
    "longer list": (
        ("!P = list(range(50))", "x = sum(P)"),
        0,
        "!P = list(range(51))",
        [cause("input", "P", "not there", "50", "cell 0", "[50]")],
    ),
    "set": (
        ("!P = {1, 2}", "x = len(P)"),
        0,
        "!P = {1, 3}",
        [cause("input", "P", "{1, 2}", "{1, 3}", "cell 0")],
    ),
    "base class": (
        ("!class Base:\n    def go(self): return 1\nclass Kid(Base):\n    x = 1", "x = Kid().go()"),
        0,
        "!class Base:\n    def go(self): return 2\nclass Kid(Base):\n    x = 1",
        [cause("code", "Base", "def go(self): return 1", "def go(self): return 2", "cell 0", "line 2")],
    ),
    "base of a base": (
        ("!class A:\n    a = 1\nclass B(A): pass\nclass C(B): pass", "x = C.a"),
        0,
        "!class A:\n    a = 2\nclass B(A): pass\nclass C(B): pass",
        [cause("code", "A", "a = 1", "a = 2", "cell 0", "line 2")],
    ),
    "decorator": (
        (DECORATED, "x = h(1)"),
        0,
        DECORATED.replace("+ 1", "+ 2"),
        [
            cause(
                "code",
                "dec",
                "def g(*a): return f(*a) + 1",
                "def g(*a): return f(*a) + 2",
                "cell 0",
                "line 2",
            )
        ],
    ),
    "what a decorator is given": (
        ("!N = 1\ndef by(n): return lambda f: (lambda x: f(x) + n)\n@by(N)\ndef h(x): return x", "x = h(1)"),
        0,
        "!N = 2\ndef by(n): return lambda f: (lambda x: f(x) + n)\n@by(N)\ndef h(x): return x",
        [cause("input", "N", "1", "2", "cell 0")],
    ),
    "default of a function": (
        ("!D = 1\ndef h(x=D): return x", "x = h()"),
        0,
        "!D = 2\ndef h(x=D): return x",
        [cause("input", "D", "1", "2", "cell 0")],
    ),
    "closed-over number": (
        ("!def mk(n):\n    def g(x): return x + n\n    return g\nh = mk(1)", "x = h(1)"),
        0,
        "!def mk(n):\n    def g(x): return x + n\n    return g\nh = mk(2)",
        [cause("input", "n of h", "1", "2", "cell 0")],
    ),
    "closed-over secret": (
        ("!def mk(token):\n    def g(x): return x, token\n    return g\nh = mk('abc1def')", "x = h(1)"),
        0,
        "!def mk(token):\n    def g(x): return x, token\n    return g\nh = mk('abc2def')",
        [cause("code", "h", "", "", "cell 0")],
    ),
    "secret attribute": (
        ("!class C: pass", "!P = C(); P.password = 'abc1'", "x = 1 if P else 2"),
        1,
        "!P = C(); P.password = 'abc2'",
        [cause("input", "P", "•••", "•••", "cell 1", ".password")],
    ),
    "what is below a secret key": (
        ("!P = {'password': ['z' * 99], 'n': [1]}", "x = len(P)"),
        0,
        "!P = {'password': ['z' * 98 + 'y'], 'n': [2]}",
        [
            cause("input", "P", "•••", "•••", "cell 0", "['password']"),
            cause("input", "P", "1", "2", "cell 0", "['n'][0]"),
        ],
    ),
    "another module": (
        ("!import math as mm", "x = mm.sqrt(4)"),
        0,
        "!import cmath as mm",
        [cause("input", "mm", "math", "cmath", "cell 0")],
    ),
    "class of an instance": (
        ("!class M:\n    def p(self): return 1\nm = M()", "x = m.p()"),
        0,
        "!class M:\n    def p(self): return 2\nm = M()",
        [cause("code", "M", "def p(self): return 1", "def p(self): return 2", "cell 0", "line 2")],
    ),
    "function in a dict": (
        ("!def f(x): return 1\nR = {'f': f}", "x = R['f'](1)"),
        0,
        "!def f(x): return 2\nR = {'f': f}",
        [cause("code", "f", "def f(x): return 1", "def f(x): return 2", "cell 0", "line 1")],
    ),
    "function in a partial": (
        ("!from functools import partial\ndef f(a, b): return a + b\nh = partial(f, 1)", "x = h(1)"),
        0,
        "!from functools import partial\ndef f(a, b): return a - b\nh = partial(f, 1)",
        [cause("code", "f", "def f(a, b): return a + b", "def f(a, b): return a - b", "cell 0", "line 1")],
    ),
    "what a partial is given": (
        ("!from functools import partial\ndef f(a, b): return a + b\nh = partial(f, 1)", "x = h(1)"),
        0,
        "!from functools import partial\ndef f(a, b): return a + b\nh = partial(f, 2)",
        [cause("input", "what h is given", "(1,)", "(2,)", "cell 0")],
    ),
    "element of a matrix": (
        ("!import numpy as np\nP = np.zeros((3, 3))", "x = P.sum()"),
        0,
        "!import numpy as np\nP = np.zeros((3, 3)); P[1, 2] = 5",
        [cause("input", "P", "0.0", "5.0", "cell 0", "[1, 2]")],
    ),
    "type of a column": (
        ("!import pandas as pd\nP = pd.DataFrame({'a': [1, 2]})", "x = P.a.sum()"),
        0,
        "!import pandas as pd\nP = pd.DataFrame({'a': [1.0, 2.0]})",
        [cause("input", "P", "int64", "float64", "cell 0", "['a'].dtype")],
    ),
    "long text": (
        ("!P = 'x' * 500", "x = len(P)"),
        0,
        "!P = 'x' * 499 + 'y'",
        [cause("input", "P", "'x'", "'y'", "cell 0", "[499:]")],
    ),
    "element of an array": (
        ("!import numpy as np\nP = np.arange(4)", "x = int(P.sum())"),
        0,
        "!import numpy as np\nP = np.array([0, 1, 2, 7])",
        [cause("input", "P", "3", "7", "cell 0", "[3]")],
    ),
    "shape of an array": (
        ("!import numpy as np\nP = np.arange(4)", "x = int(P.sum())"),
        0,
        "!import numpy as np\nP = np.arange(5)",
        [cause("input", "P", "ndarray, 4", "ndarray, 5", "cell 0")],
    ),
    "cell of a frame": (
        ("!import pandas as pd\nP = pd.DataFrame({'a': [1, 2], 'b': [3, 4]})", "x = int(P.a.sum())"),
        0,
        "!import pandas as pd\nP = pd.DataFrame({'a': [1, 2], 'b': [3, 5]})",
        [cause("input", "P", "4", "5", "cell 0", "['b'][1]")],
    ),
    "new column": (
        ("!import pandas as pd\nP = pd.DataFrame({'a': [1, 2]})", "x = int(P.a.sum())"),
        0,
        "!import pandas as pd\nP = pd.DataFrame({'a': [1, 2], 'b': [3, 5]})",
        [cause("input", "P", "not there", "Series, 2", "cell 0", "['b']")],
    ),
    "cell of a Polars frame": (
        ("!import polars as pl\nP = pl.DataFrame({'a': [1, 2]})", "x = P['a'].sum()"),
        0,
        "!import polars as pl\nP = pl.DataFrame({'a': [1, 5]})",
        [cause("input", "P", "2", "5", "cell 0", "['a'][1]")],
    ),
    "attribute": (
        ("!class C:\n    def __init__(self, n): self.n = n", "!P = C(1)", "x = P.n"),
        1,
        "!P = C(2)",
        [cause("input", "P", "1", "2", "cell 1", ".n")],
    ),
    "line of a helper": (
        ("!def f(x):\n    y = x\n    return y + 1", "x = f(1)"),
        0,
        "!def f(x):\n    y = x\n    return y + 2",
        [cause("code", "f", "return y + 1", "return y + 2", "cell 0", "line 3")],
    ),
    "line added to a helper": (
        ("!def f(x):\n    return x", "x = f(1)"),
        0,
        "!def f(x):\n    x += 1\n    return x",
        [cause("code", "f", "not there", "x += 1", "cell 0", "line 2")],
    ),
    "helper of a helper": (
        ("!def g(x): return x + 1\ndef f(x): return g(x)", "x = f(1)"),
        0,
        "!def g(x): return x + 2\ndef f(x): return g(x)",
        [cause("code", "g", "def g(x): return x + 1", "def g(x): return x + 2", "cell 0", "line 1")],
    ),
    "constant of a helper": (
        ("!K = 1", "!def f(x): return x + K", "x = f(1)"),
        0,
        "!K = 2",
        [cause("input", "K", "1", "2", "cell 0")],
    ),
    "default of a helper": (
        ("!def f(x, n=1): return x + n", "x = f(1)"),
        0,
        "!def f(x, n=2): return x + n",
        [
            cause(
                "code", "f", "def f(x, n=1): return x + n", "def f(x, n=2): return x + n", "cell 0", "line 1"
            )
        ],
    ),
    "lambda": (
        ("!f = lambda x: x + 1", "x = f(1)"),
        0,
        "!f = lambda x: x + 2",
        [cause("code", "f", "f = lambda x: x + 1", "f = lambda x: x + 2", "cell 0", "line 1")],
    ),
    "closure": (
        ("!def make(n):\n    def f(x): return x + n\n    return f\nf = make(1)", "x = f(1)"),
        0,
        "!def make(n):\n    def f(x): return x + n\n    return f\nf = make(2)",
        [cause("input", "n of f", "1", "2", "cell 0")],
    ),
    "method": (
        ("!class M:\n    def p(self): return 1", "x = M().p()"),
        0,
        "!class M:\n    def p(self): return 2",
        [cause("code", "M", "def p(self): return 1", "def p(self): return 2", "cell 0", "line 2")],
    ),
    "function that became a value": (
        ("!def f(): return 1", "x = str(f)[:1]"),
        0,
        "!f = 3",
        [cause("input", "f", "function", "3", "cell 0")],
    ),
    "helper that reads something new": (
        ("!K = 3", "!def f(): return 1", "x = f()"),
        1,
        "!def f(): return K",
        [
            cause("code", "f", "def f(): return 1", "def f(): return K", "cell 1", "line 1"),
            cause("input", "K", "not read", "read", "cell 0"),
        ],
    ),
    "two changes at once, one by a helper": (
        ("!def f(x): return x\nK = 1", "x = f(K)"),
        0,
        "!def f(x): return -x\nK = 2",
        [
            cause("input", "K", "1", "2", "cell 0"),
            cause("code", "f", "def f(x): return x", "def f(x): return -x", "cell 0", "line 1"),
        ],
    ),
    "task above": (
        ("a = 1", "b = a + 1", "c = b + 1"),
        0,
        "a = 2",
        [cause("input", "a", "1", "2", "t0"), cause("upstream", "b", "", "stale", "t1")],
    ),
    "task far above": (
        ("a = 1", "b = a + 1", "c = b + 1", "d = c + 1"),
        0,
        "a = 2",
        [
            cause("input", "a", "1", "2", "t0"),
            cause("upstream", "c", "", "stale", "t2"),
            cause("upstream", "b", "", "stale", "t1"),
        ],
    ),
    "task above that failed": (
        ("a = 1", "b = a + 1"),
        0,
        "a = 1/0",
        [
            cause("failed", "t0", "", "ZeroDivisionError: division by zero", "t0"),
            cause("input", "a", "1", "no value", "t0"),
            cause("upstream", "a", "", "stale", "t0"),
        ],
    ),
    "unstorable": (
        ("import threading\ng = threading.Lock()", "y = g.locked()"),
        0,
        "import threading\nq = 1\ng = threading.Lock()",
        [cause("input", "g", "lock", "lock", "t0")],
    ),
    "unit": (
        ("a = [1]\nb = a", "b.append(2)\ny = a"),
        0,
        "a = [1]\nb = [1]",
        [
            cause("input", "a", "[1], shared with b", "[1]", "t0"),
            cause("input", "b", "[1], shared with a", "[1]", "t0"),
        ],
    ),
    "random state": (
        ("!import random\nrandom.seed(1)", "x = random.random()"),
        0,
        "!import random\nrandom.seed(2)",
        [cause("random", "random", origin="cell 0")],
    ),
    "numpy's random state": (
        ("!import numpy as np\nnp.random.seed(1)", "x = float(np.random.rand())"),
        0,
        "!import numpy as np\nnp.random.seed(2)",
        [cause("random", "numpy", origin="cell 0")],
    ),
    "task that writes a file": (
        ("with open('o.txt', 'w') as s: _n = s.write('1')", "with open('o.txt') as s: x = s.read()"),
        0,
        "with open('o.txt', 'w') as s: _n = s.write('22')",
        [cause("file", "o.txt", "1 B", "2 B", "t0")],
    ),
    "edited task that fails": (
        ("x = 1",),
        0,
        "x = 1/0",
        [cause("failed", "t0", "", "ZeroDivisionError: division by zero")],
    ),
}


def written(path: str, text: str) -> None:
    """Put a text into a file, whose folder is made."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def after_file(source: str, edit: Callable[[], object], path: str = "f.txt") -> Told:
    """A task that has read a file, after something happened to it."""
    written(path, "1")
    notebook, cells = run(source)
    edit()
    return notebook, cells[-1]


def module(source: str, *cells: str) -> Told:
    """Cells that use a module of the user's, edited afterwards."""
    written("case_module.py", "def f(): return 1\ndef g(): return 1\n")
    notebook, ids = run(*cells)
    written("case_module.py", source)
    return notebook, ids[-1]


def same_size_and_time() -> None:
    """Another content under the stat of before, but for what nobody can set."""
    stat = os.stat("f.txt")
    written("f.txt", "2")
    os.utime("f.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))


READ = "with open('f.txt') as s: x = s.read()"


def _file_content() -> Told:
    return after_file(READ, lambda: written("f.txt", "22"))


def _file_same_size() -> Told:
    return after_file(READ, same_size_and_time)


def _file_deleted() -> Told:
    return after_file(READ, lambda: os.remove("f.txt"))


def _file_appeared() -> Told:
    source = "try:\n    with open('none.txt') as s: x = s.read()\nexcept FileNotFoundError: x = ''"
    return after_file(source, lambda: written("none.txt", "1"))


def _asked_for_file_appeared() -> Told:
    notebook, cells = run("from pathlib import Path\nx = Path('none.txt').exists()")
    Path("none.txt").write_text("1")
    notebook.sweep.look_outside()
    return notebook, cells[0]


def _listing() -> Told:
    return after_file("import os\nx = sorted(os.listdir('d'))", lambda: written("d/b", "1"), "d/a")


def _glob() -> Told:
    return after_file(
        "import glob\nx = sorted(glob.glob('d/*.csv'))", lambda: os.rename("d/a.csv", "d/b.csv"), "d/a.csv"
    )


def _written_file_missing() -> Told:
    notebook, cells = run("with open('o.txt', 'w') as s: _n = s.write('1')")
    os.remove("o.txt")
    return notebook, cells[0]


def _written_file_changed_below() -> Told:
    notebook, cells = run(
        "with open('o.txt', 'w') as s: _n = s.write('1')", "with open('o.txt') as s: x = s.read()"
    )
    written("o.txt", "2")
    return notebook, cells[1]


def _own_file() -> Told:
    return after_file(
        "with open('f.txt', 'r+') as s:\n    n = int(s.read())\n    _n = s.write('2')", lambda: None
    )


def _environment(change: Callable[[], object]) -> Told:
    notebook, cells = run("import os\nx = os.environ.get('NBFLOW_CASE')")
    change()
    return notebook, cells[0]


def _environment_changed() -> Told:
    return _environment(lambda: os.environ.update(NBFLOW_CASE="two"))


def _environment_unset() -> Told:
    return _environment(lambda: os.environ.pop("NBFLOW_CASE"))


def _working_folder() -> Told:
    os.makedirs("sub")
    written("sub/f.txt", "1")
    return after_file(READ, lambda: os.chdir("sub"))


def _module_of_a_task() -> Told:
    return module("def f(): return 2\ndef g(): return 1\n", "import case_module\nx = case_module.f()")


def _module_of_a_plain_cell() -> Told:
    return module("def f(): return 1\ndef g(): return 2\n", "!import case_module", "x = case_module.f()")


def _function_of_a_module() -> Told:
    notebook, cell = module("def f(): return 2\ndef g(): return 1\n", "!from case_module import f", "x = f()")
    notebook.run(notebook.book.order[0])
    return notebook, cell


def _package() -> Told:
    notebook, cells = run("import pandas\nx = pandas.DataFrame({'a': [1]}).shape")
    step = notebook.step(cells[0])
    assert step.trace is not None
    entries = tuple(
        each._replace(digest="1.0", preview="1.0") if each.looked.slot.kind == "package" else each
        for each in step.trace.entries
    )
    step.trace = structs.replace(step.trace, entries=entries)
    notebook.sweep.touch(step)
    return notebook, cells[0]


def _parameter() -> Told:
    notebook = Notebook(store=kept())
    notebook.add_parameters("year = 2013")
    cell = notebook.add("x = year + 1", name="t1")
    notebook.run_all()
    notebook.set(year=2014)
    return notebook, cell


def _never_ran() -> Told:
    notebook = Notebook(store=kept())
    return notebook, notebook.add("x = 1", name="t0")


def _unverified() -> Told:
    notebook, cells = run("!LATE = 15", "x = LATE")
    notebook.restart()
    return notebook, cells[1]


def _restarted_and_changed() -> Told:
    notebook, cells = run("!LATE = 15", "x = LATE")
    notebook.restart()
    notebook.edit(cells[0], "LATE = 16")
    notebook.run(cells[0])
    return notebook, cells[1]


def _moved() -> Told:
    notebook, cells = run("x = 1", "y = x", "x = 2")
    notebook.move(cells[2], 1)
    return notebook, cells[1]


def _defined_below() -> Told:
    notebook, cells = run("x = 1", "y = x")
    notebook.move(cells[0], 1)
    return notebook, cells[1]


def _inserted() -> Told:
    notebook, cells = run("x = 1", "y = x")
    notebook.run(notebook.add("x = 5", at=1, name="mid"))
    return notebook, cells[1]


def _deleted() -> Told:
    notebook, cells = run("x = 1", "x = 2", "y = x")
    notebook.delete(cells[1])
    return notebook, cells[2]


def _deleted_by_a_cell() -> Told:
    notebook, cells = run("x = 1", "y = x")
    notebook.run(notebook.add("del x", plain=True, at=1, name="cell 9"))
    return notebook, cells[1]


def _changed_in_place() -> Told:
    notebook, cells = run("!d = [1]", "!d.append(2)", "y = len(d)")
    notebook.run(cells[1])
    return notebook, cells[2]


def _changed_in_place_by_a_new_cell() -> Told:
    notebook, cells = run("d = {'n': 1}", "y = len(d)")
    notebook.run(notebook.add("d['n'] = 2", plain=True, at=1, name="cell 9"))
    return notebook, cells[1]


def _builtin() -> Told:
    notebook, cells = run("x = len([1])")
    notebook.run(notebook.add("def len(v): return 7", plain=True, at=0, name="cell 9"))
    return notebook, cells[0]


def _clock() -> Told:
    notebook, cells = run("import datetime\nx = datetime.datetime.now()")
    return notebook, cells[0]


def _database() -> Told:
    notebook, cells = run(
        "import sqlite3\nc = sqlite3.connect(':memory:')\nx = c.execute('select 1').fetchall()\nc.close()\ndel c"
    )
    return notebook, cells[0]


def _names() -> Told:
    notebook, cells = run("!h = 1", "x = eval('h')")
    return notebook, cells[1]


def _expired() -> Told:
    notebook, cells = run("x = 1")
    notebook.let(cells[0], keeping=Keeping(at_most=60))
    notebook.clock.advance(100)  # type: ignore[attr-defined]
    return notebook, cells[0]


def _held() -> Told:
    notebook, cells = run("x = 1", "y = x")
    trace = notebook.step(cells[0]).trace
    assert trace is not None
    notebook.pin(cells[0], Hold(trace, "pin"))
    return notebook, cells[1]


def _held_and_changed_below() -> Told:
    notebook, cells = run("!K = 1", "x = K", "y = x")
    trace = notebook.step(cells[1]).trace
    notebook.edit(cells[0], "K = 2")
    notebook.run(cells[0])
    notebook.flow()
    assert trace is not None
    notebook.pin(cells[1], Hold(trace, "restore"))
    return notebook, cells[2]


def _held_at_another_text() -> Told:
    notebook, cells = run("x = 1")
    trace = notebook.step(cells[0]).trace
    notebook.edit(cells[0], "x = 2")
    notebook.run(cells[0])
    assert trace is not None
    notebook.pin(cells[0], Hold(trace, "pin"))
    return notebook, cells[0]


def _clock_above_and_a_file() -> Told:
    Path("f.txt").write_text("1")
    notebook, cells = run("import time\nx = time.time()", "with open('f.txt') as s: y = (x > 0, s.read())")
    Path("f.txt").write_text("22")
    notebook.sweep.look_outside()
    return notebook, cells[1]


def _clock_above() -> Told:
    notebook, cells = run("import time\nx = time.time()", "y = x > 0")
    return notebook, cells[1]


def _failed_then_changed() -> Told:
    notebook, cells = run("!K = 1", "x = 10 // K")
    for text in ("K = 0", "K = 2"):
        notebook.edit(cells[0], text)
        notebook.run(cells[0])
        if text == "K = 0":
            notebook.flow()
    return notebook, cells[1]


def _failed_and_unchanged() -> Told:
    notebook, cells = run("!K = 1", "x = 10 // K")
    notebook.edit(cells[0], "K = 0")
    notebook.run(cells[0])
    notebook.flow()
    return notebook, cells[1]


def _waits() -> Told:
    notebook, cells = run("raw = [3, 20]", "!LATE = max(raw)", "x = LATE")
    notebook.edit(cells[0], "raw = [3, 21]")
    notebook.run(cells[0])
    notebook.edit(cells[1], "LATE = max(raw) + 0")
    return notebook, cells[2]


def _waits_for_two() -> Told:
    notebook, cells = run(
        "raw = [3, 20]",
        "!import os\n_ = os.system('true')\nA = max(raw)",
        "!_ = os.system('true')\nB = A + 1",
        "x = B",
    )
    notebook.edit(cells[0], "raw = [3, 21]")
    notebook.run(cells[0])
    return notebook, cells[3]


def _manual() -> Told:
    notebook, cells = run("x = 1", "y = 2")
    notebook.let(cells[0], trigger=manual_only)
    notebook.edit(cells[0], "x = 3")
    notebook.run(cells[0])
    return notebook, cells[0]


def _trigger() -> Told:
    notebook = Notebook(store=kept())
    notebook.add("x = 1", name="a")
    cell = notebook.let(notebook.add("try: x\nexcept NameError: pass\ny = 1", name="b"), trigger=all_failed)
    notebook.run_all()
    return notebook, cell


def _skipped() -> Told:
    notebook = Notebook(store=kept())
    notebook.add("from nbflow.engine import signals\nraise signals.SKIP('no data')", name="a")
    cell = notebook.let(notebook.add("y = 1", name="b"), after=frozenset({"a"}))
    notebook.run_all()
    return notebook, cell


def _task_function() -> Told:
    notebook, cells = run("!from nbflow import task", "!@task\ndef f():\n    return 1", "x = f()")
    notebook.flow()
    notebook.edit(cells[1], "@task\ndef f():\n    return 2")
    notebook.run(cells[1])
    return notebook, cells[2]


def _constant_of_a_task_function() -> Told:
    notebook, cells = run("!from nbflow import task", "!K = 1", "!@task\ndef f(): return K", "x = f()")
    notebook.flow()
    notebook.edit(cells[1], "K = 2")
    notebook.run(cells[1])
    return notebook, cells[3]


def _unseen_reader() -> Told:
    import polars

    polars.DataFrame({"a": [1]}).write_parquet("f1.parquet")
    notebook, cells = run("import polars as pl\nx = pl.read_parquet('F1.PARQUET'.lower())")
    return notebook, cells[0]


def _python() -> Told:
    notebook, cells = run("x = 1")
    step = notebook.step(cells[0])
    assert step.trace is not None
    step.earlier, step.trace = (
        structs.replace(step.trace, static_key="other", packages={"python": "3.9"}),
        None,
    )
    notebook.sweep.touch(step)
    return notebook, cells[0]


STORIES: dict[str, tuple[Callable[[], Told], str, list[Cause]]] = {
    # name: what happens, the verdict, the causes
    "file content": (_file_content, "stale", [cause("file", "f.txt", "1 B", "2 B")]),
    "file of equal size and time": (_file_same_size, "stale", [cause("file", "f.txt", "1 B", "1 B")]),
    "file deleted": (_file_deleted, "stale", [cause("file", "f.txt", "1 B", "not there")]),
    "file appeared": (_file_appeared, "stale", [cause("absent", "none.txt", "not there", "there")]),
    "file that was asked for appeared": (
        _asked_for_file_appeared,
        "stale",
        [cause("absent", "none.txt", "not there", "there")],
    ),
    "listing": (_listing, "stale", [cause("listing", "d/", "a", "a, b")]),
    "pattern": (
        _glob,
        "stale",
        [
            cause("file", "d/a.csv", "1 B", "not there"),
            cause("listing", "d/*.csv", "a.csv", "b.csv"),
        ],
    ),
    "written file missing": (
        _written_file_missing,
        "stale",
        [cause("output file", "o.txt", "as written", "missing")],
    ),
    "written file changed": (
        _written_file_changed_below,
        "stale",
        [
            cause("output file", "o.txt", "as written", "changed"),
            cause("upstream", "o.txt", "", "stale", "t0"),
        ],
    ),
    "own file": (_own_file, "as of", [cause("outside", "reads f.txt, which it writes itself")]),
    "environment": (_environment_changed, "stale", [cause("environment", "NBFLOW_CASE", "•••", "•••")]),
    "environment unset": (
        _environment_unset,
        "stale",
        [cause("environment", "NBFLOW_CASE", "•••", "not set")],
    ),
    "working folder": (_working_folder, "stale", [cause("folder", "working folder", "", "sub")]),
    "module": (
        _module_of_a_task,
        "stale",
        [cause("module", "case_module", "def f(): return 1", "def f(): return 2", "", "line 1")],
    ),
    "module above": (
        _module_of_a_plain_cell,
        "stale",
        [
            cause("module", "case_module", "def g(): return 1", "def g(): return 2", "", "line 2"),
            cause("upstream", "case_module", "", "stale", "cell 0"),
        ],
    ),
    "function of a module": (
        _function_of_a_module,
        "stale",
        [cause("code", "f", "def f(): return 1", "def f(): return 2", "cell 0", "line 1")],
    ),
    "package": (_package, "stale", [cause("package", "pandas", "1.0", "VERSION")]),
    "python": (_python, "stale", [cause("python", "Python", "3.9", "VERSION")]),
    "parameter": (
        _parameter,
        "stale",
        [cause("parameter", "year", "default", "2014"), cause("upstream", "year", "", "stale", "cell_1")],
    ),
    "never ran": (_never_ran, "stale", [cause("never ran", "t0")]),
    "unverified": (
        _unverified,
        "as of",
        [
            cause("unverified", "cell 0", "", "not run in this kernel", "cell 0"),
            cause("upstream", "LATE", "", "as of", "cell 0"),
        ],
    ),
    "restarted and changed": (
        _restarted_and_changed,
        "waits",
        [
            cause("unverified", "t1", "", "not run in this kernel: run its cell"),
            cause("input", "LATE", "15", "16", "cell 0"),
        ],
    ),
    "order changed": (_moved, "stale", [cause("writer", "x", "1 of t0", "2 of t2", "t2")]),
    "defined below": (
        _defined_below,
        "waits",
        [cause("order", "x", "", "defined below, in t0"), cause("input", "x", "1", "no value")],
    ),
    "cell inserted": (_inserted, "stale", [cause("writer", "x", "1 of t0", "5 of mid", "mid")]),
    "cell deleted": (_deleted, "stale", [cause("orphan", "x", "2 of t1", "1 of t0", "t0")]),
    "name deleted": (_deleted_by_a_cell, "stale", [cause("input", "x", "1", "no value", "cell 9")]),
    "input changed in place": (
        _changed_in_place,
        "stale",
        [
            cause("input", "d", "[1, 2]", "[1]", "cell 0"),
            cause("input", "d", "not there", "2", "cell 1", "[2]"),
            cause("upstream", "d", "", "stale", "cell 1"),
        ],
    ),
    "input changed in place by a new cell": (
        _changed_in_place_by_a_new_cell,
        "stale",
        [cause("writer", "d", "1", "2", "cell 9", "['n']")],
    ),
    "builtin redefined": (_builtin, "stale", [cause("input", "len", "not read", "read", "cell 9")]),
    "clock": (_clock, "as of", [cause("outside", "clock: datetime.datetime.now")]),
    "database": (_database, "as of", [cause("outside", "database: sqlite3.connect")]),
    "names that nobody sees": (_names, "as of", [cause("outside", "names: eval")]),
    "file that nobody saw": (
        _unseen_reader,
        "as of",
        [cause("outside", "reads a file that nobody saw (pl.read_parquet)")],
    ),
    "expired": (_expired, "stale", [cause("expired", "t0")]),
    "held above": (
        _held,
        "as of",
        [cause("held", "t0", "", "pin", "t0"), cause("upstream", "x", "", "as of", "t0")],
    ),
    "held above, and what it gives is another": (
        _held_and_changed_below,
        "stale",
        [
            cause("input", "x", "2", "1", "t1"),
            cause("held", "t1", "", "restore", "t1"),
            cause("input", "K", "1", "2", "cell 0"),
            cause("upstream", "x", "", "as of", "t1"),
        ],
    ),
    "held at a result of another text": (
        _held_at_another_text,
        "as of",
        [cause("held", "t0", "", "pin"), cause("code", "t0", "x = 1", "x = 2", "", "line 1")],
    ),
    "clock above": (
        _clock_above,
        "as of",
        [cause("outside", "clock: time.time", "", "", "t0"), cause("upstream", "x", "", "as of", "t0")],
    ),
    "clock above, and a file that changed": (
        _clock_above_and_a_file,
        "stale",
        [
            cause("file", "f.txt", "1 B", "2 B"),
            cause("outside", "clock: time.time", "", "", "t0"),
            cause("upstream", "x", "", "as of", "t0"),
        ],
    ),
    "failed, then changed": (_failed_then_changed, "stale", [cause("input", "K", "0", "2", "cell 0")]),
    "failed, and nothing changed": (
        _failed_and_unchanged,
        "stale",
        [cause("failed", "t1", "", "ZeroDivisionError: integer division or modulo by zero")],
    ),
    "waits": (
        _waits,
        "waits",
        [
            cause("plain cell", "cell 1", "", "run cell 1"),
            cause("input", "raw", "20", "21", "t0", "[1]"),
            cause("upstream", "LATE", "", "waits", "cell 1"),
        ],
    ),
    "waits for two": (
        _waits_for_two,
        "waits",
        [
            cause("plain cell", "cell 1", "", "run cell 1"),
            cause("input", "raw", "20", "21", "t0", "[1]"),
            cause("plain cell", "cell 2", "", "run cell 2"),
            cause("upstream", "B", "", "waits", "cell 2"),
            cause("upstream", "A", "", "waits", "cell 1"),
        ],
    ),
    "manual": (
        _manual,
        "waits",
        [
            cause("manual", "t0", "", "`%flow resume t0` runs it"),
            cause("code", "t0", "x = 1", "x = 3", "", "line 1"),
        ],
    ),
    "trigger": (_trigger, "waits", [cause("trigger", "b", "", "trigger all_failed: 'a' is Completed")]),
    "skipped": (
        _skipped,
        "waits",
        [
            cause("skipped", "a", "", "no data", "a"),
            cause("skipped", "b", "", "'a' is Skipped; `--skip-on-upstream-skip no` runs it all the same"),
        ],
    ),
    "task function": (
        _task_function,
        "stale",
        [
            cause("code", "f", "return 1", "return 2", "cell 1", "line 3"),
            cause("upstream", "f()", "", "stale", "f"),
        ],
    ),
    "constant of a task function": (
        _constant_of_a_task_function,
        "stale",
        [cause("input", "K", "1", "2", "cell 1"), cause("upstream", "f()", "", "stale", "f")],
    ),
}


def plain(told: Cause, here: Path) -> Cause:
    """A cause without the folder of the test, times and the version that is installed."""
    texts = {name: str(getattr(told, name)) for name in ("subject", "before", "after")}
    for name, text in texts.items():
        short = text.replace(f"{here}{os.sep}", "").replace(str(here), "")
        texts[name] = STAT.sub(lambda found: found.group().partition(",")[0], short)
    if told.category in ("package", "python"):
        texts["after"] = "VERSION"
    return Cause(told.category, texts["subject"], texts["before"], texts["after"], told.origin, told.part)


class TestCauses:
    """What `why` says, to the letter."""

    @pytest.mark.parametrize("name", EDITS)
    def test_an_edit_is_the_cause(self, here: Path, name: str) -> None:
        """Category, subject, before, after, origin and part; nothing more and nothing less."""
        cells, place, to, expected = EDITS[name]
        notebook, cell = edited(*cells, place=place, to=to)
        assert [plain(each, here) for each in notebook.why(cell)] == expected

    @pytest.mark.parametrize("name", STORIES)
    def test_what_happened_is_the_cause(self, here: Path, name: str) -> None:
        """Files, modules, order, kernels, the outside world, triggers and holds."""
        story, verdict, expected = STORIES[name]
        notebook, cell = story()
        assert notebook.verdict(cell).value == verdict
        assert [plain(each, here) for each in notebook.why(cell)] == expected

    @pytest.mark.parametrize("name", [*EDITS, *STORIES])
    def test_every_cause_has_words(self, here: Path, name: str) -> None:
        """One line that names what it is about; none says that a thing changed into itself."""
        notebook, cell = (
            edited(*EDITS[name][0], place=EDITS[name][1], to=EDITS[name][2])
            if name in EDITS
            else STORIES[name][0]()
        )
        for each in notebook.why(cell):
            words = cause_words(each)
            assert words
            assert "\n" not in words
            before, arrow, after = words.partition(" → ")
            assert not arrow or before.rpartition(": ")[2] != after.partition(" (")[0] or "•••" in words

    def test_the_list_is_long(self) -> None:
        """The promise is sixty edits, each with its exact cause."""
        assert len(EDITS) + len(STORIES) >= 75


class TestUpToDate:
    """What is fresh has no causes, and what makes it fresh again clears them."""

    @pytest.mark.parametrize(
        "name",
        [name for name in EDITS if "fails" not in name and "failed" not in name and name != "unstorable"],
    )
    def test_the_way_back_clears_the_cause(self, name: str) -> None:
        """The old text again: nothing is to be said."""
        cells, place, to, _ = EDITS[name]
        notebook, cell = edited(*cells, place=place, to=to)
        source = notebook.book.order[place]
        notebook.edit(source, cells[place].removeprefix("!"))
        notebook.run(source)
        notebook.flow()
        assert notebook.why(cell) == ()
        assert notebook.verdict(cell).value == "fresh"


class TestStores:
    """Causes that need no value of before."""

    def test_what_is_evicted_is_told_by_its_preview(self) -> None:
        """Where the earlier value is not stored any more nobody can tell the element."""
        notebook, cells = run(
            "!P = [1, 2, 3]", "x = sum(P)", store=lambda names: MemoryStore(names, budget=1)
        )
        notebook.edit(cells[0], "P = [1, 9, 3]")
        notebook.run(cells[0])
        assert notebook.why(cells[1]) == (cause("input", "P", "[1, 2, 3]", "[1, 9, 3]", "cell 0"),)
