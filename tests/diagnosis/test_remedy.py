from dataclasses import replace

import pytest

from decamo.diagnosis import RunState
from decamo.diagnosis.command import Change, resumed
from decamo.diagnosis.remedy import NO_FIGURE, Remedy, remedy_of
from decamo.settings import TrainSettings

RUN = RunState(TrainSettings(), "x/best_model.pth", "", 86, 86, 2, img_size=384, seconds=60.0)


def made(standing: RunState, *changes: Change) -> Remedy:
    return remedy_of("t", resumed(standing, changes), standing, NO_FIGURE)


def test_time_goes_with_the_pixels() -> None:
    assert made(RUN, Change("epochs", 116, "")).hours == pytest.approx(0.5)
    larger = made(RUN, Change("epochs", 116, ""), Change("img_size", 768, ""))
    assert larger.hours == pytest.approx(2.0)
    assert made(replace(RUN, seconds=None), Change("epochs", 116, "")).hours is None


def test_memory_is_spoken_of_where_it_may_run_out() -> None:
    assert made(RUN, Change("epochs", 116, "")).memory == ""
    larger = made(RUN, Change("img_size", 416, "")).memory
    assert larger == "--stage2-batch-size 1 --accumulation-steps 8, then --img-size 384"
    single = replace(TrainSettings().schedule, stage2_batch_size=1)
    alone = replace(RUN, settings=replace(TrainSettings(), schedule=single))
    assert made(alone, Change("deep_supervision", True, "")).memory == "--gradient-checkpointing"
    unknown = made(RunState(epoch=86), Change("img_size", 416, "")).memory
    assert unknown == "--stage2-batch-size 1 --accumulation-steps 8, then --img-size 384"
