"""What is known of a body before it runs."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.engine.record import NOTHING_SEEN
from nbflow.engine.sites import site_of
from tests.cells import opened

if TYPE_CHECKING:
    from pathlib import Path


class TestMissingModules:
    """A module that is not there."""

    def test_what_tried_to_import_it_is_stale_once_it_is_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Until then its reader stays fresh."""
        monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
        source = "try:\n    import appears_later\n    n = appears_later.N\nexcept ImportError:\n    n = 0"
        notebook, cells = opened(source)
        notebook.run_all()
        assert (notebook.verdict(cells[0]).value, notebook.names["n"]) == ("fresh", 0)
        (tmp_path / "appears_later.py").write_text("N = 1")
        importlib.invalidate_caches()
        assert notebook.verdict(cells[0]).value == "stale"
        notebook.flow()
        assert (notebook.verdict(cells[0]).value, notebook.names["n"]) == ("fresh", 1)
        sys.modules.pop("appears_later", None)


class TestSeeding:
    """Whether code that a body calls may set a random state."""

    @pytest.mark.parametrize(
        ("task", "may"),
        [
            ("x = other()", False),
            ("x = random.random()", False),
            ("x = N", False),
            ("set_seed()", True),
            ("alias(3)", True),
            ("x = random.seed(3)", True),
        ],
    )
    def test_what_the_seeding_cell_gives(self, task: str, may: bool) -> None:
        """Its constants, imports and other functions set none."""
        plain = "import random\nrandom.seed(1)\nN = 3\nalias = random.seed\n"
        notebook, cells = opened(
            f"{plain}def set_seed(): random.seed(2)\ndef other(): return 1", task, plain=(0,)
        )
        step = notebook.step(cells[1])
        site = site_of(step, step.body, notebook.sweep.view(step))
        insight = notebook.work._performer.insight
        assert insight.reached(step, step.body, site.slots, site.writers, NOTHING_SEEN).reseeds is may


ALONE = ["x = 1", "a, b = 1, 'text'\nc = [a, -2]", "x = y = None", "x = 1\nx = x + 1"]
NOT_ALONE = [
    "x = other + 1",
    "if 1 < 2:\n    x = 1",
    "x = f()",
    "def f(): return 1",
    "import json",
    "x = 'a/b'",
]


class TestAlone:
    """Bodies that bind names to what their text says, and ask for nothing."""

    @pytest.mark.parametrize("source", ALONE)
    def test_it_is_told_what_is_told_of_any_body(self, source: str) -> None:
        """Before it has run, and after."""
        notebook, cells = opened(source, plain=(0,))
        step, insight = notebook.step(cells[0]), notebook.work._performer.insight
        for _ in range(2):
            alone = insight.reached_alone(step, step.body)
            assert alone == insight.reached(step, step.body, (), (), NOTHING_SEEN)
            notebook.run(cells[0])

    @pytest.mark.parametrize("source", NOT_ALONE)
    def test_others_are_looked_at(self, source: str) -> None:
        """What they read, or may bind or not, hangs on more than their text."""
        notebook, cells = opened(source, plain=(0,))
        step = notebook.step(cells[0])
        assert notebook.work._performer.insight.reached_alone(step, step.body) is None

    def test_an_edited_cell_is_looked_at(self) -> None:
        """It made a name that its text does not tell any more."""
        notebook, cells = opened("x = 1\ny = 2", plain=(0,))
        notebook.run(cells[0])
        notebook.edit(cells[0], "x = 1")
        step = notebook.step(cells[0])
        assert notebook.work._performer.insight.reached_alone(step, step.body) is None
