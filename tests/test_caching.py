"""Caching in explicit flows: what is reused, what is kept, and what is said of it."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import Flow, Parameter, Task, digest, flow, task
from nbflow.cache_policies import (
    DEFAULT,
    FLOW_PARAMETERS,
    INPUTS,
    NO_CACHE,
    RUN_ID,
    TASK_SOURCE,
    CachePolicy,
)
from nbflow.engine.cache_validators import (
    all_inputs,
    all_parameters,
    duration_only,
    never_use,
    partial_inputs_only,
    partial_parameters_only,
)
from nbflow.engine.signals import FAIL, LOOP, SKIP, SUCCESS
from nbflow.running.records import Records, records_in, using
from nbflow.store.disk import DiskStore
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from nbflow.states import State

KEY = bytes(range(32))


class Tally:
    """Counts calls; to a digest it is always the same."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __nbflow_digest__(self) -> str:
        return "tally"

    def note(self, *what: Any) -> int:
        """Note one call; return how many there were."""
        self.calls.append(what)
        return len(self.calls)


@pytest.fixture
def timers() -> FakeTimers:
    """Time that stands still."""
    return FakeTimers()


@pytest.fixture
def records(timers: FakeTimers) -> Iterator[Records]:
    """Records in memory."""
    with using(records_in(MemoryStore(), timers)) as records:
        yield records


def ended(call: Callable[..., Any], *args: Any, **kwargs: Any) -> State:
    """How a call ends in a flow of its own."""
    found: list[State] = []

    @flow
    def around() -> None:
        found.append(call(*args, **kwargs, return_state=True))

    around()
    return found[0]


# --- policies and what changed ----------------------------------------------------------------------

GLOBALS: dict[str, Any] = {}
SOURCES = {
    "plain": "def f(x, y=2):\n    return tally.note() + 0 * (helper(x) + rate)\n",
    "comment": "def f(x, y=2):\n    # says why\n    return tally.note() + 0 * (helper(x) + rate)\n",
    "code": "def f(x, y=2):\n    return tally.note() + 1 * 0 * (helper(x) + rate + 1)\n",
    "helper": "def helper(x):\n    return x\n",
    "other helper": "def helper(x):\n    return x + 1\n",
    "other task": "def g(x, y=2):\n    return tally.note() + 0 * (helper(x) + rate)\n",
}


class Lab:
    """A module of its own, in which a task and what it reaches can be edited."""

    def __init__(self, policy: CachePolicy) -> None:
        self.names: dict[str, Any] = {"__name__": "lab_of_caching", "tally": Tally(), "rate": 3}
        self.policy = policy
        self.define("helper")
        self.define("plain")

    def define(self, source: str) -> None:
        """Execute a definition."""
        exec(SOURCES[source], self.names)

    def call(self, name: str = "f", x: Any = 1, year: int = 2013, runs: int = 1, **more: Any) -> str:
        """The name of the last state of the task, called in a flow with a parameter."""
        called = task(cache_policy=self.policy)(self.names[name])

        found: list[State] = []

        @flow
        def around(year: int) -> None:
            found.extend(called(x, **more, return_state=True) for _ in range(runs))

        around(year)
        return found[-1].name


def _edited(source: str) -> Callable[[Lab], dict[str, Any]]:
    return lambda lab: lab.define(source) or {}


CHANGES: dict[str, Callable[[Lab], dict[str, Any]]] = {
    "nothing": lambda lab: {},
    "comment": _edited("comment"),
    "code": _edited("code"),
    "helper": _edited("other helper"),
    "global": lambda lab: lab.names.update(rate=4) or {},
    "input": lambda lab: {"x": 2},
    "type of input": lambda lab: {"x": 1.0},
    "default given": lambda lab: {"y": 2},
    "other task": lambda lab: lab.define("other task") or {"name": "g"},
    "parameter": lambda lab: {"year": 2014},
}
HITS = {
    "DEFAULT": (DEFAULT, "nothing comment parameter|default given"),
    "INPUTS": (INPUTS, "nothing comment code helper global parameter|default given"),
    "TASK_SOURCE": (TASK_SOURCE, "nothing comment input parameter|default given|type of input"),
    "RUN_ID": (RUN_ID, ""),
    "DEFAULT + RUN_ID": (DEFAULT + RUN_ID, ""),
    "FLOW_PARAMETERS": (
        FLOW_PARAMETERS,
        "nothing comment code helper global input|type of input|default given",
    ),
    "DEFAULT + FLOW_PARAMETERS": (DEFAULT + FLOW_PARAMETERS, "nothing comment|default given"),
    "DEFAULT - x": (DEFAULT - "x", "nothing comment input parameter|type of input|default given"),
    "NO_CACHE": (NO_CACHE, ""),
}


