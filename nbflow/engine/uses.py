"""Which settings of libraries a body may look at: those of the packages that it reaches."""

from __future__ import annotations

import re
import sys
from functools import cache
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.analysis.patches import patched_in, words_in
from nbflow.engine.libraries import LIBRARIES, MATPLOTLIB, set_in
from nbflow.engine.patches import Patch
from nbflow.engine.slots import SETTINGS, key_of
from nbflow.store.modules import texts_behind
from nbflow.store.requirements import distributions_behind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nbflow.analysis.patches import Patching
    from nbflow.engine.book import Body, Step

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


def _module_of(value: object) -> str:
    if isinstance(value, ModuleType):
        return value.__name__
    owner: Any = value if isinstance(value, _CODE) else type(value)
    module = getattr(owner, "__module__", "")
    return module if isinstance(module, str) else ""


def _parts(value: object) -> Iterable[object]:
    if type(value) in (list, tuple, set, frozenset):
        return [first for first, _ in zip(cast("Iterable[object]", value), range(3), strict=False)]
    if type(value) is dict:
        return [
            first for first, _ in zip(cast("dict[object, object]", value).values(), range(3), strict=False)
        ]
    if isinstance(value, (ModuleType, *_CODE)):
        return ()
    return tuple(getattr(value, "__dict__", {}).values()) if _is_of_user(_module_of(value)) else ()


def own_modules(bodies: Iterable[Body]) -> frozenset[str]:
    """The modules of the user's own that code imports."""
    found = (item.module for body in bodies for item in body.analysis.imports)
    return frozenset(module for module in found if _is_of_user(module))


def has_own_modules(steps: Iterable[Step]) -> bool:
    """Whether some step imports modules of the user's own."""
    return any(step.ran is not None and own_modules((step.ran,)) for step in steps)


def made_by_imports(body: Body, keys: Iterable[str]) -> frozenset[str]:
    """The settings that modules of the user's own make when a body imports them: that they do only once.

    Args:
        body: The body.
        keys: The settings in question, attributes of modules and classes among them.
    """
    own = [name for name in own_modules((body,)) if name in sys.modules]
    texts = list(texts_behind(own, _is_of_user)) if own and (keys := tuple(keys)) else []
    return frozenset(key for key in keys if texts and any(_speaks_of(text, key) for text in texts))


def set_again(step: Step, body: Body) -> frozenset[str]:
    """The new attributes of modules and classes that a plain cell has made, and whose text still names them.

    They stay where they are while it runs once more, as in any notebook.
    """
    outputs = step.given.outputs if step.plain and step.given is not None else ()
    made = (key_of(output.slot) for output in outputs if output.slot.kind == SETTINGS)
    return frozenset(key for key in made if _is_new(key) and _speaks_of(body.source, key))


def _is_new(key: str) -> bool:
    patch = LIBRARIES.get(key)
    return isinstance(patch, Patch) and patch.is_new


def _speaks_of(text: str, key: str) -> bool:
    patch = LIBRARIES.get(key)
    return patch.attribute in words_in(text) if isinstance(patch, Patch) else key in set_in(text)


def patching_of_own(modules: Iterable[str]) -> Iterator[Patching]:
    """What modules of the user's own may change about modules and classes of others."""
    return map(patched_in, texts_behind(modules, _is_of_user))


def reach_main(modules: Iterable[str]) -> bool:
    """Whether modules of the user's own look for names of the notebook, as those of the main module."""
    return any(map(_LOOKS_INTO_MAIN.search, texts_behind(modules, _is_of_user)))


_LOOKS_INTO_MAIN: Final = re.compile(
    r"\bimport __main__|\bfrom __main__|(?<!== )(?<!!= )[\"']__main__[\"']\s*[\])]"
)


def _is_of_user(module: str) -> bool:
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
    if _is_of_user(module) and (loaded := sys.modules.get(module)) is not None:
        for inner in {_module_of(value) for value in tuple(vars(loaded).values())}:
            yield from _tops(inner, seen)
