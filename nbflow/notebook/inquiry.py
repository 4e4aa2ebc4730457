"""What a live view asks of a session: details of a task, its past, pages of its values."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.observe import HIDDEN, looks_secret
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.slots import NAME, RANDOM, is_kept_in_memory
from nbflow.exceptions import CacheError, SessionError
from nbflow.notebook.outputs import Display, Stream, decode
from nbflow.states import TERMINAL
from nbflow.types import UNBOUND
from nbflow.views.answers import details_answer, history_answer, page_answer
from nbflow.views.cards import DetailsCard, HistoryCard, RunLine, ValueCard, WhyCard
from nbflow.views.feed import Event
from nbflow.views.values import described, page_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Entry, Output, Trace

_PAGE: Final = 60
_MOST_RUNS: Final = 10_000
_MOST_BETWEEN: Final = 1_000
_MOST_EVENTS: Final = 100
_FINAL: Final = frozenset(kind.value for kind in TERMINAL)
_OF_ONE: Final = 8
_MOST_VALUES: Final = 60
_MOST_SHOWN: Final = 400_000
_PICTURES: Final = ("image/png", "image/svg+xml", "image/jpeg")

Answer = Mapping[str, Any]


class Inquiry:
    """Answers what a page asks.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def answer(self, asked: Mapping[str, Any]) -> Answer:
        """Answer a question, between two cells.

        Args:
            asked: The page's message: `ask` names the question.

        Raises:
            SessionError: If there is no such task or run, or its value cannot be shown.
        """
        what = asked.get("ask")
        if what == "history":
            return self._history(asked)
        step, number = self._step(str(asked.get("task", ""))), int(asked.get("number") or 0)
        if what == "details":
            return details_answer(self._run(step, number) if number else self._task(step))
        return page_answer(self._page(step, number, str(asked.get("name", "")), int(asked.get("start", 0))))

    def answer_in_part(self, asked: Mapping[str, Any]) -> Answer | None:
        """Answer while a cell runs, in any thread, from the history alone; None where that says nothing."""
        if asked.get("ask") == "history":
            return self._history(asked, is_idle=False)
        if asked.get("ask") != "details" or asked.get("number"):
            return None
        step = self._step(str(asked.get("task", "")))
        runs = HistoryCard(tuple(self._lines(step, _OF_ONE, is_idle=False)), now=self._session.around.clock())
        return details_answer(DetailsCard(step.name, source=(step.ran or step.body).source, runs=runs))

    def last_events(self) -> list[Event]:
        """What the newest runs of one kernel went through, oldest first, from before anybody watched."""
        around = self._session.around
        runs = around.store.history.runs(around.notebook, None, _MOST_EVENTS)
        events = [event for run in runs if run.owner == runs[0].owner for event in self._events(run)]
        return sorted(events, key=lambda event: event.at)

    def _events(self, run: RunRecord) -> Iterator[Event]:
        states = self._session.around.store.history.transitions(run.id)
        if not states or states[-1].type not in _FINAL:
            return
        trace = self._made(run) if states[-1].name == "Cached" else None
        for state in states:
            is_open = state.type not in _FINAL
            saved = trace.seconds if trace is not None and not is_open else None
            yield Event(run.name, state.name, state.at, state.attempt, run.number, saved, is_open)

    def _step(self, name: str) -> Step:
        steps = tuple(self._session.book.steps.values())
        found = next((step for step in reversed(steps) if step.name == name), None)
        if found is None:
            raise SessionError(f"there is no task {name!r} any more")
        return found

    # --- details -------------------------------------------------------------------------------

    def _task(self, step: Step) -> DetailsCard:
        session, trace = self._session, step.bound_trace
        runs = HistoryCard(tuple(self._lines(step, _OF_ONE)), now=session.around.clock())
        why, source = session.report.why_card(step), (step.ran or step.body).source
        return DetailsCard(
            step.name, why, self._inputs(trace), self._outputs(trace), source, runs, self._shown(trace)
        )

    def _run(self, step: Step, number: int) -> DetailsCard:
        """One run of a task, as it was recorded."""
        session = self._session
        lines = [self._line(run) for run in self._runs(step) if run.number == number]
        trace = self._trace(step, number)
        card = session.report.card(step, None)
        causes = lines[0].causes if lines else ()
        diffs = self._difference(step, trace)
        why = WhyCard(card, causes, diffs=diffs)
        runs = HistoryCard(tuple(lines), now=session.around.clock())
        return DetailsCard(
            step.name, why, self._inputs(trace), self._outputs(trace), "", runs, self._shown(trace)
        )

    def _difference(self, step: Step, trace: Trace | None) -> tuple[tuple[str, str, str], ...]:
        """What was different then: each input by its preview, before and now."""
        present = step.bound_trace
        if trace is None or present is None or trace.id == present.id:
            return ()
        then, now = _previews(trace), _previews(present)
        changed = [slot for slot in {**then, **now} if then.get(slot) != now.get(slot)]
        old = "\n".join(f"{name} = {then[name][1]}" for name in changed if name in then)
        new = "\n".join(f"{name} = {now[name][1]}" for name in changed if name in now)
        return (("inputs then and now", old, new),) if changed else ()

    def _inputs(self, trace: Trace | None) -> tuple[ValueCard, ...]:
        entries = trace.entries if trace is not None else ()
        cards = [self._input(entry) for entry in entries if entry.looked.slot.kind != RANDOM]
        return tuple(cards[:_MOST_VALUES])

    def _input(self, entry: Entry) -> ValueCard:
        slot = entry.looked.slot
        value = self._live(slot.locator, entry.digest) if slot.kind == NAME else None
        kind = "name" if is_kept_in_memory(slot) else slot.kind
        return ValueCard(slot.locator, kind, entry.preview, described(value) if value is not None else "")

    def _outputs(self, trace: Trace | None) -> tuple[ValueCard, ...]:
        outputs = trace.outputs if trace is not None else ()
        sizes = dict(self._session.around.store.sizes())
        cards = [self._output(output, sizes) for output in outputs if output.slot.kind != RANDOM]
        return tuple(cards[:_MOST_VALUES])

    def _output(self, output: Output, sizes: Mapping[str, int]) -> ValueCard:
        name, store = output.slot.locator, self._session.around.store
        value = self._live(name, output.digest)
        is_value = output.slot.kind == NAME and output.sort == "value" and output.digest != UNBOUND
        paged = is_value and not looks_secret(name) and (value is not None or store.has(output.unit))
        about = described(value) if value is not None and paged else ""
        kind = "name" if is_kept_in_memory(output.slot) else output.slot.kind
        return ValueCard(name, kind, output.preview, about, sizes.get(output.unit), can_be_paged=paged)

    def _live(self, key: str, digest: str) -> object | None:
        """The object under a name, where it is what a run saw or made."""
        label = self._session.trunk.workspace.labels.get(key)
        value = self._session.around.names.get(key)
        is_it = label is not None and label.digest == digest and not is_placeholder(value)
        return value if is_it and not looks_secret(key) else None

    def _shown(self, trace: Trace | None) -> tuple[tuple[str, str], ...]:
        """What a run showed: texts and pictures."""
        if trace is None or not trace.captured:
            return ()
        try:
            items = decode(self._session.around.store.load(trace.captured)[0])  # type: ignore[arg-type]
        except CacheError:
            return ()
        found = [shown for item in items if (shown := _shown_as(item)) is not None]
        sizes = accumulate(len(content) for _, content in found)
        return tuple(shown for shown, size in zip(found, sizes, strict=True) if size < _MOST_SHOWN)

    # --- values --------------------------------------------------------------------------------

    def _page(self, step: Step, number: int, name: str, start: int) -> Any:
        trace = self._trace(step, number)
        output = next((each for each in trace.outputs if each.slot.locator == name), None) if trace else None
        if output is None or looks_secret(name):
            raise SessionError(f"{name} is not shown: {HIDDEN}" if output else f"nothing made {name}")
        return page_of(self._value(output), max(start, 0))

    def _value(self, output: Output) -> object:
        live = self._live(output.slot.locator, output.digest)
        if live is not None:
            return live
        try:
            values = self._session.around.store.load(output.unit)
        except CacheError as error:
            raise SessionError(f"{output.slot.locator} is not stored: {error}") from None
        members = output.members or (output.slot.locator,)
        return values[members.index(output.slot.locator)] if len(values) == len(members) else values[0]

    def _trace(self, step: Step, number: int) -> Trace | None:
        if not number:
            return step.bound_trace
        made = (self._made(run) for run in self._runs(step) if run.number == number)
        return next(filter(None, made), None)

    # --- history -------------------------------------------------------------------------------

    def _history(self, asked: Mapping[str, Any], *, is_idle: bool = True) -> Answer:
        name, start = str(asked.get("task", "")), int(asked.get("start", 0))
        step = self._step(name) if name else None
        lines = list(self._lines(step, start + _PAGE + 1, start, is_idle=is_idle))
        shown = HistoryCard(tuple(lines[:_PAGE]), now=self._session.around.clock())
        return history_answer(shown, is_more=len(lines) > _PAGE)

    def _lines(
        self, step: Step | None, end: int, start: int = 0, *, is_idle: bool = True
    ) -> Iterator[RunLine]:
        for run in self._runs(step, end)[start:]:
            yield self._line(run, is_idle=is_idle)

    def _runs(self, step: Step | None, most: int = _MOST_RUNS) -> list[RunRecord]:
        """Runs of the flow, newest first; those of plain cells, which lie between them, left out."""
        around = self._session.around
        found = around.store.history.runs(around.notebook, step.id if step else None, most + _MOST_BETWEEN)
        return [run for run in found if run.number][:most]

    def _line(self, run: RunRecord, *, is_idle: bool = True) -> RunLine:
        states = self._session.around.store.history.transitions(run.id)
        trace = self._made(run) if is_idle else None
        is_own = trace is not None and trace.run == run.id
        seconds = trace.seconds if trace is not None else None
        return RunLine(
            run.number,
            run.name,
            states[-1].name if states else "",
            run.origin,
            states[0].at if states else None,
            seconds if is_own else None,
            max((state.attempt for state in states), default=1),
            run.causes,
            states,
            None if is_own else seconds,
        )

    def _made(self, run: RunRecord) -> Trace | None:
        return self._session.around.store.trace(run.trace) if run.trace else None


def _previews(trace: Trace) -> dict[str, tuple[str, str]]:
    """What a run saw: for each name its digest and its preview."""
    entries = trace.entries
    return {entry.looked.slot.locator: (entry.digest, entry.preview or entry.digest[:8]) for entry in entries}


def _shown_as(item: object) -> tuple[str, str] | None:
    """A captured output as a page can show it: its picture, else its text."""
    if isinstance(item, Stream):
        return "text/plain", item.text
    if not isinstance(item, Display):
        return None
    kinds = (*_PICTURES, "text/plain")
    return next(((kind, item.data[kind]) for kind in kinds if isinstance(item.data.get(kind), str)), None)
