"""`@flow`: its options, what its calls do, and how its runs end."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import allow_failure, context, flow, task
from nbflow.engine import signals
from nbflow.exceptions import DefinitionError, OptionError, ParameterTypeError, TaskTimeoutError
from nbflow.retries import exponential_backoff
from nbflow.running.records import Records, records_in, using
from nbflow.states import Cancelled, Completed, Crashed, Failed, Paused
from nbflow.store.memory import MemoryStore
from nbflow.task_runners import InlineTaskRunner, ThreadPoolTaskRunner
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def records() -> Iterator[Records]:
    """Records in memory, by a clock that moves when somebody waits."""
    with using(records_in(MemoryStore(), FakeTimers())) as given:
        yield given


@task
def double(x):
    """Make it twice as much."""
    return 2 * x


@task
def fail(text="no"):
    """Raise an error."""
    raise ValueError(text)


def raising(error: BaseException) -> Any:
    """A body that raises."""

    def body():
        raise error

    return body


def names_of(run: Any) -> list[str]:
    """The names of the states that a run has entered."""
    return [state.name for state in run.states]


class TestCalls:
    """A flow is called like its function."""

    def test_it_returns_what_its_function_returns(self) -> None:
        """With arguments by position, by name and by default."""

        @flow
        def add(x, y=1, *rest, z=0, **more):
            return x, y, rest, z, more

        assert add(1) == (1, 1, (), 0, {})
        assert add(1, 2, 3, z=4, w=5) == (1, 2, (3,), 4, {"w": 5})

    def test_arguments_that_do_not_fit_begin_no_run(self, records: Records) -> None:
        """The message names flow and parameter."""

        @flow
        def load(year):
            return year

        with pytest.raises(TypeError, match="flow 'load': missing a required argument: 'year'"):
            load(return_state=True)
        with pytest.raises(TypeError, match="flow 'load': got an unexpected keyword argument 'yaer'"):
            load(2013, yaer=1)
        assert records.history.runs() == ()

    def test_names_that_say_how_to_call_are_no_parameters(self) -> None:
        """They would never be given."""
        with pytest.raises(DefinitionError, match="wait_for says how to call a flow"):

            @flow
            def waits(wait_for):
                return wait_for

    def test_it_is_named_and_described_after_its_function(self) -> None:
        """Unless the options say so."""

        @flow
        def load_all():
            """Load everything."""

        assert (load_all.name, load_all.description, repr(load_all)) == (
            "load-all",
            "Load everything.",
            "<flow 'load-all'>",
        )
        told = load_all.with_options(name="all", description="All of it.", version="2")
        assert (told.name, told.description, told.options.version) == ("all", "All of it.", "2")
        assert told.with_options(name=None, description=None).name == "load-all"

    def test_a_method_is_a_flow(self) -> None:
        """It gets its instance."""

        class Job:
            n = 4

            @flow
            def total(self, more):
                return double(self.n) + more

        assert Job().total(1) == 9

    def test_a_task_method_has_all_that_a_task_has(self) -> None:
        """Calls, futures and maps are given the instance."""

        class Scale:
            by = 3

            @task
            def times(self, x):
                return self.by * x

            @task
            @staticmethod
            def half(x):
                return x / 2

        @flow
        def scaled():
            scale = Scale()
            named = scale.times.with_options(task_run_name="times {x}")
            return scale.times(1), named.submit(2).result(), scale.times.map([1, 2]).result(), scale.half(4)

        assert scaled() == (3, 6, [3, 6], 2)
        assert copy.copy(Scale().times)(2) == 6
        assert scaled.runs()[0].children()[1].name == "times 2"

    def test_a_method_stays_one_with_other_options(self) -> None:
        """As a task of a class does."""

        class Scale:
            by = 3

            @flow
            def times(self, x):
                return self.by * x

        bound = Scale().times
        assert (bound(2), bound.with_options(name="other")(2)) == (6, 6)
        assert bound.with_options(name="other").name == "other"
        assert [run.name for run in Scale.times.runs()] == ["times"]

    def test_a_task_runs_in_a_task(self) -> None:
        """Its run knows the run that called it."""

        @task
        def outer(x):
            return double(x) + 1

        @flow
        def nested():
            return outer(3)

        assert nested() == 7
        (run,) = nested.runs()
        (outer_run,) = run.children()
        assert [each.name for each in outer_run.children()] == ["double"]

    def test_its_body_sees_its_run_in_the_context(self) -> None:
        """Names, parameters and the day it was started."""

        @flow(flow_run_name="run of {x}")
        def seen(x):
            return context.flow_name, context.flow_run_name, dict(context.parameters), context.today

        assert seen(3) == ("seen", "run of 3", {"x": 3}, "2001-09-09")


class TestOptions:
    """Each option can be set and cleared."""

    def test_options_that_make_no_sense_for_a_flow_are_refused(self) -> None:
        """The message names one that does, where one is alike."""
        with pytest.raises(OptionError, match="unknown option of a flow 'retrys'; did you mean 'retries'"):
            flow(retrys=3)(double.fn)
        with pytest.raises(OptionError, match="unknown option of a flow 'trigger'"):
            flow(trigger=print)(double.fn)

    def test_they_are_attributes(self) -> None:
        """By their own names and by Prefect's, as those of tasks are; nothing else is."""
        told = flow(version="2", retries=3, timeout_seconds=4, flow_run_name="x")(double.fn)
        assert (told.version, told.retries, told.timeout_seconds) == ("2", 3, 4.0)
        assert (told.flow_run_name, told.validate_parameters) == ("x", True)
        with pytest.raises(AttributeError, match="no attribute 'trigger'"):
            _ = told.trigger

    def test_none_and_empty_lists_clear(self) -> None:
        """Also options of which Prefect cannot let go."""

        @flow(
            retries=2, timeout_seconds=3, log_prints=True, on_failure=[print], flow_run_name="x",
            validate_parameters=False, task_runner=InlineTaskRunner(), persist_result=True,
            state_handlers=[max],
        )  # fmt: skip
        def full():
            pass

        cleared = dict.fromkeys(("retries", "timeout_seconds", "log_prints", "flow_run_name", "task_runner"))
        bare = full.with_options(
            **cleared, validate_parameters=None, on_failure=[], persist_result=None, state_handlers=None
        )
        plain = flow(full.fn)
        assert (bare.options, bare.settings) == (plain.options, plain.settings)
        assert full.options.retries == 2

    def test_options_of_tasks_can_be_cleared(self) -> None:
        """All of them, by their own and by Prefect's names."""
        full = double.with_options(
            name="two", retries=2, retry_delay_seconds=1, timeout_seconds=3, tags={"a"},
            on_completion=[print],
            task_run_name="x", retry_condition_fn=max, log_prints=False, description="Twice.",
        )  # fmt: skip
        names = (
            "name", "max_retries", "retry_delay", "timeout", "tags", "on_completion", "task_run_name",
            "retry_condition_fn", "log_stdout", "description",
        )  # fmt: skip
        assert full.with_options(**dict.fromkeys(names)).options == double.options

    @pytest.mark.parametrize(
        "runner", [InlineTaskRunner(), InlineTaskRunner, ThreadPoolTaskRunner(1), "thread", None]
    )
    def test_a_task_runner_is_given_by_class_object_or_name(self, runner: Any) -> None:
        """Each run has threads of its own."""

        @flow(task_runner=runner)
        def mapped():
            return double.map([1, 2, 3]).result()

        assert mapped() == [2, 4, 6]

    @pytest.mark.parametrize("runner", [5, ThreadPoolTaskRunner.submit])
    def test_what_is_no_runner(self, runner: Any) -> None:
        """Is refused where it is given."""
        with pytest.raises(OptionError, match="is no runner; give one of"):
            flow(task_runner=runner)(double.fn)
        with pytest.raises(OptionError, match="is no runner; give one of"):
            double.with_options(runner=runner)

    def test_state_handlers_may_replace_a_state(self) -> None:
        """As in Prefect 1."""

        def forgive(_, __, new):
            return Completed("forgiven", result=7) if new.is_failed() else None

        @flow(state_handlers=[forgive])
        def forgiven():
            raise ValueError("no")

        assert forgiven() == 7


