"""The runner `dask`: bodies run on a cluster of dask's, be it of this computer or of many.

A body with a limit runs in a process of its own beside its dask worker, because dask itself cannot end it. So
does the body of a task cell, which is observed: others may run in its dask worker at the same time.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
import uuid
import weakref
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.effects import Ended
from nbflow.exceptions import OptionError, text_of
from nbflow.task_runners.base import Attempt, Enforced, Promises, TaskCall, TaskReport
from nbflow.task_runners.going import Going
from nbflow.task_runners.imported import Modules
from nbflow.task_runners.parcels import Parcel, opened, parcel_of, performed, sealed
from nbflow.task_runners.shipping import this_process
from nbflow.task_runners.telling import levels, retell, set_levels, told_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    Told = list[tuple[str, Any]]

_MODULES: Final = Modules(packages=())
_OUTDATED: Final = (
    "a module has changed since its worker imported it; restart the workers or close the runner"
)


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError:
        text = "the runner dask needs the package distributed; install it with `pip install nbflow[dask]`"
        raise OptionError(text) from None


class DaskTaskRunner:
    """Runs bodies on a cluster of dask's, which is made when it is first needed, unless one is given.

    Arguments and results are copied to the cluster and back. What a body prints and logs is shown once it has
    ended. Tasks that it calls or submits run in its worker, which has to have nbflow installed.

    Args:
        cluster: A cluster, or a `distributed.Client` of one, which stays open whatever becomes of the runner.
        address: Where the scheduler of a cluster listens.
        cluster_class: What makes a cluster, also as `package.module.name`; None: `distributed.LocalCluster`.
        cluster_kwargs: What that is called with.
        adapt_kwargs: What its `adapt` is called with, such as `{"maximum": 10}`; None: not at all.
        client_kwargs: What the client is made with.

    Raises:
        OptionError: If `distributed` is not installed.
    """

    name: str = "dask"
    promises: Promises = Promises(limit=Enforced.HARD, concurrent=True, survives_crash=True, observes=True)

    def __init__(
        self,
        cluster: Any = None,
        address: str | None = None,
        cluster_class: Any = None,
        cluster_kwargs: Mapping[str, Any] | None = None,
        adapt_kwargs: Mapping[str, Any] | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        _distributed()
        self._wanted = _Wanted(cluster, address, cluster_class, cluster_kwargs, adapt_kwargs, client_kwargs)
        self._opened = _Opened()
        self._lock = threading.Lock()
        self._going: Going[_OnCluster] = Going()
        weakref.finalize(self, self._opened.close)

    @property
    def client(self) -> Any:
        """The `distributed.Client` that bodies are submitted to."""
        with self._lock:
            if self._opened.client is None:
                self._wanted.open(self._opened)
            return self._opened.client

    def submit(self, call: TaskCall) -> Future[TaskReport]:
        """Give an attempt to the cluster."""
        attempt, is_new = self._going.take(call.attempt, lambda: _OnCluster(call))
        if is_new:
            try:
                attempt.begin(self.client)
            except Exception as error:  # noqa: BLE001 - whoever waits has to be told
                attempt.tell(Ended.CRASHED, f"the cluster did not take it: {text_of(error)}")
        return attempt

    def cancel(self, attempt: str) -> bool:
        """Drop an attempt that has not begun, and abandon one that runs; whether it is there."""
        return self._going.cancel(attempt)

    def close(self) -> None:
        """Abandon what runs, and end the cluster that was made here; whoever submits again gets a new one."""
        self._going.cancel_all()
        with self._lock:
            self._opened.close()

    def duplicate(self) -> DaskTaskRunner:
        """One like it; a cluster that was given is the same."""
        made = DaskTaskRunner()
        made._wanted = self._wanted
        return made

    def __enter__(self) -> DaskTaskRunner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<DaskTaskRunner on {self._wanted}>"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The cluster that was asked for; see `DaskTaskRunner`."""

    cluster: Any
    address: str | None
    cluster_class: Any
    cluster_kwargs: Mapping[str, Any] | None
    adapt_kwargs: Mapping[str, Any] | None
    client_kwargs: Mapping[str, Any] | None

    def open(self, opened: _Opened) -> None:
        """Connect to the cluster; make it, if none was given."""
        distributed, options = _distributed(), {**(self.client_kwargs or {})}
        if isinstance(self.cluster, distributed.Client):
            if self.cluster.asynchronous:
                raise OptionError(
                    "an asynchronous client cannot be waited for; give one without asynchronous=True"
                )
            opened.client = self.cluster
            return
        where = self.cluster or self.address
        if where is None:
            where = self._made(distributed)
            opened.ends.append(where.close)
        opened.client = distributed.Client(where, set_as_default=False, **options)
        opened.ends.insert(0, opened.client.close)

    def _made(self, distributed: Any) -> Any:
        kind, options = self.cluster_class or "distributed.LocalCluster", {**(self.cluster_kwargs or {})}
        if isinstance(kind, str):
            module, _, name = kind.rpartition(".")
            kind = getattr(importlib.import_module(module), name)
        if kind is distributed.LocalCluster:
            options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", **options}
            if options.get("processes", True):
                options = {"preload": __name__, **options}
        # A body that ends its worker is not tried again unasked: that is for its retries to say.
        with importlib.import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0}):
            made = kind(**options)
        if self.adapt_kwargs is not None:
            made.adapt(**self.adapt_kwargs)
        return made

    def __str__(self) -> str:
        return str(self.cluster or self.address or self.cluster_class or "a cluster of this computer")


