"""The table of transitions: complete, closed, and with the ends where they belong."""

from __future__ import annotations

import pytest

from nbflow.engine.transitions import INITIAL, LEGAL, check, is_legal
from nbflow.exceptions import IllegalTransitionError
from nbflow.states import TERMINAL, TYPES, Completed, Pending, Running, StateType, maker_of

NAMES = sorted(TYPES)
FINAL = {name for name, kind in TYPES.items() if kind in TERMINAL}


def reachable_from(start: str) -> set[str]:
    """All names that can follow `start`, sooner or later."""
    found: set[str] = set()
    waiting = list(LEGAL[start])
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(LEGAL[name])
    return found


class TestTable:
    """The table as data."""

    def test_it_has_a_row_for_every_state_and_names_only_states(self) -> None:
        """It is complete and closed."""
        assert set(LEGAL) == set(TYPES)
        assert {follower for row in LEGAL.values() for follower in row} <= set(TYPES)

    @pytest.mark.parametrize("name", NAMES)
    def test_terminal_is_terminal(self, name: str) -> None:
        """Nothing follows a final state, and something follows each other one."""
        assert (not LEGAL[name]) == (name in FINAL)

    @pytest.mark.parametrize("name", sorted(set(NAMES) - FINAL))
    def test_every_run_can_be_stopped(self, name: str) -> None:
        """Cancelled is reachable from wherever a run stands."""
        assert "Cancelled" in reachable_from(name)

    @pytest.mark.parametrize("name", NAMES)
    def test_every_state_occurs(self, name: str) -> None:
        """No row is dead: each state is an initial one or follows one."""
        assert name in INITIAL | {found for start in INITIAL for found in reachable_from(start)}

    def test_runs_begin_scheduled_or_pending(self) -> None:
        """Nothing runs unannounced."""
        assert sorted(INITIAL) == ["Pending", "Scheduled"]

    @pytest.mark.parametrize("name", ["Scheduled", "Late", "AwaitingRetry", "Resuming", "Paused"])
    def test_what_waits_outlives_a_kernel(self, name: str) -> None:
        """Only pending, running and cancelling runs crash."""
        assert "Crashed" not in LEGAL[name]

    @pytest.mark.parametrize("name", ["Pending", "Running", "Retrying", "Looping", "Cancelling"])
    def test_what_works_dies_with_its_kernel(self, name: str) -> None:
        """A dead kernel's runs become Crashed."""
        assert "Crashed" in LEGAL[name]

    def test_cached_is_entered_only_from_pending(self) -> None:
        """A body that ran is not reused."""
        assert {name for name in NAMES if "Cached" in LEGAL[name]} == {"Pending"}

    def test_a_body_that_is_being_stopped_only_stops(self) -> None:
        """A late result is kept by the store, not by the run."""
        assert LEGAL["Cancelling"] == {"Cancelled", "Crashed"}

    def test_only_pending_and_what_runs_or_waits_for_a_retry_begins_to_run(self) -> None:
        """Preconditions are asked before each start."""
        starts = {name for name in NAMES if LEGAL[name] & {"Running", "Retrying", "Looping"}}
        assert starts == {"Pending", "Running", "Retrying", "Looping", "AwaitingRetry"}
        assert {name for name in NAMES if "Running" in LEGAL[name]} == {"Pending"}


class TestCheck:
    """The check is the table."""

    @pytest.mark.parametrize("old", [None, *NAMES])
    @pytest.mark.parametrize("new", NAMES)
    def test_every_pair(self, old: str | None, new: str) -> None:
        """All 420 pairs are allowed or refused as the table says."""
        allowed = INITIAL if old is None else LEGAL[old]
        before = None if old is None else maker_of(old)()
        assert is_legal(before, maker_of(new)()) == (new in allowed)
        if new in allowed:
            check(before, maker_of(new)(), "r#1")
        else:
            with pytest.raises(IllegalTransitionError, match="r#1"):
                check(before, maker_of(new)(), "r#1")

    def test_a_name_of_the_users_own_follows_its_type(self) -> None:
        """Rules test the type."""
        assert is_legal(Running(), Completed(name="Fine"))
        assert not is_legal(Completed(name="Fine"), Running())

    def test_a_borrowed_name_does_not_change_the_type(self) -> None:
        """A COMPLETED state that calls itself Paused is completed."""
        odd = Completed(name="Paused")
        assert odd.type is StateType.COMPLETED
        assert is_legal(Running(), odd)
        assert not is_legal(odd, Pending())
