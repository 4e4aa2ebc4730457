"""Where runs are kept, and how flow runs are numbered."""

from __future__ import annotations

from nbflow import flow
from nbflow.engine.drive import Journal
from nbflow.running.records import Numbers, records_over, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers


class TestNumbers:
    """Flow runs have numbers, one after the other."""

    def test_they_go_on_where_the_history_ends(self) -> None:
        """It is asked once."""
        asked: list[int] = []
        numbers = Numbers(lambda: asked.append(1) or 5)
        assert [numbers.take() for _ in range(3)] == [5, 6, 7]
        assert asked == [1]

    def test_only_the_last_one_can_be_given_back(self) -> None:
        """One that another run has followed is gone."""
        numbers = Numbers(lambda: 1)
        first, second = numbers.take(), numbers.take()
        numbers.give_back(first)
        assert numbers.take() == second + 1
        numbers.give_back(second + 1)
        assert numbers.take() == second + 1


class TestSharedJournal:
    """Others may write to the same history."""

    def test_subscribers_are_told_of_the_runs_of_flows(self) -> None:
        """As of all others, after they were appended."""
        store, timers = MemoryStore(), FakeTimers()
        journal = Journal(store.history, timers.now)
        told: list[str] = []
        journal.subscribe(lambda entered: told.append(entered.state.name))
        with using(records_over(journal, store, timers, "nb")):
            assert flow(seven)() == 7
        assert told == ["Pending", "Running", "Completed"]
        assert [run.number for run in store.history.runs("nb")] == [1]


def seven() -> int:
    """Seven."""
    return 7
