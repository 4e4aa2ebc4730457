"""What child processes do with files counts for the body that they work for."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from nbflow.store.children import Spool, hear
from nbflow.store.files import Files
from nbflow.store.trail import Trail
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbflow.store.children import News

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


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
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


def _in_fork(path: str) -> None:
    process = multiprocessing.get_context("fork").Process(target=_opens, args=(path,))
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

    def test_news_that_nobody_understands(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """They spoil nothing; the result is as of what nobody saw."""

        def since(_spool: Spool, _start: int, _end: int) -> list[News]:
            return [{"reads": ()}]

        monkeypatch.setattr(Spool, "since", since)
        with Files().watch() as watch:
            _in_fork(str(data / "1.txt"))
        assert watch.outside == ("child processes could not be observed (KeyError)",)


class TestSpool:
    """What one process tells, another one hears."""

    def test_names_that_are_no_text(self, tmp_path: Path) -> None:
        """Paths may hold any bytes."""
        path = tmp_path / "spool"
        path.touch()
        spool, odd = Spool(str(path)), os.fsdecode(b"/caf\xe9")
        spool.tell({"watches": (1,), "reads": [(odd, None)], "listings": [("/a/", frozenset({odd}))]})
        spool.tell({"watches": (), "outside": [("reads a database", None)]})
        trail = Trail(Files())
        for news in spool.since(0, spool.size):
            hear(trail, news)
        assert trail.reads == {odd: None}
        assert trail.listings == {"/a/": frozenset({odd})}
        assert list(trail.outside) == ["reads a database"]

    def test_what_was_seen_first_counts(self, data: Path) -> None:
        """A child that looks later changes nothing of what its parent has seen."""
        trail, path = Trail(Files()), str(data / "1.txt")
        trail.read(path)
        before = trail.reads[path]
        hear(trail, {"watches": (), "reads": [(path, None)]})
        assert trail.reads == {path: before}
