"""Completion of headers and commands: IPython completes no options of magics by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from IPython.core import completer

from nbflow import options
from nbflow.notebook.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.notebook.session import Session

_HEADER: Final = re.compile(r"\s*(?:%%task|#\s?@task)\b(.*)")
_COMMAND: Final = re.compile(r"\s*%?flow\b(.*)")


def matcher(session: Callable[[], Session]) -> Any:
    """A matcher for IPython's completer.

    Args:
        session: Gives the session, whose tasks are completed.
    """
    ipython: Any = completer  # its decorators tell no types

    def nbflow_matcher(context: Any) -> dict[str, Any]:
        line = context.line_with_cursor[: context.cursor_position]
        found = [word for word in words_for(line, session) if word.startswith(context.token)]
        # Names of the namespace mean nothing in such a line.
        return {
            "completions": [ipython.SimpleCompletion(text=word) for word in found],
            "suppress": bool(found),
        }

    return ipython.context_matcher()(nbflow_matcher)


def words_for(line: str, session: Callable[[], Session]) -> list[str]:
    """What may stand at the end of a line; nothing where the line is none of ours.

    Args:
        line: The line up to the cursor.
        session: Gives the session.
    """
    header, command = _HEADER.match(line), _COMMAND.match(line)
    if header is not None and header[1]:
        return list(options.flags())
    if command is not None and command[1]:
        return list(_after_flow(command[1], session))
    return []


def _after_flow(text: str, session: Callable[[], Session]) -> Iterable[str]:
    name, space, _ = text.lstrip().partition(" ")
    if not space:
        return (known for known in COMMANDS if known)
    command = COMMANDS.get(name)
    tasks = [cell.step.name for cell in session().places.tasks()]
    return () if command is None else (*command.switches, *command.valued, *tasks)
