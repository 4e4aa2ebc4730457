"""The order of work: what a user asks for, which steps that means, and what stands afterwards."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

from nbflow.engine.action import Action
from nbflow.engine.afterwards import stand_of, stand_of_flow
from nbflow.engine.bind import by_unit
from nbflow.engine.bringing import Bringing
from nbflow.engine.expected import seconds_expected
from nbflow.engine.forcing import forced
from nbflow.engine.gates import SKIPPED
from nbflow.engine.marks import UNSURE
from nbflow.engine.only import check_only, only_hold
from nbflow.engine.sites import Site, site_of
from nbflow.engine.slots import key_of, slot_of
from nbflow.exceptions import SessionError
from nbflow.states import Origin
from nbflow.types import Effect, Hold, Licence, Reach, Slot, Standing, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping

    from nbflow.engine.bind import Version
    from nbflow.engine.book import Body, Step
    from nbflow.engine.requests import Working
    from nbflow.engine.sites import Site


_STANDS: Final = ("hold", "trace", "left", "failure", "ended")
"""What of a step says at which result it stands, see `Step.take`."""


class Work(Bringing):
    """Does what a user asks for; see `Bringing` for what it is made of."""

    # --- what a user does --------------------------------------------------------------------

    def run_cell(self, step: Step, *, force: bool = False, is_adopted: bool = False) -> Working[Action]:
        """Run a step's own cell: a plain one on the names as they are, a task incrementally.

        Args:
            step: The step.
            force: Whether its body runs even where an earlier result fits.
            is_adopted: Whether its source was adopted already, with all that is said of it.
        """
        if step.plain:
            return (yield from self._run_plain(step))
        # All cells are forced at once, and an effect that is to happen once only by its name.
        force = force and step.effect is not Effect.ONCE
        self._begin(Origin.CELL, forced(self, [step], force=force, is_again=step.id in self._own))
        self._own.add(step.id)
        if is_adopted and _is_adopted(step):
            self._caught_up.discard(step.id)
        else:
            self.adopt_source(step)
        if step.trace is not None and SKIPPED in step.trace.flags:
            step.trace = None  # a skip is never reused
        if (yield from self._bring_each([step], named=True)):
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
        self.sweep.take_in()
        self.adopt_source(step)
        self._note(step, (yield from self._performer.execute_plain(step, self._origin)))
        if self.workspace.keeps_much:
            self._let_go()
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
        else:
            named = self._origin is not Origin.AUTO
            done = yield from self._bring_each(self.in_flow_order(targets), named=named)
            for step in targets:
                if step.id in done and named and step.effect is not None:
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
            for step in self.in_flow_order(targets):
                if self.action.stop is None:
                    yield from self._bring_only(step)
        finally:
            self._settle_flow()
            self._finish()
        return self.action

    def _bring_only(self, step: Step) -> Working[None]:
        check_only(step, self.sweep.view(step), self.book)
        held, stale = step.hold, [above for above in self.stale_above(step) if above is not step]
        if held is not None:
            self.hold(step, None)
        if self._is_done(step) and not stale:
            return
        trace = self.find(step) if step.id not in self._forced else None
        if trace is not None:
            self._reuse(step, trace)
        elif self._may_execute(step, named=True):
            try:
                yield from self._run_as_bound(step, "run")
            except SessionError:
                self.hold(step, held)  # nothing has run, so that nothing takes its place
                raise
        if stale and step.trace is not None and step.id in {*self._executed, *self.action.reused}:
            self.hold(step, only_hold(step.trace, stale, self))

    def remember(self) -> Action:
        """After a restart: find the trace of every step by its source and its present inputs."""
        self._begin(Origin.CATCH_UP)
        self._expect(self.book)
        for step in tuple(self.book):
            # To judge all of them as stale first would take as long again.
            ran, view = step.ran, self.sweep.view_above(step)
            has_failed_here = step.failure and step.standing is Standing.HERE
            if ran is None or step.trace is not None or has_failed_here:
                continue
            trace = self._lookup.found(step, ran, view)
            if trace is not None:
                self._bind(step, trace)
            else:
                self._lookup.compare_with_earlier(step)
        self._settle_flow()
        return self._finish()

    def remember_anew(self) -> None:
        """Find the traces of remembered steps again, which were found while others were held."""
        for step in self.book:
            is_accepted = step.hold is not None and step.hold.entries is not None
            if step.standing is Standing.REMEMBERED and not is_accepted:
                step.trace = None
                self.sweep.touch(step)
        self.remember()

    def adopt(self, step: Step, keys: Collection[str]) -> None:
        """Take names that nobody is known to have made as what this step has made."""
        self._performer.adopt(step, keys)

    def live_reach(self, slot: Slot) -> Reach | None:
        """What the code inside a name's live object may touch; None where it holds nothing."""
        return self._performer.insight.live_reach(slot)

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

    # --- asking, and doing nothing -----------------------------------------------------------

    def missed_by(self, step: Step) -> list[Step]:
        """Who has made what a step's body starts from and nobody has any more."""
        view, ran = self.sweep.view(step), step.ran
        return self._performer.missed(site_of(step, ran, view)) if ran is not None else []

    def is_refused(self, step: Step) -> bool:
        """Whether a trigger of nbflow will not let the step's body run."""
        view, ran = self.sweep.view(step), step.ran
        return ran is not None and self._performer.is_refused(site_of(step, ran, view))

    def seconds_expected(self, step: Step) -> float | None:
        """How long a run of the step's body is expected to take; None where nobody knows."""
        if step.body.one is None or step.ran is None:
            return step.trace.seconds if step.trace is not None else None
        return seconds_expected(site_of(step, step.ran, self.sweep.view(step)), self._performer, self._origin)

    @contextmanager
    def supposing(self) -> Generator[Callable[[Step, Trace], None]]:
        """For a block in which steps may be supposed to stand at other results; gives what lets one."""
        before: dict[Step, tuple[object, ...]] = {}

        def suppose(step: Step, trace: Trace) -> None:
            before.setdefault(step, tuple(getattr(step, name) for name in _STANDS))
            step.take(trace)
            self.sweep.touch(step)

        try:
            yield suppose
        finally:
            for step, values in before.items():
                for name, value in zip(_STANDS, values, strict=True):
                    setattr(step, name, value)
                self.sweep.touch(step)

    # --- beside others -----------------------------------------------------------------------

    def run_aside(self, of: Work) -> None:
        """Run no body on the names of this work: they are not the user's, as those of another are."""
        self._performer.all_names = (self.workspace, of.workspace)
        self._performer.bound_to_names = of._performer.bound_to_names
        self.elsewhere.says = lambda step: True

    @contextmanager
    def lending(self) -> Generator[None]:
        """For a block in which others copy what names hold."""
        self._begin(Origin.CATCH_UP)
        try:
            yield
        finally:
            self._finish()

    def define_missing(self, stand: Mapping[str, Version]) -> None:
        """Make the classes among what is to stand, which no store can put back."""
        self._performer.define_missing(stand)

    def take_over(
        self, made: Mapping[str, Trace], give: Callable[[Mapping[str, Version]], bool]
    ) -> list[Step]:
        """Let steps stand at results that were made beside, where these are what the steps would give now.

        Args:
            made: The results, by step.
            give: Lets the names have a unit that no store has, and says whether they have it.

        Returns:
            The steps that stand at them.
        """
        self._begin(Origin.CATCH_UP)
        steps = self.in_flow_order(step for id in made if (step := self.book.steps.get(id)) is not None)
        taken = [step for step in steps if self._takes_over(step, made[step.id], give)]
        self._settle_flow()
        self._finish()
        return taken

    def _takes_over(self, step: Step, trace: Trace, give: Callable[[Mapping[str, Version]], bool]) -> bool:
        if step.standing is not Standing.HERE or step.hold is not None or step.ran is None:
            return False
        view, before = self.sweep.view(step), step.trace
        found = self.find(step) if self._first_stale_above(step, view) is None else None
        if found is None or found.id != trace.id or (before is not None and before.id == trace.id):
            return False
        self._bind(step, found)
        if all(map(give, by_unit(stand_of(step, self.sweep)))):
            return True
        step.trace = before  # it is computed again where it is needed
        self.sweep.touch(step)
        return False

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
        due, tried = [step for step in self.tasks() if step.id in self._forced], set[str]()
        tried.update(step.id for step in due)
        yield from self._bring_each(due)
        self._recall(tried)
        while due := [step for step in self.sweep.pending() if self._is_due(step, tried)]:
            if self.action.stop is not None:
                return
            self._expect(due)
            tried.update(step.id for step in due)
            yield from self._bring_each(due)

    def _bring_each(self, steps: Iterable[Step], *, named: bool = False) -> Working[set[str]]:
        """Bring these up to date in order; return those that are by it."""
        bring, is_over = partial(self.bring, named=named), lambda: self.action.stop is not None
        steps = list(steps)
        done = yield from self._abreast.each(steps, bring, is_over)
        early = self.elsewhere.too_early() if not is_over() else []
        if early:
            self._forced |= {step.id for step in early}
            early += [self.book.steps[id] for id in self.action.refused]
            done |= yield from self._abreast.each(self._taken_back(early), bring, is_over)
            held_up = {step.id for step in steps} - self._executed
            below = [step for step in self.sweep.pending() if step.id in done | held_up]
            done |= yield from self._abreast.each(self._taken_back(below), bring, is_over)
        return done

    def _taken_back(self, steps: Collection[Step]) -> Collection[Step]:
        """Steps that are to run once more in this action, as if they had not run in it."""
        for step in steps:
            step.failure, step.ended = "", None
            self.sweep.touch(step)
            self._executed.discard(step.id)
            self._settled.discard(step.id)
            self.action.errors.pop(step.id, None)
            self.action.refused.pop(step.id, None)
        return steps

    def _tell_done(self, step: Step) -> None:
        """Whoever names an effect that has happened already is told when."""
        is_told = step.id in {*self._executed, *self.action.reused}
        if step.trace is not None and step.hold is None and not is_told:
            self._reuse(step, step.trace)

    def in_flow_order(self, steps: Iterable[Step]) -> list[Step]:
        """These steps in flow order; those without a place behind all others."""
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
                if trace is not None and not self.absences.misses(step, trace, view):
                    self._reuse(step, trace)

    def _expect(self, steps: Iterable[Step]) -> None:
        self.workspace.store.expect(step.ran.static_key for step in steps if step.ran is not None)

    @staticmethod
    def _is_due(step: Step, tried: Collection[str] = ()) -> bool:
        is_task = not step.plain and step.ran is not None and step.licence is not Licence.USER
        return is_task and not step.idle and step.id not in tried

    def adopt_source(self, step: Step) -> None:
        """The body that its cell has now is the one last run; a trace of another source is none of its."""
        if step.ran is not step.body:
            if step.ran is not None and step.ran.static_key != step.body.static_key:
                step.before, step.ended_on = step.ran, None
            step.ran = step.body
            step.trace = None
        step.standing = Standing.HERE
        step.hold = None
        self._caught_up.discard(step.id)
        step.left, step.shown, step.failure, step.ended = None, None, "", None
        self.sweep.touch(step)

    # --- before and after an action ----------------------------------------------------------

    def write_down(self) -> None:
        """Store what plain cells have made known since the last action of the flow."""
        self._performer.write_down()

    def _begin(self, origin: Origin, forced: Iterable[Step] = ()) -> None:
        self.write_down()
        self._reset(origin, forced)
        self.workspace.take_settings_from_others()
        self.sweep.look_outside()

    def _reset(self, origin: Origin, forced: Iterable[Step] = ()) -> None:
        self.action = Action()
        self.elsewhere.begin()
        self._origin = origin
        self._performer.forced = self._forced = {step.id for step in forced}
        for noted in (self._executed, self._settled, self._repeats):
            noted.clear()
        if self.absences.causes:
            self.absences.forget(but=self._forced)
        self.workspace.begin()

    def _let_go(self) -> None:
        """Let go of the objects without a name that no step gives any more."""
        self.workspace.prune(lambda unit, key: self.sweep.binds(slot_of(key), unit))

    def _finish(self) -> Action:
        self._let_go()
        if self.action.executed:
            # What only was reused can be told again; its history is written with the next batch.
            self.workspace.store.flush()
            self.runs.history.flush()
        self.workspace.close()
        self.sweep.take_stock()
        return self.action

    def _settle_flow(self) -> None:
        self._settle(stand_of_flow(self.sweep, self.workspace, self._settled, self._caught_up))

    def _settle(self, stand: Mapping[str, Version | None]) -> None:
        self._performer.define_missing(stand)
        self.workspace.settle(stand)


def _is_adopted(step: Step) -> bool:
    """Whether adopting the source of a step once more would change nothing."""
    return step.ran is step.body and step.standing is Standing.HERE and step.stands_at(step.trace)
