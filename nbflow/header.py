"""What the options of a header are written as, and what is read from it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.cache_policies import CachePolicy, parse_policy
from nbflow.exceptions import OptionError
from nbflow.retries import parse_duration
from nbflow.task_runners import NAMES
from nbflow.triggers import BUILT_IN, parse_trigger

if TYPE_CHECKING:
    from nbflow.triggers import Trigger

_NAME: Final = re.compile(r"[^\W\d]\w*")
_DOTTED: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True)
class Named:
    """What a header calls by a name of the notebook; it is looked up when it is needed.

    Args:
        name: The name, with attributes if need be.
        otherwise: What else could have been meant, for the message where nothing has that name.
    """

    name: str
    otherwise: tuple[str, ...] = ()

    def __call__(self, *_: object) -> Any:
        """Refuse: whoever knows the notebook puts what it stands for in its place."""
        raise OptionError(f"nobody can tell what {self.name!r} is outside of its notebook")


def read_trigger(text: str) -> Trigger | Named:
    """A trigger of ours, or the name of one of the notebook's.

    Raises:
        OptionError: If it is neither.

    Example:
        >>> read_trigger("all_failed"), read_trigger("my.own").name
        (all_failed, 'my.own')
    """
    try:
        return parse_trigger(text)
    except OptionError:
        if not _DOTTED.fullmatch(text):
            raise
        return Named(text, tuple(BUILT_IN))


def read_policy(text: str) -> CachePolicy:
    """A cache policy for a cell, whose code always counts.

    Raises:
        OptionError: If it is none.

    Example:
        >>> read_policy("DEFAULT - 'engine'")
        INPUTS + TASK_SOURCE - 'engine'
    """
    policy = parse_policy(text)
    if policy and "TASK_SOURCE" not in policy.parts:
        raise OptionError(
            f"{text!r} leaves out the code, which counts for every cell; write DEFAULT or TASK_SOURCE"
        )
    return policy


def read_validator(text: str) -> Any:
    """A validator of `nbflow.engine.cache_validators`, by which earlier results of a cell are compared.

    Raises:
        OptionError: If it is none of them.

    Example:
        >>> read_validator("partial_inputs_only(['year'])"), read_validator("duration_only")
        (partial_inputs_only(['year']), duration_only)
    """
    known = import_module("nbflow.engine.cache_validators")
    names = [name for name in known.__all__ if name.islower()]
    word, bracket, rest = text.strip().partition("(")
    if word not in names:
        raise OptionError.unknown("cache validator", word, names)
    found = getattr(known, word)
    if not bracket:
        return found
    try:
        wanted = ast.literal_eval(f"({rest}")
    except (ValueError, SyntaxError):
        wanted = None
    listed = [wanted] if isinstance(wanted, str) else wanted
    if not word.startswith("partial") or not isinstance(listed, (list, tuple)):
        raise OptionError(f"{text!r} is no cache validator; write for example partial_inputs_only(['year'])")
    return found.on([str(name) for name in cast("list[object]", listed)])


def read_inputs(text: str) -> tuple[str, ...]:
    """Names of the notebook.

    Raises:
        OptionError: If one is none.

    Example:
        >>> read_inputs("a, b")
        ('a', 'b')
    """
    names = words_in(text)
    wrong = next((name for name in names if not is_name(name)), None)
    if wrong is not None or not names:
        raise OptionError(
            f"{wrong if wrong is not None else text!r} is no name; write names of variables: a,b"
        )
    return names


def read_runner(text: str) -> Named:
    """The name of a runner, ours or one of the notebook's.

    Raises:
        OptionError: If it is no name.

    Example:
        >>> read_runner("thread").name
        'thread'
    """
    if not _DOTTED.fullmatch(text):
        raise OptionError(f"{text!r} is no name; name a runner: inline, thread, or one of the notebook")
    return Named(text, tuple(NAMES))


def read_names(text: str) -> tuple[Named, ...]:
    """The functions of the notebook that a list of names stands for.

    Raises:
        OptionError: If one is no name.

    Example:
        >>> [each.name for each in read_names("tell, log.it")]
        ['tell', 'log.it']
    """
    for name in words_in(text):
        if not _DOTTED.fullmatch(name):
            raise OptionError(f"{name!r} is no name; name a function of the notebook")
    return tuple(map(Named, words_in(text)))


def words_in(text: str) -> tuple[str, ...]:
    """The words of a list with commas.

    Example:
        >>> words_in("a, b,")
        ('a', 'b')
    """
    return tuple(part.strip() for part in text.split(",") if part.strip())


def is_name(text: str) -> bool:
    """Whether a text can be the name of a task or of a variable.

    Example:
        >>> is_name("clean_2"), is_name("2nd")
        (True, False)
    """
    return _NAME.fullmatch(text) is not None


def read_count(text: str) -> int:
    """A whole number from 0 on.

    Raises:
        OptionError: If it is none.

    Example:
        >>> read_count("3")
        3
    """
    if not text.isdecimal():
        raise OptionError(f"{text!r} is not a count; write a whole number from 0 on")
    return int(text)


def read_durations(text: str) -> tuple[float, ...]:
    """Durations with commas between them, in seconds.

    Raises:
        OptionError: If one is none.

    Example:
        >>> read_durations("10s,1m")
        (10.0, 60.0)
    """
    return tuple(parse_duration(part) for part in text.split(","))


def read_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Names of elements and of what they are elements of.

    Raises:
        OptionError: If it is no list of pairs, or names something twice.

    Example:
        >>> read_pairs("x=xs,y=ys")
        (('x', 'xs'), ('y', 'ys'))
    """
    pairs = [tuple(name.strip() for name in part.split("=")) for part in text.split(",")]
    names = [name for pair in pairs for name in pair]
    if any(len(pair) != 2 for pair in pairs) or not all(map(is_name, names)):
        raise OptionError(f"{text!r} names no elements; write x=xs, or x=xs,y=ys")
    if len(set(names)) < len(names):
        raise OptionError(f"{text!r} names something twice; write x=xs, or x=xs,y=ys")
    return tuple((name, of) for name, of in pairs)


def read_yes_or_no(text: str) -> bool:
    """An answer.

    Raises:
        OptionError: If it is none.

    Example:
        >>> read_yes_or_no("no")
        False
    """
    if text not in ("yes", "no"):
        raise OptionError(f"{text!r} is no answer; write yes or no")
    return text == "yes"


def read_whether(text: str) -> bool | None:
    """An answer, or None for `auto`.

    Raises:
        OptionError: If it is none of these.

    Example:
        >>> read_whether("auto") is None, read_whether("yes")
        (True, True)
    """
    if text not in ("auto", "yes", "no"):
        raise OptionError(f"{text!r} is no answer; write auto, yes or no")
    return None if text == "auto" else text == "yes"
