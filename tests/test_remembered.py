"""What this process knows still of runs of explicit flows."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import nbflow
from nbflow import Flow, flow, get_run_logger, task
from nbflow.notebook.remembered import GONE, Remembered
from nbflow.store.protocol import LOG, TRACEBACK
from tests.graphs import in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.running.records import Records


class Model:
    """A value that can be held weakly."""


@task(log_prints=True)
def many(count: int) -> list[Any]:
    """Gives a list that is too large to be kept."""
    print("making", count)
    return [[number] for number in range(count)]


@task
def same(value: Any) -> Any:
    """Gives what it was given."""
    return value


@task(log_stdout=True)
def login(password: str) -> str:
    """Logs what must not be shown."""
    get_run_logger().warning("logged in")
    return password


@pytest.fixture
def records() -> Iterator[Records]:
    """Where all runs of the test are kept."""
    with in_memory() as records:
        yield records


@pytest.fixture
def remembered(records: Records) -> Iterator[Remembered]:
    """Listens to all runs of the test."""
    assert records.store is not None
    made = Remembered(records.journal, records.store.history)
    yield made
    made.close()


def text(records: Records, run: str, kind: str = LOG) -> str:
    """What is kept of a run."""
    assert records.store is not None
    return records.store.history.text(run, kind)


def build(value: Any) -> Flow:
    """A flow that passes something on."""
    with Flow("passes") as built:
        same(value)
    return built


class TestValues:
    """Of tasks, items and flows."""

    def test_small_ones_are_kept(self, remembered: Remembered) -> None:
        """In words, and as they are, whoever has let go of them."""
        built = build([1, 2])
        built.run()
        (run,) = built.latest.values()
        insides = remembered.insides(run)
        assert insides.result is not None
        assert (insides.result.about, insides.result.text) == ("list, 2 items", "[1, 2]")
        assert insides.result.reach() == insides.inputs["value"].reach() == [1, 2]

    def test_large_ones_as_long_as_their_state_is(self, remembered: Remembered) -> None:
        """That of the run that made them, also for those that were given them."""
        with Flow("large") as built:
            given = same(many(500))
        state = built.run()
        insides = remembered.insides(built.latest[given])
        value = insides.inputs["value"]
        assert value.reach() is state.result["many"].result
        del state
        gc.collect()
        assert value.reach() is GONE
        assert (value.about, value.text) == ("list, 500 items", "list of 500")

    def test_others_as_long_as_somebody_holds_them(self, remembered: Remembered) -> None:
        """A run keeps no object alive."""
        models, runs = [Model()], list[str]()

        @flow
        def passes() -> None:
            runs.append(same(models[0], return_state=True).run)

        passes()
        found = remembered.insides(*runs).result
        assert found is not None
        assert found.reach() is models[0]
        models.clear()
        gc.collect()
        assert found.reach() is GONE

    def test_items(self, remembered: Remembered) -> None:
        """Each has its own."""
        with Flow("mapped") as built:
            same.map([3, 4])
        items = next(iter(built.run().result.values())).map_states
        assert [remembered.insides(item.run).inputs["value"].text for item in items] == ["3", "4"]

    def test_while_it_runs(self, remembered: Remembered) -> None:
        """What it was given is known as soon as its body has it."""
        seen: list[str] = []

        @task
        def looks(number: int, parts: list[int]) -> None:
            given = remembered.insides(nbflow.context.task_run_id).inputs
            seen.extend(each.text for each in given.values())

        with Flow("looks") as built:
            looks(7, [1, 2])
        built.run()
        assert seen == ["7", "[1, 2]"]

    def test_as_they_were(self, remembered: Remembered) -> None:
        """What is changed later is shown as it was when the run ended."""
        numbers = [1]
        with Flow("changed") as built:
            same(numbers)
        built.run()
        numbers.append(2)
        assert remembered.insides(*built.latest.values()).inputs["value"].text == "[1]"

    def test_what_failed_has_made_nothing(self, remembered: Remembered) -> None:
        """What it was given is known."""
        with Flow("fails") as built:
            many(None)
        built.run()
        insides = remembered.insides(*built.latest.values())
        assert insides.result is None
        assert insides.inputs["count"].text == "None"

    def test_a_reuse(self, remembered: Remembered) -> None:
        """Was given what it would have run with."""
        with Flow("cached") as built:
            same.with_options(cache_for=60)(5)
        built.run()
        assert next(iter(built.run().result.values())).is_cached()
        assert remembered.insides(*built.latest.values()).inputs["value"].text == "5"

    def test_secrets(self, remembered: Remembered) -> None:
        """What a name says is secret is neither shown nor kept."""
        with Flow("secret") as built:
            login("pa55word")
        built.run()
        value = remembered.insides(*built.latest.values()).inputs["password"]
        assert (value.text, value.reach()) == ("•••", GONE)

    def test_an_unknown_run(self, remembered: Remembered) -> None:
        """Nothing is known of it."""
        assert remembered.insides("nobody").result is None


@pytest.mark.usefixtures("remembered")
class TestTexts:
    """What runs have said."""

    def test_prints(self, records: Records) -> None:
        """With `log_prints`, and with Prefect 1's name for it."""
        with Flow("prints") as built:
            made, logged = many(2), login("x")
        built.run()
        assert text(records, built.latest[made]).endswith("INFO making 2")
        assert text(records, built.latest[logged]).endswith("WARNING logged in")

    def test_of_very_many_lines_the_last_ones(self, records: Records) -> None:
        """However many a body logs."""

        @task(log_prints=True)
        def talks() -> None:
            for number in range(3_000):
                print("line", number)

        with Flow("talks") as built:
            talks()
        built.run()
        lines = text(records, *built.latest.values()).splitlines()
        assert (len(lines), lines[-1].partition(" ")[2]) == (500, "INFO line 2999")

    def test_where_it_failed(self, records: Records) -> None:
        """The lines of the user and the cause, and no line of ours."""
        with Flow("fails") as built:
            many(None)
        built.run()
        told = text(records, *built.latest.values(), TRACEBACK)
        assert told.startswith("Traceback (most recent call last):")
        assert told.endswith("TypeError: 'NoneType' object cannot be interpreted as an integer")
        assert "return [[number] for number in range(count)]" in told
        assert f"{Path(nbflow.__file__).parent}" not in told

    def test_closed(self, remembered: Remembered, records: Records) -> None:
        """Nothing is heard any more, and no handler is left behind."""
        remembered.close()
        with Flow("unheard") as built:
            many(2)
        built.run()
        assert text(records, *built.latest.values()) == ""
        assert remembered.insides(*built.latest.values()).result is None
