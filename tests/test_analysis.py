"""The analysis of cells: names, definitions, changes in place, and what else a text tells."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import pytest

from nbflow.analysis import PARAMETERS, Call, Definition, Import, analyze, changes_outside, effect_of
from nbflow.exceptions import CellSyntaxError
from nbflow.testing import Notebook

NAMES = ("reads", "maybe_reads", "deferred_reads", "writes", "maybe_writes", "deletes", "mutates")
LETTERS = dict(zip("R?DWwXM", NAMES, strict=True))


@dataclass
class Row:
    """A cell and the names expected in the sets that `LETTERS` abbreviates."""

    label: str
    source: str
    expected: str
    since: tuple[int, int] = (3, 11)
    others: dict[str, Any] = field(default_factory=dict)

    def names(self) -> dict[str, frozenset[str]]:
        """Spell the expectation out."""
        found = {name: frozenset[str]() for name in NAMES}
        for part in self.expected.split():
            letter, _, names = part.partition(":")
            found[LETTERS[letter]] = frozenset(names.split(","))
        return found


# The rows of reference/cell-analysis.md, section 4, by their numbers.
TABLE = [
    Row("1", "y = x + 1", "R:x W:y"),
    Row("2", "x += 1", "R:x W:x M:x"),
    Row("4", "x[i] += 1", "R:x,i M:x"),
    Row("6", "df['c'] = df['a']*2", "R:df M:df"),
    Row("8", "del x", "R:x X:x"),
    Row("10", "x = 1\ndel x", "W:x X:x"),
    Row("12", "for x.a in [1]: pass", "R:x M:x"),
    Row("14", "[x for x in x]", "R:x"),
    Row("16", "if (m := n) > 0: pass", "R:n W:m"),
    Row("18", "[[a*b for b in ys] for a in xs]", "R:xs,ys"),
    Row("19", "def f():\n global g; g = q\nf()", "R:q D:q W:f,g"),
    Row("20", "def f():\n global g; g = q", "D:q W:f"),
    Row("21", "def f(): return later", "D:later W:f"),
    Row("22", "def f(): return later\nlater = 2", "W:f,later"),
    Row("24", "f()", "R:f"),
    Row("26", "def f(a=n, *, b=m): ...", "R:n,m W:f"),
    Row("28", "@deco\ndef f(): return k", "R:deco ?:k D:k W:f"),
    Row("30", "class C:\n a = x\n def m(self): return y", "R:x D:y W:C"),
    Row("32", "class C:\n x = 1\n def m(self): return x", "D:x W:C"),
    Row("34", "class C:\n ys = [x for _ in r]", "R:r,x W:C"),
    Row("36", "class C:\n def m(self): return __p", "D:_C__p W:C"),
    Row("38", "import os.path", "W:os M:os"),
    Row("40", "from os import path as p, sep", "W:p,sep"),
    Row("42", "from . import a", "W:a", others={"imports": (Import("", 1, ("a",), False),)}),
    Row("44", "with open(fn) as f: s = f.read()", "R:fn W:f,s M:f,fn"),
    Row("46", "with a as b, b.c as d: pass", "R:a W:b,d"),
    Row("48", "e = 1\ntry: 1/0\nexcept ZeroDivisionError as e: pass", "W:e X:e"),
    Row(
        "50",
        "match cmd:\n case {'k': v, **rest}: pass\n case Pt(x=px) as whole: pass",
        "R:cmd,Pt w:v,rest,px,whole",
    ),
    Row("52", "match p:\n case {'a': _, **kw} if kw: pass", "R:p w:kw"),
    Row("54", "v: T = 1", "R:T W:v"),
    Row("56", "v: 'T' = 1", "W:v"),
    Row("58", "exec('z = x')", "?:x w:z", others={"complete": False}),
    Row("60", "globals()['z'] = 1", "W:z", others={"complete": False}),
    Row("62", "_x = 1; y = _x", "W:_x,y"),
    Row("64", "__ = 1; __x = 1", "W:__x"),
    Row("66", "print = logger", "R:logger W:print"),
    Row("68", "max(list_)", "R:list_", others={"builtins": {"max"}}),
    Row("70", "(a, [b, c.d]) = t", "R:t,c W:a,b M:c"),
    Row(
        "72",
        "def o():\n c = 0\n def i():\n  nonlocal c; c += step\n  return c\n return i()\no()",
        "R:step D:step W:o",
    ),
    Row("74", "class C[T]:\n v: T", "W:C", since=(3, 12)),
    Row("76", "def f[T: Bound](a: T) -> T: ...", "D:Bound W:f", since=(3, 12)),
    Row("78", "async for q in agen(): pass", "R:agen W:q"),
    Row("80", "if flag: x = 1\ny = x", "R:flag ?:x W:y w:x"),
    Row("82", "y = x; x = 5", "R:x W:x,y"),
    Row("84", "while n: n -= 1", "R:n W:n M:n"),
    Row("86", "np.random.seed(0)", "R:np", others={"seeds": {"numpy"}}),
    Row("88", "assert ok, msg", "R:ok ?:msg"),
    Row("90", "(lambda: zz)()", "R:zz D:zz"),
    Row("92", "x = x if 'x' in globals() else 0", "?:x W:x"),
    Row("94", "from os import path; path.join(root,'a')", "R:root W:path"),
    Row("96", "del a, b[0], c.d", "R:a,b,c X:a M:b,c"),
    Row("98", "global gg; gg = 1", "W:gg"),
    Row("100", "get_ipython().run_line_magic('time', 'y = x')", "R:x W:y"),
    Row("102", "get_ipython().system('ls {x} $z $$w {{v}}')", "R:x,z"),
    Row("104", "get_ipython().run_line_magic('pinfo', 'x')", "R:x"),
    Row("106", "get_ipython().run_line_magic('env', 'FOO=$x')", "R:x", others={"effects": {"process: %env"}}),
]

FLOW = [
    Row("both branches", "if c: x = 1\nelse: x = 2\nprint(x)", "R:c W:x"),
    Row("elif without else", "if c: x = 1\nelif d: x = 2\nprint(x)", "R:c,d ?:x w:x"),
    Row("a branch that raises", "if c: x = 1\nelse: raise E\nprint(x)", "R:c,E W:x"),
    Row("a constant test", "if False: x = y\nif True: z = 1\nprint(z)", "W:z"),
    Row("deleted in a branch", "x = 1\nif c: del x\nprint(x)", "R:c W:x X:x"),
    Row("loop may be empty", "for i in xs: y = i\nprint(y, i)", "R:xs ?:y,i W:i,y"),
    Row("accumulator", "for x in xs: total = total + x", "R:xs,total W:x,total"),
    Row("only in later rounds", "for i in xs:\n if i: print(p)\n p = i", "R:xs ?:p W:i,p"),
    Row("first round", "for i in xs:\n print(p)\n p = i", "R:xs,p W:i,p"),
    Row("endless loop", "while True:\n x = f()\n if x: break\nprint(x)", "R:f W:x"),
    Row("break", "for i in xs:\n if i: x = 1; break\nprint(x)", "R:xs ?:x W:i w:x"),
    Row("loop with else", "for i in xs:\n if i: x = 1; break\nelse: x = 2\nprint(x)", "R:xs W:i,x"),
    Row("continue", "for i in xs:\n if i: continue\n x = 1\nprint(x)", "R:xs ?:x W:i w:x"),
    Row("try", "try: x = f()\nexcept ValueError: pass\nprint(x)", "R:f ?:x w:x"),
    Row("try with fallback", "try: import fast as m\nexcept ImportError: m = None\nm.go", "W:m"),
    Row("try else", "try: a = f()\nexcept E: b = 1\nelse: b = a\nprint(b)", "R:f,E w:a W:b"),
    Row("finally always", "try: a = f()\nfinally: b = 1\nprint(a, b)", "R:f W:a,b"),
    Row("finally sees all", "try:\n a = f()\n b = 1\nfinally: print(b)", "R:f ?:b W:a,b"),
    Row(
        "jump through finally",
        "for i in r:\n try: break\n finally: x = 1\nprint(x)",
        "R:r ?:x W:i,x",
    ),
    Row("handler reads", "try: pass\nexcept E as e: print(e, msg)", "R:E,msg w:e X:e"),
    Row("expected to be missing", "try: x\nexcept NameError: x = 1", "?:x w:x"),
    Row("swallowing context", "with suppress(E): x = f()\nprint(x)", "R:suppress,E,f ?:x W:x"),
    Row("calm context", "with torch.no_grad(): x = f()\nprint(x)", "R:torch,f W:x"),
    Row("walrus after and", "a and (b := 1)\nprint(b)", "R:a ?:b w:b"),
    Row("walrus in a comprehension", "[y := x for x in xs]\nprint(y)", "R:xs ?:y w:y"),
    Row("chained comparison", "a < b < (c := d)", "R:a,b,d w:c"),
    Row("all cases", "match v:\n case 1: x = 1\n case _: x = 2\nprint(x)", "R:v W:x"),
    Row("some cases", "match v:\n case 1: x = 1\n case M.two: x = 2\nprint(x)", "R:v,M ?:x w:x"),
    Row("whatever is captured", "match v:\n case [a, *b]: pass\n case other: pass", "R:v w:a,b,other"),
    Row("alternatives", "match v:\n case (1, a) | (2, a): print(a)", "R:v w:a"),
    Row("bound again", "x = x.strip(); y = x", "R:x W:x,y"),
    Row("bound after deleting", "del x\nx = 1\ny = x", "R:x W:x,y X:x"),
    Row("used after deleting", "x = 1\ndel x\ny = x", "W:x,y X:x"),
    Row("managed names", "y = _ + _1 + Out[3] + len(In)\n_, z = y", "W:y,z"),
    Row("awaiting", "async with a as b: r = await b.get(k)", "R:a,k W:b,r"),
    Row("a name both used and bound", "a = b = a", "R:a W:a,b"),
    Row("starred", "a, *b = c, *d", "R:c,d W:a,b"),
    Row("value before target", "x = [i for i in x]; d[k], k = 1, 2", "R:x,d,k W:x,k M:d"),
    Row("slices", "y = x[a:b:c, ...]", "R:x,a,b,c W:y"),
    Row("formatted", "s = f'{a:{w}} {b!r} {c=}'", "R:a,w,b,c W:s"),
    Row("conditional load", "y = a if b else c", "R:a,b,c W:y"),
    Row("guard by statement", "if 'x' not in globals(): x = 1\nprint(x)", "?:x w:x"),
    Row("annotation alone", "x: int", "", others={"builtins": {"int"}}),
    Row("annotation of a part", "x.y: T = 1", "R:x,T M:x"),
    Row("strings for annotations", "from __future__ import annotations\nv: T = 1", "W:annotations,v"),
    Row("return of a generator", "g = (a + b for a in xs)\nb = 1", "R:xs ?:b D:b W:g,b"),
    Row("generator consumed", "s = sum(a * w for a in xs)", "R:xs,w W:s"),
    Row("empty", "", ""),
    Row("comment", "# nothing", ""),
]

SCOPES = [
    Row("class reads before binding", "class C:\n x = x\n y = x", "R:x W:C"),
    Row("class maybe binds", "class C:\n if f: x = 1\n y = x", "R:f ?:x W:C"),
    Row("class deletes", "class C:\n x = 1\n del x\n y = x", "R:x W:C"),
    Row("class in function", "def f():\n x = 1\n class C:\n  y = x\n return C", "W:f"),
    Row("class skips function", "def f():\n x = 1\n class C:\n  x = x\n return C", "D:x W:f"),
    Row("metaclass", "class C(B, metaclass=M, flag=z): pass", "R:B,M,z W:C"),
    Row("method defaults", "class C:\n k = 1\n def m(self, a=k, b=n): return k", "R:n D:k W:C"),
    Row("lambda in class", "class C:\n k = 1\n m = lambda self: k", "D:k W:C"),
    Row("mangled parameter", "class C:\n def m(self, __a): return __a + __b", "D:_C__b W:C"),
    Row("mangled global", "class _C:\n def m(self):\n  global __g\n  __g = 1", "W:_C"),
    Row("dunder is not mangled", "class C:\n def m(self): return __version__", "D:__version__ W:C"),
    Row("local shadows", "def f(x):\n y = x\n return y", "W:f"),
    Row("local before binding", "def f():\n print(x)\n x = 1", "W:f"),
    Row("global in nested", "def f():\n global g\n def h(): return g\n return h", "D:g W:f"),
    Row("comprehension iterable", "def f(): return [x for x in y if z]", "D:y,z W:f"),
    Row("inner iterable", "[a for b in c for a in b if d]", "R:c,d"),
    Row("dict comprehension", "{k: v for k, v in kv.items()}", "R:kv"),
    Row("lambda default", "f = lambda a=n: a + k", "R:n D:k W:f"),
    Row("decorators and returns", "@d(1)\nclass C: pass\ndef f(a: T, *b: U) -> V: ...", "R:d,T,U,V W:C,f"),
    Row("nested functions", "def f():\n def g(): return k\n return g", "D:k W:f"),
    Row("import in function", "def f():\n import os\n return os.sep + k", "D:k W:f"),
    Row("exception name in function", "def f():\n try: pass\n except E as e: print(e)", "D:E W:f"),
    Row("match in function", "def f(v):\n match v:\n  case {'a': a, **r}: return a, r, k", "D:k W:f"),
    Row("walrus in function", "def f(): return [y := x for x in xs], y", "D:xs W:f"),
    Row("async function", "async def f():\n async with a as b: return [x async for x in b]", "D:a W:f"),
    Row("type alias", "type X[T] = list[T] | Y", "D:Y W:X", since=(3, 12)),
    Row("bases with parameters", "class C[T](B[T]): pass", "R:B W:C", since=(3, 12)),
    Row("groups", "try: f()\nexcept* E as e: x = e\nprint(x)", "R:f,E ?:x w:e,x X:e"),
]

CALLED = [
    Row("helper reads", "def f(): return k\ny = f()", "R:k D:k W:f,y"),
    Row("helper of helper", "def f(): return g()\ndef g(): return k\ny = f()", "R:k D:k W:f,g,y"),
    Row("circle", "def f(n): return g(n) + a\ndef g(n): return f(n) + b\ng(1)", "R:a,b D:a,b W:f,g"),
    Row("bound before the call", "def f(): return k\nk = 1\ny = f()", "W:f,k,y"),
    Row("bound after the call", "def f(): return k\ny = f()\nk = 1", "R:k W:f,k,y"),
    Row("not called", "def f(): return k", "D:k W:f"),
    Row("lambda", "f = lambda: k\ny = f()", "R:k D:k W:f,y"),
    Row("another name", "def f(): return k\ng = f\ng()", "R:k D:k W:f,g"),
    Row(
        "branch of functions",
        "if c:\n def f(): return a\nelse:\n def f(): return b\nf()",
        "R:c,a,b D:a,b W:f",
    ),
    Row("binds in a branch", "def f():\n global g\n if c: g = 1\nf()\nprint(g)", "R:c ?:g D:c W:f w:g"),
    Row("binds after return", "def f():\n global g\n if c: return\n g = 1\nf()", "R:c D:c W:f w:g"),
    Row("binds what it reads", "def f():\n global g\n g = 1\n return g\nf()", "W:f,g"),
    Row("deletes", "def f():\n global g\n del g\nf()", "R:g D:g W:f X:g"),
    Row("passed", "def f(a): return a + k\ny = list(map(f, xs))", "R:xs ?:k D:k W:f,y"),
    Row("applied", "y = df.apply(lambda r: r.a + k)", "R:df,k D:k W:y"),
    Row("kept", "b.on_click(lambda _: print(k))", "R:b ?:k D:k"),
    Row("kept, bound later", "b.on_click(lambda _: k)\nk = 1", "R:b ?:k D:k W:k"),
    Row("constructor", "class C:\n def __init__(self): self.a = k\nc = C()", "?:k D:k W:C,c"),
    Row("generator function", "def f(): yield k\ng = f()\nk = 1", "?:k D:k W:f,g,k"),
    Row("loop calls what it defines", "for i in r:\n def f(): return k\n f()", "R:r,k D:k W:i,f"),
    Row("decorated", "@cache\ndef f(): return k\ny = f()", "R:cache,k D:k W:f,y"),
    Row("generator binds", "def f():\n global g\n g = 1\n yield\nf()\nprint(g)", "?:g W:f w:g"),
    Row("hands out a global", "def f(): return log\nf().append(1)", "R:log D:log W:f M:log"),
    Row("recursion", "def f(n): return f(n - 1) if n else k\nf(3)", "R:k D:k W:f"),
    Row("mutates", "def f():\n log.append(1)\nf()", "R:log D:log W:f M:log"),
    Row("changes what it is given", "def f(d): d['a'] = 1\nf(df)", "R:df W:f M:df"),
    Row("clean", "def f(d): return d['a'] + 1\nf(df)", "R:df W:f"),
]

MUTATES = [
    Row("attribute", "x.a.b = 1", "R:x M:x"),
    Row("deletion of an item", "del x['a']", "R:x M:x"),
    Row("method", "xs.append(y)", "R:xs,y M:xs"),
    Row("method of a part", "d['k'].append(1)", "R:d M:d"),
    Row("method of what a call gives", "d.get('k').append(1)", "R:d M:d"),
    Row("alias", "y = x; y.append(1)", "R:x W:y M:x,y"),
    Row("alias of a part", "y = x['a']; y += 1", "R:x W:y M:x,y"),
    Row("alias by unpacking", "a, b = x, z\nb.append(1)", "R:x,z W:a,b M:b,z"),
    Row("alias by choice", "y = a or b\ny.sort()", "R:a,b W:y M:a,b,y"),
    Row("alias by with", "with x as f: f.write('')", "R:x W:f M:f,x"),
    Row("alias by match", "match x:\n case {'a': v}: v.append(1)", "R:x w:v M:v,x"),
    Row("container stays", "y = [x]; y.append(1)", "R:x W:y M:y"),
    Row("through a container", "y = [x]; y[0].append(1)", "R:x W:y M:x,y"),
    Row("stored in a container", "y = []\ny.append(x)\ny[0].sort()", "R:x W:y M:x,y"),
    Row("loop over names", "for d in [a, b]: d['c'] = 1", "R:a,b W:d M:a,b,d"),
    Row("loop over a container", "for d in frames: d['c'] = 1", "R:frames W:d M:d,frames"),
    Row("loop over a container of names", "fs = [a, b]\nfor d in fs: d['c'] = 1", "R:a,b W:d,fs M:a,b,d,fs"),
    Row("loop with counter", "for i, d in enumerate(fs): d['c'] = i", "R:fs W:d,i M:d,fs"),
    Row("loop over items", "for k, v in d.items(): v.append(1)", "R:d W:k,v M:d,v"),
    Row("comprehension", "[d.update(a=1) for d in fs]", "R:fs M:fs"),
    Row("lambda", "list(map(lambda d: d.append(1), fs))", "R:fs M:fs"),
    Row("inplace", "df.dropna(inplace=True)", "R:df M:df"),
    Row("not inplace", "df.dropna(inplace=False)", "R:df"),
    Row("out", "np.add(a, b, out=c)", "R:a,b,c,np M:c"),
    Row("shuffle", "random.shuffle(xs)", "R:random,xs M:xs"),
    Row("shuffle of a generator", "rng.shuffle(xs)", "R:rng,xs M:rng,xs"),
    Row("heap", "heapq.heappush(h, 1)", "R:h,heapq M:h"),
    Row("copyto", "np.copyto(a, b)", "R:a,b,np M:a"),
    Row("append of numpy", "b = np.append(a, 1)", "R:a,np W:b"),
    Row("setattr", "setattr(x, 'a', 1)", "R:x M:x"),
    Row("next", "y = next(it)", "R:it W:y M:it"),
    Row("fit", "m.fit(X, y)", "R:m,X,y M:m"),
    Row("copy", "y = x.copy(); y['a'] = 1", "R:x W:y M:y"),
    Row("locator of a copy", "y = x.copy(); y.loc[0, 'a'] = 1", "R:x W:y M:y"),
    Row("new memory", "y = np.log(x); y[0] = 1", "R:np,x W:y M:y"),
    Row("view", "y = x.reshape(2, 2); y[0] = 1", "R:x W:y M:x,y"),
    Row("unknown call", "y = clean(x); y['a'] = 1", "R:clean,x W:y M:x,y"),
    Row("augmented part", "x.a += [y]", "R:x,y M:x"),
]


def check(row: Row) -> None:
    """Compare an analysis with what a row expects."""
    if sys.version_info < row.since:
        pytest.skip(f"the syntax came with Python {row.since[0]}.{row.since[1]}")
    found = analyze(row.source)
    assert {name: getattr(found, name) for name in NAMES} == row.names()
    for name, value in row.others.items():
        assert getattr(found, name) == value


def by_label(rows: list[Row]):
    """Make one test of each row."""
    return pytest.mark.parametrize("row", rows, ids=[row.label for row in rows])


class TestNames:
    """Reads, writes and changes in place follow what Python does."""

    @by_label(TABLE)
    def test_row_of_the_table(self, row: Row) -> None:
        """Each case collected from other tools is answered as Python would behave."""
        check(row)

    @by_label(FLOW)
    def test_flow(self, row: Row) -> None:
        """A name that some path leaves unbound is a maybe-read."""
        check(row)

    @by_label(SCOPES)
    def test_scopes(self, row: Row) -> None:
        """Names in functions, classes and comprehensions are resolved as Python resolves them."""
        check(row)

    @by_label(CALLED)
    def test_functions_of_the_cell(self, row: Row) -> None:
        """Whoever calls a function of the cell inherits what it reads and writes."""
        check(row)

    @by_label(MUTATES)
    def test_changes_in_place(self, row: Row) -> None:
        """A change in place reaches all names that may share the memory."""
        check(row)


class TestMagics:
    """The Python inside IPython's calls counts."""

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("%time y = x", "R:x W:y"),
            ("%%time\ny = x\nz = y", "R:x W:y,z"),
            ("%%capture out --no-stderr\ny = x", "R:x W:out,y"),
            ("%timeit -n 10 -r 3 y = f(x)", "R:f,x"),
            ("%%timeit s = a\nt = s + b", "R:a,b"),
            ("!ls {x.y} $z.w", "R:x,z"),
            ("files = !ls {folder}", "R:folder W:files"),
            ("n = %who_ls\nm = n", "W:n,m"),
            ("x?", "R:x"),
            ("%matplotlib inline\ny = x", "R:x W:y"),
            ("%%bash --out res\necho $HOME", "W:res"),
            ("if a:\n    !rm {b}", "R:a,b"),
            ("get_ipython().run_cell_magic('time', '', 'y = x\\n')", "R:x W:y"),
            ("get_ipython().run_cell_magic('capture', 'cap', 'def f(): return k\\nf()')", "R:k D:k W:f,cap"),
            ("get_ipython().run_cell_magic('time', '', '!ls {x}\\n%time y = 1')", "R:x W:y"),
            ("lines = get_ipython().getoutput('cat {name:>3} {other!r}')", "R:name,other W:lines"),
        ],
    )
    def test_inner_source(self, source: str, expected: str) -> None:
        """Names in timed, captured and shell code are found, also in IPython's own syntax."""
        check(Row("", source, expected))

    @pytest.mark.parametrize("source", ["%%task?", "%%task??", "%%sql?", "?%%sql", "%flow?", "%run?"])
    def test_help_is_no_magic(self, source: str) -> None:
        """Asking what a magic does runs nothing, so that nothing stays unknown."""
        found = analyze(source)
        assert found.complete
        assert not found.writes

    @pytest.mark.parametrize(
        "source",
        ["%run other.py", "%store -r x", "%%sql\nselect 1", "%%R -o y\ny <- 1", "%time y ="],
    )
    def test_unknown_magic_is_incomplete(self, source: str) -> None:
        """A magic that may bind anything makes the analysis incomplete, with a note."""
        found = analyze(source)
        assert not found.complete
        assert found.notes

    @pytest.mark.parametrize("source", ["%load_ext autoreload", "%matplotlib inline", "!ls", "%%html\n<b>"])
    def test_harmless_magic_is_complete(self, source: str) -> None:
        """Well known magics leave the analysis complete."""
        assert analyze(source).complete


