"""What code may change about modules and classes that are not its own, told by its text.

`pd.DataFrame.clean = clean` gives every frame a method, and `time.sleep = print` has all that sleeps print.
Who does so names what it changes: as the target of an assignment, in a call of `setattr`, of `mock.patch`,
or of a function that registers accessors. What is meant is found when the code is about to run.
"""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.facts import dotted
from nbflow.analysis.magics import parse_cell
from nbflow.exceptions import CellSyntaxError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

Chain = tuple[str, ...]
"""A dotted expression by its parts. One that begins with a module that the code imports itself has the
dotted name of the module as its first part, with a colon before it: `(":pandas", "DataFrame")`."""

_ACCESSORS: Final = {
    "register_dataframe_accessor": (":pandas", "DataFrame"),
    "register_series_accessor": (":pandas", "Series"),
    "register_index_accessor": (":pandas", "Index"),
    "register_dataframe_namespace": (":polars", "DataFrame"),
    "register_lazyframe_namespace": (":polars", "LazyFrame"),
    "register_series_namespace": (":polars", "Series"),
    "register_expr_namespace": (":polars", "Expr"),
    "register_dataset_accessor": (":xarray", "Dataset"),
    "register_dataarray_accessor": (":xarray", "DataArray"),
}
"""The functions that register accessors, and the class that gets an attribute by each."""

_SETTERS: Final = frozenset({"setattr", "delattr", "patch"})
_GIVE_ONE: Final = frozenset({"import_module", "__import__", "getattr", "type", "reload"})
"""What may be called for a module or a class."""
_MAY: Final = re.compile(r"\.|attr\(|vars\(|patch\(|register_")
_NAME: Final = re.compile(r"[^\W\d]\w*")
_PATH: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


class Patching(msgspec.Struct, frozen=True):
    """What code may change about modules and classes that are not its own.

    Args:
        attributes: What is changed of what, as the text says it.
        owners: What may be meant where the text does not say whose attribute is changed.
        names: The attributes that may be meant there.
    """

    attributes: frozenset[tuple[Chain, str]] = frozenset()
    owners: frozenset[Chain] = frozenset()
    names: frozenset[str] = frozenset()

    def may_change(self, attribute: str) -> bool:
        """Whether it may change an attribute of that name, whosever it is."""
        return attribute in self.names or any(name == attribute for _, name in self.attributes)

    def __bool__(self) -> bool:
        return bool(self.attributes or (self.owners and self.names))


NO_PATCHING: Final = Patching()


@lru_cache(maxsize=4_000)
def patched_in(source: str) -> Patching:
    r"""What a source may change about modules and classes.

    Args:
        source: The text of a cell, or of a module.

    Example:
        >>> [*patched_in("import pandas as pd\npd.DataFrame.clean = clean").attributes]
        [((':pandas', 'DataFrame'), 'clean')]
        >>> bool(patched_in("class A:\n    def __init__(self):\n        self.x = 1"))
        False
    """
    if not _MAY.search(source):
        return NO_PATCHING
    try:
        return _Search(parse_cell(source)).found()
    except (CellSyntaxError, RecursionError):
        return NO_PATCHING


