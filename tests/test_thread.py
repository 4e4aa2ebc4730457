"""The thread runner: abandoned bodies, queued ones, and its places."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.effects import Ended
from nbflow.exceptions import OptionError
from nbflow.task_runners import ThreadPoolTaskRunner
from nbflow.task_runners.base import Enforced, TaskCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from nbflow.task_runners.base import TaskReport

SOON = 0.01
LONG = 60.0


class Gate:
    """A body that begins, and goes on until it is let go."""

    def __init__(self) -> None:
        self.begun, self.open, self.ended = threading.Event(), threading.Event(), threading.Event()

    def __call__(self) -> str:
        """Rest."""
        self.begun.set()
        assert self.open.wait(LONG)
        self.ended.set()
        return "late"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A body that rests; it is let go in the end."""
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def one() -> ThreadPoolTaskRunner:
    """A runner with one worker."""
    return ThreadPoolTaskRunner(max_workers=1)


def submit(
    runner: ThreadPoolTaskRunner, body: Callable[[], Any], name: str = "r", **options: Any
) -> Future[TaskReport]:
    """Submit a body."""
    return runner.submit(TaskCall(f"{name}#1/1.1", name, body, **options))


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    pause = threading.Event()
    for _ in range(10_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("it did not happen")


class TestAbandoned:
    """A body beyond its limit, or stopped, goes on unheard."""

    def test_what_it_says_later_is_dropped(self, one: ThreadPoolTaskRunner, gate: Gate) -> None:
        """The first report stays."""
        future = submit(one, gate, timeout=SOON)
        assert future.result(LONG).enforced is Enforced.ABANDONED
        gate.open.set()
        until(lambda: one.leaked == 0)
        assert future.result().ended is Ended.TIMED_OUT

    def test_it_is_counted_until_it_ends(self, one: ThreadPoolTaskRunner, gate: Gate) -> None:
        """And the runner shows it."""
        submit(one, gate, timeout=SOON).result(LONG)
        assert one.leaked == 1
        assert "1 abandoned" in repr(one)
        gate.open.set()
        until(lambda: one.leaked == 0)
        assert "abandoned" not in repr(one)

    def test_its_place_is_given_to_others(self, one: ThreadPoolTaskRunner, gate: Gate) -> None:
        """Else a pool of one would stand still."""
        submit(one, gate, timeout=SOON)
        assert submit(one, lambda: 7, "s").result(LONG).value == 7

    def test_a_limit_in_time_leaves_no_trace(self, one: ThreadPoolTaskRunner) -> None:
        """A body that ends before it is not counted."""
        assert submit(one, lambda: 7, timeout=LONG).result(LONG).value == 7
        assert one.leaked == 0

    def test_the_limit_begins_with_the_body(self, one: ThreadPoolTaskRunner, gate: Gate) -> None:
        """Waiting for a place does not count."""
        first = submit(one, gate)
        second = submit(one, lambda: 7, "s", timeout=SOON)
        with pytest.raises(TimeoutError):
            second.result(3 * SOON)
        gate.open.set()
        assert (first.result(LONG).value, second.result(LONG).value) == ("late", 7)

    def test_a_body_that_awaits_is_interrupted(self, one: ThreadPoolTaskRunner) -> None:
        """It needs no abandoning."""

        async def body() -> None:
            await asyncio.sleep(LONG)

        found = submit(one, body, awaits=True, timeout=SOON).result(LONG)
        assert (found.enforced, one.leaked) == (Enforced.FIRM, 0)

    def test_one_that_awaits_cleans_up_when_it_is_stopped(self, one: ThreadPoolTaskRunner) -> None:
        """Its report comes after that."""
        begun, cleaned = threading.Event(), threading.Event()

        async def body() -> None:
            begun.set()
            try:
                await asyncio.sleep(LONG)
            finally:
                cleaned.set()

        future = submit(one, body, awaits=True)
        assert begun.wait(LONG)
        assert future.cancel()
        assert (future.result(LONG).ended, cleaned.is_set(), one.leaked) == (Ended.CANCELLED, True, 0)


class TestQueued:
    """Bodies that wait for a place."""

    def test_they_are_dropped_when_cancelled(self, one: ThreadPoolTaskRunner, gate: Gate) -> None:
        """They never begin."""
        begun: list[int] = []
        first = submit(one, gate)
        waiting = [submit(one, lambda n=n: begun.append(n), f"w{n}") for n in range(3)]
        assert waiting[1].cancel()
        assert waiting[1].result().value == "it was stopped before it began"
        gate.open.set()
        first.result(LONG)
        assert waiting[2].result(LONG).ended is Ended.RETURNED
        assert begun == [0, 2]

    def test_thousands_can_be_dropped(self, one: ThreadPoolTaskRunner, gate: Gate) -> None:
        """Without a deep stack."""
        first = submit(one, gate)
        waiting = [submit(one, int, f"w{n}") for n in range(5_000)]
        assert all(future.cancel() for future in waiting)
        gate.open.set()
        assert first.result(LONG).value == "late"
        assert submit(one, lambda: 7, "s").result(LONG).value == 7

    def test_they_begin_in_order(self, one: ThreadPoolTaskRunner) -> None:
        """Who has waited longest comes first."""
        begun: list[int] = []
        futures = [submit(one, lambda n=n: begun.append(n), f"w{n}") for n in range(50)]
        assert all(future.result(LONG).ended is Ended.RETURNED for future in futures)
        assert begun == list(range(50))


class TestWorkers:
    """How many bodies run at a time."""

    @pytest.mark.parametrize("workers", [1, 3])
    def test_at_most_so_many(self, workers: int) -> None:
        """And as many, if there is work."""
        runner = ThreadPoolTaskRunner(max_workers=workers)
        together = threading.Barrier(workers)
        running: list[int] = []
        most: list[int] = []

        def body() -> None:
            running.append(1)
            most.append(len(running))
            together.wait(LONG)
            running.pop()

        futures = [submit(runner, body, f"w{n}") for n in range(4 * workers)]
        assert all(future.result(LONG).ended is Ended.RETURNED for future in futures)
        assert max(most) == workers

    @pytest.mark.parametrize("wrong", [0, -1])
    def test_a_number_that_is_none(self, wrong: int) -> None:
        """Is refused in a line."""
        with pytest.raises(OptionError, match="max_workers"):
            ThreadPoolTaskRunner(max_workers=wrong)

    def test_a_closed_one_can_be_used_again(self, one: ThreadPoolTaskRunner) -> None:
        """A runner is given to many flows."""
        with one as runner:
            assert submit(runner, lambda: 1).result(LONG).value == 1
        assert submit(one, lambda: 2).result(LONG).value == 2
        assert one.duplicate().max_workers == 1

    def test_no_thread_to_be_had(self, one: ThreadPoolTaskRunner, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is a crash of that attempt, and its place is free again."""

        def refuse(job: object) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patched:
            patched.setattr("nbflow.task_runners.thread.DAEMONS.run", refuse)
            found = submit(one, int).result(LONG)
        assert (found.ended, found.value) == (
            Ended.CRASHED,
            "no thread could be started: can't start new thread",
        )
        assert submit(one, lambda: 7).result(LONG).value == 7


class TestProcess:
    """What threads are to the process they are in."""

    @pytest.mark.process
    def test_python_ends_though_a_body_runs(self) -> None:
        """An abandoned body keeps nobody waiting."""
        code = """
import threading
from nbflow.task_runners import ThreadPoolTaskRunner
from nbflow.task_runners.base import TaskCall
report = ThreadPoolTaskRunner().submit(TaskCall("a", "a", threading.Event().wait, 0.01)).result()
print(report.enforced.value)
"""
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=LONG, check=True
        )
        assert (done.stdout, done.stderr) == ("abandoned\n", "")

    @pytest.mark.process
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
    def test_a_forked_process_has_threads_of_its_own(self) -> None:
        """Those of its parent are not in it."""
        code = """
import asyncio
import os
from nbflow.task_runners import ThreadPoolTaskRunner
from nbflow.task_runners.base import TaskCall
from nbflow.engine.timers import TIMERS
def seven():
    return ThreadPoolTaskRunner().submit(TaskCall("a", "a", lambda: 7, 60.0)).result(30).value
assert seven() == 7 and TIMERS.after(0.001).result(30)
child = os.fork()
if child == 0:
    os._exit(seven() if TIMERS.after(0.001).result(30) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
        done = subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
            capture_output=True, text=True, timeout=LONG, check=True,
        )  # fmt: skip
        assert (done.stdout, done.stderr) == ("7\n", "")
