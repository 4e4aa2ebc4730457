"""Binding: which version a slot has at a place in flow order, and what is doubtful about it.

A pure function of order, writers and holds (invariant I3). Each slot has a timeline: the
places at which steps gave it a binding. A reader is bound to the last one before its place.
"""

from __future__ import annotations

import os
from bisect import bisect_left, insort
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from nbflow.store.digests import key_digest
from nbflow.store.paths import pattern_base
from nbflow.types import FILE, Output, Slot, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from nbflow.engine.book import Step


class Version(msgspec.Struct, frozen=True, gc=False):
    """The content of a slot as one step made it.

    Attributes:
        step: The step.
        output: The content.
        classes: The notebook's classes inside its unit, each with the step that made it.
    """

    step: str
    output: Output
    classes: tuple[tuple[str, str], ...] = ()

    @property
    def unit(self) -> tuple[object, ...]:
        """What is stored and restored as one: two names of equal content are no unit."""
        return (self.step, *self.content)

    @property
    def content(self) -> tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]:
        """What its unit is, whoever made it; equal units can stand for each other."""
        return (self.output.unit, self.output.members, self.classes)

    def is_same(self, other: Version | None) -> bool:
        """Whether both are one version: made by one step, stored as one unit."""
        return self is other or (
            other is not None and self.step == other.step and self.content == other.content
        )


def unit_digest(unit: str, members: Iterable[str]) -> str:
    """The content of an alias unit with the names that are bound to it at a place."""
    return key_digest("unit", unit, *sorted(members))


def first_of(versions: Mapping[str, Version]) -> Version:
    """One of the versions of a unit, of which all say the same about it."""
    return next(iter(versions.values()))


def by_unit(versions: Mapping[str, Version | None]) -> list[dict[str, Version]]:
    """Those versions together that are stored and restored as one."""
    units: dict[tuple[object, ...], dict[str, Version]] = {}
    for key, version in versions.items():
        if version is not None:
            units.setdefault(version.unit, {})[key] = version
    return list(units.values())


class Doubt(NamedTuple):
    """A step that is not fresh and may write the slot when it runs."""

    step: str
    verdict: Verdict


class Bound(msgspec.Struct, frozen=True, gc=False):
    """What a slot is bound to at a place.

    Attributes:
        version: The last writer's version; None where nobody wrote it or it ends unbound.
        doubts: The steps between that make it uncertain, the version's own writer included.
        kin: The steps that are not fresh and may make it share memory with what they reach.
        written: Whether some step before the place decides the content, if only by deleting.
    """

    version: Version | None = None
    doubts: tuple[Doubt, ...] = ()
    kin: tuple[str, ...] = ()
    written: bool = False

    @property
    def is_removed(self) -> bool:
        """Whether a step has left it with nothing, as one that removes a file."""
        return self.written and self.version is None

    def is_written_by(self, step: str) -> bool:
        """Whether it is a version that this step made."""
        return self.version is not None and self.version.step == step


NOTHING: Final = Bound()


class Timeline:
    """The bindings that steps gave one slot, by place."""

    __slots__ = ("_bounds", "_places")

    def __init__(self) -> None:
        self._places: list[int] = []
        self._bounds: dict[int, Bound] = {}

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def before(self, place: int) -> Bound:
        """The binding of a reader at `place`."""
        index = bisect_left(self._places, place)
        return self._bounds[self._places[index - 1]] if index else NOTHING

    def giver(self, place: int) -> int | None:
        """The place of the step that gave the binding of a reader at `place`."""
        index = bisect_left(self._places, place)
        return self._places[index - 1] if index else None

    def get(self, place: int) -> Bound | None:
        """The binding that the step at `place` gave, if it gave one."""
        return self._bounds.get(place)

    def give(self, place: int, bound: Bound | None) -> None:
        """Set, or with None take back, what the step at `place` gives."""
        if bound is None:
            if self._bounds.pop(place, None) is not None:
                del self._places[bisect_left(self._places, place)]
            return
        if place not in self._bounds:
            insort(self._places, place)
        self._bounds[place] = bound

    def after(self, place: int) -> Iterator[tuple[int, Bound]]:
        """The places behind `place` at which steps gave a binding, with the bindings."""
        return (
            (later, self._bounds[later]) for later in self._places[bisect_left(self._places, place + 1) :]
        )

    def writer_after(self, place: int) -> int | None:
        """The place of the next step that certainly gives a binding of its own; None where there is none."""
        return next((later for later, bound in self.after(place) if bound.written), None)

    def next_after(self, place: int) -> int | None:
        """The place of the next step that gives a binding; None where there is none."""
        index = bisect_left(self._places, place + 1)
        return self._places[index] if index < len(self._places) else None


class View:
    """The bindings as a reader at one place sees them; it remembers what was looked at.

    Args:
        timelines: All bindings.
        place: The place.
        step: The reader; None: nobody who stands in the order.
        steps: All steps, for who wants to know what the makers of bindings say.
    """

    __slots__ = ("_timelines", "looked", "place", "step", "steps")

    def __init__(
        self,
        timelines: dict[Slot, Timeline],
        place: int,
        step: Step | None = None,
        steps: Mapping[str, Step] = MappingProxyType({}),
    ) -> None:
        self._timelines = timelines
        self.place = place
        self.step = step
        self.steps = steps
        self.looked: set[Slot] = set()

    def bound(self, slot: Slot) -> Bound:
        """What the slot is bound to at this place."""
        # Also what nobody has bound: who binds it later has to have this reader judged again.
        self.looked.add(slot)
        timeline = self._timelines.get(slot)
        return timeline.before(self.place) if timeline is not None else NOTHING

    def given(self, slots: Iterable[Slot]) -> list[Slot]:
        """Those of these slots that some step gives something, be it below this place."""
        return list(filter(self._timelines.__contains__, slots))

    def files_below(self, listings: Collection[str]) -> list[Slot]:
        """The files that some step writes where a listing, of a folder or of a pattern, may show them."""
        folders = tuple({os.path.join(pattern_base(each), "") for each in listings})
        if not folders:
            return []
        return [slot for slot in self._timelines if slot.kind == FILE and slot.locator.startswith(folders)]

    def giver(self, slot: Slot) -> int | None:
        """The place of the step that gave the slot its binding here; None where nobody did."""
        timeline = self._timelines.get(slot)
        return timeline.giver(self.place) if timeline is not None else None

    def classes(self, slot: Slot) -> tuple[tuple[str, str], ...]:
        """The notebook's classes inside what the slot is bound to at this place."""
        version = self.bound(slot).version
        return version.classes if version is not None else ()

    def members(self, version: Version) -> frozenset[Slot]:
        """The names whose binding here is the unit of `version`, see design 2.2."""
        if len(version.output.members) == 1:
            return frozenset((version.output.slot,))
        slots = (Slot(version.output.slot.kind, member) for member in version.output.members)
        return frozenset(slot for slot in slots if version.is_same(self.bound(slot).version))
