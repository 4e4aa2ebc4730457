"""What runs are called, by texts with fields and by functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow import context, flow, task
from nbflow.exceptions import OptionError
from nbflow.running.records import Records, records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def records() -> Iterator[Records]:
    """Records in memory, by a clock that moves when somebody waits."""
    with using(records_in(MemoryStore(), FakeTimers())) as given:
        yield given


def name_given(template: Any, *args: Any) -> str:
    """The name of the run of a task with parameters x and y=3, as hooks see it."""
    seen: list[str] = []

    @task(task_run_name=template, on_running=[lambda task, run, state: seen.append(run.name)])
    def load(x, y=3):
        seen.append(context.task_run_name)

    load(*args)
    assert seen[0] == seen[1]
    return seen[0]


class TestTexts:
    """Fields are parameters, and what the context shows."""

    @pytest.mark.parametrize(
        ("text", "argument", "name"),
        [
            ("load", 1, "load"),
            ("load-{x}-{y:02}", 1, "load-1-03"),
            ("{x[k]!r:>5}", {"k": "a"}, "  'a'"),
            ("{x.imag}", 1 + 2j, "2.0"),
            ("{x:%d.%m.}", __import__("datetime").date(2024, 2, 29), "29.02."),
            ("{task_name}: {x}", 1, "load: 1"),
            ("{{x}}", 1, "{x}"),
        ],
    )
    def test_they_are_formatted(self, text: str, argument: Any, name: str) -> None:
        """As `str.format` does it; defaults are there, too."""
        assert name_given(text, argument) == name

    def test_they_see_results_and_not_futures(self, records: Records) -> None:
        """The history has the name as well."""

        @task(task_run_name="got {x}")
        def takes(x):
            return x

        @task
        def gives():
            return 7

        @flow(flow_run_name="{flow_name} of {n:03}")
        def named(n=5):
            return takes.submit(gives.submit()).result(), context.flow_run_name

        assert named() == (7, "named of 005")
        assert sorted(each.name for each in records.history.runs()) == ["gives", "got 7", "named of 005"]

    def test_a_text_that_makes_no_name_fails_the_run(self) -> None:
        """At once, in one line, before its body."""
        ran: list[int] = []

        @task(task_run_name="load-{year}", retries=3)
        def load(x, y=3):
            ran.append(x)

        with pytest.raises(OptionError) as caught:
            load(1)
        text = "the name 'load-{year}' cannot be made for a run of 'load': there is no 'year'; it has x, y"
        assert str(caught.value) == text
        assert ran == []


class TestFunctions:
    """A function returns the name."""

    def test_without_arguments_it_asks_the_context(self) -> None:
        """Flows show their parameters there."""

        @flow(flow_run_name=lambda: f"{context.flow_name}-{context.parameters['n']}")
        def named(n):
            return context.flow_run_name

        assert named(4) == "named-4"

    def test_it_may_take_the_parameters(self) -> None:
        """All of them, with defaults, in one dictionary."""
        assert name_given(lambda parameters: f"{sorted(parameters)}", 1) == "['x', 'y']"

    @pytest.mark.parametrize(
        ("function", "text"),
        [(lambda: 7, "<lambda> returned 7 as the name"), (lambda: 1 / 0, "name <lambda> cannot be made")],
    )
    def test_one_that_returns_no_text_or_raises_fails_the_run(self, function: Any, text: str) -> None:
        """The message says which."""
        with pytest.raises(OptionError, match=text):
            name_given(function, 1)


class TestWithoutOne:
    """A run is called as its task, with its place in a map."""

    def test_names_by_default(self) -> None:
        """Those of the options count."""

        @task(name="first")
        def one(x):
            return context.task_run_name

        @flow(name="whole")
        def whole():
            return one(1), one.map([1, 2]).result(), context.flow_run_name

        assert whole() == ("first", ["first[0]", "first[1]"], "whole")
