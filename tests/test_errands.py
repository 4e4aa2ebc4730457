"""Bodies of notebooks in worker processes: the same law as on the user's names."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.task_runners.process import ProcessPoolTaskRunner
from nbflow.testing import Notebook
from tests.law.nightly import MIXES
from tests.law.twins import moments

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("outside")]


@pytest.fixture(scope="module")
def runner() -> Iterator[ProcessPoolTaskRunner]:
    """Two workers."""
    with ProcessPoolTaskRunner(2) as runner:
        yield runner


def played(
    sources: list[tuple[str, bool]], runner: ProcessPoolTaskRunner | None
) -> tuple[Notebook, list[str]]:
    """A notebook of these cells, plain ones marked, all run; and why tasks of it ran inline."""
    sys.modules.pop("nbflow_own", None)
    notebook = Notebook(runner=runner)
    for source, plain in sources:
        notebook.add(source, plain=plain)
    why = [reason for action in notebook.run_all() for reason in action.inline.values()]
    return notebook, why


class TestTheLaw:
    """Random notebooks whose tasks run in workers."""

    @pytest.mark.parametrize("mix", MIXES, ids="+".join)
    def test_all_is_as_on_the_users_names(
        self, mix: tuple[str, ...], tmp_path: Path, runner: ProcessPoolTaskRunner
    ) -> None:
        """Verdicts, causes, what was executed and reused, and each entry and output of each trace."""
        seed = 8000 + MIXES.index(mix)
        here = moments(seed, mix, tmp_path / "game", None)
        assert moments(seed, mix, tmp_path / "game", runner) == here


class TestWhatIsSent:
    """Names there and back."""

    def test_names_changed_in_place_and_shared(self, runner: ProcessPoolTaskRunner) -> None:
        """What shared memory does so afterwards; deleted names are gone; closed files are closed files."""
        cells = [
            ("xs = [1]\nview = xs\ngone = 1", True),
            ("xs.append(2)\nnew = view\ndel gone", False),
            ("with open('out.txt', 'w') as stream:\n    count = stream.write('abc')", False),
        ]
        notebook, why = played(cells, runner)
        names: dict[str, Any] = notebook.names
        assert (why, names["xs"], names["xs"] is names["view"] is names["new"]) == ([], [1, 2], True)
        assert ("gone" in names, names["stream"].closed, names["count"]) == (False, True, 3)
        assert Path("out.txt").read_text() == "abc"

    def test_classes_of_the_notebook(self, runner: ProcessPoolTaskRunner) -> None:
        """Instances go and come back as those of the class that stands there; new classes are made here."""
        cells = [
            ("class Point:\n    def __init__(self, x): self.x = x\np = Point(3)", True),
            ("class Far(Point):\n    pass\nq = [Far(p.x), p]", False),
        ]
        notebook, why = played(cells, runner)
        names: dict[str, Any] = notebook.names
        assert (why, [type(each) for each in names["q"]]) == ([], [names["Far"], names["Point"]])

    def test_modules_changed_in_place(self, tmp_path: Path, runner: ProcessPoolTaskRunner) -> None:
        """A module that is another thing here than its file is not taken for that."""
        (tmp_path / "nbflow_own.py").write_text("X = 1\nD = {}\ndef put(value):\n    D['b'] = value\n")
        sys.path.insert(0, str(tmp_path))
        cells = [
            ("import nbflow_own\nnbflow_own.X = 5", True),
            ("from nbflow_own import X as x", False),
            ("import nbflow_own\nnbflow_own.D['a'] = 3\nw = 1", False),
            ("from nbflow_own import D\nv = dict(D)", False),
        ]
        notebook, why = played(cells, runner)
        assert (notebook.names["x"], notebook.names["v"], len(why)) == (5, {"a": 3}, 3)

    def test_modules_that_no_name_holds(self, tmp_path: Path, runner: ProcessPoolTaskRunner) -> None:
        """What was done to one counts; so does what it read when it was imported."""
        (tmp_path / "nbflow_own.py").write_text(
            "from pathlib import Path\nX = len(Path('data.txt').read_text())\n"
        )
        (tmp_path / "data.txt").write_text("abc")
        sys.path.insert(0, str(tmp_path))
        done = ("import nbflow_own\nnbflow_own.X = 5\ndel nbflow_own", True)
        notebook, why = played([done, ("from nbflow_own import X as x", False)], runner)
        assert (notebook.names["x"], len(why)) == (5, 1)
        notebook, why = played(
            [("import nbflow_own", True), ("import nbflow_own\ny = nbflow_own.X", False)], runner
        )
        (_, step) = notebook.book
        assert (notebook.verdict(step.id).value, notebook.names["y"], why) == ("fresh", 3, [])
        (tmp_path / "data.txt").write_text("changed")
        assert notebook.verdict(step.id).value == "stale"

    @pytest.mark.parametrize(
        ("before", "body", "why"),
        [
            ("import threading\nlock = threading.Lock()", "held = lock.locked()", "lock cannot be"),
            ("import random\nrandom.seed(1)", "r = random.random()", "draws from a global random generator"),
            (
                "import random\ndef f():\n    random.seed(5)\n    return 1",
                "s = f()",
                "may set a global random state",
            ),
            (
                "import os\nkey = 'NBFLOW_TRY'",
                "os.environ[key] = 'a'\ns = 1",
                "changes the state of the process",
            ),
            ("import threading", "made = threading.Lock()", "cannot be"),
            ("x = 1", "g = (x for x in [1])", "cannot be"),
        ],
    )
    def test_what_cannot_be_sent_runs_here(
        self, before: str, body: str, why: str, runner: ProcessPoolTaskRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the reason."""
        monkeypatch.setenv("NBFLOW_TRY", "")
        notebook, told = played([(before, True), (body, False)], runner)
        assert [why in each for each in told] == [True]
        assert not any(step.failure for step in notebook.book)


