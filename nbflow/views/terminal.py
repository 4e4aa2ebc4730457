"""Texts for terminals: how things stand in colours, and long lines broken below where they begin.

Colours are the eight that every terminal has its own shades of, light or dark. The word is always there, too;
`NO_COLOR` in the environment leaves it at that.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from nbflow.states import TYPES, StateType
from nbflow.views.looks import DEEDS, HUES, STATES, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.views.looks import Look

_CODES: Final[dict[str, int]] = dict(zip(HUES, (32, 36, 34, 33, 33, 31, 35, 36, 90), strict=True))
_QUIET: Final = (StateType.SCHEDULED, StateType.PENDING)
_GOOD: Final = ("Completed", "Mapped")
"""What the last run of most tasks is: beside a verdict it steps back."""

_NARROWEST: Final = 40
_INDENT: Final = 4
_ROOM: Final = 16
"""How much of a line the last column has at least, to be broken within."""


def _words() -> Iterator[tuple[str, Look]]:
    yield from ((look.word, look) for look in (*VERDICTS.values(), *DEEDS.values()))
    yield from (
        (word, look)
        for name, look in STATES.items()
        for word in (name, look.word)
        if TYPES[name] not in _QUIET and word not in _GOOD
    )


def for_terminal(text: str) -> str:
    """Return a text as the terminal shows it well that it is written to; anywhere else, as it is."""
    is_seen = sys.stdout is not None and sys.stdout.isatty()
    if not is_seen:
        return text
    told = fitted(text, shutil.get_terminal_size().columns)
    is_plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return told if is_plain else coloured(told)


def coloured(text: str) -> str:
    r"""Return a text in which words that say how something stands have their colours.

    Such a word stands alone: in its column, behind a name or a count.

    Example:
        >>> coloured("clean: stale · raw is stale")
        'clean: \x1b[33mstale\x1b[0m · raw is stale'
    """
    return _WORD.sub(lambda found: f"\x1b[{_COLOURS[found[0]]}m{found[0]}\x1b[0m", text)


def fitted(text: str, columns: int) -> str:
    """Return a text whose long lines go on below where their last column begins.

    Example:
        >>> print(fitted("clean  stale  LATE changed: 15 → 18, and raw was made anew by hand", 40))
        clean  stale  LATE changed: 15 → 18, and
                      raw was made anew by hand
    """
    wide = max(columns, _NARROWEST)
    return "\n".join(part for line in text.split("\n") for part in _broken(line, wide))


def _broken(line: str, wide: int) -> list[str]:
    if len(line) <= wide:
        return [line]
    gap = line.rfind("  ", 0, wide - _ROOM)
    indent = " " * (gap + 2 if gap > 0 else _INDENT)
    return wrap(line, wide, subsequent_indent=indent, break_on_hyphens=False)


_COLOURS: Final = {word: _CODES[look.hue] for word, look in _words()}
_ANY: Final = "|".join(sorted(map(re.escape, _COLOURS), key=len, reverse=True))
_WORD: Final = re.compile(rf"(?<=: |  |\d )(?:{_ANY})(?=  | ·|,|$)", re.MULTILINE)
