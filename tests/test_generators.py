"""The global random generators: looked at, put back, and never imported."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nbflow.engine.generators import GENERATORS, current_state, loaded_generators, restore_state
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
            "import sys\nfrom nbflow.engine.generators import loaded_generators, restore_state\n"
            "restore_state('<numpy>', None)\nprint(loaded_generators(), 'numpy' in sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() in ("[] False", "['<random>'] False")

    def test_the_loaded_ones(self) -> None:
        """Are among the known ones."""
        assert {"<random>", "<numpy>"} <= set(loaded_generators()) <= set(GENERATORS)
