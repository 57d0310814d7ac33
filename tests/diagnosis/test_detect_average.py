from typing import Any

import pytest
import torch

from decamo.diagnosis.detect_network import age, ema_lag, initial_share
from decamo.history import LogSegment, Point, TrainingLog
from decamo.training.state import decay_at
from tests.diagnosis.build import seen


@pytest.mark.parametrize("decay", [0.0, 0.05, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("updates", [0, 1, 5, 100, 20_000])
def test_the_share_is_the_product_of_the_trainers_decays(updates: int, decay: float) -> None:
    decays = torch.tensor([decay_at(n, decay) for n in range(updates)], dtype=torch.float64)
    assert initial_share(updates, decay) == pytest.approx(
        float(decays.prod()), rel=1e-9, abs=1e-300
    )


def test_the_age_is_that_of_a_geometric_mean() -> None:
    assert age(10**6, 0.999) == pytest.approx(1000)
    assert age(0, 0.999) == pytest.approx(10 / 9)


def run(per_epoch: int, epochs: int, **optimise: Any) -> TrainingLog:
    points = tuple(Point(e, step=e * per_epoch) for e in range(1, epochs + 1))
    return TrainingLog(points, (LogSegment(1, "start", settings={"optimise": optimise}),))


def test_few_steps_an_epoch_make_the_average_trail() -> None:
    (symptom,) = seen(ema_lag, run(100, 90, use_ema=True, ema_decay=0.999))
    assert "10.0 epochs" in symptom.sentence
    assert not seen(ema_lag, run(760, 90, use_ema=True, ema_decay=0.999))
    assert not seen(ema_lag, run(100, 90, use_ema=False, ema_decay=0.999))
    assert not seen(ema_lag, run(100, 90))


def test_an_average_that_began_at_a_branch_counts_from_there() -> None:
    points = tuple(Point(e, step=e) for e in range(1, 12))
    on = {"optimise": {"use_ema": True, "ema_decay": 0.9999}}
    past = TrainingLog(points, (LogSegment(1, "start"), LogSegment(11, "branch", settings=on)))
    (symptom,) = seen(ema_lag, past)
    assert symptom.epochs == (11, 11)
    assert symptom.evidence[1].value == pytest.approx(initial_share(1, 0.9999))
