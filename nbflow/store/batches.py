"""What a history has been told and not written yet: one batch, and the rows that it becomes.

What one batch has of one run is one row of each table: most runs are short and have begun and ended
in between.
"""

from __future__ import annotations

from collections import defaultdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from nbflow.exceptions import writable
from nbflow.secrets import KNOWN
from nbflow.states import Transition
from nbflow.store.escapes import with_texts
from nbflow.store.owners import this_owner
from nbflow.store.protocol import MOST_TEXT, Given, RunRecord
from nbflow.types import Cause

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from nbflow.store.memory import MemoryHistory
    from nbflow.types import Snapshot

FULL: Final = 4096
"""How many things make a batch due."""
ENDED_AT_ONCE: Final = 512
"""How many ended runs make a batch due."""
IN_A_ROW: Final = 1024
"""How many transitions a row has at most; a position in the history is the row's, times that."""

T = TypeVar("T")

_ENDED: Final = frozenset({"COMPLETED", "FAILED", "CANCELLED", "CRASHED"})
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_CAUSES: Final = msgspec.json.Decoder(tuple[Cause, ...])
_INPUTS: Final = msgspec.json.Decoder(dict[str, Given])
_PATH: Final = msgspec.json.Decoder(list[tuple[int, int, float, str, str, str, dict[str, str]]])
_encoder: Final = msgspec.json.Encoder()


class Batch:
    """What waits to be written; takes what a history takes.

    Example:
        >>> batch = Batch()
        >>> batch.begin(RunRecord("r", name="clean", owner="me"))
        >>> batch.append(Transition("r", 1, 1, 5.0, "COMPLETED", "Completed"))
        >>> batch.begin(RunRecord("r", key="k"))
        >>> [row[:1] + row[-2:] for row in batch.run_rows()], batch.new_states()
        ([('r', '', '{}')], [])
    """

    __slots__ = (
        "_ended",
        "_runs",
        "is_due",
        "keys",
        "paths",
        "size",
        "snapshots",
        "sources",
        "texts",
    )

    def __init__(self) -> None:
        self.size = 0
        self.paths: defaultdict[str, list[Transition]] = defaultdict(list)
        self.snapshots: list[tuple[str, Snapshot]] = []
        self.sources: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.texts: dict[tuple[str, str], Collection[str]] = {}
        self._runs: defaultdict[str, list[RunRecord]] = defaultdict(list)
        self._ended = 0
        self.is_due = False
        """Whether it is time to write it."""

    def __contains__(self, run: str) -> bool:
        """Whether it knows more of a run than what is written."""
        return run in self._runs

    @property
    def has_open(self) -> bool:
        """Whether a run that it knows the state of goes on."""
        return any(path[-1].type not in _ENDED for path in self.paths.values())

    def begin(self, record: RunRecord) -> None:
        """Add a run, or complete what is known of it."""
        self.size += 1
        self._runs[record.id].append(record)

    def append(self, transition: Transition) -> None:
        """Add a transition."""
        self.size += 1
        if transition.type in _ENDED:
            self._ended += 1
        self.is_due = self._ended >= ENDED_AT_ONCE or self.size >= FULL
        self.paths[transition.run].append(transition)

    def snapshot(self, snapshot: Snapshot, notebook: str) -> None:
        """Add a snapshot."""
        self.size += 1
        self.snapshots.append((notebook, snapshot))

    def save_source(self, digest: str, text: str) -> None:
        """Add a source text."""
        self.size += 1
        self.sources[digest] = text

    def keep_text(self, run: str, kind: str, lines: Collection[str]) -> None:
        """Add a text of a run, which may still grow."""
        self.size += (run, kind) not in self.texts
        self.texts[run, kind] = lines

    def file_trace(self, trace: str, key: str) -> None:
        """Add the action key of a trace."""
        self.size += 1
        self.keys[trace] = key

    def run_rows(self) -> Iterator[tuple[object, ...]]:
        """Yield a row for each run that was begun or completed, its present state last."""
        return (_run_row(records, self._state(run)) for run, records in self._runs.items())

    def new_states(self) -> list[tuple[str, str]]:
        """The present states of the other runs, each with its run."""
        return [(self._state(run), run) for run in self.paths if run not in self._runs]

    def _state(self, run: str) -> str:
        path = self.paths.get(run)
        return path[-1].type if path else ""

    def path_rows(self) -> Iterator[tuple[str, str]]:
        """Yield the rows of the runs' transitions."""
        for run, path in self.paths.items():
            for first in range(0, len(path), IN_A_ROW):
                yield path_row(run, path[first : first + IN_A_ROW])

    def masked_sources(self) -> list[tuple[str, str]]:
        """The rows of the source texts, without the secrets that stand in them."""
        return [(digest, KNOWN.masked(text)) for digest, text in self.sources.items()]

    def text_rows(self) -> list[tuple[str, str, str]]:
        """The rows of the texts of runs, without the secrets that stand in them."""
        return [
            (run, kind, KNOWN.masked(writable(end_of(lines)))) for (run, kind), lines in self.texts.items()
        ]

    def tell(self, memory: MemoryHistory) -> None:
        """Tell another history all of it, in the order of each run."""
        for record in (record for records in self._runs.values() for record in records):
            memory.begin(record)
        for transition in (transition for path in self.paths.values() for transition in path):
            memory.append(transition)
        for notebook, snapshot in self.snapshots:
            memory.snapshot(snapshot, notebook)
        for digest, text in self.sources.items():
            memory.save_source(digest, text)
        for (run, kind), lines in self.texts.items():
            memory.keep_text(run, kind, lines)
        for trace, key in self.keys.items():
            memory.file_trace(trace, key)


