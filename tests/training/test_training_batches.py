from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decamo.data.dataset import EpochSampler
from decamo.settings import TrainSettings
from decamo.training.resumption import resumption_of
from decamo.training.runtime import Runtime
from decamo.training.training_batches import TrainingBatches
from tests.training.conftest import Make


def training_batches(
    images: int = 0, world: int = 1, seed: int = 0, scales: tuple[float, ...] = (1.0,)
) -> TrainingBatches:
    usual = TrainSettings()
    settings = replace(
        usual,
        run=replace(usual.run, seed=seed),
        optimise=replace(usual.optimise, multi_scale=scales),
    )
    runtime = Runtime(torch.device("cpu"), world=world)
    return TrainingBatches(settings, runtime, (None,) * images)  # type: ignore[arg-type] # only counted


def test_a_scale_is_drawn_from_seed_and_step() -> None:
    one, other = (training_batches(seed=seed, scales=(0.8, 1.0, 1.2)) for seed in (0, 1))
    drawn = [one.scale(step) for step in range(3000)]
    assert [one.scale(step) for step in reversed(range(3000))] == drawn[::-1]
    assert [other.scale(step) for step in range(3000)] != drawn
    for scale in (0.8, 1.0, 1.2):
        assert drawn.count(scale) == pytest.approx(1000, abs=100)  # four standard deviations


def test_one_scale_is_always_that() -> None:
    assert {training_batches(scales=(1.5,)).scale(step) for step in range(9)} == {1.5}


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 3), st.data())
def test_images_in_micro_batches_are_counted_as_they_are_dealt(
    images: int, size: int, world: int, data: st.DataObject
) -> None:
    one = training_batches(images, world)
    (stage, *_) = resumption_of(one.settings, None, images=images, world=world).lineage.plan.stages
    stage = replace(stage, micro_batch=size)
    of = one.micro_batches(stage)
    dealt = [0] * of
    for rank in range(world):
        hands = EpochSampler(
            images,
            seed=0,
            first_epoch=1,
            last_epoch=1,
            micro_batch=size,
            rank=rank,
            world=world,
            skip=0,
        )
        dealt = [had + len(hand) for had, hand in zip(dealt, hands, strict=True)]
    first = data.draw(st.integers(0, of - 1))
    count = data.draw(st.integers(1, of - first))
    assert one.images_in(stage, first, count) == sum(dealt[first : first + count])


def test_batches_go_on_where_the_position_stands(make: Make) -> None:
    trainer = make("run")
    stage = trainer.state.lineage.plan.stages[0]
    whole = [batch.keys for batch in trainer.training_batches.batches(stage, 1, 0)]
    assert [batch.keys for batch in trainer.training_batches.batches(stage, 1, 2)] == whole[2:]
