"""The live view: a page in the notebook that is kept up to date while tasks run.

What the page does lies in `page/`: plain JavaScript and a style sheet, put together here, with no build
and no request to anywhere. The page takes the place of the static view that it finds in the outputs, so
that a notebook that is saved, or opened without its kernel, shows the static view.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import threading
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from nbflow.views.feed import RATE
from nbflow.views.scene import looks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.views.feed import Feed

_PARTS: Final = (
    "elements.js",
    "saying.js",
    "words.js",
    "runs.js",
    "store.js",
    "members.js",
    "map.js",
    "graph.js",
    "table.js",
    "timeline.js",
    "history.js",
    "details.js",
    "view.js",
)


@cache
def page_source() -> str:
    """Return the page as one JavaScript module."""
    folder = files("nbflow.views").joinpath("page")
    style = json.dumps(folder.joinpath("style.css").read_text(encoding="utf-8"))
    constants = f"const STYLE = {style};\nconst LOOKS = {json.dumps(looks())};\n"
    return constants + "\n".join(folder.joinpath(part).read_text(encoding="utf-8") for part in _PARTS)


def is_installed() -> bool:
    """Whether what live views need is installed."""
    return importlib.util.find_spec("anywidget") is not None


class LiveView:
    """The page of one flow, as the kernel sees it.

    Telling it something costs the caller next to nothing: a thread of its own does the sending. A fault of
    the page, of its connection or of that thread ends the view and nothing else.

    Args:
        key: What the static views are marked with that the page stands for.
        feed: What it is told.
        answer: Called with each message of the page, from whichever thread it comes in.
        gather: Called in the view's thread before it looks into the feed, to put there what is new.
    """

    def __init__(
        self,
        key: str,
        feed: Feed,
        answer: Callable[[Mapping[str, Any]], object],
        gather: Callable[[], object] = lambda: None,
    ) -> None:
        self.feed = feed
        self._answer = answer
        self._gather = gather
        self._wake = threading.Event()
        self._is_closed = False
        self.widget: Any = _widget_class()(key=key, picture=feed.open())
        self.widget.on_msg(self._on_message)
        self._thread = threading.Thread(target=self._send_until_closed, name="nbflow-view", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether the page is told nothing any more."""
        return self._is_closed

    @property
    def comm(self) -> Any:
        """The connection to the page."""
        return self.widget.comm

    def widget_bundle(self) -> Mapping[str, Any]:
        """What a host shows that gives each output a place of its own."""
        return {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}

    def wake(self) -> None:
        """Have sent what the feed was told."""
        if not self._wake.is_set():
            self._wake.set()

    def reply(self, number: object, **parts: Any) -> None:
        """Answer a question of the page."""
        self._try_to_send({"kind": "reply", "to": number, **parts})

    def close(self) -> None:
        """Tell the page nothing any more; the static view comes back."""
        if not self._is_closed:
            self._try_to_send({"kind": "end"})
            self._end()

    def _end(self) -> None:
        self._is_closed = True
        self._wake.set()

    def _on_message(self, _widget: object, content: Mapping[str, Any], _buffers: object) -> None:
        if content.get("kind") == "painted":
            self.feed.painted(int(content.get("number", 0)))
        elif content.get("kind") == "opened":
            self.feed.opened(int(content.get("number", 0)))
            self.wake()
        else:
            self._answer(content)

    def _send_until_closed(self) -> None:
        while not self._is_closed:
            self._try_to(self._gather)
            seconds = self.feed.due()
            if seconds == 0.0:
                message = self.feed.message()
                self.widget.keep(self.feed.whole())
                self._try_to_send(message)
            else:
                self._wake.wait(seconds and min(seconds, 1 / RATE))
                self._wake.clear()

    def _try_to_send(self, message: Mapping[str, Any]) -> None:
        self._try_to(partial(self.widget.send, message))

    def _try_to(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception:  # noqa: BLE001 - whatever is wrong with the connection, the run goes on
            self._end()


@cache
def _widget_class() -> Any:
    """The class of the widget, made when the first view is shown: its packages take long to import."""
    base: Any = importlib.import_module("anywidget").AnyWidget
    traits: Any = importlib.import_module("traitlets")

    class FlowWidget(base):
        """A page that draws a flow."""

        _esm = page_source()
        key = traits.Unicode().tag(sync=True)
        picture = traits.Dict().tag(sync=True)

        def keep(self, picture: Mapping[str, Any]) -> None:
            """Know what a page has to be given that is opened from now on; nothing is sent."""
            self._trait_values["picture"] = picture

        def set_state(self, sync_data: Mapping[str, Any]) -> None:
            """What the kernel tells the page is never taken back from it."""
            kept = {name: value for name, value in sync_data.items() if name not in ("key", "picture")}
            super().set_state(kept)  # pyright: ignore[reportUnknownMemberType]

    return FlowWidget
