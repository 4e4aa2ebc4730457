"""A worker process from within: its surroundings, and what it says."""

from __future__ import annotations

import os
import pickle
import sys
from io import FileIO
from typing import TYPE_CHECKING

from nbflow.task_runners.packets import Incoming
from nbflow.task_runners.worker import ENDED, Answers, Surroundings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class TestSurroundings:
    """What of the kernel's process bodies look at."""

    def test_they_are_entered(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Folder, path, and environment variables: also those that are gone."""
        before = Surroundings.present()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        monkeypatch.setenv("NBFLOW_TEST_WORD", "late")
        assert Surroundings.present() != before
        before.enter()
        assert Surroundings.present() == before
        assert "NBFLOW_TEST_WORD" not in os.environ


class TestAnswers:
    """What a worker says."""

    def test_prints_are_gathered_to_lines(self) -> None:
        """In the order of all that is said."""
        read, write = os.pipe()
        with FileIO(read, "r") as source, FileIO(write, "w") as target:
            answers = Answers(target)
            for kind, what in (
                ("stdout", "a"),
                ("stdout", " b\n"),
                ("stdout", "c"),
                ("stderr", "d"),
                ("log", {"msg": "e"}),
                ("stdout", "f"),
                (ENDED, b""),
            ):
                answers.tell(kind, what)
            said = [*map(pickle.loads, Incoming().whole(source.read(2**16)))]
        assert said == [
            ("stdout", "a b\n"),
            ("stdout", "c"),
            ("stderr", "d"),
            ("log", {"msg": "e"}),
            ("stdout", "f"),
            (ENDED, b""),
        ]