@lru_cache(maxsize=4_000)
def leading_imports(source: str) -> tuple[str, ...]:
    r"""The modules that a source imports before it does anything else.

    Example:
        >>> leading_imports("import json as j\nfrom math import pi\nx = 1\nimport re")
        ('json', 'math')
    """
    found: list[str] = []
    with suppress(CellSyntaxError, RecursionError):
        for statement in parse_cell(source):
            if isinstance(statement, ast.Import):
                found += [alias.name for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
                found.append(statement.module)
            elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                break
    return tuple(found)


def together(found: Iterable[Patching]) -> Patching:
    """What several sources may change, one of which may call the other."""
    each = [patching for patching in found if patching]
    if not each:
        return NO_PATCHING
    return Patching(
        frozenset[tuple[Chain, str]]().union(*(patching.attributes for patching in each)),
        frozenset[Chain]().union(*(patching.owners for patching in each)),
        frozenset[str]().union(*(patching.names for patching in each)),
    )


@lru_cache(maxsize=4_000)
def words_in(source: str) -> frozenset[str]:
    """The words of a source: what it does not contain as a word it cannot name.

    Example:
        >>> "clean" in words_in("y = getattr(df, 'clean')()")
        True
    """
    return frozenset(_NAME.findall(source))


class _Search:
    """Looks for what statements change.

    Args:
        statements: The statements.
    """

    def __init__(self, statements: list[ast.stmt]) -> None:
        self._parts = [part for statement in statements for part in ast.walk(statement)]
        self._origins = dict(_imported(self._parts))
        self._own = frozenset(_receivers(self._parts))
        self._locals = frozenset(_bound_within(self._parts))
        self._attributes: set[tuple[Chain, str]] = set()
        self._names: set[str] = set()

    def found(self) -> Patching:
        for part in self._parts:
            if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
                self._take(part)
            elif isinstance(part, ast.Call):
                self._take_call(part)
            elif isinstance(part, ast.Subscript) and not isinstance(part.ctx, ast.Load):
                self._take_table(part)
        owners = frozenset(self._chains()) if self._names else frozenset[Chain]()
        return Patching(frozenset(self._attributes), owners, frozenset(self._names))

    def _take(self, part: ast.Attribute) -> None:
        """The target of an assignment."""
        root = dotted(part).partition(".")[0]
        if root in self._own:
            return
        chain = self._chain(part.value)
        if chain is None or root in self._locals:
            self._names.add(part.attr)
        else:
            self._attributes.add((chain, part.attr))

    def _take_call(self, part: ast.Call) -> None:
        path = dotted(part.func).split(".")
        if path[-1] in _ACCESSORS:
            self._attributes.update((_ACCESSORS[path[-1]], text) for text in _texts(part))
        elif not _SETTERS.isdisjoint(path):
            self._names.update(self._nameable())
            for text in filter(_PATH.fullmatch, _texts(part)):
                owner, _, attribute = text.rpartition(".")
                self._attributes.add(((f":{owner}",), attribute))

    def _take_table(self, part: ast.Subscript) -> None:
        """`vars(module)["name"]` and `Class.__dict__["name"]`."""
        table = part.value
        is_table = isinstance(table, ast.Attribute) and table.attr == "__dict__"
        if is_table or (isinstance(table, ast.Call) and getattr(table.func, "id", "") == "vars"):
            self._names.update(self._nameable())

    def _nameable(self) -> Iterator[str]:
        """What the texts and keywords of the code can name."""
        for part in self._parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and _NAME.fullmatch(part.value):
                yield part.value
            elif isinstance(part, ast.keyword) and part.arg:
                yield part.arg
            elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield part.name

    def _chains(self) -> Iterator[Chain]:
        """All that dotted expressions of the code may stand for, shorter ones included."""
        for part in self._parts:
            if isinstance(part, (ast.Name, ast.Attribute)) and isinstance(part.ctx, ast.Load):
                chain = self._chain(part)
                if chain is not None and chain[0] not in self._locals:
                    yield chain
        for module in {chain[0] for chain in self._origins.values()}:
            yield (module,)

    def _chain(self, part: ast.expr) -> Chain | None:
        steps: list[str] = []
        while isinstance(part, ast.Attribute):
            steps.append(part.attr)
            part = part.value
        if not isinstance(part, ast.Name):
            return None
        return (*self._origins.get(part.id, (part.id,)), *reversed(steps))


def _texts(call: ast.Call) -> list[str]:
    given = (*call.args, *(keyword.value for keyword in call.keywords))
    return [each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def _imported(parts: Collection[ast.AST]) -> Iterator[tuple[str, Chain]]:
    """The names that imports bind, and what they stand for."""
    for part in parts:
        if isinstance(part, ast.Import):
            for alias in part.names:
                top = alias.name.partition(".")[0]
                yield (alias.asname, (f":{alias.name}",)) if alias.asname else (top, (f":{top}",))
        elif isinstance(part, ast.ImportFrom) and part.module and not part.level:
            for alias in part.names:
                yield alias.asname or alias.name, (f":{part.module}", alias.name)


def _receivers(parts: Collection[ast.AST]) -> Iterator[str]:
    """How methods call their own object: what they set of it is nobody else's."""
    for part in parts:
        for method in part.body if isinstance(part, ast.ClassDef) else ():
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                arguments = (*method.args.posonlyargs, *method.args.args)
                yield from (argument.arg for argument in arguments[:1])


def _bound_within(parts: Collection[ast.AST]) -> Iterator[str]:
    """Names that the code itself may bind to a module or class of somebody else: who knows to which."""
    for part in parts:
        if isinstance(part, ast.arg):
            yield part.arg
        elif isinstance(part, ast.Assign) and _may_be_one(part.value):
            yield from (name for target in part.targets for name in _stored(target))
        elif isinstance(part, (ast.For, ast.comprehension, ast.NamedExpr)):
            yield from _stored(part.target)


def _may_be_one(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func).rpartition(".")[2] in _GIVE_ONE
    return isinstance(value, (ast.Name, ast.Attribute, ast.IfExp, ast.BoolOp, ast.Tuple, ast.Subscript))


def _stored(target: ast.expr) -> Iterator[str]:
    for part in ast.walk(target):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            yield part.id
