"""The views: each takes a card and returns a value that shows itself in every host."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nbflow.views.badge import badge_html, badge_text, under_way
from nbflow.views.graph import GRAPH_STYLE, MOST_WITH_NAMES, draw
from nbflow.views.looks import look_of_state
from nbflow.views.markup import (
    STYLE,
    compact,
    escaped,
    folded,
    heading,
    marked,
    muted,
    page,
    placed,
    with_shared_icons,
)
from nbflow.views.pdf import picture_bundle
from nbflow.views.sides import diff_html, diff_summary, diff_text
from nbflow.views.story import history_grid, history_text, why_html, why_text
from nbflow.views.table import (
    NO_TASKS,
    action_grid,
    action_summary,
    flow_head,
    flow_head_text,
    not_listed,
    notices_html,
    notices_text,
    order_grid,
    plan_grid,
    plan_summary,
    status_grid,
    tasks_summary,
)
from nbflow.views.terminal import coloured, fitted, for_terminal
from nbflow.views.tree import TREE_STYLE, tree_html, tree_text
from nbflow.views.words import counted, duration, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbflow.views.cards import (
        ActionCard,
        DiffCard,
        FlowCard,
        HistoryCard,
        PlanCard,
        RunCard,
        TaskCard,
        WhyCard,
    )

_ROWS_WITH_PICTURE = 60
"""How many rows the table has below the picture of a larger flow: a notebook holds both."""

_MOST_WITH_PICTURE = 30
"""Up to how many tasks the picture is also given alone; of more it would double what a notebook holds."""


@dataclass(frozen=True, slots=True, repr=False)
class Shown:
    """One rendering in several forms; the host takes the richest that it understands.

    Args:
        html: For notebooks.
        text: For terminals, logs and screen readers.
        svg: The picture alone, for documents; empty where there is none.

    Example:
        >>> Shown("<b>clean</b>", "clean: fresh")
        clean: fresh
    """

    html: str
    text: str
    svg: str = ""

    def __repr__(self) -> str:
        return self.text

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html

    def __rich_console__(self, _console: object, options: Any) -> Iterator[object]:
        # Who calls this has it installed.
        yield import_module("rich.text").Text.from_ansi(coloured(fitted(self.text, options.max_width)))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self.bundle()

    def bundle(self) -> dict[str, str]:
        """Every form there is, by mime type."""
        picture = picture_bundle(self.svg) if self.svg else {}
        bundle = {"text/html": self.html, **picture, "text/plain": for_terminal(self.text)}
        return {kind: content for kind, content in bundle.items() if content}


def show_badge(card: TaskCard, *, static: bool = False) -> Shown:
    """Return the badge of a task.

    Args:
        card: The task.
        static: Whether to leave out what differs between two runs on the same inputs.
    """
    return Shown(badge_html(card, static=static), badge_text(card, static=static))


def show_badge_under_way(
    card: TaskCard, state: str, attempt: int, seconds: float | None, error: str, *, static: bool = False
) -> Shown:
    """Return the badge of a task whose run has come to a state since, see `nbflow.views.badge.under_way`."""
    return show_badge(under_way(card, state, attempt, seconds, error), static=static)


def show_status(flow: FlowCard) -> Shown:
    """Return the table of all tasks: verdict, last run, age, duration, size, reason."""
    if not flow.tasks:
        return _message(flow.title, NO_TASKS, flow.notices)
    grid, rest = status_grid(flow), not_listed(flow)
    head = [flow_head_text(flow)] if flow_head_text(flow) else []
    text = [*head, *notices_text(flow.notices), grid.as_text(), *notices_text(rest)]
    return Shown(page(flow_head(flow), grid.as_html(), notices_html(rest)), "\n".join(text))


def show_flow(flow: FlowCard, place: str = "") -> Shown:
    """Return the picture of a flow, with the table of its tasks behind a line that opens it.

    Args:
        flow: The flow.
        place: The mark by which a live view finds the picture, to take its place.
    """
    if not flow.tasks:
        return _message(flow.title, NO_TASKS, flow.notices, place)
    is_map = len(flow.tasks) > MOST_WITH_NAMES
    picture, grid = draw(flow), status_grid(flow, _ROWS_WITH_PICTURE)
    rest = not_listed(flow, _ROWS_WITH_PICTURE)
    # A host that does not trust the notebook drops the rules and the picture, and would leave its
    # words in a heap: without the rules they stay hidden, and the table says it all.
    view = f'<div class="nbf-v" style="display:none">{picture.inline}</div>'
    table = folded(muted("table"), grid.as_html() + notices_html(rest), is_open=is_map)
    text = "\n".join([flow_head_text(flow), *notices_text(flow.notices), grid.as_text(), *notices_text(rest)])
    html = compact(with_shared_icons(page(flow_head(flow), view, table, style=STYLE + GRAPH_STYLE)))
    is_small = len(flow.tasks) <= _MOST_WITH_PICTURE
    return Shown(placed(html, place), text, picture.alone if is_small else "")


def show_flow_run(flow: FlowCard, run: RunCard) -> Shown:
    """Return a run of a flow: its picture in the colours of the run, and the tree of all runs within it.

    Args:
        flow: The flow, its tasks as the run left them.
        run: The run.
    """
    took = muted(" · ".join(part for part in (duration(run.seconds), one_line(run.message, 200)) if part))
    head = heading(flow.title, marked(look_of_state(run.state)), took, is_status=True)
    picture = draw(flow)
    view = f'<div class="nbf-v" style="display:none">{picture.inline}</div>'
    tree = folded(muted("runs"), tree_html(run.runs))
    html = with_shared_icons(page(head, view, tree, style=STYLE + GRAPH_STYLE + TREE_STYLE))
    return Shown(html, "\n".join(tree_text([run])), picture.alone)


def show_runs(runs: Sequence[RunCard], *about: str, title: str = "") -> Shown:
    """Return runs as a tree, with lines that stand above it.

    Args:
        runs: The runs.
        *about: What else is said, a line each; empty ones are left out.
        title: What they are runs of.

    Example:
        >>> from nbflow.views.cards import RunCard
        >>> show_runs([RunCard("clean", "Completed", seconds=1.5)])
        clean: completed · 1.5 s
    """
    lines = [one_line(line, 400) for line in about if line]
    head = heading(title) if title else ""
    told = "".join(f"<div>{muted(line)}</div>" for line in lines)
    html = page(head, told, tree_html(runs), style=STYLE + TREE_STYLE)
    return Shown(with_shared_icons(html), "\n".join([*lines, *tree_text(runs)]))


def show_order(flow: FlowCard) -> Shown:
    """Return the flow order: every step with what it reads and writes, plain cells included."""
    if not flow.tasks:
        return _message(flow.title, NO_TASKS, flow.notices)
    grid = order_grid(flow)
    summary = tasks_summary(flow)
    head = heading(flow.title, muted(summary)) + notices_html(flow.notices)
    title = " · ".join(part for part in (one_line(flow.title, 80), summary) if part)
    text = "\n".join([title, *notices_text(flow.notices), grid.as_text()])
    return Shown(page(head, grid.as_html()), text)


def show_plan(plan: PlanCard) -> Shown:
    """Return what a run would do, in order, with causes and expected times."""
    summary = plan_summary(plan)
    if not plan.lines:
        return _message(plan.title, summary, plan.notices)
    grid = plan_grid(plan)
    title = " · ".join(part for part in (one_line(plan.title, 80), summary) if part)
    head = heading(plan.title, f"<span>{escaped(summary)}</span>")
    text = "\n".join([title, grid.as_text(), *notices_text(plan.notices)])
    return Shown(page(head, grid.as_html(), notices_html(plan.notices)), text)


def show_action(action: ActionCard) -> Shown:
    """Return what a flow run did with each task, why, and how much time that took and saved."""
    summary = action_summary(action)
    if not action.lines:
        return _message("", summary, action.notices)
    grid = action_grid(action)
    text = "\n".join([summary, grid.as_text(), *notices_text(action.notices)])
    head = heading("", f"<span>{escaped(summary)}</span>", is_status=True)
    return Shown(page(head, grid.as_html(), notices_html(action.notices)), text)


def show_why(why: WhyCard) -> Shown:
    """Return why a task is as it is: causes root first, the result, differences in code."""
    return Shown(page(why_html(why)), why_text(why))


def show_diff(diff: DiffCard) -> Shown:
    """Return two runs of a task side by side: code, inputs, values, what they showed."""
    return Shown(page(diff_html(diff)), f"{diff_text(diff)}\n{diff_summary(diff)}")


def show_history(history: HistoryCard) -> Shown:
    """Return the runs, newest first, with their states."""
    if not history.lines:
        return _message(history.title, "no runs yet", ())
    head = heading(history.title, muted(counted(len(history.lines), "run")))
    title = [one_line(history.title, 80)] if history.title else []
    text = "\n".join([*title, history_text(history)])
    return Shown(page(head, history_grid(history).as_html()), text)


def show_lines(text: str) -> Shown:
    """Return lines of text as they are."""
    lines = "\n".join(escape(line) for line in text.splitlines())
    style = "margin:0;padding:0;background:none;font-size:12px;line-height:1.5"
    return Shown(f'<pre class="nbf tex2jax_ignore mathjax_ignore" style="{style}">{lines}</pre>', text)


def _message(title: str, message: str, notices: Sequence[str], place: str = "") -> Shown:
    head = heading(title, muted(message)) + notices_html(notices)
    line = " · ".join(part for part in (one_line(title, 80), message) if part)
    return Shown(placed(page(head), place), "\n".join([line, *notices_text(notices)]))
