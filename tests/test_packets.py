"""Messages of many writers over one pipe."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from io import BytesIO, FileIO
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.task_runners.packets import Incoming, send

if TYPE_CHECKING:
    from collections.abc import Callable


class _Interrupted(FileIO):
    """A pipe; somebody does something between two writes."""

    between: Callable[[], object] | None = None

    def write(self, data: Any, /) -> int:
        """Write, and be interrupted once."""
        written = super().write(data)
        between, self.between = self.between, None
        if between is not None:
            between()
        return written


def sent_while(between: Callable[[_Interrupted], object]) -> list[bytes]:
    """What comes of a long message, after whose beginning something happens, and of one after it."""
    read, write = os.pipe()
    with FileIO(read, "r") as source, _Interrupted(write, "w") as target:
        target.between = lambda: between(target)
        with suppress(TimeoutError):
            send(target, b"long" * 5_000)
        send(target, b"next")
        return list(Incoming().whole(source.read(2**16)))


class TestPackets:
    """What is sent is received, whole."""

    @pytest.mark.parametrize("size", [0, 1, 4_077, 100_000])
    @pytest.mark.parametrize("at_once", [1, 7, 2**20])
    def test_messages_of_any_size(self, size: int, at_once: int) -> None:
        """However little is read at a time."""
        pipe, incoming, message = BytesIO(), Incoming(), os.urandom(size)
        for each in (message, b"next"):
            send(pipe, each)
        pipe.seek(0)
        came = [whole for part in iter(lambda: pipe.read(at_once), b"") for whole in incoming.whole(part)]
        assert came == [message, b"next"]

    def test_one_within_another(self) -> None:
        """As a finalizer sends it, which runs at any time."""
        assert sent_while(lambda pipe: send(pipe, b"gone")) == [b"gone", b"long" * 5_000, b"next"]

    def test_one_that_is_given_up(self) -> None:
        """It is lost, as where the handler of a signal raises something, and no other."""

        def late(_: object) -> None:
            raise TimeoutError

        assert sent_while(late) == [b"next"]

    def test_several_writers(self) -> None:
        """Threads and processes at the same time, over a pipe that is always full."""
        read, write = os.pipe()
        with FileIO(read, "r") as source, FileIO(write, "w") as target:
            messages = [bytes([number]) * 20_000 for number in range(8)]

            def work(some: list[bytes]) -> None:
                for each in some * 10:
                    send(target, each)

            child = os.fork()
            if not child:
                work(messages[4:])
                os._exit(0)
            threads = [threading.Thread(target=work, args=([each],)) for each in messages[:4]]
            for thread in threads:
                thread.start()
            incoming, came = Incoming(), list[bytes]()
            while len(came) < 80:
                came.extend(incoming.whole(source.read(2**16)))
            os.waitpid(child, 0)
            for thread in threads:
                thread.join()
        assert sorted(came) == sorted(messages * 10)
