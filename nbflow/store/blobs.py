"""Values too large for the index: one immutable file for each unit.

A file is `prelude | layout | pickle | buffers`, the buffers aligned to pages. The prelude's seal
binds the unit's name, the layout, the pickle, and the length and digest of the buffers, so that the
pickle may be trusted without reading gigabytes of buffers. Loading maps the file privately: what is
written to a loaded array is never written to the file. Files come by rename and are never changed.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from struct import Struct
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec
import xxhash

from nbflow.store.columns import Span  # noqa: TC001 - msgspec reads the annotations
from nbflow.store.protocol import NOT_STORED, Missing
from nbflow.store.signing import OTHER_KEY, SEAL_BYTES, Signer, UnverifiedError, undamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nbflow.store.formats import Payload
    from nbflow.store.scratch import Scratch

_MAGIC: Final = b"nbflow1\n"
_PRELUDE: Final = Struct("<8sQQQQ16s")  # magic, layout, pickle, start and length of buffers, digest
_HEAD: Final = _PRELUDE.size + SEAL_BYTES
_PAGE: Final = 4096
_LINE: Final = 64
_CHUNK: Final = 1 << 20
_CHECKED_AT_ONCE: Final = 1 << 20
_PLAIN: Final = re.compile(r"[0-9a-z]{8,64}")

Identity = tuple[int, ...]


class _Layout(msgspec.Struct, array_like=True, frozen=True):
    spans: tuple[Span, ...]
    places: tuple[tuple[int, int], ...]
    packages: dict[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload as it lies in its file.

    Args:
        pickled: The pickle, its seal checked.
        spans: Where each buffer lies: region, offset, length.
        packages: Version of each installed package whose types are in the pickle.
        regions: The mapped buffers; writing to them changes this mapping only.
    """

    pickled: memoryview
    spans: tuple[Span, ...]
    packages: Mapping[str, str]
    regions: tuple[memoryview, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A unit's file: its name, its bytes, and when it was written, seconds since the epoch."""

    unit: str
    size: int
    written: float


@dataclass(frozen=True, slots=True)
class _Mapped:
    view: memoryview
    identity: Identity
    start: int
    length: int
    digest: bytes
    pickled: memoryview
    layout: memoryview

    @property
    def head(self) -> tuple[memoryview, memoryview, memoryview]:
        return self.view[: _PRELUDE.size], self.layout, self.pickled

    @property
    def stamp(self) -> bytes:
        return bytes(self.view[_PRELUDE.size : _HEAD])


class Blobs:
    """The files of a store.

    Args:
        home: The store's folder.
        signer: Seals what is written and checks what is read.
        scratch: Where files are written before they get their names.
        checkpoint: Called with the name of each point at which a crash may leave something.
    """

    def __init__(
        self, home: Path, signer: Signer, scratch: Scratch, checkpoint: Callable[[str], None]
    ) -> None:
        self._root: Final = str(home / "blobs")
        self._rejected: Final = home / "quarantine"
        self._signer = signer
        self._scratch = scratch
        self._checkpoint = checkpoint
        self._sealed: set[Identity] = set()
        self._whole: set[Identity] = set()

    def path(self, unit: str) -> Path:
        """Return where the unit's file is, or would be."""
        return Path(self._file(unit))

    def _file(self, unit: str) -> str:
        # A text, because making a `Path` takes longer than asking for the file.
        name = unit if _PLAIN.fullmatch(unit) else hashlib.blake2b(unit.encode(), digest_size=16).hexdigest()
        return f"{self._root}{os.sep}{name[:2]}{os.sep}{name}"

    def has(self, unit: str) -> bool:
        """Whether the unit's file is there and signed by this user."""
        try:
            # Files never change: the same one was checked when it was first met.
            if _identity(os.stat(self._file(unit))) in self._sealed:
                return True
            self._checked(unit)
        except (OSError, Missing):
            return False
        return True

    def write(self, unit: str, payload: Payload) -> None:
        """Write the unit's file.

        Raises:
            OSError: If that cannot be done; nothing is left behind then.
        """
        path, fresh = self.path(unit), self._scratch.fresh()
        try:
            with open(fresh, "xb") as file:
                self._fill(file, unit, payload)
                # Before it has its name, so that nobody ever finds one that can be written to.
                os.chmod(fresh, 0o444)
            self._checkpoint("blob written")
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _rename(fresh, path)
        finally:
            with suppress(OSError):
                fresh.unlink()
        self._checkpoint("blob named")

    def _fill(self, file: BinaryIO, unit: str, payload: Payload) -> None:
        places, length = _places(payload.regions)
        layout = msgspec.msgpack.encode(_Layout(payload.spans, places, dict(payload.packages)))
        start = _up(_HEAD + len(layout) + len(payload.pickled), _PAGE)
        file.seek(_HEAD)
        file.write(layout)
        file.write(payload.pickled)
        file.write(bytes(start - file.tell()))
        # The head is written last: it bears the digest of what stands behind it.
        digest = _write_regions(file, payload.regions, places, start)
        prelude = _PRELUDE.pack(_MAGIC, len(layout), len(payload.pickled), start, length, digest)
        file.seek(0)
        file.write(prelude)
        file.write(self._signer.stamp(_bound(unit), prelude, layout, payload.pickled))

    def open(self, unit: str) -> Opened:
        """Map the unit's file.

        Buffers of less than a megabyte are verified at once, larger ones by `verify`.

        Raises:
            Missing: If there is none, or it is damaged, or not signed by this user.
        """
        mapped = self._checked(unit)
        if mapped.length < _CHECKED_AT_ONCE:
            self._check_buffers(unit, mapped)
        layout = msgspec.msgpack.decode(mapped.layout, type=_Layout)
        regions = tuple(
            mapped.view[mapped.start + offset : mapped.start + offset + length]
            for offset, length in layout.places
        )
        return Opened(mapped.pickled, layout.spans, layout.packages, regions)

    def pickle_bytes(self, unit: str) -> int:
        """How much of the unit's file is objects rather than buffers; 0 where there is no such file."""
        try:
            return len(self._checked(unit).pickled)
        except Missing:
            return 0

    def verify(self, unit: str) -> str:
        """Compare the buffers with their digest, once per file; return what is wrong, or ``""``."""
        try:
            self._check_buffers(unit, self._checked(unit))
        except Missing as missing:
            return missing.reason
        return ""

    def remove(self, unit: str) -> None:
        """Remove the unit's file; values that were loaded from it stay valid."""
        with suppress(OSError):
            self.path(unit).unlink()

    def sizes(self) -> Iterator[tuple[str, int]]:
        """Yield the name and the bytes of each file."""
        return ((found.unit, found.size) for found in self.files())

    def files(self) -> Iterator[Stored]:
        """Yield each file at a unit's place, whoever signed it; what else lies there is nobody's."""
        for path in Path(self._root).glob("*/*"):
            with suppress(OSError):
                status = path.lstat()
                if S_ISREG(status.st_mode) and path == self.path(path.name) and not path.parent.is_symlink():
                    yield Stored(path.name, status.st_size, status.st_mtime)

    def withdraw(self, unit: str) -> None:
        """Take the unit's file from its place, so that `bring_back` or `forget_withdrawn` decides of it."""
        with suppress(OSError):
            os.replace(self._file(unit), self._withdrawn(unit))

    def bring_back(self, unit: str) -> None:
        """Put a withdrawn file back, unless the unit was written anew."""
        with suppress(OSError):
            os.link(self._withdrawn(unit), self._file(unit))
        self.forget_withdrawn(unit)

    def forget_withdrawn(self, unit: str) -> None:
        """Remove a withdrawn file; values that were loaded from it stay valid."""
        with suppress(OSError):
            os.unlink(self._withdrawn(unit))

    def _withdrawn(self, unit: str) -> Path:
        return self._scratch.named(f"{self.path(unit).name}.withdrawn")

    def trust(self, unit: str) -> bool:
        """Sign the unit's file whoever signed it; return whether it could be, undamaged as it must be."""
        try:
            mapped = self._mapped(unit)
        except (OSError, Missing, UnverifiedError):
            return False
        if not undamaged(mapped.stamp, *mapped.head) or _digest(mapped) != mapped.digest:
            return False
        fresh = self._scratch.fresh()
        # A new file, because others may have mapped the old one.
        with open(fresh, "xb") as file:
            file.write(mapped.view)
            file.seek(_PRELUDE.size)
            file.write(self._signer.stamp(_bound(unit), *mapped.head))
            os.chmod(fresh, 0o444)
        _rename(fresh, self.path(unit))
        return True

    def _checked(self, unit: str) -> _Mapped:
        """Map the file and check everything but the buffers."""
        try:
            mapped = self._mapped(unit)
            if mapped.identity not in self._sealed:
                self._signer.check(_bound(unit), mapped.stamp, *mapped.head)
        except FileNotFoundError:
            raise Missing(NOT_STORED) from None
        except OSError as error:
            raise Missing(f"cannot be read: {error.strerror or error}") from error
        except UnverifiedError as error:
            # Another user's is sound, and may be trusted one day.
            if error.reason != OTHER_KEY:
                self._reject(unit)
            raise Missing(error.reason) from None
        self._sealed.add(mapped.identity)
        return mapped

    def _mapped(self, unit: str) -> _Mapped:
        with open(self._file(unit), "rb") as file:
            status = os.fstat(file.fileno())
            view = _map(file, status.st_size)
        if len(view) < _HEAD:
            raise UnverifiedError("truncated")
        magic, layout, pickled, start, length, digest = _PRELUDE.unpack_from(view)
        if magic != _MAGIC:
            raise Missing("not a file of this version of nbflow")
        middle, end = _HEAD + layout, _HEAD + layout + pickled
        if end > start or start + length != len(view):
            raise UnverifiedError("truncated")
        head = view[middle:end], view[_HEAD:middle]
        return _Mapped(view, _identity(status), start, length, digest, *head)

    def _check_buffers(self, unit: str, mapped: _Mapped) -> None:
        if mapped.identity in self._whole:
            return
        if _digest(mapped) != mapped.digest:
            self._reject(unit)
            raise Missing("damaged")
        self._whole.add(mapped.identity)

    def _reject(self, unit: str) -> None:
        """Put a damaged file aside, so that its place is free and it can be looked at."""
        path = self.path(unit)
        with suppress(OSError):
            self._rejected.mkdir(mode=0o700, exist_ok=True)
            os.replace(path, self._rejected / path.name)


def _bound(unit: str) -> str:
    return f"blob:{unit}"


def _up(position: int, step: int) -> int:
    return -(-position // step) * step


def _places(regions: tuple[memoryview, ...]) -> tuple[tuple[tuple[int, int], ...], int]:
    """Return offset and length of each region behind the start, and the length of all."""
    places: list[tuple[int, int]] = []
    end = 0
    for region in regions:
        offset = _up(end, _PAGE if region.nbytes >= _PAGE else _LINE)
        places.append((offset, region.nbytes))
        end = offset + region.nbytes
    return tuple(places), end


def _write_regions(
    file: BinaryIO, regions: tuple[memoryview, ...], places: tuple[tuple[int, int], ...], start: int
) -> bytes:
    """Write the buffers and return their digest, gaps included, in one pass over the memory."""
    digest = xxhash.xxh3_128()
    for region, (offset, _) in zip(regions, places, strict=True):
        gap = bytes(start + offset - file.tell())
        for chunk in (gap, *_chunks(region)):
            digest.update(chunk)
            file.write(chunk)
    return digest.digest()


def _chunks(region: memoryview) -> Iterator[memoryview]:
    for first in range(0, region.nbytes, _CHUNK):
        yield region[first : first + _CHUNK]


def _digest(mapped: _Mapped) -> bytes:
    return xxhash.xxh3_128(mapped.view[mapped.start :]).digest()


def _map(file: BinaryIO, size: int) -> memoryview:
    if size == 0:
        return memoryview(b"")
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    except OSError:
        # Some network and container file systems cannot map; a copy in memory is as private.
        return memoryview(bytearray(file.read()))


def _identity(status: os.stat_result) -> Identity:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _rename(fresh: Path, path: Path) -> None:
    try:
        os.replace(fresh, path)
    except PermissionError:
        # Where open files cannot be replaced, the same unit written by another kernel does as well.
        if not path.exists():
            raise
