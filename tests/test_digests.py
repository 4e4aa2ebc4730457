"""Digests of values, the memory they reach and the code inside them."""

from __future__ import annotations

import array
import collections
import copy
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import json
import logging
import mmap
import pathlib
import pickle
import random
import re
import socket
import sys
import threading
import types
import uuid
import weakref
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from nbflow.exceptions import DigestError
from nbflow.store.digests import (
    Fingerprint,
    NoDigestError,
    digest,
    fingerprint,
    key_digest,
    register_digest,
    unit_digest,
)
from nbflow.types import NO_REACH, TEXTS


def run(source, name="__main__", **names):
    """A notebook's namespace after a cell."""
    names["__name__"] = name
    exec(compile(source, "<cell>", "exec"), names)
    return names


def notebook(source, name):
    """The digest of a name of a notebook after a cell, globals left out."""
    names = run(source)
    return fingerprint(names[name], names).digest


def followed(source, name):
    """The digest of a name after a cell, globals followed."""
    return digest(run(source)[name])


class Plain:
    """An object like any other."""

    def __init__(self, **parts):
        self.__dict__.update(parts)


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class Colour(enum.Enum):
    """Two of three."""

    RED = 1
    BLUE = 2


class Record(collections.namedtuple("Record", "x y")):
    """A tuple with names."""

    __slots__ = ()


class Listed(list):
    """A list of a type of its own."""


def recursive():
    """A list that holds itself."""
    held: list[object] = [1]
    held.append(held)
    return held


def cyclic_object():
    """An object that a set of its own holds."""
    held = Plain(name="a")
    held.parts = {held, Plain(name="b", up=held)}
    return held


def frame(**further):
    """A frame with several kinds of column."""
    return pd.DataFrame(
        {
            "i": [1, 2, 3],
            "f": [1.0, float("nan"), 2.0],
            "s": ["a", "b", None],
            "c": pd.Categorical(["x", "y", "x"]),
            "t": pd.to_datetime(["2020-01-01", "2020-01-02", None]).tz_localize("UTC"),
            "n": pd.array([1, None, 3], dtype="Int64"),
            "o": [[1], {"a": 1}, None],
            **further,
        }
    )


MAKERS = {
    "none": lambda: None,
    "int": lambda: 5,
    "big int": lambda: -(10**40),
    "float": lambda: 1.5,
    "nan": lambda: float("nan"),
    "complex": lambda: 1 - 0j,
    "text": lambda: "ä\ud800" * 3,
    "long text": lambda: "abc" * 1000,
    "bytes": lambda: b"abc" * 50,
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abcd")[1:],
    "array": lambda: array.array("d", [1, 2]),
    "range": lambda: range(3),
    "slice": lambda: slice(1, None, 2),
    "ellipsis": lambda: ...,
    "list": lambda: [1, "a", None, [2.0]],
    "tuples": lambda: [(1, "a"), (2, "b")],
    "recursive": recursive,
    "dict": lambda: {"a": [1], 2: "b"},
    "set": lambda: {1, "a", (2, 3), frozenset("xyz")},
    "frozenset": lambda: frozenset({"a", 1, None}),
    "set of objects": lambda: {Plain(a=1), Plain(a=2, b={"u", "v"})},
    "cyclic object": cyclic_object,
    "deque": lambda: collections.deque([1, 2], maxlen=3),
    "ordered": lambda: collections.OrderedDict(a=1),
    "counter": lambda: collections.Counter("aab"),
    "defaultdict": lambda: collections.defaultdict(list, a=[1]),
    "proxy": lambda: types.MappingProxyType({"a": [1]}),
    "decimal": lambda: decimal.Decimal("1.0"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "datetime": lambda: datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    "timedelta": lambda: datetime.timedelta(1, 2),
    "uuid": lambda: uuid.UUID(int=3),
    "path": lambda: pathlib.Path("a/b"),
    "pattern": lambda: re.compile("a+", re.IGNORECASE),
    "enum": lambda: Colour.RED,
    "record": lambda: Record(1, [2]),
    "object": lambda: Plain(a=1, b={"x"}),
    "slots": lambda: Slotted(1, [2]),
    "listed": lambda: Listed([1, [2]]),
    "partial": lambda: functools.partial(int, base=2),
    "namespace": lambda: types.SimpleNamespace(a=1),
    "exception": lambda: ValueError("a", 1),
    "random": lambda: random.Random(3),
    "stream": lambda: io.BytesIO(b"abc"),
    "class": lambda: Plain,
    "library class": lambda: json.JSONDecoder,
    "builtin": lambda: len,
    "function": lambda: recursive,
    "lambda": lambda: lambda x: x + 1,
    "closure": lambda: run("def f(n):\n def g(): return n\n return g")["f"](3),
    "bound method": lambda: Plain(a=1).__init__,
    "method of a list": lambda: [1, 2].append,
    "module": lambda: json,
    "ufunc": lambda: np.add,
    "numpy function": lambda: np.sum,
    "numpy": lambda: np.arange(6.0).reshape(2, 3),
    "numpy text": lambda: np.array(["a", "bc"]),
    "numpy strings": lambda: np.array(["a", "bc"], dtype=np.dtypes.StringDType()),
    "numpy dates": lambda: np.array(["2020-01-01"], dtype="M8[D]"),
    "numpy objects": lambda: np.array([1, "a", [2]], dtype=object),
    "numpy structured": lambda: np.array([(1, 2.0)], dtype=np.dtype([("a", "u1"), ("b", "f8")], align=True)),
    "numpy long double": lambda: np.array([1, 2], dtype="g"),
    "numpy scalar": lambda: np.float32(1.5),
    "numpy void": lambda: np.array([(1, 2.0)], dtype=[("a", "u1"), ("b", "f8")])[0],
    "masked": lambda: np.ma.array([1, 2], mask=[0, 1]),
    "matrix": lambda: np.array([[1, 2]]).view(np.matrix),
    "dtype": lambda: np.dtype("f4"),
    "generator of numpy": lambda: np.random.default_rng(1),
    "random state": lambda: np.random.RandomState(1),
    "frame": frame,
    "series": lambda: pd.Series([1, 2], name="a", index=["x", "y"]),
    "index": lambda: pd.Index([1, 2], name="a"),
    "multi-index": lambda: pd.MultiIndex.from_product([[1, 2], ["a"]], names=["x", None]),
    "range index": lambda: pd.RangeIndex(3),
    "categorical": lambda: pd.Categorical(["a", "b"], ordered=True),
    "intervals": lambda: pd.Series(pd.interval_range(0, 3)),
    "periods": lambda: pd.period_range("2020", periods=3, freq="M"),
    "sparse pandas": lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    "arrow pandas": lambda: pd.Series([1, None], dtype="int64[pyarrow]"),
    "timestamp": lambda: pd.Timestamp("2020-01-01", tz="UTC"),
    "missing": lambda: [pd.NA, pd.NaT],
    "offset": lambda: pd.offsets.MonthEnd(2),
    "pandas dtype": lambda: pd.CategoricalDtype(["a", "b"]),
    "polars": lambda: pl.DataFrame({"a": [1, None], "b": ["x", "y"], "c": [[1], []]}),
    "polars series": lambda: pl.Series("a", ["x", "y", "x"], dtype=pl.Categorical),
    "lazy": lambda: pl.LazyFrame({"a": [1]}).filter(pl.col("a") > 0),
    "expression": lambda: pl.col("a") + 1,
    "polars dtype": lambda: pl.Datetime("us"),
    "arrow": lambda: pa.table({"a": [1, None], "b": ["x", None], "c": [[1], None], "d": [{"k": 1}, None]}),
    "arrow dictionary": lambda: pa.array(["a", "b", "a"]).dictionary_encode(),
    "arrow scalar": lambda: pa.scalar(1),
    "arrow schema": lambda: pa.schema([("a", pa.int64())]),
    "sparse": lambda: sparse.csr_array(np.eye(3)),
    "sparse list": lambda: sparse.lil_array(np.eye(3)),
    "estimator": lambda: LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0]),
}
SAME_OBJECT = {"class", "library class", "builtin", "function", "module", "ufunc", "numpy function", "enum"}


