"""The walk over a value that a digest is made of, and the table of what knows how to encode what.

Each part of a value becomes a *token*: bytes whose first byte tells the kind and from which the
length follows, so that no two different sequences of tokens read alike. Atoms are written out,
everything larger is hashed. A walk numbers each mutable object, and each function and class of
the user's own, when it first meets it; meeting it again yields its number. So sharing and cycles
count, and nothing depends on addresses. Immutable parts have no number: it makes no difference
whether equal strings or tuples are the same object.
"""

from __future__ import annotations

import gc
import struct
import weakref
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from itertools import chain
from marshal import dumps
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

from xxhash import xxh3_128_digest, xxh3_128_hexdigest

from nbflow.analysis.reach import Home, place_of
from nbflow.store.connections import is_connection
from nbflow.store.hashing import buffers_digest

if TYPE_CHECKING:
    from collections.abc import Iterable

Encoder = Callable[["Walk", Any], bytes]
"""Turns a value into its token."""

PLAIN: Final = frozenset({int, float, str, bytes, bool, complex, type(None)})
"""Types whose values `marshal` writes exactly, at once for a whole container of them."""

MARSHAL_VERSION: Final = 2
"""Later ones let interning and identity of equal strings show."""

ENCODERS: Final[dict[type, Encoder]] = {}
"""The encoder of each type met so far."""

NAMED: Final[dict[str, Encoder]] = {}
"""Encoders by `module.QualName`, so that no library is imported for being known."""

_number: Final = struct.Struct("<cQ").pack


