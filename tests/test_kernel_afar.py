"""Task cells in worker processes, in a real kernel: as on the user's names, and never stale."""

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
import os, random
from pathlib import Path
import nbflow
LATE = 15
here = os.getpid()
def late(rows):
    return [x > LATE for x in rows]
class Point:
    def __init__(self, x): self.x = x
raw = [3, 20, 16]
shared = raw
"""
BODIES = {
    "names": "names = late(raw)",
    "file": "text = Path('in.txt').read_text()",
    "missing": "try:\n    missing = open('missing.txt').read()\nexcept OSError:\n    missing = ''",
    "listed": "listed = sorted(os.listdir('data'))",
    "presence": "presence = Path('maybe.txt').exists()",
    "stat": "stat = os.stat('grows.log').st_size",
    "variable_home": "variable_home = str(Path('~').expanduser())",
    "lacking": "try:\n    import lacking_own as lacking\nexcept ImportError:\n    lacking = None",
    "variable": "variable = os.environ.get('NBFLOW_TRY', '')",
    "context": "when = nbflow.context.get('year', 0)",
    "module": "import own\nmodule = own.value()",
    "within": "within = len(open('other.txt').read())",
    "classes": "point = Point(raw[0])",
}
CHANGES = {
    "file": "_ = Path('in.txt').write_text('changed')",
    "missing": "_ = Path('missing.txt').write_text('now there')",
    "listed": "_ = Path('data/new.txt').write_text('')",
    "presence": "_ = Path('maybe.txt').write_text('now there')",
    "stat": "_ = Path('grows.log').write_text('longer')",
    "lacking": "_ = Path('lacking_own.py').write_text('')",
    "variable": "os.environ['NBFLOW_TRY'] = 'other'",
    "variable_home": "os.environ['HOME'] = '/nowhere'",
    "module": "_ = Path('own.py').write_text('def value(): return 22222')",
}

AFAR = pytest.mark.parametrize("runner", ["process", "dask"])
"""Where bodies run in processes of their own."""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the helpers have run."""
    (tmp_path / "in.txt").write_text("content")
    (tmp_path / "other.txt").write_text("content")
    (tmp_path / "grows.log").write_text("")
    (tmp_path / "data").mkdir()
    (tmp_path / "own.py").write_text("def value(): return 1")
    with Kernel(tmp_path) as kernel:
        kernel.run("load", "%load_ext nbflow")
        kernel.run("helpers", HELPERS)
        yield kernel


def verdict(kernel: Kernel, task: str) -> str:
    """What the table says of a task."""
    lines = kernel.execute("%flow status").text.splitlines()
    return next(line.split()[1] for line in lines if line.split()[:1] == [task])


def seen(kernel: Kernel, task: str) -> str:
    """All that a task's trace says, but when and by whom it was made."""
    step = f"__import__('nbflow').session().book.named({task!r})"
    entries = f"[(e.looked, e.digest) for e in {step}.trace.entries]"
    outputs = f"[(o.slot, o.digest, o.unit, o.members, o.sort) for o in {step}.trace.outputs]"
    rest = f"{step}.trace.unknowns, {step}.trace.flags, {step}.trace.captured"
    return kernel.value(f"({entries}, {outputs}, {rest})")


