"""Runs as the history has them, in this kernel and in later ones."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow import flow, task
from nbflow.running.records import records_in, using
from nbflow.store.disk import open_store
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeClock, FakeTimers

if TYPE_CHECKING:
    from pathlib import Path


@task(retries=1, retry_delay_seconds=30)
def flaky(seen):
    """Fail the first time."""
    seen.append(1)
    if len(seen) < 2:
        raise OSError("away")
    return 7


@flow
def etl(n=0):
    """Call a task, and let another run be left alone."""
    flaky.submit([1])
    return flaky([])


class TestHistories:
    """A run knows its states, and the history keeps them."""

    def test_in_this_kernel(self) -> None:
        """While it runs, too; the last state has its result."""
        seen: list[list[str]] = []

        @task(on_running=[lambda task, run, state: seen.append([each.name for each in run.states])])
        def noted():
            return 3

        @flow
        def looks():
            run = noted.submit()
            run.wait()
            return [(state.name, state.timestamp, state.result) for state in run.run.states]

        with using(records_in(MemoryStore(), FakeTimers(FakeClock(1000.0)))):
            states = looks()
        assert seen == [["Pending", "Running"]]
        assert states == [
            ("Pending", 1000.0, None),
            ("Running", 1000.0, None),
            ("Completed", 1000.0, 3),
        ]

    def test_in_a_later_kernel(self, tmp_path: Path) -> None:
        """From the store alone: flow runs, newest first, and what they started."""
        for number in range(2):
            store = open_store(tmp_path / "store")
            with using(records_in(store, FakeTimers(FakeClock(1000.0 * number)))):
                assert etl() == 7
            store.close()
        store = open_store(tmp_path / "store")
        with using(records_in(store, FakeTimers())):
            newest, oldest = etl.runs()
            (one,) = etl.runs(limit=1)
        assert (newest.number, oldest.number, one.id) == (2, 1, newest.id)
        assert [state.name for state in newest.states] == ["Pending", "Running", "Completed"]
        submitted, called = newest.children()
        assert [state.name for state in submitted.states] == ["Pending", "Running", "Completed"]
        names = [state.name for state in called.states]
        assert names == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
        assert called.states[2].start_time == 1030.0
        assert called.states[2].message == "OSError: away (retry 1 of 1)"
        assert repr(called) == "<task run 'flaky' (#2): Completed>"
        store.close()

    def test_a_run_outside_of_a_flow_knows_its_state_only(self) -> None:
        """It is recorded nowhere."""
        told: list[tuple[str, ...]] = []

        @task(on_completion=[lambda task, run, state: told.append(tuple(each.name for each in run.states))])
        def alone():
            return 1

        alone()
        assert told == [("Completed",)]

    def test_a_script_that_ends_has_written_everything(self, tmp_path: Path) -> None:
        """A later one sees it."""
        code = "from nbflow import flow\n@flow\ndef shown():\n    return len(shown.runs())\nprint(shown())\n"
        seen = [
            subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
            ).stdout
            for _ in range(2)
        ]
        assert seen == ["1\n", "2\n"]


KILLED = """
import os, sys, time
from nbflow import Flow, flow, task

def die():
    os.kill(os.getpid(), 9)

@task
def work(x):
    begun = time.monotonic()
    while sys.argv[1] == "slowly" and time.monotonic() < begun + 1:
        pass
    if sys.argv[1] != "look":
        die()
    return x

@flow(name="called")
def called():
    return work(1)

with Flow("graph") as graph:
    work(2)

which = graph.run if sys.argv[2] == "graph" else called
if sys.argv[1] != "look":
    which()
for run in getattr(which, "__self__", which).runs():
    below = [[state.name for state in each.states] for each in run.children()]
    print([state.name for state in run.states], below)
"""


class TestKilledProcesses:
    """What a process leaves behind that was killed in the middle of a run."""

    @pytest.mark.process
    @pytest.mark.parametrize("which", ["called", "graph"])
    def test_a_flow_is_crashed(self, tmp_path: Path, which: str) -> None:
        """Once, when the history is next opened; so are its runs, but for what began in the last moment."""

        def run(how: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-c", KILLED, how, which]
            return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

        for how in ("at once", "slowly"):
            assert run(how).returncode == -signal.SIGKILL
        crashed = ["Pending", "Running", "Crashed"]
        assert run("look").stdout.splitlines() == [f"{crashed} [{crashed}]", f"{crashed} []"]
        assert run("look").stdout.count("Crashed") == 3
