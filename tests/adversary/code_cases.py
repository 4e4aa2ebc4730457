"""Notebooks, edits of them, and whether the reader of what was edited must run again.

A case is a label, cells with `---` between them, of which the last one binds `y`, and edits, each
made by itself: `=>` for one after which `y` is not up to date, `==` for one that changes nothing for it.
An edit replaces the first such text; in a case of modules the name of the file stands before it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """One text put in the place of another, in a cell or in a file.

    Args:
        old: The text that stands there.
        new: What replaces it.
        counts: Whether the reader depends on it.
        file: Which file; empty for a cell.
    """

    old: str
    new: str
    counts: bool
    file: str = ""


@dataclass(frozen=True)
class Case:
    """A notebook and one edit of it."""

    label: str
    cells: tuple[str, ...]
    edit: Edit

    def __str__(self) -> str:
        return f"{self.label}: {self.edit.old} to {self.edit.new}".replace("\n", " ")


def parsed(table: str) -> list[Case]:
    """The cases of a table, one for each edit."""
    return [case for block in table.strip().split("\n\n") for case in _of_block(block)]


def _of_block(block: str) -> list[Case]:
    label, *lines = block.split("\n")
    edits = [line for line in lines if line.startswith(("=> ", "== "))]
    cells = tuple("\n".join(lines[: -len(edits)]).split("\n---\n"))
    return [Case(label.removeprefix("# "), cells, _edit(line)) for line in edits]


def _edit(line: str) -> Edit:
    mark, rest = line[:2], line[3:].replace("\\n", "\n")
    file, colon, texts = rest.partition(".py: ")
    old, _, new = (texts if colon else rest).partition(" ~> ")
    return Edit(old, new, mark == "=>", f"{file}.py" if colon else "")


IN_CELLS = r"""
# function
def f(x): return x+1
---
y=f(1)
=> x+1 ~> x+2
== x+1 ~> (x + 1)  # c
== def f(x): ~> def f(x: int):
== return ~> 'doc'; return

# helper of helper
def g(x): return x+1
---
def f(x): return g(x)
---
y=f(1)
=> x+1 ~> x+2

# unrelated
def f(x): return x+1
def u(x): return 5
---
y=f(1)
== 5 ~> 6

# global by value
K=1
---
def f(x): return x+K
---
y=f(1)
=> K=1 ~> K=2
== K=1 ~> K=2-1

# method
class C:
 def m(self): return 1
 def u(self): return 5
---
c=C()
---
y=c.m()
=> return 1 ~> return 2
=> return 5 ~> return 6

# property
class C:
 @property
 def m(self): return 1
---
c=C()
---
y=c.m
=> return 1 ~> return 2

# wraps
import functools
def d(f):
 @functools.wraps(f)
 def w(*a): return f(*a)+1
 return w
---
@d
def f(x): return x
---
y=f(1)
=> +1 ~> +2
=> return x ~> return x*7

# deco args
def d(n):
 def o(f):
  def w(*a): return f(*a)+n
  return w
 return o
---
@d(3)
def f(x): return x
---
y=f(1)
=> +n ~> -n
=> d(3) ~> d(4)

# partial
import functools
def f(a,b): return a+b
---
g=functools.partial(f,1)
---
y=g(2)
=> a+b ~> a-b
=> f,1 ~> f,2

# lru
import functools
@functools.lru_cache
def f(a): return a+1
---
y=f(2)
=> a+1 ~> a-1

# lru plain import
import functools
---
@functools.lru_cache(maxsize=None)
def f(a): return h(a)
---
def h(a): return a
---
y=f(2)
=> def h(a): return a ~> def h(a): return a*3

# singledispatch
import functools
@functools.singledispatch
def f(a): return 0
@f.register
def _(a: int): return h(a)
---
def h(a): return a
---
y=f(2)
=> return 0 ~> return 9
=> return a ~> return a*3

# singledispatch later
import functools
@functools.singledispatch
def f(a): return 0
---
@f.register
def fi(a: int): return 1
---
y=f(2)
=> return 1 ~> return 2

# cached_property
import functools
class C:
 @functools.cached_property
 def m(self): return 1
---
y=C().m
=> return 1 ~> return 2

# reduce
import functools
def f(a,b): return a+b
---
y=functools.reduce(f,[1,2,3])
=> a+b ~> a*b

