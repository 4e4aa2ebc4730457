"""Child processes of task cells, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

READ = """
import os
def read(number):
    return open(os.path.join("parts", f"{number}.txt")).read().strip()
"""
SPREAD = {
    "fork": (
        "from multiprocessing import get_context\n"
        "with get_context('fork').Pool(2) as pool:\n    rows = pool.map(read, N)"
    ),
    "joblib": "from joblib import Parallel, delayed\nrows = Parallel(2)(delayed(read)(n) for n in N)",
}
SPREAD = {how: source.replace("N", "[1, 2]") for how, source in SPREAD.items()}


@pytest.mark.parametrize("runner", ["inline", "thread", "process"])
@pytest.mark.parametrize("how", SPREAD)
def test_what_children_read(tmp_path: Path, how: str, runner: str) -> None:
    """The task that has them read is stale once one of the files is another, also in a new kernel."""
    parts = tmp_path / "parts"
    parts.mkdir()
    for number in (1, 2):
        (parts / f"{number}.txt").write_text(f"{number}0\n")
    with Kernel(tmp_path) as kernel:
        kernel.set(
            load="%load_ext nbflow",
            read=READ,
            rows=f"#@task rows --runner {runner}\nprint('reading')\n{SPREAD[how]}\nrows",
        )
        kernel.run_all()
        assert kernel.ask("rows") == ["10", "20"]
        kernel.restart()
        assert not [shown for shown in kernel.run_all() if shown.error]
        assert kernel.ask("__import__('nbflow').session().flow['rows'].freshness.verdict.value") == "fresh"
        (parts / "2.txt").write_text("70\n")
        assert "parts/2.txt changed" in kernel.execute("%flow why rows").text
        kernel.execute("%flow run")
        assert kernel.ask("rows") == ["10", "70"]
