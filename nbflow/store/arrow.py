"""The content of Arrow arrays, whatever their chunks, slices and the bytes under missing values.

An array is read as a few streams of bytes (validity, lengths, data); each stream runs through
all chunks, so that where they are cut cannot show. Only what a slice really covers is read.

Strings in views, as polars has them, are read as they lie: a view holds a short string itself, or
the place of a long one, which does not count. Long ones that lie one after another are one stretch.
"""

from __future__ import annotations

import sys
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final

from nbflow.store.encoders import integer
from nbflow.store.walks import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nbflow.store.walks import Walk

_VIEW: Final = 16
"""How many bytes a view has: four numbers, which are length, first bytes, buffer and place."""

_INLINE: Final = 12
"""How many bytes of a string its view has room for; of a longer one it holds the place."""

_FIRST_DATA: Final = 2
"""Behind validity and views come the buffers with long strings, if there are any."""

_STRETCH: Final = 1 << 13
"""How many bytes have to lie one after another, on average, to be read as they lie."""

_AT_ONCE: Final = 1 << 14
"""How many elements are copied at once."""


def content(walk: Walk, array: Any) -> bytes:
    """The token of an Arrow array or chunked array."""
    chunks = list(array.chunks) if hasattr(array, "chunks") else [array]
    # Of an empty array the words of its dictionary can be seen all the same.
    filled = [chunk for chunk in chunks if len(chunk)] or chunks[:1]
    return walk.group(b"w", walk.buffers([_described(array.type)]), _content(walk, array.type, filled))


def _described(kind: Any) -> bytes:
    """All that a type says of itself, as the format between processes writes it.

    Its text leaves out what fields and extension types know besides: units, frequencies, sides.
    """
    pyarrow = sys.modules["pyarrow"]
    return pyarrow.schema([pyarrow.field("", kind)]).serialize().to_pybytes()


def _content(walk: Walk, kind: Any, chunks: list[Any]) -> bytes:
    length = sum(map(len, chunks))
    missing = sum(chunk.null_count for chunk in chunks)
    validity = walk.buffers(map(_valid, _pieces(chunks))) if missing else b""
    head = (text(str(kind)), integer(length), integer(missing), validity)
    return walk.group(b"w", *head, _data(walk, kind, chunks, missing=bool(missing)))


def _data(walk: Walk, kind: Any, chunks: list[Any], *, missing: bool) -> bytes:
    types = sys.modules["pyarrow"].types
    if types.is_null(kind) or not chunks:
        return b"-"
    if types.is_boolean(kind):
        return walk.buffers(map(_booleans, _pieces(chunks)))
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
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return _viewed(walk, chunks, missing=missing)
    if types.is_list(kind) or types.is_large_list(kind):
        lengths = walk.buffers(_lengths(chunk) for chunk in chunks)
        return walk.group(
            b"w", lengths, _content(walk, kind.value_type, [chunk.flatten() for chunk in chunks])
        )
    if types.is_fixed_size_list(kind):
        return _content(walk, kind.value_type, [chunk.flatten() for chunk in chunks])
    if _is_fixed(kind):
        width, pieces = kind.bit_width // 8, _pieces(chunks) if missing else chunks
        return walk.buffers(_fixed(piece, width) for piece in pieces)
    return _other(walk, kind, chunks)


def _pieces(chunks: list[Any]) -> Iterator[Any]:
    """The chunks in pieces of which a copy stays in the processor's cache."""
    for chunk in chunks:
        yield from (chunk.slice(start, _AT_ONCE) for start in range(0, len(chunk), _AT_ONCE))


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


def _valid(chunk: Any) -> Any:
    """A byte for each element: 1, or 0 where it is missing."""
    bits = chunk.buffers()[0]
    if bits is None:
        return sys.modules["numpy"].full(len(chunk), chunk.null_count == 0, "u1")
    return _bits(bits, chunk)


def _bits(buffer: Any, chunk: Any) -> Any:
    numpy, (byte, bit) = sys.modules["numpy"], divmod(chunk.offset, 8)
    count = bit + len(chunk)
    return numpy.unpackbits(numpy.frombuffer(buffer, "u1")[byte:], count=count, bitorder="little")[bit:]


