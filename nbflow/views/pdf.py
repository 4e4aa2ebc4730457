"""The picture of a flow as a PDF: what documents made by LaTeX show, with no other program to draw it.

Read is the SVG that `graph` draws: groups, boxes, paths and words, each by its class. Words are set in
Helvetica, which every reader of PDF has; letters that it lacks are written without their marks, or as `?`.
"""

from __future__ import annotations

import math
import re
import unicodedata
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree import ElementTree

from nbflow.views.looks import mixed

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAPER: Final = "#ffffff"
_POINTS: Final = 0.75
"""A pixel in points."""

_TOKEN: Final = re.compile(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)")
_PLACE: Final = re.compile(r"translate\(([-\d.]+),([-\d.]+)\)")
_TAKES: Final = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "A": 7, "Z": 0}
_WORDS: Final = str.maketrans({"→": "->", "≤": "<=", "≥": ">=", "−": "-"})

Point = tuple[float, float]


class _Look(NamedTuple):
    """How things of a class are drawn: shares of their colour upon the paper, and the width of lines."""

    stroke: float = 0.0
    fill: float = 0.0
    width: float = 1.5


_LOOKS: Final = {
    "e": _Look(stroke=0.3),
    "e n": _Look(stroke=0.75),
    "e p": _Look(stroke=0.16, width=1),
    "e p n": _Look(stroke=0.4, width=1),
    "b": _Look(stroke=1, fill=0.1),
    "q b": _Look(stroke=0.35),
    "q i": _Look(stroke=1, width=2),
    "q t": _Look(fill=1),
    "q s": _Look(fill=0.7),
    "i": _Look(stroke=1, width=2),
    "t": _Look(fill=1),
    "s": _Look(fill=0.7),
    "l": _Look(fill=0.7),
}


def pdf_of(svg: str) -> bytes:
    """Return a picture that `graph.draw` gave as an SVG alone, as a PDF of one page.

    Example:
        >>> from nbflow.types import Verdict
        >>> from nbflow.views.cards import FlowCard, TaskCard
        >>> from nbflow.views.graph import draw
        >>> pdf_of(draw(FlowCard((TaskCard("clean", Verdict.FRESH),))).alone)[:8]
        b'%PDF-1.4'
    """
    root = ElementTree.fromstring(svg)
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    start = f"{_POINTS} 0 0 {-_POINTS} 0 {_short(height * _POINTS)} cm 1 J 1 j"
    drawn = "\n".join((start, *_within(root, root.get("color", ""), "")))
    return _file(width * _POINTS, height * _POINTS, drawn.encode("cp1252"))


def picture_bundle(svg: str) -> dict[str, str]:
    """Return a picture in the forms that documents take, by mime type.

    Where the SVG stands alone, nbconvert wants Inkscape for a document made by LaTeX, and fails without it.
    """
    return {"image/svg+xml": svg, "application/pdf": b64encode(pdf_of(svg)).decode()}


# --- what is drawn -----------------------------------------------------------------------------


def _within(parent: ElementTree.Element, ink: str, around: str) -> Iterator[str]:
    """What the elements within a group draw."""
    for element in parent:
        name, css = element.tag.rpartition("}")[2], element.get("class", "")
        own = element.get("color", ink)
        if name == "g":
            yield "q"
            yield from _moved(element)
            yield from _within(element, own, css or around)
            yield "Q"
        elif name in ("path", "rect", "text") and css:
            yield from _one(element, name, own, f"{around} {css}".strip())


def _one(element: ElementTree.Element, name: str, ink: str, css: str) -> Iterator[str]:
    look = _LOOKS.get(css, _Look())
    if name == "text":
        yield from _words(element, ink, css, look)
        return
    yield "q"
    yield from _moved(element)
    yield f"{_colour(mixed(ink, look.stroke, _PAPER))} RG {_short(look.width)} w"
    yield f"[{element.get('stroke-dasharray', '')}] 0 d"
    yield f"{_colour(mixed(ink, look.fill, _PAPER))} rg"
    yield from _path(element.get("d", "")) if name == "path" else _box(element)
    yield ("B" if look.fill else "S") + " Q"


def _words(element: ElementTree.Element, ink: str, css: str, look: _Look) -> Iterator[str]:
    font, size = ("/Bold", 13) if css == "t" else ("/Plain", 11)
    x, y = element.get("x", "0"), element.get("y", "0")
    shown = f"({_text(element.text or '')}) Tj"
    yield f"BT {font} {size} Tf 1 0 0 -1 {x} {y} Tm"
    if css == "l":  # so that no line runs through it
        yield f"1 1 1 RG 4 w [] 0 d 1 Tr {shown} 0 Tr 1 0 0 -1 {x} {y} Tm"
    yield f"{_colour(mixed(ink, look.fill, _PAPER))} rg {shown} ET"


def _text(text: str) -> str:
    plain = "".join(map(_letter, text.translate(_WORDS)))
    return re.sub(r"([\\()])", r"\\\1", plain)


def _letter(letter: str) -> str:
    """A letter that the font has."""
    for form in (letter, unicodedata.normalize("NFKD", letter)[0]):
        try:
            form.encode("cp1252")
        except UnicodeEncodeError:
            continue
        return form
    return "?"


