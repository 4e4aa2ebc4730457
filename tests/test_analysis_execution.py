"""The analysis against Python itself: what traced executions load, bind and delete."""

from __future__ import annotations

import argparse
import ast
import asyncio.events
import collections
import contextlib
import dataclasses
import decimal
import dis
import enum
import functools
import inspect
import json.decoder
import logging
import pathlib
import pickle
import re
import shutil
import statistics
import sys
import tarfile
import textwrap
import types
import typing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nbflow.analysis import Analysis, analyze
from nbflow.analysis.names import BUILTINS, is_managed, of_the_user

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType, ModuleType

FILE = "<traced cell>"
NAMES = ("a", "b", "c", "d")
FUNCTIONS = ("f", "g")


@dataclass
class Seen:
    """What one execution did to the namespace of the notebook."""

    loaded: set[str] = field(default_factory=set)
    stored: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    completed: bool = False


class Tracer:
    """Follows the opcodes of a cell, its functions and classes, one by one.

    A namespace that records its own use would miss what class bodies and `global` do, so the
    instructions are looked at right before they are executed.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.seen = Seen()
        self._own: set[str] = set()
        self._codes: dict[CodeType, dict[int, dis.Instruction]] = {}

    def run(self, source: str) -> Seen:
        """Execute a cell; what it raises is its own matter."""
        code = compile(source, FILE, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        watched = self._monitored(code) if sys.version_info >= (3, 12) else self._traced()
        with watched, contextlib.suppress(Exception):
            # A cell that waits is a coroutine; nothing in these cells ever suspends it.
            made = eval(code, self.namespace)
            if inspect.iscoroutine(made):
                with contextlib.suppress(StopIteration):
                    made.send(None)
            self.seen.completed = True
        return self.seen

    @contextlib.contextmanager
    def _monitored(self, code: CodeType):
        """Since Python 3.12 instructions are watched code by code; the tracing of opcodes is unreliable."""
        monitoring: Any = sys.monitoring
        tool, event = 4, monitoring.events.INSTRUCTION
        monitoring.use_tool_id(tool, "nbflow tests")
        monitoring.register_callback(
            tool, event, lambda code, offset: self._instruction(sys._getframe(1), offset)
        )
        waiting = [code]
        while waiting:
            one = waiting.pop()
            monitoring.set_local_events(tool, one, event)
            waiting += [constant for constant in one.co_consts if isinstance(constant, type(code))]
        try:
            yield
        finally:
            monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)

    @contextlib.contextmanager
    def _traced(self):
        before = sys.gettrace()
        sys.settrace(self._call)
        try:
            yield
        finally:
            sys.settrace(before)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        if frame.f_code.co_filename != FILE:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._opcode

    def _opcode(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "opcode":
            self._instruction(frame, frame.f_lasti)
        return self._opcode

    def _instruction(self, frame: FrameType, offset: int) -> None:
        code = frame.f_code
        if code not in self._codes:
            self._codes[code] = {line.offset: line for line in dis.get_instructions(code)}
        line = self._codes[code][offset]
        kind, _, where = line.opname.partition("_")
        if kind in ("LOAD", "STORE", "DELETE") and where in ("NAME", "GLOBAL", "FROM_DICT_OR_GLOBALS"):
            in_class = where != "GLOBAL" and frame.f_locals is not self.namespace
            getattr(self, f"_{kind.lower()}")(line.argval, frame, in_class)

    def _load(self, name: str, frame: FrameType, in_class: bool) -> None:
        bound_by_class = in_class and name in frame.f_locals
        if not bound_by_class and name not in self._own and not is_managed(name):
            self.seen.loaded.add(name)

    def _store(self, name: str, frame: FrameType, in_class: bool) -> None:
        if not in_class and not is_managed(name):
            self._own.add(name)
            self.seen.stored.add(name)

    def _delete(self, name: str, frame: FrameType, in_class: bool) -> None:
        if not in_class and not is_managed(name):
            self._load(name, frame, in_class)
            # From here on the name is the cell's doing, also where it loads a builtin again.
            self._own.add(name)
            self.seen.deleted.add(name)


def namespace() -> dict[str, Any]:
    """Give names to the cell, so that most of it can be executed."""

    class Swallow:
        def __enter__(self) -> int:
            return 1

        def __exit__(self, *error: object) -> bool:
            return True

    values: dict[str, Any] = {name: position for position, name in enumerate(NAMES)}
    functions = {name: lambda *given: 0 for name in FUNCTIONS}
    box = types.SimpleNamespace(at=0, items=[0, 1])
    others = {"r": [0, 1], "empty": [], "Swallow": Swallow, "call": lambda f: f(), "box": box}
    return {**values, **functions, **others}


def run(source: str) -> tuple[Seen, Analysis]:
    """Execute and analyse a cell."""
    return Tracer(namespace()).run(source), analyze(source)


def assert_covers(found: Analysis, seen: Seen, source: str) -> None:
    """Check that the analysis has named all that happened."""
    inputs = found.reads | found.maybe_reads | found.deferred_reads | found.builtins
    assert seen.loaded <= inputs, source
    assert seen.stored <= found.writes | found.maybe_writes, source
    assert seen.deleted <= found.deletes, source


# -- generated cells ------------------------------------------------------------------------------

# In a template N and M stand for names, F for a name of a function, E for an expression, B for a block.
EXPRESSIONS = """
(E + E)
(E if E else E)
(E or E)
(N := E)
sum([N + M for N in r])
sum(N + M for N in r if M)
len([(N := M) for x_ in r])
F()
(lambda: N)()
call(lambda: N)
(lambda N=1: N + E)()
call(F)
(E < E < E)
f"{E}{N!r:>{M}}"
[E, *r, *[N]][0]
{**{'k': E}, 'l': N}['l']
len({N: M for N in r})
len([1 for N in r for M in [N] if M])
len([(lambda: N)() for M in r])
(lambda *p, k=N, **o: (p, k, o, M))(E)[1]
[N for N in r][0]
[N := M, N][0]
(M if (N := E) else N)
(N.real if N else M.real)
call(lambda: [N for M in r if (M or N)][0])
max(r, key=lambda v: (v, N))
"""
SIMPLE = """
N = E
N, M = E, 1
N += E
del N
N: M = 1
E
assert 1, E
import os.path as a
from os import sep as b
import os
raise ValueError
pass
F = lambda: N
gen = ((N, v) for v in r)
list(gen) if 'gen' in globals() else 0
N, *M = E, 1, 2
(N, [M, d]) = E, (1, 2)
N = M = E
box.at = E
box.at += N
box.items[E] = N
del box.items[0]
N: 'M' = E
F = F
global N
F(N := E)
def F(v=N, *, k=M): return v
def F(v: N = M) -> M: return v
class K: N = M
"""
COMPOUND = """
if E:|B|else:|B
if E:|B
for N in r:|B|else:|B
for N in empty:|B
for N in r:|B|    if a: break|else:|B
for N in r:|    if N: continue|B
for N in r:|B|    break
while True:|B|    if a or 1: break
try:|B|except Exception as N:|B|else:|B
try:|B|finally:|B
try:|B|except NameError:|B|finally:|B
for N in r:|    try:|        if M: break|    finally:|        M = 1|B
with Swallow() as N:|B
with Swallow() as M:|    raise E|    N = 1|N
with Swallow() as M:|    M = 1 / 0|B|N
try:|    raise E|    N = 1|except Exception:|B|N
try:|    N = 1|    raise E|    del N|except Exception:|    N
for N in r:|    try:|        if E: break|        M = 1|    finally:|B|M
for M in r:|    try:|        break|    finally:|        del N|        N = 1|N
class K:|    N = 1|    def __init__(self): self.x = N, M|K()
match (E, 1):|  case (0, N):|B|  case (N, 1) if a:|B|  case M: pass
def F(N=0):|B|    return N
def F():|    global N|B|    return 1
def F():|    N = 0|    def h():|        nonlocal N|        N = M|    h()|B|    return F()
class K:|B|    def __init__(self): self.x = N
class K:|    N = N|    M = [N for _ in r]|    def m(self, v=N): return M
class K:|    if M: N = E|    x = N
class K:|    global N|    N = M|    del M
class K:|    N = 1|    class L:|        x = N|        def m(self): return M|K.L().m()
class K(call(lambda: object)):|    @property|    def p(self): return N|    M = p|K().p
class K:|    try: N = E|    except Exception as M: x = M|    y = M
with Swallow() as (N), Swallow() as M:|B
try:|B|except (TypeError, ValueError) as N:|B|else:|B|finally:|B
try: raise ExceptionGroup('g', [ValueError()])|except* ValueError as N:|B
for N, (M, *d) in [(E, (1, 2))]:|B
for box.at in r:|B
while N or 1:|B|    break
match {'k': E, 'l': 1}:|  case {'k': N, **M}:|B|  case _:|B
match [E, 1]:|  case [N, *_] if M:|B|  case [*M]:|B
match E:|  case int() as N:|B|  case (0 | 1) as M:|B
def F():|    class K:|        N = M|        def m(self): return N|    return K().m()
def F():|    N = 1|    del N|    return [M for M in r]
def F():|    try:|        return N|    finally:|B
def F():|    for N in r:|        yield M|list(F())
def F(v):|    def g():|        return v, N|    return g|F(M)()
@call|def F():|    return N
if call(F):|B
"""
TEMPLATES = {
    kind: text.strip().split("\n") for kind, text in [("E", EXPRESSIONS), ("S", SIMPLE), ("C", COMPOUND)]
}
SLOT = re.compile(r"\b[NMFEB]\b")


@dataclass
class Writer:
    """Writes a cell from templates; every choice is drawn."""

    draw: st.DrawFn

    def block(self, depth: int) -> str:
        """Write some statements."""
        lines = self.draw(st.integers(1, 3))
        return "\n".join(self.statement(depth) for _ in range(lines))

    def statement(self, depth: int) -> str:
        """Write one statement with blocks of at most this depth."""
        kind = "C" if depth and self.draw(st.booleans()) else "S"
        return self.fill(self.draw(st.sampled_from(TEMPLATES[kind])).replace("|", "\n"), depth)

    def expression(self, depth: int) -> str:
        """Write one expression."""
        if not depth or self.draw(st.booleans()):
            return self.draw(st.sampled_from([*NAMES, "0", "1"]))
        return self.fill(self.draw(st.sampled_from(TEMPLATES["E"])), depth)

    def fill(self, template: str, depth: int) -> str:
        """Fill the slots of a template."""
        chosen = {slot: self.draw(st.sampled_from(NAMES)) for slot in "NM" if slot in template}

        def slot(found: re.Match[str]) -> str:
            letter = found.group()
            if letter == "E":
                return self.expression(depth and depth - 1)
            if letter == "F":
                return self.draw(st.sampled_from(FUNCTIONS))
            return textwrap.indent(self.block(depth - 1), "    ") if letter == "B" else chosen[letter]

        return SLOT.sub(slot, template)


def compiles(source: str) -> bool:
    """Say whether Python takes a text, which may have a jump where none may be."""
    try:
        compile(source, FILE, "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


@st.composite
def generated(draw: st.DrawFn) -> str:
    """Draw a cell."""
    source = Writer(draw).block(2)
    assume(compiles(source))
    return source


@st.composite
def straight(draw: st.DrawFn) -> str:
    """Draw a cell without compound statements."""
    source = "\n".join(Writer(draw).statement(0) for _ in range(draw(st.integers(1, 6))))
    assume(compiles(source))
    return source


slow_to_make = settings(
    max_examples=200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


class TestGenerated:
    """Laws over generated cells."""

    @given(generated())
    @slow_to_make
    def test_covers_what_happens(self, source: str) -> None:
        """Whatever an execution loads from outside, binds or deletes, the analysis has named."""
        seen, found = run(source)
        assert_covers(found, seen, source)

    @given(generated())
    @slow_to_make
    def test_certain_writes_happen(self, source: str) -> None:
        """Certain writes happen whenever a cell completes, its loops ran and nothing was swallowed."""
        seen, found = run(source)
        if seen.completed and not {"empty", "Swallow"} & seen.loaded and "[(" not in source:
            assert found.writes <= seen.stored, source

    @given(straight())
    @slow_to_make
    def test_straight_code_is_exact(self, source: str) -> None:
        """Without branches and functions, the reads are what is loaded from outside, no more and no less."""
        if any(
            word in source
            for word in (" or ", " if ", " < ", "lambda", "gen", "assert", "raise", ":=", "in r")
        ):
            return
        seen, found = run(source)
        if seen.completed:
            assert found.reads | found.builtins == seen.loaded, source
            assert found.maybe_reads == frozenset(), source
            assert found.writes == seen.stored, source

    @given(generated())
    @slow_to_make
    def test_sets_are_apart(self, source: str) -> None:
        """A name is read certainly or perhaps, and written certainly or perhaps, not both."""
        found = analyze(source)
        assert not found.reads & found.maybe_reads
        assert not found.writes & found.maybe_writes
        assert not found.builtins & found.writes
        assert found.builtins <= BUILTINS

    @given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4), generated())
    @slow_to_make
    def test_bound_first_is_never_read(self, bound: list[str], source: str) -> None:
        """Names that the first line binds are no reads, whatever comes after it."""
        found = analyze("\n".join([" = ".join(bound) + " = 0", source]))
        assert not set(bound) & (found.reads | found.maybe_reads)


HAND_WRITTEN = [
    "x = x if 'x' in globals() else 0",
    "class C:\n a = a\n def m(self): return b\nC().m()",
    "class C:\n ys = [b for a in r]",
    "def o():\n c = 0\n def i():\n  nonlocal c\n  c += a\n  return c\n return i()\no()",
    "def f():\n global q\n q = a\nf()\nq",
    "try: a.missing\nexcept AttributeError as d: b\ntry: d\nexcept NameError: c",
    "match {'k': a}:\n case {'k': v, **rest} if b: pass\n case _: c",
    "def f():\n yield a\n yield b\nnext(f())",
    "import functools\n@functools.lru_cache\ndef f(): return a\nf()",
    "class B:\n def __init_subclass__(cls): cls.x = a\nclass C(B): pass",
    "class M(type):\n def __new__(m, *p): return type.__new__(m, *p) if b else a\nclass C(metaclass=M): pass",
    "class C:\n @property\n def p(self): return a\nC().p",
    "class C:\n def __enter__(s): return a\n def __exit__(s, *e): return b\nwith C() as x: raise E\ny = x",
    "def f(n): return g(n - 1) + a if n else b\ndef g(n): return f(n)\nf(3)",
    "xs = sorted(r, key=lambda v: -v + a)\nys = list(map(lambda v: v + b, r))",
    "fs = [lambda: a, lambda: b]\nfs[0]()\nb = 1\nfs[1]()",
    "def deco(fn): return fn() and fn\n@deco\ndef f(): return a\nf",
    "async def f(): return a\nco = f()\ntry: co.send(None)\nexcept StopIteration: b",
    "print = len\nprint(r)\ndel print\nprint(a)",
    "for a in empty: b = 1\nelse: c\nb",
    "while a < 3:\n a += 1\n if a == 2: continue\n z = d",
    "def f(*, k=a): return k\nf()",
    "f = g\nf(a)",
    "def h(): return a\nk = h\nk()",
    "exec('z = a')",
    "globals()['z'] = b",
    "del a\ntry: a\nexcept NameError: a = 1",
    "def f():\n def g():\n  global q\n  q = a\n return g\nf()()",
    "type('C', (), {'m': lambda self: a})().m()",
    "from functools import partial\ndef f(v): return v + b\npartial(f, 1)()",
    "class A:\n def go(self): return self.step()\nclass B(A):\n def step(self): return a\nB().go()",
    "with call(lambda: __import__('contextlib').suppress(Exception)):\n raise E\n x = 1\nb",
]


class TestHandWritten:
    """Cells in which much happens indirectly."""

    @pytest.mark.parametrize("source", HAND_WRITTEN)
    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_covers_what_happens(self, source: str) -> None:
        """Whatever an execution loads from outside, binds or deletes, the analysis has named."""
        seen, found = run(source)
        assert_covers(found, seen, source)
        assert seen.loaded | seen.stored

    def test_tracer_sees(self) -> None:
        """The tracer is no blind witness: it sees class bodies, globals of functions and deletions."""
        seen = Tracer(namespace()).run("class C:\n x = a\ndef f():\n global q\n q = b\nf()\ndel c")
        assert (seen.loaded, seen.stored, seen.deleted) == ({"a", "b", "c"}, {"C", "f", "q"}, {"c"})

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax came with Python 3.12")
    def test_type_parameters(self) -> None:
        """Type parameters are no globals."""
        seen, found = run("class C[T]:\n v: T\ndef f[T: a](x: T) -> T: return x\ntype X = b")
        assert_covers(found, seen, "type parameters")
        assert seen.loaded == set()


def codes(code: CodeType) -> Iterator[CodeType]:
    """List a code and all that is nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from codes(constant)


