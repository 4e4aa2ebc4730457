"""How two values differ, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nbflow.engine.map_result import MapResult, Unread
from nbflow.views.contrast import contrasts

FRAME = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", "y", None], "c": [1, 2, 3]})


class TestFrames:
    """Columns, types, rows, cells."""

    def test_columns_and_types(self) -> None:
        """What was added and removed, and what is of another type now."""
        after = FRAME.rename(columns={"b": "bb"}).astype({"c": "float32"})
        found = contrasts(FRAME, after)
        assert found[:3] == ("column added: bb", "column removed: b", "types: c int64 → float32")

    def test_cells(self) -> None:
        """What is missing in both is equal; those of all common columns are counted."""
        after = FRAME.assign(a=[1.0, np.nan, np.nan], c=[1, 2, 4])
        assert contrasts(FRAME, after) == ("2 of 9 cells differ, in a, c",)

    def test_what_is_too_long_to_compare(self) -> None:
        """Is told by its types; numbers and times are compared at any length."""
        count = 2_000_001
        long = pd.DataFrame({"s": ["x"] * count, "n": 1, "t": pd.NaT})
        assert contrasts(long, long.assign(s="y", n=2)) == (f"{count:,} of {2 * count:,} cells differ, in n",)

    def test_rows(self) -> None:
        """Frames of unequal length are not compared cell by cell."""
        assert contrasts(FRAME, FRAME.iloc[:1]) == ("-2 rows",)

    def test_the_index(self) -> None:
        """Is no column."""
        found = contrasts(FRAME, FRAME.set_axis([7, 8, 9]))
        assert found == ("the index differs", "no cell of the common columns differs")

    @pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
    def test_other_libraries(self, make: Any) -> None:
        """Alike."""
        then, now = make({"a": [1, None, 3], "b": [1, 2, 3]}), make({"a": [1, None, 4], "d": [1, 2, 3]})
        found = contrasts(then, now)
        assert found == ("column added: d", "column removed: b", "1 of 3 cells differs, in a")

    def test_columns_of_one_name(self) -> None:
        """Cannot be told apart, and raise nothing."""
        twice = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
        assert contrasts(twice, twice.assign(b=4)) == ("1 of 1 cell differs, in b",)


class TestArrays:
    """Types and values."""

    def test_values(self) -> None:
        """What is no number in both is equal."""
        then = np.array([1.0, np.nan, 3.0])
        assert contrasts(then, np.array([1.0, np.nan, 4.0])) == ("1 of 3 values differs",)

    def test_types_and_shapes(self) -> None:
        """Of another shape they are not compared."""
        assert contrasts(np.zeros(3), np.zeros(4, "int8")) == ("type float64 → int8",)

    def test_series(self) -> None:
        """Count as arrays."""
        assert contrasts(pd.Series([1, 2]), pd.Series([1, 3])) == ("1 of 2 values differs",)


class TestContainers:
    """Keys and items."""

    def test_dictionaries(self) -> None:
        """Keys by name, values by number; arrays in them by content."""
        then = {"a": 1, "b": np.zeros(2), "c": FRAME}
        found = contrasts(then, {"b": np.ones(2), "c": FRAME.copy(), "d": 1})
        assert found == ("added d", "removed a", "1 of 2 common keys differs")

    def test_lists(self) -> None:
        """By position."""
        assert contrasts([1, 2, 3], [1, 5]) == ("-1 item", "1 of 2 items differs")

    def test_sets(self) -> None:
        """By member."""
        assert contrasts({1, 2}, {2, 3}) == ("added 3", "removed 1")

    def test_what_items_of_a_mapped_task_have(self) -> None:
        """One without a value raises nothing here."""
        then, now = MapResult([1, 2], "ab"), MapResult([1, Unread(ValueError("no")), 3], "abc")
        assert contrasts(then, now) == ("+1 item",)


class TestUnknown:
    """What nobody can compare says nothing."""

    @pytest.mark.parametrize(
        ("then", "now"), [(1, 2.0), (object(), object()), ("a", "b"), (np.float64(1), np.float64(2))]
    )
    def test_nothing_is_said(self, then: object, now: object) -> None:
        """Other types, texts, objects, single numbers: before and after stand beside each other anyway."""
        assert contrasts(then, now) == ()

    def test_a_comparison_that_raises(self) -> None:
        """Is told as nothing."""

        class Odd:
            def __eq__(self, other: object) -> bool:
                raise ValueError

            __hash__ = None  # type: ignore[assignment]

        assert contrasts([Odd()], [Odd()]) == ()
