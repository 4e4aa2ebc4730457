"""The records of a store: traces under action keys, input lists under static keys, small values.

Each record is one row of the index, sealed under the row's name. The newest trace of a key stands
in the key's own row, with its small values; one that is superseded moves to a numbered row and its
values to rows of theirs. A record whose trace looked at something new bears its static key as a tag:
the tagged records of a code give its input lists. So a first result is one row, and one query finds
the lists and the traces of many codes. What was read stays in memory until another kernel writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from nbflow.store.escapes import decoded, encoded
from nbflow.store.index import Row
from nbflow.store.packed import Packed  # noqa: TC001 - msgspec reads the annotations
from nbflow.store.protocol import (
    MOST_LISTS,
    MOST_TRACES,
    NON_DETERMINISTIC,
    InputList,
    differ,
    input_list,
    with_list,
)
from nbflow.store.scratch import no_checkpoint
from nbflow.store.signing import Signer, UnverifiedError
from nbflow.types import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from nbflow.store.formats import Payload
    from nbflow.store.index import Index

_TRACE: Final = "t:"
_UNIT: Final = "u:"
_EVICTED: Final = "x:"
_READ_AHEAD: Final = 256
"""How many codes are read at once."""
_MOST_FOUND: Final = 8192
"""How many keys stay in memory with their traces."""
_MOST_ROWS: Final = 32_768
"""Of how many small units it is known which record has them."""
_MOST_VALUES: Final = 2048
"""How many small values stay in memory once their record was read; at most 64 MB."""

T = TypeVar("T")


class _Record(msgspec.Struct, array_like=True, frozen=True):
    trace: Trace
    older: int = 0
    varies: bool = False
    values: dict[str, Packed] = {}
    unstorable: tuple[str, ...] = ()

    @property
    def newest(self) -> Trace:
        return _flagged(self.trace) if self.varies else self.trace


class _Kept(msgspec.Struct, array_like=True, frozen=True):
    """A unit kept for its own sake; without a value, its value is a file."""

    value: Packed | None = None


class Result(msgspec.Struct, frozen=True):
    """A result on its way to the index: its trace, where it belongs, its small values, and what has none."""

    action_key: str
    trace: Trace
    payloads: Mapping[str, Payload]
    values: Mapping[str, Packed]
    unstorable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Shelved:
    """A record as it lies in the index: its row, its trace, and how many bytes it takes there."""

    row: str
    trace: Trace
    size: int

    @property
    def action_key(self) -> str:
        """Under which key its trace is found."""
        return self.row.split(":")[1]

    @property
    def is_newest(self) -> bool:
        """Whether it is the newest of its key, which the older ones are found by."""
        return self.row.count(":") == 1


class _Decoders:
    """Made once: building one takes longer than many decodings."""

    record: Final = msgspec.msgpack.Decoder(_Record)
    trace: Final = msgspec.msgpack.Decoder(Trace)
    kept: Final = msgspec.msgpack.Decoder(_Kept)
    lists: Final = msgspec.msgpack.Decoder(tuple[InputList, ...])


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
        self._limits: Final[tuple[tuple[dict[str, Any], int], ...]] = (
            (self._lists, _MOST_FOUND),
            (self._found, _MOST_FOUND),
            (self._rows, _MOST_ROWS),
            (self._values, _MOST_VALUES),
        )
        self._waiting: list[Result] = []
        self._expected: dict[str, None] = {}
        self._ahead: set[str] = set()
        self._unstorable: set[str] = set()
        self._kept: set[str] = set()
        self._nowhere: set[str] = set()
        self._is_outdated = False
        self.reasons: Final[dict[str, str]] = {}

    def expect(self, static_keys: Iterable[str]) -> None:
        """Say which codes will be asked for, in about this order: they are read many at once.

        What is known of them already is given once as it is now, as what is read ahead will be.
        """
        self._notice_others()
        self._expected = dict.fromkeys(static_keys)
        self._ahead = self._expected.keys() & self._lists.keys()

    def lists(self, static_key: str) -> tuple[InputList, ...]:
        """Return the input lists of a code, newest first."""
        self._notice_others(static_key)
        if static_key not in self._lists:
            self._read_lists(static_key)
        return self._lists.get(static_key, ())

    def find(self, action_key: str) -> tuple[Trace, ...]:
        """Return the newest traces under a key, newest first."""
        self._notice_others(action_key)
        known = self._found.get(action_key)
        return known if known is not None else self._read_traces(action_key)

    def wait(self, result: Result) -> int:
        """Take a result that is written with others at the next `flush`; return how many wait."""
        # Only what was read already is consulted: what else the index has shows when this is written.
        before = self._found.get(result.action_key, ())
        varies = bool(before) and (NON_DETERMINISTIC in before[0].flags or differ(before[0], result.trace))
        trace = _flagged(result.trace) if varies else result.trace
        known = self._lists.get(result.trace.static_key, ())
        self._waiting.append(result)
        self._found[result.action_key] = (trace, *before)[:MOST_TRACES]
        self._lists[result.trace.static_key] = with_list(known, input_list(result.trace))
        self._values.update(result.values)
        self._unstorable.update(result.unstorable)
        return len(self._waiting)

    def flush(self, checkpoint: Callable[[str], None] = no_checkpoint) -> None:
        """Write what waits, in one transaction. Where that fails, everything still waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        try:
            with self._index.transact():
                # Asked in here, where nobody else can write any more.
                others_wrote = self._index.version() != self._seen
                self._write(waiting, checkpoint)
        except BaseException:
            self._waiting = waiting + self._waiting
            raise
        self._seen = self._index.version()
        if others_wrote:
            self._forget()
        checkpoint("list")

    def _write(self, waiting: list[Result], checkpoint: Callable[[str], None]) -> None:
        there = self._index.present(_TRACE + result.action_key for result in waiting)
        lists = self._read_tagged({result.trace.static_key for result in waiting})
        fresh: dict[str, Row] = {}
        for result in waiting:
            row = _TRACE + result.action_key
            record = _Record(result.trace, values=dict(result.values), unstorable=result.unstorable)
            tag = self._tag(lists[result.trace.static_key], result.trace)
            # Of two results of one key in a batch the first has to be there to be superseded.
            if row in fresh:
                self._index.add([fresh.pop(row)])
                there.add(row)
            if row in there:
                self._supersede(row, record)
                if tag:
                    self._index.tag(row, tag)
            else:
                fresh[row] = Row(row, self._seal(row, record), tag)
            self._rows.update(dict.fromkeys(result.values, row))
            self.reasons.pop(result.action_key, None)
            checkpoint("record")
        self._index.add(fresh.values())
        self._keep_lists(lists)

    def _tag(self, known: list[InputList], trace: Trace) -> str | None:
        """The tag of a trace's record: its code where it looked at something new."""
        looked = input_list(trace)
        if looked in known:
            return None
        known.insert(0, looked)
        return trace.static_key

    def _keep_lists(self, lists: Mapping[str, list[InputList]]) -> None:
        for static_key, known in lists.items():
            self._lists[static_key] = tuple(known[:MOST_LISTS])
            if len(known) > MOST_LISTS:
                self._index.keep_tags(static_key, MOST_LISTS)

    def take_back(self) -> list[Result]:
        """Return what waits, to be kept elsewhere, and wait for nothing any more."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def keep(self, unit: str, value: Packed | None) -> None:
        """Keep a unit for its own sake: its small value, or the mark that a file has it."""
        row = _UNIT + unit
        self._notice_others()
        self._index.set(row, self._seal(row, _Kept(value)))
        if value is not None:
            self._rows[unit] = row
        self._kept.add(unit)
        self._seen = self._index.version()

    def is_kept(self, unit: str) -> bool:
        """Whether a unit is kept for its own sake, whatever results have it as well."""
        self._notice_others()
        if unit not in self._kept and self._index.present([_UNIT + unit]):
            self._kept.add(unit)
        return unit in self._kept

    def drop(self, unit: str) -> None:
        """Keep a unit no longer for its own sake."""
        self._notice_others()
        self._index.remove(_UNIT + unit)
        self._rows.pop(unit, None)
        self._kept.discard(unit)
        self._seen = self._index.version()

    def knows(self, unit: str) -> bool:
        """Whether the small value of a unit is at hand, from a record read or written since others wrote."""
        return unit in self._values and not self._is_outdated

    def outdate(self) -> None:
        """Note that records were removed behind its back, which it is to forget; from any thread."""
        self._is_outdated = True

    def value(self, unit: str) -> Packed | None:
        """Return the small value of a unit, if a record read so far or a row of its own has it."""
        self._forget_outdated()
        if unit in self._values:
            return self._values[unit]
        row = self._rows.get(unit, "")
        if row.startswith(_TRACE):
            record = self._read(row, _Decoders.record)
            if record is not None and unit in record.values:
                return record.values[unit]
        kept = self._read(_UNIT + unit, _Decoders.kept)
        return kept.value if kept is not None else None

    def sought(self, unit: str) -> Packed | None:
        """Return the small value of a unit from whatever record has it: all are looked through."""
        self._notice_others()
        if unit not in self._nowhere:
            for row in self._index.holding(_TRACE, unit):
                record = self._read(row, _Decoders.record) if row.count(":") == 1 else None
                if record is not None:
                    self._note(row, record)
            if unit not in self._values:
                self._nowhere.add(unit)
        return self._values.get(unit)

    def shelved(self) -> Iterator[Shelved]:
        """Yield every record of a trace that can be verified."""
        for row, sealed in self._index.items():
            if row.startswith(_TRACE):
                trace = self._trace_in(row, sealed)
                if trace is not None:
                    yield Shelved(row, trace, len(sealed))

    def _trace_in(self, row: str, sealed: bytes) -> Trace | None:
        if row.count(":") > 1:
            return self._open(row, sealed, _Decoders.trace)
        record = self._open(row, sealed, _Decoders.record)
        return record.newest if record is not None else None

    def is_unstorable(self, unit: str) -> bool:
        """Whether a record read or written so far says that the unit cannot be stored at all."""
        return unit in self._unstorable

    def is_evicted(self, unit: str) -> bool:
        """Whether the file of a unit was removed to save space."""
        return self._read(_EVICTED + unit, _Decoders.kept) is not None

    def mark_evicted(self, units: Iterable[str]) -> None:
        """Note that the files of these units are removed to save space."""
        with self._index.transact():
            for row in map(_EVICTED.__add__, units):
                self._index.set(row, self._seal(row, _Kept()))

    def remove(self, gone: Collection[Shelved], left: Iterable[Shelved]) -> None:
        """Remove records; those that are left keep being found.

        Args:
            gone: The records; the newest of a key goes only with all others of it.
            left: All other records.
        """
        codes = {shelved.trace.static_key for shelved in gone}
        with self._index.transact():
            for shelved in gone:
                self._index.remove(shelved.row)
            known = self._read_tagged(codes)
            for shelved in left:
                code = shelved.trace.static_key
                tag = self._tag(known[code], shelved.trace) if code in codes and shelved.is_newest else None
                if tag:
                    self._index.tag(shelved.row, tag)

    def keep_newest_lists(self) -> None:
        """Keep of each code as many input lists as are looked at."""
        for static_key in self._index.tags():
            self._index.keep_tags(static_key, MOST_LISTS)

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

    def _supersede(self, row: str, fresh: _Record) -> None:
        """Replace the newest record of a key, within a transaction."""
        self._found.pop(row.removeprefix(_TRACE), None)
        old = self._read(row, _Decoders.record)
        if old is not None and old.trace.id == fresh.trace.id:
            return
        if old is not None:
            self._move(row, old, fresh)
            varies = old.varies or differ(old.trace, fresh.trace)
            fresh = _Record(fresh.trace, old.older + 1, varies, fresh.values, fresh.unstorable)
        self._index.set(row, self._seal(row, fresh))

    def _move(self, row: str, old: _Record, fresh: _Record) -> None:
        moved = _older(row, old.older)
        self._index.set(moved, self._seal(moved, old.trace))
        for unit in old.values.keys() - fresh.values.keys():
            kept = _UNIT + unit
            self._index.set(kept, self._seal(kept, _Kept(old.values[unit])))
            self._rows[unit] = kept

    def _read_lists(self, static_key: str) -> None:
        is_expected = static_key in self._expected
        unknown = (key for key in self._expected if key not in self._lists)
        ahead = list(islice(unknown, _READ_AHEAD)) if is_expected else []
        for key in ahead:
            del self._expected[key]
        for key, known in self._read_tagged({static_key, *ahead}).items():
            # Else an absent one is asked for again each time: another kernel may be about to write it.
            if known or is_expected:
                self._lists[key] = tuple(known)
        self._ahead.update(key for key in ahead if key != static_key)

    def _read_tagged(self, static_keys: Collection[str]) -> dict[str, list[InputList]]:
        """The input lists of codes, newest first, by what their tagged records looked at."""
        lists: dict[str, list[InputList]] = {static_key: [] for static_key in static_keys}
        for static_key, rows in self._index.tagged(lists).items():
            for row in rows:
                record = self._open(row.key, row.value, _Decoders.record)
                if record is None:
                    self.reasons[static_key] = self.reasons[row.key.partition(":")[2]]
                elif record.trace.static_key == static_key:  # tags are not signed
                    self._note(row.key, record)
                    self._ahead.add(row.key.removeprefix(_TRACE))
                    looked = input_list(record.trace)
                    lists[static_key] += [looked] if looked not in lists[static_key] else []
        return lists

    def _note(self, row: str, record: _Record) -> None:
        self._rows.update(dict.fromkeys(record.values, row))
        self._values.update(record.values)
        self._unstorable.update(record.unstorable)
        if record.older == 0:
            self._found[row.removeprefix(_TRACE)] = (record.newest,)

    def _read_traces(self, action_key: str) -> tuple[Trace, ...]:
        row = _TRACE + action_key
        record = self._read(row, _Decoders.record)
        if record is None:
            return ()
        self._note(row, record)
        first = max(0, record.older - MOST_TRACES + 1)
        rows = (_older(row, number) for number in range(record.older - 1, first - 1, -1))
        older = (self._read(moved, _Decoders.trace) for moved in rows)
        found = (record.newest, *(trace for trace in older if trace is not None))
        self._found[action_key] = found
        return found

    def _read(self, row: str, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
        sealed = self._index.get(row)
        return self._open(row, sealed, decoder) if sealed is not None else None

    def _open(self, row: str, sealed: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T | None:
        try:
            return decoded(self._signer.open(row, sealed), decoder)
        except UnverifiedError as error:
            reason = error.reason
        except (msgspec.MsgspecError, ValueError, TypeError):
            reason = "not a record of this version of nbflow"
        self.reasons[row.partition(":")[2]] = reason
        return None

    def _seal(self, row: str, content: Any) -> bytes:
        return self._signer.seal(row, encoded(content))

    def _notice_others(self, key: str = "") -> None:
        """Forget what was read if another kernel has written since, and what was read longest ago.

        The latter keeps the memory of a kernel that runs for months; what is needed is read again.
        What was read ahead with others is given once as it was then.
        """
        if self._is_outdated:
            self._forget_outdated()
        if key in self._ahead:
            self._ahead.remove(key)
            return
        if self._index.version() != self._seen:
            self.flush()
            self._forget()
        for known, most in self._limits:
            if len(known) > most:
                self.flush()
                _drop_oldest(known, most - most // 16)

    def _forget_outdated(self) -> None:
        if self._is_outdated:
            self._is_outdated = False
            self.flush()
            self._forget()

    def _forget(self) -> None:
        self._lists.clear()
        self._found.clear()
        self._values.clear()
        self._ahead.clear()
        self._kept.clear()
        self._nowhere.clear()
        self._seen = self._index.version()


def _drop_oldest(known: dict[str, Any], left: int) -> None:
    for key in list(islice(known, len(known) - left)):
        del known[key]


def _older(row: str, number: int) -> str:
    return f"{row}:{number:06d}"


def _flagged(trace: Trace) -> Trace:
    return replace(trace, flags=trace.flags | {NON_DETERMINISTIC})
