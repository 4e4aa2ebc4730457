"""What a body reaches in the names, as far as its text and its last run tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nbflow.analysis.patches import NO_PATCHING, Patching
from nbflow.engine.again import Earlier  # noqa: TC001 - records are made by these annotations
from nbflow.engine.generators import GENERATORS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class Reached(msgspec.Struct, frozen=True):
    """What a body reaches: what has to be looked at to see what it did.

    Args:
        inputs: Keys whose objects it may change in place.
        keys: Keys that it may bind or delete, and the inputs.
        uncertain: Those of them that it may bind or not, and does not read.
        earlier: Its last run, if that saw the same names.
        complete: Whether the analysis of it and of what it calls saw everything.
        reseeds: Whether it may set a random state, so that comparing states proves nothing.
        effects: What it, or code that it may call, visibly does outside.
        settings: The keys of the settings of libraries that it may look at.
        paths: Strings in it, and in code that it may call, that may be meant as paths.
        patching: What it, or code that it may call, may change about modules and classes.
        leading: The modules that it imports before it does anything else, where it may change something.
        modules: The modules that it, or code that it may call, imports.
        imported: The keys of settings that modules which it imports have made, and will not make again.
    """

    inputs: tuple[str, ...]
    keys: frozenset[str]
    uncertain: frozenset[str] = frozenset()
    earlier: Earlier | None = None
    complete: bool = True
    reseeds: bool = False
    effects: frozenset[str] = frozenset()
    settings: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()
    patching: Patching = NO_PATCHING
    leading: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset()
    imported: frozenset[str] = frozenset()

    @property
    def set_anyhow(self) -> AbstractSet[str]:
        """The keys of states that count as set though they may be as they were.

        To seed may set what was set before, and a second import sets nothing.
        """
        return self.imported | GENERATORS.keys() if self.reseeds else self.imported
