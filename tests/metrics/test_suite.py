import math
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.metrics_way import picture
from decamo.metrics import (
    THRESHOLD,
    Scores,
    binarise,
    mean_scores,
    measure,
    score,
    summarize_measures,
)
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


@given(
    shapes.flatmap(lambda shape: st.tuples(probabilities(shape), masks(shape), masks(shape))),
    st.booleans(),
)
def test_the_short_list_is_the_full_one_s_bit_for_bit(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray], with_void: bool
) -> None:
    probability, mask, void = drawn
    left_out = void & ~mask if with_void and not (void & ~mask).all() else None

    full = measure(probability, mask, void=left_out)

    assert score(probability, mask, left_out) == Scores(full.iou, full.dice, full.mae)


@given(PAIRS)
def test_rounding_to_grey_levels_moves_neither_iou_nor_dice(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    probability, mask = pair

    exact, rounded = (
        measure(p, mask) for p in (probability, np.rint(probability * 255).astype(np.uint8))
    )

    assert (exact.iou, exact.dice) == (rounded.iou, rounded.dice)


def test_the_values_next_to_one_half_keep_their_side_as_grey_levels() -> None:
    half = np.float32(0.5)
    values = np.array([[np.nextafter(half, half.dtype.type(0)), half]])

    assert np.rint(values * 255).astype(np.uint8).tolist() == [[127, 128]]


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


MANY = [70, pytest.param(240, marks=pytest.mark.long)]  # images


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("kind", range(5), ids=["stretched", "bytes", "float64", "float32", "fine"])
def test_the_reference_toolbox_agrees_on_every_image_and_on_the_set(kind: int, many: int) -> None:
    rng = np.random.default_rng(kind)
    ours, theirs = [], []
    for _ in range(many):
        prediction, mask, asked, stretch = _inputs(rng, kind)
        truth = np.asarray(mask).astype(np.bool_)
        ours.append(measure(prediction, mask, stretch=stretch))
        theirs.append(reference_measures(asked, truth, stretch=stretch))
        for name, want in theirs[-1].items():
            got = getattr(ours[-1], name)
            # one pixel alone has an E-measure of 1 / eps: digits, not decimals, count there
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6, err_msg=name)
    keep = [i for i, t in enumerate(theirs) if t["e"].max() < 1e6]
    whole = summarize_measures([ours[i] for i in keep])
    assert whole.count == len(keep) >= many * 5 // 6
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


@pytest.mark.parametrize("many", MANY)
@pytest.mark.parametrize("kind", [0, 2, 4], ids=["stretched", "float64", "fine"])
def test_published_measures_are_the_reference_s_also_at_one_half(kind: int, many: int) -> None:
    rng = np.random.default_rng(10 + kind)
    for _ in range(many):
        prediction, mask, asked, stretch = _inputs(rng, kind)
        truth = np.asarray(mask).astype(np.bool_)
        got = measure(prediction, mask, stretch=stretch, published=True)
        want = reference_measures(asked, truth, stretch=stretch, binary=True)
        for name, value in want.items():
            np.testing.assert_allclose(
                getattr(got, name), value, rtol=1e-6, atol=1e-6, err_msg=name
            )
        cut = binarise(prediction, stretch=stretch, published=True)
        union = np.count_nonzero(cut | truth)
        assert got.iou == (np.count_nonzero(cut & truth) / union if union else 0)


