"""What happens to notebooks: each test a short story, with the bodies executed and the verdicts."""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import threading
import warnings
from functools import partial
from itertools import permutations
from random import Random
from typing import TYPE_CHECKING

import pytest

from nbflow.engine.book import read_body
from nbflow.engine.generators import GENERATORS, Generator
from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.stateful import STATEFUL
from nbflow.retries import Retries
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeClock, Notebook, executed
from nbflow.types import Cause, Hold, Verdict
from tests.cells import causes, change, kept, opened, root_cause, values, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read(name: str, path: str) -> str:
    """Source that reads a file and leaves nothing else behind."""
    return f"{name} = __import__('pathlib').Path({path!r}).read_text()"


def write(path: str, text: str) -> str:
    """Source that writes a file and leaves nothing else behind."""
    return f"__import__('pathlib').Path({path!r}).write_text({text!r})"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestRunningAgain:
    """A re-run starts from its inputs, never from leftovers."""

    def test_a_mutation_run_three_times_is_a_mutation_run_once(self) -> None:
        """The second and the third time nothing has changed, so nothing is executed."""
        notebook, (_, mutate) = opened('d = {"n": 1}', 'd["n"] += 1')
        assert executed(notebook.run(mutate) for _ in range(3)) == []
        assert notebook.names["d"] == {"n": 2}

    def test_a_mutation_edited_three_times_starts_from_its_input_each_time(self) -> None:
        """Its input is put back although the name holds its own earlier output."""
        notebook, (_, mutate) = opened('d = {"n": 1}', 'd["n"] += 1')
        for step in (10, 20, 30):
            assert change(notebook, mutate, f'd["n"] += {step}').executed == [mutate]
            assert notebook.names["d"] == {"n": 1 + step}
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_a_plain_mutation_runs_on_the_names_as_they_are(self) -> None:
        """As in Jupyter; what it then made is not what the flow would make."""
        notebook, (_, mutate) = opened('d = {"n": 1}', 'd["n"] += 1', plain=(0, 1))
        assert executed(notebook.run(mutate) for _ in range(2)) == [mutate, mutate]
        assert notebook.names["d"] == {"n": 4}
        assert verdicts(notebook) == ["fresh", "stale"]
        assert causes(notebook, mutate) == [("input", "d")]

    def test_an_edit_in_the_middle_of_a_chain_of_redefinitions(self) -> None:
        """The part above is kept, the part below runs again, each on the version above it."""
        notebook, cells = opened("df = [1]", *(f"df = [*df, {n}]" for n in (2, 3, 4, 5)))
        assert change(notebook, cells[2], "df = [*df, 30]").executed == [cells[2]]
        assert verdicts(notebook) == ["fresh", "fresh", "fresh", "stale", "stale"]
        assert root_cause(notebook, cells[4]) == Cause("input", "df", "[1, 2, 3]", "[1, 2, 30]", cells[2])
        assert notebook.flow().executed == cells[3:]
        assert notebook.names["df"] == [1, 2, 30, 4, 5]
        assert verdicts(notebook) == ["fresh"] * 5

    def test_an_equal_output_stops_there(self) -> None:
        """Early cutoff: what reads it is up to date without running."""
        notebook, (first, parity, last) = opened("a = 3", "b = a % 2", "c = b + 1")
        change(notebook, first, "a = 5")
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        assert notebook.flow().executed == [parity]
        assert verdicts(notebook) == ["fresh"] * 3
        assert last not in notebook.log

    def test_going_back_is_a_hit(self) -> None:
        """Also for the steps below."""
        notebook, cells = opened("a = 3", "b = a * 2", "c = b + 1")
        change(notebook, cells[0], "a = 4")
        assert notebook.flow().executed == cells[1:]
        back = change(notebook, cells[0], "a = 3")
        assert (back.executed, back.reused) == ([], [cells[0]])
        again = notebook.flow()
        assert (again.executed, again.reused) == ([], cells[1:])
        assert values(notebook, "a", "b", "c") == [3, 6, 7]

    def test_a_comment_changes_nothing(self) -> None:
        """Nor do blank lines and layout."""
        notebook, (first, reader) = opened("a = 3", "b = a")
        assert change(notebook, first, "# three\n\na  =  (3)").executed == []
        assert verdicts(notebook) == ["fresh", "fresh"]
        assert notebook.flow().executed == []
        assert notebook.run(reader).executed == []

    def test_identity_is_no_part_of_the_key(self) -> None:
        """A renamed task, a moved cell and a copied cell have their results already."""
        notebook, (first, second, third) = opened("a = 3", "b = a * 2", "z = 1")
        notebook.rename(second, "doubled")
        notebook.move(third, 0)
        copy = notebook.add("b = a * 2")
        done = [notebook.run(cell) for cell in (third, first, second, copy)]
        assert executed(done) == []
        assert verdicts(notebook) == ["fresh"] * 4

    def test_names_that_a_cell_only_read_go_back(self) -> None:
        """Running a cell in the middle does not wind the notebook back."""
        notebook, (_, middle, _) = opened("a = [1]", "b = a[0]", "a = [2]")
        change(notebook, middle, "b = a[0] + 10")
        assert values(notebook, "a", "b") == [[2], 11]