class NoDigest(Exception):
    """A part has no digest; on its way up each container adds where the part is."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.parts: list[str] = []

    def below(self, part: str) -> None:
        """Add the place of the part in the container that is left."""
        self.parts.append(part)

    def path(self, root: str) -> str:
        """The whole way from the root, such as `value.model.rng`."""
        return root + "".join(reversed(self.parts))


def encodes(*names: str) -> Callable[[Encoder], Encoder]:
    """Register an encoder for the types of these full names and their subclasses."""

    def register(encoder: Encoder) -> Encoder:
        NAMED.update(dict.fromkeys(names, encoder))
        return encoder

    return register


def text(content: str) -> bytes:
    """The token of a string; lone surrogates are allowed, as Python allows them."""
    encoded = content.encode("utf-8", "surrogatepass")
    return _number(b"s", len(encoded)) + encoded if len(encoded) <= 64 else b"S" + xxh3_128_digest(encoded)


class Regions:
    """Ranges of memory that arrays of one walk lie in; overlapping ones are joined."""

    __slots__ = ("_highs", "_lows", "_numbers")

    def __init__(self) -> None:
        self._lows: list[int] = []
        self._highs: list[int] = []
        self._numbers: list[int] = []

    def touched(self, low: int, high: int) -> list[tuple[int, int]]:
        """The number of each known range that overlaps this one, and how far from its start."""
        first, last = self._span(low, high)
        return [(self._numbers[at], low - self._lows[at]) for at in range(first, last)]

    def claim(self, low: int, high: int, number: int) -> None:
        """Remember a range, joined with those it overlaps."""
        first, last = self._span(low, high)
        lows = [min([low, *self._lows[first:last]])]
        self._highs[first:last] = [max([high, *self._highs[first:last]])]
        self._lows[first:last] = lows
        self._numbers[first:last] = [number]

    def _span(self, low: int, high: int) -> tuple[int, int]:
        # The ranges are disjoint, so their ends are sorted as their starts are.
        return bisect_left(self._highs, low + 1), bisect_left(self._lows, high)


class Walk:
    """One walk over one value, or over several that may share memory.

    Args:
        namespace: The notebook's names; functions over them are not followed into them.
        enclosing: The sets whose elements are being put in order, by `id`.
        blind: Whether buffers are passed over: for a walk that only gathers memory.
    """

    __slots__ = (
        "arrays",
        "blind",
        "calls",
        "classes",
        "copies",
        "enclosing",
        "found",
        "inner",
        "is_apart",
        "kept",
        "members",
        "memo",
        "memory",
        "namespace",
        "own_paths",
        "paths",
        "pending",
        "reads",
        "root",
        "scans",
        "shows_texts",
        "tables",
        "tokens",
        "writes",
    )

    def __init__(
        self,
        namespace: Mapping[str, object] | None = None,
        enclosing: Mapping[int, int] | None = None,
        *,
        blind: bool = False,
    ) -> None:
        self.namespace = namespace
        self.enclosing: Mapping[int, int] = enclosing or {}
        self.blind = blind
        self.memo: dict[int, int] = {}
        self.memory: set[int] = set()
        self.tokens: dict[int, bytes] = {}
        # An id means nothing once its object is gone, so whatever is remembered is kept alive.
        self.kept: list[object] = []
        self.pending: list[tuple[Any, Encoder]] = []
        self.found: dict[str, object] | None = None
        self.root: Any = None
        self.is_apart = False
        self.members: set[int] | None = None
        self.inner: set[int] | None = None
        self.arrays: Regions | None = None
        self.tables: Regions | None = None
        self.reads: frozenset[str] = frozenset()
        self.writes: frozenset[str] = frozenset()
        self.shows_texts = False
        self.paths: set[str] = set()
        self.own_paths: set[str] = set()
        self.scans: set[str] = set()
        self.classes: dict[int, type] = {}
        self.calls = False
        self.copies = False

    def token(self, value: object) -> bytes:
        """The token of any value.

        Raises:
            NoDigest: If it has none.
        """
        encoder = ENCODERS.get(type(value)) or encoder_of(type(value))
        return encoder(self, value)

    def enter(self, value: object) -> bytes | None:
        """Number a mutable object; return its token if it was met before."""
        key = id(value)
        number = self.memo.get(key)
        self.memory.add(key)
        if number is not None:
            return _number(b"@", number)
        self.memo[key] = len(self.memo)
        self.kept.append(value)
        return None

    def later(self, value: object, content: Encoder) -> bytes:
        """The token of code: its number; the content is encoded after all else, so depth is no matter."""
        key = id(value)
        number = self.memo.get(key)
        if number is None:
            number = self.memo[key] = len(self.memo)
            self.kept.append(value)
            self.pending.append((value, partial(Walk.apart, content=content) if self.is_apart else content))
        return _number(b"#", number)

    def finish(self, root: bytes) -> str:
        """The digest of all that was walked, given the token of the root."""
        if not self.pending:
            return xxh3_128_hexdigest(root)
        parts = [root]
        for value, content in self.pending:  # it grows meanwhile
            try:
                parts.append(content(self, value))
            except NoDigest as error:
                error.below(f".{getattr(value, '__qualname__', None) or value.__name__}")
                raise
        return xxh3_128_hexdigest(b"".join(parts))

    def sequence(self, tag: bytes, values: list[Any] | tuple[Any, ...]) -> bytes:
        """The token of an ordered collection's content; the collection itself gets no number."""
        plain = is_plain(values) or (
            all(type(row) is tuple for row in values) and is_plain(chain.from_iterable(values))
        )
        if plain and (written := marshalled(values)):
            return tag + b"=" + xxh3_128_digest(written)
        parts: list[bytes] = [_number(tag, len(values))]
        for at, part in enumerate(values):
            try:
                parts.append(self.token(part))
            except NoDigest as error:
                error.below(f"[{at}]")
                raise
        return tag + b":" + xxh3_128_digest(b"".join(parts))

    def mapping(self, tag: bytes, values: dict[Any, Any], *, dotted: bool = False) -> bytes:
        """The token of an ordered mapping's content; `dotted` if its keys are attributes."""
        if is_plain(values) and is_plain(values.values()) and (written := marshalled(values)):
            return tag + b"=" + xxh3_128_digest(written)
        parts: list[bytes] = [_number(tag, len(values))]
        for key, part in tuple(values.items()):
            try:
                parts += (self.token(key), self.token(part))
            except NoDigest as error:
                error.below(f".{key}" if dotted else f"[{_short(key)}]")
                raise
        return tag + b":" + xxh3_128_digest(b"".join(parts))

    def unordered(self, tag: bytes, values: Collection[Any]) -> bytes:
        """The token of a set's content."""
        kinds = set(map(type, values))
        if kinds <= {int} or kinds == {str} or kinds == {bytes}:
            written = marshalled(sorted(values))
            if written:
                return tag + b"=" + xxh3_128_digest(written)
        enclosing = {**self.enclosing, id(values): len(self.enclosing)}
        alone: list[tuple[bytes, Any]] = []
        rest: list[tuple[str, Any]] = []
        for part in values:
            walk = Walk(self.namespace, enclosing, blind=self.blind)
            token = walk.token(part)
            if walk.memo:
                rest.append((walk.finish(token), part))
            else:
                alone.append((token, part))
                self.memory |= walk.memory
                self.calls |= walk.calls
        # Numbers depend on the order, so elements with numbered parts are ordered by what they are alone.
        parts = [token for token, _ in sorted(alone, key=_first)]
        parts += [self.token(part) for _, part in sorted(rest, key=_first)]
        return tag + b":" + xxh3_128_digest(_number(tag, len(parts)) + b"".join(parts))

    def group(self, tag: bytes, *parts: bytes) -> bytes:
        """The token of tokens that belong together."""
        return tag + xxh3_128_digest(b"".join(parts))

    def tolerant(self, value: object) -> bytes:
        """The token of a part that counts only if it has a digest; its memory counts anyway."""
        numbered, waiting = len(self.memo), len(self.pending)
        try:
            return self.token(value)
        except NoDigest:
            # What was met on the way has not entered the digest: meeting it again must write it out.
            while len(self.memo) > numbered:
                self.memo.popitem()
            del self.pending[waiting:]
            self.gathered(value)
            return b"?"

    def gathered(self, value: object) -> None:
        """Add the memory of a value that has no digest."""
        gathering = Gathering(self.namespace, self.enclosing)
        gathering.gather([value])
        self.join(gathering)

    def join(self, other: Walk) -> None:
        """Add what another walk has met: memory, classes, and what the code in it may touch."""
        self.memory |= other.memory
        self.copies |= other.copies
        self.classes |= other.classes
        self.calls |= other.calls
        self.reads |= other.reads
        self.writes |= other.writes
        self.shows_texts |= other.shows_texts
        self.paths |= other.paths
        self.own_paths |= other.own_paths
        self.scans |= other.scans
        self.kept.append(other.kept)

    def leave_modules(self) -> Walk:
        """Keep of the paths those in functions of the notebook: who uses a module may use little of it."""
        self.paths = self.own_paths
        return self

    def aside(self, value: object) -> bytes:
        """The token of something whose memory nobody changes by hand, like a class's annotations."""
        kept, self.memory = (self.memory, self.copies), set()
        try:
            return self.token(value)
        finally:
            self.memory, self.copies = kept

    def apart(self, value: object, content: Encoder) -> bytes:
        """Encode code that has memory of its own, none of what is walked, nor is what it leads to."""
        kept, self.memory, self.is_apart = (self.memory, self.copies, self.is_apart), set(), True
        try:
            return content(self, value)
        finally:
            self.memory, self.copies, self.is_apart = kept

    def buffers(self, parts: Iterable[Any]) -> bytes:
        """The digest of contiguous buffers one after another; where they are cut does not count."""
        return b"" if self.blind else buffers_digest(parts)


