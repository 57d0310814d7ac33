from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.quality_recipes import entry_of
from benchmarks.quality_terms import Terms, everything_trains
from decamo.errors import DataError
from decamo.schedule import Segment, SegmentKind, plan_of


def test_one_stage_one_cycle_the_encoder_at_a_tenth(tmp_path: Path) -> None:
    terms = Terms((tmp_path,), epochs=3, batch_size=4)
    settings = terms.settings(entry_of("FPN"), 5, 3, tmp_path)
    plan = plan_of(Segment(SegmentKind.START, 0, 0, 0, 0, settings.schedule, 22))
    (stage,) = plan.stages
    assert (stage.epochs, stage.steps_per_epoch, stage.img_size) == (3, 6, 192)
    assert stage.learning(0) == {"head", *(f"backbone.{level}" for level in range(4))}
    rates = [plan.lr(step) for step in range(18)]
    assert max(rates) == pytest.approx(0.001)
    assert rates[0] == pytest.approx(0.001 / 25)
    assert rates[-1] == pytest.approx(0.001 / 25 / 10_000)
    assert plan.lr(7, "backbone.2") == pytest.approx(0.1 * plan.lr(7))
    assert settings.run.seed == 5


def test_all_networks_have_the_same_settings_but_for_experts_and_the_own_recipe(
    tmp_path: Path,
) -> None:
    terms = Terms((tmp_path,))
    peer, ours, own = (
        terms.settings(entry_of(name), 0, 10, tmp_path)
        for name in ("Unet", "decamo-7", "decamo-own")
    )
    assert replace(ours, model=peer.model) == peer
    assert replace(ours.model, num_experts=1) == peer.model
    assert replace(own.model, zoom=1.0) == ours.model
    assert (own.data, own.run) == (ours.data, ours.run)
    assert own.schedule.epochs == ours.schedule.epochs


def test_every_training_image_trains(scenes: Path, tmp_path: Path) -> None:
    splits = everything_trains(Terms((scenes,), num_workers=0), tmp_path / "census.json")
    assert len(splits.train) == 14  # one of the 15 is empty
    assert [p.key for p in splits.train] == sorted(p.key for p in splits.train)
    assert all(pair.split == "train" for pair in (*splits.train, *splits.val))
    with pytest.raises(DataError, match="--dataset-path"):
        everything_trains(Terms(()), tmp_path / "other.json")


def test_what_is_told_changes_with_what_moves_a_score_and_not_with_places(
    scenes: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "a.pth"
    weights.write_bytes(b"one")
    terms = Terms((scenes,), weights=weights, num_workers=0)
    splits = everything_trains(terms, tmp_path / "census.json")
    entry = entry_of("decamo-7")
    told = terms.told(entry, 0, 10, splits)
    moved = tmp_path / "b.pth"
    moved.write_bytes(b"one")
    same = replace(terms, weights=moved, num_workers=1, device="cpu")
    assert same.told(entry, 0, 10, splits) == told
    moved.write_bytes(b"two")
    assert same.told(entry, 0, 10, splits) != told
    assert terms.told(entry, 1, 10, splits) != told
    assert terms.told(entry, 0, 9, splits) != told
    assert terms.told(entry_of("decamo-1"), 0, 10, splits) != told
    assert replace(terms, img_size=224).told(entry, 0, 10, splits) != told
    taught = replace(entry, teacher=entry_of("decamo-own"))
    assert terms.told(taught, 0, 10, splits)["teacher"]["network"] == "decamo-own"
    assert terms.told(entry, 0, 10, splits)["teacher"] is None
    assert terms.told(entry, 0, 10, replace(splits, train=splits.train[1:])) != told
