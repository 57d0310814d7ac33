import numpy as np
import pytest

from decamo.metrics.tallying import tally_floats


def test_closed_form() -> None:
    value = np.array([[0.0, 0.25], [0.5, 1.0]])
    mask = np.array([[False, False], [True, True]])
    tally = tally_floats(value, mask)

    assert tally.inside == pytest.approx((2, 0.75, 0.125**0.5))
    assert tally.outside == pytest.approx((2, 0.125, 0.03125**0.5))
    assert tally.half == (2, 0)
    assert tally.adaptive == (1, 0)  # at 2 x 0.4375
    assert tally.error == 0.75
    assert [q.n for q in tally.quarters] == [2, 2, 0, 0]
    assert tally.quarters[0] == pytest.approx((2, 1, 0.25, 0.125, 0.25))


def test_grey_levels_are_cut_off_in_the_predictions_own_precision() -> None:
    value = np.array([[0.999999, 1.0]], np.float32)
    assert np.flatnonzero(tally_floats(value, value > 2).counts.outside).tolist() == [254, 255]
