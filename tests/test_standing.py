"""Names bound where no analysis sees it, and between cells: no object stands for a version that it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.engine.standing import ABSENT, Standing, StandingOf
from nbflow.testing import Notebook
from nbflow.types import Verdict
from tests.cells import change, opened

KEYS = st.sampled_from("abcdef")
CHANGES = st.lists(st.tuples(KEYS, st.integers(0, 2) | st.none()), max_size=8)


class TestChanged:
    """What stands for another object."""

    @given(st.lists(KEYS, unique=True), CHANGES)
    def test_it_is_what_a_comparison_name_by_name_gives(
        self, keys: list[str], changes: list[tuple[str, int | None]]
    ) -> None:
        """Whatever was bound, deleted, or bound again behind the others."""
        names: dict[str, object] = {key: [key] for key in keys}
        before, then = dict(names), Standing(names)
        for key, value in changes:
            if value is None:
                names.pop(key, None)
            else:
                names[key] = before.get(key, value) if value == 0 else [value]
        every = before.keys() | names.keys()
        expected = {k for k in every if before.get(k, ABSENT) is not names.get(k, ABSENT)}
        assert set(then.changed(names)) == expected
        assert all(then.of(key) is before.get(key, ABSENT) for key in every)

    @given(st.lists(KEYS, unique=True), st.lists(KEYS, unique=True), CHANGES)
    def test_of_some_names_it_is_the_same_without_the_others(
        self, keys: list[str], some: list[str], changes: list[tuple[str, int | None]]
    ) -> None:
        """Names that were not there count where they are asked about."""
        names: dict[str, object] = {key: [key] for key in keys}
        before, then = dict(names), StandingOf(names, some)
        for key, value in changes:
            names.update({key: [value]}) if value is not None else names.pop(key, None)
        expected = [key for key in some if before.get(key, ABSENT) is not names.get(key, ABSENT)]
        assert then.changed(names) == expected
        assert all(then.of(key) is before.get(key, ABSENT) for key in some)


class TestUnseenWriters:
    """A cell that binds a name in a way that its text does not tell is its writer all the same."""

    @pytest.mark.parametrize(
        "sly",
        [
            "run = exec\nrun('y = 5')",
            "import inspect\ninspect.currentframe().f_globals['y'] = 5",
            "import sys\nsys._getframe(0).f_globals.update(y=5)",
        ],
    )
    def test_its_readers_are_bound_to_it(self, sly: str) -> None:
        """Without the cell they are not fresh with its value."""
        notebook, cells = opened("y = 1", sly, "#\nu = y + 0", plain=(0, 1))
        assert notebook.names["u"] == 5
        notebook.delete(cells[1])
        notebook.run(cells[0])
        notebook.run(cells[2])
        assert notebook.names["u"] == 1


class TestBetweenCells:
    """Callbacks and tools bind names while no cell runs."""

    def test_a_task_runs_on_what_it_is_bound_to(self) -> None:
        """Not on what somebody put under the name meanwhile."""
        notebook, cells = opened("y = 1", "u = y + 0", plain=(0,), notebook=Notebook(is_shared=True))
        notebook.names["y"] = 5
        change(notebook, cells[1], "u = y + 1")
        assert notebook.names["u"] == 2
        assert notebook.verdict(cells[1]) is Verdict.FRESH

    def test_a_plain_cell_reads_what_is_there(self) -> None:
        """And what it makes of it is not taken for what the flow would give."""
        notebook, _ = opened("y = 1", plain=(0,), notebook=Notebook(is_shared=True))
        notebook.names["y"] = 5
        reader = notebook.add("z = y + 0", plain=True)
        notebook.run(reader)
        assert notebook.names["z"] == 5
        assert notebook.verdict(reader) is not Verdict.FRESH


class TestNothingIsLost:
    """A name that is taken away for a body comes back."""

    @pytest.mark.parametrize("place", [0, None])
    def test_after_a_body_that_failed(self, place: int | None) -> None:
        """Whether its writer failed, or stands below the reader."""
        notebook = Notebook()
        writer = notebook.add("model = [5]" if place == 0 else "model = [5]\n1 / 0", plain=True)
        notebook.run(writer)
        model = notebook.names["model"]
        task = notebook.add("d = len(model)", at=place)
        notebook.run(task)
        assert notebook.names["model"] is model
