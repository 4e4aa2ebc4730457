"""What the text of a module asks the world while the module is imported."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.reads import analysis_of
from nbflow.analysis.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN: Final = ("network: ", "database: ", "clock: ", "environment: ", "names: ", "native: ")
"""How the effects begin that read what nothing can be compared with later."""

_SEEDS: Final = "random: "

_MAY_ASK: Final = re.compile(
    r"environ|getenv|expand|home|now|today|time|date|Period|uuid|url|request|http|socket|seed|set_?state"
    r"|sql|database|connect|client|redis|import_module|__import__|find_spec|\bexcept\b|suppress|read_|load|scan_|open|dataset"
)


class AtImport(msgspec.Struct, frozen=True):
    """What a module asks, and sets, when it is imported.

    Args:
        effects: What it reads of the world that nothing can be compared with later.
        seeds: What it does to the global random generators, as effects.
        environment: The environment variables that it asks for; what only its functions name is not asked.
        optional: The top-level modules that it can do without.
    """

    effects: frozenset[str] = frozenset()
    seeds: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()


NOTHING: Final = AtImport()


@lru_cache(maxsize=500)
def at_import(text: str) -> AtImport:
    r"""What the text of a module asks while it runs as an import.

    Example:
        >>> at_import("import os\nSTAGE = os.environ['STAGE']\ndef f(): os.environ['HOME']").environment
        frozenset({'STAGE'})
        >>> at_import("import time\nSTART = time.time()").effects
        frozenset({'clock: time.time'})
    """
    if not _MAY_ASK.search(text):
        return NOTHING
    try:
        statements = running(list(_imported(ast.parse(text).body)))
        found = analysis_of(ast.unparse(ast.Module(statements, [])), statements)
    except (SyntaxError, ValueError, RecursionError):
        return NOTHING
    effects = found.effects.union(*(each.effects for each in found.definitions.values()))
    return AtImport(
        frozenset(effect for effect in effects if effect.startswith(_OPEN)),
        frozenset(effect for effect in effects if effect.startswith(_SEEDS)),
        found.environment,
        frozenset(_optional(statements)),
    )


@lru_cache(maxsize=500)
def variables_in(text: str) -> frozenset[str]:
    r"""The environment variables that the text of a module names, those of its functions included.

    Example:
        >>> variables_in("import os\ndef home(): return os.environ['HOME']")
        frozenset({'HOME'})
    """
    if not _MAY_ASK.search(text):
        return frozenset()
    try:
        return analysis_of(text, ast.parse(text).body).environment
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()


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
