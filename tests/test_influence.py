"""What a body reaches, and what it may write when it runs again."""

from __future__ import annotations

import os

import pytest

from nbflow.engine.book import read_body
from nbflow.engine.influence import is_code, lasting, may_write, reached, reached_through
from nbflow.engine.slots import slot_of
from nbflow.testing import Notebook
from nbflow.types import NO_REACH, Reach, Slot, Verdict
from tests.cells import change, opened


def names(slots: object) -> set[str]:
    """The locators of slots."""
    return {slot.locator for slot in slots}  # type: ignore[attr-defined]


def at_end(notebook: Notebook, source: str) -> set[str]:
    """What a body reaches behind all cells."""
    return names(reached(read_body(source), notebook.sweep.end()))


def may(notebook: Notebook, cell: str) -> set[str]:
    """What a cell may write, in memory or not."""
    step = notebook.step(cell)
    view, body = notebook.sweep.view(step), step.body
    found = may_write(step, body, reached(body, view), view, notebook.book)
    return names(found.bind | found.change)


class TestReached:
    """The names that running a body may load."""

    def test_through_functions_of_functions(self) -> None:
        """Whatever is called loads its own names."""
        notebook, _ = opened("k = 1", "def g(x): return x + k", "def f(x): return g(x)")
        assert at_end(notebook, "y = f(1)") == {"f", "g", "k"}
        assert at_end(notebook, "y = g") == {"g", "k"}
        assert at_end(notebook, "y = 1") == set()

    def test_through_instances(self) -> None:
        """The methods of an object's class."""
        notebook, _ = opened("k = 1", "class A:\n    def m(self): return k", "a = A()")
        assert {"a", "k"} <= at_end(notebook, "y = a.m()")

    def test_a_recursive_helper(self) -> None:
        """Ends."""
        notebook, _ = opened("def f(x): return g(x)\ndef g(x): return f(x) if x else 0")
        assert at_end(notebook, "y = f(0)") == {"f", "g"}

    @pytest.mark.parametrize(
        "late",
        [
            "def g(u): return d\ny = f(1)\nd = 5",
            "def g(u): return d\ny = f(1)\nd, g = 5, None",
            "g = lambda u: d\ny = f(1)\ndel g\nd = 5",
            "def h(u): return d\ng = h\ny = f(1)\nd = 5",
            "hs = [lambda u: d]\nfor g in hs:\n    y = f(1)\nd = 5",
            "class g:\n    def __new__(cls, u): return d\ny = f(1)\nd = 5",
            "with open(os.devnull): g = lambda u: d\ny = f(1)\nd = 5",
            "def outer():\n    return lambda u: d\ng = outer()\ny = f(1)\ng, d = 4, 5",
        ],
    )
    def test_through_code_from_elsewhere_that_calls_what_the_body_binds(self, late: str) -> None:
        """It loads what the body binds only later as it was before."""
        first = "import os\ndef f(u): return g(u)\ndef g(u): return 0"
        notebook, (_, below, cell) = opened(first, "d = 1", late)
        assert at_end(notebook, late) >= {"f", "d"}
        change(notebook, below, "d = 2")
        assert notebook.verdict(cell) is Verdict.STALE

    def test_a_builtin_that_nobody_defined(self) -> None:
        """Is no input; one that somebody defined is."""
        assert at_end(opened("a = 1")[0], "n = len([1])") == set()
        assert at_end(opened("def len(x): return 7")[0], "n = len([1])") == {"len"}

    def test_a_name_that_nobody_defined(self) -> None:
        """Is one: that it is unbound is what the body would see."""
        assert at_end(opened("a = 1")[0], "n = nothing") == {"nothing"}

    def test_the_order_is_fixed(self) -> None:
        """Sorted, then as found."""
        reach = {slot_of("f"): Reach(reads=frozenset({"z", "b"}))}
        slots = reached_through(read_body("y = f(a)"), lambda slot: reach.get(slot, NO_REACH))
        assert [slot.locator for slot in slots] == ["a", "f", "b", "z"]


