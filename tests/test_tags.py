"""Tags that are given by `with` statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow import Flow, context, flow, tags, task
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


@task(tags=["own"])
def seen() -> list[str]:
    """Return the tags of the run."""
    return sorted(context.task_tags)


class TestTags:
    """They add up."""

    def test_those_of_the_task_and_all_around(self) -> None:
        """For calls, futures and maps; what is left is gone."""

        @flow
        def tagged():
            with tags("a"):
                with tags("b", "c"):
                    inner = seen(), seen.submit().result()
                outer = seen()
            return inner, outer, seen()

        assert tagged() == ((["a", "b", "c", "own"],) * 2, ["a", "own"], ["own"])

    def test_around_a_flow_they_count_for_all_its_runs(self) -> None:
        """For its own, too."""
        told: list[frozenset[str]] = []

        @flow(tags={"mine"}, on_completion=[lambda flow, run, state: told.append(run.tags)])
        def tagged():
            return seen()

        with tags("nightly"):
            assert tagged() == ["nightly", "own"]
        assert told == [frozenset({"mine", "nightly"})]

    def test_in_a_graph_they_count_where_a_task_is_added(self) -> None:
        """Whenever the graph is run."""
        with Flow("graph") as graph:
            with tags("a"):
                tagged = seen()
            plain = seen()
        states = graph.run().result
        assert (states[tagged].result, states[plain].result) == (["a", "own"], ["own"])
        assert seen.options.tags == ("own",)

    def test_an_exception_ends_them(self) -> None:
        """As it ends the statement."""
        with pytest.raises(KeyError), tags("a"):
            raise KeyError
        assert seen() == ["own"]

    def test_options_replace_those_of_the_task_only(self) -> None:
        """Those around stay."""
        with tags("a"):
            assert seen.with_options(tags={"new"})() == ["a", "new"]
            assert seen.with_options(tags=None)() == ["a"]
