"""What a user sees and has in a real kernel: outputs, errors, magics, `await`; and a shell left as it was."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.kernel_job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel, Shown

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow", "plain": "import pandas as pd\nlimit = 3"}


@pytest.fixture
def job(kernel: Kernel, tmp_path: Path) -> Job:
    """A notebook with nbflow and a constant."""
    job = Job(kernel, tmp_path, START)
    job.run_all()
    return job


def bundles(shown: Shown) -> list[dict[str, Any]]:
    """What was displayed, but for the badge."""
    return [bundle for bundle in shown.bundles if not bundle["text/plain"].startswith("seen: ")]


class TestOutputs:
    """What a body shows is kept and comes back exactly."""

    @pytest.mark.parametrize("header", ["%%task seen", "#@task seen"])
    @pytest.mark.parametrize(
        "body",
        [
            "print('a'); print('b', end='')",
            "import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')",
            "seen = pd.DataFrame({'a': [1, 2]})\nseen",
            "seen = pd.DataFrame({'a': [1, 2]})\nseen;",
            "display(pd.Series([1, 2]))\nprint('between')\ndisplay({'text/plain': 'raw'}, raw=True)",
            "seen = 1\n'the last value'",
            "from IPython.display import HTML, Markdown\ndisplay(Markdown('# a'))\nHTML('<i>i</i>')",
            "handle = display('first', display_id='one')\nhandle.update('second')\nhandle = None",
            "from IPython.display import clear_output\nprint('gone')\nclear_output()\nprint('stays')",
            "print('x' * 100_000)",
            "import warnings\nwarnings.warn('careful', stacklevel=1)",
            "import logging\nlogging.getLogger('q').warning('told')",
            "import sys\nfor done in range(4):\n print(f'\\r{done}/3', end='', file=sys.stderr, flush=True)",
            "for done in range(4):\n print(f'\\r{done}/3', end='', flush=True)\nprint()\nprint('done')",
        ],
        ids=lambda body: body.splitlines()[0][:24],
    )
    def test_replayed(self, job: Job, header: str, body: str) -> None:
        """The same texts and bundles, in the same order, without running."""
        assert job.run(seen=f"{header}\n{body}") == ["seen"]
        first = job.shown
        assert job.run("seen") == []
        again = job.shown
        assert "".join(again.texts[:-1]) == "".join(first.texts[:-1]) or "clear" in body or "handle" in body
        assert again.stdout == first.stdout or "clear" in body
        assert bundles(again) == bundles(first) or "handle" in body
        if "handle" in body:
            assert "'second'" in again.text
            assert "'first'" not in again.text
        if "clear" in body:
            assert again.stdout == "stays\n"

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    def test_live_while_it_runs(self, job: Job, tmp_path: Path, stream: str) -> None:
        """The body ends only after somebody has seen on the screen what it shows before that."""
        body = (
            "import sys, time\nfrom pathlib import Path\n"
            f"print('\\r1/2', end='', file=sys.{stream}, flush=True)\ndisplay('between')\n"
            "rounds = 0\nwhile not Path('seen').exists() and rounds < 3000:\n"
            " rounds += 1\n time.sleep(0.01)\n"
            f"print('\\r2/2', file=sys.{stream})\nseen = rounds < 3000"
        )

        def heard(shown: Shown) -> None:
            if shown.texts[:2] == ["\r1/2", "'between'"]:
                (tmp_path / "seen").touch()

        shown = job.kernel.collect(job.kernel.send(f"%%task seen\n{body}", "seen"), heard)
        assert shown.texts[:3] == ["\r1/2", "'between'", "\r2/2\n"]
        assert job.kernel.value("seen") == "True"

    def test_a_figure(self, job: Job) -> None:
        """It is shown by its own cell, once, and comes back with the same pixels."""
        job.run(plain="%matplotlib inline\nimport matplotlib.pyplot as plt\nlimit = 3")
        assert not job.shown.error
        text = (
            "%%task seen\nfigure, axes = plt.subplots(figsize=(1, 1))\naxes.plot([1, limit])\nprint('drawn')"
        )
        assert job.run(seen=text) == ["seen"]
        first = [bundle for bundle in job.shown.bundles if "image/png" in bundle]
        assert len(first) == 1
        assert job.run("seen") == []
        assert [bundle for bundle in job.shown.bundles if "image/png" in bundle] == first
        assert job.kernel.value("plt.get_fignums()") == "[]"

    def test_outputs_from_elsewhere(self, job: Job) -> None:
        """A run from another cell shows nothing there; the own cell says that it is behind."""
        job.run(seen="%%task seen\nprint('limit', limit)", read="%%task other\nother = 1")
        job.run(plain="import pandas as pd\nlimit = 4")
        job.flow()
        assert "limit 4" not in job.shown.text
        badges = [data["text/plain"] for data in job.shown.updates.values()]
        assert any("run this cell to show run" in text for text in badges), badges
        assert job.run("seen") == []
        assert job.shown.stdout == "limit 4\n"
        assert "run this cell" not in job.shown.text

    def test_a_cell_that_could_not_run_shows_nothing(self, job: Job) -> None:
        """Once the flow has its result, it says that it does not show it."""
        job.run(above="%%task above\nbase = 1 / limit", seen="%%task seen\nseen = base > 0\nprint(seen)")
        job.run(plain="import pandas as pd\nlimit = 0")
        job.run("seen")
        assert "above failed" in job.shown.error
        job.run(plain="import pandas as pd\nlimit = 3", seen="%%task seen\nseen = base > 0.1\nprint(seen)")
        assert job.run(above="%%task above\nbase = 1 / (limit - 3)", seen="%%task seen\nprint(base)") == [
            "above"
        ]
        assert job.run("seen") == ["above"]
        assert job.run(above="%%task above\nbase = 2 / limit") == ["above"]
        assert job.flow() == ["seen"]
        badges = [data["text/plain"] for data in job.shown.updates.values()]
        assert any(text.startswith("seen: ") and "run this cell to show run" in text for text in badges), (
            badges
        )
        job.run("seen")
        assert job.stale() == {}

    def test_an_error_is_not_kept(self, job: Job) -> None:
        """It is raised each time, by running."""
        job.run(seen="%%task seen\nprint('before')\nseen = 1 / (limit - 3)")
        assert job.shown.error == "ZeroDivisionError: division by zero"
        assert job.shown.stdout == "before\n"
        assert job.run("seen") == ["seen"]
        assert job.shown.error == "ZeroDivisionError: division by zero"


class TestErrors:
    """A failed body fails its cell, as if it stood there without a header."""

    BODY = "def inner(n):\n    return 1 / n\n\nseen = inner(limit - 3)"

    @pytest.mark.parametrize("header", ["%%task seen", "#@task seen --retries 1"])
    def test_the_traceback_is_the_cells(self, job: Job, header: str) -> None:
        """Its lines with their numbers in the cell, none of ours, none of IPython's magics."""
        job.run(seen=f"{header}\n{self.BODY}")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", job.shown.traceback)
        assert "nbflow" not in plain
        assert "magic" not in plain
        assert re.search(r"----> 5 seen = inner\(limit - 3\)", plain)
        assert re.search(r"----> 3\s+return 1 / n", plain)
        assert len(re.findall(r"^Cell In\[\d+\], line \d+", plain, re.MULTILINE)) == 2

    @pytest.mark.parametrize(
        "body",
        [
            BODY,
            "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('first')",
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('first') from error",
            "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('only') from None",
            "raise KeyboardInterrupt",
            "import json\njson.loads('{')",
            "exec('1 / 0')",
            "raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])",
        ],
    )
    def test_the_frames_are_the_same_as_in_a_plain_cell(self, job: Job, body: str) -> None:
        """Function names and lines, but for the line of the header."""
        job.run(seen=f"#@task seen\n{body}")
        task = re.sub(r"\x1b\[[0-9;]*m|In\[\d+\]", "", job.shown.traceback)
        job.run(bare=f"# a note\n{body}")
        bare = re.sub(r"\x1b\[[0-9;]*m|In\[\d+\]", "", job.shown.traceback)
        assert task.replace("#@task seen", "# a note").splitlines()[1:] == bare.splitlines()[1:]

    def test_post_mortem_is_in_the_users_frame(self, job: Job) -> None:
        """What `%debug` would enter."""
        job.run(seen=f"%%task seen\n{self.BODY}")
        walked = "__import__('traceback').walk_tb(__import__('sys').last_traceback)"
        frames = f"[frame.f_code.co_name for frame, _ in {walked}]"
        assert job.kernel.ask(frames) == ["<module>", "inner"]
        last = f"list({walked})[-1][0].f_locals"
        assert job.kernel.ask(f"{last}['n']") == 0

    def test_an_error_above(self, job: Job) -> None:
        """The cell says in one line which task failed; `why` has the root cause."""
        job.run(above="%%task above\nseen = 1 / limit", read="%%task read\nbelow = seen + 1")
        job.run(plain="import pandas as pd\nlimit = 0")
        assert job.run("read") == ["above"]
        assert job.shown.error.startswith("UsageError")
        assert "above failed" in job.shown.error
        assert "\n" not in job.shown.error
        assert "ZeroDivisionError" in job.why("read")

    def test_a_syntax_error(self, job: Job) -> None:
        """It is told as such; nothing changes."""
        job.run(seen="%%task seen\nseen = = 1")
        assert "Error" in job.shown.error
        assert "nbflow" not in job.shown.traceback
        assert job.run(seen="%%task seen\nseen = 1") == ["seen"]

    @pytest.mark.parametrize(
        "line", ["%%task seen --retry 3", "#@task --timeout soon", "%flow rum", "%flow run nobody"]
    )
    def test_wrong_words(self, job: Job, line: str) -> None:
        """One line."""
        shown = job.kernel.execute(f"{line}\nseen = 1" if "task" in line else line)
        assert shown.error.startswith("UsageError")
        assert shown.texts == [f"{shown.error}\n"]


