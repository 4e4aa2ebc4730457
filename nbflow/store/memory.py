"""A store in memory: for tests, for explicit flows, and in place of one that cannot be had."""

from __future__ import annotations

import copyreg
import threading
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from nbflow.exceptions import StorageError
from nbflow.secrets import KNOWN
from nbflow.store.batches import end_of
from nbflow.store.digests import fingerprint
from nbflow.store.formats import Formats, Namespace, Payload
from nbflow.store.owners import this_owner
from nbflow.store.packed import SMALL, Packed, pack, unpacked_regions
from nbflow.store.protocol import (
    COSTLY,
    EVERYTHING,
    MOST_TEXTS,
    MOST_TRACES,
    NON_DETERMINISTIC,
    NOT_STORED,
    NOT_WORTH,
    UNSTORABLE,
    Choice,
    Commit,
    InputList,
    Missing,
    RunRecord,
    Weight,
    always,
    differ,
    input_list,
    with_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from nbflow.states import Transition
    from nbflow.types import Snapshot, Trace

BUDGET: Final = 2**30


def code_digest(value: object, namespace: Namespace) -> str:
    """Return the digest of the present code of a class or function."""
    if isinstance(value, type):
        # Pickling the first instance of a class leaves `__slotnames__` in it: it must be there before, too.
        cast("Any", copyreg)._slotnames(value)
    return fingerprint(value, namespace).digest


def completed(known: RunRecord | None, record: RunRecord) -> RunRecord:
    """Return what is known of a run, with what a new record of it adds.

    Example:
        >>> completed(RunRecord("r", step="s"), RunRecord("r", key="k")).step
        's'
    """
    owner = record.owner or this_owner()
    if known is None:
        return replace(record, owner=owner)
    # Whoever adds to a run runs it: one that waited for a person may go on in another kernel.
    return replace(
        known,
        owner=owner,
        name=record.name or known.name,
        key=record.key or known.key,
        trace=record.trace or known.trace,
        causes=record.causes or known.causes,
        source=record.source or known.source,
        inputs=record.inputs or known.inputs,
    )


def why_unstored(values: tuple[object, ...], namespace: Namespace) -> str:
    """Say why no store could keep the members of a unit; an empty string where one could.

    Example:
        >>> why_unstored(([1, 2],), {"__name__": "__main__"})
        ''
    """
    try:
        Formats(namespace, code_digest).encode(values)
    except StorageError as error:
        return error.reason
    return ""


class MemoryHistory:
    """A history that ends with the process; see `nbflow.store.protocol.History`."""

    def __init__(self) -> None:
        self._runs: dict[str, RunRecord] = {}
        self._transitions: list[Transition] = []
        self._snapshots: dict[str, list[Snapshot]] = {}
        self._sources: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._texts: dict[tuple[str, str], Collection[str]] = {}
        self._lock = threading.Lock()

    def begin(self, record: RunRecord) -> None:
        """Add a run, or complete what is known of it."""
        self._runs[record.id] = completed(self._runs.get(record.id), record)

    def append(self, transition: Transition) -> None:
        """Add a transition."""
        with self._lock:
            self._transitions.append(replace(transition, seq=len(self._transitions) + 1))

    def transitions(self, run: str) -> tuple[Transition, ...]:
        """Return the transitions of a run, oldest first."""
        return tuple(transition for transition in self._transitions if transition.run == run)

    def run(self, id: str) -> RunRecord | None:
        """Return one run, or None."""
        return self._runs.get(id)

    def runs(
        self,
        notebook: str | None = None,
        step: str | None = None,
        limit: int = 100,
        number: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """Return runs, newest first."""
        found = (
            record
            for record in reversed(self._runs.values())
            if notebook in (None, record.notebook)
            and step in (None, record.step)
            and number in (None, record.number)
        )
        return tuple(record for record, _ in zip(found, range(limit), strict=False))

    def next_number(self, notebook: str) -> int:
        """Return the number that the notebook's next flow run bears."""
        return 1 + max((record.number for record in self.runs(notebook, limit=len(self._runs))), default=0)

    def snapshot(self, snapshot: Snapshot, notebook: str) -> None:
        """Add a snapshot."""
        self._snapshots.setdefault(notebook, []).append(snapshot)

    def snapshots(self, notebook: str) -> tuple[Snapshot, ...]:
        """Return the snapshots of a notebook, oldest first."""
        return tuple(self._snapshots.get(notebook, ()))

    def last_snapshot(self, notebook: str) -> Snapshot | None:
        """Return the newest snapshot of a notebook, or None."""
        return next(reversed(self._snapshots.get(notebook, ())), None)

    def save_source(self, digest: str, text: str) -> None:
        """Keep a source text under its digest."""
        self._sources[digest] = text

    def source(self, digest: str) -> str | None:
        """Return the source text with that digest, or None."""
        return self._sources.get(digest)

    def keep_text(self, run: str, kind: str, lines: Collection[str]) -> None:
        """Keep a text of a run."""
        with self._lock:
            self._texts[run, kind] = lines
            if len(self._texts) > MOST_TEXTS:
                del self._texts[next(iter(self._texts))]

    def text(self, run: str, kind: str) -> str:
        """Return the text of a run that is kept as that, or an empty string."""
        return KNOWN.masked(end_of(self._texts.get((run, kind), ())))

    def file_trace(self, trace: str, key: str) -> None:
        """Note the action key that a trace is kept under."""
        self._keys[trace] = key

    def key_of(self, trace: str) -> str:
        """Return the action key that a trace is kept under, or an empty string."""
        return self._keys.get(trace, "")

    def flush(self) -> None:
        """Do nothing: nothing here is durable."""

    def flush_soon(self) -> None:
        """Do nothing: nothing here is durable."""

    def flush_if_open(self) -> None:
        """Do nothing: nothing here is durable."""

    def close(self) -> None:
        """Do nothing."""


class MemoryStore:
    """A store that ends with the process; see `nbflow.store.protocol.Store`.

    Values are kept as bytes, as on disk, so that what is loaded is private and what cannot be
    stored on disk cannot be stored here.

    Args:
        namespace: The notebook's names; by default those of the program's main module.
        budget: Bytes of values to keep at most.
        notices: What to tell the user from the start.

    Example:
        >>> store = MemoryStore()
        >>> store.put("00000000", ([1, 2],))
        ''
        >>> store.load("00000000")
        ([1, 2],)
    """

    def __init__(
        self, namespace: Namespace | None = None, *, budget: int = BUDGET, notices: Sequence[str] = ()
    ) -> None:
        self.history = MemoryHistory()
        self.notices: list[str] = list(notices)
        self._formats = Formats(namespace, code_digest)
        self._left = budget
        self._lists: dict[str, tuple[InputList, ...]] = {}
        self._found: dict[str, tuple[Trace, ...]] = {}
        self._values: dict[str, Packed] = {}
        self._unstorable: set[str] = set()

    def expect(self, static_keys: Iterable[str]) -> None:
        """Do nothing: everything is at hand."""

    def lists(self, static_key: str) -> tuple[InputList, ...]:
        """Return the input lists of a code, newest first."""
        return self._lists.get(static_key, ())

    def find(self, action_key: str) -> tuple[Trace, ...]:
        """Return the traces under a key, newest first."""
        return self._found.get(action_key, ())[:MOST_TRACES]

    def trace(self, id: str) -> Trace | None:
        """Return one trace by its identifier, or None."""
        under = self._found.get(self.history.key_of(id), ())
        return next((trace for trace in under if trace.id == id), None)

    def reason(self, key: str) -> str:
        """Return an empty string: every record here is used."""
        return ""

    def commit(
        self,
        action_key: str,
        trace: Trace,
        units: Mapping[str, tuple[object, ...]],
        over: Namespace | None = None,
        choice: Choice = EVERYTHING,
    ) -> Commit:
        """Keep a trace and the values of units that are worth it."""
        self._unstorable |= choice.given_up
        formats, is_worth = self._formats.over(over), choice.is_worth
        reasons = {unit: self._put(unit, values, formats, is_worth) for unit, values in units.items()}
        self._append(action_key, trace)
        self._lists[trace.static_key] = with_list(self.lists(trace.static_key), input_list(trace))
        stored = frozenset(unit for unit, reason in reasons.items() if not reason)
        return Commit(stored, {unit: reason for unit, reason in reasons.items() if reason})

    def keep(self, action_key: str, trace: Trace, payloads: Mapping[str, Payload]) -> Commit:
        """Keep a trace and values that are payloads already."""
        reasons = {unit: self._keep(unit, payload) for unit, payload in payloads.items()}
        commit = self.commit(action_key, trace, {})
        stored = frozenset(unit for unit, reason in reasons.items() if not reason)
        return replace(commit, stored=stored, unstored={unit: why for unit, why in reasons.items() if why})

    def flush(self) -> Mapping[str, str]:
        """Do nothing: nothing here is durable."""
        return {}

    def put(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep the members of one unit; return why not, or an empty string."""
        return self._put(unit, values, self._formats)

    def _put(
        self,
        unit: str,
        values: tuple[object, ...],
        formats: Formats,
        is_worth: Callable[[Weight], bool] = always,
    ) -> str:
        if unit in self._values:
            return ""
        try:
            payload = formats.encode(values)
        except StorageError as error:
            self._unstorable.add(unit)
            return error.reason
        if payload.size >= SMALL and not is_worth(Weight(unit, payload.size, len(payload.pickled))):
            return NOT_WORTH
        return self._keep(unit, payload)

    def replace(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep what a name stands for from now on; return why not, or an empty string."""
        self.discard(unit)
        return self.put(unit, values)

    def forgets(self, unit: str) -> bool:
        """Whether it stands in for a store on disk, which its notices tell of."""
        return bool(self.notices)

    def discard(self, unit: str) -> None:
        """Keep no longer what a name stands for."""
        packed = self._values.pop(unit, None)
        if packed is not None:
            self._left += _size(packed)

    def has(self, unit: str) -> bool:
        """Whether the unit is kept."""
        return unit in self._values

    def absence(self, unit: str) -> str:
        """Return why a unit cannot be had; empty where it is kept."""
        if unit in self._values:
            return ""
        return UNSTORABLE if unit in self._unstorable else NOT_STORED

    def has_room(self, size: int) -> bool:
        """Whether at least as much is left besides."""
        return 2 * size <= self._left

    def is_costly(self, unit: str) -> bool:
        """Whether many objects have to be built."""
        packed = self._values.get(unit)
        return packed is not None and len(packed.pickled) > COSTLY

    def load(self, unit: str, over: Namespace | None = None) -> tuple[object, ...]:
        """Return a private copy of the members of a unit, its code over the notebook's names or these.

        Raises:
            Missing: If it is not kept, or cannot be rebuilt.
        """
        packed = self._values.get(unit)
        if packed is None:
            raise Missing(NOT_STORED)
        return self._formats.over(over).decode(packed, unpacked_regions(packed))

    def sizes(self) -> Iterable[tuple[str, int]]:
        """Return the units that are kept, and how many bytes each takes."""
        return ((unit, _size(packed)) for unit, packed in self._values.items())

    def verify(self, unit: str) -> str:
        """Return an empty string if the unit is kept: memory does not rot."""
        return "" if unit in self._values else NOT_STORED

    def close(self) -> None:
        """Do nothing."""

    def _keep(self, unit: str, payload: Payload) -> str:
        if unit in self._values:
            return ""
        if payload.size > self._left:
            return "it is too large to be kept in memory"
        self._left -= payload.size
        self._values[unit] = pack(payload)
        return ""

    def _append(self, action_key: str, trace: Trace) -> None:
        known = self._found.get(action_key, ())
        if any(trace.id == other.id for other in known):
            return
        if known and (NON_DETERMINISTIC in known[0].flags or differ(known[0], trace)):
            trace = replace(trace, flags=trace.flags | {NON_DETERMINISTIC})
        self._found[action_key] = (trace, *known)
        self.history.file_trace(trace.id, action_key)


def _size(packed: Packed) -> int:
    return len(packed.pickled) + sum(map(len, packed.regions))
