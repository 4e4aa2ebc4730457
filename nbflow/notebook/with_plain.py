"""Runs with `--plain`: plain cells that are not up to date run as well, each after what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.engine.action import Action
from nbflow.engine.preview import with_upstream
from nbflow.states import Origin
from nbflow.types import Standing

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from nbflow.engine.book import Step
    from nbflow.engine.requests import Working
    from nbflow.notebook.session import Session


def run_plain(session: Session, targets: Sequence[Step] | None) -> Working[Action]:
    """Bring the plain cells that are not up to date up to date, in flow order, tasks above them included.

    One below which something fails or waits is left alone; whatever it makes is found wanting afterwards.

    Args:
        session: The session.
        targets: The tasks asked for: only what these need runs; None: all do.

    Raises:
        KeyboardInterrupt: If the user pressed Stop.
    """
    done, tried = Action(), set[str]()
    while (step := _next(session, targets, tried)) is not None:
        tried.add(step.id)
        if step.standing is Standing.REMEMBERED:
            session.work.adopt_source(step)  # whoever asks for plain cells starts those of earlier kernels
        done.add((yield from session.run_steps([step], origin=Origin.CATCH_UP)))
    return done


def _next(session: Session, targets: Sequence[Step] | None, tried: Collection[str]) -> Step | None:
    """The first plain cell that is not up to date; what ran before it may have changed which that is."""
    needed = with_upstream(session.work, targets) if targets is not None else None
    for step in session.trunk.sweep.pending():
        is_due = step.plain and step.ran is not None and step.id not in tried
        if is_due and (needed is None or step.id in needed):
            return step
    return None
