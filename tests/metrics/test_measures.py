from dataclasses import asdict, fields

import numpy as np

from decamo.metrics import ImageMeasures, SetMeasures, measure, summarize_measures

ONE = np.ones((2, 2), np.bool_)


def test_a_set_of_one_is_its_image() -> None:
    image = measure(np.array([[0, 50], [100, 255]], np.uint8), ONE)
    whole = asdict(summarize_measures([image]))
    for field in fields(ImageMeasures):
        np.testing.assert_allclose(whole[field.name], getattr(image, field.name))
    assert whole["count"] == 1


def test_max_is_of_the_mean_curve_and_not_the_mean_of_the_maxima() -> None:
    # One image is best at low thresholds, the other at high ones: no threshold suits both.
    mask = np.array([[True, False]])
    low = measure(np.array([[50, 10]], np.uint8), mask)
    high = measure(np.array([[250, 200]], np.uint8), mask)
    assert low.iou_curve.max() == high.iou_curve.max() == 1
    assert summarize_measures([low, high]).iou_max == 0.75


def test_no_image_has_no_score() -> None:
    empty = summarize_measures([])
    assert empty.count == 0
    for field in fields(SetMeasures):
        if field.name != "count":
            assert np.isnan(getattr(empty, field.name)).all()
