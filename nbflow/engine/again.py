"""What a body bound without a trace of it: what it bound when it last saw the very same.

Binding a name to the very object that it holds already changes nothing that a look from outside
could see. Where a name cannot be taken away meanwhile, only an earlier run of the same body tells,
and only if that saw the same: names before the body ran, all else as it was read while it ran.
A star import is the exception: it binds what its module holds.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping  # noqa: TC003 - records are made by these annotations
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.analysis.magics import parse_cell
from nbflow.engine.libraries import LIBRARIES
from nbflow.engine.shown import not_compared
from nbflow.engine.slots import WORKING_FOLDER, is_kept_in_memory, key_of
from nbflow.secrets import KNOWN
from nbflow.store.asked import in_words
from nbflow.store.at_import import parted, slot_at_import
from nbflow.store.paths import working_folder
from nbflow.store.variables import shown_variable
from nbflow.types import FILE, Entry, Looked, Slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from nbflow.engine.book import Body
    from nbflow.engine.record import Seen
    from nbflow.engine.slots import InContext
    from nbflow.store.at_import import AtImport
    from nbflow.store.watching import Watch
    from nbflow.types import Trace

UNDECIDED: Final = "undecided"
"""The flag of a trace of which nobody can tell whether its body bound all names that it may bind."""


class Earlier(msgspec.Struct, frozen=True):
    """A run of the same body that saw the same names.

    Args:
        bound: The keys that it bound.
        outside: What else it looked at while it ran, with the contents.
    """

    bound: frozenset[str]
    outside: Mapping[Looked, str]

    def bound_if(self, outside: Iterable[Entry]) -> frozenset[str] | None:
        """What the body bound, if it looked at the same outside now; None if it did not."""
        return self.bound if self.outside == {entry.looked: entry.digest for entry in outside} else None


def earlier_run(trace: Trace | None, body: Body, seen: Seen) -> Earlier | None:
    """The run that made a trace, if the body saw then what it is about to see; None if not."""
    if trace is None or trace.static_key != body.static_key or UNDECIDED in trace.flags:
        return None
    now = _digests_now(seen)
    outside: dict[Looked, str] = {}
    for entry in trace.entries:
        slot = entry.looked.slot
        if slot in now:
            if entry.digest not in now[slot]:
                return None
        elif is_kept_in_memory(slot):
            return None
        else:
            outside[entry.looked] = entry.digest
    bound = (key_of(output.slot) for output in trace.outputs if is_kept_in_memory(output.slot))
    return Earlier(frozenset(bound), outside)


def taken_all(body: Body, keys: Iterable[str], names: Mapping[str, object]) -> frozenset[str]:
    """Those of these keys that hold what a star import of the body, which completed, binds them to."""
    modules = _modules_starred(body)
    return frozenset(key for key in keys if any(_gives(module, key, names[key]) for module in modules))


def offered_all(body: Body) -> frozenset[str]:
    """The names that star imports of the body bind, as far as their modules are loaded.

    Who has changed such an object since has made the name last, and not the cell that binds it.
    """
    modules = _modules_starred(body)
    return frozenset(name for module in modules for name in vars(module) if _offers(module, name))


def _modules_starred(body: Body) -> list[ModuleType]:
    return [sys.modules[name] for name in _starred(body.source) if name in sys.modules]


@lru_cache(maxsize=2_000)
def _starred(source: str) -> tuple[str, ...]:
    """The modules of which a cell takes all names, under no condition."""
    found = [line for line in parse_cell(source) if isinstance(line, ast.ImportFrom) and not line.level]
    return tuple(line.module or "" for line in found if line.names[0].name == "*")


def _gives(module: ModuleType, name: str, value: object) -> bool:
    return _offers(module, name) and vars(module).get(name, module) is value


def _offers(module: ModuleType, name: str) -> bool:
    offered = vars(module).get("__all__")
    return not name.startswith("_") if offered is None else name in offered


def _digests_now(seen: Seen) -> dict[Slot, set[str]]:
    """What is known before the body runs: the digest of each slot, and of its unit."""
    now = {slot: {entry.digest} for slot, entry in seen.entries.items()}
    for slot, (unit, _) in seen.units.items():
        now[slot].add(unit)
    settings = map(seen.settings.entry, LIBRARIES) if seen.settings is not None else ()
    for entry in (
        *seen.asked,
        *seen.texts,
        *settings,
        *(part for parts in seen.parts.values() for part in parts),
    ):
        now.setdefault(entry.looked.slot, set()).add(entry.digest)
    return now


def outside_entries(
    watch: Watch, context: Mapping[str, InContext], folder: str, data: AtImport
) -> Iterator[Entry]:
    """What a body looked at outside the notebook while it ran.

    Args:
        watch: What was seen of files.
        context: What it read from `nbflow.context`, by key.
        folder: Digest of the working folder.
        data: What local modules looked at when they were imported.
    """
    for key, (digest, shown) in context.items():
        if not_compared(key):
            continue
        # A value without a digest compares with nothing, so that the entry is never the same again.
        yield Entry(Looked(Slot("context", key)), digest or "no digest", shown)
    if not watch.saw_nothing or data:
        yield from _file_entries(watch, folder, data)


def _file_entries(watch: Watch, folder: str, data: AtImport) -> Iterator[Entry]:
    if watch.read or watch.absent or watch.listings or watch.asked or watch.written:
        # The same relative path means another file elsewhere.
        yield Entry(Looked(WORKING_FOLDER), folder, watch.trail.folder or working_folder())
    for path, digest in {**data.files, **watch.read}.items():
        if path not in watch.written:
            yield Entry(Looked(Slot(FILE, path)), digest, watch.shown(path))
    yield from _variable_entries(watch, data.variables)
    for path in sorted(watch.absent - watch.written.keys()):
        if KNOWN.masked(path) == path:
            yield Entry(Looked(Slot("absent", path)), "absent", "not there")
    for pattern, digest in watch.listings.items():
        yield Entry(Looked(Slot("listing", pattern)), digest, watch.listed(pattern))
    for (kind, path), said in watch.asked.items():
        if KNOWN.masked(path) == path:
            yield Entry(Looked(Slot(kind, path)), said, in_words(said))


def _variable_entries(watch: Watch, at_import: Mapping[str, str | None]) -> Iterator[Entry]:
    """Variables that it asked for, and those that modules asked for when they were imported."""
    for name, digest in watch.variables.items():
        yield Entry(Looked(Slot("environment", name)), digest, shown_variable(digest))
    for locator, value in at_import.items():
        digest = watch.trail.contents.variable(parted(locator)[1], value)
        yield Entry(Looked(slot_at_import(locator)), digest, shown_variable(digest))
