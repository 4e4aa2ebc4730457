"""A namespace of its own for one body: its inputs restored there, the user's names left alone.

What is stored is loaded once more, what is not is copied, functions and classes are made anew over the
private names. Where that cannot be done for an input, or shows afterwards to have been wrong, the body
runs on the user's names instead, while no other does.
"""

from __future__ import annotations

import dataclasses
import sys
from contextvars import copy_context
from functools import partial
from itertools import chain
from pickle import PicklingError
from types import AsyncGeneratorType, CoroutineType, GeneratorType, ModuleType
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nbflow.engine.apart import with_classes
from nbflow.engine.bind import by_unit, first_of
from nbflow.engine.book import calls_ipython
from nbflow.engine.each import copied
from nbflow.engine.insight import ANY_NAME
from nbflow.engine.labels import Label, is_local_module, next_copy, private_memory
from nbflow.engine.libraries import LIBRARIES, set_in
from nbflow.engine.map_result import MapResult, Unread
from nbflow.engine.origins import name_of
from nbflow.engine.outward import is_effect
from nbflow.engine.own import OwnWorkspace
from nbflow.engine.perform import Performer
from nbflow.engine.record import CHANGES_PROCESS, NOTHING_SEEN, outputs_in_memory
from nbflow.engine.requests import Alone
from nbflow.engine.side_by_side import EachApart, ItemsAbreast
from nbflow.engine.sites import lists_of
from nbflow.engine.slots import NAME, RANDOM, SETTINGS, key_of, slot_of
from nbflow.engine.stateful import STATEFUL
from nbflow.exceptions import CacheError, SessionError
from nbflow.states import Cancelled
from nbflow.store.digests import holds_code
from nbflow.store.memory import MemoryStore, why_unstored
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version, View
    from nbflow.engine.book import Step
    from nbflow.engine.each import Hands, Plan
    from nbflow.engine.effects import Call
    from nbflow.engine.enact import Finished
    from nbflow.engine.items import Items
    from nbflow.engine.observation import Observation
    from nbflow.engine.origins import Classes
    from nbflow.engine.reached import Reached
    from nbflow.engine.record import Seen
    from nbflow.engine.reimport import Imports
    from nbflow.engine.requests import Observing
    from nbflow.engine.sites import Site
    from nbflow.states import Origin
    from nbflow.types import Entry, Output, Trace

_DRAW: Final = frozenset({"matplotlib.pyplot", "pylab", "seaborn"})
"""Modules that draw on figures which belong to the whole process."""
_NOT_MADE: Final = object()
_WITH_FRAME: Final = (AsyncGeneratorType, CoroutineType, GeneratorType)
"""Objects that go on with code over the names that they were made with."""


class PrivateWorkspace(OwnWorkspace):
    """Names for one body, in which versions are put as in the user's.

    Args:
        lender: The user's names: what is not stored is copied from there.
    """

    def __init__(self, lender: Workspace) -> None:
        super().__init__(lender)
        self.elsewhere = copy_context()
        self.why: dict[str, str] = {}
        """Of units that could not be copied, by one of their keys, the reason."""

    def place(self, versions: Mapping[str, Version], *, lazily: bool = False) -> bool:
        """Put the members of one unit in place; what is known by its identity alone cannot be."""
        if any(self._lender.is_nameless(key) for key in versions if self._lender.holds(key, versions[key])):
            return False
        return super().place(versions, lazily=lazily)

    def of_one_copy(self, versions: Mapping[str, Version]) -> dict[str, object] | None:
        """The objects of these members that the lender has."""
        return self._lender.of_one_copy(versions)

    def _copied(self, values: dict[str, object], classes: Classes) -> dict[str, object] | None:
        return _copied(values, classes, self._lender, self, self.why)

    def give_itself(self, versions: Mapping[str, Version]) -> None:
        """Let the lender keep the very objects."""
        for key, version in versions.items():
            label = replace(self.labels[key], version=version)
            self._lender.know(self.names[key], version.output.digest)
            self._lender.keep(key, self.names[key], label)

    def give(self, versions: Mapping[str, Version]) -> bool:
        """Let the lender keep a copy of a unit that the store has not; False where none can be made."""
        return hand_over(versions, {key: self.get(key) for key in versions}, self, self._lender, self.why)


