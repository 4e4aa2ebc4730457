"""What a live view shows of a run beside its states: what it has said, and the values of explicit flows.

Values are those that this process still knows; else the ones that the store has, read between two cells.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nbflow.exceptions import CacheError, SessionError
from nbflow.notebook.remembered import GONE
from nbflow.running.caching import STORE_LOCK
from nbflow.secrets import HIDDEN, looks_secret
from nbflow.states import TERMINAL, state_of
from nbflow.store.protocol import ELEMENT, LOG, TRACEBACK, Given
from nbflow.views.cards import ValueCard
from nbflow.views.values import page_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nbflow.notebook.remembered import Glimpse
    from nbflow.notebook.session import Session
    from nbflow.states import Transition
    from nbflow.store.protocol import RunRecord
    from nbflow.views.values import ValuePage

INPUTS: Final = "inputs"
RESULT: Final = "result"
_MOST: Final = 60
_MOST_RUNS: Final = 2_000
_STORED: Final = "in the store"
_LOST: Final = (
    "its values are not at hand any more: of runs of an earlier kernel, results are kept that "
    "have persist_result=True, and the inputs of what failed"
)


class Said(NamedTuple):
    """What a run has said.

    Attributes:
        log: The lines that it has logged; of one that failed, also what it has printed.
        traceback: Where it has failed; empty where it has not.
    """

    log: tuple[str, ...] = ()
    traceback: str = ""


class Contents:
    """What runs were given, have made and have said.

    Args:
        session: The session of the notebook.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def values(self, run: RunRecord) -> tuple[tuple[ValueCard, ...], tuple[ValueCard, ...]]:
        """What a run was given, and what it has made."""
        known, kept = self._session.remembered.insides(run.id), self._kept(run)
        inputs = [_card(name, value) for name, value in known.inputs.items()] or [
            _stored_card(name) for name in self._given(run) or kept.get(INPUTS, {})
        ]
        inputs = [*self._elements(run), *inputs]
        made = [_card(RESULT, known.result)] if known.result is not None else []
        if not (made and made[0].can_be_paged) and RESULT in kept and not looks_secret(_task_of(run)):
            made = [_stored_card(RESULT, made[0] if made else None)]
        return tuple(inputs[:_MOST]), tuple(made)

    def said(self, run: RunRecord | None) -> Said:
        """What a run has said, also in an earlier kernel."""
        if run is None:
            return Said()
        history = self._session.around.store.history
        return Said(tuple(history.text(run.id, LOG).splitlines()), history.text(run.id, TRACEBACK))

    def lost(self, run: RunRecord) -> str:
        """Why nothing of a run can be shown; empty where something can, or where there is nothing."""
        path = self._session.around.store.history.transitions(run.id)
        ran = any(each.name == "Running" for each in path) and path[-1].type in _FINAL
        return _LOST if ran and not any(self.values(run)) else ""

    def is_at_hand(self, run: RunRecord, side: str, name: str) -> bool:
        """Whether a value is to be had without the store, at any time and in any thread."""
        return self._value_here(run, side, name) is not GONE

    def page(self, run: RunRecord, side: str, name: str, start: int) -> ValuePage:
        """Some rows of a value.

        Args:
            run: The run.
            side: `inputs`, or else what it has made.
            name: The parameter.
            start: The number of the first row.

        Raises:
            SessionError: If the value cannot be had.
        """
        if looks_secret(name if side == INPUTS else _task_of(run)):
            raise SessionError(f"{name} is not shown: {HIDDEN}")
        value = self._value_here(run, side, name)
        return page_of(self._loaded(run, side, name) if value is GONE else value, max(start, 0))

    def _value_here(self, run: RunRecord, side: str, name: str) -> Any:
        known = self._session.remembered.insides(run.id)
        found = known.inputs.get(name) if side == INPUTS else known.result
        return found.reach() if found is not None else GONE

    def _loaded(self, run: RunRecord, side: str, name: str) -> object:
        found, store = self._stored(run, side, name), self._session.around.store
        if found is None:
            raise SessionError(f"{name} of {run.name} is held by nobody any more and was not stored")
        try:
            with STORE_LOCK:
                # Small values lie in the records of the results that they are of.
                for each in self._runs_beside(run) if side == INPUTS else (run,):
                    store.trace(each.trace)
                return store.load(found.unit)[found.place]
        except CacheError as error:
            raise SessionError(f"{name} of {run.name} is not stored: {error}") from None

    def _stored(self, run: RunRecord, side: str, name: str) -> Given | None:
        """Where the store has a value, as far as the history tells."""
        kept = self._kept(run)
        version = kept.get(INPUTS, {}).get(name) if side == INPUTS else kept.get(RESULT)
        own = run.inputs.get(name) if side == INPUTS else None
        return own or (Given(version) if version else None)

    def _given(self, run: RunRecord) -> dict[str, str]:
        """Under which units the store has what the body of a cell got, by name."""
        store, units = self._session.around.store, {key: each.unit for key, each in run.inputs.items()}
        return {key: unit for key, unit in units.items() if key.isidentifier() and store.has(unit)}

    def _elements(self, run: RunRecord) -> Iterator[ValueCard]:
        """What an item that did not complete was given of its own, in words."""
        for line in self._session.around.store.history.text(run.id, ELEMENT).splitlines():
            name, _, text = line.partition(" = ")
            yield ValueCard(name, preview=text)

    def _runs_beside(self, run: RunRecord) -> Iterator[RunRecord]:
        """The runs of the same flow run whose results were stored."""
        history = self._session.around.store.history
        found = history.runs(run.notebook, limit=_MOST_RUNS, number=run.number)
        return (each for each in found if each.trace)

    def _kept(self, run: RunRecord) -> Mapping[str, Any]:
        """Under which digests the store has what the states of a run say that it was given and has made."""
        return dict(_versions(self._session.around.store.history.transitions(run.id)))


_FINAL: Final = frozenset(kind.value for kind in TERMINAL)


def _versions(path: tuple[Transition, ...]) -> Iterator[tuple[str, Any]]:
    for state in map(state_of, path):
        if state.cached_inputs:
            yield INPUTS, state.cached_inputs
        if state.is_completed() and "version" in state.details:
            yield RESULT, state.details["version"]


def _task_of(run: RunRecord) -> str:
    return run.step.removesuffix("()")


def _card(name: str, value: Glimpse) -> ValueCard:
    return ValueCard(name, preview=value.text, shape=value.about, can_be_paged=value.reach() is not GONE)


def _stored_card(name: str, known: ValueCard | None = None) -> ValueCard:
    """A value that only the store has; what it was is known only if its run was of this process."""
    return replace(known or ValueCard(name, preview=_STORED), can_be_paged=True)
