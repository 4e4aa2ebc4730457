"""Where the text of a cell asks what time it is, otherwise than by calling a clock by its name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbflow.analysis.effects import CLOCKS, effect_of, parts_of
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
    origin = node.attr if isinstance(node, ast.Attribute) else frame.cell.origins.get(node.id, "")
    if origin.rpartition(".")[2] in CLOCKS:
        effect = effect_of(dotted(node), frame.cell.origins)
        frame.effects.update((effect,) if effect.startswith("clock: ") else ())


def asked_by_call(frame: Frame, node: ast.Call, path: str) -> str:
    """The effect of a call that takes the present time for want of another, or by a word; else nothing.

    Args:
        frame: The code that calls.
        node: The call.
        path: The dotted text of what is called.

    Example:
        >>> from nbflow import analyze
        >>> sorted(analyze("pd.Timestamp('now'), time.strftime('%Y')").effects)
        ['clock: pd.Timestamp', 'clock: time.strftime']
    """
    parts = parts_of(path, frame.cell.origins)
    fewest = _UNLESS_GIVEN.get(".".join(parts[-2:]), 0)
    if not fewest and parts[-1] not in _TAKE_NOW:
        return ""
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    words = {str(each.value).lower() for each in given if isinstance(each, ast.Constant)}
    is_asked = len(given) < fewest if fewest else not words.isdisjoint(_NOW)
    return f"clock: {path}" if is_asked else ""
