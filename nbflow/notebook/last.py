"""How the last run of a step stands, as badges and views tell it."""

from __future__ import annotations

from typing import Final

import msgspec

from nbflow.states import StateType
from nbflow.types import Cause

TOLD: Final = frozenset({StateType.RUNNING, StateType.COMPLETED})
"""The states of a plain cell that is just followed in which somebody may find it."""


class Last(msgspec.Struct, frozen=True):
    """How the last run of a step stands: its state and message, its flow run, its attempt and itself."""

    state: str
    number: int
    attempt: int
    message: str = ""
    run: str = ""


def as_over(cause: Cause) -> Cause:
    """That the run before had failed, or was stopped, of a step that has run since."""
    is_over = cause.category in _WORDS
    return Cause("over", cause.subject, _WORDS[cause.category], cause.after) if is_over else cause


_WORDS: Final = {"failed": "failed", "stopped": "was stopped"}
