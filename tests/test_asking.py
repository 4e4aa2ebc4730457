"""`nbflow status`, `plan`, `why` and `history`: answers about a notebook that no kernel has open."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from nbflow.cli import main
from tests.headless import nbflow_run, notebook_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = (
    "import json\nfrom nbflow import task\nfrom mine import scale\nopen('ran.txt', 'a').write('x')",
    "#@params\nLATE = 15",
    "OTHER = 3\ndef half(x):\n    return x // 2\ndef twice(x):\n    return x * 2",
    "%%task raw\n!echo reading\nraw = json.load(open('data.json'))  # all of it",
    "#@task clean\nclean = [x for x in raw if x > 0]\n_ = open('out.txt', 'w').write(str(clean))",
    "# @task flags\nflags = half(LATE) + sum(clean)",
    "# @task other\nother = scale(twice(OTHER))",
    "@task\ndef total(flags, other):\n    return flags + other\n\n@task\ndef lone():\n    return 1",
    "print(total())",
    "#@task broken\nassert other < 0, 'too large'\nbroken = 1",
)
TASKS = ("raw", "clean", "flags", "other", "lone", "total", "broken")
Say = Callable[..., str]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that has run once, with its store; its last task has failed."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "data.json").write_text("[3, -1, 4]")
    (folder / "mine.py").write_text("def scale(x):\n    return 10 * x\n")
    notebook = notebook_of(folder / "nb.ipynb", *SOURCES)
    done = nbflow_run(notebook)
    assert "too large" in done.stdout
    assert (folder / "ran.txt").read_text() == "x"
    return notebook


@pytest.fixture
def notebook(ran: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same for one test, which may change its files."""
    monkeypatch.setenv("NBFLOW_STATE", str(ran.parent / "state"))
    kept = {path: path.read_bytes() for path in ran.parent.iterdir() if path.is_file()}
    yield ran
    for path in [path for path in ran.parent.iterdir() if path.is_file() and path not in kept]:
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)


