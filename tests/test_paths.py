"""Which words and values mean paths, and which places are nobody's inputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.paths import (
    MEMBERS_LOOKED_AT,
    Ignored,
    absolute,
    folder_locator,
    given_paths,
    is_cut,
    looks_like_path,
    pattern_base,
    real,
    working_folder,
)

if TYPE_CHECKING:
    import pytest


class TestLooksLikePath:
    """Which texts may be paths."""

    def test_separators_and_suffixes_count(self) -> None:
        """A separator or a suffix with a letter makes a path."""
        assert all(map(looks_like_path, ("a/b", "a.csv", "data/2014", "x.7z", "a.tar.gz", "*.csv")))

    def test_words_numbers_and_addresses_do_not(self) -> None:
        """Plain words, numbers, URLs and texts of several lines are no paths."""
        assert not any(map(looks_like_path, ("a", "1.5", "s3://bucket/a.csv", "a\nb.csv", "", "end.")))


class TestGivenPaths:
    """Paths among values."""

    def test_strings_and_path_objects_are_found(self) -> None:
        """Both spellings of a path are found."""
        assert list(given_paths(["a.csv", Path("b.csv"), 3, None])) == ["a.csv", "b.csv"]

    def test_containers_are_looked_into_two_levels_deep(self) -> None:
        """A dict of lists is looked into, what lies deeper is not."""
        assert list(given_paths([{"k": ["a", ("b",)]}])) == ["k", "a"]

    def test_home_is_expanded(self) -> None:
        """A leading tilde means the home folder, as native readers take it."""
        assert list(given_paths(["~/a.csv"])) == [os.path.expanduser("~/a.csv")]

    def test_a_file_address_is_a_path(self) -> None:
        """A `file://` address names a file."""
        assert list(given_paths(["file:///data/a.csv"])) == ["/data/a.csv"]

    def test_a_broken_path_class_is_skipped(self) -> None:
        """A path object that raises is no path."""

        class Broken(os.PathLike[str]):
            def __fspath__(self) -> str:
                raise RuntimeError("no path")

        assert list(given_paths([Broken()])) == []

    def test_long_containers_are_reported_only_if_they_hold_paths(self) -> None:
        """A cut list of paths is reported, a cut list of numbers is not."""
        assert is_cut([["a.csv"] * (MEMBERS_LOOKED_AT + 1)])
        assert not is_cut([["a.csv"] * MEMBERS_LOOKED_AT, list(range(MEMBERS_LOOKED_AT + 1))])

    @given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=20))
    def test_any_value_is_survived(self, value: object) -> None:
        """Looking for paths never raises and never gives an empty or multi-line text."""
        assert all(text and "\n" not in text for text in given_paths([value]))


class TestIgnored:
    """Places that are nobody's inputs."""

    def test_python_and_the_system_are_ignored(self) -> None:
        """The standard library, the interpreter, `/proc`, `/dev` and compiled files are ignored."""
        places = Ignored()
        assert all(map(places.covers, (os.__file__, sys.executable, "/proc/stat", "/dev/null", "/a/b.pyc")))

    def test_the_project_is_not(self, tmp_path: Path) -> None:
        """A file of the user is not ignored, even below the prefix of an environment."""
        assert not Ignored().covers(str(tmp_path / "a.csv"))
        assert not Ignored().covers(os.path.join(sys.prefix, "a.csv"))

    def test_more_places_can_be_named(self, tmp_path: Path) -> None:
        """A folder covers what is below it, and no sibling that begins alike."""
        places = Ignored([str(tmp_path / "store"), str(tmp_path / "nb.ipynb")])
        assert places.covers(str(tmp_path / "store" / "x"))
        assert places.covers(str(tmp_path / "nb.ipynb"))
        assert not places.covers(str(tmp_path / "store2" / "x"))

    def test_a_linked_place_is_ignored_under_both_names(self, tmp_path: Path) -> None:
        """A symbolic link to an ignored folder does not show its files."""
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert Ignored([str(tmp_path / "link")]).covers(str(tmp_path / "real" / "x"))


class TestWorkingFolder:
    """Paths while the working folder is missing."""

    def test_a_removed_one_is_survived(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Relative paths stay as they are, absolute ones need no folder."""
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")
        assert working_folder() == str(tmp_path / "sub")
        (tmp_path / "sub").rmdir()
        assert working_folder() == ""
        assert [absolute("a/../b"), absolute("/a/../b"), real("a")] == ["a/../b", "/b", "a"]
        assert Ignored(["store"]).covers("store/x")


class TestLocators:
    """How folders and patterns are spelled."""

    def test_a_folder_ends_with_a_separator(self) -> None:
        """So that it cannot be taken for a pattern."""
        assert folder_locator("/data/") == folder_locator("/data") == "/data/"

    def test_the_base_of_a_pattern_has_no_wildcard(self) -> None:
        """Everything from the first wildcard on is left out."""
        assert pattern_base("/data/*/b?.csv") == "/data"