# map
def f(a): return a+1
---
y=list(map(f,[1,2,3]))
=> a+1 ~> a*5

# sorted key
def f(a): return a
---
y=sorted([1,3,2],key=f)
=> return a ~> return -a

# closure
def mk(n):
 def f(x): return x+n
 return f
---
f=mk(1)
---
y=f(1)
=> x+n ~> x-n
=> mk(1) ~> mk(2)

# class body
K=1
---
class C:
 a=K+1
---
y=C.a
=> K=1 ~> K=2
=> K+1 ~> K+2

# metaclass
class M(type):
 def __call__(cls,*a): return 1
---
class C(metaclass=M): pass
---
y=C()
=> return 1 ~> return 2

# metaclass new
class M(type):
 def __new__(m,n,b,d):
  d['v']=1
  return type.__new__(m,n,b,d)
---
class C(metaclass=M): pass
---
y=C.v
=> =1 ~> =2

# metaclass getattr
class M(type):
 def __getattr__(cls,n): return 1
---
class C(metaclass=M): pass
---
y=C.zz
=> return 1 ~> return 2

# init_subclass
class B:
 def __init_subclass__(cls,**k): cls.v=1
---
class C(B): pass
---
y=C.v
=> =1 ~> =2

# descriptor
class D:
 def __get__(s,o,t=None): return 1
---
class C:
 d=D()
---
y=C().d
=> return 1 ~> return 2

# set_name
class D:
 def __set_name__(s,o,n): s.n=n+'1'
 def __get__(s,o,t=None): return s.n
---
class C:
 d=D()
---
y=C().d
=> '1' ~> '2'

# dataclass
import dataclasses
@dataclasses.dataclass
class C:
 a:int=1
 b:int=5
---
y=C().a
=> a:int=1 ~> a:int=2
=> a:int ~> a:float

# dataclass default factory
import dataclasses
def mk(): return [1]
---
@dataclasses.dataclass
class C:
 a:list=dataclasses.field(default_factory=mk)
---
y=C().a
=> [1] ~> [2]

# post init
import dataclasses
@dataclasses.dataclass
class C:
 a:int=1
 def __post_init__(s): s.b=s.a+1
---
y=C().b
=> +1 ~> +2

# pydantic
import pydantic
class C(pydantic.BaseModel):
 a:int=1
---
y=C(a='3').a
=> a:int ~> a:str
=> =1 ~> =2

# pydantic validator
import pydantic
class C(pydantic.BaseModel):
 a:int=1
 @pydantic.field_validator('a')
 @classmethod
 def v(cls,x): return x+1
---
y=C(a='3').a
=> x+1 ~> x+2

# pydantic validator helper
def h(x): return x+1
---
import pydantic
class C(pydantic.BaseModel):
 a:int=1
 @pydantic.field_validator('a')
 @classmethod
 def v(cls,x): return h(x)
---
y=C(a='3').a
=> x+1 ~> x+2

# pydantic annotated
import pydantic,typing
def h(x): return x+1
---
class C(pydantic.BaseModel):
 a: typing.Annotated[int, pydantic.AfterValidator(h)]
---
y=C(a='3').a
=> x+1 ~> x+2

# pydantic nested
import pydantic
class I(pydantic.BaseModel):
 v:int=1
---
class C(pydantic.BaseModel):
 i: I = I()
---
y=C(i={'v':'3'}).i.v
=> v:int ~> v:str

# pydantic config
import pydantic
class C(pydantic.BaseModel):
 model_config=pydantic.ConfigDict(str_to_upper=False)
 a:str='x'
---
y=C(a='b').a
=> False ~> True

# pydantic field
import pydantic
class C(pydantic.BaseModel):
 a:int=pydantic.Field(1,gt=0)
---
try: y=C(a=5).a
except Exception: y='bad'
=> gt=0 ~> gt=10

# pydantic dataclass
import pydantic
@pydantic.dataclasses.dataclass
class C:
 a:int=1
---
y=C('3').a
=> a:int ~> a:str

# pydantic root
import pydantic
A=pydantic.TypeAdapter(int)
---
y=A.validate_python('3')
=> (int) ~> (str)

# docstring prompt
def f(x):
 'p1'
 return x
---
y=f.__doc__
=> 'p1' ~> 'p2'

# docstring in helper
def f(x):
 'p1'
 return x
