"""The content of Arrow arrays, whatever their chunks, slices and the bytes under missing values.

An array is read as a few streams of bytes (validity, lengths, data); each stream runs through
all chunks, so that where they are cut cannot show. Only what a slice really covers is read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nbflow.store.encoders import integer
from nbflow.store.walks import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.store.walks import Walk


def content(walk: Walk, array: Any) -> bytes:
    """The token of an Arrow array or chunked array."""
    chunks = list(array.chunks) if hasattr(array, "chunks") else [array]
    return _content(walk, array.type, [chunk for chunk in chunks if len(chunk)])


def _content(walk: Walk, kind: Any, chunks: list[Any]) -> bytes:
    length = sum(map(len, chunks))
    missing = sum(chunk.null_count for chunk in chunks)
    validity = walk.buffers(_booleans(chunk.is_valid()) for chunk in chunks) if missing else b""
    head = (text(str(kind)), integer(length), integer(missing), validity)
    return walk.group(b"w", *head, _data(walk, kind, chunks, missing=bool(missing)))


def _data(walk: Walk, kind: Any, chunks: list[Any], *, missing: bool) -> bytes:
    types = sys.modules["pyarrow"].types
    if types.is_null(kind) or not chunks:
        return b"-"
    if types.is_boolean(kind):
        return walk.buffers(_booleans(chunk.fill_null(False) if missing else chunk) for chunk in chunks)
    if types.is_dictionary(kind):
        return _dictionary(walk, kind, chunks)
    if types.is_struct(kind):
        flat = [chunk.flatten() for chunk in chunks]
        fields = ([part[at] for part in flat] for at in range(kind.num_fields))
        parts = [
            text(kind.field(at).name) + _content(walk, kind.field(at).type, part)
            for at, part in enumerate(fields)
        ]
        return walk.group(b"w", *parts)
    if _is_text(kind):
        return _texts(walk, [chunk.fill_null(_nothing(kind)) if missing else chunk for chunk in chunks], kind)
    if types.is_list(kind) or types.is_large_list(kind):
        lengths = walk.buffers(_lengths(chunk) for chunk in chunks)
        return walk.group(
            b"w", lengths, _content(walk, kind.value_type, [chunk.flatten() for chunk in chunks])
        )
    if types.is_fixed_size_list(kind):
        return _content(walk, kind.value_type, [chunk.flatten() for chunk in chunks])
    if _is_fixed(kind):
        return walk.buffers(_fixed(chunk, kind, missing=missing) for chunk in chunks)
    return _other(walk, kind, chunks)


def _is_text(kind: Any) -> bool:
    types = sys.modules["pyarrow"].types
    checks = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)
    return any(check(kind) for check in checks)


def _nothing(kind: Any) -> Any:
    types = sys.modules["pyarrow"].types
    return "" if types.is_string(kind) or types.is_large_string(kind) else b""


def _is_fixed(kind: Any) -> bool:
    types = sys.modules["pyarrow"].types
    if types.is_nested(kind) or type(kind).__name__ in ("ExtensionType", "UnknownExtensionType"):
        return False
    return bool(types.is_primitive(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind))


def _booleans(array: Any) -> Any:
    return array.to_numpy(zero_copy_only=False).view("u1")


def _fixed(chunk: Any, kind: Any, *, missing: bool) -> Any:
    width = kind.bit_width // 8
    buffer = chunk.buffers()[1]
    if buffer is None:
        return bytes(len(chunk) * width)
    start = chunk.offset * width
    data = sys.modules["numpy"].frombuffer(buffer, "u1")[start : start + len(chunk) * width]
    if not missing or not chunk.null_count:
        return data
    data = data.reshape(len(chunk), width).copy()
    data[chunk.is_null().to_numpy(zero_copy_only=False)] = 0
    return data.reshape(-1)


def _texts(walk: Walk, chunks: list[Any], kind: Any) -> bytes:
    ends = walk.buffers(_ends(chunks, _offset_type(kind)))
    return walk.group(b"w", ends, walk.buffers(_text_bytes(chunk, kind) for chunk in chunks))


def _offset_type(kind: Any) -> str:
    types = sys.modules["pyarrow"].types
    return "u8" if types.is_large_string(kind) or types.is_large_binary(kind) else "u4"


def _offsets(chunk: Any, width: str) -> Any:
    return sys.modules["numpy"].frombuffer(chunk.buffers()[1], width)[
        chunk.offset : chunk.offset + len(chunk) + 1
    ]


def _ends(chunks: list[Any], width: str) -> Iterator[Any]:
    """Where each string ends, counted from the start of the first chunk (it may wrap: that is no loss)."""
    total = 0
    for chunk in chunks:
        offsets = _offsets(chunk, width)
        moved = (total - int(offsets[0])) % (1 << (8 * int(width[1])))
        yield offsets[1:] + offsets.dtype.type(moved) if moved else offsets[1:]
        total += int(offsets[-1]) - int(offsets[0])


def _text_bytes(chunk: Any, kind: Any) -> Any:
    offsets = _offsets(chunk, _offset_type(kind))
    data = chunk.buffers()[2]
    return sys.modules["numpy"].frombuffer(data, "u1")[int(offsets[0]) : int(offsets[-1])] if data else b""


def _lengths(chunk: Any) -> Any:
    lengths = chunk.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return lengths.astype("i8").view("u1")


def _dictionary(walk: Walk, kind: Any, chunks: list[Any]) -> bytes:
    pyarrow = sys.modules["pyarrow"]
    unified = pyarrow.chunked_array(chunks).unify_dictionaries()
    words = unified.chunk(0).dictionary
    indices = [chunk.indices for chunk in unified.chunks]
    order = b"T" if kind.ordered else b"F"
    return walk.group(
        b"w", order, _content(walk, words.type, [words]), _content(walk, kind.index_type, indices)
    )


def _other(walk: Walk, kind: Any, chunks: list[Any]) -> bytes:
    """Rare layouts: by their storage, or as Python values."""
    if hasattr(kind, "storage_type"):
        return _content(walk, kind.storage_type, [chunk.storage for chunk in chunks])
    if "view" in str(kind) and not sys.modules["pyarrow"].types.is_nested(kind):
        plain = sys.modules["pyarrow"].large_binary()
        return _content(walk, plain, [chunk.cast(plain) for chunk in chunks])
    values = [value for chunk in chunks for value in chunk.to_pylist()]
    walk.kept.append(values)
    return walk.sequence(b"l", values)
