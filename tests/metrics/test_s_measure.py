import numpy as np
import pytest

from decamo.metrics import s_measure
from decamo.metrics.tallying import tally_floats


def s_of(value: np.ndarray, mask: np.ndarray) -> float:
    return s_measure(tally_floats(value, mask))


def test_no_object_and_nothing_but_object() -> None:
    value = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert s_of(value, np.zeros((2, 2), np.bool_)) == pytest.approx(0.5)
    assert s_of(value * 0.5, np.ones((2, 2), np.bool_)) == pytest.approx(0.25)


def test_perfect_and_opposite() -> None:
    mask = np.zeros((8, 8), np.bool_)
    mask[2:5, 3:7] = True
    assert s_of(mask.astype(np.float64), mask) == pytest.approx(1)
    assert s_of(1.0 - mask, mask) == 0


def test_a_constant_keeps_the_object_half_alone() -> None:
    # Every quarter has object and ground, so a constant shares no structure with any.
    mask = np.zeros((8, 8), np.bool_)
    mask[2:6, 2:6] = True
    object_half = 2 * 0.5 / (0.5**2 + 1)
    assert s_of(np.full((8, 8), 0.5), mask) == pytest.approx(object_half / 2)
