"""Task cells in threads, in a real kernel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

HELPERS = """
import threading
threading.meeting, threading.gate = threading.Barrier(2, timeout=30), threading.Event()
LATE = 15
def late(rows):
    return [x > LATE for x in rows]
def here():
    return threading.current_thread() is threading.main_thread()
def talk(name):
    print("I am", name)
    threading.meeting.wait()
    thread = threading.Thread(target=print, args=("a thread of", name))
    thread.start()
    thread.join()
def stay():
    print("begun", flush=True)
    threading.gate.wait()
"""
CELLS = {
    "load": "%load_ext nbflow",
    "plain": HELPERS,
    "raw": "#@task\nraw = [3, 20, 16]\nprint('reading')",
    "flags": "#@task flags --runner thread\nprint('flagging')\nflags, main = late(raw), here()\nflags",
    "total": "#@task\ntotal = sum(flags)\ntotal",
}

TALKS = {
    "a": "#@task a --defer\ntalk('a')\na = 1\na",
    "b": "#@task b --defer\ntalk('b')\nb = 2\ndisplay('of b')",
    "c": "#@task c --defer\nc = a + b",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, not run."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        yield kernel


class TestItsOwnCell:
    """A cell whose header says `--runner thread`."""

    def test_it_shows_what_it_does(self, kernel: Kernel) -> None:
        """Its prints and its last value stand below it; its names hold what it made."""
        shown = kernel.run_all()
        assert [each.error for each in shown] == [""] * len(CELLS)
        assert shown[3].texts[:2] == ["flagging\n", "[False, True, True]"]
        assert (kernel.value("flags"), kernel.value("main")) == ("[False, True, True]", "False")
        assert "ran inline" not in shown[3].text
        assert kernel.value("total") == "2"

    def test_its_failure_is_shown_as_that_of_any_cell(self, kernel: Kernel) -> None:
        """With the lines of the cell and none of ours; the names stay as they were."""
        kernel.run("load")
        shown = kernel.run("bad", "#@task bad --runner thread\nx = 1\ny = x / 0")
        assert shown.error == "ZeroDivisionError: division by zero"
        assert "In[2], line 3" in re.sub(r"\x1b\[[0-9;]*m", "", shown.traceback).replace("In [", "In[")
        assert "nbflow" not in shown.traceback
        assert kernel.value("'x' in globals()") == "False"

    def test_it_awaits_is_tried_again_and_reaches_its_limit(self, kernel: Kernel) -> None:
        """As on the user's names."""
        kernel.run("load")
        kernel.run("plain")
        assert (
            kernel.run("aw", "#@task --runner thread\nimport asyncio\nawait asyncio.sleep(0)\naw = 5").error
            == ""
        )
        again = "if context.task_run_count < 3: raise ValueError('again')\nrt = context.task_run_count"
        header = "#@task --runner thread --retries 2 --retry-delay 0.01\nfrom nbflow import context\n"
        assert "attempt 3" in kernel.run("rt", header + again).text
        shown = kernel.run("to", "#@task to --runner thread --timeout 0.1\nstay()\nto = 1")
        assert "'to' reached its limit of 0.1 s" in shown.error
        assert kernel.value("(aw, rt)") == "(5, 3)"
        assert kernel.execute("print('as ever')").text == "as ever\n"

    def test_what_cannot_run_there_runs_inline(self, kernel: Kernel) -> None:
        """The badge and the table of a run say why."""
        kernel.run("load")
        kernel.run("conn", "import sqlite3\nconn = sqlite3.connect(':memory:')")
        kernel.run("rows", "#@task rows --runner thread\nrows = conn.execute('select 1').fetchall()")
        assert kernel.value("rows") == "[(1,)]"
        assert "ran inline: conn cannot be stored" in kernel.execute("%flow status").text
        assert "ran inline: it calls IPython" in kernel.run("z", "#@task --runner thread\n%time z = 3").text


