"""Pieces of HTML that the views are made of, safe to show in any host.

Everything that comes from users passes `escaped`. There is no script. Colours are mixed from a
hue and the host's own text colour, so that light and dark need no rules of their own. Where a
host does not trust a notebook it drops `<style>`, `<svg>` and colours that are computed; words,
tables and `<details>` are left and say the same.
"""

from __future__ import annotations

import html
import re
import zlib
from typing import TYPE_CHECKING, Final

from nbflow.views.looks import HUES
from nbflow.views.words import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nbflow.views.looks import Look

MUTED: Final = "color-mix(in srgb,currentColor 66%,transparent)"
LINE: Final = "color-mix(in srgb,currentColor 14%,transparent)"
_BAR: Final = "color-mix(in srgb,currentColor 9%,transparent)"
TINT: Final = "color-mix(in srgb,currentColor 5%,transparent)"
FONT: Final = "var(--jp-ui-font-family,var(--vscode-font-family,system-ui,sans-serif))"
CODE: Final = "var(--jp-code-font-family,var(--vscode-editor-font-family,ui-monospace,monospace))"

_PAIRS: Final = (
    ".nbf .nbf-d{display:grid;grid-template-columns:max-content 1fr;gap:2px 12px;margin:4px 0 6px 22px}"
    f".nbf .nbf-d dt{{color:{MUTED};font-weight:400;margin:0}}"
    ".nbf .nbf-d dd{margin:0;overflow-wrap:anywhere}"
)

_SHARED: Final = (
    ".nbf b{font-weight:600}.nbf .nbf-i{width:16px;height:16px;flex:none;vertical-align:-3px;fill:none;"
    "stroke:currentColor;stroke-width:2;stroke-linecap:round;stroke-linejoin:round}"
    f".nbf .nbf-m{{color:{MUTED}}}{_PAIRS}"
)

BADGE_STYLE: Final = (
    f".nbf-b{{font:12px/1.5 {FONT};margin:2px 0}}"
    ".nbf-b>summary,.nbf-b>.nbf-s{display:flex;gap:6px;align-items:center;list-style:none;white-space:nowrap}"
    ".nbf-b>summary{cursor:pointer;border-radius:4px}.nbf-b>summary::-webkit-details-marker{display:none}"
    f".nbf-b>summary:hover{{background:{TINT}}}"
    f".nbf-o{{display:flex}}.nbf-w{{overflow:hidden;text-overflow:ellipsis;min-width:0;flex:1;color:{MUTED}}}"
    f".nbf-b>summary::after{{content:'';width:5px;height:5px;margin:0 6px 3px 0;border:solid {MUTED};"
    "border-width:0 1.5px 1.5px 0;transform:rotate(45deg)}"
    ".nbf-b[open]>summary::after{transform:rotate(225deg);margin-bottom:-3px}"
    f"{_SHARED}"
)
"""The rules of a badge: small, as every task cell of a saved notebook holds them."""

_HUE_RULES: Final = "".join(
    f".nbf .nbf-{hue[1:]}{{color:color-mix(in srgb,{hue} 70%,currentColor)}}" for hue in HUES
)

STYLE: Final = (
    f"{_HUE_RULES}.nbf{{font:13px/1.5 {FONT};max-width:1100px}}"
    ".nbf .nbf-h{display:flex;flex-wrap:wrap;gap:4px 14px;align-items:baseline;margin:4px 0 8px}"
    ".nbf .nbf-h b{font-size:14px}.nbf .nbf-h span{white-space:nowrap}"
    f"{_SHARED}"
    ".nbf .nbf-t{border-collapse:collapse;table-layout:auto;margin:0;font-size:12.5px;border:0}"
    f".nbf .nbf-t th{{color:{MUTED};font-weight:500;font-size:12px;padding:4px 14px 4px 0;text-align:left;"
    f"white-space:nowrap;background:none;border:0;border-bottom:1px solid {LINE}}}"
    ".nbf .nbf-t td{padding:4px 14px 4px 0;text-align:left;vertical-align:top;background:none;"
    f"white-space:nowrap;border:0;border-bottom:1px solid {LINE}}}"
    ".nbf .nbf-t tbody>tr{background:none}"
    f".nbf .nbf-t tbody>tr:hover{{background:{TINT}}}.nbf .nbf-t tbody>tr:last-child>td{{border-bottom:0}}"
    ".nbf .nbf-t .nbf-n{text-align:right;font-variant-numeric:tabular-nums}"
    f".nbf .nbf-t .nbf-c{{color:{MUTED};white-space:normal;min-width:16ch;overflow-wrap:anywhere}}"
    ".nbf .nbf-t .nbf-c .nbf-m{color:inherit}"
    ".nbf .nbf-r{display:block;min-width:56px;padding:0 4px;border-radius:2px;"
    f"background:linear-gradient(to left,{_BAR} var(--w),transparent var(--w))}}"
    f".nbf .nbf-t .nbf-p td{{color:{MUTED}}}.nbf .nbf-t .nbf-p .nbf-m{{color:inherit}}"
    f".nbf pre.nbf-x{{font:12px/1.5 {CODE};background:{TINT};border-radius:4px;padding:6px 10px;"
    "margin:4px 0 8px;overflow-x:auto;white-space:pre;color:inherit}"
    ".nbf ul.nbf-l{list-style:none;margin:4px 0;padding:0}"
    f".nbf ul.nbf-l li{{margin:2px 0;padding-left:14px;border-left:2px solid {LINE}}}"
    ".nbf dd ul.nbf-l{margin:0}.nbf dd ul.nbf-l li{margin:0;padding:0;border:0}"
    ".nbf details>summary{cursor:pointer}.nbf pre.nbf-x span{display:block}"
)
"""The rules of tables, lists and diffs."""


