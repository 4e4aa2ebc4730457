"""The badge: one line under a task cell that says how its task stands, and opens to say why."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nbflow.states import TYPES, StateType
from nbflow.types import Verdict
from nbflow.views import markup
from nbflow.views.looks import REUSED, VERDICTS, look_of, look_of_state
from nbflow.views.words import (
    cause_detail,
    cause_words,
    causes_words,
    duration,
    listed,
    moment,
    one_line,
    size,
    untold,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nbflow.types import Cause
    from nbflow.views.cards import RunLine, TaskCard
    from nbflow.views.looks import Look

_MOST_CAUSES: Final = 2
_OPEN: Final = frozenset(StateType) - {
    StateType.COMPLETED,
    StateType.FAILED,
    StateType.CANCELLED,
    StateType.CRASHED,
}


def badge_html(card: TaskCard, *, static: bool = False) -> str:
    """Return the badge as HTML.

    Args:
        card: The task.
        static: Whether to leave out times, run numbers and all else that differs between two runs
            on the same inputs, so that a saved notebook stays as it is.
    """
    look = _look(card, static=static)
    name = f"<b>{markup.escaped(card.name, 60)}</b>"
    news = markup.escaped(" · ".join(headline(card, static=static)), 300)
    line = (
        f'<span class="nbf-o" style="{markup.coloured(look.hue)}">{markup.icon(look)}</span> {name} '
        f'<span style="{markup.coloured(look.hue)}">{markup.escaped(look.word)}</span> '
        f'<span class="nbf-w">{news}</span>'
    )
    details = markup.pairs(_details(card, static=static))
    root = 'class="nbf nbf-b tex2jax_ignore mathjax_ignore"'
    style = f"<style>{markup.BADGE_STYLE}</style>"
    if not details:
        return f'{style}<div {root}><div class="nbf-s">{line}</div></div>'
    return f"{style}<details {root}><summary>{line}</summary>{details}</details>"


def _look(card: TaskCard, *, static: bool) -> Look:
    """Whether a fresh result was computed or reused is a matter of one run, not of the result."""
    look = look_of(card)
    return VERDICTS[Verdict.FRESH] if static and look is REUSED else look


def badge_text(card: TaskCard, *, static: bool = False) -> str:
    """Return the badge as one line of text.

    Example:
        >>> from nbflow.views.cards import TaskCard
        >>> card = TaskCard("clean", Verdict.FRESH, "Cached", saved=1.4, run=12)
        >>> badge_text(card), badge_text(card, static=True)
        ('clean: fresh · reused from run 12, saved 1.4 s', 'clean: fresh')
    """
    return " · ".join((f"{one_line(card.name, 60)}: {look_of(card).word}", *headline(card, static=static)))


def under_way(card: TaskCard, state: str, attempt: int, seconds: float | None, error: str) -> TaskCard:
    """Return the card of a task whose run has come to a state since, and which nobody has judged anew.

    Args:
        card: The task as it stood before the run.
        state: Name of the state.
        attempt: Which attempt.
        seconds: How long the run took; None while it goes on.
        error: What it failed with; an empty text if it did not.

    Example:
        >>> from nbflow.views.cards import TaskCard
        >>> stale = TaskCard("clean", Verdict.STALE, "Completed", seconds=1.4, run=12)
        >>> badge_text(under_way(stale, "Running", 1, None, ""))
        'clean: running · took 1.4 s last time'
        >>> badge_text(under_way(stale, "Completed", 1, 2.0, ""))
        'clean: completed · ran in 2.0 s'
    """
    # Why the result before was made says nothing of this run.
    causes = card.causes if card.verdict is not Verdict.FRESH else ()
    begun = replace(card, verdict=None, state=state, attempt=attempt, error=error, causes=causes, saved=None)
    return begun if seconds is None else replace(begun, seconds=seconds, run=0, made=None, size=None)


def headline(card: TaskCard, *, static: bool = False) -> tuple[str, ...]:
    """Return what is to be said beside the word: the reason where something is wrong, else how it went."""
    kind = TYPES.get(card.state)
    word = look_of(card).word
    if kind in _OPEN:
        parts = _while_open(card, static=static)
    elif card.verdict is None and card.state == "Completed":
        parts = () if static else _when_fresh(card)
    elif word not in ("fresh", "stale", "waits", "as of", "not run", "registered"):
        parts = (card.error or _some(card.causes), _attempt(card, static=static))
    elif card.verdict is Verdict.FRESH:
        parts = () if static else _when_fresh(card)
    else:
        made = "" if static or card.verdict is not Verdict.AS_OF else moment(card.made)
        parts = (made, _some(card.causes))
    # What is shown above may be old: that must not be cut off at the end of a long line.
    notes = sorted(_notes(card, static=static), key=lambda note: not note.startswith("output"))
    urgent = sum(note.startswith("output") for note in notes)
    return tuple(_scrubbed(part) for part in (*notes[:urgent], *parts, *notes[urgent:]) if part)


def _while_open(card: TaskCard, *, static: bool) -> tuple[str, ...]:
    last = "" if static or card.seconds is None else f"took {duration(card.seconds)} last time"
    return _attempt(card, static=static), _some(card.causes), last


def _when_fresh(card: TaskCard) -> tuple[str, ...]:
    if card.state == "Cached":
        source = f"reused from run {card.run}" if card.run else "reused"
        return (f"{source}, saved {duration(card.saved)}" if card.saved is not None else source,)
    ran = "" if card.seconds is None else f"ran in {duration(card.seconds)}"
    ran += f", saved {duration(card.saved)}" if ran and card.saved is not None and card.items else ""
    return ran, _attempt(card, static=False), _some(card.causes)


def _attempt(card: TaskCard, *, static: bool) -> str:
    return f"attempt {card.attempt}" if card.attempt > 1 and not static else ""


def _some(causes: tuple[Cause, ...]) -> str:
    return causes_words(causes, _MOST_CAUSES)


def _notes(card: TaskCard, *, static: bool) -> Iterable[str]:
    return (note for note in card.notes if not (static and says_when(note)))


def says_when(text: str) -> bool:
    """Whether a text names a time, a duration or a run.

    Example:
        >>> says_when("also ran cell 7, 0.2 s"), says_when("placed after clean")
        (True, False)
    """
    return _WHEN.search(text) is not None


_WHEN: Final = re.compile(
    r"\d\s*(?:ms|s|min|h|d)\b|\d:\d\d|\bruns? #?\d|#\d|\d{4}-\d\d|\bago\b|\b(?:attempt|try) \d", re.IGNORECASE
)
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{6,}")


def _scrubbed(text: str) -> str:
    """Addresses in memory say nothing to people and differ in each kernel."""
    return _ADDRESS.sub("0x…", text)


def _details(card: TaskCard, *, static: bool) -> Iterator[tuple[str, str]]:
    tells_why = not (static and card.verdict is Verdict.FRESH)
    causes = [_cause(cause, static=static) for cause in card.causes] if tells_why else []
    yield "why", "<br>".join(causes)
    yield "error", markup.escaped(_scrubbed(untold(card.error, card.causes if tells_why else ())), 400)
    yield "reads", markup.escaped(listed(card.reads, 12), 600)
    yield "writes", markup.escaped(listed(card.writes, 12), 600)
    if not static:
        yield "result", markup.escaped(_result(card))
        yield "runs", "<br>".join(map(_run, card.runs)) if len(card.runs) > 1 else ""
    yield "notes", "<br>".join(markup.escaped(note) for note in _notes(card, static=static))
    yield "about", markup.escaped(card.description, 400)
    yield "tags", markup.escaped(listed(card.tags, 12))


def _cause(cause: Cause, *, static: bool) -> str:
    detail = "" if static else cause_detail(cause)
    return markup.escaped(cause_words(cause), 300) + (f" {markup.muted(f'({detail})')}" if detail else "")


def _run(line: RunLine) -> str:
    saved = f"saved {duration(line.saved)}" if line.saved is not None else ""
    took = saved or duration(line.seconds)
    attempts = f"{line.attempts} attempts" if line.attempts > 1 else ""
    told = " · ".join(part for part in (moment(line.started), took, attempts) if part)
    return f"#{line.number} {markup.escaped(look_of_state(line.state).word)} {markup.muted(told)}"


def _result(card: TaskCard) -> str:
    run = f"run {card.run}" if card.run else ""
    took = "" if card.seconds is None else f"took {duration(card.seconds)}"
    return " · ".join(part for part in (run, moment(card.made), took, size(card.size)) if part)
