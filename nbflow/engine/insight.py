"""What is known of a body before it runs: what it reaches in memory, and what it asks for outside."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.names import MAIN
from nbflow.analysis.patches import leading_imports, patched_in, together
from nbflow.analysis.result import Analysis
from nbflow.engine.again import earlier_run, offered_all
from nbflow.engine.book import definition_body
from nbflow.engine.influence import as_used, with_patches
from nbflow.engine.libraries import LIBRARIES
from nbflow.engine.outward import definitions_of, effects_of
from nbflow.engine.own_modules import (
    has_own_modules,
    made_by_imports,
    modules_in,
    own_modules,
    patching_of_own,
    reach_main,
)
from nbflow.engine.patches import touched
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.reached import Reached
from nbflow.engine.record import outputs_in_memory
from nbflow.engine.slots import NAME, SETTINGS, UNKNOWN, WORKING_FOLDER, key_of, slot_of
from nbflow.engine.stateful import patches
from nbflow.engine.uses import draws_by, reads_lazily, used_settings
from nbflow.store.modules import is_missing
from nbflow.types import NO_REACH, UNBOUND, Entry, Looked, Slot

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nbflow.analysis.patches import Patching
    from nbflow.engine.apply import Workspace
    from nbflow.engine.book import Body, Book, Step
    from nbflow.engine.record import Seen
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Reach

_NOTHING_TOLD: Final = Analysis()
ANY_NAME: Final = "names: "
"""How the effect begins that code reads such names."""


class Insight:
    """What bodies reach on the names of one workspace, and what they ask for outside.

    Args:
        book: The steps.
        sweep: What the slots outside hold.
        workspace: The names.
    """

    def __init__(self, book: Book, sweep: Sweep, workspace: Workspace) -> None:
        self._book = book
        self._sweep = sweep
        self._workspace = workspace

    def live_reach(self, slot: Slot) -> Reach | None:
        """What the code inside a name's live object may touch; None where it holds nothing of the user's."""
        key = key_of(slot)
        if key not in self._workspace.names and slot.kind != SETTINGS:
            return None
        label = self._workspace.labels.get(key)
        if label is not None and label.version is not None:
            return label.version.output.reach
        if key in self._workspace.of_shell or slot.kind == SETTINGS:
            return None
        return NO_REACH if is_placeholder(self._workspace.names[key]) else self._workspace.look(key).reach

    def live_slots(self, body: Body) -> tuple[Slot, ...]:
        """The slots that a body may read, by what stands under the names now."""
        touches = partial(touched, patches(), body, loads_own=self._loads_own()) if patches() else None
        return with_patches(body, self.live_reach, self._ran_by, touches)

    def _loads_own(self) -> bool:
        """Whether code may be in values that nobody has looked at, while attributes are followed."""
        return bool(patches()) and has_own_modules(self._book.steps.values())

    def _ran_by(self, slot: Slot) -> Body | None:
        label = self._workspace.labels.get(key_of(slot))
        version = label.version if label is not None else None
        return self._book.steps[version.step].ran if version is not None else None

    def reached(
        self,
        step: Step,
        body: Body,
        slots: tuple[Slot, ...],
        writers: Collection[str],
        seen: Seen,
    ) -> Reached:
        """What has to be looked at to see what a body does.

        Args:
            step: The step.
            body: Its body, or that of an item of it.
            slots: What it reaches in memory.
            writers: The steps that made the names among it.
            seen: What it sees in memory.
        """
        others, keys = self.others(body, writers), tuple([key_of(slot) for slot in slots])
        told = _told(body, tuple(others), keys)
        last = frozenset([key_of(output.slot) for output in outputs_in_memory(step.trace)])
        last = last if told.complete else last | self._left(step) | offered_all(body)
        uncertain = (told.may_bind | last).difference(body.analysis.writes, keys)
        effects = told.effects | self._lazily(keys) if keys else told.effects
        looks_into_main = bool(told.own_modules) and reach_main(told.own_modules)
        if looks_into_main:
            effects |= {f"{ANY_NAME}{MAIN}"}
        return Reached(
            inputs=keys,
            keys=told.names.union(keys, last),
            uncertain=uncertain,
            earlier=earlier_run(step.trace, body, seen) if uncertain else None,
            complete=told.complete and not looks_into_main,
            reseeds=body.reseeds or (bool(others) and any(self._may_seed(ran, keys) for ran in others)),
            effects=effects,
            settings=seen.settings.used if seen.settings is not None else frozenset(),
            paths=self._paths(body, slots),
            patching=(patching := _patching(told)),
            leading=leading_imports(body.source) if patching else (),
            modules=frozenset(_imports(body, others)),
            imported=made_by_imports(body, self._workspace.labels.keys() & LIBRARIES.keys()),
        )

    def reached_alone(self, step: Step, body: Body) -> Reached | None:
        """What `reached` tells of a body that asks for nothing at all, be it in memory or outside.

        None where it asks for something, or its step has made more than its text tells.
        """
        if step.parameters or not _is_alone(body):
            return None
        made = step.trace.outputs if step.trace is not None else ()
        bound = body.analysis.writes.issuperset([output.slot.locator for output in made])
        return _alone(body) if bound else None

    def _left(self, step: Step) -> frozenset[str]:
        """What a step made in ways that its text did not tell: edited, it may bind that once more, unseen."""
        told = step.before.analysis if step.before is not None else _NOTHING_TOLD
        made = self._workspace.made_by(step.id, self._workspace.labels)
        return made - told.writes - told.maybe_writes

    def _lazily(self, keys: Iterable[str]) -> frozenset[str]:
        """The effects of reading what has yet to be read: who collects it opens files that nobody sees."""
        names: dict[str, object] = self._workspace.names
        lazy = [key for key in keys if reads_lazily(names.get(key))]
        reaches = ((key, self.live_reach(slot_of(key))) for key in lazy)
        return frozenset(
            f"native: {type(names[key]).__name__}" for key, reach in reaches if reach and reach.paths
        )

    def uses(self, body: Body, slots: tuple[Slot, ...], writers: Collection[str]) -> frozenset[str]:
        """The keys of the settings of libraries that a body may look at."""
        if not (slots or body.analysis.imports):
            return frozenset()
        others, keys = tuple(self.others(body, writers)), tuple([key_of(slot) for slot in slots])
        names = self._workspace.names
        values = [value for key in keys if not is_placeholder(value := names.get(key))]
        imported = [slot.locator for slot in _asks(body, others)[1]]
        told = _told(body, others, keys)
        # What nobody changes any more is nobody's input.
        labels, ambient = self._workspace.labels, self._workspace.ambient
        changed = [patch for patch in patches() if patch.key in labels or ambient(patch.key)]
        near = touched(changed, body, others, loads_own=self._loads_own())
        return used_settings(values, imported, draws=told.draws).union([patch.key for patch in near])

    def _may_seed(self, ran: Body, keys: Iterable[str]) -> bool:
        """Whether code that a body has made, and not only computed or imported, may set a random state."""
        made = ran.analysis.writes.union(ran.analysis.maybe_writes).intersection(keys)
        return ran.reseeds and any(self._holds_seeding(ran, key) for key in made)

    def _holds_seeding(self, ran: Body, key: str) -> bool:
        definition = ran.analysis.definitions.get(key)
        if definition is not None:
            return definition.kind != "import" and definition_body(ran, key).reseeds
        reach = self.live_reach(slot_of(key))
        return reach is None or reach.changes_arguments or callable(self._workspace.names.get(key))

    def others(self, body: Body, writers: Collection[str]) -> list[Body]:
        """The bodies that made the code which a body may call."""
        others = self._bodies_of(writers)
        return [ran for ran in others if ran is not body] if others else others

    def _bodies_of(self, writers: Collection[str]) -> list[Body]:
        if not writers:
            return []
        return [ran for writer in writers if (ran := self._book.steps[writer].ran) is not None]

    def _paths(self, body: Body, slots: Collection[Slot]) -> frozenset[str]:
        """Strings that may be meant as paths, in the body and in code that it may call."""
        if not slots:
            return body.paths
        named = [slot for slot in slots if slot.kind == NAME]
        reaches = {slot.locator: reach for slot in named if (reach := self.live_reach(slot))}
        return body.paths.union(*[reach.paths for reach in as_used(body, reaches)])

    def asked(self, step: Step, body: Body, writers: Collection[str]) -> tuple[Entry, ...]:
        """Entries for the slots outside that the source, or code that it may call, names."""
        variables, modules = _asks(body, tuple(self._bodies_of(writers)))
        slots = (*variables, *step.parameter_slots, *modules)
        if not slots:
            return ()
        outside = self._sweep.outside
        if step.plain:
            self._sweep.look_outside(slots)
        known = ((slot, outside.digest(slot)) for slot in slots)
        return tuple(
            # What nobody can tell now compares with nothing later: such a result is never fresh.
            Entry(Looked(slot), digest or UNKNOWN, outside.show(slot))
            for slot, digest in known
            if digest != UNBOUND or _counts_unbound(slot)
        )


def _counts_unbound(slot: Slot) -> bool:
    """Whether it counts that there is nothing: a variable may be set later, a module appear."""
    if slot.kind in ("module", "package"):
        return is_missing(slot.locator)
    return slot.kind in ("environment", "parameter")


class _Told(msgspec.Struct, frozen=True):
    """What the sources of a body and of those that made the code which it may call say of running it.

    Args:
        names: The names that it may bind or delete.
        may_bind: Those that it may bind or not.
        complete: Whether the analysis saw everything.
        effects: What it visibly does outside.
        draws: Whether it speaks as code does that has a library draw.
        patching: What it may change about modules and classes, by its own text.
        own_modules: The modules of the user's own that it imports.
    """

    names: frozenset[str]
    may_bind: frozenset[str]
    complete: bool
    effects: frozenset[str]
    draws: bool
    patching: Patching
    own_modules: frozenset[str]


@lru_cache(maxsize=20_000)
def _is_alone(body: Body) -> bool:
    """Whether a body binds names to what its text says, and does nothing else."""
    told = body.analysis
    asks = body.reads or told.environment or told.imports or body.asks_folder or body.paths
    may = told.maybe_writes or told.deletes or told.deferred_reads or body.reseeds
    is_plain = body.only_computes and told.complete and body.wiring is None and not body.mapped
    return is_plain and not (asks or may or _told(body, (), ()).patching)


@lru_cache(maxsize=20_000)
def _alone(body: Body) -> Reached:
    told = _told(body, (), ())
    return Reached((), told.names, effects=told.effects)


@lru_cache(maxsize=20_000)
def _told(body: Body, others: tuple[Body, ...], keys: tuple[str, ...]) -> _Told:
    analysis, called = body.analysis, definitions_of(others, keys)
    # Code that it calls may bind names, too: those that the cells defining that code speak of.
    may_bind = analysis.maybe_writes.union(*[definition.writes for definition in called])
    names = may_bind | analysis.writes | analysis.deletes
    bodies = (body, *others)
    complete = all(ran.analysis.complete for ran in bodies)
    draws = draws_by([body.source, *(call.path for definition in called for call in definition.calls)])
    patching = together([patched_in(ran.source) for ran in bodies])
    own = own_modules(bodies)
    return _Told(names, may_bind, complete, effects_of(body, called), draws, patching, own)


def _patching(told: _Told) -> Patching:
    """What a body may change about modules and classes, also by code of modules of the user's own."""
    if not told.own_modules:
        return told.patching
    return together((told.patching, *patching_of_own(told.own_modules)))


@lru_cache(maxsize=20_000)
def _asks(body: Body, later: tuple[Body, ...]) -> tuple[tuple[Slot, ...], tuple[Slot, ...]]:
    """The environment variables and the working folder, and modules with their packages, that bodies name."""
    if not (later or body.analysis.environment or body.analysis.imports or body.asks_folder):
        return (), ()
    variables = body.analysis.environment.union(*[ran.analysis.environment for ran in later])
    modules = _imports(body, later)
    # What it only defines does not run.
    running = later if body.only_defines else (body, *later)
    folder = (WORKING_FOLDER,) if any(ran.asks_folder for ran in running) else ()
    return (
        (*(Slot("environment", name) for name in sorted(variables)), *folder),
        tuple(Slot(kind, module) for module in modules for kind in ("module", "package")),
    )


def _imports(body: Body, later: Collection[Body]) -> list[str]:
    """The modules that a body imports, and those that functions import when it calls them."""
    if not (later or body.analysis.imports):
        return []
    deferred = [item for ran in later for item in ran.analysis.imports if item.deferred]
    return sorted(modules_in((*body.analysis.imports, *deferred)))
