"""Lines of `%flow`: what a command is, and what stands behind its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nbflow.exceptions import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbflow.notebook.session import Session


@dataclass(frozen=True, slots=True)
class Command:
    """One command of `%flow`.

    Args:
        run: Does it.
        usage: What may stand behind its name.
        help: What it does, in a line.
        switches: Options that take no value.
        valued: Options that take one.
        acts: Whether it changes names, so that it cannot run in the middle of a cell.
    """

    run: Callable[[Session, Words], Any]
    usage: str
    help: str
    switches: tuple[str, ...] = ()
    valued: tuple[str, ...] = ()
    acts: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """What stands behind a command: plain words, switches, `-p NAME=VALUE` pairs, options with values."""

    plain: tuple[str, ...] = ()
    switches: frozenset[str] = frozenset()
    pairs: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    def one_or_none(self, what: str) -> str:
        """The only plain word, or an empty text.

        Raises:
            OptionError: If there are more.
        """
        if len(self.plain) > 1:
            raise OptionError(f"one {what} at a time; {', '.join(self.plain)} are {len(self.plain)}")
        return self.plain[0] if self.plain else ""


def words_of(name: str, command: Command, rest: Sequence[str]) -> Words:
    """What stands behind a command's name.

    Raises:
        OptionError: If the command knows nothing of the kind, or a value is missing.
    """
    plain: list[str] = []
    switches: set[str] = set()
    pairs: list[tuple[str, str]] = []
    values: list[tuple[str, str]] = []
    left = list(rest)
    while left:
        word = left.pop(0)
        if word == "-p" and "-p" in command.usage:
            if not left:
                raise OptionError("-p needs a value: -p NAME=VALUE")
            pairs.append(read_pair(left.pop(0)))
        elif word in command.switches:
            switches.add(word)
        elif (option := word.partition("="))[0] in command.valued:
            value = option[2] if option[1] else left.pop(0) if left else ""
            if not value:
                raise OptionError(f"{word} needs a value: %flow {name} {command.usage}")
            values.append((option[0], value))
        elif word.startswith("-") and not word.lstrip("-").isdecimal():
            raise OptionError.unknown(f"option of %flow {name}", word, (*command.switches, *command.valued))
        else:
            plain.append(word)
    if plain and not command.usage:
        raise OptionError(f"nothing stands behind %flow {name}, {plain[0]!r} neither: {command.help}")
    return Words(tuple(plain), frozenset(switches), tuple(pairs), tuple(values))


def read_pair(text: str) -> tuple[str, str]:
    """Name and value of `NAME=VALUE`.

    Raises:
        OptionError: If it is not of that form.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise OptionError(f"{text!r} is no parameter; write NAME=VALUE")
    return name, value
