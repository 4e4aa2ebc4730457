"""Who sets the global random generators."""

from __future__ import annotations

import pytest

from nbflow.analysis import analyze
from nbflow.analysis.seeding import may_set
from nbflow.testing import Notebook

IMPORTS = """
import random
from types import SimpleNamespace
import numpy as np
configuration = SimpleNamespace(seed=1)
"""
HELPER = "def start(number):\n    random.seed(number)\n    np.random.seed(number)\n"

SEEDS = [
    "start({})",
    "np.random.seed(configuration.seed + {})",
    "np.random.seed(int('{}'))",
    "np.random.seed(seed={})",
    "if True:\n    np.random.seed({})",
    "print(np.arange(3))\nnp.random.seed({})",
    "_ = np.random.seed({})",
    "np.random.set_state(np.random.RandomState({}).get_state())",
]


def seeded(by: str, *, plain: bool) -> tuple[Notebook, str, str]:
    """A notebook in which one cell seeds and a task draws; all has run twice."""
    notebook = Notebook()
    notebook.add(IMPORTS + HELPER, plain=True)
    seed = notebook.add(by.format(1), plain=plain)
    task = notebook.add("drawn = np.random.rand()")
    notebook.run_all()
    notebook.run_all()
    return notebook, seed, task


class TestSeeds:
    """However a seed is set, what draws after it depends on it."""

    @pytest.mark.parametrize("plain", [True, False])
    @pytest.mark.parametrize("by", SEEDS)
    def test_another_seed_makes_what_draws_stale(self, by: str, *, plain: bool) -> None:
        """The old one again is a hit; unchanged, nothing runs twice."""
        notebook, seed, task = seeded(by, plain=plain)
        first = notebook.names["drawn"]
        assert (notebook.verdict(task).value, notebook.log.count(task)) == ("fresh", 1)
        notebook.edit(seed, by.format(2))
        notebook.run(seed)
        assert notebook.verdict(task).value == "stale"
        notebook.flow()
        assert notebook.names["drawn"] != first
        notebook.edit(seed, by.format(1))
        notebook.run(seed)
        notebook.flow()
        assert (notebook.names["drawn"], notebook.log.count(task)) == (first, 2)

    def test_generators_that_nobody_seeds_are_no_inputs(self) -> None:
        """Their states are arbitrary: what draws from them is noted, and reused."""
        notebook = Notebook()
        notebook.add("import numpy as np\nseed = 3\nrng = np.random.default_rng(seed)", plain=True)
        notebook.add("noise = np.random.rand()", plain=True)
        task = notebook.add("drawn = np.random.rand()")
        notebook.run_all()
        notebook.run_all()
        assert (notebook.verdict(task).value, notebook.log.count(task)) == ("fresh", 1)


class TestFailures:
    """Below a body that failed, only what may hang on its draws is without a state to draw from."""

    @pytest.mark.parametrize(
        ("fails", "runs"), [("bad = math.sqrt(-1)", True), ("bad = random.random() / 0", False)]
    )
    def test_one_that_has_not_drawn_holds_nobody_up(self, fails: str, *, runs: bool) -> None:
        """A task that calls a library runs and is fresh; another seed is seen below as ever."""
        notebook = Notebook()
        seed = notebook.add("import math, random\nrandom.seed(1)", plain=True)
        bad, drawn = notebook.add(fails), notebook.add("drawn = random.random()")
        for cell in (seed, bad, drawn):
            notebook.run(cell)
        assert (notebook.verdict(drawn).value, "drawn" in notebook.names) == (
            ("fresh", True) if runs else ("stale", False)
        )
        before = notebook.names.get("drawn")
        notebook.edit(seed, "import math, random\nrandom.seed(2)")
        notebook.run(seed)
        assert notebook.verdict(drawn).value == "stale"
        notebook.flow()
        assert (notebook.names.get("drawn") != before) is runs

    def test_one_that_reads_the_outside_may_yet_draw(self) -> None:
        """It may get further the next time."""
        notebook = Notebook()
        seed = notebook.add("import time, random, math\nrandom.seed(1)", plain=True)
        bad = notebook.add("bad = math.sqrt(-time.time())")
        drawn = notebook.add("drawn = random.random()")
        for cell in (seed, bad, drawn):
            notebook.run(cell)
        assert notebook.verdict(drawn).value == "stale"


class TestEffects:
    """What the text tells."""

    @pytest.mark.parametrize(
        ("source", "sets"),
        [
            ("random.seed(1)", {"random"}),
            ("import numpy.random as r\nr.seed(x)", {"numpy"}),
            ("torch.manual_seed(x)", {"torch"}),
            ("pl.seed_everything(1)", {"random", "numpy", "torch"}),
            ("set_seed(1)", {"random", "numpy", "torch"}),
            ("environment.seed(1)", set[str]()),
            ("points = seed_points(3)\nsplit(x, random_state=seed)", set[str]()),
        ],
    )
    def test_which_generators_it_may_set(self, source: str, sets: set[str]) -> None:
        """Known functions set their own; others, by their name, all of them."""
        effects = analyze(source).effects
        assert {each for each in ("random", "numpy", "torch") if may_set(each, effects)} == sets
