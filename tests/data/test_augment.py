import math
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from decamo.data.augment import (
    Augmentation,
    _object_of,
    apply,
    apply_stored,
    draw_augmentation,
)
from decamo.data.cache.identity import square_of
from decamo.data.pairs import Pair
from decamo.data.rules import VOID, MaskMeaning, Plane, ReadingRule, Rest
from decamo.geometry import Squash

PLAIN = Augmentation()


def scene(height: int = 90, width: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    """A marker: the object is exactly where the image is bright, smooth at its border."""
    ys, xs = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = ((ys - 0.55 * height) / (0.3 * height)) ** 2 + ((xs - 0.4 * width) / 30) ** 2 < 1
    inside |= (ys < 20) & (xs > width - 25)
    image = torch.where(inside, 220, 30).to(torch.uint8).expand(3, height, width).contiguous()
    return image, inside[None]


def photo(height: int = 60, width: int = 80) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(60, 190, (3, height, width), dtype=np.uint8))


def only(name: str, factor: float) -> Augmentation:
    changes: dict[str, Any] = {name: factor}
    return replace(PLAIN, **changes)


def geometry_of(aug: Augmentation) -> Augmentation:
    return Augmentation(flip=aug.flip, crop=aug.crop, angle=aug.angle)


# ---------------------------------------------------------------- drawing


def test_a_draw_is_a_function_of_its_three_numbers() -> None:
    assert draw_augmentation(3, 5, 7) == draw_augmentation(3, 5, 7)
    others = [
        draw_augmentation(4, 5, 7),
        draw_augmentation(3, 6, 7),
        draw_augmentation(3, 5, 8),
        draw_augmentation(3, 7, 5),
    ]
    assert len({draw_augmentation(3, 5, 7), *others}) == 5


def test_a_draw_leaves_global_generators_alone() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index]  # noqa: NPY002
    draw_augmentation(0, 0, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index]  # noqa: NPY002


