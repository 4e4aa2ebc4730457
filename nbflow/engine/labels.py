"""Labels: what each key of the namespace holds, and which keys share mutable memory."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from nbflow.engine.bind import first_of
from nbflow.engine.libraries import LIBRARIES
from nbflow.engine.library import AS_IT_STARTS
from nbflow.engine.origins import NONE, Known, is_same_class, name_of, seen_as
from nbflow.engine.placeholder import REMEDY
from nbflow.engine.slots import key_of, slot_of
from nbflow.engine.standing import ABSENT, StandingOf
from nbflow.engine.stateful import STATEFUL, States
from nbflow.exceptions import CacheError
from nbflow.secrets import looks_secret
from nbflow.store.digests import NO_CLASSES, Fingerprint, fingerprint, key_digest
from nbflow.store.signing import hidden_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from contextvars import Context

    from nbflow.engine.bind import Version
    from nbflow.engine.library import Changed
    from nbflow.engine.origins import Classes
    from nbflow.types import Output, Slot

NO_MEMORY: Final[frozenset[int]] = frozenset()
_CACHED: Final = type(lru_cache(int))
_LONG: Final = 10_000
_private_tokens = count(-1, -1)
_copies = count(1)


class Label(msgspec.Struct, frozen=True):
    """What a key of the workspace holds.

    Args:
        digest: Digest of the value.
        memory: Identity tokens of the mutable memory reachable from it.
        version: The version that it is; None for what a task left that failed.
        classes: The local classes inside the value, by identity; None where nobody looked.
        copy: Which copy of its version's unit it is part of; the names of one unit are of one copy.
        is_outdated: Whether a class inside it was made anew since, which no digest shows.
    """

    digest: str
    memory: frozenset[int] = NO_MEMORY
    version: Version | None = None
    classes: Mapping[int, type] | None = None
    copy: int = 0
    is_outdated: bool = False

    @property
    def is_private(self) -> bool:
        """Whether the memory is only known to be shared with nobody outside the unit.

        So it is after a restoring: finding its tokens would cost a walk over the value.
        """
        return bool(self.memory) and min(self.memory) < 0

    def may_be_large(self, value: object) -> bool:
        """Whether its value may take much memory: it reaches some that can be changed, or is a long text."""
        is_text = type(value) is str or type(value) is bytes
        return bool(self.memory) or (is_text and len(cast("str", value)) > _LONG)


def next_copy() -> int:
    """A number for the names that one execution makes, or that are put back together, see `Label.copy`."""
    return next(_copies)


def private_memory() -> frozenset[int]:
    """The memory of names put back together of which only is known that nobody else shares it."""
    return frozenset((next(_private_tokens),))


def is_local_module(output: Output) -> bool:
    """Whether it is a module of the user's, whose state no store can put back."""
    return output.sort == "module" and bool(output.reach.parts)


@dataclass(slots=True)
class Held:
    """Live objects of one copy of a unit that is not stored and whose names hold something else now.

    Args:
        copy: Which copy.
        values: The objects, by key.
        labels: What was known of each.
    """

    copy: int
    values: dict[str, object] = field(default_factory=dict[str, object])
    labels: dict[str, Label] = field(default_factory=dict[str, Label])

    @property
    def memory(self) -> frozenset[int]:
        """Identity tokens of the mutable memory reachable from them."""
        return NO_MEMORY.union(*(label.memory for label in self.labels.values()))


