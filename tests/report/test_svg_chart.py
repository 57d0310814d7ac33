import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decamo.report.svg_chart import draw_chart
from decamo.report.svg_parts import Band, Chart, ChartFan, Dot, Line, Mark

VALUES = st.one_of(st.none(), st.floats(-1e100, 1e100), st.sampled_from([math.nan, math.inf]))
WORDS = st.text(max_size=30)


def places(svg: ET.Element) -> Iterator[tuple[float, float]]:
    """Every point that is drawn."""
    for e in svg.iter():
        if e.tag == "rect":
            x, y, w, h = (float(e.attrib[n]) for n in ("x", "y", "width", "height"))
            assert w >= 0
            assert h >= 0
            yield from ((x, y), (x + w, y + h))
        elif e.tag == "circle":
            yield float(e.attrib["cx"]), float(e.attrib["cy"])
        elif e.tag == "text":
            yield float(e.attrib["x"]), float(e.attrib["y"])
        elif e.tag == "path":
            yield from path_places(e.attrib["d"])


def path_places(d: str) -> Iterator[tuple[float, float]]:
    x = y = 0.0
    for command, numbers in re.findall(r"([MLHVhvZ])([^MLHVhvZ]*)", d):
        values = [float(n) for n in numbers.split()]
        if command in "ML":
            x, y = values
        elif command in "Hh":
            x = values[0] + (x if command == "h" else 0)
        elif command in "Vv":
            y = values[0] + (y if command == "v" else 0)
        assert math.isfinite(x)
        assert math.isfinite(y)
        yield x, y


def read(chart: Chart) -> ET.Element:
    """The chart, with everything in it inside of its box."""
    svg = ET.fromstring(draw_chart(chart))
    _, _, width, height = (float(n) for n in svg.attrib["viewBox"].split())
    for x, y in places(svg):
        assert -0.1 <= x <= width + 0.1
        assert -0.1 <= y <= height + 0.1
    return svg


def line_of(svg: ET.Element, name: str = "line s1") -> list[tuple[float, float]]:
    path = next(e for e in svg.iter("path") if e.get("class") == name)
    return list(path_places(path.attrib["d"]))


@settings(max_examples=30)
@given(
    st.lists(st.lists(VALUES, max_size=12), max_size=3),
    st.lists(st.tuples(st.integers(1, 12), WORDS), max_size=5),
    WORDS,
    st.booleans(),
    st.sampled_from([380.0, 820.0]),
)
def test_whatever_is_drawn_is_xml_inside_its_box(
    series: list[list[float | None]],
    marks: list[tuple[int, str]],
    name: str,
    log: bool,
    width: float,
) -> None:
    lines = [Line(name, list(enumerate(values, start=1))) for values in series]
    chart = Chart(
        name,
        lines,
        bands=(Band(1, 3, name), Band(4, 12, "stage 2")),
        marks=[Mark(e, n, n) for e, n in marks],
        level=(0.72, name),
        log=log,
        width=width,
    )
    read(chart)


def test_a_line_goes_where_its_values_are() -> None:
    svg = read(Chart("c", [Line("IoU", [(1, 0.0), (2, 0.5), (3, 1.0)])]))
    (x1, y1), (x2, y2), (x3, y3) = line_of(svg)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.2)
    assert y1 - y2 == pytest.approx(y2 - y3, abs=0.2)
    assert y1 > y3


def test_ticks_stand_where_their_values_are() -> None:
    svg = read(Chart("c", [Line("IoU", [(1, 0.4), (2, 0.0), (3, 1.0)])]))
    tick = next(e for e in svg.iter("text") if e.text == "0.4")
    assert line_of(svg)[0][1] == pytest.approx(float(tick.attrib["y"]) - 4, abs=0.2)


def test_what_is_not_known_is_a_gap() -> None:
    values = [0.1, 0.2, None, 0.3, math.nan, 0.4, 0.5]
    svg = read(Chart("c", [Line("IoU", list(enumerate(values, start=1)))]))
    d = next(e for e in svg.iter("path") if e.get("class") == "line s1").attrib["d"]
    assert d.count("M") == 3
    assert d.count("h0") == 1  # a lone point is a dot


def test_hovering_tells_each_epoch() -> None:
    lines = [Line("IoU", [(1, 0.1), (2, math.nan)]), Line("Dice", [(1, 0.2), (2, None)])]
    svg = read(Chart("c", lines))
    titles = [e.text for r in svg.iter("rect") for e in r.iter("title")]
    assert titles == ["epoch 1: IoU 0.1000, Dice 0.2000", "epoch 2: IoU not a number"]


def test_the_label_tells_first_and_last() -> None:
    svg = read(Chart("loss", [Line("training", [(1, 2.0), (9, 1.0)])]))
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "loss: training from 2.0000 at epoch 1 to 1.0000 at epoch 9"
    assert read(Chart("loss", [])).get("aria-label") == "loss: nothing known"