def _hits(text: str) -> set[str]:
    return {name for part in text.split("|") for name in ([part] if part in CHANGES else part.split())}


class TestPolicies:
    """What changed, and whether a result is reused all the same."""

    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("policy", HITS)
    def test_what_changed(self, records: Records, policy: str, change: str) -> None:
        """A result is reused if and only if nothing changed that the policy names."""
        parts, hits = HITS[policy]
        lab = Lab(parts)
        assert lab.call() == "Completed"
        given = CHANGES[change](lab)
        assert lab.call(**given) == ("Cached" if change in _hits(hits) else "Completed")

    @pytest.mark.parametrize("policy", [DEFAULT, INPUTS, RUN_ID, DEFAULT + RUN_ID])
    def test_within_one_run(self, records: Records, policy: CachePolicy) -> None:
        """The second of two equal calls reuses what the first has made."""
        assert Lab(policy).call(runs=2) == "Cached"

    def test_persisting_alone_reuses_within_a_run(self, records: Records) -> None:
        """As in Prefect: that a result is stored says nothing of later runs."""
        tally = Tally()

        @task(persist_result=True)
        def f() -> int:
            return tally.note()

        @flow
        def twice() -> list[int]:
            return [f(), f()]

        assert (twice(), twice()) == ([1, 1], [2, 2])

    @pytest.mark.parametrize("options", [{}, {"cache_policy": NO_CACHE}, {"refresh_cache": True}])
    def test_who_does_not_ask_runs(self, records: Records, options: dict[str, Any]) -> None:
        """Tasks execute unless they ask for caching."""
        f = task(**options)(Tally().note)
        assert [ended(f).name for _ in range(2)] == ["Completed", "Completed"]

    def test_not_persisting_wins(self, records: Records) -> None:
        """Whatever else is said; a flow can want it for all its tasks, and a task not."""
        tally = Tally()
        f = task(persist_result=False, cache_policy=DEFAULT)(tally.note)
        g = task(tally.note)

        @flow(persist_result=True)
        def four() -> list[int]:
            return [f(), f(), g(), g()]

        assert four() == [1, 2, 3, 3]


class TestIdentity:
    """Two different tasks never share a result by accident."""

    @pytest.mark.parametrize("policy", [DEFAULT, INPUTS])
    def test_closures_of_one_function(self, records: Records, policy: CachePolicy) -> None:
        """They differ by what they hold."""

        def scaler(by: int) -> Any:
            @task(cache_policy=policy)
            def scale(x: int) -> int:
                return by * x

            return scale

        assert [scaler(2)(5), scaler(3)(5), scaler(2)(5)] == [10, 15, 10]
        assert ended(scaler(3), 5).is_cached()

    def test_tasks_of_one_body(self, records: Records) -> None:
        """With inputs alone they are told apart by their names; with the code, they are the same."""
        tally = Tally()

        def body(x: int) -> int:
            return tally.note()

        one, other = (task(body, name=name, cache_policy=INPUTS) for name in ("one", "other"))
        assert (one(1), other(1), one(1)) == (1, 2, 1)
        one, other = (task(body, name=name, cache_policy=DEFAULT) for name in ("one", "other"))
        assert (one(1), other(1)) == (3, 3)

    def test_further_arguments_with_the_name_of_a_parameter(self, records: Records) -> None:
        """They hide nothing of what was given by position."""

        @task(cache_policy=DEFAULT)
        def show(*rest: int, **more: int) -> tuple[Any, Any]:
            return rest, more

        assert show(1, 2, rest=3) == ((1, 2), {"rest": 3})
        assert show(1, rest=3) == ((1,), {"rest": 3})

    def test_classes_of_tasks(self, records: Records) -> None:
        """What was set on a task counts."""

        class Add(Task):
            def __init__(self, more: int, **options: Any) -> None:
                super().__init__(**options)
                vars(self)["more"] = more

            def run(self, x: int) -> int:
                return x + self.more

        made = [Add(more, name="add", cache_policy=DEFAULT) for more in (1, 2, 1)]
        assert [add(1) for add in made] == [2, 3, 2]
        assert [ended(add, 1).name for add in made] == ["Cached"] * 3


