"""Reactive mode in a real kernel: what runs by itself after each cell, and what is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

START = {"ext": "%load_ext nbflow", "plain": "limit = 3", "z": "z = 0"}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all; each test begins anew in it."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture
def job(kernel: Kernel, tmp_path: Path) -> Iterator[Job]:
    """A notebook with nbflow and two constants."""
    job = Job(kernel, tmp_path, START)
    job.run_all()
    yield job
    job.flow("auto off")


class TestRuns:
    """Short stale tasks run once after each cell."""

    def test_each_at_most_once_for_a_cell(self, job: Job) -> None:
        """In flow order, with what they need."""
        job.run(b="%%task b\nb = limit", c="%%task c\nc = b + z")
        job.flow("auto on")
        assert job.run(plain="limit = 4") == ["plain", "b", "c"]
        assert job.run(z="z = 1") == ["z", "c"]
        assert job.run(plain="limit = 3") == ["plain", "c"]

    def test_never_again_on_what_it_failed_on(self, job: Job) -> None:
        """Also after it has worked on something else; its own cell may try."""
        job.run(b="%%task b\nb = 1 / (limit - 3)")
        job.flow("auto on")
        assert job.run(plain="limit = 4") == ["plain", "b"]
        assert job.run(plain="limit = 3") == ["plain"]
        assert job.run("b") == ["b"]
        assert job.run(z="z = 1") == ["z"]

    def test_never_again_on_what_proved_nothing(self, job: Job) -> None:
        """A file that changed while the body read it leaves no result."""
        text = (
            "%%task b\nimport ctypes\nt = open('data.txt').read()\n"
            "if limit == 4:\n    _ = ctypes.CDLL(None).system(b'echo more >> data.txt')\nb = len(t)"
        )
        (job.folder / "data.txt").write_text("a")
        job.run(b=text)
        job.flow("auto on")
        ran = [job.run(plain="limit = 4"), job.run(z="z = 1"), job.run(z="z = 2")]
        assert [cells.count("b") for cells in ran] == [1, 0, 0]
        assert "data.txt changed while the body ran" in job.kernel.execute("%flow why b").text


class TestLeftAlone:
    """What does not run by itself."""

    def test_effects_declared_and_visible(self, job: Job) -> None:
        """Nor what reads them."""
        job.run(
            b="%%task b --effect\nb = limit",
            c="%%task c\nimport requests\nc = limit\nif not limit: requests.post('http://a')",
            d="%%task d\nd = (b, c)",
            e="%%task e\ne = limit",
        )
        job.flow("auto on")
        assert job.run(plain="limit = 4") == ["plain", "e"]
        assert job.flow() == ["c"]

    def test_what_only_a_person_starts(self, job: Job) -> None:
        """It stays Paused."""
        job.run(b="%%task b --manual\nb = limit", e="%%task e\ne = limit")
        job.flow("resume b")
        job.flow("auto on")
        assert job.run(plain="limit = 4") == ["plain", "e"]

    def test_what_takes_long_and_all_that_needs_it(self, job: Job) -> None:
        """The limit is said with the command, or by the setting."""
        slow = "%%task b\nimport hashlib\nb = hashlib.pbkdf2_hmac('sha256', b'x', b'y', 600_000)[:1], limit"
        job.run(b=slow, c="%%task c\nc = b", e="%%task e\ne = limit")
        job.flow("auto on --below 0.05")
        assert "tasks expected under 50 ms run" in job.shown.text
        assert job.run(plain="limit = 4") == ["plain", "e"]
        job.flow("auto on --below=1m")
        assert job.run(plain="limit = 5") == ["plain", "b", "c", "e"]
        job.flow("auto on")
        assert "tasks expected under 10 s run" in job.shown.text
        job.flow("auto on --below soon")
        assert "--below needs a time: 5, 30s, 2m; 'soon' is none" in job.shown.error

    def test_what_is_stale_again_right_after_its_run(self, job: Job) -> None:
        """It is said once; then its cell, or an edit, has to run it."""
        count = "os.environ['NBFLOW_COUNT'] = os.environ.get('NBFLOW_COUNT', '') + 'x'"
        restless = f"%%task b\nimport os\nb = limit\n{count}"
        job.run(b=restless, e="%%task e\ne = limit")
        job.flow("auto on")
        ran, texts = [], []
        for number in range(4, 8):
            ran.append(job.run(plain=f"limit = {number}"))
            texts.append(job.shown.text)
        said = [number for number, text in enumerate(texts) if "auto leaves b out: it is stale again" in text]
        assert len(said) == 1
        assert all("b" not in cells for cells in ran[said[0] + 1 :])
        assert all("e" in cells for cells in ran)