class TestWhatIsSeen:
    """Entries of a body that ran in a worker."""

    def test_draws_from_what_the_worker_had_not_loaded(self) -> None:
        """The generator was seeded here, and no body before has loaded its module there."""
        pytest.importorskip("numpy")
        cells = [("import numpy as np\nnp.random.seed(3)", True), ("x = np.random.rand()", False)]
        with ProcessPoolTaskRunner(1) as fresh:
            notebook, why = played(cells, fresh)
        expected, _ = played(cells, None)
        assert why == ["it draws from a global random generator"]
        assert notebook.names["x"] == expected.names["x"]

    def test_the_time_zone(self, runner: ProcessPoolTaskRunner, monkeypatch: pytest.MonkeyPatch) -> None:
        """A worker that has run bodies in one zone runs the next in another."""
        cells = [("import time", True), ("hour = time.strftime('%H', time.localtime(0))", False)]
        for zone, hour in (("UTC+1", "23"), ("UTC-9", "09")):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            notebook, why = played(cells, runner)
            assert (notebook.names["hour"], why) == (hour, [])
        monkeypatch.undo()
        time.tzset()

    def test_a_folder_that_is_gone(self, tmp_path: Path, runner: ProcessPoolTaskRunner) -> None:
        """No worker can work there; the body runs here."""
        (tmp_path / "gone").mkdir()
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        notebook, why = played([("xs = [1]", True), ("n = max(xs)", False)], runner)
        assert (notebook.names["n"], len(why), "cannot be sent" in why[0]) == (1, 1, True)

    def test_context_variables_end_with_the_body(self, runner: ProcessPoolTaskRunner) -> None:
        """What one sets there is not the next one's."""
        cells: list[tuple[str, bool]] = []
        for number in range(3):
            body = (
                "import contextvars, string\n_v = vars(string).setdefault('v', contextvars.ContextVar('v'))"
            )
            cells.append((f"{body}\np{number} = _v.get(28)\n_v.set(3)\ndel _v", False))
        notebook, _ = played(cells, runner)
        assert [notebook.names[f"p{number}"] for number in range(3)] == [28, 28, 28]

    def test_settings_stay_for_those_below(self, runner: ProcessPoolTaskRunner) -> None:
        """As they do in the notebook's own process."""
        cells = [("import decimal", True)]
        for number in range(3):
            body = f"p{number} = decimal.getcontext().prec\n_ = setattr(decimal.getcontext(), 'prec', 3)"
            cells.append((body, False))
        notebook, _ = played(cells, runner)
        assert [notebook.names[f"p{number}"] for number in range(3)] == [28, 3, 3]

    def test_a_limit_and_a_crash(self, runner: ProcessPoolTaskRunner) -> None:
        """The process is killed; the next body has another."""
        notebook = Notebook(runner=runner)
        slow = notebook.let(notebook.add("import time\ntime.sleep(60)\nslow = 1"), timeout=0.3)
        crash = notebook.add("import os\ncrash = os._exit(3)")
        fine = notebook.add("fine = 1")
        notebook.run_all()
        assert notebook.step(slow).ended is not None
        assert notebook.step(slow).ended.name == "TimedOut"  # type: ignore[union-attr]
        assert "exit code 3" in notebook.step(crash).failure
        assert notebook.verdict(fine).value == "fresh"

    def test_what_a_failed_body_looked_at(self, tmp_path: Path, runner: ProcessPoolTaskRunner) -> None:
        """It is known, too, and the error bears the name that was missed."""
        Path("in.txt").write_text("a")
        notebook, _ = played([("text = open('in.txt').read()\nbad = nowhere", False)], runner)
        (step,) = notebook.book
        assert step.ended_on is not None
        assert str(tmp_path / "in.txt") in {entry.looked.slot.locator for entry in step.ended_on}
        assert "nowhere" in step.failure
