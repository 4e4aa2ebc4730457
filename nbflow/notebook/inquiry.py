"""A session's own flow as its live view needs it: what it is told, asks and does."""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.slots import NAME, RANDOM, SETTINGS
from nbflow.exceptions import CacheError, NbflowError, SessionError
from nbflow.notebook import commands
from nbflow.notebook.contents import Contents
from nbflow.notebook.outputs import Display, Stream, decode
from nbflow.notebook.pausing import Pausing
from nbflow.notebook.recall import FROM_HISTORY, Recall
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.types import UNBOUND, Trace
from nbflow.views import Shown, show_flow
from nbflow.views.answers import details_answer, page_answer
from nbflow.views.cards import DetailsCard, DiffCard, Edge, HistoryCard, TaskCard, ValueCard, WhyCard
from nbflow.views.feed import STEP, Event, Ran, event_of
from nbflow.views.values import described, page_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.engine.book import Step
    from nbflow.engine.drive import Entered
    from nbflow.notebook.session import Session
    from nbflow.store.protocol import RunRecord
    from nbflow.types import Entry, Output, Slot
    from nbflow.views import FlowCard

_OF_ONE: Final = 8
_MOST_VALUES: Final = 60
_MOST_SHOWN: Final = 400_000
_PICTURES: Final = ("image/png", "image/svg+xml", "image/jpeg")

_LINES: Final[Mapping[str, str]] = {
    "run": "run",
    "run task": "run {task}",
    "force": "run {task} --force",
    "resume": "resume {task}",
    "accept": "accept {task}",
    "pin": "pin {task}",
    "pin run": "pin {task} {run}",
    "unpin": "unpin {task}",
    "restore": "restore {task} {run}",
    "latest": "restore latest {task}",
}
"""What the buttons do, as lines of `%flow`."""

Answer = Mapping[str, Any]


