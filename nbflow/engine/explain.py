"""Explanations: why a step is as it is, root cause first, down to the line, the key and the element."""

from __future__ import annotations

from itertools import dropwhile
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from nbflow.engine.differences import WRITER
from nbflow.engine.gates import SKIPPED, above
from nbflow.engine.influence import lasting
from nbflow.engine.parts import Part, parts
from nbflow.engine.slots import NAME
from nbflow.engine.sources import Sources, first_change
from nbflow.engine.wiring import definer_of
from nbflow.exceptions import CacheError
from nbflow.secrets import looks_secret
from nbflow.states import Origin
from nbflow.types import Cause, Slot, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version
    from nbflow.engine.book import Step
    from nbflow.engine.sweep import Sweep
    from nbflow.store.protocol import History
    from nbflow.types import Entry, Trace

UPSTREAM: Final = "upstream"
_ENDED: Final = ("skipped", "trigger")
_OF_ITSELF: Final = (
    "failed",
    "stopped",
    "never ran",
    "removed",
    "skipped",
    "trigger",
    "paused",
    "unverified",
    "held",
    "outside",
    "manual",
    "effect",
)
_OF_CONTENT: Final = ("code", "module", "input")
"""The categories of what is made of parts, or has a text."""
_MOST_RUNS: Final = 50
"""Among how many of its last runs the one before the run that made a result is looked for."""
_LARGEST: Final = 50_000_000
"""How many bytes of a stored value are loaded to tell where it differs."""

Diff = tuple[str, str, str]
"""What changed in code: the subject, its text before and after."""


class _Sight(NamedTuple):
    """What is compared to tell details: what was seen, and what was seen later; None: what is there now."""

    then: tuple[Entry, ...]
    later: tuple[Entry, ...] | None = None

    def of(self, cause: Cause) -> Entry | None:
        """The entry that a cause is about."""
        return next((entry for entry in self.then if _is_about(entry, cause)), None)

    def after(self, cause: Cause) -> Entry | None:
        """What was seen of it later."""
        return next((entry for entry in self.later or () if _is_about(entry, cause)), None)


