"""Within what a task is called: the run whose body calls, its flow run, its runner and its records."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from nbflow.engine.effects import CancelRun
from nbflow.exceptions import DefinitionError, text_of
from nbflow.running.records import Records, are_given, present_records, unrecorded
from nbflow.task_runners.inline import InlineTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.ongoing import Action
    from nbflow.running.futures import TaskFuture
    from nbflow.running.runs import Run
    from nbflow.task_runners.base import Runner

INLINE: Final = InlineTaskRunner()
"""The runner that runs a body in the thread that asks."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a run goes on.

    Args:
        runner: Where its body executes.
        resume: Where it is decided what comes next, once an answer came late.
    """

    runner: Runner
    resume: Callable[[Action], object]


@dataclass(eq=False, slots=True)
class Scope:
    """What surrounds a call.

    Args:
        records: Where runs are kept.
        run: The run whose body calls; None outside of any.
        flow: The flow run that it belongs to; None outside of one.
        runner: Where `.submit()` and `.map()` execute; None: nowhere, as outside of a flow.
        parameters: Those of the flow run.
        shown: What `nbflow.context` shows of the flow run.
        open: The runs that were started in here and have not ended.
        owns_runner: Whether the runner was made for it, and ends with it.
        around: That of the run that this is the scope of.
        stopped: Why nothing starts in here any more; None: it does, unless it was stopped around here.
    """

    records: Records
    run: Run | None = None
    flow: Run | None = None
    runner: Runner | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shown: Mapping[str, Any] = field(default_factory=dict[str, Any])
    open: dict[TaskFuture, None] = field(default_factory=dict["TaskFuture", None])
    owns_runner: bool = False
    around: Scope | None = None
    stopped: str | None = None

    def within(self, run: Run) -> Scope:
        """The scope of the body of a task run that was started in this one."""
        return Scope(self.records, run, self.flow, self.runner, self.parameters, self.shown)

    def note_open(self, future: TaskFuture) -> None:
        """Note a run that was started here; it is over when this scope closes."""
        self.open[future] = None
        future.ended.add_done_callback(lambda _: self.open.pop(future, None))
        stopped = self.why_stopped()
        if stopped is not None:
            future.cancel(stopped)

    def why_stopped(self) -> str | None:
        """Why nothing starts in here any more; None: it does."""
        scope: Scope | None = self
        while scope is not None and scope.stopped is None:
            scope = scope.around
        return scope.stopped if scope is not None else None

    def raise_stop(self) -> None:
        """Where what surrounds this was stopped, nothing starts any more.

        Raises:
            CancelRun: If it was.
        """
        stopped = self.why_stopped()
        if stopped is not None:
            raise CancelRun(stopped)

    def stop(self, reason: str) -> None:
        """Stop what was started here, because the body failed or was stopped; nothing new starts."""
        # First nothing starts any more: the end of one run lets others begin.
        self.stopped = reason
        for future in list(self.open):
            future.cancel(reason)

    def stop_after(self, error: BaseException) -> None:
        """Stop what was started here, because the body ended by this."""
        name = self.run.name if self.run else "the flow"
        self.stop(f"{name} ended: {text_of(error)}")

    def wait_open(self) -> None:
        """Wait for what was submitted here: a run ends after those that its body started."""
        for future in self._still_open():
            future.wait()

    async def await_open(self) -> None:
        """Do what `wait_open` does, awaiting."""
        for future in self._still_open():
            await future.settled()

    def _still_open(self) -> list[TaskFuture]:
        """What goes on by itself; a generator that nobody exhausts any more does not, and is stopped."""
        for future in list(self.open):
            if future.is_stepped:
                future.cancel("nobody has asked for its last value")
        return list(self.open)


class Building(Protocol):
    """A flow that is built: calls add tasks to it."""

    def call(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a call of a task."""
        ...

    def map(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Add a task that runs once for each item of its arguments."""
        ...

    def bind(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Give a task its arguments."""
        ...

    def item(self, task: Any, key: Any) -> Any:
        """Add a task that takes one item of what another one makes."""
        ...

    def operate(self, function: Any, symbol: str, left: Any, right: Any) -> Any:
        """Add a task that does what an operator does."""
        ...

    def truth(self, task: Any) -> bool:
        """True for a task that is none of the flow; what the result of one that is will be nobody knows."""
        ...

    def depend(self, task: Any, upstream: Any, key: str | None = None, mapped: bool = False) -> None:
        """Let a task need another one."""
        ...


SETTING: Final[ContextVar[Building | Scope | None]] = ContextVar("nbflow_setting", default=None)
"""The innermost flow that is built, or the scope of the body that runs; None at top level."""


def building(flow: Any = None) -> Any:
    """The flow that is built: the given one, else the innermost `with Flow(…)`.

    Raises:
        DefinitionError: If there is none.
    """
    setting = flow if flow is not None else SETTING.get()
    if setting is None or isinstance(setting, Scope):
        raise DefinitionError("this adds to a flow; do it in `with Flow(…):`, or say flow=…")
    return setting


def present_scope(*, recorded: bool = False) -> Scope:
    """The scope of the run whose body executes here, or a new one at top level.

    Args:
        recorded: Whether runs at top level are recorded, too, as those of flows are.
    """
    setting = SETTING.get()
    if isinstance(setting, Scope):
        return setting
    return Scope(present_records() if recorded or are_given() else unrecorded())
