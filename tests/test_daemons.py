"""Threads that are used again."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from nbflow.engine import daemons
from nbflow.engine.daemons import Daemons

if TYPE_CHECKING:
    import pytest

LONG = 60.0


def job(done: Future[threading.Thread]) -> None:
    """Say which thread this is."""
    done.set_result(threading.current_thread())


class TestThreads:
    """A job is done at once, in a thread of its own."""

    def test_many_at_a_time(self) -> None:
        """There are as many threads as jobs."""
        threads, all_of_them = Daemons(), threading.Barrier(21)
        for _ in range(20):
            threads.run(lambda: all_of_them.wait(LONG))
        assert all_of_them.wait(LONG) in range(21)

    def test_one_after_the_other(self) -> None:
        """Few threads do many jobs, and nobody waits for them when Python ends."""
        threads, used = Daemons(), set[threading.Thread]()
        for _ in range(500):
            done: Future[threading.Thread] = Future()
            threads.run(lambda done=done: job(done))
            used.add(done.result(LONG))
        assert len(used) < 50
        assert all(each.daemon for each in used)

    def test_an_idle_one_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """And the next job finds another."""
        monkeypatch.setattr(daemons, "_IDLE", 0.001)
        threads = Daemons()
        for _ in range(20):
            done: Future[threading.Thread] = Future()
            threads.run(lambda done=done: job(done))
            done.result(LONG).join(LONG)
            assert not done.result().is_alive()

    def test_jobs_race_with_idle_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No job is lost to a thread that is about to end."""
        monkeypatch.setattr(daemons, "_IDLE", 0.0)
        threads = Daemons()
        for _ in range(2_000):
            done: Future[threading.Thread] = Future()
            threads.run(lambda done=done: job(done))
            assert done.result(LONG)
