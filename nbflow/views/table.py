"""The tables of a flow: how its tasks stand, in which order, and what a run would do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from nbflow.types import Verdict
from nbflow.views import markup
from nbflow.views.grid import Cell, Column, Grid, Row
from nbflow.views.looks import ACTIONS, DEEDS, REGISTERED, VERDICTS, Look, look_of, look_of_state
from nbflow.views.words import age, causes_words, counted, duration, listed, moment, one_line, size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.views.cards import ActionCard, ActionLine, FlowCard, PlanCard, PlanLine, TaskCard

MOST_ROWS: Final = 300
"""How many tasks a table lists; a saved notebook holds all of it."""

_LEAST_SHARE: Final = 5

NO_TASKS: Final = "no tasks yet: begin a cell with #@task and run it"
"""What a flow without tasks says."""


# --- the head of a flow ------------------------------------------------------------------------


def counts(tasks: Iterable[TaskCard]) -> list[tuple[Look, int]]:
    """Return how many tasks there are of each look, what needs attention first.

    Example:
        >>> from nbflow.views.cards import TaskCard
        >>> fresh, cached = TaskCard("a", Verdict.FRESH), TaskCard("b", Verdict.FRESH, "Cached")
        >>> [(look.word, count) for look, count in counts([fresh, cached, TaskCard("c", Verdict.STALE)])]
        [('stale', 1), ('fresh', 2)]
    """
    looks = [look_of(task) for task in tasks if not task.is_plain]
    found = Counter(look.word for look in looks)
    by_word = {look.word: look for look in reversed(looks)}
    calm = ("stale", "waits", "as of", "registered", "not run", "fresh")
    last = {word: place for place, word in enumerate(calm)}
    words = sorted(found, key=lambda word: last.get(word, -1))
    return [(by_word[word], found[word]) for word in words]


def flow_head(flow: FlowCard) -> str:
    """Return title, counts and notices as HTML."""
    marks = [markup.marked(look, f"{count:,} {look.word}") for look, count in counts(flow.tasks)]
    head = markup.heading(flow.title, *marks, markup.muted(_saved(flow)), is_status=True)
    return head + notices_html(flow.notices)


def flow_head_text(flow: FlowCard) -> str:
    """Return title and counts as a line of text."""
    found = [f"{count:,} {look.word}" for look, count in counts(flow.tasks)]
    return " · ".join(part for part in (one_line(flow.title, 80), *found, _saved(flow)) if part)


def notices_html(notices: Iterable[str]) -> str:
    """Return notices as HTML, a line each."""
    return markup.bullets(markup.muted(notice) for notice in notices)


def notices_text(notices: Iterable[str]) -> list[str]:
    """Return notices as lines of text."""
    return [f"note: {one_line(notice, 400)}" for notice in notices]


def _saved(flow: FlowCard) -> str:
    seconds = sum(task.saved or 0 for task in flow.tasks)
    return f"reuse saved {duration(seconds)}" if seconds >= 0.1 else ""


# --- status ------------------------------------------------------------------------------------


def status_grid(flow: FlowCard, most: int = MOST_ROWS) -> Grid:
    """Return the table with one row a task; plain cells appear where there is something to say.

    Args:
        flow: The flow.
        most: How many rows there may be; of more tasks, those that are not fresh come in first.
    """
    columns = (
        Column("task"),
        Column("verdict"),
        Column("last run"),
        Column("made", is_number=True),
        Column("took", is_number=True),
        Column("size", is_number=True),
        Column("why", "nbf-c", limit=120),
    )
    shown = _chosen(flow, most)
    longest = max((task.seconds or 0 for task in shown), default=0)
    rows = (Row(_status_cells(task, flow.now, longest), "nbf-p" if task.is_plain else "") for task in shown)
    return Grid(columns, tuple(rows))


def _chosen(flow: FlowCard, most: int) -> list[TaskCard]:
    """The tasks that are listed, in flow order."""
    listable = _listable(flow)
    if len(listable) <= most:
        return listable
    needy = sorted(range(len(listable)), key=lambda place: listable[place].verdict is Verdict.FRESH)
    return [listable[place] for place in sorted(needy[:most])]


def _listable(flow: FlowCard) -> list[TaskCard]:
    return [task for task in flow.tasks if not task.is_plain or task.verdict not in (Verdict.FRESH, None)]


def not_listed(flow: FlowCard, most: int = MOST_ROWS) -> tuple[str, ...]:
    """Return a notice about the tasks that `status_grid` leaves out, if there are any."""
    rest = len(_listable(flow)) - most
    return (f"{counted(rest, 'task')} not listed; those that are not fresh come first",) if rest > 0 else ()


def _status_cells(task: TaskCard, now: float, longest: float) -> tuple[Cell, ...]:
    return (
        name_cell(task.name, is_plain=task.is_plain),
        _verdict_cell(task),
        _state_cell(task),
        Cell(age(task.made, now) or moment(task.made), _age(task, now)),
        _bar_cell(task.seconds, longest),
        Cell(size(task.size)),
        Cell(reason(task)),
    )


def _verdict_cell(task: TaskCard) -> Cell:
    look = REGISTERED if task.is_registered else VERDICTS[task.verdict] if task.verdict is not None else None
    return Cell(look.word, markup.marked(look)) if look is not None else Cell("")


def _state_cell(task: TaskCard) -> Cell:
    """The last run's state; one that completed steps back."""
    state = task.state + (f", attempt {task.attempt}" if task.attempt > 1 else "")
    is_quiet = task.state in ("", "Completed", "Mapped")
    return Cell(state, markup.muted(state) if is_quiet else markup.marked(look_of_state(task.state), state))


