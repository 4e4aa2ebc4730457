"""What a body takes along into another process, and what comes back from there.

Names travel by value, as a store keeps them: what shares memory goes together, functions come over the
other names, classes are made again by their definitions. Files and all else outside do not travel: what
the body saw of them is seen there, and told here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from nbflow.engine.book import Body, definition_body
from nbflow.engine.closed import Closed, closed_file, closed_of
from nbflow.engine.generators import GENERATORS
from nbflow.engine.own_modules import modules_in
from nbflow.engine.reached import Reached  # noqa: TC001 - records are made by these annotations
from nbflow.engine.slots import NAME, InContext, key_of, slot_of
from nbflow.engine.stateful import (
    current_state,
    load_settings,
    loaded_states,
    meet,
    restore_state,
)
from nbflow.exceptions import CacheError, SessionError, text_of
from nbflow.store.at_import import NOTHING_ASKED, AtImport
from nbflow.store.formats import Formats
from nbflow.store.memory import code_digest
from nbflow.store.packed import Packed, pack, unpacked_regions
from nbflow.store.watching import Told  # noqa: TC001
from nbflow.types import Output, Slot  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from nbflow.engine.apply import Workspace
    from nbflow.engine.requests import Execution


Define = Callable[[str, dict[str, Any]], object]
"""Executes imports and definitions, given as plain source, over names."""
OF_THE_SHELL: Final = (
    "__name__", "__doc__", "__builtin__", "__builtins__", "get_ipython", "open", "exit", "quit",
)  # fmt: skip
"""Names that nobody makes and code finds all the same."""
_CHANGED_ON_THE_WAY: Final = "is another thing when it comes from a worker"


class Thing(msgspec.Struct, frozen=True):
    """Names that travel together.

    Args:
        keys: The names.
        packed: Their values; None where a definition makes them.
        source: That definition.
        closed: What is known of the value, where it is a closed file.
    """

    keys: tuple[str, ...]
    packed: Packed | None = None
    source: str = ""
    closed: Closed | None = None


class Job(msgspec.Struct, frozen=True):
    """A body with all that it reads.

    Args:
        step: The identifier of its step.
        attempt: The identifier of the attempt.
        body: The body.
        reached: What has to be looked at.
        module: What the notebook's names are called as a module.
        things: What stands under the names.
        digests: What those of them have to be there that are versions.
        modules: What the modules have to be there that it imports and that are loaded here.
        generators: The global random generators that have to be looked at.
        settings: How the libraries are set whose settings the body may look at, by workspace key.
    """

    step: str
    attempt: str
    body: Body
    reached: Reached
    module: str
    things: tuple[Thing, ...]
    digests: dict[str, str]
    modules: dict[str, str]
    generators: frozenset[str] = frozenset()
    settings: dict[str, Packed] = {}


class Back(msgspec.Struct, frozen=True):
    """What another process tells of a body.

    Args:
        why: Why the body has to run on the user's names instead; empty where it need not.
        things: What it bound or changed.
        gone: The names that it deleted.
        outputs: What it made, as seen there.
        told: What was seen of files and the rest of the outside; None where it was known to touch nothing.
        started: When it started, seconds since the epoch.
        seconds: How long it took.
        folder: Digest of the working folder.
        context: What it read from `nbflow.context`, by key.
        data: What local modules looked at when they were imported.
        drew: The global generators that it drew from.
    """

    why: str = ""
    things: tuple[Thing, ...] = ()
    gone: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    told: Told | None = None
    started: float = 0.0
    seconds: float = 0.0
    folder: str = ""
    context: dict[str, InContext] = {}
    data: AtImport = NOTHING_ASKED
    drew: frozenset[str] = frozenset()

    def doubt(self, outputs: Iterable[Output]) -> str:
        """Why the body has to run on the user's names after all, given what came of it here."""
        state = self.told.settled.process_state if self.told is not None else ()
        asks = self.told is not None and "input" in self.told.settled.noise
        if self.why or state or asks:
            return self.why or (f"it changes the state of the process ({state[0]})" if state else "it asks")
        closed = {key for thing in self.things if thing.closed is not None for key in thing.keys}
        there, here = _contents(self.outputs, closed), _contents(outputs, closed)
        odd = sorted({key_of(slot) for slot, _ in there.items() ^ here.items()})
        return f"{odd[0]} {_CHANGED_ON_THE_WAY}" if odd else ""


def _contents(outputs: Iterable[Output], closed: Collection[str]) -> dict[Slot, tuple[str, str]]:
    """What was made, but for closed files, each of which is equal to itself only."""
    names = (output for output in outputs if output.slot.kind == NAME and key_of(output.slot) not in closed)
    return {output.slot: (output.digest, output.unit) for output in names}


