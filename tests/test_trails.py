"""Where an exception was raised, with the lines that this process has."""

from __future__ import annotations

import linecache
import pickle

import pytest

from nbflow.task_runners.trails import trail_of


def chained() -> BaseException:
    """An exception that comes from another one, which came after a third."""
    try:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise OSError("second")  # noqa: B904 - the point
        except OSError as error:
            raise ValueError("third") from error
    except ValueError as error:
        return error


def suppressing() -> None:
    """Raise one that hides the one before."""
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second") from None


class TestTrail:
    """The way to an exception."""

    def test_it_crosses_with_what_came_before(self) -> None:
        """As Python shows it."""
        told = str(pickle.loads(pickle.dumps(trail_of(chained()))))
        order = ("KeyError", "During handling", "OSError", "direct cause", "ValueError: third")
        assert [told.index(word) for word in order] == sorted(told.index(word) for word in order)
        assert 'raise ValueError("third") from error' in told

    def test_what_is_suppressed_is_not_told(self) -> None:
        """`from None`."""
        with pytest.raises(ValueError, match="second") as raised:
            suppressing()
        assert trail_of(raised.value).before is None

    def test_lines_of_a_cell(self) -> None:
        """Are looked up where they are shown."""
        lines = ["x = 0\n", "1 / x\n"]
        with pytest.raises(ZeroDivisionError) as raised:
            exec(compile("".join(lines), "<cell of trails>", "exec"))
        trail = trail_of(raised.value)
        assert lines[1] not in str(trail)
        linecache.cache["<cell of trails>"] = (9, None, lines, "<cell of trails>")
        assert lines[1] in str(trail)
        del linecache.cache["<cell of trails>"]
