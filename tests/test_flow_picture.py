"""How a graph flow is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow import Flow
from nbflow.flows.picture import card_of
from nbflow.views.cards import Edge
from tests.graphs import add, fails, in_memory, inc, odd, ok

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with in_memory():
        yield


def build() -> Flow:
    """A flow with two tasks of one name, a mapped one, a failure, and order without data."""
    with Flow("drawn") as flow:
        one, two = ok(1), ok(2)
        add(one, [two, one], upstream_tasks=[fails()])
        inc.map(odd.map([1, 3]))
    return flow


class TestCard:
    """What the views are given."""

    def test_tasks_and_edges(self) -> None:
        """By slugs, with the arguments that are filled."""
        card = card_of(build(), "drawn")
        assert [task.name for task in card.tasks] == ["ok", "ok-2", "fails", "add", "odd", "inc"]
        assert card.edges == (
            Edge("ok", "add", ("x", "y")), Edge("ok-2", "add", ("y",)), Edge("fails", "add"),
            Edge("odd", "inc", ("x",)),
        )  # fmt: skip
        assert [task.state for task in card.tasks] == [""] * 6

    def test_states_of_a_run(self) -> None:
        """With errors, and how many items there were."""
        flow = build()
        card = card_of(flow, "drawn", flow.run().result)
        by_name = {task.name: task for task in card.tasks}
        assert by_name["fails"].error == "ValueError: no"
        assert (by_name["add"].state, by_name["odd"].state) == ("TriggerFailed", "Mapped")
        assert (by_name["odd"].notes, by_name["ok"].notes) == (("2 items",), ())


class TestShown:
    """What a notebook shows."""

    def test_visualize(self) -> None:
        """A `graphviz.Digraph`, coloured by the states of a run."""
        flow = build()
        plain, coloured = flow.visualize(), flow.visualize(flow.run())
        assert type(plain).__mro__[1].__module__.startswith("graphviz")
        assert "not run" in plain.source
        assert "trigger failed" in coloured.source

    def test_a_flow_shows_itself(self) -> None:
        """As a picture, or a line of text."""
        bundle = build()._repr_mimebundle_()
        assert bundle["text/plain"] == "<Flow 'drawn': 6 tasks>"
        assert bundle["image/svg+xml"].startswith("<svg")

    def test_an_empty_one(self) -> None:
        """Has nothing to draw."""
        assert "text/html" in Flow("empty")._repr_mimebundle_()
        assert "digraph" in Flow("empty").visualize().source
