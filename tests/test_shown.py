"""What `nbflow.context` shows to the bodies of steps, and which of that are their inputs."""

from __future__ import annotations

import pytest

from nbflow import tags
from nbflow.context import context
from nbflow.task_runners import ThreadPoolTaskRunner
from nbflow.testing import FakeClock, Notebook
from nbflow.types import Verdict

DAY = 24 * 3600.0
ASKS = "from nbflow import context\n"
GRAPH = "state = graph.run()\nfound = state.result[made].result\ndel state"


def asking(key: str) -> str:
    """A cell that reads a key of the context."""
    return f"{ASKS}found = context.get({key!r}, 'nothing')"


def run(notebook: Notebook, cell: str) -> object:
    """Run a cell; what it has found."""
    assert not notebook.run(cell).errors
    return notebook.names["found"]


class TestByTheStep:
    """Name and tags of the task."""

    def test_name_and_tags(self) -> None:
        """A body sees those of its own task, which stay up to date."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}found = context.task_name, sorted(context.task_tags)", name="load")
        notebook.let(cell, tags=frozenset({"slow", "io"}))
        assert run(notebook, cell) == ("load", ["io", "slow"])
        assert notebook.verdict(cell) is Verdict.FRESH
        assert not notebook.run(cell).executed

    def test_another_name_is_another_input(self) -> None:
        """Its task is stale by name, and the earlier name finds the earlier result."""
        notebook = Notebook()
        cell = notebook.add(asking("task_name"), name="load")
        run(notebook, cell)
        notebook.rename(cell, "fetch")
        assert notebook.verdict(cell) is Verdict.STALE
        (cause,) = notebook.why(cell)
        assert (cause.category, cause.subject) == ("context", "task_name")
        assert (cause.before, cause.after) == ("'load'", "'fetch'")
        assert run(notebook, cell) == "fetch"
        notebook.rename(cell, "load")
        assert not notebook.run(cell).executed
        assert notebook.names["found"] == "load"

    def test_other_tags_are_another_input(self) -> None:
        """Also where a body looked for one only."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}found = 'slow' in context.task_tags")
        assert run(notebook, cell) is False
        notebook.let(cell, tags=frozenset({"slow"}))
        assert notebook.verdict(cell) is Verdict.STALE
        assert run(notebook, cell) is True

    def test_who_does_not_ask_is_not_concerned(self) -> None:
        """A rename leaves other tasks, and those that read nothing of it, up to date."""
        notebook = Notebook()
        cell = notebook.add("found = 1", name="load")
        run(notebook, cell)
        notebook.rename(cell, "fetch")
        notebook.let(cell, tags=frozenset({"slow"}))
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_the_result_of_a_cell_with_the_same_code(self) -> None:
        """It is of another task."""
        notebook = Notebook()
        first = notebook.add(asking("task_name"), name="load")
        second = notebook.add(asking("task_name"), name="fetch")
        assert run(notebook, first) == "load"
        assert run(notebook, second) == "fetch"
        assert notebook.verdict(second) is Verdict.FRESH

    def test_plain_cells_have_none(self) -> None:
        """Looking in vain is up to date as long as it would be in vain."""
        notebook = Notebook()
        cell = notebook.add(asking("task_name"), plain=True)
        assert run(notebook, cell) == "nothing"
        assert notebook.verdict(cell) is Verdict.FRESH

    @pytest.mark.parametrize("key", ["today", "flow_name"])
    def test_nor_anything_of_a_flow(self, key: str) -> None:
        """Nobody runs them as a part of it, when their user does."""
        notebook = Notebook()
        cell = notebook.add(asking(key), plain=True)
        assert run(notebook, cell) == "nothing"
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_in_items(self) -> None:
        """Each item is of the task, at its position."""
        notebook = Notebook()
        notebook.run(notebook.add("rows = [5, 6]", plain=True))
        cell = notebook.add(
            f"{ASKS}found = row, context.task_name, context.map_index", name="each", row="rows"
        )
        assert [*run(notebook, cell)] == [(5, "each", 0), (6, "each", 1)]  # type: ignore[misc]  # a list of results
        assert notebook.verdict(cell) is Verdict.FRESH
        notebook.rename(cell, "every")
        assert [*run(notebook, cell)] == [(5, "every", 0), (6, "every", 1)]  # type: ignore[misc]  # as above

    def test_in_threads(self) -> None:
        """What surrounds a body goes with it."""
        with ThreadPoolTaskRunner(max_workers=2) as runner:
            notebook = Notebook(runner=runner)
            cell = notebook.add(asking("task_name"), name="load")
            run(notebook, cell)
            notebook.rename(cell, "fetch")
            assert notebook.flow().executed == [cell]
            assert notebook.names["found"] == "fetch"
            assert notebook.verdict(cell) is Verdict.FRESH