class TestCompleteness:
    """What the text does not tell is said."""

    @pytest.mark.parametrize(
        "source",
        [
            "from os import *",
            "exec(code)",
            "y = eval(text)",
            "globals().update(d)",
            "locals()['x']",
            "vars().clear()",
            "import np\nsetattr(np, 'a', 1)",
            "m = __import__(name)",
            "import importlib\nm = importlib.import_module(name)",
        ],
    )
    def test_incomplete(self, source: str) -> None:
        """Names that only execution knows make the analysis incomplete."""
        found = analyze(source)
        assert not found.complete
        assert len(found.notes) == 1

    @pytest.mark.parametrize(
        "source", ["x = vars(o)", "def f():\n return locals()", "setattr(o, 'a', 1)", "x.exec(1)"]
    )
    def test_complete(self, source: str) -> None:
        """What only looks alike does not."""
        assert analyze(source).complete

    def test_named_global(self) -> None:
        """A global asked for by a constant is found all the same."""
        found = analyze("y = globals()['x']")
        assert found.maybe_reads == {"x"}

    def test_syntax_error(self) -> None:
        """Text that is not Python is an error of the user's cell, with its line."""
        with pytest.raises(CellSyntaxError) as raised:
            analyze("x = 1\ny = (")
        assert raised.value.line == 2

    def test_odd_literals(self) -> None:
        """Python's own warnings are left to the run of the cell."""
        assert analyze("x = '\\d' + y").reads == {"y"}

    def test_null_byte(self) -> None:
        """Text that Python cannot even read is the same error."""
        with pytest.raises(CellSyntaxError):
            analyze("x = 1\0")


