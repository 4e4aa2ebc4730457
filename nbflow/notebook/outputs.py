"""What a body shows: captured while it is shown live, kept as bytes, replayed on a hit.

Kept is an ordered list of streams, displays and results, merged as a notebook file merges them and cut
where it grows too large. A widget cannot be brought back: its text stands in its place.
"""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from nbflow.exceptions import writable
from nbflow.notebook.publishing import prompt
from nbflow.secrets import KNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from nbflow.views import Shown

MOST_ITEMS: Final = 2_000
MOST_TEXT: Final = 1 << 20
MOST_BUNDLE: Final = 10 << 20
WIDGET: Final = "application/vnd.jupyter.widget-view+json"
_WAITS: Final = "nbflow-waits"


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
        is_elsewhere: Whether that is shown by another cell.
        is_result: Whether it is the value of the last expression, which has a number in front of it.
    """

    data: dict[str, Any]
    metadata: dict[str, Any]
    id: str = ""
    updates: bool = False
    is_elsewhere: bool = False
    is_result: bool = False


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
    """An output without secrets, as it can be kept."""
    if isinstance(item, Stream):
        return Stream(item.name, _masked_content(item.text))
    return replace(item, data=_masked_content(item.data)) if isinstance(item, Display) else item


def _masked_content(content: Any) -> Any:
    if isinstance(content, str):
        return KNOWN.masked(writable(content))
    if type(content) is dict:
        return {key: _masked_content(value) for key, value in cast("dict[Any, Any]", content).items()}
    return [_masked_content(each) for each in content] if type(content) is list else content  # type: ignore[arg-type]


def decode(content: bytes) -> list[Item]:
    """The outputs that `encode` was given."""
    return _decoder.decode(content) if content else []


def printed(content: bytes) -> list[str]:
    """The lines that were printed, of what `encode` was given.

    Example:
        >>> printed(encode([Stream("stdout", "rows: 5"), Stream("stderr", "careful")]))
        ['rows: 5']
    """
    texts = (each.text for each in decode(content) if isinstance(each, Stream) and each.name == "stdout")
    return "".join(texts).splitlines()


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
        """Note something displayed; an update replaces what it updates, be it an update of another cell's."""
        self._close_stream()
        if item.updates and any(_is_of(old, item.id) for old in self._items):
            self._items = [_renewed(old, item) if _is_of(old, item.id) else old for old in self._items]
            return
        item = replace(item, is_elsewhere=item.updates)
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


def _is_of(item: Item, id: str) -> bool:
    return isinstance(item, Display) and item.id == id


def _renewed(old: Item, item: Display) -> Display:
    return replace(item, is_elsewhere=isinstance(old, Display) and old.is_elsewhere)


_LOST: Final = "[a widget; run its cell to have it back]"


def _without_widget(item: Display) -> Display:
    if WIDGET not in item.data:
        return item
    data = {mime: content for mime, content in item.data.items() if mime != WIDGET}
    data["text/plain"] = f"{data.get('text/plain', 'a widget')}  {_LOST}"
    return replace(item, data=data)


def is_lost_widget(item: Display) -> bool:
    """Whether it only stands for a widget, which cannot be brought back.

    Example:
        >>> is_lost_widget(Display({"text/plain": "7"}, {}))
        False
    """
    return str(item.data.get("text/plain", "")).endswith(_LOST)


def waits_mark(task: str, why: str) -> dict[str, Any]:
    """The metadata of a line which says that a task waits: by it whoever runs the notebook learns that.

    Example:
        >>> read_waits_mark(waits_mark("publish", "upstream approve waits"))
        ('publish', 'upstream approve waits')
    """
    return {_WAITS: {"task": task, "why": why}}


def read_waits_mark(metadata: Mapping[str, Any]) -> tuple[str, str] | None:
    """The task that waits by an output's metadata, and why; None where it says nothing of that."""
    found = metadata.get(_WAITS)
    return (str(found["task"]), str(found["why"])) if found else None


class Screen:
    """What the user sees below a cell, over an IPython shell.

    Args:
        shell: The shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._publisher: Any = None
        self.note_publisher()

    def note_publisher(self) -> None:
        """Know what shows displays: to be called before each cell, which may put something in its place."""
        publisher = getattr(self._shell, "display_pub", None)
        if not hasattr(publisher, "outputs"):  # which only one has that keeps what it is given
            self._publisher = publisher

    @property
    def can_update(self) -> bool:
        """Whether a display can be changed later, as in every Jupyter host; a terminal cannot."""
        return hasattr(self._shell, "kernel")

    @property
    def formats(self) -> tuple[str, ...]:
        """The mime types that values are shown in."""
        return tuple(self._shell.display_formatter.active_types)

    def clear(self, *, wait: bool) -> None:
        """Clear what is shown below the cell that runs."""
        self._shell.display_pub.clear_output(wait)

    def flush_figures(self) -> None:
        """Let figures of a body be shown now: IPython would show them after the cell."""
        backend = sys.modules.get("matplotlib_inline.backend_inline")
        if backend is not None and "inline" in str(sys.modules["matplotlib"].get_backend()):
            backend.flush_figures()

    def replay(self, items: list[Item]) -> None:
        """Show captured outputs again, in order."""
        for item in items:
            if isinstance(item, Stream):
                stream = getattr(sys, item.name)
                stream.write(item.text)
                stream.flush()
            elif isinstance(item, Display) and item.is_result:
                self._show_result(item)
            elif isinstance(item, Display):
                id = item.id if self.can_update else ""
                self.publish(item.data, item.metadata, id, updates=bool(id) and item.is_elsewhere)

    def _show_result(self, item: Display) -> None:
        """Show what was the value of the last expression as what it was."""
        hook = self._shell.displayhook
        if sys.displayhook is not hook:  # somebody collects what is shown
            self.publish(item.data, item.metadata)
            return
        hook.start_displayhook()
        hook.write_output_prompt()
        hook.write_format_data(item.data, item.metadata)
        hook.finish_displayhook()

    def say(self, text: str, metadata: Mapping[str, Any] | None = None) -> None:
        """Show one quiet line."""
        page = f'<div style="font-size:12px;opacity:.75">{escape(text)}</div>'
        self.publish({"text/html": page, "text/plain": text}, metadata)

    def show(self, shown: Shown, id: str = "", *, updates: bool = False, only_ours: bool = False) -> None:
        """Show a view, under an id where it shall be updated later; see `publish`."""
        id = id if self.can_update else ""
        self.publish(shown.bundle(), id=id, updates=updates, only_ours=only_ours)

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
        only_ours: bool = False,
    ) -> None:
        """Display a bundle, under an id where it shall be updated later.

        Args:
            data: The bundle.
            metadata: What goes with it.
            id: The id.
            updates: Whether it updates what was displayed under the id.
            only_ours: Whether no code but ours has run in this cell.
        """
        transient, publisher = {"display_id": id} if id else {}, self._shell.display_pub
        if only_ours and "publish" not in getattr(publisher, "__dict__", ()):
            publisher = prompt(publisher)
        publisher.publish(dict(data), dict(metadata or {}), transient=transient, update=updates)

    def update_beside(self, shown: Shown, id: str) -> None:
        """Update a view below another cell, in any thread; nothing that captures outputs has it."""
        publisher = prompt(self._publisher or self._shell.display_pub)
        publish = publisher.__class__.publish
        publish(publisher, shown.bundle(), {}, transient={"display_id": id}, update=True)

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
