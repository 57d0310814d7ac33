import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py_sod_metrics import MAE

from decamo.metrics import mae
from tests.metrics.brute_force import masks, probabilities, shapes

PAIRS = shapes.flatmap(lambda shape: st.tuples(probabilities(shape), masks(shape)))


@given(PAIRS)
def test_brute_force_agrees(pair: tuple[np.ndarray, np.ndarray]) -> None:
    probability, mask = pair
    total = 0.0
    for p, m in zip(probability.ravel().tolist(), mask.ravel().tolist(), strict=True):
        total += abs(p - m)

    assert mae(probability, mask) == pytest.approx(total / mask.size, abs=1e-12)


@given(PAIRS)
def test_pysodmetrics_agrees_where_it_does_not_stretch(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    oracle = MAE()
    oracle.step(pair[0].astype(np.float64), pair[1], normalize=False)

    assert mae(*pair) == pytest.approx(oracle.get_results()["mae"], abs=1e-12)


def test_pysodmetrics_agrees_on_bytes_that_span_the_range() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (9, 11), dtype=np.uint8)
    grey[0, :2] = 0, 255
    mask = rng.random((9, 11)) < 0.3
    oracle = MAE()
    oracle.step(grey, mask.astype(np.uint8) * 255)

    assert mae((grey / 255).astype(np.float32), mask) == pytest.approx(
        oracle.get_results()["mae"], abs=1e-7
    )


def test_a_flat_prediction_is_taken_as_it_is() -> None:
    assert mae(np.full((4, 4), 0.25, np.float32), np.zeros((4, 4), np.bool_)) == 0.25
    assert mae(np.full((4, 4), 0.25, np.float32), np.ones((4, 4), np.bool_)) == 0.75


def test_large_images_lose_no_precision() -> None:
    # A float32 sum over this many pixels would be off in the fourth digit.
    probability = np.full((3000, 3000), 0.1, np.float32)

    assert mae(probability, np.zeros_like(probability, np.bool_)) == pytest.approx(
        float(np.float32(0.1)), rel=1e-12
    )
