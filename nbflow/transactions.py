"""Transactions, under the names that Prefect 3 has for them; see `nbflow.running.transactions`."""

from __future__ import annotations

from nbflow.running.transactions import (
    CommitMode,
    IsolationLevel,
    Transaction,
    TransactionState,
    get_transaction,
    transaction,
)

__all__ = [
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "get_transaction",
    "transaction",
]
