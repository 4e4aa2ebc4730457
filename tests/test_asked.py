"""What bodies ask the file system without opening anything."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from nbflow.store.asked import ANSWERS, PRESENCE, STAT, AskedKind
from nbflow.store.files import Files
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two files, of which `b` is the newer one."""
    monkeypatch.chdir(tmp_path)
    for at, name in enumerate(("a.log", "b.log")):
        (tmp_path / name).write_text("text")
        os.utime(tmp_path / name, (1_000 + at, 1_000 + at))
    return tmp_path


def asking(source: str) -> tuple[Notebook, str]:
    """A notebook with a task that has run twice: the second time it was reused."""
    notebook = Notebook()
    notebook.add("import os, glob\nfrom pathlib import Path\nname = 'c'\nlog = 'log'", plain=True)
    task = notebook.add(source)
    notebook.run_all()
    notebook.run_all()
    assert (notebook.verdict(task).value, notebook.log.count(task)) == ("fresh", 1)
    return notebook, task


def told(process: subprocess.Popen[bytes]) -> None:
    """Let another process do what it is to do, and wait until it is done."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    process.stdout.readline()


class TestQuestions:
    """Who asks for a path depends on the answer."""

    @pytest.mark.parametrize(
        "source",
        [
            "found = os.path.exists(name + chr(46) + log)",
            "found = os.path.isfile(name + chr(46) + log)",
            "found = Path(name + chr(46) + log).exists()",
            "found = os.access(name + chr(46) + log, os.R_OK)",
        ],
    )
    def test_what_was_missed_appears(self, folder: Path, source: str) -> None:
        """Be its name computed: no text and no event names it."""
        notebook, task = asking(source)
        (folder / "c.log").touch()
        cause = notebook.judgement(task).causes[0]
        assert (cause.category, cause.before, cause.after) == ("presence", "not there", "file")
        notebook.flow()
        assert notebook.verdict(task).value == "fresh"

    @pytest.mark.parametrize(
        "source",
        [
            "newest = max(glob.glob('*.log'), key=os.path.getmtime)",
            "newest = max(Path('.').glob('*.log'), key=lambda path: path.stat().st_mtime).name",
            "newest = max((os.stat(path).st_mtime, path) for path in glob.glob('*.log'))[1]",
        ],
    )
    def test_the_newest_file_becomes_another_one(self, folder: Path, source: str) -> None:
        """Times count where somebody asks for them."""
        notebook, task = asking(source)
        assert notebook.names["newest"] == "b.log"
        os.utime(folder / "a.log", (2_000, 2_000))
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["newest"] == "a.log"

    @pytest.mark.parametrize(
        "source",
        [
            "found = os.path.realpath(name + chr(46) + log)",
            "found = str(Path(name + chr(46) + log).resolve())",
            "found = os.path.islink(name + chr(46) + log)",
            "found = [each for each in ['a', name] if os.path.lexists(each + chr(46) + log)]",
            "found = os.readlink(name + chr(46) + log) if os.path.islink(name + chr(46) + log) else ''",
        ],
    )
    def test_a_link_leads_elsewhere(self, folder: Path, source: str) -> None:
        """Whether it is one counts, and where it leads, not only what is there."""
        notebook, task = asking(source)
        (folder / "c.log").symlink_to("a.log")
        cause = notebook.judgement(task).causes[0]
        assert (cause.category, cause.before, cause.after) == ("target", "not there", "link to a.log")
        notebook.flow()
        (folder / "c.log").unlink()
        (folder / "c.log").symlink_to("b.log")
        assert notebook.verdict(task).value == "stale"

    def test_times_that_nobody_asks_for_do_not_count(self, folder: Path) -> None:
        """Whether a file is there stays the same when it is touched."""
        notebook, task = asking("found = os.path.exists('a' + chr(46) + log)")
        os.utime(folder / "a.log", (2_000, 2_000))
        assert notebook.verdict(task).value == "fresh"

    def test_plain_cells_ask_as_well(self, folder: Path) -> None:
        """What reads their names is then not up to date."""
        notebook = Notebook()
        notebook.add("import os\nfound = os.path.exists('c' + chr(46) + 'log')", plain=True)
        task = notebook.add("answer = found")
        notebook.run_all()
        (folder / "c.log").touch()
        assert notebook.verdict(task).value == "stale"


class TestSomebodyElse:
    """What others make while a body runs."""

    @pytest.mark.parametrize(
        ("made", "act"),
        [("file", "open('c.log', 'x').close()"), ("folder", "__import__('os').mkdir('c.log')")],
    )
    def test_what_appears_after_the_question(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, made: str, act: str
    ) -> None:
        """The body was told that it is not there, so that its result is not up to date."""
        other = f"input(); {act}; print()"
        with subprocess.Popen([sys.executable, "-c", other], stdin=PIPE, stdout=PIPE, cwd=folder) as process:
            monkeypatch.setattr(shutil, "meanwhile", lambda: told(process), raising=False)
            notebook = Notebook()
            notebook.add("import os, shutil\nname = 'c'", plain=True)
            task = notebook.add("found = os.path.exists(name + chr(46) + 'log')\nshutil.meanwhile()")
            notebook.run_all()
        cause = notebook.judgement(task).causes[0]
        assert (cause.category, cause.before, cause.after) == ("presence", "not there", made)


class TestOwnDoing:
    """What a body makes itself does not make it stale."""

    @pytest.mark.parametrize(
        "source",
        [
            "out = Path('o' + name)\nif not out.exists(): out.mkdir()\nready = True",
            "os.makedirs(name + chr(47) + name, exist_ok=True)\nready = os.path.isdir(name)",
        ],
    )
    @pytest.mark.usefixtures("folder")
    def test_folders(self, source: str) -> None:
        """It asked before it made them."""
        notebook = Notebook()
        notebook.add("import os\nfrom pathlib import Path\nname = 'c'", plain=True)
        task = notebook.add(source)
        notebook.run_all()
        assert notebook.verdict(task).value == "fresh"

    @pytest.mark.usefixtures("folder")
    def test_what_libraries_ask_is_nobodys_input(self) -> None:
        """They look for their settings, and whether sources have changed."""
        notebook = Notebook()
        task = notebook.add("import shutil\nsize = shutil.disk_usage('a' + chr(46) + 'log').total > 0")
        notebook.run_all()
        trace = notebook.step(task).trace
        assert trace is not None
        assert not [entry for entry in trace.entries if entry.looked.slot.kind in ANSWERS]


class TestFunctions:
    """The functions of `os` stay what they are."""

    def test_they_answer_and_fail_as_before(self, folder: Path) -> None:
        """Also by descriptor, and relative to a folder."""
        Files().watch().__enter__().__exit__(None, None, None)
        handle = os.open(folder, os.O_RDONLY)
        assert os.stat("a.log", dir_fd=handle).st_size == os.lstat(folder / "a.log").st_size == 4
        assert os.stat(handle).st_mode
        os.close(handle)
        with pytest.raises(FileNotFoundError):
            os.stat(folder / "none")
        assert not os.access(folder / "none", os.R_OK)
        assert os.stat in os.supports_dir_fd
        assert os.stat.__name__ == "stat"
        assert pickle.loads(pickle.dumps(os.stat)) is os.stat
        shutil.rmtree(folder)
        assert not folder.exists()

    @pytest.mark.usefixtures("folder")
    def test_their_errors_show_the_lines_of_who_asked(self) -> None:
        """None of ours below them."""
        asking("try: at = os.stat('nowhere').st_size\nexcept OSError: at = None")
        with pytest.raises(FileNotFoundError) as missed:
            os.stat("nowhere")
        assert [str(part.path) for part in missed.traceback] == [__file__]


class TestKinds:
    """What the slots say."""

    def test_they_tell_what_is_there(self, folder: Path) -> None:
        """Of nothing, of a file and of a folder."""
        presence, stat = AskedKind(PRESENCE), AskedKind(STAT)
        paths = (str(folder / "none"), str(folder / "a.log"), str(folder))
        assert [presence.now(path) for path in paths] == ["absent", "file", "folder"]
        assert [presence.show(path) for path in paths] == ["not there", "file", "folder"]
        assert stat.now(paths[0]) == "absent"
        assert "4 B" in stat.show(paths[1])