def _moved(element: ElementTree.Element) -> Iterator[str]:
    place = _PLACE.fullmatch(element.get("transform", ""))
    if place is not None:
        yield f"1 0 0 1 {place[1]} {place[2]} cm"


def _colour(hue: str) -> str:
    return " ".join(_short(int(hue[place : place + 2], 16) / 255) for place in (1, 3, 5))


def _short(number: float) -> str:
    return f"{round(number, 3) + 0.0:.3f}".rstrip("0").rstrip(".")  # no minus before 0


# --- shapes ------------------------------------------------------------------------------------


def _box(element: ElementTree.Element) -> Iterator[str]:
    w, h, r = (float(element.get(name, "0")) for name in ("width", "height", "rx"))
    if not r:
        return iter([f"0 0 {_short(w)} {_short(h)} re"])
    arc = f"A{r} {r} 0 0 1"
    return _path(f"M{r} 0H{w - r}{arc} {w} {r}V{h - r}{arc} {w - r} {h}H{r}{arc} 0 {h - r}V{r}{arc} {r} 0Z")


def _path(data: str) -> Iterator[str]:
    """The path of an SVG in the words of a PDF, which has lines and curves to absolute points only."""
    at, pull = (0.0, 0.0), None
    for command, points in _commands(data):
        if command == "Z":
            yield "h"
        elif command == "A":
            yield from _arc(at, points)
        elif command in ("C", "S"):
            mirrored = (2 * at[0] - pull[0], 2 * at[1] - pull[1]) if pull else at
            yield f"{_at(points if command == 'C' else [mirrored, *points])} c"
        else:
            yield f"{_at(points)} {'m' if command == 'M' else 'l'}"
        pull = points[-2] if command in ("C", "S") else None
        at = points[-1]


def _commands(data: str) -> Iterator[tuple[str, list[Point]]]:
    """Each command with its points, all of them absolute; an arc has radius and flags before its end."""
    tokens, place, command = _TOKEN.findall(data), 0, "M"
    at = start = (0.0, 0.0)
    while place < len(tokens):
        if tokens[place].isalpha():
            command = tokens[place]
            place += 1
        kind = command.upper()
        numbers = [float(token) for token in tokens[place : place + _TAKES[kind]]]
        place += _TAKES[kind]
        points = _points(kind, numbers, at, at if command.islower() else (0.0, 0.0)) or [start]
        at = points[-1]
        start = at if kind == "M" else start
        yield kind, points


def _points(kind: str, numbers: list[float], at: Point, origin: Point) -> list[Point]:
    if kind == "H":
        return [(origin[0] + numbers[0], at[1])]
    if kind == "V":
        return [(at[0], origin[1] + numbers[0])]
    before = [(numbers[0], 0.0), (numbers[3], numbers[4])] if kind == "A" else []
    rest = numbers[5:] if kind == "A" else numbers
    return before + [(origin[0] + x, origin[1] + y) for x, y in zip(rest[::2], rest[1::2], strict=True)]


def _arc(start: Point, points: list[Point]) -> Iterator[str]:
    """A part of a circle as curves of at most a quarter each."""
    (radius, _), (is_large, is_right), end = points
    middle, half = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), math.dist(start, end) / 2
    off = math.sqrt(max(radius**2 - half**2, 0.0)) / (2 * half) * (1 if is_large != is_right else -1)
    centre = middle[0] + off * (start[1] - end[1]), middle[1] + off * (end[0] - start[0])
    first, last = (math.atan2(y - centre[1], x - centre[0]) for x, y in (start, end))
    turn = (last - first) % math.tau if is_right else -((first - last) % math.tau)
    parts = math.ceil(abs(turn) / (math.pi / 2) - 1e-9)
    step = turn / parts
    pull = 4 / 3 * math.tan(step / 4)
    for place in range(parts):
        angles = first + place * step, first + (place + 1) * step
        (x, y), (to_x, to_y) = ((radius * math.cos(angle), radius * math.sin(angle)) for angle in angles)
        curve = [(x - pull * y, y + pull * x), (to_x + pull * to_y, to_y - pull * to_x), (to_x, to_y)]
        yield f"{_at([(centre[0] + x, centre[1] + y) for x, y in curve])} c"


def _at(points: list[Point]) -> str:
    return " ".join(_short(number) for point in points for number in point)


# --- the file ----------------------------------------------------------------------------------


def _file(width: float, height: float, drawn: bytes) -> bytes:
    """A PDF of one page."""
    content = zlib.compress(drawn, 9)
    fonts = " ".join(f"/{name} {number} 0 R" for name, number in (("Plain", 5), ("Bold", 6)))
    page = f"/MediaBox [0 0 {_short(width)} {_short(height)}] /Contents 4 0 R"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R {page} /Resources << /Font << {fonts} >> >> >>".encode(),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(content), content),
        *(
            f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>".encode()
            for font in ("Helvetica", "Helvetica-Bold")
        ),
    ]
    file, places = b"%PDF-1.4\n", list[int]()
    for number, each in enumerate(objects, 1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    rows = "".join(f"{place:010} 00000 n \n" for place in places)
    table = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{rows}"
    end = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    return file + f"{table}{end}".encode()
