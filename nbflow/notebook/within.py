"""What surrounds the body of a cell wherever it runs: what `nbflow.context` shows, where its prints go."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from nbflow.engine.loops import shown
from nbflow.running.logs import logger_of_call, prints_of
from nbflow.running.runs import Run

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nbflow.engine.effects import Call


def shown_in(call: Call, *, is_kept: bool = True) -> dict[str, Any]:
    """What `nbflow.context` shows of the run to the body of a cell; `is_kept`: whether what it logs is."""
    return {**shown(call), "logger": logger_of_call(call, is_kept=is_kept)}


def prints_in(call: Call) -> AbstractContextManager[None]:
    """Where the prints of a body go: to the log of its run, if its task says so."""
    run = call.spec.body
    return prints_of(run) if isinstance(run, Run) else nullcontext()
