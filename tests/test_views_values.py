"""Values in words and in pages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nbflow.views.values import ROWS, described, page_of

FRAME = pd.DataFrame({"delay": [1.23456789, -2.0], "carrier": ["AA", "UA"]}, index=["x", "y"])


class Loud:
    """An object of the user's that says so whenever its code is called."""

    shape = property(lambda self: pytest.fail("asked for its shape"))

    def __len__(self) -> int:
        """How long it is."""
        pytest.fail("asked for its length")


class TestDescribed:
    """In a few words."""

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (FRAME, "DataFrame, 2 × 2"),
            (FRAME["delay"], "Series, 2"),
            (np.zeros((3, 4)), "ndarray, 3 × 4"),
            (pl.DataFrame({"a": [1]}), "DataFrame, 1 × 1"),
            (pa.table({"a": [1, 2]}), "Table, 2 × 1"),
            (np.float64(1.5), "float64"),
            ("text", "str, 4 characters"),
            ({1, 2}, "set, 2 items"),
            (None, "NoneType"),
        ],
    )
    def test_known_types(self, value: object, words: str) -> None:
        """Type and size."""
        assert described(value) == words

    def test_nobody_elses_code_is_called(self) -> None:
        """Of an unknown type only its name is told."""
        assert described(Loud()) == "Loud"


class TestPages:
    """Some rows at a time."""

    def test_a_frame(self) -> None:
        """Index, columns and cells, as short as can be read."""
        page = page_of(FRAME)
        assert page.columns == ("", "delay", "carrier")
        assert page.rows == (("x", "1.23457", "AA"), ("y", "-2", "UA"))

    @pytest.mark.parametrize("make", [pl.DataFrame, pa.table])
    def test_frames_without_an_index(self, make: type) -> None:
        """Rows are numbered."""
        page = page_of(make({"a": list(range(50)), "b": ["z"] * 50}), 30)
        assert page.rows[0] == ("30", "30", "z")
        assert (len(page.rows), page.start, page.count) == (20, 30, 50)

    def test_wide_frames_are_cut(self) -> None:
        """A thousand columns are not sent."""
        page = page_of(pd.DataFrame(np.zeros((2, 1000))))
        assert len(page.rows[0]) < 40
        assert page.columns[-1] == "…"

    def test_columns_of_one_name(self) -> None:
        """Frames may have them, and each is shown."""
        page = page_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))
        assert page.rows == (("0", "1", "2"),)

    @pytest.mark.parametrize(
        ("value", "first"),
        [
            (np.arange(100), ("0", "0")),
            (np.zeros((100, 2)), ("0", "0", "0")),
            (np.zeros((100, 2, 2)), ("0", "[[0. 0.] [0. 0.]]")),
            (pd.Series(range(100)), ("0", "0")),
            (list(range(100)), ("0", "0")),
            ({key: key for key in range(100)}, ("0", "0")),
            (set(range(100)), ("0", "0")),
        ],
    )
    def test_a_page_is_short(self, value: object, first: tuple[str, ...]) -> None:
        """However long the value."""
        page = page_of(value)
        assert page.rows[0] == first
        assert (len(page.rows), page.count) == (ROWS, 100)
        assert page_of(value, 95).start == 95
        assert len(page_of(value, 95).rows) == 5

    def test_what_has_no_rows_is_shown_as_text(self) -> None:
        """And no more of it than can be read."""
        assert page_of(2.5).text == "2.5"
        assert len(page_of("x" * 100_000).text) == 2000

    def test_long_members_are_described(self) -> None:
        """A list of frames is no wall of text."""
        assert page_of([FRAME, list(range(500))]).rows == (
            ("0", "DataFrame, 2 × 2"),
            ("1", "list, 500 items"),
        )
