"""The folder of a store; what becomes of others is told in `test_store_faults`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.exceptions import StoreError
from nbflow.store.folder import is_store, prepare

if TYPE_CHECKING:
    from pathlib import Path


class TestMarker:
    """The file `format`."""

    def test_it_makes_the_folder_a_store(self, tmp_path: Path) -> None:
        """And only that."""
        assert not is_store(tmp_path / "s")
        prepare(tmp_path / "s")
        assert is_store(tmp_path / "s")

    def test_one_that_is_gone_is_written_again(self, tmp_path: Path) -> None:
        """Where everything else in the folder is a store's own."""
        prepare(tmp_path / "s")
        (tmp_path / "s" / "blobs").mkdir()
        (tmp_path / "s" / "format").unlink()
        prepare(tmp_path / "s")
        assert is_store(tmp_path / "s")

    @pytest.mark.parametrize("content", [b"", b"nbflow store", b"nbflow store \xc2\xb2", b"\xff", b"1"])
    def test_a_strange_one_is_refused_with_the_way_out(self, tmp_path: Path, content: bytes) -> None:
        """Nothing is written where nobody knows what is there."""
        prepare(tmp_path)
        (tmp_path / "format").write_bytes(content)
        with pytest.raises(StoreError, match="remove that file") as error:
            prepare(tmp_path)
        assert error.value.reason == "not a store"
