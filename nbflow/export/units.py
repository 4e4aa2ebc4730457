"""Units: the tasks of a notebook, and each statement of its plain cells with the comments above it."""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from nbflow.analysis import Analysis, analyze
from nbflow.analysis.names import BUILTINS
from nbflow.export.certain import certain, stored
from nbflow.export.magics import parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbflow.export.cells import CellText

Kind = Literal["task", "params", "plain"]
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_STRINGIZED: Final = "from __future__ import annotations"
_USUAL: Final = frozenset(
    {"dataclass", "lru_cache", "cache", "total_ordering", "contextmanager", "task", "flow"}
)
"""Decorators that look at nothing but what stands below them."""
_RUNS: Final = re.compile(r"\.(?:run|submit|map|result|states?)\b|\breturn_state\b|\b(?:Completed|Failed)\(")
_PREPARES: Final = re.compile(
    r"\bsys\.path|\bsys\.modules|\bchdir\(|\benviron\b|\bputenv\b|\bimportlib\b|\breload\(|\baddsitedir\("
    r"|\b(?:matplotlib|mpl)\.use\(|\bfilterwarnings\(|\bsimplefilter\("
)
"""What may make an import below it another one."""


@dataclass(frozen=True, eq=False)
class Unit:
    """A task, a cell of parameters, or a group of statements of a plain cell.

    Args:
        cell: The cell that it is of.
        kind: What it is.
        text: Its text, with the comments above it; without imports that stand above it now.
        place: Which part of its cell it is.
        gap: Whether the cell has blank lines above it.
        is_value: Whether it is a call that a notebook leaves to its session.
        stringized: Whether annotations are texts to it, by `from __future__ import annotations`.
    """

    cell: CellText
    kind: Kind
    text: str
    place: int = 0
    gap: bool = False
    is_value: bool = False
    stringized: bool = False

    @cached_property
    def tree(self) -> Sequence[ast.stmt]:
        """Its statements."""
        return parsed(self.text, self.cell.label).body

    @cached_property
    def analysis(self) -> Analysis:
        """What the house's analysis says of its text."""
        if not self.stringized:
            return analyze(self.text)
        found = analyze(f"{_STRINGIZED}\n{self.text}")
        return replace(found, writes=found.writes - {"annotations"} | analyze(self.text).writes)

    @property
    def label(self) -> str:
        """How people speak of its cell."""
        return self.cell.label

    def first_at(self, name: str) -> int:
        """Where a name stands first in its text."""
        found = re.search(rf"\b{re.escape(name)}\b", self.text)
        return found.start() if found is not None else len(self.text)

    @property
    def elements(self) -> Mapping[str, str]:
        """Of a mapped task: each name that holds one element, with the name of all."""
        return dict(self.cell.options.map) if self.kind == "task" else {}

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names that it may load, or delete, while it runs and has not bound by then."""
        found = self.analysis
        direct = found.reads | found.maybe_reads
        return (direct - self.elements.keys()) | frozenset(self.elements.values())

    @cached_property
    def code(self) -> frozenset[str]:
        """The names that its functions may load whenever they are called."""
        return (self.analysis.code_reads | self.analysis.deferred_reads) - self.elements.keys()

    @cached_property
    def late(self) -> frozenset[str]:
        """Those of them that it does not bind itself for sure."""
        return self.analysis.deferred_reads - self.elements.keys()

    @cached_property
    def writes(self) -> frozenset[str]:
        """The names that it may bind."""
        return (self.analysis.writes | self.analysis.maybe_writes) - self.elements.keys()

    @cached_property
    def deletes(self) -> frozenset[str]:
        """The names that it may delete."""
        return self.analysis.deletes - self.elements.keys()

    @cached_property
    def certain(self) -> frozenset[str]:
        """The names that it has bound whenever it ends well."""
        return certain(self.tree) - self.elements.keys()

    @cached_property
    def forced(self) -> frozenset[str]:
        """The names that a `global` statement makes its functions share with everybody."""
        nodes = (node for line in self.tree for node in ast.walk(line))
        return frozenset(name for node in nodes if isinstance(node, ast.Global) for name in node.names)

    @cached_property
    def classes(self) -> frozenset[str]:
        """The classes that it defines: what they are called shows, and pickles find them by their name."""
        return frozenset(line.name for line in self.tree if isinstance(line, ast.ClassDef))

    @cached_property
    def class_names(self) -> frozenset[str]:
        """The names that bodies of classes bind: there such a name never means one of a function around."""
        nodes = [node for line in self.tree for node in ast.walk(line) if isinstance(node, ast.ClassDef)]
        return frozenset[str]().union(*(stored(line, ast.Store) for node in nodes for line in node.body))

    @cached_property
    def waits(self) -> bool:
        """Whether it awaits something itself."""
        return any(_awaits(statement) for statement in self.tree)

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """What it imports, an entry for each name, where it does nothing else."""
        lines = [line for line in self.tree if isinstance(line, ast.Import | ast.ImportFrom)]
        return (
            tuple(each for line in lines for each in imported(line)) if len(lines) == len(self.tree) else ()
        )

    @cached_property
    def binds_names_alone(self) -> bool:
        """Whether it is one assignment, to names and nothing else."""
        match self.tree:
            case [ast.Assign(targets=targets)]:
                return all(isinstance(target, ast.Name) for target in targets)
            case [ast.AnnAssign(target=ast.Name(), value=value)]:
                return value is not None
            case _:
                return False

    @cached_property
    def decorators(self) -> frozenset[str]:
        """The names at the roots of its decorators."""
        lines = [line for line in self.tree if isinstance(line, _Function | ast.ClassDef)]
        parts = [part for line in lines for each in line.decorator_list for part in ast.walk(each)]
        return frozenset(part.id for part in parts if isinstance(part, ast.Name))

    @cached_property
    def is_inert(self) -> bool:
        """Whether it only imports, defines, or names what its text alone tells, and changes nothing."""
        return bool(self.tree) and all(self._is_inert(line) for line in self.tree)

    def _is_inert(self, line: ast.stmt) -> bool:
        match line:
            case ast.Import() | ast.ImportFrom():
                return True
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return line.name in self.analysis.constants or _is_plain_definition(line)
            case ast.Assign(targets=targets, value=value):
                return _is_plain_value(value) and all(_takes_all(target, value) for target in targets)
            case ast.AnnAssign(target=ast.Name(), value=value):
                return value is not None and _is_plain_value(value)
            case _:
                return False

    @property
    def starts_runs(self) -> bool:
        """Whether it may make states or futures of nbflow's."""
        return _RUNS.search(self.text) is not None

    @cached_property
    def prepares_imports(self) -> bool:
        """Whether imports below may hang on it."""
        return _PREPARES.search(self.text) is not None

    def may_make(self, module: str) -> bool:
        """Whether its text mentions the file of a module, which it may write."""
        texts = (
            part.value for line in self.tree for part in ast.walk(line) if isinstance(part, ast.Constant)
        )
        stem = module.partition(".")[0]
        return any(isinstance(text, str) and re.search(rf"\b{re.escape(stem)}\b", text) for text in texts)


