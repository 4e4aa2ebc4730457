"""Previews: values in short texts."""

from __future__ import annotations

from nbflow.engine.previews import preview


class TestPreview:
    """What people see of a value."""

    def test_short_values_are_shown_and_large_ones_named(self) -> None:
        """No code of the user's is called."""
        assert preview(15) == "15"
        assert preview("a" * 100) == "'" + "a" * 58 + "…"
        assert preview([1, 2]) == "[1, 2]"
        assert preview(object()) == "object"
