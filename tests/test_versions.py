"""The versions of a name, in a real kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

CELLS = {
    "load": "%load_ext nbflow\nfrom nbflow import session",
    "raw": "#@task raw\nrows = [3, 1, None]",
    "clean": "rows = [row for row in rows if row]",
    "more": "rows.append(5)",
    "total": "#@task total\ntotal = sum(rows)",
    "last": "#@task last\nrows.append(7)",
}
VALUES = "[each.value for each in session().versions('rows') if each.place != 'not kept']"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in which the cells above ran."""
    with Kernel(tmp_path) as kernel:
        kernel.begin(**CELLS)
        yield kernel


class TestVersions:
    """`session().versions("rows")`."""

    def test_all_are_listed(self, kernel: Kernel) -> None:
        """In flow order: who made each, how, what it is, and where."""
        shown = kernel.execute("session().versions('rows')")
        rows = [line.split() for line in shown.text.splitlines()]
        assert shown.text.startswith("rows · 4 versions")
        assert rows[2] == ["raw", "binds", "[3,", "1,", "None]", "stored"]
        assert rows[3] == ["cell", "[3]", "binds", "[3,", "1]", "not", "kept"]
        assert rows[4] == ["cell", "[4]", "changes", "[3,", "1,", "5]", "stored"]
        assert rows[5] == ["last", "changes", "[3,", "1,", "5,", "7]", "the", "name", "holds", "it"]
        assert "<table" in shown.bundles[-1]["text/html"]
        assert kernel.ask("[each.is_current for each in session().versions('rows')]") == [
            *(False, False, False, True),
        ]

    def test_values(self, kernel: Kernel) -> None:
        """Where they are kept; each is a copy, and a new kernel has those that were stored."""
        assert kernel.ask(VALUES) == [[3, 1, None], [3, 1, 5], [3, 1, 5, 7]]
        error = kernel.execute("session().versions('rows')[1].value").error
        assert (
            error == "SessionError: the rows of cell [3] is not kept; run cell [3], and rows holds it again"
        )
        kernel.execute("session().versions('rows')[-1].value.append(9)")
        assert kernel.ask("rows") == [3, 1, 5, 7]
        assert "3 fresh" in kernel.execute("%flow status").text
        kernel.restart()
        kernel.run("load")
        assert kernel.ask(VALUES) == [[3, 1, None], [3, 1, 5], [3, 1, 5, 7]]

    def test_what_the_same_cell_has_changed(self, kernel: Kernel) -> None:
        """Is no version yet: its value is not passed off as the one before."""
        kernel.run("new", "names = ['a']")
        shown = kernel.execute("names.append('b')\nsession().versions('names')[0].value")
        assert shown.error.startswith("SessionError: the names of")
        assert kernel.ask("[each.preview for each in session().versions('names')]") == ["['a']", "['a', 'b']"]

    def test_deleted(self, kernel: Kernel) -> None:
        """A name that a cell takes away has no value there."""
        kernel.run("gone", "gone = 1\ndel gone")
        assert "deletes" in kernel.execute("session().versions('gone')").text
        assert "leaves gone without a value" in kernel.execute("session().versions('gone')[0].value").error

    def test_what_cannot_be_copied(self, kernel: Kernel) -> None:
        """Says so; what cannot change is handed out itself."""
        kernel.run("lock", "lock = (n for n in range(3))\ndef twice(x):\n    return 2 * x")
        assert (
            "cannot be copied; while lock holds it"
            in kernel.execute("session().versions('lock')[0].value").error
        )
        assert kernel.ask("session().versions('twice')[0].value is twice") is True

    def test_an_unknown_name(self, kernel: Kernel) -> None:
        """Is told with the nearest one."""
        said = kernel.execute("session().versions('row')").error
        assert said == "OptionError: unknown name 'row'; did you mean 'rows'?"
        assert "no task or cell has made it" in kernel.execute("session().versions('x1y2')").error
