"""The laws of the decision generator, over runs of every kind."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.engine.effects import Call, Ended, Enter, Hit, Outcome, Park, RunSpec, Saved
from nbflow.engine.signals import ENDRUN, FAIL, LOOP, PAUSE, RETRY, SKIP, SUCCESS
from nbflow.retries import Retries
from nbflow.states import (
    AwaitingRetry,
    Cancelled,
    Completed,
    Crashed,
    Failed,
    Paused,
    Running,
    Scheduled,
    Skipped,
)
from nbflow.triggers import BUILT_IN, Edge
from tests.walking import Walk

ERROR = ValueError("bad")
CRASH = Outcome("", Ended.CRASHED, "exit code 9")
LIMIT = Outcome("", Ended.TIMED_OUT, enforced="hard")
STALE = Outcome("r#1/0.0", Ended.RETURNED, "late")
STOPPED = Outcome("", Ended.CANCELLED, "stop pressed")

outcomes = st.sampled_from(
    [
        7, ERROR, CRASH, LIMIT, STALE, STOPPED, KeyboardInterrupt(), SystemExit(),
        FAIL(), SKIP(), PAUSE(), SUCCESS(result=1), RETRY(), RETRY(start_time=9e9), LOOP(result=2),
        ENDRUN(Failed()), ENDRUN(AwaitingRetry(start_time=9e9)), ENDRUN(Running()), ENDRUN(Cancelled()),
    ]
)  # fmt: skip
upstream_states = st.sampled_from(
    [Completed(result=1), Failed(), Skipped(), Crashed(), Cancelled(), Paused()]
)


@st.composite
def walks(draw: st.DrawFn) -> dict[str, Any]:
    """Settings and scripted answers for a run of any kind."""
    edges = {
        Edge(str(i), str(i)): state for i, state in enumerate(draw(st.lists(upstream_states, max_size=3)))
    }
    task = RunSpec(
        "r#1",
        "r",
        upstream=tuple(edges),
        trigger=draw(st.sampled_from(list(BUILT_IN.values()))),
        skip_on_upstream_skip=draw(st.booleans()),
        started_by_name=draw(st.booleans()),
        retries=Retries(
            draw(st.integers(0, 3)), draw(st.sampled_from([(), (5.0,)])), crashes=draw(st.integers(0, 2))
        ),
        timeout=draw(st.none() | st.just(2.0)),
        key=draw(st.none() | st.just("k")),
        mapped=draw(st.integers(0, 9)) == 0,
        start_time=draw(st.none() | st.just(5000.0)),
        resumed=draw(st.none() | st.sampled_from([Paused(), AwaitingRetry(), Scheduled(start_time=1)])),
        loop=draw(st.integers(1, 3)),
        attempt=draw(st.integers(1, 3)),
    )
    return {
        "spec": task,
        "calls": draw(st.lists(outcomes, max_size=8)),
        "upstream": edges,
        "hit": draw(st.sampled_from([None, None, Hit(1), OSError("x")])),
        "saved": draw(st.sampled_from([None, Saved("v"), Saved(problem="p"), OSError("x")])),
        "sleeps": draw(st.booleans()),
        "items": draw(st.lists(upstream_states, max_size=3)),
    }


class TestLaws:
    """What holds for every run; `Walk` itself refuses an illegal transition."""

    @settings(max_examples=500)
    @given(walks())
    def test_every_run_ends_final_or_parked(self, plan: dict[str, Any]) -> None:
        """The state returned is the last one of the history."""
        walk = Walk(**plan)
        assert walk.last == walk.states[-1]
        assert walk.last.is_final() != isinstance(walk.effects[-1], Park)
        assert walk.last.is_final() or not (walk.last.is_running() or walk.last.is_cancelling())

    @settings(max_examples=300)
    @given(walks())
    def test_retries_are_bounded(self, plan: dict[str, Any]) -> None:
        """In each iteration, failures and crashes have their budgets."""
        walk = Walk(**plan)
        rules = plan["spec"].retries
        asked = sum(isinstance(c, RETRY | ENDRUN) for c in plan["calls"])
        attempts: dict[int, set[str]] = {}
        for call in walk.of(Call):
            attempts.setdefault(call.loop, set()).add(call.attempt)
        assert all(len(made) <= 1 + rules.limit + rules.crashes + asked for made in attempts.values())

    @settings(max_examples=300)
    @given(walks())
    def test_an_attempt_is_called_once(self, plan: dict[str, Any]) -> None:
        """The same identifier means the same call."""
        first: dict[str, Call] = {}
        for call in Walk(**plan).of(Call):
            assert first.setdefault(call.attempt, call) is call

    @settings(max_examples=200)
    @given(walks())
    def test_late_answers_change_nothing(self, plan: dict[str, Any]) -> None:
        """With them or without them the history is the same."""
        without = [call for call in plan["calls"] if call is not STALE]
        assert repr(Walk(**plan).states) == repr(Walk(**{**plan, "calls": without}).states)

    @settings(max_examples=100)
    @given(walks())
    def test_a_stop_at_any_effect_ends_legally(self, plan: dict[str, Any]) -> None:
        """As Cancelled, unless the run had ended; what executes goes through Cancelling."""
        whole = Walk(**plan)
        for number in range(len(whole.effects)):
            walk = Walk(**plan, stop_at=number)
            before = [effect.state for effect in whole.effects[: number + 1] if isinstance(effect, Enter)][-1]
            assert walk.last.name == (before.name if before.is_final() else "Cancelled")
            if before.is_running():
                assert walk.names[-2:] == ["Cancelling", "Cancelled"]
            if before.type is walk.last.type:
                assert walk.names == whole.names[: len(walk.names)]

    @settings(max_examples=100)
    @given(walks(), st.integers(0, 12), st.integers(2, 4))
    def test_further_stops_change_nothing(self, plan: dict[str, Any], number: int, stops: int) -> None:
        """Also one that comes while the run is being cancelled."""
        assert Walk(**plan, stop_at=number, stops=stops).names == Walk(**plan, stop_at=number).names
