import numpy as np
import pytest
from scipy.ndimage import convolve, distance_transform_edt

from decamo.metrics import weighted_f
from tests.metrics.reference import case


def plainly(value: np.ndarray, mask: np.ndarray) -> float:
    """The definition, over the whole image with library transforms."""
    distance, (row, column) = distance_transform_edt(~mask, return_indices=True)
    error = np.abs(value - mask)
    y, x = np.mgrid[-3:4, -3:4]
    kernel = np.exp(-(x**2 + y**2) / 50)
    around = convolve(error[row, column], kernel / kernel.sum(), mode="constant")
    missed = np.minimum(error, around)[mask].sum()
    false = (error * (2 - 2 ** (-distance / 5)))[~mask].sum()
    n, eps = mask.sum(), np.spacing(1)
    recall, precision = 1 - missed / n, (n - missed) / (n - missed + false + eps)
    return float(2 * recall * precision / (recall + precision + eps))


def test_the_definition_agrees() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        grey, mask = case(rng)
        if mask.any():
            on_ground = float((grey / 255)[~mask].sum())
            want = plainly(grey / 255, mask)
            assert weighted_f(grey, mask, on_ground=on_ground) == pytest.approx(want, abs=1e-7)
            floats = weighted_f(grey / 255, mask, on_ground=on_ground)
            assert floats == pytest.approx(want, abs=1e-9)


def test_an_empty_mask_scores_nothing() -> None:
    assert weighted_f(np.zeros((3, 3)), np.zeros((3, 3), np.bool_), on_ground=0.0) == 0


def test_a_false_alarm_weighs_up_to_twice_as_much_far_away() -> None:
    mask = np.zeros((20, 400), np.bool_)
    mask[:, :20] = True
    near, far = mask.astype(np.float64), mask.astype(np.float64)
    near[10, 20], far[10, 300] = 1, 1
    n = mask.sum()
    for value, weight in ((near, 2 - 2**-0.2), (far, 2)):
        precision = n / (n + weight)
        got = weighted_f(value, mask, on_ground=1.0)
        assert got == pytest.approx(2 * precision / (1 + precision), abs=1e-12)


def test_weights_left_out_far_away_change_nothing_that_counts() -> None:
    rng = np.random.default_rng(1)
    for side in (1, 4, 12):  # F changes most where false alarms weigh twice what the object does
        mask = np.zeros((24, 300), np.bool_)
        mask[5 : 5 + side, 8 : 8 + side] = True
        value = mask.astype(np.float64)
        value[:, 110:] = rng.random((24, 190)) < 2 * side**2 / (24 * 190)
        got = weighted_f(value, mask, on_ground=float(value[~mask].sum()))
        assert got == pytest.approx(plainly(value, mask), abs=6e-8)