---
def pr(g): return g.__doc__
---
y=pr(f)
=> 'p1' ~> 'p2'

# docstring deco
def d(f):
 f.p=f.__doc__
 return f
---
@d
def f(x):
 'p1'
 return x
---
y=f.p
=> 'p1' ~> 'p2'

# docstring registry
R={}
def reg(f): R[f.__name__]=f; return f
---
@reg
def f(x):
 'p1'
 return x
---
y=R['f'].__doc__
=> 'p1' ~> 'p2'

# docstring class
class C:
 'p1'
---
y=C.__doc__
=> 'p1' ~> 'p2'

# docstring method
class C:
 def m(self):
  'p1'
---
y=C.m.__doc__
=> 'p1' ~> 'p2'

# docstring getattr
def f(x):
 'p1'
---
y=getattr(f,'__doc__')
=> 'p1' ~> 'p2'

# inspect getdoc
import inspect
def f(x):
 'p1'
---
y=inspect.getdoc(f)
=> 'p1' ~> 'p2'

# doc via pydoc
import pydoc
def f(x):
 'p1'
---
y=pydoc.render_doc(f)
=> 'p1' ~> 'p2'

# annotations read
def f(x:int): return x
---
y=f.__annotations__['x'].__name__
=> :int ~> :str

# signature
import inspect
def f(x:int): return x
---
y=str(inspect.signature(f))
=> :int ~> :str

# get_type_hints
import typing
def f(x:int): return x
---
y=typing.get_type_hints(f)['x'].__name__
=> :int ~> :str

# defaults
def f(x=1): return x
---
y=f()
=> x=1 ~> x=2

# defaults introspection
def f(x=1): return x
---
y=f.__defaults__
=> x=1 ~> x=2

# param names
def f(x): return x
---
y=f(x=1)
=> f(x): return x ~> f(x, z=0): return x

# mutual recursion
def a(n): return b(n-1)+1 if n else 0
def b(n): return a(n-1)+1 if n else 0
---
y=a(4)
=> return a(n-1)+1 ~> return a(n-1)+2

# mutual recursion apart
def a(n): return b(n-1)+1 if n else 0
---
def b(n): return a(n-1)+1 if n else 0
---
y=a(4)
=> return a(n-1)+1 ~> return a(n-1)+2

# exec generated
src='def f(x): return x+1'
---
exec(src)
---
y=f(1)
=> x+1 ~> x+2

# exec in dict
def mk(op):
 d={}
 exec(f'def f(x): return x{op}1',d)
 return d['f']
---
f=mk('+')
---
y=f(1)
=> mk('+') ~> mk('-')

# type()
def m(self): return 1
---
C=type('C',(),{'m':m})
---
y=C().m()
=> return 1 ~> return 2

# lambda factory
fs=[(lambda x,i=i: x+i) for i in range(3)]
---
y=fs[1](1)
=> x+i ~> x-i

# dict of functions
def f(x): return 1
D={'f':f}
---
y=D['f'](0)
=> return 1 ~> return 2

# dict of functions apart
def f(x): return 1
---
D={'f':f}
---
y=D['f'](0)
=> return 1 ~> return 2

# object attr fn
class O: pass
def f(x): return 1
o=O(); o.f=f
---
y=o.f(0)
=> return 1 ~> return 2

# object attr fn helper
def h(): return 1
---
class O: pass
def f(x): return h()
o=O(); o.f=f
---
y=o.f(0)
=> return 1 ~> return 2

# partials in list
import functools
def f(a,b): return a+b
---
L=[functools.partial(f,1)]
---
y=L[0](2)
=> a+b ~> a-b

# bound method in list
class C:
 def m(self): return 1
---
L=[C().m]
---
y=L[0]()
=> return 1 ~> return 2

# operator overload
class V:
 def __init__(s,x): s.x=x
 def __add__(s,o): return s.x+o.x
---
a=V(1);b=V(2)
---
y=a+b
=> s.x+o.x ~> s.x-o.x

# eq
class V:
 def __eq__(s,o): return True
---
a=V()
---
y=(a==1)
=> True ~> False

# contextmanager cls
class CM:
 def __enter__(s): return 1
 def __exit__(s,*a): return False
---
with CM() as c: y=c
=> return 1 ~> return 2

# contextmanager fn
import contextlib
@contextlib.contextmanager
def cm(): yield 1
---
with cm() as c: y=c
=> yield 1 ~> yield 2

