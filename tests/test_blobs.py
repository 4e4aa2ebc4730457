"""Files of large values: signed, verified, mapped privately, never executed unverified."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nbflow.store.blobs import Blobs
from nbflow.store.formats import Formats
from nbflow.store.protocol import Missing
from nbflow.store.scratch import Scratch
from nbflow.store.signing import DAMAGED, OTHER_KEY, Signer

if TYPE_CHECKING:
    from pathlib import Path

UNIT = "ab" * 16
OURS = Signer(bytes(32))
THEIRS = Signer(bytes([1]) * 32)
FORMATS = Formats({"__name__": "__main__"}, lambda value, namespace: "")


def blobs_at(home: Path, signer: Signer = OURS) -> Blobs:
    """The files of a store."""
    return Blobs(home, signer, Scratch(home / "tmp"), lambda name: None)


def write(home: Path, *values: object, signer: Signer = OURS) -> Path:
    """Write values as one unit; the path of their file."""
    blobs = blobs_at(home, signer)
    blobs.write(UNIT, FORMATS.encode(values))
    return blobs.path(UNIT)


def read(blobs: Blobs) -> tuple[object, ...]:
    """The values of the unit."""
    opened = blobs.open(UNIT)
    return FORMATS.decode(opened, opened.regions)


def reason(blobs: Blobs) -> str:
    """Why the unit cannot be read."""
    with pytest.raises(Missing) as missing:
        read(blobs)
    return missing.value.reason


def change(path: Path, position: int, mask: int = 0xFF) -> None:
    """Flip bits of one byte of a file."""
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(content)


class _Plant:
    """What pickling calls; a method would tell the store that the class says itself how it is made."""

    def __call__(self) -> tuple[object, ...]:
        """The code."""
        return exec, ("import tests.test_blobs as t; t.Planted.ran = True",)


class Planted:
    """Runs code when it is unpickled."""

    ran = False
    __reduce__: Any = _Plant()


class TestFile:
    """The file itself."""

    def test_values_come_back(self, tmp_path: Path) -> None:
        """Buffers and all."""
        write(tmp_path, np.arange(100_000), "text", np.arange(3))
        large, text, small = read(blobs_at(tmp_path))
        assert text == "text"
        assert np.array_equal(large, np.arange(100_000))  # type: ignore[arg-type]
        assert np.array_equal(small, np.arange(3))  # type: ignore[arg-type]

    def test_it_lies_under_its_digest_and_cannot_be_written(self, tmp_path: Path) -> None:
        """Mode 0444, in a folder only the user enters."""
        path = write(tmp_path, np.arange(10))
        assert path == tmp_path / "blobs" / "ab" / UNIT
        assert stat.S_IMODE(path.stat().st_mode) == 0o444
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_a_digest_that_is_no_file_name_leads_nowhere_else(self, tmp_path: Path) -> None:
        """A path in it is not followed."""
        assert blobs_at(tmp_path).path("../../etc/passwd").parent.parent == tmp_path / "blobs"

    def test_large_buffers_begin_at_a_page(self, tmp_path: Path) -> None:
        """So that they can be mapped and are aligned for any use."""
        write(tmp_path, np.arange(10_000), np.arange(7), np.arange(10_000.0))
        for value in read(blobs_at(tmp_path)):
            address = value.__array_interface__["data"][0]  # type: ignore[attr-defined]
            assert address % (4096 if value.size > 7 else 64) == 0  # type: ignore[attr-defined]

    def test_a_value_survives_the_removal_of_its_file(self, tmp_path: Path) -> None:
        """What was mapped stays mapped."""
        write(tmp_path, np.arange(100_000))
        blobs = blobs_at(tmp_path)
        (value,) = read(blobs)
        blobs.remove(UNIT)
        assert value.sum() == 4999950000  # type: ignore[attr-defined]
        assert reason(blobs) == "not stored"

    def test_a_value_without_buffers(self, tmp_path: Path) -> None:
        """A long list is all pickle."""
        write(tmp_path, list(range(50_000)))
        assert read(blobs_at(tmp_path)) == (list(range(50_000)),)

    def test_sizes(self, tmp_path: Path) -> None:
        """Each file with its bytes."""
        path = write(tmp_path, np.arange(10))
        assert list(blobs_at(tmp_path).sizes()) == [(UNIT, path.stat().st_size)]

    def test_where_nothing_can_be_mapped_it_is_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Some network file systems cannot map; the copy is as private."""

        def refuse(*args: object, **options: object) -> None:
            raise OSError("no mapping here")

        write(tmp_path, np.arange(10))
        monkeypatch.setattr("mmap.mmap", refuse)
        (value,) = read(blobs_at(tmp_path))
        value[0] = 5  # type: ignore[index]
        (again,) = read(blobs_at(tmp_path))
        assert again[0] == 0  # type: ignore[index]


