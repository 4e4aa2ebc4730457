"""What single expressions tell besides names: texts that may be paths, seeds."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.names import TEXT_NAMES
from nbflow.analysis.result import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.analysis.flow import Cell

_SUFFIX: Final = re.compile(r"\.(?=\w*[A-Za-z])\w{1,10}\Z")
_FIELD: Final = re.compile(r"\{[^{}]*\}|%[-+ #0-9.]*[a-zA-Z]|%\(\w+\)[-+ #0-9.]*[a-zA-Z]")
_LONGEST_PATH: Final = 1024
_DEEPEST_JOIN: Final = 12
ANYTHING: Final = "*"


# -- paths ----------------------------------------------------------------------------------------


def looks_like_path(text: str) -> bool:
    """Say whether a text has a separator or a suffix, as a path or a glob pattern has.

    Example:
        >>> [looks_like_path(t) for t in ("data/a.csv", "a.csv", "*.parquet", "late", "https://a.b/c", "1.5")]
        [True, True, True, False, False, False]
    """
    if len(text) > _LONGEST_PATH or "\n" in text or "\0" in text or text != text.strip():
        return False
    if "://" in text and not text.startswith("file://"):
        return False
    named = any(letter.isalnum() for letter in text)
    return named and ("/" in text or "\\" in text or _SUFFIX.search(text) is not None)


def note_text(cell: Cell, text: str) -> None:
    """Keep a text that may be a path, and the pattern that it is where fields are filled in."""
    if not looks_like_path(text):
        return
    cell.paths.add(text)
    if "{" in text or "%" in text:
        pattern = _FIELD.sub(ANYTHING, text)
        if pattern != text and looks_like_path(pattern):
            cell.paths.add(pattern)


def note_join(cell: Cell, node: ast.BinOp | ast.Call) -> None:
    """Keep the pattern of a path that is put together, as `folder / "a.csv"` or `"a" + ".csv"`."""
    pattern = pattern_of(node)
    if pattern:
        note_text(cell, pattern)


def note_place(cell: Cell, node: ast.Call) -> None:
    """Keep what a call is told to read or write where it is a text, be it without a suffix."""
    named = [word.value for word in node.keywords if word.arg in _PLACES]
    for place in (*node.args[:2], *named):
        told = place.value if isinstance(place, ast.Constant) else None
        if isinstance(told, str) and told not in _MODES and "://" not in told:
            cell.paths.add(told if looks_like_path(told) else f"./{told}")


_PLACES: Final = ("source", "path", "where", "path_or_paths", "file", "name")
_MODES: Final = ("r", "r+", "w", "w-", "x", "a")


def pattern_of(node: ast.expr, depth: int = 0) -> str:
    """Give the glob pattern of a text or path, with `*` for what only execution tells.

    Returns:
        The pattern; empty where nothing is known of it.

    Example:
        >>> pattern_of(ast.parse("f'data/{year}' + '.csv'", mode="eval").body)
        'data/*.csv'
    """
    pattern = _pattern(node, depth)
    return pattern if pattern.strip("*/\\ ") else ""


def _pattern(node: ast.expr, depth: int) -> str:
    if depth > _DEEPEST_JOIN:
        return ANYTHING
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_pattern(part, depth + 1) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _pattern(left, depth + 1) + _pattern(right, depth + 1)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined([left, right], depth)
        case ast.BinOp(left=left, op=ast.Mod()):
            return _FIELD.sub(ANYTHING, _pattern(left, depth + 1))
        case ast.Call(func=function, args=args) if args:
            return _pattern_of_call(function, args, depth)
        case _:
            return ANYTHING


def _pattern_of_call(function: ast.expr, args: list[ast.expr], depth: int) -> str:
    match function:
        case ast.Name(id="Path" | "PurePath" | "str" | "join") | ast.Attribute(attr="Path" | "PurePath"):
            return _joined(args, depth)
        case ast.Attribute(value=ast.Attribute(attr="path") | ast.Name(id="path" | "osp"), attr="join"):
            return _joined(args, depth)
        case ast.Attribute(value=folder, attr="joinpath"):
            return _joined([folder, *args], depth)
        case _:
            return ANYTHING


def _joined(parts: Iterable[ast.expr], depth: int) -> str:
    texts = [_pattern(part, depth + 1).rstrip("/") for part in parts]
    return re.sub(r"(\*/)+\*/", "*/", "/".join(texts))


JOINS: Final = frozenset(("join", "joinpath", "Path", "PurePath"))
"""Functions that put paths together."""

NO_PATHS: Final = frozenset(
    [
        "sub",
        "subn",
        "match",
        "search",
        "findall",
        "finditer",
        "fullmatch",
        "split",
        "rsplit",
        "contains",
        "extract",
        "extractall",
        "compile",
        "strftime",
        "strptime",
        "startswith",
        "endswith",
        "strip",
        "lstrip",
        "rstrip",
        "replace",
        "removeprefix",
        "removesuffix",
        "count",
        "partition",
        "rpartition",
    ]
)
"""Functions whose texts are patterns or parts of texts rather than paths."""


# -- what documents functions ---------------------------------------------------------------------


def note_shown(cell: Cell, word: str) -> None:
    """Keep that a cell looks at docstrings, annotations or signatures, as this name or text says."""
    if word in TEXT_NAMES:
        cell.shown.add(EVERYTHING)


def dotted(node: ast.AST) -> str:
    """Give the dotted text of a name with attributes, without subscripts and inner calls.

    Example:
        >>> dotted(ast.parse("df.groupby('a')[b].foo", mode="eval").body)
        'df.groupby.foo'
    """
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Await):
            node = node.value
        else:
            break
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))
