"""Values that a program can tell apart, and some that it cannot; this file is also a program.

Run as one it prints the digest of each value, so that two processes can be compared.
"""

from __future__ import annotations

import json
from typing import Any

from nbflow.store.digests import digest

CELL = """
import abc, array, calendar, collections, configparser, ctypes, dataclasses, datetime, decimal, difflib
import email.message, enum, fractions, functools, inspect, io, itertools, logging, operator, pathlib
import random, re, string, struct, textwrap, types, typing, urllib.parse, uuid, zoneinfo
import attrs, pydantic
import numpy as np, pandas as pd, polars as pl, pyarrow as pa, scipy.sparse as sparse

class Plain:
    def __init__(self, **parts): self.__dict__.update(parts)
class Slots:
    __slots__ = ("a", "b")
    def __init__(self, a, b): self.a, self.b = a, b
class PartSlots:
    __slots__ = ("a", "b")
@dataclasses.dataclass
class Point:
    a: int = 1
    b: list = dataclasses.field(default_factory=list)
@dataclasses.dataclass(frozen=True)
class Frozen:
    a: int = 1
@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    a: int = 1
class Side(enum.Enum):
    A = 1
    B = 2
    C = 1
class Level(enum.IntEnum):
    A = 1
    B = 2
class Bits(enum.Flag):
    A = 1
    B = 2
class IntBits(enum.IntFlag):
    A = 1
    B = 2
class Words(enum.StrEnum):
    A = "a"
First = collections.namedtuple("First", "a b")
Second = collections.namedtuple("Second", "a b")
class Typed(typing.NamedTuple):
    a: int
    b: int
class Number(int): pass
class Fractional(float): pass
class Word(str): pass
class Table(dict): pass
class Row(list): pass
class Bag(set): pass
class Pair(tuple): pass
class Special(np.ndarray): pass
class Model(pydantic.BaseModel):
    a: int = 1
    b: typing.Any = None
class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int = 1
    _private: int = pydantic.PrivateAttr(default=0)
@attrs.define
class Defined:
    a: int = 1
class WithGetstate:
    def __init__(self, a, b): self.a, self.b = a, b
    def __getstate__(self): return {"a": self.a}
class WithReduce:
    def __init__(self, a, b): self.a, self.b = a, b
    def __reduce__(self): return WithReduce, (self.a, 0)
class Sentinel:
    def __init__(self, text): self.text = text
    def __reduce__(self): return "MISSING"
class Meta(type): pass
class Made(metaclass=Meta): pass
class Described:
    def __get__(self, instance, owner=None): return 1
class Equal:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return True
    def __hash__(self): return 1
class OwnFrame(pd.DataFrame):
    _metadata = ["note"]
    @property
    def _constructor(self): return OwnFrame

def with_attributes(value, **attributes):
    value.__dict__.update(attributes)
    return value
def partly(**slots):
    made = PartSlots()
    for name, value in slots.items(): setattr(made, name, value)
    return made
def opened(priv=0, **fields):
    made = Open(**fields)
    made._private = priv
    return made
def ordered(*keys): return collections.OrderedDict((key, 1) for key in keys)
def looped(length):
    first = last = []
    for _ in range(length - 1):
        last.append([])
        last = last[0]
    last.append(first)
    return first
def shared(is_one):
    held = [1]
    return [held, held if is_one else [1]]
def error(notes=(), **attributes):
    made = with_attributes(ValueError(1), **attributes)
    for note in notes: made.add_note(note)
    return made
def nan(bits): return struct.unpack("<d", struct.pack("<Q", bits))[0]
def stream(content, at=0, kind=io.BytesIO):
    made = kind(content)
    made.seek(at)
    return made
def iterator(values, taken):
    made = iter(values)
    for _ in range(taken): next(made)
    return made
def counter(taken): return iterator(itertools.count(5), taken)
def generator(count, seed=1, bits="PCG64"):
    made = np.random.Generator(getattr(np.random, bits)(seed))
    made.random(count)
    return made
def drawn(count):
    made = random.Random(3)
    for _ in range(count): made.random()
    return made
def drawn_normal(count):
    made = random.Random(3)
    for _ in range(count): made.gauss(0, 1)
    return made
def drawn_state(count):
    made = np.random.RandomState(3)
    made.normal(size=count)
    return made
def frame(): return pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
def attributed(made, **about):
    made.attrs.update(about)
    return made
def noted(note):
    made = OwnFrame({"a": [1]})
    made.note = note
    return made
def row(indices, data):
    ends = np.array([0, len(data)])
    return sparse.csr_array((np.array(data, float), np.array(indices), ends), shape=(1, 3))
def parser(text):
    made = configparser.ConfigParser()
    made.read_string(text)
    return made
def message(**headers):
    made = email.message.EmailMessage()
    for name, value in headers.items(): made[name] = value
    return made
def function(**attributes):
    def plain(x): return x
    return with_attributes(plain, **attributes)
def cached(size, typed=False): return functools.lru_cache(maxsize=size, typed=typed)(operator.neg)
def dispatched(registers):
    @functools.singledispatch
    def generic(x): return 0
    if registers: generic.register(int, lambda x: 1)
    return generic
"""

