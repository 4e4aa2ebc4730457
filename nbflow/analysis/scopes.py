"""Which names a scope binds, and what a name written in it refers to.

A name is turned into a *key*: a plain identifier for a global of the notebook, `name.serial` for a
local of a function, comprehension or class body. A dot can never stand in an identifier, so keys of
different scopes never meet.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ScopeKind(Enum):
    """The kinds of scope that Python resolves names by."""

    MODULE = "module"
    FUNCTION = "function"
    CLASS = "class"


@dataclass(slots=True)
class Bindings:
    """The names that some statements bind, and those they declare to live elsewhere."""

    bound: set[str] = field(default_factory=set[str])
    globals: set[str] = field(default_factory=set[str])
    nonlocals: set[str] = field(default_factory=set[str])


class Scope:
    """A scope and what its names refer to.

    Args:
        kind: How names that it binds are seen from inside.
        parent: The scope around it; None for the notebook's namespace.
        names: What it binds and declares.
        serial: Tells its locals from those of other scopes.
        owner: Name of the class whose private names (`__x`) are meant here.
    """

    __slots__ = ("_keys", "bound", "globals", "kind", "nonlocals", "owner", "parent", "serial")

    def __init__(
        self, kind: ScopeKind, parent: Scope | None, names: Bindings, serial: int, owner: str | None = None
    ) -> None:
        self.kind = kind
        self.parent = parent
        self.serial = serial
        self.owner = owner if owner is not None else (parent.owner if parent else "")
        self._keys: dict[str, str] = {}
        self.bound = {self.mangle(name) for name in names.bound}
        self.globals = {self.mangle(name) for name in names.globals}
        self.nonlocals = {self.mangle(name) for name in names.nonlocals}

    def mangle(self, name: str) -> str:
        """Give the real name of what is written as `name` here (`__x` in a class)."""
        if not self.owner or not name.startswith("__") or name.endswith("__") or "." in name:
            return name
        stripped = self.owner.lstrip("_")
        return f"_{stripped}{name}" if stripped else name

    def key(self, name: str) -> str:
        """Resolve a name as written here to its key."""
        found = self._keys.get(name)
        if found is None:
            found = self._keys[name] = self._resolve(self.mangle(name))
        return found

    def _resolve(self, name: str) -> str:
        scope: Scope | None = self
        while scope is not None and scope.kind is not ScopeKind.MODULE:
            visible = scope is self or scope.kind is not ScopeKind.CLASS
            if visible and name in scope.globals:
                return name
            if visible and name in scope.bound and name not in scope.nonlocals:
                return f"{name}.{scope.serial}"
            scope = scope.parent
        return name

    def has(self, key: str) -> bool:
        """Say whether a key is a local of this very scope."""
        return key.rpartition(".")[2] == str(self.serial)

    def outward(self, name: str) -> str:
        """Resolve a name as if a class body did not bind it.

        A class body that binds a name still looks in the globals, and never in a function around
        it, while the name is not bound yet.
        """
        return self.mangle(name)


def bindings(statements: Iterable[ast.AST], *, walrus: bool = True) -> Bindings:
    """Collect what statements bind in the scope they stand in.

    Args:
        statements: The body; nested functions and classes count by their name only.
        walrus: Whether to look into expressions for `:=`, which is slow and rarely needed.

    Example:
        >>> sorted(bindings(ast.parse("import os.path as p; a, b.c = 1, 2").body).bound)
        ['a', 'p']
    """
    found = Bindings()
    stack = list(statements)
    while stack:
        node = stack.pop()
        _note(node, found)
        stack.extend(_inside(node, walrus))
    return found


def _note(node: ast.AST, found: Bindings) -> None:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            found.bound.add(name)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            found.bound.add(name)
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            found.bound.update(a.asname or a.name.partition(".")[0] for a in aliases if a.name != "*")
        case ast.Global(names=names):
            found.globals.update(names)
        case ast.Nonlocal(names=names):
            found.nonlocals.update(names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            found.bound.add(name)
        case ast.MatchMapping(rest=str(name)):
            found.bound.add(name)
        case _:
            pass


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _inside(node: ast.AST, walrus: bool) -> list[ast.AST]:
    """List the parts of a node that may bind names in the same scope."""
    if isinstance(node, _FUNCTIONS):
        outer = [*node.args.defaults, *node.args.kw_defaults, *getattr(node, "decorator_list", ())]
        return [part for part in outer if part is not None] if walrus else []
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords] if walrus else []
    if isinstance(node, _COMPREHENSIONS):
        return [part.target for part in ast.walk(node) if isinstance(part, ast.NamedExpr)] if walrus else []
    children = ast.iter_child_nodes(node)
    if walrus:
        return list(children)
    return [child for child in children if not isinstance(child, ast.expr) or _is_target(child)]


def _is_target(node: ast.expr) -> bool:
    return isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)


def parameters(arguments: ast.arguments) -> list[str]:
    """List the names of all parameters, in the order they are written."""
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        arguments.vararg,
        *arguments.kwonlyargs,
        arguments.kwarg,
    ]
    return [argument.arg for argument in every if argument is not None]
