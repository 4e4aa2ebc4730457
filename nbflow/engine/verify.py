"""Verdicts: one pure judgement a step.

A judgement depends on the step, on the bindings at its place and on what the slots outside
hold; it yields a verdict with causes and the bindings that the step gives to those below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.engine.bind import NOTHING, Bound, Doubt, Timeline, Version, View, unit_digest
from nbflow.engine.certain import sure_outputs
from nbflow.engine.counted import loose_slots, unmade
from nbflow.engine.differences import Differences, edited, lost_file, other_python, unknown
from nbflow.engine.docstrings import DOCSTRING, documentation
from nbflow.engine.gates import (
    asked_about,
    ended_badly,
    ended_cause,
    given_state,
    gives_nothing,
    person_cause,
    saw_end_of,
)
from nbflow.engine.influence import is_code, lasting, left_open, may_write, reached
from nbflow.engine.keeping import asks_again, expiry_of, has_expired, is_effect, world_of
from nbflow.engine.marks import BEGUN, REFUTED
from nbflow.engine.origins import seen_as, version_of
from nbflow.engine.quiet import may_start_plain, would_decide
from nbflow.engine.setters import set_below
from nbflow.engine.shown import content_for
from nbflow.engine.slots import SETTINGS, STATE, Outside, is_kept_in_memory, parts_of, path_of
from nbflow.engine.unmade import unmade_cause
from nbflow.store.digests import key_digest
from nbflow.types import (
    FILE,
    OPEN,
    UNBOUND,
    Answer,
    Cause,
    Effect,
    Entry,
    Hold,
    Licence,
    Looked,
    Slot,
    Standing,
    Trace,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.kinship import Kinship


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """What is to be said of one step.

    Args:
        verdict: Up to date or not.
        causes: Why not, root cause first; empty where it is fresh.
        gives: What the step binds for the steps below it.
        reached: The slots in memory that its body may read, in a fixed order.
    """

    verdict: Verdict
    causes: tuple[Cause, ...] = ()
    gives: Mapping[Slot, Bound] = {}
    reached: tuple[Slot, ...] = ()

    def version(self, slot: Slot) -> Version | None:
        """What the step gives the slot; None where it gives it nothing."""
        return self.gives[slot].version if slot in self.gives else None


ORDER: Final = "order"
"""The category of the cause that a name is defined below only."""


NOT_JUDGED: Final = Judgement(Verdict.STALE)
"""What stands for the judgement of a step before there is one."""


def version_key(version: Version, view: View) -> str:
    """The content of a value alone, as a body at a place sees it."""
    return seen_as(version.output.digest, version.classes, view.classes)


def unit_key(version: Version, view: View) -> str:
    """The content of a whole alias unit at a place: which members, their contents and sharing."""
    members = (slot.locator for slot in view.members(version))
    return seen_as(unit_digest(version.output.unit, members), version.classes, view.classes)


def content(looked: Looked, view: View, outside: Outside) -> str | None:
    """What a slot holds at the view's place; None where nobody can tell."""
    slot = looked.slot
    if slot.kind == DOCSTRING:
        return documentation(slot, view)
    if not is_kept_in_memory(slot):
        view.looked.add(slot)
        if slot.kind not in (FILE, STATE) or (version := view.bound(slot).version) is None:
            return content_for(slot, view, outside) if slot.kind != STATE else UNBOUND
        return version.output.digest if version.output.digest != OPEN else None
    name, attribute = parts_of(slot)
    version = view.bound(Slot(slot.kind, name) if attribute else slot).version
    if version is None:
        return outside.digest(slot) if slot.kind == SETTINGS else UNBOUND
    if attribute:
        return version.output.reach.parts.get(attribute, UNBOUND)
    return unit_key(version, view) if looked.whole_unit else version_key(version, view)


def not_looked_at(looked: Iterable[Looked], wanted: Iterable[Slot]) -> Iterator[Slot]:
    """The slots in memory, or parameters, that a body reaches and that none of these items covers.

    An item for an attribute of a module covers the module's name.
    """
    seen = {Slot(item.slot.kind, parts_of(item.slot)[0]) for item in looked}
    return (slot for slot in wanted if slot not in seen)


def answer(entry: Entry, view: View, outside: Outside) -> Answer:
    """Whether the slot of an entry still holds what the body saw in it."""
    now = content(entry.looked, view, outside)
    if now is None:
        return Answer.UNKNOWN
    return Answer.SAME if now == entry.digest else Answer.DIFFERENT


