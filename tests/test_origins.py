"""Origins: instances belong to the class that made them, however many cells define one like it."""

from __future__ import annotations

import gc

import pytest

from nbflow.engine.origins import Known, shown_as, version_of
from nbflow.testing import Notebook
from nbflow.types import Entry, Looked, Output, Slot, Trace
from tests.cells import change, kept, opened, root_cause, values, verdicts

BOX = "class Box:\n    def __init__(self, item): self.item = item"
SAME = "n = isinstance(m, Box)"
MADE = Slot("name", "m")


def seen_from(**steps: str):
    """What a body saw: names that hold something of a class `Box` made by these steps."""
    return lambda slot: (("Box", steps[slot.locator]),) if slot.locator in steps else ()


def traced(*classes: tuple[str, bool], reads: str = "") -> tuple[Trace, Output]:
    """A trace, with the identifier `t`, of a body that read these names and made one output."""
    output = Output(MADE, "digest", "digest", ("m",), classes=classes)
    entries = tuple(Entry(Looked(Slot("name", name)), "seen") for name in reads)
    return Trace("t", "key", entries, (output,)), output


class TestVersions:
    """Where the classes inside an output are from."""

    def test_a_class_of_the_body_is_its_step_s(self) -> None:
        """It came from nowhere else, whatever was read."""
        made = version_of("here", *traced(("Box", True), reads="a"), seen_from(a="above"))
        assert made is not None
        assert made.classes == (("Box", "here"),)

    def test_a_class_that_came_with_an_input_is_from_where_that_is(self) -> None:
        """The trace says only that it came; from whom follows from the binding."""
        made = version_of("here", *traced(("Box", False), reads="ab"), seen_from(a="above"))
        assert made is not None
        assert made.classes == (("Box", "above"),)

    @pytest.mark.parametrize(
        ("classes", "steps"),
        [
            ([("Box", False)], {"a": "one", "b": "two"}),
            ([("Box", False), ("Box", True)], {"a": "one"}),
            ([("Box", False)], {}),
            ([("<Box>", True)], {}),
        ],
        ids=["two above", "one above and its own", "nobody known", "replaced in its own cell"],
    )
    def test_what_only_a_run_could_tell_stands_for_that_run(
        self, classes: list[tuple[str, bool]], steps: dict[str, str]
    ) -> None:
        """Another trace of equal content may hold the other one."""
        made = version_of("here", *traced(*classes, reads="ab"), seen_from(**steps))
        assert made is not None
        assert (classes[0][0], "t") in made.classes

    def test_people_are_told_of_another_class(self) -> None:
        """The same text before and after would explain nothing."""
        assert shown_as("Box", (("Box", "one"),), seen_from(Box="one")) == "Box"
        assert shown_as("Box", (("Box", "one"),), seen_from(Box="two")) == "Box of another Box"


class TestKnown:
    """Which classes were there before a body ran."""

    def test_a_class_is_new_until_it_is_met(self) -> None:
        """One of the notebook's; those of modules are the modules'."""
        names: dict[str, type] = {"__name__": "notebook"}  # type: ignore[dict-item]
        exec(BOX, names)
        box, known = names["Box"], Known(names)
        assert known.describe({1: Known, id(box): box}) == (("Box", True),)
        known.meet({id(box): box})
        assert known.describe({id(box): box}) == (("Box", False),)

    def test_what_its_cell_replaced_is_not_found_by_its_name(self) -> None:
        """So that nothing is ever loaded as one of the other class; and nothing is kept alive."""
        names: dict[str, type] = {"__name__": "notebook"}  # type: ignore[dict-item]
        exec(BOX, names)
        before, known = names["Box"], Known(names)
        exec(BOX, names)
        known.meet({id(before): before})
        assert known.describe({id(before): before}) == (("<Box>", False),)
        del before
        gc.collect()
        assert known._classes == {}


