"""Copies of stores, for who only looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.exceptions import StoreError
from nbflow.states import Transition
from nbflow.store.copied import copied
from nbflow.store.disk import DiskStore
from nbflow.store.protocol import Missing, RunRecord
from nbflow.store.signing import user_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNIT = "ab" * 16


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DiskStore]:
    """A store that somebody uses."""
    monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "state"))
    made = DiskStore(tmp_path / "store", key=user_key())
    yield made
    made.close()


def run_in(store: DiskStore, id: str) -> None:
    """Let a run begin and end there."""
    store.history.begin(RunRecord(id, number=1, notebook="nb", step="a", name="a"))
    store.history.append(Transition(id, 1, 1, 1.0, "PENDING", "Pending"))
    store.history.append(Transition(id, 1, 1, 2.0, "COMPLETED", "Completed"))
    store.history.flush()


class TestCopy:
    """What it has, and what it leaves alone."""

    def test_of_a_store_in_use(self, store: DiskStore) -> None:
        """What its log has is among it; what is written to the copy stays there."""
        run_in(store, "r1")
        assert (store.home / "history.db-wal").stat().st_size
        before = {path: path.read_bytes() for path in store.home.rglob("*") if path.is_file()}
        with copied(store.home) as copy:
            run_in(copy, "r2")
            assert [run.id for run in copy.history.runs("nb")] == ["r2", "r1"]
        assert {path: path.read_bytes() for path in store.home.rglob("*") if path.is_file()} == before
        assert [run.id for run in store.history.runs("nb")] == ["r1"]

    def test_values(self, store: DiskStore) -> None:
        """It knows which there are, and loads none."""
        assert store.put(UNIT, (bytes(100_000),)) == ""
        with copied(store.home) as copy:
            assert copy.has(UNIT)
            assert [unit for unit, _ in copy.sizes()] == [UNIT]
            with pytest.raises(Missing, match="not loaded without a kernel"):
                copy.load(UNIT)
        assert store.load(UNIT) == (bytes(100_000),)

    def test_it_is_gone_after_the_block(self, store: DiskStore) -> None:
        """With its folder."""
        with copied(store.home) as copy:
            home = copy.home
            assert home.is_dir()
        assert not home.exists()

    def test_a_store_that_is_not_there(self, store: DiskStore, tmp_path: Path) -> None:
        """Is not made."""
        with pytest.raises(StoreError, match="cannot be read: No such file"), copied(tmp_path / "gone"):
            pass
        assert not (tmp_path / "gone").exists()
