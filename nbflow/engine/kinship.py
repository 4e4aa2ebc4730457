"""Kinship: which names may come to share memory once steps that are not fresh have run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.bind import Timeline, View
from nbflow.engine.influence import is_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.engine.book import Book
    from nbflow.engine.verify import Judgement
    from nbflow.types import Slot


class Kinship:
    """Who may share memory with whom once steps that are not fresh have run.

    A step that is not fresh may make the names that it binds share memory with anything that it
    reaches, and so with whatever that may share memory with at its place. The search is made only
    where something is changed in place; who made one is judged again when any kinship changes.

    Args:
        book: The steps.
        timelines: The bindings.
        judgements: What each step reaches.
    """

    def __init__(
        self, book: Book, timelines: dict[Slot, Timeline], judgements: Mapping[str, Judgement]
    ) -> None:
        self._book = book
        self._timelines = timelines
        self._judgements = judgements
        self.asked = False

    def of(self, slots: Iterable[Slot], view: View) -> set[Slot]:
        """The slots that a change in place of these may reach through such steps."""
        found: set[Slot] = set()
        makers: set[str] = set()
        todo = [step for slot in slots for step in view.bound(slot).kin]
        self.asked = self.asked or bool(todo)
        while todo:
            maker = todo.pop()
            place = self._book.place(maker)
            if maker in makers or place is None:
                continue
            makers.add(maker)
            there = View(self._timelines, place)
            reached_there = self._judgements[maker].reached
            near = {slot for slot in reached_there if not is_code(there.bound(slot))}
            versions = [version for slot in near if (version := there.bound(slot).version) is not None]
            near = near.union(*(there.members(version) for version in versions))
            todo += [step for slot in near for step in there.bound(slot).kin]
            found |= near
        return found
