"""The decision generator: the order of its rules, and each rule."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.engine.effects import (
    Call,
    Ended,
    Enter,
    Hit,
    Keep,
    Left,
    Load,
    Outcome,
    RunSpec,
    Save,
    Saved,
    Sleep,
)
from nbflow.engine.run import run_task
from nbflow.engine.signals import (
    ENDRUN,
    FAIL,
    LOOP,
    PAUSE,
    RETRY,
    SKIP,
    SUCCESS,
    TRIGGERFAIL,
    VALIDATIONFAIL,
)
from nbflow.exceptions import StoreError, TaskTimeoutError
from nbflow.retries import RETRY_LIMIT, Retries
from nbflow.states import (
    AwaitingRetry,
    Cached,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Scheduled,
    Skipped,
    State,
)
from nbflow.triggers import Edge, all_finished, any_failed, manual_only
from tests.walking import Broken, Walk

ERROR = ValueError("bad")
CRASH = Outcome("", Ended.CRASHED, "exit code 9")
LIMIT = Outcome("", Ended.TIMED_OUT, enforced="hard")
STALE = Outcome("r#1/0.0", Ended.RETURNED, "late")
STOPPED = Outcome("", Ended.CANCELLED, "stop pressed")


def spec(**settings: Any) -> RunSpec:
    """A run of the task `r`."""
    return RunSpec("r#1", "r", **settings)


def below(*states: State, **settings: Any) -> tuple[RunSpec, dict[Edge, State]]:
    """A run of `r` below tasks `a`, `b`, … that ended so; each feeds the argument of its name."""
    edges = {Edge(name, name): state for name, state in zip("abcdef", states, strict=False)}
    return spec(upstream=tuple(edges), **settings), edges


class TestOrder:
    """Upstream, trigger, inputs, key, lookup, Running, call, save, terminal."""

    def test_everything_once(self) -> None:
        """The whole sequence of effects of a plain run."""
        task, states = below(Completed(result=2), key="k")
        walk = Walk(task, [7], states)
        seen = [e.state.name if isinstance(e, Enter) else type(e).__name__ for e in walk.effects]
        assert seen == ["Pending", "Await", "Load", "Running", "Call", "Save", "Completed"]
        assert walk.last == Completed(result=7)

    def test_the_smallest_run(self) -> None:
        """Without upstream and key nothing is awaited, looked up or saved."""
        walk = Walk(spec(reason="LATE changed"), [7])
        assert (walk.names, walk.kinds) == (["Pending", "Running", "Completed"], ["Call"])
        assert walk.states[0].message == "LATE changed"

    def test_a_hit_never_masks_a_failed_upstream(self) -> None:
        """The trigger comes first."""
        task, states = below(Failed(), key="k")
        walk = Walk(task, upstream=states, hit=Hit(7))
        assert (walk.names, walk.kinds) == (["Pending", "TriggerFailed"], ["Await"])

    def test_it_can_be_stepped_by_hand(self) -> None:
        """Answers to Enter may be left out."""
        steps = run_task(spec(timeout=5.0))
        assert next(steps).state == Pending()  # pyright: ignore
        assert steps.send(None).state == Running()  # pyright: ignore
        call = steps.send(None)
        assert isinstance(call, Call)
        assert (call.timeout, call.deadline) == (5.0, None)


class TestUpstream:
    """The trigger is asked when all upstream runs are final, and never before."""

    @pytest.mark.parametrize("waiting", [Paused(), Running(), AwaitingRetry(), Pending()])
    def test_below_a_run_that_waits_it_waits_without_a_stack(self, waiting: State) -> None:
        """It stays Pending and parks."""
        task, states = below(Completed(), waiting)
        walk = Walk(task, upstream=states)
        assert (walk.names, walk.kinds, walk.last.name) == (["Pending"], ["Await", "Park"], "Pending")

    def test_what_a_task_receives(self) -> None:
        """A value, None for a skipped one, the exception of a failed one."""
        task, states = below(
            Completed(result=1),
            Skipped(result=2),
            Failed(result=ERROR),
            trigger=all_finished,
            inputs={"const": 5, "a": 0},
        )
        call = Walk(task, upstream=states).of(Call)[0]
        assert call.inputs == {"a": 1, "b": None, "c": ERROR, "const": 5}

    def test_a_failure_without_exception_passes_one(self) -> None:
        """A task below must be able to tell it from a value."""
        task, states = below(Crashed("killed"), trigger=any_failed)
        passed = Walk(task, upstream=states).of(Call)[0].inputs["a"]
        assert isinstance(passed, Exception)
        assert "killed" in str(passed)

    def test_order_without_data_passes_nothing(self) -> None:
        """Only an edge with a key feeds an argument."""
        edge = Edge("a")
        assert Walk(spec(upstream=(edge,)), upstream={edge: Completed(result=1)}).of(Call)[0].inputs == {}

    def test_a_driver_that_cannot_wait_crashes_the_run(self) -> None:
        """Legally, and with the reason."""
        task, _ = below(Completed())
        walk = Walk(task, upstream=OSError("gone"))  # pyright: ignore[reportArgumentType]
        assert walk.names == ["Pending", "Crashed"]
        assert walk.last.message == "OSError: gone"


class TestTrigger:
    """The one gatekeeper."""

    def test_skip(self) -> None:
        """Below a skipped task, without failure, the run is skipped."""
        task, states = below(Skipped(), Completed())
        assert Walk(task, upstream=states).names == ["Pending", "Skipped"]

    def test_failure_beats_skip(self) -> None:
        """And the message names who failed."""
        task, states = below(Skipped(), Failed())
        walk = Walk(task, upstream=states)
        assert walk.names == ["Pending", "TriggerFailed"]
        assert "'b' is Failed" in walk.last.message

    def test_the_exception_of_a_trigger_is_the_result(self) -> None:
        """So that it can be looked at."""
        walk = Walk(spec(trigger=lambda states: 1 / 0))
        assert walk.names == ["Pending", "TriggerFailed"]
        assert isinstance(walk.last.result, ZeroDivisionError)

    def test_manual_only_pauses_and_keeps_its_inputs(self) -> None:
        """The upstream need not run again when somebody resumes it."""
        task, states = below(Completed(result=1, version="v1"), trigger=manual_only)
        walk = Walk(task, upstream=states)
        assert (walk.names, walk.kinds) == (["Pending", "Paused"], ["Await", "Park"])
        assert walk.last.cached_inputs == {"a": "v1"}

    def test_started_by_name_nothing_is_asked(self) -> None:
        """No upstream check, no trigger, the supplied inputs."""
        task, _ = below(Failed(), trigger=manual_only, started_by_name=True, inputs={"a": 1})
        walk = Walk(task)
        assert (walk.names[-1], walk.kinds, walk.of(Call)[0].inputs) == ("Completed", ["Call"], {"a": 1})

    @pytest.mark.parametrize(
        ("signal", "names"),
        [
            (FAIL("m"), ["Pending", "Failed"]),
            (SUCCESS("m", result=7), ["Pending", "Completed"]),
            (SKIP("m"), ["Pending", "Skipped"]),
            (PAUSE("m"), ["Pending", "Paused"]),
            (ENDRUN(Crashed("m")), ["Pending", "Crashed"]),
            (LOOP("m"), ["Pending", "TriggerFailed"]),
            (ENDRUN(Running()), ["Pending", "TriggerFailed"]),
        ],
    )
    def test_signals(self, signal: BaseException, names: list[str]) -> None:
        """A signal is obeyed where a task that has not run can be in that state."""

        def trigger(_: object) -> bool:
            raise signal

        assert Walk(spec(trigger=trigger)).names == names

    def test_a_retry_asks_again_and_is_bounded(self) -> None:
        """A trigger may wait for something, but not for ever."""
        asked: list[int] = []

        def trigger(_: object) -> bool:
            asked.append(1)
            raise RETRY(start_time=2000)

        walk = Walk(spec(trigger=trigger))
        assert walk.names[:4] == ["Pending", "AwaitingRetry", "Pending", "AwaitingRetry"]
        assert walk.last.name == "TriggerFailed"
        assert len(asked) == RETRY_LIMIT + 1


class TestLookup:
    """Reusing a result."""

    def test_a_hit_ends_the_run_without_executing(self) -> None:
        """Message and details come from whoever found it."""
        walk = Walk(spec(key="k"), hit=Hit(7, "from run 12", {"version": "v"}))
        assert walk.last == Cached("from run 12", 7, version="v")
        assert walk.kinds == ["Load"]

    def test_refresh_skips_the_lookup_and_saves(self) -> None:
        """`refresh_cache` always runs."""
        assert Walk(spec(key="k", look_up=False), hit=Hit(7)).kinds == ["Call", "Save"]

    def test_the_key_may_follow_from_the_inputs(self) -> None:
        """Once they are known."""
        task, states = below(Completed(result=3), key=lambda inputs: f"k{inputs['a']}")
        assert Walk(task, upstream=states).of(Load)[0].key == "k3"

    @pytest.mark.parametrize("fault", [StoreError("the store is full"), OSError("no disk")])
    def test_a_fault_of_the_store_is_a_miss(self, fault: Exception) -> None:
        """The run goes on, and says so."""
        walk = Walk(spec(key="k"), [7], hit=fault)
        assert walk.last.value() == 7
        assert f"not reused: {fault}" in walk.last.message

    def test_a_key_function_may_fail_the_run(self) -> None:
        """By a signal, before the body runs."""

        def key(inputs: Any) -> str:
            raise FAIL("no text")

        walk = Walk(spec(key=key), [7])
        assert (walk.last.name, walk.last.message, walk.kinds) == ("Failed", "no text", [])

    def test_a_key_that_cannot_be_made_costs_only_the_cache(self) -> None:
        """The task runs uncached."""
        walk = Walk(spec(key=lambda inputs: inputs["nobody"]), [7])
        assert (walk.last.value(), walk.kinds) == (7, ["Call"])
        assert "not reused" in walk.last.message


class TestSave:
    """A result is saved before the run completes."""

    def test_the_version_is_noted(self) -> None:
        """Tasks below can name it."""
        walk = Walk(spec(key="k"), [7], saved=Saved("v1"))
        assert (walk.of(Save)[0].key, walk.of(Save)[0].value) == ("k", 7)
        assert walk.last == Completed(result=7, version="v1")

    @pytest.mark.parametrize("saved", [Saved(problem="a lock"), StoreError("a lock")])
    def test_what_is_not_stored_still_reaches_the_user(self, saved: object) -> None:
        """With the reason."""
        expected = Completed("not stored: a lock", 7, not_stored="a lock")
        assert Walk(spec(key="k"), [7], saved=saved).last == expected

    @pytest.mark.parametrize("end", [ERROR, SKIP(), PAUSE(), CRASH, STOPPED, ENDRUN(Completed(result=1))])
    def test_only_results_are_saved(self, end: object) -> None:
        """Failures, skips and states imposed by hand never."""
        assert "Save" not in Walk(spec(key="k", retries=Retries(crashes=0)), [end]).kinds


class TestKept:
    """What another run goes on from is kept where the driver keeps it."""

    @pytest.mark.parametrize(
        ("end", "keeps"),
        [
            (ERROR, True),
            (FAIL(), True),
            (VALIDATIONFAIL(), True),
            (PAUSE(), True),
            (LIMIT, True),
            (CRASH, True),
            (ENDRUN(Failed()), True),
            (7, False),
            (SUCCESS(), False),
            (SKIP(), False),
            (STOPPED, False),
        ],
    )
    def test_the_inputs_of_a_run_that_may_be_taken_up(self, end: object, keeps: bool) -> None:
        """Of no other."""
        task = spec(keeps=True, inputs={"a": 1}, retries=Retries(crashes=0))
        walk = Walk(task, [end], kept={"a": "v1"})
        assert [effect.inputs for effect in walk.of(Keep)] == ([{"a": 1}] if keeps else [])
        assert walk.last.cached_inputs == ({"a": "v1"} if keeps else {})

    def test_they_are_kept_once(self) -> None:
        """Before the body could change them again; each state bears them."""
        walk = Walk(spec(keeps=True, retries=Retries(2, (60.0,))), [ERROR, ERROR, ERROR], kept={"a": "v"})
        assert len(walk.of(Keep)) == 1
        assert [
            state.cached_inputs for state in walk.states if state.name in ("AwaitingRetry", "Failed")
        ] == [{"a": "v"}] * 3

    def test_a_task_that_waits_for_a_person_keeps_what_it_was_given(self) -> None:
        """Bound from upstream, before it ever ran."""
        task, states = below(Completed(result=3), keeps=True, trigger=manual_only)
        walk = Walk(task, upstream=states, kept={"a": "v"})
        assert (walk.last.name, walk.of(Keep)[0].inputs) == ("Paused", {"a": 3})

    def test_without_inputs_nothing_is_kept(self) -> None:
        """A run that ended before they were bound has none."""
        task, states = below(Failed(), keeps=True, bind=lambda passed: {"a": 1})
        assert Walk(task, upstream=states).of(Keep) == []

    def test_a_fault_of_the_store(self) -> None:
        """Costs only what would have been kept."""
        walk = Walk(spec(keeps=True), [ERROR], kept=OSError("no disk"))
        assert (walk.last.name, walk.last.result) == ("Failed", ERROR)
        assert walk.last.message == "ValueError: bad; inputs not kept: no disk"

    def test_where_an_interrupted_run_has_left_its_loop(self) -> None:
        """There another one goes on, with attempts of its own."""
        walk = Walk(spec(keeps=True), [LOOP(result=8), 9], left=Left(5, 7))
        assert [(call.loop, call.loop_result, call.run_count) for call in walk.of(Call)] == [
            (5, 7, 1),
            (6, 8, 1),
        ]
        assert walk.names == ["Pending", "Looping", "Looping", "Completed"]

    @pytest.mark.parametrize("left", [None, OSError("no disk")])
    def test_else_it_begins_with_the_first(self, left: object) -> None:
        """Also where nobody can say."""
        assert [call.loop for call in Walk(spec(keeps=True), [7], left=left).of(Call)] == [1]

    def test_iterations_are_saved_without_a_key(self) -> None:
        """What the next one starts from, under its number; what is returned is not."""
        walk = Walk(spec(keeps=True), [LOOP(result=1), LOOP(result=2), 3])
        assert [(save.key, save.loop, save.value) for save in walk.of(Save)] == [("", 2, 1), ("", 3, 2)]


class TestRetries:
    """Further attempts."""

    def test_at_once(self) -> None:
        """Without delay there is nothing to await."""
        walk = Walk(spec(retries=Retries(2)), [ERROR, ERROR, 7])
        assert walk.names == ["Pending", "Running", "Retrying", "Retrying", "Completed"]
        assert [call.run_count for call in walk.of(Call)] == [1, 2, 3]
        assert walk.states[2].message == "ValueError: bad (retry 1 of 2)"

    def test_after_a_delay(self) -> None:
        """The start follows from the time of the failure."""
        walk = Walk(spec(retries=Retries(1, (60.0,))), [ERROR, 7])
        assert walk.names == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
        waiting = walk.states[2]
        assert walk.of(Sleep)[0].until == waiting.start_time == (waiting.timestamp or 0) + 60

    def test_where_the_driver_does_not_wait_the_run_parks(self) -> None:
        """And another generator goes on from the history, as a root, with the next attempt."""
        first = Walk(spec(retries=Retries(1, (60.0,)), versions={"a": "v1"}), [ERROR], sleeps=False)
        assert (first.last.name, first.kinds[-1], first.last.cached_inputs) == (
            "AwaitingRetry",
            "Park",
            {"a": "v1"},
        )
        task, _ = below(Failed(), resumed=first.last, attempt=2)
        assert Walk(task, [7]).names == ["Pending", "Retrying", "Completed"]

    def test_not_once_more(self) -> None:
        """The last failure is the run's, with its exception and its inputs."""
        walk = Walk(spec(retries=Retries(1), versions={"a": "v"}), [KeyError("x"), ERROR, 7])
        assert walk.names[-1] == "Failed"
        assert walk.last.result is ERROR
        assert walk.last.message == "ValueError: bad; 1 retry was not enough"
        assert walk.last.cached_inputs == {"a": "v"}

    @pytest.mark.parametrize("end", [FAIL("m"), TRIGGERFAIL("m"), VALIDATIONFAIL("m"), LIMIT])
    def test_failures_of_every_kind_are_retried(self, end: object) -> None:
        """As an exception would be."""
        assert Walk(spec(retries=Retries(1)), [end, 7]).last.value() == 7

    @pytest.mark.parametrize("end", [ENDRUN(Failed("m")), SystemExit(1), SKIP(), KeyboardInterrupt()])
    def test_decisions_are_not(self, end: object) -> None:
        """Who says how the run ends has said it."""
        assert len(Walk(spec(retries=Retries(3)), [end]).of(Call)) == 1

    def test_retry_on_sees_what_was_raised(self) -> None:
        """Also a signal, and the limit as a TimeoutError."""
        for kind, end in ((FAIL, FAIL("m")), (TimeoutError, LIMIT), (ValueError, ERROR)):
            assert Walk(spec(retries=Retries(1, retry_on=(kind,))), [end, 7]).last.value() == 7
        assert Walk(spec(retries=Retries(1, retry_on=(OSError,))), [FAIL("m"), 7]).last.name == "Failed"

    def test_a_signal_without_result_has_none(self) -> None:
        """The signal itself is no value."""
        assert Walk(spec(), [FAIL("m")]).last == Failed("m")
        assert Walk(spec(), [FAIL("m", result=7)]).last == Failed("m", 7)


