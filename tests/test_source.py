"""Canonical text of code, and the statements that make a cell's definitions."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.analysis import definition_source, normalise
from nbflow.exceptions import CellSyntaxError

EQUAL = [
    ("comments", "x = 1", "# before\nx = 1  # beside"),
    ("blank lines", "x = 1\ny = 2", "\n\nx = 1\n\n\ny = 2\n"),
    ("spaces", "f(a,b)", "f( a , b )"),
    ("line breaks", "x = a + b", "x = (a +\n     b)"),
    ("parentheses", "x = a * b + c", "x = ((a * b) + c)"),
    ("semicolons", "x = 1; y = 2", "x = 1\ny = 2"),
    ("quotes", "x = 'a'", 'x = """a"""'),
    ("prefixes", "x = 'a'", "x = u'a'"),
    ("pieces of text", "x = 'ab'", "x = 'a' 'b'"),
    ("bases of numbers", "x = 16", "x = 0x10"),
    ("docstring", "def f(): return 1", "def f():\n 'what it does'\n return 1"),
    ("docstring alone", "def f(): pass", "def f(): 'what it does'"),
    (
        "annotations",
        "def f(a, *b, c=1, **d): return a",
        "def f(a: int, *b: int, c: int = 1, **d: T) -> U: return a",
    ),
    ("local annotation", "def f():\n x = 1\n return x", "def f():\n x: int = 1\n return x"),
    ("kind of local declaration", "def f():\n x: int\n return x", "def f():\n x: str\n return x"),
    ("function in a branch", "if a:\n def f(): return 1", "if a:\n def f() -> int: return 1"),
    ("nested function", "def f():\n def g(): return 1", "def f():\n def g():\n  'doc'\n  return 1"),
    ("asynchronous", "async def f(): return 1", "async def f() -> int: return 1"),
    (
        "docstring of what is only called",
        "def f(): return 1\nf()\nmap(f, x)",
        "def f():\n 'doc'\n return 1\nf()\nmap(f, x)",
    ),
    ("comment inside a magic", "%time y = x", "get_ipython().run_line_magic('time', 'y = x')"),
]
DIFFERENT = [
    ("type of a number", "x = 1", "x = 1.0"),
    ("truth", "x = 1", "x = True"),
    ("text or number", "x = 1", "x = '1'"),
    ("bytes or text", "x = 'a'", "x = b'a'"),
    ("split of arguments", "f(1, 23)", "f(12, 3)"),
    ("split of texts", "f('ab', 'c')", "f('a', 'bc')"),
    ("list or tuple", "x = [1, 2]", "x = (1, 2)"),
    ("formatted", "x = f'a'", "x = 'a'"),
    ("conversion", "x = f'{a}'", "x = f'{a!s}'"),
    ("names", "def f(a): return a", "def f(b): return b"),
    ("order", "x = 1; y = 2", "y = 2; x = 1"),
    ("operator", "x = a + b", "x = a - b"),
    ("in or not in", "x = a in b", "x = a not in b"),
    ("default", "def f(a=1): ...", "def f(a=2): ..."),
    ("kind of parameter", "def f(a): ...", "def f(*, a): ..."),
    ("asynchronous", "def f(): ...", "async def f(): ..."),
    ("sign of zero", "x = 0.0", "x = -0.0"),
    ("text that is shown", "x = 1\n'a'", "x = 1"),
    ("annotation of a variable", "x: int = 1", "x: str = 1"),
    ("annotation in a class", "class C:\n a: int = 1", "class C:\n a: str = 1"),
    ("docstring of a class", "class C: pass", "class C:\n 'doc'\n pass"),
    (
        "docstring of a method",
        "class C:\n def m(self): return 1",
        "class C:\n def m(self):\n  'doc'\n  return 1",
    ),
    ("annotation of a method", "class C:\n def m(self): ...", "class C:\n def m(self) -> int: ..."),
    ("docstring under a decorator", "@d\ndef f(): return 1", "@d\ndef f():\n 'doc'\n return 1"),
    ("annotation under a decorator", "@d\ndef f(a): ...", "@d\ndef f(a: int): ..."),
    ("decorator argument", "@d(1)\ndef f(): ...", "@d(2)\ndef f(): ..."),
    ("documentation is read", "def f(): return 1\nf.__doc__", "def f():\n 'doc'\n return 1\nf.__doc__"),
    ("documentation is held", "def f(): return 1\nx = [f]", "def f():\n 'doc'\n return 1\nx = [f]"),
    ("signature is read", "def f(a): ...\ninteract(f)", "def f(a: int): ...\ninteract(f)"),
    ("local declaration", "def f():\n x: int\n return x", "def f():\n return x"),
]

names = st.sampled_from("abcd")
constants = st.one_of(
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.booleans(),
    st.none(),
    st.complex_numbers(allow_nan=False, allow_infinity=False),
)


class TestNormalise:
    """Equal text means equal code."""

    @pytest.mark.parametrize(("one", "other"), [p[1:] for p in EQUAL], ids=[p[0] for p in EQUAL])
    def test_equal(self, one: str, other: str) -> None:
        """Formatting, comments, docstrings and annotations that nothing looks at do not count."""
        assert normalise(one) == normalise(other)

    @pytest.mark.parametrize(("one", "other"), [p[1:] for p in DIFFERENT], ids=[p[0] for p in DIFFERENT])
    def test_different(self, one: str, other: str) -> None:
        """Whatever could change what happens counts."""
        assert normalise(one) != normalise(other)

    @given(constants, constants)
    @settings(max_examples=200)
    def test_constants_are_told_apart(self, one: object, other: object) -> None:
        """Constants have the same text only if they have type and text in common."""
        same = (type(one), repr(one)) == (type(other), repr(other))
        assert (normalise(f"x = {one!r}") == normalise(f"x = {other!r}")) == same

    @given(st.lists(st.tuples(names, names, st.sampled_from("+-*/")), min_size=1, max_size=5))
    @settings(max_examples=100)
    def test_printing_changes_nothing(self, lines: list[tuple[str, str, str]]) -> None:
        """A source and the same source printed anew are the same."""
        source = "\n".join(f"{a}={b}{operator}( {a} )  # {b}" for a, b, operator in lines)
        assert normalise(source) == normalise(ast.unparse(ast.parse(source)))

    def test_not_python(self) -> None:
        """What is no Python is the user's error."""
        with pytest.raises(CellSyntaxError):
            normalise("x = (")

    def test_deep_code(self) -> None:
        """Code nested too deeply to be printed stands for itself."""
        source = "y = x" + ".a()" * 900
        assert normalise(source) != normalise(source + ".b")