class TestKeyFunction:
    """`cache_key_fn`: a key of one's own."""

    def test_equal_keys_share(self, records: Records) -> None:
        """Whatever the arguments, and whichever task; the state says that nothing else was compared."""
        tally = Tally()
        one = task(counted_by(tally), cache_key_fn=lambda context, given: "k")
        other = task(tally.note, cache_key_fn=lambda context, given: "k")
        assert (one(1), other(2)) == (1, 1)
        state = ended(one, 9)
        assert (state.name, "nothing but the key 'k' compared" in state.message) == ("Cached", True)

    def test_what_it_is_told(self, records: Records) -> None:
        """The task, its run, and all arguments by name."""
        told: list[Any] = []

        def key(context: Any, given: dict[str, Any]) -> str:
            told.append((context.task.name, context.task_run.name, dict(context.parameters), given))
            return "k"

        @task(cache_key_fn=key)
        def load(year: int, fast: bool = True, **more: Any) -> int:
            return year

        load(2014, origin="JFK")
        given = {"year": 2014, "fast": True, "origin": "JFK"}
        assert told == [("load", "load", given, given)]

    def test_none_runs_uncached(self, records: Records) -> None:
        """Each time."""
        f = task(Tally().note, cache_key_fn=lambda context, given: None)
        assert (f(), f()) == (1, 2)

    def test_what_is_no_text_fails(self, records: Records) -> None:
        """Before the body runs, with words."""
        tally = Tally()
        f = task(tally.note, cache_key_fn=lambda context, given: 42)
        state = ended(f)
        assert (state.name, tally.calls) == ("Failed", [])
        assert "cache_key_fn of 'note' returned 42; it must return a text" in state.message
        with pytest.raises(TypeError, match="42"):
            f()

    def test_one_that_raises_costs_only_the_cache(self, records: Records) -> None:
        """And is named."""

        def key(context: Any, given: Any) -> str:
            raise KeyError("year")

        state = ended(task(Tally().note, cache_key_fn=key))
        assert (state.value(), "not reused: 'year'" in state.message) == (1, True)


def counted_by(tally: Tally) -> Callable[..., int]:
    """A function with one argument that counts its calls."""

    def counted(x: int) -> int:
        return tally.note(x)

    return counted


