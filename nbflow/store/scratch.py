"""The half-done work of each process: unfinished files, and which units it is about to keep.

Every process has a folder of its own below `tmp/`, which says who owns it. What a dead one left is
swept when a store is next opened; a living one's, or one that cannot be judged, is left alone.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nbflow.store.owners import is_gone, this_owner

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_FORGOTTEN: Final = 7 * 86400.0
_NEEDED: Final = "needed"


def no_checkpoint(name: str) -> None:
    """Do nothing at a point at which a crash is possible; tests have something happen there.

    Args:
        name: What the point is called.
    """


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What a sweep found.

    Args:
        dead: Units that dead processes had announced.
        alive: Units that others announce at present.
    """

    dead: frozenset[str]
    alive: frozenset[str]


class Scratch:
    """This process's folder below a store's `tmp/`, made when first needed.

    Args:
        root: The folder `tmp` of the store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder: Path | None = None
        self._pid = 0

    def fresh(self) -> Path:
        """Return a path for a new file; whoever makes it renames or removes it."""
        return self.named(secrets.token_hex(8))

    def named(self, name: str) -> Path:
        """Return the path of a file of this name; whoever makes it renames or removes it."""
        return self._own() / name

    def announced_by_all(self) -> frozenset[str]:
        """Return the units that any process announces at present."""
        return frozenset(
            unit for folder in _folders(self._root) for unit in (*_units(folder), *_needs(folder))
        )

    @contextmanager
    def announced(self, units: frozenset[str]) -> Generator[None]:
        """Say which units are being kept meanwhile, so that what a crash leaves can be found."""
        if not units:
            yield
            return
        notice = self._own() / f"{secrets.token_hex(8)}.units"
        notice.write_text("\n".join(sorted(units)))
        yield
        # Not in a finally: after a failure the units may be left without a record, as after a crash.
        with suppress(OSError):
            notice.unlink()

    def declare(self, units: frozenset[str]) -> None:
        """Say which units this process needs from now on, instead of those that it said before."""
        fresh = self.fresh()
        fresh.write_text("\n".join(sorted(units)))
        # By renaming: whoever reads it meanwhile sees the list of before or the new one.
        os.replace(fresh, self.named(_NEEDED))

    def sweep(self, now: float) -> Leftovers:
        """Remove what dead processes left; return the units that they and others announced."""
        dead: set[str] = set()
        alive: set[str] = set()
        for folder in _folders(self._root):
            gone = _is_abandoned(folder, now)
            (dead if gone else alive).update(_units(folder))
            if gone:
                shutil.rmtree(folder, ignore_errors=True)
        return Leftovers(frozenset(dead), frozenset(alive))

    def close(self) -> None:
        """Remove the folder, unless it says that something was left half done."""
        if self._folder is None or self._pid != os.getpid():
            return
        if not any(self._folder.glob("*.units")):
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _own(self) -> Path:
        # A forked child is another process with the same object.
        if self._folder is None or self._pid != os.getpid():
            self._pid = os.getpid()
            folder = self._root / f"{self._pid}-{secrets.token_hex(4)}"
            folder.mkdir(mode=0o700, parents=True)
            (folder / "owner").write_text(this_owner())
            self._folder = folder
        return self._folder


def _folders(root: Path) -> list[Path]:
    with suppress(OSError):
        return [folder for folder in root.iterdir() if folder.is_dir()]
    return []


def _is_abandoned(folder: Path, now: float) -> bool:
    with suppress(OSError, ValueError):
        gone = is_gone((folder / "owner").read_text())
        if gone is not None:
            return gone
    with suppress(OSError):
        return now - folder.stat().st_mtime > _FORGOTTEN
    return False


def _units(folder: Path) -> Iterator[str]:
    for notice in folder.glob("*.units"):
        with suppress(OSError, ValueError):
            yield from notice.read_text().split()


def _needs(folder: Path) -> list[str]:
    with suppress(OSError, ValueError):
        return (folder / _NEEDED).read_text().split()
    return []
