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