class TestResults:
    """What is kept, and what comes back."""

    def test_a_hit_is_a_copy(self, records: Records) -> None:
        """Whoever changes it changes nothing else."""
        f = task(three, cache_policy=DEFAULT)
        first, second = f(), f()
        second.append(4)
        assert (first, f(), first is second) == ([1, 2, 3], [1, 2, 3], False)

    def test_what_becomes_of_a_result_later(self, records: Records) -> None:
        """Does not count: it was kept when its task ended."""
        f = task(three, cache_policy=DEFAULT)
        f().append(4)
        assert f() == [1, 2, 3]

    def test_none_is_a_result(self, records: Records) -> None:
        """And is reused."""
        f = task(nothing, cache_policy=DEFAULT)
        assert [ended(f).name, ended(f).name, ended(f).value()] == ["Completed", "Cached", None]

    @pytest.mark.parametrize("end", [ValueError("no"), FAIL("no"), SKIP("no")])
    def test_what_is_no_result(self, records: Records, end: BaseException) -> None:
        """Failures and skips are never reused; a success after them is."""
        tally = Tally()

        @task(cache_policy=INPUTS)
        def f(x: int) -> int:
            if tally.note() == 1:
                raise end
            return 7

        assert [ended(f, 1).name for _ in range(3)][1:] == ["Completed", "Cached"]

    def test_a_success_that_is_raised(self, records: Records) -> None:
        """Is a result as others are."""

        @task(cache_policy=DEFAULT)
        def f() -> None:
            raise SUCCESS(result=7)

        assert [(state.name, state.value()) for state in (ended(f), ended(f))] == [
            ("Completed", 7),
            ("Cached", 7),
        ]

    def test_a_loop_is_skipped_as_a_whole(self, records: Records) -> None:
        """Only what its last iteration returns is a result."""
        tally = Tally()

        @task(cache_policy=DEFAULT)
        def f() -> int:
            if tally.note() < 3:
                raise LOOP(result=1)
            return 7

        assert (f(), f(), len(tally.calls)) == (7, 7, 3)

    def test_it_is_kept_although_the_flow_fails(self, records: Records) -> None:
        """A result belongs to its task."""
        f = task(Tally().note, cache_policy=DEFAULT)

        @flow
        def failing() -> None:
            f()
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            failing()
        assert ended(f).is_cached()

    def test_what_cannot_be_stored(self, records: Records) -> None:
        """Reaches the user, says why it is not stored, and is made again."""
        tally = Tally()

        @task(cache_policy=DEFAULT)
        def f() -> Any:
            tally.note()
            return threading.Lock()

        for calls in (1, 2):
            state = ended(f)
            assert (state.name, len(tally.calls)) == ("Completed", calls)
            assert "lock" in state.details["not_stored"]
            assert state.message == f"not stored: {state.details['not_stored']}"

    def test_an_input_without_digest(self, records: Records) -> None:
        """Runs uncached, and is named with what to do."""
        f = task(counted_by(Tally()), cache_policy=DEFAULT)
        state = ended(f, threading.Lock())
        assert state.name == "Completed"
        assert "input 'x' of 'counted' is a lock, which has no digest" in state.message
        assert "DEFAULT - 'x'" in state.message
        g = f.with_options(cache_policy=DEFAULT - "x")
        assert [ended(g, threading.Lock()).name for _ in range(2)] == ["Completed", "Cached"]

    def test_code_without_digest(self, records: Records) -> None:
        """The same; what it reaches is named."""
        held = threading.Lock()

        @task(cache_policy=DEFAULT)
        def f() -> bool:
            return held.locked()

        assert "'f' reaches held, which has no digest" in ended(f).message

    @pytest.mark.parametrize(
        "options",
        [
            {"cache_policy": DEFAULT},
            {"cache_policy": INPUTS - "z"},
            {"cache_for": 60, "cache_validator": all_inputs},
            {"cache_for": 60, "cache_validator": partial_inputs_only(["x", "y"])},
        ],
    )
    def test_inputs_that_are_one_object(self, records: Records, options: dict[str, Any]) -> None:
        """They are told from equal ones: what is done to one is done to the other."""

        @task(**options)
        def grow(x: list[int], y: list[int], z: object = 0) -> list[int]:
            x.append(1)
            return list(y)

        def of_one() -> tuple[list[int], list[int]]:
            return ((both := []), both)

        assert [grow(*of_one()), grow([], []), grow(*of_one())] == [[1], [], [1]]
        assert [ended(grow, *of_one()).name, ended(grow, [], []).name] == ["Cached", "Cached"]

    def test_inputs_changed_by_the_body(self, records: Records) -> None:
        """Count as they were before it."""

        @task(cache_policy=DEFAULT)
        def f(rows: list[int]) -> int:
            rows.append(1)
            return len(rows)

        assert [ended(f, [1]).name, ended(f, [1]).name, ended(f, [1, 1]).name] == [
            "Completed",
            "Cached",
            "Completed",
        ]

    def test_a_hit_says_from_which_run(self, records: Records) -> None:
        """For people, and by its identifier; the history knows the result that it ended with."""
        f = task(Tally().note, cache_policy=DEFAULT)
        with Flow("two") as graph:
            node = f()
        made, reused = (graph.run().result[node] for _ in range(2))
        assert (reused.message, reused.details["version"]) == ("result of run #1", made.details["version"])
        runs = [run for run in records.history.runs() if run.role == "task"]
        assert reused.details["cached_from"] == runs[1].id
        assert runs[0].trace == runs[1].trace != ""

    def test_an_asynchronous_task(self, records: Records) -> None:
        """Is cached as others are."""
        tally = Tally()

        @task(cache_policy=DEFAULT)
        async def f(x: int) -> int:
            return tally.note(x)

        @flow
        async def around() -> list[int]:
            return [await f(1), await f(1), await f(2)]

        assert asyncio.run(around()) == [1, 1, 2]

    def test_a_task_that_yields(self, records: Records) -> None:
        """Runs whenever it is called for its values one by one; the list that a future has is reused."""
        tally = Tally()

        @task(cache_policy=DEFAULT)
        def f(n: int) -> Iterator[int]:
            tally.note()
            yield from range(n)

        @flow
        def around() -> list[Any]:
            return [list(f(2)), f.submit(2).result(), list(f(2)), f.submit(2).result()]

        assert around() == [[0, 1]] * 4
        assert len(tally.calls) == 3

    def test_outside_of_flows(self) -> None:
        """Results are kept in the memory of the process."""
        f = task(counted_by(Tally()), cache_policy=DEFAULT)
        assert (f(1), f(1), f(2)) == (1, 1, 2)