class TestLimits:
    """Long and deep code is answered."""

    def test_many_statements(self) -> None:
        """A chain of thousands of statements is no problem."""
        lines = [f"x{i} = x{i - 1} + 1" for i in range(1, 3000)]
        assert analyze("\n".join(lines)).reads == {"x0"}

    def test_long_elif_chain(self) -> None:
        """Each `elif` is a level of nesting in the syntax, but not for us."""
        chain = (
            "if a == 0: x = 0\n"
            + "\n".join(f"elif a == {i}: x = {i}" for i in range(1, 80))
            + "\nelse: x = b"
        )
        found = analyze(chain)
        assert (found.reads, found.writes) == ({"a", "b"}, {"x"})

    def test_too_deep(self) -> None:
        """What is nested too deeply to follow may read and write all that it mentions."""
        found = analyze("y = x" + ".a()" * 900)
        assert not found.complete
        assert "x" in found.reads
        assert "y" in found.maybe_writes
        assert "x" in found.mutates


class TestCalls:
    """Calls that may change something are listed for whoever knows the values."""

    def test_unknown_call(self) -> None:
        """The receiver and all names passed, also nested ones, are its arguments."""
        found = analyze("m.run(df, [a, {'k': b}], *c, x=d.e, y=f[0])")
        assert found.calls == (Call("m", "m.run", frozenset({"m", "df", "a", "b", "c", "d", "f"})),)

    @pytest.mark.parametrize(
        "source",
        [
            "len(x)",
            "print(x)",
            "df.head()",
            "df.groupby('a').mean()",
            "', '.join(x)",
            "np.mean(x)",
            "sorted(x, key=len)",
            "x.append(y)",
            "random.shuffle(x)",
            "f'{x}'.strip(y)",
            "df.apply(lambda r: r.a)",
        ],
    )
    def test_known_calls(self, source: str) -> None:
        """Readers, and mutators that say all in `mutates`, are left out."""
        assert analyze(source).calls == ()

    def test_fitted_model_stays(self) -> None:
        """A method like `fit` may be the user's own, so it is listed besides."""
        assert [call.path for call in analyze("model.fit(X)").calls] == ["model.fit"]

    def test_chain(self) -> None:
        """The path leaves out subscripts and inner calls."""
        found = analyze("df[a].groupby('x').foo(b)")
        assert found.calls == (Call("df", "df.groupby.foo", frozenset({"df", "b"})),)

    def test_call_without_arguments(self) -> None:
        """A helper from elsewhere may change globals, so it is listed."""
        assert analyze("setup()").calls == (Call("setup", "setup", frozenset()),)

    def test_drawing_changes_axes(self) -> None:
        """Drawing changes the axes that it draws on."""
        assert [call.path for call in analyze("ax.plot(x)").calls] == ["ax.plot"]

    def test_unknown_owner(self) -> None:
        """A change of what another cell's helper hands out is listed with the helper at its root."""
        assert Call("get", "get.append", frozenset()) in analyze("get().append(1)").calls

    def test_aliases_of_arguments(self) -> None:
        """What an argument shares memory with can be reached, too."""
        assert analyze("y = [x]\nfoo(y)").calls[0].arguments == {"x", "y"}

    def test_callback(self) -> None:
        """A function given to `map`, `apply` or as `key` is called with the data."""
        assert Call("f", "f", frozenset({"xs", "f"})) in analyze("list(map(f, xs))").calls
        assert Call("f", "f", frozenset({"xs", "f"})) in analyze("xs.sort(key=f)").calls

    def test_helper_of_the_cell(self) -> None:
        """A clean helper of the cell vanishes; what it hands on to others is named with our arguments."""
        assert analyze("def f(d): return d.head()\nf(df)").calls == ()
        found = analyze("def f(d): return clean(d)\nf(df)")
        assert found.calls == (Call("clean", "clean", frozenset({"df"})),)

    def test_deferred_calls_are_no_calls(self) -> None:
        """Calls inside a function that nobody calls belong to its definition."""
        assert analyze("def f(): setup()").calls == ()

    def test_redefined_builtin(self) -> None:
        """A builtin that the cell has bound to something else is not known any more."""
        assert [call.callee for call in analyze("len = other\nlen(x)").calls] == ["len"]


