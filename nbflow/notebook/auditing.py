"""Audits of a session's tasks: each is run once more, apart from everything, and compared with its record."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nbflow.context import context
from nbflow.engine.apart import execute
from nbflow.engine.loops import shown
from nbflow.engine.wiring import run_wired
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.tasks import attach_reader

if TYPE_CHECKING:
    from nbflow.engine.apart import Apart
    from nbflow.engine.effects import Outcome
    from nbflow.engine.observe import Execution


def perform_apart(apart: Apart, execution: Execution) -> Outcome:
    """Run a body over the private names of an audit, in this thread and under its limit.

    What flows do that it calls is kept nowhere.
    """
    call, body = execution.call, partial(_run, apart, execution)
    return InlineTaskRunner().run(TaskCall(call.attempt, execution.step.name, body, call.timeout)).outcome()


def _run(apart: Apart, execution: Execution) -> None:
    body, names = execution.body, apart.workspace.names
    detach = attach_reader(apart)
    try:
        with using(records_in(MemoryStore())), context(shown(execution.call)):
            if body.wiring is not None:
                run_wired(body.wiring, names)
            else:
                execute(body.source, names, f"<audit of {execution.step.name}>")
    finally:
        detach()