class TestRetries:
    """The body is run again."""

    def test_the_body_runs_again_after_fractions_of_a_second(self) -> None:
        """Tasks of the second attempt are runs of their own."""
        attempts: list[int] = []

        @flow(retries=2, retry_delay_seconds=0.25)
        def flaky():
            attempts.append(double(len(attempts)))
            if len(attempts) < 2:
                raise OSError("away")
            return attempts

        assert flaky() == [0, 2]
        (run,) = flaky.runs()
        assert names_of(run) == ["Pending", "Running", "AwaitingRetry", "Retrying", "Completed"]
        waited = run.states[2]
        assert waited.start_time == pytest.approx(waited.timestamp + 0.25)
        assert len(run.children()) == 2

    def test_a_returned_failure_is_tried_again(self) -> None:
        """As one that is raised."""
        attempts: list[int] = []

        @flow(retries=1)
        def returns():
            attempts.append(1)
            return Failed("no") if len(attempts) < 2 else Completed(result=3)

        assert returns() == 3

    @pytest.mark.parametrize(
        ("delay", "waits"),
        [
            (2, [2.0, 2.0, 2.0]),
            ([1, 5], [1.0, 5.0, 5.0]),
            (exponential_backoff(backoff_factor=3), [3.0, 6.0, 12.0]),
            (lambda retries: range(retries), [0.0, 1.0, 2.0]),
            (None, [0.0, 0.0, 0.0]),
        ],
    )
    def test_delays_are_a_number_a_list_or_a_function(self, delay: Any, waits: list[float]) -> None:
        """The last one of a list counts for all further."""
        broken = fail.with_options(retries=3, retry_delay_seconds=delay)

        @flow
        def tries():
            return broken(return_state=True)

        state = tries(return_state=True)
        assert state.message == "ValueError: no; 3 retries were not enough"
        states = tries.runs()[0].children()[0].states
        found = [each.start_time - each.timestamp for each in states if each.name == "AwaitingRetry"]
        assert found == pytest.approx([wait for wait in waits if wait])

    def test_chance_makes_delays_longer_or_shorter(self) -> None:
        """By the given fraction at most."""
        broken = fail.with_options(retries=20, retry_delay_seconds=10, retry_jitter_factor=0.5)

        @flow
        def tries():
            return broken.submit()

        tries(return_state=True)
        states = tries.runs()[0].children()[0].states
        waits = {each.start_time - each.timestamp for each in states if each.name == "AwaitingRetry"}
        assert len(waits) > 10
        assert all(5 <= wait <= 15 for wait in waits)

    def test_a_condition_is_given_task_run_and_state(self) -> None:
        """Only where it says so is another attempt made; it may be asynchronous."""
        seen: list[Any] = []

        def only_first(task, task_run, state):
            seen.append((task.name, task_run.run_count, type(state.value(raise_on_failure=False))))
            return task_run.run_count < 2

        async def never(task, task_run, state):
            await asyncio.sleep(0)
            return False

        tried = fail.with_options(retries=5, retry_condition_fn=only_first)
        assert tried(return_state=True).message == "ValueError: no; retry_condition_fn said no"
        assert seen == [("fail", 1, ValueError), ("fail", 2, ValueError)]
        refused = fail.with_options(retries=5, retry_condition_fn=never)
        assert refused(return_state=True).message == "ValueError: no; retry_condition_fn said no"

    def test_a_condition_that_raises_ends_the_run(self) -> None:
        """With the task's own exception."""

        @flow(retries=3, retry_condition_fn=lambda flow, run, state: 1 / 0)
        def broken():
            raise KeyError("k")

        state = broken(return_state=True)
        assert isinstance(state.result, KeyError)
        assert "retry_condition_fn raised ZeroDivisionError" in state.message

    def test_a_failure_that_is_not_raised_is_judged_alike(self) -> None:
        """By the exception that it has, or by one that says so."""
        seen: list[str] = []

        def asked(task, task_run, state):
            try:
                state.value()
            except Exception as error:
                seen.append(type(error).__name__)
                return True

        @task(retries=1)
        def returned():
            return Failed("no", data=KeyError("k"))

        for each in (returned, task(raising(signals.FAIL("bad")), retries=1)):
            each.with_options(retry_condition_fn=asked)(return_state=True)
        assert seen == ["KeyError", "TaskFailedError"]
        only = returned.with_options(retry_on=(KeyError,))(return_state=True)
        assert only.message == "no; 1 retry was not enough"


