"""The inline runner: limits that interrupt a task's own code, and nothing else."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.drive import Journal, PlainHandler, calls_user_code, drive
from nbflow.engine.effects import Call, Ended, Outcome, RunSpec
from nbflow.engine.run import run_task
from nbflow.retries import Retries
from nbflow.task_runners import inline
from nbflow.task_runners.base import Enforced, TaskCall, warning_about_limit
from nbflow.task_runners.inline import InlineTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbflow.task_runners.base import TaskReport

SOON = 0.01
NEVER = 20.0


def spin() -> None:
    """Compute until somebody interrupts, or for ever by human measure."""
    end = time.monotonic() + NEVER
    while time.monotonic() < end:
        pass
    raise AssertionError("nobody interrupted")


def run(body: Callable[[], Any], timeout: float | None = SOON, attempt: str = "r#1/1.1") -> TaskReport:
    """Run a body under a limit."""
    return InlineTaskRunner().run(TaskCall(attempt, "r", body, timeout))


def function_of_nbflow(source: str, **names: Any) -> Any:
    """The function `inner` made from source as if it stood in a module of nbflow."""
    module = {"__name__": "nbflow.somewhere", **names}
    exec(source, module)
    return module["inner"]


def frame_outside() -> Any:
    """The frame of this function, which no body called."""
    return sys._getframe()


@pytest.fixture(autouse=True)
def alarm_is_put_back() -> Iterator[None]:
    """Each test leaves the alarm as it found it."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0


