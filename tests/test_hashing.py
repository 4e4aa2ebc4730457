"""Digests of large memory."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from xxhash import xxh3_128_digest

from nbflow.store.hashing import BLOCK, buffers_digest

SMALL = 16

FORKING = """
import os
from nbflow.store.hashing import BLOCK, buffers_digest

data = bytes(3 * BLOCK)
print(buffers_digest([data]).hex(), flush=True)
if not os.fork():
    print(buffers_digest([data]).hex(), flush=True)
    os._exit(0)
os.wait()
"""


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


class TestBlocks:
    """Memory in blocks."""

    @given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
    def test_where_memory_is_cut_does_not_count(self, data: bytes, places: list[int]) -> None:
        """Pieces have the digest of the whole."""
        assert buffers_digest(cut(data, places), SMALL) == buffers_digest([data], SMALL)

    @given(st.binary(min_size=1, max_size=200), st.data())
    def test_each_byte_counts(self, data: bytes, draw: st.DataObject) -> None:
        """Another byte anywhere makes another digest."""
        at = draw.draw(st.integers(0, len(data) - 1))
        other = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert buffers_digest([other], SMALL) != buffers_digest([data], SMALL)

    @given(st.binary(max_size=SMALL))
    def test_one_block_is_hashed_as_it_is(self, data: bytes) -> None:
        """Small memory costs nothing more."""
        assert buffers_digest([data], SMALL) == xxh3_128_digest(data)

    def test_the_order_and_number_of_blocks_count(self) -> None:
        """Equal blocks in another order, or one more, are other memory."""
        first, second = bytes(SMALL), bytes([1]) * SMALL
        made = [[first, second], [second, first], [first, first], [first, first, first], [first]]
        assert len({buffers_digest(parts, SMALL) for parts in made}) == len(made)

    def test_blocks_are_told_from_memory_that_holds_their_digests(self) -> None:
        """What is made of digests of blocks has a seed of its own."""
        blocks = [bytes(SMALL), bytes([1]) * SMALL]
        assert buffers_digest(blocks, SMALL) != xxh3_128_digest(b"".join(map(xxh3_128_digest, blocks)))


class TestLarge:
    """Memory of several real blocks."""

    def test_views_and_copies_are_equal(self) -> None:
        """Whatever gives the memory."""
        array = np.arange(BLOCK // 4, dtype="f8")
        digest = buffers_digest([array])
        assert digest == buffers_digest([array.tobytes()]) == buffers_digest([array.data])
        array[-1] += 1
        assert digest != buffers_digest([array])

    @pytest.mark.process
    def test_a_forked_process_makes_the_same(self) -> None:
        """Threads do not outlive a fork; a child starts its own."""
        ended = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, check=True)
        here, there = ended.stdout.split()
        assert here == there
