"""How much room the values of one store take, and keeping that below what they may take.

Looking is done rarely, in the background, a while after a value was written; what grows in short runs
that end before that is looked at when the store is closed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from nbflow.store.budget import SIZE_LIMIT, limit_of
from nbflow.store.folder import free_bytes
from nbflow.store.index import FAULTS
from nbflow.store.soon import Soon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbflow.store.upkeep import Upkeep

_AFTER: Final = 2.0


class Room:
    """The room of a store's values.

    Args:
        home: The store's folder.
        upkeep: Gives what removes values.

    Attributes:
        size_limit: Bytes that values may take, unless a tenth of the free disk is less.
        needed: Gives the units that this kernel's names and holds stand for; called when a value was written.
    """

    def __init__(self, home: Path, upkeep: Callable[[], Upkeep]) -> None:
        self.size_limit = SIZE_LIMIT
        self.needed: Callable[[], frozenset[str]] = frozenset
        self._home = home
        self._upkeep = upkeep
        self._taken: int | None = None
        self._spared: frozenset[str] = frozenset()
        self._is_due = False
        self._soon = Soon(self._look, _AFTER)

    @property
    def limit(self) -> int:
        """How many bytes values may take at present."""
        return limit_of(self.size_limit, free_bytes(self._home), self.taken)

    @property
    def taken(self) -> int:
        """How many bytes values take: counted once, and with what was written since."""
        if self._taken is None:
            self._taken = sum(size for _, size in self._upkeep().blobs.sizes())
        return self._taken

    def has_room(self, size: int) -> bool:
        """Whether half of the budget is enough for what there is and so many bytes more."""
        with suppress(OSError):
            return 2 * (self.taken + size) <= self.limit
        return False

    def grow(self, size: int) -> None:
        """Note that a value was written."""
        if self._taken is not None:
            self._taken += size
            if self._taken <= self.limit:
                return
        self._spared, self._is_due = self.needed(), True
        self._soon.ask()

    def close(self) -> None:
        """End looking; what was to be looked at is looked at now."""
        self._soon.close()
        if self._is_due:
            self._look()

    def _look(self) -> None:
        self._is_due, self._taken = False, None
        with suppress(*FAULTS):
            if self.taken > self.limit:
                upkeep = self._upkeep()
                upkeep.scratch.declare(self._spared)
                upkeep.evict(self.limit, self._spared)
                self._taken = None
