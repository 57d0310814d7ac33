import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import isotonic_regression

from decamo.metrics import distances as hull
from decamo.metrics.distances import lower_hull


def corners(x: list[int], y: list[int]) -> list[int]:
    """By Andrew's monotone chain, in whole numbers."""
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) > 1:
            a, b = kept[-2:]
            if (y[b] - y[a]) * (x[i] - x[b]) < (y[i] - y[b]) * (x[b] - x[a]):
                break
            kept.pop()
        kept.append(i)
    return kept


@pytest.mark.parametrize("pool", [hull._pool, hull._public_pool, hull._plain_pool])
def test_the_corners_are_those_of_a_monotone_chain(
    pool: hull.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hull, "_pool", pool)
    rng = np.random.default_rng(0)
    for _ in range(200):
        n = int(rng.integers(1, 60))
        x = np.cumsum(rng.integers(1, 30, n)).astype(np.float64)
        y = rng.integers(0, 40, n) + rng.choice([0, 1]) * x**2
        corner, slope = lower_hull(x, y)
        want = corners(x.astype(int).tolist(), y.astype(int).tolist())
        assert set(want) <= set(corner.tolist())  # and some on the lines, by rounding
        ours, chain = (np.interp(x, x[i], y[i]) for i in (corner, want))
        np.testing.assert_allclose(ours, chain, rtol=1e-12, atol=1e-12)
        direct = np.diff(y[corner]) / np.diff(x[corner])
        np.testing.assert_allclose(slope, direct, rtol=1e-12, atol=1e-12)


def test_the_compiled_part_is_found_alone() -> None:
    assert hull._pool is not hull._public_pool


@settings(max_examples=100, deadline=None)
@given(arrays(np.float64, st.integers(1, 60), elements=st.integers(-20, 20)), st.integers(0, 99))
def test_without_scipy_it_is_the_same_to_the_last_bit(slope: hull.Reals, seed: int) -> None:
    width = np.random.default_rng(seed).integers(1, 9, len(slope)).astype(np.float64)
    found = isotonic_regression(slope, weights=width)
    pooled, _, start, count = hull._plain_pool(
        slope, width, np.empty(len(slope) + 1, dtype=np.intp)
    )
    assert np.array_equal(pooled, found.x)
    assert np.array_equal(start[: count + 1], found.blocks)
