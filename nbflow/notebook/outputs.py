"""What a body shows: captured while it is shown live, kept as bytes, replayed on a hit.

Kept is an ordered list of streams, displays and results, merged as a notebook file merges them and cut
where it grows too large. A widget cannot be brought back: its text stands in its place.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import ExitStack, contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from nbflow.secrets import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from nbflow.views import Shown

MOST_ITEMS: Final = 2_000
MOST_TEXT: Final = 1 << 20
MOST_BUNDLE: Final = 10 << 20
WIDGET: Final = "application/vnd.jupyter.widget-view+json"


class Stream(msgspec.Struct, frozen=True, tag="stream"):
    """Text written to a stream: `stdout` or `stderr`."""

    name: str
    text: str


class Display(msgspec.Struct, frozen=True, tag="display"):
    """Something displayed, or the value of the last expression.

    Args:
        data: Mime type to content.
        metadata: What goes with it.
        id: Its display id, by which it can be updated; empty: none.
        updates: Whether it updates an earlier display of that id.
    """

    data: dict[str, Any]
    metadata: dict[str, Any]
    id: str = ""
    updates: bool = False


class Clear(msgspec.Struct, frozen=True, tag="clear"):
    """All that was shown before is gone."""

    wait: bool = False


Item = Stream | Display | Clear
_encoder: Final = msgspec.msgpack.Encoder(enc_hook=repr)
_decoder: Final = msgspec.msgpack.Decoder(list[Item])


def encode(items: list[Item]) -> bytes:
    """Bytes of captured outputs; none for no outputs.

    Example:
        >>> decode(encode([Stream("stdout", "a")]))
        [Stream(name='stdout', text='a')]
    """
    KNOWN.meet_environment()
    return _encoder.encode(list(map(_masked, items))) if items else b""


def _masked(item: Item) -> Item:
    """An output without secrets."""
    if isinstance(item, Stream):
        return Stream(item.name, KNOWN.masked(item.text))
    return replace(item, data=_masked_content(item.data)) if isinstance(item, Display) else item


def _masked_content(content: Any) -> Any:
    if isinstance(content, str):
        return KNOWN.masked(content)
    if type(content) is dict:
        return {key: _masked_content(value) for key, value in cast("dict[Any, Any]", content).items()}
    return [_masked_content(each) for each in content] if type(content) is list else content  # type: ignore[arg-type]


def decode(content: bytes) -> list[Item]:
    """The outputs that `encode` was given."""
    return _decoder.decode(content) if content else []


class Recorder:
    """Takes note of what is shown, in order.

    Example:
        >>> recorder = Recorder()
        >>> recorder.write("stdout", "a"), recorder.write("stdout", "b")
        (None, None)
        >>> recorder.items
        [Stream(name='stdout', text='ab')]
    """

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._texts: list[str] = []
        self._stream = ""
        self._room = MOST_TEXT
        self._bundles = MOST_BUNDLE
        self._is_cut = False

    @property
    def items(self) -> list[Item]:
        """What was shown so far."""
        self._close_stream()
        return list(self._items)

    def is_switched_to(self, name: str) -> bool:
        """Whether the last text was written to the other stream."""
        return self._stream not in ("", name)

    def write(self, name: str, text: str) -> None:
        """Note text written to a stream."""
        if not text:
            return
        if name != self._stream:
            self._close_stream()
            self._stream = name
        self._texts.append(text[: self._room])
        self._room -= len(text)
        if self._room <= 0:
            self._room = 0
            self._cut()

    def display(self, item: Display) -> None:
        """Note something displayed; an update replaces what it updates."""
        self._close_stream()
        if item.updates:
            self._items = [
                item if isinstance(old, Display) and old.id == item.id else old for old in self._items
            ]
            return
        size = sum(len(content) for content in item.data.values() if isinstance(content, str | bytes))
        if len(self._items) >= MOST_ITEMS or size > self._bundles:
            self._cut()
            return
        self._bundles -= size
        self._items.append(_without_widget(item))

    def clear(self, *, wait: bool) -> None:
        """Forget what was shown: it was cleared."""
        self._close_stream()
        self._items = [Clear(wait)] if wait else []

    def _close_stream(self) -> None:
        if self._texts:
            self._items.append(Stream(self._stream, "".join(self._texts)))
        self._texts, self._stream = [], ""

    def _cut(self) -> None:
        if not self._is_cut:
            self._is_cut = True
            self._close_stream()
            self._items.append(Stream("stderr", "\n[nbflow kept no more of this output]\n"))


def _without_widget(item: Display) -> Display:
    if WIDGET not in item.data:
        return item
    data = {mime: content for mime, content in item.data.items() if mime != WIDGET}
    data["text/plain"] = f"{data.get('text/plain', 'a widget')}  [a widget; run its cell to have it back]"
    return Display(data, item.metadata, item.id)


class _Tee:
    """A stream that tells a recorder what is written to it."""

    def __init__(self, stream: Any, note: Callable[[str], None], *, shows: bool) -> None:
        self._stream = stream
        self._note = note
        self._shows = shows

    def write(self, text: str) -> int:
        self._note(text)
        if self._shows:
            self._stream.write(text)
        return len(text)

    def let_go(self) -> None:
        """Be the stream itself from now on, for whoever kept this one."""
        self._note, self._shows = _ignore, True

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _ignore(text: str) -> None:
    """Note nothing."""


class Screen:
    """What the user sees below a cell, over an IPython shell.

    Args:
        shell: The shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._in_display = False

    @property
    def can_update(self) -> bool:
        """Whether a display can be changed later, as in every Jupyter host; a terminal cannot."""
        return hasattr(self._shell, "kernel")

    @contextmanager
    def captured(self, *, shows: bool) -> Generator[Recorder]:
        """Note what is shown while the block runs.

        Args:
            shows: Whether it is shown as well.
        """
        recorder = Recorder()
        with ExitStack() as undo:
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                note = self._noting(recorder, name)
                tee = _Tee(stream, note, shows=shows)
                setattr(sys, name, tee)
                undo.callback(tee.let_go)
                undo.callback(setattr, sys, name, stream)
            self._replace(undo, self._shell.display_pub, "publish", self._publishing(recorder, shows=shows))
            self._replace(
                undo, self._shell.display_pub, "clear_output", self._clearing(recorder, shows=shows)
            )
            before, sys.displayhook = sys.displayhook, self._showing(recorder, shows=shows)
            undo.callback(setattr, sys, "displayhook", before)
            yield recorder
            self._flush_figures()

    def replay(self, items: list[Item]) -> None:
        """Show captured outputs again, in order."""
        for item in items:
            if isinstance(item, Stream):
                stream = getattr(sys, item.name)
                stream.write(item.text)
                stream.flush()
            elif isinstance(item, Display):
                self.publish(item.data, item.metadata)

    def say(self, text: str) -> None:
        """Show one quiet line."""
        page = f'<div style="font-size:12px;opacity:.75">{escape(text)}</div>'
        self.publish({"text/html": page, "text/plain": text})

    def show(self, shown: Shown, id: str = "", *, updates: bool = False) -> None:
        """Show a view, under an id where it shall be updated later."""
        self.publish(shown.bundle(), id=id if self.can_update else "", updates=updates)

    def offer_cell(self, text: str) -> None:
        """Put a new cell with a text below the one that runs; in a terminal, at the prompt."""
        self._shell.set_next_input(text)

    @contextmanager
    def interruptible(self) -> Generator[None]:
        """Let Stop interrupt plain code also where the kernel would cancel a task of its loop instead."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handler = signal.getsignal(signal.SIGINT)
        if handler is signal.default_int_handler or not callable(handler):
            yield
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        id: str = "",
        *,
        updates: bool = False,
    ) -> None:
        """Display a bundle, under an id where it shall be updated later."""
        transient = {"display_id": id} if id else {}
        self._shell.display_pub.publish(dict(data), dict(metadata or {}), transient=transient, update=updates)

    def line(self) -> Callable[[str], object] | None:
        """A line below the cell that runs, or in the terminal, which any thread may write anew.

        What it shows is never taken for what a body shows. None where nobody would see it change.
        """
        if self.can_update:
            return self._updated_line() if getattr(self._shell.kernel, "_allow_stdin", False) else None
        stream = sys.stdout
        if not stream.isatty():
            return None

        def rewrite(text: str) -> None:
            stream.write(f"\r\x1b[K{text}")
            stream.flush()

        return rewrite

    def _updated_line(self) -> Callable[[str], object]:
        """A display that is updated, by the method of the shell that captures put others in the place of."""
        publish, id = self._shell.display_pub.publish, f"nbflow-line-{uuid4().hex}"
        shown: list[str] = []

        def show(text: str) -> None:
            page = (
                f'<div class="nbf-line" style="font-size:12px;opacity:.75">{escape(text)}</div>'
                if text
                else ""
            )
            data = {"text/html": page, "text/plain": text}
            publish(data, {}, transient={"display_id": id}, update=bool(shown))
            shown[:] = [text]

        return show

    def _noting(self, recorder: Recorder, name: str) -> Callable[[str], None]:
        other = getattr(sys, "stderr" if name == "stdout" else "stdout")

        def note(text: str) -> None:
            if self._in_display:
                return
            if recorder.is_switched_to(name):
                other.flush()  # the two have buffers of their own, and what came first is to be seen first
            recorder.write(name, text)

        return note

    @staticmethod
    def _replace(undo: ExitStack, owner: Any, name: str, function: Callable[..., Any]) -> None:
        """Put a function in the place of a method until the block is left."""
        original = getattr(owner, "__dict__", {}).get(name)
        setattr(owner, name, function)
        if original is None:
            undo.callback(delattr, owner, name)
        else:
            undo.callback(setattr, owner, name, original)

    def _publishing(self, recorder: Recorder, *, shows: bool) -> Callable[..., Any]:
        publish = self._shell.display_pub.publish

        def noted(data: Any, metadata: Any = None, *args: Any, **more: Any) -> Any:
            transient: dict[str, str] = more.get("transient") or {}
            id = transient.get("display_id", "")
            recorder.display(Display(dict(data), dict(metadata or {}), id, bool(more.get("update"))))
            return self._as_display(publish, data, metadata, *args, **more) if shows else None

        return noted

    def _clearing(self, recorder: Recorder, *, shows: bool) -> Callable[..., Any]:
        clear = self._shell.display_pub.clear_output

        def noted(wait: bool = False) -> Any:
            recorder.clear(wait=wait)
            return clear(wait) if shows else None

        return noted

    def _showing(self, recorder: Recorder, *, shows: bool) -> Callable[[object], None]:
        hook = self._shell.displayhook

        def noted(value: object) -> None:
            if value is None:
                return
            data, metadata = hook.compute_format_data(value)
            recorder.display(Display(dict(data), dict(metadata)))
            if shows:
                self._as_display(self._show_computed, hook, value, (data, metadata))

        return noted

    @staticmethod
    def _show_computed(hook: Any, value: object, computed: tuple[Any, Any]) -> None:
        """Let IPython show a value that it need not format a second time."""

        def known(value: object) -> tuple[Any, Any]:
            return computed

        hook.compute_format_data = known
        try:
            hook(value)
        finally:
            del hook.compute_format_data

    def _as_display(self, show: Callable[..., Any], *args: Any, **more: Any) -> Any:
        """Show something that may be written to a stream in the end, which is not to be noted twice."""
        self._in_display = True
        try:
            return show(*args, **more)
        finally:
            self._in_display = False

    def _flush_figures(self) -> None:
        """Let figures of the body be shown now: IPython would show them after the cell."""
        backend = sys.modules.get("matplotlib_inline.backend_inline")
        if backend is not None and "inline" in str(sys.modules["matplotlib"].get_backend()):
            backend.flush_figures()
