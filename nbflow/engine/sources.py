"""Source texts of helpers: kept under the digest of the code that they make, to show what changed."""

from __future__ import annotations

import difflib
import inspect
import json
from typing import TYPE_CHECKING, Final

from nbflow.analysis import definition_source
from nbflow.engine.parts import NOT_THERE, Part
from nbflow.engine.pieces import Piece, Pieces
from nbflow.engine.slots import NAME
from nbflow.store.digests import key_digest
from nbflow.store.modules import text_of_module
from nbflow.store.paths import absolute
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import View
    from nbflow.engine.book import Book
    from nbflow.store.protocol import History
    from nbflow.types import Entry

_LINE: Final = 100


class Sources:
    """Keeps the source texts behind what bodies saw.

    Args:
        history: Keeps the texts.
        workspace: The user's names.
        book: The steps.
    """

    def __init__(self, history: History, workspace: Workspace, book: Book) -> None:
        self._history = history
        self._names = workspace.names
        self._book = book
        self._pieces = Pieces(workspace, book, self.text)
        self._kept: set[str] = set()

    def keep(self, entries: Iterable[Entry], view: View) -> None:
        """Keep the texts of the functions, classes and local modules among entries, each once.

        With them what those are made of besides their own text, also for values that hold code.
        """
        for entry in entries:
            if entry.digest in self._kept or not self._is_still(entry, view):
                continue
            self._kept.add(entry.digest)
            if text := self.text(entry.looked.slot, view):
                self._history.save_source(entry.digest, text)
            if pieces := self._pieces.of(entry.looked.slot, view):
                self._history.save_source(_within(entry.digest), json.dumps(pieces))

    def changed_within(
        self, entry: Entry, view: View, later: Entry | None = None
    ) -> list[tuple[Piece, Piece]]:
        """What differs between the pieces that an entry has seen, and those seen later or there now."""
        then = self._kept_pieces(entry)
        if not then:
            return []
        found = self._kept_pieces(later) if later is not None else self._pieces.of(entry.looked.slot, view)
        now = {piece.name: piece for piece in found}
        return [(each, now[each.name]) for each in then if each != now.get(each.name, each)]

    def _kept_pieces(self, entry: Entry) -> list[Piece]:
        kept = self._history.source(_within(entry.digest))
        return [Piece(*each) for each in json.loads(kept)] if kept else []

    def _is_still(self, entry: Entry, view: View) -> bool:
        """Whether what a body saw is what is there now, so that its text is the present one."""
        name, _, part = entry.looked.slot.locator.partition(".")
        version = view.bound(Slot(NAME, name)).version
        if entry.looked.slot.kind == "module" or version is None:
            return entry.looked.slot.kind == "module"
        output = version.output
        return entry.digest == (output.reach.parts.get(part) if part else output.digest)

    def text(self, slot: Slot, view: View) -> str:
        """The present text of the code that a slot holds at a place; empty for what is no code."""
        if slot.kind == "module":
            return text_of_module(slot.locator)
        if slot.kind != NAME:
            return ""
        name, _, part = slot.locator.partition(".")
        version = view.bound(slot._replace(locator=name)).version
        if version is None or version.output.sort == "value":
            return ""
        ran = self._book.steps[version.step].ran
        made = ran.analysis.definitions.get(name) if ran is not None else None
        if ran is not None and made is not None and made.kind != "import":
            return definition_source(ran.source, (name,))
        return _live_text(getattr(self._names.get(name), part, None) if part else self._names.get(name))


def _within(digest: str) -> str:
    """Under what the pieces of something are kept."""
    return key_digest("pieces", digest)


def _live_text(value: object) -> str:
    """The text of a function or class of a local module, as its file has it."""
    try:
        file = inspect.getsourcefile(value)  # type: ignore[arg-type]
        is_local = file is not None and "site-packages" not in absolute(file)
        return inspect.getsource(value) if is_local else ""  # type: ignore[arg-type]
    except (TypeError, OSError):
        return ""


def first_change(before: str, after: str) -> Part | None:
    r"""The first line that differs between two texts; None where none does.

    Example:
        >>> first_change("def f(x):\n    return x + 1", "def f(x):\n    return x + 2")
        Part(place='line 2', before='return x + 1', after='return x + 2')
    """
    then, now = before.splitlines(), after.splitlines()
    for _, first, last, start, end in _changes(then, now):
        old, new = (" ".join(" ".join(each).split()) for each in (then[first:last], now[start:end]))
        return Part(f"line {start + 1}", old[:_LINE] or NOT_THERE, new[:_LINE] or NOT_THERE)
    return None


def _changes(then: list[str], now: list[str]) -> Iterable[tuple[str, int, int, int, int]]:
    matcher = difflib.SequenceMatcher(None, then, now, autojunk=False)
    return (each for each in matcher.get_opcodes() if each[0] != "equal")
