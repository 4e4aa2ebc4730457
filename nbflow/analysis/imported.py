"""What the text of a module asks the world while the module is imported."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.reads import analysis_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN: Final = ("network: ", "database: ", "clock: ", "environment: ", "names: ", "native: ")
"""How the effects begin that read what nothing can be compared with later."""

_SEEDS: Final = "random: "

_MAY_ASK: Final = re.compile(
    r"environ|getenv|expand|home|now|today|time|date|Period|uuid|url|request|http|socket|seed|set_?state"
    r"|sql|database|connect|client|redis|import_module|__import__|find_spec|read_|load|scan_|open|dataset"
)


class AtImport(msgspec.Struct, frozen=True):
    """What a module asks, and sets, when it is imported.

    Args:
        effects: What it reads of the world that nothing can be compared with later.
        seeds: What it does to the global random generators, as effects.
        environment: The environment variables that it names, those of its functions included.
    """

    effects: frozenset[str] = frozenset()
    seeds: frozenset[str] = frozenset()
    environment: frozenset[str] = frozenset()


NOTHING: Final = AtImport()


@lru_cache(maxsize=500)
def at_import(text: str) -> AtImport:
    r"""What the text of a module asks while it runs as an import.

    Example:
        >>> at_import("import os, time\nSTAGE = os.environ['STAGE']\ndef now(): return time.time()")
        AtImport(effects=frozenset(), seeds=frozenset(), environment=frozenset({'STAGE'}))
        >>> at_import("import time\nSTART = time.time()").effects
        frozenset({'clock: time.time'})
    """
    if not _MAY_ASK.search(text):
        return NOTHING
    try:
        statements = list(_imported(ast.parse(text).body))
        found = analysis_of(ast.unparse(ast.Module(statements, [])), statements)
    except (SyntaxError, ValueError, RecursionError):
        return NOTHING
    return AtImport(
        frozenset(effect for effect in found.effects if effect.startswith(_OPEN)),
        frozenset(effect for effect in found.effects if effect.startswith(_SEEDS)),
        found.environment,
    )


def _imported(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements without those that run only where the module is the program itself."""
    for statement in statements:
        if isinstance(statement, ast.If) and _is_main(statement.test):
            yield from statement.orelse
        else:
            yield statement


def _is_main(test: ast.expr) -> bool:
    return ast.unparse(test) in ("__name__ == '__main__'", "'__main__' == __name__")
