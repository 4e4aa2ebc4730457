"""Which names a value may share memory with, and whom a change in place reaches.

Everything here is about what *may* be: edges between names are collected over the whole code, whatever
the order of execution, and a change in place spreads along them.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

from nbflow.analysis.purity import MODULES, PURE_FUNCTIONS, PURE_METHODS, SHALLOW, TRANSPARENT, VIEWS
from nbflow.analysis.summaries import Owner, Relation, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.analysis.flow import Frame

SAME, PART, HOLDS = Relation.SAME, Relation.PART, Relation.HOLDS
_NONE: Final[tuple[Source, ...]] = ()


def sources(frame: Frame, node: ast.AST | None) -> Iterable[Source]:
    """List what the value of an expression may share memory with."""
    finder = _FINDERS.get(type(node))
    return finder(frame, node) if finder is not None else _NONE


def element_sources(frame: Frame, node: ast.expr) -> Iterable[Source]:
    """List what the elements of an iterable expression may share memory with."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return [source for element in node.elts for source in sources(frame, element)]
    if isinstance(node, ast.Call) and last_part(node.func) in _WRAPPERS:
        return [source for argument in node.args for source in element_sources(frame, argument)]
    return [(key, PART) for key, _ in sources(frame, node)]


def owners(frame: Frame, node: ast.AST) -> Iterable[Owner]:
    """List whom a change in place of the value of an expression reaches."""
    deep = False
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        deep = deep or (not isinstance(node, ast.Starred) and not _is_transparent(node))
        node = node.value
    if isinstance(node, ast.Name):
        return (Owner(frame.scope.key(node.id), deep),)
    return [
        Owner(key, deep or relation is PART)
        for key, relation in sources(frame, node)
        if relation is not HOLDS or deep
    ]


def _is_transparent(node: ast.Attribute | ast.Subscript) -> bool:
    """Say whether `df.loc` or `df.loc[rows]` stands for the memory of `df` itself."""
    if isinstance(node, ast.Attribute):
        return node.attr in TRANSPARENT
    return isinstance(node.value, ast.Attribute) and node.value.attr in TRANSPARENT


def keys_in(frame: Frame, nodes: Iterable[ast.AST]) -> set[str]:
    """List the keys that the values of expressions may share memory with."""
    return {key for node in nodes for key, _ in sources(frame, node)}


