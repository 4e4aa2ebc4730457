"""What executing a simple statement does; compound statements have a file of their own."""

from __future__ import annotations

import ast
import sys
from contextlib import nullcontext

from nbflow.analysis.aliases import HOLDS, hold, keys_in, link_target
from nbflow.analysis.expressions import visit_defaults
from nbflow.analysis.flow import Frame, visits
from nbflow.analysis.functions import absorb, escape, known_functions
from nbflow.analysis.names import MAIN
from nbflow.analysis.result import Import
from nbflow.analysis.scopes import Bindings, Scope, ScopeKind
from nbflow.analysis.summaries import Function, Owner

_LAZY_ANNOTATIONS = sys.version_info >= (3, 14)
_HARMLESS_DECORATORS = frozenset(
    ("property", "staticmethod", "classmethod", "cached_property", "abstractmethod")
)


@visits(ast.Expr)
def visit_expression(frame: Frame, node: ast.Expr) -> None:
    """A text that stands alone is a comment."""
    if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
        frame.visit(node.value)


@visits(ast.Assign)
def visit_assignment(frame: Frame, node: ast.Assign) -> None:
    """The value comes first, then the targets from left to right."""
    if isinstance(node.value, ast.Lambda) and node.value in frame.cell.function_of:
        _assign_lambda(frame, node, node.value)
        return
    if isinstance(node.value, ast.Name) and _assign_function(frame, node, node.value):
        return
    frame.visit(node.value)
    for target in node.targets:
        link_target(frame, target, node.value)
        frame.visit(target)


def _assign_lambda(frame: Frame, node: ast.Assign, value: ast.Lambda) -> None:
    visit_defaults(frame, value.args)
    function = frame.cell.function_of[value]
    if frame.deferred:
        absorb(frame, function)
    for target in node.targets:
        if isinstance(target, ast.Name):
            frame.define(target.id, "lambda", function)
        else:
            escape(frame, function)
            frame.visit(target)


def _assign_function(frame: Frame, node: ast.Assign, value: ast.Name) -> bool:
    """Give a function of the cell a second name; False where the value is none."""
    key = frame.scope.key(value.id)
    functions = list(known_functions(frame, key))
    if not functions or not all(isinstance(target, ast.Name) for target in node.targets):
        return False
    frame.load(value.id)
    frame.show(value.id)
    for target in node.targets:
        if isinstance(target, ast.Name):
            frame.store(target.id)
            names = frame.cell.functions.setdefault(frame.scope.key(target.id), [])
            names.extend(function for function in functions if function not in names)
    return True


@visits(ast.AugAssign)
def visit_augmented_assignment(frame: Frame, node: ast.AugAssign) -> None:
    """`x += y` reads and binds x, and changes its value in place where that is mutable."""
    target = node.target
    if isinstance(target, ast.Name):
        key = frame.load(target.id)
        frame.visit(node.value)
        frame.mutate([Owner(key, deep=False)])
        frame.link(key, [(held, HOLDS) for held in keys_in(frame, [node.value])])
        frame.store(target.id)
    else:
        frame.visit(target)
        frame.visit(node.value)
        hold(frame, target, [node.value])


@visits(ast.AnnAssign)
def visit_annotated_assignment(frame: Frame, node: ast.AnnAssign) -> None:
    """Without a value nothing is bound; in a function the annotation is not evaluated."""
    if node.value is not None:
        frame.visit(node.value)
        link_target(frame, node.target, node.value)
        frame.visit(node.target)
    elif not isinstance(node.target, ast.Name):
        frame.visit_parts(node.target)
    if frame.scope.kind is not ScopeKind.FUNCTION:
        visit_annotations(frame, [node.annotation])


def visit_annotations(frame: Frame, annotations: list[ast.expr | None]) -> None:
    """Evaluate annotations now, later (since Python 3.14) or never, as Python does."""
    if frame.cell.stringized_annotations:
        return
    with frame.asleep() if _LAZY_ANNOTATIONS else nullcontext():
        for annotation in annotations:
            # A text as annotation is a forward reference, not a path.
            if annotation is not None and not isinstance(annotation, ast.Constant):
                frame.visit(annotation)


@visits(ast.Delete)
def visit_deletion(frame: Frame, node: ast.Delete) -> None:
    """Names must exist; what subscripts and attributes belong to is changed."""
    frame.visit_all(node.targets)


@visits(ast.Global, ast.Nonlocal, ast.Pass)
def visit_declaration(frame: Frame, node: ast.stmt) -> None:
    """Declarations are known to the scope already."""


@visits(ast.Return)
def visit_return(frame: Frame, node: ast.Return) -> None:
    """Execution goes on in the caller."""
    if node.value is not None:
        frame.visit(node.value)
    if not frame.dead:
        frame.returns.append(dict(frame.state))
    frame.leave()