class TestMayWrite:
    """What is uncertain below a step that is not fresh."""

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("x = 1", {"x"}),
            ("if a: x = 1", {"x"}),
            ("del a", {"a"}),
            ("a.append(1)", {"a"}),
            ("a[0] = 1", {"a"}),
            ("a += [1]", {"a"}),
            ("bump(a)", {"a"}),
            ("twice(a)", {"a"}),
            ("peek(a)", set()),
            ("unknown(a)", {"a"}),
            ("reset()", {"a"}),
            ("x = [bump(v) for v in [a]]", {"x", "a"}),
        ],
    )
    def test_by_analysis(self, source: str, expected: set[str]) -> None:
        """Bound, changed, deleted; also by what it calls, and by what that calls."""
        helpers = (
            "def bump(v): v.append(1)\ndef twice(v): bump(v)\ndef peek(v): return len(v)\n"
            "def reset():\n    global a\n    a = []"
        )
        notebook, _ = opened("a = [1]", helpers, "flag = 0", plain=(1,))
        cell = notebook.add(source)
        assert expected <= may(notebook, cell)
        assert not may(notebook, cell) & ({"flag", "peek"} | ({"a"} if "a" not in expected else set()))

    def test_by_its_last_trace(self) -> None:
        """What no analysis saw it write."""
        notebook, cells = opened('exec("hidden = 1")')
        assert "hidden" in may(notebook, cells[0])

    @pytest.mark.parametrize("how", ["x = own(list)\nx[0] = 2", "unknown(a, list)", "f(a)", "d.m(a)"])
    def test_a_builtin_that_it_hands_on(self, how: str) -> None:
        """Nothing changes that one, but what somebody has bound under its name, or may have."""
        code = "def f(v):\n    w = unknown(v, list)\n    w[0] = 1"
        cells = ("a = [1]", code, "class D:\n    def m(self, v): f(v)\nd = D()", "if not a: list = [2]")
        notebook, (first, *_) = opened(*cells)
        cell = notebook.add(how)
        assert "list" not in may(notebook, cell)
        change(notebook, first, "a = []")
        assert "list" in may(notebook, cell)
        assert "list" in may(notebook, opened("list = [1]", *cells, how, notebook=notebook)[1][-1])

    def test_a_builtin_that_a_callee_binds(self) -> None:
        """Is another thing from then on."""
        notebook, _ = opened("def f():\n    global list\n    list = [1]")
        assert "list" in may(notebook, notebook.add("f()"))

    def test_names_of_the_same_unit(self) -> None:
        """A change through one name is a change of the other."""
        notebook, _ = opened("a = [1]", "b = a")
        assert {"a", "b"} <= may(notebook, notebook.add("b.append(1)"))

    def test_files_that_it_names(self) -> None:
        """Where some call in it looks like a writer."""
        notebook = Notebook()
        path = os.path.abspath("out.csv")
        assert path in may(notebook, notebook.add("df.to_csv('out.csv')"))
        assert path not in may(notebook, notebook.add("pd.read_csv('out.csv')"))

    def test_a_random_state_that_it_seeds(self) -> None:
        """Is written even where nobody had."""
        notebook = Notebook()
        cell = notebook.add("import random\nrandom.seed(1)")
        step = notebook.step(cell)
        view = notebook.sweep.view(step)
        found = may_write(step, step.body, (), view, notebook.book)
        assert Slot("random", "random") in found.bind

    def test_a_random_state_that_a_callee_may_draw_from(self) -> None:
        """Once somebody seeded it, any call that leaves the known code may draw."""
        notebook, _ = opened("import random\nrandom.seed(1)", "def f(x): return x + 1", plain=(0, 1))
        assert "random" in may(notebook, notebook.add("y = random.random()"))
        assert "random" in may(notebook, notebook.add("y = sorted(x)[0].method()"))
        assert "random" not in may(notebook, notebook.add("y = f(1)"))
        assert "random" not in may(notebook, notebook.add("y = len([1])"))


THEMSELVES = {
    "default": "def c(v, acc=[]):\n    acc.append(v)\n    return len(acc)",
    "closure": "def make():\n    seen = []\n    return lambda v: seen.append(v)\nc = make()",
    "nonlocal": "def make(k):\n    def add(v):\n        nonlocal k\n        k += v\n    return add\nc = make(0)",  # noqa: E501
    "attribute": "def c(v):\n    c.n = getattr(c, 'n', 0) + v",
    "lambda": "c = lambda v, acc=[]: acc.append(v)",
    "class": "class c:\n    n = 0\n    def __new__(cls, v): cls.n += v",
    "instance": "class K:\n    n = 0\n    def __call__(self, v): self.n += v\nc = K()",
    "partial": "import functools\nc = functools.partial(lambda acc, v: acc.append(v), [])",
    "bound method": "xs = []\nc = xs.append",
    "memory": "import functools\n@functools.lru_cache\ndef c(v): return v",
    "helper": "def add(v, acc=[]): acc.append(v)\nc = add\nd = c",
}


class TestCallables:
    """What is called may change itself, and a body that has failed may have done that."""

    @pytest.mark.parametrize("name", THEMSELVES)
    def test_that_may_change_themselves(self, name: str) -> None:
        """Who reads one below is not up to date: a fresh run may give it another."""
        notebook, (_, _, reader) = opened(THEMSELVES[name], "z = c(1)\nz / ()", "w = c", plain=(0,))
        assert notebook.verdict(reader) is not Verdict.FRESH
        assert not notebook.is_current("c")

    @pytest.mark.parametrize(
        "helper",
        [
            "def c(v): return v + 1",
            "class c:\n    def __init__(self, v): self.v = v",
            "from os import fspath as c",
        ],
    )
    def test_that_cannot(self, helper: str) -> None:
        """Stay as they are."""
        notebook, (_, _, reader) = opened(helper, "z = c('')\nz / ()", "w = c", plain=(0,))
        assert notebook.verdict(reader) is Verdict.FRESH


class TestLasting:
    """What only a run shows a step to read."""

    def test_files_that_its_constants_name(self) -> None:
        """And those of its last run."""
        notebook, (cell,) = opened("open('there.txt').read()")
        step = notebook.step(cell)
        assert Slot("file", os.path.abspath("there.txt")) in set(
            lasting(step, step.body, notebook.sweep.view(step))
        )

    def test_the_random_state_of_its_last_run(self) -> None:
        """Where it drew."""
        notebook, cells = opened("import random\nrandom.seed(1)", "x = random.random()")
        step = notebook.step(cells[1])
        assert Slot("random", "random") in set(lasting(step, step.body, notebook.sweep.view(step)))


class TestCode:
    """Functions, classes and modules share memory with nobody."""

    def test_by_what_is_bound(self) -> None:
        """And only where that is certain."""
        notebook, cells = opened("def f(): pass", "a = [1]", "import os")
        end = notebook.sweep.end()
        assert [is_code(end.bound(slot_of(name))) for name in ("f", "a", "os", "x")] == [
            True,
            False,
            True,
            False,
        ]
        notebook.step(cells[0]).trace = None
        notebook.sweep.touch(notebook.step(cells[0]))
        assert not is_code(notebook.sweep.end().bound(slot_of("f")))
