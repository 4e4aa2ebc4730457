"""What the text of a module asks the world while the module is imported."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.environment import ASKING, variables_named
from nbflow.analysis.facts import dotted
from nbflow.analysis.reads import analysis_of
from nbflow.analysis.result import Analysis
from nbflow.analysis.running import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_OPEN: Final = ("network: ", "database: ", "clock: ", "environment: ", "names: ", "native: ")
"""How the effects begin that read what nothing can be compared with later."""

_SEEDS: Final = "random: "

_MAY_ASK: Final = re.compile(
    r"environ|getenv|expand|home|now|today|time|date|Period|uuid|url|request|http|socket|seed|set_?state"
    r"|sql|database|connect|client|redis|import_module|__import__|find_spec|read_|load|scan_|open|dataset"
)


_NAMES: Final = re.compile("|".join(sorted(ASKING)))


class AtImport(msgspec.Struct, frozen=True):
    """What a module asks, and sets, when it is imported.

    Args:
        effects: What it reads of the world that nothing can be compared with later.
        seeds: What it does to the global random generators, as effects.
        environment: The environment variables that it asks for; what only its functions name is not asked.
        optional: The top-level modules that it can do without.
        calls: What it calls of what it imports, as `module.function`, or `.module.function`.
    """

    effects: frozenset[str] = frozenset()
    seeds: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()

    def joined(self, other: AtImport) -> AtImport:
        """What this one and another ask and set; they call and can do without what this one does."""
        found = (self.effects | other.effects, self.seeds | other.seeds, self.environment | other.environment)
        return AtImport(*found, self.optional, self.calls)

    def beyond(self, other: AtImport) -> AtImport:
        """What another does not."""
        found = (self.effects - other.effects, self.seeds - other.seeds, self.environment - other.environment)
        return AtImport(*found, self.optional - other.optional, self.calls - other.calls)


NOTHING: Final = AtImport()


@lru_cache(maxsize=2_000)
def at_import(text: str, called: frozenset[str] = frozenset()) -> AtImport:
    r"""What the text of a module asks while it runs as an import.

    Args:
        text: The text.
        called: What others call of it then, as `load` or `Config.load`.

    Example:
        >>> at_import("import os\nSTAGE = os.environ['STAGE']\ndef f(): os.environ['HOME']").environment
        frozenset({'STAGE'})
        >>> at_import("import time\nSTART = time.time()").effects
        frozenset({'clock: time.time'})
    """
    try:
        statements = running(list(_imported(ast.parse(text).body)), called)
        left = ast.unparse(ast.Module(statements, []))
        found = analysis_of(left, statements) if _MAY_ASK.search(left) else Analysis()
    except (SyntaxError, ValueError, RecursionError):
        return NOTHING
    effects = found.effects.union(*(each.effects for each in found.definitions.values()))
    return AtImport(
        frozenset(effect for effect in effects if effect.startswith(_OPEN)),
        frozenset(effect for effect in effects if effect.startswith(_SEEDS)),
        found.environment,
        frozenset(_optional(statements)),
        frozenset(_called(statements)),
    )


@lru_cache(maxsize=500)
def variables_in(text: str) -> frozenset[str]:
    r"""The environment variables that the text of a module names, those of its functions included.

    `HANDED` is among them where who calls a function may name another.

    Example:
        >>> sorted(variables_in("import os\ndef home(): return os.environ['HOME']"))
        ['*', 'HOME']
    """
    if not _NAMES.search(text):
        return frozenset()
    try:
        statements = list(_unfolded(ast.parse(text).body))
        parts = [list(ast.walk(statement)) for statement in statements]
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    fixed = _texts_in(each.value for each in statements if isinstance(each, ast.Assign))
    named = (variables_named(_asking_in(part), [*fixed, *_texts_in(part)]) for part in parts)
    return frozenset[str]().union(*named)


def _unfolded(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements, those in classes each by itself."""
    for statement in statements:
        if isinstance(statement, ast.ClassDef):
            yield from _unfolded(statement.body)
        else:
            yield statement


def _asking_in(parts: list[ast.AST]) -> frozenset[str]:
    names = (part.id if isinstance(part, ast.Name) else getattr(part, "attr", "") for part in parts)
    return ASKING.intersection(names)


def _texts_in(parts: Iterable[ast.AST]) -> list[str]:
    values = (part.value for part in parts if isinstance(part, ast.Constant))
    return [value for value in values if isinstance(value, str)]


def _called(statements: list[ast.stmt]) -> Iterator[str]:
    """What is called of what is imported, by where it comes from."""
    parts = [part for statement in statements for part in ast.walk(statement)]
    origins: dict[str, str] = {}
    for part in parts:
        if isinstance(part, ast.Import):
            origins |= {
                alias.asname or alias.name.partition(".")[0]: _bound_by(alias) for alias in part.names
            }
        elif isinstance(part, ast.ImportFrom):
            base = "." * part.level + (f"{part.module}." if part.module else "")
            origins |= {alias.asname or alias.name: base + alias.name for alias in part.names}
    for part in parts:
        made = part.decorator_list if isinstance(part, ast.FunctionDef | ast.ClassDef) else ()
        for function in (part.func,) if isinstance(part, ast.Call) else made:
            name, dot, rest = dotted(function).partition(".")
            if name in origins:
                yield f"{origins[name]}{dot}{rest}"


def _bound_by(alias: ast.alias) -> str:
    return alias.name if alias.asname else alias.name.partition(".")[0]


def _optional(statements: list[ast.stmt]) -> Iterator[str]:
    """What is imported where it need not be there."""
    for node in (part for statement in statements for part in ast.walk(statement)):
        if isinstance(node, ast.Try | ast.TryStar | ast.With | ast.If):
            for part in ast.walk(node):
                if isinstance(part, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in part.names)
                elif isinstance(part, ast.ImportFrom) and part.module and not part.level:
                    yield part.module.partition(".")[0]


def _imported(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements without those that run only where the module is the program itself."""
    for statement in statements:
        if isinstance(statement, ast.If) and _is_main(statement.test):
            yield from statement.orelse
        else:
            yield statement


def _is_main(test: ast.expr) -> bool:
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")