class TestRetrySignal:
    """RETRY retries whatever `retries` says."""

    def test_at_once_and_at_a_time(self) -> None:
        """With and without `start_time`."""
        walk = Walk(spec(), [RETRY("m"), RETRY(start_time=5000), 7])
        assert walk.names == ["Pending", "Running", "Retrying", "AwaitingRetry", "Retrying", "Completed"]
        assert [sleep.until for sleep in walk.of(Sleep)] == [5000.0]

    def test_it_does_not_use_up_the_retries(self) -> None:
        """The two are counted apart."""
        assert Walk(spec(retries=Retries(1)), [RETRY(), ERROR, 7]).last.value() == 7

    @pytest.mark.parametrize("start", [None, 5000])
    def test_it_is_bounded(self, start: float | None) -> None:
        """By the documented limit."""
        walk = Walk(spec(), [RETRY(start_time=start) for _ in range(300)])
        assert len(walk.of(Call)) == RETRY_LIMIT + 1
        assert walk.last.name == "Failed"
        assert "may ask 100 times" in walk.last.message


class TestLoop:
    """LOOP runs the body again with what it left."""

    def test_count_and_result(self) -> None:
        """Each iteration sees the one before."""
        walk = Walk(spec(), [LOOP(result=10), LOOP(result=20), 30])
        assert walk.names == ["Pending", "Running", "Looping", "Looping", "Completed"]
        assert [(c.loop, c.loop_result) for c in walk.of(Call)] == [(1, None), (2, 10), (3, 20)]

    def test_each_iteration_has_its_own_retries(self) -> None:
        """A retry goes on at its iteration."""
        walk = Walk(spec(retries=Retries(1)), [ERROR, LOOP(result=10), ERROR, 7])
        assert [(c.loop, c.run_count, c.loop_result) for c in walk.of(Call)] == [
            (1, 1, None), (1, 2, None), (2, 1, 10), (2, 2, 10),
        ]  # fmt: skip
        assert walk.names == ["Pending", "Running", "Retrying", "Looping", "Retrying", "Completed"]

    def test_results_are_saved_before_the_iteration_begins(self) -> None:
        """With the number of the iteration that starts from them."""
        walk = Walk(spec(key="k"), [LOOP(result=10), LOOP(result=20), 30])
        assert [(save.loop, save.value) for save in walk.of(Save)] == [(2, 10), (3, 20), (0, 30)]

    def test_a_later_kernel_goes_on_at_the_last_iteration(self) -> None:
        """Told by the specification."""
        walk = Walk(spec(loop=3, loop_result=20), [30])
        assert walk.names == ["Pending", "Looping", "Completed"]
        assert (walk.of(Call)[0].loop, walk.of(Call)[0].loop_result) == (3, 20)

    def test_ten_thousand_iterations(self) -> None:
        """Nothing recurses."""
        walk = Walk(spec(), [LOOP(result=n) for n in range(10_000)])
        assert walk.of(Call)[-1].loop == 10_001
        assert walk.last.name == "Completed"

    def test_skip_after_loop(self) -> None:
        """The last iteration decides."""
        assert Walk(spec(), [LOOP(), SKIP("m")]).last == Skipped("m")


