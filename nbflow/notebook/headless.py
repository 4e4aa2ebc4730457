"""Running a notebook without a front end: plain cells in order, tasks incrementally, on the same store."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.analysis import analyze
from nbflow.exceptions import OptionError, SessionError
from nbflow.notebook.cells import read_header
from nbflow.notebook.commands import COMMANDS
from nbflow.notebook.compared import compared_words
from nbflow.notebook.outputs import read_waits_mark
from nbflow.notebook.parameters import PARAMETERS, as_default, defaults_of
from nbflow.notebook.part import Part
from nbflow.notebook.saved import NOTEBOOK
from nbflow.settings import read_settings
from nbflow.states import Origin, Role
from nbflow.store.disk import open_store
from nbflow.task_runners import NAMES
from nbflow.views import ActionCard, ActionLine
from nbflow.views.table import action_summary
from nbflow.views.words import causes_words, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Mapping
    from pathlib import Path

    from nbflow.store.protocol import RunRecord, Store
    from nbflow.types import Trace
    from nbflow.views.cards import DeedWord

_LOAD: Final = "%load_ext nbflow"
_RAN: Final = ("Completed", "Mapped")
_REUSED: Final = "Cached"
_ENDED: Final[Mapping[str, DeedWord]] = {"Cancelled": "stopped", "Skipped": "skipped", "Paused": "waits"}
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_BEHIND_SOURCE: Final = f"\n{'-' * 18}\n"
_SLOW: Final = "rfc3987_syntax"
"""What jsonschema checks international addresses with, which no notebook has; a second to import."""
COMPLETED: Final = 0
FAILED: Final = 1
PAUSED: Final = 3
STOPPED: Final = 130


def _print(text: str) -> None:
    print(text, flush=True)


@dataclass(frozen=True, slots=True)
class Headless:
    """What is asked of a headless run.

    Args:
        notebook: The notebook's file; it is not written.
        parameters: Parameter name to value, as text.
        output: Where the executed notebook goes; None: nowhere.
        force: Whether every task's body runs even where an earlier result fits.
        runner: Where bodies of tasks run that do not say themselves; empty: as the settings say.
        tasks: Only these tasks run, and what they need; none: all.
    """

    notebook: Path
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    output: Path | None = None
    force: bool = False
    runner: str = ""
    tasks: tuple[str, ...] = ()


def run_notebook(asked: Headless, say: Callable[[str], object] = _print) -> int:
    """Run a notebook; say for each task what became of it.

    Args:
        asked: What to run.
        say: Takes each line for the user.

    Returns:
        The exit code: 0 completed, 1 failed, 3 a task waits for a person, 130 stopped by the user.

    Raises:
        SessionError: If the file is no notebook, or what runs notebooks is not installed.
        OptionError: If a parameter does not exist or has a value that it cannot have.
    """
    client_module, notebook = _module("nbclient"), _read(asked.notebook)
    _check(asked, notebook)
    part = Part(notebook, asked.tasks) if asked.tasks else None
    teller = Teller(_store_of(asked.notebook), asked.notebook.name, _plain_cells(notebook), say)
    client = _client(client_module, notebook, asked, teller)
    say(f"{asked.notebook.name}{_told(asked)}")
    for line in part.told if part is not None else ():
        say(line)
    try:
        client.execute(env=_environment(asked))
    except (KeyboardInterrupt, *_ends(client_module)) as error:
        return _told_end(error, teller, is_stopped=client.on_cell_start.asked)
    finally:
        if part is not None:
            part.restore()
        _write(notebook, asked.output)
        teller.tell()
        say(teller.summary())
    return FAILED if teller.count("failed") else PAUSED if teller.count("waits") else COMPLETED


def _ends(module: Any) -> tuple[type[BaseException], ...]:
    return (module.exceptions.CellExecutionError, module.exceptions.DeadKernelError)


def _told_end(error: BaseException, teller: Teller, *, is_stopped: bool) -> int:
    """Say why the notebook did not come to its end; return the exit code."""
    name = str(getattr(error, "ename", ""))
    if is_stopped or isinstance(error, KeyboardInterrupt):
        teller.note("stopped; finished results are kept")
        return STOPPED
    if not name:
        teller.note("failed: the kernel died; finished results are kept")
    elif name == "UsageError":  # a line of ours, without a traceback
        teller.note_failure(str(getattr(error, "evalue", "")))
    else:
        told = f"{name}: {getattr(error, 'evalue', '')}"
        teller.note(f"failed: {told}\n{_last_lines(str(getattr(error, 'traceback', '')))}")
    return FAILED


def _client(module: Any, notebook: Any, asked: Headless, teller: Teller) -> Any:
    """What drives the kernel; their talk is encrypted where both know how."""
    kernels: Any = importlib.import_module("jupyter_client.manager").AsyncKernelManager
    name = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    specs: Any = importlib.import_module("jupyter_client.kernelspec")
    try:
        specs.get_kernel_spec(name)
    except specs.NoSuchKernel:
        raise SessionError(f"{asked.notebook} wants the kernel {name!r}, which is not installed") from None
    client = module.NotebookClient(
        notebook,
        timeout=None,
        kernel_name=name,
        resources={"metadata": {"path": str(asked.notebook.resolve().parent)}},
        on_cell_executed=teller.tell,
    )
    client.on_cell_start = Stop(client)
    if "transport_encryption" in kernels.class_trait_names():
        client.config.KernelManager.transport_encryption = "auto"
    return client


def _check(asked: Headless, notebook: Any) -> None:
    """Refuse at once what cannot end well."""
    if asked.output is not None and not asked.output.resolve().parent.is_dir():
        raise SessionError(f"there is no folder {asked.output.parent} for the executed notebook")
    if asked.runner and asked.runner not in NAMES and not _speaks_of(notebook, asked.runner):
        raise OptionError.unknown("runner", asked.runner, NAMES)
    defaults: dict[str, object] = {}
    for cell in notebook.cells:
        header = read_header(cell.source) if cell.cell_type == "code" else None
        if header is not None and header.kind == "params":
            defaults |= _parameters_of(header.body)
    for name, text in asked.parameters.items():
        if name not in defaults:
            raise OptionError.unknown("parameter", name, defaults)
        as_default(name, text, defaults[name])


def _speaks_of(notebook: Any, name: str) -> bool:
    """Whether a name stands in a cell, which may make it the name of a runner."""
    word = re.compile(rf"\b{re.escape(name)}\b")
    return any(word.search(cell.source) for cell in notebook.cells if cell.cell_type == "code")


def _parameters_of(body: str) -> dict[str, object]:
    """The parameters that a cell makes, with their defaults; None for what is no literal."""
    try:
        return {**dict.fromkeys(analyze(body).writes), **defaults_of(body)}
    except SyntaxError:
        return {}


def _plain_cells(notebook: Any) -> frozenset[str]:
    """The identifiers of the cells that are no tasks."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and "id" in cell]
    headers = {cell.id: read_header(cell.source) for cell in cells}
    return frozenset(id for id, header in headers.items() if header is None or header.kind != "task")