class TestEveryKind:
    """Each kind of value has a digest of its own."""

    @pytest.mark.parametrize("kind", MAKERS)
    def test_values_made_alike_are_equal(self, kind):
        """Two values made in the same way have the same digest."""
        assert digest(MAKERS[kind]()) == digest(MAKERS[kind]())

    def test_all_kinds_differ(self):
        """No two of the values have the same digest."""
        assert len({digest(make()) for make in MAKERS.values()}) == len(MAKERS)

    @pytest.mark.parametrize("kind", MAKERS)
    def test_a_digest_is_32_hexadecimal_characters(self, kind):
        """The form of a digest is the same for all."""
        assert re.fullmatch("[0-9a-f]{32}", digest(MAKERS[kind]()))

    @pytest.mark.parametrize("kind", MAKERS)
    def test_the_fingerprint_has_that_digest_and_lasting_memory(self, kind):
        """Looking again at a value that nobody touched gives the same fingerprint."""
        value = MAKERS[kind]()
        first = fingerprint(value)
        assert first == fingerprint(value)
        assert first.digest == digest(value)

    def test_looking_for_attributes_gives_an_exception_none(self):
        """Python makes the mapping of them when it is first asked for."""
        one, other = ValueError("a", 1), ValueError("a", 1)
        assert vars(one) == {}
        assert digest(one) == digest(other)

    @pytest.mark.parametrize("kind", sorted(MAKERS.keys() - SAME_OBJECT))
    def test_values_made_apart_share_no_memory(self, kind):
        """Equal values that were made one after the other share nothing."""
        one, other = MAKERS[kind](), MAKERS[kind]()
        assert not fingerprint(one).memory & fingerprint(other).memory

    @pytest.mark.parametrize("kind", sorted(MAKERS.keys() - {"memoryview", "proxy", "lambda", "closure"}))
    def test_copies_are_equal(self, kind):
        """A deep copy of a value has its digest, whatever sets and caches look like inside."""
        value = MAKERS[kind]()
        if kind != "module":
            assert digest(copy.deepcopy(value)) == digest(value)


class TestMustDiffer:
    """Values that a program can tell apart."""

    @pytest.mark.parametrize(
        "values",
        [
            (1, 1.0, True, "1", b"1", 1 + 0j, decimal.Decimal(1), fractions.Fraction(1)),
            (0.0, -0.0, 0, False, None, "", b""),
            (1j, complex(-0.0, 1)),
            ([1, 2], (1, 2), {1, 2}, frozenset({1, 2}), {1: 2}, collections.deque([1, 2]), range(1, 3)),
            ([], (), {}, set(), frozenset(), [[]], [()], [{}]),
            (["ab", "c"], ["a", "bc"], ["abc"], ["a", "b", "c"]),
            ([["a"], "b"], [["a", "b"]], ["a", ["b"]], [("a",), "b"]),
            ([1, True], [1, 1], [True, 1], [1.0, 1], [1, 1.0]),
            ([(1, 2), (3,)], [(1,), (2, 3)], [(1, 2, 3)], [[1, 2], [3]]),
            ({"a": 1, "b": 2}, {"b": 2, "a": 1}, collections.OrderedDict(a=1, b=2)),
            ({1: "a"}, {"1": "a"}, {True: "a"}),
            (b"a", bytearray(b"a"), "a", memoryview(b"a")),
            (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
            (collections.deque([1]), collections.deque([1], maxlen=1)),
            (Plain(a=1), Plain(b=1), Plain(a=2), Slotted(1, 2), Slotted(2, 1)),
            (Record(1, 2), (1, 2), Record(2, 1)),
            (Listed([1]), [1]),
            (Colour.RED, Colour.BLUE, 1),
            (2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64, -(2**64)),
            (pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), "a"),
            (re.compile("a"), re.compile("a", re.IGNORECASE), re.compile(b"a")),
            (random.Random(1), random.Random(2)),
            (int, float, bool, type, object),
            (len, print, [].append, [1].append, [].extend),
        ],
    )
    def test_builtin_values(self, values):
        """Values that look alike but are not have different digests."""
        assert len({digest(value) for value in values}) == len(values)

    @pytest.mark.parametrize(
        "values",
        [
            (np.zeros(3), np.ones(3), np.zeros(3, "f4"), np.zeros(3, "i8"), np.zeros(3, "i4"), [0.0] * 3),
            (np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(6), np.zeros((1, 6))),
            (np.zeros((2, 3)), np.zeros((2, 3), order="F"), np.zeros((3, 2), order="F")),
            (np.zeros((2, 3, 4)), np.zeros((4, 3, 2)).transpose(), np.zeros((3, 2, 4)).transpose(1, 0, 2)),
            (np.array([0.0]), np.array([-0.0]), np.array(0.0), np.float64(0.0), 0.0),
            (np.array([1], "<i8"), np.array([1], ">i8"), np.array([1], "u8")),
            (np.array(["a"]), np.array(["a"], dtype="U2"), np.array(["a"], dtype=object), np.array([b"a"])),
            (np.array([1], dtype=object), np.array([1.0], dtype=object), np.array([True], dtype=object)),
            (np.array([1], "M8[s]"), np.array([1], "M8[ns]"), np.array([1], "m8[s]")),
            (np.zeros(1, [("a", "i4"), ("b", "i4")]), np.zeros(1, [("b", "i4"), ("a", "i4")])),
            (np.empty((0, 3)), np.empty((3, 0)), np.empty(0)),
            (np.ma.array([1], mask=[0]), np.ma.array([1], mask=[1]), np.array([1])),
            (np.random.default_rng(1), np.random.default_rng(2), np.random.RandomState(1)),
            (sparse.csr_array(np.eye(2)), sparse.csc_array(np.eye(2)), sparse.coo_array(np.eye(2))),
            (sparse.csr_array(np.eye(2)), sparse.csr_matrix(np.eye(2))),
            (LinearRegression(), LinearRegression(positive=True)),
        ],
    )
    def test_arrays(self, values):
        """Type, shape, byte order, order in memory and content of arrays count."""
        assert len({digest(value) for value in values}) == len(values)

    @pytest.mark.parametrize(
        "change",
        [
            lambda df: df.rename_axis("i"),
            lambda df: df.rename_axis("i", axis=1),
            lambda df: df.rename(columns={"i": "j"}),
            lambda df: df[df.columns[::-1]],
            lambda df: df.assign(i=df.i.astype("i4")),
            lambda df: df.assign(i=df.i.astype("Int64")),
            lambda df: df.assign(c=df.c.cat.as_ordered()),
            lambda df: df.assign(c=df.c.cat.add_categories("z")),
            lambda df: df.assign(c=df.c.astype(str)),
            lambda df: df.assign(t=df.t.dt.tz_convert("Europe/Berlin")),
            lambda df: df.assign(s=df.s.astype(object)),
            lambda df: df.assign(o=[[2], {"a": 1}, None]),
            lambda df: df.assign(n=pd.array([1, 2, 3], dtype="Int64")),
            lambda df: df.set_axis([0, 1, 2]),
            lambda df: df.set_flags(allows_duplicate_labels=False),
            lambda df: df.iloc[::-1],
            lambda df: pd.concat([df, df[["i"]]], axis=1),
            lambda df: df.assign(f=df.f.fillna(0)),
        ],
    )
    def test_frames(self, change):
        """Each change of a frame that shows changes the digest."""
        assert digest(change(frame())) != digest(frame())

    def test_attributes_of_frames_count(self):
        """`attrs` is part of a frame."""
        marked = frame()
        marked.attrs["unit"] = "m"
        assert digest(marked) != digest(frame())

    def test_duplicate_column_names_are_told_apart(self):
        """Two columns of one name are two columns."""
        one = pd.DataFrame([[1, 2]], columns=["a", "a"])
        other = pd.DataFrame([[2, 1]], columns=["a", "a"])
        assert digest(one) != digest(other)

    @pytest.mark.parametrize(
        "values",
        [
            (pa.array([1, None]), pa.array([None, 1]), pa.array([1, 0]), pa.array([1])),
            (pa.array(["ab", "c"]), pa.array(["a", "bc"]), pa.array(["ab", "c"], pa.large_string())),
            (pa.array(["", None]), pa.array([None, ""])),
            (pa.array([[1], [2, 3]]), pa.array([[1, 2], [3]]), pa.array([[1, 2, 3]]), pa.array([[1], None])),
            (pa.array([{"a": 1}]), pa.array([{"b": 1}]), pa.array([{"a": None}]), pa.array([None, {"a": 1}])),
            (pa.array(["a"]), pa.array(["a"]).dictionary_encode(), pa.array([b"a"])),
            (pa.table({"a": [1]}), pa.table({"b": [1]}), pa.record_batch({"a": [1]})),
            (pa.table({"a": [1]}), pa.table({"a": [1]}).replace_schema_metadata({"k": "v"})),
            (pa.array([True, False]), pa.array([False, True]), pa.array([True, None])),
            (pa.nulls(2), pa.nulls(3)),
            (pl.DataFrame({"a": [1]}), pl.DataFrame({"b": [1]}), pl.DataFrame({"a": [1.0]})),
            (pl.Series([1]), pl.Series([1], dtype=pl.Int32), pl.Series("a", [1])),
            (
                pl.Series(["a"], dtype=pl.Categorical),
                pl.Series(["a"]),
                pl.Series(["a"], dtype=pl.Enum(["a"])),
            ),
            (pl.col("a"), pl.col("b"), pl.col("a").sum()),
        ],
    )
    def test_arrow_and_polars(self, values):
        """Content, type, names and metadata of columns count."""
        assert len({digest(value) for value in values}) == len(values)


