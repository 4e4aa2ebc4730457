"""`%config NBFlow.…`, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with nbflow."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.execute("%load_ext nbflow")
        yield kernel


class TestWrongValues:
    """Are refused in a line, and nothing is changed."""

    @pytest.mark.parametrize(
        ("setting", "value", "said"),
        [
            ("runner", "'thraed'", "unknown runner 'thraed'; did you mean 'thread'?"),
            ("badge", "'on'", "unknown badge 'on'; use one of live, off, static"),
            ("plain", "'off'", "unknown plain 'off'; use one of manual, quiet"),
            ("ask_above", "'soon'", "setting ask_above: 'soon' is no number"),
            ("size_limit", "'big'", "'big' is no size; write bytes, or 500 MB, 20 GB"),
        ],
    )
    def test_a_wrong_value(self, kernel: Kernel, setting: str, value: str, said: str) -> None:
        """Says what would be right."""
        before = kernel.execute("%flow config").text
        assert said in kernel.execute(f"%config NBFlow.{setting} = {value}").text
        assert kernel.execute("%flow config").text == before

    def test_a_runner_of_the_notebook(self, kernel: Kernel) -> None:
        """Is one, once its cell has run."""
        kernel.execute("from nbflow.task_runners import ThreadPoolTaskRunner\npool = ThreadPoolTaskRunner()")
        assert kernel.execute("%config NBFlow.runner = 'pool'").error == ""
        assert "runner = 'pool'" in kernel.execute("%flow config").text

    def test_a_runner_that_the_environment_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Is refused where a task is to run there, with the place where to look."""
        monkeypatch.setenv("NBFLOW_RUNNER", "thraed")
        with Kernel(tmp_path) as kernel:
            kernel.execute("%load_ext nbflow")
            assert kernel.run("a", "# @task a\na = 1").error == (
                "UsageError: setting runner (see `%flow config`): unknown runner 'thraed'; "
                "did you mean 'thread'?"
            )
            assert "(NBFLOW_RUNNER)" in kernel.execute("%flow config").text
