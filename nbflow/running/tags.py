"""Tags: words to find runs by, given to all runs that begin within a `with` statement."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator

_TAGS: Final[ContextVar[frozenset[str]]] = ContextVar("nbflow_tags", default=frozenset())


@contextmanager
def tags(*words: str) -> Generator[frozenset[str]]:
    """Give these tags to the tasks that are added to a flow, and to the runs that begin, in here.

    Args:
        words: They add to the tags of the task itself, and to those of `with` statements around.

    Example:
        >>> with tags("nightly"), tags("eu", "us") as present:
        ...     sorted(present)
        ['eu', 'nightly', 'us']
    """
    token = _TAGS.set(_TAGS.get().union(words))
    try:
        yield _TAGS.get()
    finally:
        _TAGS.reset(token)


@contextmanager
def untagged() -> Generator[None]:
    """A body begins without the tags that others have set around it."""
    token = _TAGS.set(frozenset())
    try:
        yield
    finally:
        _TAGS.reset(token)


def with_present(own: tuple[str, ...]) -> frozenset[str]:
    """The tags of a task or flow, and those given by `with` statements around here."""
    return _TAGS.get().union(own)
