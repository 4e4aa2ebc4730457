"""Transactions: several tasks succeed together, or what they did is undone together.

A task whose run belongs to a transaction, or that has hooks for one, is a transaction itself, within the one
around it. Results are kept when their tasks end, whatever becomes of the transaction; one whose task was
rolled back by hooks of its own is not reused, because what it stands for was undone.
"""

from __future__ import annotations

import copy
import inspect
import logging
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from nbflow.engine.effects import Ended
from nbflow.exceptions import OptionError
from nbflow.running.caching import STORE_LOCK, store_of
from nbflow.running.hooks import Hook, Hooked
from nbflow.running.scope import present_scope
from nbflow.store.digests import key_digest
from nbflow.task_runners.awaiting import awaited_here
from nbflow.task_runners.base import TaskCall

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from nbflow.running.runs import Run
    from nbflow.store.protocol import Store

_log: Final = logging.getLogger("nbflow")
_MISSING: Final = object()


class CommitMode(Enum):
    """When a transaction commits: at its own end, at that of the outermost one, or only by `commit()`."""

    EAGER = "eager"
    LAZY = "lazy"
    OFF = "off"


class IsolationLevel(Enum):
    """What a transaction sees of others: whatever these have committed."""

    READ_COMMITTED = "read committed"
    SERIALIZABLE = "serializable"


class TransactionState(Enum):
    """Where a transaction stands."""

    PENDING = "pending"
    ACTIVE = "active"
    STAGED = "staged"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"


@dataclass(eq=False, slots=True)
class Transaction:
    """Work that is committed or rolled back as a whole.

    Args:
        name: What people call it.
        parent: The transaction around it.
        mode: When it commits.
        key: Under what it is remembered that it was committed; empty: not at all.
        store: Where that is remembered.
        on_commit: Called with the transaction when it commits, in this order.
        on_rollback: Called with the transaction when it is rolled back, in reverse order.
        undone: Called when hooks have undone its work.
    """

    name: str = "transaction"
    parent: Transaction | None = None
    mode: CommitMode = CommitMode.LAZY
    key: str = ""
    store: Store | None = None
    on_commit: tuple[Callable[[Transaction], object], ...] = ()
    on_rollback: tuple[Callable[[Transaction], object], ...] = ()
    undone: Callable[[], object] | None = None
    state: TransactionState = TransactionState.PENDING
    _children: list[Transaction] = field(default_factory=list["Transaction"])
    _values: dict[str, Any] = field(default_factory=dict[str, Any])
    _staged: Any = None
    _goes_on: bool = False

    def set(self, name: str, value: Any) -> None:
        """Keep a value for the hooks of this transaction and for those within it."""
        self._values[name] = value

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """A copy of a value that was set here or in a transaction around this one.

        Raises:
            OptionError: If there is none, and no default. It is a `ValueError`.
        """
        if name in self._values:
            return copy.deepcopy(self._values[name])
        if self.parent is not None:
            return self.parent.get(name, default)
        if default is _MISSING:
            raise OptionError(f"the transaction has no value {name!r}; set it with txn.set({name!r}, …)")
        return default

    def stage(self, value: Any) -> None:
        """Say what is kept under the key when it commits."""
        self._staged, self.state = value, TransactionState.STAGED

    def read(self) -> Any:
        """What was kept under the key; None where nothing was."""
        if self.store is None or not self.key:
            return None
        with STORE_LOCK:
            unit = _unit(self.key)
            return self.store.load(unit)[0] if self.store.has(unit) else None

    def is_committed(self) -> bool:
        """Whether it was committed: now, or under its key by an earlier one."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Whether it was rolled back."""
        return self.state is TransactionState.ROLLED_BACK

    def is_staged(self) -> bool:
        """Whether its work is done and waits to be committed."""
        return self.state is TransactionState.STAGED

    def is_active(self) -> bool:
        """Whether its work goes on."""
        return self.state is TransactionState.ACTIVE

    def is_pending(self) -> bool:
        """Whether its work has not begun."""
        return self.state is TransactionState.PENDING

    def begin(self, *, overwrite: bool = False) -> None:
        """Begin the work; one whose key was committed before is committed already."""
        self.state = TransactionState.ACTIVE
        if self.store is not None and self.key and not overwrite:
            with STORE_LOCK:
                if self.store.has(_unit(self.key)):
                    self.state = TransactionState.COMMITTED
        if self.parent is not None:
            self.parent._children.append(self)  # its own kind

    def close(self) -> None:
        """The work is done: commit it now, leave it to the transaction around this one, or undo it."""
        if self._is_over():
            if self._goes_on:
                self._undo_own()
            return
        if self.mode is CommitMode.OFF:
            self.rollback()
            return
        self.state = TransactionState.STAGED
        if self.parent is None or self.mode is CommitMode.EAGER:
            self.commit()

    def commit(self) -> bool:
        """Commit what is within, then this; return whether it is committed.

        A hook that raises rolls this transaction back, and no other.
        """
        if self._is_over():
            return self.is_committed()
        for child in self._children:
            if child.is_staged():
                child.commit()
        try:
            for hook in self.on_commit:
                _call(hook, self)
            self._write()
        except Exception:  # noqa: BLE001  # a hook is user code
            _log.exception("a hook of %s raised when it was committed; it is rolled back", self.name)
            self._undo()
            return False
        self.state = TransactionState.COMMITTED
        return True

    def rollback(self) -> bool:
        """Undo this, what is within, and with it the transactions around; return whether that was due."""
        if self._is_over():
            return False
        outermost = self
        while outermost.parent is not None and not outermost.parent._is_over():
            outermost = outermost.parent
        outermost._undo()
        return True

    def _is_over(self) -> bool:
        return self.state in (TransactionState.COMMITTED, TransactionState.ROLLED_BACK)

    def _undo(self) -> None:
        """Undo the last work first; the task that failed has no work to undo."""
        is_done, self._goes_on = self.is_staged(), self.is_active()
        self.state = TransactionState.ROLLED_BACK
        if is_done:
            self._undo_own()
        for child in reversed(self._children):
            if not child._is_over():
                child._undo()

    def _undo_own(self) -> None:
        self._goes_on = False
        for hook in reversed(self.on_rollback):
            self._undo_by(hook)
        if self.on_rollback and self.undone is not None:
            self.undone()

    def _undo_by(self, hook: Callable[[Transaction], object]) -> None:
        try:
            _call(hook, self)
        except Exception:  # noqa: BLE001  # the others have to be undone all the same
            name = getattr(hook, "__name__", repr(hook))
            _log.exception("hook %s raised when %s was rolled back; the others are called", name, self.name)

    def _write(self) -> None:
        if self.store is not None and self.key:
            with STORE_LOCK:
                reason = self.store.replace(_unit(self.key), (self._staged,))
            if reason:
                _log.warning("nobody will know that %r was committed: %s", self.key, reason)


