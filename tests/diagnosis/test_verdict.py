import json
import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from decamo.diagnosis import DETECTORS, SEVERITIES, VERDICTS, SymptomKind, diagnose_log
from decamo.history import LogSegment, Point, TrainingLog
from tests.diagnosis.build import past


def line(epoch: int, loss: float | None, iou: float, lr: float | None = None) -> Point:
    return Point(epoch=epoch, loss=loss, iou=iou, lr=lr)


FIRST_FIVE = (
    line(87, 0.2341, 0.6350, 0.000200),
    line(88, 0.2298, 0.6385, 0.000195),
    line(89, 0.2267, 0.6421, 0.000190),
    line(90, 0.2245, 0.6458, 0.000185),
    line(91, 0.2221, 0.6489, 0.000180),
)
AFTER_20 = line(106, 0.2089, 0.6834, 0.000092)
AFTER_34 = line(120, 0.1987, 0.7134, 0.000015)
EXPLODES = (line(87, 0.2341, 0.6350, 0.000300), line(88, 1.5678, 0.1234, 0.000295))
STUCK = line(106, 0.2330, 0.6281, 0.000092)
SLOW = line(106, 0.2267, 0.6534, 0.000092)
START = Point(epoch=86, iou=0.6221)

# Every block of the action plan, with the word that it gives it.
BLOCKS: dict[str, tuple[tuple[Point, ...], SymptomKind]] = {
    "first 5 epochs": (FIRST_FIVE, SymptomKind.HEALTHY),
    "after 20 epochs": ((AFTER_20,), SymptomKind.HEALTHY),
    "after 30-40 epochs": ((AFTER_34,), SymptomKind.NEAR_TARGET),
    "loss explodes": (EXPLODES, SymptomKind.EXPLOSION),
    "still stuck": ((STUCK,), SymptomKind.STILL_STUCK),
    "slow but moving": ((SLOW,), SymptomKind.SLOW),
    "the situation": ((line(69, None, 0.6121), START), SymptomKind.PLATEAU),
    "tip 3": ((START, line(95, None, 0.6456), line(105, None, 0.6789)), SymptomKind.HEALTHY),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_every_block_of_the_action_plan_as_it_is_printed(name: str) -> None:
    points, kind = BLOCKS[name]
    assert diagnose_log(TrainingLog(points)).kind == kind


@pytest.mark.parametrize("name", [n for n in BLOCKS if BLOCKS[n][0][0].epoch > 86])
def test_a_given_or_a_printed_start_leads_to_the_same(name: str) -> None:
    points, kind = BLOCKS[name]
    assert diagnose_log(TrainingLog(points), baseline=START, situation=None).kind == kind
    if kind != SymptomKind.EXPLOSION:
        assert diagnose_log(TrainingLog((START, *points))).kind == kind


def test_what_was_assumed_is_told() -> None:
    found = diagnose_log(TrainingLog((STUCK,)))
    assert any("assumed" in fact for fact in found.seen)
    assert any("assumed" in str(e.value) for e in found.verdict.evidence)


@pytest.mark.parametrize("point", [AFTER_20, STUCK, SLOW])
def test_a_lone_line_without_any_start_is_too_early(point: Point) -> None:
    assert diagnose_log(TrainingLog((point,)), situation=None).kind == SymptomKind.TOO_EARLY
    assert diagnose_log(TrainingLog((replace(point, epoch=300),))).kind == SymptomKind.TOO_EARLY


def test_the_whole_story_of_a_rescue() -> None:
    flat = [0.6221 + 0.002 * math.sin(i) for i in range(40)]
    rise = [0.6221 + 0.003 * i for i in range(1, 21)]
    points = past([*flat, *rise], [0.25] * 60, first=47).points
    stuck = diagnose_log(TrainingLog(points[:40]))
    assert stuck.kind == SymptomKind.PLATEAU
    stretches = (LogSegment(1, "start"), LogSegment(87, "branch", reason="--stage2-lr 0.0002"))
    rescued = diagnose_log(TrainingLog(points, stretches))
    assert rescued.kind == SymptomKind.HEALTHY
    assert rescued.baseline == points[39]
    assert any("--stage2-lr 0.0002" in fact for fact in rescued.seen)


def test_symptoms_are_ranked_behind_the_verdict() -> None:
    usage = (0.97, *[0.005] * 6)
    found = diagnose_log(past([0.6] * 40, [0.2] * 40, [2e-4] * 40, usage=usage))
    assert found.symptoms[0] is found.verdict
    assert found.kind == SymptomKind.PLATEAU
    kinds = {s.kind for s in found.symptoms}
    assert {
        SymptomKind.COLLAPSED_EXPERTS,
        SymptomKind.DEAD_EXPERTS,
        SymptomKind.NEVER_ANNEALS,
    } <= kinds
    grades = [SEVERITIES.index(s.severity) for s in found.symptoms[1:]]
    assert grades == sorted(grades, reverse=True)
    assert found.of_kind(SymptomKind.NEVER_ANNEALS)[0].severity == "notice"


def test_a_verdict_can_be_written_as_json() -> None:
    written = json.loads(json.dumps(asdict(diagnose_log(TrainingLog(EXPLODES)).verdict)))
    assert written["kind"] == "explosion"
    assert written["evidence"][0]["epochs"] == [87, 88]


def test_causes_are_never_verdicts() -> None:
    assert set(VERDICTS) < set(SymptomKind)
    assert SymptomKind.NEVER_ANNEALS not in VERDICTS
    assert len(set(DETECTORS)) == len(DETECTORS)


ODD: tuple[Any, ...] = (None, 0.0, -1.0, 1e-300, 1e300, math.nan, math.inf, -math.inf)


def fuzzed(rng: np.random.Generator) -> TrainingLog:
    """Any past that a reader could hand over, and some that none should."""

    def number(scale: float) -> Any:
        if rng.random() < 0.15:
            return ODD[rng.integers(len(ODD))]
        return float(rng.uniform(0, scale))

    def whole(most: int) -> int | None:
        return None if rng.random() < 0.2 else int(rng.integers(0, most))

    count = int(rng.choice([0, 1, 2, 3, 5, 8, 20, 60]))
    told = rng.random(8) < 0.6
    epochs = np.cumsum(rng.integers(1, rng.choice([2, 5, 1000]), count))
    points = tuple(
        Point(
            epoch=int(epoch),
            loss=number(1) if told[0] else None,
            val_loss=number(1) if told[1] else None,
            iou=number(1) if told[2] else None,
            lr=number(1e-3) if told[3] else None,
            stage=whole(4) if told[4] else None,
            step=whole(10**5),
            usage=tuple(number(1) or 0.0 for _ in range(rng.integers(0, 8))) if told[5] else (),
            val_images=whole(500) if told[6] else None,
            iou_sd=number(1),
            object_share=number(1),
            predicted_share=number(1),
            sure_wrong=number(1) if told[7] else None,
            skipped=whole(3),
        )
        for epoch in epochs
    )
    values: tuple[Any, ...] = (None, True, "cosine", "none", "onecycle", 0, 1, 0.999, -3, 1e300)
    names = ("scheduler", "stage1_scheduler", "epochs", "stage1_epochs", "cycles", "t_mult")
    stretches = tuple(
        LogSegment(
            first_epoch=1 + 20 * i,
            word=str(rng.choice(["", "start", "continue", "extend", "branch"])),
            settings={
                "schedule": {n: values[rng.integers(len(values))] for n in names},
                "optimise": {
                    n: values[rng.integers(len(values))] for n in ("use_ema", "ema_decay")
                },
                "model": {"backbone": values[rng.integers(len(values))]},
            },
            planned_end=whole(200),
        )
        for i in range(rng.integers(0, 4))
    )
    return TrainingLog(points, stretches)


def look_over(seed: int) -> None:
    what = fuzzed(np.random.default_rng(seed))
    target = (None, 0.72, 0.0)[seed % 3]
    found = diagnose_log(what, target=target, situation=None)
    scored = sum(p.known(found.measure.field) is not None for p in what.points)
    paces = {SymptomKind.SLOW, SymptomKind.HELD_BACK, SymptomKind.PLATEAU, SymptomKind.HEALTHY}
    if scored < 2:
        on_sight = {SymptomKind.NON_FINITE, SymptomKind.TARGET_REACHED, SymptomKind.NEAR_TARGET}
        early = {SymptomKind.TOO_EARLY, SymptomKind.UNSCORED}
        assert found.kind in early | on_sight, seed
    for symptom in found.symptoms:
        assert symptom.evidence, seed
        json.dumps(asdict(symptom))
        assert 0 <= symptom.strength <= 1, seed
        assert "nan" not in symptom.sentence, (seed, symptom.sentence)
        assert symptom.epochs[0] <= symptom.epochs[1], seed
    assert sum(s.kind in paces for s in found.symptoms) <= 1


@pytest.mark.parametrize("many", [620, pytest.param(2000, marks=pytest.mark.long)])
def test_odd_pasts_break_nothing(many: int) -> None:
    for seed in range(many):
        look_over(seed)
