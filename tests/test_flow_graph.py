"""Running a graph flow: parameters, context, given states, start tasks, handlers, and how the flow ends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, Task, context, task
from nbflow.engine.signals import ENDRUN, FAIL, SKIP
from nbflow.engine.state import (
    Cancelled,
    Failed,
    Finished,
    Paused,
    Resume,
    Retrying,
    Scheduled,
    Skipped,
    Success,
    TriggerFailed,
)
from nbflow.exceptions import MissingParameterError, OptionError, UnknownTaskError
from nbflow.triggers import all_failed, always_run, manual_only
from tests.graphs import (
    add,
    cancelled,
    crashes,
    fails,
    in_memory,
    inc,
    names,
    odd,
    ok,
    pauses,
    skips,
    trigger_fails,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow import State
    from nbflow.running.records import Records


@pytest.fixture(name="records", autouse=True)
def _records() -> Iterator[Records]:
    with in_memory() as records:
        yield records


class TestParameters:
    """Values from outside."""

    def build(self) -> tuple[Flow, Task]:
        """A flow of two parameters."""
        with Flow("parameters") as flow:
            node = add(Parameter("x"), Parameter("y", default=10))
        return flow, node

    def test_they_are_given_by_name(self) -> None:
        """In a dictionary or one by one; the default counts where nothing is given."""
        flow, node = self.build()
        assert flow.run(x=1).result[node].value() == 11
        assert flow.run({"x": 1, "y": 2}).result[node].value() == 3
        assert flow.run(parameters={"x": 1}, y=None).result[node].name == "Failed"

    def test_the_context_has_all_of_them(self) -> None:
        """Defaults included."""
        seen: list[Any] = []

        @task
        def looks(x):
            seen.append(dict(context.parameters))

        with Flow("context") as flow:
            looks(Parameter("x")), ok(Parameter("y", default=3))
        flow.run(x=1)
        assert seen == [{"x": 1, "y": 3}]

    def test_one_is_missing(self, records: Records) -> None:
        """Nothing runs."""
        flow, _ = self.build()
        with pytest.raises(MissingParameterError, match="needs the parameter 'x'; pass `x=…`"):
            flow.run()
        assert records.history.runs() == ()

    @pytest.mark.parametrize("given", [{"parameters": {"x": 1, "yy": 2}}, {"x": 1, "yy": 2}])
    def test_one_is_unknown(self, given: dict[str, Any]) -> None:
        """The nearest is named."""
        flow, _ = self.build()
        with pytest.raises(OptionError, match="unknown parameter 'yy'; did you mean 'y'"):
            flow.run(**given)

    def test_one_that_need_not_be_given(self) -> None:
        """Is None then."""
        with Flow("optional") as flow:
            node = ok(Parameter("x", required=False))
        assert flow.run().result[node].value() is None

    def test_a_parameter_is_one_task(self) -> None:
        """Also where it is called, and where several need it."""
        with Flow("one") as flow:
            x = Parameter("x", default=2)
            node = add(x, x())
        assert flow.run().result[node].value() == 4
        assert flow.parameters() == (x,)


class TestContext:
    """What tasks see around them."""

    def test_of_the_run(self) -> None:
        """The flow's name, the task's, the day; what `run` was given beside."""
        keys = ("flow_name", "task_name", "key", "today")

        @task
        def looks():
            return [context.get(key) for key in keys], context.flow_run_id

        with Flow("looks") as flow:
            node = looks()
        (found, run), *_ = [flow.run(context={"key": 7}).result[node].value()]
        assert found[:3] == ["looks", "looks", 7]
        assert (found[3][:2], len(run) > 8) == ("20", True)
        assert context.get("key") is None


class TestEnd:
    """How a flow ends."""

    @pytest.mark.parametrize(
        ("nodes", "name"),
        [
            ([ok, ok], "Completed"),
            ([ok, skips], "Completed"),
            ([ok, fails], "Failed"),
            ([ok, crashes], "Failed"),
            ([ok, trigger_fails], "Failed"),
            ([ok, cancelled], "Cancelled"),
            ([cancelled, fails], "Failed"),
            ([ok, pauses], "Running"),
            ([fails, pauses], "Running"),
            ([cancelled, pauses], "Running"),
            ([], "Completed"),
        ],
    )
    def test_by_its_terminal_tasks(self, nodes: list[Task], name: str) -> None:
        """Any not final, any failed or crashed, any cancelled, in this order; else Completed."""
        with Flow("end") as flow:
            for node in nodes:
                node()
        assert flow.run().name == name

    def test_mapped_tasks_count_as_their_items(self) -> None:
        """One failed item fails the flow."""
        with Flow("items") as flow:
            odd.map([1, 2, 3])
        assert flow.run().name == "Failed"

    def test_a_running_one_is_kept_as_paused(self, records: Records) -> None:
        """So that it can go on."""
        with Flow("kept") as flow:
            pauses()
        state = flow.run()
        assert state.message == (
            "1 of 1 reference tasks are not finished: 'pauses'; 'pauses' waits for a person: resume()"
        )
        assert names(records, "kept") == ["Pending", "Running", "Paused"]

    def test_reference_tasks_decide(self) -> None:
        """Instead of the terminal ones."""
        with Flow("reference") as flow:
            one = fails()
            two = ok.with_options(trigger=always_run)(upstream_tasks=[one])
        state = flow.run()
        assert (state.name, state.message) == (
            "Completed", "all reference tasks completed; 1 of its runs failed: 'fails'",
        )  # fmt: skip
        flow.set_reference_tasks([one])
        assert (flow.run().name, flow.reference_tasks()) == ("Failed", (one,))
        flow.set_reference_tasks([two])
        assert flow.run().name == "Completed"

    def test_references_of_one_name_all_count(self) -> None:
        """None hides another."""
        with Flow("names") as flow:
            fails(), task(name="fails")(_fine)()
        assert flow.run().name == "Failed"

    def test_a_reference_that_is_not_there(self) -> None:
        """Is told of."""
        with Flow("no") as flow:
            ok()
        with pytest.raises(UnknownTaskError, match="no task 'inc'"):
            flow.set_reference_tasks([inc])

    def test_results_are_found_by_task_and_by_name(self) -> None:
        """A name of several asks for the task."""
        with Flow("found") as flow:
            one, two, three = ok(1), ok(2), inc(3)
        result = flow.run().result
        assert (result[one].result, result[two].result, result["inc"].result) == (1, 2, 4)
        assert set(result) == {one, two, three}
        with pytest.raises(KeyError, match="the name of 2 tasks"):
            result["ok"]

    def test_a_flow_runs_again_and_again(self, records: Records) -> None:
        """Each time as a run of its own, with the next number."""
        with Flow("again") as flow:
            ok()
        assert [flow.run().name for _ in range(3)] == ["Completed"] * 3
        flows = [run for run in records.history.runs() if run.role == "flow"]
        assert [run.number for run in flows] == [3, 2, 1]


def _fine():
    return 1


class TestGivenStates:
    """`task_states`: states that stand for runs."""

    def build(self) -> tuple[Flow, list[Task]]:
        """A flow of three in a row."""
        calls.clear()
        with Flow("given") as flow:
            one = counted("one")
            two = counted("two", one)
            three = counted("three", two)
        return flow, [one, two, three]

    def test_what_has_ended_is_not_run(self) -> None:
        """Its result is passed on."""
        flow, (_one, two, three) = self.build()
        state = flow.run(task_states={two: Success(result=["given"])})
        assert state.result[three].value() == ["given", "three"]
        assert calls == ["one", "three"]

    @pytest.mark.parametrize(
        ("given", "name"),
        [
            (Failed("no"), "TriggerFailed"),
            (Cancelled(), "TriggerFailed"),
            (Skipped(), "Skipped"),
            (Paused(), "Pending"),
        ],
    )
    def test_what_is_below_is_judged_by_them(self, given: State, name: str) -> None:
        """As if the runs had been."""
        flow, (_one, _two, three) = self.build()
        assert flow.run(task_states={"counted-2": given}).result[three].name == name
        assert calls == ["one"]

    @pytest.mark.parametrize("make", [Retrying, Scheduled])
    def test_what_is_scheduled_begins_then(self, make: Any, records: Records) -> None:
        """And runs as usual."""
        flow, (one, _two, _three) = self.build()
        begins = records.timers.now() + 60
        state = flow.run(task_states={one: make(start_time=begins)})
        assert (state.name, state.result[one].timestamp) == ("Completed", begins)

    def test_an_unknown_task(self) -> None:
        """Is told of."""
        flow, _ = self.build()
        with pytest.raises(UnknownTaskError, match="no task 'inc'"):
            flow.run(task_states={inc: Success()})


calls: list[str] = []


@task
def counted(name: str, before: Any = ()):
    """Note that it ran."""
    calls.append(name)
    return [*before, name]


class TestStartTasks:
    """`start_tasks`: what is named runs whatever is before it, and what is below it follows."""

    def build(self) -> tuple[Flow, dict[str, Task]]:
        """A diamond with a tail and a stranger."""
        calls.clear()
        with Flow("start") as flow:
            top = counted("top")
            left = counted("left", top)
            right = counted("right", top)
            end = counted("end", [left, right])
            stranger = counted("stranger")
        return flow, {"top": top, "left": left, "right": right, "end": end, "stranger": stranger}

    def test_what_is_below_runs_with_what_it_lacks(self) -> None:
        """Nothing else belongs to the run."""
        flow, tasks = self.build()
        state = flow.run(start_tasks=[tasks["left"]])
        assert sorted(calls) == ["end", "left", "right", "top"]
        assert (state.name, state.result[tasks["stranger"]].name) == ("Completed", "Pending")
        assert state.result[tasks["stranger"]].message == "not asked for in this run"

    def test_given_states_spare_what_is_above(self) -> None:
        """By name or by task."""
        flow, tasks = self.build()
        given = {tasks["top"]: Success(result=["t"]), tasks["right"]: Success(result=["r"])}
        state = flow.run(start_tasks=[tasks["left"]], task_states=given)
        assert calls == ["left", "end"]
        assert state.result[tasks["left"]].value() == ["t", "left"]

    def test_what_is_below_runs_anew(self) -> None:
        """Although a state of it was given: all states of an earlier run may be."""
        flow, tasks = self.build()
        earlier = flow.run().result
        calls.clear()
        flow.run(start_tasks=[tasks["right"]], task_states=earlier)
        assert calls == ["right", "end"]

    def test_no_trigger_is_asked(self) -> None:
        """A person's word counts more; its body sees that in the context."""

        @task(trigger=manual_only)
        def manual(x=0):
            return x, context.get("resume")

        with Flow("manual") as flow:
            node = manual(upstream_tasks=[fails()])
        state = flow.run(start_tasks=[node])
        assert (state.name, state.result[node].value()) == ("Completed", (0, True))
        assert state.result["fails"].name == "Pending"

    def test_without_a_reference_task_its_own_last_tasks_decide(self) -> None:
        """A failure is not hidden because it was not asked for."""
        with Flow("own") as flow:
            one, two = ok(), fails()
        flow.set_reference_tasks([one])
        assert flow.run(start_tasks=two).name == "Failed"
        assert flow.run(start_tasks=(each for each in [two])).name == "Failed"
        assert flow.run(start_tasks="ok").name == "Completed"

    def test_a_resume_state_does_the_same(self) -> None:
        """All other tasks run as usual."""
        flow, tasks = self.build()
        state = flow.run(task_states={tasks["left"]: Resume()})
        assert (state.name, sorted(calls)) == ("Completed", ["end", "left", "right", "stranger", "top"])


