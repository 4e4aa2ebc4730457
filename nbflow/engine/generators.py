"""The global random generators: how their states are had, put back, and told apart quickly."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def _no_mark(module: Any) -> object:
    """Its state has to be looked at each time."""
    return None


@dataclass(frozen=True, slots=True)
class Generator:
    """How to get and set the state of one global generator.

    Args:
        module: Where it lives.
        get: Makes its state.
        set: Puts a state back.
        mark: Gives what is quick to have, and equal only where the state is; None where nothing is.
    """

    module: str
    get: Callable[[Any], object]
    set: Callable[[Any, Any], object]
    mark: Callable[[Any], object] = _no_mark


GENERATORS: Final = {
    "<random>": Generator(
        "random",
        lambda module: module.getstate(),
        lambda module, state: module.setstate(state),
        lambda module: _random_mark(module),
    ),
    "<numpy>": Generator(
        "numpy.random",
        # The legacy tuple holds an array; its bytes compare and digest faster.
        lambda module: _numpy_state(module),
        lambda module, state: module.set_state(_numpy_tuple(module, state)),
        lambda module: _numpy_mark(module),
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


def mark_of(key: str) -> object:
    """The mark of a generator's present state; None where it has none."""
    generator = GENERATORS[key]
    # Elsewhere an identity is no address.
    return generator.mark(sys.modules[generator.module]) if sys.implementation.name == "cpython" else None


def _random_mark(module: Any) -> object:
    """The memory of the module's generator, and the half of a pair of normal numbers that it keeps."""
    owner: Any = getattr(module.getstate, "__self__", None)
    return (_memory(owner), owner.gauss_next) if type(owner) is module.Random else None


def _numpy_mark(module: Any) -> object:
    """The memory of the module's generator, half a pair included, and of its bits where those are in it."""
    owner: Any = getattr(module.get_state, "__self__", None)
    bits: Any = owner._bit_generator if type(owner) is module.RandomState else None
    if type(bits) is not module.MT19937:
        return None
    within = range(id(bits), id(bits) + type(bits).__basicsize__)
    return (_memory(owner), _memory(bits)) if bits.ctypes.state_address in within else None


def _memory(owner: object) -> bytes:
    """What an object's own memory holds: copying it takes a fraction of the time that a state takes."""
    head = object.__basicsize__  # the count of its references, which changes all the time, and its type
    return ctypes.string_at(id(owner) + head, type(owner).__basicsize__ - head)


def _numpy_state(module: Any) -> object:
    name, keys, position, has_gauss, cached = module.get_state()
    return (name, keys.tobytes(), position, has_gauss, cached)


def _numpy_tuple(module: Any, state: Any) -> tuple[object, ...]:
    name, keys, position, has_gauss, cached = state
    numpy = sys.modules["numpy"]
    return (name, numpy.frombuffer(keys, dtype=numpy.uint32), position, has_gauss, cached)
