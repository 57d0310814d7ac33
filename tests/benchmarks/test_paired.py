import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchmarks.paired import paired

SHAPES = st.tuples(st.integers(2, 5), st.integers(2, 12))
TABLES = SHAPES.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-1, 1, width=32)))


def test_where_only_images_differ_it_is_the_paired_t_test() -> None:
    by_image = np.random.default_rng(1).normal(0.01, 0.1, 50)
    found = paired(np.tile(by_image, (3, 1)))
    low, high = stats.ttest_1samp(by_image, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.degrees == pytest.approx(49)


def test_where_only_seeds_differ_it_is_the_t_test_over_seeds() -> None:
    by_seed = np.array([0.01, 0.03, 0.02])
    found = paired(np.tile(by_seed[:, None], (1, 40)))
    low, high = stats.ttest_1samp(by_seed, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.degrees == pytest.approx(2)
    assert found.by_seed == pytest.approx(tuple(by_seed))


def test_both_parts_of_a_table_by_hand() -> None:
    # Means of seeds 1 and 3, of images 1, 2 and 3: variances 2 / 2 and 1 / 3.
    found = paired(np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]]))
    assert found.difference == 2
    assert found.error == pytest.approx(math.sqrt(1 + 1 / 3))
    assert found.degrees == pytest.approx((4 / 3) ** 2 / (1 / 1 + (1 / 9) / 2))
    half = stats.t.ppf(0.975, found.degrees) * found.error
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))


def test_what_does_not_vary_is_sure() -> None:
    found = paired(np.full((3, 5), 0.25))
    assert (found.difference, found.low, found.high) == (0.25, 0.25, 0.25)
    assert found.degrees == math.inf


@given(TABLES, st.floats(-2, 2), st.floats(0.1, 4))
def test_it_moves_and_scales_with_the_scores(
    table: np.ndarray[tuple[int, int], np.dtype[np.float64]], shift: float, scale: float
) -> None:
    found, moved = paired(table), paired(table * scale + shift)
    assert moved.difference == pytest.approx(found.difference * scale + shift, abs=1e-9)
    assert moved.error == pytest.approx(found.error * scale, abs=1e-9)


@given(TABLES)
def test_it_lies_about_the_mean_turns_with_the_sign_and_knows_no_order(
    table: np.ndarray[tuple[int, int], np.dtype[np.float64]],
) -> None:
    found, turned = paired(table), paired(-table)
    assert found.low <= found.difference <= found.high
    assert turned.low == pytest.approx(-found.high, abs=1e-9)
    assert paired(table[::-1, ::-1]).high == pytest.approx(found.high, abs=1e-9)
    seeds, images = table.shape
    assert found.degrees >= min(seeds, images) - 1 - 1e-6
    assert found.degrees <= seeds + images - 2 + 1e-6 or found.degrees == math.inf


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (9,), (2, 2, 2)])
def test_too_few_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 of each"):
        paired(np.zeros(shape))


@pytest.mark.parametrize("level", [0.0, 1.0, math.nan])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        paired(np.zeros((2, 2)), level)


@pytest.mark.parametrize(
    ("of_seeds", "of_images", "of_cells"),
    [(0.01, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, 0.1), (0.007, 0.1, 0.05), (0.02, 0.1, 0.1),
     (0.002, 0.15, 0.03)],
)  # fmt: skip
def test_of_nothing_gained_the_interval_holds_0_in_93_of_100_or_more(
    of_seeds: float, of_images: float, of_cells: float
) -> None:
    rng = np.random.default_rng(7)
    seeds, images, times = 3, 100, 1500
    held = 0
    for _ in range(times):
        table = (
            of_seeds * rng.standard_normal((seeds, 1))
            + of_images * rng.standard_t(5, (1, images))  # heavier tails than Gaussian
            + of_cells * rng.standard_normal((seeds, images))
        )
        found = paired(table)
        held += found.low <= 0 <= found.high
    assert held / times >= 0.93
