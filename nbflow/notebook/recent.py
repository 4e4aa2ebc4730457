"""The last runs of each step, for its badge: noted, as to ask the history each time takes longer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from nbflow.types import Trace
from nbflow.views.cards import RunLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from nbflow.engine.drive import Entered

MOST: Final = 5
"""How many of a step: a badge is small."""


class Recent:
    """Takes note of how runs of steps end.

    Args:
        earlier: Gives what the history knows, steps with their runs, newest first; asked once, when the first
            badge is drawn.
    """

    def __init__(self, earlier: Callable[[], Iterable[tuple[str, RunLine]]]) -> None:
        self._earlier = earlier
        self._before: dict[str, list[RunLine]] | None = None
        self._began: dict[str, float] = {}
        self._runs: dict[str, deque[RunLine]] = {}

    def note(self, step: str, entered: Entered) -> None:
        """A run of a step entered a state."""
        spec, state, at = entered.spec, entered.state, entered.transition.at
        if not spec.flow_run:
            return
        if not state.is_final():
            if state.is_running():
                self._began.setdefault(spec.id, at)
            return
        began = self._began.pop(spec.id, None)
        line = RunLine(
            spec.flow_run,
            spec.name,
            state.name,
            started=at if began is None else began,
            seconds=None if began is None else at - began,
            attempts=entered.transition.attempt,
            saved=state.result.seconds if isinstance(state.result, Trace) and state.is_cached() else None,
            id=spec.id,
        )
        self._runs.setdefault(step, deque(maxlen=MOST)).appendleft(line)

    def of(self, step: str) -> tuple[RunLine, ...]:
        """The last runs of a step, newest first, those in earlier kernels included."""
        here = self._runs.get(step, ())
        known = {line.id for line in here}
        before = (line for line in self._from_history().get(step, ()) if line.id not in known)
        return (*here, *before)[:MOST]

    def _from_history(self) -> Mapping[str, list[RunLine]]:
        if self._before is None:
            self._before = {}
            for step, line in self._earlier():
                self._before.setdefault(step, []).append(line)
        return self._before
