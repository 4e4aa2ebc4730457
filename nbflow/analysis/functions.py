"""Functions, lambdas and classes of a cell: what they carry, and what a call of them does.

All functions that have a name are found before the walk, so that a function may call one that stands
further down. The body of each is walked once, when somebody first needs to know.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.aliases import PART, SAME, related, spread
from nbflow.analysis.flow import HERE, OUTSIDE, Cell, Frame, State
from nbflow.analysis.result import PARAMETERS
from nbflow.analysis.scopes import Bindings, Scope, ScopeKind, bindings, parameters
from nbflow.analysis.summaries import Function, FunctionNode, Owner, Pending, Summary

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_CONSTRUCTORS: Final = frozenset(
    ("__init__", "__new__", "__post_init__", "__init_subclass__", "__setstate__")
)
_OF_THE_CLASS: Final = frozenset(("__new__", "__init_subclass__", "__class_getitem__"))


# -- finding --------------------------------------------------------------------------------------


def find_functions(cell: Cell, statements: Sequence[ast.stmt], scope: Scope) -> list[Function]:
    """Find the functions and classes that statements bind, those in branches and loops included."""
    found: list[Function] = []
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(_found(cell, statement, scope))
        elif isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            found.extend(_found_lambda(cell, statement, scope))
        else:
            for block in blocks(statement):
                found.extend(find_functions(cell, block, scope))
    return found


def blocks(statement: ast.stmt | ast.ExceptHandler | ast.match_case) -> Iterable[list[ast.stmt]]:
    """List the blocks of statements that a compound statement executes in its own scope."""
    for part in ("body", "orelse", "finalbody"):
        block: list[ast.stmt] | None = getattr(statement, part, None)
        if block:
            yield block
    for part in ("handlers", "cases"):
        for clause in getattr(statement, part, ()):
            yield clause.body


def _found(cell: Cell, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope) -> Function:
    inner = _with_type_parameters(cell, node, scope)
    if isinstance(node, ast.ClassDef):
        names = bindings(node.body, walrus=cell.walrus)
        inner = Scope(ScopeKind.CLASS, inner, names, next(cell.serials), owner=node.name)
        function = Function(node, node.name, "class", inner, decorated=_class_is_watched(node))
        function.members = find_functions(cell, node.body, inner)
    else:
        function = Function(node, node.name, "function", inner, lazy=_is_lazy(node))
        function.decorated = bool(node.decorator_list)
    cell.function_of[node] = function
    cell.functions.setdefault(scope.key(node.name), []).append(function)
    return function


def _found_lambda(cell: Cell, node: ast.Assign, scope: Scope) -> list[Function]:
    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    if not names or not isinstance(node.value, ast.Lambda):
        return []
    function = anonymous(cell, node.value, scope)
    function.name = names[0]
    cell.function_of[node.value] = function
    for name in names:
        cell.functions.setdefault(scope.key(name), []).append(function)
    return [function]


def anonymous(cell: Cell, node: ast.Lambda, scope: Scope) -> Function:
    """Give the function of a lambda expression."""
    known = cell.function_of.get(node)
    if known is None:
        known = cell.function_of[node] = Function(node, "", "lambda", scope, lazy=_is_lazy(node))
    return known


def _class_is_watched(node: ast.ClassDef) -> bool:
    """Say whether decorators, bases or a metaclass may run the methods of a class when it is made."""
    return bool(node.decorator_list or node.bases or node.keywords)


def _with_type_parameters(cell: Cell, node: ast.stmt, scope: Scope) -> Scope:
    names = type_parameters(node)
    if not names:
        return scope
    return Scope(ScopeKind.FUNCTION, scope, Bindings(bound=set(names)), next(cell.serials))


def type_parameters(node: ast.stmt) -> list[str]:
    """List the names of the type parameters (`class C[T]`) of a definition."""
    return [parameter.name for parameter in getattr(node, "type_params", ())]


def _is_lazy(node: FunctionNode) -> bool:
    if isinstance(node, ast.AsyncFunctionDef):
        return True
    stack: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while stack:
        part = stack.pop()
        if isinstance(part, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            stack.extend(ast.iter_child_nodes(part))
    return False


# -- looking into bodies --------------------------------------------------------------------------


def summary_of(cell: Cell, function: Function) -> Summary:
    """Say what a call of a function may do.

    A function that is being looked at already has an empty summary: those that wait for it in a
    circle of calls get its summary added once it is known.
    """
    if function.summary is not None:
        return function.summary
    if function in cell.running:
        start = cell.running.index(function)
        function.together.extend(cell.running[start + 1 :])
        return Summary()
    cell.running.append(function)
    summary = _class_summary(cell, function) if function.kind == "class" else _body_summary(cell, function)
    cell.running.pop()
    function.summary = summary
    _share(function, summary, set())
    return summary


def _share(function: Function, summary: Summary, seen: set[int]) -> None:
    for other in function.together:
        if id(other) not in seen:
            seen.add(id(other))
            if other.summary is not None:
                other.summary.include(summary)
            _share(other, summary, seen)


def _class_summary(cell: Cell, function: Function) -> Summary:
    together = Summary()
    for member in function.members:
        together.include(summary_of(cell, member))
    return together


def changes_when_called(cell: Cell, function: Function) -> bool:
    """Say whether a call changes what it is given; a class is judged by its constructors."""
    if function.kind != "class":
        return summary_of(cell, function).changes_arguments
    makers = [member for member in function.members if member.name in _CONSTRUCTORS]
    return any(summary_of(cell, member).changes_arguments for member in makers)


def _body_summary(cell: Cell, function: Function) -> Summary:
    node = function.node
    assert not isinstance(node, ast.ClassDef)
    body: Sequence[ast.AST] = node.body if isinstance(node.body, list) else [node.body]
    names = bindings(body, walrus=cell.walrus)
    names.bound.update(parameters(node.args))
    scope = Scope(ScopeKind.FUNCTION, function.scope, names, next(cell.serials))
    frame = Frame(cell, scope, deferred=True)
    _link_parameters(frame, function, node.args)
    if isinstance(node.body, list):
        find_functions(cell, node.body, scope)
    frame.visit_all(body)
    return _summarise(frame, lazy=function.lazy)


def _link_parameters(frame: Frame, function: Function, arguments: ast.arguments) -> None:
    names = parameters(arguments)
    # What a constructor's first parameter stands for is made by the call: to change it changes nobody.
    made = function.name in _CONSTRUCTORS and function.scope.kind is ScopeKind.CLASS
    if names and _gets_its_class(function):
        frame.link(frame.scope.key(names[0]), [(_class_of(function), SAME)])
        names = names[1:]
    for name in names[1:] if made else names:
        packed = name in {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
        frame.link(frame.scope.key(name), [(PARAMETERS, PART if packed else SAME)])


def _gets_its_class(function: Function) -> bool:
    """Say whether the first parameter of a method is the class that it stands in."""
    decorators = getattr(function.node, "decorator_list", ())
    told = function.name in _OF_THE_CLASS or any(
        getattr(each, "id", "") == "classmethod" for each in decorators
    )
    return told and function.scope.kind is ScopeKind.CLASS


def _class_of(function: Function) -> str:
    scope = function.scope
    return scope.parent.key(scope.owner) if scope.parent is not None else scope.owner


def _summarise(frame: Frame, *, lazy: bool) -> Summary:
    frame.merge([frame.snapshot(), *frame.returns])
    changed = spread(frame, frame.mutations)
    summary = Summary(
        loads=frame.reads | frame.maybe | frame.late,
        may_bind=frame.stored,
        deletes=frame.deleted,
        mutates={key for key in changed if key != PARAMETERS and not frame.owns(key)},
        changes_arguments=PARAMETERS in changed,
        effects=frame.effects,
    )
    if not lazy and not frame.dead:
        summary.binds = {key for key in frame.stored if frame.state.get(key, OUTSIDE) == HERE}
    for call in frame.calls:
        summary.calls[_outward(frame, call)] = None
        summary.changes_arguments |= _hands_parameter_to_unknown(frame, call)
    return summary


def _outward(frame: Frame, call: Pending) -> Pending:
    """Name what a call reaches in words that make sense outside the function."""
    reached = frozenset(key for key in related(frame, call.arguments) if not frame.owns(key))
    callee = call.callee
    if frame.owns(callee):
        callee = min((key for key in related(frame, [callee]) if not frame.owns(key)), default="")
    return Pending(callee, call.path, reached)


def _hands_parameter_to_unknown(frame: Frame, call: Pending) -> bool:
    """Say whether a parameter is handed to something that only its caller could name."""
    named = "." not in call.callee and call.callee not in ("", PARAMETERS)
    return not named and PARAMETERS in related(frame, call.arguments)


# -- calling --------------------------------------------------------------------------------------


def known_functions(frame: Frame, key: str) -> Sequence[Function]:
    """List the functions of the cell that a key may hold at this point."""
    functions = frame.cell.functions.get(key, ())
    if not functions or "." in key or frame.deferred or frame.loops:
        return functions
    return functions if frame.state.get(key, OUTSIDE) & HERE else ()


def enter(frame: Frame, function: Function, given: Collection[str], *, certain: bool) -> None:
    """Record a call of a function of the cell.

    Args:
        frame: The code that calls.
        function: What is called.
        given: Keys that its arguments may share memory with.
        certain: Whether its body certainly runs, now.
    """
    summary = summary_of(frame.cell, function)
    with frame.postponed_by(function.lazy or function.kind == "class"):
        for name in sorted(summary.loads):
            frame.inherit(name)
    _take_bindings(frame, summary, certain=certain)
    frame.mutate(Owner(key, deep=True) for key in summary.mutates)
    if changes_when_called(frame.cell, function):
        frame.mutate(Owner(key, deep=True) for key in given)
    frame.effects |= summary.effects
    for call in summary.calls:
        _inherit_call(frame, call, given)


def _take_bindings(frame: Frame, summary: Summary, *, certain: bool) -> None:
    for key in summary.may_bind:
        if certain and key in summary.binds:
            frame.bind(key)
        else:
            frame.may_bind(key)
    for key in summary.deletes:
        frame.may_delete(key)


def _inherit_call(frame: Frame, call: Pending, given: Collection[str]) -> None:
    arguments = call.arguments - {PARAMETERS}
    if PARAMETERS in call.arguments:
        arguments |= frozenset(given)
    callees = sorted(given) if call.callee == PARAMETERS else [call.callee]
    for callee in callees:
        frame.calls[Pending(callee, call.path, arguments)] = None


def escape(frame: Frame, function: Function, given: Collection[str] = (), *, now: bool = False) -> None:
    """Record that a function of the cell is handed to somebody who may call it.

    Args:
        frame: The code that hands it on.
        function: What is handed on.
        given: Keys that whoever calls it may pass.
        now: Whether that certainly happens at once, if at all.
    """
    with frame.postponed_by(not now):
        enter(frame, function, given, certain=False)


def absorb(frame: Frame, function: Function) -> None:
    """Record that a function is made inside another: who calls the outer one may run both."""
    summary = summary_of(frame.cell, function)
    frame.reads |= summary.loads
    for key in summary.may_bind:
        frame.may_bind(key)
    for key in summary.deletes:
        frame.may_delete(key)
    frame.mutate(Owner(key, deep=True) for key in summary.mutates)
    frame.effects |= summary.effects
    for call in summary.calls:
        reached = call.arguments - {PARAMETERS}
        if call.callee != PARAMETERS or reached:
            frame.calls[Pending(call.callee, call.path, reached)] = None


def still_loaded(summary: Summary, final: State) -> set[str]:
    """List what a function loads from outside when it is called after the cell."""
    return {name for name in summary.loads if final.get(name, OUTSIDE) & ~HERE}
