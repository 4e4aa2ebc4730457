"""Runs that rest while they wait: who moves them on, and who comes too late."""

from __future__ import annotations

import asyncio
import sys
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.drive import Journal, PlainHandler
from nbflow.engine.effects import Ended, Outcome, RunSpec
from nbflow.engine.ongoing import Later, Mailbox, Ongoing, go_on_here, go_on_in, when_all
from nbflow.engine.run import run_task

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.effects import Call
    from nbflow.engine.ongoing import Action
    from nbflow.states import Transition

LONG = 60.0


class Answers(PlainHandler):
    """A handler whose calls are answered by the test.

    Args:
        during: Called while the call is performed.
        answer: What answers it.
    """

    def __init__(self, during: Callable[[], object] = int, answer: Future[Any] | None = None) -> None:
        super().__init__()
        self.during = during
        self.answer: Future[Any] = answer or Future()
        self.calls: list[str] = []
        self.stops: list[str] = []
        self.below: list[Future[Any]] = []

    def call(self, effect: Call) -> Any:
        """Rest until the test answers."""
        self.calls.append(effect.attempt)
        self.during()
        return self.answer

    def stop(self, reason: str) -> Sequence[Future[Any]]:
        """Note it."""
        self.stops.append(reason)
        return self.below

    def returns(self, value: object) -> None:
        """Answer."""
        self.answer.set_result(Outcome(self.calls[-1], Ended.RETURNED, value))


class Started:
    """One run, started, with its history."""

    def __init__(
        self, handler: PlainHandler, resume: Callable[[Action], object] = go_on_here, **spec: Any
    ) -> None:
        self.history: list[Transition] = []
        steps = run_task(RunSpec("r#1", "r", **spec))
        self.ongoing = Ongoing(steps, handler, Journal(self.history, lambda: 0.0), resume)

    def start(self) -> Started:
        """Start it here."""
        self.ongoing.start()
        return self

    @property
    def names(self) -> list[str]:
        """The states entered."""
        return [transition.name for transition in self.history]


class TestResting:
    """A run waits as a value."""

    def test_it_goes_on_with_the_answer(self) -> None:
        """In the thread that brings it."""
        handler = Answers()
        run = Started(handler).start()
        assert run.names == ["Pending", "Running"]
        handler.returns(7)
        assert run.ongoing.future.result().value() == 7
        assert run.names == ["Pending", "Running", "Completed"]

    def test_an_answer_that_is_there_is_taken_at_once(self) -> None:
        """Nobody has to resume the run."""
        answer: Future[Any] = Future()
        answer.set_result(Outcome("r#1/1.1", Ended.RETURNED, 7))
        run = Started(Answers(answer=answer), resume=pytest.fail).start()
        assert run.names[-1] == "Completed"

    def test_an_answer_that_comes_while_it_is_asked_for(self) -> None:
        """Is not lost between the look at it and the wait for it."""
        handler = Answers()
        handler.during = lambda: handler.returns(7)
        assert Started(handler).start().names[-1] == "Completed"

    def test_who_should_answer_gives_up(self) -> None:
        """The run crashes; it does not wait for ever."""
        handler = Answers()
        run = Started(handler).start()
        handler.answer.cancel()
        assert run.names[-1] == "Crashed"

    @pytest.mark.parametrize("error", [OSError("pipe"), StopIteration(1)])
    def test_an_error_in_the_place_of_an_answer(self, error: Exception) -> None:
        """Is a fault of the runner."""
        handler = Answers()
        run = Started(handler).start()
        handler.answer.set_exception(error)
        assert run.names[-1] == "Crashed"

    def test_an_interrupt_in_the_place_of_an_answer(self) -> None:
        """Ends the run, and nobody else: who waits finds it in the future."""
        handler = Answers()
        run = Started(handler).start()
        handler.answer.set_exception(KeyboardInterrupt())
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]
        assert isinstance(run.ongoing.future.exception(), KeyboardInterrupt)

    def test_nobody_can_resume_it(self) -> None:
        """As when an event loop is closed: the run ends legally."""

        def refuse(action: Action) -> None:
            raise RuntimeError("Event loop is closed")

        handler = Answers()
        run = Started(handler, refuse).start()
        handler.returns(7)
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]
        assert "Event loop is closed" in run.history[-1].message

    def test_what_ends_another_run(self) -> None:
        """Is nothing to one that was moved on in the same breath."""
        first, second = Answers(), Answers()
        one, other = Started(first).start(), Started(second).start()

        def again() -> None:
            first.answer = Future()
            second.answer.set_exception(KeyboardInterrupt())

        outcome = Outcome("an attempt before", Ended.RETURNED, 1)  # it asks again then
        first.during = again
        first.answer.set_result(outcome)
        assert (one.names[-1], other.names[-1]) == ("Running", "Cancelled")
        first.returns(7)
        assert one.names[-1] == "Completed"