class TestTimeouts:
    """A limit ends the body where Python can be interrupted."""

    def test_a_flow_ends_at_its_limit(self) -> None:
        """Not what ran in it before: that has ended."""

        @flow(timeout_seconds=0.05)
        def endless():
            double(1)
            while True:
                pass

        with pytest.raises(TaskTimeoutError, match=r"'endless' reached its limit of 0.05 s"):
            endless()
        (run,) = endless.runs()
        assert names_of(run) == ["Pending", "Running", "TimedOut"]
        assert run.state.details["enforced"] == "firm"

    def test_the_limit_of_a_flow_ends_what_runs_in_it(self) -> None:
        """The task that was interrupted is cancelled, before the flow has ended."""

        @task
        def spins():
            while True:
                pass

        @flow(timeout_seconds=0.05)
        def waits():
            spins()

        assert waits(return_state=True).name == "TimedOut"
        (run,) = waits.runs()
        (child,) = run.children()
        assert names_of(child) == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_an_asynchronous_flow_ends_at_its_limit(self) -> None:
        """What it awaits is cancelled before it ends."""

        @task
        async def sleeps():
            await asyncio.sleep(60)

        @flow(timeout_seconds=0.05)
        async def waits():
            await sleeps()

        assert asyncio.run(waits(return_state=True)).name == "TimedOut"
        (child,) = waits.runs()[0].children()
        assert child.state.is_cancelled()

    def test_no_time_at_all_is_no_limit(self) -> None:
        """As in Prefect."""
        assert flow(double.fn, timeout_seconds=0)(2) == 4
        assert double.with_options(timeout="0s").options.timeout is None

    def test_a_timeout_of_the_users_own_is_a_failure(self) -> None:
        """Only a limit that was set makes a run TimedOut."""

        @flow
        def own():
            raise TimeoutError("the server is slow")

        assert own(return_state=True).name == "Failed"


