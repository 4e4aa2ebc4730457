"""What commands and badges of a real kernel say after the deed: of reuses, forced runs, holds, failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.types import Cause
from nbflow.views.words import cause_words
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


class TestHolds:
    """Whose hold it is, at which run, and what differs from it."""

    def test_of_two_tasks_above(self, kernel: Kernel) -> None:
        """What has changed for the reader comes first, then each hold with its task."""
        kernel.set(a2="#@task a2\na2 = K", b="#@task b\nb = a + a2")
        for cell in ("a2", "b"):
            kernel.run(cell)
        let_k_be(kernel, 2)
        flow(kernel, "restore a #1")
        flow(kernel, "restore a2 #2")
        told = [line.removeprefix("  why").strip() for line in flow(kernel, "why b").splitlines()[1:7]]
        assert told[:3] == [
            "a changed: 4 → 2",
            "a2 changed: 2 → 1",
            "a is restored from an earlier run (run 1)",
        ]
        assert told[3].startswith("K changed: 1 → 2 (cell [")
        assert told[4] == "a2 is restored from an earlier run (run 2)"
        assert flow(kernel, "why a").splitlines()[1] == "  why     restored from an earlier run (run 1)"

    def test_of_what_was_accepted(self, kernel: Kernel) -> None:
        """Both values are named."""
        kernel.run("k", "K = 5")
        flow(kernel, "accept a")
        told = flow(kernel, "why a")
        assert "accepted as up to date (run 1)" in told
        assert "K changed: 1 → 5 (cell [" in told

    def test_a_forced_run_below_a_hold(self, kernel: Kernel) -> None:
        """It ran because somebody asked for it, and the hold stays; nothing of it is left once that ends."""
        let_k_be(kernel, 2)
        flow(kernel, "restore a #1")
        told = flow(kernel, "run --force a")
        assert "asked for with --force; it stays restored from an earlier run" in told
        assert "asked for with --force" in flow(kernel, "history a").splitlines()[2]
        flow(kernel, "restore latest")
        assert "restored" not in flow(kernel, "why a") + flow(kernel, "status")


class TestFailures:
    """A failed run is over as soon as another has a result."""

    def test_what_changed_since_is_the_cause(self, kernel: Kernel) -> None:
        """Also of a task whose first run failed."""
        kernel.set(z="#@task z\nz = 10 // K")
        kernel.run("k", "K = 0")
        kernel.run("z")
        assert "last run failed: ZeroDivisionError" in flow(kernel, "why z")
        kernel.run("k", "K = 2")
        assert "K changed: 0 → 2 (cell [" in flow(kernel, "why z")
        kernel.run("z")
        assert "K changed: 0 → 2 (cell [" in flow(kernel, "history z").splitlines()[2]
        assert "failed" not in flow(kernel, "status") + flow(kernel, "why z")

    def test_where_nothing_changed(self, kernel: Kernel) -> None:
        """That it failed is the cause, and afterwards told as over."""
        kernel.execute("import builtins; builtins.fails = [1, 0]")
        kernel.run("z", "#@task z\nimport builtins\nz = 1 // (1 - builtins.__dict__['fails'].pop(0))")
        flow(kernel, "run z")
        assert "ran again, the run before failed: ZeroDivisionError" in flow(kernel, "why z")
        assert "last run failed" not in flow(kernel, "status")


class TestRemoved:
    """What the store has nothing of any more has run all the same."""

    def test_after_a_restart(self, kernel: Kernel) -> None:
        """By plan, why and history."""
        flow(kernel, "cache clear")
        kernel.restart()
        kernel.run("load")
        kernel.run("k")
        assert "its earlier result was removed" in flow(kernel, "why a")
        assert "never ran" not in flow(kernel, "why a") + flow(kernel, "plan")
        kernel.run("a")
        assert "its earlier result was removed" in flow(kernel, "history a").splitlines()[2]


class TestDetails:
    """What `why` tells of a stale task it tells of it after the run as well."""

    def test_of_values_and_helpers(self, kernel: Kernel) -> None:
        """The key, the line and the difference, and what a helper is made of."""
        cell = "D = {'a': 1, 'b': {'c': 1}}\ndef h(x):\n    return x"
        kernel.set(d=cell, base="class A:\n    n = 1\nclass B(A): pass", t="#@task t\nt = (h(D['a']), B.n)")
        for name in ("d", "base", "t"):
            kernel.run(name)
        kernel.run("d", cell.replace("'c': 1", "'c': 7").replace("return x", "return x + 1"))
        kernel.run("base", "class A:\n    n = 2\nclass B(A): pass")
        before = flow(kernel, "why t")
        for told in (
            "D['b']['c'] changed: 1 → 7",
            "line 2 of h changed: return x → return x + 1",
            "line 2 of A",
        ):
            assert told in before
        assert "code of B" not in before
        flow(kernel, "run")
        after = flow(kernel, "why t")
        assert _told(after) == _told(before)


class TestOnce:
    """Nothing is told twice, and nothing that is no use."""

    def test_what_never_ran_above(self, kernel: Kernel) -> None:
        """The task below it has not run either."""
        kernel.run("m", "#@task m --manual\nm = 1")
        kernel.run("d", "#@task d\nd = m")
        assert flow(kernel, "why d").count("never ran") == 1

    def test_a_deleted_name(self, kernel: Kernel) -> None:
        """With the cell that did it."""
        kernel.run("k", "del K")
        told = [line for line in flow(kernel, "why a").splitlines() if "K has no value now" in line]
        assert len(told) == 1
        assert "(cell [" in told[0]

    def test_a_cell_that_is_gone(self, kernel: Kernel) -> None:
        """It is named as it is everywhere."""
        told = cause_words(Cause("orphan", "x", "52 of cell [27]", "51 of b", "b"))
        assert told == "cell [27], which made x, is gone: 52 of cell [27] → 51 of b"

    def test_the_screen_of_a_task_that_shows_nothing(self, kernel: Kernel) -> None:
        """It is as it was, whatever the store has lost."""
        flow(kernel, "cache clear")
        let_k_be(kernel, 2)
        assert "output above" not in flow(kernel, "status")

    def test_accepting_because_of_a_name(self, kernel: Kernel) -> None:
        """As `why` says it; the error says how else."""
        kernel.run("k", "K = 2")
        assert "as input:NAME" in kernel.execute("%flow accept --because J").error
        assert "a" in flow(kernel, "accept --because K")


def _told(why: str) -> list[str]:
    """Causes and differences in an answer, without verdict and result."""
    return [line for line in why.splitlines()[1:] if "result" not in line]
