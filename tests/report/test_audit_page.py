from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.audit import Audit, Copy, Finding, audit_data, previews
from decamo.report.audit_report import audit_page
from tests.data.audit.malformed import Zoo, encoded, outline
from tests.report.reader import Reader


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    zoo = Zoo(tmp_path_factory.mktemp("page") / "Set & <Co>")
    pixels = zoo.fresh()
    zoo.image("COD10K-CAM-1-Aquatic-3-Crab-1.png", encoded(pixels, "PNG"))
    zoo.image("cut.jpg", encoded(zoo.fresh(), "JPEG")[:-50])
    other = Zoo(zoo.root.parent / "Other")
    (other.root / "Train").rename(other.root / "Test")
    for folder, data in (("Image", pixels), ("GT_Object", outline())):
        (other.root / "Test" / folder / "b.png").write_bytes(encoded(data, "PNG"))
    return audit_data([zoo.root.parent], workers=1)


def test_the_page_shows_sets_findings_and_copies(audit: Audit) -> None:
    page = Reader(audit_page(audit, previews(audit.copies, workers=1)))
    for words in ("Set & <Co>", "cut.jpg", "end mark is missing", "Aquatic", "Crab", "leak"):
        assert words in page.text
    assert len(page.all("figure")) == 1
    assert len(page.all("svg")) == 4  # sizes twice, super and sub classes once
    assert len(page.all("rect")) == 7 * 2 + 2


def test_the_page_needs_nothing_but_itself(audit: Audit) -> None:
    text = audit_page(audit, previews(audit.copies, workers=1))
    page = Reader(text)
    assert page.all("script") == page.all("link") == []
    assert all(str(img["src"]).startswith("data:image/jpeg;base64,") for img in page.all("img"))
    assert len(page.all("img")) == 2
    assert all(img["alt"] for img in page.all("img"))
    assert "http" not in text
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))
    assert "@media print" in text


def test_bars_are_as_long_as_their_counts(audit: Audit) -> None:
    summary = replace(audit.summaries[0], sizes=(0, 1, 2, 4, 0, 0, 0), super_classes={})
    page = Reader(audit_page(replace(audit, summaries=(summary,)), {}))
    assert [float(str(r["width"])) for r in page.all("rect")] == [0, 37.5, 75, 150, 0, 0, 0]


def test_names_of_files_cannot_write_markup(audit: Audit) -> None:
    evil = Path('"><script>alert(1)</script>\n\x1b[31m\udce9.png')
    copy = Copy(evil, evil, "<b>", "a", "near copy", 1, 0.9, False)
    finding = Finding("trailing-bytes", evil, "<img src=x>")
    text = audit_page(replace(audit, copies=(copy,), findings=(finding,)), {evil: "QQ=="})
    page = Reader(text)
    assert page.all("script") == []
    assert len(page.all("img")) == 2
    assert "\x1b" not in text
    text.encode()  # bytes that are no text were replaced


def test_long_lists_are_cut_and_counted(audit: Audit) -> None:
    many = tuple(Finding("tiny", Path(f"{n}.png"), "1 x 1 px") for n in range(250))
    copies = tuple(audit.copies) * 130
    page = Reader(audit_page(replace(audit, findings=many, copies=copies), {}))
    assert len(page.all("li")) == 201
    assert "and 50 more" in page.text
    assert "and 30 more" in page.text
    assert "no picture" in page.text


def test_nothing_amiss_is_said(audit: Audit) -> None:
    page = Reader(audit_page(replace(audit, findings=(), copies=()), {}))
    assert "Nothing found amiss." in page.text
    assert "No image occurs twice." in page.text
