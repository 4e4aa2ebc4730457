"""Pieces of HTML."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from nbflow.views import markup
from nbflow.views.graph import GRAPH_STYLE
from nbflow.views.looks import STATES, VERDICTS
from tests.views_cards import Reader

ALL_STYLES = (markup.STYLE, markup.BADGE_STYLE, GRAPH_STYLE)


class TestStyle:
    """The rules of the views."""

    def test_rules_are_for_our_own_elements_only(self) -> None:
        """They are in force in the whole page, next to those of other outputs."""
        for style in ALL_STYLES:
            selectors = [rule.split("{")[0] for rule in style.split("}") if rule]
            assert all(part.startswith(".nbf") for selector in selectors for part in selector.split(","))

    def test_no_text_is_smaller_than_11_pixels(self) -> None:
        """Small print is no print."""
        sizes = [
            float(size)
            for style in ALL_STYLES
            for size in re.findall(r"font(?:-size)?:(?:\d+ )?([\d.]+)px", style)
        ]
        assert min(sizes) >= 11

    def test_every_colour_of_a_look_has_its_rule(self) -> None:
        """A class without rule would be black."""
        looks = [*STATES.values(), *VERDICTS.values()]
        assert all(f".{markup.tinted(look)}{{" in markup.STYLE for look in looks)

    def test_nothing_is_fetched(self) -> None:
        """No fonts, no pictures, no network."""
        assert not any(word in style for style in ALL_STYLES for word in ("url(", "@import", "http"))


class TestEscaping:
    """Texts of users are texts."""

    @given(st.text())
    def test_any_text_stays_text(self, text: str) -> None:
        """In content and in attributes."""
        safe = markup.escaped(text)
        reader = Reader(f'<p title="{safe}">{safe}</p>')
        assert reader.tags == ["p"]
        assert [name for name, _ in reader.attributes] == ["title"]

    @given(st.text(max_size=40))
    def test_code_keeps_its_spaces(self, text: str) -> None:
        """Indentation is meaning."""
        assert Reader(f"<pre>{markup.escaped_code(text)}</pre>").tags == ["pre"]

    def test_pieces_without_content_are_nothing(self) -> None:
        """No empty lists, no lines that open to nothing."""
        assert (
            markup.pairs([("why", "")])
            == markup.bullets([])
            == markup.folded("more", "")
            == markup.muted("")
            == ""
        )
