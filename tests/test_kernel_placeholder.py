"""Every way in which a name reaches code, in a real kernel: it is loaded before, or it raises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.kernels import Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

SEEN: Final = {
    "call argument": ("got = len(R)", 10),
    "keyword argument": ("got = sorted(R, key=len)[0]", "row 0"),
    "f-string": ("got = f'{R}'[:8]", "['row 0'"),
    "str.format": ("got = '{}'.format(R)[:8]", "['row 0'"),
    "attribute": ("got = R.count('row 7')", 1),
    "index": ("got = R[3]", "row 3"),
    "slice": ("got = R[1:3]", ["row 1", "row 2"]),
    "loop": ("for got in R[:-1]: pass", "row 8"),
    "unpacking": ("got, *rest = R", "row 0"),
    "operator": ("got = (R + ['end'])[-1]", "end"),
    "reflected operator": ("got = 2 * R == R * 2", True),
    "comparison": ("got = R == [], R != []", (False, True)),
    "membership": ("got = 'row 5' in R", True),
    "truth": ("got = 'full' if R else 'empty'", "full"),
    "identity": ("got = R is None", False),
    "isinstance": ("got = isinstance(R, list)", True),
    "type": ("got = type(R) is list", True),
    "repr": ("got = repr(R)[:8]", "['row 0'"),
    "comprehension": ("got = [x for x in R if x.endswith('7')][0]", "row 7"),
    "nested comprehension": ("got = sum(1 for _ in range(1) for _ in R)", 10),
    "generator": ("got = next(x for x in R)", "row 0"),
    "lambda": ("got = (lambda: R[1])()", "row 1"),
    "closure": ("def f():\n    def g():\n        return R[1]\n    return g()\ngot = f()", "row 1"),
    "default": ("def f(x=R):\n    return x[1]\ngot = f()", "row 1"),
    "decorator": ("def d(x):\n    return lambda f: x[1]\n@d(R)\ndef got(): pass", "row 1"),
    "class body": ("class C:\n    first = R[0]\ngot = C.first", "row 0"),
    "star": ("def f(*x):\n    return len(x)\ngot = f(*R)", 10),
    "double star": ("def f(**x):\n    return x['a'][0]\ngot = f(**{'a': R})", "row 0"),
    "walrus": ("got = (same := R)[0]", "row 0"),
    "match": ("match R:\n    case [got, *_]: pass", "row 0"),
    "with": ("from contextlib import nullcontext\nwith nullcontext(R) as x: got = x[0]", "row 0"),
    "assert": ("assert R\ngot = 1", 1),
    "raise": ("try:\n    raise ValueError(R)\nexcept ValueError as e:\n    got = e.args[0][0]", "row 0"),
    "item of it": ("R[0] = 'new'\ngot = R[:2]", ["new", "row 1"]),
    "deleting an item": ("del R[0]\ngot = R[0]", "row 1"),
    "augmented assignment": ("R += ['end']\ngot = R[-1]", "end"),
    "deleting": ("del R\ngot = 'R' in globals()", False),
    "global": ("def f():\n    global R\n    R = R[:1]\nf()\ngot = R", ["row 0"]),
    "pickle": ("import pickle\ngot = pickle.loads(pickle.dumps(R))[2]", "row 2"),
    "copy": ("import copy\ngot = copy.copy(R)[2], copy.deepcopy(R)[3]", ("row 2", "row 3")),
    "json": ("import json\ngot = json.dumps(R)[:8]", '["row 0"'),
    "numpy": ("import numpy as np\ngot = np.array(R).shape, np.unique(R).size", ((10,), 10)),
    "pandas": (
        "import pandas as pd\ngot = len(pd.Series(R)), pd.DataFrame({'a': R}).shape",
        (10, (10, 1)),
    ),
    "await": ("async def f(x):\n    return x[0]\ngot = await f(R)", "row 0"),
    "%time": ("%time got = R[0]", "row 0"),
    "%%time": ("%%time\ngot = R[0]", "row 0"),
    "%timeit": ("%timeit -n1 -r1 got_.append(R[0])\ngot = got_[-1]", "row 0"),
    "%%capture": ("%%capture seen\nprint(R[0])\ngot = 1", 1),
    "{} of a shell line": ("said = !echo {R[0]}\ngot = said[0]", "row 0"),
    "$ of a magic line": ("%env NBF=$R\nimport os\ngot = os.environ.pop('NBF')[:8]", "['row 0'"),
    "globals": ("got = globals()['R'][0]", "row 0"),
    "vars": ("got = vars()['R'][0]", "row 0"),
    "exec": ("exec('got = R[0]')", "row 0"),
    "eval": ("got = eval('R[0]')", "row 0"),
    "%run -i": ("%run -i uses.py", "row 0"),
    "%who": ("names = %who_ls\ngot = 'R' in names", True),
    "annotation": ("x: R = 1\ngot = 1", 1),
    "thread": (
        "import threading\nout = []\nt = threading.Thread(target=lambda: out.append(R[0]))\n"
        "t.start()\nt.join()\n"
        "got = out[0]",
        "row 0",
    ),
    "callback of a library": ("got = list(map(lambda i: R[i], [0, 1]))", ["row 0", "row 1"]),
}
"""How a cell reaches a name, and what it has then: the value is loaded before the cell runs."""

MAIN = "import sys\nmain = sys.modules['__main' + '__']"
"""A way to the notebook's names that no text tells."""