def name_cell(name: str, *, is_plain: bool = False) -> Cell:
    """Return the cell with a task's name; that of a plain cell is no heading."""
    text = one_line(name, 60)
    return Cell(text, markup.escaped(text) if is_plain else f"<b>{markup.escaped(text)}</b>")


def _age(task: TaskCard, now: float) -> str:
    passed = age(task.made, now)
    return f'<span title="{markup.escaped(moment(task.made))}">{passed}</span>' if passed else ""


def _bar_cell(seconds: float | None, longest: float) -> Cell:
    """A duration, with its share of the longest as a bar behind it."""
    text = duration(seconds)
    share = round(100 * seconds / longest) if seconds and longest else 0
    if share < _LEAST_SHARE:
        return Cell(text)
    return Cell(text, f'<span class="nbf-r" style="--w:{share}%">{text}</span>')


def reason(task: TaskCard) -> str:
    """Return why a task stands as it does: the error, the causes, or the reuse."""
    causes = causes_words(task.causes)
    if task.error and look_of(task).shape == "octagon":
        causes = task.error
    elif task.verdict is Verdict.FRESH and task.state == "Cached":
        source = f"reused from run {task.run}" if task.run else "reused"
        causes = source + (f", saved {duration(task.saved)}" if task.saved is not None else "")
    return " · ".join(part for part in (one_line(causes), *map(one_line, task.notes)) if part)


# --- order -------------------------------------------------------------------------------------


def order_grid(flow: FlowCard) -> Grid:
    """Return the table of all steps in flow order, with what they read and write."""
    columns = (
        Column("", "nbf-n nbf-m", is_number=True),
        Column("step"),
        Column("is a"),
        Column("reads", "nbf-c", limit=50),
        Column("writes", "nbf-c", limit=50),
        Column("notes", "nbf-c"),
    )
    rows = (
        Row(
            (
                Cell(str(place)),
                name_cell(task.name, is_plain=task.is_plain),
                Cell("plain cell" if task.is_plain else "task"),
                Cell(listed(task.reads, 6)),
                Cell(listed(task.writes, 6)),
                Cell(" · ".join(map(one_line, task.notes))),
            ),
            "nbf-p" if task.is_plain else "",
        )
        for place, task in enumerate(flow.tasks, 1)
    )
    return Grid(columns, tuple(rows))


# --- plan --------------------------------------------------------------------------------------


def plan_grid(plan: PlanCard) -> Grid:
    """Return the table of what a run would do, in the order of work."""
    columns = (
        Column("", is_number=True),
        Column("step"),
        Column("would"),
        Column("expected", is_number=True),
        Column("why", "nbf-c", limit=120),
    )
    longest = max((line.seconds or 0 for line in plan.lines), default=0)
    return Grid(columns, tuple(_plan_row(place, line, longest) for place, line in enumerate(plan.lines, 1)))


