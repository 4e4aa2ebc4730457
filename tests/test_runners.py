"""What every runner does alike: one suite, by parameter."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.effects import Ended
from nbflow.engine.signals import SKIP
from nbflow.task_runners import DaskTaskRunner, InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.task_runners.awaiting import LoopTaskRunner
from nbflow.task_runners.base import Enforced, Entry, TaskCall, warning_about_limit
from nbflow.task_runners.shipping import shipped
from tests.pools import GATES, POOL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.task_runners.base import Runner, TaskReport

SOON = 0.01
LONG = 60.0
LANGUAGE: ContextVar[str] = ContextVar("LANGUAGE", default="none")


class Bench(ABC):
    """A runner under test, and how its bodies are written."""

    runner: Runner

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.calls: list[str] = []

    def call(self, body: Callable[[], Any], attempt: str = "r#1/1.1", **options: Any) -> TaskCall:
        """An attempt at a body."""
        return TaskCall(attempt, "r", body, **options)

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Submit it."""
        return self.runner.submit(call)

    def report(self, body: Callable[[], Any], **options: Any) -> TaskReport:
        """What the runner says of a body."""
        return self.submit(self.call(body, **options)).result(LONG)

    def is_same(self, found: Any, error: BaseException) -> bool:
        """Whether what was reported is what a body raised."""
        return found is error

    @abstractmethod
    def resting(self) -> Any:
        """A body that goes on until it is interrupted, or its gate is opened."""

    def close(self) -> None:
        """Let all bodies end."""
        self.gate.set()
        self.runner.close()


class InlineBench(Bench):
    """The runner `inline`."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = InlineTaskRunner()

    def resting(self) -> Any:
        """Computes for long."""

        def body() -> None:
            try:
                end = time.monotonic() + LONG
                while time.monotonic() < end:
                    pass
            finally:
                self.ended.set()

        return body


class ThreadBench(Bench):
    """The runner `thread`."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = ThreadPoolTaskRunner(max_workers=1)

    def resting(self) -> Any:
        """Waits for its gate, whatever anybody wants."""

        def body() -> str:
            self.calls.append("body")
            self.begun.set()
            self.gate.wait(LONG)
            self.ended.set()
            return "late"

        return body


class LoopBench(Bench):
    """The runner of an event loop, which another thread runs."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.runner = LoopTaskRunner(self.loop)

    def call(self, body: Callable[[], Any], attempt: str = "r#1/1.1", **options: Any) -> TaskCall:
        """An attempt at a body, which is made one that awaits."""
        if asyncio.iscoroutinefunction(body):
            return TaskCall(attempt, "r", body, awaits=True, **options)

        async def awaiting() -> Any:
            return body()

        return TaskCall(attempt, "r", awaiting, awaits=True, **options)

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Submit it in the thread of the loop."""
        made: Future[Future[TaskReport]] = Future()
        self.loop.call_soon_threadsafe(lambda: made.set_result(self.runner.submit(call)))
        return made.result(LONG)

    def resting(self) -> Any:
        """Awaits for long."""

        async def body() -> None:
            self.calls.append("body")
            self.begun.set()
            try:
                await asyncio.sleep(LONG)
            finally:
                self.ended.set()

        return body

    def close(self) -> None:
        """End the loop as well."""
        super().close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


class ProcessBench(Bench):
    """The runner `process`; its bodies say by their log that they have begun."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = POOL
        self.ended = Gone()
        self.handler = Hearing(self)
        logging.getLogger("bench").addHandler(self.handler)

    def call(self, body: Callable[[], Any], attempt: str = "r#1/1.1", **options: Any) -> TaskCall:
        """An attempt at a body, which is sent."""
        return super().call(body if isinstance(body, Entry) else shipped(body), attempt, **options)

    def is_same(self, found: Any, error: BaseException) -> bool:
        """What crosses is a copy."""
        return type(found) is type(error) and str(found) == str(error)

    def resting(self) -> Any:
        """Waits, whatever anybody wants."""

        def body() -> None:
            logging.getLogger("bench").warning("%s", os.getpid())
            threading.Event().wait(LONG)

        return body

    def close(self) -> None:
        """The workers are used again."""
        logging.getLogger("bench").removeHandler(self.handler)


@cache
def cluster() -> DaskTaskRunner:
    """One cluster for all tests of this file."""
    options = {"processes": False, "n_workers": 1, "threads_per_worker": 4}
    return DaskTaskRunner(cluster_kwargs=options)


class DaskBench(ProcessBench):
    """The runner `dask`, with a cluster in threads of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = cluster()
        self.ended = threading.Event()
        GATES["open"], GATES["ended"] = self.gate, self.ended

    def resting(self) -> Any:
        """Waits for its gate, or in a process of its own, whatever anybody wants."""

        def body() -> None:
            from tests.pools import GATES

            logging.getLogger("bench").warning("%s", os.getpid())
            GATES.get("open", threading.Event()).wait(LONG)
            GATES["ended"].set()

        return body

    def close(self) -> None:
        """Let all bodies end; the cluster is used again."""
        self.gate.set()
        super().close()