DIFFERENT = {
    "nothing and zero": """
0 ;; 0.0 ;; -0.0 ;; False ;; 0j ;; complex(0,-0.0) ;; complex(-0.0,0) ;; decimal.Decimal(0)
decimal.Decimal("-0") ;; decimal.Decimal("0.0") ;; fractions.Fraction(0) ;; None ;; "" ;; b"" ;; () ;; []
{} ;; set() ;; frozenset() ;; range(0) ;; bytearray() ;; Number(0) ;; np.int64(0) ;; np.float64(0)
np.float64(-0.0) ;; np.bool_(False) ;; np.int32(0) ;; np.uint64(0)
""",
    "not a number": """
float("nan") ;; nan(0x7ff8000000000001) ;; -float("nan") ;; nan(0x7ff0000000000001) ;; float("inf")
-float("inf") ;; decimal.Decimal("nan") ;; decimal.Decimal("nan1") ;; decimal.Decimal("snan")
decimal.Decimal("-nan") ;; np.float64("nan") ;; np.float32("nan") ;; pd.NA ;; pd.NaT
np.datetime64("nat") ;; np.timedelta64("nat") ;; np.datetime64("nat","s") ;; [float("nan")]
(float("nan"),) ;; {"a":float("nan")} ;; [nan(0x7ff8000000000001)] ;; [float("nan"), 1]
[nan(0x7ff8000000000001),1] ;; np.array([float("nan")]) ;; np.array([nan(0x7ff8000000000001)])
np.array([float("nan")],dtype=object) ;; np.array([None],dtype=object)
""",
    "ranges and slices": """
range(3) ;; range(0,3,1)[:2] ;; range(1,3) ;; range(0,4,2) ;; slice(3) ;; slice(0,3) ;; slice(0,3,1)
slice(None) ;; slice(None,None,-1) ;; range(0,3,-1) ;; range(1,1)
""",
    "bytes and buffers": """
"a" ;; b"a" ;; bytearray(b"a") ;; memoryview(b"a") ;; memoryview(bytearray(b"a"))
memoryview(b"a").cast("b") ;; memoryview(b"abcd").cast("B",(2,2)) ;; memoryview(b"abcd")
memoryview(b"abcd").cast("i") ;; memoryview(b"abcd")[::-1] ;; array.array("B",b"a")
array.array("b",b"a") ;; Word("a") ;; ctypes.c_int(1) ;; ctypes.c_int(2) ;; (ctypes.c_int*2)(1,2)
""",
    "texts": r"""
"\u00e9" ;; "e\u0301" ;; "a"*64 ;; "a"*65 ;; "a"*66 ;; ["a"*65] ;; "\ud800"
"\ud800".encode("utf8","surrogatepass") ;; string.Template("a") ;; string.Template("b")
string.Formatter()
""",
    "mappings": """
{"a":1,"b":2} ;; {"b":2,"a":1} ;; ordered("a","b") ;; ordered("b","a") ;; dict.fromkeys("ab",1)
collections.Counter("ab") ;; collections.Counter("ba") ;; collections.Counter(a=1,b=0)
collections.Counter(a=1) ;; collections.defaultdict(int,a=1) ;; collections.defaultdict(list,a=1)
collections.defaultdict(None,a=1) ;; {"a":1} ;; Table(a=1) ;; with_attributes(Table(a=1), x=1)
with_attributes(Table(a=1), x=2) ;; types.MappingProxyType({"a":1}) ;; collections.ChainMap({"a":1})
collections.ChainMap({"a":1},{"b":2}) ;; collections.ChainMap({"a":1},{"a":1})
types.SimpleNamespace(a=1) ;; {"a":1}.keys() ;; {"a":1}.items() ;; {"a":1}.values()
collections.UserDict(a=1) ;; collections.UserList([1]) ;; collections.UserString("a") ;; {"a":2}.keys()
{"a":[1]}.items()
""",
    "collections": """
[1,2] ;; (1,2) ;; [2,1] ;; {1,2} ;; frozenset({1,2}) ;; collections.deque([1,2])
collections.deque([1,2],2) ;; collections.deque([1,2],3) ;; Row([1]) ;; with_attributes(Row([1]), x=1)
with_attributes(Row([1]), x=2) ;; Bag([1]) ;; with_attributes(Bag([1]), x=1) ;; Pair([1])
with_attributes(Pair([1]), x=1) ;; with_attributes(Pair([1]), x=2) ;; Number(3)
with_attributes(Number(3), x=1) ;; with_attributes(Number(3), x=2) ;; Fractional(3) ;; Fractional(-0.0)
[1,True] ;; [True,1] ;; [1.0,1] ;; [1,1.0] ;; First(1,2) ;; Second(1,2) ;; Typed(1,2) ;; {1} ;; {True}
{1.0} ;; frozenset({True})
""",
    "nesting and sharing": """
[[]] ;; [()] ;; [[],[]] ;; [[[]]] ;; ([],) ;; [{}] ;; [set()] ;; shared(0) ;; shared(1) ;; looped(1)
looped(2) ;; looped(3) ;; [(1,),(2,)] ;; [(1,2)] ;; [(1,),(2,3)] ;; [(1,2),(3,)] ;; [(1,(2,))]
[(1,2,3)] ;; {"a":[1],"b":[1]} ;; (lambda x:{"a":x,"b":x})([1]) ;; (lambda x: (x,x))([1]) ;; ([1],[1])
""",
    "decimals": """
decimal.Decimal("1") ;; decimal.Decimal("1.0") ;; decimal.Decimal("1E0")*10 ;; decimal.Decimal("1E1")
fractions.Fraction(1,3) ;; fractions.Fraction(2,3) ;; decimal.Context(prec=5) ;; decimal.Context(prec=6)
decimal.Context(prec=5,rounding="ROUND_UP") ;; decimal.Context(prec=5,Emax=10)
decimal.Context(prec=5, traps=[]) ;; decimal.Context(prec=5, flags=[decimal.Inexact])
""",
    "dates and times": """
datetime.datetime(2020,10,25,2,30) ;; datetime.datetime(2020,10,25,2,30,fold=1)
datetime.datetime(2020,10,25,2,30,tzinfo=datetime.UTC)
datetime.datetime(2020,10,25,2,30,tzinfo=zoneinfo.ZoneInfo("UTC"))
datetime.datetime(2020,10,25,2,30,tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
datetime.datetime(2020,10,25,2,30,fold=1,tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
datetime.datetime(2020,10,25,2,30,tzinfo=datetime.timezone(datetime.timedelta(0),"X"))
datetime.date(2020,10,25) ;; datetime.time(2,30) ;; datetime.time(2,30,fold=1)
datetime.time(2,30,tzinfo=datetime.UTC) ;; datetime.timedelta(1) ;; datetime.timedelta(seconds=1)
pd.Timestamp("2020-10-25 02:30") ;; pd.Timestamp("2020-10-25 02:30").as_unit("s")
pd.Timestamp("2020-10-25 02:30").as_unit("ms") ;; pd.Timestamp("2020-10-25 02:30",tz="UTC")
pd.Timestamp(datetime.datetime(2020,10,25,2,30,tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"),fold=0))
pd.Timestamp(datetime.datetime(2020,10,25,2,30,tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"),fold=1))
pd.Timedelta(1,"D") ;; pd.Timedelta(1,"D").as_unit("s") ;; np.datetime64("2020-10-25T02:30")
np.datetime64("2020-10-25T02:30:00") ;; np.timedelta64(1,"D") ;; np.timedelta64(24,"h")
np.timedelta64(1,"25s") ;; pd.Period("2020-10","M") ;; pd.Period("2020","Y") ;; pd.Period("2020-10","Q")
pd.Period("2020","Y-JUN") ;; pd.Interval(0,1) ;; pd.Interval(0,1,closed="left") ;; pd.Interval(0.0,1.0)
pd.offsets.Day(1) ;; pd.offsets.Day(2) ;; pd.offsets.Hour(24) ;; pd.offsets.BusinessDay(1)
pd.offsets.MonthEnd(1) ;; pd.offsets.MonthEnd(1,normalize=True)
pd.offsets.CustomBusinessDay(holidays=["2020-01-01"])
pd.offsets.CustomBusinessDay(holidays=["2020-01-02"]) ;; pd.DateOffset(months=1)
pd.DateOffset(months=2) ;; pd.DateOffset(month=1) ;; zoneinfo.ZoneInfo("Europe/Berlin")
zoneinfo.ZoneInfo("Europe/Paris") ;; datetime.timezone.utc
""",
    "small things": """
re.compile("a") ;; re.compile("a",re.I) ;; re.compile("a",re.I|re.M) ;; re.compile(b"a")
re.compile("(?i)a") ;; pathlib.PurePosixPath("a") ;; pathlib.PureWindowsPath("a") ;; pathlib.Path("a")
pathlib.Path("a/b") ;; uuid.UUID(int=1) ;; uuid.UUID(int=2) ;; uuid.UUID(int=1,is_safe=uuid.SafeUUID.safe)
operator.itemgetter(1) ;; operator.itemgetter(1,2) ;; operator.attrgetter("a")
operator.methodcaller("a") ;; operator.methodcaller("a",1) ;; functools.partial(int,1)
functools.partial(int,2) ;; functools.partial(int,base=1) ;; functools.partial(float,1)
functools.partialmethod(int,1) ;; cached(1) ;; cached(2) ;; cached(None) ;; cached(2,True) ;; Ellipsis
NotImplemented ;; type(None) ;; int ;; bool ;; list[int] ;; list[str] ;; dict[str,int] ;; int|None
int|str ;; str|int ;; typing.Optional[int] ;; typing.Literal[1] ;; typing.Literal[True]
typing.Literal["a"] ;; typing.Annotated[int,1] ;; typing.Annotated[int,2] ;; typing.Callable[[int],str]
typing.Callable[...,str] ;; collections.abc.Callable[[int],str] ;; typing.List[int] ;; typing.TypeVar("T")
typing.TypeVar("T",bound=int) ;; typing.TypeVar("T",int,str) ;; typing.TypeVar("T",covariant=True)
typing.TypeVar("U") ;; typing.NewType("X",int) ;; typing.NewType("X",str) ;; typing.NewType("Y",int)
typing.ForwardRef("X") ;; typing.ForwardRef("Y") ;; typing.ParamSpec("P") ;; typing.Any
typing.ClassVar[int] ;; typing.Union[int,str] ;; typing.TypeVarTuple("V") ;; Sentinel("a")
Sentinel("b")
""",
    "objects": """
Plain(a=1) ;; Plain(a=2) ;; Plain(b=1) ;; Plain(a=1,b=2) ;; Plain(b=2,a=1) ;; Plain() ;; Slots(1,2)
Slots(2,1) ;; Slots(1,None) ;; partly(a=1) ;; partly(b=1) ;; partly(a=1,b=None) ;; partly() ;; Point()
Point(2) ;; Point(1,[1]) ;; Frozen() ;; Frozen(2) ;; FrozenSlots() ;; FrozenSlots(2) ;; Model()
Model(a=1) ;; Model(a=2) ;; Model(b=1) ;; Model(b=[1]) ;; Open() ;; opened(priv=1) ;; opened(priv=2)
opened(c=1) ;; opened(c=2) ;; opened(a=1) ;; Defined() ;; Defined(2) ;; WithGetstate(1,2)
WithGetstate(1,3) ;; WithReduce(1,2) ;; WithReduce(1,3) ;; Side.A ;; Side.B ;; Level.A ;; Level.B
Bits.A ;; Bits.A|Bits.B ;; Bits(0) ;; IntBits.A ;; IntBits(0) ;; IntBits(8) ;; IntBits.A|IntBits.B
Words.A ;; Side ;; Level ;; Bits ;; Equal(1) ;; Equal(2) ;; {Equal(1)} ;; {Equal(2)} ;; {Equal(1):1}
{Equal(2):1} ;; Made() ;; Made ;; Meta ;; Plain ;; Slots ;; object ;; Point ;; Frozen ;; FrozenSlots
Model ;; Open
""",
    "exceptions": """
ValueError(1) ;; TypeError(1) ;; ValueError(2) ;; ValueError(1,2) ;; error(notes=["a"])
error(notes=["b"]) ;; error(x=1) ;; OSError(2,"x") ;; OSError(2,"x","f") ;; OSError(3,"x","f")
KeyError("a") ;; UnicodeDecodeError("utf8",b"a",0,1,"r") ;; StopIteration(1) ;; SystemExit(1)
ExceptionGroup("a",[ValueError(1)]) ;; ExceptionGroup("a",[ValueError(2)]) ;; ImportError("a",name="x")
ImportError("a",name="y") ;; ImportError("a") ;; SyntaxError("a",("f",1,2,"t"))
SyntaxError("a",("f",2,2,"t"))
""",
    "iterators": """
iterator([1,2],0) ;; iterator([1,2],1) ;; iterator((1,2),0) ;; iterator((1,2),1) ;; iterator(range(3),0)
iterator(range(3),1) ;; iterator("ab",0) ;; iterator("ab",1) ;; counter(0) ;; counter(1)
itertools.count(5,2) ;; iterator({1:1,2:2},0) ;; iterator({1:1,2:2},1) ;; enumerate([1])
enumerate([1],1) ;; zip([1],[2]) ;; zip([1],[2],strict=True) ;; map(int,[1]) ;; map(str,[1])
filter(None,[1]) ;; filter(int,[1]) ;; reversed([1,2]) ;; itertools.chain([1],[2])
itertools.islice([1,2],1) ;; itertools.islice([1,2],2) ;; itertools.repeat(1) ;; itertools.repeat(1,2)
itertools.cycle([1]) ;; itertools.cycle([2]) ;; itertools.accumulate([1]) ;; itertools.product([1],[2])
itertools.permutations([1,2]) ;; itertools.combinations([1,2],1) ;; iterator({1,2},0) ;; iterator({1,2},1)
iterator([1,2],2) ;; itertools.groupby([1]) ;; itertools.tee([1])[0] ;; itertools.starmap(int,[(1,)])
itertools.takewhile(int,[1]) ;; itertools.dropwhile(int,[1]) ;; itertools.zip_longest([1],[2])
itertools.zip_longest([1],[2],fillvalue=3) ;; itertools.compress([1],[1])
""",
    "streams": r"""
stream(b"ab") ;; stream(b"ab",1) ;; stream(b"ac") ;; stream("ab",0,io.StringIO)
stream("ab",1,io.StringIO) ;; io.StringIO("ab",newline="\r\n") ;; parser("[a]\nb=1") ;; parser("[a]\nb=2")
message(a="1") ;; message(a="2")
""",
    "random generators": """
drawn(0) ;; drawn(1) ;; drawn_normal(1) ;; drawn_normal(2) ;; generator(0) ;; generator(1)
generator(0,2) ;; generator(0,1,"MT19937") ;; generator(0,1,"Philox") ;; drawn_state(0) ;; drawn_state(1)
drawn_state(2) ;; np.random.SeedSequence(1) ;; np.random.SeedSequence(2) ;; np.random.PCG64(1)
np.random.PCG64(2) ;; np.random.SeedSequence(1).spawn(1)[0]
(lambda s:(s.spawn(1),s)[1])(np.random.SeedSequence(1))
(lambda r:(r.spawn(1),r)[1])(np.random.default_rng(1))
(lambda r:(r.integers(0,9,dtype="u4"),r)[1])(np.random.default_rng(1))
(lambda r:(r.integers(0,9,dtype="u4"),r.integers(0,9,dtype="u4"),r)[2])(np.random.default_rng(1))
""",
    "functions": """
len ;; print ;; [].append ;; [1].append ;; "a".join ;; "b".join ;; str.join ;; operator.add
operator.sub ;; function() ;; function(a=1) ;; function(a=2) ;; lambda x: x+1 ;; lambda x: x+2
lambda x, y=1: x ;; lambda x, y=2: x ;; lambda x, *, y=2: x ;; lambda *x: x ;; lambda **x: x
lambda y: y ;; dispatched(0) ;; dispatched(1) ;; Plain.__init__ ;; Plain(a=1).__init__
Plain(a=2).__init__ ;; property(len) ;; property(print) ;; property(None,len) ;; property(len,doc="a")
staticmethod(len) ;; classmethod(len) ;; Described() ;; np.add ;; np.add.reduce ;; np.vectorize(len)
np.vectorize(print) ;; np.poly1d([1,2]) ;; np.poly1d([1,3]) ;; np.poly1d([1,2],variable="y")
np.frompyfunc(len,1,1) ;; np.frompyfunc(print,1,1) ;; np.frompyfunc(len,1,2)
""",
    "arrays": """
np.array([1]) ;; np.array([1],"i4") ;; np.array([1],">i8") ;; np.array([1],"u8")
np.array([1],np.longdouble) ;; np.array([1],float) ;; np.array([1],"f2") ;; np.array([1],">f8")
np.array([True]) ;; np.array(["1"]) ;; np.array([b"1"]) ;; np.array(["1"],"U2") ;; np.array(["1"],">U1")
np.array([b"1"],"S2") ;; np.array([b"1"],"V1") ;; np.array(["1"],object)
np.array(["1"],np.dtypes.StringDType()) ;; np.array(["1"],np.dtypes.StringDType(na_object=None))
np.array(["1"],np.dtypes.StringDType(na_object=np.nan))
np.array(["1"],np.dtypes.StringDType(coerce=False)) ;; np.array([1],object) ;; np.array([1.0],object)
np.array(1) ;; np.int64(1) ;; np.array([[1]]) ;; np.array([1,1]) ;; np.array([1],"M8[s]")
np.array([1],"M8[25s]") ;; np.array([1],"M8[D]") ;; np.array([1],"m8[s]") ;; np.array([1],"m8")
np.array([1j]) ;; np.array([1j],"c8") ;; np.arange(3).view(Special)
with_attributes(np.arange(3).view(Special), a=1) ;; with_attributes(np.arange(3).view(Special), a=2)
np.array([1]).view(np.recarray) ;; np.char.array(["1"]) ;; np.arange(6).reshape(2,3)
np.asfortranarray(np.arange(6).reshape(2,3)) ;; np.arange(6).reshape(3,2) ;; np.arange(6)
np.arange(6).reshape(1,6) ;; np.zeros((2,3,4)) ;; np.zeros((4,3,2)).T
np.zeros((3,2,4)).transpose(1,0,2) ;; np.array([["a",1]],dtype=object)
np.array([["a",1],["b",2]],dtype=object) ;; np.asfortranarray(np.array([["a",1],["b",2]],dtype=object))
""",
    "structured arrays": """
np.zeros(1,[("a","i4"),("b","i4")]) ;; np.zeros(1,[("b","i4"),("a","i4")])
np.zeros(1,[("a","i4"),("c","i4")]) ;; np.zeros(1,[("a","i4"),("b","i4",(1,))])
np.zeros(1,[("a","i4"),("b","i4",(2,))]) ;; np.zeros(1,[(("t","a"),"i4"),("b","i4")])
np.zeros(1,np.dtype([("a","i4"),("b","i4")],align=True))
np.zeros(1,np.dtype([("a","i1"),("b","i4")],align=True)) ;; np.zeros(1,np.dtype([("a","i1"),("b","i4")]))
np.zeros(1,np.dtype({"names":["a","b"],"formats":["i4","i4"],"offsets":[4,0]}))
np.zeros(1,np.dtype({"names":["a","b"],"formats":["i4","i4"],"offsets":[0,0]}))
np.zeros(1,np.dtype({"names":["a","b"],"formats":["i4","i4"],"itemsize":16}))
np.zeros(1,np.dtype("i4",metadata={"a":1})) ;; np.zeros(1,np.dtype("i4",metadata={"a":2}))
np.zeros(1,np.dtype([("a",[("c","i4")])]))
np.zeros(1,np.dtype([("a",np.dtype("i4",metadata={"u":1})),("b","i4")]))
np.rec.array(np.zeros(1,[("a","i4"),("b","i4")])) ;; np.zeros(1,[("a","i4"),("b","i4")])[0]
np.zeros((),[("a","i4"),("b","i4")]) ;; np.zeros(1,[("a","O"),("b","i4")])
np.zeros(1,[("a","M8[s]"),("b","i4")]) ;; np.zeros(1,[("a","M8[ms]"),("b","i4")]) ;; np.zeros(1,"V8")
np.zeros(1,"V4") ;; np.zeros(0,"V4") ;; np.zeros((0,1)) ;; np.zeros((1,0)) ;; np.zeros(0)
np.zeros(0,"i8")
""",
    "masked arrays": """
np.ma.array([1,2],mask=[0,1]) ;; np.ma.array([1,3],mask=[0,1]) ;; np.ma.array([1,2],mask=[1,1])
np.ma.array([1,2],mask=False) ;; np.ma.array([1,2]) ;; np.ma.array([1,2],mask=[0,1],fill_value=7)
np.ma.array([1,2],mask=[0,1],hard_mask=True) ;; np.ma.array([1.,2],mask=[0,1])
np.ma.masked_values([1,2],2)
""",
    "frames and series": """
frame() ;; frame().rename_axis("i") ;; frame().rename_axis("i",axis=1)
frame().rename(columns={"a":"c"}) ;; frame()[["b","a"]] ;; frame().astype({"a":"i4"})
frame().astype({"a":"Int64"}) ;; frame().astype({"a":"float64"}) ;; frame().astype({"a":"int64[pyarrow]"})
frame().astype({"b":object}) ;; frame().astype({"b":"string"}) ;; frame().astype({"b":"string[python]"})
frame().astype({"b":pd.StringDtype("python",na_value=np.nan)})
frame().astype({"b":pd.ArrowDtype(pa.string())}) ;; frame().astype({"b":pd.ArrowDtype(pa.large_string())})
frame().astype({"b":"category"}) ;; frame().astype({"b":pd.CategoricalDtype(["z","y","x"])})
frame().astype({"b":pd.CategoricalDtype(["x","y","z"],ordered=True)})
frame().astype({"b":pd.CategoricalDtype(["x","y","z","w"])})
frame().set_index(pd.RangeIndex(3,name="r")) ;; frame().set_index(pd.Index([0.0,1,2]))
frame().set_index(pd.Index([0,1,2],dtype=object)) ;; frame().set_index(pd.Index([0,1,2],dtype="Int64"))
frame().set_index(pd.Index([0,0,0])) ;; frame().set_flags(allows_duplicate_labels=False)
attributed(frame(),u=1) ;; attributed(frame(),u=2) ;; noted(1) ;; noted(2) ;; OwnFrame({"a":[1]})
pd.DataFrame({"a":[1]}) ;; pd.DataFrame([[1,2]],columns=["a","a"])
pd.DataFrame([[2,1]],columns=["a","a"]) ;; pd.DataFrame([[1,2]],columns=pd.Index(["a","a"],dtype=object))
pd.DataFrame() ;; pd.DataFrame(index=[0]) ;; pd.DataFrame(columns=["a"]) ;; pd.DataFrame({"a":[]})
pd.DataFrame({"a":pd.Series([],dtype="i8")}) ;; pd.Series([1]) ;; pd.Series([1],name="a")
pd.Series([1],name=0) ;; pd.Series([1],index=[1]) ;; pd.Series([1],dtype="Int64")
pd.Series([1,None],dtype="Int64") ;; pd.Series([1,None]) ;; pd.Series([1,None],dtype=object)
pd.Series([1,np.nan],dtype=object) ;; pd.Series([1,pd.NA],dtype=object)
pd.Series([True,None],dtype="boolean") ;; pd.Series(["a",None]) ;; pd.Series(["a",None],dtype=object)
pd.Series(["a",np.nan],dtype=object) ;; pd.Series(["a",None],dtype="string")
pd.Series([1.0,None],dtype="Float64") ;; (lambda s: s/s)(pd.Series([0.0,1],dtype="Float64"))
pd.Series([float("nan"),1.0],dtype=pd.ArrowDtype(pa.float64()))
pd.Series(pa.array([float("nan"),1.0]),dtype=pd.ArrowDtype(pa.float64()))
with_attributes(frame(), unit="m") ;; with_attributes(frame(), unit="s")
frame().set_axis(pd.Index([0,1,2]))
pd.Series(pd.date_range("2020",periods=3,tz=datetime.timezone(datetime.timedelta(hours=1),"UTC")))
pd.Series(pd.date_range("2020",periods=3,tz=zoneinfo.ZoneInfo("UTC")))
with_attributes(pd.Series([1]), unit="m")
""",
    "columns of pandas": """
pd.date_range("2020",periods=3) ;; pd.date_range("2020",periods=3)._with_freq(None)
pd.date_range("2020",periods=3,freq="24h") ;; pd.date_range("2020",periods=3,tz="UTC")
pd.date_range("2020",periods=3,unit="s") ;; pd.date_range("2020",periods=3,name="n")
pd.Series(pd.date_range("2020",periods=3)) ;; pd.Series(pd.date_range("2020",periods=3,tz="UTC"))
pd.Series(pd.date_range("2020",periods=3,tz="Europe/Berlin"))
pd.Series(pd.date_range("2020",periods=3,tz=datetime.timezone(datetime.timedelta(hours=1))))
pd.Series(pd.date_range("2020",periods=3,unit="s")) ;; pd.timedelta_range("1h",periods=2)
pd.timedelta_range("1h",periods=2)._with_freq(None) ;; pd.period_range("2020",periods=2,freq="M")
pd.period_range("2020",periods=2,freq="Q") ;; pd.interval_range(0,2)
pd.interval_range(0,2,closed="left") ;; pd.interval_range(0.0,2.0) ;; pd.Series(pd.interval_range(0,2))
pd.arrays.SparseArray([0,0,1]) ;; pd.arrays.SparseArray([0,0,1],fill_value=1)
pd.arrays.SparseArray([0,0,1],kind="block") ;; pd.Series(pd.arrays.SparseArray([0,0,1]))
pd.array([1,2]) ;; pd.array([1,2],dtype="Int32") ;; pd.array(["a"])
pd.array(["a"],dtype="string[python]") ;; pd.Categorical(["a"]) ;; pd.Categorical(["a"],["a","b"])
pd.Categorical(["a"],["b","a"]) ;; pd.Categorical(["a"],ordered=True) ;; pd.Categorical([1])
pd.Categorical([1.0]) ;; pd.CategoricalIndex(["a"]) ;; pd.CategoricalDtype(["a"])
pd.CategoricalDtype(["a"],ordered=True) ;; pd.CategoricalDtype(["a"],ordered=None)
pd.CategoricalDtype() ;; pd.CategoricalDtype(["b"]) ;; pd.DatetimeTZDtype("ns","UTC")
pd.DatetimeTZDtype("s","UTC") ;; pd.PeriodDtype("M") ;; pd.IntervalDtype("int64","left")
pd.SparseDtype(int,0) ;; pd.SparseDtype(int,1) ;; pd.StringDtype("python") ;; pd.StringDtype("pyarrow")
pd.StringDtype("pyarrow",na_value=np.nan) ;; pd.Int64Dtype() ;; pd.ArrowDtype(pa.int64())
""",
    "indexes and accessors": """
pd.Index([1,2]) ;; pd.Index([1,2],name="a") ;; pd.Index([1,2],name=("a",)) ;; pd.RangeIndex(1,3)
pd.RangeIndex(0,3,2) ;; pd.RangeIndex(0,4,2) ;; pd.RangeIndex(0,0) ;; pd.RangeIndex(5,5)
pd.Index(["a"]) ;; pd.Index(["a"],dtype=object) ;; pd.MultiIndex.from_tuples([(1,"a")])
pd.MultiIndex.from_tuples([(1,"a")],names=["x",None])
pd.MultiIndex.from_tuples([(1,"a")],names=[None,"x"])
pd.MultiIndex(levels=[[1,2],["a"]],codes=[[0],[0]]) ;; pd.Index([(1,"a")],tupleize_cols=False)
pd.MultiIndex(levels=[[1,2],["a"]],codes=[[1],[0]]) ;; pd.MultiIndex.from_arrays([[1],["a"]],sortorder=0)
pd.MultiIndex(levels=[[],[]],codes=[[],[]]) ;; pd.MultiIndex(levels=[["a"],[1]],codes=[[-1],[0]])
pd.Index([1,2]).to_frame() ;; frame().groupby("a") ;; frame().groupby("b")
frame().groupby("a",sort=False) ;; frame().rolling(2) ;; frame().rolling(3) ;; frame().groupby("a").a
frame().loc ;; frame().iloc ;; frame().b.str
""",
    "polars": """
pl.DataFrame({"a":[1,2]}) ;; pl.DataFrame({"b":[1,2]}) ;; pl.DataFrame({"a":[1,2]},schema={"a":pl.Int32})
pl.DataFrame({"a":[1,None]}) ;; pl.DataFrame({"a":[1.0,None]}) ;; pl.DataFrame({"a":[1.0,float("nan")]})
pl.DataFrame({"a":["x"]}) ;; pl.DataFrame({"a":["x"]},schema={"a":pl.Categorical})
pl.DataFrame({"a":["x"]},schema={"a":pl.Enum(["x"])})
pl.DataFrame({"a":["x"]},schema={"a":pl.Enum(["x","y"])})
pl.DataFrame({"a":["x"]},schema={"a":pl.Enum(["y","x"])}) ;; pl.DataFrame({"a":[[1]]})
pl.DataFrame({"a":[[1]]},schema={"a":pl.Array(pl.Int64,1)}) ;; pl.DataFrame({"a":[{"b":1}]})
pl.DataFrame({"a":[{"c":1}]}) ;; pl.DataFrame({"a":[b"x"]})
pl.DataFrame({"a":[datetime.date(2020,1,1)]}) ;; pl.DataFrame({"a":[datetime.datetime(2020,1,1)]})
pl.DataFrame({"a":[datetime.datetime(2020,1,1)]},schema={"a":pl.Datetime("ms")})
pl.DataFrame({"a":[datetime.datetime(2020,1,1)]},schema={"a":pl.Datetime("us","UTC")})
pl.DataFrame({"a":[decimal.Decimal("1.5")]}) ;; pl.DataFrame({"a":[decimal.Decimal("1.50")]})
pl.DataFrame() ;; pl.DataFrame({"a":[]}) ;; pl.DataFrame({"a":[]},schema={"a":pl.Int8})
pl.DataFrame({"a":[None]}) ;; pl.Series([1]) ;; pl.Series("a",[1]) ;; pl.Series([True])
pl.Series([None,True]) ;; pl.LazyFrame({"a":[1]}) ;; pl.LazyFrame({"a":[2]})
pl.LazyFrame({"a":[1]}).filter(pl.col("a")>1) ;; pl.col("a") ;; pl.col("b") ;; pl.lit(1) ;; pl.lit(1.0)
pl.Int64 ;; pl.Int64() ;; pl.Datetime("us") ;; pl.Datetime("ms") ;; pl.Schema({"a":pl.Int64})
pl.Schema({"a":pl.Int32}) ;; pl.Series([0.0]) ;; pl.Series([-0.0]) ;; pl.col("a").map_elements(str.upper)
pl.col("a").map_elements(str.lower) ;; pl.DataFrame({"a":[1]}).group_by("a")
""",
    "Arrow": """
pa.array([1,2]) ;; pa.array([1,2],pa.int32()) ;; pa.array([1,None]) ;; pa.array([None,1])
pa.array(["a"]) ;; pa.array(["a"],pa.large_string()) ;; pa.array(["a"],pa.string_view())
pa.array([b"a"]) ;; pa.array([b"a"],pa.binary(1)) ;; pa.array(["a"]).dictionary_encode()
pa.DictionaryArray.from_arrays(pa.array([0],pa.int8()),["a"])
pa.DictionaryArray.from_arrays(pa.array([0],pa.int32()),["a"],ordered=True)
pa.DictionaryArray.from_arrays(pa.array([0],pa.int32()),["a","b"]) ;; pa.array([[1]])
pa.array([[1]],pa.large_list(pa.int64())) ;; pa.array([[1]],pa.list_(pa.int64(),1)) ;; pa.array([{"a":1}])
pa.array([[("a",1)]],pa.map_(pa.string(),pa.int64())) ;; pa.array([1],pa.timestamp("s"))
pa.array([1],pa.timestamp("s","UTC")) ;; pa.array([1],pa.timestamp("ms")) ;; pa.array([1],pa.date32())
pa.array([1],pa.time32("s")) ;; pa.array([1],pa.duration("s")) ;; pa.array([decimal.Decimal("1.5")])
pa.array([True]) ;; pa.array([1.0]) ;; pa.array([float("nan")]) ;; pa.nulls(1) ;; pa.nulls(1,pa.int64())
pa.chunked_array([[1,2]]) ;; pa.table({"a":[1]}) ;; pa.table({"b":[1]}) ;; pa.record_batch({"a":[1]})
pa.table({"a":[1]}).replace_schema_metadata({"k":"v"})
pa.table({"a":[1]}).replace_schema_metadata({"k":"w"})
pa.table([pa.array([1])],schema=pa.schema([pa.field("a",pa.int64(),nullable=False)]))
pa.table([pa.array([1])],schema=pa.schema([pa.field("a",pa.int64(),metadata={"x":"y"})]))
pa.table([pa.array([1])],schema=pa.schema([pa.field("a",pa.int64(),metadata={"x":"z"})]))
pa.table([[1],[1]],names=["a","a"]) ;; pa.schema([("a",pa.int64())]) ;; pa.schema([("a",pa.int32())])
pa.schema([("a",pa.int64())],metadata={"a":"b"}) ;; pa.field("a",pa.int64())
pa.field("a",pa.int64(),False) ;; pa.int64() ;; pa.int32() ;; pa.scalar(1) ;; pa.scalar(2)
pa.scalar(None) ;; pa.scalar(1,pa.int32()) ;; pa.scalar("a") ;; pa.py_buffer(b"a") ;; pa.py_buffer(b"b")
pa.array([[1,2],[3]]) ;; pa.array([[1],[2,3]]) ;; pa.array([[1,2,3]]) ;; pa.array([[],[1]])
pa.array([None,[1]]) ;; pa.array([[None],[1]]) ;; pa.RunEndEncodedArray.from_arrays([1,2],[1,2])
pa.RunEndEncodedArray.from_arrays([1,2],[1,3])
pa.UnionArray.from_dense(pa.array([0],pa.int8()),pa.array([0],pa.int32()),[pa.array([1])])
pa.UnionArray.from_dense(pa.array([0],pa.int8()),pa.array([0],pa.int32()),[pa.array([2])])
pa.UnionArray.from_sparse(pa.array([0],pa.int8()),[pa.array([1])])
""",
    "sparse matrices": """
sparse.csr_array(np.eye(2)) ;; sparse.csc_array(np.eye(2)) ;; sparse.coo_array(np.eye(2))
sparse.bsr_array(np.eye(2)) ;; sparse.dia_array(np.eye(2)) ;; sparse.lil_array(np.eye(2))
sparse.dok_array(np.eye(2)) ;; sparse.csr_matrix(np.eye(2)) ;; sparse.csr_array(np.eye(2,dtype="f4"))
sparse.csr_array(np.eye(3)) ;; row([0,1],[1,2]) ;; row([1,0],[2,1]) ;; row([1,1],[1,2]) ;; row([1],[3])
row([0,1],[1,0]) ;; row([0],[1])
sparse.coo_array((np.array([1.,2.]),(np.array([0,1]),np.array([0,1]))),shape=(2,2))
sparse.coo_array(np.array([1,0])) ;; sparse.dok_array(np.array([[1,0]]))
sparse.dok_array(np.array([[1,0,0]])) ;; sparse.lil_array(np.array([[1,0]]))
sparse.lil_array(np.array([[1,0,0]])) ;; sparse.dia_array((np.array([[1,2]]),[0]),shape=(2,2))
sparse.dia_array((np.array([[1,2]]),[0]),shape=(2,3)) ;; sparse.csr_array((2,2))
sparse.csr_array((2,3))
""",
    "handles and code": """
logging.getLogger("a") ;; logging.getLogger("b") ;; logging.getLogger() ;; inspect.signature(len)
types.CodeType ;; (lambda:0).__code__ ;; (lambda:1).__code__ ;; types.ModuleType("m")
calendar.TextCalendar() ;; difflib.SequenceMatcher(None,"a","b") ;; textwrap.TextWrapper(3)
textwrap.TextWrapper(4) ;; urllib.parse.urlparse("http://a") ;; abc.ABC
memoryview(bytearray(3)).cast("B",(3,1)) ;; super(Plain,Plain())
""",
}
"""Expressions by kind, with `;;` between them: a program can tell each from all the others."""

