"""Verdicts: one pure judgement a step, kept current by a sweep over the flow order.

A judgement depends on the step, on the bindings at its place and on what the slots outside
hold; it yields a verdict with causes and the bindings that the step gives to those below.
The sweep judges again only the steps whose bindings changed, in flow order, so its cost
follows what was touched.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from nbflow.engine.bind import NO_KIN, NOTHING, Bound, Doubt, Timeline, Version, View
from nbflow.engine.influence import is_code, lasting, may_write, reached
from nbflow.engine.slots import FILE, NAME, Outside, is_kept_in_memory, slot_of
from nbflow.store.digests import key_digest
from nbflow.types import (
    UNBOUND,
    Answer,
    Cause,
    Entry,
    Licence,
    Looked,
    Output,
    Slot,
    Standing,
    Trace,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nbflow.engine.book import Body, Book, Step

QUIET: Final = "quiet"
"""The flag of a trace whose body changed nothing outside and was short, see design 2.3."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of one step.

    Args:
        verdict: Up to date or not.
        causes: Why not, root cause first; empty where it is fresh.
        gives: What the step binds for the steps below it.
        reached: The slots in memory that its body may read, in a fixed order.
    """

    verdict: Verdict
    causes: tuple[Cause, ...] = ()
    gives: Mapping[Slot, Bound] = field(default_factory=dict[Slot, Bound])
    reached: tuple[Slot, ...] = ()


NEVER_RAN: Final = Judgement(Verdict.STALE, (Cause("never ran", "this step"),))


def unit_key(version: Version, view: View) -> str:
    """The content of a whole alias unit at a place: which members, their contents and sharing."""
    members = sorted(slot.locator for slot in view.members(version))
    return key_digest("unit", version.output.unit, *members)


def content(looked: Looked, view: View, outside: Outside) -> str | None:
    """What a slot holds at the view's place; None where nobody can tell."""
    slot = looked.slot
    if not is_kept_in_memory(slot):
        view.looked.add(slot)
        version = view.bound(slot).version if slot.kind == FILE else None
        return version.output.digest if version is not None else outside.digest(slot)
    name, _, attribute = slot.locator.partition(".")
    version = view.bound(Slot(slot.kind, name) if attribute else slot).version
    if version is None:
        return UNBOUND
    if attribute:
        return version.output.reach.parts.get(attribute, UNBOUND)
    return unit_key(version, view) if looked.whole_unit else version.output.digest


def answer(entry: Entry, view: View, outside: Outside) -> Answer:
    """Whether the slot of an entry still holds what the body saw in it."""
    now = content(entry.looked, view, outside)
    if now is None:
        return Answer.UNKNOWN
    return Answer.SAME if now == entry.digest else Answer.DIFFERENT


def first_difference(trace: Trace, view: View, outside: Outside) -> tuple[Answer, Entry | None]:
    """Compare the entries in the order first seen, stopping at the first difference."""
    unknown: Entry | None = None
    for entry in trace.entries:
        said = answer(entry, view, outside)
        if said is Answer.DIFFERENT:
            return said, entry
        if said is Answer.UNKNOWN and unknown is None:
            unknown = entry
    return (Answer.UNKNOWN, unknown) if unknown else (Answer.SAME, None)


