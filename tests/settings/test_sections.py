import math
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from decamo.errors import SettingsError
from decamo.settings import (
    DataSettings,
    ModelSettings,
    OptimizerSettings,
    RunSettings,
    ScheduleSettings,
    TrainSettings,
    flag_of,
)

GROUPS = [DataSettings, ModelSettings, ScheduleSettings, OptimizerSettings, RunSettings]


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (DataSettings, "noncam", "keep"),
        (DataSettings, "val_fraction", 0.0),
        (DataSettings, "val_fraction", 1.0),
        (DataSettings, "val_fraction", math.nan),
        (DataSettings, "num_workers", -1),
        (ModelSettings, "num_experts", 0),
        (ModelSettings, "num_experts", 29),
        (ModelSettings, "fovea", 0.1),
        (ModelSettings, "fovea", 1.5),
        (ModelSettings, "fovea", math.nan),
        (ModelSettings, "zoom", 0.5),
        (ModelSettings, "zoom", 4.5),
        (ModelSettings, "zoom", math.nan),
        (ModelSettings, "input_mean", (0.5, -0.1, 0.5)),
        (ModelSettings, "input_mean", (0.5, 0.5, 128.0)),
        (ModelSettings, "input_std", (0.2, 0.2, 0.0)),
        (ModelSettings, "input_std", (0.2, math.nan, 0.2)),
        (OptimizerSettings, "loss_weights", ("bce",)),
        (OptimizerSettings, "loss_weights", ("dice=1",)),
        (OptimizerSettings, "loss_weights", ("bce=-1",)),
        (OptimizerSettings, "loss_weights", ("bce=nan",)),
        (OptimizerSettings, "loss_weights", ("bce=1", "bce=0")),
        (OptimizerSettings, "loss_weights", ("bce=0", "iou=0")),
        (OptimizerSettings, "multi_scale", ()),
        (OptimizerSettings, "multi_scale", (1.0, 0.1)),
        (OptimizerSettings, "multi_scale", (1.0, math.nan)),
        (OptimizerSettings, "weight_decay", -0.1),
        (OptimizerSettings, "weight_decay", math.inf),
        (OptimizerSettings, "clip_grad", -1.0),
        (OptimizerSettings, "clip_grad", math.nan),
        (OptimizerSettings, "ema_decay", 1.0),
        (OptimizerSettings, "ema_decay", math.nan),
        (RunSettings, "precision", "fp8"),
        (RunSettings, "seed", -1),
        (RunSettings, "seed", 2**63),
        *(
            (RunSettings, "device", d)
            for d in ("", "gpu", "cuda:", "cuda:x", "cpu:0", "auto:", "cuda:-1")
        ),
    ],
)
def test_refusals_name_the_flag_what_was_got_and_the_remedy(
    group: type, name: str, value: Any
) -> None:
    with pytest.raises(SettingsError) as caught:
        group(**{name: value})

    assert caught.value.what == flag_of(name)
    assert caught.value.got.startswith("got ")
    assert caught.value.remedy
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_devices_that_can_be_meant_are_taken(device: str) -> None:
    assert RunSettings(device=device).device == device


@pytest.mark.parametrize("clip", [0, 0.5])
def test_zero_does_not_clip(clip: float) -> None:
    assert OptimizerSettings(clip_grad=clip).clip_grad == clip


@pytest.mark.parametrize("group", GROUPS)
def test_every_field_is_an_option_with_help(group: type) -> None:
    for field in fields(group):
        option = field.metadata["option"]
        assert option.help, field.name
        assert not option.help.endswith("."), "flags' help is a phrase"
        assert group.__doc__


def test_no_flag_has_two_homes() -> None:
    names = [f.name for group in GROUPS for f in fields(group)]

    assert len(names) == len(set(names))


def test_settings_cannot_be_changed_once_validated() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainSettings().run.seed = 1  # type: ignore[misc]
