"""The kinds file, absent and listing, and the cache of stats behind them."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.store.files import Files
from nbflow.store.paths import ABSENT, PRESENT, UNREADABLE, Known
from nbflow.types import UNBOUND

NAMES = st.frozensets(st.text(st.characters(codec="utf-8"), max_size=3))


def later() -> float:
    """A clock by which every file of a test is old."""
    return time.time() + 10


def rewrite(path: Path, text: str) -> None:
    """Change a file until its stat shows it: two changes may fall into one tick of the clock."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.write_text(text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of four bytes."""
    file = tmp_path / "a.csv"
    file.write_text("aaaa")
    return file


class TestDigest:
    """The digest of a file."""

    def test_is_that_of_the_content(self, path: Path) -> None:
        """The digest is xxh3_128 of the bytes, also beyond one chunk."""
        path.write_bytes(bytes(range(256)) * 8192)
        assert Files().digest(str(path)) == xxhash.xxh3_128(path.read_bytes()).hexdigest()

    def test_of_nothing_is_unbound(self, tmp_path: Path) -> None:
        """Missing files, folders and impossible names have no content."""
        files = Files()
        names = (str(tmp_path / "b"), str(tmp_path), "a\0b", "x" * 5000)
        assert [files.digest(name) for name in names] == [UNBOUND] * 4

    def test_of_a_pipe_is_unbound_and_does_not_wait(self, tmp_path: Path) -> None:
        """A pipe is not opened: that would wait for a writer."""
        os.mkfifo(tmp_path / "pipe")
        assert Files().digest(str(tmp_path / "pipe")) == UNBOUND

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_of_a_locked_file_says_so(self, path: Path) -> None:
        """A file without permission is neither missing nor a content."""
        path.chmod(0)
        assert Files().digest(str(path)) == UNREADABLE

    def test_follows_the_content(self, path: Path) -> None:
        """A changed file has another digest, an equal content the same."""
        files = Files(clock=later)
        first = files.digest(str(path))
        rewrite(path, "bbbbbb")
        second = files.digest(str(path))
        rewrite(path, "aaaa")
        assert second != first == files.digest(str(path))

    def test_an_appearing_and_a_vanishing_file_are_seen(self, tmp_path: Path) -> None:
        """Absence is not remembered against the facts."""
        files, path = Files(clock=later), tmp_path / "a"
        seen = [files.digest(str(path))]
        path.write_text("x")
        seen.append(files.digest(str(path)))
        path.unlink()
        seen.append(files.digest(str(path)))
        assert seen[0] == seen[2] == UNBOUND != seen[1]


class TestMemory:
    """When a known digest is reused."""

    def test_an_old_file_is_hashed_once(self, path: Path) -> None:
        """The same object answers while the stat stays, so nothing was hashed again."""
        files = Files(clock=later)
        assert files.known(str(path)) is files.known(str(path))

    def test_same_size_and_time_is_caught_by_the_change_time(self, path: Path) -> None:
        """A content replaced in place with size and mtime restored has another digest."""
        files, stat = Files(clock=later), path.stat()
        first = files.digest(str(path))
        rewrite(path, "bbbb")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
        assert files.digest(str(path)) != first

    def test_same_size_and_time_is_caught_by_the_inode(self, path: Path, tmp_path: Path) -> None:
        """A file renamed over it with size and mtime equal has another digest."""
        files, stat, other = Files(clock=later), path.stat(), tmp_path / "b"
        first = files.digest(str(path))
        other.write_text("bbbb")
        os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        os.replace(other, path)
        assert files.digest(str(path)) != first

    def test_a_young_file_is_read_again(self, path: Path) -> None:
        """Within two seconds of a change a stat proves nothing."""
        files = Files()
        assert not files.known(str(path)).firm
        assert files.known(str(path)) is not files.known(str(path))

    def test_two_seconds_make_it_firm(self, path: Path) -> None:
        """The border lies at two seconds after the last change, whichever time that shows."""
        changed = max(path.stat().st_mtime_ns, path.stat().st_ctime_ns) / 1e9
        assert not Files(clock=lambda: changed + 1.99).known(str(path)).firm
        assert Files(clock=lambda: changed + 2.01).known(str(path)).firm

    @settings(max_examples=200)
    @given(st.lists(st.binary(min_size=3, max_size=3), min_size=1, max_size=6))
    def test_rapid_changes_of_equal_size_are_never_missed(self, contents: list[bytes]) -> None:
        """However fast the changes follow one another, the digest is that of the content."""
        files = Files()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "a")
            for content in contents:
                path.write_bytes(content)
                assert files.digest(str(path)) == xxhash.xxh3_128(content).hexdigest()

    def test_earlier_knowledge_is_taken_over_if_firm(self, path: Path) -> None:
        """A firm content of an earlier session spares hashing, a doubtful one does not."""
        stat = Files().stat(str(path))
        known, files = Known(stat, "d" * 32), Files()
        files.learn(str(path), known)
        assert files.known(str(path)) is known
        doubtful = Files()
        doubtful.learn(str(path), Known(stat, "d" * 32, firm=False))
        assert doubtful.digest(str(path)) != "d" * 32

    def test_earlier_knowledge_of_another_stat_is_not_used(self, path: Path) -> None:
        """What was learned is checked like what was seen."""
        files = Files()
        files.learn(str(path), Known(None, "d" * 32))
        assert files.digest(str(path)) != "d" * 32


