"""Keys of calls: what must be equal for the result of an earlier call to be the result of this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from nbflow.cache_policies import DEFAULT, RUN_ID, CachePolicy, KeyParts
from nbflow.engine.cache_validators import CacheValidator, Digested, Validator, duration_only, never_use
from nbflow.engine.signals import FAIL
from nbflow.exceptions import CacheError
from nbflow.running.identity import code_digest, code_of, identity_of, named_arguments, takes
from nbflow.secrets import looks_secret
from nbflow.store.digests import key_digest, memory_of, unit_digest
from nbflow.store.signing import user_key
from nbflow.store.walks import PLAIN

if TYPE_CHECKING:
    from nbflow.options import TaskOptions
    from nbflow.running.runs import Run

KeyFunction = Callable[["KeyContext", dict[str, Any]], object]

_NO_DIGESTS: Final[Mapping[str, str]] = {}
_WITHIN_RUN: Final = DEFAULT + RUN_ID


@dataclass(frozen=True, slots=True)
class Rules:
    """How the results of a task are reused.

    Args:
        policy: What must be equal; None where one of the others decides.
        key_function: Gives the key.
        validator: Chooses among results.
        lasts: Seconds after which a result is not reused; None: it always is.
    """

    policy: CachePolicy | None = None
    key_function: KeyFunction | None = None
    validator: Validator | None = None
    lasts: float | None = None


def rules_of(options: TaskOptions, persists: bool | None = None) -> Rules | None:
    """How a task with these options is cached; None where it is not.

    Args:
        options: The options of the task.
        persists: Whether its flow wants results to be stored, where the task says nothing of that.

    Example:
        >>> from nbflow.options import TaskOptions, take_options
        >>> rules_of(TaskOptions()), rules_of(take_options({"persist_result": True})).policy
        (None, INPUTS + TASK_SOURCE + RUN_ID)
    """
    policy, validator, function = options.cache_policy, options.cache_validator, options.cache_key_fn
    expiration, age = options.cache_expiration, options.cache_for
    persists = persists if options.persist_result is None else options.persist_result
    if persists is False or persists is policy is validator is function is expiration is age is None:
        return None
    lasts = min((limit for limit in (expiration, age) if limit is not None), default=None)
    if function is not None:
        return Rules(key_function=function, lasts=lasts)
    if validator is never_use or policy == CachePolicy():
        return None
    if policy is None and (validator is not None or age is not None):
        return Rules(validator=validator or duration_only, lasts=lasts)
    # That a result is stored says nothing yet about later runs.
    wanted = policy or (_WITHIN_RUN if expiration is None else DEFAULT)
    return Rules(wanted - options.ignore, None, validator, lasts)


@dataclass(frozen=True, slots=True)
class KeyContext:
    """What a `cache_key_fn` is told of the run, beside the arguments.

    Args:
        task: The task.
        task_run: Its run.
        parameters: The arguments by name, defaults included.
    """

    task: Any
    task_run: Run
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallKey:
    """What is known of a call before its body runs.

    Args:
        keys: Under what its result is kept; the first says most.
        inputs: The arguments by name.
        parameters: Those of the flow.
        source: The digest of the code; empty where it does not count.
        is_shared: Whether the last of the keys is that of calls with other inputs as well.
        unequal: What a reuse does not compare, for people.
    """

    keys: tuple[str, ...]
    inputs: Digested
    parameters: Digested
    source: str = ""
    unequal: str = ""
    is_shared: bool = False


def task_input_hash(context: KeyContext, arguments: Mapping[str, Any]) -> str | None:
    """A `cache_key_fn` as Prefect 2 had it: the task, its code, and its inputs.

    Args:
        context: What is known of the run.
        arguments: The arguments by name.

    Raises:
        CacheError: If something of it cannot be compared.
    """
    asked = _Asked(context.task_run, _digested(arguments), Digested())
    made = asked.by_policy(DEFAULT)
    return key_digest(identity_of(context.task), *made.keys) if made is not None else None


def key_of_call(
    run: Run,
    rules: Rules,
    arguments: Mapping[str, Any],
    parameters: Mapping[str, Any],
    notebook: str = "",
) -> CallKey | None:
    """The key of a call; None where its result is neither looked up nor kept.

    Args:
        run: The run.
        rules: How its task is cached.
        arguments: Parameter to argument.
        parameters: Those of the flow.
        notebook: Identifier of the notebook.

    Raises:
        FAIL: If `cache_key_fn` returns something that is no text.
        CacheError: If something that counts cannot be compared; the run goes on uncached.
    """
    asked = _Asked(run, _digested(named_arguments(run.of, arguments)), _digested(parameters), notebook)
    if rules.key_function is not None:
        return asked.by_function(rules.key_function)
    if rules.policy is not None:
        return asked.by_policy(rules.policy)
    return asked.by_validator(rules.validator)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A call whose key is wanted."""

    run: Run
    inputs: Digested
    parameters: Digested
    notebook: str = ""

    def by_function(self, function: KeyFunction) -> CallKey | None:
        """The key that the user's function gives; it says all, whichever task asks."""
        of = self.run.of
        key = function(KeyContext(of, self.run, self.inputs), dict(self.inputs))
        if key is None:
            return None
        if not isinstance(key, str):
            text = f"cache_key_fn of {of.name!r} returned {key!r}; it must return a text, or None"
            raise FAIL(text, result=TypeError(text))
        keys = (key_digest("cache_key_fn", key),)
        return CallKey(keys, self.inputs, self.parameters, unequal=f"nothing but the key {key!r} compared")

    def by_policy(self, policy: CachePolicy) -> CallKey | None:
        """The key that a policy makes of what is known."""
        of, parts = self.run.of, policy.parts
        source = code_digest(of) if "TASK_SOURCE" in parts else ""
        inputs = self.inputs.digests if "INPUTS" in parts else _NO_DIGESTS
        parameters = self.parameters.digests if "FLOW_PARAMETERS" in parts else _NO_DIGESTS
        self._refuse_unknown(inputs.keys() - policy.without)
        counted = {name: inputs[name] for name in inputs.keys() - policy.without}
        together = _and_together(self.inputs, counted, code_of(of) if source else None)
        owner = "" if source else identity_of(of, self.notebook)
        run = self.run.flow_run_id or self.run.id
        found = policy.key(KeyParts(owner, source, together, parameters, run))
        if found is None:
            return None
        key = key_digest("policy", *(text for part in found for text in part))
        left_out = sorted(policy.without & self.inputs.keys()) if inputs else ["inputs"] * bool(self.inputs)
        unequal = _not_compared([*left_out, *([] if source else ["code"])])
        return CallKey((key,), self.inputs, self.parameters, source, unequal)

    def by_validator(self, validator: Validator | None) -> CallKey:
        """The key of all results of the task's present code, before it that of those for the same inputs."""
        shared = self.run.of.options.cache_key
        source = "" if shared else code_digest(self.run.of)
        who = ("cache_key", shared) if shared else ("source", source, self.run.of.name)
        inputs = self.inputs.digests
        counted = _NO_DIGESTS
        if isinstance(validator, CacheValidator):
            counted = validator.counted(inputs, self.parameters.digests)
            if validator.compares == "inputs":
                self._refuse_unknown(counted.keys())
                self._refuse_others(validator)
        unequal = _unequal(validator, counted, inputs)
        if getattr(validator, "compares", "") == "inputs":
            counted = _and_together(self.inputs, counted, code_of(self.run.of) if source else None)
        inputs = _and_together(self.inputs, inputs, code_of(self.run.of) if source else None)
        wide = key_digest("validator", *who, *in_order(counted))
        exact = key_digest("same inputs", wide, *in_order(inputs))
        is_shared = counted != inputs
        keys = (exact, wide) if is_shared and all(inputs.values()) else (wide,)
        return CallKey(keys, self.inputs, self.parameters, source, unequal, is_shared)

    def _refuse_others(self, validator: CacheValidator) -> None:
        """What is compared by a name that no input has would be equal whatever the inputs are."""
        of = self.run.of
        for name in sorted((validator.only or frozenset()) - self.inputs.keys()):
            if not takes(of, name):
                raise CacheError(
                    f"{validator!r} names no input of {of.name!r}{of.signature}; correct the names"
                )

    def _refuse_unknown(self, names: Iterable[str]) -> None:
        for name in sorted(names):
            if not self.inputs.digests.get(name, "known"):
                kind = type(self.inputs[name]).__qualname__
                raise CacheError(
                    f"input {name!r} of {self.run.of.name!r} is a {kind}, which has no digest; leave it out "
                    f"with cache_policy=DEFAULT - {name!r}, or say with nbflow.register_digest what it is "
                    "made of"
                )


