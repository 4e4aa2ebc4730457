"""Arrays and tables inside a payload: as buffers, whose shared memory stays shared.

The pickler hands every array to `Buffers.reduce_array`, which writes where the array's memory
lies instead of copying it. When all is pickled, ranges that overlap become one region, so that
a view restored beside its base is a view again. numpy, pandas, polars and pyarrow are never
imported here before a value of theirs is at hand.
"""

from __future__ import annotations

import importlib
import io
import pickle
import sys
from dataclasses import dataclass, field
from types import NotImplementedType
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from nbflow.exceptions import StorageError
from nbflow.store.tables import set_by_hand

if TYPE_CHECKING:
    from collections.abc import Sequence

Reduced = tuple[object, ...] | NotImplementedType
Span = tuple[int, int, int]
"""A buffer's place: number of its region, offset in it, length; all in bytes."""

_WASTE: Final = 1 << 16


class _Flags(Protocol):
    writeable: bool
    c_contiguous: bool


class _Dtype(Protocol):
    hasobject: bool
    kind: str
    itemsize: int


class _Array(Protocol):
    """The part of a numpy array that is used here."""

    dtype: _Dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    nbytes: int
    flags: _Flags
    base: object
    __array_interface__: dict[str, Any]

    def copy(self, order: str) -> _Array: ...
    def reshape(self, shape: int) -> _Array: ...
    def __getitem__(self, index: slice) -> _Array: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a first pass found out, by `id` of the array.

    Args:
        compact: Lone views with gaps: copied without them instead of storing the gaps.
        roots: Arrays of objects of which several views are stored.
    """

    compact: frozenset[int] = frozenset()
    roots: frozenset[int] = frozenset()


_AS_IT_IS: Final = Plan()


@dataclass(slots=True)
class _Buffer:
    raw: memoryview
    low: int = 0  # the address, 0 where unknown
    gappy: bool = False
    owned: bool = False  # by pandas, which copies on write: two of these never share
    array: int = 0
    numbers: bool = False  # so that no text lies in it
    kept: list[object] = field(default_factory=list[object])

    @property
    def high(self) -> int:
        return self.low + self.raw.nbytes


def _holds_numbers(dtype: Any) -> bool:
    """Whether an array of such elements holds numbers that are no letters, as bytes may be."""
    return dtype.kind in "bfcmM" or (dtype.kind in "iu" and dtype.itemsize > 1)


class _Memory:
    """A range of memory that numpy takes for an array of bytes."""

    def __init__(self, low: int, length: int, writeable: bool, keep: object) -> None:
        self.__array_interface__ = {
            "data": (low, not writeable),
            "shape": (length,),
            "typestr": "|u1",
            "version": 3,
        }
        self.keep = keep


class Buffers:
    """The out-of-band buffers of one payload, in the order the pickler met them."""

    def __init__(self, plan: Plan | None = None) -> None:
        self._plan = plan or _AS_IT_IS
        self._known: dict[int, _Buffer] = {}
        self._buffers: list[_Buffer] = []
        self._owned: set[int] = set()
        self._views: dict[int, set[int]] = {}
        self._kept: list[object] = []

    def take(self, buffer: pickle.PickleBuffer) -> None:
        """Accept the next buffer from the pickler."""
        known = self._known.get(id(buffer))
        self._buffers.append(known or _Buffer(buffer.raw(), kept=[buffer]))

    def reduce_array(self, value: object) -> Reduced:
        """Return how to rebuild an array over its memory, or leave it to numpy."""
        array = cast("_Array", value)
        if array.dtype.hasobject:
            return self._reduce_objects(array)
        if array.size == 0 or array.dtype.kind == "T" or array.dtype.itemsize == 0:
            return NotImplemented
        name, writeable = id(array), array.flags.writeable
        if name in self._plan.compact:
            array = array.copy("K")
        low, length, start = _extent(array)
        raw = _bytes_at(low, length, writeable, array)
        buffer = pickle.PickleBuffer(cast("Any", raw))
        gappy = length > array.nbytes
        kept: list[object] = [buffer, array, value]
        self._known[id(buffer)] = _Buffer(
            buffer.raw(), low, gappy, name in self._owned, name, _holds_numbers(array.dtype), kept
        )
        return array_at, (buffer, array.dtype, array.shape, array.strides, start)

    def _reduce_objects(self, array: _Array) -> Reduced:
        root = _root(array)
        if id(array) in self._owned or not root.flags.c_contiguous or root.dtype is not array.dtype:
            return NotImplemented
        self._kept.append(root)
        self._views.setdefault(id(root), set()).add(id(array))
        if root is array or id(root) not in self._plan.roots:
            return NotImplemented
        offset = (_address(array) - _address(root)) // array.dtype.itemsize
        return objects_at, (root, offset, array.shape, array.strides)

    def own_blocks(self, value: object) -> Reduced:
        """Note the arrays of a pandas block manager, and leave it to pandas."""
        if not _copies_on_write():
            return NotImplemented
        for block in cast("Any", value).blocks:
            parts = (getattr(block.values, part, None) for part in ("_ndarray", "_data", "_mask"))
            self._owned.update(map(id, (block.values, *parts)))
            self._kept.append(block)
        return NotImplemented

    def texts(self) -> tuple[memoryview, ...]:
        """Return the buffers in which a text may lie."""
        return tuple(buffer.raw for buffer in self._buffers if not buffer.numbers)

    def second_plan(self) -> Plan:
        """Return what a second pass should do otherwise; an empty plan if nothing."""
        if not self._buffers and not self._views:
            return _AS_IT_IS
        lone = (self._buffers[group[0]] for group in self._groups() if len(group) == 1)
        compact = frozenset(buffer.array for buffer in lone if buffer.gappy)
        return Plan(compact, frozenset(root for root, views in self._views.items() if len(views) > 1))

    def lay_out(self) -> tuple[tuple[Span, ...], tuple[memoryview, ...]]:
        """Return where each buffer lies, and the regions to be stored."""
        if not self._buffers:
            return (), ()
        spans: dict[int, Span] = {}
        regions: list[memoryview] = []
        for group in self._groups():
            for together in self._apart(group):
                raw, low = self._union(together)
                for index in together:
                    buffer = self._buffers[index]
                    spans[index] = (len(regions), max(buffer.low - low, 0), buffer.raw.nbytes)
                regions.append(raw)
        return tuple(spans[index] for index in range(len(spans))), tuple(regions)

    def _groups(self) -> list[list[int]]:
        """Buffers by number, together where their memory overlaps."""
        groups: list[list[int]] = []
        high = 0
        for index in sorted(range(len(self._buffers)), key=lambda index: self._buffers[index].low):
            buffer = self._buffers[index]
            if buffer.low and groups and buffer.low < high:
                groups[-1].append(index)
            else:
                groups.append([index])
            high = max(high, buffer.high) if buffer.low else 0
        return groups

    def _apart(self, group: list[int]) -> list[list[int]]:
        """Take all but one block of pandas out of a group.

        What made them copies of each other until one is written is not stored with them, so
        on common memory a write to one would show in the other.
        """
        owned = sorted(index for index in group if self._buffers[index].owned)
        rest = [index for index in group if index not in owned[1:]]
        return [rest, *([index] for index in owned[1:])]

    def _union(self, group: list[int]) -> tuple[memoryview, int]:
        members = [self._buffers[index] for index in group]
        low, high = min(member.low for member in members), max(member.high for member in members)
        for member in members:
            if len(members) == 1 or (member.low, member.high) == (low, high):
                return member.raw, member.low
        return memoryview(cast("Any", _bytes_at(low, high - low, False, members))), low


def _numpy() -> Any:
    return importlib.import_module("numpy")


def _address(array: _Array) -> int:
    return array.__array_interface__["data"][0]


def _extent(array: _Array) -> tuple[int, int, int]:
    """Return the first address of an array's memory, its length, and where its first item is in it."""
    steps = [(count - 1) * stride for count, stride in zip(array.shape, array.strides, strict=True)]
    below = -sum(step for step in steps if step < 0)
    above = sum(step for step in steps if step > 0) + array.dtype.itemsize
    return _address(array) - below, below + above, below


