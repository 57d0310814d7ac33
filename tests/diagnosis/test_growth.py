"""The fits against densities of scipy and against conditioning of the whole Gaussian at once."""

import numpy as np
import pytest
from scipy.stats import multivariate_t

from decamo.diagnosis.growth import (
    PRIOR,
    TEMPER,
    Growth,
    GrowthForm,
    Spread,
    expit,
    fit_growth,
    forms,
    logit,
    spreads,
)
from decamo.diagnosis.noise import Array

NOISE, WEIGHT = 0.004, 4.0


def curve(known: int, total: int, seed: int = 0) -> tuple[Array, Array, Array]:
    """Epochs with a gap, scores of the known ones, falling rates."""
    generator = np.random.default_rng(seed)
    epochs = np.delete(np.arange(1, total + 2, dtype=np.float64), 4)
    odds = -0.6 - 0.5 * np.exp(-epochs[:known] / 8) + generator.normal(0, 0.03, known)
    return epochs, expit(odds), np.linspace(1e-3, 1e-5, total)


def models(
    epochs: Array, scores: Array, rates: Array
) -> list[tuple[GrowthForm, Spread, Array, Array]]:
    """Each model with its design and its whole covariance, in variances of the noise, by hand."""
    level = float(expit(np.array(np.median(logit(scores)))))
    sigma = NOISE / (level * (1 - level))
    found: list[tuple[GrowthForm, Spread, Array, Array]] = []
    for spread in spreads(rates, len(epochs)):
        for form in forms(epochs, len(scores), rates):
            design = np.hstack([np.ones((len(epochs), 1)), form.columns])
            prior = np.diag((np.array([1.0, *form.scales]) / sigma) ** 2)
            covariance = np.empty((len(epochs), len(epochs)))
            for i, a in enumerate(epochs):
                for j, b in enumerate(epochs):
                    noise = spread.correlation ** abs(a - b) if a != b else 1.0
                    covariance[i, j] = noise * spread.size[i] * spread.size[j]
                    covariance[i, j] += spread.drift * (min(a, b) - epochs[0])
            found.append((form, spread, design, covariance + design @ prior @ design.T))
    return found


def test_weights_are_tempered_densities_of_students_t() -> None:
    epochs, scores, rates = curve(12, 20)
    growth = fit_growth(epochs, scores, rates, NOISE, WEIGHT)
    every = models(epochs, scores, rates)
    odds = logit(scores) - np.median(logit(scores))
    level = float(expit(np.array(np.median(logit(scores)))))
    scale = (NOISE / (level * (1 - level))) ** 2
    count = {name: growth.families.count(name) for name in growth.families}
    logs = [
        TEMPER * multivariate_t(np.zeros(12), scale * whole[:12, :12], WEIGHT).logpdf(odds)
        + np.log(PRIOR.get(form.family, 1.0) / count[form.family])
        for form, _, _, whole in every
    ]
    weights = np.exp(np.array(logs) - max(logs))
    np.testing.assert_allclose(growth.weights, weights / weights.sum(), rtol=1e-6)
    assert growth.families == tuple(form.family for form, *_ in every)


def test_paths_have_the_mean_and_the_spread_of_the_conditioned_whole() -> None:
    epochs, scores, rates = curve(12, 20)
    growth = fit_growth(epochs, scores, rates, NOISE, WEIGHT)
    odds = logit(scores) - np.median(logit(scores))
    mean, square = np.zeros(8), np.zeros(8)
    for weight, (*_, whole), sigma in zip(
        growth.weights, models(epochs, scores, rates), growth.sigma, strict=True
    ):
        gain = whole[12:, :12] @ np.linalg.inv(whole[:12, :12])
        middle = gain @ odds
        spread = np.diag(whole[12:, 12:] - gain @ whole[:12, 12:])
        freedom = WEIGHT + 12
        mean += weight * middle
        square += weight * (middle**2 + spread * sigma**2 * freedom / (freedom - 2))
    paths = growth.draw(60_000, np.random.default_rng(1)) - np.median(logit(scores))
    deviation = np.sqrt(square - mean**2)
    assert np.abs(paths.mean(axis=0) - mean).max() < 0.03 * deviation.min()
    np.testing.assert_allclose(paths.std(axis=0), deviation, rtol=0.03)


def best(growth: Growth, family: str) -> Array:
    """Level and gains of the likeliest model of a family."""
    mine = np.array(growth.families) == family
    means: Array = growth.means[np.flatnonzero(mine)[growth.weights[mine].argmax()]]
    return means


@pytest.mark.parametrize("family", ["flat", "power", "exponential", "log", "spent", "annealed"])
def test_each_form_recovers_its_own_parameters_and_foretells_itself(family: str) -> None:
    epochs, known = np.arange(1, 61, dtype=np.float64), 35
    rates = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * np.arange(60) / 59))
    form = [f for f in forms(epochs, known, rates) if f.family == family][
        1 if family != "flat" else 0
    ]
    true = np.array([-0.7, 0.6, 0.1][: 1 + len(form.scales)])
    odds = np.hstack([np.ones((60, 1)), form.columns]) @ true
    noise = np.random.default_rng(3).normal(0, 0.004, known)
    growth = fit_growth(epochs, expit(odds[:known] + noise), rates, 0.001, WEIGHT)
    np.testing.assert_allclose(best(growth, family)[: len(true)], true, atol=0.06)
    paths = expit(growth.draw(2000, np.random.default_rng(0)))
    low, high = np.quantile(paths, (0.05, 0.95), axis=0)
    assert (low <= expit(odds[known:])).mean() > 0.9
    assert (expit(odds[known:]) <= high).mean() > 0.9


def test_a_rise_is_not_taken_for_flat() -> None:
    epochs, scores, rates = curve(30, 40)
    told = fit_growth(epochs, scores, rates, NOISE, WEIGHT).family_weights()
    assert sum(told.values()) == pytest.approx(1)
    assert told["flat"] < 0.1


def test_draws_replay() -> None:
    growth = fit_growth(*curve(12, 20), NOISE, WEIGHT)
    one, other = (growth.draw(50, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    assert one.shape == (50, 8)


def test_the_unit_of_the_learning_rate_does_not_matter() -> None:
    epochs, scores, rates = curve(12, 20)
    one = fit_growth(epochs, scores, rates, NOISE, WEIGHT)
    other = fit_growth(epochs, scores, 1000 * rates, NOISE, WEIGHT)
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-6)


def test_rates_that_were_all_zero_say_nothing() -> None:
    epochs, scores, _ = curve(12, 20)
    one = fit_growth(epochs, scores, np.zeros(20), NOISE, WEIGHT)
    other = fit_growth(epochs, scores, None, NOISE, WEIGHT)
    np.testing.assert_array_equal(one.weights, other.weights)
