"""Environment variables that the user's own modules ask for while they are imported, as they found them.

A module that is loaded asks no more: what a variable holds by then is nothing to who imports it once more.
So each question is noted for the module, with the answer, and stays as long as that module is the loaded one.
One for the process, as `sys.modules` is: a module is imported once, whoever watches.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from itertools import takewhile
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from nbflow.store.paths import absolute
from nbflow.store.variables import EVENT, asker_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

    from nbflow.store.trail import Contents

ALL: Final = ""
"""What stands for the name of a variable where a module looks at all of them."""

NOTED: Final = frozenset({EVENT, "os.putenv", "os.unsetenv"})
"""The audit events that are noted."""

IMPORTERS: Final = (
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "_frozen_importlib",
    "_frozen_importlib_external",
    "importlib.metadata",
    "importlib_metadata",  # which looks for all packages once some library has imported it
)

_OF_A_START: Final = ("JPY_PARENT_PID", "_")
"""Variables that tell who has started the kernel."""
_MOST_CHANGES: Final = 50
_ENVIRON: Final[Any] = type(os.environ)


class Change(NamedTuple):
    """Who has set a variable, and what it held before.

    Attributes:
        by: The module of the user's own that was being imported; empty: somebody else.
        before: What it held; None: it was not set.
    """

    by: str
    before: str | None


class Found(NamedTuple):
    """What somebody finds in a variable.

    Attributes:
        value: What it holds; None: it is not set.
        changes: Who has set it since the first import that did so, in order.
    """

    value: str | None
    changes: tuple[Change, ...] = ()

    def without(self, is_meant: Callable[[str], bool]) -> tuple[str | None, frozenset[str]]:
        """What it would hold had none of some modules set it last, and which of these have.

        Example:
            >>> Found("dev", (Change("settings", None),)).without({"settings"}.__contains__)
            (None, frozenset({'settings'}))
        """
        last = tuple(takewhile(lambda change: is_meant(change.by), reversed(self.changes)))
        return last[-1].before if last else self.value, frozenset(change.by for change in last)


@dataclass(slots=True)
class _Load:
    """One loading of a module: its specification, by which it is known, when it asked, and what it found."""

    spec: object
    at: int
    found: dict[str, Found] = field(default_factory=dict[str, Found])


@dataclass(slots=True)
class _Process:
    """What is known of this process.

    Attributes:
        contents: The files of the session, which know whose code is the user's own; None: nobody watches yet.
        before: The modules that were loaded by then, with their specifications.
        early: The variables as they were then.
        loads: What each module found.
        changes: Who has set variables.
        assumed: What modules would have found that are not loaded because a result was reused.
        assumed_at: When that result was reused.
        turn: Counts questions and changes, so that their order is known.
        set_last: When each variable was set last to something else, and by which module.
    """

    contents: Contents | None = None
    before: dict[str, object] = field(default_factory=dict[str, object])
    early: Mapping[str, str] = field(default_factory=dict[str, str])
    loads: dict[str, _Load] = field(default_factory=dict[str, _Load])
    changes: dict[str, tuple[Change, ...]] = field(default_factory=dict[str, tuple[Change, ...]])
    assumed: dict[tuple[str, str], Found] = field(default_factory=dict[tuple[str, str], Found])
    assumed_at: dict[str, int] = field(default_factory=dict[str, int])
    turn: int = 0
    set_last: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])

    def next_turn(self) -> int:
        """The number of what happens now."""
        self.turn += 1
        return self.turn


_process: Final = _Process()


def begin_notes(contents: Contents) -> None:
    """Note what modules ask from now on; what is loaded by now has asked unseen.

    Args:
        contents: The session's files.
    """
    if _process.contents is None:
        _process.early = _all_variables()
        _process.before = {name: _spec_of(module) for name, module in tuple(sys.modules.items())}
        _process.changes = {}  # who has set them while nobody watched cannot be told
    _process.contents = contents


def end_notes(contents: Contents) -> None:
    """Note nothing any more, where it is for this session that somebody does.

    Args:
        contents: The session's files.
    """
    if _process.contents is contents:
        _process.contents = None


def is_noted(event: str) -> bool:
    """Whether an audit event is one to note at the moment."""
    return event in NOTED and _process.contents is not None


def note(event: str, arguments: tuple[object, ...], caller: FrameType) -> None:
    """Take one audit event in, before what it tells of is done.

    Args:
        event: One of `NOTED`.
        arguments: Its arguments.
        caller: The Python frame that caused it.
    """
    contents = _process.contents
    if contents is None:
        return
    try:
        names = [_text(each) for each in arguments]
        if event == EVENT:
            _note_question(names[0] if names else ALL, caller, contents)
        else:
            _note_change(names[0], names[1] if len(names) > 1 else None, caller, contents)
    except Exception:  # noqa: BLE001 - an error here would become one of the import
        return


def _note_question(name: str, caller: FrameType, contents: Contents) -> None:
    asker = asker_in(caller, contents)
    module, spec = _innermost(contents, asker) if asker is not None else ("", None)
    if not module:
        return
    load = _process.loads.get(module)
    if load is not None and load.spec is not spec:
        _process.assumed = {each: value for each, value in _process.assumed.items() if each[0] != module}
        _process.assumed_at.pop(module, None)
        load = None
    if load is None:
        load = _process.loads[module] = _Load(spec, _process.next_turn())
    # Who looks at all of them goes on to ask for each.
    if name not in load.found and ALL not in load.found:
        load.found[name] = _now(name)


def _note_change(name: str, value: str | None, caller: FrameType, contents: Contents) -> None:
    by, _ = _innermost(contents, caller)
    known, before = _process.changes.get(name, ()), _value_of(name)
    if before == value:
        return  # to set it once more changes nothing
    _process.set_last[name] = _process.next_turn(), by
    # Only what an import has set can be told from what was there.
    if not (known or by) or (known and known[-1].by == by):
        return
    _process.changes[name] = (*known, Change(by, before))[-_MOST_CHANGES:]


def _innermost(contents: Contents, caller: FrameType) -> tuple[str, object]:
    """The module that a frame imports at the moment, and its specification; without a name: none."""
    for module, names in being_imported(contents, caller):
        return module, names.get("__spec__")
    return "", None


def being_imported(contents: Contents, caller: FrameType) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The user's own modules that are being imported by a frame, the innermost first, with their names."""
    frame: FrameType | None = caller
    while frame is not None:
        if frame.f_code.co_name == "<module>" and _module_of(frame.f_back) in IMPORTERS:
            source = frame.f_globals.get("__file__")
            if isinstance(source, str) and not contents.ignores(absolute(source)):
                yield _module_of(frame), frame.f_globals
        frame = frame.f_back


