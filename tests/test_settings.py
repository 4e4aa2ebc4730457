"""Settings: their values and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nbflow.exceptions import OptionError
from nbflow.settings import Settings, read_settings, read_size

if TYPE_CHECKING:
    from pathlib import Path


class TestSize:
    """How much the store may take."""

    @pytest.mark.parametrize("text", ["", "GB", "-1 GB", "20 XB", "a lot"])
    def test_what_is_no_size(self, tmp_path: Path, text: str) -> None:
        """Is refused with where it comes from."""
        with pytest.raises(OptionError, match="is no size"):
            read_size(text)
        with pytest.raises(OptionError, match=r"NBFLOW_SIZE_LIMIT: .* is no size"):
            read_settings(tmp_path, {"NBFLOW_SIZE_LIMIT": text})

    def test_it_is_read_from_the_project(self, tmp_path: Path) -> None:
        """As every setting is."""
        (tmp_path / "pyproject.toml").write_text('[tool.nbflow]\nsize_limit = "500 MB"\n')
        assert read_size(read_settings(tmp_path, {}).settings.size_limit) == 500_000_000


class TestPlain:
    """Which plain cells the flow may start."""

    def test_the_environment_and_the_project(self, tmp_path: Path) -> None:
        """The environment wins; a word that there is not is refused."""
        (tmp_path / "pyproject.toml").write_text('[tool.nbflow]\nplain = "manual"\n')
        assert read_settings(tmp_path, {}).settings.plain == "manual"
        assert read_settings(tmp_path, {"NBFLOW_PLAIN": "quiet"}).settings.plain == "quiet"
        with pytest.raises(OptionError, match=r"NBFLOW_PLAIN: unknown plain 'no'"):
            read_settings(tmp_path, {"NBFLOW_PLAIN": "no"})


class TestHome:
    """Where the store is."""

    def test_beside_the_notebook_or_where_it_was_set(self, tmp_path: Path) -> None:
        """A tilde is the user's own folder."""
        assert Settings().store_in(tmp_path) == tmp_path / ".nbflow"
        assert "~" not in str(Settings(home="~/store").store_in(tmp_path))
