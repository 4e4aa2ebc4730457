"""The workspace: names and random states, each with the version that it holds.

The only writer of names (invariant I5) but for the bodies themselves. It puts versions back
before a body runs, keeps live objects whose version is not stored while a step is bound to
them, and lets the right versions stand when an action ends.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.engine.generators import GENERATORS, States, current_state, loaded_generators
from nbflow.engine.labels import NO_MEMORY, Held, Label, Labels, is_local_module, next_copy, private_memory
from nbflow.engine.placeholder import Placeholder, is_placeholder, text_of
from nbflow.engine.standing import ABSENT, Standing
from nbflow.exceptions import CacheError, NotLoadedError
from nbflow.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.engine.bind import Version
    from nbflow.store.digests import Fingerprint
    from nbflow.store.protocol import Store

_MISSING: Final = ABSENT
_CACHED: Final = type(lru_cache(int))
_LATER: Final = "it is loaded before a cell runs that mentions it"
_GONE: Final = "it could not be stored, so that it went with its kernel; run the cell that makes it"


class Workspace(Labels):
    """Names over any mapping, and the random generators, each labelled with its version.

    Args:
        names: The user's namespace.
        store: Where stored versions are.
        is_shared: Whether others may bind names between two actions: callbacks, tools of a front end.
    """

    def __init__(self, names: dict[str, Any], store: Store, *, is_shared: bool = False) -> None:
        super().__init__(names)
        self.store = store
        self._held: dict[tuple[str, tuple[str, ...]], Held] = {}
        self._saved: dict[str, tuple[object, Label | None]] = {}
        self.moved: set[str] = set()
        self._spent: set[int] = set()
        self._taken: set[str] = set()
        self._then: Standing | None = None
        self._others_bind = is_shared
        self._found: dict[int, frozenset[int]] = {}
        self._made: dict[tuple[str, str], tuple[object, frozenset[int]]] = {}
        self.states = States()
        self.lost: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.names or key in loaded_generators()

    def get(self, key: str) -> object:
        """The live object of a key, loaded if it is not yet.

        Raises:
            NotLoadedError: If it cannot be.
        """
        value = self._standing(key)
        if not is_placeholder(value):
            return value
        if not self.realise((key,)):
            raise NotLoadedError(text_of(cast("Placeholder", value)), name=key)
        return self.names[key]

    def _standing(self, key: str) -> object:
        """What stands under a key, be it loaded or not."""
        return current_state(key) if key in GENERATORS else self.names[key]

    def realise(self, keys: Iterable[str]) -> bool:
        """Load the values of these keys for which placeholders stand; False where one cannot be had."""
        waiting = [key for key in keys if is_placeholder(self.names.get(key))]
        for key in waiting:
            label = self.labels.get(key)
            if label is None or label.version is None:
                return False
            if is_placeholder(self.names[key]) and not self._realise(label):
                return False
        return True

    def _realise(self, label: Label) -> bool:
        """Load one unit and put its members in the place of their placeholders, all of one copy."""
        version = label.version
        values = self._load({version.output.slot.locator: version}) if version is not None else None
        if values is None:
            return False
        for key, value in values.items():
            known = self.labels.get(key)
            standing = self.names.get(key)
            if known is not None and known.copy == label.copy and is_placeholder(standing):
                self.names[key] = value
            if key in self._saved and self._saved[key][0] is standing and is_placeholder(standing):
                self._saved[key] = (value, self._saved[key][1])
        return True

    def look(self, key: str) -> Fingerprint:
        """Digest the live object of a key."""
        return self.look_at(self.get(key))

    def note(self, key: str, value: object = _MISSING) -> None:
        """Remember what a key held before its first change in this action.

        Args:
            key: The key.
            value: The object before; by default the one that it holds now.
        """
        self.moved.add(key)
        if key not in self._saved:
            if value is _MISSING and key in self:
                value = self._standing(key)
            self._saved[key] = (value, self.labels.get(key))

    def hide(self, keys: Iterable[str]) -> None:
        """Take names away for as long as a body runs; `unhide` puts those back that it did not bind."""
        for key in keys:
            del self.names[key]

    def unhide(self, values: Mapping[str, object]) -> set[str]:
        """Put hidden names back; return those that hold something already."""
        bound = values.keys() & self.names.keys()
        self.names.update({key: value for key, value in values.items() if key not in bound})
        return set(bound)

    def empty_cache(self, key: str) -> None:
        """Make a cached function compute again, so that what it reads is seen by who calls it."""
        value = self.names.get(key)
        if isinstance(value, _CACHED):
            value.cache_clear()

    def renew(self, key: str) -> None:
        """Note that a body had a value without a digest: it may have used it up or changed it."""
        self._nameless.pop(id(self.get(key)), None)

    def made(self, key: str) -> None:
        """Note that the class or module under a key was made, if it is one; one made anew is another one."""
        value, label = self.names.get(key), self.labels[key]
        if isinstance(value, type | ModuleType) and label.classes:
            before, classes = self._made.get((key, label.digest), (value, label.classes))
            self._made[key, label.digest] = (value, label.classes)
            if before is not value:
                self._outdate(classes - label.classes)

    def _outdate(self, classes: frozenset[int]) -> None:
        """What was made of these classes is its version no more."""
        for key, label in tuple(self.labels.items()):
            if key in self and self._contains(self._standing(key), label, classes):
                self.spend(label.memory)
                self.note(key)
                self.label(key, replace(label, version=None, is_outdated=True))
        for key, (value, label) in self._saved.items():
            if label is not None and self._contains(value, label, classes):
                self._saved[key] = (value, replace(label, is_outdated=True))
        for unit, held in tuple(self._held.items()):
            if any(self._contains(held.values[key], label, classes) for key, label in held.labels.items()):
                del self._held[unit]

    def _contains(self, value: object, label: Label, classes: frozenset[int]) -> bool:
        """Whether one of these classes is in a value; what was put back is looked at only when asked."""
        if is_placeholder(value):
            return False  # it will be built with the class that is there then
        if label.classes is not None or label.version is None:
            return not classes.isdisjoint(label.classes or ())
        reach = label.version.output.reach
        return reach.changes_arguments and not classes.isdisjoint(self.look_at(value).classes)

    def place(self, versions: Mapping[str, Version], *, lazily: bool = False) -> bool:
        """Put the members of one unit back together; False where the unit is spent.

        Nothing is done where every name holds its version, of one copy, and shares memory with
        no name outside the unit.

        Args:
            versions: The members by key.
            lazily: Whether a value that would have to be built may stay away until it is used.
        """
        keys = versions.keys()
        if self.holds_together(versions) and all(self.group(key) <= keys for key in keys):
            return lazily or self.realise(keys)
        fetched = self._fetch(versions, lazily=lazily)
        if fetched is None:
            return False
        copy = next_copy()
        for key, (value, label) in fetched.items():
            self._bind(key, value, replace(label, version=versions[key], copy=copy))
        return True

    def unbind(self, key: str) -> None:
        """Take a name away, keeping its object where its version is needed and not stored."""
        if key not in self.labels and key not in self.names:
            return
        self.leave(key)
        self._taken.add(key)
        self.names.pop(key, None)
        self.label(key, None)

    def leave(self, key: str) -> None:
        """Note and keep what a key holds that is about to hold something else."""
        self._keep(key)
        self.note(key)

    def _bind(self, key: str, value: object, label: Label) -> None:
        self.leave(key)
        if key in GENERATORS:
            self.states.restore(key, value)
        else:
            self.names[key] = value
        self.label(key, label)

    def _fetch(
        self, versions: Mapping[str, Version], *, lazily: bool
    ) -> Mapping[str, tuple[object, Label]] | None:
        """These members: their kept objects where nobody else has them, else a private copy."""
        if self.is_stored(versions):
            later = lazily and self.store.is_costly(_unit_of(versions)[0])
            values = _placeholders(versions) if later else self._load(versions)
        elif (kept := self._take_kept(versions)) is not None:
            return kept
        else:
            live = self._of_one_copy(versions)
            values = self._copied(live) if live is not None else None
        if values is None:
            return None
        memory = private_memory()
        return {key: (values[key], Label(version.output.digest, memory)) for key, version in versions.items()}

    def _take_kept(self, versions: Mapping[str, Version]) -> Mapping[str, tuple[object, Label]] | None:
        unit = _unit_of(versions)
        held = self._held.get(unit)
        if held is None or not held.values.keys() >= versions.keys() or self._is_shared(held, versions):
            return None
        del self._held[unit]
        found = ((key, held.values[key], held.labels[key]) for key in versions)
        return {key: (value, self._refined(value, label)) for key, value, label in found}

    def _of_one_copy(self, versions: Mapping[str, Version]) -> dict[str, object] | None:
        """The live and kept objects of these members that are of one copy; None where none is whole."""
        held = self._held.get(_unit_of(versions))
        copies = {held.copy: dict(held.values)} if held is not None else {}
        for key, version in versions.items():
            if self.holds(key, version) and key in self and not is_placeholder(self._standing(key)):
                copies.setdefault(self.labels[key].copy, {})[key] = self.get(key)
        whole = (values for values in copies.values() if values.keys() >= versions.keys())
        return next(({key: values[key] for key in versions} for values in whole), None)

    def _is_shared(self, held: Held, versions: Mapping[str, Version]) -> bool:
        return any(self._sharers.get(token, set()) - versions.keys() for token in self._real(held.memory))

    def _copied(self, values: dict[str, object]) -> dict[str, object] | None:
        keys = sorted(values)
        copies = MemoryStore(self.names)
        try:
            if copies.put("copy", tuple(values[key] for key in keys)):
                return None
            return dict(zip(keys, copies.load("copy"), strict=True))
        except CacheError:
            return None

    def _load(self, versions: Mapping[str, Version]) -> dict[str, object] | None:
        output = next(iter(versions.values())).output
        try:
            return dict(zip(output.members, self.store.load(output.unit), strict=True))
        except CacheError:
            self.lost.add(output.unit)
            return None

    def is_stored(self, versions: Mapping[str, Version]) -> bool:
        """Whether the unit can be loaded; a class is made again by its definition, never loaded."""
        outputs = [version.output for version in versions.values()]
        unit = outputs[0].unit
        return (
            unit not in self.lost
            and not any(output.sort == "class" or is_local_module(output) for output in outputs)
            and self.store.has(unit)
        )

    def is_available(self, versions: Mapping[str, Version]) -> bool:
        """Whether `place` would succeed, as far as can be told without loading."""
        if self.holds_together(versions) or self.is_stored(versions):
            return True
        return self._of_one_copy(versions) is not None

    def _keep(self, key: str) -> None:
        """Keep the object of a key that is about to hold another one, if nothing else has it."""
        label = self.labels.get(key)
        if label is not None and label.version is not None and key in self:
            self.keep(key, self._standing(key), label)

    def keep(self, key: str, value: object, label: Label) -> None:
        """Keep a live object whose version is not stored; of one copy only, and rather of a whole one.

        One that reaches no memory is kept unasked: asking the store takes longer.
        """
        if label.version is None or (label.memory and self.is_stored({key: label.version})):
            return
        unit = _unit_of({key: label.version})
        held = self._held.get(unit)
        if held is None or (held.copy != label.copy and not held.values.keys() >= set(unit[1])):
            held = self._held[unit] = Held(label.copy)
        if held.copy == label.copy:
            held.values[key], held.labels[key] = value, label

    def let_go(self, key: str, value: object, *, may_have_changed: bool) -> None:
        """Keep an object that lost its name, if it still is the version that the key held; else spend it."""
        label = self.labels[key]
        now = self.look_at(value) if may_have_changed and label.memory else None
        if now is not None:
            self._learn(label, now.memory)
        moved = now is not None and not label.is_private and now.memory != label.memory
        if now is not None and (moved or now.digest != label.digest):
            self.spend(label.memory | now.memory)
        else:
            self.keep(key, value, replace(label, memory=now.memory) if now is not None else label)

    def ensure(self, keys: Iterable[str]) -> None:
        """Give a label to what stands under these keys without one, and load what is not loaded yet."""
        keys = tuple(keys)
        self.realise(keys)
        for key in keys:
            if key not in self.labels and key in self.names and not is_placeholder(self.names[key]):
                now = self.look(key)
                self.label(key, Label(now.digest, now.memory, classes=now.classes))

    def refine(self, key: str, memory: frozenset[int]) -> None:
        """Say what memory a key really reaches, where only its being private was known."""
        before = self.labels[key]
        after = replace(before, memory=memory)
        self.label(key, after)
        self._learn(before, memory)
        saved, label = self._saved.get(key, (_MISSING, None))
        if label == before and saved is self.names.get(key):
            self._saved[key] = (saved, after)

    def _learn(self, label: Label, memory: frozenset[int]) -> None:
        for token in label.memory if label.is_private else ():
            self._found[token] = self._found.get(token, NO_MEMORY) | memory

    def spend(self, memory: Iterable[int]) -> None:
        """Note that the objects behind these tokens changed: they stand for no version any more."""
        tokens = frozenset(memory)
        self._spent |= tokens
        for unit in [unit for unit, held in self._held.items() if self._real(held.memory) & tokens]:
            del self._held[unit]

    def _real(self, memory: frozenset[int]) -> frozenset[int]:
        """With what was found, when one of its copy was looked at, of what was only known to be private."""
        return memory.union(*(self._found[token] for token in memory if token in self._found))

    def prune(self, is_bound: Callable[[str, str], bool]) -> None:
        """Let go of the live objects whose unit no step is bound to: told by digest and one of its keys."""
        if self._nameless:
            tokens = {label.digest for label in self.labels.values()}
            live = {id(value) for held in self._held.values() for value in held.values.values()}
            known = self._nameless.items()
            self._nameless = {key: value for key, value in known if value[1] in tokens or key in live}
        if not self._held:
            self._found.clear()
            return
        for unit, held in tuple(self._held.items()):
            if not any(is_bound(unit[0], key) for key in held.values):
                del self._held[unit]
        kept = NO_MEMORY.union(*(held.memory for held in self._held.values()))
        self._found = {token: memory for token, memory in self._found.items() if token in kept}

    def close(self) -> None:
        """End an action."""
        self._then = Standing(self.names) if self._others_bind else None

    def _unlabel_what_others_bound(self) -> None:
        """Names bound since the last action, by a callback or by code that nobody saw, are no versions."""
        then, self._then = self._then, None
        for key in then.changed(self.names) if then else ():
            self.label(key, None)

    def begin(self) -> None:
        """Start an action: what keys hold from here on can be given back by `settle`."""
        self.states.forget()
        self._unlabel_what_others_bound()
        self._taken.clear()
        self._spent.clear()
        self._saved.clear()
        self.lost.clear()  # what could not be built without a class can be once that is there

    def settle(self, stand: Mapping[str, Version | None]) -> None:
        """End an action: these keys hold these versions, all others what they held before it."""
        self._give_back_copied()
        self._give_back({key: saved for key, saved in self._saved.items() if key not in stand})
        for key, version in stand.items():
            if version is None:
                self.unbind(key)
        for versions in _by_unit(stand):
            if all(self.holds(key, version) for key, version in versions.items()):
                continue
            if not self.place(self._with_holders(versions), lazily=True):
                self.moved |= versions.keys()  # the next flow run tries again
                self._say_gone(versions)
        self._unite()

    def _say_gone(self, versions: Mapping[str, Version]) -> None:
        """Names whose value was lost with the kernel that made it say so when they are used."""
        for key in versions.keys() - self.names.keys() - GENERATORS.keys():
            self.note(key)
            self.label(key, None)
            self.names[key] = Placeholder(key, _GONE)

    def give_back_copied(self) -> None:
        """End an action that failed: names get back what was only taken away or copied for the body."""
        taken = {key: self._saved[key] for key in self._taken & self._saved.keys() - self.names.keys()}
        self._give_back(taken)
        self._give_back_copied()
        self._unite()

    def _give_back_copied(self) -> None:
        saved = {key: label for key, (_, label) in self._saved.items() if label and label.version}
        copied = {key: label.version for key, label in saved.items() if self._is_copy_of(key, label)}
        for versions in _by_unit(copied):
            # All who hold the unit or none: an object of before belongs to no copy that was made since.
            after = [(saved if key in versions else self.labels)[key] for key in self._with_holders(versions)]
            if len({label.copy for label in after}) == 1 and not any(map(self._is_spent, after)):
                self._give_back({key: self._saved[key] for key in versions})

    def _is_copy_of(self, key: str, label: Label) -> bool:
        now = self.labels.get(key)
        return now is not None and now.version is not None and now.version.is_same(label.version)

    def _is_spent(self, label: Label) -> bool:
        return label.is_outdated or bool(self._real(label.memory) & self._spent)

    def _unite(self) -> None:
        """The names that hold a unit hold one copy of it; where none can be had they hold it no more."""
        labels = {key: self.labels[key].version for key in self._saved if key in self.labels}
        for versions in _by_unit(labels):
            whole = self._with_holders(versions)
            if self.holds_together(whole) or self.place(whole):
                continue
            for key in whole:
                self.note(key)
                self.label(key, replace(self.labels[key], version=None))

    def _with_holders(self, versions: Mapping[str, Version]) -> Mapping[str, Version]:
        """With the names that hold members of the unit already: a unit is one copy, never mixed."""
        version, *_ = versions.values()
        held = {key: self.labels[key].version for key in version.output.members if key in self.labels}
        return {key: mate for key, mate in held.items() if mate and version.is_same(mate)} | dict(versions)

    def _give_back(self, saved: Mapping[str, tuple[object, Label | None]]) -> None:
        changed: dict[str, Version | None] = {}
        for key, (value, label) in saved.items():
            if value is _MISSING or label is None:
                self.unbind(key)
                if value is not _MISSING:
                    self.names[key] = value  # nobody knows what it is; taking it away would lose it
            elif self._is_spent(label):
                changed[key] = label.version
            elif self.labels.get(key) != label or not self._is_live(key, value):
                self._bind(key, value, self._refined(value, label))
        for versions in _by_unit(changed):
            # Members of one unit come back together, else they would no longer share memory.
            held = all(self.holds(key, version) for key, version in versions.items())
            if not held and not self.place(self._with_holders(versions), lazily=True):
                self._say_gone(versions)

    def _refined(self, value: object, label: Label) -> Label:
        """With what the value really reaches, where that was found of others of its copy."""
        if not label.is_private or label.memory.isdisjoint(self._found):
            return label
        return replace(label, memory=self.look_at(value).memory)

    def _is_live(self, key: str, value: object) -> bool:
        return key in GENERATORS or self.names.get(key, _MISSING) is value


def _placeholders(versions: Mapping[str, Version]) -> dict[str, object]:
    return {key: Placeholder(key, _LATER) for key in versions}


def _unit_of(versions: Mapping[str, Version]) -> tuple[str, tuple[str, ...]]:
    output = next(iter(versions.values())).output
    return output.unit, output.members


def _by_unit(stand: Mapping[str, Version | None]) -> list[dict[str, Version]]:
    units: dict[tuple[object, ...], dict[str, Version]] = {}
    for key, version in stand.items():
        if version is not None:
            units.setdefault(version.unit, {})[key] = version
    return list(units.values())