class TestMustBeEqual:
    """What no program can see does not count."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (np.arange(12).reshape(4, 3)[::2, 1:], np.arange(12).reshape(4, 3)[::2, 1:].copy()),
            (np.arange(4), np.arange(8)[::2] // 2),
            (np.arange(3), np.arange(10)[:3]),
            (np.arange(3)[::-1], np.array([2, 1, 0])),
            (np.broadcast_to(1.0, (3,)), np.ones(3)),
            (np.broadcast_to(np.ones(3), (2, 3)), np.ones((2, 3))),
            (np.zeros((2000, 1), order="F"), np.zeros((2000, 1))),
            (np.array([["a", 1]], dtype=object), np.array([["a", 1]], dtype=object, order="F")),
        ],
    )
    def test_layout_of_arrays(self, one, other):
        """Strides, gaps and offsets do not count."""
        assert digest(one) == digest(other)

    def test_the_read_only_flag(self):
        """A read-only array is equal to a writable one."""
        fixed = np.arange(3)
        fixed.flags.writeable = False
        assert digest(fixed) == digest(np.arange(3))

    def test_an_array_over_mapped_or_foreign_memory(self, tmp_path):
        """Where the buffer lies does not count."""
        path = tmp_path / "data"
        path.write_bytes(np.arange(3).tobytes())
        with path.open("rb") as file:
            mapped = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype="i8")
        assert digest(mapped) == digest(np.arange(3)) == digest(np.frombuffer(np.arange(3).tobytes(), "i8"))

    def test_two_arrays_over_one_mapping(self):
        """Arrays that were mapped from one file are apart as long as they do not overlap."""
        whole = memoryview(mmap.mmap(-1, 8192))
        mapped = [np.frombuffer(whole[:80], "f8"), np.frombuffer(whole[4096:4176], "f8")]
        assert digest(mapped) == digest([np.zeros(10), np.zeros(10)])

    def test_padding_is_not_content(self):
        """Bytes between fields and behind long doubles are left over."""
        for dtype in (np.dtype([("a", "u1"), ("b", "f8")], align=True), np.dtype("g")):
            one, other = np.zeros(2, dtype), np.zeros(2, dtype)
            one.view("u1")[:] = 255
            for name in dtype.names or (...,):
                one[name] = 0
            assert digest(one) == digest(other)

    def test_shared_and_unshared_equal_strings(self):
        """Whether equal strings, tuples or numbers are one object does not count."""
        word = "".join(["a", "b"])
        for one, other in ((word, "ab"), (("a", word), ("a", "ab")), (10**30, 10**30 + 0)):
            assert digest([one, one, [one]]) == digest([one, other, [other]])

    def test_interned_strings(self):
        """Interning does not show in bulk encodings."""
        assert digest([sys.intern("abc d"), "x"]) == digest(["".join(["abc", " d"]), "x"])

    def test_order_of_sets(self):
        """The order in which a set was filled does not count."""
        words = [f"w{i}" for i in range(50)]
        assert digest({*words, 1}) == digest({1, *words[::-1]})
        assert digest({frozenset(words), (1, 2)}) == digest({(1, 2), frozenset(words[::-1])})

    def test_sets_of_objects(self):
        """Objects in a set are ordered by content, and may still be known elsewhere."""
        for _ in range(5):
            kept = [bytearray(i) for i in range(random.randrange(50))]
            parts = [Plain(a=i) for i in range(20)]
            random.shuffle(parts)
            first = next(part for part in parts if part.a == 3)
            made = digest([set(parts), first, kept[:0]])
            assert made == digest([{*parts[::-1]}, first, []])

    def test_slices_of_frames(self):
        """A slice of a frame is equal to a frame made like it."""
        df = frame()
        assert digest(df.iloc[:2]) == digest(frame().iloc[:2].copy())
        assert digest(df[["i", "f"]]) == digest(df[["i", "f"]].copy(deep=True))
        assert digest(pd.DataFrame(np.ones((3, 2)))) == digest(
            pd.DataFrame({0: np.ones(3), 1: np.ones(3)}, columns=pd.RangeIndex(2))
        )

    def test_what_lies_under_a_mask(self):
        """The number below a missing integer does not count."""
        one = pd.arrays.IntegerArray(np.array([1, 7]), np.array([False, True]))
        assert digest(pd.Series(one)) == digest(pd.Series([1, None], dtype="Int64"))

    @pytest.mark.parametrize(
        "values",
        [
            [1, 2, None, 4, 5],
            ["a", "bb", None, "", "ccc"],
            [True, None, False, True, True],
            [[1], [2, 3], None, [], [4]],
            [{"a": 1}, None, {"a": None}, {"a": 2}, {"a": 3}],
            [b"a", None, b"b", b"", b"c"],
            [decimal.Decimal("1.5"), None, decimal.Decimal("2.5"), None, None],
            [1.5, 2.5, 3.5, 4.5, 5.5],
            [datetime.date(2020, 1, 1), None, None, None, datetime.date(2021, 1, 1)],
        ],
    )
    @pytest.mark.parametrize("cut", [1, 2, 4])
    def test_chunks_and_slices_of_arrow(self, values, cut):
        """Where Arrow data is cut, and what a slice hides, does not count."""
        kind = pa.array(values).type
        whole = pa.chunked_array([values], kind)
        pieces = pa.chunked_array([values[:cut], [], values[cut:]], kind)
        sliced = pa.chunked_array([[values[2], *values, values[0]]], kind).slice(1, 5)
        assert digest(whole) == digest(pieces) == digest(sliced)

    def test_dictionaries_of_arrow_chunks(self):
        """Chunks with dictionaries of their own are equal to one with a common dictionary."""
        words = pa.array(["a", "b", "a"])
        parts = [words.dictionary_encode(), words.slice(1).dictionary_encode()]
        assert digest(pa.chunked_array(parts)) == digest(
            pa.chunked_array([pa.array(["a", "b", "a", "b", "a"]).dictionary_encode()])
        )

    def test_bytes_under_missing_values(self):
        """What an Arrow buffer holds under a null does not count."""
        data = pa.py_buffer(np.array([1, 9, 3]))
        valid = pa.py_buffer(bytes([0b101]))
        dirty = pa.Array.from_buffers(pa.int64(), 3, [valid, data])
        assert digest(dirty) == digest(pa.array([1, None, 3]))

    def test_slices_of_polars(self):
        """A slice of a polars frame and its chunks do not count."""
        df = pl.DataFrame({"a": [1, 2, 3, 4], "b": ["w", "x", None, "z"]})
        assert digest(df.slice(1, 2)) == digest(pl.DataFrame({"a": [2, 3], "b": ["x", None]}))
        assert digest(pl.concat([df[:2], df[2:]], rechunk=False)) == digest(df)

    def test_caches_of_functions(self):
        """What `lru_cache` has remembered is not its content."""
        names = run("import functools\n@functools.lru_cache\ndef f(x): return x")
        before = digest(names["f"])
        names["f"](1)
        assert digest(names["f"]) == before


class TestSharing:
    """Sharing of mutable parts counts, of immutable ones it does not."""

    @pytest.mark.parametrize("make", [list, dict, set, bytearray, Plain, lambda: np.zeros(3), frame])
    def test_one_part_twice(self, make):
        """The same mutable part twice differs from two equal parts."""
        part = make()
        assert digest([part, part]) != digest([part, copy.deepcopy(part)])

    @pytest.mark.parametrize("part", [(1, 2), "ab" * 50, frozenset({1}), decimal.Decimal(1), Record(1, 2)])
    def test_one_immutable_part_twice(self, part):
        """The same immutable part twice is equal to two equal parts."""
        other = pickle.loads(pickle.dumps(part))
        assert digest([part, part]) == digest([part, other])

    def test_sharing_through_tuples(self):
        """A list in two tuples is shared; whether the tuples are one object does not count."""
        held = [1]
        row = (held,)
        assert digest([row, row]) == digest([(held,), (held,)]) != digest([([1],), ([1],)])

    def test_views(self):
        """An array and a view of it differ from two arrays, and the place of the view counts."""
        whole = np.arange(4.0)
        made = {
            digest([whole, whole[:2]]),
            digest([whole, whole[:2].copy()]),
            digest([whole, whole]),
            digest([whole, whole.copy()]),
            digest([np.zeros(4), np.zeros(2)]),
        }
        assert len(made) == 5
        zeros = np.zeros(4)
        assert digest([zeros, zeros[:2]]) != digest([zeros, zeros[2:]])

    def test_a_frame_and_an_array_of_its_buffer(self):
        """An array that looks into a frame differs from a copy."""
        df = pd.DataFrame({"a": [1.0, 2.0]})
        seen = df["a"].to_numpy()
        assert digest([df, seen]) != digest([df, seen.copy()])
        assert digest([seen, df]) != digest([seen.copy(), df])

    def test_frames_that_copy_on_write_are_apart(self):
        """Two frames over one buffer are as good as two frames."""
        df = pd.DataFrame({"a": [1.0, 2.0]})
        assert digest([df, df[["a"]]]) == digest([df, df[["a"]].copy()])

    def test_cycles(self):
        """A list in itself differs from a list in a list in itself."""
        outer: list[object] = [1]
        inner = [1, outer]
        outer.append(inner)
        assert digest(outer) != digest(recursive())

    def test_attributes_known_elsewhere(self):
        """An object's own dictionary is shared memory as well."""
        held = Plain(a=1)
        assert digest([held, vars(held)]) != digest([held, {"a": 1}])

    def test_dags_of_tuples_are_walked_once(self):
        """A tuple that can be reached in very many ways takes no longer for that."""
        held: object = (1,)
        shared: object = ([1],)
        for _ in range(150):
            held, shared = (held, held), (shared, shared)
        assert digest(held) != digest(shared)

    def test_units(self):
        """The digest of a unit counts sharing between its members, not their order."""
        one, other = [1], [1]
        assert unit_digest({"a": one, "b": one}) != unit_digest({"a": one, "b": other})
        assert unit_digest({"a": one, "b": [2]}) == unit_digest({"b": [2], "a": [1]})
        assert unit_digest({"a": [1], "b": [2]}) != unit_digest({"a": [2], "b": [1]})
        assert unit_digest({"a": [1], "b": 2}) != unit_digest({"a": [1], "c": 2})


