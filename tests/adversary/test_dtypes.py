"""All types that a column or an array may have: told apart by content, and the same once stored."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from nbflow import digest
from nbflow.exceptions import StorageError
from nbflow.store.formats import Formats
from nbflow.store.memory import code_digest
from nbflow.store.packed import pack, unpacked_regions

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = Formats({}, code_digest)


def samples(number: int) -> dict[str, Any]:
    """A value for each sort of element, another one for each number."""
    day = dt.datetime(2020, 1, number)
    return {
        "number": number,
        "decimal": Decimal(number),
        "bool": number == 1,
        "text": str(number),
        "bytes": str(number).encode(),
        "date": day.date(),
        "time": dt.time(1, number),
        "datetime": day,
        "zoned": day.replace(tzinfo=dt.UTC),
        "duration": dt.timedelta(number),
        "list": [number],
        "texts": [str(number)],
        "struct": {"a": number},
        "words": {"a": str(number)},
        "map": [("a", number)],
        "months": (1, 2, number),
        "uuid": str(number).encode() * 16,
    }


def numpy_made() -> dict[str, Callable[[int], Any]]:
    """Arrays of every scalar type, some in the other byte order, and of those that are built of others."""
    numbers = [np.dtype(code) for code in (*"?bhilqBHILQefdgFDG", ">i4", ">u8", ">f8", ">c16")]
    times = [np.dtype(f"{kind}8[{unit}]") for kind in "Mm" for unit in ("ns", "us", "s", "D")]
    made: dict[str, Callable[[int], Any]] = {
        kind.str: lambda n, kind=kind: np.array([n == 1 if kind.kind == "b" else n, 2]).astype(kind)
        for kind in numbers
    }
    made |= {kind.str: lambda n, kind=kind: np.array([n, 2], "i8").view(kind) for kind in times}
    made |= {kind: lambda n, kind=kind: np.array([str(n)]).astype(kind) for kind in ("S3", "U3", "O")}
    strings = np.dtypes.StringDType(na_object=None)
    return made | {
        "V2": lambda n: np.frombuffer(bytes([n, 2]), "V2"),
        "strings": lambda n: np.array([str(n), None], strings),
        "fields": lambda n: np.array([(n, 2.0)], [("a", "i4"), ("b", "f8")]),
        "subarrays": lambda n: np.full(2, n, [("a", "i4", (2,))]),
        "masked": lambda n: np.ma.array([1, 2], mask=[n == 1, 0]),
        "records": lambda n: np.rec.array([(n, 2.0)], [("a", "i4"), ("b", "f8")]),
    }


PANDAS = {
    "number": "Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float32 Float64 int8 uint64 float32 "
    "complex128 object int8[pyarrow] uint64[pyarrow] float[pyarrow] double[pyarrow]"
    " Sparse[int] Sparse[float]",
    "bool": "boolean bool bool[pyarrow]",
    "text": "string string[python] string[pyarrow] str category large_string[pyarrow]",
    "bytes": "binary[pyarrow]",
    "datetime": "datetime64[ns] datetime64[us] datetime64[ms] datetime64[s] timestamp[ns][pyarrow]",
    "zoned": "datetime64[ns,_UTC] datetime64[us,_Europe/Berlin]",
    "duration": "timedelta64[ns] timedelta64[s] duration[ns][pyarrow]",
    "date": "date32[day][pyarrow]",
    "time": "time64[us][pyarrow]",
}


def pandas_made() -> dict[str, Callable[[int], Any]]:
    """Columns of pandas' own types, of numpy's and of Arrow's; months apart where a type counts those."""
    made: dict[str, Callable[[int], Any]] = {
        kind: lambda n, sort=sort, kind=kind: pd.Series([samples(n)[sort]], dtype=kind.replace(",_", ", "))
        for sort, kinds in PANDAS.items()
        for kind in kinds.split()
    }
    nested = pd.ArrowDtype(pa.list_(pa.int64()))
    return made | {
        "period[D]": lambda n: pd.Series([pd.Period(f"2020-01-{n:02}", "D")]),
        "period[M]": lambda n: pd.Series([pd.Period(f"2020-{n:02}", "M")]),
        "interval": lambda n: pd.Series(pd.arrays.IntervalArray.from_breaks([n, n + 1])),
        "ordered": lambda n: pd.Series(pd.Categorical(["a"], ["a", "b"], ordered=n == 1)),
        "nested": lambda n: pd.Series([[n]], dtype=nested),
        "index": lambda n: pd.MultiIndex.from_tuples([(1, 2)], names=["a", n]),
    }


