"""What the views are given: frozen values with everything that they show.

A card is taken from book, judgements and history by whoever knows those; the views only arrange
it. Times are seconds since the epoch, durations are seconds, sizes are bytes. A number that is
not known is None, a text that there is not is empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nbflow.states import Transition
    from nbflow.types import Cause, Verdict

ActionWord = Literal["runs", "reuses", "waits", "may run"]
"""What a run would do with a step."""

DeedWord = Literal["ran", "reused", "failed", "stopped", "skipped", "waits", "not run"]
"""What a run did with a step."""


@dataclass(frozen=True, slots=True)
class TaskCard:
    """One task, or one plain cell, as it stands.

    Args:
        name: Its name; for a plain cell its label, such as `cell 7`.
        verdict: Whether it is up to date; None where nobody has judged it yet.
        state: Name of the last run's state, such as `Cached`; empty if it never ran.
        causes: Why the verdict is not fresh, or why it last ran; root cause first.
        seconds: How long the run took that made the result.
        saved: How much time a reuse saved.
        attempt: Which attempt ended the last run, counted from 1.
        run: Number of the flow run that the result is from; 0 outside of one.
        made: When the result was made.
        size: How much of the store its result takes.
        reads: What it reads, in words: names and files.
        writes: What it writes, in words.
        notes: What else is to be said, a line each: `also ran cell 7, 0.2 s`; in a badge, those
            that begin with `output` come before the causes.
        error: First line of the error that ended the last run.
        description: What the user wrote about it.
        tags: The user's tags.
        is_plain: Whether it is a plain cell and no task.
        is_registered: Whether it is only defined: nobody has asked for what it makes, and the flow leaves it
            alone.
        items: Of a mapped task, how many items ended in each state.
        hold: Why it stands at a result that somebody has chosen: `pin`, `accept`, `restore`; else empty.
        runs: Its last runs, where they are told, newest first.

    Example:
        >>> from nbflow.types import Verdict
        >>> TaskCard("clean", Verdict.FRESH, "Cached", saved=1.4, run=12).attempt
        1
    """

    name: str
    verdict: Verdict | None
    state: str = ""
    causes: tuple[Cause, ...] = ()
    seconds: float | None = None
    saved: float | None = None
    attempt: int = 1
    run: int = 0
    made: float | None = None
    size: int | None = None
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    is_plain: bool = False
    is_registered: bool = False
    items: tuple[tuple[str, int], ...] = ()
    hold: str = ""
    runs: tuple[RunLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """One task reads what another made.

    Args:
        source: Name of the task that makes it.
        target: Name of the task that reads it.
        names: What it is: variables and files; empty for an order without data.
    """

    source: str
    target: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FlowCard:
    """A flow as it stands.

    Args:
        tasks: Its tasks and plain cells in flow order.
        edges: Who reads from whom; an edge of a name that is not among the tasks is not shown.
        title: What to call it.
        now: The time that ages count from; 0 where it is not known, and no ages are shown.
        notices: One-line texts for the user.
    """

    tasks: tuple[TaskCard, ...]
    edges: tuple[Edge, ...] = ()
    title: str = ""
    now: float = 0.0
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanLine:
    """What a run would do with one step.

    Args:
        name: The step's name.
        action: `runs`, `reuses`, `waits` or `may run` (that depends on what comes before it).
        causes: Why, root cause first.
        seconds: How long it is expected to take, by its history.
        is_plain: Whether it is a plain cell.
    """

    name: str
    action: ActionWord
    causes: tuple[Cause, ...] = ()
    seconds: float | None = None
    is_plain: bool = False


@dataclass(frozen=True, slots=True)
class PlanCard:
    """What a run would do, in order.

    Args:
        lines: The steps in the order of work.
        seconds: How long all that runs is expected to take together.
        title: What to call it.
        notices: One-line texts for the user, such as the ways on.
    """

    lines: tuple[PlanLine, ...]
    seconds: float | None = None
    title: str = ""
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionLine:
    """What a run did with one step.

    Args:
        name: The step's name.
        action: `ran`, `reused`, `failed`, `stopped`, `skipped`, `waits`, or `not run` because something above
            it failed.
        causes: Why it ran, waits or was not run, root cause first.
        seconds: How long it ran.
        note: What else is to be said: the error, or which result was reused.
        is_plain: Whether it is a plain cell.
        saved: How much time it saved by what was reused: how long the run took that made the result, or
            those of the items that did not run again.
    """

    name: str
    action: DeedWord
    causes: tuple[Cause, ...] = ()
    seconds: float | None = None
    note: str = ""
    is_plain: bool = False
    saved: float | None = None


@dataclass(frozen=True, slots=True)
class ActionCard:
    """What one flow run did.

    Args:
        lines: The steps in the order of work, then those that were left.
        number: The flow run's number; 0 where it did nothing.
        notices: One-line texts for the user.
        rest: How all that was asked for stands, told where nothing was to be done.
    """

    lines: tuple[ActionLine, ...]
    number: int = 0
    notices: tuple[str, ...] = ()
    rest: str = "everything is up to date"


@dataclass(frozen=True, slots=True, repr=False)
class RunLine:
    """One run of one task.

    Args:
        number: The flow run's number; 0 outside of one.
        task: The task's name when it ran.
        state: Name of the state that it is in or ended in.
        origin: Who wanted it: `cell`, `catch-up`, `auto`, `named`, `headless`, `audit`.
        started: When it began.
        seconds: How long it took.
        attempts: How many attempts there were.
        causes: Why it ran or was reused.
        transitions: Its states, oldest first.
        saved: Of a reuse, how long the run took that made the result.
        kept: What the store has of its values: how much they take there, or `not stored`.
        id: Its identifier in the history.
        group: What it has started, in words: `1 of 12 items failed`.
    """

    number: int
    task: str
    state: str
    origin: str = ""
    started: float | None = None
    seconds: float | None = None
    attempts: int = 1
    causes: tuple[Cause, ...] = ()
    transitions: tuple[Transition, ...] = ()
    saved: float | None = None
    kept: str = ""
    id: str = ""
    group: str = ""

    def __repr__(self) -> str:
        number = f" #{self.number}" if self.number else ""
        return f"<run{number} of {self.task}: {self.state}>"


@dataclass(frozen=True, slots=True)
class RunCard:
    """One run with all that it has started.

    Args:
        name: What people call it.
        state: Name of the state that it is in or ended in.
        message: What that state says.
        started: When it began.
        seconds: How long its body executed, all attempts together.
        attempts: How many attempts there were.
        index: Its position among mapped items; None for all else.
        runs: The runs that its body has started, oldest first.
        id: Its identifier in the history; empty where that does not have it.

    Example:
        >>> RunCard("etl", "Completed", runs=(RunCard("clean", "Failed"),)).runs[0].attempts
        1
    """

    name: str
    state: str
    message: str = ""
    started: float | None = None
    seconds: float | None = None
    attempts: int = 1
    index: int | None = None
    runs: tuple[RunCard, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class HistoryCard:
    """Runs, newest first.

    Args:
        lines: The runs.
        title: What to call it, such as the task's name.
        now: The time of the question; 0 where it is not known.
    """

    lines: tuple[RunLine, ...]
    title: str = ""
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class WhyCard:
    """Why a task is as it is.

    Args:
        task: The task.
        causes: The causes, root cause first.
        reuse: Which result it has and how far that was compared:
            `result of run 12, Fri 14:02; compared: 3 inputs, 1 file`.
        diffs: What changed in code: subject, source before, source after.
        now: The time of the question; 0 where it is not known.
    """

    task: TaskCard
    causes: tuple[Cause, ...] = ()
    reuse: str = ""
    diffs: tuple[tuple[str, str, str], ...] = ()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class SideCard:
    """One of two runs of a task that are compared.

    Args:
        title: What to call it: `run 12`, or `now`.
        state: Name of the state that it ended in.
        started: When it began.
        seconds: How long it took.
        attempts: How many attempts there were.
    """

    title: str
    state: str = ""
    started: float | None = None
    seconds: float | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class ChangeCard:
    """One thing that two runs saw, or made.

    Args:
        name: The variable, or the path of the file.
        kind: What it is: `name`, `file`, `parameter`, `package`, …
        before: It in a few words in the earlier run; empty where that had none.
        after: The same in the later one.
        notes: How the two differ, a phrase each.
        is_same: Whether they are equal.
    """

    name: str
    kind: str = "name"
    before: str = ""
    after: str = ""
    notes: tuple[str, ...] = ()
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class DiffCard:
    """Two runs of a task side by side.

    Args:
        name: The task, or the item of a mapped one.
        before: The earlier run.
        after: The later one, or the present.
        code: The source of each; None where that of one is not known.
        inputs: What they saw.
        outputs: What they made.
        shown: What each showed, as text.
        notes: What else is to be said, a line each.
        helpers: What changed in code that both called: name, source in the earlier run, in the later one.
        now: The time of the question; 0 where it is not known.
    """

    name: str
    before: SideCard
    after: SideCard
    code: tuple[str, str] | None = None
    inputs: tuple[ChangeCard, ...] = ()
    outputs: tuple[ChangeCard, ...] = ()
    shown: tuple[str, str] = ("", "")
    notes: tuple[str, ...] = ()
    helpers: tuple[tuple[str, str, str], ...] = ()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class ValueCard:
    """One thing that a run saw or made.

    Args:
        name: The variable, or the path of the file.
        kind: What it is: `name`, `file`, `parameter`, `package`, …
        preview: The value in a few characters, as the run saw it.
        shape: How large it is, in words: `DataFrame, 336,776 × 19`; empty where nobody has looked.
        size: How much of the store it takes.
        maker: The task or cell that made it; empty for what came from outside.
        can_be_paged: Whether its content can be asked for.
    """

    name: str
    kind: str = "name"
    preview: str = ""
    shape: str = ""
    size: int | None = None
    maker: str = ""
    can_be_paged: bool = False


@dataclass(frozen=True, slots=True)
class DetailsCard:
    """All that is known of a task, or of one run of it.

    Args:
        name: The task.
        why: Why it is as it is; None where that cannot be asked now, as the kernel works.
        inputs: What the result was made from.
        outputs: What was made.
        source: The code that made it.
        runs: Its runs, newest first.
        shown: What it showed: mime type and content of each output.
        diff: Of an earlier run, how it differs from the present; None where nobody can tell.
        log: The lines that it has logged.
        traceback: Where it has failed.
        lost: Why nothing of it can be shown.
    """

    name: str
    why: WhyCard | None = None
    inputs: tuple[ValueCard, ...] = ()
    outputs: tuple[ValueCard, ...] = ()
    source: str = ""
    runs: HistoryCard = HistoryCard(())
    shown: tuple[tuple[str, str], ...] = ()
    diff: DiffCard | None = None
    log: tuple[str, ...] = ()
    traceback: str = ""
    lost: str = ""
