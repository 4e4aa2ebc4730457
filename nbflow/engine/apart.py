"""The same steps over names of their own: what a body gives when it is run once more.

Everything that it reads is put back from the store alone, functions and classes are made anew over private
names, and nothing that is made is kept: the notebook's names, steps, verdicts and results stay as they are.
"""

from __future__ import annotations

import builtins
import os
import sys
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.engine.apply import Workspace
from nbflow.engine.bind import first_of
from nbflow.engine.book import Book
from nbflow.engine.drive import calls_user_code
from nbflow.engine.enact import StepRuns
from nbflow.engine.observe import Observer
from nbflow.engine.origins import is_same_class, name_of
from nbflow.engine.perform import Performer, site_of
from nbflow.engine.slots import RANDOM, key_of, slot_of
from nbflow.engine.stateful import current_state, loaded_states, restore_state
from nbflow.engine.sweep import Sweep
from nbflow.engine.wiring import value_steps
from nbflow.exceptions import SessionError
from nbflow.retries import NO_RETRIES
from nbflow.states import Origin
from nbflow.store.memory import MemoryHistory
from nbflow.store.protocol import EVERYTHING, Choice, Commit
from nbflow.triggers import all_successful
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from nbflow.engine.bind import Version
    from nbflow.engine.book import Step
    from nbflow.engine.perform import Site
    from nbflow.engine.requests import Working
    from nbflow.engine.trunk import Trunk
    from nbflow.states import State
    from nbflow.store.protocol import InputList, Store
    from nbflow.types import Trace

_NOTHING_DONE: Final = Commit()


