from dataclasses import replace

import pytest

from decamo.evaluation import Comparison
from decamo.report.score_files import scores_latex, scores_markdown
from decamo.report.score_tables import (
    both_text,
    calibration_text,
    comparison_text,
    group_text,
    head_text,
    protocol_text,
    score_text,
)
from tests.report.scores import made


def test_one_score_tells_every_measure_with_its_interval() -> None:
    score = made("M", "SET")
    text = score_text([score])
    assert text.splitlines()[0].startswith(
        "plain protocol: maps as they are; object is mask >= 128"
    )
    assert text.splitlines()[1] == "M on SET, 6 images"
    assert len(text.splitlines()) == 3 + 21
    low, high = score.whole.intervals["weighted_f"]
    assert f"{score.whole.scores.weighted_f:.4f}  {low:.4f} to {high:.4f}" in text


def test_several_scores_are_rows() -> None:
    text = score_text([made("M", "SET"), made("N", "SET", 120)])
    assert len(text.splitlines()) == 4
    assert text.startswith("plain protocol: ")
    assert text.splitlines()[1].split()[:4] == ["data", "set", "method", "images"]


def test_groups_have_their_rows() -> None:
    text = group_text([made("M", "SET")])
    assert text.splitlines()[0] == "by size, plain protocol"
    assert "20 % and more" in text
    assert group_text([replace(made("M", "SET"), groups=())]) == ""


def test_calibration_has_a_row_for_each_score_and_group() -> None:
    score = made("M", "SET")
    header, whole, *groups = calibration_text([score]).splitlines()[:-2]
    assert header.split()[-6:] == ["images", "ECE", "found", "object", "ECE", "95", "%"][1:]
    low, high = score.whole.intervals["ece"]
    shares = f"{score.whole.scores.found_share:.4f}  {score.whole.scores.object_share:.4f}"
    assert whole.split()[:4] == ["SET", "M", "all", "6"]
    assert f"{score.whole.scores.ece:.4f}  {shares}  {low:.4f} to {high:.4f}" in whole
    assert len(groups) == len(score.groups)
    assert any("size: 20 % and more" in line for line in groups)
    alone = replace(score, groups=())
    assert calibration_text([alone]) == ""  # the table of its measures has it
    assert len(calibration_text([alone, made("N", "SET", 120)]).splitlines()) > 4


def test_a_comparison_in_words() -> None:
    better = Comparison("SET", "A", "B", "iou", 0.012, 0.004, 0.020, 250)
    assert comparison_text([better]) == (
        "SET, IoU at 0.5: B is better by 0.0120, 95 % interval 0.0040 to 0.0200, on 250 images"
    )
    worse = replace(better, difference=-0.012, low=-0.02, high=-0.004)
    assert "A is better by 0.0120, 95 % interval 0.0040 to 0.0200" in comparison_text([worse])
    unsure = replace(better, low=-0.004)
    assert comparison_text([unsure]) == (
        "SET, IoU at 0.5: no difference can be told between A and B: B - A is +0.0120, "
        "95 % interval -0.0040 to +0.0200, on 250 images"
    )
    # a gain in MAE is a fall of MAE
    mae = replace(unsure, measure="mae")
    assert "B - A is -0.0120, 95 % interval -0.0200 to +0.0040" in comparison_text([mae])
    assert comparison_text([replace(better, measure="f_max")], "published") == ""
    assert comparison_text([better], "published").splitlines()[0] == "published protocol"


def test_what_the_other_protocol_says_is_told_where_it_moves_the_third_decimal() -> None:
    score = made("M", "SET")
    whole = score.whole.scores
    assert both_text([score]) == ""
    assert both_text([replace(score, others=replace(whole, s=whole.s + 0.0009))]) == ""
    moved = replace(whole, iou=whole.iou + 0.032, mae=whole.mae - 0.002, count=5)
    line = both_text([score, replace(score, method="N", others=moved)])
    assert line == (
        f"N on SET by the published protocol on 5 images: MAE {moved.mae:.4f} for "
        f"{whole.mae:.4f}, IoU at 0.5 {moved.iou:.4f} for {whole.iou:.4f} by the plain one"
    )


def test_the_protocol_tells_what_is_shared_once_and_what_differs_by_score() -> None:
    text = protocol_text([made("M", "SET"), made("N", "SET", 120)])
    first, *others = text.splitlines()
    assert "scored at native size, threshold 0.5" in first
    assert "NonCAM drop" in first
    assert "masks bbbbbbbbbbbb" in first
    assert others == ["N on SET: 1 missing maps count as finding nothing"]


@pytest.mark.parametrize(
    ("meanings", "lines"),
    [
        ({"A": "", "B": ""}, []),
        (
            {"A": "masks of A: ground 0", "B": ""},
            ["masks of A: ground 0", "masks of B: object >= 128"],
        ),
        ({"A": "masks of A: x", "B": "masks of B: y"}, ["masks of A: x", "masks of B: y"]),
        ({"A": "masks of A: x"}, ["masks of A: x"]),
    ],
)
def test_a_head_says_what_the_masks_of_each_set_mean(
    meanings: dict[str, str], lines: list[str]
) -> None:
    scores = []
    for name, meaning in meanings.items():
        one = made("M", name)
        scores.append(replace(one, protocol=replace(one.protocol, meaning=meaning)))
    head = head_text(scores).splitlines()
    assert head[1:] == lines
    assert score_text(scores).splitlines()[: len(head)] == head
    said = ["mask >= 128", "mask as said of each data set", "mask by the meaning of its values"]
    assert said[bool(lines) + (bool(lines) and all(meanings.values()))] in head[0]
    for text in (scores_markdown(scores), scores_latex(scores)):
        assert all(line[1:] in text for line in head)
