"""How long runs took, by the states that they went through."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from nbflow.states import StateType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.states import Transition

_RUNNING = StateType.RUNNING.value


def seconds_running(path: Sequence[Transition]) -> float | None:
    """Return how long the body of a run executed, all attempts together; None if it never did.

    Args:
        path: The states of the run, oldest first; of one that goes on, the last is not counted.

    Example:
        >>> from nbflow.states import Transition
        >>> seconds_running([Transition("r", 1, 1, 5.0, "PENDING", "Pending"),
        ...                  Transition("r", 1, 1, 5.5, "RUNNING", "Running"),
        ...                  Transition("r", 1, 1, 7.0, "COMPLETED", "Completed")])
        1.5
    """
    spans = [then.at - entry.at for entry, then in pairwise(path) if entry.type == _RUNNING]
    return sum(spans) if spans else None
