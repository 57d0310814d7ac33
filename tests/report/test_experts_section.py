import re
from dataclasses import replace

import pytest

from decamo.history import Point, TrainingLog
from decamo.report.experts_section import Sheet, experts_section
from tests.report.reader import Reader, outside
from tests.report.test_run_charts import long_run


def titles(page: str) -> list[str]:
    return [t.split(":")[0] for t in re.findall(r"<figcaption><b>([^<]*)</b>", page)]


def test_use_routing_and_gates_are_shown() -> None:
    page = experts_section(long_run())
    read = Reader(page)
    assert titles(page) == ["Use of the experts", "Routing entropy", "Balance"]
    for words in ("texture", "contrast", "stride 4", "stride 8", "100.0%", "0.937", "at epoch 12"):
        assert words in read.text, words
    assert "stride 16" not in read.text
    assert outside(page) == []
    assert len(read.all("caption")) == len(read.all("table")) == 1


def test_a_cell_is_as_dark_as_its_share() -> None:
    page = experts_section(TrainingLog((Point(1, gates=((0.0, 0.5, 0.25, 0.25),)),)))
    assert re.findall(r"--p:(\d+)", page) == ["0", "70", "35", "35"]


def test_a_journal_of_before_shows_the_use_only() -> None:
    past = long_run()
    points = [replace(p, gates=(), routing_entropy=(), routing_balance=()) for p in past.points]
    page = experts_section(replace(past, points=tuple(points)))
    assert titles(page) == ["Use of the experts"]
    assert "<table" not in page


@pytest.mark.parametrize("usage", [(), (1.0,), (0.5, 0.5)])
def test_experts_and_levels_may_change_in_number(usage: tuple[float, ...]) -> None:
    past = long_run()
    gates = ((0.5, 0.5),) * 3
    later = [
        replace(p, usage=usage, gates=gates, routing_entropy=(1.0,) * 3, routing_balance=())
        for p in past.points[5:]
    ]
    page = experts_section(replace(past, points=(*past.points[:5], *later)))
    use = [] if len(usage) == 1 else ["Use of the experts"]
    assert titles(page) == [*use, "Routing entropy"]
    assert "stride 16" in page


def test_one_expert_has_nothing_to_show() -> None:
    gates, shares = ((1.0,),) * 4, (1.0,) * 4
    points = [Point(n, usage=(1.0,), gates=gates, routing_entropy=shares) for n in (1, 2)]
    assert experts_section(TrainingLog(tuple(points))) == ""


def test_sheets_are_shown_where_there_are_some() -> None:
    page = experts_section(TrainingLog(()), [Sheet("worst", "Set/<b>", 0.25, "QQ==")])
    read = Reader(page)
    assert [img["src"] for img in read.all("img")] == ["data:image/jpeg;base64,QQ=="]
    assert "Worst, IoU 0.250  Set/<b>" in read.text


def test_of_a_bare_log_there_is_no_section() -> None:
    assert experts_section(TrainingLog((Point(1, iou=0.5),))) == ""
