"""How lines are laid out: what is indented, what is broken, and where blank lines stand."""

from __future__ import annotations

import io
import tokenize
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STEP: Final = "    "
_WIDTH: Final = 100
_STRING_ENDS: Final = {"FSTRING_START": "FSTRING_END", "TSTRING_START": "TSTRING_END"}


def indented(text: str, depth: int = 1) -> str:
    r"""Code one or more levels deeper; the lines inside texts stay as they are.

    Example:
        >>> indented("a = 1\nif a:\n    b = 2")
        '    a = 1\n    if a:\n        b = 2'
    """
    inside = _lines_inside_texts(text)
    lines = enumerate(text.split("\n"), 1)
    return "\n".join(
        line if number in inside or not line.strip() else STEP * depth + line for number, line in lines
    )


def _lines_inside_texts(text: str) -> set[int]:
    """The numbers of the lines that begin within a text of several lines."""
    inside: set[int] = set()
    starts: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        name = tokenize.tok_name[token.type]
        if name == "STRING":
            inside |= {*range(token.start[0] + 1, token.end[0] + 1)}
        elif name in _STRING_ENDS:
            starts.append(token.start[0])
        elif name in _STRING_ENDS.values():
            inside |= {*range(starts.pop() + 1, token.end[0] + 1)}
    return inside


def literal(value: object) -> str:
    """What stands for a value in code, in double quotes where these are not part of it.

    Example:
        >>> print(literal(["a", "b's", 3]))
        ["a", "b's", 3]
    """
    if isinstance(value, list):
        return f"[{', '.join(map(literal, cast('list[object]', value)))}]"
    text = repr(value)
    if not isinstance(value, str) or not text.startswith("'") or '"' in text:
        return text
    return f'"{text[1:-1]}"'


def broken(before: str, parts: Sequence[str], after: str, room: int = _WIDTH) -> str:
    r"""Parts in brackets in one line, or one in each line where that is too long.

    Example:
        >>> broken("f(", ["a", "b"], ")"), broken("f(", ["a", "b"], ")", room=4)
        ('f(a, b)', 'f(\n    a,\n    b,\n)')
    """
    line = f"{before}{', '.join(parts)}{after}"
    if len(line) <= room or not parts:
        return line
    inner = STEP + ", ".join(parts)
    if len(inner) <= room and len(inner) > len(STEP) + room // 2:
        return f"{before}\n{inner}\n{after}"
    return "\n".join([before, *(f"{STEP}{part}," for part in parts), after])


def apart(blocks: Iterable[tuple[str, int]]) -> str:
    r"""Blocks of lines below each other.

    Args:
        blocks: Each block with how many blank lines it wants above and below; the larger number counts.

    Example:
        >>> apart([("a", 0), ("b", 0), ("def f(): ...", 2), ("c", 0)])
        'a\nb\n\n\ndef f(): ...\n\n\nc'
    """
    return "".join(_apart(blocks))


def _apart(blocks: Iterable[tuple[str, int]]) -> Iterator[str]:
    before: int | None = None
    for text, wants in blocks:
        if before is not None:
            yield "\n" * (1 + max(before, wants))
        yield text
        before = wants
