"""What the session has to say, as cards for the views: status, plan, why, history, badges."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.forcing import forced
from nbflow.engine.gates import SKIPPED
from nbflow.engine.preview import expected_seconds, preview
from nbflow.notebook.compared import compared_names, compared_words, reads_of, writes_of
from nbflow.notebook.deeds import Deeds
from nbflow.notebook.edges import edges_of
from nbflow.notebook.last import as_over
from nbflow.notebook.mentions import outdated_cells
from nbflow.notebook.obstacles import Obstacles
from nbflow.notebook.parameters import as_default, defaults_of
from nbflow.notebook.remarks import not_repeated, remarks
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.states import state_of
from nbflow.store.protocol import RunRecord
from nbflow.types import Cause, Effect, Trace, Verdict
from nbflow.views import (
    FlowCard,
    HistoryCard,
    PlanCard,
    PlanLine,
    Shown,
    TaskCard,
    WhyCard,
    show_action,
    show_badge,
    show_badge_under_way,
    show_history,
    show_lines,
    show_order,
    show_plan,
    show_status,
    show_why,
    to_dot,
)
from nbflow.views.groups import counts_of
from nbflow.views.words import moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from nbflow.engine.action import Action
    from nbflow.engine.book import Step
    from nbflow.notebook.places import Cell
    from nbflow.notebook.session import Session

_UPSTREAM: Final = "upstream"
_NEVER_RAN: Final = "never ran"
_NONE: Final[Mapping[str, Trace]] = {}
_DONE: Final = (Verdict.FRESH, Verdict.AS_OF)


class Report:
    """Makes cards of a session's steps, runs and judgements.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.obstacles = Obstacles(session.trunk.sweep)
        self._badges: dict[str, tuple[Any, ...]] = {}
        self._badged: dict[str, TaskCard] = {}
        self._sizes: dict[str, int] = {}
        self._runs: dict[str, RunRecord] = {}
        self._items: dict[str, tuple[tuple[str, int], ...]] = {}

    # --- views ---------------------------------------------------------------------------------

    def flow_card(self) -> FlowCard:
        """The flow as it stands, with the plain cells that tasks read from."""
        return self._flow_card(with_plain=True)

    def dot(self) -> Any:
        """The graph as a `graphviz.Digraph`."""
        return to_dot(self.flow_card())

    def status(self) -> Shown:
        """One line a task."""
        return show_status(self._flow_card(with_plain=False))

    def order(self) -> Shown:
        """All steps in flow order."""
        return show_order(self._flow_card(with_plain=True, every=True))

    def plan(self, targets: Sequence[Step] | None = None, ask: str = "") -> Shown:
        """What a run would do; with `ask`, why a cell did not run, and the ways on."""
        work, named = self._session.work, self._session.trunk.explainer.named
        planned, told = preview(work, targets, forced(work, targets)), self.obstacles.named
        whys = [told(named(line.step, line.causes)) for line in planned]
        lines = tuple(
            PlanLine(line.step.name, line.does, why, line.seconds, line.step.plain)  # type: ignore[arg-type]
            for line, why in zip(planned, whys, strict=True)
        )
        ways = (
            (f"`%flow run {ask}` runs all this", "`%flow run` runs everything that is stale"),
            (),
        )[not ask]
        title = f"{ask} waits for you: a lot has to run above it" if ask else ""
        return show_plan(PlanCard(lines, expected_seconds(planned), title, ways))

    def badge(self, cell: Cell) -> Shown:
        """The line below a task's cell."""
        *_, said = self._badges[cell.step.id] = self._badge_key(cell)
        card = self._badged[cell.step.id] = self.card(cell.step, cell, said)
        runs = self._session.recent.of(cell.step.id)
        return show_badge(replace(card, runs=runs), static=self._is_static)

    @property
    def _is_static(self) -> bool:
        return self._session.around.settings.settings.badge == "static"

    def badge_under_way(
        self, cell: Cell, state: str, attempt: int, seconds: float | None, error: str
    ) -> Shown | None:
        """The line below a task's cell while it runs elsewhere; in any thread, as nothing is judged anew."""
        self._badges.pop(cell.step.id, None)  # whatever the badge says next is another
        card = self._badged.get(cell.step.id)
        if card is None:
            return None
        return show_badge_under_way(card, state, attempt, seconds, error, static=self._is_static)

    def with_other_badges(self, cells: Iterable[Cell]) -> list[Cell]:
        """The cells among these whose badge would say something else than it last did."""
        # Who has no place is judged when asked, and parameters may have been set: that makes no news.
        sweep = self._session.trunk.sweep
        may_be = sweep.news | self._session.book.unplaced()
        may_be.update(step.id for step in sweep.pending() if self._waits_otherwise(step))
        may = [cell for cell in cells if cell.step.id in may_be or cell.step.parameters]
        return [cell for cell in may if self._badges.get(cell.step.id) != self._badge_key(cell)]

    def _waits_otherwise(self, step: Step) -> bool:
        """Whether a step that waits as ever does so for something else, further above."""
        is_waiting = self._session.trunk.sweep.judgement(step).verdict is Verdict.WAITS
        return is_waiting and self.obstacles.of(step) != self._badges.get(step.id, ("", ""))[1]

    def _badge_key(self, cell: Cell) -> tuple[Any, ...]:
        step = cell.step
        judgement = self._session.trunk.sweep.judgement(step)
        trace = step.bound_trace
        return (
            judgement.verdict,
            self.obstacles.named(judgement.causes),
            trace.id if trace is not None else "",
            cell.shown,
            self._session.lasts.get(step.id),
            tuple(self._parameter_notes(step)) if step.parameters else (),
            self._session.inline.get(step.id),
            step.keeping,
            tuple(remarks(self._session, step)),
        )

    def why(self, name: str) -> Shown:
        """Why a task is as it is."""
        self._session.trunk.sweep.look()
        return show_why(self.why_card(self._session.places.named(name).step))

    def why_card(self, step: Step) -> WhyCard:
        """Why a step is as it is."""
        session = self._session
        card = self.card(step, session.places.cells.get(step.id))
        roots, explainer = self.root_causes(step), session.trunk.explainer
        causes, diffs = (
            (roots, explainer.diffs(step)) if roots else explainer.in_past(step, self._reasons(step, ()))
        )
        reuse = self.reuse_words(step) + compared_names(step.bound_trace)
        return WhyCard(card, causes, reuse, diffs, session.around.clock())

    def history(self, name: str = "") -> Shown:
        """The runs of a task, or of the whole flow."""
        session = self._session
        lines = session.past_runs.lines(name)
        return show_history(HistoryCard(lines, name or "flow", session.around.clock()))

    def action(
        self,
        action: Action,
        names: Sequence[str] = (),
        *,
        resumed: bool = False,
        unused: Mapping[str, Trace] = _NONE,
        notices: Sequence[str] = (),
        number: int = 0,
    ) -> Shown:
        """What one flow run did, in the order of work, and what of the tasks asked for it had to leave.

        Args:
            action: What it did.
            names: The tasks asked for; none: all.
            resumed: Whether a person let in what had waited; nothing else was asked for.
            unused: What bodies made, by step, of code or inputs that are others now.
            notices: What else is to be said, a line each.
            number: The number of the flow run; 0: that of the newest run among what was done.
        """
        deeds = Deeds(self._session, self, action, is_resumed=resumed)
        return show_action(deeds.card(names, unused, notices, number))

    def _last_run(self, step: Step) -> str:
        """The last run of a task, of an earlier kernel where it has none in this one, or an empty text."""
        last = self._session.lasts.get(step.id)
        return last.run if last is not None else self.newest_run(step).id

    def newest_run(self, step: Step) -> RunRecord:
        """The last run of a step, by whoever wanted it."""
        found = self._session.around.store.history.runs(self._session.around.notebook, step.id, 1)
        return found[0] if found else RunRecord("")

    def parameters(self) -> Shown:
        """The flow's parameters: what each has, and its default where that is another."""
        makers = {name: step for step in self._session.book for name in step.parameters}
        rows = [self._parameter_words(name, makers[name]) for name in sorted(makers)]
        return show_lines(
            "\n".join(rows) or "there are no parameters; a cell that starts with %%params makes some"
        )

    def _parameter_words(self, name: str, step: Step) -> str:
        """What a parameter has, and where from, if that is not the default of its cell."""
        session, default = self._session, _default_of(name, step)
        if name not in session.parameters.values:
            value = session.around.names.get(name) if default is None else default
            return f"{name} = {_words_of(name, value)}"
        origin = self._parameter_origin(name, step)
        back = "; `%flow params --reset` takes it back" if origin == "set by hand" else ""
        return f"{name} = {_words_of(name, session.parameters.values[name])}  ({origin}{back})"

    def first_not_fresh(self) -> str:
        """The first task that is not up to date, by name; empty where all are."""
        sweep = self._session.trunk.sweep
        found = (cell.step for cell in self._session.places.tasks() if not cell.step.idle)
        return next((step.name for step in found if sweep.judgement(step).verdict is not Verdict.FRESH), "")

    # --- cards ---------------------------------------------------------------------------------

    def card(self, step: Step, cell: Cell | None, said: Sequence[str] | None = None) -> TaskCard:
        """One step as it stands.

        Args:
            step: The step.
            cell: Its cell.
            said: The remarks on it, where they are known.
        """
        session = self._session
        judgement = session.trunk.sweep.judgement(step)
        trace, last = step.bound_trace, session.lasts.get(step.id)
        is_judged = step.ran is not None and not step.idle
        return TaskCard(
            name=step.name,
            verdict=judgement.verdict if is_judged else None,
            state=self._state_of(step, judgement.verdict),
            causes=self._reasons(
                step, self.obstacles.named(session.trunk.explainer.named(step, judgement.causes))
            ),
            seconds=trace.ran if trace else None,
            saved=self.saved_by(step),
            attempt=last.attempt if last else 1,
            run=self.number_of(trace),
            made=trace.started + trace.ran if trace else None,
            size=self._size_of(trace),
            reads=tuple(reads_of(trace)),
            writes=tuple(writes_of(trace)),
            notes=tuple(self._notes(cell, said)),
            error=step.failure,
            description=cell.options.description if cell else "",
            tags=cell.options.tags if cell else (),
            is_plain=step.plain,
            is_registered=step.idle,
            items=self._items_of(step),
            hold=step.hold.reason if step.hold is not None else "",
        )

    def saved_by(self, step: Step) -> float | None:
        """How many seconds its last run saved by what it reused: a whole result, or some items."""
        trace, last = step.bound_trace, self._session.lasts.get(step.id)
        if trace is not None and trace.reused and last is not None and last.run == trace.run:
            return trace.reused
        return self._session.saved_seconds.get(step.id)

    def run_of(self, trace: Trace | None) -> RunRecord | None:
        """The run that made a result; asked of the history once, as it never changes."""
        if trace is None or not trace.run:
            return None
        if trace.run not in self._runs:
            found = self._session.around.store.history.run(trace.run)
            if found is None:
                return None
            self._runs[trace.run] = found
        return self._runs[trace.run]

    def grouping_run(self, step: Step) -> str:
        """Identifier of the run that has started the items which a mapped step has now, or an empty text."""
        last, trace = self._session.lasts.get(step.id), step.bound_trace
        if last is not None and last.state != "Cached":
            return last.run
        return trace.run if trace is not None else ""

    def _items_of(self, step: Step) -> tuple[tuple[str, int], ...]:
        """How many items of a mapped step ended in each state; asked of the history once for each run."""
        run = self.grouping_run(step) if step.body.mapped else ""
        if run and run not in self._items:
            path = self._session.around.store.history.transitions(run)
            found = counts_of(item.name for item in state_of(path[-1]).map_states) if path else ()
            if not found:
                return ()
            self._items[run] = found
        return self._items.get(run, ())

    def _state_of(self, step: Step, verdict: Verdict) -> str:
        """The state of a step's last run, but for a skip or a pause that the inputs have outlived."""
        last = self._session.lasts.get(step.id)
        if last is None:
            return "Failed" if step.failure else ""
        outlived = last.state == "Skipped" and verdict is Verdict.STALE and step.ended is None
        let_go = last.state == "Paused" and verdict in _DONE
        return "" if outlived or let_go else last.state

    def _reasons(self, step: Step, causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
        """Why a step is not up to date, by these causes; else why it is as it is."""
        return _registered(step) or causes or self.told(step) or self._causes_of_last_run(step)

    def told(self, step: Step) -> tuple[Cause, ...]:
        """What its body said when it asked to be skipped."""
        last = self._session.lasts.get(step.id)
        if last is None or step.trace is None or SKIPPED not in step.trace.flags:
            return ()
        return (Cause("skipped", step.name, after=last.message),)

    def _flow_card(self, *, with_plain: bool, every: bool = False) -> FlowCard:
        session = self._session
        session.trunk.sweep.look()
        self._sizes = dict(session.around.store.sizes())
        edges = tuple(edges_of(session))
        used = {name for edge in edges for name in (edge.source, edge.target)}
        steps = [
            step
            for step in session.book
            if step.id in session.places.cells
            and step.ran is not None
            and (not step.plain or (with_plain and (every or step.name in used)))
        ]
        cards = tuple(self.card(step, session.places.cells.get(step.id)) for step in steps)
        outdated = outdated_cells(session.book, session.trunk.sweep)
        notices = (*session.background.words, *session.notices, *filter(None, [outdated]))
        return FlowCard(cards, edges, session.around.notebook, session.around.clock(), notices)

    def _notes(self, cell: Cell | None, said: Sequence[str] | None) -> Iterator[str]:
        if cell is None:
            return
        trace = cell.step.bound_trace
        if cell.placed_after:
            yield f"placed after {cell.placed_after}"
        if cell.badge and trace is not None and cell.shown != trace.id and cell.screen != trace.captured:
            yield self._old_screen(cell, trace)
        yield from self._parameter_notes(cell.step)
        if cell.step.id in self._session.inline:
            yield f"ran inline: {self._session.inline[cell.step.id]}"
        yield from self._expiry(cell.step)
        yield from remarks(self._session, cell.step) if said is None else said
        yield from cell.step.body.analysis.notes

    def _expiry(self, step: Step) -> Iterator[str]:
        """When a result that is valid ends to be."""
        trace = step.bound_trace
        at = step.keeping.expires(trace) if trace is not None and step.hold is None else None
        if at is not None and self._session.trunk.sweep.judgement(step).verdict in _DONE:
            yield f"expires {moment(at, self._session.around.clock())}"

    def _parameter_notes(self, step: Step) -> Iterator[str]:
        for name in sorted(step.parameters & self._session.parameters.values.keys()):
            value = _words_of(name, self._session.parameters.values[name])
            yield f"{name} = {value} {self._parameter_origin(name, step)}"

    def _parameter_origin(self, name: str, step: Step) -> str:
        text, value = self._session.around.given.get(name), self._session.parameters.values[name]
        is_given = text is not None and value == as_default(name, text, _default_of(name, step))
        return "given from outside" if is_given else "set by hand"

    def _old_screen(self, cell: Cell, trace: Trace) -> str:
        before = self._session.around.store.trace(cell.shown)
        then, now = self._run_words(before, "an earlier run"), self._run_words(trace, "the present one")
        # A cell that is run ends what was chosen by hand, and shows its newest result.
        now = f"the value from {now}" if cell.step.hold else f"run this cell to show {now}"
        return f"output above is from {then}, {now}" if cell.shown else now

    def _run_words(self, trace: Trace | None, otherwise: str) -> str:
        """The run that made a result; removed results and plain cells have none with a number."""
        number = self.number_of(trace)
        return f"run {number}" if number else otherwise

    def number_of(self, trace: Trace | None) -> int:
        """The number of the flow run that made a result; 0: none, or one without a number."""
        lines = self._session.recent.of(trace.step) if trace is not None and trace.run else ()
        for line in lines:  # which are at hand, as a rule, and the history takes a while to ask
            if trace is not None and line.id == trace.run:
                return line.number
        run = self.run_of(trace)
        return run.number if run is not None else 0

    def _size_of(self, trace: Trace | None) -> int | None:
        """How many bytes of the store a result takes; small ones lie with their trace and count nothing."""
        if trace is None:
            return None
        return sum(self._sizes.get(output.unit, 0) for output in trace.outputs) or None

    # --- why -----------------------------------------------------------------------------------

    def root_causes(self, step: Step) -> tuple[Cause, ...]:
        """Why a step is not up to date, root cause first: where a step above is to blame, its causes."""
        return self._session.trunk.explainer.causes(step)

    def waiting_words(self, causes: Sequence[Cause], spent: Step | None = None) -> str:
        """What a step that cannot run waits for, in one line; `spent`: who has to make its inputs again."""
        return self.obstacles.words(causes, spent)

    def _causes_of_last_run(self, step: Step) -> tuple[Cause, ...]:
        """Why the run that made its result ran; nothing where the last one took an older result."""
        run, last = self.run_of(step.bound_trace), self._last_run(step)
        causes = run.causes if run is not None and last in ("", run.id) else ()
        return tuple(as_over(cause) for cause in causes if cause.category != _NEVER_RAN)

    def reuse_words(self, step: Step) -> str:
        """From which run its result is, and what of it was compared."""
        trace = step.bound_trace
        if trace is None:
            return ""
        if step.effect is Effect.ONCE:
            return not_repeated(self._session, step)
        number = self.number_of(trace)
        when = moment(trace.started, self._session.around.clock())
        return f"result of run {number}, {when}; compared: {compared_words(trace)}"


def _registered(step: Step) -> tuple[Cause, ...]:
    """Why a task function that nobody has asked for anything is left alone."""
    wiring = step.body.wiring
    return (
        (Cause("registered", wiring.function, origin=step.name),) if step.idle and wiring is not None else ()
    )


def _words_of(name: str, value: object) -> str:
    """The value of a parameter, unless its name looks secret."""
    return HIDDEN if looks_secret(name) else repr(value)


def _default_of(name: str, step: Step) -> object:
    return defaults_of(step.body.source).get(name)
