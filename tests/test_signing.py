"""Seals and the user's key."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.signing import (
    DAMAGED,
    FORGED,
    KEY_BYTES,
    OTHER_KEY,
    SEAL_BYTES,
    Signer,
    UnverifiedError,
    key_at_hand,
    state_folder,
    user_key,
)

if TYPE_CHECKING:
    from pathlib import Path

OURS = Signer(bytes(KEY_BYTES))
THEIRS = Signer(bytes([1]) * KEY_BYTES)


def reason(signer: Signer, name: str, sealed: bytes) -> str:
    """Why a signer does not open something."""
    with pytest.raises(UnverifiedError) as error:
        signer.open(name, sealed)
    return error.value.reason


class TestSeal:
    """What a seal proves."""

    @given(st.text(), st.binary())
    def test_what_was_sealed_opens(self, name: str, content: bytes) -> None:
        """Under its own name, with the same key."""
        assert OURS.open(name, OURS.seal(name, content)) == content

    @given(st.binary(min_size=1), st.data())
    def test_any_changed_byte_is_found(self, content: bytes, data: st.DataObject) -> None:
        """In the content or in the seal."""
        sealed = bytearray(OURS.seal("a", content))
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        with pytest.raises(UnverifiedError):
            OURS.open("a", bytes(sealed))

    @given(st.binary(max_size=SEAL_BYTES * 2))
    def test_what_was_never_sealed_does_not_open(self, junk: bytes) -> None:
        """Short or long."""
        with pytest.raises(UnverifiedError):
            OURS.open("a", junk)

    def test_another_key_is_told_from_damage(self) -> None:
        """The user can do something about the former."""
        assert reason(OURS, "a", THEIRS.seal("a", b"content")) == OTHER_KEY
        assert reason(OURS, "a", OURS.seal("a", b"content")[:-1]) == DAMAGED

    def test_a_seal_holds_under_its_own_name_only(self) -> None:
        """A record cannot be moved to another key."""
        assert reason(OURS, "b", OURS.seal("a", b"content")) == FORGED

    def test_the_check_alone_does_not_make_a_seal(self) -> None:
        """Whoever can compute the check and copy the key's name still lacks the key."""
        forged = bytearray(THEIRS.seal("a", b"content"))
        forged[8:16] = OURS.key_id
        assert reason(OURS, "a", bytes(forged)) == FORGED

    def test_only_the_whole_counts(self) -> None:
        """Where content is cut into parts does not matter."""
        assert OURS.stamp("a", b"ab", b"c") == OURS.stamp("a", b"abc")

    def test_a_key_has_32_bytes(self) -> None:
        """A short one is a mistake."""
        with pytest.raises(ValueError, match="32 bytes"):
            Signer(b"short")


class TestTrust:
    """Signing what another user signed."""

    def test_trusted_content_opens(self) -> None:
        """With the new key, unchanged."""
        assert OURS.open("a", OURS.trust("a", THEIRS.seal("a", b"content"))) == b"content"

    def test_damaged_content_is_never_trusted(self) -> None:
        """Nobody meant those bytes."""
        sealed = THEIRS.seal("a", b"content")[:-1] + b"?"
        with pytest.raises(UnverifiedError):
            OURS.trust("a", sealed)


class TestUserKey:
    """The key file."""

    def test_it_is_made_once(self, tmp_path: Path) -> None:
        """The same key for every kernel."""
        assert user_key(tmp_path / "new") == user_key(tmp_path / "new")
        assert len(user_key(tmp_path / "new")) == KEY_BYTES

    def test_two_folders_have_two_keys(self, tmp_path: Path) -> None:
        """It is random."""
        assert user_key(tmp_path / "a") != user_key(tmp_path / "b")

    def test_only_the_user_can_read_it(self, tmp_path: Path) -> None:
        """Mode 0600, and nothing else is left in the folder."""
        user_key(tmp_path)
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["key"]

    def test_a_readable_key_is_closed_again(self, tmp_path: Path) -> None:
        """A careless copy does not stay open."""
        user_key(tmp_path)
        (tmp_path / "key").chmod(0o644)
        user_key(tmp_path)
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600

    def test_a_truncated_key_is_replaced_and_kept_aside(self, tmp_path: Path) -> None:
        """A half-written file never signs anything."""
        (tmp_path / "key").write_bytes(b"half")
        assert len(user_key(tmp_path)) == KEY_BYTES
        assert (tmp_path / "key.damaged").read_bytes() == b"half"

    def test_a_folder_that_cannot_be_made_is_an_os_error(self, tmp_path: Path) -> None:
        """The store decides what to do then."""
        (tmp_path / "file").write_text("")
        with pytest.raises(OSError, match="file"):
            user_key(tmp_path / "file" / "below")

    def test_who_only_looks_makes_none(self, tmp_path: Path) -> None:
        """And neither closes nor replaces one."""
        assert key_at_hand(tmp_path) is None
        assert list(tmp_path.iterdir()) == []
        key = user_key(tmp_path)
        (tmp_path / "key").chmod(0o644)
        assert key_at_hand(tmp_path) == key
        assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o644
        (tmp_path / "key").write_bytes(b"short")
        assert key_at_hand(tmp_path) is None
        assert (tmp_path / "key").read_bytes() == b"short"

    def test_where_it_is(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Our own variable, the XDG one, the home folder, in this order."""
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("NBFLOW_STATE", raising=False)
        monkeypatch.delenv("XDG_STATE_HOME", raising=False)
        assert state_folder() == tmp_path / ".local" / "state" / "nbflow"
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
        assert state_folder() == tmp_path / "xdg" / "nbflow"
        monkeypatch.setenv("NBFLOW_STATE", str(tmp_path / "own"))
        assert state_folder() == tmp_path / "own"

    def test_the_key_of_another_user_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Somebody could have planted it."""
        user_key(tmp_path)
        mine = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: mine + 1)
        with pytest.raises(PermissionError, match="another user"):
            user_key(tmp_path)
