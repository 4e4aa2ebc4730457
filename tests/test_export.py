"""An exported module does what the cells do from top to bottom as plain Python."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nbflow.exceptions import ExportError
from nbflow.export import CellText, is_untouched, module_of
from nbflow.export.certain import certain
from nbflow.options import read_options
from tests.exports import export, plain, run

if TYPE_CHECKING:
    from pathlib import Path

NOTEBOOKS = {
    "imports, a helper, a constant": (
        "import math\nLATE = 15\n\n\ndef half(x):\n    return x / 2",
        "# @task raw\nraw = [1, 20, 30]",
        "# @task late\nlate = [half(x) for x in raw if x > LATE] + [math.pi]",
        "print(late)",
    ),
    "parameters": (
        "# @params\nN = 3  # how many\nPLACE = 'JFK'",
        "def times(x):\n    return x * N",
        "# @task total\ntotal = sum(times(x) for x in range(N))\nprint(PLACE, total)",
    ),
    "parameters that others bind": (
        "N = 1",
        "# @params\nN = N_ = 3",
        "# @task m\nm = N + N_",
        "N = m",
        "print(N)",
    ),
    "parameters twice": (
        "# @params\n# how many\nN = 1\nA, B = 2, 3\nTEXT = {\n    'x': 1,\n}",
        "# @task a\na = N + A",
        "# @params\nN = 5\nM = 6",
        "# @task b\nb = a + N + M + B",
        "print(b, TEXT)",
    ),
    "a parameter with an annotation and an import": (
        "# @params\nfrom math import tau\nSTART: float = 1\nEND = tau",
        "# @task m\nm = (START, END, type(START).__name__)",
    ),
    "a class": (
        "# @task a\na = 1",
        "from dataclasses import dataclass, field\n\n\n@dataclass\nclass Point:\n    x: int\n"
        "    rest: list = field(default_factory=list)",
        "# @task p\np = Point(a)\np.rest.append(2)",
        "print(p)",
    ),
    "a class that knows a value of a task": (
        "# @task unit\nunit = 3",
        "class Box:\n    size = unit\n\n    def get(self):\n        return self.size * unit",
        "# @task b\nb = Box().get()\nprint(Box)",
    ),
    "a class in a task, and a pickle": (
        "# @task shape\nclass Shape:\n    sides = 3\n\nshape = Shape()",
        "# @task bytes_\nimport pickle\nbytes_ = pickle.loads(pickle.dumps(shape)).sides",
        "print(Shape, bytes_)",
    ),
    "a value changed in place": (
        "# @task rows\nrows = [3, 1, 2]",
        "# @task ordered\nrows.sort()\nordered = True",
        "# @task first\nfirst = rows[0]",
        "print(rows)",
    ),
    "two names for one value": (
        "# @task a\na = [1]",
        "# @task b\nb = a\nheld = {'a': a}",
        "# @task c\nb.append(2)\nc = len(held['a'])",
        "print(a, a is b, held)",
    ),
    "one name again and again": (
        "df = [5, 3, None]",
        "# @task clean\ndf = [x for x in df if x]",
        "# @task more\ndf = df + [len(df)]",
        "df += [9]",
        "# @task ends\nends = df[0], df[-1]",
        "print(df, ends)",
    ),
    "plain cells between tasks": (
        "# @task raw\nraw = [1, 2, 3]",
        "total = sum(raw)\nshare = [x / total for x in raw]\nprint(total)",
        "# @task top\ntop = max(share)",
        "print(top)",
    ),
    "a name that is bound on some ways only": (
        "best = 0",
        "# @task a\nif best > 1:\n    best = 7\nelse:\n    other = 1",
        "# @task b\nfor best in []:\n    print(best)\nb = best + other",
        "print(best, b)",
    ),
    "a name that may not be there at all": (
        "# @task a\na = 1\nif a > 2:\n    extra = 3",
        "# @task b\ntry:\n    b = extra\nexcept NameError:\n    b = 'none'",
        "print(b)",
    ),
    "a name that is deleted": (
        "# @task a\na = 1\nscratch = [1, 2]",
        "# @task b\nb = len(scratch)\ndel scratch",
        "try:\n    print(scratch)\nexcept NameError:\n    print('gone')",
        "# @task c\ntmp = b + 1\nc = tmp * 2\ndel tmp",
    ),
    "a helper that sees what a task has just bound": (
        "# @task rate\nrate = 2",
        "def priced(x):\n    return x * rate",
        "# @task old\nold = priced(10)",
        "# @task new\nrate = 3\nnew = priced(10)",
        "print(old, new, priced(1))",
    ),
    "a function made in a task": (
        "# @task k\nk = 2",
        "# @task scale\ndef scale(x):\n    return x * k",
        "k = 5",
        "# @task m\nm = scale(10)",
        "print(m)",
    ),
    "a helper below its reader": (
        "def outer(x):\n    return inner(x) + 1",
        "# @task a\na = 1",
        "def inner(x):\n    return x * a",
        "# @task b\nb = outer(3)",
    ),
    "global in a helper": (
        "count = 0\n\n\ndef tick():\n    global count\n    count += 1\n    return count",
        "# @task a\na = tick() + tick()",
        "# @task b\nb = count + tick()",
        "print(count)",
    ),
    "a builtin of one's own": (
        "# @task a\na = list((3, 4))",
        "# @task list\nlist = [1]",
        "# @task b\nb = list + a",
        "print(list)",
    ),
    "awaiting": (
        "import asyncio\n\n\nasync def fetched(x):\n    await asyncio.sleep(0)\n    return x * 2",
        "# @task a\na = await fetched(3)",
        "# @task b\nb = a + 1",
        "c = await fetched(b)\nprint(c)",
    ),
    "files": (
        "# @task written\nwith open('rows.csv', 'w') as f:\n    f.write('a,b\\n1\\n')\nwritten = 'rows.csv'",
        "# @task read\nwith open(written) as f:\n    read = f.read().split()\nprint('read')",
        "from pathlib import Path\n\nPath('out.txt').write_text(str(read))",
    ),
    "a module that a task writes": (
        "from pathlib import Path",
        "# @task made\nmade = Path('local_module.py').write_text('X = 5')",
        "import local_module",
        "# @task x\nx = local_module.X + made",
    ),
    "names that the module itself needs": (
        "# @task main\nmain = 1",
        "# @task flow\nflow = main + 1",
        "# @task task\ntask = flow + 1",
        "nbflow = task\nprint(nbflow)",
    ),
    "tasks called as what the module needs": (
        "# @task flow\nx = 1",
        "# @task main\ny = x + 1",
        "# @task asyncio\nimport asyncio\nz = y + await asyncio.sleep(0, 1)",
        "print(x, y, z)",
    ),
    "a task called as Python's word, a builtin, and what it makes": (
        "# @task import\na = 1",
        "# @task print\nb = a + 1",
        "# @task b\nb = b + 1",
        "print(a, b)",
    ),
    "texts of several lines": (
        "# @task page\npage = '''\n<p>\n  one\n</p>\n'''\nmore = f'''\n{page}\n  two'''\n",
        "if True:\n    text = '''\nleft\n    right'''\nprint(page, more, text)",
    ),
    "comments, semicolons, several in a line": (
        "# what this is\nimport math; import json  # both\n\n# the constant\nN = 2;",
        "# @task a\n# first\na = N; b = a + 1  # two\n\n# last\nb;",
        "# only words\n",
        "print(a, b, json.dumps(math.floor(1.5)));",
    ),
    "imports in tasks, one twice": (
        "# @task a\nimport json\nfrom math import floor\n\na = json.dumps([1])",
        "import json\nb = json.loads(a)",
        "# @task c\nimport json\nc = floor(1.5) + len(b)",
    ),
    "a name that is imported from two places": (
        "from math import floor as f",
        "# @task a\na = f(1.5)",
        "# @task b\nfrom math import ceil as f\nb = f(1.5)",
        "print(f(2.5), a, b)",
    ),
    "the order of what is printed": (
        "print('one')",
        "# @params\nN = 3",
        "print('two', N)",
        "print('three')\nX = 4",
        "# @task a\na = X\nprint('four')",
        "print('five')",
        "# @params\nSIX = print('six') or 6\nSEVEN = 7",
        "# @task b\nb = SIX + SEVEN",
    ),
    "matches, walrus, with, try": (
        "# @task a\nimport io\nwith io.StringIO('x') as f:\n    text = f.read()\n"
        "if (n := len(text)) > 0:\n    kind = 'some'\nelse:\n    kind = 'none'\n"
        "a = [y for x in range(3) if (y := x)]",
        "# @task b\nmatch n:\n    case 1:\n        b = 'one'\n    case _:\n        b = 'other'\n"
        "try:\n    c = int('x')\nexcept ValueError as error:\n    c = -1",
        "print(text, kind, n, y, b, c)",
    ),
    "a decorator of one's own": (
        "def cache(f):\n    print('made', f.__name__)\n    return f",
        "# @task a\na = 1\nprint('a')",
        "@cache\ndef double(x):\n    return 2 * x",
        "# @task b\nb = double(a)\nprint(b)",
    ),
    "a class that takes a name over": (
        "# @task unit\nunit = 3",
        "class Box:\n    unit = unit + 1",
        "# @task inner\nclass Inner:\n    unit = unit\n\ninner = Inner.unit + Box.unit",
        "print(Inner.unit, Box.unit, inner)",
    ),
    "global where all is": (
        "global a\na = 1",
        "# @task b\nglobal b\nb = a + 1",
        "print(b)",
    ),
    "annotations that mean nothing": (
        "from __future__ import annotations",
        "# @task a\na = 1",
        "def typed(x: Nothing) -> Nowhere:\n    return x",
        "# @task b\nb = typed(a)",
        "print(typed.__annotations__)",
    ),
    "a lambda that is kept": (
        "weights = {'a': 1}",
        "# @task by\nby = lambda name: weights[name]",
        "# @task weights2\nweights = {'a': 2}\nweights2 = by('a')",
        "print(weights2)",
    ),
    "a generator that is read later": (
        "# @task k\nk = 2",
        "# @task lazily\nlazily = (x * k for x in range(3))",
        "k = 3\nprint(list(lazily))",
    ),
    "constants between tasks": (
        "# @task a\na = [1, 2]",
        "RED, BLUE = 'r', 'b'\nSTYLE = {'line': RED, 'width': 2}",
        "# @task b\nb = [STYLE['line'], BLUE, *a]",
        "STYLE['width'] = 3",
        "print(STYLE, b)",
    ),
    "nothing but plain cells": ("x = 1", "print(x)"),
    "what fails": (
        "# @task a\na = 1\nprint('a')",
        "# @task b\nraise ValueError('wrong')",
        "print('never')",
    ),
    "pandas": (
        "import pandas as pd",
        "# @task df\ndf = pd.DataFrame({'a': [1, None, 3]})",
        "# @task dropped\ndf.dropna(inplace=True)\ndf['b'] = df['a'] * 2",
        "# @task total\ntotal = df.assign(c=lambda d: d.a + d.b).c.sum()",
        "df.head()",
        "print(total, len(df))",
    ),
}

NEEDS_IPYTHON = {
    "magics": (
        (
            "%load_ext nbflow\n%matplotlib inline\nimport math",
            "# @task a\n%time a = math.floor(2.5)\na?",
            "%%time\nb = a + 1\nprint(b)",
            "%flow run",
            "if b:\n    %timeit b + 1\n    c = 1",
            "%%capture\nd = c",
        ),
        "import math\na = math.floor(2.5)\nb = a + 1\nprint(b)\nif b:\n    c = 1\nd = c",
    ),
    "a mapped task": (
        (
            "xs = [3, 4]\nys = [5, 6]\nK = 10",
            "base = len(xs)",
            "# @task m --map x=xs\nm = x * K + base\nprint(x)",
            "# @task pair --map x=xs,y=ys\nlow, high = x, y",
            "print(m[0], m.of(4), list(low), high[(4, 6)], m)",
            "# @task total\ntotal = sum(m)",
        ),
        "from nbflow import MapResult\nxs = [3, 4]\nys = [5, 6]\nK = 10\nbase = 2\n"
        "m = MapResult([32, 42], xs)\n"
        "print(3)\nprint(4)\nlow = MapResult(xs, zip(xs, ys))\nhigh = MapResult(ys, zip(xs, ys))\n"
        "print(m[0], m.of(4), list(low), high[(4, 6)], m)\ntotal = sum(m)",
    ),
    "task functions": (
        (
            "from nbflow import task",
            "raw = [1, 2]",
            "@task(retries=1)\ndef total(raw):\n    print('total')\n    return sum(raw)",
            "@task\ndef twice(total):\n    return total * 2",
            "@task\ndef never(raw):\n    print('never')",
            "# @task m\nm = twice() + total()",
            "print(m, total(), total([5]))",
        ),
        "raw = [1, 2]\nprint('total')\n"
        "total_value = 3\ntwice_value = 6\nm = 9\nprint('total')\nprint(m, 3, 5)",
    ),
    "states and futures that tasks hand on": (
        (
            "from nbflow import Flow, task",
            "@task\ndef one():\n    return 1\n\nwith Flow('graph') as graph:\n    x = one()",
            "# @task state\nstate = graph.run()",
            "# @task held\nheld = [state]",
            "# @task a\na = type(state).__name__, type(held[0]).__name__, state.result[x].result",
            "print(a)",
        ),
        "a = ('State', 'State', 1)\nprint(a)",
    ),
    "flows of the notebook's own": (
        (
            "import nbflow\nfrom nbflow import Flow, flow, task",
            "@task\ndef one():\n    return 1",
            "@flow\ndef both():\n    return one() + 1",
            "# @task a\na = both()",
            "with Flow('graph') as graph:\n    x = one()",
            "b = graph.run().result[x].result\nprint(a, b)",
        ),
        "a = 2\nb = 1\nprint(a, b)",
    ),
}


def compare(folder: Path, cells: tuple[str, ...], expected: str) -> None:
    """Run both, and look at values, prints and files."""
    module = export(folder, *cells)
    made, wanted = run(module, folder / "made"), run(expected, folder / "wanted")
    assert (made.printed, made.error) == (wanted.printed, wanted.error)
    assert {name: text for name, text in made.files.items() if not name.startswith(".")} == wanted.files
    common = made.values.keys() & wanted.values.keys()
    assert {name: made.values[name] for name in common} == {name: wanted.values[name] for name in common}


class TestBehaviour:
    """Values, prints and files, in the order of the notebook."""

    @pytest.mark.parametrize("name", NOTEBOOKS)
    def test_as_plain_python(self, name: str, tmp_path: Path) -> None:
        """A module does what its cells do."""
        compare(tmp_path, NOTEBOOKS[name], plain(NOTEBOOKS[name]))

    def test_no_name_is_undefined(self, tmp_path: Path) -> None:
        """A linter finds nothing in a module but what stood in the cells unused."""
        told = {**NOTEBOOKS, **{name: cells for name, (cells, _) in NEEDS_IPYTHON.items()}}
        del told["annotations that mean nothing"]  # as it says
        for place, cells in enumerate(told.values()):
            folder = tmp_path / str(place)
            folder.mkdir()
            export(folder, *cells)
        rules = ["--isolated", "--select=F", "--ignore=F401,F811,F841"]
        command = [sys.executable, "-m", "ruff", "check", *rules, *map(str, tmp_path.glob("*/nb.py"))]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout

    @pytest.mark.parametrize("name", NEEDS_IPYTHON)
    def test_what_plain_python_has_not_got(self, name: str, tmp_path: Path) -> None:
        """It does what the session would do."""
        cells, expected = NEEDS_IPYTHON[name]
        compare(tmp_path, cells, expected)


def cells_of(*sources: tuple[str, str]) -> list[CellText]:
    """Cells by their headers and bodies; an empty header makes a plain one."""
    texts = enumerate(sources, 1)
    return [
        CellText("task", options.name, body, options)
        if header and (options := read_options(header))
        else CellText("plain", f"cell [{number}]", body)
        for number, (header, body) in texts
    ]


def text_of(*sources: tuple[str, str]) -> str:
    """The module of such cells, without its head."""
    return module_of(cells_of(*sources), "nb.ipynb").text


class TestCertain:
    """What is bound at the end, whichever way was taken."""

    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("while True:\n    a = 1\n    if a: break\nb = 1", "b"),
            ("while x:\n    a = 1", ""),
            ("while (a := x): pass", "a"),
            ("for a in [1, 2]:\n    b = a", "ab"),
            ("for a in [1, 2]:\n    if a: continue\n    b = a", ""),
            ("for a in range(3): b = 1", "ab"),
            ("for a in range(0): b = 1", ""),
            ("if x: a = 1\nelse: raise ValueError\nb = a", "ab"),
            ("if x and (a := 1): pass", ""),
            ("if (a := 1) and x: b = 1", "a"),
            ("try: a = 1\nexcept E: a = 2\nelse: b = 1", "a"),
            ("try: a = 1\nexcept E as e: raise\nfinally: b = 1", "ab"),
            ("try: a = b = 1\nexcept E as e: b = 1", "b"),
            ("with suppress(E): a = 1", ""),
            ("with f() as (a, b): c = 1", "abc"),
            ("a = b = 1\ndel b", "a"),
            ("try: del a\nexcept NameError: pass", ""),
            ("a = [b for b in x if (c := b)]", "a"),
            ("match x:\n    case [a, *b]: c = 1\n    case a: b = c = 1", "abc"),
            ("match x:\n    case [a]: b = 1\n    case _ if x: b = 2", ""),
            ("import a.b, c as d\nfrom e import f", "adf"),
            ("def a(b): c = 1\nclass d: e = 1\nf = lambda: (g := 1)", "adf"),
            ("a: int\nb: int = 1\na2, [c, *d], e.x, f[0] = x\ng += 1", "a2bcdg"),
        ],
    )
    def test_statements(self, source: str, names: str) -> None:
        """Each name is a letter."""
        assert certain(ast.parse(source).body) == frozenset(re.findall(r"[a-z]\d?", names))


class TestText:
    """What a module looks like."""

    def test_options(self) -> None:
        """By their names in `@task`, where they differ from the defaults; what it is for as its docstring."""
        header = (
            "a --retries 2 --retry-delay 10s,1m --timeout 5m --tags x,y --log-prints --cache-for 1h "
            "--cache-validator \"partial_inputs_only(['b'])\" --cache-policy \"DEFAULT - 'b'\" "
            "--description 'What b tells' --run-name 'a of {b}' --on-failure tell --files 'x.csv' --defer"
        )
        text = text_of(("", "def tell(*_): pass\nb = 1"), ("b", "b = b + 1"), (header, "c = b"))
        function = next(node for node in ast.walk(ast.parse(text)) if getattr(node, "name", "") == "a")
        assert isinstance(function, ast.FunctionDef)
        assert ast.unparse(function.decorator_list[0]) == (
            "task(tags=['x', 'y'], retries=2, retry_delay_seconds=[10, 60], timeout_seconds=300, "
            "log_prints=True, cache_for=3600, cache_validator=partial_inputs_only(['b']), "
            "cache_policy=INPUTS + TASK_SOURCE - 'b', task_run_name='a of {b}', on_failure=[tell])"
        )
        assert ast.get_docstring(function) == "What b tells."
        assert "from nbflow.cache_policies import INPUTS, TASK_SOURCE\n" in text
        assert "from nbflow.engine.cache_validators import partial_inputs_only\n" in text
        compile(text, "nb.py", "exec")

    def test_what_nobody_reads_stays_in_its_task(self) -> None:
        """A task hands back what others read, and what it is called after."""
        text = text_of(("a", "rows = [1]\na = sum(rows)\nb = 2"), ("", "print(b)"))
        assert "    return a, b\n" in text

    def test_a_task_that_waits_for_a_person(self) -> None:
        """It is there, and main does not call it."""
        made = module_of(cells_of(("a", "a = 1"), ("send --manual", "sent = print(a)")), "nb.ipynb")
        told = "    # send waits for a person: call it here if it is to run with the rest\n    # send(a)\n"
        assert told in made.text
        assert made.notices == ("send waits for a person under --manual: main does not call it",)

    def test_what_has_no_counterpart_is_told(self) -> None:
        """Commands, and options whose names are made in main."""
        cells = cells_of(
            ("a", "a = [1]"),
            ("", "get_ipython().system('pip install x')\nhook = print if a else None"),
            ("b --on-failure hook --cache-for 1h", "a.append(2)"),
            ("c --effect once", "c = 1"),
        )
        assert module_of(cells, "nb.ipynb").notices == (
            "cell [2]: `!pip install x` is a comment now",
            "b: what it says of its cache is left out, as it changes more than it returns",
            "b: --on-failure is left out, as hook is made in main",
            "c: --effect once happens each time the module is run",
        )

    def test_what_a_notebook_shows_is_told(self) -> None:
        """The line stays, and task functions are tasks as well."""
        function = "from nbflow import task\n@task\ndef total(a): return sum(a)"
        cells = cells_of(("a", "a = [1, 2]\na[:1]"), ("", function), ("", "total();"), ("", "print(a)"))
        made = module_of(cells, "nb.ipynb")
        assert made.tasks == 2
        assert made.notices == ("a module shows nothing by the last line of a cell, print it: a",)
        assert "    a[:1]\n" in made.text

    def test_an_edit_is_noticed(self) -> None:
        """The mark is of the whole text."""
        text = text_of(("a", "a = 1"))
        assert is_untouched(text)
        assert not is_untouched(text.replace("a = 1", "a = 2"))


class TestRefusals:
    """What cannot be right is an error in one line that names the cell."""

    @pytest.mark.parametrize(
        ("cells", "said"),
        [
            ([("", "from math import *")], r"cell \[1\]: `from math import \*` binds names that no text"),
            ([("a", "a = eval('1 + 1')")], r"a calls eval\(…\), which reads or binds names"),
            ([("a", "a = globals()['b']")], r"a calls globals\(…\)"),
            ([("a", "a = _ + 1")], "a uses _, which only IPython keeps"),
            ([("a", "a = b")], "a reads b, which no cell makes; write a cell that does, and run it"),
            ([("a", "a = (")], "a is no Python, line 1"),
            (
                [("", "files = get_ipython().getoutput('ls')")],
                r"cell \[1\]: `files = !ls` is IPython's; write",
            ),
            ([("a", "x = get_ipython()")], "a uses get_ipython"),
            (
                [("", "get_ipython().run_cell_magic('capture', 'out', 'b = 1')")],
                "binds names, which only IPython",
            ),
            (
                [("b --trigger all_failed", "b = 1")],
                "b: --trigger all_failed asks how the tasks above ended",
            ),
            (
                [("a --manual", "a = 1"), ("b", "b = a")],
                "a waits for a person under --manual, and b reads what",
            ),
            (
                [("", "from nbflow.engine import signals"), ("a", "a = 1\nraise signals.SKIP('no')")],
                "a may raise SKIP, which leaves what it makes unbound",
            ),
            (
                [("", "INPUTS = 1"), ("a --cache-for 1h --cache-policy INPUTS+TASK_SOURCE", "a = INPUTS")],
                "INPUTS is a name of the notebook, and an option means nbflow's; rename it",
            ),
            ([("a --after b", "a = 1"), ("b", "b = 2")], "a: --after b, which stands below it"),
            (
                [("", "xs = [1]"), ("m --map x=xs", "if x:\n    m = 1"), ("", "m")],
                "m: --map cannot be exported",
            ),
            (
                [
                    ("", "from nbflow import task\n@task\ndef f(): return 1\ndef g(): return f()"),
                    ("a", "a = g()"),
                ],
                r"cell \[1\] reads f\(\) inside a function, where main cannot hand its value over",
            ),
            (
                [("", "from nbflow import past"), ("a", "a = past('a')")],
                "imports past of nbflow, and a module",
            ),
        ],
    )
    def test_errors(self, cells: list[tuple[str, str]], said: str) -> None:
        """Each names what to do."""
        with pytest.raises(ExportError, match=said) as caught:
            module_of(cells_of(*cells), "nb.ipynb")
        assert "\n" not in str(caught.value)
