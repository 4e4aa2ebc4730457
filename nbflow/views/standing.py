"""How a step itself stands, in phrases: held, failed, stopped, skipped; of one above with its name.

They are given causes whose texts are one line each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbflow.store.at_import import in_words
from nbflow.types import LEFT_OPEN, WHILE_IT_RAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.types import Cause


def held(cause: Cause) -> str:
    """At what somebody has put a step."""
    told = _HOLDS.get(cause.after, f"is held by hand: {cause.after}" if cause.after else "is held by hand")
    told = f"is from {cause.before}" if cause.before else told
    return f"{cause.origin} {told}" if cause.origin else told.removeprefix("is ")


_HOLDS: Final = {
    "pin": "is pinned",
    "accept": "is accepted as up to date",
    "restore": "is restored from an earlier run",
    "only": "ran with --only",
    "cached inputs": "runs on the inputs given",
    "task states": "is in the state that was given",
}


def unknown(cause: Cause, path: str) -> str:
    """That nobody can tell what something holds; of a file that a step above has not closed, what to do."""
    if cause.after == LEFT_OPEN:
        return f"{path} was still open when {cause.origin} had run: close it, and run that again"
    return f"{in_words(cause.subject)} cannot be compared"


def failed(cause: Cause) -> str:
    """That the last run failed, and how."""
    how = "proves nothing" if WHILE_IT_RAN in cause.after else "failed"
    return f"last run{_of(cause)} {how}" + (f": {cause.after}" if cause.after else "")


def stopped(cause: Cause) -> str:
    """That somebody stopped the last run."""
    return f"last run{_of(cause)} was stopped"


def over(cause: Cause) -> str:
    """That a step was run again because the run before had come to nothing."""
    how = "proved nothing" if WHILE_IT_RAN in cause.after else cause.before
    return f"ran again, the run before {how}" + (f": {cause.after}" if cause.after else "")


def of_state(word: str) -> Callable[[Cause], str]:
    """How a step stands by its state, with what that says."""

    def words(cause: Cause) -> str:
        of_whom = f"{cause.origin}: {word}" if cause.origin else word
        return f"{of_whom}: {cause.after}" if cause.after else of_whom

    return words


def never_ran(cause: Cause) -> str:
    """That there is no result yet."""
    return f"{cause.origin} never ran" if cause.origin else "never ran"


def removed(cause: Cause) -> str:
    """That the store has nothing of what it had run."""
    whose = f"the earlier result of {cause.origin}" if cause.origin else "its earlier result"
    return f"{whose} was removed"


def _of(cause: Cause) -> str:
    return f" of {cause.origin}" if cause.origin else ""
