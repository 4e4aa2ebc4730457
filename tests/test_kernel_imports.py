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
