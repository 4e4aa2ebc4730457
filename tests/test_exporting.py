"""Where an export goes, and which cells are in it: from a notebook, a session, and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.cli import main
from nbflow.exceptions import ExportError, OptionError, SessionError
from nbflow.notebook.exporting import export_notebook
from tests.headless import notebook_of
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CELLS = {
    "load": "%load_ext nbflow",
    "params": "# @params\nN = 2  # how many",
    "helper": "def half(x):\n    return x / N",
    "raw": "# @task raw --retries 1\nraw = [4, 6]",
    "halves": "# @task\nhalves = [half(x) for x in raw]\nprint(halves)",
}


def printed(path: Path) -> str:
    """What a module prints when it is run in its folder."""
    command = [sys.executable, path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


class TestFile:
    """What is written, and what is never lost."""

    @pytest.fixture
    def notebook(self, tmp_path: Path) -> Path:
        """The cells above in a file."""
        return notebook_of(tmp_path / "nb.ipynb", *CELLS.values())

    def test_beside_the_notebook(self, notebook: Path) -> None:
        """Under its name, where nothing else is said; it runs, and says what it is."""
        assert export_notebook(notebook).endswith("nb.py: 2 tasks, main(N)")
        assert printed(notebook.with_suffix(".py")) == "[2.0, 3.0]\n"
        assert [path.name for path in notebook.parent.iterdir() if path.suffix == ".tmp"] == []

    def test_an_export_is_replaced(self, notebook: Path) -> None:
        """As long as nobody has edited it."""
        export_notebook(notebook)
        notebook_of(notebook, *CELLS.values(), "print('more')")
        export_notebook(notebook)
        assert "more" in notebook.with_suffix(".py").read_text()

    @pytest.mark.parametrize("text", ["x = 1\n", None, "\xff"])
    def test_what_people_have_written_is_not(self, notebook: Path, text: str | None) -> None:
        """A file of theirs, or an export that they have edited, takes `--force`."""
        path = notebook.with_suffix(".py")
        export_notebook(notebook)
        path.write_text(text or path.read_text().replace("raw", "rough"), encoding="latin-1")
        before = path.read_bytes()
        with pytest.raises(SessionError, match="was not exported by nbflow, or was edited since; --force"):
            export_notebook(notebook)
        assert path.read_bytes() == before
        export_notebook(notebook, force=True)
        assert "rough" not in path.read_text()

    def test_an_error_leaves_the_file_alone(self, notebook: Path) -> None:
        """Nothing is half-written."""
        export_notebook(notebook)
        before = notebook.with_suffix(".py").read_text()
        notebook_of(notebook, *CELLS.values(), "if (")
        with pytest.raises(ExportError, match="cell `if \\(` is no Python, line 1"):
            export_notebook(notebook, force=True)
        assert notebook.with_suffix(".py").read_text() == before

    def test_no_place_for_it(self, notebook: Path, tmp_path: Path) -> None:
        """A name that is none of a Python file, and a folder that is not there."""
        with pytest.raises(OptionError, match="is no Python file; write a name that ends in"):
            export_notebook(notebook, tmp_path / "nb.ipynb")
        with pytest.raises(SessionError, match="there is no folder"):
            export_notebook(notebook, tmp_path / "away" / "nb.py")
        (tmp_path / "folder.py").mkdir()
        with pytest.raises(SessionError, match="is a folder"):
            export_notebook(notebook, tmp_path / "folder.py")

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "there is no notebook"),
            ("{", "is no notebook"),
            ("{}", "no cells"),
            ('{"cells": []}', "no code"),
        ],
    )
    def test_no_notebook(self, tmp_path: Path, content: str | None, said: str) -> None:
        """One line says what is wrong with the file."""
        path = tmp_path / "nb.ipynb"
        if content is not None:
            path.write_text(content)
        with pytest.raises(SessionError, match=said):
            export_notebook(path)

    def test_names_of_tasks(self, tmp_path: Path) -> None:
        """As a run from top to bottom gives them."""
        cells = ("# @task\nraw = 1", "# @task\nraw = raw + 1", "# @task late\na = raw", "# @task late\nb = a")
        export_notebook(notebook_of(tmp_path / "nb.ipynb", *cells))
        text = (tmp_path / "nb.py").read_text()
        assert 'name="raw"' in text
        assert "def raw_2(" in text
        assert "def late_2(" in text
        assert "def late(" in text


class TestCommandLine:
    """`nbflow export`."""

    def test_it_tells_what_it_wrote(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A line with the file, and one for each thing that is not as in the notebook."""
        notebook = notebook_of(tmp_path / "nb.ipynb", *CELLS.values(), "!ls")
        assert main(["export", str(notebook), str(tmp_path / "flow.py")]) == 0
        assert capsys.readouterr().out.splitlines() == [
            f"{tmp_path / 'flow.py'}: 2 tasks, main(N)",
            "  cell `!ls`: `!ls` is a comment now",
        ]

    def test_an_error(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """One line, and the exit code of wrong usage."""
        notebook = notebook_of(tmp_path / "nb.ipynb", "# @task a --nonsense\na = 1")
        assert main(["export", str(notebook)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("nbflow: cell `a = 1`: unknown option '--nonsense'")
        assert said.count("\n") == 1
        assert not (tmp_path / "nb.py").exists()


@pytest.mark.process
class TestSession:
    """`%flow export` and `session().export`."""

    @pytest.fixture
    def kernel(self, tmp_path: Path) -> Iterator[Kernel]:
        """A kernel with the cells above, saved and run, below one that ran before nbflow was loaded."""
        with Kernel(tmp_path) as kernel:
            kernel.set(imports="import math", **CELLS)
            kernel.set(area="# @task\narea = math.floor(sum(halves))\narea")
            kernel.save()
            assert {shown.error for shown in kernel.run_all()} == {""}
            yield kernel

    def test_the_cells_as_they_ran(self, kernel: Kernel, tmp_path: Path) -> None:
        """In flow order; edits that did not run do not count, and cells that did not are named."""
        kernel.set(raw="# @task raw\nraw = [40]", new="print('new')")
        kernel.save()
        said = kernel.execute("%flow export flow.py")
        assert said.error == ""
        assert said.text.splitlines() == [
            "flow.py: 3 tasks, main(N)",
            "  a module shows nothing by the last line of a cell, print it: area",
            "  left out: 1 cell that did not run in this kernel",
        ]
        text = (tmp_path / "flow.py").read_text()
        assert "import math" in text
        assert "raw = [4, 6]" in text
        assert '@task(name="raw", retries=1)' in text
        assert printed(tmp_path / "flow.py") == "[2.0, 3.0]\n"

    def test_task_functions(self, kernel: Kernel, tmp_path: Path) -> None:
        """One runs if somebody has asked for its value, by its name as well."""
        made = "from nbflow import task\n\n@task\ndef {name}(raw):\n    print('{name}', raw)"
        kernel.set(asked=made.format(name="asked"), never=made.format(name="never"))
        kernel.set(exports="%flow run asked\n%flow export flow.py")
        assert {kernel.run(id).error for id in ("asked", "never", "exports")} == {""}
        assert printed(tmp_path / "flow.py") == "[2.0, 3.0]\nasked [4, 6]\n"

    def test_after_a_restart(self, kernel: Kernel, tmp_path: Path) -> None:
        """What is remembered is in it; a loaded nbflow is enough."""
        kernel.restart()
        assert kernel.run("load").error == ""
        assert kernel.execute("%flow export flow.py").error == ""
        assert printed(tmp_path / "flow.py") == "[2.0, 3.0]\n"

    def test_from_python(self, kernel: Kernel, tmp_path: Path) -> None:
        """The same, and an error in one line."""
        assert kernel.execute("import nbflow\nnbflow.session().export('flow.py')").error == ""
        (tmp_path / "flow.py").write_text("mine = 1")
        said = kernel.execute("%flow export flow.py")
        assert "flow.py was not exported by nbflow, or was edited since" in said.error
        assert (tmp_path / "flow.py").read_text() == "mine = 1"
        assert kernel.execute("nbflow.session().export('flow.py', force=True)").error == ""
        assert json.dumps("name the file: %flow export FILE.py")[1:-1] in kernel.execute("%flow export").error