NO = ValueError("no")
ENDINGS: list[tuple[str, Any, str, str]] = [
    # what the body returns or raises, the final state's name, its message
    ("a value", lambda: 7, "Completed", ""),
    ("nothing", lambda: None, "Completed", ""),
    ("an empty list", list, "Completed", ""),
    ("an exception as a value", lambda: NO, "Completed", ""),
    ("a state of one's own", lambda: Completed("done", result=7), "Completed", "done"),
    ("a state with a name of one's own", lambda: Completed("x", name="Late"), "Late", "x"),
    ("a failed state", lambda: Failed("no"), "Failed", "no"),
    ("a cancelled state", lambda: Cancelled("no"), "Cancelled", "no"),
    ("a crashed state", lambda: Crashed("no"), "Crashed", "no"),
    ("a paused state", lambda: Paused("later"), "Paused", "later"),
    ("completed states", lambda: [Completed(), Completed()], "Completed", "all states completed"),
    ("a failed member", lambda: (Completed(), Failed()), "Failed", "1 of 2 states failed"),
    ("a crashed member", lambda: {Completed(), Crashed()}, "Failed", "1 of 2 states failed"),
    ("a cancelled member", lambda: [Cancelled(), Completed()], "Cancelled", "1 of 2 states were cancelled"),
    ("a failed and a cancelled one", lambda: [Cancelled(), Failed()], "Failed", "1 of 2 states failed"),
    ("a cancelled and a paused one", lambda: [Paused(), Cancelled()], "Cancelled", "1 of 2 states were"),
    ("a paused member", lambda: [Paused(), Completed()], "Paused", "1 of 2 states are paused"),
    ("a future", lambda: double.submit(1), "Completed", "all states completed"),
    ("a failed future", lambda: fail.submit(), "Failed", "1 of 1 states failed"),
    ("the futures of a map", lambda: double.map([1, 2]), "Completed", "all states completed"),
    ("states beside a value", lambda: (7, Failed()), "Completed", ""),
    ("states in a dictionary", lambda: {"a": Failed()}, "Completed", ""),
    ("a failed task that was called", lambda: fail(), "Failed", "ValueError: no"),
    (
        "a failed task whose state was asked for",
        lambda: ("bar", fail(return_state=True)),
        "Completed",
        "1 of its runs failed: 'fail'",
    ),
    ("a failed future left alone", lambda: fail.submit() and None, "Completed", "1 of its runs failed"),
    (
        "many failures left alone",
        lambda: fail.map([str(each) for each in range(7)]) and None,
        "Completed",
        "7 of its runs failed",
    ),
    ("an error that it allows", lambda: str(echo(allow_failure(fail.submit()))), "Completed", "1 of its"),
]  # fmt: skip
RAISED: list[tuple[BaseException, str, str]] = [
    (NO, "Failed", "ValueError: no"),
    (SystemExit(3), "Failed", "SystemExit: 3"),
    (signals.FAIL("bad"), "Failed", "bad"),
    (signals.SUCCESS("good", result=1), "Completed", "good"),
    (signals.SKIP("nothing new"), "Skipped", "nothing new"),
    (signals.PAUSE("ask"), "Paused", "ask"),
    (signals.ENDRUN(Cancelled("enough")), "Cancelled", "enough"),
    (signals.TRIGGERFAIL("t"), "TriggerFailed", "t"),
    (signals.VALIDATIONFAIL("v"), "ValidationFailed", "v"),
]