@dataclass(slots=True)
class _Opened:
    """A connection to a cluster, and how it ends."""

    client: Any = None
    ends: list[Any] = field(default_factory=list[Any])

    def close(self) -> None:
        """End what was made here."""
        ends, self.ends, self.client = self.ends, [], None
        for end in ends:
            with suppress(Exception):  # what has ended by itself need not be closed
                end()


class _OnCluster(Attempt):
    """An attempt on a cluster.

    Args:
        call: The attempt.
    """

    def __init__(self, call: TaskCall) -> None:
        super().__init__(call)
        self._context = copy_context()
        self._future: Any = None

    def begin(self, client: Any) -> None:
        """Give it to the cluster."""
        parcel = parcel_of(self.call)
        # Under a key of its own: for one that it knows the cluster would return what it has. Nor does the
        # cluster try again by itself, as that is for the engine to decide.
        key = f"nbflow-{parcel.attempt}-{uuid.uuid4().hex}"
        self._future = client.submit(work, parcel, levels(), key=key, pure=False, retries=0)
        self._future.add_done_callback(self._end)

    def cancel(self) -> bool:
        """Drop it; a body that runs already goes on until it ends."""
        note = "its body, if it had begun, goes on in the cluster until it ends by itself"
        told = self.tell(Ended.CANCELLED, "it was stopped", note=note)
        future = self._future
        if told and future is not None:
            future.cancel()
        return told

    def _end(self, future: Any) -> None:
        # What nobody holds is not computed again where its worker is lost later.
        self._future = None
        if self.done():
            return
        try:
            told, report = future.result()
        except BaseException as error:  # noqa: BLE001 - bodies raise nothing here: the cluster does
            first, *_ = text_of(error).split(". ")
            self.tell(Ended.CRASHED, f"its worker was lost: {first}")
            return
        for kind, what in told:
            with suppress(Exception):  # a stream that cannot be written to costs no result
                self._context.run(retell, kind, what)
        self.report(opened(report, self.call))


# --- in a worker of the cluster ---------------------------------------------------------------------


def work(parcel: Parcel, logged_from: Mapping[str, int]) -> tuple[Told, bytes]:
    """Run a body in this worker; what it told, and its report."""
    told: Told = []
    is_kernel = parcel.home == this_process()
    if not is_kernel:
        if not _MODULES.are_as_imported():
            return told, sealed(TaskReport(parcel.attempt, Ended.CRASHED, _OUTDATED), parcel)
        set_levels(logged_from)
    with _MODULES.noted(), told_to(lambda kind, what: told.append((kind, what)), streams=not is_kernel):
        is_here = parcel.timeout is None and not parcel.is_alone
        return told, performed(parcel) if is_here else _performed_beside(parcel)


def _performed_beside(parcel: Parcel) -> bytes:
    """Run it in a process of its own, which ends at the limit."""
    runner = importlib.import_module("nbflow.task_runners").runner_named("process")
    report = runner.submit(TaskCall(parcel.attempt, parcel.name, parcel, parcel.timeout)).result()
    return report.value if report.ended is Ended.RETURNED else sealed(report, parcel)


def dask_setup(_: object) -> None:
    """Let the Stop button of the kernel not end a worker that was made here: dask calls this in each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