class TestOfTheFlow:
    """Its name, its parameters and its days."""

    def test_a_day_is_an_input_until_the_next(self) -> None:
        """The result of a day is stale on the next, and found again where it was made for that day."""
        clock = FakeClock()
        notebook = Notebook(clock=clock)
        cell = notebook.add(asking("today"))
        assert run(notebook, cell) == "2001-09-09"
        clock.advance(3600.0)
        notebook.sweep.look_outside()
        assert notebook.verdict(cell) is Verdict.FRESH
        clock.advance(DAY)
        notebook.sweep.look_outside()
        assert notebook.verdict(cell) is Verdict.STALE
        (cause,) = notebook.why(cell)
        assert (cause.subject, cause.before, cause.after) == ("today", "'2001-09-09'", "'2001-09-10'")
        assert run(notebook, cell) == "2001-09-10"

    @pytest.mark.parametrize("key", ["date", "scheduled_start_time"])
    def test_the_moment_is_as_of(self, key: str) -> None:
        """It is another one at each run, like that of a clock."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}found = context.{key}.year")
        assert run(notebook, cell) == 2001
        assert notebook.verdict(cell) is Verdict.AS_OF
        (cause,) = notebook.why(cell)
        assert cause.subject == f"clock: context.{key}"

    def test_its_name(self) -> None:
        """That of the notebook's file; without one, a word for it."""
        notebook = Notebook()
        cell = notebook.add(asking("flow_name"))
        assert run(notebook, cell) == "notebook"
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_what_the_user_has_set_counts_instead(self) -> None:
        """For the day, as in Prefect 1."""
        notebook = Notebook()
        cell = notebook.add(asking("today"))
        with context(today="2020-02-02"):
            assert run(notebook, cell) == "2020-02-02"
            assert notebook.verdict(cell) is Verdict.FRESH

    def test_parameters_are_literals_and_copies(self) -> None:
        """All of them at once is as of; nobody changes those of others by them."""
        notebook = Notebook()
        params = notebook.add("LATE = 15\nPLACES = ['JFK']\nCUT = len", plain=True)
        notebook.let(params, parameters=frozenset({"LATE", "PLACES", "CUT"}))
        notebook.run(params)
        cell = notebook.add(f"{ASKS}found = context.parameters\nfound['PLACES'].append('LGA')")
        assert run(notebook, cell) == {"LATE": 15, "PLACES": ["JFK", "LGA"]}
        assert notebook.names["PLACES"] == ["JFK"]
        assert notebook.verdict(cell) is Verdict.AS_OF
        (cause,) = notebook.why(cell)
        assert "by their names" in cause.subject