class Explainer:
    """Says why steps are as they are.

    Args:
        sweep: Their verdicts.
        workspace: The names, and the store of their values.
        history: The runs, and the source texts.
    """

    def __init__(self, sweep: Sweep, workspace: Workspace, history: History) -> None:
        self._sweep = sweep
        self._book = sweep.book
        self._workspace = workspace
        self._history = history
        self.sources = Sources(history, workspace, sweep.book)

    def causes(self, step: Step) -> tuple[Cause, ...]:
        """Why a step is not up to date: first the causes of the step that stands first, then those below.

        What is only as of comes behind all that is proven to differ.
        """
        found: list[tuple[tuple[bool, int], Step, Cause]] = []
        for each in self._concerned(step):
            place, judgement = self._book.place(each.id), self._sweep.judgement(each)
            own = (*judgement.causes, *self._skip_of(each, step))
            own = [as_said_below(cause, each) for cause in own] if each is not step else own
            rank = judgement.verdict is Verdict.AS_OF, len(self._book) if place is None else place
            found += [(rank, each, cause) for cause in own]
        roots = sorted((item for item in found if item[2].category != UPSTREAM), key=lambda item: item[0])
        told = [cause for _, each, cause in roots for cause in self._in_detail(each, cause, _present(each))]
        return _once((*told, *_blamed(cause for _, _, cause in found)))

    def named(self, step: Step, causes: Iterable[Cause]) -> tuple[Cause, ...]:
        """Causes of a step; of what is the same by itself, that is named which is another in it."""
        found: dict[Cause, None] = {}
        for cause in causes:
            found |= dict.fromkeys(self._instead_of(step, cause))
        return tuple(found)

    def _instead_of(self, step: Step, cause: Cause) -> Iterable[Cause]:
        if cause.category not in _OF_CONTENT:
            return (cause,)
        sight = _present(step)
        diff = self._diff(step, cause, sight)
        if diff is not None and diff[1] != diff[2]:
            return (cause,)
        within = [
            replace(each, before="", after="", part="") if each.part else each
            for each in self._within(step, cause, sight)
        ]
        return within or (cause,)

    def diffs(self, step: Step) -> tuple[Diff, ...]:
        """What changed in the code behind the causes: of the step itself, of helpers, of local modules."""
        causes = [(each, cause) for each in self._concerned(step) for cause in self._own(each)]
        found = [diff for each, cause in causes for diff in self._diffs(each, cause, _present(each))]
        return tuple(dict.fromkeys(found))

    def in_past(self, step: Step, causes: Sequence[Cause]) -> tuple[tuple[Cause, ...], tuple[Diff, ...]]:
        """Why its last run ran, as far as its result and the one before it tell, and what changed in code."""
        before = self._result_before(step) if causes else None
        if before is None or step.bound_trace is None:
            return tuple(causes), self.diffs(step) if causes else ()
        sight = _Sight(before.entries, step.bound_trace.entries)
        told = [each for cause in causes for each in self._in_detail(step, cause, sight)]
        diffs = [diff for cause in causes for diff in self._diffs(step, cause, sight)]
        return tuple(dict.fromkeys(told)), tuple(dict.fromkeys(diffs))

    def _result_before(self, step: Step) -> Trace | None:
        """The result that a step had before its last run; None where that failed, or is not known."""
        trace = step.bound_trace
        runs = self._history.runs(trace.notebook, step.id, _MOST_RUNS) if trace is not None else ()
        own = [run for run in runs if run.origin != Origin.AUDIT.value]
        older = list(dropwhile(lambda run: trace is not None and run.id != trace.run, own))[1:2]
        return self._workspace.store.trace(older[0].trace) if older and older[0].trace else None

    def _own(self, step: Step) -> tuple[Cause, ...]:
        causes = self._sweep.judgement(step).causes
        run = self._history.run(step.trace.run) if step.trace is not None and not causes else None
        return causes or (run.causes if run is not None else ())

    def _concerned(self, step: Step) -> Iterator[Step]:
        """The step and all above it that are to blame."""
        seen: set[str] = set()
        todo = [step]
        while todo:
            each = todo.pop(0)
            if each.id not in seen:
                seen.add(each.id)
                todo += self._blamed(each)
                yield each

    def _blamed(self, step: Step) -> Iterator[Step]:
        causes = self._sweep.judgement(step).causes
        names = {cause.origin for cause in causes if cause.category == UPSTREAM}
        yield from (each for each in self._book if each.name in names)
        if any(cause.category in _ENDED for cause in causes) and step.ran is not None:
            slots = (*self._sweep.judgement(step).reached, *lasting(step, step.ran, self._sweep.view(step)))
            yield from above(slots, self._sweep.view(step), self._book)

    def _skip_of(self, step: Step, asked: Step) -> Iterator[Cause]:
        """That a step above asked to be skipped, with what it said; of the step itself others tell."""
        if step is not asked and step.trace is not None and SKIPPED in step.trace.flags:
            states = self._history.transitions(step.trace.run)
            yield Cause("skipped", step.name, after=states[-1].message if states else "")

    # --- details -----------------------------------------------------------------------------------

    def in_detail(self, step: Step, cause: Cause) -> Iterable[Cause]:
        """A cause of how a step stands now, or one for each part of its subject that differs."""
        return self._in_detail(step, cause, _present(step))

    def diff(self, step: Step, cause: Cause) -> Diff | None:
        """What changed in the code that a cause is about; None for other causes, or where nobody knows."""
        return self._diff(step, cause, _present(step))

    def _in_detail(self, step: Step, cause: Cause, sight: _Sight) -> Iterable[Cause]:
        """A cause, or one for each part of its subject that differs.

        Of what is the same by itself, and another by what it is made of, that is named.
        """
        if cause.category in ("input", WRITER):
            found = self._parts(step, cause, sight)
            # Two values by two steps are told whole, unless one only changed the other's.
            found = found if cause.category == "input" or len(found) == 1 else []
        elif cause.category == "held":
            return (self._numbered(step, cause),)
        elif cause.category in ("code", "module"):
            diff = self._diff(step, cause, sight)
            change = first_change(*diff[1:]) if diff is not None else None
            found = [change] if change is not None else []
        else:
            found = []
        named = (replace(cause, before=each.before, after=each.after, part=each.place) for each in found)
        return tuple(named) or tuple(self._within(step, cause, sight)) or (cause,)

    def _within(self, step: Step, cause: Cause, sight: _Sight) -> Iterator[Cause]:
        """What differs of what the subject of a cause is made of, where its own text does not tell it."""
        is_told = cause.category != "code" and (cause.category != "input" or cause.before != cause.after)
        entry, view = None if is_told else sight.of(cause), self._sweep.view(step)
        if entry is None or entry.looked.slot.kind != NAME:
            return
        for then, now in self.sources.changed_within(entry, view, sight.after(cause)):
            version = view.bound(Slot(NAME, now.name)).version
            origin = self._book.steps[version.step].name if version is not None else cause.origin
            change = first_change(then.text, now.text) if now.is_code else None
            if change is not None:
                yield Cause("code", now.name, change.before, change.after, origin, change.place)
            else:
                yield Cause("input", now.name, then.text, now.text, origin)

    def _diffs(self, step: Step, cause: Cause, sight: _Sight) -> Iterator[Diff]:
        """The text of a cause's subject before and after, or else those of what that is made of."""
        diff = self._diff(step, cause, sight)
        if diff is not None and diff[1] != diff[2]:
            yield diff
        elif cause.category in ("code", "input") and (entry := sight.of(cause)) is not None:
            view = self._sweep.view(step)
            for then, now in self.sources.changed_within(entry, view, sight.after(cause)):
                if now.is_code:
                    yield (now.name, then.text, now.text)

    def _numbered(self, step: Step, cause: Cause) -> Cause:
        """A hold, with the run that it is held at."""
        run = self._history.run(step.hold.trace.run) if step.hold is not None else None
        return replace(cause, part=f"run {run.number}") if run is not None and run.number else cause

    def _parts(self, step: Step, cause: Cause, sight: _Sight) -> list[Part]:
        entry, later = sight.of(cause), sight.after(cause)
        if entry is None or entry.looked.whole_unit or looks_secret(cause.subject):
            return []
        before, version = self._stored(entry.digest), self._version(step, cause)
        if sight.later is not None:
            after = self._stored(later.digest) if later is not None else None
        else:
            after = self._value(version) if version is not None else None
        return parts(before[0], after[0], self._workspace.names) if before and after else []

    def _version(self, step: Step, cause: Cause) -> Version | None:
        return self._sweep.view(step).bound(Slot(NAME, cause.subject.partition(".")[0])).version

    def _stored(self, unit: str) -> tuple[object, ...] | None:
        """The members of a stored unit, where it is not too large to be loaded for an explanation."""
        store = self._workspace.store
        if not store.has(unit) or dict(store.sizes()).get(unit, 0) > _LARGEST:
            return None
        try:
            return store.load(unit)
        except CacheError:
            return None

    def _value(self, version: Version) -> tuple[object, ...] | None:
        key = version.output.slot.locator
        if self._workspace.holds(key, version) and self._workspace.realise((key,)):
            return (self._workspace.get(key),)
        members = version.output.members
        found = self._stored(version.output.unit)
        return (found[members.index(key)],) if found is not None and key in members else None

    def _diff(self, step: Step, cause: Cause, sight: _Sight) -> Diff | None:
        if cause.category not in ("code", "module"):
            return None
        if step.body.wiring is not None and cause.subject == step.body.wiring.function:
            return self._own_diff(step, definer_of(self._book, step))
        if cause.category == "code" and cause.subject == step.name:
            return self._own_diff(step, step)
        entry, later = sight.of(cause), sight.after(cause)
        if entry is None or (sight.later is not None and later is None):
            return None
        before = self._history.source(entry.digest)
        if later is not None:
            after = self._history.source(later.digest)
        else:
            after = self.sources.text(entry.looked.slot, self._sweep.view(step))
        return (cause.subject, before, after) if before and after else None

    def _own_diff(self, step: Step, edited: Step) -> Diff | None:
        """What was edited in the text of a step's own cell, also since an earlier kernel."""
        made = step.hold.trace if step.hold is not None else None
        before = edited.before.source if edited.before is not None and made is None else ""
        made = made or step.earlier
        if not before and made is not None:
            run = self._history.run(made.run)
            before = (self._history.source(run.source) if run is not None else None) or ""
        return (step.name, before, edited.ran.source) if before and edited.ran is not None else None


