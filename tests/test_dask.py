"""The dask runner: clusters that are made and given, lost workers, and what is missing."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import distributed
import pytest

from nbflow import flow
from nbflow.engine.effects import Ended
from nbflow.exceptions import OptionError
from nbflow.task_runners import DaskTaskRunner
from nbflow.task_runners.base import Enforced, TaskCall
from nbflow.task_runners.shipping import shipped
from tests.crossed import outer, times
from tests.graphs import in_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.task_runners.base import TaskReport

pytestmark = pytest.mark.process

LONG = 60.0
HERE = os.getpid()


def run(runner: DaskTaskRunner, body: Callable[[], Any], attempt: str, **options: Any) -> TaskReport:
    """What a runner says of a body."""
    return runner.submit(TaskCall(attempt, "d", shipped(body), **options)).result(LONG)


@pytest.fixture(scope="module")
def processes() -> Iterator[DaskTaskRunner]:
    """A runner with a cluster of its own: two processes."""
    with DaskTaskRunner(cluster_kwargs={"n_workers": 2}) as runner:
        yield runner


class TestOwnCluster:
    """A cluster that the runner makes."""

    def test_bodies_run_in_its_processes(self, processes: DaskTaskRunner) -> None:
        """With code and classes of this one."""

        class Here:
            pass

        assert run(processes, os.getpid, "a").value != HERE
        assert type(run(processes, Here, "b").value) is Here

    def test_what_they_say_is_shown(
        self, processes: DaskTaskRunner, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Once they have ended."""
        run(processes, lambda: print("from the cluster"), "c")
        assert capsys.readouterr().out == "from the cluster\n"

    def test_a_limit_is_hard(self, processes: DaskTaskRunner) -> None:
        """The body has a process of its own, whose results come back as any other's."""

        class Here:
            pass

        found = run(processes, lambda: threading.Event().wait(LONG), "d", timeout=0.05)
        assert (found.ended, found.enforced) == (Ended.TIMED_OUT, Enforced.HARD)
        assert type(run(processes, Here, "e", timeout=LONG).value) is Here

    def test_a_worker_that_is_lost(self, processes: DaskTaskRunner) -> None:
        """Costs the run whose body it was; the cluster has a new one."""
        found = run(processes, lambda: os._exit(3), "f")
        assert found.ended is Ended.CRASHED
        assert found.value.startswith("its worker was lost: KilledWorker")
        assert run(processes, lambda: 7, "g").value == 7

    def test_flows(self, processes: DaskTaskRunner) -> None:
        """Tasks of a flow, and what they submit themselves."""
        with in_memory():
            found, where = flow(lambda: outer.submit(3).result(), task_runner=processes)()
        assert found == [0, 3, 6]
        assert where != HERE

    def test_closing_ends_it(self) -> None:
        """Whoever submits again gets a new one."""
        runner = DaskTaskRunner(cluster_kwargs={"processes": False, "n_workers": 1})
        assert run(runner, lambda: 7, "h").value == 7
        first = runner.client
        runner.close()
        assert first.status == "closed"
        assert run(runner, lambda: 8, "h").value == 8
        runner.close()


class TestGivenCluster:
    """A cluster that the user has."""

    def test_a_client(self) -> None:
        """Stays open; wherever a runner is named, it is one."""
        cluster = distributed.LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0")
        with cluster, distributed.Client(cluster, set_as_default=False) as client, in_memory():
            with DaskTaskRunner(client) as runner:
                assert run(runner, lambda: 7, "i").value == 7
                assert run(runner.duplicate(), lambda: 7, "j").value == 7
            assert flow(lambda: times.submit(1).result(), task_runner=client)() == 3
            assert flow(lambda: times.with_options(runner=client).submit(2).result())() == 6
            with DaskTaskRunner(address=client.scheduler.address) as runner:
                assert run(runner, lambda: 8, "k").value == 8
            assert client.status == "running"

    def test_a_cluster_by_its_class(self) -> None:
        """Also by its name, with what it is called with."""
        options = {"processes": False, "n_workers": 1, "dashboard_address": "127.0.0.1:0"}
        with DaskTaskRunner(cluster_class="distributed.LocalCluster", cluster_kwargs=options) as runner:
            assert run(runner, lambda: 7, "l").value == 7

    def test_one_that_is_not_there(self) -> None:
        """Crashes the run, and says why."""
        runner = DaskTaskRunner(cluster_class="distributed.NoSuchCluster")
        found = run(runner, lambda: 7, "m")
        assert found.ended is Ended.CRASHED
        assert "the cluster did not take it: AttributeError" in found.value


class TestMissing:
    """Where distributed is not installed."""

    def test_it_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """At once."""
        monkeypatch.setitem(sys.modules, "distributed", None)
        with pytest.raises(OptionError, match=r"pip install nbflow\[dask\]"):
            DaskTaskRunner()
