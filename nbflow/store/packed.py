"""Small values as they lie in records: their bytes, in one piece with what refers to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from nbflow.store.columns import Span  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.store.formats import Payload

SMALL: Final = 32 * 1024
"""Values of less than this many bytes together lie in the record of their result, and are always stored."""


class Packed(msgspec.Struct, array_like=True, frozen=True):
    """A small payload with its buffers, as it lies in a record."""

    pickled: bytes
    spans: tuple[Span, ...]
    regions: tuple[bytes, ...]
    packages: dict[str, str]


def pack(payload: Payload) -> Packed:
    """Return a payload with a copy of its buffers."""
    regions = tuple(map(bytes, payload.regions))
    return Packed(payload.pickled, payload.spans, regions, dict(payload.packages))


def unpacked_regions(packed: Packed) -> list[memoryview]:
    """Return private, writable copies of a small payload's buffers."""
    return [memoryview(bytearray(region)) for region in packed.regions]


def small_of(payloads: Mapping[str, Payload]) -> dict[str, Payload]:
    """Return the payloads that together are small, the smallest first."""
    small: dict[str, Payload] = {}
    total = 0
    for size, unit in sorted([(payload.size, unit) for unit, payload in payloads.items()]):
        total += size
        if total >= SMALL:
            break
        small[unit] = payloads[unit]
    return small
