"""The records of a store: traces under action keys, input lists under static keys, small values.

Each record is one row of the index, sealed under the row's name. A result with small values is
therefore kept by one durable write. The newest trace of a key stands in the key's own row, with
its small values; one that is superseded moves to a numbered row and its values to rows of theirs.
What was read stays in memory until any kernel writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from nbflow.store.columns import Span  # noqa: TC001 - msgspec reads the annotations
from nbflow.store.protocol import (
    MOST_TRACES,
    NON_DETERMINISTIC,
    InputList,
    differ,
    input_list,
    with_list,
)
from nbflow.store.signing import Signer, UnverifiedError
from nbflow.types import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbflow.store.formats import Payload
    from nbflow.store.index import Index

_LIST: Final = "l:"
_TRACE: Final = "t:"
_UNIT: Final = "u:"
_MOST_VALUES: Final = 2048
"""How many small values stay in memory once their record was read; at most 64 MB."""

T = TypeVar("T")


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """A small payload with its buffers, as it lies in a record."""

    pickled: bytes
    spans: tuple[Span, ...]
    regions: tuple[bytes, ...]
    packages: dict[str, str]


class _Record(msgspec.Struct, array_like=True, frozen=True):
    trace: Trace
    older: int = 0
    varies: bool = False
    values: dict[str, Packed] = {}


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """A unit kept for its own sake; without a value, its value is a file."""

    value: Packed | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A result on its way to the index: its trace, where it belongs, and its small values."""

    action_key: str
    trace: Trace
    payloads: Mapping[str, Payload]
    values: Mapping[str, Packed]


class _Decoders:
    """Made once: building one takes longer than many decodings."""

    record: Final = msgspec.msgpack.Decoder(_Record)
    trace: Final = msgspec.msgpack.Decoder(Trace)
    kept: Final = msgspec.msgpack.Decoder(_Kept)
    lists: Final = msgspec.msgpack.Decoder(tuple[InputList, ...])


_encode: Final = msgspec.msgpack.Encoder().encode


def _no_checkpoint(name: str) -> None:
    """Do nothing."""


def pack(payload: Payload) -> Packed:
    """Return a payload with a copy of its buffers."""
    regions = tuple(bytes(region) for region in payload.regions)
    return Packed(payload.pickled, payload.spans, regions, dict(payload.packages))


def unpacked_regions(packed: Packed) -> list[memoryview]:
    """Return private, writable copies of a small payload's buffers."""
    return [memoryview(bytearray(region)) for region in packed.regions]