class TestMemory:
    """The tokens by which two values show that they share mutable memory."""

    @pytest.mark.parametrize(
        "value",
        [
            *(1, "a", (1, "a", (2,)), frozenset({1}), None, len, int, json, Colour.RED, range(3)),
            *(decimal.Decimal(1), pathlib.Path("a"), Record(1, 2), re.compile("a"), uuid.UUID(int=1)),
            *(np.dtype("f8"), np.float64(1), pd.Timestamp(0), pa.array([1]), logging.getLogger("x")),
            datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        ],
    )
    def test_what_nobody_can_change_has_none(self, value):
        """Immutable values have the one empty set."""
        assert fingerprint(value).memory is fingerprint(2).memory

    @pytest.mark.parametrize(
        "kind", ["list", "dict", "set", "object", "slots", "numpy", "frame", "estimator", "polars"]
    )
    def test_a_list_shares_with_its_element(self, kind):
        """What holds a mutable value shares memory with it."""
        value = MAKERS[kind]()
        assert fingerprint([value]).memory & fingerprint(value).memory
        assert fingerprint((value,)).memory & fingerprint(value).memory
        assert fingerprint(Plain(part=value)).memory & fingerprint(value).memory

    def test_views_meet_at_the_owner(self):
        """Views of one array share memory, wherever they look."""
        whole = np.arange(10)
        assert fingerprint(whole[:2]).memory & fingerprint(whole[5:].reshape(5, 1)).memory
        assert fingerprint(whole[:2]).memory & fingerprint(memoryview(whole)).memory
        assert not fingerprint(whole[:2].copy()).memory & fingerprint(whole).memory

    def test_arrays_over_one_buffer_meet(self):
        """Arrays over one bytearray or mapping share its memory."""
        for owner in (bytearray(16), mmap.mmap(-1, 16)):
            assert (
                fingerprint(np.frombuffer(owner, "u1")).memory
                & fingerprint(np.frombuffer(owner, "f8")).memory
            )

    def test_frames_copy_on_write(self):
        """Frames over one buffer do not share memory, two names for one frame do."""
        df = frame()
        assert not fingerprint(df[["i", "f"]]).memory & fingerprint(df).memory
        assert not fingerprint(df["i"]).memory & fingerprint(df).memory
        assert not fingerprint(df.index).memory & fingerprint(df).memory
        assert fingerprint([df]).memory & fingerprint(df).memory

    def test_objects_in_columns_are_shared(self):
        """A list in a cell of a frame is shared by the frames that hold it."""
        df = frame()
        assert fingerprint(df[["o"]]).memory & fingerprint(df).memory

    def test_parts_that_are_made_for_pickling_are_no_memory(self):
        """Objects that a reduction makes anew each time are left out, real parts are not."""

        class Careful:
            def __init__(self, part):
                self.part = part

            def __getstate__(self):
                return {"part": self.part, "fresh": [1, 2]}

        part = [1]
        one, other = Careful(part), Careful(part)
        assert fingerprint(one).memory & fingerprint(other).memory == {id(part)}
        assert fingerprint(one).memory == {id(one), id(part)}

    def test_closures_defaults_and_attributes(self):
        """Mutable values that a function holds are memory that it reaches."""
        names = run(
            "shared = []\ndef f(x=shared): return x\ndef make(held):\n return lambda: held\n"
            "g = make(shared)\n"
            "def h(): pass\nh.held = shared\nclass C:\n held = shared\nc = C()\nimport functools\n"
            "p = functools.partial(print, shared)\nm = shared.append"
        )
        for name in "fghCpm":
            assert id(names["shared"]) in fingerprint(names[name], names).memory, name

    def test_two_closures_over_one_variable(self):
        """A function that rebinds a variable shares memory with one that reads it."""
        names = run(
            "def make():\n n = 0\n def up():\n  nonlocal n\n  n += 1\n def get(): return n\n"
            " return up, get\nup, get = make()"
        )
        assert fingerprint(names["up"], names).memory & fingerprint(names["get"], names).memory
        before = fingerprint(names["get"], names).digest
        names["up"]()
        assert fingerprint(names["get"], names).digest != before

    def test_instances_of_a_class_are_apart(self):
        """Code that instances have in common is no memory, nor is what Python made for the class."""
        names = run(
            "from dataclasses import dataclass, field\nimport functools\n"
            "def deco(n):\n def wrap(f):\n  @functools.wraps(f)\n  def g(*a): return f(*a) + n\n"
            "  return g\n return wrap\n"
            "@dataclass\nclass C:\n a: int = 1\n b: list = field(default_factory=list)\n"
            " @deco(3)\n def go(self): return super().__repr__()\nc, d = C(), C()"
        )
        assert not fingerprint(names["c"], names).memory & fingerprint(names["d"], names).memory

    def test_a_thread_does_not_lead_to_all_names(self, monkeypatch):
        """Its hook for errors is one of the shell, which holds whatever there is."""
        traitlets = pytest.importorskip("traitlets.config")

        class Shell(traitlets.SingletonConfigurable):
            def hook(self, *error):
                pass

        shell, own = Shell(), []
        shell.names = names = [own]
        monkeypatch.setattr(sys, "excepthook", shell.hook)
        with pytest.raises(NoDigestError) as found:
            fingerprint([threading.Thread(target=print, args=(own,))])
        assert id(own) in found.value.memory
        assert not {id(shell), id(names)} & found.value.memory


class TestLateAttributes:
    """What can get attributes later is memory before it has any."""

    def test_a_function_of_the_notebook(self):
        """It has its own token with and without attributes, and so has what holds it."""
        names = run("def f(): pass\nclass C:\n def __init__(self, x): self.x = x\nc = C(f)\nl = [f]")
        token = id(names["f"])
        assert fingerprint(names["f"], names).memory == {token}
        for name in "cl":
            assert token in fingerprint(names[name], names).memory, name
        names["f"].n = 1
        assert token in fingerprint(names["f"], names).memory

    def test_a_class_of_the_notebook(self):
        """A class has a token under its own names, which its instances and subclasses do not have."""
        names = run("class C: pass\nclass D(C): pass\nc, E = C(), C")
        looked = {name: fingerprint(names[name], names).memory for name in "CDEc"}
        assert looked["C"] == looked["E"] == {id(names["C"])}
        assert not looked["C"] & (looked["D"] | looked["c"])

    def test_methods_and_installed_functions_have_none(self):
        """Neither a method nor a function of a package is memory."""
        names = run("class C:\n def go(self): pass")
        assert fingerprint(names["C"], names).memory == {id(names["C"])}
        assert fingerprint(json.dumps, names).memory == frozenset()

    def test_a_module_of_the_users_own(self, tmp_path, monkeypatch):
        """A local module is memory, and so are those that it leads to."""
        (tmp_path / "late_inner.py").write_text("X = 1")
        (tmp_path / "late_outer.py").write_text("import late_inner\nY = 2")
        monkeypatch.syspath_prepend(tmp_path)
        outer = __import__("late_outer")
        inner = outer.late_inner
        assert fingerprint(outer).memory == {id(outer), id(inner)}
        assert fingerprint({(1, inner)}).memory >= {id(inner)}
        for name in ("late_outer", "late_inner"):
            monkeypatch.delitem(sys.modules, name)