def _environment(asked: Headless) -> dict[str, str]:
    told = {NOTEBOOK: str(asked.notebook.resolve()), PARAMETERS: json.dumps(dict(asked.parameters))}
    if asked.force:
        told["NBFLOW_FORCE"] = "1"
    if asked.runner:
        told["NBFLOW_RUNNER"] = asked.runner
    return {**os.environ, **told}


def _told(asked: Headless) -> str:
    tasks = f" --task {' '.join(asked.tasks)}" if asked.tasks else ""
    return tasks + "".join(f" -p {name}={value}" for name, value in asked.parameters.items())


def _module(name: str) -> Any:
    try:
        with _absent(_SLOW):
            return importlib.import_module(name)
    except ImportError:
        raise SessionError(
            "running notebooks needs nbclient and nbformat: pip install 'nbflow[run]'"
        ) from None


@contextmanager
def _absent(name: str) -> Generator[None]:
    """Let a module that others import where there is one look as if there were none."""
    if name in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]


def _read(path: Path) -> Any:
    nbformat = _module("nbformat")
    try:
        notebook = nbformat.read(path, as_version=4)
    except FileNotFoundError:
        raise SessionError(f"there is no notebook {path}") from None
    except Exception as error:
        raise SessionError(f"{path} is no notebook: {error}") from error
    if not any(_LOAD in cell.source for cell in notebook.cells if cell.cell_type == "code"):
        notebook.cells.insert(0, nbformat.v4.new_code_cell(_LOAD))
    return notebook


def _write(notebook: Any, output: Path | None) -> None:
    if output is not None:
        _module("nbformat").write(notebook, output)


def _store_of(notebook: Path) -> Store:
    folder = notebook.resolve().parent
    return open_store(read_settings(folder).settings.store_in(folder))


def _last_lines(told: str, most: int = 12) -> str:
    """The end of a traceback, without the source that nbclient puts before it."""
    traceback = _COLOURS.sub("", told).rpartition(_BEHIND_SOURCE)[2].strip("\n")
    return "\n".join(traceback.splitlines()[-most:])


