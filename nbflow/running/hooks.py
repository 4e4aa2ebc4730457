"""Hooks: what a user wants to be told when a run enters a state."""

from __future__ import annotations

import inspect
import logging
from typing import TYPE_CHECKING, Any, Final

from nbflow.running.runs import Run
from nbflow.states import StateType
from nbflow.task_runners.awaiting import awaited_here
from nbflow.task_runners.base import TaskCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.drive import Entered

_log: Final = logging.getLogger("nbflow")

OPTION_OF: Final[Mapping[StateType, str]] = {
    StateType.RUNNING: "on_running",
    StateType.COMPLETED: "on_completion",
    StateType.FAILED: "on_failure",
    StateType.CANCELLED: "on_cancellation",
    StateType.CRASHED: "on_crashed",
}
"""The option that names the hooks of a state."""


def follow(entered: Entered) -> None:
    """Note the state that a run has entered, and call the hooks that wait for it."""
    run = entered.spec.body
    if not isinstance(run, Run):
        return
    run.state = entered.state
    option = OPTION_OF.get(entered.state.type)
    for hook in getattr(run.of.options, option, ()) if option is not None else ():
        _call(hook, run, entered)


def _call(hook: Callable[..., Any], run: Run, entered: Entered) -> None:
    """A hook that raises is logged; the others are called, and the run goes on."""
    try:
        answer = hook(run.of, run, entered.state)
        if inspect.isawaitable(answer):
            awaited_here(TaskCall(run.id, run.name, lambda: answer, awaits=True))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # a signal raised by a hook steers nothing
        name = getattr(hook, "__name__", repr(hook))
        _log.exception(
            "hook %s raised when %s became %s; the run goes on", name, run.name, entered.state.name
        )
