"""Times as people write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from nbflow.exceptions import OptionError
from nbflow.notebook.moments import moment_of

NOON = datetime(2024, 2, 29, 12).timestamp()


class TestMoments:
    """What is understood, in local time."""

    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("yesterday 14:00", datetime(2024, 2, 28, 14, 0, 59)),
            ("Today 9:05", datetime(2024, 2, 29, 9, 5, 59)),
            ("9:05", datetime(2024, 2, 29, 9, 5, 59)),
            ("yesterday", datetime(2024, 2, 28, 23, 59, 59)),
            ("2024-02-01", datetime(2024, 2, 1, 23, 59, 59)),
            ("2024-02-01 08:30", datetime(2024, 2, 1, 8, 30)),
        ],
    )
    def test_a_time(self, text: str, moment: datetime) -> None:
        """A minute or a day counts to its end, so that what happened in it is in it."""
        assert moment_of(text, NOON) == moment.timestamp()

    @pytest.mark.parametrize("text", ["", "soon", "25:00", "yesterday 9:75", "2024-13-01", "#12"])
    def test_what_is_no_time(self, text: str) -> None:
        """The message says what can be written."""
        with pytest.raises(OptionError, match="write #12"):
            moment_of(text, NOON)
