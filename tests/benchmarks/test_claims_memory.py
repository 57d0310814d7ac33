from typing import Any

import pytest

from benchmarks.claims_memory import training_bytes
from decamo.nn import build_segmenter
from decamo.settings import ModelSettings, TrainSettings
from decamo.settings.plain import from_plain, merged

BASE: dict[str, dict[str, Any]] = {
    "model": {"backbone": "mobilenetv2_035", "num_experts": 3, "pretrained": False},
    "schedule": {"img_size": 32, "batch_size": 2},
}


def settings(**changes: dict[str, Any]) -> TrainSettings:
    return from_plain(merged(BASE, changes))


@pytest.fixture(scope="module")
def plain() -> int:
    return training_bytes(settings())


def test_what_is_kept_for_the_backward_pass_grows_with_the_images(plain: int) -> None:
    two = training_bytes(settings(schedule={"batch_size": 4}))
    three = training_bytes(settings(schedule={"batch_size": 6}))
    assert three - two == pytest.approx(two - plain, rel=0.01)
    quadruple = training_bytes(settings(schedule={"img_size": 64}))
    assert quadruple - plain == pytest.approx(3 * (two - plain), rel=0.1)


def test_an_average_or_a_teacher_costs_its_weights(plain: int) -> None:
    model = build_segmenter(
        ModelSettings(backbone="mobilenetv2_035", num_experts=3), sizes=[32], initialize=False,
        seed=0,
    )  # fmt: skip
    own = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    assert training_bytes(settings(optimise={"use_ema": True})) - plain == own
    assert training_bytes(settings(), taught=True) - plain == own


def test_accumulation_costs_nothing_and_checkpointing_saves(plain: int) -> None:
    assert training_bytes(settings(schedule={"accumulation_steps": 8})) == plain
    assert training_bytes(settings(model={"gradient_checkpointing": True})) < plain
    assert training_bytes(settings(optimise={"deep_supervision": True})) > plain
