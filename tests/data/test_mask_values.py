from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.given_values import given_meaning, parse_given, same_labels, same_words
from decamo.data.mask_forms import (
    MaskForm,
    counts_as_empty,
    form_of,
    seems_a_photograph,
    seems_swapped,
)
from decamo.data.mask_values import decide_meaning
from decamo.data.reading import read_labels, read_mask, see_mask
from decamo.data.rules import MaskMeaning, Plane, ReadingRule, Rest
from decamo.errors import DataError, SettingsError
from tests.data.mask_sets import SETS, save_set, truth

BEFORE = ["0/1", "0/255", "one bit", "soft edges", "JPEG", "PNG that was a JPEG"]
BEFORE += ["one of 40 is 0/1", "16 bit 0/65535", "floats", "mask in alpha", "grey and alpha"]


@pytest.mark.parametrize("name", SETS)
def test_the_object_is_read_from_whatever_a_set_stores(tmp_path: Path, name: str) -> None:
    paths = save_set(tmp_path, name, 6)
    meaning = decide_meaning([see_mask(path) for path in paths])
    for number, path in enumerate(paths):
        labels = read_labels(path, ReadingRule(meaning))
        known = np.True_ if labels.void is None else ~labels.void
        missed = np.count_nonzero((labels.object ^ truth(number)) & known)
        assert missed <= (30 if any(word in name for word in ("soft", "JPEG", "WebP")) else 0)
        assert (labels.void is not None) == ("void" in name or "Oxford" in name or "VOC" in name
                                             or "int64" in name)  # fmt: skip
        if labels.void is not None:
            assert 0 < labels.void.mean() < 0.15
    assert not seems_swapped([see_mask(path) for path in paths], meaning)


@pytest.mark.parametrize("name", BEFORE)
def test_what_was_read_rightly_by_itself_still_is(tmp_path: Path, name: str) -> None:
    paths = save_set(tmp_path, name, 40 if "40" in name else 6)
    meaning = decide_meaning([see_mask(path) for path in paths])
    assert meaning == MaskMeaning()
    for number, path in enumerate(paths):
        assert np.array_equal(read_mask(path), truth(number))


def test_soft_edges_are_cut_at_128_as_before(tmp_path: Path) -> None:
    paths = save_set(tmp_path, "soft edges", 4)
    rule = ReadingRule(decide_meaning([see_mask(path) for path in paths]))
    for path in paths:
        assert np.array_equal(read_mask(path, rule), np.asarray(Image.open(path)) >= 128)


def test_a_set_of_empty_masks_is_empty(tmp_path: Path) -> None:
    Image.new("L", (9, 7)).save(tmp_path / "a.png")
    meaning = decide_meaning([see_mask(tmp_path / "a.png")] * 3)
    assert not read_mask(tmp_path / "a.png", ReadingRule(meaning)).any()
    assert form_of(see_mask(tmp_path / "a.png")) is MaskForm.BLANK


@pytest.mark.parametrize("name", ["one bit", "0/255", "0/1", "0/1 with void 255"])
def test_object_and_ground_swapped_are_noticed(tmp_path: Path, name: str) -> None:
    paths = save_set(tmp_path, name, 5)
    for path in paths:
        values = np.asarray(Image.open(path).convert("L"))
        top = 1 if "0/1" in name else 255
        turned = np.where(values > top, values, top - np.minimum(values, top))
        Image.fromarray(turned.astype(np.uint8)).save(path)
    looks = [see_mask(path) for path in paths]
    meaning = decide_meaning(looks)
    assert seems_swapped(looks, meaning)
    mended = given_meaning(["object=0"], looks)
    for number, path in enumerate(paths):
        labels = read_labels(path, ReadingRule(mended))
        known = np.asarray(Image.open(path).convert("L")) <= (1 if "0/1" in name else 255)
        assert np.array_equal(labels.object & known, truth(number) & known)


def test_a_single_picture_full_of_its_object_is_not_swapped(tmp_path: Path) -> None:
    Image.fromarray(np.where(truth(0), 0, 255).astype(np.uint8)).save(tmp_path / "a.png")
    assert not seems_swapped([see_mask(tmp_path / "a.png")], MaskMeaning())


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["object=1"], MaskMeaning(Plane.LEVELS, (1,), rest=Rest.GROUND)),
        (["object=1", "void=255"], MaskMeaning(Plane.LEVELS, (1,), (), (255,), Rest.GROUND)),
        (["ground=0", "void=255"], MaskMeaning(Plane.LEVELS, (), (0,), (255,), Rest.OBJECT)),
        (["object=1", "ground=0"], MaskMeaning(Plane.LEVELS, (1,), (0,), (), Rest.VOID)),
        (["void=255"], MaskMeaning(Plane.LEVELS, (), (0,), (255,), Rest.OBJECT)),
        (["object=1-3,9"], MaskMeaning(Plane.LEVELS, (1, 2, 3, 9), rest=Rest.GROUND)),
        (["object=#FF0000"], MaskMeaning(Plane.COLOUR, (0xFF0000,), rest=Rest.GROUND)),
    ],
)
def test_what_a_user_says_goes(tmp_path: Path, words: list[str], want: MaskMeaning) -> None:
    looks = [see_mask(path) for path in save_set(tmp_path, "0/1 with void 255", 3)]
    assert given_meaning(words, looks) == want


