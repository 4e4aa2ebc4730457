"""Bringing steps up to date: what has to run before a step, and who may start it.

Everything here is iterative: a target's needs are kept on an explicit stack, so that a chain
of thousands of steps needs no recursion.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from nbflow.engine.action import Action
from nbflow.engine.elsewhere import Elsewhere
from nbflow.engine.influence import lasting, reached
from nbflow.engine.lookup import Lookup, makes_tasks_as_before
from nbflow.engine.outward import is_unsure
from nbflow.engine.perform import Performer
from nbflow.engine.quiet import may_start_plain
from nbflow.engine.record import CHANGES_PROCESS
from nbflow.engine.sites import Site, site_of
from nbflow.engine.unmade import UNMADE
from nbflow.engine.verify import ORDER
from nbflow.exceptions import TaskFailedError
from nbflow.states import Origin
from nbflow.store.at_import import take_as_imported
from nbflow.types import Licence, Standing, Trace, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Doubt, View
    from nbflow.engine.book import Book, Step
    from nbflow.engine.enact import Finished, StepRuns
    from nbflow.engine.observe import Observer
    from nbflow.engine.requests import Working
    from nbflow.engine.sites import Site
    from nbflow.engine.sweep import Sweep
    from nbflow.states import State

_MOST_REPEATS: Final = 8
"""How often one action makes the spent inputs of others from one step again before it gives up."""

_SPENT: Final = "its value is needed again and is not stored"
_DONE: Final = (Verdict.FRESH, Verdict.AS_OF)


class Bringing:
    """Brings steps up to date, one after the other or side by side.

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
        self.absences = self._performer.absences
        self.elsewhere = Elsewhere(book, sweep, self._performer, lambda: self.action.errors)
        self._abreast = self.elsewhere.abreast
        self._origin = Origin.CELL
        self._forced, self._executed, self._own = set[str](), set[str](), set[str]()
        self._repeats: dict[str, int] = {}
        self._settled, self._caught_up, self._resting = set[str](), set[str](), set[str]()

    def bring(self, target: Step, *, named: bool = False) -> Working[bool | None]:
        """Bring a step up to date; False where it waits or failed, None where it waits for others to end."""
        stack = [(target, False)]
        passed: set[str] = set()
        self._resting.clear()
        while stack and self.action.stop is None:
            step, again = stack[-1]
            if not again and self._is_done(step):
                stack.pop()
                continue
            needed = yield from self._advance(
                step, again, named=named and step is target, passed=passed if step is target else ()
            )
            if isinstance(needed, str):
                if step is target:
                    self._abreast.let_wait(target, needed)
                    return None
                yield from self._rest(stack)
            elif isinstance(needed, tuple) and not self._may_start(*needed):
                if not self._runs_as_they_are(target, *needed):
                    self.action.spent.update({target.id: needed[0].id} if needed[1] else {})
                    return False
                # All else above is brought up to date; only what hangs on that cell stays as it is.
                passed.add((*stack, needed)[1][0].id)
                del stack[1:]
            elif needed is False and (step is target or again or step.id not in self._settled):
                return False
            elif isinstance(needed, bool):
                stack.pop()  # how it ended decides what becomes of those below
            elif needed is not None:
                stack.append(needed)
        return not stack

    def _rest(self, stack: list[tuple[Step, bool]]) -> Working[None]:
        """Leave for later what has to wait for others to end, unless it makes a spent value again."""
        if any(makes_again for _, makes_again in stack):
            yield from self._abreast.wait()
        else:
            self._resting.add(stack.pop()[0].id)

    def _is_done(self, step: Step) -> bool:
        is_due = step.id in self._forced and step.id not in self._executed
        may_end_otherwise = step.asks_states and self._first_stale_above(step, self.sweep.view(step))
        return not (is_due or may_end_otherwise) and self.sweep.judgement(step).verdict in _DONE

    def _runs_as_they_are(self, target: Step, needed: Step, again: bool) -> bool:
        """Whether a cell runs, as in Jupyter, although a plain cell above it has to run first."""
        return self._origin is Origin.CELL and needed.plain and not again and target.standing is Standing.HERE

    def _advance(
        self, step: Step, again: bool, *, named: bool, passed: Collection[str]
    ) -> Working[tuple[Step, bool] | str | bool | None]:
        """Bring one step up to date if nothing stands before it but what is `passed`.

        Returns:
            The step that has to run first, with whether it only makes a spent value again; the identifier
            of one that has to end first; else whether it is done; None: try once more.
        """
        if step.id in self._abreast:
            return step.id
        view = self.sweep.view(step)
        blocker = self._blocker(step, view, passed)
        if blocker is not None:
            return blocker
        stands_on_ended = bool(self._settled and self._stale_above(step, view))
        if stands_on_ended and step.plain:
            return False  # it has no trigger
        runs_anyway = again or step.id in self._forced
        trace = None if runs_anyway else self.find(step, view)
        if trace and not (self._may_execute(step, named=named) and self.absences.note(step, trace, named)):
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
        self._lookup.compare_with_earlier(step)
        if not is_refused:
            started = yield from self._start(site, again, stands_on_ended)
            if started is not None:
                return started
        if self._abreast:
            yield from self._abreast.settle()  # who runs on the user's names is alone
            return None
        return (yield from self._execute(site, is_refused, stands_on_ended))

    def _start(self, site: Site, again: bool, stands_on_ended: bool) -> Working[str | bool | None]:
        """Let a body run elsewhere.

        Returns:
            The step to wait for; None where it runs on the user's names, False where it may not.
        """
        step, elsewhere = site.step, self.elsewhere
        if not again and elsewhere.is_for(step):
            end = partial(self._conclude, step, stands_on_ended)
            started = yield from elsewhere.start(site, self._origin, self.action, end)
            if started:
                return started
        if not elsewhere.is_aside:
            return None
        self.action.inline.setdefault(step.id, "it is a plain cell" if step.plain else _SPENT)
        return False

    def _blocker(self, step: Step, view: View, passed: Collection[str]) -> tuple[Step, bool] | str | None:
        """What stands before a step: what has to be made first, or, where that is on its way, end first."""
        blocker = self._first_stale_above(step, view, passed)
        if blocker is None:
            return None
        waited_for = {*self._resting, *(each.id for each in self._abreast)}
        if blocker.id not in waited_for:
            return blocker, False
        other = self._first_stale_above(step, view, waited_for.union(passed))
        return (other, False) if other is not None else blocker.id

    def _execute(self, site: Site, is_refused: bool, stands_on_ended: bool) -> Working[bool | None]:
        """Run a body on the user's names; None: a value turned out to be lost."""
        lost = len(self.workspace.lost)
        if not (is_refused or self._performer.prepare(site)):
            return None if len(self.workspace.lost) > lost else False
        finished = yield from self._performer.execute(site, self._origin)
        return self._conclude(site.step, stands_on_ended, finished)

    def _conclude(self, step: Step, stands_on_ended: bool, finished: Finished) -> bool:
        """Note how a run ended; whether the step is up to date by it."""
        self._note(step, finished)
        self._caught_up.add(step.id)
        has_ended = step.ended is not None and step.ended.is_final() and not step.plain
        self._settled.update((step.id,) if stands_on_ended or has_ended else ())
        return step.trace is not None and step.ended is None

    def find(self, step: Step, view: View | None = None) -> Trace | None:
        """The newest trace of the step's code that fits what is bound at its place: what `view` shows."""
        trace = self._lookup.find(step, view)
        return None if trace is not None and self.absences.lacks_module(step, trace) else trace

    def stale_above(self, step: Step) -> list[Step]:
        """The steps that are not up to date and make something that this one looks at, in flow order."""
        return self._stale_above(step, self.sweep.view(step))

    def _stale_above(self, step: Step, view: View) -> list[Step]:
        doubted = [doubt.step for doubt in _doubts(step, view) if doubt.verdict not in _DONE]
        return self._doubted(doubted) if doubted else []

    def doubtful_above(self, step: Step) -> list[Step]:
        """The steps that are not plainly fresh and make something that this one looks at, in flow order."""
        return self._doubted([doubt.step for doubt in _doubts(step, self.sweep.view(step))])

    def _doubted(self, steps: Collection[str]) -> list[Step]:
        if not steps:
            return []
        places = sorted(place for place in map(self.book.place, set(steps)) if place is not None)
        return [self.book.at(place) for place in places]

    def _first_stale_above(self, step: Step, view: View, passed: Collection[str] = ()) -> Step | None:
        for above in self._stale_above(step, view):
            if above.id not in self._settled and above.id not in passed:
                return above
        return None

    def _may_start(self, step: Step, again: bool) -> bool:
        """Whether catch-up may start the step, for its own sake or to make a spent value again."""
        if again:
            self._repeats[step.id] = self._repeats.get(step.id, 0) + 1
            if self._repeats[step.id] > _MOST_REPEATS or step.hold is not None:
                return False
        elif step.id in self._executed or self.action.reused.count(step.id) > _MOST_REPEATS:
            return False  # the second, where a result that was found is at once not up to date again
        return self._may_execute(step) or (not again and self.find(step) is not None)

    def _may_execute(self, step: Step, *, named: bool = False) -> bool:
        has_run = step.id in self._executed and step.id not in self._repeats
        return not has_run and self.may_ever_execute(step, named=named, forced=step.id in self._forced)

    def may_ever_execute(self, step: Step, *, named: bool = False, forced: bool = False) -> bool:
        """Whether an action may execute a step's body that has not done so yet.

        Args:
            step: The step.
            named: Whether a person asks for it by name.
            forced: Whether that is with `--force`.
        """
        if step.standing is not Standing.HERE:
            return False
        categories = {cause.category for cause in self.sweep.judgement(step).causes}
        is_own_cell = named and self._origin is Origin.CELL
        if UNMADE in categories and not is_own_cell and step.id not in self._forced:
            return False
        is_early = ORDER in categories
        if named and (step.body.wiring is None or not is_early):
            return forced or not self._may_have_happened(step)
        if is_early or (step.ended is not None and step.ended.is_paused()):
            return False
        if step.plain:
            return may_start_plain(step, self.book) and makes_tasks_as_before(
                step, self.sweep.view(step), self.sweep.outside
            )
        return step.licence is Licence.FLOW

    def _may_have_happened(self, step: Step) -> bool:
        view, outside = self.sweep.view(step), self.sweep.outside
        return step.ran is not None and is_unsure(step, step.ran, view, outside, self.book)

    def _reuse(self, step: Step, trace: Trace) -> None:
        self._bind(step, trace)
        self._caught_up.add(step.id)
        self.action.reused.append(step.id)
        self.runs.reuse(step, trace, self._origin)

    def _bind(self, step: Step, trace: Trace) -> None:
        if step.stands_at(trace):
            return  # what was judged of it holds
        step.take_again(trace)
        take_as_imported(trace.entries)
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
        if finished.state.is_completed() or finished.state.is_paused():
            return
        error = finished.observation.error or _unraised(step, finished.state)
        if error is not None:
            self.action.errors[step.id] = error


def _doubts(step: Step, view: View) -> Iterator[Doubt]:
    """All that is doubtful of what a step looks at."""
    if step.ran is not None:
        for slot in (*reached(step.ran, view), *lasting(step, step.ran, view)):
            yield from view.bound(slot).doubts


def _unraised(step: Step, state: State) -> BaseException | None:
    """The error of a run that no body has raised: its limit was reached, or its worker died."""
    if state.is_crashed():
        text = f"{step.name} crashed: {state.message}; run its cell to try again"
        return TaskFailedError(text, state=state)
    return state.exception() if state.is_failed() else None
