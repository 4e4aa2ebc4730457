"""How a verdict, a state or an action looks: a word, a colour, an icon and a shape.

Whoever does not see colours has the icon, the shape and the word. Colours are hues of medium
lightness that the host's own text colour is mixed into, so that one set does for light and dark.
Icons are strokes in a square of 18 by 18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.states import TYPES, StateType
from nbflow.types import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.views.cards import TaskCard

_GREEN: Final = "#1ea64b"
_TEAL: Final = "#0c9c90"
_BLUE: Final = "#2b7de9"
_AMBER: Final = "#c47f00"
_ORANGE: Final = "#dd6b20"
_RED: Final = "#e5383b"
_VIOLET: Final = "#8f5cf0"
_SLATE: Final = "#6b86a3"
_GREY: Final = "#838b95"

HUES: Final = (_GREEN, _TEAL, _BLUE, _AMBER, _ORANGE, _RED, _VIOLET, _SLATE, _GREY)
"""All colours that looks have."""


@dataclass(frozen=True, slots=True)
class Look:
    """How something is shown.

    Args:
        word: What it is called.
        hue: Its colour, `#rrggbb`.
        icon: The strokes of its icon, as SVG path data.
        shape: Outline of its box: `round`, `slant`, `octagon` or `square`.
        dash: Pattern of its outline, as in SVG; empty for a solid one.
    """

    word: str
    hue: str
    icon: str
    shape: str = "round"
    dash: str = ""


_CHECK: Final = "M4 9.6l3.4 3.4L14 5.6"
_CLOCK: Final = "M9 2.6a6.4 6.4 0 1 0 .01 0M9 5.8V9l2.3 1.5"
_WAVES: Final = "M3 7.2c2-2.2 4-2.2 6 0s4 2.2 6 0M3 12c2-2.2 4-2.2 6 0s4 2.2 6 0"
_HOURGLASS: Final = (
    "M5 2.8h8M5 15.2h8M6 2.8c0 3.8 3 4.2 3 6.2s-3 2.4-3 6.2M12 2.8c0 3.8-3 4.2-3 6.2s3 2.4 3 6.2"
)
_BACK: Final = "M3.8 10a5.6 5.6 0 1 0 1.9-5L3.6 6.8M3.6 3v3.8h3.8"
_AGAIN: Final = "M14.2 10a5.6 5.6 0 1 1-1.9-5l2.1 1.8M14.4 3v3.8h-3.8"
_PLAY: Final = "M6 3.8L13.6 9 6 14.2z"
_CROSS: Final = "M4.6 4.6l8.8 8.8M13.4 4.6l-8.8 8.8"
_BOLT: Final = "M10.4 2.4L4.6 10H9l-1.4 5.6L13.4 8H9z"
_BARS: Final = "M6.4 4v10M11.6 4v10"
_STOP: Final = "M5 5h8v8H5z"
_SKIP: Final = "M4.4 4.4L9 9l-4.6 4.6M12.6 4.4v9.2"
_DOTS: Final = "M4 9h.01M9 9h.01M14 9h.01"
_RING: Final = "M9 3.4a5.6 5.6 0 1 0 .01 0"
_BARRED: Final = "M9 2.8a6.2 6.2 0 1 0 .01 0M4.7 13.3l8.6-8.6"
_CHECKS: Final = "M1.8 9.6l3.2 3.2 5.6-7M8.8 12.6l.2.2 6.6-7"

VERDICTS: Final[Mapping[Verdict, Look]] = {
    Verdict.FRESH: Look("fresh", _GREEN, _CHECK),
    Verdict.STALE: Look("stale", _AMBER, _CLOCK, dash="2 3"),
    Verdict.WAITS: Look("waits", _VIOLET, _HOURGLASS, "square"),
    Verdict.AS_OF: Look("as of", _SLATE, _WAVES),
}
"""The looks of the four verdicts."""

REUSED: Final = Look("fresh", _TEAL, _BACK, "slant")
"""The look of a fresh result that the last run reused."""

NOT_RUN: Final = Look("not run", _GREY, _RING, dash="2 3")
"""The look of what nobody has judged and never ran."""

REGISTERED: Final = Look("registered", _GREY, _DOTS, dash="2 3")
"""The look of a task that is defined, and that nobody has asked for anything yet."""

STATES: Final[Mapping[str, Look]] = {
    "Scheduled": Look("scheduled", _GREY, _CLOCK),
    "Late": Look("late", _AMBER, _CLOCK),
    "AwaitingRetry": Look("awaiting retry", _ORANGE, _AGAIN, dash="6 3"),
    "Resuming": Look("resuming", _BLUE, _PLAY),
    "Pending": Look("pending", _GREY, _DOTS),
    "Running": Look("running", _BLUE, _PLAY, dash="5 3"),
    "Retrying": Look("retrying", _ORANGE, _AGAIN, dash="5 3"),
    "Looping": Look("looping", _BLUE, _AGAIN, dash="5 3"),
    "Paused": Look("paused", _VIOLET, _BARS, "square"),
    "Cancelling": Look("cancelling", _GREY, _STOP, "square", "5 3"),
    "Completed": Look("completed", _GREEN, _CHECK),
    "Cached": Look("cached", _TEAL, _BACK, "slant"),
    "Skipped": Look("skipped", _GREY, _SKIP, "square"),
    "Mapped": Look("mapped", _GREEN, _CHECKS),
    "Failed": Look("failed", _RED, _CROSS, "octagon"),
    "TimedOut": Look("timed out", _RED, _CLOCK, "octagon"),
    "TriggerFailed": Look("trigger failed", _RED, _BARRED, "octagon"),
    "ValidationFailed": Look("validation failed", _RED, _BARRED, "octagon"),
    "Cancelled": Look("cancelled", _GREY, _STOP, "square"),
    "Crashed": Look("crashed", _RED, _BOLT, "octagon"),
}
"""The looks of the states, by name."""

ACTIONS: Final[Mapping[str, Look]] = {
    "runs": Look("runs", _BLUE, _PLAY),
    "reuses": Look("reuses", _TEAL, _BACK, "slant"),
    "waits": VERDICTS[Verdict.WAITS],
    "may run": Look("may run", _BLUE, _RING, dash="2 3"),
}
"""The looks of what a plan does with a step."""

DEEDS: Final[Mapping[str, Look]] = {
    "ran": Look("ran", _BLUE, _PLAY),
    "reused": Look("reused", _TEAL, _BACK, "slant"),
    "failed": STATES["Failed"],
    "stopped": STATES["Cancelled"],
    "skipped": STATES["Skipped"],
    "waits": VERDICTS[Verdict.WAITS],
    "not run": NOT_RUN,
}
"""The looks of what a run did with a step."""

FAILURES: Final = frozenset({StateType.FAILED, StateType.CRASHED, StateType.CANCELLED})
"""Types of states that say more than the verdict, which is stale after each of them."""


def look_of_state(name: str) -> Look:
    """Return the look of the state of that name; a name of the user's own looks neutral.

    Example:
        >>> look_of_state("TimedOut").word, look_of_state("Napping").word
        ('timed out', 'napping')
    """
    return STATES.get(name) or Look(name.lower() or NOT_RUN.word, _GREY, _RING)


_KEPT_BACK: Final = ("skipped", "trigger")
"""Of which causes the state of the last run tells more than that a task waits."""


def look_of(card: TaskCard) -> Look:
    """Return the look of a task: its state where that is open or bad, else its verdict.

    Example:
        >>> from nbflow.views.cards import TaskCard
        >>> look_of(TaskCard("clean", Verdict.FRESH, "Cached")).word
        'fresh'
        >>> look_of(TaskCard("clean", Verdict.STALE, "Failed")).word
        'failed'
    """
    if card.is_registered:
        return REGISTERED
    kind = TYPES.get(card.state)
    is_good = kind is StateType.COMPLETED and card.state != "Skipped"
    if card.verdict is None or (kind is not None and not is_good and _says_more(card, kind)):
        return look_of_state(card.state)
    if card.verdict is Verdict.FRESH and card.state == "Cached":
        return REUSED
    return VERDICTS[card.verdict]


def _says_more(card: TaskCard, kind: StateType) -> bool:
    """Whether the state is the news: a fresh result is fresh, whatever became of a later run."""
    if any(cause.category in _KEPT_BACK for cause in card.causes[:1]):
        return True
    if kind is StateType.COMPLETED:
        return card.verdict in (Verdict.FRESH, Verdict.STALE, None)
    return kind not in FAILURES or card.verdict is Verdict.STALE


def mixed(hue: str, share: float, other: str) -> str:
    """Return `share` of one colour mixed with another, both `#rrggbb`.

    Example:
        >>> mixed("#ffffff", 0.5, "#000000")
        '#808080'
    """
    pairs = zip(bytes.fromhex(hue[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{int(one * share + two * (1 - share) + 0.5):02x}" for one, two in pairs)
