"""The kinds environment and package."""

from __future__ import annotations

import importlib
import os
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbflow.store.installed import PackageKind, package_version
from nbflow.store.variables import EnvironmentKind, environment_digest
from nbflow.types import UNBOUND

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, distribution: str, version: str, *modules: str) -> None:
    """Install a distribution, replacing any other version of it."""
    folder = distribution.replace("-", "_")
    for old in site.glob(f"{folder}-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = site / f"{folder}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "top_level.txt").write_text("\n".join(modules))
    for module in modules:
        (site / f"{module}.py").write_text(f"__version__ = {version!r}\n")
    # The file system's clock may be too coarse to show two installations of one test.
    os.utime(site, ns=(0, site.stat().st_mtime_ns + int(float(version) * 1e9)))
    importlib.invalidate_caches()


class TestEnvironmentDigest:
    """Digests of environment variables."""

    def test_follows_the_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Equal values have equal digests, others others, none is unbound."""
        digests: list[str] = []
        for value in ("one", "two", "one", ""):
            monkeypatch.setenv("NBFLOW_TEST", value)
            digests.append(environment_digest("NBFLOW_TEST", b"key"))
        monkeypatch.delenv("NBFLOW_TEST")
        assert digests[0] == digests[2]
        assert len({*digests, environment_digest("NBFLOW_TEST", b"key")}) == 4
        assert environment_digest("NBFLOW_TEST", b"key") == UNBOUND

    def test_depends_on_key_and_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """So that a value cannot be guessed from its digest, nor found under another name."""
        monkeypatch.setenv("NBFLOW_A", "v")
        monkeypatch.setenv("NBFLOW_B", "v")
        digests = {environment_digest("NBFLOW_A", b"1"), environment_digest("NBFLOW_A", b"2")}
        assert len({*digests, environment_digest("NBFLOW_B", b"1")}) == 3

    def test_long_keys_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key may have any length."""
        monkeypatch.setenv("NBFLOW_A", "v")
        assert len(environment_digest("NBFLOW_A", b"k" * 100)) == 32

    @given(TEXTS)
    def test_takes_any_value(self, value: str) -> None:
        """Whatever a variable may hold has a digest that does not show it."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NBFLOW_TEST", value)
            digest = environment_digest("NBFLOW_TEST", b"key")
        assert len(digest) == 32
        assert int(digest, 16) >= 0

    def test_the_kind_shows_no_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """People see only whether it is set."""
        monkeypatch.setenv("NBFLOW_A", "hunter2")
        kind = EnvironmentKind(b"key")
        assert kind.show("NBFLOW_A") == "•••"
        assert kind.show("NBFLOW_NONE") == "not set"
        assert kind.now("NBFLOW_A") == environment_digest("NBFLOW_A", b"key")


class TestPackageVersion:
    """Versions of installed packages."""

    def test_by_module_and_by_distribution(self) -> None:
        """Both names of a package lead to its version."""
        version = metadata.version("scikit-learn")
        assert package_version("sklearn") == package_version("scikit-learn") == version

    def test_of_python_and_of_nothing_is_empty(self) -> None:
        """The standard library has Python's version, which the key holds anyway."""
        assert [package_version(name) for name in ("os", "no_such_package", "", "..")] == [""] * 4

    def test_a_module_is_not_another_distribution_of_that_name(self, site: Path) -> None:
        """The distribution that holds the module counts, not the one that is called like it."""
        install(site, "nbpkg", "1.0", "something_else")
        install(site, "other", "2.0", "nbpkg")
        assert package_version("nbpkg") == "2.0"

    def test_shared_namespaces_name_all(self, site: Path) -> None:
        """Several distributions may fill one package."""
        for name in ("ns-one", "ns-two"):
            install(site, name, "1.0", "nbspace")
        assert package_version("nbspace") == "ns-one 1.0, ns-two 1.0"

    def test_an_upgrade_is_seen(self, site: Path) -> None:
        """What was looked up before is forgotten when something is installed."""
        install(site, "nbpkg", "1.0", "nbpkg")
        before = package_version("nbpkg")
        install(site, "nbpkg", "2.0", "nbpkg")
        assert [before, package_version("nbpkg")] == ["1.0", "2.0"]

    @pytest.mark.parametrize("looked_before", [True, False])
    def test_loaded_code_keeps_its_version(self, site: Path, looked_before: bool) -> None:
        """An upgrade beneath a loaded package does not change what the body runs."""
        install(site, "nbpkg", "1.0", "nbpkg")
        importlib.import_module("nbpkg")
        try:
            if looked_before:
                assert package_version("nbpkg") == "1.0"
            install(site, "nbpkg", "2.0", "nbpkg")
            assert package_version("nbpkg") == "1.0"
        finally:
            del sys.modules["nbpkg"]

    def test_an_upgrade_before_loading_counts(self, site: Path) -> None:
        """A version looked up before the package was loaded binds nobody."""
        install(site, "nbpkg", "1.0", "nbpkg")
        assert package_version("nbpkg") == "1.0"
        install(site, "nbpkg", "2.0", "nbpkg")
        importlib.import_module("nbpkg")
        try:
            assert package_version("nbpkg") == "2.0"
        finally:
            del sys.modules["nbpkg"]

    def test_the_kind_answers_unbound_for_nothing(self) -> None:
        """A package that is not installed has no content."""
        kind = PackageKind()
        assert kind.now("no_such_package") == UNBOUND
        assert kind.show("no_such_package") == "not installed"
        assert kind.now("sklearn") == kind.show("sklearn") == package_version("sklearn")