def last_part(function: ast.AST) -> str:
    """Give the last part of the name of what is called; empty where it has none."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


_WRAPPERS: Final = frozenset(
    ("enumerate", "zip", "reversed", "sorted", "list", "tuple", "iter", "tqdm", "chain")
)


def _of_name(frame: Frame, node: ast.Name) -> Iterable[Source]:
    return ((frame.scope.key(node.id), SAME),)


def _of_part(frame: Frame, node: ast.Attribute | ast.Subscript) -> Iterable[Source]:
    if isinstance(node.value, ast.Name):
        return ((frame.scope.key(node.value.id), PART),)
    return [(key, PART) for key, _ in sources(frame, node.value)]


def _of_value(frame: Frame, node: ast.Starred | ast.Await | ast.NamedExpr | ast.keyword) -> Iterable[Source]:
    return sources(frame, node.value)


def _of_choice(frame: Frame, node: ast.IfExp) -> Iterable[Source]:
    return [*sources(frame, node.body), *sources(frame, node.orelse)]


def _of_any(frame: Frame, node: ast.BoolOp) -> Iterable[Source]:
    return [source for value in node.values for source in sources(frame, value)]


def _holding(frame: Frame, nodes: Iterable[ast.AST | None]) -> Iterable[Source]:
    return [(key, HOLDS) for node in nodes for key, _ in sources(frame, node)]


def _of_display(frame: Frame, node: ast.List | ast.Tuple | ast.Set) -> Iterable[Source]:
    return _holding(frame, node.elts)


def _of_dict(frame: Frame, node: ast.Dict) -> Iterable[Source]:
    return _holding(frame, node.values)


def _of_operands(frame: Frame, node: ast.BinOp) -> Iterable[Source]:
    return _holding(frame, (node.left, node.right))


def _of_comprehension(frame: Frame, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Iterable[Source]:
    # The element may be any part of what is iterated; which one is told by nobody outside.
    return _holding(
        frame, [*(part.iter for part in node.generators), *_outer_names(node.elt, node.generators)]
    )


def _of_dict_comprehension(frame: Frame, node: ast.DictComp) -> Iterable[Source]:
    parts = [part.iter for part in node.generators]
    return _holding(frame, [*parts, *_outer_names(node.value, node.generators)])


def _outer_names(element: ast.expr, generators: list[ast.comprehension]) -> Iterable[ast.Name]:
    """List the names in an element that is a name or a display, loop variables left out."""
    if not isinstance(element, ast.Name | ast.Tuple | ast.List):
        return ()
    variables = {
        part.id for clause in generators for part in ast.walk(clause.target) if isinstance(part, ast.Name)
    }
    return [part for part in ast.walk(element) if isinstance(part, ast.Name) and part.id not in variables]


def _of_call(frame: Frame, node: ast.Call) -> Iterable[Source]:
    name = last_part(node.func)
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    if name in VIEWS:
        relation = PART
    elif name in SHALLOW or name[:1].isupper():
        relation = HOLDS
    elif name in (PURE_METHODS if receiver is not None else PURE_FUNCTIONS) or _is_numeric(frame, node.func):
        return _NONE
    else:
        relation = PART
    returned = _returned(frame, node.func)
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    if receiver is not None and not _is_module(frame, receiver):
        given.append(receiver)
    return [*returned, *((key, relation) for part in given for key, _ in sources(frame, part))]


def _returned(frame: Frame, function: ast.expr) -> Iterable[Source]:
    """List the globals that a function of the cell may hand out."""
    if not isinstance(function, ast.Name):
        return _NONE
    known = frame.cell.functions.get(frame.scope.key(function.id), ())
    return [(key, PART) for one in known if one.summary is not None for key in one.summary.loads]


def _is_module(frame: Frame, node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name) and (node.id in MODULES or node.id in frame.cell.origins)


def _is_numeric(frame: Frame, function: ast.expr) -> bool:
    """Say whether a function of numpy or pandas is called: these return new memory but for `VIEWS`."""
    while isinstance(function, ast.Attribute):
        function = function.value
    return isinstance(function, ast.Name) and frame.cell.origins.get(function.id, function.id) in _NUMERIC


_NUMERIC: Final = frozenset(
    ("np", "numpy", "pd", "pandas", "pl", "polars", "math", "os", "re", "json", "time")
)

_FINDERS: Final[dict[type[Any], Callable[[Frame, Any], Iterable[Source]]]] = {
    ast.Name: _of_name,
    ast.Attribute: _of_part,
    ast.Subscript: _of_part,
    ast.Starred: _of_value,
    ast.Await: _of_value,
    ast.NamedExpr: _of_value,
    ast.keyword: _of_value,
    ast.IfExp: _of_choice,
    ast.BoolOp: _of_any,
    ast.List: _of_display,
    ast.Tuple: _of_display,
    ast.Set: _of_display,
    ast.Dict: _of_dict,
    ast.BinOp: _of_operands,
    ast.ListComp: _of_comprehension,
    ast.SetComp: _of_comprehension,
    ast.GeneratorExp: _of_comprehension,
    ast.DictComp: _of_dict_comprehension,
    ast.Call: _of_call,
}


def link_target(frame: Frame, target: ast.expr, value: ast.expr) -> None:
    """Record what an assignment target may share memory with after the assignment."""
    if isinstance(target, ast.Name):
        frame.link(frame.scope.key(target.id), sources(frame, value))
    elif isinstance(target, ast.Tuple | ast.List):
        _link_unpacked(frame, target.elts, value)
    elif isinstance(target, ast.Starred):
        link_target(frame, target.value, value)
    elif isinstance(target, ast.Attribute | ast.Subscript):
        hold(frame, target, [value])


def _link_unpacked(frame: Frame, targets: list[ast.expr], value: ast.expr) -> None:
    pairwise = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(targets)
    starred = any(isinstance(target, ast.Starred) for target in targets)
    if pairwise and not starred and isinstance(value, ast.Tuple | ast.List):
        for target, part in zip(targets, value.elts, strict=True):
            link_target(frame, target, part)
    else:
        for target in targets:
            link_element(frame, target, value)


def link_element(frame: Frame, target: ast.expr, iterable: ast.expr) -> None:
    """Record what a loop variable may share memory with."""
    elements = list(element_sources(frame, iterable))
    for part in ast.walk(target):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            frame.link(frame.scope.key(part.id), elements)


def hold(frame: Frame, container: ast.expr, values: Iterable[ast.AST]) -> None:
    """Record that a container holds values from now on."""
    held = [(key, HOLDS) for key in keys_in(frame, values)]
    if held:
        for owner in owners(frame, container):
            frame.link(owner.key, held)


def spread(frame: Frame, changed: Iterable[Owner]) -> set[str]:
    """List all keys whose values a change in place of these may show in."""
    seen: set[Owner] = set()
    waiting = list(changed)
    while waiting:
        owner = waiting.pop()
        if owner in seen:
            continue
        seen.add(owner)
        for key, relation in frame.aliases.get(owner.key, ()):
            if relation is not HOLDS or owner.deep:
                waiting.append(Owner(key, owner.deep or relation is PART))
    return {owner.key for owner in seen}


def related(frame: Frame, keys: Iterable[str]) -> set[str]:
    """List all keys that these may share memory with, themselves included."""
    return spread(frame, [Owner(key, deep=True) for key in keys])
