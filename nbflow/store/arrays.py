"""Encoders of numpy, scipy and torch values: buffers go to the hash as they are.

Content counts, and in which order the axes lie in memory: sums are rounded and arrays are
flattened by it. Gaps, the direction of an axis and the read-only flag make no difference. That
two arrays of one value lie in the same memory does. None of the libraries is imported here; a
value of theirs proves that it is loaded.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from nbflow.store.codes import kind_token
from nbflow.store.encoders import integer, mutable_object
from nbflow.store.walks import Regions, Walk, encodes, text

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK: Final = 1 << 20
_UNPADDED: Final = 10
"""Bytes of an x87 long double that mean something; the rest of its 16 is left over."""


# Arrays ---------------------------------------------------------------------------------------


@encodes("numpy.ndarray")
def _array(walk: Walk, value: Any) -> bytes:
    met = walk.enter(value)
    if met:
        return met
    number = len(walk.memo) - 1
    _note_owner(walk, value)
    plain = sys.modules["numpy"].asarray(value)
    shared = _shared(walk, *extent_of(plain), plain.strides, number)
    if type(value) is type(plain):
        return walk.group(b"A", shared, array_content(walk, plain))
    return walk.group(
        b"A", shared, array_content(walk, plain), kind_token(walk, type(value)), _subclass_state(walk, value)
    )


def _subclass_state(walk: Walk, value: Any) -> bytes:
    own: dict[str, object] = {
        name: part for name, part in getattr(value, "__dict__", {}).items() if name not in _OF_SUBCLASSES
    }
    token = walk.mapping(b"d", own, dotted=True)
    if not hasattr(value, "_fill_value"):
        return token
    # The fill value is made when first asked for, so it is nothing that others could hold before.
    return token + walk.token(value._mask) + walk.aside((value.fill_value, bool(value.hardmask)))


_OF_SUBCLASSES: Final = frozenset(
    {
        "_mask",
        "_fill_value",
        "_hardmask",
        "_sharedmask",
        "_isfield",
        "_basedict",
        "_baseclass",
        "_mmap",
    }
)


def array_content(walk: Walk, array: Any) -> bytes:
    """The token of an array's type, shape and elements, wherever they lie."""
    shape = b"".join(map(integer, array.shape))
    head = (_dtype(walk, array.dtype), integer(array.ndim), shape)
    return walk.group(b"C", *head, _elements(walk, array), _order(walk, array))


def _order(walk: Walk, array: Any) -> bytes:
    """In which order the axes lie in memory; nothing where it is C's."""
    if array.ndim < 2 or array.flags.c_contiguous:
        return b""
    axes = [at for at in range(array.ndim) if array.shape[at] > 1 and array.strides[at]]
    lying = sorted(axes, key=lambda at: -abs(array.strides[at]))
    return b"" if lying == axes or not array.size else walk.token(tuple(lying))


def _elements(walk: Walk, array: Any) -> bytes:
    dtype = array.dtype
    if dtype.names is not None:
        return b"".join(_elements(walk, array[name]) for name in dtype.names)
    if dtype.hasobject or dtype.kind == "T":
        return walk.sequence(b"l", array.ravel().tolist())
    if dtype.char in "gG" and dtype.alignment == 16:
        parts = array.ravel().view(dtype.char.lower()).view("u1").reshape(-1, 16)
        return walk.buffers(_chunks(parts[:, :_UNPADDED]))
    return walk.buffers(_chunks(array))


