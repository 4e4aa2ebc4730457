"""The room of a store's values: when it is looked at, and what follows."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from nbflow.store import room as rooms
from nbflow.store.disk import DiskStore
from nbflow.types import Output, Slot, Trace

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def unit_of(number: int) -> str:
    """A digest."""
    return f"{number:032x}"


def commit(store: DiskStore, number: int) -> None:
    """Keep a result with a value of 80 kB."""
    output = Output(Slot("name", "y"), unit_of(number), unit_of(number), ("y",))
    trace = Trace(f"t{number}", "code", (), (output,), seconds=1.0)
    store.commit(f"key{number}", trace, {unit_of(number): (np.full(10_000, number),)})


def open_at(home: Path, limit: int) -> DiskStore:
    """A kernel's store whose values may take so many bytes."""
    store = DiskStore(home, namespace={"__name__": "__main__"}, key=bytes(32))
    store.room.size_limit = limit
    return store


class TestRoom:
    """What there is room for."""

    def test_half_of_it_is_for_what_nobody_needs(self, tmp_path: Path) -> None:
        """The rest is kept free for what somebody does."""
        store = open_at(tmp_path / "s", 400_000)
        commit(store, 1)
        assert store.has_room(100_000)
        assert not store.has_room(200_000)
        store.close()

    def test_a_disk_that_is_nearly_full(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Values take no more than a tenth of what would be free without them."""
        store = open_at(tmp_path / "s", 10**12)
        monkeypatch.setattr(rooms, "free_bytes", lambda home: 1_000_000)
        assert store.room.limit == 100_000
        store.close()


class TestBudget:
    """What is too much goes."""

    def test_when_a_short_run_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What grew in it is looked at when it closes; the newest values are left alone for a while."""
        store = open_at(tmp_path / "s", 200_000)
        for number in range(4):
            commit(store, number)
        store.close()
        later = open_at(tmp_path / "s", 200_000)
        assert later.room.taken > 320_000
        monkeypatch.setattr("nbflow.store.upkeep.Upkeep._is_old", lambda upkeep, found, grace: True)
        commit(later, 5)
        later.close()
        again = open_at(tmp_path / "s", 200_000)
        assert again.room.taken <= 200_000
        assert again.find("key0") != ()
        again.close()

    def test_what_the_kernel_needs_stays(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever it is worth."""
        monkeypatch.setattr("nbflow.store.upkeep.Upkeep._is_old", lambda upkeep, found, grace: True)
        store = open_at(tmp_path / "s", 200_000)
        store.room.needed = lambda: frozenset(map(unit_of, range(4)))
        for number in range(6):
            commit(store, number)
        store.close()
        later = open_at(tmp_path / "s", 200_000)
        assert {unit for unit, _ in later.sizes()} == set(map(unit_of, range(4)))
        later.close()

    def test_in_the_background_a_while_after_a_commit(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """No cell waits for it."""
        done = threading.Event()
        evict = rooms.Room._look

        def look(room: rooms.Room) -> None:
            evict(room)
            done.set()

        monkeypatch.setattr("nbflow.store.upkeep.Upkeep._is_old", lambda upkeep, found, grace: True)
        monkeypatch.setattr(rooms, "_AFTER", 0.0)
        monkeypatch.setattr(rooms.Room, "_look", look)
        store = open_at(tmp_path / "s", 200_000)
        for number in range(4):
            commit(store, number)
        assert done.wait(20.0)
        store.close()
        assert sum(path.stat().st_size for path in (tmp_path / "s").glob("blobs/*/*")) <= 200_000