class TestEnds:
    """How a run ends for what the body did."""

    @pytest.mark.parametrize(
        ("end", "state"),
        [
            (ERROR, Failed("ValueError: bad", ERROR)),
            (KeyError(), Failed("KeyError")),
            (TimeoutError("own"), Failed("TimeoutError: own")),
            (SystemExit(1), Failed("SystemExit: 1")),
            (SUCCESS("m", result=7), Completed("m", 7)),
            (SUCCESS(), Completed()),
            (SKIP("m"), Skipped("m")),
            (PAUSE("m"), Paused("m")),
            (ENDRUN(Cancelled("m")), Cancelled("m")),
            (ENDRUN(Completed("m", 7, name="Fine")), Completed("m", 7, name="Fine")),
        ],
    )
    def test_state(self, end: BaseException, state: State) -> None:
        """Name, message and result."""
        last = Walk(spec(), [end]).last
        assert (last.name, last.type, last.message) == (state.name, state.type, state.message)
        assert isinstance(end, Exception | SystemExit) or last.result == state.result

    @pytest.mark.parametrize("state", [Running(), Pending(), Cached(), Scheduled()])
    def test_endrun_with_an_impossible_state_fails(self, state: State) -> None:
        """With what would be possible."""
        last = Walk(spec(), [ENDRUN(state)]).last
        assert last.name == "Failed"
        assert f"ENDRUN({state.name}) cannot follow Running" in last.message

    def test_our_limit(self) -> None:
        """TimedOut says how firmly, and its exception is a TimeoutError."""
        last = Walk(spec(timeout=2.0), [LIMIT]).last
        assert (last.name, last.details["enforced"]) == ("TimedOut", "hard")
        assert isinstance(last.result, TaskTimeoutError)
        assert "'r' reached its limit of 2 s" in last.message

    def test_the_deadline_follows_from_the_start(self) -> None:
        """Of this attempt."""
        walk = Walk(spec(timeout=2.0))
        assert walk.of(Call)[0].deadline == (walk.states[1].timestamp or 0) + 2

    def test_interrupts_cancel(self) -> None:
        """However they are reported, they are no failures."""
        for end in (KeyboardInterrupt(), STOPPED):
            assert Walk(spec(), [end]).names == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_a_pause_keeps_its_inputs_and_parks(self) -> None:
        """Then a new run goes on from there, through Resuming."""
        first = Walk(spec(), [Outcome("", Ended.RAISED, PAUSE("m"), versions={"a": "v"})])
        assert (first.last.cached_inputs, first.kinds) == ({"a": "v"}, ["Call", "Park"])
        again = Walk(spec(resumed=first.last, trigger=manual_only), [7])
        assert again.names == ["Resuming", "Pending", "Running", "Completed"]