class TestDamage:
    """Nothing that is not what was written is handed out."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, 10**6), st.integers(1, 255))
    def test_any_flipped_byte_is_found(self, tmp_path: Path, where: int, mask: int) -> None:
        """In the head, the pickle or the buffers; padding apart, which nobody reads."""
        path = write(tmp_path, np.arange(1000), "text")
        good = path.read_bytes()
        change(path, where % len(good), mask)
        try:
            number, text = read(blobs_at(tmp_path))
        except Missing as missing:
            left = missing.reason == OTHER_KEY or "version" in missing.reason
            assert path.exists() == left
        else:
            assert text == "text"
            assert np.array_equal(number, np.arange(1000))  # type: ignore[arg-type]

    def test_a_damaged_buffer_puts_the_file_aside(self, tmp_path: Path) -> None:
        """Its place is free for the value to be computed again."""
        path = write(tmp_path, np.arange(1000))
        change(path, -1)
        blobs = blobs_at(tmp_path)
        assert reason(blobs) == DAMAGED
        assert not path.exists()
        assert (tmp_path / "quarantine" / UNIT).exists()
        assert not blobs.has(UNIT)

    def test_large_buffers_are_verified_when_asked(self, tmp_path: Path) -> None:
        """They are handed out at once, and found out later."""
        path = write(tmp_path, np.zeros(1_000_000))
        change(path, -1)
        blobs = blobs_at(tmp_path)
        read(blobs)
        assert blobs.verify(UNIT) == DAMAGED
        assert blobs.verify(UNIT) == "not stored"

    def test_a_file_is_verified_once(self, tmp_path: Path) -> None:
        """As long as it is the same file; a changed one is verified again."""
        path = write(tmp_path, np.zeros(1_000_000))
        blobs = blobs_at(tmp_path)
        assert blobs.verify(UNIT) == ""
        change(path, -1)
        assert blobs.verify(UNIT) == DAMAGED

    @pytest.mark.parametrize("length", [0, 1, 8, 50, 200, 5000])
    def test_a_truncated_file_is_put_aside(self, tmp_path: Path, length: int) -> None:
        """As a power failure leaves it."""
        path = write(tmp_path, np.arange(1000))
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:length])
        blobs = blobs_at(tmp_path)
        assert reason(blobs) == "truncated"
        assert not path.exists()

    def test_a_damaged_file_does_not_count_as_stored(self, tmp_path: Path) -> None:
        """A commit then writes it anew."""
        path = write(tmp_path, np.arange(1000))
        change(path, 90)
        assert not blobs_at(tmp_path).has(UNIT)


class TestSignature:
    """Only what this user wrote is unpickled."""

    def test_another_users_file_is_left_where_it_is(self, tmp_path: Path) -> None:
        """It may be trusted later."""
        path = write(tmp_path, np.arange(1000), signer=THEIRS)
        blobs = blobs_at(tmp_path)
        assert reason(blobs) == OTHER_KEY
        assert path.exists()
        assert not blobs.has(UNIT)

    def test_a_planted_pickle_is_never_run(self, tmp_path: Path) -> None:
        """Whether it has a stranger's seal or stands where a signed one stood."""
        write(tmp_path, Planted(), signer=THEIRS)
        assert reason(blobs_at(tmp_path)) == OTHER_KEY
        assert Planted.ran is False

    def test_a_swapped_pickle_is_never_run(self, tmp_path: Path) -> None:
        """The head of one file does not sign the pickle of another."""
        planted = write(tmp_path / "a", Planted(), signer=THEIRS).read_bytes()
        path = write(tmp_path / "b", b"x" * 100)
        good = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(good[:88] + planted[88:])
        with pytest.raises(Missing):
            read(blobs_at(tmp_path / "b"))
        assert Planted.ran is False

    def test_a_file_under_another_units_name_is_refused(self, tmp_path: Path) -> None:
        """The seal binds the name."""
        path = write(tmp_path, np.arange(10))
        other = blobs_at(tmp_path).path("cd" * 16)
        other.parent.mkdir()
        os.link(path, other)
        with pytest.raises(Missing, match="signature is wrong"):
            blobs_at(tmp_path).open("cd" * 16)

    def test_trust_signs_a_strangers_file(self, tmp_path: Path) -> None:
        """It can be read then, and what was mapped before stays as it is."""
        write(tmp_path, np.arange(1000), signer=THEIRS)
        (before,) = read(blobs_at(tmp_path, THEIRS))
        blobs = blobs_at(tmp_path)
        assert blobs.trust(UNIT)
        (value,) = read(blobs)
        assert np.array_equal(value, before)  # type: ignore[arg-type]

    def test_trust_refuses_a_damaged_file(self, tmp_path: Path) -> None:
        """Nobody meant those bytes."""
        path = write(tmp_path, np.arange(1000), signer=THEIRS)
        change(path, -1)
        assert not blobs_at(tmp_path).trust(UNIT)
