"""notebooks/flights.ipynb as plain Python: to whom nbflow is not installed, its headers are comments."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flights import SMALL, cells, plain_run

UNKNOWN_AT_THE_GATE = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "late"}


@pytest.fixture(scope="module")
def namespace() -> dict[str, Any]:
    """All names after the cells ran from top to bottom on a small part of the data."""
    return plain_run(**SMALL)[0]


class TestPlain:
    """It runs without nbflow, and what it says is sound."""

    def test_it_finds_something(self, namespace: dict[str, Any]) -> None:
        """Better than guessing, on days that the model has never seen."""
        assert namespace["score"]["AUC"] > 0.65
        assert namespace["train"]["date"].max() < namespace["test"]["date"].min()

    def test_nothing_leaks(self, namespace: dict[str, Any]) -> None:
        """No model sees what is only known once the plane has left."""
        assert UNKNOWN_AT_THE_GATE & set(namespace["PREDICTORS"]) == set()

    def test_the_report_is_whole(self, namespace: dict[str, Any]) -> None:
        """Every airline that could be judged stands in the table, with both scores."""
        report = namespace["report"]
        assert len(report) == len(namespace["by_carrier"]) >= 5
        assert not report.isna().any(axis=None)


class TestFile:
    """The file as it is kept."""

    def test_nothing_is_stored_in_it(self) -> None:
        """Outputs belong to whoever runs it."""
        assert [cell["id"] for cell in cells() if cell["outputs"] or cell["execution_count"]] == []

    def test_cells_are_told_apart(self) -> None:
        """Ids are what a task follows its cell by."""
        ids = [cell["id"] for cell in cells()]
        assert len(ids) == len(set(ids))
