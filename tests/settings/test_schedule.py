import math
from typing import Any

import pytest

from decamo.errors import SettingsError
from decamo.settings import ScheduleSettings, flag_of

COUNTS_FROM_0 = ("stage1_epochs", "warmup_epochs", "stage3_epochs")
COUNTS_FROM_1 = ("epochs", "cycles", "batch_size", "stage2_batch_size", "accumulation_steps")
RATES = ("lr", "stage2_lr", "stage3_lr")


def refusal(**choices: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        ScheduleSettings(**choices)
    error = caught.value
    assert len(str(error).splitlines()) == 1
    assert error.got
    assert error.remedy
    return error


def test_defaults_are_valid_and_those_of_option_1() -> None:
    s = ScheduleSettings()

    assert (s.epochs, s.stage1_epochs, s.lr, s.stage2_lr) == (120, 30, 0.00025, 0.0002)
    assert (s.scheduler, s.stage1_scheduler, s.min_lr) == ("cosine", "onecycle", 0.00001)
    assert (s.batch_size, s.accumulation_steps, s.img_size) == (2, 4, 384)


@pytest.mark.parametrize("name", [*COUNTS_FROM_0, *COUNTS_FROM_1, *RATES, "min_lr", "t_mult"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1])
def test_what_is_no_number_or_negative_is_refused_by_flag(name: str, value: float) -> None:
    error = refusal(**{name: value})

    assert error.what == flag_of(name)
    assert f"got {value:g}" in error.got


@pytest.mark.parametrize("name", [*COUNTS_FROM_1, *RATES, "img_size", "stage3_img_size", "t_mult"])
def test_zero_is_refused_where_it_cannot_be_meant(name: str) -> None:
    assert refusal(**{name: 0}).what == flag_of(name)


@pytest.mark.parametrize("name", [*COUNTS_FROM_0, "min_lr", "backbone_lr_ratio"])
def test_zero_is_taken_where_it_means_none(name: str) -> None:
    nothing: dict[str, Any] = {name: 0}

    assert getattr(ScheduleSettings(**nothing), name) == 0


def test_words_outside_the_choices_are_refused_with_the_choices() -> None:
    error = refusal(schedule_origin="linear")

    assert error.what == "--schedule-origin"
    assert "choose from" in error.remedy


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_backbone_never_learns_faster_than_the_head(value: float) -> None:
    assert refusal(backbone_lr_ratio=value).what == "--backbone-lr-ratio"


class TestMinLr:
    def test_above_the_fine_tuning_peak_is_refused(self) -> None:
        error = refusal(min_lr=0.0003, stage2_lr=0.0002, lr=0.001)

        assert str(error) == (
            "--min-lr: got 0.0003, above --stage2-lr 0.0002: the curve would rise;"
            " give at most 0.0002, or raise --stage2-lr"
        )

    def test_above_the_peak_of_stage_1_is_refused(self) -> None:
        assert "--lr 0.0001" in refusal(min_lr=0.00015, lr=0.0001).got

    def test_stage_1_has_no_say_where_it_is_skipped(self) -> None:
        ScheduleSettings(min_lr=0.00015, lr=0.0001, skip_stage1=True)

    def test_a_constant_curve_has_no_floor_to_contradict(self) -> None:
        ScheduleSettings(min_lr=0.0003, stage2_lr=0.0002, lr=0.001, scheduler="none")

    def test_equal_to_the_peak_is_a_constant_curve(self) -> None:
        ScheduleSettings(min_lr=0.0002, stage2_lr=0.0002)


class TestStage1Epochs:
    @pytest.mark.parametrize("stage1", [10, 11])
    def test_must_leave_an_epoch_to_stage_2(self, stage1: int) -> None:
        error = refusal(epochs=10, stage1_epochs=stage1)

        assert error.what == "--stage1-epochs"
        assert f"got {stage1}" in error.got
        assert "at most 9" in error.remedy

    def test_one_epoch_of_stage_2_is_enough(self) -> None:
        assert ScheduleSettings(epochs=10, stage1_epochs=9).frozen_epochs == 9

    def test_does_not_matter_where_stage_1_is_skipped(self) -> None:
        settings = ScheduleSettings(epochs=10, stage1_epochs=30, skip_stage1=True)

        assert settings.frozen_epochs == 0


class TestWarmup:
    def test_must_leave_an_epoch_of_stage_2(self) -> None:
        error = refusal(epochs=40, stage1_epochs=30, warmup_epochs=10)

        assert str(error) == (
            "--warmup-epochs: got 10, but stage 2 has 10 epochs; give at most 9, or raise --epochs"
        )
        ScheduleSettings(epochs=40, stage1_epochs=30, warmup_epochs=9)

    def test_may_be_longer_where_stage_1_is_skipped(self) -> None:
        ScheduleSettings(epochs=40, stage1_epochs=30, warmup_epochs=39, skip_stage1=True)


@pytest.mark.parametrize(("size", "valid"), [(31, False), (32, True), (4096, True), (4097, False)])
@pytest.mark.parametrize("name", ["img_size", "stage3_img_size"])
def test_image_sizes_have_borders(name: str, size: int, valid: bool) -> None:
    choice: dict[str, Any] = {name: size}
    if valid:
        assert getattr(ScheduleSettings(**choice), name) == size
    else:
        assert refusal(**choice).what == flag_of(name)


def test_fine_tune_batch_is_the_first_stages_unless_given() -> None:
    assert ScheduleSettings(batch_size=6).fine_tune_batch == 6
    assert ScheduleSettings(batch_size=6, stage2_batch_size=1).fine_tune_batch == 1


def test_last_epoch_counts_stage_3() -> None:
    assert ScheduleSettings(epochs=120, stage3_epochs=15).last_epoch == 135
