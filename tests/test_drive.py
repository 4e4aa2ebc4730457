"""The driver and the journal: what is appended, who is told, and what a fault changes."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.engine.drive import Entered, Journal, PlainHandler, drive
from nbflow.engine.effects import Call, CancelRun, Enter, Hit, Load, Outcome, RunSpec, Saved
from nbflow.engine.run import run_task
from nbflow.engine.signals import FAIL, LOOP, RETRY, SKIP
from nbflow.engine.transitions import check
from nbflow.exceptions import IllegalTransitionError
from nbflow.retries import Retries
from nbflow.states import (
    AwaitingRetry,
    Cancelled,
    Completed,
    Failed,
    Paused,
    Pending,
    Running,
    State,
    StateType,
    Transition,
    state_of,
)
from nbflow.triggers import Edge


class Clock:
    """Moves one second each time it is read."""

    def __init__(self, now: float = 1000.0, step: float = 1.0) -> None:
        self.now = now
        self.step = step

    def __call__(self) -> float:
        """The next second."""
        self.now += self.step
        return self.now


@dataclass
class Bench:
    """A journal over a list, and one run over it."""

    history: list[Transition] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.journal = Journal(self.history, self.clock)

    def run(self, body: Any, handler: PlainHandler | None = None, **options: Any) -> State:
        """Run a body to its end."""
        task = RunSpec("r#1", "r", body=body, **options)
        return drive(run_task(task), handler or PlainHandler(), self.journal)

    @property
    def names(self) -> list[str]:
        """The names in the history."""
        return [entry.name for entry in self.history]


def raising(error: BaseException) -> Any:
    """A callable that raises."""

    def subscriber(*_: object) -> None:
        raise error

    return subscriber


PLAIN = ["Pending", "Running", "Completed"]


class TestJournal:
    """States are appended at one place."""

    def test_the_history_has_each_state_with_its_time(self) -> None:
        """And what belongs to it."""
        bench = Bench()
        state = bench.run(lambda: 7)
        assert bench.history == [
            Transition("r#1", 1, 1, 1001.0, "PENDING", "Pending"),
            Transition("r#1", 1, 1, 1002.0, "RUNNING", "Running"),
            Transition("r#1", 1, 1, 1003.0, "COMPLETED", "Completed"),
        ]
        assert (state.value(), state.timestamp) == (7, 1003.0)

    def test_attempts_and_iterations_are_numbers_on_it(self) -> None:
        """A retry counts the attempt, LOOP the iteration."""
        bench = Bench()
        script = iter([ValueError("x"), LOOP(), ValueError("x"), None])

        def body() -> None:
            error = next(script)
            if error is not None:
                raise error

        bench.run(body, retries=Retries(1))
        assert [(e.name, e.attempt, e.loop) for e in bench.history] == [
            ("Pending", 1, 1), ("Running", 1, 1), ("Retrying", 2, 1), ("Looping", 1, 2), ("Retrying", 2, 2),
            ("Completed", 2, 2),
        ]  # fmt: skip

    def test_an_illegal_state_is_not_appended(self) -> None:
        """It is a mistake of ours, and nobody hears of it."""
        bench = Bench()
        told: list[Entered] = []
        bench.journal.subscribe(told.append)
        with pytest.raises(IllegalTransitionError):
            bench.journal.append(Enter(RunSpec("r#1", "r"), Completed(), 1, 1), Cancelled())
        assert (bench.history, told) == ([], [])

    def test_a_clock_that_is_set_back_does_not_reorder_a_history(self) -> None:
        """Times of a run never fall."""
        bench = Bench(clock=Clock(step=-5.0))
        bench.run(lambda: 7)
        assert [entry.at for entry in bench.history] == [995.0, 995.0, 995.0]

    def test_a_history_that_cannot_keep_anything_costs_no_result(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The fault is logged."""

        class Full:
            def append(self, transition: Transition) -> None:
                raise OSError("no space")

        with caplog.at_level(logging.ERROR, "nbflow"):
            state = drive(
                run_task(RunSpec("r#1", "r", body=lambda: 7)), PlainHandler(), Journal(Full(), Clock())
            )
        assert state.value() == 7
        assert "could not keep Completed of run r#1" in caplog.text

    def test_a_history_reads_back(self) -> None:
        """What was written down is enough to go on."""
        bench = Bench()
        state = bench.run(raising(ValueError("x")), retries=Retries(1, (60.0,)), versions={"a": "v"})
        read = state_of(bench.history[-1])
        assert read == state
        assert (read.start_time, read.cached_inputs) == (1063.0, {"a": "v"})


