"""Who has shown what: one place that all outputs pass, and the body that each of them belongs to.

Bodies may run at the same time. What a body shows, and what threads that it starts show, is noted for it
and for no other; only the body of the cell that the user runs shows it as well.
"""

from __future__ import annotations

import sys
import threading
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from nbflow.notebook.outputs import Display, Recorder
from nbflow.store.watching import watch_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nbflow.store.watching import Watch


@dataclass(slots=True, eq=False)
class Capture:
    """What one body shows.

    Args:
        recorder: Takes note of it.
        shows: Whether it is shown as well.
        is_here: Whether the body runs in the thread that drives all work, so that no other runs.
        outer: The body within which it runs, if there is one.
        watch: What watches the body, by which threads that it started are known.
        in_display: Whether a display is being shown.
    """

    recorder: Recorder
    shows: bool
    is_here: bool
    outer: Capture | None = None
    watch: Watch | None = None
    in_display: bool = False

    def note(self, name: str, text: str) -> None:
        """Note text written to a stream, unless it is how a display is shown."""
        if self.in_display:
            return
        if self.recorder.is_switched_to(name):
            # The two have buffers of their own, and what came first is to be seen first.
            getattr(sys, "stderr" if name == "stdout" else "stdout").flush()
        self.recorder.write(name, text)


_CURRENT: ContextVar[Capture | None] = ContextVar("nbflow_capture", default=None)


