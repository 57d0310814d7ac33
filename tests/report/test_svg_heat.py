import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from decamo.report.svg_heat import heat_map


def cells(svg: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter("rect") if e.get("class") == "cell"]


def test_each_epoch_and_part_has_a_cell_as_dark_as_its_share() -> None:
    found = cells(heat_map("use", [1, 2], [[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]]))
    opacity = [float(c.attrib["fill-opacity"]) for c in found]
    assert opacity == [0.75, 0.375, 0.375, 1, 0, 0]
    assert "".join(found[1].itertext()) == "epoch 1: expert 2 25.0%"


def test_cells_lie_side_by_side_inside_the_box() -> None:
    text = heat_map("use", list(range(1, 41)), [[0.1] * 10] * 40)
    svg = ET.fromstring(text)
    _, _, width, height = (float(n) for n in svg.attrib["viewBox"].split())
    first = [c for c in cells(text) if c.attrib["y"] == cells(text)[0].attrib["y"]]
    ends = [(float(c.attrib["x"]), float(c.attrib["width"])) for c in first]
    assert len(ends) == 40
    for (x, w), (following, _) in pairwise(ends):
        assert x + w == pytest.approx(following, abs=0.02)
    for c in cells(text):
        assert float(c.attrib["x"]) + float(c.attrib["width"]) <= width
        assert float(c.attrib["y"]) + float(c.attrib["height"]) <= height


def test_many_epochs_are_averaged() -> None:
    shares = [[0.0, 1.0], [1.0, 0.0]] * 300
    found = cells(heat_map("use", list(range(1, 601)), shares))
    assert len(found) <= 240
    assert "epoch 1 to 5" in "".join(found[0].itertext())


def test_the_label_tells_the_last_shares() -> None:
    svg = ET.fromstring(heat_map("use", [7], [[0.4, 0.6]]))
    assert svg.get("aria-label") == "use: at epoch 7 1 40%, 2 60%"
    assert [e.text for e in svg.iter("text")][:4] == ["1", "40.0%", "2", "60.0%"]


def test_many_parts_keep_their_names_apart() -> None:
    svg = ET.fromstring(heat_map("use", [1], [[1 / 28] * 28]))
    heights = sorted({float(e.attrib["y"]) for e in svg.iter("text")})
    assert all(b - a >= 12 for a, b in pairwise(heights))


def test_names_stand_beside_their_rows_inside_the_picture() -> None:
    svg = ET.fromstring(heat_map("use", [1, 2], [[0.4, 0.6]] * 2, names=["edges", "wide texture"]))
    texts = list(svg.iter("text"))
    assert [e.text for e in texts][:4] == ["edges", "40.0%", "wide texture", "60.0%"]
    assert float(texts[2].attrib["x"]) >= 6 * len("wide texture")
    assert svg.get("aria-label") == "use: at epoch 2 edges 40%, wide texture 60%"
    titles = ["".join(e.itertext()) for e in svg.iter("title")]
    assert titles[1] == "epoch 1: wide texture 60.0%"
