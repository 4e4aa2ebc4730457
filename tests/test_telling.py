"""Prints and logs of workers: told there, written and logged again here."""

from __future__ import annotations

import contextvars
import logging
import pickle
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nbflow.task_runners import telling
from nbflow.task_runners.telling import LOG, hear, levels, retell, set_levels, tell, told_to

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

Told = list[tuple[str, Any]]


@contextmanager
def worker() -> Iterator[Told]:
    """What is told in this process while it is made like a worker."""
    found: Told = []
    before, streams = telling._OTHERWISE.is_installed, (sys.stdout, sys.stderr)
    handlers = list(logging.getLogger().handlers)
    try:
        with told_to(lambda kind, what: found.append((kind, what))):
            yield found
    finally:
        sys.stdout, sys.stderr = streams
        logging.getLogger().handlers[:] = handlers
        telling._OTHERWISE.is_installed = before


class TestTold:
    """What is printed and logged in a worker."""

    def test_prints(self) -> None:
        """By their stream."""
        with worker() as told:
            print("one")
            print("other", end="", file=sys.stderr)
        assert told == [("stdout", "one"), ("stdout", "\n"), ("stderr", "other")]

    def test_records(self) -> None:
        """As plain data: with the text of an error, without what no other process could have."""
        more = {"run_id": "r1", "lock": threading.Lock()}
        with worker() as told:
            try:
                raise ValueError("why")
            except ValueError:
                logging.getLogger("told").exception("failed %s", [1], extra=more)
        ((kind, fields),) = told
        assert pickle.loads(pickle.dumps(fields)) == fields
        assert (kind, fields["run_id"], fields["name"]) == (LOG, "r1", "told")
        assert fields["msg"].startswith("failed [1]\nTraceback")
        assert "lock" not in fields

    def test_where_nobody_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Streams are as ever: in a worker of a cluster other things run besides."""
        with worker() as told:
            contextvars.Context().run(print, "as ever")
        assert told == []
        assert capsys.readouterr().out == "as ever\n"

    def test_other_things(self) -> None:
        """Those that say of what kind they are."""
        with worker() as told:
            tell("runs", 7)
        assert told == [("runs", 7)]


class TestRetold:
    """What was told is written and logged again."""

    def test_streams(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Each to its own."""
        retell("stdout", "one\n")
        retell("stderr", "other\n")
        assert capsys.readouterr() == ("one\n", "other\n")

    def test_records(self, caplog: pytest.LogCaptureFixture) -> None:
        """With all that they bear, and only from the level on that counts here."""
        fields = {"name": "retold", "msg": "seven", "levelno": logging.INFO, "run_id": "r1"}
        caplog.set_level("WARNING", "retold")
        retell(LOG, fields)
        assert caplog.records == []
        caplog.set_level("INFO", "retold")
        retell(LOG, fields)
        (record,) = caplog.records
        assert (record.getMessage(), vars(record)["run_id"]) == ("seven", "r1")

    def test_other_things(self) -> None:
        """Go to whoever hears them; in the kernel itself nobody is told."""
        heard: list[Any] = []
        end = hear("numbers", heard.append)
        retell("numbers", 7)
        retell("nobody hears this", 8)
        tell("numbers", 9)
        end()
        retell("numbers", 10)
        assert heard == [7]

    def test_a_worker_of_a_worker(self) -> None:
        """What is for the kernel goes there, also where the worker itself would know what to do with it."""
        heard: list[Any] = []
        end = hear("own", heard.append)
        with worker() as told:
            retell("own", 1)
        end()
        assert (told, heard) == ([("own", 1)], [])


class TestLevels:
    """Loggers log from the same levels on."""

    def test_they_are_taken_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those that were set."""
        monkeypatch.setattr(logging.getLogger("of.levels"), "level", logging.ERROR)
        found = levels()
        assert found["of.levels"] == logging.ERROR
        assert found[""] == logging.getLogger().level
        assert "of" not in found
        set_levels({"of.levels": logging.DEBUG})
        assert logging.getLogger("of.levels").level == logging.DEBUG
