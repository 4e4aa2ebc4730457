"""Starting failed tasks again from the inputs that they had."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, task
from nbflow.engine.state import Success
from nbflow.running.records import records_in, using
from nbflow.store.disk import open_store
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

calls: list[str] = []
broken: set[str] = set()


@pytest.fixture(autouse=True)
def _records(tmp_path: Path) -> Iterator[None]:
    calls.clear()
    broken.clear()
    store = open_store(tmp_path / "store")
    with using(records_in(store, FakeTimers())):
        yield
    store.close()


@task
def load(n=2):
    """Make rows."""
    calls.append("load")
    return list(range(n))


@task
def send(rows, more=()):
    """Fail as long as it is broken."""
    calls.append("send")
    if "send" in broken:
        raise OSError("down")
    return sum(rows), more


@task
def report(sent):
    """Come after it."""
    calls.append("report")
    return f"sent {sent}"


def failed() -> tuple[Flow, Any, Any]:
    """A flow whose second task has failed in its last run."""
    with Flow("etl") as flow:
        sent = send(load(), more=[load(3), "x"])
        told = report(sent)
    broken.add("send")
    assert flow.run().name == "Failed"
    broken.clear()
    calls.clear()
    return flow, sent, told


class TestKeptInputs:
    """What failed goes on with what it had."""

    def test_of_two_tasks_of_one_name(self) -> None:
        """Each with its own."""
        with Flow("twice") as flow:
            first, second = send(load(2)), send(load(3))
        broken.add("send")
        flow.run()
        broken.clear()
        calls.clear()
        state = flow.run(start_tasks=[second])
        assert state.result[second].result == (3, ())
        assert calls == ["send"]
        assert flow.run(start_tasks=[first]).result[first].result == (1, ())

    def test_nothing_above_runs_again(self) -> None:
        """What is below follows."""
        flow, sent, told = failed()
        state = flow.run(start_tasks=[sent])
        assert calls == ["send", "report"]
        assert state.result[sent].result == (1, [[0, 1, 2], "x"])
        assert (state.name, state.result[told].result) == ("Completed", "sent (1, [[0, 1, 2], 'x'])")

    def test_another_failure_keeps_them_again(self) -> None:
        """However often it takes."""
        flow, sent, _ = failed()
        broken.add("send")
        flow.run(start_tasks=["send"])
        broken.clear()
        flow.run(start_tasks=[sent])
        assert calls == ["send", "send", "report"]

    def test_after_a_success_what_it_needs_runs(self) -> None:
        """Nothing is kept of that."""
        flow, sent, _ = failed()
        flow.run(start_tasks=[sent])
        calls.clear()
        flow.run(start_tasks=[sent])
        assert calls == ["load", "load", "send", "report"]

    def test_given_states_count_more(self) -> None:
        """They are what a person wants it to start from."""
        flow, sent, _ = failed()
        states = {each: Success(result=[7]) for each in flow.get_tasks("load")}
        assert flow.run(start_tasks=[sent], task_states=states).result[sent].result == (7, [[7], "x"])

    def test_parameters_of_two_runs_are_not_mixed(self) -> None:
        """Where one is needed besides, or given, all that is needed runs with it."""
        with Flow("years") as flow:
            year = Parameter("year", default=2)
            sent = send(load(year))
            report([sent, year])
        broken.add("send")
        flow.run(year=3)
        broken.clear()
        calls.clear()
        assert flow.run(start_tasks=[sent]).result[sent].result == (1, ())
        assert calls == ["load", "send", "report"]
        assert flow.run(start_tasks=[sent], year=4).result[sent].result == (6, ())