class TestBodies:
    """Whatever a cell may hold, a body may."""

    @pytest.mark.parametrize("header", ["%%task seen", "#@task seen"])
    def test_top_level_await(self, job: Job, header: str) -> None:
        """It runs in the kernel's loop, is kept, and comes back."""
        twice = "async def twice(n):\n    await asyncio.sleep(0)\n    return 2 * n"
        text = f"{header}\nimport asyncio\n{twice}\nseen = await twice(limit)\nprint(seen)"
        assert job.run(seen=text) == ["seen"]
        assert job.shown.stdout == "6\n"
        assert job.run("seen") == []
        assert job.shown.stdout == "6\n"
        assert job.stale() == {}

    def test_an_awaiting_task_that_fails(self, job: Job) -> None:
        """Its traceback is the cell's."""
        job.run(seen="%%task seen\nimport asyncio\nawait asyncio.sleep(0)\n1 / (limit - 3)")
        assert job.shown.error == "ZeroDivisionError: division by zero"
        assert "nbflow" not in job.shown.traceback

    def test_a_task_below_one_that_awaits(self, job: Job) -> None:
        """Its own cell brings it up to date as well."""
        job.run(
            above="%%task above\nimport asyncio\nawait asyncio.sleep(0)\nbase = limit * 10",
            read="%%task read\nseen = base + 1\nprint(seen)",
        )
        job.run(plain="import pandas as pd\nlimit = 5")
        assert job.run("read") == ["above", "read"]
        assert job.shown.stdout == "51\n"

    def test_awaiting_in_a_flow_run(self, job: Job) -> None:
        """`%flow run` brings it up to date too, or says what to run."""
        job.run(above="%%task above\nimport asyncio\nawait asyncio.sleep(0)\nbase = limit * 10\nprint(base)")
        job.run(plain="import pandas as pd\nlimit = 5")
        ran = job.flow()
        assert not job.shown.error
        assert ran == ["above"] or "above" in job.shown.text

    def test_magics_and_shell_lines(self, job: Job) -> None:
        """Line magics and `!` inside a body do what they do in a cell, and their outputs come back."""
        text = "%%task seen\n%time seen = limit + 1\nwords = !echo one two\n!echo shown\nprint(words)"
        assert job.run(seen=text) == ["seen"]
        assert "['one two']" in job.shown.stdout
        first = job.shown.stdout
        assert job.run("seen") == []
        assert job.shown.stdout == first
        assert job.kernel.value("seen, list(words)") == "(4, ['one two'])"

    def test_a_cell_magic_inside(self, job: Job) -> None:
        """`%%time` and `%%capture` below the header wrap the body; its reads are seen."""
        assert job.run(seen="%%task seen\n%%capture said\nprint(limit)\nseen = limit * 2") == ["seen"]
        assert not job.shown.error
        assert job.run("seen") == []
        job.run(plain="import pandas as pd\nlimit = 7")
        assert job.run("seen") == ["seen"]
        assert job.kernel.value("seen") == "14"

    def test_underscores_of_ipython(self, job: Job) -> None:
        """`_` and `Out` work below a task's value as below any."""
        job.run(seen="%%task seen\nseen = limit\nseen * 100")
        assert job.kernel.execute("_ + 1").text.strip() == "301"


