"""Rehearsals: a run of the flow without its executions, which asks what the run asks, in the same order.

Where the run would take an earlier result, the rehearsal supposes that its step stands at it, so that
what is below is judged by it; afterwards all steps stand where they stood.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.engine.keeping import forced_cause
from nbflow.engine.remaking import lack_cause, made_again, remade_cause
from nbflow.engine.slots import parts_of
from nbflow.engine.verify import answer
from nbflow.types import Answer, Cause, Slot, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable

    from nbflow.engine.book import Step
    from nbflow.engine.plan import Work
    from nbflow.types import Entry, Trace

_DONE: Final = (Verdict.FRESH, Verdict.AS_OF)
_OPEN: Final = ("runs", "may run")
_MOST_RUNS: Final = 100
"""How many earlier runs of a step are looked through for a result that may fit once all above is known."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run would do with one step.

    Args:
        step: The step.
        does: `runs`, `reuses` an earlier result, `may run` (unless what is above comes out
            equal), or `waits`.
        causes: Why, root cause first.
        seconds: How long it is expected to take, from its last run; None where it never ran.
    """

    step: Step
    does: str
    causes: tuple[Cause, ...]
    seconds: float | None


class Rehearsal:
    """Goes through a run without executing anything; made by `rehearsed`.

    Args:
        work: The work.
        suppose: Lets a step stand at a result for as long as the rehearsal lasts.
        forced: Those whose bodies run although what they have is up to date.
        named: Those that a person asks for by name.

    Attributes:
        lines: What the run would do, by step, in its order.
    """

    def __init__(
        self,
        work: Work,
        suppose: Callable[[Step, Trace], None],
        forced: Iterable[Step],
        named: Iterable[Step],
    ) -> None:
        self._work = work
        self._suppose = suppose
        self._forced = {step.id: step for step in forced}
        self._named = {step.id for step in named}
        self._settled: set[str] = set()
        self.lines: dict[str, Planned] = {}

    def bring_all(self) -> None:
        """Bring every task, as a run of the whole flow does."""
        for step in self._work.in_flow_order(self._forced.values()):
            self.bring(step)
        while due := [step for step in self._work.sweep.pending() if self._is_due(step)]:
            for step in due:
                self.bring(step)
                self.lines.setdefault(step.id, Planned(step, "", (), None))
        self._bring_accepted()

    def bring(self, target: Step) -> None:
        """Bring one step up to date, and before it what it needs."""
        stack = [target]
        while stack:
            step = stack[-1]
            above = None if self._is_over(step) else self._next_above(step, stack)
            if above is not None and self._may_start(above):
                stack.append(above)
            elif above is not None:
                self._put(above, "waits")
            else:
                if not self._is_over(step):
                    self._decide(step)
                stack.pop()

    def _is_due(self, step: Step) -> bool:
        return not (step.plain or step.idle or step.ran is None or step.id in self.lines)

    def _is_over(self, step: Step) -> bool:
        if step.id in self.lines or step.id in self._forced:
            return step.id in self.lines
        may_end_otherwise = step.asks_states and self._work.stale_above(step)
        return not may_end_otherwise and self._work.sweep.judgement(step).verdict in _DONE

    def _next_above(self, step: Step, stack: Collection[Step]) -> Step | None:
        found = (each for each in self._work.stale_above(step) if each.id not in self.lines)
        return next((each for each in found if each not in stack), None)

    def _may_start(self, step: Step) -> bool:
        return self._work.may_ever_execute(step) or self._work.find(step) is not None

    def _put(
        self, step: Step, does: str, causes: tuple[Cause, ...] | None = None, seconds: float | None = None
    ) -> None:
        causes = self._work.sweep.judgement(step).causes if causes is None else causes
        self.lines[step.id] = Planned(step, does, causes, seconds)

    # --- one step ------------------------------------------------------------------------------

    def _decide(self, step: Step) -> None:
        """What becomes of a step of which all that is above has been decided."""
        above = [self.lines[each.id] for each in self._work.stale_above(step) if each.id in self.lines]
        if any(line.does == "waits" and line.step.id not in self._settled for line in above):
            self._put(step, "waits")
            return
        again, is_open = step.id in self._forced, any(line.does in _OPEN for line in above)
        trace = None if again or is_open else self._work.find(step)
        may = self._work.may_ever_execute(step, named=step.id in self._named)
        bound = step.bound_trace if again else trace
        absence = None if is_open else self._work.absences.note(step, bound, step.id in self._named)
        if trace is not None and not (may and absence):
            self._put(step, "reuses", None, trace.seconds)
            self._suppose(step, trace)
        elif step.ran is None or not may:
            self._put(step, "waits")
        elif not is_open and self._work.is_refused(step):
            self._put(step, "waits")
            self._settled.update((step.id,) if step.ended is not None and step.ended.is_final() else ())
        else:
            self._run(step, absence, is_open=is_open)

    def _run(self, step: Step, absence: Cause | None, *, is_open: bool) -> None:
        """A body runs, and before it those that make again what it starts from."""
        makers, stuck = made_again(self._work, step)
        if stuck:
            causes = (lack_cause(step, stuck), *self._work.sweep.judgement(step).causes)
            self._put(step, "waits", tuple(dict.fromkeys(causes)))
            return
        does = "may run" if is_open and not self._runs_surely(step) else "runs"
        for maker in makers:
            trace = maker.bound_trace
            if maker.id not in self.lines:
                self._put(maker, does, (remade_cause(self._work, maker),), trace.seconds if trace else None)
        self._put(step, does, self._causes(step, absence), self._seconds(step, is_open=is_open))

    def _seconds(self, step: Step, *, is_open: bool) -> float | None:
        """How long it is expected to take; of a mapped step below what runs nobody knows its items yet."""
        if step.id in self._forced or is_open:
            return step.trace.seconds if step.trace else None
        return self._work.seconds_expected(step)

    def _causes(self, step: Step, absence: Cause | None) -> tuple[Cause, ...]:
        causes = self._work.sweep.judgement(step).causes
        if step.id in self._named and any(cause.category == "effect" for cause in causes[:1]):
            causes = causes[1:]  # whoever names an effect starts it, and then it does not wait for that
        forced = (forced_cause(step),) if step.id in self._forced else ()
        return (absence,) if absence is not None else causes or forced

    # --- below what runs -------------------------------------------------------------------------

    def _runs_surely(self, step: Step) -> bool:
        """Whether a body runs whatever those above it make: no result is known that could fit then."""
        if step.id in self._forced:
            return True
        if step.asks_states:
            return False
        causes = self._work.sweep.judgement(step).causes
        own = [cause for cause in causes if cause.category != "upstream"]
        return bool(own) and not any(self._may_fit(step, trace) for trace in self._known(step))

    def _known(self, step: Step) -> Iterable[Trace]:
        """The results of the step's present code that its history knows."""
        work = self._work
        runs = work.runs.history.runs(work.runs.notebook, step.id, _MOST_RUNS)
        for id in dict.fromkeys(run.trace for run in runs if run.trace):
            trace = work.workspace.store.trace(id)
            if trace is not None and step.ran is not None and trace.static_key == step.ran.static_key:
                yield trace

    def _may_fit(self, step: Step, trace: Trace) -> bool:
        view, outside = self._work.sweep.view(step), self._work.sweep.outside

        def is_open(entry: Entry) -> bool:
            slot = entry.looked.slot
            bound = view.bound(Slot(slot.kind, parts_of(slot)[0]))
            return any(doubt.verdict not in _DONE for doubt in bound.doubts)

        differ = (each for each in trace.entries if answer(each, view, outside) is Answer.DIFFERENT)
        return all(map(is_open, differ))

    def _bring_accepted(self) -> None:
        """What was accepted for exactly what it would see, and what is below it, may have to run."""
        if not any(step.hold is not None and step.hold.entries is not None for step in self._work.book):
            return
        for step in self._work.book:
            is_kept = step.hold is not None and step.hold.entries is None
            above = [] if is_kept or not self._is_due(step) else self._open_above(step)
            if above:
                causes = (Cause("upstream", each.name, after="stale", origin=each.name) for each in above)
                self._put(step, "may run", tuple(causes), step.trace.seconds if step.trace else None)

    def _open_above(self, step: Step) -> list[Step]:
        found = (self.lines.get(each.id) for each in self._work.doubtful_above(step))
        return [line.step for line in found if line is not None and line.does in _OPEN]


@contextmanager
def rehearsed(work: Work, forced: Iterable[Step], named: Iterable[Step]) -> Generator[Rehearsal]:
    """For a block in which steps may be supposed to stand at results that a run would take."""
    with work.supposing() as suppose:
        yield Rehearsal(work, suppose, forced, named)