class TestCrash:
    """Workers that die."""

    def test_another_worker_tries_once(self) -> None:
        """Crashes have a budget of their own."""
        walk = Walk(spec(), [CRASH, 7])
        assert walk.names == ["Pending", "Running", "Retrying", "Completed"]

    def test_then_the_run_is_crashed(self) -> None:
        """Not failed: the code may be all right."""
        last = Walk(spec(), [CRASH, CRASH]).last
        assert (last.name, last.message) == ("Crashed", "exit code 9; 2 workers died")

    def test_a_runner_that_raises_is_a_crash(self) -> None:
        """And bounded as any other."""
        walk = Walk(spec(), [Broken(OSError("pipe"))] * 3)
        assert walk.names == ["Pending", "Running", "Retrying", "Crashed"]
        assert "the runner raised OSError: pipe" in walk.last.message

    def test_a_driver_that_cannot_sleep_is_one(self) -> None:
        """A scheduled run may not crash; it becomes pending first."""
        walk = Walk(spec(retries=Retries(1, (60.0,))), [ERROR], sleeps=OSError("clock"))  # pyright: ignore
        assert walk.names == ["Pending", "Running", "AwaitingRetry", "Pending", "Crashed"]


class TestFence:
    """Answers to older attempts are dropped."""

    def test_a_late_answer_changes_nothing(self) -> None:
        """The call goes on, and is not started again."""
        walk = Walk(spec(retries=Retries(1)), [LIMIT, STALE, STALE, 7])
        assert walk.last.value() == 7
        calls = walk.of(Call)
        assert [call.attempt for call in calls] == ["r#1/1.1", "r#1/1.2", "r#1/1.2", "r#1/1.2"]
        assert calls[1] is calls[2] is calls[3]

    def test_a_runner_that_never_answers_for_this_attempt_ends(self) -> None:
        """Nothing is awaited for ever."""
        walk = Walk(spec(retries=Retries(crashes=0)), [STALE] * 5000)
        assert walk.last.name == "Crashed"


