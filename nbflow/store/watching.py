"""The observation of a running body: one audit hook for the process, and who it reports to.

Audit hooks cannot be removed. This one is installed when the first watch opens and does
nothing, after one look at an empty dict, while no watch is open.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from nbflow.store.asked import tell_of_questions
from nbflow.store.children import UNSEEN, Family, Place, accompany, hear, source_to_report
from nbflow.store.events import FOLLOWED, follow, set_by
from nbflow.store.given import NOT_NATIVE, Given
from nbflow.store.importing import begin_notes, end_notes, is_noted, note
from nbflow.store.paths import shown_names, shown_stat
from nbflow.store.settlement import NOTHING, Settlement, settle
from nbflow.store.trail import Trail
from nbflow.store.variables import tell_of_variables

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Mapping
    from types import TracebackType

    from nbflow.store.children import Reporter, Spool
    from nbflow.store.trail import Contents, Names

_open: dict[int, Watch] = {}
_held: ContextVar[tuple[Watch, ...] | None] = ContextVar("nbflow_watches", default=None)
_installing = threading.Lock()
_installed: list[bool] = []
_FORKS: Final = ("os.fork", "os.forkpty")
_family: Final = Family()
_numbers = count(1)
_THREAD_STARTS = ("_thread.start_new_thread", "_thread.start_joinable_thread")
_frame_of = sys._getframe  # pyright: ignore[reportPrivateUsage] - the caller decides what an event means


@dataclass(frozen=True, slots=True)
class Told:
    """What a watch has seen in another process.

    Args:
        settled: What it adds up to.
        is_nothing: Whether the body touched nothing outside.
        reads: The files that Python opened for reading.
        writes: The files that Python opened for writing.
        listings: What folders and patterns listed.
        folder: The working folder before it was changed; None where it was not.
        touched: The environment variables that the body set, and the working folder.
    """

    settled: Settlement
    is_nothing: bool
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    listings: Mapping[str, Names]
    folder: str | None
    touched: frozenset[str]


class Watch:
    """Observes one running body; made by `Files.watch`, used once, as a context manager.

    Events of the body's thread, of its asyncio context and of the threads that it starts are
    its own. So are, because they may work for it, those of any other thread that no watch
    claims, the main thread apart: a pool that an earlier body started serves this one, too.
    A nested watch also reports to those around it, unless it is `apart`.

    What was seen can be read once the block is left, also when the body raised.

    Args:
        contents: The session's files.
        constants: Strings in the body; those with a separator or a suffix count as paths.
        inputs: Values given to the body; strings and paths among them, also in shallow
            containers, count as paths. Patterns among them are not expanded.
        writes: Paths or patterns that the body is declared or known to write.
        reads: Paths or patterns that it is declared or known to read.
        apart: Whether watches around this one learn nothing of what it sees.

    Attributes:
        number: Which watch of this process it is.
        native: Whether the body reads or writes files in a way that Python does not see.
    """

    def __init__(
        self,
        contents: Contents,
        constants: Iterable[str] = (),
        inputs: Iterable[object] = (),
        writes: Iterable[str] = (),
        reads: Iterable[str] = (),
        *,
        apart: bool = False,
    ) -> None:
        self.trail = Trail(contents)
        self.number = next(_numbers)
        self.thread = 0
        self._heard = Place()
        self._beside: frozenset[int] = frozenset()
        self._threads: list[threading.Thread] = []
        self.settled = NOTHING
        self._given = Given(self.trail, constants, inputs, writes, reads)
        self._apart = apart
        self.native = NOT_NATIVE
        self._outer: tuple[Watch, ...] | None = None

    @property
    def read(self) -> Mapping[str, str]:
        """Absolute path to the digest of the content that the body was given."""
        return self.settled.read

    @property
    def written(self) -> Mapping[str, str]:
        """Absolute path to the digest of the content that it left, `UNBOUND` for a removed file."""
        return self.settled.written

    @property
    def absent(self) -> frozenset[str]:
        """Paths that it looked for and did not find."""
        return self.settled.absent

    @property
    def listings(self) -> Mapping[str, str]:
        """Folder (ends with a separator) or pattern to the digest of the names found."""
        return self.settled.listings

    @property
    def asked(self) -> Mapping[tuple[str, str], str]:
        """A kind and a path to what the system said of it."""
        return self.settled.asked

    @property
    def variables(self) -> Mapping[str, str]:
        """Environment variable that it asked for to the keyed digest of its value."""
        digest = self.trail.contents.variable
        return {name: digest(name, value) for name, value in self.settled.variables.items()}

    @property
    def voided(self) -> tuple[str, ...]:
        """Paths that changed while the body ran although it did not write them."""
        return self.settled.voided

    @property
    def still_open(self) -> tuple[str, ...]:
        """Paths that it opened for writing and left open; they are not among `written`."""
        return self.settled.still_open

    @property
    def own(self) -> frozenset[str]:
        """Paths, or listings, that it both read and changed: the verdict is *as of*."""
        return self.settled.own

    @property
    def imported(self) -> frozenset[str]:
        """Source files of local modules that were first imported by the body."""
        return self.settled.imported

    @property
    def noise(self) -> tuple[str, ...]:
        """Why the body was not quiet; empty for a quiet one."""
        return self.settled.noise

    @property
    def process_state(self) -> tuple[str, ...]:
        """What of the noise tells that the process itself was changed: folder, environment, path."""
        return self.settled.process_state

    @property
    def outside(self) -> tuple[str, ...]:
        """What it read that no digest covers."""
        return self.settled.outside

    def shown(self, path: str) -> str:
        """The stat of a file that was read or written, for people."""
        return shown_stat(self.trail.contents.stat(path))

    def listed(self, locator: str) -> str:
        """The names that a folder or a pattern had, for people."""
        return shown_names(self.trail.listings.get(locator))

    @property
    def followed(self) -> int:
        """How many files it read, as far as was seen, that Python did not open for it."""
        return len(self.read.keys() - self.trail.reads.keys())

    @property
    def left(self) -> int:
        """How many files it wrote, as far as was seen, that Python did not open for it."""
        return len(self.written.keys() - self.trail.writes.keys())

    @property
    def around(self) -> set[Watch]:
        """The watches within whose bodies it was opened, those included that learn nothing of it."""
        outer = self._outer or ()
        return set(outer).union(*(watch.around for watch in outer))

    @property
    def saw_nothing(self) -> bool:
        """Whether the body touched nothing outside."""
        return self.settled is NOTHING

    def told(self) -> Told:
        """What was seen, for the process where the body belongs."""
        trail = self.trail
        files = tuple(trail.reads), tuple(trail.writes), dict(trail.listings)
        return Told(self.settled, self.saw_nothing, *files, trail.folder, frozenset(trail.touched))

    def hear(self, told: Told) -> None:
        """See what was seen where the body ran, instead of what happened here meanwhile."""
        self.settled = NOTHING if told.is_nothing else told.settled
        trail, shaken = Trail(self.trail.contents), self.trail.shaken
        trail.reads, trail.writes = dict.fromkeys(told.reads), dict.fromkeys(told.writes)
        trail.listings, trail.folder = dict(told.listings), told.folder
        trail.touched, trail.shaken = set(told.touched), shaken
        self.trail = trail

    def claims(self, thread: int) -> bool:
        """Whether a thread is the body's own or one that it started, as far as Python tells."""
        # The number of a thread that has ended may be another one's by now.
        started = (each for each in self._threads if each.is_alive())
        return thread == self.thread or any(each.ident == thread for each in started)

    def note_thread(self, function: object) -> None:
        """Note a thread that the body starts; Python 3.11 does not tell."""
        started = getattr(function, "__self__", None)
        if isinstance(started, threading.Thread):
            self._threads.append(started)

    def move_to(self, thread: int) -> None:
        """Say that the body runs in another thread than where the watch was opened; 0: in none yet."""
        self.thread = thread

    def __enter__(self) -> Watch:
        _install()
        begin_notes(self.trail.contents)
        self._outer = _held.get()
        _held.set(())
        try:
            self._given.look(self.native)
        except BaseException:
            _held.set(self._outer)
            raise
        self.thread = threading.get_ident()
        with _family.changing:
            self._heard = _family.begin()
            beside = set(_open.values()) - self.around
            self._beside = frozenset(watch.number for watch in beside)
            _open[id(self)] = self
        _held.set((self,) if self._apart or not self._outer else (*self._outer, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _held.set(())
        try:
            try:
                self.hear_children()
            finally:
                self._close()
            self._given.tell_patterns()
            self.settled = settle(self.trail, self._given.before, self._given.written())
        finally:
            _held.set(self._outer)

    def _close(self) -> None:
        with _family.changing:
            _open.pop(id(self), None)
            if not _open:
                _family.tidy()

    def hear_children(self) -> None:
        """See what child processes have told since."""
        try:
            news, self._heard = _family.since(self._heard)
            for each in news:
                if self._is_meant(each["watches"]):
                    hear(self.trail, each)
        except Exception:  # noqa: BLE001 - an error here would become the body's error
            self.trail.outside[UNSEEN] = None

    def _is_meant(self, numbers: Collection[int]) -> bool:
        """Whether a child works for this body; one of a body that had ended before may work for any."""
        beside = (number > self.number or number in self._beside for number in numbers)
        return self.number in numbers or not any(beside)


def watch_of() -> Watch | None:
    """The innermost open watch of this context.

    Example:
        >>> watch_of() is None
        True
    """
    held = _held.get()
    return held[-1] if held else None


def watched_here() -> None:
    """Let the innermost open watch of this context know that its body runs in this thread.

    Example:
        >>> watched_here()  # nobody watches
    """
    watch = watch_of()
    if watch is not None:
        watch.move_to(threading.get_ident())


def note_unseen(what: str) -> None:
    """Let the open watches of this context know that something works for their bodies unseen.

    Args:
        what: What it does, for people: what they make is as of that.

    Example:
        >>> note_unseen("reads a database")  # nobody watches
    """
    for watch in _watching():
        watch.trail.outside[what] = None


@contextmanager
def unwatched() -> Generator[None]:
    """Hide what this thread does from every open watch: nbflow's own files are no inputs.

    Example:
        >>> with unwatched(), open(__file__) as stream:
        ...     _ = stream.readline()
    """
    outer = _held.get()
    _held.set(())
    try:
        yield
    finally:
        _held.set(outer)


def _install() -> None:
    if _installed:
        return
    with _installing:
        if not _installed:
            _installed.append(True)
            sys.addaudithook(_hook)
            tell_of_questions()
            tell_of_variables()
            accompany(_source_for_child)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_forked)


def listen(contents: Contents) -> None:
    """Note from now on what the user's own modules ask while they are imported, whoever imports them.

    Args:
        contents: The session's files.
    """
    _install()
    begin_notes(contents)


def listen_no_more(contents: Contents) -> None:
    """Let the hook do nothing any more for a session, until something is watched again.

    Args:
        contents: The session's files.
    """
    end_notes(contents)


def begin_reports(reporter: Reporter) -> None:
    """Have what this process does told by a reporter, as far as no watch of its own sees it."""
    _family.reporter = reporter
    _install()


def _source_for_child() -> str:
    """What a process that is about to be started anew has to run, so that it reports; empty: nothing."""
    if _held.get() == () or (about := _of_child()) is None:
        return ""
    contents, named, numbers = about
    with unwatched():
        spool = _expect_child(contents)
    return source_to_report(spool, contents.ignored, named, numbers) if spool else ""


def _expect_child(contents: Contents) -> Spool | None:
    """Be ready for a child; None where that cannot be, so that nobody will see what it does."""
    try:
        return _family.expect(contents)
    except Exception:  # noqa: BLE001 - an error here would become the body's error
        for watch in tuple(_open.values()):
            watch.trail.outside[UNSEEN] = None
        return None


def _forked() -> None:
    """In a child: it is watched from where it came from."""
    about = _of_child() if _held.get() != () else None
    _, named, numbers = about or (None, (), ())
    _family.fork(numbers, named)
    _open.clear()
    _held.set(None)


def _of_child() -> tuple[Contents, tuple[str, ...], tuple[int, ...]] | None:
    """The files as the open watches know them, what their inputs name, and whom a child works for."""
    watches, every = _watching(), tuple(_open.values())
    if not every:
        return None
    named = {path for watch in watches for path in watch.trail.named}
    contents = (watches or every)[0].trail.contents
    return contents, tuple(named), tuple(watch.number for watch in watches)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if is_noted(event):
        _note(event, arguments)
    if (_open or _family.reporter) and (event in FOLLOWED or event in _THREAD_STARTS):
        _report(event, arguments)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    held = _held.get()
    _held.set(())
    try:
        note(event, arguments, _frame_of(2))
    finally:
        _held.set(held)


def _report(event: str, arguments: tuple[object, ...]) -> None:
    watches = _watching()
    shared = set_by(event, arguments)
    if shared:
        _tell_all(shared, watches)
    held = _held.get()
    if not watches and (_family.reporter is None or held == ()):
        return
    _held.set(())  # what is done from here on, such as hashing a file, is not the body's doing
    try:
        caller = _frame_of(2)
        if event in _FORKS and watches:
            _expect_child(watches[0].trail.contents)
        for watch in watches:
            if event in _THREAD_STARTS:
                watch.note_thread(arguments[0])
            else:
                watch.hear_children()
                follow(watch.trail, event, arguments, caller)
        if not watches and _family.reporter is not None and event in FOLLOWED:
            _family.reporter.take(event, arguments, caller)
    finally:
        _held.set(held)


def _tell_all(shared: str, watches: Iterable[Watch]) -> None:
    """Let every open watch know who changed what all bodies share; whoever is around is no other."""
    own = set(watches).union(*(watch.around for watch in watches))
    for watch in tuple(_open.values()):
        (watch.trail.touched if watch in own else watch.trail.shaken).add(shared)


def _watching() -> tuple[Watch, ...]:
    """The open watches that the present event belongs to."""
    held = _held.get()
    live = tuple(watch for watch in held or () if id(watch) in _open)
    if live or held == ():
        return live
    every = tuple(_open.values())
    claiming = tuple(watch for watch in every if watch.claims(threading.get_ident()))
    if claiming or threading.get_ident() == threading.main_thread().ident:
        return claiming
    return every
