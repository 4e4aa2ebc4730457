"""The options of a task: one class for header, decorator, help and completion.

A header is parsed by the fields of `TaskOptions`, `@task` takes the same names as keyword arguments, and
the help and the completion of `%%task` are made from their descriptions.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import Field, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import OptionError
from nbflow.retries import NO_RETRIES, Retries, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME: Final = re.compile(r"[^\W\d]\w*")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise OptionError(f"{text!r} is not a count; write a whole number from 0 on")
    return int(text)


def _durations(text: str) -> tuple[float, ...]:
    return tuple(parse_duration(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _option(help: str, value: str = "", read: Callable[[str], Any] = str, default: Any = None) -> Any:
    """A field with what header, help and completion need: without `value` it is a switch."""
    metadata = {"help": help, "value": value, "read": read}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What can be said of a task beside its body.

    Args:
        name: What people call it; empty: taken from what its cell assigns.
        retries: Extra attempts after a failure.
        retry_delay: Seconds before each of them; the last one counts for all further.
        timeout: The limit for each attempt in seconds; None: no limit.
        tags: Words to find it by.
        description: What it is for.
        defer: Whether its cell only registers it.

    Example:
        >>> read_options("clean --retries 2 --retry-delay 10s,1m").retry_delay
        (10.0, 60.0)
    """

    name: str = ""
    retries: int = _option("extra attempts after a failure", "N", _count, 0)
    retry_delay: tuple[float, ...] = _option(
        "time before each of them: 30, 30s, 10m, 2h", "D[,D…]", _durations, ()
    )
    timeout: float | None = _option("limit for each attempt: 30, 30s, 10m, 2h", "D", parse_duration)
    tags: tuple[str, ...] = _option("words to find it by", "a,b", _words, ())
    description: str = _option("what it is for", "TEXT", str, "")
    defer: bool = _option("register only, do not run", default=False)

    @property
    def attempts(self) -> Retries:
        """The retries as the engine takes them."""
        return Retries(limit=self.retries, delays=self.retry_delay) if self.retries else NO_RETRIES


def flag_of(option: Field[Any]) -> str:
    """How a header spells an option.

    Example:
        >>> [flag_of(option) for option in options()][:2]
        ['--retries', '--retry-delay']
    """
    return "--" + option.name.replace("_", "-")


def options() -> tuple[Field[Any], ...]:
    """The options of a header, in the order of its help; the name is none of them."""
    return fields(TaskOptions)[1:]


def read_options(text: str) -> TaskOptions:
    """Read what stands behind `%%task` or `#@task`.

    Raises:
        OptionError: If an option or its value does not exist; the message says what does.
    """
    by_flag = {flag_of(option): option for option in options()}
    given: dict[str, Any] = {}
    words = _split(text)
    while words:
        word = words.pop(0)
        flag, has_value, value = word.partition("=")
        if not flag.startswith("-"):
            _take_name(word, given)
            continue
        option = by_flag.get(flag)
        if option is None:
            raise OptionError.unknown("option", flag, by_flag)
        given[option.name] = _value_of(option, value if has_value else None, words)
    return replace(TaskOptions(), **given)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise OptionError(f"the header cannot be read: {error}") from None


def _take_name(word: str, given: dict[str, Any]) -> None:
    if "name" in given:
        raise OptionError(f"a task has one name; {given['name']!r} and {word!r} are two")
    if not _NAME.fullmatch(word):
        raise OptionError(f"{word!r} is not a name for a task; use letters, digits and _")
    given["name"] = word


def _value_of(option: Field[Any], value: str | None, words: list[str]) -> Any:
    wanted = option.metadata["value"]
    if not wanted:
        if value is not None:
            raise OptionError(f"{flag_of(option)} takes no value")
        return True
    if value is None:
        if not words:
            raise OptionError(f"{flag_of(option)} needs a value: {flag_of(option)} {wanted}")
        value = words.pop(0)
    try:
        return option.metadata["read"](value)
    except OptionError as error:
        raise OptionError(f"{flag_of(option)}: {error}") from None


def help_text() -> str:
    """All options, a line each, for `%%task?`."""
    rows = [(f"{flag_of(option)} {option.metadata['value']}".strip(), option) for option in options()]
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(f"  {usage:<{width}}  {option.metadata['help']}" for usage, option in rows)
