"""How the results of a step are kept: whether they are reused, to what age, and whether they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.analysis import writes_outside
from nbflow.engine.slots import NAME
from nbflow.triggers import manual_only
from nbflow.types import FILE, Cause, Effect, Slot, Standing, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbflow.engine.book import Step
    from nbflow.engine.slots import Outside
    from nbflow.types import Trace

EXPIRY: Final = "expiry"
"""The kind of the slots that tell whether a moment, seconds since the epoch, has passed."""
NOT_REUSED: Final = "no cache"
"""The flag of a trace that stands as long as nobody asks for its step, and is never found for another run."""
CHANGES: Final = "changes the state of the process: "
"""How the unknown of a trace begins that tells what of the process a body has changed."""
_PASSED: Final = "passed"
_WORLD: Final = ("network:", "database:", "clock:", "reads the network")
"""How those of a trace's unknowns begin that tell of the outside world, see `record.py`."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Which inputs decide whether a result is up to date; the code always does.

    What does not count is looked at all the same: where it is another one now, the result is *as of* what it
    was, never fresh.

    Args:
        only: The names that count; None: all.
        without: Names that do not.
        of_parameters: Whether of the names only parameters of the flow count.
        outside: Whether files, the environment, the context and random states count.
    """

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    of_parameters: bool = False
    outside: bool = True


ALL: Final = Compared()
"""Every input counts."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is said of the results of a step.

    Args:
        reuses: Whether a result may be taken instead of running the body.
        refreshes: Whether its own run executes the body although a result fits.
        at_most: How old a result may be, in seconds from its end; None: any age.
        persists: Whether the store may keep the values, and not only their digests.
        compared: Which inputs count.
        weighs: Whether it keeps only those that it takes longer to compute than to store and load.

    Example:
        >>> Keeping().stores, Keeping(reuses=False).stores
        (True, False)
    """

    reuses: bool = True
    refreshes: bool = False
    at_most: float | None = None
    persists: bool = True
    compared: Compared = ALL
    weighs: bool = True

    @property
    def stores(self) -> bool:
        """Whether the values that the body makes go to the store."""
        return self.persists and self.reuses

    def expires(self, trace: Trace) -> float | None:
        """When a result is too old, seconds since the epoch; None: never.

        Example:
            >>> from nbflow.types import Trace
            >>> Keeping(at_most=60.0).expires(Trace("t", "k", (), (), started=100.0, seconds=5.0))
            165.0
        """
        return None if self.at_most is None else trace.started + trace.seconds + self.at_most


NOT_COMPARED: Final = "not compared"
"""Stands in the key of a trace for what a name held that was not to be compared."""


def name_in(slot: Slot) -> str:
    """The name that a slot is of, without attributes; empty for what is no name.

    Example:
        >>> name_in(Slot("name", "np.pi")), name_in(Slot("file", "a.csv"))
        ('np', '')
    """
    return slot.locator.partition(".")[0] if slot.kind == NAME else ""


KEPT: Final = Keeping()
"""Reused at any age, and stored."""


class ExpiryKind:
    """Whether moments have passed.

    Args:
        clock: Seconds since the epoch.

    Example:
        >>> ExpiryKind(lambda: 100.0).now("99.5"), ExpiryKind(lambda: 100.0).now("160.0")
        ('passed', 'ahead')
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def now(self, locator: str) -> str:
        """Whether a moment has passed."""
        return _PASSED if self._clock() >= float(locator) else "ahead"

    def show(self, locator: str) -> str:
        """The same for people."""
        return self.now(locator)


def expiry_of(step: Step, trace: Trace) -> Slot | None:
    """The slot that tells whether a result is too old for a step; None where it may have any age."""
    if step.keeping.at_most is None:
        return None  # asked at every judgement, and mostly so
    return Slot(EXPIRY, repr(step.keeping.expires(trace)))


def has_expired(step: Step, trace: Trace, outside: Outside) -> bool:
    """Whether a result is too old for a step, as of the last look."""
    slot = expiry_of(step, trace)
    return slot is not None and outside.digest(slot) == _PASSED


def world_of(trace: Trace) -> tuple[str, ...]:
    """What a body read of the world outside that nothing can be compared with: network, database, clock."""
    return tuple(unknown for unknown in trace.unknowns if unknown.startswith(_WORLD))


def is_effect(unknown: str) -> bool:
    """Whether what a body was seen to do, such as adding to a file, is what an effect is there for."""
    own = unknown.startswith("reads the network") or unknown.endswith("which it writes itself")
    return own or writes_outside(unknown)


def asks_again(step: Step, trace: Trace, outside: Outside) -> bool:
    """Whether the world has to be asked again for a result, unless it is said how long its answer is good."""
    is_old = trace.started < outside.since and step.keeping.at_most is None
    return is_old and bool(world_of(trace))


def is_reusable(step: Step, trace: Trace, outside: Outside) -> bool:
    """Whether a result whose inputs are as they are now may be taken for a run of a step."""
    if not step.keeping.reuses or NOT_REUSED in trace.flags or has_expired(step, trace, outside):
        return False
    if asks_again(step, trace, outside):
        return False
    written = (output for output in trace.outputs if output.slot.kind == FILE)
    return all(outside.digest(output.slot) == output.digest for output in written)


def runs_each_time(step: Step) -> bool:
    """Whether each run of the whole flow executes the body of a step, whatever it has."""
    by_flow = step.standing is Standing.HERE and step.trigger is not manual_only
    return not step.keeping.reuses and step.hold is None and by_flow


def reasons(causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    """The causes among these for which a step runs.

    Who may start it is none, nor is what is merely unproven above it; at what somebody has put it, it stands
    whatever differs.
    """
    found: list[Cause] = []
    for cause in causes:
        if cause.category == "held":
            return ()
        if cause.category not in _WHO_MAY and (cause.category, cause.after) != _UNPROVEN_ABOVE:
            found.append(cause)
    return tuple(found)


_WHO_MAY: Final = ("effect", "unsure")
_UNPROVEN_ABOVE: Final = ("upstream", Verdict.AS_OF.value)


def forced_cause(step: Step) -> Cause:
    """Why the body of a step runs although what it has is up to date."""
    keeping = step.keeping
    if step.effect is Effect.ALWAYS:
        return Cause("forced", step.name, after="its effect is repeated each time")
    if not keeping.reuses:
        return Cause("no cache", step.name)
    if not keeping.persists and not keeping.refreshes:
        return Cause("not stored", step.name)
    if keeping.refreshes:
        return Cause("forced", step.name, after="asked for with --refresh")
    return Cause("forced", step.name)


def gone_cause(step: Step) -> Cause:
    """Why the body of a step runs although its result fits: a name that it made cannot come back."""
    return Cause("unstorable", step.name, after="it could not be stored and went with its kernel")
