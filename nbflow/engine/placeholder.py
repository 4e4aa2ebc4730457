"""Placeholders: what a name holds whose value is not loaded yet, or cannot be.

A placeholder never takes part in a computation: every operation but `repr` and `type` raises. Cells that
mention the name get the value itself, which is loaded before they run.
"""

from __future__ import annotations

import sys
from typing import Any, Final, NoReturn

from nbflow.exceptions import NotLoadedError
from nbflow.store.protocol import UNSTORABLE

_OPERATORS: Final = """
    abs add aiter and anext await bool bytes call complex contains delattr delitem divmod enter eq exit float
    floordiv format ge getitem gt hash iadd iand ifloordiv ilshift imatmul imod imul index int invert ior
    ipow irshift isub iter itruediv ixor le len length_hint lshift lt matmul mod mul ne neg next or pos pow
    radd rand rdivmod reduce reduce_ex reversed rfloordiv rlshift rmatmul rmod rmul ror round rpow rrshift
    rshift rsub rtruediv rxor setattr setitem str sub truediv trunc xor copy deepcopy dir
"""

_ASKS_BEFORE: Final = "IPython.core.prefilter"
_caller = sys._getframe  # pyright: ignore[reportPrivateUsage] - who asks decides what may be told


class Placeholder:
    """Stands under a name for a value that is not loaded.

    Args:
        name: The name.
        reason: Why, and what to do.

    Example:
        >>> Placeholder("df", "it is loaded when a cell mentions it")
        <df is not loaded: it is loaded when a cell mentions it>
    """

    __slots__ = ("_name", "_reason")

    def __init__(self, name: str, reason: str) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_reason", reason)

    def __repr__(self) -> str:
        return text_of(self)

    def __getattribute__(self, name: str) -> Any:
        # `isinstance` asks for the class: an answer would let code take another branch than with the value.
        # IPython asks before a line runs, be it the very one that makes the value again.
        if name == "__class__" and _caller(1).f_globals.get("__name__") == _ASKS_BEFORE:
            return Placeholder
        return _refuse(self)


REMEDY: Final = "run the cell that makes it"
"""What brings most values back that are nowhere."""


def gone(reason: str, remedy: str = REMEDY) -> str:
    """What a name says whose value can neither be loaded nor was kept.

    Args:
        reason: Why the store does not have it.
        remedy: What makes it again.

    Example:
        >>> gone("not stored")
        'its value is not stored; run the cell that makes it'
    """
    if reason in ("", UNSTORABLE):
        return f"it could not be stored, so that it went with its kernel; {remedy}"
    return f"its value is {reason}; {remedy}"


def text_of(placeholder: Placeholder) -> str:
    """What a placeholder says of itself."""
    name, reason = (object.__getattribute__(placeholder, part) for part in ("_name", "_reason"))
    return f"<{name} is not loaded: {reason}>"


def _refuse(placeholder: Placeholder, *_: object, **__: object) -> NoReturn:
    name, reason = (object.__getattribute__(placeholder, part) for part in ("_name", "_reason"))
    raise NotLoadedError(f"{name} is not loaded: {reason}", name=str(name))


for _operator in _OPERATORS.split():
    setattr(Placeholder, f"__{_operator}__", _refuse)


def is_placeholder(value: object) -> bool:
    """Whether a value is one; asks nothing of it.

    Example:
        >>> is_placeholder(Placeholder("df", "")), is_placeholder(0)
        (True, False)
    """
    return type(value) is Placeholder
