"""What a cell of parameters may hold."""

from __future__ import annotations

import pytest

from nbflow.exceptions import OptionError
from nbflow.notebook.parameters import check_parameters


class TestDerived:
    """A parameter that is made of another would keep its value when that is overridden."""

    @pytest.mark.parametrize(
        "source", ["A = 2\nB = A * 3", "A = 2\nB: int = f(x=A)", "A = 1\nB = [A for _ in C]"]
    )
    def test_it_is_refused(self, source: str) -> None:
        """The message says where to put it."""
        with pytest.raises(OptionError, match=r"it is made of A, .* put it in a plain cell below"):
            check_parameters(source, {"A", "B"})

    @pytest.mark.parametrize("source", ["A = 2\nB = 3", "A = LIMIT * 2", "A: int", "import a\nA = a.b"])
    def test_what_is_simple_passes(self, source: str) -> None:
        """Names that are no parameters of the cell are nobody's default."""
        check_parameters(source, {"A", "B"})

    @pytest.mark.parametrize("source", ["for i in range(3): A = i", "def f(): pass", "if C:\n    A = 1"])
    def test_what_is_no_assignment_is_refused(self, source: str) -> None:
        """Nobody could say what its default is."""
        with pytest.raises(OptionError, match=r"makes no parameter: .* simple assignments"):
            check_parameters(source, {"A"})
