"""Performing one execution: inputs put back, the body run and observed, its trace recorded.

What is executed next is not decided here but in `plan.py`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from nbflow.engine.absence import SPENT, Absences
from nbflow.engine.bind import first_of
from nbflow.engine.book import definition_body
from nbflow.engine.configured import Settings, live_settings, put_settings_back, settings_at
from nbflow.engine.counted import loose_in
from nbflow.engine.docstrings import unseen_edits
from nbflow.engine.each import Plan
from nbflow.engine.explain import Explainer
from nbflow.engine.gates import STOPPED, asked_about, upstream_of
from nbflow.engine.ignored import as_left, to_put_back
from nbflow.engine.influence import lasting
from nbflow.engine.insight import Insight
from nbflow.engine.items import Items
from nbflow.engine.labels import Label, is_local_module, next_copy
from nbflow.engine.left import note_end
from nbflow.engine.meanwhile import sure, with_found
from nbflow.engine.observation import not_started
from nbflow.engine.origins import version_of
from nbflow.engine.outward import Once
from nbflow.engine.reasons import reasons_to_run
from nbflow.engine.record import (
    NOTHING_SEEN,
    Maker,
    Seen,
    adopted_trace,
    key_of_trace,
    make_trace,
    outputs_in_memory,
    see_bound,
    see_live,
    skipped_trace,
)
from nbflow.engine.reimport import NO_IMPORTS, are_modules, with_imports
from nbflow.engine.requests import Execution
from nbflow.engine.setters import note_run, with_sets
from nbflow.engine.sites import Site, lists_of, say_who_failed, site_of, with_own
from nbflow.engine.slots import is_kept_in_memory, key_of, slot_of
from nbflow.engine.stateful import STATEFUL, patches
from nbflow.engine.storing import Storing
from nbflow.engine.verify import begun_slot
from nbflow.exceptions import StorageError
from nbflow.states import Origin, State
from nbflow.triggers import BuiltIn, Gate, judge
from nbflow.types import FILE, NO_NAMES, OPEN, UNBOUND, Cause, Effect, Entry, Looked, Slot, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.effects import Call
    from nbflow.engine.enact import Executing, Finished, StepRuns
    from nbflow.engine.observation import Observation
    from nbflow.engine.observe import Observer
    from nbflow.engine.reached import Reached
    from nbflow.engine.reimport import Imports
    from nbflow.engine.requests import Observing
    from nbflow.engine.sweep import Sweep
    from nbflow.triggers import Edge


def _as_it_is(trace: Trace) -> Trace:
    return trace


class _Doing(msgspec.Struct, frozen=True):
    """What makes an observation, which effects it visibly has, and what else belongs to its trace."""

    attempt: Callable[[Call], Observing]
    effects: frozenset[str]
    joined: Callable[[Trace], Trace] = _as_it_is


class Performer:
    """Executes steps on the workspace and records what they did.

    Args:
        book: The steps.
        sweep: Their verdicts.
        workspace: The names.
        observer: Runs bodies.
        runs: Gives each execution its run.
    """

    def __init__(
        self, book: Book, sweep: Sweep, workspace: Workspace, observer: Observer, runs: StepRuns
    ) -> None:
        self._book = book
        self._sweep = sweep
        self.workspace = workspace
        self._observer = observer
        self._runs = runs
        self._storing = Storing(book, workspace)
        self.hands = workspace, observer, runs, sweep, self._storing
        self.insight = Insight(book, sweep, workspace)
        self.forced: Collection[str] = ()
        self.bound_to_names: dict[str, str] = {}
        """Why bodies have to run on the user's names, as a run elsewhere has shown; by static key."""
        self.all_names: tuple[Workspace, ...] = (workspace,)
        """All names under which objects may stand that belong to the process, as modules do."""
        self.absences = Absences(sweep, workspace)
        self._unwritten: list[Trace] = []
        self._nothing_asked = msgspec.structs.replace(
            NOTHING_SEEN, settings=live_settings(workspace, NO_NAMES)
        )
        self._explainer = Explainer(sweep, workspace, runs.history)

    @property
    def is_aside(self) -> bool:
        """Whether the names are not the user's, so that no body runs on them."""
        return len(self.all_names) > 1

    def over(self, workspace: Workspace) -> tuple[Book, Sweep, Workspace, Observer, StepRuns]:
        """What one like it over other names is made of."""
        return self._book, self._sweep, workspace, self._observer.over(workspace), self._runs.abreast()

    def first_spent(self, site: Site) -> Step | None:
        """The producer of the first input that is neither live nor stored nor made by a definition."""
        for versions in self._missed(site):
            step = self._book.steps[first_of(versions).step]
            self.absences.note_missed(step, versions)
            return step
        return self._writer_of_lost_file(site)

    def missed(self, site: Site) -> list[Step]:
        """The producers of all such inputs."""
        return [self._book.steps[first_of(versions).step] for versions in self._missed(site)]

    def _missed(self, site: Site) -> Iterator[Mapping[str, Version]]:
        for versions in to_put_back(site, self.workspace):
            if not self._is_defined(versions) and not self.workspace.is_available(versions):
                yield versions

    def _writer_of_lost_file(self, site: Site) -> Step | None:
        """Who wrote the file that the body is bound to, where a later step wrote another since."""
        if site.step.trace is None and site.body.writes_files:
            return None  # the paths in its source may be what it writes
        for slot in lasting(site.step, site.body, site.view):
            version = site.view.bound(slot).version if slot.kind == FILE and self._reads(site, slot) else None
            known = version.output.digest if version is not None else OPEN
            if version is not None and known not in (OPEN, self._sweep.outside.digest(slot)):
                writer = self._book.steps[version.step]
                self.absences.causes[writer.id] = Cause(SPENT, slot.locator, after="overwritten")
                return writer
        return None

    def _reads(self, site: Site, slot: Slot) -> bool:
        trace = site.step.trace
        return trace is None or any(entry.looked.slot == slot for entry in trace.entries)

    def prepare(self, site: Site) -> bool:
        """Put every input of a body back; False where one turns out to be lost."""
        self.store_plain_inputs(site)
        if not self.put_back(site):
            return False
        self.store_plain_inputs(site)  # what did not stand there before does now
        return True

    def execute(self, site: Site, origin: Origin) -> Executing:
        """Run a body on what is bound at its place, which was put there by `prepare`."""
        step, body = site.step, site.body
        upstream, states = self._upstream(site)
        asked = (*self.insight.asked(step, body, site.writers), *states)
        imports = self.imports(asked, site.view) if asked else NO_IMPORTS
        seen = see_bound(body, with_imports(site.slots, imports), site.view, asked)
        seen = msgspec.structs.replace(seen, upstream=upstream, settings=self._settings(site))
        reach = self.insight.reached(step, body, site.slots, site.writers, seen)
        effects = reach.effects | imports.altered
        if body.one is not None:
            items = self.items(site, asked, origin)
            doing = _Doing(items.attempt, effects, items.joined)
            return (yield from self._run(step, body, seen, doing, origin))
        doing = _Doing(partial(self.attempt, site, reach), effects)
        if step.effect is not Effect.ONCE:
            return (yield from self._run(step, body, seen, doing, origin))
        begun = begun_slot(step, body, site.view, self._sweep.outside, self._book)
        once = Once(self.workspace.marks, begun.locator, self._runs.now)
        doing = msgspec.structs.replace(doing, attempt=once.attempt(doing.attempt))
        finished = yield from self._run(step, body, seen, doing, origin)
        if once.has_begun:  # and not refused by its trigger
            self.workspace.store.flush()  # its result is on disk before the mark says so
            once.ended(finished, step.trace)
            self._sweep.look_outside((begun,))  # else it would be said to be unsure until somebody looks
        return finished

    def imports(self, asked: Iterable[Entry], view: View) -> Imports:
        """What a body at the view's place imports of the user's modules."""
        return self._observer.imports(asked, view)

    def attempt(self, site: Site, reach: Reached, call: Call) -> Observing:
        """Run a body once; each attempt starts from what is bound: a failed one may have changed that."""
        if self.put_back(site):
            units = to_put_back(site, self.workspace)
            execution = self._execution(site.step, site.body, call)
            observation = yield from self._observer.run(execution, reach, hide=True)
            say_who_failed(observation.error, site, self._book)
            return as_left(observation, units, site)
        lost = StorageError(f"{site.step.name} changed its inputs before it failed, and they are not stored.")
        return not_started(call, lost)

    def _execution(self, step: Step, body: Body, call: Call) -> Execution:
        return Execution(step, body, call, self.workspace, self.workspace.elsewhere)

    def items(self, site: Site, asked: tuple[Entry, ...], origin: Origin, *, anew: bool = False) -> Items:
        """What runs the items of a mapped step."""
        return Items(self.plan(site, asked, origin, anew=anew), self.hands)

    def plan(self, site: Site, asked: tuple[Entry, ...], origin: Origin, *, anew: bool = False) -> Plan:
        """What the items of a mapped step have in common.

        Code within the elements counts as read; the list that they come from only where the body reads it.
        """
        step, one = site.step, site.body.one or site.body
        names, lists = frozenset(name for name, _ in site.body.mapped), lists_of(site)
        slots = tuple(slot for slot in site.slots if slot.locator not in names | lists)
        seen, anew = see_bound(one, slots, site.view, asked), anew or step.id in self.forced
        seen = msgspec.structs.replace(seen, settings=self._settings(site))
        reach = self.insight.reached(step, one, site.slots, site.writers, seen)
        reach = msgspec.structs.replace(
            reach,
            inputs=tuple(key for key in reach.inputs if key not in names | lists),
            keys=(reach.keys | names) - lists,
            uncertain=reach.uncertain - names - lists,
        )
        return Plan(step, site.body, site.view, seen, reach, partial(self.put_back, site), origin, anew)

    def is_refused(self, site: Site) -> bool:
        """Whether a trigger of nbflow will not let a body run; one of the user's own is asked only once."""
        step = site.step
        if not isinstance(step.trigger, BuiltIn):
            return False
        skips = step.skip_on_upstream_skip
        verdict = judge(step.trigger, self._above(site), skip_on_upstream_skip=skips)
        return verdict.gate is not Gate.RUN

    def _upstream(self, site: Site) -> tuple[Mapping[Edge, State], tuple[Entry, ...]]:
        """How the tasks above ended, for the trigger, and as entries where it asks for more than success."""
        slots = asked_about(site.step, site.slots, site.view, self._book)
        if not slots:
            return self._above(site), ()
        found = [(slot, site.view.bound(slot).version) for slot in slots]
        entries = [
            Entry(Looked(slot), version.output.digest if version else UNBOUND) for slot, version in found
        ]
        return self._above(site), tuple(entries)

    def _above(self, site: Site) -> Mapping[Edge, State]:
        """How the tasks above it ended, for the trigger."""
        where = site.step, site.slots, site.view, self._book
        return upstream_of(*where, lambda each: self._sweep.judgement(each).verdict)

    def execute_plain(self, step: Step, origin: Origin) -> Executing:
        """Run a plain cell on the names as they are."""
        body, labels = step.body, self.workspace.labels
        if not body.only_computes:
            self.workspace.take_settings_from_others()
            put_settings_back(step, lambda: self._sweep.view(step), self.workspace)
        elif not patches() and labels.keys().isdisjoint(STATEFUL):
            alone = self.insight.reached_alone(step, body)
            if alone is not None:
                return (yield from self._run_reached(step, self._nothing_asked, alone, origin))
        seeded = [slot_of(key) for key in STATEFUL if key in labels]
        slots = (*self.insight.live_slots(body), *seeded)
        keys = tuple(map(key_of, slots))
        self.workspace.ensure(keys)
        found = [label for key in keys if key not in STATEFUL and (label := labels.get(key)) is not None]
        writers = frozenset([label.version.step for label in found if label.version])
        asked = self.insight.asked(step, body, writers)
        imports = self.imports(asked, self._sweep.view(step)) if asked else NO_IMPORTS
        seen = see_live(body, with_imports(slots, imports), self.workspace, asked)
        used = self.insight.uses(body, slots, writers)
        seen = msgspec.structs.replace(seen, settings=live_settings(self.workspace, used))
        reach = self.insight.reached(step, body, slots, writers, seen)
        return (yield from self._run_reached(step, seen, reach, origin, imports.altered))

    def _run_reached(
        self, step: Step, seen: Seen, reach: Reached, origin: Origin, also: frozenset[str] = NO_NAMES
    ) -> Executing:
        """Run a plain cell given what it sees and reaches, and effects that its text does not tell."""
        body = step.body

        def attempt(call: Call) -> Observing:
            return self._observer.run(self._execution(step, body, call), reach)

        return (yield from self._run(step, body, seen, _Doing(attempt, reach.effects | also), origin))

    def _settings(self, site: Site) -> Settings:
        """How libraries are set at a body's place."""
        used = self.insight.uses(site.body, site.slots, site.writers)
        return settings_at(site.view, self.workspace, used)

    def adopt(self, step: Step, keys: Collection[str]) -> None:
        """Take names that nobody is known to have made as what a step has made.

        They come from before nbflow watched: they count by value, and nothing tells how they arose.
        """
        strangers = frozenset(keys) - self.workspace.versioned()
        outputs = self._observer.taken(step, strangers & self.workspace.names.keys())
        before = step.trace.outputs if step.trace is not None else ()
        step.trace, step.ran = adopted_trace(step, (*before, *outputs)), step.body
        self._take(step, step.trace, NOTHING_SEEN)
        self._sweep.touch(step)

    # --- inputs ------------------------------------------------------------------------------

    def put_back(self, site: Site) -> bool:
        """Put every input of a body in place; False where one turns out to be lost."""
        for key in (*site.unbound, *self.workspace.set_besides(site.slots)):
            self.workspace.unbind(key)
        units = to_put_back(site, self.workspace)
        if not units:
            return True
        for _ in range(len(units) + 1):
            # All of them even where one is spent, so that each loss is known at once.
            placed = [self.workspace.place(versions) or self._define(versions) for versions in units]
            # A class that was made anew outdates what was made of the old one and stood already.
            if not all(placed) or all(map(self.workspace.holds_together, units)):
                return all(placed)
        return False

    def _is_defined(self, versions: Mapping[str, Version]) -> bool:
        """Whether the unit is one class that its step's source defines, or modules to be loaded anew."""
        if len(versions) > 1:
            is_lost = next(iter(versions.values())).output.unit in self.workspace.lost
            return not is_lost and are_modules(versions, self.workspace.names)
        (version, *others) = versions.values()
        ran = self._book.steps[version.step].ran
        name = version.output.slot.locator
        made = version.output.sort == "class" or is_local_module(version.output)
        can_be = made and version.output.unit not in self.workspace.lost
        return not others and can_be and ran is not None and name in ran.analysis.definitions

    def _define(self, versions: Mapping[str, Version]) -> bool:
        """Make a class or a module again by running what defines it, which computes nothing."""
        if not self._is_defined(versions):
            return False
        if self._observer.load_anew(versions) if len(versions) > 1 else self._run_definition(versions):
            return True
        # Then its whole step has to run again.
        self.workspace.lost.add(next(iter(versions.values())).output.unit)
        return False

    def _run_definition(self, versions: Mapping[str, Version]) -> bool:
        ((key, version),) = versions.items()
        site = self._definition(versions)
        return site is not None and self.put_back(site) and self._observer.define(site.body, key, version)

    def _definition(self, versions: Mapping[str, Version]) -> Site | None:
        """The definition of a class at its place; None of modules that are loaded anew together."""
        ((key, version), *others) = versions.items()
        step = self._book.steps[version.step]
        if step.ran is None or others:
            return None
        site = site_of(step, definition_body(step.ran, key), self._sweep.view(step))
        return with_own(site, step.ran, self._sweep.judgement(step))

    def store_inputs(self, site: Site) -> None:
        """Store the plain inputs of a body that are not stored yet, and those of classes among them."""
        self.store_plain_inputs(site)
        made = [self._definition(versions) for versions in site.units if self._is_defined(versions)]
        for definition in filter(None, made):
            self.store_inputs(definition)

    def define_missing(self, stand: Mapping[str, Version | None]) -> None:
        """Make the classes among what is to stand, which no store can put back."""
        for key, version in stand.items():
            versions = {key: version} if version is not None and len(version.output.members) == 1 else {}
            if versions and self._is_defined(versions) and not self.workspace.is_available(versions):
                self._define(versions)

    def store_plain_inputs(self, site: Site) -> None:
        """A plain input is stored with the first trace that reads it, so that re-running starts from it."""
        store = self.workspace.store
        for versions in site.units:
            version = next(iter(versions.values()))
            if self._book.steps[version.step].plain and self._is_live_and_whole(versions):
                members = version.output.members
                store.put(version.output.unit, tuple(self.workspace.get(key) for key in members))

    def _is_live_and_whole(self, versions: Mapping[str, Version]) -> bool:
        """Whether the names hold the whole unit."""
        members = next(iter(versions.values())).output.members
        return self.workspace.holds_together(versions) and len(versions) == len(members)

    # --- the run and its trace ---------------------------------------------------------------

    def _causes(self, step: Step, seen: Seen) -> tuple[Cause, ...]:
        if step.id in self.absences.causes:
            return (self.absences.causes[step.id],)
        forced = step.id in self.forced
        causes = reasons_to_run(step, self._sweep, self.workspace, seen.upstream, forced=forced)
        return self._explainer.named(step, causes)

    def _run(self, step: Step, body: Body, seen: Seen, doing: _Doing, origin: Origin) -> Executing:
        is_own_plain = step.plain and origin is Origin.CELL  # which must cost nothing noticeable
        causes = () if is_own_plain else self._causes(step, seen)
        seeded = self.workspace.labels.keys() & STATEFUL.keys()
        finished = sure(
            (yield from self._runs.execute(step, doing.attempt, origin, causes, seen)),
            seen.asked,
            self._sweep.outside,
        )
        observation = finished.observation
        effects = doing.effects | unseen_edits(seen.texts, self._book, self.workspace.get)
        maker = Maker(step, finished.run, self._runs.notebook, effects)
        if not finished.state.is_completed() or observation is None or not observation.is_whole:
            self._fail(step, finished)
            note_end(maker, body, seen, observation)
            if step.left is not None:
                self._take(step, step.left, seen)
                self._forget_unseeded(step.left, seeded)
            return finished
        seen = with_found(seen, observation, step, body, self._sweep)
        trace = with_sets(doing.joined(make_trace(maker, body, seen, observation)), observation)
        if finished.state.is_skipped():
            trace = skipped_trace(trace)
        elif is_own_plain:
            self._unwritten.append(trace)
            self._runs.keep(trace.run, key_of_trace(trace), trace)
        else:
            self._commit(step, trace, observation, effects)
        self._take(step, trace, seen)
        self._forget_unseeded(trace, seeded)
        step.take(trace)
        note_run(trace)
        self._sweep.touch(step)
        if observation.touched_outside:
            self._sweep.look_around()
        return finished

    def write_down(self) -> None:
        """Store the traces of plain cells that the user ran."""
        unwritten, self._unwritten = self._unwritten, []
        for trace in unwritten:
            self.workspace.store.commit(key_of_trace(trace), trace, {})
            if trace.entries and trace.step in self._book.steps:
                view = self._sweep.view_above(self._book.steps[trace.step])
                self._explainer.sources.keep(trace.entries, view)

    def _fail(self, step: Step, finished: Finished) -> None:
        """Without a whole execution the step has no trace, whatever it left behind.

        One whose body did not even start keeps what it has for when it is up to date again by itself.
        """
        observation, state = finished.observation, finished.state
        step.ended = state if not state.is_completed() or state.is_skipped() else None
        is_over = state.name == "TimedOut"  # the state tells the limit; the observation, that there was one
        seen = observation.failure if observation is not None and not is_over else ""
        step.failure = "" if state.is_skipped() or state.is_paused() else seen or state.message
        if state.is_cancelled():
            step.failure = STOPPED
        self._sweep.touch(step)
        if observation is not None:
            step.trace = None
            self._sweep.look_around()

    def _commit(self, step: Step, trace: Trace, seen: Observation, effects: Collection[str]) -> None:
        view = self._sweep.view(step) if trace.entries else None
        key = key_of_trace(trace, loose_in(trace, step, view, self._book) if view is not None else ())
        self._storing.commit(step, trace, key, seen, effects)
        self._runs.keep(trace.run, key, trace)
        if view is not None:
            self._explainer.sources.keep(trace.entries, view)

    def _forget_unseeded(self, trace: Trace, seeded: AbstractSet[str]) -> None:
        """A generator that nobody has seeded yet holds nothing that a cell could be said to read."""
        new = (self.workspace.labels.keys() & STATEFUL.keys()) - seeded
        made = {key_of(output.slot) for output in outputs_in_memory(trace)} if new else new
        for key in new - made:
            self.workspace.label(key, None)

    def _take(self, step: Step, trace: Trace, seen: Seen) -> None:
        """Let the names that a step has bound hold the versions that it made."""
        copy = next_copy()
        for output in trace.outputs:
            if not is_kept_in_memory(output.slot):
                continue
            key = key_of(output.slot)
            self.workspace.note(key)
            version = version_of(step.id, trace, output, seen.classes_of)
            if version is None:
                self.workspace.label(key, None)
            else:
                label = self.workspace.labels[key]
                self.workspace.label(key, Label(output.digest, label.memory, version, label.classes, copy))