class TestACell:
    """A cell whose header says `--runner process`."""

    @AFAR
    def test_it_shows_and_binds_as_any_other(self, kernel: Kernel, runner: str) -> None:
        """Prints, displays and values in order, live and on reuse; names come back, changed and shared."""
        cell = f"#@task flags --runner {runner}\nprint('a')\ndisplay('b')\nprint('c')\n"
        cell += "there, flags = os.getpid(), late(raw)\nflags"
        shown = kernel.run("flags", cell)
        assert (shown.error, shown.texts[:4]) == ("", ["a\n", "'b'", "c\n", "[False, True, True]"])
        assert "ran inline" not in shown.text
        assert kernel.value("there != here, flags") == "(True, [False, True, True])"
        assert kernel.run("flags").texts[:4] == shown.texts[:4]
        kernel.run("more", f"#@task more --runner {runner}\nraw.append(99)\nmore = raw")
        assert kernel.value("raw, more is raw, shared is raw") == "([3, 20, 16, 99], True, True)"
        kernel.run(
            "new", f"#@task new --runner {runner}\nclass Own(Point):\n    pass\nnew = [Own(1), Point(2)]"
        )
        assert kernel.value("type(new[0]) is Own, type(new[1]) is Point") == "(True, True)"

    @AFAR
    def test_it_ends_as_its_body_does(self, kernel: Kernel, runner: str) -> None:
        """An error in its own lines; a limit that kills it; a crash that costs only it; Stop."""
        shown = kernel.run("bad", f"#@task bad --runner {runner}\nx = 1\nbad = x / 0")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.traceback).replace("In [", "In[")
        assert shown.error == "ZeroDivisionError: division by zero"
        assert ("line 3" in plain, "bad = x / 0" in plain, "nbflow" in plain) == (True, True, False)
        for way in ("raise ValueError('outer') from error", "raise nbflow.engine.signals.FAIL('told')"):
            body = f"try:\n    1 / 0\nexcept ArithmeticError as error:\n    {way}"
            shown = kernel.run("after", f"#@task after --runner {runner}\n{body}")
            plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.traceback)
            assert ("line 5" in plain, "1 / 0" in plain, "session.py" in plain) == (True, True, False)
        shown = kernel.run(
            "slow", f"#@task slow --runner {runner} --timeout 0.5\nimport time\ntime.sleep(60)"
        )
        assert "'slow' reached its limit of 0.5 s" in shown.error
        shown = kernel.run("crash", f"#@task crash --runner {runner}\ncrash = os._exit(3)")
        assert "its process ended with exit code 3" in shown.text
        assert kernel.run("fine", f"#@task fine --runner {runner}\nfine = 1").error == ""

    @AFAR
    def test_an_item_that_fails(self, kernel: Kernel, runner: str) -> None:
        """What the others have made can be read, and the first error is that of the cell."""
        for task in (f"parts --runner {runner}", "threads --runner thread"):
            name = task.split()[0]
            shown = kernel.run(name, f"#@task {task} --map x=raw\n{name} = Point(60 // (x - 3))")
            assert shown.error.startswith("ZeroDivisionError")
            assert "ran inline" not in shown.text
            assert kernel.value(f"{name}[1].x, {name}[2].x, type({name}[1]) is Point") == "(3, 4, True)"

    def test_stop(self, kernel: Kernel) -> None:
        """It ends the body with its process; the cell is cancelled, and the kernel goes on."""
        pressed: list[bool] = []

        def press(shown: Shown) -> None:
            if "begun" in shown.text and not pressed:
                pressed.append(True)
                kernel.manager.interrupt_kernel()

        cell = "#@task long --runner process\nimport time\nprint('begun')\ntime.sleep(600)"
        shown = kernel.collect(kernel.send(cell, "long"), press)
        assert shown.error.startswith("KeyboardInterrupt")
        assert kernel.run("fine", "#@task fine --runner process\nfine = 1").error == ""

    def test_what_it_logs(self, kernel: Kernel) -> None:
        """A warning that nobody handles is printed, in order, and kept with what is shown."""
        cell = "#@task told --runner process\nimport logging\nprint('a')\nlogging.warning('b')\nprint('c')"
        for _ in range(2):
            shown = kernel.run("told", cell)
            assert shown.texts[:3] == ["a\n", "WARNING:root:b\n", "c\n"]
            assert "ran inline" not in shown.text

    @pytest.mark.parametrize("where", ["", " --runner thread", " --runner process"])
    @pytest.mark.parametrize("set_up", ["", "; logging.basicConfig()"])
    def test_what_it_writes_into_its_log(self, kernel: Kernel, where: str, set_up: str) -> None:
        """It is shown below the cell, and kept with the run, once, wherever the body runs."""
        kernel.run("logging", f"import logging{set_up}")
        cell = f"#@task told{where}\nlog = nbflow.get_run_logger()\nlog.info('of %s', log.extra['run_name'])"
        shown = kernel.run("told", cell)
        assert "of told" in shown.text
        assert "ran inline" not in shown.text
        history = "__import__('nbflow').session().around.store.history"
        of_run = f"[{history}.text(run.id, 'log') for run in {history}.runs(step='told')]"
        (log,) = kernel.ask(of_run)
        assert re.fullmatch(r"\d\d:\d\d:\d\d INFO of told", log)

    @pytest.mark.parametrize("where", ["", " --runner thread", " --runner process", " --runner dask"])
    def test_what_it_is_called(self, kernel: Kernel, where: str) -> None:
        """Name and tags of the task are inputs, wherever the body runs, and so is its flow's name."""
        body = "told = nbflow.context.task_name, sorted(nbflow.context.task_tags)\n"
        body += "run = nbflow.context.flow_run_id == 'nb.ipynb' + nbflow.context.flow_run_name\n"
        body += "of = nbflow.context.flow_name, run"
        kernel.run("told", f"#@task load --tags b,a{where}\n{body}")
        assert kernel.ask("(told, of)") == (("load", ["a", "b"]), ("nb", True))
        assert "fresh" in kernel.run("told", f"#@task load --tags a,b{where}\n{body}").text
        assert "ran inline" not in kernel.run("told", f"#@task fetch --tags a{where}\n{body}").text
        assert kernel.ask("told") == ("fetch", ["a"])

    def test_a_handler_of_its_log(self, kernel: Kernel) -> None:
        """Gets every line, wherever the body runs; whose logger a value is is nobody's input."""
        kernel.run(
            "handler", "import io, logging\nsaid = io.StringIO()\nhandler = logging.StreamHandler(said)"
        )
        kernel.execute("logging.getLogger('nbflow.task_runs').addHandler(handler)")
        for where in ("", " --runner thread", " --runner process"):
            kernel.run(
                "told", f"#@task told{where} --refresh\nlog = nbflow.get_run_logger()\nlog.info('hello')"
            )
        assert kernel.ask("said.getvalue()") == "hello\n" * 3
        assert re.search("told +same", kernel.execute("%flow audit told").text)

    def test_warnings_and_helpers_have_their_lines(self, kernel: Kernel) -> None:
        """A warning shows the line that it is about, and a helper its source."""
        body = "import inspect, warnings\nwarnings.warn('careful')\nwarned = inspect.getsource(late)"
        shown = kernel.run("warned", f"#@task warned --runner process\n{body}")
        assert "UserWarning: careful\n  warnings.warn('careful')\n" in shown.text
        assert kernel.value("warned").startswith("'def late(rows):")

    def test_it_runs_inline_where_it_has_to(self, kernel: Kernel) -> None:
        """With the reason; its result is that of a run on the user's names."""
        kernel.run("lock", "import threading\nlock = threading.Lock()")
        cell = "#@task held --runner process\nheld = lock.locked(), os.getpid() == here"
        assert "ran inline: lock cannot be" in kernel.run("held", cell).text
        assert kernel.value("held") == "(False, True)"
        kernel.run("seed", "random.seed(1)")
        told = "ran inline: it draws from a global random generator"
        assert told in kernel.run("draw", "#@task draw --runner process\ndraw = random.random()").text
        folder = "#@task folder --runner process\nmove = getattr(os, 'chdir')\nmove('data')\nfolder = 1"
        assert "ran inline: " in kernel.run("folder", folder).text
        assert kernel.value("os.path.basename(os.getcwd())") == "'data'"

    @AFAR
    def test_a_figure(self, kernel: Kernel, runner: str) -> None:
        """It is shown where it was drawn, below the cell, and again on reuse."""
        pytest.importorskip("matplotlib")
        kernel.run("plot", "import matplotlib.pyplot as plt\nplt.rcParams['figure.figsize'] = (1, 1)")
        cell = f"#@task drawn --runner {runner}\nprint('x')\n_ = plt.plot(raw)\ndrawn = os.getpid() != here"
        for _ in range(2):
            shown = kernel.run("drawn", cell)
            assert shown.texts[:2] == ["x\n", "<Figure size 100x100 with 1 Axes>"]
            assert "image/png" in shown.bundles[0]
        assert kernel.value("drawn") == "True"


