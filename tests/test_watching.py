"""The observation of running bodies: what they read, wrote, missed, and what spoils the trace."""

from __future__ import annotations

import asyncio
import builtins
import contextvars
import glob
import importlib
import io
import linecache
import os
import py_compile
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbflow.store.files import Files
from nbflow.store.watching import Watch, unwatched
from nbflow.types import OPEN, UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def files() -> Files:
    """A session's files."""
    return Files()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with one file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    return tmp_path


def saw_nothing(watch: Watch) -> bool:
    """Whether a body did nothing that counts."""
    return not (watch.read or watch.written or watch.absent or watch.listings or watch.voided or watch.noise)


class TestReading:
    """Files opened through Python."""

    @pytest.mark.parametrize(
        "body",
        [
            lambda: open("a.csv").close(),
            lambda: Path("a.csv").read_bytes(),
            lambda: os.close(os.open("a.csv", os.O_RDONLY)),
            lambda: open(b"a.csv", "rb").close(),
            lambda: pd.read_csv("a.csv"),
            lambda: np.memmap("a.csv", mode="r"),
            lambda: np.loadtxt("a.csv", delimiter=",", skiprows=1),
            lambda: io.FileIO("./sub/../a.csv").close(),
        ],
        ids=["open", "pathlib", "os.open", "bytes", "pandas", "memmap", "loadtxt", "detour"],
    )
    def test_python_readers_are_seen(self, here: Path, files: Files, body: object) -> None:
        """Whatever opens a file through Python makes it an entry, by its absolute path."""
        (here / "sub").mkdir()
        with files.watch() as watch:
            body()  # type: ignore[operator]
        assert watch.read == {str(here / "a.csv"): files.digest(str(here / "a.csv"))}
        assert watch.noise == watch.voided == watch.outside == ()

    def test_numpy_load_is_seen(self, here: Path, files: Files) -> None:
        """Arrays, also mapped ones, are files read."""
        np.save("a.npy", np.arange(3))
        with files.watch() as watch:
            np.load("a.npy", mmap_mode="r")
        assert set(watch.read) == {str(here / "a.npy")}

    def test_relative_paths_count_from_the_folder_of_the_moment(
        self, here: Path, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A body that changes the working folder is followed."""
        (here / "sub").mkdir()
        (here / "sub" / "b").write_text("")
        with files.watch() as watch:
            monkeypatch.chdir(here / "sub")
            open("b").close()
        assert set(watch.read) == {str(here / "sub" / "b")}

    def test_a_missing_file_counts_as_absent(self, here: Path, files: Files) -> None:
        """A path looked for and not found is an entry of its own."""
        with files.watch() as watch, suppress(FileNotFoundError):
            open("none.csv").close()
        assert watch.absent == {str(here / "none.csv")}
        assert not watch.read

    def test_ignored_places_are_not_seen(self, here: Path) -> None:
        """Python's own files, the system's, and the store are nobody's inputs."""
        with Files(ignore=[str(here)]).watch(constants=["a.csv"]) as watch:
            open("a.csv").close()
            open(os.__file__).close()
            open("/proc/self/stat").close()
            open(os.devnull, "w").close()
            os.listdir(here)
        assert saw_nothing(watch)

    def test_a_pipe_is_an_outside_read(self, here: Path, files: Files) -> None:
        """No digest can cover what comes through a pipe."""
        os.mkfifo("pipe")
        with files.watch() as watch:
            os.close(os.open("pipe", os.O_RDONLY | os.O_NONBLOCK))
        assert len(watch.outside) == 1
        assert not watch.read

    def test_quoting_a_source_line_is_no_read(self, here: Path, files: Files) -> None:
        """Tracebacks and warnings look up lines of source; the body does not depend on them."""
        Path("m.py").write_text("x = 1\n")
        with files.watch() as watch:
            assert linecache.getline("m.py", 1) == "x = 1\n"
        assert saw_nothing(watch)

    @pytest.mark.parametrize("compiled", [False, True])
    def test_imports_are_kept_apart(
        self, here: Path, files: Files, monkeypatch: pytest.MonkeyPatch, compiled: bool
    ) -> None:
        """An imported local module is named, without the files and folders that importing looks at."""
        Path("local_to_watch.py").write_text("x = 1\n")
        if compiled:
            py_compile.compile("local_to_watch.py")
        monkeypatch.syspath_prepend(str(here))
        with files.watch() as watch:
            importlib.import_module("local_to_watch")
        sys.modules.pop("local_to_watch")
        assert watch.imported == {str(here / "local_to_watch.py")}
        assert saw_nothing(watch)


class TestNativeReaders:
    """Files opened by code that raises no events."""

    @pytest.fixture
    def parquet(self, here: Path) -> str:
        """The path of a file in a native format."""
        pq.write_table(pa.table({"x": [1]}), "a.parquet")
        return str(here / "a.parquet")

    def test_constants_that_name_files_count(self, parquet: str, files: Files) -> None:
        """A native reader raises no event; the constant in the body stands for it."""
        with files.watch(constants=["a.parquet", "snappy", "km/h"]) as watch:
            pq.read_table("a.parquet")
        assert watch.read == {parquet: files.digest(parquet)}

    @pytest.mark.parametrize("wrap", [str, Path, lambda p: [p], lambda p: {"train": (p,)}])
    def test_inputs_that_name_files_count(self, parquet: str, files: Files, wrap: object) -> None:
        """Strings and paths given as values count, also in shallow containers."""
        with files.watch(inputs=[1, wrap("a.parquet")]) as watch:  # type: ignore[operator]
            pl.read_parquet("a.parquet")
        assert set(watch.read) == {parquet}

    def test_folders_and_plain_words_do_not(self, here: Path, files: Files) -> None:
        """A constant names no folder, and one without separator or suffix names nothing."""
        (here / "folder.d").mkdir()
        (here / "word").write_text("")
        with files.watch(constants=["folder.d", "./folder.d", "word"]) as watch:
            pass
        assert saw_nothing(watch)

    def test_a_constant_pattern_is_a_listing_and_its_files(self, here: Path, files: Files) -> None:
        """So both a changed and a new matching file make a difference."""
        (here / "b.csv").write_text("1")
        with files.watch(constants=["*.csv", "none/*.csv"]) as watch:
            pl.scan_csv("*.csv")
        assert set(watch.read) == {str(here / "a.csv"), str(here / "b.csv")}
        assert watch.listings == {f"{here}/*.csv": files.now("listing", f"{here}/*.csv")}
        (here / "c.csv").write_text("")
        assert watch.listings[f"{here}/*.csv"] != files.now("listing", f"{here}/*.csv")

    @pytest.mark.parametrize("pattern", ["/**/*.nope", "/*/**/*.nope", "./*.csv", "/x?/y"])
    def test_a_pattern_among_the_inputs_is_not_expanded(
        self, here: Path, files: Files, monkeypatch: pytest.MonkeyPatch, pattern: str
    ) -> None:
        """A value may be any text: no folder is looked into."""
        looked: list[str] = []
        monkeypatch.setattr(files, "names", looked.append)
        monkeypatch.setattr(files, "is_wide", looked.append)
        with files.watch(inputs=[pattern]) as watch:
            pass
        assert looked == []
        assert not watch.listings
        assert not watch.read

    def test_an_unfollowed_pattern_is_told_unless_the_body_lists_it(self, here: Path, files: Files) -> None:
        """A native reader may follow it unseen; prose and regular expressions are no patterns."""
        with files.watch(inputs=["./*.csv", "what? a/b", r"a/\d[0-9]", "none/*.csv"]) as native:
            pl.scan_csv("./*.csv")
        with files.watch(inputs=["./*.csv"]) as listed:
            glob.glob("./*.csv")
        assert native.outside == ("a pattern that is an input was not followed: ./*.csv",)
        assert listed.outside == ()

    def test_a_pattern_through_the_whole_disk_is_not_expanded(self, here: Path, files: Files) -> None:
        """Neither in the body nor in a command."""
        with files.watch(constants=["/**/*.nope"], writes=["/**/*.none"]) as watch:
            subprocess.run(["true", "/**/*.not"], check=True)
        assert watch.outside == tuple(f"pattern too wide: /**/*.{end}" for end in ("nope", "none", "not"))
        assert not watch.listings

    def test_a_pattern_over_too_many_entries_is_not_expanded(
        self, here: Path, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Entries looked at count, not those that match."""
        monkeypatch.setattr("nbflow.store.files.ENTRIES_LOOKED_AT", 10)
        for number in range(10):
            Path(f"{number}.dat").touch()
        with files.watch(constants=["**/*.csv", "./a.*"]) as watch:
            pass
        assert set(watch.outside) == {f"pattern too wide: {here}/**/*.csv", f"pattern too wide: {here}/a.*"}
        assert set(watch.read) == set()

    def test_a_huge_pattern_is_capped_and_says_so(self, here: Path, files: Files) -> None:
        """Beyond 1,000 files only the names count, which is no proof."""
        for number in range(1001):
            Path(f"{number}.dat").touch()
        with files.watch(constants=["*.dat"]) as watch:
            pass
        assert len(watch.read) == 1000
        assert len(watch.outside) == 1

    def test_constant_paths_that_are_missing_count_as_absent(self, here: Path, files: Files) -> None:
        """`os.path.exists` raises no event; the constant stands for it."""
        with files.watch(constants=["extra.csv"]) as watch:
            assert not os.path.exists("extra.csv")
        assert watch.absent == {str(here / "extra.csv")}

    def test_declared_reads_count(self, here: Path, files: Files) -> None:
        """What `--files` names is read, patterns included."""
        with files.watch(reads=["*.csv"]) as watch:
            pass
        assert set(watch.read) == {str(here / "a.csv")}
        assert set(watch.listings) == {f"{here}/*.csv"}

    def test_inputs_are_not_kept(self, here: Path, files: Files) -> None:
        """A watch does not keep the values alive that a body was given."""

        class Names(list[str]):
            pass

        given = Names(["a.csv"])
        alive = weakref.ref(given)
        watch = files.watch(inputs=[given])
        del given
        with watch:
            assert alive() is None


class TestWriting:
    """Files that a body makes, changes and removes."""

    @pytest.mark.parametrize(
        "body",
        [
            lambda: Path("out").write_text("1"),
            lambda: os.close(os.open("out", os.O_WRONLY | os.O_CREAT)),
            lambda: pd.DataFrame({"x": [1]}).to_csv("out"),
            lambda: open("out", "a").close(),
            lambda: os.symlink("a.csv", "out"),
            lambda: np.memmap("out", mode="w+", shape=3).flush(),
        ],
        ids=["pathlib", "os.open", "pandas", "append", "symlink", "memmap"],
    )
    def test_a_new_file_is_an_output(self, here: Path, files: Files, body: object) -> None:
        """It is written, not read, not own, and the body was not quiet."""
        with files.watch(constants=["./out"]) as watch:
            body()  # type: ignore[operator]
        assert watch.written == {str(here / "out"): files.digest(str(here / "out"))}
        assert watch.noise == (f"file written: {here / 'out'}",)
        assert not (watch.read)
        assert not (watch.own)
        assert not (watch.absent)
        assert not (watch.voided)

    def test_copying_reads_one_and_writes_the_other(self, here: Path, files: Files) -> None:
        """A copy is an input and an output."""
        with files.watch() as watch:
            shutil.copy("a.csv", "b.csv")
        assert set(watch.read) == {str(here / "a.csv")}
        assert set(watch.written) == {str(here / "b.csv")}

    def test_atomic_writing_leaves_one_output(self, here: Path, files: Files) -> None:
        """The temporary name is nobody's output."""
        with files.watch() as watch:
            Path("tmp").write_text("1")
            os.replace("tmp", "out")
        assert set(watch.written) == {str(here / "out")}
        assert not (watch.own)
        assert not (watch.absent)
        assert not (watch.voided)

    def test_a_published_folder_has_its_files_written(self, here: Path, files: Files) -> None:
        """Filling a folder and renaming it writes the files under the final name."""
        with files.watch() as watch:
            os.mkdir("tmp")
            Path("tmp/x").write_text("1")
            os.rename("tmp", "out")
        assert set(watch.written) == {str(here / "out/x")}

    def test_moving_a_foreign_file_reads_it(self, here: Path, files: Files) -> None:
        """What was there before and is moved away is both an input and an output."""
        with files.watch() as watch:
            os.rename("a.csv", "b.csv")
        assert watch.written[str(here / "a.csv")] == UNBOUND
        assert watch.own == {str(here / "a.csv")}

    def test_removal_is_an_output(self, here: Path, files: Files) -> None:
        """A file removed is left unbound."""
        with files.watch() as watch:
            os.remove("a.csv")
        assert watch.written == {str(here / "a.csv"): UNBOUND}

    def test_removal_below_an_open_folder_is_found(self, here: Path, files: Files) -> None:
        """Removing a tree names files relative to a descriptor."""
        (here / "sub").mkdir()
        (here / "sub" / "x").write_text("1")
        with files.watch() as watch:
            shutil.rmtree("sub")
        assert watch.written == {str(here / "sub" / "x"): UNBOUND}
        assert f"folder removed: {here / 'sub'}" in watch.noise

    def test_temporary_files_are_quiet(self, here: Path, files: Files) -> None:
        """What a body makes, reads and removes leaves nothing and depends on nothing."""
        with files.watch() as watch, tempfile.NamedTemporaryFile() as stream:
            stream.write(b"x")
            stream.flush()
            Path(stream.name).read_bytes()
        assert saw_nothing(watch)

    def test_a_declared_native_write_is_an_output(self, here: Path, files: Files) -> None:
        """A native writer raises no event; a changed path among the known writes counts."""
        for _ in range(2):  # the second time the file is there before
            with files.watch(constants=["o.parquet"], writes=["o.parquet"]) as watch:
                pq.write_table(pa.table({"x": [1]}), "o.parquet")
            assert set(watch.written) == {str(here / "o.parquet")}
            assert not (watch.read)
            assert not (watch.own)
            assert not (watch.voided)
            assert not (watch.absent)

    def test_a_declared_pattern_finds_new_and_removed_files(self, here: Path, files: Files) -> None:
        """What `--writes` names may come and go."""
        subprocess.run(["touch", "old.out"], check=True)
        with files.watch(writes=["*.out"]) as watch:
            pq.write_table(pa.table({"x": [1]}), "new.out")
            with unwatched():
                os.remove("old.out")
        assert watch.written == {
            str(here / "new.out"): files.digest(str(here / "new.out")),
            str(here / "old.out"): UNBOUND,
        }

    def test_an_undeclared_native_write_voids(self, here: Path, files: Files) -> None:
        """A path of the body that appears unexplained may be anybody's."""
        with files.watch(constants=["o.parquet"]) as watch:
            pq.write_table(pa.table({"x": [1]}), "o.parquet")
        assert watch.voided == (str(here / "o.parquet"),)
        assert not watch.written


class TestStillOpen:
    """Files whose handle outlives the body: more may come out of a buffer."""

    @pytest.mark.parametrize("mode", ["w", "a", "r+", "w+b"])
    def test_is_an_output_that_nobody_knows(self, here: Path, files: Files, mode: str) -> None:
        """What it holds at the end of the body is not what it will hold."""
        with files.watch() as watch:
            stream = open("a.csv", mode)  # noqa: SIM115 - left open on purpose
            stream.write(b"1" if "b" in mode else "1")
        with stream:
            assert watch.still_open == (str(here / "a.csv"),)
            assert watch.written == {str(here / "a.csv"): OPEN}
            assert (watch.voided, watch.read) == ((), {})
            assert watch.noise == (f"file written: {here / 'a.csv'}",)

    def test_is_found_under_another_name(self, here: Path, files: Files) -> None:
        """Descriptors know the file, not how the body called it."""
        Path("link.csv").symlink_to("a.csv")
        with files.watch() as watch:
            handle = os.open("link.csv", os.O_WRONLY)
        os.close(handle)
        assert watch.still_open == (str(here / "link.csv"),)

    def test_a_reader_is_none(self, here: Path, files: Files) -> None:
        """Nor is a writer of another file, which an earlier body left open."""
        with open("old.csv", "w"), files.watch() as watch:
            Path("new.csv").write_text("1")
            stream = open("new.csv")  # noqa: SIM115 - left open on purpose
        stream.close()
        assert watch.still_open == watch.voided == ()
        assert set(watch.written) == {str(here / "new.csv")}


class TestOwnFiles:
    """Files that a body both reads and changes."""

    @pytest.mark.parametrize(
        "body",
        [
            lambda: (Path("a.csv").read_text(), Path("a.csv").write_text("1")),
            lambda: (Path("a.csv").write_text("1"), Path("a.csv").read_text()),
            lambda: open("a.csv", "a").close(),
            lambda: open("a.csv", "r+").close(),
            lambda: os.close(os.open("a.csv", os.O_RDWR | os.O_CREAT)),
            lambda: os.truncate("a.csv", 1),
        ],
        ids=["read, write", "write, read", "append", "update", "os.open", "truncate"],
    )
    def test_both_read_and_written(self, here: Path, files: Files, body: object) -> None:
        """Such a file is an output, never an input, and the result is not proven fresh by it."""
        with files.watch(constants=["a.csv"]) as watch:
            body()  # type: ignore[operator]
        assert watch.own == {str(here / "a.csv")} == set(watch.written)
        assert not (watch.read)
        assert not (watch.voided)

    def test_appending_to_what_was_emptied_is_not(self, here: Path, files: Files) -> None:
        """After the file was emptied only the body's own content is in it."""
        with files.watch() as watch:
            Path("a.csv").write_text("1")
            open("a.csv", "a").close()
        assert watch.own == frozenset()

    def test_a_cache_file_is(self, here: Path, files: Files) -> None:
        """A file looked for, not found and written is read by the next run."""
        with files.watch() as watch, suppress(FileNotFoundError):
            try:
                open("cache").close()
            finally:
                Path("cache").write_text("1")
        assert watch.own == {str(here / "cache")}
        assert not watch.absent

    def test_under_two_names(self, here: Path, files: Files) -> None:
        """A file read through a link and written directly is its own."""
        os.symlink("a.csv", "link")
        with files.watch() as watch:
            Path("link").read_text()
            Path("a.csv").write_text("something longer")
        assert str(here / "link") in watch.own
        assert watch.voided == ()

    def test_a_folder_both_listed_and_filled(self, here: Path, files: Files) -> None:
        """The listing is the one that the body leaves, so that it does not differ at once."""
        with files.watch() as watch:
            os.listdir()
            Path("b.csv").write_text("1")
        assert watch.listings == {f"{here}/": files.now("listing", f"{here}/")}
        assert watch.own == {f"{here}/"}

    @pytest.mark.parametrize(
        "change",
        [
            lambda: os.makedirs("out/b"),
            lambda: os.symlink("/", "out"),
            lambda: subprocess.run(["mkdir", "out"], check=True),
            lambda: (os.mkdir("tmp"), os.rename("tmp", "out")),
            lambda: os.rmdir("empty"),
        ],
    )
    def test_folders_that_the_body_makes_are_its_own_doing(
        self, here: Path, files: Files, change: Callable[[], object]
    ) -> None:
        """Else a task would be stale right after its run, also by a pattern that leads through them."""
        (here / "empty").mkdir()
        with files.watch() as watch:
            os.listdir(".")
            change()
        assert (watch.own, watch.listings[f"{here}/"]) == ({f"{here}/"}, files.now("listing", f"{here}/"))
        with files.watch(["o*/b"]) as watch:
            os.makedirs("out2/b")
        pattern = f"{here}/o*/b"
        assert (watch.own, watch.listings) == (set(), {pattern: files.now("listing", pattern)})
        with files.watch(["*t3/b"]) as watch:
            os.makedirs("out3/b")
            assert glob.glob("*t3/b")
        assert (watch.own, set(watch.listings)) == (set(), {f"{here}/*t3/b"})


class TestVoid:
    """Files that somebody else changes meanwhile."""

    def test_a_change_after_opening_voids(self, here: Path, files: Files) -> None:
        """Somebody else changed the file: nobody knows which content the body saw."""
        with files.watch() as watch:
            Path("a.csv").read_text()
            with unwatched():
                Path("a.csv").write_text("something else")
        assert watch.voided == (str(here / "a.csv"),)
        assert not watch.read

    def test_a_change_of_a_constant_file_voids(self, here: Path, files: Files) -> None:
        """The same for what a native reader may have opened."""
        with files.watch(constants=["a.csv"]) as watch, unwatched():
            Path("a.csv").write_text("something else")
        assert watch.voided == (str(here / "a.csv"),)

    def test_an_equal_stat_does_not_hide_a_change_of_a_young_file(self, here: Path) -> None:
        """A file just changed is hashed when it is opened, so that the same tick hides nothing."""

        class FrozenStats(Files):
            def stat(self, path: str) -> object:  # type: ignore[override]
                return first if path == str(here / "a.csv") else super().stat(path)

        first = Files().stat(str(here / "a.csv"))
        with FrozenStats().watch() as watch:
            Path("a.csv").read_text()
            with unwatched():
                Path("a.csv").write_text("X,Y\n3,4\n")
        assert watch.voided == (str(here / "a.csv"),)

    def test_disappearing_and_appearing_void(self, here: Path, files: Files) -> None:
        """Both ways a file read, and a file missed, may be changed by others."""
        with files.watch() as watch:
            Path("a.csv").read_text()
            with suppress(FileNotFoundError):
                open("b.csv").close()
            with unwatched():
                os.rename("a.csv", "b.csv")
        assert set(watch.voided) == {str(here / "a.csv"), str(here / "b.csv")}


class TestListings:
    """Folders and patterns."""

    @pytest.mark.parametrize(
        ("body", "locator"),
        [
            (lambda: os.listdir(), ""),
            (lambda: os.listdir("."), ""),
            (lambda: list(os.scandir("sub")), "sub/"),
            (lambda: list(Path("sub").iterdir()), "sub/"),
            (lambda: glob.glob("*.csv"), "*.csv"),
            (lambda: glob.glob("*.csv", root_dir="sub"), "sub/*.csv"),
            (lambda: list(glob.iglob("**/*.csv", recursive=True)), "**/*.csv"),
            (lambda: glob.glob("**/*.csv"), "*/*.csv"),
            (lambda: list(Path("sub").glob("*.csv")), "sub/*.csv"),
            (lambda: list(Path().rglob("*.csv")), "**/*.csv"),
            (lambda: os.listdir(os.open("sub", os.O_RDONLY)), "sub/"),
        ],
    )
    def test_each_way_to_list_is_one_entry(
        self, here: Path, files: Files, body: object, locator: str
    ) -> None:
        """A pattern is followed as a pattern, a folder by its names."""
        (here / "sub").mkdir()
        with files.watch() as watch:
            body()  # type: ignore[operator]
        path = os.path.join(here, locator)
        assert watch.listings == {path: files.now("listing", path)}
        assert not (watch.read)
        assert not (watch.absent)
        assert not (watch.noise)
        assert not (watch.outside)

    def test_walking_lists_every_folder(self, here: Path, files: Files) -> None:
        """A new file anywhere below makes a difference."""
        (here / "sub").mkdir()
        with files.watch() as watch:
            list(os.walk("."))
        assert set(watch.listings) == {f"{here}/", f"{here}/sub/"}

    def test_a_missing_folder_is_listed_as_missing(self, here: Path, files: Files) -> None:
        """It differs from an empty one."""
        with files.watch() as watch, suppress(FileNotFoundError):
            os.listdir("none")
        assert watch.listings == {f"{here}/none/": UNBOUND}

    def test_a_foreign_change_keeps_what_was_seen(self, here: Path, files: Files) -> None:
        """The entry then differs from the present, and the task runs again."""
        before = files.now("listing", f"{here}/")
        with files.watch() as watch:
            os.listdir()
            with unwatched():
                Path("b.csv").write_text("1")
        assert watch.listings == {f"{here}/": before}
        assert before != files.now("listing", f"{here}/")


class TestSubprocesses:
    """What programs that the body starts are given."""

    def test_files_in_the_command_are_read(self, here: Path, files: Files) -> None:
        """A subprocess raises no events here; the words of its command stand for them."""
        with files.watch() as watch:
            subprocess.run(["cat", "a.csv"], capture_output=True, check=True)
        assert set(watch.read) == {str(here / "a.csv")}
        assert watch.noise == ("subprocess: cat",)

    def test_a_shell_line_is_taken_apart(self, here: Path, files: Files) -> None:
        """Redirections, too: what the line fills is an output."""
        with files.watch() as watch:
            subprocess.run("cat a.csv>out.csv", shell=True, check=True)
        assert str(here / "a.csv") in watch.read
        assert set(watch.written) == {str(here / "out.csv")}
        assert watch.own == frozenset()

    def test_patterns_in_the_command_count(self, here: Path, files: Files) -> None:
        """The shell expands them, so they are a listing and its files."""
        with files.watch() as watch:
            os.system("cat *.csv > /dev/null")
        assert str(here / "a.csv") in watch.read
        assert f"{here}/*.csv" in watch.listings

    def test_a_file_that_it_changes_is_its_own(self, here: Path, files: Files) -> None:
        """The body handed it over, so nobody knows whether it was read as well."""
        with files.watch() as watch:
            subprocess.run(["sed", "-i", "s/1/2345/", "a.csv"], check=True)
        assert watch.own == {str(here / "a.csv")} == set(watch.written)

    def test_its_folder_counts(self, here: Path, files: Files) -> None:
        """Words are taken from the folder in which it starts."""
        (here / "sub").mkdir()
        with files.watch() as watch:
            subprocess.run(["cat", "../a.csv"], cwd="sub", capture_output=True, check=True)
        assert set(watch.read) == {str(here / "a.csv")}

    def test_arguments_are_not_shown(self, here: Path, files: Files) -> None:
        """They may hold secrets."""
        with files.watch() as watch:
            subprocess.run("true --password=hunter2", shell=True, check=True)
        assert "hunter2" not in repr((watch.noise, watch.outside))

    def test_spawning_is_noise(self, here: Path, files: Files) -> None:
        """Every way to start a program counts."""
        with files.watch() as watch:
            pid = os.posix_spawn(
                shutil.which("cat") or "",
                ["cat", "a.csv"],
                os.environ,
                file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
            )
            os.waitpid(pid, 0)
        assert watch.noise == ("subprocess: cat",)
        assert str(here / "a.csv") in watch.read


class TestDatabases:
    """SQLite files."""

    def query(self, line: str) -> None:
        """Run one statement on a connection of its own."""
        with sqlite3.connect("x.db") as connection:
            connection.execute(line)
        connection.close()

    def test_reading_a_file_database_reads_the_file(self, here: Path, files: Files) -> None:
        """Its content and the absence of a write-ahead log count."""
        self.query("create table t (x)")
        with files.watch() as watch:
            self.query("select * from t")
        assert set(watch.read) == {str(here / "x.db")}
        assert watch.absent == {str(here / "x.db-wal")}
        assert not (watch.written)
        assert not (watch.noise)
        assert not (watch.outside)

    def test_changing_one_makes_it_its_own(self, here: Path, files: Files) -> None:
        """SQLite reads what it changes."""
        self.query("create table t (x)")
        with files.watch() as watch:
            self.query("insert into t values (1)")
        assert watch.own == {str(here / "x.db")} == set(watch.written)

    def test_making_one_is_an_output(self, here: Path, files: Files) -> None:
        """A database that was not there depends on nothing."""
        with files.watch() as watch:
            self.query("create table t (x)")
        assert set(watch.written) == {str(here / "x.db")}
        assert not (watch.own)
        assert not (watch.read)
        assert not (watch.voided)

    def test_a_foreign_write_ahead_log_is_an_input(self, here: Path, files: Files) -> None:
        """With it, changes do not show in the database file at all."""
        self.query("pragma journal_mode=wal")
        other = sqlite3.connect("x.db")
        other.execute("create table t (x)")
        with files.watch() as watch:
            self.query("select * from t")
        other.execute("insert into t values (1)")
        other.commit()
        changed = {path for path, digest in watch.read.items() if files.digest(path) != digest}
        other.close()
        assert changed == {str(here / "x.db-wal")}
        assert watch.voided == ()

    def test_an_unfinished_log_of_the_body_makes_it_its_own(self, here: Path, files: Files) -> None:
        """What it wrote is not yet in the file."""
        self.query("pragma journal_mode=wal")
        with files.watch() as watch:
            connection = sqlite3.connect("x.db")
            connection.execute("create table t (x)")
        connection.close()
        assert watch.own == {str(here / "x.db")}
        assert watch.voided == ()

    def test_databases_in_memory_are_nothing(self, here: Path, files: Files) -> None:
        """They live and die in the kernel."""
        with files.watch() as watch:
            sqlite3.connect(":memory:").close()
            sqlite3.connect("file:x?mode=memory", uri=True).close()
        assert saw_nothing(watch)

    def test_an_address_names_a_file(self, here: Path, files: Files) -> None:
        """`file:` addresses are taken apart."""
        self.query("create table t (x)")
        with files.watch() as watch:
            sqlite3.connect("file:x.db?mode=ro", uri=True).close()
        assert set(watch.read) == {str(here / "x.db")}


class TestNoise:
    """Why a body is not quiet."""

    def test_network_is_noise_and_an_outside_read(self, files: Files) -> None:
        """Host and port are named."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with files.watch() as watch:
                socket.create_connection(("127.0.0.1", port)).close()
        assert watch.noise == (f"network: 127.0.0.1:{port}",)
        assert watch.outside == (f"reads the network: 127.0.0.1:{port}",)

    def test_addresses_show_no_secrets(self, files: Files) -> None:
        """Neither user nor query of a requested address is kept."""
        with files.watch() as watch:
            sys.audit("urllib.Request", "https://me:pw@x.org/a?token=t", None, {}, "GET")
        assert watch.noise == ("network: https://x.org/a",)

    def test_a_file_address_is_no_network(self, here: Path, files: Files) -> None:
        """It is a file read."""
        with files.watch() as watch, urllib.request.urlopen((here / "a.csv").as_uri()) as answer:
            answer.read()
        assert not watch.outside
        assert str(here / "a.csv") in watch.read

    def test_input_is_noise(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body that asks a person is not quiet."""
        monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
        with files.watch() as watch:
            builtins.input()
        assert watch.noise == ("input",)

    def test_a_changed_environment_is_noise(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """By name, never by value, and only if it stays changed."""
        monkeypatch.setenv("KEPT", "1")
        monkeypatch.delenv("MADE", raising=False)
        with files.watch() as watch:
            os.environ["KEPT"] = "2"
            os.environ["KEPT"] = "1"
            os.environ["MADE"] = "secret"
        del os.environ["MADE"]
        assert watch.noise == ("environment changed: MADE",)

    def test_a_removed_variable_is_noise(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """Removing changes the process, too."""
        monkeypatch.setenv("KEPT", "1")
        with files.watch() as watch:
            del os.environ["KEPT"]
        assert watch.noise == ("environment changed: KEPT",)

    def test_importing_a_package_is_quiet(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Packages set variables for themselves while they are imported; the user's modules do not."""
        site = here / "site-packages"
        site.mkdir()
        for folder, name in ((site, "nbw_installed"), (here, "nbw_local")):
            (folder / f"{name}.py").write_text(f"import os\nos.environ['SET_BY_{name}'] = '1'\n")
            monkeypatch.setenv(f"SET_BY_{name}", "0")
        monkeypatch.setattr(sys, "path", [str(site), str(here), *sys.path])
        with Files(ignore=[str(site)]).watch() as watch:
            importlib.import_module("nbw_installed")
            importlib.import_module("nbw_local")
        del sys.modules["nbw_installed"], sys.modules["nbw_local"]
        assert watch.noise == ("environment changed: SET_BY_nbw_local",)

    def test_data_of_a_package_counts_where_the_body_names_it(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a package opens for itself is its own matter; a folder among the inputs is the user's."""
        data = here / "site-packages" / "nbw_flights" / "data"
        data.mkdir(parents=True)
        (data / "a.csv").write_text("x")
        monkeypatch.setattr(sys, "path", [str(here / "site-packages"), *sys.path])
        files = Files()
        for inputs, seen in (((), set()), ((data,), {str(data / "a.csv")})):
            with files.watch(inputs=inputs) as watch:
                (data / "a.csv").read_text()
            assert set(watch.read) == seen

    def test_looking_up_versions_lists_nothing(self, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Libraries ask for the versions of packages, which looks into every folder of `sys.path`."""
        monkeypatch.syspath_prepend(str(here))
        importlib.invalidate_caches()
        with Files().watch() as watch, suppress(metadata.PackageNotFoundError):
            metadata.version("no-such-package")
        assert saw_nothing(watch)

    def test_nor_does_the_library_that_looks_instead_once_it_is_imported(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It puts itself before Python's own, and stays there: it has taken that one's place."""
        importlib.import_module("importlib_metadata")
        monkeypatch.syspath_prepend(str(here))
        importlib.invalidate_caches()
        with Files().watch() as watch, suppress(metadata.PackageNotFoundError):
            metadata.version("no-such-package")
        assert saw_nothing(watch)

    def test_a_changed_folder_is_noise(self, here: Path, files: Files) -> None:
        """Only if the body does not go back."""
        (here / "sub").mkdir()
        with files.watch() as back:
            os.chdir("sub")
            os.chdir("..")
        with files.watch() as away:
            os.chdir("sub")
        assert back.noise == ()
        assert away.noise == away.process_state == ("working folder changed",)

    def test_a_removed_working_folder_is_survived(self, here: Path, files: Files) -> None:
        """Paths are then as the body spelled them, and leaving the folder is told."""
        (here / "sub").mkdir()
        os.chdir("sub")
        os.rmdir(here / "sub")
        with files.watch(constants=["b.csv", "*.csv"], inputs=["c.csv", "./*.c"], writes=["d.csv"]) as stays:
            os.listdir()
            glob.glob("*.csv")
            with suppress(OSError):
                Path("b.csv").touch()
        with files.watch() as leaves:
            os.chdir(here)
        assert stays.voided == stays.process_state == ()
        assert leaves.process_state == ("working folder changed",)

    def test_only_changes_of_the_process_are_its_state(
        self, here: Path, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A variable counts, a written file does not; both are noise."""
        monkeypatch.setenv("NBF_STATE", "1")
        with files.watch() as watch:
            Path("b.csv").write_text("1")
            os.environ["NBF_STATE"] = "2"
            sys.path.append("x")
        sys.path.remove("x")
        assert watch.process_state == ("module search path changed", "environment changed: NBF_STATE")
        assert watch.noise == (f"file written: {here / 'b.csv'}", *watch.process_state)

    def test_a_changed_search_path_is_noise(self, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
        """`sys.path` raises no event and is compared."""
        monkeypatch.setattr(sys, "path", list(sys.path))
        with files.watch() as watch:
            sys.path.append("x")
        assert watch.noise == ("module search path changed",)

    def test_new_folders_and_touched_files_are_noise(self, here: Path, files: Files) -> None:
        """They change the outside without being outputs."""
        with files.watch() as watch:
            os.mkdir("sub")
            os.makedirs("sub", exist_ok=True)
            os.utime("a.csv")
        assert watch.noise == (f"folder made: {here / 'sub'}", f"file touched: {here / 'a.csv'}")

    def test_computing_is_quiet(self, files: Files) -> None:
        """A body that touches nothing outside leaves no trace of it."""
        with files.watch() as watch:
            pd.DataFrame({"x": [1, 2]}).describe()
        assert saw_nothing(watch)


class TestWhoseEvents:
    """Which of several watches learns of an event."""

    def test_nested_watches_both_see(self, here: Path, files: Files) -> None:
        """What a nested body does is done by the body around it as well."""
        with files.watch() as outer:
            with files.watch() as inner:
                Path("a.csv").read_text()
            Path("b.csv").write_text("1")
        assert set(inner.read) == set(outer.read) == {str(here / "a.csv")}
        assert not inner.written
        assert outer.written

    def test_a_watch_apart_keeps_it_to_itself(self, here: Path, files: Files) -> None:
        """An upstream task that runs meanwhile is no part of the body that needed it."""
        with files.watch() as outer:
            with files.watch(apart=True) as inner:
                Path("a.csv").read_text()
            open("a.csv", "rb").close()
        assert inner.read
        assert outer.read
        with files.watch() as outer, files.watch(apart=True):
            Path("a.csv").read_text()
        assert saw_nothing(outer)

    def test_threads_of_the_body_are_its_own(self, here: Path, files: Files) -> None:
        """What they read, it reads."""
        with files.watch() as watch:
            thread = threading.Thread(target=Path("a.csv").read_text)
            thread.start()
            thread.join()
        assert set(watch.read) == {str(here / "a.csv")}

    def test_a_pool_that_was_there_before_works_for_the_body(self, here: Path, files: Files) -> None:
        """Dask, asyncio and others keep their threads from one body to the next."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int).result()
            for _ in range(2):
                with files.watch() as watch:
                    pool.submit(Path("a.csv").read_text).result()
                assert set(watch.read) == {str(here / "a.csv")}

    def test_two_bodies_at_once_are_kept_apart(self, here: Path, files: Files) -> None:
        """Each thread with a watch of its own reports to that one only."""
        barrier = threading.Barrier(2, timeout=10)

        def body(name: str) -> set[str]:
            with files.watch() as watch:
                barrier.wait()
                Path(name).write_text("1")
                barrier.wait()
            return set(watch.written)

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(body, ["one", "two"])) == [{str(here / "one")}, {str(here / "two")}]

    def test_the_main_thread_does_not_report_to_a_watch_elsewhere(self, here: Path, files: Files) -> None:
        """What the user does meanwhile is not the background task's doing."""
        inside, done = threading.Event(), threading.Event()

        def body() -> Watch:
            with files.watch() as watch:
                inside.set()
                assert done.wait(10)
            return watch

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(body)
            assert inside.wait(10)
            Path("a.csv").read_text()
            done.set()
            assert saw_nothing(future.result())

    def test_coroutines_are_kept_apart(self, here: Path, files: Files) -> None:
        """Bodies that take turns on one thread see their own events, in helper threads, too."""

        async def body(name: str) -> set[str]:
            with files.watch() as watch:
                await asyncio.sleep(0)
                Path(name).write_text("1")
                await asyncio.to_thread(Path(f"{name}.2").write_text, "1")
            return {os.path.basename(path) for path in watch.written}

        async def both() -> list[set[str]]:
            return await asyncio.gather(body("one"), body("two"))

        assert asyncio.run(both()) == [{"one", "one.2"}, {"two", "two.2"}]

    def test_started_threads_are_told_apart_where_python_tells(self, here: Path, files: Files) -> None:
        """A thread announced by an event reports to the watch that started it."""
        other_open, done = threading.Event(), threading.Event()

        def other() -> Watch:
            with files.watch() as watch:
                other_open.set()
                assert done.wait(10)
            return watch

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(other)
            assert other_open.wait(10)
            with files.watch() as watch:
                thread = threading.Thread(target=Path("a.csv").read_text)
                sys.audit("_thread.start_new_thread", thread.run, (), {})
                thread.start()
                thread.join()
            done.set()
            assert saw_nothing(future.result())
        assert watch.read


class TestLifetime:
    """When a watch sees and when not."""

    def test_a_raising_body_closes_its_watch(self, here: Path, files: Files) -> None:
        """What it did before is known, what comes after is not its doing."""
        with suppress(ZeroDivisionError), files.watch() as watch:
            Path("a.csv").read_text()
            _ = 1 / 0
        Path("b.csv").write_text("1")
        assert set(watch.read) == {str(here / "a.csv")}
        assert str(here / "b.csv") not in watch.trail.writes

    def test_nothing_is_seen_after_the_body(self, here: Path, files: Files) -> None:
        """The hook is inert while no watch is open."""
        with files.watch() as watch:
            pass
        Path("a.csv").read_text()
        assert watch.trail.reads == {}

    def test_contexts_that_outlive_a_watch_hide_nothing(self, here: Path, files: Files) -> None:
        """A front end may enter and leave in different contexts and use the first one again."""
        context, first = contextvars.copy_context(), files.watch()
        context.run(first.__enter__)
        context.run(Path("a.csv").read_text)
        Path("b.csv").write_text("1")
        first.__exit__(None, None, None)
        with files.watch() as second:
            context.run(Path("a.csv").read_text)
        assert set(first.read) == set(second.read) == {str(here / "a.csv")}
        assert set(first.written) == {str(here / "b.csv")}

    def test_the_number_of_a_thread_that_ended_is_nobodys(self, files: Files) -> None:
        """The system gives it to the next thread, whoever starts that."""
        going_on = threading.Event()
        started = threading.Thread(target=going_on.wait, daemon=True)
        watch = files.watch()
        watch.note_thread(started.run)
        started.start()
        assert watch.claims(started.ident or 0)
        going_on.set()
        started.join()
        assert not watch.claims(started.ident or 0)

    def test_a_thread_that_outlives_the_body_is_not_seen(self, here: Path, files: Files) -> None:
        """Its later events belong to nobody."""
        go = threading.Event()

        def late() -> None:
            assert go.wait(10)
            Path("late").write_text("1")

        with files.watch() as watch:
            thread = threading.Thread(target=late)
            thread.start()
        go.set()
        thread.join()
        assert not watch.trail.writes

    def test_one_hook_is_installed(self, files: Files) -> None:
        """However many watches there were, an event is reported once."""
        code = (
            "import sys\n"
            "added = []\n"
            "sys.addaudithook(lambda event, _: added.append(event) if 'addaudit' in event else None)\n"
            "from nbflow.store.files import Files\n"
            "assert not added, 'importing installs nothing'\n"
            "for _ in range(3):\n"
            "    with Files().watch(): pass\n"
            "assert len(added) == 1, added\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    def test_our_own_work_is_not_seen(self, here: Path, files: Files) -> None:
        """Hashing and listing during a body is not the body's reading."""
        with files.watch() as watch:
            files.digest(str(here / "a.csv"))
            files.now("listing", f"{here}/*")
            with unwatched():
                open("a.csv").close()
        assert saw_nothing(watch)

    def test_strange_arguments_never_reach_the_body(self, files: Files) -> None:
        """An event that cannot be understood is an outside read, not an error."""
        with files.watch() as watch:
            sys.audit("open", object(), "r", 0)
            sys.audit("glob.glob/2", "x")
            with suppress(ValueError):
                open("a\0b").close()
        assert len(watch.outside) == 2


OPERATIONS = ["read", "empty", "append", "remove", "replace"]


class TestLaw:
    """Any sequence of operations."""

    @settings(max_examples=150)
    @given(
        st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2)), max_size=8),
        st.sets(st.integers(0, 2)),
    )
    def test_every_sequence_is_told_right(self, steps: list[tuple[str, int]], there: set[int]) -> None:
        """Inputs, outputs, absences and own files follow from the order of operations alone."""
        files = Files(clock=lambda: time.time() + 10)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, str(number)) for number in range(3)]
            for number in there:
                Path(paths[number]).write_text("before")
            with files.watch() as watch:
                for operation, number in steps:
                    perform(operation, paths[number])
            expected = expect(steps, there)
            names = {path: number for number, path in enumerate(paths)}
            found = (watch.read, watch.written, watch.absent, watch.own)
            assert [{names[path] for path in each} for each in found] == expected
            assert watch.voided == ()
            assert all(digest == files.digest(path) for path, digest in watch.written.items())


def perform(operation: str, path: str) -> None:
    """Do one of `OPERATIONS`, whether it succeeds or not."""
    with suppress(FileNotFoundError):
        match operation:
            case "read":
                Path(path).read_text()
            case "empty":
                Path(path).write_text("new")
            case "append":
                with open(path, "a") as stream:
                    stream.write("more")
            case "remove":
                os.remove(path)
            case _:
                Path(f"{path}.tmp").write_text("replaced")
                os.replace(f"{path}.tmp", path)


def expect(steps: list[tuple[str, int]], there: set[int]) -> list[set[int]]:
    """The read, written, absent and own files of a sequence, from its definition."""
    now, read, written, grown = set(there), set[int](), set[int](), set[int]()
    for operation, number in steps:
        if operation == "read":
            read.add(number)
            continue
        if operation == "append" and number in there and number not in written:
            grown.add(number)
        written.add(number)
        (now.discard if operation == "remove" else now.add)(number)
    kept = {number for number in written if number in there or number in now}
    return [read & there - written, kept, read - there - written, kept & (read | grown)]