def test_draws_occur_as_often_as_is_said_and_stay_in_range() -> None:
    n = 4000
    drawn = [draw_augmentation(1, epoch, index) for epoch in range(4) for index in range(n // 4)]
    rates = {
        "flip": (sum(a.flip for a in drawn), 0.5),
        "crop": (sum(a.crop != PLAIN.crop for a in drawn), 0.7),
        "angle": (sum(a.angle != 0 for a in drawn), 0.3),
        "brightness": (sum(a.brightness != 1 for a in drawn), 0.8),
        "hue": (sum(a.hue != 0 for a in drawn), 0.3),
        "blur": (sum(a.blur != 0 for a in drawn), 0.1),
        "grey": (sum(a.grey for a in drawn), 0.05),
    }
    for name, (count, p) in rates.items():
        assert abs(count - n * p) < 5 * math.sqrt(n * p * (1 - p)), name
    for aug in drawn:
        top, left, height, width = aug.crop
        assert min(top, left) >= 0
        assert max(top + height, left + width) <= 1 + 1e-12
        assert 0.3 <= height * width <= 1  # 0.4, less what a long side over the image loses
        assert abs(aug.angle) <= 15
        assert all(0.8 <= f <= 1.2 for f in (aug.brightness, aug.contrast, aug.saturation))
        assert abs(aug.hue) <= 0.03
    angles = [a.angle for a in drawn if a.angle]
    assert min(angles) < -13
    assert max(angles) > 13


def test_golden_draw_never_changes() -> None:
    drawn = astuple(draw_augmentation(7, 3, 11))
    assert [*drawn[1], drawn[0], *drawn[2:]] == pytest.approx(GOLDEN, abs=1e-12)


# ---------------------------------------------------------------- applying


def test_no_augmentation_is_exactly_the_squash() -> None:
    image, mask = scene()
    got, on = apply(PLAIN, image, mask, 48)
    squash = Squash((90, 120), 48)
    assert torch.equal(got, squash.apply(image))
    assert torch.equal(on.bool(), squash.apply_mask(mask))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_shapes_types_and_replay(epoch: int, index: int) -> None:
    image, mask = scene(45, 61)
    aug = draw_augmentation(0, epoch, index)
    got, on = apply(aug, image, mask, 32)
    assert got.dtype == on.dtype == torch.uint8
    assert got.shape == (3, 32, 32)
    assert on.shape == (1, 32, 32)
    assert on.max() <= 1
    again = apply(aug, image.clone(), mask.to(torch.uint8), 32)
    assert torch.equal(got, again[0])
    assert torch.equal(on, again[1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_mask_and_image_move_together(index: int) -> None:
    image, mask = scene()
    aug = geometry_of(draw_augmentation(0, 1, index))
    got, on = apply(aug, image, mask, 96)
    assert on.any()
    # 125 is half way between object and ground: there, and only there, rounding may decide
    clear = (got[0].int() - 125).abs() > 3
    assert clear.float().mean() > 0.97
    assert torch.equal((got[0] > 125)[clear], on[0].bool()[clear])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_mask_of_another_size_moves_with_its_drafted_image(index: int) -> None:
    image, mask = scene(180, 240)
    aug = geometry_of(draw_augmentation(0, 2, index))
    half, _ = scene(180, 240)
    half = torch.nn.functional.avg_pool2d(half.float(), 2).to(torch.uint8)
    got, on = apply(aug, half, mask, 64)
    whole, _ = apply(aug, image, mask, 64)
    assert ((got[0] > 125) != on[0].bool()).float().mean() < 0.03
    assert (got.float() - whole.float()).abs().mean() < 6


def test_flip_is_a_mirror() -> None:
    image, mask = scene()
    plain, flipped = apply(PLAIN, image, mask, 40), apply(Augmentation(flip=True), image, mask, 40)
    assert all(torch.equal(f, p.flip(-1)) for f, p in zip(flipped, plain, strict=True))
    assert not torch.equal(flipped[0], plain[0])


def test_a_crop_is_the_squash_of_that_window() -> None:
    image, mask = photo(), torch.zeros(1, 60, 80, dtype=torch.bool)
    got, _ = apply(Augmentation(crop=(0.25, 0.5, 0.5, 0.5)), image, mask, 32)
    assert torch.equal(got, Squash((30, 40), 32).apply(image[:, 15:45, 40:]))


@pytest.mark.parametrize(("kept", "cropped"), [(29, False), (30, True), (31, True), (0, False)])
def test_a_crop_must_keep_three_tenths_of_the_object(kept: int, cropped: bool) -> None:
    image, mask = photo(100, 100), torch.zeros(1, 100, 100, dtype=torch.bool)
    mask[0, 0, :kept] = True  # inside the window
    mask[0, 99, : 100 - kept] = True  # outside
    aug = Augmentation(crop=(0.0, 0.0, 0.5, 1.0))
    want = image[:, :50] if cropped else image
    got, _ = apply(aug, image, mask, 32)
    assert torch.equal(got, Squash((want.shape[1], 100), 32).apply(want))


def test_an_empty_mask_may_be_cropped() -> None:
    image, mask = photo(100, 100), torch.zeros(1, 100, 100, dtype=torch.bool)
    got, on = apply(Augmentation(crop=(0.0, 0.0, 0.5, 1.0)), image, mask, 32)
    assert torch.equal(got, Squash((50, 100), 32).apply(image[:, :50]))
    assert not on.any()


def test_one_pixel_high_images_can_be_cropped() -> None:
    image, mask = photo(1, 50), torch.ones(1, 1, 50, dtype=torch.bool)
    assert apply(Augmentation(crop=(0.9, 0.5, 0.1, 0.5)), image, mask, 32)[1].all()


@pytest.mark.parametrize("angle", [-15.0, -3.0, 7.0, 15.0])
@pytest.mark.parametrize("size", [32, 65])
def test_rotation_leaves_no_black_corner(angle: float, size: int) -> None:
    image = torch.full((3, 50, 70), 200, dtype=torch.uint8)
    mask = torch.ones(1, 50, 70, dtype=torch.bool)
    got, on = apply(Augmentation(angle=angle), image, mask, size)
    assert got.min() >= 199
    assert on.all()


def test_rotation_turns_counter_clockwise_by_the_angle() -> None:
    image, mask = torch.zeros(3, 101, 101, dtype=torch.uint8), torch.zeros(1, 101, 101).bool()
    mask[0, 48:53, 85:90] = True  # 37 px to the right of the centre
    _, on = apply(Augmentation(angle=15.0), image, mask, 101)
    y, x = (axis.float().mean().item() for axis in torch.where(on[0]))
    assert (x - 50, 50 - y) == pytest.approx(
        (37 * math.cos(math.radians(15)), 37 * math.sin(math.radians(15))), abs=0.6
    )


def test_colour_leaves_the_mask_alone() -> None:
    image, mask = scene()
    aug = Augmentation(brightness=0.8, contrast=1.2, saturation=0.8, hue=0.03, blur=1.5)
    assert torch.equal(apply(aug, image, mask, 40)[1], apply(PLAIN, image, mask, 40)[1])
    assert not torch.equal(apply(aug, image, mask, 40)[0], apply(PLAIN, image, mask, 40)[0])


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_each_colour_change_agrees_with_torchvision(name: str, factor: float) -> None:
    image, mask = photo(32, 32), torch.ones(1, 32, 32, dtype=torch.bool)
    got, _ = apply(only(name, factor), image, mask, 32)
    oracle = getattr(F, f"adjust_{name}")(image, factor)
    assert (got.int() - oracle.int()).abs().max() <= 1


def test_grey_agrees_with_torchvision() -> None:
    image, mask = photo(32, 32), torch.ones(1, 32, 32, dtype=torch.bool)
    got, _ = apply(Augmentation(grey=True), image, mask, 32)
    assert (got.int() - F.rgb_to_grayscale(image, 3).int()).abs().max() <= 1


def test_hue_keeps_greys_and_turns_colours_the_way_torchvision_does() -> None:
    mask = torch.ones(1, 32, 32, dtype=torch.bool)
    grey = torch.full((3, 32, 32), 90, dtype=torch.uint8)
    assert (apply(Augmentation(hue=0.03), grey, mask, 32)[0].int() - 90).abs().max() <= 1
    luma = torch.tensor([0.299, 0.587, 0.114])
    for colour in ((180, 90, 60), (60, 180, 90), (90, 60, 180), (150, 150, 60)):
        flat = torch.tensor(colour, dtype=torch.uint8)[:, None, None].expand(3, 32, 32)
        for shift in (-0.03, 0.03):
            ours = apply(Augmentation(hue=shift), flat, mask, 32)[0][:, 0, 0].float()
            theirs = F.adjust_hue(flat, shift)[:, 0, 0].float()
            base = torch.tensor(colour).float()
            assert torch.dot(ours - base, theirs - base) > 0, (colour, shift)
            assert abs(torch.dot(ours - base, luma)) < 1.5, "luminance stays"


GOLDEN = [0.03598074052196374, 0.0, 0.9179906792225007, 1.0, True, 0.0]
GOLDEN += [1.0834684654150353, 1.1735657143130336, 1.1966314319675728, 0.0, 0.0, False]


# ---------------------------------------------------------------- void


def void_scene(kind: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A scene's image, its object, and what an annotator left open of it."""
    image, mask = scene()
    ys, xs = torch.meshgrid(torch.arange(90), torch.arange(120), indexing="ij")
    away = ((ys - 49.5) / 27) ** 2 + ((xs - 48) / 30) ** 2
    void = {
        "ring": (away > 0.8) & (away < 1.3),
        "half of the object": xs[None][0] < 48,
        "specks": torch.from_numpy(np.random.default_rng(0).random((90, 120)) < 0.05),
    }[kind]
    return image, mask, void[None]


@pytest.mark.parametrize("kind", ["ring", "half of the object", "specks"])
@pytest.mark.parametrize("size", [32, 96])
def test_targets_outside_void_are_those_of_the_true_mask(kind: str, size: int) -> None:
    image, truth, void = void_scene(kind)
    seen = 0
    for epoch in range(40):
        aug = draw_augmentation(1, epoch, 0)
        kept = replace(aug, crop=PLAIN.crop) if kind == "half of the object" else aug
        _, want = apply(kept, image, truth, size)
        _, got = apply(kept, image, truth & ~void, size, void)
        known = got != VOID
        assert set(got.unique().tolist()) <= {0, 1, VOID}
        assert torch.equal(got[known], want[known])
        seen += int((~known).sum())
        # and whatever hides in the void: the target is the same whether all of it is object or none
        for hidden in (truth | void, truth & ~void):
            _, other = apply(replace(kept, crop=PLAIN.crop), image, hidden, size)
            _, same = apply(replace(kept, crop=PLAIN.crop), image, truth & ~void, size, void)
            assert torch.equal(other[same != VOID], same[same != VOID])
    assert seen > 0


def test_stored_squares_keep_void_too(tmp_path: Path) -> None:
    image, truth, void = void_scene("ring")
    codes = np.where(void[0], 255, truth[0])
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "a.png")
    Image.fromarray(codes.astype(np.uint8)).save(tmp_path / "m.png")
    Image.fromarray(truth[0].numpy()).save(tmp_path / "t.png")
    rule = ReadingRule(MaskMeaning(Plane.LEVELS, (), (0,), (255,), Rest.OBJECT))
    pair = Pair(tmp_path / "a.png", tmp_path / "m.png", "a", "set", "train", rule)
    square = square_of(pair, 64, 5)
    true_square = square_of(replace(pair, mask=tmp_path / "t.png", rule=ReadingRule()), 64)
    assert torch.equal(square[..., :3], true_square[..., :3])
    for epoch in range(20):
        aug = replace(draw_augmentation(2, epoch, 0), crop=PLAIN.crop)
        pixels, got = apply_stored(aug, square, 48)
        same, want = apply_stored(aug, true_square, 48)
        assert torch.equal(pixels, same)
        assert (got == VOID).any()
        assert torch.equal(got[got != VOID], want[got != VOID])


def test_what_is_object_is_seen_alike_by_bytes_and_by_numbers() -> None:
    """Four channels are read as one number; of five, or of a slice, the fourth is looked at."""
    planes = torch.randint(256, (9, 7, 5), dtype=torch.uint8)
    planes[0, :4, 3] = torch.tensor([127, 128, 0, 255], dtype=torch.uint8)
    wanted = torch.tensor([[[value >= 128 for value in row] for row in planes[..., 3].tolist()]])
    assert torch.equal(_object_of(planes), wanted)
    assert torch.equal(_object_of(planes[..., :4].contiguous()), wanted)
    assert torch.equal(_object_of(planes[..., :4]), wanted)