def _awaits(node: ast.AST) -> bool:
    if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
        return True
    if isinstance(node, ast.comprehension) and node.is_async:
        return True
    if isinstance(node, (*_Function.__args__, ast.Lambda, ast.ClassDef)):
        return False
    return any(map(_awaits, ast.iter_child_nodes(node)))


def _is_plain_definition(line: _Function | ast.ClassDef) -> bool:
    """Whether nothing computed is part of a definition, but for what usual decorators make of it."""
    bare = copy.deepcopy(line)
    bare.decorator_list = [each for each in bare.decorator_list if last_name(each) not in _USUAL]
    # Annotations are names, and what `field(…)` is told is looked at when an instance is made.
    fields = [part for part in bare.body if isinstance(part, ast.AnnAssign) and _is_field(part)]
    bare.body = [part for part in bare.body if part not in fields] or [ast.Pass()]
    return line.name in analyze(ast.unparse(bare)).constants


def _is_field(line: ast.AnnAssign) -> bool:
    return line.value is None or last_name(line.value) == "field" or _is_plain_value(line.value)


def last_name(node: ast.expr) -> str:
    """The last name of `task`, `nbflow.task` and of calls of them.

    Example:
        >>> last_name(ast.parse("nbflow.task(retries=2)", mode="eval").body)
        'task'
    """
    made = node.func if isinstance(node, ast.Call) else node
    return getattr(made, "attr", "") or getattr(made, "id", "")


