"""The options of a task: one class for header, decorator, help and completion.

A header is parsed by the fields of `TaskOptions`, `@task` takes the same names as keyword arguments, with
Prefect's names for the same settings, and the help and the completion of `%%task` are made from their
descriptions.
"""

from __future__ import annotations

import shlex
from dataclasses import Field, dataclass, field, fields, replace
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final

from nbflow.arguments import (
    as_callable,
    as_callables,
    as_classes,
    as_count,
    as_effect,
    as_fraction,
    as_hooks,
    as_limit,
    as_pairs,
    as_policy,
    as_runner,
    as_template,
    as_text,
    as_words,
    only_in_header,
)
from nbflow.cache_policies import DEFAULT, NO_CACHE, CachePolicy
from nbflow.engine.declared import Declared
from nbflow.engine.keeping import Compared, Keeping
from nbflow.exceptions import OptionError
from nbflow.header import (
    is_name,
    read_count,
    read_durations,
    read_inputs,
    read_names,
    read_pairs,
    read_policy,
    read_runner,
    read_trigger,
    read_validator,
    read_whether,
    read_yes_or_no,
    words_in,
)
from nbflow.retries import NO_RETRIES, Retries, parse_delays, parse_duration
from nbflow.triggers import Trigger, all_successful, manual_only
from nbflow.types import Effect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _option(
    help: str,
    value: str = "",
    read: Callable[[str], Any] = str,
    default: Any = None,
    take: Callable[[Any], Any] = bool,
    flag: str = "",
) -> Any:
    """A field with what header, help, completion and `@task` need.

    Args:
        help: What it is, in a line.
        value: What a header writes behind it; empty: it is a switch; in brackets: one of these words, or
            nothing, which means the first one.
        read: Makes its value of what stands in a header.
        default: Its value where nothing is said.
        take: Makes its value of what a keyword argument gives.
        flag: How a header spells it; by default as the field is called.
    """
    header = {"value": value, "read": read, "flag": flag, "sets": True}
    metadata = {"help": help, "take": take, "in_header": True, **header}
    return field(default=default, metadata=metadata)


def _switch(help: str, flag: str, sets: Any, default: Any, take: Callable[[Any], Any] = bool) -> Any:
    """A field that a header sets by its flag alone, called otherwise than `@task` calls it."""
    header = {"value": "", "flag": flag, "sets": sets}
    return field(default=default, metadata={"help": help, "take": take, "in_header": True, **header})


