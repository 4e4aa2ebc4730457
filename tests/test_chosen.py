"""Which cells a run of certain tasks needs."""

from __future__ import annotations

import pytest

from nbflow.exceptions import OptionError
from nbflow.notebook.chosen import Chosen, choose
from nbflow.notebook.saved import SavedCell

IMPORTS = "from nbflow import task\nLIMIT = 3"
RAW = "#@task raw\nraw = [1, 2]"
OTHER = "%%task other\nother = LIMIT"


def chosen(*sources: str, tasks: tuple[str, ...]) -> Chosen:
    """What is left out of a notebook of these cells."""
    return choose([SavedCell(f"c{place}", source) for place, source in enumerate(sources)], tasks)


class TestTasks:
    """Those that are named, and what they need."""

    def test_others_are_left_out(self) -> None:
        """Above and below."""
        found = chosen(
            IMPORTS, OTHER, RAW, "#@task late\nlate = max(raw)", "#@task end\nend = late", tasks=("late",)
        )
        assert (found.places, found.tasks) == ({1, 4}, ("other", "end"))

    def test_through_plain_cells_and_functions(self) -> None:
        """Whoever makes what is read on the way is needed."""
        helper = "def many():\n    return len(raw)"
        found = chosen(RAW, OTHER, helper, "rows = other + many()", "#@task a\na = rows", tasks=("a",))
        assert found == Chosen()

    def test_only_the_last_writer(self) -> None:
        """And those that change its value in place."""
        first, second = "#@task first\ndf = [1]", "#@task second\ndf = [2]"
        found = chosen(first, second, "#@task third\ndf.append(3)", "#@task a\na = sum(df)", tasks=("a",))
        assert found.tasks == ("first",)

    def test_files_and_order(self) -> None:
        """What writes a file that is read, and what is to run before."""
        writes = "#@task writes\nopen('out.txt', 'w').write('x')"
        reads = "#@task reads --after other\nreads = open('out.txt').read()"
        assert chosen(IMPORTS, writes, OTHER, RAW, reads, tasks=("reads",)).tasks == ("raw",)

    @pytest.mark.parametrize(
        "acts",
        ["!make {LIMIT}", "import subprocess\nsubprocess.run(['make'])", "import random\nrandom.seed(1)"],
    )
    def test_what_no_name_tells(self, acts: str) -> None:
        """Who starts programs, or seeds, above what is asked for; below it that is nobody's."""
        before, after = f"#@task before\n{acts}", f"#@task after\n{acts}"
        found = chosen(IMPORTS, OTHER, before, RAW, after, tasks=("raw",))
        assert found.tasks == ("other", "after")

    def test_a_name_from_the_body(self) -> None:
        """As the flow gives it."""
        assert chosen(RAW, "#@task\nlate = max(raw)", OTHER, tasks=("late",)).tasks == ("other",)

    def test_a_task_function(self) -> None:
        """It needs what its parameters are wired to, and runs behind its cell."""
        function = "@task(retries=1)\ndef total(raw, scale=other_scale):\n    return sum(raw) * scale"
        found = chosen(IMPORTS, RAW, OTHER, "other_scale = 2", function, tasks=("total",))
        assert (found.tasks, found.functions) == (("other",), ((4, "total"),))

    def test_a_name_of_none(self) -> None:
        """The nearest one is offered."""
        with pytest.raises(OptionError, match="unknown task 'rew'; did you mean 'raw'"):
            chosen(RAW, tasks=("rew",))


class TestPlainCells:
    """They run as always, unless they cannot."""

    def test_what_reads_from_what_is_left_out(self) -> None:
        """Also through plain cells and functions."""
        show = "def show():\n    print(other)"
        found = chosen(
            IMPORTS, OTHER, RAW, show, "x = other + 1", "print(x)", "show()", "print(raw)", tasks=("raw",)
        )
        assert found.plain == ("cell `x = other + 1`", "cell `print(x)`", "cell `show()`")
        assert found.places == {1, 4, 5, 6}

    def test_a_value_from_elsewhere(self) -> None:
        """A plain cell that makes the name anew lets others read it."""
        found = chosen(OTHER, RAW, "other = 0", "print(other)", tasks=("raw",))
        assert found.plain == ()

    def test_what_runs_everything(self) -> None:
        """A command would run what was not asked for; others stay."""
        found = chosen("%load_ext nbflow", RAW, OTHER, "%flow run", "%flow status", tasks=("raw",))
        assert (found.places, found.plain) == ({2, 3}, ())

    def test_what_is_not_python(self) -> None:
        """It fails where it runs, as ever."""
        assert chosen(RAW, "x = = 1", OTHER, tasks=("raw",)).places == {2}