@visits(ast.Raise)
def visit_raise(frame: Frame, node: ast.Raise) -> None:
    """Execution goes on in a handler, which takes any state of the body it guards."""
    frame.visit_parts(node)
    frame.leave()


@visits(ast.Assert)
def visit_assertion(frame: Frame, node: ast.Assert) -> None:
    """The message is evaluated only where the cell fails."""
    frame.visit(node.test)
    with frame.uncertain():
        frame.optionally([node.msg])


@visits(ast.Import)
def visit_import(frame: Frame, node: ast.Import) -> None:
    """`import a.b` binds a and adds b to it."""
    for alias in node.names:
        if alias.name == MAIN:
            frame.see_main()
        frame.cell.imports.append(Import(alias.name, 0, None, frame.deferred))
        name = alias.asname or alias.name.partition(".")[0]
        key = frame.scope.key(name)
        frame.define(name, "import")
        if alias.asname is None and "." in alias.name:
            frame.mutate([Owner(key, deep=False)])
        frame.cell.origins[name] = alias.name if alias.asname else name


@visits(ast.ImportFrom)
def visit_import_from(frame: Frame, node: ast.ImportFrom) -> None:
    """A star binds what only the module knows."""
    module = node.module or ""
    if module == MAIN:
        frame.see_main()
    names = tuple(alias.name for alias in node.names)
    frame.cell.imports.append(Import(module, node.level, names, frame.deferred))
    for alias in node.names:
        if alias.name == "*":
            frame.cell.incomplete(
                f"from {'.' * node.level}{module} import * binds names that the text does not tell"
            )
            continue
        name = alias.asname or alias.name
        frame.define(name, "import")
        frame.cell.origins[name] = f"{'.' * node.level}{module}.{alias.name}"


@visits(ast.FunctionDef, ast.AsyncFunctionDef)
def visit_function(frame: Frame, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    """Decorators, defaults and annotations are evaluated, the body is not."""
    function = frame.cell.function_of[node]
    _call_decorators(frame, node.decorator_list)
    visit_defaults(frame, node.args)
    with frame.within(function.scope):
        _visit_type_parameters(frame, node)
        visit_annotations(frame, [*_annotations(node.args), node.returns])
    _bind_definition(frame, function, watched=_is_watched(node.decorator_list))


def _call_decorators(frame: Frame, decorators: list[ast.expr]) -> None:
    """A decorator that is a name is called, and nobody holds it."""
    shown = set(frame.cell.shown)
    frame.visit_all(decorators)
    frame.cell.shown -= {frame.scope.key(d.id) for d in decorators if isinstance(d, ast.Name)} - shown


def _annotations(arguments: ast.arguments) -> list[ast.expr | None]:
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        arguments.vararg,
        *arguments.kwonlyargs,
        arguments.kwarg,
    ]
    return [argument.annotation for argument in every if argument is not None]


def _is_watched(decorators: list[ast.expr]) -> bool:
    return any(not (isinstance(d, ast.Name) and d.id in _HARMLESS_DECORATORS) for d in decorators)


def _visit_type_parameters(frame: Frame, node: ast.AST) -> None:
    """Bounds and defaults of type parameters are evaluated when somebody asks for them."""
    with frame.asleep():
        for parameter in getattr(node, "type_params", ()):
            bound: ast.expr | None = getattr(parameter, "bound", None)
            default: ast.expr | None = getattr(parameter, "default_value", None)
            frame.visit_all([bound, default])


def _bind_definition(frame: Frame, function: Function, *, watched: bool) -> None:
    frame.define(function.name, function.kind, function)
    if frame.deferred:
        absorb(frame, function)
    elif watched:
        escape(frame, function)


@visits(ast.ClassDef)
def visit_class(frame: Frame, node: ast.ClassDef) -> None:
    """The body of a class is executed at once, in a scope that its methods do not see."""
    function = frame.cell.function_of[node]
    _call_decorators(frame, node.decorator_list)
    with frame.within(function.scope.parent or frame.scope):
        _visit_type_parameters(frame, node)
        frame.visit_all(node.bases)
        frame.visit_all(node.keywords)
    with frame.within(function.scope):
        frame.visit_all(node.body)
    _bind_definition(frame, function, watched=function.decorated)


def visit_type_alias(frame: Frame, node: ast.AST) -> None:
    """`type X = …` (since Python 3.12) binds X; the value is evaluated when somebody asks for it."""
    name, parameters, value = ast.iter_fields(node)
    frame.visit(name[1])
    names = Bindings(bound={parameter.name for parameter in parameters[1]})
    scope = Scope(ScopeKind.FUNCTION, frame.scope, names, next(frame.cell.serials))
    with frame.within(scope), frame.asleep():
        _visit_type_parameters(frame, node)
        frame.visit(value[1])


_TypeAlias: type[ast.AST] | None = getattr(ast, "TypeAlias", None)
if _TypeAlias is not None:
    visits(_TypeAlias)(visit_type_alias)
