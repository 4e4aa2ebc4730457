"""What evaluating an expression does; calls have a file of their own."""

from __future__ import annotations

import ast
from typing import Final

from nbflow.analysis.aliases import link_element, link_target, owners
from nbflow.analysis.clock import note_clock
from nbflow.analysis.environment import note_environment, note_whole_environment
from nbflow.analysis.facts import note_join, note_shown, note_text, pattern_of
from nbflow.analysis.flow import Frame, visits
from nbflow.analysis.functions import absorb, anonymous, escape, known_functions
from nbflow.analysis.names import MAIN
from nbflow.analysis.scopes import Bindings, Scope, ScopeKind

_Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@visits(ast.Constant)
def visit_constant(frame: Frame, node: ast.Constant) -> None:
    """A text may name a file, or what documents a function."""
    if isinstance(node.value, str):
        note_text(frame.cell, node.value)
        note_shown(frame.cell, node.value)


@visits(ast.JoinedStr)
def visit_joined_text(frame: Frame, node: ast.JoinedStr) -> None:
    """The constant parts of a formatted text make one pattern, not a path each."""
    pattern = pattern_of(node)
    if pattern:
        note_text(frame.cell, pattern)
    for part in node.values:
        if not isinstance(part, ast.Constant):
            frame.visit(part)


@visits(ast.BinOp)
def visit_operation(frame: Frame, node: ast.BinOp) -> None:
    """Paths are joined by `/`, texts by `+`."""
    if isinstance(node.op, ast.Div | ast.Add | ast.Mod):
        note_join(frame.cell, node)
    # A long chain of operators nests to the left; it is one path, and no reason to recurse.
    right = [node.right]
    left = node.left
    while isinstance(left, ast.BinOp):
        right.append(left.right)
        left = left.left
    frame.visit(left)
    frame.visit_all(reversed(right))


@visits(ast.Name)
def visit_name(frame: Frame, node: ast.Name) -> None:
    """A function that is loaded but not called is handed to somebody who may call it."""
    if isinstance(node.ctx, ast.Load):
        key = frame.load(node.id)
        frame.show(node.id)
        note_shown(frame.cell, node.id)
        note_whole_environment(frame, node)
        note_clock(frame, node)
        if "." not in key:
            for function in known_functions(frame, key):
                escape(frame, function)
    elif isinstance(node.ctx, ast.Store):
        frame.store(node.id)
    else:
        frame.load(node.id)
        frame.delete(node.id)


@visits(ast.Attribute)
def visit_attribute(frame: Frame, node: ast.Attribute) -> None:
    """An attribute that is not called is held by somebody."""
    if isinstance(node.value, ast.Name):
        frame.show(node.value.id, node.attr)
    load_attribute(frame, node)


def load_attribute(frame: Frame, node: ast.Attribute) -> None:
    """Only a name's first attribute is told apart; a class may be called through any of its own."""
    note_shown(frame.cell, node.attr)
    note_whole_environment(frame, node)
    note_clock(frame, node)
    if node.attr in _SEE_NAMES:
        frame.effects.add(f"names: {node.attr}")
    if isinstance(node.value, ast.Name):
        key = frame.load(node.value.id, node.attr)
        for function in known_functions(frame, key):
            if function.kind == "class" and "." not in key:
                escape(frame, function)
    else:
        frame.visit(node.value)
    if not isinstance(node.ctx, ast.Load):
        frame.mutate(owners(frame, node.value))


_SEE_NAMES: Final = frozenset(
    ("__globals__", "f_globals", "f_locals", "__subclasses__", "user_ns", "user_global_ns")
)
"""Attributes through which code reads names, or finds values, that no analysis sees."""


@visits(ast.Subscript)
def visit_subscript(frame: Frame, node: ast.Subscript) -> None:
    """A subscript that is bound or deleted changes what it belongs to."""
    name = _named_global(node)
    if name is not None:
        _visit_named_global(frame, node, name)
    note_environment(frame, node)
    if isinstance(node.slice, ast.Constant) and node.slice.value == MAIN:
        frame.see_main()
    frame.visit(node.value)
    frame.visit(node.slice)
    if not isinstance(node.ctx, ast.Load):
        frame.mutate(owners(frame, node.value))


