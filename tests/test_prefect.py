"""Snippets of Prefect 3, with nothing but the import changed, beside what Prefect 3.9.1 said to them."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nbflow.running.records import records_in, using
from nbflow.store.memory import MemoryStore
from tests.headless import nbflow_run, shown_in
from tests.prefect.__main__ import KEPT
from tests.prefect.play import play
from tests.prefect.snippets import SNIPPETS

if TYPE_CHECKING:
    from collections.abc import Generator

SAID: dict[str, list[str]] = json.loads(KEPT.read_text())


@pytest.fixture(autouse=True)
def _in_memory() -> Generator[None]:
    logging.disable(logging.CRITICAL)
    with using(records_in(MemoryStore())):
        yield
    logging.disable(logging.NOTSET)


class TestSnippets:
    """What a Prefect user has in his fingers works."""

    @pytest.mark.parametrize("name", SNIPPETS)
    def test_it_says_what_prefect_says(self, name: str) -> None:
        """Every snippet ends as it does there."""
        assert play("nbflow", {name: SNIPPETS[name]}) == {name: SAID[name]}


NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "prefect.ipynb"
WAITS = (
    "Running(\"1 of 1 reference tasks are not finished: 'publish'; 'publish' waits for a person: resume()\")"
)
SHOWN = {
    "loop": "100 ['Skipped', 'Completed', 'Skipped', 'Completed']",
    "case": "all 500 rows | a sample of 2,000 rows",
    "flow": "80560",
    "hooks": "bar Failed {'state': 'Failed', 'x': 'foo', 'y': 42}",
    "policies": "['Completed', 'Cached'] ['Completed', 'Cached']",
    "transactions": "Failed ['removed', 'removed']",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each cell of the page shows, run headless."""
    notebook = tmp_path_factory.mktemp("prefect") / NOTEBOOK.name
    shutil.copy(NOTEBOOK, notebook)
    executed = notebook.with_name("executed.ipynb")
    done = nbflow_run(notebook, "--output", str(executed))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Trigger example completed: all reference tasks completed" in done.stdout
    return shown_in(executed)


@pytest.mark.process
@pytest.mark.slow
class TestNotebook:
    """The page for those who come from Prefect, run headless."""

    def test_its_cells_show_what_they_say(self, shown: dict[str, str]) -> None:
        """Each line of the text beside them is true."""
        assert {id: shown[id] for id in SHOWN} == SHOWN

    def test_triggers_open_one_way(self, shown: dict[str, str]) -> None:
        """The reference task decides about the flow."""
        good, bad = shown["triggers"].splitlines()
        assert good.startswith("Completed(")
        assert bad.startswith("Failed(")
        assert bad.endswith("| Completed()")

    def test_a_waiting_run_goes_on(self, shown: dict[str, str]) -> None:
        """After the approval."""
        waiting, approved = shown["pause"].splitlines()
        assert waiting.startswith(WAITS)
        assert approved.endswith("| published 40")

    def test_a_reuse_says_what_it_did_not_compare(self, shown: dict[str, str]) -> None:
        """And when it expires."""
        first, again, other = shown["cache-for"].splitlines()
        assert (first, other) == ("1 Completed()", "2 Completed()")
        assert "inputs not compared; expires" in again