class Inquiry:
    """A session's own flow, between its live view and all that knows of it.

    Args:
        session: The session.
    """

    mark: tuple[str, ...] = ()
    does = tuple(_LINES)
    tab = "graph"

    def __init__(self, session: Session) -> None:
        self._session = session
        self.recall, self._contents = Recall(session), Contents(session)

    # --- what the page shows -------------------------------------------------------------------

    def card(self) -> FlowCard:
        """The flow as it stands."""
        return self._session.report.flow_card()

    def still(self, card: FlowCard, key: str) -> Shown:
        """Its static view, under the mark by which a page finds it."""
        return show_flow(card, key)

    def last_events(self) -> Sequence[Event]:
        """What the newest runs of one kernel went through."""
        return self.recall.last_events()

    def begins(self, entered: Entered) -> None:
        """Tasks run one by one: none of them makes all others look as if they had not run."""

    def joins(self, entered: Entered, card: FlowCard) -> FlowCard | None:
        """The flow with a task that starts for the first time; what it reads is what its text says."""
        name = entered.spec.name
        step = next((step for step in list(self._session.book.steps.values()) if step.name == name), None)
        if step is None or step.plain:
            return None
        makers = {written: task.name for task in card.tasks for written in task.writes}
        read: dict[str, list[str]] = {}
        for wanted in sorted(makers.keys() & step.body.analysis.reads):
            read.setdefault(makers[wanted], []).append(wanted)
        edges = (Edge(source, name, tuple(names)) for source, names in read.items())
        return replace(card, tasks=(*card.tasks, TaskCard(name, None)), edges=(*card.edges, *edges))

    def ends(self, entered: Entered) -> bool:
        """The session itself says when to look at the flow."""
        return False

    def sees(self, entered: Entered) -> bool:
        """Whether it is the run of a task or a cell itself; once that has ended, nobody knows."""
        return entered.spec.id in self._session.trunk.runs.steps

    def event(self, entered: Entered, seen: bool) -> Event:
        """What the page is told of a state."""
        spec, result = entered.spec, entered.state.result
        saved = result.seconds if isinstance(result, Trace) else None
        role = STEP if seen else spec.role.value
        is_plain = seen and not spec.flow_run
        of = Ran(spec.name, spec.flow_run, spec.id, spec.parent, role, spec.index, is_plain)
        return event_of(of, entered.transition, saved)

    # --- what its buttons do -------------------------------------------------------------------

    def pausing(self, tell: Callable[[str], object]) -> Pausing:
        """What holds back the tasks of cells."""
        return Pausing(tell, self._session.background)

    def stop(self) -> None:
        """Do what the front end's Stop does; while no cell runs, end the run in the background."""
        if self._session.background.is_alone:
            self._session.background.end()
        else:
            self._session.around.link.stop()

    def act(self, asked: Answer) -> str:
        """Do what a button stands for, as its line of `%flow` does."""
        with self._session.left_settings.noted():
            shown = commands.perform(self._session, _line_of(asked))
        return str(shown).partition("\n")[0]

    # --- what the page asks --------------------------------------------------------------------

    def knows_now(self, asked: Answer) -> bool:
        """Nothing: what the history answers is told with what the store has."""
        return False

    def answer(self, asked: Mapping[str, Any]) -> Answer:
        """Answer a question, between two cells.

        Args:
            asked: The page's message: `ask` names the question.

        Raises:
            SessionError: If there is no such task or run, or its value cannot be shown.
        """
        what = asked.get("ask")
        if what in FROM_HISTORY:
            return self.recall.answer(asked)
        step, number = self.recall.step(str(asked.get("task", ""))), int(asked.get("number") or 0)
        if what == "details" and asked.get("run"):
            return details_answer(self._one(step, str(asked["run"])))
        if what == "details":
            return details_answer(self._run(step, number) if number else self._task(step))
        name, start = str(asked.get("name", "")), int(asked.get("start", 0))
        record = self._session.around.store.history.run(str(asked.get("run") or "")) or self._asked(
            step, number
        )
        if record is not None and not record.trace:
            return page_answer(self._contents.page(record, str(asked.get("side", "")), name, start))
        return page_answer(self._page(self.recall.made(record) if record else step.bound_trace, name, start))

    def answer_in_part(self, asked: Mapping[str, Any]) -> Answer | None:
        """Answer while a cell runs, in any thread, from the history alone; None where that says nothing."""
        if asked.get("ask") in FROM_HISTORY:
            return self.recall.answer(asked, is_idle=False)
        if asked.get("ask") != "details" or asked.get("number") or asked.get("run"):
            return None
        step = self.recall.step(str(asked.get("task", "")))
        lines = self.recall.lines(step, _OF_ONE, is_idle=False)
        runs = HistoryCard(tuple(lines), now=self._session.around.clock())
        return details_answer(DetailsCard(step.name, source=(step.ran or step.body).source, runs=runs))

    # --- details -------------------------------------------------------------------------------

    def _task(self, step: Step) -> DetailsCard:
        session, trace = self._session, step.bound_trace
        runs = HistoryCard(tuple(self.recall.lines(step, _OF_ONE)), now=session.around.clock())
        why, source = session.report.why_card(step), (step.ran or step.body).source
        last = next(iter(self.recall.runs(step, 1)), None)
        seen = self._inputs(trace) if trace or not last else self._contents.values(last)[0]
        made, shown, said = self._outputs(trace), self._shown(trace), self._contents.said(last)
        return DetailsCard(step.name, why, seen, made, source, runs, shown, **said._asdict())

    def _run(self, step: Step, number: int) -> DetailsCard:
        """One run of a task, as it was recorded."""
        session = self._session
        found = self._numbered(step, number)
        if found is None:
            raise SessionError(f"{step.name} has no run {number} any more")
        line, trace = self.recall.line(found), self.recall.made(found)
        why = WhyCard(session.report.card(step, None), line.causes)
        runs = HistoryCard((line,), now=session.around.clock())
        source = session.around.store.history.source(session.past_runs.made_by(found).source) or ""
        seen, made = (
            self._contents.values(found) if trace is None else (self._inputs(trace), self._outputs(trace))
        )
        diff = self._diff(step, number)
        said = self._contents.said(found)._asdict()
        return DetailsCard(step.name, why, seen, made, source, runs, self._shown(trace), diff, **said)

    def _diff(self, step: Step, number: int) -> DiffCard | None:
        """How an earlier run differs from the present."""
        # What only a look at the past needs is imported then.
        compare = importlib.import_module("nbflow.notebook.comparing").compare
        try:
            return compare(self._session, step.name, f"#{number}")
        except NbflowError:
            return None

    def _one(self, step: Step, id: str) -> DetailsCard:
        """One run within a task's or a cell's: an item, a flow that it has called, or a run of that."""
        session = self._session
        record = session.around.store.history.run(id)
        if record is None:
            raise SessionError(f"there is no such run of {step.name} any more")
        line, trace = self.recall.line(record), self.recall.made(record)
        runs = HistoryCard((line,), now=session.around.clock())
        said = self._contents.said(record)._asdict()
        if trace is None:
            return DetailsCard(record.name, None, *self._contents.values(record), "", runs, **said)
        seen, made = self._inputs(trace), self._outputs(trace)
        return DetailsCard(record.name, None, seen, made, "", runs, self._shown(trace), **said)

    def _inputs(self, trace: Trace | None) -> tuple[ValueCard, ...]:
        entries = trace.entries if trace is not None else ()
        cards = [self._input(entry) for entry in entries if _is_told(entry.looked.slot, entry.preview)]
        return tuple(cards[:_MOST_VALUES])

    def _input(self, entry: Entry) -> ValueCard:
        slot = entry.looked.slot
        value = self._live(slot.locator, entry.digest) if slot.kind == NAME else None
        return ValueCard(
            slot.locator, slot.kind, entry.preview, described(value) if value is not None else ""
        )

    def _outputs(self, trace: Trace | None) -> tuple[ValueCard, ...]:
        outputs = trace.outputs if trace is not None else ()
        sizes = dict(self._session.around.store.sizes())
        cards = [self._output(output, sizes) for output in outputs if _is_told(output.slot, output.preview)]
        return tuple(cards[:_MOST_VALUES])

    def _output(self, output: Output, sizes: Mapping[str, int]) -> ValueCard:
        name, store = output.slot.locator, self._session.around.store
        value = self._live(name, output.digest)
        is_value = output.slot.kind == NAME and output.sort == "value" and output.digest != UNBOUND
        paged = is_value and not looks_secret(name) and (value is not None or store.has(output.unit))
        about = described(value) if value is not None and paged else ""
        return ValueCard(
            name, output.slot.kind, output.preview, about, sizes.get(output.unit), can_be_paged=paged
        )

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

    def _page(self, trace: Trace | None, name: str, start: int) -> Any:
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

    def _asked(self, step: Step, number: int) -> RunRecord | None:
        """The run of that number; without one, the last of a step that has no result."""
        if number:
            return self._numbered(step, number)
        return None if step.bound_trace else next(iter(self.recall.runs(step, 1)), None)

    def _numbered(self, step: Step, number: int) -> RunRecord | None:
        """The run of a step in a flow run; one that made something, if there are several."""
        runs = [run for run in self.recall.runs(step) if run.number == number]
        return next((run for run in runs if run.trace), runs[0] if runs else None)


def _shown_as(item: object) -> tuple[str, str] | None:
    """A captured output as a page can show it: its picture, else its text."""
    if isinstance(item, Stream):
        return "text/plain", item.text
    if not isinstance(item, Display):
        return None
    kinds = (*_PICTURES, "text/plain")
    return next(((kind, item.data[kind]) for kind in kinds if isinstance(item.data.get(kind), str)), None)


def _line_of(content: Mapping[str, Any]) -> str:
    """The line of `%flow` that a button stands for.

    Example:
        >>> _line_of({"do": "restore", "task": "clean", "number": 12})
        'restore clean #12'
    """
    task = shlex.quote(str(content.get("task", "")))
    return _LINES[str(content["do"])].format(task=task, run=f"#{content.get('number', 0)}").strip()


def _is_told(slot: Slot, preview: str) -> bool:
    """Whether people are told of a slot: neither of random states nor of libraries as they start."""
    return slot.kind != RANDOM and (slot.kind != SETTINGS or bool(preview))
