"""What is kept of a run that did not complete: its inputs, and where its LOOP stood.

Retrying, resuming and opening a failed run start from that, also in a later kernel, and without running what
came before it again.
"""

from __future__ import annotations

import sys
from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.exceptions import DigestError
from nbflow.running.caching import STORE_LOCK
from nbflow.running.loops import last_loop
from nbflow.secrets import looks_secret
from nbflow.states import Pending, State, state_of
from nbflow.store.digests import digest
from nbflow.store.protocol import Missing
from nbflow.store.walks import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.running.records import Records
    from nbflow.store.protocol import Store

_NOTHING: Final[Mapping[str, str]] = {}
LARGEST: Final = 2**30
"""Inputs of more bytes than this are not stored for the sake of a failure."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What another run goes on from.

    Args:
        state: The last state of the run; Pending where nobody knows of it.
        inputs: Parameter to argument, private copies.
        missing: Parameter to the reason why its argument cannot be had.
        versions: Parameter to version, as in `state.cached_inputs`.
        attempt: The number of the last attempt.
        loop: The iteration of LOOP to go on with.
        loop_result: What that iteration starts from.
    """

    state: State
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    attempt: int = 1
    loop: int = 1
    loop_result: Any = None


def kept_of(run: str, records: Records) -> Kept:
    """What is kept of a run.

    Args:
        run: Its identifier.
        records: Where it is kept.

    Example:
        >>> from nbflow.running.records import records_in
        >>> from nbflow.store.memory import MemoryStore
        >>> kept_of("a1", records_in(MemoryStore())).state
        Pending()
    """
    transitions = records.history.transitions(run)
    if not transitions or records.store is None:
        return Kept(Pending())
    past = [state_of(each) for each in transitions]
    versions = next((state.cached_inputs for state in reversed(past) if state.cached_inputs), _NOTHING)
    with STORE_LOCK:
        inputs, missing = _loaded(records.store, versions)
        left = last_loop(records.store, run)
    last, attempt = past[-1], transitions[-1].attempt
    if left is None:
        return Kept(last, inputs, missing, versions, attempt)
    return Kept(last, inputs, missing, versions, attempt, left.loop, left.result)


def _loaded(store: Store, versions: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    inputs: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name, version in versions.items():
        try:
            inputs[name] = store.load(version)[0]
        except Missing as error:
            missing[name] = error.reason
    return inputs, missing


def copies_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of the inputs that a body may change in place, as far as copying costs next to nothing.

    Example:
        >>> copies_of({"rows": [1, 2], "x": 1, "nested": [[1]]})
        {'rows': [1, 2]}
    """
    return {name: copy(value) for name, value in inputs.items() if _is_soon_copied(value)}


_COPIED: Final[frozenset[type]] = frozenset({list, dict, set, bytearray})
_SMALL: Final = 256


def _is_soon_copied(value: Any) -> bool:
    kind: type = value.__class__
    if kind not in _COPIED or len(value) > _SMALL:
        return False
    return is_plain(value.values() if kind is dict else value)


def keep_inputs(
    store: Store, inputs: Mapping[str, Any], known: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, str]:
    """Store the inputs of a run that did not complete; return parameter to version.

    Secrets are left out, as is what has no digest, cannot be stored, is very large, or was changed by the
    body: what would be stored then is not what the run started from.

    Args:
        store: Where.
        inputs: Parameter to argument.
        known: The versions of those that are stored already.
        before: The digests that inputs had before the body ran, where they were made.
    """
    versions: dict[str, str] = {}
    for name, value in inputs.items():
        if looks_secret(name):
            continue
        version = known.get(name) or _stored(store, value, before.get(name))
        if version:
            versions[name] = version
    return versions


def _stored(store: Store, value: object, before: str | None) -> str:
    try:
        if _size(value) > LARGEST:
            return ""
        version = digest(value)
    except DigestError:
        return ""
    if before is not None and version != before:
        return ""
    with STORE_LOCK:
        return "" if store.put(version, (value,)) else version


def _size(value: Any) -> int:
    """About how many bytes a value takes."""
    size: object = getattr(value, "nbytes", 0)
    return max(sys.getsizeof(value), size if isinstance(size, int) else 0)
