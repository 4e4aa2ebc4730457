"""Attaching nbflow to an IPython shell, and detaching it without a trace."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from nbflow.notebook.cells import Bodies, as_call
from nbflow.notebook.headless import parameters_given
from nbflow.notebook.magics import FlowMagics
from nbflow.notebook.outputs import Screen
from nbflow.notebook.places import Asked
from nbflow.notebook.saved import SavedNotebook, find_notebook
from nbflow.notebook.session import Session
from nbflow.notebook.surroundings import Surroundings
from nbflow.settings import read_settings
from nbflow.store.disk import open_store
from nbflow.store.files import Files

if TYPE_CHECKING:
    from collections.abc import Callable

_ATTACHED: Final[dict[int, Attached]] = {}


class Attached:
    """One shell with nbflow in it: its hooks and how to take them away again.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._undo = ExitStack()
        self._asked = Asked("")
        self.session = open_session(shell)
        self._undo.callback(self.session.close)
        self._register_magics()
        self._transform_cells()
        self._listen("pre_run_cell", self._before_cell)
        self._listen("post_run_cell", self._after_cell)

    def detach(self) -> None:
        """Leave the shell as it was."""
        self._undo.close()

    def _register_magics(self) -> None:
        manager = self._shell.magics_manager
        magics = FlowMagics(self._shell, self.session, lambda: self._asked)
        kept = {
            (kind, name): manager.magics[kind].get(name)
            for kind, names in magics.magics.items()
            for name in names
        }
        registry = manager.registry.get("FlowMagics")
        manager.register(magics)
        self._undo.callback(_put_back, manager.registry, "FlowMagics", registry)
        for (kind, name), before in kept.items():
            self._undo.callback(_put_back, manager.magics[kind], name, before)

    def _transform_cells(self) -> None:
        transformers = self._shell.input_transformers_cleanup

        def transform(lines: list[str]) -> list[str]:
            return as_call(lines, self.session.has_to_wait)

        transformers.append(transform)
        self._undo.callback(transformers.remove, transform)

    def _listen(self, event: str, callback: Callable[[Any], None]) -> None:
        self._shell.events.register(event, callback)
        self._undo.callback(self._shell.events.unregister, event, callback)

    def _before_cell(self, info: Any) -> None:
        if not _is_followed(info):
            return
        asks = bool(getattr(getattr(self._shell, "kernel", None), "_allow_stdin", True))
        number = self._shell.execution_count - bool(info.store_history)
        self._asked = Asked(info.raw_cell, _stable_id(info), number, asks)
        self._guarded(self.session.begin_plain, self._asked)

    def _after_cell(self, result: Any) -> None:
        if result is None or not _is_followed(result.info):
            return
        error = result.error_before_exec or result.error_in_exec
        self._guarded(self.session.end_plain, error)

    def _guarded(self, step: Callable[[Any], None], argument: Any) -> None:
        """A fault of ours never breaks the user's cell."""
        try:
            step(argument)
        except Exception as fault:  # noqa: BLE001 - told in one line
            self.session.forget_what_is_seen()
            why = f"{type(fault).__name__}: {fault}"
            self.session.around.screen.say(f"nbflow could not follow this cell ({why}); it is not cached")


def _is_followed(info: Any) -> bool:
    """Whether a cell is one of the user's: tools of the front end run code without history."""
    return bool(info.store_history) and not info.silent


def _stable_id(info: Any) -> str:
    """The cell's identifier where the front end sends one that outlives the kernel."""
    id = str(getattr(info, "cell_id", None) or "")
    return "" if id.startswith("vscode-notebook-cell:") else id


def _put_back(owner: dict[str, Any], name: str, before: Any) -> None:
    if before is None:
        owner.pop(name, None)
    else:
        owner[name] = before


def open_session(shell: Any) -> Session:
    """A session over a shell's namespace, with the store beside its notebook."""
    names = shell.user_ns
    path = find_notebook(names)
    folder = path.parent if path else Path.cwd()
    settings = read_settings(folder)
    home = Path(settings.settings.home).expanduser() if settings.settings.home else folder / ".nbflow"
    ignored = [str(home), *([str(path)] if path else [])]
    around = Surroundings(
        names=names,
        hidden=frozenset(shell.user_ns_hidden),
        store=open_store(home, namespace=names),
        files=Files(ignored),
        bodies=Bodies(shell),
        screen=Screen(shell),
        settings=settings,
        clock=time.time,
        sleep=lambda until: time.sleep(max(until - time.time(), 0.0)),
        saved=SavedNotebook(path) if path else None,
        notebook=path.name if path else "",
        home=str(home),
        given=parameters_given(),
        forces=bool(os.environ.get("NBFLOW_FORCE")),
        is_console=not hasattr(shell, "kernel"),
    )
    return Session(around)


def attach(shell: Any) -> Session:
    """Attach nbflow to a shell; once only."""
    if id(shell) not in _ATTACHED:
        _ATTACHED[id(shell)] = Attached(shell)
    return _ATTACHED[id(shell)].session


def detach(shell: Any) -> None:
    """Take nbflow out of a shell again."""
    attached = _ATTACHED.pop(id(shell), None)
    if attached is not None:
        attached.detach()


def session() -> Session:
    """The session of the running shell.

    Raises:
        SessionError: If nbflow is not loaded there.
    """
    from IPython.core.getipython import get_ipython

    from nbflow.notebook.commands import no_session

    attached = _ATTACHED.get(id(get_ipython()))
    if attached is None:
        raise no_session()
    return attached.session