class TestSubscribers:
    """Read-only, told after the append, and without influence."""

    def test_they_are_told_what_the_history_has(self) -> None:
        """Old and new state, and the transition."""
        bench = Bench()
        told: list[Entered] = []
        bench.journal.subscribe(told.append)
        bench.run(lambda: 7)
        assert [entered.transition for entered in told] == bench.history
        assert [entered.old and entered.old.name for entered in told] == [None, "Pending", "Running"]
        assert told[-1].state.value() == 7
        assert told[0].spec.name == "r"

    def test_the_history_has_it_before_anybody_hears_of_it(self) -> None:
        """Nothing is shown that is not recorded."""
        bench = Bench()
        seen: list[int] = []
        bench.journal.subscribe(lambda entered: seen.append(len(bench.history)))
        bench.run(lambda: 7)
        assert seen == [1, 2, 3]

    def test_subscribe_returns_its_undo(self) -> None:
        """Which may be called twice, and from within."""
        bench = Bench()
        told: list[str] = []
        undo = bench.journal.subscribe(lambda entered: (told.append(entered.state.name), undo()))
        bench.run(lambda: 7)
        undo()
        assert told == ["Pending"]

    def test_the_same_function_twice_is_two_subscriptions(self) -> None:
        """Ending one leaves the other."""
        bench = Bench()
        told: list[Entered] = []
        undo = bench.journal.subscribe(told.append)
        bench.journal.subscribe(told.append)
        undo()
        bench.run(lambda: 7)
        assert len(told) == 3

    def test_of_a_run_that_goes_straight_on_who_has_to_know_is_told(self) -> None:
        """All states, unless it has said of which types; of any other run everybody hears all."""
        bench, told = Bench(), list[str]()
        bench.journal.subscribe(lambda entered: told.append(f"all {entered.state.name}"))
        bench.journal.subscribe(lambda entered: told.append(entered.state.name), straight={StateType.RUNNING})
        spec, old = RunSpec("r#1", "r", body=None), None
        for state in (Pending(), Running(), Completed()):
            entered = bench.journal.append(Enter(spec, state, 1, 1), old)
            bench.journal.tell_straight(entered)
            old = entered.state
        assert told == ["all Pending", "all Running", "Running", "all Completed"]
        told.clear()
        bench.run(lambda: 1)
        assert told[::2] == ["all Pending", "all Running", "all Completed"]
        assert told[1::2] == ["Pending", "Running", "Completed"]

    def test_a_raising_hook_is_logged_and_stays(self, caplog: pytest.LogCaptureFixture) -> None:
        """User code gets its next chance."""
        bench = Bench()
        bench.journal.subscribe(raising(ValueError("hook")), hook=True)
        with caplog.at_level(logging.ERROR, "nbflow"):
            assert bench.run(lambda: 7).value() == 7
        assert len(caplog.records) == 3
        assert "the hook stays" in caplog.text

    def test_a_raising_subscriber_is_logged_and_removed(self, caplog: pytest.LogCaptureFixture) -> None:
        """A broken view is not asked again."""
        bench = Bench()
        bench.journal.subscribe(raising(ValueError("view")))
        with caplog.at_level(logging.ERROR, "nbflow"):
            assert bench.run(lambda: 7).value() == 7
        assert len(caplog.records) == 1
        assert "the subscriber is removed" in caplog.text

    bodies = st.sampled_from(
        [lambda: 7, raising(ValueError("x")), raising(SKIP()), raising(FAIL()), raising(RETRY())]
    )
    errors = st.sampled_from(
        [ValueError("x"), FAIL("x"), SKIP(), SystemExit(), CancelRun("x"), GeneratorExit()]
    )

    @settings(max_examples=200)
    @given(bodies, st.lists(st.tuples(errors, st.booleans()), min_size=1, max_size=3), st.integers(0, 2))
    def test_a_raising_subscriber_changes_nothing(
        self, body: Any, broken: list[tuple[BaseException, bool]], retries: int
    ) -> None:
        """Whatever it raises: history, result, and what the others are told."""
        logging.getLogger("nbflow").setLevel(logging.CRITICAL)
        plain, disturbed = Bench(), Bench()
        told: dict[int, list[State]] = {id(plain): [], id(disturbed): []}
        for error, hook in broken:
            disturbed.journal.subscribe(raising(error), hook=hook)
        for bench in (plain, disturbed):
            bench.journal.subscribe(lambda entered, bench=bench: told[id(bench)].append(entered.state))
        ends = [bench.run(body, retries=Retries(retries)) for bench in (plain, disturbed)]
        logging.getLogger("nbflow").setLevel(logging.NOTSET)
        assert plain.history == disturbed.history
        assert ends[0] == ends[1]
        assert told[id(plain)] == told[id(disturbed)]


