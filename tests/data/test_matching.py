import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from decamo.data.finding import PairSource, sources_under
from decamo.data.matching import mask_affix, match_stems, why_unmatched
from decamo.data.name_rules import pair_up
from decamo.data.pairs import files_by_stem
from decamo.errors import DataError


@pytest.fixture
def source(tmp_path: Path) -> PairSource:
    for name in ("Imgs", "GT"):
        (tmp_path / name).mkdir()
    return PairSource("set", tmp_path, tmp_path / "Imgs", tmp_path / "GT", "", False)


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).touch()


def test_extension_and_its_case_do_not_matter(source: PairSource) -> None:
    touch(source.images, "a.JPG", "b.jpeg", "c.webp", "notes.txt", "._a.JPG")
    touch(source.masks, "a.png", "b.BMP", "c.tif")
    found = match_stems(source, "train")
    pairs, orphans = found.pairs, found.orphans
    assert [(p.stem, p.mask.name, p.split) for p in pairs] == [
        ("a", "a.png", "train"),
        ("b", "b.BMP", "train"),
        ("c", "c.tif", "train"),
    ]
    assert orphans == ()


def test_order_of_files_never_pairs_strangers(source: PairSource) -> None:
    touch(source.images, "1.jpg", "2.jpg", "3.jpg")
    touch(source.masks, "2.png", "3.png", "4.png")
    found = match_stems(source, "train")
    pairs, orphans = found.pairs, found.orphans
    assert [(p.image.stem, p.mask.stem) for p in pairs] == [("2", "2"), ("3", "3")]
    assert [o.name for o in orphans] == ["4.png", "1.jpg"]


def test_two_files_of_one_stem_are_refused(source: PairSource) -> None:
    touch(source.images, "a.jpg", "a.png")
    with pytest.raises(DataError, match=r"a\.jpg and a\.png have the same name"):
        match_stems(source, "train")


def test_accents_match_however_they_are_written(source: PairSource) -> None:
    touch(source.images, unicodedata.normalize("NFD", "gökkuş") + ".jpg")
    touch(source.masks, unicodedata.normalize("NFC", "gökkuş") + ".png")
    assert len(match_stems(source, "train").pairs) == 1


