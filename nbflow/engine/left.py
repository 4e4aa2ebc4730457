"""What a body leaves that ended without a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.record import left_trace, looked_at
from nbflow.engine.slots import RANDOM

if TYPE_CHECKING:
    from nbflow.engine.book import Body
    from nbflow.engine.observation import Observation
    from nbflow.engine.record import Maker, Seen
    from nbflow.types import Trace


def note_end(maker: Maker, body: Body, seen: Seen, observation: Observation | None) -> None:
    """Note what is known of a body that ended without a result: of a plain cell also what it left."""
    step = maker.step
    left = left_trace(maker, body, seen, observation) if observation is not None else None
    step.ended_on = looked_at(body, seen, observation) if observation is not None else None
    step.left_random_alone = _leaves_random_alone(left, body)
    if step.plain and observation is not None:
        step.left = left


def _leaves_random_alone(left: Trace | None, body: Body) -> bool:
    """Whether a body that failed would move no random state if it failed on the same once more."""
    if left is None or left.unknowns or body.mapped:
        return False
    return not any(output.slot.kind == RANDOM for output in left.outputs)
