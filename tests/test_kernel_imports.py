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
                {"settings": "import os\ndef stage():\n    return os.environ['STAGE']\n"},
                {"i": "from settings import stage", "a": "#@task a\na = stage() * 2"},
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

    def test_what_libraries_ask(self, job: Job) -> None:
        """That is nobody's matter."""
        text = (
            "import os, time\nimport numpy as np\nimport pandas as pd\n"
            "import matplotlib.pyplot as plt\nV = np.arange(3)\n"
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
