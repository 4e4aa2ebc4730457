"""The tree of runs: a run, and within it the runs that its body has started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.views import markup
from nbflow.views.groups import counts_of, group_words, is_bad, worst_first
from nbflow.views.looks import look_of_state
from nbflow.views.words import counted, duration, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.views.cards import RunCard

_MOST: Final = 100
"""How many runs of a group are listed."""

_FEW: Final = 25
"""Up to how many runs a group is open from the beginning."""

TREE_STYLE: Final = (
    ".nbf ul.nbf-u{list-style:none;margin:0;padding:0}"
    f".nbf ul.nbf-u ul.nbf-u{{margin-left:7px;padding-left:15px;border-left:1px solid {markup.LINE}}}"
    ".nbf ul.nbf-u li{margin:0;padding:2px 0}.nbf ul.nbf-u li>span{padding-left:16px}"
    ".nbf ul.nbf-u details>summary{list-style:none;border-radius:3px}"
    ".nbf ul.nbf-u summary::-webkit-details-marker{display:none}"
    f".nbf ul.nbf-u summary::before{{content:'';display:inline-block;width:5px;height:5px;"
    f"margin:0 8px 2px 1px;border:solid {markup.MUTED};border-width:0 1.5px 1.5px 0;"
    "transform:rotate(-45deg)}"
    ".nbf ul.nbf-u details[open]>summary::before{transform:rotate(45deg)}"
    f".nbf ul.nbf-u summary:hover{{background:{markup.TINT}}}"
)
"""The rules of a tree."""


def tree_html(runs: Sequence[RunCard]) -> str:
    """Return runs as a list in HTML; what has runs within it opens, items only where one is not well."""
    shown = _listed(runs)
    lines = [f"<li>{_branch(run)}</li>" for run in shown]
    rest = len(runs) - len(shown)
    more = f"<li><span>{markup.muted(_more(rest))}</span></li>" if rest else ""
    return f'<ul class="nbf-u">{"".join(lines)}{more}</ul>' if lines else ""


def tree_text(runs: Sequence[RunCard], depth: int = 0) -> list[str]:
    """Return runs as lines of text, what is within them indented.

    Example:
        >>> from nbflow.views.cards import RunCard
        >>> tree_text([RunCard("etl", "Failed", seconds=2, runs=(RunCard("raw", "Failed"),))])
        ['etl: failed · 2.0 s · 1 of 1 run failed', '  raw: failed']
    """
    lines: list[str] = []
    shown = _listed(runs)
    for run in shown:
        lines.append("  " * depth + f"{one_line(run.name, 60)}: " + " · ".join(_words(run)))
        lines += tree_text(run.runs, depth + 1)
    rest = len(runs) - len(shown)
    return [*lines, "  " * depth + _more(rest)] if rest else lines


def _branch(run: RunCard) -> str:
    look = look_of_state(run.state)
    word, *rest = _words(run)
    line = (
        f'<span class="{markup.tinted(look)}">{markup.icon(look)}</span> {markup.escaped(run.name, 80)} '
        f'<span class="{markup.tinted(look)}">{markup.escaped(word)}</span> {markup.muted(" · ".join(rest))}'
    )
    is_open = len(run.runs) <= _FEW and (not _are_items(run) or any(is_bad(each.state) for each in run.runs))
    return markup.folded(line, tree_html(run.runs), is_open=is_open) or f"<span>{line}</span>"


def _words(run: RunCard) -> list[str]:
    """State, duration, attempts, the members of a group and what the state says."""
    attempts = counted(run.attempts, "attempt") if run.attempts > 1 else ""
    group = group_words(counts_of(each.state for each in run.runs), "item" if _are_items(run) else "run")
    # That a group is what its members made it says the group already.
    message = "" if run.runs else one_line(run.message, 160)
    return [look_of_state(run.state).word, *filter(None, (duration(run.seconds), attempts, group, message))]


def _are_items(run: RunCard) -> bool:
    return any(each.index is not None for each in run.runs)


def _listed(runs: Sequence[RunCard]) -> Sequence[RunCard]:
    is_group = len(runs) > _FEW or any(run.index is not None for run in runs)
    return worst_first(runs)[:_MOST] if is_group else runs


def _more(rest: int) -> str:
    return f"{rest:,} more; those that are not well come first"