def escaped(text: str, limit: int = 200) -> str:
    """Return any text as one line that is safe in HTML and SVG, in content and attributes.

    Example:
        >>> escaped('<script>"x"')
        '&lt;script&gt;&quot;x&quot;'
    """
    return html.escape(one_line(text, limit)) if text else ""


def coloured(hue: str) -> str:
    """Return the declarations of a text colour; the first is for hosts that drop the second."""
    return f"color:{hue};color:color-mix(in srgb,{hue} 70%,currentColor)"


def tinted(look: Look) -> str:
    """Return the class of a look's colour, for views that have `STYLE`."""
    return f"nbf-{look.hue[1:]}"


def icon(look: Look) -> str:
    """Return the icon of a look in the colour of the text around it; it says nothing to a screen reader."""
    return f'<svg class="nbf-i" viewBox="0 0 18 18" aria-hidden="true"><path d="{look.icon}"/></svg>'


def marked(look: Look, word: str = "") -> str:
    """Return icon and word of a look in its colour."""
    return f'<span class="{tinted(look)}">{icon(look)} {escaped(word or look.word)}</span>'


def muted(text: str, limit: int = 400) -> str:
    """Return a text that steps back."""
    return f'<span class="nbf-m">{escaped(text, limit)}</span>' if text else ""


def heading(title: str, *parts: str, is_status: bool = False) -> str:
    """Return a title with what stands beside it; the parts are HTML already.

    Args:
        title: What the view is of; may be empty.
        *parts: What else is said; empty ones are left out.
        is_status: Whether a screen reader is told when it changes.
    """
    role = ' role="status"' if is_status else ""
    bold = f"<b>{escaped(title, 80)}</b>" if title else ""
    return f'<div class="nbf-h"{role}>{" ".join(part for part in (bold, *parts) if part)}</div>'


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of labels and texts; the texts are HTML already, empty ones are left out."""
    lines = [f"<dt>{escaped(label)}</dt><dd>{text}</dd>" for label, text in rows if text]
    return f'<dl class="nbf-d">{"".join(lines)}</dl>' if lines else ""


def bullets(lines: Iterable[str]) -> str:
    """Return a list of lines that are HTML already."""
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="nbf-l">{items}</ul>' if items else ""


def folded(summary: str, content: str, *, is_open: bool = False) -> str:
    """Return content behind a line that opens it; empty content needs none."""
    opened = " open" if is_open else ""
    return f"<details{opened}><summary>{summary}</summary>{content}</details>" if content else ""


def page(*parts: str, style: str = STYLE) -> str:
    """Return the parts as one piece of HTML with its rules; mathematics in user texts is left alone."""
    content = "".join(parts)
    return f'<style>{style}</style><div class="nbf tex2jax_ignore mathjax_ignore">{content}</div>'


def with_shared_icons(content: str) -> str:
    """Return HTML in which each icon is drawn once and repeated by reference, which is shorter.

    An icon bears the same name wherever it is drawn, so that it does not matter which drawing is found.

    Example:
        >>> from nbflow.views.looks import NOT_RUN
        >>> with_shared_icons(icon(NOT_RUN) * 2).count(NOT_RUN.icon)
        1
    """
    seen: set[str] = set()

    def share(found: re.Match[str]) -> str:
        place, drawing = found[1], found[2]
        name = f"nbf-{zlib.crc32(drawing.encode()) & 0xFFFFF:x}"
        if drawing in seen:
            return f'<use{_MOVED.sub(_AT, place)} href="#{name}"/>'
        if place:
            return found[0]  # what is repeated by reference would be moved twice
        seen.add(drawing)
        return f'<path id="{name}" d="{drawing}"/>'

    return _ICON.sub(share, content)


_MOVED: Final = re.compile(r'transform="translate\((\d+),(\d+)\)"')
_AT: Final = r'x="\1" y="\2"'
_ICON: Final = re.compile(r'<path((?: class="i" transform="[^"]+")?) d="([^"]+)"/>')


_ATTRIBUTE: Final = re.compile(r"""="([^"']*)"(/?)""")
_NEEDS_NO_QUOTES: Final = re.compile(r"[\w#.,%-]+")


def compact(content: str) -> str:
    """Return the same HTML with fewer quotes: each is escaped once more in the file of a notebook.

    Example:
        >>> compact('<b class="t" title="one of two">a</b>')
        "<b class=t title='one of two'>a</b>"
    """
    return _ATTRIBUTE.sub(_requoted, content)


def _requoted(attribute: re.Match[str]) -> str:
    value, end = attribute.groups()
    is_plain = not end and _NEEDS_NO_QUOTES.fullmatch(value)
    return f"={value}" if is_plain else f"='{value}'{end}"


def placed(content: str, place: str) -> str:
    """Return content marked so that a live view can take its place; without a mark, as it is."""
    return f'<div class="nbf-host" data-nbflow-view="{escaped(place)}">{content}</div>' if place else content


def escaped_code(line: str) -> str:
    """Return a line of code, spaces and all, that is safe in HTML."""
    return html.escape(line)
