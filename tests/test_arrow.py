"""The content of Arrow arrays: how strings in views, bits and missing elements lie does not show."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.digests import digest

TEXTS = st.one_of(
    st.none(),
    st.sampled_from(["", "a", "a\0", "é" * 6, "x" * 12, "x" * 13, "y" * 13]),
    st.text(max_size=40),
    st.text(min_size=300, max_size=310),
)
VIEWS = pa.string_view()


def column(values: list[str | None]) -> pl.Series:
    """A column of polars."""
    return pl.Series("a", values, dtype=pl.String)


def views(*chunks: list[str | None]) -> pa.ChunkedArray:
    """The same as Arrow has it."""
    return pa.chunked_array([pa.array(values, VIEWS) for values in chunks], VIEWS)


class TestStringsInViews:
    """Strings count, and where they lie does not."""

    @given(values=st.lists(TEXTS, max_size=30), data=st.data())
    def test_where_they_lie(self, values, data):
        """Chunks, slices and the order in memory do not count."""
        whole, cut = column(values), data.draw(st.integers(0, len(values)))
        order = data.draw(st.permutations(range(len(values))))
        pieces = pl.concat([whole[:cut], whole[cut:]], rechunk=False)
        within = column(["left out" * 3, *values, "b"]).slice(1, len(values))
        moved = column([values[at] for at in order]).gather(np.argsort(order).tolist()) if values else whole
        assert {digest(pieces), digest(within), digest(moved)} == {digest(whole)}
        hidden = pa.chunked_array([pa.array(["left out" * 3, *values], VIEWS).slice(1)])
        assert digest(views(values[:cut], [], values[cut:])) == digest(hidden) == digest(views(values))

    @given(values=st.lists(TEXTS, min_size=1, max_size=10), other=st.lists(TEXTS, min_size=1, max_size=10))
    def test_what_they_are(self, values, other):
        """Two columns have one digest where all their strings are equal, and nowhere else."""
        assert (digest(column(values)) == digest(column(other))) is (values == other)
        assert (digest(views(values)) == digest(views(other))) is (values == other)

    def test_where_one_ends(self):
        """Long strings that read alike one after another are told apart."""
        texts = (["a" * 13, "b" * 14], ["a" * 13 + "b", "b" * 13], ["a" * 13 + "b" * 14])
        assert len({digest(column(list(each))) for each in texts}) == 3

    def test_what_lies_under_missing_ones(self):
        """A string under a mask does not count."""
        dirty = pl.select(pl.when(pl.Series([True, False])).then(column(["a", "hidden" * 5]))).to_series()
        assert digest(dirty.rename("a")) == digest(column(["a", None])) != digest(column(["a", ""]))

    def test_more_than_are_read_at_once(self):
        """Columns longer than what is read at once count to their end, short strings and long ones."""
        for text in ("{}", "number {} of very many"):
            values = [text.format(number) for number in range(40_000)]
            assert digest(column(values)) == digest(column(values[::-1]).reverse())
            assert digest(column(values)) != digest(column([*values[:-1], text.format(1)]))

    @pytest.mark.parametrize("kind", [pl.List(pl.String), pl.List(pl.Categorical)])
    def test_within_lists(self, kind):
        """In lists, too, chunks do not count and strings do."""
        whole = pl.Series([["a" * 20, "b"], None, ["b"]], dtype=kind)
        pieces = [pl.Series([["a" * 20, "b"]], dtype=kind), pl.Series([None, ["b"]], dtype=kind)]
        assert digest(pl.concat(pieces, rechunk=False)) == digest(whole)
        assert digest(pl.Series([["a" * 20], None, ["b", "b"]], dtype=kind)) != digest(whole)

    def test_bytes(self):
        """Bytes are told from texts."""
        assert digest(pa.array(["a"], VIEWS)) != digest(pa.array([b"a"], pa.binary_view()))


class TestMissing:
    """What is missing counts as such, whatever lies there."""

    @pytest.mark.parametrize(
        "kind",
        [pa.bool_(), pa.int8(), pa.int16(), pa.float32(), pa.int64(), pa.decimal128(20, 1), pa.binary(3)],
    )
    @pytest.mark.parametrize("start", [0, 3, 9])
    def test_elements_of_one_width(self, kind, start):
        """Bytes under missing elements do not count, nor where a slice begins; elements do."""
        one = {pa.bool_(): True, pa.binary(3): b"one"}.get(kind, 1)
        none = {pa.bool_(): False, pa.binary(3): b"non"}.get(kind, 0)
        values = [None if at % 3 == 1 else (none, one)[at % 2] for at in range(20)]
        whole = pa.array(values, kind)
        full = pa.array([values[0] if value is None else value for value in values], kind)
        dirty = pa.Array.from_buffers(kind, len(whole), [whole.buffers()[0], full.buffers()[1]])
        assert (
            digest(dirty.slice(start)) == digest(whole.slice(start)) == digest(pa.array(values[start:], kind))
        )
        assert digest(full.slice(start)) != digest(whole.slice(start))

    def test_all(self):
        """A column of which nothing is there."""
        assert digest(pa.nulls(3)) == digest(pa.chunked_array([pa.nulls(1), pa.nulls(2)]).combine_chunks())
        assert digest(pa.nulls(3, pa.int64())) != digest(pa.array([0, 0, 0]))


NUMBER = pa.int64()


def words(*texts: str) -> pa.Array:
    """An array without elements, and with a dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array([], pa.int8()), list(texts))


def union(*of_which: int) -> pa.Array:
    """A one for each, of one type or the other."""
    codes, places = pa.array(of_which, pa.int8()), pa.array([0] * len(of_which), pa.int32())
    return pa.UnionArray.from_dense(codes, places, [pa.array([1]), pa.array([1])])


def breaks(closed: str) -> pa.Array:
    """Intervals."""
    return pa.array(pd.arrays.IntervalArray.from_breaks([0, 1, 2], closed=closed))


def periods(unit: str) -> pa.Array:
    """Two times of one number each."""
    return pa.array(pd.PeriodIndex.from_ordinals([1, 2], freq=unit).array)


class TestTypes:
    """What a type knows counts, also where its text does not say it."""

    @pytest.mark.parametrize(
        "arrays",
        [
            [words("a"), words("b"), words("a", "b"), words()],
            [periods("D"), periods("M"), periods("D")[:0], periods("M")[:0]],
            [breaks("left"), breaks("right")],
            [
                pa.array([{"a": 1}], pa.struct([pa.field("a", NUMBER, metadata=about)]))
                for about in (None, {"unit": "m"}, {"unit": "km"})
            ],
            [union(0, 0), union(1, 1), union(0, 1)],
        ],
        ids=["words of nothing", "units", "sides", "fields", "unions"],
    )
    def test_they_are_told_apart(self, arrays):
        """Each array has a digest of its own, and so has a table of it."""
        assert len({digest(array) for array in arrays}) == len(arrays)
        assert len({digest(pa.table({"a": array})) for array in arrays}) == len(arrays)

    def test_empty_chunks(self):
        """They do not count beside others."""
        assert digest(pa.chunked_array([views([]).combine_chunks(), ["a"]], VIEWS)) == digest(views(["a"]))
