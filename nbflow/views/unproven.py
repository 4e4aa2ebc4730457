"""How a flow stands as far as its source and its files tell: texts for who has no kernel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.views.grid import Cell, Column, Grid, Row
from nbflow.views.story import difference, labelled, told_cause
from nbflow.views.table import NO_TASKS, notices_text, plan_grid
from nbflow.views.words import age, causes_words, counted, duration, listed, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.types import Cause
    from nbflow.views.cards import PlanCard

STALE: Final = "stale"
UNKNOWN: Final = "unknown"
REGISTERED: Final = "registered"
_SAME: Final = "source and files as in its last run"


@dataclass(frozen=True, slots=True)
class UnprovenCard:
    """One task as far as its source and its files tell.

    Args:
        name: Its name.
        verdict: `stale`, `unknown` or `registered`; there is no way to be up to date.
        state: Name of the last run's state; empty if it never ran.
        run: Number of the last run; 0 outside of one.
        made: When that ended.
        seconds: How long it took.
        causes: Why it is stale, root cause first.
        open: What could not be compared, in words.
        diffs: What changed in code: subject, source before, source after.
    """

    name: str
    verdict: str
    state: str = ""
    run: int = 0
    made: float | None = None
    seconds: float | None = None
    causes: tuple[Cause, ...] = ()
    open: tuple[str, ...] = ()
    diffs: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class UnprovenFlow:
    """A flow as far as its source and its files tell.

    Args:
        title: The notebook.
        run: Number of its last run; 0 where there is none.
        now: The time of the question.
        notices: What else is to be said, a line each.
        how: How to know more.
    """

    title: str
    run: int
    now: float
    notices: tuple[str, ...] = ()
    how: str = ""

    @property
    def as_of(self) -> str:
        """The title, and what all that is said is as of."""
        return f"{one_line(self.title, 80)} · as of {f'run #{self.run}' if self.run else 'no run yet'}"


# --- status ------------------------------------------------------------------------------------


def status_text(flow: UnprovenFlow, tasks: Sequence[UnprovenCard]) -> str:
    """Return a line a task."""
    if not tasks:
        return "\n".join([f"{flow.as_of} · {NO_TASKS}", *notices_text(flow.notices)])
    counts = [
        f"{count:,} {word}"
        for word in (STALE, UNKNOWN, REGISTERED)
        if (count := sum(task.verdict == word for task in tasks))
    ]
    columns = (
        Column("task"),
        Column("verdict"),
        Column("last run"),
        Column("run", is_number=True),
        Column("made", is_number=True),
        Column("took", is_number=True),
        Column("why", limit=160),
    )
    grid = Grid(columns, tuple(_row(task, flow.now) for task in tasks))
    notices = (*flow.notices, *([flow.how] if any(task.verdict == UNKNOWN for task in tasks) else []))
    return "\n".join([" · ".join([flow.as_of, *counts]), grid.as_text(), *notices_text(notices)])


def _row(task: UnprovenCard, now: float) -> Row:
    texts = (
        one_line(task.name, 60),
        task.verdict,
        task.state,
        f"#{task.run}" if task.run else "",
        age(task.made, now),
        duration(task.seconds),
        reason(task),
    )
    return Row(tuple(map(Cell, texts)))


def reason(task: UnprovenCard) -> str:
    """Return why a task is stale, or what is not known of it.

    Example:
        >>> reason(UnprovenCard("clean", "unknown", open=("raw", "package pandas")))
        'not compared: raw · package pandas'
        >>> reason(UnprovenCard("clean", "unknown"))
        'source and files as in its last run'
    """
    if task.verdict == STALE:
        return causes_words(task.causes)
    if task.verdict == REGISTERED:
        return ""
    told = [causes_words(task.causes)] if task.causes else []
    return " · ".join([*told, *_open(task)]) or _SAME


def _open(task: UnprovenCard) -> list[str]:
    return [f"not compared: {' · '.join(task.open)}"] if task.open else []


# --- plan --------------------------------------------------------------------------------------


def plan_text(flow: UnprovenFlow, plan: PlanCard) -> str:
    r"""Return what a run would do at least, in order; the time is that of what certainly runs.

    Example:
        >>> from nbflow.views.cards import PlanCard, PlanLine
        >>> plan = PlanCard((PlanLine("a", "runs", seconds=2.0), PlanLine("b", "may run")), 2.0)
        >>> print(plan_text(UnprovenFlow("nb.ipynb", 3, 0.0), plan).splitlines()[0])
        nb.ipynb · as of run #3 · 1 task runs, about 2.0 s · 1 may run
    """
    if not plan.lines:
        return "\n".join([f"{flow.as_of} · {NO_TASKS}", *notices_text(flow.notices)])
    does = [line.action for line in plan.lines]
    runs, may, waits, fails = (does.count(word) for word in ("runs", "may run", "waits", "fails"))
    seconds = f", about {duration(plan.seconds)}" if plan.seconds else ""
    said = [f"{counted(runs, 'task')} {'runs' if runs == 1 else 'run'}{seconds}"] if runs else []
    said += [f"{may:,} may run"] if may else []
    said += [f"{waits:,} {'waits' if waits == 1 else 'wait'}"] if waits else []
    said += [f"{fails:,} {'fails' if fails == 1 else 'fail'}"] if fails else []
    notices = (*flow.notices, *([flow.how] if may else []))
    return "\n".join([" · ".join([flow.as_of, *said]), plan_grid(plan).as_text(), *notices_text(notices)])


# --- why ---------------------------------------------------------------------------------------


def why_known_text(flow: UnprovenFlow, task: UnprovenCard) -> str:
    """Return why a task is stale, root cause first, or what is not known of it."""
    run = f"as of run #{task.run}" if task.run else ""
    head = " · ".join(filter(None, [f"{one_line(task.name, 60)}: {task.verdict}", run]))
    told = [told_cause(cause) for cause in task.causes]
    if task.verdict == UNKNOWN:
        told = [*told, _SAME]
    lines = [head, *labelled("why", told), *labelled("open", _open(task))]
    if task.verdict == UNKNOWN:
        lines += labelled("how", [flow.how])
    for subject, before, after in task.diffs:
        texts = (f"{one_line(subject)}:", *difference(before, after))
        lines += ["", *(f"  {line}" for line in texts)]
    return "\n".join([*lines, *notices_text(flow.notices)])


def open_words(kind: str, names: Sequence[str]) -> str:
    """Return what could not be compared of one kind, in words.

    Example:
        >>> open_words("package", ["numpy", "pandas"]), open_words("name", ["raw"])
        ('packages numpy, pandas', 'raw')
    """
    if kind == "name":
        return listed(names, 4)
    if kind in _OF_ALL:
        return _OF_ALL[kind]
    word = _CALLED.get(kind, kind)
    return f"{word}{'s' if len(names) > 1 else ''} {listed(names, 4)}"


_OF_ALL: Final = {"settings": "settings of libraries", "random": "random state", "context": "run context"}
_CALLED: Final = {"environment": "environment variable"}