class TestItsOwn:
    """What a body sets itself is none of its inputs."""

    def test_values_that_it_adds(self) -> None:
        """It stays up to date whatever there is outside."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}with context(key='own'):\n    found = context.key")
        assert run(notebook, cell) == "own"
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_values_from_outside(self) -> None:
        """They are, also within what it adds."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}with context(other=1):\n    found = context.get('key', 0)")
        with context(key=7):
            assert run(notebook, cell) == 7
            assert notebook.verdict(cell) is Verdict.FRESH
        notebook.sweep.look_outside()
        assert notebook.verdict(cell) is Verdict.STALE

    def test_values_that_were_added_around_it(self) -> None:
        """Whoever runs it has set them."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}found = context.get('key', 0)", plain=True)
        with context(key=7):
            assert run(notebook, cell) == 7
        notebook.sweep.look_outside()
        assert notebook.verdict(cell) is Verdict.STALE

    def test_runs_that_it_starts(self) -> None:
        """Name and position of another run follow from the body; its day does not."""
        notebook = Notebook()
        cell = notebook.add(
            "from nbflow import context, flow, task\n"
            "@task\n"
            "def inner(x):\n    return context.task_name, context.map_index, context.flow_name\n"
            "@flow\n"
            "def outer():\n    return inner.map([1, 2]).result()\n"
            "found = outer()",
            name="load",
        )
        assert run(notebook, cell) == [("inner", 0, "outer"), ("inner", 1, "outer")]
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_the_day_of_a_flow_that_it_runs(self) -> None:
        """It is what it is whoever asks."""
        clock = FakeClock()
        notebook = Notebook(clock=clock)
        cell = notebook.add(
            "from nbflow import context, flow\n@flow\ndef outer(): return context.date.year\nfound = outer()"
        )
        run(notebook, cell)
        assert notebook.verdict(cell) is Verdict.AS_OF


DEFINED = [
    ("@task(name='{}')\ndef inner(x): return context.task_name", "found = inner(1)"),
    ("@task(tags=['{}'])\ndef inner(x): return [*context.task_tags]", "found = inner(1)"),
    (
        "@task\ndef inner(x): return [*context.task_tags]\nother = inner.with_options(tags=['{}'])",
        "found = other(1)",
    ),
    ("@flow(name='{}')\ndef inner(): return context.flow_name", "found = inner()"),
    ("@task\ndef inner(): return context.flow_name\nwith Flow('{}') as graph:\n    made = inner()", GRAPH),
]


class TestWhatItCalls:
    """Name and tags of what a body calls are parts of that."""

    @pytest.mark.parametrize(("define", "call"), DEFINED)
    def test_another_definition(self, define: str, call: str) -> None:
        """Who has called it is stale."""
        notebook = Notebook()
        notebook.run(notebook.add("from nbflow import Flow, context, flow, task", plain=True))
        definition = notebook.add(define.format("one"), plain=True)
        notebook.run(definition)
        cell = notebook.add(call)
        before = run(notebook, cell)
        assert notebook.verdict(cell) is Verdict.FRESH
        notebook.edit(definition, define.format("two"))
        notebook.run(definition)
        assert notebook.verdict(cell) is Verdict.STALE
        assert (before, run(notebook, cell)) in (("one", "two"), (["one"], ["two"]))

    def test_tags_around_it(self) -> None:
        """They are none of those that its body begins with."""
        notebook = Notebook()
        cell = notebook.add(
            "from nbflow import context, tags, task\n"
            "@task\ndef inner(): return sorted(context.task_tags)\n"
            "found = inner()\nwith tags('own'): found += inner()"
        )
        with tags("others"):
            assert run(notebook, cell) == ["own"]
        assert notebook.verdict(cell) is Verdict.FRESH


class TestLeftOpen:
    """A generator that nobody ends leaves a scope open."""

    def test_it_ends_with_the_body(self) -> None:
        """Nothing of its run is seen by others."""
        clock = FakeClock()
        notebook = Notebook(clock=clock)
        leaves = "def leave():\n    with context(key=1):\n        yield 1\nleft = leave()\nfirst = next(left)"
        notebook.run(notebook.add(f"{ASKS}{leaves}", name="leaves"))
        assert dict(context) == {}
        cell = notebook.add(asking("today"))
        assert run(notebook, cell) == "2001-09-09"
        clock.advance(3 * DAY)
        notebook.sweep.look_outside()
        assert notebook.verdict(cell) is Verdict.STALE


class TestAllOfIt:
    """Looking at all keys at once."""

    @pytest.mark.parametrize(
        "look", ["sorted(context)", "len(context)", "repr(context)", "'key' in dir(context)"]
    )
    def test_it_is_as_of(self, look: str) -> None:
        """Some of it is another at each run."""
        notebook = Notebook()
        cell = notebook.add(f"{ASKS}found = {look}")
        run(notebook, cell)
        assert notebook.verdict(cell) is Verdict.AS_OF
        assert "by its key" in " ".join(cause.subject for cause in notebook.why(cell))
