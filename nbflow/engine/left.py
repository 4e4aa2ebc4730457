"""What a body leaves that ended without a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.record import leaves_random_alone, left_trace, looked_at

if TYPE_CHECKING:
    from nbflow.engine.book import Body
    from nbflow.engine.observation import Observation
    from nbflow.engine.record import Maker, Seen


def note_end(maker: Maker, body: Body, seen: Seen, observation: Observation | None) -> None:
    """Note what is known of a body that ended without a result: of a plain cell also what it left."""
    step = maker.step
    left = left_trace(maker, body, seen, observation) if observation is not None else None
    step.ended_on = looked_at(body, seen, observation) if observation is not None else None
    step.left_random_alone = leaves_random_alone(left, body)
    if step.plain and observation is not None:
        step.left = left
