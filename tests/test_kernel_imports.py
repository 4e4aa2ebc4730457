"""What modules of the user's own ask, and set, while they are imported, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow"}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all; each test begins anew in it."""
    with Kernel(tmp_path_factory.mktemp("kernel"), asks=True) as kernel:
        yield kernel


@pytest.fixture
def job(kernel: Kernel, tmp_path: Path) -> Job:
    """A notebook with nbflow."""
    job = Job(kernel, tmp_path, START)
    job.run_all()
    return job


def value(job: Job, name: str) -> str:
    """What a name holds."""
    return job.kernel.ask(f"repr({name})")


def write(job: Job, **modules: str) -> None:
    """Write modules beside the notebook."""
    for name, text in modules.items():
        (job.folder / f"{name}.py").write_text(text)


SET = "import os\nos.environ['STAGE'] = '{}'"
READS = "import os\nSTAGE = os.environ.get('STAGE', 'none')\n"
AROUND = "from inner_settings import STAGE\n"
CALLED = """\
import os
SEEN = []
class Entry: ...
class Stage:
    def read(self):
        return os.environ["STAGE"]
def stage():
    return os.environ["STAGE"]
def get(name):
    return os.environ[name]
def rate():
    return 2
"""


class TestVariables:
    """A module reads an environment variable while it is imported."""

    @pytest.mark.parametrize(
        ("modules", "cells"),
        [
            ({"settings": READS}, {"a": "#@task a\nfrom settings import STAGE\na = STAGE * 2"}),
            ({"settings": READS}, {"i": "import settings", "a": "#@task a\na = settings.STAGE * 2"}),
            (
                {"settings": AROUND, "inner_settings": READS},
                {"a": "#@task a\nfrom settings import STAGE\na = STAGE * 2"},
            ),
            (
                {"settings": "import os\ndef stage():\n    return os.environ['STAGE']\nSTAGE = stage()\n"},
                {"i": "import settings", "a": "#@task a\na = settings.STAGE * 2"},
            ),
            (
                {"settings": "from called import Stage\nSTAGE = Stage().read()\n", "called": CALLED},
                {"i": "from settings import STAGE", "a": "#@task a\na = STAGE * 2"},
            ),
        ],
    )
    def test_another_value(self, job: Job, modules: dict[str, str], cells: dict[str, str]) -> None:
        """Who imports or uses the module runs again, on the module loaded anew; also after a restart."""
        write(job, **modules)
        job.run(env=SET.format("dev"), **cells)
        job.run(env=SET.format("prod"))
        assert "a" in job.flow()
        assert (value(job, "a"), job.verdicts()["a"]) == ("'prodprod'", "fresh")
        job.run(env=SET.format("test"))
        job.kernel.restart()
        job.run_all()
        assert (value(job, "a"), job.verdicts()["a"]) == ("'testtest'", "fresh")


CALLING = """\
import called
KEY = "STAGE"
def stage():
    return called.stage()
def by_key():
    return called.os.environ[KEY]
"""
CALLS = {
    "function": {"i": "from called import stage", "a": "#@task a\na = stage() * 2"},
    "attribute": {"i": "import called", "a": "#@task a\na = called.stage() * 2"},
    "class": {"i": "from called import Stage", "a": "#@task a\na = Stage().read() * 2"},
    "instance": {"i": "from called import Stage\nS = Stage()", "a": "#@task a\na = S.read() * 2"},
    "held": {"i": "from called import stage\nALL = [stage]", "a": "#@task a\na = ALL[0]() * 2"},
    "further": {"i": "import calling", "a": "#@task a\na = calling.stage() * 2"},
    "further function": {"i": "from calling import stage", "a": "#@task a\na = stage() * 2"},
    "name": {"i": "from calling import by_key", "a": "#@task a\na = by_key() * 2"},
    "handed": {"i": "import called", "a": "#@task a\na = called.get('STAGE') * 2"},
    "handed by a helper": {
        "i": "import called\ndef help(): return called.get('STAGE')",
        "a": "#@task a\na = help() * 2",
    },
    "helper": {"i": "import called\ndef help(): return called.stage()", "a": "#@task a\na = help() * 2"},
    "own import": {"i": "import called", "a": "#@task a\nfrom called import stage\na = stage() * 2"},
    "deferred": {
        "i": "def help():\n    from called import stage\n    return stage()",
        "a": "#@task a\na = help() * 2",
    },
}