class Routes:
    """Lets all outputs of a shell pass here for as long as bodies are captured.

    Args:
        shell: The IPython shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._open: list[Capture] = []
        self._lock = threading.Lock()
        self._undo = ExitStack()

    @contextmanager
    def captured(self, *, shows: bool, is_here: bool = True) -> Generator[Capture]:
        """Note what is shown in this context while the block runs.

        Args:
            shows: Whether it is shown as well.
            is_here: Whether the block runs in the thread that drives all work.
        """
        capture = Capture(Recorder(), shows, is_here, _CURRENT.get(), watch_of())
        self._begin(capture)
        _CURRENT.set(capture)
        try:
            yield capture
        finally:
            _CURRENT.set(capture.outer)
            if shows and capture.recorder.items:
                _flush()  # what follows may be written to the other stream
            self._end(capture)

    def _begin(self, capture: Capture) -> None:
        with self._lock:
            if not self._open:
                self._install()
            self._open.append(capture)

    def _end(self, capture: Capture) -> None:
        with self._lock:
            self._open.remove(capture)
            if not self._open:
                self._undo.close()

    @contextmanager
    def kept(self) -> Generator[None]:
        """Let outputs pass here for a block, so that what bodies show elsewhere changes nothing meanwhile.

        It begins and ends between two cells, as no body in a thread does.
        """
        nobody = Capture(Recorder(), shows=True, is_here=False)
        self._begin(nobody)
        try:
            yield
        finally:
            self._end(nobody)

    def here(self) -> Capture | None:
        """The body that what is shown here belongs to."""
        capture = _CURRENT.get()
        if capture is not None and capture in self._open:
            return capture
        thread = threading.get_ident()
        own = (each for each in self._open if each.watch is not None and each.watch.claims(thread))
        # A body that runs here runs alone: it may have set others to work that nobody saw begin.
        alone = (each for each in reversed(self._open) if each.is_here)
        return next(chain(own, alone), None)

    # --- what all outputs pass ---------------------------------------------------------------------

    def _install(self) -> None:
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            tee = _Tee(stream, name, self.here)
            setattr(sys, name, tee)
            self._undo.callback(tee.let_go)
            self._undo.callback(_let_go, name, tee, stream)
        publisher = self._shell.display_pub
        self._replace(publisher, "publish", self._publishing(publisher.publish))
        self._replace(publisher, "clear_output", self._clearing(publisher.clear_output))
        before, sys.displayhook = sys.displayhook, self._showing(sys.displayhook)
        self._undo.callback(setattr, sys, "displayhook", before)
        self._replace(threading.Thread, "start", self._starting(threading.Thread.start))

    def _replace(self, owner: Any, name: str, function: Callable[..., Any]) -> None:
        """Put a function in the place of a method until nothing is captured."""
        original = getattr(owner, "__dict__", {}).get(name)
        setattr(owner, name, function)
        if original is None:
            self._undo.callback(delattr, owner, name)
        else:
            self._undo.callback(setattr, owner, name, original)

    def _starting(self, start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
        """Note which body starts a thread: before Python 3.12 nothing else tells."""

        def noted(thread: threading.Thread) -> None:
            capture = self.here()
            if capture is not None and capture.watch is not None:
                capture.watch.note_thread(thread.run)
            start(thread)

        return noted

    def _publishing(self, publish: Callable[..., Any]) -> Callable[..., Any]:
        def noted(data: Any, metadata: Any = None, *args: Any, **more: Any) -> Any:
            transient: dict[str, str] = more.get("transient") or {}
            id = transient.get("display_id", "")
            item = Display(dict(data), dict(metadata or {}), id, bool(more.get("update")))
            show = partial(publish, data, metadata, *args, **more)
            return self._shown(lambda recorder: recorder.display(item), show)

        return noted

    def _clearing(self, clear: Callable[..., Any]) -> Callable[..., Any]:
        def noted(wait: bool = False) -> Any:
            return self._shown(lambda recorder: recorder.clear(wait=wait), partial(clear, wait))

        return noted

    def _showing(self, outer: Callable[[object], None]) -> Callable[[object], None]:
        hook = self._shell.displayhook
        compute = hook.compute_format_data

        def noted(value: object) -> None:
            if value is None or self.here() is None:
                outer(value)
                return
            made: tuple[Any, Any] = compute(value)
            item = Display(dict(made[0]), dict(made[1]), is_result=True)
            self._shown(lambda recorder: recorder.display(item), partial(_show_computed, hook, value, made))

        return noted

    def _shown(self, note: Callable[[Recorder], object], show: Callable[[], Any]) -> Any:
        """Note something displayed for the body it belongs to, and those around, and show it if all do."""
        capture, around = self.here(), list[Capture]()
        while capture is not None:
            note(capture.recorder)
            if not capture.shows:
                return None
            around.append(capture)
            capture = capture.outer
        for each in around:
            each.in_display = True  # in the end it may be written to a stream, which is not to be noted twice
        try:
            return show()
        finally:
            for each in around:
                each.in_display = False


def _flush() -> None:
    """Let all that was written be seen before what follows: each stream has a buffer of its own."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


class _Tee:
    """A stream that tells a body's recorder what is written to it."""

    def __init__(self, stream: Any, name: str, here: Callable[[], Capture | None]) -> None:
        self._stream = stream
        self._name = name
        self._here = here

    def write(self, text: str) -> int:
        capture = self._here()
        while capture is not None:
            capture.note(self._name, text)
            if not capture.shows:
                return len(text)
            capture = capture.outer
        self._stream.write(text)
        return len(text)

    def let_go(self) -> None:
        """Be the stream itself from now on, for whoever kept this one."""
        self._here = _nobody

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _let_go(name: str, tee: _Tee, stream: Any) -> None:
    """Put a stream back, unless somebody has put another one there meanwhile, who puts back himself."""
    if getattr(sys, name) is tee:
        setattr(sys, name, stream)


def _nobody() -> None:
    """No body."""


_SHOWING: Final = threading.RLock()


def _show_computed(hook: Any, value: object, computed: tuple[Any, Any]) -> None:
    """Let IPython show a value that it need not format a second time."""

    def known(value: object) -> tuple[Any, Any]:
        return computed

    with _SHOWING:
        hook.compute_format_data = known
        try:
            hook(value)
        finally:
            del hook.compute_format_data
