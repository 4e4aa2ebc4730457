"""Marks: what has to be known of results and runs in every later kernel, and is no part of a trace.

A trace never changes. What is found out about one later, and what was begun and may never have ended,
is noted in the store under a name of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.exceptions import CacheError
from nbflow.store.digests import key_digest
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from nbflow.store.protocol import Store

REFUTED: Final = "refuted"
"""The mark of a trace of which an audit has shown that its inputs do not lead to it."""
VARIES: Final = "varies"
"""The mark of a trace whose body gave something else when an audit ran it again, each time."""
BEGUN: Final = "begun"
"""The mark of an effect whose body was started and of which nobody knows whether it came to its end."""

UNSURE: Final = "nobody knows whether it has happened"
"""What there is to say of an effect that is marked as begun."""

_SOME: Final = "some"


class Marks:
    """Sets, clears and finds marks.

    Args:
        store: Where they are kept.

    Example:
        >>> from nbflow.store.memory import MemoryStore
        >>> marks = Marks(MemoryStore())
        >>> marks.set(VARIES, "trace 1", "y differs")
        >>> marks.has(VARIES, "trace 1"), marks.has(VARIES, "trace 2"), marks.note(VARIES, "trace 1")
        (True, False, 'y differs')
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._are_there: dict[str, bool] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def set(self, kind: str, name: str, note: str = "") -> None:
        """Set a mark, which is on disk then if the store is."""
        for each, text in ((name, note), (_SOME, "")):
            self._store.replace(_unit(kind, each), (text,))
        self._are_there[kind] = self._known[kind, name] = True

    def clear(self, kind: str, name: str) -> None:
        """Take a mark away."""
        self._known[kind, name] = False
        self._store.discard(_unit(kind, name))

    def has(self, kind: str, name: str) -> bool:
        """Whether a mark is set; the store is asked once, and not at all where none of its kind ever was.

        Only of what an effect is about to do it is asked each time: another kernel may have begun it.
        """
        if not self._may_be(kind):
            return False
        if kind == BEGUN or (kind, name) not in self._known:
            self._known[kind, name] = self._store.has(_unit(kind, name))
        return self._known[kind, name]

    def note(self, kind: str, name: str) -> str:
        """What was noted with a mark; empty where it is not set."""
        if not self.has(kind, name):
            return ""
        try:
            (note,) = self._store.load(_unit(kind, name))
        except CacheError:
            return ""
        return str(note)

    def _may_be(self, kind: str) -> bool:
        if kind == BEGUN or kind not in self._are_there:
            self._are_there[kind] = self._store.has(_unit(kind, _SOME))
        return self._are_there[kind]


class MarkKind:
    """One kind of marks as slots outside: whether the one of that name is set.

    Args:
        marks: The marks.
        kind: `REFUTED` or `BEGUN`.
    """

    def __init__(self, marks: Marks, kind: str) -> None:
        self._marks = marks
        self._kind = kind

    def now(self, locator: str) -> str:
        """The kind where the mark is set; else unbound."""
        return self._kind if self._marks.has(self._kind, locator) else UNBOUND

    def show(self, locator: str) -> str:
        """What was noted with it."""
        return self._marks.note(self._kind, locator)


def _unit(kind: str, name: str) -> str:
    return key_digest("mark", kind, name)
