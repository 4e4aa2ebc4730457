"""The law of the project: nothing is called fresh that a fresh run would not give.

A nightly range of games is played by `make law`; here are a few hundred, and the defects that
the games must catch.
"""

from __future__ import annotations

import sys
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.engine.keeping import Compared, Keeping
from nbflow.store.memory import MemoryStore
from nbflow.testing import FakeClock, Notebook
from nbflow.types import Hold, Verdict
from tests.cells import change, kept, opened
from tests.law.demanded import RULES, demanded_by
from tests.law.game import Game, Tally, play, play_on
from tests.law.nightly import MIXES
from tests.law.planted import CAUGHT, KEEPS_TRACE, VARIANTS, is_caught, planted

if TYPE_CHECKING:
    from pathlib import Path

    from nbflow.engine.action import Action
    from nbflow.store.protocol import Commit

pytestmark = pytest.mark.usefixtures("outside")

GAMES = 10
"""Games a mix in each run of the tests; the nightly range has a hundred times as many."""


KEEPINGS = (
    Keeping(),
    Keeping(reuses=False),
    Keeping(persists=False),
    Keeping(refreshes=True),
    Keeping(at_most=50.0),
    Keeping(persists=False, at_most=90.0),
)


class KeptAnyhow(Notebook):
    """A notebook whose tasks keep their results in turn in each way, and whose time passes."""

    def add(
        self, source: str, *, plain: bool = False, name: str = "", at: int | None = None, **mapped: str
    ) -> str:
        """Put a cell into the notebook."""
        cell = super().add(source, plain=plain, name=name, at=at, **mapped)
        return cell if plain else self.let(cell, keeping=KEEPINGS[len(self.book) % len(KEEPINGS)])

    def flow(self, *names: str) -> Action:
        """Bring all tasks up to date, a while later."""
        if isinstance(self.clock, FakeClock):
            self.clock.advance(20.0)
        return super().flow(*names)


COMPARED = (
    Compared(),
    Compared(without=frozenset("a")),
    Compared(only=frozenset(), outside=False),
    Compared(only=frozenset("bc")),
)


class ComparedAnyhow(Notebook):
    """A notebook whose tasks leave in turn each sort of inputs out of what is compared."""

    def add(
        self, source: str, *, plain: bool = False, name: str = "", at: int | None = None, **mapped: str
    ) -> str:
        """Put a cell into the notebook."""
        cell = super().add(source, plain=plain, name=name, at=at, **mapped)
        keeping = Keeping(compared=COMPARED[len(self.book) % len(COMPARED)])
        return cell if plain else self.let(cell, keeping=keeping)


class Forgetful(MemoryStore):
    """A store that keeps only what it must, and of that loses values now and then, as eviction does."""

    chance = Random(0)

    def commit(self, *given: Any, **more: Any) -> Commit:
        """Keep a result, and lose a value of an earlier one."""
        commit = super().commit(*given, **more)
        if self._values and self.chance.random() < 0.3:
            self.discard(self.chance.choice(sorted(self._values)))
        return commit