class Unchanged:
    """A store whose results can be read, and in which nothing is kept.

    Args:
        store: The notebook's.
        names: The names over which the notebook's code is made again.
    """

    def __init__(self, store: Store, names: dict[str, Any]) -> None:
        self._store = store
        self._names = names
        self.history = MemoryHistory()
        self.notices: Sequence[str] = ()

    def expect(self, static_keys: Iterable[str]) -> None:
        """Do nothing."""

    def lists(self, static_key: str) -> tuple[InputList, ...]:
        """Return the input lists of a code."""
        return self._store.lists(static_key)

    def find(self, action_key: str) -> tuple[Trace, ...]:
        """Return the traces under a key."""
        return self._store.find(action_key)

    def trace(self, id: str) -> Trace | None:
        """Return one trace by its identifier."""
        return self._store.trace(id)

    def reason(self, key: str) -> str:
        """Return why a record is not used."""
        return self._store.reason(key)

    def commit(
        self,
        action_key: str,
        trace: Trace,
        units: Mapping[str, tuple[object, ...]],
        over: dict[str, Any] | None = None,
        choice: Choice = EVERYTHING,
    ) -> Commit:
        """Keep nothing."""
        return _NOTHING_DONE

    def flush(self) -> Mapping[str, str]:
        """Do nothing."""
        return {}

    def put(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep nothing."""
        return "nothing is kept"

    def replace(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep nothing."""
        return "nothing is kept"

    def forgets(self, unit: str) -> bool:
        """Everything goes with the audit."""
        return True

    def discard(self, unit: str) -> None:
        """Do nothing."""

    def has(self, unit: str) -> bool:
        """Whether a unit is stored."""
        return self._store.has(unit)

    def absence(self, unit: str) -> str:
        """Return why a unit cannot be had."""
        return self._store.absence(unit)

    def has_room(self, size: int) -> bool:
        """Return that there is none."""
        return False

    def is_costly(self, unit: str) -> bool:
        """Nothing is left to be loaded later."""
        return False

    def load(self, unit: str, over: dict[str, Any] | None = None) -> tuple[object, ...]:
        """Return a private copy of the members of a unit, over the private names."""
        return self._store.load(unit, self._names)

    def sizes(self) -> Iterable[tuple[str, int]]:
        """Return what is stored."""
        return self._store.sizes()

    def verify(self, unit: str) -> str:
        """Compare a stored unit with its digest."""
        return self._store.verify(unit)

    def close(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class Rerun:
    """What became of a body that was run once more.

    Args:
        state: The state in which its run ended; None where it was not run.
        trace: What it saw and made; None where it has not completed.
        lost: What could not be put back from the store; empty where all could.
        nameless: The digests of what it made that stand for one object only, and compare with nothing.
        error: What it raised.
    """

    state: State | None = None
    trace: Trace | None = None
    lost: str = ""
    nameless: frozenset[str] = frozenset()
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class Apart:
    """Copies of a notebook's steps, each of which can be run once more without a trace.

    Args:
        trunk: The notebook's parts.
    """

    trunk: Trunk
    book: Book = field(init=False)
    sweep: Sweep = field(init=False)
    runs: StepRuns = field(init=False)
    workspace: Workspace = field(init=False)
    """The names over which a body runs now; others for each run."""

    def __post_init__(self) -> None:
        world, sweep = self.trunk.world, self.trunk.sweep
        self.book = _copied(sweep.book)
        self.sweep = Sweep(self.book, sweep.outside.anew())
        self.runs = StepRuns(MemoryHistory(), world.clock)
        self._clear()

    def site(self, step: Step) -> Site:
        """A step of the notebook at its place, among the copies; what it did not draw from is left alone."""
        copied, trace = self.book.steps[step.id], step.bound_trace
        site = site_of(copied, copied.ran or copied.body, self.sweep.view(copied))
        seen = {entry.looked.slot for entry in trace.entries} if trace is not None else set[Slot]()
        idle = [slot for slot in site.slots if slot.kind == RANDOM and slot not in seen]
        units = (versions for versions in site.units if not any(key_of(slot) in versions for slot in idle))
        slots = tuple(slot for slot in site.slots if slot not in idle)
        return msgspec.structs.replace(site, slots=slots, units=tuple(units))

    def rerun(self, step: Step) -> Working[Rerun]:
        """Run a step's body once more on what is bound at its place, over new names."""
        performer, copied = self._clear(), self.book.steps[step.id]
        before, site = copied.trace, with_classes(self.site(step))
        lost = _lost(performer, site, self.workspace)
        if lost:
            return Rerun(lost=lost)
        performer.forced, copied.hold = {copied.id}, None
        try:
            finished = yield from performer.execute(site, Origin.AUDIT)
            observation = finished.observation
            error = observation.error if observation is not None else None
            return Rerun(finished.state, copied.trace, "", self.workspace.nameless(), error)
        finally:
            copied.trace, copied.hold = before, step.hold
            copied.failure, copied.ended = step.failure, step.ended
            self.sweep.touch(copied)

    def read(self, task: Any) -> tuple[Any] | None:
        """The value of a task function for a body that runs apart; None where it is none of the flow.

        Raises:
            SessionError: If it was not put in place before.
        """
        if task.key in self.workspace.names:
            return (self.workspace.private_copy(task.key),)
        wirings = (step.body.wiring for step in value_steps(self.book))
        if any(wiring is not None and wiring.key == task.key for wiring in wirings):
            raise SessionError(f"nobody saw that {task.__name__}() is read here")
        return None

    def wires(self, task: Any) -> str:
        """Nothing: nobody looks at a task function here."""
        return ""

    def _clear(self) -> Performer:
        """Begin with no names; return what executes steps over those to come."""
        world = self.trunk.world
        names: dict[str, Any] = {
            "__name__": world.names.get("__name__", "__main__"),
            "__builtins__": builtins,
        }
        self.workspace = Workspace(names, Unchanged(world.store, names))

        def define(source: str, names: dict[str, Any]) -> None:
            execute(source, names, "<definitions>")

        observer = Observer(self.workspace, self.trunk.files, world.clock, define)
        return Performer(self.book, self.sweep, self.workspace, observer, self.runs)


@calls_user_code
def execute(source: str, names: dict[str, Any], name: str) -> None:
    """Execute plain Python over names."""
    exec(compile(source, name, "exec", dont_inherit=True), names)


def _copied(book: Book) -> Book:
    """Copies of the steps, which nothing but their place and their results decides on."""
    copies = Book(tells_states=book.tells_states, starts_plain=book.starts_plain)
    for step in book.steps.values():
        own = copy(step)
        own.trigger, own.after, own.told, own.named, own.effect = all_successful, (), None, None, None
        own.retries = NO_RETRIES
        copies.steps[step.id] = own
    for step in book:
        copies.append(copies.steps[step.id])
    return copies


def with_classes(site: Site) -> Site:
    """With the classes of values among the inputs, first of all: values find them by their names."""
    known = {key for versions in site.units for key in versions}
    found: dict[str, Version] = {}
    for classes in (first_of(versions).classes for versions in site.units):
        for name, _ in classes:
            version = site.view.bound(slot_of(name_of(name))).version
            if name_of(name) not in known and version and is_same_class(name, classes, version.classes):
                found[name_of(name)] = version
    units = ({key: version} for key, version in found.items())
    made_first = sorted(site.units, key=lambda versions: first_of(versions).output.sort != "class")
    return msgspec.structs.replace(site, units=(*units, *made_first))


def _lost(performer: Performer, site: Site, workspace: Workspace) -> str:
    """The first input that cannot be put back from what is stored; empty where all stand there now."""
    if performer.first_spent(site) is None and performer.prepare(site):
        return ""
    missing = (key for versions in site.units for key in versions if key not in workspace.names)
    return next((key for key in missing if not key.startswith("<")), "an input")


def changes(trace: Trace, site: Site) -> Mapping[Slot, str]:
    """The slots in which a trace left something else than its body found, with the digests.

    Names that only shared memory with what it read, and that it does not reach, are left out: who holds
    them depends on what else was there.
    """
    found = {slot_of(key): version.output.digest for unit in site.units for key, version in unit.items()}
    analysis = site.body.analysis
    own = {slot_of(name) for name in analysis.writes | analysis.maybe_writes | analysis.deletes}
    made = {output.slot: output.digest for output in trace.outputs}
    return {slot: made[slot] for slot in made if slot in own or found.get(slot, made[slot]) != made[slot]}


@contextmanager
def process_kept() -> Generator[None]:
    """Leave what belongs to the whole process as it was: random states, folder, environment, search path."""
    states = {key: current_state(key) for key in loaded_states()}
    folder, variables, path = os.getcwd(), dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        for key, state in states.items():
            restore_state(key, state)
        sys.path[:] = path
        if os.getcwd() != folder:
            os.chdir(folder)
        if dict(os.environ) != variables:
            os.environ.clear()
            os.environ.update(variables)
