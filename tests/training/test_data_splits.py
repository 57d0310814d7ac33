import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from decamo.checkpoint import Best, Checkpoint
from decamo.checkpoint.load_save import load_checkpoint
from decamo.cli import main
from decamo.data.holdout import fingerprint
from decamo.data.reading import read_labelled
from decamo.data.rules import PixelScale
from decamo.errors import DataError
from decamo.settings import DataSettings, TrainSettings
from decamo.training.data_splits import DataSplits, find_splits
from tests.checkpoints import checkpoint_with


def quiet(done: int, of: int) -> None:
    """Progress that nobody watches."""


def test_images_are_found_filtered_and_split(scenes: Path, tmp_path: Path) -> None:
    settings = DataSettings(dataset_path=(scenes,), val_fraction=0.2, num_workers=1)
    images = find_splits(settings, tmp_path / "census.json", quiet)
    keys = {p.key for p in images.train} | {p.key for p in images.val}
    assert len(images.train) + len(images.val) == len(keys) == 15 - images.dropped
    assert images.dropped >= 1
    assert not any("NonCAM" in key for key in keys)
    again = find_splits(settings, tmp_path / "census.json", quiet)
    assert (again.train, again.val) == (images.train, images.val)


def test_negatives_keep_the_empty_ones(scenes: Path, tmp_path: Path) -> None:
    settings = DataSettings(dataset_path=(scenes,), noncam="negatives", num_workers=1)
    images = find_splits(settings, tmp_path / "census.json", quiet)
    assert images.dropped == 0
    assert len(images.train) + len(images.val) == 15


def test_the_test_split_never_trains(scenes: Path, tmp_path: Path) -> None:
    images = find_splits(DataSettings(dataset_path=(scenes,)), tmp_path / "census.json", quiet)
    assert all("Train" in str(p.image) for p in (*images.train, *images.val))


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--dataset-path"):
        find_splits(DataSettings(dataset_path=(tmp_path / "no",)), tmp_path / "census.json", quiet)


@pytest.mark.parametrize(
    ("groups", "each", "fraction", "line"),
    [
        (4, 15, 0.1, "15 of 60 images are held out, not 6 (--val-fraction 0.1): neighbours stay"),
        (4, 15, 0.5, ""),
        (30, 2, 0.1, ""),
        (5, 4, 0.02, "4 of 20 images are held out: --val-fraction 0.02 of them is less than one"),
        (20, 1, 0.02, "1 of 20 images is held out: --val-fraction 0.02 of them is less than one"),
    ],
)
def test_how_many_are_held_out_is_told_where_it_is_not_what_was_asked_for(
    tmp_path: Path, groups: int, each: int, fraction: float, line: str
) -> None:
    rng = np.random.default_rng(0)
    for number in range(groups * each):
        stem = f"g{number // each}_{number}"
        for kind, picture in (
            ("Imgs/{}.png", rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)),
            ("GT/{}.png", np.eye(24, dtype=np.uint8) * 255),
        ):
            path = tmp_path / "S" / kind.format(stem)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(path)
    settings = DataSettings(
        dataset_path=(tmp_path / "S",), val_fraction=fraction, group_by=r"/(g\d+)_", num_workers=1
    )
    splits = find_splits(settings, tmp_path / "census.json", quiet)
    said = [told for told in (*splits.notes, *splits.warnings) if "held out" in told]
    assert len(said) == bool(line), said
    assert line in "".join(said)
    assert len(splits.val) % each == 0


def begun(scenes: Path, place: Path, **other: Any) -> tuple[DataSplits, Checkpoint]:
    """The images of a run, and a checkpoint that knows them."""
    settings = DataSettings(dataset_path=(scenes,), val_fraction=0.2, num_workers=1, **other)
    splits = find_splits(settings, place / "census.json", quiet)
    return splits, checkpoint_with(
        settings=TrainSettings(data=settings),
        best=Best(0.5, 3, splits.val_print),
        images=splits.record,
    )


def again(root: Path, place: Path, checkpoint: Checkpoint) -> DataSplits:
    settings = DataSettings(dataset_path=(root,), val_fraction=0.2, num_workers=1)
    return find_splits(settings, place / "census.json", quiet, checkpoint=checkpoint)


