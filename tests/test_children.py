"""What child processes do with files counts for the body that they work for."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from joblib.externals.loky import get_reusable_executor

from nbflow.store.children import NOT_TOLD, UNSEEN, Spool, hear
from nbflow.store.files import Files
from nbflow.store.trail import Trail
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.process

WORK = """
import os

HERE = os.path.dirname(__file__)


def place(number):
    return os.path.join(HERE, "data", f"{number}.txt")


def read(number):
    with open(place(number)) as stream:
        return stream.read()


def write(number):
    with open(place(number), "w") as stream:
        stream.write(str(number))


def names(_):
    return sorted(os.listdir(os.path.join(HERE, "data")))


def is_there(number):
    return os.path.exists(place(number))
"""

POOL = (
    "from multiprocessing import get_context\n"
    "with get_context({!r}).Pool(1) as pool:\n    r = pool.map(FUNCTION, NUMBERS)"
)
STARTS = {
    **{kind: POOL.format(kind) for kind in ("fork", "spawn", "forkserver")},
    "executor": (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "with ProcessPoolExecutor(2) as pool:\n    r = list(pool.map(FUNCTION, NUMBERS))"
    ),
    "joblib": "from joblib import Parallel, delayed\nr = Parallel(2)(delayed(FUNCTION)(n) for n in NUMBERS)",
    "joblib by multiprocessing": (
        "from joblib import Parallel, delayed\n"
        "r = Parallel(2, backend='multiprocessing')(delayed(FUNCTION)(n) for n in NUMBERS)"
    ),
    "os.fork": (
        "import os\nif not os.fork():\n    try:\n        [FUNCTION(n) for n in NUMBERS]\n"
        "    finally:\n        os._exit(0)\nos.wait()\nr = None"
    ),
}


GOES_ON = {
    "executor": (
        "import child_work\nfrom concurrent.futures import ProcessPoolExecutor\n"
        "child_work.pool = ProcessPoolExecutor(1)\n"
        "def run(function, given):\n    return list(child_work.pool.map(function, given))"
    ),
    "joblib": (
        "from joblib import Parallel, delayed\n"
        "def run(function, given):\n    return Parallel(2)(delayed(function)(each) for each in given)"
    ),
}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of files, and a module that works on them without their names in anybody's input."""
    (tmp_path / "child_work.py").write_text(WORK)
    folder = tmp_path / "data"
    folder.mkdir()
    for number in (1, 2):
        path = folder / f"{number}.txt"
        path.write_text("1")
        os.utime(path, (1e9, 1e9))
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop("child_work", None)
    if "joblib" in request.node.name:
        get_reusable_executor().shutdown()  # its workers have imported the module of this folder


def notebook_of(start: str, function: str) -> tuple[Notebook, str]:
    """A notebook that has run a cell which has a function run in child processes."""
    notebook = Notebook()
    body = STARTS[start].replace("FUNCTION", function).replace("NUMBERS", "[1, 2]")
    cell = notebook.add(f"from child_work import {function}\n{body}")
    notebook.run_all()
    assert (notebook.verdict(cell).value, notebook.why(cell)) == ("fresh", ())
    return notebook, cell


class TestInputs:
    """What a child looks at is an input, however it was started."""

    @pytest.mark.parametrize("start", STARTS)
    def test_a_file(self, data: Path, start: str) -> None:
        """Another content makes the task stale, and is named; run again, it is up to date."""
        notebook, cell = notebook_of(start, "read")
        (data / "2.txt").write_text("7")
        assert [(each.category, each.subject) for each in notebook.why(cell)] == [
            ("file", str(data / "2.txt"))
        ]
        notebook.flow()
        assert notebook.names["r"] in (None, ["1", "7"])
        assert notebook.verdict(cell).value == "fresh"

    @pytest.mark.parametrize("start", ["executor", "joblib"])
    def test_workers_that_go_on(self, data: Path, start: str) -> None:
        """Processes that live on tell all that they do for each task, again and again."""
        notebook = Notebook()
        notebook.add(GOES_ON[start], plain=True)
        body = "from child_work import read\n{} = run(read, [1, 1, 2, 2])"
        cells = [notebook.add(body.format(name)) for name in ("a", "b")]
        notebook.run_all()
        for text in ("7", "99", "555"):
            (data / "2.txt").write_text(text)
            for cell in cells:
                assert "file" in [each.category for each in notebook.why(cell)]
            notebook.run_all()
            assert notebook.names["a"] == notebook.names["b"] == ["1", "1", text, text]

    def test_a_file_put_back(self, data: Path) -> None:
        """The earlier result fits again."""
        notebook, cell = notebook_of("fork", "read")
        (data / "2.txt").write_text("7")
        notebook.flow()
        (data / "2.txt").write_text("1")
        notebook.flow()
        assert (notebook.names["r"], notebook.log.count(cell)) == (["1", "1"], 2)

    @pytest.mark.parametrize("start", ["fork", "spawn"])
    def test_a_listing(self, data: Path, start: str) -> None:
        """So does a new file in a folder that it has listed."""
        notebook, cell = notebook_of(start, "names")
        (data / "3.txt").write_text("1")
        assert [each.category for each in notebook.why(cell)] == ["listing"]

    @pytest.mark.parametrize("start", ["fork", "spawn"])
    def test_a_question(self, data: Path, start: str) -> None:
        """So does a file that is gone of which it has asked whether it is there."""
        notebook, cell = notebook_of(start, "is_there")
        (data / "2.txt").unlink()
        assert notebook.verdict(cell).value == "stale"

    def test_a_pool_of_an_earlier_cell(self, data: Path) -> None:
        """What its processes do counts for the cell that has them do it."""
        notebook = Notebook()
        notebook.add(
            "from multiprocessing import get_context\npool = get_context('fork').Pool(2)", plain=True
        )
        notebook.add("from child_work import read", plain=True)
        before = notebook.add("first = 1 + 1")
        cell = notebook.add("r = pool.map(read, [1, 2])")
        try:
            notebook.run_all()
            (data / "2.txt").write_text("7")
            assert notebook.verdict(before).value == "fresh"
            assert "file" in [each.category for each in notebook.why(cell)]
        finally:
            notebook.run(notebook.add("pool.terminate()", plain=True))


