"""Environment variables that code asks for in ways that no text tells."""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING

import pytest

from nbflow.analysis.environment import WHOLE
from nbflow.store.files import Files
from nbflow.testing import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONF = """
import os

REGION = os.environ.get("NBV_REGION", "none")


def of(name):
    return os.environ.get("NBV_" + name, "none")


def every():
    return dict(os.environ)
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module of the user's own, and none of the variables set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # pyright: ignore[reportUnknownMemberType]
    for name in ("REGION", "LEVEL"):
        monkeypatch.delenv(f"NBV_{name}", raising=False)
    (tmp_path / "nbv_conf.py").write_text(CONF)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("nbv_")]:
        del sys.modules[name]


def notebook_of(*sources: str, **plain: str) -> tuple[Notebook, list[str]]:
    """A notebook with these tasks, behind plain cells, after Run All."""
    notebook = Notebook()
    for source in plain.values():
        notebook.add(source, plain=True)
    tasks = [notebook.add(source) for source in sources]
    notebook.run_all()
    return notebook, tasks


@pytest.mark.usefixtures("here")
class TestAsked:
    """A variable is an input of who asks for it, by whatever name."""

    @pytest.mark.parametrize(
        "source",
        [
            "import os\nx = os.environ.get(f'NBV_{WHAT}')",
            "import os\nx = os.environ['NBV_' + WHAT] if 'NBV_' + WHAT in os.environ else None",
            "from os import getenv\nx = getenv('_'.join(['NBV', WHAT]), 'none')",
            "import os\nx = os.path.expandvars(f'$NBV_{WHAT}')",
            "import os\nx = os.environb.get(f'NBV_{WHAT}'.encode())",
            "import nbv_conf\nx = nbv_conf.of(WHAT)",
            "from nbv_conf import of\nx = [of(each) for each in (WHAT, WHAT)]",
            "from nbv_conf import of\nx = list(map(of, [WHAT]))",
            "x = ask(WHAT)",
        ],
    )
    def test_by_a_computed_name(self, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also by a function of a module of one's own; another variable is none of its inputs."""
        notebook, (task,) = notebook_of(source, a="WHAT = 'LEVEL'", b="from nbv_conf import of as ask")
        expected = notebook.verdict(task).value
        monkeypatch.setenv("NBV_OTHER", "eu")
        assert notebook.verdict(task).value == expected
        before = notebook.names["x"]
        monkeypatch.setenv("NBV_LEVEL", "3")
        assert notebook.verdict(task).value == "stale"
        assert ("environment", "NBV_LEVEL") in {
            (cause.category, cause.subject) for cause in notebook.why(task)
        }
        notebook.flow()
        assert notebook.names["x"] != before

    def test_only_what_was_asked_for_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The value is compared, so that the old one finds the old result."""
        notebook, (task,) = notebook_of("from nbv_conf import of\nx = of('LEVEL')")
        monkeypatch.setenv("NBV_LEVEL", "3")
        notebook.flow()
        assert notebook.names["x"] == "3"
        monkeypatch.delenv("NBV_LEVEL")
        notebook.flow()
        assert (notebook.names["x"], notebook.log.count(task)) == ("none", 2)

    def test_all_of_them_are_no_input(self) -> None:
        """Who asks for all has a result as of its run."""
        notebook, (task,) = notebook_of("import nbv_conf\nx = 'NBV_LEVEL' in nbv_conf.every()")
        assert notebook.verdict(task).value == "as of"
        assert [cause.subject for cause in notebook.why(task)] == [WHOLE]

    def test_what_a_library_asks_for_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Libraries ask for their settings whenever they like."""
        notebook, (task,) = notebook_of("import tempfile\nx = len(tempfile._candidate_tempdir_list())")
        monkeypatch.setenv("TMPDIR", "/nowhere")
        assert notebook.verdict(task).value == "fresh"

    def test_what_the_body_set_itself_is_none(self) -> None:
        """Its own value is told by its text."""
        with Files().watch() as watch:
            os.environ["NBV_LEVEL"] = "1"
            seen = os.environ["NBV_" + "LEVEL"]
            del os.environ["NBV_LEVEL"]
        assert (seen, dict(watch.variables)) == ("1", {})

    def test_a_child_asks_for_who_started_it(self) -> None:
        """As it does of files."""
        source = (
            "from multiprocessing import get_context\nfrom nbv_conf import of\n"
            "with get_context('fork').Pool(1) as pool:\n    x = pool.map(of, ['LEVEL'])"
        )
        notebook, (task,) = notebook_of(source)
        assert notebook.verdict(task).value == "fresh"
        os.environ["NBV_LEVEL"] = "3"
        try:
            assert notebook.verdict(task).value == "stale"
        finally:
            del os.environ["NBV_LEVEL"]

    def test_an_error_looks_as_ever(self) -> None:
        """Its traceback shows no line of nbflow's."""
        with Files().watch(), pytest.raises(KeyError) as caught:
            os.environ["NBV_" + "LEVEL"]
        assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)] == [
            "test_an_error_looks_as_ever",
            "__getitem__",
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "os.environ.setdefault('NBV_' + 'LEVEL', '3')",
            "if 'NBV_' + 'LEVEL' not in os.environ:\n    os.environ['NBV_' + 'LEVEL'] = '3'",
        ],
    )
    def test_a_module_that_sets_what_it_asks_for(
        self, here: Path, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who imports it is not stale by what that did."""
        monkeypatch.setenv("NBV_LEVEL", "")
        monkeypatch.delenv("NBV_LEVEL")
        (here / "nbv_sets.py").write_text(f"import os\n{text}\n\ndef one():\n    return 1\n")
        notebook, (task,) = notebook_of("x = nbv_sets.one()", a="import nbv_sets")
        assert notebook.verdict(task).value == "fresh"
        notebook.run_all()
        assert (notebook.verdict(task).value, notebook.log.count(task)) == ("fresh", 1)

    def test_what_is_set_below_an_import(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module that is loaded knows what it was told: Python does not ask once more."""
        monkeypatch.setenv("NBV_REGION", "")
        monkeypatch.delenv("NBV_REGION")
        notebook, (task,) = notebook_of(
            "x = nbv_conf.REGION", a="import nbv_conf", b="import os\nos.environ['NBV_' + 'REGION'] = 'eu'"
        )
        assert (notebook.names["x"], notebook.verdict(task).value) == ("none", "fresh")

    def test_a_copy_for_a_program(self, here: Path) -> None:
        """What a program reads of them is not known, whether it is given them or inherits them."""
        (here / "nbv_runs.py").write_text(
            "import os, subprocess, sys\n"
            "def run():\n"
            "    env = {**os.environ, 'LC_ALL': 'C'}\n"
            "    command = [sys.executable, '-c', 'print(1)']\n"
            "    return subprocess.run(command, env=env, capture_output=True).stdout"
        )
        notebook, (task,) = notebook_of("import nbv_runs\nx = nbv_runs.run()")
        assert notebook.verdict(task).value == "fresh"
