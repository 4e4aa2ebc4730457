"""Figures of the store: digests, storing and restoring, each beside its floor and its peers."""

from __future__ import annotations

import importlib
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nbflow.store.digests import digest
from nbflow.store.disk import DiskStore
from tests.benchmarks.rows import Row, best, together

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 10**6


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for a while."""
    made = Path(tempfile.mkdtemp())
    try:
        yield made
    finally:
        shutil.rmtree(made)


def numbers(count: int = 12_500_000) -> Any:
    """An array of floats: 100 MB by default."""
    return np.random.default_rng(0).random(count)


def frame_of(library: str, rows: int = 2_500_000) -> Any:
    """A frame of about 100 MB: numbers, dates and texts."""
    pandas = importlib.import_module("pandas")
    chance = np.random.default_rng(0)
    columns = {
        "number": chance.random(rows),
        "count": chance.integers(0, 1000, rows),
        "at": np.datetime64("2013-01-01") + chance.integers(0, 10**6, rows).astype("m8[s]"),
        "name": np.array(["JFK", "LaGuardia", "Newark", "EWR"])[chance.integers(0, 4, rows)],
    }
    frame = pandas.DataFrame(columns).astype({"name": "str"})
    return frame if library == "pandas" else importlib.import_module("polars").from_pandas(frame)


def objects(rows: int = 1_000_000) -> Any:
    """A frame with one column of Python's own texts, of different lengths."""
    pandas = importlib.import_module("pandas")
    texts = [f"passenger {number} of flight {number % 977}" for number in range(rows)]
    return pandas.DataFrame({"text": pandas.Series(texts, dtype=object)})


def bytes_of(frame: Any) -> int:
    """How many bytes a frame of pandas holds."""
    return int(frame.memory_usage(deep=True).sum())


def memory_of(value: Any) -> list[Any]:
    """The memory that an array or the columns of a frame lie in, as whole numbers."""
    if isinstance(value, np.ndarray):
        return [value.view(np.int64)]
    if hasattr(value, "to_arrow"):
        table = value.to_arrow(compat_level=importlib.import_module("polars").CompatLevel.newest())
    else:
        table = importlib.import_module("pyarrow").Table.from_pandas(value, preserve_index=False)
    chunks = (chunk for column in table.columns for chunk in column.chunks)
    buffers = (buffer for chunk in chunks for buffer in chunk.buffers() if buffer)
    return [np.frombuffer(buffer, np.int64, buffer.size // 8) for buffer in buffers]


# --- digests -----------------------------------------------------------------------------------------


def digest_throughput() -> list[Row]:
    """Arrays and frames digested, against reading the same memory once."""
    rows = [_against_reading("array", numbers(62_500_000))]
    rows += [_against_reading(f"{library} frame", frame_of(library)) for library in ("pandas", "polars")]
    return [*rows, _long_list()]


def _long_list() -> Row:
    values = list(range(1_000_000))
    took = best(lambda: digest(values), 3, time.process_time)
    return Row("digest a list of a million ints", f"{took * 1e3:.0f} ms", "", "≤ 0.3 s", took <= 0.3)


def _against_reading(what: str, value: Any) -> Row:
    memory = memory_of(value)
    size = sum(part.nbytes for part in memory)
    # By the clock: a digest uses more than one processor, reading one.
    floor, ours = together(lambda: [part.max() for part in memory], lambda: digest(value), times=9)
    share = floor / ours
    return Row(
        f"digest a {size // MB} MB {what}",
        f"{size / ours / 1e9:.1f} GB/s",
        f"reading {size / floor / 1e9:.1f} GB/s",
        "≥ 80 %",
        share >= 0.8,
    )


# --- storing -----------------------------------------------------------------------------------------


def store_large_array() -> list[Row]:
    """100 MB put into the store, against writing and hashing them, and against the peers."""
    import diskcache
    import joblib
    import xxhash

    array = numbers()
    with folder() as place:
        store, shelf = DiskStore(place / "s", key=bytes(32)), diskcache.Cache(str(place / "d"))
        units = iter(range(100))

        def write() -> None:
            with open(place / "raw", "wb") as file:
                file.write(array.data)
            xxhash.xxh3_128(array.data).digest()
            (place / "raw").unlink()

        def put() -> None:
            unit = f"{next(units):032x}"
            assert store.put(unit, (array,)) == ""
            store.discard(unit)

        floor, ours = together(write, put, times=9)
        dumped = best(lambda: joblib.dump(array, place / "joblib"), 3)
        kept = best(lambda: shelf.set("key", array), 3)
        store.close(), shelf.close()
    peers = f"{floor * 1e3:.0f} ms; joblib {dumped * 1e3:.0f}, diskcache {kept * 1e3:.0f}"
    return [
        Row("store 100 MB", f"{ours * 1e3:.0f} ms", f"write + hash {peers}", "≤ 1.5 x", ours <= 1.5 * floor)
    ]


# --- restoring ---------------------------------------------------------------------------------------


def restore_values() -> list[Row]:
    """An array of 1 GB and frames of 100 MB restored, against joblib and raw diskcache."""
    return [
        _restored("restore a 1 GB array", np.arange(125_000_000, dtype=np.float64), 0.001),
        _restored("restore a 100 MB pandas frame", frame_of("pandas"), 0.003),
        _restored("restore a 100 MB polars frame", frame_of("polars"), 0.015),
    ]


def _restored(what: str, frame: Any, goal: float) -> Row:
    ours, joblib, diskcache = _loading(frame)
    return Row(
        what,
        f"{ours * 1e3:.2f} ms",
        f"joblib {joblib * 1e3:.0f} ms, diskcache {diskcache * 1e3:.0f} ms",
        f"≤ {goal * 1e3:.0f} ms",
        ours <= goal,
    )


def _loading(value: Any) -> tuple[float, float, float]:
    """Seconds to load a value with us, joblib and diskcache."""
    import diskcache
    import joblib

    with folder() as place:
        store, shelf = DiskStore(place / "s", key=bytes(32)), diskcache.Cache(str(place / "d"))
        store.put("ab" * 16, (value,))
        joblib.dump(value, place / "joblib")
        shelf.set("key", value)
        loaded: Any = store.load("ab" * 16)[0]
        assert loaded.shape == value.shape
        times = (
            best(lambda: store.load("ab" * 16), 5),
            best(lambda: joblib.load(place / "joblib"), 3),
            best(lambda: shelf.get("key"), 3),
        )
        store.close(), shelf.close()
    return times


def object_columns() -> list[Row]:
    """A column of Python's own texts, stored and restored."""
    frame = objects()
    size = sum(map(len, frame["text"]))
    with folder() as place:
        store = DiskStore(place / "s", key=bytes(32))
        units = iter(range(100))
        # In processor time: a pickler does nothing but compute.
        put = best(lambda: store.put(f"{next(units):032x}", (frame,)), 3, time.process_time)
        load = best(lambda: store.load(f"{0:032x}"), 3, time.process_time)
        store.close()
    held = bytes_of(frame)
    return [
        Row(
            f"{which} {size // MB} MB of texts as objects",
            f"{held / took / 1e6:.0f} MB/s",
            f"{took * 1e3:.0f} ms, {held // MB} MB in memory",
            "≥ 200 MB/s",
            held / took >= 200e6,
        )
        for which, took in (("store", put), ("restore", load))
    ]


FIGURES = (digest_throughput, store_large_array, restore_values, object_columns)