class TestNeverStale:
    """Whatever a body looks at in a worker counts as it does here."""

    @AFAR
    def test_each_input_makes_it_stale(self, kernel: Kernel, runner: str) -> None:
        """Each kind of input is changed; the task that looked at it is up to date before, and not after."""
        for task, body in BODIES.items():
            shown = kernel.run(task, f"#@task {task} --runner {runner}\n{body}")
            assert (shown.error, "ran inline" in shown.text) == ("", False), shown.text
            assert verdict(kernel, task) == "fresh"
        for task, change in CHANGES.items():
            kernel.execute(change)
            assert verdict(kernel, task) == "stale", task
        asks = "nbflow.session().flow['context'].is_stale"
        kernel.execute(f"before = {asks}\nwith nbflow.context(year=7):\n    inside = {asks}")
        assert kernel.value("before, inside") == "(False, True)"
        assert verdict(kernel, "within") == "fresh"
        kernel.execute("os.chdir('data')")
        assert verdict(kernel, "within") == "stale"
        kernel.run("helpers", HELPERS.replace("[3, 20", "[4, 20"))
        assert (verdict(kernel, "names"), verdict(kernel, "classes")) == ("stale", "stale")

    @AFAR
    def test_traces_are_equal(self, kernel: Kernel, runner: str) -> None:
        """What a run in a worker has seen and made is what the same run on the user's names has."""
        made: dict[str, str] = {}
        for task, body in BODIES.items():
            kernel.run(task, f"#@task {task} --runner {runner}\n{body}")
            made[task] = seen(kernel, task)
        for task, body in BODIES.items():
            kernel.run(task, f"#@task {task} --refresh\n{body}")
            assert seen(kernel, task) == made[task], task
