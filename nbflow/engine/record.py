"""Recording: what a body could see, and the trace of a completed execution; the only maker of traces.

A trace is made once, after a completed execution, and only if every entry is what the body could
have seen (invariant I1).
"""

from __future__ import annotations

import os
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis import changes_outside, is_native, may_set, writes_natively
from nbflow.engine.again import UNDECIDED
from nbflow.engine.bind import unit_digest
from nbflow.engine.configured import Settings  # noqa: TC001 - records are made by these annotations
from nbflow.engine.differences import PYTHON, PYTHON_VERSION, with_sharers
from nbflow.engine.docstrings import texts_of
from nbflow.engine.gates import SKIPPED
from nbflow.engine.keeping import CHANGES, NOT_COMPARED, NOT_REUSED
from nbflow.engine.libraries import set_in
from nbflow.engine.origins import NONE, seen_as, shown_as
from nbflow.engine.quiet import QUIET
from nbflow.engine.reimport import ALTERED
from nbflow.engine.shown import not_compared
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, is_kept_in_memory, key_of, slot_of
from nbflow.engine.verify import unit_key, version_key
from nbflow.exceptions import InternalError
from nbflow.store.digests import digest as value_digest
from nbflow.store.digests import key_digest
from nbflow.store.events import UNPICKLES
from nbflow.store.protocol import HAPPENS_ONCE, Given
from nbflow.store.settlement import NOTHING
from nbflow.types import FILE, NO_NAMES, TASK_VALUE, UNBOUND, Effect, Entry, Looked, Output, Slot, Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Body, Step
    from nbflow.engine.observation import Observation
    from nbflow.engine.origins import Classes
    from nbflow.states import State
    from nbflow.store.watching import Watch
    from nbflow.triggers import Edge


def new_id(at: float) -> str:
    """A unique identifier; one made later is greater, so that a database adds it at its end.

    Args:
        at: When it is made, seconds since the epoch.
    """
    return f"{int(at * 1e6):016x}{_chance.getrandbits(64):016x}"


_chance: Final = Random(os.urandom(16))
"""Where identifiers come from: one question to the system, not one a run."""

if hasattr(os, "register_at_fork"):
    # A child must not give the identifiers that its parent gives.
    os.register_at_fork(after_in_child=lambda: _chance.seed(os.urandom(16)))


class Seen(msgspec.Struct, frozen=True):
    """What a body could see in memory before it ran.

    Args:
        entries: An entry for each slot that it reaches, by slot.
        units: For each of them the content of its whole unit, and that unit's keys.
        parts: For a local module of which the body uses some attributes, an entry for each.
        asked: Entries for the slots outside that its source names, and for how tasks above ended.
        texts: Entries for what documents the functions whose docstrings and the like it may look at,
            each with the step that made the function.
        classes: The notebook's classes inside what each slot holds, where there are some.
        upstream: What its trigger is given.
        inputs: For each name that it reaches, where the store has its value, or would have it.
        settings: How libraries are set; None where nobody has looked.
    """

    entries: Mapping[Slot, Entry]
    units: Mapping[Slot, tuple[str, frozenset[str]]]
    parts: Mapping[Slot, tuple[Entry, ...]] = {}
    asked: tuple[Entry, ...] = ()
    texts: Mapping[Entry, str] = {}
    classes: Mapping[Slot, Classes] = {}
    upstream: Mapping[Edge, State] = {}
    inputs: Mapping[str, Given] = {}
    settings: Settings | None = None

    def classes_of(self, slot: Slot) -> Classes:
        """The notebook's classes inside what a slot holds."""
        return self.classes.get(slot, NONE)


NOTHING_SEEN: Final = Seen({}, {})
"""What nobody has seen who only takes what is there."""


