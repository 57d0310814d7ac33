"""Made-up runs whose true state is known, to hold the diagnosis against.

The truth of a run is a property of its *latent* IoU, the curve before any noise: what it gains over
its last 17 epochs (the action plan's window).

| sort | latent curve |
|---|---|
| healthy | gains 0.038 to 0.12 in the last 17 epochs (the plan: 0.02 in 10, so 0.034 in 17) |
| noisy_healthy | the same under the upper half of the noise |
| slow | gains 0.014 to 0.030 |
| plateau | gains -0.003 to 0.006, and has stood still for 17 to 60 epochs |
| overfit | has fallen by 0.015 to 0.08 over the 12 to 50 epochs since its peak |
| spike | rises, slow or healthy; a dip of 1 to 3 epochs has just come back or is going on |
| explode | was rising or flat; fell by 0.15 to 0.5 in the last 20 epochs and stays there |

Validation noise is autocorrelated, of 0.002 to 0.01 IoU, whatever the sort; loss noise is 0.4 to
3 %. The sorts keep 0.004 from the borders between the words, which is no more than the standard
error of such a gain (0.003 to 0.01), so that no diagnosis can be right always. For what
happens at the borders themselves there is the sort ``any``, a curve of a given gain.
"""

from dataclasses import dataclass

import numpy as np

from decamo.diagnosis.noise import Array
from decamo.history import Point, TrainingLog
from decamo.schedule import LRSchedule

__all__ = ["SORTS", "Made", "make_run"]

SORTS = ("healthy", "noisy_healthy", "spike", "explode", "plateau", "slow", "overfit")
WINDOW = 17
HEALTHY, SLOW, FLAT = (0.038, 0.12), (0.014, 0.030), (-0.003, 0.006)
QUIET, LOUD = 0.002, 0.010


@dataclass(frozen=True)
class Made:
    """A made-up run.

    Attributes:
        sort: which of ``SORTS``.
        past: as a log reader would give it.
        latent: ``[n]``, the IoU without noise.
        noise: standard deviation of the noise on it.
    """

    sort: str
    past: TrainingLog
    latent: Array
    noise: float

    @property
    def gain(self) -> float:
        """Latent IoU gained over the last 17 epochs."""
        return float(self.latent[-1] - self.latent[-1 - WINDOW])


def make_run(sort: str, rng: np.random.Generator, gain: float = 0.0) -> Made:
    """One run of 25 to 150 epochs.

    Args:
        sort: one of ``SORTS``, or ``any``.
        rng: draws everything.
        gain: of ``any``: latent IoU gained over the last 17 epochs.
    """
    length = int(rng.integers(25, 151))
    latent, excess = _latent(sort, length, gain, rng)
    low = np.sqrt(QUIET * LOUD) if sort == "noisy_healthy" else QUIET
    noise = float(np.exp(rng.uniform(np.log(low), np.log(LOUD))))
    scores = np.clip(latent + noise * _correlated(length, rng), 0.001, 0.999)
    losses = _training_loss(sort, latent, excess, rng)
    val_losses = _validation_loss(latent, excess, rng) if rng.random() < 0.5 else None
    rates = _rates(length, rng)
    first = int(rng.integers(1, 100))
    points = tuple(
        Point(
            epoch=first + i,
            loss=round(float(losses[i]), 4),
            val_loss=None if val_losses is None else round(float(val_losses[i]), 4),
            iou=round(float(scores[i]), 4),
            lr=round(float(rates[i]), 6),
        )
        for i in range(length)
    )
    return Made(sort, TrainingLog(points, source=f"synthetic {sort}"), latent, noise)