class Gone(threading.Event):
    """The end of a process."""

    process = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is gone already: a report comes after the end."""
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        return False


class Hearing(logging.Handler):
    """Notes that a body in a process has begun."""

    def __init__(self, bench: ProcessBench) -> None:
        super().__init__()
        self.bench = bench

    def emit(self, record: logging.LogRecord) -> None:
        """Note it."""
        if isinstance(self.bench.ended, Gone):
            self.bench.ended.process = int(record.getMessage())
        self.bench.calls.append("body")
        self.bench.begun.set()


BENCHES: dict[str, type[Bench]] = {
    "inline": InlineBench,
    "thread": ThreadBench,
    "loop": LoopBench,
    "process": ProcessBench,
    "dask": DaskBench,
}
CONCURRENT = pytest.mark.parametrize("bench", ["thread", "loop", "process", "dask"], indirect=True)
SHARING = pytest.mark.parametrize("bench", ["inline", "thread", "loop"], indirect=True)


@pytest.fixture(params=BENCHES)
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """Each runner, closed afterwards."""
    made = BENCHES[request.param]()
    yield made
    made.close()


def fails(error: BaseException) -> Callable[[], Any]:
    """A body that raises."""

    def body() -> None:
        raise error

    return body


class TestReport:
    """Every attempt ends with a report, and nothing escapes."""

    def test_a_value(self, bench: Bench) -> None:
        """What the body returned, under the attempt asked for."""
        found = bench.report(lambda: 7)
        assert (found.attempt, found.ended, found.value) == ("r#1/1.1", Ended.RETURNED, 7)
        assert (found.enforced, found.note) == (None, "")
        assert found.seconds >= 0

    @pytest.mark.parametrize(
        "error", [ValueError("why"), SKIP("why", result=7), SystemExit("why"), KeyboardInterrupt("why")]
    )
    def test_whatever_is_raised(self, bench: Bench, error: BaseException) -> None:
        """Errors, signals, exits and interrupts are values of the report."""
        found = bench.report(fails(error))
        assert found.ended is Ended.RAISED
        assert bench.is_same(found.value, error)

    def test_a_timeout_error_of_the_users_own(self, bench: Bench) -> None:
        """Is an error as others are, with a limit and without."""
        for limit in (None, LONG):
            found = bench.report(fails(TimeoutError("socket")), timeout=limit)
            assert (found.ended, str(found.value)) == (Ended.RAISED, "socket")

    def test_a_body_as_plain_data(self, bench: Bench) -> None:
        """Is imported and called; one that cannot be found costs that task alone."""
        assert bench.report(Entry("builtins:len", b"abc")).value == 3
        assert bench.report(Entry("builtins:nobody", b"abc")).ended is Ended.RAISED
        assert bench.report(Entry("builtins:len", b"abc")).value == 3

    def test_the_outcome_says_the_same_to_the_engine(self, bench: Bench) -> None:
        """Attempt, end and value."""
        outcome = bench.report(lambda: 7).outcome()
        assert (outcome.attempt, outcome.ended, outcome.value) == ("r#1/1.1", Ended.RETURNED, 7)

    def test_many_at_once(self, bench: Bench) -> None:
        """Each has its own report."""
        futures = [bench.submit(bench.call(lambda n=n: n, attempt=f"r#{n}")) for n in range(200)]
        assert [future.result(LONG).value for future in futures] == list(range(200))
        assert [future.result().attempt for future in futures] == [f"r#{n}" for n in range(200)]


class TestContext:
    """A body that sees live objects sees the context variables of whoever submits it."""

    @SHARING
    def test_they_are_there(self, bench: Bench) -> None:
        """As they were then."""
        before = LANGUAGE.set("German")
        try:
            future = self.submitted(bench)
        finally:
            LANGUAGE.reset(before)
        assert future.result(LONG).value == "German"

    @staticmethod
    def submitted(bench: Bench) -> Future[TaskReport]:
        """A body that reads one."""
        call = bench.call(LANGUAGE.get)
        if not isinstance(bench, LoopBench):
            return bench.submit(call)
        made: Future[Future[TaskReport]] = Future()
        # `call_soon_threadsafe` takes the context along.
        bench.loop.call_soon_threadsafe(lambda: made.set_result(bench.runner.submit(call)))
        return made.result(LONG)


class TestLimit:
    """A runner does at a limit what it promises."""

    def test_it_is_enforced_as_promised(self, bench: Bench) -> None:
        """The report says how firmly, and comes whatever the body does."""
        found = bench.report(bench.resting(), timeout=SOON)
        assert (found.ended, found.value) == (Ended.TIMED_OUT, None)
        assert found.enforced is bench.runner.promises.limit
        assert SOON <= found.seconds < LONG

    def test_what_is_not_firm_is_announced(self, bench: Bench) -> None:
        """And names the runner that could."""
        warning = warning_about_limit(bench.call(int, timeout=5.0), bench.runner)
        firm = bench.runner.promises.limit in (Enforced.FIRM, Enforced.HARD)
        assert ("process" in warning) is not firm
        assert warning_about_limit(bench.call(int), bench.runner) == ""

    def test_one_that_is_not_reached(self, bench: Bench) -> None:
        """Changes nothing."""
        found = bench.report(lambda: 7, timeout=LONG)
        assert (found.ended, found.value, found.enforced, found.note) == (Ended.RETURNED, 7, None, "")

    def test_the_next_attempt_is_its_own(self, bench: Bench) -> None:
        """What an attempt beyond its limit does is nothing to the next one."""
        assert bench.report(bench.resting(), timeout=SOON).ended is Ended.TIMED_OUT
        assert bench.report(lambda: 7, attempt="r#1/1.2").value == 7


class TestCancel:
    """An attempt can be asked to stop."""

    def test_what_is_not_there(self, bench: Bench) -> None:
        """Has no effect, and says so."""
        assert bench.runner.cancel("nobody#1/1.1") is False
        bench.report(lambda: 7)
        assert bench.runner.cancel("r#1/1.1") is False

    @CONCURRENT
    @pytest.mark.parametrize("how", ["by its future", "by its name"])
    def test_one_that_runs(self, bench: Bench, how: str) -> None:
        """Is reported as cancelled, though its body may go on unheard."""
        future = bench.submit(bench.call(bench.resting()))
        assert bench.begun.wait(LONG)
        stopped = future.cancel() if how == "by its future" else bench.runner.cancel("r#1/1.1")
        assert stopped
        assert future.result(LONG).ended is Ended.CANCELLED
        assert not future.cancel()
        bench.gate.set()
        assert bench.ended.wait(LONG)
        assert future.result().ended is Ended.CANCELLED

    @CONCURRENT
    def test_others_go_on(self, bench: Bench) -> None:
        """A stopped attempt takes nothing from them."""
        future = bench.submit(bench.call(bench.resting()))
        assert bench.begun.wait(LONG)
        future.cancel()
        assert bench.report(lambda: 7, attempt="r#2/1.1").value == 7


class TestLife:
    """From the first call to the last."""

    @CONCURRENT
    def test_an_attempt_that_goes_on_is_not_started_again(self, bench: Bench) -> None:
        """Its future is returned."""
        call = bench.call(bench.resting())
        first = bench.submit(call)
        assert bench.submit(call) is first
        assert bench.begun.wait(LONG)
        assert bench.submit(call) is first
        first.cancel()
        first.result(LONG)
        assert bench.calls == ["body"]

    def test_closing_twice(self, bench: Bench) -> None:
        """Does nothing more."""
        bench.runner.close()
        bench.runner.close()

    def test_its_name_is_the_one_of_the_option(self, bench: Bench) -> None:
        """`--runner NAME`."""
        assert BENCHES[bench.runner.name] is type(bench)

    def test_several_at_a_time_only_where_promised(self, bench: Bench) -> None:
        """A runner that is not concurrent returns futures that are done."""
        assert bench.runner.promises.concurrent or bench.submit(bench.call(int)).done()
