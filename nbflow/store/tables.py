"""Encoders of pandas and polars values and of Arrow data: by logical content.

How a table is cut into blocks or chunks does not count, nor does what lies under a missing value
of an Arrow column. Names, order, types and attributes count. None of the libraries is imported here.
"""

from __future__ import annotations

import re
import sys
import warnings
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.store import arrow
from nbflow.store.arrays import array_content, extent_of
from nbflow.store.codes import kind_token
from nbflow.store.encoders import constant, mutable_object
from nbflow.store.walks import NoDigest, Regions, Walk, encodes, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


# pandas: frames and series --------------------------------------------------------------------


@encodes("pandas.DataFrame", "pandas.core.frame.DataFrame")
def _frame(walk: Walk, value: Any) -> bytes:
    met = walk.enter(value)
    if met:
        return met
    columns = list(_column_arrays(value))
    shared = _shared(walk, columns, len(walk.memo) - 1)
    parts = [_index_content(walk, value.columns), _index_content(walk, value.index)]
    for at, column in enumerate(columns):
        try:
            parts.append(_column(walk, column))
        except NoDigest as error:
            error.below(f"[{value.columns[at]!r}]")
            raise
    return walk.group(b"J", shared, _about(walk, value), *parts)


def _column_arrays(value: Any) -> Iterator[Any]:
    ready = getattr(value, "_iter_column_arrays", None)
    if callable(ready):
        yield from ready()  # pyright: ignore[reportGeneralTypeIssues] - pandas is not typed here
    else:
        yield from (value.iloc[:, at].array for at in range(value.shape[1]))


@encodes("pandas.Series", "pandas.core.series.Series")
def _series(walk: Walk, value: Any) -> bytes:
    met = walk.enter(value)
    if met:
        return met
    column = value.array
    shared = _shared(walk, [column], len(walk.memo) - 1)
    name, index = walk.token(value.name), _index_content(walk, value.index)
    return walk.group(b"V", shared, _about(walk, value), name, index, _column(walk, column))


def _about(walk: Walk, value: Any) -> bytes:
    """The attributes, flags and, of a subclass, the further state of a frame or series."""
    kind = cast("Any", type(value))
    about: dict[str, object] = {"duplicates": value.flags.allows_duplicate_labels}
    about |= {name: getattr(value, name, None) for name in kind._metadata if name not in ("_name", "name")}
    about |= set_by_hand(value)
    attributes = walk.mapping(b"d", dict(value.attrs))
    return walk.group(b"d", kind_token(walk, kind), walk.mapping(b"d", about), attributes)


def set_by_hand(value: Any) -> dict[str, object]:
    """What somebody has set on a frame or array that its library knows nothing of, as by `df.unit = "m"`."""
    if not isinstance(value, tuple(_bases())):
        return {}
    held: dict[str, object] = getattr(value, "__dict__", {})
    known = getattr(type(cast("object", value)), "_metadata", ())
    return {name: part for name, part in held.items() if not name.startswith("_") and name not in known}


def _bases() -> Iterator[type]:
    pandas, numpy = sys.modules.get("pandas"), sys.modules.get("numpy")
    if pandas is not None:
        yield from (pandas.DataFrame, pandas.Series)
    if numpy is not None:
        yield numpy.ndarray


@cache
def _copies_on_write() -> bool:
    return int(str(sys.modules["pandas"].__version__).partition(".")[0]) >= 3


def _shared(walk: Walk, columns: Iterable[Any], number: int) -> bytes:
    """What the buffers share with arrays met before, and a note of them for arrays to come.

    Under copy-on-write only arrays can share memory with a table, not another table.
    """
    arrays = [array for column in columns for array in _numpy_parts(column)]
    extents = [extent for array in arrays if (extent := extent_of(array))[0] < extent[1]]
    walk.tables = walk.tables or Regions()
    among = [walk.arrays] if walk.arrays else []
    if not _copies_on_write():
        walk.memory.update(id(_owner(array)) for array in arrays)
        among.append(walk.tables)
    met = {found for regions in among for extent in extents for found, _ in regions.touched(*extent)}
    for extent in extents:
        walk.tables.claim(*extent, number)
    return walk.token(tuple(sorted(met)))


