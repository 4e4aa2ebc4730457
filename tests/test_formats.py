"""Values to bytes and back: notebook code, shared memory, tables."""

from __future__ import annotations

import functools
import importlib
import sqlite3
import sys
import threading
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.exceptions import DigestError, StorageError
from nbflow.store.digests import digest
from nbflow.store.formats import Formats, Payload
from nbflow.store.memory import code_digest
from nbflow.store.protocol import Missing

if TYPE_CHECKING:
    from pathlib import Path


class Notebook:
    """A namespace in which cells run, with the formats over it."""

    def __init__(self, *cells: str) -> None:
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.formats = Formats(self.namespace, self.digest)
        for cell in cells:
            self.run(cell)

    @staticmethod
    def digest(value: object, namespace: dict[str, Any]) -> str:
        """A class counts by its methods' code."""
        methods = [member for member in vars(value).values() if isinstance(member, FunctionType)]
        return repr([(method.__code__.co_code, method.__code__.co_consts) for method in methods])

    def run(self, cell: str) -> None:
        """Execute a cell."""
        exec(compile(cell, "<cell>", "exec"), self.namespace)

    def store(self, *names: str) -> Payload:
        """The payload of some names."""
        return self.formats.encode(tuple(self.namespace[name] for name in names))

    def restore(self, payload: Payload) -> Any:
        """The members, over copies of the buffers."""
        regions = [memoryview(bytearray(region)) for region in payload.regions]
        return self.formats.decode(payload, regions)

    def reason_not_stored(self, name: str) -> str:
        """Why a name cannot be stored."""
        with pytest.raises(StorageError) as error:
            self.store(name)
        return error.value.reason

    def reason_missing(self, payload: Payload) -> str:
        """Why a payload cannot be restored here."""
        with pytest.raises(Missing) as error:
            self.restore(payload)
        return error.value.reason


def around(*values: object) -> Any:
    """Values through bytes and back."""
    notebook = Notebook()
    return notebook.restore(notebook.formats.encode(values))


MODEL = """
class Model:
    def __init__(self, n): self.n = n
    def predict(self): return self.n + 1
m = Model(3)
"""

KEEPS = """
class C:
    def __init__(self): self.x, self.cache = 1, {{}}
    {way}
c = C()
c.cache['k'] = 1
"""


class TestLocalClasses:
    """Classes of the notebook."""

    def test_an_instance_comes_back_in_another_kernel(self) -> None:
        """Its class is the one of that kernel."""
        payload, later = Notebook(MODEL).store("m"), Notebook(MODEL)
        (m,) = later.restore(payload)
        assert type(m) is later.namespace["Model"]
        assert m.predict() == 4

    def test_a_changed_class_is_missing(self) -> None:
        """Old state never meets new code."""
        payload = Notebook(MODEL).store("m")
        assert Notebook(MODEL.replace("+ 1", "+ 2")).reason_missing(payload) == (
            "class Model has changed since"
        )

    def test_an_absent_class_is_missing(self) -> None:
        """A fresh kernel that has not run the cell says so."""
        assert Notebook().reason_missing(Notebook(MODEL).store("m")) == "class Model is not defined"

    def test_an_instance_of_the_class_before_a_redefinition(self) -> None:
        """Equal code is the same class, other code is not."""
        notebook = Notebook(MODEL)
        notebook.run(MODEL.replace("m =", "other ="))
        (m,) = notebook.restore(notebook.store("m"))
        assert type(m) is notebook.namespace["Model"]

    def test_nested_classes_are_found_by_their_path(self) -> None:
        """A qualified name leads there."""
        cell = "class A:\n    class B:\n        pass\nb = A.B()"
        later = Notebook(cell)
        (b,) = later.restore(Notebook(cell).store("b"))
        assert type(b) is later.namespace["A"].B

    def test_a_class_made_in_a_function_cannot_be_stored(self) -> None:
        """Nobody could find it again."""
        notebook = Notebook("def make():\n    class C: pass\n    return C()\nc = make()")
        assert notebook.reason_not_stored("c") == "class make.<locals>.C is defined inside a function"

    @pytest.mark.parametrize(
        "cell",
        [
            "from enum import Enum\nclass E(Enum):\n    A = 1\nx = E.A",
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass D:\n    a: int\nx = D(1)",
            "from collections import namedtuple\nP = namedtuple('P', 'a b')\nx = P(1, 2)",
            "class N(dict): pass\nx = N(a=1)",
        ],
        ids=["enum", "dataclass", "namedtuple", "dict"],
    )
    def test_kinds_of_classes(self, cell: str) -> None:
        """Whatever builds on a class statement comes back equal to what the later kernel makes."""
        later = Notebook(cell)
        (x,) = later.restore(Notebook(cell).store("x"))
        assert x == later.namespace["x"]


