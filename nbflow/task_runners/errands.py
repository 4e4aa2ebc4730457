"""A body of a notebook on its way to a worker process, with what it looks at around it, and its outcome back.

A worker serves one body after the other. What one leaves in the process is not the next one's: the working
folder, variables, search path and the user's own modules are for each of them as in the kernel.
"""

from __future__ import annotations

from contextvars import copy_context
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from nbflow.context import enter, snapshot
from nbflow.engine.afar import performed, refused
from nbflow.engine.baggage import job_of
from nbflow.engine.effects import Ended
from nbflow.exceptions import SessionError, text_of
from nbflow.store.files import Files
from nbflow.store.modules import purge_modules
from nbflow.task_runners.base import Entry, TaskCall
from nbflow.task_runners.parcels import with_place
from nbflow.task_runners.shipping import packed, unpacked
from nbflow.task_runners.worker import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.baggage import Define, Job
    from nbflow.engine.effects import Outcome
    from nbflow.engine.requests import Execution
    from nbflow.task_runners.base import TaskReport


@dataclass(frozen=True, slots=True)
class Errand:
    """A body on its way.

    Args:
        job: The body.
        code: What who runs it needs to know besides.
        ignored: Files and folders that are nobody's inputs.
        around: What it looks at of the process.
        context: What it finds in `nbflow.context`.
    """

    job: Job
    code: Any
    ignored: tuple[str, ...]
    around: Surroundings
    context: Mapping[str, Any]

    def done(
        self, names: dict[str, Any], define: Define, run: Callable[[dict[str, Any]], Outcome]
    ) -> Outcome:
        """Run the body in this worker; what it sets in context variables ends with it.

        Args:
            names: New names, in which only what a shell gives stands.
            define: Executes imports and definitions over names.
            run: Executes the code of the body over names, and says how it ended.
        """
        self.around.enter()
        files = _files(self.ignored)
        purge_modules(files)
        with enter(self.context):
            outcome = copy_context().run(performed, self.job, names, files, define, run)
        error: object = outcome.value
        return replace(outcome, value=with_place(error)) if isinstance(error, BaseException) else outcome


@lru_cache(maxsize=4)
def _files(ignored: tuple[str, ...]) -> Files:
    """The files of a session: their contents are known as long as they stay as they were."""
    return Files(ignored)


def sent(execution: Execution, path: str, code: object) -> TaskCall:
    """The call of a body, for a runner with workers; in the context in which the body is to run.

    Args:
        execution: The body.
        path: Import path of what runs it in the worker, which is given the bytes that `received` takes.
        code: What that needs to know besides.

    Raises:
        SessionError: If something of it cannot be sent; says what.
    """
    call, looks = execution.call, execution.looks
    ignored = looks.ignored if looks is not None else ()
    job = job_of(execution)
    try:
        payload = packed(Errand(job, code, ignored, Surroundings.present(), snapshot()))
    except Exception as error:
        raise SessionError(f"it cannot be sent: {text_of(error)}") from error
    # What it does is observed by what its process does.
    return TaskCall(call.attempt, execution.step.name, Entry(path, payload), call.timeout, is_alone=True)


def received(payload: bytes) -> Errand:
    """The errand that was sent."""
    return unpacked(payload)


def outcome_of(report: TaskReport) -> Outcome:
    """How a body has ended, by the report of its errand."""
    if report.ended is Ended.RETURNED:
        return report.value
    if report.ended is Ended.RAISED:  # not the body: it, or what it made, could not be sent or made again
        return refused(report.attempt, f"it cannot be sent: {text_of(report.value)}")
    return report.outcome()
