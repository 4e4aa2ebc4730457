"""Messages over a pipe."""

from __future__ import annotations

import os
import threading
from io import FileIO

import pytest

from nbflow.task_runners.wire import receive, send


class TestWire:
    """What is sent is received, whole."""

    @pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
    def test_messages_of_any_size(self, size: int) -> None:
        """Also those that no pipe takes at once."""
        read, write = os.pipe()
        with FileIO(read, "r") as source, FileIO(write, "w") as target:
            message = os.urandom(size)
            sender = threading.Thread(target=lambda: [send(target, message), send(target, b"next")])
            sender.start()
            assert (receive(source), receive(source)) == (message, b"next")
            sender.join()

    def test_an_end_in_the_middle(self) -> None:
        """Is an end, not half a message."""
        read, write = os.pipe()
        os.write(write, b"\0\0\0\0\0\0\0\7half")
        os.close(write)
        with FileIO(read, "r") as source, pytest.raises(EOFError):
            receive(source)
