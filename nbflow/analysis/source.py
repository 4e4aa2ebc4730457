"""Canonical text of code, and the part of a cell that makes its definitions."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.aliases import last_part
from nbflow.analysis.functions import blocks
from nbflow.analysis.magics import parse_cell
from nbflow.analysis.nodes import nodes_of
from nbflow.analysis.purity import ONLY_CALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_SIGNATURE_READERS: Final = re.compile(
    r"\b(?:__doc__|__annotations__|signature|getfullargspec|get_type_hints|get_annotations|getdoc|getsource"
    r"|interact|interactive|interactive_output|interact_manual|validate_call|Fire|Typer|help)\b"
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def normalise(source: str) -> str:
    r"""Give a canonical text of code, for digests.

    Two sources have the same text if they differ in comments, blank lines, formatting and kind of
    quotes only, or in docstrings and annotations of functions that nobody decorates. In classes, in
    whatever is decorated or held instead of called, and in a source that looks at signatures or
    documentation itself, these count.

    Raises:
        CellSyntaxError: If the source is not Python.

    Example:
        >>> normalise("x = 'a'  # why") == normalise('x=(\n"a")')
        True
        >>> normalise("x = 1") == normalise("x = 1.0")
        False
    """
    return canonical(source, parse_cell(source))


def canonical(source: str, statements: list[ast.stmt]) -> str:
    """What `normalise` gives for a source that is parsed already.

    Args:
        source: The text.
        statements: It as `parse_cell` gives it; of no use to anybody afterwards.
    """
    if "def" in source and not _SIGNATURE_READERS.search(source):  # else there is no function in it
        _strip(statements, _held(statements), inside_function=False)
    if 'u"' in source.lower() or "u'" in source.lower():
        _forget_prefixes(statements)
    try:
        return "\n".join(ast.dump(statement) for statement in statements)
    except RecursionError:
        return source


def _forget_prefixes(statements: Iterable[ast.stmt]) -> None:
    """Make `u"a"` and `"a"` the same."""
    for statement in statements:
        for part in ast.walk(statement):
            if isinstance(part, ast.Constant):
                part.kind = None


def _held(statements: Iterable[ast.stmt]) -> frozenset[str]:
    """The names that are used otherwise than by calling them: who holds a function may look at it."""
    called: set[int] = set()
    loaded: list[ast.Name] = []
    for part in [part for statement in statements for part in nodes_of(statement)]:
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            loaded.append(part)
        elif isinstance(part, ast.Call):
            given = [*part.args, *(keyword.value for keyword in part.keywords)]
            called.update(map(id, [part.func, *(given if last_part(part.func) in ONLY_CALL else ())]))
        called.update(map(id, getattr(part, "decorator_list", ())))
    return frozenset(name.id for name in loaded if id(name) not in called)


def _strip(statements: list[ast.stmt], held: frozenset[str], *, inside_function: bool) -> None:
    """Take out docstrings and annotations that nothing looks at, in place."""
    for place, statement in enumerate(statements):
        if isinstance(statement, _Function):
            if not statement.decorator_list and statement.name not in held:
                _strip_function(statement, held)
        elif isinstance(statement, ast.AnnAssign) and inside_function:
            statements[place] = _without_annotation(statement)
        elif not isinstance(statement, ast.ClassDef):
            for block in blocks(statement):
                _strip(block, held, inside_function=inside_function)


def _strip_function(function: _Function, held: frozenset[str]) -> None:
    function.returns = None
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        arguments.vararg,
        *arguments.kwonlyargs,
        arguments.kwarg,
    ]
    for argument in every:
        if argument is not None:
            argument.annotation = None
    if _is_text(function.body[0]):
        function.body[:1] = [] if len(function.body) > 1 else [ast.Pass()]
    _strip(function.body, held, inside_function=True)


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _without_annotation(statement: ast.AnnAssign) -> ast.stmt:
    """Python never evaluates these; without a value they still make the name local."""
    if statement.value is not None:
        return ast.Assign(targets=[statement.target], value=statement.value)
    return ast.AnnAssign(statement.target, ast.Constant(None), None, statement.simple)


# -- definitions ----------------------------------------------------------------------------------


def definition_source(source: str, names: Collection[str]) -> str:
    r"""Give the statements of a cell that finally bind names to functions, classes and modules.

    Imports, `def`, `class` and lambdas given to a name are kept, in order, also where they stand in
    `try` or `if`; together with them what registers itself at them (`@f.register`). A definition that a
    later one replaces before anybody could have used it is left out.

    Args:
        source: The cell.
        names: Names that the cell finally binds to definitions.

    Returns:
        Python that binds these names when it is executed; empty where nothing in the cell binds them.

    Example:
        >>> print(definition_source("import os\nx = slow()\ndef f(): return x", ["f", "os"]))
        import os
        def f(): return x
    """
    statements = parse_cell(source)
    wanted = frozenset(names)
    kept = [part for part in (_kept(statement, wanted) for statement in statements) if part is not None]
    final = [part for place, part in enumerate(kept) if not _is_replaced(part, kept[place + 1 :])]
    return "\n".join(_text(source, part, statements) for part in final)


def _text(source: str, part: ast.stmt, statements: Sequence[ast.stmt]) -> str:
    """Give the user's own text of a statement that was kept whole, so that tracebacks show it."""
    if any(part is statement for statement in statements):
        decorators: list[ast.expr] = getattr(part, "decorator_list", [])
        first = min([part.lineno, *(decorator.lineno for decorator in decorators)])
        lines = source.splitlines()[first - 1 : part.end_lineno]
        if _stands_alone(part, lines, statements):
            return "\n".join(lines)
    return ast.unparse(part)


