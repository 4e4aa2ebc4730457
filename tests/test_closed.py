"""Closed files, as they are made again in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nbflow.engine.closed import closed_file, closed_of

if TYPE_CHECKING:
    from pathlib import Path


class TestClosedFiles:
    """What `with open(…)` leaves behind."""

    @pytest.mark.parametrize("mode", ["w", "x", "wb", "r+", "rb"])
    def test_the_same_is_known_of_it(self, tmp_path: Path, mode: str) -> None:
        """Its name, its mode and that it is closed."""
        path = tmp_path / "a.txt"
        if mode != "x":
            path.write_text("old")
        with path.open(mode) as stream:
            assert closed_of(stream) is None
        known = closed_of(stream)
        assert known is not None
        again: Any = closed_file(known)
        assert (again.closed, again.name, type(again)) == (True, str(path), type(stream))
        assert again.mode.rstrip("+") in (mode.rstrip("+"), mode.replace("x", "w"))

    def test_nothing_else_is_one(self) -> None:
        """Values, and files that nobody opened by a name."""
        assert [closed_of(value) for value in (3, "a.txt", None)] == [None] * 3
