"""What surrounds the body of a cell wherever it runs: what `nbflow.context` shows, where its prints go."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from nbflow.context import of_body
from nbflow.running.logs import logger_of_call, prints_of
from nbflow.running.runs import Run

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from nbflow.context import Scope
    from nbflow.engine.effects import Call
    from nbflow.engine.requests import Execution
    from nbflow.engine.shown import FlowKind


def shown_in(execution: Execution, flow: FlowKind, *, is_kept: bool = True) -> Scope:
    """What `nbflow.context` shows to the body of a cell; `is_kept`: whether what it logs is."""
    logger = logger_of_call(execution.call, is_kept=is_kept)
    return of_body({**flow.shown(execution), "logger": logger})


def prints_in(call: Call) -> AbstractContextManager[None]:
    """Where the prints of a body go: to the log of its run, if its task says so."""
    run = call.spec.body
    return prints_of(run) if isinstance(run, Run) else nullcontext()