class TestCalls:
    """A function of a module asks for an environment variable when it is called."""

    @pytest.mark.parametrize("cells", CALLS.values(), ids=list(CALLS))
    def test_who_calls_it(self, job: Job, cells: dict[str, str]) -> None:
        """Who calls it runs again, as does who imports the module and calls something; it stays as it is."""
        write(job, called=CALLED, calling=CALLING)
        others = {"e": "from called import Entry, rate", "b": "#@task b\nb = [Entry.__name__, rate()]"}
        job.run(env=SET.format("dev"), **cells, **others)
        before = value(job, "id(Entry)")
        job.run(env=SET.format("prod"))
        assert job.flow() == (["i", "a"] if " = " in cells["i"] else ["a"])
        assert (value(job, "a"), job.verdicts()["a"]) == ("'prodprod'", "fresh")
        assert (value(job, "id(Entry)"), job.verdicts()["b"]) == (before, "fresh")

    def test_the_top_level_reads_it(self, job: Job) -> None:
        """The module is loaded anew, and so is one of those used that is built on it; no other."""
        write(job, settings=READS, around=AROUND.replace("inner_", ""), other="import os\nV = [1]\n")
        cells = {"i": "import settings, around, other", "a": "#@task a\na = settings.STAGE + around.STAGE"}
        job.run(env=SET.format("dev"), **cells)
        ids = "id(settings)", "id(around)", "id(other)"
        before = [value(job, each) for each in ids]
        job.run(env=SET.format("prod"))
        assert job.flow() == ["i", "a"]
        assert (value(job, "a"), job.verdicts()["a"]) == ("'prodprod'", "fresh")
        assert [value(job, each) == old for each, old in zip(ids, before, strict=True)] == [
            False,
            False,
            True,
        ]

    def test_one_that_nobody_wants_anew(self, job: Job) -> None:
        """A module that only leans on it stays until somebody imports it again, and is loaded anew then."""
        write(job, settings=READS, around=AROUND.replace("inner_", ""))
        job.run(
            env=SET.format("dev"),
            i="from settings import STAGE",
            j="import sys, around",
            a="#@task a\na = STAGE",
        )
        before = value(job, "id(sys.modules['around'])")
        job.run(env=SET.format("prod"))
        job.run("i")
        assert value(job, "id(sys.modules['around'])") == before
        job.run("j")
        assert value(job, "around.STAGE") == "'prod'"


CASES = {
    "presence": "import os\nV = os.path.exists('flag.txt')\n",
    "listing": "import glob\nV = bool(glob.glob('*.txt'))\n",
    "names of a folder": "import os\nV = 'flag.txt' in os.listdir('.')\n",
    "module": "try:\n    from quick_module import V\nexcept ImportError:\n    V = False\n",
}


class TestPlaces:
    """A module looks for what is not there while it is imported."""

    @pytest.mark.parametrize("text", CASES.values(), ids=list(CASES))
    @pytest.mark.parametrize("reader", ["i", "a"])
    def test_once_it_is_there(self, job: Job, text: str, reader: str) -> None:
        """The module is loaded anew, and who uses it runs again, also one that did not import it first."""
        write(job, looks=text)
        body = "a = [looks.V]" if reader == "i" else "from looks import V\na = [V]"
        job.run(i="import looks", a=f"#@task a\n{body}")
        assert (value(job, "a"), job.stale()) == ("[False]", {})
        (job.folder / "flag.txt").write_text("")
        write(job, quick_module="V = True\n")
        assert job.flow() in (["i", "a"], ["a"])
        assert (value(job, "a"), job.verdicts()["a"]) == ("[True]", "fresh")
        assert job.flow() == []

    def test_a_folder_that_it_makes(self, job: Job) -> None:
        """It is there because of the module: nothing is loaded anew."""
        write(job, makes="import os\nos.makedirs('out', exist_ok=True)\nTOKEN = [1]\n")
        job.run(i="import makes", a="#@task a\nfrom makes import TOKEN\na = len(TOKEN)")
        first = value(job, "id(makes)")
        job.run(b="#@task b\nfrom makes import TOKEN as T\nb = [*T]")
        assert (job.flow(), job.stale(), value(job, "id(makes)")) == ([], {}, first)


