"""What modules of the user's own do to the process when they are imported, as their texts tell."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Final

from nbflow.analysis.patches import patched_in
from nbflow.analysis.reach import Home, place_of
from nbflow.engine.libraries import LIBRARIES, set_in
from nbflow.engine.patches import Patch
from nbflow.engine.uses import is_of_user
from nbflow.store.modules import texts_behind
from nbflow.types import NO_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.analysis.patches import Patching
    from nbflow.analysis.result import Import
    from nbflow.engine.book import Body, Step


def modules_in(imports: Iterable[Import]) -> frozenset[str]:
    """The modules that statements import: of the user's own also what may be one within its package.

    `from src import features` looks at a file that no name in it tells apart from a function's.
    """
    found = {item.module for item in imports if item.module}
    within = (
        f"{item.module}.{name}"
        for item in imports
        if item.names and item.module and place_of(item.module).home is Home.LOCAL
        for name in item.names
        if name != "*"
    )
    return frozenset(found.union(within))


def own_modules(bodies: Iterable[Body]) -> frozenset[str]:
    """The modules of the user's own that code imports."""
    imports = [item for body in bodies for item in body.analysis.imports]
    return frozenset(filter(is_of_user, modules_in(imports)))


def has_own_modules(steps: Iterable[Step]) -> bool:
    """Whether some step imports modules of the user's own."""
    return any(step.ran is not None and own_modules((step.ran,)) for step in steps)


def made_by_imports(body: Body, keys: Iterable[str]) -> frozenset[str]:
    """The settings that modules of the user's own make when a body imports them: that they do only once.

    Args:
        body: The body.
        keys: The settings in question, attributes of modules and classes among them.
    """
    if not body.analysis.imports:
        return NO_NAMES
    own = [name for name in own_modules((body,)) if name in sys.modules]
    texts = list(texts_behind(own, is_of_user)) if own and (keys := tuple(keys)) else []
    return frozenset(key for key in keys if any(_sets(text, key) for text in texts))


def _sets(text: str, key: str) -> bool:
    patch = LIBRARIES.get(key)
    return patched_in(text).may_change(patch.attribute) if isinstance(patch, Patch) else key in set_in(text)


def patching_of_own(modules: Iterable[str]) -> Iterator[Patching]:
    """What modules of the user's own may change about modules and classes of others."""
    return map(patched_in, texts_behind(modules, is_of_user))


def reach_main(modules: Iterable[str]) -> bool:
    """Whether modules of the user's own look for names of the notebook, as those of the main module."""
    return any(map(_LOOKS_INTO_MAIN.search, texts_behind(modules, is_of_user)))


_LOOKS_INTO_MAIN: Final = re.compile(
    r"\bimport __main__|\bfrom __main__|(?<!== )(?<!!= )[\"']__main__[\"']\s*[\])]"
)
