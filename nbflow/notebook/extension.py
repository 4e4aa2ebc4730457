"""Attaching nbflow to an IPython shell, and detaching it without a trace."""

from __future__ import annotations

import asyncio
import atexit
import importlib
from contextlib import ExitStack, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import NbflowError
from nbflow.notebook.asked import Asked
from nbflow.notebook.cells import as_call, is_only_ours, read_header
from nbflow.notebook.configuring import configurable_of
from nbflow.notebook.magics import FlowMagics, describe
from nbflow.notebook.matching import matcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.notebook.from_python import PythonSession
    from nbflow.notebook.session import Session
    from nbflow.views import Shown

_ATTACHED: Final[dict[int, Attached]] = {}
_SOON: Final = 0.05
"""Seconds after which a kernel has told that the cell which loads nbflow has ended."""


class Attached:
    """One shell with nbflow in it: its hooks and how to take them away again.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._undo = ExitStack()
        self._asked = Asked("")
        self._outer: Any = None
        self._is_told = False
        self._register_magics()
        self._transform_cells()
        self._complete_lines()
        self._offer_settings()
        self._listen("pre_run_cell", self._before_cell)
        self._listen("post_run_cell", self._after_cell)
        self._get_ready_later()

    @cached_property
    def session(self) -> PythonSession:
        """The session, made when it is first needed: loading the extension costs next to nothing."""
        from nbflow.showing import attach_page
        from nbflow.tasks import attach_reader

        made: PythonSession = _ready().open_session(self._shell)
        self._undo.callback(made.close)
        atexit.register(made.close)
        self._undo.callback(atexit.unregister, made.close)
        self._undo.callback(attach_reader(made.functions.reading))
        self._undo.callback(attach_page(made.live.display))
        records = importlib.import_module("nbflow.running.records")
        self._undo.enter_context(records.using(made.records))
        return made

    def detach(self) -> None:
        """Leave the shell as it was."""
        self._undo.close()

    def _register_magics(self) -> None:
        manager = self._shell.magics_manager
        magics = FlowMagics(self._shell, lambda: self.session, lambda: self._asked)
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
            return as_call(lines, self._has_to_wait)

        transformers.append(transform)
        self._undo.callback(transformers.remove, transform)

    def _complete_lines(self) -> None:
        completer = getattr(self._shell, "Completer", None)
        if completer is not None:
            made = matcher(lambda: self.session)
            completer.custom_matchers.append(made)
            self._undo.callback(completer.custom_matchers.remove, made)

    def _offer_settings(self) -> None:
        made = configurable_of(self._shell, lambda: self.session)
        self._shell.configurables.append(made)
        self._undo.callback(self._shell.configurables.remove, made)

    def _get_ready_later(self) -> None:
        """Import what the first cell needs while nobody waits: a kernel has a loop, a terminal has none."""
        with suppress(RuntimeError):
            waiting = asyncio.get_running_loop().call_later(_SOON, _get_ready)
            self._undo.callback(waiting.cancel)

    def _listen(self, event: str, callback: Callable[[Any], None]) -> None:
        self._shell.events.register(event, callback)
        self._undo.callback(self._shell.events.unregister, event, callback)

    def _before_cell(self, info: Any) -> None:
        # What a cell runs through the shell is a part of that cell.
        if self._outer is not None or not _is_followed(info):
            return
        self._outer = info
        asks = bool(getattr(getattr(self._shell, "kernel", None), "_allow_stdin", True))
        number = self._shell.execution_count - bool(info.store_history)
        handle = str(getattr(info, "cell_id", None) or "")
        self._asked = Asked(info.raw_cell, _stable(handle), number, asks, handle)
        if not self._is_open and (is_only_ours(info.raw_cell) or read_header(info.raw_cell) is not None):
            return  # it opens the session itself, and says why if it cannot
        plain, source = self._asked, getattr(info, "transformed_cell", None)
        self._guarded(lambda session: session.plain.begin(plain, source))

    def _after_cell(self, result: Any) -> None:
        outer = self._outer
        if outer is None or not _is_end_of(outer, result):
            return
        self._outer = None
        if self._is_open:
            # A kernel that cancels a cell that awaits has no result of it.
            none = asyncio.CancelledError()
            error = none if result is None else result.error_before_exec or result.error_in_exec
            self._guarded(lambda session: session.plain.end(error))

    @property
    def _is_open(self) -> bool:
        return "session" in vars(self)

    def _has_to_wait(self, body: str) -> bool:
        try:
            return self.session.has_to_wait(self.session.around.bodies.read_ahead(body))
        except Exception:  # noqa: BLE001 - the magic that is called then says it
            return False

    def _guarded(self, step: Callable[[Session], None]) -> None:
        """A fault of ours never breaks the user's cell."""
        if self._is_told and not self._is_open:
            return  # a command of ours tries again
        try:
            step(self.session)
        except Exception as fault:  # noqa: BLE001 - told in one line
            self._tell(fault)

    def _tell(self, fault: Exception) -> None:
        why = str(fault) if isinstance(fault, NbflowError) else f"{type(fault).__name__}: {fault}"
        if self._is_open:
            self.session.plain.forget()
            self.session.around.screen.say(f"nbflow could not follow this cell ({why}); it is not cached")
            return
        self._is_told = True
        screen = importlib.import_module("nbflow.notebook.outputs").Screen(self._shell)
        screen.say(f"nbflow follows no cell before a %flow command works: {why}")


