"""How a score grows: many models fitted at once, each weighted by how well it foretold the run.

A model is ``logit(IoU) = level + gain * form(time) + drift + noise``. What is not linear (the
form's bend; how the noise correlates, how fast a random walk drifts) lies on a grid; level, gains
and the noise's variance are integrated out under weak conjugate priors (Rasmussen & Williams 2006,
sections 2.7 and 5.4). So nothing is searched and nothing can diverge, and a model's evidence is the
probability that it gave to each score in turn before that was seen: its own record as a forecaster
of this run. The drift owns up to what no form explains, and grows with the horizon. The logit keeps
forecasts within [0, 1] and no interval has to be cut.
"""

from dataclasses import dataclass

import numpy as np

from decamo.diagnosis.growth_forms import Spread, expit, forms, logit, spreads
from decamo.diagnosis.noise import Array

__all__ = ["Growth", "fit_growth"]

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