class TestReadOnlyViews:
    """A proxy or a view of a dict shows what becomes of the dict."""

    @pytest.mark.parametrize("make", [types.MappingProxyType, dict.keys, dict.values, dict.items])
    def test_the_dict_is_reached(self, make):
        """The dict is memory of its view, and its content counts."""
        held = {"a": 1}
        shown = make(held)
        before = fingerprint(shown)
        assert before.memory >= {id(held)}
        held["b"] = 2
        assert fingerprint(shown).digest != before.digest
        assert digest(make({"a": 1})) == before.digest

    def test_kinds_of_views_differ(self):
        """Keys, values and items of one dict are different things."""
        held = {"a": 1}
        assert len({digest(view) for view in (held.keys(), held.values(), held.items(), held)}) == 4


class TestLeftOut:
    """What a class of the user's own does not pickle counts all the same."""

    SOURCE = (
        "class Part:\n"
        " def __init__(self, kept, rest): self.kept, self.rest = kept, rest\n"
        " def __getstate__(self): return {'kept': self.kept}\n"
        "class Made:\n"
        " __slots__ = ('kept', 'rest')\n"
        " def __init__(self, kept, rest): self.kept, self.rest = kept, rest\n"
        " def __reduce__(self): return Made, (self.kept, None)\n"
    )

    @pytest.mark.parametrize("kind", ["Part", "Made"])
    def test_content_and_memory(self, kind):
        """The rest is in the digest and in the memory."""
        make = run(self.SOURCE)[kind]
        rest = [1]
        one = make(0, rest)
        assert id(rest) in fingerprint(one).memory
        assert digest(one) == digest(make(0, [1])) != digest(make(0, [2]))

    @pytest.mark.parametrize("kind", ["Part", "Made"])
    def test_a_rest_without_digest(self, kind):
        """A lock that is left out does no harm; what lies beside it is memory and counts later."""
        make = run(self.SOURCE)[kind]
        beside = [1]
        assert digest(make(0, threading.Lock())) == digest(make(0, threading.Lock()))
        assert id(beside) in fingerprint(make(0, [beside, threading.Lock()])).memory
        other = [2]
        assert digest([make(0, [beside, threading.Lock()]), beside]) != digest(
            [make(0, [other, threading.Lock()]), other]
        )


class TestWhatIsSeen:
    """The error about a value without digest tells what was seen of it."""

    def seen(self, value, namespace=None):
        """What the error tells."""
        with pytest.raises(NoDigestError) as caught:
            fingerprint(value, namespace)
        return caught.value

    def test_parts_on_both_sides(self):
        """Memory before and after the part without digest is told, and that part."""
        first, last, bad = [1], np.arange(3), threading.Lock()
        told = self.seen([first, {"x": bad}, (last,)])
        assert {id(first), id(bad), id(last)} <= told.memory
        assert told.path == "value[1]['x']"
        assert fingerprint(last[1:]).memory & told.memory

    def test_inside_of_what_has_no_digest(self):
        """What a generator, a weak reference or a broken object holds is seen."""

        class Broken:
            def __init__(self, held):
                self.held = held

            def __reduce__(self):
                raise RuntimeError("not me")

        held = Plain(part=[1])
        broken = Broken(held)
        for value in ((part for part in held.part), weakref.ref(held), broken):
            assert id(held.part) in self.seen(value).memory, value
        assert id(vars(broken)) in self.seen(broken).memory

    def test_what_refuses_every_question(self):
        """A value that raises even when it is asked for its class hides nothing, and breaks nothing."""

        class Refuses:
            __slots__ = ("held",)

            def __getattribute__(self, name):
                raise LookupError(name)

        value, held = Refuses(), [1]
        object.__setattr__(value, "held", held)
        told = self.seen([value, {"x": value}])
        assert {id(value), id(held)} <= told.memory

    def test_however_deep(self):
        """Nesting does not hide what lies at the bottom."""
        bottom: list[object] = []
        held = bottom
        for _ in range(20_000):
            held = [held]
        assert id(bottom) in self.seen(held).memory
        while held:
            held = held.pop()

    def test_reach(self):
        """The names that code inside may touch are told."""
        names = run("def f():\n global n\n n = m", lock=threading.Lock(), m=1)
        told = self.seen([names["lock"], names["f"]], names)
        assert (told.reach.reads, told.reach.writes) == ({"m"}, {"n"})
        assert self.seen(names["lock"]).reach == NO_REACH

    def test_classes(self):
        """The user's own classes inside are told, with or without a digest."""

        class Broken(Plain):
            def __reduce__(self):
                raise RuntimeError("not me")

        held = Plain(part=[1])
        assert fingerprint(1).classes == fingerprint([pathlib.Path()]).classes == {}
        assert fingerprint({1: held}).classes == fingerprint(Plain).classes == {id(Plain): Plain}
        for value in (Broken(), [Broken(), held], (part for part in [Broken()])):
            assert self.seen(value).classes == {id(Broken): Broken, id(Plain): Plain}, value

    def test_what_is_made_for_pickling_is_left_out(self):
        """Objects that a reduction makes anew are no memory here either."""
        value = pathlib.Path, random.Random(1), object(), decimal.Decimal(1), sparse.dok_array((2, 2))
        assert self.seen(value).memory == self.seen(value).memory

    def test_units(self):
        """A unit tells what was seen of all its members."""
        first, last = [1], [2]
        with pytest.raises(NoDigestError) as caught:
            unit_digest({"a": first, "b": object(), "c": last})
        assert {id(first), id(last)} <= caught.value.memory
        assert caught.value.path == "b"

    def test_the_error_can_be_pickled(self):
        """It comes back with all that it tells."""
        told = self.seen([1, object()])
        again = pickle.loads(pickle.dumps(told))
        assert (again.path, again.memory, str(again)) == (told.path, told.memory, str(told))

    def test_modules(self, tmp_path, monkeypatch):
        """What a local module holds is memory even beside what has no digest."""
        (tmp_path / "late_held.py").write_text("import threading\nX = [1]\nY = [threading.Lock(), X]")
        monkeypatch.syspath_prepend(tmp_path)
        module = __import__("late_held")
        assert {id(module.X), id(module.Y), id(module.Y[0])} <= fingerprint(module).memory
        monkeypatch.delitem(sys.modules, "late_held")


class TestNoDigest:
    """What has no content says so, and where it is."""

    @pytest.mark.parametrize(
        "make",
        [
            lambda: (i for i in range(3)),
            threading.Lock,
            threading.RLock,
            object,
            lambda: io.TextIOWrapper(io.BytesIO()),
            threading.local,
            lambda: sys._getframe(),
            threading.Thread,
        ],
    )
    def test_values_without_content(self, make):
        """Locks, generators, frames and the like have no digest."""
        with pytest.raises(DigestError) as caught:
            digest(make())
        assert caught.value.path == "value"

    def test_sockets(self):
        """An open socket has no digest."""
        with socket.socket() as held, pytest.raises(DigestError):
            digest(held)

    @pytest.mark.parametrize(
        ("wrap", "path"),
        [
            (lambda part: [1, part], "value[1]"),
            (lambda part: {"a": (part,)}, "value['a'][0]"),
            (lambda part: Plain(model=Plain(rng=part)), "value.model.rng"),
            (lambda part: Slotted(1, part), "value.b"),
            (lambda part: np.array([1, part], dtype=object), "value[1]"),
            (lambda part: pd.DataFrame({"a": [1], "x": [part]}), "value['x'][0]"),
            (lambda part: functools.partial(print, part), "value[0]"),
            (lambda part: run("def f(): return lock", lock=part)["f"], "value.f.lock"),
            (
                lambda part: run("def make(part):\n return lambda: part")["make"](part),
                "value.make.<locals>.<lambda>.part",
            ),
            (lambda part: run("class C:\n held = lock", lock=part)["C"](), "value.C.held"),
        ],
    )
    def test_the_path_names_the_part(self, wrap, path):
        """The error says where in the value the part is."""
        with pytest.raises(DigestError) as caught:
            digest(wrap(threading.Lock()))
        assert caught.value.path.startswith(path.split("[0]")[0])
        assert caught.value.path in str(caught.value)

    def test_units_name_the_member(self):
        """In a unit the path begins with the name of the member."""
        with pytest.raises(DigestError) as caught:
            unit_digest({"a": 1, "b": [object()]})
        assert caught.value.path == "b[0]"

    def test_errors_of_the_users_own(self):
        """A class that cannot be pickled is an error of ours, with its own as the cause."""

        class Odd:
            def __reduce__(self):
                raise RuntimeError("not me")

        with pytest.raises(DigestError, match="not me") as caught:
            digest([Odd()])
        assert isinstance(caught.value.__cause__, RuntimeError)

    def test_too_deep(self):
        """Nesting beyond what Python can follow is an error, not a crash."""
        held: list[object] = []
        for _ in range(100_000):
            held = [held]
        with pytest.raises(DigestError, match="too deeply"):
            digest(held)
        while held:
            held = held.pop()