def as_said_below(cause: Cause, step: Step) -> Cause:
    """A cause that tells how a step itself stands, said of it to those below."""
    return replace(cause, origin=step.name) if cause.category in _OF_ITSELF else cause


def _once(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """Each cause once; of two that tell the same, the one that says whose doing it is."""
    told = dict.fromkeys(causes)
    owned = {replace(cause, origin="") for cause in told if cause.origin}
    is_below = any(cause.category == "never ran" and cause.origin for cause in told)
    # That what stands below what never ran has not run either goes without saying.
    needless = ("never ran",) if is_below else ()
    return tuple(
        cause for cause in told if cause.origin or (cause not in owned and cause.category not in needless)
    )


def _blamed(causes: Iterable[Cause]) -> Iterable[Cause]:
    """The steps above that are to blame, each once, by whatever name each reader has met it."""
    found: dict[tuple[str, str], Cause] = {}
    for cause in causes:
        if cause.category == UPSTREAM:
            found.setdefault((cause.origin or cause.subject, cause.after), cause)
    return found.values()


def _present(step: Step) -> _Sight:
    """What the result that a step is bound to saw, beside what is there now."""
    trace = step.bound_trace or step.earlier
    return _Sight(trace.entries if trace is not None else step.ended_on or ())


def _is_about(entry: Entry, cause: Cause) -> bool:
    slot = entry.looked.slot
    wanted = Slot("module" if cause.category == "module" else NAME, cause.subject)
    return slot == wanted or (slot.kind == NAME and Slot(NAME, slot.locator.partition(".")[0]) == wanted)
