"""Opening a session over an IPython shell: its store, its settings, its notebook's file."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbflow.analysis.names import is_managed
from nbflow.notebook.capturing import Routes
from nbflow.notebook.cells import Bodies
from nbflow.notebook.from_python import PythonSession
from nbflow.notebook.link import Link
from nbflow.notebook.outputs import Screen
from nbflow.notebook.parameters import parameters_given
from nbflow.notebook.saved import NOTEBOOK, SavedNotebook, find_notebook
from nbflow.notebook.surroundings import Surroundings
from nbflow.running.logs import log_as_set
from nbflow.settings import read_settings, read_size
from nbflow.store.disk import DiskStore, open_store
from nbflow.store.files import Files
from nbflow.store.upkeep import units_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def open_session(shell: Any) -> PythonSession:
    """A session over a shell's namespace, with the store beside its notebook."""
    names = shell.user_ns
    path = find_notebook(names)
    folder = path.parent if path else Path.cwd()
    settings = read_settings(folder)
    log_as_set(settings)
    home = settings.settings.store_in(folder)
    store = open_store(home, namespace=names, size_limit=read_size(settings.settings.size_limit))
    # Where IPython keeps what was typed, and in which folders.
    profile = str(getattr(getattr(shell, "profile_dir", None), "location", ""))
    ignored = [str(home), *filter(None, (str(path or ""), profile))]
    around = Surroundings(
        names=names,
        hidden=_names_of_shell(shell.user_ns_hidden),
        store=store,
        files=Files(ignored),
        bodies=Bodies(shell),
        screen=Screen(shell),
        routes=Routes(shell),
        settings=settings,
        clock=time.time,
        sleep=lambda until: time.sleep(max(until - time.time(), 0.0)),
        saved=SavedNotebook(path) if path else None,
        notebook=path.name if path else "",
        home=str(home),
        given=parameters_given(),
        forces=bool(os.environ.get("NBFLOW_FORCE")),
        is_headless=NOTEBOOK in os.environ,
        is_console=not hasattr(shell, "kernel"),
        link=Link(shell),
    )
    session = PythonSession(around)
    if isinstance(store, DiskStore):
        store.room.needed = partial(_needed, session)
    return session


def _names_of_shell(hidden: Mapping[str, Any]) -> frozenset[str]:
    """The names that IPython keeps for itself; it hides those of the user's startup files, too."""
    return frozenset(name for name, value in hidden.items() if is_managed(name) or _is_of_ipython(value))


def _is_of_ipython(value: object) -> bool:
    """Whether a function is IPython's, as the `open` is that it puts in the place of Python's."""
    return str(getattr(value, "__globals__", {}).get("__name__")).startswith("IPython.")


def _needed(session: PythonSession) -> frozenset[str]:
    """What no budget may take from the store: what names stand for, and what tasks are held at."""
    held = (step.hold.trace for step in session.book if step.hold is not None)
    return session.trunk.workspace.units().union(*map(units_of, held))
