"""In a worker process: the bodies of cells, run as IPython runs them, and what they show."""

from __future__ import annotations

import asyncio
import linecache
import marshal
import sys
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from IPython.core.interactiveshell import InteractiveShell
from msgspec.structs import replace
from traitlets.config import Config

from nbflow.notebook.capturing import Routes
from nbflow.notebook.cells import Bodies, run_code
from nbflow.notebook.outputs import Clear, Recorder, Screen, encode
from nbflow.notebook.remembered import SAID, listening
from nbflow.notebook.sending import SHOWN, SWITCHED
from nbflow.notebook.tracebacks import users_part
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.errands import received
from nbflow.task_runners.inline import InlineTaskRunner
from nbflow.task_runners.telling import logging_here, tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator

    from nbflow.engine.baggage import Job
    from nbflow.engine.effects import Outcome
    from nbflow.notebook.outputs import Display
    from nbflow.notebook.sending import Code


class _Live(Recorder):
    """Tells the kernel, besides, what is shown."""

    def write(self, name: str, text: str) -> None:
        """Note and tell text written to a stream."""
        if self.is_switched_to(name):
            tell(SWITCHED, name)
        super().write(name, text)
        tell(name, text)

    def display(self, item: Display) -> None:
        """Note and tell something displayed."""
        super().display(item)
        tell(SHOWN, encode([item]))

    def clear(self, *, wait: bool) -> None:
        """Note and tell that all is gone."""
        super().clear(wait=wait)
        tell(SHOWN, encode([Clear(wait)]))


def perform(payload: bytes) -> Outcome:
    """Run the body of a cell that was sent here."""
    errand, shell = received(payload), _shell()
    given = cast("dict[str, Any]", shell.user_ns)
    names = {key: given[key] for key in ("open", "exit", "quit") if key in given}
    return errand.done(names, Bodies.define, partial(_run, shell, errand.job, errand.code))


@lru_cache(maxsize=1)
def _shell() -> Any:
    """The shell whose displays bodies find; it keeps no history, and nobody types here."""
    config = Config()
    config.HistoryManager.enabled = False
    return InteractiveShell.instance(config=config)


def _run(shell: Any, job: Job, code: Code, names: dict[str, Any]) -> Outcome:
    """Execute the code over names, and note what it shows."""
    shell.display_formatter.active_types = list(code.formats)
    _draw_as(code.style)
    linecache.cache.update({file: (0, None, lines, file) for file, lines in code.sources.items()})
    with Routes(shell).captured(shows=False) as capture:
        capture.recorder = _Live() if code.shows else capture.recorder
        call = TaskCall(job.attempt, job.step, partial(_execute, code, names))
        with nullcontext() if code.logs else _logging_here():
            outcome = InlineTaskRunner().run(call).outcome()
        if isinstance(outcome.value, BaseException):
            outcome.value.__traceback__ = users_part(outcome.value.__traceback__)
        Screen(shell).flush_figures()
    return replace(outcome, captured=encode(capture.recorder.items))


@contextmanager
def _logging_here() -> Generator[None]:
    """For a block, what is logged is shown here; the kernel is told what belongs to the log of a run."""
    with logging_here(), listening(lambda run, lines: tell(SAID, [run, list(lines)])):
        yield


def _draw_as(style: dict[str, Any]) -> None:
    """Begin without figures; what is drawn looks as in the kernel."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")
    if style:
        library: Any = import_module("matplotlib")  # only where the kernel has it
        library.rcParams.update(style)


def _execute(code: Code, names: dict[str, Any]) -> None:
    if code.awaits:
        asyncio.run(_waiting(code, names))
        return
    for part in code.parts:
        run_code(marshal.loads(part), names)


async def _waiting(code: Code, names: dict[str, Any]) -> None:
    for part in code.parts:
        awaitable = run_code(marshal.loads(part), names)
        if awaitable is not None:
            await cast("Awaitable[object]", awaitable)