def _takes_all(target: ast.expr, value: ast.expr) -> bool:
    """Whether a target is a name, or a name for each part of what is bound to it."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        parts = [*target.elts, *value.elts]
        is_even = len(target.elts) == len(value.elts)
        return (
            is_even
            and not any(isinstance(part, ast.Starred) for part in parts)
            and all(isinstance(part, ast.Name) for part in target.elts)
        )
    return isinstance(target, ast.Name)


def _is_plain_value(value: ast.expr) -> bool:
    """Whether an expression computes nothing but from constants, or puts things into a display."""
    match value:
        case ast.Constant() | ast.Name():
            return True
        case ast.Lambda(args=arguments):
            return not (arguments.defaults or [each for each in arguments.kw_defaults if each is not None])
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(map(_is_plain_value, parts))
        case ast.Dict(keys=keys, values=values):
            return all(key is not None and _is_plain_value(key) for key in keys) and all(
                map(_is_plain_value, values)
            )
        case ast.UnaryOp(operand=operand):
            return isinstance(operand, ast.Constant)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case _:
            return False


def _is_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant():
            return True
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case ast.UnaryOp(operand=operand):
            return _is_number(operand)
        case _:
            return False


def imported(statement: ast.Import | ast.ImportFrom) -> list[str]:
    """What a statement imports, an entry for each name.

    Example:
        >>> imported(ast.parse("from os import path as p, sep").body[0])
        ['from os import path as p', 'from os import sep']
    """
    where = ""
    if isinstance(statement, ast.ImportFrom):
        where = f"from {'.' * statement.level}{statement.module or ''} "
    return [f"{where}import {ast.unparse(alias)}" for alias in statement.names]


def bound_by(entry: str) -> str:
    """The name that an entry of `imported` binds.

    Example:
        >>> bound_by("import os.path"), bound_by("from os import path as p")
        ('os', 'p')
    """
    _, _, alias = entry.rpartition("import ")
    name, _, other = alias.partition(" as ")
    return other or name.partition(".")[0]


def same_import(entry: str) -> str:
    """What two entries have in common that bind the same thing to the same name.

    Example:
        >>> same_import("import os.path"), same_import("from os import path")
        ('import os', 'from os import path')
    """
    return f"import {bound_by(entry)}" if entry.startswith("import ") and " as " not in entry else entry


# --- from cells -----------------------------------------------------------------------------------


def units_of(cells: Iterable[CellText]) -> list[Unit]:
    r"""The units of cells, in their order.

    Raises:
        ExportError: If a cell cannot stand in a module.

    Example:
        >>> from nbflow.export.cells import CellText
        >>> [unit.text for unit in units_of([CellText("plain", "cell [1]", "a = 1\n\n# two\nb = 2")])]
        ['a = 1', '# two\nb = 2']
    """
    parts = [part for cell in cells for part in _parts_of(cell)]
    lifted = _only_imported(parts)
    units = [unit for part in parts for unit in _with_imports_above(part, lifted)]
    is_stringized = any(_STRINGIZED in unit.imports for unit in units)
    return [replace(unit, stringized=True) for unit in units] if is_stringized else units


def _parts_of(cell: CellText) -> list[Unit]:
    if cell.kind == "task":
        return [Unit(cell, "task", cell.source.strip("\n"))]
    kind: Kind = "params" if cell.kind == "params" else "plain"
    pieces = pieces_of(cell.source, parsed(cell.source, cell.label).body)
    units = [Unit(cell, kind, text, place, gap) for place, (text, gap) in enumerate(pieces)]
    # What a cell of parameters imports for them is no parameter.
    return [replace(unit, kind="plain") if _makes_none(unit) else unit for unit in units]


def _makes_none(unit: Unit) -> bool:
    return unit.kind == "params" and not any(
        isinstance(line, ast.Assign | ast.AnnAssign) for line in unit.tree
    )


def pieces_of(source: str, statements: Sequence[ast.stmt]) -> list[tuple[str, bool]]:
    r"""The text of each statement with the comments above it, and whether blank lines stand above that.

    Example:
        >>> pieces_of("# one\na = 1\n\nb = 2  # two", ast.parse("# one\na = 1\n\nb = 2").body)
        [('# one\na = 1', False), ('b = 2  # two', True)]
    """
    lines, ends = source.split("\n"), list[int]()
    for statement in statements:
        shares_a_line = bool(ends) and statement.lineno <= ends[-1]
        ends[len(ends) - shares_a_line :] = [statement.end_lineno or statement.lineno]
    found: list[tuple[str, bool]] = []
    start = 0
    for end in [*ends, len(lines)]:
        piece = lines[start:end]
        text = "\n".join(piece).strip("\n")
        if text.strip():
            found.append((text.rstrip(), not piece[0].strip() and start > 0))
        start = end
    return found


# --- imports --------------------------------------------------------------------------------------


def _only_imported(units: Sequence[Unit]) -> frozenset[str]:
    """The names that all units which bind them import, and all from the same place."""
    entries: dict[str, set[str]] = {}
    for unit in units:
        imports = [
            each
            for line in unit.tree
            if isinstance(line, ast.Import | ast.ImportFrom)
            for each in imported(line)
        ]
        by_import = {bound_by(each): same_import(each) for each in imports}
        rest = [line for line in unit.tree if not isinstance(line, ast.Import | ast.ImportFrom)]
        others = certain_or_maybe(rest)
        for name in unit.writes | unit.deletes:
            how = by_import.get(name, "")
            entries.setdefault(name, set()).add(how if name not in others else "")
    return frozenset(name for name, how in entries.items() if len(how) == 1 and how != {""}) - BUILTINS


def certain_or_maybe(statements: Sequence[ast.stmt]) -> frozenset[str]:
    """The names that statements may bind or delete."""
    if not statements:
        return frozenset()
    found = analyze("\n".join(map(ast.unparse, statements)))
    return found.writes | found.maybe_writes | found.deletes


def _with_imports_above(unit: Unit, lifted: frozenset[str]) -> Iterator[Unit]:
    """A task without the imports in its body, and before it these; any other unit as it is."""
    if unit.kind != "task":
        yield unit
        return
    lines = unit.text.split("\n")
    gone: set[int] = set()
    for line in unit.tree:
        if _may_be_lifted(line, unit, lifted):
            span = range(line.lineno - 1, line.end_lineno or line.lineno)
            yield Unit(unit.cell, "plain", "\n".join(lines[place].strip() for place in span), len(gone))
            gone |= {*span}
    text = "\n".join(line for place, line in enumerate(lines) if place not in gone)
    yield replace(unit, text=text.strip("\n")) if gone else unit


def _may_be_lifted(line: ast.stmt, unit: Unit, lifted: frozenset[str]) -> bool:
    if not isinstance(line, ast.Import | ast.ImportFrom) or unit.prepares_imports:
        return False
    entries = imported(line)
    shares = sum(
        other.lineno <= (line.end_lineno or 0) and (other.end_lineno or 0) >= line.lineno
        for other in unit.tree
    )
    if shares > 1 or any(
        bound_by(each) not in lifted or each.startswith("from __future__") for each in entries
    ):
        return False
    return not any(unit.may_make(module_in(each)) for each in entries)


def module_in(entry: str) -> str:
    """The module that an entry of `imported` is about.

    Example:
        >>> module_in("from os.path import join"), module_in("import numpy as np")
        ('os.path', 'numpy')
    """
    words = entry.split()
    return words[1].rstrip(",")
