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
"""The mark of a trace whose inputs do not lead to it, as an audit has shown, or need not lead to it."""
VARIES: Final = "varies"
"""The mark of a trace whose body gave something else when an audit ran it again, each time."""
BEGUN: Final = "begun"
"""The mark of an effect whose body was started; the note says what became of it, if that is known."""

UNSURE: Final = "nobody knows whether it has happened"
"""What there is to say of an effect that was begun, and no more than that."""
_REMOVED: Final = "it has happened, and the record of that was removed"
_DONE: Final = "done "
_SOME: Final = "some"


class Marks:
    """Sets, clears and finds marks.

    Args:
        store: Where they are kept.

    Example:
        >>> from nbflow.store.memory import MemoryStore
        >>> marks = Marks(MemoryStore())
        >>> _ = marks.set(VARIES, "trace 1", "y differs")
        >>> marks.has(VARIES, "trace 1"), marks.has(VARIES, "trace 2"), marks.note(VARIES, "trace 1")
        (True, False, 'y differs')
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._are_there: dict[str, bool] = {}
        self._known: dict[tuple[str, str], bool] = {}

    def set(self, kind: str, name: str, note: str = "") -> bool:
        """Set a mark; return whether later kernels find it, too."""
        units = {_unit(kind, each): text for each, text in ((name, note), (_SOME, ""))}
        for unit, text in units.items():
            self._store.replace(unit, (text,))
        self._are_there[kind] = self._known[kind, name] = True
        return not any(map(self._store.forgets, units))

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

    def doubt(self, effect: str) -> str:
        """Why an effect may have happened although no result of it is at hand, in words; else nothing."""
        if not self.has(BEGUN, effect):
            return ""
        note = self.note(BEGUN, effect)
        if not note.startswith(_DONE):
            return UNSURE
        return "" if self._store.trace(note.removeprefix(_DONE)) is not None else _REMOVED

    def done(self, effect: str, trace: str) -> None:
        """Note that an effect has happened, and which trace tells of it."""
        self.set(BEGUN, effect, _DONE + trace)

    def _may_be(self, kind: str) -> bool:
        if kind == BEGUN or kind not in self._are_there:
            self._are_there[kind] = self._store.has(_unit(kind, _SOME))
        return self._are_there[kind]


class BegunKind:
    """The kind *begun*: whether an effect may have happened, of which no result is at hand.

    Args:
        marks: The marks.
    """

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def now(self, locator: str) -> str:
        """Unbound where it is known to have happened, or not to have begun."""
        return BEGUN if self._marks.doubt(locator) else UNBOUND

    def show(self, locator: str) -> str:
        """What there is to say of it."""
        return self._marks.doubt(locator)


def _unit(kind: str, name: str) -> str:
    return key_digest("mark", kind, name)