def see_bound(body: Body, slots: Collection[Slot], view: View, asked: tuple[Entry, ...] = ()) -> Seen:
    """What a body sees whose bindings were put in place: the versions bound there, and `asked`."""
    if not slots:
        return Seen({}, {}, asked=asked)
    parts: dict[Slot, tuple[Entry, ...]] = {}
    entries: dict[Slot, Entry] = {}
    units: dict[Slot, tuple[str, frozenset[str]]] = {}
    inputs: dict[str, Given] = {}
    for slot in slots:
        version = view.bound(slot).version
        if version is None:
            entries[slot] = Entry(Looked(slot), UNBOUND)
            continue
        preview = shown_as(version.output.preview, version.classes, view.classes)
        entries[slot] = Entry(Looked(slot), version_key(version, view), preview, version.step)
        parts |= _attributes(body, slot, version)
        units[slot] = unit_key(version, view), frozenset(key_of(member) for member in view.members(version))
        key, members = key_of(slot), version.output.members
        inputs[key] = Given(version.output.unit, members.index(key) if key in members else 0)
    whole = {name for slot in entries for name in _read_by(slot, view)} if parts else NO_NAMES
    alone = {slot: found for slot, found in parts.items() if slot.locator not in whole}
    texts = texts_of(body, {slot: view.bound(slot).version for slot in entries})
    classes = _classes(entries, view.classes)
    return Seen(entries, units, alone, asked, texts, classes, inputs=inputs)


def _classes(slots: Iterable[Slot], classes_of: Callable[[Slot], Classes]) -> dict[Slot, Classes]:
    return {slot: classes for slot in slots if (classes := classes_of(slot))}


def _read_by(slot: Slot, view: View) -> frozenset[str]:
    version = view.bound(slot).version
    return version.output.reach.reads if version is not None else frozenset()


def _attributes(body: Body, slot: Slot, version: Version) -> dict[Slot, tuple[Entry, ...]]:
    """Entries for the attributes of a local module that the body uses, where it uses no others."""
    digests = version.output.reach.parts
    names = body.analysis.attributes.get(slot.locator) if digests else None
    if not names or not names <= digests.keys():
        return {}
    parts = {name: Slot(slot.kind, f"{slot.locator}.{name}") for name in sorted(names)}
    return {
        slot: tuple(Entry(Looked(part), digests[name], origin=version.step) for name, part in parts.items())
    }


_NOT_LOADED: Final = "not loaded"
"""The digest of what only stands for a value: no content equals it."""


def see_live(body: Body, slots: Iterable[Slot], workspace: Workspace, asked: tuple[Entry, ...] = ()) -> Seen:
    """What a body sees that runs on the names as they are, as a plain cell does, and `asked`."""
    entries: dict[Slot, Entry] = {}
    units: dict[Slot, tuple[str, frozenset[str]]] = {}
    versions: dict[Slot, Version | None] = {}
    for slot in slots:
        key = key_of(slot)
        label = workspace.labels.get(key)
        versions[slot] = label.version if label is not None else None
        if label is None or key not in workspace:
            entries[slot] = Entry(Looked(slot), _NOT_LOADED if key in workspace else UNBOUND)
            continue
        group = workspace.group(key)
        text = label.version.output.preview if label.version else ""
        preview = shown_as(text, workspace.classes_of(slot), workspace.classes_of)
        origin = label.version.step if label.version else ""
        entries[slot] = Entry(Looked(slot), workspace.seen(key), preview, origin)
        units[slot] = _live_unit(key, group, workspace), group
    classes = _classes(entries, workspace.classes_of)
    return Seen(entries, units, asked=asked, texts=texts_of(body, versions), classes=classes)


def _live_unit(key: str, group: frozenset[str], workspace: Workspace) -> str:
    version = workspace.labels[key].version
    others = [workspace.labels[other].version for other in group]
    if version is None or not all(version.is_same(other) for other in others):
        return key_digest("mixed", *sorted(group))
    digest = unit_digest(version.output.unit, (slot_of(other).locator for other in group))
    return seen_as(digest, version.classes, workspace.classes_of)


class Maker(msgspec.Struct, frozen=True):
    """Who runs a body: what a trace says of its maker besides what was observed.

    Args:
        step: The step.
        run: Identifier of the run.
        notebook: Identifier of the notebook.
        effects: What the body, or code that it may call, visibly does outside.
        auto_below: Below how many seconds a body counts as short, default 10.
    """

    step: Step
    run: str = ""
    notebook: str = ""
    effects: frozenset[str] = frozenset()
    auto_below: float = 10.0


