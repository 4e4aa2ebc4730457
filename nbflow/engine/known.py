"""What is known of steps from source and files alone: which are certainly stale; of others nobody can tell.

The judgements are those of any flow. Where nothing runs, only what proves a difference counts of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbflow.analysis.untouched import only_names, rewritten, untouched
from nbflow.engine.counted import loose_in, unmade
from nbflow.engine.differences import GONE
from nbflow.engine.explain import as_said_below
from nbflow.engine.influence import lasting
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, parts_of
from nbflow.engine.verify import content
from nbflow.engine.wiring import definer_of
from nbflow.types import Cause, Slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.engine.book import Step
    from nbflow.engine.explain import Diff, Explainer
    from nbflow.engine.sweep import Sweep

_OPEN: Final = frozenset(
    {
        *("upstream", "unknown", "unverified", "not compared", "outside", "held", "registered"),
        *("plain cell", "manual", "paused", "effect", "unsure", "order", "python", RANDOM, SETTINGS),
    }
)
"""What keeps a kernel from calling a step up to date, and is no proof that it is not."""

_IN_MEMORY: Final = {"input": NAME, RANDOM: RANDOM, SETTINGS: SETTINGS}
"""The kinds of slots whose content is a kernel's own, by the category of causes about them."""

_NEVER_PROVEN: Final = ("outside", "held", "python")
"""What of that no comparison could end."""

