"""Records in which texts stand that UTF-8 has no bytes for."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nbflow.store.escapes import decoded, encoded, with_texts
from nbflow.types import Entry, Looked, Slot

NAME = "caf\udce9 é.csv"


class Record(msgspec.Struct, array_like=True, frozen=True):
    """A record with parts of several types."""

    entries: tuple[Entry, ...]
    values: dict[str, bytes]
    names: frozenset[str] = frozenset()
    seconds: float = 1.0


class TestRecords:
    """There and back."""

    @pytest.mark.parametrize("name", ["plain.csv", "é.csv", NAME])
    def test_all_of_it_comes_back(self, name: str) -> None:
        """Texts, bytes and numbers, in keys and values."""
        entry = Entry(Looked(Slot("file", name)), "digest", name)
        record = Record((entry,), {name: b"\xc1\xff"}, frozenset({name}))
        assert decoded(encoded(record), msgspec.msgpack.Decoder(Record)) == record

    def test_others_are_as_ever(self) -> None:
        """Only records that could not be written otherwise are written otherwise."""
        assert encoded(["é.csv"]) == msgspec.msgpack.encode(["é.csv"])

    @pytest.mark.parametrize("content", [encoded([NAME]), b"\xc1", b"\xc1\x01", b""])
    def test_another_record(self, content: bytes) -> None:
        """Is refused as ever."""
        with pytest.raises(msgspec.MsgspecError):
            decoded(content, msgspec.msgpack.Decoder(Record))


class TestTexts:
    """Each text of a record changed."""

    def test_in_keys_and_values(self) -> None:
        """And nothing else."""
        record: Any = {"a": ("b", 1, b"c", None)}
        assert with_texts(record, str.upper) == {"A": ["B", 1, b"c", None]}