def _argument(help: str, take: Callable[[Any], Any] = bool, default: Any = None) -> Any:
    """A field that only `@task` has: functions, and what belongs to explicit flows."""
    return field(default=default, metadata={"help": help, "take": take, "in_header": False})


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What can be said of a task beside its body.

    Args:
        name: What people call it; empty: taken from what its cell assigns.
        retries: Extra attempts after a failure.
        retry_delay: Seconds before each of them; the last one counts for all further.
        timeout: The limit for each attempt in seconds; None: no limit.
        tags: Words to find it by.
        description: What it is for.
        defer: Whether its cell only registers it.
        trigger: Whether it may run, given how the tasks above it ended.
        skip_on_upstream_skip: Whether it is skipped below a skipped task.
        manual: Whether only a person lets it run.
        map: In a cell's header, each name that is bound to one element after the other, with the name of
            the elements; the body runs once for each of them.
        after: Names of tasks that have to end before it, whatever it reads.
        effect: How often it is run, where what it does outside is its point; None else.
        ignore: Names that are read and not compared: a result is as of what they held.
        inputs: In a cell's header, the names that count as read.
        outputs: In a cell's header, the names that are stored.
        files: In a cell's header, paths or patterns of files that it reads.
        writes: In a cell's header, paths or patterns of files that it writes.

    Example:
        >>> read_options("clean --retries 2 --retry-delay 10s,1m").retry_delay
        (10.0, 60.0)
    """

    name: str = _option("what people call it", "NAME", default="", take=as_text)
    retries: int = _option("extra attempts after a failure", "N", read_count, 0, as_count)
    retry_delay: tuple[float, ...] = _option(
        "time before each of them: 30, 30s, 10m, 2h", "D[,D…]", read_durations, (), tuple
    )
    timeout: float | None = _option("limit for each attempt: 30, 30s, 10m, 2h", "D", as_limit, take=as_limit)
    tags: tuple[str, ...] = _option("words to find it by", "a,b", words_in, (), as_words)
    description: str = _option("what it is for", "TEXT", str, "", as_text)
    defer: bool = _option("register only, do not run", default=False)
    trigger: Trigger = _option(
        "whether it may run: all_failed, some_failed(at_least=2) …, or a function of the notebook",
        "EXPR",
        read_trigger,
        all_successful,
        as_callable,
    )
    skip_on_upstream_skip: bool = _option("skip it below a skipped task", "yes|no", read_yes_or_no, True)
    manual: bool = _option("wait for a person: only %flow resume runs it", default=False)
    map: tuple[tuple[str, str], ...] = _option(
        "run the body once for each x of the list xs", "x=xs[,y=ys]", read_pairs, (), as_pairs
    )
    after: tuple[str, ...] = _option("tasks that have to end before it", "A,B", words_in, (), as_words)
    effect: Effect | None = _option(
        "what it does outside is its point: once for the same code and inputs, or each time",
        "[once|always]",
        as_effect,
        take=as_effect,
    )
    version: str = _argument("which version of it this is", as_text, "")
    retry_jitter: float = _argument("by which fraction a delay varies by chance", as_fraction, 0.0)
    retry_on: tuple[type[BaseException], ...] = _argument("retry only after these exceptions", as_classes, ())
    retry_condition: Callable[..., object] | None = _argument(
        "called with task, run and state: whether to retry", as_callable
    )
    ignore: tuple[str, ...] = _option(
        "names that it reads and that are not compared", "x[,y]", read_inputs, (), as_words
    )
    inputs: tuple[str, ...] = _option(
        "names that it reads; what else it reads is not compared", "a,b", read_inputs, (), only_in_header
    )
    outputs: tuple[str, ...] = _option(
        "names that it makes for others; no others are stored", "a,b", read_inputs, (), only_in_header
    )
    files: tuple[str, ...] = _option(
        "files whose content is an input, beside those found", "PATTERN[,…]", words_in, (), only_in_header
    )
    writes: tuple[str, ...] = _option(
        "files that it writes, beside those found", "PATTERN[,…]", words_in, (), only_in_header
    )
    cache_policy: CachePolicy | None = _option(
        "what is compared: DEFAULT - 'engine', TASK_SOURCE + FLOW_PARAMETERS, …",
        "EXPR",
        read_policy,
        take=as_policy,
    )
    cache_key_fn: Callable[..., str | None] | None = _argument(
        "called with run and parameters: the key", as_callable
    )
    cache_expiration: float | None = _argument("how long a result is reused", parse_duration)
    refresh_cache: bool = _switch(
        "its own run executes it, even where a result fits", "--refresh", sets=True, default=False
    )
    cache_for: float | None = _option(
        "how old a result may be: 30, 30s, 10m, 2h, 7d", "D", parse_duration, take=parse_duration
    )
    cache_validator: Callable[..., bool] | None = _option(
        "what is compared: all_inputs, all_parameters, partial_inputs_only(['x']), duration_only",
        "EXPR",
        read_validator,
        take=as_callable,
    )
    cache_key: str = _argument("whose results it shares", as_text, "")
    persist_result: bool | None = _option(
        "whether its values are stored: where that pays, always, or only their digests",
        "auto|yes|no",
        read_whether,
        flag="--persist",
    )
    log_prints: bool | None = _switch(
        "its prints go to the log of the run", "--log-prints", sets=True, default=None
    )
    task_run_name: str | Callable[..., str] | None = _option(
        "the name of each run, with names in braces: load-{year}",
        "TEMPLATE",
        take=as_template,
        flag="--run-name",
    )
    runner: Any = _option(
        "where its body runs: inline, thread, process, or a runner of the notebook",
        "NAME",
        read_runner,
        take=as_runner,
    )
    slug: str = _argument("what tells it from others in a flow", as_text, "")
    nout: int | None = _argument("how many values it returns", as_count)
    state_handlers: tuple[Callable[..., Any], ...] = _argument(
        "called with task, old and new state", as_callables, ()
    )
    on_running: tuple[Callable[..., Any], ...] = _option(
        "function of the notebook to call when it starts", "F[,F…]", read_names, (), as_callables
    )
    on_completion: tuple[Callable[..., Any], ...] = _option(
        "function of the notebook to call when it completed", "F[,F…]", read_names, (), as_callables
    )
    on_failure: tuple[Callable[..., Any], ...] = _option(
        "function of the notebook to call when it failed", "F[,F…]", read_names, (), as_hooks
    )
    on_cancellation: tuple[Callable[..., Any], ...] = _option(
        "function of the notebook to call when it was cancelled", "F[,F…]", read_names, (), as_callables
    )
    on_crashed: tuple[Callable[..., Any], ...] = _option(
        "function of the notebook to call when it crashed", "F[,F…]", read_names, (), as_callables
    )
    on_commit: tuple[Callable[..., Any], ...] = _argument(
        "called with the transaction when that commits", as_callables, ()
    )
    on_rollback: tuple[Callable[..., Any], ...] = _argument(
        "called with the transaction when that is rolled back", as_callables, ()
    )

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            OptionError: If it is an effect that is to happen once, and its result is not to be kept, or
                attempts follow one that a limit ended in the middle; or if a person and another trigger
                are to let it run.
        """
        if self.manual and self.trigger not in (all_successful, manual_only):
            raise OptionError("`manual` is a trigger, by which only a person lets it run; give one trigger")
        if self.effect is not Effect.ONCE:
            return
        keeping = self.keeping
        if keeping.refreshes or keeping.at_most or not keeping.reuses:
            raise OptionError("a cache option would repeat an effect that happens once; say `always`")
        if self.retries and self.timeout:
            raise OptionError(
                "nobody knows whether an effect has happened that its limit ended, so that retries might "
                "repeat it; give it a timeout, or retries, or say `always`"
            )

    @property
    def rules(self) -> Mapping[str, Any]:
        """What the step of a session's task is to know of them."""
        names = ("timeout", "skip_on_upstream_skip", "after", "effect", "runner")
        gate = manual_only if self.manual else self.trigger
        own: dict[str, Any] = {"retries": self.attempts, "trigger": gate, "keeping": self.keeping}
        own["tags"] = frozenset(self.tags)
        return {**own, **{name: getattr(self, name) for name in names}}

    @property
    def keeping(self) -> Keeping:
        """How a session keeps the results, and what it compares.

        Example:
            >>> read_options("fetch --cache-for 1h").keeping.at_most
            3600.0
            >>> read_options("fetch --no-cache").keeping.reuses
            False
        """
        ages = [age for age in (self.cache_for, self.cache_expiration) if age is not None]
        at_most = min(ages, default=None)
        policy = self.cache_policy if self.cache_policy is not None else DEFAULT
        is_never = getattr(self.cache_validator, "__name__", "") == "never_use"
        reuses = bool(policy) and "RUN_ID" not in policy.parts and at_most != 0 and not is_never
        persists, weighs = self.persist_result is not False, self.persist_result is None
        return Keeping(
            reuses, self.refresh_cache, at_most, persists, weighs=weighs, compared=self._compared(policy)
        )

    def _compared(self, policy: CachePolicy) -> Compared:
        """Which inputs count in a session; what a policy without the code means there is up to flows."""
        compared = Compared(frozenset(self.inputs) or None, policy.without.union(self.ignore))
        if "TASK_SOURCE" in policy.parts and "INPUTS" not in policy.parts:
            parameters = "FLOW_PARAMETERS" in policy.parts
            compared = replace(
                compared, only=None if parameters else frozenset(), of_parameters=parameters, outside=False
            )
        validator: Any = self.cache_validator
        what, only = getattr(validator, "compares", None), getattr(validator, "only", None)
        if what is None or (what == "inputs" and only is None):
            return compared
        names = only if what else frozenset[str]()
        return replace(compared, only=names, of_parameters=what == "parameters", outside=False)

    @property
    def declared(self) -> Declared:
        """What a header says of names and files."""
        return Declared(self.inputs, self.outputs, self.files, self.writes)

    @property
    def hooks(self) -> Mapping[str, tuple[Callable[..., Any], ...]]:
        """The hooks by the options that name them, where there are some."""
        names = ("on_running", "on_completion", "on_failure", "on_cancellation", "on_crashed")
        return {name: given for name in names if (given := getattr(self, name))}

    @property
    def asks_for_run(self) -> bool:
        """Whether something of them hangs on what is known of each run: hooks, the log, the name."""
        return bool(self.hooks or self.log_prints or self.task_run_name)

    @property
    def attempts(self) -> Retries:
        """The retries as the engine takes them; the condition is bound to its run by whoever knows that."""
        if not self.retries:
            return NO_RETRIES
        return Retries(self.retries, self.retry_delay, self.retry_jitter, self.retry_on)


