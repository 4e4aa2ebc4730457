"""The global random generators as slots: their states can be looked at and put back.

A generator counts only once its module is loaded; looking never imports anything.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Generator:
    """How to get and set the state of one global generator; `module` is where it lives."""

    module: str
    get: Callable[[Any], object]
    set: Callable[[Any, Any], object]


GENERATORS: Final = {
    "<random>": Generator(
        "random", lambda module: module.getstate(), lambda module, state: module.setstate(state)
    ),
    "<numpy>": Generator(
        "numpy.random",
        # The legacy tuple holds an array; its bytes compare and digest faster.
        lambda module: _numpy_state(module),
        lambda module, state: module.set_state(_numpy_tuple(module, state)),
    ),
    "<torch>": Generator(
        "torch.random",
        lambda module: bytes(module.get_rng_state().numpy()),
        lambda module, state: module.set_rng_state(
            module.torch.tensor(list(state), dtype=module.torch.uint8)
        ),
    ),
}
"""Workspace key to generator."""


def loaded_generators() -> list[str]:
    """The keys of the generators whose module is loaded."""
    return [key for key, generator in GENERATORS.items() if generator.module in sys.modules]


def current_state(key: str) -> object:
    """The state of a generator as an immutable value.

    Example:
        >>> import random
        >>> state = current_state("<random>")
        >>> first = random.random()
        >>> restore_state("<random>", state)
        >>> random.random() == first
        True
    """
    generator = GENERATORS[key]
    return generator.get(sys.modules[generator.module])


def restore_state(key: str, state: object) -> None:
    """Put a generator back to a state that `current_state` returned."""
    generator = GENERATORS[key]
    if generator.module in sys.modules:
        generator.set(sys.modules[generator.module], state)


class States:
    """The states of the generators as they were last looked at in one action: looking takes a while.

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

    def of(self, key: str, *, anew: bool = False) -> object:
        """The state of a generator; `anew` where something has run since."""
        if anew or key not in self._known:
            self._known[key] = current_state(key)
        return self._known[key]

    def restore(self, key: str, state: object) -> None:
        """Put a generator back."""
        self._known.pop(key, None)
        restore_state(key, state)

    def forget(self) -> None:
        """Start anew: anything may have run."""
        self._known.clear()


def _numpy_state(module: Any) -> object:
    name, keys, position, has_gauss, cached = module.get_state()
    return (name, keys.tobytes(), position, has_gauss, cached)


def _numpy_tuple(module: Any, state: Any) -> tuple[object, ...]:
    name, keys, position, has_gauss, cached = state
    numpy = sys.modules["numpy"]
    return (name, numpy.frombuffer(keys, dtype=numpy.uint32), position, has_gauss, cached)


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
        self._states = {key: current_state(key) for key in loaded_generators()}

    def put_back(self, keys: Iterable[str]) -> None:
        """Put these generators back to what was noted; then nothing is noted any more."""
        states, self._states = self._states, {}
        for key in keys:
            if key in states and current_state(key) != states[key]:
                restore_state(key, states[key])