def test_the_middle_of_a_stretched_map_falls_as_the_reference_rounds_it() -> None:
    # (k / 255 - low / 255) / (high / 255 - low / 255) of the middle level is 0.5 or just beside it
    mask = np.array([[False, True, True, True]])
    for high in range(1, 256):
        grey = np.array([[0, high // 2, (high + 1) // 2, high]], np.uint8)
        want = reference_measures(grey, mask, stretch=True, binary=True)
        got = measure(grey, mask, stretch=True, published=True)
        assert (got.iou, got.dice) == (want["iou"], want["dice"]), high


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


# ---------------------------------------------------------------- void


def void_case(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A prediction, a mask and void around the object, along an edge or scattered."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:34, :41]
    away = np.hypot(y - rng.integers(10, 24), x - rng.integers(12, 29))
    mask = away < 8
    void = {
        "ring": np.abs(away - 8) < 2,
        "edge": x < 6,
        "scattered": rng.random(mask.shape) < 0.1,
        "all of the object": away < 9,
    }[kind]
    soft = np.clip(1.2 - away / 12 + rng.normal(0, 0.15, mask.shape), 0, 1)
    return np.rint(soft * 255).astype(np.uint8), mask, void


KINDS_OF_VOID = ["ring", "edge", "scattered", "all of the object"]


@pytest.mark.parametrize("kind", KINDS_OF_VOID)
@pytest.mark.parametrize("stretch", [False, True])
def test_scores_without_void_by_a_loop_over_pixels(kind: str, stretch: bool) -> None:
    grey, mask, void = void_case(3, kind)
    known = [(r, c) for r in range(34) for c in range(41) if not void[r, c]]
    values = [grey[at] / 255 for at in known]
    if stretch:
        low, high = min(values), max(values)
        values = [(v - low) / (high - low) for v in values]
    truth = [bool(mask[at]) for at in known]
    got = measure(grey, mask, stretch=stretch, void=void)

    assert got.mae == pytest.approx(
        sum(abs(v - t) for v, t in zip(values, truth, strict=True)) / len(known)
    )
    cut = min(1.0, 2 * sum(values) / len(values))
    for threshold, name in ((0.5, "iou"), (cut, "iou_adaptive")):
        both = sum(v >= threshold and t for v, t in zip(values, truth, strict=True))
        either = sum(v >= threshold or t for v, t in zip(values, truth, strict=True))
        assert getattr(got, name) == pytest.approx(both / either if either else 1.0)
    for level in range(256):
        taken = [int(v * 255) >= level for v in values]
        tp = sum(a and b for a, b in zip(taken, truth, strict=True))
        recall = tp / sum(truth) if any(truth) else 0
        assert got.recall[level] == pytest.approx(recall)
        assert got.precision[level] == pytest.approx(tp / sum(taken) if any(taken) else 0)
        assert got.e[level] == pytest.approx(e_by_loop(taken, truth), abs=1e-9)
    assert got.s == pytest.approx(s_by_loop(known, values, truth), abs=1e-9)


def e_by_loop(taken: list[bool], truth: list[bool]) -> float:
    n = len(truth)
    if not any(truth) or all(truth):
        return sum(a == b for a, b in zip(taken, truth, strict=True)) / (n - 1)
    mean_taken, mean_truth = sum(taken) / n, sum(truth) / n
    total = 0.0
    for a, b in zip(taken, truth, strict=True):
        p, t = a - mean_taken, b - mean_truth
        total += (2 * p * t / (p * p + t * t + 2.2e-16) + 1) ** 2 / 4
    return total / (n - 1)


def s_by_loop(known: list[tuple[int, int]], values: list[float], truth: list[bool]) -> float:
    on = [v for v, t in zip(values, truth, strict=True) if t]
    off = [1 - v for v, t in zip(values, truth, strict=True) if not t]
    if not on:
        return 1 - sum(values) / len(values)
    share, score_ = len(on) / len(values), 0.0
    for part, weight in ((on, share), (off, 1 - share)):
        mean, std = float(np.mean(part)), float(np.std(part, ddof=1))
        score_ += 0.5 * weight * 2 * mean / (mean**2 + 1 + std)
    places = [at for at, t in zip(known, truth, strict=True) if t]
    row = round(sum(r for r, _ in places) / len(places)) + 1
    column = round(sum(c for _, c in places) / len(places)) + 1
    for below in (False, True):
        for right in (False, True):
            here = [
                (v, float(t))
                for (r, c), v, t in zip(known, values, truth, strict=True)
                if (r >= row) == below and (c >= column) == right
            ]
            if here:
                score_ += 0.5 * len(here) / len(known) * ssim_by_loop(here)
    return score_


def ssim_by_loop(here: list[tuple[float, float]]) -> float:
    x, y = np.array(here).T
    n = len(here)
    deviation = ((x - x.mean()) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    joint = ((x - x.mean()) * (y - y.mean())).sum()
    alpha = 4 * x.mean() * y.mean() * joint / (n - 1 + 2.2e-16)
    beta = (x.mean() ** 2 + y.mean() ** 2) * sum(deviation) / (n - 1 + 2.2e-16)
    if alpha != 0:
        return float(alpha / (beta + 2.2e-16))
    return 1.0 if beta == 0 else 0.0


@pytest.mark.parametrize("kind", KINDS_OF_VOID)
def test_what_is_predicted_in_void_moves_no_measure(kind: str) -> None:
    grey, mask, void = void_case(5, kind)
    other = np.where(void, np.random.default_rng(1).integers(0, 256, grey.shape), grey)
    turned = mask ^ void
    for stretch in (False, True):
        want = measure(grey, mask, stretch=stretch, void=void)
        for again in (
            measure(other.astype(np.uint8), mask, stretch=stretch, void=void),
            measure(grey, turned, stretch=stretch, void=void),
        ):
            for field in fields(want):
                assert np.array_equal(getattr(again, field.name), getattr(want, field.name))
        floats = measure((grey / 255), mask, stretch=stretch, void=void)
        for field in fields(want):
            if field.name not in CURVES:
                assert getattr(floats, field.name) == pytest.approx(
                    getattr(want, field.name), abs=2e-3
                )


@pytest.mark.parametrize("kind", ["ring", "edge", "scattered"])
def test_weighted_f_and_boundaries_with_void_by_their_definition(kind: str) -> None:
    grey, mask, void = void_case(13, kind)
    got = measure(grey, mask, void=void)
    right = reference_measures(np.where(void, 0, grey) / 255, mask & ~void, stretch=False)
    assert got.weighted_f == pytest.approx(right["weighted_f"], abs=1e-6)
    inner = []
    for inside in ((grey >= 128) | void, mask | void):
        padded = np.pad(inside, 1)  # 2 % of the diagonal of 34 x 41 px is 1 px
        eroded = np.ones_like(inside)
        for r in (0, 1, 2):
            for c in (0, 1, 2):
                eroded &= padded[r : r + 34, c : c + 41]
        inner.append(inside & ~eroded & ~void)
    assert got.boundary_iou == (inner[0] & inner[1]).sum() / (inner[0] | inner[1]).sum()


def test_no_void_is_no_other_score() -> None:
    grey, mask, _ = void_case(7, "ring")
    want, nothing = measure(grey, mask), np.zeros(mask.shape, bool)
    again = measure(grey, mask, void=nothing)
    assert all(np.array_equal(getattr(want, f.name), getattr(again, f.name)) for f in fields(want))


def test_a_perfect_prediction_outside_void_is_perfect() -> None:
    _, mask, void = void_case(9, "ring")
    got = measure((mask | void).astype(np.uint8) * np.uint8(255), mask, void=void)
    assert (got.iou, got.mae, got.boundary_iou) == (1, 0, 1)
    assert got.weighted_f == pytest.approx(1)
    assert got.s == pytest.approx(1)


def test_training_scores_leave_void_out() -> None:
    grey, mask, void = void_case(11, "ring")
    probability = (grey / 255).astype(np.float32)
    got = score(probability, mask, void)
    assert got == score(probability[~void][None], mask[~void][None])
    with pytest.raises(ValueError, match="all of the mask is void"):
        score(probability, mask, np.ones(mask.shape, bool))