def made(source: str, names: list[str], **given: object) -> dict[str, object]:
    """Execute the definitions of a cell over given values."""
    namespace: dict[str, object] = dict(given)
    exec(definition_source(source, names), namespace)
    del namespace["__builtins__"]
    return namespace


class TestDefinitionSource:
    """On a hit definitions run again and computations do not."""

    def test_only_definitions(self) -> None:
        """Assignments and calls are left out."""
        source = "import os\nx = explode()\ndef f(): return 1\nclass C: a = 2\ng = lambda: 3\nexplode()"
        found = made(source, ["os", "f", "C", "g"])
        assert set(found) == {"os", "f", "C", "g"}

    def test_only_wanted(self) -> None:
        """Names that nobody asked for are left out, also within one import."""
        assert set(made("import os, sys\nfrom math import pi, e\ndef f(): ...", ["sys", "e"])) == {"sys", "e"}

    def test_order_and_values_at_hand(self) -> None:
        """Later definitions use earlier ones and values that are there."""
        found = made("class A: n = N\nclass B(A): pass\ndef f(b=B): return b.n", ["A", "B", "f"], N=5)
        assert found["f"]() == 5

    def test_try(self) -> None:
        """An import in `try` keeps its way out."""
        source = (
            "try:\n import missing_module_x as m\n print(m)\nexcept ImportError:\n m = None\n print('no')"
        )
        assert made(source, ["m"]) == {"m": None}

    def test_branches(self) -> None:
        """Definitions in branches keep the test."""
        source = "if fast:\n def f(): return 1\n slow()\nelse:\n def f(): return 2"
        assert made(source, ["f"], fast=False)["f"]() == 2

    def test_replaced(self) -> None:
        """A definition that is replaced before anybody used it is left out."""
        assert definition_source("def f(): return 1\ndef f(): return 2", ["f"]) == "def f(): return 2"

    def test_used_before_it_is_replaced(self) -> None:
        """A definition that another one uses stays, although it is replaced."""
        source = "def f(): return 1\nclass C: n = f()\ndef f(): return 2"
        found = made(source, ["f", "C"])
        assert found["C"].n == 1
        assert found["f"]() == 2

    def test_registered(self) -> None:
        """What registers itself at a wanted function belongs to it."""
        source = (
            "from functools import singledispatch\n@singledispatch\ndef f(a): return 0\n"
            "@f.register\ndef _(a: int): return 1"
        )
        assert made(source, ["f", "singledispatch"])["f"](3) == 1

    def test_own_text(self) -> None:
        """Statements keep their text, so that tracebacks and `inspect` show what the user wrote."""
        source = "x = 1\n@deco  # why\ndef f(a):  # what\n    return a"
        assert definition_source(source, ["f"]) == "@deco  # why\ndef f(a):  # what\n    return a"

    def test_several_on_a_line(self) -> None:
        """Statements that share a line are told apart."""
        assert (
            definition_source("import os; x = boom(); import sys", ["os", "sys"]) == "import os\nimport sys"
        )

    def test_nothing(self) -> None:
        """A name that no definition binds gives nothing."""
        assert definition_source("x = 1", ["x", "y"]) == ""