def three() -> list[int]:
    """A list of its own."""
    return [1, 2, 3]


def nothing() -> None:
    """Nothing."""


class TestAge:
    """How long a result is reused."""

    @pytest.mark.parametrize(
        ("made", "asked", "later", "expected"),
        [
            ({}, {}, 1e9, "Cached"),
            ({"cache_expiration": "1h"}, {"cache_expiration": "1h"}, 3599, "Cached"),
            ({"cache_expiration": "1h"}, {"cache_expiration": "1h"}, 3600, "Completed"),
            ({"cache_expiration": "1h"}, {}, 3600, "Completed"),
            ({}, {"cache_expiration": "1h"}, 3600, "Completed"),
            ({}, {"cache_expiration": timedelta(minutes=61)}, 3600, "Cached"),
            ({"cache_for": "1h"}, {"cache_for": "1h"}, 3600, "Completed"),
            ({"cache_for": 0}, {"cache_for": 0}, 0, "Completed"),
        ],
    )
    def test_who_made_it_and_who_asks(
        self, records: Records, timers: FakeTimers, made: Any, asked: Any, later: float, expected: str
    ) -> None:
        """Both have a say."""
        f = task(Tally().note, cache_policy=DEFAULT)
        ended(f.with_options(**made))
        timers.clock.advance(later)
        assert ended(f.with_options(**asked)).name == expected

    def test_what_expires_says_when(self, records: Records, timers: FakeTimers) -> None:
        """And, once it has, that it has; what is made then is reused again."""
        f = task(Tally().note, cache_expiration="1h")
        with Flow("aged") as graph:
            node = f()
        graph.run()
        state = graph.run().result[node]
        assert state.details["expires"] == timers.now() + 3600
        assert "; expires " in state.message
        timers.clock.advance(3600)
        assert "result of run #1 expired" in graph.run().result[node].message
        assert graph.run().result[node].message.startswith("result of run #3")

    def test_refreshing_runs_and_replaces(self, records: Records) -> None:
        """Who reads afterwards gets the new result."""
        f = task(Tally().note, cache_policy=DEFAULT)
        fresh = f.with_options(refresh_cache=True)
        assert [f(), fresh(), fresh(), f()] == [1, 2, 3, 3]


