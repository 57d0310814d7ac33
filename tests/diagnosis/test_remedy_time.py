from dataclasses import replace
from typing import Any

import pytest

from decamo.diagnosis import Remedy, RunState, SymptomKind
from decamo.diagnosis.remedies import Situation, go_on
from decamo.settings import TrainSettings

RUN = RunState(
    TrainSettings(), "x/best_model.pth", "x/last.pth", 86, 86, 2, 0.00005, 0.00005, img_size=384,
    planned_end=120, iou=0.6221, slope=0.001,
)  # fmt: skip


def value(remedy: Remedy, name: str) -> Any:
    return {c.name: c.value for c in remedy.changes}.get(name)


def case(
    kind: SymptomKind = SymptomKind.PLATEAU, target: float | None = 0.72, **known: Any
) -> Situation:
    return Situation(replace(RUN, **known), kind, target)


@pytest.mark.parametrize(
    ("slope", "epochs"), [(0.0979 / 30, None), (0.0979 / 50, 150), (0.0979 / 80, 180)]
)
def test_more_epochs_only_where_the_planned_ones_will_not_do(
    slope: float, epochs: int | None
) -> None:
    remedy = go_on(case(SymptomKind.SLOW, slope=slope))
    assert value(remedy, "epochs") == epochs
    assert remedy.words[3] == "x/last.pth"


def test_a_pace_that_is_hopeless_is_said_to_be() -> None:
    remedy = go_on(case(SymptomKind.SLOW, slope=0.0001))
    assert value(remedy, "epochs") == 180
    assert any("even 180 epochs would not do" in step for step in remedy.steps)


def test_a_stretched_curve_tells_where_its_rate_goes() -> None:
    remedy = go_on(case(SymptomKind.SLOW, slope=0.0979 / 80))
    # Cosine over epochs 31 to 180, 56 of 150 done: (1 + cos(0.376 pi)) / 2 = 0.69 of the way.
    assert any("goes back up to 0.00014" in step for step in remedy.steps)


def test_an_end_without_a_target_is_moved_by_thirty() -> None:
    assert value(go_on(case(SymptomKind.SLOW, None, epoch=120)), "epochs") == 150
    assert value(go_on(case(SymptomKind.SLOW, None)), "epochs") is None


def test_polishing_is_offered_near_the_target() -> None:
    remedy = go_on(case(SymptomKind.NEAR_TARGET, iou=0.71, epoch=110))
    assert any("--stage3-epochs 10" in step for step in remedy.steps)
