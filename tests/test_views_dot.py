"""The picture of a flow for graphviz."""

from __future__ import annotations

import sys

import pytest

from nbflow.exceptions import NbflowError
from nbflow.types import Verdict
from nbflow.views import Edge, FlowCard, TaskCard, to_dot

FLOW = FlowCard(
    (
        TaskCard("raw:data", Verdict.FRESH, seconds=1.2),
        TaskCard("<b>clean</b>", Verdict.STALE, "Failed"),
        TaskCard('a"\\n', None),
    ),
    (Edge("raw:data", "<b>clean</b>", ("df",)), Edge("raw:data", 'a"\\n'), Edge("raw:data", "ghost")),
    "flights",
)


class TestDigraph:
    """`graphviz` is a guest."""

    def test_it_is_a_digraph_with_all_tasks_and_edges(self) -> None:
        """Names with colons, quotes and angle brackets are names and nothing else."""
        graphviz = pytest.importorskip("graphviz")
        graph = to_dot(FLOW)
        assert isinstance(graph, graphviz.Digraph)
        assert "task0 -> task1" in graph.source
        assert "task0 -> task2" in graph.source
        assert graph.source.count("->") == 2
        assert '"raw:data\nfresh · 1.2 s"' in graph.source
        assert 'label="<b>clean</b>\nfailed"' in graph.source
        assert 'label="a\\"\\\\n\nnot run"' in graph.source
        assert "octagon" in graph.source

    def test_without_the_program_it_shows_our_own_picture(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The package without `dot` is what most people have."""
        pytest.importorskip("graphviz")
        monkeypatch.setenv("PATH", "")
        bundle = to_dot(FLOW)._repr_mimebundle_()
        assert bundle["image/svg+xml"].startswith("<svg")
        assert "digraph" in bundle["text/plain"]

    def test_without_the_package_the_error_says_what_to_do(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is needed for nothing else."""
        monkeypatch.setitem(sys.modules, "graphviz", None)
        with pytest.raises(NbflowError, match="pip install graphviz"):
            to_dot(FLOW)
