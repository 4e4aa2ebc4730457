"""Where the text of a cell asks what time it is, otherwise than by calling a clock by its name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.effects import effect_of, parts_of
from nbflow.analysis.facts import dotted

if TYPE_CHECKING:
    from nbflow.analysis.flow import Frame

_TAKE_NOW: Final = frozenset(
    ("Timestamp", "to_datetime", "datetime64", "DatetimeIndex", "date_range", "Period")
)
_NOW: Final = frozenset(("now", "today"))
_UNLESS_GIVEN: Final = {"time.strftime": 2, "time.asctime": 1, "utils.formatdate": 1}
"""Functions that take the present time where they are given fewer arguments than that."""


def note_clock(frame: Frame, node: ast.Attribute | ast.Name) -> None:
    """Keep that a clock is handed to somebody: whoever has it may ask it at any time."""
    known = isinstance(node, ast.Attribute) or node.id in frame.cell.origins
    effect = effect_of(dotted(node), frame.cell.origins) if known else ""
    if effect.startswith("clock: "):
        frame.effects.add(effect)


def asked_by_call(frame: Frame, node: ast.Call) -> str:
    """The effect of a call that takes the present time for want of another, or by a word; else nothing.

    Example:
        >>> from nbflow import analyze
        >>> sorted(analyze("pd.Timestamp('now'), time.strftime('%Y')").effects)
        ['clock: pd.Timestamp', 'clock: time.strftime']
    """
    path = dotted(node.func)
    parts = parts_of(path, frame.cell.origins)
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    fewest = _UNLESS_GIVEN.get(".".join(parts[-2:]), 0)
    says_now = parts[-1] in _TAKE_NOW and any(
        isinstance(each, ast.Constant) and str(each.value).lower() in _NOW for each in given
    )
    return f"clock: {path}" if says_now or len(given) < fewest else ""