def test_a_renamed_and_moved_set_is_the_same(scenes: Path, tmp_path: Path) -> None:
    before, checkpoint = begun(scenes, tmp_path)
    other = tmp_path / "mnt/readonly/b"
    shutil.copytree(scenes / "Train", other / "training_set")
    (other / "training_set").chmod(0o500)
    after = again(other, tmp_path, checkpoint)
    assert [p.key for p in after.train] == [p.key for p in before.train]
    assert [p.key for p in after.val] == [p.key for p in before.val]
    assert after.val_print == before.val_print
    assert checkpoint.best.images in after.known_as
    assert all(other in p.image.parents for p in after.train)


def test_a_checkpoint_of_names_alone_keeps_its_split(scenes: Path, tmp_path: Path) -> None:
    before, checkpoint = begun(scenes, tmp_path)
    names = fingerprint(before.val)
    checkpoint = replace(checkpoint, images=None, best=Best(0.5, 3, names))
    other = tmp_path / "b"
    shutil.copytree(scenes, other)
    for root in (scenes, other):  # under the same name, and under another
        after = again(root, tmp_path, checkpoint)
        assert [p.key for p in after.val] == [p.key for p in before.val]
        assert {names, before.val_print} == after.known_as
    (tmp_path / "census.json").unlink()
    by_path = again(other, tmp_path, checkpoint)
    assert names in by_path.known_as
    (tmp_path / "census.json").unlink()
    elsewhere = replace(checkpoint.settings.data, dataset_path=(Path("unknown"),))
    settings = replace(checkpoint.settings, data=elsewhere)
    lost = again(other, tmp_path, replace(checkpoint, settings=settings))
    assert names not in lost.known_as
    assert "remembers its images by names alone" in str(lost.notes)


def test_a_held_out_file_that_changed_is_another_image(scenes: Path, tmp_path: Path) -> None:
    other = tmp_path / "data"
    shutil.copytree(scenes, other)
    before, checkpoint = begun(other, tmp_path)
    with Image.open(before.val[0].image) as picture:
        picture.convert("RGB").save(before.val[0].image, quality=50)
    after = again(other, tmp_path, checkpoint)
    assert [p.key for p in after.val] == [p.key for p in before.val]
    assert checkpoint.best.images not in after.known_as
    assert "1 saved anew" in str(after.notes)


def test_frames_stay_together_and_that_is_said(scenes: Path, tmp_path: Path) -> None:
    other = tmp_path / "video"
    for split in ("Image", "GT_Object"):
        (other / "Train" / split).mkdir(parents=True)
    sources = sorted((scenes / "Train/Image").glob("*-CAM-*"))[:4]
    for number, source in enumerate(sources):
        mask = scenes / "Train/GT_Object" / f"{source.stem}.png"
        for frame in range(6):
            shutil.copy(source, other / "Train/Image" / f"v{number}_{frame}.jpg")
            shutil.copy(mask, other / "Train/GT_Object" / f"v{number}_{frame}.png")
    splits, _ = begun(other, tmp_path)
    assert {p.stem[:2] for p in splits.train}.isdisjoint({p.stem[:2] for p in splits.val})
    line = "neighbours stay on one side of the hold-out: 4 sequences, 24 images"
    assert f"{line} (--group-by none parts them)" in splits.notes
    apart, _ = begun(other, tmp_path, group_by="none")
    assert "neighbours" not in str(apart.notes)
    assert len(apart.val) == 5


def test_a_single_video_is_parted_with_a_warning(scenes: Path, tmp_path: Path) -> None:
    other = tmp_path / "video"
    for split in ("Imgs", "GT"):
        (other / split).mkdir(parents=True)
    source = next((scenes / "Train/Image").glob("*-CAM-*"))
    for frame in range(10):
        shutil.copy(source, other / f"Imgs/f{frame}.jpg")
        shutil.copy(scenes / f"Train/GT_Object/{source.stem}.png", other / f"GT/f{frame}.png")
    splits, _ = begun(other, tmp_path)
    assert len(splits.val) == 2
    assert "warning: 1 group of neighbours lies on both sides" in str(splits.notes)


