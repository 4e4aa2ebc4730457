"""Attributes of modules and classes that the notebook has changed: each is a slot like settings of a library.

`pd.DataFrame.clean = clean` lets whoever says `.clean` find it, and `time.sleep = print` is found by code of
which nobody sees the text. What code may change is known from its text (`nbflow.analysis.patches`). That is
looked at before the code runs and after it; what is another attribute then is followed from there on.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from nbflow.analysis.patches import words_in
from nbflow.engine.library import AS_IT_STARTS, Library
from nbflow.engine.slots import NEW, SETTINGS, key_of, path_of
from nbflow.store.requirements import distributions_behind
from nbflow.store.walks import is_plain
from nbflow.types import Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence

    from nbflow.analysis.patches import Chain, Patching
    from nbflow.engine.book import Body
    from nbflow.engine.library import Changed

Owner = ModuleType | type

_ABSENT: Final = Ellipsis
"""What stands for an attribute that is not there: everybody can keep and compare it."""

_OF_HOSTS: Final = frozenset({"stdin", "stdout", "stderr", "displayhook", "excepthook", "modules", "path"})
"""What consoles, and those who capture prints, change about `sys`."""

_originals: Final[dict[str, object]] = {}
"""What attributes were before the notebook changed them, by dotted name."""

_newness: Final[dict[str, bool]] = {}
"""Whether only those find them who name them, as their owners had none before; by dotted name."""


@dataclass(frozen=True, slots=True)
class Patch(Library):
    """An attribute of a module or class, as a setting of its owner.

    Args:
        owner: The dotted name of the module or class.
        attribute: The attribute's name.
        is_new: Whether the owner had no such attribute before the notebook gave it one.
    """

    owner: str = ""
    attribute: str = ""
    is_new: bool = False

    @property
    def path(self) -> str:
        """The dotted name of the attribute."""
        return f"{self.owner}.{self.attribute}"

    @property
    def key(self) -> str:
        """The workspace key that stands for it."""
        return key_of(Slot(SETTINGS, f"{self.path}{NEW if self.is_new else ''}"))

    @property
    def value(self) -> object:
        """What it is now."""
        return _value(_at(self.owner), self.attribute)

    def get(self, module: Any) -> Changed:
        """What the notebook has made of it; nothing where it is as it was."""
        now = self.value
        if _at(self.owner) is None or now is _originals.setdefault(self.path, now):
            return AS_IT_STARTS
        return ((self.path, now),)

    def set(self, module: Any, state: Changed) -> None:
        """Let it be what `get` told.

        Raises:
            CacheError: If the owner does not take it.
        """
        original = _originals.get(self.path, _ABSENT)
        value = dict(state).get(self.path, original)
        if self.value is not value:
            self._put(module, self.path, value)


def patch_of(locator: str) -> Patch | None:
    """The attribute that a slot of settings stands for; None where it stands for settings of a library.

    Example:
        >>> patch_of("pandas.DataFrame.clean (new)").attribute, patch_of("numpy print")
        ('clean', None)
    """
    path, is_new = path_of(locator), locator.endswith(NEW)
    owner, _, attribute = path.rpartition(".")
    if not owner:
        return None
    _newness.setdefault(path, is_new)
    return _made(owner, attribute, is_new=is_new)


def _made(owner: str, attribute: str, *, is_new: bool) -> Patch:
    module = next((name for name in _beginnings(owner) if name in sys.modules), owner.partition(".")[0])

    def put(_: object, name: str, value: object) -> None:
        holder: Any = _at(owner)
        if value is _ABSENT:
            delattr(holder, attribute)
        else:
            setattr(holder, attribute, value)

    def nothing(_: object) -> dict[str, object]:
        return {}

    return Patch(module, nothing, nothing, put, "", owner=owner, attribute=attribute, is_new=is_new)


def _beginnings(path: str) -> Iterator[str]:
    """The dotted names that a dotted name begins with, the longest first."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def _at(path: str) -> Owner | None:
    """The module or class of a dotted name, if it is loaded."""
    for name in _beginnings(path):
        if name in sys.modules:
            return _follow(sys.modules[name], path[len(name) + 1 :].split(".") if name != path else ())
    return None


def _follow(found: object, steps: Iterable[str]) -> Owner | None:
    for step in steps:
        if not _may_own(found):
            return None
        found = _value(found, step)
    return cast("Owner", found) if _may_own(found) else None


def _may_own(value: object) -> bool:
    """Whether it is a module or class, by its type: it may be something that loads when it is asked."""
    return issubclass(type(value), (ModuleType, type))


def _value(owner: object, attribute: str) -> object:
    """What an owner itself has under a name, as it holds it: nobody's code runs."""
    return getattr(owner, "__dict__", {}).get(attribute, _ABSENT)


def touched(
    patches: Collection[Patch], body: Body, makers: Iterable[Body], *, loads_own: bool
) -> Iterator[Patch]:
    """Those of some attributes that code may find.

    What was not there before is found by who names it; what has replaced something, and what the language or
    a library looks for by itself, by all.

    Args:
        patches: The attributes.
        body: The code.
        makers: What has made the code that it may call.
        loads_own: Whether modules of the user are among that: nobody has looked at what they name.
    """
    # Operators over numbers and texts find no attributes, but names that have become builtins.
    found = [patch for patch in patches if patch.owner == "builtins" or not body.only_computes]
    if found:
        words = words_in(body.source).union(*(words_in(maker.source) for maker in makers))
        yield from (each for each in found if loads_own or not each.is_new or each.attribute in words)