class Stop:
    """Ctrl-C: the first interrupts the body that runs, as Stop does; the second ends the kernel.

    Args:
        client: What drives the kernel; it would end the kernel at once and lose track of that.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sent: list[asyncio.Future[Any]] = []

    @property
    def asked(self) -> bool:
        """Whether the user wants to stop."""
        return bool(self._sent)

    def __call__(self, **_: object) -> None:
        """Listen from the first cell on; start no further one once the user wants to stop."""
        if self.asked:
            raise KeyboardInterrupt
        with suppress(NotImplementedError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._stop)

    def _stop(self) -> None:
        manager = self._client.km
        work = manager.shutdown_kernel(now=True) if self.asked else manager.interrupt_kernel()
        self._sent.append(asyncio.ensure_future(work))


class Teller:
    """Says what became of each task, as the history has it.

    Args:
        store: The store that the kernel writes to.
        notebook: Identifier of the notebook.
        plain: Identifiers of the cells that are no tasks.
        say: Takes each line.
    """

    def __init__(
        self, store: Store, notebook: str, plain: Collection[str], say: Callable[[str], object]
    ) -> None:
        self._store = store
        self._notebook = notebook
        self._plain = plain
        self._say = say
        self._seen = {run.id for run in store.history.runs(notebook, limit=100_000)}
        self._started = time.monotonic()
        self._lines: list[ActionLine] = []
        self._has_failed = False

    def count(self, action: DeedWord) -> int:
        """How many runs of tasks ended so; what a flow that a cell runs did is the cell's own matter."""
        return sum(line.action == action for line in self._lines)

    def tell(self, cell: Any = None, **_: object) -> None:
        """Say what happened since this was last asked; what nbflow was told in a cell stands above it."""
        for line in lines_that_act(cell.source) if cell is not None else ():
            self._say(f"  {line}")
        runs = self._store.history.runs(self._notebook, limit=1_000)
        for run in reversed([run for run in runs if run.id not in self._seen]):
            self._seen.add(run.id)
            if run.role == Role.FLOW.value:
                self._say(f"  {run.name:<15} {self._end_of(run)}")
            elif run.origin == Origin.AUDIT.value:
                self._say(f"  {run.name:<15} {causes_words(run.causes)}")
            elif run.number and not run.parent:
                self._tell_run(run)
        self._tell_waits(cell.outputs if cell is not None else ())

    def note(self, text: str) -> None:
        """Say what happened, and a text after it."""
        self.tell()
        self._say(text)

    def note_failure(self, text: str) -> None:
        """Say why the last cell failed, unless the line of its task has just said so."""
        self.tell()
        self._has_failed = True
        last = self._lines[-1] if self._lines else None
        if last is None or last.action != "failed" or not last.note or last.note not in text:
            self._say(f"failed: {text}")

    def _tell_run(self, run: RunRecord) -> None:
        line = self._line_of(run)
        self._lines.append(line)
        time = duration(line.seconds) if line.action == "ran" else ""
        if line.action == "reused" and not line.is_plain:
            time = f"saved {duration(line.saved)}"
        why = line.note or causes_words(line.causes, 2)
        self._say(f"  {line.name:<15} {line.action:<7} {time:<16} {why}".rstrip())

    def _tell_waits(self, outputs: Iterable[Any]) -> None:
        """Say of the task of a cell that it waits: it has no run, or one that is not new."""
        marks = filter(None, (read_waits_mark(each.get("metadata", {})) for each in outputs))
        told = {line.name for line in self._lines if line.action == "waits"}
        for name, why in marks:
            if name not in told:
                self._lines.append(ActionLine(name, "waits", note=why))
                self._say(f"  {name:<15} {'waits':<7} {'':<16} {why}".rstrip())

    def _end_of(self, run: RunRecord) -> str:
        """How the run of a flow of its own ended, in words."""
        transitions = self._store.history.transitions(run.id)
        last = transitions[-1] if transitions else None
        return f"{last.name.lower()}: {last.message}".rstrip(": ") if last is not None else ""

    def _line_of(self, run: RunRecord) -> ActionLine:
        transitions = self._store.history.transitions(run.id)
        last, is_plain = transitions[-1] if transitions else None, run.step in self._plain
        trace = self._store.trace(run.trace) if run.trace else None
        seconds = trace.ran if trace is not None else None
        if last is not None and last.name == _REUSED and trace is not None:
            words = self._reuse_words(trace)
            return ActionLine(run.name, "reused", (), note=words, is_plain=is_plain, saved=trace.seconds)
        if last is not None and last.name in _RAN:
            causes = tuple(cause for cause in run.causes if cause.category != "never ran")
            note, saved = "" if causes else "first run", trace.reused or None if trace is not None else None
            return ActionLine(run.name, "ran", causes, seconds, note, is_plain, saved)
        ended: DeedWord = _ENDED.get(last.name, "failed") if last is not None else "failed"
        return ActionLine(run.name, ended, note=last.message if last else "", is_plain=is_plain)

    def _reuse_words(self, trace: Trace) -> str:
        made = self._store.history.run(trace.run) if trace.run else None
        when = f"in run {made.number}" if made is not None and made.number else "before"
        return f"same as {when}: {compared_words(trace)}"

    def summary(self) -> str:
        """The whole run in one line."""
        took = duration(time.monotonic() - self._started)
        nothing = self._has_failed and not self._lines
        told = "no task was run" if nothing else action_summary(ActionCard(tuple(self._lines)))
        return f"{told} · {took} in all"


def lines_that_act(source: str) -> list[str]:
    r"""The lines of a cell that tell nbflow to do something, rather than to show it.

    Example:
        >>> lines_that_act("%flow params LATE=30\n%flow plan\nx = 1")
        ['%flow params LATE=30']
    """
    lines = [line.strip() for line in source.splitlines() if line.startswith("%flow ")]
    return [line for line in lines if (known := COMMANDS.get(line.split()[1])) is not None and known.acts]