class TestHandlers:
    """Prefect 1's state handlers and `on_failure`."""

    def test_a_handler_sees_each_change(self) -> None:
        """Of a task and of a flow, with both states."""
        seen: list[tuple[str, str, str]] = []

        def note(of: Any, old: Any, new: Any) -> None:
            seen.append((of.name, old.name, new.name))

        with Flow("seen", state_handlers=[note]) as flow:
            task(state_handlers=[note], retries=1)(_once)()
        attempts.clear()
        flow.run()
        assert seen == [
            ("seen", "Pending", "Running"), ("_once", "Pending", "Running"),
            ("_once", "Running", "Retrying"), ("_once", "Retrying", "Completed"),
            ("seen", "Running", "Completed"),
        ]  # fmt: skip

    def test_a_handler_may_replace(self) -> None:
        """What is below gets the result of the new state."""

        def rescue(_: Any, __: Any, new: State) -> State | None:
            return Success(result=77) if new.is_failed() else None

        with Flow("rescue") as flow:
            node = inc(fails.with_options(state_handlers=[rescue])())
        assert flow.run().result[node].value() == 78

    def test_a_handler_may_ask_for_another_attempt(self) -> None:
        """By Retrying, as in Prefect 1."""
        attempts.clear()

        def again(_: Any, __: Any, new: State) -> State | None:
            return Retrying(start_time=2e9) if new.is_failed() else None

        with Flow("again") as flow:
            node = task(state_handlers=[again])(_once)()
        assert (flow.run().result[node].name, len(attempts)) == ("Completed", 2)

    def test_a_handler_of_a_flow_may_replace_its_end(self) -> None:
        """As that of a task does."""

        def forgive(_: Any, __: Any, new: State) -> State | None:
            return Success("forgiven") if new.is_failed() else None

        with Flow("forgive", state_handlers=[forgive]) as flow:
            fails()
        assert flow.run() == Success("forgiven")

    @pytest.mark.parametrize(
        ("raised", "name"),
        [(SKIP(), "Skipped"), (FAIL(), "Failed"), (ENDRUN(TriggerFailed()), "TriggerFailed")],
    )
    def test_a_handler_may_raise_a_signal(self, raised: BaseException, name: str) -> None:
        """Which is as good as returning its state."""

        def raises(_: Any, __: Any, new: State) -> None:
            if new.name == "Completed":
                raise raised

        with Flow("raises") as flow:
            node = ok.with_options(state_handlers=[raises])()
        assert flow.run().result[node].name == name

    def test_on_failure_is_one_function(self) -> None:
        """Of the task and its state; a list is one of hooks."""
        seen: list[tuple[str, str]] = []

        def tell(of: Any, state: State) -> None:
            seen.append((of.name, state.message))

        with Flow("tell", on_failure=tell) as flow:
            fails.with_options(on_failure=tell)()
        flow.run()
        assert seen == [("fails", "ValueError: no"), ("tell", "1 of 1 reference tasks failed: 'fails'")]

    def test_finished_covers_every_end(self) -> None:
        """`isinstance` tells states apart as in Prefect 1."""
        with Flow("finished") as flow:
            nodes = [ok(), fails(), skips(), cancelled()]
        states = flow.run().result
        assert all(isinstance(states[node], Finished) for node in nodes)
        assert [isinstance(states[node], Success) for node in nodes] == [True, False, True, False]


