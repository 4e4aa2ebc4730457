"""Two runs of a task side by side, or one run and the present: what differs, by name and by value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.analysis import definition_source
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.previews import preview
from nbflow.engine.shown import shown_for
from nbflow.engine.slots import NAME, RANDOM, is_kept_in_memory, key_of
from nbflow.engine.verify import content
from nbflow.exceptions import CacheError, SessionError
from nbflow.notebook.outputs import Display, Stream, decode
from nbflow.notebook.past import seconds_of, values_made
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.store.protocol import Given, RunRecord
from nbflow.types import FILE, TASK_CODE, TASK_VALUE, UNBOUND, Entry, Looked, Slot, Verdict
from nbflow.views import ChangeCard, DiffCard, SideCard
from nbflow.views.contrast import contrasts
from nbflow.views.values import described
from nbflow.views.words import causes_words, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbflow.engine.bind import View
    from nbflow.engine.book import Step
    from nbflow.notebook.past import Subject
    from nbflow.notebook.session import Session
    from nbflow.types import Output, Trace

_MOST_RUNS: Final = 1_000
_MOST_LOADED: Final = 64_000_000
"""Up to how many bytes a value is loaded for a comparison although it has to be built."""
NOW: Final = "now"


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two.

    Args:
        card: What is told of the run.
        run: The run; an empty one where the present has none.
        trace: Its result; None where it has none.
        source: Its source; None where nobody knows it.
        entries: What it saw, by slot.
        inputs: Where the store has what it got, by name.
    """

    card: SideCard
    run: RunRecord
    trace: Trace | None = None
    source: str | None = None
    entries: Mapping[Slot, Entry] = field(default_factory=dict[Slot, Entry])
    inputs: Mapping[str, Given] = field(default_factory=dict[str, Given])


@dataclass(frozen=True, slots=True)
class _Part:
    """A value, or another content, as one side has it.

    Args:
        digest: Its digest, comparable with that of the other side.
        preview: It in a few characters.
        given: Where the store has it; None where it is no value.
    """

    digest: str
    preview: str
    given: Given | None = None


def compare(session: Session, name: str, first: str = "", second: str = "") -> DiffCard:
    """Compare two runs of a task.

    Args:
        session: The session.
        name: The task, an item of a mapped one (`fit[3]`), or a name that it had before.
        first: A run, as `#12`, `-1` or a time; by default the last one that differs from the newest.
        second: Another one, or `now`, which is the default where `first` is given.

    Raises:
        UnknownTaskError: If there is no such task.
        SessionError: If there is no such run, or no two runs differ.
    """
    return _Comparison(session, session.past_runs.subject(name)).card(first, second)