def make_trace(maker: Maker, body: Body, seen: Seen, observation: Observation) -> Trace:
    """The trace of a completed execution.

    Raises:
        InternalError: If the observation is not one of a completed execution.
    """
    if not observation.is_whole or observation.watch is None:
        raise InternalError(f"A run of {maker.step.name} that did not complete cannot make a trace.")
    trace = _trace(maker, body, seen, observation, observation.watch)
    shown, written = observation.watch.shown, sorted(observation.watch.written.items())
    files = [Output(Slot(FILE, path), digest, digest, preview=shown(path)) for path, digest in written]
    return msgspec.structs.replace(
        trace,
        outputs=(*trace.outputs, *files),
        definitions=frozenset({output.slot.locator for output in trace.outputs if output.sort != "value"}),
        captured=captured_unit(observation.outcome.captured),
        run=maker.run,
        notebook=maker.notebook,
    )


def left_trace(maker: Maker, body: Body, seen: Seen, observation: Observation) -> Trace | None:
    """What a body that failed had seen and left in the names: no result, and never kept.

    None where nobody could see it.
    """
    if observation.watch is None or observation.fault:
        return None
    trace = _trace(maker, body, seen, observation, observation.watch)
    if isinstance(observation.error, Exception) and not isinstance(observation.error, MemoryError):
        return trace
    # What ended it came from outside, so that it may end otherwise.
    return msgspec.structs.replace(trace, unknowns=(*trace.unknowns, observation.failure))


def _trace(maker: Maker, body: Body, seen: Seen, observation: Observation, watch: Watch) -> Trace:
    """What a body looked at and what it made of names."""
    outputs = [output for output in observation.outputs if _is_slot_output(output, body, seen, maker.effects)]
    return Trace(
        id=new_id(observation.started),
        static_key=body.static_key,
        entries=tuple(_entries(body, seen, observation, outputs)),
        outputs=tuple(outputs),
        unknowns=_unknowns(maker, observation, watch, _compared(body, seen)),
        flags=_flags(maker, body, seen, observation, watch),
        step=maker.step.id,
        started=observation.started,
        seconds=observation.seconds,
        packages=_PACKAGES,
    )


def looked_at(body: Body, seen: Seen, observation: Observation) -> tuple[Entry, ...]:
    """What a body that ended without a result had looked at."""
    names = _memory_entries(body, seen, set(), frozenset())
    return (*names, *_settings_entries(body, seen, observation), *observation.outside)


def _entries(body: Body, seen: Seen, observation: Observation, outputs: list[Output]) -> list[Entry]:
    entries = [*_settings_entries(body, seen, observation), *seen.texts, *seen.asked]
    if seen.entries or observation.drew:
        written = {key_of(output.slot) for output in outputs if is_kept_in_memory(output.slot)}
        entries[:0] = _memory_entries(body, seen, written, observation.drew)
    if observation.looked_outside:
        known = {entry.looked for entry in seen.asked}
        entries += [entry for entry in observation.outside if entry.looked not in known]
    return entries


_PACKAGES: Final = {PYTHON: PYTHON_VERSION}


def adopted_trace(step: Step, outputs: tuple[Output, ...]) -> Trace:
    """The trace of the step that stands for what was there before anything was watched.

    No execution made it: it says what the names held when they were first seen, and claims no more.
    """
    return Trace(step.id, step.body.static_key, (), outputs, step=step.id)


EXPIRES: Final = "expires "
"""How the flag of a trace begins that says when it ends to be reused, in seconds since the epoch."""


class CompletedCall(msgspec.Struct, frozen=True):
    """A completed run of a task of an explicit flow, whose result is kept.

    Args:
        run: Identifier of the run.
        task: Name of the task.
        notebook: Identifier of the notebook.
        entries: What it depended on: its code, arguments and parameters.
        unit: Under which digest its result is kept.
        started: When it began, seconds since the epoch.
        ended: When it ended.
        expires: When it is not reused any more; None: it always is.
    """

    run: str
    task: str
    notebook: str
    entries: tuple[Entry, ...]
    unit: str
    started: float
    ended: float
    expires: float | None = None


def trace_of_call(call: CompletedCall) -> Trace:
    """The trace of a completed call of a task in an explicit flow."""
    return Trace(
        id=new_id(call.ended),
        static_key=key_digest("results of", call.task),
        entries=call.entries,
        outputs=(Output(Slot("result", call.task), call.unit, call.unit, ("result",)),),
        flags=frozenset() if call.expires is None else frozenset({f"{EXPIRES}{call.expires!r}"}),
        run=call.run,
        step=call.task,
        notebook=call.notebook,
        started=call.started,
        seconds=call.ended - call.started,
    )