@pytest.fixture
def say(notebook: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    """Asks a question about the notebook; gives the answer."""

    def asked(what: str, *tasks: str) -> str:
        assert main([what, str(notebook), *tasks]) == 0
        return capsys.readouterr().out

    return asked


def edit(notebook: Path, before: str, after: str) -> None:
    """Edit the saved notebook."""
    content = json.loads(notebook.read_text())
    sources = [cell["source"] for cell in content["cells"]]
    assert sum(before in source for source in sources) == 1
    for cell in content["cells"]:
        cell["source"] = cell["source"].replace(before, after)
    notebook.write_text(json.dumps(content))


def lines_of(said: str) -> dict[str, str]:
    """The line of each task in a table."""
    return {words[0]: line for line in said.splitlines() if (words := line.split()) and words[0] in TASKS}


def with_verdict(said: str, verdict: str) -> set[str]:
    """The tasks of which that was said."""
    return {name for name, line in lines_of(said).items() if line.split()[1] == verdict}


def does(said: str) -> dict[str, str]:
    """What a plan does with each task."""
    found = (re.match(r" *\d+  (\w+) +(\w+(?: run)?)", line) for line in said.splitlines())
    return {each[1]: each[2] for each in found if each is not None}


@pytest.mark.process
class TestNothingHappens:
    """Asking changes nothing and runs nothing."""

    @pytest.mark.parametrize("what", ["status", "plan", "why", "history"])
    def test_no_file_is_touched(self, notebook: Path, say: Say, what: str) -> None:
        """Neither the store nor the key nor anything else, and no cell or module of the user's runs."""
        edit(notebook, "LATE = 15", "LATE = 16")
        (notebook.parent / "mine.py").write_text("raise SystemExit('imported')\n")
        before = _all_files(notebook.parent)
        assert say(what)
        assert _all_files(notebook.parent) == before
        assert os.getcwd() != str(notebook.parent)

    def test_no_value_is_loaded(self, notebook: Path, say: Say) -> None:
        """Without the files of values the answers are the same."""
        edit(notebook, "x > 0", "x > 1")
        before = say("why", "flags")
        blobs = notebook.parent / ".nbflow" / "blobs"
        aside = notebook.parent / "aside"
        if blobs.exists():
            blobs.rename(aside)
        try:
            assert say("why", "flags") == before
        finally:
            if aside.exists():
                aside.rename(blobs)


def _all_files(folder: Path) -> dict[str, tuple[bytes, int]]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


@pytest.mark.process
class TestStatus:
    """A line a task: stale, or unknown."""

    def test_after_a_run(self, say: Say) -> None:
        """Nothing is called up to date; what failed would run again."""
        said = say("status")
        assert with_verdict(said, "unknown") == {"raw", "clean", "flags", "other", "total"}
        assert with_verdict(said, "registered") == {"lone"}
        assert "fresh" not in said
        assert "up to date" not in said
        assert "stale       Failed" in lines_of(said)["broken"]
        assert "too large" in lines_of(said)["broken"]
        assert said.startswith("nb.ipynb · as of run #")

    def test_what_is_not_compared(self, say: Say) -> None:
        """Packages are a kernel's own."""
        assert "not compared: package nbflow" in lines_of(say("status"))["flags"]

    @pytest.mark.parametrize(
        ("before", "after", "stale"),
        [
            ("# all of it", "# all of it, as it is", set[str]()),
            ("[x for x in raw if x > 0]", "[x for x in raw\n         if x > 0]", set[str]()),
            ("x > 0", "x > 1", {"clean", "flags", "total"}),
            ("LATE = 15", "LATE = 16", {"flags", "total"}),
            ("x // 2", "x // 3", {"flags", "total"}),
            ("x * 2", "x * 3", {"other", "total", "broken"}),
            ("import json", "import json\nimport math", set[str]()),
            ("flags + other", "flags - other", {"total"}),
            ("%%task raw", "%%task rows", set[str]()),
            ("%%task raw", "#@task raw --retries 2", set[str]()),
        ],
    )
    def test_an_edit(self, notebook: Path, say: Say, before: str, after: str, stale: set[str]) -> None:
        """It counts for what it changes, and for what reads from that."""
        edit(notebook, before, after)
        assert with_verdict(say("status"), "stale") - {"broken"} == stale - {"broken"}

    def test_what_was_edited_above(self, notebook: Path, say: Say) -> None:
        """Values and definitions are told themselves."""
        edit(notebook, "LATE = 15", "LATE = 16")
        assert lines_of(say("status"))["flags"].endswith("LATE changed: 15 → 16 (params)")
        edit(notebook, "x // 2", "x // 3")
        assert "code of half changed" in lines_of(say("status"))["flags"]
        assert does(say("plan", "flags"))["flags"] == "runs"
        assert "line 1 of params changed: LATE = 15 → LATE = 16" in say("why", "flags")

    def test_a_file(self, notebook: Path, say: Say) -> None:
        """One that was read is another, or gone."""
        (notebook.parent / "data.json").write_text("[3, -1, 4, 5]")
        said = say("status", "raw", "other")
        assert lines_of(said)["raw"].endswith("data.json changed")
        assert with_verdict(said, "unknown") == {"other"}
        (notebook.parent / "data.json").unlink()
        assert lines_of(say("status"))["raw"].endswith("data.json is gone")

    def test_a_written_file(self, notebook: Path, say: Say) -> None:
        """Whoever wrote it is stale, and who reads from that."""
        (notebook.parent / "out.txt").unlink()
        said = lines_of(say("status"))
        assert said["clean"].endswith("out.txt is missing")
        assert said["flags"].endswith("upstream clean is stale")

    def test_a_module(self, notebook: Path, say: Say) -> None:
        """By its file, without importing it."""
        (notebook.parent / "mine.py").write_text("def scale(x):\n    return 11 * x\n")
        assert with_verdict(say("status"), "stale") >= {"other", "total"}
        assert "module mine changed" in say("why", "other") or "return 11 * x" in say("why", "other")

    def test_a_new_cell(self, notebook: Path, say: Say) -> None:
        """It never ran."""
        notebook_of(notebook, *SOURCES, "#@task newer\nnewer = total()")
        assert re.search("newer +stale +never ran", say("status"))

    def test_a_cell_that_is_gone(self, notebook: Path, say: Say) -> None:
        """Who reads what it made has nothing to read."""
        content = json.loads(notebook.read_text())
        del content["cells"][3]
        notebook.write_text(json.dumps(content))
        assert with_verdict(say("status"), "stale") >= {"clean", "flags", "total"}

    def test_a_cell_that_is_not_python(self, notebook: Path, say: Say) -> None:
        """It is named with its line, and what reads from it is stale."""
        edit(notebook, "sum(clean)", "sum(clean")
        said = say("status")
        assert "not Python: '(' was never closed, line 2" in lines_of(said)["flags"]
        assert with_verdict(said, "stale") == {"flags", "total", "broken"}
        assert does(say("plan"))["flags"] == "fails"

    def test_a_plain_cell_that_is_not_python(self, notebook: Path, say: Say) -> None:
        """It is told in a note."""
        edit(notebook, "OTHER = 3", "OTHER = = 3")
        assert "note: cell `OTHER = = 3` is not Python: invalid syntax, line 1" in say("status")

    def test_a_notebook_without_identifiers(self, notebook: Path, say: Say) -> None:
        """Its cells are known by their sources."""
        content = json.loads(notebook.read_text())
        for cell in content["cells"]:
            del cell["id"]
        notebook.write_text(json.dumps(content))
        assert with_verdict(say("status"), "unknown") == {"raw", "clean", "flags", "other", "total"}


@pytest.mark.process
class TestPlan:
    """What a run would do at least."""

    def test_certain_and_uncertain(self, notebook: Path, say: Say) -> None:
        """What is edited runs; what reads from it may come out equal."""
        edit(notebook, "x > 0", "x > 1")
        said = say("plan")
        assert does(said) == {
            **dict.fromkeys(("raw", "flags", "other", "total"), "may run"),
            **dict.fromkeys(("clean", "broken"), "runs"),
        }
        assert " · 2 tasks run, about " in said.splitlines()[0]
        assert said.splitlines()[0].endswith(" · 4 may run")

    def test_of_some_tasks(self, say: Say) -> None:
        """With what they need."""
        assert set(does(say("plan", "flags"))) == {"raw", "clean", "flags"}

    def test_what_waits(self, notebook: Path, say: Say) -> None:
        """A task that only a person starts, and what reads from it."""
        edit(notebook, "#@task clean", "#@task clean --manual")
        planned = does(say("plan"))
        assert {name for name, does in planned.items() if does == "waits"} == {"clean", "flags", "total"}

    def test_an_earlier_result(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is edited back may find the result from before."""
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "state"))
        notebook = tmp_path / "nb.ipynb"
        for source in ("#@task one\none = 1", "#@task one\none = 2"):
            assert nbflow_run(notebook_of(notebook, source)).returncode == 0
        for source, planned in (("one = 1", "may run"), ("one = 3", "runs")):
            notebook_of(notebook, f"#@task one\n{source}")
            assert main(["plan", str(notebook)]) == 0
            assert does(capsys.readouterr().out) == {"one": planned}


@pytest.mark.process
class TestWhy:
    """Causes, root cause first, and what changed in code."""

    def test_of_one_above(self, notebook: Path, say: Say) -> None:
        """The line that changed above comes first, with the difference."""
        edit(notebook, "x > 0", "x > 1")
        first, why, *rest = say("why", "flags").splitlines()
        assert first.startswith("flags: stale · as of run #")
        assert why.startswith("  why     line 1 of clean changed")
        assert "          upstream clean is stale" in rest
        assert "  +clean = [x for x in raw if x > 1]" in rest

    def test_of_a_function(self, notebook: Path, say: Say) -> None:
        """Its own code is told once."""
        edit(notebook, "flags + other", "flags - other")
        said = say("why", "total")
        assert said.count("+    return flags - other") == 1
        assert "line 3 of total changed" in said

    def test_of_what_is_unknown(self, notebook: Path, say: Say) -> None:
        """It says what was compared, what was not, and how to know."""
        said = say("why", "raw")
        assert said.startswith("raw: unknown · as of run #")
        assert "source and files as in its last run" in said
        assert "not compared: package nbflow" in said
        assert f"`nbflow run {notebook}`" in said

    def test_without_a_name(self, notebook: Path, say: Say) -> None:
        """The first that is stale."""
        assert say("why").startswith("broken: stale")


@pytest.mark.process
class TestHistory:
    """The runs, as `%flow history` lists them."""

    def test_of_all_and_of_one(self, say: Say) -> None:
        """Newest first."""
        said = say("history")
        assert [name for name in TASKS if name in said] == [name for name in TASKS if name != "lone"]
        assert "broken" not in say("history", "raw")


class TestUsage:
    """What cannot be answered is an error of one line, with exit code 2."""

    def refused(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """The line that says why."""
        assert main(arguments) == 2
        said = capsys.readouterr()
        assert said.out == ""
        (line,) = said.err.splitlines()
        return line

    def test_no_notebook(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Or something else."""
        assert "there is no notebook" in self.refused(capsys, "status", str(tmp_path / "gone.ipynb"))
        (tmp_path / "x.ipynb").write_text("x")
        assert "is no notebook" in self.refused(capsys, "plan", str(tmp_path / "x.ipynb"))

    def test_no_store(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """None is made."""
        notebook = notebook_of(tmp_path / "nb.ipynb", *SOURCES)
        assert "has no store yet" in self.refused(capsys, "status", str(notebook))
        assert [path.name for path in tmp_path.iterdir()] == ["nb.ipynb"]

    @pytest.mark.process
    def test_no_such_task(self, notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The nearest name is offered."""
        for what in ("status", "plan", "why", "history"):
            assert "did you mean 'clean'?" in self.refused(capsys, what, str(notebook), "claen")

    @pytest.mark.process
    def test_a_store_that_cannot_be_read(
        self, notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A damaged one, or one that a newer nbflow has written; it stays as it is."""
        other = shutil.copytree(notebook.parent, tmp_path / "copy") / "nb.ipynb"
        index = other.parent / ".nbflow" / "index" / "cache.db"
        index.write_bytes(b"rotten " * 1_000)
        assert "cannot be read: the cache's index was damaged" in self.refused(capsys, "status", str(other))
        assert index.read_bytes() == b"rotten " * 1_000
        (other.parent / ".nbflow" / "format").write_text("nbflow store 99\n")
        said = self.refused(capsys, "status", str(other))
        assert "was written by a newer nbflow" in said
        assert "kept in memory" not in said

    @pytest.mark.process
    def test_no_key(
        self, notebook: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """None is made."""
        state = notebook.parent / "other state"
        monkeypatch.setenv("NBFLOW_STATE", str(state))
        assert "there is no key to check" in self.refused(capsys, "status", str(notebook))
        assert not state.exists()