SWITCHES: Final = {
    "--no-cache": ("cache_policy", NO_CACHE, "run each time; its result is not kept for later"),
}
"""Other ways to write an option: the field, its value, and what it means."""


NO_OPTIONS: Final = TaskOptions()
"""Those of a cell without a header."""


def flags() -> tuple[str, ...]:
    """All that a header may write, sorted."""
    return tuple(sorted((*SWITCHES, *map(flag_of, options()))))


def flag_of(option: Field[Any]) -> str:
    """How a header spells an option.

    Example:
        >>> [flag_of(option) for option in options()][:2]
        ['--retries', '--retry-delay']
    """
    return option.metadata["flag"] or "--" + option.name.replace("_", "-")


@cache
def options() -> tuple[Field[Any], ...]:
    """The options of a header, in the order of its help; the name is none of them."""
    return tuple(each for each in fields(TaskOptions)[1:] if each.metadata["in_header"])


OTHER_NAMES: Final = {
    "max_retries": "retries",
    "retry_delay_seconds": "retry_delay",
    "retry_jitter_factor": "retry_jitter",
    "retry_condition_fn": "retry_condition",
    "timeout_seconds": "timeout",
    "log_stdout": "log_prints",
}
"""Prefect's names for the same settings."""


def take_options(given: Mapping[str, Any], base: TaskOptions | None = None) -> TaskOptions:
    """The options that keyword arguments give, by our names or by Prefect's.

    Args:
        given: The keyword arguments; None takes an option back to its default.
        base: The options that count where nothing is given.

    Raises:
        OptionError: If an option or its value does not exist; the message says what does.

    Example:
        >>> take_options({"retries": 2, "retry_delay_seconds": [1, "1m"]}).retry_delay
        (1.0, 60.0)
    """
    by_name = {option.name: option for option in fields(TaskOptions)}
    values: dict[str, Any] = {}
    first: dict[str, str] = {}
    for name, value in given.items():
        own = OTHER_NAMES.get(name, name)
        if own not in by_name:
            raise OptionError.unknown("option", name, (*by_name, *OTHER_NAMES))
        if own in values:
            raise OptionError(f"{first[own]} and {name} are one option; give it once")
        values[own], first[own] = value, name
    base = base or TaskOptions()
    retries = values.get("retries", base.retries)
    return replace(base, **{name: _taken(by_name[name], value, retries) for name, value in values.items()})


