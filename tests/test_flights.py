"""notebooks/flights.ipynb by `nbflow run`: what runs, what is reused, and that every value is right."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.flights import NOTEBOOK, SMALL, plain_run
from tests.headless import line_of, nbflow_run, parts_of, pictures_in, shown_in, with_word

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.process]

LOADED = {"flights", "weather", "lookups", "clean", "joined"}
MODELLED = {"features", "split", "model", "importance", "by_carrier", "when", "drivers", "who", "report"}
FIGURES = {"when", "drivers", "who"}
EDITED = {**SMALL, "LATE": 20}


@dataclass(frozen=True)
class Ran:
    """One headless run: its exit code, what it said, and the executed notebook."""

    code: int
    said: str
    executed: Path

    @property
    def parts(self) -> list[dict[str, str]]:
        """What became of each step: in its own cell first, then after each `%flow` line."""
        return parts_of(self.said)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """Three runs in three kernels: the first, one with nothing changed, one with another limit."""
    notebook = tmp_path_factory.mktemp("flights") / "flights.ipynb"
    shutil.copy(NOTEBOOK, notebook)
    ran: list[Ran] = []
    for parameters in (SMALL, SMALL, EDITED):
        executed = notebook.parent / f"executed{len(ran)}.ipynb"
        given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
        done = nbflow_run(notebook, *given, "--output", str(executed))
        ran.append(Ran(done.returncode, done.stdout + done.stderr, executed))
    assert notebook.read_bytes() == NOTEBOOK.read_bytes()
    return ran


class TestWhatRuns:
    """Exactly what is invalidated runs."""

    def test_all_end_well(self, runs: list[Ran]) -> None:
        """Exit code 0."""
        assert [run.code for run in runs] == [0, 0, 0], runs[0].said

    def test_first_every_task_runs(self, runs: list[Ran]) -> None:
        """Each once, in its own cell."""
        assert runs[0].parts[0] == dict.fromkeys(LOADED | MODELLED, "ran")

    def test_another_limit_runs_what_reads_it(self, runs: list[Ran]) -> None:
        """And what follows from that; back at the old one, all of it is reused."""
        _, set_late, run, reset, run_again, *_ = runs[0].parts
        assert set_late == reset == {}
        assert with_word(run, "ran") == MODELLED
        assert with_word(run_again, "reused") == MODELLED
        assert with_word(run, "reused") == with_word(run_again, "ran") == set()

    def test_then_none_runs(self, runs: list[Ran]) -> None:
        """A new kernel on the same store computes nothing, and says how much time that saved."""
        assert all(with_word(part, "ran") == set() for part in runs[1].parts)
        assert runs[1].parts[0] == dict.fromkeys(LOADED | MODELLED, "reused")
        assert "saved" in line_of(runs[1].said, "importance")
        assert "same as in run" in line_of(runs[1].said, "importance")

    def test_after_an_edit_the_affected_ones_run(self, runs: list[Ran]) -> None:
        """Those that read the constant, and those that read what they make; each says why."""
        affected = runs[2].parts[0]
        assert with_word(affected, "ran") == MODELLED
        assert with_word(affected, "reused") == LOADED
        assert line_of(runs[2].said, "features").endswith("LATE changed: 15 → 20 (params)")
        assert line_of(runs[2].said, "report").endswith("by_carrier was made anew")

    def test_no_other_message(self, runs: list[Ran]) -> None:
        """No warning, no notice, no error of ours."""
        for run in runs:
            lines = run.said.splitlines()
            assert lines[0].startswith("flights.ipynb -p ")
            assert all(line.startswith("  ") for line in lines[1:-1]), run.said
            assert lines[-1].endswith(" in all")


class TestValues:
    """What is shown is what plain Python gives."""

    @pytest.mark.parametrize(("number", "parameters"), [(0, SMALL), (1, SMALL), (2, EDITED)])
    def test_every_text_and_table(self, runs: list[Ran], number: int, parameters: dict[str, int]) -> None:
        """Computed, reused, or partly reused; the cell after `restore` shows an earlier run by intent."""
        plain, shown = plain_run(**parameters)[1], shown_in(runs[number].executed)
        names = plain.keys() - FIGURES - {"restored"}
        assert {name: shown[name] for name in names} == {name: plain[name] for name in names}

    def test_a_restored_task(self, runs: list[Ran]) -> None:
        """Has the values of the run before the last: those of the other limit."""
        assert shown_in(runs[0].executed)["restored"].startswith("late from 30 minutes: AUC")

    def test_figures_come_back(self, runs: list[Ran]) -> None:
        """The same pictures, below the same cells."""
        first, second = pictures_in(runs[0].executed), pictures_in(runs[1].executed)
        assert first.keys() == FIGURES
        assert first == second

    def test_no_cell_failed(self, runs: list[Ran]) -> None:
        """Not even into an output that looks harmless."""
        for run in runs:
            assert '"output_type": "error"' not in run.executed.read_text()
            assert "could not follow" not in run.executed.read_text()
