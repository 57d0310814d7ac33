import json
from pathlib import Path

import pytest

from benchmarks.quality_recipes import entry_of
from benchmarks.quality_scores import (
    SCORES,
    SHARES,
    Score,
    SetScores,
    read_score,
    score_trained,
    sets_under,
    write_score,
)
from benchmarks.quality_train import train_entry
from decamo.cli import main
from decamo.errors import SettingsError
from decamo.evaluation import CaseSet, Measurer, Rules
from decamo.evaluation.cases import Case
from decamo.inference.views import Views
from tests.benchmarks.conftest import MakeGround

TOLD = {"network": "FPN", "seed": 3, "schedule": {"epochs": 10, "lr": 0.1}}
FOUND = SetScores(("a", "b"), dict.fromkeys((*SCORES, *SHARES), (0.25, 0.5)), 0.125)
SCORE = Score(TOLD, 10, 2.5, "raw", {"CAMO": FOUND})


def sets_of(*stems: str, name: str = "CAMO") -> list[CaseSet]:
    return [CaseSet(name, [Case(stem, Path(f"{stem}.png")) for stem in stems])]


SETS = sets_of("a", "b")


@pytest.mark.long
def test_scores_are_what_decamo_evaluate_says(
    ground_of: MakeGround, scenes: Path, tmp_path: Path
) -> None:
    ground = ground_of("run")
    trained = train_entry(ground, entry_of("decamo-own"), 0, 1)
    assert trained is not None
    sets = sets_under([scenes])
    with Measurer(1, Rules()) as measurer:
        score = score_trained(trained, TOLD, sets, measurer, ground.runtime, 64, Views(), "half")
    report = tmp_path / "report.json"
    flags = ["--dataset-path", str(scenes), "--resamples", "0", "--device", "cpu"]
    flags += ["--protocol", "plain"]
    assert main(["evaluate", str(trained.checkpoint), *flags, "--json", str(report)]) == 0
    (said,) = json.loads(report.read_text())["datasets"]
    found = score.sets[said["dataset"]]
    assert len(found.images) == 4
    for name in SCORES:
        assert found.mean(name) == pytest.approx(said["mean"][name], abs=1e-12)
        assert list(found.scores[name]) == [image[name] for image in said["images"]]
    assert found.mean("mae") > 0
    for name in SHARES:
        assert list(found.scores[name]) == [image[name] for image in said["images"]]
    assert found.ece == said["mean"]["ece"]


def test_a_score_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "fpn-seed3.json"
    assert read_score(path, TOLD, SETS) is None
    write_score(path, SCORE)
    assert read_score(path, TOLD, SETS) == SCORE
    assert (SCORE.network, SCORE.seed) == ("FPN", 3)
    assert json.loads(path.read_text())["sets"]["CAMO"]["means"]["iou"] == 0.375


def test_a_file_of_before_the_calibration_error_is_read(tmp_path: Path) -> None:
    path = tmp_path / "fpn-seed3.json"
    write_score(path, SCORE)
    plain = json.loads(path.read_text())
    held = plain["sets"]["CAMO"]
    del held["ece"]
    for name in SHARES:
        del held["scores"][name], held["means"][name]
    path.write_text(json.dumps(plain))
    score = read_score(path, TOLD, SETS)
    assert score is not None
    assert score.sets == {"CAMO": SetScores(("a", "b"), dict.fromkeys(SCORES, (0.25, 0.5)))}
    write_score(path, score)
    assert read_score(path, TOLD, SETS) == score


def test_a_score_under_other_settings_is_refused_by_their_name(tmp_path: Path) -> None:
    path = tmp_path / "fpn-seed3.json"
    write_score(path, SCORE)
    other = TOLD | {"schedule": {"epochs": 10, "lr": 0.2}}
    with pytest.raises(SettingsError, match=r"schedule\.lr was 0\.1, now 0\.2"):
        read_score(path, other, SETS)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ([*SETS, *sets_of("c", name="NC4K")], "NC4K"),
        (sets_of("a", "c"), "1 images of CAMO are not there now"),
    ],
)
def test_a_score_of_other_images_is_refused(
    sets: list[CaseSet], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "fpn-seed3.json"
    write_score(path, SCORE)
    with pytest.raises(SettingsError, match=words):
        read_score(path, TOLD, sets)


@pytest.mark.parametrize("content", ["", "[]", '{"told": {}}', '{"sets": 3}'])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "fpn-seed3.json"
    path.write_text(content)
    with pytest.raises(SettingsError, match="remove it"):
        read_score(path, TOLD, SETS)
