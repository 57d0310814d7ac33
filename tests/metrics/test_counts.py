import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from decamo.metrics.tally import Counts, ratio
from tests.metrics.brute_force import counts, masks, shapes

PAIRS = shapes.flatmap(lambda shape: st.tuples(arrays(np.uint8, shape), masks(shape)))


@given(PAIRS, st.integers(0, 255))
def test_every_threshold_is_as_if_cut_there(
    pair: tuple[np.ndarray, np.ndarray], threshold: int
) -> None:
    grey, mask = pair
    tp, fp, fn = counts(grey >= threshold, mask)
    tally = Counts(np.bincount(grey[mask], minlength=256), np.bincount(grey[~mask], minlength=256))
    assert (tally.tp[threshold], tally.fp[threshold]) == (tp, fp)
    assert (tally.n_object, tally.n) == (tp + fn, mask.size)
    for curve, above, below in (
        (tally.precision(), tp, tp + fp),
        (tally.recall(), tp, tp + fn),
        (tally.iou(), tp, tp + fp + fn),
        (tally.dice(), 2 * tp, 2 * tp + fp + fn),
    ):
        assert curve.shape == (256,)
        assert curve[threshold] == (above / below if below else 0)


def test_ratio_of_nothing_is_zero() -> None:
    assert ratio(np.array([1, 0]), np.array([2, 0])).tolist() == [0.5, 0]
