"""Observing a body: what it changed, drew, opened and wrote, seen from outside.

Nothing is asked of the body. Names are compared before and after; objects that it could reach are
compared in full, never by samples; which names share memory is looked at anew; the files it opens
are watched. What was seen becomes a trace in `record.py`.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from os import PathLike
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from nbflow.analysis import asks_database, is_native, writes_natively
from nbflow.analysis.names import is_managed
from nbflow.context import IDENTITIES, watched_by
from nbflow.engine.again import taken_all
from nbflow.engine.baggage import brought
from nbflow.engine.labels import Label
from nbflow.engine.libraries import LIBRARIES, told
from nbflow.engine.library import AS_IT_STARTS
from nbflow.engine.observation import Watched
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.previews import preview
from nbflow.engine.reimport import imports_of, load_anew, note_change
from nbflow.engine.requests import Looks
from nbflow.engine.slots import SETTINGS, FolderKind, in_context, is_kept_in_memory, slot_of
from nbflow.engine.standing import ABSENT, Standing
from nbflow.engine.stateful import STATEFUL, following, load_settings
from nbflow.exceptions import CacheError
from nbflow.secrets import HIDDEN, KNOWN, looks_secret
from nbflow.store.at_import import NOTHING_ASKED, at_import
from nbflow.store.connections import is_connection, may_write, state_of
from nbflow.store.digests import Fingerprint, key_digest, unit_digest
from nbflow.store.given import Native
from nbflow.store.handles import is_function
from nbflow.store.modules import loaded_from, note_loaded, purge_changed_modules, purge_module
from nbflow.store.walks import PLAIN, is_plain
from nbflow.types import NO_NAMES, UNBOUND, Output

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.baggage import Back, Define
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Body, Step
    from nbflow.engine.observation import Observation
    from nbflow.engine.reached import Reached
    from nbflow.engine.reimport import Imports
    from nbflow.engine.requests import Execution, Observing, Working
    from nbflow.engine.slots import InContext
    from nbflow.store.at_import import AtImport
    from nbflow.store.files import Files
    from nbflow.store.watching import Watch
    from nbflow.types import Entry, Slot


_MAY_NAME_FILES: Final = cast("tuple[type, ...]", (str, PathLike, list, tuple, dict))


class Observer:
    """Runs bodies and observes them.

    Args:
        workspace: The names.
        files: Watches the files of a running body.
        clock: Seconds since the epoch.
        define: Executes imports and definitions over names, raising what they raise.
    """

    def __init__(
        self, workspace: Workspace, files: Files, clock: Callable[[], float], define: Define
    ) -> None:
        self._define = define
        self._workspace = workspace
        self._files = files
        self._clock = clock
        self.no_watch = files.watch()
        self._step = ""
        self._states: dict[str, object] = {}
        self._looks: dict[str, Fingerprint] = {}
        self._connections: dict[str, object] = {}
        self._loaded_before = 0

    def over(self, workspace: Workspace) -> Observer:
        """One like it over other names."""
        return Observer(workspace, self._files, self._clock, self._define)

    def run(self, execution: Execution, reached: Reached, *, hide: bool = False) -> Observing:
        """Have a body executed and see what it did; never raises what the body raises.

        Args:
            execution: The body.
            reached: What has to be looked at.
            hide: Whether names that it only may bind are taken away while it runs, so that binding
                one to the very object that it held can be told from not binding it.
        """
        body, self._step = execution.body, execution.step.id
        if body.analysis.imports:
            # A module whose file changed must be loaded anew, else the old code would run.
            purge_changed_modules(self._files)
        self._looks, self._loaded_before = {}, len(sys.modules)
        names = self._workspace.names
        if not reached.complete:
            self._workspace.realise(tuple(names))
        before = self._named(reached.keys) if reached.complete else dict(names)
        # Operators over numbers, texts and the like run nobody's code: nothing outside can be touched.
        only_computes = body.only_computes and is_plain(before.values())
        then = Standing(before if only_computes else names)
        hidden = reached.uncertain & before.keys() if hide and reached.complete else NO_NAMES
        self._workspace.hide(hidden)
        if execution.context is not None:
            looks = Looks(reached, {key: before[key] for key in hidden}, self._files.ignored)
            execution = replace(execution, looks=looks)
        for key in reached.inputs if hide else ():
            self._workspace.empty_cache(key)
        seen = yield from (
            self._timed(execution) if only_computes else self._watched(execution, before, reached)
        )
        back = self._brought(seen)
        bound: set[str] = self._workspace.unhide({key: before[key] for key in hidden}) if hidden else set()
        seen.data = back.data if back else self._loaded(reached.modules, seen.watch)
        shown = (reached.uncertain & before.keys()) - hidden
        same = frozenset(key for key in shown if names.get(key, ABSENT) is before[key])
        bound |= self._bound_again(body, same, reached, seen) if same else same
        try:
            bound |= self._rebound(then, before, self._named(reached.keys) if only_computes else names)
            return self._observed(seen, body, before, reached, bound)
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not become one of the task
            now = self._named(reached.keys) if only_computes else names
            return self._guessed(seen, bound | body.analysis.writes | {*then.changed(now)}, reached, fault)

    def _bound_again(
        self, body: Body, same: frozenset[str], reached: Reached, seen: Watched
    ) -> frozenset[str]:
        """Which of these names, each with the object that it had before, a body has bound all the same."""
        again = reached.earlier.bound_if(seen.outside) if reached.earlier else None
        if again is not None:
            return same & again
        taken = taken_all(body, same, self._workspace.names)
        seen.undecided = same - taken
        return taken | self._workspace.made_by(self._step, same)

    def _brought(self, seen: Watched) -> Back | None:
        """Let stand, and be seen, what another process tells of a body; None where it ran in this one."""
        back: Back | None = seen.outcome.away
        if back is None:
            return None
        back = brought(back, self._workspace, self._define)
        seen.outcome = replace(seen.outcome, away=back)
        if back.told is not None and seen.watch is not self.no_watch:
            seen.watch.hear(back.told)
            seen.context, seen.folder = back.context, back.folder
        seen.started, seen.seconds = back.started, back.seconds
        return back

    def _forget(self, keys: Iterable[str]) -> None:
        """Nobody knows what these keys hold; but a generator without a label is one that nobody seeded."""
        for key in keys:
            now = self._workspace.look(key) if key in STATEFUL else None
            self._workspace.label(key, Label(now.digest) if now is not None else None)

    def _loaded(self, modules: frozenset[str], watch: Watch) -> AtImport:
        """What modules, and those that were loaded while a body ran, looked at when they were imported."""
        if not (modules or watch.imported):
            return NOTHING_ASKED
        note_loaded(self._files)
        return at_import(sorted(modules.union(loaded_from(watch.imported))), self._files)

    def _observed(
        self,
        seen: Watched,
        body: Body,
        before: dict[str, object],
        reached: Reached,
        bound: set[str],
    ) -> Observation:
        changed = self._changed(bound, before, reached)
        away = seen.outcome.away
        untouched = seen.watch is self.no_watch or away is not None
        drew: set[str] = set() if untouched else self._drawn(reached)
        returned = seen.outcome.has_returned
        named = body.analysis.writes | body.analysis.deletes if returned else NO_NAMES
        assigned = {key for key in named if not is_managed(key)}
        outputs = self._atoms(changed | assigned) if not drew and away is None else None
        if outputs is None:
            # One may have been given the very object that a stranger left there.
            self._workspace.ensure(assigned)
            outputs = self._outputs(changed | drew | assigned)
        return seen.observation(frozenset(changed), outputs, away.drew if away else frozenset(drew))

    def _guessed(self, seen: Watched, touched: set[str], reached: Reached, fault: Exception) -> Observation:
        """Where nbflow failed to tell what a body changed, all that it may have changed counts as changed."""
        why = f"{type(fault).__name__}: {fault}"
        touched = {key for key in touched | reached.keys if not is_managed(key)}
        try:
            for key in touched:
                (self._spend if key in self._workspace.labels else self._relabel)(key)
            drew = self._drawn(reached)
            outputs = self._outputs(touched | drew)
        except Exception:  # noqa: BLE001 - then nobody knows what these names hold
            self._forget(touched & self._workspace.labels.keys())
            return seen.observation(fault=f"nbflow could not observe it: {why}")
        doubt = f"nbflow could not follow what it changed: {why}"
        return seen.observation(frozenset(touched), outputs, frozenset(drew), doubt=doubt)

    def _named(self, keys: Iterable[str]) -> dict[str, object]:
        names = self._workspace.names
        return {key: names[key] for key in keys if key in names}

    def _rebound(self, then: Standing, before: dict[str, object], names: Mapping[str, object]) -> set[str]:
        """The names that stand for another object now; code can bind some that no analysis sees."""
        rebound = {key for key in then.changed(names) if not is_managed(key)}
        for key in rebound - before.keys():
            if (value := then.of(key)) is not ABSENT:
                before[key] = value
        return rebound

    def _timed(self, execution: Execution) -> Working[Watched]:
        """Have a body executed of which is known that nothing outside can be seen of it."""
        self._connections, started = {}, self._clock()
        outcome = yield replace(_with_context(execution), only_computes=True)
        return Watched(outcome, self.no_watch, started, self._clock() - started, {}, "", NOTHING_ASKED)

    def _watched(
        self, execution: Execution, before: Mapping[str, object], reached: Reached
    ) -> Working[Watched]:
        load_settings(reached.settings)
        self._states = self._workspace.states.loaded()
        names = reached.inputs if reached.complete else before  # what it binds itself it is not given
        given = {key: before[key] for key in names if key in before and not is_managed(key)}
        self._connections = _states(given, execution.body.source)
        loaded = (value for value in given.values() if not is_placeholder(value))
        inputs: list[object] = [value for value in loaded if issubclass(type(value), _MAY_NAME_FILES)]
        asked: dict[str, InContext] = {}

        def note(key: str, value: object) -> None:
            if key not in IDENTITIES:
                asked.setdefault(key, in_context(key, value))

        folder, effects, declared = FolderKind().now(""), reached.effects, execution.body.declared
        native = Native(
            any(map(is_native, effects)),
            any(map(writes_natively, effects)),
            asks=bool(self._connections) or any(map(asks_database, effects)),
        )
        watched = declared.watching(self._files, reached.paths, inputs, native)
        with watched as watch, watched_by(note), following(reached, self._workspace.names):
            if execution.context is not None:
                watch.move_to(0)
            started = self._clock()
            outcome = yield _with_context(execution)
            seconds = self._clock() - started
        connections = frozenset(self._connections)
        return Watched(
            outcome, watch, started, seconds, asked, folder or "gone", NOTHING_ASKED, connections=connections
        )

    def _changed(self, rebound: set[str], before: Mapping[str, object], reached: Reached) -> set[str]:
        if reached.complete and not (reached.inputs or rebound):
            return set()
        workspace = self._workspace
        suspects = set(reached.inputs) if reached.complete else set(workspace.labels)
        groups = {key: workspace.group(key) for key in suspects} if suspects else {}
        suspects = suspects.union(*groups.values())
        self._let_go(before, rebound, suspects)
        # What is gone cannot be changed.
        suspects = {key for key in suspects if key in workspace.names and key in workspace.labels}
        mutated = {key for key in suspects - rebound if self._is_mutated(key)} if suspects else set[str]()
        for key in rebound:
            workspace.note(key, before.get(key, ABSENT))
            self._relabel(key)
        # Memory that is shared with other names than before is a change that no digest shows.
        if groups:
            shared = suspects & groups.keys() - rebound
            mutated |= {key for key in shared if workspace.group(key) != groups[key]}
        for key in mutated:
            note_change(key, workspace, self._loaded_before)
            self._spend(key)
        return rebound | mutated

    def _is_mutated(self, key: str) -> bool:
        label = self._workspace.labels[key]
        # The attributes of a class can be changed, too, though it is no shared memory.
        if not label.memory and not (label.classes and isinstance(self._workspace.get(key), type)):
            return False
        if not self._only_asked(key):
            self._workspace.renew(key)
        now = self._look(key)
        self._workspace.refine(key, now.memory)
        if now.digest == label.digest and (now.memory == label.memory or label.is_private):
            return False
        self._workspace.spend(label.memory)
        return True

    def _only_asked(self, key: str) -> bool:
        """Whether a body had a connection under a key and wrote nothing through it, as far as can be told."""
        before = self._connections.get(key)
        return before is not None and state_of(self._workspace.get(key)) == before

    def _spend(self, key: str) -> None:
        self._workspace.note(key)
        self._workspace.spend(self._workspace.labels[key].memory)
        self._relabel(key)

    def _let_go(self, before: Mapping[str, object], rebound: set[str], suspects: set[str]) -> None:
        """An object that only lost its name still is its version, if nothing changed in it."""
        for key in rebound & self._workspace.labels.keys() & before.keys():
            self._workspace.let_go(key, before[key], may_have_changed=key in suspects)

    def taken(self, step: Step, keys: frozenset[str]) -> tuple[Output, ...]:
        """The outputs of a step that the live objects under these keys, not labelled yet, amount to."""
        self._looks, self._step = {}, step.id
        for key in keys:
            self._relabel(key)
        return self._outputs(keys)

    def define(self, body: Body, key: str, version: Version) -> bool:
        """Run a definition alone; whether it gave the very content of the version."""
        if key in self._workspace:
            self._workspace.leave(key)
        if body.analysis.imports:
            purge_changed_modules(self._files)
        try:
            self._define(body.source, self._workspace.names)
            now = self._workspace.look(key)
            module = self._workspace.names[key]
            if now.digest != version.output.digest and isinstance(module, ModuleType):
                # What is imported is the module as somebody has changed it since: it is loaded anew.
                purge_module(module, self._files)
                self._define(body.source, self._workspace.names)
                now = self._workspace.look(key)
        except Exception:  # noqa: BLE001 - then the whole step has to run instead
            return False
        same = now.digest == version.output.digest
        self._workspace.label(key, Label(now.digest, now.memory, version if same else None, now.classes))
        self._workspace.made(key, version.step)
        self._workspace.sources[key] = body.source
        self._workspace.known.meet(now.classes)
        return same

    def load_anew(self, versions: Mapping[str, Version]) -> bool:
        """Load the local modules of a unit anew; whether that gave the very content of the versions."""
        try:
            return load_anew(versions, self._workspace, self._files, self._define)
        except Exception:  # noqa: BLE001 - then the whole step has to run instead
            return False

    def imports(self, asked: Iterable[Entry], view: View) -> Imports:
        """What a body at the view's place imports of the user's modules."""
        return imports_of(asked, view, self._workspace, self._files)

    def _drawn(self, reached: Reached) -> set[str]:
        """What holds another state now; a generator loaded by the body itself counts from its load."""
        drawn: set[str] = set()
        for key, state in self._workspace.states.loaded(anew=True).items():
            before = self._states.setdefault(key, AS_IT_STARTS if key in LIBRARIES else state)
            if before != state or key in reached.set_anyhow:
                drawn.add(key)
                self._workspace.note(key, before)
                self._relabel(key)
        return drawn

    def _look(self, key: str) -> Fingerprint:
        if key not in self._looks:
            self._looks[key] = self._workspace.look(key)
        return self._looks[key]

    def _relabel(self, key: str) -> None:
        if key in self._workspace:
            now = self._look(key)
            self._workspace.label(key, Label(now.digest, now.memory, None, now.classes))
            self._workspace.made(key, self._step)
        else:
            self._workspace.label(key, None)

    def _outputs(self, written: Iterable[str]) -> tuple[Output, ...]:
        """Every key of each group that something was written in: the group is one unit."""
        groups = {self._workspace.group(key) for key in written}
        found = [output for group in sorted(groups, key=sorted) for output in self._group_outputs(group)]
        for look in self._looks.values():
            if look.classes:
                self._workspace.known.meet(look.classes)
        return tuple(found)

    def _atoms(self, written: Collection[str]) -> tuple[Output, ...] | None:
        """The same of names that hold one plain value each, as most do; None where one of them does not."""
        names, labels, found = self._workspace.names, self._workspace.labels, list[Output]()
        for key in sorted(written):
            value, label = names.get(key, ABSENT), labels.get(key)
            if type(value) not in PLAIN or label is None or label.memory or looks_secret(key):
                return None
            now = self._looks.get(key) or self._workspace.look_at(value, key)
            found.append(
                Output(slot_of(key), now.digest, now.digest, (key,), now.reach, "value", preview(value))
            )
        return tuple(found)

    def _group_outputs(self, group: frozenset[str]) -> list[Output]:
        if len(group) == 1:
            (key,) = group
            return [self._output(key, "", (key,), self._classes((key,)))]
        members = tuple(sorted(key for key in group if key in self._workspace))
        values = {key: self._workspace.get(key) for key in members}
        unit = self._unit(values) if len(members) > 1 else ""
        classes = self._classes(members)
        return [self._output(key, unit, members, classes) for key in sorted(group)]

    def _classes(self, members: Iterable[str]) -> tuple[tuple[str, bool], ...]:
        """The notebook's classes inside a unit, and which of them are new: nobody but the body made those."""
        found: dict[int, type] = {}
        for key in members:
            if key in self._workspace:
                found.update(self._look(key).classes)
        return self._workspace.known.describe(found) if found else ()

    def _unit(self, values: Mapping[str, object]) -> str:
        try:
            return unit_digest(values, self._workspace.names)
        except CacheError:
            return key_digest("no digest", *(self._look(key).digest for key in sorted(values)))

    def _output(
        self, key: str, unit: str, members: tuple[str, ...], classes: tuple[tuple[str, bool], ...]
    ) -> Output:
        slot = slot_of(key)
        if key not in self._workspace:
            return Output(slot, UNBOUND)
        value = self._workspace.get(key)
        now = self._look(key)
        is_secret = looks_secret(key)
        if is_secret:
            KNOWN.meet_named({key: value})
        text = _preview(slot, value) if is_kept_in_memory(slot) and not is_secret else HIDDEN
        return Output(slot, now.digest, unit or now.digest, members, now.reach, _sort(value), text, classes)


def _states(given: Mapping[str, object], source: str) -> dict[str, object]:
    """The connections among these names, each as it is before a body; None where that says that it writes."""
    connections = {key: value for key, value in given.items() if is_connection(value)}
    writes = bool(connections) and may_write(source)
    return {key: None if writes else state_of(value) for key, value in connections.items()}


def _with_context(execution: Execution) -> Execution:
    """Who runs a body elsewhere sees there what is watched here."""
    return execution if execution.context is None else replace(execution, context=copy_context())


def _preview(slot: Slot, value: Any) -> str:
    return told(value) if slot.kind == SETTINGS else preview(value)


def _sort(value: object) -> str:
    if type(value) in PLAIN:
        return "value"
    if issubclass(type(value), type):
        return "class"
    if is_function(value):
        return "function"
    name = type(value).__name__
    return name if name in ("function", "module") else "value"
