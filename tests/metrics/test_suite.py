import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.metrics import THRESHOLD, Scores, mean_scores, score
from tests.metrics.brute_force import counts, masks, probabilities, shapes

PAIRS = shapes.flatmap(lambda shape: st.tuples(probabilities(shape), masks(shape)))
SCORES = st.builds(Scores, *[st.floats(0, 1)] * 3)


@given(PAIRS)
def test_score_binarises_at_one_half(pair: tuple[np.ndarray, np.ndarray]) -> None:
    probability, mask = pair
    binary = np.array([[p >= 0.5 for p in row] for row in probability.tolist()])
    tp, fp, fn = counts(binary, mask)

    scores = score(probability, mask)

    assert scores.iou == (tp / (tp + fp + fn) if tp + fp + fn else 1)
    assert scores.dice == (2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1)
    assert scores.mae == pytest.approx(
        np.mean([abs(p - m) for p, m in zip(probability.ravel(), mask.ravel(), strict=True)]),
        abs=1e-6,
    )


def test_threshold_itself_counts_as_object() -> None:
    one = np.ones((1, 1), np.bool_)

    assert THRESHOLD == 0.5
    assert score(np.full((1, 1), 0.5, np.float32), one).iou == 1
    assert score(np.full((1, 1), np.nextafter(np.float32(0.5), np.float32(0))), one).iou == 0


@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 1), (1, 4, 3), (1, 1), (1, 3)])
def test_shapes_that_would_broadcast_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"want \(4, 3\)"):
        score(np.zeros(shape, np.float32), np.zeros((4, 3), np.bool_))


@given(st.lists(SCORES, min_size=1, max_size=9))
def test_mean_is_over_images_field_by_field(scores: list[Scores]) -> None:
    means = asdict(mean_scores(scores))

    for name, mean in means.items():
        assert mean == pytest.approx(math.fsum(getattr(s, name) for s in scores) / len(scores))
        assert type(mean) is float


def test_small_objects_weigh_as_much_as_large_ones() -> None:
    # Per image first, means after: pooling the pixels would give 100 / 101.
    large = score(np.ones((10, 10), np.float32), np.ones((10, 10), np.bool_))
    small = score(np.zeros((1, 1), np.float32), np.ones((1, 1), np.bool_))

    assert mean_scores([large, small]).iou == 0.5


def test_mean_of_no_image_is_not_a_number() -> None:
    assert all(math.isnan(v) for v in asdict(mean_scores([])).values())
