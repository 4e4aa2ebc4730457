"""The past in words: why a task is as it is, and what ran when."""

from __future__ import annotations

import difflib
from itertools import islice
from typing import TYPE_CHECKING, Final

from nbflow.secrets import KNOWN
from nbflow.views import markup
from nbflow.views.badge import headline
from nbflow.views.grid import Cell, Column, Grid, Row
from nbflow.views.looks import Look, look_of, look_of_state
from nbflow.views.table import name_cell
from nbflow.views.words import (
    cause_detail,
    cause_words,
    causes_words,
    counted,
    duration,
    moment,
    one_line,
    untold,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbflow.states import Transition
    from nbflow.types import Cause
    from nbflow.views.cards import HistoryCard, RunLine, WhyCard

_MOST_DIFF_LINES: Final = 200
_REMOVED: Final = "#e5383b"
_ADDED: Final = "#1ea64b"


# --- why ---------------------------------------------------------------------------------------


def why_html(why: WhyCard) -> str:
    """Return the causes, the result and the differences as HTML."""
    look = look_of(why.task)
    head = markup.heading(why.task.name, markup.marked(look), markup.muted(_how(why)))
    rows = (
        ("why", markup.bullets(map(_cause_html, why.causes))),
        ("error", markup.escaped(untold(why.task.error, why.causes), 600)),
        ("result", markup.escaped(why.reuse, 400)),
        ("notes", "<br>".join(markup.escaped(note, 400) for note in why.task.notes)),
    )
    changes = "".join(_diff_html(*diff) for diff in why.diffs)
    return f"{head}{markup.pairs(rows)}{changes}"


def why_text(why: WhyCard) -> str:
    """Return the same as text."""
    name = one_line(why.task.name, 60)
    how = _how(why)
    lines = [f"{name}: {look_of(why.task).word}" + (f" · {how}" if how else "")]
    lines += labelled("why", [told_cause(cause) for cause in why.causes])
    error = untold(why.task.error, why.causes)
    lines += labelled("error", [one_line(error, 600)] if error else [])
    lines += labelled("result", [one_line(why.reuse, 400)] if why.reuse else [])
    lines += labelled("notes", [one_line(note, 400) for note in why.task.notes])
    for subject, before, after in why.diffs:
        lines += ["", *(f"  {line}" for line in (f"{one_line(subject)}:", *difference(before, after)))]
    return "\n".join(lines)


def _how(why: WhyCard) -> str:
    """How the last run went, where the causes do not say it."""
    if why.causes or why.task.error:
        return ""
    return " · ".join(headline(why.task)[:1])


def labelled(label: str, lines: Sequence[str]) -> list[str]:
    """Return lines of text with a label before the first one."""
    return [f"  {label if place == 0 else '':<8}{line}" for place, line in enumerate(lines)]


def _cause_html(cause: Cause) -> str:
    detail = cause_detail(cause)
    return markup.escaped(cause_words(cause), 400) + (f" {markup.muted(f'({detail})')}" if detail else "")


def told_cause(cause: Cause) -> str:
    """Return a cause as a phrase, with what it was and is."""
    detail = cause_detail(cause)
    return cause_words(cause) + (f" ({detail})" if detail else "")


def difference(before: str, after: str) -> list[str]:
    r"""Return the lines of a unified difference without its file names.

    Example:
        >>> difference("def f(h):\n    return h // 6", "def f(h):\n    return h // 4")
        [' def f(h):', '-    return h // 6', '+    return h // 4']
    """
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    shown = list(islice(islice(lines, 3, None), _MOST_DIFF_LINES + 1))
    shown = ["  ⋯" if line.startswith("@@") else _plain(line) for line in shown]
    return [*shown[:_MOST_DIFF_LINES], "  … more"] if len(shown) > _MOST_DIFF_LINES else shown


def _plain(line: str) -> str:
    """A line of code with its indentation, without control characters."""
    text = "".join(char if char.isprintable() else " " for char in KNOWN.masked(line).expandtabs(4))
    return text[:400]


def _diff_html(subject: str, before: str, after: str) -> str:
    return f'<div class="nbf-m">{markup.escaped(subject)}</div>{difference_html(before, after)}'


def difference_html(before: str, after: str) -> str:
    """Return the same as HTML."""
    lines = "".join(map(_diff_line, difference(before, after)))
    return f'<pre class="nbf-x">{lines}</pre>'


def _diff_line(line: str) -> str:
    hue = {"-": _REMOVED, "+": _ADDED}.get(line[:1])
    text = markup.escaped_code(line) + "\n"
    if hue is None:
        return f"<span>{text}</span>"
    ground = f"background:color-mix(in srgb,{hue} 12%,transparent)"
    return f'<span style="{markup.coloured(hue)};{ground}">{text}</span>'


# --- history -----------------------------------------------------------------------------------


def history_grid(history: HistoryCard) -> Grid:
    """Return the table of runs."""
    columns = (
        Column("run", is_number=True),
        Column("started"),
        Column("task"),
        Column("state"),
        Column("took", is_number=True),
        Column("attempts", is_number=True),
        Column("result"),
        Column("origin"),
        Column("why", "nbf-c", limit=100),
    )
    return Grid(columns, tuple(_history_row(line, history.now) for line in history.lines))


def _history_row(line: RunLine, now: float) -> Row:
    look = look_of_state(line.state)
    is_first = bool(line.causes) and all(cause.category == "never ran" for cause in line.causes)
    why = "first run" if is_first else causes_words(line.causes)
    cells = (
        Cell(f"#{line.number}" if line.number else "·"),
        Cell(moment(line.started, now)),
        name_cell(line.task),
        Cell(line.state, _mark(look, line.state)),
        Cell(duration(line.seconds)),
        Cell(str(line.attempts) if line.attempts > 1 else ""),
        Cell(line.kept, markup.muted(line.kept)),
        Cell(line.origin, markup.muted(line.origin)),
        Cell(why, markup.escaped(why, 400) + _states_html(line.transitions)),
    )
    return Row(cells)


def _mark(look: Look, state: str) -> str:
    return markup.marked(look, state)


def history_text(history: HistoryCard) -> str:
    """Return the table as text, the states of each run beneath it where they are given."""
    head, *rows = history_grid(history).as_text().splitlines()
    lines = [head]
    for row, line in zip(rows, history.lines, strict=True):
        lines.append(row)
        if line.transitions:
            lines.append(f"      {states_words(line.transitions)}")
    return "\n".join(lines)


def states_words(transitions: Sequence[Transition]) -> str:
    """Return the states of a run in a row, each with the time since the first and its message.

    Example:
        >>> from nbflow.states import Transition
        >>> states_words([Transition("r", 1, 1, 5.0, "PENDING", "Pending"),
        ...               Transition("r", 1, 1, 5.4, "FAILED", "Failed", "KeyError: 'x'")])
        "Pending → Failed +0.4 s (KeyError: 'x')"
    """
    return " → ".join(_state_texts(transitions))


def _state_texts(transitions: Sequence[Transition]) -> Iterator[str]:
    for place, entry in enumerate(transitions):
        since = f" +{duration(entry.at - transitions[0].at)}" if place else ""
        message = one_line(entry.message, 80)
        yield one_line(entry.name, 40) + since + (f" ({message})" if message else "")


def _states_html(transitions: Sequence[Transition]) -> str:
    if not transitions:
        return ""
    looks = [look_of_state(entry.name) for entry in transitions]
    steps = [
        f'<span class="{markup.tinted(look)}">{markup.escaped(text, 160)}</span>'
        for look, text in zip(looks, _state_texts(transitions), strict=True)
    ]
    return markup.folded(markup.muted(counted(len(steps), "state")), " → ".join(steps))
