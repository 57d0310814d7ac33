import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.report.page import STYLE, escaped, page, table
from tests.report.reader import Reader, outside


def test_a_page_is_whole_and_needs_nothing_else() -> None:
    text = page("A <b> & C", ["<p>one</p>", "", "<p>two</p>"], ".own{color:red}")
    read = Reader(text)
    assert text.startswith("<!doctype html>")
    assert "A <b> & C" in read.text
    assert len(read.all("p")) == 2
    assert ".own{color:red}" in text
    assert read.all("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in read.all("meta"))
    assert outside(text) == []


def test_the_search_for_outside_references_finds_them() -> None:
    for markup in (
        '<img src="x.png">',
        "<a href=x></a>",
        "<style>@import 'x'</style>",
        "<p style='background:url(x)'></p>",
        "<p onclick='x()'></p>",
        "<script>x()</script>",
        "<svg><image href='x'/></svg>",
    ):
        assert outside(markup), markup


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_text_can_be_markup_or_control(value: str) -> None:
    text = escaped(value)
    assert not set(text) & set("<>\"'")
    assert all(c.isprintable() for c in text)
    text.encode()
    element = ET.fromstring(f'<p title="{text}">{text}</p>')  # a strict reader gets it back
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    assert (element.text or "") == shown


def test_lines_stay_where_they_are_wanted() -> None:
    assert escaped("a\nb", lines=True) == "a\nb"
    assert escaped("a\nb") == "a\N{REPLACEMENT CHARACTER}b"


def test_a_table_has_caption_heads_and_sides() -> None:
    read = Reader(table(("name", "n"), [["a", "1"], ["b", "2"]], "Some"))
    assert read.text.split() == ["Some", "name", "n", "a", "1", "b", "2"]
    assert all(th["scope"] == "col" for th in read.all("th"))
    assert [td.get("class") for td in read.all("td")] == ["text", None] * 2
    assert len(read.all("caption")) == 1
    assert Reader(table(("a",), [])).all("caption") == []


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of ``#rrggbb``."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(two)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_letters_and_lines_stand_out(scheme: int) -> None:
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for lines."""
    assert _contrast("#000000", "#ffffff") == pytest.approx(21)
    blocks = [b for b in re.findall(r":root\{([^}]*)\}", STYLE) if "--ink" in b]
    colours = dict(re.findall(r"--(\w+):(#[0-9a-f]{6})", blocks[scheme]))
    words = ("ink", "soft", "good", "note", "warning", "broken", "leak")
    for ground in ("paper", "card"):
        for name in words:
            assert _contrast(colours[name], colours[ground]) >= 4.5, name
        for name in ("bar", *(f"s{n}" for n in range(1, 7))):
            assert _contrast(colours[name], colours[ground]) >= 3, name


def test_both_schemes_name_the_same_colours() -> None:
    blocks = [b for b in re.findall(r":root\{([^}]*)\}", STYLE) if "--ink" in b]
    names = [set(re.findall(r"--\w+", b)) for b in blocks]
    assert names[0] == names[1]
    assert len(names) == 2