def _plan_row(place: int, line: PlanLine, longest: float) -> Row:
    look = action_look(line.action)
    cells = (
        Cell(str(place), markup.muted(str(place))),
        name_cell(line.name, is_plain=line.is_plain),
        Cell(look.word, markup.marked(look)),
        _bar_cell(line.seconds, longest),
        Cell(causes_words(line.causes)),
    )
    return Row(cells, "nbf-p" if line.is_plain else "")


def action_look(action: str) -> Look:
    """Return the look of what a plan does with a step."""
    return ACTIONS.get(action) or Look(action, ACTIONS["may run"].hue, ACTIONS["may run"].icon)


def plan_summary(plan: PlanCard) -> str:
    """Return the plan in a line.

    Example:
        >>> from nbflow.views.cards import PlanCard, PlanLine
        >>> plan_summary(PlanCard((PlanLine("clean", "runs"), PlanLine("model", "may run")), seconds=41.2))
        '1 step runs, 1 may run, about 41 s'
        >>> plan_summary(PlanCard(())), plan_summary(PlanCard((PlanLine("model", "waits"),), seconds=0.0))
        ('nothing to do', '1 step waits')
    """
    found = Counter(line.action for line in plan.lines)
    parts: list[str] = []
    for action, word in _MANY.items():
        if found[action]:
            noun = "" if parts else f" step{'s' * (found[action] != 1)}"
            parts.append(f"{found[action]:,}{noun} {word[found[action] != 1]}")
    about = [f"about {duration(plan.seconds)}"] if plan.seconds and parts else []
    return ", ".join([*parts, *about]) or "nothing to do"


_MANY: Final = {
    "runs": ("runs", "run"),
    "may run": ("may run", "may run"),
    "reuses": ("is reused", "are reused"),
    "waits": ("waits", "wait"),
}


# --- what a run did ----------------------------------------------------------------------------


def action_grid(action: ActionCard) -> Grid:
    """Return the table of what a run did, in the order of work."""
    columns = (
        Column("step"),
        Column("did"),
        Column("took", is_number=True),
        Column("saved", is_number=True),
        Column("why", "nbf-c", limit=120),
    )
    longest = max((line.seconds or 0 for line in action.lines if line.action == "ran"), default=0)
    return Grid(columns, tuple(_action_row(line, longest) for line in action.lines))


def _action_row(line: ActionLine, longest: float) -> Row:
    look = DEEDS[line.action]
    cells = (
        name_cell(line.name, is_plain=line.is_plain),
        Cell(look.word, markup.marked(look)),
        _bar_cell(line.seconds, longest),
        Cell(duration(line.saved)),
        Cell(line.note or causes_words(line.causes)),
    )
    return Row(cells, "nbf-p" if line.is_plain else "")


def action_summary(action: ActionCard) -> str:
    """Return what a run did in a line.

    Example:
        >>> from nbflow.views.cards import ActionCard, ActionLine
        >>> ran, reused = ActionLine("model", "ran", seconds=41.2), ActionLine("clean", "reused", saved=1.5)
        >>> action_summary(ActionCard((ran, reused), number=12))
        'run 12 · 1 task ran, 41 s · 1 reused, 1.5 s saved'
        >>> action_summary(ActionCard(()))
        'nothing to do, everything is up to date'
    """
    number = [f"run {action.number}"] if action.number else []
    deeds = [part for word in DEEDS if (part := _deeds(action, word, is_first=word == "ran"))]
    return " · ".join([*number, *deeds]) or f"nothing to do, {action.rest}"


def _deeds(action: ActionCard, word: str, *, is_first: bool) -> str:
    """How many tasks a run did one thing with, and how long that took or would have taken."""
    found = [line for line in action.lines if line.action == word and not line.is_plain]
    if not found:
        return ""
    took = f", {duration(sum(line.seconds or 0.0 for line in found))}" if word == "ran" else ""
    known = [line.saved for line in found if line.saved is not None]
    saved = f", {duration(sum(known))} saved" if known else ""
    return f"{counted(len(found), 'task') if is_first else f'{len(found):,}'} {word}{took}{saved}"


def tasks_summary(flow: FlowCard) -> str:
    """Return how many tasks and plain cells a flow has."""
    plain = sum(task.is_plain for task in flow.tasks)
    cells = f", {counted(plain, 'plain cell')}" if plain else ""
    return counted(len(flow.tasks) - plain, "task") + cells
