"""What is known of a body before it runs."""

from __future__ import annotations

import pytest

from nbflow.engine.record import NOTHING_SEEN
from nbflow.engine.sites import site_of
from tests.cells import opened


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