EQUAL = """
np.array([1, 2]) == np.array([0, 1, 2])[1:]
np.array([2, 1]) == np.array([1, 2])[::-1]
frame() == frame().copy()
frame() == frame().iloc[:3]
frame()[["a"]] == pd.DataFrame({"a": [1, 2, 3]})
pd.concat([frame(), frame()], ignore_index=True)[:3] == frame()
pd.Series([None, 1.0], dtype="Float64") == pd.Series([2.0, 1.0], dtype="Float64").where([False, True])
pl.DataFrame({"a": [1, 2]}) == pl.concat([pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]})], rechunk=False)
pa.chunked_array([[1, 2]]) == pa.chunked_array([[1], [2]])
{1, 2, "a"} == {"a", 2, 1}
frozenset("abc") == frozenset("cba")
decimal.Decimal("10") == decimal.Decimal("1E1") * decimal.Decimal(1) + decimal.Decimal(0)
re.compile("a") == re.compile("a", re.UNICODE)
(1, "ab") == (1, "".join(["a", "b"]))
[float("nan")] == [nan(0x7FF8000000000000)]
functools.partial(int, base=2) == functools.partial(functools.partial(int), base=2)
sparse.csr_array(np.eye(2)) == sparse.csr_array(np.eye(2)).copy()
types.SimpleNamespace(a=1) == types.SimpleNamespace(**{"a": 1})
lambda x: x + 1 == lambda x: (x + 1)
np.ma.array([1, 2], mask=False) == np.ma.array([1, 2], mask=[0, 0])
"""
"""Pairs of expressions that no program can tell apart."""


def namespace() -> dict[str, Any]:
    """The names that the expressions mean."""
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELL, "<cell>", "exec"), names)
    return names


def expressions(kind: str) -> list[str]:
    """The expressions of one kind."""
    return [text.strip() for text in DIFFERENT[kind].replace("\n", ";;").split(";;") if text.strip()]


def digests() -> dict[str, str]:
    """The digest of every value, by its expression."""
    names = namespace()
    return {text: digest(eval(text, names)) for kind in DIFFERENT for text in expressions(kind)}


if __name__ == "__main__":
    print(json.dumps(digests()))
