from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decamo.data.census import Census, take_census
from decamo.data.deciding import apply_rules, words_for
from decamo.data.images_rule import ImagesRule, rule_for_images
from decamo.data.pairs import Pair
from decamo.data.reading import read_labelled
from decamo.data.rules import MaskMeaning, PixelScale, Plane, ReadingRule
from decamo.errors import SettingsError
from tests.data.mask_sets import save_set, truth


def census_of(folder: Path, sets: dict[str, str], count: int = 5) -> Census:
    pairs = []
    for dataset, kind in sets.items():
        home = folder / dataset
        home.mkdir()
        for mask in save_set(home, kind, count):
            image = mask.with_name(f"{mask.stem}-photo.png")
            noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3), dtype=np.uint8)
            Image.fromarray(noise).save(image)
            pairs.append(Pair(image, mask, mask.stem, dataset, "train"))
    return take_census(pairs, workers=1)


def test_each_data_set_has_its_own_rule(tmp_path: Path) -> None:
    ruled = apply_rules(census_of(tmp_path, {"a": "0/1 with void 255", "b": "0/255"}))
    assert ruled.rules["b"] == ReadingRule()
    assert ruled.rules["a"].mask.void == (255,)
    assert [line.split(":")[0] for line in ruled.lines] == ["masks of a", "masks of b"]
    for entry in ruled.census.entries:
        _, labels = read_labelled(entry.pair)
        known = np.ones((96, 128), bool) if labels.void is None else ~labels.void
        assert (labels.void is None) == (entry.pair.dataset == "b")
        assert np.array_equal(labels.object & known, truth(int(entry.pair.stem[1:])) & known)
        assert entry.foreground == pytest.approx(labels.object[known].mean())


@pytest.mark.parametrize("kind", ["JPEG of 0/100", "cut out along alpha", "soft red edges"])
def test_shares_are_by_the_rule_also_where_pixels_must_be_read_again(
    tmp_path: Path, kind: str
) -> None:
    for entry in apply_rules(census_of(tmp_path, {"a": kind})).census.entries:
        share = truth(int(entry.pair.stem[1:])).mean()
        assert entry.foreground == pytest.approx(share, rel=0.02)


def test_a_mask_that_is_all_void_is_left_out_by_name(tmp_path: Path) -> None:
    census = census_of(tmp_path, {"a": "0/1 with void 255"})
    path = census.entries[2].pair.mask
    Image.new("L", (128, 96), 255).save(path)
    ruled = apply_rules(take_census([entry.pair for entry in census.entries], workers=1))
    assert len(ruled.census.entries) == 4
    assert [(bad.path, bad.reason) for bad in ruled.census.bad] == [
        (path, "all of the mask is void")
    ]


def test_a_census_of_somebody_else_is_looked_at_again(tmp_path: Path) -> None:
    census = census_of(tmp_path, {"a": "0/1 with void 255"})
    blind = replace(census, entries=tuple(replace(e, sight=None) for e in census.entries))
    assert apply_rules(blind).rules == apply_rules(census).rules


def test_words_for_one_set_hold_for_it_alone(tmp_path: Path) -> None:
    census = census_of(tmp_path, {"a": "0/1 with void 255", "b": "0/1 with void 255"})
    rules = apply_rules(census, given=["a:object=1", "a:ground=0"]).rules
    assert (rules["a"].mask.object, rules["b"].mask.object) == ((1,), ())
    assert words_for("b", ["object=1", "a:object=2"]) == ["object=1"]
    with pytest.raises(SettingsError, match="data sets are called a, b"):
        apply_rules(census, given=["c:object=1"])


def test_a_rule_that_is_held_stays(tmp_path: Path) -> None:
    held = {"a": ReadingRule(MaskMeaning(Plane.LEVELS, (1, 255), (0,)))}
    ruled = apply_rules(
        census_of(tmp_path, {"a": "0/1 with void 255"}), held=held, max_pixels=99999
    )
    assert ruled.rules["a"] == replace(held["a"], max_pixels=99999)


def wide(path: Path, low: float, high: float) -> Path:
    values = np.random.default_rng(0).integers(int(low), int(high), (30, 40)).astype(np.uint16)
    Image.fromarray(values).save(path)
    return path


def test_images_to_predict_are_scaled_as_in_training(tmp_path: Path) -> None:
    files = [wide(tmp_path / "a.png", 0, 900), tmp_path / "none.png"]
    trained = {"a": ReadingRule(scale=PixelScale(0, 4095)), "b": ReadingRule()}
    found = rule_for_images(files, trained, max_pixels=10**6)
    rule, line = found.rule, found.line
    assert rule == ReadingRule(scale=PixelScale(0, 4095), max_pixels=10**6)
    assert line == "1 image of more than 8 bits: 0 is black and 4095 is white, as in training on a"


def test_images_to_predict_are_scaled_by_a_look_where_training_had_none(tmp_path: Path) -> None:
    found = rule_for_images([wide(tmp_path / "a.png", 28000, 31000)], {"a": ReadingRule()})
    rule, line = found.rule, found.line
    assert rule.scale is not None
    assert 28000 <= rule.scale.low < 28100
    assert "percentiles" in line
    Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    assert rule_for_images([tmp_path / "b.png"], {}) == ImagesRule(ReadingRule())


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [(0, 1000, PixelScale(0, 1023)), (0, 4000, PixelScale(0, 4095)), (0, 65535, None)],
)
def test_of_several_ranges_of_training_the_one_that_fits_is_taken(
    tmp_path: Path, low: int, high: int, want: PixelScale | None
) -> None:
    files = [wide(tmp_path / f"{i}.png", low, high) for i in range(3)]
    trained = {"a": ReadingRule(scale=PixelScale(0, 4095)), "b": ReadingRule(),
               "c": ReadingRule(scale=PixelScale(0, 1023))}  # fmt: skip
    found = rule_for_images(files, trained)
    assert found.rule.scale == want
    assert found.line.startswith("3 images of more than 8 bits: 0 is black and ")


@pytest.mark.parametrize(
    ("before", "now", "others"),
    [
        ([], [], ()),
        ([], ["object=1", "void=255"], ()),
        ([], ["object=1", "ground=0"], ()),
        (["object=1", "void=255"], ["void=255", "a:object=1", "a:void=255"], ()),
        ([], ["object=1"], ("a",)),
    ],
)
def test_sets_whose_masks_mean_something_else_than_held(
    tmp_path: Path, before: list[str], now: list[str], others: tuple[str, ...]
) -> None:
    census = census_of(tmp_path, {"a": "0/1 with void 255"})
    held = apply_rules(census, given=before).rules
    again = apply_rules(census, given=now, held=held, before=before)
    assert again.others == others
    assert (again.rules == held) == (not others)
