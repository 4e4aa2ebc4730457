"""Parts: where two contents of a value differ."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from nbflow.engine.parts import Part, parts


class TestParts:
    """By what code would name the place."""

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, [Part("['a']['b'][1]", "2", "3")]),
            ([1, 2], [1], [Part("[1]", "2", "not there")]),
            ((1, "x"), (1, "y"), [Part("[1]", "'x'", "'y'")]),
            (SimpleNamespace(n=1), SimpleNamespace(n=2), [Part(".n", "1", "2")]),
            (np.arange(3), np.array([0, 5, 2]), [Part("[1]", "1", "5")]),
            (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), None),
            (pl.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 3]}), [Part("['a'][1]", "2", "3")]),
            ({"token": "abc"}, {"token": "abd"}, [Part("['token']", "•••", "•••")]),
        ],
    )
    def test_the_place_is_named(self, before: Any, after: Any, expected: list[Part] | None) -> None:
        """With what was there and what is."""
        found = parts(before, after)
        if expected is None:
            assert [part.place for part in found] == ["['a']", "['b']"]
        else:
            assert found == expected

    @pytest.mark.parametrize(
        ("before", "after"), [(1, 2), (1, "1"), ({1}, {2}), (int, str), ([1], (1,)), (3, 3)]
    )
    def test_what_has_no_parts_differs_as_a_whole(self, before: object, after: object) -> None:
        """Numbers, texts, sets, code, and values of two types; equal ones do not differ at all."""
        assert parts(before, after) == []

    def test_few_of_many_are_named(self) -> None:
        """The first five, also of a structure that contains itself."""
        assert len(parts(list(range(100)), list(range(1, 101)))) == 5
        one: list[Any] = [1]
        other: list[Any] = [2]
        one.append(one)
        other.append(other)
        assert parts(one, other)[0] == Part("[0]", "1", "2")

    def test_no_code_of_the_users_is_called(self) -> None:
        """Not even where it defines what it equals."""

        class Loud:
            def __eq__(self, other: object) -> bool:
                raise AssertionError

            __hash__ = None  # type: ignore[assignment]

            def __init__(self, n: int) -> None:
                self.n = n

        assert parts(Loud(1), Loud(2)) == [Part(".n", "1", "2")]
