"""Iterations: a body that raised `LOOP` and runs again is one body to its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from nbflow.engine.signals import LOOP
from nbflow.store.settlement import joined

if TYPE_CHECKING:
    from nbflow.engine.observation import Observation


class Iterations:
    """What was seen of the iterations of one run, joined as they come."""

    def __init__(self) -> None:
        self._earlier: Observation | None = None

    def joined(self, last: Observation) -> Observation:
        """What was seen of one more attempt, and of the iterations before it."""
        whole = last if self._earlier is None else _following(self._earlier, last)
        if isinstance(whole.error, LOOP):
            self._earlier = whole
        return whole


def _following(earlier: Observation, last: Observation) -> Observation:
    """What was seen of all iterations: the last one's outcome and outputs, and what all looked at.

    Each iteration starts from the same names, so that those need no joining; what the last one makes
    may hang on files and the like that only an earlier one has read.
    """
    if last.watch is not None and earlier.watch is not None and last.watch is not earlier.watch:
        last.watch.settled = joined(earlier.watch.settled, last.watch.settled)
        last.watch.trail.shaken |= earlier.watch.trail.shaken
    return replace(
        last,
        started=earlier.started,
        seconds=earlier.seconds + last.seconds,
        drew=earlier.drew | last.drew,
        context={**last.context, **earlier.context},
        undecided=earlier.undecided | last.undecided,
        fault=earlier.fault or last.fault,
        data=last.data.after(earlier.data),
    )
