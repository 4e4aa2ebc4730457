"""The parts of the engine wired together over one namespace and one store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nbflow.engine.apply import Workspace
from nbflow.engine.baggage import Define  # noqa: TC001 - records are made by these annotations
from nbflow.engine.configured import SettingsKind
from nbflow.engine.controls import take_moved
from nbflow.engine.enact import StepRuns
from nbflow.engine.explain import Explainer
from nbflow.engine.keeping import EXPIRY, ExpiryKind
from nbflow.engine.marks import BEGUN, BegunKind
from nbflow.engine.observe import Observer
from nbflow.engine.outward import remedy
from nbflow.engine.plan import Work
from nbflow.engine.remaking import Outlook
from nbflow.engine.setters import Setters
from nbflow.engine.shown import FLOW, FlowKind
from nbflow.engine.slots import CONTEXT, SETTINGS, ContextKind, FolderKind, Kind, Outside
from nbflow.engine.sweep import Sweep
from nbflow.secrets import HIDDEN, KNOWN, looks_secret
from nbflow.store.at_import import AT_IMPORT, AtImportKind
from nbflow.store.digests import digest
from nbflow.store.files import Files
from nbflow.store.installed import PackageKind
from nbflow.store.modules import ModuleKind
from nbflow.store.signing import hidden_digest
from nbflow.store.variables import EnvironmentKind
from nbflow.store.watching import listen, listen_no_more
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from nbflow.engine.book import Book
    from nbflow.store.files import Kind as NamedKind
    from nbflow.store.protocol import Store


class Overrides:
    """The kind *parameter*: values given from outside for names that a cell sets."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def now(self, locator: str) -> str:
        """The digest of the value given; unbound where the cell's own value counts."""
        if locator not in self.values:
            return UNBOUND
        KNOWN.meet_named(self.values)
        found = digest(self.values[locator])
        return hidden_digest(found) if looks_secret(locator) else found

    def show(self, locator: str) -> str:
        """The value given."""
        if locator not in self.values:
            return "default"
        return HIDDEN if looks_secret(locator) else repr(self.values[locator])


@dataclass(frozen=True, slots=True)
class World:
    """What a trunk stands on.

    Args:
        names: The user's namespace.
        store: Where results and history are kept.
        clock: Seconds since the epoch.
        define: Executes imports and definitions, given as plain source, over names.
        parameters: Values given from outside for parameters.
        kinds: Further kinds of slots outside, by name.
        key: Secret key of the digests of environment variables.
        notebook: Identifier of the notebook.
        sleep: Waits until a time, seconds since the epoch; None: a run that has to wait parks.
        files: The files of the session, by default watched with nothing ignored.
        is_shared: Whether others may bind names between two actions, as in a kernel.
        of_shell: Names that are the shell's own as long as nobody gives them a value.
        since: From when on what bodies read of the outside world is taken for its answer; 0.0: always.
    """

    names: dict[str, object]
    store: Store
    clock: Callable[[], float]
    define: Define
    parameters: Overrides
    kinds: Mapping[str, Kind]
    key: bytes = b""
    notebook: str = ""
    sleep: Callable[[float], object] | None = None
    files: Files | None = None
    is_shared: bool = False
    of_shell: Collection[str] = ()
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Trunk:
    """The parts over one namespace, made by `trunk_over`."""

    world: World
    files: Files
    sweep: Sweep
    workspace: Workspace
    runs: StepRuns
    work: Work
    explainer: Explainer
    flow: FlowKind

    def close(self) -> None:
        """Follow nothing any more of what happens in the process."""
        listen_no_more(self.files)


def trunk_over(world: World, book: Book) -> Trunk:
    """Wire the parts of the engine together.

    Args:
        world: What they stand on.
        book: The steps; it outlives a kernel, unlike the rest.
    """
    files = world.files or Files(clock=world.clock)
    workspace = Workspace(world.names, world.store, is_shared=world.is_shared)
    workspace.of_shell = world.of_shell
    workspace.remedy = lambda step: remedy(book.steps[step])
    files.key = world.key
    listen(files)  # a result that is reused loads modules, too
    kinds: list[NamedKind] = [*files.kinds(), ModuleKind(files), PackageKind(), EnvironmentKind(world.key)]
    flow = FlowKind(world.notebook, world.clock, book)
    named = {
        **{kind.name: kind for kind in kinds},
        "parameter": world.parameters,
        AT_IMPORT: AtImportKind(world.key, Setters(book, world.notebook).cast_doubt_on),
        CONTEXT: ContextKind(),
        FLOW: flow,
        "folder": FolderKind(),
        EXPIRY: ExpiryKind(world.clock),
        BEGUN: BegunKind(workspace.marks),
        SETTINGS: SettingsKind(workspace),
        **world.kinds,
    }
    sweep = Sweep(book, Outside(named, world.since, workspace.marks))
    sweep.take_in = lambda: take_moved(book, workspace, sweep)
    observer = Observer(workspace, files, world.clock, world.define)
    runs = StepRuns(world.store.history, world.clock, world.notebook, world.sleep)
    explainer = Explainer(sweep, workspace, runs.history)
    work = Work(book, sweep, workspace, observer, runs)
    sweep.take_stock = Outlook(work).note
    return Trunk(world, files, sweep, workspace, runs, work, explainer, flow)
