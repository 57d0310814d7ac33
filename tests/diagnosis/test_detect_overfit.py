from dataclasses import replace

import numpy as np

from decamo.diagnosis.detect_validation import overfit
from decamo.history import TrainingLog
from tests.diagnosis.build import past, seen

RNG = np.random.default_rng(0)
UP = np.linspace(0.5, 0.65, 30)
PEAKED = np.concatenate([UP, np.linspace(0.65, 0.60, 25)]) + RNG.normal(0, 0.003, 55)
FALLING = np.linspace(0.4, 0.1, 55) + RNG.normal(0, 0.002, 55)


def with_val_loss(what: TrainingLog, values: list[float]) -> TrainingLog:
    pairs = zip(what.points, values, strict=True)
    return TrainingLog(tuple(replace(p, val_loss=v) for p, v in pairs))


def test_validation_falls_while_training_goes_on() -> None:
    (symptom,) = seen(overfit, past([*PEAKED], [*FALLING]))
    assert symptom.severity == "warning"
    assert 26 <= symptom.epochs[0] <= 34
    assert "still falls" in symptom.sentence


def test_a_training_loss_that_rises_says_something_else() -> None:
    assert not seen(overfit, past([*PEAKED], [*FALLING[::-1]]))
    assert not seen(overfit, past([*PEAKED]))


def test_rising_and_flat_runs_do_not_overfit() -> None:
    assert not seen(overfit, past([*np.linspace(0.5, 0.7, 55)], [*FALLING]))
    assert not seen(overfit, past([*UP, *(0.65 + RNG.normal(0, 0.004, 25))], [*FALLING]))


def test_a_validation_loss_that_rises_alone_is_a_notice() -> None:
    flat = past([*UP, *[0.65] * 25], [*FALLING])
    rising = [0.3] * 30 + [0.3 + 0.004 * i for i in range(25)]
    (symptom,) = seen(overfit, with_val_loss(flat, rising))
    assert symptom.severity == "notice"
    assert not seen(overfit, with_val_loss(flat, rising[::-1]))


def test_a_rising_validation_loss_is_a_witness() -> None:
    rising = [0.3] * 30 + [0.3 + 0.01 * i for i in range(12)]
    alone, together = 0, 0
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.008, 42)
        unsure = past([*(np.array([*UP, *np.linspace(0.65, 0.63, 12)]) + noise)], [*FALLING[:42]])
        alone += any(s.alarms for s in seen(overfit, unsure))
        together += any(s.alarms for s in seen(overfit, with_val_loss(unsure, rising)))
    assert together > alone + 3
