"""What a step certainly gives although its result is only *as of* what it read of the world outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.reimport import ALTERED
from nbflow.engine.slots import slot_of
from nbflow.types import Cause, Slot, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from nbflow.engine.book import Body, Step


def sure_outputs(step: Step, body: Body, verdict: Verdict, causes: Iterable[Cause]) -> Collection[Slot]:
    """What a step certainly gives although it is *as of* what it read outside: its constants.

    Nothing that the world answers can make them others. A parameter is set from elsewhere.
    """
    if verdict is not Verdict.AS_OF or step.hold or not all(map(_is_of_world, causes)):
        return ()
    return {slot_of(name) for name in body.analysis.constants - step.parameters}


def _is_of_world(cause: Cause) -> bool:
    """Whether a cause says that the world may answer otherwise, and not that an import may."""
    return cause.category == "outside" and not cause.subject.startswith(ALTERED)
