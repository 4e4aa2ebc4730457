"""Which settings of libraries a body may look at."""

from __future__ import annotations

import decimal
import sys
from types import ModuleType

import matplotlib as mpl
import pandas as pd
import pytest
from sklearn.preprocessing import StandardScaler

from nbflow.engine.placeholder import Placeholder
from nbflow.engine.uses import draws_by, used_settings

ARRAYS = {"numpy", "numpy print"}
TABLES = ARRAYS | {"pandas", "pandas display"}


def used(*values: object, imported: tuple[str, ...] = (), draws: bool = False) -> set[str]:
    """The libraries whose settings a body that reaches these values may look at."""
    keys = used_settings(values, imported, draws=draws)
    return {key[1:].removesuffix(" settings>") for key in keys}


class TestUses:
    """By the packages behind what it reaches."""

    def test_values_and_code(self) -> None:
        """Modules, functions, instances, and what is in a container."""
        assert (
            used(pd) == used(pd.Series([1])) == used([pd.Series([1])], 1) == used({"a": pd.concat}) == TABLES
        )
        assert used(mpl) == ARRAYS | {"matplotlib"}
        assert used(StandardScaler) == ARRAYS | {"sklearn"}
        assert used(decimal.Decimal(1)) == {"decimal"}
        assert used(1, "text", [2], {}, print, sys) == set()

    def test_what_it_imports(self) -> None:
        """By itself, or in functions that it calls."""
        assert used(imported=("matplotlib.pyplot",)) == ARRAYS | {"matplotlib"}

    def test_drawing_with_others(self) -> None:
        """Pandas draws with matplotlib where it is asked to draw."""
        assert used(pd, draws=True) == TABLES | {"matplotlib"}
        assert used(1, draws=True) == set()

    def test_what_refuses_to_be_asked(self) -> None:
        """A proxy without anything behind it, and a value that is not loaded, are of no library."""

        class Proxy:
            __module__ = "__main__"

            @property
            def __class__(self) -> type:
                raise RuntimeError("nothing is behind it")

        found = used(Proxy(), [Proxy()], [Placeholder("a", "not loaded")], pd)
        assert found == TABLES

    def test_modules_of_the_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What they have imported is behind them, and so it is behind objects of their classes."""
        mine = ModuleType("mine_of_the_user")
        exec("class Style:\n    pass", mine.__dict__)
        mine.mpl = mpl  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, mine.__name__, mine)
        assert used(mine) == used(mine.Style()) == ARRAYS | {"matplotlib"}

    @pytest.mark.parametrize(
        ("source", "draws"),
        [
            ("frame.plot.bar()", True),
            ("frame.hist()", True),
            ("ConfusionMatrixDisplay.from_predictions(y, z)", True),
            ("shap.summary_plot(x)", True),
            ("import matplotlib.pyplot as plt", False),
            ("frame.groupby('plot').sum()", False),
        ],
    )
    def test_how_drawing_is_spoken_of(self, source: str, draws: bool) -> None:
        """By the names of methods."""
        assert draws_by([source]) is draws
