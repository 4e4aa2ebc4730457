"""What commands and badges of a real kernel say after the deed: of a reuse, a forced run, a hold, a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with a constant and a task that reads it."""
    with Kernel(tmp_path) as kernel:
        kernel.set(load="%load_ext nbflow", k="K = 1", a="#@task a\na = K * 2")
        assert [shown.error for shown in kernel.run_all()] == [""] * 3
        yield kernel


def flow(kernel: Kernel, command: str) -> str:
    """What a command says."""
    return kernel.execute(f"%flow {command}").text


def let_k_be(kernel: Kernel, value: int) -> str:
    """Change the constant, and what `%flow run` says then."""
    kernel.run("k", f"K = {value}")
    return flow(kernel, "run")


class TestReuse:
    """A result taken again is told as that, and never by why the run that made it had run."""

    def test_of_a_constant(self, kernel: Kernel) -> None:
        """By which run, and what was compared; also in a later kernel."""
        for value in (2, 3, 2):
            let_k_be(kernel, value)
        first, *rest = flow(kernel, "why a").splitlines()
        assert first.startswith("a: fresh · reused from run 2, saved ")
        assert [line.partition(", ")[0] for line in rest] == ["  result  result of run 2"]
        assert "reused from run 2" in flow(kernel, "status")
        kernel.restart()
        kernel.run("load")
        kernel.run("k")
        assert "K changed" not in flow(kernel, "why a") + flow(kernel, "status")

    def test_of_a_body(self, kernel: Kernel) -> None:
        """No edit that led to the older run is shown."""
        for factor in (3, 4, 3):
            kernel.run("a", f"#@task a\na = K * {factor}")
        told = flow(kernel, "why a")
        assert "code of a" not in told
        assert "+a = K" not in told.replace("  +", "+")
