"""Secrets: which values are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from nbflow.secrets import KNOWN, Secret, Secrets, hides, looks_secret
from nbflow.store.disk import DiskStore

if TYPE_CHECKING:
    from pathlib import Path


class TestNames:
    """Names that tell that a value is a secret."""

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "API_TOKEN",
                "password",
                "aws_secret_access_key",
                "db_passwd",
                "credentials",
                "APIKEY",
                "authToken",
            ),
            *("x-api-key", "privateKey", "AWSSecretKey", "sshkey", "PGPASSWORD", "mysecret", "passphrase"),
        ],
    )
    def test_a_name_may_tell(self, name: str) -> None:
        """By one of its words."""
        assert looks_secret(name)

    @pytest.mark.parametrize(
        "name", ["monkey_count", "turkey", "late", "passengers", "Hockey", "whiskey", "_", ""]
    )
    def test_other_names_do_not(self, name: str) -> None:
        """Words that only contain such a word."""
        assert not looks_secret(name)


class TestInContent:
    """Bytes that are to be stored."""

    def test_as_text_of_any_width_and_at_any_place(self) -> None:
        """Also where the content is longer than what is looked through at once."""
        known = Secrets()
        assert not known.are_in(b"pa55word")
        known.meet("pa55word")
        assert known.are_in(memoryview(bytes((1 << 20) - 3) + b"pa55word"))
        assert known.are_in(np.array(["my pa55word"]).tobytes())
        assert not known.are_in(b"password")

    @pytest.mark.parametrize("value", [987654321, bytearray(b"987654321"), {"a": [[[["987654321"]]]]}])
    def test_a_value_that_is_no_text(self, value: object) -> None:
        """Where it surely is a secret, it is one however deep."""
        known = Secrets()
        known.meet(value)
        assert known.masked("is 987654321") == "is •••"

    def test_types_that_hide_their_values(self) -> None:
        """Those made from them as well."""
        assert hides(type("Own", (Secret,), {}))
        assert not hides(int)


class TestInSource:
    """What stands in code is a secret before it runs."""

    @pytest.mark.parametrize(
        "source",
        [
            "API_TOKEN = 'sk-1234567890'",
            "api.token: str = 'sk-1234567890'",
            "post(url, headers={'X_token': 'sk-1234567890'})",
            "login(password='sk-1234567890')",
            "environ['API_KEY'] = 'sk-1234567890'",
            "s = nbflow.Secret(['sk-1234567890'])",
        ],
    )
    def test_by_the_name_that_it_gets(self, source: str) -> None:
        """In whatever way."""
        known = Secrets()
        known.meet_source(source)
        assert "1234567890" not in known.masked(source)

    @pytest.mark.parametrize(
        "source", ["token = load('model-12345')", "%load key='abc12345'", "x = 'abc12345'"]
    )
    def test_what_is_none(self, source: str) -> None:
        """Nor what cannot be read."""
        known = Secrets()
        known.meet_source(source)
        assert known.masked(source) == source


class TestStored:
    """What holds a secret has no file and no record."""

    @pytest.mark.parametrize(
        "made",
        [
            "np.array([word] * 3)",
            "np.frombuffer(word.encode() * 3, dtype='u1').copy()",
            "pd.DataFrame({'a': [word] * 3})",
            "pa.table({'a': [word] * 3})",
            "Secret(4711)",
        ],
    )
    def test_a_value_with_buffers(self, made: str, tmp_path: Path) -> None:
        """And one whose content is no text."""
        word = "sk-" + "qwerty-987654"
        KNOWN.meet(word)
        store = DiskStore(tmp_path / "s", namespace={"__name__": "__main__"}, key=bytes(32))
        value = eval(made, {"np": np, "pd": pd, "pa": pa, "Secret": Secret, "word": word})
        assert store.put("unit", (value,)) == "it holds a secret"
        assert not store.has("unit")
        assert store.put("other", (np.arange(3.0),)) == ""
        store.close()