class TestHandles:
    """Handles count by what they point at."""

    def test_loggers_by_name(self):
        """A logger is its name."""
        logger = logging.getLogger("a")
        before = digest(logger)
        logger.setLevel(logging.DEBUG)
        assert digest(logger) == before != digest(logging.getLogger("b"))

    def test_engines_by_url_without_password(self):
        """A database engine is its URL; the password does not count."""
        kind = type("Engine", (), {"__module__": "sqlalchemy.engine.base"})

        def engine(**parts):
            made = kind()
            url = {"drivername": "pg", "username": "u", "host": "h", "port": 1, "database": "d", "query": {}}
            made.url, made.pool = types.SimpleNamespace(**url | parts), threading.Lock()
            return made

        assert digest(engine(password="a")) == digest(engine(password="b")) != digest(engine(host="i"))

    def test_sessions_by_type_and_settings(self):
        """An HTTP session is its settings."""
        kind = type("Session", (), {"__module__": "requests.sessions"})

        def session(**parts):
            made = kind()
            made.__dict__.update(adapters=threading.Lock(), headers={"a": "b"}, **parts)
            return made

        assert digest(session()) == digest(session()) != digest(session(verify=False))

    def test_controls_by_value(self):
        """A control is its value, and two names for it share memory."""
        base = type("Widget", (), {"__module__": "ipywidgets.widgets.widget"})
        kind = type("IntSlider", (base,), {"__module__": "ipywidgets.widgets.widget_int"})

        def slider(value):
            made = kind()
            made.value, made.comm = value, threading.Lock()
            return made

        assert digest(slider(1)) == digest(slider(1)) != digest(slider(2))
        held = slider(1)
        assert fingerprint([held]).memory & fingerprint(held).memory

    def test_random_generators_by_state(self):
        """Drawing changes a generator's digest, setting the state back restores it."""
        for made, draw in ((random.Random(1), "random"), (np.random.default_rng(1), "random")):
            before, kept = digest(made), copy.deepcopy(made)
            getattr(made, draw)()
            assert digest(made) != before == digest(kept)


class TestWaysIn:
    """What users say themselves about their types."""

    def test_the_method(self):
        """`__nbflow_digest__` says what counts; the type counts as well."""

        class Reading:
            def __init__(self, value):
                self.value, self.lock = value, threading.Lock()

            def __nbflow_digest__(self):
                return self.value

        assert digest(Reading(1)) == digest(Reading(1)) != digest(Reading(2))
        assert digest(Reading(1)) != digest(1)

    def test_a_raising_method_is_no_digest(self):
        """An error in the method leads to a DigestError."""

        class Reading:
            def __nbflow_digest__(self):
                raise KeyError("x")

        with pytest.raises(DigestError, match="KeyError"):
            digest(Reading())

    def test_registering_a_type(self):
        """A registered function speaks for a type and its subclasses."""

        class Base:
            lock = None

            def __init__(self, value):
                self.value, self.lock = value, threading.Lock()

        class Derived(Base):
            pass

        with pytest.raises(DigestError):
            digest(Derived(1))
        register_digest(Base, lambda held: held.value)
        assert digest(Derived(1)) == digest(Derived(1)) != digest(Derived(2))
        assert digest(Derived(1)) != digest(Base(1))

    def test_registering_a_name(self):
        """A type can be named instead of imported."""
        register_digest("some.library.Thing", lambda held: held.value)
        kind = type("Thing", (), {"__module__": "some.library"})
        one, other = kind(), kind()
        one.value, other.value = 1, 2
        one.lock = other.lock = threading.Lock()
        assert digest(one) != digest(other)


class TestKeys:
    """Digests of key parts."""

    def test_parts_are_kept_apart(self):
        """Types, order and borders of parts count."""
        keys = [
            ("ab", "c"),
            ("a", "bc"),
            ("abc",),
            (b"ab", "c"),
            ("c", "ab"),
            (1,),
            ("1",),
            (True,),
            (1.0,),
            (),
        ]
        assert len({key_digest(*parts) for parts in keys}) == len(keys)

    def test_equal_parts(self):
        """Equal parts give equal keys, interned or not."""
        assert key_digest(sys.intern("a b"), 1) == key_digest("".join(["a ", "b"]), 1)

    def test_other_types_are_refused(self):
        """A part must be plain."""
        with pytest.raises(ValueError, match="unmarshallable"):
            key_digest(object())


BASE = """
LATE = 15
TABLE = {"a": [1]}
def helper(h, k=2):
    return h // 6 + k + LATE
def f(x):
    return helper(x) in {"a", "b", "c"} or TABLE
"""


class TestFunctions:
    """Functions count by what they do."""

    @pytest.mark.parametrize(
        "source",
        [
            "def f(x):\n    # a comment\n\n    return (x\n      + 1)",
            "\n\n\ndef f(x): return x + 1",
            "def f(x: int) -> int:\n    'a docstring'\n    return x + 1",
            "def f(x): return (x + 1)",
            "def g(): pass\ndef f(x):\n  return x + 1",
        ],
    )
    def test_text_does_not_count(self, source):
        """Comments, lines, parentheses, docstring and annotations do not count."""
        assert notebook(source, "f") == notebook("def f(x):\n    return x + 1", "f")

    def test_a_docstring_does_not_move_constants(self):
        """A docstring changes nothing in a function that returns None."""
        assert notebook("def f(x):\n 'doc'\n print(x)", "f") == notebook("def f(x):\n print(x)", "f")
        nested = "def f():\n def g():\n  {}\n  return None\n return g"
        assert notebook(nested.format("'doc'"), "f") == notebook(nested.format("pass"), "f")

    @pytest.mark.parametrize(
        "source",
        [
            "def f(x): return x + 2",
            "def f(x): return x + 1.0",
            "def f(x): return x + True",
            "def f(x): return x - 1",
            "def f(y): return y + 1",
            "def f(x, *a): return x + 1",
            "def f(x, *, k=1): return x + 1",
            "def f(x=1): return x + 1",
            "def f(x=2): return x + 1",
            "def f(x): yield x + 1",
            "async def f(x): return x + 1",
            "def f(x): return z + 1",
            "def f(x): return x.a + 1",
            "def f(x):\n try: return x + 1\n except E: pass",
            "def f(x): return x + 1\nf.held = 1",
            "def f(x): return (lambda: x + 1)()",
            "def f(x): return (lambda: x + 2)()",
        ],
    )
    def test_what_runs_differently_differs(self, source):
        """Constants with their types, names, arguments, defaults, attributes and flow count."""
        others = [notebook(source, "f"), notebook("def f(x): return x + 1", "f")]
        assert others[0] != others[1]

    @pytest.mark.parametrize(
        ("one", "other"),
        [("(1, 23)", "(12, 3)"), ("(5, 6)", "(5, '6')"), ("('ab','c')", "('a','bc')"), ("0.0", "-0.0")],
    )
    def test_constants_are_kept_apart(self, one, other):
        """Constants that other systems confuse are told apart."""
        assert notebook(f"def f(): return {one}", "f") != notebook(f"def f(): return {other}", "f")

    def test_closures(self):
        """The values of a closure count."""
        source = "def make(n):\n def g(): return n\n return g\nf, g, h = make(1), make(2), make(1)"
        names = run(source)
        made = [fingerprint(names[name], names).digest for name in "fgh"]
        assert made[0] == made[2] != made[1]

    def test_recursive_closures(self):
        """A nested function that calls itself has a digest."""
        source = "def make(n):\n def g(x): return g(x - 1) + n\n return g\nf = make({})"
        assert (
            notebook(source.format(1), "f")
            == notebook(source.format(1), "f")
            != notebook(source.format(2), "f")
        )

    def test_globals_of_the_notebook_are_left_to_it(self):
        """A function over the namespace does not depend on the values of its names."""
        changed = BASE.replace("15", "16").replace("// 6", "// 7")
        assert notebook(BASE, "f") == notebook(changed, "f")
        assert notebook(BASE, "helper") != notebook(changed, "helper")

    def test_globals_are_followed_otherwise(self):
        """Without a namespace the values and functions that are reached count."""
        base = followed(BASE, "f")
        assert followed(BASE + "\ndef other(): pass\nZ = 1", "f") == base
        for change in (("15", "16"), ("// 6", "// 7"), ("[1]", "[2]"), ("k=2", "k=3"), ('"c"', '"d"')):
            assert followed(BASE.replace(*change), "f") != base, change

    def test_mutual_recursion(self):
        """Functions that call each other are followed once."""
        source = "def f(x): return g(x)\ndef g(x): return f(x) + {} + h(x)\ndef h(x): return g(f(x))"
        made = [followed(source.format(n), "f") for n in (1, 1, 2)]
        assert made[0] == made[1] != made[2]

    def test_long_chains_of_calls(self):
        """How deep functions call each other is no matter."""
        source = (
            "\n".join(f"def f{i}(x): return f{i + 1}(x)" for i in range(3000)) + "\ndef f3000(x): return {}"
        )
        assert followed(source.replace("{}", "1"), "f0") != followed(source.replace("{}", "2"), "f0")

    @pytest.mark.parametrize(
        "source",
        [
            "import functools\n@functools.lru_cache(maxsize=3)\ndef f(x): return x + {}",
            "import functools\n@functools.cache\ndef f(x): return x + {}",
            "import functools\ndef inner(x): return x + {}\nf = functools.partial(inner, 1)",
            "import functools\ndef d(g):\n @functools.wraps(g)\n def w(*a): return g(*a)\n"
            " return w\n@d\ndef f(x): return x + {}",
            "import functools\n@functools.singledispatch\ndef f(x): return 1\n@f.register\n"
            "def _(x: int): return {}",
            "import contextlib\n@contextlib.contextmanager\ndef f(x): yield x + {}",
            "class C:\n def go(self, x): return x + {}\nf = C().go",
            "class C:\n @classmethod\n def go(cls, x): return x + {}\nf = C.go",
            "class C:\n def __call__(self, x): return x + {}\nf = C()",
            "def d(n):\n def w(g): return lambda *a: g(*a) + n\n return w\n@d({})\ndef f(x): return x",
            "f = [lambda x: x + {}]",
        ],
    )
    def test_wrapped_code_is_followed(self, source):
        """Caches, partials, wrappers, generic functions and methods do not hide the code."""
        made = [notebook(source.format(n), "f") for n in (1, 1, 2)]
        assert made[0] == made[1] != made[2]

    def test_documentation_of_decorated_functions_counts(self):
        """Who wraps or holds a function may look at its docstring and annotations."""
        wrapped = "import functools\n@functools.cache\ndef f(x: {}):\n '{}'\n return x"
        held = "def g(x: {}):\n '{}'\n return x\nf = [g]"
        for source in (wrapped, held):
            made = {
                notebook(source.format(*parts), "f") for parts in (("int", "a"), ("str", "a"), ("int", "b"))
            }
            assert len(made) == 3

    def test_documentation_that_is_reached_counts(self):
        """A function that reads docstrings depends on those of the functions it reaches."""
        source = "def g():\n '{}'\ndef f(): return g.__doc__"
        assert followed(source.format("a"), "f") != followed(source.format("b"), "f")

    def test_specialised_code_is_equal(self):
        """Having been called a thousand times changes nothing."""
        names = run("def f(x):\n t = 0\n for i in range(x): t += i\n return t")
        before = fingerprint(names["f"], names)
        for _ in range(1000):
            names["f"](10)
        assert fingerprint(names["f"], names) == before