def test_a_census_of_the_first_version_is_kept_but_not_believed(
    scenes: Path, tmp_path: Path
) -> None:
    old = {"/a/Imgs/1.jpg|/a/GT/1.png": [1, 2, 3, 4, 5, 6, 0.5]}
    (tmp_path / "census.json").write_text(json.dumps({"version": 1, "pairs": old}))
    begun(scenes, tmp_path)
    kept = json.loads((tmp_path / "census.json").read_text())["pairs"]
    assert old.items() <= kept.items()
    assert len(kept) == 16


def with_void(scenes: Path, root: Path) -> Path:
    """The scenes with 12-bit photographs in 16-bit files and masks of 0, 1 and a void of 255."""
    for image in sorted((scenes / "Train" / "Image").iterdir()):
        mask = next((scenes / "Train" / "GT_Object").glob(f"{image.stem}.*"))
        on = np.asarray(Image.open(mask).convert("L")) >= 128
        grown = np.asarray(Image.fromarray(on).convert("L").filter(ImageFilter.MaxFilter(5))) > 0
        codes = np.where(grown & ~on, 255, on).astype(np.uint8)
        grey = np.asarray(Image.open(image).convert("L")).astype(np.uint16) * 16
        for folder, values in (("Image", grey), ("GT_Object", codes)):
            (root / "Train" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(root / "Train" / folder / f"{image.stem}.png")
    return root


def test_rules_are_decided_said_and_held(scenes: Path, tmp_path: Path) -> None:
    data = with_void(scenes, tmp_path / "deep")
    settings = DataSettings(dataset_path=(data,), num_workers=1)
    images = find_splits(settings, tmp_path / "census.json", quiet)
    (rule,) = images.rules.values()
    assert rule.mask.void == (255,)
    assert rule.scale is not None
    assert 3000 < rule.scale.high <= 4080
    assert [note.split(":")[0] for note in images.notes[:2]] == ["masks of deep", "images of deep"]
    assert {pair.rule for pair in (*images.train, *images.val)} == {rule}
    image, labels = read_labelled(images.train[0])
    assert image.max() > 128  # and not 15, as 4080 of 65535 would be
    assert labels.void is not None
    again = find_splits(settings, tmp_path / "census.json", quiet)
    assert again.rules == images.rules


def test_a_run_with_void_and_deep_images_trains_goes_on_and_keeps_its_rules(
    scenes: Path, tmp_path: Path
) -> None:
    data, run = with_void(scenes, tmp_path / "deep"), tmp_path / "run"
    words = ["train", "--dataset-path", str(data), "--checkpoint-dir", str(run), "--epochs", "2",
             "--backbone", "test_efficientnet", "--no-pretrained", "--img-size", "32",
             "--skip-stage1", "--num-workers", "0", "--batch-size", "4", "--val-fraction", "0.3",
             "--device", "cpu", "--deep-supervision", "--cache", "ram"]  # fmt: skip
    assert main(words) == 0
    held = load_checkpoint(run / "last.pth")
    (rule,) = held.rules.values()
    assert rule.mask.void == (255,)
    assert rule.scale is not None
    assert all(0 <= record.iou <= 1 and record.loss < 9 for record in held.history)
    # what trained by one rule goes on by it, though the files now would say otherwise
    changed = {n: replace(r, scale=PixelScale(0, 9999)) for n, r in held.rules.items()}
    held = replace(held, rules=changed)
    settings = DataSettings(dataset_path=(data,), num_workers=1, val_fraction=0.3)
    images = find_splits(settings, tmp_path / "census.json", quiet, checkpoint=held)
    assert dict(images.rules) == changed
    assert any("as the checkpoint was trained" in note for note in images.notes)
    photo = data / "Train" / "Image" / f"{images.train[0].stem}.png"
    assert main(["predict", str(run / "last.pth"), str(photo), "--out", str(tmp_path / "o")]) == 0
    assert main(["evaluate", str(run / "last.pth"), "--dataset-path", str(data), "--split", "train",
                 "--resamples", "0", "--json", str(tmp_path / "e.json")]) == 0  # fmt: skip
