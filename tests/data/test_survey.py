import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.pixel_range import look_at_numbers
from decamo.data.reading import see_mask
from decamo.data.rules import MaskMeaning, PixelScale, Plane, ReadingRule, Rest
from decamo.data.survey import Sight, decide_rule
from tests.data.mask_sets import ring, save_set, truth


def sights(tmp_path: Path, name: str, count: int = 5) -> list[Sight]:
    return [Sight(path.name, see_mask(path)) for path in save_set(tmp_path, name, count)]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("0/255", "0/255 in 5 of 5 masks"),
        ("soft edges", "soft edges, cut at the half"),
        ("0/128", "; 128 is object (a tool that takes what exceeds 128 finds none)"),
        ("0/1 with void 255", "ground 0, void 255, object all else (1); object"),
        ("VOC's cat", "void palette index 255, object all else (palette index 8)"),
        ("VOC as RGB", "void colour #e0e0c0"),
        ("class ids to 90", "object all else (1, 10, 19, 28, 37)"),
        ("JPEG of 0/100", "values between as the nearest"),
        ("trimap of Oxford", "object 1, ground 2, void 3"),
    ],
)
def test_a_line_says_what_was_decided(tmp_path: Path, name: str, words: str) -> None:
    decided = decide_rule("SET", sights(tmp_path, name))
    (line,) = decided.lines
    assert line.startswith("masks of SET: ")
    assert words in line
    assert decided.warnings == ()


def test_a_mask_that_disagrees_with_its_set_is_named(tmp_path: Path) -> None:
    decided = decide_rule("SET", sights(tmp_path, "one of 40 is 0/1", 40))
    assert decided.rule == ReadingRule()
    (warning,) = decided.warnings
    assert "1 of 40 disagree" in warning
    assert "0/1 where the others are 0/255" in warning
    assert "s3.png" in warning


def test_swapped_masks_are_warned_of_with_the_flag_that_turns_them(tmp_path: Path) -> None:
    for path in save_set(tmp_path, "0/255", 4):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    seen = [Sight(p.name, see_mask(p)) for p in sorted(tmp_path.iterdir())]
    (warning,) = decide_rule("SET", seen).warnings
    assert warning.endswith("if so, give --mask-values object=0")
    assert decide_rule("SET", seen, given=["object=0"]).warnings == ()


def test_what_is_given_wins_over_what_is_held_and_that_over_the_files(tmp_path: Path) -> None:
    seen = sights(tmp_path, "0/1 with void 255")
    held = ReadingRule(MaskMeaning(Plane.LEVELS, (255,), (0,), (), Rest.OBJECT))
    decided = decide_rule("SET", seen, held=held)
    assert decided.rule.mask == held.mask
    assert "as the checkpoint was trained" in decided.lines[0]
    given = decide_rule("SET", seen, held=held, given=["object=1", "void=255"])
    assert given.rule.mask.void == (255,)
    assert given.lines[0].endswith("(--mask-values)")
    same = decide_rule("SET", seen, held=decide_rule("SET", seen).rule)
    assert "checkpoint" not in same.lines[0]


def test_images_of_one_colour_are_named_after_scaling(tmp_path: Path) -> None:
    mask = see_mask(save_set(tmp_path, "0/255", 1)[0])
    spread = look_at_numbers(np.arange(4000).reshape(40, 100))
    above = look_at_numbers(np.full((4, 4), 9000))
    seen = [Sight(f"{i}", mask, spread) for i in range(40)] + [Sight("odd", mask, above)]
    decided = decide_rule("SET", [*seen, Sight("grey", mask, flat=True)])
    assert isinstance(decided.rule.scale, PixelScale)
    assert "41 images of more than 8 bits" in decided.lines[1]
    assert decided.warnings == ("images of SET: 2 images are of one single colour: odd, grey",)


def test_a_sight_survives_json(tmp_path: Path) -> None:
    (plain,) = sights(tmp_path, "soft edges", 1)
    wide = Sight("a", plain.mask, look_at_numbers(np.arange(9)), flat=True)
    for sight in (plain, wide):
        assert Sight.from_plain(sight.name, json.loads(json.dumps(sight.to_plain()))) == sight


def stored(tmp_path: Path, number: int, values: np.ndarray) -> Sight:
    Image.fromarray(values.astype(np.uint8)).save(tmp_path / f"m{number}.png")
    return Sight(f"m{number}.png", see_mask(tmp_path / f"m{number}.png"))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("inverted in part", "2 of 12 seem inverted (the object touches all edges"),
        ("grey in one", "1 of 12 are not black but have no value of an object, and count as empty"),
        ("red in one", "m1.png; if they show objects, write these as 255, or say so with"),
        ("photographs", "12 of 12 look like photographs"),
        ("trimap swapped", "if so, give --mask-values object=0 void=128"),
    ],
)
def test_what_is_odd_is_said_by_name(tmp_path: Path, kind: str, words: str) -> None:
    seen = []
    for number in range(12):
        mask = truth(number)
        values = mask * 255
        if kind == "inverted in part" and number < 2:
            values = 255 - values
        elif kind == "grey in one" and number == 1:
            values = mask * 100
        elif kind == "red in one" and number == 1:
            values = np.dstack([mask * 255, mask * 0, mask * 0])
        elif kind == "trimap swapped":
            values = np.where(ring(mask), 128, np.where(mask, 0, 255))
        elif kind == "photographs":
            low = np.random.default_rng(number).integers(0, 256, (12, 16)).astype(np.uint8)
            values = np.asarray(Image.fromarray(low).resize((128, 96), Image.Resampling.BICUBIC))
        seen.append(stored(tmp_path, number, np.asarray(values)))
    decided = decide_rule("SET", seen)
    said = [line for line in (*decided.warnings, *decided.empty) if words in line]
    assert len(said) == 1
    assert said[0].startswith("masks of SET: ")


def test_a_set_as_it_should_be_is_not_found_fault_with(tmp_path: Path) -> None:
    for name in ("0/255", "JPEG", "class ids to 90", "VOC's cat", "blue on white JPEG"):
        decided = decide_rule("SET", sights(tmp_path, name, 12))
        assert (*decided.warnings, *decided.empty) == ()


def test_numbers_go_by_a_range_of_training_that_fits(tmp_path: Path) -> None:
    mask = see_mask(save_set(tmp_path, "0/255", 1)[0])
    seen = [Sight("a", mask, look_at_numbers(np.arange(3900).reshape(39, 100)))]
    ranges = {"far": PixelScale(28000, 31000), "near": PixelScale(0, 4095)}
    decided = decide_rule("SET", seen, ranges=ranges)
    assert decided.rule.scale == ranges["near"]
    assert decided.lines[1].endswith("0 is black and 4095 is white, as in training on near")