class TestProcesses:
    """Processes run task cells and tasks of flows."""

    def test_a_task_cell(self, kernel: Kernel) -> None:
        """By its header, by a run, and where it awaits."""
        kernel.run("load")
        kernel.run("a", "#@task --runner process\nimport os\na = os.getpid()")
        waits = "#@task --runner process\nimport asyncio, os\nawait asyncio.sleep(0)\nb = os.getpid()"
        assert "ran inline" not in kernel.run("b", waits).text
        kernel.run("c", "#@task c --defer\nimport os\nc = os.getpid()")
        kernel.execute("%flow run c --runner process")
        assert kernel.value("__import__('os').getpid() in (a, b, c)") == "False"

    def test_one_that_ends_its_process(self, kernel: Kernel) -> None:
        """Has failed: its cell raises, what is below it does not run, and the run says so."""
        kernel.run("load")
        shown = kernel.run("k", "#@task k --runner process\nimport os\nos._exit(7)\nk = 1")
        said = "k crashed: its process ended with exit code 7 before the body did"
        assert shown.error == f"UsageError: {said}; 2 workers died; run its cell to try again"
        assert "k failed" in kernel.run("below", "#@task below\nbelow = k").error
        done = kernel.execute("%flow run k").text
        assert "1 failed" in done
        assert said in done

    def test_a_flow(self, kernel: Kernel) -> None:
        """With code, classes and globals of cells; prints below the cell; lines of the cell in errors."""
        kernel.run("load")
        kernel.run("imports", "import os\nfrom nbflow import flow, task\nSTEP = 2")
        kernel.run("class", "class Point:\n    def __init__(self, x): self.x = x")
        kernel.run("help", "@task\ndef half(p):\n    return Point(p.x - STEP / 2)")
        kernel.run(
            "move",
            "@task\ndef move(p):\n    print('moves', p.x)\n    return half(Point(p.x + STEP)), os.getpid()",
        )
        kernel.run("bad", "@task\ndef bad():\n    return 1 / 0")
        kernel.run(
            "flow",
            "@flow(task_runner='process')\ndef go(x):\n    return move.submit(Point(x)).result()",
        )
        shown = kernel.run("call", "made, where = go(3)\nmade.x, type(made) is Point, where == os.getpid()")
        assert shown.error == ""
        assert "moves 3\n" in shown.stdout
        assert shown.texts[-1] == "(4.0, True, False)"
        kernel.run("step", "STEP = 10")
        assert kernel.run("again", "go(3)[0].x").texts[-1] == "8.0"
        kernel.run("fail", "@flow(task_runner='process')\ndef fail():\n    bad.submit().result()")
        failed = kernel.run("failed", "fail()")
        assert failed.error == "ZeroDivisionError: division by zero"
        assert "return 1 / 0" in re.sub(r"\x1b\[[0-9;]*m", "", failed.traceback)


class TestFlowRun:
    """`%flow run --runner thread`."""

    def test_independent_tasks_run_at_the_same_time(self, kernel: Kernel) -> None:
        """What each shows, its threads included, is shown below its own cell."""
        for id, source in {"load": CELLS["load"], "plain": HELPERS, **TALKS}.items():
            assert kernel.run(id, source).error == ""
        shown = kernel.execute("%flow run --runner thread")
        assert shown.error == ""
        assert "3 tasks ran" in shown.text
        assert "I am" not in shown.text
        assert kernel.value("c") == "3"
        for id in "abc":
            kernel.cells[id] = kernel.cells[id].replace(" --defer", "")
        assert kernel.run("a").texts[:2] == ["I am a\na thread of a\n", "1"]
        assert kernel.run("b").texts[:2] == ["I am b\na thread of b\n", "'of b'"]

    def test_where_tasks_run_can_be_set(self, kernel: Kernel) -> None:
        """By a setting, by a runner of the notebook, and per run; what is none is told at once."""
        kernel.run("load")
        kernel.run("plain")
        kernel.execute("%config NBFlow.runner = 'thread'")
        kernel.run("m", "#@task m\nm = here()")
        kernel.run(
            "pool", "from nbflow.task_runners import ThreadPoolTaskRunner\npool = ThreadPoolTaskRunner(2)"
        )
        kernel.run("n", "#@task n --runner pool\nn = here()")
        kernel.run("o", "#@task o --runner inline\no = here()")
        assert kernel.value("(m, n, o)") == "(False, False, True)"
        told = "unknown runner 'nope'; use one of dask, inline, process, thread"
        assert told in kernel.run("p", "#@task p --runner nope\np = 1").error
        assert told in kernel.execute("%flow run --runner nope").error

    def test_stop(self, kernel: Kernel) -> None:
        """What has finished stays, what runs is given up, nothing new begins."""
        cells = {
            "quick": "#@task quick --runner thread --defer\nquick = 1",
            "slow": "#@task slow --runner thread --defer\nstay()\nslow = quick + 1",
            "below": "#@task below --runner thread --defer\nbelow = slow",
        }
        for id, source in {"load": CELLS["load"], "plain": HELPERS, **cells}.items():
            kernel.run(id, source)
        pressed: list[bool] = []

        def press(shown: Shown) -> None:
            if "begun" in shown.text and not pressed:
                pressed.append(True)
                kernel.manager.interrupt_kernel()

        kernel.cells["slow"] = cells["slow"].replace(" --defer", "")
        kernel.save()
        shown = kernel.collect(kernel.send(kernel.cells["slow"], "slow"), press)
        assert shown.error.startswith("KeyboardInterrupt")
        status = kernel.execute("%flow status").text
        assert "1 cancelled · 1 stale · 1 fresh" in status
        kernel.execute("threading.gate.set()")
        assert kernel.execute("%flow run").error == ""
        assert kernel.value("(quick, slow, below)") == "(1, 2, 2)"
