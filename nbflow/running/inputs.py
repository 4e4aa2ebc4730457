"""Arguments of a call: which of their parts are results to come, and what they are once those are there.

Lists, tuples, sets, dictionaries, dataclasses and pydantic models are looked into, however deep; `quote`
keeps a value as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
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
        mapped: The parameters that have one value for each item of a map; None: what is needed without
            being passed has an item for each as well.

    Example:
        >>> inputs = gather({"x": [1, "a", 2]}, lambda value: value == "a")
        >>> inputs.fill({inputs.edges[0]: 7})
        {'x': [1, 7, 2]}
    """

    template: Mapping[str, Any]
    edges: tuple[Edge, ...] = ()
    allowed: frozenset[Edge] = frozenset()
    mapped: frozenset[str | None] = field(default_factory=frozenset[str | None])

    def direct(self) -> dict[str, Edge]:
        """The parameters whose argument is nothing but one result to come."""
        return {name: value.edge for name, value in self.template.items() if isinstance(value, _Hole)}

    def fill(self, results: Results) -> dict[str, Any]:
        """The arguments with the results in their places."""
        if not self.edges:
            return dict(self.template)
        filling = _Filling(results)
        return {name: filling.filled(value) for name, value in self.template.items()}


def gather(
    arguments: Mapping[str, Any],
    is_source: Callable[[object], bool],
    order: Iterable[object] = (),
    mapped: frozenset[str | None] = frozenset(),
) -> Inputs:
    """Find the results to come among the arguments of a call.

    Args:
        arguments: Parameter to argument.
        is_source: Whether an object stands for a result to come.
        order: What else has to be over before the call; nothing of it is passed.
        mapped: The parameters that have one value for each item of a map; None: what is needed without
            being passed has an item for each as well.
    """
    search = _Search(is_source)
    template = {name: search.template(name, value) for name, value in arguments.items()}
    for each in order:
        search.template(None, each)
    if not search.edges and search.is_annotated:
        filling = _Filling({})
        template = {name: filling.filled(value) for name, value in template.items()}
    return Inputs(template, tuple(search.edges), frozenset(search.allowed), mapped)


_ATOMS: Final[frozenset[type[Any]]] = frozenset({int, float, str, bytes, bool, type(None)})
_COLLECTIONS: Final[frozenset[type[Any]]] = frozenset({list, tuple, set, frozenset})
_FIELDS: Final = ("__dataclass_fields__", "model_fields")


def _rebuilt(value: Any, kind: type[Any], part: Callable[[Any], Any]) -> Any:
    """A container with its parts replaced; the same object where none changes and where it is none."""
    if kind in _COLLECTIONS or bool(issubclass(kind, (list, tuple))):
        found = [part(each) for each in value]
        same = all(mine is given for mine, given in zip(found, value, strict=True))
        return value if same else _collected(kind, found)
    if isinstance(value, dict):
        held = cast("dict[Any, Any]", value)
        changed = {name: new for name, each in held.items() if (new := part(each)) is not each}
        made = copy(held) if changed else held
        made.update(changed)
        return made
    names = next((getattr(kind, each) for each in _FIELDS if hasattr(kind, each)), None)
    return value if names is None else _with_fields(value, names, part)


def _collected(kind: type[Any], parts: list[Any]) -> Any:
    if hasattr(kind, "_make"):  # a named tuple
        return cast("Any", kind)._make(parts)
    # A list of futures has methods that a list of results has not.
    return kind(parts) if kind in _COLLECTIONS else parts if issubclass(kind, list) else tuple(parts)


def _with_fields(value: Any, names: Iterable[str], part: Callable[[Any], Any]) -> Any:
    held = {name: getattr(value, name) for name in names if hasattr(value, name)}
    changed = {name: new for name, old in held.items() if (new := part(old)) is not old}
    if not changed:
        return value
    made = copy(value)
    for name, new in changed.items():
        object.__setattr__(made, name, new)  # also of a frozen one
    return made


class _Search:
    """Replaces what is to come by marks, and notes the edges."""

    def __init__(self, is_source: Callable[[object], bool]) -> None:
        self.edges: dict[Edge, None] = {}
        self.allowed: set[Edge] = set()
        self.is_annotated = False
        self._is_source = is_source
        self._allows = False
        self._around: set[int] = set()

    def template(self, key: str | None, value: Any) -> Any:
        if self._is_source(value):
            edge = Edge(value, key)
            self.edges[edge] = None
            if self._allows:
                self.allowed.add(edge)
            return _Hole(edge)
        kind = cast("type[Any]", type(value))
        if kind in _ATOMS:
            return value
        if isinstance(value, Annotation):
            return self._meant(key, value)
        if id(value) in self._around:
            return value  # it contains itself: what it is made of is being looked at
        self._around.add(id(value))
        try:
            return _rebuilt(value, kind, lambda part: self.template(key, part))
        finally:
            self._around.discard(id(value))

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


class _Filling:
    """Puts results in the places of the marks."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._around: set[int] = set()

    def filled(self, value: Any) -> Any:
        kind = cast("type[Any]", type(value))
        if kind in _ATOMS:
            return value
        if kind is _Hole:
            return self._results[value.edge]
        if isinstance(value, quote):
            return value.value
        if isinstance(value, Annotation):
            return kind(self.filled(value.value))
        if id(value) in self._around:
            return value  # it contains itself
        self._around.add(id(value))
        try:
            return _rebuilt(value, kind, self.filled)
        finally:
            self._around.discard(id(value))