class Traces:
    """Traces, input lists and small values over an index.

    Faults of the index are raised as they are; records that cannot be verified are passed over.

    Args:
        index: Where the rows are.
        signer: Seals what is written and checks what is read.
    """

    def __init__(self, index: Index, signer: Signer) -> None:
        self._index = index
        self._signer = signer
        self._seen = index.version()
        self._lists: dict[str, tuple[InputList, ...]] = {}
        self._found: dict[str, tuple[Trace, ...]] = {}
        self._rows: dict[str, str] = {}
        self._values: dict[str, Packed] = {}
        self._waiting: list[Result] = []
        self.reasons: Final[dict[str, str]] = {}

    def lists(self, static_key: str) -> tuple[InputList, ...]:
        """Return the input lists of a code, newest first."""
        self._notice_others()
        known = self._lists.get(static_key)
        return known if known is not None else self._read_lists(static_key)

    def find(self, action_key: str) -> tuple[Trace, ...]:
        """Return the newest traces under a key, newest first."""
        self._notice_others()
        known = self._found.get(action_key)
        return known if known is not None else self._read_traces(action_key)

    def wait(self, result: Result) -> int:
        """Take a result that is written with others at the next `flush`; return how many wait."""
        # Only what was read already is consulted: what else the index has shows when this is written.
        before = self._found.get(result.action_key, ())
        varies = any(NON_DETERMINISTIC in other.flags or differ(other, result.trace) for other in before[:1])
        record = _Record(result.trace, varies=varies)
        known = self._lists.get(result.trace.static_key, ())
        self._waiting.append(result)
        self._found[result.action_key] = (_flagged(record), *before)[:MOST_TRACES]
        self._lists[result.trace.static_key] = with_list(known, input_list(result.trace))
        self._values.update(result.values)
        return len(self._waiting)

    def flush(self, checkpoint: Callable[[str], None] = _no_checkpoint) -> list[Result]:
        """Write what waits in one transaction and return it.

        One transaction costs half of what two do, and no list ever leads to a record that is not
        there. Where it fails, everything still waits.
        """
        if not self._waiting:
            return []
        waiting, self._waiting = self._waiting, []
        try:
            with self._index.transact():
                for result in waiting:
                    self._write(result)
                    checkpoint("record")
            checkpoint("list")
        except BaseException:
            self._waiting = waiting + self._waiting
            raise
        return waiting

    def _write(self, result: Result) -> None:
        # What the caches say of it is what it will be; what the index has is asked anew.
        self._found.pop(result.action_key, None)
        self._lists.pop(result.trace.static_key, None)
        self.append(result.action_key, result.trace, result.values)
        self.add_list(result.trace.static_key, input_list(result.trace))

    def take_back(self) -> list[Result]:
        """Return what waits, to be kept elsewhere, and wait for nothing any more."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def append(self, action_key: str, trace: Trace, values: Mapping[str, Packed]) -> None:
        """Add a trace under a key, with small values by unit."""
        row = _TRACE + action_key
        fresh = _Record(trace, values=dict(values))
        if not self._index.add(row, self._seal(row, fresh)):
            with self._index.transact():
                fresh = self._supersede(row, fresh)
        self.reasons.pop(action_key, None)
        self._rows.update(dict.fromkeys(values, row))
        before = self._found.get(action_key)
        if fresh.older == 0:
            self._found[action_key] = (trace,)
        elif before is not None:
            self._found[action_key] = (_flagged(fresh), *before)[:MOST_TRACES]
        self._seen = self._index.version()

    def add_list(self, static_key: str, new: InputList) -> bool:
        """Add an input list unless it is known; return whether it was added."""
        known = self.lists(static_key)
        if new in known:
            return False
        row = _LIST + static_key
        if known or not self._index.add(row, self._seal(row, (new,))):
            with self._index.transact():
                known = with_list(self._read_lists(static_key), new)
                self._index.set(row, self._seal(row, known))
        else:
            known = (new,)
        self._lists[static_key] = known
        self._seen = self._index.version()
        return True

    def keep(self, unit: str, value: Packed | None) -> None:
        """Keep a unit for its own sake: its small value, or the mark that a file has it."""
        row = _UNIT + unit
        self._index.set(row, self._seal(row, _Kept(value)))
        self._rows[unit] = row
        self._seen = self._index.version()

    def value(self, unit: str) -> Packed | None:
        """Return the small value of a unit, if a record read so far or a row of its own has it."""
        if unit in self._values:
            return self._values[unit]
        row = self._rows.get(unit, "")
        if row.startswith(_TRACE):
            record = self._read(row, _Decoders.record)
            if record is not None and unit in record.values:
                return record.values[unit]
        kept = self._read(_UNIT + unit, _Decoders.kept)
        return kept.value if kept is not None else None

    def scan(self) -> Iterator[tuple[str, Trace]]:
        """Yield the action key and each trace of every record that can be verified."""
        for row in self._index.rows():
            if row.startswith(_TRACE) and row.count(":") == 1:
                key = row.removeprefix(_TRACE)
                yield from ((key, trace) for trace in self._read_traces(key))

    def kept_units(self) -> Iterator[str]:
        """Yield the units kept for their own sake."""
        return (row.removeprefix(_UNIT) for row in self._index.rows() if row.startswith(_UNIT))

    def trust(self) -> int:
        """Sign every record that is not damaged, whoever signed it; return how many."""
        signed = 0
        for row in list(self._index.rows()):
            sealed = self._index.get(row)
            try:
                if sealed is not None:
                    self._index.set(row, self._signer.trust(row, sealed))
                    signed += 1
            except UnverifiedError:
                continue
        self._forget()
        return signed

    def _supersede(self, row: str, fresh: _Record) -> _Record:
        """Replace the newest record of a key, within a transaction; return what was written."""
        old = self._read(row, _Decoders.record)
        if old is not None:
            if old.trace.id == fresh.trace.id:
                return old
            self._move(row, old, fresh)
            varies = old.varies or differ(old.trace, fresh.trace)
            fresh = _Record(fresh.trace, old.older + 1, varies, fresh.values)
        self._index.set(row, self._seal(row, fresh))
        return fresh

    def _move(self, row: str, old: _Record, fresh: _Record) -> None:
        moved = _older(row, old.older)
        self._index.set(moved, self._seal(moved, old.trace))
        for unit in old.values.keys() - fresh.values.keys():
            kept = _UNIT + unit
            self._index.add(kept, self._seal(kept, _Kept(old.values[unit])))
            self._rows[unit] = kept

    def _read_lists(self, static_key: str) -> tuple[InputList, ...]:
        lists = self._read(_LIST + static_key, _Decoders.lists) or ()
        # An absent row is asked for again each time: another kernel may be about to write it.
        if lists:
            self._lists[static_key] = lists
        return lists

    def _read_traces(self, action_key: str) -> tuple[Trace, ...]:
        row = _TRACE + action_key
        record = self._read(row, _Decoders.record)
        if record is None:
            return ()
        self._rows.update(dict.fromkeys(record.values, row))
        if len(self._values) < _MOST_VALUES:
            self._values.update(record.values)
        first = max(0, record.older - MOST_TRACES + 1)
        rows = (_older(row, number) for number in range(record.older - 1, first - 1, -1))
        older = (self._read(moved, _Decoders.trace) for moved in rows)
        found = (_flagged(record), *(trace for trace in older if trace is not None))
        self._found[action_key] = found
        return found

    def _read(self, row: str, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
        sealed = self._index.get(row)
        if sealed is None:
            return None
        try:
            return decoder.decode(self._signer.open(row, sealed))
        except UnverifiedError as error:
            reason = error.reason
        except (msgspec.MsgspecError, ValueError, TypeError):
            reason = "not a record of this version of nbflow"
        self.reasons[row.partition(":")[2]] = reason
        return None

    def _seal(self, row: str, content: Any) -> bytes:
        return self._signer.seal(row, _encode(content))

    def _notice_others(self) -> None:
        """Forget what was read if any kernel has written since."""
        if self._index.version() != self._seen:
            self.flush()
            self._forget()

    def _forget(self) -> None:
        self._lists.clear()
        self._found.clear()
        self._values.clear()
        self._seen = self._index.version()


def _older(row: str, number: int) -> str:
    return f"{row}:{number:06d}"


def _flagged(record: _Record) -> Trace:
    trace = record.trace
    return replace(trace, flags=trace.flags | {NON_DETERMINISTIC}) if record.varies else trace
