"""The log of a run: what its body writes into it, and prints that go there.

Messages go to the loggers `nbflow.flow_runs` and `nbflow.task_runs`; what nbflow itself has to say goes
to the logger `nbflow` above them. Where a program has set up logging, its handlers get them; where nobody
has, they are shown on the error stream, below the cell that runs: of runs from INFO on, others from WARNING.
"""

from __future__ import annotations

import builtins
import logging
import sys
import threading
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from nbflow.context import context
from nbflow.exceptions import RunError
from nbflow.running.runs import Run
from nbflow.states import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, MutableMapping
    from contextlib import AbstractContextManager

    from nbflow.engine.effects import Call
    from nbflow.settings import Origins


class _Lines(logging.Formatter):
    """Messages of runs with time, level and run; those of nbflow name what they are about themselves."""

    def format(self, record: logging.LogRecord) -> str:
        """One message as text."""
        if not record.name.startswith("nbflow."):
            return super().format(record)
        whose = f"{getattr(record, 'run_role', 'some')} run {getattr(record, 'run_name', '?')!r}"
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname} {whose}: {super().format(record)}"


class _WhereNobodyElse(logging.Handler):
    """Shows messages on the error stream, unless the program handles them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one message."""
        if not any(each is not self for each in (*logging.getLogger().handlers, *_NBFLOW.handlers)):
            sys.stderr.write(f"{self.format(record)}\n")


_NBFLOW: Final = logging.getLogger("nbflow")
_FLOW_RUNS: Final = logging.getLogger("nbflow.flow_runs")
_TASK_RUNS: Final = logging.getLogger("nbflow.task_runs")
RUN_LOGGERS: Final = (_FLOW_RUNS, _TASK_RUNS)
"""The loggers of all runs; their records bear `run_id`."""


def _attach() -> None:
    handler = _WhereNobodyElse()
    handler.setFormatter(_Lines())
    _NBFLOW.addHandler(handler)
    for logger in RUN_LOGGERS:
        logger.setLevel(logger.level or logging.INFO)


_attach()


def log_as_set(settings: Origins) -> None:
    """Let the log tell what nbflow says of runs from the level on that was set; `DEBUG` also what bodies do.

    Where nothing was set, the level stays as the program has it.
    """
    if "log_level" not in settings.origins:
        return
    _NBFLOW.setLevel(settings.settings.log_level)
    for logger in RUN_LOGGERS:
        logger.setLevel(min(_NBFLOW.level, logging.INFO))


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger of one run; its records bear `run_id`, `run_name`, `run_role` and `flow_run_id`.

    Example:
        >>> from nbflow.running.runs import Run
        >>> logger_of(Run("a1", "clean", None)).extra["run_name"]
        'clean'
    """

    def __nbflow_digest__(self) -> str:
        """Whose lines it writes is nobody's input, as the identifiers of runs are."""
        return "logger of a run"

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Say whose message it is."""
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


def logger_of(run: Run) -> RunLogger:
    """The logger of a run that has its name; it can be pickled, as the run itself cannot."""
    is_flow = run.role is Role.FLOW
    own = {"run_id": run.id, "run_name": run.name, "flow_run_id": run.flow_run_id}
    own["run_role"] = "flow" if is_flow else "task"
    return RunLogger(_FLOW_RUNS if is_flow else _TASK_RUNS, own)


def logger_of_call(call: Call, *, is_kept: bool = True) -> RunLogger:
    """The logger of the run that executes the body of a cell; its lines are kept if the run is."""
    spec = call.spec
    if isinstance(spec.body, Run) and is_kept:
        return logger_of(spec.body)
    run = spec.id if is_kept else ""
    own = {"run_id": run, "run_name": spec.name, "run_role": "task", "flow_run_id": ""}
    return RunLogger(_TASK_RUNS, own)


def get_run_logger() -> RunLogger:
    """The logger of the run whose body this is; also `nbflow.context.logger`.

    Raises:
        RunError: If no run's body executes here.
    """
    logger = context.get("logger")
    if logger is None:
        raise RunError("no flow or task runs here, so there is no log; call get_run_logger() in a body")
    return logger


def logs_prints(run: Run) -> bool:
    """Whether prints of a body go to its log: as its task says, else its flow, else the flow around that."""
    at: Run | None = run
    while at is not None:
        said = at.of.options.log_prints
        if said is not None:
            return said
        at = at.flow
    return False


# --- prints ----------------------------------------------------------------------------------------

_PRINTS_TO: Final[ContextVar[RunLogger | None]] = ContextVar("nbflow_prints_to", default=None)


class _Replacement:
    """`print` while some body logs its prints; elsewhere it prints as ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._original: Callable[..., None] = print

    def __call__(
        self,
        *values: object,
        sep: str | None = None,
        end: str | None = None,
        file: Any = None,
        **how: Any,
    ) -> None:
        logger = _PRINTS_TO.get()
        if logger is None or file not in (None, sys.stdout, sys.stderr):
            self._original(*values, sep=sep, end=end, file=file, **how)
            return
        # A handler may print, too.
        token = _PRINTS_TO.set(None)
        try:
            text = (" " if sep is None else sep).join(map(str, values)) + (end or "")
            logger.info("%s", text.rstrip("\n"))
        finally:
            _PRINTS_TO.reset(token)

    def begin(self) -> None:
        """Take the place of `print`."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._original = builtins.print
                builtins.print = self

    def end(self) -> None:
        """Give the place back with the last who needed it."""
        with self._lock:
            self._users -= 1
            if self._users == 0 and builtins.print is self:
                builtins.print = self._original


_REPLACEMENT: Final = _Replacement()


def prints_of(run: Run) -> AbstractContextManager[None]:
    """Let prints in here go to the log of a run, or to the screen, as is said of it."""
    if logs_prints(run):
        return _printing_to(logger_of(run))
    return _AS_EVER if _PRINTS_TO.get() is None else _printing_to(None)


_AS_EVER: Final = nullcontext()


@contextmanager
def _printing_to(logger: RunLogger | None) -> Generator[None]:
    token = _PRINTS_TO.set(logger)
    _REPLACEMENT.begin()
    try:
        yield
    finally:
        _REPLACEMENT.end()
        _PRINTS_TO.reset(token)
