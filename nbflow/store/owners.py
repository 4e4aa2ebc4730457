"""Who is writing: a process, named so that a later kernel can tell whether it is dead.

An owner is host, boot, process and its start time in one line of text. A process number alone
is used again, and a number seen from another host, boot or container means nothing.
"""

from __future__ import annotations

import importlib
import os
import socket
from functools import cache
from pathlib import Path
from typing import Protocol, cast

_SEPARATOR = "|"
_PROC = Path("/proc")


process = os.getpid()
"""The number of this process, told without a question to the system; a forked child has its own."""


def _forked() -> None:
    global process
    process = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class _Process(Protocol):
    def create_time(self) -> float: ...


class _Psutil(Protocol):
    def Process(self, pid: int) -> _Process: ...
    def pid_exists(self, pid: int) -> bool: ...
    def boot_time(self) -> float: ...


def this_owner() -> str:
    """Return the text that names this process, the same as long as it lives.

    Example:
        >>> is_gone(this_owner())
        False
    """
    return _owner_of(process)


def is_gone(owner: str) -> bool | None:
    """Return whether the process is certainly dead, or None where that cannot be judged.

    Args:
        owner: What `this_owner` gave in that process.
    """
    parts = owner.split(_SEPARATOR)
    if len(parts) != 4 or not parts[2].isdigit():
        return None
    host, boot, pid, started = parts
    if host != _host():
        return None
    # No process outlives the boot that it was started in.
    if boot != _boot():
        return True if boot and _boot() else None
    now = _started(int(pid))
    if now is None or not started:
        return None
    return now != started


@cache
def _owner_of(pid: int) -> str:
    # By process number, because a forked child must not pass for its parent.
    return _SEPARATOR.join((_host(), _boot(), str(pid), _started(pid) or ""))


@cache
def _host() -> str:
    """Host and process namespace: two containers may bear one host name."""
    try:
        space = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        space = ""
    return f"{socket.gethostname()} {space}".strip().replace(_SEPARATOR, " ")


@cache
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        library = _psutil()
        return "" if library is None else str(int(library.boot_time()))


def _started(pid: int) -> str | None:
    """Return when a process started, "dead" if there is none, None where nobody can say."""
    if (_PROC / "self/stat").exists():
        try:
            # The command's name may hold spaces and brackets: count from behind it.
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            # A zombie has ended, though its number is still taken.
            return "dead" if fields[0] in "ZX" else fields[19]
        except (FileNotFoundError, ProcessLookupError):
            return "dead"
        except (OSError, IndexError):
            return None
    library = _psutil()
    if library is None:
        return None
    return str(library.Process(pid).create_time()) if library.pid_exists(pid) else "dead"


@cache
def _psutil() -> _Psutil | None:
    try:
        return cast("_Psutil", importlib.import_module("psutil"))
    except ImportError:
        return None
