"""What child processes do with files, for the body that they work for.

A forked child inherits the audit hook, and one that `multiprocessing` or joblib starts anew is told to
install it by an object that travels with its process. Either writes what it sees into a file of the process
that watches: what is in there was done before anything that the child has sent back.
"""

from __future__ import annotations

import atexit
import marshal
import mmap
import os
import struct
import tempfile
import threading
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from nbflow.store.events import follow
from nbflow.store.paths import FileStat, Known
from nbflow.store.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from nbflow.store.events import Arguments
    from nbflow.store.trail import Contents

UNSEEN: Final = "child processes could not be observed"
"""What a result is as of whose body had others work that could not tell what they did."""

_stat_of: Final = os.stat  # as it is before it tells the audit hook of each call
_HEAD_BYTES: Final = 16
_COUNT: Final = struct.Struct("=Q")
_FAILURES_AT: Final = 8  # the parent counts before it, children here: nobody undoes what another has counted
_LENGTH_BYTES: Final = 8
_LARGE: Final = 1 << 20
_FORGOTTEN: Final = 86400.0
_BEGIN: Final = """
try:
    from nbflow.store.files import report_to
    report_to({spool!r}, {ignored!r}, {named!r}, {watches!r})
except Exception:
    pass
"""
"""What a child runs that is started anew. It is source, as no child may fail for want of nbflow."""

News = dict[str, Any]
"""Which watches it is for, and what has come to the fields of a trail, as `marshal` takes it."""


class Place(NamedTuple):
    """How far something was heard.

    Args:
        end: Where in the spool, bytes.
        failures: How often a child could not tell what it did.
    """

    end: int = 0
    failures: int = 0


class Spool:
    """The file that the children of a process write to, and it reads.

    Its head is mapped, and the file opened for each record: a child may close any descriptor, and
    use its number for a file of its own.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        # Who maps one goes on with it though the file is another: all are kept up.
        self._heads = [self._mapped()]

    def _mapped(self) -> mmap.mmap:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(file).st_size < _HEAD_BYTES:
                os.pwrite(file, bytes(_HEAD_BYTES), 0)
            return mmap.mmap(file, _HEAD_BYTES)
        finally:
            os.close(file)

    @property
    def generation(self) -> int:
        """How many bodies have begun since it was made: each is told all that is done for it."""
        return max(_COUNT.unpack_from(head)[0] for head in self._heads)

    def begin(self) -> None:
        """Have all told anew, for a body that begins."""
        now = self.generation + 1
        for head in self._heads:
            _COUNT.pack_into(head, 0, now)

    @property
    def place(self) -> Place:
        """What there is to hear by now; its end is 0 where somebody has tidied the file away."""
        failures = sum(_COUNT.unpack_from(head, _FAILURES_AT)[0] for head in self._heads)
        try:
            return Place(_stat_of(self.path).st_size, failures)
        except OSError:
            return Place(0, failures)

    def tell(self, news: News) -> None:
        """Append news, in one go as others do the same; what cannot be told is counted."""
        data = marshal.dumps(news)
        data = len(data).to_bytes(_LENGTH_BYTES, "big") + data
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                if os.write(file, data) == len(data):
                    return
            finally:
                os.close(file)
        except OSError:  # full, or no descriptor left: the head takes no room
            pass
        failures = _COUNT.unpack_from(self._heads[-1], _FAILURES_AT)[0]
        _COUNT.pack_into(self._heads[-1], _FAILURES_AT, failures + 1)

    def since(self, start: int) -> tuple[list[News], int]:
        """What was appended behind a place, and how far that reaches: the last may still be written."""
        found: list[News] = []
        with open(self.path, "rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            at = stream.seek(max(start, _HEAD_BYTES))
            while at + _LENGTH_BYTES <= end:
                length = int.from_bytes(stream.read(_LENGTH_BYTES), "big")
                if at + _LENGTH_BYTES + length > end:
                    break
                found.append(marshal.loads(stream.read(length)))
                at += _LENGTH_BYTES + length
        return found, at

    def mend(self) -> None:
        """Have a file there again, where somebody has tidied it away."""
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self._heads.append(self._mapped())

    def tidy(self) -> None:
        """Empty it where it has become long, while nobody wants to read on."""
        if _stat_of(self.path).st_size > _LARGE:
            os.truncate(self.path, _HEAD_BYTES)


def _new_spool() -> Spool:
    """One that goes with this process; those of processes that were killed go with it."""
    folder = os.path.join(tempfile.gettempdir(), f"nbflow-children-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if _stat_of(folder).st_uid != os.getuid():
        raise PermissionError(f"{folder} is somebody else's")
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        with suppress(OSError):
            # A process of another container looks dead from here.
            if time.time() - _stat_of(path).st_mtime > _FORGOTTEN and not _is_alive(name.partition("-")[0]):
                os.unlink(path)
    file, path = tempfile.mkstemp(prefix=f"{os.getpid()}-", dir=folder)
    os.close(file)
    atexit.register(_remove, path, os.getpid())
    return Spool(path)


def _is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        return True
    return True


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # a forked child ends, too
        with suppress(OSError):
            os.unlink(path)


class Reporter:
    """Follows what this process does and tells another one.

    Args:
        spool: Where to tell it.
        contents: The session's files, as this process has them.
        named: What the inputs name in packages, see `Trail`.
        watches: The watches that this process works for, by number.
    """

    def __init__(
        self, spool: Spool, contents: Contents, named: tuple[str, ...], watches: tuple[int, ...]
    ) -> None:
        self._spool, self._contents, self._named, self._watches = spool, contents, named, watches
        self._lock = threading.RLock()
        self._begin()

    def _begin(self) -> None:
        """Follow a body that nothing was told for yet."""
        self._generation = self._spool.generation
        self._trail = Trail(self._contents)
        self._trail.named = self._named
        self._known: dict[str, int] = dict.fromkeys(_TOLD, 0)

    def afresh(self) -> Reporter:
        """One for a child of this process."""
        return Reporter(self._spool, self._contents, self._named, self._watches)

    def take(self, event: str, arguments: Arguments, caller: FrameType) -> None:
        """Take one audit event; never raises."""
        with self._lock:
            if self._generation != self._spool.generation:
                self._begin()
            follow(self._trail, event, arguments, caller)
            news = {key: new for key in _TOLD if (new := self._new(key))}
            if news:
                self._spool.tell({"watches": self._watches, **news})

    def _new(self, key: str) -> list[tuple[object, object]]:
        seen: Mapping[object, object] = getattr(self._trail, key)
        new, self._known[key] = len(seen) - self._known[key], len(seen)
        return [(name, _plain(seen[name])) for name in islice(reversed(seen), new)]  # pyright: ignore[reportArgumentType] - a dict


def hear(trail: Trail, news: News) -> None:
    """Add to a trail what a child tells; what was seen before stays as it was."""
    for key, made in _TOLD.items():
        seen: dict[Any, object] = getattr(trail, key)
        for name, value in reversed(news.get(key, ())):
            seen.setdefault(name, made(value))
    trail.guessed.difference_update(name for name, _ in news.get("listings", ()))


def _plain(value: object) -> object:
    if isinstance(value, FileStat):
        return value.size, value.mtime_ns, value.ctime_ns, value.inode, value.regular
    return (_plain(value.stat), value.digest, value.firm) if isinstance(value, Known) else value


def _stat(plain: Any) -> FileStat | None:
    return None if plain is None else FileStat(*plain)


def _known(plain: Any) -> Known:
    return Known(_stat(plain[0]), *plain[1:])


def _same(plain: Any) -> Any:
    return plain


_TOLD: Final[dict[str, Callable[[Any], object]]] = {
    "reads": _stat,
    "early": _known,
    "writes": _stat,
    "grown": _same,
    "handed": _stat,
    "journals": _same,
    "listings": _same,
    "folders": _same,
    "asked": _same,
    "variables": _same,
    "noise": _same,
    "outside": _same,
}
"""The fields of a trail that a child tells, and what makes their values of plain ones again.