attempts: list[int] = []


def _once():
    attempts.append(1)
    if len(attempts) == 1:
        raise ValueError
    return len(attempts)


class TestOptions:
    """Prefect 1's names for what a task can be told."""

    def test_retries(self, records: Records) -> None:
        """`max_retries` and `retry_delay`."""
        attempts.clear()
        with Flow("retries") as flow:
            task(max_retries=2, retry_delay="10m")(_once)()
        before = records.timers.now()
        assert flow.run().is_successful()
        assert (len(attempts), records.timers.now() - before) == (2, 600)

    @pytest.mark.parametrize(("kinds", "times"), [(KeyError, 1), ((KeyError, ValueError), 3), (Exception, 3)])
    def test_retry_on(self, kinds: Any, times: int) -> None:
        """Only these exceptions are tried again."""
        counts: list[int] = []

        @task(max_retries=2, retry_on=kinds)
        def raises():
            counts.append(1)
            raise ValueError

        with Flow("on") as flow:
            raises()
        assert (flow.run().name, len(counts)) == ("Failed", times)

    def test_timeout(self) -> None:
        """It is a failure, of its own name."""

        @task(timeout=0.02)
        def hangs():
            while True:
                pass

        with Flow("timeout") as flow:
            node = hangs()
            last = ok.with_options(trigger=all_failed)(upstream_tasks=[node])
        states = flow.run().result
        assert (states[node].name, states[last].name) == ("TimedOut", "Completed")

    def test_a_signal_raised_by_a_hook_steers_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """It is logged."""

        def hook(*_: Any) -> None:
            raise SKIP

        with Flow("hook") as flow:
            node = ok.with_options(on_completion=[hook])()
        with caplog.at_level(logging.ERROR, "nbflow"):
            assert flow.run().result[node].name == "Completed"
        assert "hook" in caplog.text
