"""Running a notebook without a front end: plain cells in order, tasks incrementally, on the same store."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import SessionError
from nbflow.notebook.parameters import PARAMETERS
from nbflow.settings import read_settings
from nbflow.store.disk import open_store
from nbflow.views.words import cause_words, counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.store.protocol import RunRecord, Store

NOTEBOOK: Final = "NBFLOW_NOTEBOOK"
_LOAD: Final = "%load_ext nbflow"
_RAN: Final = "Completed"
_REUSED: Final = "Cached"


@dataclass(frozen=True, slots=True)
class Headless:
    """What is asked of a headless run.

    Args:
        notebook: The notebook's file; it is not written.
        parameters: Parameter name to value, as text.
        output: Where the executed notebook goes; None: nowhere.
        force: Whether every task's body runs even where an earlier result fits.
    """

    notebook: Path
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    output: Path | None = None
    force: bool = False


def run_notebook(asked: Headless, say: Callable[[str], object] = print) -> int:
    """Run a notebook; say for each task what became of it.

    Args:
        asked: What to run.
        say: Takes each line for the user.

    Returns:
        The exit code: 0 completed, 1 failed, 130 stopped by the user.

    Raises:
        SessionError: If the file is no notebook, or what runs notebooks is not installed.
    """
    client_module, notebook = _nbclient(), _read(asked.notebook)
    teller = Teller(_store_of(asked.notebook), asked.notebook.name, say)
    folder = str(asked.notebook.resolve().parent)
    client: Any = client_module.NotebookClient(
        notebook,
        timeout=None,
        kernel_name=notebook.metadata.get("kernelspec", {}).get("name", "python3"),
        resources={"metadata": {"path": folder}},
        on_cell_executed=teller.tell,
    )
    say(f"{asked.notebook.name}{_told(asked.parameters)}")
    try:
        client.execute(env=_environment(asked))
    except KeyboardInterrupt:
        say("stopped; finished results are kept")
        return 130
    except client_module.exceptions.CellExecutionError as error:
        teller.tell()
        say(f"failed: {error.ename}: {error.evalue}")
        say(_last_lines(error.traceback))
        return 1
    finally:
        _write(notebook, asked.output)
        teller.tell()
        say(teller.summary())
    return 1 if teller.failed else 0


def _environment(asked: Headless) -> dict[str, str]:
    told = {NOTEBOOK: str(asked.notebook.resolve()), PARAMETERS: json.dumps(dict(asked.parameters))}
    if asked.force:
        told["NBFLOW_FORCE"] = "1"
    return {**os.environ, **told}


def _told(parameters: Mapping[str, str]) -> str:
    return "".join(f" -p {name}={value}" for name, value in parameters.items())


def _nbclient() -> Any:
    try:
        return importlib.import_module("nbclient")
    except ImportError:
        raise SessionError("running notebooks needs nbclient: pip install 'nbflow[run]'") from None


def _read(path: Path) -> Any:
    nbformat: Any = importlib.import_module("nbformat")
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
        importlib.import_module("nbformat").write(notebook, output)


def _store_of(notebook: Path) -> Store:
    folder = notebook.resolve().parent
    home = read_settings(folder).settings.home
    return open_store(Path(home).expanduser() if home else folder / ".nbflow")


def _last_lines(traceback: str, most: int = 12) -> str:
    return "\n".join(traceback.splitlines()[-most:])


class Teller:
    """Says what became of each task, as the history has it.

    Args:
        store: The store that the kernel writes to.
        notebook: Identifier of the notebook.
        say: Takes each line.
    """

    def __init__(self, store: Store, notebook: str, say: Callable[[str], object]) -> None:
        self._store = store
        self._notebook = notebook
        self._say = say
        self._seen = {run.id for run in store.history.runs(notebook, limit=100_000)}
        self._started = time.monotonic()
        self._ran = self._reused = self._saved = 0.0
        self.failed = 0

    def tell(self, **_: object) -> None:
        """Say what happened since this was last asked."""
        runs = self._store.history.runs(self._notebook, limit=1_000)
        for run in reversed([run for run in runs if run.id not in self._seen]):
            if run.number:
                self._tell_run(run)
            self._seen.add(run.id)

    def _tell_run(self, run: RunRecord) -> None:
        transitions = self._store.history.transitions(run.id)
        state = transitions[-1].name if transitions else ""
        trace = self._store.trace(run.trace) if run.trace else None
        seconds = trace.seconds if trace is not None else 0.0
        if state == _REUSED:
            self._reused += 1
            self._saved += seconds
            self._line(run.name, "reused", f"saved {duration(seconds)}")
        elif state == _RAN:
            self._ran += 1
            why = "; ".join(cause_words(cause) for cause in run.causes[:2] if cause.category != "never ran")
            self._line(run.name, "ran", f"{duration(seconds):<9} {why or 'first run'}")
        else:
            self.failed += 1
            self._line(run.name, state.lower(), transitions[-1].message if transitions else "")

    def _line(self, name: str, what: str, more: str) -> None:
        self._say(f"  {name:<16} {what:<8} {more}".rstrip())
        sys.stdout.flush()

    def summary(self) -> str:
        """The whole run in one line."""
        took = duration(time.monotonic() - self._started)
        told = [f"{counted(int(self._ran), 'task')} ran", f"{int(self._reused)} reused"]
        if self.failed:
            told.append(f"{self.failed} failed")
        return f"{', '.join(told)}; {duration(self._saved)} saved; {took} in all"