def found_by(module: str) -> Mapping[str, Found] | None:
    """What a module has found in variables when it was loaded; None: that was not seen.

    Of one that is not loaded, because it could not be, what it has found when it was tried last.
    """
    load, loaded = _process.loads.get(module), sys.modules.get(module)
    spec = _spec_of(loaded)
    # What has put something else in its own place counts as itself.
    if load is not None and (spec is None or spec is load.spec):
        return load.found
    is_early = _process.contents is None or (loaded is not None and _process.before.get(module) is spec)
    return None if is_early else {}


def found_in(module: str, name: str) -> Found | None:
    """What a module has found in a variable, or would find if it was imported now; None: it did not ask."""
    if sys.modules.get(module) is None:
        return assumed(module, name) or _now(name)
    found = found_by(module)
    return found_early(name) if found is None else found.get(name)


def assume(module: str, name: str) -> None:
    """Note that a module which is not loaded would have been by now, had a result not been reused.

    Args:
        module: Its dotted name.
        name: A variable that it asks for.
    """
    if sys.modules.get(module) is None:
        _process.loads.pop(module, None)
        _process.assumed.setdefault((module, name), _now(name))
        _process.assumed_at.setdefault(module, _process.next_turn())


def set_last(name: str) -> tuple[int, str]:
    """When a variable was set last to something else, and by which module; 0 where nobody saw that."""
    return _process.set_last.get(name, (0, ""))


def asked_at(module: str) -> int:
    """When a module has asked, would have, or would ask now; 0 where nobody saw that."""
    if sys.modules.get(module) is None:
        return _process.assumed_at.get(module, _process.turn + 1)
    return _process.loads[module].at if found_by(module) and module in _process.loads else 0


def assumed(module: str, name: str) -> Found | None:
    """What a module would have found in a variable when a result was reused; None: that is not known."""
    return _process.assumed.get((module, name))


def found_early(name: str) -> Found:
    """What a variable held when nothing was watched yet: the best guess for who was loaded by then."""
    if _process.contents is None:
        return _now(name)
    return Found(_told(_process.early) if name == ALL else _process.early.get(name))


def _now(name: str) -> Found:
    return Found(_told(_all_variables()) if name == ALL else _value_of(name), _process.changes.get(name, ()))


def _told(variables: Mapping[str, str]) -> str:
    return "\0".join(f"{name}={variables[name]}" for name in sorted(variables) if name not in _OF_A_START)


def _all_variables() -> dict[str, str]:
    names: list[str] = list(_silent(_ENVIRON.__iter__)(os.environ))
    return {name: value for name in names if (value := _value_of(name)) is not None}


def _value_of(name: str) -> str | None:
    try:
        return _silent(_ENVIRON.__getitem__)(os.environ, name)
    except KeyError:
        return None


def _silent(asks: Any) -> Any:
    """How it is asked without telling that somebody asks."""
    return getattr(asks, "__wrapped__", asks)


def _spec_of(module: object) -> object:
    if not isinstance(module, ModuleType):
        return None
    # Asking a lazy module in the usual way would load it.
    return cast("Mapping[str, object]", ModuleType.__getattribute__(module, "__dict__")).get("__spec__")


def _module_of(frame: FrameType | None) -> str:
    name = frame.f_globals.get("__name__", "") if frame is not None else ""
    return name if isinstance(name, str) else ""


def _text(raw: object) -> str:
    return os.fsdecode(raw) if isinstance(raw, bytes) else str(raw)
