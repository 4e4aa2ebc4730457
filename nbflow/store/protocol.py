"""What the engine may ask of a store, whatever keeps it.

A store has traces under action keys, the input lists of static keys, the values of alias units by
the unit's digest, and the history of runs. It never raises for a fault of its own: what cannot be
kept is reported, what cannot be had is `Missing` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - records are decoded by these annotations
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec

from nbflow.exceptions import CacheError
from nbflow.types import Cause, Looked, Snapshot, Trace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from nbflow.states import Transition

InputList = tuple[Looked, ...]
"""One distinct set of things that runs of a code have looked at, in the order first seen."""

MOST_LISTS: Final = 16
"""How many input lists a static key keeps."""

MOST_TRACES: Final = 64
"""How many traces under one action key `find` gives; older ones are kept, not given."""

COSTLY: Final = 1 << 18
"""From how many bytes of objects, arrays apart, a value is loaded only when it is used."""

HAPPENS_ONCE: Final = "happens once"
"""The flag of a trace that no other run can replace: what its body does outside must not happen again."""
NON_DETERMINISTIC: Final = "non-deterministic"
"""The flag of a trace whose key also led to other outputs."""

NOT_STORED: Final = "not stored"
"""Why a value cannot be had that could be stored, and is not."""
EVICTED: Final = "removed to save space"
"""Why a value cannot be had that was stored once."""
UNSTORABLE: Final = "it cannot be stored"
"""Why a value cannot be had that no store can keep."""
NOT_WORTH: Final = "computing it takes less time than storing and loading it"
"""Why a commit left a value out."""

LOG: Final = "log"
"""The kind of text that a run has logged."""
ELEMENT: Final = "element"
"""The kind of text that says what an item that did not complete was given, a line for each name."""
TRACEBACK: Final = "traceback"
"""The kind of text that says where in the user's code a run has failed."""
MOST_TEXT: Final = 20_000
"""How many characters of a text of a run are kept."""
MOST_TEXTS: Final = 5_000
"""Of how many texts of runs a history keeps at least the newest ones."""

NO_UNITS: Final[frozenset[str]] = frozenset()


class Weight(msgspec.Struct, frozen=True):
    """What storing a value costs.

    Args:
        unit: Its digest.
        size: How many bytes it takes.
        objects: How many of them are objects, which have to be built when it is loaded.
    """

    unit: str
    size: int
    objects: int


def always(weight: Weight) -> bool:
    """Store it whatever it costs."""
    return True


class Choice(msgspec.Struct, frozen=True):
    """Which values of a result a store is to keep.

    Args:
        is_worth: Asked of each value that is not small and not stored yet: whether to store it.
        given_up: Further units of the result, of which nobody expects a value.
    """

    is_worth: Callable[[Weight], bool] = always
    given_up: frozenset[str] = NO_UNITS


EVERYTHING: Final = Choice()