class TestModulesOfTheUser:
    """Classes from files beside the notebook, which are edited as well."""

    @pytest.fixture
    def shapes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A module of the user's, loaded from its present text."""
        monkeypatch.syspath_prepend(tmp_path)

        def load(text: str) -> ModuleType:
            (tmp_path / "shapes_of_mine.py").write_text(text)
            sys.modules.pop("shapes_of_mine", None)
            importlib.invalidate_caches()
            return importlib.import_module("shapes_of_mine")

        yield load
        sys.modules.pop("shapes_of_mine", None)

    def test_an_instance_comes_back(self, shapes: Any) -> None:
        """As long as the class is what it was."""
        notebook = Notebook()
        notebook.namespace["m"] = shapes(MODEL).m
        payload = notebook.store("m")
        assert notebook.restore(payload)[0].predict() == 4

    def test_an_edited_class_is_missing(self, shapes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Old state never meets new code."""
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        notebook = Notebook()
        notebook.namespace["m"] = shapes(MODEL).m
        payload = notebook.store("m")
        shapes(MODEL.replace("+ 1", "+ 2"))
        assert notebook.reason_missing(payload) == "class Model has changed since"

    @pytest.mark.parametrize("decorator", ["", "@functools.cache\n"])
    def test_a_function_is_bound_to_its_code(
        self, shapes: Any, monkeypatch: pytest.MonkeyPatch, decorator: str
    ) -> None:
        """And to the constants of its module that it reads: by name alone another state would come back."""
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        text = f"import functools\nSCALE = 2\n{decorator}def scaled(n): return SCALE * n\n"
        formats = Formats({"__name__": "__main__"}, code_digest)
        payload = formats.encode((shapes(text).scaled,))
        (restored,) = cast("tuple[Any]", formats.decode(payload, payload.regions))
        assert restored(4) == 8
        shapes(text.replace("2", "3"))
        with pytest.raises(Missing, match="function scaled has changed since"):
            formats.decode(payload, payload.regions)

    def test_a_class_whose_code_has_no_digest_goes_by_name(self, shapes: Any) -> None:
        """It is stored all the same."""

        def none(value: object, namespace: dict[str, Any]) -> str:
            raise DigestError("no digest")

        formats = Formats({"__name__": "__main__"}, none)
        payload = formats.encode((shapes(MODEL).m,))
        assert formats.decode(payload, payload.regions)[0].n == 3  # type: ignore[attr-defined]


class TestLocalFunctions:
    """Functions of the notebook."""

    def test_a_function_uses_the_live_namespace(self) -> None:
        """Its globals are the later kernel's."""
        payload = Notebook("LATE = 1\nhooks = [lambda x: x + LATE]").store("hooks")
        later = Notebook("LATE = 10")
        ((hook,),) = later.restore(payload)
        assert hook(5) == 15
        assert hook.__globals__ is later.namespace

    def test_defaults_names_and_attributes_come_back(self) -> None:
        """All that a caller can see."""
        cell = "def f(a, b=2, *, c=3) -> int:\n    'text'\n    return a + b + c\nf.tag = 'x'"
        (f,) = Notebook().restore(Notebook(cell).store("f"))
        assert (f(1), f.__name__, f.__doc__, f.tag) == (6, "f", "text", "x")
        assert f.__annotations__ == {"return": "int"} or f.__annotations__ == {"return": int}

    def test_closures_share_their_cells(self) -> None:
        """What one writes the other reads."""
        cell = (
            "def make():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n"
            "    def get(): return n\n    return up, get\npair = make()"
        )
        ((up, get),) = Notebook().restore(Notebook(cell).store("pair"))
        up()
        assert get() == 1

    def test_a_function_may_lie_in_its_own_cell(self) -> None:
        """Recursion through a closure."""
        cell = "def make():\n    def f(n): return 1 if n < 2 else n * f(n - 1)\n    return f\nf = make()"
        (f,) = Notebook().restore(Notebook(cell).store("f"))
        assert f(5) == 120

    def test_an_empty_cell_stays_empty(self) -> None:
        """A name that the outer function had not bound."""
        cell = "def make():\n    def f(): return late\n    return f\n    late = 1\nf = make()"
        (f,) = Notebook().restore(Notebook(cell).store("f"))
        with pytest.raises(NameError):
            f()

    def test_bound_methods_and_partials(self) -> None:
        """Callbacks as they are found in the wild."""
        cell = MODEL + "import functools\ncalls = [m.predict, functools.partial(m.predict)]"
        ((method, partial),) = Notebook(MODEL).restore(Notebook(cell).store("calls"))
        assert (method(), partial()) == (4, 4)

    def test_a_cached_function_goes_with_its_code(self) -> None:
        """`functools.lru_cache` would be stored as a mere name."""
        cell = "import functools\n@functools.lru_cache(maxsize=7)\ndef f(n): return n + 1"
        (f,) = Notebook().restore(Notebook(cell).store("f"))
        assert f(1) == 2
        assert f.cache_parameters()["maxsize"] == 7

    def test_library_functions_go_by_name(self) -> None:
        """And are the very same."""
        assert around(np.mean, len, functools.reduce) == (np.mean, len, functools.reduce)

    def test_another_python_cannot_read_its_code(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Marshalled code of another version could do anything."""
        notebook = Notebook("f = lambda: 1")
        payload = notebook.store("f")
        monkeypatch.setattr("importlib.util.MAGIC_NUMBER", b"other")
        assert "another version of Python" in notebook.reason_missing(payload)


class TestReferences:
    """Nothing of the notebook is stored as a name in a module."""

    def test_what_pickles_as_a_name_in_the_notebook_cannot_be_stored(self) -> None:
        """A type variable is such a thing; in another kernel the name may mean anything."""
        module = ModuleType("__main__")
        module.T = object()  # type: ignore[attr-defined]
        notebook = Notebook("from typing import TypeVar\nT = TypeVar('T')")
        before = sys.modules["__main__"]
        sys.modules["__main__"] = module
        module.__dict__.update(notebook.namespace)
        try:
            assert "only by its name in the notebook" in notebook.reason_not_stored("T")
        finally:
            sys.modules["__main__"] = before

    def test_the_name_of_the_main_module_is_a_text_like_any_other(self) -> None:
        """A script may hold it."""
        assert around(["__main__", "x", "__main__"]) == (["__main__", "x", "__main__"],)

    def test_modules_go_by_import_name(self) -> None:
        """A namespace may hold them."""
        assert around(threading) == (threading,)

    def test_the_namespace_is_looked_up_for_every_reader(self) -> None:
        """A pickle made elsewhere that names the notebook is refused."""
        payload = Payload(b"c__main__\nsecret\n.", (), (), {})
        assert "only by its name" in Notebook("secret = 1").reason_missing(payload)


class TestReasons:
    """Why something cannot be stored, with the way to it."""

    def test_the_way_to_the_culprit(self) -> None:
        """Through attributes, keys and positions."""
        notebook = Notebook(MODEL)
        notebook.namespace["m"].parts = [1, {"lock": threading.Lock()}]
        assert "value.parts[1]['lock'] is a _thread.lock" in notebook.reason_not_stored("m")

    def test_a_connection(self) -> None:
        """The type is named with its module."""
        notebook = Notebook()
        connection = notebook.namespace["x"] = sqlite3.connect(":memory:")
        assert "value is a sqlite3.Connection" in notebook.reason_not_stored("x")
        connection.close()

    def test_too_deep(self) -> None:
        """Nesting has an end."""
        notebook = Notebook("x = []\nfor _ in range(100_000): x = [x]")
        assert "nested too deeply" in notebook.reason_not_stored("x")
        del notebook.namespace["x"]

    @pytest.mark.parametrize(
        ("way", "reason"),
        [
            ("def __getstate__(self): return {'x': self.x}", "C leaves out cache when it is pickled"),
            (
                "def __getstate__(self): return {**vars(self), 'cache': {}}",
                "C leaves out cache when it is pickled",
            ),
            ("def __getstate__(self): return self.x, self.cache", "C leaves out cache when it is pickled"),
            ("def __setstate__(self, s): RAN.append(1)", "C says itself how it is made again"),
            ("def __reduce__(self): return C, ()", "C says itself how it is made again"),
        ],
    )
    def test_a_class_that_may_not_keep_everything(self, way: str, reason: str) -> None:
        """It is not stored, and none of its code runs to find that out but what pickling calls."""
        notebook = Notebook("RAN = []", KEEPS.format(way=way))
        assert notebook.reason_not_stored("c") == reason
        assert notebook.namespace["RAN"] == []

    @pytest.mark.parametrize(
        "way",
        ["def __getstate__(self): return vars(self)", "def __getstate__(self): return dict(self.__dict__)"],
    )
    def test_a_class_that_keeps_everything(self, way: str) -> None:
        """It is stored, and comes back as it was."""
        notebook = Notebook(KEEPS.format(way=way))
        (again,) = notebook.restore(notebook.store("c"))
        assert vars(again) == {"x": 1, "cache": {"k": 1}}

    def test_another_major_version_of_a_package(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What its pickles mean may have changed."""
        notebook = Notebook()
        payload = notebook.formats.encode((pd.Series([1]),))
        monkeypatch.setattr(pd, "__version__", "99.0")
        assert notebook.reason_missing(payload).startswith("stored with pandas ")

    def test_a_version_that_is_a_text_of_a_class_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is sent as the text that it is."""
        version = type("Version", (str,), {})(pd.__version__)
        notebook = Notebook()
        monkeypatch.setattr(pd, "__version__", version)
        payload = notebook.formats.encode((pd.Series([1]),))
        assert {type(each) for each in payload.packages.values()} == {str}
        assert payload.packages["pandas"] == pd.__version__


class TestArrays:
    """Arrays keep their memory's shape and sharing."""

    @given(st.data())
    def test_views_of_one_array(self, data: st.DataObject) -> None:
        """Any set of views has the same contents and the same sharing after a round trip."""
        base = np.arange(24).reshape(2, 3, 4)
        step = st.sampled_from([None, 1, 2, -1, -2])
        index = st.tuples(*[st.builds(slice, st.none() | st.integers(0, 3), st.none(), step)] * 3)
        views = [base[one] for one in data.draw(st.lists(index, max_size=3))]
        views.append(base.T)
        members = tuple(views) if data.draw(st.booleans()) else (base, *views)
        loaded = around(*members)
        for one, other in zip(members, loaded, strict=True):
            assert np.array_equal(one, other)
            assert one.flags.writeable == other.flags.writeable
        for i, one in enumerate(members):
            for j, other in enumerate(members):
                assert np.shares_memory(one, other) == np.shares_memory(loaded[i], loaded[j])

    @pytest.mark.parametrize(
        "array",
        [
            np.array(3.5),
            np.zeros((0, 3)),
            np.array(["a", "bc"]),
            np.array(["2020-01-01"], dtype="M8[ns]"),
            np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
            np.array([None, "x", [1]], dtype=object),
            np.array(["a", "long text"], dtype=np.dtypes.StringDType()),
            np.asfortranarray(np.arange(6).reshape(2, 3)),
            np.broadcast_to(np.arange(3), (4, 3)),
            np.ma.masked_array([1, 2], mask=[True, False]),
        ],
        ids=lambda array: f"{type(array).__name__}-{array.dtype}",
    )
    def test_kinds_of_arrays(self, array: Any) -> None:
        """Type, shape, contents and order come back."""
        (loaded,) = around(array)
        assert type(loaded) is type(array)
        assert loaded.dtype == array.dtype
        assert loaded.tolist() == array.tolist()
        assert loaded.flags.f_contiguous == array.flags.f_contiguous

    def test_views_of_objects_share_them(self) -> None:
        """Arrays of objects have no buffers, but share all the same."""
        base = np.array([[1], [2], [3]], dtype=object)
        loaded, view = around(base, base[1:])
        loaded[1, 0] = "changed"
        assert view[0, 0] == "changed"

    def test_a_lone_view_does_not_drag_its_base_along(self) -> None:
        """A column of a large table is stored as a column."""
        column = np.zeros((1000, 1000))[:, 0]
        assert Notebook().formats.encode((column,)).size < 10_000

    def test_a_contiguous_part_does_not_either(self) -> None:
        """Nor a run of rows."""
        assert Notebook().formats.encode((np.zeros(100_000)[:10],)).size < 1_000

    def test_a_read_only_array_stays_read_only(self) -> None:
        """Beside a writable one over the same memory."""
        base = np.arange(10)
        fixed = base[:]
        fixed.flags.writeable = False
        loaded, view = around(base, fixed)
        loaded[0] = 7
        assert view[0] == 7
        assert not view.flags.writeable


class TestTables:
    """Frames of pandas, polars and Arrow."""

    FRAME = pd.DataFrame(
        {
            "i": range(5),
            "f": [0.5] * 5,
            "s": list("abcde"),
            "o": [[1], None, "x", 2, 3.5],
            "d": pd.date_range("2020", periods=5, tz="Europe/Berlin"),
            "c": pd.Categorical(list("aabba")),
            "n": pd.array([1, None, 3, 4, 5], dtype="Int64"),
        }
    )

    def test_a_pandas_frame(self) -> None:
        """Every kind of column."""
        (frame,) = around(self.FRAME)
        pd.testing.assert_frame_equal(frame, self.FRAME)

    def test_a_frame_and_its_column_are_independent(self) -> None:
        """In pandas a write to one never shows in the other, so it must not after a round trip."""
        frame, column = around(self.FRAME, self.FRAME["i"])
        column.iloc[0] = 99
        frame.loc[1, "i"] = 98
        assert frame["i"].tolist() == [0, 98, 2, 3, 4]
        assert column.tolist() == [99, 1, 2, 3, 4]

    def test_a_frame_comes_back_writable(self) -> None:
        """In place, too."""
        (frame,) = around(self.FRAME)
        frame["f"] += 1
        frame.loc[0, "i"] = 5
        assert (frame["f"].tolist(), frame.loc[0, "i"]) == ([1.5] * 5, 5)

    def test_few_rows_of_a_large_frame_are_few_bytes(self) -> None:
        """Neither numbers nor texts drag the rest along."""
        frame = pd.DataFrame({"a": range(100_000), "b": 0.5, "s": ["some text"] * 100_000}).head(3)
        payload = Notebook().formats.encode((frame,))
        assert payload.size < 20_000
        pd.testing.assert_frame_equal(Notebook().restore(payload)[0], frame)

    def test_a_polars_frame(self) -> None:
        """With the types that only polars knows."""
        frame = pl.DataFrame(
            {
                "i": [1, 2],
                "s": ["a", None],
                "c": pl.Series(["x", "y"], dtype=pl.Categorical),
                "e": pl.Series(["x", "y"], dtype=pl.Enum(["x", "y"])),
                "l": [[1], [2, 3]],
                "st": [{"a": 1}, {"a": 2}],
            }
        )
        (loaded,) = around(frame)
        assert loaded.schema == frame.schema
        assert loaded.equals(frame)

    def test_a_polars_series(self) -> None:
        """By name and type."""
        (series,) = around(pl.Series("name", [1, 2], dtype=pl.Int8))
        assert (series.name, series.dtype, series.to_list()) == ("name", pl.Int8, [1, 2])

    def test_polars_without_pyarrow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Polars reads its own buffers, slower."""
        notebook, frame = Notebook(), pl.DataFrame({"a": ["x", "y"]})
        payload = notebook.formats.encode((frame,))
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert notebook.restore(payload)[0].equals(frame)

    @pytest.mark.parametrize("kind", ["table", "batch", "chunked", "array"])
    def test_slices_of_arrow_data(self, kind: str) -> None:
        """Only the slice is stored, and it is equal."""
        array = pa.array([f"text {n}" for n in range(50_000)])
        value = {
            "table": lambda: pa.table({"a": array}).slice(5, 7),
            "batch": lambda: pa.RecordBatch.from_arrays([array], ["a"]).slice(5, 7),
            "chunked": lambda: pa.chunked_array([array]).slice(5, 7),
            "array": lambda: array.slice(5, 7),
        }[kind]()
        payload = Notebook().formats.encode((value,))
        (loaded,) = Notebook().restore(payload)
        assert payload.size < 5_000
        assert type(loaded) is type(value)
        assert loaded.equals(value)

    def test_an_empty_slice_of_arrow_data(self) -> None:
        """Has no batch that it could be read from by position alone."""
        value = pa.array([f"text {n}" for n in range(50_000)]).slice(5, 0)
        assert around(value)[0].equals(value)

    def test_whole_arrow_data(self) -> None:
        """As buffers, without a copy."""
        table = pa.table({"a": range(100_000)})
        payload = Notebook().formats.encode((table,))
        assert len(payload.pickled) < 5_000
        assert Notebook().restore(payload)[0].equals(table)


class TestWhatComesBack:
    """A value comes back as it was, or is not stored."""

    @pytest.mark.parametrize(
        "value",
        [
            np.ma.array([1, 2]),
            np.ma.array([1, 2], mask=[0, 1]),
            np.ma.array([1, 2], mask=[0, 1], hard_mask=True, fill_value=7),
            np.ma.array([[1.5, 2], [3, 4]], mask=[[0, 1], [1, 0]]).T,
            np.asfortranarray(np.arange(6).reshape(2, 3)),
            np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
            np.array([["a", 1], ["b", 2]], dtype=object).T,
            np.array([[1, 2]]).view(np.matrix),
            iter([1, 2]),
        ],
    )
    def test_as_it_was(self, value: object) -> None:
        """Its digest is the same: masks, order in memory and kind are kept."""
        before = digest(value)
        (again,) = around(value)
        assert digest(again) == before
        assert type(again) is type(value)

    @pytest.mark.parametrize(
        ("cell", "what"),
        [
            ("import pandas as pd\nx = pd.DataFrame({'a': [1]})\nx.unit = 'm'", "unit"),
            ("import pandas as pd\nx = [pd.Series([1])]\nx[0].unit = 'm'", "unit"),
            ("import numpy as np\nclass A(np.ndarray): pass\nx = np.arange(3).view(A)\nx.unit = 'm'", "unit"),
            ("x = iter({1, 2})", "set_iterator"),
            ("x = iter({1: 2}.items())", "dict_itemiterator"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Pandas doesn't allow columns")
    def test_not_stored(self, cell: str, what: str) -> None:
        """What its library would lose keeps it out of the store, with the reason."""
        assert what in Notebook(cell).reason_not_stored("x")
