"""The line that tells how far a run has come."""

from __future__ import annotations

from nbflow.views.progress import Progress


class TestWords:
    """What is done, what runs, what is left."""

    def test_what_never_ran_is_counted_apart(self) -> None:
        """Nobody knows how long it takes."""
        progress = Progress({"raw": 5.0, "new": None})
        assert progress.words(0.0) == "0 of 2 tasks done · about 5.0 s and 1 task that never ran left"
        progress.begins("raw", 0.0)
        progress.ends("raw")
        assert progress.words(6.0) == "1 of 2 tasks done"

    def test_what_takes_longer_than_usual(self) -> None:
        """Is not said to take less than nothing."""
        progress = Progress({"raw": 5.0})
        progress.begins("raw", 0.0)
        assert progress.words(9.0) == "0 of 1 task done · raw 9.0 s of about 5.0 s · about 0 ms left"

    def test_failures_and_repeats(self) -> None:
        """An attempt is no task, and what runs without having been expected is one."""
        progress = Progress({"raw": None})
        for at in (0.0, 1.0):
            progress.begins("raw", at)
        progress.ends("raw", is_bad=True)
        progress.begins("more", 2.0)
        assert progress.words(4.0) == "1 of 2 tasks done · 1 failed · more 2.0 s"
