"""What holds state in the process and is a slot: its state can be looked at and put back.

The global random generators count only once their module is loaded, and so do the settings of
libraries; looking never imports anything.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.generators import GENERATORS, Generator, mark_of
from nbflow.engine.libraries import LIBRARIES, MARKS
from nbflow.engine.library import AS_IT_STARTS, Library
from nbflow.engine.patches import patch_of, watching
from nbflow.engine.slots import SETTINGS, slot_of
from nbflow.exceptions import CacheError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from nbflow.engine.library import Changed
    from nbflow.engine.patches import Patch
    from nbflow.engine.reached import Reached
    from nbflow.types import Slot


STATEFUL: Final[dict[str, Generator | Library]] = {**GENERATORS, **LIBRARIES}
"""Workspace key to what holds state: the generators, and the settings of libraries."""

_patches: Final[dict[str, Patch]] = {}
"""Those of them that are attributes of modules and classes."""

_known: dict[str, object] = {}
"""The modules that have told settings, by workspace key."""

_later: dict[str, Changed] = {}
"""The settings of libraries that are not loaded yet."""


def follow(patch: Patch) -> None:
    """Count an attribute of a module or class among what holds state."""
    if patch.key not in _patches:
        LIBRARIES[patch.key] = STATEFUL[patch.key] = _patches[patch.key] = patch


def meet(slot: Slot) -> bool:
    """Follow the attribute that a slot stands for, if it is one: another kernel may have told of it."""
    patch = patch_of(slot.locator) if slot.kind == SETTINGS else None
    if patch is not None:
        follow(patch)
    return patch is not None


def following(reached: Reached, names: Mapping[str, Any]) -> AbstractContextManager[None]:
    """While a body runs that may change attributes of modules and classes: follow those that it changes.

    Args:
        reached: What it reaches.
        names: The names that it runs over.
    """
    if not reached.patching:
        return nullcontext()
    return watching(reached.patching, names, follow, reached.leading)


def patches() -> Collection[Patch]:
    """The attributes of modules and classes that are followed."""
    return _patches.values()


def setting_slots() -> tuple[Slot, ...]:
    """The slots of the settings of all libraries."""
    return tuple(map(slot_of, LIBRARIES))


def loaded_states() -> list[str]:
    """The keys of what holds state and is loaded, or waits to be put back once it is."""
    return [*_loaded_generators(), *_loaded_settings()]


def _loaded_generators() -> list[str]:
    return [key for key, generator in GENERATORS.items() if generator.module in sys.modules]


def _loaded_settings() -> list[str]:
    waiting = _waiting()
    return [key for key in LIBRARIES if key in waiting or _is_known(key)]


def _waiting() -> Collection[str]:
    """The keys of the settings that wait for their library; those that need not any more are put back."""
    for key in [key for key in _later if _is_known(key)]:
        with suppress(CacheError):  # then it does not stand there, and is made again where a body needs it
            LIBRARIES[key].set(sys.modules[LIBRARIES[key].module], _later.pop(key))
    return _later


def _is_known(key: str) -> bool:
    """Whether a library is loaded and tells its settings; one that is just being imported does not yet."""
    module = sys.modules.get(LIBRARIES[key].module)
    if module is not None and _known.get(key) is not module:
        try:
            LIBRARIES[key].get(module)
        except Exception:  # noqa: BLE001 - libraries are not ours
            return False
        _known[key] = module
    return module is not None


def _marks() -> list[object]:
    """What is equal only where the settings of all libraries are."""
    modules = [(sys.modules.get(name), quick) for name, quick in MARKS.items()]
    try:
        return [module and quick(module) for module, quick in modules] + [_mark_of_patches()]
    except Exception:  # noqa: BLE001 - libraries are not ours
        return [object()]


def _mark_of_patches() -> list[int]:
    # The states that were told last hold these values: no other has its place in memory.
    return [id(patch.value) for patch in _patches.values()]


def load_settings(keys: Iterable[str]) -> None:
    """Load those of these libraries whose settings wait for them: a body is about to use them."""
    for key in [key for key in keys if key in _later]:
        with suppress(Exception):  # the body that needs it is told when it imports it itself
            import_module(LIBRARIES[key].module)
    _waiting()


def current_state(key: str) -> object:
    """The state of a generator, or the settings of a library, as an immutable value.

    Example:
        >>> import random
        >>> state = current_state("<random>")
        >>> first = random.random()
        >>> restore_state("<random>", state)
        >>> random.random() == first
        True
    """
    holder = STATEFUL[key]
    if key in LIBRARIES and not _is_known(key):
        return _later.get(key, AS_IT_STARTS)
    return holder.get(sys.modules[holder.module])


def restore_state(key: str, state: object) -> None:
    """Put back a state that `current_state` returned.

    Raises:
        CacheError: If a library does not take one of its settings any more.
    """
    holder = STATEFUL[key]
    if key in LIBRARIES and not _is_known(key):
        _later.pop(key, None)
        if state != AS_IT_STARTS:
            _later[key] = cast("Changed", state)
    elif holder.module in sys.modules:
        holder.set(sys.modules[holder.module], cast("Any", state))


def unset_all() -> None:
    """Let the settings of all libraries be as these start."""
    for key in _loaded_settings():
        with suppress(CacheError):  # one that takes that no more keeps what it has
            restore_state(key, AS_IT_STARTS)


class States:
    """The states as they were last looked at in one action: looking takes a while.

    Whoever draws between two bodies of one action, a hook perhaps, is taken for the latter of them.

    Example:
        >>> import random
        >>> states = States()
        >>> before, _ = states.of("<random>"), random.random()
        >>> states.of("<random>") == before, states.of("<random>", anew=True) == before
        (True, False)
    """

    def __init__(self) -> None:
        self._known: dict[str, object] = {}
        self._marked: dict[str, tuple[object, object]] = {}
        self._settings: dict[str, object] = {}
        self._marks: list[object] = []
        self._has_looked = False

    def loaded(self, *, anew: bool = False) -> dict[str, object]:
        """The states of all that is loaded, by key; `anew` where something has run since."""
        generators = {key: self.of(key, anew=anew) for key in _loaded_generators()}
        return {**generators, **self.settings(anew=anew)}

    def settings(self, *, anew: bool = False) -> Mapping[str, object]:
        """The settings of the libraries that are loaded, by key."""
        if anew or not self._has_looked:
            self._has_looked = True
            waiting, marks = _waiting(), _marks()
            if waiting or marks != self._marks:
                self._settings = {key: current_state(key) for key in _loaded_settings()}
                self._marks = marks if marks == _marks() else []  # another thread may have set some meanwhile
        return self._settings

    def of(self, key: str, *, anew: bool = False) -> object:
        """A state; `anew` where something has run since."""
        if key in LIBRARIES:
            return self.settings(anew=anew).get(key, AS_IT_STARTS)
        if anew or key not in self._known:
            self._known[key] = self._now(key)
        return self._known[key]

    def _now(self, key: str) -> object:
        """The present state; the one had last where its mark tells that nobody has drawn since."""
        mark, (last, state) = mark_of(key), self._marked.get(key, (None, None))
        if mark is None or mark != last:
            state = current_state(key)
            if mark == mark_of(key):  # no other thread has drawn in between
                self._marked[key] = mark, state
        return state

    def restore(self, key: str, state: object) -> None:
        """Put a state back."""
        self._known.pop(key, None)
        self._has_looked = False
        restore_state(key, state)

    def forget(self) -> None:
        """Start anew: anything may have run."""
        self._known.clear()
        self._has_looked = False


class Kept:
    """The states that the global generators had before bodies ran that are to leave them as they were.

    Example:
        >>> import random
        >>> kept = Kept()
        >>> kept.note(), random.random() == (kept.put_back(["<random>"]), random.random())[1]
        (None, True)
    """

    def __init__(self) -> None:
        self._states: dict[str, object] = {}

    def note(self) -> None:
        """Take the present states for those to put back."""
        self._states = {key: current_state(key) for key in loaded_states()}

    def put_back(self, keys: Iterable[str]) -> None:
        """Put these generators back to what was noted; then nothing is noted any more."""
        states, self._states = self._states, {}
        for key in keys:
            if key in states and current_state(key) != states[key]:
                restore_state(key, states[key])
