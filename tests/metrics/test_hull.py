import numpy as np
import pytest

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


@pytest.mark.parametrize("pool", [hull._pool, hull._public_pool])
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
