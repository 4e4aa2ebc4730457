"""What a plain cell is told that reads what is not up to date."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from nbflow.analysis.magics import parse_cell
from nbflow.engine.afterwards import only_shares
from nbflow.engine.slots import NAME, key_of
from nbflow.types import Standing, Verdict

if TYPE_CHECKING:
    from nbflow.engine.apply import Workspace
    from nbflow.engine.bind import Version
    from nbflow.engine.book import Book, Step
    from nbflow.engine.sweep import Sweep
    from nbflow.types import Slot


def stale_mention(reader: Step, sweep: Sweep, workspace: Workspace) -> str:
    """One line where a plain cell reads what a task has made and what is not up to date; or nothing."""
    view, book = sweep.view(reader), sweep.book
    of_tasks: dict[str, str] = {}
    of_cells: dict[str, str] = {}
    for slot in sweep.judgement(reader).reached:
        for doubt in view.bound(slot).doubts:
            step = book.steps[doubt.step]
            if doubt.verdict not in (Verdict.STALE, Verdict.WAITS):
                continue
            if not step.plain:
                owner = f" (of {step.name})" if step.name != slot.locator else ""
                of_tasks[slot.locator] = f" ({step.name} failed)" if step.failure else owner
            elif _is_made_by_a_task(slot, book) and not only_shares(step, slot):
                of_cells[slot.locator] = step.name
        version = view.bound(slot).version
        if version is not None and _holds_an_older_one(key_of(slot), version, workspace):
            maker = book.steps[version.step]
            of_tasks.setdefault(slot.locator, f" (of {maker.name})" if maker.name != slot.locator else "")
    if not (of_tasks or of_cells):
        return ""
    told = ", ".join(name + how for name, how in {**dict.fromkeys(of_cells, ""), **of_tasks}.items())
    again = ", ".join(dict.fromkeys(of_cells.values()))
    return f"not up to date here: {told}; " + (
        "`%flow run` brings it up to date" if of_tasks else f"run {again} again"
    )


def without_result(step: Step) -> str:
    """One line where a plain cell ran to its end and still has no result that others could start from."""
    return f"what reads this cell waits until you run it again: {step.failure}" if step.failure else ""


def outdated_cells(book: Book, sweep: Sweep) -> str:
    """One line about plain cells that ran on what is another by now, and so show what is old; or nothing."""
    cells = [step for step in book if step.plain and step.standing is Standing.HERE and _has_read(step)]
    old = [step.name for step in cells if _shows_what_is_old(step, sweep.judgement(step).verdict)]
    more = f" and {len(old) - _MOST_CELLS} more" if len(old) > _MOST_CELLS else ""
    told = f"{', '.join(old[:_MOST_CELLS])}{more}"
    return f"what these cells show is from before: {told}; run them again" if old else ""


def _shows_what_is_old(step: Step, verdict: Verdict) -> bool:
    if verdict in (Verdict.STALE, Verdict.WAITS):
        return True
    return step.shown is not None and step.ran is not None and _speaks(step.ran.source)


@lru_cache(maxsize=2_000)
def _speaks(source: str) -> bool:
    """Whether a cell has a line that is there for what it shows or does, and not for what it binds."""
    return any(isinstance(node, ast.Expr) for line in parse_cell(source) for node in ast.walk(line))


def _has_read(step: Step) -> bool:
    entries = step.trace.entries if step.trace is not None else ()
    return any(entry.looked.slot.kind == NAME and entry.origin for entry in entries)


_MOST_CELLS: Final = 8


def _holds_an_older_one(key: str, version: Version, workspace: Workspace) -> bool:
    """Whether a name still holds what its task made before: another cell had the task run again."""
    label = workspace.labels.get(key)
    held = label.version if label is not None else None
    return held is not None and held.step == version.step and not held.is_same(version)


def _is_made_by_a_task(slot: Slot, book: Book) -> bool:
    traces = (step.trace for step in book if not step.plain and step.trace is not None)
    return any(output.slot == slot for trace in traces for output in trace.outputs)