class TestValidators:
    """Prefect 1's way."""

    @pytest.mark.parametrize(
        ("validator", "values", "said"),
        [
            (never_use, [1, 2, 3, 4, 5, 6], ""),
            (duration_only, [1, 1, 1, 1, 1, 1], "inputs not compared"),
            (None, [1, 1, 1, 1, 1, 1], "inputs not compared"),
            (all_inputs, [1, 1, 2, 3, 1, 1], ""),
            (all_parameters, [1, 1, 2, 3, 4, 1], "inputs not compared"),
            (partial_inputs_only(["x"]), [1, 1, 1, 2, 1, 1], "y not compared"),
            (partial_inputs_only, [1, 1, 1, 1, 1, 1], "inputs not compared"),
            (partial_parameters_only(["p"]), [1, 1, 1, 2, 1, 1], "inputs not compared"),
            (partial_parameters_only(["unknown"]), [1, 1, 1, 1, 1, 1], "inputs not compared"),
        ],
        ids=lambda value: getattr(value, "__name__", str(value)),
    )
    def test_the_sequence(self, records: Records, validator: Any, values: list[int], said: str) -> None:
        """Same, same, y changed, x changed, an unrelated parameter changed, back to the first."""
        tally = Tally()

        @task(cache_for=timedelta(hours=1), cache_validator=validator)
        def f(x: int, y: int) -> int:
            return tally.note()

        with Flow("sequence") as graph:
            p, q, u = (Parameter(name, default=1) for name in "pqu")
            made = f(p, q)
            graph.add_task(u)
        base = {"p": 1, "q": 1, "u": 1}
        changes: list[dict[str, int]] = [{}, {}, {"q": 2}, {"p": 2}, {"u": 2}, {}]
        states = [graph.run({**base, **change}).result[made] for change in changes]
        assert [state.result for state in states] == values
        if validator is not never_use:
            last = states[-1]
            assert ("compared" in last.message) == bool(said)
            assert said in last.message
            assert last.details.get("as_of", "") == said

    def test_a_validator_of_ones_own(self, records: Records) -> None:
        """Is told the earlier state, the inputs and the parameters; the state says who chose."""
        told: list[Any] = []

        def odd(state: State, inputs: Any, parameters: Any) -> bool:
            told.append((state.result, dict(inputs), dict(parameters)))
            return state.result % 2 == 1

        f = task(counted_by(Tally()), cache_validator=odd)

        @flow
        def around(x: int) -> int:
            return f(x)

        assert [around(x) for x in (5, 6, 6)] == [1, 1, 1]
        assert told[-1] == (1, {"x": 6}, {"x": 6})
        assert "chosen by odd" in ended(f, 6).message

    def test_one_that_raises(self, records: Records) -> None:
        """Nothing is reused, and it is named."""

        def broken(state: State, inputs: Any, parameters: Any) -> bool:
            raise RuntimeError("v")

        f = task(Tally().note, cache_validator=broken)
        ended(f)
        state = ended(f)
        assert (state.name, state.value()) == ("Completed", 2)
        assert "cache_validator broken raised RuntimeError: v" in state.message

    def test_a_name_that_no_input_has(self, records: Records) -> None:
        """Nothing is reused: it would be equal whatever the inputs are."""

        @task(cache_for=60, cache_validator=partial_inputs_only(["xs"]))
        def same(x: int) -> int:
            return x

        assert (same(1), same(2)) == (1, 2)
        assert r"partial_inputs_only(['xs']) names no input of 'same'(x: 'int')" in ended(same, 2).message

    def test_code_that_changed(self, records: Records) -> None:
        """Has no results yet, whatever the validator; going back finds the old ones."""
        names: dict[str, Any] = {"__name__": "lab_of_caching", "tally": Tally()}
        found = []
        for rate in (1, 2, 1):
            exec(f"def f():\n    return tally.note({rate})", names)
            found.append(task(names["f"], cache_for="1h")())
        assert found == [1, 2, 1]

    @pytest.mark.parametrize("options", [{}, {"cache_validator": partial_inputs_only([])}])
    def test_tasks_of_one_function(self, records: Records, options: dict[str, Any]) -> None:
        """Have results of their own, as nothing may be compared but the name; calls by one name share."""

        @task(cache_for="1h", **options)
        def load(where: str) -> str:
            return where

        us, eu = load.with_options(name="us"), load.with_options(name="eu")
        for _ in range(2):
            with Flow("both") as both:
                first, second, third = us("US"), eu("EU"), load.copy(name="asia")("ASIA")
            state = both.run()
            assert [state.result[each].result for each in (first, second, third)] == ["US", "EU", "ASIA"]
        assert all(state.result[each].is_cached() for each in (first, second, third))
        assert us("elsewhere") == "US"

    def test_a_key_shared_by_tasks(self, records: Records) -> None:
        """Whose results they share, whatever their code."""
        one, other = (task(function, cache_for="1h", cache_key="K") for function in (three, nothing))
        assert (one(), other()) == ([1, 2, 3], [1, 2, 3])

    def test_a_key_alone_is_no_caching(self, records: Records) -> None:
        """It says where, not how long."""
        f = task(Tally().note, cache_key="K")
        assert (f(), f()) == (1, 2)

    def test_other_inputs_within_one_run(self, records: Records) -> None:
        """Are computed, even where inputs do not count; later runs give each its own result back."""
        f = task(counted_by(Tally()), cache_for="1h")

        @flow
        def around(*xs: int) -> list[int]:
            return [f(x) for x in xs]

        assert [around(5, 6, 5), around(6, 5), around(7)] == [[1, 2, 1], [2, 1], [1]]


