import json

import numpy as np
import pytest

from decamo.evaluation import MEASURES, ImageResult, plain_score, score_set
from tests.evaluation.conftest import protocol_of


def test_means_groups_and_intervals(results: list[ImageResult]) -> None:
    score = score_set("M", "SET", protocol_of(results), results[::-1], by=["class", "size"])
    assert [r.stem for r in score.results] == sorted(r.stem for r in results)
    assert score.whole.scores.iou == pytest.approx(np.mean([r.measures.iou for r in results]))
    low, high = score.whole.intervals["iou"]
    assert low < score.whole.scores.iou < high
    for by in ("class", "size"):
        members = [g for g in score.groups if g.by == by]
        mean = sum(g.scores.iou * g.scores.count for g in members) / len(results)
        assert mean == pytest.approx(score.whole.scores.iou)
    assert score.whole.loss is not None
    assert score.whole.loss.iou == pytest.approx(score.whole.scores.iou)


def test_no_resamples_no_intervals(results: list[ImageResult]) -> None:
    assert score_set("M", "SET", protocol_of(results), results, count=0).whole.intervals == {}


def test_plain_values_survive_json(results: list[ImageResult]) -> None:
    plain = plain_score(score_set("M", "SET", protocol_of(results), results, by=["class"]))
    assert json.loads(json.dumps(plain)) == plain
    assert set(plain["mean"]) == set(plain["intervals"]) == set(MEASURES)
    assert len(plain["images"]) == len(results)
    assert plain["images"][0]["image"].startswith("SET/COD10K-CAM-")
    assert len(plain["curves"]["precision"]) == 256
    assert {g["group"] for g in plain["groups"]} == {"Aquatic", "Flying"}
