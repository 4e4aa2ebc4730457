"""Where in a worker an exception was raised, told so that the kernel can show the lines.

A worker does not have the sources of a notebook's cells; the kernel has.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

_BECAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"
_MEANWHILE = "\nDuring handling of the above exception, another exception occurred:\n\n"


@dataclass(frozen=True, slots=True)
class Trail:
    """The way to an exception.

    Args:
        frames: File, line and function of each frame, outermost first.
        last: Its type and what it says.
        before: The way to the one that it came after; None: it came after none.
        is_cause: Whether that one is its cause.
    """

    frames: tuple[tuple[str, int, str], ...]
    last: str
    before: Trail | None = None
    is_cause: bool = False

    def __str__(self) -> str:
        told = traceback.format_list([traceback.FrameSummary(*frame) for frame in self.frames])
        own = "".join(("Traceback (most recent call last):\n", *told, self.last))
        if self.before is None:
            return own
        return f"{self.before}{_BECAUSE if self.is_cause else _MEANWHILE}{own}"


def trail_of(error: BaseException) -> Trail:
    r"""The way to an exception.

    Example:
        >>> try:
        ...     1 / 0
        ... except ZeroDivisionError as error:
        ...     trail_of(error).last
        'ZeroDivisionError: division by zero\n'
    """
    walked = traceback.walk_tb(error.__traceback__)
    frames = tuple((frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in walked)
    last = "".join(traceback.format_exception_only(error))
    cause = error.__cause__
    before = cause or (None if error.__suppress_context__ else error.__context__)
    return Trail(frames, last, trail_of(before) if before is not None else None, cause is not None)
