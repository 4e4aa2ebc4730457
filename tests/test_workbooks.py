"""Notebooks as people write them: nothing is called fresh that a fresh run would not give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.law.blocks import BLOCKS
from tests.law.game import Tally
from tests.law.workbooks import Workbook, elsewhere, here, play_workbook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nbflow.testing import Notebook

pytestmark = pytest.mark.usefixtures("outside")

GAMES = 20
"""Notebooks a place where bodies run; many more are played by hand."""
UNSEEN = ("exec(", "globals()", "os.environ", "time.time()")
"""What no analysis sees through, what belongs to the whole process, and what the world tells."""


@pytest.mark.filterwarnings("ignore")
class TestNeverStale:
    """Random notebooks of at least eight cells, edited, moved, renamed, held, restarted, run in parts."""

    @pytest.mark.parametrize("make", [here, elsewhere])
    def test_no_claim_is_wrong(self, make: Callable[[], Notebook], tmp_path: Path) -> None:
        """Each is compared with a fresh plain run, and most that could be made are made."""
        tally = Tally()
        for seed in range(GAMES):
            play_workbook(seed, tmp_path / str(seed), tally, make, actions=6)
        assert tally.wrong == []
        assert tally.fresh > 0.45 * tally.checks

    @pytest.mark.parametrize("block", range(len(BLOCKS)))
    def test_all_is_fresh_after_run_all(self, block: int, tmp_path: Path) -> None:
        """Also after a restart; what nobody can compare is *as of*."""
        game = Workbook(0, tmp_path / "game", here, blocks=(BLOCKS[block],))
        game.restart()
        game.notebook.run_all()
        tally = Tally()
        assert game.check(tally) == []
        told = {game.notebook.verdict(step.id).value for step in game.notebook.book}
        assert told == ({"fresh", "as of"} if any(map(BLOCKS[block].__contains__, UNSEEN)) else {"fresh"})
