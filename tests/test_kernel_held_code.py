"""Functions of the notebook that modules of the user's own hold, and these modules changed by cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from tests.kernel_job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow"}
REGISTRY = """
REG, HOOKS, SETTINGS = {}, [], {"x": 1}

class Object:
    cb = None

obj = Object()

def register(f):
    REG[f.__name__] = f
    return f

def run(name, *given):
    return REG[name](*given)

def fetch():
    return 1

def fetched():
    return fetch() + 1

def hooked(x):
    return [hook(x) for hook in HOOKS]

def other():
    return 1
"""
HELD = [
    ("@held.register\ndef plug(x):\n    return x * K", "a = held.run('plug', 1)"),
    (
        "def rate():\n    return K\n@held.register\ndef plug(x):\n    return x * rate()",
        "a = held.run('plug', 1)",
    ),
    ("held.HOOKS.append(lambda x: x * K)", "a = sum(held.hooked(1))"),
    ("held.obj.cb = lambda: K", "a = held.obj.cb()"),
    ("def mine():\n    return K - 1\nheld.fetch = mine", "a = held.fetched()"),
    ("class Plug:\n    def get(self): return K\nheld.REG['plug'] = Plug()", "a = held.REG['plug'].get()"),
    ("held.HOOKS.append(lambda x: x * K)\ndef f():\n    return sum(held.hooked(1))", "a = f()"),
]


@pytest.fixture
def job(asking_kernel: Kernel, tmp_path: Path) -> Job:
    """A notebook with nbflow, beside which such a module lies."""
    job = Job(asking_kernel, tmp_path, START)
    (job.folder / "held.py").write_text(REGISTRY)
    job.run_all()
    return job


def value(job: Job, name: str) -> str:
    """What a name holds."""
    return job.kernel.ask(f"repr({name})")


class TestHeld:
    """A function of the notebook that lies in a module is followed as one under a name is."""

    @pytest.mark.parametrize(("put", "body"), HELD)
    def test_what_it_reads(self, job: Job, put: str, body: str) -> None:
        """Who calls it through the module hangs on that."""
        job.run(i="import held", k="K = 2", put=put, a=f"#@task a\n{body}")
        assert (value(job, "a"), job.stale()) == ("2", {})
        for rate in (3, 2):
            job.run(k=f"K = {rate}")
            assert "a" in job.flow() or rate == 2
            assert (value(job, "a"), job.stale()) == (str(rate), {})

    @pytest.mark.parametrize("imports", ["import held as q", "from held import hooked", "import held"])
    def test_an_import_in_the_body(self, job: Job, imports: str) -> None:
        """It leads there, too."""
        call = {"import held as q": "q.hooked", "import held": "held.hooked"}.get(imports, "hooked")
        put = "held.HOOKS.append(lambda x: x * K)"
        job.run(i="import held", k="K = 2", put=put, a=f"#@task a\n{imports}\na = sum({call}(1))")
        job.run(k="K = 3")
        assert "a" in job.flow()
        assert (value(job, "a"), job.stale().get("a", "as of")) == ("3", "as of")

    def test_after_a_restart(self, job: Job) -> None:
        """It is compared with what the notebook says then."""
        put, body = HELD[0]
        job.run(i="import held", k="K = 2", put=put, a=f"#@task a\n{body}")
        job.kernel.restart()
        job.kernel.cells["k"] = "K = 4"
        job.run_all()
        assert (value(job, "a"), job.stale()) == ("4", {})

    def test_the_file_that_it_reads(self, job: Job) -> None:
        """Strings in it may be paths for native readers, which nobody sees opening them."""
        reads = "def load():\n    return int(pd.read_parquet('d.parquet').a.sum())"
        pd.DataFrame({"a": [1]}).to_parquet(job.folder / "d.parquet")
        job.run(
            i="import held\nimport pandas as pd",
            put=f"@held.register\n{reads}",
            a="#@task a\na = held.run('load')",
        )
        pd.DataFrame({"a": [5]}).to_parquet(job.folder / "d.parquet")
        assert "a" in job.flow()
        assert (value(job, "a"), job.stale()) == ("5", {})

    def test_who_uses_something_else(self, job: Job) -> None:
        """What other attributes of the module lead to is no input."""
        job.run(i="import held", k="K = 2", put=HELD[0][0], a="#@task a\na = held.other()")
        job.run(k="K = 3")
        assert "a" not in job.flow()
        assert job.stale() == {}


CHANGES = [
    {"i": "import held", "put": "held.SETTINGS['x'] = K"},
    {"put": "import held\nheld.SETTINGS['x'] = K"},
    {"i": "import held", "put": "#@task put\nheld.SETTINGS['x'] = K"},
    {"i": "import held", "put": "held.SETTINGS = {'x': K}\nheld.register(lambda: K)"},
]


class TestChanged:
    """A module that a cell changes in place stands as the cells say, and not for a value that nobody has."""

    @pytest.mark.parametrize("cells", CHANGES)
    def test_to_and_fro_and_edited(self, job: Job, cells: dict[str, str]) -> None:
        """A result that fits is no module: the cell runs."""
        job.run(k="K = 2", **cells, a="#@task a\na = held.SETTINGS['x']")
        for rate in (3, 2):
            job.run(k=f"K = {rate}")
            job.flow()
            assert (value(job, "a"), value(job, "held.SETTINGS['x']")) == (str(rate), str(rate))
            assert set(job.stale().values()) <= {"as of"}
        job.run(put=cells["put"].replace("K", "K + 10"))
        assert job.shown.error == ""
        job.run("a")
        assert (job.shown.error, value(job, "a"), value(job, "held.SETTINGS['x']")) == ("", "12", "12")
