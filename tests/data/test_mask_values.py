from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.mask_values import (
    Form,
    decide_meaning,
    form_of,
    given_meaning,
    parse_given,
    seems_swapped,
)
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
    assert form_of(see_mask(tmp_path / "a.png")) is Form.BLANK


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