def _latent(sort: str, length: int, gain: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """The latent IoU, and the factor of the loss beyond what the IoU explains."""
    calm = np.ones(length)
    if sort == "any":
        return _rise_to(length, gain, rng), calm
    if sort in ("healthy", "noisy_healthy"):
        return _rise(length, rng.uniform(*HEALTHY), rng), calm
    if sort == "slow":
        return _rise(length, rng.uniform(*SLOW), rng), calm
    if sort == "plateau":
        return _plateau(length, rng), calm
    if sort == "overfit":
        return _overfit(length, rng), calm
    if sort == "spike":
        return _spike(length, rng)
    return _explode(length, rng)


def _rise_to(length: int, gain: float, rng: np.random.Generator) -> Array:
    """A bent rise that ends on this gain, or one that stops and goes on with it straight."""
    if gain > 0 and rng.random() < 0.5:
        return _rise(length, gain, rng)
    late = int(rng.integers(WINDOW, min(60, length - 6) + 1))
    rise = _rise(length - late, rng.uniform(0.01, 0.08), rng)
    return np.concatenate([rise, rise[-1] + gain / WINDOW * np.arange(1, late + 1)])


def _rise(length: int, gain: float, rng: np.random.Generator) -> Array:
    """A saturating or straight rise with this gain over its last 17 epochs; starts above 0.03."""
    end = rng.uniform(0.5, 0.8)
    back = np.arange(length - 1, -1, -1, dtype=np.float64)  # epochs before the last
    if rng.random() < 0.2:
        curve = end - gain * back / WINDOW
    else:
        tau = np.exp(rng.uniform(np.log(15), np.log(200)))
        curve = end - gain * np.expm1(back / tau) / np.expm1(WINDOW / tau)
    # What would lie under 0.03 is the flat start that a run from scratch has.
    return np.asarray(0.03 + np.logaddexp(0, (curve - 0.03) / 0.02) * 0.02)


def _plateau(length: int, rng: np.random.Generator) -> Array:
    flat = int(rng.integers(WINDOW, min(60, length - 6) + 1))
    gain = rng.uniform(*FLAT) * flat / WINDOW
    gain = float(np.clip(gain, -0.005, 0.02))  # a long one is no slow rise, and no decay
    rise = _rise(length - flat, rng.uniform(0.01, 0.08), rng)
    tail = rise[-1] + gain * np.arange(1, flat + 1) / flat
    return np.concatenate([rise, tail])


def _overfit(length: int, rng: np.random.Generator) -> Array:
    since = int(rng.integers(12, min(50, length - 8) + 1))
    rise = _rise(length - since, rng.uniform(0.01, 0.08), rng)
    lost = rng.uniform(0.015, 0.08)
    share = np.arange(1, since + 1) / since
    return np.concatenate([rise, rise[-1] - lost * share ** rng.uniform(0.7, 1.5)])


def _spike(length: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Deep dips have come back; one still going on is a slight one, as the plan says."""
    low, high = SLOW[0], HEALTHY[1]
    latent, excess = _rise(length, rng.uniform(low, high), rng), np.ones(length)
    lasts = int(rng.integers(1, 4))
    over = rng.random() < 0.75
    since = int(rng.integers(1, 6)) if over else 0
    depth = rng.uniform(0.04, 0.4) if over else rng.uniform(0.03, 0.09)
    depth = min(depth, latent[-1 - since - lasts] - 0.02)
    inside = slice(length - since - lasts, length - since)
    shape = rng.uniform(0.6, 1.0, lasts)
    shape[int(rng.integers(lasts))] = 1.0
    latent[inside] -= depth * shape
    excess[inside] *= 1 + 6 * depth * rng.uniform(0.5, 1.5) * shape
    return latent, excess


def _explode(length: int, rng: np.random.Generator) -> tuple[Array, Array]:
    flat = rng.random() < 0.5
    latent = _plateau(length, rng) if flat else _rise(length, rng.uniform(SLOW[0], HEALTHY[1]), rng)
    excess = np.ones(length)
    since = int(rng.integers(1, 21))
    top = latent[length - since - 1]
    drop = min(rng.uniform(0.15, 0.5), top - 0.03)
    back = rng.uniform(0, 0.3) * drop  # regained by the end
    sudden = np.minimum(np.arange(1, since + 1) / rng.integers(1, 4), 1.0)
    latent[-since:] = top - drop * sudden + back * np.arange(since) / max(since, 1)
    excess[-since:] = 1 + rng.uniform(1.5, 9) * sudden
    return latent, excess


def _correlated(length: int, rng: np.random.Generator) -> Array:
    """Normal noise of variance 1 whose neighbours correlate by 0 to 0.6."""
    rho, fresh = rng.uniform(0, 0.6), rng.standard_normal(length)
    noise = fresh.copy()
    for i in range(1, length):
        noise[i] = rho * noise[i - 1] + np.sqrt(1 - rho**2) * fresh[i]
    return noise


def _training_loss(sort: str, latent: Array, excess: Array, rng: np.random.Generator) -> Array:
    """Falls as the latent IoU rises; where that falls by overfitting, falls on all the same."""
    length = len(latent)
    fitted = np.maximum.accumulate(latent) if sort == "overfit" else latent
    # The action plan's printed blocks: 0.2341 at IoU 0.635, 0.1987 at 0.7134.
    loss = rng.uniform(0.8, 1.5) * (0.234 - 0.452 * (fitted - 0.635))
    drift = rng.uniform(0.001, 0.004) if sort == "overfit" else rng.uniform(0, 0.0015)
    loss = np.maximum(loss, 0.03) * np.exp(-drift * np.arange(length)) * excess
    noise = np.exp(rng.uniform(np.log(0.004), np.log(0.03)))
    return np.asarray(loss * (1 + noise * rng.standard_normal(length)))


def _validation_loss(latent: Array, excess: Array, rng: np.random.Generator) -> Array:
    loss = rng.uniform(0.8, 1.5) * (0.30 - 0.452 * (latent - 0.635)) * excess
    return np.asarray(np.maximum(loss, 0.03) * (1 + 0.01 * rng.standard_normal(len(latent))))


def _rates(length: int, rng: np.random.Generator) -> Array:
    kind = str(rng.choice(["none", "cosine", "onecycle", "cosine_restart"]))
    peak = float(rng.uniform(1e-4, 4e-4))
    horizon = length + int(rng.integers(0, 60))
    cycles, t_mult = (3, 2.0) if kind == "cosine_restart" else (1, 1.0)
    curve = LRSchedule(kind, peak, peak / 20, horizon, cycles=cycles, t_mult=t_mult)
    return np.array([curve.at(i) for i in range(length)])
