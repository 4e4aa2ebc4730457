"""Lines of the table, and how their figures are taken."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Row:
    """One line of the table."""

    what: str
    ours: str
    peer: str
    goal: str
    met: bool


def best(
    function: Callable[[], object], times: int = 3, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The shortest of some runs, in seconds: the one that others disturbed least."""
    return together(function, times=times, clock=clock)[0]


def together(
    *functions: Callable[[], object], times: int = 3, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The shortest of some runs of each, taken in turns, so that others disturb all of them alike."""
    took: list[list[float]] = [[] for _ in functions]
    for _ in range(times):
        for function, runs in zip(functions, took, strict=True):
            gc.collect()
            start = clock()
            function()
            runs.append(clock() - start)
    return [min(runs) for runs in took]
