"""Hooks: what a user wants to be told when a run enters a state."""

from __future__ import annotations

import inspect
import logging
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nbflow.engine.drive import calls_user_code
from nbflow.engine.effects import Ended
from nbflow.exceptions import OptionError
from nbflow.running.outcomes import is_told, tell_outcome
from nbflow.running.runs import Run
from nbflow.states import State, StateType
from nbflow.task_runners.awaiting import awaited_here
from nbflow.task_runners.base import TaskCall

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.drive import Entered
    from nbflow.options import TaskOptions

_log: Final = logging.getLogger("nbflow")
Hook = TypeVar("Hook", bound="Callable[..., Any]")

OPTION_OF: Final[Mapping[StateType, str]] = {
    StateType.RUNNING: "on_running",
    StateType.COMPLETED: "on_completion",
    StateType.FAILED: "on_failure",
    StateType.CANCELLED: "on_cancellation",
    StateType.CRASHED: "on_crashed",
}
"""The option that names the hooks of a state."""

_BAD: Final = frozenset({StateType.FAILED, StateType.CRASHED})
_NAMES_KEPT: Final = 5
_counting: Final = threading.Lock()


class Hooked:
    """A template of runs to which hooks can be added by decorators.

    Example:
        >>> from nbflow import task
        >>> @task
        ... def one():
        ...     return 1
        >>> @one.on_completion
        ... def tell(task, task_run, state):
        ...     print(task_run.name, "is", state.name)
        >>> one()
        one is Completed
        1
    """

    options: TaskOptions

    def on_running(self, hook: Hook) -> Hook:
        """Have `hook(task, task_run, state)` called at the start of each attempt."""
        return self._added("on_running", hook)

    def on_completion(self, hook: Hook) -> Hook:
        """Have `hook(task, task_run, state)` called when a run completed."""
        return self._added("on_completion", hook)

    def on_failure(self, hook: Hook) -> Hook:
        """Have `hook(task, task_run, state)` called when a run failed and no attempt is left."""
        return self._added("on_failure", hook)

    def on_cancellation(self, hook: Hook) -> Hook:
        """Have `hook(task, task_run, state)` called when a run was cancelled."""
        return self._added("on_cancellation", hook)

    def on_crashed(self, hook: Hook) -> Hook:
        """Have `hook(task, task_run, state)` called when a run crashed."""
        return self._added("on_crashed", hook)

    def _added(self, option: str, hook: Hook) -> Hook:
        if not callable(hook):
            raise OptionError(f"{option}: {hook!r} cannot be called; write @{option} above a function")
        hooks = (*getattr(self.options, option), hook)
        vars(self)["options"] = replace(self.options, **{option: hooks})
        return hook


def follow(entered: Entered) -> None:
    """Note the state that a run has entered, and call the hooks that wait for it."""
    run = entered.spec.body
    if not isinstance(run, Run):
        return
    state = run.state = entered.state
    if run.history is not None and is_told(state):  # how a session's own tasks end is told below their cells
        run.within.copy().run(tell_outcome, run, entered)
    option = OPTION_OF.get(state.type)
    if option is None:
        return
    if state.type in _BAD and run.flow is not None:
        _note_failure(run.flow, run.name)
    elif state.type is StateType.RUNNING:
        # What counts is what failed in the last attempt.
        run.run_count, run.failures, run.failed = entered.transition.attempt, 0, ()
    for hook in getattr(run.of.options, option):
        run.within.copy().run(_tell, hook, run, state)


def _note_failure(flow: Run, name: str) -> None:
    with _counting:
        flow.failures += 1
        if flow.failures <= _NAMES_KEPT:
            flow.failed += (name,)


def _tell(hook: Callable[..., Any], run: Run, state: State) -> None:
    """A hook that raises is logged; the others are called, and the run goes on."""
    try:
        answer_of(hook, run, state)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001  # a signal raised by a hook steers nothing
        name = _name_of(hook)
        _log.exception("hook %s raised when %s became %s; the run goes on", name, run.name, state.name)


def _name_of(hook: Callable[..., Any]) -> str:
    """What people call a hook; of a partial, its function.

    Example:
        >>> from functools import partial
        >>> _name_of(partial(print, end=""))
        'print'
    """
    while isinstance(hook, partial):
        hook = hook.func
    return str(getattr(hook, "__name__", type(hook).__name__))


@calls_user_code
def answer_of(function: Callable[..., Any], run: Run, state: State) -> Any:
    """Call what is given task, run and state, asynchronous or not, and return what it answers.

    Raises:
        BaseException: What it raises.
    """
    answer = function(run.of, run, state)
    if not inspect.isawaitable(answer):
        return answer
    report = awaited_here(TaskCall(run.id, run.name, lambda: answer, awaits=True))
    if report.ended is Ended.RETURNED:
        return report.value
    raise report.value if isinstance(report.value, BaseException) else RuntimeError(report.value)
