"""What a header calls by a name of the notebook: functions, and triggers of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import OptionError
from nbflow.triggers import BUILT_IN, parse_trigger

if TYPE_CHECKING:
    from nbflow.triggers import Trigger

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
