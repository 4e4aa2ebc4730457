"""The structure of code, and where code lives."""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import json
import sys
import typing

import numpy as np
import pytest

from nbflow.analysis import reach
from nbflow.analysis.reach import Home, Import
from nbflow.analysis.sources import sources_of


def code(source, name="f"):
    """The code of a function of a cell."""
    names: dict = {}
    exec(compile(source, "<cell>", "exec"), names)
    return names[name].__code__


def shape(source, name="f"):
    """The structure of a function of a cell."""
    return reach.shape_of(code(source, name))


class TestContent:
    """What decides how code runs."""

    @pytest.mark.parametrize(
        "other",
        [
            "def f(x):\n    'doc'\n    print(x)",
            "\n\ndef f(x):\n    # text\n    print(\n        x\n    )",
            "def f(x: int) -> None: print(x)",
            "def f(x):\n    pass\n    print(x)",
        ],
    )
    def test_text_is_left_out(self, other):
        """Docstrings, lines, comments, annotations and `pass` are no content."""
        assert shape(other).content == shape("def f(x): print(x)").content

    def test_many_constants_in_front(self):
        """A docstring does not show even where it moves constants beyond a byte."""
        body = "".join(f"    x({i}.5)\n" for i in range(300))
        assert shape(f"def f(x):\n    'doc'\n{body}").content == shape(f"def f(x):\n{body}").content

    def test_constants_keep_their_order(self):
        """The content names constants where they are used."""
        assert shape("def f(): return 1, 'a', x").content != shape("def f(): return 'a', 1, x").content

    def test_jumps_count(self):
        """Where a loop jumps to is content."""
        one = "def f(x):\n while x:\n  if y: continue\n  z()"
        other = "def f(x):\n while x:\n  if y: break\n  z()"
        assert shape(one).content != shape(other).content

    def test_local_names_count_where_they_show(self):
        """Names of local variables count only where code may look at them."""
        plain = "def f():\n {0} = 1\n return {0}"
        shown = "def f():\n {0} = 1\n return locals()"
        assert shape(plain.format("a")).content == shape(plain.format("b")).content
        assert shape(shown.format("a")).content != shape(shown.format("b")).content

    def test_docstrings_of_decorated_nested_functions(self):
        """A decorator may look at a docstring, so there it counts."""
        source = "def f():\n {}\n def g():\n  '{}'\n return g"
        assert shape(source.format("", "a")).content == shape(source.format("", "b")).content
        assert shape(source.format("@d", "a")).content != shape(source.format("@d", "b")).content

    def test_it_is_remembered(self):
        """The structure of a code object is made once."""
        one = code("def f(): pass")
        assert reach.shape_of(one) is reach.shape_of(one)


class TestNames:
    """The names that code may load and store."""

    def test_loads_and_stores(self):
        """Nested functions, classes and comprehensions included; locals left out."""
        made = shape(
            "def f(x):\n global A, B\n A = x\n del B\n y = [C for i in D]\n class K(E):\n"
            "  g = F\n  def h(self): return G\n"
            " return lambda: (y, x, H)"
        )
        assert made.loads == {"C", "D", "E", "F", "G", "H"}
        assert made.stores == {"A", "B"}

    def test_builtins_count_where_redefined(self):
        """A builtin is a read only if the namespace has a name like it."""
        made = shape("def f(): return len(print, A)")
        assert reach.reads_of(made, {}) == {"A"}
        assert reach.reads_of(made, {"len": 1}) == {"A", "len"}

    def test_chains(self):
        """Attributes that are read at once belong to the name."""
        made = shape("def f(): return a.b.c(d.e, g)[h].i")
        assert made.chains == {("a", "b", "c"), ("d", "e"), ("g",), ("h",)}

    def test_imports(self):
        """Import statements give module, level and names."""
        made = shape("def f():\n import a.b as c\n from ..d import e, g\n def h():\n  from . import i")
        assert made.imports == {Import("a.b", 0, ()), Import("d", 2, ("e", "g")), Import("", 1, ("i",))}

    def test_rebound_variables(self):
        """Only variables of enclosing functions are rebound."""
        names: dict = {}
        exec("def m():\n n = k = 0\n def f():\n  nonlocal n\n  n = k\n return f\nf = m()", names)
        assert reach.shape_of(names["f"].__code__).rebinds == {"n"}
        assert reach.shape_of(names["m"].__code__).rebinds == frozenset()

    @pytest.mark.parametrize("text", ["g.__doc__", "inspect.signature(g)", "help(g)"])
    def test_code_that_looks_at_text(self, text):
        """Reading docstrings and signatures is noticed."""
        assert shape(f"def f(): return {text}").shows_text
        assert not shape("def f(): return g.name").shows_text


