"""What a live page is answered when it asks for more: details of a task, its runs, pages of a value."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from nbflow.store.told import told_path
from nbflow.views.groups import worst_first
from nbflow.views.looks import look_of_state
from nbflow.views.scene import look_name
from nbflow.views.story import difference
from nbflow.views.words import cause_detail, cause_words, causes_words, duration, moment, one_line, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nbflow.types import Cause
    from nbflow.views.cards import DetailsCard, DiffCard, HistoryCard, RunCard, RunLine, ValueCard
    from nbflow.views.values import ValuePage

_SOURCE = 20_000
_MOST_RUNS = 200


def details_answer(details: DetailsCard) -> dict[str, Any]:
    """Return all that is known of a task."""
    why = details.why
    return {
        "name": details.name,
        "causes": list(map(_cause, why.causes)) if why else [],
        "reuse": why.reuse if why else "",
        "diffs": [[subject, difference(old, new)] for subject, old, new in why.diffs] if why else [],
        "inputs": list(map(_value, details.inputs)),
        "outputs": list(map(_value, details.outputs)),
        "source": details.source[:_SOURCE],
        "runs": [_run(line, details.runs.now) for line in details.runs.lines],
        "shown": [list(each) for each in details.shown],
        "diff": _diff(details.diff) if details.diff is not None else None,
        "log": list(details.log),
        "traceback": details.traceback,
        "lost": details.lost,
    }


def history_answer(history: HistoryCard, *, is_more: bool = False) -> dict[str, Any]:
    """Return runs, those of one flow run together, newest first.

    Args:
        history: The runs, newest first.
        is_more: Whether there are older ones.
    """
    return {"runs": list(_flow_runs(history)), "more": is_more}


def _diff(diff: DiffCard) -> dict[str, Any]:
    """What differs between two runs; what is equal is counted."""
    parts = [("input", each) for each in diff.inputs] + [("output", each) for each in diff.outputs]
    code = [(diff.name, *diff.code)] if diff.code is not None and diff.code[0] != diff.code[1] else []
    return {
        "sides": [diff.before.title, diff.after.title],
        "code": [[name, difference(old, new)] for name, old, new in (*code, *diff.helpers)],
        "changes": [
            {
                "part": part,
                "name": each.name,
                "kind": each.kind,
                "before": each.before,
                "after": each.after,
                "notes": list(each.notes),
            }
            for part, each in parts
            if not each.is_same
        ],
        "same": sum(each.is_same for _, each in parts),
        "notes": list(diff.notes),
    }


def family_answer(run: RunCard, now: float = 0.0) -> dict[str, Any]:
    """Return a run with all that it has started, those within a group that are not well first.

    Args:
        run: The run.
        now: The time of the question.
    """
    runs = worst_first(run.runs) if any(each.index is not None for each in run.runs) else run.runs
    return {
        "id": run.id,
        "task": run.name,
        "state": run.state,
        "look": look_name(look_of_state(run.state)),
        "message": one_line(run.message, 160),
        "when": moment(run.started, now),
        "took": duration(run.seconds),
        "attempts": run.attempts,
        "runs": [family_answer(each, now) for each in runs[:_MOST_RUNS]],
        "more": max(len(runs) - _MOST_RUNS, 0),
    }


def page_answer(page: ValuePage) -> dict[str, Any]:
    """Return some rows of a value."""
    return {
        "about": page.about,
        "columns": list(page.columns),
        "rows": [list(row) for row in page.rows],
        "start": page.start,
        "count": page.count,
        "text": page.text,
    }


def _flow_runs(history: HistoryCard) -> Iterator[dict[str, Any]]:
    for number, group in groupby(history.lines, lambda line: line.number):
        lines = list(group)[::-1]
        ran = [line for line in lines if line.state != "Cached"]
        reused = [line for line in lines if line.state == "Cached"]
        started = min((line.started for line in lines if line.started is not None), default=None)
        causes = list(dict.fromkeys(cause for line in ran for cause in line.causes))
        yield {
            "number": number,
            "started": started,
            "when": moment(started, history.now),
            "ran": [line.task for line in ran],
            "reused": [line.task for line in reused],
            "took": duration(sum(line.seconds or 0.0 for line in ran)) if ran else "",
            "saved": duration(sum(line.saved or 0.0 for line in reused)) if reused else "",
            "why": _reason(causes),
            "origin": lines[0].origin,
            "lines": [_run(line, history.now) for line in lines],
        }


def _reason(causes: Sequence[Cause]) -> str:
    if causes and all(cause.category == "never ran" for cause in causes):
        return "first run"
    roots = [cause for cause in causes if cause.category not in ("never ran", "upstream")]
    return causes_words(roots or causes, 2)


def _run(line: RunLine, now: float) -> dict[str, Any]:
    first = line.transitions[0].at if line.transitions else 0.0
    states = [
        {
            "name": entry.name,
            "look": look_name(look_of_state(entry.name)),
            "since": duration(entry.at - first) if place else "",
            "message": one_line(entry.message, 200),
        }
        for place, entry in enumerate(line.transitions)
    ]
    return {
        "number": line.number,
        "id": line.id,
        "group": line.group,
        "task": line.task,
        "state": line.state,
        "look": look_name(look_of_state(line.state)),
        "origin": line.origin,
        "started": line.started,
        "when": moment(line.started, now),
        "took": duration(line.seconds),
        "saved": duration(line.saved),
        "attempts": line.attempts,
        "why": _reason(line.causes),
        "causes": list(map(_cause, line.causes)),
        "states": states,
    }


def _cause(cause: Cause) -> list[str]:
    return [cause_words(cause), cause_detail(cause)]


def _value(card: ValueCard) -> dict[str, Any]:
    return {
        "name": told_path(card.name),
        "kind": card.kind,
        "preview": card.preview,
        "shape": card.shape,
        "size": size(card.size),
        "maker": card.maker,
        "paged": card.can_be_paged,
    }
