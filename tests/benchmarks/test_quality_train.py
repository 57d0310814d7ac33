from dataclasses import replace
from itertools import count

import pytest
import torch

from benchmarks.ablation_rows import BASE, ROWS
from benchmarks.quality_recipes import entry_of
from benchmarks.quality_train import Trained, tidy, train_entry
from decamo.errors import SettingsError
from decamo.storage.sealed import load_sealed
from tests.benchmarks.conftest import MakeGround

pytest.importorskip("segmentation_models_pytorch")


def weights_of(trained: Trained | None) -> dict[str, torch.Tensor]:
    assert trained is not None
    return trained.model.state_dict()


@pytest.mark.long
@pytest.mark.parametrize("name", ["FPN", "decamo-own"])  # FPN draws dropout as it trains
def test_a_run_that_was_broken_off_ends_as_one_that_was_not(
    name: str, ground_of: MakeGround
) -> None:
    entry = entry_of(name)
    whole = weights_of(train_entry(ground_of("whole"), entry, 1, 2))
    asked = count(1)
    broken = ground_of("broken", lambda: "enough" if next(asked) >= 4 else "")
    assert train_entry(broken, entry, 1, 2) is None
    rest = weights_of(train_entry(replace(broken, stop=lambda: ""), entry, 1, 2))
    assert whole.keys() == rest.keys()
    assert all(torch.equal(value, rest[key]) for key, value in whole.items())


def test_the_last_weights_are_taken_and_a_finished_run_is_not_trained_again(
    ground_of: MakeGround,
) -> None:
    def never() -> str:
        raise AssertionError("trained again")

    ground, entry = ground_of("run"), entry_of("decamo-1")
    trained = train_entry(ground, entry, 0, 2)
    assert trained is not None
    assert (trained.epochs, trained.weights) == (2, "raw")
    state = load_sealed(trained.checkpoint)
    assert state["position"]["step"] == 2 * 3  # 14 images in batches of 5
    assert all(torch.equal(v, state["model"][k]) for k, v in weights_of(trained).items())
    tidy(ground, entry, 0)
    assert [path.name for path in trained.checkpoint.parent.glob("*.pth")] == ["last.pth"]
    again = weights_of(train_entry(replace(ground, stop=never), entry, 0, 2))
    assert all(torch.equal(v, again[k]) for k, v in weights_of(trained).items())


def test_the_own_recipe_ships_the_moving_average(ground_of: MakeGround) -> None:
    trained = train_entry(ground_of("run"), entry_of("decamo-own"), 0, 1)
    assert trained is not None
    assert trained.weights == "average"
    average = load_sealed(trained.checkpoint)["ema"]["weights"]
    assert all(torch.equal(v, average[k]) for k, v in weights_of(trained).items())


@pytest.mark.long
def test_a_teacher_is_trained_first_and_once_and_followed(ground_of: MakeGround) -> None:
    ground, entry = ground_of("run"), ROWS["taught by zoom 1.5"].entry
    assert entry.teacher is not None
    alone, taught = train_entry(ground, BASE.entry, 0, 1), train_entry(ground, entry, 0, 1)
    teacher = ground.root / "zoom-1-5-seed0" / "last.pth"
    assert taught is not None
    state = load_sealed(taught.checkpoint)
    assert state["settings"]["optimise"]["teacher"] == str(teacher)
    assert state["history"][0]["parts"]["teacher"] > 0
    assert any(not torch.equal(v, weights_of(alone)[k]) for k, v in weights_of(taught).items())
    before = teacher.stat().st_mtime_ns
    assert train_entry(ground, entry, 0, 1) is not None
    assert teacher.stat().st_mtime_ns == before
    asked = count(1)
    broken = replace(ground, stop=lambda: "enough" if next(asked) >= 2 else "")
    assert train_entry(broken, entry, 2, 1) is None
    assert (ground.root / "zoom-1-5-seed2").exists()
    assert not (ground.root / f"{entry.slug}-seed2").exists()


def test_a_folder_of_other_settings_is_refused(ground_of: MakeGround) -> None:
    asked = count(1)
    ground = ground_of("run", lambda: "enough" if next(asked) >= 2 else "")
    assert train_entry(ground, entry_of("decamo-1"), 0, 2) is None
    other = replace(ground, terms=replace(ground.terms, batch_size=4), stop=lambda: "")
    with pytest.raises(SettingsError, match="under other settings"):
        train_entry(other, entry_of("decamo-1"), 0, 2)


def test_so_is_one_whose_training_is_at_its_end(ground_of: MakeGround) -> None:
    ground = ground_of("run")
    assert train_entry(ground, entry_of("decamo-1"), 0, 2) is not None
    with pytest.raises(SettingsError, match=r"schedule\.epochs was 2, now 1"):
        train_entry(ground, entry_of("decamo-1"), 0, 1)
    fewer = replace(ground, splits=replace(ground.splits, train=ground.splits.train[1:]))
    with pytest.raises(SettingsError, match="train_images was 14, now 13"):
        train_entry(fewer, entry_of("decamo-1"), 0, 2)
    views = replace(ground, terms=replace(ground.terms, decision="iou"))
    assert train_entry(views, entry_of("decamo-1"), 0, 2) is not None
    (ground.root / "decamo-1-seed0" / "told.json").unlink()
    with pytest.raises(SettingsError, match="does not say how it was trained"):
        train_entry(ground, entry_of("decamo-1"), 0, 2)
