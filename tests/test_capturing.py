"""Who has shown what: outputs of bodies that run within each other and at the same time."""

from __future__ import annotations

import sys
import threading
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

from nbflow.notebook.capturing import Routes
from nbflow.notebook.outputs import Display, Stream
from nbflow.store.files import Files
from nbflow.store.watching import watched_here


class Hook:
    """Shows values as IPython's display hook does."""

    def __init__(self, shown: list[Any]) -> None:
        self.shown = shown

    def compute_format_data(self, value: object) -> tuple[dict[str, str], dict[str, str]]:
        """A value as text."""
        return {"text/plain": repr(value)}, {}

    def __call__(self, value: object) -> None:
        """Show one."""
        self.shown.append(self.compute_format_data(value)[0])


class Publisher:
    """Publishes displays as IPython's publisher does."""

    def __init__(self, shown: list[Any]) -> None:
        self.shown = shown

    def publish(self, data: Any, metadata: Any = None, **more: Any) -> None:
        """Show a bundle."""
        self.shown.append(data)

    def clear_output(self, wait: bool = False) -> None:
        """Clear the cell."""
        self.shown.append("cleared")


def shell() -> Any:
    """What `Routes` needs of a shell."""
    shown: list[Any] = []
    hook = Hook(shown)
    return SimpleNamespace(display_pub=Publisher(shown), displayhook=hook, shown=shown)


class TestOneBody:
    """A body in this thread."""

    def test_what_it_shows_is_noted(self, capsys: Any) -> None:
        """In order; and shown only where that is asked for."""
        ours = shell()
        with Routes(ours).captured(shows=False) as capture:
            print("a")
            ours.display_pub.publish({"text/plain": "b"})
            sys.displayhook(3)
        bundles = [Display({"text/plain": "b"}, {}), Display({"text/plain": "3"}, {}, is_result=True)]
        assert capture.recorder.items == [Stream("stdout", "a\n"), *bundles]
        assert (capsys.readouterr().out, ours.shown) == ("", [])

    def test_it_is_shown_as_well(self, capsys: Any) -> None:
        """As without capturing."""
        ours = shell()
        with Routes(ours).captured(shows=True):
            print("a")
            sys.displayhook(3)
            ours.display_pub.clear_output()
        assert capsys.readouterr().out == "a\n"
        assert ours.shown == [{"text/plain": "3"}, "cleared"]

    def test_one_within_another(self, capsys: Any) -> None:
        """What the inner one shows belongs to both, if it shows it."""
        routes = Routes(shell())
        with routes.captured(shows=False) as outer:
            with routes.captured(shows=True) as inner:
                print("both")
            with routes.captured(shows=False) as quiet:
                print("inner")
        assert inner.recorder.items == outer.recorder.items == [Stream("stdout", "both\n")]
        assert quiet.recorder.items == [Stream("stdout", "inner\n")]
        assert capsys.readouterr().out == ""

    def test_all_is_as_before_afterwards(self) -> None:
        """Streams, hooks and threads."""
        ours = shell()
        before = sys.stdout, sys.displayhook, threading.Thread.start
        with Routes(ours).captured(shows=False):
            assert sys.stdout is not before[0]
        assert (sys.stdout, sys.displayhook, threading.Thread.start) == before
        assert vars(ours.display_pub).keys() == {"shown"}

    def test_a_thread_that_nobody_saw_begin(self) -> None:
        """Works for the only body that runs."""
        go, said = threading.Event(), threading.Event()

        def speak() -> None:
            go.wait(20)
            print("late")
            said.set()

        thread = threading.Thread(target=speak)
        thread.start()
        with Routes(shell()).captured(shows=False) as capture:
            go.set()
            said.wait(20)
        thread.join()
        assert capture.recorder.items == [Stream("stdout", "late\n")]


class TestAtTheSameTime:
    """Bodies in threads."""

    def test_each_has_its_own(self, capsys: Any) -> None:
        """Also what threads that they start show; what this thread shows belongs to none."""
        routes, files, meeting = Routes(shell()), Files(), threading.Barrier(3, timeout=20)
        said: dict[str, list[Any]] = {}

        def body(name: str) -> None:
            watched_here()
            with routes.captured(shows=False, is_here=False) as capture:
                print("I am", name)
                meeting.wait()
                other = threading.Thread(target=print, args=("a thread of", name))
                other.start()
                other.join()
                meeting.wait()
            said[name] = capture.recorder.items

        watches = {name: (files.watch(), copy_context()) for name in "ab"}
        for watch, context in watches.values():
            context.run(watch.__enter__)
            watch.move_to(0)
        threads = [
            threading.Thread(target=context.copy().run, args=(body, name))
            for name, (_, context) in watches.items()
        ]
        for thread in threads:
            thread.start()
        meeting.wait()
        print("here")
        meeting.wait()
        for thread in threads:
            thread.join()
        for watch, context in watches.values():
            context.run(watch.__exit__, None, None, None)
        assert said == {name: [Stream("stdout", f"I am {name}\na thread of {name}\n")] for name in "ab"}
        assert capsys.readouterr().out == "here\n"
