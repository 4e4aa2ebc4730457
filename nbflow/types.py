"""The nouns of nbflow as frozen values.

This module knows nothing but values: no rules, no files, no clock. Times are seconds since
the epoch, durations are seconds, digests are 32 hexadecimal characters.

Here and elsewhere the values that every cell makes, a dozen or two of them, are structs: to make a
frozen dataclass takes ten times as long.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - records are decoded by these annotations
from enum import Enum
from typing import Final, NamedTuple

import msgspec

FILE: Final = "file"
"""The kind of the slots that are files."""

UNBOUND: Final = "unbound"
"""The digest of a slot that holds nothing."""

OPEN: Final = "open"
"""The digest of a written file that was not closed: nobody can tell yet what is in it."""

LEFT_OPEN: Final = "left open"
"""What is said of such a file to whoever reads it."""

WHILE_IT_RAN: Final = "changed while the body ran"
"""What is said of what makes a run prove nothing."""

NO_NAMES: Final[frozenset[str]] = frozenset()
NO_CODE: Final[Mapping[str, str]] = {}


class Answer(Enum):
    """What one entry of a trace says about the present."""

    SAME = "same"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Verdict(Enum):
    """Whether a step is up to date; the four words of design 2.8 and no others."""

    FRESH = "fresh"
    STALE = "stale"
    WAITS = "waits"
    AS_OF = "as of"

    __hash__ = object.__hash__  # an enumeration's own is computed from the name each time


class Licence(Enum):
    """Who may start a step: the flow, only its name, or only the user."""

    FLOW = "flow"
    NAME = "name"
    USER = "user"


class Effect(Enum):
    """How often a step whose point is what it does outside is run, see design 2.6.

    Once for the same code and inputs, or at each run of its cell or by its name.
    """

    ONCE = "once"
    ALWAYS = "always"


class Standing(Enum):
    """Whether a step ran in this kernel, is remembered from an earlier one, or lost its cell."""

    HERE = "here"
    REMEMBERED = "remembered"
    GONE = "gone"


class Slot(NamedTuple):
    """A thing that can be asked for its content.

    Args:
        kind: The name of a registered kind: `name`, `file`, `absent`, `listing`, `code`,
            `package`, `environment`, `context`, `parameter`, …
        locator: Which one: a variable's name, a path, a distribution's name.
    """

    kind: str
    locator: str


NO_REACHES: Final[Mapping[str, Reach]] = {}


class Reach(NamedTuple):
    """What the code inside a value may touch when somebody calls it.

    Args:
        reads: Names of the namespace that it may load.
        writes: Names of the namespace that it may bind or delete.
        mutates: Names of the namespace whose values it may change in place.
        changes_arguments: Whether it may change its arguments (a method: its object) in place.
        parts: For a local module, attribute name to digest; for a task function, what `TASK_VALUE`,
            `TASK_CODE` and `TASK_WIRED` say; for a flow, `FLOW_CODE`; for a function or a local
            module that has some, `TEXTS`.
        paths: Strings in the code that may be meant as paths, and files that the value has yet to read:
            native readers open files unseen.
        shows_texts: Whether it may look at docstrings, annotations or signatures.
        attributes: For a local module, what each attribute of it may touch, where that is something.
    """

    reads: frozenset[str] = NO_NAMES
    writes: frozenset[str] = NO_NAMES
    mutates: frozenset[str] = NO_NAMES
    changes_arguments: bool = False
    parts: Mapping[str, str] = NO_CODE
    paths: frozenset[str] = NO_NAMES
    shows_texts: bool = False
    attributes: Mapping[str, Reach] = NO_REACHES

    def by(self, names: frozenset[str] | None) -> Reach:
        """What is touched by who uses of a value nothing but attributes of these names, None: all of it."""
        if not (self.attributes and names and names <= self.parts.keys()):
            return self
        used = [self.attributes[name] for name in names if name in self.attributes]
        return Reach(
            NO_NAMES.union(*(each.reads for each in used)),
            NO_NAMES.union(*(each.writes for each in used)),
            NO_NAMES.union(*(each.mutates for each in used)),
            self.changes_arguments,
            self.parts,
            NO_NAMES.union(*(each.paths for each in used)),
            any(each.shows_texts for each in used),
        )


NO_REACH: Final = Reach()

TASK_VALUE: Final = "()"
"""The part of a task function that is the key under which its value lives."""

TASK_CODE: Final = "fn"
"""The part of a task function that is the digest of the function alone."""

TASK_WIRED: Final = "wired"
"""The part of a task function that names its parameters without default, with blanks between."""

TEXTS: Final = '"""'
"""The part of a function or module that is the digest of docstrings and annotations: no input, unless
somebody looks at them."""

FLOW_CODE: Final = "flow"
"""The part of a flow that is its digest: what it calls are runs of its own, and no reads."""


class Looked(NamedTuple):
    """One thing that runs of a code have looked at: an item of an input list.

    Args:
        slot: What was looked at.
        whole_unit: Whether the content is that of the slot's whole alias unit (its members
            at the place, their contents and their sharing) instead of the value alone.
    """

    slot: Slot
    whole_unit: bool = False