@task
def echo(x):
    """Return what it is given."""
    return x


class TestFinalStates:
    """How the run of a flow ends is said by what its function returns or raises."""

    @pytest.mark.parametrize(
        ("body", "name", "message"), [row[1:] for row in ENDINGS], ids=[r[0] for r in ENDINGS]
    )
    def test_what_it_returns(self, body: Callable[[], Any], name: str, message: str) -> None:
        """States and futures decide; everything else is the value."""

        @flow
        def ends():
            return body()

        state = ends(return_state=True)
        assert state.name == name
        assert message in state.message
        assert message or not state.message

    @pytest.mark.parametrize(("error", "name", "message"), RAISED, ids=lambda each: repr(each))
    def test_what_it_raises(self, error: BaseException, name: str, message: str) -> None:
        """An exception fails it, a signal says how it goes on."""

        @flow
        def ends():
            raise error

        state = ends(return_state=True)
        assert (state.name, state.message) == (name, message)

    def test_a_failed_flow_raises_its_error_where_it_is_called(self) -> None:
        """The very object."""

        @flow
        def ends():
            raise NO

        with pytest.raises(ValueError, match="no") as caught:
            ends()
        assert caught.value is NO
        state = ends(return_state=True)
        assert state.result is NO
        assert state.value(raise_on_failure=False) is NO

    def test_an_attempt_counts_its_own_failures(self) -> None:
        """What failed in an earlier one is not told."""
        attempts: list[int] = []

        @flow(retries=1)
        def better():
            attempts.append(1)
            if len(attempts) == 1:
                fail()
            return 7

        state = better(return_state=True)
        assert (state.value(), state.message) == (7, "")

    def test_the_message_names_the_first_failures_only(self) -> None:
        """However many there are, five names are kept."""

        @flow
        def many():
            fail.map([str(each) for each in range(40)])

        message = many(return_state=True).message
        assert message.startswith("40 of its runs failed: 'fail[")
        assert message.endswith(", …")
        assert message.count("fail[") == 5

    def test_a_graph_says_it_as_well(self) -> None:
        """Where a task failed that does not decide."""
        from nbflow import Flow

        with Flow("graph") as graph:
            last = double(1)
            fail()
        graph.set_reference_tasks([last])
        state = graph.run()
        assert (state.name, state.message) == (
            "Completed",
            "all reference tasks completed; 1 of its runs failed: 'fail'",
        )


