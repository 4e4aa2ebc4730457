"""Small values as they lie in records."""

from __future__ import annotations

import numpy as np

from nbflow.store.formats import Formats
from nbflow.store.packed import SMALL, pack, small_of, unpacked_regions


class TestPacked:
    """A payload in one piece."""

    def test_it_comes_back_with_memory_of_its_own(self) -> None:
        """What is loaded twice shares nothing."""
        formats = Formats({}, lambda value, namespace: "")
        packed = pack(formats.encode((np.arange(10), "text")))
        one, other = (formats.decode(packed, unpacked_regions(packed)) for _ in range(2))
        one[0][0] = 7  # type: ignore[index]
        assert (other[0].tolist(), other[1]) == (list(range(10)), "text")  # type: ignore[attr-defined]

    def test_those_that_are_small_together(self) -> None:
        """The smallest first, as long as all of them are less than the limit."""
        formats = Formats({}, lambda value, namespace: "")
        sizes = {"a": SMALL // 2, "b": SMALL // 4, "c": SMALL}
        payloads = {unit: formats.encode((np.zeros(size, "u1"),)) for unit, size in sizes.items()}
        assert small_of(payloads).keys() == {"a", "b"}
