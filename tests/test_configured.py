"""Settings of libraries as inputs and outputs of steps."""

from __future__ import annotations

import decimal
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from nbflow.engine.libraries import LIBRARIES
from nbflow.engine.library import AS_IT_STARTS
from nbflow.engine.stateful import restore_state
from nbflow.task_runners.process import ProcessPoolTaskRunner
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from tests.cells import causes, change, kept, opened, values, verdicts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("as_libraries_start")

IMPORTS = "import decimal\nimport matplotlib as mpl\nimport numpy as np"
GRID = "mpl.rcParams['axes.grid'] = {}"
SIZE = "mpl.rcParams['font.size'] = {}"
LOOK = "{} = mpl.rcParams['axes.grid'], mpl.rcParams['font.size']"


@pytest.fixture
def as_libraries_start() -> Iterator[None]:
    """Libraries as they start, before and afterwards."""
    mpl.use("agg")
    yield
    start_anew()


@pytest.fixture
def option() -> Iterator[list[str]]:
    """Why an option of pandas is refused; it is taken as long as nothing stands there."""
    config: Any = pd._config.config
    why: list[str] = []

    def take(value: object) -> None:
        if why:
            raise ValueError(why[0])

    config.register_option("nbt.size", 1, validator=take)
    yield why
    del config._registered_options["nbt.size"]
    del config._global_config["nbt"]


def start_anew() -> None:
    """Let libraries be as in a new process."""
    for key in LIBRARIES:
        restore_state(key, AS_IT_STARTS)


def restarted(notebook: Notebook) -> None:
    """Restart the kernel."""
    start_anew()
    notebook.restart()


class TestReaders:
    """Who looks at a library's settings hangs on whoever sets them above."""

    def test_an_edit_and_its_undoing(self) -> None:
        """Only who reaches the library is stale, with the setting as its cause; going back is a hit."""
        notebook, cells = opened(
            IMPORTS, GRID.format(True), LOOK.format("look"), "n = 1 + len('')", plain=(0, 1)
        )
        assert verdicts(notebook) == ["fresh"] * 4
        change(notebook, cells[1], GRID.format(False))
        assert verdicts(notebook) == ["fresh", "fresh", "stale", "fresh"]
        (cause,) = notebook.judgement(cells[2]).causes
        assert (cause.category, cause.subject, cause.part) == ("settings", "matplotlib", "axes.grid")
        assert (cause.before, cause.after) == ("True", "False")
        assert notebook.flow().executed == [cells[2]]
        assert values(notebook, "look") == [(False, 10.0)]
        change(notebook, cells[1], GRID.format(True))
        assert notebook.flow().executed == []
        assert values(notebook, "look") == [(True, 10.0)]

    def test_each_by_the_cells_above_it(self) -> None:
        """A later cell that sets more is nothing to those before it, and adds to what is set above."""
        notebook, cells = opened(
            IMPORTS,
            GRID.format(True),
            LOOK.format("one"),
            SIZE.format(20),
            LOOK.format("two"),
            plain=(0, 1, 3),
        )
        assert values(notebook, "one", "two") == [(True, 10.0), (True, 20.0)]
        assert verdicts(notebook) == ["fresh"] * 5
        assert change(notebook, cells[2], LOOK.format("one") + "\nmore = 1").executed == [cells[2]]
        assert values(notebook, "one") == [(True, 10.0)]
        assert mpl.rcParams["font.size"] == 20
        change(notebook, cells[1], GRID.format(False))
        notebook.flow()
        assert values(notebook, "one", "two") == [(False, 10.0), (False, 20.0)]
        assert verdicts(notebook) == ["fresh"] * 5

    def test_a_cell_that_is_gone(self) -> None:
        """What it has set is set no more where a task runs, and one moved up counts there."""
        notebook, cells = opened(IMPORTS, GRID.format(True), LOOK.format("look"), plain=(0, 1))
        notebook.delete(cells[1])
        notebook.workspace.disown(cells[1])
        assert causes(notebook, cells[2]) == [("settings", "matplotlib")]
        notebook.flow()
        assert values(notebook, "look") == [(False, 10.0)]
        moved = notebook.add(GRID.format(True), plain=True)
        notebook.move(moved, 1)
        notebook.run(moved)
        assert notebook.flow().executed == []
        assert values(notebook, "look") == [(True, 10.0)]

    def test_a_setting_that_is_not_made_any_more(self) -> None:
        """Does not linger: a cell that sets libraries runs on what is set above it."""
        notebook, cells = opened(IMPORTS, GRID.format(True), LOOK.format("look"), plain=(0, 1))
        change(notebook, cells[1], SIZE.format(20))
        notebook.flow()
        assert values(notebook, "look") == [(False, 20.0)]
        assert verdicts(notebook) == ["fresh"] * 3

    def test_what_ends_with_its_block(self) -> None:
        """Is no setting of anybody."""
        within = "with mpl.rc_context({'axes.grid': True}), np.errstate(all='raise'):\n    x = 1"
        notebook, _ = opened(IMPORTS, within, LOOK.format("look"), "y = np.float64(x)", plain=(0,))
        assert verdicts(notebook) == ["fresh"] * 4
        assert notebook.flow().executed == []
        assert not any(
            output.slot.kind == "settings" for step in notebook.book for output in step.trace.outputs
        )

    def test_what_strangers_set(self) -> None:
        """Between two actions it counts where no step has set the library, and is put right elsewhere."""
        notebook, cells = opened(
            IMPORTS, GRID.format(True), LOOK.format("look"), "y = np.float64(1)", plain=(0, 1)
        )
        mpl.rcParams["font.size"] = 30
        np.seterr(all="raise")
        change(notebook, cells[2], LOOK.format("look") + "\nmore = 1")
        assert values(notebook, "look") == [(True, 10.0)]
        assert causes(notebook, cells[3]) == [("settings", "numpy")]

    def test_what_strangers_set_before_anybody_has_looked(self) -> None:
        """What a cell has set is there for the first task below all the same."""
        notebook, _ = opened(IMPORTS, GRID.format(True), plain=(0, 1))
        mpl.rcParams["axes.grid"] = False
        look = notebook.add(LOOK.format("look"))
        notebook.run(look)
        assert values(notebook, "look") == [(True, 10.0)]
        assert verdicts(notebook) == ["fresh"] * 3


