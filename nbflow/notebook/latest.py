"""Running tasks from the latest results above them: `%flow run TASK… --only`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nbflow.exceptions import OptionError, SessionError
from nbflow.notebook.holds import PIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nbflow.engine.action import Action
    from nbflow.engine.plan import Working
    from nbflow.notebook.session import Session


def run_only(session: Session, names: Sequence[str], *, force: bool = False) -> Working[Action]:
    """Run these tasks from what the ones above them made last, whatever that is worth; nothing else runs.

    Args:
        session: The session.
        names: Names of tasks.
        force: Whether their bodies run even where an earlier result fits.

    Raises:
        OptionError: If there are no names.
        UnknownTaskError: If a name is none of a task.
        SessionError: If one is pinned, cannot run here, or reads what has no result.
        KeyboardInterrupt: If the user pressed Stop.
    """
    if not names:
        raise OptionError("name the tasks: %flow run TASK… --only")
    session.prepare()
    steps = [session.places.named(name).step for name in names]
    for step in steps:
        if step.hold is not None and step.hold.reason == PIN:
            raise SessionError(f"{step.name} is pinned; `%flow unpin {step.name}` first")
        if session.cannot_wait(step):
            raise SessionError(f"{step.name} awaits at its top level; `%flow run` in a cell of its own")
    action = yield from session.working(None, session.work.run_only(steps, force=force))
    session.refresh_badges()
    if action.stop is not None:
        raise action.stop
    return action