class TestCancel:
    """A stop finds a run wherever it stands."""

    def test_before_it_starts(self) -> None:
        """No body is called."""
        handler = Answers()
        run = Started(handler)
        run.ongoing.cancel("enough")
        assert run.start().names == ["Pending", "Cancelled"]
        assert (handler.calls, handler.stops) == ([], ["enough"])

    def test_while_it_rests(self) -> None:
        """It ends, and what it waited for is cancelled."""
        handler = Answers()
        run = Started(handler).start()
        run.ongoing.cancel("enough")
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]
        assert (run.history[-1].message, handler.answer.cancelled()) == ("enough", True)

    def test_it_ends_after_what_it_has_started(self) -> None:
        """Another thread may just be moving that on; nobody blocks meanwhile."""
        handler = Answers()
        handler.below = [Future(), Future()]
        run = Started(handler).start()
        run.ongoing.cancel("enough")
        assert (run.names, handler.stops) == (["Pending", "Running"], ["enough"])
        for each in handler.below:
            each.set_result(None)
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_an_answer_that_comes_later(self) -> None:
        """Is dropped."""
        handler = Answers()
        handler.answer.set_running_or_notify_cancel()
        run = Started(handler, resume=pytest.fail).start()
        run.ongoing.cancel("enough")
        assert run.names == ["Pending", "Running"]  # it stops in its own time
        handler.returns(7)
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_between_the_answer_and_its_being_taken(self) -> None:
        """The stop comes first, and the answer in the mailbox finds the run ended."""
        posted: list[Action] = []
        handler = Answers()
        run = Started(handler, posted.append).start()
        handler.returns(7)
        assert len(posted) == 1
        run.ongoing.cancel("enough")
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]
        posted[0]()
        assert len(run.names) == 4

    def test_while_its_body_runs_in_another_thread(self) -> None:
        """It ends at once; what the body says later is dropped."""
        begun, go_on = threading.Event(), threading.Event()

        def body() -> str:
            begun.set()
            go_on.wait(LONG)
            return "late"

        run = Started(PlainHandler(), body=body)
        thread = threading.Thread(target=run.start)
        thread.start()
        assert begun.wait(LONG)
        run.ongoing.cancel("enough")
        assert run.ongoing.future.result(LONG).is_cancelled()
        go_on.set()
        thread.join()
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_while_it_is_asked_what_to_wait_for(self) -> None:
        """What it would have waited for is cancelled, too."""
        handler = Answers()
        run = Started(handler)
        handler.during = lambda: run.ongoing.cancel("enough")
        run.start()
        assert run.names == ["Pending", "Running", "Cancelling", "Cancelled"]
        assert handler.answer.cancelled()

    def test_when_it_has_ended(self) -> None:
        """Nothing happens."""
        run = Started(PlainHandler(), body=lambda: 1).start()
        run.ongoing.cancel("enough")
        assert run.names[-1] == "Completed"

    def test_twice(self) -> None:
        """The first reason stays."""
        handler = Answers()
        run = Started(handler).start()
        run.ongoing.cancel("first")
        run.ongoing.cancel("second")
        assert (run.history[-1].message, handler.stops) == ("first", ["first"])

    def test_against_answers(self) -> None:
        """Whoever comes first, each run ends once and legally."""
        ends: set[str] = set()
        for _ in range(300):
            handler = Answers()
            run = Started(handler).start()
            both = threading.Barrier(2)

            def answer(handler: Answers = handler, both: threading.Barrier = both) -> None:
                both.wait(LONG)
                if handler.answer.set_running_or_notify_cancel():
                    handler.returns(7)

            thread = threading.Thread(target=answer)
            thread.start()
            both.wait(LONG)
            run.ongoing.cancel("enough")
            thread.join()
            ends.add(run.ongoing.future.result(LONG).name)
        assert ends <= {"Completed", "Cancelled"}


