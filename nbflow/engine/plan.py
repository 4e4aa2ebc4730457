"""The order of work: which steps to bring up to date, in which order, and what stands afterwards.

Everything here is iterative: a target's needs are kept on an explicit stack, so that a chain
of thousands of steps needs no recursion.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Final, TypeVar

from nbflow.engine.action import Action
from nbflow.engine.effects import Outcome
from nbflow.engine.forcing import forced
from nbflow.engine.gates import SKIPPED, asked_about
from nbflow.engine.influence import lasting, reached
from nbflow.engine.keeping import is_reusable
from nbflow.engine.perform import Performer
from nbflow.engine.record import CHANGES_PROCESS, action_key, outputs_in_memory
from nbflow.engine.sites import site_of
from nbflow.engine.slots import is_kept_in_memory, key_of, slot_of
from nbflow.engine.verify import ORDER, content, makes_tasks_as_before, may_start_plain, not_looked_at
from nbflow.exceptions import SessionError
from nbflow.states import Origin
from nbflow.types import Hold, Licence, Looked, Reach, Slot, Standing, Trace, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Bound, Version, View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.enact import Finished, StepRuns
    from nbflow.engine.observe import Execution, Observer
    from nbflow.engine.sweep import Sweep
    from nbflow.store.protocol import InputList

_MOST_EARLIER: Final = 2_000
"""How many runs of earlier kernels are looked through for the last result of each step."""
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
        self._performer = Performer(book, sweep, workspace, observer, runs)
        self._origin = Origin.CELL
        self._forced, self._executed = set[str](), set[str]()
        self._runs_here, self._own = set[str](), set[str]()
        self._repeats: dict[str, int] = {}
        self._earlier: dict[str, str] | None = None
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
        self._begin(Origin.CELL, forced(self, [step], force=force, is_again=step.id in self._own))
        self._own.add(step.id)
        self.adopt_source(step)
        if step.trace is not None and SKIPPED in step.trace.flags:
            step.trace = None  # a skip is never reused
        if (yield from self.bring(step, named=True)):
            if step.trace is not None and step.id not in {*self._executed, *self.action.reused}:
                self._reuse(step, step.trace)
            self._settle(self._stand_of(step))
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
        for step in targets or ():
            yield from self.bring(step, named=self._origin is not Origin.AUTO)
        self._settle(self._stand_of_flow())
        return self._finish()

    def resume(self, step: Step) -> Working[Action]:
        """Run a step that waits for a person, on what is bound at its place; nothing above it runs.

        Raises:
            SessionError: If something that it reads is no longer there.
        """
        self._begin(Origin.NAMED)
        site = site_of(step, step.ran or step.body, self.sweep.view(step))
        if self._performer.first_spent(site) is not None or not self._performer.prepare(site):
            raise SessionError(f"{step.name} was not resumed: what it reads is gone; run what makes it first")
        self.runs.let_in(step)
        self._note(step, (yield from self._performer.execute(site, self._origin)))
        self._settle(self._stand_of(step) if step.trace is not None else {})
        return self._finish()

    def remember(self) -> Action:
        """After a restart: find the trace of every step by its source and its present inputs."""
        self._begin(Origin.CATCH_UP)
        self._expect(self.book)
        for step in tuple(self.book):
            # To judge all of them as stale first would take as long again.
            ran, view = step.ran, self.sweep.view_above(step)
            trace = self._found(step, ran, view) if ran is not None and step.trace is None else None
            if trace is not None:
                self._bind(step, trace)
        self._settle(self._stand_of_flow())
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

    def hold(self, step: Step, hold: Hold | None) -> None:
        """Let a step stand at a trace chosen by hand, or end that; `stand` puts the values in place."""
        step.hold = hold
        if step.plain:
            self._caught_up.add(step.id)
        self.sweep.touch(step)

    def stand(self) -> None:
        """Let every name that a task wrote hold what the flow now ends with; nothing runs."""
        self._begin(Origin.NAMED)
        self._settle(self._stand_of_flow())
        self._finish()

    # --- the order of work -------------------------------------------------------------------

    def tasks(self) -> list[Step]:
        """The tasks that the flow may start, in flow order."""
        return [step for step in self.book if self._is_due(step)]

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
                trace = self._found(step, step.ran, view, lists)
                if trace is not None:
                    self._reuse(step, trace)

    def _expect(self, steps: Iterable[Step]) -> None:
        self.workspace.store.expect(step.ran.static_key for step in steps if step.ran is not None)

    @staticmethod
    def _is_due(step: Step, tried: Collection[str] = ()) -> bool:
        is_task = not step.plain and step.ran is not None and step.licence is Licence.FLOW
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
        self._compare_with_earlier(step)
        if not (is_refused or self._performer.prepare(site)):
            return None if len(self.workspace.lost) > lost else False
        self._note(step, (yield from self._performer.execute(site, self._origin)))
        self._caught_up.add(step.id)
        has_ended = step.ended is not None and step.ended.is_final() and not step.plain
        self._settled.update((step.id,) if stands_on_ended or has_ended else ())
        return step.trace is not None and step.ended is None

    def _compare_with_earlier(self, step: Step) -> None:
        """Let the causes of a first run in this kernel tell what differs from the last result before it."""
        if step.trace is not None or step.earlier is not None or not self.runs.notebook:
            return
        if self._earlier is None:
            runs = self.runs.history.runs(self.runs.notebook, limit=_MOST_EARLIER)
            self._earlier = {run.step: run.trace for run in reversed(runs) if run.trace}
        known = self._earlier.get(step.id, "")
        step.earlier = self.workspace.store.trace(known) if known else None
        if step.earlier is not None:
            self.sweep.touch(step)

    def find(self, step: Step) -> Trace | None:
        """The newest trace of the step's code that fits what is bound at its place."""
        return self._found(step, step.ran, self.sweep.view(step)) if step.ran is not None else None

    def _found(
        self, step: Step, body: Body, view: View, lists: Iterable[InputList] | None = None
    ) -> Trace | None:
        store, wanted = self.workspace.store, None
        for looked in store.lists(body.static_key) if lists is None else lists:
            wanted = self._wanted(step, body, view) if wanted is None else wanted
            digests = None if any(not_looked_at(looked, wanted)) else self._present(looked, view)
            if digests is None:
                continue
            for trace in store.find(action_key(body.static_key, looked, digests)):
                if is_reusable(step, trace, self.sweep.outside) and self._holds_here(trace):
                    return trace
        return None

    def _wanted(self, step: Step, body: Body, view: View) -> tuple[Slot, ...]:
        """What a result of this step must have been compared by."""
        slots = reached(body, view)
        return (*slots, *step.parameter_slots, *asked_about(step, slots, view, self.book))

    def _present(self, looked: Iterable[Looked], view: View) -> list[str] | None:
        digests: list[str] = []
        for item in looked:
            digest = content(item, view, self.sweep.outside)
            if digest is None:
                return None
            digests.append(digest)
        return digests

    def _holds_here(self, trace: Trace) -> bool:
        """What changed the state of the process has to happen again in a new kernel."""
        return CHANGES_PROCESS not in trace.flags or trace.run in self._runs_here

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
            return True
        if is_early or (step.ended is not None and step.ended.is_paused()):
            return False
        if step.plain:
            return may_start_plain(step) and makes_tasks_as_before(
                step, self.sweep.view(step), self.sweep.outside
            )
        return step.licence is Licence.FLOW

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
            self._runs_here.add(finished.run)
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

    def _settle(self, stand: Mapping[str, Version | None]) -> None:
        self._performer.define_missing(stand)
        self.workspace.settle(stand)

    def _stand_of(self, step: Step) -> Mapping[str, Version | None]:
        """After a task's own cell its outputs stand."""
        given = self.sweep.judgement(step)
        outputs = outputs_in_memory(step.bound_trace)
        return {key_of(output.slot): given.version(output.slot) for output in outputs}

    def _stand_of_flow(self) -> Mapping[str, Version | None]:
        """After a flow run each name that it decides holds its last fresh writer's version.

        Only names are looked at whose object or whose binding moved since the last flow run.
        """
        end = self.sweep.end()
        slots = self.sweep.moved_slots() | {slot_of(key) for key in self.workspace.moved}
        stand: dict[str, Version | None] = {}
        for slot in slots:
            bound = end.bound(slot)
            if is_kept_in_memory(slot) and self._is_settled(bound) and self._is_decided(slot):
                stand[key_of(slot)] = bound.version
        self.workspace.moved.clear()
        return stand

    def _is_settled(self, bound: Bound) -> bool:
        """Whether nothing is doubtful about a binding, or only that it was made below what failed."""
        doubts = [each.step for each in bound.doubts if each.verdict is not Verdict.AS_OF]
        return not doubts or (bound.version is not None and self._settled.issuperset(doubts))

    def _is_decided(self, slot: Slot) -> bool:
        """Whether a task decides the name at the end of the flow, or a plain cell that no user ran last."""
        writers = self.sweep.writers(slot)
        last = self.book.steps[writers[-1]] if writers else None
        return last is not None and (not last.plain or last.id in self._caught_up)