class TestStandardLibrary:
    """Modules as if they were cells, against their own bytecode."""

    @pytest.mark.parametrize(
        "module",
        [
            argparse,
            ast,
            asyncio.events,
            collections,
            dataclasses,
            decimal,
            dis,
            enum,
            functools,
            inspect,
            json.decoder,
            logging,
            pathlib,
            pickle,
            re,
            shutil,
            statistics,
            tarfile,
            textwrap,
            typing,
        ],
        ids=lambda module: module.__name__,
    )
    def test_names_of_the_bytecode(self, module: ModuleType) -> None:
        """Every global that some instruction loads, binds or deletes is named."""
        source = inspect.getsource(module)
        found = analyze(source)
        whole = compile(source, FILE, "exec", dont_inherit=True)
        used: dict[str, set[str]] = {"LOAD": set(), "STORE": set(), "DELETE": set()}
        for code in codes(whole):
            for line in dis.get_instructions(code):
                kind, _, where = line.opname.partition("_")
                if kind in used and (
                    (where == "NAME" and code is whole) or (where == "GLOBAL" and kind == "LOAD")
                ):
                    used[kind].add(line.argval)
        written = found.writes | found.maybe_writes
        read = found.reads | found.maybe_reads | found.deferred_reads | found.builtins
        assert of_the_user(used["STORE"]) <= written
        assert of_the_user(used["DELETE"]) <= found.deletes
        assert of_the_user(used["LOAD"]) <= read | written
