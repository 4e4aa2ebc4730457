"""Code of the notebook that lies in `__main__`, behind decorators and in pickles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernels import Kernel

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow"}


@pytest.fixture
def job(asking_kernel: Kernel, tmp_path: Path) -> Job:
    """A notebook with nbflow."""
    job = Job(asking_kernel, tmp_path, START)
    job.run_all()
    return job


def value(job: Job, name: str) -> str:
    """What a name holds."""
    return job.kernel.ask(f"repr({name})")


WRAPPED = [
    ("from contextlib import contextmanager\n@contextmanager\ndef f():\n    yield K", "with f() as a: pass"),
    ("import functools\n@functools.lru_cache\ndef f():\n    return K", "a = f()"),
    ("import functools\n@functools.singledispatch\ndef f(x):\n    return K", "a = f(1)"),
    (
        "from reprlib import recursive_repr\nclass C:\n    @recursive_repr()\n    def __repr__(self):\n"
        "        return str(K)\nf = C()",
        "a = int(repr(f))",
    ),
]


class TestWrapped:
    """A function that code of a library wraps bears the name of the user's, which leads to the wrapper."""

    @pytest.mark.parametrize(("helper", "body"), WRAPPED)
    def test_its_code_and_what_that_reads(self, job: Job, helper: str, body: str) -> None:
        """Both count."""
        job.run(k="K = 4", f=helper, a=f"#@task a\n{body}")
        assert job.run(k="K = 5") == ["k"]
        assert job.run("f", "a") == ["f", "a"]
        assert (value(job, "a"), job.stale()) == ("5", {})
        job.run(f=helper.replace("K", "K * 10"))
        assert job.flow() == ["a"]
        assert (value(job, "a"), job.stale()) == ("50", {})

    def test_one_that_counts_in_a_global(self, job: Job) -> None:
        """What it binds is there for it."""
        counts = "from contextlib import contextmanager\nN = 0\n@contextmanager\ndef f():\n"
        job.run(f=f"{counts}    global N\n    N += 1\n    yield N", a="#@task a\nwith f() as a:\n    pass")
        assert (job.shown.error, value(job, "a")) == ("", "1")


class TestPickles:
    """A pickle has the names of classes and functions, and finds what stands under these."""

    def test_a_class(self, job: Job) -> None:
        """Who loads it depends on the class, and on what its methods read."""
        job.run(
            k="K = 1",
            q="import pickle\nclass Q:\n    def g(self): return K",
            w="#@task w\nwith open('q.pkl', 'wb') as file:\n    pickle.dump(Q(), file)\nw = 1",
            a="#@task a\nwith open('q.pkl', 'rb') as file:\n    a = pickle.load(file).g()",
        )
        assert value(job, "a") == "1"
        job.run(k="K = 2")
        assert "a" in job.flow()
        assert value(job, "a") == "2"
        job.run(q="import pickle\nclass Q:\n    def g(self): return K * 10")
        assert "a" in job.flow()
        assert value(job, "a") == "20"


class TestMain:
    """The notebook as the main module, in which code may find every name."""

    @pytest.mark.parametrize(
        ("imports", "body"),
        [
            ("import sys", "a = sys.modules['__main__'].f()"),
            ("import __main__", "a = __main__.f()"),
            ("n = 0", "from __main__ import f as g\na = g()"),
            ("import doctest", "a = 1 - doctest.testmod().failed"),
            ("import nbflow_own_main", "a = nbflow_own_main.call()"),
        ],
    )
    def test_who_looks_there(self, job: Job, imports: str, body: str) -> None:
        """It finds all names, however often it runs, and is never called fresh."""
        text = "import __main__\n\ndef call():\n    return __main__.f()\n"
        (job.folder / "nbflow_own_main.py").write_text(text)
        job.run(
            f='def f():\n    """\n    >>> f()\n    1\n    """\n    return 1', i=imports, a=f"#@task a\n{body}"
        )
        for _ in range(2):
            job.run("f", "i", "a")
            assert (job.shown.error, value(job, "a")) == ("", "1")
        verdict = job.kernel.ask("__import__('nbflow').session().flow['a'].freshness.verdict.value")
        assert verdict == "as of"

    @pytest.mark.parametrize("body", ["%run -i nbflow_own_script.py", "a = Out[max(Out)]"])
    def test_what_ipython_hands_on(self, job: Job, body: str) -> None:
        """A script within the notebook's names, and the results of earlier cells."""
        (job.folder / "nbflow_own_script.py").write_text("a = n\n")
        job.run(n="n = 1\nn", a=f"#@task a\n{body}")
        assert (job.shown.error, value(job, "a")) == ("", "1")
        job.run(n="n = 2\nn")
        assert job.kernel.ask("__import__('nbflow').session().flow['a'].freshness.verdict.value") == "as of"

    def test_a_guard_is_none(self, job: Job) -> None:
        """What scripts ask before they run."""
        job.run(a="#@task a\nif __name__ == '__main__':\n    a = 1")
        assert (value(job, "a"), job.stale()) == ("1", {})