class TestDefinitions:
    """What functions, classes and imports of a cell carry."""

    @pytest.mark.parametrize(
        "method", ["def __new__(cls): cls.n += 1", "@classmethod\n    def f(cls): cls.n += 1"]
    )
    def test_method_that_gets_its_class(self, method: str) -> None:
        """It changes the class, and none of its arguments."""
        found = analyze(f"class C:\n    n = 0\n    {method}").definitions["C"]
        assert found.mutates == {"C"}
        assert not found.changes_arguments

    def test_code_whose_name_is_bound_anew(self) -> None:
        """What it loads is told all the same: others may have called it meanwhile."""
        found = analyze("def g(): return k + len(xs)\ng = lambda: z\nrun()\ng, k, z = None, 1, 2")
        assert found.code_reads == {"k", "xs", "z"}
        assert found.deferred_reads == {"xs"}

    def test_function(self) -> None:
        """Reads, writes and changes of globals are named."""
        source = "def f(a):\n global g\n g = a + k\n log.append(len(a))\n return helper(g)"
        found = analyze(source).definitions["f"]
        assert found.reads == {"k", "log", "helper"}
        assert found.writes == {"g"}
        assert found.mutates == {"log"}
        assert [call.callee for call in found.calls] == ["helper"]
        assert not found.changes_arguments

    def test_kinds(self) -> None:
        """Functions, classes, lambdas and imports are told apart."""
        source = (
            "import a, b.c\nfrom d import e as f\ndef g(): ...\nclass H: ...\n"
            "i = lambda: 0\nasync def j(): ...\nk = 1"
        )
        kinds = {name: found.kind for name, found in analyze(source).definitions.items()}
        assert kinds == {
            **dict.fromkeys("abf", "import"),
            **dict.fromkeys("gj", "function"),
            "H": "class",
            "i": "lambda",
        }

    def test_class(self) -> None:
        """All methods count together; reads of the class body happen at once and do not."""
        found = analyze("class C(B):\n a = x\n def m(self): return y\n def n(self, d): d.b = z").definitions[
            "C"
        ]
        assert found.reads == {"y", "z"}
        assert found.changes_arguments

    @pytest.mark.parametrize(
        ("source", "changes"),
        [
            ("def f(d): d['a'] = 1", True),
            ("def f(d): d += 1", True),
            ("def f(d):\n e = d\n e.append(1)", True),
            ("def f(ds):\n for d in ds: d.x = 1", True),
            ("def f(d): [e.append(1) for e in d]", True),
            ("def f(d): d.unknown()", True),
            ("def f(d, g): g(d)", True),
            ("def f(*ds): ds[0].append(1)", True),
            ("def f(d):\n def g(): d.append(1)\n g()", True),
            ("def f(d):\n def g(e): e.append(1)\n g(d)", True),
            ("def f(d): h(d)\ndef h(e): e.clear()", True),
            ("def f(d): h(d)\ndef h(e): return len(e)", False),
            ("def f(d): other(d)", False),
            ("def f(d): return d.head().mean()", False),
            ("def f(d):\n d = d.copy()\n return d", False),
            ("def f(d):\n out = []\n out.append(d)\n return out", False),
            ("def f(d): return [e + 1 for e in d]", False),
            ("f = lambda d: d.pop()", True),
            ("f = lambda d: len(d)", False),
            ("class f:\n def __init__(self, a): self.a = a", False),
            ("class f:\n def add(self, a): self.a = a", True),
            ("class f:\n def __init__(self, a):\n  self.a = a\n  self.a.append(1)", True),
        ],
    )
    def test_changes_arguments(self, source: str, changes: bool) -> None:
        """A parameter, or what is reached from it, may be changed in place."""
        assert analyze(source).definitions["f"].changes_arguments is changes

    def test_call_with_a_parameter(self) -> None:
        """What a parameter is handed to is named, with a star for the parameter."""
        found = analyze("def f(d): return np.foo(d, k)").definitions["f"]
        assert found.calls == (Call("np", "np.foo", frozenset({PARAMETERS, "np", "k"})),)

    def test_conditional(self) -> None:
        """A binding in a branch or `try` may not have happened."""
        source = (
            "try: import a\nexcept ImportError: a = None\n"
            "if c:\n def f(): return x\nelse:\n def f(): return y"
        )
        found = analyze(source).definitions
        assert found["a"].conditional
        assert found["f"].conditional
        assert found["f"].reads == {"x", "y"}

    def test_finally_something_else(self) -> None:
        """A name that ends as a value is no definition."""
        assert "f" not in analyze("def f(): ...\nf = cache(f)").definitions
        assert "f" not in analyze("def f(): ...\ndel f").definitions

    def test_last_definition_counts(self) -> None:
        """A second definition replaces the first."""
        assert analyze("def f(): return a\ndef f(): return b").definitions["f"].reads == {"b"}

    def test_imports_carry_nothing(self) -> None:
        """An import reads no names."""
        assert analyze("import os").definitions == {"os": Definition("os", "import", origin="os")}