def test_a_link_to_itself_is_no_file(tmp_path: Path) -> None:
    for name in ("Image", "GT"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ring.png").symlink_to("ring.png")
    (source,) = sources_under(tmp_path)
    found = match_stems(source, "train")
    assert (list(found.pairs), found.orphans) == ([], ())


def test_files_by_stem_leave_out_hidden_ones_and_other_kinds(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "._a.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert files_by_stem(tmp_path) == {"a": tmp_path / "a.jpg", "b": tmp_path / "b.PNG"}


KINDS: dict[str, tuple[list[str], list[str], str]] = {
    "ending": (["img_1", "img_2"], ["img_1_mask", "img_2_mask"], "end in _mask"),
    "beginning": (["1", "2", "10"], ["mask_1", "mask_2", "mask_10"], "begin with mask_"),
    "words on both sides": (["104_sat", "9_sat"], ["104_mask", "9_mask"], "104_mask for 104_sat"),
    "img and gt": (["img_1", "img_2"], ["gt_1", "gt_2"], "gt_1 for img_1"),
    "ISIC": (["ISIC_01", "ISIC_02"], ["ISIC_01_segmentation", "ISIC_02_segmentation"], "end in"),
    "DRIVE": (["21_training", "40_training"], ["21_manual1", "40_manual1"], "21_manual1"),
    "unknown ending": (["a", "b", "c"], ["a-cut", "b-cut", "c-cut"], "end in -cut"),
    "nnU-Net": (["c_001_0000", "c_002_0000"], ["c_001", "c_002"], "c_001 for c_001_0000"),
    "glued": (["cat", "dog"], ["catGT", "dogGT"], "end in GT"),
    "case": (["IMG_1", "IMG_2"], ["img_1", "img_2"], "case of letters"),
    "padding": (["1", "2", "10"], ["001", "002", "010"], "001 for 1"),
    "flat masks": (["frog/a", "owl/b"], ["a", "b"], "other folders"),
    "edges beside masks": (["a", "b"], ["a_mask", "b_mask", "a_edge", "b_edge"], "end in _mask"),
    "some lack theirs": (list("abcdefghij"), [f"{c}_m" for c in "abcdefgh"], "end in _m"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_names_may_differ_by_one_rule_for_all(kind: str) -> None:
    images, masks, note = KINDS[kind]
    found = pair_up(images, masks)
    assert len(found.masks) == min(len(images), len(masks))
    assert note in found.note
    ranked = [found.masks[image] for image in images if image in found.masks]
    assert ranked == masks[: len(ranked)]


STRANGERS: dict[str, tuple[list[str], list[str]]] = {
    "numbers that go on": (["1", "2", "3"], ["10", "20", "30"]),
    "other numbers": (["1", "2", "3"], ["4", "5", "6"]),
    "two masks for each": (["a", "b"], ["a_mask", "a_gt", "b_mask", "b_gt"]),
    "instances": (["a", "b"], ["a_0", "a_1", "b_0", "b_1"]),
    "words that go on": (["car", "can"], ["carton", "canton"]),
    "other names": (["frog", "owl"], ["x1", "x2"]),
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_strangers_are_never_paired(kind: str) -> None:
    assert pair_up(*STRANGERS[kind]).masks == {}


def test_where_most_names_are_equal_no_rule_is_tried() -> None:
    images, masks = ["a", "b", "c", "d"], ["a", "b", "c", "d_mask"]
    assert pair_up(images, masks).masks == {"a": "a", "b": "b", "c": "c"}


@pytest.mark.parametrize("given", ["_mask", "_mask.png"])
def test_a_suffix_that_is_given_decides(given: str) -> None:
    images, masks = ["a", "b"], ["a_mask", "a_gt", "b_mask", "b_gt", "a"]
    assert pair_up(images, masks, mask_affix(given)).masks == {"a": "a_mask", "b": "b_mask"}
    assert mask_affix("_v1.5") == "_v1.5"


REASONS: dict[str, tuple[list[str], list[str], str]] = {
    "an extension that is not read": (["a.jpg"], ["a.mat"], r"no mask in .*GT: 1 \.mat cannot"),
    "no image at all": (["a.heic"], ["a.png"], r"no image in .*Imgs: 1 \.heic cannot be read"),
    "nothing there": (["a.jpg"], [], "no mask in .*GT: it holds nothing"),
    "other names": (["a.jpg"], ["x.png"], r"\(a.jpg\) and 1 mask .*\(x.png\) have no name"),
    "several": (["a.jpg"], ["a_0.png", "a_1.png"], "a could belong to 2 masks: a_0, a_1"),
}


@pytest.mark.parametrize("kind", REASONS)
def test_the_reason_is_the_true_one(source: PairSource, kind: str) -> None:
    images, masks, reason = REASONS[kind]
    touch(source.images, *images)
    touch(source.masks, *masks)
    assert match_stems(source, "train").pairs == ()
    assert re.search(reason, why_unmatched(source, "")[0])


def test_a_suffix_that_finds_nothing_is_named(source: PairSource) -> None:
    touch(source.images, "a.jpg")
    touch(source.masks, "a_gt.png")
    assert match_stems(source, "train", "_mask").pairs == ()
    assert "with _mask: it holds a_gt.png" in why_unmatched(source, "_mask")[0]


def test_images_that_several_mask_folders_share_are_no_orphans(source: PairSource) -> None:
    other = source.home / "Test"
    other.mkdir()
    touch(source.images, "a.jpg", "b.jpg", "c.jpg")
    touch(source.masks, "a.png")
    touch(other, "b.png")
    found = match_stems(replace(source, rivals=(other,)), "train")
    assert [p.stem for p in found.pairs] == ["a"]
    assert [o.name for o in found.orphans] == ["c.jpg"]
