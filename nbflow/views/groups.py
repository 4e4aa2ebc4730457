"""Groups: how the items of a mapped task, or the runs within a run, stand together, and in which order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from nbflow.states import TYPES, StateType
from nbflow.views.looks import FAILURES, look_of_state
from nbflow.views.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nbflow.views.cards import RunCard

_BAD: Final = (*sorted(FAILURES, key=lambda kind: kind.value), StateType.PAUSED)
"""What a group tells of its members first."""


def is_bad(state: str) -> bool:
    """Whether a state of that name is one to be told of first: failed, crashed, cancelled or paused."""
    return TYPES.get(state) in _BAD


def counts_of(states: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Return how many there are of each state, the bad ones first, then by number.

    Example:
        >>> counts_of(["Completed", "Cached", "Completed", "Failed"])
        (('Failed', 1), ('Completed', 2), ('Cached', 1))
    """
    found = Counter(states)
    return tuple(sorted(found.items(), key=lambda each: (not is_bad(each[0]), -each[1])))


def group_words(counts: Sequence[tuple[str, int]], noun: str = "item") -> str:
    """Return how many members a group has, and how many of them are not well.

    Example:
        >>> group_words((("Failed", 1), ("Completed", 11))), group_words((("Mapped", 3),), "run")
        ('1 of 12 items failed', '3 runs')
    """
    total = counted(sum(count for _, count in counts), noun) if counts else ""
    bad = [(look_of_state(state).word, f"{count:,}") for state, count in counts if is_bad(state)]
    if len(bad) == 1:
        return f"{bad[0][1]} of {total} {bad[0][0]}"
    return ": ".join(filter(None, (total, ", ".join(f"{count} {word}" for word, count in bad))))


def worst_first(runs: Sequence[RunCard]) -> list[RunCard]:
    """Return runs, those that are not well first, else as they began.

    Example:
        >>> from nbflow.views.cards import RunCard
        >>> [run.name for run in worst_first([RunCard("a", "Completed"), RunCard("b", "Failed")])]
        ['b', 'a']
    """
    return sorted(runs, key=lambda run: not is_bad(run.state))
