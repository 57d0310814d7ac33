from dataclasses import replace

import pytest

from decamo.evaluation import MEASURES, ImageResult, compare
from decamo.evaluation.bootstrap import COMPARED


def test_a_shift_of_every_image_is_told_exactly(results: list[ImageResult]) -> None:
    worse = [r.measures for r in results]
    better = [replace(m, iou=m.iou + 0.01, mae=m.mae - 0.02) for m in worse]
    told = {c.measure: c for c in compare("set", ("A", worse), ("B", better))}
    assert tuple(told) == COMPARED
    assert set(MEASURES) - set(COMPARED) == {"found_share", "object_share"}
    for measure, gain in (("iou", 0.01), ("mae", 0.02)):
        c = told[measure]
        assert (c.difference, c.low, c.high) == pytest.approx((gain,) * 3)
        assert c.verdict == "B"
    assert told["s"].difference == 0
    assert told["s"].verdict == ""


def test_a_lower_calibration_error_is_better(results: list[ImageResult]) -> None:
    worse = [r.measures for r in results]
    better = [replace(m, bin_probability=m.bin_object) for m in worse]
    one = next(c for c in compare("s", ("A", worse), ("B", better)) if c.measure == "ece")
    assert one.sign == -1
    assert one.difference > 0
    assert one.verdict == "B"


def test_turned_round_it_says_the_opposite(results: list[ImageResult]) -> None:
    worse = [r.measures for r in results]
    better = [replace(m, iou=m.iou + 0.01 * n) for n, m in enumerate(worse, 1)]
    one = next(c for c in compare("s", ("A", worse), ("B", better)) if c.measure == "iou")
    two = next(c for c in compare("s", ("B", better), ("A", worse)) if c.measure == "iou")
    assert two.difference == -one.difference
    assert (two.low, two.high) == pytest.approx((-one.high, -one.low))
    assert one.verdict == two.verdict == "B"


def test_other_images_cannot_be_paired(results: list[ImageResult]) -> None:
    images = [r.measures for r in results]
    with pytest.raises(ValueError, match="as many"):
        compare("s", ("A", images), ("B", images[1:]))
    with pytest.raises(ValueError, match="as many"):
        compare("s", ("A", []), ("B", []))
