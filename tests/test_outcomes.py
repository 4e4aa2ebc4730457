"""What the log says of runs that fail or are tried again."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow import Flow, flow, task
from nbflow.engine.signals import RETRY
from nbflow.exceptions import OptionError
from nbflow.running.records import records_in, using
from nbflow.settings import read_settings
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    with using(records_in(MemoryStore(), FakeTimers())):
        yield


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and text of each line."""
    return [(each.levelname, each.getMessage()) for each in caplog.records]


@task
def load(x):
    """Fail."""
    raise ValueError(f"no {x}")


@task
def show(x):
    """Return it."""
    return x


class TestLines:
    """One for each failure; nothing of what succeeds."""

    def test_what_succeeds_is_quiet(self, caplog: pytest.LogCaptureFixture) -> None:
        """Nobody wants to read of a thousand tasks that they are well."""

        @flow
        def well():
            return show.map([1, 2]).result()

        with caplog.at_level(logging.INFO):
            assert well() == [1, 2]
        assert lines(caplog) == []

    def test_a_graph_tells_what_failed_and_what_did_not_run_therefore(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Tasks in their order, the flow at last."""
        with Flow("report") as report:
            show(load(1))
        report.run()
        assert lines(caplog) == [
            ("ERROR", "Task run 'load' failed: ValueError: no 1"),
            ("ERROR", "Task run 'show' did not run: trigger all_successful: 'load' is Failed"),
            ("ERROR", "Flow run 'report' failed: 1 of 1 reference tasks failed: 'show'"),
        ]

    def test_items_have_lines_of_their_own(self, caplog: pytest.LogCaptureFixture) -> None:
        """Each says which it is."""

        @flow
        def maps():
            load.map([1, 2], return_state=True)

        maps()
        assert sorted(text for _, text in lines(caplog)) == [
            "Task run 'load[0]' failed: ValueError: no 1",
            "Task run 'load[1]' failed: ValueError: no 2",
        ]

    def test_each_further_attempt_is_told_before_it_begins(self, caplog: pytest.LogCaptureFixture) -> None:
        """With why, which it is, and when."""
        load.with_options(retries=2, retry_delay=[10, 0])(1, return_state=True)
        assert lines(caplog) == [
            ("WARNING", "Task run 'load' is tried again in 10 s: ValueError: no 1 (retry 1 of 2)"),
            ("WARNING", "Task run 'load' is tried again: ValueError: no 1 (retry 2 of 2)"),
            ("ERROR", "Task run 'load' failed: ValueError: no 1; 2 retries were not enough"),
        ]

    def test_a_body_that_asks_to_be_run_again_is_told_of(self, caplog: pytest.LogCaptureFixture) -> None:
        """By its own words."""
        asked: list[str] = []

        @task
        def wait():
            if not asked:
                asked.append("once")
                raise RETRY("not there yet")

        wait()
        assert lines(caplog) == [("WARNING", "Task run 'wait' is tried again: not there yet")]

    def test_a_message_of_many_lines_is_one_line(self, caplog: pytest.LogCaptureFixture) -> None:
        """The rest is in the state."""
        load("such\nfile", return_state=True)
        assert lines(caplog) == [("ERROR", "Task run 'load' failed: ValueError: no such …")]


class TestWhereTheyGo:
    """To whoever has set up logging, else to the error stream."""

    CODE = (
        "from nbflow import flow, task\n"
        "@task\n"
        "def fails(): raise ValueError('no')\n"
        "@flow\n"
        "def report(): fails(return_state=True)\n"
        "report()\n"
    )
    LINE = "Task run 'fails' failed: ValueError: no\n"

    def run(self, code: str, folder: Path, **environment: str) -> str:
        """What a program writes to the error stream."""
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
            env={**os.environ, **environment},
        )
        assert done.stdout == ""
        return done.stderr

    def test_they_are_shown_once(self, tmp_path: Path) -> None:
        """Also where the program shows them itself."""
        assert self.run(self.CODE, tmp_path) == self.LINE
        setup = "import logging\nlogging.basicConfig(format='own %(message)s')\n"
        assert self.run(setup + self.CODE, tmp_path) == f"own {self.LINE}"

    @pytest.mark.parametrize(
        ("level", "shown"),
        [
            ("critical", ""),
            ("ERROR", LINE),
            ("DEBUG", f"{LINE}Flow run 'report' is Completed: 1 of its runs failed: 'fails'\n"),
        ],
    )
    def test_a_setting_says_from_which_level_on(self, level: str, shown: str, tmp_path: Path) -> None:
        """In capitals or not."""
        assert self.run(self.CODE, tmp_path, NBFLOW_LOG_LEVEL=level) == shown

    def test_an_unknown_level_is_refused(self, tmp_path: Path) -> None:
        """With the levels that there are."""
        with pytest.raises(OptionError, match="NBFLOW_LOG_LEVEL: unknown log_level 'loud'; use one of"):
            read_settings(tmp_path, {"NBFLOW_LOG_LEVEL": "loud"})