class TestStop:
    """Interrupts end a run legally and are raised again."""

    def test_an_interrupt_of_the_body(self) -> None:
        """First the legal end, then the interrupt."""
        bench = Bench()
        with pytest.raises(KeyboardInterrupt):
            bench.run(raising(KeyboardInterrupt()))
        assert bench.names == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_a_stop_thrown_by_the_handler_is_an_answer(self) -> None:
        """`CancelRun` is ours: the state says it all."""
        bench = Bench()
        assert bench.run(raising(CancelRun("enough"))) == Cancelled("enough")

    @pytest.mark.parametrize("state", ["Pending", "Running", "Cancelling"])
    def test_an_interrupt_within_a_subscriber(self, state: str) -> None:
        """Everybody is told, then the run ends."""
        bench = Bench()
        told: list[str] = []

        def press(entered: Entered) -> None:
            if entered.state.name == state:
                raise KeyboardInterrupt

        bench.journal.subscribe(press, hook=True)
        bench.journal.subscribe(lambda entered: told.append(entered.state.name))
        with pytest.raises(KeyboardInterrupt):
            bench.run(raising(KeyboardInterrupt()))
        assert told == bench.names
        assert bench.names[-1] == "Cancelled"

    def test_an_interrupt_at_the_very_end_leaves_the_result(self) -> None:
        """A completed run stays completed."""
        bench = Bench()
        bench.journal.subscribe(
            lambda entered: raising(KeyboardInterrupt())() if entered.state.is_final() else None, hook=True
        )
        with pytest.raises(KeyboardInterrupt):
            bench.run(lambda: 7)
        assert bench.names == PLAIN

    @pytest.mark.parametrize("state", PLAIN[1:2])
    def test_an_interrupt_within_a_state_handler(self, state: str) -> None:
        """The state is appended all the same, so that the end is legal."""
        bench = Bench()

        def press(old: State | None, new: State) -> State | None:
            if new.name == state:
                raise KeyboardInterrupt
            return None

        with pytest.raises(KeyboardInterrupt):
            bench.run(lambda: 7, state_handlers=(press,))
        assert bench.names[-1] == "Cancelled"


class TestFaults:
    """What a handler cannot do."""

    def test_a_handler_that_raises_crashes_the_run(self) -> None:
        """After another attempt, because a worker may have died."""

        class Broken(PlainHandler):
            def call(self, effect: Call) -> Outcome:
                raise OSError("pipe")

        bench = Bench()
        state = bench.run(lambda: 7, Broken())
        assert bench.names == ["Pending", "Running", "Retrying", "Crashed"]
        assert "OSError: pipe" in state.message

    def test_a_store_that_raises_costs_only_the_cache(self) -> None:
        """The user gets the result."""

        class Full(PlainHandler):
            def load(self, effect: Load) -> Hit | None:
                raise OSError("no disk")

            def save(self, effect: Any) -> Saved | None:
                raise OSError("no space")

        state = Bench().run(lambda: 7, Full(), key="k")
        assert state.value() == 7
        assert state.details["not_stored"] == "no space"
        assert state.message == "not reused: no disk; not stored: no space"

    def test_the_plain_handler_refuses_mapped_runs(self) -> None:
        """Rather than to run the body once for all."""
        bench = Bench()
        assert "runs single tasks only" in bench.run(lambda: 7, mapped=True).message
        assert bench.names == ["Pending", "Running", "Crashed"]