class TestChanged:
    """The cheap poll."""

    def test_an_unchanged_file_is_not_among_them(self, path: Path) -> None:
        """Old and unchanged: nothing to do."""
        files = Files(clock=later)
        files.digest(str(path))
        assert files.changed([str(path)]) == frozenset()

    def test_unknown_young_changed_missing_and_new_files_are(self, path: Path, tmp_path: Path) -> None:
        """Each way in which a content may differ from the last digest is reported."""
        old, young = Files(clock=later), Files()
        new = tmp_path / "new"
        assert old.changed([str(path)]) == {str(path)}
        old.digest(str(path))
        young.digest(str(path))
        old.digest(str(new))
        assert old.changed([str(path), str(new)]) == frozenset()
        assert young.changed([str(path)]) == {str(path)}
        new.write_text("x")
        rewrite(path, "b")
        assert old.changed([str(path), str(new)]) == {str(path), str(new)}
        path.unlink()
        assert old.changed([str(path)]) == {str(path)}


class TestListing:
    """Folders and patterns."""

    def test_a_folder_changes_with_its_names_only(self, tmp_path: Path) -> None:
        """A new name counts, a new content does not."""
        files, locator = Files(), f"{tmp_path}/"
        (tmp_path / "a").write_text("1")
        first = files.now("listing", locator)
        (tmp_path / "a").write_text("2")
        assert files.now("listing", locator) == first
        (tmp_path / "b").write_text("1")
        assert files.now("listing", locator) != first

    def test_a_missing_folder_is_not_an_empty_one(self, tmp_path: Path) -> None:
        """Both are different from each other."""
        files = Files()
        assert files.now("listing", f"{tmp_path}/none/") == UNBOUND
        assert files.now("listing", f"{tmp_path}/") not in ("", UNBOUND)

    def test_a_pattern_changes_with_its_matches_only(self, tmp_path: Path) -> None:
        """A file that does not match does not count, one that does counts at any depth."""
        files, locator = Files(), f"{tmp_path}/**/*.csv"
        (tmp_path / "a.csv").write_text("")
        first = files.now("listing", locator)
        (tmp_path / "b.txt").write_text("")
        assert files.now("listing", locator) == first
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "c.csv").write_text("")
        assert files.now("listing", locator) != first

    @given(NAMES, NAMES)
    def test_digests_tell_sets_of_names_apart(self, one: frozenset[str], two: frozenset[str]) -> None:
        """Equal sets have equal digests and different ones different digests."""
        digests = [Files().listing(names) for names in (one, two)]
        assert (digests[0] == digests[1]) == (one == two)


class TestWide:
    """Patterns that lead through too much."""

    @pytest.mark.parametrize(("pattern", "entries"), [("*", 2), ("a/*", 3), ("*/*", 5), ("**/z*", 10)])
    def test_each_entry_looked_at_counts(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, entries: int
    ) -> None:
        """Two folders and three files in one of them; `**` looks twice, into it and for the rest."""
        (tmp_path / "b").mkdir()
        (tmp_path / "a").mkdir()
        for name in "xyz":
            (tmp_path / "a" / name).touch()
        monkeypatch.setattr("nbflow.store.files.ENTRIES_LOOKED_AT", entries)
        assert not Files().is_wide(f"{tmp_path}/{pattern}")
        monkeypatch.setattr("nbflow.store.files.ENTRIES_LOOKED_AT", entries - 1)
        assert Files().is_wide(f"{tmp_path}/{pattern}")

    def test_loops_of_links_end(self, tmp_path: Path) -> None:
        """The system follows links some forty times."""
        (tmp_path / "loop").symlink_to(tmp_path)
        assert not Files().is_wide(f"{tmp_path}/**")

    def test_below_the_root_is_wide_without_a_look(self) -> None:
        """Wherever else, the entries are counted."""
        assert Files().is_wide("/**/x")
        assert not Files().is_wide("/no_such_folder/**/x")


class TestKinds:
    """The kinds as the engine sees them."""

    def test_absent_turns_present(self, tmp_path: Path) -> None:
        """A path that appears, also as a folder, is present."""
        files = Files()
        assert files.now("absent", str(tmp_path / "a")) == ABSENT
        assert files.now("absent", str(tmp_path)) == PRESENT

    def test_all_show_short_texts(self, path: Path) -> None:
        """People see size and date, presence, and names."""
        file, absent, listing, *_ = Files().kinds()
        assert [kind.name for kind in (file, absent, listing)] == ["file", "absent", "listing"]
        assert file.show(str(path)).startswith("4 B, changed 20")
        assert [file.show("/none"), absent.show("/none"), listing.show("/none/")] == ["not there"] * 3
        assert absent.show(str(path)) == "there"
        assert listing.show(f"{path.parent}/") == "a.csv"

    def test_an_unknown_kind_is_an_error(self) -> None:
        """Nobody is answered for a kind that lives elsewhere."""
        with pytest.raises(KeyError):
            Files().now("name", "df")
