"""The kinds of slots: what they have in common, and what those without a writer hold now.

A slot that steps write (a name, a random state, settings, a written file) is bound by flow order, see
`bind.py`. Every other slot belongs to the world outside the notebook: its kind is asked for
the present content, once for each look at the flow.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from nbflow.context import MISSING, context
from nbflow.engine.marks import REFUTED
from nbflow.engine.previews import preview
from nbflow.exceptions import DigestError
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.store.digests import digest
from nbflow.types import UNBOUND, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.engine.marks import Marks
    from nbflow.types import Entry

NAME: Final = "name"
RANDOM: Final = "random"
SETTINGS: Final = "settings"
"""What a library is set to, see `libraries.py`."""
_SETTINGS_END: Final = " settings>"
NEW: Final = " (new)"
"""How the locator of an attribute ends that its module or class did not have before, see `patches.py`."""
STATE: Final = "upstream state"
"""How a task above ended: a task gives it to those below, as it gives the names that it writes."""
UNKNOWN: Final = "unknown"
"""What is noted for a digest where nobody can tell: it compares with nothing later."""


class Kind(Protocol):
    """One kind of slot outside the notebook."""

    def now(self, locator: str) -> str | None:
        """The digest of the present content; None where nobody can tell."""
        ...

    def show(self, locator: str) -> str:
        """A short text for people."""
        ...


@cache
def slot_of(key: str) -> Slot:
    """The slot of a workspace key: a variable's name, `<generator>`, or `<library settings>`.

    Example:
        >>> slot_of("df"), slot_of("<numpy>")
        (Slot(kind='name', locator='df'), Slot(kind='random', locator='numpy'))
    """
    if not key.startswith("<"):
        return Slot(NAME, key)
    if key.endswith(_SETTINGS_END):
        return Slot(SETTINGS, key[1 : -len(_SETTINGS_END)])
    return Slot(RANDOM, key[1:-1])


def key_of(slot: Slot) -> str:
    """The workspace key of a name, a random state or settings; the inverse of `slot_of`."""
    if slot.kind == SETTINGS:
        return f"<{slot.locator}{_SETTINGS_END}"
    return f"<{slot.locator}>" if slot.kind == RANDOM else slot.locator


def parts_of(slot: Slot) -> tuple[str, str]:
    """What a slot is of, and the attribute of it that is meant; empty where it is the whole.

    Example:
        >>> parts_of(Slot("name", "helpers.clean")), parts_of(Slot("settings", "time.sleep"))
        (('helpers', 'clean'), ('time.sleep', ''))
    """
    if slot.kind == SETTINGS:
        return slot.locator, ""
    name, _, attribute = slot.locator.partition(".")
    return name, attribute


def path_of(locator: str) -> str:
    """What people call a slot of settings; the dotted name of an attribute of a module or class.

    Example:
        >>> path_of("pandas.DataFrame.clean (new)"), path_of("numpy print")
        ('pandas.DataFrame.clean', 'numpy print')
    """
    return locator.removesuffix(NEW)


def is_kept_in_memory(slot: Slot) -> bool:
    """Whether the slot's content is an object of the workspace rather than a file."""
    return slot.kind in (NAME, RANDOM, SETTINGS)


@lru_cache(maxsize=64)
def _digest_of_path(path: str) -> str:
    return digest(path)


class FolderKind:
    """The working folder, which decides what relative paths mean."""

    name = "folder"

    def now(self, locator: str) -> str | None:
        """The digest of its path; None where it is gone."""
        try:
            return _digest_of_path(os.getcwd())
        except OSError:
            return None

    def show(self, locator: str) -> str:
        """Its path."""
        try:
            return os.getcwd()
        except OSError:
            return "gone"


WORKING_FOLDER: Final = Slot("folder", "working folder")


CONTEXT: Final = "context"


class ContextKind:
    """What `nbflow.context` holds, by value; identifiers and counts of runs are nobody's input."""

    name = CONTEXT

    def now(self, locator: str) -> str | None:
        """The digest of the present value."""
        return context_digest(context.get(locator, MISSING))

    def show(self, locator: str) -> str:
        """The present value, shortened."""
        return in_context(locator, context.get(locator, MISSING)).preview


class InContext(NamedTuple):
    """What a body found in the context.

    Attributes:
        digest: Of the value; None where it has none.
        preview: It in a short text.
    """

    digest: str | None
    preview: str


def in_context(key: str, value: object) -> InContext:
    """What a value of the context is called; one that is not there is `not set`, secrets are hidden."""
    text = "not set" if value is MISSING else HIDDEN if looks_secret(key) else preview(value)
    return InContext(context_digest(value), text)


def context_digest(value: object) -> str | None:
    """The digest of a value of the context; None for one that has no digest."""
    if value is MISSING:
        return UNBOUND
    try:
        return digest(value)
    except DigestError:
        return None


class Outside:
    """What the slots outside the notebook hold, asked once for each look.

    Args:
        kinds: Kind name to kind. A slot of a kind that is not there has no known content.
        since: From when on what bodies read of the world is taken for its answer, seconds since the epoch.
        marks: What was found out about results; None: nothing. It is no slot, so that looking at it costs
            nothing as long as nothing was found out; who marks a result tells the sweep.
    """

    def __init__(self, kinds: Mapping[str, Kind], since: float = 0.0, marks: Marks | None = None) -> None:
        self._kinds = dict(kinds)
        self.since, self.marks = since, marks
        self._seen: dict[Slot, str | None] = {}

    def digest(self, slot: Slot) -> str | None:
        """The content as of the last look; None where nobody can tell."""
        if slot not in self._seen:
            self._seen[slot] = self._ask(slot)
        return self._seen[slot]

    def is_still(self, entry: Entry) -> bool:
        """Whether a slot holds at this very moment what somebody saw; what nobody can tell stays so."""
        now = self._ask(entry.looked.slot)
        return (now or UNKNOWN) == entry.digest

    def show(self, slot: Slot) -> str:
        """The present content as a short text for people."""
        kind = self._kinds.get(slot.kind)
        return kind.show(slot.locator) if kind else ""

    def look(self, slots: Iterable[Slot] | None = None) -> tuple[Slot, ...]:
        """Ask again for these slots, by default all known so far; return those that hold another content."""
        changed: list[Slot] = []
        for slot in tuple(self._seen) if slots is None else slots:
            before, now = self._seen.get(slot), self._ask(slot)
            self._seen[slot] = now
            if now != before or now is None:
                changed.append(slot)
        return tuple(changed)

    def known(self, but: str) -> list[Slot]:
        """The slots that were asked for already, but those of one kind."""
        return [slot for slot in self._seen if slot.kind != but]

    def anew(self) -> Outside:
        """The same world, for somebody who has not looked yet."""
        return Outside(self._kinds, self.since, self.marks)

    def is_refuted(self, trace: str) -> bool:
        """Whether an audit has shown that the inputs of a trace, by its identifier, do not lead to it."""
        return self.marks is not None and self.marks.has(REFUTED, trace)

    def _ask(self, slot: Slot) -> str | None:
        kind = self._kinds.get(slot.kind)
        return kind.now(slot.locator) if kind else None
