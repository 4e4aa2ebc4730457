"""The versions of a name, as `session().versions("df")` gives them. Nothing is kept for that alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nbflow.engine.placeholder import is_placeholder
from nbflow.engine.slots import NAME, slot_of
from nbflow.exceptions import CacheError, OptionError, SessionError
from nbflow.store.memory import MemoryStore
from nbflow.types import UNBOUND
from nbflow.views.versions import VersionLine, show_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nbflow.engine.bind import Version
    from nbflow.engine.book import Step
    from nbflow.notebook.session import Session
    from nbflow.views import Shown

_HELD: Final = "the name holds it"
_KEPT: Final = "in memory"
_STORED: Final = "stored"
_LOST: Final = "not kept"


@dataclass(frozen=True, slots=True)
class NameVersion:
    """What one task or cell made of a name.

    Args:
        name: The name.
        step: The task or cell.
        does: Whether it `binds` the name, `changes` what it holds in place, or `deletes` it.
        preview: The value in a few characters.
        place: Where the value was when the versions were asked for: `the name holds it`, `in memory`,
            `stored` or `not kept`.
        size: How many bytes of the store it takes; None: none.
        is_plain: Whether the step is a plain cell.
    """

    name: str
    step: str
    does: str
    preview: str
    place: str
    size: int | None
    is_plain: bool
    _version: Version | None = field(repr=False)
    _session: Session = field(repr=False)

    @property
    def is_current(self) -> bool:
        """Whether the name held it when the versions were asked for."""
        return self.place == _HELD

    @property
    def value(self) -> object:
        """The value, a copy of your own.

        Raises:
            SessionError: If it is nowhere any more, or cannot be copied.
        """
        if self._version is None:
            raise SessionError(f"{self.step} leaves {self.name} without a value")
        return _value(self._session, self.name, self.step, self._version)


class Versions(tuple[NameVersion, ...]):
    """The versions of a name in flow order; they show themselves as a table."""

    __slots__ = ()

    def __repr__(self) -> str:
        return self._shown().text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return self._shown().bundle()

    def _shown(self) -> Shown:
        lines = (
            VersionLine(each.step, each.does, each.preview, each.place, each.size, each.is_plain)
            for each in self
        )
        return show_versions(self[0].name, tuple(lines))


def versions_of(session: Session, name: str) -> Versions:
    """The versions of a name that the steps of the notebook have made, in flow order.

    Raises:
        OptionError: If none of them has made any.
    """
    session.prepare()
    sizes = dict(session.around.store.sizes())
    steps = [session.book.steps[id] for id in session.trunk.sweep.writers(slot_of(name))]
    if not steps:
        raise OptionError.unknown("name", name, _names(session), "no task or cell has made it")
    return Versions(_version(session, step, name, sizes) for step in steps)


def _names(session: Session) -> set[str]:
    given = (step.given for step in session.book)
    outputs = (output for trace in given if trace is not None for output in trace.outputs)
    return {output.slot.locator for output in outputs if output.slot.kind == NAME}


def _version(session: Session, step: Step, name: str, sizes: Mapping[str, int]) -> NameVersion:
    slot, sweep = slot_of(name), session.trunk.sweep
    found = sweep.judgement(step).version(slot)
    if found is None or found.output.digest == UNBOUND:
        return NameVersion(name, step.name, "deletes", "", "", None, step.plain, None, session)
    analysis = (step.ran or step.body).analysis
    is_new = name in analysis.writes | analysis.maybe_writes or sweep.view(step).bound(slot).version is None
    does, place = "binds" if is_new else "changes", _place(session, name, found)
    told = found.output.preview, place, sizes.get(found.output.unit)
    return NameVersion(name, step.name, does, *told, step.plain, found, session)


def _place(session: Session, name: str, version: Version) -> str:
    workspace = session.trunk.workspace
    if workspace.holds(name, version):
        return _HELD
    if workspace.of_one_copy({name: version}) is not None:
        return _KEPT
    return _STORED if workspace.is_stored({name: version}) else _LOST


def _value(session: Session, name: str, step: str, version: Version) -> object:
    workspace, output = session.trunk.workspace, version.output
    live = (workspace.of_one_copy({name: version}) or {}).get(name)
    if live is not None and not is_placeholder(live):
        seen = workspace.look_at(live, name)
        # A cell that is running may have changed it, which is noted at its end.
        if seen.digest == output.digest:
            is_safe = output.sort != "value" or not seen.memory
            return live if is_safe else _copied(session, name, step, version, live)
    if workspace.is_stored({name: version}):
        return _loaded(session, name, step, version)
    raise _gone(name, step, "is not kept")


def _loaded(session: Session, name: str, step: str, version: Version) -> object:
    output, around = version.output, session.around
    try:
        with session.trunk.workspace.lending(version.classes):
            return around.store.load(output.unit, around.names)[output.members.index(name)]
    except CacheError as error:
        raise _gone(name, step, f"cannot be loaded ({error})") from None


def _gone(name: str, step: str, why: str) -> SessionError:
    return SessionError(f"the {name} of {step} {why}; run {step}, and {name} holds it again")


def _copied(session: Session, name: str, step: str, version: Version, value: object) -> object:
    """A copy: who changes it changes no version."""
    copies = MemoryStore(session.around.names)
    with session.trunk.workspace.lending(version.classes):
        if not copies.put("copy", (value,)):
            return copies.load("copy")[0]
    raise SessionError(f"the {name} of {step} cannot be copied; while {name} holds it, take {name} itself")
