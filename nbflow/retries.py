"""Retries: whether another attempt is due, and after how long.

Everything here is a pure rule: the time is not read, and chance comes from a source that is passed
in. Durations are seconds; people write them as `30`, `30s`, `10m`, `2h` or `7d`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from nbflow.exceptions import OptionError, text_of

if TYPE_CHECKING:
    from nbflow.states import State

RETRY_LIMIT: Final = 100
"""How often a run may ask for another attempt by the signal RETRY, whatever `retries` says."""

Duration = float | timedelta | str
Delays = float | timedelta | str | Sequence[Duration] | Callable[[int], Sequence[float]] | None
Draw = Callable[[], float]

_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_WRITTEN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")


def parse_duration(duration: Duration) -> float:
    """Return a duration in seconds.

    Args:
        duration: A number of seconds, a `timedelta`, or a text such as `30`, `30s`, `10m`, `2h`, `7d`.

    Raises:
        OptionError: If it is none of these, negative, or not finite.

    Example:
        >>> parse_duration("10m"), parse_duration("1.5h"), parse_duration(timedelta(days=7))
        (600.0, 5400.0, 604800.0)
    """
    seconds = math.nan
    if isinstance(duration, timedelta):
        seconds = duration.total_seconds()
    elif isinstance(duration, str):
        written = _WRITTEN.fullmatch(duration.strip())
        if written:
            seconds = float(written[1]) * _UNITS[written[2]]
    # True would pass for one second, and nobody means it.
    elif not isinstance(duration, bool):
        seconds = float(duration)
    if not 0 <= seconds < math.inf:
        raise OptionError(f"{duration!r} is no duration; write seconds, or 30s, 10m, 2h, 7d")
    return seconds


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return delays that double: `backoff_factor`, twice it, four times it, … seconds.

    Example:
        >>> exponential_backoff(10)(3)
        [10.0, 20.0, 40.0]
    """
    first = parse_duration(backoff_factor)
    return lambda retries: [first * 2**attempt for attempt in range(retries)]


def parse_delays(delays: Delays, retries: int) -> tuple[float, ...]:
    """Return the delays before the first, second, … retry in seconds; the last one repeats.

    Args:
        delays: One duration, several (a sequence, or a text such as `10,1m`), or a callable that
            is given the number of retries and returns them.
        retries: How many retries there are.

    Raises:
        OptionError: If one of them is no duration.

    Example:
        >>> parse_delays("10, 1m", 3), parse_delays(exponential_backoff(1), 2), parse_delays(None, 2)
        ((10.0, 60.0), (1.0, 2.0), ())
    """
    if delays is None:
        return ()
    if callable(delays):
        delays = delays(retries)
    if isinstance(delays, str):
        delays = delays.split(",")
    if isinstance(delays, Sequence):
        return tuple(parse_duration(delay) for delay in delays)
    return (parse_duration(delays),)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether another attempt is due.

    Args:
        retry: Whether it is.
        delay: How long to wait before, seconds.
        note: Why not, where that needs saying.
    """

    retry: bool
    delay: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Retries:
    """The settings of a task that decide about further attempts.

    Args:
        limit: How many attempts may follow the first after failures; counted anew for each LOOP
            iteration.
        delays: Seconds before the first, second, … retry; the last one repeats; none: at once.
        jitter: By which fraction a delay may be shorter or longer, by chance.
        retry_on: Retry only after these exceptions; empty: after any failure.
        condition: Retry only where this returns true for the failed state; where it raises, the
            run fails without a retry.
        crashes: How many attempts may follow after a worker died; a budget of its own.

    Raises:
        OptionError: If a number is negative or `retry_on` names something else than exceptions.

    Example:
        >>> from nbflow.states import Failed
        >>> rules = Retries(limit=2, delays=(10.0, 60.0))
        >>> rules.after_failure(Failed("no route"), earlier=1)
        Decision(retry=True, delay=60.0, note='')
        >>> rules.after_failure(Failed("no route"), earlier=2).note
        '2 retries were not enough'
    """

    limit: int = 0
    delays: tuple[float, ...] = ()
    jitter: float = 0.0
    retry_on: tuple[type[BaseException], ...] = ()
    condition: Callable[[State], object] | None = None
    crashes: int = 1

    def __post_init__(self) -> None:
        for name in ("limit", "jitter", "crashes"):
            if getattr(self, name) < 0:
                raise OptionError(f"{name}={getattr(self, name)!r} must not be negative; 0 means none")
        for kind in cast("tuple[object, ...]", self.retry_on):
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise OptionError(f"retry_on={kind!r} is no exception class; name classes such as OSError")

    def after_failure(self, failure: State, earlier: int, draw: Draw | None = None) -> Decision:
        """Decide after a failed attempt.

        Args:
            failure: The state in which the run would end otherwise; its result is the exception.
            earlier: How many failures were retried before in this iteration.
            draw: Returns a number from [0, 1) by chance; None: no jitter.
        """
        if earlier >= self.limit:
            many = f"{earlier} retries were" if earlier > 1 else "1 retry was"
            return Decision(False, note=f"{many} not enough" if earlier else "")
        if self.retry_on and not isinstance(failure.result, self.retry_on):
            return Decision(False, note=f"retry_on does not name {type(failure.result).__name__}")
        refusal = self._refusal(failure)
        return Decision(False, note=refusal) if refusal else Decision(True, self.delay(earlier, draw))

    def after_crash(self, earlier: int, draw: Draw | None = None) -> Decision:
        """Decide after the worker of an attempt died; `earlier` crashes were retried before."""
        if earlier >= self.crashes:
            return Decision(False, note=f"{earlier + 1} workers died" if earlier else "")
        return Decision(True, self.delay(earlier, draw))

    def delay(self, earlier: int, draw: Draw | None = None) -> float:
        """Return the seconds before the next retry when `earlier` ones came before.

        Example:
            >>> Retries(3, (10.0,), jitter=0.5).delay(0, draw=lambda: 0.0)
            5.0
        """
        if not self.delays:
            return 0.0
        delay = self.delays[min(earlier, len(self.delays) - 1)]
        if draw is None or not self.jitter:
            return delay
        return max(0.0, delay * (1 + self.jitter * (2 * draw() - 1)))

    def _refusal(self, failure: State) -> str:
        if self.condition is None:
            return ""
        try:
            return "" if self.condition(failure) else "retry_condition_fn said no"
        except Exception as error:  # noqa: BLE001  # the task's own error matters, not this one
            return f"retry_condition_fn raised {text_of(error)}"


NO_RETRIES: Final = Retries()
"""One attempt, and one more if a worker died."""
