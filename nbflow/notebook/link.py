"""The link to a page: what a live view needs of the kernel that it lives in.

Each kernel has its own way to hear a page while a cell runs (ipykernel: subshells, from 7 on), and some have
none; what is private to ipykernel is used only where it is there, and without it the page is heard when
the cell has ended.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"
_PATIENCE: Final = 2.0


class Link:
    """The kernel of a shell, as far as live views need it.

    Args:
        shell: The IPython shell; None: there is no kernel.
    """

    def __init__(self, shell: Any = None) -> None:
        self._shell = shell
        self._kernel: Any = getattr(shell, "kernel", None)

    @property
    def is_open(self) -> bool:
        """Whether somebody who sees pages sits before the screen: who executes notebooks cannot be asked."""
        return self._kernel is not None and bool(getattr(self._kernel, "_allow_stdin", False))

    @property
    def shows_widgets_apart(self) -> bool:
        """Whether the host shows each output in a place of its own, where a page finds no other output."""
        return "google.colab" in sys.modules or self._cell().startswith("vscode-notebook-cell:")

    def _cell(self) -> str:
        try:
            return str(self._shell.get_parent()["metadata"].get("cellId", ""))
        except (AttributeError, KeyError, TypeError):
            return ""

    @property
    def is_here(self) -> bool:
        """Whether this is the thread that cells run in."""
        return threading.current_thread() is threading.main_thread()

    def soon(self, call: Callable[[], object], seconds: float = 0.0) -> bool:
        """Have something done between two cells, in the thread that they run in.

        Returns:
            Whether it will be.
        """
        loop: Any = getattr(self._kernel, "io_loop", None)
        if loop is None:
            return False
        if seconds:
            loop.add_callback(loop.call_later, seconds, call)
        else:
            loop.add_callback(call)
        return True

    def hear_while_busy(self, comm: Any) -> bool:
        """Let the messages of a comm be heard while a cell runs; return whether they will be.

        ipykernel 7.4 hands them to the shell that last sent something on the comm, which is the busy one.
        """
        version = str(getattr(self._kernel, "implementation_version", ""))
        if not getattr(self._kernel, "_supports_kernel_subshells", False) or version.startswith("7.0"):
            return False
        if not hasattr(comm, "_reply_subshell_for"):
            return True
        try:
            own = self._own_subshell()
        except Exception:  # noqa: BLE001 - all of this is private to ipykernel
            return False

        def reply_subshell(_data: object, default: str | None) -> str:
            return default or own

        comm._reply_subshell_for = reply_subshell
        return True

    def _own_subshell(self) -> str:
        """A shell beside the one that runs cells."""
        thread: Any = self._kernel.shell_channel_thread
        made: Future[str] = Future()

        def make() -> None:
            try:
                made.set_result(thread.manager._create_subshell())
            except BaseException as error:  # noqa: BLE001 - whoever waits is told
                made.set_exception(error)

        thread.io_loop.add_callback(make)
        return made.result(_PATIENCE)

    def stop(self) -> None:
        """Do what the front end's Stop does."""
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:
            _thread.interrupt_main()

    @contextmanager
    def interruptible(self) -> Generator[None]:
        """Let Stop interrupt what is done between two cells, where kernels ignore it otherwise."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