class TestMailbox:
    """One thread does what others put in."""

    def test_in_order_until_it_is_done(self) -> None:
        """And the result is returned."""
        mailbox, done, log = Mailbox(), Future(), []
        mailbox.post(lambda: log.append(1))
        mailbox.post(lambda: done.set_result(log.append(2)))
        mailbox.post(lambda: log.append(3))
        assert mailbox.work_until(done) is None
        assert log == [1, 2]

    def test_from_another_thread(self) -> None:
        """The thread that waits is woken."""
        mailbox, done = Mailbox(), Future()
        log: list[str] = []
        threads = [
            threading.Thread(target=mailbox.post, args=(lambda: log.append(threading.current_thread().name),))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        threading.Thread(target=lambda: [t.join() for t in threads] and done.set_result(7)).start()
        assert mailbox.work_until(done) == 7
        assert set(log) <= {threading.current_thread().name}

    def test_what_an_action_raises(self) -> None:
        """Reaches the thread that waits; the other actions stay."""
        mailbox, done = Mailbox(), Future()
        mailbox.post(lambda: {}["missing"])
        mailbox.post(lambda: done.set_result(7))
        with pytest.raises(KeyError):
            mailbox.work_until(done)
        assert mailbox.work_until(done) == 7


class TestGoingOn:
    """Where a run goes on."""

    def test_a_chain_of_thousands_needs_no_deep_stack(self) -> None:
        """Each action is done after the one that asked for it."""
        left = [20_000]

        def action() -> None:
            left[0] -= 1
            if left[0]:
                go_on_here(action)

        go_on_here(action)
        assert left == [0]

    def test_an_action_that_raises_takes_nothing_from_others(self) -> None:
        """They belong to other runs; it is raised when all are done."""
        log: list[int] = []

        def first() -> None:
            go_on_here(lambda: {}["missing"])
            go_on_here(lambda: log.append(2))
            log.append(1)

        with pytest.raises(KeyError):
            go_on_here(first)
        go_on_here(lambda: log.append(3))
        assert log == [1, 2, 3]

    def test_in_an_event_loop(self) -> None:
        """Which survives whatever ends a run."""

        async def main() -> str:
            handler = Answers()
            run = Started(handler, go_on_in(asyncio.get_running_loop())).start()
            threading.Thread(target=handler.answer.set_exception, args=(KeyboardInterrupt(),)).start()
            with pytest.raises(KeyboardInterrupt):
                await asyncio.to_thread(run.ongoing.future.result, LONG)
            return run.names[-1]

        assert asyncio.run(main()) == "Cancelled"

    def test_long_chains_of_futures(self) -> None:
        """5,000 runs, each waiting for the one before, end without a deep stack."""
        first: Future[Any] = Future()
        before = first
        runs: list[Started] = []
        for _ in range(5_000):
            handler = Answers(answer=Later(before, lambda _: Outcome("r#1/1.1", Ended.RETURNED, 1)))
            runs.append(Started(handler).start())
            before = runs[-1].ongoing.future
        depth = sys.getrecursionlimit()
        sys.setrecursionlimit(250)
        try:
            first.set_result(None)
        finally:
            sys.setrecursionlimit(depth)
        assert {run.names[-1] for run in runs} == {"Completed"}


class TestLater:
    """What is made of a result to come."""

    def test_an_error(self) -> None:
        """Is passed on, also one of making it."""
        source: Future[int] = Future()
        passed, made = Later(source, str), Later(source, lambda value: value / 0)
        source.set_result(1)
        assert passed.result() == "1"
        with pytest.raises(ZeroDivisionError):
            made.result()

    def test_cancelling_it(self) -> None:
        """Cancels what it is made of, and it ends with that."""
        source: Future[int] = Future()
        made = Later(source, str)
        assert made.cancel()
        assert (source.cancelled(), made.done()) == (True, True)

    def test_what_cannot_be_cancelled(self) -> None:
        """Is waited for."""
        source: Future[int] = Future()
        source.set_running_or_notify_cancel()
        made = Later(source, str)
        assert not made.cancel()
        source.set_result(1)
        assert made.result() == "1"


class TestWhenAll:
    """Waiting for many."""

    def test_none(self) -> None:
        """Is done at once."""
        assert when_all([]).done()

    def test_those_that_fail_or_are_cancelled(self) -> None:
        """Are done as well."""
        one, other = Future(), Future()
        both = when_all([one, other])
        one.set_exception(ValueError())
        other.cancel()
        assert both.done()

    def test_nobody_wants_it_any_more(self) -> None:
        """It stays cancelled."""
        one: Future[int] = Future()
        all_of_them = when_all([one])
        all_of_them.cancel()
        one.set_result(1)
        assert all_of_them.cancelled()
