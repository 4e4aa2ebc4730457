"""Names that no cell makes any more: who reads them waits, instead of failing."""

from __future__ import annotations

import pytest

from nbflow.types import Verdict
from tests.cells import causes, change, opened, values, verdicts


class TestReaders:
    """Of a name whose maker is gone."""

    @pytest.mark.parametrize("plain", [(), (0,)])
    def test_they_wait_until_it_is_back(self, plain: tuple[int, ...]) -> None:
        """A task or a plain cell; the cause names the name, and nothing runs."""
        notebook, (raw, clean, total) = opened(
            "raw = [1]", "clean = raw + [2]", "total = sum(clean)", plain=plain
        )
        notebook.delete(raw)
        assert verdicts(notebook) == ["waits", "waits"]
        assert causes(notebook, clean)[0] == ("unbound", "raw")
        assert notebook.flow().executed == notebook.flow("cell_2").executed == []
        assert notebook.run(total).executed == notebook.log == []
        notebook.run(notebook.add("raw = [5]", at=0, plain=True))
        assert len(notebook.flow().executed) == 2
        assert values(notebook, "total") == [7]

    def test_their_own_cell_runs(self) -> None:
        """As in Jupyter, and fails as a fresh run would; it waits then, as its next run would fail, too."""
        notebook, (raw, clean) = opened("raw = [1]", "clean = raw + [2]")
        notebook.delete(raw)
        assert isinstance(notebook.run(clean).errors[clean], NameError)
        assert causes(notebook, clean)[0] == ("unbound", "raw")
        assert notebook.flow().executed == []

    def test_an_edited_maker(self) -> None:
        """That makes another name now, which is as if it had gone."""
        notebook, (raw, clean) = opened("raw = [1]", "clean = raw + [2]", plain=(0,))
        change(notebook, raw, "rows = [1]")
        assert causes(notebook, clean)[0] == ("unbound", "raw")
        change(notebook, clean, "clean = rows + [2]")
        assert verdicts(notebook) == ["fresh", "fresh"]

    def test_a_helper_reads_it(self) -> None:
        """That counts as a read of whoever calls it."""
        sources = "RATE = 2", "def scale(x):\n    return x * RATE", "y = scale(4)"
        notebook, (rate, _, y) = opened(*sources, plain=(0, 1))
        notebook.delete(rate)
        assert causes(notebook, y)[0] == ("unbound", "RATE")


class TestOthers:
    """That do without it."""

    @pytest.mark.parametrize(
        ("maker", "reader", "value"),
        [
            ("len = max", "y = len([4, 7])", 2),
            ("raw = 1", "try:\n    raw\nexcept NameError:\n    raw = 9\ny = raw", 9),
        ],
    )
    def test_they_run(self, maker: str, reader: str, value: int) -> None:
        """A builtin stands behind it, or the cell binds it itself."""
        notebook, (made, read) = opened(maker, reader)
        notebook.delete(made)
        assert notebook.verdict(read) is Verdict.STALE
        notebook.flow()
        assert values(notebook, "y") == [value]

    def test_an_earlier_maker(self) -> None:
        """Is what they are bound to then."""
        notebook, (_, later, total) = opened("raw = [1]", "raw = [2]", "total = sum(raw)")
        notebook.delete(later)
        assert notebook.verdict(total) is Verdict.STALE
        notebook.flow()
        assert values(notebook, "total") == [1]