def captured_unit(captured: bytes) -> str:
    """Under what unit captured outputs are kept; an empty string where nothing was shown."""
    return value_digest(captured) if captured else ""


def _is_slot_output(output: Output, body: Body, seen: Seen, effects: Iterable[str]) -> bool:
    """Whether a slot that changed is an output; a generator that nobody ever seeded is no slot."""
    slot = output.slot
    if slot.locator.endswith(TASK_VALUE):
        # The value of a task function is what its step gives, whatever becomes of the object meanwhile.
        return body.wiring is not None and slot.locator == body.wiring.key
    if slot.kind != RANDOM or slot.locator in body.analysis.seeds:
        return True
    is_seeded = slot in seen.entries and seen.entries[slot].digest != UNBOUND
    return is_seeded or may_set(slot.locator, effects)


def _memory_entries(body: Body, seen: Seen, written: set[str], drew: frozenset[str]) -> Iterator[Entry]:
    for slot, entry in seen.entries.items():
        if slot.kind == SETTINGS:
            continue
        if slot.kind == RANDOM and (key_of(slot) not in drew or slot.locator in body.analysis.seeds):
            continue
        unit, keys = seen.units.get(slot, ("", NO_NAMES))
        if keys & written:
            text = with_sharers(entry.preview, slot.locator, keys)
            yield Entry(Looked(slot, whole_unit=True), unit, text, entry.origin)
        else:
            yield from seen.parts.get(slot, (entry,))
    # Drawn from what nobody had seeded: it is another input once somebody above does.
    for slot in sorted(slot_of(key) for key in drew):
        if slot.kind == RANDOM and slot not in seen.entries and slot.locator not in body.analysis.seeds:
            yield Entry(Looked(slot), UNBOUND)


def _settings_entries(body: Body, seen: Seen, observation: Observation) -> Iterable[Entry]:
    # What items of a mapped task show is none of its own outputs.
    shows = bool(observation.outcome.captured or body.mapped)
    if seen.settings is None:
        return ()
    # What it sets may be what stands there already: set otherwise above it, it would be a change.
    return seen.settings.looked_at(observation.drew | set_in(body.source), shows=shows)


def _compared(body: Body, seen: Seen) -> Callable[[str], bool]:
    """Tells which names, and modules, of the user's a result is compared by, or makes itself."""

    def is_compared(path: str) -> bool:
        module = path.rpartition(".")[0]
        if module:
            return any(entry.looked.slot == Slot("module", module) for entry in seen.asked)
        return Slot(NAME, path) in seen.entries or path in body.analysis.writes

    return is_compared


def _unknowns(
    maker: Maker, observation: Observation, watch: Watch, is_compared: Callable[[str], bool]
) -> tuple[str, ...]:
    """Why the result can never be called fresh: what it depends on cannot be compared."""
    doubts = (*observation.undecided, *observation.context, *observation.connections, *maker.effects)
    if watch.saw_nothing and not any((observation.doubt, *doubts)):
        return ()
    asked = filter(None, map(not_compared, observation.context))
    own = [f"reads {path}, which it writes itself" for path in sorted(watch.own)]
    read = sorted(effect for effect in maker.effects if effect.startswith(_UNSEEN))
    if not any(effect.startswith("database") for effect in read):
        read += [f"database: {name}" for name in sorted(observation.connections)]
    state = [f"{CHANGES}{text}" for text in watch.process_state]
    bound = [f"nobody can tell whether it binds {name}" for name in sorted(observation.undecided)]
    followed = filter(None, (observation.doubt,))
    unfollowed = _unfollowed(maker, watch)
    outside = (
        text
        for text in watch.outside
        if not (text.startswith(UNPICKLES) and is_compared(text.removeprefix(UNPICKLES)))
    )
    return tuple(dict.fromkeys((*followed, *own, *read, *asked, *unfollowed, *outside, *state, *bound)))