# --- what a body changes -----------------------------------------------------------------------


class _Attribute(NamedTuple):
    """An attribute as it is before a body runs."""

    owner: Owner
    path: str
    name: str
    value: object
    is_missing: bool

    @classmethod
    def of(cls, owner: Owner, path: str, name: str) -> _Attribute:
        holders = owner.__mro__ if isinstance(owner, type) else (owner,)
        is_missing = not name.startswith("_") and all(_value(each, name) is _ABSENT for each in holders)
        return cls(owner, path, name, _value(owner, name), is_missing)


class Watch:
    """Attributes as they are before a body runs that may change them.

    Args:
        patching: What it may change.
        names: The names that it runs over.
    """

    def __init__(self, patching: Patching, names: Mapping[str, Any]) -> None:
        self._names = names
        self._before: dict[str, _Attribute] = {}
        loose = ((owner, name) for owner in patching.owners for name in patching.names)
        self._awaited = self._look((*patching.attributes, *loose))

    def _look(self, wanted: Sequence[tuple[Chain, str]]) -> list[tuple[Chain, str]]:
        """Note how these are; return those whose module is not loaded yet."""
        owners = {chain: self._owner(chain) for chain in {chain for chain, _ in wanted}}
        for chain, attribute in wanted:
            path, owner = owners[chain]
            if owner is not None and not (path == "sys" and attribute in _OF_HOSTS):
                self._before.setdefault(f"{path}.{attribute}", _Attribute.of(owner, path, attribute))
        return [each for each in wanted if self._is_awaited(each[0])]

    def _owner(self, chain: Chain) -> tuple[str, Owner | None]:
        """A module or class of somebody else, and its dotted name."""
        top = chain[0]
        owner = _follow(sys.modules.get(top[1:]) if top.startswith(":") else self._names.get(top), chain[1:])
        path = _path_of(owner) if owner is not None else ""
        return path, owner if path else None

    def _is_awaited(self, chain: Chain) -> bool:
        return chain[0].startswith(":") and chain[0][1:] not in sys.modules

    @property
    def awaited(self) -> frozenset[str]:
        """The modules that are not loaded yet."""
        return frozenset(name for chain, _ in self._awaited for name in _beginnings(chain[0][1:]))

    def see_loaded(self) -> None:
        """Modules were loaded just now."""
        self._awaited = self._look(self._awaited)

    def changed(self) -> Iterator[Patch]:
        """The attributes that are others now."""
        for path, before in self._before.items():
            now = _value(before.owner, before.name)
            is_known = path in _newness
            if now is not before.value and (is_known or _is_followed(now)) and not _is_submodule(before, now):
                _originals.setdefault(path, before.value)
                yield _made(before.path, before.name, is_new=_newness.setdefault(path, before.is_missing))


def _path_of(owner: Owner) -> str:
    """The dotted name by which it is found again; empty where it is none, or the user's own."""
    module = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    path = module if isinstance(owner, ModuleType) else f"{module}.{owner.__qualname__}"
    top = path.partition(".")[0]
    is_others = top != "__main__" and (top in sys.stdlib_module_names or bool(distributions_behind(top)))
    return path if is_others and _at(path) is owner else ""


def _is_followed(value: object) -> bool:
    """Whether it is code, or a value that nobody can change in place: memory is what names stand for."""
    kind: Any = type(value)
    if issubclass(kind, (tuple, frozenset)):
        return all(map(_is_followed, cast("tuple[object, ...]", value)))
    return value is _ABSENT or issubclass(kind, _CODE) or hasattr(kind, "__get__") or is_plain((value,))


_CODE: Final = (type, BuiltinFunctionType, partial)


def _is_submodule(before: _Attribute, value: object) -> bool:
    """Whether it is what the import system has put there."""
    name = f"{before.owner.__name__}.{before.name}"
    return isinstance(value, ModuleType) and sys.modules.get(name) is value


@contextmanager
def watching(
    patching: Patching, names: Mapping[str, Any], follow: Callable[[Patch], None], leading: Iterable[str]
) -> Generator[None]:
    """For the run of a body that may change attributes.

    Args:
        patching: What it may change.
        names: The names that it runs over.
        follow: Told each attribute that it has changed.
        leading: The modules that it imports before it does anything else.
    """
    watch: Watch | None = None
    # Modules and classes may answer anything, and the cell of a user does not fail for that.
    with suppress(Exception):
        watch = _watch(patching, names, leading)
    try:
        yield
    finally:
        with suppress(Exception):
            for patch in watch.changed() if watch is not None else ():
                follow(patch)


def _watch(patching: Patching, names: Mapping[str, Any], leading: Iterable[str]) -> Watch:
    watch = Watch(patching, names)
    for name in watch.awaited.intersection(leading):
        with suppress(Exception):  # the body is told when it imports it itself
            import_module(name)
    watch.see_loaded()
    return watch
