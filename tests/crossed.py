"""Tasks that tests send to workers by their names: importing this is quick."""

from __future__ import annotations

import os
from pathlib import Path

from nbflow import flow, task

FACTOR = 3


@task
def times(x, by=FACTOR):
    """Use a global."""
    return x * by


@task
def place():
    """Where it runs."""
    return os.getpid()


@task
def inner(x):
    """Fail now and then."""
    if x == 2:
        raise ValueError("two")
    return x


@task
def outer(n):
    """Submit tasks within a worker."""
    return [times.submit(x).result() for x in range(n)], os.getpid()


@task
def read(path):
    """Read a file."""
    return Path(path).read_text()


@flow
def reading(path):
    """Read it where tasks run."""
    return read.submit(path).result()
