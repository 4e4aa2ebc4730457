"""The process runner: killed bodies, dead workers, and what of the kernel a worker sees."""

from __future__ import annotations

import importlib
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import pytest

from nbflow.engine.effects import Ended
from nbflow.exceptions import OptionError
from nbflow.task_runners import ProcessPoolTaskRunner, runner_named
from nbflow.task_runners.base import Enforced, TaskCall
from nbflow.task_runners.shipping import shipped
from tests.pools import POOL

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from nbflow.task_runners.base import TaskReport

pytestmark = pytest.mark.process

LONG = 60.0
NUMBERS: Final = count()


def submit(
    body: Callable[[], Any], runner: ProcessPoolTaskRunner = POOL, **options: Any
) -> Future[TaskReport]:
    """Submit a body."""
    return runner.submit(TaskCall(f"p#{next(NUMBERS)}", "p", shipped(body), **options))


def run(body: Callable[[], Any], runner: ProcessPoolTaskRunner = POOL, **options: Any) -> TaskReport:
    """What the runner says of a body."""
    return submit(body, runner, **options).result(LONG)


def is_gone(process: int) -> bool:
    """Whether a process has ended; its parent may not have been told yet."""
    pause = threading.Event()
    for _ in range(10_000):
        try:
            with open(f"/proc/{process}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        pause.wait(0.001)
    return False


class Point:
    """A class that only this process has, as far as workers know."""

    far = False

    def is_far(self) -> bool:
        """Ask the class."""
        return self.far


class Odd(Exception):
    """An exception whose constructor wants other arguments than it keeps."""

    def __init__(self, table: str, row: int) -> None:
        super().__init__(f"{table}[{row}]")
        self.row = row


class TestDeath:
    """A body that ends its process costs nobody else anything."""

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (lambda: os._exit(3), "its process ended with exit code 3 before the body did"),
            (lambda: os.kill(os.getpid(), signal.SIGSEGV), "its process was killed by SIGSEGV"),
            (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL; it may have needed more memory"),
        ],
    )
    def test_the_report_says_how(self, body: Callable[[], Any], words: str) -> None:
        """With the exit code, or the signal."""
        found = run(body)
        assert found.ended is Ended.CRASHED
        assert words in found.value
        assert run(lambda: 7).value == 7

    def test_one_that_dies_idle_is_replaced(self) -> None:
        """The next body never notices."""
        with ProcessPoolTaskRunner(max_workers=1) as runner:
            first = run(os.getpid, runner).value
            os.kill(first, signal.SIGKILL)
            assert is_gone(first)
            second = run(os.getpid, runner)
            assert second.ended is Ended.RETURNED
            assert second.value != first

    def test_what_a_body_has_started_ends_with_it(self) -> None:
        """Also where that would go on."""
        found: list[int] = []
        heard = threading.Event()

        def rest() -> None:
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            logging.getLogger("child").warning("%s", child.pid)
            child.wait()

        class Hear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                found.append(int(record.getMessage()))
                heard.set()

        handler = Hear()
        logging.getLogger("child").addHandler(handler)
        try:
            future = submit(rest)
            assert heard.wait(LONG)
        finally:
            logging.getLogger("child").removeHandler(handler)
        assert future.cancel()
        assert future.result(LONG).ended is Ended.CANCELLED
        assert is_gone(found[0])