_NEVER_RAN: Final = "never ran"
NOT_PYTHON: Final = "not Python"
"""The category of the cause that a cell is no Python any more."""


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What is known of one step.

    Args:
        step: The step.
        own: What certainly differs of what it looks at itself; empty: nothing is known to.
        above: The steps that are certainly stale and that it reads from, in flow order.
        open: What it looked at, or what it reads from did, that nobody can compare.
        doubts: Why it would be no more than *as of* if all that were as it was.
        needs: All steps that it reads from, by identifier.
        blamed: All steps above it that have causes of their own for which it is stale, in flow order.
    """

    step: Step
    own: tuple[Cause, ...] = ()
    above: tuple[Known, ...] = ()
    open: tuple[Slot, ...] = ()
    doubts: tuple[Cause, ...] = ()
    needs: frozenset[str] = frozenset()
    blamed: tuple[Known, ...] = ()

    @property
    def is_stale(self) -> bool:
        """Whether it is certainly not up to date."""
        return bool(self.own or self.above)

    @property
    def is_unreadable(self) -> bool:
        """Whether its cell is not Python any more."""
        return any(cause.category == NOT_PYTHON for cause in self.own)

    @property
    def causes(self) -> tuple[Cause, ...]:
        """Why it is stale: what differs of its own, or else what it reads from."""
        return self.own or tuple(self.upstream())

    def upstream(self) -> Iterator[Cause]:
        """That what it reads from is stale."""
        for each in self.above:
            yield Cause("upstream", each.step.name, after="stale", origin=each.step.name)

    def roots(self) -> tuple[Known, ...]:
        """The steps above and this one that have causes of their own, each once, in flow order."""
        return (*self.blamed, self) if self.own else self.blamed


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Finds out what is known of the steps of a flow.

    Args:
        sweep: Their judgements.
        explainer: Tells causes in detail.
        unreadable: What is wrong with cells that are not Python any more, by step.
    """

    sweep: Sweep
    explainer: Explainer
    unreadable: Mapping[str, str] = field(default_factory=dict[str, str])

    def of_all(self) -> dict[str, Known]:
        """What is known of each step, by identifier, in flow order."""
        self.sweep.look_outside()
        found: dict[str, Known] = {}
        for step in self.sweep.book:
            found[step.id] = self._of(step, found)
        return found

    def why(self, known: Known) -> tuple[Cause, ...]:
        """All causes, root cause first, down to lines."""
        roots = [(each.step, cause) for each in known.roots() for cause in each.own]
        # Of an edit that is told with its line nothing else is to be told.
        edited = {
            step.name for step, cause in roots if cause.category == "code" and cause.subject == step.name
        }
        roots = [(step, cause) for step, cause in roots if cause.origin not in edited]
        told = [(step, cause if step is known.step else as_said_below(cause, step)) for step, cause in roots]
        causes = [part for step, cause in told for part in self.explainer.in_detail(step, cause)]
        return tuple(dict.fromkeys((*causes, *known.upstream())))

    def diffs(self, known: Known) -> tuple[Diff, ...]:
        """What changed in the code behind the causes."""
        roots = ((each.step, cause) for each in known.roots() for cause in each.own)
        found = (self.explainer.diff(step, cause) for step, cause in roots)
        return tuple(dict.fromkeys(diff for diff in found if diff is not None and diff[1] != diff[2]))

    def _of(self, step: Step, found: Mapping[str, Known]) -> Known:
        causes, open_here = self.sweep.judgement(step).causes, tuple(self._not_compared(step))
        doubts = tuple(cause for cause in causes if cause.category in _NEVER_PROVEN)
        if step.hold is not None:
            return Known(step, doubts=doubts)
        proven = (cause for cause in causes if self._is_proof(cause, step))
        own = tuple(dict.fromkeys((*proven, *self._rewritten(step))))
        if step.id in self.unreadable:
            own = (Cause(NOT_PYTHON, step.name, after=self.unreadable[step.id]),)
        stale, needs = set[str](), set[str]()
        for slot, id in self._sources(step):
            if id in found:
                needs.add(id)
                if found[id].is_stale and not _is_left_alone(slot, found[id]):
                    stale.add(id)
        if own and step.body.wiring is not None:
            stale.discard(definer_of(self.sweep.book, step).id)
        above = tuple(known for id, known in found.items() if id in stale)
        inherited = (slot for id, known in found.items() if id in needs for slot in known.open)
        blamed = dict.fromkeys(root for known in above for root in known.roots())
        not_compared = tuple(dict.fromkeys((*open_here, *inherited)))
        return Known(step, own, above, not_compared, doubts, frozenset(needs), tuple(blamed))

    def _rewritten(self, step: Step) -> Iterator[Cause]:
        """What a step saw of a plain cell whose text says now that it is something else."""
        trace, view, book = step.trace or step.earlier, self.sweep.view(step), self.sweep.book
        loose = loose_in(trace, step, view, book) if trace is not None else ()
        for entry in trace.entries if trace is not None else ():
            slot = entry.looked.slot
            name = parts_of(slot)[0] if slot.kind == NAME and slot not in loose else ""
            place = view.giver(Slot(NAME, name)) if name else None
            maker = book.at(place) if place is not None else None
            if maker is None or not maker.plain or maker.before is None or maker.ran is None:
                continue
            found = rewritten(maker.before.source, maker.ran.source)
            if found.get(name):
                yield Cause("input", name, entry.preview, found[name], maker.name)
            elif name in found:
                yield Cause("code", name, origin=maker.name)

    def _sources(self, step: Step) -> Iterator[tuple[Slot, str]]:
        """What a step looks at that others make, or may make, each with one of these others."""
        view = self.sweep.view(step)
        more = lasting(step, step.ran, view) if step.ran is not None else ()
        for slot in (*self.sweep.judgement(step).reached, *more):
            bound = view.bound(slot)
            yield from ((slot, doubt.step) for doubt in bound.doubts)
            if bound.version is not None:
                yield slot, bound.version.step

    def _not_compared(self, step: Step) -> Iterator[Slot]:
        """What the last run looked at and nobody knows now."""
        trace = step.trace or step.earlier
        if trace is None:
            return
        view = self.sweep.view(step)
        to_come = unmade(trace, view)
        for looked in dict.fromkeys(entry.looked for entry in trace.entries):
            if looked.slot in to_come or content(looked, view, self.sweep.outside) is None:
                yield looked.slot
        for cause in self.sweep.judgement(step).causes:
            if cause.category in _IN_MEMORY and not self._is_proof(cause, step):
                yield Slot(_IN_MEMORY[cause.category], cause.subject)

    def _is_proof(self, cause: Cause, step: Step) -> bool:
        if cause.category == "input":
            # Without a kernel a name has no value where nobody knows who made it.
            is_known = cause.after != GONE or self._was_made_by_nobody_here(cause.subject, step)
            return is_known and cause.before != "not read"
        # A plain cell that nobody has followed may have run all the same, before nbflow was loaded.
        return cause.category not in _OPEN and not (step.plain and cause.category == _NEVER_RAN)

    def _was_made_by_nobody_here(self, name: str, step: Step) -> bool:
        """Whether what a step saw under a name was made by a cell that is gone."""
        trace = step.trace or step.earlier
        makers = [
            entry.origin
            for entry in (trace.entries if trace is not None else ())
            if entry.looked.slot.kind == NAME and parts_of(entry.looked.slot)[0] == name
        ]
        return any(maker and maker not in self.sweep.book.steps for maker in makers)


def _is_left_alone(slot: Slot, above: Known) -> bool:
    """Whether all that is known to differ above, edits and parameters, does not touch this name."""
    step = above.step
    if not above.above and all(cause.category == "parameter" for cause in above.own):
        # No parameter is made of another.
        return slot.kind == NAME and parts_of(slot)[0] not in {cause.subject for cause in above.own}
    if above.above or step.before is None or step.ran is None or not step.plain:
        return False
    texts = step.before.source, step.ran.source
    if slot.kind == NAME:
        return parts_of(slot)[0] in untouched(*texts)
    return slot.kind in (RANDOM, SETTINGS) and only_names(*texts)