class TestChildren:
    """Flows called in flows have runs of their own."""

    def test_a_child_knows_its_parent(self) -> None:
        """In the history, too; both bear the number of the outer one."""

        @flow
        def child(x):
            return double(x)

        @flow
        def parent():
            return child(2) + child(3)

        assert parent() == 10
        (run,) = parent.runs()
        one, two = run.children()
        assert (one.name, one.record.role, one.number, two.number) == (
            "child",
            "flow",
            run.number,
            run.number,
        )
        assert [each.name for each in one.children()] == ["double"]

    def test_the_context_of_a_child_is_that_of_its_own_run(self) -> None:
        """Within a task, too: nothing of that is seen."""

        @flow
        def child():
            return context.flow_name, context.get("task_name"), context.get("map_index")

        @task
        def calls(x):
            return child(), context.task_name, context.map_index

        @flow
        def parent():
            return calls.map([7]).result()

        assert parent() == [(("child", None, None), "calls", 0)]

    def test_the_failure_of_a_child_raises_in_its_parent(self) -> None:
        """Unless it is caught, or its state is asked for."""

        @flow
        def child():
            raise NO

        @flow
        def parent(how):
            if how == "state":
                return child(return_state=True).name
            try:
                child()
            except ValueError:
                if how == "raise":
                    raise
            return "caught"

        assert (parent("catch"), parent("state")) == ("caught", "Failed")
        assert parent("state", return_state=True).message == "1 of its runs failed: 'child'"
        assert parent("raise", return_state=True).result is NO

    def test_a_child_below_a_failed_future_does_not_run(self) -> None:
        """The trigger says why."""
        ran: list[int] = []

        @flow
        def child(x):
            ran.append(x)

        @flow
        def parent():
            return child(fail.submit(), return_state=True)

        state = parent(return_state=True)
        assert state.name == "TriggerFailed"
        assert "fail" in state.message
        assert ran == []

    def test_a_child_runs_in_a_task(self) -> None:
        """The task is its parent."""

        @flow
        def child():
            return double(4)

        @task
        def runs_child():
            return child()

        @flow
        def parent():
            return runs_child.submit().result()

        assert parent() == 8
        (task_run,) = parent.runs()[0].children()
        assert [each.name for each in task_run.children()] == ["child"]


class TestValidation:
    """Arguments are brought to the types of their annotations."""

    def test_arguments_are_converted(self) -> None:
        """The body, the context and the run see the same."""

        @flow(flow_run_name="of {n}")
        def typed(n: int, names: list[str] = (), *more: float, **rest: int):  # pyright: ignore
            return n, names, more, rest, context.parameters["n"], context.flow_run_name

        assert typed("5", ("a",), "1.5", k="2") == (5, ["a"], (1.5,), {"k": 2}, 5, "of 5")

    def test_arguments_that_cannot_be_are_refused(self) -> None:
        """In one line that names all of them; the run fails and the body does not run."""
        ran: list[int] = []
        told: list[str] = []

        @flow(retries=3, on_failure=[lambda flow, run, state: told.append(run.name)])
        def typed(n: int, names: list[str]):
            ran.append(n)

        with pytest.raises(ParameterTypeError) as caught:
            typed("five", 3)
        assert str(caught.value) == (
            "flow 'typed' refuses n: Input should be a valid integer, unable to parse string as an integer, "
            "got 'five'; names: Input should be a valid list, got 3; pass what is annotated"
        )
        assert (ran, told, names_of(typed.runs()[0])) == ([], ["typed"], ["Pending", "Failed"])

    def test_a_default_is_what_the_function_says(self) -> None:
        """Whatever is annotated."""

        @flow
        def loose(n: int = None, names: list[str] = ()):  # noqa: RUF013  # pyright: ignore
            return n, names

        assert loose() == (None, ())

    def test_it_can_be_switched_off(self) -> None:
        """Arguments are passed as they are then."""

        @flow(validate_parameters=False)
        def loose(n: int):
            return n

        assert loose("five") == "five"

    def test_results_to_come_are_validated_when_they_are_there(self) -> None:
        """A future is no argument."""

        @flow
        def child(n: str):
            return n

        @flow
        def parent():
            return child(echo.submit("text")), child(double.submit(1), return_state=True).name

        assert parent() == ("text", "Failed")