HIDDEN: Final = {
    "the shell": ("got = get_ipython().user_ns['{R}'][0]", "row 0"),
    "the shell's evaluation": ("got = get_ipython().ev('{R}[0]')", "row 0"),
    "the main module": ("{MAIN}\ngot = getattr(main, '{R}')[0]", "row 0"),
    "modules": ("import sys\ngot = sys.modules['__main' + '__'].__dict__['{R}'][0]", "row 0"),
    "a frame": ("import inspect\ngot = inspect.currentframe().f_globals['{R}'][0]", "row 0"),
    "a test of its type": ("{MAIN}\ngot = isinstance(getattr(main, '{R}'), list)", True),
    "formatting": ("{MAIN}\ngot = f\"{{getattr(main, '{R}')}}\"[:8]", "['row 0'"),
    "JSON": ("{MAIN}\nimport json\ngot = json.dumps([getattr(main, '{R}')])[:9]", '[["row 0"'),
    "numpy": ("{MAIN}\nimport numpy as np\ngot = np.array(getattr(main, '{R}')).shape", (10,)),
    "numpy, within a list": (
        "{MAIN}\nimport numpy as np\ngot = np.array([getattr(main, '{R}')]).shape",
        (1, 10),
    ),
    "pandas": ("{MAIN}\nimport pandas as pd\ngot = pd.Series(getattr(main, '{R}')).size", 10),
    "pandas, as a column": (
        "{MAIN}\nimport pandas as pd\ngot = pd.DataFrame({{'a': getattr(main, '{R}')}}).shape",
        (10, 1),
    ),
    "pickle": (
        "{MAIN}\nimport pickle\ngot = pickle.loads(pickle.dumps([getattr(main, '{R}')]))[0][0]",
        "row 0",
    ),
    "copy": (
        "{MAIN}\nimport copy\ngot = copy.deepcopy({{'a': getattr(main, '{R}')}})['a'][0]",
        "row 0",
    ),
    "equality": (
        "{MAIN}\ngot = getattr(main, '{R}') == [], [] == getattr(main, '{R}')",
        (False, False),
    ),
    "membership": ("{MAIN}\ngot = getattr(main, '{R}') in [1, 2]", False),
    "a key": ("{MAIN}\ngot = {{1: 2}}.get(getattr(main, '{R}'))", "TypeError"),
    "truth": ("{MAIN}\ngot = bool(getattr(main, '{R}'))", True),
    "joining": ("{MAIN}\ngot = ''.join(getattr(main, '{R}'))[:5]", "row 0"),
    "sorting": ("{MAIN}\ngot = sorted(getattr(main, '{R}'))[-1]", "row 8"),
    "awaiting": ("{MAIN}\ngot = await getattr(main, '{R}')", "TypeError"),
}
"""Ways that no analysis sees: what nobody loaded raises."""


def restarted(folder: Path, count: int) -> Iterator[Kernel]:
    """A kernel in which nothing ran since its restart; names `r0`, `r1`, … have values that must be built."""
    long = "'x' * 300_000"
    lines = [f"r{n} = [f'row {{i}}' for i in range(9)] + ['{n}' + {long}]" for n in range(count)]
    with Kernel(folder) as kernel:
        kernel.set(load="%load_ext nbflow", rows="\n".join(["#@task rows", *lines]))
        assert [shown.error for shown in kernel.run_all()] == ["", ""]
        kernel.restart()
        kernel.run("load")
        kernel.execute("%flow status")
        kernel.ask("get_ipython().user_ns.update(got_=[])")
        assert not any(is_loaded(kernel, f"r{n}") for n in range(count))
        yield kernel


def is_loaded(kernel: Kernel, name: str) -> bool:
    """Whether the value itself stands under a name."""
    return kernel.ask(f"type(get_ipython().user_ns['{name}']).__name__") != "Placeholder"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with a name for each use."""
    yield from restarted(tmp_path_factory.mktemp("seen"), len(SEEN))


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Another one, with a name more, which nobody uses."""
    yield from restarted(tmp_path_factory.mktemp("hidden"), len(HIDDEN) + 1)


class TestSeen:
    """What a cell mentions, or may mention, is loaded before it runs."""

    @pytest.mark.parametrize("use", SEEN)
    def test_it_has_the_value(self, seen: Kernel, use: str) -> None:
        """Whatever is done with it."""
        name, (source, expected) = f"r{list(SEEN).index(use)}", SEEN[use]
        (seen.folder / "uses.py").write_text(f"got = {name}[0]\n")
        shown = seen.execute(source.replace("R", name))
        assert shown.error == ""
        assert seen.ask("got") == expected


class TestHidden:
    """What a cell reaches by ways that nobody sees."""

    @pytest.mark.parametrize("use", HIDDEN)
    def test_it_has_the_value_or_raises(self, hidden: Kernel, use: str) -> None:
        """Never anything else; not even where Python has an answer for any object."""
        name, (source, expected) = f"r{list(HIDDEN).index(use)}", HIDDEN[use]
        hidden.execute("got = None")
        shown = hidden.execute(source.format(R=name, MAIN=MAIN))
        if shown.error:
            is_own = shown.error.startswith("TypeError") and expected == "TypeError"
            assert f"NotLoadedError: {name} is not loaded" in shown.error or is_own, shown.error
        else:
            assert hidden.ask("got") == expected

    def test_its_text_is_honest(self, hidden: Kernel) -> None:
        """Looking at it loads nothing, and completing it raises nothing at the user."""
        name = f"r{len(HIDDEN)}"
        assert hidden.value(f"get_ipython().user_ns['{name}']").startswith(f"<{name} is not loaded")
        for code in (name[:1], f"{name}.", f"{name}[0]."):
            assert hidden._reply(hidden.client.complete(code))["status"] == "ok"
        assert not is_loaded(hidden, name)
