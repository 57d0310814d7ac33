import numpy as np

from decamo.diagnosis.detect_validation import find_dips, temporary_dip
from tests.diagnosis.build import past, seen

RISE = [0.5 + 0.003 * i for i in range(30)]


def dipped(*epochs: int, by: float = 0.05) -> list[float]:
    return [v - by * (i + 1 in epochs) for i, v in enumerate(RISE)]


def test_a_dip_that_came_back() -> None:
    (symptom,) = seen(temporary_dip, past(dipped(26, 27)))
    assert symptom.epochs == (26, 27)
    assert symptom.severity == "info"
    assert "came back" in symptom.sentence


def test_a_dip_still_going_on() -> None:
    (symptom,) = seen(temporary_dip, past(dipped(29, 30)))
    assert "so far temporary" in symptom.sentence


def test_what_lasts_longer_is_no_dip() -> None:
    assert not seen(temporary_dip, past(dipped(*range(22, 31), by=0.1)))


def test_an_old_dip_is_forgotten() -> None:
    assert not seen(temporary_dip, past(dipped(12, 13)))


def test_noise_is_no_dip() -> None:
    for seed in range(30):
        noise = np.random.default_rng(seed).normal(0, 0.008, 30)
        assert not seen(temporary_dip, past([*(np.array(RISE) + noise)]))


def test_with_the_loss_as_a_witness_a_slighter_dip_is_seen() -> None:
    rng = np.random.default_rng(0)
    ious = [*(0.6 + rng.normal(0, 0.004, 30))]
    ious[27] = 0.6 - 0.018
    losses = [*(0.2 + rng.normal(0, 0.002, 30))]
    assert not seen(temporary_dip, past(ious, losses))
    losses[27] = 0.3
    assert seen(temporary_dip, past(ious, losses))


def test_each_run_of_low_scores_is_a_dip() -> None:
    epochs = np.arange(1.0, 31)
    found = find_dips(epochs, np.array(dipped(8, 15, 16, 30)), np.full(30, 0.03), 3)
    assert [(d.first, d.last, d.over) for d in found] == [
        (8, 8, True),
        (15, 16, True),
        (30, 30, False),
    ]