class TestShell:
    """The shell is the user's."""

    @pytest.mark.parametrize("between", ["pass", "get_ipython().run_cell('#@task made\\nmade = 1')"])
    def test_loaded_and_unloaded_a_hundred_times(self, job: Job, between: str) -> None:
        """Nothing is left of it but one inert audit hook, whatever was done meanwhile."""
        kernel = job.kernel
        job.run(seen="%%task seen\nseen = limit", made="made = 1", count="for _ in range(1):\n    pass")
        kernel.execute("%unload_ext nbflow")
        before = kernel.probe("shell()")
        kernel.execute(f"for _ in range(100):\n    %load_ext nbflow\n    {between}\n    %unload_ext nbflow")
        assert json.loads(kernel.probe("shell()")) == json.loads(before)
        assert "%%task" in kernel.execute("%%task seen\nseen = 1").error

    def test_loaded_again(self, job: Job) -> None:
        """What was computed before is found again."""
        job.run(seen="%%task seen\nseen = limit * 2")
        job.kernel.execute("%unload_ext nbflow")
        job.run("ext", "plain")
        assert job.run("seen") == []
        assert job.stale() == {}

    def test_loading_twice(self, job: Job) -> None:
        """Changes nothing."""
        job.run("ext", "ext")
        assert job.run(seen="%%task seen\nseen = limit") == ["seen"]
        job.kernel.execute("%reload_ext nbflow")
        assert job.run("seen") == []