def _numpy_parts(column: Any) -> list[Any]:
    ndarray = sys.modules["numpy"].ndarray
    parts = (column, *(getattr(column, name, None) for name in ("_ndarray", "_data", "_mask")))
    return [part for part in parts if isinstance(part, ndarray)]


def _owner(array: Any) -> object:
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


# pandas: columns and indexes ------------------------------------------------------------------


def _column(walk: Walk, column: Any) -> bytes:
    """The token of the elements of a column, which as such is nobody's object."""
    if isinstance(column, sys.modules["numpy"].ndarray):
        return array_content(walk, column)
    name = type(column).__name__
    if name in ("NumpyExtensionArray", "PandasArray"):
        return array_content(walk, column.to_numpy())
    dtype = text(f"{name} {column.dtype}")
    if hasattr(column, "codes") and hasattr(column, "categories"):
        codes, categories = array_content(walk, column.codes), _index_content(walk, column.categories)
        return walk.group(b"Q", dtype, codes, categories, walk.token(bool(column.ordered)))
    if hasattr(column, "_pa_array"):
        return walk.group(b"Q", dtype, arrow.content(walk, column._pa_array))
    if hasattr(column, "asi8"):
        # Two time zones may bear one name and mean different times.
        zone = walk.aside(getattr(column, "tz", None))
        return walk.group(b"Q", dtype, zone, array_content(walk, column.asi8))
    if hasattr(column, "_mask") and hasattr(column, "_data"):
        return walk.group(b"Q", dtype, _masked(walk, column))
    parts = _PARTS.get(name)
    if parts is None:
        return walk.token(column)
    return walk.group(b"Q", dtype, *(_part(walk, getattr(column, part)) for part in parts))


_PARTS = {
    "IntervalArray": ("left", "right", "closed"),
    "SparseArray": ("sp_values", "sp_index", "fill_value"),
    "StringArray": ("_ndarray",),
}


def _part(walk: Walk, part: Any) -> bytes:
    if isinstance(part, sys.modules["numpy"].ndarray):
        return array_content(walk, part)
    return _index_content(walk, part) if hasattr(part, "get_indexer") else walk.token(part)


def _masked(walk: Walk, column: Any) -> bytes:
    data, mask = column._data, column._mask
    if mask.any():  # what lies under the mask is left over
        data = data.copy()
        data[mask] = data.dtype.type()
    return array_content(walk, data) + array_content(walk, mask)


@encodes("pandas.Index", "pandas.core.indexes.base.Index")
def _index(walk: Walk, value: Any) -> bytes:
    return walk.enter(value) or _index_content(walk, value)


def _index_content(walk: Walk, index: Any) -> bytes:
    kind = cast("Any", type(index))
    head = (kind_token(walk, kind), walk.token(tuple(index.names)))
    if kind.__name__ == "RangeIndex":
        return walk.group(b"H", *head, walk.token((index.start, index.stop, index.step)))
    if hasattr(index, "levels"):
        levels = (_index_content(walk, level) for level in index.levels)
        codes = (array_content(walk, code) for code in index.codes)
        return walk.group(b"H", *head, walk.token(index.sortorder), *levels, *codes)
    return walk.group(b"H", *head, _column(walk, index.array), text(str(getattr(index, "freqstr", ""))))


@encodes("pandas.api.extensions.ExtensionDtype", "pandas.core.dtypes.base.ExtensionDtype")
def _dtype(walk: Walk, value: Any) -> bytes:
    return constant(walk, value)


