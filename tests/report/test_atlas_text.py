from dataclasses import replace

from decamo.report.score_tables import atlas_text
from tests.report.scores import made


def test_the_columns_sum_to_what_is_lost() -> None:
    text = atlas_text([made("M", "SET")])
    row = next(line.split() for line in text.splitlines() if " all " in line)
    iou, lost, *parts = map(float, row[4:12])
    assert abs(1 - iou - lost) < 1e-3
    assert abs(sum(parts) - lost) < 1e-3
    assert "size: 20 % and more" in text


def test_without_an_atlas_there_is_no_table() -> None:
    score = made("M", "SET")
    assert atlas_text([replace(score, whole=replace(score.whole, loss=None), groups=())]) == ""