class TestClasses:
    """Classes count by what is written in them."""

    SOURCE = """
from dataclasses import dataclass, field
import abc, enum, functools, typing, collections
class Base(abc.ABC):
    "doc"
    rate: float = 0.5
    table = {"a": 1}
    def predict(self, x): return super().__repr__() + str(x)
    @property
    def size(self): return 3
    @staticmethod
    def twice(x): return x * 4
    @classmethod
    def make(cls): return cls()
    @functools.cached_property
    def slow(self): return 5
    class Inner:
        depth = 6
class Model(Base):
    def __init__(self): self.w = [1]
@dataclass(order=True)
class Point:
    x: int = 7
    y: list = field(default_factory=list)
class Side(enum.Enum):
    LEFT = 8
    def other(self): return 9
Pair = collections.namedtuple("Pair", "a b10")
class Typed(typing.NamedTuple):
    a: int = 11
    def more(self): return self.a + 12
m, p, s, t, u, k = Model(), Point(), Side.LEFT, Pair(1, 2), Typed(), Model
"""

    @pytest.mark.parametrize("name", "mpstuk")
    def test_the_same_source_is_equal(self, name):
        """Running the same source again makes equal instances."""
        assert notebook(self.SOURCE, name) == notebook(self.SOURCE, name)

    @pytest.mark.parametrize(
        ("name", "old", "new"),
        [
            ("m", "doc", "other"),
            ("m", "float = 0.5", "float = 0.6"),
            ("m", "rate: float", "rate: int"),
            ("m", '"a": 1', '"a": 2'),
            ("m", "str(x)", "repr(x)"),
            ("m", "return 3", "return 4"),
            ("m", "x * 4", "x * 5"),
            ("m", "cls()", "cls"),
            ("m", "return 5", "return 6"),
            ("m", "depth = 6", "depth = 7"),
            ("m", "(Base)", ""),
            ("k", "str(x)", "repr(x)"),
            ("p", "x: int = 7", "x: int = 8"),
            ("p", "order=True", "order=False"),
            ("p", "field(default_factory=list)", "field(default_factory=list, repr=False)"),
            ("s", "LEFT = 8", "LEFT = 9"),
            ("s", "return 9", "return 8"),
            ("t", "b10", "b11"),
            ("u", "a: int = 11", "a: int = 12"),
            ("u", "+ 12", "+ 13"),
        ],
    )
    def test_each_part_counts(self, name, old, new):
        """Bases, methods, attributes, annotations, docstring, fields and members count."""
        assert old in self.SOURCE
        changed = self.SOURCE.replace("super().__repr__() + " if new == "" else "\0", "").replace(old, new)
        assert notebook(changed, name) != notebook(self.SOURCE, name)

    @pytest.mark.parametrize("text", ["# comment\n", "\n\n", "def unrelated(): pass\n"])
    def test_text_around_does_not_count(self, text):
        """Lines before a class do not count."""
        assert notebook(text + self.SOURCE, "m") == notebook(self.SOURCE, "m")

    def test_abstract_registration_and_subclasses_leave_no_trace(self):
        """Using a class does not change its digest."""
        names = run(self.SOURCE)
        before = fingerprint(names["Model"], names).digest
        isinstance(3, names["Base"])
        type("Later", (names["Model"],), {})
        names["m"].slow  # noqa: B018 - the cache fills in the instance
        assert fingerprint(names["Model"], names).digest == before


class TestReach:
    """What the code inside a value may touch."""

    def test_names_of_a_function(self):
        """Loads are reads, redefined builtins too; stores and deletions are writes."""
        names = run(
            "def f(x):\n global A, B\n A = x\n del B\n def g(): return [len(y) + C for y in D]\n"
            " class K:\n  e = E\n return g, print, undefined\nprint = 1"
        )
        reach = fingerprint(names["f"], names).reach
        assert reach.reads == {"C", "D", "E", "print", "undefined"}
        assert reach.writes == {"A", "B"}
        assert reach.mutates == reach.reads
        assert reach.changes_arguments

    def test_code_inside_values_joins(self):
        """An instance, a list and a closure reach what their code reaches."""
        names = run(
            "class M:\n def go(self): return A\nm = M()\ndef deco(g):\n return lambda: g() + B\n"
            "@deco\ndef f(): return C\nheld = {'x': [m, f]}"
        )
        assert fingerprint(names["m"], names).reach.reads == {"A", "M"}
        assert fingerprint(names["f"], names).reach.reads == {"B", "C"}
        assert fingerprint(names["held"], names).reach.reads == {"A", "B", "C", "M"}
        assert fingerprint(names["m"], names).reach.changes_arguments

    def test_texts(self):
        """What documents a function is a part of its own, and who looks at such parts says so."""
        sources = ("def f(): pass", "def f(): 'a'", "def f(): 'b'", "def f() -> 1: pass")
        names = [run(source) for source in sources]
        looked = [fingerprint(each["f"], each) for each in names]
        assert len({each.digest for each in looked}) == 1
        assert len({each.reach.parts.get(TEXTS) for each in looked}) == len(sources)
        assert not looked[1].reach.shows_texts
        shower = run("def f(g): return g.__doc__\nheld = [f]")
        assert fingerprint(shower["f"], shower).reach.shows_texts
        assert fingerprint(shower["held"], shower).reach.shows_texts

    @pytest.mark.parametrize("kind", ["int", "list", "dict", "numpy", "frame", "decimal", "estimator"])
    def test_data_reaches_nothing(self, kind):
        """Values without code of the user's own reach nothing."""
        assert fingerprint(MAKERS[kind]()).reach is NO_REACH

    def test_code_is_listed_by_name(self):
        """Each class and function that its name leads to is listed with its own digest."""
        names = run(
            "class M:\n def go(self): return 1\ndef f(): return 2\nm = M()\n"
            "held = [m, f, lambda: 3]\ndef make(m):\n return lambda: m\nc = make(m)"
        )
        own = {f"__main__.{name}": fingerprint(names[name], names).digest for name in ("M", "f")}
        assert fingerprint(names["held"], names).code == own
        assert fingerprint(names["c"], names).code == {"__main__.M": own["__main__.M"]}
        assert fingerprint(names["f"], names).code == {"__main__.f": own["__main__.f"]}

    def test_an_instance_of_an_older_class(self):
        """An instance whose class was redefined lists the digest of its own class."""
        names = run("class M:\n def go(self): return 1\nm = M()")
        before = fingerprint(names["m"], names).code["__main__.M"]
        exec("class M:\n def go(self): return 2", names)
        assert fingerprint(names["m"], names).code == {"__main__.M": before}
        assert fingerprint(names["M"], names).digest != before

    def test_a_wrapped_function_is_listed_by_its_wrapper(self):
        """The name of a decorated function leads to the wrapper."""
        names = run(
            "import functools\ndef d(g):\n @functools.wraps(g)\n def w(): return g()\n"
            " return w\n@d\ndef f(): pass\n"
            "@functools.cache\ndef c(): pass"
        )
        for name in "fc":
            made = fingerprint(names[name], names)
            assert made.code == {f"__main__.{name}": made.digest}


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Write modules of the user's own and forget them afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    written: set[str] = set()

    def write(sources):
        for name, source in sources.items():
            path = tmp_path.joinpath(f"{name}.py")
            path.parent.mkdir(exist_ok=True)
            path.write_text(source)
            written.add(name.partition("/")[0])

    def load(name):
        for held in [held for held in sys.modules if held.partition(".")[0] in written]:
            del sys.modules[held]
        for cached in tmp_path.rglob("*.pyc"):
            cached.unlink()
        return __import__("importlib").import_module(name)

    yield types.SimpleNamespace(write=write, load=load)
    for held in [held for held in sys.modules if held.partition(".")[0] in written]:
        del sys.modules[held]