def as_it_is(trace: Trace, reached: Iterable[Slot], view: View, outside: Outside) -> tuple[Entry, ...]:
    """What a body would see now of all that its trace has looked at, and of what it reaches besides.

    Of what nobody can tell, the entry stays as the trace has it.
    """
    seen = {entry.looked: entry for entry in trace.entries}
    looked = (*seen, *(Looked(slot) for slot in not_looked_at(seen, reached)))
    contents = {each: content(each, view, outside) for each in looked}
    return tuple(
        seen[each] if now is None and each in seen else Entry(each, now or UNBOUND)
        for each, now in contents.items()
    )


def first_difference(entries: Iterable[Entry], view: View, outside: Outside) -> tuple[Answer, Entry | None]:
    """Compare the entries in the order first seen, stopping at the first difference."""
    unknown: Entry | None = None
    for entry in entries:
        said = answer(entry, view, outside)
        if said is Answer.DIFFERENT:
            return said, entry
        # It ends nothing: of a difference further on everybody can tell.
        if said is Answer.UNKNOWN and unknown is None:
            unknown = entry
    return (Answer.UNKNOWN, unknown) if unknown else (Answer.SAME, None)


def begun_slot(step: Step, body: Body, view: View, outside: Outside, book: Book) -> Slot:
    """The slot that tells whether an effect was begun, and may have happened, on what it would see now."""
    seen = reached(body, view)
    loose = loose_slots(step, seen, view, book)
    slots = [slot for slot in seen if slot not in loose]
    digests = (content(Looked(slot), view, outside) or UNBOUND for slot in slots)
    return Slot(BEGUN, key_digest(body.static_key, *(part for slot in slots for part in slot), *digests))


