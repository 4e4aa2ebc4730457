"""The global random generators: looked at, put back, and never imported."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.stateful import STATEFUL, States, current_state, loaded_states, restore_state
from nbflow.store.digests import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DRAWS: list[tuple[str, Callable[[], object]]] = [
    ("<random>", random.random),
    ("<numpy>", lambda: np.random.rand()),
    ("<numpy>", lambda: np.random.randn()),
]


@pytest.fixture(autouse=True)
def states() -> Iterator[None]:
    """Leave the generators as they were."""
    before = {key: current_state(key) for key in ("<random>", "<numpy>")}
    yield
    for key, state in before.items():
        restore_state(key, state)


class TestStates:
    """A state is a value."""

    @pytest.mark.parametrize(("key", "draw"), DRAWS, ids=["random", "numpy", "numpy, half a normal pair"])
    def test_the_same_draws_follow_the_same_state(self, key: str, draw: Callable[[], object]) -> None:
        """Also in the middle of a pair of normal numbers, of which one is kept."""
        draw()
        state = current_state(key)
        first = [draw() for _ in range(3)]
        restore_state(key, state)
        assert [draw() for _ in range(3)] == first

    @pytest.mark.parametrize(("key", "draw"), DRAWS)
    def test_a_draw_moves_it(self, key: str, draw: Callable[[], object]) -> None:
        """To a state that differs by digest, while equal states are equal."""
        before = current_state(key)
        assert digest(current_state(key)) == digest(before)
        draw()
        assert digest(current_state(key)) != digest(before)

    @pytest.mark.parametrize("key", ["<random>", "<numpy>"])
    def test_it_does_not_move_by_itself(self, key: str) -> None:
        """What was taken is a copy."""
        before = current_state(key)
        kept = digest(before)
        random.random()
        np.random.rand()
        assert digest(before) == kept

    def test_looking_imports_nothing(self) -> None:
        """A generator counts once its module is loaded; one that is not cannot be put back."""
        code = (
            "import sys\nfrom nbflow.engine.stateful import loaded_states, restore_state\n"
            "restore_state('<numpy>', None)\n"
            "print([key for key in loaded_states() if 'settings' not in key], 'numpy' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() in ("[] False", "['<random>'] False")

    def test_the_loaded_ones(self) -> None:
        """Are among the known ones."""
        assert {"<random>", "<numpy>"} <= set(loaded_states()) <= set(STATEFUL)


class TestLookingAgain:
    """Whether a state moved is told without making it; whatever moves it is seen."""

    MOVES: Final[list[Callable[[], object]]] = [
        random.random,
        lambda: random.gauss(0, 1),
        lambda: random.seed(3),
        lambda: random.setstate(random.Random(4).getstate()),
        lambda: np.random.rand(),
        lambda: np.random.randn(),
        lambda: np.random.randint(9),
        lambda: np.random.seed(3),
        lambda: np.random.set_state(np.random.RandomState(4).get_state()),
        lambda: None,
    ]

    @given(moves=st.lists(st.sampled_from(MOVES), max_size=12))
    def test_every_move_is_seen(self, moves: list[Callable[[], object]]) -> None:
        """Also the half of a pair of normal numbers that was kept, and going back."""
        states = States()
        for move in moves:
            move()
            for key in ("<random>", "<numpy>"):
                assert states.of(key, anew=True) == current_state(key)

    @pytest.mark.parametrize("key", ["<random>", "<numpy>"])
    def test_one_that_did_not_move_is_not_made_again(self, key: str) -> None:
        """In later actions as well."""
        states = States()
        before = states.of(key)
        states.forget()
        assert states.of(key) is before

    @pytest.mark.parametrize(("key", "draw"), DRAWS)
    def test_within_an_action_the_last_look_counts(self, key: str, draw: Callable[[], object]) -> None:
        """Until somebody looks anew."""
        states = States()
        before = states.of(key)
        draw()
        assert states.of(key) is before
        assert states.of(key, anew=True) != before

    def test_a_generator_of_another_make_is_looked_at_each_time(self) -> None:
        """What is behind it nobody knows."""

        class Mine(random.Random):
            pass

        mine, states = Mine(1), States()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(random, "getstate", mine.getstate)
            assert states.of("<random>") == mine.getstate()
            mine.random()
            assert states.of("<random>", anew=True) == mine.getstate()
