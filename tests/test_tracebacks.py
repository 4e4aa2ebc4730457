"""Tracebacks, in a real kernel: lines of the user above a message of ours, and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel, Shown

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

SETUP = """import nbflow
from nbflow import Flow, Parameter, flow, session, task
with Flow("etl") as etl:
    Parameter("year", default=2013) + 1
@flow
def daily(year):
    return year
@task
def lone(nobody):
    return nobody
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with a task and a flow."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.set(load="%load_ext nbflow", setup=SETUP, raw="# @task raw\nraw = [1]", x="x = 1")
        assert [shown.error for shown in kernel.run_all()] == [""] * 4
        yield kernel


def seen(shown: Shown) -> str:
    """A traceback without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.traceback)


class TestErrorsOfOurs:
    """What the user did wrong is in no line of ours."""

    @pytest.mark.parametrize(
        ("call", "said"),
        [
            ("nbflow.past('rav')", "UnknownTaskError: there is no task 'rav'; did you mean 'raw'?"),
            ("session().flow['rav']", "UnknownTaskError: there is no task 'rav'; did you mean 'raw'?"),
            ("nbflow.view(3)", "DefinitionError: 3 is no flow"),
            ("etl.run(yaer=5)", "OptionError: unknown parameter 'yaer'; did you mean 'year'?"),
            ("flow(task_runner='thraed')(print)", "OptionError: unknown runner 'thraed'"),
            ("daily(1, 2)", "ParameterBindError: flow 'daily': too many positional arguments"),
            ("lone()", "SessionError: lone() failed (TypeError: lone() missing 1 required"),
        ],
    )
    def test_a_wrong_call(self, kernel: Kernel, call: str, said: str) -> None:
        """Shows the line that is wrong, also in a function, and what it is called from."""
        shown = kernel.execute(f"def go():\n    {call}\ngo()")
        assert shown.error.startswith(said)
        assert f"----> 2     {call}" in seen(shown)
        assert "----> 3 go()" in seen(shown)
        assert seen(shown).count("Cell In") == 2
        assert "nbflow/" not in seen(shown)

    def test_a_failed_function(self, kernel: Kernel) -> None:
        """Is shown in its lines and in those that call it, and so is what it has caught."""
        fails = "@task\ndef fails():\n    try:\n        1 / 0\n    except ZeroDivisionError as error:\n"
        kernel.run("fails", f"{fails}        raise KeyError('k') from error")
        shown = kernel.execute("fails()")
        assert shown.error == "SessionError: fails() failed (KeyError: 'k')"
        assert "----> 6         raise KeyError('k') from error" in seen(shown)
        assert "----> 1 fails()" in seen(shown)
        assert seen(shown).count("Cell In") == 3
        assert "nbflow/" not in seen(shown)

    def test_one_behind_an_error_of_the_user(self, kernel: Kernel) -> None:
        """Brings no line along of how it was run."""
        kernel.run("fell", "@task\ndef fell():\n    return 1 / 0")
        shown = kernel.execute("try:\n    fell()\nexcept Exception as error:\n    raise OSError from error")
        assert "----> 3     return 1 / 0" in seen(shown)
        assert "----> 4     raise OSError from error" in seen(shown)
        assert not any(each in seen(shown) for each in ("execution.py", "wiring.py", "performer.py"))

    def test_a_wrong_parameter(self, kernel: Kernel) -> None:
        """Names the line, and how there come to be parameters."""
        shown = kernel.execute("session().run(nosuch=1)")
        assert shown.error == (
            "SessionError: there is no parameter 'nosuch'; a cell that begins with `# @params` makes some"
        )
        assert "nbflow/" not in seen(shown)

    def test_in_a_body(self, kernel: Kernel) -> None:
        """So it is where a task's cell makes the call."""
        shown = kernel.run("x", "# @task x\nx = etl.run(q=5)")
        assert shown.error.startswith("OptionError: unknown parameter 'q'")
        assert "----> 2 x = etl.run(q=5)" in seen(shown)
        assert "nbflow/" not in seen(shown)

    @pytest.mark.parametrize("rest", ["x = 1", "await asyncio.sleep(0)"], ids=["", "one that awaits"])
    @pytest.mark.parametrize("error", ["exec('y = = 1')", "1 / 0"])
    def test_of_a_body(self, kernel: Kernel, error: str, rest: str) -> None:
        """An error of the user, be it in a text that is compiled, is in the user's lines alone."""
        shown = kernel.execute(f"#@task wrong\nimport asyncio\n{rest}\n{error}")
        assert shown.error.startswith(("SyntaxError: invalid syntax", "ZeroDivisionError"))
        assert error in seen(shown)
        assert "/nbflow/" not in seen(shown)
        assert "IPython" not in seen(shown)

    def test_before_a_body(self, kernel: Kernel) -> None:
        """Where no line of the body is wrong, there is but the message."""
        shown = kernel.run("x", "# @task x --map y=nosuch\nx = y")
        assert shown.error.startswith("UsageError: x is mapped over nosuch, which is not defined")
        assert shown.traceback == ""

    def test_a_mistake_of_nbflow(self, kernel: Kernel) -> None:
        """Is shown in full, for whoever is to mend it."""
        shown = kernel.execute(
            "from nbflow.engine.transitions import check\nfrom nbflow.states import Completed, Pending\n"
            "check(Completed(), Pending(), 'r1')"
        )
        assert shown.error.startswith("IllegalTransitionError: ")
        assert "nbflow/engine/transitions.py" in seen(shown)

    def test_a_stop(self, kernel: Kernel) -> None:
        """Shows what was stopped: the command, and the line of the body."""
        kernel.run("x", "# @task x --defer\nimport signal\nx = signal.raise_signal(signal.SIGINT)")
        shown = kernel.execute("%flow run x")
        assert "KeyboardInterrupt" in shown.error
        assert "----> 3 x = signal.raise_signal(signal.SIGINT)" in seen(shown)
        assert "nbflow/" not in seen(shown)

    def test_a_stop_while_nbflow_looks(self, kernel: Kernel) -> None:
        """Where it is asked in the midst of a body what a file is, the line that asks is the last one."""
        stops = "class Path:\n    def __fspath__(self):\n        raise KeyboardInterrupt\n"
        shown = kernel.run("looks", f"# @task looks\nimport os\n{stops}looks = os.path.exists(Path())")
        assert shown.error.startswith("KeyboardInterrupt")
        assert "looks = os.path.exists(Path())" in seen(shown)
        assert "nbflow" not in seen(shown)
