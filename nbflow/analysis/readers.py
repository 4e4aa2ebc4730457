"""Calls that open files in a way that Python does not see: libraries in C raise no audit event.

Other readers of these libraries and their like (`pandas.read_stata`, `xarray.open_dataset`, `torch.load`)
have Python open their files: naming them here would call what they give *as of* for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_READ: Final = frozenset(
    [
        "read_parquet",
        "scan_parquet",
        "read_ipc",
        "scan_ipc",
        "read_ipc_stream",
        "scan_csv",
        "scan_ndjson",
        "read_ndjson",
        "read_avro",
        "ParquetFile",
        "ParquetDataset",
        "OSFile",
        "memory_map",
        "open_input_file",
        "open_input_stream",
        "from_pretrained",
    ]
)
"""Calls, by their last part, of whatever library."""

_READ_THERE: Final[Mapping[str, frozenset[str]]] = {
    "cv2": frozenset(["imread", "imreadmulti", "imcount", "VideoCapture"]),
    "faiss": frozenset(["read_index"]),
    "geopandas": frozenset(["read_file"]),
    "netCDF4": frozenset(["MFDataset"]),
    "pandas": frozenset(["read_hdf"]),
    "polars": frozenset(["read_csv", "read_json", "read_table", "read_excel"]),
    "pyarrow": frozenset(
        ["read_csv", "read_json", "read_table", "read_feather", "dataset", "open_file", "open_csv"]
    ),
    "pyogrio": frozenset(["read_dataframe", "read_arrow", "read_info"]),
    "safetensors": frozenset(["load_file", "safe_open"]),
    "soundfile": frozenset(["read", "blocks", "info"]),
    "xgboost": frozenset(["Booster"]),
}
"""Calls, by their last part, of one library: elsewhere Python opens their files, or they are others."""

_WRITE: Final = frozenset(
    [
        "to_parquet",
        "write_parquet",
        "sink_parquet",
        "write_csv",
        "sink_csv",
        "write_ipc",
        "write_ipc_stream",
        "sink_ipc",
        "write_ndjson",
        "sink_ndjson",
        "write_json",
        "write_avro",
        "write_table",
        "write_feather",
        "write_dataset",
        "write_to_dataset",
        "ParquetWriter",
        "save_pretrained",
        "to_file",
        "to_hdf",
        "to_netcdf",
    ]
)
"""Writers, by their last part, of whatever library."""

_WRITE_THERE: Final[Mapping[str, frozenset[str]]] = {
    "cv2": frozenset(["imwrite", "imwritemulti", "VideoWriter"]),
    "faiss": frozenset(["write_index"]),
    "pyogrio": frozenset(["write_dataframe", "write_arrow"]),
    "safetensors": frozenset(["save_file"]),
    "soundfile": frozenset(["write"]),
    "torch": frozenset(["save"]),
}
"""Writers, by their last part, of one library."""

_OPEN: Final[Mapping[tuple[str, str], str]] = {
    ("h5py", "File"): "r",
    ("netCDF4", "Dataset"): "r",
    ("pandas", "HDFStore"): "a",
    ("rasterio", "open"): "r",
    ("soundfile", "SoundFile"): "r",
    ("tables", "open_file"): "r",
}
"""Calls, by their first and last part, that read or write as a mode says, each with its default mode."""

_SOMEWHERE: Final[frozenset[str]] = frozenset[str]().union(
    *_READ_THERE.values(), *_WRITE_THERE.values(), (last for _, last in _OPEN)
)


def may_be_native(name: str) -> bool:
    """Whether a call of this name opens files unseen if it is one of some library.

    Example:
        >>> may_be_native("read_csv"), may_be_native("head")
        (True, False)
    """
    return name in _SOMEWHERE


def reads_natively(parts: Sequence[str]) -> bool:
    """Whether a call, by the parts of its dotted name, reads a file that nobody sees opened.

    Example:
        >>> reads_natively(["cv2", "imread"]), reads_natively(["imageio", "v3", "imread"])
        (True, False)
    """
    return _is_one(parts, _READ, _READ_THERE)


def writes_natively_by(parts: Sequence[str]) -> bool:
    """Whether a call, by the parts of its dotted name, writes one."""
    return _is_one(parts, _WRITE, _WRITE_THERE)


def _is_one(parts: Sequence[str], of_any: frozenset[str], of_one: Mapping[str, frozenset[str]]) -> bool:
    first, last = parts[0], parts[-1]
    # A method of the user's own class does what its text tells.
    is_known = len(parts) > 1 and first != "self"
    return is_known and (last in of_any or last in of_one.get(first, ()))


def opened_natively(parts: Sequence[str], mode: str | None = "") -> tuple[bool, bool]:
    """Whether a call reads, and whether it writes a file in a mode that it is told.

    Args:
        parts: The parts of its dotted name.
        mode: The mode; empty: not said; None: nobody can tell.

    Example:
        >>> opened_natively(["h5py", "File"]), opened_natively(["h5py", "File"], "w")
        ((True, False), (False, True))
        >>> opened_natively(["pandas", "HDFStore"]), opened_natively(["netCDF4", "Dataset"], None)
        ((True, True), (True, True))
    """
    usual = _OPEN.get((parts[0], parts[-1]))
    if usual is None:
        # A table that DuckDB has made is written by what it is called on.
        return False, parts[0] == "duckdb" and (writes_natively_by(parts) or parts[-1] == "to_csv")
    mode = mode or usual if mode is not None else None
    return mode not in ("w", "x", "w-"), mode != "r"
