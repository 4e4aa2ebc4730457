"""Environment variables that modules of the user's own ask for while they are imported, in a real kernel."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.kernel_job import Job, bare
from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

LOAD = {"ext": "%load_ext nbflow"}
VARIABLES = ("NBI_API", "NBI_PATH", "NBI_STAGE")
CONFIG = "import os\nAPI = os.environ.get('NBI_API', 'none')\nDEBUG = os.getenv('NBI_DEBUG', '0') == '1'\n"
MODULES = {
    "config": CONFIG,
    "around": "from config import API\n",
    "caller": "from reader import read\nAPI = read('NBI_API')\n",
    "reader": "import os\ndef read(name):\n    return os.environ.get(name, 'none')\n",
    "later": (
        "def by_module():\n    import config\n    return config.API\n"
        "def by_name():\n    from config import API\n    return API\n"
    ),
    "staged": "import os\nos.environ.setdefault('NBI_STAGE', 'dev')\nSTAGE = os.environ['NBI_STAGE']\n",
    "needs": "import os\nKEY = os.environ['NBI_API'] if os.environ['NBI_API'] != 'bad' else 1 / 0\n",
    "first": "import os\nos.environ['NBI_PATH'] = P = 'first:' + os.environ.get('NBI_PATH', '')\n",
    "second": "import os\nos.environ['NBI_PATH'] = P = 'second:' + os.environ.get('NBI_PATH', '')\n",
    "whole": "import os\nAPI = [value for name, value in os.environ.items() if name == 'NBI_API']\n",
    "pack/__init__": "NAME = 'pack'\n",
    "pack/inner/__init__": "from .deep import API\n",
    "pack/inner/deep": "from .. import NAME\n" + CONFIG,
}
TRUTH = """
import json, os, sys
sys.path.insert(0, os.getcwd())
names = {"__name__": "__main__"}
for cell in json.load(sys.stdin):
    exec(cell, names)
print(json.dumps({name: value for name, value in names.items() if name in sys.argv}))
"""

SET_BETWEEN = {
    "a": "#@task a\nfrom config import API\na = API * 2",
    "p": "import os\nos.environ['NBI_API'] = 'later'",
    "b": "#@task b\nfrom config import API\nb = API * 3",
}


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel that is going to be restarted."""
    with Kernel(tmp_path, asks=True) as kernel:
        yield kernel


