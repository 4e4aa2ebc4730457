"""How a body may use libraries: which settings it may look at, those of the packages that it reaches."""

from __future__ import annotations

import re
import sys
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.libraries import LIBRARIES, MATPLOTLIB
from nbflow.store.requirements import distributions_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


_DRAWS: Final = re.compile(
    r"\.(plot|\w+_plot|boxplot|plot_\w+|hist|bar|draw\w*|imshow|\w*gradient)\b|Display\b"
)
"""How code speaks that has a library draw which does not require matplotlib."""

_NAMED_OTHERWISE: Final[Mapping[str, str]] = {"sklearn": "scikit-learn"}
_CODE: Final = (FunctionType, BuiltinFunctionType, type)


def draws_by(sources: Iterable[str]) -> bool:
    """Whether code speaks as it does that has a library draw.

    Example:
        >>> draws_by(["df.plot()"]), draws_by(["import matplotlib.pyplot as plt"])
        (True, False)
    """
    return any(map(_DRAWS.search, sources))


def reads_lazily(value: object) -> bool:
    """Whether who collects a value reads files that nobody sees."""
    kind: type = type(value)
    return kind.__name__ in _LAZY and str(kind.__module__).startswith(_LAZY_OF)


_LAZY: Final = frozenset({"LazyFrame", "FileSystemDataset", "ParquetDataset"})
_LAZY_OF: Final = ("polars.", "pyarrow.")


def used_settings(values: Iterable[object], imported: Iterable[str], *, draws: bool) -> frozenset[str]:
    """The keys of the settings that a body may look at.

    Args:
        values: What stands under the names that it reaches.
        imported: The modules that it imports, or functions that it calls.
        draws: Whether it speaks as code does that has a library draw.

    Example:
        >>> import decimal
        >>> sorted(used_settings([[decimal.Decimal(1)]], [], draws=False))
        ['<decimal settings>']
    """
    modules = {module for value in values for module in _modules_of(value)}.union(imported)
    keys, is_third = _behind(frozenset(top for module in modules for top in _tops(module, set())))
    return keys | {MATPLOTLIB} if draws and is_third else keys


@cache
def _behind(tops: frozenset[str]) -> tuple[frozenset[str], bool]:
    """The keys of the settings of these top-level modules, and whether others than Python's own are there."""
    distributions = frozenset[str]().union(*map(distributions_behind, tops))
    libraries = [(key, library) for key, library in LIBRARIES.items() if library.spoken]
    keys = (key for key, library in libraries if _is_behind(library.module, tops, distributions))
    return frozenset(keys), bool(distributions)


def _is_behind(module: str, tops: frozenset[str], distributions: frozenset[str]) -> bool:
    top = module.partition(".")[0]
    return top in tops or _NAMED_OTHERWISE.get(top, top) in distributions


def _modules_of(value: object) -> Iterator[str]:
    """The modules that a value is of, and the first elements of a container and of an object."""
    yield _module_of(value)
    for part in _parts(value):
        yield _module_of(part)


def _module_of(value: Any) -> str:
    # By the type alone: a proxy, or a value that is not loaded, may refuse to say of which class it is.
    kind = cast("type[Any]", type(value))
    if issubclass(kind, ModuleType):
        return value.__name__
    owner: Any = value if issubclass(kind, _CODE) else kind
    module = getattr(owner, "__module__", "")
    return module if isinstance(module, str) else ""


def _parts(value: object) -> Iterable[object]:
    if type(value) in (list, tuple, set, frozenset):
        return [first for first, _ in zip(cast("Iterable[object]", value), range(3), strict=False)]
    if type(value) is dict:
        return [
            first for first, _ in zip(cast("dict[object, object]", value).values(), range(3), strict=False)
        ]
    is_looked_into = not issubclass(type(value), (ModuleType, *_CODE)) and is_of_user(_module_of(value))
    try:
        return tuple(vars(value).values()) if is_looked_into else ()
    except Exception:  # noqa: BLE001 - without attributes, or a proxy with nothing behind it
        return ()


def is_of_user(module: str) -> bool:
    """Whether a module, by its dotted name, is one of the user's own: no package has it."""
    top = module.partition(".")[0]
    return bool(top) and top not in sys.stdlib_module_names and not distributions_behind(top)


def _tops(module: str, seen: set[str]) -> Iterator[str]:
    """The top-level module; for one of the user's, those of what it has imported as well.

    What the notebook's own code reaches is among the values by itself.
    """
    top = module.partition(".")[0]
    if not top or top == "__main__" or module in seen:
        return
    seen.add(module)
    yield top
    if is_of_user(module) and (loaded := sys.modules.get(module)) is not None:
        for inner in {_module_of(value) for value in tuple(vars(loaded).values())}:
            yield from _tops(inner, seen)
