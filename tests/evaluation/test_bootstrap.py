import numpy as np
import pytest

from decamo.evaluation import MEASURES, ImageResult, bootstrap, interval, resampled, resamples
from decamo.metrics import summarize_measures


def test_weights_are_draws_with_replacement() -> None:
    weights = resamples(7, count=500, seed=3)
    assert weights.shape == (500, 7)
    assert np.allclose(weights.sum(axis=1), 1)
    assert np.allclose(weights * 7, np.rint(weights * 7))
    # each count is binomial(7, 1/7): mean 1, variance 6/7
    assert (weights * 7).mean() == pytest.approx(1)
    assert (weights * 7).var() == pytest.approx(6 / 7, abs=0.06)


def test_the_same_seed_gives_the_same_draws_and_another_does_not() -> None:
    assert np.array_equal(resamples(9, seed=1), resamples(9, seed=1))
    assert not np.array_equal(resamples(9, seed=1), resamples(9, seed=2))


def test_the_interval_is_the_normal_approximation_for_many_images() -> None:
    values = np.random.default_rng(0).normal(0.6, 0.2, 3000)
    low, high = interval(resamples(3000, count=4000) @ values)
    error = 1.96 * values.std() / np.sqrt(3000)
    assert low == pytest.approx(values.mean() - error, abs=0.0006)
    assert high == pytest.approx(values.mean() + error, abs=0.0006)


def test_each_measure_of_a_resample_is_that_of_the_images_in_it(
    results: list[ImageResult],
) -> None:
    images = [r.measures for r in results]
    weights = resamples(len(images), count=20, seed=5)
    values = resampled(images, weights)
    for row, weight in enumerate(weights):
        drawn = [
            image
            for image, times in zip(images, np.rint(weight * len(images)).astype(int), strict=True)
            for _ in range(times)
        ]
        want = summarize_measures(drawn)
        for name in MEASURES:
            assert values[name][row] == pytest.approx(getattr(want, name), abs=1e-12), name


def test_draws_by_blocks_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_BLOCK", 7)
    monkeypatch.setattr(bootstrap, "_CHUNK", 60)
    whole = resamples(30, count=11, seed=4)
    parts = list(bootstrap.Draws(30, count=11, seed=4).blocks())
    assert [(part.start, part.stop) for part, _ in parts] == [
        (0, 7), (7, 14), (14, 21), (21, 28), (28, 30)
    ]  # fmt: skip
    assert np.array_equal(np.hstack([weights for _, weights in parts]), whole)


def test_blocks_change_no_more_than_last_bits(
    results: list[ImageResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [r.measures for r in results] * 5
    at_once = resampled(images, resamples(len(images), count=20, seed=1))
    monkeypatch.setattr(bootstrap, "_BLOCK", 4)
    by_blocks = resampled(images, bootstrap.Draws(len(images), count=20, seed=1))
    for name in MEASURES:
        assert by_blocks[name] == pytest.approx(at_once[name], rel=1e-13), name


def test_means_are_to_the_bit_those_of_all_images_at_once(results: list[ImageResult]) -> None:
    images = [r.measures for r in results] * 400
    summary = summarize_measures(images)
    for name in bootstrap.CURVES:
        stacked = np.mean([getattr(image, name) for image in images], axis=0)
        assert getattr(summary, name).tobytes() == stacked.tobytes(), name
    assert summary.iou == float(np.mean([image.iou for image in images]))
