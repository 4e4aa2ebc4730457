"""Cached tasks and the globals that they read: what is shared, and what changes meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import task
from nbflow.cache_policies import DEFAULT
from nbflow.engine.cache_validators import all_inputs
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS: list[int] = [1]
RATE = {"now": 2}


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    ROWS[:], RATE["now"] = [1], 2
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


def rows() -> list[int]:
    """A helper that reads a global."""
    return list(ROWS)


class TestShared:
    """An input may be the very object of a global."""

    @pytest.mark.parametrize("options", [{"cache_policy": DEFAULT}, {"cache_validator": all_inputs}])
    def test_it_is_told_from_one_that_is_merely_equal(self, options: dict[str, Any]) -> None:
        """A change of the one is a change of the other, also where a helper reads it."""

        @task(**options)
        def grow(given):
            given.append(5)
            return rows()

        assert grow(ROWS) == [1, 5]
        ROWS[:] = [1]
        assert grow([1]) == [1]
        assert grow([1], return_state=True).name == "Cached"


class TestMeanwhile:
    """A global may change between the key and the end of the body."""

    def test_nothing_is_kept_then(self) -> None:
        """By whomever; the state says why."""

        @task(cache_policy=DEFAULT)
        def rated(x):
            made = x * RATE["now"]
            if x == 3:
                RATE["now"] = 7  # as another thread may do at any time
            return made

        state = rated(3, return_state=True)
        assert state.value() == 6
        assert "not stored: a global or a function that it reads changed while it ran" in state.message
        RATE["now"] = 2
        assert rated(3, return_state=True).name == "Completed"

    def test_what_stays_is_kept(self) -> None:
        """The usual case."""

        @task(cache_policy=DEFAULT)
        def rated(x):
            return x * RATE["now"]

        assert [rated(4, return_state=True).name for _ in range(2)] == ["Completed", "Cached"]
