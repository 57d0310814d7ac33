import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from decamo import Run
from decamo.diagnosis import SymptomKind, advise, diagnose_log
from decamo.diagnosis.case import IOU, measure_of
from decamo.diagnosis.forecast import forecast
from decamo.history import Point, TrainingLog, log_of_text
from tests.diagnosis.build import past
from tests.history.foreign_logs import FORMS, run_of

NOISE = np.random.default_rng(5).normal(0, 0.002, 60)


def flat() -> list[float]:
    return [0.6221 + n for n in NOISE]


def falls() -> list[float]:
    return [0.6221 - max(0, e - 30) * 0.003 + NOISE[e] for e in range(60)]


def breaks() -> list[float]:
    return [(0.6221 if e < 55 else 0.1) + NOISE[e] for e in range(60)]


def rises() -> list[float]:
    return [0.6221 - 0.004 * (59 - e) + NOISE[e] for e in range(60)]


LOSSES = [0.9 - 0.01 * e for e in range(60)]
CURVES = {
    "flat": (flat(), SymptomKind.PLATEAU),
    "falls": (falls(), SymptomKind.OVERFIT),
    "breaks": (breaks(), SymptomKind.EXPLOSION),
    "rises": (rises(), SymptomKind.HEALTHY),
}


def only(what: TrainingLog, field: str, scale: float) -> TrainingLog:
    """The same run, as if it had logged an error instead of its IoU."""
    turned = [
        replace(p, iou=None, **{field: scale * (1 - (p.iou or 0.0))})  # type: ignore[arg-type]
        for p in what.points
    ]
    return replace(what, points=tuple(turned))


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(("field", "scale"), [("mae", 0.09), ("mae", 0.5), ("val_loss", 3.0)])
def test_an_error_gets_the_verdict_of_the_iou_that_it_mirrors(
    name: str, field: str, scale: float
) -> None:
    ious, kind = CURVES[name]
    losses = [8.0 if name == "breaks" and e >= 55 else loss for e, loss in enumerate(LOSSES)]
    run = past(ious, losses)
    assert diagnose_log(run, target=None, situation=None).kind == kind
    found = diagnose_log(only(run, field, scale), situation=None)
    assert found.kind == kind
    called = {"mae": "MAE", "val_loss": "validation loss"}[field]
    assert found.verdict.sentence.endswith(f"; only the {called} was logged, no IoU")
    assert "IoU" not in found.verdict.sentence.removesuffix(", no IoU")
    assert not any("IoU" in e.what for e in found.verdict.evidence)
    json.dumps(asdict(found.verdict))


def test_a_plateau_is_told_in_numbers_of_the_log() -> None:
    found = diagnose_log(only(past(flat(), LOSSES), "mae", 0.1))
    assert "a plateau at MAE 0.037" in found.verdict.sentence
    best = min(0.1 * (1 - iou) for iou in flat())
    assert any(f"best MAE {best:.5f}" in fact for fact in found.seen)
    advice = advise(only(past(flat(), LOSSES), "mae", 0.1), found)
    assert advice.standing.best_epoch == int(np.argmax(flat())) + 1
    assert advice.standing.iou is None


def test_which_measure() -> None:
    def of(**known: float) -> str:
        return measure_of(TrainingLog((Point(1, **known),))).field  # type: ignore[arg-type]

    assert of(iou=0.5, dice=0.6, mae=0.1, val_loss=1.0, loss=1.0) == "iou"
    assert of(dice=0.6, mae=0.1) == "dice"
    assert of(mae=0.1, val_loss=1.0) == "mae"
    assert of(val_loss=1.0, loss=1.0) == "val_loss"
    assert of(loss=1.0) == "loss"
    assert measure_of(TrainingLog(())) is IOU
    assert of(mae=0.0, loss=1e-12) == "iou"  # nothing can be a share of it


def test_a_score_is_itself_and_an_error_comes_back() -> None:
    assert IOU.change(-0.00001) == "+0.0000"
    assert IOU.at(0.62) == "IoU 0.6200"
    measure = measure_of(TrainingLog(tuple(Point(e, mae=0.05) for e in range(1, 9))))
    scored = measure.scored(TrainingLog((Point(1, mae=0.06),))).points[0].iou
    assert scored is not None
    assert measure.value(scored) == pytest.approx(0.06)
    assert measure.change(0.1) == "-0.01323"  # 0.1 of 0.3779, of 0.05


def test_losses_alone_say_what_they_do_and_what_is_missing() -> None:
    falling, still = LOSSES, [0.5 + n for n in NOISE]
    for losses, word in ((falling, "falls"), (still, "stands still")):
        found = diagnose_log(past((), losses))
        assert found.kind == SymptomKind.UNSCORED
        assert f"the training loss {word}" in found.verdict.sentence
        assert "no score and no validation loss was logged" in found.verdict.sentence
        advice = advise(past((), losses), found)
        assert "let it run" not in advice.first.title
        assert advice.first.words[1] == "evaluate"
        assert "only a score can tell" in advice.rate
    assert diagnose_log(past((), [0.5])).kind == SymptomKind.UNSCORED


def test_a_forecast_of_an_error_tells_where_it_comes_to_and_nothing_of_the_target() -> None:
    told = forecast(only(past(flat(), LOSSES), "mae", 0.1), 0.72)
    assert told.sentence.startswith("the best MAE by epoch 90: 0.03")
    assert told.sentence.endswith("no IoU was logged")
    assert (told.chance, told.fan, told.target) == (None, (), 0.72)
    alone = forecast(past((), LOSSES), 0.72)
    assert alone.sentence.startswith("whether IoU 0.7200 is reached cannot be told")


@pytest.mark.parametrize(
    ("form", "verdict"), [("config_line", "plateau"), ("loss_only", "unscored")]
)
def test_logs_without_an_iou(form: str, verdict: str, tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("\n".join(FORMS[form].lines(run_of(epochs=86))))
    assert Run(log).diagnose().verdict == verdict
    text = "\n".join(FORMS["header_rate"].lines(run_of(epochs=86)))
    found = diagnose_log(log_of_text(text))
    assert not found.of_kind(SymptomKind.LR_EXHAUSTED)