class TestMapping:
    """A mapped run spawns its items and ends with the worst of them."""

    def run(self, *items: State) -> Walk:
        """A mapped run whose items ended so."""
        return Walk(spec(mapped=True, inputs={"xs": [1, 2, 3]}), items=items)

    def test_all_completed(self) -> None:
        """Results by position."""
        walk = self.run(Completed(result=1), Skipped(), Cached(result=3))
        assert walk.names == ["Pending", "Running", "Mapped"]
        assert walk.last.value() == [1, None, 3]
        assert walk.last.map_states == (Completed(result=1), Skipped(), Cached(result=3))

    def test_a_failed_item_is_never_hidden(self) -> None:
        """Failed beats crashed beats cancelled beats paused; the exception stands in its place."""
        last = self.run(Completed(result=1), Cancelled(), Failed(result=ERROR), Crashed()).last
        assert (last.name, last.message) == ("Failed", "1 of 4 items are Failed: [2]")
        assert last.result[:3:2] == [1, ERROR]

    @pytest.mark.parametrize(
        ("items", "name"),
        [
            ((Completed(), Crashed(), Cancelled()), "Crashed"),
            ((Completed(), Cancelled(), Paused()), "Cancelled"),
            ((Completed(), Paused()), "Paused"),
            ((AwaitingRetry(),), "Paused"),
            ((), "Mapped"),
        ],
    )
    def test_the_worst_decides(self, items: tuple[State, ...], name: str) -> None:
        """An item that waits pauses its parent, which parks."""
        walk = self.run(*items)
        assert walk.last.name == name
        assert ("Park" in walk.kinds) == (name == "Paused")


class TestSchedule:
    """A run that begins later."""

    def test_it_waits_for_its_time(self) -> None:
        """Then it is pending."""
        walk = Walk(spec(start_time=5000.0), [7])
        assert walk.names == ["Scheduled", "Pending", "Running", "Completed"]
        assert walk.of(Sleep)[0].until == 5000.0

    def test_or_parks(self) -> None:
        """Its time is in the history."""
        walk = Walk(spec(start_time=5000.0), sleeps=False)
        assert (walk.names, walk.last.start_time) == (["Scheduled"], 5000.0)
        assert Walk(spec(resumed=walk.last), [7]).names == ["Pending", "Running", "Completed"]
