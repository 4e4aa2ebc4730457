"""Modules of the user's own that set the global random generators when they are imported: that they do once.

The body that loads such a module sets the generator, and so does, once it is loaded, the first in flow order
that imports it: the state that the module left is put there, where that is known.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.seeding import cannot_draw, may_set
from nbflow.engine.generators import GENERATORS
from nbflow.engine.slots import slot_of
from nbflow.store.importing import WORLD
from nbflow.store.modules import seeds_of_modules
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from nbflow.engine.book import Body
    from nbflow.engine.reached import Reached
    from nbflow.engine.stateful import States
    from nbflow.store.files import Files


class _Loaded(msgspec.Struct, frozen=True):
    """A module that sets generators, as it was loaded.

    Args:
        module: The module.
        step: Who loaded it, or has come to be the first that imports it.
        left: The states that it left, by key; empty where the body that loaded it may have drawn since.
    """

    module: object
    step: str
    left: Mapping[str, object]


_loaded: Final[dict[str, _Loaded]] = {}
"""One for the process, as `sys.modules` is."""


class Seeders:
    """The modules that a body imports and that set generators, from before it runs.

    Args:
        body: The body, whose modules that have changed were forgotten just now.
        step: The identifier of its step.
        reached: What it reaches, seeded generators among it.
        files: The session's files.
    """

    def __init__(self, body: Body, step: str, reached: Reached, files: Files) -> None:
        found = seeds_of_modules({item.module for item in body.analysis.imports}, files)
        self._keys = {module: _set_by(effects) for module, effects in found.items()}
        above = seeds_of_modules(reached.above, files) if found else {}
        self._first = found.keys() - above.keys()
        self._body, self._step, self._stands = body, step, frozenset(reached.inputs)
        self._before = {module: sys.modules.get(module) for module in found}

    def __bool__(self) -> bool:
        return bool(self._keys)

    @property
    def seeded(self) -> dict[str, bool]:
        """The generators that the modules set, and whether they count as set by the body."""
        is_set = {key for module in self._keys for key in self._set_by(module)}
        return {key: key in is_set for keys in self._keys.values() for key in keys}

    def _set_by(self, module: str) -> Collection[str]:
        """The generators that a module has set now, or is to have set at the place of the body."""
        if sys.modules.get(module) is not self._before[module]:
            return self._keys[module]
        is_own = module in self._first or (module in _loaded and _loaded[module].step == self._step)
        return [key for key in self._keys[module] if is_own or key not in self._stands]

    def put_back(self, states: States) -> None:
        """Let generators be as the modules left them that were loaded at the body's place before."""
        for module in self._keys:
            for key in self._set_by(module):
                if key in (left := self._left_by(module)):
                    states.restore(key, left[key])

    def _left_by(self, module: str) -> Mapping[str, object]:
        known = _loaded.get(module)
        return known.left if known is not None and known.module is sys.modules.get(module) else {}

    def note(self, states: States, drew: Collection[str]) -> dict[Slot, str]:
        """Once the body has run: remember what was loaded, and tell what was not set as in a fresh run.

        Args:
            states: The states of the generators.
            drew: The keys of those whose state is another than before.
        """
        said: list[str] = []
        for module in self._keys:
            keys, is_new = self._set_by(module), sys.modules.get(module) is not self._before[module]
            self._note_loaded(module, states, is_new=is_new)
            if not is_new:
                left = self._left_by(module)
                said += [_said(module, key, "only") for key in keys if key in drew or key not in left]
            elif module not in self._first:
                # A step above is to load it, and was not run: so late, it sets what others have moved since.
                said += [_said(module, key, "anew") for key in keys if key in self._stands]
        return {Slot(WORLD, text): "" for text in said}

    def _note_loaded(self, module: str, states: States, *, is_new: bool) -> None:
        if is_new:
            keys = self._keys[module] if cannot_draw(self._body.source) else ()
            left = {key: states.of(key) for key in keys}
            _loaded[module] = _Loaded(sys.modules.get(module), self._step, left)
        elif module in self._first and module in _loaded:
            _loaded[module] = msgspec.structs.replace(_loaded[module], step=self._step)


def _said(module: str, key: str, how: str) -> str:
    return f"{module}: sets the random state of {slot_of(key).locator} {how}"


def _set_by(effects: Collection[str]) -> Collection[str]:
    return [key for key in GENERATORS if may_set(slot_of(key).locator, effects)]
