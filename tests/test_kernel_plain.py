"""Plain cells between tasks in a real kernel: who may start them, and what is said of it."""

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
    "late": "LATE = 15",
    "raw": "#@task raw\nraw = [3, 20, LATE]",
    "clean": "clean = sorted(raw)",
    "total": "#@task total\ntotal = clean[-1]",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran, and the first one was edited and run since."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        kernel.run("late", "LATE = 40")
        yield kernel


class TestManual:
    """`plain = "manual"`: only the user starts plain cells."""

    def test_by_default_the_flow_starts_quiet_ones(self, kernel: Kernel) -> None:
        """As they change nothing outside."""
        assert "total" in kernel.execute("%flow plan").text
        kernel.execute("%flow run")
        assert kernel.ask("(raw, clean, total)") == ([3, 20, 40], [3, 20, 40], 40)

    def test_manual(self, kernel: Kernel) -> None:
        """What reads one waits, plan and why say for which; its user runs it, or `--plain` does."""
        kernel.execute("%config NBFlow.plain = 'manual'")
        assert "plain = 'manual'  (%config NBFlow.plain)" in kernel.execute("%flow config").text
        plan = kernel.execute("%flow plan").text
        assert "waits" in next(line for line in plan.splitlines() if "total" in line)
        for line in ("run", "run total", "auto on"):
            kernel.execute(f"%flow {line}")
            kernel.execute("1 + 1")
            assert kernel.ask("(clean, total)") == ([3, 15, 20], 20)
        assert kernel.ask("raw") == [3, 20, 40]
        assert "run cell [4]" in kernel.execute("%flow why total").text
        kernel.run("clean")
        assert kernel.ask("total") == 40

    def test_and_back(self, kernel: Kernel) -> None:
        """Whatever waited for a plain cell does not any more."""
        kernel.execute("%config NBFlow.plain = 'manual'")
        kernel.execute("%flow run")
        assert "1 waits" in kernel.execute("%flow status").text
        kernel.execute("%config NBFlow.plain = 'quiet'")
        assert "1 stale" in kernel.execute("%flow status").text
        kernel.execute("%flow run")
        assert kernel.ask("total") == 40

    def test_with_plain(self, kernel: Kernel) -> None:
        """`%flow run --plain` starts them for once."""
        kernel.execute("%config NBFlow.plain = 'manual'")
        kernel.execute("%flow run --plain")
        assert kernel.ask("(clean, total)") == ([3, 20, 40], 40)


class TestSignals:
    """Plain cells that raise what only tasks can follow."""

    @pytest.mark.parametrize("signal", ["RETRY", "LOOP", "PAUSE"])
    def test_a_cell_cannot_run_again_or_wait(self, kernel: Kernel, signal: str) -> None:
        """Its run has failed, its reader says so, and its line says where the signal belongs."""
        words = f"only a task can run again or wait after {signal}; let the cell begin with `#@task`"
        source = f"from nbflow.engine import signals\nclean = 1\nraise signals.{signal}('no')"
        shown = kernel.run("clean", source)
        assert shown.error == f"{signal}: no"
        assert words in shown.text
        assert words in kernel.execute("%flow why total").text
        assert words in kernel.execute("%flow run --plain").text
        assert "ENDRUN" not in kernel.execute("%flow why total").text


class TestBadges:
    """`badge = "off"` in a notebook that has some."""

    def test_those_on_the_screen_go(self, kernel: Kernel) -> None:
        """They are not left as they were, and change no more; tasks that run later have one again."""
        gone = kernel.execute("%config NBFlow.badge = 'off'").updates
        assert [any(bundle.values()) for bundle in gone.values()] == [False, False]
        assert kernel.run("late", "LATE = 50").updates == {}
        assert "total" not in kernel.run("total").text
        kernel.execute("%config NBFlow.badge = 'live'")
        assert "total: fresh" in kernel.run("total").text
        assert kernel.run("late", "LATE = 60").updates


LOUD = "open('{0}.txt', 'w').write(str({0}))"
"""What makes a plain cell one that only its user starts."""

CHAIN = {
    "load": "%load_ext nbflow",
    "n": "N = 1",
    "a": "#@task a\na = N",
    "p": f"p = a + 1\n{LOUD.format('p')}",
    "b": "#@task b\nb = p + 1",
    "q": f"b = b * 2\n{LOUD.format('b')}",
    "c": "#@task c\nc = b",
    "d": "#@task d\nd = -N",
    "r": f"r = d\n{LOUD.format('r')}",
}


class TestWithPlain:
    """`%flow run --plain`: all that is not up to date runs in one go."""

    @pytest.fixture
    def chain(self, tmp_path: Path) -> Iterator[Kernel]:
        """A kernel with tasks and plain cells in turns, of which the first cell was edited and run."""
        with Kernel(tmp_path) as kernel:
            kernel.begin(**CHAIN)
            kernel.run("n", "N = 5")
            yield kernel

    def test_a_chain(self, chain: Kernel) -> None:
        """Each after what it needs, once, on what is bound at its place; what it did is told."""
        told = chain.execute("%flow run --plain").text
        ran = [line.split("  ")[0] for line in told.splitlines()[2:]]
        assert sorted(ran) == ["a", "b", "c", "cell [4]", "cell [6]", "cell [9]", "d"]
        assert chain.ask("(a, p, b, c, d, r)") == (5, 6, 14, 14, -5, -5)
        assert chain.ask("[open(f'{name}.txt').read() for name in 'pbr']") == ["6", "14", "-5"]
        assert "4 fresh" in chain.execute("%flow status").text
        assert "nothing to do" in chain.execute("%flow run --plain").text

    def test_some_tasks(self, chain: Kernel) -> None:
        """Only what these need runs."""
        chain.execute("__import__('nbflow').session().run('b', plain=True)")
        assert chain.ask("(a, p, d, r)") == (5, 6, -1, -1)

    def test_one_that_fails(self, chain: Kernel) -> None:
        """It is told; what hangs on it is left alone; all else runs."""
        chain.run("p", "p = 1 / (a - a)")
        told = chain.execute("%flow run --plain").text
        assert "ZeroDivisionError" in told
        assert chain.ask("(a, c, d, r)") == (5, 6, -5, -5)
        chain.run("p", CHAIN["p"])
        chain.execute("%flow run --plain")
        assert chain.ask("(p, b, c)") == (6, 14, 14)

    def test_a_new_kernel(self, chain: Kernel) -> None:
        """A plain cell of the one before runs where its file is lost; tasks are reused."""
        chain.execute("%flow run --plain")
        (chain.path.parent / "p.txt").unlink()
        chain.restart()
        chain.run("load")
        assert "task ran" not in chain.execute("%flow run --plain").text
        assert (chain.path.parent / "p.txt").read_text() == "6"
        assert chain.ask("(a, p, c)") == (5, 6, 14)
