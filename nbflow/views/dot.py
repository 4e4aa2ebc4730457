"""The picture of a flow for graphviz: `flow.visualize()` and export as DOT."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import NbflowError
from nbflow.views.graph import draw
from nbflow.views.looks import look_of, mixed
from nbflow.views.pdf import picture_bundle
from nbflow.views.words import duration, listed, one_line

if TYPE_CHECKING:
    from nbflow.views.cards import FlowCard, TaskCard

_NEEDS: Final = "a DOT graph needs the package graphviz; run `pip install graphviz`, or use `%flow`"
_INK: Final = "#1b1f24"
_PAPER: Final = "#ffffff"
_MUTED: Final = "#59636e"
_SHAPES: Final = {"round": "box", "slant": "parallelogram", "octagon": "octagon", "square": "box"}
_FONT: Final = {"fontname": "Helvetica", "fontsize": "11"}
_GRAPH: Final = {"rankdir": "TB", "nodesep": "0.3", "ranksep": "0.4"}
_NODE: Final = {**_FONT, "penwidth": "1.2", "margin": "0.15,0.08"}
_EDGE: Final = {**_FONT, "fontsize": "9", "color": "#8a929b", "fontcolor": _MUTED, "arrowsize": "0.6"}


def to_dot(flow: FlowCard) -> Any:
    """Return a flow as a `graphviz.Digraph`, coloured by state.

    Shown in a notebook where the `dot` program is missing, it shows nbflow's own drawing.

    Args:
        flow: The flow.

    Raises:
        NbflowError: If the package graphviz is not installed.
    """
    graphviz = _graphviz()
    own = {"name": one_line(flow.title, 80) or "flow", "graph_attr": _GRAPH}
    graph = _digraph_class(graphviz, flow)(**own, node_attr=_NODE, edge_attr=_EDGE)
    number = {task.name: f"task{place}" for place, task in enumerate(flow.tasks)}
    for task in flow.tasks:
        graph.node(number[task.name], graphviz.escape(_label(task)), **_attributes(task))
    for edge in flow.edges:
        if edge.source in number and edge.target in number:
            order = {} if edge.names else {"style": "dashed"}
            names = graphviz.escape(listed(edge.names))
            graph.edge(number[edge.source], number[edge.target], names, **order)
    return graph


def _graphviz() -> Any:
    try:
        return import_module("graphviz")
    except ImportError as error:
        raise NbflowError(_NEEDS) from error


def _digraph_class(graphviz: Any, flow: FlowCard) -> Any:
    """A `Digraph` that needs no program to show itself."""

    class FlowDigraph(graphviz.Digraph):
        def _repr_mimebundle_(self, *args: Any, **options: Any) -> Any:
            try:
                return graphviz.Digraph._repr_mimebundle_(self, *args, **options)
            except graphviz.ExecutableNotFound:
                return {**picture_bundle(draw(flow).alone), "text/plain": str(self)}

    return FlowDigraph


def _label(task: TaskCard) -> str:
    word, took = look_of(task).word, duration(task.seconds)
    return f"{one_line(task.name, 60)}\n{word}" + (f" · {took}" if took else "")


def _attributes(task: TaskCard) -> dict[str, str]:
    look = look_of(task)
    dashed, rounded = ["dashed"] if look.dash else [], ["rounded"] if look.shape == "round" else []
    return {
        "shape": _SHAPES[look.shape],
        "style": ",".join(["filled", *dashed, *rounded]),
        "color": mixed(look.hue, 0.8, _INK),
        "fillcolor": _PAPER if task.is_plain else mixed(look.hue, 0.1, _PAPER),
        "fontcolor": _MUTED if task.is_plain else _INK,
    }
