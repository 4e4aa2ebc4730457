"""Secrets against the adversary: nothing that is shown or stored contains one."""

# ruff: noqa: E501 - a cell stays one line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nbflow import Secret, digest
from nbflow.secrets import HIDDEN, Secrets
from tests.cells import causes, change, opened
from tests.kernels import Kernel

if TYPE_CHECKING:
    from pathlib import Path

HIDDEN_TEXTS = (
    "tok3n-of-a-name-1f0c",
    "pa55word/of+a/parameter",
    "held-by-Secret-77aa",
    "held-by-SecretStr-88bb",
    "in-the-environment-99cc",
    "inner-pa55word-11dd",
)
NAME, PARAMETER, OBJECT, PYDANTIC, ENVIRONMENT, INNER = HIDDEN_TEXTS
CELLS = {
    "load": "%load_ext nbflow",
    "imports": "import os\nfrom nbflow import Secret\nfrom pydantic import SecretStr",
    "name": f"API_TOKEN = {NAME!r}\nDB_CREDENTIALS = {{'user': 'ann', 'password': {INNER!r}}}",
    "params": f"# @params\nPASSWORD = {PARAMETER!r}\nYEAR = 2013",
    "object": f"login = Secret({OBJECT!r})\nother = SecretStr({PYDANTIC!r})",
    "uses": "#@task\nlengths = [len(API_TOKEN), len(PASSWORD), len(login.get()), len(other.get_secret_value())]",
    "prints": "#@task\nprint('token', API_TOKEN, PASSWORD, login.get(), os.environ['SERVICE_SECRET'])\nprinted = 1",
    "shows": "#@task\nshown = 2\n{'auth': API_TOKEN, 'all': DB_CREDENTIALS}",
    "holds": "#@task\nheaders = {'Authorization': f'Bearer {API_TOKEN}'}\nboth = [login, other]",
    "fails": "#@task\nfailing = 1\nraise ValueError(f'refused {API_TOKEN}')",
    "helper": "def ask(token=API_TOKEN): return len(token)\ndef key(): return DB_CREDENTIALS",
    "calls": "#@task\nanswer = ask() + len(key())",
}


def stored(folder: Path) -> dict[str, bytes]:
    """The bytes of every file of the store, but for those of the user's key."""
    files = (path for path in (folder / ".nbflow").rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


class TestInAKernel:
    """A whole session with secrets."""

    @pytest.mark.process
    def test_no_byte_of_the_store_tells_one(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Names, parameters, environment, `Secret` and `SecretStr`; prints, results, errors, sources, history."""
        monkeypatch.setenv("SERVICE_SECRET", ENVIRONMENT)
        with Kernel(tmp_path) as kernel:
            kernel.set(**CELLS)
            for cell in CELLS:
                assert kernel.run(cell).error in ("", f"ValueError: refused {NAME}")
            kernel.run("name", CELLS["name"].replace("ann", "bob"))
            told = [kernel.execute(f"%flow {word}").text for word in ("status", "history", "plan", "params")]
            told += [kernel.execute(f"%flow why {task}").text for task in ("uses", "fails", "holds", "calls")]
            told.append(kernel.execute("%flow").text)
            for cell in ("prints", "shows", "uses", "holds"):
                told.append(kernel.run(cell).text.partition(f"{cell}:")[2])
            found = [text for text in HIDDEN_TEXTS for said in told if text in said]
            assert found == []
            kernel.restart()
            again = kernel.run_all()[:-3]
            replayed = next(shown for shown in again if "token" in shown.text)
            assert NAME not in replayed.text
            assert replayed.text.count(HIDDEN) >= 3
        bytes_of = stored(tmp_path)
        leaks = [
            (path, text) for path, data in bytes_of.items() for text in HIDDEN_TEXTS if text.encode() in data
        ]
        assert leaks == []
        assert any(b"refused" in data for data in bytes_of.values())
        assert any(b"params" in data for data in bytes_of.values())


class TestInANotebook:
    """What depends on a secret."""

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("API_KEY = 'sk-abcdef-1'", "API_KEY = 'sk-abcdef-2'"),
            (
                "from nbflow import Secret\nlogin = Secret('one-secret')",
                "from nbflow import Secret\nlogin = Secret('two-secret')",
            ),
            (
                "from pydantic import SecretStr\nlogin = SecretStr('one-secret')",
                "from pydantic import SecretStr\nlogin = SecretStr('two-secret')",
            ),
        ],
    )
    def test_another_secret_is_another_input(self, first: str, second: str) -> None:
        """The same one again is none; the cause shows neither."""
        reader = "x = len(str(API_KEY))" if "API_KEY" in first else "x = [login]\nx = len(x)"
        notebook, (cell, task) = opened(first, reader, plain=(0,))
        change(notebook, cell, first)
        assert notebook.verdict(task).value == "fresh"
        change(notebook, cell, second)
        ((category, subject),) = causes(notebook, task)
        cause = notebook.judgement(task).causes[0]
        assert (category, subject in ("API_KEY", "login")) == ("input", True)
        assert "secret" not in cause.before + cause.after
        assert "sk-" not in cause.before + cause.after

    def test_a_parameter_that_looks_secret_is_not_told(self) -> None:
        """By whatever is known of its slot."""
        notebook, _ = opened("x = 1")
        parameters = notebook.add_parameters("PASSWORD = 'default-one'")
        task = notebook.add("n = len(PASSWORD)")
        notebook.run(parameters)
        notebook.run(task)
        notebook.set(PASSWORD="given-later-5")
        assert "given" not in str(notebook.judgement(task).causes) + str(
            notebook.judgement(parameters).causes
        )
        assert HIDDEN in str(notebook.judgement(parameters).causes)


class TestTexts:
    """Masking."""

    def test_every_form_of_a_secret_is_masked(self) -> None:
        """As Python, JSON and HTML write it."""
        known, text = Secrets(), 'a<b>"c"\'d\\e'
        known.meet(text)
        for form in (text, repr(text), json.dumps(text), "a&lt;b&gt;&quot;c&quot;&#x27;d\\e"):
            assert HIDDEN in known.masked(f"it is {form}!")

    def test_common_words_under_doubtful_names_are_no_secrets(self) -> None:
        """A column called `category` in a variable `key` is shown; a password is not, whatever it says."""
        known = Secrets()
        known.meet_named({"key": "category", "token": "the", "sort_keys": ["a", "b"], "PASSWORD": "hunter"})
        assert known.masked("category the a hunter") == f"category the a {HIDDEN}"

    def test_a_secret_shows_itself_to_nobody(self) -> None:
        """Nor does its digest tell what it is."""
        assert [str(Secret("abcde")), repr(Secret("abcde")), f"{Secret('abcde')}"] == [
            HIDDEN,
            f"Secret({HIDDEN})",
            HIDDEN,
        ]
        assert Secret("abcde") == Secret("abcde") != Secret("abcdf")
        assert digest(Secret("abcde")) == digest(Secret("abcde")) != digest("abcde")
