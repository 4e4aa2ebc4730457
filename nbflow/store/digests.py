"""Digests of values: equal in every process for equal content, different for different content.

`digest` shows the digest of one value; `fingerprint` adds what the session must know of a live
value: which mutable memory it can reach, what its code may touch, and which code is in it.

Memory is told by identity tokens: two values share mutable memory if and only if their tokens
intersect. Numbers, strings, tuples of such, classes and what is installed have none, because
nothing can be changed through them that is not found in a part with a token of its own. The
notebook's functions and the user's own modules have one, for attributes set later. An array
has the token of whoever owns its buffer, so that views meet. Frames of pandas 3 and later have
one for the frame alone: their buffers are copied on write, so that two frames over one buffer do
not share it. All values without mutable memory have the same empty set.
"""

from __future__ import annotations

from marshal import dumps
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import msgspec
from xxhash import xxh3_128_hexdigest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from types import ModuleType

from nbflow.analysis.reach import attributes_of, is_local_module
from nbflow.exceptions import DigestError
from nbflow.store import arrays, codes, encoders, handles, tables
from nbflow.store.walks import (
    ENCODERS,
    MARSHAL_VERSION,
    NAMED,
    RULES,
    Encoder,
    Gathering,
    NoDigest,
    Walk,
    forget_choices,
    lasting,
    text,
)
from nbflow.types import (
    FLOW_CODE,
    NO_CODE,
    NO_NAMES,
    NO_REACH,
    NO_REACHES,
    TASK_CODE,
    TASK_VALUE,
    TASK_WIRED,
    TEXTS,
    Reach,
)

__all__ = [
    "Fingerprint",
    "NoDigestError",
    "digest",
    "fingerprint",
    "key_digest",
    "memory_of",
    "register_digest",
    "unit_digest",
]

NO_MEMORY: Final[frozenset[int]] = frozenset()
"""The memory of every value that has no mutable part."""

NO_CLASSES: Final[Mapping[int, type]] = {}

_ATOMS: Final = frozenset({int, float, str, bytes, bool, complex, type(None)})
_registered: dict[type | str, Encoder] = {}


class Fingerprint(msgspec.Struct, frozen=True):
    """What is known of a live value.

    Args:
        digest: The digest of its content, 32 hexadecimal characters.
        memory: Identity tokens of the mutable memory that it can reach; valid while it lives.
        reach: What code inside it may touch when somebody calls it.
        code: `module.QualName` of each function and class of the user's own inside it that
            this name leads to, with its own digest.
        classes: The user's own classes inside it by identity, instances' classes included.
    """

    digest: str
    memory: frozenset[int] = NO_MEMORY
    reach: Reach = NO_REACH
    code: Mapping[str, str] = {}
    classes: Mapping[int, type] = {}