def end_of(lines: Collection[str]) -> str:
    """The end of a text that may be long, from the beginning of a line on.

    Example:
        >>> end_of(["begins", "goes on"]).splitlines()
        ['begins', 'goes on']
        >>> [line[:4] for line in end_of(["x" * 15_000, "y" * 15_000]).splitlines()]
        ['…', 'yyyy']
    """
    text = "\n".join(tuple(lines))
    if len(text) <= MOST_TEXT:
        return text
    end = text[-MOST_TEXT:]
    return "…\n" + (end.partition("\n")[2] or end)


def _run_row(records: list[RunRecord], state: str) -> tuple[object, ...]:
    first = records[0]
    name, key, trace, causes = first.name, first.key, first.trace, first.causes
    source, inputs = first.source, first.inputs
    for record in records[1:]:
        name, key = record.name or name, record.key or key
        trace, causes = record.trace or trace, record.causes or causes
        source, inputs = record.source or source, record.inputs or inputs
    one = (first.id, first.number, first.notebook, first.parent, first.role, first.step, KNOWN.masked(name))
    owner = first.owner or this_owner()
    told = KNOWN.masked(_told(causes)), state, source, _told(inputs)
    return (*one, first.index, first.origin, key, trace, owner, *told)


def run_of(row: tuple[Any, ...]) -> RunRecord:
    """Return a run from its row, the state left out; causes and inputs that rotted are none."""
    *told, causes, source, inputs = row
    known = _decoded(_INPUTS, inputs, {})
    return RunRecord(*told, causes=_decoded(_CAUSES, causes, ()), source=source, inputs=known)


def _told(content: object) -> str:
    try:
        return _encoder.encode(content).decode()
    except UnicodeEncodeError:
        return _encoder.encode(with_texts(content, writable)).decode()


def is_readable(column: str, text: str | bytes) -> bool:
    """Whether a text of a row is as it was written: that of `causes`, `inputs` or `transitions`."""
    try:
        _DECODERS[column].decode(text)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return False
    return True


_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "causes": _CAUSES,
    "inputs": _INPUTS,
    "transitions": _PATH,
}


def _decoded(decoder: msgspec.json.Decoder[T], text: str | bytes, nothing: T) -> T:
    """What a text says; nothing where the disk has changed it."""
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, TypeError):
        return nothing


def path_row(run: str, path: list[Transition]) -> tuple[str, str]:
    """Return the row of some transitions of a run."""
    steps = [
        (step.attempt, step.loop, step.at, step.type, step.name, step.message, dict(step.details))
        for step in path
    ]
    return run, KNOWN.masked(_told(steps))


def path_of(run: str, seq: int, text: str) -> list[Transition]:
    """Return the transitions in a row; none where the disk has changed it.

    Args:
        run: The run.
        seq: The row's number.
        text: Its text.
    """
    first = seq * IN_A_ROW
    return [
        Transition(run, attempt, loop, at, kind, name, message, details or _NOTHING, first + number)
        for number, (attempt, loop, at, kind, name, message, details) in enumerate(_decoded(_PATH, text, []))
    ]