class TestCode:
    """What a task calls is part of it."""

    HELPERS = "def g(x): return x + {k}\ndef f(x): return g(x)"

    def test_a_helper_is_edited(self) -> None:
        """Exactly its callers are stale."""
        notebook, (helper, *_) = opened("def f(x): return x + 1", "y = f(1)", "z = 1", plain=(0,))
        change(notebook, helper, "def f(x): return x + 2")
        assert verdicts(notebook) == ["fresh", "stale", "fresh"]

    def test_a_helper_of_a_helper_is_edited(self) -> None:
        """The cause names the function that changed, not the one that is called."""
        notebook, (helpers, caller) = opened(self.HELPERS.format(k=1), "y = f(1)", plain=(0,))
        change(notebook, helpers, self.HELPERS.format(k=2))
        assert root_cause(notebook, caller) == Cause("code", "g", origin=helpers)
        assert notebook.flow().executed == [caller]
        assert notebook.names["y"] == 3

    def test_a_helper_gets_a_docstring(self) -> None:
        """Which nobody can notice in a result."""
        notebook, (helper, _) = opened("def f(x): return x + 1", "y = f(1)", plain=(0,))
        change(notebook, helper, 'def f(x):\n    """Add one."""\n    return x + 1')
        assert notebook.flow().executed == []
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_a_global_is_edited(self) -> None:
        """Whether the body reads it itself or through a function."""
        notebook, cells = opened(
            "LATE = 15", "def f(x): return x > LATE", "y = f(20)", "z = LATE", plain=(0, 1)
        )
        change(notebook, cells[0], "LATE = 25")
        assert verdicts(notebook) == ["fresh", "fresh", "stale", "stale"]
        assert notebook.flow().executed == cells[2:]
        assert values(notebook, "y", "z") == [False, 25]

    def test_a_method_is_edited(self) -> None:
        """A task that was given an instance of the class is stale, too."""
        source = "class Model:\n    def predict(self): return {k}"
        notebook, cells = opened(source.format(k=1), "m = Model()", "y = m.predict()", plain=(0,))
        change(notebook, cells[0], source.format(k=2))
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        assert root_cause(notebook, cells[2]) == Cause("code", "Model", origin=cells[0])
        assert notebook.flow().executed == cells[1:]
        assert notebook.names["y"] == 2

    BOX = "class Box:\n    def __init__(self, item): self.item = item"

    def test_an_instance_that_was_put_back_is_none_of_a_class_made_anew(self) -> None:
        """The same source makes another class, as plain Python does; the instance is built again."""
        notebook, cells = opened(self.BOX, "m = Box(1)", "n = m.item", "m = 3", plain=(0,))
        notebook.run(cells[1])
        notebook.run(cells[0])
        assert change(notebook, cells[2], "n = isinstance(m, Box)").executed == [cells[2]]
        assert notebook.names["n"] is True

    @pytest.mark.parametrize(
        ("define", "make", "ask"),
        [
            (BOX, "m = Box(object())", "isinstance(m, Box)"),
            (BOX, "m = (item for item in [Box(1)])", "isinstance(next(m), Box)"),
            ("class Box:\n    class Lid: pass", "m = Box.Lid()", "isinstance(m, Box.Lid)"),
            ("def make():\n    class Box: pass\n    return Box\nK = make()", "m = K()", "isinstance(m, K)"),
            (BOX, "Other = Box\nm = [Other(1)]", "Other is Box and isinstance(m[0], Box)"),
            (BOX + "\nclass Case(Box): pass", "m = Case(1)", "isinstance(m, Case) and isinstance(m, Box)"),
        ],
        ids=["without a digest", "in a generator", "nested", "from a function", "other name", "base"],
    )
    def test_an_instance_is_none_of_a_class_made_anew(self, define: str, make: str, ask: str) -> None:
        """However the value reaches its class; nothing but that class is outdated."""
        notebook, cells = opened(define, make, "n = 0", "k = [1]", plain=(0,))
        kept = notebook.names["k"]
        notebook.run(cells[0])
        assert change(notebook, cells[2], f"n = {ask}").executed[-1] == cells[2]
        assert notebook.names["n"] is True
        assert notebook.names["k"] is kept
        assert verdicts(notebook) == ["fresh"] * 4

    def test_a_plain_cell_that_saw_an_instance_of_the_older_class(self) -> None:
        """Is not fresh: equal content is not enough, and nothing is stored to build it again."""
        notebook = Notebook(store=partial(MemoryStore, budget=0))
        _, cells = opened(
            self.BOX, "m = Box(1)", "n = isinstance(m, Box)", "k = n", plain=(0, 2), notebook=notebook
        )
        notebook.run(cells[0])
        notebook.run(cells[2])
        assert notebook.names["n"] is False
        assert verdicts(notebook) == ["fresh", "fresh", "stale", "stale"]
        assert change(notebook, cells[3], "k = [n]").executed == cells[3:]  # from the first run of the cell
        assert notebook.names["k"] == [True]
        assert not notebook.is_current("n")

    def test_two_classes_of_one_name(self) -> None:
        """Each cell has its own; the second does not outdate what was made of the first."""
        notebook, cells = opened("class Box: k = 1", "m = Box()", "class Box: k = 2", "n = m.k", plain=(0, 2))
        kept = notebook.names["m"]
        notebook.run(cells[2])
        assert change(notebook, cells[3], "n = [m.k, isinstance(m, Box)]").executed == [cells[3]]
        assert notebook.names["n"] == [1, False]
        assert notebook.names["m"] is kept

    def test_a_class_that_a_body_only_read_goes_back(self) -> None:
        """To what the name held before, when its definition was run again for that body."""
        notebook, cells = opened(
            self.BOX, "m = Box(1)", "n = m.item", "Box = 3", notebook=Notebook(store=kept())
        )
        notebook.restart()
        notebook.run_all()
        assert change(notebook, cells[2], "n = isinstance(m, Box)").executed == [cells[2]]
        assert values(notebook, "n", "Box") == [True, 3]