class TestNeverStale:
    """Every claim of freshness is compared with a fresh plain-Python run."""

    @pytest.mark.parametrize("mix", MIXES, ids="+".join)
    def test_no_claim_is_wrong_and_most_that_could_be_made_are_made(
        self, mix: tuple[str, ...], tmp_path: Path
    ) -> None:
        """Always saying 'stale' would be right as well, so the claims are counted, too."""
        tally = Tally()
        for seed in range(GAMES):
            play(seed, mix, tmp_path / str(seed), tally)
        assert tally.wrong == []
        assert tally.fresh > (0.45 if {"restart", "hold"} & set(mix) else 0.7) * tally.checks

    @pytest.mark.parametrize("seed", [2_000_232, 2_001_170, 2_001_178])
    def test_an_instance_is_of_the_class_that_made_it(self, seed: int, tmp_path: Path) -> None:
        """Games in which another cell defines a class of that name with equal code."""
        tally = Tally()
        play(seed, ("classes",), tmp_path / "game", tally)
        assert tally.wrong == []

    @pytest.mark.parametrize("seed", range(2))
    def test_no_claim_is_wrong_whatever_is_not_compared(self, seed: int, tmp_path: Path) -> None:
        """What is left out may be another: then the result is as of it, and so is all below."""
        tally = Tally()
        for mix in MIXES:
            play(seed, mix, tmp_path / "+".join(mix), tally, make=lambda: ComparedAnyhow(store=kept()))
        assert tally.wrong == []
        assert tally.fresh > 0.6 * tally.checks

    @pytest.mark.parametrize("seed", range(2))
    def test_no_claim_is_wrong_however_results_are_kept(self, seed: int, tmp_path: Path) -> None:
        """Some expire, some are not cached, refreshed or not stored."""
        tally = Tally()
        for mix in MIXES:
            play(seed, mix, tmp_path / "+".join(mix), tally, make=lambda: KeptAnyhow(store=kept()))
        assert tally.wrong == []
        assert tally.fresh > 0.6 * tally.checks

    @pytest.mark.parametrize("seed", range(2))
    def test_no_claim_is_wrong_where_values_are_missing(
        self, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """None is small enough to be stored unasked, none took long enough, and some get lost."""
        monkeypatch.setattr("nbflow.store.memory.SMALL", 0)
        monkeypatch.setattr("nbflow.engine.storing.SMALL", seed * 64)
        monkeypatch.setattr(Forgetful, "chance", Random(seed))
        tally = Tally()
        for mix in MIXES:
            make = partial(Notebook, store=kept(kind=Forgetful))
            play(seed, mix, tmp_path / "+".join(mix), tally, make=make)
        assert tally.wrong == []
        assert tally.fresh > 0.5 * tally.checks

    @pytest.mark.parametrize("restarts", [False, True])
    def test_few_steps_are_called_stale_though_equal(self, restarts: bool, tmp_path: Path) -> None:
        """Over all mixes, but for what the design demands: holds, own files, kernels that have just begun."""
        tally = Tally()
        for mix in (mix for mix in MIXES if ("restart" in mix) == restarts):
            for seed in range(500, 504):
                play(seed, mix, tmp_path / "+".join(mix) / str(seed), tally)
        assert tally.needless <= 0.03 * tally.checks
        assert set(tally.demanded) <= set(RULES)
        assert ("unverified" in tally.demanded) == restarts

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(random=st.randoms(use_true_random=False), mix=st.sampled_from(MIXES))
    def test_no_claim_is_wrong_in_a_notebook_that_hypothesis_finds(
        self, random: Random, mix: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """The same with a search that shrinks what it finds."""
        tally = Tally()
        play_on(Game(random, mix, tmp_path_factory.mktemp("game") / "x"), tally, actions=6)
        assert tally.wrong == []


def rules(notebook: Notebook) -> list[str]:
    """What the verdict of each cell and the rule that demands it are, in flow order."""
    told = [(notebook.verdict(cell).value, demanded_by(notebook, cell)) for cell in notebook.book.order]
    return [f"{verdict}: {rule}" if rule else verdict for verdict, rule in told]


class TestDemanded:
    """What is set apart from the needless: what is *as of* by sentences of the design and nothing else."""

    def test_a_hold_and_what_is_below_it(self) -> None:
        """Not what is stale besides, nor what hangs on a hold and on something else that is unproven."""
        world = "import time\nnow = time.time()"
        notebook, cells = opened("a = 1", "b = a", "c = b", "k = 1", "d = b + k", world, "e = [b, now]")
        trace = notebook.step(cells[1]).trace
        assert trace is not None
        notebook.pin(cells[1], Hold(trace, "pin"))
        change(notebook, cells[0], "a = 2")
        change(notebook, cells[3], "k = 2")
        assert rules(notebook) == ["fresh", "as of: held", "as of: held", "fresh", "stale", "as of", "as of"]

    def test_a_file_of_its_own(self) -> None:
        """And what reads a name that such a cell has made."""
        own = "with open('F.txt', 'w') as file: file.write('1')\nwith open('F.txt') as file: x = file.read()"
        notebook, _ = opened(own, "y = x", "z = 1")
        assert rules(notebook) == ["as of: own file", "as of: own file", "fresh"]

    def test_plain_cells_of_an_earlier_kernel(self) -> None:
        """And the tasks that read from them, until they have run; not a task that waits for one."""
        notebook, cells = opened("a = 1", "b = a", "c = 1", "d = c", plain=(0, 2), notebook=Notebook(kept()))
        notebook.restart()
        assert rules(notebook) == ["as of: unverified"] * 4
        notebook.run(cells[0])
        change(notebook, cells[2], "c = 2")
        assert rules(notebook) == ["fresh", "fresh", "fresh", "waits"]


class TestNothingRunsTwice:
    """A body runs only where no trace fits."""

    @pytest.mark.parametrize("seed", range(20))
    def test_a_second_flow_run_executes_only_what_failed(self, seed: int, tmp_path: Path) -> None:
        """Whatever happened before, what the first one brought up to date stays so."""
        game = play(seed, ("all", "order"), tmp_path / "game", Tally())
        failed = game.notebook.flow().errors.keys()
        assert set(game.notebook.flow().executed) <= failed | later_readers(game)

    @pytest.mark.parametrize("seed", range(10))
    def test_going_back_to_an_earlier_text_is_a_hit(self, seed: int, tmp_path: Path) -> None:
        """Edit, run, undo, run: the second text's trace is found, its body does not run."""
        game = Game(Random(seed), ("base",), tmp_path / "game")
        game.notebook.flow()
        tasks = [cell for cell in game.cells if not game.notebook.step(cell).plain]
        for cell in tasks:
            before = game.notebook.step(cell).body.source
            if game.notebook.verdict(cell) is not Verdict.FRESH:
                continue
            game.notebook.edit(cell, "a = [0]")
            game.notebook.run(cell)
            game.notebook.edit(cell, before)
            assert cell not in game.notebook.run(cell).executed


def later_readers(game: Game) -> set[str]:
    """Steps that can never be up to date: those that wait, and those that read what they write."""
    done = (Verdict.FRESH, Verdict.AS_OF)
    return {step.id for step in game.notebook.book if game.notebook.verdict(step.id) not in done}


class TestPlantedDefects:
    """A law that no defect breaks proves nothing."""

    @pytest.mark.parametrize("name", VARIANTS)
    def test_the_law_catches_it(self, name: str) -> None:
        """Each sentence of the rule that is left out makes some game wrong."""
        assert is_caught(VARIANTS[name], CAUGHT[name])

    def test_it_catches_a_failed_step_that_keeps_its_older_trace(self) -> None:
        """A cell that worked once and fails now, for a reason that nobody can see, is not fresh."""
        with planted(KEEPS_TRACE):
            assert flaky_verdicts() == [Verdict.FRESH, Verdict.FRESH]
        assert flaky_verdicts() == [Verdict.WAITS, Verdict.WAITS]


def flaky_verdicts() -> list[Verdict]:
    """What is said of a cell, and of its reader, that worked first and failed when run again."""
    notebook = Notebook()
    cells = [
        notebook.add("import sys\nif hasattr(sys, 'flaky'): raise OSError\nx = 1", plain=True),
        notebook.add("y = x + 1"),
    ]
    notebook.run_all()
    sys.flaky = True  # type: ignore[attr-defined]
    try:
        notebook.run(cells[0])
    finally:
        del sys.flaky  # type: ignore[attr-defined]
    return [notebook.verdict(cell) for cell in cells]