What it imports, and does to its own process, is no matter of the one that watches.
"""

NOT_TOLD: Final = frozenset(
    ["contents", "around", "guessed", "imported", "environment", "folder", "named", "touched", "shaken"]
)
"""The other fields."""


class Family:
    """This process among those that it starts, and that have started it.

    Attributes:
        reporter: Tells the one that started this process what it does; None where nobody asked.
        changing: Held while it changes which bodies are watched.
    """

    def __init__(self) -> None:
        self.reporter: Reporter | None = None
        self._spool: Spool | None = None
        self._contents: Contents | None = None
        self._making = threading.Lock()
        self.changing = threading.Lock()

    def expect(self, contents: Contents) -> Spool:
        """Be ready for a child that is about to be started.

        Raises:
            OSError: If there is no place to tell anything.
        """
        self._contents = contents
        with self._making:
            self._spool = self._spool or _new_spool()
            return self._spool

    def begin(self) -> Place:
        """Have children tell all that they do for a body that begins; gives what is none of it."""
        if self._spool is None:
            return Place()
        if not self._spool.place.end:
            with suppress(OSError):  # else children cannot tell anything, which they count
                self._spool.mend()
        place = self._spool.place
        self._spool.begin()
        return place

    def since(self, place: Place) -> tuple[list[News], Place]:
        """What children have told behind a place, and how far that is."""
        if self._spool is None or (now := self._spool.place) == place:
            return [], place
        news, end = self._spool.since(place.end)
        if now.failures != place.failures:
            news.append({"watches": (), "outside": [(UNSEEN, None)]})
        return news, Place(end, now.failures)

    def tidy(self) -> None:
        """Forget what was told, while nobody wants to read on."""
        if self._spool is not None:
            with suppress(OSError):
                self._spool.tidy()

    def fork(self, watches: tuple[int, ...], named: tuple[str, ...]) -> None:
        """In a child: tell the process that forked it, if that expected it."""
        spool, contents, self._spool = self._spool, self._contents, None
        self._making, self.changing = threading.Lock(), threading.Lock()  # another thread may hold them
        if spool is not None and contents is not None:
            self.reporter = Reporter(spool, contents, named, watches)
        elif self.reporter is not None:
            self.reporter = self.reporter.afresh()


class Companion:
    """Travels with each process that `multiprocessing` makes, and starts the reports of one that begins anew.

    Args:
        begin: Gives the source that the child is to run, when its process is started; empty: none.
    """

    def __init__(self, begin: Callable[[], str]) -> None:
        self._begin = begin

    def __reduce__(self) -> Any:
        source = self._begin()
        # Both need nothing but Python where they are unpickled.
        return (exec, (source, {})) if source else (str, ())


def accompany(begin: Callable[[], str]) -> None:
    """Let a companion go with each process that is made here from now on."""
    with suppress(ImportError, AttributeError):  # not each Python has processes
        from multiprocessing.process import current_process  # most sessions start none

        # What is in there goes along to each child, however it is started; there is no public way.
        cast("Any", current_process())._config["nbflow"] = Companion(begin)


def source_to_report(
    spool: Spool, ignored: tuple[str, ...], named: tuple[str, ...], watches: tuple[int, ...]
) -> str:
    """The source that lets a child report."""
    return _BEGIN.format(spool=spool.path, ignored=ignored, named=named, watches=watches)