def _chunks(array: Any) -> Iterator[Any]:
    """An array's bytes in C order; what is not contiguous is copied a piece at a time."""
    if array.nbytes == 0:
        return
    if array.flags.c_contiguous:
        yield array.reshape(-1).view("u1")
        return
    rows = max(1, _CHUNK // (array.nbytes // len(array)))
    for start in range(0, len(array), rows):
        yield array[start : start + rows].copy(order="C").reshape(-1).view("u1")


def _dtype(walk: Walk, dtype: Any) -> bytes:
    if dtype.kind == "T":
        return text(str(dtype))
    if dtype.names is None and dtype.subdtype is None and dtype.metadata is None:
        return text(dtype.str)
    fields = ((name, *dtype.fields[name]) for name in dtype.names or ())
    parts = [
        text(name) + _dtype(walk, inner) + walk.token((offset, *title))
        for name, inner, offset, *title in fields
    ]
    if dtype.subdtype is not None:
        parts.append(_dtype(walk, dtype.base) + walk.token(dtype.shape))
    about = (dtype.str, dtype.itemsize, dtype.isalignedstruct, len(parts))
    metadata = None if dtype.metadata is None else dict(dtype.metadata)
    return walk.group(b"K", walk.token(about), *parts, walk.aside(metadata))


@encodes("numpy.dtype")
def _dtype_value(walk: Walk, value: Any) -> bytes:
    return walk.group(b"K", _dtype(walk, value))


@encodes("numpy.generic")
def _scalar(walk: Walk, value: Any) -> bytes:
    if value.dtype.char in "VgGO":
        if value.dtype.char == "V":  # a row of a structured array can be written to
            _note_owner(walk, value)
        return walk.group(b"G", array_content(walk, sys.modules["numpy"].asarray(value)))
    return walk.group(b"G", text(value.dtype.str), value.tobytes())


@encodes("numpy.ufunc")
def _ufunc(walk: Walk, value: Any) -> bytes:
    """A ufunc by its name, and one that `frompyfunc` made by the function that it calls."""
    called = [part for part in gc.get_referents(value) if callable(part)]
    about = (value.__name__, value.nin, value.nout, tuple(value.types))
    parts = (kind_token(walk, type(value)), walk.token(about))
    return walk.group(b"U", *parts, *map(walk.token, called))


# Memory ---------------------------------------------------------------------------------------


def _note_owner(walk: Walk, value: Any) -> None:
    """Add who owns the buffer to the memory, so that all views of it meet there."""
    owner = value
    while (below := _below(owner)) is not None:
        owner = below
    if not isinstance(owner, bytes):
        walk.memory.add(id(owner))
    if "torch" in sys.modules:
        walk.memory.add(_torch_address(owner))


def _below(owner: Any) -> Any:
    return owner.obj if type(cast("object", owner)) is memoryview else getattr(owner, "base", None)


def _torch_address(owner: Any) -> int:
    if hasattr(owner, "untyped_storage"):
        return int(owner.untyped_storage().data_ptr())
    return int(owner.__array_interface__["data"][0]) if hasattr(owner, "__array_interface__") else id(owner)


def extent_of(array: Any) -> tuple[int, int]:
    """The addresses between which an array's elements lie."""
    low = high = int(array.__array_interface__["data"][0])
    if not array.nbytes:
        return low, high
    if array.flags.c_contiguous:
        return low, low + int(array.nbytes)
    for length, stride in zip(array.shape, array.strides, strict=True):
        reach = (length - 1) * stride
        low, high = (low, high + reach) if reach >= 0 else (low + reach, high)
    return low, high + int(array.itemsize)


def _shared(walk: Walk, low: int, high: int, strides: tuple[int, ...], number: int) -> bytes:
    """What an array shares with those met before; nothing for an array alone."""
    if walk.arrays is None:
        walk.arrays = Regions()
    if low == high:
        return b"-"
    met = walk.arrays.touched(low, high)
    walk.arrays.claim(low, high, number)
    in_tables = [number for number, _ in walk.tables.touched(low, high)] if walk.tables else []
    return walk.token((tuple(met), tuple(in_tables), strides)) if met or in_tables else b"-"


# scipy and torch ------------------------------------------------------------------------------

_PARTS: Final = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "coo": ("data", "coords"),
    "dia": ("data", "offsets"),
}


@encodes("scipy.sparse._base._spbase", "scipy.sparse._base.spmatrix", "scipy.sparse.base.spmatrix")
def _sparse(walk: Walk, value: Any) -> bytes:
    names = _PARTS.get(value.format, ())
    if not names or not all(hasattr(value, name) for name in names):
        return mutable_object(walk, value)
    met = walk.enter(value)
    if met:
        return met
    parts = [walk.token(getattr(value, name)) for name in names]
    return walk.group(b"E", kind_token(walk, type(value)), walk.token(value.shape), *parts)


@encodes("torch.Tensor")
def _tensor(walk: Walk, value: Any) -> bytes:
    met = walk.enter(value)
    if met:
        return met
    number = len(walk.memo) - 1
    storage = value.untyped_storage()
    low, size = int(storage.data_ptr()), int(storage.nbytes())
    walk.memory.add(low)
    shared = _shared(walk, low, low + size, (value.storage_offset(), *value.stride()), number)
    plain = value.detach().cpu().resolve_conj().resolve_neg().contiguous()
    raw = plain.reshape(-1).view(sys.modules["torch"].uint8).numpy()
    kind = (str(value.dtype), str(value.device.type), bool(value.requires_grad), bool(value.is_leaf))
    about = (tuple(value.shape), *kind)
    walk.memory.update(map(id, _gradients_flow_to(value)))
    grad = walk.token(value.grad if value.is_leaf else None)
    return walk.group(
        b"X", kind_token(walk, type(value)), walk.token(about), shared, walk.buffers([raw]), grad
    )


def _gradients_flow_to(tensor: Any) -> Iterator[object]:
    """The tensors whose gradients a call of `backward` changes; a leaf has no others."""
    waiting: list[Any] = [] if tensor.is_leaf else [tensor.grad_fn]
    seen: dict[int, object] = {}
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen[id(node)] = node  # alive, so that its number stays its own
        if hasattr(node, "variable"):
            yield node.variable
        waiting.extend(each for each, _ in node.next_functions)