class TestTwoDefinitions:
    """Two cells define one class with equal code."""

    @pytest.mark.parametrize("plain", [(), (0, 2), (1,), (0, 1, 2)], ids=str)
    def test_an_instance_stays_one_of_the_class_it_was_made_of(self, plain: tuple[int, ...]) -> None:
        """Also where it has to be put back once the other class stands."""
        notebook, cells = opened(BOX, "m = Box(1)", BOX, SAME, "m = 3", SAME, plain=plain)
        assert values(notebook, "n", "m") == [False, 3]
        action = change(notebook, cells[3], "n = [isinstance(m, Box), m.item]")
        assert (values(notebook, "n"), action.executed) == ([[False, 1]], [cells[3]])
        assert set(verdicts(notebook)) == {"fresh"}

    def test_in_a_new_kernel_too(self) -> None:
        """There the instance is made anew where its class no longer stands."""
        notebook, cells = opened(BOX, "m = Box(1)", BOX, SAME, notebook=Notebook(store=kept()))
        notebook.restart()
        for cell in cells:
            notebook.run(cell)
        assert values(notebook, "n") == [False]
        change(notebook, cells[3], "n = [isinstance(m, Box), m.item]")
        assert values(notebook, "n") == [[False, 1]]

    def test_a_value_with_both_is_never_loaded_as_of_one(self) -> None:
        """Its text in the store names them alike."""
        source = "n = [isinstance(both, Box), isinstance(both.item, Box)]"
        notebook, cells = opened(BOX, "m = Box(1)", BOX, "both = Box(m)", source, "both = m = 3")
        assert values(notebook, "n") == [[True, False]]
        change(notebook, cells[4], source.replace("n = ", "n = 1, "))
        assert values(notebook, "n") == [(1, [True, False])]

    def test_without_the_second_its_readers_are_stale(self) -> None:
        """And `why` names the class; with it again, the earlier result fits."""
        notebook, cells = opened(BOX, "m = Box(1)", BOX, SAME)
        change(notebook, cells[2], "k = 1")
        assert verdicts(notebook) == ["fresh", "fresh", "fresh", "stale"]
        cause = root_cause(notebook, cells[3])
        assert (cause.subject, cause.before, cause.after) == ("m", "Box of another Box", "Box")
        notebook.flow()
        assert values(notebook, "n") == [True]
        change(notebook, cells[2], BOX)
        assert notebook.flow().executed == []
        assert values(notebook, "n") == [False]

    def test_a_second_one_above_all_its_readers_changes_nothing(self) -> None:
        """Who made a class is no part of any key: all of them mean the other one now."""
        notebook, cells = opened(BOX, "m = Box(1)", SAME)
        second = notebook.add(BOX, at=1)
        notebook.run(second)
        assert (notebook.flow().executed, set(verdicts(notebook))) == ([], {"fresh"})
        change(notebook, cells[2], SAME + ", m.item")
        assert values(notebook, "n") == [(True, 1)]
        assert isinstance(notebook.names["m"], notebook.names["Box"])

    def test_one_cell_may_define_it_twice(self) -> None:
        """What was made between the two is of the first."""
        source = f"{BOX}\nm = Box(1)\n{BOX}"
        notebook, cells = opened(source, SAME, "m = 3", notebook=Notebook(store=kept()))
        assert values(notebook, "n") == [False]
        for _ in range(2):
            change(notebook, cells[1], SAME + ", m.item")
            assert values(notebook, "n") == [(False, 1)]
            notebook.restart()
            notebook.run(cells[0])

    def test_what_a_failed_cell_left_is_nobody_s(self) -> None:
        """A reader of it is stale once the cell works."""
        notebook, cells = opened(BOX, "m = Box(1)", "k = 1", SAME, plain=(0, 1, 2, 3))
        change(notebook, cells[2], f"{BOX}\nm = Box(1)\nraise ValueError")
        notebook.run(cells[3])
        assert values(notebook, "n") == [True]
        change(notebook, cells[2], BOX)
        assert verdicts(notebook)[3] != "fresh"
