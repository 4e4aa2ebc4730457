"""Steering flow runs from outside."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, flow, task
from nbflow.running.records import Records, records_in, using
from nbflow.running.steering import STEERING
from nbflow.states import Role
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.engine.drive import Entered
    from nbflow.states import State


@pytest.fixture
def records() -> Iterator[Records]:
    """Records of their own."""
    with using(records_in(MemoryStore())) as given:
        yield given


class Watcher:
    """Holds a flow run back once a task has begun, and does something when the next one waits."""

    def __init__(self, records: Records, first: str, then: Callable[[str], object]) -> None:
        self.states: list[tuple[str, str]] = []
        self._first, self._then = first, then
        self.run = ""
        records.journal.subscribe(self._note)

    def _note(self, entered: Entered) -> None:
        name, state = entered.spec.name, entered.state.name
        self.states.append((name, state))
        if entered.spec.role is Role.FLOW:
            self.run = self.run or entered.spec.id
        elif (name, state) == (self._first, "Running"):
            STEERING.hold(self.run)
        elif state == "Pending" and STEERING.is_held(self.run):
            threading.Thread(target=self._then, args=(self.run,)).start()


@task
def raw() -> int:
    """The first task."""
    return 1


@task
def clean(x: Any) -> Any:
    """The second one."""
    return x


def graph() -> Flow:
    """Both as a graph."""
    with Flow("etl") as made:
        clean(raw())
    return made


@flow
def etl() -> Any:
    """Both by calls."""
    return clean(raw())


@flow
def submitting() -> Any:
    """Both in threads, the second with the future of the first."""
    return clean.submit(raw.submit()).result()


RUNS: dict[str, Callable[[], State]] = {
    "graph": lambda: graph().run(),
    "graph in threads": lambda: graph().run(task_runner=ThreadPoolTaskRunner(2)),
    "calls": lambda: etl(return_state=True),
    "submitted": lambda: submitting(return_state=True),
}
PATH = ["Pending", "Running", "Completed"]


class TestHolding:
    """Nothing new begins."""

    @pytest.mark.parametrize("way", RUNS)
    def test_what_is_held_waits_and_goes_on(self, records: Records, way: str) -> None:
        """What runs ends, the next is Pending and begins when it may, wherever it executes."""
        seen: list[tuple[str, str]] = []

        def go_on(run: str) -> None:
            seen.extend(watcher.states)
            STEERING.go_on(run)

        watcher = Watcher(records, "raw", go_on)
        assert RUNS[way]().is_completed()
        assert ("clean", "Pending") in seen
        assert ("clean", "Running") not in seen
        assert [state for name, state in watcher.states if name == "clean"] == PATH

    @pytest.mark.parametrize("way", RUNS)
    def test_a_stop_ends_what_is_held(self, records: Records, way: str) -> None:
        """As it ends what runs; nothing of it is left behind."""
        watcher = Watcher(records, "raw", lambda run: STEERING.stop(run, "no more"))
        assert RUNS[way]().is_cancelled()
        assert ("clean", "Cancelled") in watcher.states
        assert ("clean", "Running") not in watcher.states
        assert not STEERING.is_held(watcher.run)

    def test_items(self, records: Records) -> None:
        """Those of a mapped task are held as other runs are."""

        def go_on(run: str) -> None:
            if ("clean[2]", "Pending") in watcher.states:
                STEERING.go_on(run)

        with Flow("many") as made:
            clean.map([1, 2, 3])
        watcher = Watcher(records, "clean[0]", go_on)
        assert made.run(task_runner=ThreadPoolTaskRunner(1)).is_completed()
        assert watcher.states.index(("clean[2]", "Pending")) < watcher.states.index(("clean[1]", "Running"))

    def test_what_has_ended_is_held_no_more(self, records: Records) -> None:
        """A pause that comes too late for anything goes with its run."""
        watcher = Watcher(records, "clean", print)
        assert graph().run().is_completed()
        assert not STEERING.is_held(watcher.run)
