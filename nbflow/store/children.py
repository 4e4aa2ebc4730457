"""What child processes do with files, for the body that they work for.

A forked child inherits the audit hook, and one that `multiprocessing` or joblib starts anew is told to
install it by an object that travels with its process. Either writes what it sees into a file of the process
that watches: what is in there was done before anything that the child has sent back.
"""

from __future__ import annotations

import atexit
import marshal
import os
import tempfile
import threading
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.store.events import follow
from nbflow.store.paths import FileStat, Known
from nbflow.store.trail import Trail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from nbflow.store.events import Arguments
    from nbflow.store.trail import Contents

_HEAD_BYTES: Final = 8
_LARGE: Final = 1 << 20
_BY_KEY: Final = (
    *("reads", "early", "writes", "handed", "journals"),
    *("listings", "asked", "noise", "outside"),
)
_SETS: Final = ("grown", "folders")
_BEGIN: Final = """
try:
    from nbflow.store.files import report_to
    report_to({spool!r}, {ignored!r}, {named!r}, {watches!r})
except Exception:
    pass
"""
"""What a child runs that was started anew: where nbflow is not to be had, it works unseen."""

News = dict[str, Any]
"""Which watches it is for, and what has come to the fields of a trail, as `marshal` takes it."""


class Spool:
    """The file that the children of a process write to, and it reads.

    Args:
        path: Where it is; empty: a new one, which goes with this process.
    """

    def __init__(self, path: str = "") -> None:
        self.path = path or _new_file()
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND)

    @property
    def size(self) -> int:
        """How long it is, bytes."""
        return os.fstat(self._file).st_size

    def tell(self, news: News) -> None:
        """Append news: in one go, as others do the same."""
        data = marshal.dumps(news)
        os.write(self._file, len(data).to_bytes(_HEAD_BYTES, "big") + data)

    def since(self, start: int, end: int) -> Iterator[News]:
        """What was appended between two places."""
        data, at = os.pread(self._file, end - start, start), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + _HEAD_BYTES], "big")
            at += _HEAD_BYTES + length
            yield marshal.loads(data[at - length : at])

    def tidy(self) -> None:
        """Empty it where it has become long; nobody must want to read on."""
        if self.size > _LARGE:
            os.ftruncate(self._file, 0)


def _new_file() -> str:
    file, path = tempfile.mkstemp(prefix="nbflow-children-")
    os.close(file)
    atexit.register(_remove, path, os.getpid())
    return path


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
        self._about = spool, contents, named, watches
        self._spool = spool
        self._watches = watches
        self._trail = Trail(contents)
        self._trail.named = named
        self._known: dict[str, int] = dict.fromkeys((*_BY_KEY, *_SETS), 0)
        self._lock = threading.Lock()

    def afresh(self) -> Reporter:
        """One for a child of this process."""
        return Reporter(*self._about)

    def take(self, event: str, arguments: Arguments, caller: FrameType) -> None:
        """Take one audit event; never raises."""
        with self._lock:
            follow(self._trail, event, arguments, caller)
            with suppress(Exception):  # it would become an error of the user's
                news = {key: new for key in self._known if (new := self._new(key))}
                if news:
                    self._spool.tell({"watches": self._watches, **news})

    def _new(self, key: str) -> list[object]:
        seen: Any = getattr(self._trail, key)
        known, self._known[key] = self._known[key], len(seen)
        if len(seen) == known:
            return []
        if key in _SETS:
            return list(seen)
        return [(name, _plain(value)) for name, value in islice(seen.items(), known, None)]


def hear(trail: Trail, news: News) -> None:
    """Add to a trail what a child tells; what was seen before stays as it was."""
    for key in _BY_KEY:
        seen: dict[Any, object] = getattr(trail, key)
        for name, value in news.get(key, ()):
            seen.setdefault(name, _MADE.get(key, _same)(value))
    for key in _SETS:
        getattr(trail, key).update(news.get(key, ()))


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


_MADE: Final[dict[str, Callable[[Any], object]]] = {
    "reads": _stat,
    "early": _known,
    "writes": _stat,
    "handed": _stat,
}


class Family:
    """This process among those that it starts, and that have started it.

    Attributes:
        reporter: Tells the one that started this process what it does; None where nobody asked.
    """

    def __init__(self) -> None:
        self.reporter: Reporter | None = None
        self._spool: Spool | None = None
        self._making = threading.Lock()
        self._contents: Contents | None = None

    @property
    def told(self) -> int:
        """How much its children have told so far."""
        return self._spool.size if self._spool is not None else 0

    def expect(self, contents: Contents) -> Spool:
        """Be ready for a child that is about to be started."""
        self._contents = contents
        with self._making:
            self._spool = self._spool or Spool()
            return self._spool

    def since(self, told: int) -> tuple[list[News], int]:
        """What its children have told since so much was told, and how much that is now."""
        now = self.told
        return (list(self._spool.since(told, now)), now) if self._spool and now > told else ([], told)

    def tidy(self) -> None:
        """Forget what was told; nobody must want to read on."""
        if self._spool is not None:
            self._spool.tidy()

    def fork(self, watches: tuple[int, ...], named: tuple[str, ...]) -> None:
        """In a child: tell the process that forked it, if that expected it."""
        spool, contents, self._spool = self._spool, self._contents, None
        self._making = threading.Lock()  # another thread may have held it
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
        return (exec, (source, {})) if source else (str, ())


def accompany(begin: Callable[[], str]) -> None:
    """Let a companion go with each process that is made here from now on."""
    from multiprocessing.process import current_process  # most sessions start none

    # What is in there goes along to each child, however it is started; there is no public way.
    cast("Any", current_process())._config["nbflow"] = Companion(begin)


def source_to_report(
    spool: Spool, ignored: tuple[str, ...], named: tuple[str, ...], watches: tuple[int, ...]
) -> str:
    """The source that lets a child report."""
    return _BEGIN.format(spool=spool.path, ignored=ignored, named=named, watches=watches)