def hand_over(
    versions: Mapping[str, Version],
    values: Mapping[str, object],
    giver: Workspace,
    taker: Workspace,
    why: dict[str, str],
) -> bool:
    """Let one workspace keep a copy of a unit of another; False where none can be made.

    Args:
        versions: The members of the unit.
        values: What they are.
        giver: The names that have them.
        taker: The names that get a copy.
        why: Is told the reason where there is none, under one of the keys.
    """
    copies = _copied(values, first_of(versions).classes, giver, taker, why)
    memory, copy = private_memory(), next_copy()
    for key, value in copies.items() if copies is not None else ():
        version = versions[key]
        taker.keep(key, value, Label(version.output.digest, memory, version, copy=copy))
    return copies is not None


def _copied(
    values: Mapping[str, object], classes: Classes, giver: Workspace, taker: Workspace, why: dict[str, str]
) -> dict[str, object] | None:
    """Copies of the members of a unit over other names."""
    keys, copies = sorted(values), MemoryStore(giver.names, budget=sys.maxsize)
    try:
        with giver.lending(classes) as theirs:
            reason = copies.put("copy", tuple(values[key] for key in keys)) if theirs else "its class is gone"
        if reason:
            why[keys[0]] = reason
            return None
        with taker.lending(classes) as own:
            return dict(zip(keys, copies.load("copy", taker.names), strict=True)) if own else None
    except CacheError as error:
        why[keys[0]] = str(error)
        return None