class NoDigestError(DigestError):
    """A live value has no digest; what can be seen of it all the same.

    Args:
        message: What happened and what to do.
        path: Where in the value the part without digest is.
        memory: As in `Fingerprint`; the objects without digest are in it as well.
        reach: As in `Fingerprint`.
        classes: As in `Fingerprint`.

    Example:
        >>> shared = [1]
        >>> try:
        ...     fingerprint([shared, object()])
        ... except NoDigestError as error:
        ...     id(shared) in error.memory
        True
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "",
        memory: frozenset[int] = NO_MEMORY,
        reach: Reach = NO_REACH,
        classes: Mapping[int, type] = NO_CLASSES,
    ) -> None:
        super().__init__(message, path=path)
        self.memory = memory
        self.reach = reach
        self.classes = classes


def digest(value: object) -> str:
    """Return the digest of a value: 32 hexadecimal characters, equal in every process.

    Types count, the order of dicts counts, that of sets does not, sharing of mutable parts
    counts. Functions and classes of the user's own count by what they do, and are followed into
    the globals that they reach.

    Raises:
        DigestError: If a part has no content that could be compared; its `path` names the part.

    Example:
        >>> digest({"a": [1, 2]}) == digest({"a": [1, 2]})
        True
        >>> digest([1]) == digest([1.0])
        False
    """
    return _walked(Walk(), {"value": value})


def fingerprint(value: object, namespace: Mapping[str, object] | None = None) -> Fingerprint:
    """Return the digest of a value and what else must be known of a live one.

    Args:
        value: Any value.
        namespace: The notebook's names. Functions over them do not count by the values of
            their globals; the names are in `reach.reads` instead. Without it, these are followed.

    Raises:
        NoDigestError: If a part has no content that could be compared; its `path` names the part,
            its `memory` and `reach` are those of the whole value.

    Example:
        >>> fingerprint(1).memory == fingerprint("a").memory == frozenset()
        True
        >>> shared = [1]
        >>> fingerprint([shared]).memory & fingerprint(shared).memory == {id(shared)}
        True
    """
    if type(value) in _ATOMS:
        made = xxh3_128_hexdigest(ENCODERS[type(value)](_NOWHERE, value))
        return Fingerprint(made, NO_MEMORY, NO_REACH, NO_CODE, NO_CLASSES)
    try:
        return _fingerprint(value, namespace)
    except DigestError as error:
        raise _with_what_is_seen(error, [value], namespace) from error.__cause__


def digest_without(
    module: ModuleType, submodules: Iterable[ModuleType], namespace: Mapping[str, object] | None = None
) -> str:
    """Return the digest that a local module would have if nobody had imported these submodules.

    Raises:
        DigestError: If a part has no content that could be compared.
    """
    return _walked(Walk(namespace, dict.fromkeys(map(id, submodules), 0)), {"value": module})


def _fingerprint(value: object, namespace: Mapping[str, object] | None) -> Fingerprint:
    walk = Walk(namespace)
    walk.found, walk.root = {}, value
    made = _walked(walk, {"value": value})
    memory = lasting(walk, lambda: _walked_again(value, namespace)) if walk.memory else NO_MEMORY
    if isinstance(value, type) and id(value) in walk.classes:
        memory |= {id(value)}  # whoever has its name may set its attributes; instances are not told by it
    if not walk.calls:
        reach = Reach(paths=frozenset(walk.scans)) if walk.scans else NO_REACH
        return Fingerprint(made, memory, reach, NO_CODE, NO_CLASSES)
    code = {name: made if part is value else _alone(part, namespace) for name, part in walk.found.items()}
    parts, attributes = _parts(value, namespace)
    return Fingerprint(made, memory, _reach(walk, parts, attributes), code, walk.classes)


def _reach(walk: Walk, parts: Mapping[str, str], attributes: Mapping[str, Reach] = NO_REACHES) -> Reach:
    # Whoever reads the value of a task function gets a copy: nobody changes it.
    variables = frozenset(name for name in walk.reads if not name.endswith(TASK_VALUE))
    paths = frozenset(walk.paths | walk.scans)
    reads = walk.reads | _classes_by_name(walk)
    return Reach(reads, walk.writes, variables, True, parts, paths, walk.shows_texts, attributes)


def _classes_by_name(walk: Walk) -> frozenset[str]:
    """The names that the notebook's classes inside a value stand under.

    An attribute that is set on a class shows in all its instances, whoever made them when.
    """
    names = walk.namespace
    if names is None:
        return NO_NAMES
    module = names.get("__name__", "__main__")
    own = (cls for cls in walk.classes.values() if cls.__module__ == module)
    return frozenset(
        cls.__qualname__.partition(".")[0] for cls in own if codes.found_by_name(cls, names) is cls
    )


def _walked_again(value: object, namespace: Mapping[str, object] | None) -> Walk:
    again = Walk(namespace, blind=True)
    again.root = value
    _walked(again, {"value": value})
    return again


def _with_what_is_seen(
    error: DigestError, values: Collection[object], namespace: Mapping[str, object] | None
) -> NoDigestError:
    def gathered() -> Gathering:
        gathering = Gathering(namespace)
        gathering.gather(values)
        return gathering

    walk = gathered()
    reach = _reach(walk, {}) if walk.calls else NO_REACH
    memory = lasting(walk, gathered)
    return NoDigestError(str(error), path=error.path, memory=memory, reach=reach, classes=walk.classes)


def holds_code(value: object, namespace: Mapping[str, object] | None = None) -> bool:
    """Whether functions or classes of the user's own are somewhere in a value, as far as can be seen.

    Example:
        >>> holds_code([1]), holds_code([holds_code])
        (False, True)
    """
    try:
        seen: Fingerprint | NoDigestError = fingerprint(value, namespace)
    except NoDigestError as error:
        seen = error
    return bool(seen.classes or seen.reach.changes_arguments)


def memory_of(value: object) -> frozenset[int]:
    """Return the identity tokens of the mutable memory that a value can reach; see `Fingerprint`.

    Example:
        >>> shared = [1]
        >>> memory_of((shared, 2)) & memory_of([shared]) == {id(shared)}
        True
    """

    def gathered() -> Gathering:
        gathering = Gathering()
        gathering.gather([value])
        return gathering

    return lasting(gathered(), gathered)


def unit_digest(values: Mapping[str, object], namespace: Mapping[str, object] | None = None) -> str:
    """Return one digest of several named values, in which counts what memory they share.

    Args:
        values: The members of the unit by name; their order does not count.
        namespace: As for `fingerprint`.

    Raises:
        NoDigestError: As for `fingerprint`, with the memory and reach of all members together.

    Example:
        >>> one, other = [1], [1]
        >>> unit_digest({"a": one, "b": one}) == unit_digest({"a": one, "b": other})
        False
    """
    try:
        return _walked(Walk(namespace), {name: values[name] for name in sorted(values)}, named=True)
    except DigestError as error:
        raise _with_what_is_seen(error, values.values(), namespace) from error.__cause__


def key_digest(*parts: str | bytes | int | float | bool | None) -> str:
    """Return the digest of digests and strings that make up a key; types and order count.

    Raises:
        ValueError: If a part is none of the types above.

    Example:
        >>> key_digest("ab", "c") == key_digest("a", "bc")
        False
    """
    return xxh3_128_hexdigest(dumps(parts, MARSHAL_VERSION))


def register_digest(type_: type | str, fn: Callable[[Any], object]) -> None:
    """Say what the digest of a type's instances, subclasses included, is made of.

    Args:
        type_: The type, or `module.QualName` so that its library is not imported.
        fn: Turns an instance into a value that has a digest. The type counts as well.

    Example:
        >>> class Reading:
        ...     def __init__(self, value):
        ...         self.value, self.taken_at = value, object()
        >>> register_digest(Reading, lambda reading: reading.value)
        >>> digest(Reading(1)) == digest(Reading(1))
        True
    """

    def encode(walk: Walk, value: Any) -> bytes:
        return encoders.by_content(walk, value, fn)

    if isinstance(type_, str):
        NAMED[type_] = encode
    _registered[type_] = encode
    forget_choices()


_NOWHERE: Final = Walk()
_LIBRARIES: Final = (arrays, tables, handles)  # importing them is what makes their types known


def _by_registration(kind: type) -> Encoder | None:
    keys = (key for base in kind.__mro__ for key in (base, f"{base.__module__}.{base.__qualname__}"))
    return next((_registered[key] for key in keys if key in _registered), None)


def _walked(walk: Walk, values: Mapping[str, object], *, named: bool = False) -> str:
    root = ""
    parts: list[bytes] = []
    try:
        for root, value in values.items():
            if named:
                parts.append(text(root))
            parts.append(codes.refer(walk, value))
        return walk.finish(b"".join(parts))
    except NoDigest as error:
        raise _digest_error(error.path(root), error.reason) from error.__cause__
    except RecursionError:
        raise _digest_error(root, "it is nested too deeply") from None
    except Exception as error:
        raise _digest_error(root, f"{type(error).__name__}: {error}") from error


def _digest_error(path: str, reason: str) -> DigestError:
    advice = "Leave it out with --ignore, or say with nbflow.register_digest what it is made of."
    return DigestError(f"{path} has no digest: {reason}. {advice}", path=path)


def _alone(value: object, namespace: Mapping[str, object] | None) -> str:
    return _walked(Walk(namespace), {"value": value})


def _parts(
    value: Any, namespace: Mapping[str, object] | None
) -> tuple[Mapping[str, str], Mapping[str, Reach]]:
    """The parts of a value, and of a local module what its attributes may touch."""
    if is_local_module(value):
        return _module_parts(value, namespace)
    if handles.is_task(value):
        alone = _alone(value.fn, namespace)
        return {TASK_VALUE: value.key, TASK_CODE: alone, TASK_WIRED: " ".join(value.parameters)}, NO_REACHES
    if handles.is_flow(value):
        return {FLOW_CODE: _alone(value, namespace)}, NO_REACHES
    return _texts({"": value}, namespace) if isinstance(value, FunctionType) else {}, NO_REACHES


def _texts(values: Mapping[str, object], namespace: Mapping[str, object] | None) -> dict[str, str]:
    """The digest of what documents functions, where there is something."""
    functions = ((name, value) for name, value in values.items() if isinstance(value, FunctionType))
    about = {name: (each.__doc__, each.__annotations__) for name, each in functions}
    if not any(text or annotations for text, annotations in about.values()):
        return {}
    try:
        return {TEXTS: _alone(about, namespace)}
    except DigestError:
        return {}


def _module_parts(
    module: Any, namespace: Mapping[str, object] | None
) -> tuple[dict[str, str], dict[str, Reach]]:
    parts, reaches = _texts(attributes_of(module), namespace), dict[str, Reach]()
    for name, value in attributes_of(module).items():
        parts |= {f"{name}.{part}": text for part, text in _texts({"": value}, namespace).items()}
    for name, value in attributes_of(module).items():
        walk = Walk(namespace)
        try:
            parts[name] = _walked(walk, {"value": value})
        except DigestError:
            continue
        reach = _reach(walk.leave_modules(), {})
        if reach != _TOUCHES_NOTHING:
            reaches[name] = reach
    return parts, reaches


_TOUCHES_NOTHING: Final = Reach(changes_arguments=True)


RULES[:] = [
    _by_registration,
    encoders.by_hook,
    codes.by_code,
    encoders.by_name,
    encoders.by_nature,
    encoders.by_reduction,
]
