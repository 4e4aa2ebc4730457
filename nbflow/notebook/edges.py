"""The edges of a session's graph: which task reads what from whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.slots import RANDOM, is_kept_in_memory
from nbflow.views import Edge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.engine.bind import Bound, Version
    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.types import Slot


def edges_of(session: Session) -> Iterator[Edge]:
    """One edge between a task and each step that it reads from; what a cell only imports is left out."""
    for step in session.book:
        if step.plain:
            continue
        for source, read in _sources(session, step).items():
            if source in session.places.cells and source != step.id:
                yield Edge(session.book.steps[source].name, step.name, tuple(read))


def _sources(session: Session, step: Step) -> dict[str, list[str]]:
    """Identifiers of the steps that a step reads from, and what it reads of each."""
    names: dict[str, list[str]] = {}
    view = session.trunk.sweep.view(step)
    for slot in session.trunk.sweep.judgement(step).reached:
        for source in _writers(session, slot, view.bound(slot)):
            names.setdefault(source, []).append(slot.locator)
    for entry in step.bound_trace.entries if step.bound_trace else ():
        slot = entry.looked.slot
        version = None if is_kept_in_memory(slot) else view.bound(slot).version
        if version is not None:
            names.setdefault(version.step, []).append(slot.locator)
    return names


def _writers(session: Session, slot: Slot, bound: Bound) -> Iterator[str]:
    """Who has written what is bound, and the tasks that would have, had they not failed or been stopped."""
    if slot.kind == RANDOM:
        return
    if bound.version is not None and not _is_imported(session, bound.version):
        yield bound.version.step
    for doubt in bound.doubts:
        step = session.book.steps[doubt.step]
        is_own = bound.version is not None and bound.version.step == step.id
        if not is_own and not step.plain and slot.locator in step.body.analysis.writes:
            yield step.id


def _is_imported(session: Session, version: Version) -> bool:
    ran = session.book.steps[version.step].ran
    made = ran.analysis.definitions.get(version.output.slot.locator) if ran is not None else None
    return version.output.sort == "module" or (made is not None and made.kind == "import")
