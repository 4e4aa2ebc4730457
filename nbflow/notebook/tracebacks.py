"""Tracebacks as IPython shows them: with the lines of the user, and none of ours."""

from __future__ import annotations

import contextlib
import sys
import sysconfig
from functools import partial
from itertools import takewhile
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException, extract_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import IPython
from IPython.core.getipython import get_ipython

import nbflow
from nbflow.exceptions import InternalError
from nbflow.notebook.cells import CALLERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_NOT_THE_USERS: Final = (
    *(f"{Path(module.__file__ or '').parent}/" for module in (nbflow, IPython, contextlib)),
    "<frozen ",
    "<string>",
)
"""Where what lies between a user's line and a message of ours comes from: nbflow, IPython, Python itself."""
_LOOKS: Final = f"{Path(nbflow.__file__).parent / 'store'}/"
"""Where our audit hook and what it calls comes from, which runs in the midst of the user's code."""
_LIBRARIES: Final = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib")})


def lines_of(error: BaseException) -> list[str]:
    """A message of ours below the lines of the user that led to it; a mistake of ours in full.

    Args:
        error: What is about to be shown.
    """
    trace, cause = error.__traceback__, error.__cause__
    if isinstance(error, InternalError):
        return _shown(error, trace)
    if cause is not None and cause.__traceback__ is not None and _only_users(cause.__traceback__) is None:
        error.__cause__ = None  # the message has its text; one without frames tells of another process
    _leave_users_lines(error.__cause__ or error.__context__)
    return _shown(error, _only_users(trace) or trace)


def text_of_trace(error: BaseException) -> str:
    """Where an exception was raised, and what led to it, as Python says it; without lines of ours.

    Example:
        >>> try:
        ...     1 / 0
        ... except ZeroDivisionError as error:
        ...     print(text_of_trace(error).splitlines()[-1])
        ZeroDivisionError: division by zero
    """
    told = TracebackException(type(error), error, users_part(error.__traceback__), compact=True)
    each: TracebackException | None = told
    while each is not None:
        users = [frame for frame in each.stack if not frame.filename.startswith(_NOT_THE_USERS)]
        each.stack = StackSummary.from_list([_named(frame) for frame in users or each.stack])
        each = each.__cause__ or each.__context__
    return "".join(told.format())


def _named(frame: FrameSummary) -> FrameSummary:
    """A frame that says which cell it is of, where it is of one."""
    label = getattr(getattr(get_ipython(), "compile", None), "format_code_name", _no_label)(frame.filename)
    return FrameSummary(" ".join(label or (frame.filename,)), frame.lineno, frame.name, line=frame.line)


def _no_label(_filename: str) -> None:
    """No cell has code outside of IPython."""


def has_users_lines(error: BaseException) -> bool:
    """Whether a line of the user is among those that led to an error."""
    return _only_users(users_part(error.__traceback__)) is not None


def _only_users(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames that are not the user's; None where no frame is."""
    files = ((part, part.tb_frame.f_code.co_filename) for part in _parts(trace))
    return _built(part for part, file in files if not file.startswith(_NOT_THE_USERS))


def _leave_users_lines(error: BaseException | None) -> None:
    """Take our lines out of an error and of what led to it; a mistake of ours is shown in full."""
    met = set[int]()
    while error is not None and id(error) not in met:
        if not isinstance(error, InternalError):
            error.__traceback__ = _only_users(error.__traceback__) or error.__traceback__
        met.add(id(error))
        error = error.__cause__ or error.__context__


def _parts(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def render_only_users_part(error: BaseException, items: str = "") -> None:
    """Let IPython show an exception of a body, and `%debug` enter it, as if the cell had raised it itself.

    Args:
        error: The exception.
        items: Which items of a mapped task raised it, told below it.
    """
    own = getattr(error, "_render_traceback_", None)

    def render() -> list[str]:
        del error._render_traceback_  # type: ignore[attr-defined]
        error.__traceback__ = users_part(error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            error.__traceback__ = _before_our_look(error.__traceback__)
        _leave_users_lines(error.__cause__ or error.__context__)
        lines = _shown(error, error.__traceback__) if own is None else own()
        return [*lines, f"in {items}"] if items else lines

    # Some exceptions take no attributes; they are shown with our frames.
    try:
        error._render_traceback_ = render  # type: ignore[attr-defined]
    except AttributeError:
        return


def stand_in(error: SyntaxError) -> Exception:
    """What is shown like an error in a text that a body has compiled, below the lines of the user alone.

    IPython shows no such error as that wishes, but with every line that led to it, and does so by its class.
    """
    kind = type(type(error).__name__, (Exception,), {"__module__": type(error).__module__})
    shown: Any = kind(str(error))
    shown._render_traceback_ = vars(error)["_render_traceback_"]
    return shown


def render_stop(stop: KeyboardInterrupt) -> None:
    """Let IPython show a Stop that ended a command of ours below the lines of the user that it ended."""
    stop._render_traceback_ = partial(lines_of_stop, stop)  # type: ignore[attr-defined]


def lines_of_stop(stop: KeyboardInterrupt) -> list[str]:
    """A Stop below the lines of the user that it ended; a library in which we waited is not shown."""
    trace = stop.__traceback__
    return _shown(stop, _built(_called_by_users(trace)) or trace)


def _called_by_users(trace: TracebackType | None) -> Iterator[TracebackType]:
    """The parts of a traceback that are the user's, and those of libraries that he has called himself."""
    is_ours = False
    for part in _parts(trace):
        file = part.tb_frame.f_code.co_filename
        is_ours = file.startswith(_NOT_THE_USERS) or (is_ours and file.startswith(_LIBRARIES))
        if not is_ours:
            yield part


def _built(parts: Iterable[TracebackType]) -> TracebackType | None:
    """A traceback of these parts; None of none."""
    made: TracebackType | None = None
    for part in reversed(list(parts)):
        made = TracebackType(made, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return made


def users_part(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that is the user's: what lies below the innermost call of a body."""
    found = trace
    for part in _parts(trace):
        if part.tb_frame.f_code in CALLERS:
            found = part.tb_next
    return found


def _before_our_look(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without what a Stop has interrupted where we looked at what a line of the user does."""
    theirs = takewhile(lambda part: not part.tb_frame.f_code.co_filename.startswith(_LOOKS), _parts(trace))
    return _built(theirs) or trace


def _shown(error: BaseException, trace: TracebackType | None) -> list[str]:
    """An exception as IPython shows it, with this traceback, which `%debug` enters."""
    error.__traceback__ = sys.last_traceback = trace
    shell: Any = get_ipython()
    if isinstance(error, SyntaxError):
        return shell.SyntaxTB.structured_traceback(type(error), error, extract_tb(trace))
    return shell.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)
