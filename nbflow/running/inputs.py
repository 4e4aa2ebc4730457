"""Arguments of a call: which of their parts are results to come, and what they are once those are there.

Lists, tuples, sets and dictionaries are looked into, however deep; `quote` keeps a value as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from nbflow.triggers import Edge

Results = Mapping[Edge, Any]
"""What came of each edge: a value, None of what was skipped, the exception of what failed."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """Says how an argument is meant; see its subclasses."""

    value: Any

    def unwrap(self) -> Any:
        """The argument itself."""
        return self.value


class unmapped(Annotation):  # a word that is called, as in Prefect
    """In a map: the same value for each item.

    Example:
        >>> unmapped([1, 2]).unwrap()
        [1, 2]
    """

    __slots__ = ()


class allow_failure(Annotation):
    """Run even if this upstream fails; its exception is passed as the value then."""

    __slots__ = ()


class quote(Annotation):
    """Pass the value as it is: nothing in it is waited for."""

    __slots__ = ()


class flatten(Annotation):
    """In a map: the elements of the elements.

    Example:
        >>> flatten([[1], [2, 3]]).elements()
        [1, 2, 3]
    """

    __slots__ = ()

    def elements(self) -> list[Any]:
        """All elements of the elements, in order."""
        return [each for part in self.value for each in part]


@dataclass(frozen=True, slots=True)
class _Hole:
    """Where the result of an edge will stand."""

    edge: Edge


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of a call.

    Args:
        template: Parameter to argument, with a mark wherever a result is to come.
        edges: The results to come, in the order of the arguments.
        allowed: Those of them whose failure is no failure here.
        mapped: The parameters that have one value for each item of a map.

    Example:
        >>> inputs = gather({"x": [1, "a", 2]}, lambda value: value == "a")
        >>> inputs.fill({inputs.edges[0]: 7})
        {'x': [1, 7, 2]}
    """

    template: Mapping[str, Any]
    edges: tuple[Edge, ...] = ()
    allowed: frozenset[Edge] = frozenset()
    mapped: frozenset[str] = field(default_factory=frozenset[str])

    def direct(self) -> dict[str, Edge]:
        """The parameters whose argument is nothing but one result to come."""
        return {name: value.edge for name, value in self.template.items() if isinstance(value, _Hole)}

    def fill(self, results: Results) -> dict[str, Any]:
        """The arguments with the results in their places."""
        if not self.edges:
            return dict(self.template)
        return {name: _filled(value, results) for name, value in self.template.items()}


def gather(
    arguments: Mapping[str, Any],
    is_source: Callable[[object], bool],
    order: Iterable[object] = (),
    mapped: frozenset[str] = frozenset(),
) -> Inputs:
    """Find the results to come among the arguments of a call.

    Args:
        arguments: Parameter to argument.
        is_source: Whether an object stands for a result to come.
        order: What else has to be over before the call; nothing of it is passed.
        mapped: The parameters that have one value for each item of a map.
    """
    search = _Search(is_source)
    template = {name: search.template(name, value) for name, value in arguments.items()}
    for each in order:
        search.template(None, each)
    if not search.edges and search.is_annotated:
        template = {name: _filled(value, {}) for name, value in template.items()}
    return Inputs(template, tuple(search.edges), frozenset(search.allowed), mapped)


_COLLECTIONS: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, frozenset})


class _Search:
    """Replaces what is to come by marks, and notes the edges."""

    def __init__(self, is_source: Callable[[object], bool]) -> None:
        self.edges: dict[Edge, None] = {}
        self.allowed: set[Edge] = set()
        self.is_annotated = False
        self._is_source = is_source
        self._allows = False

    def template(self, key: str | None, value: Any) -> Any:
        if self._is_source(value):
            edge = Edge(value, key)
            self.edges[edge] = None
            if self._allows:
                self.allowed.add(edge)
            return _Hole(edge)
        kind = cast("type[Any]", type(value))
        if kind in _COLLECTIONS:
            return self._parts(key, value)
        if kind is dict:
            items = cast("dict[Any, Any]", value).items()
            found = {name: self.template(key, each) for name, each in items}
            return found if any(found[name] is not each for name, each in items) else value
        return self._meant(key, value) if isinstance(value, Annotation) else value

    def _parts(self, key: str | None, value: Any) -> Any:
        found = [self.template(key, each) for each in value]
        same = all(mine is given for mine, given in zip(found, value, strict=True))
        return value if same else type(value)(found)

    def _meant(self, key: str | None, value: Annotation) -> Any:
        self.is_annotated = True
        if isinstance(value, quote):
            return value
        if not isinstance(value, allow_failure):
            inner = self.template(key, value.value)
            return value if inner is value.value else type(value)(inner)
        before, self._allows = self._allows, True
        try:
            return self.template(key, value.value)
        finally:
            self._allows = before


def _filled(value: Any, results: Results) -> Any:
    kind = cast("type[Any]", type(value))
    if kind is _Hole:
        return results[value.edge]
    if kind in _COLLECTIONS:
        found = [_filled(each, results) for each in value]
        same = all(mine is given for mine, given in zip(found, value, strict=True))
        return value if same else kind(found)
    if kind is dict:
        return {name: _filled(each, results) for name, each in value.items()}
    if isinstance(value, quote):
        return value.value
    return kind(_filled(value.value, results)) if isinstance(value, Annotation) else value