class TestScreen:
    """What names hold, and cells show, that is from before."""

    def test_a_name_that_holds_an_older_result(self, job: Job) -> None:
        """A task that another cell had run again: who mentions its name is told."""
        job.run(k="K = 1", big="#@task big\nbig = K * 2", use="#@task use\nuse = big + 1", look="print(big)")
        assert "not up to date" not in job.shown.text
        job.run("use", k="K = 5")
        job.run("use")
        job.run("look")
        assert "not up to date here: big; `%flow run` brings it up to date" in job.shown.text
        job.flow()
        job.run("look")
        assert job.shown.text.strip() == "10"

    def test_a_plain_cell_without_a_result(self, job: Job) -> None:
        """A file changed while it read it: nobody can tell what it has seen, and the cell is told."""
        (job.folder / "data.txt").write_text("a")
        meddle = (
            "import ctypes\nt = open('data.txt').read()\n_ = ctypes.CDLL(None).system(b'echo b >> data.txt')"
        )
        job.run(use="#@task use\nuse = 1", read=meddle)
        assert "what reads this cell waits until you run it again: " in job.shown.text
        assert "data.txt changed while the body ran" in job.shown.text
        job.run(read="t = open('data.txt').read()")
        assert job.shown.text == ""

    def test_plain_cells_that_show_what_was(self, job: Job) -> None:
        """After a run that moved on, they are named until they have run again; definitions are not."""
        job.run(
            k="K = 1",
            big="#@task big\nbig = K * 2",
            look="print(big)",
            more="half = big / 2\nhalf",
            d="x = 5",
        )
        job.run(k="K = 5")
        job.flow()
        said = r"what these cells show is from before: cell \[\d+\], cell \[\d+\]; run them again"
        assert re.search(said, job.shown.text)
        assert re.search(said, job.kernel.execute("%flow status").text)
        job.run("look", "more")
        assert "from before" not in job.kernel.execute("%flow status").text

    def test_plain_cells_that_left_the_same_and_show_something_else(self, job: Job) -> None:
        """They are named as well: what they left is up to date, and what they show is not."""
        job.run(
            k="K = 1",
            low="#@task low\nlow = min(K, 10)",
            look="at = min(low, 0)\nprint(low)",
            use="#@task use\nuse = at",
        )
        job.run(k="K = 5")
        job.flow()
        job.run("look")
        job.run(k="K = 1")
        job.flow()
        assert job.stale() == {}
        said = r"what these cells show is from before: cell \[\d+\]; run them again"
        assert re.search(said, job.kernel.execute("%flow status").text)
        job.run("look")
        assert "from before" not in job.kernel.execute("%flow status").text

    def test_settings_and_a_run_in_the_background(self, job: Job) -> None:
        """A run beside the notebook leaves what its cells have set theirs."""
        job.run(
            p="import threading, decimal\nthreading.nbt = 5\ndecimal.getcontext().prec = 7",
            a="#@task a --defer\na = (threading.nbt, decimal.Decimal(1) / 3)",
        )
        assert "goes on in the background" in job.kernel.execute("%flow run --background").text
        job.kernel.execute("%flow cancel")
        assert job.stale().keys() <= {"a"}


class TestProxies:
    """Some objects answer nothing as long as nothing is behind them, not even of which class they are."""

    SOURCE = """
class Proxy:
    def refuse(self, *_):
        raise RuntimeError("nothing is behind it")
    __class__ = __dict__ = __name__ = property(refuse)
    __getattr__ = __hash__ = __eq__ = __bool__ = __iter__ = __len__ = __repr__ = __reduce_ex__ = refuse
proxy = Proxy()
proxies = [proxy]
"""

    def test_they_pass_through_cells(self, job: Job) -> None:
        """Plain cells and tasks make them, hold and hand them on."""
        job.run(p=self.SOURCE, t="#@task t\nx = 1\nheld = proxy", u="#@task u\ny = x + len(proxies)")
        job.run(plain="again = proxy\nz = x + y")
        assert value(job, "z") == "3"
        job.run(t="#@task t\nx = 2\nheld = proxy")
        job.flow()
        assert value(job, "y") == "3"
