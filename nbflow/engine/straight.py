"""Runs of which nothing is asked: no trigger, no further attempt, no limit, as of most cells.

While such a run goes straight on, to its body and to its end, the rules of the engine have nothing to decide.
As soon as anything else happens they decide, from where the run stands, as if they had led it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from nbflow.engine.effects import Call, Ended, Enter
from nbflow.engine.observation import refusal
from nbflow.retries import NO_RETRIES
from nbflow.states import Completed, Failed, Pending, Running
from nbflow.triggers import all_successful

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nbflow.engine.drive import Entered, Journal
    from nbflow.engine.effects import RunSpec
    from nbflow.engine.observation import Observation
    from nbflow.engine.requests import Observing
    from nbflow.states import State

    Attempt = Callable[[Call], Observing]
    """Runs the body once."""

_NOTHING: Final[Mapping[str, object]] = {}
_PENDING: Final = Pending()
_RUNNING: Final = Running()


class GoneBefore:
    """The journal of a run that has entered some states: the rules are led through these, and nobody is told.

    Args:
        journal: Where further states are entered.
        entered: Those that it has entered, in order.
        stop: What interrupted it behind the last of them, if anything did; raised again there.
    """

    def __init__(
        self, journal: Journal, entered: Sequence[Entered], stop: BaseException | None = None
    ) -> None:
        self._journal = journal
        self._entered = entered
        self._ahead = list(entered)
        self._stop = stop

    def append(self, effect: Enter, old: State | None) -> Entered:
        """Append a state, but for those that the run has entered; see `Journal.append`."""
        if self._ahead:
            return self._ahead.pop(0)
        self._raise()
        return self._journal.append(effect, old)

    def tell(self, entered: Entered) -> None:
        """Tell of a state, but for those of which it was told; see `Journal.tell`."""
        if not any(entered is each for each in self._entered):
            self._journal.tell(entered)
        elif not self._ahead:
            self._raise()

    def _raise(self) -> None:
        stop, self._stop = self._stop, None
        if stop is not None:
            raise stop


class Straight:
    """One run that goes straight on, as long as it does.

    Args:
        spec: The run.
        journal: Where its states are entered.
    """

    def __init__(self, spec: RunSpec, journal: Journal) -> None:
        self._spec = spec
        self._journal = journal
        self._entered: list[Entered] = []
        # Hooks, and who keeps what a task was given, have to know each state.
        self.tell = journal.tell_straight if spec.body is None else journal.tell

    def begin(self) -> None:
        """Enter the states before the body; what interrupts that is for `again`."""
        self.tell(self._enter(_PENDING))
        self.tell(self._enter(_RUNNING))

    def call(self) -> Call:
        """The one call of the body, as the rules make it."""
        return Call(self._spec, f"{self._spec.id}/1.1", 1, 1, None, _NOTHING, None, None)

    def end(self, observation: Observation) -> Entered | None:
        """Complete the run where its body has returned; None: the rules say what becomes of it."""
        outcome = observation.outcome
        return self._enter(Completed("", outcome.value)) if outcome.ended is Ended.RETURNED else None

    def again(self, stop: BaseException | None = None) -> GoneBefore:
        """What leads the rules to where it stands, and to what interrupted it there, if anything did."""
        return GoneBefore(self._journal, self._entered, stop)

    def _enter(self, state: State) -> Entered:
        old = self._entered[-1].state if self._entered else None
        entered = self._journal.append(Enter(self._spec, state, 1, 1), old)
        self._entered.append(entered)
        return entered


def goes_straight(spec: RunSpec) -> bool:
    """Whether nothing is asked of a run but that its body runs."""
    is_free = spec.trigger is all_successful and not spec.upstream and not spec.state_handlers
    is_new = spec.resumed is None and not spec.started_by_name
    return is_free and is_new and spec.timeout is None and spec.retries is NO_RETRIES


def plainly(attempt: Attempt) -> Attempt:
    """Attempts at a plain cell, which is run once: one that asks by a signal for more has failed."""

    def attempted(call: Call) -> Observing:
        seen = yield from attempt(call)
        refused = refusal(seen.error)
        return replace(seen, outcome=seen.outcome.instead(Failed(refused, seen.error))) if refused else seen

    return attempted


def with_first(made: Observation | BaseException, attempt: Attempt) -> Attempt:
    """Attempts of which the first was made already: what was seen of it, or what kept it from being seen."""
    first = [made]

    def attempted(call: Call) -> Observing:
        if not first:
            return (yield from attempt(call))
        seen = first.pop()
        if isinstance(seen, BaseException):
            raise seen
        return seen

    return attempted