@encodes("pandas.api.extensions.ExtensionArray", "pandas.core.arrays.base.ExtensionArray")
def _extension(walk: Walk, value: Any) -> bytes:
    known = hasattr(value, "_pa_array") or hasattr(value, "asi8") or hasattr(value, "_mask")
    if not (known or hasattr(value, "codes") or type(value).__name__ in (*_PARTS, "NumpyExtensionArray")):
        return mutable_object(walk, value)
    met = walk.enter(value)
    if met:
        return met
    arrays = _numpy_parts(value)
    walk.memory.update(id(_owner(array)) for array in arrays)
    frequency = text(str(getattr(value, "freqstr", "")))
    return walk.group(b"Q", kind_token(walk, type(value)), frequency, _column(walk, value))


# polars ---------------------------------------------------------------------------------------


@encodes("polars.dataframe.frame.DataFrame")
def _polars_frame(walk: Walk, value: Any) -> bytes:
    met = walk.enter(value)
    if met:
        return met
    columns = (_polars_column(walk, column) for column in value.get_columns())
    return walk.group(b"F", kind_token(walk, type(value)), walk.token(value.shape), *columns)


@encodes("polars.series.series.Series")
def _polars_series(walk: Walk, value: Any) -> bytes:
    return walk.enter(value) or _polars_column(walk, value)


def _polars_column(walk: Walk, column: Any) -> bytes:
    head = (text(column.name), text(repr(column.dtype)))
    kind = str(column.dtype)
    if kind == "Object" or "Int128" in kind:  # what Arrow has no type for
        values = column.to_list()
        walk.kept.append(values)
        return walk.group(b"F", *head, walk.sequence(b"l", values))
    polars = sys.modules["polars"]
    if kind.startswith(("Categorical", "Enum")):  # their numbers differ between processes
        column = column.cast(polars.String)
    # As they lie in memory: any other layout of strings would be made by copying them.
    return walk.group(
        b"F", *head, arrow.content(walk, column.to_arrow(compat_level=polars.CompatLevel.newest()))
    )


@encodes("polars.lazyframe.frame.LazyFrame")
def _lazy(walk: Walk, value: Any) -> bytes:
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its text is no format to keep, and nobody keeps it
        walk.scans.update(_scanned(value.serialize(format="json")))
    return walk.group(b"F", kind_token(walk, type(value)), walk.token(value.serialize()))


def _scanned(plan: str) -> Iterator[str]:
    """The files that whoever collects a frame reads, by how its plan names them."""
    for found in _SOURCES.findall(plan):
        yield from map(str, re.findall(_TEXT, found))


_TEXT: Final = r'(?<=[\[:,])"((?:[^"\\]|\\.)*)"(?!:)'
_SOURCES: Final = re.compile(r'"Paths":(\[[^\]]*\])')


@encodes("pyarrow._dataset.FileSystemDataset")
def _dataset(walk: Walk, value: Any) -> bytes:
    walk.scans.update(value.files)
    return mutable_object(walk, value)


@encodes("polars.expr.expr.Expr")
def _expression(walk: Walk, value: Any) -> bytes:
    return walk.group(b"F", kind_token(walk, type(value)), walk.token(value.meta.serialize()))


# Arrow ----------------------------------------------------------------------------------------


@encodes("pyarrow.lib._Tabular", "pyarrow.lib.Table", "pyarrow.lib.RecordBatch")
def _arrow_table(walk: Walk, value: Any) -> bytes:
    schema = walk.token(value.schema)
    columns = (arrow.content(walk, column) for column in value.columns)
    return walk.group(b"w", kind_token(walk, type(value)), schema, walk.token(value.num_rows), *columns)


@encodes("pyarrow.lib.Array")
def _arrow_array(walk: Walk, value: Any) -> bytes:
    return walk.group(b"w", kind_token(walk, type(value)), arrow.content(walk, value))


@encodes("pyarrow.lib.ChunkedArray")
def _arrow_chunks(walk: Walk, value: Any) -> bytes:
    return walk.group(b"w", kind_token(walk, type(value)), arrow.content(walk, value))
