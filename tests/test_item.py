"""Why one item of a mapped task is as it is, and how a failed one shows, in a real kernel."""

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
    "years": "years = [1999, 2001]",
    "sizes": "#@task sizes --map year=years\nsize = 1 / (year - 2001)",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with the cells above, of whose items the second fails."""
    with Kernel(tmp_path) as kernel:
        kernel.set(**CELLS)
        kernel.run_all()
        yield kernel


def why(kernel: Kernel, item: str) -> list[str]:
    """The lines of `%flow why` for an item."""
    return kernel.execute(f"%flow why {item}").text.splitlines()


class TestWhy:
    """`%flow why sizes[1]`."""

    def test_of_items_that_ended_differently(self, kernel: Kernel) -> None:
        """Each tells of itself, and why it ran."""
        first, second = why(kernel, "sizes[0]"), why(kernel, "sizes[1]")
        assert (first[0], second[0]) == ("sizes[0]: completed", "sizes[1]: failed")
        assert first[1] == second[1] == "  why     never ran"
        assert first[2].startswith("  result  result of run 1, ")
        assert first[2].endswith("compared: its code, 1 name (year)")
        assert second[2] == "  error   ZeroDivisionError: division by zero"

    def test_of_one_that_would_run_again(self, kernel: Kernel) -> None:
        """The cause is that of its task."""
        kernel.run("years", "years = [1999, 2000]")
        kernel.run("sizes")
        assert why(kernel, "sizes[1]")[0] == "sizes[1]: fresh"
        kernel.run("years", "years = [1999, 2003]")
        assert any("years" in line for line in why(kernel, "sizes[1]")[1:])

    def test_of_one_that_there_is_not(self, kernel: Kernel) -> None:
        """Nor is there one of a task that is not known."""
        assert why(kernel, "sizes[9]") == [
            "UsageError: sizes[9] has not run; `%flow why sizes` says why sizes is as it is"
        ]
        assert why(kernel, "size[0]") == ["UsageError: there is no task 'size'; did you mean 'sizes'?"]


class TestErrors:
    """Reading a failed item."""

    @pytest.mark.parametrize("reads", ["size[1]", "size.of(2001)", "for each in size: print(each)"])
    def test_it_shows_the_line_that_reads_it(self, kernel: Kernel, reads: str) -> None:
        """And none of nbflow's, whoever has read it before."""
        for _ in range(2):
            shown = kernel.execute(reads)
            assert shown.error == "ZeroDivisionError: division by zero"
            plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.traceback)
            assert re.findall(r"----> \d+ (.*)", plain) == [reads]
            assert "nbflow" not in plain


class TestCauses:
    """Why an item ran, or was reused, is its own matter."""

    def test_each_by_what_it_had_seen(self, kernel: Kernel) -> None:
        """The list is no cause for an item whose element is the same; a new one has not run before."""
        kernel.run("xs", "xs = [1, 2, 3]")
        kernel.run("f", "F = 10")
        kernel.run("mp", "#@task mp --map x=xs\ny = x * F")
        kernel.run("t", "#@task t\nt = sum(y)")
        kernel.run("xs", "xs = [1, 9, 3, 5]")
        kernel.execute("%flow run mp t")
        reused, other, new = (why(kernel, f"mp[{place}]") for place in (0, 1, 3))
        assert reused[0].startswith("mp[0]: fresh · reused from run 2, saved ")
        assert reused[1].startswith("  result  result of run 2")
        assert other[1] == "  why     x changed: 2 → 9"
        assert new[1] == "  why     never ran"
        assert why(kernel, "t")[1:4] == [
            "  why     y[1] changed: 20 → 90 (mp)",
            "          y[3] changed: not there → 50 (mp)",
            why(kernel, "t")[3],
        ]
        kernel.run("f", "F = 11")
        assert why(kernel, "mp[0]")[1].startswith("  why     F changed: 10 → 11 (cell [")
        kernel.execute("%flow run mp t")
        assert why(kernel, "mp[0]")[1].startswith("  why     F changed: 10 → 11 (cell [")
