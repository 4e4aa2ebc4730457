"""What bodies ask the file system without opening anything: Python has no audit event for that.

`os.stat`, `os.lstat`, `os.access` and `os.readlink` raise one once `tell_of_questions` was called. What a
body learns from them is an input where its own code, or a local module, asks. Libraries ask all day: where
they keep their settings, whether a source has changed. That is nobody's input.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import wraps
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Any, Final

from nbflow.store.paths import ABSENT, absolute

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import FrameType

    from nbflow.store.trail import Contents

EVENT: Final = "nbflow.asked"
PRESENCE: Final = "presence"
STAT: Final = "stat"
TARGET: Final = "target"

_LAYERS: Final = ("os", "genericpath", "posixpath", "ntpath", "pathlib")
"""Modules that ask for somebody else."""

_ASK_PRESENCE: Final = frozenset(
    [
        *("access", "exists", "isfile", "isdir", "ismount", "makedirs"),
        *("is_file", "is_dir", "is_mount", "mkdir", "touch", "unlink"),
    ]
)
"""Functions that learn no more than whether something is there, and of which sort."""

_ASK_TARGET: Final = frozenset(("islink", "is_symlink", "lexists", "readlink", "realpath", "resolve"))
"""Functions that learn whether there are links, and where they lead."""

_COMPLETE_PATHS: Final = frozenset(("walk", "glob", "rglob", "expanduser"))
"""Functions whose answer is another one: a listing, or the home folder."""

_stat: Final = os.stat
_lstat: Final = os.lstat
_readlink: Final = os.readlink


@dataclass(frozen=True, slots=True)
class AskedKind:
    """What the system says of a path.

    Args:
        name: `PRESENCE`, `STAT` or `TARGET`.
    """

    name: str

    def now(self, locator: str) -> str:
        """What it says, `absent` where nothing is."""
        return ANSWERS[self.name](locator)

    def show(self, locator: str) -> str:
        """The same in words."""
        return in_words(self.now(locator))


def presence_of(path: str) -> str:
    """Whether something is at a path: `absent`, `file`, `folder` or `other`.

    Example:
        >>> presence_of("/"), presence_of("/no/such/place")
        ('folder', 'absent')
    """
    try:
        mode = _stat(path).st_mode
    except (OSError, ValueError):
        return ABSENT
    return "folder" if S_ISDIR(mode) else "file" if S_ISREG(mode) else "other"


def stat_of(path: str) -> str:
    """What `os.stat` says of a path: mode, size in bytes, last change in nanoseconds since the epoch.

    Example:
        >>> stat_of("/no/such/place")
        'absent'
    """
    try:
        found = _stat(path)
    except (OSError, ValueError):
        return ABSENT
    return f"mode {found.st_mode:o}, {found.st_size} B, changed at {found.st_mtime_ns}"


def target_of(path: str) -> str:
    """Where the link at a path leads; of what is none whether it is a file, a folder, or not there.

    Example:
        >>> target_of("/"), target_of("/no/such/place")
        ('folder', 'absent')
    """
    try:
        return f"link to {_readlink(path)}" if S_ISLNK(_lstat(path).st_mode) else presence_of(path)
    except (OSError, ValueError):
        return ABSENT


def in_words(said: str) -> str:
    """What was said of a path, for people.

    Example:
        >>> in_words("folder"), in_words("absent")
        ('folder', 'not there')
    """
    return "not there" if said == ABSENT else said


ANSWERS: Final[dict[str, Callable[[str], str]]] = {
    PRESENCE: presence_of,
    STAT: stat_of,
    TARGET: target_of,
}
"""What each kind says of a path."""


def question_of(name: str, caller: FrameType, contents: Contents) -> str:
    """The kind of what is asked for, as the function tells that was called for it.

    Args:
        name: The function of `os` that asks the system.
        caller: Its frame.
        contents: The session's files, which know whose code is the user's own.

    Returns:
        `PRESENCE`, `STAT` or `TARGET`; an empty text where a library asks for itself.
    """
    asker = asker_of(caller, _LAYERS, contents)
    frame = caller.f_back
    while frame is not None and frame is not asker:
        name, frame = frame.f_code.co_name, frame.f_back
    if asker is None or name in _COMPLETE_PATHS:
        return ""
    return TARGET if name in _ASK_TARGET else PRESENCE if name in _ASK_PRESENCE else STAT


def asker_of(caller: FrameType, layers: Collection[str], contents: Contents) -> FrameType | None:
    """The frame of the user's own code that asks something; None where a library asks for itself.

    Args:
        caller: The frame that tells of the question.
        layers: Modules that ask for somebody else.
        contents: The session's files, which know whose code is the user's own.
    """
    frame = caller.f_back
    while frame is not None and _module_of(frame) in layers:
        frame = frame.f_back
    return frame if frame is not None and _is_own(frame, contents) else None


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _is_own(frame: FrameType, contents: Contents) -> bool:
    """Whether code is the user's own: that of a cell, or of a local module."""
    module = _module_of(frame)
    if module in ("__main__", "nbflow"):
        return module == "__main__"
    return not contents.ignores(absolute(frame.f_code.co_filename))


def tell_of_questions() -> None:
    """Let the functions of `os` that ask for a path raise an audit event, for good."""
    for name in ("stat", "lstat", "access", "readlink"):
        asks = getattr(os, name)
        tells = _telling(asks)
        setattr(os, name, tells)
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if asks in able:
                able.add(tells)


def _telling(asks: Callable[..., Any]) -> Callable[..., Any]:
    name = asks.__name__

    @wraps(asks)
    def telling(path: Any, *args: Any, **options: Any) -> Any:
        try:
            sys.audit(EVENT, name, path, options.get("dir_fd"))
            return asks(path, *args, **options)
        except BaseException as error:
            if error.__traceback__ is not None:  # as from the system's own function, which has no lines
                error.__traceback__ = error.__traceback__.tb_next
            raise

    telling.__module__ = "os"  # where it is found when somebody sends it to another process
    return telling
