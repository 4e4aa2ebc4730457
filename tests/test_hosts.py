"""One notebook in every host: JupyterLab, nbclient, terminal IPython and `nbflow run`."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pexpect
import pytest

from tests.headless import nbflow_run, notebook_of, parts_of, shown_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab import Lab, Notebook

LOAD, LIMIT, RAW, LATE, TABLE, SHARE, FLOW = range(7)
CELLS = (
    "%load_ext nbflow",
    "LIMIT = 15",
    "%%task raw\nraw = [3, 20, 16, 45]\nprint(len(raw), 'flights')",
    "# @task late\nlate = [delay for delay in raw if delay > LIMIT]\nlate",
    "#@task table\nimport pandas as pd\ntable = pd.DataFrame({'late': late})\ntable",
    "print(f'{len(late) / len(raw):.0%} of {len(raw)} are late, {table.late.sum()} minutes in all')",
    "%flow",
)
TASKS = (RAW, LATE, TABLE)
SHOWN = {
    "c0": "",
    "c1": "",
    "c2": "4 flights",
    "c3": "[20, 16, 45]",
    "c4": "   late\n0    20\n1    16\n2    45".strip(),
    "c5": "75% of 4 are late, 81 minutes in all",
    "c6": "",
}
BY_NBCLIENT = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=120).execute(cwd=sys.argv[3])
nbformat.write(notebook, sys.argv[2])
"""
PASTE = "\x1b[200~{}\x1b[201~"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """The notebook, in a folder of its own."""
    return notebook_of(tmp_path / "nb.ipynb", *CELLS)


@pytest.mark.process
class TestWithoutAFrontEnd:
    """nbclient and `nbflow run`."""

    def test_nbflow_run(self, notebook: Path) -> None:
        """First it computes, then it reuses, and shows the same."""
        for number, word in enumerate(("ran", "reused")):
            executed = notebook.parent / f"{number}.ipynb"
            done = nbflow_run(notebook, "--output", str(executed))
            assert parts_of(done.stdout) == [dict.fromkeys(("raw", "late", "table"), word)], done.stdout
            assert shown_in(executed) == SHOWN

    def test_nbclient(self, notebook: Path) -> None:
        """Who knows nothing of nbflow executes the notebook as any other, and nobody is asked anything."""
        state = {"NBFLOW_STATE": str(notebook.parent / "state"), "IPYTHONDIR": str(notebook.parent / "ipy")}
        for number in range(2):
            executed = notebook.parent / f"{number}.ipynb"
            command = [sys.executable, "-c", BY_NBCLIENT, str(notebook), str(executed), str(notebook.parent)]
            subprocess.run(command, check=True, env={**os.environ, **state}, capture_output=True)
            assert shown_in(executed) == SHOWN
        assert "reused from run" in executed.read_text()


class Terminal:
    """IPython in a terminal, in a folder."""

    def __init__(self, folder: Path) -> None:
        places = {"IPYTHONDIR": str(folder / "ipython"), "NBFLOW_STATE": str(folder / "state")}
        plain = {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "dumb" if os.name == "nt" else "xterm"}
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor"],
            cwd=str(folder),
            env={**os.environ, **places, **plain},
            encoding="utf-8",
            timeout=60,
            dimensions=(200, 160),
        )
        self._number = 0
        self.has_colours = False
        self._wait()

    def _wait(self) -> str:
        self._number += 1
        self._child.expect(rf"In \[[^\d]*{self._number}[^\d]*\]:")
        shown = str(self._child.before)
        self.has_colours |= "\x1b[32mfresh\x1b[0m" in shown
        return re.sub(r"\x1b\[\d*m", "", shown)

    def run(self, cell: str) -> str:
        """Paste a cell, run it, and return what the terminal shows until the next prompt."""
        self._child.send(PASTE.format(cell))
        self._child.send("\x1b\r")
        return self._wait()

    def close(self) -> None:
        """Leave."""
        self._child.sendeof()
        self._child.expect(pexpect.EOF)
        self._child.close()


