"""The options of a task: one class for header, decorator, help and completion.

A header is parsed by the fields of `TaskOptions`, `@task` takes the same names as keyword arguments, with
Prefect's names for the same settings, and the help and the completion of `%%task` are made from their
descriptions.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import Field, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.exceptions import OptionError
from nbflow.retries import NO_RETRIES, Retries, parse_delays, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NAME: Final = re.compile(r"[^\W\d]\w*")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise OptionError(f"{text!r} is not a count; write a whole number from 0 on")
    return int(text)


def _durations(text: str) -> tuple[float, ...]:
    return tuple(parse_duration(part) for part in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _as_text(value: object) -> str:
    if not isinstance(value, str):
        raise OptionError(f"{value!r} is not a text")
    return value


def _as_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise OptionError(f"{value!r} is not a count; give a whole number from 0 on")
    return value


def _as_words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return _words(value)
    if not isinstance(value, Iterable):
        raise OptionError(f"{value!r} are no words; give a list of texts")
    return tuple(_as_text(word) for word in cast("Iterable[object]", value))


def _option(
    help: str,
    value: str = "",
    read: Callable[[str], Any] = str,
    default: Any = None,
    take: Callable[[Any], Any] = bool,
) -> Any:
    """A field with what header, help, completion and `@task` need.

    Args:
        help: What it is, in a line.
        value: What a header writes behind it; empty: it is a switch.
        read: Makes its value of what stands in a header.
        default: Its value where nothing is said.
        take: Makes its value of what a keyword argument gives.
    """
    metadata = {"help": help, "value": value, "read": read, "take": take}
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

    name: str = _option("what people call it", "NAME", default="", take=_as_text)
    retries: int = _option("extra attempts after a failure", "N", _count, 0, _as_count)
    retry_delay: tuple[float, ...] = _option(
        "time before each of them: 30, 30s, 10m, 2h", "D[,D…]", _durations, (), tuple
    )
    timeout: float | None = _option(
        "limit for each attempt: 30, 30s, 10m, 2h", "D", parse_duration, take=parse_duration
    )
    tags: tuple[str, ...] = _option("words to find it by", "a,b", _words, (), _as_words)
    description: str = _option("what it is for", "TEXT", str, "", _as_text)
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


_OTHER_NAMES: Final = {
    "max_retries": "retries",
    "retry_delay_seconds": "retry_delay",
    "timeout_seconds": "timeout",
}
"""Prefect's names for the same settings."""


def take_options(given: Mapping[str, Any], base: TaskOptions | None = None) -> TaskOptions:
    """The options that keyword arguments give, by our names or by Prefect's.

    Args:
        given: The keyword arguments; None takes an option back to its default.
        base: The options that count where nothing is given.

    Raises:
        OptionError: If an option or its value does not exist; the message says what does.

    Example:
        >>> take_options({"retries": 2, "retry_delay_seconds": [1, "1m"]}).retry_delay
        (1.0, 60.0)
    """
    by_name = {option.name: option for option in fields(TaskOptions)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        own = _OTHER_NAMES.get(name, name)
        if own not in by_name:
            raise OptionError.unknown("option", name, (*by_name, *_OTHER_NAMES))
        if own in values:
            raise OptionError(f"{name} and {own} are one option; give it once")
        values[own] = value
    base = base or TaskOptions()
    retries = values.get("retries", base.retries)
    return replace(base, **{name: _taken(by_name[name], value, retries) for name, value in values.items()})


def _taken(option: Field[Any], value: Any, retries: object) -> Any:
    if value is None:
        return option.default
    try:
        if option.name == "retry_delay":
            return parse_delays(value, _as_count(retries or 0))
        return option.metadata["take"](value)
    except OptionError as error:
        raise OptionError(f"{option.name}: {error}") from None
    except (TypeError, ValueError):
        raise OptionError(f"{option.name}={value!r} makes no sense") from None


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