@pytest.fixture
def book(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A folder with modules, and none of the variables set."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return Notebook(kernel, tmp_path, monkeypatch)


class Notebook:
    """A notebook that is run in one kernel after the other, each with other variables.

    Args:
        kernel: The kernel.
        folder: Where its modules are.
        patch: Sets variables.
    """

    def __init__(self, kernel: Kernel, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.kernel, self.folder, self.patch = kernel, folder, patch
        self.job = Job(kernel, folder, LOAD)
        for name, text in MODULES.items():
            path = folder / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def open(self, cells: dict[str, str], *, above: dict[str, str] | None = None) -> None:
        """Begin the notebook; some cells may stand above the one that loads nbflow."""
        self.kernel.cells = {**(above or {}), **LOAD, **cells}
        self.kernel.save()

    def restart(self, **variables: str) -> list[str]:
        """Restart the kernel with these variables, run all, and return the cells whose code ran."""
        for name, value in variables.items():
            self.patch.setenv(name, value)
        self.kernel.restart()
        ran = self.job.run_all()
        assert not self.job.shown.error, self.job.shown.error
        self.compare()
        return ran

    def compare(self) -> None:
        """Fail where something that is called fresh is not what plain Python gives in a new process."""
        verdicts, truth = self.verdicts(), self.truth()
        names = [name for name in truth if verdicts.get(name, "fresh") == "fresh"]
        assert {name: self.value(name) for name in names} == {name: truth[name] for name in names}

    def truth(self) -> dict[str, object]:
        """What plain Python gives, for the names that tasks are called by."""
        cells = [bare(text) for text in self.kernel.cells.values()]
        done = subprocess.run(
            [sys.executable, "-B", "-c", TRUTH, *self.kernel.cells],
            input=json.dumps(cells),
            capture_output=True,
            text=True,
            check=True,
            cwd=self.folder,
        )
        return dict(json.loads(done.stdout))

    def verdicts(self) -> dict[str, str]:
        """The verdict of each step."""
        return dict(json.loads(self.kernel.probe("standing()"))["verdicts"])

    def value(self, name: str) -> object:
        """What a name holds in the kernel."""
        return ast.literal_eval(self.kernel.ask(f"repr({name})"))


A = {
    "from": {"a": "#@task a\nfrom config import API\na = API * 2"},
    "as": {"a": "#@task a\nimport config as c\na = c.API * 2"},
    "in a function": {"a": "#@task a\ndef f():\n    from config import API\n    return API\na = f() * 2"},
    "helper": {"i": "def f():\n    import config\n    return config.API", "a": "#@task a\na = f() * 2"},
    "helper by name": {
        "i": "def f():\n    from config import API\n    return API",
        "a": "#@task a\na = f() * 2",
    },
    "plain": {"i": "import config", "a": "#@task a\na = config.API * 2"},
    "plain by name": {"i": "from config import API", "a": "#@task a\na = API * 2"},
    "around": {"a": "#@task a\nfrom around import API\na = API * 2"},
    "through a function": {"a": "#@task a\nfrom caller import API\na = API * 2"},
    "later": {"i": "import later", "a": "#@task a\na = later.by_module() * 2"},
    "later by name": {"i": "from later import by_name", "a": "#@task a\na = by_name() * 2"},
    "relative": {"a": "#@task a\nfrom pack.inner import API\na = API * 2"},
    "below": {"a": "#@task a\nimport pack.inner.deep\na = pack.inner.deep.API * 2"},
    "all of them": {"a": "#@task a\nfrom whole import API\na = API * 2"},
}


class TestAnotherValue:
    """A variable is another in the next kernel."""

    @pytest.mark.parametrize("cells", A.values(), ids=list(A))
    def test_reused_only_with_the_same(self, book: Notebook, cells: dict[str, str]) -> None:
        """What uses the module runs again; an older result is found once the old value is back."""
        book.open(cells)
        assert "a" in book.restart(NBI_API="one")
        assert "a" not in book.restart()
        assert "a" in book.restart(NBI_API="two")
        assert "a" not in book.restart()
        assert "a" not in book.restart(NBI_API="one")
        assert set(book.verdicts().values()) == {"fresh"}

    def test_the_second_that_uses_it(self, book: Notebook) -> None:
        """It loads nothing, and hangs on what the module found all the same."""
        cells = {
            "i": "import later",
            "a": "#@task a\na = later.by_module()",
            "b": "#@task b\nb = [later.by_name()]",
        }
        book.open(cells)
        book.restart(NBI_API="one")
        assert book.restart(NBI_API="two") == ["i", "a", "b"]
        assert book.restart() == ["i"]

    def test_why(self, book: Notebook) -> None:
        """It is told whose question it was, and no value."""
        book.open(A["from"])
        book.restart(NBI_API="a1b2c3d4")
        book.patch.setenv("NBI_API", "e5f6a7b8")
        book.kernel.restart()
        book.job.run("ext")
        told = book.job.why("a")
        assert "environment variable NBI_API, which config asks for when it is imported, is another" in told
        assert "a1b2" not in told
        assert "e5f6" not in told

    def test_an_optional_module(self, book: Notebook) -> None:
        """One that could not be loaded counts with what it asked before it failed."""
        body = "try:\n    from needs import KEY\nexcept Exception:\n    KEY = 'none'\na = KEY * 2"
        book.open({"a": f"#@task a\n{body}"})
        assert book.restart() == ["a"]
        assert book.restart() == []
        assert book.restart(NBI_API="two") == ["a"]
        assert book.restart(NBI_API="bad") == ["a"]
        assert book.restart(NBI_API="two") == []


class TestWithinAKernel:
    """A module that is loaded stays what it is."""

    def test_a_hit_that_loads_it(self, book: Notebook) -> None:
        """What a module asks and sets is noted also where nothing has run yet."""
        cells = {
            "a": "#@task a\nfrom staged import STAGE\na = STAGE * 2",
            "b": "#@task b\nimport staged\nb = [staged.STAGE]",
        }
        book.open(cells)
        book.restart()
        book.kernel.restart()
        assert book.job.run("ext", "b") == []
        assert book.verdicts()["b"] == "fresh"

    def test_a_variable_set_later(self, book: Notebook) -> None:
        """Nothing is stale, nothing is loaded anew, as in plain Python."""
        book.open(SET_BETWEEN)
        book.restart(NBI_API="one")
        before = book.kernel.ask("id(__import__('sys').modules['config'])")
        assert book.job.flow() == []
        assert book.job.run("a", "b") == []
        assert book.kernel.ask("id(__import__('sys').modules['config'])") == before
        book.compare()
        assert book.restart() == ["p"]
        assert set(book.verdicts().values()) <= {"fresh", "as of"}

    def test_reload(self, book: Notebook) -> None:
        """It asks anew, and its readers below run again; one above is not what it would be any more."""
        again = "import os, importlib, config\nos.environ['NBI_API'] = '{}'\n_ = importlib.reload(config)"
        book.open({"r": again.format("two"), **A["as"]})
        book.restart(NBI_API="one")
        book.job.run(r=again.format("three"))
        assert book.verdicts()["a"] == "stale"
        book.job.flow()
        assert (book.value("a"), book.verdicts()["a"]) == ("threethree", "fresh")
        book.compare()
        book.open(A["as"])
        book.restart()
        book.job.run(r=again.format("four"))
        assert book.verdicts()["a"] == "as of"

    def test_a_hit_below_a_change(self, book: Notebook) -> None:
        """What was reused would have loaded the module before the variable was set: nothing else is fresh."""
        book.open(SET_BETWEEN)
        book.restart(NBI_API="one")
        book.kernel.set(b="#@task b\nfrom config import API\nb = API * 4")
        book.restart()
        assert book.verdicts() == {"a": "as of", "p": "as of", "b": "as of"}


class TestAnotherOrder:
    """Cells run in another order than they stand in, or one above was not run."""

    def test_a_cell_below_that_ran_first(self, book: Notebook) -> None:
        """The module finds what it would not find at its place: that is not fresh, however often it runs."""
        book.open({"a": USES, "p": SETS})
        book.restart(NBI_API="one")
        book.kernel.restart()
        book.job.run("ext", "p", "a")
        assert book.verdicts()["a"] == "as of"
        book.job.run_all()
        assert book.verdicts()["a"] == "as of"
        book.restart()
        assert book.verdicts()["a"] == "fresh"

    def test_a_cell_above_that_did_not_run(self, book: Notebook) -> None:
        """Nor is it what that cell would have set, even where its last run changed nothing."""
        book.open({"p": SETS, "a": USES})
        book.restart()
        book.job.run_all()
        book.kernel.restart()
        book.job.run("ext", "a")
        assert book.verdicts()["a"] == "as of"
        book.job.run_all()
        book.job.run_all()
        assert book.verdicts()["a"] == "as of"
        book.restart()
        assert book.verdicts()["a"] == "fresh"

    def test_a_cell_between_a_helper_and_its_call(self, book: Notebook) -> None:
        """A function imports when it is called: who sets the variable below its definition is above that."""
        book.open({"h": A["helper"]["i"], "p": SETS, "a": A["helper"]["a"]})
        book.restart()
        book.job.run_all()
        assert set(book.verdicts().values()) == {"fresh"}

    def test_a_cell_above_that_sets_another_value(self, book: Notebook) -> None:
        """The module is loaded, and keeps what it has found."""
        book.open({"p": SETS, "a": USES})
        book.restart()
        book.job.run(p=SETS.replace("cell", "new cell"))
        assert book.verdicts()["a"] == "as of"
        book.restart()
        assert book.verdicts()["a"] == "fresh"


SETS = "import os\nos.environ['NBI_API'] = 'from a cell'"
USES = "#@task a\nfrom config import API\na = API * 2"


class TestWhoSetsIt:
    """A variable that is set in the notebook, or by modules."""

    @pytest.mark.parametrize("cells", [{"p": SETS, "a": USES}, {"a": USES, "p": SETS}])
    def test_a_plain_cell(self, book: Notebook, cells: dict[str, str]) -> None:
        """Above the import it decides, below it nothing."""
        book.open(cells)
        assert "a" in book.restart(NBI_API="one")
        assert "a" not in book.restart()
        is_above = next(iter(cells)) == "p"
        assert ("a" in book.restart(NBI_API="two")) is not is_above
        assert book.verdicts()["a"] == "fresh"

    def test_a_file_that_a_cell_loads(self, book: Notebook) -> None:
        """As `load_dotenv` does."""
        (book.folder / ".env").write_text("one")
        cell = "import os\nfrom pathlib import Path\nos.environ['NBI_API'] = Path('.env').read_text()"
        book.open({"p": cell, "a": USES})
        assert book.restart() == ["p", "a"]
        assert book.restart() == ["p"]
        (book.folder / ".env").write_text("two")
        assert book.restart() == ["p", "a"]

    def test_the_module_itself(self, book: Notebook) -> None:
        """It is no question to itself: who uses it is fresh as soon as it has run, and in the next kernel."""
        book.open({"i": "import staged", "a": "#@task a\nfrom staged import STAGE\na = STAGE * 2"})
        book.restart()
        assert book.verdicts()["a"] == "fresh"
        assert book.restart() == ["i"]
        assert book.verdicts()["a"] == "fresh"
        assert book.restart(NBI_STAGE="prod") == ["i", "a"]

    def test_two_modules(self, book: Notebook) -> None:
        """Each puts something before what it finds."""
        book.open(
            {
                "i": "import first, second",
                "a": "#@task a\nfrom second import P\na = [P]",
                "b": "#@task b\nfrom first import P\nb = [P]",
            }
        )
        book.restart(NBI_PATH="rest")
        assert {book.verdicts()[each] for each in "ab"} == {"fresh"}
        assert book.restart() == ["i"]
        assert {book.verdicts()[each] for each in "ab"} == {"fresh"}
        assert book.restart(NBI_PATH="other") == ["i", "a", "b"]
        book.kernel.set(i="import second, first")
        assert book.restart() == ["i", "a", "b"]


class TestBeforeNbflow:
    """A module that was loaded before nbflow was."""

    @pytest.mark.parametrize(("module", "name"), [("config", "API"), ("around", "API")])
    def test_its_text_tells(self, book: Notebook, module: str, name: str) -> None:
        """What it asks for is compared as it was when nbflow came."""
        book.open(
            {"a": f"#@task a\nfrom {module} import {name}\na = {name} * 2"}, above={"i": f"import {module}"}
        )
        assert "a" in book.restart(NBI_API="one")
        assert "a" not in book.restart()
        assert book.verdicts()["a"] == "fresh"
        assert "a" in book.restart(NBI_API="two")
        assert book.job.run(p=SETS) == ["p"]
        assert book.verdicts()["a"] == "fresh"


class TestWorkers:
    """A body runs in another process."""

    def test_what_it_imports_there(self, book: Notebook) -> None:
        """It hangs on what the module found in the worker."""
        book.open({"a": "#@task a --runner process\nfrom config import API\na = API * 2"})
        for value in ("one", "two", "one"):
            book.restart(NBI_API=value)
            assert set(book.verdicts().values()) == {"fresh"}