class TestPlainHandler:
    """A handler for bodies in this thread."""

    def test_it_waits_if_it_can(self) -> None:
        """Else the run parks and is resumed from its state."""
        slept: list[float] = []
        options: dict[str, Any] = {"retries": Retries(1, (60.0,))}
        script = iter([ValueError("x"), None, ValueError("x"), None])

        def body() -> int:
            error = next(script)
            if error is not None:
                raise error
            return 7

        waited = Bench()
        assert waited.run(body, PlainHandler(sleep=slept.append), **options).value() == 7
        assert slept == [1063.0]
        parked = Bench()
        state = parked.run(body, **options)
        assert state == AwaitingRetry("ValueError: x (retry 1 of 1)", delay=60.0, start_time=1063.0)
        assert parked.run(body, resumed=state, attempt=2, **options).value() == 7
        assert parked.names == ["Pending", "Running", "AwaitingRetry", "Pending", "Retrying", "Completed"]

    def test_it_passes_upstream_results(self) -> None:
        """By the argument of the edge."""
        edge = Edge("a", "x")
        handler = PlainHandler({edge: Completed(result=3)})
        assert Bench().run(lambda x: x + 1, handler, upstream=(edge,)).value() == 4

    def test_an_upstream_that_it_does_not_know_crashes_the_run(self) -> None:
        """It never runs as if it were a root."""
        assert Bench().run(lambda: 7, upstream=(Edge("a"),)).is_crashed()


