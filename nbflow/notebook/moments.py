"""Times as people write them: `yesterday 14:00`, `9:30`, `2024-02-29 14:00`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from nbflow.exceptions import OptionError

_DAY_AND_TIME: Final = re.compile(r"(?:(today|yesterday)\s*)?(?:(\d{1,2}):(\d{2}))?", re.IGNORECASE)


def moment_of(text: str, now: float) -> float:
    """A time, in seconds since the epoch, that is written for people; in local time.

    Args:
        text: `yesterday 14:00`, `today`, `9:30` (today), or an ISO date with or without a time. A day
            without a time means its end.
        now: Seconds since the epoch.

    Raises:
        OptionError: If it is none of these.

    Example:
        >>> noon = datetime(2024, 2, 29, 12).timestamp()
        >>> f"{datetime.fromtimestamp(moment_of('yesterday 11:00', noon)):%d.%m. %H:%M}"
        '28.02. 11:00'
    """
    written = _DAY_AND_TIME.fullmatch(text.strip())
    present = datetime.fromtimestamp(now)
    if written and text.strip():
        day = present - timedelta(days=(written[1] or "").lower() == "yesterday")
        return _at(day, written[2], written[3], text)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise _no_time(text) from None
    has_time = len(text.strip()) > len("2024-02-29")
    return moment.timestamp() if has_time else _at(moment, None, None, text)


def _at(day: datetime, hour: str | None, minute: str | None, text: str) -> float:
    if hour is None or minute is None:
        return day.replace(hour=23, minute=59, second=59).timestamp()
    try:
        return day.replace(hour=int(hour), minute=int(minute), second=59).timestamp()
    except ValueError:
        raise _no_time(text) from None


def _no_time(text: str) -> OptionError:
    return OptionError(f"{text!r} is no run; write #12, -1, 'yesterday 14:00' or '2024-02-29 14:00'")