class Missing(CacheError):
    """A value cannot be had from the store.

    Args:
        reason: Why, in words for the user: `not stored`, `damaged`, `class Model has changed since`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class Commit(msgspec.Struct, frozen=True):
    """What became of a result that a store was given.

    Args:
        stored: Digests of the units that can be loaded from now on.
        unstored: Digest of each other unit, and why it was not stored.
        notices: One-line texts for the user, each told once.
    """

    stored: frozenset[str] = NO_UNITS
    unstored: Mapping[str, str] = {}
    notices: tuple[str, ...] = ()


class Given(NamedTuple):
    """Where the store has what a run got under a name: a member of a unit.

    Args:
        unit: Digest of the unit.
        place: Which of its members, counted from 0.
    """

    unit: str
    place: int = 0


class RunRecord(msgspec.Struct, frozen=True, gc=False):
    """One attempt by somebody to bring a step, an item or a flow to its end.

    Args:
        id: Unique identifier.
        number: The flow run's number in its notebook; 0 outside of one.
        notebook: Identifier of the notebook.
        parent: The run that it belongs to, or an empty string.
        role: `flow`, `task`, `item` or `child`.
        step: Identifier of the step; for a flow, of the flow.
        name: The step's name when it ran.
        index: Position of a mapped item, -1 for all else.
        origin: Who wanted it: `cell`, `catch-up`, `auto`, `named`, `headless`, `audit`.
        key: Its action key, or an empty string until that is known.
        trace: The trace that it ended with, or an empty string.
        owner: The process that runs it; filled by the history where empty.
        causes: Why it ran or was reused.
        source: Digest of the source that it ran; the history has the text.
        inputs: Name to where the store has its value as the run got it; empty for one that was not executed.
    """

    id: str
    number: int = 0
    notebook: str = ""
    parent: str = ""
    role: str = "task"
    step: str = ""
    name: str = ""
    index: int = -1
    origin: str = ""
    key: str = ""
    trace: str = ""
    owner: str = ""
    causes: tuple[Cause, ...] = ()
    source: str = ""
    inputs: Mapping[str, Given] = {}


class History(Protocol):
    """What happened: runs, their transitions, snapshots and sources; only ever added to.

    What is added is kept in memory until `flush`, which also happens by itself now and then.
    """

    def begin(self, record: RunRecord) -> None:
        """Add a run, or complete what is known of it; what is empty in `record` stays as it was."""
        ...

    def append(self, transition: Transition) -> None:
        """Add a transition of a run that has begun; its `seq` is given here."""
        ...

    def transitions(self, run: str) -> tuple[Transition, ...]:
        """Return the transitions of a run, oldest first."""
        ...

    def run(self, id: str) -> RunRecord | None:
        """Return one run, or None."""
        ...

    def runs(
        self,
        notebook: str | None = None,
        step: str | None = None,
        limit: int = 100,
        number: int | None = None,
    ) -> tuple[RunRecord, ...]:
        """Return runs, newest first, of one notebook, one step and one flow run where these are given."""
        ...

    def next_number(self, notebook: str) -> int:
        """Return the number that the notebook's next flow run bears."""
        ...

    def snapshot(self, snapshot: Snapshot, notebook: str) -> None:
        """Add what was bound to what at the end of a flow run."""
        ...

    def snapshots(self, notebook: str) -> tuple[Snapshot, ...]:
        """Return the snapshots of a notebook, oldest first."""
        ...

    def last_snapshot(self, notebook: str) -> Snapshot | None:
        """Return the newest snapshot of a notebook, or None."""
        ...

    def save_source(self, digest: str, text: str) -> None:
        """Keep a source text under its digest."""
        ...

    def source(self, digest: str) -> str | None:
        """Return the source text with that digest, or None."""
        ...

    def keep_text(self, run: str, kind: str, lines: Collection[str]) -> None:
        """Keep a text of a run: the lines that are there when it is written.

        Of a long text the end is kept, and texts of the newest runs only.

        Args:
            run: The run.
            kind: `LOG`, `TRACEBACK` or `ELEMENT`; each replaces what was kept as that.
            lines: The lines of text.
        """
        ...

    def text(self, run: str, kind: str) -> str:
        """Return the text of a run that is kept as that, or an empty string."""
        ...

    def file_trace(self, trace: str, key: str) -> None:
        """Note the action key that a trace is kept under."""
        ...

    def key_of(self, trace: str) -> str:
        """Return the action key that a trace is kept under, or an empty string."""
        ...

    def flush(self) -> None:
        """Make everything added so far durable; costs nothing if nothing was."""
        ...

    def flush_soon(self) -> None:
        """Make it durable in a moment, unless that happens before; costs next to nothing."""
        ...

    def flush_if_open(self) -> None:
        """Make it durable in a while if a run goes on then; costs next to nothing."""
        ...

    def close(self) -> None:
        """Flush and let go of files."""
        ...


