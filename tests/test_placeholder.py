"""Placeholders: honest in `repr`, never part of a computation, loaded by whoever mentions the name."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.placeholder import Placeholder, is_placeholder
from nbflow.exceptions import NotLoadedError
from nbflow.testing import Notebook
from nbflow.types import Verdict
from tests.cells import kept

if TYPE_CHECKING:
    from collections.abc import Callable

USES: list[Callable[[Any], object]] = [
    len,
    bool,
    str,
    hash,
    iter,
    dir,
    list,
    copy.copy,
    copy.deepcopy,
    pickle.dumps,
    lambda held: held == 1,
    lambda held: held != 1,
    lambda held: held == 1,
    lambda held: held + 1,
    lambda held: 1 + held,
    lambda held: held[0],
    lambda held: 1 in held,
    lambda held: held.shape,
    lambda held: hasattr(held, "shape"),
    lambda held: isinstance(held, int),
    lambda held: held(),
    lambda held: f"{held}",
    lambda held: f"{held:>3}",
    operator.neg,
    operator.index,
    float,
]


class TestUse:
    """What can be done with one."""

    @pytest.mark.parametrize("use", USES)
    def test_every_use_raises(self, use: Callable[[Any], object]) -> None:
        """Also where Python would have an answer for any object."""
        with pytest.raises(NotLoadedError, match="df is not loaded: why"):
            use(Placeholder("df", "why"))

    def test_it_can_be_changed_in_no_way(self) -> None:
        """Neither attributes nor items."""
        held: Any = Placeholder("df", "why")
        with pytest.raises(NotLoadedError):
            held.x = 1
        with pytest.raises(NotLoadedError):
            held["x"] = 1
        with pytest.raises(NotLoadedError):
            del held.x

    def test_repr_and_type_are_honest(self) -> None:
        """They say what it is."""
        held = Placeholder("df", "why")
        assert repr(held) == "<df is not loaded: why>"
        assert type(held) is Placeholder


LARGE = "rows = [f'row {number}' for number in range(30_000)]"


class TestLoading:
    """After a restart values that would have to be built wait until they are used."""

    def restarted(self) -> tuple[Notebook, list[str]]:
        """A notebook after a restart in which nothing ran yet."""
        notebook = Notebook(kept())
        sources = ((LARGE, False), ("number = len(rows)", False), ("first = rows[0]", True))
        cells = [notebook.add(source, plain=plain) for source, plain in sources]
        notebook.run_all()
        notebook.restart()
        return notebook, cells

    def test_what_is_large_is_not_built(self) -> None:
        """A small value stands at once."""
        notebook, _ = self.restarted()
        assert is_placeholder(notebook.names["rows"])
        assert notebook.names["number"] == 30_000

    def test_a_task_gets_the_value(self) -> None:
        """It is loaded before its body runs."""
        notebook, cells = self.restarted()
        notebook.run(cells[0])
        notebook.edit(cells[1], "number = len(rows) + 1")
        assert notebook.run(cells[1]).executed == [cells[1]]
        assert notebook.names["number"] == 30_001

    def test_a_plain_cell_gets_the_value(self) -> None:
        """It is loaded before the cell runs."""
        notebook, cells = self.restarted()
        notebook.run(cells[2])
        assert notebook.names["first"] == "row 0"
        assert not is_placeholder(notebook.names["rows"])

    def test_a_cell_that_hides_what_it_reads_gets_every_value(self) -> None:
        """Where no analysis sees the names, all are loaded."""
        notebook, _ = self.restarted()
        notebook.run(notebook.add("n = eval('len(rows)')", plain=True))
        assert notebook.names["n"] == 30_000

    def test_members_of_one_unit_come_together(self) -> None:
        """They share memory as they did."""
        notebook = Notebook(kept())
        notebook.add(f"{LARGE}\nsame = rows")
        notebook.run_all()
        notebook.restart()
        notebook.run(notebook.add("is_one = same is rows", plain=True))
        assert notebook.names["is_one"] is True

    def test_a_value_that_is_gone_says_so(self) -> None:
        """A generator cannot be stored; its name raises with the reason."""
        notebook = Notebook(kept())
        cell = notebook.add("numbers = (n for n in range(3))\ncount = 3")
        notebook.run(cell)
        notebook.restart()
        assert notebook.names["count"] == 3
        with pytest.raises(NotLoadedError, match="numbers is not loaded: it could not be stored"):
            next(notebook.names["numbers"])  # type: ignore[call-overload]

    def test_who_needs_what_is_gone_has_it_made_again(self) -> None:
        """The producer runs first, once its cell has run here."""
        notebook = Notebook(kept())
        made = notebook.add("numbers = (n for n in range(3))")
        total = notebook.add("total = sum(numbers)")
        notebook.run_all()
        notebook.restart()
        notebook.edit(total, "total = sum(numbers) + 1")
        notebook.run(made)
        notebook.run(total)
        assert notebook.names["total"] == 4


class TestGone:
    """What could not be stored went with its kernel; its name only says so."""

    def restarted(self) -> tuple[Notebook, str]:
        """A plain cell above the task whose value is gone."""
        notebook = Notebook(kept())
        early = notebook.add("p = 1", plain=True)
        notebook.add("numbers = (n for n in range(3))")
        notebook.run_all()
        notebook.restart()
        return notebook, early

    def test_a_cell_that_took_it_unused_is_not_fresh(self) -> None:
        """A fresh run raises, for nothing is bound above the cell."""
        notebook, early = self.restarted()
        notebook.edit(early, "numbers = [1, numbers]")
        notebook.run(early)
        assert notebook.verdict(early) is not Verdict.FRESH

    def test_a_cell_that_did_not_use_it(self) -> None:
        """Ran, and is known to have run."""
        notebook, early = self.restarted()
        notebook.edit(early, "p = 2 if numbers is not None else numbers")
        assert notebook.run(early).errors == {}
        assert (notebook.names["p"], notebook.step(early).failure) == (2, "")

    def test_what_holds_it_can_be_replaced(self) -> None:
        """A list with such a thing inside stands in nobody's way."""
        notebook, early = self.restarted()
        notebook.edit(early, "p = [1, numbers]")
        notebook.run(early)
        notebook.edit(early, "p = [2]")
        assert notebook.run(early).errors == {}
        assert notebook.names["p"] == [2]
        assert notebook.verdict(early) is Verdict.FRESH