WHOLE = ["Int8", "Int16", "Int32", "Int64", "Int128", "UInt8", "UInt16", "UInt32", "UInt64", "UInt128"]
POLARS: dict[str, list[Any]] = {
    "number": [*(getattr(pl, name) for name in WHOLE), pl.Float16, pl.Float32, pl.Float64, pl.Object],
    "bool": [pl.Boolean],
    "text": [pl.String, pl.Categorical, pl.Enum(["1", "4"])],
    "bytes": [pl.Binary],
    "date": [pl.Date],
    "time": [pl.Time],
    "datetime": [pl.Datetime(unit) for unit in ("ms", "us", "ns")],
    "zoned": [pl.Datetime("us", "UTC")],
    "duration": [pl.Duration("us")],
    "decimal": [pl.Decimal(10, 2)],
    "list": [pl.List(pl.Int64), pl.Array(pl.Int64, 1), pl.List(pl.Int128)],
    "texts": [pl.List(pl.Categorical), pl.Array(pl.Enum(["1", "4"]), 1)],
    "struct": [pl.Struct({"a": pl.Int64}), pl.Struct({"a": pl.UInt128})],
    "words": [pl.Struct({"a": pl.Categorical})],
}
NUMBERS = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64"
WORDS = pa.dictionary(pa.int8(), pa.string())
ARROW: dict[str, list[Any]] = {
    "number": [getattr(pa, name)() for name in NUMBERS.split()],
    "decimal": [pa.decimal32(5, 2), pa.decimal64(9, 2), pa.decimal128(30, 2), pa.decimal256(50, 2)],
    "bool": [pa.bool_(), pa.bool8()],
    "text": [pa.string(), pa.large_string(), pa.string_view(), WORDS, pa.json_()],
    "bytes": [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(1)],
    "date": [pa.date32(), pa.date64()],
    "time": [pa.time32("s"), pa.time64("ns")],
    "datetime": [pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Berlin")],
    "duration": [pa.duration("s")],
    "months": [pa.month_day_nano_interval()],
    "list": [make(pa.int64()) for make in (pa.list_, pa.large_list, pa.list_view, pa.large_list_view)],
    "struct": [pa.struct({"a": pa.int64()})],
    "map": [pa.map_(pa.string(), pa.int64())],
    "uuid": [pa.uuid()],
}


def polars_made() -> dict[str, Callable[[int], Any]]:
    """Columns of every type, a missing element in each."""
    return {
        str(kind): lambda n, sort=sort, kind=kind: pl.Series("a", [samples(n)[sort], None], dtype=kind)
        for sort, kinds in POLARS.items()
        for kind in kinds
    }


def _array(values: list[Any], kind: Any) -> Any:
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    return pa.array(values, kind)


def arrow_made() -> dict[str, Callable[[int], Any]]:
    """Arrays of every type, in a table, and of layouts that have no elements of their own."""
    made: dict[str, Callable[[int], Any]] = {
        str(kind): lambda n, sort=sort, kind=kind: pa.table(
            {"a": _array([int(n == 1) if kind == pa.bool8() else samples(n)[sort], None], kind)}
        )
        for sort, kinds in ARROW.items()
        for kind in kinds
    }
    two = pa.array([0, 1], pa.int8())
    return made | {
        "null": lambda n: pa.nulls(n),
        "runs": lambda n: pa.RunEndEncodedArray.from_arrays([2], [n]),
        "union": lambda n: pa.UnionArray.from_sparse(two, [pa.array([n, 2]), pa.array(["a", "b"])]),
    }


def stored(value: Any) -> Any:
    """A value that went into a record and came back."""
    packed = pack(FORMATS.encode((value,)))
    return FORMATS.decode(packed, unpacked_regions(packed))[0]


class TestTypes:
    """Every type of the libraries that are installed."""

    @pytest.mark.parametrize("library", [numpy_made, pandas_made, polars_made, arrow_made])
    def test_each_is_told_apart_and_comes_back(self, library: Callable[[], Any]) -> None:
        """The same content has one digest, also from the store; no other content has it."""
        made = library()
        made.pop("Object", None)
        digests = {
            kind: [digest(value) for value in (make(1), make(1), make(4))] for kind, make in made.items()
        }
        assert [kind for kind, (one, same, other) in digests.items() if one != same or one == other] == []
        again = {kind: digest(stored(make(1))) for kind, make in made.items()}
        assert [kind for kind, (one, *_) in digests.items() if again[kind] != one] == []

    def test_what_no_store_takes(self) -> None:
        """It is told apart as well, and refused in words."""
        one, other = (pl.Series("a", [(n,)], dtype=pl.Object) for n in (1, 4))
        assert digest(one) != digest(other)
        with pytest.raises(StorageError, match="cannot be stored"):
            stored(one)
