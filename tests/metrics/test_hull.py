import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from decamo.metrics.distances import lower_hull

GAPS_AND_HEIGHTS = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), min_size=1)


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


@given(GAPS_AND_HEIGHTS, st.booleans())
def test_the_corners_are_those_of_a_monotone_chain(
    drawn: list[tuple[int, int]], parabolas: bool
) -> None:
    x = np.cumsum([gap for gap, _ in drawn]).astype(np.float64)
    y = np.array([height for _, height in drawn]) + parabolas * x**2

    corner, slope = lower_hull(x, y)

    assert corner.tolist() == corners(x.astype(int).tolist(), y.astype(int).tolist())
    assert slope.tolist() == (np.diff(y[corner]) / np.diff(x[corner])).tolist()


@given(GAPS_AND_HEIGHTS.filter(lambda drawn: len(drawn) > 1))
def test_the_slopes_are_the_isotonic_regression_of_those_between_points(
    drawn: list[tuple[int, int]],
) -> None:
    """Barlow, Bartholomew, Bremner and Brunk, "Statistical inference under order restrictions"."""
    x = np.cumsum([gap for gap, _ in drawn]).astype(np.float64)
    y = np.array([float(height) for _, height in drawn])

    corner, slope = lower_hull(x, y)

    pooled = isotonic_regression(np.diff(y) / np.diff(x), weights=np.diff(x)).x
    np.testing.assert_allclose(np.repeat(slope, np.diff(corner)), pooled, rtol=1e-12, atol=1e-12)


def test_corners_of_arcs_that_meet() -> None:
    """Chords across several points are tried on long lines alone."""
    rng = np.random.default_rng(0)
    for parts in (1, 2, 3, 9):
        x = np.cumsum(rng.integers(1, 4, 60 * parts))
        y = np.concatenate(
            [
                (np.arange(60) - rng.integers(0, 60)) ** 2 + rng.integers(0, 900)
                for _ in range(parts)
            ]
        )
        corner, _ = lower_hull(x.astype(np.float64), y.astype(np.float64))
        assert corner.tolist() == corners(x.tolist(), y.tolist())
