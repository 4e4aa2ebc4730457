"""Prefect 1's names for the states."""

from __future__ import annotations

import pytest

from nbflow import states
from nbflow.engine import state
from nbflow.engine.state import Failed, Finished, Pending, Resume, Retrying, Scheduled, Success, TimedOut


class TestNames:
    """What they make, and what they tell apart."""

    @pytest.mark.parametrize(
        ("made", "name"),
        [
            (state.Success(), "Completed"),
            (state.Finished(), "Completed"),
            (state.Resume(), "Resuming"),
            (state.Retrying(), "AwaitingRetry"),
            (state.Looped(), "Looping"),
            (state.Pending(), "Pending"),
            (state.Scheduled(), "Scheduled"),
            (state.Submitted(), "Pending"),
            (state.Queued(), "Scheduled"),
            (state.Mapped(), "Mapped"),
        ],
    )
    def test_what_they_make(self, made: states.State, name: str) -> None:
        """The states that nbflow has."""
        assert made.name == name

    def test_messages_and_results(self) -> None:
        """As Prefect 1 takes them."""
        made = Success(message="all read", result=7)
        assert (made.message, made.result, made.is_successful(), made.is_finished()) == (
            "all read", 7, True, True,
        )  # fmt: skip
        assert Retrying(start_time=60).start_time == 60.0

    def test_parents_cover_their_children(self) -> None:
        """As the classes of Prefect 1 do."""
        ends = [states.Completed(), states.Skipped(), states.TimedOut(), states.Cancelled(), states.Crashed()]
        assert all(isinstance(each, Finished) for each in ends)
        assert not isinstance(states.Running(), Finished)
        waits = [states.Paused(), states.AwaitingRetry(), states.Resuming(), states.Scheduled()]
        assert all(isinstance(each, Pending) and isinstance(each, Scheduled) for each in waits)
        assert isinstance(states.Pending(), Pending)
        assert not isinstance(states.Pending(), Scheduled)
        assert isinstance(TimedOut(), Failed)
        assert not isinstance(Failed(), TimedOut)
        assert not isinstance("Failed", Finished)

    def test_of_a_retry_that_is_awaited(self) -> None:
        """Is Prefect 1's Retrying."""
        assert isinstance(states.AwaitingRetry(), Retrying)
        assert isinstance(states.Resuming(), Resume)

    def test_they_are_found_from_the_top(self) -> None:
        """`import nbflow as prefect` is enough."""
        import nbflow as prefect

        assert prefect.engine.state.Success is Success
        assert prefect.engine.signals.SKIP.__name__ == "SKIP"
        assert prefect.triggers.all_failed.name == "all_failed"
        with pytest.raises(AttributeError, match="no attribute 'stat'"):
            _ = prefect.engine.stat