def _unfollowed(maker: Maker, watch: Watch) -> Iterator[str]:
    """Readers and writers that open files unseen: for each the code or its inputs must name a file."""
    readers = sorted(effect.partition(": ")[2] for effect in maker.effects if is_native(effect))
    writers = sorted(effect.partition(": ")[2] for effect in maker.effects if writes_natively(effect))
    if len(readers) > watch.followed:
        yield f"reads a file that nobody saw ({', '.join(readers)})"
    if len(writers) > watch.left:
        yield f"writes a file that nobody saw ({', '.join(writers)})"


_UNSEEN: Final = ("network", "database", "clock", "environment", "names", ALTERED)
"""How the effects begin that read what nbflow cannot see; such a result is *as of*."""


def _flags(maker: Maker, body: Body, seen: Seen, observation: Observation, watch: Watch) -> frozenset[str]:
    step = maker.step
    if watch.settled is NOTHING and not (seen.entries or observation.undecided or step.effect):
        found = {QUIET} if _is_quiet(maker, body, observation, watch) else set[str]()
        return frozenset(found if step.keeping.reuses else found | {NOT_REUSED})
    holding = (
        (QUIET, _is_quiet(maker, body, observation, watch)),
        (CHANGES_PROCESS, watch.process_state or _changes_class(seen, observation)),
        (NOT_REUSED, not step.keeping.reuses),
        (HAPPENS_ONCE, step.effect is Effect.ONCE),
        (ACTS, watch.noise and any(text.startswith(_ACTING) for text in watch.noise)),
        (UNDECIDED, observation.undecided),
    )
    return frozenset([flag for flag, holds in holding if holds])


def _changes_class(seen: Seen, observation: Observation) -> bool:
    """Whether it sets attributes of a class that it did not make: no store can put that back."""
    classes = {output.slot: output.digest for output in observation.outputs if output.sort == "class"}
    if not classes:
        return False
    both = classes.keys() & seen.entries.keys()
    return any(seen.entries[slot].digest not in (classes[slot], UNBOUND) for slot in both)


ACTS: Final = "acts outside"
"""The flag of a trace whose body was seen to reach another machine, to start a program or to ask somebody."""
_ACTING: Final = ("network", "subprocess", "input")

CHANGES_PROCESS: Final = "changes the process"
"""The flag of a trace whose body changed the state of the process: it only holds in its own kernel."""


def skipped_trace(trace: Trace) -> Trace:
    """The trace of a body that asked to be skipped: each name that it bound or was to bind ends unbound."""
    outputs = tuple(
        Output(output.slot, UNBOUND) if output.slot.kind == NAME else output for output in trace.outputs
    )
    return msgspec.structs.replace(
        trace, outputs=outputs, definitions=frozenset(), flags=trace.flags | {SKIPPED}
    )


def _is_quiet(maker: Maker, body: Body, observation: Observation, watch: Watch) -> bool:
    short = observation.seconds < maker.auto_below
    effects = maker.effects
    acts = bool(effects) and any(changes_outside(each) or each.startswith(_UNSEEN) for each in effects)
    return short and body.analysis.complete and not acts and not watch.noise


def outputs_in_memory(trace: Trace | None) -> tuple[Output, ...]:
    """The names and random states that a trace made."""
    outputs = trace.outputs if trace is not None else ()
    return tuple([output for output in outputs if is_kept_in_memory(output.slot)])


def action_key(static_key: str, looked: Iterable[Looked], digests: Iterable[str]) -> str:
    """The key of a trace: the code, what it looked at, and what it saw there, see design 4.1."""
    parts = [part for item in looked for part in (*item.slot, "unit" if item.whole_unit else "value")]
    return key_digest(static_key, *parts, "saw", *digests)


@lru_cache(maxsize=10_000)
def _key_of_source(static_key: str) -> str:
    return action_key(static_key, (), ())


def key_of_trace(trace: Trace, loose: Collection[Slot] = ()) -> str:
    """The action key that a trace is kept under.

    Args:
        trace: The trace.
        loose: What does not count of what its step looked at.
    """
    if not trace.entries:
        return _key_of_source(trace.static_key)
    looked = [entry.looked for entry in trace.entries]
    seen = (NOT_COMPARED if each.looked.slot in loose else each.digest for each in trace.entries)
    return action_key(trace.static_key, looked, seen)