# inherit
class B:
 def m(self): return 1
---
class C(B): pass
---
c=C()
---
y=c.m()
=> return 1 ~> return 2

# inherit class only
class B:
 def m(self): return 1
---
class C(B): pass
---
y=C().m()
=> return 1 ~> return 2

# mixin
class M:
 def m(self): return self.k()
---
class B:
 def k(self): return 1
---
class C(M,B): pass
---
y=C().m()
=> return 1 ~> return 2
=> self.k() ~> self.k()+1

# super
class B:
 def m(self): return 1
---
class C(B):
 def m(self): return super().m()
---
y=C().m()
=> return 1 ~> return 2

# enum
import enum
class E(enum.Enum):
 A=1
 def m(self): return 1
---
y=E.A.m()
=> return 1 ~> return 2
=> A=1 ~> A=3

# enum value
import enum
class E(enum.Enum):
 A=1
 B=2
---
y=E(1).name
=> A=1\n B=2 ~> B=1\n A=2

# namedtuple meth
import collections
class N(collections.namedtuple('N','a')):
 def m(self): return self.a+1
---
n=N(1)
---
y=n.m()
=> +1 ~> +2

# NamedTuple
import typing
class N(typing.NamedTuple):
 a:int=1
 def m(self): return self.a+1
---
n=N()
---
y=n.m()
=> +1 ~> +2
=> a:int=1 ~> a:int=2

# async fn
import asyncio
async def f(): return 1
---
y=asyncio.run(f())
=> return 1 ~> return 2

# generator
def g():
 yield 1
---
y=list(g())
=> yield 1 ~> yield 2

# mutable default
def f(a=[]):
 a.append(1); return len(a)
---
y=f()
=> append(1) ~> extend([1,1])

# nonlocal
def mk():
 n=0
 def f():
  nonlocal n
  n+=1
  return n
 return f
---
f=mk()
---
y=f()
=> n+=1 ~> n+=2
=> n=0 ~> n=5

# global counter
n=0
---
def inc():
 global n
 n+=1
---
inc()
---
y=n
=> n+=1 ~> n+=2

# monkeypatch
class C:
 def m(self): return 1
---
def f(self): return 5
C.m=f
---
y=C().m()
=> return 5 ~> return 6

# setattr
class C: pass
---
setattr(C,'m',lambda s: 5)
---
y=C().m()
=> 5 ~> 6

# setattr before instance
class C: pass
c=C()
---
setattr(C,'m',lambda s: 5)
---
y=c.m()
=> 5 ~> 6

# class deco
def d(c):
 c.v=1
 return c
---
@d
class C: pass
---
y=C.v
=> =1 ~> =2

# __call__
class C:
 def __call__(s): return 1
---
c=C()
---
y=c()
=> return 1 ~> return 2

# __getattr__
class C:
 def __getattr__(s,n): return 1
---
c=C()
---
y=c.zz
=> return 1 ~> return 2

# class_getitem
class C:
 def __class_getitem__(c,k): return 1
---
y=C[0]
=> return 1 ~> return 2

# abc register
import abc
class A(abc.ABC): pass
class B: pass
---
A.register(B)
---
y=isinstance(B(),A)
=> A.register(B) ~> 0

# subclasshook
import abc
class A(abc.ABC):
 @classmethod
 def __subclasshook__(c,o): return True
---
y=issubclass(int,A)
=> True ~> False

# protocol
import typing
@typing.runtime_checkable
class P(typing.Protocol):
 def m(self): ...
class C:
 def m(self): ...
---
y=isinstance(C(),P)
=> class C:\n def m ~> class C:\n def k

# slots
class C:
 __slots__=('a',)
 def m(s): return 1
---
c=C()
---
y=c.m()
=> return 1 ~> return 2

# reduce fn
class C:
 def __init__(s,a): s.a=a
 def __reduce__(s): return (mk,(s.a,))
 def m(s): return 1
def mk(a): return C(a)
---
c=C(1)
---
y=c.m()
=> return 1 ~> return 2

# copyreg
import copyreg
class C:
 def m(s): return 1
def red(c): return (str,('x',))
copyreg.pickle(C,red)
---
c=C()
---
y=c.m()
=> return 1 ~> return 2

# reduce str
class C:
 def __init__(s,v): s.v=v
 def __reduce__(s): return 'c'
 def m(s): return 1