class TestWriters:
    """A task that sets libraries itself."""

    def test_it_is_not_stale_by_that(self) -> None:
        """Who runs below it sees what it has set, also where it is reused in a new kernel."""
        notebook, cells = opened(
            IMPORTS, GRID.format(True), LOOK.format("look"), plain=(0,), notebook=Notebook(kept())
        )
        assert verdicts(notebook) == ["fresh"] * 3
        assert notebook.flow().executed == []
        restarted(notebook)
        notebook.run(cells[0])
        assert notebook.run(cells[1]).executed == []
        assert mpl.rcParams["axes.grid"]
        assert change(notebook, cells[2], LOOK.format("look") + "\nmore = 1").executed == [cells[2]]
        assert values(notebook, "look") == [(True, 10.0)]

    @pytest.mark.parametrize("first", [1, 2])
    def test_a_new_kernel(self, first: int) -> None:
        """Runs nothing again, whichever cell is run first."""
        notebook, cells = opened(
            IMPORTS, GRID.format(True), LOOK.format("look"), plain=(0,), notebook=Notebook(kept())
        )
        restarted(notebook)
        notebook.run(cells[0])
        assert notebook.run(cells[first]).executed == []
        assert notebook.run(cells[3 - first]).executed == []
        assert values(notebook, "look") == [(True, 10.0)]

    def test_a_library_that_refuses_it_later(self, option: list[str]) -> None:
        """As if its value were lost: who has set it runs again, and is told by the library itself."""
        sets, looks = "pd.set_option('nbt.size', 5)", "look = pd.get_option('nbt.size')"
        notebook, cells = opened("import pandas as pd", sets, looks, plain=(0,), notebook=Notebook(kept()))
        assert (verdicts(notebook), values(notebook, "look")) == (["fresh"] * 3, [5])
        start_anew()
        option.append("no longer")
        notebook.restart()
        notebook.run(cells[0])
        assert [notebook.run(cell).executed for cell in cells[1:]] == [[], []]
        action = change(notebook, cells[2], f"{looks} + 1")
        assert {step: str(error) for step, error in action.errors.items()} == {cells[1]: "no longer"}
        assert (action.executed, verdicts(notebook)[2]) == ([cells[1]], "stale")

    def test_one_that_fails(self) -> None:
        """What it has set before is nothing to others."""
        notebook, cells = opened(IMPORTS, f"{GRID.format(True)}\n1 / 0", LOOK.format("look"), plain=(0,))
        assert verdicts(notebook)[2] != "fresh"
        change(notebook, cells[1], "n = 1")
        notebook.run(cells[2])
        assert values(notebook, "look") == [(False, 10.0)]

    def test_items_leave_none(self) -> None:
        """What an item of a mapped task sets is set for itself."""
        notebook, _ = opened(IMPORTS, "xs = [1, 2]", plain=(0, 1))
        each = notebook.add(f"{GRID.format(True)}\ny = x", x="xs")
        notebook.run(each)
        assert list(values(notebook, "y")[0]) == [1, 2]
        assert not mpl.rcParams["axes.grid"]


class TestElsewhere:
    """Bodies in threads and in worker processes."""

    LOOK = "import os\nlook = decimal.getcontext().prec, np.geterr()['over'], os.getpid()"
    SET = "decimal.getcontext().prec = 5\nnp.seterr(over='raise')"

    @pytest.mark.parametrize("runner", [ThreadPoolTaskRunner, ProcessPoolTaskRunner])
    def test_they_see_what_is_set(self, runner: type[ThreadPoolTaskRunner | ProcessPoolTaskRunner]) -> None:
        """As on the user's names; one that sets something runs there."""
        sources = IMPORTS, self.SET, self.LOOK
        notebook, cells = opened(*sources, plain=(0, 1), notebook=Notebook(kept(), runner=runner()))
        assert values(notebook, "look")[0][:2] == (5, "raise")
        change(notebook, cells[1], "decimal.getcontext().prec = 7")
        action = notebook.flow()
        assert (action.executed, action.inline) == ([cells[2]], {})
        assert values(notebook, "look")[0][:2] == (7, "warn")
        setting = notebook.add("decimal.getcontext().prec = 9")
        assert "settings of decimal" in notebook.run(setting).inline[setting]
        assert verdicts(notebook) == ["fresh"] * 4
        assert decimal.getcontext().prec == 9
