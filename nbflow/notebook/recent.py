"""The last runs of each step in this kernel, for its badge: noted, as to ask the history takes longer."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from nbflow.types import Trace
from nbflow.views.cards import RunLine

if TYPE_CHECKING:
    from nbflow.engine.drive import Entered

_MOST: Final = 5


class Recent:
    """Takes note of how runs of steps end."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._runs: dict[str, deque[RunLine]] = {}

    def note(self, step: str, entered: Entered) -> None:
        """A run of a step entered a state."""
        spec, state, at = entered.spec, entered.state, entered.transition.at
        if not state.is_final():
            if state.is_running():
                self._began.setdefault(spec.id, at)
            return
        began = self._began.pop(spec.id, None)
        if not spec.flow_run:
            return
        line = RunLine(
            spec.flow_run,
            spec.name,
            state.name,
            started=at if began is None else began,
            seconds=None if began is None else at - began,
            attempts=entered.transition.attempt,
            saved=state.result.seconds if isinstance(state.result, Trace) and state.is_cached() else None,
        )
        self._runs.setdefault(step, deque(maxlen=_MOST)).appendleft(line)

    def of(self, step: str) -> tuple[RunLine, ...]:
        """The last runs of a step, newest first."""
        return tuple(self._runs.get(step, ()))