---
c=C(1)
---
y=(c.m(),c.v)
=> return 1 ~> return 2
=> C(1) ~> C(2)

# getnewargs
class C(int):
 def __new__(c,v): return int.__new__(c,v)
 def m(s): return 1
---
c=C(1)
---
y=c.m()
=> return 1 ~> return 2

# frompyfunc
import numpy as np
def f(x): return x+1
---
u=np.frompyfunc(f,1,1)
---
y=u(1)
=> x+1 ~> x+2

# vectorize
import numpy as np
def f(x): return x+1
---
u=np.vectorize(f)
---
y=int(u(1))
=> x+1 ~> x+2

# apply
import pandas as pd
def f(x): return x+1
---
s=pd.Series([1])
---
y=int(s.apply(f)[0])
=> x+1 ~> x+2

# sklearn pipe
import sklearn.preprocessing as sp,numpy as np
def f(x): return x+1
---
t=sp.FunctionTransformer(f)
---
y=float(t.transform(np.array([[1.]]))[0,0])
=> x+1 ~> x+2

# TypeVar
import typing
T=typing.TypeVar('T',bound=int)
---
y=T.__bound__.__name__
=> =int ~> =str

# NewType
import typing
T=typing.NewType('T',int)
---
y=T.__supertype__.__name__
=> ,int ~> ,str

# iter of gen fn
def g(n):
 for i in range(n): yield i+1
---
class I:
 def __iter__(s): return g(3)
---
i=I()
---
y=list(i)
=> i+1 ~> i+2

# local class instance in frame
import pandas as pd
class C:
 def m(s): return 1
---
df=pd.DataFrame({'a':[C()]})
---
y=df.a[0].m()
=> return 1 ~> return 2

# class attr mutable
class C:
 L=[]
---
C.L.append(1)
---
y=len(C.L)
=> append(1) ~> extend([1,2])

# attr of fn
def f(): return f.k
f.k=1
---
y=f()
=> f.k=1 ~> f.k=2

# attr of fn later
def f(): return f.k
---
f.k=1
---
y=f()
=> f.k=1 ~> f.k=2

# globals()
def h(): return 1
---
def f(): return globals()['h']()
---
y=f()
=> return 1 ~> return 2

# eval
def h(): return 1
---
def f(): return eval('h()')
---
y=f()
=> return 1 ~> return 2

# getattr by name
class C:
 def m(s): return 1
---
y=getattr(C(),'m')()
=> return 1 ~> return 2

# kwonly default fn
def h(): return 1
---
def f(*,g=h): return g()
---
y=f()
=> return 1 ~> return 2

# staticmethod
class C:
 @staticmethod
 def m(): return 1
---
y=C.m()
=> return 1 ~> return 2

# classmethod
class C:
 K=1
 @classmethod
 def m(cls): return cls.K
---
y=C.m()
=> K=1 ~> K=2

# nested class
class C:
 class D:
  def m(s): return 1
---
y=C.D().m()
=> return 1 ~> return 2

# method global
K=1
---
class C:
 def m(s): return K
---
c=C()
---
y=c.m()
=> K=1 ~> K=2

# import in fn
def f():
 import math
 return math.floor(1.5)
---
y=f()
=> floor ~> ceil

# weakref method
import weakref
class C:
 def m(s): return 1
c=C()
w=weakref.ref(c)
---
y=w().m()
=> return 1 ~> return 2

# ChainMap fn
import collections
def f(): return 1
---
m=collections.ChainMap({'f':f})
---
y=m['f']()
=> return 1 ~> return 2

# operator
import operator
class C:
 def m(s): return 1
---
g=operator.methodcaller('m')
---
c=C()
---
y=g(c)
=> return 1 ~> return 2

# total_ordering
import functools
@functools.total_ordering
class C:
 def __init__(s,v): s.v=v
 def __eq__(s,o): return s.v==o.v
 def __lt__(s,o): return s.v<o.v
---
y=C(1)>=C(2)
=> s.v<o.v ~> s.v>o.v

# match class
class P:
 __match_args__=('x','z')
 def __init__(s): s.x=1; s.z=2
---
match P():
 case P(a): y=a
=> ('x','z') ~> ('z','x')

# exception class
class E(Exception):
 def __str__(s): return '1'
