"""Which code of a module runs while the module is imported: functions that nobody calls meanwhile do not."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Final

from nbflow.analysis.aliases import last_part

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_Code = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_NAMED: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
_KEEPERS: Final = frozenset(
    (
        "partial",
        "partialmethod",
        "register",
        "property",
        "cached_property",
        "vectorize",
        "frompyfunc",
        "wraps",
        "field",
        "Field",
        "lru_cache",
        "cache",
        "Thread",
        "Process",
        "Timer",
        "append",
        "add",
        "setdefault",
    )
)
"""Calls that keep the functions which they are given, and call none of them at once."""


def running(statements: Sequence[ast.stmt], called: Iterable[str] = ()) -> list[ast.stmt]:
    r"""Leave of the statements of a module what runs while it is imported; changes them.

    Args:
        statements: The statements.
        called: What is called besides, as `load` or `Config.load`.

    Functions that nothing calls meanwhile lose what stands in them. Who decorates a function is taken to
    call it only where the module itself says so; who is given one in any other way, to call it.

    Example:
        >>> tree = ast.parse("def now(): return clock()\ndef today(): return clock()\nDAY = today()")
        >>> ast.unparse(running(tree.body)[0]), ast.unparse(running(tree.body)[1])
        ('def now():\n    pass', 'def today():\n    return clock()')
    """
    runs = _Import(statements, called).runs
    emptied = _Emptied(runs)
    return [emptied.visit(statement) for statement in statements]


class _Emptied(ast.NodeTransformer):
    """Takes away what stands in functions that do not run."""

    def __init__(self, runs: set[ast.AST]) -> None:
        self._runs = runs

    def _emptied(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        if node not in self._runs:
            node.body = [ast.Pass()]
        return self.generic_visit(node)

    visit_FunctionDef = visit_AsyncFunctionDef = _emptied

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        if node not in self._runs:
            node.body = ast.Constant(None)
        return self.generic_visit(node)


class _Import:
    """The functions of a module that run while it is imported, found from what its top level calls.

    Args:
        statements: Its top level.
        called: What is called besides.
    """

    def __init__(self, statements: Sequence[ast.stmt], called: Iterable[str]) -> None:
        self.runs: set[ast.AST] = set()
        self._functions: dict[str, list[_Code]] = {}
        self._methods: dict[str, list[_Code]] = {}
        self._classes: dict[str, list[ast.ClassDef]] = {}
        self._bound: set[str] = set(dir(builtins))
        self._held: list[ast.AST] = []
        self._calls_anything = False
        self._todo: list[ast.AST] = list(statements)
        for statement in statements:
            self._find(statement)
        for name, _, method in (each.partition(".") for each in called):
            self._by_name(name)
            self._run(self._methods.get(method, ()))
        self._follow()

    # -- what there is ------------------------------------------------------------------------

    def _find(self, statement: ast.stmt) -> None:
        for node in ast.walk(statement):
            match node:
                case ast.ClassDef(name=name):
                    self._classes.setdefault(name, []).append(node)
                    for member in node.body:
                        if isinstance(member, _NAMED):
                            self._methods.setdefault(member.name, []).append(member)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    self._functions.setdefault(name, []).append(node)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Lambda() as made):
                    self._functions.setdefault(name, []).append(made)
                case ast.alias(name=name, asname=other):
                    self._bound.add(other or name.partition(".")[0])
                case ast.arg(arg=name):
                    self._bound.add(name)
                case _:
                    pass

    # -- what of it runs ----------------------------------------------------------------------

    def _follow(self) -> None:
        while self._todo:
            for node in _region(self._todo.pop()):
                self._look(node)
            if self._calls_anything and not self._todo:
                held, self._held = self._held, []
                for each in held:
                    self._given(each)

    def _look(self, node: ast.AST) -> None:
        match node:
            case ast.Call():
                self._call(node)
            case ast.Attribute(attr=name):
                self._run(self._methods.get(name, ()))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._define(node)
            case ast.Name(ctx=ast.Load()) | ast.Lambda():
                self._held.append(node)
            case _:
                pass

    def _run(self, functions: Iterable[_Code]) -> None:
        for function in functions:
            if function not in self.runs:
                self.runs.add(function)
                self._todo += function.body if isinstance(function.body, list) else [function.body]

    def _call(self, node: ast.Call) -> None:
        self._called(node.func)
        if last_part(node.func) not in _KEEPERS:
            for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
                self._given(argument)

    def _called(self, function: ast.expr) -> None:
        match function:
            case ast.Name(id=name):
                self._by_name(name)
                self._calls_anything |= not (name in self._bound or self._is_own(name))
            case ast.Call(func=ast.Name(id=name)):
                self._run(inner for maker in self._functions.get(name, ()) for inner in _returned(maker))
            case ast.Lambda():
                self._run([function])
            case ast.Attribute() | ast.Call():
                pass  # of the module's own, methods are found by their names
            case _:
                self._calls_anything = True

    def _is_own(self, name: str) -> bool:
        return name in self._functions or name in self._classes

    def _by_name(self, name: str) -> None:
        self._run(self._functions.get(name, ()))
        for made in self._classes.get(name, ()):
            self._make(made)

    def _make(self, made: ast.ClassDef) -> None:
        """An instance is made: what its class has for Python itself may run, and what fills its fields."""
        methods = [each for each in made.body if isinstance(each, _NAMED)]
        special = [each for each in methods if each.name.startswith("__") and each.name.endswith("__")]
        if set(special) <= self.runs and made in self.runs:
            return
        self.runs.add(made)
        self._run(special)
        for node in (part for each in made.body if each not in methods for part in _region(each)):
            if isinstance(node, ast.keyword):
                self._given(node.value)
        for base in made.bases:
            if isinstance(base, ast.Name):
                self._by_name(base.id)

    def _given(self, argument: ast.expr | ast.AST) -> None:
        """A function is handed to somebody who may call it."""
        match argument:
            case ast.Name(id=name):
                self._run(self._functions.get(name, ()))
            case ast.Lambda():
                self._run([argument])
            case _:
                pass

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self._called(decorator)
            if self._calls_what_it_is_given(decorator):
                self._run([node]) if isinstance(node, _NAMED) else self._make(node)
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            for known in self._classes.get(last_part(base), ()):
                self._run(each for each in self._methods.get("__init_subclass__", ()) if each in known.body)
        for keyword in node.keywords if isinstance(node, ast.ClassDef) else ():
            self._by_name(last_part(keyword.value))

    def _calls_what_it_is_given(self, decorator: ast.expr) -> bool:
        """Whether a decorator is known to call the function; one that only wraps it does not."""
        found: Iterable[_Code] = ()
        if isinstance(decorator, ast.Name):
            found = self._functions.get(decorator.id, ())
        elif isinstance(decorator, ast.Call):
            makers = self._functions.get(last_part(decorator.func), ())
            found = [inner for maker in makers for inner in _returned(maker)]
        return isinstance(decorator, ast.Lambda) or any(map(_calls_parameter, found))


def _region(*nodes: ast.AST) -> Iterator[ast.AST]:
    """What runs when these nodes do; of functions that they make only decorators and defaults."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, (*_NAMED, ast.Lambda)):
            arguments = node.args
            todo += [*arguments.defaults, *filter(None, arguments.kw_defaults)]
            todo += node.decorator_list if not isinstance(node, ast.Lambda) else ()
        else:
            todo += ast.iter_child_nodes(node)


def _inside(function: _Code) -> Iterator[ast.AST]:
    return _region(*(function.body if isinstance(function.body, list) else [function.body]))


def _returned(maker: _Code) -> Iterator[_Code]:
    """The functions that a function makes and returns."""
    parts = list(_inside(maker))
    names = {
        part.value.id for part in parts if isinstance(part, ast.Return) and isinstance(part.value, ast.Name)
    }
    for part in parts:
        if isinstance(part, _NAMED) and part.name in names:
            yield part
        elif isinstance(part, ast.Return) and isinstance(part.value, ast.Lambda):
            yield part.value


def _calls_parameter(function: _Code) -> bool:
    names = {argument.arg for argument in (*function.args.posonlyargs, *function.args.args)}
    return any(isinstance(part, ast.Call) and last_part(part.func) in names for part in _inside(function))
