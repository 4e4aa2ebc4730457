"""A store as it was at one moment, for who only looks: a copy of its records, without its values.

Opening a database writes beside it, and the store of a kernel that works is no place to try: so the two
databases are copied, and whatever opening them does happens to the copy. Values stay where they are. None is
ever loaded, because that may run the code of its classes.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import StoreError
from nbflow.store.blobs import Blobs
from nbflow.store.disk import DiskStore
from nbflow.store.folder import check_format
from nbflow.store.protocol import Missing
from nbflow.store.scratch import Scratch, no_checkpoint
from nbflow.store.signing import Signer, key_at_hand

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from nbflow.store.formats import Namespace

_FILES: Final = ("format", "history.db", "index/cache.db")
_LOG: Final = "-wal"
_TRIES: Final = 20
_IN_MEMORY: Final = "; results are kept in memory only"


class CopiedStore(DiskStore):
    """The copy of a store.

    Args:
        home: Where the copy is.
        of: The store that it was made of.
        key: The user's secret.
    """

    def __init__(self, home: Path, of: Path, key: bytes) -> None:
        super().__init__(home, key=key)
        self._values = Blobs(of, Signer(key), Scratch(home / "tmp"), no_checkpoint)

    def has(self, unit: str) -> bool:
        """Whether a value is stored."""
        # Whether it is sound is not asked: what is damaged would be put aside.
        return super().has(unit) or self._values.path(unit).is_file()

    def load(self, unit: str, over: Namespace | None = None) -> tuple[object, ...]:
        """Load nothing.

        Raises:
            Missing: Always.
        """
        raise Missing("values are not loaded without a kernel")

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield unit and bytes of each value that has a file of its own."""
        return self._values.sizes()


@contextmanager
def copied(home: Path) -> Generator[CopiedStore]:
    """Give a copy of a store for a block; the store, its folder and the user's key stay as they are.

    Raises:
        StoreError: If it cannot be read: it is damaged, of a newer nbflow, or there is no key.
    """
    key = key_at_hand()
    if key is None:
        raise StoreError(
            f"there is no key to check {home} with; `nbflow run` makes one, NBFLOW_STATE names its folder",
            reason="no key",
        )
    with tempfile.TemporaryDirectory(prefix="nbflow-") as folder, _as_readable(home):
        copy = Path(folder).resolve() / "store"
        _copy(home, copy)
        store = CopiedStore(copy, home, key)
        try:
            if store.notices:
                raise StoreError(f"{home} cannot be read: {_of_original(store, home)}", reason="damaged")
            yield store
        finally:
            store.close()


def notices_of(store: CopiedStore, home: Path) -> list[str]:
    """What a copy has to say, said of the store that it was made of."""
    return [text.replace(str(store.home), str(home)) for text in store.notices]


def _of_original(store: CopiedStore, home: Path) -> str:
    told = notices_of(store, home)[0].partition(";")[0]
    return told.partition(" and starts anew")[0]


@contextmanager
def _as_readable(home: Path) -> Generator[None]:
    try:
        yield
    except StoreError as error:
        raise StoreError(str(error).removesuffix(_IN_MEMORY), reason=error.reason) from error
    except OSError as error:
        raise StoreError(f"{home} cannot be read: {error.strerror or error}", reason=str(error)) from error


def _copy(home: Path, copy: Path) -> None:
    check_format(home, (home / "format").read_text(errors="replace"))
    (copy / "index").mkdir(mode=0o700, parents=True)
    for name in _FILES:
        _copy_still(home / name, copy / name)


def _copy_still(source: Path, target: Path) -> None:
    """Copy a database with its log; again where somebody wrote meanwhile.

    Raises:
        StoreError: If somebody writes all the time.
    """
    for _ in range(_TRIES):
        before = _stamps(source)
        for end in ("", _LOG):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{source}{end}", f"{target}{end}")
        if _stamps(source) == before:
            return
    raise StoreError(f"{source} is being written all the time; ask again in a moment", reason="busy")


def _stamps(source: Path) -> list[tuple[int, int] | None]:
    return [_stamp(f"{source}{end}") for end in ("", _LOG)]


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
