"""Differences: what a trace saw, what is there now, and where that comes from, as causes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.engine.docstrings import DOCSTRING, name_behind
from nbflow.engine.libraries import first_other
from nbflow.engine.origins import shown_as
from nbflow.engine.patches import patch_of
from nbflow.engine.shown import shown_for
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, STATE, path_of
from nbflow.types import FILE, LEFT_OPEN, OPEN, TASK_CODE, TASK_VALUE, UNBOUND, Cause, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Book, Step
    from nbflow.engine.slots import Outside
    from nbflow.types import Entry, Output, Trace

WRITER: Final = "writer"
"""The category of the cause that a name is now what another step makes."""
GONE: Final = "no value"
PYTHON: Final = "python"
"""The package that Python itself is among those of a trace."""
PYTHON_VERSION: Final = "{}.{}".format(*sys.version_info)

_MADE_BY_STEPS: Final = (NAME, RANDOM, SETTINGS, FILE, STATE)
_CODE: Final = ("function", "class", "module")
_UNTOLD: Final = (RANDOM,)
_OF_CONTENT: Final = (FILE, "absent", "listing")
_OF_PATHS: Final = ("presence", "stat", "target")
"""What is asked about paths, of which their content, or that there is some, tells more."""


def unknown(entry: Entry, view: View, book: Book) -> Cause:
    """The cause that nobody can tell what an entry holds; of a file left open it names who wrote it."""
    slot = entry.looked.slot
    version = view.bound(slot).version if slot.kind == FILE else None
    if version is None or version.output.digest != OPEN:
        return Cause("unknown", slot.locator, before=entry.preview)
    return Cause("unknown", slot.locator, after=LEFT_OPEN, origin=book.steps[version.step].name)


@dataclass(frozen=True, slots=True)
class Differences:
    """Makes causes of what differs for a reader at one place.

    Args:
        book: The steps.
        view: The bindings at the place.
        outside: What the slots outside hold.
    """

    book: Book
    view: View
    outside: Outside

    def of(self, entry: Entry) -> Cause:
        """The cause that an entry which differs is."""
        slot, subject = self._subject(entry.looked.slot)
        if slot.kind == DOCSTRING:
            version = self.view.bound(name_behind(slot)).version
            return Cause("code", subject, origin=self._maker(version, name_behind(slot)))
        version = self.view.bound(slot).version if slot.kind in _MADE_BY_STEPS else None
        category = slot.kind if slot.kind != NAME else "input"
        is_code = version is not None and version.output.sort in _CODE
        if slot.kind == NAME and is_code and entry.preview not in ("", *_CODE, "type", "Task"):
            is_code = False  # it was a value before
        if is_code or slot.kind in _UNTOLD:
            return Cause("code" if is_code else category, subject, origin=self._maker(version, slot))
        if slot.kind == SETTINGS:
            return self._setting(entry, version)
        after = self._now(slot, version, whole_unit=entry.looked.whole_unit)
        moved = self._moved(entry, subject, version, after)
        before = f"{entry.preview} as it had left it" if self._left_by_itself(entry, after) else entry.preview
        return moved or Cause(category, subject, before, after, self._maker(version, slot))

    def _setting(self, entry: Entry, version: Version | None) -> Cause:
        """The first setting of a library that is another one now."""
        slot = entry.looked.slot
        now = version.output.preview if version is not None else self.outside.show(slot)
        if patch_of(slot.locator) is not None:
            return self._patch(slot, entry.preview, version)
        name, before, after, others = first_other(slot.locator, entry.preview, now)
        part = f"{name} and {others - 1} more" if others > 1 else name
        return Cause(SETTINGS, slot.locator, before, after, self._maker(version, slot), part)

    def _patch(self, slot: Slot, then: str, version: Version | None) -> Cause:
        """An attribute of a module or class that is another one now."""
        path, now = path_of(slot.locator), version.output.preview if version is not None else ""
        before, after = (text.removeprefix(f"{path}: ") or "as it was" for text in (then, now))
        return Cause(SETTINGS, path, before, after, self._maker(version, slot), part=path)

    def told(self, entries: Iterable[Entry], others: Iterable[Slot]) -> list[Cause]:
        """The causes that entries which differ are, and other inputs; of a path what tells most of it."""
        causes = [*map(self.of, entries), *self.other_inputs(others)]
        paths = {cause.subject for cause in causes if cause.category in _OF_CONTENT}
        return [cause for cause in causes if cause.category not in _OF_PATHS or cause.subject not in paths]

    def other_inputs(self, slots: Iterable[Slot]) -> Iterator[Cause]:
        """A body that reaches other names than its trace saw cannot be judged by that trace."""
        for slot in slots:
            version = self.view.bound(slot).version
            if slot.kind == SETTINGS:
                yield self._patch(slot, "", version)
                continue
            yield Cause(
                "input", slot.locator, before="not read", after="read", origin=self._maker(version, slot)
            )

    def _subject(self, slot: Slot) -> tuple[Slot, str]:
        """The slot that is bound, and what people call what was looked at."""
        if slot.kind != NAME:
            return slot, slot.locator
        name, _, part = slot.locator.partition(".")
        return Slot(NAME, name), name if part in (TASK_CODE, TASK_VALUE) else slot.locator

    def _maker(self, version: Version | None, slot: Slot) -> str:
        """Whose doing it is: who made the version, or left the slot without one."""
        if version is not None:
            return self.book.steps[version.step].name
        place = self.view.giver(slot) if slot.kind in _MADE_BY_STEPS else None
        return self.book.at(place).name if place is not None else ""

    def _now(self, slot: Slot, version: Version | None, *, whole_unit: bool) -> str:
        if version is None:
            return GONE if slot.kind in (NAME, STATE) else shown_for(slot, self.view, self.outside)
        text = shown_as(version.output.preview, version.classes, self.view.classes)
        members = (member.locator for member in self.view.members(version)) if whole_unit else ()
        return with_sharers(text, slot.locator, members)

    def _left_by_itself(self, entry: Entry, after: str) -> bool:
        """Whether it ran on what it had left, which looks as what is bound but shares memory otherwise."""
        was = self.book.steps.get(entry.origin)
        return was is not None and self.book.place(was.id) == self.view.place and entry.preview == after

    def _moved(self, entry: Entry, subject: str, version: Version | None, after: str) -> Cause | None:
        """That another step's version is bound now, because of order, a new cell or one that is gone."""
        was = self.book.steps.get(entry.origin)
        if was is None or version is None or version.step == was.id:
            return None
        if self.book.place(was.id) == self.view.place:
            return None  # a step that ran on what it had left itself saw nothing of another one
        now = self.book.steps[version.step].name
        texts = f"{entry.preview} of {was.name}".strip(), f"{after} of {now}".strip()
        return Cause("orphan" if self.book.place(was.id) is None else WRITER, subject, *texts, now)


def with_sharers(text: str, name: str, members: Iterable[str]) -> str:
    """A preview, with the names that share memory with what it shows.

    Example:
        >>> with_sharers("[1]", "a", ("a", "b")), with_sharers("[1]", "a", ())
        ('[1], shared with b', '[1]')
    """
    others = sorted(set(members) - {name})
    return f"{text}, shared with {', '.join(others)}" if others else text


def other_python(trace: Trace) -> Cause | None:
    """That a trace was made by another version of Python, under which the same code is another one."""
    was = trace.packages.get(PYTHON, "")
    return Cause("python", "Python", was, PYTHON_VERSION) if was not in ("", PYTHON_VERSION) else None


def lost_file(output: Output, now: str | None) -> Cause:
    """That a written file is not as it was written."""
    gone = "missing" if now == UNBOUND else "changed"
    return Cause("output file", output.slot.locator, before="as written", after=gone)


def edited(step: Step) -> Cause:
    """That a body is another than the one that ran last."""
    return Cause("code", step.name, before="as last run", after="edited")