class Beside(Performer):
    """Executes one step on a namespace of its own; on the user's names where it has to.

    Args:
        main: Executes steps on the user's names.
        site: The body at its place.
        is_apart: Whether it runs in another process, where nothing is shared with others.
    """

    def __init__(self, main: Performer, site: Site, *, is_apart: bool = False) -> None:
        self._main, self._is_apart = main, is_apart
        self._open()
        self.site = site
        self.why_inline = ""
        """Why the body had to run on the user's names after all; empty where it did not."""
        self._seeded: AbstractSet[str] = frozenset()
        self._stay_live: set[str] = set()
        self._asked_for = site

    def _open(self) -> None:
        """Begin with new names."""
        self.private = PrivateWorkspace(self._main.workspace)
        super().__init__(*self._main.over(self.private))
        self.forced, self.absences = self._main.forced, self._main.absences
        self._may_change = False

    def hindrance(self) -> str:
        """Put the inputs in place; return why the body cannot run there, or an empty string."""
        site = self._asked_for
        why = self._main.bound_to_names.get(site.body.static_key, "")
        if why:
            return why
        self._main.store_plain_inputs(site)
        self.site = with_classes(self._with_modules(site) if self._is_apart else site)
        return self._seen_to_need(site) if self.put_back(self.site) else self._unplaced()

    def _seen_to_need(self, site: Site) -> str:
        """Why the body has to run on the user's names, by its text and by its last run."""
        reach = self.insight.reached(site.step, site.body, site.slots, site.writers, NOTHING_SEEN)
        makers = self.insight.others(site.body, site.writers)
        if is_effect(site.step, site.view, self._book):
            return "what it does outside must not happen twice"
        if not reach.complete or any(effect.startswith(ANY_NAME) for effect in reach.effects):
            return "nobody can tell which names it reads"
        if calls_ipython(site.body, makers):
            return "it calls IPython"
        if reach.reseeds or site.body.analysis.seeds:
            return "it may set a global random state"
        if self._is_apart and self._imported(site).altered:
            return "a module that it imports was changed in place"
        draws = next((name for name in _modules(self.private.names) if name in _DRAW), "")
        if draws and not self._is_apart:
            return f"it draws with {draws}, which all share"
        trace = site.step.trace
        if trace is not None and CHANGES_PROCESS in trace.flags:
            return "it changes the state of the process"
        if others := self._other_settings(site):
            return others
        drawn = (output.slot for output in outputs_in_memory(trace) if output.slot.kind == RANDOM)
        return next((f"it draws from the global generator of {slot.locator}" for slot in drawn), "")

    def _other_settings(self, site: Site) -> str:
        """Why the settings of the process are not those that the body is to see, or to leave."""
        if spoken := sorted(set_in(site.body.source)):
            return f"it may change settings of {slot_of(spoken[0]).locator}"
        user = self._main.workspace
        bound = {key_of(slot) for slot in site.slots if slot.kind == SETTINGS}
        for key in sorted(bound | user.set_besides(site.slots)):
            slot = slot_of(key)
            version = site.view.bound(slot).version
            is_there = user.holds(key, version) if version else key not in user.set_besides(())
            if not is_there or (version and not self._is_apart and LIBRARIES[key].of_thread):
                return f"settings of {slot.locator} are others at its place"
        return ""

    def imports(self, asked: Iterable[Entry], view: View) -> Imports:
        """By the user's names: what it imports lies behind these, and its own hold only what it names."""
        return self._main.imports(asked, view)

    def _imported(self, site: Site) -> Imports:
        return self.imports(self.insight.asked(site.step, site.body, site.writers), site.view)

    def _with_modules(self, site: Site) -> Site:
        """With the names of the modules that it imports: another process loads these by itself.

        Who made such a name may have changed its module, which shows there as another content.
        """
        known = {key for versions in site.units for key in versions} | site.body.analysis.writes
        slots = (slot for slot in self._imported(site).names if key_of(slot) not in known)
        found = {key_of(slot): site.view.bound(slot).version for slot in slots}
        made = {key: version for key, version in found.items() if version is not None}
        return replace(site, units=(*site.units, *by_unit(made)))

    def _unplaced(self) -> str:
        for versions in self.site.units:
            if not self.private.holds_together(versions):
                how = "made again" if _is_made_again(first_of(versions).output) else "stored"
                return f"{', '.join(versions)} cannot be {how}"
        return "its inputs cannot be put together"

    # --- the attempt -----------------------------------------------------------------------------

    def attempt(self, site: Site, reach: Reached, call: Call) -> Observing:
        """Run the body once, on names of its own; if that shows to be wrong, on the user's."""
        if not self.why_inline:
            if self._may_change:
                self._open()  # a body that was given up may still bind the names that it has
            observation = yield from super().attempt(site, reach, call)
            self._may_change = observation.outcome.was_given_up
            if not self.doubted(observation):
                return observation
            if self.is_aside:
                return self.refused(observation)
        yield Alone()
        return (yield from self._main.attempt(self._asked_for, reach, call))

    def doubted(self, observation: Observation, why: str = "", *, for_now: bool = False) -> str:
        """Why the body has to run on the user's names after all, which is noted; empty where it need not."""
        self.why_inline = why or self._doubt(observation)
        if self.why_inline:
            self._seeded = self._main.workspace.labels.keys() & STATEFUL.keys()
            if not (for_now or _is_voided(observation)):
                self._main.bound_to_names[self._asked_for.body.static_key] = self.why_inline
        return self.why_inline

    def refused(self, observation: Observation) -> Observation:
        """What was seen of a body that has to run on the user's names, and may not."""
        end = Cancelled(f"it cannot run in the background: {self.why_inline}")
        return replace(observation, outcome=observation.outcome.instead(end))

    @property
    def is_aside(self) -> bool:
        """Whether the names of the flow are not the user's, so that nothing runs on them."""
        return self._main.is_aside

    def items(self, site: Site, asked: tuple[Entry, ...], origin: Origin, *, anew: bool = False) -> Items:
        """What runs the items of a mapped step at the same time."""

        def on_names(anew: bool) -> Items:
            return self._main.items(self._asked_for, asked, origin, anew=anew)

        return ItemsAbreast(self.plan(site, asked, origin, anew=anew), self.hands, self, on_names)

    def place_for_items(self, plan: Plan) -> EachApart:
        """Names of their own for one item after the other."""
        return EachApart(self.private, partial(self._open_for_items, plan))

    def _open_for_items(self, plan: Plan) -> tuple[Plan, Hands, Callable[[Observation], str]]:
        """Names in which all stands that a body reads but the elements, of which each item has its own."""
        lists = lists_of(self._asked_for)
        slots = tuple(slot for slot in self._asked_for.slots if slot.locator not in lists)
        place = Beside(self._main, replace(self._asked_for, slots=slots), is_apart=self._is_apart)
        units = tuple(versions for versions in self.site.units if not versions.keys() <= lists)
        put_back = partial(place.put_back, replace(self.site, units=units))
        return dataclasses.replace(plan, put_back=put_back), place.hands, place._doubt_of_item

    def _doubt_of_item(self, observation: Observation) -> str:
        """The same for one item: all that it has made is handed over as a copy."""
        for output in observation.outputs if observation.is_whole else ():
            if output.sort == "class" or any(is_new for _, is_new in output.classes):
                return f"{key_of(output.slot)} is of a class that an item defines"
        why = self._doubt(observation)
        return why or ("what an item makes cannot be stored" if self._stay_live else "")

    def _doubt(self, observation: Observation) -> str:
        """Why what was seen may be another thing than on the user's names."""
        error, away = observation.error, observation.outcome.away
        if away is not None and (why := away.doubt(observation.outputs)):
            return why
        if isinstance(error, NameError) and self._is_hidden(error.name or ""):
            return f"it reads {error.name}, which nobody saw"
        if isinstance(error, PicklingError):
            return "it pickles code of the notebook"
        seeded = {key_of(slot) for slot in self._asked_for.slots if slot.kind == RANDOM}
        if observation.drew & seeded:
            return "it draws from a global random generator"
        if changed := sorted(observation.drew & LIBRARIES.keys()):
            return f"it changes settings of {slot_of(changed[0]).locator}"
        if _is_voided(observation):
            return "a file that it looks at changed while it ran"
        return self._misfit(observation) if observation.is_whole else ""

    def _is_hidden(self, name: str) -> bool:
        """Whether a name stands among the user's, and the analysis does not say that the body knows it."""
        stands = any(name in workspace.names for workspace in self._main.all_names)
        return stands and slot_of(name) not in self._asked_for.slots

    def _misfit(self, observation: Observation) -> str:
        """Why something that it made cannot be handed over."""
        units: dict[str, tuple[str, ...]] = {}
        for output in observation.outputs:
            if output.digest == UNBOUND or output.slot.kind in (RANDOM, SETTINGS):
                continue
            why = self._why_kept_here(output)
            if why:
                return why
            units[output.unit] = output.members
        for unit, members in units.items():
            if why_unstored(tuple(map(self.private.get, members)), self.private.names):
                if not self._may_stay_live(members):
                    return f"{', '.join(members)} cannot be stored"
                self._stay_live.add(unit)
        return ""

    def _may_stay_live(self, members: tuple[str, ...]) -> bool:
        """Whether the object itself can be handed over: nobody reads it, and no code is in it."""
        (key, *others) = members
        value = self.private.names[key]
        read = any(key in (step.ran or step.body).reads for step in self._book)
        return not (others or read or isinstance(value, _WITH_FRAME) or holds_code(value, self.private.names))

    def _why_kept_here(self, output: Output) -> str:
        key, defines = key_of(output.slot), self._asked_for.body.analysis.definitions
        if _is_made_again(output):
            if any(key in versions for versions in self.site.units) and output.sort == "module":
                for workspace in self._main.all_names:
                    _outdate(workspace, self.private.names[key])
                return f"it changes the module {key} in place"
            return "" if key in defines and len(output.members) == 1 else f"{key} cannot be made again"
        if self.private.is_nameless(key) and not self._may_stay_live(output.members):
            return f"{key} cannot be compared"
        odd = (name for name, is_new in output.classes if not self._is_known(name, is_new))
        return next((f"{key} holds a class {name} that cannot be made again" for name in odd), "")

    def _is_known(self, name: str, is_new: bool) -> bool:
        """Whether a class inside a value is the one that its name leads to; nothing else tells which."""
        if is_new:
            return not name.startswith("<") and name_of(name) in self._asked_for.body.analysis.definitions
        versions = (self._asked_for.view.bound(slot).version for slot in self._asked_for.slots)
        seen = (version.classes for version in versions if version is not None)
        return len({maker for known, maker in chain.from_iterable(seen) if known == name}) == 1

    # --- what becomes of it ------------------------------------------------------------------------

    def _commit(self, step: Step, trace: Trace, seen: Observation, effects: Collection[str]) -> None:
        if self.why_inline:
            self._main._commit(step, trace, seen, effects)
        else:
            super()._commit(step, trace, seen, effects)

    def _take(self, step: Step, trace: Trace, seen: Seen) -> None:
        if self.why_inline:
            self._main._take(step, trace, seen)
            return
        super()._take(step, trace, seen)
        self._hand_over(trace)

    def _fail(self, step: Step, finished: Finished) -> None:
        super()._fail(step, finished)
        if step.body.mapped and finished.observation is not None and not self.why_inline:
            self._hand_over_items(finished.observation)

    def _hand_over_items(self, observation: Observation) -> None:
        """Where items have failed, the user's names get what the others have made, as on these names."""
        user = self._main.workspace
        for key in [key_of(output.slot) for output in observation.outputs if output.slot.kind == NAME]:
            value = self.private.names.get(key, _NOT_MADE)
            own = value.copied(self._own) if isinstance(value, MapResult) else self._own(value)
            if value is _NOT_MADE or isinstance(own, Unread):  # deleted, or a definition that has no copy
                user.unbind(key)
            else:
                user.bind(key, own)
                user.ensure((key,))

    def _own(self, value: object) -> object:
        """A copy for the user's names; an error where there can be none."""
        own, is_own = copied(value, self.private, self._main.workspace)
        return own if is_own else Unread(SessionError("this value cannot be handed over: run it inline"))

    def _forget_unseeded(self, trace: Trace, seeded: AbstractSet[str]) -> None:
        if self.why_inline:
            self._main._forget_unseeded(trace, self._seeded)

    def _hand_over(self, trace: Trace) -> None:
        """Let the user's names hold what was made when the action ends; until then it is kept for them."""
        user, labels = self._main.workspace, self.private.labels
        keys = {key_of(output.slot) for output in outputs_in_memory(trace)}
        made = {key: labels[key].version for key in keys if key in labels}
        self._main.define_missing(made)
        for versions in by_unit(made):
            output = first_of(versions).output
            if output.unit in self._stay_live or any(map(self.private.is_nameless, versions)):
                self.private.give_itself(versions)
            elif not (_is_made_again(output) or user.is_stored(versions)):
                self.private.give(versions)
        user.moved |= keys


def _modules(names: Mapping[str, object]) -> Iterator[str]:
    """The names of the modules among these objects."""
    return (value.__name__ for value in names.values() if isinstance(value, ModuleType))


def _is_voided(observation: Observation) -> bool:
    """Whether a file changed under the body, perhaps because another one ran at the same time."""
    return observation.watch is not None and bool(observation.watch.voided)


def _is_made_again(output: Output) -> bool:
    """Whether it comes back by its definition alone, as classes and the user's own modules do."""
    return output.sort == "class" or is_local_module(output)


def _outdate(workspace: Workspace, module: object) -> None:
    """A module was changed in place: what names hold it is no version any more."""
    for key in [key for key, value in workspace.names.items() if value is module]:
        label = workspace.labels.get(key)
        if label is not None:
            workspace.note(key)
            workspace.spend(label.memory)
            workspace.label(key, replace(label, version=None))