class Judge:
    """Judges one step at its place.

    Args:
        book: The steps.
        view: The bindings at the step's place.
        outside: What the slots outside hold.
        timelines: All bindings, for what depends on later steps.
        kinship: Who may come to share memory.
    """

    def __init__(
        self,
        book: Book,
        view: View,
        outside: Outside,
        timelines: Mapping[Slot, Timeline],
        kinship: Kinship,
    ) -> None:
        self._kin = kinship
        self._book = book
        self._view = view
        self._outside = outside
        self._timelines = timelines

    def judge(self, step: Step) -> Judgement:
        """The verdict, its causes, and what the step gives."""
        body = step.ran
        if body is None:
            return Judgement(Verdict.STALE, (Cause("never ran", step.name),))
        slots = reached(body, self._view)
        verdict, causes = self._verdict(step, body, slots)
        sure = sure_outputs(step, body, verdict, causes)
        return Judgement(verdict, tuple(causes), self._gives(step, body, slots, verdict, sure), slots)

    def _verdict(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> tuple[Verdict, list[Cause]]:
        # A choice by hand outweighs all that could be proven, and is never called fresh.
        if step.hold is not None and self._counts(step.hold, (*slots, *step.parameter_slots)):
            return Verdict.AS_OF, self._held(step, step.hold, body, slots)
        loose = self._loose(step, step.trace, slots)
        own, causes = self._own(step, slots, loose)
        above, blame = self._above(step, body, slots, loose)
        worst = max(own, above, key=_SEVERITY.index)
        # What is proven to differ comes before what nobody can prove.
        causes = [*blame, *causes] if worst is above else [*causes, *blame]
        told = ended_cause(step)
        if told is not None and worst is not Verdict.FRESH:
            causes = [told, *(each for each in causes if each.category not in _TOLD)]
        if worst in _SEVERITY[2:]:
            obstacle = self._obstacle(step, body, slots)
            if obstacle is not None:
                return Verdict.WAITS, [obstacle, *(each for each in causes if each != obstacle)]
            return (Verdict.WAITS if above is Verdict.WAITS else Verdict.STALE), causes
        return worst, causes

    def _held(self, step: Step, hold: Hold, body: Body, slots: tuple[Slot, ...]) -> list[Cause]:
        """That it stands where somebody has put it, and how that result differs from what is now."""
        held = Cause("held", step.name, before=hold.told, after=hold.reason)
        if hold.trace.static_key != body.static_key:
            return [held, edited(step)]
        wanted = (*slots, *step.parameter_slots)
        return [held, *self._what_differs(hold.trace, wanted, self._loose(step, hold.trace, slots))[0]]

    def _counts(self, hold: Hold, slots: tuple[Slot, ...]) -> bool:
        """Whether a hold counts still: one for a certain key ends with the next change."""
        if hold.entries is None:
            return True
        looked = (entry.looked for entry in hold.entries)
        # The key that was accepted says nothing of what the body did not reach then.
        if any(not_looked_at(looked, slots)) or self._lost_file(hold.trace):
            return False
        return first_difference(hold.entries, self._view, self._outside)[0] is not Answer.DIFFERENT

    def _loose(self, step: Step, trace: Trace | None, slots: tuple[Slot, ...]) -> frozenset[Slot]:
        """What the step looks at, or did for a trace, and its header says not to compare."""
        seen = (entry.looked.slot for entry in trace.entries) if trace is not None else ()
        return loose_slots(step, (*slots, *seen), self._view, self._book)

    def _own(
        self, step: Step, slots: tuple[Slot, ...], loose: frozenset[Slot]
    ) -> tuple[Verdict, list[Cause]]:
        """What the step's own trace says, its upstream set aside."""
        trace = step.trace
        if trace is None:
            return Verdict.STALE, self._without_trace(step, slots)
        asked = asked_about(step, slots, self._view, self._book)
        differ, entry = self._what_differs(trace, (*slots, *step.parameter_slots, *asked), loose)
        differ = differ or self._expired(step, trace) or self._refuted(step, trace)
        if differ:
            return Verdict.STALE, differ
        unknowns = [each for each in trace.unknowns if step.effect is None or not is_effect(each)]
        causes = [*(Cause("outside", unknown) for unknown in unknowns), *set_below(step, trace, self._book)]
        if entry is not None:
            causes.append(unknown(entry, self._view, self._book))
        causes += self._not_compared(trace, slots, loose) if loose else ()
        if step.plain and step.standing is Standing.REMEMBERED:
            causes.append(Cause("unverified", step.name, after="not run in this kernel"))
        doubtful = Verdict.STALE if causes and would_decide(step, self._book) else Verdict.AS_OF
        return (doubtful if causes else Verdict.FRESH), causes

    def _expired(self, step: Step, trace: Trace) -> list[Cause]:
        slot = expiry_of(step, trace)
        if slot is None:
            return []
        self._view.looked.add(slot)
        return [Cause("expired", step.name)] if has_expired(step, trace, self._outside) else []

    def _refuted(self, step: Step, trace: Trace) -> list[Cause]:
        """What an audit has found out about the trace; of plain cells none is made."""
        marks = self._outside.marks
        if step.plain or marks is None or not self._outside.is_refuted(trace.id):
            return []
        return [Cause("audit", step.name, after=marks.note(REFUTED, trace.id))]

    def _without_trace(self, step: Step, slots: tuple[Slot, ...]) -> list[Cause]:
        earlier, body = step.earlier, step.ran
        if step.ended_on and (differ := self._told(step.ended_on, ())):
            return differ
        if step.failure and not (step.ended is not None and step.ended.name == "TriggerFailed"):
            return [ended_badly(step)]
        if step.before is None and earlier is not None and (python := other_python(earlier)) is not None:
            return [python]
        if step.before is not None or (earlier and body and earlier.static_key != body.static_key):
            return [edited(step)]
        if earlier is None:
            return [Cause("removed" if step.is_bare else "never ran", step.name)]
        return self._since(step, earlier, slots)

    def _since(self, step: Step, earlier: Trace, slots: tuple[Slot, ...]) -> list[Cause]:
        """What keeps the last result of an earlier kernel from being taken."""
        wanted = (*slots, *step.parameter_slots, *asked_about(step, slots, self._view, self._book))
        to_come = unmade(earlier, self._view)
        differ = self._what_differs(earlier, wanted, self._loose(step, earlier, slots) | to_come)[0]
        differ = differ or self._expired(step, earlier) or self._refuted(step, earlier)
        if not differ and asks_again(step, earlier, self._outside):
            differ = [Cause("outside", world_of(earlier)[0])]
        is_told = differ or to_come or step.standing is Standing.REMEMBERED
        return differ if is_told else [Cause("never ran", step.name)]

    def _not_compared(self, trace: Trace, slots: tuple[Slot, ...], loose: frozenset[Slot]) -> Iterator[Cause]:
        """What need not be as the trace saw it, and is not."""
        for slot in not_looked_at((entry.looked for entry in trace.entries), loose.intersection(slots)):
            yield Cause("not compared", slot.locator)
        for entry in trace.entries:
            slot = entry.looked.slot
            if slot in loose and answer(entry, self._view, self._outside) is not Answer.SAME:
                yield Cause("not compared", slot.locator, before=entry.preview)

    def _what_differs(
        self, trace: Trace, slots: tuple[Slot, ...], loose: frozenset[Slot] = frozenset()
    ) -> tuple[list[Cause], Entry | None]:
        """All that is not as the trace saw it, or else the first entry of which nobody can tell."""
        if not (trace.entries or slots):
            return self._lost_file(trace), None
        unseen = not_looked_at((entry.looked for entry in trace.entries), slots)
        others = tuple(slot for slot in unseen if slot not in loose)
        entries = [entry for entry in trace.entries if entry.looked.slot not in loose]
        said, unknown = first_difference(entries, self._view, self._outside)
        causes = self._told(entries if said is Answer.DIFFERENT else (), others)
        return causes or self._lost_file(trace), unknown if said is Answer.UNKNOWN else None

    def _told(self, entries: Iterable[Entry], others: tuple[Slot, ...]) -> list[Cause]:
        """Each entry that differs, and other inputs than these, in words."""
        differ = [each for each in entries if answer(each, self._view, self._outside) is Answer.DIFFERENT]
        if not (differ or others):
            return []
        return Differences(self._book, self._view, self._outside).told(differ, others)

    def _lost_file(self, trace: Trace) -> list[Cause]:
        for output in trace.outputs:
            if output.slot.kind != FILE or not self._is_last_writer(output.slot):
                continue
            self._view.looked.add(output.slot)
            now = self._outside.digest(output.slot)
            if now != output.digest and (output.digest != OPEN or now == UNBOUND):
                return [lost_file(output, now)]
        return []

    def _is_last_writer(self, slot: Slot) -> bool:
        """Whether no later step wrote it; what a later step only may write does not count.

        So the answer hangs on traces alone: one that hung on verdicts could make two steps take
        turns at being stale.
        """
        timeline = self._timelines.get(slot)
        later = timeline.after(self._view.place) if timeline is not None else ()
        return not any(
            bound.is_removed or bound.is_written_by(self._book.at(place).id) for place, bound in later
        )

    def _above(
        self, step: Step, body: Body, slots: tuple[Slot, ...], loose: frozenset[Slot]
    ) -> tuple[Verdict, list[Cause]]:
        """The worst verdict of the steps that make something uncertain which this one looks at."""
        looks_at = self._looks_at(step, body, slots)
        if not looks_at:
            return Verdict.FRESH, []
        # Of what a step above makes, a value tells more than a module that it imports.
        looks_at.sort(key=self._holds_value)
        doubts = {doubt: slot for slot in looks_at for doubt in self._view.bound(slot).doubts}
        counted = [slot for slot in looks_at if slot not in loose] if loose else looks_at
        compared = {doubt for slot in counted for doubt in self._view.bound(slot).doubts}
        if not doubts:
            return Verdict.FRESH, []
        # Whoever stands first in flow order is nearest to the root.
        ordered = sorted(doubts.items(), key=lambda item: self._place_of(item[0]))
        found = [(slot, *self._weighed(step, doubt, doubt in compared)) for doubt, slot in ordered]
        worst = max((verdict for _, verdict, _, _ in found), key=_SEVERITY.index)
        blame = [
            Cause("upstream", path_of(slot.locator), after=word, origin=above.name)
            for slot, verdict, word, above in found
            if verdict is worst
        ]
        return worst, blame

    def _weighed(self, step: Step, doubt: Doubt, is_compared: bool) -> tuple[Verdict, str, Step]:
        """How bad it is for a step that one above is not fresh, and how that one stands, in a word.

        What ran because something above had failed is not out of date as long as that stands: only whether
        it would fail again nobody knows.
        """
        above = self._book.steps[doubt.step]
        if not is_compared:
            return Verdict.AS_OF, "not compared", above
        if doubt.verdict is Verdict.STALE and saw_end_of(step, above):
            return Verdict.AS_OF, str(above.ended.name if above.ended else "").lower(), above
        return doubt.verdict, doubt.verdict.value, above

    def _sees(self, step: Step, what: Answer) -> bool:
        """Whether the body of a step that ended without a result would see what it saw, or other things."""
        seen = step.ended_on if step.ended is not None else None
        return bool(seen) and first_difference(seen or (), self._view, self._outside)[0] is what

    def _fails_alike(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> bool:
        """Whether a plain cell that failed would see the same once more, and so do what it was seen to do."""
        if step.left is None or step.left.unknowns:
            return False
        is_same = self._what_differs(step.left, slots) == ([], None)
        return is_same and self._above(step, body, slots, frozenset())[0] is Verdict.FRESH

    def _holds_value(self, slot: Slot) -> bool:
        version = self._view.bound(slot).version
        return version is not None and version.output.sort == "value"

    def _place_of(self, doubt: Doubt) -> int:
        place = self._book.place(doubt.step)
        return len(self._book) if place is None else place

    def _looks_at(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> list[Slot]:
        more = lasting(step, body, self._view)
        if not more:
            return [*slots]
        self._view.looked.update(more)
        return [*slots, *(slot for slot in more if slot in self._timelines)]

    def _obstacle(self, step: Step, body: Body, slots: tuple[Slot, ...]) -> Cause | None:
        """Why nbflow may not start the step itself."""
        if step.fits or step.lack is not None:
            return step.lack
        if step.standing is Standing.REMEMBERED:
            return Cause("unverified", step.name, after="not run in this kernel: run its cell")
        person = person_cause(step)
        if person is not None:
            return person
        if step.licence is Licence.NAME:
            return self._effect(step, body)
        if step.licence is Licence.USER and not may_start_plain(step, self._book):
            return Cause("plain cell" if step.plain else "manual", step.name, after=f"run {step.name}")
        for slot in (slot for slot in slots if slot.locator in body.analysis.reads):
            bound, timeline = self._view.bound(slot), self._timelines.get(slot)
            later = timeline.writer_after(self._view.place) if timeline is not None else None
            if bound.version is None and not bound.written and later is not None:
                return Cause(ORDER, slot.locator, after=f"defined below, in {self._book.at(later).name}")
        return unmade_cause(step, slots, self._view, self._book)

    def _effect(self, step: Step, body: Body) -> Cause:
        """Why an effect waits for its name, and perhaps for more than that."""
        slot = begun_slot(step, body, self._view, self._outside, self._book)
        if step.effect is Effect.ONCE and body.one is None:
            self._view.looked.add(slot)
            doubt = self._outside.show(slot) if self._outside.digest(slot) == slot.kind else ""
            if doubt:
                told = f"{doubt}; `%flow run {step.name} --force` runs it anyway"
                return Cause("unsure", step.name, after=told)
            if step.trace is not None and self._lost_file(step.trace):
                return Cause("effect", step.name, after=f"`%flow run {step.name} --force` repeats it")
        return Cause("effect", step.name, after=f"`%flow run {step.name}` runs it")

    def _gives(
        self, step: Step, body: Body, slots: tuple[Slot, ...], verdict: Verdict, sure: Collection[Slot]
    ) -> dict[Slot, Bound]:
        gives: dict[Slot, Bound] = {}
        trace = step.left if gives_nothing(step, verdict) else step.given
        doubts = () if verdict is Verdict.FRESH else (Doubt(step.id, verdict),)
        near = (step.id,) if doubts and any(not is_code(self._view.bound(slot)) for slot in slots) else ()
        if doubts:
            known = step.left if self._fails_alike(step, body, slots) else None
            may = may_write(step, body, slots, self._view, self._book, known=known)
            if step.left_random_alone and self._sees(step, Answer.SAME):
                may = may.without_draws()
            # What nobody has asked for does not run, so that it changes nothing until somebody does.
            changed: frozenset[Slot] = frozenset()
            if not step.idle:
                changed = may.change | self._kin.of(may.change, self._view)
            for slot in may.bind | changed:
                bound = self._view.bound(slot)
                kin = (*bound.kin, *near) if slot in may.bind else bound.kin
                # It may write this or not: what was bound above still is, with one more doubt.
                gives[slot] = Bound(bound.version, bound.doubts + doubts, kin, bound.written)
        if self._book.tells_states and not step.plain:
            gives |= [given_state(step, verdict, doubts, is_outlived=self._sees(step, Answer.DIFFERENT))]
        # Without a result nobody knows what these hold: an older version would be a guess.
        if trace is None:
            for slot in left_open(body, self._view):
                may_be = gives.get(slot, NOTHING)
                gives[slot] = Bound(None, may_be.doubts, may_be.kin, written=True)
            return gives
        for output in trace.outputs:
            version = version_of(step.id, trace, output, self._view.classes)
            kin = gives[output.slot].kin if output.slot in gives else ()
            unsure = output.slot not in sure
            gives[output.slot] = Bound(version, doubts if unsure else (), kin if unsure else (), written=True)
        return gives


_TOLD: Final = ("failed", "stopped", "never ran")
"""What need not be said of a step of which is said why it did not run."""

_SEVERITY: Final = (Verdict.FRESH, Verdict.AS_OF, Verdict.STALE, Verdict.WAITS)
