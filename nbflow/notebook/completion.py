"""The words of headers and commands: IPython completes no options of magics by itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbflow import options
from nbflow.cache_policies import POLICIES
from nbflow.header import read_runner
from nbflow.notebook.commands import COMMANDS
from nbflow.triggers import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from nbflow.notebook.session import Session

_HEADER: Final = re.compile(r"\s*(?:%%task|#\s?@task)\b(.*)")
_COMMAND: Final = re.compile(r"\s*%?flow\b(.*)")


def words_for(line: str, session: Callable[[], Session]) -> list[str]:
    """What may stand at the end of a line; nothing where the line is none of ours.

    Args:
        line: The line up to the cursor.
        session: Gives the session.
    """
    header, command = _HEADER.match(line), _COMMAND.match(line)
    if header is not None and header[1]:
        return list(_after_header(header[1], session))
    if command is not None and command[1]:
        return list(_after_flow(command[1], session))
    return []


def _after_header(text: str, session: Callable[[], Session]) -> Iterable[str]:
    """The values of the option before the cursor where they can be told, else all options."""
    before = text.split()[:-1] if not text.endswith(" ") else text.split()
    option = next((each for each in options.options() if options.flag_of(each) in before[-1:]), None)
    wanted = option.metadata["value"] if option is not None else ""
    if option is None or not wanted:
        return options.flags()
    if wanted.startswith("["):  # the word may be left out
        return (*wanted.strip("[]").split("|"), *options.flags())
    if option.name == "after":
        return _tasks(session)
    if option.name in _NAMED:
        return _NAMED[option.name]
    return wanted.split("|") if "|" in wanted else ()


_NAMED: Final = {
    "trigger": tuple(BUILT_IN),
    "runner": read_runner("inline").otherwise,
    "cache_policy": tuple(POLICIES),
}
"""What some options of a header call by a name of ours."""


def _after_flow(text: str, session: Callable[[], Session]) -> Iterable[str]:
    name, space, rest = text.lstrip().partition(" ")
    if not space:
        return filter(None, COMMANDS)
    command = COMMANDS.get(name)
    if command is None:
        return ()
    if name == "params" or rest.split(" ")[-2:-1] == ["-p"]:
        return (*command.switches, *(f"{each}=" for step in session().book for each in step.parameters))
    if name == "help":
        return filter(None, COMMANDS)
    pair = ("-p",) if "-p" in command.usage else ()
    tasks = _tasks(session) if "TASK" in command.usage else ()
    return (*command.switches, *command.valued, *pair, *_WORDS.findall(command.usage), *tasks)


_WORDS: Final = re.compile(r"(?<![\w.-])[a-z]{2,}(?!\w)")
"""What stands in the usage of a command as it is to be written."""


def _tasks(session: Callable[[], Session]) -> list[str]:
    return [cell.step.name for cell in session().places.tasks()]