def _named_global(node: ast.Subscript) -> str | None:
    """Give the name in `globals()["name"]`."""
    match node:
        case ast.Subscript(
            value=ast.Call(func=ast.Name(id="globals" | "locals" | "vars"), args=[]),
            slice=ast.Constant(value=str(name)),
        ):
            return name
        case _:
            return None


def _visit_named_global(frame: Frame, node: ast.Subscript, name: str) -> None:
    if isinstance(node.ctx, ast.Store):
        frame.bind(name)
        return
    with frame.uncertain():
        frame.load_global(name)
    if isinstance(node.ctx, ast.Del):
        frame.may_delete(name)


@visits(ast.NamedExpr)
def visit_walrus(frame: Frame, node: ast.NamedExpr) -> None:
    """The value comes first; the name belongs to the scope around comprehensions."""
    frame.visit(node.value)
    link_target(frame, node.target, node.value)
    frame.visit(node.target)


@visits(ast.BoolOp)
def visit_choice(frame: Frame, node: ast.BoolOp) -> None:
    """Only the first operand is certainly evaluated."""
    frame.visit(node.values[0])
    frame.optionally(node.values[1:])


@visits(ast.Compare)
def visit_comparison(frame: Frame, node: ast.Compare) -> None:
    """A chain stops at the first comparison that fails."""
    note_environment(frame, node)
    frame.visit(node.left)
    frame.visit(node.comparators[0])
    if len(node.comparators) > 1:
        frame.optionally(node.comparators[1:])


@visits(ast.IfExp)
def visit_conditional(frame: Frame, node: ast.IfExp) -> None:
    """Either branch may be left out."""
    frame.visit(node.test)
    guarded = guarded_name(node.test) - frame.guarded
    frame.guarded |= guarded
    frame.optionally([node.body])
    frame.guarded -= guarded
    frame.optionally([node.orelse])


def guarded_name(test: ast.expr) -> set[str]:
    """Give the name that a test like `"x" in globals()` asks for, as a set."""
    match test:
        case ast.Compare(
            left=ast.Constant(value=str(name)),
            ops=[ast.In()],
            comparators=[ast.Call(func=ast.Name(id="globals" | "locals" | "vars" | "dir"), args=[])],
        ):
            return {name}
        case _:
            return set()


@visits(ast.Lambda)
def visit_lambda(frame: Frame, node: ast.Lambda) -> None:
    """A lambda without a name is handed to somebody who may call it."""
    visit_defaults(frame, node.args)
    function = anonymous(frame.cell, node, frame.scope)
    if frame.deferred:
        absorb(frame, function)
    else:
        escape(frame, function)


def visit_defaults(frame: Frame, arguments: ast.arguments) -> None:
    """Defaults are evaluated when the function is made."""
    frame.visit_all(arguments.defaults)
    frame.visit_all(arguments.kw_defaults)


@visits(ast.ListComp, ast.SetComp, ast.DictComp)
def visit_comprehension(frame: Frame, node: ast.ListComp | ast.SetComp | ast.DictComp) -> None:
    """A comprehension runs at once."""
    visit_rounds(frame, node)


def visit_rounds(frame: Frame, node: _Comprehension, *, postponed: bool = False) -> None:
    """The first iterable is evaluated outside and at once, the rest in a scope of its own."""
    generators = node.generators
    frame.visit(generators[0].iter)
    targets = [
        part.id for clause in generators for part in ast.walk(clause.target) if isinstance(part, ast.Name)
    ]
    scope = Scope(ScopeKind.FUNCTION, frame.scope, Bindings(bound=set(targets)), next(frame.cell.serials))
    with frame.within(scope), frame.postponed_by(postponed):
        for clause in generators:
            link_element(frame, clause.target, clause.iter)
        first, *others = generators
        inner: list[ast.AST] = [first.target, *first.ifs]
        for clause in others:
            inner += [clause.iter, clause.target, *clause.ifs]
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        frame.optionally(inner)


@visits(ast.GeneratorExp)
def visit_generator(frame: Frame, node: ast.GeneratorExp) -> None:
    """A generator runs when somebody asks it for elements, or never."""
    visit_rounds(frame, node, postponed=True)
