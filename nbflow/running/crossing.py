"""Bodies that run in a worker: what goes there, and what the kernel is told of it.

Decisions, results and their keeping stay in the kernel. A worker gets the body with its arguments and with
what `nbflow.context` shows to it. Tasks that it calls or submits run in the worker, and the kernel is told
their states, so that they are kept with all others.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.context import enter, snapshot
from nbflow.engine.drive import Journal
from nbflow.engine.effects import Call, RunSpec
from nbflow.engine.timers import TIMERS
from nbflow.exceptions import WorkerError, text_of
from nbflow.options import TaskOptions
from nbflow.running.bodies import Bodies
from nbflow.running.hooks import follow
from nbflow.running.logs import logs_prints
from nbflow.running.records import Numbers, Records
from nbflow.running.runs import Run
from nbflow.running.scope import Scope
from nbflow.store.protocol import RunRecord
from nbflow.store.watching import note_unseen
from nbflow.task_runners.base import Entry
from nbflow.task_runners.shipping import packed, unpacked
from nbflow.task_runners.telling import hear, tell
from nbflow.task_runners.thread import ThreadPoolTaskRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Context

    from nbflow.states import Role, Transition

_log: Final = logging.getLogger("nbflow")
_RUNS: Final = "runs"
"""The kind of what the kernel is told of runs in a worker."""
_KEPT_IN: Final[ContextVar[Records | None]] = ContextVar("nbflow_kept_in", default=None)
_OF_CALL: Final = ("attempt", "run_count", "loop", "loop_result", "inputs")


@dataclass(frozen=True, slots=True)
class _Template:
    """What of a flow is asked by runs within it."""

    name: str
    options: TaskOptions


@dataclass(frozen=True, slots=True)
class _Named:
    """A run without what it is a run of."""

    id: str
    name: str
    of: str
    role: Role
    index: int | None
    tags: frozenset[str]
    number: int
    log_prints: bool

    @classmethod
    def of_run(cls, run: Run) -> _Named:
        """The same run."""
        named = (run.id, run.name, run.of.name, run.role, run.index, run.tags, run.number)
        return cls(*named, logs_prints(run))

    def as_run(self, of: Any, flow: Run | None = None) -> Run:
        """A run in a worker that stands for it."""
        return Run(self.id, self.name, of, self.role, flow, None, self.index, self.tags, self.number)

    def options(self) -> TaskOptions:
        """What of its options concerns a worker."""
        return TaskOptions(name=self.of, log_prints=self.log_prints)


@dataclass(frozen=True, slots=True)
class _Sent:
    """One attempt at the body of a run, for a worker.

    Args:
        of: The task.
        run: Its run.
        flow: The run of the flow that it belongs to.
        parameters: Those of the flow run.
        shown: What `nbflow.context` shows of the flow run.
        context: What it shows besides.
        call: What of the engine's call concerns a body.
        started_by_name: Whether a person named the task.
    """

    of: Any
    run: _Named
    flow: _Named | None
    parameters: Mapping[str, Any]
    shown: Mapping[str, Any]
    context: Mapping[str, Any]
    call: Mapping[str, Any]
    started_by_name: bool


# --- in the kernel ---------------------------------------------------------------------------------


def entry_of(run: Run, scope: Scope, around: Context, call: Call) -> Entry:
    """The body of a run as plain data.

    Args:
        run: The run.
        scope: Within what it was started.
        around: The context variables of whoever started it.
        call: The engine's call.

    Raises:
        WorkerError: If something of it cannot be sent.
    """
    named = _Named.of_run(run)
    sent = _Sent(
        run.of if _is_importable(run.of) else _with_options(run.of, named.options()),
        named,
        _Named.of_run(run.flow) if run.flow is not None else None,
        scope.parameters,
        scope.shown,
        around.run(snapshot),
        {name: getattr(call, name) for name in _OF_CALL},
        call.spec.started_by_name,
    )
    return Entry(f"{__name__}:perform", _packed(sent, around))


def _packed(sent: _Sent, around: Context) -> bytes:
    try:
        return packed(sent)
    except Exception:  # noqa: BLE001 - pickling is user code
        seen = {"parameters": sent.parameters, "shown": sent.shown, "context": sent.context}
    try:
        return packed(replace(sent, **{name: around.run(_sendable, values) for name, values in seen.items()}))
    except Exception as error:  # noqa: BLE001 - pickling is user code
        stuck = [name for name, value in sent.call["inputs"].items() if _why_stuck(value)]
        whose = f"the argument {stuck[0]!r} of" if stuck else "the code of"
        text = f"{whose} {sent.run.name!r} cannot be sent to a worker ({text_of(error)}); make it in the body"
        raise WorkerError(f"{text}, or use the runner thread", run=sent.run.id) from None


def _sendable(values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the context can be sent; bodies in workers do not see the rest."""
    left: dict[str, Any] = {}
    for name, value in values.items():
        value = _sendable(value) if name == "parameters" else value
        why = _why_stuck(value)
        if why:
            _log.warning("workers do not see %r of nbflow.context, which cannot be sent (%s)", name, why)
        else:
            left[name] = value
    return left