class TestStateHandlers:
    """Prefect 1's, the one exception to the rule that observers change nothing."""

    @staticmethod
    def replacing(name: str, by: State) -> Any:
        """A handler that puts `by` in the place of states of that name."""
        return lambda old, new: by if new.name == name else None

    def test_a_failure_may_become_a_success(self) -> None:
        """The replacement is what the history has."""
        bench = Bench()
        by = self.replacing("Failed", Completed("rescued", 77))
        assert bench.run(raising(ValueError("x")), state_handlers=(by,)).value() == 77
        assert bench.names == PLAIN

    def test_a_failure_may_be_retried(self) -> None:
        """Really: the body runs again."""
        bench = Bench()
        script = iter([ValueError("x"), None])

        def body() -> int:
            error = next(script)
            if error is not None:
                raise error
            return 7

        by = self.replacing("Failed", AwaitingRetry(start_time=2000))
        state = bench.run(body, PlainHandler(sleep=lambda until: None), state_handlers=(by,))
        assert state.value() == 7
        assert bench.names == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
        assert [entry.attempt for entry in bench.history] == [1, 1, 1, 2, 2]

    def test_but_not_for_ever(self) -> None:
        """A handler that never gives in meets the limit."""
        bench = Bench()
        by = self.replacing("Failed", AwaitingRetry())
        logging.getLogger("nbflow").setLevel(logging.CRITICAL)
        state = bench.run(raising(ValueError("x")), state_handlers=(by,))
        logging.getLogger("nbflow").setLevel(logging.NOTSET)
        assert (state.name, bench.names.count("Retrying")) == ("Failed", 101)

    def test_a_run_may_be_paused_or_ended_early(self) -> None:
        """Before its body runs."""
        paused, ended = Bench(), Bench()
        assert paused.run(lambda: 7, state_handlers=(self.replacing("Running", Paused()),)).is_paused()
        assert (
            ended.run(lambda: 7, state_handlers=(self.replacing("Running", Completed(result=1)),)).value()
            == 1
        )
        assert (paused.names, ended.names) == (["Pending", "Paused"], ["Pending", "Completed"])

    def test_the_first_state_is_no_change(self) -> None:
        """There is always an old state to look at."""
        seen: list[tuple[bool, str]] = []
        Bench().run(lambda: 7, state_handlers=(lambda old, new: seen.append((old.is_pending(), new.name)),))
        assert seen == [(True, "Running"), (False, "Completed")]

    def test_each_sees_what_the_one_before_left(self) -> None:
        """In their order."""
        seen: list[str] = []
        handlers = (
            self.replacing("Completed", Completed("first")),
            lambda old, new: seen.append(new.message),
            self.replacing("Completed", Completed("last")),
        )
        assert Bench().run(lambda: 7, state_handlers=handlers).message == "last"
        assert seen[-1] == "first"

    @pytest.mark.parametrize(
        ("handler", "text"),
        [
            (raising(ValueError("h")), "state handler subscriber raised ValueError: h"),
            (lambda old, new: 3, "returned 3; it must return a State or None"),
        ],
    )
    def test_a_broken_handler_fails_the_run(
        self, handler: Any, text: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Where it can fail, and with the reason."""
        bench = Bench()
        state = bench.run(lambda: 7, state_handlers=(handler,))
        assert (state.name, bench.names) == ("Failed", ["Pending", "Failed"])
        assert text in state.message

    def test_a_signal_from_it_is_obeyed(self) -> None:
        """As its state."""
        handler = lambda old, new: raising(SKIP("s"))() if new.is_running() else None  # noqa: E731
        assert Bench().run(lambda: 7, state_handlers=(handler,)).is_skipped()

    @pytest.mark.parametrize(
        ("name", "by"),
        [
            ("Completed", Running()), ("Completed", Pending()), ("Running", Pending()),
            ("TriggerFailed", AwaitingRetry()),
        ],
    )  # fmt: skip
    def test_an_impossible_replacement_is_logged(
        self, name: str, by: State, caplog: pytest.LogCaptureFixture
    ) -> None:
        """And the state stays."""
        bench, trigger = Bench(), (lambda states: name != "TriggerFailed")
        with caplog.at_level(logging.ERROR, "nbflow"):
            bench.run(lambda: 7, state_handlers=(self.replacing(name, by),), trigger=trigger)
        assert bench.names == (["Pending", "TriggerFailed"] if name == "TriggerFailed" else PLAIN)
        assert f"may not put {by.name} in the place of {name}" in caplog.text

    @pytest.mark.parametrize("by", [Completed(), Failed(), Paused()])
    def test_a_stop_cannot_be_undone(self, by: State, caplog: pytest.LogCaptureFixture) -> None:
        """The person who pressed it decides."""
        handlers = (self.replacing("Cancelling", by), self.replacing("Cancelled", by))
        assert Bench().run(raising(CancelRun("x")), state_handlers=handlers).is_cancelled()

    some = st.sampled_from(["Pending", "Running", "Completed", "Failed", "Retrying"])
    any_state = st.sampled_from(
        [AwaitingRetry(), Completed(), Failed(), Paused(), Pending(), Running(), Cancelled()]
    )

    @settings(max_examples=200)
    @given(st.lists(st.tuples(some, any_state), max_size=3), st.booleans())
    def test_histories_stay_legal(self, replacements: list[tuple[str, State]], fails: bool) -> None:
        """Whatever handlers ask for."""
        logging.getLogger("nbflow").setLevel(logging.CRITICAL)
        bench = Bench()
        handlers = tuple(self.replacing(name, by) for name, by in replacements)
        body = raising(ValueError("x")) if fails else lambda: 7
        state = bench.run(body, state_handlers=handlers, retries=Retries(1))
        logging.getLogger("nbflow").setLevel(logging.NOTSET)
        old: State | None = None
        for entry in bench.history:
            new = state_of(entry)
            check(old, new)
            old = new
        assert old is not None
        assert old.name == state.name
        assert state.is_final() or state.is_paused()