class _Comparison:
    def __init__(self, session: Session, subject: Subject) -> None:
        self._session = session
        self._subject = subject
        self._store = session.around.store
        self._sizes = dict(self._store.sizes())

    def card(self, first: str, second: str) -> DiffCard:
        before, after = self._sides(first, second)
        code = None if before.source is None or after.source is None else (before.source, after.source)
        return DiffCard(
            self._subject.name,
            before.card,
            after.card,
            code,
            tuple(self._inputs(before, after)),
            tuple(self._outputs(before, after)),
            self._shown(before, after),
            tuple(self._notes(before, after)),
            tuple(self._helpers(before, after)),
            self._session.around.clock(),
        )

    # --- which two -----------------------------------------------------------------------------

    def _sides(self, first: str, second: str) -> tuple[_Side, _Side]:
        past, subject = self._session.past_runs, self._subject
        if not first:
            newest, older = self._last_two()
            return self._side(older), self._side(newest)
        before = self._side(past.run_of(subject, first) if first != NOW else self._newest())
        if second and second != NOW:
            return before, self._side(past.run_of(subject, second))
        if subject.index is not None or subject.step is None:
            newest = self._newest()
            if newest.id == before.run.id:
                subject.present()
            return before, self._side(newest)
        return before, self._present(before, subject.step)

    def _newest(self) -> RunRecord:
        runs = self._session.past_runs.runs_of(self._subject)
        if not runs:
            raise SessionError(f"{self._subject.name} has not run yet: nothing to compare")
        return runs[0]

    def _last_two(self) -> tuple[RunRecord, RunRecord]:
        """The newest run, and the newest one before it that differs."""
        runs, name = self._session.past_runs.runs_of(self._subject), self._subject.name
        if len(runs) < 2:
            raise SessionError(f"{name} has {'one run' if runs else 'no run'} so far: nothing to compare")
        newest = self._identity(runs[0])
        older = next((run for run in runs[1:] if self._identity(run) != newest), None)
        if older is None:
            raise SessionError(f"all {len(runs)} runs of {name} are alike: same code, inputs and results")
        return runs[0], older

    def _identity(self, run: RunRecord) -> object:
        """What two runs have in common that are alike."""
        trace = self._store.trace(run.trace) if run.trace else None
        if trace is None:
            last = self._store.history.transitions(run.id)[-1:]
            return run.source, tuple(run.inputs.items()), [(state.name, state.message) for state in last]
        seen = {entry.looked: entry.digest for entry in trace.entries}
        made = {output.slot: output.digest for output in trace.outputs}
        return trace.static_key, seen, made, trace.captured

    def _side(self, run: RunRecord) -> _Side:
        trace = self._store.trace(run.trace) if run.trace else None
        path = self._store.history.transitions(run.id)
        made = self._session.past_runs.made_by(run)
        number = f"run {run.number}" if run.number else "a run by itself"
        title = number if run.name == self._subject.name else f"{number}, as {run.name}"
        attempts = max((state.attempt for state in path), default=1)
        state, started = (path[-1].name, path[0].at) if path else ("", None)
        card = SideCard(title, state, started, seconds_of(trace, path), attempts)
        source = self._store.history.source(run.source or made.source)
        return _Side(card, run, trace, source, _entries(trace), self._session.past_runs.inputs_of(made))

    def _present(self, other: _Side, step: Step) -> _Side:
        """What the task has, and what it would see now."""
        session = self._session
        trace, view = step.bound_trace, session.trunk.sweep.view(step)
        session.trunk.sweep.look()
        last, seconds = session.lasts.get(step.id), trace.ran if trace is not None else None
        started = trace.started if trace is not None else None
        card = SideCard(NOW, last.state if last is not None else "", started, seconds)
        run = (self._store.history.run(trace.run) if trace is not None else None) or RunRecord("")
        looked = [entry.looked for entry in {**other.entries, **_entries(trace)}.values()]
        looked += [Looked(Slot(NAME, name)) for name in other.inputs if not other.entries]
        entries = {each.slot: entry for each in looked if (entry := self._now(each, view)) is not None}
        inputs = {name: given for name in _names_in(entries) if (given := _given(name, view)) is not None}
        return _Side(card, run, trace, (step.ran or step.body).text, entries, inputs)

    def _now(self, looked: Looked, view: View) -> Entry | None:
        outside, slot = self._session.trunk.sweep.outside, looked.slot
        digest = content(looked, view, outside)
        version = view.bound(slot).version if is_kept_in_memory(slot) else None
        if digest == UNBOUND:
            return None
        text = version.output.preview if version is not None else shown_for(slot, view, outside)
        return Entry(looked, digest or "unknown", text if digest else "unknown")

    # --- what they saw and made ----------------------------------------------------------------

    def _inputs(self, before: _Side, after: _Side) -> Iterator[ChangeCard]:
        untold = [side for side in (before, after) if not side.entries]
        names = [Slot(NAME, name) for side in untold for name in side.inputs]
        for slot in dict.fromkeys((*before.entries, *after.entries, *names)):
            name, kind = _called(slot)
            if name:
                yield self._change(name, kind, *self._parts(slot, before, after))

    def _parts(self, slot: Slot, before: _Side, after: _Side) -> tuple[_Part | None, _Part | None]:
        """What both saw in a slot; by their units where one is known by that alone."""
        then, now = before.entries.get(slot), after.entries.get(slot)
        by_entry = then and now and then.looked.whole_unit == now.looked.whole_unit
        parts = [
            self._part(slot, entry, side, by_entry=bool(by_entry))
            for entry, side in ((then, before), (now, after))
        ]
        return parts[0], parts[1]

    def _part(self, slot: Slot, entry: Entry | None, side: _Side, *, by_entry: bool) -> _Part | None:
        given = side.inputs.get(slot.locator) if slot.kind == NAME else None
        text = entry.preview if entry is not None else ""
        if entry is not None and (by_entry or given is None):
            return _Part(entry.digest, text or (entry.digest[:8] if given is None else ""), given)
        return _Part(f"{given.unit} {given.place}", text, given) if given is not None else None

    def _outputs(self, before: _Side, after: _Side) -> Iterator[ChangeCard]:
        then, now = ({each.slot: each for each in _made(side.trace)} for side in (before, after))
        for slot in {**then, **now}:
            old, new = then.get(slot), now.get(slot)
            kind = slot.kind if slot.kind != NAME else _sort_of(new or old)
            yield self._change(slot.locator, kind, _part_of(old), _part_of(new))

    def _change(self, name: str, kind: str, before: _Part | None, after: _Part | None) -> ChangeCard:
        if before is not None and after is not None and before.digest == after.digest:
            return ChangeCard(name, kind, before.preview, after.preview, is_same=True)
        if looks_secret(name):
            return ChangeCard(name, kind, HIDDEN if before else "", HIDDEN if after else "")
        (then, told_then), (now, told_now) = (self._told(name, part) for part in (before, after))
        notes = () if then is None or now is None else contrasts(then, now)
        return ChangeCard(name, kind, told_then, told_now, notes)

    def _told(self, name: str, part: _Part | None) -> tuple[Any, str]:
        """The value, where it is cheap to have, and it in words."""
        if part is None:
            return None, ""
        value = self._value(name, part)
        if value is None:
            is_gone = part.given is not None and not self._store.has(part.given.unit)
            return None, f"{part.preview or 'a value'}{', not stored' if is_gone else ''}"
        about, large = described(value), self._sizes.get(part.given.unit) if part.given else None
        known = part.preview or preview(value)
        text = about if known == type(value).__name__ else known
        return value, f"{text}, {size(large)}" if large else text

    def _value(self, name: str, part: _Part) -> Any:
        label = self._session.trunk.workspace.labels.get(name)
        value = self._session.around.names.get(name)
        if label is not None and label.digest == part.digest and not is_placeholder(value):
            return value
        given = part.given
        if given is None or not self._is_cheap(given.unit):
            return None
        try:
            return self._store.load(given.unit)[given.place]
        except CacheError:
            return None

    def _is_cheap(self, unit: str) -> bool:
        return not self._store.is_costly(unit) or self._sizes.get(unit, _MOST_LOADED) < _MOST_LOADED

    # --- what code they called -------------------------------------------------------------------

    def _helpers(self, before: _Side, after: _Side) -> Iterator[tuple[str, str, str]]:
        """The definitions that the two called and that differ, as far as the history knows their texts."""
        for name in [name for name in before.inputs if name in after.inputs]:
            then, now = before.inputs[name], after.inputs[name]
            if then != now:
                texts = [self._definition(name, given) for given in (then, now)]
                if all(texts) and texts[0] != texts[1]:
                    yield name, texts[0], texts[1]

    def _definition(self, name: str, given: Given) -> str:
        """The text of the function or class that a unit stands for; nothing where it is none."""
        for run, trace in self._made_by_cells():
            made = (each for each in trace.outputs if each.slot.locator == name and each.sort != "value")
            if any(each.unit == given.unit for each in made):
                text = self._store.history.source(run.source)
                return definition_source(text, (name,)) if text else ""
        return ""

    def _made_by_cells(self) -> Iterator[tuple[RunRecord, Trace]]:
        history, notebook = self._store.history, self._session.around.notebook
        for run in history.runs(notebook, limit=_MOST_RUNS):
            trace = self._store.trace(run.trace) if run.trace and run.source else None
            if trace is not None and trace.run == run.id and trace.definitions:
                yield run, trace

    # --- what they showed, and what else is to be said -------------------------------------------

    def _shown(self, before: _Side, after: _Side) -> tuple[str, str]:
        captured = [side.trace.captured if side.trace is not None else "" for side in (before, after)]
        if captured[0] == captured[1]:
            return "", ""
        then, now = (self._text_of(unit) for unit in captured)
        return then, now

    def _text_of(self, captured: str) -> str:
        try:
            items = decode(self._store.load(captured)[0]) if captured else []  # type: ignore[arg-type]
        except CacheError:
            return "[not stored]"
        return "\n".join(filter(None, map(_as_text, items)))

    def _notes(self, before: _Side, after: _Side) -> Iterator[str]:
        if after.run.causes:
            yield f"{after.card.title} ran because {causes_words(after.run.causes)}"
        for side in (before, after):
            if side.trace is None:
                yield f"{side.card.title} has no result{self._why_failed(side)}"
            elif side.card.title != NOW and not self._has_values(side.trace):
                yield str(self._session.past_runs.lost(self._subject, side.trace))
        if after.card.title == NOW and self._subject.step is not None:
            judgement = self._session.trunk.sweep.judgement(self._subject.step)
            if judgement.verdict is not Verdict.FRESH:
                yield f"{self._subject.name} is {judgement.verdict.value}: {causes_words(judgement.causes)}"

    def _why_failed(self, side: _Side) -> str:
        path = self._store.history.transitions(side.run.id)
        step = self._subject.step
        message = path[-1].message if path else step.failure if step is not None else ""
        return f": {message}" if message else ""

    def _has_values(self, trace: Trace) -> bool:
        return all(self._store.has(each.unit) for each in values_made(trace))


