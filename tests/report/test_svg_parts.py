import xml.etree.ElementTree as ET

from decamo.report.svg_parts import CHART_STYLE, Line, dash, key


def test_a_legend_shows_each_line_as_it_is_drawn() -> None:
    legend = key([Line("IoU & <b>", []), Line("Dice", [], colour=2)])
    spans = list(ET.fromstring(f"<p>{legend}</p>"))
    assert ["".join(s.itertext()) for s in spans] == ["IoU & <b>", "Dice"]
    paths = [s.find("svg/path") for s in spans]
    assert [p.get("class") for p in paths if p is not None] == ["line s1", "line s2"]
    assert [p.get("stroke-dasharray") for p in paths if p is not None] == [None, "6 4"]


def test_lines_differ_by_more_than_colour() -> None:
    assert len({dash(n) for n in range(6)}) == 6
    assert dash(6) == dash(0) == ""


def test_every_colour_has_a_look() -> None:
    assert all(f".s{n}{{stroke:var(--s{n})}}" in CHART_STYLE for n in range(1, 7))
