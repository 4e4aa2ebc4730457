"""Which earlier result of a task may be reused: Prefect 1's validators.

A validator is called with the state of an earlier run, the inputs and the parameters of the flow as they
are now, and says whether the result may be taken for the new run. Whether it has expired was asked before.
`state.cached_inputs` and `state.details["cached_parameters"]` are digests by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, cast

from nbflow.exceptions import DigestError
from nbflow.states import State
from nbflow.store.digests import digest

__all__ = [
    "CacheValidator",
    "Digested",
    "Validator",
    "all_inputs",
    "all_parameters",
    "duration_only",
    "never_use",
    "partial_inputs_only",
    "partial_parameters_only",
]

Validator = Callable[[State, Mapping[str, Any], Mapping[str, Any]], bool]
Digests = Mapping[str, str]

_NOTHING: Final[Digests] = {}


class Digested(dict[str, Any]):
    """Values by name that know their digests; each is made once.

    Example:
        >>> Digested(x=1).digests == {"x": digest(1)}
        True
    """

    @cached_property
    def digests(self) -> Digests:
        """The digest of each value; an empty one where a value has none."""
        return {name: _digest(value) for name, value in self.items()}


def _digest(value: object) -> str:
    try:
        return digest(value)
    except DigestError:
        return ""


def _digests(values: Mapping[str, Any]) -> Digests:
    return (values if isinstance(values, Digested) else Digested(values)).digests


@dataclass(frozen=True, slots=True)
class CacheValidator:
    """A validator that compares digests.

    Args:
        name: What it is called.
        compares: `inputs`, `parameters`, or nothing.
        only: The names that count; None: all of them.

    Example:
        >>> from nbflow.states import Cached
        >>> state = Cached(cached_inputs=Digested(x=1, y=2).digests)
        >>> all_inputs(state, {"x": 1, "y": 3}, {}), partial_inputs_only(["x"])(state, {"x": 1, "y": 3}, {})
        (False, True)
    """

    name: str
    compares: str = ""
    only: frozenset[str] | None = None

    def __call__(self, *given: Any, validate_on: Iterable[str] | None = None) -> Any:
        """Judge an earlier state; called with names instead, return the validator that compares these."""
        if not given or not isinstance(given[0], State):
            names = given[0] if given else validate_on
            return self.on(cast("Iterable[str] | str | None", names))
        one = self if validate_on is None else self.on(validate_on)
        return one.judge(*given)

    def on(self, names: Iterable[str] | str | None) -> CacheValidator:
        """The validator that compares these names only."""
        return replace(self, only=frozenset([names] if isinstance(names, str) else names or ()))

    def judge(self, state: State, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
        """Whether what counts is now as it was then; what has no digest never is."""
        then = self.counted(state.cached_inputs, state.details.get("cached_parameters", _NOTHING))
        now = self.counted(_digests(inputs), _digests(parameters))
        return now == then and all(now.values())

    def counted(self, inputs: Digests, parameters: Digests) -> dict[str, str]:
        """Those of these digests that are compared, by name."""
        given = {"inputs": inputs, "parameters": parameters}.get(self.compares, _NOTHING)
        return {name: given[name] for name in sorted(given) if self.only is None or name in self.only}

    def __repr__(self) -> str:
        return self.name if not self.only else f"{self.name}({sorted(self.only)})"


def never_use(state: State, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    """Reuse nothing."""
    return False


duration_only: Final = CacheValidator("duration_only")
"""Reuse whatever has not expired, made from any inputs."""
all_inputs: Final = CacheValidator("all_inputs", "inputs")
"""Reuse what was made from the same inputs."""
all_parameters: Final = CacheValidator("all_parameters", "parameters")
"""Reuse what was made under the same parameters of the flow."""
partial_inputs_only: Final = CacheValidator("partial_inputs_only", "inputs", frozenset())
"""`partial_inputs_only(["x"])`: reuse what was made from the same `x`; without names as `duration_only`."""
partial_parameters_only: Final = CacheValidator("partial_parameters_only", "parameters", frozenset())
"""`partial_parameters_only(["year"])`: the same for parameters of the flow."""
