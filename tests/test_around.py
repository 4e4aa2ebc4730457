"""What programs write around the body that starts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.store.around import MOST_ENTRIES
from tests.cells import change, opened, values, verdicts
from tests.kernels import Kernel

if TYPE_CHECKING:
    from pathlib import Path

RUN = "import subprocess\nsubprocess.run(['sh', 'run.sh', str(k)], check=True)"
"""A body that has a program run, whose command names none of the files that it writes."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestWritten:
    """Files that a program has made, changed or removed are outputs of the body that started it."""

    def test_a_new_file(self, folder: Path) -> None:
        """Who reads it is below its writer, which runs again where the file is another one or gone."""
        (folder / "run.sh").write_text("mkdir -p out; echo $1 > out/f")
        notebook, cells = opened("k = 2", RUN, "with open('out/f') as file:\n    h = file.read()")
        assert verdicts(notebook) == ["fresh"] * 3
        change(notebook, cells[0], "k = 3")
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        notebook.flow()
        change(notebook, cells[0], "k = 2")
        notebook.flow()
        assert values(notebook, "h") == ["2\n"]
        (folder / "out/f").unlink()
        assert verdicts(notebook) == ["fresh", "stale", "stale"]
        notebook.flow()
        assert (folder / "out/f").read_text() == "2\n"

    def test_a_file_that_was_there(self, folder: Path) -> None:
        """Nobody knows whether the program read it before."""
        (folder / "f").write_text("0")
        (folder / "run.sh").write_text("echo $1 > f")
        notebook, _ = opened("k = 2", RUN, "with open('f') as file:\n    h = file.read()")
        assert verdicts(notebook) == ["fresh", "as of", "as of"]

    def test_a_file_that_is_gone(self, folder: Path) -> None:
        """It is to be gone."""
        (folder / "f").write_text("0")
        (folder / "run.sh").write_text("rm f")
        notebook, _ = opened("k = 2", RUN)
        (folder / "f").write_text("0")
        assert verdicts(notebook) == ["fresh", "stale"]

    @pytest.mark.process
    def test_a_writer_of_an_earlier_kernel(self, folder: Path) -> None:
        """What it wrote then it may write again: who reads that waits for it."""
        (folder / "run.sh").write_text("echo $1 > f")
        with Kernel(folder) as kernel:
            kernel.begin(
                ext="%load_ext nbflow",
                k="k = 2",
                a=f"#@task a\n{RUN}",
                b="#@task b\nwith open('f') as file:\n    b = file.read()",
            )
            kernel.restart()
            kernel.run("ext")
            kernel.run("k", "k = 3")
            assert "b: waits" in kernel.run("b").text


class TestLeftAlone:
    """What is not the program's."""

    def test_without_a_program(self, folder: Path) -> None:
        """Nobody looks around."""
        notebook, _ = opened("k = 2", "import ctypes\nctypes.CDLL(None).system(b'echo 1 > f')\nh = k")
        (folder / "f").write_text("0")
        assert verdicts(notebook) == ["fresh"] * 2

    def test_hidden_files_and_notebooks(self, folder: Path) -> None:
        """They are tools' own; notebooks are saved while they run."""
        paths = (".git/index", "__pycache__/m.pyc", "n.ipynb")
        (folder / "run.sh").write_text(
            "mkdir .git __pycache__;" + "".join(f"echo 1 > {each};" for each in paths)
        )
        notebook, _ = opened("k = 2", RUN)
        for path in paths:
            assert (folder / path).exists()
            (folder / path).write_text("2")
        assert verdicts(notebook) == ["fresh"] * 2

    def test_a_folder_with_too_much_in_it(self, folder: Path) -> None:
        """Looking at all of it would take longer than most programs."""
        for number in range(MOST_ENTRIES + 1):
            (folder / str(number)).touch()
        (folder / "run.sh").write_text("echo $1 > f")
        notebook, _ = opened("k = 2", RUN)
        (folder / "f").unlink()
        assert verdicts(notebook) == ["fresh"] * 2
