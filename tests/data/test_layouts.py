import shutil
from pathlib import Path
from typing import Literal

import pytest

from decamo.data.layouts import Listing, find_pairs
from decamo.errors import DataError


def touch(path: Path, content: str = "") -> Path:
    """A file whose bytes name it; the listing reads no pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content or str(path))
    return path


def fill(folder: Path, images: str, masks: str, *stems: str) -> None:
    for stem in stems:
        touch(folder / images / f"{stem}.jpg")
        touch(folder / masks / f"{stem}.png")


def keys(listing: Listing) -> list[str]:
    return [pair.key for pair in listing.pairs]


def find(root: Path, split: Literal["train", "test"] = "train") -> list[str]:
    return keys(find_pairs([root], split))


@pytest.mark.parametrize("images", ["Image", "Imgs", "IMAGE", "images"])
@pytest.mark.parametrize("masks", ["GT_Object", "GT", "gt_object"])
def test_cod10k(tmp_path: Path, images: str, masks: str) -> None:
    root = tmp_path / "COD10K-v3"
    fill(root / "Train", images, masks, "a", "b")
    fill(root / "Test", images, masks, "c")
    for sibling in ("GT_Instance", "GT_Edge", "CAM_Instance"):
        touch(root / "Train" / sibling / "a.png")
        touch(root / "Train" / sibling / "z.png")
    listing = find_pairs([root], "train")
    assert keys(listing) == ["COD10K-v3/a", "COD10K-v3/b"]
    assert listing.pairs[0].image == root / "Train" / images / "a.jpg"
    assert listing.pairs[0].mask == root / "Train" / masks / "a.png"
    assert listing.pairs[0].split == "train"
    assert listing.orphans == ()
    assert listing.sources == (f"COD10K-v3: 2 pairs in Train/{images} + Train/{masks}",)
    assert find(root, "test") == ["COD10K-v3/c"]


def test_object_masks_are_preferred_to_others(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    touch(tmp_path / "S/GT_Object/a.png")
    assert find_pairs([tmp_path], "train").pairs[0].mask.parent.name == "GT_Object"


@pytest.mark.parametrize("train", ["TrainDataset", "TrainValDataset", "train_dataset"])
def test_train_and_test_dataset_folders(tmp_path: Path, train: str) -> None:
    root = tmp_path / "bench"
    fill(root / train, "Imgs", "GT", "a")
    for name in ("CAMO", "CHAMELEON", "COD10K", "NC4K"):
        fill(root / "TestDataset" / name, "Imgs", "GT", "x")
    assert find(root) == ["bench/a"]
    assert find(root, "test") == ["CAMO/x", "CHAMELEON/x", "COD10K/x", "NC4K/x"]


@pytest.mark.parametrize("above", ["TestDataset", "TestDataset/CAMO"])
def test_a_root_below_testdataset_is_still_test_data(tmp_path: Path, above: str) -> None:
    fill(tmp_path / "TestDataset/CAMO", "Imgs", "GT", "x")
    assert find(tmp_path / above, "test") == ["CAMO/x"]
    with pytest.raises(DataError, match="no training pairs"):
        find(tmp_path / above)


def test_a_root_that_is_a_split_takes_the_name_above(tmp_path: Path) -> None:
    fill(tmp_path / "COD10K-v3/Train", "Image", "GT_Object", "a")
    assert find(tmp_path / "COD10K-v3/Train") == ["COD10K-v3/a"]


def test_a_folder_above_the_root_says_nothing_about_the_split(tmp_path: Path) -> None:
    fill(tmp_path / "test/Mine", "Imgs", "GT", "a")
    assert find(tmp_path / "test/Mine") == ["Mine/a"]


def test_camo_as_published_shares_its_masks(tmp_path: Path) -> None:
    root = tmp_path / "CAMO-V.1.0"
    for split, stem in (("Train", "a"), ("Test", "b")):
        touch(root / "Images" / split / f"{stem}.jpg")
        touch(root / "GT" / f"{stem}.png")
    touch(root / "GT/lone.png")
    train, test = (find_pairs([root], split) for split in ("train", "test"))
    assert keys(train) == ["CAMO-V.1.0/a"]
    assert keys(test) == ["CAMO-V.1.0/b"]
    assert train.orphans == (root / "GT/lone.png",)
    assert train.sources == ("CAMO-V.1.0: 1 pairs in Images/Train + GT, 1 files without a partner",)


def test_splits_inside_both_folders(tmp_path: Path) -> None:
    for split, stem in (("train", "a"), ("test", "b")):
        touch(tmp_path / "S/images" / split / f"{stem}.jpg")
        touch(tmp_path / "S/masks" / split / f"{stem}.png")
    assert find(tmp_path / "S") == ["S/a"]
    assert find(tmp_path / "S", "test") == ["S/b"]


@pytest.mark.parametrize("names", [("Imgs", "GT"), ("im", "gt"), ("Image", "GT")])
def test_a_flat_set_serves_both_splits(tmp_path: Path, names: tuple[str, str]) -> None:
    fill(tmp_path / "Mine", *names, "a")
    assert find(tmp_path / "Mine") == find(tmp_path, "test") == ["Mine/a"]


@pytest.mark.parametrize("name", ["CHAMELEON", "NC4K", "chameleon_TestingDataset", "NC4K-main"])
@pytest.mark.parametrize("inside", ["", "Train"])
def test_sets_published_to_test_on_never_train(tmp_path: Path, name: str, inside: str) -> None:
    fill(tmp_path / name / inside, "Imgs", "GT", "a")
    assert len(find(tmp_path / name, "test")) == 1
    with pytest.raises(DataError, match="published to test on"):
        find(tmp_path / name)
    fill(tmp_path / "Mine", "Imgs", "GT", "b")
    assert find(tmp_path) == ["Mine/b"]


def test_validation_folders_belong_to_neither_split(tmp_path: Path) -> None:
    fill(tmp_path / "S/val", "im", "gt", "v")
    fill(tmp_path / "S/train", "im", "gt", "a")
    assert find(tmp_path / "S") == ["S/a"]
    with pytest.raises(DataError, match="validation only"):
        find(tmp_path / "S", "test")


def test_several_sets_below_one_root_come_in_order_of_key(tmp_path: Path) -> None:
    fill(tmp_path / "more/Z", "Imgs", "GT", "b", "a")
    fill(tmp_path / "A/Train", "Image", "GT", "z")
    assert find(tmp_path) == ["A/z", "Z/a", "Z/b"]


def test_folders_four_levels_down_are_not_searched(tmp_path: Path) -> None:
    fill(tmp_path / "1/2/3", "Imgs", "GT", "a")
    assert find(tmp_path) == ["3/a"]
    fill(tmp_path / "deep/1/2/3/4", "Imgs", "GT", "a")
    with pytest.raises(DataError, match="no data set in"):
        find(tmp_path / "deep")


def test_links_that_run_in_a_circle_end(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    (tmp_path / "S/again").symlink_to(tmp_path)
    assert find(tmp_path) == ["S/a"]


def test_pairs_by_stem_whatever_the_extension(tmp_path: Path) -> None:
    images = ["a.JPG", "b.jpeg", "c.PNG", "d.bmp", "e.tif", "f.TIFF", "g.webp", "h.v2.jpg"]
    for name in images:
        touch(tmp_path / "S/Imgs" / name)
        touch(tmp_path / "S/GT" / f"{Path(name).stem}.png")
    for noise in ("Thumbs.db", "._a.jpg", "a.txt"):
        touch(tmp_path / "S/Imgs" / noise)
    listing = find_pairs([tmp_path], "train")
    assert [pair.image.name for pair in listing.pairs] == images
    assert all(pair.image.stem == pair.mask.stem for pair in listing.pairs)
    assert listing.orphans == ()


def test_composed_and_decomposed_accents_are_one_name(tmp_path: Path) -> None:
    touch(tmp_path / "S/Imgs/e\u0301.jpg")
    touch(tmp_path / "S/GT/\u00e9.png")
    assert find(tmp_path) == ["S/\u00e9"]


def test_orphans_of_both_kinds_are_listed(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    lone = [touch(tmp_path / "S/GT/y.png"), touch(tmp_path / "S/Imgs/x.jpg")]
    assert find_pairs([tmp_path], "train").orphans == tuple(lone)


@pytest.mark.parametrize("folder", ["Imgs", "GT"])
def test_two_files_of_one_stem_are_refused_by_name(tmp_path: Path, folder: str) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    touch(tmp_path / "S" / folder / "a.bmp")
    with pytest.raises(DataError, match=r"a\.bmp and a\.(jpg|png)") as caught:
        find(tmp_path)
    assert caught.value.what.endswith(folder)


def test_a_set_reached_twice_counts_once(tmp_path: Path) -> None:
    fill(tmp_path / "S/Train", "Imgs", "GT", "a", "b")
    (tmp_path / "link").symlink_to(tmp_path / "S")
    roots = [tmp_path / "S", tmp_path, tmp_path / "S/Train", tmp_path / "link", tmp_path / "S/../S"]
    assert keys(find_pairs(roots, "train")) == ["S/a", "S/b"]


def test_a_copy_of_a_set_counts_once(tmp_path: Path) -> None:
    fill(tmp_path / "A", "Imgs", "GT", "a", "b")
    shutil.copytree(tmp_path / "A", tmp_path / "B/TrainDataset")
    touch(tmp_path / "B/TrainDataset/Imgs/b.jpg", "another photograph")
    for roots in ([tmp_path / "A", tmp_path / "B"], [tmp_path / "B", tmp_path / "A"]):
        listing = find_pairs(roots, "train")
        assert keys(listing) == ["A/a", "A/b", "B/b"]
        assert any("1 more are copies" in line for line in listing.sources)


def test_different_sets_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    for above in ("old", "new/x", "new/y"):
        fill(tmp_path / above / "CAMO", "Imgs", "GT", "a")
    assert find(tmp_path) == ["CAMO@old/a", "CAMO@x/a", "CAMO@y/a"]


def test_names_take_as_many_folders_as_tell_them_apart(tmp_path: Path) -> None:
    for above in ("p/data", "q/data"):
        fill(tmp_path / above / "CAMO", "Imgs", "GT", "a")
    assert find(tmp_path) == ["CAMO@data@p/a", "CAMO@data@q/a"]


def test_two_different_images_of_one_key_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "S/TrainDataset", "Imgs", "GT", "a")
    fill(tmp_path / "S/TrainValDataset", "Imgs", "GT", "a")
    with pytest.raises(DataError, match=r"two different images are called S/a"):
        find(tmp_path / "S")


def test_no_root() -> None:
    with pytest.raises(DataError, match="--dataset-path: not given"):
        find_pairs([], "train")


def test_a_missing_root_says_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path / "COD10K/readme.txt")
    with pytest.raises(
        DataError, match=r"--dataset-path: .*C0D10K/Train does not exist; .* COD10K"
    ):
        find(tmp_path / "C0D10K/Train")
    with pytest.raises(DataError, match="is not a folder"):
        find(tmp_path / "COD10K/readme.txt")


def test_a_root_without_a_layout_says_what_was_looked_for_and_what_is_there(
    tmp_path: Path,
) -> None:
    for number in range(9):
        touch(tmp_path / f"file{number}.txt")
    with pytest.raises(DataError) as caught:
        find(tmp_path)
    text = str(caught.value)
    for part in ("--dataset-path", "GT_Object", "Imgs", "file0.txt, file1.txt", "and 3 more"):
        assert part in text


def test_an_empty_split_says_which_one_there_is(tmp_path: Path) -> None:
    fill(tmp_path / "S/Test", "Imgs", "GT", "a")
    with pytest.raises(DataError, match=r"no training pairs .* Test/Imgs \+ Test/GT \(test only\)"):
        find(tmp_path)
