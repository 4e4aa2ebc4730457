"""The slot kind of environment variables, and which of them a body's own code asks for.

Python has no audit event for such a question: `os.environ` raises one once `tell_of_variables` was called.
It counts where the user's own code asks, in a cell or in a local module; libraries ask all day.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from nbflow.secrets import KNOWN
from nbflow.store.asked import asker_of
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from nbflow.store.trail import Contents

LONGEST_KEY_BYTES: Final = 64
EVENT: Final = "nbflow.variable"

_LAYERS: Final = (
    *("os", "_collections_abc", "collections", "genericpath", "posixpath", "ntpath", "pathlib"),
    *("decouple", "environs"),  # packages whose one purpose it is
)
"""Modules that ask for somebody else."""


def environment_digest(name: str, key: bytes) -> str:
    """Keyed digest of an environment variable's value: without the key nobody can guess it.

    Args:
        name: The variable.
        key: The user's secret key; of a longer one the first 64 bytes count.

    Returns:
        32 hexadecimal characters, or `UNBOUND` if the variable is not set.

    Example:
        >>> environment_digest("SURELY_NOT_SET", b"key")
        'unbound'
    """
    return variable_digest(name, os.environ.get(name), key)


def variable_digest(name: str, value: str | None, key: bytes) -> str:
    """The same of a value that the variable had; None: it was not set."""
    if value is None:
        return UNBOUND
    KNOWN.meet_named({name: value})
    data = os.fsencode(f"{len(name)}:{name}{value}")
    return hashlib.blake2b(data, digest_size=16, key=key[:LONGEST_KEY_BYTES]).hexdigest()


class EnvironmentKind:
    """The value of an environment variable, which is never shown.

    Args:
        key: The user's secret key.
    """

    name = "environment"

    def __init__(self, key: bytes) -> None:
        self._key = key

    def now(self, locator: str) -> str:
        """Keyed digest of the value, `UNBOUND` if it is not set."""
        return environment_digest(locator, self._key)

    def show(self, locator: str) -> str:
        """Whether the variable is set."""
        return "•••" if locator in os.environ else "not set"


def shown_variable(digest: str) -> str:
    """What is shown of a variable with a digest: whether it was set.

    Example:
        >>> shown_variable(UNBOUND)
        'not set'
    """
    return "not set" if digest == UNBOUND else "•••"


def asker_in(caller: FrameType, contents: Contents) -> FrameType | None:
    """The frame of the user's own code that asks for a variable; None where a library does so.

    Args:
        caller: The frame that raised the event.
        contents: The session's files, which know whose code is the user's own.
    """
    return asker_of(caller, _LAYERS, contents)


def tell_of_variables() -> None:
    """Let `os.environ` raise an audit event when it is asked for a variable, or for all of them, for good."""
    environ: Any = type(os.environ)
    environ.__getitem__ = _telling(environ.__getitem__)
    environ.__iter__ = _telling(environ.__iter__)


def _telling(asks: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(asks)
    def telling(self: Any, *names: Any) -> Any:
        try:
            sys.audit(EVENT, *names)
            return asks(self, *names)
        except BaseException as error:
            if error.__traceback__ is not None:  # this line is nothing that the user has to see
                error.__traceback__ = error.__traceback__.tb_next
            raise

    return telling
