"""What is known of the present runs, as Prefect names it."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from nbflow import flow, task
from nbflow.running.records import records_in, using
from nbflow.runtime import flow_run, task_run
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


class TestPresentRuns:
    """The views follow the run that executes."""

    def test_they_show_the_runs_around(self) -> None:
        """Of the flow in the task, too."""

        @task(tags=["a"], task_run_name=lambda: f"{task_run.task_name}-{task_run.parameters['x']}")
        def inner(x, y=2):
            return task_run.name, task_run.run_count, sorted(task_run.tags), flow_run.name

        @flow(flow_run_name="whole {n}")
        def whole(n):
            return inner(n), flow_run.name, flow_run.flow_name, flow_run.parameters, task_run.id

        assert whole(5) == (("inner-5", 1, ["a"], "whole 5"), "whole 5", "whole", {"n": 5}, None)

    def test_they_can_be_pickled(self) -> None:
        """With functions that use them."""
        assert pickle.loads(pickle.dumps(flow_run)).id is None

    def test_outside_of_a_run_nothing_is_known(self) -> None:
        """And what nobody knows is an error."""
        assert (flow_run.id, task_run.name) == (None, None)
        with pytest.raises(AttributeError, match="nothing is known of 'colour'; use one of id, name"):
            _ = flow_run.colour
        assert dir(flow_run)[0] == "flow_name"
