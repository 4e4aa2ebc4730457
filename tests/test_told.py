"""Paths as people tell them: short where they lie near, and always leading to the same file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nbflow.store.told import told_path, with_told_paths
from nbflow.types import Cause
from nbflow.views.words import cause_words, short_cause

if TYPE_CHECKING:
    from pathlib import Path

_PARTS = st.lists(st.sampled_from(["a", "data", "my files", "~", "…", "*.csv"]), min_size=1, max_size=4)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which is not below home."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestOnePath:
    """What is told leads from the working folder to where the path leads."""

    def test_near_and_far(self, here: Path) -> None:
        """What is below the working folder or home is told from there, all else from the root."""
        paths = [here / "a.csv", here / "home" / "b.csv", here.parent / "c.csv", here]
        assert [told_path(str(path)) for path in paths] == [
            "a.csv",
            "home/b.csv",
            str(here.parent / "c.csv"),
            "the working folder",
        ]

    def test_below_home(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As shells tell it; a folder whose name only begins so is another."""
        monkeypatch.chdir("/")
        home = here / "home"
        assert [told_path(f"{home}{end}") for end in ("/a.csv", "", "2/a.csv")] == [
            "~/a.csv",
            "~",
            f"{home}2/a.csv",
        ]

    @given(_PARTS)
    @example(["~", "a"])
    def test_it_leads_to_the_same(self, parts: list[str]) -> None:
        """Whatever the names are."""
        path = os.path.join(os.getcwd(), *parts)
        assert os.path.abspath(told_path(path)) == path

    def test_a_working_folder_that_is_gone(self, here: Path) -> None:
        """Paths are told from the root then."""
        folder = here / "gone"
        folder.mkdir()
        os.chdir(folder)
        folder.rmdir()
        assert told_path(str(folder / "a.csv")) == str(folder / "a.csv")


class TestTexts:
    """Causes and sentences tell paths so; values that are paths stay what they are."""

    def test_a_sentence(self, here: Path) -> None:
        """Each path in it, and nothing that only ends so."""
        text = f"reads {here}/a.csv, which is not {here.parent}/b.csv (x{here}/c.csv) {here}"
        assert with_told_paths(text) == text.replace(f"reads {here}/", "reads ")

    def test_causes(self, here: Path) -> None:
        """Files, links, listings, and what cannot be compared."""
        causes = [
            Cause("file", f"{here}/a.csv"),
            Cause("output file", f"{here}/out/b.csv", after="missing"),
            Cause("listing", f"{here}/data/*.csv", "x.csv", "x.csv, y.csv"),
            Cause("listing", str(here), "x.csv", "x.csv, y.csv"),
            Cause("outside", f"reads {here}/own.txt, which it writes itself"),
            Cause("input", "where", f"'{here}/a'", f"'{here}/b'"),
        ]
        assert list(map(cause_words, causes)) == [
            "file a.csv changed",
            "written file out/b.csv is missing",
            "in data/*.csv: y.csv appeared",
            "in the working folder: y.csv appeared",
            "reads own.txt, which it writes itself",
            f"where changed: '{here}/a' → '{here}/b'",
        ]
        assert short_cause(causes[4]) == "reads own.txt, which it writes itself"

    def test_the_end_of_a_long_path(self, here: Path) -> None:
        """It names the file, however deep that lies."""
        assert cause_words(Cause("file", f"{here}/{'deep/' * 60}a.csv")).endswith("/deep/a.csv changed")