class TestModules:
    """Modules of the user's own count by what they hold, others by version."""

    def test_installed_modules_by_version(self):
        """An installed package differs from another, and reading it costs no walk."""
        assert digest(np) != digest(pd) != digest(json)
        assert not fingerprint(np).reach.parts

    def test_attributes_of_a_local_module(self, modules):
        """Each attribute has a digest of its own, so that a change of one leaves the others."""
        source = (
            "import threading, numpy as np\nA = 1\nlock = threading.Lock()\n"
            "def f(): return A\ndef g(): return {}"
        )
        modules.write({"mine": source.format(2)})
        before = fingerprint(modules.load("mine"))
        modules.write({"mine": source.format(3)})
        after = fingerprint(modules.load("mine"))
        assert before.digest != after.digest
        assert {"A", "f", "g", "np", "threading"} == before.reach.parts.keys()
        changed = {name for name in before.reach.parts if before.reach.parts[name] != after.reach.parts[name]}
        assert changed == {"g"}

    def test_parts_follow_what_they_reach(self, modules):
        """An attribute changes with the globals of its module that it reaches."""
        modules.write({"mine": "A = [1]\ndef f(): return h()\ndef h(): return A"})
        loaded = modules.load("mine")
        before = fingerprint(loaded).reach.parts["f"]
        loaded.A.append(2)
        assert fingerprint(loaded).reach.parts["f"] != before
        assert fingerprint(loaded).reach.parts["f"] == digest(loaded.f)

    def test_only_the_attributes_used_count(self, modules):
        """A function that calls `mine.f` does not depend on the rest of the module."""
        results = []
        for f, g in ((1, 1), (1, 2), (2, 1)):
            mine = f"def f(): return {f}\ndef g(): return {g}"
            modules.write({"mine": mine, "pack/__init__": "", "pack/sub": "import mine"})
            loaded = modules.load("pack.sub")
            results.append(digest(run("def go(): return pack.mine.f()", pack=loaded)["go"]))
        assert results[0] == results[1] != results[2]

    def test_submodules_count_in_the_whole(self, modules):
        """A module changes with the modules of the user's own that it leads to."""
        made = []
        for value in (1, 2):
            sub = f"import pack\ndef f(): return {value}"
            modules.write({"pack/__init__": "from pack import sub", "pack/sub": sub})
            made.append(fingerprint(modules.load("pack")))
        assert made[0].digest != made[1].digest
        assert made[0].reach.parts["sub"] != made[1].reach.parts["sub"]

    @pytest.mark.parametrize("statement", ["from mine import f; return f()", "import mine; return mine.f()"])
    def test_imports_inside_functions(self, modules, statement):
        """A module that a function imports counts, also in the notebook."""
        made = []
        for value in (1, 1, 2):
            modules.write({"mine": f"def f(): return {value}"})
            modules.load("mine")
            made.append(notebook(f"def go(): {statement}", "go"))
        assert made[0] == made[1] != made[2]

    def test_modules_not_loaded_yet(self, modules):
        """A module that is not imported yet counts by its source and what it imports; nothing is imported."""
        made = []
        for comment, value in (("", 1), ("# text\n", 1), ("", 2)):
            modules.write({"deeper": f"{comment}A = {value}", "unloaded": "from deeper import A"})
            made.append(notebook("def go(): from unloaded import A; return A", "go"))
        assert made[0] == made[1] != made[2]
        assert "unloaded" not in sys.modules

    def test_functions_of_modules_are_followed(self, modules):
        """In the notebook, too, a function of a module counts with its globals."""
        made = []
        for value in (1, 2):
            modules.write({"mine": f"A = {value}\ndef f(): return A"})
            names = {"__name__": "__main__", "f": modules.load("mine").f}
            made.append(fingerprint(names["f"], names))
        assert made[0].digest != made[1].digest
        assert not made[0].reach.reads

    def test_installed_packages_inside_functions(self):
        """Packages that a function imports count by version."""
        assert notebook("def f(): import numpy", "f") != notebook("def f(): import pandas", "f")


class TestTorch:
    """Tensors, as far as that can be told without the library."""

    def test_the_type_is_known_by_name(self):
        """An object of that name without tensor methods has no digest instead of a wrong one."""
        kind = type("Tensor", (), {"__module__": "torch"})
        with pytest.raises(DigestError):
            digest(kind())


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
)
KEYS = st.integers() | st.text()
NESTED = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.builds(Slotted, inner, inner)
        | st.builds(lambda a: Plain(a=a, b={1}), inner)
        | st.lists(st.integers(0, 9)).map(np.array)
    ),
    max_leaves=12,
)


class TestLaws:
    """What holds for all nested values."""

    @given(NESTED)
    @settings(max_examples=200)
    def test_copies_are_equal(self, value):
        """A deep copy and a pickle round trip keep the digest."""
        made = digest(value)
        assert digest(copy.deepcopy(value)) == made
        assert digest(pickle.loads(pickle.dumps(value))) == made

    @given(NESTED)
    @settings(max_examples=200)
    def test_copies_share_no_memory(self, value):
        """A deep copy shares no mutable memory with its original."""
        assert not fingerprint(copy.deepcopy(value)).memory & fingerprint(value).memory

    @given(NESTED)
    @settings(max_examples=200)
    def test_a_holder_shares_exactly_what_is_mutable(self, value):
        """A list of a value shares with the value if it is mutable, and has one token more."""
        held = [value]
        assert fingerprint(held).memory == fingerprint(value).memory | {id(held)}

    @given(NESTED, LEAVES, LEAVES, st.data())
    @settings(max_examples=200)
    def test_a_changed_leaf_changes_the_digest(self, value, one, other, data):
        """Two values that differ in one leaf differ."""
        wraps = data.draw(st.lists(st.sampled_from(["list", "tuple", "dict", "object"]), max_size=4))

        def build(leaf):
            for wrap in wraps:
                held = copy.deepcopy(value)
                leaf = {"list": [held, leaf], "tuple": (leaf, held), "dict": {"a": held, "b": leaf}}.get(
                    wrap
                ) or Plain(a=leaf, b=held)
            return leaf

        same = type(one) is type(other) and repr(one) == repr(other)
        assert (digest(build(one)) == digest(build(other))) == same

    @given(st.lists(NESTED, max_size=4), st.lists(NESTED, max_size=4))
    @settings(max_examples=100)
    def test_where_lists_end_counts(self, one, other):
        """Two lists differ from their concatenation."""
        assert digest([one, other]) != digest([*one, *other])

    @given(st.lists(KEYS, unique=True), st.randoms())
    @settings(max_examples=100)
    def test_sets_have_no_order(self, values, shuffle):
        """A set is equal however it was filled."""
        shuffled = values[:]
        shuffle.shuffle(shuffled)
        assert digest(set(values)) == digest(set(shuffled))

    @given(st.lists(st.sampled_from([1, 1.0, True, "1", b"1", None, 0.0, -0.0]), max_size=5))
    @settings(max_examples=200)
    def test_bulk_encodings_keep_types(self, values):
        """Lists of atoms differ as soon as one type differs."""
        shown = repr(values)
        for other in itertools.islice(itertools.permutations(values), 6):
            assert (digest(list(other)) == digest(values)) == (repr(list(other)) == shown)


def test_a_fingerprint_is_a_value():
    """Fingerprints compare by content and cannot be changed."""
    made = Fingerprint("a", frozenset({1}))
    assert made == Fingerprint("a", frozenset({1}))
    with pytest.raises(AttributeError):
        made.digest = "b"
