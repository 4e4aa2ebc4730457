"""Validators: which earlier result may be taken for a new run."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

from nbflow.engine.cache_validators import (
    CacheValidator,
    Digested,
    all_inputs,
    all_parameters,
    duration_only,
    never_use,
    partial_inputs_only,
    partial_parameters_only,
)
from nbflow.states import Cached, State


def made_from(inputs: dict[str, Any], parameters: dict[str, Any]) -> State:
    """The state of an earlier run."""
    return Cached(
        cached_inputs=Digested(inputs).digests, cached_parameters=Digested(parameters).digests, result=7
    )


EARLIER = made_from({"x": 1, "y": [2]}, {"p": 1, "q": 2})
SAME = ({"x": 1, "y": [2]}, {"p": 1, "q": 2})
OTHER_X = ({"x": 9, "y": [2]}, {"p": 1, "q": 2})
OTHER_Y = ({"x": 1, "y": [9]}, {"p": 1, "q": 2})
OTHER_P = ({"x": 1, "y": [2]}, {"p": 9, "q": 2})
ONE_LESS = ({"x": 1}, {"p": 1, "q": 2})
CASES = (SAME, OTHER_X, OTHER_Y, OTHER_P, ONE_LESS)


class TestJudgement:
    """Each validator over what may have changed."""

    @pytest.mark.parametrize(
        ("validator", "expected"),
        [
            (never_use, "-----"),
            (duration_only, "+++++"),
            (all_inputs, "+--+-"),
            (all_parameters, "+++-+"),
            (partial_inputs_only(["x"]), "+-+++"),
            (partial_inputs_only(["y"]), "++-+-"),
            (partial_inputs_only("x"), "+-+++"),
            (partial_inputs_only(validate_on=["x"]), "+-+++"),
            (partial(partial_inputs_only, validate_on=["x"]), "+-+++"),
            (partial_inputs_only, "+++++"),
            (partial_inputs_only(), "+++++"),
            (partial_parameters_only(["p"]), "+++-+"),
            (partial_parameters_only(["q"]), "+++++"),
            (partial_parameters_only(["unknown"]), "+++++"),
            (partial_parameters_only, "+++++"),
        ],
        ids=lambda value: getattr(value, "__name__", str(value)),
    )
    def test_what_is_compared(self, validator: Any, expected: str) -> None:
        """Nothing, x, y, p changed, or y is no longer given."""
        judged = "".join("+" if validator(EARLIER, *case) else "-" for case in CASES)
        assert judged == expected

    @pytest.mark.parametrize("validator", [all_inputs, partial_inputs_only(["x"])])
    def test_what_has_no_digest_is_never_the_same(self, validator: CacheValidator) -> None:
        """Not even the same object."""
        given = {"x": threading.Lock()}
        assert validator(made_from(given, {}), given, {}) is False

    def test_they_show_what_they_are(self) -> None:
        """By their names, with what they look at."""
        assert repr(all_inputs) == "all_inputs"
        assert repr(partial_inputs_only(["y", "x"])) == "partial_inputs_only(['x', 'y'])"


class TestDigested:
    """Values that know their digests."""

    def test_a_digest_is_made_once(self) -> None:
        """A change in place after that does not count."""
        values = Digested(x=[1])
        before = values.digests
        values["x"].append(2)
        assert values.digests is before
        assert before != Digested(x=[1, 2]).digests

    def test_what_has_none_has_an_empty_one(self) -> None:
        """The others have theirs."""
        digests = Digested(x=threading.Lock(), y=1).digests
        assert (digests["x"], len(digests["y"])) == ("", 32)
