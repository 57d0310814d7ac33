import numpy as np
import pytest

from decamo.metrics.tally import Tally
from decamo.metrics.tallying import scale_of, tally_bytes, tally_floats
from tests.metrics.reference import case


def assert_alike(a: Tally, b: Tally) -> None:
    assert (a.counts.inside == b.counts.inside).all()
    assert (a.counts.outside == b.counts.outside).all()
    assert a.adaptive == b.adaptive
    for one, other in zip(
        (a.inside, a.outside, *a.quarters), (b.inside, b.outside, *b.quarters), strict=True
    ):
        assert one == pytest.approx(other, abs=1e-10)
    assert a.error == pytest.approx(b.error, abs=1e-9)


@pytest.mark.parametrize("stretch", [False, True])
def test_whole_numbers_and_floats_agree(stretch: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        grey, mask = case(rng)
        scale = scale_of(grey, stretch=stretch)
        assert_alike(tally_bytes(grey, mask, scale), tally_floats(scale.values[grey], mask))


def test_half_is_exact_where_levels_are_stretched() -> None:
    # 2 / 4 of the way: stretched floats may round to just below one half.
    for low in range(252):
        grey = np.array([[low, low + 2, low + 4]], np.uint8)
        tally = tally_bytes(grey, np.zeros((1, 3), np.bool_), scale_of(grey, stretch=True))
        assert tally.half == (0, 2)


def test_scale() -> None:
    grey = np.array([[10, 60, 110]], np.uint8)
    assert scale_of(grey, stretch=False)[:2] == (0, 255)
    assert scale_of(grey[:, :1], stretch=True)[:2] == (0, 255)
    low, span, values = scale_of(grey, stretch=True)
    assert (low, span) == (10, 100)
    assert values[grey[0]].tolist() == pytest.approx([0, 0.5, 1])


def test_large_quarters_are_counted_in_pairs_without_loss() -> None:
    # The top left quarter has an odd number of pixels, above the size from which pairs pay.
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 256, (301, 331)).astype(np.uint8)
    mask = np.zeros(grey.shape, np.bool_)
    mask[270:291, 300:321] = True
    tally = tally_bytes(grey, mask, scale_of(grey, stretch=False))
    assert tally.quarters[0].n == 281 * 311
    assert_alike(tally, tally_floats(grey / 255, mask))
