import math
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from decamo.evaluation.speed import picture
from decamo.metrics import THRESHOLD, Scores, mean_scores, measure, score, summarise
from tests.metrics.brute_force import counts, masks, probabilities, shapes
from tests.metrics.reference import CURVES, SCALARS, case, reference_measures

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


def _inputs(rng: np.random.Generator, kind: int) -> tuple[Any, Any, Any, bool]:
    """What ours gets, its mask, what the reference gets, and whether to stretch."""
    grey, mask = case(rng)
    unit = grey / 255
    noisy = np.clip(unit + rng.normal(0, 0.01, grey.shape), 0, 1)
    return (
        (grey, mask.astype(np.uint8) * 255, grey, True),
        (grey, mask, unit, False),
        (unit, mask.astype(np.uint8), unit, False),
        (unit.astype(np.float32), mask, unit.astype(np.float32), False),
        (noisy, mask, noisy, False),
    )[kind]


@pytest.mark.parametrize("kind", range(5), ids=["stretched", "bytes", "float64", "float32", "fine"])
def test_the_reference_toolbox_agrees_on_every_image_and_on_the_set(kind: int) -> None:
    rng = np.random.default_rng(kind)
    ours, theirs = [], []
    for _ in range(240):
        prediction, mask, asked, stretch = _inputs(rng, kind)
        truth = np.asarray(mask).astype(np.bool_)
        ours.append(measure(prediction, mask, stretch=stretch))
        theirs.append(reference_measures(asked, truth, stretch=stretch))
        for name, want in theirs[-1].items():
            got = getattr(ours[-1], name)
            # one pixel alone has an E-measure of 1 / eps: digits, not decimals, count there
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)
    keep = [i for i, t in enumerate(theirs) if t["e"].max() < 1e6]
    whole = summarise([ours[i] for i in keep])
    assert whole.count == len(keep) >= 200
    for name in SCALARS:
        want = np.mean([theirs[i][name] for i in keep])
        assert getattr(whole, name) == pytest.approx(want, abs=1e-6)
    for name in CURVES:
        curve = np.mean([theirs[i][name] for i in keep], axis=0)
        np.testing.assert_allclose(getattr(whole, name), curve, atol=1e-6)
        if name not in ("precision", "recall"):
            short = name.removesuffix("_curve")
            assert getattr(whole, f"{short}_mean") == pytest.approx(curve.mean(), abs=1e-6)
            assert getattr(whole, f"{short}_max") == pytest.approx(curve.max(), abs=1e-6)


@pytest.mark.parametrize("shape", [(200, 310), (333, 97)])
def test_the_reference_toolbox_agrees_on_large_images(shape: tuple[int, int]) -> None:
    # Wide enough for distances beyond the reach of the weights.
    rng = np.random.default_rng(1)
    mask = np.zeros(shape, np.bool_)
    mask[20:31, 15:40] = mask[25:60, 30:34] = True
    for grey in (
        rng.integers(0, 256, shape).astype(np.uint8),
        (rng.random(shape) < 0.01).astype(np.uint8) * 200,
        np.full(shape, 100, np.uint8),
    ):
        got = measure(grey, mask)
        for name, want in reference_measures(grey / 255, mask, stretch=False).items():
            np.testing.assert_allclose(getattr(got, name), want, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("stretch", [False, True])
def test_the_reference_toolbox_agrees_on_faint_grounds(stretch: bool) -> None:
    # As trained networks leave them: non-zero nearly everywhere.
    rng = np.random.default_rng(6)
    for share, shape in ((0.01, (240, 200)), (0.04, (96, 400)), (0.2, (150, 150)), (0.6, (48, 80))):
        for _ in range(3):
            grey, mask = picture(rng, shape, share, faint=True)
            asked = grey if stretch else grey / 255
            got = measure(grey, mask, stretch=stretch)
            for name, want in reference_measures(asked, mask > 0, stretch=stretch).items():
                np.testing.assert_allclose(getattr(got, name), want, atol=1e-6, err_msg=name)


def test_bytes_and_the_same_values_as_floats_agree() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        grey, mask = case(rng)
        a, b = measure(grey, mask), measure(grey / 255, mask)
        for f in fields(a):
            near = 1e-7 if f.name == "weighted_f" else 1e-9  # of bytes, its means are float32
            np.testing.assert_allclose(getattr(a, f.name), getattr(b, f.name), rtol=0, atol=near)


def test_iou_dice_and_mae_are_those_of_the_short_list() -> None:
    rng = np.random.default_rng(4)
    for _ in range(100):
        grey, mask = case(rng)
        full, short = measure(grey, mask), score((grey / 255).astype(np.float32), mask)
        assert (full.iou, full.dice) == (short.iou, short.dice)
        assert full.mae == pytest.approx(short.mae, abs=1e-6)


def test_grey_level_128_is_object_and_127_is_not() -> None:
    one = np.ones((2, 2), np.bool_)
    assert measure(np.full((2, 2), 128, np.uint8), one).iou == 1
    assert measure(np.full((2, 2), 127, np.uint8), one).iou == 0
    halves = np.array([[10, 60], [110, 110]], np.uint8)  # 60 is stretched to 0.5 exactly
    assert measure(halves, one, stretch=True).iou == 3 / 4


def test_a_centroid_in_the_last_column_is_a_number() -> None:
    mask = np.zeros((4, 5), np.bool_)
    mask[:, -1] = True
    assert measure(mask.astype(np.uint8) * 255, mask).s == pytest.approx(1)


def test_masks_of_bytes() -> None:
    grey = np.array([[0, 200, 255]], np.uint8)
    want = measure(grey, np.array([[False, True, True]])).iou
    for mask in ([[0, 1, 1]], [[0, 255, 255]], [[128, 129, 255]], [[1, 200, 255]]):
        assert measure(grey, np.array(mask, np.uint8)).iou == want == 1


@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 1), (0, 3), (3,)])
def test_measure_refuses_other_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="want"):
        measure(np.zeros(shape, np.uint8), np.zeros((4, 3), np.bool_))


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1, np.inf])
def test_measure_refuses_values_outside_the_unit_interval(bad: float) -> None:
    with pytest.raises(ValueError, match="want values"):
        measure(np.full((2, 2), bad), np.ones((2, 2), np.bool_))


def test_measure_refuses_other_types() -> None:
    with pytest.raises(TypeError, match="prediction"):
        measure(np.zeros((2, 2), np.int64), np.ones((2, 2), np.bool_))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="mask"):
        measure(np.zeros((2, 2), np.uint8), np.ones((2, 2), np.int64))  # type: ignore[arg-type]


def test_measure_leaves_its_arguments_alone() -> None:
    grey, mask = case(np.random.default_rng(5))
    before = grey.copy(), mask.copy()
    grey.flags.writeable = mask.flags.writeable = False
    measure(grey, mask, stretch=True)
    assert (grey == before[0]).all()
    assert (mask == before[1]).all()