def _stands_alone(part: ast.stmt, lines: list[str], statements: Sequence[ast.stmt]) -> bool:
    try:
        own = ast.parse("\n".join(lines)).body
    except SyntaxError:
        return False
    return len(own) == 1 and type(own[0]) is type(part) and len(statements) > 0


def _kept(statement: ast.stmt, wanted: frozenset[str]) -> ast.stmt | None:
    """Give the part of a statement that binds wanted names; None where there is none."""
    match statement:
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            kept = [alias for alias in aliases if _bound_by(alias) in wanted]
            return _with_names(statement, kept) if kept else None
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return statement if statement.name in wanted or _registers(statement, wanted) else None
        case ast.Assign(targets=targets, value=ast.Lambda()):
            return statement if wanted & _names_of(targets) else None
        case ast.If() | ast.Try():
            return _kept_block(statement, wanted)
        case _:
            return None


def _with_names(statement: ast.Import | ast.ImportFrom, aliases: list[ast.alias]) -> ast.stmt:
    if len(aliases) == len(statement.names):
        return statement
    if isinstance(statement, ast.Import):
        return ast.copy_location(ast.Import(aliases), statement)
    return ast.copy_location(ast.ImportFrom(statement.module, aliases, statement.level), statement)


def _bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _names_of(targets: Iterable[ast.expr]) -> set[str]:
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _registers(statement: _Function | ast.ClassDef, wanted: frozenset[str]) -> bool:
    """Say whether a decorator adds this to something wanted, as `@f.register` does."""
    roots = [part for decorator in statement.decorator_list for part in ast.walk(decorator)]
    return any(isinstance(part, ast.Name) and part.id in wanted for part in roots)


def _kept_block(statement: ast.If | ast.Try, wanted: frozenset[str]) -> ast.stmt | None:
    """Keep the branches, with only those lines in them that bind wanted names."""
    if not any(_kept(line, wanted) is not None for block in blocks(statement) for line in block):
        return None
    if isinstance(statement, ast.If):
        body, orelse = _lines(statement.body, wanted), _lines(statement.orelse, wanted)
        return ast.copy_location(ast.If(statement.test, body or [ast.Pass()], orelse), statement)
    handlers = [
        ast.ExceptHandler(handler.type, handler.name, _lines(handler.body, wanted) or [ast.Pass()])
        for handler in statement.handlers
    ]
    body = _lines(statement.body, wanted) or [ast.Pass()]
    orelse, final = _lines(statement.orelse, wanted), _lines(statement.finalbody, wanted)
    return ast.copy_location(ast.Try(body, handlers, orelse, final), statement)


def _lines(block: list[ast.stmt], wanted: frozenset[str]) -> list[ast.stmt]:
    kept: list[ast.stmt] = []
    for line in block:
        part = line if _gives_a_constant(line, wanted) or isinstance(line, ast.Raise) else _kept(line, wanted)
        if part is not None:
            kept.append(part)
    return kept


def _gives_a_constant(line: ast.stmt, wanted: frozenset[str]) -> bool:
    """Say whether a line is the usual way out of a missing module: `torch = None`."""
    match line:
        case ast.Assign(targets=targets, value=ast.Constant() | ast.Name()):
            return bool(wanted & _names_of(targets))
        case _:
            return False


def _is_replaced(part: ast.stmt, later: Sequence[ast.stmt]) -> bool:
    """Say whether all that a definition binds is bound again before anything mentions it."""
    open_names = _bound_names(part)
    if not open_names or isinstance(part, ast.If | ast.Try):
        return False
    for other in later:
        mentioned = {n.id for n in ast.walk(other) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        if mentioned & open_names:
            return False
        if not isinstance(other, ast.If | ast.Try):
            open_names = open_names - _bound_names(other)
        if not open_names:
            return True
    return False


def _bound_names(part: ast.stmt) -> set[str]:
    match part:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {_bound_by(alias) for alias in aliases}
        case ast.Assign(targets=targets):
            return _names_of(targets)
        case _:
            return set()
