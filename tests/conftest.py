"""What holds for all tests."""

from __future__ import annotations

import decimal
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from nbflow.secrets import KNOWN
from tests.kernel_job import Job
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab import Lab

# How long an example takes depends on who else uses the machine.
settings.register_profile("developer", deadline=None)
# What lands must not hang on luck; searching with ever new examples is for developers.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture(autouse=True)
def no_secrets_of_others() -> Iterator[None]:
    """What one test holds for a secret is none in the next."""
    yield
    KNOWN.forget()


@pytest.fixture(autouse=True)
def no_settings_of_others() -> Iterator[None]:
    """What one test sets of `decimal` is not set in the next."""
    with decimal.localcontext():
        yield


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[None]:
    """A folder to work in; path of imports, environment and modules of games are put back after it."""
    folder, path, bytecode = Path.cwd(), list(sys.path), sys.dont_write_bytecode
    environment = dict(os.environ)
    sys.dont_write_bytecode = True
    os.chdir(tmp_path)
    yield
    os.chdir(folder)
    sys.path[:] = path
    sys.dont_write_bytecode = bytecode
    os.environ.clear()
    os.environ.update(environment)
    for name in ("library", "nbflow_own"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One JupyterLab and one browser for all tests of a file."""
    from tests.lab import running_lab  # few tests need it, and what it imports

    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all tests of a file; each begins anew in it."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def asking_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """The same of a kernel that may ask the user something, as one with a front end may."""
    with Kernel(tmp_path_factory.mktemp("kernel"), asks=True) as kernel:
        yield kernel


@pytest.fixture
def job(kernel: Kernel, tmp_path: Path) -> Job:
    """The job after its first run."""
    folder = tmp_path / "job"
    folder.mkdir()
    job = Job(kernel, folder)
    job.run_all()
    return job