def _why_stuck(value: object) -> str:
    try:
        packed(value)
    except Exception as error:  # noqa: BLE001 - pickling is user code
        return text_of(error)
    return ""


def _is_importable(of: Any) -> bool:
    """Whether a worker finds a task by its name in a module."""
    module = sys.modules.get(str(getattr(of, "__module__", "")))
    if module is None or module.__name__ == "__main__" or "fn" not in vars(of):
        return False
    try:
        return attrgetter(of.__qualname__)(module) is of
    except AttributeError:
        return False


def _with_options(of: Any, options: TaskOptions) -> Any:
    """The same task with other options: its own concern the kernel, and may hold what cannot be sent."""
    made: Any = object.__new__(cast("type[Any]", type(of)))
    own: dict[str, Any] = {**vars(of), "options": options}
    own.pop("signature", None)  # it names annotations, which nobody needs there
    made.__dict__.update(own)
    return made


def keeping_in(records: Records, submit: Callable[..., Any], *given: Any) -> Any:
    """Submit to a worker; what it tells of its runs is kept in these records."""
    note_unseen("runs in a worker, where nobody sees which files it reads")
    token = _KEPT_IN.set(records)
    try:
        return submit(*given)
    finally:
        _KEPT_IN.reset(token)


def _keep(told: RunRecord | Transition) -> None:
    records = _KEPT_IN.get()
    if records is None:
        return
    if isinstance(told, RunRecord):
        records.begin(told)
    else:
        records.history.append(told)


hear(_RUNS, _keep)


# --- in the worker ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    """A history that tells the kernel."""

    states: dict[str, list[Transition]] = field(default_factory=dict[str, "list[Transition]"])

    def begin(self, record: RunRecord) -> None:
        """Tell of a run."""
        tell(_RUNS, record)

    def append(self, transition: Transition) -> None:
        """Tell of a state."""
        self.states.setdefault(transition.run, []).append(transition)
        tell(_RUNS, transition)

    def transitions(self, run: str) -> tuple[Transition, ...]:
        """Those of a run, oldest first."""
        return tuple(self.states.get(run, ()))

    def flush(self) -> None:
        """Do nothing: it is told already."""

    def flush_soon(self) -> None:
        """Do nothing."""


def perform(data: bytes) -> Any:
    """Execute a body that `entry_of` has sent; of one that awaits, an awaitable of what it makes."""
    sent: _Sent = unpacked(data)
    of = _with_options(sent.of, sent.run.options())
    history: Any = _Told()
    records = Records(history, Journal(history, TIMERS.now), Numbers(lambda: 0))
    records.journal.subscribe(follow)
    flow = sent.flow.as_run(_Template(sent.flow.of, sent.flow.options())) if sent.flow is not None else None
    around = Scope(records, None, flow, ThreadPoolTaskRunner(), parameters=sent.parameters, shown=sent.shown)
    run = sent.run.as_run(of, flow)
    run.history = history
    spec = RunSpec(run.id, run.name, run, started_by_name=sent.started_by_name)
    bodies, call = Bodies(run, around), Call(spec, **sent.call)
    if of.is_async:
        return _awaited(bodies, call, sent.context)
    with enter(sent.context):
        return bodies.execute(call)


async def _awaited(bodies: Bodies, call: Call, context: Mapping[str, Any]) -> Any:
    with enter(context):
        return await bodies.await_body(call)
