import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.metrics import e_measure
from tests.metrics.brute_force import counts, masks, shapes

PAIRS = shapes.flatmap(lambda shape: st.tuples(masks(shape), masks(shape)))
EPS = np.spacing(1)


def by_pixels(prediction: np.ndarray, mask: np.ndarray) -> float:
    """The alignment matrix, pixel by pixel, as the paper has it."""
    if not mask.any():
        aligned = 1.0 - prediction
    elif mask.all():
        aligned = prediction.astype(np.float64)
    else:
        a, b = prediction - prediction.mean(), mask - mask.mean()
        aligned = (2 * a * b / (a**2 + b**2 + EPS) + 1) ** 2 / 4
    return float(aligned.sum() / (mask.size - 1 + EPS))


@given(PAIRS)
def test_four_counts_do_for_the_alignment_matrix(pair: tuple[np.ndarray, np.ndarray]) -> None:
    prediction, mask = pair
    tp, fp, fn = counts(prediction, mask)
    (e,) = e_measure(np.array([tp]), np.array([fp]), tp + fn, mask.size)
    assert e == pytest.approx(by_pixels(prediction, mask))


def test_a_perfect_prediction_scores_n_over_n_minus_1() -> None:
    (e,) = e_measure(np.array([25]), np.array([0]), 25, 101)
    assert e == pytest.approx(1.01)