def _bytes_at(low: int, length: int, writeable: bool, keep: object) -> object:
    return _numpy().asarray(_Memory(low, length, writeable, keep))


def _root(array: _Array) -> _Array:
    root: Any = array
    while type(root.base) is type(array) and root.base.dtype.hasobject:
        root = root.base
    return cast("_Array", root)


def _copies_on_write() -> bool:
    pandas: Any = importlib.import_module("pandas")
    if int(str(pandas.__version__).partition(".")[0]) >= 3:
        return True
    return bool(pandas.get_option("mode.copy_on_write"))


def array_at(
    buffer: memoryview, dtype: object, shape: Sequence[int], strides: Sequence[int], start: int
) -> Any:
    """Return the array that lies in a buffer."""
    return _numpy().ndarray(shape, dtype, buffer, start, strides)


def objects_at(root: Any, offset: int, shape: Sequence[int], strides: Sequence[int]) -> Any:
    """Return a view of an array of objects."""
    tricks: Any = importlib.import_module("numpy.lib.stride_tricks")
    return tricks.as_strided(root.reshape(-1)[offset:], shape, strides)


_SAMPLE: Final[dict[int, int]] = {}
ITERATORS: Final[frozenset[type]] = frozenset(
    type(cast("object", iter(part))) for part in (set[int](), _SAMPLE, _SAMPLE.values(), _SAMPLE.items())
)
"""Iterators of which pickle would make iterators of lists."""


