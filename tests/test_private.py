"""Bodies on names of their own: what they see, what they leave alone, and what cannot run there."""

from __future__ import annotations

from typing import Any

import pytest

from nbflow.engine.keeping import Keeping
from nbflow.task_runners.thread import ThreadPoolTaskRunner
from nbflow.testing import Notebook
from tests.cells import causes, change, kept, opened, values, verdicts

HELPERS = """
import threading

LATE = 15
def is_late(x):
    return x > LATE
class Box:
    def __init__(self, inner):
        self.inner = inner
    def late(self):
        return is_late(self.inner)
def thread():
    return threading.current_thread() is threading.main_thread()
"""


def elsewhere() -> Notebook:
    """A notebook whose tasks run in threads."""
    return Notebook(store=kept(), runner=ThreadPoolTaskRunner())


def ran_inline(*sources: str, plain: str = "") -> list[str]:
    """Why each of these tasks ran on the user's names; nothing for those that did not."""
    notebook = elsewhere()
    notebook.run(notebook.add(plain, plain=True))
    return [notebook.run(task).inline.get(task, "") for task in [notebook.add(each) for each in sources]]


class TestItsNames:
    """What a body in a thread works on."""

    def test_helpers_and_classes_are_made_anew_over_its_own_names(self) -> None:
        """They give what they would give on the user's."""
        task = "flags, main = [is_late(x) for x in (3, 20)], thread()\nbox = Box(30)\nlate = box.late()"
        notebook, _ = opened(HELPERS, task, plain=(0,), notebook=elsewhere())
        assert values(notebook, "flags", "main", "late") == [[False, True], False, True]
        assert type(notebook.names["box"]) is notebook.names["Box"]
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_it_touches_neither_live_objects_nor_names(self) -> None:
        """What it does to them shows only when it has completed, and never where it fails."""
        notebook, cells = opened("raw = [1]", "raw.append(2)\nlen(raw) / 0", plain=(0,), notebook=elsewhere())
        raw = notebook.names["raw"]
        assert values(notebook, "raw") == [[1]]
        change(notebook, cells[1], "raw.append(2)\nn = len(raw)")
        assert values(notebook, "raw", "n") == [[1, 2], 2]
        assert raw == [1]

    def test_all_outputs_of_a_task_are_applied_at_once(self) -> None:
        """They stand when the action ends; what shares memory still does."""
        notebook, _ = opened("a = [1]\nb = [a]\ndef f(): return a", notebook=elsewhere())
        a, b, f = values(notebook, "a", "b", "f")
        assert b[0] is a
        assert f() is a
        assert f.__globals__ is notebook.names

    def test_a_result_that_is_not_stored_is_handed_over(self) -> None:
        """As a copy over the user's names."""
        notebook = elsewhere()
        notebook.run(notebook.add(HELPERS, plain=True))
        task = notebook.let(notebook.add("box = Box([1])"), keeping=Keeping(persists=False))
        assert notebook.run(task).inline == {}
        assert notebook.names["box"].inner == [1]
        assert notebook.verdict(task).value == "fresh"
        reader = notebook.add("inner = box.inner")
        assert notebook.run(reader).inline == {}

    def test_a_class_that_a_task_defines(self) -> None:
        """Is defined once more over the user's names, and its instances are of that class."""
        task = "class Leaf:\n    size = 3\nleaf = Leaf()"
        notebook, _ = opened(task, "size = leaf.size", notebook=elsewhere())
        assert type(notebook.names["leaf"]) is notebook.names["Leaf"]
        assert values(notebook, "size") == [3]

    def test_a_handle_that_nobody_reads(self) -> None:
        """Stays the object that it is."""
        notebook = elsewhere()
        task = notebook.add("import os\nwith open(os.devnull) as handle:\n    n = len(handle.read())")
        assert notebook.run(task).inline == {}
        assert notebook.names["handle"].closed
        assert notebook.verdict(task).value == "fresh"

    def test_an_old_version_is_read_where_the_name_has_a_newer_one(self) -> None:
        """Each reader has what is bound at its place."""
        notebook, cells = opened("a = 1", "b = a", "a = 2", "c = a", notebook=elsewhere())
        change(notebook, cells[1], "b = a + 10")
        notebook.flow()
        assert values(notebook, "a", "b", "c") == [2, 11, 2]


class TestWhy:
    """Why a body runs there is told as it is elsewhere."""

    def test_a_value_that_is_not_stored(self) -> None:
        """Its result fits, and it is computed once more."""
        notebook = Notebook(store=kept(budget=0), runner=ThreadPoolTaskRunner())
        task = notebook.add("xs = list(range(10**6))")
        notebook.run(task)
        notebook.restart()
        assert notebook.run(task).executed == [task]
        (run,) = notebook.work.runs.history.runs(step=task, limit=1)
        assert [cause.category for cause in run.causes] == ["not stored"]


