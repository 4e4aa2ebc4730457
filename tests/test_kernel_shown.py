"""What task functions show, in a real kernel: once, live, in the cell that made them run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.process

LOUD = """@task
def loud():
    print('out')
    print('err', file=sys.stderr)
    display('shown')
    print('last', file=sys.stderr)
    return N"""
LOGS = """@task(log_prints=True)
def logs():
    print('printed')
    get_run_logger().warning('warned')
    return loud() + 1"""
CELLS = {
    "load": "%load_ext nbflow",
    "imports": "import sys\nfrom IPython.display import display\nfrom nbflow import get_run_logger, task",
    "n": "N = 1",
    "loud": LOUD,
    "logs": LOGS,
}
SEEN = "out\nerr\n'shown'last\n"
ASK = "__import__('nbflow').session().live._own._subject.answer({'ask': 'details', 'task': 'loud'})"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.set(**CELLS)
        assert [shown.text for shown in kernel.run_all()] == [""] * len(CELLS)
        yield kernel


@pytest.fixture
def change(shared: Kernel) -> Callable[[], object]:
    """Changes what the functions read."""
    return lambda: shared.run("n", f"N = {shared.value('N')} + 1")


@pytest.fixture
def kernel(shared: Kernel, change: Callable[[], object]) -> Kernel:
    """The kernel, whose functions are to run anew."""
    change()
    return shared


def seen(shown: Shown) -> str:
    """All that stands below a cell; a stream may come in pieces."""
    return "".join(shown.texts)


class TestRuns:
    """The body runs."""

    def test_for_a_plain_cell(self, kernel: Kernel) -> None:
        """Streams and displays appear in order, above what the cell shows itself."""
        shown = kernel.execute("print('cell')\nloud() * 0")
        assert seen(shown) == SEEN + "cell\n0"

    def test_for_another_function(self, kernel: Kernel) -> None:
        """Each shows its own, and logs where it says so."""
        shown = seen(kernel.execute("logs() * 0"))
        assert shown.startswith(SEEN)
        assert shown.count("task run 'logs': printed\n") == 1
        assert shown.endswith("task run 'logs': warned\n0")

    def test_for_a_task_cell(self, kernel: Kernel) -> None:
        """It is shown there, and is none of what the cell has shown itself."""
        source = "#@task use\nprint('use')\nuse = loud()"
        assert seen(kernel.run("use", source)).startswith(f"{SEEN}use\nuse: ")
        assert seen(kernel.run("use")).startswith("use\nuse: ")
        kernel.delete("use")

    @pytest.mark.parametrize("how", ["", "--runner thread"])
    def test_for_a_command(self, kernel: Kernel, how: str) -> None:
        """Also where it could have been reused, and whoever was to run it."""
        kernel.execute("loud()")
        shown = seen(kernel.execute(f"%flow run loud --force {how}"))
        assert shown.startswith(f"{SEEN}run ")
        assert shown.count("out\n") == 1

    def test_for_a_cell_that_awaits(self, kernel: Kernel) -> None:
        """As for any other."""
        shown = kernel.execute("import asyncio\nawait asyncio.sleep(0)\nloud() * 0")
        assert seen(shown) == SEEN + "0"

    def test_a_figure(self, kernel: Kernel) -> None:
        """Is shown by whoever drew it."""
        pytest.importorskip("matplotlib")
        kernel.run("inline", "%matplotlib inline")
        kernel.run("plots", "@task\ndef plots():\n    import matplotlib.pyplot as plt\n    plt.plot([N])")
        shown = kernel.execute("plots()\nprint('cell')")
        assert ["image/png" in bundle for bundle in shown.bundles] == [True]
        assert seen(shown).endswith("cell\n")

    def test_each_attempt(self, kernel: Kernel) -> None:
        """Shows what it did before it failed."""
        kernel.run("bad", "@task(retries=1)\ndef bad():\n    print('bad')\n    raise ValueError(N)")
        shown = kernel.execute("bad()")
        assert shown.stdout == "bad\n" * 2
        assert shown.error.startswith("SessionError: bad() failed (ValueError")


class TestRunsNot:
    """Nothing is shown by what does not run here."""

    def test_a_value_that_is_reused(self, kernel: Kernel) -> None:
        """Is the value alone, as of any cached function."""
        kernel.execute("loud()")
        assert kernel.execute("loud() * 0").texts == ["0"]
        assert "out" not in kernel.execute("%flow run loud").text

    def test_a_cell_that_hides_all(self, kernel: Kernel) -> None:
        """Hides what it made run as well."""
        assert kernel.execute("%%capture\nprint('cell')\nvalue = loud()").texts == []
        assert kernel.execute("value * 0").text == "0"

    def test_the_background(self, kernel: Kernel) -> None:
        """Whatever cell runs meanwhile has nothing to do with it."""
        kernel.run("quick", "@task\ndef quick():\n    print('aside')\n    return N")
        shown = kernel.execute("%flow run quick --background"), kernel.execute("import time; time.sleep(0.5)")
        assert "aside" not in "".join(map(seen, shown))

    def test_an_audit(self, kernel: Kernel) -> None:
        """Compares and is silent."""
        kernel.execute("logs()")
        kernel.run("quiet", "@task\ndef quiet():\n    print('aloud')\n    return N")
        assert "aloud" in seen(kernel.execute("quiet()"))
        assert "aloud" not in seen(kernel.execute("%flow audit quiet"))


class TestKept:
    """What a function has shown is kept with its value."""

    def test_its_panel_shows_it(self, kernel: Kernel) -> None:
        """Also after the value was reused."""
        for _ in range(2):
            kernel.execute("loud()")
        shown: list[Any] = kernel.ask(ASK)["shown"]
        assert "".join(content for _, content in shown) == SEEN

    def test_a_result_comes_back_as_a_result(self, shared: Kernel) -> None:
        """With its number in front, as the value of a last expression has it; a display without."""
        text = "#@task told\nprint('rows')\ndisplay('shown')\ntold = 6 * 7\ntold"
        first, again = shared.run("told", text), shared.run("told", text)
        assert first.results == again.results == ["42"]
        assert seen(first).startswith("rows\n'shown'42")
        assert seen(again).startswith("rows\n'shown'42")
