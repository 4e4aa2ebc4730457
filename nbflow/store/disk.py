"""The store on disk: an index of records, files for large values, a history beside them.

The folder is private to the user and ignores itself in git. Faults never reach the caller: what
cannot be kept on disk is kept in memory for this process, and the user is told once.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from nbflow.exceptions import StorageError, StoreError
from nbflow.secrets import KNOWN
from nbflow.store.blobs import Blobs, Opened
from nbflow.store.budget import SIZE_LIMIT
from nbflow.store.folder import prepare
from nbflow.store.formats import Formats, Namespace, Payload
from nbflow.store.history import SqliteHistory
from nbflow.store.index import FAULTS, Index, is_damage
from nbflow.store.memory import MemoryStore, code_digest
from nbflow.store.packed import Packed, pack, small_of, unpacked_regions
from nbflow.store.protocol import (
    COSTLY,
    EVERYTHING,
    EVICTED,
    NOT_STORED,
    NOT_WORTH,
    UNSTORABLE,
    Choice,
    Commit,
    InputList,
    Missing,
    Store,
    Weight,
)
from nbflow.store.room import Room
from nbflow.store.scratch import Scratch, no_checkpoint
from nbflow.store.signing import DAMAGED, FORGED, OTHER_KEY, Signer, user_key
from nbflow.store.traces import Result, Traces
from nbflow.store.upkeep import Upkeep
from nbflow.store.walks import is_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from nbflow.types import Trace

Q = TypeVar("Q")
T = TypeVar("T")

_SPARE_BUDGET: Final = 2**28
_MOST_WAITING: Final = 256


class DiskStore:
    """A store that outlives kernels and is shared by them; see `nbflow.store.protocol.Store`.

    Args:
        home: The folder; made where missing. A folder with other things in it is refused.
        namespace: The notebook's names; by default those of the program's main module.
        key: The user's secret; by default `nbflow.store.signing.user_key`.
        clock: Gives the time, in seconds since the epoch.
        patience: Seconds of computing that a crash may cost: results that took less wait to be
            written together. By default each result is durable when `commit` returns.
        checkpoint: Called with the name of each point of a commit at which a crash is possible.

    Raises:
        StoreError: If the folder cannot be used; `open_store` gives a store in memory then.
    """

    def __init__(
        self,
        home: Path,
        *,
        namespace: Namespace | None = None,
        key: bytes | None = None,
        clock: Callable[[], float] = time.time,
        checkpoint: Callable[[str], None] = no_checkpoint,
        patience: float = 0.0,
    ) -> None:
        self.home: Final = home
        self.notices: list[str] = []
        self._clock = clock
        self._checkpoint = checkpoint
        self._patience = patience
        self._at_risk = 0.0
        self._formats = Formats(namespace, code_digest)
        self._spare = MemoryStore(self._formats.namespace, budget=_SPARE_BUDGET)
        with _as_store_error(home):
            prepare(home)
            self._signer = Signer(key if key is not None else _key())
            self._scratch = Scratch(home / "tmp")
            self._blobs = Blobs(home, self._signer, self._scratch, checkpoint)
            self._index = self._open_index()
            self._traces = Traces(self._index, self._signer)
            self.room: Final = Room(home, self.upkeep)
            self.history = SqliteHistory(home / "history.db", self._signer, self._tell, clock)
            self._sweep(clock())

    def expect(self, static_keys: Iterable[str]) -> None:
        """Say which codes will be asked for, in about this order, so that they are read together."""
        self._asked(self._traces.expect, None, static_keys)

    def lists(self, static_key: str) -> tuple[InputList, ...]:
        """Return the input lists of a code, newest first."""
        found = self._asked(self._traces.lists, (), static_key)
        if not found and static_key in self._traces.reasons:
            self._tell_refused(self._traces.reasons[static_key])
        return found or self._spare.lists(static_key)

    def find(self, action_key: str) -> tuple[Trace, ...]:
        """Return the traces under a key, newest first."""
        found = self._asked(self._traces.find, (), action_key)
        if not found and action_key in self._traces.reasons:
            self._tell_refused(self._traces.reasons[action_key])
        return found or self._spare.find(action_key)

    def trace(self, id: str) -> Trace | None:
        """Return one trace by its identifier, or None."""
        key = self.history.key_of(id)
        return next((trace for trace in self.find(key) if trace.id == id), self._spare.trace(id))

    def reason(self, key: str) -> str:
        """Return why what was looked up under a key, or for a code, is not used, or an empty string."""
        return self._traces.reasons.get(key, "")

    def commit(
        self,
        action_key: str,
        trace: Trace,
        units: Mapping[str, tuple[object, ...]],
        over: Namespace | None = None,
        choice: Choice = EVERYTHING,
    ) -> Commit:
        """Keep a trace and the values of units; never raises for a fault of the store."""
        told, formats = len(self.notices), self._formats.over(over)
        payloads, unstorable = self._encode(units, formats)
        small = small_of(payloads)
        left_out = {
            unit: NOT_WORTH
            for unit, payload in payloads.items()
            if unit not in small and not choice.is_worth(Weight(unit, payload.size, len(payload.pickled)))
        }
        for unit in left_out:
            del payloads[unit]
        unstored = {**unstorable, **left_out}
        large = frozenset(units.keys() - small.keys() - unstored.keys())
        values = {unit: pack(payloads[unit]) for unit in small}
        result = Result(action_key, trace, payloads, values, (*unstorable, *choice.given_up))
        try:
            with self._scratch.announced(large) if large else nullcontext():
                # Values before the record that refers to them: a crash between leaves but loose files.
                if large:
                    unstored |= self._write(
                        payloads,
                        large,
                        lambda lost: self._encode({unit: units[unit] for unit in lost}, formats)[0],
                    )
                self._checkpoint("blobs")
                waiting = self._traces.wait(result)
                self._at_risk += trace.seconds
                # Files are announced in here only, so that their record may not wait any longer.
                if large or self._at_risk >= self._patience or waiting >= _MOST_WAITING:
                    unstored |= self.flush()
            self.history.file_trace(trace.id, action_key)
            self._checkpoint("history")
        except FAULTS as error:
            unstored |= self._keep_aside(error, [result])
        return Commit(frozenset(units.keys() - unstored.keys()), unstored, tuple(self.notices[told:]))

    def flush(self) -> dict[str, str]:
        """Make all results durable; return the units that could not be, with the reason."""
        try:
            self._traces.flush(self._checkpoint)
        except FAULTS as error:
            return self._keep_aside(error, self._traces.take_back())
        self._at_risk = 0.0
        return {}

    def put(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep the members of one unit; return why not, or an empty string."""
        return "" if self._is_kept(unit) and self.has(unit) else self._put(unit, values)

    def replace(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep what a name stands for from now on; return why not, or an empty string."""
        self._blobs.remove(unit)
        self._spare.discard(unit)
        reason = self._put(unit, values)
        if reason:
            self.discard(unit)
        return reason

    def discard(self, unit: str) -> None:
        """Keep no longer what a name stands for."""
        self._blobs.remove(unit)
        self._spare.discard(unit)
        self._asked(self._traces.drop, None, unit)

    def forgets(self, unit: str) -> bool:
        """Whether what a name stands for goes with this process, because it could not be written."""
        return self._spare.has(unit)

    def _put(self, unit: str, values: tuple[object, ...]) -> str:
        payloads, unstored = self._encode({unit: values}, self._formats)
        if unstored:
            return unstored[unit]
        small = small_of(payloads)
        large = frozenset({unit} - small.keys())
        try:
            with self._scratch.announced(large):
                unstored = self._write(
                    payloads, large, lambda _: self._encode({unit: values}, self._formats)[0]
                )
                self._checkpoint("input")
                if not unstored:
                    self._traces.keep(unit, pack(payloads[unit]) if small else None)
        except FAULTS as error:
            self._fault(error)
            return self._spare.put(unit, values)
        return self._spare.put(unit, values) if unstored else ""

    def _is_kept(self, unit: str) -> bool:
        """Whether it is kept for its own sake: what only a result has goes with that."""
        return self._spare.has(unit) or self._asked(self._traces.is_kept, False, unit)

    def has(self, unit: str) -> bool:
        """Whether `load` may succeed, by what is known without loading."""
        if self._traces.knows(unit):
            return True
        return self._blobs.has(unit) or self._value(unit) is not None or self._spare.has(unit)

    def absence(self, unit: str) -> str:
        """Return why a unit that a result refers to cannot be had; empty where `load` may succeed."""
        if self.has(unit):
            return ""
        return UNSTORABLE if self._traces.is_unstorable(unit) else self._why_not(unit, NOT_STORED)

    def _why_not(self, unit: str, reason: str) -> str:
        """Why a unit's file is not there, if it was removed on purpose."""
        is_evicted = reason == NOT_STORED and self._asked(self._traces.is_evicted, False, unit)
        return EVICTED if is_evicted else reason

    def is_costly(self, unit: str) -> bool:
        """Whether many objects have to be built; small values, which lie in the index, never are."""
        return not self._traces.knows(unit) and self._blobs.pickle_bytes(unit) > COSTLY

    def load(self, unit: str, over: Namespace | None = None) -> tuple[object, ...]:
        """Return a private copy of the members of a unit, its code over the notebook's names or these.

        Raises:
            Missing: If they cannot be had, with the reason.
        """
        if self._spare.has(unit):
            return self._spare.load(unit, over)
        found, regions = self._found(unit)
        return self._formats.over(over).decode(found, regions)

    def _found(self, unit: str) -> tuple[Packed | Opened, Sequence[memoryview]]:
        """Where a value lies, and its buffers; what a record has that nobody has read is looked for last."""
        packed = self._value(unit)
        if packed is None:
            try:
                opened = self._blobs.open(unit)
            except Missing as missing:
                packed = self._asked(self._traces.sought, None, unit)
                if packed is None:
                    self._tell_refused(missing.reason)
                    raise Missing(self._why_not(unit, missing.reason)) from None
            else:
                return opened, opened.regions
        return packed, unpacked_regions(packed)

    def verify(self, unit: str) -> str:
        """Compare a stored unit with its digest, once per file; return what is wrong, or ``""``."""
        wrong = self._blobs.verify(unit)
        if wrong == NOT_STORED and (self._value(unit) is not None or self._spare.has(unit)):
            return ""
        if wrong:
            self._tell_refused(wrong)
        return wrong

    def close(self) -> None:
        """Flush the history and let go of files; values loaded before stay valid."""
        self.flush()
        self.room.close()
        self.history.close()
        self._scratch.close()
        self._index.close()

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield unit and bytes of each value that has a file of its own."""
        return self._blobs.sizes()

    def upkeep(self) -> Upkeep:
        """Return what looks after the files; it may be used in another thread than the store."""
        blobs = Blobs(self.home, self._signer, self._scratch, no_checkpoint)
        index, signer, traces = self._index, self._signer, self._traces
        return Upkeep(
            self.home, index, signer, blobs, self._scratch, self.history, self._clock, traces.outdate
        )

    def has_room(self, size: int) -> bool:
        """Whether half of the budget is enough for what there is and so many bytes more."""
        return self.room.has_room(size)

    def trust(self) -> int:
        """Sign everything that is not damaged, whoever signed it; return how many entries.

        What is signed is used from then on, and using it may run code that it brings. Ask first.
        """
        signed = self._traces.trust()
        self.history.trust()
        return signed + sum(self._blobs.trust(unit) for unit, _ in list(self._blobs.sizes()))

    def _encode(
        self, units: Mapping[str, tuple[object, ...]], formats: Formats
    ) -> tuple[dict[str, Payload], dict[str, str]]:
        """Return the payloads of units that are not stored as files yet, and why some have none."""
        payloads: dict[str, Payload] = {}
        unstored: dict[str, str] = {}
        for unit, values in units.items():
            # Asking for a file takes longer than writing a number.
            if not is_plain(values) and self._blobs.has(unit):
                continue
            try:
                payload = formats.encode(values)
                if payload.holds_secret or any(map(KNOWN.are_in, (payload.pickled, *payload.texts))):
                    raise StorageError("it holds a secret")
                payloads[unit] = payload
            except StorageError as error:
                unstored[unit] = error.reason
        return payloads, unstored

    def _write(
        self,
        payloads: dict[str, Payload],
        large: frozenset[str],
        encode: Callable[[Iterable[str]], Mapping[str, Payload]],
    ) -> dict[str, str]:
        """Write the files of large units; return why some could not be written."""
        unstored: dict[str, str] = {}
        # Asked anew, as they are announced now: before that another kernel may have removed one.
        lost = [unit for unit in large - payloads.keys() if not self._blobs.has(unit)]
        payloads |= encode(lost) if lost else {}
        for unit in sorted(large & payloads.keys()):
            try:
                self._blobs.write(unit, payloads[unit])
                self.room.grow(payloads[unit].size)
            except OSError as error:
                self._fault(error)
                unstored[unit] = _words(error)
        return unstored

    def _keep_aside(self, error: Exception, results: list[Result]) -> dict[str, str]:
        """Keep results in memory that the disk would not take; return the units that do not fit."""
        self._fault(error)
        unstored: dict[str, str] = {}
        for result in results:
            kept = self._spare.keep(result.action_key, result.trace, result.payloads)
            unstored |= {unit: why for unit, why in kept.unstored.items() if not self._blobs.has(unit)}
        return unstored

    def _value(self, unit: str) -> Packed | None:
        return self._asked(self._traces.value, None, unit)

    def _asked(self, ask: Callable[[Q], T], otherwise: T, about: Q) -> T:
        """What the index says about something; something else where it is at fault, which is told."""
        try:
            return ask(about)
        except FAULTS as error:
            self._fault(error)
            return otherwise

    def _open_index(self) -> Index:
        try:
            return Index(self.home / "index")
        except Exception as error:
            if not is_damage(error):
                raise
            return self._replace_index()

    def _replace_index(self) -> Index:
        """Start a new index; values in files are found again when their results are computed again."""
        aside = self.home / "quarantine" / f"index-{time.time_ns()}"
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        os.replace(self.home / "index", aside)
        self._tell(f"the cache's index was damaged and starts anew; the old one is kept as {aside}")
        return Index(self.home / "index")

    def _sweep(self, now: float) -> None:
        """Remove what dead processes left half done."""
        left = self._scratch.sweep(now)
        doubtful = {unit for unit in left.dead - left.alive if self._blobs.path(unit).exists()}
        self.upkeep().remove_loose(doubtful)

    def _fault(self, error: Exception) -> None:
        """Tell the user once per kind of fault; replace a broken index."""
        self._tell(
            f"nothing is stored in {self.home} at present: {_words(error)}; results are kept in memory only"
        )
        if is_damage(error):
            with suppress(*FAULTS):
                self._index.close()
                self._index = self._replace_index()
                self._traces = Traces(self._index, self._signer)

    def _tell_refused(self, reason: str) -> None:
        if reason == OTHER_KEY:
            self._tell(
                f"results in {self.home} are signed with another key and not used; "
                f"if you trust whoever made them, run `nbflow cache trust {self.home}`"
            )
        elif reason in (DAMAGED, FORGED):
            self._tell(f"a stored result in {self.home} is {DAMAGED} and will be computed again")

    def _tell(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)


def open_store(
    home: Path,
    *,
    namespace: Namespace | None = None,
    key: bytes | None = None,
    size_limit: int = SIZE_LIMIT,
) -> Store:
    """Return the store in a folder, or one in memory where the folder cannot be used.

    Never raises for a fault of the folder; the notices of the store say what is wrong.
    """
    try:
        store = DiskStore(home, namespace=namespace, key=key)
        store.room.size_limit = size_limit
        return store
    except StoreError as error:
        return MemoryStore(namespace, notices=(str(error),))


def _key() -> bytes:
    try:
        return user_key()
    except OSError as error:
        raise StoreError(
            f"there is no key to sign results with ({error}); set NBFLOW_STATE to a folder of yours",
            reason="no key",
        ) from error


@contextmanager
def _as_store_error(home: Path) -> Generator[None]:
    try:
        yield
    except StoreError:
        raise
    except FAULTS as error:
        raise StoreError(
            f"nothing is stored in {home}: {_words(error)}; results are kept in memory only",
            reason=_words(error),
        ) from error


def _words(error: Exception) -> str:
    """Return a fault in a few words."""
    number = error.errno if isinstance(error, OSError) else None
    text = str(error)
    if number in (errno.ENOSPC, errno.EDQUOT) or "is full" in text:
        return "the disk is full"
    if number in (errno.EROFS, errno.EACCES, errno.EPERM) or "readonly" in text:
        return "the folder is read-only"
    if "locked" in text or type(error).__name__ == "Timeout":
        return "the store is locked by another kernel"
    return text or type(error).__name__