class Labels:
    """The labels over one namespace.

    Args:
        names: The user's namespace.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.labels: dict[str, Label] = {}
        self._sharers: dict[int, set[str]] = {}
        self._nameless: dict[int, tuple[object, str]] = {}
        self._used: dict[str, object] = {}
        self._left: StandingOf | None = None
        self._since: dict[str, object] = {}
        self._held: dict[tuple[str, tuple[str, ...], Classes], Held] = {}
        self._found: dict[int, frozenset[int]] = {}
        self.known = Known(names)
        self.states = States()
        self._ambient: dict[str, Changed] = {}
        self._stood: dict[str, object] = {}
        self._taken_settings: Mapping[str, object] = {}
        self.sources: dict[str, str] = {}
        """The definitions that have made classes and modules again here, by name."""
        self.remedy: Callable[[str], str] = lambda step: REMEDY
        """What makes the values of a step again that are nowhere, in words."""
        self.of_shell: Collection[str] = ()
        """Names that are the shell's own as long as nobody gives them a value."""
        self.elsewhere: Context | None = None
        """What bodies over these names see of context variables, where they run elsewhere."""

    def group(self, key: str) -> frozenset[str]:
        """The keys that share mutable memory with `key`, itself included."""
        own = self.labels.get(key)
        if own is None or not own.memory:
            return frozenset((key,))
        found = {key}
        todo = [key]
        while todo:
            label = self.labels.get(todo.pop())
            near: set[str] = (
                {other for token in label.memory for other in self._sharers[token]} if label else set()
            )
            todo.extend(near - found)
            found |= near
        return frozenset(found)

    def look_at(self, value: object, key: str = "") -> Fingerprint:
        """Digest any object as `look` does; under a key that looks secret, so that the digest tells nothing.

        What has no digest gets one that stands for this very object (design 4.2), so that whoever
        reads it runs again when its producer really ran, and not otherwise.
        """
        try:
            found = fingerprint(value, self.names)
            return replace(found, digest=hidden_digest(found.digest)) if looks_secret(key) else found
        except CacheError as error:
            memory = getattr(error, "memory", NO_MEMORY) | {id(value)}
            known, token = self._nameless.get(id(value), (None, ""))
            if known is not value:
                token = key_digest("no digest", uuid4().hex)
                self._nameless[id(value)] = (value, token)
            return Fingerprint(token, memory, classes=getattr(error, "classes", NO_CLASSES))

    def nameless(self) -> frozenset[str]:
        """The digests that stand for one object only, because it has none by its content."""
        return frozenset(token for _, token in self._nameless.values())

    def is_nameless(self, key: str) -> bool:
        """Whether what a key holds has no digest, so that only this very object is known to be equal."""
        known, _ = self._nameless.get(id(self.names.get(key)), (None, ""))
        return known is not None and known is self.names.get(key)

    def renew(self, key: str) -> None:
        """Note that a body had a value without a digest: it may have used it up or changed it."""
        known, token = self._nameless.pop(id(self.names.get(key)), (None, ""))
        if known is not None:
            self._used[token] = known

    def holds_used(self, key: str, version: Version) -> bool:
        """Whether a key holds the very object of a version that others may have used up or changed since."""
        used = self._used.get(version.output.digest)
        return used is not None and used is self.names.get(key)

    def forget_used(self) -> None:
        """Forget which objects without a digest were used whose names hold others by now."""
        if self._used:
            live = {id(self.names[key]) for key in self.labels if key in self.names}
            self._used = {token: used for token, used in self._used.items() if id(used) in live}

    def know(self, value: object, digest: str) -> None:
        """Let a digest that some other names gave an object stand for it here, too."""
        self._nameless[id(value)] = (value, digest)

    def label(self, key: str, label: Label | None) -> None:
        """Say what a key holds; None: nothing that has a label."""
        before = self.labels.pop(key, None)
        for token in before.memory if before else ():
            self._sharers[token].discard(key)
            if not self._sharers[token]:
                del self._sharers[token]
        if label is None:
            return
        self.labels[key] = label
        if key in LIBRARIES:
            self._stood[key] = self.states.of(key, anew=True)
        for token in label.memory:
            self._sharers.setdefault(token, set()).add(key)
        if self._left is not None:
            self._since.setdefault(key, self._left.of(key) if before else self.names.get(key, ABSENT))

    def leave_to_others(self) -> None:
        """Between two actions others may bind names: note what stands under each that has a label."""
        self._left = StandingOf(self.names, self.labels)

    def take_from_others(self) -> None:
        """What a callback, or code that nobody saw, has bound since the last action is no version."""
        left, since = self._left, self._since
        self._left, self._since = None, {}
        changed = left.changed(self.names) if left is not None else ()
        for key in {*changed, *since}:
            if key not in since or since[key] is not self.names.get(key, ABSENT):
                self.label(key, None)

    def seen(self, key: str) -> str:
        """The digest of what a body sees under a key; that of what is no step's version is nobody else's."""
        label = self.labels[key]
        if label.is_outdated:
            return key_digest("outdated", label.digest)
        classes = self.classes_of(slot_of(key))
        if label.version is None and classes:
            return key_digest("classes", label.digest)
        return seen_as(label.digest, classes, self.classes_of)

    def classes_of(self, slot: Slot) -> Classes:
        """The notebook's classes inside what a slot holds; those inside what is no version are nobody's."""
        label = self.labels.get(key_of(slot))
        if label is None:
            return NONE
        return (
            label.version.classes if label.version is not None else self.known.of_nobody(label.classes or {})
        )

    def _holders(self, classes: Classes) -> dict[str, object] | None:
        """What to put under which names for values with these classes to be loaded; None: it is not there.

        Of a name that holds nothing nobody knows here; the loader says what is missing.
        """
        found: dict[str, object] = {}
        for name, _ in classes:
            key = name_of(name)
            if key in self.labels and is_same_class(name, classes, self.classes_of(slot_of(key))):
                continue
            held = self._held_class(key, name, classes)
            if held is not None:
                found[key] = held
            elif key in self.labels or not is_same_class(name, classes, classes):
                return None
        return found

    def _held_class(self, key: str, name: str, classes: Classes) -> object:
        for held in self._held.values():
            version = held.labels[key].version if key in held.labels else None
            if version is not None and is_same_class(name, classes, version.classes):
                return held.values[key]
        return None

    def _kept(self, versions: Mapping[str, Version]) -> Held | None:
        """Kept objects of these members that no name outside shares memory with."""
        held = self._held.get(first_of(versions).content)
        if held is None or not held.values.keys() >= versions.keys():
            return None
        shared = (self._sharers.get(token, set()) - versions.keys() for token in self._real(held.memory))
        return held if not any(shared) else None

    def _real(self, memory: frozenset[int]) -> frozenset[int]:
        """With what was found, when one of its copy was looked at, of what was only known to be private."""
        return memory.union(*(self._found[token] for token in memory if token in self._found))

    def _learn(self, label: Label, memory: frozenset[int]) -> None:
        for token in label.memory if label.is_private else ():
            self._found[token] = self._found.get(token, NO_MEMORY) | memory

    def empty_cache(self, key: str) -> None:
        """Make a cached function compute again, so that what it reads is seen by who calls it."""
        value = self.names.get(key)
        if issubclass(type(value), _CACHED):
            cast("Any", value).cache_clear()

    def seeded(self) -> list[str]:
        """The global random generators, and the libraries, whose states have a label."""
        return [key for key in STATEFUL if key in self.labels]

    def disown(self, step: str) -> None:
        """What a step has made that is no more is nobody's now."""
        for key, label in tuple(self.labels.items()):
            if label.version is not None and label.version.step == step:
                # A library stays as it was set until a body runs that is to find it otherwise.
                self.label(key, replace(label, version=None) if key in LIBRARIES else None)

    def versioned(self) -> set[str]:
        """The keys that hold a version which some step made."""
        return {key for key, label in self.labels.items() if label.version is not None}

    def made_by(self, step: str, keys: Iterable[str]) -> frozenset[str]:
        """Those of these keys that hold what a step made when it last ran."""
        made = {key: label.version for key in keys if (label := self.labels.get(key)) is not None}
        return frozenset(key for key, version in made.items() if version is not None and version.step == step)

    def units(self) -> frozenset[str]:
        """The units that names stand for, or objects that are kept for steps that read them."""
        kept = (label for held in self._held.values() for label in held.labels.values())
        versions = (label.version for label in (*self.labels.values(), *kept))
        return frozenset(version.output.unit for version in versions if version is not None)

    def holds(self, key: str, version: Version) -> bool:
        """Whether the key holds that very version, by version and not by equal digest."""
        label = self.labels.get(key)
        return label is not None and version.is_same(label.version) and self._is_as_it_stood(key)

    def _is_as_it_stood(self, key: str) -> bool:
        """Whether nobody has changed what a label stands for; names are told by other means."""
        return key not in LIBRARIES or self.states.of(key, anew=True) == self._stood.get(key)

    def _keep_settings(self, key: str) -> None:
        """Keep what a label stands for, since strangers have set something else."""
        label = self.labels[key]
        if label.version is not None:
            held = self._held.setdefault(label.version.content, Held(label.copy))
            held.values[key], held.labels[key] = self._stood[key], label

    def set_by(self, step: str) -> set[str]:
        """The keys of the settings that stand as a step has made them."""
        versions = {key: self.labels[key].version for key in self.labels.keys() & LIBRARIES.keys()}
        return {key for key, version in versions.items() if version is not None and version.step == step}

    def set_besides(self, slots: Iterable[Slot]) -> set[str]:
        """The keys of the settings that some step has made and that are none of these slots."""
        made = self.labels.keys() & LIBRARIES.keys()
        return made.difference(map(key_of, slots)) if made else made

    def ambient(self, key: str) -> Changed:
        """How a library is set where no step has set it."""
        return self._ambient.get(key, AS_IT_STARTS)

    def unset(self, key: str) -> None:
        """Let a library be set as if no step had set it; names are none of its business."""
        if key in LIBRARIES:
            with suppress(CacheError):  # a library that takes that no more keeps what it has
                self.states.restore(key, self.ambient(key))

    def take_settings_from_others(self) -> None:
        """What strangers have set since the last action: where no step has, that is what bodies find."""
        settings = self.states.settings()
        if settings is self._taken_settings:
            return
        self._taken_settings = settings
        for key, state in settings.items():
            if key not in self.labels:
                self._ambient[key] = cast("Changed", state)
            elif state != self._stood[key]:
                self._keep_settings(key)
                now = self.look_at(state)
                self.label(key, Label(now.digest, now.memory))

    def holds_together(self, versions: Mapping[str, Version]) -> bool:
        """Whether the keys hold these versions of one unit, all of them of one copy."""
        held = all(self.holds(key, version) for key, version in versions.items())
        return held and len({self.labels[key].copy for key in versions}) == 1