class TestEnd:
    """Nothing is left behind."""

    def test_closing_ends_the_workers(self) -> None:
        """And stops what runs; whoever submits again gets new ones."""
        runner = ProcessPoolTaskRunner(max_workers=2)
        idle = run(os.getpid, runner).value
        resting = submit(lambda: threading.Event().wait(LONG), runner)
        runner.close()
        assert resting.result(LONG).ended is Ended.CANCELLED
        assert is_gone(idle)
        assert run(lambda: 7, runner).value == 7
        runner.close()

    @pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)", "os._exit(0)"])
    def test_they_end_with_the_kernel(self, end: str) -> None:
        """However that ends."""
        code = f"""
import os, signal, threading
from nbflow.task_runners import ProcessPoolTaskRunner
from nbflow.task_runners.base import TaskCall
from nbflow.task_runners.shipping import shipped
runner = ProcessPoolTaskRunner(2)
calls = [TaskCall(str(n), "p", shipped(os.getpid)) for n in range(2)]
print(runner.submit(calls[0]).result().value, flush=True)
runner.submit(TaskCall("rest", "p", shipped(lambda: threading.Event().wait(60))))
print(runner.submit(calls[1]).result().value, flush=True)
{end}
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert all(is_gone(int(process)) for process in done.stdout.split())

    def test_what_is_submitted_before_it_is_needed_is_dropped_when_stopped(self) -> None:
        """It never gets a process."""
        with ProcessPoolTaskRunner(max_workers=1) as runner:
            first = submit(lambda: threading.Event().wait(LONG), runner)
            second = submit(lambda: 7, runner)
            assert second.cancel()
            assert second.result(LONG).value == "it was stopped before it began"
            first.cancel()


class TestLimit:
    """A limit ends the process."""

    def test_whatever_the_body_catches(self) -> None:
        """Also one that takes no hint."""

        def stubborn() -> None:
            while True:
                with suppress(BaseException):
                    threading.Event().wait(LONG)

        found = run(stubborn, timeout=0.05)
        assert (found.ended, found.enforced) == (Ended.TIMED_OUT, Enforced.HARD)

    def test_it_counts_from_when_the_body_begins(self) -> None:
        """Starting a worker takes longer than this body may."""
        with ProcessPoolTaskRunner(max_workers=1) as runner:
            assert run(lambda: 7, runner, timeout=0.1).value == 7


class TestCrossing:
    """What goes to a worker and comes back."""

    def test_an_instance_of_a_class_of_the_notebook(self) -> None:
        """Is one of the class that the notebook has, which a worker cannot change."""

        class Here:
            number = 1

            def next(self) -> int:
                return self.number + STEP

        method = Here.next

        def change() -> Here:
            Here.number = 9
            return Here()

        found = run(change).value
        assert type(found) is Here
        assert (Here.number, Here.next is method, found.next()) == (1, True, 1 + STEP)

    def test_an_exception_with_a_constructor_of_its_own(self) -> None:
        """Is of its class, with what it bears."""

        def fail() -> None:
            raise Odd("rows", 7)

        found = run(fail).value
        assert type(found) is Odd
        assert (str(found), found.row) == ("rows[7]", 7)

    def test_where_it_was_raised_is_its_cause(self) -> None:
        """With the lines, and what it came from."""

        def fail() -> None:
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise ValueError("outer") from error

        told = str(run(fail).value.__cause__)
        assert "in a worker process" in told
        assert 'raise ValueError("outer") from error' in told
        assert told.index("KeyError") < told.index("direct cause") < told.index("ValueError: outer")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (threading.Lock, "cannot pickle '_thread.lock' object"),
            (lambda: open(os.devnull), "an open file"),  # noqa: SIM115 - that is the point
        ],
    )
    def test_a_value_that_cannot_leave(self, body: Callable[[], Any], words: str) -> None:
        """Costs that run, with what to do."""
        found = run(body)
        assert found.ended is Ended.RAISED
        assert words in str(found.value)
        assert "return plain data, or use the runner thread" in str(found.value)

    def test_a_value_that_cannot_be_made_again_here(self) -> None:
        """Says so."""

        class Trap:
            def __reduce__(self) -> Any:
                return int, ("no number",)

        found = run(Trap)
        assert found.ended is Ended.RAISED
        assert "cannot be made again here (ValueError: invalid literal" in str(found.value)

    def test_a_live_object_is_refused(self) -> None:
        """Whoever gives one is told."""
        found = POOL.submit(TaskCall("live#1", "live", lambda: 7)).result(LONG)
        assert found.ended is Ended.CRASHED
        assert "is a live object" in found.value


STEP = 4


class TestSeen:
    """A worker sees the kernel's surroundings as they are now."""

    def test_environment_and_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Also those changed since it was started."""
        look: Callable[[], Any] = lambda: (os.getcwd(), os.environ.get("NBFLOW_TEST_WORD"))  # noqa: E731
        run(look)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("NBFLOW_TEST_WORD", "late")
        assert run(look).value == (str(tmp_path), "late")
        monkeypatch.delenv("NBFLOW_TEST_WORD")
        assert run(look).value == (str(tmp_path), None)

    def test_modules_as_they_are_now(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A worker that has an old one is not used any more."""
        monkeypatch.syspath_prepend(tmp_path)
        module = tmp_path / "rates_of_workers.py"

        def rate() -> Any:
            import rates_of_workers  # pyright: ignore[reportMissingImports]

            return rates_of_workers.RATE

        for rate_now in (1, 2, 33):
            module.write_text(f"RATE = {rate_now}\n")
            assert run(rate).value == rate_now

    def test_the_levels_of_loggers(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is logged below them is not told."""

        def log() -> None:
            logging.getLogger("levels").debug("fine %s", 7)
            logging.getLogger("levels.other").info("finer")

        caplog.set_level("DEBUG", "levels")
        monkeypatch.setattr(logging.getLogger("levels.other"), "level", logging.ERROR)
        run(log)
        assert [record.getMessage() for record in caplog.records] == ["fine 7"]


class TestShown:
    """What a body prints is shown here."""

    def test_prints(self, capsys: pytest.CaptureFixture[str]) -> None:
        """On both streams, before the report."""

        def say() -> None:
            print("to", "one")
            print("to the other", end="", file=sys.stderr)

        run(say)
        assert capsys.readouterr() == ("to one\n", "to the other")

    def test_threads_of_a_body(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What they print is shown as well."""

        def say() -> None:
            thread = threading.Thread(target=print, args=("from a thread",))
            thread.start()
            thread.join()

        run(say)
        assert capsys.readouterr().out == "from a thread\n"

    def test_much_both_ways(self, capsys: pytest.CaptureFixture[str]) -> None:
        """More than the pipes take: a large body, prints and result."""
        data, line = bytes(range(256)) * 40_000, "line" * 100_000

        def say() -> bytes:
            for _ in range(20):
                print(line)
            return data[::-1]

        assert run(say).value == data[::-1]
        assert capsys.readouterr().out == f"{line}\n" * 20

    def test_processes_of_a_body(self, capsys: pytest.CaptureFixture[str]) -> None:
        """What those print that it has forked off comes in whole lines, and costs no result."""

        def say() -> int:
            children: list[int] = []
            for child in "ab":
                process = os.fork()
                if not process:
                    for number in range(500):
                        print(child * 100, number)
                    os._exit(0)
                children.append(process)
            for number in range(500):
                print("c" * 100, number)
            return sum(os.waitpid(each, 0)[1] for each in children)

        assert run(say).value == 0
        lines = capsys.readouterr().out.splitlines()
        assert sorted(lines) == sorted(f"{each * 100} {number}" for each in "abc" for number in range(500))

    def test_finalizers(self, capsys: pytest.CaptureFixture[str]) -> None:
        """They print at any time, also while something is sent."""

        def say() -> int:
            class Odd:
                def __init__(self) -> None:
                    self.me = self

                def __del__(self) -> None:
                    print("gone")

            for number in range(2_000):
                Odd()
                print(number)
            return 7

        assert run(say).value == 7
        numbers = [line for line in capsys.readouterr().out.splitlines() if line != "gone"]
        assert [int(line.replace("gone", "")) for line in numbers if line] == [*range(2_000)]

    def test_alarms(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A body may set itself a limit, and print until then."""

        def say() -> int:
            def late(*_: object) -> None:
                raise TimeoutError

            signal.signal(signal.SIGALRM, late)
            for _ in range(20):
                with suppress(TimeoutError):
                    signal.setitimer(signal.ITIMER_REAL, 0.003)
                    while True:
                        print("x" * 100_000)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            return 7

        report = run(say)
        assert capsys.readouterr().out.strip("\nx") == ""
        assert report.value == 7

    def test_threads_that_a_body_leaves(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """They go on to print while later bodies run, also where those need a new worker."""
        module = tmp_path / "strange_module.py"
        monkeypatch.syspath_prepend(str(tmp_path))
        module.write_text("value = 1")

        def talk() -> int:
            def flood() -> None:
                while True:
                    print("x" * 1_000)

            threading.Thread(target=flood, daemon=True).start()
            return importlib.import_module("strange_module").value

        def ask() -> int:
            return importlib.import_module("strange_module").value

        with ProcessPoolTaskRunner(max_workers=1) as runner:
            assert (run(talk, runner).value, run(ask, runner).value) == (1, 1)
            module.write_text("value = 22222")
            assert run(ask, runner).value == 22222

    def test_a_body_reads_nothing(self) -> None:
        """The pipes of its worker are not its own."""
        assert run(lambda: os.read(0, 1)).value == b""


class TestRunner:
    """The runner itself."""

    def test_workers_are_used_again(self) -> None:
        """One after the other, as many as said."""
        with ProcessPoolTaskRunner(max_workers=1) as runner:
            assert len({run(os.getpid, runner).value for _ in range(3)}) == 1

    def test_no_number_of_workers(self) -> None:
        """Is refused."""
        with pytest.raises(OptionError, match="is no number of workers"):
            ProcessPoolTaskRunner(max_workers=0)

    def test_it_can_be_named_and_copied(self) -> None:
        """By its name all share one; a copy has workers of its own."""
        assert runner_named("process") is runner_named("process")
        assert repr(pickle.loads(pickle.dumps(POOL))) == "<ProcessPoolTaskRunner max_workers=2>"
        assert POOL.duplicate().max_workers == 2
