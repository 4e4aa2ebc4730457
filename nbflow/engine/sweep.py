"""The sweep: keeps the judgement of every step current.

It judges again only the steps whose bindings, or whose slots outside, changed, in flow order, so
that its cost follows what was touched: one forward pass, no recursion.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from nbflow.engine.bind import Bound, Timeline, View
from nbflow.engine.keeping import EXPIRY
from nbflow.engine.kinship import Kinship
from nbflow.engine.stateful import meet
from nbflow.engine.verify import NOT_JUDGED, Judge, Judgement
from nbflow.types import FILE, Slot, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.engine.book import Book, Step
    from nbflow.engine.slots import Outside


_NOT_UP_TO_DATE: Final = (Verdict.STALE, Verdict.WAITS)


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
        self.news: set[str] = set()
        """The steps of which something else may be to say, since whoever says it last emptied this."""
        self._timelines: dict[Slot, Timeline] = {}
        self._users: dict[Slot, set[str]] = {}
        self._looked: dict[str, set[Slot]] = {}
        self._judgements: dict[str, Judgement] = {}
        self._dirty: list[tuple[int, str]] = []
        self._order: tuple[str, ...] = ()
        self._revision, self._known = -1, 0
        self._pending: set[str] = set()
        self._kin_users: set[str] = set()
        self._kinship = Kinship(book, self._timelines, self._judgements)
        self._moved: set[Slot] = set()
        self.take_in: Callable[[], None] = lambda: None
        """Called first when all is looked at again: takes in what has changed and no body did."""
        self.take_stock: Callable[[], None] = lambda: None
        """Called by `look`: notes what names and store have for the steps that are not up to date."""

    def view(self, step: Step) -> View:
        """The bindings at the step's place, for reading only."""
        self.settle()
        return View(self._timelines, self._place(step), step, self.book.steps)

    def view_above(self, step: Step) -> View:
        """The same, with nothing judged but what stands above the step."""
        place = self._place(step)
        self.settle(place)
        return View(self._timelines, place, step, self.book.steps)

    def end(self) -> View:
        """The bindings below the last step."""
        self.settle()
        return View(self._timelines, len(self.book))

    def judgement(self, step: Step) -> Judgement:
        """The step's present judgement; a step without a place is judged behind all others."""
        self.settle()
        found = self._judgements.get(step.id)
        return found if found is not None else self._judge_at(self.end()).judge(step)

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

    def binds(self, slot: Slot, unit: str) -> bool:
        """Whether some step gives the slot a version of that unit."""
        self.settle()
        traces = (self.book.at(place).given for place in self._timelines.get(slot, ()))
        outputs = (output for trace in traces if trace is not None for output in trace.outputs)
        return any(output.unit == unit and output.slot == slot for output in outputs)

    def unjudged(self) -> list[Step]:
        """The steps that were not judged yet, in flow order."""
        self._follow_book()
        dirty = dict.fromkeys(step for _, step in sorted(self._dirty))
        return [self.book.steps[step] for step in dirty if step not in self._judgements]

    def _writes(self, step: str, slot: Slot) -> bool:
        trace = self.book.steps[step].given
        return trace is not None and any(output.slot == slot for output in trace.outputs)

    def touch(self, step: Step) -> None:
        """Note that something about the step itself changed: its source, trace, hold, licence."""
        place = self.book.place(step.id)
        if place is not None:
            heappush(self._dirty, (place, step.id))

    def look_outside(self, slots: Iterable[Slot] | None = None) -> None:
        """Ask slots outside again, by default all, and mark the steps that looked at a changed one."""
        if slots is None:
            self.take_in()
        for slot in self.outside.look(slots):
            for user in self._users.get(slot, ()):
                self.touch(self.book.steps[user])

    def look(self) -> None:
        """Look at all that verdicts hang on: outside, and for what is not up to date at names and store."""
        self.look_outside()
        self.take_stock()

    def look_around(self) -> None:
        """Ask again what a body may have changed. No result is too old that was not when the work began."""
        self.look_outside(self.outside.known(but=EXPIRY))

    def settle(self, end: int | None = None) -> None:
        """Judge what has to be judged again, in flow order; all of it, or what stands above a place."""
        if self._revision != self.book.revision or self._known != self.book.size:
            self._follow_book()
        while self._dirty and (end is None or self._dirty[0][0] < end):
            place, step = heappop(self._dirty)
            # It was marked once for each thing that changed, and is judged once.
            while self._dirty and self._dirty[0] == (place, step):
                heappop(self._dirty)
            self._judge(place, self.book.steps[step])

    def _follow_book(self) -> None:
        if self._revision != self.book.revision:
            self._start_anew()
        elif self._known != self.book.size:
            self._go_on_behind()
        self._known = self.book.size

    def _place(self, step: Step) -> int:
        place = self.book.place(step.id)
        return len(self.book) if place is None else place

    def _start_anew(self) -> None:
        self._order = self.book.order
        self._revision = self.book.revision
        # Timelines are kept by place, and any step may stand at another one now.
        self._moved.update(self._timelines)
        self._timelines.clear()
        self._users.clear()
        self._looked.clear()
        self._judgements.clear()
        self._pending.clear()
        self._kin_users.clear()
        self._dirty = [(place, step) for place, step in enumerate(self._order)]

    def _go_on_behind(self) -> None:
        """Steps were put behind all others: nothing else is at another place than before."""
        self._order = self.book.order
        for place in range(self._known, len(self._order)):
            heappush(self._dirty, (place, self._order[place]))

    def _judge(self, place: int, step: Step) -> None:
        self.judged += 1
        self.news.add(step.id)
        view = View(self._timelines, place, step, self.book.steps)
        judge = self._judge_at(view)
        judgement = judge.judge(step)
        self._register(step.id, view.looked)
        earlier = self._judgements.get(step.id, NOT_JUDGED)
        before = earlier.gives
        self._judgements[step.id] = judgement
        self._note_kinship(place, step.id, earlier, judgement)
        if judgement.verdict in _NOT_UP_TO_DATE:
            self._pending.add(step.id)
        else:
            self._pending.discard(step.id)
        for slot in before.keys() | judgement.gives.keys():
            if before.get(slot) != judgement.gives.get(slot):
                self._give(slot, place, judgement.gives.get(slot))

    def _judge_at(self, view: View) -> Judge:
        self._kinship.asked = False
        return Judge(self.book, view, self.outside, self._timelines, self._kinship)

    def _note_kinship(self, place: int, step: str, earlier: Judgement, now: Judgement) -> None:
        """Judge those again that asked for kinship below a step that gives or reaches something else.

        Who is kin hangs on bindings at other places than the asker's, which its own look-ups do not tell.
        """
        (self._kin_users.add if self._kinship.asked else self._kin_users.discard)(step)
        if self._kin_users and (earlier.gives != now.gives or earlier.reached != now.reached):
            for user in self._kin_users:
                at = self.book.place(user)
                if at is not None and at > place:
                    heappush(self._dirty, (at, user))

    def _register(self, step: str, looked: set[Slot]) -> None:
        before = self._looked.get(step, set())
        for slot in before - looked:
            self._users[slot].discard(step)
        for slot in looked - before:
            self._users.setdefault(slot, set()).add(step)
        self._looked[step] = looked

    def _give(self, slot: Slot, place: int, bound: Bound | None) -> None:
        self._moved.add(slot)
        if slot not in self._timelines and meet(slot):
            self._judge_behind(place)
        timeline = self._timelines.setdefault(slot, Timeline())
        before, step = timeline.get(place), self._order[place]
        is_new = _kind_of_writer(before, step) != _kind_of_writer(bound, step)
        timeline.give(place, bound)
        end = timeline.next_after(place)
        for user in self._users.get(slot, ()):
            at = self.book.place(user)
            # Behind the next binding readers see that one; the step that gives it still reads this.
            if at is not None and at > place and (end is None or at <= end):
                heappush(self._dirty, (at, user))
        if is_new:
            self._tell_earlier_writers(slot, place, timeline)

    def _judge_behind(self, place: int) -> None:
        """What nobody has given before may be found by code that has never asked for it."""
        for at in range(place + 1, len(self._order)):
            heappush(self._dirty, (at, self._order[at]))

    def _tell_earlier_writers(self, slot: Slot, place: int, timeline: Timeline) -> None:
        """Who is the last writer of a file, and what is defined below, depends on later steps."""
        earlier = self._users.get(slot, ()) if slot.kind != FILE else {self._order[at] for at in timeline}
        for user in earlier:
            at = self.book.place(user)
            if at is not None and at < place and self._hangs_on_later(at, slot):
                heappush(self._dirty, (at, user))

    def _hangs_on_later(self, at: int, slot: Slot) -> bool:
        return slot.kind == FILE or not self._timelines[slot].before(at).written


def _kind_of_writer(bound: Bound | None, step: str) -> tuple[bool, bool] | None:
    """What a step is to those above it by the binding that it gives; None: it gives none."""
    if bound is None:
        return None
    return bound.written, bound.is_removed or bound.is_written_by(step)
