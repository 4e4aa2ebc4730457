"""The history of a real kernel: what ran, in which run, and what is kept of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow",
    "late": "LATE = 15",
    "raw": "#@task raw\nraw = [3, 20, 16]",
    "features": "#@task features --retries 1\nfeatures = [x for x in raw if x > LATE]",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


def history(kernel: Kernel, what: str = "") -> list[str]:
    """The lines of `%flow history`, each run of spaces as one; a run's states stand below it."""
    shown = kernel.execute(f"%flow history {what}")
    assert shown.error == "", shown.error
    return [" ".join(line.split()) for line in shown.text.splitlines()]


class TestRuns:
    """The runs of a task."""

    def test_a_run_that_failed(self, kernel: Kernel) -> None:
        """With every state, the time it took, its attempts, its cause; it has no result."""
        kernel.run("late", "LATE = '15'")
        kernel.run("features")
        title, _, first, states, *_ = history(kernel, "features")
        assert title == "features"
        assert re.fullmatch(r"#3 \d\d:\d\d features Failed \d+ ms 2 cell LATE changed: 15 → '15' .*", first)
        assert re.fullmatch(r"Pending → Running .* → Retrying .* → Failed .*", states)

    def test_a_result_that_is_kept(self, kernel: Kernel) -> None:
        """Is told with what it takes in the store; small ones lie with their run."""
        kernel.run("large", "#@task large\nlarge = b'x' * 3_000_000 + bytes(LATE)")
        assert re.search(r"large Completed .* 3\.0 MB cell", "\n".join(history(kernel, "large")))
        assert re.search(r"raw Completed .* stored cell", "\n".join(history(kernel, "raw")))

    def test_a_result_that_is_not(self, kernel: Kernel) -> None:
        """Is told in full, or by what is missing of it."""
        kernel.run("some", "#@task some\nnumbers = (n for n in range(LATE))\nmore = [1]")
        kernel.run("none", "#@task none --persist no\nnone = [1, LATE]")
        assert "stored, not numbers" in "\n".join(history(kernel, "some"))
        assert "not stored" in "\n".join(history(kernel, "none"))

    def test_an_item_of_a_mapped_task(self, kernel: Kernel) -> None:
        """Has runs of its own."""
        kernel.run("xs", "xs = [1, 2]")
        kernel.run("squares", "#@task squares --map x=xs\nsquares = x * x")
        kernel.run("xs", "xs = [1, 3]")
        kernel.run("squares")
        assert [line.split()[2:4] for line in history(kernel, "squares[0]")[2::2]] == [
            ["squares[0]", "Cached"],
            ["squares[0]", "Completed"],
        ]

    def test_an_old_name(self, kernel: Kernel) -> None:
        """Finds the runs of the task that had it, by all its names."""
        kernel.run("raw", "#@task rows\nraw = [3, 20, 17]")
        for name in ("raw", "rows"):
            assert [line.split()[2] for line in history(kernel, name)[2::2]] == ["rows", "raw"]


class TestFlowRuns:
    """What ran in one flow run."""

    def test_by_its_number(self, kernel: Kernel) -> None:
        """All its tasks, and no others."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow run --force")
        assert sorted(line.split()[2] for line in history(kernel, "'#3'")[2::2]) == ["features", "raw"]
        assert [line.split()[2] for line in history(kernel, "#1")[2::2]] == ["raw"]

    def test_one_that_there_is_not(self, kernel: Kernel) -> None:
        """The message says where to look."""
        assert "there is no run #9; `%flow history`" in kernel.execute("%flow history #9").error


class TestResults:
    """Results of the past."""

    def test_that_of_a_task_that_did_not_run_then(self, kernel: Kernel) -> None:
        """Is the one that it had at the end of that flow run."""
        kernel.execute("%flow run features --force")
        kernel.run("raw", "#@task raw\nraw = [30]")
        assert kernel.ask("__import__('nbflow').past('raw', '#3')") == [3, 20, 16]

    def test_that_of_an_item(self, kernel: Kernel) -> None:
        """Is given alone."""
        kernel.run("xs", "xs = [1, 2]")
        kernel.run("squares", "#@task squares --map x=xs\nsquares = x * x")
        kernel.run("xs", "xs = [1, 3]")
        kernel.run("squares")
        assert kernel.ask("__import__('nbflow').past('squares[1]')") == 4
        assert "only" in kernel.execute("%flow pin squares[1]").error

    def test_without_what_the_body_imports_and_defines(self, kernel: Kernel) -> None:
        """Values are given, alone where there is one; where there is nothing else, the definition."""
        kernel.run(
            "one", "#@task one\nimport math\nfrom math import pi\ndef h(x): return x\none = h(math.e > pi)"
        )
        kernel.run("two", "#@task two\nimport json\nrows = json.loads('[1]')\ntwo = 2")
        assert kernel.ask("__import__('nbflow').past('one', 3)") is False
        assert kernel.ask("__import__('nbflow').past('two', 4)") == {"rows": [1], "two": 2}
        kernel.run("help", "#@task help\ndef double(x): return 2 * x")
        assert kernel.ask("__import__('nbflow').past('help', 5)(4)") == 8