class Entry(NamedTuple):
    """A slot and the digest that a body saw in it.

    Args:
        looked: What was looked at.
        digest: What was seen.
        preview: The same in a short text for people.
        origin: Identifier of the step that had made it; empty for what no step makes.
    """

    looked: Looked
    digest: str
    preview: str = ""
    origin: str = ""


class Output(NamedTuple):
    """The content of a slot as one execution left it.

    Args:
        slot: What was written.
        digest: Digest of the value alone, or `UNBOUND`.
        unit: Digest of the alias unit that the value belongs to; that of the value where it
            shares memory with no other name.
        members: The names of that unit, sorted.
        reach: What code inside the value may touch.
        sort: `function`, `class`, `module` or `value`.
        preview: A short text for people.
        classes: Qualified names of the notebook's classes inside the unit, each with whether the
            body made it itself; it may have done both.
    """

    slot: Slot
    digest: str
    unit: str = ""
    members: tuple[str, ...] = ()
    reach: Reach = NO_REACH
    sort: str = "value"
    preview: str = ""
    classes: tuple[tuple[str, bool], ...] = ()


class Trace(msgspec.Struct, frozen=True, gc=False):
    """What one completed execution saw and made. Written once, never changed.

    Args:
        id: Unique identifier.
        static_key: Digest of the body's own normalised source, see design 4.1.
        entries: What the body saw, in the order first seen.
        outputs: What it made: names, written files, random states.
        definitions: Names among the outputs that are made by running `def`, `class` or `import`.
        captured: Digest of the stored captured outputs, or an empty string.
        unknowns: Why this result can never be called fresh (reads a database, own file, …).
        flags: `non-deterministic`, `quiet`, …
        run: Identifier of the run that made it.
        step: Identifier of the step that made it.
        notebook: Identifier of the notebook.
        started: When the body started, seconds since the epoch.
        seconds: How long the body took; of a mapped step, what all items took that its values are of.
        packages: Distribution name to version for the packages that it reached.
        reused: How much of `seconds` is of items that were reused.
    """

    id: str
    static_key: str
    entries: tuple[Entry, ...]
    outputs: tuple[Output, ...]
    definitions: frozenset[str] = NO_NAMES
    captured: str = ""
    unknowns: tuple[str, ...] = ()
    flags: frozenset[str] = NO_NAMES
    run: str = ""
    step: str = ""
    notebook: str = ""
    started: float = 0.0
    seconds: float = 0.0
    packages: Mapping[str, str] = {}
    reused: float = 0.0

    @property
    def ran(self) -> float:
        """How many seconds its own run took."""
        return self.seconds - self.reused


ACCEPT: Final = "accept"
"""The reason of a hold that takes a result for up to date."""
ONLY: Final = "only"
"""The reason of a hold at a result that was made from the latest results above, whatever those are worth."""


class Hold(msgspec.Struct, frozen=True):
    """A choice by hand of the trace that a step is bound to.

    Args:
        trace: The trace chosen.
        reason: `pin`, `accept`, `restore`, `only`, `cached inputs` or `task states`.
        until: What ends it, in words.
        at: When it was made, seconds since the epoch.
        entries: What the step would have seen then; it counts only while that is so. None: it counts
            whatever changes.
        told: What else there is to say of it: what a result was made from.
    """

    trace: Trace
    reason: str
    until: str = ""
    at: float = 0.0
    entries: tuple[Entry, ...] | None = None
    told: str = ""


class Chosen(msgspec.Struct, frozen=True):
    """How a result was chosen by hand that a later kernel holds as well, see `Hold`.

    Args:
        reason: `pin`, `accept`, `restore` or `only`.
        until: What ends it, in words.
        at: When it was chosen, seconds since the epoch.
        entries: What the step would have seen then; None: it counts whatever changes.
        told: What else there is to say of it.
    """

    reason: str
    until: str = ""
    at: float = 0.0
    entries: tuple[Entry, ...] | None = None
    told: str = ""


class Cause(msgspec.Struct, frozen=True, gc=False):
    """One difference, or unknown, between what a trace saw and what is now.

    Args:
        category: `code`, `input`, `file`, `upstream`, `never ran`, `unverified`, `spent`, …
        subject: What it is about, in the user's words: a name, a path, a task.
        before: What it was, for people.
        after: What it is now, for people.
        origin: The step it came from, or an empty string.
        part: Which part of the subject it is about, as code would name it: `['lr']`, `line 3`.
    """

    category: str
    subject: str
    before: str = ""
    after: str = ""
    origin: str = ""
    part: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """What was bound to what at the end of a flow run, or after a choice by hand.

    Args:
        number: The flow run's number in its notebook; 0 after a choice by hand.
        order: Step identifiers in flow order.
        parameters: Parameter name to digest.
        holds: Step identifier to trace identifier chosen by hand.
        traces: Step identifier to the trace it was bound to, plain cells included.
        at: When it was taken, seconds since the epoch.
        chosen: Step identifier to how its hold was made, of those that outlive their kernel.
    """

    number: int
    order: tuple[str, ...]
    parameters: Mapping[str, str]
    holds: Mapping[str, str]
    traces: Mapping[str, str]
    at: float = 0.0
    chosen: Mapping[str, Chosen] = {}
