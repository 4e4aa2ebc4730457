"""The magics: each parses its line, calls the session, and shows what comes back."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from nbflow.exceptions import NbflowError, text_of
from nbflow.notebook.asked import Asked
from nbflow.notebook.cells import read_header
from nbflow.notebook.tracebacks import has_users_lines, render_only_users_part, render_stop, stand_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from nbflow.notebook.session import Session


@magics_class
class FlowMagics(Magics):
    """`%%task`, `%%params` and `%flow`.

    Args:
        shell: The IPython shell.
        session: Gives the session.
        asked: The cell that is running.
    """

    def __init__(self, shell: Any, session: Callable[[], Session], asked: Callable[[], Asked]) -> None:
        super().__init__(shell)
        self._session = session
        self._asked = asked

    @cell_magic
    def task(self, line: str, cell: str) -> Awaitable[None] | None:
        """Make this cell a task of the flow."""
        return self._run_header(f"%%task {line}\n{cell}")

    @cell_magic
    def params(self, line: str, cell: str) -> Awaitable[None] | None:
        """Make the assignments of this cell parameters of the flow, with these defaults.

        `%flow params NAME=VALUE` and `nbflow run -p NAME=VALUE` override them.
        """
        return self._run_header(f"%%params {line}\n{cell}")

    @line_magic
    def flow(self, line: str) -> Any:
        """Show and run the flow."""
        with _told_in_a_line():
            return _commands().perform(self._session(), line)

    async def flow_waiting(self, line: str) -> Any:
        """What `%flow` does, in a cell that may await something."""
        shell: Any = self.shell
        with _told_in_a_line():
            return await _commands().perform_waiting(self._session(), shell.var_expand(line))

    def _run_header(self, text: str) -> Awaitable[None] | None:
        """Run the cell; as the front end knows it, where it is that cell."""
        asked = self._asked()
        header, whole = read_header(text), read_header(asked.text)
        if header is not None and not header.body.strip():
            raise UsageError("this cell is nothing but its first line; write below it what it is to do")
        if header is None or whole is None or header.body.rstrip() != whole.body.rstrip():
            asked = Asked(text, number=asked.number, asks=asked.asks)
        try:
            source = self._session().around.bodies.source_read(asked.text)
            waits = self._session().has_to_wait(source)
        except NbflowError as error:
            raise UsageError(str(error)) from None
        return self._run_waiting(asked, source) if waits else self._run(asked, source)

    def _run(self, asked: Asked, source: str) -> None:
        with self._told_to_the_user():
            self._session().perform(self._session().run_header(asked, source))

    async def _run_waiting(self, asked: Asked, source: str) -> None:
        with self._told_to_the_user():
            await self._session().perform_waiting(self._session().run_header(asked, source))

    @contextmanager
    def _told_to_the_user(self) -> Generator[None]:
        try:
            yield
        except BaseException as error:
            told = self._for_the_user(error)
            if told is error:
                raise
            raise told from error.__cause__

    def _for_the_user(self, error: BaseException) -> BaseException:
        """Our own errors in one line; the user's with the traceback of the user's lines alone."""
        if isinstance(error, NbflowError) and not self._is_raised_by_body(error):
            return UsageError(str(error))
        render_only_users_part(error, _items_of(self._session(), error))
        return stand_in(error) if isinstance(error, SyntaxError) else error

    def _is_raised_by_body(self, error: NbflowError) -> bool:
        return self._session().is_raised_by_body(error) and has_users_lines(error)


def _items_of(session: Session, error: BaseException) -> str:
    """Which items of a mapped task an error is of, in words; empty where it is of none."""
    said = f": {text_of(error)}"
    for id, raised in session.work.action.errors.items():
        step = session.book.steps.get(id) if raised is error else None
        if step is not None and step.body.mapped and step.failure.endswith(said):
            return step.failure.removesuffix(said)
    return ""


@contextmanager
def _told_in_a_line() -> Generator[None]:
    """What a command has against its line, and a Stop without lines of ours."""
    try:
        yield
    except NbflowError as error:
        raise UsageError(str(error)) from None
    except KeyboardInterrupt as stop:
        render_stop(stop)
        raise


def _commands() -> Any:
    """The commands, with all the views that they show; imported with the first of them."""
    return importlib.import_module("nbflow.notebook.commands")


def describe() -> None:
    """Let help on the magics list all options and commands; what knows them takes a while to import."""
    options = importlib.import_module("nbflow.options")
    FlowMagics.task.__doc__ = f"""%%task [NAME] [options], or #@task [NAME] [options] as the first line.

Makes this cell a task of the flow and brings it up to date: what is stale above it runs first.
Without NAME it is called after what it assigns.

{options.help_text()}
"""
    FlowMagics.flow.__doc__ = f"%flow [COMMAND]\n\n{_commands().help_text()}\n"
