from dataclasses import replace
from pathlib import Path

from benchmarks.quality_recipes import entry_of
from benchmarks.quality_runs import scored
from benchmarks.quality_scores import sets_under
from decamo.evaluation import Measurer, Rules
from decamo.inference.views import Views
from tests.benchmarks.conftest import MakeGround


def test_one_training_is_scored_in_every_way_that_is_asked_for(
    ground_of: MakeGround, scenes: Path
) -> None:
    ground, entry, sets = ground_of("run"), entry_of("decamo-1"), sets_under([scenes])
    said: list[str] = []
    ground = replace(ground, say=said.append)
    ways = [
        ground.terms,
        replace(ground.terms, views=Views(True)),
        replace(ground.terms, decision="iou"),
    ]
    with Measurer(1, Rules()) as measurer:
        first = [
            scored(replace(ground, terms=way), entry, 0, 1, sets, measurer) for way in ways * 2
        ]
    assert first[:3] == first[3:]  # the second time from files
    assert sum("epoch 1 of 1" in line for line in said) == 1
    assert sum("IoU" in line for line in said) == 3
    means = [score.sets[sets[0].name].mean("mae") for score in first[:3] if score is not None]
    assert len(set(means)) == 3
    assert sorted(path.name for path in ground.root.glob("*.json")) == [
        *("decamo-1-seed0-decide-iou.json", "decamo-1-seed0-flip.json", "decamo-1-seed0.json")
    ]


def test_what_is_stopped_has_no_score(ground_of: MakeGround, scenes: Path) -> None:
    ground = ground_of("run", lambda: "asked to")
    with Measurer(1, Rules()) as measurer:
        assert scored(ground, entry_of("decamo-1"), 0, 2, sets_under([scenes]), measurer) is None
    assert not list(ground.root.glob("*.json"))