_PRESENT: Final[ContextVar[Transaction | None]] = ContextVar("nbflow_transaction", default=None)


def get_transaction() -> Transaction | None:
    """The innermost transaction here; None outside of any."""
    return _PRESENT.get()


@contextmanager
def transaction(
    key: str | None = None,
    store: Store | None = None,
    commit_mode: CommitMode | None = None,
    isolation_level: IsolationLevel | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
) -> Generator[Transaction]:
    """Let the tasks called within succeed together, or be undone together.

    Args:
        key: Under what it is remembered that this was committed; `is_committed()` tells so next time.
        store: Where that is remembered; by default with the results of the flow.
        commit_mode: When it commits; by default as the transaction around it, else at its end.
        isolation_level: Only `READ_COMMITTED` exists.
        overwrite: Whether what is remembered under the key does not count.
        write_on_commit: Whether it is remembered.

    Raises:
        OptionError: If the isolation level cannot be had.

    Example:
        >>> from nbflow import task
        >>> @task
        ... def write(name):
        ...     return name
        >>> @write.on_rollback
        ... def remove(txn):
        ...     print("removed")
        >>> with transaction() as txn:
        ...     write("a.txt")
        ...     txn.rollback()
        'a.txt'
        removed
        True
    """
    if isolation_level is IsolationLevel.SERIALIZABLE:
        raise OptionError("transactions are not serializable here; leave isolation_level out")
    parent = get_transaction()
    mode = commit_mode or (parent.mode if parent is not None else CommitMode.LAZY)
    kept = (store or store_of(present_scope().records)) if key and write_on_commit else None
    made = Transaction("transaction", parent, mode, key or "", kept)
    made.begin(overwrite=overwrite)
    with entered(made):
        try:
            yield made
        except BaseException:
            made.rollback()
            raise
        made.close()


@contextmanager
def entered(present: Transaction | None) -> Generator[None]:
    """Make a transaction the innermost one for a while; None changes nothing."""
    if present is None:
        yield
        return
    token = _PRESENT.set(present)
    try:
        yield
    finally:
        _PRESENT.reset(token)


def transaction_of(run: Run, undone: Callable[[], object]) -> Transaction | None:
    """The transaction that a run of a task is; None where nobody would notice.

    Args:
        run: The run.
        undone: Called when its hooks have undone what it did.
    """
    options, parent = run.of.options, get_transaction()
    if parent is None and not options.on_commit:
        return None
    made = Transaction(
        run.name, parent, CommitMode.LAZY, on_commit=options.on_commit, on_rollback=options.on_rollback
    )
    made.undone = undone
    made.begin()
    return made


def settle(present: Transaction, run: Run) -> None:
    """Decide what becomes of the transaction of a run that has ended, or waits."""
    state = run.state
    if state.name == "Completed":
        present.close()
    elif state.is_final() and not state.is_completed():
        present.rollback()


class Transactional(Hooked):
    """A template of runs to which hooks for transactions can be added as well."""

    def on_commit(self, hook: Hook) -> Hook:
        """Have `hook(transaction)` called when a run of it is committed."""
        return self._added("on_commit", hook)

    def on_rollback(self, hook: Hook) -> Hook:
        """Have `hook(transaction)` called when a run of it is rolled back."""
        return self._added("on_rollback", hook)


def _unit(key: str) -> str:
    return key_digest("transaction", key)


def _call(hook: Callable[[Transaction], object], present: Transaction) -> None:
    answer = hook(present)
    if inspect.isawaitable(answer):
        report = awaited_here(TaskCall(present.name, present.name, lambda: answer, awaits=True))
        if report.ended is not Ended.RETURNED:
            raise report.value if isinstance(report.value, Exception) else RuntimeError(report.value)