@pytest.mark.process
@pytest.mark.filterwarnings("ignore:.*forkpty:DeprecationWarning")
class TestTerminal:
    """IPython in a terminal: cells are typed, and there is no notebook file."""

    def test_values_and_badges(self, tmp_path: Path) -> None:
        """Text instead of pages; in the next session results are reused."""
        for word in ("ran in", "reused from run"):
            terminal = Terminal(tmp_path)
            said = {place: terminal.run(cell) for place, cell in enumerate(CELLS)}
            values = terminal.run("print('VALUES', [raw, late, table.late.tolist()], 'END')")
            terminal.close()
            assert "4 flights" in said[RAW]
            assert "[20, 16, 45]" in said[LATE]
            assert SHOWN["c5"] in said[SHARE]
            assert "3 fresh" in said[FLOW]
            assert terminal.has_colours
            for place, name in zip(TASKS, ("raw", "late", "table"), strict=True):
                assert f"{name}: fresh · {word}" in said[place]
            shown = values.partition("VALUES [")[2].partition(" END")[0]
            assert ast.literal_eval("[" + shown) == [[3, 20, 16, 45], [20, 16, 45], [20, 16, 45]]


@pytest.fixture
def opened(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Notebook]:
    """The notebook, opened in JupyterLab; nothing went wrong, and nothing left the machine."""
    folder = lab.folder / request.node.name
    folder.mkdir()
    with lab.opened(notebook_of(folder / "nb.ipynb", *CELLS)) as notebook:
        yield notebook
        assert notebook.errors == []
        assert notebook.requested - {lab.url.removeprefix("http://"), ""} == set()


@pytest.mark.browser
@pytest.mark.process
class TestJupyterLab:
    """In the browser."""

    def test_values_badges_and_graph(self, opened: Notebook) -> None:
        """As in every other host, with a badge below each task, and the flow as a graph."""
        opened.run_all()
        for place, name in zip(TASKS, ("raw", "late", "table"), strict=True):
            badge = opened.badge(place)
            badge.wait_for()
            assert badge.count() == 1
            assert badge.inner_text().split()[:2] == [name, "fresh"]
        graph = opened.cell(FLOW).locator(".nbf-flow svg.graph")
        graph.wait_for()
        assert all(name in graph.text_content() for name in ("raw", "late", "table"))
        static = opened.cell(FLOW).locator("svg.nbf-g").first
        assert all(name in static.text_content() for name in ("raw", "late", "table"))
        opened.save()
        assert shown_in(opened.path) == SHOWN

    def test_badges_follow_an_edit(self, opened: Notebook) -> None:
        """Below cells that do not run: stale after an edit above, fresh again after `%flow run`."""
        opened.run_all()
        opened.run(LIMIT, "LIMIT = 18")
        for place in (LATE, TABLE):
            opened.badge(place).get_by_text("stale", exact=True).wait_for()
        assert "fresh" in opened.badge(RAW).inner_text()
        assert "LIMIT changed: 15 → 18" in opened.badge(LATE).text_content()
        opened.run(FLOW, "%flow run")
        for place in (LATE, TABLE):
            opened.badge(place).get_by_text("fresh", exact=True).wait_for()
        assert "run this cell to show run" in opened.badge(LATE).text_content()
        assert "2 tasks ran" in opened.cell(FLOW).inner_text()
        opened.run(LATE)
        assert "[20, 45]" in opened.cell(LATE).inner_text()

    def test_after_a_restart_all_is_reused(self, opened: Notebook) -> None:
        """Nothing computes again, and everything is shown again."""
        opened.run_all()
        opened.save()
        opened.restart_and_run_all()
        for place in TASKS:
            opened.badge(place).get_by_text("reused from run").wait_for()
        opened.save()
        assert shown_in(opened.path) == SHOWN

    def test_ctrl_c_while_a_cell_awaits(self, tmp_path: Path) -> None:
        """It ends that cell; those below it are followed as before."""
        press = "loop.call_soon(os.kill, os.getpid(), signal.SIGINT)"
        terminal = Terminal(tmp_path)
        terminal.run("%load_ext nbflow")
        terminal.run("import asyncio, os, signal")
        said = terminal.run(f"loop = asyncio.get_running_loop()\nn = 1; {press}\nawait asyncio.sleep(600)")
        assert "KeyboardInterrupt" in said
        assert "reader: waits" in terminal.run("%%task reader\nreader = n")
        assert "was stopped" in terminal.run("%flow why reader")
        terminal.close()
