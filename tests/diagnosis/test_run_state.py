from dataclasses import replace
from typing import Any

import pytest

from decamo.diagnosis import diagnose_log
from decamo.diagnosis.run_state import RunState, Sign, standing_of
from decamo.history import LogSegment, Point, TrainingLog
from decamo.settings import TrainSettings
from decamo.settings.plain import to_plain
from tests.diagnosis.build import past

PLAIN = to_plain(TrainSettings())
RISE = [0.5 + 0.001 * i for i in range(20)]


def stand(what: TrainingLog, checkpoint: str = "", latest: str = "") -> RunState:
    return standing_of(what, diagnose_log(what, situation=None), checkpoint, latest)


def test_a_run_of_ours_is_known_well() -> None:
    made = past(RISE, [0.2] * 20, [0.0002 - 5e-6 * i for i in range(20)], first=31,
                settings=PLAIN, planned_end=120, stage=2, img_size=384, seconds=90.0)  # fmt: skip
    points = tuple(replace(p, step=12 * p.epoch) for p in made.points)
    found = stand(replace(made, points=points, checkpoint="x/best_model.pth"), latest="x/last.pth")
    assert (found.epoch, found.best_epoch, found.planned_end) == (50, 50, 120)
    assert (found.top, found.stage, found.img_size) == (0.0002, 2, 384)
    assert found.rate == pytest.approx(0.000105)
    assert (found.seconds, found.steps) == (90.0, 12)
    assert found.settings == TrainSettings()
    assert found.slope == pytest.approx(0.001, rel=0.1)
    assert not found.ended
    assert found.option == 0  # it started so; nobody took an option up


@pytest.mark.parametrize(
    ("top", "size", "option"),
    [(0.0002, 384, 1), (0.0003, 384, 2), (0.0003, 416, 3), (0.0003, None, 2), (0.001, 384, 0)],
)
def test_the_option_in_force_is_told_by_its_rate(top: float, size: int | None, option: int) -> None:
    lrs = [5e-5] * 20 + [top - 1e-6 * i for i in range(20)]
    what = past([0.6] * 20 + RISE, [0.2] * 40, lrs, first=1, img_size=size)
    stretches = (LogSegment(1, "start"), LogSegment(21, "branch"))
    assert stand(replace(what, stretches=stretches)).option == option


def test_a_log_that_begins_midway_does_not_tell_its_peak() -> None:
    falling = [1e-4 - 2e-6 * i for i in range(20)]
    assert stand(past(RISE, lrs=falling, first=100)).top is None
    assert stand(past(RISE, lrs=falling, first=1)).top == 1e-4
    assert stand(past(RISE, lrs=[1e-4] * 20, first=100)).top == 1e-4
    assert Sign.RATE_LOW not in dict(stand(past(RISE, lrs=falling, first=100)).signs())


def lineage(ious: list[float], lrs: list[float], stage: int = 2) -> TrainingLog:
    """Some epochs, and 18 more on a branch at a low rate."""
    n = len(ious)
    made = past([*ious, *[ious[-1]] * 18], [0.2] * (n + 18), [*lrs, *[0.00003] * 18], first=1)
    points = tuple(replace(p, stage=stage if p.epoch <= n else 2) for p in made.points)
    return TrainingLog(points, (LogSegment(1, "start"), LogSegment(n + 1, "branch")))


def test_a_rate_at_which_it_rose_under_an_earlier_schedule_is_remembered() -> None:
    rates = [0.003, 0.002, 0.001]
    found = stand(lineage([0.3, 0.4, 0.45], rates))
    assert (found.top, found.learned) == (0.00003, 0.002)  # the first epoch's gain is not known
    assert stand(lineage([0.4, 0.3, 0.45], rates)).learned == 0.001  # it fell at 0.002
    assert stand(lineage([0.4, 0.41, 0.42], rates)).learned is None  # not what is called moving
    assert stand(lineage([0.45, 0.3, 0.2], rates)).learned is None
    assert stand(lineage([0.3, 0.4, 0.45], rates, stage=1)).learned is None  # a head's own rate
    assert stand(past(RISE, lrs=[0.003] * 20, stage=2)).learned is None  # the present schedule


def test_best_weights_of_another_stage_are_not_gone_back_to() -> None:
    points = tuple(
        Point(epoch=i, iou=0.7 if i == 1 else 0.5, stage=1 if i < 3 else 2) for i in range(1, 20)
    )
    what = TrainingLog(points, checkpoint="x/best_model.pth")
    assert stand(what).best_epoch == 1
    found = stand(what, latest="x/last.pth")
    assert (found.best_epoch, found.checkpoint) == (19, "x/last.pth")


def test_a_named_checkpoint_that_is_not_the_best_is_the_newest() -> None:
    what = past([0.6, *RISE])
    assert stand(what, checkpoint="last.pth").best_epoch == 21
    assert stand(what, checkpoint="my_best.pth").best_epoch == 1


def test_settings_that_make_no_sense_are_unknown() -> None:
    bads: tuple[dict[str, dict[str, Any]], ...] = (
        {"schedule": {"epochs": -3}},
        {"schedule": {"epochs": None}},
        {"model": {}},
    )
    for bad in bads:
        assert stand(past(RISE, settings=bad)).settings is None
    later = {**PLAIN, "schedule": {**PLAIN["schedule"], "of_a_later_version": 1}, "new": {"a": 1}}
    assert stand(past(RISE, settings=later)).settings == TrainSettings()


def test_signs() -> None:
    assert Sign.STAGE_UNKNOWN in dict(RunState().signs())
    assert Sign.FROZEN in dict(RunState(stage=1, top=1e-5).signs())
    assert Sign.RATE_LOW not in dict(RunState(stage=1, top=1e-5).signs())
    assert Sign.RATE_LOW in dict(RunState(stage=2, top=1e-4).signs())
    assert Sign.RATE_HIGH in dict(RunState(stage=2, rate=6e-4).signs())
    assert Sign.IMAGES_SMALL in dict(RunState(img_size=352).signs())
    assert Sign.IMAGES_LARGE in dict(RunState(img_size=448).signs())
    assert not {Sign.IMAGES_SMALL, Sign.IMAGES_LARGE} & set(dict(RunState(img_size=384).signs()))


def test_nothing_is_known_of_nothing() -> None:
    assert stand(TrainingLog(())) == RunState()
