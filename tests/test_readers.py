"""Libraries that open files where Python does not see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import nbflow
from nbflow.analysis.effects import effect_of
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = [
    "cv2.imread",
    "cv2.VideoCapture",
    "faiss.read_index",
    "gpd.read_file",
    "pd.read_hdf",
    "pyogrio.read_dataframe",
    "soundfile.read",
    "xgb.Booster",
]
SEEN = [
    "pd.read_csv",
    "pd.read_stata",
    "imageio.imread",
    "sns.load_dataset",
    "model.read",
    "lgb.Booster",
    "sf.read",
]


class TestText:
    """What a call does is told by its text, and by what its root was imported as."""

    @pytest.mark.parametrize("path", NATIVE)
    def test_known(self, path: str) -> None:
        """The usual names of libraries are known."""
        assert nbflow.analyze(f"r = {path}(base + 'a')").effects == {f"native: {path}"}

    @pytest.mark.parametrize("path", SEEN)
    def test_others(self, path: str) -> None:
        """Calls of the same name elsewhere open files in sight, or are others."""
        assert not [each for each in nbflow.analyze(f"r = {path}(base + 'a')").effects if "native" in each]

    def test_imported_as_something_else(self) -> None:
        """So are names that an import gives."""
        source = "import cv2 as see\nfrom faiss import read_index as index\nr = see.imread(p), index(p)"
        assert nbflow.analyze(source).effects == {"native: see.imread", "native: index"}

    @pytest.mark.parametrize(
        ("call", "effects"),
        [
            ("rasterio.open(p)", {"native: rasterio.open"}),
            ("rasterio.open(p, 'w', count=1)", {"written: rasterio.open"}),
            ("netCDF4.Dataset(p, mode='a')", {"native: netCDF4.Dataset", "written: netCDF4.Dataset"}),
            ("pd.HDFStore(p)", {"native: pd.HDFStore", "written: pd.HDFStore"}),
            ("pd.HDFStore(p, 'r')", {"native: pd.HDFStore"}),
            ("soundfile.SoundFile(p, m)", {"native: soundfile.SoundFile", "written: soundfile.SoundFile"}),
        ],
    )
    def test_modes(self, call: str, effects: set[str]) -> None:
        """What opens a file reads or writes as its mode says."""
        assert nbflow.analyze(f"with {call} as file:\n    pass").effects == effects

    @pytest.mark.parametrize(
        "call", ["df.to_hdf", "ds.to_netcdf", "gdf.to_file", "cv2.imwrite", "soundfile.write"]
    )
    def test_writers(self, call: str) -> None:
        """Writers are known by their names."""
        assert nbflow.analyze(f"{call}(p)").effects == {f"written: {call}"}

    def test_one_that_only_sounds_like_the_network(self) -> None:
        """Data sets of xarray are files."""
        assert (effect_of("xr.load_dataset"), effect_of("sns.load_dataset")) == (
            "",
            "network: sns.load_dataset",
        )


class TestOtherCells:
    """Arrow's readers, imported by another cell under a name of the user's."""

    @pytest.mark.parametrize(
        ("imports", "read"),
        [
            ("import pyarrow.csv as anything", "anything.read_csv(base + 'a.csv').num_rows"),
            ("from pyarrow import csv as anything", "anything.open_csv(base + 'a.csv').read_all().num_rows"),
            ("from pyarrow.csv import read_csv", "read_csv(base + 'a.csv').num_rows"),
        ],
    )
    def test_a_computed_name(self, tmp_path: Path, imports: str, read: str) -> None:
        """Files of a folder that the inputs name count."""
        path = tmp_path / "a.csv"
        path.write_text("x\n1\n")
        notebook = Notebook()
        notebook.add(f"{imports}\nbase = {str(tmp_path)!r} + '/'", plain=True)
        cell = notebook.add(f"r = {read}")
        notebook.run_all()
        assert (notebook.names["r"], notebook.verdict(cell).value) == (1, "fresh")
        path.write_text("x\n1\n2\n")
        assert notebook.verdict(cell).value == "stale"
        notebook.flow()
        assert notebook.names["r"] == 2
