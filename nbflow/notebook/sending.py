"""Sending the body of a cell to a worker process: its code, and how its shell shows things."""

from __future__ import annotations

import linecache
import marshal
import sys
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import SessionError, WorkerTraceback
from nbflow.notebook.cells import run_code
from nbflow.notebook.outputs import Clear, Stream, decode
from nbflow.running.logs import logs_prints
from nbflow.running.runs import Run
from nbflow.task_runners.errands import outcome_of, sent
from nbflow.task_runners.telling import handles_logs, hear

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

    from nbflow.engine.effects import Outcome
    from nbflow.engine.requests import Execution
    from nbflow.notebook.outputs import Item, Screen
    from nbflow.task_runners.base import TaskCall, TaskReport

SHOWN: Final = "shown"
"""The kind of what a worker tells of displays."""
SWITCHED: Final = "switched"
"""The kind of what a worker tells before a body writes to the other stream, by the name of that."""
_RUNS: Final = "nbflow.notebook.afar:perform"
_OF_THE_PROCESS: Final = ("backend", "interactive", "toolbar", "webagg.", "savefig.directory")
"""Settings of matplotlib that are about windows, or ask for some."""


@dataclass(frozen=True, slots=True)
class Code:
    """The code of a cell on its way.

    Args:
        parts: Its compiled statements, in order.
        awaits: Whether it awaits something at its top level.
        shows: Whether the user sees what it shows while it runs.
        formats: The mime types that values are shown in.
        logs: Whether the kernel handles what is logged.
        style: The settings of matplotlib.
        sources: The lines of the cells that it and its helpers are from, by file.
    """

    parts: tuple[bytes, ...]
    awaits: bool
    shows: bool
    formats: tuple[str, ...]
    logs: bool = False
    style: dict[str, Any] = field(default_factory=dict[str, Any])
    sources: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


def send(
    execution: Execution, code: Iterable[CodeType], screen: Screen, *, awaits: bool, shows: bool
) -> TaskCall:
    """The call of the body of a cell, for a runner with workers.

    Args:
        execution: The body.
        code: Its code.
        screen: Where what it shows goes.
        awaits: Whether it awaits something.
        shows: Whether the user sees what it shows while it runs.

    Raises:
        SessionError: If it cannot be sent; says why.
    """
    _refuse(execution)
    if shows:
        hear(SHOWN, partial(_show, screen))
        hear(SWITCHED, _flush)
    codes = list(code)
    parts, sources = tuple(map(marshal.dumps, codes)), _sources(codes, execution.workspace.names.values())
    told = Code(parts, awaits, shows, screen.formats, handles_logs(), _style(), sources)
    return sent(execution, _RUNS, told)


def outcome_there(report: TaskReport) -> Outcome:
    """How a body has ended; what it raised, it raised in the lines of its cell."""
    outcome = outcome_of(report)
    error: object = outcome.value
    if isinstance(error, BaseException) and isinstance(told := error.__cause__, WorkerTraceback):
        error.__traceback__ = trace_at(told.frames)
        error.__cause__ = WorkerTraceback(told.before) if told.before else None
    return outcome


def trace_at(frames: Iterable[tuple[str, int, str]]) -> TracebackType | None:
    """A traceback through these lines, called by us as bodies are.

    Args:
        frames: File, line and function of each frame, outermost first.
    """
    trace: TracebackType | None = None
    called: TracebackType | None = None
    for file, line, name in reversed(list(frames)):
        caller, frame = _parts_at(file, line, name)
        trace = TracebackType(trace, frame.tb_frame, frame.tb_lasti, line)
        called = TracebackType(trace, caller.tb_frame, caller.tb_lasti, caller.tb_lineno)
    return called


def _parts_at(file: str, line: int, name: str) -> list[TracebackType]:
    """Our frame and one at a line: there is no other way to have one than to raise something there."""
    code = compile("\n" * (line - 1) + "1 / 0", file, "exec").replace(co_name=name, co_qualname=name)
    try:
        run_code(code, {})
    except ZeroDivisionError as raised:
        trace: Any = raised.__traceback__
        return [trace.tb_next, trace.tb_next.tb_next]
    return []


def _refuse(execution: Execution) -> None:
    run = execution.call.spec.body
    if execution.step.parameters:
        raise SessionError("it sets parameters")
    if isinstance(run, Run) and logs_prints(run):
        raise SessionError("its prints go to the log")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and pyplot.get_fignums():
        raise SessionError("a figure is open, on which it may draw")


def _style() -> dict[str, Any]:
    """The settings of matplotlib, where that is loaded."""
    library = sys.modules.get("matplotlib")
    known: Any = getattr(library, "rcParams", {})
    return {key: known[key] for key in known if not key.startswith(_OF_THE_PROCESS)}


def _sources(codes: Iterable[CodeType], values: Iterable[object]) -> dict[str, list[str]]:
    """The lines of the cells that code is from: warnings and `inspect.getsource` show them."""
    helpers = (value.__code__ for value in values if isinstance(value, FunctionType))
    files = {code.co_filename for code in (*codes, *helpers)} & linecache.cache.keys()
    return {file: linecache.getlines(file) for file in files}


def _flush(name: str) -> None:
    """Let what was written to the other stream be seen first: each has a buffer of its own."""
    getattr(sys, "stderr" if name == "stdout" else "stdout").flush()


def _show(screen: Screen, content: bytes) -> None:
    for item in decode(content):
        _show_item(screen, item)


def _show_item(screen: Screen, item: Item) -> None:
    if isinstance(item, Clear):
        screen.clear(wait=item.wait)
    elif not isinstance(item, Stream):
        screen.publish(item.data, item.metadata, item.id, updates=item.updates)
