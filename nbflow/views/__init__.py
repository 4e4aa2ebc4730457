"""Views of flows, tasks and runs, static and live: HTML, SVG, text and pages from frozen values.

    cards.py    what a view is given: `TaskCard`, `FlowCard`, `PlanCard`, `ActionCard`, `WhyCard`, …
    shown.py    `Shown` and the views: `show_badge`, `show_status`, `show_flow`, `show_plan`, …
    badge.py    the line under a task cell
    table.py    status, order, plan and what a run did
    story.py    why and history
    sides.py    two runs side by side
    versions.py what steps have made of a name
    graph.py    the picture of a flow
    dot.py      the same for graphviz
    pdf.py      the same for documents
    terminal.py texts in colours, as wide as the terminal
    layout.py   where the boxes of the picture stand
    grid.py     tables as HTML and as aligned text
    markup.py   pieces of HTML, escaping, style
    looks.py    words, colours, icons and shapes of verdicts and states
    words.py    durations, ages, sizes and causes in words
    standing.py those causes that tell how a task itself stands

    widget.py   the live view: a page and a thread that tells it what changes
    feed.py     what a page is told, and when
    scene.py    a flow as the values that a page draws
    answers.py  what a page is answered when it asks for more
    values.py   values in words and in pages
    contrast.py how two values differ, in words
    page/       the page itself

Nothing here reads a clock or a session, and no file but the page; `terminal` looks at the terminal.
"""

from nbflow.views.cards import (
    ActionCard,
    ActionLine,
    ChangeCard,
    DiffCard,
    Edge,
    FlowCard,
    HistoryCard,
    PlanCard,
    PlanLine,
    RunLine,
    SideCard,
    TaskCard,
    WhyCard,
)
from nbflow.views.dot import to_dot
from nbflow.views.shown import (
    Shown,
    show_action,
    show_badge,
    show_badge_under_way,
    show_diff,
    show_flow,
    show_history,
    show_lines,
    show_order,
    show_plan,
    show_status,
    show_why,
)

__all__ = [
    "ActionCard",
    "ActionLine",
    "ChangeCard",
    "DiffCard",
    "Edge",
    "FlowCard",
    "HistoryCard",
    "PlanCard",
    "PlanLine",
    "RunLine",
    "Shown",
    "SideCard",
    "TaskCard",
    "WhyCard",
    "show_action",
    "show_badge",
    "show_badge_under_way",
    "show_diff",
    "show_flow",
    "show_history",
    "show_lines",
    "show_order",
    "show_plan",
    "show_status",
    "show_why",
    "to_dot",
]