class Judge:
    """Judges one step at its place.

    Args:
        book: The steps.
        view: The bindings at the step's place.
        outside: What the slots outside hold.
        last_writer: Tells whether the step is the last writer of a file slot.
    """

    def __init__(self, book: Book, view: View, outside: Outside, timelines: Mapping[Slot, Timeline]) -> None:
        self._book = book
        self._view = view
        self._outside = outside
        self._timelines = timelines

    def judge(self, step: Step) -> Judgement:
        """The verdict, its causes, and what the step gives."""
        body = step.ran
        if body is None:
            return NEVER_RAN
        slots = reached(body, self._view)
        verdict, causes = self._verdict(step, body, slots)
        return Judgement(verdict, tuple(causes), self._gives(step, body, slots, verdict), slots)

    def _verdict(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> tuple[Verdict, list[Cause]]:
        if step.hold is not None:
            return Verdict.AS_OF, [Cause("held", step.name, after=step.hold.reason)]
        own, causes = self._own(step, slots)
        above, blame = self._above(step, body, slots)
        causes = [*blame, *causes]
        if Verdict.STALE in (own, above) or Verdict.WAITS in (own, above):
            obstacle = self._obstacle(step, body, slots)
            if obstacle is not None:
                return Verdict.WAITS, [obstacle, *causes]
            return (Verdict.WAITS if above is Verdict.WAITS else Verdict.STALE), causes
        return (Verdict.AS_OF if Verdict.AS_OF in (own, above) else Verdict.FRESH), causes

    def _own(self, step: Step, slots: tuple[Slot, ...]) -> tuple[Verdict, list[Cause]]:
        """What the step's own trace says, its upstream set aside."""
        trace = step.trace
        if trace is None:
            return Verdict.STALE, [
                Cause("failed" if step.failure else "never ran", step.name, after=step.failure)
            ]
        cause = self._other_inputs(trace, slots) or self._lost_file(trace)
        if cause is not None:
            return Verdict.STALE, [cause]
        said, entry = first_difference(trace, self._view, self._outside)
        if said is Answer.DIFFERENT and entry is not None:
            return Verdict.STALE, [self._difference(entry)]
        causes = [Cause("outside", unknown) for unknown in trace.unknowns]
        if entry is not None:
            causes.append(Cause("unknown", entry.looked.slot.locator, before=entry.preview))
        if step.plain and step.standing is Standing.REMEMBERED:
            causes.append(Cause("unverified", step.name, after="not run in this kernel"))
        return (Verdict.AS_OF if causes else Verdict.FRESH), causes

    def _other_inputs(self, trace: Trace, slots: tuple[Slot, ...]) -> Cause | None:
        """A body that reaches other names than its trace saw cannot be judged by that trace."""
        seen = {
            entry.looked.slot.locator.partition(".")[0]
            for entry in trace.entries
            if is_kept_in_memory(entry.looked.slot)
        }
        for slot in slots:
            if slot.locator not in seen:
                return Cause("input", slot.locator, before="not read", after="read")
        return None

    def _lost_file(self, trace: Trace) -> Cause | None:
        for output in trace.outputs:
            if output.slot.kind != FILE or not self._is_last_writer(output.slot):
                continue
            self._view.looked.add(output.slot)
            now = self._outside.digest(output.slot)
            if now != output.digest:
                gone = "missing" if now == UNBOUND else "changed"
                return Cause("output file", output.slot.locator, before="as written", after=gone)
        return None

    def _is_last_writer(self, slot: Slot) -> bool:
        timeline = self._timelines.get(slot)
        return timeline is None or timeline.next_after(self._view.place) is None

    def _difference(self, entry: Entry) -> Cause:
        slot = entry.looked.slot
        version = self._view.bound(slot).version if slot.kind in (NAME, FILE) else None
        after = version.output.preview if version else self._outside.show(slot)
        category = "input" if slot.kind == NAME else slot.kind
        if version is not None and version.output.sort != "value":
            category = "code"
        origin = self._book.steps[version.step].name if version else ""
        return Cause(category, slot.locator, entry.preview, after, origin)

    def _above(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> tuple[Verdict, list[Cause]]:
        """The worst verdict of the steps that make something uncertain which this one looks at."""
        doubts = {
            doubt: slot
            for slot in self._looks_at(step, body, slots)
            for doubt in self._view.bound(slot).doubts
        }
        worst = max((doubt.verdict for doubt in doubts), key=_SEVERITY.index, default=Verdict.FRESH)
        blame = [
            Cause(
                "upstream", slot.locator, after=doubt.verdict.value, origin=self._book.steps[doubt.step].name
            )
            for doubt, slot in doubts.items()
            if doubt.verdict is worst
        ]
        return worst, blame

    def _looks_at(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> Iterable[Slot]:
        yield from slots
        for slot in lasting(step, body):
            if slot in self._timelines:
                yield slot
            self._view.looked.add(slot)

    def _obstacle(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> Cause | None:
        """Why nbflow may not start the step itself."""
        if step.standing is Standing.REMEMBERED:
            return Cause("unverified", step.name, after="not run in this kernel: run its cell")
        if step.licence is Licence.USER and not may_start_plain(step):
            return Cause("plain cell" if step.plain else "manual", step.name, after=f"run {step.name}")
        for slot in slots if step.trace is None else ():
            bound = self._view.bound(slot)
            later = self._timelines[slot].next_after(self._view.place) if slot in self._timelines else None
            if bound.version is None and not bound.written and later is not None:
                return Cause("order", slot.locator, after=f"defined below, in {self._book.at(later).name}")
        return None

    def _gives(self, step: Step, body: Body, slots: tuple[Slot, ...], verdict: Verdict) -> dict[Slot, Bound]:
        gives: dict[Slot, Bound] = {}
        doubts = () if verdict is Verdict.FRESH else (Doubt(step.id, verdict),)
        kin: dict[Slot, frozenset[Slot]] = {}
        if doubts:
            may = self._may_write(step, body, slots)
            kin = self._kin(body, slots)
            for slot in may:
                bound = self._view.bound(slot)
                gives[slot] = bound._replace(doubts=bound.doubts + doubts, kin=kin.get(slot, bound.kin))
        trace = step.bound_trace
        if trace is None:
            for name in (
                body.analysis.writes
                | body.analysis.maybe_writes
                | body.analysis.deletes
                | body.analysis.mutates
            ):
                slot = slot_of(name)
                gives[slot] = gives.get(slot, NOTHING)._replace(version=None, written=True)
        for output in trace.outputs if trace is not None else ():
            version = Version(step.id, output) if output.digest != UNBOUND else None
            gives[output.slot] = Bound(version, doubts, kin.get(output.slot, NO_KIN), written=True)
        return gives

    def _may_write(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> set[Slot]:
        may = may_write(step, body, slots, self._view, self._book)
        return may | {kin for slot in may for kin in self._view.bound(slot).kin}

    def _kin(self, body: Body, slots: tuple[Slot, ...]) -> dict[Slot, frozenset[Slot]]:
        """With whom the names that it binds may come to share memory: with anything it reads."""
        near = frozenset(slot for slot in slots if not is_code(self._view.bound(slot)))
        near = near.union(*(self._view.bound(slot).kin for slot in slots))
        names = body.analysis.writes | body.analysis.maybe_writes
        return {slot_of(name): near - {slot_of(name)} for name in names}


_SEVERITY: Final = (Verdict.FRESH, Verdict.AS_OF, Verdict.STALE, Verdict.WAITS)


def may_start_plain(step: Step) -> bool:
    """Whether catch-up may start a plain cell: last run here, unedited, fully seen, and quiet."""
    return (
        step.plain
        and step.standing is Standing.HERE
        and step.ran is not None
        and step.body is step.ran
        and step.ran.analysis.complete
        and step.trace is not None
        and QUIET in step.trace.flags
    )


class Sweep:
    """Keeps the judgement of every step current.

    Args:
        book: The steps in flow order.
        outside: What the slots outside hold.
    """

    def __init__(self, book: Book, outside: Outside) -> None:
        self.book = book
        self.outside = outside
        self.judged = 0
        self._timelines: dict[Slot, Timeline] = {}
        self._users: dict[Slot, set[str]] = {}
        self._looked: dict[str, set[Slot]] = {}
        self._judgements: dict[str, Judgement] = {}
        self._dirty: list[tuple[int, str]] = []
        self._order: tuple[str, ...] = ()
        self._revision = -1
        self._pending: set[str] = set()
        self._moved: set[Slot] = set()

    def view(self, step: Step) -> View:
        """The bindings at the step's place, for reading only."""
        self.settle()
        return View(self._timelines, self._place(step))

    def end(self) -> View:
        """The bindings below the last step."""
        self.settle()
        return View(self._timelines, len(self.book))

    def judgement(self, step: Step) -> Judgement:
        """The step's present judgement; a step without a place is judged behind all others."""
        self.settle()
        if self.book.place(step.id) is None:
            return Judge(self.book, self.end(), self.outside, self._timelines).judge(step)
        return self._judgements[step.id]

    def pending(self) -> list[Step]:
        """The steps that are not up to date and stand in the order, in flow order."""
        self.settle()
        placed = sorted(
            (place, step) for step in self._pending if (place := self.book.place(step)) is not None
        )
        return [self.book.steps[step] for _, step in placed]

    def moved_slots(self) -> set[Slot]:
        """The slots whose binding changed somewhere since this was last asked."""
        self.settle()
        moved, self._moved = self._moved, set()
        return moved

    def writers(self, slot: Slot) -> list[str]:
        """The steps that write the slot by their traces, in flow order."""
        self.settle()
        timeline = self._timelines.get(slot)
        found = [self._order[place] for place in timeline] if timeline is not None else []
        return [step for step in found if self._writes(step, slot)]

    def _writes(self, step: str, slot: Slot) -> bool:
        trace = self.book.steps[step].bound_trace
        return trace is not None and any(output.slot == slot for output in trace.outputs)

    def touch(self, step: Step) -> None:
        """Note that something about the step itself changed: its source, trace, hold, licence."""
        place = self.book.place(step.id)
        if place is not None:
            heappush(self._dirty, (place, step.id))

    def look_outside(self) -> None:
        """Ask the slots outside again and mark the steps that looked at a changed one."""
        for slot in self.outside.look():
            for user in self._users.get(slot, ()):
                self.touch(self.book.steps[user])

    def settle(self) -> None:
        """Judge what has to be judged again, in flow order."""
        if self._revision != self.book.revision:
            self._start_anew()
        while self._dirty:
            place, step = heappop(self._dirty)
            while self._dirty and self._dirty[0] == (place, step):
                heappop(self._dirty)
            self._judge(place, self.book.steps[step])

    def _place(self, step: Step) -> int:
        place = self.book.place(step.id)
        return len(self.book) if place is None else place

    def _start_anew(self) -> None:
        self._order = self.book.order
        self._revision = self.book.revision
        self._moved.update(self._timelines)
        self._timelines.clear()
        self._users.clear()
        self._looked.clear()
        self._judgements.clear()
        self._pending.clear()
        self._dirty = [(place, step) for place, step in enumerate(self._order)]

    def _judge(self, place: int, step: Step) -> None:
        self.judged += 1
        view = View(self._timelines, place)
        judgement = Judge(self.book, view, self.outside, self._timelines).judge(step)
        self._register(step.id, view.looked)
        before = self._judgements.get(step.id, NEVER_RAN).gives
        self._judgements[step.id] = judgement
        if judgement.verdict in (Verdict.STALE, Verdict.WAITS):
            self._pending.add(step.id)
        else:
            self._pending.discard(step.id)
        for slot in before.keys() | judgement.gives.keys():
            if before.get(slot) != judgement.gives.get(slot):
                self._give(slot, place, judgement.gives.get(slot))

    def _register(self, step: str, looked: set[Slot]) -> None:
        before = self._looked.get(step, set())
        for slot in before - looked:
            self._users[slot].discard(step)
        for slot in looked - before:
            self._users.setdefault(slot, set()).add(step)
        self._looked[step] = looked

    def _give(self, slot: Slot, place: int, bound: Bound | None) -> None:
        self._moved.add(slot)
        timeline = self._timelines.setdefault(slot, Timeline())
        is_new = (timeline.get(place) is None) != (bound is None)
        timeline.give(place, bound)
        end = timeline.next_after(place)
        for user in self._users.get(slot, ()):
            at = self.book.place(user)
            if at is not None and at > place and (end is None or at <= end):
                heappush(self._dirty, (at, user))
        if is_new:
            self._tell_earlier_writers(slot, place, timeline)

    def _tell_earlier_writers(self, slot: Slot, place: int, timeline: Timeline) -> None:
        """Who is the last writer of a file, and what is defined below, depends on later steps."""
        earlier = self._users.get(slot, ()) if slot.kind != FILE else {self._order[at] for at in timeline}
        for user in earlier:
            at = self.book.place(user)
            if at is not None and at < place and self._hangs_on_later(user, slot):
                heappush(self._dirty, (at, user))

    def _hangs_on_later(self, user: str, slot: Slot) -> bool:
        return slot.kind == FILE or self.book.steps[user].trace is None


def outputs_of(trace: Trace) -> dict[Slot, Output]:
    """The outputs of a trace by slot."""
    return {output.slot: output for output in trace.outputs}


def absolute(path: str) -> Slot:
    """The file slot of a path as the notebook spells it."""
    return Slot(FILE, os.path.abspath(path))