class TestPlaces:
    """Whose code a module is."""

    @pytest.mark.parametrize(
        ("module", "home"),
        [
            ("json", Home.STANDARD),
            ("json.decoder", Home.STANDARD),
            ("sys", Home.STANDARD),
            ("builtins", Home.STANDARD),
            ("numpy", Home.PACKAGE),
            ("numpy.linalg", Home.PACKAGE),
            ("nbflow.types", Home.PACKAGE),
            ("__main__", Home.LOCAL),
            ("nowhere_to_be_found", Home.LOCAL),
            (__name__, Home.LOCAL),
        ],
    )
    def test_homes(self, module, home):
        """Standard library, installed packages and the user's own are told apart."""
        assert reach.place_of(module).home is home

    def test_packages_have_a_version(self):
        """A package's place has the distribution and its version."""
        assert reach.place_of("numpy.linalg") == (Home.PACKAGE, "numpy", np.__version__)
        assert reach.place_of("sklearn").name == "scikit-learn"

    def test_the_standard_library_has_pythons(self):
        """The minor version of Python stands for the standard library."""
        assert reach.place_of("json").version == f"{sys.version_info[0]}.{sys.version_info[1]}"

    @pytest.mark.parametrize(
        ("wanted", "package", "name"),
        [
            (Import("a.b", 0, ()), "p", "a.b"),
            (Import("a", 1, ()), "p.q", "p.q.a"),
            (Import("a", 2, ()), "p.q", "p.a"),
            (Import("", 1, ("x",)), "p.q", "p.q"),
            (Import("a", 3, ()), "p.q", ""),
            (Import("a", 1, ()), "", ""),
        ],
    )
    def test_relative_imports(self, wanted, package, name):
        """A relative import is counted from its package."""
        assert reach.absolute_name(wanted, package) == name


class TestMembers:
    """What the user wrote into a class."""

    def test_a_plain_class(self):
        """Machinery is left out, everything written is kept in order."""

        class C:
            """A class."""

            b: int = 1
            a = 2

            def f(self): ...

        found = dict(reach.members_of(C))
        assert [name for name in found if not name.startswith("__")] == ["b", "a", "f"]
        assert {"__doc__", "__annotations__"} <= found.keys()
        assert not {"__dict__", "__weakref__", "__module__"} & found.keys()

    def test_generated_methods_are_left_out(self):
        """What `dataclass` and `namedtuple` write follows from the fields."""

        @dataclasses.dataclass(order=True)
        class D:
            a: int = 1

            def __repr__(self):
                return "mine"

        assert {"__repr__", "__dataclass_fields__"} <= dict(reach.members_of(D)).keys()
        assert not {"__init__", "__eq__", "__lt__"} & dict(reach.members_of(D)).keys()

        class N(typing.NamedTuple):
            a: int = 1

            def __repr__(self):
                return "mine"

        kept = dict(reach.members_of(N)).keys()
        assert {"_fields", "_field_defaults", "__repr__"} <= kept
        assert not {"_make", "_replace", "__new__", "a"} & kept
        assert not {"_make", "__repr__"} & dict(reach.members_of(collections.namedtuple("P", "a"))).keys()

    def test_enumerations(self):
        """Members count by name, value and further attributes."""

        class E(enum.Enum):
            A = 1

            def __init__(self, value):
                self.half = value / 2

        assert dict(reach.members_of(E))["A"] == (1, (("half", 0.5),))

    def test_registered_subclasses(self):
        """What an abstract class was told to take for its subclasses is said by hand."""
        Base = abc.ABCMeta("Base", (), {})
        assert "_abc_registry" not in dict(reach.members_of(Base))
        Base.register(int)
        assert dict(reach.members_of(Base))["_abc_registry"] == (int,)

    def test_functions_of_members(self):
        """Properties, static and cached members are made of functions."""

        class C:
            @property
            def a(self): ...
            @staticmethod
            def b(): ...
            @functools.cached_property
            def c(self): ...

        found = [f.__name__ for member in vars(C).values() for f in reach.functions_of(member)]
        assert found == ["a", "b", "c"]


class TestModules:
    """Modules loaded and not loaded."""

    def test_attributes(self):
        """What the import system put into a module is left out."""
        found = reach.attributes_of(json)
        assert "dumps" in found
        assert not {"__file__", "__spec__", "__builtins__"} & found.keys()
        assert list(found) == sorted(found)

    def test_sources_of_modules_not_loaded(self, tmp_path, monkeypatch):
        """The source of a module and of what it imports, as far as it is the user's own."""
        monkeypatch.syspath_prepend(tmp_path)
        (tmp_path / "unloaded_pack").mkdir()
        (tmp_path / "unloaded_pack" / "__init__.py").write_text("")
        (tmp_path / "unloaded_pack" / "sub.py").write_text("import numpy, json\nfrom . import more\n")
        (tmp_path / "unloaded_pack" / "more.py").write_text("A = (")
        found = sources_of("unloaded_pack.sub")
        assert list(found) == ["unloaded_pack", "unloaded_pack.more", "unloaded_pack.sub"]
        assert found["unloaded_pack.more"] == "A = ("
        assert not any(name.startswith("unloaded_pack") for name in sys.modules)

    @pytest.mark.parametrize("name", ["numpy", "json", "nowhere_to_be_found", "", "sys", "json.nowhere"])
    def test_no_sources_of_others(self, name):
        """Installed, built-in and missing modules have none."""
        assert sources_of(name) == {}
