"""Cells of all shapes: the analysis against bytecode and execution, and IPython's syntax."""

from __future__ import annotations

import ast
import dis
import inspect
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from nbflow.analysis import Analysis, analyze
from nbflow.analysis.names import of_the_user
from tests.test_analysis import CALLED, FLOW, MUTATES, SCOPES, TABLE
from tests.test_analysis_execution import Seen, Tracer, assert_covers, compiles, generated, slow_to_make

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "<cell>"

OWN = r"""
class C:
    x = x
    y = [x for _ in r]
===
class C:
    a = 1
    b = [a for _ in r]
===
class C:
    a = b
    def m(self, z=a): return a
===
class C:
    global g
    g = 1
===
class C:
    if c:
        x = 1
    y = x
===
class A:
    class B:
        x = a
        def m(self): return x
===
class C:
    def __m(self): return __g
    __v = __h
===
class C:
    def m(self): return __class__, super()
===
class C:
    x: a = b
    y: c
===
class C:
    del d
===
class C:
    d = 1
    del d
    e = d
===
class C:
    for i in r: pass
    z = i
===
class C:
    import os as a
    z = a
===
class C:
    try: 1/0
    except ZeroDivisionError as a: pass
    y = a
===
class C:
    with a as b: c
===
class C(a, metaclass=b, k=c): pass
===
[a for a in b for c in a if d]
===
{a: b for a in c}
===
{a for a in a}
===
(a for a in b)
===
[(lambda: a)() for a in b]
===
[lambda: c for a in b]
===
[a := 1 for b in r]
===
[[a := b for b in r] for c in r]
===
[a for a in (b := r)]
===
[x for x in [y := a, y]]
===
[(x, y) for x in a for y in x]
===
(a := b) + a
===
while (a := b): break
===
if (a := 1) and (b := c): a
===
f(a := 1, b=a)
===
lambda a=b: a + c
===
lambda *a, **b: (a, b, c)
===
lambda: (a := 1)
===
def f(a=b, *c, d=e, **g) -> h: return i
===
def f():
    return a
    a = 1
===
def f():
    global a
    a += 1
===
def f():
    del a
===
def f():
    for a in b: pass
    return a
===
def f():
    with a as b: return b
===
def f():
    try: pass
    except a as b: return b
    return c
===
def f():
    import a.b
    return a
===
def f():
    from a import b as c
    return b, c
===
def f():
    class a: b = c
    return a
===
def f():
    def g():
        nonlocal h
        h = a
    h = 1
    return g
===
def f():
    a = 1
    class C:
        b = a
        def m(self): return a
    return C
===
def f():
    a = 1
    class C:
        a = a
    return C
===
def f():
    class C:
        nonlocal a
        a = b
    a = 1
    return C
===
def f():
    return [a for a in b if c]
===
def f():
    return [a := b for b in c], a
===
def f(a):
    match a:
        case {"k": b, **c}: return b, c, d
        case [e, *g] if h: return e, g
        case i.j: return k
        case l() as m: return m
===
async def f():
    async for a in b: pass
    async with c as d: pass
    return [e async for e in g], await h
===
def f():
    yield a
    yield from b
===
match a:
    case 1 | 2: b = 1
    case str(): c = 1
    case d.e: pass
    case [f, *_]: pass
    case {"k": g, **h}: pass
    case i(j, k=l): pass
    case (m, n) | [m, n, _]: pass
    case None: pass
    case "x" as o: pass
    case p if q: pass
===
try: a
except b as c: d
except (e, f): g
else: h
finally: i
===
try: a
except* b as c: d
===
try: a = 1
except: pass
a
===
try: pass
except a as b: b = 1
b
===
with a as (b, c), d as e.f, g as h[i]: pass
===
with a: b = 1
b
===
for a, (b, *c) in d: e
else: f
===
for a.b in c: pass
===
for a[b] in c: d
===
for a in a: a
===
while a: b = 1
else: c
b
===
a, b = b, a
===
a = b = c
===
a = a
===
*a, b = c
===
[a, b.c, d[e]] = f
===
a[b]: c = d
===
a.b: c = d
===
(a): b = c
===
a: b
===
a += a
===
a.b += c
===
a[b] += c
===
a[b:c, d] = e
===
del a, b.c, d[e]
===
del (a, [b])
===
del a
a = 1
===
a = 1
del a
a
===
global a
a = b
===
global a, b
a
===
import a, b.c, d.e as f
===
from a import b, c as d
===
from . import a
===
from __future__ import annotations
def f(a: b) -> c: pass
x: d = 1
===
assert a, b
===
raise a from b
===
f"{a!r:{b}.{c}}{d=}"
===
f"{lambda_}{[x for x in a]}{(lambda: b)()}"
===
a if b else c
===
a and b or c
===
not a
===
a < b < c
===
a[b:c:d]
===
a(*b, **c, d=e)
===
a.b.c(d)
===
{**a, b: c, "d": e}
===
{*a, b}
===
(a, *b)
===
await a
===
[b async for b in a]
===
async for a in b: c
===
async with a as b: c
===
x = [await a for b in c]
===
(await a for b in c)
===
@a
@b.c(d)
def f(): pass
===
@a
class C: pass
===
def f(x, /, y, *, z): return x, y, z, w
===
def f():
    if a:
        b = 1
    else:
        global c
        c = b
===
def f(n):
    def g(): return n + a
    return [h(lambda: g() + b) for h in n]
===
print(__name__, __file__)
===
__debug__
===
def f(): return __file__
===
exec("a = b")
===
eval("a + b")
===
a = (yield_ for yield_ in b)
===
type = 1
match = type
case = match
===
_ = a
===
__x = __y
===
a = lambda: (yield)
===
def f():
    x = 1
    del x
    return x
===
def f():
    try: a
    finally: b = 1
    return b
===
if a: b = 1
elif c: b = 2
else: raise d
b
===
for i in r:
    def f(): return i
    g = f()
===
def f(): return g()
def g(): return a
f()
===
def f(): return a
a = 1
f()
===
f()
def f(): return a
===
x = 1
def f():
    return x
x = f()
===
lst = [lambda: i for i in range(3)]
===
class C:
    @property
    def a(self): return b
    @a.setter
    def a(self, v): c
===
class C:
    def f(self): return D()
class D(C): pass
===
def f(a: "b" = c): pass
===
def outer():
    def inner():
        return outer_var
    outer_var = a
    return inner
===
def f():
    return locals(), globals(), vars()
===
a = 1 if (b := c) else b
===
[i for i in a if (j := i)]
j
===
a.b = c
===
a @ b
===
a @= b
===
~a, -b, +c
===
...
===
a: int = (b := 1)
===
print(a, file=b, sep=c)
===
super_ = super
===
def f(self): return super().g()
===
class C:
    def f(self): return super().g() + h
===
class C: __slots__ = a
===
class C:
    x = 1
    f = lambda self: x
    g = (x for _ in r)
    h = [y for y in [x]]
===
def f[T](a: T) -> T: return b
===
class C[T: a](b[T]):
    x: T
    def m[U: T](self, y: U = c) -> d: return e
===
type A[T] = list[T] | b
===
type A = a
===
class C[*Ts, **P]: x = a
===
type A[T: a] = b
===
def f[T: (a, b)](x: T): return T
===
class C[T]:
    T = T
    y = T
===
def f[T]():
    class D: x = T
    return D
"""
"""Cells with `===` between them."""


