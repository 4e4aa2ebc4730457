"""Seals of the store: what this user wrote, unchanged, under the name it was written for.

A sealed record is `check | key id | MAC | content`. The check finds damage, the key id tells
another user's entry from a forged one, the MAC binds name and content. The key lives in the
user's state folder, never in the store, so that a store copied from elsewhere proves nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final

import xxhash

KEY_BYTES: Final = 32
SEAL_BYTES: Final = 32
_CHECK: Final = slice(0, 8)
_KEY_ID: Final = slice(8, 16)
_MAC: Final = slice(16, 32)

OTHER_KEY: Final = "signed with another key"
DAMAGED: Final = "damaged"
FORGED: Final = "its signature is wrong"


class UnverifiedError(Exception):
    """Bytes that are not proven to be what this user wrote.

    Args:
        reason: `OTHER_KEY`, `DAMAGED` or `FORGED`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Signer:
    """Seals and opens bytes with one user's key.

    Args:
        key: The secret, 32 bytes; see `user_key`.

    Example:
        >>> signer = Signer(bytes(32))
        >>> signer.open("a", signer.seal("a", b"content"))
        b'content'
    """

    __slots__ = ("_keyed", "key_id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a store key has {KEY_BYTES} bytes, this one has {len(key)}")
        self._keyed = hashlib.blake2b(key=key, digest_size=16, person=b"nbflow seal")
        self.key_id: Final = hashlib.blake2b(key=key, digest_size=8, person=b"nbflow key id").digest()

    def stamp(self, name: str, *parts: bytes | memoryview) -> bytes:
        """Return the 32 byte seal of parts of content under a name.

        Only the concatenation of the parts counts, not where they are cut.
        """
        check, mac = xxhash.xxh3_64(), self._keyed.copy()
        bound = name.encode()
        mac.update(len(bound).to_bytes(4, "little") + bound)
        for part in parts:
            check.update(part)
            mac.update(part)
        return check.digest() + self.key_id + mac.digest()

    def check(self, name: str, stamp: bytes, *parts: bytes | memoryview) -> None:
        """Do nothing if `stamp` is this user's seal of these parts under this name.

        Raises:
            UnverifiedError: If it is not, with the reason.
        """
        # Damage is told of first: rotten bytes are neither another user's nor forged.
        expected = self.stamp(name, *parts)
        if len(stamp) != SEAL_BYTES or stamp[_CHECK] != expected[_CHECK]:
            raise UnverifiedError(DAMAGED)
        if stamp[_KEY_ID] != self.key_id:
            raise UnverifiedError(OTHER_KEY)
        if not hmac.compare_digest(stamp[_MAC], expected[_MAC]):
            raise UnverifiedError(FORGED)

    def seal(self, name: str, content: bytes) -> bytes:
        """Return content with its seal before it."""
        return self.stamp(name, content) + content

    def open(self, name: str, sealed: bytes) -> bytes:
        """Return the content of what `seal` gave.

        Raises:
            UnverifiedError: If the bytes are damaged, another user's or were sealed under another name.
        """
        content = sealed[SEAL_BYTES:]
        self.check(name, sealed[:SEAL_BYTES], content)
        return content

    def trust(self, name: str, sealed: bytes) -> bytes:
        """Return the same content sealed with this key, whoever sealed it before.

        Raises:
            UnverifiedError: If the bytes are damaged; nothing makes those trustworthy.
        """
        content = sealed[SEAL_BYTES:]
        if not undamaged(sealed[:SEAL_BYTES], content):
            raise UnverifiedError(DAMAGED)
        return self.seal(name, content)


def undamaged(stamp: bytes, *parts: bytes | memoryview) -> bool:
    """Whether content is what was sealed, whoever sealed it; proves nothing about who did."""
    check = xxhash.xxh3_64()
    for part in parts:
        check.update(part)
    return len(stamp) == SEAL_BYTES and stamp[_CHECK] == check.digest()


def state_folder() -> Path:
    """Return the folder of the user's own state: `NBFLOW_STATE`, else by the XDG rules."""
    if own := os.environ.get("NBFLOW_STATE"):
        return Path(own)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "nbflow"


def user_key(folder: Path | None = None) -> bytes:
    """Return the user's key, made at first use, in a file only the user can read.

    Args:
        folder: Where the file `key` is; by default `state_folder()`.

    Raises:
        OSError: If it can be neither read nor made, or belongs to another user.
    """
    path = (folder or state_folder()) / "key"
    key = _read_key(path)
    return key if key is not None else _make_key(path)


def key_at_hand(folder: Path | None = None) -> bytes | None:
    """The user's key, if there is one; unlike `user_key` this touches nothing.

    Args:
        folder: As for `user_key`.
    """
    path = (folder or state_folder()) / "key"
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        is_own = not hasattr(os, "getuid") or os.fstat(handle).st_uid == os.getuid()
        key = file.read(KEY_BYTES + 1)
    return key if is_own and len(key) == KEY_BYTES else None


def hidden_digest(digest: str) -> str:
    """The digest of a secret, of which nobody can tell the secret without the user's key.

    Where the key cannot be had it holds for this process only.

    Args:
        digest: The digest of its content.
    """
    return hashlib.blake2b(digest.encode(), digest_size=16, key=_hiding_key()).hexdigest()


@lru_cache(maxsize=1)
def _hiding_key() -> bytes:
    try:
        return user_key()
    except OSError:
        return secrets.token_bytes(KEY_BYTES)


def _read_key(path: Path) -> bytes | None:
    try:
        # A link would let somebody else say what the key is.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            raise PermissionError(f"{path} belongs to another user; remove it or set NBFLOW_STATE")
        if status.st_mode & 0o077 and hasattr(os, "fchmod"):
            os.fchmod(handle, 0o600)
        key = file.read(KEY_BYTES + 1)
    if len(key) == KEY_BYTES:
        return key
    # What it signed is lost either way; keep the bytes for whoever wants to look.
    os.replace(path, path.with_name("key.damaged"))
    return None


def _make_key(path: Path) -> bytes:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"key.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        _publish(fresh, path)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()
    # Not what was just made: all kernels sign with the key of whoever came first.
    return path.read_bytes()


def _publish(fresh: Path, path: Path) -> None:
    """Give the file its name unless another kernel was first; never show a half-written key."""
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    except OSError:
        os.replace(fresh, path)
