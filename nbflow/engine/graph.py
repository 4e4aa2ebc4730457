"""Questions about order: what comes before, what comes after, and is there a cycle.

A graph is a mapping from each node to the nodes directly before it (its upstream). Nodes are
anything hashable; those that are only named as an upstream count as nodes, too. Everything here
walks with a list of its own, so that a chain of ten thousand tasks is no problem.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from nbflow.exceptions import CycleError

if TYPE_CHECKING:
    from collections.abc import Iterator

Node = TypeVar("Node", bound=Hashable)
Upstream = Mapping[Node, Iterable[Node]]


def downstream_of(upstream: Upstream[Node]) -> dict[Node, list[Node]]:
    """Turn the graph around: each node and the nodes directly after it.

    Example:
        >>> downstream_of({"clean": ["raw"], "model": ["clean", "raw"]})
        {'raw': ['clean', 'model'], 'clean': ['model'], 'model': []}
    """
    turned: dict[Node, list[Node]] = {}
    for node, before in upstream.items():
        for earlier in before:
            turned.setdefault(earlier, []).append(node)
        turned.setdefault(node, [])
    return turned


def ancestors(upstream: Upstream[Node], nodes: Iterable[Node]) -> set[Node]:
    """Return everything before `nodes`, directly or not; a node is its own ancestor only in a cycle.

    Example:
        >>> sorted(ancestors({"clean": ["raw"], "model": ["clean"]}, ["model"]))
        ['clean', 'raw']
    """
    found: set[Node] = set()
    open_nodes = [earlier for node in nodes for earlier in upstream.get(node, ())]
    while open_nodes:
        node = open_nodes.pop()
        if node not in found:
            found.add(node)
            open_nodes.extend(upstream.get(node, ()))
    return found


def descendants(upstream: Upstream[Node], nodes: Iterable[Node]) -> set[Node]:
    """Return everything after `nodes`, directly or not.

    Example:
        >>> sorted(descendants({"clean": ["raw"], "model": ["clean"]}, ["raw"]))
        ['clean', 'model']
    """
    return ancestors(downstream_of(upstream), nodes)


def topological_order(upstream: Upstream[Node]) -> list[Node]:
    """Return all nodes, each after everything that it needs.

    Of all such orders it is the one nearest to that of the mapping: of the nodes whose upstream
    is done, the earliest in the mapping comes first.

    Raises:
        CycleError: If nodes wait for each other; the message names the path.

    Example:
        >>> topological_order({"model": ["clean"], "clean": ["raw"], "report": []})
        ['raw', 'clean', 'model', 'report']
    """
    # Two edges between the same nodes count once, or the count would never reach nought.
    after = downstream_of({node: dict.fromkeys(before) for node, before in upstream.items()})
    nodes = _in_given_order(upstream)
    place = {node: position for position, node in enumerate(nodes)}
    missing = {node: len(set(upstream.get(node, ()))) for node in nodes}
    ready = [place[node] for node in nodes if missing[node] == 0]
    order: list[Node] = []
    while ready:
        node = nodes[heapq.heappop(ready)]
        order.append(node)
        for later in after[node]:
            missing[later] -= 1
            if missing[later] == 0:
                heapq.heappush(ready, place[later])
    if len(order) < len(nodes):
        raise CycleError.along([_name(node) for node in find_cycle(upstream)])
    return order


def find_cycle(upstream: Upstream[Node]) -> list[Node]:
    """Return one cycle, in the direction of the data, its first node repeated at the end; else [].

    Example:
        >>> find_cycle({"a": ["b"], "b": ["c"], "c": ["a"]})
        ['a', 'c', 'b', 'a']
        >>> find_cycle({"a": ["b"]})
        []
    """
    done: set[Node] = set()
    for start in upstream:
        cycle = _cycle_from(start, upstream, done)
        if cycle:
            return cycle
    return []


def _cycle_from(start: Node, upstream: Upstream[Node], done: set[Node]) -> list[Node]:
    """Walk in depth from `start`; `path` holds the nodes whose upstream is not exhausted yet."""
    path: dict[Node, Iterator[Node]] = {} if start in done else {start: iter(upstream.get(start, ()))}
    while path:
        node = next(reversed(path))
        for earlier in path[node]:
            if earlier in path:
                walked = list(path)
                loop = walked[walked.index(earlier) :]
                return [loop[0], *reversed(loop)]
            if earlier not in done:
                path[earlier] = iter(upstream.get(earlier, ()))
                break
        else:
            done.add(node)
            path.popitem()
    return []


def _in_given_order(upstream: Upstream[Node]) -> list[Node]:
    """List the nodes as the mapping names them; one that is only needed stands before its first user."""
    nodes: dict[Node, None] = {}
    for node, before in upstream.items():
        nodes.update(dict.fromkeys(earlier for earlier in before if earlier not in upstream))
        nodes[node] = None
    return list(nodes)


def _name(node: object) -> str:
    return str(getattr(node, "name", node))