class TestFacts:
    """Attributes, imports, paths, environment, seeds and effects."""

    def test_attributes(self) -> None:
        """The first attribute of each name read is known, or that it is used as a whole."""
        found = analyze("import m\ny = np.mean(x.a.b) + np.std(x.c)\nm.go(z)\ndef f(): return k.v")
        assert found.attributes == {
            "np": {"mean", "std"},
            "x": {"a", "c"},
            "m": {"go"},
            "z": None,
            "k": {"v"},
        }

    def test_whole_use_wins(self) -> None:
        """A name that is used as a whole anywhere is used as a whole."""
        assert analyze("y = np.mean(x)\nz = np").attributes["np"] is None

    def test_imports(self) -> None:
        """Imports in functions are marked as deferred."""
        found = analyze(
            "import a.b as c\nfrom ..d import e, f\ndef g():\n from h import *\nimport_module('i.j')"
        )
        assert found.imports == (
            Import("a.b", 0, None, False),
            Import("d", 2, ("e", "f"), False),
            Import("i.j", 0, None, False),
            Import("h", 0, ("*",), True),
        )

    @pytest.mark.parametrize(
        ("source", "paths"),
        [
            ("pd.read_csv('flights.csv')", {"flights.csv"}),
            ("glob('data/*.parquet')", {"data/*.parquet"}),
            ("def f(): return open('a/b')", {"a/b"}),
            ("x = f'data/{year}.csv'", {"data/*.csv"}),
            ("x = 'data/{}.csv'.format(y)", {"data/{}.csv", "data/*.csv"}),
            ("x = 'data/%d.csv' % y", {"data/%d.csv", "data/*.csv"}),
            ("x = Path('data') / 'a.csv'", {"data/a.csv", "a.csv"}),
            ("x = DATA / sub / 'a.csv'", {"*/a.csv", "a.csv"}),
            ("x = os.path.join('data', name, 'a.csv')", {"data/*/a.csv", "a.csv"}),
            ("x = 'data/' + name + '.csv'", {"data/*.csv", "data/", ".csv"}),
            ("x = 'late'; y = 'a b'; z = 1.5; w = '3.5'", set()),
            ("x = s.str.replace(r'\\d+/x.y', '', regex=True)", set()),
            ("re.sub('a/b', 'c.d', s)", set()),
            ("os.replace('a.csv', 'b.csv')", {"a.csv", "b.csv"}),
            ("'''see docs/a.md'''\nx = 1", set()),
            ("requests.get('https://a.b/c.csv')", set()),
            ("x = f'{a}/{b}'", set()),
            ("!wc data/a.txt", set()),
        ],
    )
    def test_paths(self, source: str, paths: set[str]) -> None:
        """Texts with a separator or a suffix may be paths; parts that are not known become `*`."""
        assert analyze(source).paths == paths

    @pytest.mark.parametrize(
        ("source", "names"),
        [
            ("a = os.environ['A']", {"A"}),
            ("a = os.environ.get('A', 'x')", {"A"}),
            ("def f(): return os.getenv('A')", {"A"}),
            ("from os import environ, getenv\nenviron['A'], getenv('B')", {"A", "B"}),
            ("'A' in os.environ", {"A"}),
            ("a = %env A", {"A"}),
            ("%env A=1", set()),
            ("!ls $A ${B}/c $$C \\$D", {"A", "B"}),
            ("files = !ls $A", {"A"}),
            ("%%bash -s $A\necho $B", {"A", "B"}),
            ("os.environ['A'] = '1'", set()),
            ("d.get('A'); d['B']; os.environ.update(d); del os.environ[name]", set()),
            ("Path.home() / 'a'", {"HOME"}),
            ("def f(): return os.path.expanduser('~/a')", {"HOME"}),
            ("os.path.expandvars('$A/${B}/c')", {"A", "B"}),
            ("datetime.fromtimestamp(0)", {"TZ"}),
        ],
    )
    def test_environment(self, source: str, names: set[str]) -> None:
        """Environment variables are known where their name is a constant."""
        assert analyze(source).environment == names
        assert not any(effect.startswith("environment") for effect in analyze(source).effects)

    @pytest.mark.parametrize(
        ("source", "asks"),
        [
            ("pd.Timestamp('now')", True),
            ("pd.to_datetime('Today', utc=True)", True),
            ("np.datetime64('now')", True),
            ("time.strftime('%Y')", True),
            ("from time import strftime as f\nf('%Y')", True),
            ("now = datetime.now", True),
            ("from time import time\ng(time)", True),
            ("field(default_factory=datetime.now)", True),
            ("pd.Timestamp('2020')", False),
            ("time.strftime('%Y', moment)", False),
            ("from time import time\nx = 'now'", False),
        ],
    )
    def test_the_clock(self, source: str, asks: bool) -> None:
        """It is asked by words, for want of an argument, and by whoever is handed one of its functions."""
        assert any(effect.startswith("clock: ") for effect in analyze(source).effects) == asks

    @pytest.mark.parametrize(
        "source",
        [
            "dict(os.environ)",
            "from os import environ\nenv = {**environ, 'A': '1'}",
            "subprocess.run(a, env=os.environ)",
            "for name in os.environ: print(name)",
            "a = os.environb[b'A']",
        ],
    )
    def test_the_environment_as_a_whole(self, source: str) -> None:
        """Whoever takes it in hand may read any variable; who calls such a function reads it, too."""
        assert any(effect.startswith("environment: ") for effect in analyze(source).effects)
        notebook = Notebook()
        notebook.add("import os\ndef read(): return os.environ.copy()", plain=True)
        task = notebook.add("n = len(read())")
        notebook.run_all()
        assert notebook.verdict(task).value == "as of"

    @pytest.mark.parametrize(
        ("source", "seeds"),
        [
            ("np.random.seed(0)\nx = np.random.rand()", {"numpy"}),
            ("import numpy as xp, random\nxp.random.seed(S)\nrandom.seed(1)", {"numpy", "random"}),
            ("from random import seed\nK = 3\nseed(K + 1)", {"random"}),
            ("def f(): return 1\ntorch.manual_seed(7)", {"torch"}),
            ("x = f()\nnp.random.seed(0)", set()),
            ("random.seed()", set()),
            ("random.seed(None)", set()),
            ("random.seed(draw())", set()),
            ("if c: random.seed(0)", set()),
        ],
    )
    def test_seeds(self, source: str, seeds: set[str]) -> None:
        """A generator is seeded if nothing before could have drawn from it."""
        assert analyze(source).seeds == seeds

    @pytest.mark.parametrize(
        ("source", "effects"),
        [
            ("r = requests.post(url, json=d)", {"network: requests.post"}),
            ("import requests as rq\nrq.get(u)", {"network: rq.get"}),
            ("from urllib.request import urlopen\nurlopen(u)", {"network: urlopen"}),
            ("df = pd.read_csv('https://a.b/c.csv')", {"network: pd.read_csv"}),
            ("df.to_sql('t', engine)", {"database: df.to_sql"}),
            ("pd.read_sql('select 1', con)", {"database: pd.read_sql"}),
            ("t = datetime.datetime.now()", {"clock: datetime.datetime.now"}),
            ("from datetime import date\nd = date.today()", {"clock: date.today"}),
            ("from time import time\nt = time()", {"clock: time"}),
            ("subprocess.run(['ls'])", {"subprocess: subprocess.run"}),
            ("os.remove(p)", {"files: os.remove"}),
            ("s = smtplib.SMTP(h)", {"mail: smtplib.SMTP"}),
            ("n = input('n')", {"input: input"}),
            ("!ls", {"subprocess: !ls"}),
            ("a = %env A", set()),
            ("a = %env", {"names: %env"}),
            ("%env A=1", {"process: %env"}),
            ("a = _ + Out[3]", {"names: _", "names: Out"}),
            ("a, _ = pair\nb = _", set()),
            ("a = _total", set()),
            ("%run -t -N 5 -i job.py", {"names: %run -i"}),
            ("%run job.py", set()),
            ("m = importlib.import_module(name)", {"names: importlib.import_module"}),
            ("m = __import__(name)", {"names: __import__"}),
            ("m = importlib.import_module('lib')", set()),
            ("def f(): requests.get(u)", set()),
            ("def f(): requests.get(u)\nf()", {"network: requests.get"}),
            ("df.head(); np.mean(x); d.get('a')", set()),
        ],
    )
    def test_effects(self, source: str, effects: set[str]) -> None:
        """What is read or written outside is named by category and call."""
        assert analyze(source).effects == effects

    def test_timing_is_a_note(self) -> None:
        """Measuring time is worth a note and no effect."""
        found = analyze("t = time.perf_counter()")
        assert found.effects == set()
        assert found.notes == ("measures time with time.perf_counter",)

    @pytest.mark.parametrize(
        ("source", "shown"),
        [
            ("y = f(x)", {"x"}),
            ("y = f", {"f"}),
            ("xs = [f, {'g': g}]", {"f", "g"}),
            ("register(f, key=g)", {"f", "g"}),
            ("y = map(f, xs); sorted(ys, key=g)", set()),
            ("@d\ndef f(): ...", set()),
            ("y = m.f(1)", set()),
            ("y = m.f", {"m.f"}),
            ("y = f.__doc__", {"f.__doc__", "*"}),
            ("def f(a): return a.b", set()),
            ("y = getattr(f, '__doc__')", {"f", "*"}),
            ("inspect.signature(f)", {"f", "*"}),
            ("help(f)", {"f", "*"}),
            ("def g(h): return h.__annotations__", {"*"}),
            ("f?", {"f", "*"}),
        ],
    )
    def test_shows(self, source: str, shown: set[str]) -> None:
        """A function that is not called is held by somebody who may look at its docstring."""
        assert analyze(source).shows == shown

    def test_reading_and_changing(self) -> None:
        """Effects that change something outside are told from those that read."""
        assert changes_outside(effect_of("requests.post"))
        assert changes_outside("subprocess: subprocess.run")
        assert not changes_outside(effect_of("requests.get"))
        assert not changes_outside("clock: time.time")

    def test_builtins(self) -> None:
        """Builtins that the cell loads are kept apart from its reads."""
        found = analyze("y = len(x)\ndef f(): return max(y)\ndisplay(y)")
        assert found.builtins == {"len", "max", "display"}
        assert found.reads == {"x"}

    def test_own_builtin(self) -> None:
        """A builtin name that the cell binds is a name like any other."""
        found = analyze("if c: sum = total\nsum(x)")
        assert found.maybe_reads == {"sum"}
        assert found.maybe_writes == {"sum"}
        assert found.builtins == set()

    def test_result_is_a_value(self) -> None:
        """Two analyses of one text are equal."""
        assert analyze("y = x") == analyze("y = x")
