"""Keeping a store in order: what takes its space, what is damaged, what may go.

All of it is safe while other kernels write. A value that a commit relies on is announced by it before
it asks whether the file is there; whoever removes a file nobody refers to keeps new records out, takes
it away, looks at what is announced and referred to then, and puts it back where a commit was quicker.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

from nbflow.store.budget import LEAVES, Holding, first_to_go
from nbflow.store.digests import key_digest
from nbflow.store.protocol import HAPPENS_ONCE
from nbflow.store.signing import OTHER_KEY, UnverifiedError
from nbflow.store.traces import Traces
from nbflow.types import NO_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from nbflow.store.blobs import Blobs, Stored
    from nbflow.store.history import SqliteHistory
    from nbflow.store.index import Index
    from nbflow.store.scratch import Scratch
    from nbflow.store.signing import Signer
    from nbflow.store.traces import Shelved
    from nbflow.types import Trace

GRACE: Final = 600.0
"""Seconds for which a file is left alone that nobody refers to yet, or that was just used."""

_QUARANTINE: Final = 30 * 86400.0
_MOST_RUNS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a store has of one task.

    Args:
        notebook: The notebook's name; empty for flows outside of one.
        task: The task's name.
        size: Bytes that its results take; what it shares with others counts for each of them.
        runs: How many of its results are stored.
        made: When the newest ended, seconds since the epoch.
        seconds: How long the newest took.
    """

    notebook: str
    task: str
    size: int
    runs: int
    made: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Freed:
    """What was removed: how many values and results, and how many bytes that gave back."""

    values: int = 0
    results: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found when everything was compared with its digest and its signature.

    Args:
        values: How many values have a file.
        records: How many records there are, runs and snapshots of the history among them.
        damaged: What was damaged, in words; it is in the folder `quarantine` now.
        others: How many are signed with another key.
    """

    values: int = 0
    records: int = 0
    damaged: tuple[str, ...] = ()
    others: int = 0


@dataclass(frozen=True)
class Stock:
    """All that a store has, as of one moment."""

    shelved: tuple[Shelved, ...]
    files: Mapping[str, Stored]
    kept: frozenset[str]

    @property
    def size(self) -> int:
        """Bytes that the files of values take."""
        return sum(found.size for found in self.files.values())

    @cached_property
    def by_unit(self) -> Mapping[str, list[Trace]]:
        """The traces that refer to each unit."""
        found: defaultdict[str, list[Trace]] = defaultdict(list)
        for shelved in self.shelved:
            for unit in units_of(shelved.trace):
                found[unit].append(shelved.trace)
        return found

    @cached_property
    def read(self) -> frozenset[str]:
        """The digests that some result was computed from."""
        return frozenset(entry.digest for shelved in self.shelved for entry in shelved.trace.entries)


def units_of(trace: Trace) -> set[str]:
    """The units that a trace refers to, its captured outputs included."""
    return {output.unit for output in trace.outputs} | {trace.captured}


@dataclass
class Upkeep:
    """Looks after the files of a store.

    Args:
        home: The store's folder.
        index: Its records.
        signer: Checks what is read.
        blobs: Its files; a `Blobs` that has verified nothing yet.
        scratch: The half-done work of this process.
        history: The runs, by which the names of tasks are known, and what was used when.
        clock: Seconds since the epoch.
        changed: Called when records were changed, so that whoever has read them before reads them again.
    """

    home: Path
    index: Index
    signer: Signer
    blobs: Blobs
    scratch: Scratch
    history: SqliteHistory
    clock: Callable[[], float]
    changed: Callable[[], object]
    _traces: Traces = field(init=False)

    def __post_init__(self) -> None:
        # One of its own, as another thread may be reading through the store's.
        self._traces = Traces(self.index, self.signer)

    def stock(self) -> Stock:
        """Read all that the store has."""
        files = {found.unit: found for found in self.blobs.files()}
        return Stock(tuple(self._traces.shelved()), files, frozenset(self._traces.kept_units()))

    # --- what is there -------------------------------------------------------------------------

    def shelves(self) -> list[Shelf]:
        """What each task takes, the largest first."""
        stock, names = self.stock(), self._names()
        tasks: defaultdict[tuple[str, str], list[Shelved]] = defaultdict(list)
        for shelved in stock.shelved:
            trace = shelved.trace
            if (trace.notebook, trace.step) in names or not trace.notebook:
                tasks[trace.notebook, names.get((trace.notebook, trace.step), trace.step)].append(shelved)
        shelves = [_shelf(*task, shelved, stock) for task, shelved in tasks.items()]
        return sorted(shelves, key=lambda shelf: (-shelf.size, shelf.task))

    def _names(self) -> dict[tuple[str, str], str]:
        """What each step of each notebook was called when it last ran."""
        names: dict[tuple[str, str], str] = {}
        for run in self.history.runs(limit=_MOST_RUNS):
            if run.role in ("task", "item"):
                names.setdefault((run.notebook, run.step), run.name)
        return names

    # --- verifying -----------------------------------------------------------------------------

    def verify(self) -> Checked:
        """Compare every value with its digest, every record with its signature, and read the history.

        What is damaged is put into the folder `quarantine`; what it was for is computed again.
        """
        files, rows = [found.unit for found in self.blobs.files()], list(self.index.items())
        wrong = [(f"value {unit}", why) for unit in files if (why := self.blobs.verify(unit))]
        for row, sealed in rows:
            why = self._check(row, sealed)
            if why:
                wrong.append((f"record {row}", why))
        known, rotten = self.history.verify()
        for row in rotten:
            wrong.append((f"history: {row.what}", row.why))
            if row.why != OTHER_KEY:
                # Nothing of a row that rotted is part of a path.
                self._put_aside(f"history-{key_digest(row.what, row.content.hex())}", row.content)
        self.changed()
        damaged = tuple(f"{what}: {why}" for what, why in wrong if why != OTHER_KEY)
        return Checked(len(files), len(rows) + known, damaged, len(wrong) - len(damaged))

    def _check(self, row: str, sealed: bytes) -> str:
        """What is wrong with a record, put aside if it is damaged; empty for nothing."""
        try:
            self.signer.open(row, sealed)
        except UnverifiedError as error:
            if error.reason != OTHER_KEY:
                self._put_aside(f"record-{row.replace(':', '-')}", sealed)
                self.index.remove(row)
            return error.reason
        return ""

    def _put_aside(self, name: str, content: bytes) -> None:
        aside = self.home / "quarantine" / name
        aside.parent.mkdir(mode=0o700, exist_ok=True)
        aside.write_bytes(content)

    # --- removing ------------------------------------------------------------------------------

    def collect(self, grace: float = GRACE) -> Freed:
        """Remove what nobody refers to: values, what killed processes left, input lists beyond the newest.

        Args:
            grace: Seconds for which a file without a record is left alone.
        """
        self.scratch.sweep(self.clock())
        self._traces.keep_newest_lists()
        self._empty_quarantine()
        stock = self.stock()
        loose = stock.files.keys() - stock.by_unit.keys() - stock.kept
        old = (unit for unit in loose if self._is_old(stock.files[unit], grace))
        # Of what others signed nobody knows what refers to it.
        return self.remove_loose(unit for unit in old if self.blobs.has(unit))

    def _is_old(self, found: Stored, grace: float) -> bool:
        # A clock that was set back makes a file come from the future, which says nothing of its age.
        return abs(self.clock() - found.written) >= grace

    def remove_loose(self, units: Iterable[str]) -> Freed:
        """Remove the files of units that no record refers to, but for those that a commit is about to use."""
        files = {found.unit: found.size for found in self.blobs.files()}
        loose = files.keys() & set(units)
        if not loose:
            return Freed()
        # No record can be written meanwhile: whoever relies on a file has a record now, or announces it.
        with self.index.transact():
            loose -= self._referred()
            for unit in loose:
                self.blobs.withdraw(unit)
            announced = self.scratch.announced_by_all() & loose
            for unit in announced:
                self.blobs.bring_back(unit)
        gone = loose - announced
        for unit in gone:
            self.blobs.forget_withdrawn(unit)
        return Freed(len(gone), 0, sum(files[unit] for unit in gone))

    def _referred(self) -> set[str]:
        """The units that records refer to now, and the inputs that are kept."""
        traces = (shelved.trace for shelved in self._traces.shelved())
        return set(self._traces.kept_units()).union(*map(units_of, traces))

    def _empty_quarantine(self) -> None:
        for path in (self.home / "quarantine").glob("*"):
            with suppress(OSError):
                if self.clock() - path.stat().st_mtime > _QUARANTINE:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def clear(self, task: str = "", older: float = 0.0, notebook: str = "") -> Freed:
        """Remove results with their values; what has run stays in the history.

        Args:
            task: Only those of tasks of this name.
            older: Only those that were neither made nor used for so many seconds.
            notebook: Only those of this notebook.
        """
        stock, names, used = self.stock(), self._names(), self._used()
        before = self.clock() - older

        def is_wanted(trace: Trace) -> bool:
            name = names.get((trace.notebook, trace.step), trace.step)
            is_named = task in ("", name) and notebook in ("", trace.notebook)
            return is_named and (not older or max(used.get(trace.id, 0.0), _made(trace)) <= before)

        gone = _whole_keys(stock.shelved, is_wanted)
        left = [shelved for shelved in stock.shelved if shelved not in gone]
        self._traces.remove(gone, left)
        inputs = frozenset[str]() if task else stock.kept
        freed = self._remove_unreferred(stock, gone, left, inputs)
        return Freed(freed.values, len(gone), freed.size + sum(shelved.size for shelved in gone))

    def _remove_unreferred(
        self, stock: Stock, gone: set[Shelved], left: list[Shelved], inputs: frozenset[str]
    ) -> Freed:
        """Remove the values that only what is gone referred to, kept inputs among these included."""
        referred = {unit for shelved in left for unit in units_of(shelved.trace)}
        loose = {unit for shelved in gone for unit in units_of(shelved.trace)} - referred
        for unit in loose & inputs:
            self._traces.drop(unit)
        self.changed()
        loose -= stock.kept - inputs
        return self.remove_loose(loose)

    # --- the budget ----------------------------------------------------------------------------

    def evict(self, limit: int, spared: frozenset[str] = NO_NAMES, grace: float = GRACE) -> Freed:
        """Remove the values that are worth least where all together take more than the limit.

        Traces and history stay; whoever wants such a value computes it again. Never removed are inputs
        kept for their own sake, what effects have made that happen once, and what any kernel says that
        it needs.

        Args:
            limit: Bytes that the files of values may take.
            spared: Further units that stay.
            grace: Seconds for which a new value stays.
        """
        if sum(size for _, size in self.blobs.sizes()) <= limit:
            return Freed()
        stock = self.stock()
        safe = spared | stock.kept | self.scratch.announced_by_all() | self._held(stock) | _made_once(stock)
        may = [
            found for unit, found in stock.files.items() if unit not in safe and self._is_old(found, grace)
        ]
        excess = stock.size - int(LEAVES * limit)
        gone = first_to_go(self._holdings(stock, may), excess)
        self._traces.mark_evicted([holding.unit for holding in gone])
        for holding in gone:
            self.blobs.remove(holding.unit)
        return Freed(len(gone), 0, sum(holding.size for holding in gone))

    def _holdings(self, stock: Stock, files: Iterable[Stored]) -> Iterable[Holding]:
        used, now = self._used(), self.clock()
        for found in files:
            traces = stock.by_unit.get(found.unit, ())
            at = max((max(used.get(trace.id, 0.0), _made(trace)) for trace in traces), default=found.written)
            digests = {
                output.digest for trace in traces for output in trace.outputs if output.unit == found.unit
            }
            seconds = max((trace.seconds for trace in traces), default=0.0)
            yield Holding(found.unit, found.size, seconds, now - at, not digests.isdisjoint(stock.read))

    def _held(self, stock: Stock) -> set[str]:
        """What the tasks of any notebook were held at by hand when that was last looked at."""
        notebooks = {run.notebook for run in self.history.runs(limit=_MOST_RUNS)}
        last = filter(None, map(self.history.last_snapshot, notebooks))
        held = {trace for snapshot in last for trace in snapshot.holds.values()}
        return {unit for each in stock.shelved if each.trace.id in held for unit in units_of(each.trace)}

    def _used(self) -> dict[str, float]:
        """When each trace was last made or reused, as far as recent runs tell."""
        used: dict[str, float] = {}
        for run in self.history.runs(limit=_MOST_RUNS):
            if run.trace:
                used.setdefault(run.trace, _begun(run.id))
        return used


def _made_once(stock: Stock) -> set[str]:
    """What nobody can compute again: it was made by what must not happen twice."""
    traces = (shelved.trace for shelved in stock.shelved)
    return {unit for trace in traces if HAPPENS_ONCE in trace.flags for unit in units_of(trace)}


def _shelf(notebook: str, task: str, shelved: list[Shelved], stock: Stock) -> Shelf:
    newest = max((each.trace for each in shelved), key=_made)
    units = set[str]().union(*(units_of(each.trace) for each in shelved))
    size = sum(stock.files[unit].size for unit in units & stock.files.keys())
    size += sum(each.size for each in shelved)
    return Shelf(notebook, task, size, len(shelved), _made(newest), newest.seconds)


def _whole_keys(shelved: Iterable[Shelved], is_wanted: Callable[[Trace], bool]) -> set[Shelved]:
    """The records that are wanted; the newest of a key, by which all others are found, only with these."""
    keys: defaultdict[str, list[Shelved]] = defaultdict(list)
    for each in shelved:
        keys[each.action_key].append(each)
    found: set[Shelved] = set()
    for records in keys.values():
        wanted = {each for each in records if is_wanted(each.trace)}
        found |= wanted if len(wanted) == len(records) else {each for each in wanted if not each.is_newest}
    return found


def _made(trace: Trace) -> float:
    return trace.started + trace.seconds


def _begun(run: str) -> float:
    """When a run began: its identifier starts with that, in microseconds."""
    try:
        return int(run[:16], 16) / 1e6
    except ValueError:
        return 0.0
