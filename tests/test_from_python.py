"""The session from Python, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow\nfrom nbflow import session",
    "late": "LATE = 15",
    "raw": "#@task raw\nraw = [3, 20, 16]",
    "features": "#@task features\nfeatures = [x for x in raw if x > LATE]",
    "total": "#@task total\ntotal = sum(features)",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


class TestCommands:
    """Each method does and shows what its command does."""

    @pytest.mark.parametrize(
        ("call", "line"),
        [
            ("plan()", "plan"),
            ("plan('total')", "plan total"),
            ("status()", "status"),
            ("why('features')", "why features"),
            ("history('raw')", "history raw"),
            ("history('#1')", "history #1"),
            ("diff('features')", "diff features"),
            ("cache()", "cache size"),
        ],
    )
    def test_what_only_tells(self, kernel: Kernel, call: str, line: str) -> None:
        """Is the same value."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow run")
        kernel.run("late", "LATE = 19")
        said, told = kernel.execute(f"session().{call}"), kernel.execute(f"%flow {line}")
        assert (said.error, said.text) == (told.error, told.text)
        assert "text/html" in said.bundles[-1]

    def test_running(self, kernel: Kernel) -> None:
        """All tasks or some; what a plain cell did before the call in it counts."""
        shown = kernel.run("late", "LATE = 18\nsession().run('features')")
        assert "features" in shown.text
        assert "total" not in shown.text.splitlines()[-1]
        assert kernel.ask("(features, total)") == ([20], 36)
        kernel.execute("session().run()")
        assert kernel.ask("total") == 20

    def test_running_only_some(self, kernel: Kernel) -> None:
        """On what is above them as it is; an audit compares what they make then."""
        kernel.run("raw", "#@task raw\nraw = [3, 20, 17]")
        kernel.execute("session().run('total', only=True, force=True)")
        assert kernel.ask("(features, total)") == ([20, 16], 36)
        kernel.execute("session().run()")
        assert "total" in kernel.execute("session().audit('total')").text

    def test_parameters(self, kernel: Kernel) -> None:
        """Are given as values."""
        kernel.run("late", "#@params\nLATE = 15\nNAME = 'a'")
        kernel.execute("session().run(LATE=18, NAME='b c')")
        assert kernel.ask("(LATE, NAME, total)") == (18, "b c", 20)

    def test_holds(self, kernel: Kernel) -> None:
        """Restore, pin, unpin, accept; the past changes nothing."""
        kernel.run("late", "LATE = 18")
        kernel.execute("session().accept('features', because='input:LATE')")
        assert kernel.ask("session().flow['features'].freshness.verdict.value") == "as of"
        said = kernel.execute("%flow audit features").text
        assert "it had been accepted as up to date, and is no more" in said
        kernel.run("features")
        assert kernel.ask("session().past('features')") == [20, 16]
        kernel.execute("session().restore('features', '-1')")
        assert kernel.ask("features") == [20, 16]
        kernel.execute("session().restore('latest')")
        assert "nothing to accept" in kernel.execute("%flow accept raw").error
        kernel.execute("session().pin('features')")
        kernel.run("late", "LATE = 10")
        kernel.execute("session().run()")
        said = kernel.execute("session().run()").text
        assert said == "nothing to do, but not proven up to date, only as of: features, total"
        assert kernel.execute("session().run('raw')").text == "nothing to do, everything is up to date"
        kernel.run("late", "LATE = 18")
        assert kernel.execute("session()").text == "<nbflow session of nb.ipynb>"
        assert kernel.ask("session().flow['features'].freshness.causes[0].after") == "pin"
        kernel.execute("session().unpin('features')")
        assert kernel.ask("session().flow['features'].is_stale") is False

    def test_a_run_is_a_number_or_a_text(self, kernel: Kernel) -> None:
        """Its own, or counted back; the whole flow as well."""
        kernel.run("late", "LATE = 18")
        kernel.execute("%flow run")
        first = kernel.ask("session().flow['features'].runs[-1].number")
        for run in (-1, first, f"#{first}"):
            assert kernel.ask(f"session().past('features', {run!r})") == [20, 16]
            kernel.execute(f"session().restore('features', {run!r})")
            assert kernel.ask("features") == [20, 16]
            kernel.execute("session().restore('latest')")
            assert kernel.ask("features") == [20]
        same = f"session().diff('features', {first})", f"%flow diff features #{first}"
        assert kernel.execute(same[0]).text == kernel.execute(same[1]).text
        kernel.execute(f"session().open('features', {first})")
        assert kernel.ask("LATE") == 15
        kernel.execute("session().restore('latest')")
        kernel.execute(f"session().pin('features', {first})")
        assert kernel.ask("features") == [20, 16]
        kernel.execute("session().unpin('features')")
        second = kernel.ask("session().flow['total'].runs[0].number")
        kernel.run("late", "LATE = 30")
        kernel.execute("%flow run")
        assert kernel.ask("total") == 0
        kernel.execute(f"session().restore({second})")
        assert kernel.ask("(LATE, features, total)") == (18, [20], 20)

    def test_code_behind_a_call_would_go_unseen(self, kernel: Kernel) -> None:
        """So what changes names is the last line of its cell, and stands in no function."""
        for source in (
            "session().run()\nLATE = 3",
            "done = session().run()",
            "def f():\n    session().run()\n    globals()['LATE'] = 3\nf()",
            "[session().run() for _ in range(2)]",
        ):
            assert "let it be the last line of its cell" in kernel.execute(source).error
        kernel.run("total", "#@task total\ntotal = session().run()")
        assert (
            "cannot run inside total"
            in kernel.execute("%flow run").text + kernel.execute("%flow why total").text
        )