def past(task: str, run: int | str = -1) -> object:
    """The value that a task had after an earlier run; nothing in the session changes.

    Of a task that makes several it is a dict, without what its body only imports or defines.

    Args:
        task: Its name.
        run: `12` or `"#12"`, `-1` for the result before the present one, or a time such as
            `"yesterday 14:00"`.

    Raises:
        SessionError: If there is no such run, or its values are no longer stored.
    """
    return session().past(task, run)


def _is_followed(info: Any) -> bool:
    """Whether a cell is one of the user's: tools of the front end run code without history."""
    return bool(info.store_history) and not info.silent


def _is_end_of(cell: Any, result: Any) -> bool:
    """Whether a result is that of a cell, by what IPython said when it began, or of none at all.

    Where Ctrl-C has ended the loop in which the cell awaited, IPython makes a new one of it.
    """
    if result is None or result.info is cell:
        return True
    return result.error_in_exec is not None and result.info.raw_cell == cell.raw_cell


def _stable(handle: str) -> str:
    """The cell's identifier where the front end sends that of the notebook's file."""
    return "" if handle.startswith("vscode-notebook-cell:") else handle


def _ready() -> Any:
    """What opens sessions, imported with all that they need."""
    opening = importlib.import_module("nbflow.notebook.opening")
    describe()
    return opening


def _get_ready() -> None:
    with suppress(Exception):  # a session that cannot be opened says so when it is
        _ready()


def _put_back(owner: dict[str, Any], name: str, before: Any) -> None:
    if before is None:
        owner.pop(name, None)
    else:
        owner[name] = before


def attach(shell: Any) -> None:
    """Attach nbflow to a shell; once only."""
    if id(shell) not in _ATTACHED:
        _ATTACHED[id(shell)] = Attached(shell)


def detach(shell: Any) -> None:
    """Take nbflow out of a shell again."""
    attached = _ATTACHED.pop(id(shell), None)
    if attached is not None:
        attached.detach()


def view(value: object = None) -> Shown:
    """A flow, a state, a run, a future or a task, which shows itself; by default the notebook's own flow.

    Flows are live as `%flow` is, where they can be: an explicit one follows its runs in this notebook. A run
    of a graph is the graph in the run's colours, any other run is the tree of all that it has started.

    Args:
        value: What to show; None: the flow of the running shell's notebook.

    Raises:
        SessionError: If the notebook's flow is asked for and nbflow is not loaded there.
        DefinitionError: If it is nothing of these.

    Example:
        >>> from nbflow.states import Failed
        >>> view(Failed("no such file"))
        Failed('no such file')
    """
    if value is None:
        return session().live.show()
    from nbflow.flows.base import BaseFlow
    from nbflow.flows.gallery import show

    attached = _attached()
    if isinstance(value, BaseFlow) and attached is not None and attached.session.live.is_possible:
        return attached.session.live.show_flow(value)
    return show(value)


def session() -> PythonSession:
    """The session of the running shell; its methods are the commands of `%flow`.

    Raises:
        SessionError: If nbflow is not loaded there.
    """
    from nbflow.notebook.commands import no_session

    attached = _attached()
    if attached is None:
        raise no_session()
    return attached.session


def _attached() -> Attached | None:
    """The running shell, if nbflow is in it."""
    from IPython.core.getipython import get_ipython

    return _ATTACHED.get(id(get_ipython()))