def reduce_whole(value: object) -> Reduced:
    """Leave a value to its library, where that keeps all of it.

    Raises:
        StorageError: If something would be lost, so that what comes back were another value.
    """
    if type(value) in ITERATORS:
        raise StorageError(f"a {type(value).__name__} comes back as another kind of iterator")
    module: Any = sys.modules.get("numpy.ma")
    if module is not None and type(value) is module.MaskedArray:
        return _reduce_masked(module, value)
    lost = set_by_hand(value)
    if lost:
        names = ", ".join(sorted(lost))
        raise StorageError(f"attributes set on a {type(value).__name__} are not kept: {names}")
    return NotImplemented


def _reduce_masked(module: Any, value: Any) -> Reduced:
    mask = None if value.mask is module.nomask else value.mask
    return masked_at, (value.data, mask, value.fill_value, bool(value.hardmask))


def masked_at(data: Any, mask: Any, fill_value: Any, hard: bool) -> Any:
    """Return a masked array, with its mask as it was: none, or one for each element."""
    numpy = _numpy()
    given = numpy.ma.nomask if mask is None else mask
    return numpy.ma.MaskedArray(data, given, fill_value=fill_value, hard_mask=hard)


def reduce_polars(value: object) -> Reduced:
    """Return how to rebuild a polars frame or series from Arrow IPC."""
    polars: Any = importlib.import_module("polars")
    table: Any = value
    is_series = isinstance(value, polars.Series)
    frame: Any = table.to_frame() if is_series else table
    sink = io.BytesIO()
    frame.write_ipc(sink, compression="uncompressed", compat_level=polars.CompatLevel.newest())
    buffer = pickle.PickleBuffer(cast("Any", sink.getbuffer()))
    return polars_at, (buffer, str(frame.schema), is_series)


def polars_at(buffer: memoryview, schema: str, is_series: bool) -> Any:
    """Return the polars frame or series that lies in a buffer as Arrow IPC."""
    frame = _mapped_frame(buffer)
    if frame is None or str(frame.schema) != schema:
        # Only pyarrow reads without copying; polars itself knows all of its own types.
        frame = cast("Any", importlib.import_module("polars")).read_ipc(io.BytesIO(buffer))
    return frame.to_series() if is_series else frame


def _mapped_frame(buffer: memoryview) -> Any:
    try:
        arrow: Any = importlib.import_module("pyarrow")
    except ImportError:
        return None
    try:
        table = importlib.import_module("pyarrow.ipc").open_file(arrow.py_buffer(buffer)).read_all()
    except NotImplementedError:
        return None
    return cast("Any", importlib.import_module("polars")).from_arrow(table, rechunk=False)


def reduce_arrow(value: object) -> Reduced:
    """Return how to rebuild a slice of an Arrow array or table; whole ones are left to Arrow.

    Arrow pickles without copying, but a slice with everything that it was cut from.
    """
    data: Any = value
    if data.get_total_buffer_size() <= 2 * data.nbytes + _WASTE:
        return NotImplemented
    arrow: Any = importlib.import_module("pyarrow")
    kind = type(data).__name__ if hasattr(data, "schema") or hasattr(data, "chunks") else "Array"
    table = data if hasattr(data, "schema") else _one_column(arrow, data, kind)
    sink = arrow.BufferOutputStream()
    with importlib.import_module("pyarrow.ipc").new_file(sink, table.schema) as writer:
        writer.write(table)
    return arrow_at, (pickle.PickleBuffer(sink.getvalue()), kind)


def _one_column(arrow: Any, data: Any, kind: str) -> Any:
    if kind == "ChunkedArray":
        return arrow.table([data], ["values"])
    return arrow.RecordBatch.from_arrays([data], ["values"])


def arrow_at(buffer: memoryview, kind: str) -> Any:
    """Return the Arrow array or table that lies in a buffer as Arrow IPC."""
    arrow: Any = importlib.import_module("pyarrow")
    reader = importlib.import_module("pyarrow.ipc").open_file(arrow.py_buffer(buffer))
    if kind in ("RecordBatch", "Array"):
        batch = reader.get_batch(0)
        return batch if kind == "RecordBatch" else batch.column(0)
    table = reader.read_all()
    return table if kind == "Table" else table.column(0)
