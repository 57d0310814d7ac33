from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.audit.inventory import take_inventory
from decamo.data.layouts import find_pairs
from decamo.errors import DataError


def touch(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(folder / name)


def test_every_set_and_split_below_a_folder_is_listed(tmp_path: Path) -> None:
    for part in ("Train", "Test"):
        touch(tmp_path / "COD10K-v3" / part / "Image", f"{part}.jpg")
        touch(tmp_path / "COD10K-v3" / part / "GT_Object", f"{part}.png")
    touch(tmp_path / "CHAMELEON" / "Imgs", "a.jpg")
    touch(tmp_path / "CHAMELEON" / "GT", "a.png")
    touch(tmp_path / "Plain" / "im", "b.jpg")
    touch(tmp_path / "Plain" / "gt", "b.png")
    found = take_inventory([tmp_path])
    assert sorted((h.name, h.split, len(h.pairs)) for h in found.holdings) == [
        ("CHAMELEON", "test", 1),
        ("COD10K-v3", "test", 1),
        ("COD10K-v3", "train", 1),
        ("Plain", "any", 1),
    ]
    assert found.findings == ()


def test_pairs_are_those_that_training_finds(scenes: Path) -> None:
    holdings = {h.split: h for h in take_inventory([scenes]).holdings}
    for split in ("train", "test"):
        expected = find_pairs([scenes], split).pairs
        assert holdings[split].pairs == expected


def test_halves_that_share_a_mask_folder_have_no_orphans(tmp_path: Path) -> None:
    touch(tmp_path / "CAMO" / "Images" / "Train", "a.jpg")
    touch(tmp_path / "CAMO" / "Images" / "Test", "b.jpg")
    touch(tmp_path / "CAMO" / "GT", "a.png", "b.png", "c.png")
    found = take_inventory([tmp_path])
    assert {(h.split, h.pairs[0].stem) for h in found.holdings} == {("train", "a"), ("test", "b")}
    assert {(f.kind, f.path.name) for f in found.findings} == {("mask-without-image", "c.png")}


def test_a_set_named_twice_is_listed_once(scenes: Path) -> None:
    assert len(take_inventory([scenes, scenes / "Train", scenes.parent]).holdings) == 2


def test_sets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for above in ("old", "new"):
        touch(tmp_path / above / "CAMO" / "Imgs", "a.jpg")
        touch(tmp_path / above / "CAMO" / "GT", "a.png")
    assert {h.name for h in take_inventory([tmp_path]).holdings} == {"CAMO@old", "CAMO@new"}


def test_folders_within_and_outside_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "Set" / "Image", "a.jpg")
    touch(tmp_path / "Set" / "GT", "a.png")
    touch(tmp_path / "Set" / "Image" / "more", "b.jpg", "c.jpg")
    details = {f.detail for f in take_inventory([tmp_path]).findings}
    assert any("a folder within" in d for d in details)
    assert any(d.startswith("2 images that belong to no data set") for d in details)


def test_nothing_to_list_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data set"):
        take_inventory([tmp_path])
    with pytest.raises(DataError, match="not a folder"):
        take_inventory([tmp_path / "x.jpg"])


def test_a_set_whose_half_is_unclear_is_a_warning(tmp_path: Path) -> None:
    for name in ("fold1", "fold2"):
        touch(tmp_path / name / "Imgs", f"{name}.jpg")
        touch(tmp_path / name / "GT", f"{name}.png")
    found = take_inventory([tmp_path])
    assert [h.split for h in found.holdings] == ["unclear", "unclear"]
    assert [(f.kind, f.severity) for f in found.findings] == [("unclear-half", "warning")] * 2
    assert "fold1, fold2 lie side by side" in found.findings[0].detail


@pytest.mark.parametrize("place", ["", "frog", "a/b"])
def test_files_within_folders_and_named_otherwise_are_pairs(tmp_path: Path, place: str) -> None:
    touch(tmp_path / "S/Imgs" / place, "1.jpg", "2.jpg")
    touch(tmp_path / "S/GT" / place, "1_mask.png", "2_mask.png")
    found = take_inventory([tmp_path])
    assert [p.mask.name for p in found.holdings[0].pairs] == ["1_mask.png", "2_mask.png"]
    (finding,) = found.findings
    assert (finding.kind, finding.severity) == ("other-names", "note")
    assert "end in _mask" in finding.detail