class TestWhatCannotRunThere:
    """It runs on the user's names, alone, and says why."""

    @pytest.mark.parametrize(
        ("task", "why"),
        [
            ("x = conn.execute('select 1').fetchall()", "conn cannot be stored"),
            ("x = globals()['LATE']", "nobody can tell which names it reads"),
            ("from os.path import *\nx = join('a', 'b')", "nobody can tell which names it reads"),
            ("x = get_ipython().magic('x')", "it calls IPython"),
            ("import random\nrandom.seed(3)", "it may set a global random state"),
            ("random_state = seeded()", "it may set a global random state"),
            ("x = draws()", "it draws from a global random generator"),
            ("x = (y for y in [1])", "x cannot be compared"),
            ("x = Alias = type('Alias', (), {})", "Alias cannot be made again"),
            ("x = threading.Lock()", "x cannot be compared"),
            ("import pickle\nx = pickle.dumps(is_late)", "it pickles code of the notebook"),
        ],
    )
    def test_why(self, task: str, why: str) -> None:
        """In words for the badge."""
        more = (
            "import random, sqlite3\nrandom.seed(1)\n"
            "conn = sqlite3.connect(':memory:')\n"
            "def seeded(): random.seed(2)\ndef draws(): return random.random()\n"
        )
        reader = "z = x" if "cannot be" in why else "z = 1"
        notebook, _ = opened(HELPERS + more, "z = 1", plain=(0,), notebook=elsewhere())
        notebook.add(reader, plain=True)
        cell = notebook.add(task, at=2)
        assert notebook.run(cell).inline == {cell: why}

    def test_it_gives_what_it_would_have_given(self) -> None:
        """Draws go on from the state that is bound at its place."""
        sources = "import random\nrandom.seed(1)", "a = random.random()", "b = random.random()"
        inline, _ = opened(*sources, plain=(0,))
        notebook, _ = opened(*sources, plain=(0,), notebook=elsewhere())
        assert values(notebook, "a", "b") == values(inline, "a", "b")
        assert verdicts(notebook) == ["fresh"] * 3

    def test_the_reason_is_remembered(self) -> None:
        """The body is not tried elsewhere a second time."""
        notebook, cells = opened("n = 1", "x = (y for y in [n])", plain=(0,), notebook=elsewhere())
        change(notebook, cells[0], "n = 2")
        assert notebook.flow().inline == {cells[1]: "x cannot be compared"}
        assert notebook.log.count(cells[1]) == 1

    def test_a_name_that_no_analysis_saw(self) -> None:
        """The body runs once more where that name is."""
        notebook = elsewhere()
        notebook.run(notebook.add("hidden = 3\ndef f(u): return u", plain=True))
        held = "getattr(f, '__glob' + 'als__')"
        task = notebook.add(f"x = type(f)(compile('f(1) + hidden', '', 'eval'), {held})()")
        assert notebook.run(task).inline == {task: "it reads hidden, which nobody saw"}
        assert values(notebook, "x") == [4]

    def test_a_state_that_a_thread_has_moved_is_put_back(self) -> None:
        """Whoever draws later goes on from the seeded state."""
        draws = "def draw():\n    import random\n    return random.random()"
        sources = draws, "a = draw()", "import random\nrandom.seed(5)", "b = random.random()"
        inline, _ = opened(*sources, plain=(0, 2))
        notebook, cells = opened(*sources, plain=(0, 2), notebook=elsewhere())
        change(notebook, cells[1], "a = draw() + 0")
        change(notebook, cells[3], "b = random.random() + 0")
        assert values(notebook, "b") == values(inline, "b")


class TestLocalModules:
    """Modules of the user's own are shared by all bodies."""

    @pytest.fixture
    def library(self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A module `nbflow_library` that can be imported."""
        (tmp_path / "nbflow_library.py").write_text(
            "STATE = []\ndef add(x):\n    STATE.append(x)\n    return x\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(__import__("sys").modules, "nbflow_library", raising=False)

    @pytest.mark.usefixtures("library")
    def test_one_that_only_is_used(self) -> None:
        """Is used where it is."""
        assert ran_inline("x = len(nbflow_library.STATE)", plain="import nbflow_library") == [""]

    @pytest.mark.usefixtures("library")
    def test_one_that_is_changed_in_place(self) -> None:
        """Such a body runs alone, and what holds the module is no version any more."""
        why = ran_inline("x = nbflow_library.add(1)", plain="import nbflow_library")
        assert why == ["it changes the module nbflow_library in place"]

    @pytest.mark.usefixtures("library")
    @pytest.mark.parametrize("runner", [None, ThreadPoolTaskRunner()], ids=["inline", "thread"])
    def test_such_a_body_starts_from_the_module_as_it_was(self, runner: Any) -> None:
        """At its first run, and at each further one; nothing that it left there before counts."""
        notebook = Notebook(store=kept(), runner=runner)
        notebook.run(notebook.add("import nbflow_library", plain=True))
        task = notebook.add("x = nbflow_library.add(1)\nstate = list(nbflow_library.STATE)")
        assert notebook.run(task).errors == {}
        assert values(notebook, "state") == [[1]]
        notebook.edit(task, "x = nbflow_library.add(2)\nstate = list(nbflow_library.STATE)")
        assert notebook.run(task).errors == {}
        assert values(notebook, "state") == [[2]]
        assert verdicts(notebook) == ["fresh", "fresh"]


class TestTaskFunctions:
    """`@task` functions as tasks of the flow."""

    def test_they_run_elsewhere_and_are_read_there(self) -> None:
        """Who reads gets a copy of its own."""
        functions = "from nbflow import task\n@task\ndef rows(n=3):\n    return [n] * n"
        notebook, cells = opened(functions, "total = sum(rows())", plain=(0,), notebook=elsewhere())
        assert values(notebook, "total") == [9]
        change(notebook, cells[0], functions.replace("[n]", "[n + 1]"))
        assert notebook.flow().inline == {}
        assert values(notebook, "total") == [12]
        assert causes(notebook, cells[1]) == []