def _booleans(chunk: Any) -> Any:
    buffer = chunk.buffers()[1]
    if buffer is None:
        return bytes(len(chunk))
    return _bits(buffer, chunk) * _valid(chunk) if chunk.null_count else _bits(buffer, chunk)


def _fixed(chunk: Any, width: int) -> Any:
    """The bytes of elements of one width; zeros for those that are missing."""
    buffer = chunk.buffers()[1]
    if buffer is None:
        return bytes(len(chunk) * width)
    start = chunk.offset * width
    data = sys.modules["numpy"].frombuffer(buffer, "u1")[start : start + len(chunk) * width]
    return _cleared(data, width, _valid(chunk)) if chunk.null_count else data


def _cleared(data: Any, width: int, kept: Any) -> Any:
    """A copy of elements of one width in which only some are kept."""
    word = next(size for size in (8, 4, 2, 1) if width % size == 0)
    words = data.copy().view(f"u{word}").reshape(len(kept), width // word)
    for at in range(width // word):
        words[:, at] *= kept  # several times as fast as choosing
    return words.reshape(-1).view("u1")


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


def _viewed(walk: Walk, chunks: list[Any], *, missing: bool) -> bytes:
    """The token of strings in views: the views first, and then what the long ones hold."""
    as_they_lie = not missing and not any(map(_may_be_long, chunks))
    heads = walk.buffers(map(_heads, chunks if as_they_lie else _pieces(chunks)))
    long = chain.from_iterable(map(_long_strings, _pieces(list(filter(_may_be_long, chunks)))))
    return walk.group(b"w", heads, walk.buffers(long))


def _may_be_long(chunk: Any) -> bool:
    return len(chunk.buffers()) > _FIRST_DATA


def _is_long(views: Any) -> Any:
    return views.view("u4")[::4] > _INLINE


def _heads(chunk: Any) -> Any:
    """The views without the places of long strings."""
    views = _fixed(chunk, _VIEW)
    if not _may_be_long(chunk):
        return views
    heads = views.copy()
    heads.view("u8")[1::2] *= ~_is_long(views)
    return heads


def _long_strings(chunk: Any) -> Iterator[Any]:
    """The bytes of long strings, as they lie where they lie one after another."""
    numpy, views = sys.modules["numpy"], _fixed(chunk, _VIEW)
    views = views.view(f"V{_VIEW}")[_is_long(views)].view("u4").reshape(-1, 4)
    lengths, _, buffers, places = views.T
    starts = places.astype("i8")
    ends = starts + lengths
    cuts = numpy.flatnonzero((buffers[1:] != buffers[:-1]) | (starts[1:] != ends[:-1])) + 1
    if lengths.sum() < _STRETCH * len(cuts):
        yield _gathered(chunk, views)
        return
    for first, after in pairwise([0, *cuts.tolist(), len(views)] if len(views) else ()):
        data = numpy.frombuffer(chunk.buffers()[_FIRST_DATA + int(buffers[first])], "u1")
        yield data[starts[first] : ends[after - 1]]


def _gathered(chunk: Any, views: Any) -> Any:
    """The bytes of strings that lie anywhere."""
    pyarrow = sys.modules["pyarrow"]
    buffers = [None, pyarrow.py_buffer(views), *chunk.buffers()[_FIRST_DATA:]]
    strings = pyarrow.Array.from_buffers(pyarrow.binary_view(), len(views), buffers)
    kind = pyarrow.large_binary()
    return _text_bytes(strings.cast(kind), kind)


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
    if sys.modules["pyarrow"].types.is_union(kind):
        of_which = walk.buffers(_fixed(chunk.type_codes, 1) for chunk in chunks)
        return walk.group(b"w", of_which, _as_python(walk, chunks))
    return _as_python(walk, chunks)


def _as_python(walk: Walk, chunks: list[Any]) -> bytes:
    values = [value for chunk in chunks for value in chunk.to_pylist()]
    walk.kept.append(values)
    return walk.sequence(b"l", values)