def job_of(execution: Execution) -> Job:
    """A body with all that it reads, to be sent.

    Raises:
        SessionError: If something of it cannot leave this process; says what.
    """
    body, workspace, looks = execution.body, execution.workspace, execution.looks
    if body.wiring is not None:
        raise SessionError("it is a task function")
    if looks is None:
        raise SessionError("nobody can tell what it reads")
    values: dict[str, object] = {**workspace.names, **looks.hidden}
    keys = [key for key in values if key not in OF_THE_SHELL]
    return Job(
        execution.step.id,
        execution.call.attempt,
        body,
        msgspec.structs.replace(looks.reached, earlier=None),
        str(workspace.names.get("__name__", "__main__")),
        tuple(things_of(keys, values, workspace, workspace.sources)),
        {key: workspace.labels[key].digest for key in keys if key in workspace.labels},
        dict(_loaded(body, workspace)),
        (looks.reached.keys | set(loaded_states())) & GENERATORS.keys(),
        dict(_settings(looks.reached.settings, workspace)),
    )


def _settings(keys: Iterable[str], workspace: Workspace) -> Iterator[tuple[str, Packed]]:
    formats = Formats(workspace.names, code_digest)
    for key in keys:
        try:
            yield key, pack(formats.encode((current_state(key),)))
        except CacheError as error:
            raise SessionError(f"settings of {slot_of(key).locator} cannot be sent: {error}") from error


def set_libraries(settings: Mapping[str, Packed], names: dict[str, Any]) -> str:
    """Set libraries as they are in another process; why one cannot be, or an empty string."""
    formats = Formats(names, code_digest)
    try:
        for key, packed in settings.items():
            (state,) = formats.decode(packed, unpacked_regions(packed))
            meet(slot_of(key))
            restore_state(key, state)
            load_settings([key] if state else [])
    except Exception as error:  # noqa: BLE001 - libraries, and what makes values again, are user code
        return f"libraries cannot be set in a worker as they are here: {text_of(error)}"
    return ""


def _loaded(body: Body, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """The modules that a body imports and that are loaded, with their content as it is now."""
    for name in modules_in(body.analysis.imports) & sys.modules.keys():
        yield name, workspace.look_at(sys.modules[name]).digest


def things_of(
    keys: Iterable[str], values: Mapping[str, object], workspace: Workspace, sources: Mapping[str, str]
) -> Iterator[Thing]:
    """What stands under names, with all that shares memory with it.

    Args:
        keys: The names.
        values: What stands under them and under others.
        workspace: Tells what they share.
        sources: The definitions of those that are classes of the notebook.

    Raises:
        SessionError: If something cannot leave this process.
    """
    formats = Formats(workspace.names, code_digest)
    left: list[str] = list(keys)
    while left:
        group = sorted(workspace.group(left[0]) & values.keys())
        left = [key for key in left if key not in group]
        yield _thing(tuple(group), tuple(values[key] for key in group), formats, sources)


def _thing(
    keys: tuple[str, ...], values: tuple[object, ...], formats: Formats, sources: Mapping[str, str]
) -> Thing:
    (value, *_), (key, *_) = values, keys
    if isinstance(value, type) and formats.is_local(value) and value.__name__ == key:
        if key not in sources or len(keys) > 1:
            raise SessionError(f"the class {key} cannot be made again")
        return Thing(keys, source=sources[key])
    closed = closed_of(value) if len(keys) == 1 else None
    if closed is not None:
        return Thing(keys, closed=closed)
    if any(type(value).__module__ == "nbflow.tasks" for value in values):
        raise SessionError(f"{key} is a task function")
    try:
        return Thing(keys, pack(formats.encode(values)))
    except CacheError as error:
        raise SessionError(f"{', '.join(keys)} cannot be sent: {error}") from error


def rebuilt(things: Iterable[Thing], names: dict[str, Any], define: Define) -> str:
    """Let things stand under their names; why one cannot, or an empty string.

    One may need others, as values need their classes: what cannot be made yet is tried again.
    """
    formats, left = Formats(names, code_digest), list(things)
    while left:
        failed = [(thing, why) for thing in left if (why := _make(thing, formats, define))]
        if len(failed) == len(left):
            return f"{', '.join(left[0].keys)} cannot be made in another process: {failed[0][1]}"
        left = [thing for thing, _ in failed]
    return ""


def _make(thing: Thing, formats: Formats, define: Define) -> str:
    try:
        if thing.closed is not None:
            formats.namespace[thing.keys[0]] = closed_file(thing.closed)
        elif thing.packed is None:
            define(thing.source, formats.namespace)
        else:
            values = formats.decode(thing.packed, unpacked_regions(thing.packed))
            formats.namespace.update(zip(thing.keys, values, strict=True))
    except Exception as error:  # noqa: BLE001 - definitions, and what makes values again, are user code
        return text_of(error)
    return ""


def made_by(body: Body, keys: Iterable[str]) -> dict[str, str]:
    """The definitions in a body of the classes among these names."""
    return {key: definition_body(body, key).source for key in keys if key in body.analysis.definitions}


def brought(back: Back, workspace: Workspace, define: Define) -> Back:
    """What has come back, standing under the names; with the reason where that cannot be."""
    if back.why:
        return back
    why = rebuilt(back.things, workspace.names, define)
    workspace.hide(workspace.names.keys() & back.gone)
    return msgspec.structs.replace(back, why=why)
