"""The picture of a flow as a PDF."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode

import nbformat
import pytest
from nbconvert import LatexExporter

from nbflow.types import Verdict
from nbflow.views import FlowCard, TaskCard, show_flow
from nbflow.views.graph import draw
from nbflow.views.pdf import pdf_of
from tests.views_cards import flow_of


def drawn(svg: str) -> str:
    """What a picture draws, in the words of a PDF."""
    (content,) = re.findall(rb"stream\n(.*)\nendstream", pdf_of(svg), re.DOTALL)
    return zlib.decompress(content).decode("cp1252")


def path(data: str) -> str:
    """What one path draws."""
    svg = f'<svg width="9" height="9" color="#000000"><path class="i" d="{data}"/></svg>'
    return " ".join(drawn(svg).splitlines()[5:-1])


class TestFile:
    """The file."""

    def test_its_table_tells_where_its_parts_are(self) -> None:
        """To the byte, as readers need it."""
        file = pdf_of(draw(flow_of(12)).alone)
        places = [int(each) for each in re.findall(rb"^(\d{10}) 00000 n", file, re.MULTILINE)]
        assert [file[place : place + 7] for place in places] == [
            b"%d 0 obj" % number for number in range(1, 7)
        ]
        begins = int(file.split(b"startxref\n")[1].split()[0])
        assert file[begins : begins + 4] == b"xref"

    def test_it_has_the_size_of_the_picture(self) -> None:
        """A pixel is three quarters of a point."""
        svg = draw(flow_of(3)).alone
        width, height = (0.75 * float(each) for each in re.findall(r'(?:width|height)="(\d+)"', svg)[:2])
        assert f"/MediaBox [0 0 {width:g} {height:g}]".encode() in pdf_of(svg)

    def test_the_same_picture_is_the_same_file(self) -> None:
        """A re-run changes no line of a diff."""
        assert pdf_of(draw(flow_of(9)).alone) == pdf_of(draw(flow_of(9)).alone)


class TestShapes:
    """Paths of an SVG."""

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ("M1 2L3 4H5V6z", "1 2 m 3 4 l 5 4 l 5 6 l h"),
            ("M1 2l3 4 1 1h-.5v6", "1 2 m 4 6 l 5 7 l 4.5 7 l 4.5 13 l"),
            ("M0 0C1 2 3 4 5 6", "0 0 m 1 2 3 4 5 6 c"),
            ("M0 0c1 2 3 4 5 6s1 1 2 2", "0 0 m 1 2 3 4 5 6 c 7 8 6 7 7 8 c"),
            ("M2 0A2 2 0 0 1 0 2", "2 0 m 2 1.105 1.105 2 0 2 c"),
            ("M2 0A2 2 0 0 0 0 2", "2 0 m 0.895 0 0 0.895 0 2 c"),
        ],
    )
    def test_a_path(self, data: str, expected: str) -> None:
        """Relative ones, smooth ones and arcs as lines and curves to absolute points."""
        assert path(data) == expected

    def test_a_ring(self) -> None:
        """The long way round, as four quarters."""
        assert path("M9 3.4a5.6 5.6 0 1 0 .01 0").count(" c") == 4


class TestWords:
    """What is written."""

    def test_all_names(self) -> None:
        """And how each task stands."""
        assert {f"({task.name}) Tj" in drawn(draw(flow_of(7)).alone) for task in flow_of(7).tasks} == {True}

    def test_letters_that_the_font_lacks(self) -> None:
        """As near as there is; brackets are no ends of a text."""
        flow = FlowCard((TaskCard("année_ā→(名)", Verdict.FRESH),))
        assert r"(année_a->\(?\)) Tj" in drawn(draw(flow).alone)


class TestLatex:
    """A document made by nbconvert."""

    def test_it_has_the_picture_and_needs_no_other_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Inkscape, which nbconvert wants for every SVG that stands alone, is not there."""
        monkeypatch.setenv("PATH", "")
        data = show_flow(flow_of(5))._repr_mimebundle_()
        output = nbformat.v4.new_output("display_data", data)
        cell = nbformat.v4.new_code_cell("%flow", outputs=[output])
        text, made = LatexExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
        (name,) = (name for name in made["outputs"] if name.endswith(".pdf"))
        assert f"{{{name}}}" in text
        assert made["outputs"][name] == b64decode(data["application/pdf"])
