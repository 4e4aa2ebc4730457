"""Arguments by their annotations."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pydantic
import pytest

from nbflow.exceptions import ParameterTypeError
from nbflow.running.validation import Validation

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal


class Model(pydantic.BaseModel):
    """A model."""

    n: int
    names: list[str] = []


@dataclass
class Pair:
    """A dataclass."""

    one: int
    two: float = 0.0


class Handle:
    """A class of which pydantic knows nothing."""


def _plain(n: int, ratio: float, text: str, flag: bool): ...
def _rich(model: Model, pair: Pair, day: date, path: Path, kind: Literal["a", "b"]): ...
def _limited(n: Annotated[int, pydantic.Field(gt=0)], either: int | None = None): ...
def _arrays(values: np.ndarray, handle: Handle, anything: Any, thing: object, untyped): ...
def _later(amount: Decimal, n: int): ...
def _strange(x: "no type at all", y: 5, z: list[Unheard]): ...  # noqa: F722, F821  # pyright: ignore
def _many(*values: int, **named: float): ...


HANDLE = Handle()
VALUES = np.arange(3)

ACCEPTED: list[tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]] = [
    (_plain, {"n": "5", "ratio": 2, "text": "a", "flag": "yes"}, {"n": 5, "ratio": 2.0, "flag": True}),
    (_plain, {"n": 5.0, "ratio": "1e3", "text": "a", "flag": 0}, {"n": 5, "ratio": 1000.0, "flag": False}),
    (
        _rich,
        {"model": {"n": "1"}, "pair": {"one": "2"}, "day": "2024-02-29", "path": "a/b", "kind": "a"},
        {"model": Model(n=1), "pair": Pair(2), "day": date(2024, 2, 29), "path": Path("a/b")},
    ),
    (_limited, {"n": "3", "either": None}, {"n": 3}),
    (_arrays, {"values": VALUES, "handle": HANDLE, "anything": {}, "thing": [], "untyped": "5"}, {}),
    (_later, {"amount": "no decimal", "n": "5"}, {"n": 5}),
    (_strange, {"x": 1, "y": 2, "z": 3}, {}),
    (_many, {"values": ("1", 2), "named": {"a": 1}}, {"values": (1, 2), "named": {"a": 1.0}}),
]
REFUSED: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (_plain, {"n": 1.5}, "n: Input should be a valid integer, got a number with a fractional part, got 1.5"),
    (_plain, {"text": 5}, "text: Input should be a valid string, got 5"),
    (
        _rich,
        {"model": {"names": ["a", 2]}},
        "model.n: Field required, got {'names': ['a', 2]}; model.names.1: ",
    ),
    (_rich, {"kind": "c"}, "kind: Input should be 'a' or 'b', got 'c'"),
    (_limited, {"n": 0}, "n: Input should be greater than 0, got 0"),
    (_arrays, {"values": [1]}, "values: Input should be an instance of ndarray, got [1]"),
    (_arrays, {"handle": "x" * 100}, f"handle: Input should be an instance of Handle, got '{'x' * 38}…"),
    (_many, {"values": (1, "b")}, "values.1: Input should be a valid integer"),
]


class TestConversion:
    """What pydantic makes of them."""

    @pytest.mark.parametrize(("fn", "given", "changed"), ACCEPTED)
    def test_it_converts(self, fn: Any, given: dict[str, Any], changed: dict[str, Any]) -> None:
        """What has no annotation, or one of which nothing is known, stays."""
        before = dict(given)
        assert Validation(fn).accepted(given, "f") == {**given, **changed}
        assert given == before

    @pytest.mark.parametrize(("fn", "given", "told"), REFUSED)
    def test_it_refuses(self, fn: Any, given: dict[str, Any], told: str) -> None:
        """In one line: which parameter, why, and what it got."""
        with pytest.raises(ParameterTypeError) as caught:
            Validation(fn).accepted(given, "etl")
        text = str(caught.value)
        assert text.startswith(f"flow 'etl' refuses {told}")
        assert text.endswith("; pass what is annotated")
        assert "\n" not in text

    def test_what_fits_is_not_even_copied(self) -> None:
        """The very mapping."""
        given = {"n": 5, "ratio": 2.0, "text": "a", "flag": True}
        assert Validation(_plain).accepted(given, "f") is given

    def test_an_instance_of_a_model_is_kept(self) -> None:
        """The very object."""
        model = Model(n=1)
        assert Validation(_rich).accepted({"model": model}, "f")["model"] is model


class TestCost:
    """What is not needed is not imported."""

    def test_plain_values_do_without_pydantic(self, tmp_path: Path) -> None:
        """Neither the import of nbflow nor a flow that is called with what it wants needs it."""
        code = (
            "import sys\n"
            "from nbflow import flow\n"
            "@flow\n"
            "def sized(n: int, name: str = 'a'):\n"
            "    return 'pydantic' in sys.modules\n"
            "print(sized(3), sized('3'))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        assert done.stdout == "False True\n"