def _entries(trace: Trace | None) -> dict[Slot, Entry]:
    return {entry.looked.slot: entry for entry in trace.entries} if trace is not None else {}


def _names_in(entries: Iterable[Slot]) -> list[str]:
    """The names among some slots, those of attributes left out."""
    return [slot.locator for slot in entries if slot.kind == NAME and "." not in slot.locator]


def _given(name: str, view: View) -> Given | None:
    version = view.bound(Slot(NAME, name)).version
    if version is None:
        return None
    members = version.output.members
    return Given(version.output.unit, members.index(name) if name in members else 0)


def _made(trace: Trace | None) -> Sequence[Output]:
    outputs = trace.outputs if trace is not None else ()
    return [each for each in outputs if each.slot.kind in (NAME, FILE) and each.digest != UNBOUND]


def _part_of(output: Output | None) -> _Part | None:
    if output is None:
        return None
    key = key_of(output.slot)
    place = output.members.index(key) if key in output.members else 0
    is_value = output.slot.kind == NAME and output.sort == "value"
    given = Given(output.unit, place) if is_value else None
    return _Part(output.digest, output.preview or ("" if is_value else output.digest[:8]), given)


def _sort_of(output: Output | None) -> str:
    return output.sort if output is not None and output.sort != "value" else NAME


def _called(slot: Slot) -> tuple[str, str]:
    """Name and kind of a slot for people; no name where it says nothing to them."""
    name, _, attribute = slot.locator.partition(".") if slot.kind == NAME else (slot.locator, "", "")
    if slot.kind == RANDOM or attribute == TASK_VALUE:
        return "", ""
    return (name, "code") if attribute == TASK_CODE else (slot.locator, slot.kind)


def _as_text(item: object) -> str:
    """A captured output as a text that tells whether another one is equal."""
    if isinstance(item, Stream):
        return item.text.rstrip("\n")
    if not isinstance(item, Display):
        return ""
    text = str(item.data.get("text/plain", ""))
    pictures = [f"[{kind}, {len(item.data[kind]):,} characters]" for kind in item.data if "image" in kind]
    return "\n".join([text, *pictures])