---
e=E()
---
y=str(e)
=> '1' ~> '2'

# format
class C:
 def __format__(s,f): return '1'
---
c=C()
---
y=f'{c}'
=> '1' ~> '2'

# hash in set
class C:
 def __hash__(s): return 1
 def __eq__(s,o): return True
---
y=len({C(),C()})
=> True ~> False

# del
L=[]
class C:
 def __del__(s): L.append(1)
---
C()
y=len(L)
=> append(1) ~> extend([1,2])

# swap name
def a(): return 1
def b(): return 2
---
f=a
---
y=f()
=> f=a ~> f=b

# if def
import sys
if sys.version_info>(3,):
 def f(): return 1
else:
 def f(): return 2
---
y=f()
=> (3,) ~> (9,)

# try import
try:
 import nonexist as m
except ImportError:
 m=None
---
y=m is None
=> nonexist ~> math

# comprehension fn
def f(x): return x+1
---
y=[f(i) for i in range(3)]
=> x+1 ~> x+2

# const fold
def f(): return 2*3
---
y=f()
== 2*3 ~> 6
== 2*3 ~> 3*2
=> 2*3 ~> 7

# bool vs int
def f(): return 1
---
y=f()
=> return 1 ~> return True
=> return 1 ~> return 1.0

# -0.0
def f(): return 0.0
---
y=str(f())
=> 0.0 ~> -0.0

# frozenset const
def f(x): return x in {1,2}
---
y=f(1)
=> {1,2} ~> {1.0,2}
== {1,2} ~> {2,1}

# slice const
def f(x): return x[1:2]
---
y=f('abc')
=> 1:2 ~> 0:2

# except type
def f():
 try: return 1/0
 except ZeroDivisionError: return 1
 except Exception: return 2
---
y=f()
=> ZeroDivisionError ~> ValueError

# jump
def f(n):
 r=0
 for i in range(n):
  if i==2: break
  r+=1
 return r
---
y=f(5)
=> break ~> continue

# class order attrs
class C:
 a=1
 b=2
---
y=[k for k in vars(C) if not k.startswith('_')]
=> a=1\n b=2 ~> b=2\n a=1

# qualname
def f(): return 1
---
y=f.__qualname__
=> return 1 ~> return 2

# plain function attribute
def f(): pass
g=f
---
y=g.__name__
=> g=f ~> g=lambda: 0

# doc alias
def f(x):
 'p1'
---
g=f
---
y=g.__doc__
=> 'p1' ~> 'p2'

# doc in dict apart
def f(x):
 'p1'
---
D={'f':f}
---
y=D['f'].__doc__
=> 'p1' ~> 'p2'

# doc lru apart
import functools
def f(x):
 'p1'
---
g=functools.lru_cache(f)
---
y=g.__doc__
=> 'p1' ~> 'p2'

# doc register
import functools
@functools.singledispatch
def gen(a): return 0
def f(a:int): return 1
---
gen.register(f)
---
y=gen(1)
=> a:int ~> a:str

# doc not reached
def f(x):
 'p1'
 return x
---
y=f(1)
== 'p1' ~> 'p2'

# doc map
def f(x):
 'p1'
 return x
---
y=list(map(f,[1]))
== 'p1' ~> 'p2'

# doc sorted
def f(x):
 'p1'
 return x
---
y=sorted([1],key=f)
== 'p1' ~> 'p2'

# doc deco
def d(f):
 'p1'
 return f
---
@d
def f(): return 1
---
y=f()
== 'p1' ~> 'p2'

# doc validate_call
import pydantic
def f(x:int): return x
---
y=pydantic.validate_call(f)('3')
=> :int ~> :str
"""

IN_MODULES = r"""
# mod import
import lone
---
y=lone.f()
=> lone.py: return 1 ~> return 2
== lone.py: return 1 ~> return 1 # c

# mod in fn
def h():
 import lone
 return lone.f()
---
y=h()
=> lone.py: return 1 ~> return 2

# mod from in body
from lone import f
y=f()
=> lone.py: return 1 ~> return 2

# mod in body
import lone
y=lone.f()
=> lone.py: return 1 ~> return 2

# mod relative
from lib.a import f
---
y=f()
=> lib/b.py: return 1 ~> return 2
=> lib/c.py: K=5 ~> K=7
== lib/a.py: return 0 ~> return 9
== lib/c.py: J=6 ~> J=7

