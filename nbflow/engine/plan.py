"""The order of work: which steps to bring up to date, in which order, and what stands afterwards.

Everything here is iterative: a target's needs are kept on an explicit stack, so that a chain
of thousands of steps needs no recursion.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, TypeVar

from nbflow.engine.action import Action
from nbflow.engine.afterwards import stand_of, stand_of_flow
from nbflow.engine.effects import Outcome
from nbflow.engine.forcing import forced
from nbflow.engine.gates import SKIPPED
from nbflow.engine.influence import lasting, reached
from nbflow.engine.lookup import Lookup
from nbflow.engine.marks import UNSURE
from nbflow.engine.only import check_only, only_hold
from nbflow.engine.outward import is_unsure
from nbflow.engine.perform import Performer
from nbflow.engine.record import CHANGES_PROCESS
from nbflow.engine.sites import Site, site_of
from nbflow.engine.slots import key_of, slot_of
from nbflow.engine.verify import ORDER, makes_tasks_as_before, may_start_plain
from nbflow.exceptions import SessionError
from nbflow.states import Origin
from nbflow.types import Effect, Hold, Licence, Reach, Slot, Standing, Trace, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.enact import Finished, StepRuns
    from nbflow.engine.observe import Execution, Observer
    from nbflow.engine.sweep import Sweep

_MOST_REPEATS: Final = 8
"""How often one action makes the spent inputs of others from one step again before it gives up."""

Result = TypeVar("Result")
Working = Generator["Execution", Outcome, Result]
"""Work that yields each execution of a body, is sent how it ended, and returns a result at its end."""

_DONE: Final = (Verdict.FRESH, Verdict.AS_OF)


class Work:
    """Brings steps up to date.

    Args:
        book: The steps.
        sweep: Their verdicts.
        workspace: The names.
        observer: Runs bodies.
        runs: Runs steps through the engine.
    """

    def __init__(
        self, book: Book, sweep: Sweep, workspace: Workspace, observer: Observer, runs: StepRuns
    ) -> None:
        self.book = book
        self.sweep = sweep
        self.workspace = workspace
        self.runs = runs
        self.action = Action()
        self._lookup = Lookup(book, sweep, workspace.store, runs)
        self._performer = Performer(book, sweep, workspace, observer, runs)
        self._origin = Origin.CELL
        self._forced, self._executed, self._own = set[str](), set[str](), set[str]()
        self._repeats: dict[str, int] = {}
        self._settled, self._caught_up = set[str](), set[str]()

    # --- what a user does --------------------------------------------------------------------

    def run_cell(self, step: Step, *, force: bool = False) -> Working[Action]:
        """Run a step's own cell: a plain one on the names as they are, a task incrementally.

        Args:
            step: The step.
            force: Whether its body runs even where an earlier result fits.
        """
        if step.plain:
            return (yield from self._run_plain(step))
        # All cells are forced at once, and an effect that is to happen once only by its name.
        force = force and step.effect is not Effect.ONCE
        self._begin(Origin.CELL, forced(self, [step], force=force, is_again=step.id in self._own))
        self._own.add(step.id)
        self.adopt_source(step)
        if step.trace is not None and SKIPPED in step.trace.flags:
            step.trace = None  # a skip is never reused
        if (yield from self.bring(step, named=True)):
            if step.trace is not None and step.id not in {*self._executed, *self.action.reused}:
                self._reuse(step, step.trace)
            self._settle(stand_of(step, self.sweep))
        elif step.id not in self._executed:
            self._settle({})
        else:
            self.workspace.give_back_copied()
        return self._finish()

    def _run_plain(self, step: Step) -> Working[Action]:
        """Run a plain cell as its user does: nothing else is looked at and nothing waits for the disk."""
        self._reset(Origin.CELL)
        self.adopt_source(step)
        self._note(step, (yield from self._performer.execute_plain(step, self._origin)))
        self.workspace.close()
        return self.action

    def run_flow(
        self, targets: Collection[Step] | None = None, *, force: bool = False, origin: Origin | None = None
    ) -> Working[Action]:
        """Bring all tasks, or these and their upstream, up to date; nothing else runs.

        Args:
            targets: The steps asked for; None: all tasks.
            force: Whether their bodies run even where an earlier result fits.
            origin: Who asks; by default the user, by name where targets are given.
        """
        origin = origin or (Origin.CATCH_UP if targets is None else Origin.NAMED)
        self._begin(origin, forced(self, targets, force=force, is_asked=origin is Origin.NAMED))
        if targets is None:
            yield from self._bring_all()
        for step in self._in_flow_order(targets or ()):
            named = self._origin is not Origin.AUTO
            if (yield from self.bring(step, named=named)) and named and step.effect is not None:
                self._tell_done(step)
        self._settle_flow()
        return self._finish()

    def resume(self, step: Step) -> Working[Action]:
        """Run a step that waits for a person, on what is bound at its place; nothing above it runs.

        Raises:
            SessionError: If something that it reads is no longer there, or it may have happened already.
        """
        self._begin(Origin.NAMED)
        done = self.find(step) if step.effect is Effect.ONCE else None
        if done is not None:
            self._reuse(step, done)
        elif self._may_have_happened(step):
            raise SessionError(
                f"{step.name} was not resumed: {UNSURE}; `%flow run {step.name} --force` runs it"
            )
        else:
            self.runs.let_in(step)
            yield from self._run_as_bound(step, "resumed")
        self._settle(stand_of(step, self.sweep) if step.trace is not None else {})
        return self._finish()

    def _run_as_bound(self, step: Step, done: str) -> Working[None]:
        """Run a body on what is bound at its place, whatever that is worth."""
        site = site_of(step, step.ran or step.body, self.sweep.view(step))
        if self._performer.first_spent(site) is not None or not self._performer.prepare(site):
            raise SessionError(f"{step.name} was not {done}: what it reads is gone; run what makes it first")
        self._note(step, (yield from self._performer.execute(site, self._origin)))

    def run_only(self, targets: Collection[Step], *, force: bool = False) -> Working[Action]:
        """Run these steps from the latest results above them, whatever those are worth; nothing else runs.

        A step that was run from what is not up to date is held there.

        Args:
            targets: The steps.
            force: Whether their bodies run even where an earlier result fits.

        Raises:
            SessionError: If one reads what has no result, or what is no longer there.
        """
        self._begin(Origin.NAMED, forced(self, targets, force=force))
        try:
            for step in self._in_flow_order(targets):
                if self.action.stop is None:
                    yield from self._bring_only(step)
        finally:
            self._settle_flow()
            self._finish()
        return self.action

    def _bring_only(self, step: Step) -> Working[None]:
        if step.hold is not None:
            self.hold(step, None)
        stale = [above for above in self.stale_above(step) if above is not step]
        check_only(step, self.sweep.view(step), self.book)
        if self._is_done(step) and not stale:
            return
        trace = self.find(step) if step.id not in self._forced else None
        if trace is not None:
            self._reuse(step, trace)
        elif self._may_execute(step, named=True):
            yield from self._run_as_bound(step, "run")
        if stale and step.trace is not None and step.id in {*self._executed, *self.action.reused}:
            self.hold(step, only_hold(step.trace, stale, self))

    def remember(self) -> Action:
        """After a restart: find the trace of every step by its source and its present inputs."""
        self._begin(Origin.CATCH_UP)
        self._expect(self.book)
        for step in tuple(self.book):
            # To judge all of them as stale first would take as long again.
            ran, view = step.ran, self.sweep.view_above(step)
            trace = self._lookup.found(step, ran, view) if ran is not None and step.trace is None else None
            if trace is not None:
                self._bind(step, trace)
        self._settle_flow()
        return self._finish()

    def adopt(self, step: Step, keys: Collection[str]) -> None:
        """Take names that nobody is known to have made as what this step has made."""
        self._performer.adopt(step, keys)

    def live_reach(self, slot: Slot) -> Reach | None:
        """What the code inside a name's live object may touch; None where it holds nothing."""
        return self._performer.live_reach(slot)

    def makers_of(self, slots: Iterable[Slot]) -> list[Body]:
        """The bodies that made what these names hold now."""
        labels = (self.workspace.labels.get(key_of(slot)) for slot in slots)
        steps = {label.version.step for label in labels if label is not None and label.version is not None}
        return [ran for step in sorted(steps) if (ran := self.book.steps[step].ran) is not None]

    def store_inputs(self, site: Site) -> None:
        """Store the plain inputs of a body that are live and not stored yet."""
        self._performer.store_inputs(site)

    def hold(self, step: Step, hold: Hold | None) -> None:
        """Let a step stand at a trace chosen by hand, or end that; `stand` puts the values in place."""
        step.hold = hold
        if step.plain:
            self._caught_up.add(step.id)
        self.sweep.touch(step)

    def stand(self) -> None:
        """Let every name that a task wrote hold what the flow now ends with; nothing runs."""
        self._begin(Origin.NAMED)
        self._settle_flow()
        self._finish()

    # --- the order of work -------------------------------------------------------------------

    def tasks(self) -> list[Step]:
        """The tasks that the flow may start, in flow order."""
        return [step for step in self.book if self._is_due(step) and step.licence is Licence.FLOW]

    def _bring_all(self) -> Working[None]:
        """Bring every task in flow order; those that become stale meanwhile stand further below."""
        tried: set[str] = set()
        for step in [step for step in self.tasks() if step.id in self._forced]:
            tried.add(step.id)
            yield from self.bring(step)
        self._recall(tried)
        while due := [step for step in self.sweep.pending() if self._is_due(step, tried)]:
            self._expect(due)
            for step in due:
                if self.action.stop is not None:
                    return
                tried.add(step.id)
                yield from self.bring(step)

    def _tell_done(self, step: Step) -> None:
        """Whoever names an effect that has happened already is told when."""
        is_told = step.id in {*self._executed, *self.action.reused}
        if step.trace is not None and step.hold is None and not is_told:
            self._reuse(step, step.trace)

    def _in_flow_order(self, steps: Iterable[Step]) -> list[Step]:
        return sorted(steps, key=lambda step: (place := self.book.place(step.id)) is None or place)

    def _recall(self, tried: Collection[str]) -> None:
        """Reuse what is kept of tasks that have no trace in this kernel, each before it is judged.

        A new kernel knows all of them; to judge each as stale first would take as long again.
        """
        unknown = [step for step in self.sweep.unjudged() if step.trace is None and self._is_due(step, tried)]
        self._expect(unknown)
        for step in unknown:
            lists = self.workspace.store.lists(step.ran.static_key) if step.ran is not None else ()
            if step.ran is None or not lists:
                continue
            view = self.sweep.view_above(step)
            if step.hold is None and self._first_stale_above(step, view) is None:
                trace = self._lookup.found(step, step.ran, view, lists)
                if trace is not None:
                    self._reuse(step, trace)

    def _expect(self, steps: Iterable[Step]) -> None:
        self.workspace.store.expect(step.ran.static_key for step in steps if step.ran is not None)

    @staticmethod
    def _is_due(step: Step, tried: Collection[str] = ()) -> bool:
        is_task = not step.plain and step.ran is not None and step.licence is not Licence.USER
        return is_task and not step.idle and step.id not in tried

    def bring(self, target: Step, *, named: bool = False) -> Working[bool]:
        """Bring a step up to date; False where it waits or failed."""
        stack, passed = [(target, False)], set[str]()
        while stack:
            if self.action.stop is not None:
                return False
            step, again = stack[-1]
            if not again and self._is_done(step):
                stack.pop()
                continue
            needed = yield from self._advance(
                step, again, named=named and step is target, passed=passed if step is target else ()
            )
            if isinstance(needed, tuple) and not self._may_start(*needed):
                if not self._runs_as_they_are(target, *needed):
                    return False
                # All else above is brought up to date; only what hangs on that cell stays as it is.
                passed.add((*stack, needed)[1][0].id)
                del stack[1:]
                continue
            if needed is False:
                if step is target or again or step.id not in self._settled:
                    return False
                stack.pop()  # how it ended decides what becomes of those below
            if isinstance(needed, tuple):
                stack.append(needed)
            elif needed is True:
                stack.pop()
        return True

    def _is_done(self, step: Step) -> bool:
        is_due = step.id in self._forced and step.id not in self._executed
        may_end_otherwise = step.asks_states and self._first_stale_above(step, self.sweep.view(step))
        return not (is_due or may_end_otherwise) and self.sweep.judgement(step).verdict in _DONE

    def _runs_as_they_are(self, target: Step, needed: Step, again: bool) -> bool:
        """Whether a cell runs, as in Jupyter, although a plain cell above it has to run first."""
        return self._origin is Origin.CELL and needed.plain and not again and target.standing is Standing.HERE

    def _advance(
        self, step: Step, again: bool, *, named: bool, passed: Collection[str]
    ) -> Working[tuple[Step, bool] | bool | None]:
        """Bring one step up to date if nothing stands before it but what is `passed`.

        Returns:
            The step that has to run first, with whether it only makes a spent value again;
            else whether it is done; None: try once more, a value turned out to be lost.
        """
        view = self.sweep.view(step)
        blocker = self._first_stale_above(step, view, passed)
        if blocker is not None:
            return blocker, False
        stands_on_ended = bool(self._settled and self._stale_above(step, view))
        if stands_on_ended and step.plain:
            return False  # it has no trigger
        runs_anyway = again or step.id in self._forced
        trace = None if runs_anyway else self.find(step)
        if trace is not None:
            self._reuse(step, trace)
            self._settled.update((step.id,) if stands_on_ended else ())
            return True
        if step.ran is None or not (again or self._may_execute(step, named=named)):
            return False
        site = site_of(step, step.ran, view)
        is_refused = self._performer.is_refused(site)
        spent = self._performer.first_spent(site) if not is_refused else None
        if spent is not None:
            return spent, True
        lost = len(self.workspace.lost)
        self._lookup.compare_with_earlier(step)
        if not (is_refused or self._performer.prepare(site)):
            return None if len(self.workspace.lost) > lost else False
        self._note(step, (yield from self._performer.execute(site, self._origin)))
        self._caught_up.add(step.id)
        has_ended = step.ended is not None and step.ended.is_final() and not step.plain
        self._settled.update((step.id,) if stands_on_ended or has_ended else ())
        return step.trace is not None and step.ended is None

    def find(self, step: Step) -> Trace | None:
        """The newest trace of the step's code that fits what is bound at its place."""
        return self._lookup.find(step)

    def stale_above(self, step: Step) -> list[Step]:
        """The steps that are not up to date and make something that this one looks at, in flow order."""
        return self._stale_above(step, self.sweep.view(step))

    def _stale_above(self, step: Step, view: View) -> list[Step]:
        if step.ran is None:
            return []
        looks_at = (*reached(step.ran, view), *lasting(step, step.ran))
        doubts = (doubt for slot in looks_at for doubt in view.bound(slot).doubts)
        stale = {doubt.step for doubt in doubts if doubt.verdict not in _DONE}
        places = sorted(place for place in map(self.book.place, stale) if place is not None)
        return [self.book.at(place) for place in places]

    def _first_stale_above(self, step: Step, view: View, passed: Collection[str] = ()) -> Step | None:
        found = (above for above in self._stale_above(step, view) if above.id not in self._settled)
        return next((above for above in found if above.id not in passed), None)

    def _may_start(self, step: Step, again: bool) -> bool:
        """Whether catch-up may start the step, for its own sake or to make a spent value again."""
        if again:
            self._repeats[step.id] = self._repeats.get(step.id, 0) + 1
            if self._repeats[step.id] > _MOST_REPEATS or step.hold is not None:
                return False
        elif step.id in self._executed:
            return False
        return self._may_execute(step) or (not again and self.find(step) is not None)

    def _may_execute(self, step: Step, *, named: bool = False) -> bool:
        has_run = step.id in self._executed and step.id not in self._repeats
        if step.standing is not Standing.HERE or has_run:
            return False
        is_early = any(cause.category == ORDER for cause in self.sweep.judgement(step).causes)
        if named and (step.body.wiring is None or not is_early):
            return step.id in self._forced or not self._may_have_happened(step)
        if is_early or (step.ended is not None and step.ended.is_paused()):
            return False
        if step.plain:
            return may_start_plain(step) and makes_tasks_as_before(
                step, self.sweep.view(step), self.sweep.outside
            )
        return step.licence is Licence.FLOW

    def _may_have_happened(self, step: Step) -> bool:
        view, outside = self.sweep.view(step), self.sweep.outside
        return step.ran is not None and is_unsure(step, step.ran, view, outside)

    def adopt_source(self, step: Step) -> None:
        """The body that its cell has now is the one last run; a trace of another source is none of its."""
        if step.ran is not step.body:
            if step.ran is not None and step.ran.static_key != step.body.static_key:
                step.before = step.ran
            step.ran = step.body
            step.trace = None
        step.standing = Standing.HERE
        step.hold = None
        self._caught_up.discard(step.id)
        step.failure, step.ended = "", None
        self.sweep.touch(step)

    def _reuse(self, step: Step, trace: Trace) -> None:
        self._bind(step, trace)
        self._caught_up.add(step.id)
        self.action.reused.append(step.id)
        self.runs.reuse(step, trace, self._origin)

    def _bind(self, step: Step, trace: Trace) -> None:
        step.take(trace)
        step.idle = False
        self.sweep.touch(step)

    def _note(self, step: Step, finished: Finished) -> None:
        step.idle = False
        self._executed.add(step.id)
        if finished.observation is None:
            self.action.refused[step.id] = finished.state
            return
        self.action.executed.append(step.id)
        if step.trace is not None and CHANGES_PROCESS in step.trace.flags:
            self._lookup.runs_here.add(finished.run)
        error = finished.observation.error
        if error is None and finished.state.is_failed():
            error = finished.state.exception()  # its limit was reached, which no body raises
        if error is not None and not (finished.state.is_completed() or finished.state.is_paused()):
            self.action.errors[step.id] = error

    # --- before and after an action ----------------------------------------------------------

    def write_down(self) -> None:
        """Store what plain cells have made known since the last action of the flow."""
        self._performer.write_down()

    def _begin(self, origin: Origin, forced: Iterable[Step] = ()) -> None:
        self.write_down()
        self._reset(origin, forced)
        self.sweep.look_outside()

    def _reset(self, origin: Origin, forced: Iterable[Step] = ()) -> None:
        self.action = Action()
        self._origin = origin
        self._performer.forced = self._forced = {step.id for step in forced}
        for noted in (self._executed, self._settled, self._repeats):
            noted.clear()
        self.workspace.begin()

    def _finish(self) -> Action:
        self.workspace.prune(lambda unit, key: self.sweep.binds(slot_of(key), unit))
        if self.action.executed:
            # What only was reused can be told again; its history is written with the next batch.
            self.workspace.store.flush()
            self.runs.history.flush()
        self.workspace.close()
        return self.action

    def _settle_flow(self) -> None:
        self._settle(stand_of_flow(self.sweep, self.workspace, self._settled, self._caught_up))

    def _settle(self, stand: Mapping[str, Version | None]) -> None:
        self._performer.define_missing(stand)
        self.workspace.settle(stand)
