"""Cache policies: what must be equal for a result to be reused.

A policy is a set of parts, composed with `+`; `INPUTS - "client"` leaves an argument out. A key is
a tuple of (part, digest); nothing is hashed here. Parts that do not name the code are completed by
the identity of the task, so that two different tasks never share a result by accident.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbflow.exceptions import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class KeyParts:
    """The digests that a key can be made of; an empty one is not known.

    Args:
        task: Identity of the task.
        source: Digest of the code that the task reaches.
        inputs: Argument to the digest of its value.
        parameters: Parameter of the flow to the digest of its value.
        run: Identifier of the flow run; empty outside of one.
    """

    task: str = ""
    source: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])
    run: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class CachePolicy:
    """What must be equal for a result to be reused.

    Args:
        parts: Names of the parts: `INPUTS`, `TASK_SOURCE`, `RUN_ID`, `FLOW_PARAMETERS`.
        without: Arguments that do not count.

    Example:
        >>> INPUTS + TASK_SOURCE - "client"
        INPUTS + TASK_SOURCE - 'client'
        >>> (INPUTS - "client").key(KeyParts(task="load", inputs={"client": "c1", "year": "d2"}))
        (('task', 'load'), ('inputs.year', 'd2'))
    """

    parts: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()

    def __add__(self, other: CachePolicy | None) -> CachePolicy:
        if other is None:
            return self
        if not isinstance(other, CachePolicy):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code
            return NotImplemented
        return CachePolicy(self.parts | other.parts, self.without | other.without)

    __radd__ = __add__

    def __sub__(self, argument: str | Iterable[str]) -> CachePolicy:
        names = [argument] if isinstance(argument, str) else argument
        if not isinstance(names, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # user code
            return NotImplemented
        return CachePolicy(self.parts, self.without | frozenset(names))

    def key(self, parts: KeyParts) -> Key | None:
        """Return what must be equal, as (part, digest), in a fixed order; None: not cached.

        None is also the answer where a part of the policy is not known: no digest for an input or
        for the code, no flow run for `RUN_ID`; and where nothing is left to compare.
        """
        found: list[tuple[str, str]] = []
        for name in _ORDER:
            if name in self.parts:
                digests = list(_PARTS[name](self, parts))
                # What is not known is never equal: no key is better than one that hides a change.
                if not all(digest for _, digest in digests):
                    return None
                found += digests
        if not found:
            return None
        owner = () if "TASK_SOURCE" in self.parts else (("task", parts.task),)
        return (*owner, *found)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __repr__(self) -> str:
        text = " + ".join(name for name in _ORDER if name in self.parts) or "NO_CACHE"
        return text + "".join(f" - {name!r}" for name in sorted(self.without))


def _inputs(policy: CachePolicy, parts: KeyParts) -> Iterator[tuple[str, str]]:
    for name in sorted(parts.inputs):
        if name not in policy.without:
            yield f"inputs.{name}", parts.inputs[name]


def _source(_: CachePolicy, parts: KeyParts) -> Iterator[tuple[str, str]]:
    yield "source", parts.source


def _run(_: CachePolicy, parts: KeyParts) -> Iterator[tuple[str, str]]:
    yield "run", parts.run


def _parameters(policy: CachePolicy, parts: KeyParts) -> Iterator[tuple[str, str]]:
    for name in sorted(parts.parameters):
        if name not in policy.without:
            yield f"parameters.{name}", parts.parameters[name]


_PARTS: Final[Mapping[str, Callable[[CachePolicy, KeyParts], Iterator[tuple[str, str]]]]] = {
    "INPUTS": _inputs,
    "TASK_SOURCE": _source,
    "RUN_ID": _run,
    "FLOW_PARAMETERS": _parameters,
}
_ORDER: Final = tuple(_PARTS)

INPUTS: Final = CachePolicy(frozenset({"INPUTS"}))
"""The values of the task's arguments."""
TASK_SOURCE: Final = CachePolicy(frozenset({"TASK_SOURCE"}))
"""All code that the task reaches: its own, helpers, classes, modules, globals by value."""
RUN_ID: Final = CachePolicy(frozenset({"RUN_ID"}))
"""The flow run: a result is reused only within it."""
FLOW_PARAMETERS: Final = CachePolicy(frozenset({"FLOW_PARAMETERS"}))
"""The values of all parameters of the flow."""
NO_CACHE: Final = CachePolicy()
"""Never reuse; added to another policy it changes nothing."""
DEFAULT: Final = INPUTS + TASK_SOURCE
"""Equal inputs and equal code."""

POLICIES: Final[Mapping[str, CachePolicy]] = {
    "INPUTS": INPUTS,
    "TASK_SOURCE": TASK_SOURCE,
    "RUN_ID": RUN_ID,
    "FLOW_PARAMETERS": FLOW_PARAMETERS,
    "NO_CACHE": NO_CACHE,
    "DEFAULT": DEFAULT,
}
"""The policies by name."""


def parse_policy(text: str) -> CachePolicy:
    """Return the policy written as `INPUTS + TASK_SOURCE - "client"`.

    Raises:
        OptionError: If it names an unknown policy or is written differently.

    Example:
        >>> parse_policy("DEFAULT - 'client'")
        INPUTS + TASK_SOURCE - 'client'
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError:
        raise _not_a_policy(text) from None
    policy = NO_CACHE
    steps: list[tuple[type[ast.operator], ast.expr]] = []
    while isinstance(node, ast.BinOp):
        steps.append((type(node.op), node.right))
        node = node.left
    for operator, operand in [(ast.Add, node), *reversed(steps)]:
        policy = _composed(policy, operator, operand, text)
    return policy


def _composed(policy: CachePolicy, operator: type[ast.operator], operand: ast.expr, text: str) -> CachePolicy:
    if operator is ast.Add and isinstance(operand, ast.Name):
        if operand.id not in POLICIES:
            raise OptionError.unknown("cache policy", operand.id, POLICIES)
        return policy + POLICIES[operand.id]
    if operator is ast.Sub and isinstance(operand, ast.Constant) and isinstance(operand.value, str):
        return policy - operand.value
    raise _not_a_policy(text)


def _not_a_policy(text: str) -> OptionError:
    return OptionError(f"{text!r} is no cache policy; write for example INPUTS + TASK_SOURCE - 'client'")