class TestOutputs:
    """What a child writes is written by the task."""

    def test_a_file(self, data: Path) -> None:
        """Whoever reads it is below the task, which runs again once it is gone."""
        notebook, cell = notebook_of("fork", "write")
        reader = notebook.add(f"from pathlib import Path\ns = Path({str(data / '2.txt')!r}).read_text()")
        notebook.run_all()
        assert notebook.names["s"] == "2"
        (data / "2.txt").unlink()
        notebook.flow()
        assert (notebook.names["s"], notebook.log.count(cell)) == ("2", 2)
        assert notebook.verdict(reader).value == "fresh"


def _opens(path: str) -> None:
    with open(path) as stream:
        stream.read()


def _in_fork(path: str, work: Callable[[str], None] = _opens) -> None:
    process = multiprocessing.get_context("fork").Process(target=work, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == 0


class TestWatches:
    """Each watch hears of the children that work for it."""

    def test_only_whom_it_concerns(self, data: Path) -> None:
        """Of two bodies at the same time, the one that started the child."""
        files, both = Files(), threading.Barrier(2, timeout=60)
        read: dict[int, frozenset[str]] = {}

        def body(number: int, *, forks: bool) -> None:
            with files.watch(apart=True) as watch:
                both.wait()
                if forks:
                    _in_fork(str(data / f"{number}.txt"))
                both.wait()
            read[number] = frozenset(watch.read)

        threads = [threading.Thread(target=body, args=(n,), kwargs={"forks": n == 1}) for n in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert read == {1: {str(data / "1.txt")}, 2: frozenset()}

    def test_nothing_of_what_was_before(self, data: Path) -> None:
        """Nor does a later body."""
        files = Files()
        with files.watch() as first:
            _in_fork(str(data / "1.txt"))
        with files.watch() as second:
            pass
        assert (frozenset(first.read), second.saw_nothing) == ({str(data / "1.txt")}, True)

    def test_a_child_of_a_child(self, data: Path) -> None:
        """It works for the same body."""
        with Files().watch() as watch:
            process = multiprocessing.get_context("fork").Process(
                target=_in_fork, args=(str(data / "1.txt"),)
            )
            process.start()
            process.join()
        assert frozenset(watch.read) == {str(data / "1.txt")}

    def test_a_pool_of_the_body_around(self, data: Path) -> None:
        """What a body within another has a pool of that one do is its own doing, too."""
        files, path = Files(), str(data / "1.txt")
        with files.watch() as outer:
            pool = multiprocessing.get_context("fork").Pool(1)
            with pool, files.watch() as inner:
                pool.map(_opens, [path])
        pool.join()
        assert (frozenset(inner.read), frozenset(outer.read)) == ({path}, {path})

    def test_a_file_that_changes_while_the_child_reads(self, data: Path) -> None:
        """The trace is void, as if the body itself had read it."""
        path = data / "1.txt"
        with Files().watch() as watch:
            _in_fork(str(path))
            os.utime(path, (2e9, 2e9))
        assert watch.voided == (str(path),)

    def test_a_place_that_is_full(self, data: Path) -> None:
        """What a child could not tell makes the result as of that."""

        def limited(path: str) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            _opens(path)

        with Files().watch() as watch:
            _in_fork(str(data / "1.txt"), limited)
        assert watch.outside == (UNSEEN,)

    def test_no_place(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nor does it hurt anybody that there is none at all."""
        monkeypatch.setattr(tempfile, "tempdir", str(data / "nowhere" / "below"))
        (data / "nowhere").touch()
        code = (
            "import os\nfrom nbflow.store.files import Files\n"
            "with Files().watch() as watch:\n    if not os.fork():\n        os._exit(0)\n    os.wait()\n"
            "print(watch.outside)"
        )
        code = f"import tempfile\ntempfile.tempdir = {tempfile.tempdir!r}\n{code}"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == f"('{UNSEEN}',)"

    def test_a_folder_that_was_tidied(self, data: Path) -> None:
        """A worker that lives on is heard all the same, by the next body at the latest."""
        path = str(data / "1.txt")
        with Files().watch(), multiprocessing.get_context("fork").Pool(1) as pool:
            pool.map(_opens, [path])
            folder = Path(tempfile.gettempdir(), f"nbflow-children-{os.getuid()}")
            for spool in folder.glob(f"{os.getpid()}-*"):
                spool.unlink()
            with Files().watch() as later:
                pool.map(_opens, [path])
        pool.join()
        assert path in later.read

    def test_a_child_that_closes_all(self, data: Path) -> None:
        """Nothing is written to what it opens then, under whatever number."""
        kept = data / "kept"

        def closing(path: str) -> None:
            os.closerange(3, 256)
            files = [os.open(f"{kept}{n}", os.O_CREAT | os.O_WRONLY) for n in range(5)]
            _opens(path)
            for file in files:
                os.close(file)
            os._exit(0)  # what multiprocessing does at its end may need files that are closed now

        path = str(data / "1.txt")
        with Files().watch() as watch:
            _in_fork(path, closing)
        assert path in watch.read
        assert [(data / f"kept{n}").read_bytes() for n in range(5)] == [b""] * 5

    def test_a_manager_is_another_world(self, data: Path) -> None:
        """What its server keeps cannot be compared, unlike what a server that starts processes does."""
        notebook = Notebook()
        notebook.add("from multiprocessing import get_context\nm = get_context('fork').Manager()", plain=True)
        notebook.add("d = m.dict(x=1)", plain=True)
        cell = notebook.add("y = d['x']")
        notebook.run_all()
        assert notebook.verdict(cell).value == "as of"
        notebook.run(notebook.add("m.shutdown()", plain=True))


class TestSpool:
    """What one process tells, another one hears."""

    def test_names_that_are_no_text(self, tmp_path: Path) -> None:
        """Paths may hold any bytes."""
        spool, odd = Spool(str(tmp_path / "spool")), os.fsdecode(b"/caf\xe9")
        spool.tell({"watches": (1,), "reads": [(odd, None)], "listings": [("/a/", frozenset({odd}))]})
        spool.tell({"watches": (), "outside": [("reads a database", None)]})
        trail = Trail(Files())
        for news in spool.since(0)[0]:
            hear(trail, news)
        assert trail.reads == {odd: None}
        assert trail.listings == {"/a/": frozenset({odd})}
        assert list(trail.outside) == ["reads a database"]

    def test_a_record_that_is_still_written(self, tmp_path: Path) -> None:
        """It is heard once it is there as a whole."""
        path = tmp_path / "spool"
        spool = Spool(str(path))
        spool.tell({"watches": (), "reads": [("/a", None)]})
        spool.tell({"watches": (), "reads": [("/b", None)]})
        whole = path.read_bytes()
        path.write_bytes(whole[:-3])
        news, end = spool.since(0)
        assert [each["reads"] for each in news] == [[("/a", None)]]
        path.write_bytes(whole)
        assert [each["reads"] for each in spool.since(end)[0]] == [[("/b", None)]]

    def test_what_was_seen_first_counts(self, data: Path) -> None:
        """A child that looks later changes nothing of what its parent has seen."""
        trail, path = Trail(Files()), str(data / "1.txt")
        trail.read(path)
        before = trail.reads[path]
        hear(trail, {"watches": (), "reads": [(path, None)]})
        assert trail.reads == {path: before}

    def test_a_long_one_is_emptied(self, tmp_path: Path) -> None:
        """Once nobody wants to read on; what comes then is heard from the beginning."""
        spool = Spool(str(tmp_path / "spool"))
        for _ in range(40):
            spool.tell({"watches": (), "reads": [("/a" * 20_000, None)]})
        spool.tidy()
        spool.tell({"watches": (), "reads": [("/b", None)]})
        assert [each["reads"] for each in spool.since(0)[0]] == [[("/b", None)]]

    def test_a_child_tells_all_that_a_trail_holds(self) -> None:
        """But for what is said to be no matter of its parent."""
        trail = Trail(Files())
        kept = {name for name in vars(trail) if name not in NOT_TOLD}
        told = {name: [("x", None)] for name in kept}
        hear(trail, {"watches": (), **told, "early": [("x", ((1, 2, 3, 4, True), "d", True))]})
        assert [name for name in kept if "x" not in getattr(trail, name)] == []

    def test_a_file_that_was_tidied_away(self, tmp_path: Path) -> None:
        """Who has mapped the old one and who maps the new one hear of each body that begins."""
        path = tmp_path / "spool"
        spool, old = Spool(str(path)), Spool(str(path))
        path.unlink()
        spool.mend()
        new = Spool(str(path))
        for _ in range(2):
            before = old.generation, new.generation
            spool.begin()
            assert (old.generation, new.generation) > before
            assert old.generation == new.generation
        new.tell({"watches": (), "reads": [("/a", None)]})
        assert [each["reads"] for each in spool.since(0)[0]] == [[("/a", None)]]