def test_names_of_marks_do_not_run_into_each_other() -> None:
    marks = [Mark(e, "branch") for e in (10, 11, 12, 99, 100)]
    svg = read(Chart("c", [Line("l", [(1, 0.0), (100, 1.0)])], marks=marks))
    spans: dict[str, list[tuple[float, float]]] = {}
    for e in svg.iter("text"):
        if e.text == "branch":
            at, width = float(e.attrib["x"]), 6.4 * 6
            left = at - width if e.get("text-anchor") == "end" else at
            spans.setdefault(e.attrib["y"], []).append((left, left + width))
    assert sum(map(len, spans.values())) >= 4
    for row in spans.values():
        ordered = sorted(row)
        assert all(a[1] <= b[0] for a, b in pairwise(ordered))


def test_marks_of_one_epoch_are_one() -> None:
    marks = [Mark(3, "branch", "branch: why"), Mark(3, "unfreeze", "all learn")]
    svg = read(Chart("c", [Line("l", [(1, 0.0), (5, 1.0)])], marks=marks))
    lines = [e for e in svg.iter("path") if e.get("class") == "mark"]
    assert ["".join(e.itertext()) for e in lines] == ["epoch 3: branch: why; all learn"]
    assert "branch, unfreeze" in [e.text for e in svg.iter("text")]


def test_a_fan_lies_around_its_middle_and_ahead() -> None:
    fan = ChartFan(
        [10, 11, 12], {q: [q + 0.1, q + 0.2, q + 0.3] for q in (0.1, 0.25, 0.5, 0.75, 0.9)}
    )
    chart = Chart("c", [Line("IoU", [(1, 0.1), (9, 0.5)])], fan=fan)
    svg = read(chart)
    wide, narrow = (
        list(path_places(e.attrib["d"]))[:6] for e in svg.iter("path") if e.get("class") == "fan"
    )
    middle = line_of(svg, "line middle s1")
    for n, (x, y) in enumerate(middle):
        assert x == wide[n][0] == wide[5 - n][0]
        assert wide[n][1] < narrow[n][1] < y < narrow[5 - n][1] < wide[5 - n][1]
    assert middle[0][0] > line_of(svg)[-1][0]
    assert "forecast: 10% to 90%" in "".join(svg.itertext())


def test_dots_and_levels_are_named() -> None:
    chart = Chart(
        "c", [Line("IoU", [(1, 0.1), (2, 0.5)])], dots=[Dot(2, 0.5, "best")], level=(0.72, "target")
    )
    svg = read(chart)
    texts = [e.text for e in svg.iter("text")]
    assert "best" in texts
    assert "target" in texts
    circle = next(svg.iter("circle"))
    assert (float(circle.attrib["cx"]), float(circle.attrib["cy"])) == line_of(svg)[-1]


def test_a_long_run_stays_small_and_keeps_its_extremes() -> None:
    values = [0.5 + 0.1 * math.sin(n / 50) for n in range(50_000)]
    values[31_234] = 0.0
    svg = read(Chart("c", [Line("IoU", list(enumerate(values, start=1)))]))
    points = line_of(svg)
    assert len(points) <= 1200
    assert max(y for _, y in points) == pytest.approx(
        line_of(read(Chart("c", [Line("a", [(1, 0.0), (2, max(values))])])))[0][1], abs=0.2
    )
    assert len(list(svg.iter("rect"))) <= 240


def test_bands_fill_the_epochs_that_they_cover() -> None:
    line = Line("l", [(1, 0.0), (10, 1.0)])
    svg = read(Chart("c", [line], bands=(Band(1, 5, "stage 1"), Band(6, 10, "stage 2"))))
    band = next(e for e in svg.iter("rect") if e.get("class") == "band")
    x1, x10 = (x for x, _ in line_of(svg))
    epoch = (x10 - x1) / 9
    assert float(band.attrib["width"]) == pytest.approx(5 * epoch, abs=0.3)
    assert {"stage 1", "stage 2"} <= {e.text for e in svg.iter("text")}


def test_one_epoch_is_a_chart() -> None:
    svg = read(replace(Chart("c", [Line("l", [(86, 0.62)])]), level=(0.72, "target")))
    assert "86" in [e.text for e in svg.iter("text")]


def test_the_name_of_a_dot_does_not_lie_on_the_level() -> None:
    line = Line("IoU", [(1, 0.5), (2, 0.715), (3, 0.6)])
    for level, below in ((0.72, True), (0.95, False)):
        chart = Chart("c", [line], dots=[Dot(2, 0.715, "best")], level=(level, "target"))
        svg = read(chart)
        name = next(e for e in svg.iter("text") if e.text == "best")
        assert (float(name.attrib["y"]) > float(next(svg.iter("circle")).attrib["cy"])) == below
