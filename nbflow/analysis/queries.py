"""Files that stand in the text of a query: a database opens them in a way that Python does not see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from nbflow.analysis.facts import looks_like_path, pattern_of

if TYPE_CHECKING:
    import ast

    from nbflow.analysis.flow import Frame

_STATEMENT: Final = re.compile(
    r"[\s(;]*(?:select|with|from|create|insert|copy|describe|summarize|pivot|attach|export|import|set|load"
    r"|install|begin|drop|delete|update|use|values)\b",
    re.IGNORECASE,
)
_NOTE: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_QUOTED: Final = re.compile(r"'((?:[^']|'')*)'")
_WRITES: Final = re.compile(r"\bcopy\b.*?\bto\s+'|\bexport\s+database\b", re.IGNORECASE | re.DOTALL)
WRITTEN: Final = "written: COPY"
"""The effect of a query that writes files."""


def files_in(text: str) -> tuple[set[str], bool]:
    """The files that a query names, and whether it writes one of them.

    Example:
        >>> files_in("copy t to 'out.csv'"), files_in("a word on 'a.csv'")
        (({'out.csv'}, True), (set(), False))
    """
    if "'" not in text:
        return set(), False
    query = _NOTE.sub(" ", text)
    if _STATEMENT.match(query) is None:
        return set(), False
    return set(filter(looks_like_path, _QUOTED.findall(query))), _WRITES.search(query) is not None


def note_query(frame: Frame, node: ast.Call) -> None:
    """Record the files that stand in the texts which a call is given, as far as these are queries.

    Args:
        frame: Where the call stands.
        node: The call.
    """
    for told in (*node.args, *(word.value for word in node.keywords)):
        paths, writes = files_in(pattern_of(told))
        frame.cell.paths |= paths
        if writes:
            frame.effects.add(WRITTEN)
