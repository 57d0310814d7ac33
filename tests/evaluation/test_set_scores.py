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
    shares = {f"SET/{r.stem}": r.foreground for r in results}  # to the bit that of the measures
    assert {image["image"]: image["object_share"] for image in plain["images"]} == shares


def test_the_reliability_diagram_has_the_calibration_error(results: list[ImageResult]) -> None:
    score = score_set("M", "SET", protocol_of(results), results)
    diagram = plain_score(score)["reliability"]
    assert [len(values) for values in diagram.values()] == [15] * 3
    gaps = [
        pixels * abs(probability - share)
        for pixels, probability, share in zip(*diagram.values(), strict=True)
        if pixels
    ]
    assert sum(gaps) == pytest.approx(score.whole.scores.ece)
    for place, (pixels, probability) in enumerate(
        zip(diagram["pixels"], diagram["probability"], strict=True)
    ):
        assert (probability is None) == (pixels == 0)
        assert probability is None or place / 15 <= probability <= (place + 1) / 15
