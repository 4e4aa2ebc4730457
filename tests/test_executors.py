"""Prefect 1's names of what runs tasks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, flow, task
from nbflow.exceptions import OptionError
from nbflow.executors import DaskExecutor, LocalDaskExecutor, LocalExecutor
from tests.graphs import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


@task
def thread():
    """Where it runs."""
    return threading.current_thread()


class TestExecutors:
    """`executor=` says where the tasks of a flow run, as `task_runner=` does."""

    @pytest.mark.parametrize(
        ("of_flow", "of_run", "is_here"),
        [
            (None, None, True),
            (LocalExecutor(), None, True),
            (LocalDaskExecutor(num_workers=2), None, False),
            (LocalDaskExecutor(), LocalExecutor(), True),
            (None, LocalDaskExecutor, False),
        ],
    )
    def test_tasks_run_there(self, of_flow: Any, of_run: Any, is_here: bool) -> None:
        """The word of a run counts before that of its flow."""
        with Flow("where", executor=of_flow) as where:
            node = thread()
        assert (where.run(executor=of_run).result[node].result is threading.current_thread()) is is_here

    def test_a_function_takes_it_as_well(self) -> None:
        """For what it submits."""
        where = flow(executor=LocalExecutor())(lambda: thread.submit().result())
        assert where() is threading.current_thread()

    def test_what_is_none_is_refused(self) -> None:
        """With what there is."""
        with Flow("where") as where:
            Parameter("x", default=1)
        with pytest.raises(OptionError, match="is no runner"):
            where.run(executor=7)  # type: ignore[arg-type]
        with pytest.raises(OptionError, match="unknown scheduler 'process'; did you mean 'processes'"):
            LocalDaskExecutor(scheduler="process")

    def test_processes_and_clusters(self) -> None:
        """Their words stand for our runners."""
        made: Any = LocalDaskExecutor(scheduler="processes", num_workers=2)
        assert repr(made) == "<ProcessPoolTaskRunner max_workers=2>"
        assert repr(DaskExecutor(address="tcp://10.0.0.1:8786")) == "<DaskTaskRunner on tcp://10.0.0.1:8786>"
