"""What a cell of parameters may hold."""

from __future__ import annotations

import pytest

from nbflow.exceptions import OptionError
from nbflow.notebook.parameters import refuse_derived


class TestDerived:
    """A parameter that is made of another would keep its value when that is overridden."""

    @pytest.mark.parametrize(
        "source", ["A = 2\nB = A * 3", "A = 2\nB: int = f(x=A)", "A = 1\nB = [A for _ in C]"]
    )
    def test_it_is_refused(self, source: str) -> None:
        """The message says where to put it."""
        with pytest.raises(OptionError, match=r"it is made of A, .* put it in a plain cell below"):
            refuse_derived(source, {"A", "B"})

    @pytest.mark.parametrize("source", ["A = 2\nB = 3", "A = LIMIT * 2", "A: int", "import a\nA = a.b"])
    def test_what_is_simple_passes(self, source: str) -> None:
        """Names that are no parameters of the cell are nobody's default."""
        refuse_derived(source, {"A", "B"})
