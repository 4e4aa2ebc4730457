"""The law where bodies run elsewhere: nothing is fresh that is not, and all is as on the user's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from tests.cells import kept
from tests.law.game import Tally, play
from tests.law.nightly import MIXES
from tests.law.twins import moments

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("outside")


def elsewhere() -> Notebook:
    """A notebook whose tasks run in threads."""
    return Notebook(store=kept(), runner=ThreadPoolTaskRunner())


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
class TestInThreads:
    """Random notebooks whose tasks run in threads, several at a time."""

    def test_no_claim_is_wrong(self, mix: tuple[str, ...], tmp_path: Path) -> None:
        """Each is compared with a fresh plain run."""
        tally = Tally()
        for seed in range(7000, 7002):
            play(seed, mix, tmp_path / str(seed), tally, make=elsewhere)
        assert tally.wrong == []
        assert tally.fresh > 0.25 * tally.checks

    def test_all_is_as_on_the_users_names(self, mix: tuple[str, ...], tmp_path: Path) -> None:
        """Verdicts, causes, what was executed and reused, and each entry and output of each trace."""
        played = 0
        for seed in range(8000, 8002):
            here = moments(seed, mix, tmp_path / "game", None)
            assert moments(seed, mix, tmp_path / "game", ThreadPoolTaskRunner()) == here
            played += len(here)
        assert played
