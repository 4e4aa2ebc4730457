"""Runs that wait for a person, as their history knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow import Flow
from nbflow.running.parked import Parked, parked, parked_flow_run
from tests.graphs import in_memory, ok, pauses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.running.records import Records


@pytest.fixture(name="records")
def _records() -> Iterator[Records]:
    with in_memory() as records:
        yield records


def run(name: str, waits: bool) -> None:
    """A run of a flow that waits, or does not."""
    with Flow(name) as flow:
        (pauses if waits else ok)()
    flow.run()


class TestParked:
    """Where a run stands."""

    def test_one_that_waits(self, records: Records) -> None:
        """With its last state, its attempt and its iteration."""
        run("waits", waits=True)
        id = next(each.id for each in records.history.runs() if each.name == "pauses")
        found = parked(records, id)
        assert found is not None
        assert (found.run, found.state and found.state.name, found.attempt, found.loop) == (
            id,
            "Paused",
            1,
            1,
        )
        assert found.how() == {"resumed": found.state, "attempt": 1, "loop": 1}

    def test_one_that_has_ended(self, records: Records) -> None:
        """And one that there is not: both wait for nobody."""
        run("ends", waits=False)
        assert [parked(records, each.id) for each in records.history.runs()] == [None, None]
        assert parked(records, "nobody") is None

    def test_a_new_run_goes_on_from_nothing(self) -> None:
        """Its `RunSpec` says nothing of an earlier one."""
        assert (Parked.NEW.run, Parked.NEW.how()) == ("", {})


class TestFlowRun:
    """The last run of a flow."""

    def test_where_it_waits(self, records: Records) -> None:
        """It is found by the name of the flow."""
        run("other", waits=True)
        run("mine", waits=True)
        found = parked_flow_run(records, "mine")
        assert found is not None
        assert (found[0].name, found[0].role, found[1].run) == ("mine", "flow", found[0].id)

    def test_an_earlier_one_does_not_count(self, records: Records) -> None:
        """What ran since has taken its place."""
        run("mine", waits=True)
        run("mine", waits=False)
        assert parked_flow_run(records, "mine") is None
        assert parked_flow_run(records, "nobody") is None