class TestTheWorld:
    """What a module reads while it is imported that nothing can be compared with."""

    @pytest.mark.parametrize(
        "cells",
        [
            {"i": "import started", "a": "#@task a\na = [started.V]"},
            {"a": "#@task a\nfrom started import V\na = [V]"},
        ],
    )
    def test_the_clock(self, job: Job, cells: dict[str, str]) -> None:
        """Who uses the module is as of, and is told why."""
        write(job, started="import datetime\nV = datetime.datetime.now()\n")
        job.run(**cells)
        assert job.verdicts()["a"] == "as of"
        told = job.kernel.execute("%flow why a").text
        assert "started reads the clock (datetime.datetime.now) when it is imported" in told

    def test_through_another_module(self, job: Job) -> None:
        """What it calls there is asked by it, and by nobody who only imports that one."""
        write(job, begun="import clocks\nV = [clocks.now()]\n")
        write(job, clocks="import time\ndef now():\n    return time.time()\ndef one():\n    return 1\n")
        job.run(i="from begun import V\nfrom clocks import one", a="#@task a\na = [V]")
        job.run(j="from clocks import one as uno", b="#@task b\nb = [uno()]")
        assert (job.verdicts()["a"], job.verdicts()["b"]) == ("as of", "fresh")
        assert "begun reads the clock (time.time) when it is imported" in job.why("a")

    def test_what_libraries_ask(self, job: Job) -> None:
        """That is nobody's matter."""
        text = (
            "import os, time\nimport numpy as np\nimport pandas as pd\n"
            "import matplotlib.pyplot as plt\nfrom contextlib import contextmanager\nV = np.arange(3)\n"
            "@contextmanager\ndef timed():\n    begun = time.time()\n    yield begun\n"
            "def now():\n    return time.time()\n"
            "if __name__ == '__main__':\n    print(time.time())\n"
        )
        write(job, analysis_tools=text)
        job.run(
            i="from analysis_tools import V",
            a="#@task a\na = V.sum()",
            b="#@task b\nimport analysis_tools\nb = analysis_tools.V + 1",
        )
        assert job.stale() == {}
        assert job.flow() == []


SEEDS = (
    "import numpy as np\nimport pandas as pd\nnp.random.seed({0})\npd.set_option('display.max_rows', {0})\n"
)
DRAWS = {
    "i": "import numpy as np\nimport seeds_it",
    "d": "#@task d\nimport numpy as np\nd = np.random.rand(2)",
    "e": "#@task e\nimport numpy as np\nimport seeds_it\ne = np.random.rand(2)",
    "o": "#@task o\nimport pandas as pd\no = pd.get_option('display.max_rows')",
}


class TestSettings:
    """A module sets a random generator, and an option of a library, when it is imported."""

    def test_an_edit_of_the_module(self, job: Job) -> None:
        """What draws and asks below the import runs again, also after a restart, and by undoing the edit."""
        write(job, seeds_it=SEEDS.format(42))
        job.run(**DRAWS)
        assert job.stale() == {}
        write(job, seeds_it=SEEDS.format(43))
        assert job.flow() == ["i", "d", "e", "o"]
        assert (value(job, "o"), job.stale()) == ("43", {})
        job.kernel.restart()
        write(job, seeds_it=SEEDS.format(44))
        job.run_all()
        assert (value(job, "o"), job.stale()) == ("44", {})
        write(job, seeds_it=SEEDS.format(43))
        job.run_all()
        assert (value(job, "o"), job.stale()) == ("43", {})

    def test_all_cells_again(self, job: Job) -> None:
        """The module is there and sets nothing any more: its state is put there, and nothing else runs."""
        write(job, seeds_it=SEEDS.format(42))
        job.run(**DRAWS)
        assert (job.run_all(), job.stale()) == (["i"], {})
        job.run(d=DRAWS["d"].replace("2", "3"))
        assert (job.flow(), job.stale()) == (["e"], {})
        job.run("i")
        assert (job.flow(), job.stale()) == ([], {})

    def test_a_body_that_imports_and_draws(self, job: Job) -> None:
        """Nobody knows what the module had left before it drew: once edited it is as of, and says why."""
        write(job, seeds_it=SEEDS.format(42))
        body = "#@task d\nimport numpy as np\nimport seeds_it\nd = np.random.rand(2)"
        job.run(d=body, e="#@task e\nimport numpy as np\ne = np.random.rand(2)")
        assert job.stale() == {}
        job.run(d=body.replace("2", "3"))
        job.flow()
        assert job.stale() == {"d": "as of", "e": "as of"}
        assert "seeds_it sets the random state of numpy only when it is imported" in job.why("d")
        job.kernel.restart()
        job.run_all()
        write(job, seeds_it=SEEDS.format(43))
        job.flow()
        assert job.stale() == {}

    @pytest.mark.parametrize("is_added", [True, False])
    def test_another_first_import(self, job: Job, *, is_added: bool) -> None:
        """A cell further up imports the module now, or the first one does so no more."""
        write(job, seeds_it=SEEDS.format(42))
        imports, seeds = "import numpy as np\nimport seeds_it", "import numpy as np\nnp.random.seed(1)"
        draws = "#@task d\nimport numpy as np\nd = np.random.rand(2)"
        job.run(i=seeds if is_added else imports, k="import seeds_it", d=draws)
        assert job.stale() == {}
        job.run(i=imports if is_added else seeds)
        job.run("k")
        job.flow()
        assert job.stale() == {}