class Gathering(Walk):
    """A walk that only asks what memory and names can be reached, and that nothing stops.

    It makes no digest. A part is put in a queue where a walk would descend into it, so depth is
    no matter, and what has no digest is passed over after a look at what it refers to.
    """

    __slots__ = ("_seen", "_waiting")

    def __init__(
        self, namespace: Mapping[str, object] | None = None, enclosing: Mapping[int, int] | None = None
    ) -> None:
        super().__init__(namespace, enclosing, blind=True)
        self._seen: set[int] = set()
        self._waiting: list[Any] = []

    def gather(self, values: Iterable[object]) -> None:
        """Walk over all that these values lead to."""
        for value in values:
            self._put(value)
        while self._waiting or self.pending:
            value, encode = self.pending.pop() if self.pending else (self._waiting.pop(), Walk.token)
            try:
                encode(self, value)
            except Exception:  # noqa: BLE001 - whatever a value raises, the rest is still to be seen
                self._look_inside(value)

    def token(self, value: object) -> bytes:
        """Put a part in the queue."""
        # Every thread leads to the shell, by the hook that tells of errors, and the shell to all names.
        if not _is_of_shell(type(value)):
            self._put(value)
        return b"?"

    def _put(self, value: object) -> None:
        if type(value) not in PLAIN and id(value) not in self._seen:
            self._seen.add(id(value))
            self.kept.append(value)
            self._waiting.append(value)

    def unordered(self, tag: bytes, values: Collection[Any]) -> bytes:
        """Put the elements in the queue; their order is no matter."""
        for part in values:
            self.token(part)
        return tag

    def apart(self, value: object, content: Encoder) -> bytes:
        """Put its parts in the queue as any others."""
        return content(self, value)

    def aside(self, value: object) -> bytes:
        """Pass over what is no memory."""
        return b"?"

    def _look_inside(self, value: Any) -> None:
        if is_connection(value):
            return  # cursors, and many others, hold one, and what changes behind it is no memory
        kind = cast("type[object]", type(value))
        if not issubclass(kind, type):  # a class is memory under its own names alone
            self.memory.add(id(value))
        if place_of(str(kind.__module__)).home is Home.LOCAL:
            self.token(kind)
        parts = gc.get_referents(value)
        with suppress(Exception):  # what raises whatever it is asked has parts all the same
            parts.append(value.__dict__)
        if issubclass(kind, weakref.ref):
            parts.append(cast("object", value()))
        for part in parts:
            if not issubclass(type(part), type | ModuleType) and not self._is_namespace(part):
                self.token(part)

    def _is_namespace(self, part: object) -> bool:
        return part is self.namespace or (type(part) is dict and "__builtins__" in part)


