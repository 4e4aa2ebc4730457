"""What is known of one run, for hooks, futures and users."""

from __future__ import annotations

from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nbflow.showing import ShowsItself
from nbflow.states import Pending, Role, State, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nbflow.engine.effects import Call
    from nbflow.options import TaskOptions
    from nbflow.running.scope import Scope
    from nbflow.states import Transition


class Keeper(Protocol):
    """Who knows the states that runs have entered: a history."""

    def transitions(self, run: str, /) -> tuple[Transition, ...]:
        """Those of a run, oldest first."""
        ...


class Runnable(Protocol):
    """A template of runs: a task or a flow."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def options(self) -> TaskOptions:
        """What was said of it beside its body."""
        ...

    @property
    def is_async(self) -> bool:
        """Whether its body has to be awaited."""
        ...

    @property
    def yields(self) -> bool:
        """Whether its body is a generator."""
        ...

    @property
    def role(self) -> Role:
        """What its runs are."""
        ...

    @property
    def run_name(self) -> str | Callable[..., str] | None:
        """What each run is called, see `nbflow.running.names`; None: as it is called itself."""
        ...

    def accepted(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments as its body gets them.

        Raises:
            ParameterTypeError: If they are none for it.
        """
        ...

    def with_defaults(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arguments, and the defaults of the parameters that have none."""
        ...

    def scope_for(self, run: Run, around: Scope, call: Call) -> Scope:
        """The scope of the body of a run that was started in the scope `around`."""
        ...

    def execute(self, scope: Scope, call: Call) -> Any:
        """Execute the body once, within a scope that is entered already.

        Returns:
            What the body made; for an asynchronous one, an awaitable of it; a generator where it yields.
        """
        ...


@dataclass(eq=False, slots=True)
class Run(ShowsItself):
    """One run of a task or a flow.

    Args:
        id: Unique identifier.
        name: What people call it.
        of: The task or the flow.
        role: Whether it is a flow's, a task's or a mapped item's.
        flow: The run of the flow that it belongs to; None outside of one.
        parent: The run whose body called it.
        index: Its position among mapped items.
        tags: Words to find it by.
        number: The number of the flow run.
        parameters: What its body was given, once that is known.
        state: The last state that it entered.
        run_count: How often its body was called in this iteration.
        history: Who keeps its states; None: nobody.
        failures: How many runs that belong to this flow run have failed or crashed.
        failed: The names of the first of them.
        slug: What tells its task from others of that name in a graph; empty outside of one.
        within: The context variables of whoever started it, by which hosts know where outputs belong.

    Example:
        >>> Run("a1", "clean", None).state
        Pending()
    """

    id: str
    name: str
    of: Any
    role: Role = Role.TASK
    flow: Run | None = None
    parent: Run | None = None
    index: int | None = None
    tags: frozenset[str] = frozenset()
    number: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    state: State = field(default_factory=Pending)
    run_count: int = 0
    history: Keeper | None = None
    failures: int = 0
    failed: tuple[str, ...] = ()
    slug: str = ""
    within: Context = field(default_factory=copy_context)

    @property
    def flow_run_id(self) -> str:
        """Identifier of the flow run that it belongs to; its own for a flow run; empty outside of one."""
        if self.role is Role.FLOW:
            return self.id
        return self.flow.id if self.flow is not None else ""

    @property
    def state_name(self) -> str:
        """The name of its last state."""
        return self.state.name

    @property
    def states(self) -> tuple[State, ...]:
        """The states that it has entered, oldest first; only the last one has a result."""
        kept = self.history.transitions(self.id) if self.history is not None else ()
        return (*(state_of(transition) for transition in kept[:-1]), self.state)

    def __repr__(self) -> str:
        return f"<{self.role.value} run {self.name!r}: {self.state.name}>"
