"""Logs of runs, and prints that go there."""

from __future__ import annotations

import asyncio
import builtins
import logging
import pickle
import subprocess
import sys
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from nbflow import context, flow, get_run_logger, task
from nbflow.exceptions import RunError
from nbflow.logging import get_run_logger as from_module
from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeTimers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _records() -> Iterator[None]:
    original = builtins.print
    with using(records_in(MemoryStore(), FakeTimers())):
        yield
    assert builtins.print is original


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    """Whose messages were logged: role, name and text; beside what nbflow itself has to say."""
    own = [each for each in caplog.records if each.name != "nbflow"]
    return [(each.run_role, each.run_name, each.getMessage()) for each in own]  # pyright: ignore


@task
def says(text, **how):
    """Print."""
    print("says", text, **how)


class TestLoggers:
    """Each run has one."""

    def test_messages_bear_their_run(self, caplog: pytest.LogCaptureFixture) -> None:
        """The function and the context give it; arguments and extras work as in every logger."""

        @task(task_run_name="100% {x}")
        def works(x):
            get_run_logger().info("with %s", x, extra={"more": 1})
            context.logger.debug("unseen")

        @flow
        def logs():
            from_module().warning("begins")
            works(1)

        with caplog.at_level(logging.INFO):
            logs()
        assert logged(caplog) == [("flow", "logs", "begins"), ("task", "100% 1", "with 1")]
        first, second = caplog.records
        assert (first.name, second.name) == ("nbflow.flow_runs", "nbflow.task_runs")
        assert (first.levelname, second.more) == ("WARNING", 1)  # pyright: ignore
        assert first.run_id == first.flow_run_id == second.flow_run_id != second.run_id  # pyright: ignore

    def test_it_can_be_pickled(self, caplog: pytest.LogCaptureFixture) -> None:
        """So that bodies in other processes have it."""

        @task
        def sends():
            return pickle.dumps(get_run_logger())

        with caplog.at_level(logging.INFO):
            pickle.loads(sends()).info("from afar")
        assert logged(caplog) == [("task", "sends", "from afar")]

    def test_outside_of_a_run_there_is_none(self) -> None:
        """The message says where there is."""
        with pytest.raises(RunError, match=r"call get_run_logger\(\) in a body"):
            get_run_logger()

    def test_where_nobody_has_set_up_logging_messages_are_shown(self, tmp_path: Path) -> None:
        """On the error stream, from INFO on; once somebody has, his handlers get them."""
        code = (
            "import logging\n"
            "from nbflow import flow, get_run_logger\n"
            "@flow(log_prints=True)\n"
            "def shows():\n"
            "    get_run_logger().debug('unseen')\n"
            "    print('here')\n"
            "shows()\n"
            "logging.basicConfig(format='own %(message)s')\n"
            "shows()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
        )
        first, second = done.stderr.splitlines()
        assert first[8:] == " INFO flow run 'shows': here"
        assert second == "own here"
        assert done.stdout == ""


class TestPrints:
    """`log_prints` sends prints into the log."""

    @pytest.mark.parametrize(
        ("around", "of_flow", "of_task", "is_logged"),
        [
            (None, None, None, False),
            (None, True, None, True),
            (None, True, False, False),
            (None, None, True, True),
            (None, False, True, True),
            (True, None, None, True),
            (True, False, None, False),
            (False, None, None, False),
        ],
    )
    def test_what_is_not_said_is_inherited(
        self, around: Any, of_flow: Any, of_task: Any, is_logged: bool, caplog: Any, capsys: Any
    ) -> None:
        """The task's word counts, else its flow's, else that of the flow around."""
        inner = flow(log_prints=of_flow, name="inner")(lambda: says.with_options(log_prints=of_task)("hello"))
        outer = flow(log_prints=around, name="outer")(lambda: inner())
        with caplog.at_level(logging.INFO):
            outer()
        assert logged(caplog) == [("task", "says", "says hello")] * is_logged
        assert capsys.readouterr().out == "says hello\n" * (not is_logged)

    def test_they_look_as_on_the_screen(self, caplog: pytest.LogCaptureFixture, capsys: Any) -> None:
        """Separators and ends count; what goes to a file goes there."""
        with open("/dev/null", "w") as file, caplog.at_level(logging.INFO):
            loud = says.with_options(log_prints=True)
            loud("a", sep="-", end="!\n")
            loud("b", file=sys.stderr)
            loud("c", file=file)
        assert [text for *_, text in logged(caplog)] == ["says-a!", "says b"]
        assert capsys.readouterr() == ("", "")

    def test_in_threads_and_coroutines_each_has_his_own(self, caplog: Any, capsys: Any) -> None:
        """At the same time, one logs and another prints."""
        both, go = Event(), Event()

        @task(log_prints=True)
        def loud():
            both.set()
            go.wait(10)
            print("loud")

        @task
        def quiet():
            both.wait(10)
            print("quiet")
            go.set()

        @task(log_prints=True)
        async def awaits(word):
            await asyncio.sleep(0)
            print(word)

        @flow
        async def all_of_them():
            futures = loud.submit(), quiet.submit()
            await asyncio.gather(awaits("one"), awaits("two"), *futures)
            print("flow")

        with caplog.at_level(logging.INFO):
            asyncio.run(all_of_them())
        assert sorted(text for *_, text in logged(caplog)) == ["loud", "one", "two"]
        assert capsys.readouterr().out == "quiet\nflow\n"

    def test_a_failure_gives_print_back(self, caplog: Any, capsys: Any) -> None:
        """As the fixture checks after every test."""

        @flow(log_prints=True)
        def fails():
            print("before")
            raise ValueError

        with caplog.at_level(logging.INFO):
            fails(return_state=True)
        print("after")
        assert [text for *_, text in logged(caplog)] == ["before"]
        assert capsys.readouterr().out == "after\n"
