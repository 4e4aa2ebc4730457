"""What installed packages require: who calls one may run code of all of these."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from importlib import metadata
from typing import Final

from nbflow.analysis.packages import owners_of_modules

_NAME: Final = re.compile(r"[\w.-]+")


@lru_cache(maxsize=1_000)
def distributions_behind(module: str) -> frozenset[str]:
    """The distribution of a top-level module and all that it requires, extras aside, in lower case.

    Empty for Python's own modules, and for what is not installed.

    Example:
        >>> "pandas" in distributions_behind("pandas"), distributions_behind("json")
        (True, frozenset())
    """
    if module in sys.stdlib_module_names:
        return frozenset()
    found: set[str] = set()
    todo = list(_owners(module))
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo.extend(_required(name))
    return frozenset(found)


def _owners(module: str) -> list[str]:
    try:
        return [_normal(metadata.distribution(module).name)]
    except (metadata.PackageNotFoundError, ValueError):
        return [_normal(owner.name) for owner in _all_owners().get(module, ())]


@lru_cache(maxsize=1)
def _all_owners() -> dict[str, list[metadata.Distribution]]:
    return dict(owners_of_modules())


@lru_cache(maxsize=1_000)
def _required(name: str) -> tuple[str, ...]:
    try:
        lines = metadata.distribution(name).requires or ()
    except (metadata.PackageNotFoundError, ValueError):
        return ()
    plain = (line for line in lines if "extra ==" not in line)
    return tuple(_normal(match.group()) for line in plain if (match := _NAME.match(line)))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
