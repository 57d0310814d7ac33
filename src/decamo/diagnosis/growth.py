"""How a score grows: many models fitted at once, each weighted by how well it foretold the run.

A model is ``logit(IoU) = level + gain * form(time) + drift + noise``. The forms over time are those
of the literature on learning curves (Domhan et al. 2015, IJCAI; Viering & Loog 2023, IEEE TPAMI
45:7799): flat, saturating exponential, power law with an asymptote, logarithm. A step moves the
weights by no more than its learning rate, so the exponential is taken over the rate spent as well;
and two forms take the annealing itself for a second cause (Tissue et al. 2024, arXiv:2408.11029). A
last one grows up to now and no further: that is what many a run does and what its own past cannot
rule out.

What is not linear (the form's bend; how the noise correlates, how fast a random walk drifts) lies
on a grid; level, gains and the noise's variance are integrated out under weak conjugate priors
(Rasmussen & Williams 2006, sections 2.7 and 5.4). So nothing is searched and nothing can diverge,
and a model's evidence is the probability that it gave to each score in turn before that was seen:
its own record as a forecaster of this run. The drift owns up to what no form explains, and grows
with the horizon. The logit keeps forecasts within [0, 1] and no interval has to be cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from decamo.diagnosis.noise import Array

__all__ = [
    "Growth",
    "GrowthForm",
    "Spread",
    "expit",
    "fit_growth",
    "forms",
    "logit",
    "spreads",
]

EDGE = 0.005  # scores are kept this far from 0 and 1, where the logit has no value

BENDS = (0.1, 0.2, 0.4, 0.8, 2.0)  # time constants of exponentials, in spans of the known epochs
POWERS = tuple(product((0.5, 1.0), (0.03, 0.1, 0.4)))  # exponents, and offsets in the same spans
LOGS = (0.02, 0.1, 0.5)
ENDS = (1.0, 1.2, 1.5)  # when growth halts, in the same spans
CORRELATIONS = (0.0, 0.3, 0.6)
DRIFTS = (0.0, 0.01, 0.04, 0.16)  # variance of a random walk's step, in variances of the noise
# About a minimum, the variance of weights under SGD is proportional to the learning rate (Mandt et
# al. 2017, JMLR 18:134). On the first eight curves such noise gives better chances than equal noise
# (Brier scores of a gain of 0.01: 0.19 and 0.24). Under this share of the peak it falls no further.
LEAST_RATE = 0.02
MOVES = 0.1  # a rate that moves by less, as a share of its peak, is no annealing

# Standard deviations beforehand, in logits (0.1 is 0.025 of IoU at 0.5): the gain over what is
# known may well be the whole score; what annealing adds is mostly under 0.05 of IoU.
GAIN, ANNEAL = 0.5, 0.1


@dataclass(frozen=True)
class GrowthForm:
    """One form with its bend.

    Attributes:
        family: ``flat``, ``exponential``, ``power``, ``log``, ``halted``, ``spent``, ``annealed``.
        columns: ``[n, k]``, k in 0 to 2: the form at each epoch, past and future; one of time or of
            rate spent is 0 at the first epoch and 1 at the last known one.
        scales: ``[k]``, standard deviation of each column's weight beforehand.
    """

    family: str
    columns: Array
    scales: tuple[float, ...] = ()


@dataclass(frozen=True)
class Spread:
    """What lies about a form: a random walk, and noise whose neighbours correlate.

    Attributes:
        correlation: of the noise of two epochs in a row, in [0, 1).
        drift: variance of the walk's step in an epoch, in variances of the noise.
        size: ``[n]``, standard deviation of the noise at each epoch, past and future, as a share of
            that at the peak rate: the root of the rate, or 1 where rates are unknown or constant.
    """

    correlation: float
    drift: float
    size: Array


def logit(share: Array) -> Array:
    """Log odds of scores in [0, 1], which are kept 0.005 away from both ends."""
    kept = np.clip(share, EDGE, 1 - EDGE)
    return np.log(kept / (1 - kept))


def expit(odds: Array) -> Array:
    """The inverse: scores in [0, 1]."""
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


def forms(epochs: Array, known: int, rates: Array | None) -> Iterator[GrowthForm]:
    """Every form at all epochs.

    Args:
        epochs: ``[n]``, ascending; the first ``known`` of them have a score.
        known: 2 or more.
        rates: ``[n]``, learning rates >= 0; None where those ahead are unknown.
    """
    time = (epochs - epochs[0]) / (epochs[known - 1] - epochs[0])
    yield GrowthForm("flat", np.empty((len(time), 0)))
    for power, offset in POWERS:
        yield _form("power", 1 - (1 + time / offset) ** -power, known)
    for bend in BENDS:
        yield _form("exponential", -np.expm1(-time / bend), known)
        for end in ENDS:
            yield _form("halted", -np.expm1(-np.minimum(time, end) / bend), known)
    for offset in LOGS:
        yield _form("log", np.log1p(time / offset), known)
        for end in ENDS:
            yield _form("halted", np.log1p(np.minimum(time, end) / offset), known)
    if rates is None:
        return
    spent = np.cumsum(rates) - rates[0]
    if spent[known - 1] > 0:
        for bend in BENDS:
            yield _form("spent", -np.expm1(-spent / spent[known - 1] / bend), known)
    if np.ptp(rates) > MOVES * rates.max():
        annealed = 1 - rates / rates.max()
        for bend in BENDS:
            yield _form("annealed", -np.expm1(-time / bend), known, annealed)
        for offset in LOGS:
            yield _form("annealed", np.log1p(time / offset), known, annealed)


def spreads(rates: Array | None, count: int) -> Iterator[Spread]:
    """Every spread about a form at ``count`` epochs, whose ``rates`` may be unknown."""
    size = np.ones(count)
    if rates is not None and np.ptp(rates) > MOVES * rates.max():
        size = np.sqrt(np.maximum(rates / rates.max(), LEAST_RATE))
    for correlation, drift in product(CORRELATIONS, DRIFTS):
        yield Spread(correlation, drift, size)


def _form(family: str, way: Array, known: int, second: Array | None = None) -> GrowthForm:
    first = way / max(float(way[known - 1]), 1e-12)
    if second is None:
        return GrowthForm(family, first[:, None], (GAIN,))
    return GrowthForm(family, np.stack([first, second], axis=1), (GAIN, ANNEAL))


COLUMNS = 3  # level, gain, and what annealing adds

# Power of the evidence in the weights: no model is true, and the evidence of wrong ones is too sure
# of itself (Gruenwald & van Ommen 2017, Bayesian Analysis 12:1069). On the first seven recorded
# curves, intervals at 1 held the truth in 0.78 of the cases, at 0.4 in 0.83, at 0.2 in 0.88.
TEMPER = 0.4
# How likely a family is beforehand, where not 1: no past tells growth that goes on from growth that
# ends now or soon. On the same curves the mean error is a tenth less if ending now alone has a
# prior of 3, but most are in their plateau, and the fan's middle is then flat in steep rises too.
PRIOR = {"halted": 2.0}


@dataclass(frozen=True)
class Growth:
    """All models fitted to one curve; of ``m`` models, ``forms`` for each of ``spreads``.

    Attributes:
        families: name of each model's form, ``[m]``.
        weights: probability of each model after the known scores, ``[m]``; their sum is 1.
        means: of the level at the first epoch and of the gains, ``[m, 3]``, in logits; a gain that
            a form does not have is 0.
        sigma: standard deviation of the noise at the peak learning rate, ``[m]``, in logits.
        epochs: ``[n]``, the known ones and those to come.
        known: how many of them are known.
    """

    families: tuple[str, ...]
    weights: Array
    means: Array
    sigma: Array
    epochs: Array
    known: int
    _offset: float
    _values: Array  # [known], logits less the offset
    _designs: Array  # [forms, n, 3]
    _priors: Array  # [forms, 3], variances in variances of the noise
    _spreads: tuple[Spread, ...]
    _freedom: float

    def family_weights(self) -> dict[str, float]:
        """Probability of each family of forms."""
        named, names = np.array(self.families), dict.fromkeys(self.families)
        return {name: float(self.weights[named == name].sum()) for name in names}

    def draw(self, count: int, generator: np.random.Generator) -> Array:
        """Paths of the scores to come, noise included: ``[count, n - known]``, in logits.

        Models get paths by their weights (systematic resampling), so that few are in vain. Where a
        path stands now is drawn from the joint posterior of gains, drift and noise; both processes
        are Markov, so it goes on epoch by epoch, all paths at once.
        """
        edges = np.cumsum(self.weights)
        upto = np.floor(edges / edges[-1] * count + generator.random())
        shares = np.diff(np.minimum(upto, count), prepend=0.0).astype(int)
        models = np.repeat(np.arange(len(shares)), shares)
        models = np.append(models, np.full(count - len(models), int(self.weights.argmax())))
        scale = self.sigma[models]
        scale *= np.sqrt(self._freedom / generator.chisquare(self._freedom, count))
        states = np.concatenate(
            [self._now(m, scale[models == m], generator) for m in np.unique(models)]
        )
        order = np.argsort(models, kind="stable")
        now = np.empty_like(states)
        now[order] = states
        return self._go_on(models, scale, now, generator)

    def _now(self, model: int, scale: Array, generator: np.random.Generator) -> Array:
        """Draws of gains, drift and noise at the last known epoch: ``[len(scale), 5]``."""
        grid, form = divmod(int(model), len(self._designs))
        n, spread, prior = self.known, self._spreads[grid], self._priors[form]
        design = self._designs[form, :n]
        noise, walk = _covariances(self.epochs[:n], spread)
        factor = np.linalg.cholesky(noise + walk + (design * prior) @ design.T)
        across = np.vstack([(design * prior).T, walk[-1], noise[-1]])
        before = np.diag([*prior, walk[-1, -1], noise[-1, -1]])
        solved = np.linalg.solve(factor, np.column_stack([across.T, self._values]))
        mean = solved[:, :-1].T @ solved[:, -1]
        values, vectors = np.linalg.eigh(before - solved[:, :-1].T @ solved[:, :-1])
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        normal = generator.standard_normal((len(scale), len(mean)))
        return np.asarray(mean + scale[:, None] * (normal @ root.T))

    def _go_on(
        self, models: Array, scale: Array, now: Array, generator: np.random.Generator
    ) -> Array:
        grids, shapes = np.divmod(models, len(self._designs))
        correlation = np.array([s.correlation for s in self._spreads])[grids]
        step = np.sqrt([s.drift for s in self._spreads])[grids] * scale
        sizes = np.stack([s.size for s in self._spreads])
        weights, walk = now[:, :COLUMNS], now[:, COLUMNS]
        noise = now[:, COLUMNS + 1] / sizes[grids, self.known - 1]
        paths = np.empty((len(models), len(self.epochs) - self.known))
        for i in range(paths.shape[1]):
            at = self.known + i
            gap = self.epochs[at] - self.epochs[at - 1]
            shocks = generator.standard_normal((2, len(models)))
            kept = correlation**gap
            walk = walk + step * np.sqrt(gap) * shocks[0]
            noise = kept * noise + np.sqrt(1 - kept**2) * scale * shocks[1]
            form = np.einsum("pc,pc->p", self._designs[shapes, at], weights)
            paths[:, i] = self._offset + form + walk + sizes[grids, at] * noise
        return paths


def fit_growth(
    epochs: Array, scores: Array, rates: Array | None, noise: float, weight: float
) -> Growth:
    """Fit every form with every spread.

    Args:
        epochs: ``[n]``, ascending: those with a score, then those to come.
        scores: ``[known]``, IoU in [0, 1], known >= 2.
        rates: ``[n]``, learning rates, or None where those to come are unknown.
        noise: standard deviation of an epoch's IoU expected beforehand.
        weight: how many epochs of evidence that expectation is worth.
    """
    known, values = len(scores), logit(scores)
    offset = float(np.median(values))
    level = float(expit(np.array(offset)))
    sigma = noise / (level * (1 - level))  # by the slope of the logit
    if rates is not None and not rates[:known].max() > 0:
        rates = None
    every = list(forms(epochs, known, rates))
    abouts = tuple(spreads(rates, len(epochs)))
    designs = np.zeros((len(every), len(epochs), COLUMNS))
    priors = np.zeros((len(every), COLUMNS))
    for i, form in enumerate(every):
        width = 1 + len(form.scales)
        designs[i, :, :width] = np.hstack([np.ones((len(epochs), 1)), form.columns])
        priors[i, :width] = (np.array([1.0, *form.scales]) / sigma) ** 2
    told = [
        _integrate(
            designs[:, :known],
            priors,
            np.add(*_covariances(epochs[:known], spread)),
            values - offset,
            weight * sigma**2,
            weight + known,
        )
        for spread in abouts
    ]
    evidence, means, sigmas = (np.concatenate(parts) for parts in zip(*told, strict=True))
    families = [form.family for form in every]
    # A family is as likely with many bends as with one.
    shares = [PRIOR.get(name, 1.0) / families.count(name) for name in families]
    prior = np.tile(shares, len(abouts))
    weights = prior * np.exp(TEMPER * (evidence - evidence.max()))
    return Growth(
        families=tuple(families) * len(abouts),
        weights=weights / weights.sum(),
        means=means + np.array([offset, 0.0, 0.0]),
        sigma=sigmas,
        epochs=epochs,
        known=known,
        _offset=offset,
        _values=values - offset,
        _designs=designs,
        _priors=priors,
        _spreads=abouts,
        _freedom=weight + known,
    )


def _covariances(epochs: Array, spread: Spread) -> tuple[Array, Array]:
    """Of the noise and of the walk, in variances of the noise at the peak rate."""
    gaps = np.abs(np.subtract.outer(epochs, epochs))
    noise = np.where(gaps == 0, 1.0, spread.correlation**gaps)
    size = spread.size[: len(epochs)]
    walk = np.minimum.outer(epochs, epochs) - epochs[0]
    return size[:, None] * noise * size, spread.drift * walk


def _integrate(
    designs: Array, priors: Array, covariance: Array, values: Array, before: float, freedom: float
) -> tuple[Array, Array, Array]:
    """Log evidence ``[forms]``, means ``[forms, 3]`` and noise ``[forms]``.

    Columns of zeros, which pad a form, cancel out.
    """
    count, known, width = designs.shape
    factor = np.linalg.cholesky(covariance)
    flat = designs.transpose(1, 0, 2).reshape(known, -1)
    solved = np.linalg.solve(factor, np.column_stack([flat, values]))
    data, root = solved[:, -1], np.sqrt(priors)
    base = solved[:, :-1].reshape(known, count, width).transpose(1, 0, 2) * root[:, None]
    gram = np.eye(width) + base.transpose(0, 2, 1) @ base
    pull = base.transpose(0, 2, 1) @ data
    fit = np.linalg.solve(gram, pull[..., None])[..., 0]
    squares = before + data @ data - np.einsum("fc,fc->f", pull, fit)
    squares = np.maximum(squares, before)  # rounding alone brings it lower
    evidence = (
        -np.log(np.diag(factor)).sum()
        - 0.5 * np.linalg.slogdet(gram)[1]
        - 0.5 * freedom * np.log(squares)
    )
    return evidence, fit * root, np.sqrt(squares / freedom)
