"""ECE and shares of pixels against loops over pixels, closed forms, and what must not matter."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from decamo.evaluation import resampled, resamples
from decamo.metrics import BIN_CURVES, BINS, ImageMeasures, measure, summarize_measures
from tests.metrics.brute_force import masks, probabilities, shapes

Image = tuple[Any, Any, Any]  # prediction, mask, void
RELIABILITY = ("found_share", "object_share", *BIN_CURVES)


@st.composite
def images(draw: st.DrawFn, kinds: tuple[str, ...] = ("uint8", "float32", "float64")) -> Image:
    shape, kind = draw(shapes), draw(st.sampled_from(kinds))
    prediction = (
        draw(arrays(np.uint8, shape))
        if kind == "uint8"
        else draw(probabilities(shape)).astype(kind)
    )
    mask, void = draw(masks(shape)), draw(st.none() | masks(shape))
    return prediction, mask, None if void is None or void.all() else void


def levels(prediction: Any) -> Any:
    """Whole numbers of 65535, as floats are counted; those of grey levels are exact."""
    if prediction.dtype == np.uint8:
        return prediction.astype(int) * 257
    return np.floor(prediction * prediction.dtype.type(65535) + prediction.dtype.type(0.5))


def by_hand(images: list[Image]) -> tuple[float, float, float]:
    """ECE, found and object share, pixel by pixel: a bin's means are quotients of its sums."""
    weight, confidence, hits = [0.0] * BINS, [0.0] * BINS, [0.0] * BINS
    found = objects = 0.0
    for prediction, mask, void in images:
        known = np.ones(mask.shape, bool) if void is None else ~void
        pixels = list(zip(levels(prediction)[known].tolist(), mask[known].tolist(), strict=True))
        each = 1 / len(pixels) / len(images)
        for level, is_object in pixels:
            place = min(int(level * 15 // 65535), 14)
            weight[place] += each
            confidence[place] += each * level / 65535
            hits[place] += each * is_object
            found += each * (level / 65535 >= 0.5)
            objects += each * is_object
    ece = sum(w * abs(c / w - h / w) for w, c, h in zip(weight, confidence, hits, strict=True) if w)
    return ece, found, objects


@given(st.lists(images(), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_it_is_what_loops_over_pixels_give(
    drawn: list[Image], stretch: bool, published: bool
) -> None:
    whole = summarize_measures(
        [measure(p, m, void=v, stretch=stretch, published=published) for p, m, v in drawn]
    )
    assert (whole.ece, whole.found_share, whole.object_share) == pytest.approx(
        by_hand(drawn), abs=1e-12
    )
    assert whole.bin_pixels.sum() == pytest.approx(1)
    assert whole.bin_object.sum() == pytest.approx(whole.object_share)


@given(images())
def test_no_protocol_and_no_pixel_in_void_matters(image: Image) -> None:
    prediction, mask, void = image
    plain = measure(prediction, mask, void=void)
    others = [measure(prediction, mask, void=void, stretch=True, published=True)]
    if void is not None:
        others.append(
            measure(np.where(void, prediction.dtype.type(1), prediction), mask, void=void)
        )
        others.append(measure(prediction[~void][None], mask[~void][None]))
    for other in others:
        for name in RELIABILITY:
            assert np.array_equal(getattr(plain, name), getattr(other, name)), name


@given(images(("uint8",)))
def test_grey_levels_and_their_values_are_alike(image: Image) -> None:
    grey, mask, void = image
    for dtype in (np.float32, np.float64):
        value: Any = np.asarray(grey / 255, dtype)
        one, two = (measure(p, mask, void=void) for p in (grey, value))
        for name in RELIABILITY:
            np.testing.assert_allclose(getattr(one, name), getattr(two, name), atol=1e-15)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize(("grey", "share"), [(0, 0.25), (51, 0.25), (204, 0.5), (255, 0.0)])
def test_a_constant_map_errs_by_its_distance_to_the_share(
    dtype: type, grey: int, share: float
) -> None:
    mask = np.arange(400).reshape(20, 20) < 400 * share
    value: Any = np.full((20, 20), grey if dtype is np.uint8 else grey / 255, dtype)
    found = summarize_measures([measure(value, mask, stretch=True)])
    assert found.ece == pytest.approx(abs(grey / 255 - share), abs=1e-7)
    assert (found.found_share, found.object_share) == (float(grey > 127), share)


def test_objects_drawn_by_their_probabilities_leave_but_the_error_of_the_sample() -> None:
    random = np.random.default_rng(0)
    truthful, shy = [], []
    for _ in range(20):
        grey = random.integers(0, 256, (80, 90), dtype=np.uint8)
        mask = random.random(grey.shape) < grey / 255
        truthful.append(measure(grey, mask))
        shy.append(measure(grey // 2, mask))
    # of 9,600 pixels in a bin the share errs by 0.0045 at most, its absolute value by 0.8 of that
    assert summarize_measures(truthful).ece < 0.005
    found = summarize_measures(shy)
    assert found.ece == pytest.approx(0.25, abs=0.005)
    assert found.found_share == 0
    assert found.object_share == pytest.approx(0.5, abs=0.01)


def test_images_weigh_the_same_and_their_gaps_may_cancel() -> None:
    large = measure(np.full((30, 30), 51, np.uint8), np.ones((30, 30), bool))
    small = measure(np.full((1, 5), 51, np.uint8), np.zeros((1, 5), bool))
    ones = [float(summarize_measures([image]).ece) for image in (large, small)]
    assert ones == pytest.approx([0.8, 0.2])
    assert summarize_measures([large, small]).ece == pytest.approx(0.3)


@pytest.mark.parametrize("grey", [0, 255])
def test_an_empty_mask_errs_by_the_mean_of_the_map(grey: int) -> None:
    image = measure(np.full((4, 5), grey, np.uint8), np.zeros((4, 5), bool))
    found = summarize_measures([image])
    assert (found.ece, found.found_share, found.object_share) == (grey / 255, grey / 255, 0)


def test_edges_of_bins_belong_to_the_bin_above_and_1_to_the_last() -> None:
    grey = np.arange(256, dtype=np.uint8)[None]
    for value in (grey, np.asarray(grey / 255, np.float32), grey / 255):
        counted = measure(value, np.zeros((1, 256), bool)).bin_pixels * 256
        assert counted.tolist() == [17] * 14 + [18]


def test_each_resample_has_its_own_error() -> None:
    random = np.random.default_rng(1)
    made: list[ImageMeasures] = []
    for _ in range(6):
        grey = random.integers(0, 256, (9, 8), dtype=np.uint8)
        made.append(measure(grey, random.random(grey.shape) < 0.3))
    weights = resamples(6, count=30, seed=2)
    found = resampled(made, weights, ("ece", "found_share"))
    for row, weight in enumerate(weights):
        drawn = [m for m, w in zip(made, weight, strict=True) for _ in range(round(6 * w))]
        want = summarize_measures(drawn)
        assert found["ece"][row] == pytest.approx(want.ece)
        assert found["found_share"][row] == pytest.approx(want.found_share)