class Store(Protocol):
    """Traces, values and history."""

    @property
    def history(self) -> History:
        """The history of runs that belongs to the traces."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """One-line texts for the user about faults of the store, each told once."""
        ...

    def expect(self, static_keys: Iterable[str]) -> None:
        """Say which codes will be asked for, in about this order, so that they can be read together."""
        ...

    def lists(self, static_key: str) -> tuple[InputList, ...]:
        """Return the input lists of a code, newest first, at most `MOST_LISTS`."""
        ...

    def find(self, action_key: str) -> tuple[Trace, ...]:
        """Return the traces under a key, newest first, at most `MOST_TRACES`."""
        ...

    def trace(self, id: str) -> Trace | None:
        """Return one trace by its identifier, or None."""
        ...

    def reason(self, key: str) -> str:
        """Return why what was looked up under a key, or for a code, is not used, or an empty string."""
        ...

    def commit(
        self,
        action_key: str,
        trace: Trace,
        units: Mapping[str, tuple[object, ...]],
        over: dict[str, Any] | None = None,
        choice: Choice = EVERYTHING,
    ) -> Commit:
        """Keep a trace and the values of units, by unit digest; never raises for a fault of the store.

        The trace is visible to others only when its values are, its input list only when it is.

        Args:
            action_key: What the trace is found by.
            trace: The trace.
            units: The values of the members of each unit.
            over: The names that the code in the values belongs to; by default the notebook's.
            choice: Which of the values to keep.
        """
        ...

    def flush(self) -> Mapping[str, str]:
        """Make all results durable; return the units that could not be, with the reason."""
        ...

    def put(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep the members of one unit, in sorted order of their names; return why not, or ``""``."""
        ...

    def replace(self, unit: str, values: tuple[object, ...]) -> str:
        """Keep what a name of one's own, no digest, stands for from now on; return why not, or ``""``."""
        ...

    def discard(self, unit: str) -> None:
        """Keep no longer what `replace` kept under a name."""
        ...

    def forgets(self, unit: str) -> bool:
        """Whether what a name stands for goes with this process, because it could not be written."""
        ...

    def has(self, unit: str) -> bool:
        """Whether `load` may succeed, by what is known without loading."""
        ...

    def absence(self, unit: str) -> str:
        """Return why a unit that a result refers to cannot be had; ``""`` where `load` may succeed."""
        ...

    def has_room(self, size: int) -> bool:
        """Return whether so many bytes are to spare for what nobody is known to need."""
        ...

    def is_costly(self, unit: str) -> bool:
        """Return whether loading has to build many objects, where arrays would merely be mapped."""
        ...

    def load(self, unit: str, over: dict[str, Any] | None = None) -> tuple[object, ...]:
        """Return a private copy of the members of a unit.

        Args:
            unit: Its digest.
            over: The names over which the notebook's code in it is made again; by default the notebook's.

        Raises:
            Missing: If they cannot be had, with the reason.
        """
        ...

    def sizes(self) -> Iterable[tuple[str, int]]:
        """Return what is stored: units, and how many bytes each takes."""
        ...

    def verify(self, unit: str) -> str:
        """Compare a stored unit with its digest, once per file; return what is wrong, or ``""``."""
        ...

    def close(self) -> None:
        """Flush the history and let go of files; values loaded before stay valid."""
        ...


def input_list(trace: Trace) -> InputList:
    """Return what a trace looked at, in the order first seen."""
    return tuple([entry.looked for entry in trace.entries])


def with_list(lists: tuple[InputList, ...], new: InputList) -> tuple[InputList, ...]:
    """Return the lists with a new one first and the oldest dropped; the same object if it is known.

    Example:
        >>> with_list((), ())
        ((),)
    """
    return lists if new in lists else (new, *lists)[:MOST_LISTS]


def differ(one: Trace, other: Trace) -> bool:
    """Whether two traces of one key made different outputs."""
    return _made(one) != _made(other)


def _made(trace: Trace) -> dict[tuple[str, str], str]:
    return {(output.slot.kind, output.slot.locator): output.digest for output in trace.outputs}
