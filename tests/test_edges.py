"""Which task reads what from whom, in a real kernel."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

EDGES = "[(e.source, e.target, *e.names) for e in __import__('nbflow').session().report.flow_card().edges]"


def edges(kernel: Kernel) -> set[tuple[str, ...]]:
    """The edges of the graph."""
    return set(ast.literal_eval(kernel.value(EDGES)))


class TestEdges:
    """Of tasks that ran, failed or were stopped."""

    def test_a_task_that_failed_keeps_its_edges(self, tmp_path: Path) -> None:
        """Both what it reads and what is to read from it, also where it has never made that."""
        with Kernel(tmp_path) as kernel:
            kernel.set(
                ext="%load_ext nbflow",
                raw="#@task raw\nraw = [1]",
                rows="#@task rows\nrows = raw[5]",
                total="#@task total --defer\ntotal = rows + 1",
            )
            for cell in kernel.cells:
                kernel.run(cell)
            assert edges(kernel) == {("raw", "rows", "raw"), ("rows", "total", "rows")}
            kernel.run("rows", "#@task rows\nrows = raw[0]")
            kernel.run("total", "#@task total\ntotal = rows + 1")
            kernel.run("rows", "#@task rows\nraise KeyboardInterrupt\nrows = raw[0]")
            assert edges(kernel) == {("raw", "rows", "raw"), ("rows", "total", "rows")}