class TestAsync:
    """Asynchronous flows are awaited."""

    def test_it_awaits_tasks_and_flows(self) -> None:
        """And calls plain ones."""

        @task
        async def later(x):
            await asyncio.sleep(0)
            return x + 1

        @flow
        async def child(x):
            return await later(x)

        @flow
        async def parent():
            one, two = await asyncio.gather(child(1), later(10))
            return one, two, double(3), await double.submit(4), later.submit(5).result()

        assert asyncio.run(parent()) == (2, 11, 6, 8, 6)
        assert len(parent.runs()[0].children()) == 5

    def test_a_plain_flow_awaits_what_it_is_given(self) -> None:
        """An asynchronous task is submitted there."""

        @task
        async def later(x):
            return x

        @flow
        def plain():
            return later.submit(3).result()

        assert plain() == 3

    def test_failures_and_retries(self) -> None:
        """As in plain flows."""
        attempts: list[int] = []

        @flow(retries=2, retry_delay_seconds=0.5)
        async def flaky():
            attempts.append(1)
            if len(attempts) < 3:
                raise OSError("away")
            return len(attempts)

        assert asyncio.run(flaky()) == 3

    def test_a_cancelled_flow_cancels_what_it_awaits(self) -> None:
        """Each run has ended when the cancellation is raised, the inner one first."""
        ended: list[tuple[str, str]] = []

        def note(_, run, state):
            ended.append((run.name, state.name))

        @task(on_cancellation=[note])
        async def sleeps():
            await asyncio.sleep(60)

        @flow(on_cancellation=[note])
        async def waits():
            await sleeps()

        async def main():
            running = asyncio.ensure_future(waits())
            while not waits.runs() or not waits.runs()[0].children():
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

        asyncio.run(main())
        assert ended == [("sleeps", "Cancelled"), ("waits", "Cancelled")]


class TestStop:
    """Stop in a flow ends every run in a legal state."""

    def test_an_interrupt_cancels_inner_runs_first(self) -> None:
        """And is raised again when all have ended."""
        ended: list[str] = []

        def note(_, run, __):
            ended.append(run.name)

        @task(on_cancellation=[note])
        def inner():
            raise KeyboardInterrupt

        @flow(on_cancellation=[note])
        def child():
            inner()

        @flow(on_cancellation=[note])
        def parent():
            child()

        with pytest.raises(KeyboardInterrupt):
            parent()
        assert ended == ["inner", "child", "parent"]
        (run,) = parent.runs()
        assert names_of(run) == ["Pending", "Running", "Cancelling", "Cancelled"]

    def test_what_was_submitted_is_cancelled(self) -> None:
        """What runs in a thread is abandoned, what has not begun never begins."""
        from threading import Event

        begun, go = Event(), Event()

        @task
        def waits(x):
            begun.set()
            return go.wait(10) and x

        @flow(task_runner=ThreadPoolTaskRunner(max_workers=1))
        def parent():
            for each in range(3):
                waits.submit(each)
            begun.wait(10)
            raise KeyboardInterrupt

        try:
            with pytest.raises(KeyboardInterrupt):
                parent()
        finally:
            go.set()
        (run,) = parent.runs()
        assert run.state.name == "Cancelled"
        assert {each.state.name for each in run.children()} == {"Cancelled"}
        last = max(each.states[-1].timestamp or 0 for each in run.children())
        assert last <= (run.state.timestamp or 0)