@pytest.mark.parametrize(
    "words", [["objekt=1"], ["object"], ["object="], ["object=a"], ["object=3-1"], ["object=1,1"],
              ["object=1", "void=1"], ["object=1", "object=2"], ["object=70000"]]
)  # fmt: skip
def test_what_cannot_be_meant_is_told(words: list[str]) -> None:
    with pytest.raises(SettingsError, match="--mask-values"):
        parse_given(words)


def test_an_object_that_no_mask_has_is_told_with_what_they_have(tmp_path: Path) -> None:
    looks = [see_mask(path) for path in save_set(tmp_path, "0/1 with void 255", 3)]
    with pytest.raises(DataError, match="0, 1, 255"):
        given_meaning(["object=7"], looks)


def test_soft_edges_under_given_values_go_to_the_nearest(tmp_path: Path) -> None:
    paths = save_set(tmp_path, "JPEG", 3)
    meaning = given_meaning(["object=255"], [see_mask(path) for path in paths])
    for number, path in enumerate(paths):
        assert np.array_equal(read_mask(path, ReadingRule(meaning)), truth(number))


@pytest.mark.parametrize(
    ("name", "words"),
    [("JPEG", ["ground=0"]), ("JPEG", ["object=255"]), ("blue on white JPEG", ["object=#0000ff"]),
     ("blue on white JPEG", ["ground=#ffffff"]), ("soft edges, green on grey", ["object=#00a000"])]
)  # fmt: skip
def test_of_blurred_masks_one_value_is_enough(tmp_path: Path, name: str, words: list[str]) -> None:
    paths = save_set(tmp_path, name, 3)
    meaning = given_meaning(words, [see_mask(path) for path in paths])
    for number, path in enumerate(paths):
        object_ = read_mask(path, ReadingRule(meaning))
        assert np.count_nonzero(object_ ^ truth(number)) <= 30


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (["object=1-3"], ["object=3,2,1"], True),
        (["object=1", "void=255"], ["void=255", "object=1"], True),
        (["object=#ff0000"], ["object=#FF0000"], True),
        (["VOC:object=15", "object=1"], ["object=1", "VOC:object=15"], True),
        (["object=1"], ["object=2"], False),
        (["object=1"], [], False),
        (["VOC:object=15"], ["object=15"], False),
    ],
)
def test_words_that_say_the_same(one: list[str], other: list[str], same: bool) -> None:
    assert same_words(one, other) == same


@pytest.mark.parametrize(
    ("name", "words", "same"),
    [
        ("0/255", ["object=255"], True),
        ("0/1", ["object=1"], True),
        ("0/1", ["ground=0"], True),
        ("0/1 with void 255", ["object=1", "void=255"], True),
        ("0/1 with void 255", ["object=1", "ground=0"], True),
        ("class ids to 90", ["ground=0"], True),
        ("class ids to 90", ["object=1-90"], True),
        ("VOC's cat", ["object=8", "void=255"], True),
        ("0/255", ["object=0"], False),
        ("0/1 with void 255", ["object=1"], False),
        ("class ids to 90", ["object=1"], False),
    ],
)
def test_meanings_are_the_same_where_every_label_is(
    tmp_path: Path, name: str, words: list[str], same: bool
) -> None:
    paths = save_set(tmp_path, name, 4)
    looks = [see_mask(path) for path in paths]
    found, said = decide_meaning(looks), given_meaning(words, looks)
    assert same_labels(looks, found, said) == same
    pairs = [[read_labels(path, ReadingRule(one)) for one in (found, said)] for path in paths]
    none = np.zeros((96, 128), bool)
    assert same == all(
        np.array_equal(a.object, b.object)
        and np.array_equal(none if a.void is None else a.void, none if b.void is None else b.void)
        for a, b in pairs
    )


@pytest.mark.parametrize(
    ("name", "stray", "empty"),
    [
        ("0/255", "0/100", True),
        ("0/255", "JPEG of 0/100", True),
        ("0/255", "red, green or white", True),
        ("0/255", "0/1", False),
        ("0/255", "0/254", False),
        ("0/1 with void 255", "0/1", False),
        ("JPEG of 0/100", "soft edges", False),
    ],
)
def test_a_mask_that_counts_as_empty_is_known(
    tmp_path: Path, name: str, stray: str, empty: bool
) -> None:
    (tmp_path / "b").mkdir()
    looks = [see_mask(path) for path in save_set(tmp_path, name, 30)]
    odd = save_set(tmp_path / "b", stray, 1)[0]
    meaning = decide_meaning([*looks, see_mask(odd)])
    assert counts_as_empty(see_mask(odd), meaning) == empty
    assert read_mask(odd, ReadingRule(meaning)).any() != empty
    assert not any(counts_as_empty(look, meaning) for look in looks)


def test_photographs_are_told_from_masks(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(40, 200, (12, 16, 3)).astype(np.uint8)
    photograph = Image.fromarray(noise).resize((128, 96), Image.Resampling.BICUBIC)
    for mode in ("RGB", "L"):
        photograph.convert(mode).save(tmp_path / "p.png")
        assert seems_a_photograph(see_mask(tmp_path / "p.png"))
    for name in SETS:
        assert not seems_a_photograph(see_mask(save_set(tmp_path, name, 1)[0]))