class TestLimit:
    """A body is interrupted at its limit."""

    def test_it_is_firm(self) -> None:
        """And the report says so."""
        report = run(spin)
        assert (report.ended, report.enforced, report.value) == (Ended.TIMED_OUT, Enforced.FIRM, None)
        assert SOON <= report.seconds < NEVER

    def test_except_exception_does_not_stop_it(self) -> None:
        """What interrupts is no `Exception`."""

        def stubborn() -> None:
            while True:
                try:
                    spin()
                except Exception:
                    continue

        assert run(stubborn).enforced is Enforced.FIRM

    def test_cleaning_up_runs(self) -> None:
        """`finally` blocks see the interrupt as any other."""
        cleaned: list[bool] = []

        def body() -> None:
            try:
                spin()
            finally:
                cleaned.append(True)

        assert run(body).ended is Ended.TIMED_OUT
        assert cleaned == [True]

    def test_a_body_that_swallows_it_timed_out_softly(self) -> None:
        """Its value is not one, and the note says what happened."""

        def body() -> int:
            try:
                spin()
            except BaseException:
                return 7
            return 8

        report = run(body)
        assert (report.ended, report.enforced, report.value) == (Ended.TIMED_OUT, Enforced.SOFT, None)
        assert "swallowed" in report.note

    def test_it_is_struck_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body that goes on after the first interrupt meets the next one."""
        monkeypatch.setattr(inline, "_GRACE", SOON)
        strikes: list[int] = []

        def body() -> None:
            while len(strikes) < 3:
                try:
                    spin()
                except BaseException:
                    strikes.append(1)
            spin()

        assert run(body).enforced is Enforced.FIRM
        assert len(strikes) == 3

    def test_a_body_within_its_limit(self) -> None:
        """Is not touched, whether it returns or raises."""
        assert run(lambda: 7, NEVER).value == 7
        assert run(lambda: 1 / 0, NEVER).ended is Ended.RAISED

    def test_through_the_engine(self) -> None:
        """The state says how firmly, and a retry is due."""

        class Handler(PlainHandler):
            def call(self, effect: Call) -> Outcome:
                """Run the body under its limit."""
                task = TaskCall(effect.attempt, effect.spec.name, effect.spec.body, effect.timeout)
                return InlineTaskRunner().run(task).outcome()

        task = RunSpec("r#1", "r", body=spin, timeout=SOON, retries=Retries(1))
        history: list[Any] = []
        state = drive(run_task(task), Handler(), Journal(history, time.time))
        assert [entry.name for entry in history] == ["Pending", "Running", "Retrying", "TimedOut"]
        assert state.details["enforced"] == "firm"


class TestGuard:
    """The interrupt is raised within the user's code only."""

    def test_code_of_nbflow_within_a_body_is_not_torn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A commit is finished first; then the user's code is interrupted."""
        monkeypatch.setattr(inline, "_NOT_NOW", 0.001)
        done: list[str] = []
        source = (
            "def inner():\n"
            "    end = now() + 0.05\n"
            "    while now() < end:\n"
            "        pass\n"
            "    done.append('committed')\n"
        )
        commit = function_of_nbflow(source, now=time.monotonic, done=done)

        def body() -> None:
            commit()
            spin()

        assert run(body).enforced is Enforced.FIRM
        assert done == ["committed"]

    def test_code_called_by_nbflow_is_nbflows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A library that works for a commit is not interrupted either."""
        monkeypatch.setattr(inline, "_NOT_NOW", 0.001)
        done: list[str] = []

        def library() -> None:
            end = time.monotonic() + 0.05
            while time.monotonic() < end:
                pass
            done.append("written")

        commit = function_of_nbflow("def inner():\n    library()\n", library=library)
        assert run(lambda: commit()).ended is Ended.RETURNED
        assert done == ["written"]

    def test_a_marked_function_passes_the_interrupt_to_the_users_code(self) -> None:
        """So that a body may be wrapped by code of nbflow."""
        wrapped = calls_user_code(function_of_nbflow("def inner():\n    user()\n", user=spin))
        assert run(wrapped).enforced is Enforced.FIRM

    def test_outside_of_any_body_nothing_is_raised(self) -> None:
        """An alarm that comes too late is dropped."""
        inline._ALARMS._ring(signal.SIGALRM, None)
        assert not inline._is_within(frame_outside(), "r#1/1.1")


class TestNesting:
    """Bodies within bodies have limits of their own."""

    def test_the_limit_of_the_outer_task_reaches_through_the_inner_one(self) -> None:
        """It ends where it belongs."""
        inner: list[TaskReport] = []

        def outer() -> None:
            inner.append(run(spin, NEVER, "inner#1/1.1"))

        report = run(outer, SOON, "outer#1/1.1")
        assert (report.ended, report.attempt, inner) == (Ended.TIMED_OUT, "outer#1/1.1", [])

    def test_the_limit_of_the_inner_task_leaves_the_outer_one_alone(self) -> None:
        """Which goes on."""
        report = run(lambda: run(spin, SOON, "inner#1/1.1").ended, NEVER, "outer#1/1.1")
        assert report.value is Ended.TIMED_OUT

    def test_an_outer_limit_ends_an_inner_run_legally(self) -> None:
        """As Cancelled: its history is not left open."""
        history: list[Any] = []

        def outer() -> None:
            task = RunSpec("inner#1", "inner", body=spin)
            drive(run_task(task), PlainHandler(), Journal(history, time.time))

        assert run(outer).enforced is Enforced.FIRM
        assert [entry.name for entry in history] == ["Pending", "Running", "Cancelling", "Cancelled"]


class TestAlarmOfTheUser:
    """Handler and timer of the user are put back."""

    def test_both(self) -> None:
        """The timer goes on with what it had left."""
        rang: list[int] = []

        def handler(*_: object) -> None:
            rang.append(1)

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, NEVER)
            given = signal.getitimer(signal.ITIMER_REAL)[0]
            assert run(spin).enforced is Enforced.FIRM
            assert signal.getsignal(signal.SIGALRM) is handler
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < given
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert rang == []


class TestOtherThreads:
    """Off the main thread nothing can be interrupted, and the runner says so."""

    @staticmethod
    def elsewhere(ask: Callable[[], Any]) -> Any:
        """The answer given in another thread."""
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(ask()))
        thread.start()
        thread.join()
        return answers[0]

    def test_its_promise(self) -> None:
        """Depends on the thread."""
        assert InlineTaskRunner().promises.limit is Enforced.FIRM
        assert self.elsewhere(lambda: InlineTaskRunner().promises.limit) is None

    def test_the_warning(self) -> None:
        """Names the task, the limit and a runner that could."""
        call = TaskCall("r#1/1.1", "slow", spin, 2.0)
        text = self.elsewhere(lambda: warning_about_limit(call, InlineTaskRunner()))
        assert "cannot enforce the limit of 2 s of task 'slow'" in text
        assert "runner='process'" in text
        assert warning_about_limit(call, InlineTaskRunner()) == ""

    def test_a_limit_that_passed_is_soft(self) -> None:
        """The body went on to its end, and its value is late."""

        def body() -> int:
            end = time.monotonic() + 2 * SOON
            while time.monotonic() < end:
                pass
            return 7

        report = self.elsewhere(lambda: run(body))
        assert (report.ended, report.enforced) == (Ended.TIMED_OUT, Enforced.SOFT)
        assert "off the main thread" in report.note

    def test_a_limit_that_held_by_itself(self) -> None:
        """The value counts, with the same note."""
        report = self.elsewhere(lambda: run(lambda: 7, NEVER))
        assert (report.ended, report.value) == (Ended.RETURNED, 7)
        assert "off the main thread" in report.note


class TestTraceback:
    """The user sees the user's lines."""

    @pytest.mark.parametrize("timeout", [None, NEVER])
    def test_it_begins_in_the_body(self, timeout: float | None) -> None:
        """None of our frames is shown."""

        def body() -> None:
            raise ValueError("x")

        error = run(body, timeout).value
        assert [frame.name for frame in traceback.extract_tb(error.__traceback__)] == ["body"]