# mod pkg attr
import lib.a
---
y=lib.a.f()
=> lib/b.py: return 1 ~> return 2
=> lib/c.py: K=5 ~> K=7

# mod init
import init
---
y=init.f()
=> init/sub.py: return 1 ~> return 2

# mod from package
from lib import a
---
y=a.f()
=> lib/a.py: return b.g()+K ~> return b.g()-K
=> lib/b.py: return 1 ~> return 2
== lib/c.py: J=6 ~> J=7

# mod from package in fn
def h():
 from lib import a as m
 return m.f()
---
y=h()
=> lib/b.py: return 1 ~> return 2

# mod from package in body
from lib import b
y=b.g()
=> lib/b.py: return 1 ~> return 2

# mod from package in mod
import taker
---
y=taker.f()
=> lib/b.py: return 1 ~> return 2
=> ns/part.py: return 1 ~> return 2

# mod from nested namespace
from ns.sub import deep
---
y=deep.f()
=> ns/sub/deep.py: return part.f() ~> return -part.f()
=> ns/part.py: return 1 ~> return 2

# mod namespace
import ns.part
---
y=ns.part.f()
=> ns/part.py: return 1 ~> return 2

# mod namespace from
from ns import part
---
y=part.f()
=> ns/part.py: return 1 ~> return 2

# mod namespace in body
from ns.part import f
y=f()
=> ns/part.py: return 1 ~> return 2

# mod getattr
import ga
---
y=ga.zz
=> ga.py: return 1 ~> return 2

# mod getattr from
from ga import zz
---
y=zz
=> ga.py: return 1 ~> return 2

# mod class
from data import C
---
c=C()
---
y=c.m()
=> data.py: V=1 ~> V=2

# mod star
from lone import *
---
y=f()
=> lone.py: return 1 ~> return 2

# mod importlib
import importlib
---
m=importlib.import_module('lone')
---
y=m.f()
=> lone.py: return 1 ~> return 2

# mod getattr name
import lone
---
y=getattr(lone,'f')()
=> lone.py: return 1 ~> return 2

# mod alias
import lone
---
k=lone
---
y=k.f()
=> lone.py: return 1 ~> return 2

# mod in value
import lone
---
D={'m':lone}
---
y=D['m'].f()
=> lone.py: return 1 ~> return 2

# mod fn in value
import lone
---
D={'m':lone.f}
---
y=D['m']()
=> lone.py: return 1 ~> return 2

# mod importlib in fn
import importlib
def h(): return importlib.import_module('lone').f()
---
y=h()
=> lone.py: return 1 ~> return 2

# mod __import__
def h(): return __import__('lone').f()
---
y=h()
=> lone.py: return 1 ~> return 2

# mod importlib var
import importlib
N='lone'
---
def h(): return importlib.import_module(N).f()
---
y=h()
=> lone.py: return 1 ~> return 2

# doc mod
import dd
---
y=dd.f.__doc__
=> dd.py: 'p1' ~> 'p2'

# doc mod from
from dd import f
---
y=f.__doc__
=> dd.py: 'p1' ~> 'p2'

# doc mod held
import dd
---
D=[dd.f]
---
y=D[0].__doc__
=> dd.py: 'p1' ~> 'p2'

# doc mod helper
import dd
---
y=dd.g()
=> dd.py: 'p1' ~> 'p2'
"""

MODULES = {
    "lib/__init__.py": "",
    "lib/a.py": "from . import b\nfrom .c import K\ndef f(): return b.g()+K\ndef u(): return 0\n",
    "lib/b.py": "def g(): return 1\n",
    "lib/c.py": "K=5\nJ=6\n",
    "lone.py": "def f(): return 1\n",
    "ga.py": "def __getattr__(n): return 1\n",
    "ns/part.py": "def f(): return 1\n",
    "ns/sub/deep.py": "from ns import part\ndef f(): return part.f()\n",
    "taker.py": "from lib import b\nfrom ns import part\ndef f(): return b.g(), part.f()\n",
    "init/__init__.py": "from .sub import f\n",
    "init/sub.py": "def f(): return 1\n",
    "data.py": "import os\nV=1\nclass C:\n def m(self): return V\n",
    "dd.py": "def f():\n 'p1'\ndef g(): return f.__doc__\n",
}
"""The files of the user's own that stand beside the notebook."""