def _and_together(
    values: Digested, digests: Mapping[str, str], code: object | None = None
) -> Mapping[str, str]:
    """The digests, and one for all those values that share memory: a change of one changes the others.

    Args:
        values: Inputs by name.
        digests: The digests of those that count.
        code: What the code is reached from, which may hold one of them as a global; None: it does not count.
    """
    held = {
        name: values[name] for name in sorted(digests) if digests[name] and type(values[name]) not in PLAIN
    }
    if held and code is not None:
        held[_CODE] = code
    if len(held) < 2:
        return digests
    memory = {name: memory_of(value) for name, value in held.items()}
    times = Counter(token for tokens in memory.values() for token in tokens)
    shared = {name: value for name, value in held.items() if any(times[token] > 1 for token in memory[name])}
    return {**digests, " and ".join(shared): unit_digest(shared)} if shared else digests


_CODE: Final = "the code"
"""Stands for the code among inputs; no argument has such a name."""


def _unequal(validator: Validator | None, counted: Mapping[str, str], inputs: Mapping[str, str]) -> str:
    if not isinstance(validator, CacheValidator):
        return f"chosen by {getattr(validator, '__name__', repr(validator))}"
    left_out = sorted(inputs.keys() - (counted.keys() if validator.compares == "inputs" else set()))
    return _not_compared(["inputs"] if left_out and len(left_out) == len(inputs) else left_out)


def _not_compared(names: list[str]) -> str:
    return f"{', '.join(names)} not compared" if names else ""


def in_order(digests: Mapping[str, str]) -> list[str]:
    """Names and digests one after the other, as parts of a key.

    Example:
        >>> in_order({"y": "d2", "x": "d1"})
        ['x', 'd1', 'y', 'd2']
    """
    return [text for name in sorted(digests) for text in (name, digests[name])]


def _digested(values: Mapping[str, Any]) -> Digested:
    """Values with their digests; those of secrets tell nothing to whoever reads a store."""
    made = Digested(values)
    secret = [name for name in made if looks_secret(name)]
    if secret:
        key = user_key().hex()
        hidden = {
            name: key_digest("secret", key, made.digests[name]) for name in secret if made.digests[name]
        }
        vars(made)["digests"] = {**made.digests, **hidden}
    return made
