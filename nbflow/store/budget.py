"""How much room the values of a store may take, and which of them leave it first.

Pure rules, after GreedyDual-Size: what saves the fewest seconds for its bytes goes first, and the
sooner the longer nobody has used it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZE_LIMIT: Final = 20 * 10**9
"""How many bytes the values of a store take at most, where nothing else is said."""
LEAVES: Final = 0.9
"""Down to which part of the limit values are removed, so that this is seldom done."""

_OF_FREE: Final = 0.1
_HOUR: Final = 3600.0
_UNREAD: Final = 0.1


@dataclass(frozen=True, slots=True)
class Holding:
    """A value that has a file of its own.

    Args:
        unit: Its digest.
        size: Bytes of its file.
        seconds: How long it takes to compute it again; 0 where no result refers to it.
        idle: Seconds since it was made or last used.
        is_read: Whether a result is known that was computed from it.

    Example:
        >>> slow, quick = Holding("a", 100, 60.0, 0.0), Holding("b", 100, 1.0, 0.0)
        >>> slow.worth > quick.worth
        True
    """

    unit: str
    size: int
    seconds: float
    idle: float
    is_read: bool = True

    @property
    def worth(self) -> float:
        """Seconds that it saves, for each byte and for each hour that nobody has used it."""
        wanted = 1.0 if self.is_read else _UNREAD
        return wanted * self.seconds / max(self.size, 1) / (max(self.idle, 0.0) / _HOUR + 1.0)


def limit_of(size_limit: int, free: int, taken: int) -> int:
    """How many bytes values may take: the given limit, or a tenth of what is free, if that is less.

    Args:
        size_limit: The limit that was set.
        free: Bytes that are free on the disk.
        taken: Bytes that the values take now, which would be free without them.

    Example:
        >>> limit_of(20, 1000, 0), limit_of(20, 90, 60)
        (20, 15)
    """
    return min(size_limit, int(_OF_FREE * (free + taken)))


def first_to_go(holdings: Iterable[Holding], excess: int) -> list[Holding]:
    """The values of least worth that together take at least as many bytes as are too many.

    Example:
        >>> values = Holding("a", 100, 60.0, 0.0), Holding("b", 100, 1.0, 0.0), Holding("c", 100, 9.0, 0.0)
        >>> [each.unit for each in first_to_go(values, 150)]
        ['b', 'c']
    """
    gone: list[Holding] = []
    for holding in sorted(holdings, key=lambda each: (each.worth, each.unit)):
        if excess <= 0:
            break
        gone.append(holding)
        excess -= holding.size
    return gone