class TestPlaces:
    """Where results are kept."""

    def _records(self, folder: Path, timers: FakeTimers) -> Records:
        return records_in(DiskStore(folder, namespace={"__name__": "__main__"}, key=KEY), timers)

    @pytest.mark.parametrize("options", [{"cache_policy": DEFAULT}, {"cache_for": "1h"}])
    @pytest.mark.parametrize("value", [7, list(range(100_000))], ids=["small", "large"])
    def test_after_reopening(self, tmp_path: Path, timers: FakeTimers, value: Any, options: Any) -> None:
        """A later process finds them."""
        tally = Tally()

        @task(**options)
        def f(x: Any) -> Any:
            tally.note()
            return x

        for expected in ("Completed", "Cached"):
            records = self._records(tmp_path / "store", timers)
            with using(records):
                state = ended(f, value)
            records.store.close()  # type: ignore[union-attr]
            assert (state.name, state.value()) == (expected, value)
        assert len(tally.calls) == 1

    def test_a_damaged_result(self, tmp_path: Path, timers: FakeTimers) -> None:
        """Is a miss that says why, and is made again."""
        f = task(large, cache_policy=DEFAULT)
        records = self._records(tmp_path / "store", timers)
        with using(records):
            ended(f)
        records.store.close()  # type: ignore[union-attr]
        (blob,) = (path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file())
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes().replace(b"xxx", b"xyx", 1))
        records = self._records(tmp_path / "store", timers)
        with using(records):
            state = ended(f)
            assert (state.name, state.value()) == ("Completed", large())
            assert "is damaged" in state.message
            assert ended(f).value() == large()
        records.store.close()  # type: ignore[union-attr]

    def test_another_users_results(self, tmp_path: Path, timers: FakeTimers) -> None:
        """What is signed with another key is not used."""
        f = task(Tally().note, cache_policy=DEFAULT)
        for key in (KEY, bytes(32)):
            store = DiskStore(tmp_path / "store", namespace={"__name__": "__main__"}, key=key)
            with using(records_in(store, timers)):
                assert ended(f).name == "Completed"
            store.close()

    def test_a_store_that_fails(self, records: Records) -> None:
        """Costs only the cache."""

        class Broken(MemoryStore):
            def find(self, action_key: str) -> Any:
                raise OSError("no disk")

            def commit(self, action_key: str, trace: Any, units: Any) -> Any:
                raise OSError("no space")

        with using(records_in(Broken())):
            state = ended(task(Tally().note, cache_policy=DEFAULT))
        assert state.value() == 1
        assert state.message == "not reused: no disk; not stored: no space"

    def test_secrets(self, records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Their digests tell nothing to who reads a store; other secrets are other inputs."""
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path))
        tally = Tally()

        @task(cache_policy=DEFAULT)
        def f(token: str) -> int:
            return tally.note()

        assert (f("a"), f("a"), f("b")) == (1, 1, 2)
        (run, *_) = (run for run in records.history.runs() if run.trace)
        assert records.store is not None
        trace = records.store.trace(run.trace)
        assert trace is not None
        assert digest("b") not in {entry.digest for entry in trace.entries}


def large() -> str:
    """A text that is no small value."""
    return "x" * 100_000
