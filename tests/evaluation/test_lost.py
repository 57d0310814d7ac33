import math

import numpy as np

from decamo.evaluation import band_of, mean_loss
from decamo.evaluation.error_analysis import lost_iou


def test_the_band_is_half_a_percent_of_the_diagonal() -> None:
    assert band_of((600, 800)) == 5
    assert band_of((1, 1)) == 1


def test_the_mean_is_by_image_and_nan_without_one() -> None:
    whole, none = np.ones((4, 4), np.bool_), np.zeros((4, 4), np.bool_)
    mean = mean_loss([lost_iou(whole, whole), lost_iou(none, whole)])
    assert (mean.iou, mean.missed) == (0.5, 0.5)
    assert math.isnan(mean_loss([]).iou)