class TestModules:
    """Local modules are code like any other."""

    @pytest.fixture
    def library(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        """A local module, forgotten afterwards."""
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        importlib.invalidate_caches()
        path = folder / "weather.py"
        path.write_text("a = 1\nb = 2\ndef f(): return a\n")
        yield path
        sys.modules.pop("weather", None)

    def test_only_readers_of_what_changed_run(self, library: Path) -> None:
        """By attribute: who reads `a` is no reader of `b`."""
        notebook, cells = opened("import weather", "x = weather.a", "y = weather.b", "z = weather.f()")
        library.write_text("a = 1\nb = 22\ndef f(): return a\n")
        assert root_cause(notebook, cells[2]).category == "module"
        assert notebook.flow().executed == [cells[0], cells[2]]
        assert values(notebook, "x", "y", "z") == [1, 22, 1]
        assert verdicts(notebook) == ["fresh"] * 4

    def test_a_function_of_it_reads_what_changed(self, library: Path) -> None:
        """Then its callers run."""
        notebook, cells = opened("import weather", "y = weather.b", "z = weather.f()")
        library.write_text("a = 11\nb = 2\ndef f(): return a\n")
        assert notebook.flow().executed == [cells[0], cells[2]]
        assert notebook.names["z"] == 11

    def test_a_name_imported_from_it(self, library: Path) -> None:
        """Is made again by the import."""
        notebook, cells = opened("from weather import b", "y = b + 1")
        library.write_text("b = 5\n")
        assert notebook.flow().executed == cells
        assert notebook.names["y"] == 6

    def test_an_import_inside_a_function(self, library: Path) -> None:
        """Counts for whoever calls it."""
        source = "def f():\n    import weather\n    return weather.b"
        notebook, (_, caller) = opened(source, "y = f()", plain=(0,))
        library.write_text("b = 7\n")
        assert verdicts(notebook) == ["stale", "stale"]
        assert caller in notebook.flow().executed
        assert notebook.names["y"] == 7


class TestFiles:
    """Files are slots like names."""

    def test_a_file_changes_under_the_same_size_and_time(self, folder: Path) -> None:
        """Content counts."""
        path = folder / "data.txt"
        path.write_text("aa")
        notebook, cells = opened(read("t", "data.txt"), "n = t + t")
        stat = path.stat()
        path.write_text("bb")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert verdicts(notebook) == ["stale", "stale"]
        assert causes(notebook, cells[0]) == [("file", str(path))]
        assert root_cause(notebook, cells[1]).subject == str(path)
        assert notebook.flow().executed == cells
        assert notebook.names["n"] == "bbbb"

    def test_a_file_is_written_again_with_the_same_content(self, folder: Path) -> None:
        """Nothing is stale."""
        (folder / "data.txt").write_text("aa")
        notebook, _ = opened(read("t", "data.txt"))
        (folder / "data.txt").write_text("aa")
        assert verdicts(notebook) == ["fresh"]

    @pytest.mark.parametrize("harm", ["missing", "changed"])
    def test_a_written_file_is_deleted_or_overwritten(self, folder: Path, harm: str) -> None:
        """Its writer makes it again; who read it finds what it knew."""
        path = folder / "out.txt"
        notebook, (writer, reader) = opened(write("out.txt", "x"), read("s", "out.txt"))
        path.unlink() if harm == "missing" else path.write_text("y")
        assert notebook.judgement(writer).causes == (Cause("output file", str(path), "as written", harm),)
        assert verdicts(notebook) == ["stale", "stale"]
        assert root_cause(notebook, reader).after == harm
        assert notebook.flow().executed == [writer]
        assert path.read_text() == "x"
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_two_writers_of_one_file_settle(self, folder: Path) -> None:
        """Each reader has the content of the writer before it, and nothing is to be done."""
        notebook, cells = opened(
            write("F.txt", "1"),
            read("a", "F.txt"),
            write("F.txt", "2"),
            read("b", "F.txt"),
        )
        assert values(notebook, "a", "b") == ["1", "2"]
        assert verdicts(notebook) == ["fresh"] * 4
        assert notebook.flow().executed == []
        (folder / "F.txt").unlink()
        assert verdicts(notebook) == ["fresh", "fresh", "stale", "stale"]
        assert notebook.flow().executed == [cells[2]]

    def test_a_reader_between_two_writers_never_claims_the_later_content(self, folder: Path) -> None:
        """When it runs alone it finds the later writer's file; that is not what it is bound to."""
        notebook, cells = opened(write("F.txt", "1"), read("a", "F.txt"), write("F.txt", "2"))
        change(notebook, cells[1], read("a", "F.txt") + " + '!'")
        assert notebook.verdict(cells[1]) is not Verdict.FRESH or notebook.names["a"] == "1!"

    def test_a_reader_between_two_writers_gets_its_own_content(self, folder: Path) -> None:
        """The earlier writer's file is a spent version: made again for the reader, then the later one's."""
        notebook, cells = opened(write("F.txt", "1"), read("a", "F.txt"), write("F.txt", "2"))
        change(notebook, cells[1], read("a", "F.txt") + " + '!'")
        notebook.flow()
        assert notebook.names["a"] == "1!"
        assert (folder / "F.txt").read_text() == "2"
        assert verdicts(notebook) == ["fresh"] * 3

    def test_a_folder_gets_another_file(self, folder: Path) -> None:
        """Listings count."""
        (folder / "data").mkdir()
        notebook, cells = opened('import os\nn = len(os.listdir("data"))')
        (folder / "data" / "one").touch()
        assert causes(notebook, cells[0]) == [("listing", f"{folder / 'data'}{os.sep}")]
        notebook.flow()
        assert notebook.names["n"] == 1

    def test_a_path_looked_for_in_vain_appears(self, folder: Path) -> None:
        """That nothing was there is what the body saw."""
        source = f"try: {read('n', 'late.txt')}\nexcept FileNotFoundError: n = ''"
        notebook, cells = opened(source)
        (folder / "late.txt").write_text("here")
        assert causes(notebook, cells[0]) == [("absent", str(folder / "late.txt"))]
        notebook.flow()
        assert notebook.names["n"] == "here"

    def test_a_file_both_read_and_written(self, folder: Path) -> None:
        """Cannot be called up to date, nor can what is below."""
        notebook, _ = opened(write("own.txt", "x") + "\n" + read("s", "own.txt"), "n = len(s)")
        assert verdicts(notebook) == ["as of", "as of"]


class TestOutside:
    """Parameters, the environment and the clock."""

    def test_a_parameter_is_changed_and_reset(self) -> None:
        """Going back is a hit."""
        notebook = Notebook()
        year = notebook.add_parameters("year = 2013")
        after = notebook.add("after = year + 1")
        notebook.run_all()
        notebook.set(year=2014)
        assert root_cause(notebook, after) == Cause("parameter", "year", "default", "2014")
        assert notebook.flow().executed == [year, after]
        assert notebook.names["after"] == 2015
        notebook.reset()
        back = notebook.flow()
        assert (back.executed, back.reused) == ([], [year, after])
        assert notebook.names["after"] == 2014

    def test_an_environment_variable_changes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read by a constant name it is an input; its value is shown nowhere."""
        monkeypatch.setenv("NBFLOW_TEST_REGION", "north")
        notebook, cells = opened('import os\nregion = os.environ["NBFLOW_TEST_REGION"]')
        monkeypatch.setenv("NBFLOW_TEST_REGION", "south")
        assert notebook.judgement(cells[0]).causes == (
            Cause("environment", "NBFLOW_TEST_REGION", "•••", "•••"),
        )
        assert notebook.flow().executed == cells
        assert notebook.names["region"] == "south"

    def test_a_variable_that_a_cell_below_sets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Above it nobody can tell any more what it was there; below it it is what was set."""
        monkeypatch.setenv("NBFLOW_TEST_REGION", "eu")
        read = 'x = os.environ["NBFLOW_TEST_REGION"]'
        set_it = 'os.environ["NBFLOW_TEST_REGION"] = "{}"'
        notebook, cells = opened(
            "import os",
            set_it.format("us"),
            read,
            set_it.format("asia"),
            read.replace("x", "y"),
            plain=(0, 1, 3),
        )
        assert [notebook.verdict(cells[at]).value for at in (2, 4)] == ["stale", "as of"]
        notebook.flow()
        told = Cause("outside", f"{cells[3]} below sets NBFLOW_TEST_REGION", origin=cells[3])
        assert told in notebook.judgement(cells[2]).causes
        assert [notebook.verdict(cells[at]).value for at in (2, 4)] == ["as of", "as of"]
        notebook.delete(cells[3])
        notebook.run(cells[1])
        notebook.flow()
        assert values(notebook, "x", "y") == ["us", "us"]

    def test_what_reads_the_clock_is_as_of(self) -> None:
        """And so is everything below; a flow run reuses it under that label."""
        notebook, cells = opened("import time\nnow = time.time()", "later = now + 1")
        assert verdicts(notebook) == ["as of", "as of"]
        assert causes(notebook, cells[0]) == [("outside", "clock: time.time")]
        assert notebook.flow().executed == []


class TestPlainCells:
    """Plain cells are steps that the user starts, the quiet ones apart."""

    def derived(self, extra: str, clock: FakeClock | None = None) -> tuple[Notebook, list[str]]:
        """A plain cell between two tasks, and the first of them edited and run."""
        notebook = Notebook(clock=clock or FakeClock())
        sources = ("raw = [1, 2]", f"late = len(raw)\n{extra}", "f = late * 2")
        _, cells = opened(*sources, plain=(1,), notebook=notebook)
        change(notebook, cells[0], "raw = [1, 2, 3]")
        return notebook, cells

    @pytest.mark.parametrize("extra", ["", "print(late)"], ids=["silent", "prints"])
    def test_a_quiet_one_is_started_by_catch_up(self, extra: str) -> None:
        """Showing something does not disqualify it."""
        notebook, cells = self.derived(extra)
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        assert root_cause(notebook, cells[2]) == Cause("input", "raw", "[1, 2]", "[1, 2, 3]", cells[0])
        assert notebook.flow().executed == cells[1:]
        assert notebook.names["f"] == 6
        assert verdicts(notebook) == ["fresh"] * 3

    def refused(self, notebook: Notebook, cells: list[str]) -> None:
        """Assert that the plain cell is the user's to start, and that its reader says so."""
        assert verdicts(notebook) == ["fresh", "waits", "waits"]
        assert notebook.judgement(cells[1]).causes[0] == Cause(
            "plain cell", cells[1], after=f"run {cells[1]}"
        )
        assert root_cause(notebook, cells[2]).after == f"run {cells[1]}"
        assert notebook.flow().executed == []
        assert notebook.run(cells[1]).executed == [cells[1]]
        assert notebook.flow().executed == [cells[2]]
        assert notebook.names["f"] == 6

    def test_one_that_writes_a_file_is_not(self, folder: Path) -> None:
        """Its readers wait until the user runs it."""
        self.refused(*self.derived(write("log.txt", "x")))

    def test_one_that_takes_long_is_not(self) -> None:
        """Nobody wants to wait for what was not asked for."""
        clock = FakeClock()
        threading.nbflow_test_tick = clock.advance  # type: ignore[attr-defined]
        try:
            self.refused(*self.derived("import threading\nthreading.nbflow_test_tick(11)", clock))
        finally:
            del threading.nbflow_test_tick  # type: ignore[attr-defined]

    def test_one_that_was_edited_is_not(self) -> None:
        """What it will do nobody has seen."""
        notebook, cells = self.derived("")
        notebook.edit(cells[1], "late = len(raw) + 100")
        assert verdicts(notebook) == ["fresh", "waits", "waits"]
        assert notebook.flow().executed == []

    def test_one_that_overrides_a_task(self) -> None:
        """Tasks below read its version, tasks above do not."""
        notebook, cells = opened("a = 1", "x = a", "a = 10", "y = a", plain=(2,))
        assert values(notebook, "x", "y") == [1, 10]
        change(notebook, cells[0], "a = 2")
        assert verdicts(notebook) == ["fresh", "stale", "fresh", "fresh"]
        assert notebook.flow().executed == [cells[1]]
        assert values(notebook, "x", "y") == [2, 10]

    def test_one_that_failed(self) -> None:
        """Has no version of what it would have written; who does not need it does not care."""
        notebook, cells = opened("a = 1", "b = a\nraise ValueError(b)", "c = a", "d = b", plain=(1,))
        assert verdicts(notebook) == ["fresh", "waits", "fresh", "waits"]
        assert root_cause(notebook, cells[3]).category == "plain cell"


class TestMemory:
    """Names that share memory are one unit."""

    def test_a_list_is_changed_through_its_other_name(self) -> None:
        """The reader of the first name sees it, and each re-run starts from the value before."""
        notebook, cells = opened("a = [1]", "b = a", "b.append(2)", "n = len(a)")
        assert notebook.names["n"] == 2
        change(notebook, cells[2], "b.append(2); b.append(3)")
        assert verdicts(notebook) == ["fresh", "fresh", "fresh", "stale"]
        assert notebook.flow().executed == [cells[3]]
        assert values(notebook, "a", "b", "n") == [[1, 2, 3], [1, 2, 3], 3]
        assert notebook.names["a"] is notebook.names["b"]

    def test_an_alias_becomes_a_copy(self) -> None:
        """Equal contents, other sharing: the mutation no longer reaches the first name."""
        notebook, cells = opened("a = [1]", "b = a", "b.append(2)", "n = len(a)")
        change(notebook, cells[1], "b = list(a)")
        assert notebook.flow().executed == cells[2:]
        assert values(notebook, "a", "b", "n") == [[1], [1, 2], 1]

    def test_an_array_is_changed_through_a_view(self) -> None:
        """The base is changed with it, and comes back with its view."""
        sources = ("import numpy as np", "a = np.arange(4)", "v = a[1:3]", "v[0] = 9", "s = int(a.sum())")
        notebook, cells = opened(*sources)
        assert notebook.names["s"] == 14
        assert change(notebook, cells[3], "v[0] = 7").executed == [cells[3]]
        assert [list(array) for array in values(notebook, "a", "v")] == [[0, 7, 2, 3], [7, 2]]  # type: ignore[arg-type]
        assert notebook.flow().executed == [cells[4]]
        assert notebook.names["s"] == 12

    def test_a_swap_run_again_swaps_once(self) -> None:
        """From the versions above it, not from its own."""
        notebook, cells = opened("a = [1]\nb = [2]", "a, b = b, a", "y = a[0] * 10 + b[0]")
        assert notebook.names["y"] == 21
        assert change(notebook, cells[1], "a, b = b, a\nc = 0").executed == [cells[1]]
        assert values(notebook, "a", "b") == [[2], [1]]
        assert notebook.flow().executed == []

    def test_a_default_argument_that_is_a_global(self) -> None:
        """Calling the function changes the global."""
        notebook, cells = opened(
            "a = [1]", "def f(x=a): x.append(len(x)); return x", "n = len(f())", "m = len(a)"
        )
        change(notebook, cells[2], "n = len(f()) + 0")
        assert values(notebook, "n", "a") == [2, [1, 1]]
        assert notebook.flow().executed == []

    def test_a_closure_that_counts(self) -> None:
        """What a function keeps is its content."""
        source = (
            "def counter():\n    box = []\n    def push(): box.append(0); return len(box)\n    return push"
        )
        notebook, cells = opened(source, "push = counter()", "n = push()", "m = push()", plain=(0,))
        change(notebook, cells[3], "m = push() + 0")
        assert values(notebook, "n", "m") == [1, 2]
        assert verdicts(notebook) == ["fresh"] * 4

    def test_an_attribute_of_a_class(self) -> None:
        """A class is changed in place like any other object."""
        push = "Bag.items.append(1)\n{name} = len(Bag.items)"
        notebook, cells = opened(
            "class Bag: items = []", push.format(name="n"), push.format(name="m"), plain=(0,)
        )
        change(notebook, cells[2], push.format(name="m") + " + 0")
        assert values(notebook, "n", "m") == [1, 2]

    def test_a_sharer_that_a_step_above_may_bind_anew(self) -> None:
        """Who gives a name along, because it shares memory with what it made, hangs on who may bind that."""
        notebook, cells = opened(
            "d = [4]", "a = [1]", "c = a", "if d[0] % 2: a = [3]", "b = c", "e = (a, b, c)", plain=(2,)
        )
        assert verdicts(notebook) == ["fresh"] * 6
        change(notebook, cells[0], "d = [nobody]")
        assert verdicts(notebook)[3:] == ["stale"] * 3
        change(notebook, cells[0], "d = [5]")
        notebook.flow()
        assert values(notebook, "a", "b", "c", "e") == [[3], [1], [1], ([3], [1], [1])]
        assert verdicts(notebook) == ["fresh"] * 6


class TestUnbinding:
    """Names that come and go."""

    def test_a_deleted_name_stays_deleted(self) -> None:
        """After its producer's own cell it stands, after a flow run it is gone again."""
        notebook, (first, *_) = opened("a = [1]", "b = a[0]", "del a", "c = b")
        assert "a" not in notebook.names
        notebook.run(first)
        assert notebook.names["a"] == [1]
        assert notebook.flow().executed == []
        assert "a" not in notebook.names
        assert verdicts(notebook) == ["fresh"] * 4

    def test_a_branch_that_binds_no_more(self) -> None:
        """Its reader fails as it would from the top; the rest does not care."""
        notebook, cells = opened("flag = True", "if flag:\n    x = 1", "y = x", "z = 1")
        change(notebook, cells[0], "flag = False")
        action = notebook.flow()
        assert action.executed == cells[1:3]
        assert isinstance(action.errors[cells[2]], NameError)
        assert verdicts(notebook) == ["fresh", "fresh", "stale", "fresh"]
        assert not notebook.is_current("x")

    def test_a_removed_cell_writes_for_nobody(self) -> None:
        """Its readers are bound to the writer before it."""
        notebook, cells = opened("a = 1", "a = 2", "b = a")
        notebook.delete(cells[1])
        assert notebook.judgement(cells[2]).causes == (
            Cause("orphan", "a", f"2 of {cells[1]}", f"1 of {cells[0]}", cells[0]),
        )
        assert notebook.flow().executed == [cells[2]]
        assert values(notebook, "a", "b") == [1, 1]

    def test_exec_binds_what_no_analysis_sees(self) -> None:
        """The difference of the names decides."""
        notebook, cells = opened('exec("q = 1")', "r = q")
        change(notebook, cells[0], 'exec("q = 2")')
        assert notebook.flow().executed == [cells[1]]
        assert notebook.names["r"] == 2


class TestFailing:
    """A failed step has no trace, whatever it had before."""

    def test_it_keeps_no_older_trace(self) -> None:
        """And what is below it is not up to date."""
        notebook, cells = opened("a = 1", "b = 1 / a", "c = b")
        change(notebook, cells[0], "a = 0")
        action = notebook.flow()
        assert action.executed == [cells[1]]
        assert isinstance(action.errors[cells[1]], ZeroDivisionError)
        assert notebook.step(cells[1]).trace is None
        assert notebook.judgement(cells[1]).causes == (
            Cause("failed", cells[1], after="ZeroDivisionError: division by zero"),
        )
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        assert root_cause(notebook, cells[2]).category == "failed"

    def test_it_is_repaired(self) -> None:
        """By its input, or by going back to an input that it had a result for."""
        notebook, cells = opened("a = 1", "b = 1 / a", "c = b")
        change(notebook, cells[0], "a = 0")
        notebook.flow()
        change(notebook, cells[0], "a = 2")
        assert notebook.flow().executed == cells[1:]
        change(notebook, cells[0], "a = 0")
        notebook.flow()
        change(notebook, cells[0], "a = 1")
        assert notebook.flow().executed == []
        assert verdicts(notebook) == ["fresh"] * 3
        assert notebook.names["c"] == 1.0

    def test_retries_start_from_the_inputs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each attempt finds the list as it was, not as the attempt before left it."""
        seen: list[int] = []
        monkeypatch.setattr(threading, "nbflow_test_seen", seen, raising=False)
        notebook = Notebook()
        notebook.add("a = [1]")
        tried = notebook.add(
            "import threading\na.append(2)\nthreading.nbflow_test_seen.append(len(a))\n"
            "if len(threading.nbflow_test_seen) < 3: raise OSError"
        )
        notebook.step(tried).retries = Retries(limit=3)
        notebook.run_all()
        assert notebook.log == ["cell_1", tried, tried, tried]
        assert seen == [2, 2, 2]
        assert notebook.names["a"] == [1, 2]
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_an_interrupt_in_the_middle_of_a_mutation(self) -> None:
        """No trace, a legal end, and the next run starts from the value before."""
        notebook, cells = opened("a = [1]", "a.append(2)\nn = len(a)", "m = n")
        action = change(notebook, cells[1], "a.append(7)\nraise KeyboardInterrupt")
        assert isinstance(action.errors[cells[1]], KeyboardInterrupt)
        assert notebook.names["a"] == [1, 7]
        assert not notebook.is_current("a")
        assert notebook.step(cells[1]).trace is None
        assert verdicts(notebook) == ["fresh", "stale", "waits"]  # no cell makes n now
        history = notebook.workspace.store.history
        (last,) = history.runs(limit=1)
        assert [step.name for step in history.transitions(last.id)] == [
            "Pending", "Running", "Cancelling", "Cancelled",
        ]  # fmt: skip
        assert change(notebook, cells[1], "a.append(3)\nn = len(a)").executed == [cells[1]]
        assert notebook.names["a"] == [1, 3]
        assert verdicts(notebook) == ["fresh"] * 3


class TestSpent:
    """Values that are neither live nor stored."""

    @pytest.fixture
    def notebook(self) -> Notebook:
        """A notebook whose store has no room."""
        return Notebook(store=partial(MemoryStore, budget=100))

    def test_a_consumed_input_is_made_again_from_its_producer(self, notebook: Notebook) -> None:
        """First the producer runs again, then the reader."""
        _, (first, mutate, last) = opened(
            "a = list(range(1000))", "a.append(1)\nb = len(a)", "n = b", notebook=notebook
        )
        assert change(notebook, mutate, "a.append(1)\nb = -len(a)").executed == [first, mutate]
        assert notebook.names["b"] == -1001
        assert notebook.flow().executed == [last]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_a_live_input_is_used_as_it_is(self, notebook: Notebook) -> None:
        """A task that is bound to it keeps it in memory."""
        _, (_, _, last) = opened(
            "a = list(range(1000))", "b = [x + 1 for x in a]", "n = sum(b)", notebook=notebook
        )
        assert change(notebook, last, "n = sum(b) + 1").executed == [last]
        assert notebook.names["n"] == 500501

    def test_a_chain_of_mutations_is_made_again_from_its_start(self, notebook: Notebook) -> None:
        """As far back as something still stands."""
        _, cells = opened(
            "a = list(range(1000))", "a.append(1)", "a.append(2)", "n = sum(a)", notebook=notebook
        )
        assert change(notebook, cells[2], "a.append(20)").executed == cells[:3]
        assert notebook.flow().executed == [cells[3]]
        assert notebook.names["n"] == 499500 + 21

    def test_a_plain_producer_that_is_not_quiet_is_not_run_again(
        self, folder: Path, notebook: Notebook
    ) -> None:
        """Then nothing happens, and nothing wrong is claimed."""
        _, (_, mutate) = opened(
            write("w.txt", "") + "\na = list(range(1000))", "a.append(1)", plain=(0,), notebook=notebook
        )
        action = change(notebook, mutate, "a.append(2)")
        assert action.executed == []
        assert notebook.verdict(mutate) is not Verdict.FRESH

    def test_a_lock_and_a_generator_stay_in_memory(self) -> None:
        """After a restart they are made again only when something reads them."""
        notebook, cells = opened(
            "import threading\nlock = threading.Lock()",
            "with lock:\n    a = 1",
            "b = a + 1",
            notebook=Notebook(store=kept()),
        )
        notebook.restart()
        assert executed(notebook.run_all()) == []
        assert is_placeholder(notebook.names["lock"])
        assert change(notebook, cells[2], "b = a + 2").executed == [cells[2]]
        assert change(notebook, cells[1], "with lock:\n    a = 2").executed == cells[:2]
        assert values(notebook, "a", "b") == [2, 3]

    @pytest.mark.parametrize(
        ("make", "consume", "truth"),
        [("g = (i for i in [1, 2, 3])", "sum(g)", 6), ("g = open('three.txt')", "g.readline()", "1\n")],
        ids=["generator", "file handle"],
    )
    def test_what_a_body_consumed_is_spent(
        self, folder: Path, make: str, consume: str, truth: object
    ) -> None:
        """An exhausted generator is not the generator that the reader is bound to."""
        (folder / "three.txt").write_text("1\n2\n3\n")
        notebook, cells = opened(make, f"s = {consume}", "t = 0")
        change(notebook, cells[1], f"s = {consume}\nu = 0")
        assert notebook.names["s"] == truth
        del notebook
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the cells close no files
            gc.collect()

    def test_an_iterator_that_has_a_digest(self) -> None:
        """Is put back like any other value."""
        notebook, cells = opened("it = iter([1, 2, 3])", "a = next(it)", "b = next(it)")
        change(notebook, cells[2], "b = next(it) + 0")
        assert values(notebook, "a", "b") == [1, 2]


class TestRestarting:
    """After a restart the names are gone, the store is not."""

    def opened(self) -> tuple[Notebook, list[str]]:
        """A plain cell, three tasks below it, and a kernel restarted."""
        sources = ("k = 2", "a = [1, k]", "b = [*a, 3]", "n = len(b)")
        notebook, cells = opened(*sources, plain=(0,), notebook=Notebook(store=kept()))
        assert notebook.restart().executed == []
        return notebook, cells

    def test_run_all_computes_nothing(self) -> None:
        """But for the plain cells, which are the user's."""
        notebook, cells = self.opened()
        assert executed(notebook.run_all()) == [cells[0]]
        assert verdicts(notebook) == ["fresh"] * 4
        assert values(notebook, "k", "a", "b", "n") == [2, [1, 2], [1, 2, 3], 3]
        assert notebook.log == [cells[0]]

    def test_one_cell_alone(self) -> None:
        """Works with what is remembered, and says what was not verified."""
        notebook, cells = self.opened()
        assert notebook.run(cells[3]).executed == []
        assert notebook.names["n"] == 3
        assert verdicts(notebook) == ["as of"] * 4
        assert root_cause(notebook, cells[3]) == Cause("unverified", cells[0], after="not run in this kernel")

    def test_one_edited_cell_alone(self) -> None:
        """Its inputs come from the store."""
        notebook, cells = self.opened()
        assert change(notebook, cells[3], "n = -len(b)").executed == [cells[3]]
        assert notebook.names["n"] == -3

    def test_plain_cells_that_were_not_run(self) -> None:
        """A flow run never starts them."""
        notebook, _ = self.opened()
        assert notebook.flow().executed == []
        assert notebook.log == []
        assert "k" not in notebook.names

    def test_a_plain_cell_that_gives_something_else_now(self) -> None:
        """Makes its readers stale, and those are not started before their cells have run here."""
        notebook, cells = self.opened()
        change(notebook, cells[0], "k = 3")
        assert verdicts(notebook)[1] == "waits"
        assert causes(notebook, cells[1])[0] == ("unverified", cells[1])
        assert notebook.flow().executed == []
        assert executed(notebook.run_all()) == cells
        assert notebook.names["b"] == [1, 3, 3]

    def test_a_cell_edited_before_the_restart_and_not_run(self) -> None:
        """Is remembered by the source that was last run."""
        notebook, cells = opened("a = 1", "b = a", notebook=Notebook(store=kept()))
        notebook.edit(cells[0], "a = 2")
        notebook.restart()
        assert values(notebook, "a", "b") == [1, 1]
        assert verdicts(notebook) == ["fresh", "fresh"]

    @pytest.mark.parametrize("plain", [(), (0, 1)], ids=["of a task", "of a plain cell"])
    def test_a_class_and_its_instance(self, plain: tuple[int, ...]) -> None:
        """No store has the class: its definition runs again, and then its instances come back."""
        notebook, cells = opened(
            "class Box:\n    def __init__(self, item): self.item = item",
            "class Case(Box): pass",
            "m = Case([1])",
            "n = m.item",
            plain=plain,
            notebook=Notebook(store=kept()),
        )
        notebook.restart()
        assert executed(notebook.run_all()) == [cells[place] for place in plain]
        assert verdicts(notebook) == ["fresh"] * 4
        source = "n = [isinstance(m, Case), isinstance(m, Box), m.item]"
        assert change(notebook, cells[3], source).executed == [cells[3]]
        assert notebook.names["n"] == [True, True, [1]]

    def test_a_flow_run_after_the_plain_cell_with_the_class(self) -> None:
        """Brings the instance that could not be built before."""
        notebook, cells = opened("class Box: pass", "m = Box()", plain=(0,), notebook=Notebook(store=kept()))
        notebook.restart()
        notebook.run(cells[0])
        assert notebook.flow().executed == []
        assert type(notebook.names["m"]) is notebook.names["Box"]


class TestRestartingInAnyOrder:
    """After a restart the cells are run by hand, in every order that there is."""

    SOURCES = ("k = 2", "a = [1, k]", "m = len(a) + k", "a.append(m)", "n = sum(a)")

    @staticmethod
    def plainly(sources: tuple[str, ...]) -> dict[str, object]:
        """What plain Python gives."""
        names: dict[str, object] = {}
        exec("\n".join(sources), names)
        return names

    @pytest.mark.parametrize("edited", ["", "k = 3", "a = [5, k]", "a.append(-m)"])
    def test_no_claim_is_wrong(self, edited: str) -> None:
        """Whichever comes first; once all have run and the flow was brought up to date, all is proven."""
        place = next((at for at, each in enumerate(self.SOURCES) if each[:3] == edited[:3]), None)
        for order in permutations(range(len(self.SOURCES))):
            notebook, cells = opened(*self.SOURCES, plain=(0, 2), notebook=Notebook(store=kept()))
            notebook.restart()
            sources = list(self.SOURCES)
            for at in order:
                if at == place:
                    sources[at] = edited
                    notebook.edit(cells[at], edited)
                notebook.run(cells[at])
                truth = self.plainly(tuple(sources))
                said = {name: notebook.names[name] for name in "kamn" if name in notebook.names}
                assert all(value == truth[name] for name, value in said.items() if notebook.is_current(name))
            notebook.run(cells[2])  # where it came before `k` it has failed, and is nobody's to start
            notebook.flow()
            assert verdicts(notebook) == ["fresh"] * 5, order
            assert values(notebook, *"kamn") == [truth[name] for name in "kamn"], order


class TestHolding:
    """A pinned task stays as it is."""

    def test_it_and_what_is_below_are_as_of(self) -> None:
        """Whatever changes above, until its own cell runs."""
        notebook, cells = opened("a = 1", "b = a + 1", "c = b + 1", "d = a")
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        notebook.pin(cells[1], Hold(trace, "pin"))
        change(notebook, cells[0], "a = 5")
        assert notebook.flow().executed == [cells[3]]
        assert verdicts(notebook) == ["fresh", "as of", "as of", "fresh"]
        assert root_cause(notebook, cells[2]) == Cause("held", cells[1], after="pin")
        assert values(notebook, "b", "c", "d") == [2, 3, 5]
        assert notebook.run(cells[1]).executed == [cells[1]]
        assert notebook.flow().executed == [cells[2]]
        assert verdicts(notebook) == ["fresh"] * 4


class TestRandomness:
    """The global generators are slots once somebody seeded them."""

    CASES = (("random", "random.random()"), ("numpy.random", "numpy.random.rand()"))

    def test_a_generator_that_comes_with_a_body_that_seeds(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As NumPy's does in the first cell of a new kernel; it counts from its load."""
        (folder / "late_random.py").write_text("STATE = 0")
        late = Generator("late_random", lambda module: module.STATE, lambda module, state: None)
        monkeypatch.setitem(STATEFUL, "<late>", late)
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setitem(sys.modules, "late_random", None)
        monkeypatch.delitem(sys.modules, "late_random")
        notebook, cells = opened("import random, late_random\nrandom.seed(1)", "x = random.random()")
        assert notebook.step(cells[0]).failure == ""
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_a_generator_that_nobody_seeded_is_nobodys_matter(self) -> None:
        """Although another one was seeded, by a body that might have seeded all."""
        importlib.import_module("numpy.random")
        notebook, cells = opened(
            "import random\nrandom.seed(1)", "x = random.random()", "y = x", plain=(0, 1)
        )
        notebook.run(cells[0])
        notebook.run(cells[1])
        assert verdicts(notebook)[:2] == ["fresh"] * 2
        assert notebook.workspace.labels.keys() & GENERATORS.keys() == {"<random>"}

    def test_a_name_that_stood_there_before(self) -> None:
        """A body that binds it to the very same object has made it all the same."""
        notebook = Notebook()
        notebook.names["json"] = json
        cell = notebook.add("import json")
        assert notebook.run(cell).errors == {}
        assert notebook.verdict(cell) is Verdict.FRESH

    def test_a_plain_cell_that_draws(self) -> None:
        """Is fresh as a task is, as long as nobody drew before it since the seeding."""
        notebook, cells = opened(
            "import random\nrandom.seed(1)", "x = random.random()", "y = random.random()", plain=(0, 1)
        )
        assert verdicts(notebook) == ["fresh"] * 3
        notebook.run(cells[1])
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        notebook.run(cells[0])
        notebook.run(cells[1])
        assert verdicts(notebook) == ["fresh"] * 3

    def test_a_draw_that_nobody_saw(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where nbflow failed to observe a cell, what the next one draws from is no state of the flow's."""
        notebook, cells = opened(
            "import random\nrandom.seed(1)", "x = random.random()", "y = random.random()", plain=(0, 1, 2)
        )

        def fail(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        notebook.run(cells[0])
        with monkeypatch.context() as patch:
            patch.setattr("nbflow.engine.observe.Observer._changed", fail)
            patch.setattr("nbflow.engine.observe.Observer._outputs", fail)
            assert notebook.run(cells[1]).errors == {}
        assert notebook.step(cells[1]).failure.startswith("nbflow could not observe it")
        notebook.run(cells[1])
        assert notebook.verdict(cells[1]) is not Verdict.FRESH
        notebook.run(cells[0])
        notebook.run(cells[1])
        assert notebook.verdict(cells[1]) is Verdict.FRESH

    @pytest.mark.parametrize("is_plain", [True, False])
    def test_a_fault_of_ours_spoils_no_cell(self, monkeypatch: pytest.MonkeyPatch, is_plain: bool) -> None:
        """All that a cell may have changed counts as changed by it, and it and what reads it is as of."""
        notebook, cells = opened(
            "import random\nrandom.seed(1)\na, b = [1], [2]",
            "a.append(3)\nc = a[0] + random.random()",
            "d = (a[-1], b, c)",
            "e = random.random()",
            plain=(0, 1) if is_plain else (0,),
        )
        before = values(notebook, "a", "c", "d", "e")

        def fail(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        notebook.run(cells[0])
        with monkeypatch.context() as patch:
            patch.setattr("nbflow.engine.observe.Observer._changed", fail)
            notebook.edit(cells[1], "a.append(3)\nc = a[0] + random.random()\nnew = 1")
            assert notebook.run(cells[1]).errors == {}
        notebook.flow()
        assert values(notebook, "a", "c", "d", "e") == before
        assert verdicts(notebook) == ["fresh", "as of", "as of", "as of"]
        told = "nbflow could not follow what it changed: RuntimeError: a fault of ours"
        assert Cause("outside", told) in notebook.judgement(cells[1]).causes
        notebook.edit(cells[1], "a.append(3)\nc = a[0] + random.random()\nnew = 2")
        notebook.run(cells[0])
        notebook.run(cells[1])
        notebook.flow()
        assert verdicts(notebook) == ["fresh"] * 4

    @pytest.mark.parametrize(("module", "draw"), CASES, ids=["random", "numpy"])
    def test_a_seeded_draw_run_alone_equals_run_all(self, module: str, draw: str) -> None:
        """Each draw starts from the state at its place."""
        notebook, cells = opened(f"import {module}\n{module}.seed(1)", f"x = {draw}", f"y = {draw}")
        before = values(notebook, "x", "y")
        assert before[0] != before[1]
        assert change(notebook, cells[2], f"y = {draw}\nz = 0").executed == [cells[2]]
        assert change(notebook, cells[1], f"x = {draw}\nz = 0").executed == [cells[1]]
        assert notebook.flow().executed == []
        assert values(notebook, "x", "y") == before
        assert verdicts(notebook) == ["fresh"] * 3

    def test_another_seed_makes_all_draws_again(self) -> None:
        """And going back gives the first ones without drawing."""
        notebook, cells = opened(
            "import random\nrandom.seed(1)", "x = random.random()", "y = random.random()"
        )
        before = values(notebook, "x", "y")
        change(notebook, cells[0], "import random\nrandom.seed(2)")
        assert notebook.flow().executed == cells[1:]
        assert values(notebook, "x", "y") != before
        change(notebook, cells[0], "import random\nrandom.seed(1)")
        assert notebook.flow().executed == []
        assert values(notebook, "x", "y") == before

    def test_an_unseeded_draw_is_no_slot(self) -> None:
        """Draws that nobody seeded are a note, not a verdict."""
        notebook, cells = opened("import random", "x = random.random()", "y = random.random()")
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        assert [output.slot.kind for output in trace.outputs] == ["name"]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_a_draw_that_is_seeded_later(self) -> None:
        """Who drew before somebody above seeded drew from something else."""
        notebook, cells = opened("import random", "k = 1", "x = random.random()")
        change(notebook, cells[1], "random.seed(1)\nk = 1")
        assert notebook.verdict(cells[2]) is Verdict.STALE
        notebook.flow()
        assert values(notebook, "x") == [Random(1).random()]
        assert verdicts(notebook) == ["fresh"] * 3


class TestOrder:
    """A reader is bound to the writer before it."""

    def test_a_reader_above_its_only_writer_waits(self) -> None:
        """The cause names where the name is defined."""
        notebook, cells = opened("b = a + 1", "a = 1")
        assert verdicts(notebook) == ["waits", "fresh"]
        assert notebook.judgement(cells[0]).causes[0] == Cause(
            "order", "a", after=f"defined below, in {cells[1]}"
        )

    def test_what_waits_is_not_started(self) -> None:
        """Not by a flow run."""
        notebook, _ = opened("b = a + 1", "a = 1")
        assert notebook.flow().executed == []

    def test_a_reader_moved_above_its_only_writer_waits(self) -> None:
        """It would fail there."""
        notebook, cells = opened("a = 1", "b = a + 1")
        notebook.move(cells[1], 0)
        assert verdicts(notebook) == ["waits", "fresh"]

    def test_a_reader_moved_back_is_a_hit(self) -> None:
        """Whatever happened to it meanwhile."""
        notebook, cells = opened("a = 1", "b = a + 1")
        notebook.move(cells[1], 0)
        assert notebook.verdict(cells[1]) is not Verdict.FRESH
        notebook.flow()
        notebook.move(cells[1], 1)
        assert notebook.flow().executed == []
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_moving_a_reader_between_two_writers(self) -> None:
        """It gets the version at its new place."""
        notebook, cells = opened("a = 1", "a = 2", "b = a")
        notebook.move(cells[2], 1)
        assert notebook.flow().executed == [cells[2]]
        assert values(notebook, "a", "b") == [2, 1]


class TestLongChains:
    """Depth is no limit."""

    LENGTH = 2_000

    def test_two_thousand_steps_under_a_shallow_recursion_limit(self) -> None:
        """All are run, all are looked at, and an equal value stops the second wave at once."""
        notebook = Notebook()
        sources = ["x0 = 2", "x1 = x0 % 2", *(f"x{i} = x{i - 1} + 1" for i in range(2, self.LENGTH))]
        cells = [notebook.add(source) for source in sources]
        limit = sys.getrecursionlimit()
        for source in sources:
            read_body(source)
        sys.setrecursionlimit(200)
        try:
            notebook.run_all()
            change(notebook, cells[0], "x0 = 4")
            before = notebook.verdict(cells[-1])
            action = notebook.flow(cells[-1])
        finally:
            sys.setrecursionlimit(limit)
        assert before is Verdict.STALE
        assert action.executed == [cells[1]]
        assert notebook.names[f"x{self.LENGTH - 1}"] == self.LENGTH - 2
        assert verdicts(notebook) == ["fresh"] * self.LENGTH

    def test_a_wave_through_a_chain_judges_each_step_a_few_times(self) -> None:
        """The cost of a flow run follows what was touched, not its square."""
        length = 100
        notebook, cells = opened("x0 = 2", *(f"x{i} = x{i - 1} + 1" for i in range(1, length)))
        change(notebook, cells[0], "x0 = 4")
        before = notebook.sweep.judged
        assert notebook.flow().executed == cells[1:]
        assert notebook.sweep.judged - before < 10 * length