def own() -> list[str]:
    """The cells that this Python can compile."""
    return [cell for cell in OWN.strip("\n").split("\n===\n") if compiled(cell) is not None]


def compiled(source: str) -> CodeType | None:
    """The code of a cell, in which `await` may stand; None where this Python knows no such syntax."""
    try:
        return compile(source, FILE, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError:
        return None


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code and all that is nested in it; that of dead code is kept, but no instruction mentions it."""
    yield code
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, CodeType):
            yield from nested(instruction.argval)


class Bytecode:
    """The names of the namespace that the instructions of a cell load, bind and delete.

    Attributes:
        certain: Loads that never mean a name of a class body.
        loads: All loads.
        stores: What the cell itself, its functions and classes bind.
        own: What the cell binds outside of functions.
        deletes: What is deleted anywhere, class bodies included.
        gone: What the cell itself deletes.
    """

    def __init__(self, code: CodeType) -> None:
        self.certain: set[str] = set()
        self.loads: set[str] = set()
        self.stores: set[str] = set()
        self.own: set[str] = set()
        self.deletes: set[str] = set()
        self.gone: set[str] = set()
        for part in nested(code):
            for step in dis.get_instructions(part):
                self._note(step, is_top=part is code)

    def _note(self, step: dis.Instruction, *, is_top: bool) -> None:
        kind, _, where = step.opname.partition("_")
        is_global = where == "GLOBAL" or (where == "NAME" and is_top)
        if kind == "LOAD" and where in ("NAME", "GLOBAL", "FROM_DICT_OR_GLOBALS"):
            self.loads.add(step.argval)
            self.certain |= {step.argval} if is_global else set()
        elif kind == "STORE" and is_global:
            self.stores.add(step.argval)
            self.own |= {step.argval} if is_top else set()
        elif kind == "DELETE" and (is_global or where == "NAME"):
            self.deletes.add(step.argval)
            self.gone |= {step.argval} if is_top else set()


def every_read(found: Analysis) -> frozenset[str]:
    """All names that a cell may load, whenever."""
    return found.reads | found.maybe_reads | found.deferred_reads | found.builtins


class Anything:
    """A value with which nearly every statement goes well; it is true for a while, so that loops end."""

    def __init__(self, *given: object, **named: object) -> None:
        self.left = 5

    def __getattr__(self, name: str) -> Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *given: object, **named: object) -> object:
        """Give back a function that it is given, as a decorator may."""
        return given[0] if len(given) == 1 and inspect.isroutine(given[0]) else self

    def __iter__(self) -> Iterator[Any]:
        return iter([self, self])

    def __bool__(self) -> bool:
        self.left -= 1
        return self.left > 0

    def __getitem__(self, key: object) -> Anything:
        return self

    def __setitem__(self, key: object, value: object) -> None: ...

    def __delitem__(self, key: object) -> None: ...

    def __delattr__(self, name: str) -> None: ...

    def __enter__(self) -> Anything:
        return self

    def __exit__(self, *error: object) -> bool:
        return False

    def __await__(self) -> Iterator[Any]:
        return self
        yield

    async def __aenter__(self) -> Anything:
        return self

    async def __aexit__(self, *error: object) -> bool:
        return False

    async def __aiter__(self) -> Any:
        yield self

    def keys(self) -> list[str]:
        """So that it can be unpacked as a mapping."""
        return ["k"]

    def _operate(self, *others: object) -> Anything:
        return self

    __add__ = __radd__ = __matmul__ = __neg__ = __pos__ = __invert__ = _operate
    __lt__ = __gt__ = __format__ = _operate  # pyright: ignore[reportAssignmentType] - whatever Python makes of it
    __hash__ = object.__hash__


def execute(source: str) -> Seen:
    """Execute a cell over names that all mean something, and see what it loads, binds and deletes."""
    names: dict[str, Any] = {letter: Anything() for letter in "abcdefghijklmnopqrstuvwxyz"}
    names |= {"r": [0, 1], "yield_": 1, "lambda_": 1, "D": Anything()}
    return Tracer(names).run(source)


ROWS = [row for rows in (TABLE, FLOW, SCOPES, CALLED, MUTATES) for row in rows]


@pytest.mark.parametrize("source", [*own(), *(row.source for row in ROWS if compiled(row.source))])
class TestBytecode:
    """The names that instructions mention, whether they are ever executed or not."""

    def test_nothing_is_missed(self, source: str) -> None:
        """What any instruction may load, bind or delete is named."""
        check_nothing_is_missed(source)

    def test_nothing_is_made_up(self, source: str) -> None:
        """No name is said to be read or written that stands in no instruction."""
        check_nothing_is_made_up(source)


class TestGeneratedBytecode:
    """So it is in generated cells."""

    @given(generated())
    @slow_to_make
    def test_nothing_is_missed(self, source: str) -> None:
        """No name is missed, whatever stands around it; dead code has no instructions."""
        check_nothing_is_missed(source)


def check_nothing_is_missed(source: str) -> None:
    """Compare an analysis with what the instructions name."""
    found, used = analyze(source), bytecode(source)
    written = found.writes | found.maybe_writes
    assert of_the_user(used.certain) <= every_read(found) | written
    assert of_the_user(used.own) <= written
    assert of_the_user(used.gone) <= found.deletes


def check_nothing_is_made_up(source: str) -> None:
    """Compare the instructions with what an analysis names, where it is complete and all is Python."""
    found, used = analyze(source), bytecode(source)
    if found.complete and "get_ipython" not in source:
        assert every_read(found) <= used.loads | used.deletes | _asked_for(source)
        assert found.writes | found.maybe_writes <= used.stores | used.deletes
        assert found.deletes <= used.deletes


def bytecode(source: str) -> Bytecode:
    """What the instructions of a cell name."""
    code = compiled(source)
    assert code is not None
    return Bytecode(code)


def _asked_for(source: str) -> set[str]:
    """Texts in a cell: a name may be read through one."""
    return {
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


class TestExecution:
    """What happens when the cells are executed."""

    @pytest.mark.parametrize("source", [cell for cell in own() if compiles(cell)])
    def test_nothing_is_missed(self, source: str) -> None:
        """Whatever is really loaded, bound or deleted is named."""
        assert_covers(analyze(source), execute(source), source)

    @pytest.mark.parametrize("source", [cell for cell in own() if not compiles(cell)])
    def test_cells_that_wait(self, source: str) -> None:
        """So it is in cells with `await` at their top."""
        assert_covers(analyze(source), execute(source), source)

    def test_most_cells_complete(self) -> None:
        """The table is no table of errors."""
        ended = [execute(source).completed for source in own()]
        assert sum(ended) > 0.7 * len(ended)


MAGICS = {
    "%time y = x": "R:x W:y",
    "%%time\ny = x": "R:x W:y",
    "%%time\n%time y = x\n!ls {z}": "R:x,z W:y",
    "%%time\n%%capture out\ny = x": "R:x W:out,y",
    "%%capture\ny = x": "R:x W:y",
    "%%capture --no-display cap\ny = x\ncap.show()": "R:cap,x W:cap,y",
    "!cmd {x}": "R:x W:",
    "!cmd $x ${y} $$z {{w}}": "R:x,y W:",
    "!!ls $x": "R:x W:",
    "files = !ls $x": "R:x W:files",
    "files = !ls {x['a']} {y.z!r}": "R:x,y W:files",
    "a, b = !ls {x}": "R:x W:a,b",
    "!echo {f(x, y)} {d['k']} {', '.join(z)}": "R:d,f,x,y,z W:",
    "!ls {[i for i in x]}": "R:x W:",
    "!ls {x if y else z} > {w}": "R:w,x,y,z W:",
    "for i in r:\n    !echo {i} $x": "R:r,x W:i",
    "def f():\n    y = !ls {z}\n    return y": "R: W:f",
    "x?": "R:x W:",
    "x.y??": "R:x W:",
    "?x": "R:x W:",
    "y = %time x": "R:x W:y",
    "r = %timeit -o x": "R:x W:r",
    "%timeit -n1 -r1 y = x": "R:x W:",
    "%%timeit s = x\nt = s": "R:x W:",
    "%prun -l 5 y = f(x)": "R:f,x W:y",
    "%%prun\ny = x": "R:x W:y",
    "%env A={x}": "R:x W:",
    "%cd $x": "R:x W:",
    '%%bash -s "$x" {y}\necho $1': "R:x,y W:",
    "%%script bash --out o\necho": "R: W:o",
    "%%writefile {x}\nabc": "R:x W:",
    "%%html\n<b>{x}</b>": "R: W:",
    "o = %sx ls $x": "R:x W:o",
    "if a:\n    %time y = x": "R:a,x W:y",
    "x = %pwd": "R: W:x",
}
UNKNOWN = r"""
%run other.py
%run -i other.py $x
%store -r x
%reset -f
%xdel x
%macro m 1-3
%edit x
%pylab
%debug y = x
%alias_magic t time
%recall 1
%rerun
%%cython\ndef f(): pass
%%python\ny = x
%%debug\ny = x
"""


class TestMagics:
    """IPython's syntax, as it is written and as IPython itself translates it."""

    @pytest.mark.parametrize(("source", "expected"), MAGICS.items(), ids=list(MAGICS))
    def test_names(self, source: str, expected: str) -> None:
        """The same names are found in both."""
        for text in (source, translated(source)):
            found = analyze(text)
            reads = ",".join(sorted(found.reads | found.maybe_reads))
            writes = ",".join(sorted(found.writes | found.maybe_writes))
            assert f"R:{reads} W:{writes}" == expected
            assert found.complete

    @pytest.mark.parametrize("source", [text.replace("\\n", "\n") for text in UNKNOWN.strip().split("\n")])
    def test_what_may_bind_anything(self, source: str) -> None:
        """Of these the text does not tell which names they bind, and that is said."""
        for text in (source, translated(source)):
            found = analyze(text)
            assert not found.complete
            assert found.notes


def translated(source: str) -> str:
    """A cell as IPython executes it."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source + "\n")
