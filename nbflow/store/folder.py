"""The folder of a store: private to the user, ignored by git, marked with the format of what is in it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import StoreError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = 1
_MARKER: Final = "nbflow store {}\n"
_OWN: Final = frozenset({"index", "blobs", "tmp", "quarantine", "format", ".gitignore", ".DS_Store"})


def is_store(home: Path) -> bool:
    """Whether a folder is one that nbflow has made."""
    return (home / "format").is_file()


def free_bytes(home: Path) -> int:
    """How many bytes are free on the disk that the folder is on."""
    return shutil.disk_usage(home).free


def prepare(home: Path) -> None:
    """Make the folder ours, or refuse it.

    Raises:
        StoreError: If it holds other things, or what a newer version has written.
        OSError: If it cannot be made.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = home / "format"
    if marker.exists():
        check_format(home, marker.read_text(errors="replace"))
        return
    foreign = [path.name for path in home.iterdir() if not _is_own(path.name)]
    if foreign:
        raise StoreError(
            f"{home} holds other things ({foreign[0]}); give nbflow a folder of its own",
            reason="not a store",
        )
    home.chmod(0o700)
    (home / ".gitignore").write_text("*\n")
    fresh = home / f"format.{os.getpid()}"
    fresh.write_text(_MARKER.format(FORMAT))
    os.replace(fresh, marker)


def _is_own(name: str) -> bool:
    return name in _OWN or name.startswith(("history.db", "format."))


def check_format(home: Path, text: str) -> None:
    """Refuse a folder whose marker is none of ours, or that of a newer version.

    Raises:
        StoreError: If so.
    """
    number = text.removeprefix("nbflow store ").strip()
    if not text.startswith("nbflow store ") or not (number.isascii() and number.isdigit()):
        raise StoreError(
            f"{home}/format is not what nbflow wrote; remove that file if the folder is nbflow's, "
            "else move the folder away; results are kept in memory only",
            reason="not a store",
        )
    if int(number) > FORMAT:
        raise StoreError(
            f"{home} was written by a newer nbflow (format {number}, this one knows {FORMAT}); "
            "update nbflow, or set NBFLOW_HOME to another folder; results are kept in memory only",
            reason="newer",
        )
