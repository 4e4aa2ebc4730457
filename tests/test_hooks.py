"""Hooks of tasks and flows: when they are called, with what, and what comes of those that raise."""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, flow, task
from nbflow.engine import signals
from nbflow.exceptions import OptionError
from nbflow.running.hooks import OPTION_OF
from nbflow.running.records import records_in, using
from nbflow.states import AwaitingRetry, Cancelled, Completed, Crashed, Failed
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


def raising(error: BaseException) -> Any:
    """A body that raises."""

    def body():
        raise error

    return body


def returning(*values: Any) -> Any:
    """A body that returns, or raises, one value after the other."""
    left = list(values)

    def body():
        value = left.pop(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return body


NO = ValueError("no")
ENDED = "on_completion", "on_failure", "on_cancellation", "on_crashed"
CALLS: list[tuple[str, Any, dict[str, Any], list[str]]] = [
    # what happens, its body, options, the hooks that are called
    ("completes", returning(1), {}, ["on_running", "on_completion"]),
    ("fails", raising(NO), {}, ["on_running", "on_failure"]),
    ("fails for good", returning(NO, NO), {"retries": 1}, ["on_running", "on_running", "on_failure"]),
    (
        "fails for good after waiting",
        returning(NO, NO, NO),
        {"retries": 2, "retry_delay_seconds": 5},
        ["on_running", "on_running", "on_running", "on_failure"],
    ),
    ("is retried", returning(NO, 2), {"retries": 1}, ["on_running", "on_running", "on_completion"]),
    ("asks to be retried", returning(signals.RETRY(), 2), {}, ["on_running", "on_running", "on_completion"]),
    ("loops", returning(signals.LOOP(result=1), 2), {}, ["on_running", "on_running", "on_completion"]),
    ("is skipped", raising(signals.SKIP()), {}, ["on_running", "on_completion"]),
    ("is paused", raising(signals.PAUSE()), {}, ["on_running"]),
    ("is cancelled", raising(signals.ENDRUN(Cancelled())), {}, ["on_running", "on_cancellation"]),
    ("crashes", raising(signals.ENDRUN(Crashed())), {}, ["on_running", "on_crashed"]),
    ("reaches its limit", lambda: spin(), {"timeout_seconds": 0.02}, ["on_running", "on_failure"]),
    (
        "is held by its trigger",
        returning(1),
        {"trigger": lambda upstream: False},
        ["on_failure"],
    ),
]


def spin() -> None:
    """Never end."""
    while True:
        pass


def watched(make: Any, body: Any, options: dict[str, Any]) -> tuple[Any, list[tuple[str, Any, Any, Any]]]:
    """A task or a flow of a body, and what its hooks are told."""
    told: list[tuple[str, Any, Any, Any]] = []

    def hook(option, of, run, state):
        told.append((option, of, run, state))

    hooks = {option: [partial(hook, option)] for option in OPTION_OF.values()}

    def called():
        return body()

    return make(**options, **hooks)(called), told


class TestStates:
    """Which hook is called in which state: each exactly once for each state that is entered."""

    @pytest.mark.parametrize(
        ("body", "options", "hooks"), [row[1:] for row in CALLS], ids=[r[0] for r in CALLS]
    )
    def test_of_a_task(self, body: Any, options: dict[str, Any], hooks: list[str]) -> None:
        """It is told task, run and state."""
        if body.__name__ == "body" and body.__closure__ and "left" in body.__code__.co_freevars:
            body = returning(*body.__closure__[0].cell_contents)
        of, told = watched(task, body, options)
        final = of(return_state=True)
        assert [option for option, *_ in told] == hooks
        assert {each for _, each, *_ in told} <= {of}
        assert len({run.id for _, _, run, _ in told}) == 1
        assert [OPTION_OF[state.type] for *_, state in told] == hooks
        assert final.is_paused() or told[-1][3] is final

    @pytest.mark.parametrize(
        ("body", "options", "hooks"), [row[1:] for row in CALLS[:-1]], ids=[row[0] for row in CALLS[:-1]]
    )
    def test_of_a_flow(self, body: Any, options: dict[str, Any], hooks: list[str]) -> None:
        """The same ones."""
        if body.__name__ == "body" and body.__closure__ and "left" in body.__code__.co_freevars:
            body = returning(*body.__closure__[0].cell_contents)
        of, told = watched(flow, body, options)
        of(return_state=True)
        assert [option for option, *_ in told] == hooks

    @pytest.mark.parametrize("make", [task, flow])
    @pytest.mark.parametrize(
        ("state", "option"),
        [(Failed("no"), "on_failure"), (Crashed("no"), "on_crashed"), (Cancelled("no"), "on_cancellation")],
    )
    def test_a_returned_state_counts(self, make: Any, state: Any, option: str) -> None:
        """As one that is entered in any other way."""
        of, told = watched(make, lambda: state, {})
        of(return_state=True)
        assert [name for name, *_ in told] == ["on_running", option]

    @pytest.mark.parametrize("make", [task, flow])
    def test_an_interrupt_is_told_once(self, make: Any) -> None:
        """After the run was cancelled."""
        of, told = watched(make, raising(KeyboardInterrupt()), {})
        with pytest.raises(KeyboardInterrupt):
            of()
        assert [option for option, *_ in told] == ["on_running", "on_cancellation"]

    def test_each_attempt_has_its_number(self) -> None:
        """From 1 on, with the state that it begins with."""
        seen: list[tuple[int, str]] = []
        body = returning(NO, NO, 7)

        @task(
            retries=2,
            retry_delay_seconds=1,
            on_running=[lambda t, run, state: seen.append((run.run_count, state.name))],
        )
        def tried():
            return body()

        assert tried() == 7
        assert seen == [(1, "Running"), (2, "Retrying"), (3, "Retrying")]

    def test_what_waits_is_told_to_nobody(self) -> None:
        """There is no hook for a state that is neither running nor final."""
        assert AwaitingRetry().type not in OPTION_OF


class TestWaysToAdd:
    """As arguments, by decorators, as partials."""

    @pytest.mark.parametrize("make", [task, flow])
    @pytest.mark.parametrize("option", OPTION_OF.values())
    def test_a_decorator_adds_and_returns_the_function(self, make: Any, option: str) -> None:
        """A copy that was made before has it not."""

        @make
        def of():
            pass

        before = of.with_options(retries=1)

        def hook(*_):
            pass

        assert getattr(of, option)(hook) is hook
        assert getattr(of.options, option) == (hook,)
        assert getattr(before.options, option) == ()

    def test_they_are_called_in_the_order_in_which_they_were_added(self) -> None:
        """Those of the options first."""
        order: list[str] = []

        @flow(on_completion=[lambda *_: order.append("argument")])
        def of():
            order.append("body")

        @of.on_completion
        def first(flow, flow_run, state):
            order.append(flow_run.name)

        @of.on_completion
        def second(flow, flow_run, state):
            order.append(state.name)

        of()
        assert order == ["body", "argument", "of", "Completed"]

    def test_a_partial_has_arguments_of_its_own(self) -> None:
        """Beside those that every hook is given."""
        data: dict[str, Any] = {}

        def hook(task, task_run, state, **more):
            data.update(more, state=state)

        @task
        def bad():
            raise NO

        state = bad.with_options(on_failure=[partial(hook, x="foo", y=42)])(return_state=True)
        assert data == {"x": "foo", "y": 42, "state": state}

    def test_what_cannot_be_called_is_refused(self) -> None:
        """When it is given."""
        with pytest.raises(OptionError, match="on_failure: 3 is no list"):
            task(len, on_failure=3)
        with pytest.raises(OptionError, match="on_failure: 3 cannot be called"):
            flow(raising, on_failure=[3])
        with pytest.raises(OptionError, match="on_failure: 3 cannot be called; write @on_failure"):
            task(len).on_failure(3)  # pyright: ignore[reportArgumentType]

    def test_tasks_and_flows_that_are_graphs_have_them_too(self) -> None:
        """The decorator, and the flow's own."""
        told: list[str] = []
        with Flow("graph", on_completion=[lambda flow, run, state: told.append(run.name)]) as graph:
            task(returning(1), name="one", on_completion=[lambda task, run, state: told.append(run.name)])()
        graph.on_completion(lambda flow, run, state: told.append(state.name))
        graph.run()
        assert told == ["one", "graph", "Completed"]


class TestAsynchronous:
    """Asynchronous hooks are awaited."""

    def test_without_and_within_an_event_loop(self) -> None:
        """Before the caller has the result."""
        told: list[str] = []

        async def hook(task, task_run, state):
            await asyncio.sleep(0)
            told.append(state.name)

        @task(on_completion=[hook])
        def plain():
            return 1

        @flow(on_completion=[hook])
        async def awaited():
            told.append("body")
            return plain()

        assert plain() == 1
        assert asyncio.run(awaited()) == 1
        assert told == ["Completed", "body", "Completed", "Completed"]

    def test_one_that_raises_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """As any other."""

        async def hook(task, task_run, state):
            raise KeyError("hook")

        assert task(returning(1), on_completion=[hook])() == 1
        assert "hook hook raised when body became Completed; the run goes on" in caplog.text


class TestFaults:
    """A hook changes nothing."""

    @pytest.mark.parametrize("error", [KeyError("hook"), signals.FAIL("hook"), SystemExit(1)])
    def test_one_that_raises_is_logged(self, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
        """The others are called, and result and state stay."""
        told: list[str] = []

        @task(on_completion=[raising_hook(error), lambda *_: told.append("second")])
        def good():
            return 7

        with caplog.at_level(logging.ERROR):
            assert good(return_state=True) == Completed(result=7)
        assert told == ["second"]
        assert "hook broken raised when good became Completed; the run goes on" in caplog.text

    def test_one_without_a_name_is_called_by_its_function(self, caplog: pytest.LogCaptureFixture) -> None:
        """No message shows how an object looks inside."""
        broken = raising_hook(KeyError("hook"))

        @task(on_completion=[partial(partial(broken), 1)])
        def good():
            return 7

        assert good() == 7
        assert "hook broken raised when good became Completed" in caplog.text


def raising_hook(error: BaseException) -> Any:
    """A hook that raises."""

    def broken(*_):
        raise error

    return broken


class TestWhereItRuns:
    """A hook, and what the log says, belong to whoever started the run."""

    @pytest.mark.parametrize(
        "runner", [InlineTaskRunner(), ThreadPoolTaskRunner(2)], ids=["inline", "thread"]
    )
    def test_it_sees_the_context_variables_of_whoever_called(self, runner: Any) -> None:
        """Whichever thread finds that the run is to be tried again, or has ended."""
        asks = ContextVar("asks", default="nobody")
        heard: list[tuple[str, str]] = []

        class Hears(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                heard.append(("log", asks.get()))

        def note(task: Any, run: Any, state: Any) -> None:
            heard.append((state.name, asks.get()))

        @task(retries=1, retry_delay_seconds=0.01, on_failure=[note], on_running=[note])
        def fails() -> None:
            raise OSError("gone")

        @flow(task_runner=runner)
        def asking() -> None:
            asks.set("me")
            fails.submit().wait()

        handler = Hears()
        logging.getLogger("nbflow").addHandler(handler)
        try:
            asking()
        finally:
            logging.getLogger("nbflow").removeHandler(handler)
        states = ["Running", "log", "Retrying", "Failed", "log"]
        assert sorted(heard) == sorted((each, "me") for each in states)
