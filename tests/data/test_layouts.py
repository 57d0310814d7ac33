import shutil
from pathlib import Path
from typing import Literal

import pytest

from decamo.data.layouts import Listing, find_pairs
from decamo.data.wanted import Wanted
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
    assert train.sources == ("CAMO-V.1.0: 1 pair in Images/Train + GT, 1 file without a partner",)


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
        assert any("1 more is a copy" in line for line in listing.sources)


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


# What a layout holds, which stems train, which are to test on.
HALVES: dict[str, tuple[list[tuple[str, str, str, list[str]]], list[str], list[str]]] = {
    "BiRefNet": (
        [("TR-COD10K+CAMO", "im", "gt", ["a"]), ("TE-COD10K", "im", "gt", ["b"]),
         ("TE-CAMO", "im", "gt", ["c"])], ["a"], ["b", "c"]),
    "DIS5K": (
        [("DIS-TR", "im", "gt", ["a"]), ("DIS-VD", "im", "gt", ["v"]),
         ("DIS-TE1", "im", "gt", ["b"]), ("DIS-TE4", "im", "gt", ["c"])], ["a"], ["b", "c"]),
    "DUTS": (
        [("DUTS-TR", "DUTS-TR-Image", "DUTS-TR-Mask", ["a"]),
         ("DUTS-TE", "DUTS-TE-Image", "DUTS-TE-Mask", ["b"])], ["a"], ["b"]),
    "DUTS, one folder": (
        [("", "DUTS-TR-Image", "DUTS-TR-Mask", ["a"]),
         ("", "DUTS-TE-Image", "DUTS-TE-Mask", ["b"])], ["a"], ["b"]),
    "MoCA-Mask": (
        [("TrainDataset_per_sq/fox", "Imgs", "GT", ["0"]),
         ("TrainDataset_per_sq/owl", "Imgs", "GT", ["0"]),
         ("TestDataset_per_sq/crab", "Imgs", "GT", ["0"])], ["fox/0", "owl/0"], ["crab/0"]),
    "training_set": (
        [("training_set", "images", "masks", ["a"]), ("test_set", "images", "masks", ["b"])],
        ["a"], ["b"]),
    "nnU-Net": (
        [("Task01", "imagesTr", "labelsTr", ["a"]), ("Task01", "imagesTs", "labelsTs", ["b"])],
        ["a"], ["b"]),
    "COCO's years": (
        [("", "images/train2017", "masks/train2017", ["a"]),
         ("", "images/val2017", "masks/val2017", ["v"]),
         ("", "images/test-dev2017", "masks/test-dev2017", ["b"])], ["a"], ["b"]),
    "halves below the roles, in capitals": (
        [("S", "IMAGES/TRAIN", "MASKS/TRAIN", ["a"]), ("S", "IMAGES/TEST", "MASKS/TEST", ["b"])],
        ["a"], ["b"]),
    "masks alone are parted": (
        [("S", "Imgs", "GT/Train", ["a"]), ("S", "Imgs", "GT/Test", ["b"])], ["a"], ["b"]),
    "names of files": (
        [("S", "Imgs", "GT", ["TR_1", "TR_2", "TE_1", "VD_1"])], ["TR_1", "TR_2"], ["TE_1"]),
    "endings of files": (
        [("S", "Imgs", "GT", ["1_train", "2_train", "3_test"])], ["1_train", "2_train"],
        ["3_test"]),
    "three letters": (
        [("trn", "img", "mask", ["a"]), ("tst", "img", "mask", ["b"])], ["a"], ["b"]),
    "words within words": (
        [("contest", "Imgs", "GT", ["a"]), ("latest", "Imgs", "GT", ["b"]),
         ("strain_trainer", "Imgs", "GT", ["c"])], ["a", "b", "c"], ["a", "b", "c"]),
    "runs and results are no halves": (
        [("training_runs/S", "Imgs", "GT", ["a"]), ("test_results/T", "Imgs", "GT", ["b"])],
        ["a", "b"], ["a", "b"]),
    "a validation half within the training half": (
        [("training/S", "im", "gt", ["a"]), ("training/validation", "im", "gt", ["v"])],
        ["a"], []),
    "Chinese": (
        [("训练集", "Imgs", "GT", ["a"]), ("测试集", "Imgs", "GT", ["b"])], ["a"], ["b"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", HALVES)
def test_which_half_is_which(tmp_path: Path, kind: str) -> None:
    layout, trains, tests = HALVES[kind]
    for place, images, masks, stems in layout:
        fill(tmp_path / "root" / place, images, masks, *stems)
    splits: list[tuple[Literal["train", "test"], list[str]]] = [("train", trains), ("test", tests)]
    for split, expected in splits:
        if not expected:
            with pytest.raises(DataError, match=f"no {split}"):
                find_pairs([tmp_path / "root"], split)
            continue
        pairs = find_pairs([tmp_path / "root"], split).pairs
        assert sorted(pair.stem for pair in pairs) == sorted(expected)


@pytest.mark.parametrize("above", ["test", "training_runs", "test_data", "val", "my_test/x"])
def test_a_folder_above_the_data_decides_nothing(tmp_path: Path, above: str) -> None:
    fill(tmp_path / above / "Mine", "Imgs", "GT", "a")
    assert find(tmp_path / above / "Mine") == ["Mine/a"]
    assert find(tmp_path / above) == ["Mine/a"]


def test_a_bare_half_beside_its_counterpart_is_meant(tmp_path: Path) -> None:
    fill(tmp_path / "S/Train", "Imgs", "GT", "a")
    fill(tmp_path / "S/Test/CAMO", "Imgs", "GT", "b")
    with pytest.raises(DataError, match=r"no training pairs .*\(test only\)"):
        find(tmp_path / "S/Test")
    assert find(tmp_path / "S/Test", "test") == ["CAMO/b"]


UNCLEAR: dict[str, tuple[list[str], str, str]] = {
    "a bare test folder": (["Test"], "Test", "Test may be no more than a name"),
    "folds": (["r/fold1", "r/fold2"], "r", "fold1, fold2 lie side by side"),
    "parts": (["r/part_A", "r/part_B", "r/part_C"], "r", "part_A, part_B, part_C lie side"),
    "both words": (["r/train_test"], "r", "train_test says both"),
    "train within test": (["r/TestDataset/CAMO/Train"], "r", "Train lies in TestDataset"),
    "a test half without a word": (
        ["r/TrainDataset", "r/CAMO"], "r", "CAMO is published in two halves"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNCLEAR)
def test_what_is_unclear_does_not_train_until_it_is_said(tmp_path: Path, kind: str) -> None:
    places, root, why = UNCLEAR[kind]
    for number, place in enumerate(places):
        fill(tmp_path / place, "Imgs", "GT", f"x{number}")
    with pytest.raises(DataError, match=f"it is unclear whether .*{why}.*--train-on") as caught:
        find(tmp_path / root)
    assert "\n" not in str(caught.value)
    assert find_pairs([tmp_path / root], "test").pairs
    last = places[-1].split("/")[-1]
    said = find_pairs([tmp_path / root], "train", Wanted(train_on=(last,)))
    assert [pair.stem for pair in said.pairs] == [f"x{len(places) - 1}"]
    if len(places) > 1:
        said = find_pairs([tmp_path / root], "train", Wanted(test_on=(last,)))
        assert [pair.stem for pair in said.pairs] == [f"x{n}" for n in range(len(places) - 1)]


def test_files_of_which_some_are_named_for_testing_are_unclear(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a", "b", "c", "test_1")
    with pytest.raises(DataError, match=r"1 of its 4 files has a name such as test_1\.jpg"):
        find(tmp_path)
    said = find_pairs([tmp_path], "train", Wanted(test_on=("test_*",)))
    assert [pair.stem for pair in said.pairs] == ["a", "b", "c"]


def test_lists_of_names_say_which_files_are_to_test_on(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a", "b", "c")
    touch(tmp_path / "S/test.txt", "c.jpg c.png\n")
    listing = find_pairs([tmp_path], "train")
    assert keys(listing) == ["S/a", "S/b"]
    assert listing.sources == ("S: 2 pairs in Imgs + GT (1 more is not to train on, by test.txt)",)


@pytest.mark.parametrize(
    ("lists", "train", "test", "left"),
    [
        ({"train": "ab", "test": "cd"}, "ab", "cd", 2),
        ({"train": "ab", "val": "cd"}, "ab", "", 2),
        ({"train": "ab", "val": "c", "test": "def"}, "ab", "def", 0),
        ({"trainval": "abc", "test": "d"}, "abc", "d", 2),
        ({"train": "abcde", "test": "e"}, "abcd", "e", 1),  # in both: to test on
        ({"test": "cd"}, "abef", "cd", 0),
        ({"val": "cd"}, "abef", "", 0),
        ({"train": "abc"}, "abcdef", "abcdef", 0),  # no list to test on: the set is whole
    ],
    ids=str,
)
def test_what_no_list_names_is_in_no_half(
    tmp_path: Path, lists: dict[str, str], train: str, test: str, left: int
) -> None:
    fill(tmp_path / "S", "Imgs", "GT", *"abcdef")
    for name, stems in lists.items():
        touch(tmp_path / f"S/{name}.txt", "\n".join(stems))
    halves: dict[Literal["train", "test"], str] = {"train": train, "test": test}
    for split, stems in halves.items():
        if not stems:
            with pytest.raises(DataError, match=f"no {split} pairs"):
                find(tmp_path, split)
            continue
        listing = find_pairs([tmp_path], split)
        assert keys(listing) == [f"S/{stem}" for stem in stems]
        (line,) = listing.sources
        words = f"{left} more {'is' if left == 1 else 'are'} in none of "
        assert (words in line) == bool(left), line
        assert "and left out; a name that is added to a list is taken in" in line or not left


def test_a_folder_for_each_image_with_several_masks_is_refused(tmp_path: Path) -> None:
    """Data Science Bowl 2018: a mask for each nucleus."""
    for name, masks in (("id1", 3), ("id2", 1), ("id3", 2)):
        touch(tmp_path / f"stage1_train/{name}/images/{name}.png")
        for number in range(masks):
            touch(tmp_path / f"stage1_train/{name}/masks/{name}_{number}.png")
    for root in (tmp_path, tmp_path / "stage1_train"):
        with pytest.raises(DataError, match=r"a folder for each of 3 images.*the 3 in .*id1.*join"):
            find(root)


def test_folders_of_one_image_and_its_mask_are_no_pieces(tmp_path: Path) -> None:
    for name in ("one", "two", "three"):
        fill(tmp_path / name, "images", "masks", name)
    assert len(find(tmp_path)) == 3


def test_one_of_a_kind_is_told_as_one(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    touch(tmp_path / "S/GT/b.png")
    assert find_pairs([tmp_path], "train").sources == (
        "S: 1 pair in Imgs + GT, 1 file without a partner",
    )


def test_a_known_number_of_images_is_the_published_test_half(tmp_path: Path) -> None:
    fill(tmp_path / "CAMO", "Imgs", "GT", *(f"c{n}" for n in range(250)))
    with pytest.raises(DataError, match="no training pairs"):
        find(tmp_path)
    fill(tmp_path / "CAMO", "Imgs", "GT", "c250")
    assert len(find(tmp_path)) == 251


@pytest.mark.parametrize("given", ["nowhere", "TR-*"])
def test_a_pattern_that_names_nothing_is_refused(tmp_path: Path, given: str) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    with pytest.raises(DataError, match="which names no folder or file of images"):
        find_pairs([tmp_path], "train", Wanted(train_on=(given,)))


def test_both_flags_may_not_name_one_set(tmp_path: Path) -> None:
    fill(tmp_path / "S", "Imgs", "GT", "a")
    with pytest.raises(DataError, match="it and --test-on both name"):
        find_pairs([tmp_path], "train", Wanted(train_on=("S",), test_on=("s*",)))


def test_sets_published_to_test_on_stay_so_whatever_is_said(tmp_path: Path) -> None:
    fill(tmp_path / "NC4K", "Imgs", "GT", "a")
    with pytest.raises(DataError, match="published to test on"):
        find_pairs([tmp_path], "train", Wanted(train_on=("NC4K",)))


def test_all_sequences_of_a_set_are_one_line(tmp_path: Path) -> None:
    for name in ("fox", "owl"):
        fill(tmp_path / "MoCA/TrainDataset_per_sq" / name, "Imgs", "GT", "0", "1")
    listing = find_pairs([tmp_path], "train")
    assert keys(listing) == ["MoCA/fox/0", "MoCA/fox/1", "MoCA/owl/0", "MoCA/owl/1"]
    assert listing.sources == ("MoCA: 4 pairs of 2 sequences in TrainDataset_per_sq/*",)
    assert find(tmp_path / "MoCA/TrainDataset_per_sq") == keys(listing)


NAMES: dict[str, tuple[list[str], list[str], str]] = {
    ".gif masks": (["Imgs/a.jpg"], ["GT/a.gif"], "S/a"),
    ".npy masks": (["Imgs/a.jpg"], ["GT/a.npy"], "S/a"),
    ".webp and .tif": (["Imgs/a.webp"], ["GT/a.TIF"], "S/a"),
    "nested": (["Imgs/frog/a.jpg", "Imgs/owl/a.jpg"], ["GT/frog/a.png", "GT/owl/a.png"],
               "S/frog/a S/owl/a"),
    "nested, flat masks": (["Imgs/frog/a.jpg", "Imgs/owl/b.jpg"], ["GT/a.png", "GT/b.png"],
                           "S/frog/a S/owl/b"),
    "DAVIS": (["JPEGImages/480p/bear/0.jpg"], ["Annotations/480p/bear/0.png"], "S/480p/bear/0"),
    "suffix": (["Imgs/a.jpg", "Imgs/b.jpg"], ["GT/a_mask.png", "GT/b_mask.png"], "S/a S/b"),
    "case": (["Imgs/A.JPG"], ["GT/a.png"], "S/A"),
    "labels": (["images/a.jpg"], ["labels/a.png"], "S/a"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NAMES)
def test_masks_are_found_under_other_names(tmp_path: Path, kind: str) -> None:
    images, masks, expected = NAMES[kind]
    for name in (*images, *masks):
        touch(tmp_path / "S" / name)
    assert find(tmp_path) == expected.split()


def test_how_names_differ_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "S/Imgs/a.jpg")
    touch(tmp_path / "S/GT/a_mask.png")
    (line,) = find_pairs([tmp_path], "train").sources
    assert line == "S: 1 pair in Imgs + GT (names of masks end in _mask, such as a_mask for a)"


def test_a_set_without_pairs_beside_others_says_why(tmp_path: Path) -> None:
    fill(tmp_path / "A", "Imgs", "GT", "a")
    touch(tmp_path / "B/Imgs/b.jpg")
    touch(tmp_path / "B/GT/b.mat")
    assert "no mask in" in find_pairs([tmp_path], "train").sources[1]
    with pytest.raises(DataError, match=r"1 \.mat cannot be read; convert them to one of"):
        find(tmp_path / "B")


def test_labels_of_boxes_are_no_masks(tmp_path: Path) -> None:
    fill(tmp_path / "A", "Imgs", "GT", "a")
    touch(tmp_path / "yolo/images/b.jpg")
    touch(tmp_path / "yolo/labels/b.txt")
    assert find(tmp_path) == ["A/a"]
