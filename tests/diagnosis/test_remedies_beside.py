from dataclasses import replace
from typing import Any

import pytest

from decamo.diagnosis import Remedy, RunState, SymptomKind
from decamo.diagnosis.detect_network import age
from decamo.diagnosis.remedies import Situation
from decamo.diagnosis.remedies_beside import (
    anneal,
    bigger_network,
    more_data,
    numbers,
    quicker_average,
    see_more,
    thaw,
    wake_experts,
    wider_batch,
)
from decamo.settings import TrainSettings

RUN = RunState(
    TrainSettings(), "x/best_model.pth", "x/last.pth", 86, 70, 2, 0.001, 0.001, img_size=384,
    planned_end=120, steps=40,
)  # fmt: skip


def value(remedy: Remedy, name: str) -> Any:
    return {c.name: c.value for c in remedy.changes}.get(name)


def case(kind: SymptomKind = SymptomKind.PLATEAU, **known: Any) -> Situation:
    return Situation(replace(RUN, **known), kind, 0.72)


def test_annealing_begins_at_the_present_rate() -> None:
    constant = replace(TrainSettings().schedule, scheduler="none", stage2_lr=0.001)
    remedy = anneal(case(settings=replace(TrainSettings(), schedule=constant)))
    assert value(remedy, "stage2_lr") == 0.001
    assert value(remedy, "scheduler") == "cosine"
    assert value(remedy, "min_lr") == 0.00005
    assert remedy.epochs == 34  # to the 120 that was planned: not given again
    assert remedy.words[3] == "x/last.pth"
    assert "option 1" in anneal(case(rate=0.00005, top=0.00005)).title


def test_thawing_goes_directly_to_stage_2() -> None:
    assert "--skip-stage1" in thaw(case(stage=1, epoch=20, best_epoch=20)).words


@pytest.mark.parametrize("steps", [1, 12, 40, 500, 5000])
def test_an_average_over_about_an_epoch(steps: int) -> None:
    decay = value(quicker_average(case(steps=steps)), "ema_decay")
    assert age(10**9, decay) <= max(1.05 * steps, 10.001)


def test_a_larger_network_is_another_and_a_new_run() -> None:
    remedy = bigger_network(case())
    assert "--resume-from" not in remedy.words
    assert value(remedy, "backbone") == "pvt_v2_b2"
    own = replace(TrainSettings(), model=replace(TrainSettings().model, backbone="pvt_v2_b4"))
    assert value(bigger_network(case(settings=own)), "backbone") == "pvt_v2_b5"
    assert remedy.hours is None


def test_holding_tighter_goes_back_and_lower() -> None:
    remedy = more_data(case(SymptomKind.OVERFIT))
    assert value(remedy, "weight_decay") == 0.05
    assert value(remedy, "stage2_lr") == 0.0005
    assert value(remedy, "epochs") == 70 + 34
    assert any("epoch 70" in step for step in remedy.steps)


def test_waking_forgets_the_moments() -> None:
    assert "--reset-moments" in wake_experts(case()).words


def test_wider_batches_keep_the_step() -> None:
    remedy = wider_batch(case())
    assert value(remedy, "stage2_batch_size") * value(remedy, "accumulation_steps") == 4


def test_seeing_more_trains_nothing() -> None:
    remedy = see_more(case())
    assert remedy.words[:2] == ("decamo", "evaluate")
    assert remedy.epochs is None


def test_numbers_that_overflow_get_full_precision_and_where_broken_less_rate() -> None:
    assert value(numbers(case()), "precision") == "fp32"
    assert value(numbers(case()), "stage2_lr") is None
    broken = numbers(case(SymptomKind.NON_FINITE, hot=0.0003))
    assert value(broken, "stage2_lr") == 0.0002
    assert "--precision" in broken.words


def test_none_of_them_claims_a_gain() -> None:
    for make in (bigger_network, more_data, quicker_average, see_more, wake_experts, wider_batch):
        remedy = make(case())
        assert remedy.origin == "ours"
        assert remedy.expected.low is None
