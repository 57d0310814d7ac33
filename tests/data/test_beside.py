"""Layouts as people have them who know nothing of this project's."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from decamo.data.audit.inventory import take_inventory
from decamo.data.folder_pairs import side_by_side
from decamo.data.layouts import find_pairs
from decamo.data.wanted import Wanted
from decamo.errors import DataError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder whose own name says nothing of a half; that of a test does."""
    (tmp_path / "wild").mkdir()
    return tmp_path / "wild"


def picture(path: Path, *, mask: bool = False) -> None:
    """A photograph (noise) or a mask (a square)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    square = np.zeros((24, 32), np.uint8)
    square[6:16, 8:20] = 255
    if path.suffix == ".npy":
        np.save(path, square)
    else:
        Image.fromarray(square if mask else pixels).save(path)


def lay(root: Path, images: str, masks: str, names: str) -> None:
    for name in names.split():
        picture(root / images.format(name))
        picture(root / masks.format(name), mask=True)


LAYOUTS = {
    "suffix": ("{}.jpg", "{}_mask.png"),
    "same name": ("{}.jpg", "{}.png"),
    "same name, mask first in the alphabet": ("{}.jpg", "{}.gif"),
    "upper case": ("{}.JPG", "{}.PNG"),
    "mask in jpeg": ("{}.png", "{}.jpg"),
    "array": ("{}.png", "{}.npy"),
    "words on both": ("{}_rgb.png", "{}_label.png"),
    "prefix": ("{}.png", "gt_{}.png"),
    "a folder for each": ("cases/{}/image.png", "cases/{}/mask.png"),
    "videos": ("clip/{}.jpg", "clip/{}-gt.png"),
    "masks in a folder within": ("{}.jpg", "masks/{}.png"),
    "Original": ("CVC/Original/{}.tif", "CVC/Ground Truth/{}.tif"),
    "input and target": ("input/{}.png", "target/{}.png"),
    "frames": ("cam/frames/{}.jpg", "cam/masks/{}.png"),
    "photos": ("photos/{}.jpg", "photos_gt/{}.png"),
    "own name": ("frogs/{}.jpg", "frogs_gt/{}.png"),
    "Carvana": ("train/{}.jpg", "train_masks/{}_mask.gif"),
    "ISIC": ("ISIC_Task1-2_Training_Input/{}.jpg", "ISIC_Task1_Training_GroundTruth/{}_seg.png"),
    "blanks": ("Meine Bilder/{} ä.jpg", "Meine Bilder/{} ä Mask.png"),
}


NAMES = "frog owl moth7 crab fox bird"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_find_their_masks(root: Path, layout: str) -> None:
    images, masks = LAYOUTS[layout]
    lay(root, images, masks, NAMES)
    found = find_pairs([root], "train")
    assert len(found.pairs) == 6
    assert found.orphans == ()
    for name, pair in zip(sorted(NAMES.split()), found.pairs, strict=True):
        assert pair.image == root / images.format(name)
        assert pair.mask == root / masks.format(name)
    (line,) = found.sources
    assert "6 pairs" in line
    (holding,) = take_inventory([root]).holdings
    audited = holding.pairs
    assert [(p.image, p.mask) for p in audited] == [(p.image, p.mask) for p in found.pairs]


def test_halves_of_an_export_with_both_in_one_folder(root: Path) -> None:
    for half, names in (("train", "a b c d"), ("valid", "e f"), ("test", "g")):
        lay(root / half, "{}_jpg.rf.0f.jpg", "{}_jpg.rf.0f_mask.png", names)
    assert [p.stem[0] for p in find_pairs([root], "train").pairs] == list("abcd")
    assert [p.stem[0] for p in find_pairs([root], "test").pairs] == ["g"]
    assert {h.split for h in take_inventory([root]).holdings} == {"train", "val", "test"}


def test_an_ending_of_ones_own(root: Path) -> None:
    lay(root, "{}.jpg", "{}_M.png", "a b c")
    with pytest.raises(DataError, match=r"no mask among them.*--mask-suffix"):
        find_pairs([root], "train")
    assert len(find_pairs([root], "train", Wanted(mask_suffix="_M.png")).pairs) == 3
    (holding,) = take_inventory([root], Wanted(mask_suffix="_M.png")).holdings
    assert len(holding.pairs) == 3


def test_two_photographs_of_one_name_are_no_mask(root: Path) -> None:
    for name in "abcd":
        picture(root / f"{name}.jpg")
        picture(root / f"{name}.png")
    assert side_by_side(root) is None


def test_pictures_beside_a_data_set_stay_out_of_it(root: Path) -> None:
    lay(root, "Imgs/{}.jpg", "GT/{}.png", "a b c")
    lay(root, "shown/{}.jpg", "shown/{}_mask.png", "a b c")
    assert [p.image.parent.name for p in find_pairs([root], "train").pairs] == ["Imgs"] * 3


def test_folders_beside_loose_images_and_links(root: Path) -> None:
    lay(root / "store", "im/{}.jpg", "gt/{}.png", "x y")
    lay(root / "set", "images/{}.jpg", "masks/{}.png", "loose frog/a frog/b")
    for side, kept in (("images", "im"), ("masks", "gt")):
        (root / "set" / side / "linked").symlink_to(root / "store" / kept)
        (root / "set" / side / "up").symlink_to(root / "set")
    stems = ["frog/a", "frog/b", "linked/x", "linked/y", "loose"]
    assert [p.stem for p in find_pairs([root / "set"], "train").pairs] == stems
    (holding,) = take_inventory([root / "set"]).holdings
    assert [p.stem for p in holding.pairs] == stems


PATHS = "".join(
    f"/J/480p/{video}/{n}.jpg /A/480p/{video}/{n}.png\n"
    for video in ("bear", "camel")
    for n in "01"
)


@pytest.mark.parametrize("lines", ["bear\ncamel\n", PATHS])
def test_lists_of_videos_and_of_paths(root: Path, lines: str) -> None:
    for video in ("bear", "camel", "dog"):
        lay(root, f"JPEGImages/480p/{video}/{{}}.jpg",
            f"Annotations/480p/{video}/{{}}.png", "0 1")  # fmt: skip
    lists = root / "ImageSets" / "480p"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(lines)
    (lists / "val.txt").write_text("dog\n")
    trained = {p.stem.split("/")[1] for p in find_pairs([root], "train").pairs}
    assert "dog" not in trained
    assert "bear" in trained
    with pytest.raises(DataError, match=r"by train.txt and val.txt"):
        find_pairs([root], "test")


def test_the_audit_knows_halves_by_lists_and_by_names(root: Path) -> None:
    lay(root / "a", "images/{}.jpg", "masks/{}.png", "train_1 train_2 test_1")
    lay(root / "b", "images/{}.jpg", "masks/{}.png", "p q r")
    (root / "b" / "train.txt").write_text("p\nq\n")
    (root / "b" / "test.txt").write_text("r\n")
    held = {(h.name, h.split): len(h.pairs) for h in take_inventory([root]).holdings}
    sizes = {("a", "train"): 2, ("a", "test"): 1, ("b", "train"): 2, ("b", "test"): 1}
    assert held == sizes


def test_what_to_test_on_is_what_is_named(root: Path) -> None:
    lay(root / "a", "images/{}.jpg", "masks/{}.png", "old_1 old_2 old_3 new_1")
    lay(root / "b", "images/{}.jpg", "masks/{}.png", "p q r s")
    (root / "b" / "train.txt").write_text("p\nq\n")
    (root / "b" / "val.txt").write_text("r\ns\n")

    def stems(half: Literal["train", "test"], *patterns: str) -> list[str]:
        return [p.stem for p in find_pairs([root], half, Wanted(test_on=patterns)).pairs]

    assert stems("test", "new_*") == ["new_1"]
    assert stems("train", "new_*") == ["old_1", "old_2", "old_3", "p", "q"]
    assert stems("test", "s") == ["s"]
    assert "r" not in stems("train", "s")  # the list holds as before
    assert stems("test", "a") == ["new_1", "old_1", "old_2", "old_3"]
