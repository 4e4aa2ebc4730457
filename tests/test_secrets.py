"""Secrets: which values are never shown."""

from __future__ import annotations

import pytest

from nbflow.secrets import looks_secret


class TestNames:
    """Names that tell that a value is a secret."""

    @pytest.mark.parametrize(
        "name", ["API_TOKEN", "password", "aws_secret_access_key", "db_passwd", "credentials"]
    )
    def test_a_name_may_tell(self, name: str) -> None:
        """By one of its words."""
        assert looks_secret(name)

    @pytest.mark.parametrize("name", ["monkey_count", "turkey", "late", "passengers"])
    def test_other_names_do_not(self, name: str) -> None:
        """Words that only contain such a word."""
        assert not looks_secret(name)
