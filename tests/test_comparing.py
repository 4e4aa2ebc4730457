"""Two runs of a task side by side, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "late": "import pandas as pd\nLATE = 15\ndef band(h):\n    return h // 6",
    "raw": "#@task raw\nraw = pd.DataFrame({'hour': [1, 8, 13], 'delay': [3, 20, 16]})",
    "features": "#@task features\nprint('late is', LATE)\nfeatures = raw.assign(late=raw.delay > LATE)",
}
BANDED = "#@task features\nprint('late is', LATE)\nfeatures = raw.assign(band=band(raw.hour))"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


def diff(kernel: Kernel, what: str) -> str:
    """What `%flow diff` says, each run of spaces as one."""
    shown = kernel.execute(f"%flow diff {what}")
    assert shown.error == "", shown.error
    return "\n".join(" ".join(line.split()) for line in shown.text.splitlines())


class TestWhatDiffers:
    """Code, inputs, values and outputs."""

    def test_an_input(self, kernel: Kernel) -> None:
        """With before and after, and what became of the values by it."""
        kernel.run("late", CELLS["late"].replace("15", "18"))
        kernel.execute("%flow run")
        told = diff(kernel, "features")
        for line in (
            "features · run 2 → run 3",
            "code: the same",
            "LATE 15 18",
            "the same in both: raw",
            "features DataFrame, 3 × 3 DataFrame, 3 × 3 1 of 9 cells differs, in late",
            "-late is 15",
            "+late is 18",
            "1 input, 1 value and what they showed differ",
        ):
            assert line in told

    def test_code(self, kernel: Kernel) -> None:
        """Of the task and of helpers that both called."""
        kernel.run("features", BANDED)
        assert "-features = raw.assign(late=raw.delay > LATE)" in diff(kernel, "features")
        kernel.run("late", CELLS["late"].replace("// 6", "// 4"))
        kernel.run("features")
        told = diff(kernel, "features")
        assert "code of band\ndef band(h):\n- return h // 6\n+ return h // 4" in told

    def test_a_failure(self, kernel: Kernel) -> None:
        """Has inputs, and no values."""
        kernel.run("late", CELLS["late"].replace("15", "'15'"))
        assert kernel.run("features").error.startswith("TypeError")
        told = diff(kernel, "features")
        assert "run 3 has no result: TypeError" in told
        assert "LATE 15 '15'" in told
        assert "the same in both: raw" in told

    def test_a_secret(self, kernel: Kernel) -> None:
        """Is told to differ, and not what it is."""
        for secret in ("abc", "abcd"):
            kernel.run("key", f"API_KEY = '{secret}'")
            kernel.run("sizes", "#@task sizes\nsizes = len(API_KEY)")
        told = diff(kernel, "sizes")
        assert "API_KEY ••• •••" in told
        assert "abc" not in told

    def test_two_runs_that_are_alike(self, kernel: Kernel) -> None:
        """A reuse, and a run on the same inputs, are not what anybody looks for."""
        assert "one run so far" in kernel.execute("%flow diff features").error
        kernel.execute("%flow run features --force")
        assert "all 2 runs of features are alike" in kernel.execute("%flow diff features").error


class TestWhichRuns:
    """By number, against now, by old names, after a restart."""

    def test_one_run_against_now(self, kernel: Kernel) -> None:
        """What the task would see now, before it has run."""
        kernel.run("late", CELLS["late"].replace("15", "18"))
        told = diff(kernel, "features '#2'")
        assert "run 2 → now" in told
        assert "LATE 15 18" in told
        assert "features is stale: LATE changed: 15 → 18" in told
        assert "values: the same in both: features" in told

    def test_two_runs_by_number(self, kernel: Kernel) -> None:
        """In the order in which they are named."""
        for late in ("18", "20"):
            kernel.run("late", CELLS["late"].replace("15", late))
            kernel.run("features")
        assert "LATE 20 15" in diff(kernel, "features '#4' '#2'")

    def test_a_renamed_task(self, kernel: Kernel) -> None:
        """Has its runs, by both names; each run is called as it was."""
        kernel.run("features", BANDED.replace("task features", "task banded"))
        for name in ("banded", "features"):
            assert "banded · run 2, as features → run 3" in diff(kernel, name)

    def test_a_later_kernel(self, kernel: Kernel) -> None:
        """Knows as much, before the cell has run in it."""
        kernel.run("late", CELLS["late"].replace("15", "18"))
        kernel.run("features", BANDED)
        kernel.restart()
        kernel.run("load")
        told = diff(kernel, "features")
        assert "column added: band" in told
        assert "-features = raw.assign(late=raw.delay > LATE)" in told

    def test_items_of_a_mapped_task(self, kernel: Kernel) -> None:
        """Alone, and all together."""
        kernel.run("xs", "xs = [1, 2, 3]")
        kernel.run("squares", "#@task squares --map x=xs\nsquares = x * x")
        kernel.run("xs", "xs = [1, 5, 3, 4]")
        kernel.run("squares")
        assert "squares MapResult, 3 items MapResult, 4 items +1 item; 1 of 3 items differs" in diff(
            kernel, "squares"
        )
        told = diff(kernel, "squares[1]")
        assert "x 2 5" in told
        assert "squares 4 25" in told

    def test_errors_are_one_line(self, kernel: Kernel) -> None:
        """And say where to look."""
        assert "there is no task 'feature'" in kernel.execute("%flow diff feature").error
        assert "`%flow history features` lists its runs" in kernel.execute("%flow diff features '#9'").error


class TestEvicted:
    """Values that the store has no more."""

    def evict(self, kernel: Kernel) -> None:
        """Let the store lose all large values, and start a new kernel."""
        for blob in [*(kernel.folder / ".nbflow" / "blobs").rglob("*")]:
            if blob.is_file():
                blob.unlink()
        kernel.restart()

    def test_restoring_the_whole_flow(self, kernel: Kernel) -> None:
        """Puts back the rest, and tells how to have the lost one again."""
        kernel.run("rows", "#@task rows\nrows = list(range(LATE, 200_000))")
        kernel.execute("%flow run raw --force")
        kernel.run("late", CELLS["late"].replace("15", "18"))
        kernel.execute("%flow run")
        self.evict(kernel)
        kernel.run("load")
        kernel.run("late")
        told = kernel.execute("%flow restore '#4'")
        assert "not stored: rows" in told.text
        assert "`%flow open rows #4` gives you code and inputs of then" in told.text
        assert kernel.execute("%flow open rows #4").error == ""
        assert kernel.ask("LATE") == 15

    def test_they_are_told_by_what_is_known(self, kernel: Kernel) -> None:
        """With the line that computes them again."""
        kernel.run("rows", "#@task rows\nrows = list(range(LATE, 200_000))")
        kernel.run("late", CELLS["late"].replace("15", "18"))
        kernel.run("rows")
        self.evict(kernel)
        kernel.run("load")
        told = diff(kernel, "rows")
        assert "rows list of 199,985, not stored list of 199,982, not stored" in told
        assert "`%flow open rows #3` gives you its code and inputs to compute them again" in told
        for command in ("restore rows '#3'", "pin rows '#3'"):
            error = kernel.execute(f"%flow {command}").error
            assert "the values of run #3 of rows are not stored any more" in error
            assert "`%flow open rows #3`" in error
        error = kernel.execute("import nbflow\nnbflow.past('rows', '#3')").error
        assert "the values of run #3 of rows are not stored any more" in error
        assert "not stored" in kernel.execute("%flow history rows").text
        kernel.execute("%flow open rows '#3'")
        assert kernel.ask("LATE") == 15