@lru_cache(maxsize=4096)
def _is_of_shell(kind: type[object]) -> bool:
    """Whether values of this type are what a notebook runs in: a shell, its kernel, or that one's program."""
    bases = ((base.__module__, base.__name__) for base in kind.__mro__)
    return ("traitlets.config.configurable", "SingletonConfigurable") in bases


def lasting(walk: Walk, again: Callable[[], Walk]) -> frozenset[int]:
    """What remains of the memory if the values are walked again.

    Classes that say themselves how they are pickled may hand out new objects each time. Those of
    the first walk are still alive, so the new ones lie elsewhere, and only real parts remain.
    """
    return frozenset(walk.memory & again().memory if walk.copies else walk.memory)


def is_plain(values: Iterable[Any]) -> bool:
    """Whether all values are atoms of exact builtin types."""
    return PLAIN.issuperset(map(type, values))


def marshalled(values: Any) -> bytes:
    """A container of plain values as bytes; empty if it is too large for that."""
    try:
        return dumps(values, MARSHAL_VERSION)
    except ValueError:
        return b""


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _short(key: object) -> str:
    shown = repr(key) if type(key) in PLAIN else f"<{type(key).__qualname__}>"
    return shown if len(shown) <= 40 else shown[:37] + "..."


# Which encoder a type has ---------------------------------------------------------------------

RULES: Final[list[Callable[[type], Encoder | None]]] = []
"""Ways to choose the encoder of a type; the first that knows one wins, the last knows one for all."""

_BUILTIN: Final[set[type]] = set()
_MOST: Final = 4096


def encoder_of(kind: type) -> Encoder:
    """Choose the encoder of a type, once."""
    if len(ENCODERS) >= _MOST:
        forget_choices()
    encoder = ENCODERS[kind] = next(filter(None, (choose(kind) for choose in RULES)))
    return encoder


def forget_choices() -> None:
    """Choose anew for all but the builtin types: a registration may decide otherwise."""
    for known in [known for known in ENCODERS if known not in _BUILTIN]:
        del ENCODERS[known]


def builtin(kind: type, encoder: Encoder) -> None:
    """Set the encoder of a type for good."""
    ENCODERS[kind] = encoder
    _BUILTIN.add(kind)


def full_names(kind: type) -> list[str]:
    """`module.QualName` of a type and its bases, nearest first."""
    return [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]
