"""Holds: results at which tasks stand because somebody chose them, whatever the code says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.engine.bind import Version, by_unit
from nbflow.engine.verify import as_it_is
from nbflow.exceptions import SessionError
from nbflow.notebook.moments import moment_of
from nbflow.notebook.past import values_made
from nbflow.store.protocol import differ
from nbflow.types import ACCEPT, ONLY, Hold, Snapshot, Trace, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session

PIN: Final = "pin"
RESTORE: Final = "restore"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restored flow run gave back.

    Args:
        number: Of the run.
        steps: Names of the tasks and plain cells that stand at another result than before.
        lost: Names of those of whose result of then not all values are stored: they stay as they are.
        gone: How many steps of then have no cell any more.
        again: The first task among the lost, which can be computed again; empty where there is none.
    """

    number: int
    steps: tuple[str, ...]
    lost: tuple[str, ...] = ()
    gone: int = 0
    again: str = ""


class Holds:
    """Makes and ends holds.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opened: dict[str, tuple[object, Version | None]] = {}

    # --- one task ------------------------------------------------------------------------------

    def restore(self, name: str, run: str = "-1") -> Trace:
        """Let a task stand at the result of an earlier run, until its cell is run.

        Args:
            name: The task.
            run: `#12`, `-1` for the result before the present one, or a time such as `yesterday 14:00`.

        Raises:
            SessionError: If there is no such run, or its values are no longer stored.
        """
        return self._hold_at(name, run, RESTORE, "until its cell is run")

    def pin(self, name: str, run: str = "") -> Trace:
        """Let a task stand at a result, its present one or that of a run, until it is unpinned.

        Raises:
            SessionError: If it has none, or there is no such run.
        """
        return self._hold_at(name, run, PIN, "until it is unpinned")

    def unpin(self, name: str) -> None:
        """End the pin of a task.

        Raises:
            SessionError: If it is not pinned.
        """
        self._session.prepare()
        step = self._session.places.named(name).step
        if step.hold is None or step.hold.reason != PIN:
            raise SessionError(f"{name} is not pinned; `%flow status` shows what is held")
        self._end([step])

    def _hold_at(self, name: str, run: str, reason: str, until: str) -> Trace:
        session = self._session
        session.prepare()
        past, subject = session.past_runs, session.past_runs.subject(name)
        step = subject.present()
        if subject.index is not None:
            raise SessionError(
                f"only {step.name} as a whole can be held; `nbflow.past({name!r})` gives an item"
            )
        trace = past.trace_of(subject, run) if run else step.bound_trace
        if trace is None:
            raise SessionError(f"{name} has no result yet; run its cell first")
        if trace is not step.bound_trace and not self.has_values(step, trace):
            raise past.lost(subject, trace)
        if reason == PIN:
            self._store(step, trace)
        self._stand({step: Hold(trace, reason, until, session.around.clock())})
        return trace

    def _store(self, step: Step, trace: Trace) -> None:
        """Store what a later kernel is to hold as well, as far as the names still hold it."""
        workspace, store = self._session.trunk.workspace, self._session.around.store
        made = {each.slot.locator: Version(step.id, each) for each in values_made(trace)}
        for versions in by_unit(made) if step.keeping.stores else ():
            output = next(iter(versions.values())).output
            if not store.has(output.unit) and workspace.holds_together(versions):
                store.put(output.unit, tuple(workspace.get(key) for key in output.members))

    # --- accepting -----------------------------------------------------------------------------

    def accept(self, names: Sequence[str], because: str = "") -> list[str]:
        """Take present results for up to date, for exactly what their tasks would see now.

        Args:
            names: The tasks; none: all that are not up to date, with `because`.
            because: `category:subject`, or one of them alone, such as `package:pandas` or `LATE`: only tasks
                are taken whose whole cause that is.

        Returns:
            The names of the tasks that were accepted.

        Raises:
            SessionError: If one has no result to accept, or none is stale for that cause.
        """
        session = self._session
        session.prepare()
        session.trunk.sweep.look()
        cells = [session.places.named(name) for name in names] or list(session.places.tasks())
        judged = session.trunk.sweep.judgement
        steps = [cell.step for cell in cells if judged(cell.step).verdict is not Verdict.FRESH]
        steps = [step for step in steps if not because or self._is_only(step, because)]
        if not steps:
            told = (
                f"no task is stale for {because} alone, as input:NAME, code:NAME or package:NAME say it"
                if because
                else "nothing to accept, all is up to date"
            )
            raise SessionError(f"{told}; see `%flow status`")
        self._stand({step: self._accepted(step) for step in steps})
        return [step.name for step in steps]

    def _is_only(self, step: Step, because: str) -> bool:
        """Whether a step is not up to date for this one cause."""
        causes = [each for each in self._session.report.root_causes(step) if each.category != "upstream"]
        return bool(causes) and all(
            because in (each.category, each.subject, f"{each.category}:{each.subject}") for each in causes
        )

    def _accepted(self, step: Step) -> Hold:
        sweep = self._session.trunk.sweep
        if step.trace is None:
            raise SessionError(f"{step.name} has no result of its present code to accept; run its cell")
        reached = (*sweep.judgement(step).reached, *step.parameter_slots)
        entries = as_it_is(step.trace, reached, sweep.view(step), sweep.outside)
        self._store(step, step.trace)
        at = self._session.around.clock()
        return Hold(step.trace, ACCEPT, "until something it looks at changes", at, entries)

    def end_accepted(self, steps: Iterable[Step] | None = None) -> None:
        """End the acceptance of these steps, or of all, and what `--only` holds: they are forced to run."""
        wanted = self._session.book if steps is None else steps
        self._end([step for step in wanted if step.hold is not None and step.hold.reason in (ACCEPT, ONLY)])

    # --- the whole flow ------------------------------------------------------------------------

    def restore_flow(self, run: str) -> Restored:
        """Put back the values of all tasks and plain cells as they were at the end of a flow run.

        Args:
            run: `#12`, `-1` for the run before the last, or a time such as `yesterday 14:00`.

        Raises:
            SessionError: If nothing is known of such a run.
        """
        session = self._session
        session.prepare()
        snapshot = self._snapshot_of(run)
        there = {id: session.book.steps[id] for id in snapshot.traces if id in session.book.steps}
        then = {step: self._trace_named(step, snapshot.traces[id]) for id, step in there.items()}
        changed = {step: trace for step, trace in then.items() if trace is not step.bound_trace}
        held = {step: trace for step, trace in changed.items() if trace and self.has_values(step, trace)}
        until = f"until its cell is run; `%flow restore latest` returns from run {snapshot.number}"
        at = session.around.clock()
        self._stand({step: Hold(trace, RESTORE, until, at) for step, trace in held.items()})
        lost = [step for step in changed if step not in held]
        again = next((step.name for step in lost if not step.plain), "")
        names = tuple(tuple(step.name for step in steps) for steps in (held, lost))
        return Restored(snapshot.number, *names, gone=len(snapshot.traces) - len(there), again=again)

    def has_values(self, step: Step, trace: Trace) -> bool:
        """Whether all that a trace has made can stand again; of plain cells, what tasks have read can."""
        workspace, store = self._session.trunk.workspace, self._session.around.store
        return all(
            store.has(each.unit) or workspace.holds(each.slot.locator, Version(step.id, each))
            for each in values_made(trace)
        )

    def _trace_named(self, step: Step, id: str) -> Trace | None:
        bound = step.bound_trace
        return bound if bound is not None and bound.id == id else self._session.around.store.trace(id)

    def _snapshot_of(self, run: str) -> Snapshot:
        session = self._session
        taken = session.around.store.history.snapshots(session.around.notebook)
        found = [snapshot for snapshot in taken if snapshot.number]  # and after no choice by hand
        chosen = self._chosen(found, run)
        if chosen is None:
            numbers = ", ".join(f"#{each.number}" for each in found[-5:])
            those = f"the last ones kept are {numbers}" if numbers else "nor of any other yet"
            what = "no earlier run differs from now" if run == "-1" else f"nothing is kept of run {run}"
            raise SessionError(f"{what} as a whole; {those}")
        return chosen

    def _chosen(self, found: Sequence[Snapshot], run: str) -> Snapshot | None:
        """The snapshot that `#12`, `-1` or a time means."""
        newest_first = reversed(found)
        if run.startswith("-") and run[1:].isdecimal():
            back, ages = int(run[1:]), range(len(found) - 1, -1, -1)
            present = next((age for age in ages if self._is_present(found[age])), len(found))
            earlier = [each for each in found[:present] if not self._is_present(each)]
            return earlier[-back] if 0 < back <= len(earlier) else None
        if run.lstrip("#").isdecimal():
            return next((each for each in newest_first if str(each.number) == run.lstrip("#")), None)
        at = moment_of(run, self._session.around.clock())
        return next((each for each in newest_first if each.at <= at), None)

    def _is_present(self, snapshot: Snapshot) -> bool:
        """Whether every step of then is bound to what it was bound to, or to an equal result."""
        steps = self._session.book.steps
        bound = {id: steps[id].bound_trace for id in snapshot.traces if id in steps}
        return all(
            trace is None or trace.id == snapshot.traces[id] or self._is_equal(trace, snapshot.traces[id])
            for id, trace in bound.items()
        )

    def _is_equal(self, trace: Trace, id: str) -> bool:
        # A plain cell has a new trace in each kernel.
        other = self._session.around.store.trace(id)
        return other is not None and not differ(trace, other)

    def restore_latest(self, names: Sequence[str] = ()) -> None:
        """End the holds of these tasks, or of all steps, but pins; then opened runs give back the names."""
        session = self._session
        session.prepare()
        steps = [session.places.named(name).step for name in names] or list(session.book)
        self._end([step for step in steps if step.hold is not None and step.hold.reason != PIN])
        if not names:
            session.snapshots.end_waiting()
            session.work.remember_anew()
            self._put_back_opened()
        session.snapshots.note_holds()

    def _put_back_opened(self) -> None:
        """Names that hold still what an opened run started from hold what they held before."""
        opened, self._opened = self._opened, {}
        names, workspace = self._session.around.names, self._session.trunk.workspace
        held = {key: version for key, (value, version) in opened.items() if names.get(key) is value}
        workspace.begin()
        for versions in by_unit(held):
            workspace.place(versions)
        workspace.close()

    def note_opened(self, before: Mapping[str, Version | None]) -> None:
        """Note that an opened run has filled names, and what they held before it, see `held_before`."""
        names = self._session.around.names
        self._opened |= {key: (names.get(key), version) for key, version in before.items()}

    def held_before(self, keys: Iterable[str]) -> dict[str, Version | None]:
        """What names hold that a run is about to be opened over, or held before another one was."""
        names, labels = self._session.around.names, self._session.trunk.workspace.labels
        held = {key: labels[key].version if key in labels else None for key in keys}
        opened = {key: self._opened[key] for key in held if key in self._opened}
        return held | {key: version for key, (value, version) in opened.items() if names.get(key) is value}

    # --- all of them ----------------------------------------------------------------------------------

    def _end(self, steps: Sequence[Step]) -> None:
        self._stand(dict.fromkeys(steps))

    def _stand(self, holds: Mapping[Step, Hold | None]) -> None:
        """Hold steps, or end that, and let all names hold what they are bound to then."""
        if not holds:
            return
        for step, hold in holds.items():
            self._session.work.hold(step, hold)
        self._session.work.stand()
        self._session.snapshots.note_holds()
        self._session.refresh_badges()