class TestTasks:
    """Tasks as values."""

    def test_what_they_know(self, kernel: Kernel) -> None:
        """As they stand when they are asked."""
        task = "session().flow['features']"
        assert kernel.ask("list(session().flow)") == ["raw", "features", "total"]
        assert kernel.ask(f"({task}.reads, {task}.writes)") == (("LATE", "raw"), ("features",))
        assert kernel.ask(f"({task}.upstream, {task}.downstream)") == (("raw",), ("total",))
        assert kernel.ask(f"({task}.state.name, {task}.state.is_completed())") == ("Completed", True)
        assert kernel.ask(f"[run.number for run in {task}.runs]") == [2]
        kernel.run("late", "LATE = '18'")
        assert kernel.ask(f"({task}.is_stale, [cause.subject for cause in {task}.freshness.causes])") == (
            True,
            ["LATE"],
        )
        kernel.run("features")
        assert kernel.ask(f"({task}.state.name, len({task}.runs))") == ("Failed", 2)

    def test_they_show_themselves(self, kernel: Kernel) -> None:
        """A task as `%flow why` does, the flow as `%flow` does, and so does what a task has."""
        assert kernel.execute("session().flow['features']").text == kernel.execute("%flow why features").text
        assert "features" in kernel.execute("session().flow").text
        kernel.execute("LATE = 18", "late")
        assert kernel.execute("session().flow['features'].freshness").text.startswith(
            "stale: LATE changed: 15"
        )
        runs = kernel.execute("session().flow['features'].runs")
        assert "Pending → Running" in runs.text
        assert "text/html" in runs.bundles[-1]
        said = kernel.execute("session().flow['features'].runs[0], 1").text
        assert said == "(<run #2 of features: Completed>, 1)"
        assert kernel.execute("session().past('raw')").error.startswith(
            "SessionError: raw has no earlier result"
        )

    def test_one_that_there_is_not(self, kernel: Kernel) -> None:
        """Is told with those that there are."""
        assert "there is no task 'feature'" in kernel.execute("session().flow['feature']").error
        assert kernel.ask("'feature' in session().flow") is False
