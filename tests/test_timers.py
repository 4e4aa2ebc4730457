"""Waiting for a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from nbflow.engine import timers
from nbflow.engine.timers import SystemTimers

if TYPE_CHECKING:
    import pytest

SOON = 0.01
LONG = 60.0


class TestTime:
    """A future for a time to come."""

    def test_a_time_that_has_come(self) -> None:
        """Is not waited for."""
        clock = SystemTimers()
        assert clock.at(clock.now()).done()
        assert clock.after(0).done()

    def test_a_time_to_come(self) -> None:
        """Is waited for, and not less."""
        clock = SystemTimers()
        when = clock.now() + SOON
        assert clock.at(when).result(LONG) is True
        assert clock.now() >= when

    def test_the_next_comes_first(self) -> None:
        """Though it was asked for last."""
        clock = SystemTimers()
        later = clock.after(LONG)
        assert clock.after(SOON).result(LONG)
        assert not later.done()
        later.cancel()

    def test_a_clock_that_goes_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A time of day is asked for again and again, because somebody may set the clock."""
        monkeypatch.setattr(timers, "_LOOK_AGAIN", SOON)
        clock = SystemTimers()
        when = clock.now() + 5 * SOON
        assert clock.at(when).result(LONG)
        assert clock.now() >= when

    def test_what_is_done_then_holds_up_nobody(self) -> None:
        """It is done in a thread of its own."""
        clock, block = SystemTimers(), threading.Event()
        slow = clock.after(SOON)
        slow.add_done_callback(lambda _: block.wait(LONG))
        assert clock.after(2 * SOON).result(LONG)
        block.set()


class TestCancel:
    """Nobody wants to know any more."""

    def test_it_does_not_come(self) -> None:
        """And others do."""
        clock = SystemTimers()
        unwanted = clock.after(SOON)
        assert unwanted.cancel()
        assert clock.after(2 * SOON).result(LONG)
        assert unwanted.cancelled()

    def test_many_leave_nothing(self) -> None:
        """Tasks with long limits that end soon, by the thousand."""
        clock = SystemTimers()
        for _ in range(10_000):
            clock.after(LONG).cancel()
        assert len(clock._entries) < 200  # pyright: ignore[reportPrivateUsage]


class TestThread:
    """One thread waits for all."""

    def test_it_ends_when_nobody_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And begins again."""
        monkeypatch.setattr(timers, "_IDLE", SOON)
        before = set(threading.enumerate())
        clock = SystemTimers()
        for _ in range(2):
            clock.after(SOON).result(LONG)
            watchers = [
                each for each in threading.enumerate() if each not in before and "timers" in each.name
            ]
            for each in watchers:
                each.join(LONG)
                assert not each.is_alive()