def _taken(option: Field[Any], value: Any, retries: object) -> Any:
    if value is None:
        return option.default
    try:
        if option.name == "retry_delay":
            return parse_delays(value, as_count(retries or 0))
        return option.metadata["take"](value)
    except OptionError as error:
        raise OptionError(f"{option.name}: {error}") from None
    except (TypeError, ValueError):
        raise OptionError(f"{option.name}={value!r} makes no sense") from None


@cache
def _by_flag() -> Mapping[str, Field[Any]]:
    return {flag_of(option): option for option in options()}


@lru_cache(maxsize=4096)
def read_options(text: str) -> TaskOptions:
    """Read what stands behind `%%task` or `#@task`; each text once, as cells are run again and again.

    Raises:
        OptionError: If an option or its value does not exist; the message says what does.
    """
    by_flag, given = _by_flag(), dict[str, Any]()
    words = _split(text)
    while words:
        word = words.pop(0)
        flag, has_value, value = word.partition("=")
        if not flag.startswith("-"):
            _take_name(word, given)
            continue
        if flag in SWITCHES:
            _take_switch(flag, has_value, given)
            continue
        option = by_flag.get(flag)
        if option is None:
            raise OptionError.unknown("option", flag, flags(), "%%task? lists all that there are")
        given[option.name] = _value_of(option, value if has_value else None, words, named="name" in given)
    return replace(TaskOptions(), **given)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise OptionError(f"the header cannot be read: {error}") from None


def _take_switch(flag: str, has_value: str, given: dict[str, Any]) -> None:
    if has_value:
        raise OptionError(f"{flag} takes no value")
    name, sets, _ = SWITCHES[flag]
    given[name] = sets


def _take_name(word: str, given: dict[str, Any]) -> None:
    if "name" in given:
        raise OptionError(
            f"{word!r} belongs to no option, and the task is called {given['name']!r} already; "
            "a value with spaces stands in quotes"
        )
    if not is_name(word):
        raise OptionError(f"{word!r} is not a name for a task; use letters, digits and _")
    given["name"] = word


def _value_of(option: Field[Any], value: str | None, words: list[str], *, named: bool) -> Any:
    wanted = option.metadata["value"]
    if not wanted:
        if value is not None:
            raise OptionError(f"{flag_of(option)} takes no value")
        return option.metadata["sets"]
    if value is None and wanted.startswith("["):
        choices = wanted.strip("[]").split("|")
        # A word that is none of them is the name, where the task has none yet.
        takes = words and (words[0] in choices or (named and not words[0].startswith("-")))
        value = words.pop(0) if takes else choices[0]
    if value is None:
        if not words:
            raise OptionError(f"{flag_of(option)} needs a value: {flag_of(option)} {wanted}")
        value = words.pop(0)
    try:
        return option.metadata["read"](value)
    except OptionError as error:
        raise OptionError(f"{flag_of(option)}: {error}") from None


def help_text() -> str:
    """All options, a line each, for `%%task?`."""
    rows = [
        (f"{flag_of(each)} {each.metadata['value']}".strip(), each.metadata["help"]) for each in options()
    ]
    rows += [(flag, help) for flag, (_, _, help) in SWITCHES.items()]
    width = max(len(usage) for usage, _ in rows)
    return "\n".join(f"  {usage:<{width}}  {help}" for usage, help in rows)
