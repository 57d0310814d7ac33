import re

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from decamo.data.scenes.compose import Scene, make_scene, scene_name
from decamo.errors import SettingsError

SIZE = 96


@pytest.fixture(scope="module")
def many() -> list[Scene]:
    return [make_scene(3, index, SIZE) for index in range(90)]


@pytest.fixture(scope="module")
def rings(many: list[Scene]) -> list[NDArray[np.bool_]]:
    """Around each animal."""
    return [ring(scene.mask) for scene in many]


def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """ITU-R BT.601 luma, 0-255."""
    return image @ np.array([0.299, 0.587, 0.114])


def grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """Dilation by a square of radius ``by`` px."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.filter(ImageFilter.MaxFilter(2 * by + 1))) > 0


def ring(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return grown(mask, 8) & ~grown(mask, 1)


def otsu(channel: NDArray[np.uint8]) -> int:
    """Otsu (1979) by brute force: the split of least variance within the two sides."""
    counts = np.bincount(channel.ravel(), minlength=256).astype(np.float64)
    levels = np.arange(256)
    costs = np.full(256, np.inf)
    for t in range(255):
        sides = (counts[: t + 1], levels[: t + 1]), (counts[t + 1 :], levels[t + 1 :])
        if all(n.sum() for n, _ in sides):
            costs[t] = sum((n * (v - np.average(v, weights=n)) ** 2).sum() for n, v in sides)
    return int(costs.argmin())


def iou(guess: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    return float((guess & mask).sum() / (guess | mask).sum())


def test_shapes_and_types() -> None:
    scene = make_scene(0, 0, 64)
    assert scene.image.shape == (64, 64, 3)
    assert scene.image.dtype == np.uint8
    assert scene.mask.shape == (64, 64)
    assert scene.mask.dtype == np.bool_


def test_a_scene_is_the_same_alone_and_in_any_order() -> None:
    forward = [make_scene(5, index, 48) for index in range(4)]
    for index in (2, 0, 3, 1):
        again = make_scene(5, index, 48)
        np.testing.assert_array_equal(again.image, forward[index].image)
        np.testing.assert_array_equal(again.mask, forward[index].mask)
        assert again.name == forward[index].name


def test_seed_and_index_both_matter() -> None:
    pictures = [make_scene(s, i, 48).image for s, i in ((1, 2), (2, 1), (1, 1), (2, 2))]
    for one in range(4):
        for other in range(one):
            assert (pictures[one] != pictures[other]).mean() > 0.5


def test_without_an_animal_only_the_animal_is_missing() -> None:
    for index in range(10):
        hidden = make_scene(8, index, SIZE)
        empty = make_scene(8, index, SIZE, camouflaged=False)
        assert not empty.mask.any()
        away = ~grown(hidden.mask, 8)
        np.testing.assert_array_equal(empty.image[away], hidden.image[away])
        assert (empty.image[hidden.mask] != hidden.image[hidden.mask]).mean() > 0.8


def test_names_follow_cod10k(many: list[Scene]) -> None:
    rule = re.compile(r"COD10K-CAM-[1-4]-(Aquatic|Terrestrial|Flying|Amphibian)-\d-[A-Z][a-z]+-\d+")
    for index, scene in enumerate(many):
        assert rule.fullmatch(scene.name)
        assert scene.name.endswith(f"-{index + 1}")
        assert scene.name == scene_name(3, index)
    assert len({scene.name.split("-")[5] for scene in many}) == 7
    empty = make_scene(3, 4, 48, camouflaged=False).name
    assert empty == scene_name(3, 4, camouflaged=False) == "COD10K-NonCAM-5-Other-8-Background-5"


def test_areas(many: list[Scene]) -> None:
    areas = np.array([scene.mask.mean() for scene in many])
    assert ((areas >= 0.04) & (areas <= 0.35)).mean() > 0.95
    assert areas.mean() < 0.25  # the mean IoU of calling everything an animal
    assert areas.max() > 2.5 * areas.min()


def test_no_global_threshold_on_any_channel_finds_the_animal(many: list[Scene]) -> None:
    best = []
    for scene in many[:30]:
        channels = [*np.moveaxis(scene.image, 2, 0), np.rint(luma(scene.image)).astype(np.uint8)]
        bright = [channel > otsu(channel) for channel in channels]
        best.append(max(iou(side, scene.mask) for b in bright for side in (b, ~b)))
    assert np.mean(best) < 0.25


def test_the_animal_wears_the_tones_of_its_surroundings(
    many: list[Scene], rings: list[NDArray[np.bool_]]
) -> None:
    gaps, shifts = [], []
    levels = np.arange(256)
    for scene, around in zip(many, rings, strict=True):
        grey = luma(scene.image)
        inside, outside = np.sort(grey[scene.mask]), np.sort(grey[around])
        cdfs = [np.searchsorted(v, levels, side="right") / len(v) for v in (inside, outside)]
        gaps.append(np.abs(cdfs[0] - cdfs[1]).max())  # Kolmogorov-Smirnov statistic
        shifts.append(inside.mean() - outside.mean())
    assert np.mean(gaps) < 0.08
    assert np.max(gaps) < 0.25
    assert abs(np.mean(shifts)) < 3
    assert np.mean(np.abs(shifts)) < 5


def test_each_colour_matches_too(many: list[Scene], rings: list[NDArray[np.bool_]]) -> None:
    for c in range(3):
        colours = [(s.image[..., c], s.mask, r) for s, r in zip(many, rings, strict=True)]
        shift = [colour[mask].mean() - colour[r].mean() for colour, mask, r in colours]
        assert np.mean(np.abs(shift)) < 6


def test_its_grain_betrays_it(many: list[Scene], rings: list[NDArray[np.bool_]]) -> None:
    """Something can be learned: detail finer than about 3 px has more energy on the animal."""
    ratios = []
    for scene, around in zip(many, rings, strict=True):
        grey = Image.fromarray(np.rint(luma(scene.image)).astype(np.uint8))
        smooth = np.asarray(grey.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float64)
        detail = (np.asarray(grey, dtype=np.float64) - smooth) ** 2
        ratios.append(detail[scene.mask].mean() / detail[around].mean())
    assert np.mean(np.array(ratios) > 1.2) > 0.9


@pytest.mark.parametrize(
    ("seed", "index", "size", "flag"),
    [(-1, 0, 64, "--seed"), (0, -1, 64, "--index"), (0, 0, 31, "--size"), (0, 0, 5000, "--size")],
)
def test_numbers_out_of_range_are_refused(seed: int, index: int, size: int, flag: str) -> None:
    with pytest.raises(SettingsError, match=flag):
        make_scene(seed, index, size)
