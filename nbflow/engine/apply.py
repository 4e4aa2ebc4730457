"""The workspace: names and random states, each with the version that it holds.

The only writer of names (invariant I5) but for the bodies themselves. It puts versions back
before a body runs, keeps live objects whose version is not stored while a step is bound to
them, and lets the right versions stand when an action ends.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from nbflow.engine.bind import by_unit, first_of
from nbflow.engine.labels import NO_MEMORY, Held, Label, Labels, is_local_module, next_copy, private_memory
from nbflow.engine.marks import Marks
from nbflow.engine.placeholder import Placeholder, gone, is_placeholder, text_of
from nbflow.engine.standing import ABSENT
from nbflow.engine.stateful import STATEFUL, current_state, loaded_states
from nbflow.exceptions import CacheError, NotLoadedError
from nbflow.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from nbflow.engine.bind import Version
    from nbflow.engine.origins import Classes
    from nbflow.store.digests import Fingerprint
    from nbflow.store.protocol import Store

_MISSING: Final = ABSENT
_MANY: Final = 1_000
_LATER: Final = "it is loaded before a cell runs that mentions it"


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
        self.marks = Marks(store)
        self._saved: dict[str, tuple[object, Label | None]] = {}
        self.moved: set[str] = set()
        self._spent, self._taken = set[int](), set[str]()
        self._others_bind = is_shared
        self.keeps_much = False
        """Whether an object was kept since the last `prune` that may be large, or one of many."""
        self._made: dict[tuple[str, str, str], tuple[object, Mapping[int, type]]] = {}
        self.lost: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self.names or (key in STATEFUL and key in loaded_states())

    def get(self, key: str) -> object:
        """The live object of a key, loaded if it is not yet.

        Raises:
            NotLoadedError: If it cannot be.
        """
        value = current_state(key) if key in STATEFUL else self.names[key]
        if not is_placeholder(value):
            return value
        if not self.realise((key,)):
            raise NotLoadedError(text_of(cast("Placeholder", value)), name=key)
        return self.names[key]

    def _standing(self, key: str) -> object:
        """What stands under a key, be it loaded or not."""
        return current_state(key) if key in STATEFUL else self.names[key]

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
        return self.look_at(self.get(key), key)

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
        """Take names away, as a body elsewhere did; or while one runs, `unhide` then puts the others back."""
        for key in keys:
            del self.names[key]

    def unhide(self, values: Mapping[str, object]) -> set[str]:
        """Put hidden names back; return those that hold something already."""
        bound = values.keys() & self.names.keys()
        self.names.update({key: value for key, value in values.items() if key not in bound})
        return set(bound)

    def made(self, key: str, step: str) -> None:
        """Note that a step made the class or module under a key, if it is one.

        One made anew is another one; a class is made anew by the step that made it, by another one more.
        """
        value, label = self.names.get(key), self.labels[key]
        if issubclass(type(value), (type, ModuleType)) and label.classes:  # a proxy may not be asked
            maker = step if isinstance(value, type) and self.known.is_own(value) else ""
            before, classes = self._made.get((key, label.digest, maker), (value, label.classes))
            self._made[key, label.digest, maker] = (value, label.classes)
            if before is not value:
                self._outdate(classes.keys() - label.classes.keys())

    def _outdate(self, made: set[int]) -> None:
        """What was made of these classes is its version no more."""
        for key, label in tuple(self.labels.items()):
            if key in self and self._contains(self._standing(key), label, made):
                self.spend(label.memory)
                self.note(key)
                classes = self.look_at(self._standing(key)).classes
                self.label(key, replace(label, version=None, classes=classes, is_outdated=True))
        for key, (value, label) in self._saved.items():
            if label is not None and self._contains(value, label, made):
                self._saved[key] = (value, replace(label, is_outdated=True))
        for unit, held in tuple(self._held.items()):
            if any(self._contains(held.values[key], label, made) for key, label in held.labels.items()):
                del self._held[unit]

    def _contains(self, value: object, label: Label, classes: set[int]) -> bool:
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
        with suppress(CacheError):  # a library may refuse what it was set to
            for key, (value, label) in (fetched or {}).items():
                self.bind(key, value, label)
            return fetched is not None
        self.lost.add(first_of(versions).output.unit)
        return False

    def unbind(self, key: str) -> None:
        """Take a name away, keeping its object where its version is needed and not stored."""
        if key not in self.labels and key not in self.names:
            return
        self.leave(key)
        self._taken.add(key)
        self.names.pop(key, None)
        self.unset(key)
        self.label(key, None)

    def leave(self, key: str) -> None:
        """Note and keep what a key holds that is about to hold something else."""
        self._keep(key)
        self.note(key)

    def bind(self, key: str, value: object, label: Label | None = None) -> None:
        """Let a key hold a value; without a label no version stands for it."""
        self.leave(key)
        if key in STATEFUL:
            self.states.restore(key, value)
        else:
            self.names[key] = value
        self.label(key, label)

    def _fetch(
        self, versions: Mapping[str, Version], *, lazily: bool
    ) -> Mapping[str, tuple[object, Label]] | None:
        """These members: their kept objects where nobody else has them, else a private copy."""
        if self.is_stored(versions):
            later = lazily and self.store.is_costly(first_of(versions).output.unit)
            values = {key: Placeholder(key, _LATER) for key in versions} if later else self._load(versions)
        elif (kept := self._take_kept(versions)) is not None:
            return kept
        else:
            live = self.of_one_copy(versions)
            values = self._copied(live, first_of(versions).classes) if live is not None else None
        if values is None:
            return None
        memory, copy = private_memory(), next_copy()
        return {
            key: (values[key], Label(version.output.digest, memory, version, copy=copy))
            for key, version in versions.items()
        }

    def _take_kept(self, versions: Mapping[str, Version]) -> Mapping[str, tuple[object, Label]] | None:
        held = self._kept(versions)
        if held is None:
            return None
        del self._held[first_of(versions).content]
        found = {key: (held.values[key], held.labels[key]) for key in versions}
        copy = next_copy()
        return {
            key: (value, replace(self._refined(value, label), version=versions[key], copy=copy))
            for key, (value, label) in found.items()
        }

    def of_one_copy(self, versions: Mapping[str, Version]) -> dict[str, object] | None:
        """The live and kept objects of these members that are of one copy; None where none is whole."""
        held = self._held.get(first_of(versions).content)
        copies = {held.copy: dict(held.values)} if held is not None else {}
        for key, version in versions.items():
            if self.holds(key, version) and key in self and not is_placeholder(self._standing(key)):
                copies.setdefault(self.labels[key].copy, {})[key] = self.get(key)
        whole = (values for values in copies.values() if values.keys() >= versions.keys())
        return next(({key: values[key] for key in versions} for values in whole), None)

    def _copied(self, values: dict[str, object], classes: Classes) -> dict[str, object] | None:
        keys, copies = sorted(values), MemoryStore(self.names)
        with suppress(CacheError), self.lending(classes) as is_whole:
            if is_whole and not copies.put("copy", tuple(values[key] for key in keys)):
                return dict(zip(keys, copies.load("copy"), strict=True))
        return None

    def _load(self, versions: Mapping[str, Version]) -> dict[str, object] | None:
        output = first_of(versions).output
        with suppress(CacheError), self.lending(first_of(versions).classes) as is_whole:
            if is_whole:
                return dict(zip(output.members, self.store.load(output.unit, self.names), strict=True))
        self.lost.add(output.unit)
        return None

    @contextmanager
    def lending(self, classes: Classes) -> Generator[bool]:
        """Let these classes stand under their names while values are loaded; gives whether they are there."""
        holders = self._holders(classes)
        if not holders:
            yield holders is not None
            return
        before = {key: self.names[key] for key in holders if key in self.names}
        self.names.update(holders)
        try:
            yield True
        finally:
            for key in holders.keys() - before.keys():
                del self.names[key]
            self.names.update(before)

    def private_copy(self, key: str) -> object:
        """A copy of what a key holds; itself where nothing can change it or it cannot be copied."""
        label, value = self.labels.get(key), self.names[key]
        if label is None or label.version is None or not label.memory:
            return value
        versions = {key: label.version}
        stored = self.is_stored(versions)
        copies = self._load(versions) if stored else self._copied({key: value}, label.version.classes)
        return copies[key] if copies is not None else value

    def is_stored(self, versions: Mapping[str, Version]) -> bool:
        """Whether the unit can be loaded; a class is made again by its definition, never loaded."""
        outputs = [version.output for version in versions.values()]
        unit = outputs[0].unit
        return (
            unit not in self.lost
            and not any(output.sort == "class" or is_local_module(output) for output in outputs)
            and self._holders(first_of(versions).classes) is not None
            and self.store.has(unit)
        )

    def is_available(self, versions: Mapping[str, Version]) -> bool:
        """Whether `place` would succeed, as far as can be told without loading."""
        if self.holds_together(versions) or self.is_stored(versions) or self._kept(versions) is not None:
            return True
        return bool(self.of_one_copy(versions)) and self._holders(first_of(versions).classes) is not None

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
        unit = label.version.content
        held = self._held.get(unit)
        if held is None or (held.copy != label.copy and not held.values.keys() >= set(unit[1])):
            held = self._held[unit] = Held(label.copy)
        if held.copy == label.copy:
            held.values[key], held.labels[key] = value, label
            self.keeps_much |= label.may_be_large(value) or len(self._held) > _MANY

    def let_go(self, key: str, value: object, *, may_have_changed: bool) -> None:
        """Keep an object that lost its name, if it still is the version that the key held; else spend it."""
        label = self.labels[key]
        now = self.look_at(value, key) if may_have_changed and label.memory else None
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
                self.known.meet(now.classes)

    def refine(self, key: str, memory: frozenset[int]) -> None:
        """Say what memory a key really reaches, where only its being private was known."""
        before = self.labels[key]
        after = replace(before, memory=memory)
        self.label(key, after)
        self._learn(before, memory)
        saved, label = self._saved.get(key, (_MISSING, None))
        if label == before and saved is self.names.get(key):
            self._saved[key] = (saved, after)

    def spend(self, memory: Iterable[int]) -> None:
        """Note that the objects behind these tokens changed: they stand for no version any more."""
        tokens = frozenset(memory)
        self._spent |= tokens
        for unit in [unit for unit, held in self._held.items() if self._real(held.memory) & tokens]:
            del self._held[unit]

    def prune(self, is_bound: Callable[[str, str], bool]) -> None:
        """Let go of the live objects whose unit no step is bound to: told by digest and one of its keys."""
        self.keeps_much = False
        self.forget_used()
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
        if self._others_bind:
            self.leave_to_others()

    def begin(self) -> None:
        """Start an action: what keys hold from here on can be given back by `settle`."""
        self.states.forget()
        self.take_from_others()
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
        for versions in by_unit(stand):
            if all(self.holds(key, version) for key, version in versions.items()):
                continue
            if not self.place(self._with_holders(versions), lazily=True):
                self.moved |= versions.keys()  # the next flow run tries again
                self._say_gone(versions)
        self._unite()

    def _say_gone(self, versions: Mapping[str, Version]) -> None:
        """Names whose value was lost say so when they are used; nor may an older result pass for it."""
        for key in versions.keys() - STATEFUL.keys():
            held = self.labels[key].version if key in self.labels else None
            is_older = held and held.step == versions[key].step and not held.is_same(versions[key])
            if key not in self.names or is_older:
                reason = self.store.absence(versions[key].output.unit)
                self.bind(key, Placeholder(key, gone(reason, self.remedy(versions[key].step))))

    def give_back_copied(self) -> None:
        """End an action that failed: names get back what was only taken away or copied for the body."""
        taken = {key: self._saved[key] for key in self._taken & self._saved.keys() - self.names.keys()}
        self._give_back(taken)
        self._give_back_copied()
        self._unite()

    def _give_back_copied(self) -> None:
        saved = {key: label for key, (_, label) in self._saved.items() if label and label.version}
        copied = {key: label.version for key, label in saved.items() if self._is_copy_of(key, label)}
        for versions in by_unit(copied):
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
        for versions in by_unit(labels):
            if len(first_of(versions).output.members) == 1:
                continue  # one name is one copy
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
                if value is not _MISSING and key not in STATEFUL:
                    self.names[key] = value  # nobody knows what it is; taking it away would lose it
            elif self._is_spent(label):
                changed[key] = label.version
            elif self.labels.get(key) != label or not self._is_live(key, value):
                self.bind(key, value, self._refined(value, label))
        for versions in by_unit(changed):  # members of one unit share memory, and come back together
            held = all(self.holds(key, version) for key, version in versions.items())
            if not held and not self.place(self._with_holders(versions), lazily=True):
                self._say_gone(versions)

    def _refined(self, value: object, label: Label) -> Label:
        """With what the value really reaches, where that was found of others of its copy."""
        if not label.is_private or label.memory.isdisjoint(self._found):
            return label
        return replace(label, memory=self.look_at(value).memory)

    def _is_live(self, key: str, value: object) -> bool:
        return key in STATEFUL or self.names.get(key, _MISSING) is value
