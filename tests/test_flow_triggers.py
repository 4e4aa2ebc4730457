"""Triggers in graph flows: every trigger below every mix of upstream states, and the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, task
from nbflow.engine.signals import ENDRUN, FAIL, LOOP, PAUSE, RETRY, SKIP, SUCCESS
from nbflow.states import Cancelled
from nbflow.triggers import (
    all_failed,
    all_finished,
    all_successful,
    always_run,
    any_failed,
    any_successful,
    manual_only,
    not_all_skipped,
    some_failed,
    some_successful,
)
from tests.graphs import below, fails, in_memory, ok, skips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


def probe(trigger: Callable[..., Any], **options: Any):
    """A task with a trigger."""
    return task(trigger=trigger, **options)(_ran)


def _ran():
    return "ran"


SHORT = {"Completed": "R", "TriggerFailed": "T", "Skipped": "K", "Paused": "P", "Pending": "-"}
COLUMNS = ("", "o", "of", "ff", "ot", "c", "oc", "x", "ox", "s", "os", "fs", "m", "M", "p")

SKIPPING = (
    (all_successful, "RRTTTTTTTKKTRT-"),
    (all_failed, "RTTRTTTRTKKTTT-"),
    (any_successful, "RRRTRTRTRKKRRR-"),
    (any_failed, "RTRRRTTRRKKRTR-"),
    (all_finished, "RRRRRRRRRKKRRR-"),
    (always_run, "RRRRRRRRRKKRRR-"),
    (manual_only, "PPPPPPPPPKKPPP-"),
    (not_all_skipped, "RRTTTTTTTKKTRT-"),
    (some_failed(), "RRRRRRRRRKKRRR-"),
    (some_failed(at_least=1), "RTRRRTTRRKKRTR-"),
    (some_failed(at_least=0.5), "RTRRRTTRRKKRTR-"),
    (some_failed(at_least=1.0), "RTTRTTTRTKKTTT-"),
    (some_failed(at_most=1), "RRRTRRRRRKKRRR-"),
    (some_failed(at_most=0), "RRTTTRRTTKKTRT-"),
    (some_successful(at_least=1), "RRRTRTRTRKKRRR-"),
    (some_successful(at_least=2), "RTTTTTTTTKKTRT-"),
    (some_successful(0.5, 0.5), "RTRTRTRTRKKRTR-"),
)
"""What becomes of a task that is skipped with its upstream."""

RUNNING = (
    (all_successful, "RRT"),
    (all_failed, "TTT"),
    (any_successful, "RRR"),
    (any_failed, "TTR"),
    (all_finished, "RRR"),
    (manual_only, "PPP"),
    (not_all_skipped, "KRT"),
    (some_failed(at_least=1), "TTR"),
    (some_failed(at_most=0), "RRT"),
    (some_successful(at_least=2), "TRT"),
)
"""Below `s`, `os` and `fs`, for a task that is not skipped with its upstream."""


class TestMatrix:
    """Every trigger below every mix of upstream states, each in a flow that really runs."""

    @pytest.mark.parametrize(("trigger", "row"), SKIPPING, ids=lambda value: repr(value)[:30])
    def test_of_a_task_that_skips(self, trigger: Callable[..., Any], row: str) -> None:
        """Failure beats skip, cancelled counts as neither, a mapped task as its items."""
        found = "".join(SHORT[below(outcomes, probe(trigger))[0].name] for outcomes in COLUMNS)
        assert dict(zip(COLUMNS, found, strict=True)) == dict(zip(COLUMNS, row, strict=True))

    @pytest.mark.parametrize(("trigger", "row"), RUNNING, ids=lambda value: repr(value)[:30])
    def test_of_a_task_that_does_not_skip(self, trigger: Callable[..., Any], row: str) -> None:
        """A skipped task counts as a success."""
        wary = probe(trigger, skip_on_upstream_skip=False)
        assert "".join(SHORT[below(outcomes, wary)[0].name] for outcomes in ("s", "os", "fs")) == row

    @pytest.mark.parametrize("outcomes", ["f", "x", "fs", "c", "M"])
    def test_who_refuses_names_who_is_responsible(self, outcomes: str) -> None:
        """With the state of each."""
        message = below(outcomes, probe(all_successful))[0].message
        assert message.startswith("trigger all_successful: '")
        assert any(word in message for word in ("is Failed", "is Crashed", "is Cancelled"))

    def test_below_a_task_that_waits(self) -> None:
        """Nothing is asked, and the message says for whom it waits."""
        state, flow = below("po", probe(always_run))
        assert (state.message, flow.name) == ("waits for 'pauses', which is Paused", "Running")


class TestOwn:
    """A trigger of the user's own."""

    def run(self, trigger: Callable[..., Any], **options: Any) -> tuple[str, str]:
        """The states of a task with that trigger and of its flow."""
        state, flow = below("of", probe(trigger, **options))
        return state.name, flow.name

    @pytest.mark.parametrize("answer", [False, None, 0, [], ""])
    def test_false_fails(self, answer: object) -> None:
        """The body does not run."""
        assert self.run(lambda _: answer) == ("TriggerFailed", "Failed")

    @pytest.mark.parametrize("answer", [True, 1, [0], "no"])
    def test_true_runs(self, answer: object) -> None:
        """Whatever the upstream tasks did."""
        assert self.run(lambda _: answer) == ("Completed", "Completed")

    def test_it_is_given_edges_and_states(self) -> None:
        """Constants are no upstreams."""
        seen: list[tuple[str, str | None, str]] = []

        def look(upstream: Any) -> bool:
            seen.extend((edge.upstream_task.name, edge.key, state.name) for edge, state in upstream.items())
            return True

        @task(trigger=look)
        def both(x, y, z):
            return x, y, z

        with Flow("edges") as flow:
            node = both(ok(), [ok(), 7], z=3, upstream_tasks=[fails()])
        assert flow.run().result[node].result == (1, [1, 7], 3)
        assert seen == [
            ("ok", "x", "Completed"), ("ok", "y", "Completed"), ("fails", None, "Failed"),
        ]  # fmt: skip

    def test_it_is_asked_for_roots_too(self) -> None:
        """It may look at the world outside."""
        assert below("", probe(lambda upstream: bool(upstream)))[0].name == "TriggerFailed"

    @pytest.mark.parametrize("trigger", [lambda: True, lambda _: 1 / 0])
    def test_one_that_raises_fails(self, trigger: Callable[..., Any]) -> None:
        """With its exception, also where it takes no argument."""
        state, flow = below("o", probe(trigger))
        assert (state.name, flow.name) == ("TriggerFailed", "Failed")
        assert isinstance(state.result, (TypeError, ZeroDivisionError))

    @pytest.mark.parametrize(
        ("signal", "names"),
        [
            (lambda: FAIL("m", result=9), ("Failed", "Failed")),
            (lambda: SUCCESS("m", result=9), ("Completed", "Completed")),
            (lambda: SKIP("m", result=9), ("Skipped", "Completed")),
            (lambda: ENDRUN(Cancelled("m", 9)), ("Cancelled", "Cancelled")),
            (lambda: PAUSE("m", result=9), ("Paused", "Running")),
        ],
    )
    def test_a_signal_is_obeyed(self, signal: Callable[[], BaseException], names: tuple[str, str]) -> None:
        """The state is the one that it asks for; the body does not run."""

        def trigger(_: object) -> bool:
            raise signal()

        state, flow = below("o", probe(trigger))
        assert (state.name, flow.name) == names
        assert (state.message, state.result) == ("m", 9)

    def test_retry_asks_again(self) -> None:
        """At its time, and a hundred times at most."""
        asked: list[object] = []

        def patient(upstream: object) -> bool:
            asked.append(upstream)
            if len(asked) < 4:
                raise RETRY(start_time=2e9)
            return True

        assert (self.run(patient), len(asked)) == (("Completed", "Completed"), 4)

        def stubborn(_: object) -> bool:
            asked.append(1)
            raise RETRY(start_time=2e9)

        asked.clear()
        assert (self.run(stubborn)[0], len(asked)) == ("TriggerFailed", 101)

    def test_loop_makes_no_sense(self) -> None:
        """A task that has not run cannot run again."""

        def trigger(_: object) -> bool:
            raise LOOP

        assert self.run(trigger) == ("TriggerFailed", "Failed")


class TestSkips:
    """A task below a skipped one."""

    def test_it_is_skipped_down_to_the_end(self) -> None:
        """The flow completes: nothing failed."""
        with Flow("down") as flow:
            last = ok(ok(ok(skips())))
        state = flow.run()
        assert (state.result[last].name, state.name) == ("Skipped", "Completed")
        assert "skip_on_upstream_skip=False" in state.result[last].message

    def test_what_it_gets_is_none(self) -> None:
        """Where it runs all the same."""
        with Flow("none") as flow:
            last = ok.with_options(skip_on_upstream_skip=False)(skips())
        assert flow.run().result[last].value() is None

    def test_a_failure_is_not_hidden(self) -> None:
        """One skipped and one failed upstream: the flow fails."""
        state, flow = below("sf", probe(all_successful))
        assert (state.name, flow.name) == ("TriggerFailed", "Failed")

    def test_what_comes_after_a_failure_gets_its_exception(self) -> None:
        """As a value."""
        with Flow("after") as flow:
            last = ok.with_options(trigger=any_failed)(fails())
        assert repr(flow.run().result[last].value()) == "ValueError('no')"
